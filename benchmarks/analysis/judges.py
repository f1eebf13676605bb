"""Who judges: Tidegate as it ships (record lines in, verdict out), and the usual practice beside it.

Neighbours: worlds.py draws what they look at. Each judge gives the candidate requests at which it called the candidate
worse, or None. Rivals see each metric alone, pooled since the beginning or by interval, as their kind does.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import orjson
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu, norm
from worlds import BEGIN, LOOK, RATE, Traffic, World

from tidegate.analysis.batches import Batcher, by_role
from tidegate.analysis.judge import absorb, begin, verdict
from tidegate.analysis.model import Result
from tidegate.spec.metric import Kind, kind_of
from tidegate.spec.policy import Guardrail

ALPHA = 0.05
INTERVAL = 2000
"""Requests in one interval of the rivals: 100 of the candidate's at 5 %."""
Judge = Callable[[World, Traffic], int | None]
Values = NDArray[np.float64]


def tidegate(world: World, traffic: Traffic) -> int | None:
    """The shipped path: lines parsed, batched and cut at weight changes, absorbed; `fail` is the verdict's word."""
    lines, begun = traffic.lines(), BEGIN.timestamp()
    batcher = Batcher(by_role, length=LOOK / RATE, opened_at=begun, share=float(traffic.share[0]))
    analysis = begin(world.rails, 1 - ALPHA)
    share = float(traffic.share[0])
    for first in range(0, len(lines), LOOK):
        now = begun + first / RATE
        if float(traffic.share[first]) != share:
            share = float(traffic.share[first])
            batcher.cut(now, share=share)
        batcher.add_many(orjson.loads(line) for line in lines[first : first + LOOK])
        for batch in batcher.close(now):
            analysis = absorb(analysis, batch)
        if analysis.failed is not None:
            said = verdict(analysis, at=now)
            return said.candidate_requests if said.result is Result.FAIL else None
    return None


def badness(guardrail: Guardrail, traffic: Traffic) -> tuple[Values, float]:
    """Per request a number whose mean should not rise; and for a latency its quantile, else 0."""
    kind, q = kind_of(guardrail)
    if kind is Kind.LATENCY:
        return traffic.duration, q
    return (traffic.failed.astype(float), 0.0) if kind is Kind.ERRORS else (1 - traffic.scores[guardrail.metric], 0.0)


def thresholds(world: World, traffic: Traffic) -> int | None:
    """In some interval the candidate is worse than stable by a tolerance: 2 times the errors, p95 +20 %, quality -0.02."""
    seen = [badness(g, traffic) for g in world.rails]
    for last in range(INTERVAL, len(traffic.candidate) + 1, INTERVAL):
        part = slice(last - INTERVAL, last)
        new = traffic.candidate[part]
        if not 0 < new.sum() < len(new):
            continue
        for values, q in seen:
            bad, good = values[part][new], values[part][~new]
            if q:
                over = np.quantile(bad, q) > 1.2 * np.quantile(good, q)
            elif set(np.unique(good)) <= {0.0, 1.0}:
                over = bad.mean() > 2 * good.mean()
            else:
                over = bad.mean() > good.mean() + 0.02
            if over:
                return int(traffic.candidate[:last].sum())
    return None


def peeking(world: World, traffic: Traffic) -> int | None:
    """A one-sided z-test at 5 % on all requests so far, looked at every 100 requests once both arms have 30."""
    new = traffic.candidate
    n_c = np.cumsum(new)
    n_b = np.cumsum(~new)
    looks = np.arange(LOOK - 1, len(new), LOOK)
    found = []
    for values, q in (badness(g, traffic) for g in world.rails):
        x = (values > np.quantile(values[:INTERVAL][~new[:INTERVAL]], q)).astype(float) if q else values
        c1, c2, b1, b2 = (np.cumsum(np.where(arm, x**power, 0.0)) for arm in (new, ~new) for power in (1, 2))
        with np.errstate(divide="ignore", invalid="ignore"):
            mean_c, mean_b = c1 / n_c, b1 / n_b
            spread = (c2 / n_c - mean_c**2) / n_c + (b2 / n_b - mean_b**2) / n_b
            z = (mean_c - mean_b) / np.sqrt(spread)
        ripe = (n_c >= 30) & (n_b >= 30)
        hits = [i for i in looks if ripe[i] and z[i] > norm.isf(ALPHA)]
        found += hits[:1]
    return int(n_c[min(found)]) if found else None


def mann_whitney(world: World, traffic: Traffic) -> int | None:
    """As the one statistical judge in the field does: interval figures of both arms, Mann-Whitney at 98 %, a tolerance of a
    quarter of stable's mean; judged after 10, 20, ... intervals. It needs points, so it is slow by construction."""
    new = traffic.candidate
    edges = np.arange(INTERVAL, len(new) + 1, INTERVAL)
    for values, q in (badness(g, traffic) for g in world.rails):
        points: list[list[float]] = [[], []]
        for last in edges:
            part = slice(last - INTERVAL, last)
            for side, arm in enumerate((new[part], ~new[part])):
                chosen = values[part][arm]
                points[side].append(float(np.quantile(chosen, q) if q else chosen.mean()) if len(chosen) else 0.0)
        for count in range(10, len(edges) + 1, 10):
            bad, good = np.array(points[0][:count]), np.array(points[1][:count])
            if mannwhitneyu(bad, good + 0.25 * good.mean(), alternative="greater").pvalue < 0.01:
                return int(new[: edges[count - 1]].sum())
    return None


JUDGES: dict[str, Judge] = {
    "tidegate": tidegate, "thresholds": thresholds, "peeking": peeking, "mann_whitney": mann_whitney,
}  # fmt: skip


def wald(world: World) -> float | None:
    """Candidate requests that no test at this alpha can beat on average: log(1/alpha) over the information of one, with both
    rates known before (for latencies and scores of normal logarithms and values)."""
    bound, per = math.log(1 / ALPHA), 19.0
    name = world.name
    if "->" in name and name.startswith("errors"):
        low, high = (float(x) / 100 for x in name.removeprefix("errors ").removesuffix(" %").split(" -> "))
        theta, theta_0 = high / (high + per * low), 1 / (1 + per)
        kl = theta * math.log(theta / theta_0) + (1 - theta) * math.log((1 - theta) / (1 - theta_0))
        return bound / ((high + per * low) * kl)
    effect = {"p95 +20 %": math.log(1.2) / 0.5, "p95 +50 %": math.log(1.5) / 0.5, "quality 0.90 -> 0.85": 0.05 / 0.2}
    return bound / (effect[name] ** 2 / (2 * (1 + 1 / per))) if name in effect else None
