"""The places of a model's folder that name files: uris and their digests, with where each stands.

Neighbours: checks/pins/ judges them; engines.py finds what a server fetches by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from tidegate.rules.pins.kinds import judge, unfinished
from tidegate.rules.pins.verdict import Pin
from tidegate.spec.declared import DeclaredModel, Loaded
from tidegate.spec.source import Loc

Place: TypeAlias = tuple[Loaded[Any], Loc, str]
"""A loaded file, where in it, and the text that stands there."""

_SCHEMES: Final = (
    ("oci://", "oci-image"), ("hf://", "hf"), ("models:/", "mlflow"), ("runs:/", "mlflow"), ("mlflow-artifacts:/", "mlflow"),
    ("s3://", "s3"), ("gs://", "gcs"), ("dvc:", "dvc"), ("dvc+", "dvc"), ("lakefs://", "lakefs"),
    ("arn:aws", "sagemaker"), ("projects/", "vertex-model"), ("https://", "http"), ("http://", "http"),
)  # fmt: skip
_PLAIN: Final = frozenset({"s3", "gcs", "http"})
_MOVING = re.compile(r"(?:^|[/?#=&])(latest|nightly|current|head)(?=$|[/?#=&])", re.IGNORECASE)
_HUB_BRANCH = re.compile(r"/resolve/(?![0-9a-f]{40}/)([^/]+)/")


def digests(folder: DeclaredModel) -> Iterator[Place]:
    """Every sha256 of a file that a model's folder names."""
    for version in folder.versions.values():
        value = version.value
        if value.artifact is not None:
            yield version, ("artifact", "sha256"), value.artifact.sha256
        for index, adapter in enumerate(value.adapters):
            yield version, ("adapters", index, "sha256"), adapter.sha256
        profile = value.training.profile if value.training is not None else None
        if profile is not None and isinstance(profile.get("sha256"), str):
            yield version, ("training", "profile", "sha256"), profile["sha256"]
        if value.evaluation is not None:
            yield version, ("evaluation", "set_sha256"), value.evaluation.set_sha256
    chosen = folder.model.value.acceptance.evaluation_set if folder.model is not None else None
    if folder.model is not None and chosen is not None:
        yield folder.model, ("acceptance", "evaluation_set", "sha256"), chosen.sha256


def uris(folder: DeclaredModel) -> Iterator[Place]:
    """Every uri of a file that a model's folder names with its digest beside it."""
    for version in folder.versions.values():
        value = version.value
        if value.artifact is not None:
            yield version, ("artifact", "uri"), value.artifact.uri
        for index, adapter in enumerate(value.adapters):
            yield version, ("adapters", index, "uri"), adapter.uri
        profile = value.training.profile if value.training is not None else None
        if profile is not None and isinstance(profile.get("uri"), str):
            yield version, ("training", "profile", "uri"), profile["uri"]
    chosen = folder.model.value.acceptance.evaluation_set if folder.model is not None else None
    if folder.model is not None and chosen is not None:
        yield folder.model, ("acceptance", "evaluation_set", "uri"), chosen.uri


def uri_kind(uri: str) -> str | None:
    """The kind of a uri by its beginning; None for `file:` and what is not known."""
    return next((kind for beginning, kind in _SCHEMES if uri.startswith(beginning)), None)


def judge_uri(uri: str) -> Pin | None:
    """The judgement of a uri that has no digest beside it, or None when its kind is not known."""
    kind = uri_kind(uri)
    return judge(kind, uri) if kind is not None else None


def alias(uri: str) -> tuple[str, str] | None:
    """Why, and what to write instead, when a uri says by its form that it moves: an alias, a tag, a branch, 'latest'.

    A plain path is no alias: a store can be written once by custom, and the digest beside it decides.
    """
    why = unfinished(uri)
    if why is not None:
        return why, "write out the whole uri"
    kind = uri_kind(uri)
    if kind is None or kind not in _PLAIN:
        pin = judge_uri(uri)
        return (pin.why, pin.fix) if pin is not None and not pin.pinned else None
    pin = judge(kind, uri)
    if pin.pinned:
        return None
    found = _MOVING.search(uri)
    if found is not None:
        return f"'{found[1]}' is whatever lies there at the time", pin.fix
    branch = _HUB_BRANCH.search(uri) if kind == "http" else None
    if branch is not None:
        return f"'{branch[1]}' is a branch or a tag", "write the full commit in its place"
    said = "versionid" in uri.lower() if kind == "s3" else "#" in uri
    return (pin.why, pin.fix) if said else None
