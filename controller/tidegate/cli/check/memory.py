"""What was found before: whole runs, and single units, each by a key over everything that it came of.

Neighbours: judge.py asks here before it judges, store.py has the files. Nothing of the rules is imported here: a run in
which nothing changed ends with what stands here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from tidegate.cli.check.pack import packed, unpacked
from tidegate.cli.check.store import Store
from tidegate.cli.check.surroundings import Answer
from tidegate.rules.finding import Finding

if TYPE_CHECKING:
    from tidegate.cli.check.parts import Outcome
    from tidegate.rules.suppress import Silenced

T = TypeVar("T")

_RUNS: Final = 8
_WORDS: Final = 64
_UNITS: Final = 50_000
_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Run:
    """What one run over one root came to. `files`: how many were judged; `told`: what the rules asked besides."""

    kept: tuple[Finding, ...]
    silenced: tuple[Silenced, ...]
    files: int
    told: tuple[Answer, ...] = ()


class Memory:
    """The memory of one root."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._runs = store.load("runs")

    def run(self, key: str) -> Run | None:
        """The run of that key; None when it is not remembered."""
        return _as(Run, self._runs.get(key))

    def answers(self) -> tuple[Answer, ...]:
        """What the rules were told in the last run, which is mostly what they ask again."""
        last = next(reversed(self._runs.values()), None)
        run = _as(Run, last)
        return run.told if run is not None else ()

    def keep_run(self, key: str, run: Run) -> None:
        """Remember this run as the latest, and a few before it."""
        self._runs.pop(key, None)
        self._runs = dict(list(self._runs.items())[1 - _RUNS :]) | {key: packed(run)}
        self._store.save("runs", self._runs)

    def word(self, key: str, ask: Callable[[], str]) -> str:
        """A word that follows from what the key names, asked for once."""
        words = self._store.load("words")
        if not isinstance(words.get(key), str):
            words = dict(list(words.items())[1 - _WORDS :]) | {key: ask()}
            self._store.save("words", words)
        return str(words[key])

    def units(self) -> dict[str, bytes]:
        """The packed outcomes by key."""
        return self._store.load("units")

    def keep_units(self, before: dict[str, bytes], used: Iterable[str], new: Mapping[str, Outcome]) -> None:
        """Remember the new ones and those that were of use; of the others as many as there is room for, latest first."""
        latest = {key: before[key] for key in used if key in before} | {key: packed(one) for key, one in new.items()}
        size = sum(map(len, latest.values()))
        older: dict[str, bytes] = {}
        for key in reversed(before):
            size += len(before[key])
            if size > _BYTES or len(older) + len(latest) >= _UNITS:
                break
            older |= {key: before[key]} if key not in latest else {}
        self._store.save("units", {key: older[key] for key in reversed(older)} | latest)


def outcome(data: bytes | None) -> Outcome | None:
    """A unit's outcome, unpacked; None when there is none that can be read."""
    from tidegate.cli.check.parts import Outcome

    return _as(Outcome, data)


def _as(kind: type[T], data: object) -> T | None:
    if not isinstance(data, bytes):
        return None
    try:
        found = unpacked(data)
    except (ValueError, EOFError, TypeError, AttributeError, ImportError):
        return None
    return found if isinstance(found, kind) else None
