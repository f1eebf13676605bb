"""Which file of a repository declares what, and which JSON Schema its editor should use.

Neighbours: declared.py loads by it, rules/ and the git room ask it, schema.py writes the schemas.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

MAX_BYTES: Final = 1024 * 1024
"""The largest file that is read. It stands here and not with the parser, for whoever only wants to know it."""

_NAME = r"[^/]+"
_PLACES = tuple(
    (re.compile(pattern), kind)
    for pattern, kind in (
        (rf"models/(?P<model>{_NAME})/versions/(?P<name>{_NAME})\.yaml", "ModelVersion"),
        (rf"models/(?P<model>{_NAME})/configs/(?P<name>{_NAME})\.yaml", "InferenceConfig"),
        (rf"models/(?P<model>{_NAME})/(?P<name>model)\.yaml", "Model"),
        (rf"models/(?P<model>{_NAME})/(?P<name>deployment)\.yaml", "Deployment"),
        (rf"models/(?P<model>{_NAME})/deployments/(?P<name>{_NAME})\.yaml", "Deployment"),
        (r"policies/(?P<name>governance)\.yaml", "Governance"),
        (r"policies/(?P<name>prices)\.yaml", "Prices"),
        (rf"policies/(?P<name>{_NAME})\.yaml", "RolloutPolicy"),
        (r"(?P<name>tidegate)\.yaml", "Controller"),
    )
)


@dataclass(frozen=True, slots=True)
class Place:
    """What a path is for: the kind that belongs there, the model's folder, and the name that the file gives it."""

    kind: str
    model: str | None
    name: str
    environment: str | None = None


@lru_cache(maxsize=1 << 17)  # a portfolio's paths are asked about at every commit
def place(path: str) -> Place | None:
    """The place of a path relative to the repository root (`/` between parts); None when Tidegate does not read it."""
    for pattern, kind in _PLACES:
        match = pattern.fullmatch(path)
        if match:
            groups = match.groupdict()
            environment = groups["name"] if "/deployments/" in path and kind == "Deployment" else None
            return Place(kind, groups.get("model"), groups["name"], environment)
    return None


def wanted(path: str) -> bool:
    """Whether this path of the repository is read at all."""
    return place(path) is not None


def looks_declared(path: str) -> bool:
    """Whether this is a YAML file at the root or below models/ and policies/, where all are that are read."""
    return path.endswith((".yaml", ".yml")) and ("/" not in path or path.startswith(("models/", "policies/")))


def schema_file(kind: str) -> str:
    """`ModelVersion` -> `model-version.json`, a file in schemas/."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", kind).lower() + ".json"


def modeline(path: str) -> str | None:
    """The comment that tells an editor the schema of this file; None for a path that Tidegate does not read."""
    found = place(path)
    if found is None:
        return None
    return f"# yaml-language-server: $schema={'../' * path.count('/')}schemas/{schema_file(found.kind)}"
