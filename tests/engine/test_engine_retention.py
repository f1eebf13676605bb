"""The artifact cache is swept as the policies say: nothing that is needed, nothing lately needed, nothing on a guess."""

from __future__ import annotations

import hashlib
import os
import random
import time
from pathlib import Path

import pytest

from support.engine import eventually
from tidegate.artifacts.store import Store
from tidegate.engine.catalog import Catalog
from tidegate.engine.retention import EVERY, FIRST, Retention
from tidegate.engine.workers import Workers, thread_pools
from tidegate.rollout.state import Desired, RouteState
from tidegate.spec.policy import PolicyFields
from tidegate.spec.release import Release

MODEL = b"api: tidegate/v1\nkind: Model\nname: digits\nsummary: Reads digits.\nowners: [team-a]\nprotocol: http\n"
VERSION = """api: tidegate/v1
kind: ModelVersion
model: digits
version: "{version}"
reason: For the test.
artifact: {{uri: "file:{version}.bin", sha256: "{sha}"}}
runtime: {{command: [serve]}}
"""
DAY = 86400.0


class Place:
    """A cache of three artifacts, fetched long ago; the first two belong to promoted releases."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "cache", {}, folder)
        self.shas: dict[str, str] = {}
        for version in ("1.0.0", "2.0.0", "3.0.0"):
            content = version.encode()
            (folder / f"{version}.bin").write_bytes(content)
            self.shas[version] = hashlib.sha256(content).hexdigest()
            self.store.fetch(f"file:{version}.bin", self.shas[version])
            self.age(version, 30)
        self.lost: set[str] = set()
        self.retention = Retention(Catalog(self._blob), self.store)
        now = time.monotonic
        self.workers = Workers(*thread_pools(2), now, random.Random(1), lambda: None)

    def age(self, version: str, days: float) -> None:
        then = time.time() - days * DAY
        os.utime(self.store._folder(self.shas[version]), (then, then))

    def _blob(self, commit: str, path: str) -> bytes | None:
        if path.endswith("model.yaml"):
            return MODEL
        version = Path(path).stem
        return None if version in self.lost else VERSION.format(version=version, sha=self.shas[version]).encode()

    def sweep(self, **fields: object) -> list[str]:
        """One sweep; the versions that are still cached."""
        policy = PolicyFields.model_validate({"steps": [{"name": "full", "weight": "100%"}], **fields}, by_alias=True)
        stable = Release("digits", "2.0.0", None, "2" * 64, "2" * 64, "c")
        old = Release("digits", "1.0.0", None, "1" * 64, "1" * 64, "c")
        state = RouteState("digits", stable=stable, promoted=(stable, old))
        self.retention.submit({"digits": state}, {"digits": Desired(stable, policy, "c")}, self.workers)
        if policy.retire is not None:
            assert eventually(lambda: any(self.retention.took(done) for done in self.workers.take()))
        return [v for v, sha in self.shas.items() if self.store.cached(f"file:{v}.bin", sha)]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


WINDOW = {"rollback": {"window": 0}}


def test_without_retire_nothing_goes(place: Place) -> None:
    assert place.sweep() == ["1.0.0", "2.0.0", "3.0.0"]


def test_what_nobody_has_needed_for_long_goes_and_what_serves_stays(place: Place) -> None:
    assert place.sweep(retire={"after": "14d", "keep": 0}, **WINDOW) == ["2.0.0"]


def test_what_may_come_back_stays(place: Place) -> None:
    assert place.sweep(retire={"after": "14d", "keep": 0}) == ["1.0.0", "2.0.0"]


def test_what_was_needed_lately_stays_for_another_controller_may_need_it(place: Place) -> None:
    place.age("3.0.0", 13)
    assert place.sweep(retire={"after": "14d", "keep": 0}, **WINDOW) == ["2.0.0", "3.0.0"]


def test_what_is_needed_is_marked_and_its_time_begins_when_it_no_longer_is(place: Place) -> None:
    place.sweep(retire={"after": "14d", "keep": 3})
    assert place.sweep(retire={"after": "14d", "keep": 0}, **WINDOW) == ["1.0.0", "2.0.0"]


def test_nothing_goes_while_a_declaration_cannot_be_read(place: Place) -> None:
    place.lost.add("1.0.0")
    assert place.sweep(retire={"after": "14d", "keep": 3}) == ["1.0.0", "2.0.0", "3.0.0"]


def test_a_sweep_is_due_a_while_after_the_start_and_then_once_an_hour(place: Place) -> None:
    times = (10.0, 11.0, 10.0 + FIRST, 11.0 + FIRST, 10.0 + FIRST + EVERY)
    assert [place.retention.due(at) for at in times] == [False, False, True, False, True]
