"""Kinds git, hf and weights-digest, and http by its fragment: a full commit or digest, and nothing that looks like one.

Neighbours: digests.py counts the digits; checks/pins/floating_commit.py judges `code.commit` by it.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from tidegate.rules.pins.digests import empty_warning, hex_floats
from tidegate.rules.pins.verdict import Fixed, Floats, Outcome

_HEXLIKE = re.compile(r"[0-9a-fA-F]{4,}", re.ASCII)
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}", re.ASCII)
_BRANCHES = frozenset({"main", "master", "HEAD", "head", "trunk", "develop", "latest"})


def git(ref: str) -> Outcome:
    """40 or 64 lower-case hex digits."""
    why = hex_floats(ref, 40, 64)
    if why is None:
        return Fixed("digest", "a full commit", empty_warning(ref))
    return Floats(revision_floats(ref) or why)


def revision_floats(revision: str) -> str | None:
    """Why this revision of a repository is no full commit, or None when it is one."""
    if hex_floats(revision, 40, 64) is None:
        return None
    if not revision:
        return "no commit is written"
    if len(revision) in (40, 64) and not revision.strip("0"):
        return "it is all zeros, which no commit is"
    if len(revision) in (40, 64) and _HEXLIKE.fullmatch(revision):
        return "a commit is written in lower case"
    if _HEXLIKE.fullmatch(revision):
        return f"{len(revision)} hex digits can come to mean another commit"
    if revision.endswith("-dirty"):
        return "a dirty work tree is in no repository"
    if revision in _BRANCHES:
        return f"'{revision}' is a branch: it moves with every push"
    if revision.startswith("refs/pr/"):
        return "a pull request's ref moves with every push"
    return "a branch, a tag or an expression moves"


def hf(ref: str) -> Outcome:
    """`(hf://)?(datasets/)?org/name[@:]<40 hex>(/path)?`"""
    rest = ref.removeprefix("hf://").removeprefix("datasets/")
    found = re.match(r"[^@:]*", rest)
    name = found[0] if found else ""
    if "://" in rest or not _REPOSITORY.fullmatch(name):
        return Floats("it is not 'organisation/name' of a repository on the hub")
    revision, slash, path = rest[len(name) + 1 :].partition("/")
    if revision == "refs":
        revision, slash, path = f"refs/{path}", "", ""
    if len(rest) == len(name):
        return Floats("without a revision it is whatever 'main' is at the time")
    if len(revision) == 64 or revision_floats(revision) is not None:
        return Floats(revision_floats(revision) or "a commit on the hub has 40 hex digits")
    if slash and not path.strip("/"):
        return Floats("a path is missing behind the last '/'")
    return Fixed("digest", "a full commit of the repository", empty_warning(revision))


def weights(ref: str) -> Outcome:
    """`sha256:<64 hex>` or `sha512:<128 hex>`"""
    algorithm, colon, text = ref.partition(":")
    length = {"sha256": 64, "sha512": 128}.get(algorithm)
    if not colon or length is None:
        known = algorithm.lower() in ("md5", "sha1")
        return Floats(
            f"{algorithm.lower()} can be forged" if known else "it does not begin with 'sha256:' or 'sha512:'"
        )
    why = hex_floats(text, length)
    return Floats(why) if why is not None else Fixed("digest", f"the {algorithm} of the weights", empty_warning(text))


def http(ref: str) -> Outcome:
    """`https://...#sha256=<64 hex>`"""
    try:
        parts = urlsplit(ref)
        host, password = parts.hostname, parts.password
    except ValueError:
        return Floats("it is no address")
    if parts.scheme != "https" or not ref.startswith("https://") or not host:
        return Floats("plain http can be changed on its way" if parts.scheme == "http" else "it is no https address")
    if "/resolve/main/" in parts.path and not parts.fragment:
        return Floats("'/resolve/main/' is whatever the branch holds at the time")
    if not parts.fragment.startswith("sha256="):
        return Floats("the server can change the bytes behind the address")
    digest = parts.fragment.removeprefix("sha256=")
    why = hex_floats(digest, 64)
    if why is not None:
        return Floats(why)
    warning = "a password stands in the address" if password else empty_warning(digest)
    return Fixed("digest", "the sha256 behind the '#'", warning)
