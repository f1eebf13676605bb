"""What a file must be before anything can be said about it: YAML, of its kind, with fields that exist."""
