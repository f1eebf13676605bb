"""Model files: brought here, checked against their sha256 and kept, before anything may use them."""
