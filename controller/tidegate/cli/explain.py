"""`tidegate explain RULE` and `tidegate rules`: the manual page of one rule, and the catalogue of all."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import typer

_WIDEST = 100


class CatalogueFormat(StrEnum):
    """How pages and the catalogue are printed. `md` is short for `markdown`."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    MD = "md"


FormatOption = Annotated[
    CatalogueFormat, typer.Option("--format", help="text for people, json for programs, markdown (md) for a page.")
]


def explain(
    rule: Annotated[str, typer.Argument(metavar="RULE", help="The rule's id, as a finding names it.")],
    format: FormatOption = CatalogueFormat.TEXT,  # noqa: A002 the option's name
) -> None:
    """Tell what a rule asks for, why, and with which examples.

    Example: tidegate explain floating-image
    """
    import json

    from tidegate.cli.outputs import echo
    from tidegate.rules.pages import facts, page, section
    from tidegate.rules.registry import BY_ID
    from tidegate.spec.errors import NeedsPerson
    from tidegate.spec.vocabulary import similar

    if rule not in BY_ID:
        close = similar(rule, BY_ID)
        fix = f"did you mean '{close}'?" if close else "'tidegate rules' lists them"
        raise NeedsPerson("there is no such rule", where=rule, fix=fix)
    found = BY_ID[rule]
    if format is CatalogueFormat.TEXT:
        echo(page(found, width=_width(), bold=_bold()))
    elif format is CatalogueFormat.JSON:
        echo(json.dumps({"version": 1} | facts(found), indent=2))
    else:
        echo(f"# {section(found)}")


def rules(
    format: FormatOption = CatalogueFormat.TEXT,  # noqa: A002 the option's name
    family: Annotated[
        list[str] | None, typer.Option("--family", metavar="FAMILY", help="Only this family. May be repeated.")
    ] = None,
) -> None:
    """List every rule that 'tidegate validate' applies, family by family.

    Example: tidegate rules --family pins
    """
    import json

    from tidegate.cli.outputs import echo
    from tidegate.rules.pages import catalogue, facts, markdown
    from tidegate.rules.registry import FAMILIES, RULES

    for name in family or ():
        if name not in FAMILIES:
            known = ", ".join(f"'{one}'" for one in FAMILIES)
            raise typer.BadParameter(f"'{name}' is not one of {known}", param_hint="'--family'")
    chosen = [rule for rule in RULES if not family or rule.family in family]
    if format is CatalogueFormat.TEXT:
        echo(catalogue(chosen, width=_width(), bold=_bold()))
    elif format is CatalogueFormat.JSON:
        echo(json.dumps({"version": 1, "rules": [facts(rule) for rule in chosen]}, indent=2))
    else:
        echo(markdown(chosen).rstrip("\n"))


def _width() -> int | None:
    """The columns to fill: a terminal's, up to what is good to read; None where nobody looks."""
    return min(shutil.get_terminal_size().columns, _WIDEST) if sys.stdout.isatty() else None


def _colours() -> bool:
    from tidegate.cli.outputs import wants_colours

    return wants_colours(os.environ, terminal=sys.stdout.isatty())


def _bold() -> Callable[[str], str]:
    return (lambda text: f"\x1b[1m{text}\x1b[0m") if _colours() else str
