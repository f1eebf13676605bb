"""A person's say in a rollout, typed against a real repository: each a commit, each the same when typed twice."""

from __future__ import annotations

import json
import subprocess

import pytest

from support.world import Make, World
from tidegate.engine.source import Source
from tidegate.gitrepo.mirror import Mirror
from tidegate.gitrepo.record import Record
from tidegate.rollout.state import Desired, Rejection
from tidegate.spec.controller import Author

DEPLOYMENT = "models/digits/deployment.yaml"
STEPS = [
    {"name": "canary", "weight": "10%", "for": "60s"},
    {"name": "half", "weight": "50%", "for": "60s", "approve": "manual"},
]


@pytest.fixture
def repository(make_world: Make) -> World:
    """A repository that asks for 1.0.0, and no controller."""
    world = make_world(start=False)
    world.policy(steps=STEPS)
    world.model(features=["archive"])
    world.version("1.0.0")
    world.version("2.0.0")
    world.config(temperature=0.2)
    world.deploy("1.0.0", config="default")
    return world


def said(world: World, *words: str) -> dict[str, str]:
    done = world.cli(*words, "--format", "json")
    assert done.returncode == 0, done.stderr
    return {key: value for key, value in json.loads(done.stdout).items() if isinstance(value, str)}


def rejected(world: World, route: str = "digits") -> tuple[str, str]:
    """The branch's newest release of a route is rejected, as a controller notes it. Its digest, and the commit that asked."""
    mirror = Mirror(world.folder / "noting.git", str(world.remote), "main", author=Author(), environment="production")
    record = Record(mirror)
    wish = Source(mirror, record, "production").look().desired[route]
    assert isinstance(wish, Desired)
    record.reject(route, wish.release, touched=wish.touched, reason="too many errors", at=1.0)
    return wish.release.digest, wish.touched


def test_approve_is_a_commit_with_trailers_in_the_name_of_the_person_and_only_one(repository: World) -> None:
    world = repository
    before = world.at_remote(DEPLOYMENT)
    first = said(world, "approve", "digits", "half", "--reason", "figures read")
    assert first["how"] == "pushed"
    assert first["commit"] == world.head()
    assert world.at_remote(DEPLOYMENT).replace("approvals: [half]\n", "") == before
    assert world.trailers()["Tidegate-Route"] == "digits"
    assert world.commits()[0] == "Approve step half of digits: figures read"
    assert world.git("log", "-1", "--format=%an", "main", at=world.remote) == world.git("config", "user.name")
    second = said(world, "approve", "digits", "half")
    assert (second["how"], second["commit"]) == ("already", first["commit"])
    assert world.head() == first["commit"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("approve", "digits", "canary"), "step 'canary' waits for nobody"),
        (("approve", "digits", "none"), "has no step 'none'"),
        (("approve", "nobody", "half"), "there is no route 'nobody'"),
        (("approve", "digits/checkout", "half"), "there is no route 'digits/checkout'"),
        (("retry", "digits"), "nothing was rejected on digits"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_does(repository: World, words: tuple[str, ...], message: str) -> None:
    head = repository.head()
    done = repository.cli(*words)
    assert done.returncode == 2
    assert message in done.stderr and "fix: " in done.stderr
    assert repository.head() == head


def test_hold_and_resume_leave_the_file_as_it_was(repository: World) -> None:
    world = repository
    before = world.at_remote(DEPLOYMENT)
    assert said(world, "hold", "digits")["how"] == "pushed"
    assert "\nhold: true\n" in world.at_remote(DEPLOYMENT)
    assert said(world, "hold", "digits")["how"] == "already"
    assert said(world, "resume", "digits")["how"] == "pushed"
    assert world.at_remote(DEPLOYMENT) == before
    assert said(world, "resume", "digits")["how"] == "already"


def test_a_feature_without_an_override_gets_one_for_itself(repository: World) -> None:
    said(repository, "hold", "digits/archive")
    assert "features: {archive: {hold: true}}" in repository.at_remote(DEPLOYMENT)


def test_retry_of_what_git_still_asks_for_is_a_newer_commit_and_the_same_release(repository: World) -> None:
    world = repository
    world.deploy("2.0.0", config="default")
    digest, touched = rejected(world)
    first = said(world, "retry", "digits", "--reason", "the store is mended")
    assert first["how"] == "pushed"
    mirror = Mirror(world.folder / "look.git", str(world.remote), "main", author=Author(), environment="production")
    wish = Source(mirror, Record(mirror), "production").look().wish("digits")
    assert wish is not None
    assert (wish.release.digest, wish.touched) == (digest, first["commit"])
    assert wish.touched != touched
    assert said(world, "retry", "digits")["how"] == "already"


def test_retry_of_what_was_reverted_asks_for_it_again_config_and_all(repository: World) -> None:
    world = repository
    world.config(temperature=0.9)
    world.deploy("2.0.0", config="default")
    digest, touched = rejected(world)
    world.revert(touched)
    world.config(temperature=0.3)
    world.commit("others go on")
    said(world, "retry", "digits")
    assert f"config: default@{touched}" in world.at_remote(DEPLOYMENT)
    mirror = Mirror(world.folder / "look.git", str(world.remote), "main", author=Author(), environment="production")
    wish = Source(mirror, Record(mirror), "production").look().wish("digits")
    assert wish is not None
    assert wish.release.digest == digest


def test_a_protected_branch_gets_a_branch_to_merge(repository: World) -> None:
    world = repository
    hook = world.remote / "hooks" / "update"
    hook.write_text('#!/bin/sh\ncase "$1" in refs/heads/main) echo "by review only" >&2; exit 1;; esac\n')
    hook.chmod(0o755)
    done = world.cli("hold", "digits")
    assert done.returncode == 1
    assert "merge the branch tidegate/hold-digits" in done.stdout
    assert "by review only" in done.stdout
    assert "hold: true" in world.at_remote(DEPLOYMENT, "tidegate/hold-digits")


def test_somebody_who_pushes_in_between_is_built_upon(repository: World) -> None:
    world = repository
    once = world.folder / "once"
    other = world.folder / "other"
    subprocess.run(["git", "clone", "-q", world.remote, other], check=True)
    hook = world.remote / "hooks" / "update"
    hook.write_text(
        f"#!/bin/sh\n[ -e {once} ] && exit 0\ntouch {once}\nunset GIT_DIR GIT_QUARANTINE_PATH\ncd {other} && "
        "git -c user.name=a -c user.email=a@example.com commit -q --allow-empty -m between && git push -q origin HEAD:main\n"
        "exit 0\n"
    )
    hook.chmod(0o755)
    assert said(world, "hold", "digits")["how"] == "pushed"
    assert world.commits()[:2] == ["Hold digits", "between"]


def test_a_features_config_alone_is_taken_back_by_a_pin_of_its_own(repository: World) -> None:
    world = repository
    before = world.head()
    world.config(temperature=0.9)
    world.commit("warmer, for everybody")
    done = said(world, "rollback", "digits/archive", "--config-only", "--reason", "receipts are wrong")
    assert done["how"] == "reverted"
    text = world.at_remote(DEPLOYMENT)
    assert f"features: {{archive: {{config: default@{before}}}}}" in text
    assert '\nconfig: "default"\n' in text
    assert "0.9" in world.at_remote("models/digits/configs/default.yaml"), "the others keep theirs"
    assert world.trailers()["Tidegate-Route"] == "digits/archive"


def test_a_features_version_is_taken_back_for_it_alone(repository: World) -> None:
    world = repository
    world.pull()
    world.deploy("2.0.0", config="default")
    said(world, "rollback", "digits/archive", "--reason", "receipts are wrong")
    text = world.at_remote(DEPLOYMENT)
    assert 'version: "2.0.0"' in text
    assert 'archive: {version: "1.0.0"' in text


def test_a_feature_whose_override_is_gone_asks_by_the_commit_that_removed_it(repository: World) -> None:
    world = repository
    asked = world.deploy("2.0.0", config="default", features={"archive": {"reason": "as its model, and held apart"}})
    removed = world.deploy("2.0.0", config="default")
    world.write("README.md", "of the model's own doing nothing changes")
    world.commit("others go on")
    mirror = Mirror(world.folder / "look.git", str(world.remote), "main", author=Author(), environment="production")
    source = Source(mirror, Record(mirror), "production")
    snapshot = source.look()
    wish = snapshot.wish("digits")
    assert wish is not None and wish.touched == asked
    turned_down = [Rejection(wish.release.digest, asked, "too many errors", 1.0)]
    assert source.as_turned_down(wish, turned_down) == wish
    home = source.led_home(snapshot, "digits/archive", wish)
    assert home.touched == removed != asked
    assert source.as_turned_down(home, turned_down) == home
