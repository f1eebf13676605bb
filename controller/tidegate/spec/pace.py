"""How fast a rollout goes at a declared traffic: for each step, the time it takes and the candidate requests it sees.

Neighbours: model.py declares the traffic, policy.py the steps; rules/ warn by this, rollout/plan.py tells it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tidegate.spec.model import Traffic
from tidegate.spec.policy import Step


@dataclass(frozen=True, slots=True)
class Pace:
    """One step at a traffic. `parts`: (the candidate's share, its requests a second) of each part of the traffic.

    `mirrored`: copies a second in a shadow step; they end the step, and tell only guardrails with `source: shadow`.
    `seconds`: how long the step takes, at least its `for`.
    """

    step: Step
    parts: tuple[tuple[float, float], ...]
    mirrored: float = 0.0

    @property
    def rate(self) -> float:
        """Candidate requests a second, copies too."""
        return sum(rate for _, rate in self.parts) + self.mirrored

    @property
    def seconds(self) -> float:
        """The time of the step, or until its requests have come; infinite where none ever come."""
        least = max(1, self.step.min_requests)
        return max(self.step.duration, least / self.rate) if self.rate > 0 else float("inf")

    @property
    def waits(self) -> bool:
        """Whether its requests take longer than its time."""
        return self.seconds > self.step.duration + 1e-9

    def exposures(self) -> Iterator[tuple[float, float]]:
        """(share, candidate requests until the step is over) of each part."""
        return ((share, rate * self.seconds) for share, rate in self.parts)

    def pairs(self) -> Iterator[tuple[float, float]]:
        """The same of a shadow step's pairs: as many answers of each arm."""
        if self.mirrored:
            yield 0.5, self.mirrored * self.seconds


def paces(steps: Iterable[Step], traffic: Traffic, feature: str | None = None) -> list[Pace | None] | None:
    """Each step at this traffic; None for one that names a segment of undeclared share.

    None altogether where the route's own traffic is not declared. The shares of segments hold for every route.
    """
    rate = traffic.of(feature)
    return None if rate is None else [_pace(step, rate, traffic) for step in steps]


def shares(step: Step) -> tuple[float, float]:
    """The candidate's share of the segments that a step names, and of everybody else; in [0, 1]."""
    top = 1.0 - (step.holdback or 0.0)
    return top if step.segments else 0.0, min(step.weight or 0.0, top)


def _pace(step: Step, rate: float, traffic: Traffic) -> Pace | None:
    if step.shadow is not None:
        return Pace(step, (), rate * step.shadow)
    if any(segment not in traffic.segments for segment in step.segments):
        return None
    theirs, rest = shares(step)
    inside = min(sum(traffic.segments[segment] for segment in step.segments), 1.0)
    parts = ((theirs, rate * inside * theirs), (rest, rate * (1 - inside) * rest))
    return Pace(step, tuple((share, requests) for share, requests in parts if requests > 0))
