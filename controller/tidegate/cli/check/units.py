"""The parts that a tree is judged in: each model's folder, and what belongs to no model; and the key of each.

Neighbours: tree.py and history.py say what there is, parts.py judges them. Equal keys, equal findings: a key is taken
over the ids of everything that the rules are shown for that part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

from tidegate.cli.check.entry import Entry
from tidegate.cli.check.history import Base
from tidegate.cli.check.tree import Tree


@dataclass(frozen=True, slots=True)
class Unit:
    """One part. `name`: of the model's folder, None for what belongs to none. `paths`: its files, now; `merged`: in the
    base; `unread`: what lies beside its files. `key`: '' until it is known."""

    name: str | None
    paths: tuple[str, ...]
    unread: tuple[str, ...]
    merged: tuple[str, ...]
    key: str = ""


@dataclass
class _Draft:
    paths: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    merged: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)


def owner(path: str) -> str | None:
    """The model whose folder a path lies in, None when it lies in none."""
    first, _, rest = path.partition("/")
    return rest.partition("/")[0] if first == "models" and rest else None


def units_of(tree: Tree, base: Base | None, common: str) -> list[Unit]:
    """All parts, what belongs to no model first, the models by name: also those that only the base has.

    `common`: what every key depends on besides: the day, the way of judging.
    """
    drafts: dict[str | None, _Draft] = {None: _Draft()}

    def draft(path: str) -> _Draft:
        return drafts.setdefault(owner(path), _Draft())

    for path in tree.files:
        draft(path).paths.append(path)
    for path in tree.listing.unread:
        draft(path).unread.append(path)
    for path in base.blobs if base is not None else ():
        draft(path).merged.append(path)
    for path in _touched(base):
        draft(path).changed.append(path)
    past = {change.path: change for change in base.changes} if base is not None else {}
    entries, general = tree.entries, drafts.pop(None)

    def lines(part: _Draft) -> Iterator[object]:
        yield from (_line(path, entries) for path in part.paths)
        yield from (("unread", path) for path in part.unread)
        if base is None:
            return
        yield from (
            (path, base.blobs[path]) for path in part.merged if entries.get(path, ("", ""))[1] != base.blobs[path]
        )
        yield ("new", [path for path in part.paths if path not in base.blobs])
        for path in part.changed:
            yield (path, past.get(path), sorted(base.former.get(path, ())), path in base.undone, base.ahead.get(path))
        yield base.commit if part.changed else ""

    beside = [common, *lines(general)]
    if base is not None:
        gone = [(path, blob) for path, blob in base.blobs.items() if owner(path) in base.gone]
        beside += ["base", base.shallow, *gone]
    shared = _digest("", beside)
    models = [
        Unit(name, tuple(part.paths), tuple(part.unread), tuple(part.merged), _digest(shared, (name, *lines(part))))
        for name, part in sorted((name, part) for name, part in drafts.items() if name is not None)
    ]
    # The facts of all models may matter to what belongs to none: any change in any of them does.
    key = _digest(shared, (unit.key for unit in models))
    return [Unit(None, tuple(general.paths), tuple(general.unread), tuple(general.merged), key), *models]


def _touched(base: Base | None) -> Iterable[str]:
    if base is None:
        return ()
    return sorted({*(change.path for change in base.changes), *base.former, *base.undone, *base.ahead})


def _line(path: str, entries: Mapping[str, Entry]) -> tuple[str, str, str]:
    mode, blob = entries[path]
    return path, mode, blob


def _digest(first: str, parts: Iterable[object]) -> str:
    digest = blake2b(first.encode(), digest_size=16)
    for part in parts:
        digest.update(repr(part).encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()
