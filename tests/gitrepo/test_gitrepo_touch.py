"""Who asked last: a commit that changes a route's own fields, and no commit that changes something else in the same file."""

from __future__ import annotations

import pytest
from gitrepo_world import World

DEPLOYMENT = "models/digits/deployment.yaml"
VERSION = "models/digits/versions/2.0.0.yaml"
TEXT = """api: tidegate/v1
kind: Deployment
model: digits
version: "2.0.0"   # the new one
policy: careful
replicas: 2
features:
  archive: {version: "1.0.0"}
"""


@pytest.fixture
def asked(world: World) -> str:
    """The commit that asked for everything."""
    return world.clone.commit("ask", {DEPLOYMENT: TEXT, VERSION: "v: 2\n"})


def edited(world: World, before: str, after: str) -> str:
    text = (world.clone.path / DEPLOYMENT).read_text()
    assert before in text
    return world.clone.commit(f"{before} to {after}", {DEPLOYMENT: text.replace(before, after)})


def newest(world: World, feature: str | None = None) -> str:
    head = world.mirror.fetch()
    assert head is not None
    return world.mirror.asked(head, DEPLOYMENT, feature, (VERSION,) if feature is None else ())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("replicas: 2", "replicas: 4"),
        ("policy: careful\n", "policy: careful\nhold: true\n"),
        ("policy: careful\n", "policy: careful\napprovals: [half]\n"),
        ("# the new one", "# newer than the old one"),
        ('archive: {version: "1.0.0"}', 'archive: {version: "1.1.0"}'),
        ('version: "2.0.0"', "version: '2.0.0'"),
    ],
)
def test_an_edit_of_something_else_asks_for_nothing_anew(world: World, asked: str, before: str, after: str) -> None:
    assert edited(world, before, after) != asked
    assert newest(world) == asked


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('version: "2.0.0"', 'version: "2.0.1"'),
        ("policy: careful\n", "policy: quick\n"),
        ("policy: careful\n", "policy: careful\nconfig: default\n"),
        ("policy: careful\n", "policy: careful\nretry: 1\n"),
        ("policy: careful\n", "policy: careful\nreason: the store is mended\n"),
    ],
)
def test_an_edit_of_the_routes_own_fields_asks_anew(world: World, asked: str, before: str, after: str) -> None:
    assert newest(world) == asked
    assert edited(world, before, after) == newest(world)


def test_a_feature_is_asked_anew_by_its_own_fields_and_by_those_it_inherits(world: World, asked: str) -> None:
    assert edited(world, 'version: "2.0.0"', 'version: "2.0.1"') != asked
    assert newest(world, "archive") == asked
    inherited = edited(world, "policy: careful", "policy: quick")
    assert newest(world, "archive") == inherited
    own = edited(world, '{version: "1.0.0"}', '{version: "1.0.0", retry: 1}')
    assert newest(world, "archive") == own


def test_a_model_that_goes_and_comes_back_is_asked_for_anew(world: World, asked: str) -> None:
    edited(world, 'version: "2.0.0"', 'version: "1.0.0"')
    again = edited(world, 'version: "1.0.0"   #', 'version: "2.0.0"   #')
    assert newest(world) == again


def test_every_change_of_the_version_file_counts(world: World, asked: str) -> None:
    changed = world.clone.commit("version", {VERSION: "v: 2 # told better\n"})
    edited(world, "replicas: 2", "replicas: 3")
    assert newest(world) == changed


def test_a_file_that_was_no_yaml_for_a_while_asked_for_nothing_then(world: World, asked: str) -> None:
    edited(world, "features:", "features: [")
    mended = edited(world, "features: [", "features:")
    assert newest(world) == mended


def test_a_merge_that_brings_other_edits_asks_for_nothing_anew(world: World, asked: str) -> None:
    clone = world.clone
    clone.git("checkout", "-q", "-b", "other")
    clone.commit("more replicas", {DEPLOYMENT: TEXT.replace("replicas: 2", "replicas: 5")}, push=False)
    clone.git("checkout", "-q", "main")
    clone.commit("another feature", {DEPLOYMENT: TEXT.replace("1.0.0", "1.1.0")}, push=False)
    clone.git("merge", "-q", "--no-edit", "other")
    clone.git("push", "-q", "origin", "main")
    assert newest(world) == asked
    assert newest(world, "archive") != asked


def test_where_history_ends_the_oldest_commit_asked(world: World, asked: str) -> None:
    assert newest(world) == asked
    assert world.mirror.asked(asked, "models/none/deployment.yaml", None, ()) == asked
