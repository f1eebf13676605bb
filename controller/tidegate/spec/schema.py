"""JSON Schemas (draft 2020-12) of every kind, for editors and for other tools; generated, and checked for staleness.

Neighbours: kinds.py lists the kinds, layout.py names the files; `tidegate schema` and `tidegate init` write them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tidegate.spec.base import Document
from tidegate.spec.kinds import KINDS
from tidegate.spec.layout import schema_file
from tidegate.spec.units import DURATION_PATTERN, format_duration

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[str, str]:
    """File name in schemas/ -> its text, the same on every machine."""
    return {schema_file(name): _text(name, kind) for name, kind in sorted(KINDS.items())}


def write_schemas(folder: Path) -> list[str]:
    """Write all schemas below `folder`, made if it is missing. Returns the names of the files that changed."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = stale_schemas(folder)
    texts = schemas()
    for name in changed:
        (folder / name).write_text(texts[name], encoding="utf-8")
    return changed


def stale_schemas(folder: Path) -> list[str]:
    """Names of the schemas below `folder` that are missing or not what the code says."""
    texts = schemas()
    return [
        name
        for name, text in texts.items()
        if not (folder / name).is_file() or (folder / name).read_bytes() != text.encode()
    ]


def _text(name: str, kind: type[Document]) -> str:
    schema = _tidy(kind.model_json_schema(by_alias=True, mode="validation"))
    head = {"$schema": DIALECT, "$id": schema_file(name), "title": name}
    return json.dumps(head | schema, indent=2, ensure_ascii=False) + "\n"


def _tidy(schema: Any) -> Any:
    """Without the titles that pydantic makes of names, and with defaults as they would be written in YAML."""
    if isinstance(schema, list):
        return [_tidy(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    tidy: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("properties", "$defs", "patternProperties"):
            tidy[key] = {name: _tidy(part) for name, part in value.items()}
        elif key == "default":
            if schema.get("pattern") == DURATION_PATTERN and not isinstance(value, str):
                tidy[key] = format_duration(value)
            elif isinstance(value, str | int | float):
                tidy[key] = value
        elif key == "description":
            tidy[key] = " ".join(value.split())
        elif key != "title":
            tidy[key] = _tidy(value)
    return tidy
