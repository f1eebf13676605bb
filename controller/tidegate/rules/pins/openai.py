"""Kinds openai and azure-openai: a dated snapshot stays as it is, and an undated id is an alias, even of an older one.

Neighbours: dates.py knows the calendar, families.py whose id it is.
"""

from __future__ import annotations

import re

from tidegate.rules.pins import dates
from tidegate.rules.pins.families import ID, foreign, moving
from tidegate.rules.pins.verdict import Fixed, Floats, Outcome

_D4 = re.compile(r"-([0-9]+-[0-9]+-[0-9]+)$", re.ASCII)
_MMDD = re.compile(r"-([0-9]{4})(?:-preview)?$", re.ASCII)
_PARTIAL = re.compile(r"-20[0-9]{2}(?:-[0-9]{1,2})?$|-20[0-9]{6}$", re.ASCII)
_EMBEDDING = re.compile(r"text-embedding-(?:3-[a-z]+|ada-002)", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*", re.ASCII)
_CHECKPOINT = re.compile(r"ckpt-step-[0-9]+", re.ASCII)
_SNAPSHOT = "a dated snapshot"
_AZURE_KEYS = frozenset({"model", "version", "upgrade"})
_AZURE_MORE = frozenset({"deployment", "resource", "region", "sku"})


def openai(ref: str) -> Outcome:
    """`id-YYYY-MM-DD`, `id-MMDD(-preview)?`, `ft:<pinned base>:org:name:id`, or an embedding model."""
    return _fine_tune(ref) if ref.startswith("ft:") else _model(ref)


def _model(ref: str) -> Outcome:
    if not ID.fullmatch(ref):
        return Floats("it is no model id")
    why = foreign(ref, "openai")
    if why is not None:
        return Floats(why)
    if _EMBEDDING.fullmatch(ref) and moving(ref) is None:
        return Fixed("contract", "an embedding model that is never updated")
    dated = _D4.search(ref)
    if dated is not None and ref[: dated.start()]:
        return _on(dates.day(dated[1]), ref[: dated.start()])
    short = _MMDD.search(ref)
    base = ref[: short.start()] if short is not None else ""
    if short is not None and base and not _PARTIAL.search(ref) and not _PARTIAL.search(base):
        return _on(dates.month_day(short[1]), base)
    if _PARTIAL.search(ref) or _PARTIAL.search(base):
        return Floats("its date is not written in full, as YYYY-MM-DD or MMDD")
    return Floats(moving(ref) or "an undated id is an alias: it is moved, once even to an older snapshot")


def _on(impossible: str | None, base: str) -> Outcome:
    if impossible is not None:
        return Floats(impossible)
    if "latest" in base.split("-"):
        return Floats("'-latest' moves with every release")
    return Fixed("contract", _SNAPSHOT)


def _fine_tune(ref: str) -> Outcome:
    base, *rest = ref.removeprefix("ft:").split(":")
    judged = _model(base)
    if isinstance(judged, Floats):
        return Floats(f"its base '{base}' floats: {judged.why}")
    if len(rest) == 4 and _CHECKPOINT.fullmatch(rest[3]):
        rest = rest[:3]
    if len(rest) != 3 or not _WORD.fullmatch(rest[0]) or not _WORD.fullmatch(rest[2]):
        return Floats("a fine-tuned model is named ft:<base>:<organisation>:<name>:<id>")
    if rest[1] and not _WORD.fullmatch(rest[1]):
        return Floats(f"'{rest[1]}' is no name of a fine-tuned model")
    return Fixed("contract", "a fine-tuned model over a dated base", "it is retired together with its base")


def azure_openai(ref: str) -> Outcome:
    """`model=...;version=...;upgrade=NoAutoUpgrade`, the keys in any order."""
    pairs = [part.partition("=") for part in ref.split(";")]
    keys = [key for key, _, _ in pairs]
    values = {key: value for key, _, value in pairs}
    unknown = sorted(set(keys) - _AZURE_KEYS - _AZURE_MORE)
    if unknown or len(values) != len(keys) or not all(equals and value for _, equals, value in pairs):
        return Floats("it is not 'model=...;version=...;upgrade=...', each of them once")
    if set(keys) == {"deployment"}:
        return Floats("the name of a deployment does not say which model it has, and it can be given another")
    missing = sorted(_AZURE_KEYS - set(keys))
    if missing == ["upgrade"]:
        return Floats("without an upgrade policy the model is moved to the next default version")
    if missing:
        return Floats(f"{' and '.join(missing)} is missing")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", values["model"], re.ASCII):
        return Floats(f"'{values['model']}' is no model")
    if values["upgrade"] != "NoAutoUpgrade":
        return Floats(f"the policy '{values['upgrade']}' moves the model although a version is written")
    version = values["version"].removeprefix("turbo-")
    is_short = len(version) == 4 and version == values["version"]
    why = dates.month_day(version) if is_short else dates.day(version)
    if why is not None:
        return Floats(f"'{values['version']}' is no version: {why}")
    return Fixed("contract", "a version that is never upgraded by itself", "it stops to work when the version retires")
