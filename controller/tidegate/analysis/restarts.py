"""A mixture over starting points: a candidate that turns bad after a long good time is found nearly as fast as a fresh one.

Neighbours: counts.py, onearm.py and scores.py keep their log components under these weights.
`M_t = (1 - SHARE) E_(1..t) + sum_k w_k E_(k..t) + R(N_t)`: the test from the first batch on, tests that begin with each
later batch k, and what is not yet given to any. A mean of e-processes is one. Components that begin later need no state
of their own: `A <- (A + w_k) LR_k`, so one number a point stands for all of them.
"""

from __future__ import annotations

import math

SHARE = 0.05
"""The weight of all later starts together; it costs 0.05 nats of evidence at most."""
SPAN = 1000.0
"""Candidate requests over which the first half or so of that weight is given away."""
LOG_FIRST = math.log1p(-SHARE)
"""log of the weight of the start at the first batch."""


def unspent(n: float) -> float:
    """R(n), the weight that no start has been given after n candidate requests: `SHARE / (1 + log(1 + n/SPAN))`.

    It falls like 1/log n, so a start after n requests gets about `1/(n log^2 n)` each: never nothing, and summable.
    """
    return SHARE / (1 + math.log1p(n / SPAN))


def log_weight(before: float, more: float) -> float:
    """log of the weight of a start at a batch of `more` > 0 candidate requests, after `before` of them.

    It depends on the batch's size alone, which is known before its outcomes.
    """
    one, other = 1 + math.log1p(before / SPAN), 1 + math.log1p((before + more) / SPAN)
    gap = math.log1p(more / (SPAN + before))
    return math.log(SHARE) + math.log(max(gap, 1e-300)) - math.log(one) - math.log(other)
