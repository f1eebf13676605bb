"""One guardrail's judgement: its result, its numbers, its sentence, and how many more requests would decide.

Neighbours: guards.py has the evidence, words.py the words, samples.py the arithmetic; judge.py decides over all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tidegate.analysis import joint, words
from tidegate.analysis.effects import Figures, latencies
from tidegate.analysis.guards import LEAST, Guard
from tidegate.analysis.latency import quantile
from tidegate.analysis.means import MeanAbsolute, MeanRelative
from tidegate.analysis.metrics import Kind
from tidegate.analysis.model import Judgement, Result
from tidegate.analysis.rates import RateAbsolute, RateRelative, widest
from tidegate.analysis.samples import bernoulli_kl, decisions, nats_needed, rates_information
from tidegate.spec.policy import Guardrail

Cells = tuple[int, ...]
CAP = 690.0
"""Of log E where E is shown: more would not be a number any more."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Thresholds. `weights` w_j sum to 1 over the guardrails that are tests; an immediate one is a plain guard, 0."""

    alpha: float
    promote_alpha: float
    weights: tuple[float, ...]

    @classmethod
    def of(cls, guardrails: tuple[Guardrail, ...], confidence: float, attempt: int) -> Settings:
        """From a policy's fields. Each attempt at the same release halves promotion's alpha."""
        raw = [0.0 if g.immediate else 1.0 if g.weight is None else g.weight for g in guardrails]
        tested = any(not g.immediate for g in guardrails)
        alpha = 1 - confidence
        return cls(alpha, alpha * 0.5**attempt, joint.shares(raw) if tested else tuple(raw))

    @property
    def delta(self) -> float:
        """The chance that any bound of stable's record may be wrong, all guardrails together: a hundredth of alpha."""
        return self.alpha / 100

    def delta_of(self, index: int) -> float:
        """A guardrail's own part of it, by its weight; the whole for one that is no test."""
        return self.delta * (self.weights[index] or 1.0)

    @property
    def log_threshold(self) -> float:
        """log 1/alpha."""
        return math.log(1 / self.alpha)

    @property
    def log_promote(self) -> float:
        """log 1/alpha of promotion."""
        return math.log(1 / self.promote_alpha)


def judgement(
    guard: Guard, settings: Settings, weight: float, cells: tuple[Cells, Cells], failed: float | None
) -> Judgement:
    """What one guardrail says. `weight` in the joint decision; `cells`: latencies of both arms, the candidate's first;
    `failed`: log of a joint E."""
    rail, metric = guard.guardrail, guard.metric
    observed, baseline = _values(guard, cells)
    count, lately = guard.tally.n_c, ""
    if failed is not None and (sudden := _sudden(guard)):
        observed, baseline, count = sudden
        lately = " in the last"
    seen = f"{words.name(metric)} {words.value(metric, observed)}"
    if rail.relative and not guard.alone:
        seen += f" against {words.value(metric, baseline)}"
    elif rail.relative:
        seen += f" against the record of {words.value(metric, baseline)}"
    seen += f"{lately or ','} {words.requests(count, rail)}"
    if guard.tally.invalid:
        seen += f" and {guard.tally.invalid:,} invalid outputs"
    bound = words.limit(rail, metric)
    needed = None
    if guard.why_not is not None:
        result, text = Result.NO_DATA, f"{rail.metric} cannot be judged: {guard.why_not}"
    elif failed is not None:
        result, text = Result.FAIL, f"{seen}, {words.odds(failed)}; limit {bound}"
    elif guard.no_data:
        result, text = Result.NO_DATA, f"{words.name(metric)}: {_dead(guard)}"
    elif guard.both_broken(settings.log_threshold):
        result, text = Result.BOTH_ARMS, _both(guard, bound)
    elif guard.tally.n_c < rail.min_requests:
        needed = rail.min_requests - guard.tally.n_c
        result, text = Result.COLLECTING, f"{seen} of the {rail.min_requests:,} it takes; limit {bound}"
    elif rail.margin is not None and guard.excluded:
        margin = words.limit(rail, metric, rail.margin)
        result, text = Result.PASS, f"{seen}; limit {bound}, and {margin} is excluded"
    else:
        needed = _needed(guard, settings)
        more = f", about {needed:,} more would decide" if needed is not None else ""
        enough = rail.margin is None and guard.tally.n_c >= LEAST
        result = Result.PASS if enough else Result.COLLECTING
        stands = (
            "over the limit {}, not proven yet" if _over(rail, observed, baseline) else "within the limit {} so far"
        )
        text = f"{seen}; {stands.format(bound)}{more}"
    figures = _figures(guard, settings.alpha, cells)
    return Judgement(
        metric=rail.metric, limit=f"{rail.limit_name}: {rail.limit:g}", result=result, observed=observed,
        baseline=baseline, requests=guard.tally.n_c + guard.tally.n_b, candidate_requests=guard.tally.n_c,
        e=math.exp(min(guard.log_e, CAP)), threshold=threshold(settings, weight), sentence=text, needed=needed,
        excluded=guard.excluded and guard.tally.n_c >= rail.min_requests, p=math.exp(-guard.peak),
        observed_low=figures.observed_low, observed_high=figures.observed_high, effect_kind=figures.kind,
        effect=figures.effect, effect_low=figures.low, effect_high=figures.high,
    )  # fmt: skip


def _figures(guard: Guard, alpha: float, cells: tuple[Cells, Cells]) -> Figures:
    """The effect and its confidence sequence, at the policy's confidence."""
    rail, metric, fall = guard.guardrail, guard.metric, guard.fall
    if metric.kind is Kind.LATENCY:
        return latencies(cells, metric.q, alpha, relative=rail.relative)
    if metric.kind is Kind.SCORE:
        return guard.effect.scores(metric, alpha, relative=rail.relative)
    phi = widest(fall.strands) if isinstance(fall, RateRelative | RateAbsolute) else 1.0
    counts = guard.tally.n_c, guard.tally.x_c
    return guard.effect.rates(counts, alpha, phi, guard.tally.baseline, relative=rail.relative)


def _over(rail: Guardrail, observed: float | None, baseline: float | None) -> bool:
    """Whether the plain figures are beyond the limit, whatever that proves. Units of the metric."""
    if observed is None or (rail.relative and baseline is None):
        return False
    stable = baseline or 0.0
    beyond = {
        "max": observed > rail.limit,
        "min": observed < rail.limit,
        "max_ratio": observed > rail.limit * stable,
        "min_ratio": observed < rail.limit * stable,
        "max_increase": observed > (1 + rail.limit) * stable,
        "max_drop": stable - observed > rail.limit,
    }
    return beyond[rail.limit_name]


LEAST_FOR_DISASTER = 50
"""Candidate requests that an `immediate` guardrail waits for unless it says how many."""


def disaster(guard: Guard, settings: Settings) -> Judgement:
    """An `immediate` guardrail, in plain numbers over the newest windows, the open one included.

    As many windows as it takes to have `min_requests` candidate requests (50 where it says nothing): a disaster of this
    minute must not be diluted by the good minutes before it.
    """
    rail, metric = guard.guardrail, guard.metric
    least = rail.min_requests or LEAST_FOR_DISASTER
    newest = guard.latest(least)
    n_c, x_c, n_b, x_b = newest
    observed, baseline = (metric.shown(x / n) if n else None for n, x in ((n_c, x_c), (n_b, x_b)))
    bound = words.limit(rail, metric)
    if metric.kind is Kind.LATENCY:
        beyond = f"beyond {bound}" if not rail.relative else f"beyond stable's {words.name(metric)} at {bound}"
        shown = [f"{words.percent(v)} {beyond}" if v is not None else "nothing" for v in (observed, baseline)]
        bound = f"{words.percent(metric.share)} {beyond}"
    else:
        shown = [words.value(metric, v) for v in (observed, baseline)]
    seen = f"{words.name(metric)} {shown[0]} in the last {words.requests(int(n_c), guard.guardrail)}"
    ours, theirs = guard.fall.broken(newest) if guard.fall is not None else (False, None)
    if guard.why_not is not None:
        result, text = Result.NO_DATA, f"{rail.metric} cannot be judged: {guard.why_not}"
    elif n_c < least and not guard.tally.n_c:
        result, text = Result.NO_DATA, f"{words.name(metric)}: {_dead(guard)}"
    elif n_c >= least and ours and theirs:
        result = Result.BOTH_ARMS
        text = f"{seen} and stable's {shown[1]}: the limit {bound} is broken by both, so nothing moves"
    elif n_c >= least and ours:
        result, text = Result.FAIL, f"{seen}; limit {bound}, at once"
    else:
        result = Result.PASS if n_c >= least else Result.COLLECTING
        text = f"{seen}; limit {bound}, at once"
    return Judgement(
        metric=rail.metric, limit=f"{rail.limit_name}: {rail.limit:g}", result=result, observed=observed,
        baseline=baseline, requests=int(n_c + n_b), candidate_requests=int(n_c), e=0.0, threshold=1 / settings.alpha,
        excluded=guard.excluded, sentence=text,
    )  # fmt: skip


def _both(guard: Guard, bound: str) -> str:
    """The sentence for a world that is broken, with the numbers of the recent windows."""
    metric = guard.metric
    n_c, x_c, n_b, x_b = guard.recent()
    unit = f" slower than {bound}" if metric.kind is Kind.LATENCY else ""
    ours, theirs = (
        (words.percent(x / n) if unit else words.value(metric, metric.shown(x / n))) + unit if n else "nothing"
        for n, x in ((n_c, x_c), (n_b, x_b))
    )
    text = f"{words.name(metric)} {ours} in the last {words.requests(int(n_c), guard.guardrail)}, stable's {theirs}"
    return f"{text}; over the limit {bound} while the arms do not differ, so nothing moves"


def threshold(settings: Settings, weight: float) -> float:
    """What the E of a guardrail with this weight must reach to decide alone; 1e300 for one without weight."""
    return 1 / (settings.alpha * weight) if weight > 0 else 1e300


def _values(guard: Guard, cells: tuple[Cells, Cells]) -> tuple[float | None, float | None]:
    if guard.metric.kind is Kind.LATENCY:
        return quantile(cells[0], guard.metric.q), quantile(cells[1], guard.metric.q)
    observed, baseline = guard.tally.observed, guard.tally.baseline
    shown = guard.metric.shown
    return None if observed is None else shown(observed), None if baseline is None else shown(baseline)


def _sudden(guard: Guard) -> tuple[float, float | None, int] | None:
    """The recent windows, where they and not the whole rollout show what is wrong: a candidate that turned bad late."""
    n_c, x_c, n_b, x_b = guard.recent()
    observed, whole = x_c / n_c if n_c else 0.0, guard.tally.observed or 0.0
    apart = abs(observed - whole) > 0.5 * whole if guard.metric.kind is not Kind.SCORE else abs(observed - whole) > 0.05
    if guard.metric.kind is Kind.LATENCY or n_c < 20 or n_c * 2 > guard.tally.n_c or not apart:
        return None
    stable = x_b / n_b if n_b else guard.tally.baseline
    return guard.metric.shown(observed), None if stable is None else guard.metric.shown(stable), int(n_c)


def _dead(guard: Guard) -> str:
    declared = guard.guardrail.source
    source = declared if isinstance(declared, str) else declared.kind
    if guard.dry and (guard.tally.n_c or guard.tally.invalid):
        return f"no more data from {source}"
    return f"no data from {source} yet"


def _needed(guard: Guard, settings: Settings) -> int | None:
    """About how many more candidate requests would decide at the present effect: towards promotion, or going back."""
    fall, lift = guard.fall, guard.lift
    goal, log_e, information = settings.alpha, guard.log_e, 0.0
    if isinstance(fall, RateRelative):
        information = _between(fall)
        if not information and isinstance(lift, RateRelative):
            goal, log_e, information = settings.promote_alpha, lift.log_e, _between(lift)
    elif isinstance(fall, RateAbsolute):
        n_c, x_c, _, _ = guard.recent()
        p_c = (x_c + 0.5) / (n_c + 1)
        if fall.side * (p_c - fall.together.q) > 0:
            information = bernoulli_kl(p_c, fall.together.q)
        elif isinstance(lift, RateAbsolute):
            p_c = (lift.together.k + 0.5) / (lift.together.n + 1)
            goal, log_e = settings.promote_alpha, lift.log_e
            information = bernoulli_kl(p_c, lift.together.q) if lift.side * (p_c - lift.together.q) > 0 else 0.0
    elif isinstance(fall, MeanRelative | MeanAbsolute):
        information = _of_means(guard, fall)
        if not information and isinstance(lift, MeanRelative | MeanAbsolute):
            goal, log_e, information = settings.promote_alpha, lift.log_e, _of_means(guard, lift)
    return still_needed(information, goal, log_e)


def still_needed(information: float, alpha: float, log_e: float) -> int | None:
    """About how many more candidate requests with so many nats each bring log E from where it is to a decision."""
    whole = decisions(information, alpha)
    if whole is None:
        return None
    done = min(max(log_e, 0.0) / nats_needed(alpha), 1.0)
    return max(1, math.ceil(whole * (1 - done)))


def _of_means(guard: Guard, test: MeanRelative | MeanAbsolute) -> float:
    """Information per candidate score that the means and spreads seen give this test; 0 when they point the other way."""
    relative = isinstance(test, MeanRelative)
    claim = (test.concurrent if isinstance(test, MeanRelative) else test.together).claim
    scores, seen = guard.effect.mean, guard.effect.gap if relative else guard.effect.mean
    if not seen.n or not scores.n:
        return 0.0
    mean = scores.total / scores.n
    stable = mean - (2 * seen.total / seen.n - 1) if relative else 0.0
    value = claim.slope * stable + claim.offset + claim.sign * mean
    if value <= 0:
        return 0.0
    spread = seen.v / seen.n * (4 if relative else 1)
    return value**2 / (2 * (spread + value**2)) * seen.n / scores.n


def _between(test: RateRelative) -> float:
    """Information per candidate request that the present rates give this test; 0 when they point the other way."""
    seen = test.concurrent
    if not seen.n_c or not seen.n_b:
        return 0.0
    p_c, p_b = (seen.s_c + 0.5) / (seen.n_c + 1), (seen.s_b + 0.5) / (seen.n_b + 1)
    if seen.side * (p_c - seen.ratio * p_b) <= 0:
        return 0.0
    return rates_information(p_c, p_b, seen.ratio, seen.n_b / seen.n_c)
