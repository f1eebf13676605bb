"""The rules' example as a repository, and `tidegate validate` in it: in this process, or as a program of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import typer
from typer.testing import CliRunner, Result

import tidegate
import tidegate.rules
from tidegate.cli import validate

EXAMPLE = Path(tidegate.rules.__file__).parent / "example"
DEPLOYMENT = "models/digits/deployment.yaml"
MODEL = "models/digits/model.yaml"
VERSION = "models/digits/versions/2.0.0.yaml"
HIDDEN = "\u200b"
"""A character that nobody sees; the rule `hidden-character` has an unsafe mend for it."""

_APP = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
_APP.command()(validate.validate)
_OUTSIDE = ("GIT_", "GITHUB_", "PRE_COMMIT", "NO_COLOR", "FORCE_COLOR", "TERM")


def example() -> dict[str, bytes]:
    """The files of the example repository."""
    return {path.relative_to(EXAMPLE).as_posix(): path.read_bytes() for path in EXAMPLE.rglob("*") if path.is_file()}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    """Put files below a folder."""
    for name, text in files.items():
        path = folder / os.fsencode(name).decode("utf-8", "surrogateescape")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    return folder


def edit(path: Path, old: str, new: str) -> None:
    """One edit, which must change something."""
    text = path.read_bytes()
    assert old.encode() in text, old
    path.write_bytes(text.replace(old.encode(), new.encode(), 1))


def run(*words: str | Path) -> Result:
    """The command in this process; an error that it would tell is the result's exception."""
    return CliRunner().invoke(_APP, [str(word) for word in words])


def environment(**variables: str) -> dict[str, str]:
    """This process's environment without what CI systems and terminals put there."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OUTSIDE)}
    return kept | {"PYTHONPATH": str(Path(tidegate.__file__).parents[1]), "GIT_CONFIG_GLOBAL": os.devnull, **variables}


def program(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """The command as a program of its own, with its exit code."""
    command = [sys.executable, "-m", "tidegate", "validate", *words]
    return subprocess.run(command, cwd=folder, env=environment(**variables), capture_output=True, check=False)


def git(folder: Path, *words: str) -> None:
    """Git, which must succeed."""
    identity = ("-c", "user.name=vision-platform", "-c", "user.email=vision-platform@example.com")
    subprocess.run(["git", *identity, *words], cwd=folder, env=environment(), check=True, capture_output=True)


def committed(folder: Path) -> Path:
    """The folder as a git repository with everything in its first commit, on main."""
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "The example")
    return folder
