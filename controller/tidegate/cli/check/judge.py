"""All findings of what the caller named: the one function between the command line and the rules.

Neighbours: cli/validate.py calls it and prints, tree.py says what is there, history.py what was merged before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from tidegate.cli.check.history import base_commit, gather
from tidegate.cli.check.tree import Tree, tree_of
from tidegate.rules.context import Context
from tidegate.rules.engine import sift
from tidegate.rules.finding import Finding
from tidegate.rules.history import History
from tidegate.rules.suppress import Sifted, Silenced
from tidegate.rules.worktree import find_root, is_root
from tidegate.spec.declared import load
from tidegate.spec.errors import NeedsPerson


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found below the paths that the caller named, in order. `files`: how many were judged there.

    Paths of findings and `sources` are as the caller sees them: from the working directory, else from the root.
    `silenced`: what was found there too, and a comment in the file says why it is not told.
    `sources` reads a content when it is asked for: whoever prints takes no more than what the findings point at.
    """

    findings: tuple[Finding, ...]
    files: int
    sources: Mapping[str, bytes]
    roots: tuple[Path, ...]
    silenced: tuple[Silenced, ...] = ()


def judge(
    paths: Sequence[Path] = (), base: str | None = None, *, staged: bool | None = None, cache: bool = True
) -> Judged:
    """Judge every root that the paths lie in (without paths: the one around the working directory).

    `base`: the commit to compare with. `staged`: the index instead of the work tree; None asks pre-commit's variable.
    Raises NeedsPerson for a path that is not there or in no repository, and for an unknown base.
    """
    del cache  # nothing is kept from one run to the next yet
    findings: list[Finding] = []
    silenced: list[Silenced] = []
    sources: dict[str, bytes] = {}
    roots = _roots(paths)
    with _uncollected():
        for root, below in roots.items():
            found, files = _judge(tree_of(root, staged), below, base)
            findings += found.kept
            silenced += found.silenced
            sources |= files
    return Judged(tuple(sorted(findings)), len(sources), sources, tuple(roots), tuple(silenced))


def _roots(paths: Sequence[Path]) -> dict[Path, list[Path]]:
    """Each root to validate, and the paths below it that findings are wanted for; the root itself means all."""
    roots: dict[Path, list[Path]] = {}
    for path in paths or [Path()]:
        if not path.exists():
            raise NeedsPerson("there is no such file or folder", where=str(path), fix="look at the spelling")
        whole = path.resolve()
        if whole.is_dir() and is_root(whole):
            roots.setdefault(whole, []).append(whole)
        else:
            root = find_root(whole)
            roots.setdefault(root, []).append(root if not paths else whole)
    return roots


def _judge(tree: Tree, below: list[Path], base: str | None) -> tuple[Sifted, dict[str, bytes]]:
    """Findings and files below the wanted paths, with paths as the caller sees them."""
    asked = base_commit(tree, base)
    history = None
    if asked is not None:
        past = gather(tree, asked)
        contents = tree.contents(past.blobs.values())
        merged = {path: contents[blob] for path, blob in past.blobs.items()}
        before = load(merged, environment=None)
        history = History(
            past.commit, merged, before, past.changes, past.former, past.shallow, past.undone, past.ahead, past.gone
        )
    files = tree.read(tree.files)
    today = date.today()  # noqa: DTZ011 the calendar of the person who asks
    sifted = sift(Context(load(files, environment=None), files, history, today=today))
    here = Path.cwd()

    def shown(name: str) -> str | None:
        whole = tree.root / name
        if not any(whole == path or path in whole.parents for path in below):
            return None
        return whole.relative_to(here).as_posix() if whole.is_relative_to(here) else name

    names = {name: seen for name in {*files, *(finding.path for finding in sifted.findings())} if (seen := shown(name))}
    return (
        sifted.moved(names),
        {names[name]: text for name, text in files.items() if name in names},
    )


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the collector: half a million small values and no cycles, which it would go through again and again."""
    import gc

    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()
