"""One module a rule, in the folder of its family: its docstring is its manual page, its examples are its tests."""
