"""Recorded traffic for the tests of backtest: two arms with known rates, as a gateway would have written it."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import Any

BEGAN = 1_785_578_400.0
POLICY = """\
api: tidegate/v1
kind: RolloutPolicy
name: careful
steps:
  - {name: canary, weight: 10%, for: 30m, min_requests: 500}
  - {name: full, weight: 100%, for: 1h}
guardrails:
  - {metric: error_rate, max_ratio: 1.5, margin: 4.0}
  - {metric: latency_p95_ms, max_ratio: 1.25, margin: 2.0}
"""


def stamp(at: float) -> str:
    """As Envoy writes a time."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def record(
    count: int = 20_000,
    *,
    errors: tuple[float, float] = (0.01, 0.01),
    slower: float = 1.0,
    share: float = 0.1,
    rate: float = 50.0,
    scores: dict[str, tuple[float, float]] | None = None,
    seed: int = 1,
    begin: float = BEGAN,
    **more: Any,
) -> list[str]:
    """Lines: `errors` of stable and candidate, the candidate `slower` times, `scores` (means of both) with sd 0.1."""
    chance, at, lines = random.Random(seed), begin, []
    for number in range(count):
        at += chance.expovariate(rate)
        candidate = number == 0 or chance.random() < share
        took = chance.lognormvariate(3.0, 0.4) * (slower if candidate else 1.0)
        line: dict[str, Any] = {
            "time": stamp(at),
            "role": "candidate" if candidate else "stable",
            "status": 500 if chance.random() < errors[candidate] else 200,
            "duration_ms": round(took, 2),
            **more,
        }
        if scores:
            line["metrics"] = {
                name: round(min(max(chance.gauss(means[candidate], 0.1), 0.0), 1.0), 4)
                for name, means in scores.items()
            }
        lines.append(json.dumps(line))
    return lines


def text(lines: list[str]) -> str:
    """As a file holds them."""
    return "\n".join(lines) + "\n"
