"""What commands share: the text-or-JSON option, printing JSON, and finding the repository's `tidegate.yaml`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer


class Format(StrEnum):
    """How a command prints facts."""

    TEXT = "text"
    JSON = "json"


FormatOption = Annotated[Format, typer.Option("--format", help="text for people, json for programs.")]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="The controller's tidegate.yaml; else the nearest one upwards from here."),
]


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    import orjson

    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
