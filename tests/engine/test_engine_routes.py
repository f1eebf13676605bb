"""Where a route begins: from what its host knows, from what git remembers, or not at all until a person has said."""

from __future__ import annotations

from tidegate.engine.routes import Routes
from tidegate.engine.source import Remembered, Snapshot
from tidegate.rollout.state import Desired, Rejection, RouteState
from tidegate.spec.policy import PolicyFields
from tidegate.spec.release import Release

COMMIT = "c" * 40


def release(version: str) -> Release:
    return Release("digits", version, None, version[0] * 64, version[0] * 64, COMMIT)


def wish(version: str) -> Desired:
    return Desired(
        release(version), PolicyFields.model_validate({"steps": [{"name": "full", "weight": "100%"}]}), COMMIT
    )


def asks(**routes: Desired) -> Snapshot:
    return Snapshot(commit=COMMIT, desired={name.replace("_", "/"): one for name, one in routes.items()})


def test_an_override_that_comes_back_begins_with_what_its_model_serves_not_with_its_old_promotion():
    routes = Routes({"digits": RouteState("digits", stable=release("3.0.0"), promoted=(release("3.0.0"),))})
    old = Remembered(promoted={"digits/archive": release("1.0.0")})
    assert routes.begin(asks(digits=wish("3.0.0"), digits_archive=wish("2.0.0")), old) == ["digits/archive"]
    assert routes.states["digits/archive"].stable == release("3.0.0")


def test_a_rebuilt_host_begins_model_and_feature_where_git_says_each_was_promoted():
    routes = Routes({})
    known = Remembered(promoted={"digits": release("3.0.0"), "digits/archive": release("1.0.0")})
    assert routes.begin(asks(digits=wish("4.0.0"), digits_archive=wish("2.0.0")), known) == ["digits", "digits/archive"]
    assert routes.states["digits"].stable == release("3.0.0")
    assert routes.states["digits/archive"].stable == release("1.0.0")


def test_a_rebuilt_host_never_takes_what_git_asks_for_in_place_of_a_promotion_it_cannot_read():
    routes = Routes({})
    lost = Remembered(lost={"digits": "its last promoted commit cannot be followed"})
    assert routes.begin(asks(digits=wish("4.0.0"), digits_archive=wish("2.0.0")), lost) == []
    assert routes.states == {}


def test_a_route_is_gone_when_its_model_is_asked_for_nothing_and_others_are():
    routes = Routes(
        {name: RouteState(name, stable=release("1.0.0")) for name in ("digits", "digits/archive", "letters")}
    )
    one, both = asks(letters=wish("1.0.0")), asks(letters=wish("1.0.0"), digits=wish("1.0.0"))
    assert [route for route in routes.states if one.gone(route)] == ["digits", "digits/archive"]
    assert not any(both.gone(route) for route in routes.states)


def test_an_empty_or_unreadable_repository_says_nothing_about_anybody():
    assert not asks().gone("digits")
    assert not Snapshot(commit=COMMIT, desired={"letters": "letters/deployment.yaml:1:1: broken"}).gone("digits")
    assert not Snapshot(commit=COMMIT, desired={"digits": "broken", "letters": wish("1.0.0")}).gone("digits")


def test_a_feature_that_goes_home_leaves_its_model_the_debt_of_its_ref_until_it_is_back():
    both = release("3.0.0")
    states = {name: RouteState(name, stable=both, promoted=(both,)) for name in ("digits", "digits/archive")}
    routes = Routes(states)
    assert routes.end(asks(digits=wish("3.0.0")), list(routes.states)) == [states["digits/archive"]]
    [duty] = routes.states["digits"].duties
    assert (duty.kind, duty.route, duty.commit) == ("forget", "digits/archive", COMMIT)
    assert routes.begin(asks(digits=wish("3.0.0"), digits_archive=wish("2.0.0")), Remembered()) == ["digits/archive"]
    assert routes.states["digits"].duties == ()


def test_a_rebuilt_host_forgets_that_what_git_promoted_since_was_once_turned_down():
    turned_down = tuple(
        Rejection(release(version).digest, COMMIT, "errors 5 %", at)
        for version, at in (("3.0.0", 10.0), ("2.0.0", 20.0))
    )
    known = Remembered(
        promoted={"digits": release("3.0.0")}, rejected={"digits": turned_down, "digits/archive": turned_down[:1]}
    )
    routes = Routes({})
    routes.begin(asks(digits=wish("2.0.0"), digits_archive=wish("3.0.0")), known)
    assert routes.states["digits"].rejected == turned_down[1:], "the other one stays turned down"
    assert routes.states["digits/archive"].rejected == turned_down[:1], "a rejection is of one route"
