"""A person's rollback: which release to go back to, found in git alone, and the commit that asks for it.

Neighbours: `tidegate rollback` calls it; gitrepo/revert.py makes the commit, as it does for the controller.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.engine.source import Source
from tidegate.gitrepo.message import rollback
from tidegate.gitrepo.mirror import Mirror
from tidegate.gitrepo.record import Record
from tidegate.gitrepo.revert import Result, Undo, restore
from tidegate.rollout.state import Desired
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.release import Release, split_route

LOOK_BACK = 500


@dataclass(frozen=True, slots=True)
class Takeback:
    """What was left, what it went back to, and what became of the commit."""

    left: Release
    good: Release
    result: Result


class Rollbacks:
    """Rolls routes back in one repository, seen through a mirror of it."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._record = Record(mirror)
        self._source = Source(mirror, self._record, mirror.environment)

    def take_back(self, route: str, *, to: str | None, config_only: bool, reason: str) -> Takeback:
        """Make and push the commit. Raises NeedsPerson when there is nothing to go back to, RetryLater on a dead remote."""
        head = self._source.look().commit
        if head is None:
            raise NeedsPerson("the branch has no commit", where=self._mirror.remote.url, fix="push a first commit")
        left = self._asked(route, head)
        good = self._named(route, to) if to else self._before(route, head, left, config_only)
        if good.digest == left.digest:
            raise NeedsPerson(f"{route} asks for {good.label} already", fix="name an older commit with --to")
        if config_only and good.workload != left.workload:
            raise NeedsPerson(
                f"{good.label} is another version, not another config of {left.version}",
                fix="leave out --config-only, or name a commit that has the same version",
            )
        undo = Undo(
            route=route,
            folder=f"models/{left.model}",
            deployment=self._source.deployment_path(left.model),
            rejected=left,
            good=good,
            message=rollback(route, left, good, reason, config_only=config_only),
            reason=reason,
            config_only=config_only,
        )
        result = restore(self._mirror.remote, undo, lambda commit: self._source.digest_at(route, commit))
        return Takeback(left, good, result)

    def _asked(self, route: str, commit: str) -> Release:
        desired = self._source.at(commit).desired
        model, _ = split_route(route)
        found = desired.get(route, desired.get(model))
        if isinstance(found, Desired):
            return found.release
        known = ", ".join(sorted(desired)) or "none"
        raise NeedsPerson(found or f"there is no route '{route}' at {commit[:12]}", fix=f"the routes are: {known}")

    def _named(self, route: str, to: str) -> Release:
        commit = self._mirror.resolve(to)
        if commit is None:
            raise NeedsPerson(f"'{to}' names no commit of the repository", fix="name a commit, a tag or a branch")
        return self._asked(route, commit)

    def _before(self, route: str, head: str, left: Release, config_only: bool) -> Release:
        """The newest release before this one that was not rejected; with `config_only` of the same version."""
        rejected = {note.release for note in self._record.rejections() if note.route == route}
        folder = f"models/{left.model}"
        out = self._mirror.git.run("rev-list", f"--max-count={LOOK_BACK}", head, "--", folder)
        for commit in out.decode().split():
            digest = self._source.digest_at(route, commit)
            if digest is None or digest == left.digest or digest in rejected:
                continue
            found = self._asked(route, commit)
            if not config_only or found.workload == left.workload:
                return found
        what = "another config of this version" if config_only else "another release"
        raise NeedsPerson(
            f"the last {LOOK_BACK} commits know no earlier {what} of {route}", fix="name a commit with --to REF"
        )
