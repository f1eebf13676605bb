"""The sentences of a verdict: what was seen, against what, on how many requests, and the limit, in human units.

Neighbours: judge.py puts them into judgements; status, history, git and alerts show them as they are.
"""

from __future__ import annotations

import math

from tidegate.analysis.metrics import Kind, Metric
from tidegate.spec.policy import Guardrail
from tidegate.spec.sources import SourceSpec


def name(metric: Metric) -> str:
    """`error rate`, `p95 latency`, `groundedness`."""
    if metric.kind is Kind.LATENCY:
        return f"p{metric.name.removeprefix('latency_p').removesuffix('_ms')} latency"
    return metric.name.replace("_", " ") if metric.kind is not Kind.SCORE else metric.name


def value(metric: Metric, number: float | None) -> str:
    """A value in the metric's unit: `19.1 %`, `240 ms`, `5.2 s`, `0.87`."""
    if number is None:
        return "nothing"
    if metric.kind is Kind.LATENCY:
        return f"{number:.3g} ms" if number < 999.5 else f"{number / 1000:.3g} s"
    return percent(number) if metric.kind is not Kind.SCORE else f"{number:.3g}"


def percent(share: float) -> str:
    """0.191 -> `19.1 %`; small shares keep two digits."""
    shown = share * 100
    return f"{shown:.1f} %" if shown >= 0.995 or shown == 0 else f"{shown:.2g} %"


def points(difference: float) -> str:
    """A difference of rates: 0.08 -> `8.0 points`."""
    return f"{difference * 100:.1f} points"


def limit(guardrail: Guardrail, metric: Metric, number: float | None = None) -> str:
    """A limit as people say it: `2.0x`, `+10 %`, `-0.05`, `5 s`. `number` stands in for it (a margin)."""
    bound = guardrail.limit if number is None else number
    match guardrail.limit_name:
        case "max_ratio" | "min_ratio":
            return f"{bound:.3g}x" if bound != int(bound) else f"{bound:.1f}x"
        case "max_increase" if bound == 0:
            return "no increase"
        case "max_drop" if bound == 0:
            return "no drop"
        case "max_increase":
            return f"+{bound:.3g}" if metric.kind is Kind.SCORE else f"+{bound * 100:.3g} %"
        case "max_drop":
            return f"-{bound:.3g}"
        case _:
            return value(metric, bound)


def odds(log_e: float) -> str:
    """How rare such evidence is while nothing is wrong: `odds of this by chance below 1 in 10,000`."""
    digits = min(math.floor(log_e / math.log(10) + 1e-9), 6)
    return f"odds of this by chance below 1 in {10 ** max(digits, 0):,}"


def requests(count: int, guardrail: Guardrail | None = None) -> str:
    """`1 candidate request`, `412 candidate requests`; of what a source was asked for, `46 candidate values` or `counts`.

    Of a shadow `412 pairs of answers`."""
    if guardrail is not None and guardrail.paired:
        return f"{count:,} {'pair' if count == 1 else 'pairs'} of answers"
    thing = "request"
    if guardrail is not None and isinstance(guardrail.source, SourceSpec):
        thing = "count" if guardrail.source.asked.counts else "value"
    return f"{count:,} candidate {thing}{'' if count == 1 else 's'}"
