"""`tidegate pin`: is this reference pinned, why, and what to write instead. Neighbour: rules/pins/ judges, offline.

It asks nothing of a repository, an engine or a network: the reference alone decides.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli.output import Format, FormatOption

if TYPE_CHECKING:
    from tidegate.rules.pins import Pin


def pin(
    refs: Annotated[
        list[str], typer.Argument(metavar="REF...", help="References; '-' reads them from stdin, one a line.")
    ],
    kind: Annotated[
        str | None, typer.Option(metavar="KIND", help="What they are, such as oci-image or openai; else by their form.")
    ] = None,
    format: FormatOption = Format.TEXT,  # noqa: A002 the option's name
) -> None:
    """Tell whether a reference alone selects one fixed thing.

    Exit codes: 0 all are pinned, 1 one floats, 2 the kind is unknown or cannot be told.

    Example: tidegate pin --kind openai gpt-4o-2024-08-06
    """
    import json

    asked = list(_asked(refs))
    kinds = [_given(kind) for _ in asked] if kind is not None else [_told(ref) for ref in asked]
    pins = _judged(asked, [name for name, _ in kinds])
    if format is Format.JSON:
        results = [
            {"ref": _shown(one.ref), "kind": one.kind, "pinned": one.pinned, "why": _why(one), "fix": one.fix}
            for one in pins
        ]
        typer.echo(json.dumps({"version": 1, "results": results}, indent=2))
    else:
        for one, (_, how) in zip(pins, kinds, strict=True):
            typer.echo(_text(one, how))
    if not all(one.pinned for one in pins):
        raise typer.Exit(1)


def _asked(refs: Sequence[str]) -> Iterator[str]:
    for ref in refs:
        if ref != "-":
            yield ref
            continue
        for line in sys.stdin.buffer.read().decode("utf-8", "surrogateescape").split("\n"):
            if line.strip():
                yield line.removesuffix("\r")


def _given(kind: str) -> tuple[str, str]:
    """The kind that was asked for, under its own name."""
    from tidegate.rules.pins import KINDS
    from tidegate.spec.errors import NeedsPerson
    from tidegate.spec.vocabulary import similar

    if kind not in KINDS:
        close = similar(kind, KINDS)
        fix = f"did you mean '{close}'?" if close else f"the kinds are {', '.join(KINDS)}"
        raise NeedsPerson("there is no such kind of reference", where=f"--kind {kind}", fix=fix)
    return kind, ""


def _told(ref: str) -> tuple[str, str]:
    """The kind that the reference's form tells, and how."""
    from tidegate.rules.pins import KINDS, infer
    from tidegate.rules.report.model import printable
    from tidegate.spec.errors import NeedsPerson

    guess = infer(ref)
    if len(guess.kinds) == 1:
        return guess.kinds[0], guess.how
    where = printable(ref) or "''"
    if guess.kinds:
        fix = f"say which: {', '.join(f'--kind {kind}' for kind in guess.kinds)}"
        raise NeedsPerson(f"could be {' or '.join(guess.kinds)}: {guess.how}", where=where, fix=fix)
    fix = f"say what it is with --kind: {', '.join(KINDS)}"
    raise NeedsPerson(f"what this is cannot be told: {guess.how}", where=where, fix=fix)


def _judged(refs: Sequence[str], kinds: Sequence[str]) -> list[Pin]:
    from tidegate.rules.pins import judge

    return [judge(kind, ref) for kind, ref in zip(kinds, refs, strict=True)]


def _shown(ref: str) -> str:
    """The reference for a JSON reader: bytes that are no UTF-8 become U+FFFD."""
    return ref.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _why(one: Pin) -> str:
    """The reason in one line, what to mind included."""
    why = f"{one.level}: {one.why}" if one.level is not None else one.why
    return f"{why}; {one.warning}" if one.warning else why


def _text(one: Pin, how: str) -> str:
    from tidegate.rules.report.model import printable

    word = "pinned" if one.pinned else "floats"
    kind = f"{one.kind} ({how})" if how else one.kind
    lines = [f"{printable(one.ref)}: {word}, {kind}", f"  why: {printable(_why(one))}"]
    return "\n".join([*lines, f"  fix: {one.fix}"] if one.fix else lines)
