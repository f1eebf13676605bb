"""The promoted ref of a route that is no more: it goes, unless somebody promoted there since."""

from __future__ import annotations

import pytest
from gitrepo_world import World, git

from tidegate.gitrepo.forget import forget
from tidegate.spec.errors import NeedsPerson, RetryLater

REF = "refs/tidegate/production/digits+archive"


@pytest.fixture
def promoted(world: World) -> str:
    commit = world.clone.commit("one", {"a": "1"})
    git("update-ref", REF, commit, cwd=world.remote)
    world.mirror.fetch()
    return commit


def refs(world: World) -> str:
    return git("for-each-ref", "--format=%(refname)", "refs/tidegate", cwd=world.remote)


def test_the_ref_goes_here_and_there_and_a_second_time_does_nothing(world: World, promoted: str) -> None:
    assert forget(world.mirror, "digits/archive", promoted)
    assert refs(world) == ""
    assert world.mirror.resolve(REF) is None
    assert not forget(world.mirror, "digits/archive", promoted)


def test_a_ref_that_was_promoted_anew_stays(world: World, promoted: str) -> None:
    newer = world.clone.commit("two", {"a": "2"})
    git("update-ref", REF, newer, cwd=world.remote)
    with pytest.raises(RetryLater, match="moved meanwhile"):
        forget(world.mirror, "digits/archive", promoted)
    assert not forget(world.mirror, "digits/archive", promoted)
    assert refs(world) == REF


def test_a_remote_that_refuses_is_told_with_what_to_do(world: World, promoted: str) -> None:
    hook = world.remote / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(NeedsPerson, match="refuses to delete") as caught:
        forget(world.mirror, "digits/archive", promoted)
    assert "delete the ref yourself" in (caught.value.fix or "")
