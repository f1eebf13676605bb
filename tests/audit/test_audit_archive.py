"""The archive: every line can be had back byte for byte, and no crash loses or doubles one."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from audit_record import BEGIN, Place, identity, line
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidegate.artifacts.lock import locked
from tidegate.audit.lines import LINE, original, session
from tidegate.audit.verify import verify
from tidegate.spec.errors import NeedsPerson, RetryLater

DAY = 86400.0


def content(place: Place) -> bytes:
    """All archived lines, as they are given back."""
    with session() as database:
        paths = [str(place.archive.path(one)) for one in place.archive.chain().segments]
        rows = [row for path in paths for row in database.execute(f"SELECT {LINE} FROM '{path}'").fetchall()]
    return b"".join(original(text) + b"\n" for (text,) in rows)


ODD = [
    b"",
    b"!escaped",
    b"\0\0\0",
    b"\xff\xfe",
    b"\r",
    b"a\x1fb",
    '{"a":"ü"}'.encode(),
    "ü".encode()[:1],
    b"[1]",
    b"null",
    b'"',
    line(1)[:50],
    line(1)[:60] + line(2)[:-1],
    line(3)[:-1].replace(b"712", b"0.7"),
    line(4)[:-1].replace(b"Z", b"+00:00"),
    line(5)[:-1].replace(b'"status":200', b'"status":"200"'),
    line(6)[:-1].upper(),
]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(
        st.one_of(st.sampled_from([line(n)[:-1] for n in range(5)]), st.sampled_from(ODD), st.binary(max_size=60))
    ),
    ended=st.booleans(),
)
def test_whatever_the_bytes_every_line_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], ended: bool
) -> None:
    place = Place(tmp_path_factory.mktemp("place"))
    raw = b"\n".join(lines) + (b"\n" if ended else b"")
    whole = raw if not raw or raw.endswith(b"\n") else raw + b"\n"
    segment = place.archive.take(place.closed(raw), BEGIN)
    assert not list(place.record.parent.iterdir())
    if not raw:
        assert segment is None
        return
    assert segment is not None
    assert content(place) == whole
    assert segment.lines == whole.count(b"\n")
    assert segment.lines_sha256 == hashlib.sha256(whole).hexdigest()
    assert not verify(place.archive, None, "production", lines=True).broken


def test_a_very_long_line_comes_back_too(place: Place) -> None:
    raw = line(1) + b"\0" * 5_000_000 + b"\n" + b'{"a":"' + b"x" * 3_000_000 + b'"}\n' + line(2)
    place.archived(raw)
    assert content(place) == raw


def test_a_segment_lies_in_the_folder_of_its_day_and_knows_its_times_and_its_malformed_lines(place: Place) -> None:
    place.archived(line(0) + line(7) + b"rubbish\n", line(0, at=BEGIN + DAY))
    first, second = place.archive.chain().segments
    assert (first.day, second.day) == ("2026-11-20", "2026-11-21")
    assert (first.begins, first.ends, first.lines, first.malformed) == (BEGIN, BEGIN + 7, 3, 1)
    assert place.archive.path(first).stat().st_mode & 0o777 == 0o400
    assert place.archive.root.stat().st_mode & 0o777 == 0o700


def test_each_link_names_the_digest_of_the_line_before_it(place: Place) -> None:
    place.archived(line(0), line(1), line(2))
    written = (place.archive.root / "chain.jsonl").read_bytes().splitlines(keepends=True)
    links = place.archive.chain().links
    assert [one.previous for one in links] == ["", *(hashlib.sha256(text).hexdigest() for text in written[:2])]


def test_a_file_that_was_archived_before_is_removed_and_not_archived_again(place: Place) -> None:
    raw = line(0) + line(1)
    place.archived(raw)
    again = place.archive.take(place.closed(raw, 2), BEGIN)
    assert again == place.archive.chain().links[0]
    assert len(place.archive.chain().links) == 1
    assert not list(place.record.parent.iterdir())


def test_a_file_that_is_written_to_meanwhile_stays(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = place.closed(line(0))
    add = place.archive._add

    def late(*arguments: object) -> object:
        found = add(*arguments)  # type: ignore[arg-type]  # passed on as they came
        with closed.open("ab") as file:
            file.write(line(1))
        return found

    monkeypatch.setattr(place.archive, "_add", late)
    with pytest.raises(RetryLater, match="it stays"):
        place.archive.take(closed, BEGIN)
    assert closed.read_bytes() == line(0) + line(1)


def test_only_one_process_archives_at_a_time(place: Place) -> None:
    place.archived(line(0))
    with locked(place.archive.root / "lock"), pytest.raises(RetryLater, match="another process archives"):
        place.archive.take(place.closed(line(1)), BEGIN)


def test_a_damaged_chain_stops_the_archive_and_nothing_is_removed(place: Place) -> None:
    place.archived(line(0))
    (place.archive.root / "chain.jsonl").write_bytes(b"{}\n")
    closed = place.closed(line(1))
    with pytest.raises(NeedsPerson, match="link 1 of the record's chain is damaged"):
        place.archive.take(closed, BEGIN)
    assert closed.exists()


# Crashes


def effects() -> Iterator[int]:
    """Numbers of effects on files at which a process is killed, until one lived to the end."""
    yield from range(1, 200)


def killed_at(place: Place, number: int, work: object) -> bool:
    """Do it in a child that is killed before its effect of that number; False when it came to its end before."""
    child = os.fork()
    if child == 0:
        seen = 0

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal seen
            writes = (
                event == "open"
                and isinstance(arguments[2], int)
                and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            )
            if writes or event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "shutil.rmtree"):
                seen += 1
                if seen == number:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        try:
            work()  # type: ignore[operator]  # a function without arguments
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def test_a_crash_at_any_instant_of_archiving_loses_and_doubles_nothing(tmp_path: Path) -> None:
    deaths = 0
    for number in effects():
        place = Place(tmp_path / str(number))
        place.archived(line(0))
        closed = place.closed(line(1) + line(2) + b"odd\0\n")
        died = killed_at(place, number, lambda place=place, closed=closed: place.archive.take(closed, BEGIN + DAY))
        wanted = [identity(n) for n in range(3)]
        assert place.ids() == wanted, f"at effect {number}"
        if closed.exists():
            place.archive.take(closed, BEGIN + DAY)
        assert place.ids() == wanted
        report = verify(place.archive, None, "production")
        assert (report.broken, report.segments, report.lines, report.notes) == ((), 2, 4, ())
        there = {one.name for one in place.archive.root.iterdir()}
        assert there - {"work"} == {"chain.jsonl", "day=2026-11-20", "lock"}
        deaths += died
        if not died:
            break
    assert deaths > 8


def test_a_crash_at_any_instant_of_a_removal_is_finished_by_the_next_run(tmp_path: Path) -> None:
    for number in effects():
        place = Place(tmp_path / str(number))
        place.archived(line(0), line(1, at=BEGIN + 2 * DAY))
        overdue = place.archive.overdue(DAY, None, BEGIN + 2 * DAY)
        died = killed_at(
            place, number, lambda place=place, overdue=overdue: place.archive.remove(overdue, BEGIN + 2 * DAY)
        )
        assert not verify(place.archive, None, "production").broken, f"at effect {number}"
        place.archive.remove(place.archive.overdue(DAY, None, BEGIN + 2 * DAY), BEGIN + 2 * DAY)
        assert place.ids() == [identity(1)]
        report = verify(place.archive, None, "production")
        assert (report.broken, report.segments, report.removed, report.links, report.notes) == ((), 1, 1, 3, ())
        if not died:
            break
    assert number > 4


# Retention


def test_what_is_older_than_keep_goes_with_a_word_in_the_chain(place: Place) -> None:
    place.archived(line(0), line(1), line(0, at=BEGIN + 2 * DAY))
    [overdue] = place.archive.overdue(DAY, None, BEGIN + 2 * DAY)
    assert [one.link for one in overdue.segments] == [1, 2]
    assert overdue.why == "older than record.keep, 1d"
    place.archive.remove([overdue], BEGIN + 2 * DAY)
    assert place.archive.overdue(DAY, None, BEGIN + 2 * DAY) == []
    assert [path.name for path in place.archive.root.glob("day=*")] == ["day=2026-11-22"]
    assert not verify(place.archive, None, "production").broken


def test_past_max_size_the_oldest_go_first_and_only_as_many_as_it_takes(place: Place) -> None:
    place.archived(line(0), line(1), line(2))
    sizes = [one.size for one in place.archive.chain().segments]
    [overdue] = place.archive.overdue(None, sum(sizes) - 1, BEGIN)
    assert [one.link for one in overdue.segments] == [1]
    assert "larger than record.max_size" in overdue.why
    assert place.archive.overdue(None, sum(sizes), BEGIN) == []
    assert place.archive.overdue(None, None, BEGIN + 1000 * DAY) == []
