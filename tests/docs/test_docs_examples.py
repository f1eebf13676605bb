"""Examples work: declared files pass the program's own reader, scenarios play as told, commands and options exist."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
import yaml
from docs_pages import GENERATED, ROOT, blocks, generator, name, pages, spans

from tidegate.rollout.simulate.expect import failures
from tidegate.rollout.simulate.run import play
from tidegate.rollout.simulate.scenario import load_scenario
from tidegate.spec.declared import load_document
from tidegate.spec.kinds import KINDS

YAML = [
    pytest.param(text, id=f"{name(page)}-{number}")
    for page in pages()
    if page != GENERATED
    for number, text in enumerate(blocks(page, "yaml"))
]
_COMMAND = re.compile(r"(?:^|[\s;&(/])tidegate ((?:[a-z]+)(?: [^|;&#\n`]*)?)")
_PINNED = re.compile(r"^[\w./-]+@[0-9a-f]{40}$")


@pytest.mark.parametrize("text", YAML)
def test_every_yaml_example_is_what_it_says_it_is(text: str) -> None:
    data = yaml.safe_load(text)
    if "traffic" in data and "kind" not in data:
        scenario = load_scenario(text.encode(), "example.yaml")
        assert failures(scenario.expect, play(scenario)) == []
    elif "kind" in data:
        loaded, problems = load_document(KINDS[data["kind"]], text.encode(), "example.yaml")
        assert problems == ()
        assert loaded is not None
    else:
        assert "jobs" in data, "an example is a declared kind, a scenario or a workflow"


def test_a_wrong_example_is_seen() -> None:
    text = "api: tidegate/v1\nkind: Deployment\nmodel: a\nversion: '1.0.0'\npolice: b\n"
    loaded, problems = load_document(KINDS["Deployment"], text.encode(), "example.yaml")
    assert loaded is None and problems


@cache
def help_of(*words: str) -> str:
    """A command's help."""
    return str(generator().printed(*words, "--help"))


def commands() -> set[str]:
    """The commands of `tidegate --help`."""
    return set(re.findall(r"^  ([a-z]+) ", help_of().partition("Commands:\n")[2], re.M))


def told(page: Path) -> list[str]:
    """What a page tells people to type after `tidegate`."""
    typed = [line.removeprefix("$ ") for block in blocks(page, "console", "sh", "ini") for line in block.splitlines()]
    return [found for text in (*typed, *spans(page)) for found in _COMMAND.findall(text)]


@pytest.mark.parametrize("page", [page for page in pages() if page != GENERATED], ids=name)
def test_every_command_and_option_that_a_page_names_exists(page: Path) -> None:
    for line in told(page):
        command, *words = line.split()
        assert command in commands(), line
        for word in words:
            if word.startswith("--"):
                assert word.partition("=")[0] in help_of(command), line


def test_the_readme_has_every_command_in_its_table() -> None:
    table = [
        line for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("| `tidegate")
    ]
    assert {word for line in table for word in re.findall(r"`tidegate ([a-z]+)`", line)} == commands()


def test_the_readme_names_the_make_targets_that_there_are() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = re.findall(r"make ([a-z]+)", "\n".join(blocks(ROOT / "README.md", "sh")))
    assert named == ["demo", "test"]
    assert all(f"\n{target}:" in makefile for target in named)


def test_the_action_names_what_it_runs_by_full_commit_and_takes_inputs_as_variables() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    steps = action["runs"]["steps"]
    assert [step["uses"] for step in steps if "uses" in step and not _PINNED.match(step["uses"])] == []
    assert all(step["shell"] == "bash" and "${{" not in step["run"] for step in steps if "run" in step)
    typed = [line for step in steps for line in re.findall(r'tidegate" ([a-z]+ .*)', step.get("run", ""))]
    assert [line.split()[0] for line in typed] == ["validate", "plan", "comment"]
    for line in typed:
        for option in re.findall(r"--[a-z]+", line):
            assert option in help_of(line.split()[0])


def test_workflow_examples_name_actions_by_full_commit() -> None:
    for page in pages():
        for text in blocks(page, "yaml"):
            for used in re.findall(r"uses: (\S+)", text):
                assert _PINNED.match(used) or used == "OWNER/tidegate@COMMIT", used
