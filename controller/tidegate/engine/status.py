"""The status document: of a running controller (live), or of the journal alone. One shape for both.

Neighbours: summary.py has a route's part, live.py writes it down, the CLI and the API show it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from tidegate import __version__
from tidegate.engine.summary import route_doc, short_report
from tidegate.journal.lease import Holder
from tidegate.journal.reader import Reader
from tidegate.rollout.serial import from_doc
from tidegate.rollout.state import Readiness
from tidegate.rollout.traffic import hot, traffic
from tidegate.spec.errors import NeedsPerson, TidegateError


def problem_doc(error: TidegateError) -> dict[str, str]:
    """A problem as the status shows it."""
    message = f"{error.where}: {error.message}" if error.where else error.message
    return {"message": message, "fix": error.fix or ""}


def acting_doc(holder: Holder | None) -> dict[str, Any] | None:
    """Which controller acts, and since when (epoch seconds)."""
    return {"owner": holder.owner, "since": holder.since} if holder is not None and holder.owner else None


def base_doc(*, running: bool, at: float) -> dict[str, Any]:
    """The parts that every status has."""
    doc = {"version": 1, "tidegate": __version__, "running": running, "at": at, "acting": None}
    return {**doc, "routes": [], "problems": []}


def live_doc(
    *,
    at: float,
    started_at: float,
    settings: Mapping[str, Any],
    commit: str | None,
    subject: str,
    routes: list[dict[str, Any]],
    instances: list[dict[str, Any]],
    problems: list[dict[str, str]],
    gateway: Mapping[str, Any],
    record: Mapping[str, Any],
    acting: Mapping[str, Any] | None,
    feedback: Mapping[str, int],
) -> dict[str, Any]:
    """What a running controller says of itself."""
    return {
        **base_doc(running=True, at=at),
        **settings,
        "pid": os.getpid(),
        "started_at": started_at,
        "acting": acting,
        "commit": commit,
        "subject": subject,
        "gateway": {"address": settings["address"], **gateway},
        "instances": instances,
        "record": dict(record),
        "feedback": dict(feedback),
        "routes": routes,
        "problems": problems,
    }


def stored_status(journal: str) -> dict[str, Any]:
    """What the journal knows while no controller runs: states as they were left, nothing measured."""
    now = time.time()
    doc = base_doc(running=False, at=now)
    try:
        with Reader(journal) as reader:
            stored, reports, holder = reader.status(), reader.reports(), reader.acting()
    except NeedsPerson as error:
        doc["problems"].append(problem_doc(error))
        return doc
    doc["acting"] = acting_doc(holder)
    for document in stored["routes"].values():
        state = from_doc(document)
        releases = [state.stable, state.candidate.release if state.candidate else None]
        known = {one.id: short_report(reports[one.digest]) for one in releases if one and one.digest in reports}
        ready = dict.fromkeys(hot(state), Readiness.READY)
        doc["routes"].append(
            route_doc(
                state,
                traffic(state, ready),
                now,
                ready={},
                why={},
                meters={},
                git=None,
                problem=None,
                validation=known,
            )
        )
    doc["problems"] += [{"message": one["message"], "fix": one.get("fix", "")} for one in stored["problems"]]
    return doc
