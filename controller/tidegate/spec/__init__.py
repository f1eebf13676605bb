"""The declared kinds, YAML with positions, digests. Pure, and the lowest room: every other room may import it."""
