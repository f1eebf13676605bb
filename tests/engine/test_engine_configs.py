"""Inference configs as files: when they are there, when they go, and what is said of servers that cannot read them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from support import declare
from tidegate.engine.catalog import Catalog, Entry
from tidegate.engine.configs import IDLE, ConfigFiles, content_of, name_of, unseen
from tidegate.engine.needs import Needs
from tidegate.engine.steering import APPLY_EVERY, Steering
from tidegate.engine.validation import Validation
from tidegate.rollout.state import Candidate, Phase, RouteState
from tidegate.rollout.traffic import WHOLE, Traffic, TrafficArm
from tidegate.runtime.interface import Instance
from tidegate.spec.inference import InferenceConfig
from tidegate.spec.model import Model
from tidegate.spec.policy import PolicyFields
from tidegate.spec.release import Release
from tidegate.spec.version import ModelVersion

HERE = ("127.0.0.1", 1)


def config(name: str = "default", **more: Any) -> InferenceConfig:
    header = {"api": "tidegate/v1", "kind": "InferenceConfig", "model": "digits", "name": name}
    return InferenceConfig.model_validate({**header, **more})


def entry(given: InferenceConfig | None, protocol: str = "http") -> Entry:
    header = {"api": "tidegate/v1", "kind": "Model", "name": "digits", "summary": "s", "owners": ["a"]}
    version = {"api": "tidegate/v1", "kind": "ModelVersion", "model": "digits", "version": "1.0.0", "reason": "r"}
    return Entry(
        Model.model_validate({**header, "protocol": protocol}),
        ModelVersion.model_validate({**version, "runtime": {"command": ["serve"]}}),
        given,
    )


def server(**labels: str) -> Instance:
    return Instance("digits-0", "digits", "1.0.0", "e" * 64, 0, HERE, True, 0.0, "7", labels=labels)


def test_a_file_holds_what_the_config_declares_and_is_named_for_that() -> None:
    one = config(parameters={"t": 0.5}, system_prompt="Grüße", reason="why")
    assert json.loads(content_of(one)) == {
        "model": "digits", "name": "default", "parameters": {"t": 0.5}, "system_prompt": "Grüße",
    }  # fmt: skip
    same = config(system_prompt="Grüße", parameters={"t": 0.50}, reason="another")
    assert name_of(one) == name_of(same) and name_of(one).startswith("default@") and name_of(one).endswith(".json")
    others = {name_of(config(parameters={"t": 0.6})), name_of(config("warm", parameters={"t": 0.5})), name_of(one)}
    assert len(others) == 3


def test_only_configs_of_plain_http_models_become_files(tmp_path: Path) -> None:
    files = ConfigFiles(tmp_path)
    assert files.file(entry(config(), "openai")) is files.file(entry(None)) is None
    assert not list(tmp_path.rglob("*.json"))
    name = files.file(entry(config()))
    assert name == name_of(config())
    (path,) = tmp_path.rglob("*.json")
    assert path == tmp_path / "digits" / name and path.read_bytes() == content_of(config())
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o644, 0o755)
    path.write_text("{")
    assert files.file(entry(config())) == name and path.read_bytes() == content_of(config()), "mended"


def test_a_file_goes_when_nobody_has_needed_it_for_an_hour_and_the_folder_stays(tmp_path: Path) -> None:
    now = 0.0
    files = ConfigFiles(tmp_path, lambda: now)
    warm = entry(config(parameters={"t": 0.9}))
    stays, goes = files.file(entry(config())), files.file(warm)
    folder = files.make("digits")

    def there(*needed: Entry, after: float) -> set[str]:
        nonlocal now
        now += after
        files.keep(needed)
        return {path.name for path in folder.iterdir()}

    assert there(entry(config()), after=0) == {stays, goes}
    assert there(entry(config()), after=IDLE - 1) == {stays, goes}, "its last requests are under way"
    assert there(entry(config()), warm, after=1) == {stays, goes}, "needed again in time"
    assert there(entry(config()), after=IDLE) == {stays, goes}, "the hour begins anew"
    assert there(entry(config()), after=IDLE) == {stays}
    before = folder.stat().st_ino
    assert there(after=1) == {stays} and there(after=IDLE) == set()
    assert files.make("digits").stat().st_ino == before


def test_a_folder_that_somebody_removed_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = ConfigFiles(tmp_path)
    files.file(entry(config()))
    assert not caplog.records
    shutil.rmtree(tmp_path / "digits")
    name = files.file(entry(config()))
    assert (tmp_path / "digits" / str(name)).is_file()
    assert "digits was removed: containers started before do not see the new one" in caplog.text


def test_servers_that_were_started_without_the_folder_are_named() -> None:
    assert unseen(config(), [server(**{"io.tidegate.configs": "/configs"})]) is None
    blind = unseen(config(), [server(**{"io.tidegate.configs": "/configs"}), server()])
    assert blind is not None and "'default'" in blind.message and blind.where == "digits-0"


class Repository:
    """A git of one model, whose config is at each commit what that commit is called."""

    def __init__(self, protocol: str = "http") -> None:
        self.protocol = protocol

    def blob(self, commit: str, path: str) -> bytes:
        kind = path.split("/")[2].removesuffix(".yaml")
        fields = {"model": "digits", "name": "default", "parameters": {"t": commit}}
        texts = {
            "model": declare.model("digits", protocol=self.protocol),
            "versions": declare.flow(
                "ModelVersion", {"model": "digits", "version": "1.0.0", "reason": "r", "runtime": {}}
            ),
            "configs": declare.flow("InferenceConfig", fields),
        }
        return str(texts[kind]).encode()


def release(commit: str, given: str | None = "default") -> Release:
    return Release("digits", "1.0.0", given, commit[0] * 64, "e" * 64, commit)


@pytest.mark.parametrize(("protocol", "folder"), [("http", True), ("open-inference", False)])
def test_servers_of_plain_http_get_the_folder_also_before_there_is_a_config(
    tmp_path: Path, protocol: str, folder: bool
) -> None:
    unasked: Any = None
    needs = Needs(Catalog(Repository(protocol).blob), unasked, unasked, None, ConfigFiles(tmp_path))
    need = needs.of(release("c1", None), 1)
    assert need.workload(0, None).configs == (tmp_path / "digits" if folder else None)
    assert need.fetch() is None and (tmp_path / "digits").is_dir() == folder


class Watching:
    """A gateway that looks, when it is given a table, whether the files that its arms name are there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.seen: list[str] = []

    def apply(self, table: Any, _changed: Any) -> Any:
        for route in table.routes:
            for arm in route.arms:
                assert (self.root / route.model / arm.file).is_file()
                self.seen.append(arm.file)
        return Applied()


class Applied:
    done, waiting = True, ""
    refused: Mapping[str, str] = MappingProxyType({})


def test_a_file_is_there_before_the_gateway_hears_its_name_and_while_a_route_is_hot(tmp_path: Path) -> None:
    now = 0.0
    files, catalog = ConfigFiles(tmp_path, lambda: now), Catalog(Repository().blob)
    gateway: Any = Watching(tmp_path)
    steering = Steering(gateway, catalog, file=files.file)
    old, new = release("cold"), release("warm")
    split = Traffic((TrafficArm(old, "stable", WHOLE // 2), TrafficArm(new, "candidate", WHOLE // 2)), moving=True)
    model = catalog.entry(old).model
    steering.note(["digits"], [])
    steering.table({"digits": split}, lambda _: model, lambda _: (HERE,))
    assert len(set(gateway.seen)) == 2 and not steering.unreadable
    for _ in range(2):  # somebody removes them
        shutil.rmtree(tmp_path / "digits")
        for _ in range(APPLY_EVERY):
            steering.table({"digits": split}, lambda _: model, lambda _: (HERE,))
        assert len(list(tmp_path.rglob("*.json"))) == 2
    unasked: Any = None
    needs = Needs(catalog, unasked, unasked, None, files)
    fields = PolicyFields.model_validate({"steps": [{"name": "full", "weight": "100%"}]})
    trial = RouteState("digits", stable=old, candidate=Candidate(new, "warm", Phase.SHIFTING, 0.0, fields))
    for state, left in (
        (trial, 2),
        (trial, 2),
        (RouteState("digits", stable=old), 2),
        (RouteState("digits", stable=old), 1),
    ):
        now += IDLE
        needs.keep([state])
        assert len(list(tmp_path.rglob("*.json"))) == left


class Servers:
    """A fleet of one server."""

    def __init__(self, *found: Instance) -> None:
        self.servers = self
        self.found = found

    def of(self, _workload: str) -> tuple[Instance, ...]:
        return self.found


def test_a_config_is_held_while_a_server_cannot_read_it_and_goes_on_when_it_can() -> None:
    unasked: Any = None
    fleet: Any = Servers(server())
    validation = Validation(Catalog(Repository().blob), unasked, fleet, unasked, unasked)
    fields = PolicyFields.model_validate({"steps": [{"name": "full", "weight": "100%"}]})

    def asked(commit: str, given: str | None = "default") -> Any:
        candidate = Candidate(release(commit, given), commit, Phase.VALIDATING, 0.0, fields)
        return validation.answers(RouteState("digits", candidate=candidate))

    assert asked("cold", None).judged == {"c" * 64: ""}, "no config, nothing to read"
    held = asked("warm")
    assert held.judged == {} and "cannot read the inference config 'default'" in held.unproven["w" * 64]
    fleet.found = (server(**{"io.tidegate.configs": "/configs"}),)
    assert asked("warm").judged == {"w" * 64: ""}
