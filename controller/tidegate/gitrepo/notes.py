"""Writing git notes of JSON lines without a work tree: the text on a commit, the text with more lines, a commit of it.

Neighbours: record.py keeps decisions this way, anchors.py the heads of the record's chain; both push with a lease.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tidegate.gitrepo import tree
from tidegate.gitrepo.git import Git


def on(git: Git, ref: str, commit: str) -> str:
    """The note on a commit; '' without one. Bytes that are no UTF-8 as surrogates: they are somebody's, and stay."""
    answer = git.ask("notes", f"--ref={ref}", "show", commit)
    return answer.out.decode("utf-8", "surrogateescape") if answer.code == 0 else ""


def extended(text: str, lines: Sequence[str]) -> bytes:
    """A note with more lines at its end."""
    added = "\n".join(lines)
    return f"{text.rstrip()}\n{added}\n".lstrip("\n").encode("utf-8", "surrogateescape")


def written(git: Git, ref: str, texts: Mapping[str, bytes], identity: Mapping[str, str]) -> str:
    """The commit of notes that `ref` would be at with these whole notes, by commit; `ref` itself stays where it is."""
    before, work = tree.resolve(git, ref), f"refs/notes/work/{ref.rpartition('/')[2]}"
    if before:
        git.run("update-ref", work, before)
    else:
        git.run("update-ref", "-d", work)
    for target, text in texts.items():
        blob = git.line("hash-object", "-w", "--stdin", "--no-filters", stdin=text)
        git.run("notes", f"--ref={work}", "add", "--force", "-C", blob, target, environment=identity)
    return git.line("rev-parse", work)
