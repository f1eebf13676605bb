"""What git asks for: the branch's newest commit, read whole, judged by the rules, turned into one wish a route.

Runs as a job beside the loop. A commit that cannot be read leaves the last wishes standing.
Neighbours: gitrepo/ fetches and reads, rules/ judges, rollout/routes.py makes the wishes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from tidegate.gitrepo.mirror import Mirror
from tidegate.gitrepo.record import Record
from tidegate.rollout.routes import Asking, desired_of, desired_routes
from tidegate.rollout.state import Desired, Rejection
from tidegate.rules.api import Validator, blocking, read_by_rules
from tidegate.rules.finding import Finding
from tidegate.spec.declared import Declared, Loaded, Loader, load, load_config, wanted
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.inference import InferenceConfig
from tidegate.spec.model import Model
from tidegate.spec.release import Release, split_route


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One commit, understood. `desired`: by route, the wish, or in words why there is none."""

    commit: str | None = None
    subject: str = ""
    author: str = ""
    declared: Declared = field(default_factory=Declared)
    desired: Mapping[str, Desired | str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    def wish(self, route: str) -> Desired | None:
        """What git asks of a route; None when it says nothing that can be followed."""
        found = self.desired.get(route)
        return found if isinstance(found, Desired) else None

    def model(self, name: str) -> Model | None:
        """A model as it is declared at this commit, None when it is not, or not so that it can be read."""
        found = self.declared.models.get(name)
        return found.model.value if found is not None and found.model is not None else None

    def gone(self, route: str) -> bool:
        """Whether git asks nothing of this route's model any more: its deployment is not there.

        A repository that asks for nothing at all says nothing about anybody.
        """
        if split_route(route)[0] in self.desired:
            return False
        return any(isinstance(found, Desired) for found in self.desired.values())


@dataclass(frozen=True, slots=True)
class Remembered:
    """What git alone remembers: the last promoted release of each route, and what was rejected.

    `lost`: routes that have a promoted commit which can no longer be read, and why.
    """

    promoted: Mapping[str, Release] = field(default_factory=dict)
    lost: Mapping[str, str] = field(default_factory=dict)
    rejected: Mapping[str, tuple[Rejection, ...]] = field(default_factory=dict)


RECORD_EVERY: Final = 10
"""Looks after which notes and refs are fetched too: what others write there is no hurry, since whoever
writes on what is older loses the race and fetches them."""


class Source:
    """Makes snapshots. One caller at a time (a job keyed by the repository)."""

    def __init__(self, mirror: Mirror, record: Record, environment: str) -> None:
        self._mirror = mirror
        self._record = record
        self._environment = environment
        self._last = Snapshot()
        self._looks = 0
        self._sure = True  # whether what is kept is all of `_last`: a reading that failed on its way leaves a mixture
        self._files: dict[str, bytes] = {}
        self._touched: dict[Asking, str] = {}
        self._older: dict[tuple[str, str], bool] = {}
        self._homes: tuple[str, dict[str, str]] = "", {}
        self._loader = Loader(environment)
        self._validator = Validator()

    def look(self) -> Snapshot:
        """Fetch, and read the newest commit unless it is the one read last. Raises RetryLater, NeedsPerson."""
        whole = self._last.commit is None or self._looks >= RECORD_EVERY
        head = self._mirror.fetch(record=whole)
        self._looks = 0 if whole else self._looks + 1
        if head is None:
            return Snapshot()
        if head != self._last.commit:
            last, self._sure = (self._last.commit if self._sure else None), False
            changed = self._mirror.changed_between(last, head) if last is not None else None
            self._last = self._read_whole(head) if last is None or changed is None else self._read_on(head, changed)
            self._sure = True
        return self._last

    def at(self, commit: str) -> Snapshot:
        """What any other commit asked for. Raises NeedsPerson for an unknown commit."""
        files = self._mirror.read(commit, read_by_rules)
        declared = load(files, self._environment)
        findings = tuple(Validator().validate(declared, files))
        desired = desired_routes(declared, commit, lambda asking: self._mirror.asked(commit, *asking), self._pinned)
        return self._snapshot(commit, declared, desired, findings)

    def _read_whole(self, commit: str) -> Snapshot:
        """Nothing is known, or history was rewritten. What is asked is asked about every route at once."""
        files = self._mirror.read(commit, read_by_rules)
        declared = self._loader.load(files)
        findings = tuple(self._validator.validate(declared, files))
        questions: list[Asking] = []

        def noted(asking: Asking) -> str:
            questions.append(asking)
            return commit

        desired_routes(declared, commit, noted, self._pinned)
        touched = dict(zip(questions, self._mirror.asked_by_all(commit, questions), strict=True))
        desired = desired_routes(declared, commit, touched.__getitem__, self._pinned)
        snapshot = self._snapshot(commit, declared, desired, findings)
        self._files, self._touched = files, touched
        return snapshot

    def _read_on(self, commit: str, changed: frozenset[str]) -> Snapshot:
        """From the last commit on, of which no commit since has changed any other path: what they did not touch stays.

        A wish that stays is the same object, with the commit under which it was read first: there it is declared for ever.
        """
        last = self._last
        files = self._mirror.read_on(last.commit or "", self._files, commit, read_by_rules)
        ours = {path for path in changed if read_by_rules(path)}
        declared = self._loader.load(files, ours)
        findings = tuple(self._validator.validate(declared, files, ours))
        for asking in [asking for asking in self._touched if not changed.isdisjoint(asking.paths)]:
            del self._touched[asking]
        models = {path.split("/", 2)[1] for path in changed if path.startswith("models/")}
        models |= {split_route(route)[0] for route, found in last.desired.items() if isinstance(found, str)}
        models |= {name for name in blocking(findings, declared) if name is not None}
        if any(path.startswith("policies/") for path in changed):
            models |= declared.models.keys()
        desired = {route: found for route, found in last.desired.items() if split_route(route)[0] not in models}
        for name in sorted(models & declared.models.keys()):
            desired |= desired_of(
                declared.models[name], declared, commit, lambda asking: self._newest(commit, asking), self._pinned
            )
        snapshot = self._snapshot(commit, declared, desired, findings)
        self._files = files
        return snapshot

    def _snapshot(
        self, commit: str, declared: Declared, desired: Mapping[str, Desired | str], findings: tuple[Finding, ...]
    ) -> Snapshot:
        """What the rules refuse asks for nothing: why, in the wish's place."""
        blocked = blocking(findings, declared)
        asked = dict(desired)
        for route in asked if blocked else ():
            errors = blocked.get(split_route(route)[0])
            if errors:
                asked[route] = f"{errors[0].path}:{errors[0].line}:{errors[0].column}: {errors[0].message}"
        info = self._mirror.describe(commit)
        return Snapshot(commit, info.subject, info.author, declared, asked, findings)

    def _newest(self, commit: str, asking: Asking) -> str:
        found = self._touched.get(asking)
        if found is None:
            found = self._touched[asking] = self._mirror.asked(commit, *asking)
        return found

    def _pinned(self, model: str, name: str, commit: str) -> Loaded[InferenceConfig] | None:
        path = f"models/{model}/configs/{name}.yaml"
        try:
            text = self._mirror.blob(commit, path)
        except NeedsPerson:  # no such commit: the route that names it says so
            return None
        return load_config(text, path)[0] if text is not None else None

    def remembered(self, known: Collection[str] = ()) -> Remembered:
        """What git remembers of earlier days, as of the last fetch: a rebuilt host begins from it.

        `known`: routes whose state the journal has; what git remembers of them is not read.
        """
        promoted: dict[str, Release] = {}
        lost: dict[str, str] = {}
        for route, commit in self._record.promoted().items():
            if route in known:
                continue
            try:
                found = self._asked(route, commit)
            except NeedsPerson as error:
                found = error.message
            if isinstance(found, Desired):
                promoted[route] = found.release
            else:
                lost[route] = (
                    f"its last promoted commit {commit[:12]} cannot be followed: {found or 'it asks for nothing'}"
                )
        rejected: dict[str, tuple[Rejection, ...]] = {}
        for note in self._record.rejections():
            rejection = Rejection(note.release, note.touched, note.reason, note.at)
            rejected[note.route] = (*rejected.get(note.route, ()), rejection)
        return Remembered(promoted, lost, rejected)

    def led_home(self, snapshot: Snapshot, route: str, wish: Desired) -> Desired:
        """The wish of a feature whose override is gone, under the commit that removed it, or that changed since what its model

        asks for: what was turned down on this route before is asked for anew. Raises RetryLater, NeedsPerson. Called by the loop.
        """
        model, feature = split_route(route)
        found = snapshot.declared.models.get(model)
        if snapshot.commit is None or found is None or found.deployment is None:
            return wish
        commit, known = self._homes
        if commit != snapshot.commit:
            commit, known = self._homes = snapshot.commit, {}
        if route not in known:
            known[route] = self._mirror.asked(snapshot.commit, found.deployment.path, feature, ())
        return replace(wish, touched=known[route])

    def as_turned_down(self, wish: Desired | None, rejected: Collection[Rejection]) -> Desired | None:
        """The wish; under the commit that was turned down for the same release, where no newer one asks for it.

        What counts as asking may be told otherwise by another version of Tidegate, which an upgrade must not take for news.
        """
        if wish is None or not rejected:
            return wish
        digest, asks = wish.release.digest, wish.touched
        same = [one.touched for one in rejected if one.digest == digest]
        if not same or asks in same:
            return wish
        for commit in reversed(same):
            pair = (asks, commit)
            if pair not in self._older:
                self._older[pair] = self._mirror.contains(*pair)
            if self._older[pair]:
                return replace(wish, touched=commit)
        return wish

    def digest_at(self, route: str, commit: str) -> str | None:
        """The digest of the release that a route asks for at a commit; a feature without an override asks as its model."""
        found = self._asked(route, commit)
        return found.release.digest if isinstance(found, Desired) else None

    def _asked(self, route: str, commit: str) -> Desired | str | None:
        """What one route asked for at a commit, whose only `touched` is that commit: its model alone is read."""
        model, _ = split_route(route)
        folders = (f"models/{model}/", "policies/")
        files = self._mirror.read(commit, lambda path: path.startswith(folders) and wanted(path))
        desired = desired_routes(load(files, self._environment), commit, lambda _: commit, self._pinned)
        return desired.get(route, desired.get(model))

    def deployment_path(self, model: str) -> str:
        """The file that asks for this model's releases."""
        found = self._last.declared.models.get(model)
        if found is not None and found.deployment is not None:
            return found.deployment.path
        return f"models/{model}/deployment.yaml"
