"""Many guardrails, one decision: `sum_j w_j E_j >= 1/alpha`, whatever the dependence between them.

Neighbours: judge.py. A weighted mean of e-processes is one again; it is never slower than Bonferroni's correction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def shares(weights: Sequence[float]) -> tuple[float, ...]:
    """The weights w_j, summing to 1. Raises ValueError when one is negative or all are zero."""
    total = math.fsum(weights)
    if any(w < 0 for w in weights) or (weights and total <= 0):
        raise ValueError("guardrail weights must not be negative, and one must be above zero")
    return tuple(w / total for w in weights)


def log_mean(weights: Sequence[float], log_es: Sequence[float]) -> float:
    """log of sum_j w_j E_j; `-inf` for none."""
    terms = [math.log(w) + e for w, e in zip(weights, log_es, strict=True) if w > 0]
    top = max(terms, default=-math.inf)
    return top + math.log(math.fsum(math.exp(t - top) for t in terms)) if terms else top


def culprits(weights: Sequence[float], log_es: Sequence[float], log_threshold: float) -> tuple[int, ...]:
    """Which guardrails made it: those that reach the threshold alone, the strongest first, else the strongest."""
    terms = [(math.log(w) + e if w > 0 else -math.inf, i) for i, (w, e) in enumerate(zip(weights, log_es, strict=True))]
    ranked = [i for term, i in sorted(terms, key=lambda t: (-t[0], t[1])) if term >= log_threshold]
    return tuple(ranked) or tuple(i for _, i in sorted(terms, key=lambda t: (-t[0], t[1]))[:1])
