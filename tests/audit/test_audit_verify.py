"""`audit verify`: whatever was done to the record, the first broken link is named, with its day and what it means."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import duckdb
import pytest
from audit_record import BEGIN, Place, line
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidegate.audit.chain import Chain
from tidegate.audit.verify import Broken, Report, verify
from tidegate.gitrepo.anchors import Anchor

DAY = 86400.0


@pytest.fixture
def three(place: Place) -> Place:
    """Three segments of two days."""
    place.archived(line(0) + line(1), line(2), line(3, at=BEGIN + DAY))
    return place


def anchor(chain: Chain, links: int, at: float = BEGIN + DAY) -> Anchor:
    """What git was told when the chain had so many links."""
    return Anchor("production", chain.identity, links, chain.digests[links - 1], at)


def look(place: Place, *anchors: Anchor, told: Anchor | None = None, lines: bool = False) -> Report:
    return verify(place.archive, anchors, "production", told, lines=lines)


def test_an_intact_record_says_how_far_git_vouches_for_it(three: Place) -> None:
    chain = three.archive.chain()
    report = look(three, anchor(chain, 1), anchor(chain, 2), told=anchor(chain, 2), lines=True)
    assert report.broken == ()
    assert (report.links, report.segments, report.lines, report.head) == (3, 3, 4, chain.head)
    assert (report.anchored, report.anchored_at) == (2, BEGIN + DAY)


def test_an_empty_record_is_intact(place: Place) -> None:
    assert look(place) == Report((), 0, 0, 0, 0, "", 0, None, ())


def test_git_that_was_not_asked_vouches_for_nothing(three: Place) -> None:
    assert verify(three.archive, None, "production").anchored is None


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_one_flipped_byte_of_a_segment_is_found_and_its_link_and_day_are_named(
    three: Place, data: st.DataObject
) -> None:
    number = data.draw(st.integers(0, 2))
    segment = three.archive.chain().segments[number]
    path = three.archive.path(segment)
    content = path.read_bytes()
    at = data.draw(st.integers(0, len(content) - 1))
    path.chmod(0o600)
    path.write_bytes(content[:at] + bytes([content[at] ^ (1 << data.draw(st.integers(0, 7)))]) + content[at + 1 :])
    [broken] = look(three).broken
    assert (broken.link, broken.segment, broken.day) == (segment.link, segment.file, segment.day)
    assert "digest" in broken.what
    path.write_bytes(content)
    assert look(three).broken == ()


def test_a_changed_line_is_told_from_a_damaged_file_and_from_another_encoding(three: Place) -> None:
    first = three.archive.chain().segments[0]
    path, content = three.archive.path(first), three.archive.path(first).read_bytes()
    path.chmod(0o600)

    def written(selection: str) -> Broken:
        duckdb.execute(f"COPY ({selection}) TO '{path}.new' (FORMAT parquet)")
        path.with_name(f"{path.name}.new").replace(path)
        return look(three).broken[0]

    assert "lines in it are still those" in written(f"SELECT * FROM '{path}'").means
    assert written(f"SELECT * REPLACE (replace(rest, '200', '503') AS rest) FROM '{path}'").means.startswith(
        "lines were changed"
    )
    path.write_bytes(content[:-20])
    assert "cannot be read" in look(three).broken[0].means


def test_a_missing_segment_is_named(three: Place) -> None:
    second = three.archive.chain().segments[1]
    three.archive.path(second).unlink()
    [broken] = look(three).broken
    assert (broken.link, broken.day, broken.segment) == (2, "2026-11-20", second.file)
    assert "No such file" in broken.what
    assert broken.means == "1 answers are not on record any more, and no removal says so"


def edited(place: Place, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """The chain's file with its lines changed."""
    path = place.archive.root / "chain.jsonl"
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))


def test_a_changed_link_is_named_by_the_one_that_was_chained_to_it(three: Place) -> None:
    edited(three, lambda lines: [lines[0], lines[1].replace(b'"lines":1', b'"lines":2'), lines[2]])
    broken = look(three).broken[0]
    assert (broken.link, broken.day) == (2, "2026-11-20")
    assert broken.what == "link 2 is not the one that link 3 was chained to"


def test_a_link_that_was_taken_out_is_found(three: Place) -> None:
    edited(three, lambda lines: [lines[0], lines[2]])
    broken = look(three).broken[0]
    assert broken.link == 2
    assert "link 3 stands in the place of link 2" in broken.what


def test_what_is_no_link_is_named_by_its_line(three: Place) -> None:
    edited(three, lambda lines: [lines[0], b"{}\n", lines[2]])
    assert look(three).broken[0].what.startswith("chain.jsonl line 2 is no link")


def test_a_shortened_chain_is_found_by_its_anchor(three: Place) -> None:
    chain = three.archive.chain()
    edited(three, lambda lines: lines[:1])
    broken = look(three, anchor(chain, 1), anchor(chain, 3)).broken[0]
    assert broken.link == 2
    assert broken.what.startswith("the chain ends at link 1; on 2026-11-21 08:00:00Z git was told of 3")
    assert look(three).notes == tuple(f"{one.file} belongs to no link, and is not asked" for one in chain.segments[1:])


def test_a_chain_that_was_written_anew_is_found_by_its_anchors_and_only_by_them(three: Place) -> None:
    chain = three.archive.chain()

    def forged(lines: list[bytes]) -> list[bytes]:
        """With a good digest everywhere: the second link says something else."""
        made = Chain().with_link(chain.links[0])
        for link in (replace(chain.links[1], at=1.0), chain.links[2]):
            made = made.with_link(replace(link, previous=made.head))
        return list(made.lines)

    edited(three, forged)
    assert look(three).broken == ()
    report = look(three, anchor(chain, 1), anchor(chain, 2), anchor(chain, 3))
    assert [one.link for one in report.broken] == [2, 3]
    assert report.broken[0].means == "the chain was written anew, up to this link or beyond it"
    assert report.anchored == 1


def test_an_anchor_that_was_changed_is_told_from_a_chain_that_was(three: Place) -> None:
    chain = three.archive.chain()
    changed = replace(anchor(chain, 2), head="0" * 64)
    [broken] = look(three, changed, anchor(chain, 3)).broken
    assert (broken.link, broken.means) == (2, "the anchor in git was changed: a later one vouches for this link")


def test_an_anchor_that_is_not_in_git_any_more_is_missed(three: Place) -> None:
    chain = three.archive.chain()
    told = anchor(chain, 2)
    [broken] = look(three, anchor(chain, 1), told=told).broken
    assert (broken.link, broken.what) == (2, "the anchor of 2026-11-21 08:00:00Z at link 2 is not in git any more")


def test_another_chain_in_place_of_the_one_that_git_knows_is_found(three: Place, place: Place) -> None:
    known = anchor(three.archive.chain(), 3)
    (place.archive.root / "chain.jsonl").unlink()
    assert "there is no chain here, and git knows one" in look(place, known).broken[0].what
    place.archived(line(8))
    assert "git knows another chain" in look(place, known).broken[0].what
    assert look(place, replace(known, environment="staging")).broken == ()


def test_the_chain_is_json_lines_for_other_programs(three: Place) -> None:
    first = json.loads((three.archive.root / "chain.jsonl").read_text().splitlines()[0])
    assert (first["tidegate"], first["kind"], first["link"], first["previous"], first["lines"]) == (
        1,
        "segment",
        1,
        "",
        2,
    )
