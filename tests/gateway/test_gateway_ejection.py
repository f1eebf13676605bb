"""An instance that cannot be reached: left out where the stable release has others, never where its failures are evidence."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from support.backends import Load
from support.engine import eventually
from support.gateways import World, arm
from tidegate.gateway.admin import Admin
from tidegate.gateway.bootstrap import ADMIN_SOCKET
from tidegate.gateway.model import Route, Upstream
from tidegate.gateway.supervisor import Gateway

ASKED = 60


@pytest.fixture
def closed() -> Iterator[tuple[str, int]]:
    """An address at which nobody listens, and nobody else will."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield "127.0.0.1", int(holder.getsockname()[1])


def left_out(world: World) -> int:
    """How many instances Envoy does not use just now."""
    clusters = Admin(world.state / "gateway" / ADMIN_SOCKET).get("/clusters?format=json")["cluster_statuses"]
    hosts = [host for cluster in clusters for host in cluster.get("host_statuses", ())]
    return sum(host["health_status"].get("failed_outlier_check", False) for host in hosts)


def ask(world: World) -> list[int]:
    return [world.ask("/digits/", {}, "{}").status for _ in range(ASKED)]


def test_an_instance_that_cannot_be_reached_is_left_out_of_the_stable_release_alone(
    world: World, gateway: Gateway, closed: tuple[str, int]
) -> None:
    both = Upstream("v1", (world.backend("v1").address, closed))
    world.settle(gateway, Route("digits", None, (arm("v1", role="candidate"),)), v1=both)
    assert ask(world) == [200] * ASKED
    assert left_out(world) == 0
    world.settle(gateway, Route("digits", None, (arm("v1"),)), v1=both)
    eventually(lambda: set(ask(world)) == {200} and left_out(world) == 1)
    world.settle(gateway, Route("digits", None, (arm("v1"),)), v1=Upstream("v1", (closed,)))
    assert ask(world) == [503] * ASKED
    assert left_out(world) == 0, "the only one there is"


def test_of_many_that_cannot_be_reached_half_are_tried_all_the_same(
    world: World, gateway: Gateway, closed: tuple[str, int]
) -> None:
    many = tuple((f"127.0.0.{number}", closed[1]) for number in range(2, 6))
    world.settle(gateway, Route("digits", None, (arm("v1"),)), v1=Upstream("v1", many))
    eventually(lambda: set(ask(world)) == {503} and left_out(world) == 2)
    flags = {line["flags"] for line in world.lines(ASKED)}
    assert not [one for one in flags if "UH" in one], "nobody is told that there is no instance"


def test_what_an_instance_answers_is_never_a_reason(world: World, gateway: Gateway) -> None:
    world.backend("bad").status = 500
    both = Upstream("v1", (world.backend("v1").address, world.backend("bad").address))
    world.settle(gateway, Route("digits", None, (arm("v1"),)), v1=both)
    assert ask(world).count(500) == world.backend("bad").seen
    assert left_out(world) == 0
    assert world.backend("bad").seen > ASKED // 6


def test_a_promotion_under_load_fails_nothing(world: World, gateway: Gateway) -> None:
    both = Upstream("v1", (world.backend("v1").address, world.backend("other").address))
    world.settle(gateway, Route("digits", None, (arm("v1", role="candidate"),)), v1=both)
    with Load(world.port, "/digits/", clients=3) as load:
        load.wait_for(50)
        world.settle(gateway, Route("digits", None, (arm("v1"),)), v1=both)
        load.wait_for(100)
        eventually(lambda: world.lines(1)[-1]["role"] == "stable")
    assert load.failures == []
