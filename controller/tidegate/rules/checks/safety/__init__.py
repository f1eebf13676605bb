"""What must not run or be written down: secrets, pickles, root, unlimited or unwatched containers."""
