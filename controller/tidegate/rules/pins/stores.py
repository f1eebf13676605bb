"""Kinds of stores: s3, gcs, dvc, lakefs. An object's own version, or the commit of a whole tree.

Neighbours: kinds.py lists them; checks/pins/floating_artifact.py judges uris by them.
"""

from __future__ import annotations

import re

from tidegate.rules.pins.commits import revision_floats
from tidegate.rules.pins.digests import PLACEHOLDER, empty_warning, hex_floats
from tidegate.rules.pins.verdict import Fixed, Floats, Outcome

_S3 = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/([^?]*)(\?.*)?", re.ASCII)
_S3_VERSION = re.compile(r"[A-Za-z0-9._-]{1,1024}", re.ASCII)
_GCS = re.compile(r"gs://([a-z0-9][a-z0-9._-]{1,220}[a-z0-9])/([^#]*)(#.*)?", re.ASCII)
_GENERATION = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_LAKEFS = re.compile(r"lakefs://([a-z0-9][a-z0-9-]{2,62})/([^/]*)(/.*)?", re.ASCII)
_NO_VERSION = frozenset({"null", "none", "latest", "undefined", "nil"})
_DIGEST_BESIDE = "write the artifact's sha256 beside it"


def s3(ref: str) -> Outcome:
    """`s3://bucket/key?versionId=<not null>`"""
    found = _S3.fullmatch(ref)
    if found is None:
        return Floats("it is not s3://BUCKET/KEY")
    key, query = found[2], found[3]
    if not key or key.endswith("/"):
        return Floats("a prefix has no version: objects can be added, replaced and deleted below it")
    if query is None:
        return Floats("the object can be overwritten; a version in its name is only a name")
    version = query.removeprefix("?versionId=")
    if version == query or "&" in version:
        return Floats("'?versionId=...' alone must follow the key")
    if version.lower() in _NO_VERSION:
        return Floats(f"the version '{version}' is what a bucket without versioning gives: it is overwritten in place")
    if not _S3_VERSION.fullmatch(version) or PLACEHOLDER.fullmatch(version) or not version.strip("._-"):
        return Floats("the version id is missing")
    return Fixed("contract", "an object's version", _DIGEST_BESIDE)


def gcs(ref: str) -> Outcome:
    """`gs://bucket/object#<generation>`"""
    found = _GCS.fullmatch(ref)
    if found is None:
        return Floats("it is not gs://BUCKET/OBJECT")
    key, generation = found[2], found[3]
    if not key or key.endswith("/"):
        return Floats("a prefix has no generation: objects can be added, replaced and deleted below it")
    if generation is None:
        return Floats("the object can be overwritten; a version in its name is only a name")
    if not _GENERATION.fullmatch(generation[1:]):
        return Floats("a generation is a number")
    return Fixed("contract", "an object's generation", _DIGEST_BESIDE)


def dvc(ref: str) -> Outcome:
    """`dvc:path@md5:<32 hex>(.dir)?` or `dvc+https://repo@<40 hex>:path`"""
    if ref.startswith("dvc:"):
        path, at, digest = ref.removeprefix("dvc:").rpartition("@")
        if not at or not path:
            return Floats("without '@md5:...' it is whatever the workspace holds")
        if digest.startswith("etag:"):
            return Floats("the ETag of an upload in parts is no hash of the content")
        algorithm, _, text = digest.partition(":")
        if algorithm != "md5":
            return Floats(f"'{algorithm}' is not the md5 that DVC writes")
        text = text.removesuffix(".dir")
        why = hex_floats(text, 32)
        return Floats(why) if why is not None else Fixed("digest", "the md5 that DVC checks", empty_warning(text))
    found = re.fullmatch(r"dvc\+(?:https|ssh)://([^/]+/.+)", ref)
    if found is None:
        return Floats("it is neither 'dvc:PATH@md5:...' nor 'dvc+https://REPOSITORY@COMMIT:PATH'")
    authority, _, tail = found[1].partition("/")
    repository, at, rest = tail.partition("@")
    revision, colon, path = rest.partition(":")
    if not at or not repository:
        return Floats("without '@<commit>' it is whatever the default branch holds")
    if len(revision) == 64 or revision_floats(revision) is not None:
        return Floats(revision_floats(revision) or "a commit has 40 hex digits here")
    if not colon or not path.strip("/"):
        return Floats("the path within the repository is missing")
    secret = ":" in authority.rpartition("@")[0]
    return Fixed("digest", "a full commit of the repository", "a password stands in the address" if secret else None)


def lakefs(ref: str) -> Outcome:
    """`lakefs://repo/<64 hex>/path`"""
    found = _LAKEFS.fullmatch(ref)
    if found is None:
        return Floats("it is not lakefs://REPOSITORY/COMMIT/PATH")
    commit, path = found[2], found[3]
    why = hex_floats(commit, 64)
    if why is not None:
        hexlike = re.fullmatch(r"[0-9a-fA-F]+", commit)
        return Floats(why if hexlike else f"'{commit}' is a branch, a tag or an expression, which can be moved")
    if not path or not path.strip("/"):
        return Floats("the path within the repository is missing")
    return Fixed("digest", "a full commit of the repository")
