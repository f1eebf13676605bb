"""The feedback store: on disk before it is accepted, joined once, in order, and never more than it may keep."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.sources.feedback import WAIT, Feedback, Label
from tidegate.sources.reports import Report
from tidegate.spec.errors import NeedsPerson

START = 1_800_000_000.0
ASKED = {"digits": {"hallucination": (0.0, 1.0), "stars": (1.0, 5.0)}}
FIRST, SECOND, THIRD = (str(uuid.UUID(int=n)) for n in (1, 2, 3))


class Clock:
    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> float:
        return self.time


class Desk:
    """A store, and another one on its file: a controller that was killed and started again."""

    def __init__(self, folder: Path, **limits: float) -> None:
        self.folder, self.clock, self.limits = folder, Clock(), limits
        self.store = self.open()

    def open(self) -> Feedback:
        limits = {"retention": 86400.0, "most": 1000} | self.limits
        return Feedback(
            self.folder / "feedback.db", retention=limits["retention"], most=int(limits["most"]), now=self.clock
        )

    def again(self) -> None:
        self.store.close()
        self.store = self.open()

    def answered(self, *requests: str, release: str = "aaaa", segment: str | None = None) -> None:
        self.store.index([(one, self.clock.time, "digits", release, segment) for one in requests], {"offset": 1})

    def labels(self, seq: int = 0) -> list[Label]:
        return self.store.since("digits", seq, 0.0)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.store.close()


def test_a_report_is_joined_with_who_answered_and_survives_a_restart(desk: Desk) -> None:
    desk.answered(FIRST, segment="eu")
    desk.clock.time += 7200
    assert desk.store.accept([Report(FIRST, "hallucination", 1.0)], ASKED).counts == {"accepted": 1}
    desk.again()
    [label] = desk.labels()
    assert (label.release, label.segment, label.metric, label.value) == ("aaaa", "eu", "hallucination", 1.0)
    assert (label.answered, label.at) == (START, START + 7200)
    assert desk.labels(label.seq) == []


def test_the_first_report_of_a_metric_on_a_request_stands(desk: Desk) -> None:
    desk.answered(FIRST)
    desk.store.accept([Report(FIRST, "hallucination", 1.0)], ASKED)
    desk.again()
    again = [
        Report(FIRST, "hallucination", 0.0),
        Report(FIRST.upper(), "hallucination", 0.0),
        Report(FIRST, "stars", 4.0),
    ]
    assert desk.store.accept(again, ASKED).counts == {"duplicate": 2, "accepted": 1}
    assert [(one.metric, one.value) for one in desk.labels()] == [("hallucination", 1.0), ("stars", 4.0)]


def test_a_report_that_comes_before_its_record_waits_for_it(desk: Desk) -> None:
    found = desk.store.accept([Report(FIRST, "hallucination", 0.0)], ASKED)
    assert (found.counts, found.unknown) == ({"waiting": 1}, [FIRST])
    assert not desk.store.join(ASKED)
    desk.again()
    desk.clock.time += 1
    desk.answered(FIRST)
    assert desk.store.join(ASKED)
    assert [one.value for one in desk.labels()] == [0.0]
    assert not desk.store.join(ASKED)
    assert desk.store.counts() == {"": {"waiting": 0}, "digits": {"accepted": 1}}


def test_what_no_record_comes_for_is_unknown_and_may_be_sent_again(desk: Desk) -> None:
    desk.store.accept([Report(FIRST, "hallucination", 0.0)], ASKED)
    desk.clock.time += WAIT + 1
    desk.store.join(ASKED)
    assert desk.store.counts()[""] == {"waiting": 0, "unknown": 1}
    desk.answered(FIRST)
    assert desk.store.accept([Report(FIRST, "hallucination", 1.0)], ASKED).counts == {"accepted": 1}


def test_a_metric_that_nobody_asks_for_is_told_and_not_kept(desk: Desk) -> None:
    desk.answered(FIRST)
    assert desk.store.accept([Report(FIRST, "helpful", 1.0)], ASKED).counts == {"unasked": 1}
    assert desk.store.accept([Report(FIRST, "helpful", 1.0)], {"digits": {"helpful": (0, 1)}}).counts == {"accepted": 1}


def test_values_out_of_bounds_are_taken_in_and_counted(desk: Desk) -> None:
    desk.answered(FIRST, SECOND)
    found = desk.store.accept([Report(FIRST, "stars", 6.0), Report(SECOND, "stars", 5.0)], ASKED)
    assert found.counts == {"accepted": 2, "out_of_bounds": 1}
    assert [one.value for one in desk.labels()] == [6.0, 5.0]


def test_an_id_that_two_releases_answered_to_is_unclear(desk: Desk) -> None:
    desk.answered(FIRST, release="aaaa")
    desk.answered(FIRST, release="bbbb")
    assert desk.store.accept([Report(FIRST, "hallucination", 1.0)], ASKED).counts == {"unclear": 1}
    assert desk.labels() == []


def test_the_index_and_how_far_it_goes_are_one(desk: Desk) -> None:
    assert desk.store.cursor() is None
    desk.store.index([(FIRST, START, "digits", "aaaa", None)], {"inode": 3, "offset": 77})
    desk.store.index([(FIRST, START, "digits", "aaaa", None)], {"inode": 3, "offset": 99})
    desk.again()
    assert desk.store.cursor() == {"inode": 3, "offset": 99}
    assert desk.store.accept([Report(FIRST, "hallucination", 1.0)], ASKED).counts == {"accepted": 1}


def test_what_is_older_than_the_retention_is_forgotten(desk: Desk) -> None:
    desk.answered(FIRST)
    desk.store.accept([Report(FIRST, "hallucination", 1.0)], ASKED)
    desk.clock.time += 80000
    desk.answered(SECOND)
    desk.clock.time += 10000
    desk.store.join(ASKED)
    assert desk.store.accept([Report(FIRST, "stars", 1.0), Report(SECOND, "stars", 2.0)], ASKED).counts == {
        "waiting": 1, "accepted": 1,
    }  # fmt: skip
    assert [one.metric for one in desk.labels()] == ["stars"]


def test_of_more_requests_than_may_be_kept_the_newest_stay(tmp_path: Path) -> None:
    desk = Desk(tmp_path, most=50)
    requests = [str(uuid.UUID(int=n)) for n in range(1, 81)]
    desk.answered(*requests)
    desk.store.join(ASKED)
    found = desk.store.accept([Report(one, "hallucination", 1.0) for one in requests], ASKED)
    assert found.counts == {"waiting": 30, "accepted": 50}
    assert found.unknown == requests[:10]
    desk.store.close()


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "feedback.db").write_text("not a database, but long enough to look like one" * 20)
    with pytest.raises(NeedsPerson, match="the feedback store is damaged") as error:
        Desk(tmp_path)
    assert "labels of requests that were answered before" in (error.value.fix or "")


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["answer", "report", "join", "again", "read"]), st.integers(1, 6)), max_size=40)
)
def test_whatever_the_order_each_label_is_read_once_and_with_its_first_value(
    tmp_path_factory: object, steps: list[tuple[str, int]]
) -> None:
    desk = Desk(tmp_path_factory.mktemp("desk"))  # type: ignore[attr-defined]  # pytest's own factory
    answered: set[int] = set()
    first: dict[int, float] = {}
    read: list[Label] = []
    value = 0.0
    for what, n in steps:
        name = str(uuid.UUID(int=n))
        if what == "answer":
            desk.answered(name, release=f"r{n}")
            answered.add(n)
        elif what == "report":
            value += 0.01
            desk.store.accept([Report(name, "hallucination", value)], ASKED)
            first.setdefault(n, value)
        elif what == "join":
            desk.store.join(ASKED)
        elif what == "again":
            desk.again()
        else:
            read += desk.labels(read[-1].seq if read else 0)
    desk.store.join(ASKED)
    read += desk.labels(read[-1].seq if read else 0)
    assert {one.release: one.value for one in read} == {f"r{n}": v for n, v in first.items() if n in answered}
    assert len(read) == len({one.release for one in read})
    desk.store.close()
