"""The unit of evidence is what is independent: sessions where a policy says so, and never a retry."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from tidegate.analysis.batches import Batcher, by_role
from tidegate.analysis.cells import Retries
from tidegate.analysis.model import Batch

T0 = 1_767_225_600.0  # 2026-01-01T00:00:00Z


def line(second: float, *, role: str = "candidate", status: int = 200, **more: Any) -> dict[str, Any]:
    time = f"2026-01-01T00:00:{second:06.3f}+00:00"
    return {"time": time, "role": role, "status": status, "duration_ms": 5.0, **more}


def batcher(**more: Any) -> Batcher:
    return Batcher(by_role, length=10.0, opened_at=T0, **more)


def whole(made: Batcher, lines: list[dict[str, Any]]) -> Batch:
    """The one batch of these lines, by way of a restart in the middle."""
    half = len(lines) // 2
    made.add_many(lines[:half])
    made = Batcher.from_doc(json.loads(json.dumps(made.to_doc())), by_role)
    made.add_many(lines[half:])
    [batch] = made.close(T0 + 20)
    return batch


def test_a_retry_of_a_request_that_failed_is_folded_into_it() -> None:
    lines = [
        line(1, status=503, request_id="a"),
        line(2, status=503, request_id="a"),
        line(3, request_id="a"),
        line(4, request_id="b"),
        line(5, request_id="b"),
        line(6, role="stable", request_id="a"),
    ]
    made = batcher()
    batch = whole(made, lines)
    assert (batch.candidate.requests, batch.candidate.errors) == (3, 1)
    assert (batch.stable.requests, batch.stable.errors) == (1, 0)


def test_how_many_were_folded_is_counted_and_survives_a_restart() -> None:
    made = batcher()
    made.add_many([line(1, status=500, request_id="a"), line(2, request_id="a")])
    again = Batcher.from_doc(json.loads(json.dumps(made.to_doc())), by_role)
    again.add(line(3, request_id="a"))
    assert (made.folded, again.folded) == (1, 2)


def test_a_client_that_gives_all_its_requests_one_id_does_not_hide_them() -> None:
    lines = [line(i / 10, status=500, request_id="same") for i in range(40)]
    batch = whole(batcher(), lines)
    assert batch.candidate.requests == 40 - (Retries.ATTEMPTS - 1)


def test_only_the_newest_failures_are_remembered() -> None:
    retries = Retries()
    for i in range(Retries.KEPT + 1):
        retries.failed(f"id-{i}")
    assert len(retries.to_doc()) == Retries.KEPT
    assert not retries.is_retry("id-0") and retries.is_retry("id-1") and not retries.is_retry(None)


def test_a_session_counts_once_in_a_window_failed_if_any_request_did_and_as_slow_as_its_slowest() -> None:
    lines = [
        line(1, session="x", metrics={"q": 1.0}),
        line(2, session="x", status=500, duration_ms=70.0, metrics={"q": 0.0}),
        line(3, session="y", metrics={"q": "broken"}),
        line(4, metrics={"q": 0.5}),
        line(5, role="stable", session="x"),
        line(6, role="stable", session="x"),
    ]
    batch = whole(batcher(sessions=True, share=0.5), lines)
    candidate = batch.candidate
    assert (candidate.requests, candidate.errors) == (3, 1)
    assert sum(candidate.latency) == 3 and sum(candidate.latency[300:]) == 1
    q = candidate.scores["q"]
    assert sorted(v for v in q if not math.isnan(v)) == [0.5, 0.5] and sum(map(math.isnan, q)) == 1
    assert (batch.stable.requests, batch.stable.errors) == (1, 0)


def test_a_session_counts_anew_in_the_next_window() -> None:
    made = batcher(sessions=True)
    made.add_many([line(second, session="x") for second in (1, 2, 12, 13)])
    assert [batch.candidate.requests for batch in made.close(T0 + 40)] == [1, 1]


def test_without_a_policy_that_says_so_sessions_are_just_requests() -> None:
    assert whole(batcher(), [line(1, session="x"), line(2, session="x")]).candidate.requests == 2


@pytest.mark.parametrize(("share", "told"), [(0.3, None), (1.0, 1.0), (None, None)])
def test_numbers_of_sessions_need_not_follow_the_weights(share: float | None, told: float | None) -> None:
    made = Batcher(by_role, length=10.0, opened_at=T0, share=share, settle=0.0, sessions=True)
    assert whole(made, [line(1, session="x"), line(2, session="y")]).share == told
