"""The controller's part: read first, then archived; sealed in git; retention; and a person is told what is wrong."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from audit_record import BEGIN, Place, identity, line

from tidegate.audit.process import Archiver
from tidegate.audit.verify import verify
from tidegate.engine import archiving
from tidegate.engine.archiving import ANCHOR, ANCHOR_EVERY, KEY, Archiving, closed
from tidegate.engine.workers import Done
from tidegate.gateway.record import Cursor, RecordReader
from tidegate.gitrepo.anchors import Anchor, anchors_at
from tidegate.gitrepo.mirror import Mirror
from tidegate.journal.journal import Journal
from tidegate.spec.controller import Author, RecordSettings
from tidegate.spec.errors import InternalError, NeedsPerson, RetryLater


class Host:
    """A record, its reader, the journal and a repository; one run of the job at a time."""

    def __init__(self, folder: Path, settings: RecordSettings | None = None) -> None:
        self.place = Place(folder)
        self.reader = RecordReader(self.place.record)
        self.time = BEGIN
        self.journal = Journal(folder / "journal.db", now=lambda: self.time)
        self.remote = folder / "remote.git"
        self.mirror = Mirror(folder / "mirror.git", str(self.remote), "main", author=Author(), environment="production")
        self.cursor = Cursor()
        self.settings = settings or RecordSettings()
        self.archiving = self.another()

    def repository(self) -> None:
        """A remote with a commit, fetched."""
        clone = self.remote.with_name("clone")
        for words in (
            ["init", "-q", "--bare", "-b", "main", str(self.remote)],
            ["clone", "-q", str(self.remote), str(clone)],
            ["-C", str(clone), "config", "user.name", "Team A"],
            ["-C", str(clone), "config", "user.email", "team-a@example.com"],
            ["-C", str(clone), "commit", "-q", "--allow-empty", "-m", "one"],
            ["-C", str(clone), "push", "-q", "origin", "HEAD:main"],
        ):  # fmt: skip
            subprocess.run(["git", *words], check=True, capture_output=True)
        self.mirror.fetch()

    def another(self) -> Archiving:
        """As after a restart of the controller."""
        return Archiving(
            self.place.archive, self.reader, self.settings, self.mirror, self.journal,
            lambda: self.time, lambda _: None, random.Random(1),
        )  # fmt: skip

    def read(self, limit: int = 1000) -> list[str]:
        """The evidence reads on, and the journal has how far."""
        lines, self.cursor = self.reader.read(self.cursor, limit)
        with self.journal.transaction() as transaction:
            transaction.put_cursor("record", {"log": self.cursor.to_json(), "batchers": {}})
        return [found["request_id"] for found in lines]

    def rotate(self) -> None:
        """The present file is closed, as by the gateway."""
        number = len(self.reader.files())
        self.place.record.rename(f"{self.place.record}.{number:06d}")

    def write(self, *numbers: int) -> None:
        with self.place.record.open("ab") as file:
            file.writelines(line(number) for number in numbers)

    def run(self) -> Any:
        """One run, and what was wrong."""
        return self.archiving.took(Done(KEY, self.archiving._run()))


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    yield made
    made.archiving.close()
    made.journal.close()


def ids(*numbers: int) -> list[str]:
    return [identity(number) for number in numbers]


def test_a_closed_file_is_archived_once_the_journal_says_that_it_was_read_and_no_sooner(host: Host) -> None:
    host.write(1, 2)
    assert host.read(1) == ids(1)
    host.rotate()
    host.write(3)
    host.run()
    assert host.place.archive.chain().links == ()
    assert host.read() == ids(2, 3)
    host.run()
    assert host.place.archive.chain().segments[0].lines == 2
    assert [file.name for file in host.reader.files()] == ["predictions.jsonl"]
    assert host.place.ids() == ids(1, 2, 3)


def test_a_controller_that_was_away_for_long_reads_everything_before_any_of_it_is_archived(host: Host) -> None:
    seen = []
    for number in range(6):
        host.write(number)
        if number == 0:
            seen += host.read()
        host.rotate()
    host.write(6)
    host.archiving = host.another()
    while len(seen) < 7:
        host.run()
        assert host.place.ids() == ids(*range(7))
        seen += host.read(2)
    host.run()
    assert seen == ids(*range(7))
    assert (host.cursor.losses, host.cursor.malformed) == (0, 0)
    assert len(host.place.archive.chain().segments) == 6


def test_a_file_that_somebody_has_open_waits(host: Host) -> None:
    """An Envoy that is being relieved writes on into the file that it had."""
    host.write(1)
    host.rotate()
    host.write(2)
    host.read()
    with host.reader.files()[0].open("ab") as late:
        assert closed(host.reader.files(), host.journal.cursor("record")) == []
        late.write(line(3))
    [ready] = closed(host.reader.files(), host.journal.cursor("record"))
    assert ready.read_bytes() == line(1) + line(3)


def test_a_file_that_is_being_renamed_waits_for_the_next_look(host: Host) -> None:
    host.write(1)
    host.read()
    assert closed([host.place.record.with_name("gone"), host.place.record], host.journal.cursor("record")) == []


def test_without_a_cursor_nothing_is_archived(host: Host) -> None:
    host.write(1)
    host.rotate()
    host.write(2)
    assert closed(host.reader.files(), None) == []


def test_the_head_is_anchored_in_git_once_an_hour_and_over_restarts(host: Host) -> None:
    host.repository()
    for number in range(1, 4):
        host.write(number)
        host.rotate()
        host.write(number)
        host.read()
        assert host.run() is None
        host.archiving = host.another()
    chain = host.place.archive.chain()
    [first] = anchors_at(str(host.remote))
    assert (first.links, first.head, first.chain) == (1, chain.digests[0], chain.identity)
    host.time += ANCHOR_EVERY
    host.run()
    first, second = anchors_at(str(host.remote))
    assert (second.links, second.head) == (3, chain.head)
    told = host.journal.cursor(ANCHOR)
    assert told is not None
    assert not verify(host.place.archive, (first, second), "production", Anchor(**told)).broken
    status = host.archiving.status()
    assert status is not None
    assert (status["segments"], status["links"], status["anchored"]) == (3, 3, 3)


def test_a_git_that_cannot_be_told_stops_no_archiving(host: Host) -> None:
    host.write(1)
    host.rotate()
    host.write(2)
    host.read()
    wrong = host.run()
    assert isinstance(wrong, RetryLater)
    assert len(host.place.archive.chain().segments) == 1


def test_what_is_past_its_time_goes_by_itself(tmp_path: Path) -> None:
    host = Host(tmp_path, RecordSettings.model_validate({"keep": "1d"}))
    host.write(1)
    host.rotate()
    host.write(2)
    host.read()
    host.run()
    assert len(host.place.archive.chain().segments) == 1
    host.time += 2 * 86400
    host.run()
    assert host.place.archive.chain().segments == ()
    assert host.place.ids() == ids(2)
    host.journal.close()


def test_a_disk_that_is_nearly_full_is_told_before_lines_are_lost(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archiving, "LEAST_FREE", 1 << 60)
    wrong = host.run()
    assert isinstance(wrong, NeedsPerson)
    assert "MiB are free where the record is written" in wrong.message


def test_it_is_looked_at_as_often_as_files_are_closed(host: Host) -> None:
    assert [host.archiving.due(at) for at in (10.0, 39.0, 40.0, 41.0, 70.0)] == [False, False, True, False, True]


# The child process


def test_errors_of_the_child_are_those_of_the_archive(host: Host) -> None:
    host.place.archived(line(1))
    (host.place.archive.root / "chain.jsonl").write_bytes(b"{}\n")
    file = host.place.closed(line(2))
    with pytest.raises(NeedsPerson, match="link 1 of the record's chain is damaged"):
        Archiver().take(host.place.archive.root, [file], BEGIN)


def test_a_child_that_ends_without_a_word_is_told_with_its_last_ones(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(RetryLater, match="ended with 1, its last words: nothing"):
        Archiver().take(host.place.archive.root, [host.place.closed(line(2))], BEGIN)


def test_a_closed_archiver_begins_nothing(host: Host) -> None:
    archiver = Archiver()
    archiver.close()
    file = host.place.closed(line(2))
    with pytest.raises(RetryLater, match="whoever acts next"):
        archiver.take(host.place.archive.root, [file], BEGIN)
    assert file.exists()


def test_a_conversion_that_does_not_give_the_lines_back_keeps_the_file(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidegate.audit.archive.lines_sha256", lambda *_: "0" * 64)
    file = host.place.closed(line(1))
    with pytest.raises(InternalError, match="does not give back its lines"):
        host.place.archive.take(file, BEGIN)
    assert file.exists()
    monkeypatch.undo()
    host.place.archive.take(file, BEGIN)
    assert host.place.ids() == ids(1)
