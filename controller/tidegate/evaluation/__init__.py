"""Measures a running model server on recorded examples, in a process of its own; knows nothing of routes and policies."""
