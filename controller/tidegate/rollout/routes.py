"""From what one commit declares to what each route is asked to serve. A route that cannot be followed says why. Pure.

Neighbours: spec/declared.py loads, spec/digest.py names releases; the engine calls this for each new commit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tidegate.rollout.state import Desired
from tidegate.spec.declared import Declared, DeclaredModel, Loaded
from tidegate.spec.deployment import Deployment, FeatureOverride
from tidegate.spec.digest import config_digest, release_digest, workload_digest
from tidegate.spec.inference import InferenceConfig
from tidegate.spec.release import Release, route_name
from tidegate.spec.source import Loc
from tidegate.spec.version import ModelVersion


class Asking(NamedTuple):
    """Where a route's wish stands: its feature's part of the deployment (None: the model's own), and other whole files."""

    deployment: str
    feature: str | None
    others: tuple[str, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """All of these files."""
        return (self.deployment, *self.others)


Touched = Callable[[Asking], str]
"""The newest commit that changed what a route asks for."""
Pinned = Callable[[str, str, str], Loaded[InferenceConfig] | None]
"""(model, config name, commit) to that config as it stood then; None when it was not there or did not load."""


class _Cannot(Exception):  # noqa: N818 not an error of the program: it carries one route's problem to its place
    """Why a route cannot be followed, with its place."""


def desired_routes(declared: Declared, commit: str, touched: Touched, pinned: Pinned) -> dict[str, Desired | str]:
    """By route, what is asked for, or the problem in words; for each model and each feature with an override.

    A model without a deployment has no route. What a route refers to and cannot be found is its own problem alone.
    """
    wanted: dict[str, Desired | str] = {}
    for _, found in sorted(declared.models.items()):
        wanted |= desired_of(found, declared, commit, touched, pinned)
    return wanted


def desired_of(
    model: DeclaredModel, declared: Declared, commit: str, touched: Touched, pinned: Pinned
) -> dict[str, Desired | str]:
    """The part of it that is one model's: of all else that is declared, the policies alone matter to it."""
    deployment = model.deployment
    if deployment is None:
        broken = next((p for p in model.problems if _is_deployment(p.path)), None)
        return (
            {model.name: f"{broken.path}:{broken.line}:{broken.column}: {broken.message}"} if broken is not None else {}
        )
    builder = _Builder(declared, model, deployment, commit, touched, pinned)
    wanted = {model.name: builder.route(None, FeatureOverride())}
    for feature, override in sorted(deployment.value.features.items()):
        wanted[route_name(model.name, feature)] = builder.route(feature, override)
    return wanted


def _is_deployment(path: str) -> bool:
    return path.endswith("/deployment.yaml") or "/deployments/" in path


class _Builder:
    """Makes the wishes of one model's deployment."""

    def __init__(
        self,
        declared: Declared,
        model: DeclaredModel,
        deployment: Loaded[Deployment],
        commit: str,
        touched: Touched,
        pinned: Pinned,
    ) -> None:
        self._declared = declared
        self._model = model
        self._deployment = deployment
        self._commit = commit
        self._touched = touched
        self._pinned = pinned

    def route(self, feature: str | None, override: FeatureOverride) -> Desired | str:
        """The wish of the model itself (no feature), or of one feature; what an override leaves out is inherited."""
        try:
            return self._route(feature, override)
        except _Cannot as problem:
            return str(problem)

    def _route(self, feature: str | None, override: FeatureOverride) -> Desired:
        deployment, model = self._deployment.value, self._model.model
        where: Loc = ("features", feature) if feature else ()
        if model is None:
            raise _Cannot(
                f"models/{self._model.name}/model.yaml:1:1: missing or broken, so its deployment cannot be followed"
            )
        if feature is not None and feature not in model.value.features:
            raise self._cannot(where, f"'{feature}' is not among the features of model '{self._model.name}'")
        version = self._version(
            (*where, "version"), override.version or deployment.version, override.version is not None
        )
        given = override.config or deployment.config
        config = self._config((*where, "config"), given, override.config is not None) if given is not None else None
        policy_name = override.policy or deployment.policy
        policy = self._declared.policies.get(policy_name)
        if policy is None:
            at: Loc = (*where, "policy") if override.policy else ("policy",)
            raise self._cannot(at, f"policy '{policy_name}' is missing or broken: policies/{policy_name}.yaml")
        workload = workload_digest(version.source)
        digest = release_digest(self._model.name, workload, config_digest(config.source) if config else None)
        others = [version.path]
        if config is not None and given is not None and "@" not in given:
            others.append(config.path)
        runtime = version.value.runtime
        return Desired(
            release=Release(self._model.name, version.value.version, given, digest, workload, self._commit),
            policy=policy.value,
            touched=self._touched(Asking(self._deployment.path, feature, tuple(others))),
            reason=override.reason or deployment.reason,
            owners=model.value.owners,
            replicas=override.replicas or deployment.replicas,
            hold=deployment.hold if override.hold is None else override.hold,
            approvals=deployment.approvals if override.approvals is None else override.approvals,
            startup_timeout=runtime.startup_timeout if runtime is not None else 60.0,
        )

    def _version(self, where: Loc, name: str, own: bool) -> Loaded[ModelVersion]:
        found = self._model.versions.get(name)
        if found is None:
            path = f"models/{self._model.name}/versions/{name}.yaml"
            raise self._cannot(where if own else ("version",), f"version '{name}' is missing or broken: {path}")
        return found

    def _config(self, where: Loc, given: str, own: bool) -> Loaded[InferenceConfig]:
        name, _, commit = given.partition("@")
        found = self._pinned(self._model.name, name, commit) if commit else self._model.configs.get(name)
        if found is None:
            path = f"models/{self._model.name}/configs/{name}.yaml" + (f" at commit {commit[:12]}" if commit else "")
            raise self._cannot(where if own else ("config",), f"config '{given}' is missing or broken: {path}")
        return found

    def _cannot(self, where: Loc, message: str) -> _Cannot:
        line, column = self._deployment.source.at(where)
        return _Cannot(f"{self._deployment.path}:{line}:{column}: {message}")
