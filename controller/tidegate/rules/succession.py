"""One version after another: which is new, which came before it, what changed between them, how large a step that is.

Neighbours: checks/history/ judges by it, spec/semver.py reads the numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Any

from tidegate.rules.context import Context
from tidegate.spec.declared import DeclaredModel, Loaded
from tidegate.spec.digest import field_digest
from tidegate.spec.semver import Version, read
from tidegate.spec.version import ModelVersion

_SNAPSHOT = re.compile(r"[-@:](?:[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}|[0-9]{6}|[0-9]{4}|[0-9]{3})$")
_TUNED = ("adapters", "runtime", "code", "requires")


class Step(IntEnum):
    """The part of the number that changes; DATA is the build part alone."""

    DATA = 0
    PATCH = 1
    MINOR = 2
    MAJOR = 3


Pair = tuple[Loaded[ModelVersion], Version, Loaded[ModelVersion], Version]
"""A merged release and its number, the new version and its number."""


def successions(context: Context) -> Iterator[Pair]:
    """Every new version with the newest merged release below it, where there is one. Nothing without a base."""
    history = context.history
    new = {change.path for change in history.changes if history.new(change)} if history is not None else set[str]()
    for folder, version in context.versions() if new else ():
        number = read(version.value.version)
        last = _before(folder, number, new) if version.path in new and number is not None else None
        if last is not None and number is not None:
            yield *last, version, number


def _before(folder: DeclaredModel, number: Version, new: set[str]) -> tuple[Loaded[ModelVersion], Version] | None:
    numbered = [
        (read(version.value.version), version) for version in folder.versions.values() if version.path not in new
    ]
    below = [
        (old, version) for old, version in numbered if old is not None and not old.pre and old.order < number.order
    ]
    if not below:
        return None
    old, version = max(below, key=lambda pair: pair[0].order)
    return version, old


def taken(old: Version, new: Version) -> Step:
    """The step from one number to another."""
    for step, was, now in zip((Step.MAJOR, Step.MINOR, Step.PATCH), old.core, new.core, strict=True):
        if was != now:
            return step
    return Step.DATA


def least(old: Version, need: Step) -> Step:
    """The step that `need` asks for after `old`: below 1.0.0 minor stands for major, and patch for minor."""
    return Step(need - 1) if old.core[0] == 0 and need in (Step.MAJOR, Step.MINOR) else need


def number_after(old: Version, need: Step) -> str:
    """The number to write for such a step."""
    major, minor, patch = old.core
    step = least(old, need)
    if step is Step.MAJOR:
        return f"{major + 1}.0.0"
    return f"{major}.{minor + 1}.0" if step is Step.MINOR else f"{major}.{minor}.{patch + 1}"


def data_changed(last: Loaded[ModelVersion], version: Loaded[ModelVersion]) -> bool | None:
    """Whether the training data is another one; None where one of the two does not say."""
    was, now = (_at(item, "training", "data") for item in (last, version))
    return was != now if was and now else None


def needed(last: Loaded[ModelVersion], version: Loaded[ModelVersion]) -> tuple[Step, str]:
    """The least step that fits what changed, and what that is. A changed signature counts as one more output at most."""
    old, new = last.value, version.value
    if (old.provider is None) != (new.provider is None):
        return Step.MAJOR, "who serves it changed"
    if old.provider is not None and new.provider is not None:
        if old.provider.name != new.provider.name:
            return Step.MAJOR, "the provider changed"
        if _family(old.provider.model) != _family(new.provider.model):
            return Step.MAJOR, "the provider's model changed"
    if _differs(last, version, "artifact", "format"):
        return Step.MAJOR, "the artifact's format changed"
    for name in ("preprocessing", "signature"):
        if _differs(last, version, name):
            return Step.MINOR, f"the {name} changed"
    tuned = [name for name in _TUNED if field_digest(last.source, name) != field_digest(version.source, name)]
    if tuned:
        return Step.PATCH, f"'{tuned[0]}' changed"
    if old.provider is not None and new.provider is not None and old.provider != new.provider:
        return Step.PATCH, "the provider's snapshot changed"
    for name in ("hyperparameters", "environment"):
        if _differs(last, version, "training", name):
            return Step.PATCH, f"the training's {name} changed"
    if _differs(last, version, "artifact", "sha256") and not data_changed(last, version):
        return Step.PATCH, "the artifact changed"
    return Step.DATA, "the training data changed" if data_changed(last, version) else "nothing that is served changed"


def _family(model: str) -> str:
    """A provider's model id without the date or number of its snapshot."""
    return _SNAPSHOT.sub("", model)


def _differs(last: Loaded[ModelVersion], version: Loaded[ModelVersion], *names: str) -> bool:
    """Whether both say something there, and not the same."""
    was, now = _at(last, *names), _at(version, *names)
    return was is not None and now is not None and was != now


def _at(version: Loaded[ModelVersion], *names: str) -> Any:
    value: Any = version.source.data
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
