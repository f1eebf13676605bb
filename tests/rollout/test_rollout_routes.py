"""From the files of a commit to what each route is asked for; a route that cannot be followed says where and why."""

from __future__ import annotations

from textwrap import dedent

import pytest

from tidegate.rollout.routes import Asking, desired_routes
from tidegate.rollout.state import Desired
from tidegate.spec.declared import Loaded, load, load_config
from tidegate.spec.inference import InferenceConfig

COMMIT = "c" * 40
MODEL = """
    api: tidegate/v1
    kind: Model
    name: digits
    summary: Reads a digit.
    owners: [vision]
    protocol: open-inference
    features: [checkout, archive]
"""
VERSION = """
    api: tidegate/v1
    kind: ModelVersion
    model: digits
    version: "{version}"
    reason: Because.
    runtime: {{command: [serve, "{version}"], startup_timeout: 90s}}
"""
CONFIG = """
    api: tidegate/v1
    kind: InferenceConfig
    model: digits
    name: default
    parameters: {temperature: 0.2}
"""
POLICY = """
    api: tidegate/v1
    kind: RolloutPolicy
    name: {name}
    steps: [{{name: canary, weight: 5%, for: 1m}}]
"""
DEPLOYMENT = """
    api: tidegate/v1
    kind: Deployment
    model: digits
    version: "1.0.0"
    policy: careful
    reason: Goes out.
    replicas: 2
"""


def files(deployment: str = DEPLOYMENT, **changed: str | None) -> dict[str, bytes]:
    """A whole repository, but for what is changed (None: left out)."""
    whole: dict[str, str | None] = {
        "models/digits/model.yaml": MODEL,
        "models/digits/versions/1.0.0.yaml": VERSION.format(version="1.0.0"),
        "models/digits/versions/2.0.0.yaml": VERSION.format(version="2.0.0"),
        "models/digits/configs/default.yaml": CONFIG,
        "models/digits/deployment.yaml": deployment,
        "policies/careful.yaml": POLICY.format(name="careful"),
        "policies/quick.yaml": POLICY.format(name="quick"),
    }
    whole |= {path.replace("__", "/") + ".yaml": text for path, text in changed.items()}
    return {path: dedent(text).lstrip().encode() for path, text in whole.items() if text is not None}


def touched(asking: Asking) -> str:
    return "+".join(path.rpartition("/")[2] for path in asking.paths) + (
        f" of {asking.feature}" if asking.feature else ""
    )


def pinned(model: str, name: str, commit: str) -> Loaded[InferenceConfig] | None:
    """Another `default`, as it stood at one commit."""
    if (model, name, commit) != ("digits", "default", "abcdef1"):
        return None
    text = dedent(CONFIG.replace("0.2", "0.9")).lstrip().encode()
    return load_config(text, f"models/{model}/configs/{name}.yaml")[0]


def routes(deployment: str = DEPLOYMENT, **changed: str | None) -> dict[str, Desired | str]:
    return desired_routes(load(files(deployment, **changed)), COMMIT, touched, pinned)


def wish(deployment: str = DEPLOYMENT, route: str = "digits") -> Desired:
    found = routes(deployment)[route]
    assert isinstance(found, Desired), found
    return found


def test_a_models_route_is_asked_for_what_its_deployment_says() -> None:
    found = wish()
    assert (found.release.model, found.release.version, found.release.config) == ("digits", "1.0.0", None)
    assert found.release.commit == COMMIT
    assert found.touched == "deployment.yaml+1.0.0.yaml"
    assert (found.reason, found.owners, found.replicas) == ("Goes out.", ("vision",), 2)
    assert (found.hold, found.approvals, found.startup_timeout) == (False, (), 90.0)
    assert [step.name for step in found.policy.steps] == ["canary"]


def test_only_models_with_a_deployment_and_features_with_an_override_have_a_route() -> None:
    assert list(routes()) == ["digits"]
    assert routes(models__digits__deployment=None) == {}
    assert list(routes(DEPLOYMENT + "    features: {archive: {version: '2.0.0'}}")) == ["digits", "digits/archive"]


def test_a_feature_inherits_what_its_override_leaves_out() -> None:
    text = DEPLOYMENT + (
        "    config: default\n    hold: true\n    approvals: [canary]\n"
        "    features: {archive: {version: '2.0.0'}, checkout: {policy: quick, hold: false, replicas: 5, reason: Mine.}}"
    )
    archive, checkout = wish(text, "digits/archive"), wish(text, "digits/checkout")
    assert (archive.release.version, archive.release.config) == ("2.0.0", "default")
    assert (archive.hold, archive.approvals, archive.replicas, archive.reason) == (True, ("canary",), 2, "Goes out.")
    assert (checkout.release.version, checkout.hold, checkout.replicas, checkout.reason) == ("1.0.0", False, 5, "Mine.")
    assert archive.touched == "deployment.yaml+2.0.0.yaml+default.yaml of archive"


def test_a_feature_and_its_model_with_the_same_words_are_the_same_release() -> None:
    text = DEPLOYMENT + "    features: {archive: {policy: quick}}"
    assert wish(text, "digits/archive").release == wish(text).release


def test_another_config_is_another_release_of_the_same_workload() -> None:
    plain, configured = wish().release, wish(DEPLOYMENT + "    config: default").release
    assert plain.workload == configured.workload
    assert plain.digest != configured.digest


def test_a_pinned_config_is_the_one_of_that_commit() -> None:
    now = wish(DEPLOYMENT + "    config: default")
    then = wish(DEPLOYMENT + "    config: default@abcdef1")
    assert then.release.config == "default@abcdef1"
    assert then.release.digest != now.release.digest
    assert then.touched == "deployment.yaml+1.0.0.yaml"


@pytest.mark.parametrize(
    ("extra", "route", "message"),
    [
        ("    config: missing", "digits", "models/digits/deployment.yaml:8:9: config 'missing' is missing or broken: "
         "models/digits/configs/missing.yaml"),
        ("    config: default@1234567", "digits", "config 'default@1234567' is missing or broken: "
         "models/digits/configs/default.yaml at commit 1234567"),
        ("    features: {archive: {version: '9.0.0'}}", "digits/archive",
         "deployment.yaml:8:31: version '9.0.0' is missing or broken: models/digits/versions/9.0.0.yaml"),
        ("    features: {archive: {policy: none}}", "digits/archive", "policy 'none' is missing or broken"),
        ("    features: {unknown: {policy: quick}}", "digits/unknown", "'unknown' is not among the features of model"),
    ],
)  # fmt: skip
def test_a_reference_that_leads_nowhere_is_that_routes_problem_alone(extra: str, route: str, message: str) -> None:
    found = routes(DEPLOYMENT + extra)
    problem = found.pop(route)
    assert isinstance(problem, str)
    assert message in problem
    assert all(isinstance(other, Desired) for other in found.values())


def test_a_version_that_nobody_wrote_is_told_at_the_deployments_line() -> None:
    (problem,) = routes(DEPLOYMENT.replace("1.0.0", "7.0.0")).values()
    assert problem == (
        "models/digits/deployment.yaml:4:10: version '7.0.0' is missing or broken: models/digits/versions/7.0.0.yaml"
    )


def test_a_broken_deployment_is_a_problem_and_not_a_missing_route() -> None:
    (problem,) = routes(DEPLOYMENT + "    repliacs: 2").values()
    assert isinstance(problem, str)
    assert problem.startswith("models/digits/deployment.yaml:8:1: ")


def test_a_broken_model_is_its_routes_problem() -> None:
    found = routes(models__digits__model="nonsense: true")
    assert found == {"digits": "models/digits/model.yaml:1:1: missing or broken, so its deployment cannot be followed"}


def test_the_policy_is_no_part_of_a_release() -> None:
    text = DEPLOYMENT.replace("careful", "quick")
    assert wish(text).release == wish().release
