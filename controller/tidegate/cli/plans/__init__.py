"""Between the command line and the plan: the two commits, where the start comes from, what they say of each route."""
