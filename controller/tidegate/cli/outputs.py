"""Where `validate` prints: which formats on standard output, which in files, and the bytes of each.

Neighbours: rules/report makes the texts, validate.py fills the report. Grammar and reasons: docs/design/rules.md.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tidegate.rules.report import DOCUMENTS, FORMATS, Report, reporter
from tidegate.spec.errors import NeedsPerson

_SUFFIXES: Final = {
    ".sarif": "sarif", ".sarif.json": "sarif", ".xml": "junit", ".jsonl": "jsonl", ".json": "json", ".txt": "text",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outputs:
    """The formats for standard output, in order, and for each file its format."""

    stdout: tuple[str, ...]
    files: tuple[tuple[str, Path], ...] = ()

    def write(self, report: Report) -> None:
        """Print and write the report. Raises NeedsPerson for a file that cannot be written."""
        for name in self.stdout:
            told = report
            if name == "github" and "text" in self.stdout:
                from tidegate.rules.report.github import shown

                told = replace(report, findings=shown(report.findings))
            echo(_in_a_log(reporter(name)(told), name))
        plain = replace(report, excerpts=False, colours=False)
        for name, path in self.files:
            text = reporter(name)(plain)
            try:
                path.write_bytes((text + "\n" if text else "").encode("utf-8", "backslashreplace"))
            except OSError as error:
                fix = "name a file in a folder that is there"
                raise NeedsPerson(f"cannot be written: {error.strerror}", where=str(path), fix=fix) from error

    @property
    def for_machines(self) -> bool:
        """Whether a format is asked for that names files from the top of the git repository."""
        return bool({*self.stdout, *(name for name, _ in self.files)} - {"text", "json", "jsonl"})

    @property
    def for_people(self) -> bool:
        """Whether standard output is text, so that counts may stand beside it on standard error."""
        return "text" in self.stdout


def chosen(formats: str | None, outputs: Sequence[str], environment: Mapping[str, str]) -> Outputs:
    """What `--format` and `--output` ask for; without a format text, and inside GitHub Actions annotations as well.

    Raises typer.BadParameter for what makes no sense.
    """
    if formats is None:
        names = ["text", "github"] if environment.get("GITHUB_ACTIONS") == "true" else ["text"]
    else:
        names = list(dict.fromkeys(_known(name.strip(), "--format") for name in formats.split(",")))
    alone = next((name for name in names if name in DOCUMENTS), None)
    if alone is not None and len(names) > 1:
        raise wrong(
            f"{alone} is one document and stands alone on standard output; for a second format name a file: "
            f"--output {alone}:FILE",
            "--format",
        )
    return Outputs(tuple(names), tuple(_output(word) for word in outputs))


def _output(word: str) -> tuple[str, Path]:
    name, colon, path = word.partition(":")
    if colon and name in FORMATS:
        if not path:
            raise wrong(f"'{word}' names no file", "--output")
        return name, Path(path)
    file = Path(word)
    if file.suffix == ".json" and "quality" in file.stem.replace("-", "").lower():
        return "gitlab", file
    suffix = ".sarif.json" if file.name.endswith(".sarif.json") else file.suffix
    if suffix not in _SUFFIXES:
        fix = f"write FORMAT:FILE, as in sarif:{word}; the formats are {', '.join(FORMATS)}"
        raise wrong(f"the name '{word}' does not tell its format: {fix}", "--output")
    return _SUFFIXES[suffix], file


def _known(name: str, option: str) -> str:
    if name not in FORMATS:
        known = ", ".join(f"'{one}'" for one in FORMATS)
        raise wrong(f"'{name}' is not one of {known}", option)
    return name


def _in_a_log(text: str, name: str) -> str:
    """The text as GitHub's runner may print it: what comes from a file must not be read as a command of a workflow."""
    return text.replace("##[", "## [") if name == "text" and os.environ.get("GITHUB_ACTIONS") == "true" else text


def echo(text: str, *, err: bool = False) -> None:
    """Print a text, if there is any: as UTF-8, or in a terminal's own encoding with escapes for what it lacks."""
    if text:
        stream = sys.stderr if err else sys.stdout
        encoding = stream.encoding if stream.isatty() and stream.encoding else "utf-8"
        write_bytes((text + "\n").encode(encoding, "backslashreplace"), err=err)


def write_bytes(content: bytes, *, err: bool = False) -> None:
    """Put these bytes on standard output, or on standard error, as they are."""
    stream = sys.stderr if err else sys.stdout
    stream.flush()
    stream.buffer.write(content)
    stream.buffer.flush()


def wrong(message: str, option: str) -> Exception:
    """What to raise for an option that makes no sense. The command line's own library is read only for that."""
    import typer

    return typer.BadParameter(message, param_hint=f"'{option}'")


def wants_colours(environment: Mapping[str, str], *, terminal: bool) -> bool:
    """NO_COLOR, then FORCE_COLOR, then whether a terminal that can do colours is there."""
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR") not in (None, "", "0"):
        return True
    return terminal and environment.get("TERM") != "dumb"
