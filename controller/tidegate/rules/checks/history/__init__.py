"""What is merged stays: version files are immutable, versions only grow. Judged against a base commit."""
