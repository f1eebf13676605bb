"""What an alert says: what happened, in the verdict's own sentence, about which release, and what to type next. Pure.

Neighbours: desk.py decides when it is sent, engine/alerting.py makes these of states and events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from tidegate.spec.release import split_route


class Kind(StrEnum):
    """What an alert is about."""

    HELD = "held"
    BREACHED = "breached"
    ROLLED_BACK = "rolled_back"
    PROMOTED = "promoted"
    DEGRADED = "degraded"
    RECOVERED = "recovered"
    WRONG_MODEL = "wrong_model"


URGENCY: Final[Mapping[Kind, str]] = {
    Kind.HELD: "warning", Kind.BREACHED: "failure", Kind.ROLLED_BACK: "failure",
    Kind.PROMOTED: "success", Kind.DEGRADED: "warning", Kind.RECOVERED: "success",
    Kind.WRONG_MODEL: "failure",
}  # fmt: skip
"""Apprise's types."""
_ORDER: Final = ("failure", "warning", "info", "success")
_SAID: Final[Mapping[Kind, str]] = {
    Kind.HELD: "is held", Kind.BREACHED: "breaks its limits", Kind.ROLLED_BACK: "was rolled back",
    Kind.PROMOTED: "was promoted", Kind.DEGRADED: "is degraded", Kind.RECOVERED: "goes on",
    Kind.WRONG_MODEL: "is answered by another model",
}  # fmt: skip
MOST_IN_ONE: Final = 20
"""Notes that a digest tells in full; of the rest it tells how many they are."""


@dataclass(frozen=True, slots=True)
class Note:
    """One thing to tell. `sentence` is the verdict's or the state's own; `commit` asked for it; `at` in epoch seconds."""

    kind: Kind
    route: str
    release: str
    version: str
    commit: str
    owners: tuple[str, ...]
    sentence: str
    next: str
    at: float

    def to_doc(self) -> dict[str, Any]:
        """As JSON-safe values."""
        return {**asdict(self), "owners": list(self.owners)}

    @classmethod
    def from_doc(cls, doc: Mapping[str, Any]) -> Note:
        """The note that `to_doc` wrote."""
        return cls(**{**doc, "kind": Kind(doc["kind"]), "owners": tuple(doc["owners"])})


@dataclass(frozen=True, slots=True)
class Letter:
    """A message as it is sent. `urgency`: info, success, warning or failure."""

    title: str
    body: str
    urgency: str


def subject(note: Note) -> str:
    """`digits 2.0.0 was rolled back`."""
    return f"{note.route} {note.version} {_SAID[note.kind]}"


def letter(notes: Sequence[Note], folded: int, environment: str) -> Letter:
    """One message of all these. `folded`: how many changes it stands for beside them."""
    urgency = min((URGENCY[note.kind] for note in notes), key=_ORDER.index)
    more = f"\n\n{folded:,} more changes were folded into this message." if folded else ""
    if len(notes) == 1:
        return Letter(f"[{environment}] {subject(notes[0])}", f"{_body(notes[0])}{more}", urgency)
    parts = [f"{subject(note)}\n{_body(note)}" for note in notes[:MOST_IN_ONE]]
    left = len(notes) - MOST_IN_ONE
    parts += [f"and {left:,} more: tidegate status"] if left > 0 else []
    routes = len({note.route for note in notes})
    where = f"{routes} routes" if routes > 1 else notes[0].route
    return Letter(f"[{environment}] {len(notes)} messages about {where}", "\n\n".join(parts) + more, urgency)


def advice(kind: Kind, route: str, version: str, hold: str | None = None) -> str:
    """What a person may do next, with the command to type. `hold`: the cause of a hold."""
    model, _ = split_route(route)
    status, back = f"tidegate status {model}", f"tidegate rollback {route}"
    match kind:
        case Kind.HELD if hold == "approval":
            return f"it waits for a person: the sentence has the command; {back} ends it"
        case Kind.HELD:
            return f"{status} shows whether it goes on by itself; {back} ends it"
        case Kind.BREACHED:
            return f"{back} takes it back"
        case Kind.ROLLED_BACK:
            return (
                f"nothing at once: traffic has moved, and the revert commit follows ({status} says when it needs a person). "
                f"tidegate history {route} --plot shows how it came about; tidegate retry {route} asks for it once more"
            )
        case Kind.PROMOTED:
            return f"nothing; {back} goes back to the release before"
        case Kind.DEGRADED:
            return f"{status}; tidegate logs {model}@{version}"
        case Kind.WRONG_MODEL:
            return f"{status} counts them; {back} takes the release back, once what is behind its name is known"
        case Kind.RECOVERED:
            return f"nothing; {status} shows how it is"


def _body(note: Note) -> str:
    at = datetime.fromtimestamp(note.at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    owners = f"; owner {', '.join(note.owners)}" if note.owners and "; owner" not in note.sentence else ""
    about = f"route {note.route}, release {note.release} ({note.version}), commit {note.commit[:12]}, {at}"
    return f"{note.sentence}{owners}\n{about}\nNext: {note.next}"
