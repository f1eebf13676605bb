"""What the gateway will not take is told by route, and holds up no other. Real Envoy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.engine import eventually, free_port
from tidegate.engine.catalog import Entry
from tidegate.engine.steering import SOON, Steering
from tidegate.gateway.applying import Applied
from tidegate.gateway.supervisor import Gateway
from tidegate.rollout.traffic import WHOLE, Traffic, TrafficArm
from tidegate.spec.controller import GatewaySettings
from tidegate.spec.model import Model
from tidegate.spec.release import Release
from tidegate.spec.version import ModelVersion


def release(model: str) -> Release:
    """Its first release, with a workload of its own."""
    return Release(
        model, "1.0.0", None, f"{model}-release".ljust(64, "a"), f"{model}-workload".ljust(64, "b"), "c0ffee"
    )


def declared(name: str) -> Model:
    """A model."""
    fields = {"name": name, "summary": "s", "owners": ["team-a"], "protocol": "http"}
    return Model.model_validate({"api": "tidegate/v1", "kind": "Model"} | fields)


class Declarations:
    """What git says of these releases."""

    def entry(self, one: Release) -> Entry:
        fields = {"model": one.model, "version": one.version, "reason": "r", "runtime": {"command": ["serve"]}}
        version = ModelVersion.model_validate({"api": "tidegate/v1", "kind": "ModelVersion"} | fields)
        return Entry(declared(one.model), version, None)


@pytest.fixture
def steering(tmp_path: Path) -> Iterator[Steering]:
    gateway = Gateway(GatewaySettings(address=f"127.0.0.1:{free_port()}", concurrency=1), tmp_path)
    made = Steering(gateway, Declarations())  # type: ignore[arg-type]  # the one method that is asked for
    made.start()
    yield made
    gateway.stop(grace=0.5)


def test_a_route_that_the_gateway_refuses_is_told_and_the_others_are_served(steering: Steering) -> None:
    traffic = {name: Traffic((TrafficArm(release(name), "stable", WHOLE),)) for name in ("good", "bad")}
    where = {release("good").workload: ("127.0.0.1", 9), release("bad").workload: ("no address", 9)}

    def settle() -> bool:
        steering.note(traffic, where)
        steering.table(traffic, declared, lambda workload: (where[workload],))
        return steering.settled

    assert not steering.loading
    eventually(settle)
    assert list(steering.refused) == ["bad"] and not steering.loading
    told = steering.refused["bad"]
    assert "cannot serve bad as it is declared" in told.message
    assert "'no address' of workload-bad-workload" in told.message
    where[release("bad").workload] = ("127.0.0.1", 9)
    eventually(settle)
    assert steering.refused == {}


def test_the_next_look_is_soon_while_the_gateway_loads_but_not_for_ever(
    steering: Steering, monkeypatch: pytest.MonkeyPatch
) -> None:
    traffic = {"good": Traffic((TrafficArm(release("good"), "stable", WHOLE),))}
    monkeypatch.setattr(Gateway, "apply", lambda *_: Applied(False, "clusters are loading"))
    steering.note(traffic, ())
    soon = []
    for _ in range(SOON + 2):
        steering.table(traffic, declared, lambda _: ())
        soon.append(steering.loading)
    assert soon == [True] * SOON + [False] * 2
