"""Seeded traffic of two arms: what differs between them, what goes wrong in the world, and its prediction record.

Neighbours: judges.py looks at it, run.py counts what they say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from tidegate.spec.policy import Guardrail

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

RATE = 10
LOOK = 100
"""Requests a second, and requests between two looks: a batch of 10 s."""
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
SHARE = 0.05
STEPS = ((0.05, 0.4), (0.25, 0.3), (0.5, 0.3))
"""A ramp: candidate's share, and the part of the requests that it lasts."""


def rail(**fields: object) -> Guardrail:
    """A guardrail from its fields."""
    return Guardrail.model_validate(fields)


ERRORS = rail(metric="error_rate", max_ratio=1.0)
P95 = rail(metric="latency_p95_ms", max_increase=0.0)
QUALITY = rail(metric="quality", max_drop=0.0, source="feedback")


@dataclass(frozen=True)
class Traffic:
    """Requests in the order of their arrival; `share`: the candidate's declared share at each."""

    candidate: Flags
    failed: Flags
    duration: Floats
    share: Floats
    scores: Mapping[str, Floats] = field(default_factory=dict)

    def lines(self) -> list[bytes]:
        """The prediction record: one JSON line a request."""
        roles = np.where(self.candidate, "candidate", "stable").tolist()
        status = np.where(self.failed, 500, 200).tolist()
        plain = [
            f'{{"time":"{time}","role":"{role}","status":{code},"duration_ms":{ms:.3f}'
            for time, role, code, ms in zip(times(len(roles)), roles, status, self.duration.tolist(), strict=True)
        ]
        if not self.scores:
            return [f"{text}}}\n".encode() for text in plain]
        columns = [[f'"{name}":{value:.4f}' for value in values.tolist()] for name, values in self.scores.items()]
        metrics = [",".join(row) for row in zip(*columns, strict=True)]
        return [f'{text},"metrics":{{{more}}}}}\n'.encode() for text, more in zip(plain, metrics, strict=True)]


_TIMES: list[str] = []


def times(count: int) -> list[str]:
    """When each request began, evenly spaced; the same for every run."""
    while len(_TIMES) < count:
        _TIMES.append((BEGIN + timedelta(seconds=len(_TIMES) / RATE)).isoformat())
    return _TIMES[:count]


Draw = Callable[[np.random.Generator, int], Traffic]


@dataclass(frozen=True)
class World:
    """A name, what is judged in it, and how its traffic is drawn; `worse`: whether the candidate is."""

    name: str
    rails: tuple[Guardrail, ...]
    draw: Draw
    worse: bool = False


def arms(rng: np.random.Generator, n: int, ramp: bool = False) -> tuple[Flags, Floats]:
    """Which requests go to the candidate, by chance, and its declared share at each."""
    share = np.full(n, SHARE)
    if ramp:
        edges = (np.cumsum([0.0, *(part for _, part in STEPS)]) * n).astype(int)
        for (weight, _), low, high in zip(STEPS, edges[:-1], edges[1:], strict=True):
            share[low:high] = weight
    return rng.random(n) < share, share


def errors(
    stable: float,
    candidate: float,
    *,
    burst: float = 1.0,
    ramp: bool = False,
    drift: float = 1.0,
    incident: float = 0.0,
) -> Draw:
    """Errors at these rates; in runs of mean length `burst` within each arm; rates that drift to `drift` times what they
    were in waves; at a rate of `incident` in both arms for a twentieth of the time."""

    def draw(rng: np.random.Generator, n: int) -> Traffic:
        new, share = arms(rng, n, ramp)
        rate = np.where(new, candidate, stable) * drift ** (0.5 - 0.5 * np.cos(np.arange(n) / n * 6 * np.pi))
        if incident:
            rate[n // 2 : n // 2 + n // 20] = incident
        failed = rng.random(n) < rate
        if burst > 1:
            for arm in (new, ~new):
                failed[arm] = runs(rng, rate[arm], burst)
        return Traffic(new, failed, latencies(rng, n), share)

    return draw


def runs(rng: np.random.Generator, rate: Floats, mean: float) -> Flags:
    """Errors in runs of geometric length, as a chain: one more follows with 1 - 1/mean, whatever the batch is."""
    chance, stay = rng.random(len(rate)), 1 - 1 / mean
    start = rate / (1 - rate) / mean
    failed = np.zeros(len(rate), dtype=bool)
    now = False
    for i in range(len(rate)):
        now = chance[i] < (stay if now else start[i])
        failed[i] = now
    return failed


def latencies(rng: np.random.Generator, n: int, slower: Floats | float = 1.0) -> Floats:
    """Lognormal, median 20 ms, sigma 0.5."""
    return np.asarray(20 * np.exp(0.5 * rng.standard_normal(n)) * slower)


def slowness(factor: float, *, ramp: bool = False, drift: float = 1.0) -> Draw:
    """A candidate that takes `factor` times as long, in a world whose latency drifts."""

    def draw(rng: np.random.Generator, n: int) -> Traffic:
        new, share = arms(rng, n, ramp)
        waves = drift ** (0.5 - 0.5 * np.cos(np.arange(n) / n * 6 * np.pi))
        return Traffic(new, rng.random(n) < 0.01, latencies(rng, n, np.where(new, factor, 1.0) * waves), share)

    return draw


def quality(stable: float, candidate: float, *, ramp: bool = False, drift: float = 0.0) -> Draw:
    """Scores in [0, 1] of these means (beta, standard deviation 0.2), which sink by up to `drift` in both arms."""

    def draw(rng: np.random.Generator, n: int) -> Traffic:
        new, share = arms(rng, n, ramp)
        mean = np.where(new, candidate, stable) - drift * (0.5 - 0.5 * np.cos(np.arange(n) / n * 6 * np.pi))
        return Traffic(new, rng.random(n) < 0.01, latencies(rng, n), share, {"quality": beta(rng, mean)})

    return draw


def beta(rng: np.random.Generator, mean: Floats, sd: float = 0.2) -> Floats:
    """Scores with these means; where the mean leaves no room for that spread, with as much as it does."""
    size = np.maximum(mean * (1 - mean) / sd**2 - 1, 0.5)
    return np.asarray(rng.beta(mean * size, (1 - mean) * size))


def twenty(rng: np.random.Generator, n: int) -> Traffic:
    """Twenty metrics, none of them worse."""
    new, share = arms(rng, n)
    scores = {f"score_{i}": beta(rng, np.full(n, 0.9)) for i in range(16)}
    return Traffic(new, rng.random(n) < 0.01, latencies(rng, n), share, scores)


TWENTY = (
    ERRORS, P95, rail(metric="latency_p50_ms", max_increase=0.0), rail(metric="latency_p99_ms", max_increase=0.0),
    *(rail(metric=f"score_{i}", max_drop=0.0, source="feedback") for i in range(16)),
)  # fmt: skip

WORLDS = (
    World("errors 1 %", (ERRORS,), errors(0.01, 0.01)),
    World("errors 10 %", (ERRORS,), errors(0.10, 0.10)),
    World("p95", (P95,), slowness(1.0)),
    World("quality", (QUALITY,), quality(0.9, 0.9)),
    World("errors, drift and ramp", (ERRORS,), errors(0.01, 0.01, ramp=True, drift=4.0)),
    World("p95, drift and ramp", (P95,), slowness(1.0, ramp=True, drift=2.0)),
    World("quality, drift and ramp", (QUALITY,), quality(0.9, 0.9, ramp=True, drift=0.15)),
    World("incident, 30 % errors in both", (ERRORS,), errors(0.01, 0.01, incident=0.3)),
    World("bursts of mean 3, 1 %", (ERRORS,), errors(0.01, 0.01, burst=3.0)),
    World("bursts of mean 3, 2 %", (ERRORS,), errors(0.02, 0.02, burst=3.0)),
    World("20 metrics", TWENTY, twenty),
    World("errors 1 -> 5 %", (ERRORS,), errors(0.01, 0.05), True),
    World("errors 0.1 -> 1 %", (ERRORS,), errors(0.001, 0.01), True),
    World("errors 1 -> 2 %", (ERRORS,), errors(0.01, 0.02), True),
    World("p95 +20 %", (P95,), slowness(1.2), True),
    World("p95 +50 %", (P95,), slowness(1.5), True),
    World("quality 0.90 -> 0.85", (QUALITY,), quality(0.9, 0.85), True),
)
