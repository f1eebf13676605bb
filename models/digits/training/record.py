"""The ModelVersion file of a trained version: written once, and compared ever after.

train.py fills it. What a second run may differ in without being another model (times, speed) is named here.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

MODELINE = "# yaml-language-server: $schema=../../../schemas/model-version.json\n"
# Paths in the document that each run measures anew: never a reason to call a version changed.
MEASURED = (("training", "trained_at"), ("evaluation", "ran_at"), ("evaluation", "metrics", "latency_p95_ms"))
# Of the run, not of the model: an image is set when it is pushed (serving/stamp.py), and later code on later packages may
# well give the same bytes. Said, and no reason to call a version changed.
CIRCUMSTANCES = (("runtime", "image"), ("code",), ("training", "environment"), ("preprocessing", "commit"))


# Ids, which are quoted: a version or a hash that looks like a number must stay a string.
IDS = ("version", "sha256", "set_sha256", "commit", "digest")


class _Id(str):
    """A string that is written with quotes."""


class _Dumper(yaml.SafeDumper):
    """Short lists and mappings in one line, the rest one field a line."""


def _sequence(dumper: yaml.SafeDumper, data: list[Any]) -> yaml.Node:
    plain = all(not isinstance(item, dict | list) for item in data)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=plain)


def _mapping(dumper: yaml.SafeDumper, data: dict[str, Any]) -> yaml.Node:
    plain = bool(data) and all(not isinstance(item, dict) for item in data.values()) and len(str(data)) < 90
    return dumper.represent_mapping("tag:yaml.org,2002:map", data.items(), flow_style=plain)


def _id(dumper: yaml.SafeDumper, data: _Id) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(data), style='"')


_Dumper.add_representer(_Id, _id)
_Dumper.add_representer(list, _sequence)
_Dumper.add_representer(dict, _mapping)


def render(document: dict[str, Any]) -> str:
    """The file's text, with its editor modeline."""
    return MODELINE + yaml.dump(_quoted(document), Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True)


def _quoted(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _quoted(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_quoted(item) for item in value]
    return _Id(value) if key in IDS else value


def differences(old: dict[str, Any], new: dict[str, Any]) -> tuple[list[str], list[str]]:
    """What differs, as `path: old -> new`: in the version itself, and in the circumstances of its training."""
    old, new = _without(old, MEASURED), _without(new, MEASURED)
    everything = list(_walk("", old, new))
    itself = list(_walk("", _without(old, CIRCUMSTANCES), _without(new, CIRCUMSTANCES)))
    return itself, [difference for difference in everything if difference not in itself]


def _without(document: dict[str, Any], paths: Iterable[tuple[str, ...]]) -> dict[str, Any]:
    rest = copy.deepcopy(document)
    for *parents, last in paths:
        part: Any = rest
        for name in parents:
            part = part.get(name, {})
        part.pop(last, None)
    return rest


def _walk(path: str, old: Any, new: Any) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in [*old, *(key for key in new if key not in old)]:
            yield from _walk(f"{path}.{name}" if path else str(name), old.get(name), new.get(name))
    elif old != new:
        yield f"{path}: {old!r} -> {new!r}"


def read(path: Path) -> dict[str, Any]:
    """The document of a version file."""
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document
