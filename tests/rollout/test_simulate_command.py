"""`tidegate simulate`: exit codes, and what goes to which stream."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer

from tidegate.cli.output import Format
from tidegate.cli.simulate import simulate
from tidegate.spec.errors import NeedsPerson

SCENARIO = """
traffic: {rate: 100}
policy: {steps: [{name: full, weight: 100%, for: 1m}]}
until: 5m
releases: {v1: {}, v2: {}}
events: [{at: 0s, declare: v1}, {at: 1m, declare: v2}]
expect: [{final: {stable: STABLE}}]
"""


def written(tmp_path: Path, stable: str) -> Path:
    path = tmp_path / "scenario.yaml"
    path.write_text(SCENARIO.replace("STABLE", stable))
    return path


def test_a_scenario_that_holds_prints_its_timeline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    simulate(written(tmp_path, "v2"))
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == "final: stable v2, v2 100%, rejected: none"
    assert err == ""


def test_one_that_does_not_exits_with_1_and_says_what_was_expected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as caught:
        simulate(written(tmp_path, "v1"), Format.JSON)
    out, err = capsys.readouterr()
    assert caught.value.exit_code == 1
    assert err == "expected final stable v1: is v2\n"
    assert json.loads(out)["final"]["stable"] == "v2"


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(NeedsPerson, match="cannot be read: No such file"):
        simulate(tmp_path / "missing.yaml")
