"""A played scenario for programs (the fixed JSON of DESIGN section 6) and for people (one line an event).

Neighbours: run.py has the outcome; `tidegate simulate` prints this.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

from tidegate.rollout.simulate.run import Outcome
from tidegate.spec.units import format_duration


def as_json(outcome: Outcome) -> dict[str, Any]:
    """`{"version": 1, "timeline": [...], "final": {...}}`; times in seconds, weights in percent."""
    timeline = [
        {
            "t": _number(entry.t),
            "event": entry.event,
            "release": entry.release,
            "phase": entry.phase,
            "step": entry.step,
            "weights": _numbers(entry.weights),
            "reason": entry.reason,
        }
        for entry in outcome.timeline
    ]
    return {
        "version": 1,
        "timeline": timeline,
        "final": outcome.final | {"weights": _numbers(outcome.final["weights"])},
    }


def summary(name: str, outcome: Outcome, failed: Sequence[str], seconds: float) -> str:
    """A scenario in one line, for when there are many."""
    final = outcome.final
    how = "FAILED" if failed else "holds "
    return f"{how} {name}: {len(outcome.timeline)} events, stable {final['stable']} at the end ({seconds:.1f} s)"


def junit_xml(cases: Sequence[tuple[str, Sequence[str], float]]) -> str:
    """Scenarios as JUnit test cases: (name, what did not hold, seconds)."""
    suite = ElementTree.Element(
        "testsuite",
        name="tidegate simulate",
        tests=str(len(cases)),
        failures=str(sum(bool(failed) for _, failed, _ in cases)),
        time=f"{sum(seconds for _, _, seconds in cases):.3f}",
    )
    for name, failed, seconds in cases:
        case = ElementTree.SubElement(suite, "testcase", classname="simulate", name=name, time=f"{seconds:.3f}")
        if failed:
            text = "\n".join(f"expected {failure}" for failure in failed)
            ElementTree.SubElement(case, "failure", message=f"expected {failed[0]}").text = text
    ElementTree.indent(suite)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(suite, encoding="unicode")}\n'


def as_text(outcome: Outcome) -> str:
    """The timeline as aligned lines, then how it ended."""
    rows = [
        (
            format_duration(entry.t),
            entry.event,
            entry.release,
            entry.step or "",
            _weights(entry.weights),
            entry.reason,
        )
        for entry in outcome.timeline
    ]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(5)]
    lines = ["  ".join([*(row[i].ljust(widths[i]) for i in range(5)), row[5]]).rstrip() for row in rows]
    final = outcome.final
    rejected = ", ".join(final["rejected"]) or "none"
    lines.append(f"final: stable {final['stable']}, {_weights(final['weights'])}, rejected: {rejected}")
    if final["candidate"] is not None:
        lines.append(f"       candidate {final['candidate']}, {final['phase']}")
    return "\n".join(lines)


def _weights(weights: dict[str, float]) -> str:
    return " ".join(f"{name} {share:g}%" for name, share in weights.items()) or "nobody serves"


def _numbers(weights: dict[str, float]) -> dict[str, float]:
    return {name: _number(share) for name, share in weights.items()}


def _number(value: float) -> float:
    """A whole number as one: 95, not 95.0."""
    rounded = round(value, 4)
    return int(rounded) if rounded == int(rounded) else rounded
