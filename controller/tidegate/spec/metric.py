"""What a guardrail's metric is by its name and source: errors, a latency quantile, invalid outputs, or a score. Light.

Neighbours: samples.py reckons with it, rules/ judge by it, analysis/metrics.py adds how it is counted.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from tidegate.spec.policy import Guardrail

SAID: Final = ("tokens", "cost", "wrong_model")
"""Scores that answers tell of themselves, in OpenAI's protocol: those of the gateway, and a shadow's too."""

_LATENCY = re.compile(r"latency_p(\d{2,4})_ms")


class Kind(StrEnum):
    """How a metric is measured. Errors and latencies come from the gateway; anything else is a score by its name.

    `counts`: events among a total, from a source that counts. Known only when the first values arrive: what a policy
    says is the same for both. `agreement`: how many of a shadow's answers say the same as those of the stable release.
    """

    ERRORS = "errors"
    LATENCY = "latency"
    INVALID = "invalid"
    SCORE = "score"
    COUNTS = "counts"
    AGREEMENT = "agreement"


def kind_of(guardrail: Guardrail) -> tuple[Kind, float]:
    """The kind, and a latency's quantile in (0, 1) (0 for the others). Of other sources than the gateway's, all are scores."""
    name = guardrail.metric
    if guardrail.source == "shadow" and name == "agreement":
        return Kind.AGREEMENT, 0.0
    if guardrail.source in ("gateway", "shadow"):
        if name == "error_rate":
            return Kind.ERRORS, 0.0
        if match := _LATENCY.fullmatch(name):
            return Kind.LATENCY, int(match[1]) / 10 ** len(match[1])
    return (Kind.INVALID if name == "invalid_output" else Kind.SCORE), 0.0


def unsupported(guardrail: Guardrail) -> str | None:
    """Why this limit cannot be judged on this metric, or None: fewer errors or faster answers are never a breach."""
    if guardrail.limit_name in ("max_ratio", "min_ratio") and guardrail.limit <= 0:
        return f"{guardrail.limit_name} must be above 0"
    if guardrail.paired and (why := _unpaired(guardrail)):
        return why
    if guardrail.limit_name == "max_gap":
        if kind_of(guardrail)[0] is Kind.LATENCY:
            return "a gap is one of rates or of mean scores: for latencies, give each segment its limit"
        return "a gap is judged over windows, never at once" if guardrail.immediate else None
    if kind_of(guardrail)[0] in (Kind.SCORE, Kind.AGREEMENT):
        return None
    if guardrail.limit_name in ("min", "min_ratio", "max_drop"):
        return f"{guardrail.metric} has no {guardrail.limit_name}: use max, max_ratio or max_increase"
    if guardrail.limit_name == "max_increase" and guardrail.limit <= -1:
        return "max_increase must be above -100%"
    return None


def _unpaired(guardrail: Guardrail) -> str | None:
    """Why a shadow's pairs cannot be held against this limit."""
    kind, _ = kind_of(guardrail)
    if kind is Kind.INVALID or (kind is Kind.SCORE and guardrail.metric not in SAID):
        known = f"error_rate, latency_pNN_ms, {', '.join(SAID)}"
        return f"a shadow's pairs have no '{guardrail.metric}': use agreement, {known}"
    if guardrail.segments is not None:
        return "a shadow's pairs are judged together: take 'segments' out"
    if kind is Kind.AGREEMENT and guardrail.limit_name != "min":
        return f"agreement has no {guardrail.limit_name}: use min"
    return None
