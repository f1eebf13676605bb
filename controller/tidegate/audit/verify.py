"""Is the record what it was? Every link, every file and every anchor is looked at; what does not hold is named.

Neighbours: chain.py has the links, archive.py the files, gitrepo/anchors.py what git was told; `tidegate audit verify` shows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb

from tidegate.audit.archive import Archive, lines_sha256, sha256_of
from tidegate.audit.chain import FILE, BrokenLink, Chain, Link, Segment, parse
from tidegate.audit.lines import session
from tidegate.gitrepo.anchors import Anchor


@dataclass(frozen=True, slots=True)
class Broken:
    """One thing that does not hold, at a link (its number). `segment`: its file and `day`, where it is about one."""

    link: int
    what: str
    means: str
    segment: str | None = None
    day: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """`broken`: the first link first. `anchored`: links that an anchor in git vouches for; None: git was not asked."""

    broken: tuple[Broken, ...]
    links: int
    segments: int
    removed: int
    lines: int
    head: str
    anchored: int | None
    anchored_at: float | None
    notes: tuple[str, ...]


def verify(
    archive: Archive,
    anchors: Sequence[Anchor] | None,
    environment: str,
    told: Anchor | None = None,
    *,
    lines: bool = False,
) -> Report:
    """Look at the whole chain. `anchors`: as git has them, None: not asked. `told`: what the journal says that git was told.

    `lines`: also build every line of every file anew and compare their digests, about 3 s for a million lines.
    """
    broken: list[Broken] = []
    chain = _links(archive, broken)
    _files(archive, chain, broken, lines)
    mine = [one for one in anchors or () if one.environment == environment]
    if anchors is not None:
        _anchors(chain, mine, told, broken)
    good = [one for one in mine if one.links <= len(chain.links) and chain.digests[one.links - 1] == one.head]
    newest = max(good, key=lambda one: one.links, default=None)
    return Report(
        broken=tuple(sorted(broken, key=lambda one: one.link)),
        links=len(chain.links),
        segments=len(chain.segments),
        removed=len(chain.removed),
        lines=sum(one.lines for one in chain.segments),
        head=chain.head,
        anchored=None if anchors is None else newest.links if newest else 0,
        anchored_at=newest.at if newest else None,
        notes=tuple(_strangers(archive, chain)),
    )


def _links(archive: Archive, broken: list[Broken]) -> Chain:
    """The chain up to its first line that is no link; each has to name the line before it."""
    try:
        content = (archive.root / FILE).read_bytes()
    except FileNotFoundError:
        return Chain()
    try:
        chain = parse(content)
    except BrokenLink as error:
        broken.append(
            Broken(error.link, f"{FILE} line {error.link} is no link: {error}", "what follows cannot be followed")
        )
        chain = parse(b"".join(content.splitlines(keepends=True)[: error.link - 1]))
    before = ""
    for link, digest in zip(chain.links, chain.digests, strict=True):
        if link.previous != before:
            about: Link = chain.links[max(link.link - 2, 0)]
            what = f"link {about.link} is not the one that link {link.link} was chained to"
            broken.append(_of(about, what, "the line was changed, or links before it were taken out or put in"))
        before = digest
    return chain


def _of(link: Link, what: str, means: str) -> Broken:
    if isinstance(link, Segment):
        return Broken(link.link, what, means, link.file, link.day)
    return Broken(link.link, what, means)


def _files(archive: Archive, chain: Chain, broken: list[Broken], lines: bool) -> None:
    for segment in chain.segments:
        path = archive.path(segment)
        try:
            same = path.stat().st_size == segment.size and sha256_of(path) == segment.sha256
        except OSError as error:
            what = f"cannot be read: {error.strerror}"
            broken.append(
                _of(segment, what, f"{segment.lines:,} answers are not on record any more, and no removal says so")
            )
            continue
        if same and not lines:
            continue
        held = _held(archive, segment)
        if held == segment.lines_sha256:
            if not same:
                means = "the lines in it are still those that were recorded; the file around them was changed"
                broken.append(_of(segment, "its file has another digest", means))
            continue
        what = "its file has another digest, and its lines are others" if held else "its file has another digest"
        means = "lines were changed, added or taken out" if held else "the file is damaged: its lines cannot be read"
        broken.append(_of(segment, what, means))


def _held(archive: Archive, segment: Segment) -> str | None:
    """The digest of the lines that the file still gives; None when it gives none."""
    try:
        with session() as database:
            return lines_sha256(database, archive.path(segment))
    except (duckdb.Error, ValueError):  # what kind of damage it is changes nothing
        return None


def _anchors(chain: Chain, anchors: Sequence[Anchor], told: Anchor | None, broken: list[Broken]) -> None:
    own = sorted((one for one in anchors if one.chain == chain.identity), key=lambda one: one.links)
    if anchors and not own:
        newest = max(anchors, key=lambda one: one.at)
        other = "git knows another chain" if chain.links else "there is no chain here, and git knows one"
        what = f"{other}: on {_day(newest.at)} it had {newest.links} links, the first {newest.chain[:12]}"
        means = "this archive was begun anew, replaced, or its first link was changed"
        broken.append(Broken(1, what, means))
    for one in own:
        if one.links > len(chain.links):
            what = f"the chain ends at link {len(chain.links)}; on {_day(one.at)} git was told of {one.links}"
            broken.append(Broken(len(chain.links) + 1, what, "the newest links were cut off"))
            break
        if chain.digests[one.links - 1] == one.head:
            continue
        later = any(o.links > one.links and _holds(chain, o) for o in own)
        what = f"git says that link {one.links} had the digest {one.head[:12]} on {_day(one.at)}, and it has "
        what += chain.digests[one.links - 1][:12]
        means = (
            "the anchor in git was changed: a later one vouches for this link"
            if later
            else "the chain was written anew, up to this link or beyond it"
        )
        broken.append(_of(chain.links[one.links - 1], what, means))
    if told is not None and told not in anchors:
        what = f"the anchor of {_day(told.at)} at link {told.links} is not in git any more"
        broken.append(Broken(told.links, what, "the note was changed or removed, or history was rewritten"))


def _holds(chain: Chain, anchor: Anchor) -> bool:
    return anchor.links <= len(chain.digests) and chain.digests[anchor.links - 1] == anchor.head


def _strangers(archive: Archive, chain: Chain) -> list[str]:
    """Files that no link names: nobody asks them."""
    known = {link.file for link in chain.links if isinstance(link, Segment)}
    found = sorted(str(path.relative_to(archive.root)) for path in archive.root.glob("day=*/*"))
    return [f"{name} belongs to no link, and is not asked" for name in found if name not in known]


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
