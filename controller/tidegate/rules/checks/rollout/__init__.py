"""A policy must be able to end, to see what it guards, and to take a release back."""
