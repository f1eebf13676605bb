"""Reading a repository at a commit: files, what changed, who touched what. Never a work tree.

Neighbours: git.py runs the commands; mirror.py adds self-healing; the CLI uses these on a person's own clone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tidegate.gitrepo.git import DamagedRepository, Git
from tidegate.spec.errors import NeedsPerson, TidegateError


@dataclass(frozen=True, slots=True)
class CommitInfo:
    """What people want to know of a commit. `time`: committed at, epoch seconds."""

    commit: str
    subject: str
    author: str
    email: str
    time: float


def resolve(git: Git, name: str) -> str | None:
    """The commit that a ref, tag or abbreviated id means; None when there is none."""
    answer = git.ask("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    return answer.out.decode().strip() if answer.code == 0 else None


def first_of(git: Git, names: Sequence[str]) -> tuple[str, str] | None:
    """The first of these refs that there is, with its commit; None when there is none. One question for all."""
    asked = "".join(f"{name}^{{commit}}\n" for name in names).encode()
    answers = git.run("cat-file", "--batch-check=%(objectname)", stdin=asked).decode("utf-8", "replace").splitlines()
    return next(((name, found) for name, found in zip(names, answers, strict=True) if " " not in found), None)


def read(git: Git, commit: str, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """Contents of the regular files at `commit` whose path is wanted. Links and submodules are no files of ours.

    Raises NeedsPerson for an unknown commit, DamagedRepository when objects are missing.
    """
    ids = listing(git, commit, wanted)
    contents = blobs(git, set(ids.values()))
    return {path: contents[blob_id] for path, blob_id in ids.items()}


def listing(git: Git, commit: str, wanted: Callable[[str], bool]) -> dict[str, str]:
    """The blob ids of the same files, by path. Raises NeedsPerson for an unknown commit."""
    files: dict[str, str] = {}
    for found in split(_at(git, commit, "ls-tree", "-r", "-z", "--full-tree", commit)):
        head, _, path = found.partition("\t")
        mode, kind, blob_id = head.split()
        if kind == "blob" and mode != "120000" and wanted(path):
            files[path] = blob_id
    return files


def blob(git: Git, commit: str, path: str) -> bytes | None:
    """The content of one file at `commit`, None when it is not there (or is no regular file)."""
    found = entry(git, commit, path)
    return blobs(git, {found[1]})[found[1]] if found else None


def entry(git: Git, commit: str, path: str) -> tuple[str, str] | None:
    """Mode and blob id of a regular file at `commit`, None when it is not there."""
    for found in split(_at(git, commit, "ls-tree", "-z", "--full-tree", commit, "--", path)):
        mode, kind, blob_id = found.partition("\t")[0].split()
        if kind == "blob" and mode != "120000":
            return mode, blob_id
    return None


def touched(git: Git, commit: str, paths: Iterable[str]) -> str:
    """The newest commit, `commit` or before it, that changed any of these files or folders.

    Follows the side of a merge that the content came from, so merging a branch keeps the answer. `commit` itself when
    none of the paths was ever there. Raises NeedsPerson for an unknown commit.
    """
    found = _at(git, commit, "rev-list", "-1", commit, "--", *sorted(set(paths)))
    return found.decode().strip() or commit


def describe(git: Git, commit: str) -> CommitInfo:
    """Subject, author and time of a commit. Raises NeedsPerson for an unknown one."""
    out = _at(
        git, commit, "show", "-s", "--encoding=UTF-8", "--format=%H%x00%s%x00%an%x00%ae%x00%ct", f"{commit}^{{commit}}"
    )
    full, subject, author, email, time = out.decode("utf-8", "replace").rstrip("\n").split("\0")
    return CommitInfo(full, subject, author, email, float(time))


def changed(git: Git, before: str, after: str) -> list[tuple[str, str]]:
    """(status, path) of every file that differs: A added, D deleted, M modified, T other type. A rename is D and A."""
    words = split(_at(git, before, "diff-tree", "-r", "-z", "--no-renames", "--name-status", before, after))
    return list(zip(words[::2], words[1::2], strict=True))


def differing(git: Git, before: str, after: str) -> dict[str, str | None]:
    """The blob ids at `after` of the regular files that are not as they were at `before`, by path; None: gone."""
    words = split(_at(git, after, "diff-tree", "-r", "-z", "--raw", "--no-abbrev", "--no-renames", before, after))
    found: dict[str, str | None] = {}
    for head, path in zip(words[::2], words[1::2], strict=True):
        _, mode, _, blob_id, _ = head.split()
        found[path] = blob_id if mode.startswith("100") else None
    return found


def changed_between(git: Git, before: str, after: str) -> frozenset[str] | None:
    """Every path that any commit after `before`, up to `after`, changed; None when history leads not from one to the
    other. Paths outside it have the same `touched` at both.
    """
    if not is_ancestor(git, before, after):
        return None
    commits = git.run("rev-list", after, f"^{before}")
    options = ("-r", "-m", "-z", "--root", "--no-renames", "--no-commit-id", "--name-only")
    return frozenset(split(git.run("diff-tree", "--stdin", *options, stdin=commits)))


def with_trailers(git: Git, after: str, before: str, trailers: Mapping[str, str]) -> str | None:
    """The newest commit up to `after` and not in `before` whose message has all these trailers, None without one."""
    lines = [f"--grep=^{name}: {re.escape(value)}$" for name, value in trailers.items()]
    found = git.run("rev-list", "--max-count=1", "--extended-regexp", "--all-match", *lines, after, f"^{before}")
    return found.decode().strip() or None


def changed_by(git: Git, commit: str) -> frozenset[str]:
    """Every path in which a commit differs from one of its parents; all of its paths when it has none."""
    options = ("-r", "-m", "-z", "--root", "--no-renames", "--no-commit-id", "--name-only")
    return frozenset(split(git.run("diff-tree", "--stdin", *options, stdin=f"{commit}\n".encode())))


def is_ancestor(git: Git, before: str, after: str) -> bool:
    """True when `before` can be reached from `after`, or is it; not when one of them is unknown."""
    return git.ask("merge-base", "--is-ancestor", before, after).code == 0


def _at(git: Git, commit: str, *command: str) -> bytes:
    """A command about one commit. Whether it exists is asked only when the command fails: reading is done often."""
    try:
        return git.run(*command)
    except TidegateError as error:
        if resolve(git, commit) is not None:
            raise
        fix = "check the id; history may have been rewritten since"
        raise NeedsPerson(f"commit {commit[:12]} is not in the repository", fix=fix) from error


def split(out: bytes) -> list[str]:
    """The parts of git's `-z` output; bytes of a path that are no UTF-8 as surrogates."""
    return [part.decode("utf-8", "surrogateescape") for part in out.split(b"\0") if part]


def blobs(git: Git, ids: set[str]) -> dict[str, bytes]:
    """The contents of all these blobs, by one `cat-file --batch`: `<id> <type> <size>\\n<content>\\n` each."""
    if not ids:
        return {}
    out = git.run("cat-file", "--batch", stdin="".join(f"{i}\n" for i in sorted(ids)).encode())
    contents: dict[str, bytes] = {}
    position = 0
    while position < len(out):
        end = out.index(b"\n", position)
        words = out[position:end].decode().split()
        if len(words) != 3:
            raise DamagedRepository(f"git: object {words[0]} is missing", where=str(git.directory))
        size = int(words[2])
        contents[words[0]] = out[end + 1 : end + 1 + size]
        position = end + 1 + size + 1
    return contents


def blobs_at(git: Git, wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], bytes]:
    """The contents of files by (commit, path), those that are there, by one `cat-file --batch`."""
    asked = sorted(pair for pair in wanted if "\n" not in pair[1])
    lines = "".join(f"{commit}:{path}\n" for commit, path in asked).encode("utf-8", "surrogateescape")
    out = git.run("cat-file", "--batch", stdin=lines)
    found: dict[tuple[str, str], bytes] = {}
    position = 0
    for pair in asked:
        end = out.index(b"\n", position)
        head = out[position:end]
        position = end + 1
        if head.endswith(b" missing"):
            continue
        size = int(head.rpartition(b" ")[2])
        if head.split(b" ")[-2] == b"blob":
            found[pair] = out[position : position + size]
        position += size + 1
    return found
