"""`--fix`, `--unsafe-fixes` and `--diff`: what is written, what is left alone, and what is said about it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from validate_repo import (
    DEPLOYMENT,
    HIDDEN,
    MODEL,
    VERSION,
    committed,
    edit,
    environment,
    example,
    git,
    program,
    run,
    write,
)

from tidegate.cli.mend import Edits
from tidegate.rules.finding import Finding


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example repository in git, with the working directory in it."""
    for name in [*os.environ]:
        if name.startswith(("GITHUB_", "GIT_", "PRE_COMMIT", "NO_COLOR", "FORCE_COLOR")):
            monkeypatch.delenv(name)
    root = committed(write(tmp_path / "repo", example()))
    monkeypatch.chdir(root)
    return root


def hide(path: Path, behind: str) -> bytes:
    """Put an invisible character behind a word; the file's content before that."""
    before = path.read_bytes()
    edit(path, behind, behind + HIDDEN)
    return before


def test_an_unsafe_mend_is_made_when_it_is_asked_for_and_the_rest_is_told(repo: Path) -> None:
    before = hide(repo / MODEL, "grey image")
    edit(repo / DEPLOYMENT, "replicas: 2", "replicas: two")
    assert "1 can be fixed with --unsafe-fixes" in run().stderr
    result = run("--fix")
    assert result.exit_code == 1 and "hidden-character" in result.stdout
    assert (repo / MODEL).read_bytes() != before
    result = run("--unsafe-fixes")
    assert (repo / MODEL).read_bytes() == before
    assert result.exit_code == 1, "an error is left"
    assert [line.split(": ")[1] for line in result.stdout.splitlines() if "error" in line] == ["error wrong-type"]
    assert result.stderr.startswith(f"fixed {MODEL}: hidden-character\nfixed 1 finding in 1 file\n")
    edit(repo / DEPLOYMENT, "replicas: two", "replicas: 2")
    hide(repo / MODEL, "grey image")
    assert run("--unsafe-fixes").exit_code == 0


def test_several_on_one_line_and_in_several_files_are_mended_in_one_go(repo: Path) -> None:
    before = {path: (repo / path).read_bytes() for path in (MODEL, DEPLOYMENT)}
    for word in ("Reads", "handwritten", "grey"):
        hide(repo / MODEL, word)
    hide(repo / DEPLOYMENT, "reason: ")
    assert run("--unsafe-fixes").exit_code == 0
    assert {path: (repo / path).read_bytes() for path in before} == before


def test_mode_line_ends_and_byte_order_mark_stay(repo: Path) -> None:
    path = repo / MODEL
    before = b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n")
    path.write_bytes(before)
    path.chmod(0o640)
    hide(path, "grey image")
    run("--unsafe-fixes")
    assert path.read_bytes() == before
    assert path.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in path.parent.iterdir() if one.name.startswith(".tidegate")] == []


def test_a_diff_is_printed_changes_nothing_and_is_what_git_applies(repo: Path) -> None:
    before = hide(repo / MODEL, "grey image")
    hidden = (repo / MODEL).read_bytes()
    assert (run("--diff").exit_code, run("--diff").stdout) == (0, ""), "there is no safe mend"
    done = program(repo, "--unsafe-fixes", "--diff")
    assert (done.returncode, (repo / MODEL).read_bytes()) == (1, hidden)
    assert done.stdout.startswith(f"--- a/{MODEL}\n+++ b/{MODEL}\n@@ ".encode())
    assert done.stderr == b"1 finding in 1 file would be fixed\n"
    subprocess.run(["git", "apply", "-"], cwd=repo, env=environment(), input=done.stdout, check=True)
    assert (repo / MODEL).read_bytes() == before
    assert program(repo, "--unsafe-fixes", "--diff").returncode == 0


def test_a_diff_of_a_file_without_a_last_line_end_and_with_a_space_in_its_name_can_be_applied(repo: Path) -> None:
    path = repo / "models/two words/model.yaml"
    text = (repo / MODEL).read_bytes().rstrip(b"\n") + f"\n# the end{HIDDEN}".encode()
    write(repo, {"models/two words/model.yaml": text})
    done = program(repo, "--unsafe-fixes", "--diff")
    subprocess.run(["git", "apply", "-"], cwd=repo, env=environment(), input=done.stdout, check=True)
    assert path.read_bytes() == text.replace(HIDDEN.encode(), b"")


def test_only_what_is_told_is_mended(repo: Path) -> None:
    hide(repo / MODEL, "grey image")
    hide(repo / "models/assistant/model.yaml", "summary: ")
    hidden = (repo / MODEL).read_bytes()
    run("models/assistant", "--unsafe-fixes")
    assert (repo / MODEL).read_bytes() == hidden, "another folder"
    run("--write-baseline")
    run("--unsafe-fixes")
    assert (repo / MODEL).read_bytes() == hidden, "in the baseline"
    run("--unsafe-fixes", "--no-baseline")
    assert (repo / MODEL).read_bytes() != hidden


def test_a_merged_version_is_left_as_it_is_with_the_reason(repo: Path) -> None:
    hide(repo / VERSION, "reason: ")
    git(repo, "commit", "-qam", "A version that nobody looked at closely")
    text = (repo / VERSION).read_bytes()
    result = run("--unsafe-fixes")
    assert (repo / VERSION).read_bytes() == text
    assert "this version is merged and stays as it is: write the next one with the fix" in result.stderr
    assert result.exit_code == 1
    edit(repo / VERSION, HIDDEN, "")
    git(repo, "commit", "-qam", "Mended")
    edit(repo / VERSION, "# yaml", f"#{HIDDEN} yaml")
    run("--unsafe-fixes")
    assert HIDDEN not in (repo / VERSION).read_text(), "a comment is no part of what is declared"


def test_a_merged_file_that_could_not_be_read_is_mended_in_its_place(repo: Path) -> None:
    edit(repo / VERSION, 'version: "2.0.0"', "version: 2.0")
    edit(repo / VERSION, "model: digits", "modle: digits")
    git(repo, "commit", "-qam", "A file that was no version")
    assert "modle" in run().stdout
    run("--fix")
    assert "\nmodel: digits" in (repo / VERSION).read_text()
    edit(repo / VERSION, 'version: "2.0"', 'version: "2.0.0"')
    assert "immutable-version" not in run("--base", "HEAD").stdout, "nothing has served from it"
    git(repo, "commit", "-qam", "A version")
    edit(repo / VERSION, 'version: "2.0.0"', 'version: "2.0.1"')
    assert "immutable-version" in run("--base", "HEAD").stdout


def test_refusals_stand_in_the_order_of_the_file() -> None:
    found = [Finding(VERSION, line, 1, "wrong-type", "error", "", "") for line in (17, 13, 5)]
    told = Edits((), (), tuple((one, "why") for one in found)).refusals
    assert [line.split(":")[2] for line in told] == ["5", "13", "17"]


def test_a_new_version_is_mended(repo: Path) -> None:
    path = repo / "models/digits/versions/3.0.0.yaml"
    path.write_bytes((repo / VERSION).read_bytes().replace(b'"2.0.0"', b'"3.0.0"'))
    before = hide(path, "reason: ")
    run("--unsafe-fixes")
    assert path.read_bytes() == before


def test_in_a_hook_the_files_are_mended_where_people_edit(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = hide(repo / MODEL, "grey image")
    git(repo, "add", "-A")
    monkeypatch.setenv("PRE_COMMIT", "1")
    result = run("--unsafe-fixes")
    assert (repo / MODEL).read_bytes() == before
    assert result.exit_code == 0, "pre-commit itself fails when a file was changed"


def test_a_file_that_is_too_large_to_be_read_is_left_alone(repo: Path) -> None:
    large = b"#" + b"x" * (1024 * 1024) + b"\n"
    (repo / MODEL).write_bytes(large)
    result = run("--fix")
    assert "file-size" in result.stdout and "fixed" not in result.stderr.partition("files:")[0]
    assert (repo / MODEL).read_bytes() == large


def test_a_file_that_cannot_be_written_is_told_and_whole(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hide(repo / MODEL, "grey image")
    hidden = (repo / MODEL).read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    result = run("--unsafe-fixes")
    assert f"{MODEL}: cannot be written: No space left on device" in str(result.exception)
    assert (repo / MODEL).read_bytes() == hidden
    assert [one.name for one in (repo / MODEL).parent.iterdir() if one.name.startswith(".tidegate")] == []
