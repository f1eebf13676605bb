"""Versions only grow: a new version is greater than every merged one of its model.

Numbers are read in their order: in the dashboard, in a rollback, in an incident. A number below one that has served
already would say that it is older. The order is semver's; where only the build part differs (`2.0.1+data.7`), that part
decides by semver's rules for pre-releases, so `+data.8` is greater, and no build part comes first.

A pre-release is held against the releases, and against the other pre-releases of its own number: while `3.0.0-rc.1` is
tried, `2.0.1` may still come. What the base's branch has gained meanwhile counts as merged too. A version that comes back
(a revert of a revert) is not new. Judged with `--base REF`. To mend, take the next free number, in the file and in its
name. To patch an older line on purpose, silence the finding there, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.checks.history import next_version
from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.history import History
from tidegate.rules.rule import Example, Rule
from tidegate.spec.layout import place
from tidegate.spec.semver import Version, read


def check(context: Context) -> Iterator[Finding]:
    """Hold every new version against the numbers that are merged."""
    history = context.history
    if history is None:
        return
    new = {change.path for change in history.changes if history.new(change)}
    merged = _merged(history) if new else {}
    for folder, version in context.versions():
        number = read(version.value.version)
        if version.path not in new or number is None:
            continue
        known = merged.get(folder.name, {})
        above = [name for name, other in known.items() if _comparable(number, other) and other.order >= number.order]
        if above:
            last = max(above, key=lambda name: known[name].order)
            major, minor, patch = max(other.core for other in known.values())
            meanwhile = "meanwhile" if f"models/{folder.name}/versions/{last}.yaml" in history.ahead else "already"
            message = f"{version.value.version} is not greater than {last}, which is merged {meanwhile}"
            if last == version.value.version:
                message = f"{last} is merged {meanwhile}, with other content"
            fix = f'write "{major}.{minor}.{patch + 1}" or a greater one, and name the file after it'
            yield RULE.finding(version, ("version",), message, fix)


def _merged(history: History) -> dict[str, dict[str, Version]]:
    """By model, the numbers of the version files that were merged."""
    merged: dict[str, dict[str, Version]] = {}
    for path in (*history.files, *history.ahead):
        found = place(path)
        number = read(found.name) if found is not None and found.kind == "ModelVersion" else None
        if found is not None and found.model is not None and number is not None:
            merged.setdefault(found.model, {})[found.name] = number
    return merged


def _comparable(new: Version, other: Version) -> bool:
    return not other.pre or (bool(new.pre) and new.core == other.core)


RULE = Rule(
    id="version-order",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(
            "models/digits/versions/1.9.0.yaml",
            next_version("1.9.0"),
            at='"1.9.0"',
            mended=next_version("2.0.1"),
            mended_path="models/digits/versions/2.0.1.yaml",
        ),
    ),
    good=(
        Example("models/digits/versions/2.0.1.yaml", next_version("2.0.1")),
        Example("models/digits/versions/3.0.0-rc.1.yaml", next_version("3.0.0-rc.1")),
        Example("models/digits/versions/2.0.0+data.7.yaml", next_version("2.0.0+data.7")),
    ),
)
