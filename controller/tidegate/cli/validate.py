"""`tidegate validate`: all rules over a work tree. Neighbours: rules/ judges and prints, gitrepo/ reads the base.

Nothing heavy is imported here: this is what a hook runs before every commit.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tidegate.rules.finding import Finding


class ReportFormat(StrEnum):
    """The reporters of rules/report."""

    TEXT = "text"
    JSON = "json"
    JSONL = "jsonl"
    GITHUB = "github"


def validate(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", help="Files or folders to report on; a folder with models/ is a root itself."),
    ] = None,
    base: Annotated[
        str | None, typer.Option(metavar="REF", help="A commit to compare with: merged versions must not change.")
    ] = None,
    format: Annotated[  # noqa: A002 the option's name
        ReportFormat, typer.Option("--format", help="text for people, json and jsonl for programs, github for Actions.")
    ] = ReportFormat.TEXT,
) -> None:
    """Check the configuration in the work tree: structure, references, pins, policies.

    Exit codes: 0 clean (warnings may be there), 1 errors, 2 nothing to validate or wrong usage.

    Example: tidegate validate --base origin/main
    """
    from tidegate.rules.report import REPORTERS, Report

    findings: list[Finding] = []
    sources: dict[str, bytes] = {}
    with _uncollected():
        for root, below in _roots(paths or []).items():
            found, files = _judge(root, below, base)
            findings += found
            sources |= files
    report = Report(sorted(findings), len(sources), sources, excerpts=sys.stdout.isatty())
    text = REPORTERS[format](report)
    if text:
        typer.echo(text)
    if format is ReportFormat.TEXT:
        typer.echo(report.summary, err=True)
    if report.errors:
        raise typer.Exit(1)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the collector: half a million small values and no cycles, which it would go through again and again."""
    import gc

    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def _roots(paths: list[Path]) -> dict[Path, list[Path]]:
    """Each root to validate, and the paths below it that findings are wanted for; the root itself means all."""
    from tidegate.rules.worktree import find_root, is_root
    from tidegate.spec.errors import NeedsPerson

    roots: dict[Path, list[Path]] = {}
    for path in paths or [Path()]:
        if not path.exists():
            raise NeedsPerson("there is no such file or folder", where=str(path), fix="look at the spelling")
        whole = path.resolve()
        if whole.is_dir() and is_root(whole):
            roots.setdefault(whole, []).append(whole)
        else:
            root = find_root(whole)
            roots.setdefault(root, []).append(root if not paths else whole)
    return roots


def _judge(root: Path, below: list[Path], base: str | None) -> tuple[list[Finding], dict[str, bytes]]:
    """Findings and files below the wanted paths, with paths as the caller sees them."""
    from dataclasses import replace

    from tidegate.rules.context import Context
    from tidegate.rules.engine import run
    from tidegate.rules.history import History
    from tidegate.rules.worktree import read_files
    from tidegate.spec.declared import load

    files = read_files(root)
    history = None
    if base:
        merged = _base(root, base)
        history = History(base, merged, load(merged, environment=None))
    findings = run(Context(load(files, environment=None), files, history))
    here = Path.cwd()

    def shown(name: str) -> str | None:
        whole = root / name
        if not any(whole == path or path in whole.parents for path in below):
            return None
        return whole.relative_to(here).as_posix() if whole.is_relative_to(here) else name

    names = {name: seen for name in {*files, *(finding.path for finding in findings)} if (seen := shown(name))}
    return (
        [replace(finding, path=names[finding.path]) for finding in findings if finding.path in names],
        {names[name]: text for name, text in files.items() if name in names},
    )


def _base(root: Path, base: str) -> Mapping[str, bytes]:
    """The files of the base commit, by path relative to the root."""
    from tidegate.gitrepo.git import Git
    from tidegate.gitrepo.tree import read, resolve
    from tidegate.spec.errors import NeedsPerson
    from tidegate.spec.layout import wanted

    git = Git.of_clone(root)
    commit = resolve(git, base)
    if commit is None:
        raise NeedsPerson(
            "there is no such commit", where=base, fix="fetch it, or name a branch, tag or commit that is here"
        )
    top = next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)
    prefix = "" if top == root else root.relative_to(top).as_posix() + "/"
    files = read(git, commit, lambda path: path.startswith(prefix) and wanted(path.removeprefix(prefix)))
    return {path.removeprefix(prefix): text for path, text in files.items()}
