"""What a release is made of must be named by what cannot change: a digest, a commit, a dated provider id."""
