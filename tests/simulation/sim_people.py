"""What people do to the repository in a story: deployments, configs, features, reverts, mistakes. Texts from a small set.

Every commit goes on the remote's own head, as a merged pull request does. Neighbours: sim_story.py says when,
sim_git.py is the remote.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import yaml
from sim_git import BRANCH, Commit, Store

VERSIONS = ("1.0.0", "2.0.0", "3.0.0", "4.0.0", "5.0.0")
ACCURACY = {"4.0.0": 0.95, "5.0.0": 0.5}
"""Of the versions that bring their evaluation; the contract lets none fall by more than 0.1."""
POLICIES = ("fast", "careful", "loose", "strict", "propose", "alone")
CONFIGS = ("a", "b", "c")
FEATURES = ("f", "g")


def flow(kind: str, fields: Mapping[str, Any]) -> bytes:
    """A document: its header, then a field a line. JSON is YAML."""
    lines = [f"{name}: {json.dumps(value)}" for name, value in fields.items() if value is not None]
    return "\n".join(["api: tidegate/v1", f"kind: {kind}", *lines, ""]).encode()


def _steps(*steps: tuple[str, str, str, int], **more: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"name": name, "weight": weight, "for": duration, "min_requests": least, **more.get(name, {})}
        for name, weight, duration, least in steps
    ]


DISASTER = {"metric": "error_rate", "max": 0.5, "min_requests": 4, "immediate": True}


@functools.cache
def policy(name: str) -> bytes:
    """One of POLICIES."""
    shared: dict[str, Any] = {
        "name": name, "batch": "1s", "drain": "2s", "standby": "25s", "startup_timeout": "6s", "guardrails": [DISASTER],
        "no_data": {"action": "hold", "for": "9s", "then": "hold"}, "confidence": 0.9,
    }  # fmt: skip
    three = _steps(("canary", "10%", "3s", 3), ("half", "50%", "3s", 0), ("full", "100%", "2s", 0))
    own: dict[str, dict[str, Any]] = {
        "fast": {"steps": _steps(("all", "100%", "2s", 0))},
        "careful": {
            "steps": three,
            "config_steps": _steps(("taste", "25%", "2s", 0), ("whole", "100%", "2s", 0)),
            "no_data": {"action": "hold", "for": "8s", "then": "rollback"},
        },
        "loose": {
            "steps": [
                {"name": "insiders", "segments": ["internal"], "for": "2s"},
                *_steps(("third", "30%", "3s", 2), ("most", "100%", "3s", 0), most={"holdback": "1%"}),
            ],
            "guardrails": [DISASTER, {"metric": "error_rate", "max_ratio": 2.0}],
            "standby": "0s",
            "no_data": {"action": "hold", "for": "6s", "then": "pass"},
            "budget": {"for": "30s", "then": "promote"},
        },
        "strict": {
            "steps": _steps(("canary", "20%", "3s", 3), ("full", "100%", "3s", 3), full={"approve": "manual"}),
            "budget": {"for": "20s", "then": "rollback"},
            "rollback": {"git": "revert", "window": 1},
            "validate": {"evaluation": "optional"},
        },
        "propose": {"steps": three[:2], "rollback": {"git": "branch"}, "drain": "6s"},
        "alone": {"steps": three[1:], "rollback": {"git": "none", "window": 0}, "warm_up": "1s"},
    }
    return flow("RolloutPolicy", {**shared, **own[name]})


@functools.cache
def model(name: str, variant: int = 0) -> bytes:
    """A model with a segment and two features; variant 1 splits by user."""
    fields = {
        "name": name, "summary": "Answers.", "owners": ["team-a"], "protocol": "open-inference",
        "features": list(FEATURES), "segments": {"internal": {"header": "x-user-group", "values": ["internal"]}},
        "sticky": {"header": "x-user-id"} if variant == 1 else None,
        "acceptance": {"regression": {"accuracy": {"max_drop": 0.1}}},
    }  # fmt: skip
    return flow("Model", fields)


@functools.cache
def version(name: str, number: str) -> bytes:
    """A version; one with an accuracy brings its evaluation."""
    accuracy = ACCURACY.get(number)
    digest = hashlib.sha256(f"{name} {number}".encode()).hexdigest()
    fields = {
        "model": name, "version": number, "reason": "Retrained.",
        "artifact": {"uri": f"https://models.example.com/{name}/{number}.bin", "sha256": digest, "size": 10},
        "runtime": {"image": f"registry.example.com/serve@sha256:{digest}", "ready": "/ready", "startup_timeout": "6s"},
        "evaluation": None if accuracy is None else {"set_sha256": "e" * 64, "examples": 500, "metrics": {"accuracy": accuracy}},
    }  # fmt: skip
    return flow("ModelVersion", fields)


@functools.cache
def config(model_name: str, temperature: str) -> bytes:
    """The default inference config, in one of CONFIGS."""
    parameters = {"temperature": CONFIGS.index(temperature) / 10}
    return flow("InferenceConfig", {"model": model_name, "name": "default", "parameters": parameters})


@functools.lru_cache(maxsize=4096)
def _parsed(text: bytes) -> str:
    return json.dumps(yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


class People:
    """The persons of one story, at the remote."""

    def __init__(self, store: Store, now: Callable[[], float], models: tuple[str, ...]) -> None:
        self._store = store
        self.forgotten: set[str] = set()
        self._now = now
        self._said = 0
        self.models = models
        self.made: list[str] = []
        files = {"README.md": b"Our models.\n", **{f"policies/{one}.yaml": policy(one) for one in POLICIES}}
        self._push(files, None, "Policies")

    @property
    def head(self) -> Commit | None:
        """The branch's newest commit."""
        found = self._store.refs.get(BRANCH)
        return self._store.commits[found] if found else None

    def _push(self, files: Mapping[str, bytes], parent: str | None, message: str) -> str:
        self._said += 1
        message = f"{message} ({self._said})"
        made = self._store.commit(files, [parent] if parent else [], message, "Team A", self._now())
        self._store.refs[BRANCH] = made
        self.made.append(made)
        return made

    def commit(self, message: str, **changes: bytes | None) -> str:
        """Files changed, `None` removes one; on top of whatever is there."""
        return self.commit_files(message, changes)

    def commit_files(self, message: str, changes: Mapping[str, bytes | None]) -> str:
        head = self.head
        files = dict(head.files) if head else {}
        for path, content in changes.items():
            if content is None:
                files.pop(path, None)
            else:
                files[path] = content
        return self._push(files, head.id if head else None, message)

    def _deployment(self, name: str) -> dict[str, Any]:
        head = self.head
        text = head.files.get(f"models/{name}/deployment.yaml") if head else None
        try:
            found = json.loads(_parsed(text)) if text else None
        except yaml.YAMLError:
            found = None
        return found if isinstance(found, dict) else {}

    def edit(self, name: str, message: str, edit: Callable[[dict[str, Any]], None]) -> str:
        """Change a model's deployment; the files it needs come with it. A deployment that is gone begins anew."""
        fields = self._deployment(name)
        fields = {k: v for k, v in fields.items() if k not in ("api", "kind")}
        fields = {"model": name, "version": VERSIONS[0], "policy": "fast", **fields}
        edit(fields)
        head = self.head
        files = head.files if head else {}
        needed = {f"models/{name}/model.yaml": model(name)}
        asked = [fields, *fields.get("features", {}).values()]
        for one in asked:
            if "version" in one:
                path = f"models/{name}/versions/{one['version']}.yaml"
                needed[path] = version(name, one["version"])
            if "config" in one and "@" not in one["config"]:
                needed[f"models/{name}/configs/default.yaml"] = config(name, "a")
        changes: dict[str, bytes | None] = {p: c for p, c in needed.items() if p not in files}
        changes[f"models/{name}/deployment.yaml"] = flow("Deployment", fields)
        return self.commit_files(message, changes)

    # -- the acts of a story, by name ----------------------------------------------------------------------------------

    def deploy(self, name: str, number: str, rules: str | None = None, replicas: int | None = None) -> None:
        """Ask for a version, perhaps under another policy, perhaps with more replicas."""

        def change(fields: dict[str, Any]) -> None:
            fields["version"] = number
            fields.pop("approvals", None)
            fields["reason"] = f"Version {number}."
            if rules is not None:
                fields["policy"] = rules
            if replicas is not None:
                fields["replicas"] = replicas

        self.edit(name, f"{name} {number}", change)

    def touch(self, name: str) -> None:
        """Ask for the same once more, by a newer commit."""
        self.edit(name, f"{name} once more", lambda fields: fields.update(reason=f"Once more, {self._said}."))

    def configure(self, name: str, temperature: str) -> None:
        """Change the inference config, and name it in the deployment where it is not named yet."""
        if "config" not in self._deployment(name):
            self.edit(name, f"{name} gets a config", lambda fields: fields.update(config="default"))
        self.commit_files(
            f"{name} config {temperature}", {f"models/{name}/configs/default.yaml": config(name, temperature)}
        )

    def feature(self, name: str, feature: str, number: str | None) -> None:
        """Give a feature its own version, or take its override away."""

        def change(fields: dict[str, Any]) -> None:
            features = fields.setdefault("features", {})
            features.pop(feature, None)
            if number is not None:
                features[feature] = {"version": number}
            if not features:
                del fields["features"]

        self.edit(name, f"{name}/{feature} {number or 'follows'}", change)

    def mixed(self, name: str, number: str) -> None:
        """A version, a config and a text in one commit."""
        self.deploy(name, number)
        head = self.head
        assert head is not None
        files = {**head.files, "README.md": f"Our models, {self._said}.\n".encode()}
        if f"models/{name}/configs/default.yaml" in files:
            files[f"models/{name}/configs/default.yaml"] = config(name, "c")
        self._store.refs[BRANCH] = head.parents[0]
        self._push(files, head.parents[0], f"{name} {number} and more")

    def hold(self, name: str, on: bool) -> None:
        """`hold: true`, or away with it."""
        self.edit(name, f"{name} hold {on}", lambda fields: fields.update(hold=on))

    def approve(self, name: str, step: str) -> None:
        """Write a step's name into `approvals`."""
        self.edit(
            name,
            f"approve {step}",
            lambda fields: fields.update(approvals=sorted({*fields.get("approvals", ()), step})),
        )

    def replicas(self, name: str, number: int) -> None:
        """As many replicas from now on."""
        self.edit(name, f"{name} x{number}", lambda fields: fields.update(replicas=number))

    def rules(self, name: str, rules: str) -> None:
        """Another policy."""
        self.edit(name, f"{name} under {rules}", lambda fields: fields.update(policy=rules))

    def sticky(self, name: str, variant: int) -> None:
        """Another way to split the traffic; no release changes by it."""
        self.commit_files(f"{name} split {variant}", {f"models/{name}/model.yaml": model(name, variant)})

    def revert(self, back: int = 0) -> None:
        """`git revert` of a person's commit, the `back`-th newest that is still in the history."""
        head = self.head
        if head is None:
            return
        line = [one for one in self._store.ancestry(head.id) if one.parents]
        if len(line) <= back:
            return
        bad = line[back]
        before = self._store.commits[bad.parents[0]].files
        changes: dict[str, bytes | None] = {
            path: before.get(path)
            for path in bad.files.keys() | before.keys()
            if bad.files.get(path) != before.get(path) and head.files.get(path) == bad.files.get(path)
        }
        self.commit_files(f'Revert "{bad.subject}"', changes)

    def delete(self, what: str) -> None:
        """Remove a file or a folder from git."""
        head = self.head
        files = head.files if head else {}
        self.commit_files(f"Remove {what}", {path: None for path in files if path.startswith(what)})

    def break_file(self, path: str) -> None:
        """A commit that cannot be read."""
        self.commit_files(f"Break {path}", {path: b"api: tidegate/v1\nkind: [\n"})

    def force_push(self, back: int) -> None:
        """The branch goes back some commits, and history forgets them."""
        head = before = self.head
        for _ in range(back):
            if head is not None and head.parents:
                head = self._store.commits[head.parents[0]]
        if head is not None and before is not None:
            self._store.refs[BRANCH] = head.id
            kept = {one.id for one in self._store.ancestry(head.id)}
            self.forgotten |= {one.id for one in self._store.ancestry(before.id)} - kept

    def merge_proposal(self) -> None:
        """A person merges the oldest open rollback branch, where that goes without conflicts."""
        head = self.head
        for ref, at in sorted(self._store.refs.items()):
            if head is None or not ref.startswith("refs/heads/tidegate/") or self._store.is_ancestor(at, head.id):
                continue
            proposal = self._store.commits[at]
            before = self._store.commits[proposal.parents[0]].files
            files = dict(head.files)
            for path in proposal.files.keys() | before.keys():
                if proposal.files.get(path) != before.get(path):
                    files[path] = proposal.files[path]
            made = self._store.commit(files, [head.id, at], f"Merge {ref}", "Team A", self._now())
            self._store.refs[BRANCH] = made
            self.made.append(made)
            return

    def chore(self) -> None:
        """A commit that concerns no model."""
        self.commit_files("Read me", {"README.md": f"Our models, {self._said}.\n".encode()})
