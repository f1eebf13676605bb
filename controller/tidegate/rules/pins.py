"""Does a reference alone select one fixed thing? The kinds that a ModelVersion needs: image, weights, commit.

Pinned means: by a content digest. A tag that looks like a version is still somebody's to move.
"""

from __future__ import annotations

import re
from typing import Final

EMPTY_SHA256: Final = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""The digest of a file with nothing in it: what a failed export leaves behind."""

_NAME = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_HOST = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]+)?|\[[0-9a-fA-F:]+\](?::[0-9]+)?)/"
_IMAGE = re.compile(
    rf"(?:oci://)?(?:{_HOST})?{_NAME}(?:/{_NAME})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?@sha256:[0-9a-f]{{64}}"
)
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def image_floats(ref: str) -> str | None:
    """Why this image may change without a commit (or does not exist), or None when it is pinned."""
    if "$" in ref:
        return "a variable in it is not filled in"
    if _IMAGE.fullmatch(ref):
        return "its digest is all zeros, which no image has" if ref.endswith("0" * 64) else None
    _, at, digest = ref.partition("@")
    if at:
        if not digest.startswith("sha256:"):
            return f"'{digest[:20]}' is not a sha256 digest"
        text = digest.removeprefix("sha256:")
        if re.fullmatch(r"[0-9a-fA-F]{64}", text):
            return "a digest is written in lower case" if text != text.lower() else "its name is not one of an image"
        return f"its digest has {len(text)} characters instead of 64 hex digits"
    last = ref.rpartition("/")[2]
    if ":sha256-" in last:
        return "':sha256-...' is a tag and not a digest"
    if ":" in last:
        return f"the tag '{last.partition(':')[2]}' can be moved to another image"
    return "without a digest it is whatever 'latest' is at the time"


def commit_floats(ref: str) -> str | None:
    """Why this is no full commit, or None when it is one."""
    if _COMMIT.fullmatch(ref):
        return "it is all zeros, which no commit is" if not ref.strip("0") else None
    if re.fullmatch(r"[0-9a-f]{4,63}", ref):
        return f"{len(ref)} hex digits can come to mean another commit"
    if re.fullmatch(r"[0-9a-fA-F]{40}|[0-9a-fA-F]{64}", ref):
        return "a commit is written in lower case"
    if ref.endswith("-dirty"):
        return "a dirty work tree is in no repository"
    return "a branch, a tag or an expression moves"


def digest_floats(sha256: str) -> str | None:
    """Why this bare sha256 names no artifact, or None when it does."""
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        return "it is not 64 lower-case hex digits"
    return "it is all zeros: a placeholder" if not sha256.strip("0") else None
