"""What was found before: whole runs, and single units, each by a key over everything that it came of.

Neighbours: judge.py asks here before it judges, store.py has the files. Nothing of the rules is imported here: a run in
which nothing changed ends with what stands here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, TypeVar

from tidegate.cli.check.pack import packed, unpacked
from tidegate.cli.check.store import Store
from tidegate.cli.check.surroundings import Answer
from tidegate.rules.finding import Finding

if TYPE_CHECKING:
    from tidegate.cli.check.parts import Outcome
    from tidegate.rules.suppress import Silenced

T = TypeVar("T")

_RUNS: Final = 4
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

    def outcomes(self, keys: Iterable[str], still: Callable[[Sequence[Answer]], bool]) -> dict[str, Outcome]:
        """What is remembered of these units, by key, as far as the rules would be told the same today (`still`)."""
        from tidegate.cli.check.parts import Outcome

        units, told = self._units()
        lasting: dict[str, tuple[Answer, ...] | None] = {}
        found = {}
        for key in keys:
            data, token = units.get(key, (None, ""))
            if data is not None and token not in lasting:
                answers = _as(tuple, told.get(token))
                lasting[token] = answers if answers is not None and still(answers) else None
            answers = lasting.get(token)
            known = _as(Outcome, data) if answers is not None else None
            if known is not None and answers is not None:
                found[key] = replace(known, told=answers)
        return found

    def keep_outcomes(self, used: Iterable[str], new: Mapping[str, Outcome]) -> None:
        """Remember the new ones and those that were of use; of the others as many as there is room for, latest first.

        Units that were judged together were told the same: it is kept once for all of them.
        """
        before, told = self._units()
        latest = {key: before[key] for key in used if key in before}
        tokens: dict[int, str] = {}
        for key, one in new.items():
            if id(one.told) not in tokens:
                data = packed(one.told)
                token = blake2b(data, digest_size=16).hexdigest()
                tokens[id(one.told)] = token
                told[token] = data
            latest[key] = (packed(replace(one, told=())), tokens[id(one.told)])
        size = sum(len(data) for data, _ in latest.values())
        older: dict[str, tuple[bytes, str]] = {}
        for key in reversed(before):
            size += len(before[key][0])
            if size > _BYTES or len(older) + len(latest) >= _UNITS:
                break
            older |= {key: before[key]} if key not in latest else {}
        units = {key: older[key] for key in reversed(older)} | latest
        named = {token for _, token in units.values()}
        self._store.save("units", {"units": units, "told": {key: data for key, data in told.items() if key in named}})

    def _units(self) -> tuple[dict[str, tuple[bytes, str]], dict[str, bytes]]:
        """Packed outcomes by key, each with the name of what its rules were told, and that by name."""
        found = self._store.load("units")
        return found.get("units", {}), found.get("told", {})


def _as(kind: type[T], data: object) -> T | None:
    if not isinstance(data, bytes):
        return None
    try:
        found = unpacked(data)
    except (ValueError, EOFError, TypeError, AttributeError, ImportError):
        return None
    return found if isinstance(found, kind) else None
