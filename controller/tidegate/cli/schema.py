"""`tidegate schema`: write the JSON Schemas of the declared kinds, or check that they are what the code says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def schema(
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="Where they lie; else schemas/ in this repository.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 when one is missing or stale.")] = False,
) -> None:
    """Write the JSON Schema of every kind, for editors and other tools.

    Example: tidegate schema --check
    """
    from tidegate.rules.worktree import find_root
    from tidegate.spec.schema import stale_schemas, write_schemas

    folder = folder if folder is not None else find_root(Path.cwd()) / "schemas"
    if not check:
        changed = write_schemas(folder)
        typer.echo("\n".join(f"wrote {folder / name}" for name in changed) or f"{folder}: nothing to change", err=True)
        return
    stale = stale_schemas(folder)
    for name in stale:
        typer.echo(f"{folder / name}: not what the code says\n  fix: tidegate schema {folder}")
    if stale:
        raise typer.Exit(1)
