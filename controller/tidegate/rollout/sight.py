"""What a policy's guardrails could see of a release at a traffic, before it starts; and what promotion waits for. Pure.

The same arithmetic as the rules'. Neighbours: spec/samples.py reckons, spec/pace.py says how many requests come, plan.py
asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.spec.metric import Kind, kind_of, unsupported
from tidegate.spec.pace import Pace, shares
from tidegate.spec.policy import Guardrail, PolicyFields, Step
from tidegate.spec.samples import (
    ASSUMED_ERRORS,
    LARGEST,
    alphas,
    assumed_baseline,
    decisions,
    detectable,
    information,
    low_is_bad,
    promotion_information,
    promotion_nats,
    promotion_samples,
)
from tidegate.spec.sources import PrometheusSource, SourceSpec

Exposure = tuple[float, float]
"""The candidate's share, and how many candidate requests it got at that share."""


@dataclass(frozen=True, slots=True)
class Sight:
    """One guardrail. `step`: the first that shows it something; `first` and `whole`: the smallest effect (candidate over
    stable, or over an absolute limit) found at the median by the end of that step, and of all; None: none would be.

    `plain`: an effect that people would call bad, `requests` the candidate requests (of a shadow pairs of answers, of a source
    that is asked values) that find it at the first share, None: never. `promotion`: as many that exclude its margin; None
    without one, or when none ever do.
    """

    guardrail: Guardrail
    step: str | None
    first: float | None
    whole: float | None
    plain: float
    requests: int | None
    promotion: int | None


def exposures(steps: Sequence[Step], walk: Sequence[Pace | None] | None) -> list[list[Exposure]]:
    """By step, what the candidate gets: at the traffic where that is known, else the requests that the step asks for."""
    found: list[list[Exposure]] = []
    for index, step in enumerate(steps):
        pace = walk[index] if walk is not None else None
        if pace is not None:
            found.append(list(pace.exposures()) if pace.rate > 0 else [])
        else:
            theirs, rest = shares(step)
            least = float(step.min_requests if step.shadow is None else 0)
            found.append([(rest or theirs, least)] if least and (rest or theirs) else [])
    return found


def pairs(steps: Sequence[Step], walk: Sequence[Pace | None] | None) -> list[list[Exposure]]:
    """The same of the shadow steps' pairs of answers, for the guardrails on those."""
    found: list[list[Exposure]] = []
    for index, step in enumerate(steps):
        pace = walk[index] if walk is not None else None
        least = float(step.min_requests if step.shadow is not None else 0)
        found.append(list(pace.pairs()) if pace is not None else [(0.5, least)] if least else [])
    return found


def looks(steps: Sequence[Step], walk: Sequence[Pace | None] | None, spacing: float) -> list[list[Exposure]]:
    """The same of a source that is asked for one value of each release every `spacing` seconds, while users meet both."""
    found: list[list[Exposure]] = []
    for index, step in enumerate(steps):
        pace = walk[index] if walk is not None else None
        known = pace is not None and 0 < pace.seconds < float("inf")
        seconds = pace.seconds if pace is not None and known else step.duration
        found.append([(0.5, seconds / spacing)] if seconds >= spacing and step.shadow is None else [])
    return found


def sights(policy: PolicyFields, steps: Sequence[Step], walk: Sequence[Pace | None] | None) -> tuple[Sight, ...]:
    """What each guardrail sees. The immediate ones are for disasters and have no arithmetic; nor have those whose source
    counts: how much it will have counted does not follow from the traffic."""
    first_share = next((weight for step in steps if 0 < (weight := shares(step)[1]) < 1), None)
    requests, mirrored = exposures(steps, walk), pairs(steps, walk)
    found = []
    for guardrail, alpha in zip(policy.guardrails, alphas(policy), strict=True):
        if guardrail.immediate or alpha <= 0 or unsupported(guardrail):
            continue
        asked = guardrail.source.asked if isinstance(guardrail.source, SourceSpec) else None
        if asked is not None and asked.counts:
            continue
        baseline, plain = assumed_baseline(guardrail), plain_effect(guardrail)
        probe = 1 / LARGEST if low_is_bad(guardrail) else LARGEST
        seen, share = (mirrored, 0.5) if guardrail.paired else (requests, first_share)
        if asked is not None:
            spacing = asked.spacing if isinstance(asked, PrometheusSource) else asked.every
            seen, share = looks(steps, walk, spacing), 0.5
        whole = [exposure for exposures_of in seen for exposure in exposures_of]
        tells = (i for i, e in enumerate(seen) if any(information(guardrail, baseline, probe, s) and n for s, n in e))
        first = next(tells, None)
        until = [exposure for one in seen[: first + 1] for exposure in one] if first is not None else []
        found.append(
            Sight(
                guardrail,
                steps[first].name if first is not None else None,
                detectable(guardrail, baseline, alpha, until) if until else None,
                detectable(guardrail, baseline, alpha, whole) if whole else None,
                plain,
                decisions(information(guardrail, baseline, plain, share), alpha) if share is not None else None,
                promotion_samples(guardrail, typical(guardrail), 1 - policy.confidence, share or 1.0),
            )
        )
    return tuple(found)


def plain_effect(guardrail: Guardrail) -> float:
    """An effect worth knowing about, candidate over stable (over an absolute limit): 5 times the errors, half as long
    again (twice, where the limit allows nearly that), a score of 0.8 for 0.9; half as much above a limit, a tenth below."""
    if not guardrail.relative:
        return 0.9 if low_is_bad(guardrail) else 1.5
    kind, _ = kind_of(guardrail)
    if kind is Kind.SCORE:
        return 8 / 9 if low_is_bad(guardrail) else 2.0
    if kind is Kind.LATENCY:
        return 1.5 if guardrail.limit + (guardrail.limit_name == "max_increase") < 1.4 else 2.0
    return 5.0


def typical(guardrail: Guardrail) -> float:
    """What a healthy release shows, for the price of its promotion: as assumed of stable, or well within the limit."""
    if guardrail.relative:
        return assumed_baseline(guardrail)
    kind, _ = kind_of(guardrail)
    if kind in (Kind.ERRORS, Kind.INVALID):
        return min(ASSUMED_ERRORS, guardrail.limit / 2)
    if kind is Kind.LATENCY:
        return guardrail.limit / 1.5
    return (1 + guardrail.limit) / 2 if low_is_bad(guardrail) else guardrail.limit / 2


def promotion_wait(policy: PolicyFields, walk: Sequence[Pace]) -> float:
    """Seconds after the last step until a healthy release has excluded every margin; infinite when it never does."""
    needed = promotion_nats(1 - policy.confidence)
    wait = 0.0
    for guardrail in policy.guardrails:
        if guardrail.margin is None or guardrail.polled or guardrail.paired or unsupported(guardrail):
            continue
        baseline = typical(guardrail)
        known = sum(n * promotion_information(guardrail, baseline, s) for p in walk for s, n in p.exposures())
        pace = sum(rate * promotion_information(guardrail, baseline, share) for share, rate in walk[-1].parts)
        if known < needed:
            wait = max(wait, (needed - known) / pace if pace > 0 else float("inf"))
    return wait
