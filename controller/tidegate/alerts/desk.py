"""The desk between what happens and who is told: once per change and one reminder, changes folded, nothing lost or repeated.

Pure; the clock is passed in, and all of it goes through JSON, so that a restart repeats nothing. A topic (a route's hold, its
health, its releases) has a few messages at once and then one in a while; so has each target. What may not go out yet waits, the
newest in place of those before it. Neighbours: letter.py has the words, engine/alerting.py the states, send.py the delivery.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from tidegate.alerts.letter import Kind, Letter, Note, letter

SETTLE: Final[Mapping[Kind, float]] = {Kind.HELD: 60.0, Kind.DEGRADED: 5.0, Kind.BREACHED: 0.0, Kind.WRONG_MODEL: 0.0}
"""Seconds that a state must last before it is told: what passes by itself wakes nobody."""
RESTLESS: Final = 6
"""Changes after which a state is told although none of them lasted."""
REMIND: Final = 4 * 3600.0
"""Seconds after which a state that lasts is told once more, and never again."""
TOPIC_AT_ONCE: Final = 3
TOPIC_EVERY: Final = 20 * 60.0
"""A topic may tell so many things at once; then one more in so many seconds."""
FORGOTTEN: Final = TOPIC_AT_ONCE * TOPIC_EVERY
"""Seconds of quiet after which a topic is as new."""
TARGET_AT_ONCE: Final = 10
TARGET_EVERY: Final = 180.0
TARGET_AT_WILL: Final = 3
"""A target gets so many messages one after the other; then they are collected for COLLECT seconds, then for TARGET_EVERY."""
COLLECT: Final = 15.0
MOST_WAITING: Final = 200
TOO_OLD: Final = 86400.0
"""Seconds after which what could not be delivered is news no more."""


@dataclass(frozen=True, slots=True)
class Level:
    """A state that lasts and is worth telling: `key` tells it from others of its topic."""

    key: str
    note: Note
    targets: tuple[str, ...]


@dataclass(slots=True)
class Bucket:
    """So many at once, then one in `every` seconds. `at`: when it was looked at last (epoch seconds)."""

    tokens: float
    at: float

    def take(self, now: float, most: int, every: float) -> bool:
        """Take one, when there is one."""
        self.tokens = min(float(most), self.tokens + max(0.0, now - self.at) / every)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@dataclass(slots=True)
class Topic:
    """What was told of one lasting state, and what is seen of it now. '' is that all is well. Times in epoch seconds."""

    bucket: Bucket
    told: str = ""
    told_at: float = 0.0
    seen: str = ""
    since: float = 0.0
    changes: int = 0
    reminded: bool = False
    last: Level | None = None


class Waiting(NamedTuple):
    """A note of a topic that waits since `put` (epoch seconds)."""

    topic: str
    note: Note
    put: float


@dataclass(slots=True)
class Box:
    """What waits for one target: notes with their topics, and since when. `folded`: changes that they stand for."""

    bucket: Bucket
    notes: list[Waiting] = field(default_factory=list)
    folded: int = 0
    not_before: float = 0.0
    sent: int = 0
    sent_at: float = 0.0


@dataclass(slots=True)
class Parcel:
    """A message on its way: `notes` and `folded` are taken off the box when it has arrived."""

    target: str
    notes: list[Waiting]
    folded: int
    letter: Letter


class Desk:
    """All topics and targets. `changed` says that something has to be made durable."""

    def __init__(self, environment: str) -> None:
        self._environment = environment
        self.topics: dict[str, Topic] = {}
        self.boxes: dict[str, Box] = {}
        self.news: dict[str, Bucket] = {}
        self.held_back: dict[str, tuple[Note, tuple[str, ...], int]] = {}
        self.changed = False

    def happened(self, topic: str, note: Note, targets: tuple[str, ...], now: float) -> None:
        """Something that happens once, such as a promotion. Too many of a topic are folded into the newest.

        Without `targets` it is told to nobody, and nothing is kept of it.
        """
        if not targets:
            return
        _, _, folded = self.held_back.pop(topic, (None, (), 0))
        self._forget(now)
        bucket = self.news.pop(topic) if topic in self.news else Bucket(TOPIC_AT_ONCE, now)
        self.news[topic] = bucket  # the newest stands last
        self.changed = True
        if bucket.take(now, TOPIC_AT_ONCE, TOPIC_EVERY):
            self._put(topic, note, targets, folded, now)
        else:
            self.held_back[topic] = (note, targets, folded + 1)

    def _forget(self, now: float) -> None:
        """Drop the topics in front that were quiet for long: not all are looked at for each event."""
        while self.news:
            oldest = next(iter(self.news))
            if now - self.news[oldest].at < FORGOTTEN or oldest in self.held_back:
                return
            del self.news[oldest]

    def ended(self, route: str, release: str) -> None:
        """The release's trial is over, however: what lasted of it ended with it, and nobody need be told of that."""
        for topic in self.topics.values():
            if topic.last is not None and (topic.last.note.route, topic.last.note.release) == (route, release):
                topic.told, topic.seen, topic.changes, self.changed = "", "", 0, True

    def look(self, levels: Mapping[str, Level], now: float) -> None:
        """Take in how things are: topics that are not in `levels` are well."""
        for topic, (note, targets, folded) in list(self.held_back.items()):
            if self.news[topic].take(now, TOPIC_AT_ONCE, TOPIC_EVERY):
                del self.held_back[topic]
                self._put(topic, note, targets, folded - 1, now)
        for topic in [*levels, *(name for name in self.topics if name not in levels)]:
            self._look(topic, levels.get(topic), now)

    def _look(self, name: str, level: Level | None, now: float) -> None:
        topic = self.topics.get(name)
        if topic is None:
            if level is None:
                return
            topic = self.topics[name] = Topic(Bucket(TOPIC_AT_ONCE, now), since=now)
        key = level.key if level is not None else ""
        topic.since, topic.told_at = min(topic.since, now), min(topic.told_at, now)  # the clock may have been set back
        if key != topic.seen:
            topic.seen, topic.since = key, now
            topic.changes += 1
            self.changed = True
        if level is not None:
            topic.last = level
        if key == topic.told:
            self._remind(name, topic, level, now)
        elif self._settled(topic, level, now) and topic.bucket.take(now, TOPIC_AT_ONCE, TOPIC_EVERY):
            self._tell(name, topic, level, now)

    def _settled(self, topic: Topic, level: Level | None, now: float) -> bool:
        kind = level.note.kind if level is not None else topic.last.note.kind if topic.last is not None else Kind.HELD
        return now - topic.since >= SETTLE.get(kind, 0.0) or topic.changes >= RESTLESS

    def _tell(self, name: str, topic: Topic, level: Level | None, now: float) -> None:
        folded = max(topic.changes - 1, 0)
        topic.told, topic.told_at, topic.changes, topic.reminded = topic.seen, now, 0, False
        self.changed = True
        if level is not None:
            self._put(name, level.note, level.targets, folded, now)
        elif topic.last is not None:
            self._put(name, recovered(topic.last.note, now), topic.last.targets, folded, now)

    def _remind(self, name: str, topic: Topic, level: Level | None, now: float) -> None:
        if level is None:
            if now - topic.since >= FORGOTTEN:
                del self.topics[name]
                self.changed = True
        elif not topic.reminded and now - topic.told_at >= REMIND:
            topic.reminded = self.changed = True
            self._put(name, again(level.note), level.targets, 0, now)

    def _put(self, topic: str, note: Note, targets: Iterable[str], folded: int, now: float) -> None:
        for target in targets:
            box = self.boxes.setdefault(target, Box(Bucket(TARGET_AT_ONCE, now)))
            kept = [one for one in box.notes if one.topic != topic or one.note.kind is not note.kind]
            box.folded += folded + len(box.notes) - len(kept)
            box.notes = [*kept, Waiting(topic, note, now)]
            if len(box.notes) > MOST_WAITING:
                box.folded += len(box.notes) - MOST_WAITING
                box.notes = box.notes[-MOST_WAITING:]

    def due(self, now: float, busy: Iterable[str] = ()) -> list[Parcel]:
        """The messages that may go out. `busy`: targets to which one is on its way, or that refused the last one lately."""
        parcels = []
        for target, box in self.boxes.items():
            fresh = [one for one in box.notes if now - one.put < TOO_OLD]
            if len(fresh) != len(box.notes):
                box.notes, self.changed = fresh, True
            box.not_before = min(box.not_before, now + TARGET_EVERY)  # the clock may have been set back
            if not box.notes or target in busy or now < box.not_before:
                continue
            parcels.append(Parcel(target, list(box.notes), box.folded, self._letter(box)))
        return parcels

    def _letter(self, box: Box) -> Letter:
        return letter([one.note for one in box.notes], box.folded, self._environment)

    def delivered(self, parcel: Parcel, now: float) -> None:
        """The message has arrived: it is never sent again."""
        box = self.boxes[parcel.target]
        box.notes = [one for one in box.notes if one not in parcel.notes]
        box.folded = max(box.folded - parcel.folded, 0)
        spent = not box.bucket.take(now, TARGET_AT_ONCE, TARGET_EVERY)
        calm = box.bucket.tokens >= TARGET_AT_ONCE - TARGET_AT_WILL
        box.not_before = now + (TARGET_EVERY if spent else 0.0 if calm else COLLECT)
        box.sent, box.sent_at, self.changed = box.sent + 1, now, True

    def to_doc(self) -> dict[str, Any]:
        """As JSON-safe values."""
        return {
            "version": 1,
            "topics": {name: _topic_doc(topic) for name, topic in self.topics.items()},
            "boxes": {name: _box_doc(box) for name, box in self.boxes.items()},
            "news": {name: [bucket.tokens, bucket.at] for name, bucket in self.news.items()},
            "held_back": {
                name: [note.to_doc(), list(targets), folded]
                for name, (note, targets, folded) in self.held_back.items()
            },
        }  # fmt: skip

    @classmethod
    def from_doc(cls, doc: Mapping[str, Any], environment: str) -> Desk:
        """The desk that `to_doc` wrote."""
        new = cls(environment)
        new.topics = {name: _topic(one) for name, one in doc["topics"].items()}
        new.boxes = {name: _box(one) for name, one in doc["boxes"].items()}
        new.news = {name: Bucket(*one) for name, one in doc["news"].items()}
        new.held_back = {
            name: (Note.from_doc(note), tuple(targets), folded)
            for name, (note, targets, folded) in doc["held_back"].items()
        }
        return new


def recovered(note: Note, now: float) -> Note:
    """The note that the state of another one is over."""
    doc = note.to_doc() | {
        "kind": Kind.RECOVERED,
        "sentence": f"over: {note.sentence}",
        "next": f"nothing; tidegate status {note.route.partition('/')[0]} shows how it is",
        "at": now,
    }
    return Note.from_doc(doc)


def again(note: Note) -> Note:
    """The one reminder of a state that lasts."""
    return Note.from_doc(note.to_doc() | {"sentence": f"still: {note.sentence}"})


def _topic_doc(topic: Topic) -> dict[str, Any]:
    last = topic.last
    return {
        "bucket": [topic.bucket.tokens, topic.bucket.at], "told": topic.told, "told_at": topic.told_at,
        "seen": topic.seen, "since": topic.since, "changes": topic.changes, "reminded": topic.reminded,
        "last": [last.key, last.note.to_doc(), list(last.targets)] if last is not None else None,
    }  # fmt: skip


def _topic(doc: Mapping[str, Any]) -> Topic:
    last = doc["last"]
    level = Level(last[0], Note.from_doc(last[1]), tuple(last[2])) if last is not None else None
    return Topic(**{**doc, "bucket": Bucket(*doc["bucket"]), "last": level})


def _box_doc(box: Box) -> dict[str, Any]:
    return {
        "bucket": [box.bucket.tokens, box.bucket.at], "notes": [[one.topic, one.note.to_doc(), one.put] for one in box.notes],
        "folded": box.folded, "not_before": box.not_before, "sent": box.sent, "sent_at": box.sent_at,
    }  # fmt: skip


def _box(doc: Mapping[str, Any]) -> Box:
    notes = [Waiting(topic, Note.from_doc(note), put) for topic, note, put in doc["notes"]]
    return Box(**{**doc, "bucket": Bucket(*doc["bucket"]), "notes": notes})
