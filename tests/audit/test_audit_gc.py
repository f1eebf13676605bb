"""`tidegate gc`'s plan: what the controller's own retention would take, seen before it goes; nothing needed, nothing foreign."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from audit_record import BEGIN, line
from audit_record import Place as Record

from tidegate.artifacts.store import Store
from tidegate.engine.catalog import Catalog
from tidegate.engine.cleaning import Plan, Waste, cleaning
from tidegate.journal.journal import Journal
from tidegate.rollout.state import Desired, RouteState, Standby
from tidegate.runtime.interface import Instance
from tidegate.spec.controller import RecordSettings
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.policy import PolicyFields
from tidegate.spec.release import Release

DAY = 86400.0
VERSIONS = ("1.0.0", "2.0.0", "3.0.0", "4.0.0")
MODEL = b"api: tidegate/v1\nkind: Model\nname: digits\nsummary: Reads digits.\nowners: [team-a]\nprotocol: http\n"
VERSION = """api: tidegate/v1
kind: ModelVersion
model: digits
version: "{version}"
reason: For the test.
artifact: {{uri: "file:{version}.bin", sha256: "{sha}"}}
runtime: {{image: "registry.example.com/serve@sha256:{image}"}}
"""


def image(version: str) -> str:
    return f"registry.example.com/serve@sha256:{version[0] * 64}"


def release(version: str) -> Release:
    return Release("digits", version, None, version[0] * 64, version[0] * 64, "c")


@dataclass
class Servers:
    """A runtime: its instances and images, and what was taken from it."""

    instances: list[Instance] = field(default_factory=list)
    images: dict[str, int] = field(default_factory=dict)
    busy: set[str] = field(default_factory=set)

    def observe(self) -> list[Instance]:
        return self.instances

    def stop(self, name: str, grace: float) -> None:
        self.instances = [one for one in self.instances if one.name != name]

    def idle_images(self, names: Collection[str]) -> dict[str, int]:
        return {name: size for name, size in self.images.items() if name in names}

    def drop_image(self, name: str) -> None:
        if name in self.busy:
            raise NeedsPerson("the image stays: a container uses it", where=name)
        del self.images[name]


class Place:
    """Four versions were cached and promoted, the newest is stable; and there is a record."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "cache", {}, folder)
        self.shas = {}
        for version in VERSIONS:
            (folder / f"{version}.bin").write_bytes(version.encode())
            self.shas[version] = hashlib.sha256(version.encode()).hexdigest()
            self.store.fetch(f"file:{version}.bin", self.shas[version])
            then = time.time() - 30 * DAY
            os.utime(self.store._folder(self.shas[version]), (then, then))
        self.servers = Servers(images={image(version): 100 for version in VERSIONS} | {"somebody.example.com/else": 7})
        self.record = Record(folder)
        promoted = tuple(release(version) for version in reversed(VERSIONS))
        self.state = RouteState("digits", stable=promoted[0], promoted=promoted)
        self.lost: set[str] = set()

    def _blob(self, commit: str, path: str) -> bytes | None:
        if path.endswith("model.yaml"):
            return MODEL
        version = Path(path).stem
        text = VERSION.format(version=version, sha=self.shas[version], image=version[0] * 64)
        return None if version in self.lost else text.encode()

    def plan(self, *, journal: Journal | None = None, record: RecordSettings | None = None, **fields: object) -> Plan:
        policy = PolicyFields.model_validate({"steps": [{"name": "full", "weight": "100%"}], **fields}, by_alias=True)
        runtime: Any = self.servers
        return cleaning(
            {"digits": self.state}, {"digits": Desired(release("4.0.0"), policy, "c")}, Catalog(self._blob), self.store,
            runtime, self.record.archive, record or RecordSettings(), BEGIN + 10 * DAY, journal=journal,
        )  # fmt: skip

    def cached(self) -> list[str]:
        return [version for version, sha in self.shas.items() if self.store.cached(f"file:{version}.bin", sha)]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    yield Place(tmp_path)


RETIRE: dict[str, Any] = {"retire": {"after": "14d", "keep": 1}, "rollback": {"window": 1}}


def names(plan: Plan, kind: str) -> list[str]:
    return [one.name for one in plan.waste if one.kind == kind]


def remove(waste: Collection[Waste]) -> None:
    for one in waste:
        one.remove()


def test_artifacts_and_images_outside_every_window_go_and_nothing_before_it_is_said_to(place: Place) -> None:
    plan = place.plan(**RETIRE)
    assert sorted(names(plan, "artifact")) == sorted(f"sha256 {place.shas[version]}" for version in ("1.0.0", "2.0.0"))
    assert names(plan, "image") == [image("1.0.0"), image("2.0.0")]
    assert place.cached() == list(VERSIONS), "looking removes nothing"
    remove(plan.waste)
    assert place.cached() == ["3.0.0", "4.0.0"]
    assert set(place.servers.images) == {image("3.0.0"), image("4.0.0"), "somebody.example.com/else"}
    assert place.plan(**RETIRE).waste == ()


def test_one_thing_can_go_without_the_others(place: Place) -> None:
    first = next(one for one in place.plan(**RETIRE).waste if one.name.endswith(place.shas["1.0.0"]))
    first.remove()
    assert place.cached() == ["2.0.0", "3.0.0", "4.0.0"]


def test_a_standby_keeps_its_artifact_and_its_image(place: Place) -> None:
    place.state = replace(place.state, standby=(Standby(release("1.0.0"), BEGIN + 99 * DAY),))
    plan = place.plan(**RETIRE)
    assert names(plan, "artifact") == [f"sha256 {place.shas['2.0.0']}"]
    assert names(plan, "image") == [image("2.0.0")]


def test_without_retire_nothing_goes_and_that_is_said(place: Place) -> None:
    plan = place.plan()
    assert plan.waste == ()
    assert "no policy says `retire`" in plan.left[0]


def test_while_a_declaration_that_is_needed_cannot_be_read_nothing_goes_on_a_guess(place: Place) -> None:
    place.lost.add("4.0.0")
    with pytest.raises(NeedsPerson, match="is not there at commit"):
        place.plan(**RETIRE)


def test_a_former_release_that_cannot_be_read_keeps_its_image(place: Place) -> None:
    place.lost.add("1.0.0")
    plan = place.plan(**RETIRE)
    assert names(plan, "image") == [image("2.0.0")]
    assert any("the image of digits 1.0.0" in text for text in plan.left)


def instance(name: str, digit: str, *, running: bool) -> Instance:
    return Instance(name, "digits", "1.0.0", digit * 64, 0, None, running, 0.0, "ref")


def test_servers_that_ended_and_verdicts_on_routes_that_are_no_more_go_unless_a_controller_sees_to_them(
    place: Place, tmp_path: Path
) -> None:
    place.servers.instances = [
        instance("ended", "1", running=False), instance("runs", "1", running=True), instance("hot", "4", running=False),
    ]  # fmt: skip
    assert names(place.plan(), "server") == []
    with Journal(tmp_path / "journal.db") as journal:
        with journal.transaction() as transaction:
            transaction.add_verdict("digits", {"at": 1.0})
            transaction.add_verdict("digits/old", {"at": 1.0})
        plan = place.plan(journal=journal)
        assert names(plan, "server") == ["ended"]
        assert names(plan, "journal") == ["1 verdicts on digits/old"]
        remove(plan.waste)
        assert journal.verdict_counts() == {"digits": 1}
    assert [one.name for one in place.servers.instances] == ["runs", "hot"]


def test_the_record_past_its_time_goes_with_its_days_named(place: Place) -> None:
    place.record.archived(line(0), line(0, at=BEGIN + 9 * DAY))
    assert any("it is kept for ever" in text for text in place.plan().left)
    plan = place.plan(record=RecordSettings.model_validate({"keep": "5d"}))
    [waste] = plan.waste
    assert (waste.kind, waste.name, waste.why) == ("record", "1 segments of 2026-11-20", "older than record.keep, 5d")
    remove(plan.waste)
    assert len(place.record.archive.chain().segments) == 1
