"""Kinds oci-image and ollama: a name, perhaps a tag, and the sha256 of the manifest. A tag alone is anybody's to move.

Neighbours: kinds.py lists them; checks/pins/floating_image.py judges `runtime.image` by it.
"""

from __future__ import annotations

import re

from tidegate.rules.pins.digests import empty_warning, hex_floats
from tidegate.rules.pins.verdict import Fixed, Floats, Outcome

_PART = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = re.compile(rf"(?:{_PART}(?:\.{_PART})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?", re.ASCII)
_NAME = re.compile(r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)


def oci_image(ref: str) -> Outcome:
    """`name(:tag)?@sha256:<64 hex>`, also with `oci://`."""
    name, at, digest = ref.removeprefix("oci://").partition("@")
    return _judge(name, at, digest, _NAME)


def ollama(ref: str) -> Outcome:
    """The same with the freer names of a model library."""
    name, at, digest = ref.partition("@")
    if not at and re.fullmatch(r"(?:sha256[:-])?[0-9a-f]{7,64}", ref):
        return Floats("an id alone names no model that could be pulled again, and a short one is ambiguous")
    return _judge(name, at, digest, _MODEL)


def split_tag(name: str) -> tuple[str, str]:
    """Name and tag of a reference without its digest; the tag is '' when there is none."""
    last = name.rpartition("/")[2]
    tag = last.partition(":")[2]
    return (name[: -len(tag) - 1], tag) if ":" in last else (name, "")


def _judge(name: str, at: str, digest: str, part: re.Pattern[str]) -> Outcome:
    plain, tag = split_tag(name)
    tagged = ":" in name.rpartition("/")[2]
    if not at:
        return Floats(_untagged(tag, tagged))
    if not digest.startswith("sha256:"):
        return Floats(f"'{digest[:20]}' is not a sha256 digest")
    text = digest.removeprefix("sha256:")
    why = hex_floats(text, 64)
    if why is not None:
        return Floats(why)
    if not _is_name(plain, part) or (tagged and not _TAG.fullmatch(tag)):
        return Floats("its name is not one of an image")
    return Fixed("digest", "the sha256 of the manifest", empty_warning(text))


def _untagged(tag: str, tagged: bool) -> str:
    if tag.startswith("sha256-"):
        return "':sha256-...' is a tag and not a digest"
    if tagged:
        return f"the tag '{tag}' can be moved to another image"
    return "without a digest it is whatever 'latest' is at the time"


def _is_name(name: str, part: re.Pattern[str]) -> bool:
    head, slash, rest = name.partition("/")
    if not all(part.fullmatch(piece) for piece in (rest.split("/") if slash else [head])):
        return False
    return not slash or bool(part.fullmatch(head) or _HOST.fullmatch(head))
