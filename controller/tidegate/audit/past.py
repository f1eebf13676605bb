"""What was in production at a moment: from the journal's events, and from git's notes alone where there is no journal. Pure.

Neighbours: journal/reader.py and gitrepo/record.py have what is read; `tidegate at` asks both and says which one said it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tidegate.gitrepo.record import Note

JOURNAL = "journal"
NOTES = "git notes"


@dataclass(frozen=True, slots=True)
class Ran:
    """A release by its short id; `digest`, `config` and `commit` as far as the source knows them."""

    release: str
    version: str
    digest: str | None = None
    config: str | None = None
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """One route at a moment. `weights`: percent by short id, None where the source knows none. `since`: epoch seconds.

    `phase` and `step` are the candidate's. `word`: the newest thing that had happened.
    """

    route: str
    source: str
    since: float
    word: str
    stable: Ran | None = None
    candidate: Ran | None = None
    phase: str | None = None
    step: str | None = None
    weights: Mapping[str, float] | None = None
    doubts: tuple[str, ...] = field(default=())


def from_events(events: Iterable[Mapping[str, Any]]) -> dict[str, Past]:
    """By route, what these events (oldest first, none after the moment) come to."""
    found: dict[str, Past] = {}
    promoted: dict[str, list[Ran]] = {}
    for event in events:
        route = event["route"]
        before = found.get(route) or Past(route, JOURNAL, event["at"], "")
        about = Ran(event["release"], event["version"])
        former = promoted.setdefault(route, [])
        word = f"{event['kind']}: {event['reason']}" if event["reason"] else str(event["kind"])
        now = replace(before, since=event["at"], word=word, weights=event.get("weights", {}))
        match event["kind"]:
            case "promoted" | "fast_rollback":
                former.append(about)
                now = replace(now, stable=about, candidate=None, phase=None, step=None)
            case "rolled_back" if now.stable is not None and now.stable.release == about.release:
                now = replace(now, stable=_back(former, about), candidate=None, phase=None, step=None)
            case "rolled_back" | "superseded":
                now = replace(now, candidate=None, phase=None, step=None)
            case "started" | "step" | "held" | "resumed":
                now = replace(now, candidate=about, phase=event["phase"], step=event.get("step"))
            case _:
                pass  # what a standby or a server did moves nobody's traffic for good; the weights say it
        found[route] = now
    return found


def _back(former: list[Ran], bad: Ran) -> Ran | None:
    """The release before the one that was taken back after its promotion."""
    former[:] = [one for one in former if one.release != bad.release]
    return former[-1] if former else None


def from_notes(notes: Iterable[Note], environment: str, at: float) -> dict[str, Past]:
    """By route, what the notes up to a moment come to: which release was promoted last, and nothing of weights."""
    found: dict[str, Past] = {}
    promoted: dict[str, list[Ran]] = {}
    for note in sorted(notes, key=lambda one: one.at):
        if note.environment != environment or note.at > at:
            continue
        about = Ran(note.release[:12], note.version, note.release, note.config, note.commit)
        former = promoted.setdefault(note.route, [])
        before = found.get(note.route) or Past(note.route, NOTES, note.at, "")
        now = replace(before, since=note.at, word=f"{note.kind}: {note.reason}")
        if note.kind == "promoted":
            former.append(about)
            now = replace(now, stable=about)
        elif now.stable is not None and now.stable.release == about.release:
            now = replace(now, stable=_back(former, about))
        found[note.route] = now
    return found


def joined(journal: Mapping[str, Past], notes: Mapping[str, Past], known: Iterable[Note]) -> list[Past]:
    """What both say, by route. The journal goes before, completed by `known` notes; where they differ, that is said."""
    full = {note.release[:12]: note for note in known}
    answer = []
    for route in sorted({*journal, *notes}):
        told, noted = journal.get(route), notes.get(route)
        if told is None:
            assert noted is not None
            answer.append(replace(noted, doubts=("git's notes know promotions and rejections, and nothing of shares",)))
            continue
        doubts = []
        if noted is not None and noted.stable and told.stable and noted.stable.release != told.stable.release:
            doubts.append(
                f"git's notes say that {noted.stable.version} ({noted.stable.release}) was stable: a note comes later"
            )
        answer.append(
            replace(
                told,
                stable=_completed(told.stable, full),
                candidate=_completed(told.candidate, full),
                doubts=tuple(doubts),
            )
        )
    return answer


def _completed(ran: Ran | None, notes: Mapping[str, Note]) -> Ran | None:
    note = notes.get(ran.release) if ran is not None else None
    if ran is None or note is None:
        return ran
    return replace(ran, digest=note.release, config=note.config, commit=note.commit)
