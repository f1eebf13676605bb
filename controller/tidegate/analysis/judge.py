"""The joint judge: one analysis a candidate, batches in, a verdict out. Pure; the clock is passed in.

Neighbours: rollout/ calls begin, absorb and verdict; guards.py holds one guardrail's tests.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tidegate.analysis.counts import CountsTest
from tidegate.analysis.model import Batch, Judgement, Result, Verdict
from tidegate.spec.policy import Guardrail


@dataclass(frozen=True, slots=True)
class Analysis:
    """All that a verdict rests on. Frozen; `to_doc` and `from_doc` carry it through JSON bit by bit."""

    guardrails: tuple[Guardrail, ...]
    confidence: float
    attempt: int
    tests: tuple[CountsTest, ...]
    last: int = -1

    def to_doc(self) -> dict[str, Any]:
        """As JSON-safe values, for the journal."""
        return {
            "version": 1,
            "guardrails": [g.model_dump(mode="json", exclude_none=True) for g in self.guardrails],
            "confidence": self.confidence,
            "attempt": self.attempt,
            "tests": [t.to_doc() for t in self.tests],
            "last": self.last,
        }

    @classmethod
    def from_doc(cls, doc: Mapping[str, Any]) -> Analysis:
        """The analysis that `to_doc` wrote."""
        return cls(
            tuple(Guardrail.model_validate(g) for g in doc["guardrails"]),
            doc["confidence"],
            doc["attempt"],
            tuple(CountsTest.from_doc(t) for t in doc["tests"]),
            doc["last"],
        )


def begin(guardrails: tuple[Guardrail, ...], confidence: float, *, attempt: int = 0) -> Analysis:
    """A new analysis. `confidence` 0.99 means at most 1 % false rollbacks; `attempt` halves promotion's alpha each time."""
    return Analysis(guardrails, confidence, attempt, tuple(CountsTest(g.max_ratio or 1.0) for g in guardrails))


def absorb(analysis: Analysis, batch: Batch) -> Analysis:
    """With one closed batch more. A batch seen before, or one still open, changes nothing."""
    if not batch.complete or batch.id <= analysis.last:
        return analysis
    c, b = batch.candidate, batch.stable
    tests = tuple(t.absorb(c.requests, c.errors, b.requests, b.errors, phi=2.0) for t in analysis.tests)
    return replace(analysis, tests=tests, last=batch.id)


def verdict(analysis: Analysis, *, at: float, now_open: tuple[Batch, ...] = ()) -> Verdict:
    """The decision now. `at` in epoch seconds; `now_open`: incomplete batches, which only immediate guardrails look at."""
    threshold = 1 / (1 - analysis.confidence)
    judgements = tuple(_judge(g, t, threshold) for g, t in zip(analysis.guardrails, analysis.tests, strict=True))
    bad = next((j for j in judgements if j.result is Result.FAIL), None)
    seen = max((t.n_c + t.n_b for t in analysis.tests), default=0)
    candidate = max((t.n_c for t in analysis.tests), default=0)
    if bad:
        return Verdict(Result.FAIL, bad.sentence, False, bad, judgements, seen, candidate, at)
    if not candidate:
        return Verdict(Result.NO_DATA, "no candidate requests yet", False, None, judgements, 0, 0, at)
    ready = candidate >= 500
    result = Result.PASS if ready else Result.COLLECTING
    return Verdict(result, f"{candidate} candidate requests seen", ready, None, judgements, seen, candidate, at)


def _judge(guardrail: Guardrail, test: CountsTest, threshold: float) -> Judgement:
    e = math.exp(min(test.log_e, 690.0))
    fail = guardrail.metric == "error_rate" and e >= threshold
    observed = test.s_c / test.n_c if test.n_c else None
    baseline = test.expected / test.n_c if test.n_c else None
    sentence = f"{guardrail.metric} {observed} against {baseline}, {test.n_c} candidate requests"
    return Judgement(
        guardrail.metric, f"{guardrail.limit_name} {guardrail.limit:g}", Result.FAIL if fail else Result.COLLECTING,
        observed, baseline, test.n_c + test.n_b, test.n_c, e, threshold, False, sentence,
    )  # fmt: skip
