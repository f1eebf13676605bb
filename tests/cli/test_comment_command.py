"""`tidegate comment` keeps one comment in a pull request: made once, brought up to date, never anybody else's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.pull_requests import PullRequest, pull_request
from tidegate.cli.comment import LONGEST, MARKER, put
from tidegate.spec.errors import NeedsPerson, RetryLater


@pytest.fixture
def request_() -> Iterator[PullRequest]:
    """Pull request 7."""
    with pull_request() as known:
        yield known


def test_the_first_plan_becomes_a_comment(request_: PullRequest, tmp_path: Path) -> None:
    assert put("# Plan\n", request_.environment(tmp_path)) == "commented the plan"
    assert [c["body"] for c in request_.comments] == [f"{MARKER}\n# Plan\n"]


def test_the_next_plan_takes_its_place_and_leaves_others_alone(request_: PullRequest, tmp_path: Path) -> None:
    for number in range(130):
        request_.say(f"comment {number}")
    put("first\n", request_.environment(tmp_path))
    request_.say("looks good")
    assert put("second\n", request_.environment(tmp_path)) == "brought the comment up to date"
    ours = [c["body"] for c in request_.comments if c["body"].startswith(MARKER)]
    assert ours == [f"{MARKER}\nsecond\n"]
    assert len(request_.comments) == 132
    assert request_.writes == ["POST", "PATCH"]


def test_nothing_is_written_when_nothing_changed(request_: PullRequest, tmp_path: Path) -> None:
    put(f"{MARKER}\nsame\n", request_.environment(tmp_path))
    assert "already" in put(f"{MARKER}\nsame\n", request_.environment(tmp_path))
    assert request_.writes == ["POST"]


def test_a_plan_that_is_too_long_is_cut_at_a_line_and_says_so(request_: PullRequest, tmp_path: Path) -> None:
    put("\n".join(f"| row {n} |" for n in range(20_000)), request_.environment(tmp_path))
    body = request_.comments[0]["body"]
    assert len(body) <= LONGEST
    assert body.endswith("The job's summary has all of it.*\n")


def test_a_fork_that_may_only_read_is_no_failure(request_: PullRequest, tmp_path: Path) -> None:
    request_.refuse = 403
    assert put("plan\n", request_.environment(tmp_path)).startswith("warning: the token may not write")


@pytest.mark.parametrize(
    ("status", "error"), [(422, NeedsPerson), (401, NeedsPerson), (502, RetryLater), (429, RetryLater)]
)
def test_other_refusals_are_told(request_: PullRequest, tmp_path: Path, status: int, error: type[Exception]) -> None:
    request_.refuse = status
    with pytest.raises(error, match=str(status)):
        put("plan\n", request_.environment(tmp_path))


def test_outside_of_actions_it_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(NeedsPerson, match="GITHUB_TOKEN not set"):
        put("plan\n", {"GITHUB_EVENT_PATH": "x", "GITHUB_REPOSITORY": "team/models"})


def test_an_event_without_a_pull_request_is_told(request_: PullRequest, tmp_path: Path) -> None:
    environment = request_.environment(tmp_path)
    Path(environment["GITHUB_EVENT_PATH"]).write_text('{"push": {}}')
    with pytest.raises(NeedsPerson, match="names no pull request"):
        put("plan\n", environment)


def test_an_api_out_of_reach_is_told(tmp_path: Path) -> None:
    with pull_request() as known:
        environment = known.environment(tmp_path)
    with pytest.raises(RetryLater, match="cannot be reached"):
        put("plan\n", environment)
