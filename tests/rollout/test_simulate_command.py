"""`tidegate simulate`: exit codes, and what goes to which stream."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

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
    simulate([written(tmp_path, "v2")])
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == "final: stable v2, v2 100%, rejected: none"
    assert err == ""


def test_one_that_does_not_exits_with_1_and_says_what_was_expected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as caught:
        simulate([written(tmp_path, "v1")], Format.JSON)
    out, err = capsys.readouterr()
    assert caught.value.exit_code == 1
    assert err == "expected final stable v1: is v2\n"
    assert json.loads(out)["final"]["stable"] == "v2"


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(NeedsPerson, match="cannot be read: No such file"):
        simulate([tmp_path / "missing.yaml"])


def two(tmp_path: Path) -> list[Path]:
    """One that holds, and one that does not."""
    paths = [tmp_path / "good.yaml", tmp_path / "bad.yaml"]
    for path, stable in zip(paths, ("v2", "v1"), strict=True):
        path.write_text(SCENARIO.replace("STABLE", stable))
    return paths


def test_several_scenarios_print_a_line_each_and_how_many_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = two(tmp_path)
    with pytest.raises(typer.Exit) as caught:
        simulate([good, bad])
    out, err = capsys.readouterr()
    assert caught.value.exit_code == 1
    lines = out.splitlines()
    assert lines[0].startswith(f"holds  {good}: ") and lines[1].startswith(f"FAILED {bad}: ")
    assert lines[2] == "2 scenarios, 1 failed"
    assert err == f"{bad}: expected final stable v1: is v2\n"


def test_several_scenarios_as_json_are_a_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        simulate(two(tmp_path), Format.JSON)
    doc = json.loads(capsys.readouterr().out)
    assert doc["version"] == 1
    assert [(Path(one["file"]).name, one["passed"]) for one in doc["scenarios"]] == [
        ("good.yaml", True),
        ("bad.yaml", False),
    ]
    assert doc["scenarios"][1]["failures"] == ["final stable v1: is v2"]
    assert doc["scenarios"][0]["final"]["stable"] == "v2"


def test_junit_has_a_case_a_scenario(tmp_path: Path) -> None:
    with pytest.raises(typer.Exit):
        simulate(two(tmp_path), junit=tmp_path / "out.xml")
    suite = ElementTree.parse(tmp_path / "out.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    [failure] = suite.findall("testcase/failure")
    assert failure.get("message") == "expected final stable v1: is v2"


POLICY = """api: tidegate/v1
kind: RolloutPolicy
name: quick
steps: [{name: full, weight: 100%, for: 1m}]
"""


@pytest.mark.parametrize("reference", ["quick", "{file: policies/quick.yaml}"])
def test_a_scenario_may_name_a_policy_of_its_repository(
    tmp_path: Path, reference: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "quick.yaml").write_text(POLICY)
    (tmp_path / "tests" / "policies").mkdir(parents=True)
    path = tmp_path / "tests" / "policies" / "scenario.yaml"
    text = SCENARIO.replace("STABLE", "v2")
    path.write_text(text.replace("{steps: [{name: full, weight: 100%, for: 1m}]}", reference))
    simulate([path])
    assert "final: stable v2" in capsys.readouterr().out


def test_a_policy_that_is_not_there_is_told_with_the_place_that_names_it(tmp_path: Path) -> None:
    path = written(tmp_path, "v2")
    path.write_text(path.read_text().replace("{steps: [{name: full, weight: 100%, for: 1m}]}", "slow"))
    with pytest.raises(NeedsPerson, match=r"there is no 'policies/slow.yaml' here") as caught:
        simulate([path])
    assert caught.value.where == f"{path}:3:9"


def test_a_broken_policy_is_told_with_its_own_place(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "quick.yaml").write_text(POLICY.replace("for: 1m", "for: 1"))
    path = written(tmp_path, "v2")
    path.write_text(path.read_text().replace("{steps: [{name: full, weight: 100%, for: 1m}]}", "quick"))
    with pytest.raises(NeedsPerson) as caught:
        simulate([path])
    assert caught.value.where == "policies/quick.yaml:4:41"
