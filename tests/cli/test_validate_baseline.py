"""A baseline as a person uses it: written, honoured from anywhere, shrinking, and never wider than what was judged."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from validate_repo import DEPLOYMENT, MODEL, edit, example, program, run, write

from tidegate.spec.errors import NeedsPerson

NAME = ".tidegate-baseline.json"


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An old repository: two files without a modeline, a version that is not there."""
    for name in [*os.environ]:
        if name.startswith(("GITHUB_", "GIT_", "PRE_COMMIT")):
            monkeypatch.delenv(name)
    root = write(tmp_path / "repo", example())
    for path in (MODEL, DEPLOYMENT):
        (root / path).write_bytes((root / path).read_bytes().partition(b"\n")[2])
    edit(root / DEPLOYMENT, 'version: "2.0.0"', 'version: "9.9.9"')
    monkeypatch.chdir(root)
    return root


def test_what_is_there_is_accepted_and_what_is_new_is_told(repo: Path) -> None:
    result = run("--write-baseline")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith(f"wrote 3 findings to {NAME}\n")
    assert result.stderr.endswith("files: clean; 3 in the baseline\n")
    assert run().exit_code == 0
    edit(repo / DEPLOYMENT, 'version: "9.9.9"', 'version: "9.9.8"')
    result = run()
    assert result.exit_code == 1 and "'9.9.8'" in result.stdout
    assert "the baseline can shrink: 1 entry finds nothing any more; --write-baseline takes them out" in result.stderr
    assert run("--no-baseline").stdout.count("modeline:") == 2


def test_it_shrinks_and_goes_when_nothing_is_found(repo: Path) -> None:
    run("--write-baseline")
    edit(repo / DEPLOYMENT, 'version: "9.9.9"', 'version: "2.0.0"')
    assert f"wrote 2 findings to {NAME} (3 before)" in run("--write-baseline").stderr
    for path in (MODEL, DEPLOYMENT):
        (repo / path).write_bytes(example()[path])
    assert f"nothing is found; removed {NAME}" in run("--write-baseline").stderr
    assert not (repo / NAME).exists()
    assert run("--write-baseline").exit_code == 0


def test_it_is_the_same_from_every_folder(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("--write-baseline")
    text = (repo / NAME).read_bytes()
    for folder in (repo / "models/digits", repo / "models", repo.parent):
        monkeypatch.chdir(folder)
        words = ("repo",) if folder == repo.parent else ()
        assert run(*words).stderr.endswith("3 in the baseline\n"), folder
        run("--write-baseline", *words)
        assert (repo / NAME).read_bytes() == text
    assert run("repo/models/digits").stderr.endswith("3 in the baseline\n"), (
        "nothing is called gone where a part is judged"
    )


def test_another_file_can_be_named(repo: Path) -> None:
    assert run("--write-baseline", "--baseline", "old.json").exit_code == 0
    assert not (repo / NAME).exists()
    assert run().exit_code == 1
    assert run("--baseline", "old.json").exit_code == 0
    result = run("--baseline", "older.json")
    assert isinstance(result.exception, NeedsPerson) and "make it with --write-baseline" in str(result.exception)


def test_it_is_written_for_one_whole_repository_only(repo: Path) -> None:
    for words in (["models/digits"], [".", str(write(repo.parent / "other", example()))]):
        result = run("--write-baseline", *words)
        assert isinstance(result.exception, NeedsPerson)
        assert "one whole repository" in str(result.exception)


def test_several_repositories_have_a_baseline_each(repo: Path) -> None:
    other = write(repo.parent / "other", example())
    (other / MODEL).write_bytes((other / MODEL).read_bytes().partition(b"\n")[2])
    run("--write-baseline")
    result = run(repo, other)
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{other}/{MODEL}:1:1: warning modeline"), "of two roots it is told which"
    run("--write-baseline", other)
    assert run(repo, other).stdout == ""


def test_what_is_no_baseline_ends_with_2_and_can_be_written_anew(repo: Path) -> None:
    (repo / NAME).write_text("<<<<<<< HEAD\n")
    done = program(repo)
    assert done.returncode == 2
    assert b".tidegate-baseline.json: is no baseline of Tidegate\n  fix: write it anew" in done.stderr
    assert run("--write-baseline").exit_code == 0
    assert json.loads((repo / NAME).read_text())["version"] == 1


def test_a_file_that_cannot_be_read_is_told_all_the_same(repo: Path) -> None:
    (repo / MODEL).write_text("a: [\n")
    result = run("--write-baseline")
    assert result.exit_code == 1 and "yaml-syntax" in result.stdout


def test_sarif_and_json_tell_what_is_known(repo: Path) -> None:
    run("--write-baseline")
    (log,) = json.loads(run("--format", "sarif").stdout)["runs"]
    assert {one["suppressions"][0]["kind"] for one in log["results"]} == {"external"}
    read = json.loads(run("--format", "json").stdout)
    assert (read["findings"], {one["by"] for one in read["silenced"]}) == ([], {"baseline"})
