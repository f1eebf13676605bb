"""The effect that a judgement shows, with its confidence sequence, and the candidate's own value with its own. Not evidence.

Neighbours: guards.py keeps one for each guardrail, intervals.py and ratio.py have the sequences, opinion.py puts them into words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from tidegate.analysis.intervals import MeanSequence, quantile_interval, rate_interval
from tidegate.analysis.latency import quantile
from tidegate.analysis.metrics import Kind, Metric
from tidegate.analysis.model import Batch
from tidegate.analysis.ratio import RatioSequence
from tidegate.analysis.scores import group_means

Cells = tuple[int, ...]


class Figures(NamedTuple):
    """In the metric's unit: the candidate's interval, and the effect by its kind with its own. None: nothing to say yet.

    `ratio`: candidate over stable, of rates and of latency quantiles; `difference`: candidate minus stable, of mean
    scores, within their windows; `value`: the candidate's own, where the limit is absolute. An end that is None is open.
    """

    observed_low: float | None = None
    observed_high: float | None = None
    kind: str | None = None
    effect: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """What is needed to show it: of rates the ratio's sequence, of scores the candidate's mean and the paired difference."""

    ratio: RatioSequence = field(default_factory=RatioSequence)
    mean: MeanSequence = field(default_factory=MeanSequence)
    gap: MeanSequence = field(default_factory=MeanSequence)

    def absorb(self, metric: Metric, batch: Batch, phi: float) -> Effect:
        """With one batch more; `phi` was known before it. A latency's histograms are kept elsewhere."""
        if metric.kind is Kind.LATENCY:
            return self
        if metric.kind is not Kind.SCORE:
            counts = (*metric.counts(batch.candidate, None), *metric.counts(batch.stable, None))
            return replace(self, ratio=self.ratio.absorb(*counts, phi=phi))
        candidate, stable = metric.scores(batch.candidate), metric.scores(batch.stable)
        gap = self.gap
        if len(candidate) and len(stable):
            theirs, ours = group_means(stable, candidate)
            gap = gap.absorb((ours - theirs + 1) / 2)
        return replace(self, mean=self.mean.absorb(candidate), gap=gap)

    def scores(self, metric: Metric, alpha: float, *, relative: bool) -> Figures:
        """The figures of a score."""
        if not self.mean.n:
            return Figures()
        low, high = (metric.shown(end) for end in self.mean.interval(alpha))
        if not relative:
            return Figures(low, high, "value", metric.shown(self.mean.total / self.mean.n), low, high)
        if not self.gap.n:
            return Figures(low, high)
        width = metric.bounds[1] - metric.bounds[0]
        ends = [(2 * end - 1) * width for end in (self.gap.total / self.gap.n, *self.gap.interval(alpha))]
        return Figures(low, high, "difference", *ends)

    def rates(
        self, counts: tuple[float, float], alpha: float, phi: float, baseline: float | None, *, relative: bool
    ) -> Figures:
        """The figures of a rate: `counts` are the candidate's requests and events, `baseline` stable's rate."""
        n, k = counts
        if not n:
            return Figures()
        low, high = rate_interval(n / phi, k / phi, alpha)
        if not relative:
            return Figures(low, high, "value", k / n, low, high)
        ends = self.ratio.interval(alpha) if self.ratio.rows else (None, None)
        return Figures(low, high, "ratio", k / n / baseline if baseline else None, *ends)

    def to_doc(self) -> dict[str, Any]:
        """As JSON-safe values."""
        return {"ratio": self.ratio.to_doc(), "mean": self.mean.to_doc(), "gap": self.gap.to_doc()}

    @classmethod
    def from_doc(cls, doc: Mapping[str, Any]) -> Effect:
        """The effect that `to_doc` wrote."""
        return cls(RatioSequence.from_doc(doc["ratio"]), MeanSequence(*doc["mean"]), MeanSequence(*doc["gap"]))


def latencies(cells: tuple[Cells, Cells], q: float, alpha: float, *, relative: bool) -> Figures:
    """The figures of a latency's q-quantile from the histograms of the candidate and of stable (its last requests), in ms."""
    ours, theirs = (quantile(one, q) for one in cells)
    if ours is None:
        return Figures()
    low, high = quantile_interval(cells[0], q, alpha / 2 if relative else alpha)
    if not relative:
        return Figures(low, high, "value", ours, low, high)
    if not theirs:
        return Figures(low, high)
    least, most = quantile_interval(cells[1], q, alpha / 2)
    upper = high / least if high is not None and least else None
    return Figures(low, high, "ratio", ours / theirs, low / most if most else 0.0, upper)
