"""The JSON Schemas: valid, current, and of one mind with the loader about the example documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tidegate.spec.kinds import KINDS
from tidegate.spec.layout import schema_file
from tidegate.spec.schema import schemas, stale_schemas, write_schemas
from tidegate.spec.source import parse

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted((Path(__file__).parent / "documents").glob("*.yaml"))


def validator(kind: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schemas()[schema_file(kind)]))


def test_the_schemas_in_the_repository_are_what_the_code_says() -> None:
    assert stale_schemas(ROOT / "schemas") == [], "run 'tidegate schema'"
    assert {path.name for path in (ROOT / "schemas").glob("*.json")} == set(schemas())


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_schema_is_a_schema(kind: str) -> None:
    schema = json.loads(schemas()[schema_file(kind)])
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == schema_file(kind)
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_example_document_fits_its_schema(path: Path) -> None:
    data = parse(path.read_bytes(), path.name).data
    assert list(validator(data["kind"]).iter_errors(data)) == []


@pytest.mark.parametrize(
    ("kind", "edit"),
    [
        ("RolloutPolicy", {"steps": [{"name": "a", "weight": 5}]}),
        ("RolloutPolicy", {"steps": []}),
        ("RolloutPolicy", {"standby": 72}),
        ("RolloutPolicy", {"step": []}),
        ("RolloutPolicy", {"kind": "Model"}),
    ],
)
def test_what_the_loader_refuses_an_editor_marks_too(kind: str, edit: dict[str, Any]) -> None:
    path = next(path for path in DOCUMENTS if path.name == "policy.yaml")
    data = parse(path.read_bytes(), path.name).data | edit
    assert list(validator(kind).iter_errors(data)) != []


def test_defaults_are_shown_as_they_would_be_written() -> None:
    policy = json.loads(schemas()["rollout-policy.json"])
    assert policy["properties"]["standby"]["default"] == "3d"
    assert policy["$defs"]["Step"]["properties"]["for"]["default"] == "0s"


def test_only_stale_files_are_written(tmp_path: Path) -> None:
    folder = tmp_path / "schemas"
    assert set(write_schemas(folder)) == set(schemas())
    (folder / "model.json").write_text("{}")
    (folder / "controller.json").unlink()
    assert stale_schemas(folder) == ["controller.json", "model.json"]
    assert write_schemas(folder) == ["controller.json", "model.json"]
    assert write_schemas(folder) == []
