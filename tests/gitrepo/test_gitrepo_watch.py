"""A push to a local repository is noticed at once, and reading it is not."""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from gitrepo_world import World, git

from tidegate.gitrepo.watch import Watch, jittered, local_path

SOON = 60.0


class Hints:
    def __init__(self) -> None:
        self.seen = threading.Event()

    def __call__(self) -> None:
        self.seen.set()


@pytest.fixture
def hints() -> Hints:
    return Hints()


@pytest.fixture
def watch(world: World, hints: Hints) -> Iterator[Watch]:
    world.clone.commit("one", {"a": "1"})
    found = Watch(str(world.remote), "main", hints)
    assert found.start()
    yield found
    found.stop()


def test_a_push_is_noticed_without_a_look(world: World, watch: Watch, hints: Hints) -> None:
    for number in range(5):
        world.clone.commit("next", {"a": f"{number}x"}, push=False)
        hints.seen.clear()
        world.clone.git("push", "--quiet", "origin", "HEAD:main")
        assert hints.seen.wait(SOON)


def test_reading_the_repository_wakes_nobody(world: World, watch: Watch, hints: Hints) -> None:
    for _ in range(3):
        world.mirror.fetch()
        git("log", "-1", "main", cwd=world.remote)
        (world.remote / "refs/heads/main").read_text()
    assert not hints.seen.wait(0.3)


def test_packed_refs_are_watched(world: World, watch: Watch, hints: Hints) -> None:
    git("pack-refs", "--all", cwd=world.remote)
    assert hints.seen.wait(SOON)
    hints.seen.clear()
    world.clone.commit("two", {"a": "2"})
    assert hints.seen.wait(SOON)


def test_another_branch_is_not_ours(world: World, watch: Watch, hints: Hints) -> None:
    world.clone.git("push", "--quiet", "origin", "HEAD:refs/heads/topic")
    assert not hints.seen.wait(0.3)


def test_a_branch_in_a_folder_that_does_not_exist_yet_is_noticed(world: World, hints: Hints) -> None:
    world.clone.commit("one", {"a": "1"})
    watch = Watch(str(world.remote), "env/production", hints)
    assert watch.start()
    try:
        world.clone.git("push", "--quiet", "origin", "HEAD:refs/heads/env/production")
        assert hints.seen.wait(SOON)
    finally:
        watch.stop()


@pytest.mark.parametrize("shape", ["file url", "clone", "work tree"])
def test_every_local_shape_is_watched(world: World, hints: Hints, shape: str) -> None:
    world.clone.commit("one", {"a": "1"})
    if shape == "work tree":
        world.clone.git("worktree", "add", "--quiet", "--detach", world.folder / "tree")
    url = {
        "file url": f"file://{world.remote}",
        "clone": str(world.clone.path),
        "work tree": str(world.folder / "tree"),
    }
    watch = Watch(url[shape], "main", hints)
    assert watch.start()
    try:
        world.clone.commit("two", {"a": "2"})
        world.clone.git("update-ref", "refs/heads/main", "HEAD")
        assert hints.seen.wait(SOON)
    finally:
        watch.stop()


def test_a_remote_elsewhere_is_only_polled(world: World, hints: Hints) -> None:
    for url in ("https://git.example.com/r.git", "git@git.example.com:r.git", "ssh://git.example.com/r", "host:r.git"):
        assert not Watch(url, "main", hints).start()
    assert local_path("file:///srv/a%20b.git") == Path("/srv/a b.git")
    assert local_path("./r:1") == Path("r:1")


def test_a_repository_that_comes_later_or_is_made_anew_is_found(world: World, hints: Hints, tmp_path: Path) -> None:
    path = tmp_path / "late.git"
    watch = Watch(str(path), "main", hints)
    try:
        assert not watch.start()
        path.mkdir()
        assert not watch.start()
        for _ in range(2):
            git("init", "--quiet", "--bare", path)
            assert watch.start()
            world.clone.commit("one", {})
            hints.seen.clear()
            git("push", "--quiet", path, "HEAD:main", cwd=world.clone.path)
            assert hints.seen.wait(SOON)
            path.rename(tmp_path / f"old-{time.monotonic_ns()}.git")
    finally:
        watch.stop()


def test_starting_again_keeps_the_watch_that_runs(world: World, watch: Watch, hints: Hints) -> None:
    before = threading.active_count()
    assert all(watch.start() for _ in range(3))
    assert threading.active_count() == before
    watch.stop()
    watch.stop()
    hints.seen.clear()
    world.clone.commit("two", {"a": "2"})
    assert not hints.seen.wait(0.2)


def test_polls_are_spread_around_the_interval() -> None:
    rng = random.Random(1)
    waits = [jittered(60.0, rng) for _ in range(2000)]
    assert 48.0 <= min(waits) < 49.0
    assert 71.0 < max(waits) <= 72.0
    assert statistics.mean(waits) == pytest.approx(60.0, rel=0.02)
