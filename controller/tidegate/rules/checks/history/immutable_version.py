"""A version that is merged does not change: a fix is a new version.

Judged with `--base REF` only, and by meaning: comments, layout and the order of keys may change, nothing else. Whoever
looks up what answered a request last month must find it as it was.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.digest import document_digest, field_digest
from tidegate.spec.source import Source, parse


def check(context: Context) -> Iterator[Finding]:
    """Compare every version file with the same file in the base."""
    if context.history is None:
        return
    for folder, version in context.versions():
        before = context.history.files.get(version.path)
        if before is None or before == context.files[version.path]:
            continue
        base = parse(before, version.path)
        if not isinstance(base.data, dict) or document_digest(base) == document_digest(version.source):
            continue
        changed = _changed(base, version.source)
        message = (
            f"version '{version.value.version}' of '{folder.name}' is merged already, and this changes '{changed}'"
        )
        yield RULE.finding(
            version, (changed,), message, "take the change back, and declare it in a new version", key=True
        )


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
