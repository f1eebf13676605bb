"""What git remembers of a controller's decisions: notes on commits, and one ref a route at the last promoted commit.

A rebuilt host reads both back, so it starts from what was promoted and tries nothing twice that was rejected.
Neighbours: mirror.py fetches both; remote.py pushes; the engine calls it for every promotion and rejection.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from tidegate.gitrepo import notes, tree
from tidegate.gitrepo.git import Git
from tidegate.gitrepo.message import one_line
from tidegate.gitrepo.mirror import NOTES_REF, Mirror
from tidegate.gitrepo.remote import Update
from tidegate.spec.errors import NeedsPerson, RetryLater, TidegateError
from tidegate.spec.release import Release, route_ref

ATTEMPTS = 6
MANY = 100
"""Refs moved at once from which on they are packed into one file."""


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


@dataclass(frozen=True, slots=True)
class Promotion:
    """A release that a route has promoted. `touched`: the commit that asked for it. `at`: epoch seconds."""

    route: str
    release: Release
    touched: str
    reason: str
    at: float


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
        self._writing = threading.Lock()

    def promote(self, route: str, release: Release, *, touched: str, reason: str, at: float) -> None:
        """Note the promotion and move the route's ref to `release.commit`, in one push.

        Raises RetryLater (remote out of reach, somebody always faster), NeedsPerson (the remote refuses).
        """
        _raise(self.promote_all([Promotion(route, release, touched, reason, at)]))

    def promote_all(self, promotions: Sequence[Promotion]) -> list[TidegateError | None]:
        """The same for many routes in one push: by place in the list, None, or why git does not know it yet."""
        return self._write(
            [
                (self._note("promoted", p.route, p.release, p.touched, p.reason, p.at), route_ref(self._env, p.route))
                for p in promotions
            ]
        )

    def reject(self, route: str, release: Release, *, touched: str, reason: str, at: float) -> None:
        """Note the rejection on the commit that asked for it. Raises RetryLater, NeedsPerson."""
        _raise(self._write([(self._note("rejected", route, release, touched, reason, at), None)]))

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
        return notes_of(self._git)

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

    def _write(self, decisions: Sequence[tuple[Note, str | None]]) -> list[TidegateError | None]:
        """Append the notes to what the remote has, move the refs, push all; on a race, again on what is there then."""
        errors: list[TidegateError | None] = [None] * len(decisions)
        left = dict(enumerate(decisions))
        with self._writing:
            for attempt in range(ATTEMPTS):
                with self._mirror.lock:
                    updates = [*self._append([note for note, _ in left.values()]), *self._move(list(left.values()))]
                if not updates:
                    return errors
                pushed = self._mirror.remote.push(updates)  # without the lock: a fetch must not wait for it
                self._pushed([update for update, one in zip(updates, pushed, strict=True) if one.outcome == "ok"])
                refused = {result.ref: result.reason for result in pushed if result.outcome == "refused"}
                for index, (note, ref) in list(left.items()):
                    which = NOTES_REF if NOTES_REF in refused else ref
                    if which in refused:
                        errors[index] = _refused(note.route, which or NOTES_REF, refused[which or NOTES_REF])
                        del left[index]
                if not left or all(result.outcome != "race" for result in pushed):
                    return errors
                self._sleep(self._rng.uniform(0.02, 0.1) * 2**attempt)
                self._mirror.fetch()
        for index, (note, _) in left.items():
            errors[index] = RetryLater(f"others wrote git's notes faster {ATTEMPTS} times", where=note.route, delay=5.0)
        return errors

    def _pushed(self, done: Sequence[Update]) -> None:
        """The remote has these: so has the mirror. A fetch that had looked before may set them back, which the next one mends:

        until then what is here is older than the remote, and a push that builds on it loses the race and is made anew.
        """
        with self._mirror.lock:
            self._git.run("update-ref", "--stdin", stdin="".join(f"update {u.ref} {u.commit}\n" for u in done).encode())
            if len(done) >= MANY:  # a fetch looks at all refs, and one file a ref is slow to look at
                self._git.run("pack-refs", "--all")

    def _append(self, decisions: Sequence[Note]) -> list[Update]:
        """The notes with what they lack of these, or nothing when all is there. One commit of notes for all of them."""
        git, head = self._git, self._mirror.head()
        there = self._existing({note.touched for note in decisions})
        before = tree.resolve(git, NOTES_REF)
        by_target: dict[str, list[Note]] = {}
        for note in decisions:
            target = note.touched if note.touched in there else head
            if target is None:
                raise RetryLater(
                    "the branch is gone: there is no commit to put a note on", where=note.route, delay=10.0
                )
            by_target.setdefault(target, []).append(note)
        texts = {target: text for target, found in by_target.items() if (text := self._with(target, found))}
        if not texts:
            return []
        return [Update(NOTES_REF, notes.written(git, NOTES_REF, texts, self._mirror.remote.identity), before or "")]

    def _with(self, target: str, decisions: Sequence[Note]) -> bytes | None:
        """The whole note of a commit with these lines added; None when all of them are there."""
        text = notes.on(self._git, NOTES_REF, target)
        there = {_decision(note) for note in map(_parse, text.splitlines()) if note is not None}
        missing = [note for note in decisions if _decision(note) not in there]
        if not missing:
            return None
        return notes.extended(text, [note.line() for note in missing])

    def _move(self, decisions: Sequence[tuple[Note, str | None]]) -> list[Update]:
        """The refs that have to move. Where history lost the commit, the ref stays where there is something to read."""
        wanted = {ref: note.commit for note, ref in decisions if ref is not None}
        if not wanted:
            return []
        there = self._existing(set(wanted.values()))
        out = self._git.run("for-each-ref", "--format=%(refname) %(objectname)", route_ref(self._env, ""))
        known = dict(line.split(" ") for line in out.decode().splitlines())
        return [
            Update(ref, commit, known.get(ref, ""))
            for ref, commit in wanted.items()
            if commit in there and known.get(ref) != commit
        ]

    def _existing(self, commits: set[str]) -> set[str]:
        """Those of these commits that are in the repository."""
        asked = "".join(f"{commit}\n" for commit in sorted(commits)).encode()
        out = self._git.run("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=asked)
        return {line.split()[0] for line in out.decode().splitlines() if line.endswith(" commit")}


def _refused(route: str, ref: str, reason: str) -> NeedsPerson:
    fix = "let Tidegate push to refs/notes/tidegate and refs/tidegate/*: a rebuilt host needs them"
    return NeedsPerson(f"the remote refuses {ref}: {reason}", where=route, fix=fix)


def _raise(errors: Sequence[TidegateError | None]) -> None:
    for error in errors:
        if error is not None:
            raise error


def notes_of(git: Git) -> tuple[Note, ...]:
    """All notes that a repository has, oldest first: a person's clone has them once refs/notes/tidegate was fetched."""
    if tree.resolve(git, NOTES_REF) is None:
        return ()
    contents = tree.read(git, NOTES_REF, lambda _: True).values()
    found = (_parse(line) for content in contents for line in content.decode("utf-8", "replace").splitlines())
    return tuple(sorted({note for note in found if note is not None}, key=lambda note: (note.at, note.line())))


def _decision(note: Note) -> tuple[str, ...]:
    """What makes two notes the same decision: a repeated call may word the reason or tell the time anew."""
    return note.kind, note.environment, note.route, note.release, note.touched


def _parse(line: str) -> Note | None:
    try:
        fields = json.loads(line)
        if not isinstance(fields, dict) or fields.pop("tidegate", None) != 1 or fields.get("kind") not in _KINDS:
            return None
        return Note(**fields)
    except (ValueError, TypeError):  # a person's own words in the same note
        return None


_KINDS = ("promoted", "rejected")
