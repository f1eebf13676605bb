"""What the first version left on disk and in git, read by today's: nothing starts, nothing is committed, no server is touched.

The scenes were really played by that version (make.py). Its servers are brought back under its own records, its Envoy is
not: the host was restarted with them. Users ask from then on.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support import declare
from support.engine import free_port
from support.world import World
from tidegate.engine.settings import load_settings
from tidegate.gitrepo.mirror import Mirror
from tidegate.runtime import procfs
from tidegate.runtime.launch import environment, launch
from tidegate.runtime.process import LOG_LIMIT

sys.path.insert(0, str(Path(__file__).parent))
from make import digests

VERSIONS = sorted(path.name for path in Path(__file__).parent.iterdir() if (path / "digests.json").exists())
PASSES = 6
"""Looks at git after which nothing has happened that will not happen."""


class Restored(World):
    """A world as an older version left it."""

    def restore(self, scene: Path) -> None:
        """Journal, remote, gateway and servers."""
        self.folder.mkdir(parents=True)
        subprocess.run(["git", "clone", "-q", "--mirror", str(scene / "remote.bundle"), str(self.remote)], check=True)
        self.git("remote", "remove", "origin", at=self.remote)
        self.state.mkdir()
        shutil.copy(scene / "journal.db", self.state)
        shutil.copytree(scene / "gateway", self.state / "gateway", symlinks=True)
        words = {"@WORLD@": str(self.folder), "@INSTANCE@": self.instance, "@PORT@": str(self.port)}
        records = [
            json.loads(self._filled(path.read_text(), words)) for path in sorted((scene / "processes").iterdir())
        ]
        words |= {str(record["meta"]["port"]): str(free_port()) for record in records}
        for path in (self.state / "gateway").rglob("*.json"):
            path.write_text(self._filled(path.read_text(), words))
        self.settings.write_text(self._filled((scene / "tidegate.yaml").read_text(), words))
        author = load_settings(self.settings).controller.author
        mirror = Mirror(
            self.state / "repository.git", str(self.remote), "main", author=author, environment="production"
        )
        mirror.fetch()
        for record in records:
            self._revive(json.loads(self._filled(json.dumps(record), words))["meta"])

    @staticmethod
    def _filled(text: str, words: dict[str, str]) -> str:
        for word, value in words.items():
            text = re.sub(rf"(?<!\d){word}(?!\d)", value, text)
        return text

    def _revive(self, meta: dict[str, Any]) -> None:
        """The server of a record, with all that the record said of it."""
        folder = self.state / "processes" / self.instance / meta["name"]
        env = {
            **environment(()),
            "VERSION": meta["version"],
            "TIDEGATE_PORT": str(meta["port"]),
            procfs.MARKER: str(folder.absolute()),
        }
        launch(folder, [sys.executable, str(declare.SERVER)], env, meta, procfs.boot_id(), LOG_LIMIT)

    def refs(self) -> str:
        """All that git has."""
        return self.git("for-each-ref", "--format=%(refname) %(objectname)", at=self.remote)

    def looked(self, times: int = PASSES) -> None:
        """Until the controller has written its status so often."""
        seen = {self.live().get("at")}
        self.wait(lambda: seen.add(self.live().get("at")) or len(seen) > times, f"{times} statuses", 60)


@pytest.fixture(params=VERSIONS)
def restored(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], Restored]]:
    """Brings a scene of each older version back."""
    made: list[Restored] = []

    def restore(scene: str) -> Restored:
        world = Restored(tmp_path / "world", "process", None)
        made.append(world)
        world.restore(Path(__file__).parent / request.param / scene)
        return world

    yield restore
    for world in made:
        world.clean()
        print(world.tail(60))


def state_of(world: World) -> dict[str, Any]:
    """The route's document in the journal."""
    from tidegate.journal.reader import Reader

    with Reader(world.state / "journal.db") as journal:
        found = journal.state("digits")
    assert found is not None
    return dict(found)


def releases(doc: dict[str, Any]) -> list[Any]:
    """Every digest in a route's document, by its place."""
    found = [doc["stable"], *doc["promoted"], *(one["release"] for one in doc["standby"])]
    found += [doc["candidate"]["release"]] if doc["candidate"] else []
    return [(one["version"], one["digest"], one["workload"], one["commit"]) for one in found if one]


@pytest.mark.parametrize("version", VERSIONS)
def test_release_digests_are_as_the_older_version_computed_them(version: str) -> None:
    wanted = json.loads((Path(__file__).parent / version / "digests.json").read_text())
    found = digests()
    assert {name: found.get(name) for name in wanted} == wanted
    assert len(wanted) > 20


def test_a_newer_version_starts_nothing_commits_nothing_and_takes_over_every_server(
    restored: Callable[[str], Restored],
) -> None:
    world = restored("at_rest")
    refs, servers, events, before = world.refs(), world.running(), world.events(), state_of(world)
    assert len(servers) == 2
    world.start()
    world.wait(lambda: world.ask().status == 200, "an answer")
    with world.traffic() as users:
        world.looked()
    assert not users.failed()
    assert users.versions().keys() == {"1.1.0"}
    assert world.events() == events
    assert world.refs() == refs
    assert world.running() == servers
    after = state_of(world)
    assert releases(after) == releases(before)
    assert after["rejected"] == before["rejected"]
    assert {one["version"] for one in world.live()["instances"]} == {"1.0.0", "1.1.0"}
    assert not world.problems()


def test_a_newer_version_goes_on_in_the_middle_of_a_step_with_its_clock(restored: Callable[[str], Restored]) -> None:
    world = restored("midway")
    servers, events, before = world.running(), world.events(), state_of(world)["candidate"]
    assert before["step"] == 1
    assert before["clock"] > 3
    world.start()
    world.wait(lambda: world.ask().status == 200, "an answer")
    with world.traffic() as users:
        doc = state_of(world)["candidate"]
        assert (doc["step"], doc["step_started_at"], doc["touched"]) == (
            1,
            before["step_started_at"],
            before["touched"],
        )
        assert doc["clock"] >= before["clock"]
        world.until("promoted", commit=before["touched"], within=60)
    assert not users.failed()
    told = [event for event in world.events()[len(events) :] if event["kind"] not in ("held", "resumed")]
    assert [(event["kind"], event["step"]) for event in told] == [("step", "full"), ("promoted", "full")]
    assert told[1]["at"] - told[0]["at"] >= 1.0
    assert world.running() == servers


def test_what_an_older_version_rejected_is_not_tried_again(restored: Callable[[str], Restored]) -> None:
    world = restored("refused")
    refs, servers, events = world.refs(), world.running(), world.events()
    world.start()
    world.wait(lambda: world.ask().status == 200, "an answer")
    with world.traffic() as users:
        world.looked()
    assert not users.failed()
    assert users.versions().keys() == {"1.0.0"}
    assert {event["kind"] for event in world.events()[len(events) :]} <= {"skipped_rejected"}
    assert world.refs() == refs
    assert world.running() == servers
