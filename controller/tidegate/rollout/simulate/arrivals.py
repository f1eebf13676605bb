"""Requests drawn by the batch: how many, how they fail, how long they take, what they score. One seeded generator.

Neighbours: behaviour.py has the numbers, record.py puts the arms together.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tidegate.analysis.latency import histogram
from tidegate.analysis.model import Arm
from tidegate.rollout.simulate.behaviour import Manner
from tidegate.rollout.simulate.scenario import Score

Z95 = 1.6448536269514722
"""The standard normal's 95 % quantile: sigma of a log-normal is log(p95/p50) over it."""


@dataclass(slots=True)
class _Run:
    """The run of errors, or of good answers, that a release is in, and how much of it is left."""

    failing: bool = False
    left: int = 0


@dataclass(slots=True)
class Arrivals:
    """Draws one arm's outcomes. `metrics` names what is judged: nothing else is drawn."""

    rng: np.random.Generator
    metrics: Collection[str]
    _runs: dict[str, _Run] = field(default_factory=dict)

    def count(self, rate: float, seconds: float) -> int:
        """How many requests come in `seconds` at `rate` a second (Poisson)."""
        return int(self.rng.poisson(rate * seconds))

    def split(self, requests: int, share: float) -> int:
        """How many of them go to an arm with this share."""
        return int(self.rng.binomial(requests, share))

    def arm(self, name: str, requests: int, manner: Manner) -> Arm:
        """The outcomes of that many requests to the release `name`."""
        if not requests:
            return Arm()
        errors = self._errors(name, requests, manner)
        latency: tuple[int, ...] = ()
        if any(metric.startswith("latency") for metric in self.metrics):
            sigma = math.log(manner.p95 / manner.p50) / Z95
            latency = histogram(self.rng.lognormal(math.log(manner.p50), sigma, requests).tolist())
        scores = {
            metric: tuple(self._scores(requests, score).tolist())
            for metric, score in manner.scores.items()
            if metric in self.metrics
        }
        return Arm(requests, errors, latency, scores)

    def broken(self, requests: int) -> Arm:
        """Requests to a release that is not there: all of them fail, at once."""
        latency = histogram([1.0] * requests) if any(m.startswith("latency") for m in self.metrics) else ()
        return Arm(requests, requests, latency) if requests else Arm()

    def _errors(self, name: str, requests: int, manner: Manner) -> int:
        rate, burst = manner.error_rate, manner.burst
        if burst <= 1.0 or rate in (0.0, 1.0):
            return int(self.rng.binomial(requests, rate))
        run = self._runs.setdefault(name, _Run())
        between = max(1.0, burst * (1 - rate) / rate)
        errors, seen = 0, 0
        while seen < requests:
            if not run.left:
                run.failing = not run.failing
                run.left = int(self.rng.geometric(1 / (burst if run.failing else between)))
            taken = min(run.left, requests - seen)
            errors += taken if run.failing else 0
            seen += taken
            run.left -= taken
        return errors

    def _scores(self, requests: int, score: Score) -> NDArray[np.float64]:
        """Beta by its moments; where the spread is too wide for one, all or nothing at the same mean."""
        mean, variance = score.mean, score.sd**2
        if variance == 0 or mean in (0.0, 1.0):
            return np.full(requests, mean)
        size = mean * (1 - mean) / variance - 1
        if size <= 0:
            return self.rng.binomial(1, mean, requests).astype(np.float64)
        return self.rng.beta(mean * size, (1 - mean) * size, requests)
