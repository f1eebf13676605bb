"""Questions to the record: archived or not, a line is found once, and what is missing is told."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import duckdb
import pytest
from audit_record import BEGIN, Place, identity, line

from tidegate.audit.lines import look, readable, session, table
from tidegate.audit.question import Wanted
from tidegate.audit.times import moment, shown
from tidegate.gateway.record import parse
from tidegate.spec.errors import NeedsPerson

DAY = 86400.0


@pytest.fixture
def mixed(place: Place) -> Place:
    """Two segments, a closed file that waits, and the present one, whose last line is being written."""
    place.archived(
        line(0) + line(1, status=503), line(2, route="digits/archive", role="candidate", release="d3afd392bd83")
    )
    place.closed(line(3))
    place.record.write_bytes(line(4) + line(5)[:40])
    return place


def numbers(found: list[dict[str, object]]) -> list[str]:
    return [str(one["request_id"]) for one in found]


def test_one_request_is_found_wherever_its_line_lies(mixed: Place) -> None:
    places = [mixed.questions.by_id(identity(number)) for number in range(5)]
    assert [len(found) for found in places] == [1] * 5
    assert [found[0].kept_in for found in places] == [
        "day=2026-11-20/00000001.parquet", "day=2026-11-20/00000001.parquet", "day=2026-11-20/00000002.parquet",
        "predictions.jsonl.000001", "predictions.jsonl",
    ]  # fmt: skip
    assert [found[0].link for found in places] == [1, 1, 2, None, None]
    assert places[1][0].says["status"] == 503
    assert places[1][0].says["duration_ms"] == 0.713


def test_upper_case_ids_are_the_same_and_what_is_no_id_is_refused(mixed: Place) -> None:
    assert len(mixed.questions.by_id(identity(0).upper())) == 1
    assert mixed.questions.by_id(identity(99)) == []
    with pytest.raises(ValueError, match="badly formed"):
        mixed.questions.by_id("x")


def test_the_lines_of_a_shadow_are_found_with_the_answer(place: Place) -> None:
    place.archived(line(1) + line(1, role="shadow", release="d3afd392bd83"))
    assert [found.says["role"] for found in place.questions.by_id(identity(1))] == ["stable", "shadow"]


def test_fields_that_this_version_does_not_know_are_kept_and_shown(place: Place) -> None:
    place.archived(line(1).replace(b',"flags":"-"', b',"flags":"-","tokens_out":17,"served":"gpt-4o-2024-08-06"'))
    says = place.questions.by_id(identity(1))[0].says
    assert (says["tokens_out"], says["served"]) == (17, "gpt-4o-2024-08-06")


def test_of_a_line_that_was_cut_in_two_the_second_half_is_found(place: Place) -> None:
    place.archived(line(1)[:70] + line(2))
    [found] = place.questions.by_id(identity(2))
    assert (found.whole, found.says["release"]) == (False, "1b3a1abc20c9")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(), [0, 1, 2, 3, 4]),
        (Wanted(begins=BEGIN + 1, ends=BEGIN + 4), [1, 2, 3]),
        (Wanted(route="digits"), [0, 1, 3, 4]),
        (Wanted(status="5xx"), [1]),
        (Wanted(status="200"), [0, 2, 3, 4]),
        (Wanted(release="d3afd392bd83" + "0" * 52), [2]),
        (Wanted(role="candidate"), [2]),
        (Wanted(route="nobody"), []),
    ],
)
def test_a_stretch_of_time_is_asked_over_everything(mixed: Place, wanted: Wanted, expected: list[int]) -> None:
    assert numbers(mixed.questions.newest(wanted, 100)) == [identity(number) for number in expected]


def test_the_newest_are_shown_earliest_first(mixed: Place) -> None:
    assert numbers(mixed.questions.newest(Wanted(), 2)) == [identity(3), identity(4)]


def test_an_empty_record_has_no_answers(place: Place) -> None:
    assert place.questions.newest(Wanted(), 5) == place.questions.count(Wanted()) == []
    assert place.questions.kept().begins is None


def test_counts_are_by_route_release_and_class_of_status(mixed: Place) -> None:
    found = mixed.questions.count(Wanted(route="digits"))
    assert [(one["status"], one["answers"]) for one in found] == [("2xx", 3), ("5xx", 1)]
    assert found[1]["p50_ms"] == 0.713


def test_what_is_no_status_is_refused() -> None:
    with pytest.raises(ValueError, match="is no status"):
        Wanted(status="bad").sql()


def test_an_export_has_every_line_as_it_was_or_its_columns(mixed: Place, tmp_path: Path) -> None:
    assert mixed.questions.export(Wanted(), tmp_path / "a.jsonl", "jsonl") == 5
    whole = line(0) + line(1, status=503) + line(2, route="digits/archive", role="candidate", release="d3afd392bd83")
    assert (tmp_path / "a.jsonl").read_bytes() == whole + line(3) + line(4)
    for form in ("csv", "parquet"):
        assert mixed.questions.export(Wanted(status="5xx"), tmp_path / f"a.{form}", form) == 1
        rows = duckdb.execute(f"SELECT request_id, line FROM '{tmp_path}/a.{form}'").fetchall()
        assert [(str(found), json.loads(text)["status"]) for found, text in rows] == [(identity(1), 503)]


def test_an_export_that_cannot_be_written_says_where(mixed: Place, tmp_path: Path) -> None:
    for form in ("jsonl", "csv"):
        with pytest.raises(NeedsPerson, match=r"nowhere/a"):
            mixed.questions.export(Wanted(), tmp_path / "nowhere" / f"a.{form}", form)


def test_a_segment_that_is_gone_is_named(mixed: Place) -> None:
    mixed.archive.path(mixed.archive.chain().segments[0]).unlink()
    with pytest.raises(NeedsPerson, match=r"00000001\.parquet: this part of the record is not there any more"):
        mixed.questions.by_id(identity(0))


def test_while_files_are_archived_and_removed_every_line_is_found_exactly_once(place: Place) -> None:
    """One thread archives, the other asks: no answer is missing or double at any moment."""
    for number in range(12):
        place.closed(line(number), number + 1)
    files = sorted(place.record.parent.iterdir())
    failed: list[BaseException] = []

    def archive() -> None:
        try:
            for file in files:
                place.archive.take(file, BEGIN)
        except BaseException as error:  # noqa: BLE001 told by the test
            failed.append(error)

    thread = threading.Thread(target=archive)
    thread.start()
    wanted, asked = [identity(number) for number in range(12)], 0
    while thread.is_alive():
        assert numbers(place.questions.newest(Wanted(), 100)) == wanted
        asked += 1
    thread.join()
    assert not failed
    assert asked > 2
    assert not list(place.record.parent.iterdir())


def test_what_is_kept_is_told(mixed: Place) -> None:
    kept = mixed.questions.kept()
    assert (kept.begins, kept.segments, kept.lines, kept.open_files) == (BEGIN, 2, 3, 2)
    assert kept.open_bytes == len(line(3) + line(4)) + 40


# Times


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-20", BEGIN - 8 * 3600),
        ("2026-11-20T08:00Z", BEGIN),
        ("2026-11-20T08:00:00.500", BEGIN + 0.5),
        ("2026-11-20 09:00:00+01:00", BEGIN),
        ("2h", 1000 * DAY - 7200),
    ],
)
def test_a_time_is_a_day_a_moment_or_so_long_ago(text: str, at: float) -> None:
    assert moment(text, 1000 * DAY) == at


def test_until_a_day_means_its_end() -> None:
    assert moment("2026-11-20", 0.0, end=True) == BEGIN + 16 * 3600
    assert moment("2026-11-20T08:00Z", 0.0, end=True) == BEGIN


def test_what_is_no_time_is_refused_with_examples() -> None:
    with pytest.raises(ValueError, match="'yesterday' is no time: write it like 2026-11-21"):
        moment("yesterday", 0.0)


def test_a_time_is_shown_in_utc() -> None:
    assert (shown(BEGIN), shown(BEGIN + 0.0005, fine=True)) == ("2026-11-20 08:00:00Z", "2026-11-20 08:00:00.000Z")


def test_flags_and_times_are_searched_by_as_the_contract_has_them(tmp_path: Path) -> None:
    broken = line(3).replace(b'7150e-4,"flags":"-","elapsed_ms":0', b'0e-4,"flags":"DC","elapsed_ms":31')
    earlier = line(4).replace(b'7160e-4,"flags":"-","elapsed_ms":0', b'716e-3,"flags":null')
    path = tmp_path / "lines.jsonl"
    path.write_bytes(line(2) + broken + earlier)
    seen = look(path)
    source, longest = readable(path, seen, tmp_path)
    rows = session().execute(f"SELECT flags, duration_ms, exact FROM ({table(source, longest)})").fetchall()
    assert rows == [(None, 0.714, True), ("DC", 31.0, True), (None, 0.716, True)]
    assert [parse(raw)[0]["duration_ms"] for raw in path.read_bytes().splitlines()] == [0.714, 31, 0.716]  # type: ignore[index]  # each can be read
