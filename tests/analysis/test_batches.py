"""Records into batches: windows, arms, cuts, lateness, restarts; and what counts as an error of the release."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.analysis.batches import Batcher, by_release, by_role, evidence, is_error
from tidegate.analysis.latency import quantile

T0 = 1_800_000_000.0
ARMS = by_release("good", "new")


def record(end: float, release: str = "good", *, ms: float = 10.0, **more: Any) -> dict[str, Any]:
    """A record of a request that ended `end` seconds after T0."""
    start = datetime.fromtimestamp(T0 + end - ms / 1000, UTC).isoformat().replace("+00:00", "Z")
    return {"time": start, "release": release, "role": "stable", "status": 200, "duration_ms": ms, **more}


def batcher(**more: Any) -> Batcher:
    return Batcher(ARMS, **{"length": 10.0, "opened_at": T0, "grace": 0.5, **more})


def test_a_window_closes_a_grace_after_its_end_with_both_arms_apart() -> None:
    b = batcher()
    b.add_many([record(1), record(2, status=503), record(3, "new", ms=40.0), record(9.9, "new", status=500)])
    assert b.close(T0 + 10.4) == []
    (batch,) = b.close(T0 + 10.5)
    assert (batch.start, batch.end, batch.id, batch.complete) == (T0, T0 + 10, 0, True)
    assert (batch.stable.requests, batch.stable.errors) == (2, 1)
    assert (batch.candidate.requests, batch.candidate.errors) == (2, 1)
    assert quantile(batch.candidate.latency, 1.0) == pytest.approx(40.0, rel=0.02)


def test_a_request_belongs_to_the_window_in_which_it_ended() -> None:
    b = batcher()
    b.add(record(12.0, ms=5000.0))
    assert b.close(T0 + 10.5) == []
    assert b.close(T0 + 21)[0].start == T0 + 10


def test_other_releases_and_shadows_belong_to_no_arm() -> None:
    b = batcher()
    b.add_many([record(1, "old"), record(1, "new", role="shadow"), record(1, "new")])
    (batch,) = b.close(T0 + 11)
    assert batch.candidate.requests == 1
    assert by_role({"role": "candidate"}) is True
    assert by_role({"role": "stable"}) is False
    assert by_role({"role": "shadow"}) is None


def test_after_an_absence_old_records_fall_where_they_happened() -> None:
    b = batcher()
    b.add_many([record(t) for t in (5, 65, 125)])
    assert [x.start - T0 for x in b.close(T0 + 200)] == [0, 60, 120]


def test_what_comes_late_enters_the_open_window_and_is_counted() -> None:
    b = batcher()
    b.add(record(5))
    assert len(b.close(T0 + 11)) == 1
    b.add_many([record(6), record(12)])
    (batch,) = b.close(T0 + 21)
    assert (batch.start - T0, batch.stable.requests, b.late) == (10, 2, 1)


def test_late_records_alone_still_come_out() -> None:
    b = batcher()
    assert b.close(T0 + 35) == []
    b.add(record(6))
    (batch,) = b.close(T0 + 41)
    assert (batch.start - T0, batch.end - T0) == (30, 40)


def test_a_weight_change_cuts_the_window_and_the_new_shares_come_after_the_requests_of_the_old_are_over() -> None:
    b = batcher(share=0.05, settle=20.0)
    b.add_many([record(25)])
    b.cut(T0 + 27, share=0.25, shares={"eu": 0.5})
    b.add_many([record(26.5), record(28), record(48, segment="eu"), record(48)])
    batches = b.close(T0 + 100)
    assert [(x.start - T0, x.end - T0, x.segment, x.share) for x in batches] == [
        (20, 27, None, 0.05),
        (27, 37, None, None),
        (47, 57, "eu", 0.5),
        (47, 57, None, 0.25),
    ]
    assert batches[0].stable.requests == 2


def test_what_ended_in_the_warm_up_or_before_the_start_is_dropped_of_both_arms() -> None:
    b = batcher(warm_up_until=T0 + 5)
    b.add_many([record(-1), record(4, "new"), record(4), record(6, "new")])
    (batch,) = b.close(T0 + 11)
    assert (batch.stable.requests, batch.candidate.requests, b.dropped) == (0, 1, 3)


@pytest.mark.parametrize(
    "broken",
    [
        {"time": "yesterday"}, {"time": None}, {"duration_ms": "fast"}, {"duration_ms": None}, {"status": "ok"},
        {"duration_ms": -1}, {"duration_ms": float("nan")}, {"duration_ms": float("inf")},
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_counted_and_left_out(broken: dict[str, Any]) -> None:
    b = batcher()
    b.add_many([{**record(1), **broken}, record(2)])
    (batch,) = b.close(T0 + 11)
    assert (b.malformed, batch.stable.requests) == (1, 1)


def test_ids_grow_over_segments_windows_and_restarts() -> None:
    b = batcher()
    seen: list[int] = []
    for second in range(0, 60, 2):
        b.add_many([record(second), record(second, "new", segment="eu", metrics={"q": 0.5, "bad": "x"})])
        seen += [x.id for x in b.close(T0 + second)]
        b = Batcher.from_doc(json.loads(json.dumps(b.to_doc())), ARMS)
    seen += [x.id for x in b.close(T0 + 100)]
    assert seen == list(range(12))


@given(st.lists(st.tuples(st.floats(0, 90), st.booleans(), st.sampled_from([None, "eu"])), max_size=40))
def test_a_restart_at_any_point_changes_no_batch_and_loses_no_record(
    rows: list[tuple[float, bool, str | None]],
) -> None:
    one, other = batcher(), batcher()
    out: tuple[list[Any], list[Any]] = ([], [])
    for index, (end, new, segment) in enumerate(rows):
        line = record(end, "new" if new else "good", segment=segment, metrics={"q": 0.25})
        one.add(line)
        other.add(line)
        if index % 3 == 0:
            out[0].extend(one.close(T0 + index * 2))
            other = Batcher.from_doc(json.loads(json.dumps(other.to_doc())), ARMS)
            out[1].extend(other.close(T0 + index * 2))
        if index % 7 == 3:
            one.cut(T0 + index * 2, share=0.1)
            other.cut(T0 + index * 2, share=0.1)
    out[0].extend(one.close(T0 + 1000))
    out[1].extend(other.close(T0 + 1000))
    assert repr(out[0]) == repr(out[1])
    assert sum(x.stable.requests + x.candidate.requests for x in out[0]) == len(rows)


def test_the_open_window_is_shown_incomplete() -> None:
    b = batcher()
    b.add(record(1))
    (batch,) = b.open()
    assert not batch.complete and batch.stable.requests == 1
    assert len(b.close(T0 + 11)) == 1
    assert b.open() == ()


def test_a_log_replays_into_all_its_batches() -> None:
    b = batcher()
    batches = list(b.replay((record(t / 10) for t in range(2500)), every=100))
    assert [x.start - T0 for x in batches] == [10.0 * i for i in range(25)]
    assert sum(x.stable.requests for x in batches) == 2500
    assert b.late == 0


def test_the_clock_counts_each_window_with_traffic_once() -> None:
    b = batcher()
    b.add_many([record(1), record(1, segment="eu"), record(25)])
    assert evidence(b.close(T0 + 100)) == 20.0


@pytest.mark.parametrize(
    ("status", "flags", "error"),
    [
        (200, None, False),
        (200, "-", False),
        (404, "", False),
        (429, None, False),
        (500, None, True),
        (503, "UH", True),
        (0, "DC", False),
        (0, "-", True),
        (0, None, True),
        (None, "UC", True),
        (200, "UC", True),
        (200, "DC", False),
        (0, "UF,URX", True),
        (200, ["UT"], True),
        (400, "DPE", False),
    ],
)
def test_an_error_is_what_the_release_did_not_what_its_client_did(status: int, flags: Any, error: bool) -> None:
    assert is_error({"status": status, "flags": flags}) is error


def test_a_window_needs_a_length() -> None:
    with pytest.raises(ValueError, match="length"):
        batcher(length=0.0)
