"""The chain of the record: one JSON line a link, each naming the sha256 of the line before it, as it stands in the file.

No digest is taken of anything that was written anew. Neighbours: archive.py adds links, verify.py follows them, and
gitrepo/anchors.py puts the head where nobody here can change it unseen.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tidegate.spec.errors import NeedsPerson

FILE = "chain.jsonl"


@dataclass(frozen=True, slots=True)
class Source:
    """The closed file that a segment was made of, told from others while it is still there. `changed` in nanoseconds."""

    name: str
    inode: int
    size: int
    changed: int


@dataclass(frozen=True, slots=True)
class Segment:
    """One archived file. `begins` and `ends`: the earliest and latest `time` of its lines, epoch seconds, None without any.

    `lines_sha256`: of the original lines, each with its line break. `sha256` and `size`: of the Parquet file.
    """

    link: int
    previous: str
    at: float
    file: str
    lines: int
    malformed: int
    begins: float | None
    ends: float | None
    lines_sha256: str
    sha256: str
    size: int
    source: Source

    @property
    def day(self) -> str:
        """The day of its partition, as in its file's path."""
        return self.file.partition("/")[0].removeprefix("day=")


@dataclass(frozen=True, slots=True)
class Removal:
    """Segments (by the numbers of their links) that retention took, and why."""

    link: int
    previous: str
    at: float
    segments: tuple[int, ...]
    why: str


Link = Segment | Removal


@dataclass(frozen=True, slots=True)
class Chain:
    """The links as they stand in the file; `digests` has the sha256 of each line."""

    links: tuple[Link, ...] = ()
    digests: tuple[str, ...] = ()
    lines: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def head(self) -> str:
        """The digest of the newest link; '' before the first."""
        return self.digests[-1] if self.digests else ""

    @property
    def identity(self) -> str:
        """What tells this chain from others: the digest of its first link; '' before it."""
        return self.digests[0] if self.digests else ""

    @property
    def removed(self) -> dict[int, Removal]:
        """By the number of its link, what took a segment."""
        return {number: link for link in self.links if isinstance(link, Removal) for number in link.segments}

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The segments that are meant to be there, oldest first."""
        gone = self.removed
        return tuple(link for link in self.links if isinstance(link, Segment) and link.link not in gone)

    def with_link(self, link: Link) -> Chain:
        """The chain with one more link, which has to name the head and the next number."""
        line = _line(link)
        digest = hashlib.sha256(line).hexdigest()
        return Chain((*self.links, link), (*self.digests, digest), (*self.lines, line))


def _line(link: Link) -> bytes:
    kind = "segment" if isinstance(link, Segment) else "removal"
    return json.dumps({"tidegate": 1, "kind": kind, **asdict(link)}, separators=(",", ":")).encode() + b"\n"


class BrokenLink(ValueError):  # noqa: N818 the name says what it is
    """A line of the chain that is no link. `link`: its number."""

    def __init__(self, link: int, why: str) -> None:
        super().__init__(why)
        self.link = link


def parse(content: bytes) -> Chain:
    """The chain of these bytes, its digests not looked at. Raises BrokenLink at the first line that is none."""
    links: list[Link] = []
    lines = content.splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        links.append(_parse(line, number))
    return Chain(tuple(links), tuple(hashlib.sha256(line).hexdigest() for line in lines), tuple(lines))


def _parse(line: bytes, number: int) -> Link:
    try:
        fields: dict[str, Any] = json.loads(line)
        kind, known = fields.pop("kind"), fields.pop("tidegate")
        if known != 1 or not line.endswith(b"\n"):
            raise ValueError("not a link of this format")
        link = _removal_of(fields) if kind == "removal" else segment_of(fields)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BrokenLink(number, f"it cannot be read: {error}") from error
    if link.link != number:
        raise BrokenLink(number, f"link {link.link} stands in the place of link {number}")
    return link


def segment_of(fields: Mapping[str, Any]) -> Segment:
    """A segment of what `asdict` made of it. Raises TypeError, KeyError."""
    return Segment(**{**fields, "source": Source(**fields["source"])})


def _removal_of(fields: Mapping[str, Any]) -> Removal:
    return Removal(**{**fields, "segments": tuple(fields["segments"])})


def load(folder: Path) -> Chain:
    """The chain of an archive; an empty one where there is none yet. Raises NeedsPerson when a line is no link."""
    try:
        return parse((folder / FILE).read_bytes())
    except FileNotFoundError:
        return Chain()
    except BrokenLink as error:
        raise NeedsPerson(
            f"link {error.link} of the record's chain is damaged: {error}",
            where=f"{folder / FILE}:{error.link}",
            fix="tidegate audit verify says what still holds; put the file back from a backup, or move the archive away",
        ) from error


def save(folder: Path, chain: Chain) -> None:
    """Replace the chain on disk, whole."""
    fresh = folder / f".{FILE}.new"
    with fresh.open("wb") as file:
        file.writelines(chain.lines)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(folder / FILE)
    sync(folder)


def sync(folder: Path) -> None:
    """Have renames and removals in a folder on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def days(segments: Sequence[Segment]) -> str:
    """For people: the days that these segments are of."""
    found = sorted({segment.day for segment in segments})
    return found[0] if len(found) == 1 else f"{found[0]} to {found[-1]}" if found else "no day"
