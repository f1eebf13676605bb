"""What `tidegate backtest` is made of: the log, the replay, what a policy could have seen, and how it is shown."""
