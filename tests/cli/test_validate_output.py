"""What `validate` prints where: formats, files, GitHub Actions, terminals, and what happens when it cannot begin."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from validate_repo import DEPLOYMENT, committed, edit, environment, example, program, run, write

from tidegate.spec.errors import NeedsPerson

FORMATS = ("text", "json", "jsonl", "github", "sarif", "junit", "gitlab")


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example repository, with the working directory in it, outside of any CI system."""
    for name in [*os.environ]:
        if name.startswith(("GITHUB_", "GIT_", "PRE_COMMIT", "NO_COLOR", "FORCE_COLOR")):
            monkeypatch.delenv(name)
    root = write(tmp_path / "repo", example())
    monkeypatch.chdir(root)
    return root


def broken(repo: Path) -> None:
    """One error, which nobody can mend, and one warning."""
    edit(repo / DEPLOYMENT, "replicas: 2", "replicas: two")
    text = (repo / "models/assistant/model.yaml").read_bytes()
    (repo / "models/assistant/model.yaml").write_bytes(text.partition(b"\n")[2])


def at_a_terminal(folder: Path, *words: str, **variables: str) -> str:
    """What a person sees."""
    main, other = pty.openpty()
    command = [sys.executable, "-m", "tidegate", *words]
    child = subprocess.Popen(
        command,
        cwd=folder,
        env=environment(TERM="xterm", COLUMNS="80", **variables),
        stdin=other,
        stdout=other,
        stderr=other,
    )
    os.close(other)
    seen = b""
    try:
        while piece := os.read(main, 65536):
            seen += piece
    except OSError:
        pass  # the terminal is gone with its last user
    finally:
        os.close(main)
        child.wait(timeout=60)
    return seen.decode().replace("\r\n", "\n")


def test_a_person_sees_the_line_with_the_value_underlined_in_colour(repo: Path) -> None:
    broken(repo)
    seen = at_a_terminal(repo, "validate")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", seen)
    assert plain.startswith(
        "models/assistant/model.yaml:1:1: warning modeline: the editor's modeline is missing\n"
        "  1 | api: tidegate/v1\n"
        "    | ^\n"
        "  fix: make this the first line: # yaml-language-server: $schema=../../schemas/model.json"
    )
    assert (
        "\n\nmodels/digits/deployment.yaml:8:11: error wrong-type: 'replicas' must be a whole number, not text\n"
        "  8 | replicas: two\n"
        "    |           ^~~\n"
        "  fix: write a whole number\n"
    ) in plain
    assert "\x1b[1;31merror\x1b[0m" in seen and "\x1b[1;33mwarning\x1b[0m" in seen
    assert "schemas/model.json  (--fix does it)\n" in plain
    assert plain.endswith(" files: 1 error, 1 warning; 1 can be fixed with --fix\n")


def test_colours_can_be_forbidden_and_forced(repo: Path) -> None:
    broken(repo)
    assert "\x1b" not in at_a_terminal(repo, "validate", NO_COLOR="1")
    assert "\x1b" not in at_a_terminal(repo, "validate", NO_COLOR="1", FORCE_COLOR="1")
    assert b"\x1b" not in program(repo).stdout
    forced = program(repo, FORCE_COLOR="1").stdout.decode()
    assert "\x1b[1;31merror\x1b[0m" in forced and " | " not in forced, "colours, and still one finding after the other"


def test_pages_are_filled_to_the_terminal(repo: Path) -> None:
    seen = re.sub(r"\x1b\[[0-9;]*m", "", at_a_terminal(repo, "rules", "--family", "structure"))
    assert max(map(len, seen.splitlines())) <= 80
    assert "\x1b[1mmodeline\x1b[0m (warning, since 0.1.0)" in at_a_terminal(repo, "explain", "modeline")


def test_several_reports_of_one_run_go_to_files_by_their_names(repo: Path) -> None:
    broken(repo)
    names = [
        "a.sarif",
        "b.sarif.json",
        "c.xml",
        "d.json",
        "e.jsonl",
        "f.txt",
        "gl-code-quality-report.json",
        "github:g",
    ]
    result = run(*(word for name in names for word in ("--output", name)))
    assert result.exit_code == 1
    assert result.stdout.startswith("models/assistant/model.yaml:1:1: warning"), "and text here"
    for name in ("a.sarif", "b.sarif.json"):
        assert len(json.loads((repo / name).read_text())["runs"][0]["results"]) == 2
    assert ET.parse(repo / "c.xml").getroot().tag == "testsuites"
    assert json.loads((repo / "d.json").read_text())["version"] == 1
    assert len((repo / "e.jsonl").read_text().splitlines()) == 2
    assert (repo / "f.txt").read_text() == result.stdout
    assert len(json.loads((repo / "gl-code-quality-report.json").read_text())) == 2
    assert (repo / "g").read_text().startswith("::error file=models/digits/deployment.yaml,line=8,col=11,")


def test_text_and_annotations_may_stand_together_and_a_document_alone(repo: Path) -> None:
    broken(repo)
    lines = run("--format", "text,github").stdout.splitlines()
    assert lines[0].startswith("models/assistant/model.yaml:1:1") and lines[-1].startswith("::warning file=")
    for words in (["--format", "text,sarif"], ["--format", "json,junit"]):
        result = run(*words)
        assert result.exit_code == 2
        assert "--output" in result.stderr and "stands alone" in result.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--format", "yaml"], "'yaml' is not one of 'text', 'json'"),
        (["--output", "report"], "does not tell its format"),
        (["--output", "sarif:"], "names no file"),
        (["--no-baseline", "--write-baseline"], "goes with neither"),
        (["--no-baseline", "--baseline", "x"], "goes with neither"),
        (["--write-baseline", "--fix"], "one after the other"),
    ],
)
def test_words_that_make_no_sense_end_with_2(repo: Path, words: list[str], told: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.split())


def test_a_report_that_cannot_be_written_is_told(repo: Path) -> None:
    result = run("--output", "nowhere/report.sarif")
    assert isinstance(result.exception, NeedsPerson)
    assert "No such file or directory" in str(result.exception)


def test_inside_github_actions_the_log_is_readable_and_the_pull_request_annotated(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(repo)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    text = run().stdout
    assert "models/digits/deployment.yaml:8:11: error wrong-type" in text
    assert "\n::error file=models/digits/deployment.yaml,line=8,col=11,title=wrong-type::" in text
    assert "::" not in run("--format", "text").stdout
    monkeypatch.setenv("GITHUB_ACTIONS", "false")
    assert "::" not in run().stdout


def test_no_file_can_smuggle_a_command_into_the_log(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    edit(repo / DEPLOYMENT, "replicas: 2", "replicas: '##[add-mask]x'\n\"\\n::stop-commands::x\": 1")
    for line in run().stdout.splitlines():
        assert "##[" not in line
        assert not line.lstrip().startswith("::") or line.startswith(("::error file=", "::warning file="))


def test_below_the_top_of_git_ci_systems_are_told_the_path_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write(tmp_path / "all/config", example())
    broken(root)
    committed(root.parent)
    monkeypatch.chdir(root)
    assert "models/digits/deployment.yaml:8:11:" in run("--format", "text").stdout.split()
    assert "file=config/models/digits/deployment.yaml," in run("--format", "github").stdout
    (log,) = json.loads(run("--format", "sarif").stdout)["runs"]
    places = [one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for one in log["results"]]
    assert places == ["config/models/assistant/model.yaml", "config/models/digits/deployment.yaml"]
    monkeypatch.chdir(root / "models/digits")
    assert "file=config/models/digits/deployment.yaml," in run("--format", "github").stdout


@pytest.mark.parametrize("format_", FORMATS)
def test_names_that_are_not_utf_8_and_lone_surrogates_break_no_format(repo: Path, format_: str) -> None:
    odd = "models/caf\udce9 1/model.yaml"
    write(repo, {odd: b'api: tidegate/v1\nkind: Model\nname: "a\\uD800\\0"\nsum\xc3\xa9: 1\n'})
    done = program(repo, "--format", format_, PYTHONIOENCODING="ascii")
    assert done.returncode == 1 and b"Traceback" not in done.stderr
    text = done.stdout.decode("utf-8")
    match format_:
        case "json" | "sarif" | "gitlab":
            assert json.loads(text)
        case "jsonl":
            assert all(json.loads(line) for line in text.splitlines())
        case "junit":
            assert ET.fromstring(text) is not None
    if format_ == "sarif":
        assert "models/caf%E9%201/model.yaml" in text
    else:
        assert "caf\\xe9 1" in text.replace("\\\\", "\\")


@pytest.mark.parametrize("format_", ["json", "sarif", "junit", "gitlab"])
def test_documents_are_whole_whether_clean_or_not_and_when_nothing_can_be_judged(repo: Path, format_: str) -> None:
    read = ET.fromstring if format_ == "junit" else json.loads
    codes = []
    for words in ([], [], ["nowhere"]):
        if codes == [0]:
            broken(repo)
        done = program(repo, "--format", format_, *words)
        assert read(done.stdout.decode()) is not None
        codes.append(done.returncode)
    assert codes == [0, 1, 2]
    assert b"there is no such file or folder" in done.stderr


def test_the_report_in_a_file_says_why_nothing_could_be_judged(repo: Path) -> None:
    assert program(repo, "nowhere", "--output", "r.sarif").returncode == 2
    (log,) = json.loads((repo / "r.sarif").read_text())["runs"]
    assert log["invocations"][0]["executionSuccessful"] is False
