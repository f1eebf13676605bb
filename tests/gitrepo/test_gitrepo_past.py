"""What git's history says of paths and reverts, whatever people made of git's own words and configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
from gitrepo_world import World, git

from tidegate.gitrepo import past
from tidegate.gitrepo.git import Git

FILE = "models/digits/versions/1.0.0.yaml"


@pytest.fixture
def local(world: World) -> Git:
    """The clone's own repository."""
    return Git(world.clone.path / ".git")


def test_merges_are_one_step_and_say_nothing_of_what_a_branch_held_on_its_way(world: World, local: Git) -> None:
    clone = world.clone
    clone.commit("One", {FILE: "1\n"})
    clone.git("checkout", "-q", "-b", "change")
    clone.commit("Draft", {FILE: "draft\n"}, push=False)
    clone.commit("Final", {FILE: "2\n", "beside": "x\n"}, push=False)
    clone.git("checkout", "-q", "main")
    clone.git("merge", "-q", "--no-ff", "--no-edit", "change")
    merge = clone.git("rev-parse", "HEAD")
    clone.commit("Gone", {FILE: None})
    for name, value in (("log.follow", "true"), ("log.showRoot", "false"), ("diff.renames", "copies")):
        clone.git("config", name, value)
    one, two = (git("hash-object", "--stdin", stdin=text) for text in ("1\n", "2\n"))
    found = past.steps(local, clone.git("rev-parse", "HEAD"), [FILE])
    assert [step.paths[FILE] for step in found] == [(two, ""), (one, two), ("", one)]
    assert found[1].commit == merge and set(found[1].paths) == {FILE, "beside"}
    assert past.steps(local, merge, []) == []


def test_a_merge_that_brings_a_new_file_is_the_step_that_added_it(world: World, local: Git) -> None:
    clone = world.clone
    clone.commit("Zero", {"README.md": "0\n"})
    clone.git("checkout", "-q", "-b", "change")
    clone.commit("One", {FILE: "1\n"}, push=False)
    clone.git("checkout", "-q", "main")
    clone.git("merge", "-q", "--no-ff", "--no-edit", "change")
    merge = clone.git("rev-parse", "HEAD")
    [found] = past.steps(local, merge, [FILE])
    assert (found.commit, found.paths) == (merge, {FILE: ("", git("hash-object", "--stdin", stdin="1\n"))})


@pytest.mark.parametrize(
    "words",
    [
        "Revert it\n\nThis reverts commit {id}.",
        "Revert it\n\nThis reverts commit {short} (Add it, 2026-11-21).",
        "Back\n\nthe summary said:\nThis reverts\ncommit {id}.\n\nSigned-off-by: a",
    ],
)
def test_a_revert_is_known_by_gits_own_words(world: World, local: Git, words: str) -> None:
    added = world.clone.commit("Add it", {FILE: "1\n"})
    base = world.clone.git("rev-parse", "HEAD")
    head = world.clone.commit(words.format(id=added, short=added[:9]), {FILE: None})
    assert past.said_to_revert(local, base, [head]) == [(added, None)]
    assert past.said_to_revert(local, head, [head]) == []
    assert past.said_to_revert(local, base, []) == []


def test_a_reverted_merge_says_onto_which_parent(world: World, local: Git) -> None:
    clone = world.clone
    first = clone.commit("One", {FILE: "1\n"})
    clone.git("checkout", "-q", "-b", "change")
    clone.commit("Two", {FILE: "2\n"}, push=False)
    clone.git("checkout", "-q", "main")
    clone.git("merge", "-q", "--no-ff", "--no-edit", "change")
    merge = clone.git("rev-parse", "HEAD")
    clone.git("revert", "--no-edit", "-m", "1", merge)
    [(commit, onto)] = past.said_to_revert(local, merge, [clone.git("rev-parse", "HEAD")])
    assert (commit, onto) == (merge, first)
    assert set(past.step(local, commit, onto).paths) == {FILE}
    assert past.step(local, first).paths[FILE][0] == "", "the first commit of all has no parent"


def test_ids_that_mean_nothing_here_are_passed_over(world: World, local: Git) -> None:
    base = world.clone.commit("One", {FILE: "1\n"})
    head = world.clone.commit(f"This reverts commit {'a' * 40}.\nThis reverts commit 1234567.", {FILE: None})
    assert past.said_to_revert(local, base, [head]) == []


def test_where_a_clone_stands_is_told_before_its_first_commit_too(tmp_path: Path, world: World, local: Git) -> None:
    git("init", "-q", "-b", "main", tmp_path / "new")
    assert past.standing(Git(tmp_path / "new/.git")) == ((), False)
    head = world.clone.commit("One", {FILE: "1\n"})
    assert past.standing(local) == ((head,), False)
    world.clone.commit("Two", {FILE: "2\n"})
    git("clone", "-q", "--depth", "1", f"file://{world.remote}", tmp_path / "shallow")
    assert past.standing(Git(tmp_path / "shallow/.git"))[1] is True


def test_what_a_branch_gained_is_named_with_its_content(world: World, local: Git) -> None:
    before = world.clone.commit("One", {FILE: "1\n", "a b": "x\n"})
    after = world.clone.commit("Two", {"new\nline": "2\n", "a b": "y\n", FILE: None})
    assert past.gained(local, before, after) == {"new\nline": git("hash-object", "--stdin", stdin="2\n")}
    assert past.gained(local, after, after) == {}
    assert past.merge_base(local, before, [after]) == before
