"""Where figures come from that the gateway's record does not have: feedback, Prometheus, webhooks."""
