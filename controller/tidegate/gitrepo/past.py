"""What the history of a clone says: where a branch left another, what a path held before, what reverts undo.

Neighbours: git.py runs the commands, tree.py reads single commits; cli/check/ compares a change with its base by this.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tidegate.gitrepo.git import Git
from tidegate.gitrepo.tree import is_ancestor, resolve

MOST_STEPS = 1000
"""Commits that are looked at for what single paths held before."""
MOST_REVERTS = 50
_MANY_PATHS = 100
_RAW = ("-r", "-z", "--raw", "--no-renames", "--root")
_NOTHING = "0" * 40
# As git itself writes it, also with `--reference` and for merges; the lines may have been wrapped by people.
_REVERTS = re.compile(
    rb"This\s+reverts\s+commit\s+([0-9a-f]{7,40})(?:[^\n]*,\s+reversing\s+changes\s+made\s+to\s+([0-9a-f]{7,40}))?"
)


@dataclass(frozen=True, slots=True)
class Step:
    """One commit against its parent. `paths`: (blob id before, after) of every path that it changed, '' for none."""

    commit: str
    paths: Mapping[str, tuple[str, str]]


def standing(git: Git) -> tuple[tuple[str, ...], bool]:
    """HEAD, followed by what is being merged into it (nothing before the first commit); whether history is cut off."""
    words = git.ask("rev-parse", "--is-shallow-repository", "HEAD").out.decode().split()
    head = tuple(word for word in words[1:] if re.fullmatch("[0-9a-f]{40}", word))
    return (*head, *_written(git, "MERGE_HEAD")), words[:1] == ["true"]


def reverting(git: Git) -> str | None:
    """The commit that a `git revert` under way undoes: one with conflicts, or with `--no-commit`."""
    return next(iter(_written(git, "REVERT_HEAD")), None)


def merge_base(git: Git, one: str, others: Sequence[str]) -> str | None:
    """The newest commit that `one` and a merge of the `others` have in common; None when there is none."""
    answer = git.ask("merge-base", one, *others)
    return answer.out.decode().strip() or None if answer.code == 0 else None


def gained(git: Git, before: str, after: str) -> dict[str, str]:
    """Every path that is there at `after` and was not at `before`, with the id of its blob."""
    out = git.run("diff-tree", "-r", "-z", "--raw", "--no-renames", "--diff-filter=A", before, after)
    words = out.split(b"\0")[:-1]
    return {_text(path): raw.split()[3].decode() for raw, path in zip(words[::2], words[1::2], strict=True)}


def steps(git: Git, commit: str, paths: Sequence[str]) -> list[Step]:
    """The commits that changed any of these paths on the way to `commit`, newest first, merges as one step each.

    A merge is compared with its first parent: what a branch held on its way was never merged. At most MOST_STEPS.
    """
    if not paths:
        return []
    below = sorted(set(paths)) if len(paths) <= _MANY_PATHS else sorted({path.partition("/")[0] for path in paths})
    most = f"--max-count={MOST_STEPS}"
    commits = git.run("-C", "/", "rev-list", "--first-parent", most, commit, "--", *below)
    return list(_steps(git.run("diff-tree", "--stdin", *_RAW, "--diff-merges=first-parent", stdin=commits)))


def step(git: Git, commit: str, parent: str | None = None) -> Step:
    """One commit against its first parent, or against another one (a revert of a merge says which)."""
    line = commit if parent is None else f"{commit} {parent}"
    out = git.run("diff-tree", "--stdin", *_RAW, "--diff-merges=first-parent", stdin=f"{line}\n".encode())
    return next(_steps(out), Step(commit, {}))


def said_to_revert(git: Git, base: str, heads: Sequence[str]) -> list[tuple[str, str | None]]:
    """What the commits after `base` say that they revert, in git's own words, as far as it is in the base's history.

    Each with the parent that it goes back to where the message names one (a merge), newest first.
    """
    ahead = [head for head in heads if head != base]
    out = git.run("rev-list", "--format=%B", "--max-count=1000", *ahead, f"^{base}") if ahead else b""
    said = list(dict.fromkeys(match.groups() for match in _REVERTS.finditer(out)))[:MOST_REVERTS]
    found = []
    for name, onto in said:
        commit = resolve(git, name.decode())
        if commit is not None and is_ancestor(git, commit, base):
            found.append((commit, resolve(git, onto.decode()) if onto else None))
    return found


def _written(git: Git, name: str) -> tuple[str, ...]:
    """The commits in one of git's own files, such as MERGE_HEAD; none without it."""
    try:
        words = Path(git.directory, name).read_text("ascii", "replace").split()
    except OSError:  # nothing of the kind is under way
        return ()
    return tuple(word for word in words if re.fullmatch("[0-9a-f]{40}", word))


def _steps(out: bytes) -> Iterator[Step]:
    """The answer of `diff-tree --stdin -z --raw`: a commit id, then `:mode mode id id status`, path, and so on."""
    commit, paths = "", dict[str, tuple[str, str]]()
    words: Iterable[bytes] = iter(out.split(b"\0")[:-1])
    for word in words:
        if not word.startswith(b":"):
            if commit:
                yield Step(commit, paths)
            commit, paths = word.decode().split()[0], {}
            continue
        before, after = (part.decode().replace(_NOTHING, "") for part in word.split()[2:4])
        paths[_text(next(iter(words)))] = (before, after)
    if commit:
        yield Step(commit, paths)


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")
