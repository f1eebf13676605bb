"""Policies that a scenario names instead of writing them out: so that a team's own policy files have unit tests.

Neighbours: scenario.py loads through this; `tidegate simulate` brings the files.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidegate.spec.declared import load_document
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.policy import RolloutPolicy
from tidegate.spec.source import Source

Reader = Callable[[str], bytes]
"""The file of a policy by its path in the repository. Raises NeedsPerson, with no place, when it cannot be read."""


def with_policies(source: Source, path: str, read: Reader | None) -> dict[str, Any]:
    """What the scenario says, with every named policy in the place of its name: `policy: progressive`, or
    `policy: {file: policies/progressive.yaml}`. Raises NeedsPerson with the place of what is wrong, in either file.
    """
    data: dict[str, Any] = dict(source.data)
    if "policy" in data:
        data["policy"] = _resolved(data["policy"], source, ("policy",), path, read)
    events = data.get("events")
    if isinstance(events, list):
        data["events"] = [
            {**event, "policy": _resolved(event["policy"], source, ("events", i, "policy"), path, read)}
            if isinstance(event, dict) and "policy" in event
            else event
            for i, event in enumerate(events)
        ]
    return data


def _resolved(given: Any, source: Source, loc: tuple[str | int, ...], path: str, read: Reader | None) -> Any:
    if isinstance(given, str):
        file = f"policies/{given}.yaml"
    elif isinstance(given, dict) and set(given) == {"file"} and isinstance(given["file"], str):
        file = given["file"]
    else:
        return given
    line, column = source.at(loc)
    where = f"{path}:{line}:{column}"
    if read is None:
        raise NeedsPerson(f"there are no policy files here to take '{file}' from", where=where, fix="write it out")
    try:
        text = read(file)
    except NeedsPerson as error:
        raise NeedsPerson(error.message, where=where, fix=error.fix) from error
    loaded, problems = load_document(RolloutPolicy, text, file)
    if loaded is None:
        first = min(problems)
        raise NeedsPerson(first.message, where=f"{first.path}:{first.line}:{first.column}", fix=first.fix)
    return loaded.value
