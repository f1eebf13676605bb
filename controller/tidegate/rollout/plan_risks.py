"""What a reviewer should think about before merging, in words: what is not seen, what doubles, what never ends. Pure.

Neighbours: plan.py has the facts of a route and asks; plan_words.py has figures in words.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tidegate.rollout.plan_words import effect_words, spell
from tidegate.rollout.state import Desired
from tidegate.spec.metric import Kind, kind_of
from tidegate.spec.samples import ASSUMED_ERRORS, low_is_bad
from tidegate.spec.units import format_duration

if TYPE_CHECKING:
    from tidegate.rollout.plan import RoutePlan
    from tidegate.rollout.sight import Sight

CLEAR = {Kind.ERRORS: 3.0, Kind.INVALID: 3.0, Kind.LATENCY: 1.5, Kind.SCORE: 2.0, Kind.AGREEMENT: 3.0}
"""Effects larger than these should not go unseen over a whole rollout."""
CLEAR_FALL = 0.8


def risks_of(made: RoutePlan, wish: Desired) -> Iterator[str]:
    """The risks of a way with steps, gravest first."""
    policy = wish.policy
    steps = [one.step for one in made.steps]
    if not policy.guardrails:
        yield "the policy has no guardrails: nothing would notice a bad release"
    elif not steps:
        yield "no steps are walked: it goes to everybody at once, and nothing is compared"
    if steps and (steps[0].weight or 0.0) >= 1.0:
        yield f"the first step '{steps[0].name}' gives it everything at once"
    for one in made.steps:
        if one.approved:
            yield f"step '{one.step.name}' is approved already"
        if one.seconds is not None and math.isinf(one.seconds):
            yield f"step '{one.step.name}' never ends: at the declared traffic it gets no requests"
    yield from _blind(made)
    yield from _slow(made, wish)
    if policy.rollback.git == "none":
        yield "after a rollback git would go on asking for the rejected release (rollback: {git: none})"
    if not policy.standby:
        yield "no standby: after the promotion the way back is as slow as a start"
    for servers in made.starts:
        if servers.bytes is not None and made.stops:
            hot = f", until the standby ends after {format_duration(made.standby)}" if made.standby else ""
            yield f"{spell(servers.bytes)} more memory while both releases run{hot}"


def _blind(made: RoutePlan) -> Iterator[str]:
    """Per metric, the best that any guardrail sees, where that is not much."""
    best: dict[tuple[str, bool], Sight] = {}
    for sight in made.sights:
        key = sight.guardrail.metric, sight.guardrail.paired
        if key not in best or _rank(sight) < _rank(best[key]):
            best[key] = sight
    for (name, _), sight in best.items():
        guardrail, kind = sight.guardrail, kind_of(sight.guardrail)[0]
        if sight.requests is None:
            yield f"{effect_words(guardrail, sight.plain)} is within the limits: it would go unseen"
        elif made.rate is None:
            continue  # more may come than the steps ask for: nobody has said
        elif sight.whole is None:
            yield f"nothing on {name} would be seen at the declared traffic, however bad"
        elif _size(sight) > (1 / CLEAR_FALL if low_is_bad(guardrail) else CLEAR[kind]):
            yield f"{effect_words(guardrail, sight.whole)} is the least that is seen: anything smaller goes unseen"


def _rank(sight: Sight) -> tuple[float, bool]:
    return _size(sight), sight.requests is None


def _size(sight: Sight) -> float:
    """How large the smallest effect is that is seen; an absolute limit on errors against the 1 % that is assumed."""
    if sight.whole is None:
        return math.inf
    if not sight.guardrail.relative and kind_of(sight.guardrail)[0] is Kind.ERRORS:
        return sight.whole * sight.guardrail.limit / ASSUMED_ERRORS
    return 1 / sight.whole if low_is_bad(sight.guardrail) else sight.whole


def _slow(made: RoutePlan, wish: Desired) -> Iterator[str]:
    budget = wish.policy.budget
    if made.expected is None or math.isinf(made.expected):
        if made.expected is not None and math.isinf(made.wait):
            yield "it is never promoted at the declared traffic: a margin of its policy cannot be excluded"
        return
    if budget is not None and budget.duration is not None and made.expected > budget.duration:
        then = {"hold": "it holds", "rollback": "it is rolled back", "promote": "it is promoted undecided"}[budget.then]
        yield f"its budget is used up before its end: then {then}"
