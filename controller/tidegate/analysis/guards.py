"""One guardrail under way: its rollback test, its promotion test, and the recent windows that plain numbers come from.

Neighbours: noninferiority.py makes the tests; judge.py absorbs batches into all guards and decides over them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tidegate.analysis.bounds import mean_reach
from tidegate.analysis.effects import Effect
from tidegate.analysis.means import MeanAbsolute, MeanRelative
from tidegate.analysis.metrics import Kind, Metric, metric_of, unsupported, usable_rate
from tidegate.analysis.noninferiority import Test, promotion_test, rollback_test
from tidegate.analysis.onearm import OneArm
from tidegate.analysis.rates import Look, RateAbsolute, RateRelative, Row, phi_of
from tidegate.spec.policy import Guardrail

WINDOWS = 6
"""Windows that count as "recent"; more where the candidate has too few requests in them."""
LEAST = 100
MOST = 120
DRY = 60
"""Batches with candidate requests but none of a metric's values after which its source counts as dead."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What is shown: values and their sums of both arms; `expected`: stable's, had it the candidate's share."""

    n_c: int = 0
    x_c: float = 0.0
    n_b: int = 0
    x_b: float = 0.0
    paired: int = 0
    expected: float = 0.0
    invalid: int = 0

    def absorb(self, row: Row, invalid: int) -> Tally:
        """With one batch more."""
        n_c, x_c, n_b, x_b = row
        both = bool(n_c and n_b)
        return Tally(
            self.n_c + int(n_c), self.x_c + x_c, self.n_b + int(n_b), self.x_b + x_b,
            self.paired + (int(n_c) if both else 0), self.expected + (n_c * x_b / n_b if both else 0.0),
            self.invalid + invalid,
        )  # fmt: skip

    @property
    def observed(self) -> float | None:
        """The candidate's rate or mean."""
        return self.x_c / self.n_c if self.n_c else None

    @property
    def baseline(self) -> float | None:
        """Stable's rate or mean in the windows that the candidate was in, weighted by the candidate's requests."""
        if self.paired:
            return self.expected / self.paired
        return self.x_b / self.n_b if self.n_b else None


@dataclass(frozen=True, slots=True)
class Guard:
    """One guardrail, its tests and its recent windows. `why_not` says why it cannot be judged at all.

    `peak`: the largest log E of a rollback so far.
    """

    guardrail: Guardrail
    metric: Metric
    why_not: str | None = None
    fall: Test | None = None
    lift: Test | None = None
    tally: Tally = Tally()
    rows: tuple[tuple[float, Row], ...] = ()
    dry: int = 0
    excluded: bool = False
    alone: bool = False
    effect: Effect = field(default_factory=Effect)
    peak: float = 0.0

    @classmethod
    def new(
        cls, guardrail: Guardrail, delta: float, *, rails: tuple[Guardrail, ...] = (), counts: bool = False
    ) -> Guard:
        """A fresh guard. `delta`: the chance that a bound of stable's record may be wrong; `rails`: the whole policy's.

        `counts`: the metric's values arrive as events among a total.
        """
        metric = metric_of(guardrail, rails)
        why_not = unsupported(guardrail)
        if counts:
            metric = metric.as_counts
            if not usable_rate(guardrail):
                why_not = "its values arrive as counts, and this limit allows every rate or none"
        if why_not:
            return cls(guardrail, metric, why_not)
        fall, lift = rollback_test(guardrail, metric, delta), promotion_test(guardrail, metric, delta)
        return cls(guardrail, metric, None, fall, lift)

    def after(self, old: Guard, delta: float, rails: tuple[Guardrail, ...]) -> Guard | None:
        """This fresh guard with what the old one knows of stable; None where they do not look at the same figures.

        All that it knows of the candidate begins anew.
        """
        counts = old.metric.kind is Kind.COUNTS
        new = Guard.new(self.guardrail, delta, rails=rails, counts=True) if counts else self
        if (
            new.metric != old.metric
            or new.guardrail.source != old.guardrail.source
            or type(new.fall) is not type(old.fall)
        ):
            return None
        known = Tally(n_b=old.tally.n_b, x_b=old.tally.x_b)
        return replace(new, fall=_after(new.fall, old.fall), lift=_after(new.lift, old.fall), tally=known)

    def absorb(self, look: Look, promote_at: float, delta: float) -> Guard:
        """With one batch more. `promote_at` is the log of the promotion's threshold: once reached, it stays so."""
        if self.fall is None:
            return self
        if not self.seen and any(map(self.metric.counted_in, (look.batch.candidate, look.batch.stable))):
            return Guard.new(self.guardrail, delta, counts=True).absorb(look, promote_at, delta)
        rows = self.with_row(look).rows
        excused = self.stable_broken(rows)
        fall = _absorb(self.fall, look, excused)
        lift = _absorb(self.lift, look, excused) if self.lift is not None else None
        shown, invalid = self._shown(look)
        has_traffic = look.batch.candidate.requests > 0
        phi = _phi(self.fall, self.metric, look)
        new = replace(
            self,
            fall=fall,
            lift=lift,
            tally=self.tally.absorb(shown, invalid),
            rows=rows,
            # A source that is asked says itself when it has nothing, however seldom it is asked.
            dry=0 if shown[0] + invalid or self.guardrail.polled else self.dry + has_traffic,
            excluded=self.excluded or (lift is not None and lift.log_e >= promote_at),
            alone=look.alone if has_traffic else self.alone,
            effect=self.effect.absorb(self.metric, look.batch, phi),
        )
        return replace(new, peak=max(self.peak, new.log_e))

    def with_row(self, look: Look) -> Guard:
        """The recent windows with this batch in them (for a batch still open, too)."""
        row = self.fall.row(look) if self.fall is not None else None
        if row is None:
            return self
        rows = list(self.rows)
        if rows and rows[-1][0] == look.batch.start:
            old = rows.pop()[1]
            row = (old[0] + row[0], old[1] + row[1], old[2] + row[2], old[3] + row[3])
        rows.append((look.batch.start, row))
        least = max(LEAST, self.guardrail.min_requests)
        while len(rows) > WINDOWS and (len(rows) > MOST or sum(r[0] for _, r in rows[1:]) >= least):
            del rows[0]
        return replace(self, rows=tuple(rows))

    def recent(self) -> Row:
        """The sums of the recent windows."""
        return _sum(self.rows)

    def latest(self, least: int) -> Row:
        """The sums of the newest windows that together have `least` candidate requests; of all recent ones if too few."""
        first = len(self.rows)
        seen = 0.0
        while first > 0 and seen < least:
            first -= 1
            seen += self.rows[first][1][0]
        return _sum(self.rows[first:])

    def stable_broken(self, rows: tuple[tuple[float, Row], ...]) -> bool:
        """Does stable itself break an absolute limit in these windows, in plain numbers?"""
        return self.fall is not None and self.fall.broken(_sum(rows))[1] is True

    def both_broken(self, log_threshold: float) -> bool:
        """Is an absolute limit broken now, without evidence that the candidate is to blame?

        The candidate breaks it in the recent windows, and either stable does so beyond doubt as well, or the candidate
        does beyond doubt while the arms do not differ. It ends when the recent windows are good again.
        """
        fall = self.fall
        if fall is None or isinstance(fall, RateRelative | MeanRelative) or not fall.broken(self.recent())[0]:
            return False
        if self.metric.kind is Kind.AGREEMENT:  # nobody else can break it
            return False
        if fall.together.log_e >= log_threshold:
            return True
        n_c, x_c, n_b, x_b = self.recent()
        return all(self._beyond(fall, n, x, log_threshold) for n, x in ((n_c, x_c), (n_b, x_b)))

    @property
    def seen(self) -> bool:
        """Has any value of this metric arrived? From then on its form (single values, or counts) is settled."""
        return bool(self.tally.n_c or self.tally.n_b or self.tally.invalid)

    @property
    def log_e(self) -> float:
        """log E for a rollback; `-inf` before `min_requests`."""
        if self.fall is None or self.tally.n_c < self.guardrail.min_requests:
            return -math.inf
        return self.fall.log_e

    @property
    def no_data(self) -> bool:
        """Has the metric no value of the candidate, or none for long while requests go on?"""
        return not (self.tally.n_c or self.tally.invalid) or self.dry >= DRY

    def to_doc(self) -> dict[str, Any]:
        """As JSON-safe values, without the guardrail itself."""
        t = self.tally
        return {
            "fall": self.fall.state() if self.fall is not None else None,
            "lift": self.lift.state() if self.lift is not None else None,
            "tally": [t.n_c, t.x_c, t.n_b, t.x_b, t.paired, t.expected, t.invalid],
            "rows": [[start, *row] for start, row in self.rows],
            "dry": self.dry,
            "excluded": self.excluded,
            "alone": self.alone,
            "counts": self.metric.kind is Kind.COUNTS,
            "effect": self.effect.to_doc(),
            "peak": self.peak,
        }

    def with_doc(self, doc: Mapping[str, Any]) -> Guard:
        """This fresh guard as `to_doc` found it."""
        return replace(
            self,
            fall=self.fall.with_state(doc["fall"]) if self.fall is not None else None,
            lift=self.lift.with_state(doc["lift"]) if self.lift is not None else None,
            tally=Tally(*doc["tally"]),
            rows=tuple((r[0], (r[1], r[2], r[3], r[4])) for r in doc["rows"]),
            dry=doc["dry"],
            excluded=doc["excluded"],
            alone=doc["alone"],
            effect=Effect.from_doc(doc["effect"]) if "effect" in doc else Effect(),
            peak=doc.get("peak", 0.0),
        )

    def _shown(self, look: Look) -> tuple[Row, int]:
        """The numbers to show of one batch (a latency's quantiles come from its histogram), and invalid outputs."""
        batch = look.batch
        if self.metric.kind is Kind.SCORE:
            candidate, stable = self.metric.scores(batch.candidate), self.metric.scores(batch.stable)
            invalid = len(batch.candidate.scores.get(self.metric.name, ())) - len(candidate)
            return (len(candidate), float(candidate.sum()), len(stable), float(stable.sum())), invalid
        return (*self.metric.counts(batch.candidate, None), *self.metric.counts(batch.stable, None)), 0

    def _beyond(self, fall: RateAbsolute | MeanAbsolute, n: float, x: float, log_threshold: float) -> bool:
        """Is one arm beyond the limit in the recent windows, beyond doubt?"""
        if isinstance(fall, RateAbsolute):
            return OneArm(fall.together.q, fall.side).absorb(int(n), int(x)).log_e >= log_threshold
        reach = mean_reach(int(n), math.exp(-log_threshold))
        claim = fall.together.claim
        return bool(n) and claim.offset + claim.sign * x / n > reach


def _after(new: Test | None, old: Test | None) -> Test | None:
    if isinstance(new, RateRelative) and isinstance(old, RateRelative):
        return new.after(old)
    if isinstance(new, MeanRelative) and isinstance(old, MeanRelative):
        return new.after(old)
    return new


def _absorb(test: Test, look: Look, excused: bool) -> Test:
    if isinstance(test, RateAbsolute | MeanAbsolute):
        return test.absorb(look, excused=excused)
    return test.absorb(look)


def _phi(test: Test, metric: Metric, look: Look) -> float:
    """The dispersion known before the batch; scores have none."""
    if isinstance(test, RateRelative | RateAbsolute):
        return phi_of(test.strands, metric, look.batch.segment)
    return 1.0


def _sum(rows: tuple[tuple[float, Row], ...]) -> Row:
    columns = [sum(row[i] for _, row in rows) for i in range(4)]
    return columns[0], columns[1], columns[2], columns[3]
