"""A limit on the gap between segments: does the candidate treat any two of them more differently than `max_gap` allows?

Neighbours: scopes.py has the weights, opinions.py words it, boundaries.py the mixture; judge.py treats it as one guard.
Two segments are compared within the same window, so a day's drift is no gap. A mean of n outcomes in [0, 1] is sub-Gaussian with
variance 1/(4n) (Hoeffding), so `S = sum (D_t - limit)/v_t`, with v_t the variance of the window's difference D_t, has the
normal mixture's e-process at the intrinsic time `sum 1/v_t` (Howard et al. 2021, proposition 5).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import permutations
from typing import Any

from tidegate.analysis.boundaries import normal_log_mixture, normal_mixture_bound
from tidegate.analysis.dispersion import Dispersion
from tidegate.analysis.metrics import Kind, Metric, metric_of, unsupported
from tidegate.analysis.model import Arm
from tidegate.analysis.rates import KEPT, Look, Row, mix
from tidegate.analysis.scopes import covers, log_sum, share
from tidegate.spec.policy import Guardrail

_TIGHT_AT = 1000.0
Pair = tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
class Drift:
    """A weighted sum of differences and its intrinsic time; `total` / `v` is their mean."""

    total: float = 0.0
    v: float = 0.0

    def absorb(self, difference: float, variance: float) -> Drift:
        """With one window more."""
        return Drift(self.total + difference / variance, self.v + 1 / variance)

    def log_e(self, limit: float, side: int = 1) -> float:
        """log E against "the mean is at most `limit`" (side 1), or "at least" (-1)."""
        return normal_log_mixture(side * (self.total - limit * self.v), self.v, _TIGHT_AT) if self.v else 0.0

    def interval(self, alpha: float) -> tuple[float, float, float] | None:
        """The mean, and the ends of its 1 - alpha confidence sequence; None before any window."""
        if not self.v:
            return None
        reach = normal_mixture_bound(self.v, alpha, _TIGHT_AT, one_sided=False) / self.v
        return self.total / self.v, self.total / self.v - reach, self.total / self.v + reach


@dataclass(frozen=True, slots=True)
class PairGap:
    """How much higher the first of two segments is: on the candidate, on stable, and on the one more than on the other.

    As with any absolute limit, the candidate must break it and be worse than stable in it; where there was no stable traffic,
    `solo` speaks alone.
    """

    ours: Drift = field(default_factory=Drift)
    theirs: Drift = field(default_factory=Drift)
    worse: Drift = field(default_factory=Drift)
    solo: Drift = field(default_factory=Drift)

    def absorb(self, one: Row, other: Row, phi: float) -> PairGap:
        """With one window more: counts or sums of scores of both segments."""
        if not one[0] or not other[0]:
            return self
        ours, spread = one[1] / one[0] - other[1] / other[0], phi * (1 / one[0] + 1 / other[0]) / 4
        if not one[2] or not other[2]:
            return replace(self, solo=self.solo.absorb(ours, spread))
        theirs, beside = one[3] / one[2] - other[3] / other[2], phi * (1 / one[2] + 1 / other[2]) / 4
        return PairGap(
            self.ours.absorb(ours, spread),
            self.theirs.absorb(theirs, beside),
            self.worse.absorb(ours - theirs, spread + beside),
            self.solo,
        )

    def log_e(self, limit: float) -> float:
        """log E for a rollback."""
        both = min(self.ours.log_e(limit), self.worse.log_e(0.0))
        return mix((1 - KEPT, both), (KEPT, self.solo.log_e(limit)))

    @property
    def all_ours(self) -> Drift:
        """On the candidate, whether stable had traffic or not."""
        return Drift(self.ours.total + self.solo.total, self.ours.v + self.solo.v)


@dataclass(frozen=True, slots=True)
class Gap:
    """One guardrail with `max_gap`. A window is compared once the next has begun: its segments come one by one."""

    guardrail: Guardrail
    metric: Metric
    why_not: str | None = None
    order: tuple[str | None, ...] = ()
    pairs: Mapping[Pair, PairGap] = field(default_factory=dict)
    window: float = -math.inf
    rows: Mapping[str | None, Row] = field(default_factory=dict)
    dispersions: Mapping[str | None, Dispersion] = field(default_factory=dict)
    n_c: int = 0
    n_b: int = 0
    excluded: bool = False
    peak: float = 0.0

    @classmethod
    def new(cls, guardrail: Guardrail, rails: tuple[Guardrail, ...]) -> Gap:
        """A fresh one."""
        return cls(guardrail, metric_of(guardrail, rails), unsupported(guardrail))

    @property
    def limit(self) -> float:
        """The limit on the scale of [0, 1]."""
        return self._scaled(self.guardrail.limit)

    @property
    def margin(self) -> float:
        """The margin on that scale; infinite where there is none."""
        margin = self.guardrail.margin
        return math.inf if margin is None else self._scaled(margin)

    def absorb(self, look: Look, promote_at: float, delta: float) -> Gap:
        """With one batch more."""
        batch = look.batch
        if self.why_not or not covers(self.guardrail, batch.segment):
            return self
        if not self.n_c and any(map(self.metric.counted_in, (batch.candidate, batch.stable))):
            return replace(self, metric=self.metric.as_counts).absorb(look, promote_at, delta)
        new = self._settled(promote_at) if batch.start != self.window else self
        row = self._row(batch.candidate, batch.stable)
        old = new.rows.get(batch.segment, (0.0, 0.0, 0.0, 0.0))
        both = (old[0] + row[0], old[1] + row[1], old[2] + row[2], old[3] + row[3])
        order = new.order if batch.segment in new.order or not row[0] else (*new.order, batch.segment)
        return replace(
            new,
            window=batch.start,
            rows={**new.rows, batch.segment: both},
            order=order,
            n_c=new.n_c + int(row[0]),
            n_b=new.n_b + int(row[2]),
        )

    def with_row(self, look: Look) -> Gap:  # noqa: ARG002 as every guard's
        """Nothing changes: a gap is never judged on a window still open."""
        return self

    @property
    def weights(self) -> dict[Pair, float]:
        """By ordered pair of segments that have had candidate traffic."""
        count = len(self.guardrail.segments or ()) if self.guardrail.segments != "each" else 0
        found = {}
        for (i, one), (j, other) in permutations(enumerate(self.order), 2):
            equal = 1 / (count * (count - 1)) if count else share(self.guardrail, i) * share(self.guardrail, j)
            found[one, other] = equal
        return found

    @property
    def terms(self) -> dict[Pair, float]:
        """log of each pair's weighted E; nothing before `min_requests`."""
        if self.n_c < self.guardrail.min_requests:
            return {}
        return {pair: math.log(w) + self._pair(pair).log_e(self.limit) for pair, w in self.weights.items()}

    @property
    def log_e(self) -> float:
        """log E over all pairs."""
        return log_sum(list(self.terms.values()))

    @property
    def widest(self) -> tuple[Pair, PairGap] | None:
        """The pair with the most evidence, else the widest gap; None before two segments were compared."""
        terms = self.terms or dict.fromkeys(self.weights, 0.0)
        known = [pair for pair in terms if self._pair(pair).all_ours.v]
        if not known:
            return None

        def rank(pair: Pair) -> tuple[float, float]:
            drift = self._pair(pair).all_ours
            return terms[pair], drift.total / drift.v

        best = max(known, key=rank)
        return best, self._pair(best)

    def both_broken(self, log_threshold: float) -> bool:
        """Is the limit broken beyond doubt by the candidate and by stable between the same segments?"""
        return any(
            pair.ours.log_e(self.limit) >= log_threshold and pair.theirs.log_e(self.limit) >= log_threshold
            for pair in self.pairs.values()
        )

    def to_doc(self) -> dict[str, Any]:
        """As JSON-safe values, without the guardrail itself."""
        return {
            "counts": self.metric.kind is Kind.COUNTS,
            "order": list(self.order),
            "pairs": [[*key, *([d.total, d.v] for d in _drifts(pair))] for key, pair in self.pairs.items()],
            "window": self.window if math.isfinite(self.window) else None,
            "rows": [[segment, *row] for segment, row in self.rows.items()],
            "dispersions": [[segment, d.to_doc()] for segment, d in self.dispersions.items()],
            "n_c": self.n_c, "n_b": self.n_b, "excluded": self.excluded, "peak": self.peak,
        }  # fmt: skip

    def with_doc(self, doc: Mapping[str, Any]) -> Gap:
        """This fresh one as `to_doc` found it."""
        return replace(
            self,
            metric=self.metric.as_counts if doc["counts"] else self.metric,
            order=tuple(doc["order"]),
            pairs={(a, b): PairGap(*(Drift(*drift) for drift in drifts)) for a, b, *drifts in doc["pairs"]},
            window=-math.inf if doc["window"] is None else doc["window"],
            rows={segment: (a, b, c, d) for segment, a, b, c, d in doc["rows"]},
            dispersions={segment: Dispersion.from_doc(d) for segment, d in doc["dispersions"]},
            n_c=doc["n_c"], n_b=doc["n_b"], excluded=doc["excluded"], peak=doc["peak"],
        )  # fmt: skip

    def _settled(self, promote_at: float) -> Gap:
        """With the finished window compared, pair by pair."""
        pairs = dict(self.pairs)
        for one, other in permutations(self.order, 2):
            if one in self.rows and other in self.rows:
                phi = max(self._dispersion(one).phi, self._dispersion(other).phi)
                pairs[one, other] = self._pair((one, other)).absorb(self.rows[one], self.rows[other], phi)
        rates = self.metric.kind is not Kind.SCORE
        dispersions = {s: self._dispersion(s).absorb(int(r[2]), int(r[3])) for s, r in self.rows.items() if rates}
        new = replace(self, pairs=pairs, rows={}, dispersions={**self.dispersions, **dispersions})
        return replace(new, peak=max(self.peak, new.log_e), excluded=self.excluded or new._excludes(promote_at))

    def _excludes(self, promote_at: float) -> bool:
        """Is a gap of the margin refuted, both ways, between all segments?"""
        if self.guardrail.margin is None or len(self.order) < 2:
            return False
        asked = (self._pair(pair).all_ours for pair in permutations(self.order, 2))
        return all(drift.log_e(self.margin, -1) >= promote_at for drift in asked)

    def _row(self, candidate: Arm, stable: Arm) -> Row:
        metric = self.metric
        if metric.kind is Kind.SCORE:
            ours, theirs = metric.scores(candidate), metric.scores(stable)
            return len(ours), float(ours.sum()), len(theirs), float(theirs.sum())
        return (*metric.counts(candidate, None), *metric.counts(stable, None))

    def _pair(self, pair: Pair) -> PairGap:
        return self.pairs.get(pair) or PairGap()

    def _dispersion(self, segment: str | None) -> Dispersion:
        return self.dispersions.get(segment) or Dispersion(1.0)

    def _scaled(self, number: float) -> float:
        low, high = self.metric.bounds
        return number / (high - low) if self.metric.kind is Kind.SCORE else number


def _drifts(pair: PairGap) -> tuple[Drift, ...]:
    return pair.ours, pair.theirs, pair.worse, pair.solo
