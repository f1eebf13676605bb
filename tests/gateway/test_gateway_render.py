"""The pure part: names, files and weights, without Envoy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.gateways import arm, split
from tidegate.gateway import cluster, names, render, weights, wire
from tidegate.gateway.book import Book
from tidegate.gateway.model import Route, Table, Upstream
from tidegate.spec.errors import InternalError
from tidegate.spec.model import Segment

SEGMENTS = {"eu": Segment(header="x-geo", prefix="eu-"), "new": Segment(header="x-group", values=("a", "b"))}


def files(*routes: Route) -> tuple[bytes, bytes]:
    """The clusters and the routes file of these routes."""
    table = Table((Upstream("v1", (("127.0.0.1", 1),)), Upstream("v2", (("::1", 2),), timeout=5.0)), routes)
    book = Book()
    book.turn(table, None)
    clusters = {
        name: cluster.of_upstream(name, up) for page in book.pages.values() for name, up in page.clusters.items()
    }
    models = {model: render.model_routes(page.routes, page.timeouts, page.shares) for model, page in book.pages.items()}
    return cluster.assemble(clusters)[1], render.route_file(models)[1]


# Names


@given(st.lists(st.tuples(st.text(max_size=6), st.text(max_size=6)), unique=True, max_size=8))
def test_cluster_names_differ_where_upstream_or_release_differ_and_are_safe_in_a_runtime_key(
    pairs: list[tuple[str, str]],
) -> None:
    found = [names.cluster_name(arm(release, upstream=upstream)) for upstream, release in pairs]
    assert len(set(found)) == len(pairs)
    assert all(
        character.isascii() and (character.isalnum() or character in "_-~") for name in found for character in name
    )


def test_usual_names_stay_readable() -> None:
    assert names.cluster_name(arm("9f3c12ab44d0", upstream="workload-4b5c6d")) == "workload-4b5c6d~9f3c12ab44d0"
    assert names.prefix(Route("digits", "archive", ()), "eu") == "weights.digits+archive.eu"


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.0.0.1:80", ("127.0.0.1", 80)), ("[::1]:8080", ("::1", 8080)), ("localhost:1", ("127.0.0.1", 1))],
)
def test_addresses_are_split(address: str, expected: tuple[str, int]) -> None:
    assert names.split_address(address) == expected


def test_a_segment_that_an_arm_does_not_name_follows_its_plain_weight() -> None:
    route = Route("m", None, (arm("v1", 900_000), arm("v2", 100_000, segment_weights={"eu": 0})), SEGMENTS)
    assert names.arm_weights(route, None) == {"v1~v1": 900_000, "v2~v2": 100_000}
    assert names.arm_weights(route, "eu") == {"v1~v1": 900_000, "v2~v2": 0}
    assert names.arm_weights(route, "new") == names.arm_weights(route, None)


def test_an_entry_that_nobody_serves_has_no_shares() -> None:
    route = Route("m", None, (arm("v1", 0, segment_weights={"eu": 1}),), SEGMENTS)
    assert names.route_shares(route) == {"weights.m.eu": {"v1~v1": 1}}


def test_the_same_release_on_two_arms_is_a_defect() -> None:
    with pytest.raises(InternalError, match="same release on two arms"):
        names.route_shares(Route("m", None, (arm("v1"), arm("v1", 0, role="standby"))))


# Files


def test_the_same_table_gives_the_same_bytes_in_whatever_order_its_routes_come() -> None:
    routes = (split(1, segments=SEGMENTS), Route("digits", "archive", (arm("v1"),)), Route("b", None, (arm("v2"),)))
    assert files(*routes)[1] == files(*reversed(routes))[1]


def test_files_are_read_back_as_they_were_written() -> None:
    routes = (
        split(7, segments=SEGMENTS, sticky="x-user"),
        Route("digits", "archive", ()),
        Route("b", None, (arm("v2"),)),
    )
    clusters, written = files(*routes)
    version, fragments = cluster.parse(clusters)
    assert cluster.assemble(fragments) == (version, clusters)
    version, models, shares = render.parse_routes(written)
    assert render.route_file(models) == (version, written)
    flat = {key: entry for entries in shares.values() for key, entry in entries.items()}
    assert flat == {key: entry for route in routes for key, entry in names.route_shares(route).items()}
    assert render.parse_routes(render.route_file({})[1])[1:] == ({}, {})


def test_the_version_of_a_file_changes_with_its_content() -> None:
    versions = {render.parse_routes(files(split(share))[1])[0] for share in (1, 2, 1)}
    assert len(versions) == 2


def test_ipv6_endpoints_and_an_upstream_that_is_missing_are_clusters_too() -> None:
    clusters = wire.decode("DiscoveryResponse", files(Route("m", None, (arm("v2"), arm("v9", 0))))[0])["resources"]
    assert [len(one["load_assignment"]["endpoints"][0].get("lb_endpoints", ())) for one in clusters] == [1, 0]


# Weights


def in_force(written: Mapping[str, int], prefix: str, keys: Mapping[str, int]) -> dict[str, int]:
    """What Envoy does with an entry of the file under these runtime keys."""
    return {name: keys.get(f"{prefix}.{name}", weight) for name, weight in written.items()}


ENTRY = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 3), min_size=1).filter(
    lambda entry: sum(entry.values()) > 0
)
TABLE = st.dictionaries(st.sampled_from("xyz"), ENTRY)


@given(written=TABLE, wanted=TABLE, moving=st.sets(st.sampled_from("xyz")), data=st.data())
def test_while_files_change_no_arm_gets_what_neither_state_gives_it(
    written: dict[str, dict[str, int]], wanted: dict[str, dict[str, int]], moving: set[str], data: st.DataObject
) -> None:
    present = {
        f"{prefix}.{name}": weight
        for prefix, entry in written.items()
        if data.draw(st.booleans())
        for name, weight in data.draw(ENTRY.map(lambda drawn, entry=entry: {n: drawn.get(n, 1) for n in entry})).items()
    }
    keys = weights.layer(written, wanted, moving, present)
    for prefix, old in written.items():
        before, now = in_force(old, prefix, present), in_force(old, prefix, keys)
        new = wanted.get(prefix)
        if new is not None and any(new.get(name) for name in old):
            # The old file already serves by the new weights, and arms on their way out get nothing.
            assert now == {name: new.get(name, 0) for name in old}
        else:
            assert now == before
    filed = weights.file_shares(written, wanted, moving)
    for prefix, new in wanted.items():
        assert set(filed[prefix]) == set(new)
        after = weights.layer(filed, wanted, moving, keys)
        assert in_force(filed[prefix], prefix, after) == new
        assert prefix in moving or not any(key.startswith(f"{prefix}.") for key in after)


def test_a_route_in_motion_keeps_its_entry_of_the_file_until_its_arms_change() -> None:
    old, new = {"x": {"a": 5, "b": 5}}, {"x": {"a": 9, "b": 1}}
    assert weights.file_shares(old, new, {"x"}) == old
    assert weights.file_shares(old, new, set()) == new
    assert weights.file_shares(old, {"x": {"a": 9, "c": 1}}, {"x"}) == {"x": {"a": 9, "c": 1}}


def test_routes_at_rest_have_no_keys_however_many_they_are() -> None:
    table = {f"r{number}": {"a": 1} for number in range(100)}
    assert weights.layer(table, table | {"r7": {"a": 2}}, {"r9"}, {}) == {"r7.a": 2, "r9.a": 1}


def test_replacing_an_arm_s_parameters_changes_the_file_of_its_model_alone() -> None:
    first, other = split(0), Route("other", None, (arm("v1"),))
    changed = replace(first, arms=(replace(first.arms[0], body={"a": 1}), first.arms[1]))
    before = render.parse_routes(files(first, other)[1])[1]
    after = render.parse_routes(files(changed, other)[1])[1]
    assert before["other"] == after["other"]
    assert before["digits"] != after["digits"]


def test_a_config_s_file_is_named_by_one_header_whoever_else_named_one_before() -> None:
    named = replace(arm("v1"), file="default@a.json")
    fragment = render.parse_routes(files(Route("digits", None, (named, arm("v2", weight=0))))[1])[1]["digits"]
    ((_, found),) = wire.decode("MatchMap", fragment)["map"].items()
    entry = next(one for one in found["action"]["typed_config"]["routes"] if "route" in one)
    with_file, without = entry["route"]["weighted_clusters"]["clusters"]
    assert with_file["request_headers_to_remove"] == [render.CONFIG_HEADER]
    header = {"key": render.CONFIG_HEADER, "value": "default@a.json"}
    assert with_file["request_headers_to_add"] == [{"header": header}]
    assert "request_headers_to_add" not in without
