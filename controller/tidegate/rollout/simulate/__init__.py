"""A whole rollout on a virtual clock: scenarios in, timelines out. It drives the same core as `tidegate run`."""
