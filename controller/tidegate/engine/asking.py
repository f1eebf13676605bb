"""A person's say in a rollout, as commits: approve a step, hold, resume, ask for a rejected release once more.

Neighbours: the commands of the same names call it; gitrepo/wish.py edits, gitrepo/edit.py pushes; takeback.py goes back.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.engine.source import Source
from tidegate.gitrepo import wish
from tidegate.gitrepo.deployment import Asked
from tidegate.gitrepo.edit import Edited, change
from tidegate.gitrepo.message import asking
from tidegate.gitrepo.mirror import Mirror
from tidegate.gitrepo.record import Note, Record
from tidegate.rollout.state import Desired
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.release import Release, split_route


@dataclass(frozen=True, slots=True)
class Said:
    """What was asked for of which release, and what became of the commit."""

    release: Release
    edited: Edited


class Askings:
    """Makes the commits for one repository, seen through a mirror of it."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._record = Record(mirror)
        self._source = Source(mirror, self._record, mirror.environment)

    def approve(self, route: str, step: str, reason: str) -> Said:
        """Let a step begin. Raises NeedsPerson when the route's policy has no such step, or none that waits for anybody."""
        desired = self._desired(route)
        steps = (*desired.policy.steps, *(desired.policy.config_steps or ()))
        waiting = [one.name for one in steps if one.approve == "manual"]
        if step not in waiting:
            known = ", ".join(dict.fromkeys(waiting)) or "none"
            there = any(one.name == step for one in steps)
            what = f"step '{step}' waits for nobody" if there else f"the policy of {route} has no step '{step}'"
            raise NeedsPerson(what, where=self._path(route), fix=f"steps that a person approves here: {known}")
        feature = split_route(route)[1]
        return self._change(
            route, desired.release, f"Approve step {step} of {route}", reason,
            lambda text: wish.approved(text, feature, step),
        )  # fmt: skip

    def hold(self, route: str, hold: bool, reason: str) -> Said:
        """Freeze a route's rollout where it is, or let it go on."""
        feature = split_route(route)[1]
        word = "Hold" if hold else "Resume"
        return self._change(
            route, self._desired(route).release, f"{word} {route}", reason,
            lambda text: wish.held(text, feature, hold),
        )  # fmt: skip

    def retry(self, route: str, version: str | None, reason: str) -> Said:
        """Ask once more for the release that was rejected last (of that version, if one is named).

        Raises NeedsPerson when nothing was rejected here, or when its declaration is not what it was.
        """
        now = self._desired(route)
        note = self._rejected(route, version)
        if now.release.digest == note.release and now.touched != note.touched:
            return Said(now.release, Edited("already", now.touched, self._mirror.remote.branch_ref))
        commit = note.touched if self._source.digest_at(route, note.touched) == note.release else note.commit
        found = self._source.at(commit).desired
        then = found.get(route, found.get(split_route(route)[0]))
        if not isinstance(then, Desired) or then.release.digest != note.release:
            raise NeedsPerson(
                f"commit {commit[:12]} no longer says what the rejected {note.version} was",
                fix="ask for it by an edit of the deployment",
            )
        feature, rejected = split_route(route)[1], then.release
        want = self._wanted(route, rejected, commit)

        return self._change(
            route, rejected, f"Retry {route} {rejected.version}", reason,
            lambda text: wish.again(text, feature, want, reason or None),
        )  # fmt: skip

    def _wanted(self, route: str, rejected: Release, commit: str) -> Asked:
        """How the deployment names the rejected release today: its config by name where that still is what it was."""
        head = self._mirror.head()
        model, _ = split_route(route)
        if rejected.config is None or "@" in rejected.config or head is None:
            return Asked(rejected.version, rejected.config)
        path = f"models/{model}/configs/{rejected.config}.yaml"
        same = self._mirror.blob(head, path) == self._mirror.blob(commit, path)
        return Asked(rejected.version, rejected.config if same else f"{rejected.config}@{commit}")

    def _rejected(self, route: str, version: str | None) -> Note:
        notes = [note for note in self._record.rejections() if note.route == route]
        notes = [note for note in notes if version in (None, note.version)]
        if not notes:
            what = f"version {version} was never rejected on {route}" if version else f"nothing was rejected on {route}"
            raise NeedsPerson(what, fix="tidegate history tells what became of the releases")
        return notes[-1]

    def _desired(self, route: str) -> Desired:
        """What the branch asks of a route. Raises NeedsPerson when there is no such route, or it cannot be followed."""
        found = self._source.look()
        if found.commit is None:
            raise NeedsPerson("the branch has no commit", where=self._mirror.remote.url, fix="push a first commit")
        model, feature = split_route(route)
        declared = found.model(model)
        asked = found.desired.get(route)
        if asked is None and feature is not None and declared is not None and feature in declared.features:
            asked = found.desired.get(model)
        if isinstance(asked, Desired):
            return asked
        known = ", ".join(sorted(found.desired)) or "none"
        raise NeedsPerson(asked or f"there is no route '{route}'", fix=f"the routes are: {known}")

    def _path(self, route: str) -> str:
        return self._source.deployment_path(split_route(route)[0])

    def _change(self, route: str, release: Release, subject: str, reason: str, edit: wish.Edit) -> Said:
        branch = f"tidegate/{'-'.join(subject.lower().split()).replace('/', '-')}"
        message = asking(subject, route, release, reason)
        return Said(release, change(self._mirror.remote, self._path(route), edit, message, branch))
