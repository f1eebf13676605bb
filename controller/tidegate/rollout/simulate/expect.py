"""What a scenario expects, held against its timeline: a policy's unit test. Each failure says what was seen instead.

Neighbours: scenario.py has the grammar, run.py the outcome; `tidegate simulate` exits with 1 when anything comes back.
"""

from __future__ import annotations

from collections.abc import Mapping

from tidegate.rollout.simulate.run import Entry, Outcome
from tidegate.rollout.simulate.scenario import Expectation, Final
from tidegate.spec.units import format_duration

CLOSE = 0.01
"""Percent points by which a weight may be off."""


def failures(expected: tuple[Expectation, ...], outcome: Outcome) -> list[str]:
    """Those expectations that do not hold, in words; empty when all do."""
    return [failure for expectation in expected if (failure := _failure(expectation, outcome))]


def _failure(one: Expectation, outcome: Outcome) -> str:
    if one.event is not None:
        return _event(one, one.event, outcome)
    if one.never is not None:
        seen = _of(outcome, one.never, one)
        return f"never {_what(one.never, one)}: seen {_times(seen)}" if seen else ""
    if one.count is not None:
        seen = _of(outcome, one.count, one)
        said = f"{_what(one.count, one)} {one.amount} times: seen {len(seen)} times{_at(seen)}"
        return said if len(seen) != one.amount else ""
    if one.at is not None and one.weights is not None:
        weights = outcome.weights_at(one.at, one.segment)
        of = f" of {one.segment}" if one.segment else ""
        wanted = f"at {format_duration(one.at)} weights{of} {_shown(one.weights)}"
        return "" if _same(one.weights, weights) else f"{wanted}: seen {_shown(weights)}"
    if one.at is not None and one.replicas is not None:
        running = outcome.replicas_at(one.at)
        wanted = f"at {format_duration(one.at)} replicas {_shown(one.replicas)}"
        return "" if _same(one.replicas, running) else f"{wanted}: ready {_shown(running)}"
    if one.order is not None:
        return _order(one.order, outcome)
    return _final(one.final, outcome) if one.final is not None else ""


def _event(one: Expectation, kind: str, outcome: Outcome) -> str:
    end = one.after + one.within if one.within is not None else None
    seen = _of(outcome, kind, one)
    if any(one.after <= entry.t and (end is None or entry.t <= end) for entry in seen):
        return ""
    limits = f" between {format_duration(one.after)} and {format_duration(end)}" if end is not None else ""
    return f"{_what(kind, one)}{limits or f' after {format_duration(one.after)}'}: seen {_times(seen)}"


def _order(wanted: tuple[str, ...], outcome: Outcome) -> str:
    left = list(wanted)
    for entry in outcome.timeline:
        if left and entry.event == left[0]:
            del left[0]
    seen = ", ".join(entry.event for entry in outcome.timeline)
    return f"order {', '.join(wanted)}: no '{left[0]}' in its place in: {seen}" if left else ""


def _final(wanted: Final, outcome: Outcome) -> str:
    wrong = []
    for name in ("stable", "candidate", "phase"):
        value = getattr(wanted, name)
        if name in wanted.model_fields_set and value != outcome.final[name]:
            wrong.append(f"{name} {value}: is {outcome.final[name]}")
    if wanted.weights is not None and not _same(wanted.weights, outcome.final["weights"]):
        wrong.append(f"weights {_shown(wanted.weights)}: are {_shown(outcome.final['weights'])}")
    if wanted.rejected is not None and sorted(wanted.rejected) != outcome.final["rejected"]:
        wrong.append(f"rejected {sorted(wanted.rejected)}: are {outcome.final['rejected']}")
    return f"final {'; '.join(wrong)}" if wrong else ""


def _of(outcome: Outcome, kind: str, one: Expectation) -> list[Entry]:
    wanted = [e for e in outcome.timeline if e.event == kind and one.release in (None, e.release)]
    wanted = [e for e in wanted if one.step in (None, e.step) and one.hold in (None, e.hold)]
    return [e for e in wanted if (one.because or "") in e.reason]


def _what(kind: str, one: Expectation) -> str:
    words = [kind, f"of {one.release}" if one.release else "", f"in {one.step}" if one.step else ""]
    words += [f"for {one.hold}" if one.hold else "", f"because of '{one.because}'" if one.because else ""]
    return " ".join(word for word in words if word)


def _at(seen: list[Entry]) -> str:
    return f" ({_times(seen)})" if seen else ""


def _times(seen: list[Entry]) -> str:
    return ", ".join(f"{entry.release} at {format_duration(entry.t)}" for entry in seen) or "none"


def _same(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    return all(abs(one.get(name, 0.0) - other.get(name, 0.0)) <= CLOSE for name in {*one, *other})


def _shown(weights: Mapping[str, float]) -> str:
    return "{" + ", ".join(f"{name}: {share:g}" for name, share in sorted(weights.items()) if share) + "}"
