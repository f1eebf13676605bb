"""A version that is merged does not change: a fix is a new version.

Judged with `--base REF`, and by meaning: comments, layout and the order of keys may change, nothing else; nor may the file
become a link or a submodule. Whoever looks up what answered a request last month must find it as it was. A number that
was merged and deleted stays taken: it comes back as it was, or not at all.

A revert is allowed: content that this path had on the base's branch may come back, and so may what a `git revert` of a
merged commit says that it restores. A file that was no version when it was merged, since it could not be read, never
served: it may be mended in its place. To mend, take the change back, and declare it under the next number.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.checks.history import cut_off
from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.history import Change, History
from tidegate.rules.rule import Example, Rule
from tidegate.spec.declared import Loaded, load_document
from tidegate.spec.digest import document_digest, field_digest
from tidegate.spec.layout import place
from tidegate.spec.source import Source, parse
from tidegate.spec.version import ModelVersion


def check(context: Context) -> Iterator[Finding]:
    """Compare every version file that changes with what was merged under its name."""
    history = context.history
    if history is None:
        return
    for change in history.changes:
        found = place(change.path)
        if found is None or found.kind != "ModelVersion" or change.status == "D" or history.restores(change):
            continue
        folder = context.declared.models.get(found.model or "")
        if folder is None:
            continue
        version = folder.versions.get(found.name)
        if change.status == "T" and change.before.startswith("100"):
            yield _no_file(change, found.name)
        elif version is not None and change.status == "A":
            yield from _taken(history, version)
        elif version is not None:
            yield from _edited(history, version)


def _no_file(change: Change, name: str) -> Finding:
    kind = "a submodule" if change.after == "160000" else "a symbolic link"
    message = f"version '{name}' is merged already, and this makes {kind} of it"
    return RULE.at(change.path, 1, 1, message, "put the file back as it was")


def _taken(history: History, version: Loaded[ModelVersion]) -> Iterator[Finding]:
    if not history.former.get(version.path, frozenset()) - {""}:
        return
    number = version.value.version
    message = f"version '{number}' was merged before, then deleted, and this declares something else under its number"
    fix = "give it the next number; or bring the file back as it was (git log --diff-filter=D -- FILE finds it)"
    yield RULE.finding(version, ("version",), message, fix, key=True)


def _edited(history: History, version: Loaded[ModelVersion]) -> Iterator[Finding]:
    before = history.files.get(version.path)
    if before is None:
        return
    base = parse(before, version.path)
    if not isinstance(base.data, dict) or document_digest(base) == document_digest(version.source):
        return
    if load_document(ModelVersion, before, version.path)[0] is None:
        return  # it was never a version: nothing has served from it
    changed = _changed(base, version.source)
    message = (
        f"version '{version.value.version}' of '{version.value.model}' is merged already, and this changes '{changed}'"
    )
    fix = f"take the change back, and declare it in a new version{cut_off(history)}"
    yield RULE.finding(version, (changed,), message, fix, key=True)


def _changed(before: Source, after: Source) -> str:
    """The first field, in the order of the file, whose own digest differs."""
    names: list[str] = [*after.data, *(name for name in before.data if name not in after.data)]
    return next(name for name in names if field_digest(before, name) != field_digest(after, name))


RULE = Rule(
    id="immutable-version",
    severity="error",
    since="0.1.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example("models/digits/versions/2.0.0.yaml", "gpus: 1}", "memory: 512Mi}", at="runtime:"),
        Example(
            "models/digits/versions/2.0.0.yaml",
            "reason: Better.",
            "reason: Retrained with August scans;",
            at="reason: ",
        ),
    ),
    good=(Example("models/digits/versions/2.0.0.yaml", "model: digits # the 8x8 ones\n", "model: digits\n"),),
)
