"""What git remembers of a controller's decisions: notes on commits, and one ref a route at the last promoted commit.

A rebuilt host reads both back, so it starts from what was promoted and tries nothing twice that was rejected.
Neighbours: mirror.py fetches both; remote.py pushes; the engine calls it for every promotion and rejection.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from tidegate.gitrepo import tree
from tidegate.gitrepo.message import one_line
from tidegate.gitrepo.mirror import NOTES_REF, Mirror
from tidegate.gitrepo.remote import Update
from tidegate.spec.errors import NeedsPerson, RetryLater
from tidegate.spec.release import Release, route_ref

ATTEMPTS = 6
_WORK_REF = "refs/notes/work/tidegate"


@dataclass(frozen=True, slots=True)
class Note:
    """One decision. `touched`: the commit that asked for the release; it carries the note. `release`: digest, 64 hex.

    `commit`: where the release's declaration can be read. `at`: epoch seconds.
    """

    kind: Literal["promoted", "rejected"]
    environment: str
    route: str
    release: str
    version: str
    config: str | None
    commit: str
    touched: str
    reason: str
    at: float

    def line(self) -> str:
        """The note as one line of JSON: lines of several controllers merge without asking anybody."""
        return json.dumps({"tidegate": 1, **asdict(self)}, ensure_ascii=False, separators=(", ", ": "))


class Record:
    """The record of one environment. Every write is idempotent, and repeated when somebody else wrote in between."""

    def __init__(
        self,
        mirror: Mirror,
        *,
        rng: random.Random | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._mirror = mirror
        self._git = mirror.git
        self._rng = rng or random.Random()  # noqa: S311 spreads retries, guards nothing
        self._sleep = sleep

    def promote(self, route: str, release: Release, *, touched: str, reason: str, at: float) -> None:
        """Note the promotion and move the route's ref to `release.commit`, in one push.

        Raises RetryLater (remote out of reach, somebody always faster), NeedsPerson (the remote refuses).
        """
        self._write(self._note("promoted", route, release, touched, reason, at), route_ref(self._env, route))

    def reject(self, route: str, release: Release, *, touched: str, reason: str, at: float) -> None:
        """Note the rejection on the commit that asked for it. Raises RetryLater, NeedsPerson."""
        self._write(self._note("rejected", route, release, touched, reason, at), None)

    def promoted(self) -> dict[str, str]:
        """The last promoted commit of each route, as the last fetch saw it."""
        prefix = route_ref(self._env, "")
        out = self._git.run("for-each-ref", "--format=%(refname)%00%(objectname)", prefix)
        pairs = (line.split("\0") for line in out.decode().splitlines())
        return {ref.removeprefix(prefix).replace("+", "/"): commit for ref, commit in pairs}

    def rejections(self) -> tuple[Note, ...]:
        """What was rejected in this environment, oldest first, as the last fetch saw it."""
        return tuple(note for note in self.notes() if note.kind == "rejected" and note.environment == self._env)

    def notes(self) -> tuple[Note, ...]:
        """All notes, oldest first. Lines that are none of ours, or of a newer Tidegate, are left out and left alone."""
        if tree.resolve(self._git, NOTES_REF) is None:
            return ()
        contents = tree.read(self._git, NOTES_REF, lambda _: True).values()
        found = (_parse(line) for content in contents for line in content.decode("utf-8", "replace").splitlines())
        return tuple(sorted({note for note in found if note is not None}, key=lambda note: (note.at, note.line())))

    @property
    def _env(self) -> str:
        return self._mirror.environment

    def _note(
        self, kind: Literal["promoted", "rejected"], route: str, release: Release, touched: str, reason: str, at: float
    ) -> Note:
        return Note(
            kind, self._env, route, release.digest, release.version, release.config, release.commit, touched,
            one_line(reason), at,
        )  # fmt: skip

    def _write(self, note: Note, ref: str | None) -> None:
        """Append the note to what the remote has, move the ref, push both; on a race, again on what is there then."""
        with self._mirror.lock:
            for attempt in range(ATTEMPTS):
                updates = [*self._append(note), *self._move(ref, note.commit)]
                if not updates:
                    return
                pushed = self._mirror.remote.push(updates)
                for update, result in zip(updates, pushed, strict=True):
                    if result.outcome == "ok":
                        self._git.run("update-ref", update.ref, update.commit)
                refused = [result for result in pushed if result.outcome == "refused"]
                if refused:
                    refs = ", ".join(result.ref for result in refused)
                    fix = "let Tidegate push to refs/notes/tidegate and refs/tidegate/*: a rebuilt host needs them"
                    raise NeedsPerson(f"the remote refuses {refs}: {refused[0].reason}", where=note.route, fix=fix)
                if all(result.outcome == "ok" for result in pushed):
                    return
                self._sleep(self._rng.uniform(0.02, 0.1) * 2**attempt)
                self._mirror.fetch()
        raise RetryLater(f"others wrote git's notes faster {ATTEMPTS} times", where=note.route, delay=5.0)

    def _append(self, note: Note) -> list[Update]:
        """The notes with one more line, or nothing when the line is there."""
        git = self._git
        target = note.touched if tree.resolve(git, note.touched) else self._mirror.head()
        if target is None:
            raise RetryLater("the branch is gone: there is no commit to put a note on", where=note.route, delay=10.0)
        before = tree.resolve(git, NOTES_REF)
        there = git.ask("notes", f"--ref={NOTES_REF}", "show", target)
        lines = there.out.decode("utf-8", "surrogateescape") if there.code == 0 else ""
        if any(_same(_parse(line), note) for line in lines.splitlines()):
            return []
        text = f"{lines.rstrip()}\n{note.line()}\n".lstrip("\n").encode("utf-8", "surrogateescape")
        if before:
            git.run("update-ref", _WORK_REF, before)
        else:
            git.run("update-ref", "-d", _WORK_REF)
        identity = self._mirror.remote.identity
        blob = git.line("hash-object", "-w", "--stdin", "--no-filters", stdin=text)
        git.run("notes", f"--ref={_WORK_REF}", "add", "--force", "-C", blob, target, environment=identity)
        return [Update(NOTES_REF, git.line("rev-parse", _WORK_REF), before or "")]

    def _move(self, ref: str | None, commit: str) -> Sequence[Update]:
        if ref is None:
            return []
        before = tree.resolve(self._git, ref)
        if tree.resolve(self._git, commit) is None:  # history lost it: the ref stays where there is something to read
            return []
        return [] if before == commit else [Update(ref, commit, before or "")]


def _same(there: Note | None, note: Note) -> bool:
    """The same decision: a repeated call may word the reason or tell the time anew."""
    keys = ("kind", "environment", "route", "release", "touched")
    return there is not None and all(getattr(there, key) == getattr(note, key) for key in keys)


def _parse(line: str) -> Note | None:
    try:
        fields = json.loads(line)
        if not isinstance(fields, dict) or fields.pop("tidegate", None) != 1 or fields.get("kind") not in _KINDS:
            return None
        return Note(**fields)
    except (ValueError, TypeError):  # a person's own words in the same note
        return None


_KINDS = ("promoted", "rejected")
