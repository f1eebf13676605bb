"""What the controller asks: the findings of a commit, and which models they keep on their old state."""

from __future__ import annotations

import pytest
from example_repo import edited, example, judge

from tidegate.rules import api
from tidegate.rules.api import Validator, blocking, validate_declared, validate_files
from tidegate.rules.context import Context
from tidegate.rules.engine import run_models
from tidegate.rules.finding import Finding
from tidegate.rules.registry import RULES
from tidegate.rules.rule import Example, Rule
from tidegate.spec.declared import Loader, load


def test_a_clean_commit_blocks_nobody() -> None:
    assert validate_files(example()) == []
    assert blocking([]) == {}


def test_a_broken_model_blocks_itself_and_no_other() -> None:
    findings = validate_files(edited(Example("models/digits/deployment.yaml", 'version: "9.9.9"', 'version: "2.0.0"')))
    assert {name: [f.rule for f in found] for name, found in blocking(findings).items()} == {
        "digits": ["unknown-version"]
    }


def test_warnings_block_nobody() -> None:
    findings = validate_files({path: text.partition(b"\n")[2] for path, text in example().items()})
    assert {f.severity for f in findings} == {"warning"}
    assert blocking(findings) == {}


def test_a_policys_errors_block_the_models_that_use_it() -> None:
    files = edited(Example("policies/progressive.yaml", "metric: speed,", "metric: latency_p95_ms,"))
    files["policies/spare.yaml"] = files["policies/progressive.yaml"].replace(b"name: progressive", b"name: spare")
    findings = validate_files(files)
    assert set(blocking(findings, load(files))) == {"digits", "assistant", None}
    assert {f.path for f in blocking(findings, load(files))[None]} == {"policies/spare.yaml"}
    assert set(blocking(findings)) == {None}


def test_a_policy_that_cannot_be_read_blocks_its_users_by_their_own_files() -> None:
    findings = validate_files(edited(Example("policies/progressive.yaml", "steps: [", "steps:")))
    assert set(blocking(findings)) == {"digits", "assistant", None}


def test_another_environments_deployment_is_not_judged() -> None:
    files = example()
    files["models/digits/deployments/production.yaml"] = files.pop("models/digits/deployment.yaml").replace(
        b"../../", b"../../../"
    )
    files["models/digits/deployments/staging.yaml"] = (
        files["models/digits/deployments/production.yaml"] + b"nonsense: 1\n"
    )
    assert validate_files(files, "production") == []
    assert [f.rule for f in validate_files(files, "staging")] == ["unknown-field"]
    assert [f.path for f in validate_files(files, None)] == ["models/digits/deployments/staging.yaml"]


def test_an_empty_commit_has_no_findings() -> None:
    assert validate_files({}) == []


def test_files_that_are_not_ours_have_none_either() -> None:
    assert validate_files(example() | {"README.md": b"# hello", "models/digits/train.yaml": b"["}) == []


def test_what_is_loaded_already_is_not_loaded_again() -> None:
    files = edited(Example("models/digits/deployment.yaml", "policy: none", "policy: progressive"))
    assert validate_declared(load(files), files) == validate_files(files)


@pytest.mark.no_cover  # the catalogue's tests run the same lines, and measuring would cost twice what the test does
@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.bad], ids=lambda rule: rule.id)
def test_a_commit_judged_after_another_has_the_findings_that_it_has_alone(rule: Rule) -> None:
    """Loaded and judged by what differs from the commit before, there and back again; also where that is told."""
    loader, validator = Loader(), Validator()
    told_loader, told_validator = Loader(), Validator()
    commits = [example(), edited(rule.bad[0]), example(), edited(rule.bad[-1]), {}, example()]
    before: dict[str, bytes] = {}
    for files in commits:
        declared = load(files)
        alone = validate_declared(declared, files)
        assert validator.validate(loader.load(files), files) == alone
        changed = {path for path in {*before, *files} if before.get(path) != files.get(path)}
        following = told_loader.load(files, changed)
        assert (list(following.models), following.problems) == (list(declared.models), declared.problems)
        assert told_validator.validate(following, files, changed) == alone
        before = files


def test_a_commit_that_was_loaded_stays_as_it_was_when_the_next_one_is() -> None:
    loader, files = Loader(), example()
    first = loader.load(files)
    names = list(first.models)
    gone = [path for path in files if path.startswith(f"models/{names[0]}/")]
    loader.load({path: text for path, text in files.items() if path not in gone}, gone)
    assert list(first.models) == names


def test_an_unchanged_model_is_the_same_object_and_is_not_judged_again(monkeypatch: pytest.MonkeyPatch) -> None:
    loader, validator = Loader(), Validator()
    files = example()
    first = loader.load(files)
    validator.validate(first, files)
    files["models/digits/deployment.yaml"] = files["models/digits/deployment.yaml"].replace(
        b'version: "2.0.0"', b'version: "9.9.9"'
    )
    second = loader.load(files)
    assert second.models["assistant"] is first.models["assistant"]
    assert second.models["digits"] is not first.models["digits"]
    seen: list[set[str]] = []

    def judged(context: Context) -> list[Finding]:
        seen.append(set(context.declared.models))
        return run_models(context)

    monkeypatch.setattr(api, "run_models", judged)
    found = validator.validate(second, files)
    assert seen == [{"digits"}]
    assert [finding.rule for finding in found] == ["unknown-version"]


def test_what_falls_short_of_the_contract_blocks_no_rollback_the_controller_judges_candidates_itself() -> None:
    files = edited(Example("models/digits/model.yaml", "accuracy: {min: 0.97}", "accuracy: {min: 0.95}"))
    files["models/digits/deployment.yaml"] = files["models/digits/deployment.yaml"].replace(b"2.0.0", b"1.0.0")
    assert "missed-limit" in {finding.rule for finding in judge(files)}
    assert blocking(validate_files(files), load(files)) == {}
