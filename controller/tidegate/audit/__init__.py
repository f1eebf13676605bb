"""The prediction record kept for months: closed segments, their chain of digests, and questions to them."""
