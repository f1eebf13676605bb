"""The prediction record: what Envoy writes, and a reader that loses nothing and says what was lost."""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.backends import Load
from support.engine import eventually
from support.gateways import World, arm, split
from tidegate.gateway.model import Route, Upstream
from tidegate.gateway.record import FIELDS, Cursor, RecordReader, grown
from tidegate.gateway.supervisor import Gateway


def line(number: int) -> bytes:
    """A record line that can be told from others."""
    return orjson.dumps({"time": f"2026-01-01T00:00:{number:09.6f}Z", "request_id": str(number)}) + b"\n"


def ids(lines: list[dict[str, Any]]) -> list[int]:
    """The numbers of lines."""
    return [int(found["request_id"]) for found in lines]


# What Envoy writes


def test_a_line_has_exactly_the_fields_of_the_contract(world: World, gateway: Gateway) -> None:
    odd = arm("v1", version='1.0.0+"data"%7', config="")
    world.settle(gateway, Route("digits", "archive", (odd,)))
    world.backend("v1").delay = 0.02
    before = datetime.now(UTC)
    answer = world.ask("/digits/", {"x-tidegate-feature": "archive"}, "{}")
    found = world.lines(1)[0]
    raw = json.loads(gateway.record.read_text())
    assert tuple(raw) == (*FIELDS, "elapsed_ms")
    assert tuple(found) == FIELDS
    assert abs((datetime.fromisoformat(found["time"]) - before).total_seconds()) < 5
    assert found["time"].endswith("Z")
    assert 20 <= found.pop("duration_ms") < 2000
    assert found == {
        "time": found["time"],
        "request_id": answer.headers["x-request-id"],
        "route": "digits/archive",
        "model": "digits",
        "feature": "archive",
        "segment": None,
        "role": "stable",
        "release": "v1",
        "version": '1.0.0+"data"%7',
        "config": None,
        "commit": "c0ffee",
        "status": 200,
        "flags": None,
    }


def test_durations_are_finer_than_a_millisecond(world: World, gateway: Gateway) -> None:
    world.settle(gateway, split(0))
    for _ in range(5):
        world.ask("/digits/")
    assert any(found["duration_ms"] % 1 for found in world.lines(5))


def test_the_status_is_the_one_that_the_client_got(world: World, gateway: Gateway) -> None:
    world.settle(gateway, split(0))
    world.backend("v1").status = 422
    world.ask("/digits/")
    assert (world.lines(1)[0]["status"], world.lines(1)[0]["flags"]) == (422, None)


def test_what_is_no_request_of_a_model_is_recorded_with_nulls(world: World, gateway: Gateway) -> None:
    world.settle(gateway, split(0))
    world.ask("/nowhere")
    for garbage in (
        b"NO HTTP\r\n\r\n",
        b"GET /digits/ HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"y" * 99_000 + b"\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", world.port), timeout=5) as client:
            client.sendall(garbage)
            client.recv(1000)
    found = world.lines(4)
    assert sorted(one["status"] for one in found) == [400, 400, 404, 431]
    for raw, one in zip(gateway.record.read_bytes().splitlines(), found, strict=True):
        assert set(orjson.loads(raw)) - {"elapsed_ms"} == set(FIELDS)
        assert {one[name] for name in ("route", "model", "role", "release", "version", "config", "commit")} == {None}
        assert isinstance(one["duration_ms"], int | float)


def test_a_client_that_leaves_is_recorded_with_its_arm(world: World, gateway: Gateway) -> None:
    world.settle(gateway, split(0))
    world.backend("v1").delay = 0.3
    with socket.create_connection(("127.0.0.1", world.port)) as client:
        client.sendall(b"GET /digits/ HTTP/1.1\r\nhost: x\r\n\r\n")
        eventually(lambda: gateway.active()["v1"] == 1)
    found = world.lines(1)[0]
    assert (found["release"], found["status"], found["flags"]) == ("v1", 0, "DC")


def test_a_client_that_leaves_a_stream_is_recorded_once_with_the_time_that_it_stayed(
    world: World, gateway: Gateway
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Upstream("v1", (("127.0.0.1", int(listener.getsockname()[1])),))
        world.settle(gateway, Route("digits", None, (arm("v1"),)), v1=server)
        with socket.create_connection(("127.0.0.1", world.port)) as client:
            client.sendall(b"GET /digits/ HTTP/1.1\r\nhost: x\r\n\r\n")
            connection, began = listener.accept()[0], time.monotonic()
            connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")
            client.recv(1)
            eventually(lambda: time.monotonic() - began > 0.03)
        found = world.lines(1)
        connection.close()
    assert [(one["release"], one["status"], one["flags"]) for one in found] == [("v1", 200, "DC")]
    assert found[0]["duration_ms"] >= 29


def test_envoy_counts_one_ended_request_for_each_line_whatever_became_of_it(world: World, gateway: Gateway) -> None:
    world.settle(gateway, split(0))
    began = gateway.ended()
    world.ask("/digits/")
    world.ask("/nowhere")
    with socket.create_connection(("127.0.0.1", world.port), timeout=5) as client:
        client.sendall(b"NO HTTP\r\n\r\n")
        client.recv(1000)
    world.backend("v1").delay = 0.3
    with socket.create_connection(("127.0.0.1", world.port)) as client:
        client.sendall(b"GET /digits/ HTTP/1.1\r\nhost: x\r\n\r\n")
        eventually(lambda: gateway.active()["v1"] == 1)
        assert gateway.ended().requests - began.requests == 3, "the one under way owes no line yet"
    assert len(world.lines(4)) == 4
    ended = gateway.ended()
    assert (ended.pid, ended.epoch, ended.requests - began.requests) == (began.pid, 0, 4)
    assert not gateway.told_to_end(ended.pid)
    gateway.stop(grace=1.0)
    assert gateway.told_to_end(ended.pid)


def test_a_file_is_closed_when_it_is_large_or_old_or_of_another_day(tmp_path: Path) -> None:
    path, began = tmp_path / "record.jsonl", datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    assert not grown(path, 10, 60.0, began)
    path.write_bytes(b"")
    assert not grown(path, 10, 60.0, began + 1e6), "one without a line stays"
    path.write_bytes(line(1))
    assert [grown(path, 1000, 60.0, began + later) for later in (1, 60, 62)] == [False, False, True]
    assert grown(path, 10, 60.0, began + 1)
    assert [grown(path, 1000, 1e9, began + later) for later in (86399, 86401)] == [False, True]
    path.write_bytes(b"rubbish\n")
    assert not grown(path, 1000, 60.0, began + 1e6)


def test_rotation_loses_and_doubles_no_line(world: World, gateway: Gateway) -> None:
    world.settle(gateway, split(500_000))
    reader, cursor, seen = RecordReader(gateway.record), Cursor(), []
    with Load(world.port, "/digits/", clients=4) as load:
        for _ in range(5):
            load.wait_for(100)
            assert gateway.rotate_record() is not None
            lines, cursor = reader.read(cursor, 37)
            seen += lines
    assert load.failures == []

    def drained() -> bool:
        nonlocal cursor
        lines, cursor = reader.read(cursor, 1000)
        seen.extend(lines)
        return len(seen) >= len(load.answers)

    eventually(drained)
    assert len({found["request_id"] for found in seen}) == len(seen) == len(load.answers)
    assert (cursor.malformed, cursor.losses) == (0, 0)
    assert [file.name for file in reader.files()] == [
        *(f"predictions.jsonl.{number:06d}" for number in range(1, 6)),
        "predictions.jsonl",
    ]


def test_rotating_before_the_first_line_is_harmless(world: World, gateway: Gateway) -> None:
    gateway.record.unlink()
    assert gateway.rotate_record() is None
    world.ask("/")
    assert len(world.lines(1)) == 1


# Reading


@pytest.fixture
def reader(tmp_path: Path) -> RecordReader:
    """Of a record that does not exist yet."""
    return RecordReader(tmp_path / "record.jsonl")


def test_no_record_yet_is_no_line(reader: RecordReader) -> None:
    assert reader.read(Cursor()) == ([], Cursor())
    assert reader.end() == Cursor()


def test_each_line_is_read_once_also_with_a_limit_and_a_cursor_from_the_journal(reader: RecordReader) -> None:
    reader.path.write_bytes(b"".join(line(number) for number in range(5)))
    first, cursor = reader.read(Cursor(), 2)
    second, cursor = RecordReader(reader.path).read(Cursor.from_json(json.loads(json.dumps(cursor.to_json()))), 2)
    third, cursor = reader.read(cursor, 2)
    assert ids(first + second + third) == [0, 1, 2, 3, 4]
    assert reader.read(cursor)[0] == []


def test_a_last_line_without_its_end_is_left_until_it_has_one(reader: RecordReader) -> None:
    reader.path.write_bytes(line(0) + line(1)[:10])
    lines, cursor = reader.read(Cursor())
    assert ids(lines) == [0]
    assert reader.read(cursor) == ([], cursor)
    with reader.path.open("ab") as file:
        file.write(line(1)[10:])
    assert ids(reader.read(cursor)[0]) == [1]


def test_a_reader_that_begins_at_the_end_sees_only_what_is_to_come(reader: RecordReader) -> None:
    reader.path.write_bytes(line(0))
    cursor = reader.end()
    with reader.path.open("ab") as file:
        file.write(line(1))
    assert ids(reader.read(cursor)[0]) == [1]


def test_malformed_lines_are_counted_told_and_passed_over(
    reader: RecordReader, caplog: pytest.LogCaptureFixture
) -> None:
    reader.path.write_bytes(line(0) + b"\x00\x00 rubbish\n" + b"[1]\n" + line(1))
    with caplog.at_level(logging.WARNING):
        lines, cursor = reader.read(Cursor())
    assert ids(lines) == [0, 1]
    assert cursor.malformed == 2
    assert caplog.text.count("cannot be read") == 2


def test_the_first_line_after_a_killed_writer_s_half_line_is_saved(reader: RecordReader) -> None:
    reader.path.write_bytes(line(0) + line(1)[:25] + line(2) + line(3))
    lines, cursor = reader.read(Cursor())
    assert ids(lines) == [0, 2, 3]
    assert cursor.malformed == 1


def test_a_rotated_file_is_read_to_its_end_before_the_next(reader: RecordReader) -> None:
    reader.path.write_bytes(line(0) + line(1))
    _, cursor = reader.read(Cursor(), 1)
    reader.path.rename(f"{reader.path}.000001")
    assert reader.end().offset == len(line(0) + line(1))
    with Path(f"{reader.path}.000001").open("ab") as file:
        file.write(line(2) + line(3)[:5])  # its last writer was killed
    reader.path.write_bytes(line(4))
    reader.path.rename(f"{reader.path}.000002")
    reader.path.write_bytes(line(5))
    lines, cursor = reader.read(cursor)
    assert ids(lines) == [1, 2, 4, 5]
    assert (cursor.malformed, cursor.losses) == (1, 0)


def test_truncation_is_a_loss_that_is_told_and_reading_goes_on(
    reader: RecordReader, caplog: pytest.LogCaptureFixture
) -> None:
    reader.path.write_bytes(line(0) + line(1))
    _, cursor = reader.read(Cursor())
    os.truncate(reader.path, 0)
    with reader.path.open("ab") as file:
        file.write(line(2))
    lines, cursor = reader.read(cursor)
    assert ids(lines) == [2]
    assert cursor.losses == 1
    assert "was truncated" in caplog.text
    os.truncate(reader.path, 0)
    with reader.path.open("ab") as file:
        file.write(line(3) + line(4) + line(5))  # longer than what had been read
    lines, cursor = reader.read(cursor)
    assert ids(lines) == [3, 4, 5]
    assert cursor.losses == 2


def test_a_file_that_is_gone_is_a_loss_that_is_told(reader: RecordReader, caplog: pytest.LogCaptureFixture) -> None:
    reader.path.write_bytes(line(0) + line(1))
    _, cursor = reader.read(Cursor(), 1)
    reader.path.rename(reader.path.with_name("elsewhere"))
    assert reader.read(cursor) == ([], cursor)
    reader.path.write_bytes(line(2))
    lines, cursor = reader.read(cursor)
    assert ids(lines) == [2]
    assert cursor.losses == 1
    assert "is gone" in caplog.text


@given(
    sizes=st.lists(st.integers(0, 6), min_size=1, max_size=5),
    limits=st.lists(st.integers(1, 4), min_size=1, max_size=30),
)
def test_whatever_the_files_and_limits_every_line_comes_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], limits: list[int]
) -> None:
    path = tmp_path_factory.mktemp("record") / "record.jsonl"
    reader, cursor, seen, written = RecordReader(path), Cursor(), [], 0
    for size in sizes:
        if path.exists():
            path.rename(f"{path}.{len(list(path.parent.iterdir())):06d}")
        path.write_bytes(b"".join(line(written + number) for number in range(size)))
        written += size
        lines, cursor = reader.read(cursor, limits[size % len(limits)])
        seen += ids(lines)
    while lines:
        lines, cursor = reader.read(cursor, limits[0])
        seen += ids(lines)
    lines, cursor = reader.read(cursor)
    assert seen + ids(lines) == list(range(written))
    assert (cursor.malformed, cursor.losses) == (0, 0)
