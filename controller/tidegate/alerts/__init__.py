"""Who is told what of a rollout, and when: words, a desk that keeps storms away, and delivery by Apprise."""
