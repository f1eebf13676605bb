"""`tidegate validate`, `schema`, `explain` and `rules` as a person types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from example_repo import edited, example, write
from typer.testing import CliRunner, Result

import tidegate
from tidegate.cli import explain, schema, validate
from tidegate.rules.registry import RULES
from tidegate.rules.rule import Example
from tidegate.spec.errors import NeedsPerson

FILES = len(example())
BROKEN = Example("models/digits/deployment.yaml", "replicas: two", "replicas: 2")
app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
for command in (validate.validate, schema.schema, explain.explain, explain.rules):
    app.command()(command)


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def refused(*words: str | Path) -> NeedsPerson:
    """The message of a command that cannot do what was asked; the command line ends with its exit code."""
    error = run(*words).exception
    assert isinstance(error, NeedsPerson)
    assert error.exit_code == 2
    assert error.fix
    return error


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example repository, with the working directory in it."""
    root = write(tmp_path / "repo", example())
    monkeypatch.chdir(root)
    return root


def test_a_clean_repository_is_quiet_but_for_one_line(repo: Path) -> None:
    result = run("validate")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "14 files: clean\n")


def test_errors_are_printed_and_end_with_1(repo: Path) -> None:
    write(repo, edited(BROKEN))
    result = run("validate")
    assert result.exit_code == 1
    assert result.stdout == (
        "models/digits/deployment.yaml:8:11: error wrong-type: 'replicas' must be a whole number, not text\n"
        "  fix: write a whole number\n"
    )
    assert result.stderr == "14 files: 1 error\n"


def test_warnings_alone_end_with_0(repo: Path) -> None:
    (repo / "policies/extra.yaml").write_bytes(
        example()["policies/progressive.yaml"].replace(b"name: progressive", b"name: extra").partition(b"\n")[2]
    )
    result = run("validate")
    assert result.exit_code == 0
    assert "policies/extra.yaml:1:1: warning modeline" in result.stdout
    assert (
        "\n  fix: make this the first line: # yaml-language-server: $schema=../schemas/rollout-policy.json\n"
        in result.stdout
    )


def test_json_is_all_that_stands_on_standard_output(repo: Path) -> None:
    write(repo, edited(BROKEN))
    result = run("validate", "--format", "json")
    read = json.loads(result.stdout)
    assert (result.exit_code, result.stderr, read["version"], read["files"]) == (1, "", 1, 14)
    assert read["findings"][0]["path"] == "models/digits/deployment.yaml"
    write(repo, example())
    assert json.loads(run("validate", "--format", "json").stdout)["findings"] == []
    assert run("validate", "--format", "jsonl").stdout == ""


def test_an_unknown_format_names_the_known_ones_and_ends_with_2(repo: Path) -> None:
    result = run("validate", "--format", "yaml")
    assert result.exit_code == 2
    for name in ("text", "json", "jsonl", "github", "sarif", "junit", "gitlab"):
        assert f"'{name}'" in result.stderr


def test_from_a_folder_below_the_whole_repository_is_judged(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repo / "models/assistant")
    write(repo, edited(BROKEN))
    result = run("validate")
    assert result.exit_code == 1
    assert result.stderr == "14 files: 1 error\n"
    assert result.stdout.startswith("models/digits/deployment.yaml:8:11: ")


def test_a_path_narrows_what_is_reported(repo: Path) -> None:
    write(repo, edited(BROKEN))
    assert run("validate", "models/assistant").exit_code == 0
    assert run("validate", "policies", "models/digits/deployment.yaml").exit_code == 1
    assert json.loads(run("validate", "policies", "--format", "json").stdout)["files"] == 3


def test_a_folder_that_is_a_repository_is_a_root_of_its_own(repo: Path, tmp_path: Path) -> None:
    write(repo / "nested", edited(BROKEN))
    assert run("validate").exit_code == 0
    result = run("validate", "nested")
    assert result.stdout.startswith("nested/models/digits/deployment.yaml:8:11: ")
    result = run("validate", write(tmp_path / "elsewhere", edited(BROKEN)))
    assert result.stdout.startswith("models/digits/deployment.yaml:8:11: ")


def test_the_deployments_of_every_environment_are_judged(repo: Path) -> None:
    text = (repo / "models/digits/deployment.yaml").read_text()
    (repo / "models/digits/deployment.yaml").unlink()
    write(
        repo,
        {
            "models/digits/deployments/staging.yaml": text.replace("../../", "../../../")
            .replace("2.0.0", "9.0.0")
            .encode()
        },
    )
    assert "unknown-version" in run("validate").stdout


def test_a_repository_without_anything_to_validate_is_told_apart_from_a_clean_one(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    assert "nothing to validate" in refused("validate", tmp_path).message


def test_a_path_that_is_not_there_is_told(repo: Path) -> None:
    assert refused("validate", "modles").where == "modles"


def test_outside_of_any_repository_the_way_in_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "tidegate init" in (refused("validate").fix or "")


def git(repo: Path, *words: str) -> None:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgSign=false")
    subprocess.run(["git", "-C", str(repo), *identity, *words], check=True, capture_output=True)


def test_with_a_base_a_merged_version_must_not_change(repo: Path) -> None:
    git(repo, "init", "-q", "-b", "main")
    git(repo, "add", ".")
    git(repo, "commit", "-qm", "The example")
    assert run("validate", "--base", "main").exit_code == 0
    version = repo / "models/digits/versions/2.0.0.yaml"
    version.write_text("# a note\n" + version.read_text())
    assert "immutable-version" not in run("validate", "--base", "main").stdout
    version.write_text(version.read_text().replace("size: 31245", "size: 31246"))
    assert run("validate").exit_code == 0
    result = run("validate", "--base", "main")
    assert result.exit_code == 1
    assert "models/digits/versions/2.0.0.yaml:8:1: error immutable-version" in result.stdout
    assert refused("validate", "--base", "nowhere").where == "nowhere"


def test_with_a_base_a_repository_below_the_top_of_git_is_compared_with_itself(tmp_path: Path) -> None:
    repo = write(tmp_path / "all/config", example()).parent
    git(repo, "init", "-q", "-b", "main")
    git(repo, "add", ".")
    git(repo, "commit", "-qm", "The example")
    write(repo / "config", edited(Example("models/digits/versions/2.0.0.yaml", "size: 1", "size: 31245")))
    assert "immutable-version" in run("validate", repo / "config", "--base", "main").stdout


def test_schema_writes_below_the_repository_and_checks(repo: Path) -> None:
    assert run("schema", "--check").exit_code == 1
    assert run("schema").exit_code == 0
    assert (repo / "schemas/model-version.json").is_file()
    assert run("schema", "--check").exit_code == 0
    (repo / "schemas/model.json").write_text("{}")
    result = run("schema", "--check", "schemas")
    assert (result.exit_code, "schemas/model.json" in result.stdout) == (1, True)


def test_explain_prints_the_page_of_a_rule() -> None:
    result = run("explain", "floating-image")
    assert result.exit_code == 0
    assert "name@sha256:" in result.stdout and "bad, in models/digits/versions/2.0.0.yaml" in result.stdout
    assert json.loads(run("explain", "modeline", "--format", "json").stdout)["severity"] == "warning"
    assert "floating-image" in (refused("explain", "floting-image").fix or "")
    for rule in RULES:
        assert run("explain", rule.id).exit_code == 0


def test_rules_prints_the_catalogue_in_three_formats() -> None:
    text = run("rules").stdout
    assert all(f"\n  {rule.id} " in text for rule in RULES)
    assert len(json.loads(run("rules", "--format", "json").stdout)["rules"]) == len(RULES)
    assert run("rules", "--format", "markdown").stdout.startswith("# Rules\n")


def test_a_family_of_rules_can_be_asked_for_and_a_page_as_markdown() -> None:
    listed = json.loads(run("rules", "--family", "pins", "--format", "json").stdout)["rules"]
    assert [one["rule"] for one in listed] == [rule.id for rule in RULES if rule.family == "pins"]
    result = run("rules", "--family", "pin")
    assert result.exit_code == 2 and "'pins'" in result.stderr
    assert run("rules", "--format", "md").stdout == run("rules", "--format", "markdown").stdout
    assert run("explain", "modeline", "--format", "md").stdout.startswith("# modeline\n\nEvery file carries")


def test_every_command_shows_an_example_in_its_help() -> None:
    for name in ("validate", "schema", "explain", "rules"):
        assert f"Example: tidegate {name}" in run(name, "--help").stdout


HEAVY = ("docker", "numpy", "scipy", "sqlalchemy", "starlette", "uvicorn", "httpx", "aiohttp", "watchdog", "fsspec", "rich",
         "ruamel", "git", "jsonschema", "asyncio")  # fmt: skip
PROBE = """
import sys
from tidegate.cli.validate import validate
try:
    validate()
finally:
    print(sorted({name.partition('.')[0] for name in sys.modules} & set(sys.argv[1:])), file=sys.stdout)
"""


def probe(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter that validates `folder` and prints which of the named packages that took."""
    environment = os.environ | {"PYTHONPATH": str(Path(tidegate.__file__).parents[1])}
    command = [sys.executable, "-c", PROBE, *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder, env=environment)


def test_validating_imports_nothing_heavy(repo: Path) -> None:
    seen = probe(repo, *HEAVY)
    assert seen.stdout == "[]\n"
    assert seen.stderr == "14 files: clean\n"


def test_a_thousand_versions_are_judged_in_one_go_within_the_budget(tmp_path: Path) -> None:
    version = example()["models/digits/versions/2.0.0.yaml"]
    files = example() | {
        f"models/digits/versions/3.{n}.0.yaml": version.replace(b'version: "2.0.0"', f'version: "3.{n}.0"'.encode())
        for n in range(1000)
    }
    write(tmp_path, files)
    used = []
    for _ in range(3):
        started = time.perf_counter()
        seen = probe(tmp_path)
        used.append(time.perf_counter() - started)
        assert seen.stderr == "1014 files: clean\n"
    assert min(used) < 3.0, "the bar is 0.6 s on a free machine; this guard leaves room for a busy one"
