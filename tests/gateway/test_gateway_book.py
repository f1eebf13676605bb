"""The pure part behind big portfolios: pages that change alone, what is refused beforehand, and Envoy's binary format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.gateways import arm
from tidegate.gateway import blame, wire
from tidegate.gateway.book import Book, Page, salvaged
from tidegate.gateway.model import Route, Table, Upstream
from tidegate.gateway.schema import ENUMS, MESSAGES
from tidegate.spec.model import Segment

ROUTES = st.builds(
    lambda release, weight, moving, feature: (feature, arm(release, weight), moving),
    st.sampled_from(("v1", "v2")),
    st.integers(0, 2),
    st.booleans(),
    st.sampled_from((None, "f")),
)
TABLES = st.dictionaries(st.sampled_from("abc"), st.lists(ROUTES, min_size=1, max_size=2, unique_by=lambda one: one[0]))


def table(drawn: dict[str, list[Any]], port: int) -> Table:
    """The routes of a draw; `port` is where its upstreams are."""
    routes = tuple(
        Route(model, feature, (one,), moving=moving) for model, found in drawn.items() for feature, one, moving in found
    )
    return Table((Upstream("v1", (("127.0.0.1", port),)), Upstream("v2", (("127.0.0.1", 9),))), routes)


@given(st.lists(st.tuples(TABLES, st.integers(1, 2)), min_size=1, max_size=4))
def test_a_book_that_is_told_what_changed_says_what_a_fresh_one_says(
    drawn: list[tuple[dict[str, list[Any]], int]],
) -> None:
    kept, before = Book(), Book()
    for each, port in drawn:
        wanted, fresh = table(each, port), Book()
        assert fresh.turn(wanted, None) == {route.model for route in wanted.routes}
        changed = {model for model in {*"abc"} if fresh.pages.get(model) != before.pages.get(model)}
        assert kept.turn(wanted, frozenset(changed)) == changed
        assert kept == fresh
        before = fresh


def test_a_book_does_not_look_at_models_that_nobody_named() -> None:
    book = Book()
    book.turn(Table((), (Route("a", None, (arm("v1"),)), Route("b", None, (arm("v1"),)))), None)
    assert book.turn(Table((), (Route("a", None, (arm("v2"),)), Route("b", None, (arm("v2"),)))), frozenset("b")) == {
        "b"
    }
    assert sorted(book.users) == ["v1~v1", "v2~v2"]


SEGMENT = {"s": Segment(header="x-geo", prefix="eu-")}


@pytest.mark.parametrize(
    ("route", "upstream", "said"),
    [
        (Route("m", None, (arm("v1", -1),)), Upstream("v1", ()), "the weights of m are not between 0 and 4294967295"),
        (Route("m", None, (arm("v1"), arm("v1"))), Upstream("v1", ()), "route m has the same release on two arms"),
        (Route("m", None, (arm("v1"),), sticky="x y"), Upstream("v1", ()), "'x y' of m is no header name"),
        (
            Route("m", None, (arm("v1", body={"a": float("nan")}),)),
            Upstream("v1", ()),
            "the parameters of m are no JSON",
        ),
        (Route("m", None, (arm("v1", body={"a": "\ud800"}),)), Upstream("v1", ()), "the parameters of m are no JSON"),
        (Route("m", None, (arm("v1"),)), Upstream("v1", (("host", 1),)), "'host' of v1 is no IP address"),
        (Route("m", None, (arm("v1"),)), Upstream("v1", (("::1", 0),)), "0 of v1 is no port"),
        (Route("m", None, (arm("v1"),)), Upstream("v1", (), timeout=0.0), "0.0 s is no timeout for v1"),
    ],
)
def test_what_envoy_would_refuse_is_seen_before_it_is_written(route: Route, upstream: Upstream, said: str) -> None:
    book = Book()
    book.turn(Table((upstream,), (route, Route("fine", None, (arm("v2"),), SEGMENT))), None)
    assert list(book.words()) == ["m"]
    assert said in book.words()["m"]
    book.turn(Table((), (Route("m", None, (arm("v1"),)),)), frozenset("m"))
    assert book.words() == {}


def test_a_bad_route_keeps_those_of_its_model_from_nothing() -> None:
    book = Book()
    good = tuple(Route("m", feature, (arm("v1"),)) for feature in (None, "a", "b"))
    book.turn(Table((Upstream("v1", ()),), good), None)
    before = book.pages["m"]
    bad = Route("m", "a", (arm("v2"),), sticky="x y")
    gone = Upstream("v3", (("host", 1),))
    book.turn(
        Table((Upstream("v1", ()), gone), (Route("m", None, (arm("v2"),)), bad, Route("m", "b", (arm("v3"),)))), None
    )
    assert list(book.words()) == ["m/a", "m/b"], "a header that is none, a server that is nowhere"
    page = salvaged(book.pages["m"], book.refused["m"], before)
    assert [(route.name, route.arms[0].release) for route in page.routes] == [("m", "v2"), ("m/a", "v1"), ("m/b", "v1")]
    assert sorted(page.upstreams) == ["v1", "v2"]
    assert [route.name for route in salvaged(book.pages["m"], book.refused["m"], None).routes] == ["m"]


@pytest.mark.parametrize(
    ("today", "port"), [((("::1", 2),), 2), ((), None), ((("host", 2),), 1)], ids=["moved", "stopped", "nowhere"]
)
def test_an_old_form_leads_to_where_its_servers_are_today_unless_that_is_what_is_wrong(
    today: tuple[tuple[str, int], ...], port: int | None
) -> None:
    book = Book()
    book.turn(Table((Upstream("v1", (("::1", 1),), timeout=5.0),), (Route("m", None, (arm("v1"),)),)), None)
    before = book.pages["m"]
    book.turn(Table((Upstream("v1", today),), (Route("m", None, (arm("v1"), arm("v2")), sticky="x y"),)), None)
    page = salvaged(book.pages["m"], book.refused["m"], before)
    assert dict(page.upstreams) == {"v1": Upstream("v1", (("::1", port),) if port else (), timeout=5.0)}


def test_of_a_model_the_routes_to_blame_are_told_apart_and_all_are_where_none_is_alone() -> None:
    book = Book()
    book.turn(Table((), tuple(Route("m", feature, (arm("v1"),)) for feature in (None, "a", "b"))), None)

    def trial(*bad: str) -> blame.Trial:
        return lambda pages: "it is bad" if set(bad) <= {route.name for route in pages[0].routes} else None

    assert blame.culprits(trial("m/a"), book.pages, ["m"]) == {"m": {"m/a": "it is bad"}}
    assert blame.culprits(trial("m/a", "m/b"), book.pages, ["m"])["m"].keys() == {"m", "m/a", "m/b"}


@given(st.sets(st.integers(0, 60), max_size=4))
def test_the_routes_to_blame_are_found_in_few_trials(bad: set[int]) -> None:
    book = Book()
    book.turn(Table((), tuple(Route(f"m{number:02}", None, (arm("v1"),)) for number in range(61))), None)
    trials = 0

    def trial(pages: Sequence[Page]) -> str | None:
        nonlocal trials
        trials += 1
        found = [page.routes[0].model for page in pages]
        return next((f"{name} is bad" for name in found if int(name[1:]) in bad), None)

    found = blame.culprits(trial, book.pages, book.pages)
    assert found == {f"m{number:02}": {f"m{number:02}": f"m{number:02} is bad"} for number in sorted(bad)}
    assert trials <= 1 + 2 * 6 * len(bad)


def of(message: str, depth: int = 3) -> st.SearchStrategy[dict[str, object]]:
    """Values of a message in schema.py."""
    simple: dict[str, st.SearchStrategy[object]] = {
        "text": st.text(max_size=200),
        "number": st.integers(0, 2**40),
        "wrapped": st.integers(0, 2**32 - 1),
        "switch": st.booleans(),
        "flag": st.booleans(),
        "duration": st.integers(0, 10**7).map(lambda ms: f"{ms / 1000:.3f}s"),
        "struct": st.dictionaries(st.text(max_size=3), st.text(max_size=5), max_size=2),
        **{name: st.sampled_from(sorted(values)) for name, values in ENUMS.items()},
    }
    fields: dict[str, st.SearchStrategy[object]] = {}
    for words in filter(None, MESSAGES[message].split(",")):
        name, _, kind = words.split()
        plain, many = kind.rstrip("[]{}"), kind[-2:]
        if plain == "any" or (plain not in simple and not depth):
            continue
        one = simple[plain] if plain in simple else of(plain, depth - 1)
        if many == "[]":
            fields[name] = st.lists(one, min_size=1, max_size=2)
        elif many == "{}":
            fields[name] = st.dictionaries(st.text(max_size=3), one, min_size=1, max_size=2)
        else:
            fields[name] = one
    return st.fixed_dictionaries({}, optional=fields)


@given(st.sampled_from(("Cluster", "Route", "RouteConfiguration", "SetFilterState", "LuaPerRoute")), st.data())
def test_messages_are_read_back_as_they_were_written(message: str, data: st.DataObject) -> None:
    value = data.draw(of(message))
    assert wire.decode(message, wire.encode(message, value)) == value


@pytest.mark.parametrize("content", [b"\x0a", b"\x0a\x05ab", b"\x0d\x01\x02\x03\x04", b"\x80", b"\x12\x02\x08\x80"])
def test_broken_files_are_told_from_whole_ones(content: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        wire.decode("RouteConfiguration", content)
