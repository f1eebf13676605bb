"""Tidegate: GitOps for model serving. A commit becomes a release, and a bad release takes itself back."""

__version__ = "0.1.0"
