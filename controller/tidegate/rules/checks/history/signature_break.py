"""A version that breaks its callers is a new major version.

Callers send what the signature says and read what it says. An input that is gone, that takes another datatype or shape, or
that is new and not `optional: true`, fails them; so does an output that is gone or of another kind. Under a minor or patch
number such a version would reach them as a harmless update: the rollout's steps would fail their requests, not the model.

One more output, and an input that takes more than before (`-1` for a fixed size), break nobody. Held against the newest
merged release below it, where both have a signature; judged with `--base REF`. To mend, take the next major number (below
1.0.0 the next minor one), in the file and in its name, or keep the signature.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tidegate.rules.checks.history import next_version
from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.rules.succession import Step, least, number_after, successions, taken
from tidegate.spec.source import Loc


def check(context: Context) -> Iterator[Finding]:
    """Hold the signature of every new version against that of the one before it."""
    for last, old, version, number in successions(context):
        was, now = last.value.signature, version.value.signature
        if was is None or now is None or taken(old, number) >= least(old, Step.MAJOR):
            continue
        broken = [*_broken("input", was.inputs, now.inputs), *_broken("output", was.outputs, now.outputs)]
        for loc, what in broken[:1]:
            message = f"{what} than in {last.value.version}: its callers' requests would fail"
            fix = f'write version: "{number_after(old, Step.MAJOR)}", and name the file after it; or keep the signature'
            yield RULE.finding(version, ("signature", *loc), message, fix)


def _broken(kind: str, was: tuple[dict[str, Any], ...], now: tuple[dict[str, Any], ...]) -> Iterator[tuple[Loc, str]]:
    """Each thing that callers would stumble over, with its place in the signature."""
    part = f"{kind}s"
    old, new = _named(was), _named(now)
    for name in old:
        if name not in new:
            yield (part,), f"the {kind} '{name}' is gone, other"
    for name, (index, given) in new.items():
        if name not in old:
            if kind == "input" and given.get("optional") is not True:
                yield (part, index), f"the {kind} '{name}' is new, other"
            continue
        before = old[name][1]
        if given.get("datatype") != before.get("datatype"):
            yield (part, index), f"the {kind} '{name}' has another datatype"
        elif not _fits(before.get("shape"), given.get("shape"), widen=kind == "input"):
            yield (part, index), f"the {kind} '{name}' has another shape"


def _named(items: tuple[dict[str, Any], ...]) -> Mapping[str, tuple[int, dict[str, Any]]]:
    return {str(item.get("name", index)): (index, item) for index, item in enumerate(items)}


def _fits(was: Any, now: Any, *, widen: bool) -> bool:
    """Whether the shapes get on: equal, or -1 (any size) where callers need not care."""
    if was == now:
        return True
    if not isinstance(was, list) or not isinstance(now, list) or len(was) != len(now):
        return False
    free = zip(now if widen else was, was, now, strict=True)
    return all(before == after or any_ == -1 for any_, before, after in free)


_WIDER = ("shape: [-1, 64]", "shape: [-1, 256]")

RULE = Rule(
    id="signature-break",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(
            "models/digits/versions/2.1.0.yaml",
            next_version("2.1.0", _WIDER),
            at="{name: image",
            mended=next_version("3.0.0", _WIDER),
            mended_path="models/digits/versions/3.0.0.yaml",
        ),
    ),
    good=(
        Example(
            "models/digits/versions/2.1.0.yaml",
            next_version("2.1.0", ("shape: [-1]}]", "shape: [-1]}, {name: score, datatype: FP32, shape: [-1]}]")),
        ),
    ),
)
