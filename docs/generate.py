"""Writes the reference pages that the program itself knows best: commands, kinds and rules.

`python docs/generate.py` writes them, `--check` exits with 1 when one is stale. Neighbours: tests/docs calls `pages`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import yaml

from tidegate.cli.commands import application
from tidegate.spec.schema import schemas

DOCS = Path(__file__).parent
WIDTH = "100"
FILES = {
    "Model": "models/NAME/model.yaml",
    "ModelVersion": "models/NAME/versions/VERSION.yaml",
    "InferenceConfig": "models/NAME/configs/NAME.yaml",
    "Deployment": "models/NAME/deployment.yaml, or models/NAME/deployments/ENVIRONMENT.yaml",
    "RolloutPolicy": "policies/NAME.yaml",
    "Governance": "policies/governance.yaml",
    "Prices": "policies/prices.yaml",
    "Controller": "tidegate.yaml",
    "Callers": "the file that gateway.callers in tidegate.yaml names",
}


def pages() -> dict[str, str]:
    """Path below docs/ to the text that it should have."""
    return {
        "reference/commands.md": _commands(),
        "reference/kinds.md": _kinds(),
        "reference/rules.md": printed("rules", "--format", "markdown").rstrip() + "\n",
    }


def printed(*words: str) -> str:
    """What `tidegate` prints for these words, at a fixed width and without colours. In this process: quicker than thirty."""
    held = io.BytesIO()
    out = io.TextIOWrapper(held, encoding="utf-8", write_through=True)
    fixed = {"COLUMNS": WIDTH, "NO_COLOR": "1", "TERM": "dumb"}
    with mock.patch.dict(os.environ, fixed), contextlib.redirect_stdout(out):
        application(words[0])(list(words), prog_name="tidegate", standalone_mode=False)
    return held.getvalue().decode()


def _commands() -> str:
    top = printed("--help")
    names = [line.split()[0] for line in top.partition("Commands:\n")[2].splitlines() if line.startswith("  ")]
    names = [name for name in names if not name[0].isspace()]
    parts = [
        "# Commands",
        "Made by `docs/generate.py` from each command's `--help`.",
        "Exit codes are the same everywhere: 0 clean; 1 findings, or the answer is no; 2 usage or configuration error; "
        "3 internal error, with a report to paste; 130 interrupted.",
        f"```text\n$ tidegate --help\n{top.rstrip()}\n```",
    ]
    parts += [
        f"## {name}\n\n```text\n$ tidegate {name} --help\n{printed(name, '--help').rstrip()}\n```" for name in names
    ]
    return "\n\n".join(parts) + "\n"


def _kinds() -> str:
    parts = [
        "# Kinds",
        "Made by `docs/generate.py` from the JSON Schemas in [`schemas/`](../../schemas), which are made from the code. "
        "Unknown fields are errors. A bold field is required. Every file begins with `api: tidegate/v1` and its `kind`.",
        "A **duration** is text like `90s`, `10m30s`, `2h` or `14d`. A **share** is text like `5%`. A **limit** is a number, "
        "or a share of one. A **size** is bytes, or text like `512Mi`. A **name** is lower-case letters, digits and dashes.",
        "Some fields are read and checked, and nothing acts on them yet: "
        "[what is not there yet](../../README.md#what-is-not-there-yet) lists them.",
    ]
    loaded = {document["title"]: document for document in map(json.loads, schemas().values())}
    _meant(loaded)
    for kind, file in FILES.items():
        parts += _kind(kind, file, loaded[kind])
    return "\n\n".join(parts) + "\n"


def _meanings() -> dict[str, dict[str, str]]:
    loaded = yaml.safe_load((DOCS / "fields.yaml").read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def _meant(loaded: dict[str, Any]) -> None:
    """Every field has its meaning in fields.yaml, and nothing else does. Raises KeyError when not."""
    there = {
        (name, field)
        for kind, schema in loaded.items()
        for name, part in ((kind, schema), *schema.get("$defs", {}).items())
        for field in part.get("properties", {})
        if field not in ("api", "kind") or name == "RuntimeSettings"
    }
    told = {(name, field) for name, fields in _meanings().items() for field in fields}
    if there != told:
        raise KeyError(f"fields.yaml lacks {sorted(there - told)} and has besides {sorted(told - there)}")


def _kind(kind: str, file: str, schema: dict[str, Any]) -> list[str]:
    """A section for the kind, and one for each of its parts."""
    parts = schema.get("$defs", {})
    sections = [f"## {kind}\n\n`{file}`", _table(kind, kind, schema, parts)]
    for name in _used(schema, parts):
        text = parts[name].get("description", "")
        sections.append(f'### <a id="{_anchor(kind, name)}"></a>{kind}: {name}\n\n{text}')
        sections.append(_table(kind, name, parts[name], parts))
    return sections


def _used(schema: dict[str, Any], parts: dict[str, Any]) -> list[str]:
    """The parts in the order in which a reader meets them."""
    found: list[str] = []
    for name in _references(schema.get("properties", {})):
        if name not in found and name in parts:
            found += [one for one in (name, *_used(parts[name], parts)) if one not in found]
    return found


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"].rpartition("/")[2]] if "$ref" in value else []
        return own + [name for part in value.values() for name in _references(part)]
    return [name for part in value for name in _references(part)] if isinstance(value, list) else []


def _anchor(kind: str, name: str) -> str:
    return f"{kind}-{name}".lower()


def _table(kind: str, name: str, schema: dict[str, Any], parts: dict[str, Any]) -> str:
    required, meanings = schema.get("required", []), _meanings()[name]
    rows = ["| field | type | default | |", "|---|---|---|---|"]
    for key, field in schema.get("properties", {}).items():
        if key not in meanings:
            continue
        shown = f"**`{key}`**" if key in required else f"`{key}`"
        default = f"`{json.dumps(field['default'])}`" if field.get("default") not in (None, "") else ""
        rows.append(f"| {shown} | {_type(kind, field, parts)} | {default} | {meanings[key]} |")
    return "\n".join(rows)


def _type(kind: str, field: dict[str, Any], parts: dict[str, Any]) -> str:
    """A field's type in a few words."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{_anchor(kind, name)})"
    if "enum" in field:
        return " or ".join(
            f"`{json.dumps(value)}`" if not isinstance(value, str) else f"`{value}`" for value in field["enum"]
        )
    if "const" in field:
        return f"`{field['const']}`"
    if "anyOf" in field or "oneOf" in field:
        return _either(kind, field.get("anyOf") or field["oneOf"], parts)
    match field.get("type"):
        case "array":
            return f"list of {_type(kind, field.get('items', {}), parts)}"
        case "object":
            values = field.get("additionalProperties") or next(iter(field.get("patternProperties", {}).values()), None)
            return f"mapping of {_type(kind, values, parts)}" if isinstance(values, dict) and values else "mapping"
        case "string":
            return _text(field)
        case "integer":
            return "whole number"
        case "boolean":
            return "`true` or `false`"
        case "number":
            return "number"
    return "anything"


def _either(kind: str, options: list[dict[str, Any]], parts: dict[str, Any]) -> str:
    given = [option for option in options if option.get("type") != "null"]
    patterns = [str(option.get("pattern", "")) for option in given]
    if any(pattern.endswith("%$") for pattern in patterns) and len(given) > 1:
        return "limit"
    if any("Ki" in pattern for pattern in patterns):
        return "size"
    return " or ".join(_type(kind, option, parts) for option in given)


def _text(field: dict[str, Any]) -> str:
    pattern = str(field.get("pattern", ""))
    if "d)?" in pattern:
        return "duration"
    if pattern.endswith("%$"):
        return "share"
    if pattern == "^[0-9a-f]{64}$":
        return "sha256, 64 hex digits"
    if "@[0-9a-f]" in pattern:
        return "name, or `NAME@COMMIT`"
    if "{0,61}" in pattern:
        return "name"
    return "`HOST:PORT`" if "d{1,5}" in pattern else "text"


def main() -> int:
    """Write the pages, or with `--check` say which are stale."""
    stale = []
    for name, text in pages().items():
        path = DOCS / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in sys.argv[1:]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for name in stale:
        sys.stdout.write(f"{'stale' if '--check' in sys.argv[1:] else 'wrote'}: docs/{name}\n")
    return int(bool(stale) and "--check" in sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
