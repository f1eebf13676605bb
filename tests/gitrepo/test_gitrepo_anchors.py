"""Anchors of the record's chain: noted on the newest commit, pushed, read back from the remote itself."""

from __future__ import annotations

import random

import pytest
from gitrepo_world import World, git

from tidegate.gitrepo.anchors import ANCHORS_REF, Anchor, anchor, anchors_at, anchors_of
from tidegate.gitrepo.mirror import Mirror
from tidegate.spec.errors import NeedsPerson, RetryLater


def made(links: int, environment: str = "production") -> Anchor:
    return Anchor(environment, "c" * 64, links, f"{links:064x}", float(links))


def note(mirror: Mirror, *anchors: Anchor) -> None:
    for one in anchors:
        anchor(mirror, one, rng=random.Random(1), sleep=lambda _: None)


@pytest.fixture
def commit(world: World) -> str:
    found = world.clone.commit("one", {"a": "1"})
    world.mirror.fetch()
    return found


def test_an_anchor_is_a_line_of_json_on_the_newest_commit_of_the_remote(world: World, commit: str) -> None:
    note(world.mirror, made(1), made(3))
    lines = git("notes", f"--ref={ANCHORS_REF}", "show", commit, cwd=world.remote).splitlines()
    assert lines == [made(1).line(), made(3).line()]
    assert anchors_at(str(world.remote)) == (made(1), made(3))


def test_the_same_anchor_is_noted_once(world: World, commit: str) -> None:
    note(world.mirror, made(1), made(1))
    assert anchors_of(world.mirror.git) == (made(1),)


def test_a_remote_without_anchors_has_none(world: World, commit: str) -> None:
    assert anchors_at(str(world.remote)) == anchors_of(world.mirror.git) == ()


def test_two_controllers_write_beside_each_other_and_peoples_words_stay(world: World, commit: str) -> None:
    other = world.another_mirror("other")
    other.fetch()
    git("notes", f"--ref={ANCHORS_REF}", "add", "-m", "seen by team-a", commit, cwd=world.remote)
    note(world.mirror, made(1))
    note(other, made(2, "staging"))
    assert anchors_at(str(world.remote)) == (made(1), made(2, "staging"))
    assert "seen by team-a" in git("notes", f"--ref={ANCHORS_REF}", "show", commit, cwd=world.remote)


def test_anchors_of_a_lost_commit_stay_readable(world: World, commit: str) -> None:
    note(world.mirror, made(1))
    git("checkout", "-q", "--orphan", "fresh", cwd=world.clone.path)
    git("commit", "-q", "-m", "begun anew", cwd=world.clone.path)
    git("push", "-q", "--force", "origin", "fresh:main", cwd=world.clone.path)
    world.mirror.fetch()
    note(world.mirror, made(2))
    assert anchors_at(str(world.remote)) == (made(1), made(2))


def test_a_remote_that_refuses_says_what_to_allow(world: World, commit: str) -> None:
    world.hook("update", 'case "$1" in refs/notes/*) echo "no notes here" >&2; exit 1;; esac\n')
    with pytest.raises(NeedsPerson, match="no notes here") as told:
        note(world.mirror, made(1))
    assert told.value.fix is not None
    assert ANCHORS_REF in told.value.fix


def test_without_a_branch_there_is_nothing_to_note_it_on(world: World) -> None:
    world.mirror.fetch()
    with pytest.raises(RetryLater, match="the branch is gone"):
        note(world.mirror, made(1))
