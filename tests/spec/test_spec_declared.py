"""Loading the files of one commit: one broken file hides no other, and every problem names its place and its fix."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import tidegate.rules
from tidegate.spec.declared import Declared, load, load_config, load_document, wanted
from tidegate.spec.layout import modeline, place, schema_file
from tidegate.spec.model import Model
from tidegate.spec.policy import RolloutPolicy
from tidegate.spec.source import Problem
from tidegate.spec.version import ModelVersion

GOLDEN = yaml.safe_load((Path(__file__).parent / "golden_problems.yaml").read_text())
EXAMPLE = Path(tidegate.rules.__file__).parent / "example"
VERSION = "models/digits/versions/2.0.0.yaml"
DEPLOYMENT = "models/digits/deployment.yaml"
POLICY = "policies/progressive.yaml"


def example() -> dict[str, bytes]:
    return {path.relative_to(EXAMPLE).as_posix(): path.read_bytes() for path in EXAMPLE.rglob("*.yaml")}


def edited(path: str, old: str, new: str) -> dict[str, bytes]:
    files = example()
    assert old.encode() in files[path]
    return files | {path: files[path].replace(old.encode(), new.encode())}


def problem(path: str, old: str, new: str) -> Problem:
    """The one problem after that edit."""
    found = load(edited(path, old, new), None).problems
    assert len(found) == 1, found
    return found[0]


def test_a_whole_repository_loads_with_everything_in_its_place() -> None:
    declared = load(example())
    assert declared.problems == ()
    assert set(declared.models) == {"assistant", "digits"}
    digits = declared.models["digits"]
    assert digits.model is not None and digits.model.value.owners == ("vision-platform",)
    assert set(digits.versions) == {"1.0.0", "1.1.0", "2.0.0"}
    assert digits.versions["2.0.0"].value.runtime is not None
    assert digits.versions["2.0.0"].source.at(("artifact", "sha256")) == (9, 11)
    assert set(digits.configs) == {"default"}
    assert digits.deployment is not None and digits.deployment.value.features["archive"].version == "1.0.0"
    assert set(declared.policies) == {"progressive"}
    assert declared.controller is not None and declared.controller.value.poll == 60.0
    assert declared.governance is not None and declared.governance.value.end_of_life_notice_days == 90


def test_an_empty_commit_declares_nothing_and_breaks_nothing() -> None:
    assert load({}) == Declared()


def test_paths_that_are_not_ours_are_ignored() -> None:
    noise = {"README.md": b"\xff", "models/digits/train.py": b"", "models/digits/versions/deep/1.0.0.yaml": b"[",
             "models/x.yaml": b"[", "other/tidegate.yaml": b"[", "policies/old/p.yaml": b"["}  # fmt: skip
    assert load(example() | noise) == load(example())
    assert not any(wanted(path) for path in noise)
    assert all(wanted(path) for path in example())


def test_one_broken_file_leaves_only_its_own_place_empty() -> None:
    files = edited(VERSION, "artifact:", "artifact: [") | {POLICY: b"kind: ]"}
    declared = load(files)
    digits = declared.models["digits"]
    assert set(digits.versions) == {"1.0.0", "1.1.0"}
    assert digits.model is not None and digits.deployment is not None
    assert [p.path for p in digits.problems] == [VERSION]
    assert declared.models["assistant"].problems == ()
    assert declared.policies == {}
    assert {p.path for p in declared.problems} == {VERSION, POLICY}


def test_a_broken_model_file_leaves_its_versions() -> None:
    digits = load(edited("models/digits/model.yaml", "protocol: open-inference", "protocol: grpc")).models["digits"]
    assert digits.model is None
    assert set(digits.versions) == {"1.0.0", "1.1.0", "2.0.0"}


def test_the_deployment_of_the_environment_is_the_one_that_counts() -> None:
    files = example()
    text = files.pop(DEPLOYMENT)
    files["models/digits/deployments/production.yaml"] = text
    files["models/digits/deployments/staging.yaml"] = text.replace(b"2.0.0", b"1.0.0")
    production, staging = load(files).models["digits"], load(files, "staging").models["digits"]
    assert production.deployment is not None and production.deployment.value.version == "2.0.0"
    assert staging.deployment is not None and staging.deployment.value.version == "1.0.0"
    assert load(files, "elsewhere").models["digits"].deployment is None
    assert set(load(files, None).models["digits"].deployments) == {
        "models/digits/deployments/production.yaml",
        "models/digits/deployments/staging.yaml",
    }


def test_a_broken_deployment_of_another_environment_is_none_of_our_business() -> None:
    files = example()
    files["models/digits/deployments/production.yaml"] = files.pop(DEPLOYMENT)
    files["models/digits/deployments/staging.yaml"] = b"["
    assert load(files).problems == ()
    assert [p.path for p in load(files, None).problems] == ["models/digits/deployments/staging.yaml"]


def test_two_ways_to_deploy_at_once_are_a_problem_and_neither_counts() -> None:
    files = example()
    files["models/digits/deployments/production.yaml"] = files[DEPLOYMENT]
    digits = load(files).models["digits"]
    assert digits.deployment is None
    assert [p.code for p in digits.problems] == ["two-deployments"]


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["says"])
def test_what_does_not_fit_a_kind_is_told_with_place_and_fix(case: dict[str, str]) -> None:
    found = problem(case["path"], case["old"], case["new"])
    assert f"{found.line}:{found.column} {found.code}: {found.message}" == case["says"]
    assert found.fix == case["fix"]
    assert found.path == case["path"]


def test_a_file_of_the_wrong_kind_tells_only_that() -> None:
    files = example()
    assert [p.code for p in load(files | {VERSION: files[DEPLOYMENT]}).problems] == ["wrong-kind"]


def test_a_file_that_is_no_mapping_is_told_how_to_begin() -> None:
    _, problems = load_document(Model, b"- a\n", "models/digits/model.yaml")
    assert [p.fix for p in problems] == ["begin with 'api: tidegate/v1' and 'kind: Model'"]


def test_all_problems_of_a_file_are_told_at_once_and_in_order() -> None:
    text = (
        example()[VERSION].replace(b"size: 31245", b"sizes: 1").replace(b"gpus", b"g").replace(b"cpus: 1", b"cpus: 01")
    )
    _, problems = load_document(ModelVersion, text, VERSION)
    assert [(p.line, p.code) for p in problems] == [(11, "unknown-field"), (17, "odd-number")]


def test_the_python_names_of_aliased_fields_are_not_part_of_the_format() -> None:
    text = example()[POLICY].replace(b"confidence:", b"validation: {}\nconfidence:")
    loaded, problems = load_document(RolloutPolicy, text, POLICY)
    assert loaded is None
    assert [p.fix for p in problems] == ["did you mean 'validate'?"]


def test_a_config_of_another_commit_is_read_alone() -> None:
    path = "models/digits/configs/default.yaml"
    loaded, problems = load_config(example()[path], path)
    assert loaded is not None and problems == ()
    assert loaded.value.parameters == {"threshold": 0.5}
    loaded, problems = load_config(b"kind: InferenceConfig\n", path)
    assert loaded is None
    assert [p.message for p in problems] == ["'api' is missing", "'model' is missing", "'name' is missing"]


def test_every_place_knows_its_kind_model_and_name() -> None:
    found = place("models/digits/versions/2.0.1+data.7.yaml")
    assert found is not None
    assert (found.kind, found.model, found.name, found.environment) == ("ModelVersion", "digits", "2.0.1+data.7", None)
    found = place("models/digits/deployments/eu.yaml")
    assert found is not None and (found.kind, found.environment) == ("Deployment", "eu")
    found = place("policies/governance.yaml")
    assert found is not None and found.kind == "Governance"
    assert place("models/digits/versions/2.0.0.yml") is None


def test_the_modeline_leads_from_the_file_to_its_schema() -> None:
    assert schema_file("RolloutPolicy") == "rollout-policy.json"
    assert modeline("tidegate.yaml") == "# yaml-language-server: $schema=schemas/controller.json"
    assert modeline(VERSION) == "# yaml-language-server: $schema=../../../schemas/model-version.json"
    assert modeline("README.md") is None
