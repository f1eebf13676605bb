"""`tidegate run` that tells each of its effects to a file, and kills itself at one of them: a program of its own.

What an effect is, the code says: the interpreter's audit events with a frame of Tidegate below them (files, processes,
requests), the transactions of the journal, the moves of the phase table. crash_story.py starts it and reads what it tells.

A point is (moment, name, side): `moment`, what the journal says of the route; `name`, the effect and who has it; `side`,
before or after it. CRASH_TRACE: the file, one JSON list a line; CRASH_AT: a file of points to end at, one a line, at each
once; CRASH_DONE: a folder in which a file is made for each.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import os
import re
import runpy
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import tidegate
import tidegate.engine.build
import tidegate.journal.journal
import tidegate.rollout.turn

HOME = str(Path(tidegate.__file__).parent) + os.sep
ME = __file__
AUDITED = ("os.", "shutil.", "subprocess.", "signal.")
READS = frozenset(
    ["os.listdir", "os.scandir", "os.walk", "os.fwalk", "os.putenv", "os.unsetenv", "os.getxattr", "os.listxattr"]
)
GIT_READS = frozenset(
    [
        "rev-parse",
        "cat-file",
        "for-each-ref",
        "ls-tree",
        "rev-list",
        "diff-tree",
        "merge-base",
        "show",
        "log",
        "diff",
        "ls-remote",
        "notes-show",
        "version",
    ]
)
"""What asks git and changes nothing. A verb that is not here counts as an effect."""


def label(doc: Mapping[str, Any]) -> str:
    """Where a route's document stands, without times and numbers."""
    stable, candidate = doc["stable"], doc["candidate"]
    words = [stable["version"] if stable else "nothing"]
    if candidate:
        phase = candidate["resume_phase"] or candidate["phase"]
        words += [candidate["release"]["version"], phase, *([str(candidate["step"])] if candidate["step"] >= 0 else [])]
    return " ".join([*words, *("owes-" + duty["kind"] for duty in doc["duties"])])


class Tracer:
    """Numbers nothing, remembers nothing but where it stands: names are the same in each run."""

    def __init__(self, trace: str, at: list[str], done: str) -> None:
        self._file = os.open(trace, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._at = {point: os.path.join(done, str(number)) for number, point in enumerate(at)}  # noqa: PTH118 a hook is quick
        self._mine = threading.local()
        self._told_once: set[tuple[str, str, str]] = set()
        self.moment = "nothing"

    def point(self, name: str, side: str) -> None:
        """Say that it is reached; end here when it is the one."""
        self._mine.busy = True
        try:
            os.write(self._file, (json.dumps([time.time(), self.moment, name, side]) + "\n").encode())
            done = self._at.get(f"{self.moment} | {name} | {side}")
            if done is not None:
                with contextlib.suppress(FileExistsError):
                    os.close(os.open(done, os.O_CREAT | os.O_EXCL))
                    os.kill(os.getpid(), signal.SIGKILL)
        finally:
            self._mine.busy = False

    def once(self, name: str, side: str) -> None:
        """Say it the first time of each moment: that something was called is no effect."""
        key = (self.moment, name, side)
        if key not in self._told_once:
            self._told_once.add(key)
            self.point(name, side)

    # -- files, processes, requests: what the interpreter itself reports ----------------------------------------------

    def hear(self, event: str, args: tuple[Any, ...]) -> None:
        """An audit hook."""
        if event == "open":
            if not isinstance(args[2], int) or not args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return
        elif event == "http.client.send":
            if bytes(args[1][:4]) in (b"GET ", b"HEAD"):
                return
        elif not event.startswith(AUDITED) or event in READS:
            return
        if getattr(self._mine, "busy", False):
            return
        self._mine.busy = True
        try:
            chain = list(_chain(sys._getframe(1)))
            detail = _detail(event, args)
        finally:
            self._mine.busy = False
        if not chain or detail is None:
            return
        name = " ".join(filter(None, (_site(chain), event.removeprefix("subprocess."), detail)))
        self.point(name, "before")
        if event in ("subprocess.Popen", "http.client.send"):
            self._mine.unfinished = name
        self._after(chain[0], name)

    def _after(self, caller: FrameType, name: str) -> None:
        """Reach the other side as soon as what Tidegate's own function called has returned to it."""

        def profile(frame: FrameType, event: str, _arg: object) -> None:
            if frame.f_code.co_filename == ME:
                return
            if frame is caller or (event == "return" and frame.f_back is caller):
                sys.setprofile(None)
                self.point(name, "after")

        sys.setprofile(profile)

    # -- what the parts of the controller do --------------------------------------------------------------------------

    def watch(self, part: object, seen: set[type]) -> None:
        """Wrap every public method of a part's class, and of the parts that it is made of."""
        kind = type(part)
        if kind in seen or not kind.__module__.startswith("tidegate."):
            return
        seen.add(kind)
        for name, function in list(vars(kind).items()):
            if name.startswith("_") or not inspect.isfunction(function):
                continue
            if inspect.isgeneratorfunction(inspect.unwrap(function)):
                continue  # read bit by bit, or a transaction, which is wrapped by itself
            setattr(
                kind, name, self._told(function, f"{kind.__module__.removeprefix('tidegate.')}.{kind.__name__}.{name}")
            )
        slots = {name: getattr(part, name) for name in getattr(kind, "__slots__", ()) if hasattr(part, name)}
        for inner in {**slots, **getattr(part, "__dict__", {})}.values():
            self.watch(inner, seen)

    def _told(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        @functools.wraps(function)
        def told(*args: Any, **more: Any) -> Any:
            self.once(name, "call")
            try:
                answer = function(*args, **more)
            finally:
                unfinished = getattr(self._mine, "unfinished", None)
                if unfinished is not None:
                    self._mine.unfinished = None
                    self.point(unfinished, "done")
            if getattr(answer, "done", True):  # a table that is not live yet has to be applied again
                self.once(name, "return")
            return answer

        return told

    def decided(self, check: Callable[..., Any]) -> Callable[..., Any]:
        """The phase table's one function, which each move of a candidate goes through."""

        @functools.wraps(check)
        def told(route: str, old: Any, new: Any) -> Any:
            if old != new:
                self.point(f"phase {old.value} {new.value}", "before")
            return check(route, old, new)

        return told

    def persisted(self, transaction: Callable[..., Any]) -> Callable[..., Any]:
        """The journal's transaction: before and after its commit, with what it moves."""

        @contextlib.contextmanager
        def told(journal: Any) -> Iterator[Any]:
            self.point("journal", "before")
            with transaction(journal) as inner:
                yield inner
                after = getattr(inner, "crash_label", self.moment)
                name = f"journal {self.moment} -> {after}" if after != self.moment else "journal evidence"
                self.point(name, "commit")
            self.point(name, "after")
            self.moment = after

        return told


def _chain(frame: FrameType | None) -> Iterator[FrameType]:
    """The frames of Tidegate, the innermost first."""
    while frame is not None:
        if frame.f_code.co_filename.startswith(HOME):
            yield frame
        frame = frame.f_back


def _site(chain: list[FrameType]) -> str:
    """Who did it, for whom: of the three innermost modules the function that was asked, and where that was."""
    modules: dict[str, FrameType] = {}
    for frame in chain:
        modules[frame.f_code.co_filename] = frame
    named = [
        f"{Path(file.removeprefix(HOME)).with_suffix('')}:{frame.f_code.co_name}@{frame.f_lineno}"
        for file, frame in list(modules.items())[:3]
    ]
    return " < ".join([named[0].partition("@")[0], *named[1:]])


def _detail(event: str, args: tuple[Any, ...]) -> str | None:
    """What it is about; None for what changes nothing."""
    if event == "subprocess.Popen":
        words = [str(word) for word in args[1]]
        return _git(words) if words[0] == "git" else Path(words[0]).name
    if event == "http.client.send":
        return " ".join(_plain(word) for word in bytes(args[1]).split(b"\r\n")[0].decode().split()[:2])
    if event == "open" and (not isinstance(args[0], str | bytes | os.PathLike) or Path(os.fsdecode(args[0])).is_dir()):
        return None  # a pipe, or a folder, of which nothing changes
    paths = [Path(os.fsdecode(arg)) for arg in args[:2] if isinstance(arg, str | bytes | os.PathLike)]
    if event == "open":
        paths = paths[:1]
    return None if paths[:1] == [Path(os.devnull)] else " ".join(_plain(path.name) for path in paths)


def _git(words: list[str]) -> str | None:
    found: list[str] = []
    skip = False
    for word in words[1:]:
        if skip:
            skip = False
        elif word in ("-c", "-C"):
            skip = True
        elif not word.startswith("-"):
            found.append(word)
    verb = f"notes-{found[1]}" if found[0] == "notes" else found[0]
    return None if verb in GIT_READS else f"git {verb}"


def _plain(word: str) -> str:
    """A name without what differs from run to run: digests, numbers that are no version, endings made by chance."""
    word = re.sub(r"[0-9a-f]{12,}", "H", word)
    word = re.sub(r"([-.]|^|\btmp)(?!tidegate)[a-z0-9_]{8}(?=$|[./])", r"\1R", word)
    return re.sub(r"\d+[.]\d+[.]\d+|\d+", lambda found: found[0] if "." in found[0] else "N", word)


def main() -> None:
    """Hook everything, then be `python -m tidegate`."""
    asked = Path(os.environ["CRASH_AT"]).read_text().splitlines()
    tracer = Tracer(os.environ["CRASH_TRACE"], asked, os.environ["CRASH_DONE"])
    journal, build = tidegate.journal.journal, tidegate.engine.build
    put_state, states, assemble = journal.Transaction.put_state, journal.Journal.states, build.assemble

    def put(self: Any, route: str, doc: Mapping[str, Any]) -> None:
        self.crash_label = label(doc)
        put_state(self, route, doc)

    def resumed(self: Any) -> Any:
        found = states(self)
        tracer.moment = next((label(doc) for doc in found.values()), "nothing")
        return found

    def assembled(ends: Any) -> Any:
        seen: set[type] = set()
        for name in type(ends).__slots__:
            tracer.watch(getattr(ends, name), seen)
        return assemble(ends)

    for owner, name, new in (
        (journal.Transaction, "put_state", put),
        (journal.Journal, "states", resumed),
        (journal.Journal, "transaction", tracer.persisted(journal.Journal.transaction)),
        (build, "assemble", assembled),
        (tidegate.rollout.turn, "check", tracer.decided(tidegate.rollout.turn.check)),
    ):
        setattr(owner, name, new)
    sys.addaudithook(tracer.hear)
    runpy.run_module("tidegate", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
