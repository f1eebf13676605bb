"""What the engine relies on: order, speed, restarts, adoption, and words for what goes wrong. Real Envoy under load."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from support.backends import Load
from support.engine import eventually, free_port
from support.gateways import World, arm, pid_of, split, stopped
from tidegate.gateway import render, wire
from tidegate.gateway.applying import Applied
from tidegate.gateway.model import Arm, Route, Table, Upstream
from tidegate.gateway.process import started_at
from tidegate.gateway.supervisor import Gateway
from tidegate.spec.controller import GatewaySettings
from tidegate.spec.errors import NeedsPerson, RetryLater
from tidegate.spec.model import Segment


def kill(pid: int) -> None:
    """SIGKILL, and wait until it is gone."""
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: started_at(pid) is None)


# Weights


def test_the_fast_path_moves_all_traffic_without_a_failed_request(world: World, gateway: Gateway) -> None:
    world.settle(gateway, split(500_000))
    with Load(world.port, "/digits/", clients=4) as load:
        load.wait_for(50)
        for share in (0, 1_000_000, 0, 500_000, 0):
            gateway.set_weights([split(share)])
            moved = time.monotonic()
            load.wait_for(100)
        eventually(lambda: load.releases(moved).total() > 50)
        assert set(load.releases(moved)) == {"v1"}
    assert load.failures == []


def test_weights_that_were_moved_fast_stay_when_the_table_follows_and_fold_into_the_file_at_the_end(
    world: World, gateway: Gateway
) -> None:
    world.settle(gateway, split(0))
    with Load(world.port, "/digits/", clients=2) as load:
        load.wait_for(20)
        gateway.set_weights([split(1_000_000)])
        moved = time.monotonic()
        world.settle(gateway, split(1_000_000))
        world.settle(gateway, split(1_000_000, moving=False))
        eventually(lambda: load.releases(moved).total() > 50)
        assert set(load.releases(moved)) == {"v2"}
    assert load.failures == []
    layer = world.state / "gateway" / "weights" / "current" / "tidegate"
    assert [file.name for file in layer.iterdir()] == ["generation"]
    routes = (world.state / "gateway" / "config" / "routes.pb").read_bytes()
    assert render.parse_routes(routes)[2]["digits"] == {"weights.digits._": {"v1~v1": 0, "v2~v2": 1_000_000}}


def test_a_step_of_a_rollout_does_not_rewrite_the_routes(world: World, gateway: Gateway) -> None:
    world.settle(gateway, split(10_000))
    file = world.state / "gateway" / "config" / "routes.pb"
    before = file.stat().st_ino
    world.settle(gateway, split(200_000))
    assert file.stat().st_ino == before
    world.settle(gateway, split(200_000, moving=False))
    assert file.stat().st_ino != before


def test_only_the_layer_of_the_present_weights_is_kept(world: World, gateway: Gateway) -> None:
    for share in (1, 2, 3):
        world.settle(gateway, split(share))
    assert len(list((world.state / "gateway" / "weights").iterdir())) == 2  # the link and what it points to


def test_an_arm_that_is_not_live_yet_cannot_get_weight_by_the_fast_path(world: World, gateway: Gateway) -> None:
    world.settle(gateway, Route("digits", None, (arm("v1"),)))
    with pytest.raises(RetryLater, match="v2~v2 is not live on route digits yet"):
        gateway.set_weights([split(1_000_000)])
    assert world.ask("/digits/").release == "v1"


def test_an_arm_that_the_fast_path_leaves_out_gets_nothing(world: World, gateway: Gateway) -> None:
    world.settle(gateway, split(1_000_000))
    gateway.set_weights([Route("digits", None, (arm("v1"),), moving=True)])
    assert {world.ask("/digits/").release for _ in range(20)} == {"v1"}


# Tables


def test_a_whole_rollout_changes_arms_and_clusters_without_a_failed_request(world: World, gateway: Gateway) -> None:
    first = Route("digits", None, (arm("v1"),))
    world.settle(gateway, first)
    with Load(world.port, "/digits/", clients=4) as load:
        load.wait_for(20)
        for share in (0, 250_000, 1_000_000):
            world.settle(gateway, split(share))
            load.wait_for(40)
        world.settle(gateway, Route("digits", None, (arm("v2"), arm("v1", 0, role="standby"))))
        load.wait_for(40)
        third = (arm("v2", 0), arm("v3", 1_000_000, role="candidate"))
        world.settle(gateway, Route("digits", None, third, moving=True))
        load.wait_for(40)
        world.settle(gateway, Route("digits", None, (arm("v4"),)))  # nothing in common with what was
        changed = time.monotonic()
        eventually(lambda: load.releases(changed).total() > 40)
        gateway.apply(Table((), ()))
    assert set(load.releases(changed)) <= {"v4", None}
    assert [failure for failure in load.failures if failure != "404"] == []


def test_a_new_cluster_is_live_before_a_route_names_it(world: World, gateway: Gateway) -> None:
    world.settle(gateway, split(0))
    with Load(world.port, "/digits/", clients=4) as load:
        load.wait_for(20)
        world.settle(gateway, Route("digits", None, (arm("v1", 0), arm("v9"))))
        eventually(lambda: load.releases()["v9"] > 20)
    assert load.failures == []
    files = [world.state / "gateway" / "config" / name for name in ("clusters.pb", "routes.pb")]
    clusters, routes = (file.stat().st_mtime_ns for file in files)
    assert clusters < routes


def test_routes_wait_for_their_clusters_and_no_call_waits_for_envoy(world: World, gateway: Gateway) -> None:
    table = world.settle(gateway, split(0))
    routes = (world.state / "gateway" / "config" / "routes.pb").read_bytes()
    wider = Table((*table.upstreams, world.upstream("v9")), (*table.routes, Route("other", None, (arm("v9"),))))
    with stopped(pid_of(world)):
        for _ in range(2):
            began = time.monotonic()
            assert gateway.apply(wider) == Applied(False, "clusters are loading")
            assert time.monotonic() - began < 20, "a stopped Envoy would be waited for without end"
        assert (world.state / "gateway" / "config" / "routes.pb").read_bytes() == routes
    eventually(lambda: gateway.apply(wider).done)
    assert world.ask("/other/").release == "v9"


def test_weights_stay_in_the_layer_until_the_file_that_says_the_same_is_live(world: World, gateway: Gateway) -> None:
    world.settle(gateway, split(0, moving=False))
    gateway.set_weights([split(1_000_000)])
    table = Table((world.upstream("v1"), world.upstream("v2")), (split(1_000_000, moving=False),))
    layer = (world.state / "gateway" / "weights" / "current").readlink()
    with stopped(pid_of(world)):
        for _ in range(2):
            assert gateway.apply(table) == Applied(False, "routes are loading")
        assert (world.state / "gateway" / "weights" / "current").readlink() == layer
    eventually(lambda: gateway.apply(table).done)
    assert {world.ask("/digits/").release for _ in range(20)} == {"v2"}


def test_replicas_come_and_go_without_a_failed_request(world: World, gateway: Gateway) -> None:
    one, two = world.backend("one").address, world.backend("two").address
    world.settle(gateway, split(0), v1=Upstream("v1", (one,)))
    with Load(world.port, "/digits/", clients=4) as load:
        load.wait_for(20)
        for endpoints in ((one, two), (two,), (one, two), (one,)) * 3:
            world.settle(gateway, split(0), v1=Upstream("v1", endpoints))
            load.wait_for(20)
    assert load.failures == []
    assert world.backend("two").seen > 0


@pytest.mark.parametrize("shadow", [None, arm("v3", 1_000_000, role="shadow")], ids=["plain", "mirroring"])
def test_a_server_that_comes_back_at_another_address_gets_requests_only_when_envoy_knows_it(
    world: World, gateway: Gateway, shadow: Arm | None
) -> None:
    gone = free_port()
    before = {"v1": Upstream("v1", (("127.0.0.1", gone),))}
    world.settle(gateway, split(1_000_000, shadow=shadow), **before)
    table = world.table(split(0, shadow=shadow))
    with Load(world.port, "/digits/", clients=4) as load:
        load.wait_for(50)
        with stopped(pid_of(world)):
            assert not gateway.apply(table).done
            with pytest.raises(RetryLater, match="other addresses, which load first"):
                gateway.set_weights([split(0, shadow=shadow)])
        eventually(lambda: gateway.apply(table).done)
        moved = time.monotonic()
        eventually(lambda: load.releases(moved)["v1"] > 50)
        for _ in range(10):  # and there and back, without Envoy being held
            world.settle(gateway, split(1_000_000, shadow=shadow))
            load.wait_for(12)  # what was under way to it has come there
            world.settle(gateway, split(1_000_000, shadow=shadow), **before)
            world.settle(gateway, split(0, shadow=shadow))
        load.wait_for(50)
    assert load.failures == []


def test_a_cluster_stays_for_the_drain_time_after_its_route_is_gone_and_requests_under_way_finish(world: World) -> None:
    gateway = world.open(drain=0.5)
    gateway.start()
    world.settle(gateway, split(1_000_000))
    world.backend("v2").delay = 1.0
    with Load(world.port, "/digits/", clients=3) as load:
        eventually(lambda: gateway.active()["v2"] == 3)
        world.settle(gateway, Route("digits", None, (arm("v1"),)))
        assert "v2" in gateway.active()
        table = Table((world.upstream("v1"),), (Route("digits", None, (arm("v1"),)),))
        eventually(lambda: gateway.apply(table).done and "v2" not in gateway.active())
        eventually(lambda: load.releases()["v2"] == 3)
        load.wait_for(10)
    assert load.failures == []


def test_applying_the_same_table_again_touches_nothing(world: World, gateway: Gateway) -> None:
    table = world.settle(gateway, split(1))
    files = [
        file for file in (world.state / "gateway").rglob("*") if file.suffix in (".json", ".pb") or file.is_symlink()
    ]
    before = [file.lstat().st_mtime_ns for file in files]
    assert gateway.apply(Table(table.upstreams, (split(1),))).done
    assert [file.lstat().st_mtime_ns for file in files] == before


def test_a_route_that_envoy_would_refuse_serves_as_it_did_and_does_not_stand_in_the_way_of_others(
    world: World, gateway: Gateway
) -> None:
    good = world.settle(gateway, split(0))
    bad = Table(
        (Upstream("v1", (("not an address", 1),)), world.upstream("v2"), world.upstream("v9")),
        (split(1_000_000), Route("other", None, (arm("v9"),)), Route("heavy", None, (arm("v2", 2**40),))),
    )
    eventually(lambda: gateway.apply(bad).done)
    refused = gateway.apply(bad).refused
    assert refused["digits"] == "'not an address' of v1 is no IP address"
    assert refused["heavy"] == "the weights of heavy are not between 0 and 4294967295 in all"
    assert world.ask("/other/").release == "v9"
    assert world.ask("/heavy/").status == 404
    assert world.ask("/digits/").release == "v2", "weights of what is live move all the same"
    kill(pid_of(world))
    gateway.start()
    assert world.ask("/digits/").release == "v2"
    assert gateway.apply(good, frozenset({"digits"})).refused == {"heavy": refused["heavy"]}
    eventually(lambda: gateway.apply(good).done)
    assert gateway.apply(good).refused == {}
    assert world.ask("/digits/").release == "v1"


def test_what_only_envoy_itself_refuses_is_found_among_the_changed_routes_and_left_out(
    world: World, gateway: Gateway
) -> None:
    table = world.settle(gateway, split(0), Route("third", None, (arm("v1"),)))
    odd = Route(
        "odd", None, (arm("v1"),), {"s": Segment(header="x-geo", prefix="")}
    )  # Envoy wants a prefix of some length
    wider = Table(table.upstreams, (split(1_000_000), odd, Route("other", None, (arm("v2"),))))
    eventually(lambda: gateway.apply(wider).done)
    assert list(gateway.apply(wider).refused) == ["odd"]
    assert "Prefix: value length must be at least 1" in gateway.apply(wider).refused["odd"]
    assert [world.ask(f"/{model}/").status for model in ("digits", "odd", "other", "third")] == [200, 404, 200, 404]
    assert world.ask("/digits/").release == "v2"


def test_several_that_envoy_refuses_at_once_are_all_found_and_hold_up_nobody(world: World, gateway: Gateway) -> None:
    names = [f"m{number:02}" for number in range(7)]
    table = world.settle(gateway, *(Route(name, None, (arm("v1"),)) for name in names))
    empty = {"s": Segment(header="x-geo", prefix="")}  # Envoy wants a prefix of some length
    odd, heavy = {"m03", "m04", "m24"}, {"m05", "m06"}

    def wanted(name: str) -> Route:
        if name in heavy:
            return Route(name, None, (arm("v2", 2**40),))
        return Route(name, None, (arm("v2"),), empty if name in odd else {})

    both = (*table.upstreams, world.upstream("v2"))
    changed = Table(both, tuple(wanted(name) for name in [*names, "m24", "m25"]))
    eventually(lambda: gateway.apply(changed).done)
    assert set(gateway.apply(changed).refused) == odd | heavy
    served = {name: world.ask(f"/{name}/").release for name in names}
    assert {name for name, release in served.items() if release == "v1"} == (odd | heavy) & set(names), "as they did"
    assert [world.ask(f"/{name}/").status for name in ("m24", "m25")] == [404, 200]

    later = Table(both, tuple(wanted(name) for name in [*names, "m24", "m25", "m26"] if name != "m04"))
    eventually(lambda: gateway.apply(later, frozenset({"m04", "m26"})).done)
    assert [world.ask(f"/{name}/").status for name in ("m04", "m26", "m03")] == [404, 200, 200]
    assert set(gateway.apply(later).refused) == (odd | heavy) - {"m04"}


def test_a_bad_feature_keeps_its_model_and_other_features_from_no_update(world: World, gateway: Gateway) -> None:
    table = world.settle(gateway, *(Route("m", feature, (arm("v1"),)) for feature in (None, "a", "b")))
    empty = {"s": Segment(header="x-geo", prefix="")}  # Envoy wants a prefix of some length
    both = (*table.upstreams, world.upstream("v2"))
    routes = (
        Route("m", None, (arm("v2"),)),
        Route("m", "a", (arm("v2"),), empty),
        Route("m", "b", (arm("v2", 2**40),)),
    )
    eventually(lambda: gateway.apply(Table(both, routes)).done)
    assert set(gateway.apply(Table(both, routes)).refused) == {"m/a", "m/b"}

    def served() -> list[str | None]:
        return [world.ask("/m/", {"x-tidegate-feature": feature}).release for feature in ("none", "a", "b")]

    assert served() == ["v2", "v1", "v1"]
    for _ in range(3):
        gateway.apply(Table(both, routes))  # with a drain time of nothing
    assert served() == ["v2", "v1", "v1"], "what the refused ones were is still needed"
    kill(pid_of(world))
    gateway.start()
    second = world.open()  # it does not know what the refused ones were, and leaves the model as it is
    second.start()
    eventually(lambda: second.apply(Table(both, routes)).done)
    assert served() == ["v2", "v1", "v1"]
    mended = (routes[0], Route("m", "a", (arm("v2"),)), Route("m", "b", (arm("v2"),)))
    eventually(lambda: second.apply(Table(both, mended)).done)
    assert second.apply(Table(both, mended)).refused == {}
    assert served() == ["v2", "v2", "v2"]


@pytest.mark.parametrize("shadow", [None, arm("v3", 1_000_000, role="shadow")], ids=["plain", "mirroring"])
def test_the_servers_of_a_refused_route_get_its_requests_wherever_they_are_by_now(
    world: World, gateway: Gateway, shadow: Arm | None
) -> None:
    world.settle(gateway, split(0, shadow=shadow), Route("other", None, (arm("v2"),)))
    empty = {"s": Segment(header="x-geo", prefix="")}  # Envoy wants a prefix of some length

    def moved(of: Gateway, to: str) -> tuple[int | None, str]:
        route = split(0, segments=empty, shadow=shadow)
        table = world.table(route, v1=Upstream("v1", (world.backend(to).address,)))
        eventually(lambda: of.apply(table).done)
        assert set(of.apply(table).refused) == {"digits"}
        answer = world.ask("/digits/")
        return answer.status, answer.json["backend"]

    assert moved(gateway, "v1") == (200, "v1")
    assert moved(gateway, "there") == (200, "there")
    second = world.open()  # it does not know what the refused one was, and leaves the model as it is
    second.start()
    assert moved(second, "elsewhere") == (200, "elsewhere")
    assert moved(second, "there") == (200, "there")
    other = world.table(Route("digits", None, (arm("v9"),), empty))
    for _ in range(3):
        eventually(lambda: second.apply(other).done)  # with a drain time of nothing
    assert world.ask("/digits/").status == 200, "what it was is on disk, and needed"


def test_only_the_models_that_are_named_are_looked_at(world: World, gateway: Gateway) -> None:
    table = world.settle(gateway, split(0), Route("other", None, (arm("v1"),)))
    routes = (split(1_000_000), Route("other", None, (arm("v2"),)))
    changed = Table(table.upstreams, routes)
    eventually(lambda: gateway.apply(changed, frozenset({"digits"})).done)
    assert [world.ask(f"/{model}/").release for model in ("digits", "other")] == ["v2", "v1"]
    eventually(lambda: gateway.apply(changed, frozenset({"other"})).done)
    assert world.ask("/other/").release == "v2"
    eventually(lambda: gateway.apply(Table(table.upstreams, routes[:1]), frozenset({"other"})).done)
    assert [world.ask(f"/{model}/").status for model in ("digits", "other")] == [200, 404]


def test_files_of_an_older_tidegate_serve_until_the_first_table(world: World) -> None:
    gateway = world.open()
    gateway.start()
    world.settle(gateway, split(1_000_000, moving=False))
    gateway.stop()
    config = world.state / "gateway" / "config"
    for file in list(config.glob("*.pb")):
        file.with_suffix(".json").write_bytes(orjson.dumps(wire.decode("DiscoveryResponse", file.read_bytes())))
        file.unlink()
    later = world.open()
    later.start()
    assert world.ask("/digits/").release == "v2"
    world.settle(later, split(0))
    assert world.ask("/digits/").release == "v1"


# Envoy's life


def test_after_sigkill_in_a_canary_envoy_comes_back_with_the_weights_it_had(world: World, gateway: Gateway) -> None:
    world.settle(gateway, split(0))
    gateway.set_weights([split(1_000_000)])
    kill(pid_of(world))
    assert not gateway.alive()
    assert not gateway.ready()
    with pytest.raises(RetryLater, match="Envoy does not run"):
        gateway.set_weights([split(0)])
    gateway.start()
    assert {world.ask("/digits/").release for _ in range(20)} == {"v2"}
    gateway.set_weights([split(0)])
    assert {world.ask("/digits/").release for _ in range(20)} == {"v1"}


def test_another_controller_adopts_the_running_envoy_and_goes_on(world: World, gateway: Gateway) -> None:
    table = world.settle(gateway, split(300_000))
    before = pid_of(world)
    files = [world.state / "gateway" / "config" / name for name in ("clusters.pb", "routes.pb")]
    inodes = [file.stat().st_ino for file in files]
    second = world.open()
    assert second.alive()
    second.start()
    assert second.apply(table).done
    assert [file.stat().st_ino for file in files] == inodes
    second.set_weights([split(1_000_000)])
    assert {world.ask("/digits/").release for _ in range(20)} == {"v2"}
    assert pid_of(world) == before


def test_an_envoy_that_nobody_wrote_down_is_found_by_its_address(world: World, gateway: Gateway) -> None:
    world.settle(gateway, split(0))
    before = pid_of(world)
    (world.state / "gateway" / "envoy.json").unlink()
    second = world.open()
    assert not second.alive()
    second.start()
    assert second.alive()
    assert world.ask("/digits/").release == "v1"
    second.stop()
    assert started_at(before) is None


def test_killing_the_controller_changes_no_answer(world: World) -> None:
    port, backend = world.port, world.backend("v1")
    program = f"""
import sys, time
from pathlib import Path
from tidegate.gateway.model import Arm, Route, Table, Upstream
from tidegate.gateway.process import started_at
from tidegate.gateway.supervisor import Gateway
from tidegate.spec.controller import GatewaySettings
gateway = Gateway(GatewaySettings(address="127.0.0.1:{port}", concurrency=2, flush="20ms"), Path({str(world.state)!r}))
gateway.start()
arm = Arm("v1", "stable", "1.0.0", "default", "c0ffee", "v1", 1_000_000)
while not gateway.apply(Table((Upstream("v1", ({backend.address!r},)),), (Route("digits", None, (arm,)),))).done:
    pass
print("ready", flush=True)
time.sleep(600)
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment) as controller:
        assert controller.stdout is not None
        assert controller.stdout.readline() == b"ready\n"
        with Load(port, "/digits/", clients=2) as load:
            load.wait_for(20)
            controller.kill()
            controller.wait()
            load.wait_for(100)
        assert load.failures == []
    adopted = world.open()
    assert adopted.alive()
    assert adopted.ready()


def test_new_settings_are_taken_over_by_a_hot_restart_without_a_failed_request(world: World, gateway: Gateway) -> None:
    world.settle(gateway, split(1_000_000))
    before = pid_of(world)
    changed = world.open(concurrency=1)
    with Load(world.port, "/digits/", clients=2) as load:
        load.wait_for(20)
        changed.start()
        assert pid_of(world) != before
        load.wait_for(100)
        changed.set_weights([split(0)])
        moved = time.monotonic()
        eventually(lambda: load.releases(moved)["v1"] > 20)
    assert load.failures == []


def test_a_port_in_use_is_told_with_its_holder(world: World) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", world.port))
        holder.listen()
        with pytest.raises(NeedsPerson) as caught:
            world.open().start()
    assert f"127.0.0.1:{world.port} is in use by process {os.getpid()} (" in str(caught.value)
    assert caught.value.where == "tidegate.yaml: gateway.address"


def test_no_second_listener_can_share_the_port_unseen(world: World, gateway: Gateway) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with pytest.raises(OSError, match="Address already in use"):
            other.bind(("127.0.0.1", world.port))


def test_an_address_of_another_machine_is_told(world: World) -> None:
    with pytest.raises(NeedsPerson, match=r"address 192\.0\.2\.77:8080 cannot be used"):
        world.open(address="192.0.2.77:8080").start()


def test_a_program_that_is_not_there_and_one_that_is_no_envoy_are_told(world: World) -> None:
    with pytest.raises(NeedsPerson, match="there is no program /no/such/envoy"):
        world.open(binary="/no/such/envoy").start()
    with pytest.raises(NeedsPerson, match="Envoy does not start"):
        world.open(binary="/bin/false").start()


def test_an_envoy_that_keeps_dying_is_started_again_after_growing_waits(world: World, tmp_path: Path) -> None:
    now = 0.0
    settings = GatewaySettings(address=f"127.0.0.1:{world.port}", binary="/bin/false")
    gateway = Gateway(settings, tmp_path / "dying", clock=lambda: now, sleep=lambda _: time.sleep(0.001))
    waits = []
    with pytest.raises(NeedsPerson):
        gateway.start()
    for _ in range(4):
        with pytest.raises(NeedsPerson):
            gateway.start()
        with pytest.raises(RetryLater) as caught:
            gateway.start()
        waits.append(caught.value.delay)
        now += caught.value.delay
    assert waits == [0.5, 1.0, 2.0, 5.0]


def test_the_admin_interface_is_a_file_of_this_user_alone_and_never_public(world: World, gateway: Gateway) -> None:
    assert (world.state / "gateway" / "admin.sock").stat().st_mode & 0o777 == 0o600
    assert (world.state / "gateway").stat().st_mode & 0o777 == 0o700
    assert world.ask("/stats").status == 404
    for public in ("0.0.0.0:9901", "192.0.2.1:9901", "[::]:9901", "[::1:2]:9901"):
        with pytest.raises(NeedsPerson, match="would be public"):
            world.open(admin=public).start()


def test_the_admin_interface_may_be_a_loopback_address(world: World) -> None:
    gateway = world.open(admin=f"127.0.0.1:{free_port()}")
    gateway.start()
    world.settle(gateway, split(0))
    assert gateway.ready()
    assert world.ask("/digits/").release == "v1"


def test_a_state_folder_with_a_very_long_path_works(world: World) -> None:
    world.state = world.state / ("long" * 30) / ("path" * 30)
    gateway = world.open()
    gateway.start()
    assert gateway.ready()


def test_stopping_lets_requests_under_way_finish(world: World, gateway: Gateway) -> None:
    world.backend("v1").delay = 0.5
    world.settle(gateway, split(0))
    with Load(world.port, "/digits/", clients=1) as load:
        eventually(lambda: gateway.active()["v1"] == 1)
        gateway.stop(grace=5.0)
        assert not gateway.alive()
        assert [status for _, status, _ in load.answers][:1] == [200]
