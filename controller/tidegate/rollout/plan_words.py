"""Figures of a plan in words: effects, limits, amounts of memory, long times, releases, steps. Pure.

Neighbours: plan_text.py, plan_markdown.py and plan_risks.py use them.
"""

from __future__ import annotations

import math

from tidegate.spec.metric import Kind, kind_of
from tidegate.spec.policy import Guardrail, Step
from tidegate.spec.release import Release
from tidegate.spec.samples import assumed_baseline, low_is_bad
from tidegate.spec.units import format_duration, format_share

_UNITS = ((2**40, "Ti"), (2**30, "Gi"), (2**20, "Mi"), (2**10, "Ki"))


def spell(size: int) -> str:
    """Bytes as people write them in the files: 1.5Gi, 512Mi."""
    for unit, name in _UNITS:
        if size >= unit:
            return f"{size / unit:.4g}{name}"
    return f"{size} bytes"


def time_words(seconds: float) -> str:
    """A time that people plan with: two units at most, never below a second's worth of precision."""
    if math.isinf(seconds):
        return "for ever"
    if seconds < 60:
        return format_duration(math.ceil(seconds) if seconds > 1 else seconds)
    for unit, below in ((86400.0, 3600.0), (3600.0, 60.0), (60.0, 1.0)):
        if seconds >= unit:
            return format_duration(math.ceil(seconds / below - 1e-9) * below)
    return format_duration(seconds)


def number(value: float) -> str:
    """A rate of requests, in three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def rate_words(rate: float) -> str:
    """Requests a second, a minute, an hour or a day, whichever reads well."""
    for seconds, name in ((1, "second"), (60, "minute"), (3600, "hour")):
        if rate * seconds >= 1:
            return f"{number(rate * seconds)} requests a {name}"
    return f"{number(rate * 86400)} requests a day"


def limit_words(guardrail: Guardrail) -> str:
    """A guardrail's limit: `max_ratio 1.5`."""
    return f"{guardrail.limit_name} {guardrail.limit:g}"


def guardrail_words(guardrail: Guardrail) -> str:
    """A guardrail by its metric and limit: `error_rate max_ratio 1.5`, `agreement min 0.98 of the shadow`, `... in eu`."""
    text = f"{guardrail.metric} {limit_words(guardrail)}{' of the shadow' if guardrail.paired else ''}"
    if guardrail.segments is None:
        return text
    return f"{text} in {'each segment' if guardrail.segments == 'each' else ', '.join(guardrail.segments)}"


def samples_words(guardrail: Guardrail, count: int, kind: str = "") -> str:
    """What it is told by: `1,200 candidate requests`, `1,200 healthy pairs of answers`, `46 candidate values`."""
    what = "pairs of answers" if guardrail.paired else "candidate values" if guardrail.polled else "candidate requests"
    return f"{count:,} {kind}{what}{' of one segment' if guardrail.segments is not None else ''}"


def effect_words(guardrail: Guardrail, effect: float) -> str:
    """An effect by what it does to the metric: `error_rate 1% to 5%`, `latency_p95_ms +38%`, `quality 0.9 to 0.81`."""
    return f"{guardrail.metric} {change_words(guardrail, effect)}"


def change_words(guardrail: Guardrail, effect: float) -> str:
    """The same without the metric's name; for an absolute limit the value that is found."""
    kind, _ = kind_of(guardrail)
    baseline = assumed_baseline(guardrail)
    found = baseline * effect
    if not guardrail.relative:
        word = "below" if low_is_bad(guardrail) else "above"
        if kind is Kind.LATENCY:
            return f"{word} {found:,.3g} ms" if found < 1000 else f"{word} {found:,.0f} ms"
        return f"{word} {_share(min(found, 1.0))}" if kind is not Kind.SCORE else f"{word} {found:.3g}"
    if kind is Kind.LATENCY:
        return f"+{(effect - 1) * 100:.0f}%" if effect < 10 else f"{effect:.3g} times"
    if kind is Kind.SCORE:
        return f"{baseline:.3g} to {min(found, 1.0):.2g}"
    return f"{_share(baseline)} to {_share(min(found, 1.0))}"


def _share(value: float) -> str:
    return f"{value * 100:.2g}%" if value < 0.995 else "100%"


def release_words(release: Release) -> str:
    """A release for people: `digits 2.0.0 default (9f3c12ab44d0)`."""
    config = f" {release.config}" if release.config else ""
    return f"{release.model} {release.version}{config} ({release.id})"


def share_words(step: Step) -> str:
    """What a step gives: `5%`, `all of internal`, `all of internal and 5%`, `shadow 10%`."""
    parts = [f"shadow {format_share(step.shadow)}"] if step.shadow is not None else []
    parts += [f"all of {', '.join(step.segments)}"] if step.segments else []
    parts += [format_share(step.weight)] if step.weight is not None else []
    return " and ".join(parts)


def describe(step: Step) -> str:
    """A step in one line: `canary 5% for 30m, at least 500 requests`."""
    text = f"{step.name} {share_words(step)}"
    text += f" for {format_duration(step.duration)}" if step.duration else ""
    text += f", at least {step.min_requests} requests" if step.min_requests else ""
    text += f", {format_share(step.holdback)} held back" if step.holdback else ""
    return text + (", after a person's approval" if step.approve == "manual" else "")
