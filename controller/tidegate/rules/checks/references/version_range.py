"""What a version requires is a name and a range of versions that something can lie in.

`requires: [{name: feature-store, version: ">=2.3,<3"}]`: comparisons with `>=`, `>`, `<=`, `<`, `==`, `!=` or `~=`, with
commas between them that mean 'and'. `>=3,<2` holds nothing, and a name that stands twice says two things.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.documents import in_use
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule

_ONE = re.compile(r"\s*(>=|<=|==|!=|~=|>|<)\s*v?([0-9]+(?:\.[0-9]+)*(?:\.\*)?(?:[-+.]?[0-9A-Za-z][0-9A-Za-z.+-]*)?)\s*")


def check(context: Context) -> Iterator[Finding]:
    """Judge what every version in use requires."""
    for _, version in in_use(context):
        seen: set[str] = set()
        for index, required in enumerate(version.value.requires):
            if not required.name.strip() or required.name in seen:
                message = (
                    f"'{required.name}' is required twice" if required.name.strip() else "what is required has no name"
                )
                fix = "join the ranges with a comma" if required.name.strip() else "write the name of what must run"
                yield RULE.finding(version, ("requires", index, "name"), message, fix)
            seen.add(required.name)
            fault = range_fault(required.version)
            if fault is not None:
                yield RULE.finding(version, ("requires", index, "version"), fault, "write it like '>=2.3,<3'")


def range_fault(text: str) -> str | None:
    """Why nothing can be told from this range of versions, or None when it is one."""
    low, high = None, None
    for part in text.split(","):
        match = _ONE.fullmatch(part)
        if match is None:
            shown = part.strip()
            return f"'{shown}' compares with no version" if shown else "a comparison is missing in the range"
        sign, bound = match[1], _numbers(match[2])
        if sign in (">=", ">", "==", "~="):
            low = max(low or (bound, False), (bound, sign == ">"))
        if sign in ("<=", "<", "=="):
            high = min(high or (bound, True), (bound, sign != "<"))
    if low is not None and high is not None:
        empty = low[0] > high[0] or (low[0] == high[0] and (low[1] or not high[1]))
        if empty:
            return f"no version can lie in '{text}'"
    return None


def _numbers(text: str) -> tuple[int, ...]:
    found = re.match(r"[0-9]+(?:\.[0-9]+)*", text)
    numbers = [int(part) for part in found[0].split(".")] if found else []
    while numbers and numbers[-1] == 0:  # 2.0 and 2 are the same bound
        numbers.pop()
    return tuple(numbers)


_PATH = "models/digits/versions/2.0.0.yaml"


def _requires(text: str) -> str:
    return f'requires: [{{name: feature-store, version: "{text}"}}]\nruntime:'


RULE = Rule(
    id="version-range",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(_PATH, _requires("2.3 or newer"), "runtime:", at='"2.3 or', mended=_requires(">=2.3")),
        Example(_PATH, _requires(">=3,<2"), "runtime:", at='">=3,<2"', mended=_requires(">=2,<3")),
    ),
    good=(Example(_PATH, _requires(">=2.3,<3"), "runtime:"),),
)
