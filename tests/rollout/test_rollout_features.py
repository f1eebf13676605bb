"""A feature's own route: born beside its model's, led home, dissolved."""

from __future__ import annotations

from dataclasses import replace

from rollout_world import Drive, promoted, release

from tidegate.rollout.features import born, homeward, joined
from tidegate.rollout.state import RouteState


def test_a_features_route_is_born_serving_what_its_model_serves() -> None:
    parent = promoted("1.0.0", "2.0.0").state
    feature = born("digits/archive", parent)
    assert feature.stable == parent.stable
    assert feature.promoted == parent.promoted
    assert (feature.candidate, feature.standby, feature.rejected, feature.duties) == (None, (), (), ())


def test_an_override_is_a_rollout_of_that_feature_alone() -> None:
    parent = promoted("1.0.0", "2.0.0")
    feature = Drive(born("digits/archive", parent.state))
    feature.seen_releases = dict(parent.seen_releases)
    assert feature.kinds(feature.declare("3.0.0")) == ["started 3.0.0", "step 3.0.0"]
    assert {event.route for event in feature.events} == {"digits/archive"}
    assert parent.weights == {"2.0.0": 100}


def test_an_override_with_a_release_that_the_model_served_before_moves_at_once() -> None:
    parent = promoted("1.0.0", "2.0.0")
    feature = Drive(born("digits/archive", parent.state))
    feature.seen_releases = dict(parent.seen_releases)
    assert feature.kinds(feature.declare("1.0.0")) == ["fast_rollback 1.0.0"]


def test_a_feature_whose_override_goes_returns_to_its_model_and_dissolves() -> None:
    parent = promoted("1.0.0")
    feature = Drive(born("digits/archive", parent.state))
    feature.seen_releases = dict(parent.seen_releases)
    feature.declare("3.0.0")
    feature.serve(180)
    assert not joined(feature.state, parent.state)
    assert parent.wish is not None
    feature.wish = homeward(parent.state, parent.wish)
    assert feature.kinds(feature.look()) == ["fast_rollback 1.0.0"]
    assert not joined(feature.state, parent.state), "git is owed the note of what it promoted"
    feature.state = replace(feature.state, duties=())
    assert joined(feature.state, parent.state)


def test_a_feature_returns_by_steps_to_what_it_has_never_served() -> None:
    parent = promoted("1.0.0")
    feature = Drive(born("digits/archive", parent.state))
    feature.seen_releases = dict(parent.seen_releases)
    feature.declare("3.0.0")
    feature.serve(180)
    parent.declare("2.0.0")
    parent.serve(180)
    assert parent.wish is not None
    feature.wish = homeward(parent.state, parent.wish)
    feature.seen_releases |= parent.seen_releases
    assert feature.kinds(feature.look()) == ["started 2.0.0", "step 2.0.0"]
    assert not joined(feature.state, parent.state)
    feature.serve(180)
    feature.state = replace(feature.state, duties=())
    assert joined(feature.state, parent.state)


def test_a_feature_cannot_go_home_while_its_model_serves_nothing() -> None:
    drive = Drive()
    drive.declare("1.0.0")
    assert drive.wish is not None
    assert homeward(RouteState("digits"), drive.wish) is None


def test_two_routes_without_anything_stable_are_joined_and_one_with_is_not() -> None:
    empty = RouteState("digits/archive")
    assert joined(empty, RouteState("digits"))
    served = RouteState("digits/archive", stable=release("1.0.0"))
    assert not joined(served, RouteState("digits"))
