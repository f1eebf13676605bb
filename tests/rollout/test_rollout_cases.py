"""The table of cases holds: what it names is there, and every scenario shows a case."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).parent
CASES = yaml.safe_load((HERE / "cases.yaml").read_text())


@cache
def defined_in(file: str) -> frozenset[str]:
    """The tests that a file defines."""
    tree = ast.parse((HERE.parent / file).read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_what_shows_a_case_exists(case: dict[str, list[str]]) -> None:
    assert set(case) <= {"case", "scenarios", "tests"}
    shown = case.get("scenarios", []) + case.get("tests", [])
    assert shown, "nothing shows it"
    for name in case.get("scenarios", []):
        assert (HERE / "scenarios" / f"{name}.yaml").is_file(), name
    for name in case.get("tests", []):
        file, _, test = name.partition("::")
        assert test in defined_in(file), name


def test_every_scenario_shows_a_case() -> None:
    named = {name for case in CASES for name in case.get("scenarios", [])}
    assert {path.stem for path in (HERE / "scenarios").glob("*.yaml")} == named
