"""Governance where examples do not reach: patterns of owners against git's own, the calendar, reasons and reverts."""

from __future__ import annotations

import subprocess
from datetime import date
from pathlib import Path

import pytest
from example_repo import edited, example, judge

from tidegate.rules.finding import Finding
from tidegate.rules.owners import is_owner, matches, owning, read_codeowners
from tidegate.rules.rule import Example

MODEL = "models/digits/model.yaml"
DEPLOYMENT = "models/digits/deployment.yaml"
PATHS = (
    "models/digits/model.yaml", "models/digits/deployment.yaml", "models/digits/deployments/eu.yaml",
    "models/digits/versions/1.0.0.yaml", "models/a/b/model.yaml", "policies/progressive.yaml", "policies/eu/fast.yaml",
    "tidegate.yaml", "docs/models/digits/model.yaml", "models/digits/a.yaml", "models/digits/[x].yaml",
)  # fmt: skip
PATTERNS = (
    "*", "*.yaml", "/models/", "models/", "models", "/models", "models/*", "models/*/model.yaml", "/models/*/model.yaml",
    "models/**/model.yaml", "**/model.yaml", "models/**", "policies/*.yaml", "digits", "digits/", "/digits",
    "models/digits", "model.yaml", "/tidegate.yaml", "models/d?gits/", "models/[a-d]*/", "models/digits/[[]x].yaml",
    "models/*/deployment*", "**", "/*", "docs/**/digits/*",
    "models/[!a]*/model.yaml", "models/[^d]*/", "[", "models/[", "models/[z-a]/",
)  # fmt: skip


def found(files: dict[str, bytes], rule: str, today: date | None = date(2026, 11, 21)) -> list[Finding]:
    return [one for one in judge(files, today=today) if one.rule == rule]


def lifecycle(text: str) -> dict[str, bytes]:
    return edited(Example(MODEL, f"lifecycle: {{{text}}}", "lifecycle: {state: production}"))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_means_what_it_means_to_git(pattern: str, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text(f"{pattern}\n")
    asked = "\0".join(PATHS).encode()
    done = subprocess.run(
        ["git", "check-ignore", "--no-index", "-z", "--stdin"],
        cwd=tmp_path,
        input=asked,
        capture_output=True,
        check=False,
    )
    ignored = {path for path in done.stdout.decode().split("\0") if path}
    assert {path for path in PATHS if matches(pattern, path)} - _below(pattern) == ignored - _below(pattern)


def _below(pattern: str) -> set[str]:
    """Where CODEOWNERS differs from gitignore: `folder/*` is about the files in it, not about those below."""
    deeper = {path for path in PATHS if pattern.endswith("/*") and path.count("/") > pattern.strip("/").count("/")}
    return deeper if pattern not in ("/*",) else {path for path in PATHS if "/" in path}


def test_the_last_line_counts_and_sections_lend_their_owners() -> None:
    lines = read_codeowners(
        "# who\n*  @example/all\n\n/models/ @example/ml # those\n^[Policies][2] @example/release\npolicies/\n"
        "/models/old\\ one/ a@example.com\n"
    )
    assert [(one.number, one.pattern, one.owners) for one in lines] == [
        (2, "*", ("@example/all",)),
        (4, "/models/", ("@example/ml",)),
        (6, "policies/", ("@example/release",)),
        (7, "/models/old one/", ("a@example.com",)),
    ]
    assert [owning(lines, path).number for path in ("x", "models/a/model.yaml", "models/old one/m", "policies/p")] == [  # type: ignore[union-attr]  # '*' takes all
        2, 4, 7, 6
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "owner", "same"),
    [("ml", "@example/ml", True), ("@example/ml", "@example/ml", True), ("@other/ml", "@example/ml", False),
     ("ML", "@example/ml", True), ("a@example.com", "a@example.com", True), ("m", "@example/ml", False)],
)  # fmt: skip
def test_a_team_may_stand_with_its_organisation(name: str, owner: str, same: bool) -> None:
    assert is_owner(name, [owner]) == same


def test_without_a_codeowners_file_nothing_is_asked() -> None:
    files = example()
    del files[".github/CODEOWNERS"]
    assert found(files, "codeowners") == []


@pytest.mark.parametrize(
    ("end", "today", "message"),
    [
        ("2027-02-20", date(2026, 11, 21), None),
        ("2027-02-19", date(2026, 11, 21), "'digits' ends in 90 days and still serves"),
        ("2026-11-21", date(2026, 11, 21), "'digits' ends today and still serves"),
        ("2026-11-11", date(2026, 11, 21), "'digits' ended 10 days ago and still serves"),
        ("2026-11-11", None, None),
    ],
)
def test_the_end_of_a_model_is_told_in_time_but_not_to_the_controller(
    end: str, today: date | None, message: str | None
) -> None:
    files = lifecycle(f'state: deprecated, end_of_life: "{end}"')
    assert [one.message for one in found(files, "end-of-life", today)] == ([message] if message else [])


def test_a_model_that_is_retired_or_not_deployed_ends_in_silence() -> None:
    files = lifecycle('state: deprecated, end_of_life: "2026-01-01"')
    del files[DEPLOYMENT]
    assert found(files, "end-of-life") == []
    assert found(lifecycle('state: retired, end_of_life: "2026-01-01"'), "end-of-life") == []


def test_an_experiment_may_be_deployed_anywhere_but_in_production() -> None:
    files = lifecycle("state: experimental")
    assert len(found(files, "experimental-model")) == 1
    text = files.pop(DEPLOYMENT).replace(b"../../", b"../../../")
    assert found(files | {"models/digits/deployments/staging.yaml": text}, "experimental-model") == []
    assert len(found(files | {"models/digits/deployments/prod.yaml": text}, "experimental-model")) == 1
    files[DEPLOYMENT] = text
    files["tidegate.yaml"] = files["tidegate.yaml"].replace(b"environment: production", b"environment: staging")
    assert found(files, "experimental-model") == []


def test_a_revert_brings_its_reason_back_and_that_is_one() -> None:
    base = example()
    base[DEPLOYMENT] = base[DEPLOYMENT].replace(b"2.0.0", b"1.0.0").replace(b"The August scans are in.", b"The first.")
    assert [one for one in judge(example(), base=base) if one.rule == "missing-reason"] == []


def test_a_new_deployment_says_why_as_well() -> None:
    files = example()
    files["models/digits/deployments/eu.yaml"] = files[DEPLOYMENT].replace(b"reason: The August scans are in.\n", b"")
    assert [one.path for one in found(files, "missing-reason")] == ["models/digits/deployments/eu.yaml"]


def test_card_fields_with_placeholders_are_not_there() -> None:
    files = example()
    path = "policies/governance.yaml"
    files[path] = files[path].replace(b"required_card_fields: []", b"required_card_fields: [licence, limitations]")
    for filler in ("TODO", "tbd.", '""', "<fill in>", "n/a"):
        text = files[MODEL].decode().replace("licence: CC-BY-4.0", f"licence: {filler}")
        assert [one.path for one in found(files | {MODEL: text.encode()}, "missing-card-field")] == [
            "models/assistant/model.yaml", "models/assistant/model.yaml", MODEL,
        ]  # fmt: skip


def test_without_roles_every_owner_and_path_is_fine() -> None:
    files = example()
    lines = files["policies/governance.yaml"].decode().split("\n")
    files["policies/governance.yaml"] = "\n".join(
        line for line in lines if not line.startswith(("roles:", "  release:", "  models:"))
    ).encode()
    files[MODEL] = files[MODEL].replace(b"[vision-platform]", b"[somebody-else]")
    assert judge(files, history=False) == []
