"""`validate --fix`: looks the mends up, writes each file in one go, or shows the difference.

Neighbours: rules/fixes.py makes the new texts (pure), validate.py calls, check/ says what there is and what was merged.
"""

from __future__ import annotations

import difflib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from tidegate.cli.check.history import base_commit
from tidegate.cli.check.resolver import WorldResolver
from tidegate.cli.check.tree import Tree, tree_of
from tidegate.cli.roots import Roots
from tidegate.gitrepo.tree import read
from tidegate.rules.context import Context, facts
from tidegate.rules.engine import in_model, run_general, run_models
from tidegate.rules.finding import Finding
from tidegate.rules.fixes import Mended, mend
from tidegate.rules.report.model import printable
from tidegate.spec.declared import load, load_document
from tidegate.spec.digest import document_digest
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.source import MAX_BYTES, parse
from tidegate.spec.version import ModelVersion


@dataclass(frozen=True, slots=True)
class Edit:
    """One file's new content. `path` as the caller sees it."""

    path: str
    file: Path
    before: bytes
    after: bytes


@dataclass(frozen=True, slots=True)
class Edits:
    """What is to be written, which findings that mends, and which could not be mended, with the reason.

    `asked`: references that nobody could resolve, and why.
    """

    edits: tuple[Edit, ...]
    fixed: tuple[Finding, ...]
    refused: tuple[tuple[Finding, str], ...]
    asked: tuple[tuple[str, str], ...] = ()

    @property
    def refusals(self) -> list[str]:
        """A line for each finding that could not be mended."""
        lines = [
            f"not fixed: {printable(one.path)}:{one.line}:{one.column} {one.rule}: {why}"
            for one, why in sorted(self.refused, key=lambda pair: (pair[0].path, pair[0].line, pair[0].column))
        ]
        return [*lines, *(f"not resolved: {printable(name)}: {printable(why)}" for name, why in self.asked)]


def mends(findings: Sequence[Finding], roots: Roots, base: str | None, *, unsafe: bool) -> Edits:
    """The edits for these findings, whose paths are as the caller sees them. With `unsafe` the world is asked."""
    today = date.today()  # noqa: DTZ011 the calendar of the person who asks
    edits: list[Edit] = []
    fixed: list[Finding] = []
    refused: list[tuple[Finding, str]] = []
    asked: list[tuple[str, str]] = []
    for root, own in roots.split(findings).items():
        tree = tree_of(root, staged=False)
        files = tree.read(tree.files)
        resolver = WorldResolver(root, today) if unsafe else None
        whole = {
            path: text for path, text in files.items() if len(text) <= MAX_BYTES
        }  # of a larger one, only a part is here
        done = mend(whole, own, _Judge(files, today), _Merged(tree, base), unsafe=unsafe, resolver=resolver)
        edits += [Edit(roots.shown(root, path), root / path, files[path], text) for path, text in done.texts.items()]
        fixed += [replace(one, path=roots.shown(root, one.path)) for one in done.fixed]
        refused += _refused(done, root, roots)
        asked += resolver.reasons.items() if resolver is not None else ()
    return Edits(tuple(edits), tuple(fixed), tuple(refused), tuple(asked))


def _refused(done: Mended, root: Path, roots: Roots) -> Iterator[tuple[Finding, str]]:
    for one in done.refused:
        yield replace(one.finding, path=roots.shown(root, one.finding.path)), one.why


def write(edits: Iterable[Edit]) -> None:
    """Write each file anew beside the old one and put it in its place: whole or not at all, with its mode.

    Raises NeedsPerson for a file that cannot be written, or that somebody changed meanwhile.
    """
    for edit in edits:
        temporary = None
        try:
            if edit.file.read_bytes() != edit.before:
                raise NeedsPerson("somebody changed it meanwhile", where=edit.path, fix="run the command again")
            with tempfile.NamedTemporaryFile(dir=edit.file.parent, prefix=".tidegate-", delete=False) as stream:
                temporary = Path(stream.name)
                stream.write(edit.after)
                stream.flush()
                os.fsync(stream.fileno())
            shutil.copymode(edit.file, temporary)
            temporary.replace(edit.file)
            temporary = None
        except OSError as error:
            fix = "look at the permissions of the folder"
            raise NeedsPerson(f"cannot be written: {error.strerror}", where=edit.path, fix=fix) from error
        finally:
            if temporary is not None:
                temporary.unlink(missing_ok=True)


def difference(edits: Iterable[Edit], *, colours: bool) -> bytes:
    """The edits as one unified diff, which `git apply` takes."""
    lines: list[bytes] = []
    for edit in sorted(edits, key=lambda one: one.path):
        name = edit.path.encode("utf-8", "surrogateescape")
        end = b"\t" if b" " in name else b""
        before, after = edit.before.splitlines(keepends=True), edit.after.splitlines(keepends=True)
        found = difflib.diff_bytes(difflib.unified_diff, before, after, b"a/" + name + end, b"b/" + name + end)
        whole = (line if line.endswith(b"\n") else line + b"\n\\ No newline at end of file\n" for line in found)
        lines += [_coloured(line) if colours else line for line in whole]
    return b"".join(lines)


def _coloured(line: bytes) -> bytes:
    head = line.startswith((b"--- ", b"+++ "))
    style = b"1" if head else {b"-": b"31", b"+": b"32", b"@": b"36"}.get(line[:1])
    text = printable(line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")).encode("utf-8", "backslashreplace")
    return b"\x1b[" + style + b"m" + text + b"\x1b[0m\n" if style else text + b"\n"


class _Judge:
    """Findings in files that have new contents: only the folders that these lie in are judged again."""

    def __init__(self, files: Mapping[str, bytes], today: date) -> None:
        self._beside = {path: text for path, text in files.items() if not in_model(path)}
        self._folders: dict[str, dict[str, bytes]] = {}
        for path, text in files.items():
            if in_model(path):
                self._folders.setdefault(path.split("/")[1], {})[path] = text
        self._today = today

    def __call__(self, texts: Mapping[str, bytes]) -> dict[str, list[Finding]]:
        beside = self._beside | {path: text for path, text in texts.items() if not in_model(path)}
        found: list[Finding] = []
        for folder in {path.split("/")[1] for path in texts if in_model(path)}:
            own = self._folders[folder]
            files = beside | own | {path: text for path, text in texts.items() if path in own}
            found += run_models(Context(load(files, None), files, today=self._today))
        if any(not in_model(path) for path in texts):
            every = {path: text for own in self._folders.values() for path, text in own.items()}
            known = facts(load(every | {path: text for path, text in texts.items() if in_model(path)}, None))
            found += run_general(Context(load(beside, None), beside, facts=known, today=self._today))
        by_path: dict[str, list[Finding]] = {path: [] for path in texts}
        for finding in found:
            if finding.path in by_path:
                by_path[finding.path].append(finding)
        return by_path


class _Merged:
    """Says why a version must not get a new content: it is merged, and it would declare something else."""

    def __init__(self, tree: Tree, base: str | None) -> None:
        self._tree = tree
        self._commit: str | None = None
        try:
            # As for a commit: without a base that was named, the branch that the controller follows.
            asked = base_commit(replace(tree, staged=True), base) if tree.git is not None else None
        except NeedsPerson:
            if base is not None:
                raise
            return  # nothing that was merged is here to be compared with
        self._commit = asked.commit if asked is not None else None

    def __call__(self, path: str, text: bytes) -> str:
        if "/versions/" not in path or self._commit is None or self._tree.git is None:
            return ""
        whole = self._tree.prefix + path
        merged = read(self._tree.git, self._commit, lambda name: name == whole).get(whole)
        if merged is None:
            return ""
        before, after = parse(merged, path), parse(text, path)
        if not isinstance(before.data, dict) or not isinstance(after.data, dict):
            return ""
        if load_document(ModelVersion, merged, path)[0] is None:
            return ""  # what could not be read when it was merged has never served
        if document_digest(before) == document_digest(after):
            return ""
        return "this version is merged and stays as it is: write the next one with the fix"
