"""Another Envoy takes over while users ask: no request fails, a stream goes on, and no line of the record is lost. Real Envoy."""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from pathlib import Path

import pytest

from support.backends import Load
from support.engine import eventually
from support.gateways import World, arm, split
from tidegate.gateway.binary import envoy_binary
from tidegate.gateway.model import Route
from tidegate.spec.errors import NeedsPerson


def pid_of(world: World) -> int:
    return int(json.loads((world.state / "gateway" / "envoy.json").read_text())["pid"])


def program(path: Path, before: str = "") -> None:
    """Another program under this name, as an upgrade puts it there."""
    fresh = path.with_name("fresh")
    fresh.write_text(f'#!/bin/sh\n{before}exec {envoy_binary(None)} "$@"\n')
    fresh.chmod(0o755)
    fresh.replace(path)


IMPATIENT = """for word; do
  shift
  case "$word" in 15) word=1;; 90) word=3;; esac
  set -- "$@" "$word"
done
"""
"""Of an Envoy that grants the one before less time (--drain-time-s, --parent-shutdown-time-s)."""


def test_an_upgrade_under_load_fails_no_request_cuts_no_stream_and_loses_no_line(world: World, tmp_path: Path) -> None:
    envoy = tmp_path / "envoy"
    envoy.symlink_to(envoy_binary(None))
    gateway = world.open(binary=str(envoy))
    gateway.start()
    with world.streaming("live", [b"one", b"two"]) as live:
        world.settle(gateway, split(0), Route("live", None, (arm("live"),)), live=live.upstream)
        before = pid_of(world)
        client = http.client.HTTPConnection("127.0.0.1", world.port, timeout=30)
        client.request("GET", "/live/")
        live.send()
        stream = client.getresponse()
        assert stream.read(3) == b"one"
        with Load(world.port, "/digits/", clients=3) as load:
            load.wait_for(50)
            world.open(binary=str(envoy)).start()
            assert pid_of(world) == before, "nothing has changed"
            program(envoy, IMPATIENT)
            upgraded = world.open(binary=str(envoy))
            upgraded.start()
            load.wait_for(100)
            live.send()
            assert stream.read() == b"two", "the Envoy before has kept it"
            second = pid_of(world)
            assert second != before
            program(envoy)
            again = world.open(binary=str(envoy), concurrency=1, max_body="1Mi")
            again.start()
            again.renew(time.time())
            load.wait_for(100)
            assert pid_of(world) == second, "the first one is not done: a third would end it"
            eventually(lambda: again.renew(time.time()) or pid_of(world) != second)
            load.wait_for(100)
            world.settle(again, split(1_000_000), Route("live", None, (arm("live"),)), live=live.upstream)
            eventually(lambda: load.answers[-1][2] == "v2")
        client.close()
    assert load.failures == []
    lines = world.lines(len(load.answers) + 1)
    assert len(lines) == len(load.answers) + 1
    assert len({line["request_id"] for line in lines}) == len(lines)
    assert {line["status"] for line in lines} == {200}


def test_an_envoy_that_cannot_take_over_without_a_gap_is_left_out(world: World, tmp_path: Path) -> None:
    envoy = tmp_path / "envoy"
    program(envoy)
    gateway = world.open(binary=str(envoy))
    gateway.start()
    world.settle(gateway, split(0))
    before = pid_of(world)
    program(envoy, 'if [ "$1" = --hot-restart-version ]; then echo 99.9; exit; fi\n')
    with pytest.raises(NeedsPerson, match="goes on serving") as caught:
        world.open(binary=str(envoy)).start()
    assert caught.value.fix == f"when a gap of a second will do: kill -TERM {before}"
    assert world.ask("/digits/").status == 200
    os.kill(before, signal.SIGTERM)
    eventually(lambda: not gateway.alive())
    again = world.open(binary=str(envoy))
    again.start()
    assert world.ask("/digits/").release == "v1"
