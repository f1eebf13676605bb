"""One module a rule: its docstring is its manual page, its examples are its tests. registry.py lists them."""
