"""Making git true after a rollback: a commit that takes one route's release back, made without a work tree, and pushed.

Neighbours: deployment.py edits the text, message.py words the commit, remote.py pushes. The engine calls it for a
rejection, `tidegate rollback` for a person. Doing it twice does it once.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tidegate.gitrepo import deployment, tree
from tidegate.gitrepo.commits import commit_files
from tidegate.gitrepo.deployment import Asked
from tidegate.gitrepo.message import REJECTS, RELEASE, ROUTE, one_line
from tidegate.gitrepo.remote import Pushed, Remote, Update
from tidegate.spec.errors import InternalError, NeedsPerson, RetryLater
from tidegate.spec.release import Release, split_route

ATTEMPTS = 6


@dataclass(frozen=True, slots=True)
class Undo:
    """What has to be taken back on one route: `rejected`, in favour of `good` (`good.commit`: where it is declared).

    `folder`: `models/digits`; `deployment`: the path of the file that asks. `config_only`: keep the version.
    `mode`: `branch` proposes the commit on a branch of its own, `none` leaves git alone (policy `rollback.git`).
    `message`: the whole commit message (message.py). `reason`: one sentence. `rejects`: the commit that asked for what a
    controller rejected; "" for a person's rollback.
    """

    route: str
    folder: str
    deployment: str
    rejected: Release
    good: Release
    message: str
    reason: str
    mode: str = "revert"
    config_only: bool = False
    rejects: str = ""

    @property
    def branch(self) -> str:
        """Where the commit goes when the branch itself does not take it."""
        return f"tidegate/rollback-{self.route.replace('/', '-')}-{self.rejected.id}"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of it. `reverted`: on the branch. `branch`: on a branch of its own for a person to merge, `detail`
    says why. `already`: git asks for something else by now; `commit` is the commit that says so. `none`: not wanted.

    `ref`: where the commit is on the remote. `files`: what it changes.
    """

    how: Literal["reverted", "branch", "already", "none"]
    commit: str | None = None
    ref: str | None = None
    detail: str = ""
    files: tuple[str, ...] = ()


def restore(
    remote: Remote,
    undo: Undo,
    digest_at: Callable[[str], str | None],
    *,
    rng: random.Random | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Result:
    """Take the rejected release back in git, unless git asks for something else by now.

    `digest_at`: the digest of the release that this route asks for at a commit, None when it asks for nothing there;
    what it raises ends the attempt. Somebody else's push in between: the change is made anew on top of theirs.
    Raises RetryLater (out of reach: nothing is lost, call again), NeedsPerson (refused everywhere, or no edit helps).
    """
    if undo.mode == "none":
        return Result("none", detail="the policy's 'rollback: {git: none}' leaves git as it is")
    chance = rng or random.Random()  # noqa: S311 spreads retries, guards nothing
    for attempt in range(1, ATTEMPTS + 1):
        with remote.lock:  # two routes at once would only lose races against each other
            done = _attempt(remote, undo, digest_at, last=attempt == ATTEMPTS)
        if done is not None:
            return done
        sleep(chance.uniform(0.01, 0.05) * 2**attempt)
    raise InternalError("the last attempt gave no result")


def _attempt(remote: Remote, undo: Undo, digest_at: Callable[[str], str | None], *, last: bool) -> Result | None:
    """Fetch, commit on top, push; None when somebody else pushed in between."""
    head = remote.fetch()
    if head is None:
        raise RetryLater(f"the remote has no branch '{remote.branch}' to revert on", where=remote.url, delay=10.0)
    if digest_at(head) != undo.rejected.digest:
        return Result("already", tree.touched(remote.git, head, [undo.folder]), remote.branch_ref)
    before = _earlier(remote, undo, head)
    if before is not None:  # and since then somebody asked for it once more, who could know
        return Result("already", before, remote.branch_ref)
    made = _commit(remote, undo, head)
    if digest_at(made.commit) == undo.rejected.digest:
        raise NeedsPerson(
            f"{undo.route} would still get the rejected {undo.rejected.label} after the revert",
            where=undo.deployment,
            fix=f"edit the file so that it asks for {undo.good.version} again",
        )
    if undo.mode == "branch":
        return _propose(remote, undo, head, made, "the policy's 'rollback: {git: branch}' asks for a branch")
    [pushed] = remote.push([Update(remote.branch_ref, made.commit, head)])
    match pushed.outcome:
        case "ok":
            remote.git.run("update-ref", remote.tracking, made.commit)
            return Result("reverted", made.commit, remote.branch_ref, files=made.files)
        case "refused":
            return _propose(remote, undo, head, made, f"'{remote.branch}' refuses the commit ({pushed.reason})")
        case "race":
            why = f"others were faster {ATTEMPTS} times ({pushed.reason})"
            return _propose(remote, undo, head, made, why) if last else None


def _earlier(remote: Remote, undo: Undo, head: str) -> str | None:
    """The commit by which this rejection was taken back already: the controller died between its push and remembering it."""
    if not undo.rejects or tree.resolve(remote.git, undo.rejects) is None:
        return None
    return tree.with_trailers(
        remote.git, head, undo.rejects,
        {ROUTE: undo.route, RELEASE: undo.rejected.digest, REJECTS: undo.rejects},
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Made:
    commit: str
    files: tuple[str, ...]


def _propose(remote: Remote, undo: Undo, head: str, made: _Made, why: str) -> Result:
    """The commit on a branch of its own. One that is there and not merged yet stays: people may have added to it."""
    ref = f"refs/heads/{undo.branch}"
    for _ in range(ATTEMPTS):
        there = remote.fetch_ref(ref, f"refs/tidegate-proposed/{undo.branch}")
        if there and not tree.is_ancestor(remote.git, there, head):
            return Result("branch", there, ref, why, made.files)
        pushed: Pushed = remote.push([Update(ref, made.commit, there or "")])[0]
        if pushed.outcome == "ok":
            return Result("branch", made.commit, ref, why, made.files)
        if pushed.outcome == "refused":
            break
    raise NeedsPerson(
        f"{why}, and neither does '{undo.branch}' ({pushed.reason})",
        where=remote.url,
        fix=f"let {remote.author.name} push to '{remote.branch}' or to 'tidegate/*': git still asks for the rejected",
    )


def _commit(remote: Remote, undo: Undo, head: str) -> _Made:
    """The commit on top of `head`, in the object database only."""
    files = _changes(remote, undo, head)
    if not files:
        raise NeedsPerson(
            f"nothing in '{undo.deployment}' explains why {undo.route} gets {undo.rejected.label}",
            fix=f"edit the file so that it asks for {undo.good.version} again",
        )
    commit = commit_files(remote, head, files, undo.message)
    return _Made(commit, tuple(sorted(files)))


def _changes(remote: Remote, undo: Undo, head: str) -> dict[str, bytes]:
    """The files that have to change at `head`, with their new content."""
    git, good = remote.git, undo.good
    feature = split_route(undo.route)[1]
    text = _text(remote, head, undo.deployment)
    if text is None:
        raise NeedsPerson(f"'{undo.deployment}' is not in git any more", fix="restore it, or retire the model")
    known = tree.resolve(git, good.commit) is not None
    then = _text(remote, good.commit, undo.deployment) if known else None
    was = deployment.asked(then, feature)
    if was is None or was.version != good.version:
        was = Asked(good.version, good.config)
    now = deployment.asked(text, feature)
    files: dict[str, bytes] = {}
    config, restored = _config(remote, undo, head, text, was.config, known)
    files.update(restored)
    if undo.config_only:
        after = deployment.with_wish(text, feature, Asked(now.version if now else good.version, config))
    else:
        files.update(_version(remote, undo, head, known))
        want = Asked(good.version, config)
        reason = f"Back from {undo.rejected.version}: {one_line(undo.reason)}"
        after = deployment.taken_back(text, then, feature, want, reason)
    if after != text:
        files[undo.deployment] = after.encode()
    return files


def _version(remote: Remote, undo: Undo, head: str, known: bool) -> dict[str, bytes]:
    """The good version's file as it was, where it was deleted or edited since: versions are immutable."""
    path = f"{undo.folder}/versions/{undo.good.version}.yaml"
    then = tree.blob(remote.git, undo.good.commit, path) if known else None
    return {path: then} if then is not None and then != tree.blob(remote.git, head, path) else {}


def _config(
    remote: Remote, undo: Undo, head: str, text: str, ref: str | None, known: bool
) -> tuple[str | None, dict[str, bytes]]:
    """How the route names its former config, and the config file where its content comes back.

    The file comes back when it is what was rejected and nobody else asks for it as it is; else the route is pinned to
    the former content, and everybody else keeps theirs.
    """
    if ref is None or "@" in ref or not known:
        return ref, {}
    path = f"{undo.folder}/configs/{ref}.yaml"
    then, there = (tree.blob(remote.git, commit, path) for commit in (undo.good.commit, head))
    if then is None or then == there:
        return ref, {}
    if there is None:
        return ref, {path: then}
    feature = split_route(undo.route)[1]
    now = deployment.asked(text, feature)
    if undo.config_only or feature or deployment.named_by_features(text, ref) or now is None or now.config != ref:
        return f"{ref}@{undo.good.commit}", {}
    return ref, {path: then}


def _text(remote: Remote, commit: str, path: str) -> str | None:
    content = tree.blob(remote.git, commit, path)
    if content is None:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise NeedsPerson(f"'{path}' is not UTF-8", where=f"{path}@{commit[:12]}", fix="save it as UTF-8") from error
