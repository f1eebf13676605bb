"""Between the command line and the rules: what is there to judge, what of it must be judged again, and the base."""
