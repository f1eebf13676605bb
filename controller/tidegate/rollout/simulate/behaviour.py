"""How a release of a scenario behaves at a time: `like` and `from` resolved, defaults filled in.

Neighbours: scenario.py has the fields, arrivals.py draws requests by these numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tidegate.rollout.simulate.scenario import Behaviour, Ready, ReleaseSpec, Score
from tidegate.spec.errors import NeedsPerson


@dataclass(frozen=True, slots=True)
class Manner:
    """A release's answers in one stretch of time. Latencies in ms; `burst` is the mean run of errors."""

    error_rate: float = 0.0
    burst: float = 1.0
    p50: float = 20.0
    p95: float = 60.0
    scores: Mapping[str, Score] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Actor:
    """One release: its first manner and the later ones by time (seconds), when it is ready, how its validation ends.

    `weights_of` names the release whose workload it runs: its own, but for one of the inference config alone.
    `ready_after` in seconds; None is never. `agreement`: the chance that it answers a mirrored request as stable does,
    `missing` that a copy gets no answer at all.
    """

    name: str
    weights_of: str
    manners: tuple[tuple[float, Manner], ...]
    ready_after: float | None
    validation: str
    agreement: float = 1.0
    missing: float = 0.0

    def manner(self, t: float) -> Manner:
        """How it behaves at `t` seconds from the start."""
        return next(manner for since, manner in reversed(self.manners) if since <= t)


def actors(releases: Mapping[str, ReleaseSpec]) -> dict[str, Actor]:
    """Every release resolved. Raises NeedsPerson when `like` goes round in a circle."""
    return {name: _actor(name, releases) for name in releases}


def _actor(name: str, releases: Mapping[str, ReleaseSpec]) -> Actor:
    chain = [name]
    while (like := releases[chain[-1]].like) is not None:
        if like in chain:
            raise NeedsPerson(
                f"'like' goes round in a circle: {' -> '.join([*chain, like])}",
                where=f"releases.{name}",
                fix="let one of them stand on its own",
            )
        chain.append(like)
    manner, later = Manner(), dict[float, Behaviour]()
    ready: float | None = 0.0
    validation, agreement, missing = "pass", 1.0, 0.0
    for spec in (releases[link] for link in reversed(chain)):
        manner = _changed(manner, spec)
        later = dict(spec.from_) if spec.from_ is not None else later
        validation = spec.validation or validation
        agreement = spec.agreement if spec.agreement is not None else agreement
        missing = spec.missing if spec.missing is not None else missing
        if spec.ready is not None:
            ready = spec.ready.after if isinstance(spec.ready, Ready) else None
    manners = [(0.0, manner)]
    for since, behaviour in sorted(later.items()):
        manners.append((since, _changed(manners[-1][1], behaviour)))
    shared = next((link for link in chain if not releases[link].config_only), chain[-1])
    return Actor(name, shared, tuple(manners), ready, validation, agreement, missing)


def _changed(manner: Manner, by: Behaviour) -> Manner:
    changes: dict[str, object] = {}
    if by.error_rate is not None:
        changes["error_rate"] = by.error_rate
    if by.error_burst is not None:
        changes["burst"] = by.error_burst
    if by.latency_ms is not None:
        changes |= {"p50": by.latency_ms.p50, "p95": by.latency_ms.p95}
    if by.scores is not None:
        changes["scores"] = {**manner.scores, **by.scores}
    return replace(manner, **changes)  # type: ignore[arg-type]  # the keys are Manner's own, each with its type
