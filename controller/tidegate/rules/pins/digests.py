"""Digests and commits in hex: the right length, lower case, not a placeholder. Neighbours: every kind that has one."""

from __future__ import annotations

import re
from typing import Final

EMPTY_SHA256: Final = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""The digest of a file with nothing in it: what a failed export leaves behind."""

_EMPTY: Final = frozenset({
    EMPTY_SHA256,
    "d41d8cd98f00b204e9800998ecf8427e",  # md5
    "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
    "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",  # sha512
    "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",  # git's blob
    "4b825dc642cb6eb9a060e54bf8d69288fbee4904",  # git's tree
})  # fmt: skip
_HEX = re.compile(r"[0-9a-f]+")
_ANY_CASE = re.compile(r"[0-9a-fA-F]+")
PLACEHOLDER = re.compile(r"(?i:todo|fixme|tbd|change[-_]?me|replace[-_]?me|placeholder|your[-_][a-z-_]+|x{3,}|\.{3})")
"""A word that somebody meant to come back to."""


def hex_floats(text: str, *lengths: int) -> str | None:
    """Why this is no digest of one of these lengths in hex digits, or None when it is one."""
    if len(text) in lengths and _HEX.fullmatch(text):
        return "it is all zeros: a placeholder" if not text.strip("0") else None
    wanted = " or ".join(str(length) for length in lengths)
    if len(text) in lengths and _ANY_CASE.fullmatch(text):
        return "a digest is written in lower case"
    if not text or PLACEHOLDER.fullmatch(text):
        return f"a placeholder stands where {wanted} hex digits belong"
    if _ANY_CASE.fullmatch(text):
        return f"it has {len(text)} hex digits instead of {wanted}"
    return f"it is not {wanted} lower-case hex digits"


def empty_warning(text: str) -> str | None:
    """A warning when this is the well-known digest of nothing."""
    return "it is the digest of an empty file" if text in _EMPTY else None


def digest_floats(sha256: str) -> str | None:
    """Why this bare sha256 names no artifact, or None when it does."""
    return hex_floats(sha256, 64)
