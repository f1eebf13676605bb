"""The desk on a virtual clock: once per change and one reminder, no storm, nothing lost and nothing twice over restarts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.alerts import desk as desks
from tidegate.alerts.desk import Desk, Level, Parcel
from tidegate.alerts.letter import Kind, Note, advice

HOUR = 3600.0
TO = ("env:TEAM_CHAT",)
SENTENCE = (
    "error rate 19.1 % against 1.2 %, 412 candidate requests, odds of this by chance below 1 in 1,000,000; limit 1.0x"
)


def note(kind: Kind = Kind.HELD, route: str = "digits", at: float = 0.0, sentence: str = SENTENCE) -> Note:
    return Note(
        kind, route, "1a2b3c4", "2.0.0", "c" * 40, ("team-a",), sentence, advice(kind, route, "2.0.0", "no_data"), at
    )


def level(kind: Kind = Kind.HELD, route: str = "digits", key: str = "no_data") -> Level:
    return Level(key, note(kind, route), TO)


class Post:
    """A desk whose messages arrive at once, and what arrived when. `reborn`: it goes through JSON before each look."""

    def __init__(self, *, reborn: bool = False) -> None:
        self.desk = Desk("production")
        self.reborn = reborn
        self.sent: list[tuple[float, Parcel]] = []

    def at(
        self, now: float, levels: Mapping[str, Level] | None = None, news: tuple[tuple[str, Note], ...] = ()
    ) -> None:
        if self.reborn:
            self.desk = Desk.from_doc(json.loads(json.dumps(self.desk.to_doc())), "production")
        for topic, one in news:
            self.desk.happened(topic, one, TO, now)
        self.desk.look(levels or {}, now)
        for parcel in self.desk.due(now):
            self.sent.append((now, parcel))
            self.desk.delivered(parcel, now)

    def run(
        self, until: float, levels: Callable[[float], Mapping[str, Level]], step: float = 1.0, start: float = 0.0
    ) -> None:
        now = start
        while now <= until:
            self.at(now, levels(now))
            now += step

    @property
    def titles(self) -> list[str]:
        return [parcel.letter.title for _, parcel in self.sent]


def test_a_state_that_lasts_is_told_once_reminded_of_once_and_its_end_is_told() -> None:
    post = Post()
    post.run(20 * HOUR, lambda now: {"digits:hold": level()} if 100 <= now < 19 * HOUR else {}, step=10.0)
    assert [(at, parcel.letter.title.split("] ")[1]) for at, parcel in post.sent] == [
        (160.0, "digits 2.0.0 is held"),
        (160.0 + desks.REMIND, "digits 2.0.0 is held"),
        (19 * HOUR + 60.0, "digits 2.0.0 goes on"),
    ]
    first, reminder, end = (parcel.letter for _, parcel in post.sent)
    assert first.body.startswith(SENTENCE)
    assert reminder.body.startswith(f"still: {SENTENCE}")
    assert end.body.startswith(f"over: {SENTENCE}")
    assert (first.urgency, end.urgency) == ("warning", "success")


def test_what_passes_by_itself_wakes_nobody() -> None:
    post = Post()
    post.run(HOUR, lambda now: {"digits:hold": level()} if now < desks.SETTLE[Kind.HELD] - 1 else {})
    assert post.sent == []


def test_another_cause_is_another_change() -> None:
    post = Post()
    post.run(2 * HOUR, lambda now: {"digits:hold": level(key="no_data" if now < HOUR else "both_arms")})
    assert [at for at, _ in post.sent] == [60.0, HOUR + 60.0]


def test_a_state_that_flaps_for_hours_is_folded() -> None:
    post = Post()
    post.run(5 * HOUR, lambda now: {"digits:health": level(Kind.DEGRADED)} if now % 20 < 10 else {})
    assert len(post.sent) <= desks.TOPIC_AT_ONCE + 5 * HOUR / desks.TOPIC_EVERY + 1
    assert len(post.sent) >= 5
    assert "more changes were folded into this message" in post.sent[-1][1].letter.body
    before = len(post.sent)
    for now in range(int(5 * HOUR) + 1, int(8 * HOUR), 10):
        post.at(float(now))
    assert len(post.sent) <= before + 1
    assert post.desk.topics == {}, "an hour of quiet makes it as new"


def test_a_state_too_short_to_settle_is_told_when_it_never_rests() -> None:
    post = Post()
    post.run(HOUR, lambda now: {"digits:health": level(Kind.DEGRADED)} if now % 4 < 2 else {})
    assert post.titles
    assert "digits 2.0.0 is degraded" in post.titles[0]


def test_a_thousand_routes_at_once_are_one_message() -> None:
    post = Post()
    down = {f"m{i}:health": level(Kind.DEGRADED, f"m{i}") for i in range(1000)}
    post.run(HOUR, lambda now: down if now < HOUR / 2 else {}, step=10.0)
    assert len(post.sent) == 2
    down_letter, up_letter = (parcel.letter for _, parcel in post.sent)
    assert "200 messages about 200 routes" in down_letter.title
    assert "and 180 more: tidegate status" in down_letter.body
    assert "800 more changes were folded" in down_letter.body
    assert up_letter.urgency == "success"


def test_a_release_each_minute_is_told_in_a_few_messages_and_the_last_one_always() -> None:
    post = Post()
    for minute in range(120):
        said = f"release {minute}"
        post.at(minute * 60.0, news=(("digits:releases", note(Kind.ROLLED_BACK, at=minute * 60.0, sentence=said)),))
    for minute in range(120, 200):
        post.at(minute * 60.0)
    assert len(post.sent) <= desks.TOPIC_AT_ONCE + 120 * 60 / desks.TOPIC_EVERY + 1
    assert post.sent[0][0] == 0.0
    assert post.sent[-1][1].letter.body.startswith("release 119;")
    told = sum(len(parcel.notes) + parcel.folded for _, parcel in post.sent)
    assert told == 120, "each of them is told or counted"


def test_a_breach_is_told_at_once_though_another_route_made_noise() -> None:
    post = Post()
    for now in range(0, 60, 5):
        post.at(float(now), news=((f"noisy{now}:releases", note(Kind.PROMOTED, f"noisy{now}", now)),))
    post.at(60.0, news=(("digits:releases", note(Kind.ROLLED_BACK, at=60.0)),))
    for now in range(61, 300):
        post.at(float(now))
    arrived = next(at for at, parcel in post.sent if any(one.note.kind is Kind.ROLLED_BACK for one in parcel.notes))
    assert arrived <= 60.0 + desks.COLLECT
    assert len(post.sent) <= 8


def test_a_hold_that_ends_with_its_release_is_not_told_as_recovered() -> None:
    post = Post()
    post.run(300, lambda now: {"digits:hold": level()})
    post.desk.ended("digits", "1a2b3c4")
    for now in range(301, 900):
        post.at(float(now), news=(("digits:releases", note(Kind.ROLLED_BACK, at=301.0)),) if now == 301 else ())
    assert [title.split("] ")[1] for title in post.titles] == ["digits 2.0.0 is held", "digits 2.0.0 was rolled back"]


def test_what_does_not_arrive_waits_and_the_newest_of_a_topic_takes_its_place() -> None:
    desk = Desk("production")
    for now in (0.0, 30.0, 60.0):
        desk.happened("digits:releases", note(Kind.ROLLED_BACK, at=now, sentence=f"at {now:g}"), TO, now)
    desk.look({}, 61.0)
    [parcel] = desk.due(61.0)
    assert [one.note.sentence for one in parcel.notes] == ["at 60"]
    assert parcel.folded == 2
    desk.happened("digits:releases", note(Kind.PROMOTED, at=62.0, sentence="later"), TO, 62.0 + desks.TOPIC_EVERY)
    desk.delivered(parcel, 63.0 + desks.TOPIC_EVERY)
    [rest] = desk.due(120.0 + desks.TOPIC_EVERY)
    assert ([one.note.sentence for one in rest.notes], rest.folded) == (["later"], 0)
    assert desk.due(61.0 + desks.TOO_OLD + desks.TOPIC_EVERY + 2) == []


def test_nobody_to_tell_is_no_debt() -> None:
    post = Post()
    silent = Level("no_data", note(), ())
    post.run(HOUR, lambda now: {"digits:hold": silent})
    post.run(2 * HOUR, lambda now: {"digits:hold": level()}, start=HOUR)
    assert post.sent == [], "who is named later is not told of what others knew"


def test_a_clock_that_is_set_back_by_a_day_keeps_nobody_waiting_for_a_day() -> None:
    post, day = Post(), 86_400.0
    for _ in range(20):
        post.at(2 * day, news=tuple((f"m{i}:releases", note(Kind.PROMOTED, f"m{i}", 2 * day)) for i in range(3)))
    post.at(2 * day, {"digits:health": level(Kind.DEGRADED)})
    before = len(post.sent)
    post.run(day + 2 * desks.TARGET_EVERY, lambda now: {"digits:health": level(Kind.DEGRADED)}, start=day)
    told = [
        at
        for at, parcel in post.sent[before:]
        if "digits 2.0.0 is degraded" in parcel.letter.title + parcel.letter.body
    ]
    assert told
    assert told[0] <= day + desks.TARGET_EVERY


Moves = list[tuple[float, int, int]]
moves = st.lists(st.tuples(st.floats(1, 900), st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=60)


def play(post: Post, given: Moves) -> float:
    """Each move: seconds later, on one of three routes, a new state (0: well) or a promotion (3)."""
    now, states = 0.0, dict.fromkeys(range(3), 0)
    for pause, route, state in given:
        now += pause
        news = ((f"m{route}:releases", note(Kind.PROMOTED, f"m{route}", now)),) if state == 3 else ()
        states[route] = states[route] if state == 3 else state
        seen = {f"m{r}:hold": level(route=f"m{r}", key=str(s)) for r, s in states.items() if s}
        post.at(now, seen, news)
        for _ in range(3):
            now += 1.0
            post.at(now, seen)
    end = now + 3 * HOUR
    while now < end:
        now += 30.0
        post.at(now, {f"m{r}:hold": level(route=f"m{r}", key=str(s)) for r, s in states.items() if s})
    for route, state in states.items():
        told = post.desk.topics.get(f"m{route}:hold")
        assert (told.told if told is not None else "") == (str(state) if state else "")
    return now


@settings(max_examples=40, deadline=None)
@given(moves)
def test_a_restart_at_any_instant_changes_no_message(given: Moves) -> None:
    one, other = Post(), Post(reborn=True)
    play(one, given)
    play(other, given)
    assert [(at, parcel.letter) for at, parcel in one.sent] == [(at, parcel.letter) for at, parcel in other.sent]


@settings(max_examples=40, deadline=None)
@given(moves)
def test_whatever_happens_a_target_gets_few_messages_and_in_the_end_the_truth(given: Moves) -> None:
    post = Post()
    ended = play(post, given)
    assert len(post.sent) <= desks.TARGET_AT_ONCE + ended / desks.TARGET_EVERY + 1
    times = [at for at, _ in post.sent]
    few = desks.TARGET_AT_WILL + 1
    assert all(later - earlier >= desks.COLLECT for earlier, later in zip(times, times[few:], strict=False))


def test_news_that_nobody_is_told_of_are_not_kept() -> None:
    desk = Desk("production")
    desk.happened("digits:releases", note(Kind.PROMOTED), (), 0.0)
    assert desk.to_doc() == Desk("production").to_doc() and not desk.changed


def test_topics_that_were_quiet_for_long_are_forgotten_and_those_of_late_are_not() -> None:
    post = Post(reborn=True)
    for at, name in ((0.0, "a"), (1.0, "b"), (2.0, "c"), (1000.0, "b")):
        post.at(at, news=((f"{name}:releases", note(Kind.PROMOTED, name, at)),))
    post.at(desks.FORGOTTEN + 2.0, news=(("d:releases", note(Kind.PROMOTED, "d", desks.FORGOTTEN + 2.0)),))
    assert list(post.desk.news) == ["b:releases", "d:releases"]
