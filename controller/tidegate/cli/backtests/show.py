"""What a backtest found, for people and for programs.

Neighbours: replay.py and sensitivity.py have the facts, `tidegate backtest` prints this. docs/how-to/backtest.md has the fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tidegate.analysis import words
from tidegate.analysis.metrics import metric_of
from tidegate.cli.backtests.replay import Outcome, Trial
from tidegate.cli.backtests.sensitivity import Sensitivity
from tidegate.engine.summary import verdict_doc
from tidegate.engine.trail import limit_text
from tidegate.spec.policy import PolicyFields
from tidegate.spec.units import format_duration

COLOURS: Final = {"pass": "green", "fail": "bold red", "hold": "yellow"}
HERE: Final = {True: "found", False: "too few", None: ""}


@dataclass(frozen=True, slots=True)
class Answer:
    """One policy, what it makes of the log, and what it could have seen there (None: nobody asked)."""

    name: str
    policy: PolicyFields
    outcome: Outcome
    sensitivity: tuple[Sensitivity, ...] | None = None

    @property
    def trial(self) -> Trial:
        """The trial that the verdict is about."""
        return self.outcome.decisive

    @property
    def malformed(self) -> int:
        """Lines that could not be used."""
        return self.outcome.counts.malformed + sum(one.malformed for one in self.outcome.trials)


def as_json(answer: Answer) -> dict[str, Any]:
    """The fields of DESIGN section 6, then what else is known. `at` and `began` in epoch seconds."""
    trial, counts = answer.trial, answer.outcome.counts
    said, culprit = trial.said, trial.said.culprit
    return {
        "version": 1,
        "verdict": trial.verdict,
        "metric": culprit.metric if culprit is not None else None,
        "limit": culprit.limit if culprit is not None else None,
        "observed": culprit.observed if culprit is not None else None,
        "baseline": culprit.baseline if culprit is not None else None,
        "requests": said.requests,
        "candidate_requests": said.candidate_requests,
        "at": trial.at or None,
        "cause": trial.cause,
        "sentence": said.sentence,
        "policy": answer.name,
        "release": trial.release,
        "time": _time(trial.at) if trial.at else None,
        "began": trial.began or None,
        "share": trial.traffic.share,
        "guardrails": (verdict_doc(said) or {})["guardrails"],
        "trials": [
            {"release": one.release, "verdict": one.verdict, "cause": one.cause, "sentence": one.said.sentence,
             "at": one.at or None}
            for one in answer.outcome.trials
        ],
        "steps": _steps(answer.policy),
        "log": {
            "lines": counts.lines,
            "malformed": answer.malformed,
            "others": counts.others,
            "late": sum(one.late for one in answer.outcome.trials),
            "dropped": sum(one.dropped for one in answer.outcome.trials),
        },
        **({"sensitivity": [_as_doc(one) for one in answer.sensitivity]} if answer.sensitivity is not None else {}),
    }  # fmt: skip


def as_text(answer: Answer) -> RenderableType:
    """One policy for people."""
    trial = answer.trial
    head = Text.assemble((trial.verdict.upper(), COLOURS[trial.verdict]), f"  {answer.name}: {_when(trial)}")
    parts: list[RenderableType] = [head, Text(f"  {_sentence(trial)}\n"), _guardrails(answer)]
    others = [one for one in answer.outcome.trials if one is not trial]
    parts += [Text(f"also in this log: {one.verdict} for {one.release}: {_sentence(one)}") for one in others]
    if answer.sensitivity:
        parts += _sensitivity(answer)
    return Group(*parts, *(Text(line, style="dim") for line in _notes(answer)))


def side_by_side(answers: Sequence[Answer]) -> RenderableType:
    """Several policies over one log, a line each."""
    table = _table("policy", "verdict", "decided", "candidate requests", "why")
    for one in answers:
        trial = one.trial
        word = Text(trial.verdict, style=COLOURS[trial.verdict])
        after = format_duration(round(trial.at - trial.began)) if trial.verdict == "fail" else "-"
        table.add_row(one.name, word, after, f"{trial.said.candidate_requests:,}", Text(_sentence(trial)))
    return Group(table, Text(""), Text(_notes(answers[0])[0], style="dim"))


def _when(trial: Trial) -> str:
    if not trial.said.candidate_requests:
        return "no candidate requests in this log"
    lasted, count = format_duration(round(trial.at - trial.began)), words.requests(trial.said.candidate_requests)
    if trial.verdict == "fail":
        return f"rolled back after {lasted} and {count}, at {_time(trial.at)}"
    return f"after {lasted} and {count}"


def _sentence(trial: Trial) -> str:
    cause = f"{trial.cause}: " if trial.cause is not None else ""
    return f"{cause}{trial.said.sentence}"


def _guardrails(answer: Answer) -> Table:
    table = _table("guardrail", "candidate", "stable", "requests", "evidence", "needed", "")
    rails = zip(answer.policy.guardrails, answer.trial.said.judgements, strict=True)
    for rail, judged in rails:
        metric = metric_of(rail)
        proof = ("at once", "") if rail.immediate else (_number(judged.e), _number(judged.threshold))
        seen, stable = (words.value(metric, value) for value in (judged.observed, judged.baseline))
        name = f"{rail.metric} {limit_text(rail)}"
        excluded = "margin excluded" if judged.excluded and rail.margin is not None else ""
        table.add_row(name, seen, stable, f"{judged.candidate_requests:,}", *proof, excluded or judged.result.value)
    return table


def _sensitivity(answer: Answer) -> list[RenderableType]:
    """The table for people: what a worse candidate would have shown here, and when it would have been found."""
    parts: list[RenderableType] = [Text("")]
    parts.append(Text("what this policy would have detected in this traffic (half of the time, sooner)", style="bold"))
    table = _table("guardrail", "stable", "a candidate with", "candidate requests", "at this pace", "in this log")
    for one in answer.sensitivity or ():
        rail, metric = one.guardrail, metric_of(one.guardrail)
        name, stable = f"{rail.metric} {limit_text(rail)}", words.value(metric, one.baseline)
        for found in one.found:
            of = "" if rail.relative else " the limit"
            shown = f"{words.value(metric, found.value)} ({found.times:g}x{of})"
            if found.requests is None:
                table.add_row(name, stable, shown, "within the limit", "", "")
            else:
                lasts = format_duration(round(found.seconds)) if found.seconds is not None else ""
                table.add_row(name, stable, shown, f"{found.requests:,}", lasts, HERE[found.here])
            name = stable = ""
        least = words.value(metric, one.smallest * one.baseline) if one.smallest is not None else ""
        smallest = f"smallest found here: {least}" if least else "nothing would be found here"
        smallest = smallest if rail.segments is None else "requests of one segment"
        table.add_row(f"  {smallest}", "assumed" if one.assumed else "", "", "", "", "")
    return [*parts, table]


def _notes(answer: Answer) -> list[str]:
    """What was read, and what a log cannot answer."""
    counts, trial, steps = answer.outcome.counts, answer.trial, _steps(answer.policy)
    read = f"read {counts.lines:,} lines; the candidate had {words.percent(trial.traffic.share)} of the requests"
    lost = [f"{answer.malformed:,} could not be used"] if answer.malformed else []
    lost += [f"{counts.others:,} were of neither arm or of other routes"] if counts.others else []
    late = sum(one.late for one in answer.outcome.trials)
    lost += [f"{late:,} came late"] if late else []
    asked = f"its steps ask for {format_duration(steps['seconds'])}"
    asked += f" and {words.requests(steps['requests'])}" if steps["requests"] else ""
    return ["; ".join([read, *lost]), f"{asked}: they are not replayed, nor approvals, budget and silence"]


def _steps(policy: PolicyFields) -> dict[str, Any]:
    asked = sum(step.min_requests for step in policy.steps if step.shadow is None)
    return {"seconds": sum(step.duration for step in policy.steps), "requests": asked}


def _as_doc(one: Sensitivity) -> dict[str, Any]:
    rail = one.guardrail
    return {
        "metric": rail.metric,
        "limit": f"{rail.limit_name}: {rail.limit:g}",
        "baseline": one.baseline,
        "assumed": one.assumed,
        "smallest": one.smallest,
        "effects": [
            {
                "effect": f.value / one.baseline,
                "value": f.value,
                "requests": f.requests,
                "seconds": f.seconds,
                "found": f.here,
            }
            for f in one.found
        ],
    }


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, no_wrap=column != "why")
    return table


def _number(value: float) -> str:
    return f"{value:,.3g}" if value < 1e6 else f"{value:.1e}"


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
