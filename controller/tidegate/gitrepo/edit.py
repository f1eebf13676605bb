"""One file changed at the head of the branch, committed and pushed: how a person's command is a commit. Idempotent.

Somebody else's push in between: the edit is made anew on top of theirs. Neighbours: wish.py makes the edits, commits.py
the commit, remote.py pushes; the engine's asking.py knows what to ask for.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tidegate.gitrepo import tree
from tidegate.gitrepo.commits import commit_files
from tidegate.gitrepo.remote import Remote, Update
from tidegate.gitrepo.wish import Edit
from tidegate.spec.errors import InternalError, NeedsPerson, RetryLater

ATTEMPTS = 6


@dataclass(frozen=True, slots=True)
class Edited:
    """What became of an edit. `pushed`: on the branch. `already`: it stands there. `branch`: on a branch of its own, for a
    person to merge, `detail` says why. `commit` is the one that says so, `ref` where it is.
    """

    how: Literal["pushed", "already", "branch"]
    commit: str
    ref: str
    detail: str = ""


def change(
    remote: Remote,
    path: str,
    edit: Edit,
    message: str,
    branch: str,
    *,
    rng: random.Random | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Edited:
    """Make the edit true on the branch; where that refuses the commit, propose it as `branch`.

    Raises RetryLater (out of reach), NeedsPerson (no such file, no edit helps, refused everywhere).
    """
    chance = rng or random.Random()  # noqa: S311 spreads retries, guards nothing
    for attempt in range(1, ATTEMPTS + 1):
        with remote.lock:
            done = _attempt(remote, path, edit, message, branch, last=attempt == ATTEMPTS)
        if done is not None:
            return done
        sleep(chance.uniform(0.01, 0.05) * 2**attempt)
    raise InternalError("the last attempt gave no result")


def _attempt(remote: Remote, path: str, edit: Edit, message: str, branch: str, *, last: bool) -> Edited | None:
    """Fetch, edit, commit on top, push; None when somebody else pushed in between."""
    head = remote.fetch()
    if head is None:
        raise RetryLater(f"the remote has no branch '{remote.branch}'", where=remote.url, delay=10.0)
    content = tree.blob(remote.git, head, path)
    if content is None:
        raise NeedsPerson("is not in git", where=path, fix="name a model that has a deployment")
    try:
        before = content.decode()
    except UnicodeDecodeError as error:
        raise NeedsPerson("is not UTF-8", where=path, fix="save it as UTF-8") from error
    after = edit(before)
    if after == before:
        return Edited("already", head, remote.branch_ref)
    commit = commit_files(remote, head, {path: after.encode()}, message)
    [pushed] = remote.push([Update(remote.branch_ref, commit, head)])
    if pushed.outcome == "ok":
        return Edited("pushed", commit, remote.branch_ref)
    if pushed.outcome == "race" and not last:
        return None
    why = f"'{remote.branch}' refuses the commit ({pushed.reason})"
    if pushed.outcome == "race":
        why = f"others were faster {ATTEMPTS} times ({pushed.reason})"
    return _propose(remote, commit, branch, why)


def _propose(remote: Remote, commit: str, branch: str, why: str) -> Edited:
    ref = f"refs/heads/{branch}"
    there = remote.fetch_ref(ref, f"refs/tidegate-proposed/{branch}")
    [pushed] = remote.push([Update(ref, commit, there or "")])
    if pushed.outcome != "ok":
        raise NeedsPerson(
            f"{why}, and '{branch}' does not take it either ({pushed.reason})",
            where=remote.url,
            fix="make the edit in a pull request",
        )
    return Edited("branch", commit, ref, why)
