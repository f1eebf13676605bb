"""How a controller reaches providers: the credential's way, what is said without one, instances that outlive a controller."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from support.provider import Provider as Api
from tidegate.engine.catalog import Entry
from tidegate.engine.providers import KEPT, Providers
from tidegate.engine.table import arm_of, upstream_of
from tidegate.gateway import check, cluster
from tidegate.gateway.book import Page
from tidegate.gateway.model import Route
from tidegate.rollout.traffic import TrafficArm
from tidegate.runtime.interface import Workload
from tidegate.runtime.process import ProcessRuntime
from tidegate.runtime.providers import WithProviders
from tidegate.spec.controller import ProviderSettings, RuntimeSettings
from tidegate.spec.errors import NeedsPerson, RetryLater
from tidegate.spec.inference import InferenceConfig
from tidegate.spec.model import Model
from tidegate.spec.release import Release
from tidegate.spec.version import ModelVersion, Provider, Runtime

DIGEST = "a" * 64
KEY = "sk-0123456789"
ALLOWED = ProviderSettings.model_validate({
    "credentials": [
        {"address": address, **reference}
        for address in ("https://api.example.com", "https://localhost:8443")
        for reference in ({"file": "key"}, {"file": "nowhere"}, {"file": "odd"}, {"file": "empty"}, {"env": "NO_SUCH_KEY"})
    ]
})  # fmt: skip


def declared(endpoint: str = "https://api.example.com", **more: Any) -> Provider:
    fields = {"name": "openai", "model": "gpt-4o-2024-08-06", "endpoint": endpoint, "credential": {"file": "key"}}
    return Provider.model_validate({**fields, "ca_file": "ca.pem", **more})


@pytest.fixture
def providers(tmp_path: Path) -> Providers:
    (tmp_path / "ca.pem").write_text("certificates")
    (tmp_path / "key").write_text(f"{KEY}\n")
    return Providers(tmp_path, tmp_path / "state", ALLOWED)


def file_of(providers: Providers, provider: Provider) -> Path:
    link = providers.link(DIGEST, provider)
    assert link is not None
    return Path(link.credential)


def test_a_credential_is_written_for_its_owner_alone_and_anew_only_when_it_is_another(
    providers: Providers, tmp_path: Path
) -> None:
    providers.supply(DIGEST, declared())
    file = file_of(providers, declared())
    assert f"Bearer {KEY}".encode() in file.read_bytes() and file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    before = file.stat().st_ino
    providers.supply(DIGEST, declared())
    assert file.stat().st_ino == before
    (tmp_path / "key").write_text("sk-another")
    providers.supply(DIGEST, declared())
    assert b"Bearer sk-another" in file.read_bytes() and file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_the_credential_stands_where_each_provider_looks_for_it(providers: Providers) -> None:
    azure = declared(name="azure-openai", deployment="chat", api_version="2024-10-21")
    providers.supply(DIGEST, azure)
    link = providers.link(DIGEST, azure)
    assert link is not None and (link.header, link.model) == ("api-key", "chat")
    assert f'"{KEY}"'.encode() in Path(link.credential).read_bytes()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"credential": {"env": "NO_SUCH_KEY"}}, "env:NO_SUCH_KEY of openai is not there"),
        ({"credential": {"file": "nowhere"}}, "file:nowhere of openai is not there"),
        ({"credential": {"file": "odd"}}, "characters that no header may have"),
        ({"credential": {"file": "empty"}}, "is empty"),
        ({"ca_file": "no.pem"}, "certificates by which the provider is known are not there"),
    ],
)
def test_what_is_missing_is_waited_for_and_said(
    providers: Providers, tmp_path: Path, more: dict[str, Any], said: str
) -> None:
    (tmp_path / "odd").write_text("sk-1\nx-other: header")
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(RetryLater, match=said) as raised:
        providers.supply(DIGEST, declared(**more))
    assert raised.value.fix and "header" not in raised.value.message.replace("no header", "")
    assert not file_of(providers, declared(**more)).exists()


@pytest.mark.parametrize(
    "more",
    [
        {"credential": {"env": "SECRET_OF_ANOTHER"}},
        {"credential": {"file": "../other"}},
        {"credential": {"file": "key"}, "endpoint": "https://elsewhere.example.com"},
        {"credential": {"file": "./key"}},
    ],
)
def test_no_version_can_name_another_secret_or_send_one_elsewhere(
    providers: Providers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any]
) -> None:
    monkeypatch.setenv("SECRET_OF_ANOTHER", "hidden-0123456789")
    (tmp_path.parent / "other").write_text("hidden-0123456789")
    with pytest.raises(RetryLater, match=r"is kept back: tidegate\.yaml does not say") as raised:
        providers.supply(DIGEST, declared(**more))
    assert raised.value.where == "provider.credential" and "providers.credentials" in str(raised.value.fix)
    assert not (tmp_path / "state" / "credentials").exists()


def test_a_credential_is_kept_a_while_after_its_release_and_then_removed(providers: Providers) -> None:
    providers.supply(DIGEST, declared())
    file = file_of(providers, declared())
    long_ago = time.time() - KEPT - 60
    os.utime(file, (long_ago, long_ago))
    providers.sweep(frozenset({DIGEST}))
    assert file.exists()
    providers.drop(DIGEST)
    providers.sweep(frozenset())
    assert file.exists()  # a cluster that drains still names it
    os.utime(file, (long_ago, long_ago))
    providers.sweep(frozenset())
    assert not file.exists()
    providers.drop(DIGEST)


def test_a_provider_is_reached_when_it_proves_who_it_is(tmp_path: Path) -> None:
    (other := tmp_path / "other").mkdir()
    with Api(tmp_path) as api, Api(other) as stranger:
        providers = Providers(tmp_path, tmp_path / "state")
        there = f"https://localhost:{api.port}"
        assert providers.reach(declared(there), 10.0) == (True, f"localhost:{api.port} can be reached")
        ok, why = providers.reach(declared(there, ca_file=str(stranger.ca)), 10.0)
        assert not ok and "does not prove who it is" in why
        assert api.asked == []  # no call that costs
        port = api.port
    ok, why = providers.reach(declared(f"https://localhost:{port}"), 10.0)
    assert not ok and f"no connection to localhost:{port}" in why
    assert providers.link(DIGEST, declared(name="bedrock")) is None


def test_an_instance_of_a_provider_is_found_by_the_next_controller_and_gone_when_it_is_stopped(
    providers: Providers, tmp_path: Path
) -> None:
    def runtime() -> WithProviders:
        return WithProviders(ProcessRuntime(RuntimeSettings(), "test", tmp_path), providers.instances, providers)

    first, hints = runtime(), list[int]()
    first.watch(lambda: hints.append(1))
    workload = Workload("chat", "1.0.0", DIGEST, 0, Runtime(), provider=declared("https://localhost:8443"))
    first.start(workload)
    first.start(workload)
    assert hints
    first.close()
    again = runtime()
    [one] = again.observe()
    assert (one.name, one.digest, one.address, one.running) == (workload.name, DIGEST, ("localhost", 8443), True)
    (tmp_path / "key").write_text("sk-another")
    again.observe()
    assert b"sk-another" in file_of(providers, declared()).read_bytes()
    (tmp_path / "key").unlink()
    assert again.observe() == [one]  # it goes on with the key that it has
    again.stop(workload.name, 0.0)
    again.stop(workload.name, 0.0)
    assert again.observe() == []
    again.close()


BAD = {
    "half": "{",
    "list": "[]",
    "bare": "{}",
    "newer": '{"format": 2}',
    "moved": '{"format": 1, "name": "another"}',
    "odd": '{"format": 1, "name": "odd", "provider": {"name": "openai", "unheard": "of"}}',
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_record_is_told_and_hides_no_other(providers: Providers, tmp_path: Path, name: str) -> None:
    runtime = WithProviders(ProcessRuntime(RuntimeSettings(), "test", tmp_path), providers.instances, providers)
    workload = Workload("chat", "1.0.0", DIGEST, 0, Runtime(), provider=declared("https://localhost:8443"))
    runtime.start(workload)
    file = file_of(providers, declared())
    long_ago = time.time() - KEPT - 60
    other = file.with_name("of-the-bad-one.json")
    other.write_bytes(b"{}")
    os.utime(other, (long_ago, long_ago))
    (providers.instances / f"{name}.json").write_text(BAD[name])
    assert [one.name for one in runtime.observe()] == [workload.name]
    trouble = runtime.trouble
    assert trouble is not None and f"{name}: its record cannot be read" in trouble.message
    assert trouble.where == str(providers.instances / f"{name}.json") and trouble.fix
    assert other.exists()  # nobody knows whose credential it is
    (providers.instances / f"{name}.json").unlink()
    assert [one.name for one in runtime.observe()] == [workload.name] and runtime.trouble is None
    assert not other.exists()

    (providers.instances / f"{workload.name}.json").write_text(BAD[name])
    assert runtime.observe() == [] and runtime.trouble is not None
    runtime.start(workload)  # as the fleet does with what is gone
    assert [one.name for one in runtime.observe()] == [workload.name] and runtime.trouble is None
    runtime.close()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"file": "key"', '"file": "nowhere"', "the credential file:nowhere of openai is not there"),
        ('"file": "key"', '"file": "../other"', "the credential file:../other is kept back"),
        ('"name": "openai"', '"name": "bedrock"', "bedrock cannot be served"),  # as another Tidegate's table has it
    ],
)
def test_an_instance_without_its_credential_is_told_and_goes_on_and_the_others_get_theirs(
    providers: Providers, tmp_path: Path, old: str, new: str, said: str
) -> None:
    runtime = WithProviders(ProcessRuntime(RuntimeSettings(), "test", tmp_path), providers.instances, providers)
    there = declared("https://localhost:8443")
    first, second = (
        Workload("chat", version, letter * 64, 0, Runtime(), provider=there)
        for version, letter in (("1.0.0", "a"), ("2.0.0", "b"))
    )
    runtime.start(first)
    runtime.start(second)
    record = providers.instances / f"{first.name}.json"
    record.write_text(record.read_text().replace(old, new))
    (tmp_path / "key").write_text("sk-another")
    assert len(runtime.observe()) == 2
    assert runtime.trouble is not None
    assert f"{first.name}: it goes on with the credential that it has: {said}" in runtime.trouble.message
    links = [providers.link(one.digest, there) for one in (first, second)]
    kept, renewed = (Path(link.credential).read_bytes() for link in links if link is not None)
    assert KEY.encode() in kept and b"sk-another" in renewed
    (tmp_path / "key").unlink()
    runtime.observe()
    assert "2 of 2 instances of providers have trouble, the first is chat-1.0.0" in runtime.trouble.message
    runtime.close()


def test_a_disk_that_takes_nothing_is_told_as_such(providers: Providers, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("no folder")
    with pytest.raises(NeedsPerson, match="cannot be written"):
        providers.supply(DIGEST, declared())


def test_a_prompt_for_anthropic_is_a_member_of_the_body_and_no_message(providers: Providers) -> None:
    link = providers.link(DIGEST, declared(name="anthropic", timeout="2m"))
    config = InferenceConfig.model_validate({
        "api": "tidegate/v1", "kind": "InferenceConfig", "model": "chat", "name": "default",
        "parameters": {"max_tokens": 64}, "system_prompt": "Be brief.",
    })  # fmt: skip
    model = Model.model_validate({
        "api": "tidegate/v1", "kind": "Model", "name": "chat", "summary": "x", "owners": ["a"], "protocol": "openai",
    })  # fmt: skip
    version = ModelVersion.model_validate({
        "api": "tidegate/v1", "kind": "ModelVersion", "model": "chat", "version": "1.0.0", "reason": "x",
        "provider": declared(name="anthropic").model_dump(),
    })  # fmt: skip
    release = Release("chat", "1.0.0", "default", DIGEST, DIGEST, "c" * 40)
    arm = arm_of(TrafficArm(release, "stable", 1_000_000), model, Entry(model, version, config), link)
    assert arm.body == {"max_tokens": 64, "system": "Be brief."} and arm.prompt is None
    assert link is not None and (link.header, dict(link.headers)) == ("x-api-key", {"anthropic-version": "2023-06-01"})
    upstream = upstream_of(arm, (("api.example.com", 443),) * 2)
    assert upstream.endpoints == (("api.example.com", 443),) and upstream.timeout == 120.0
    page = Page((Route("chat", None, (arm,)),), {upstream.name: upstream})
    assert check.problem(page.routes, page.upstreams.values()) is None
    [only] = cluster.of_page(page).values()
    assert b"api.example.com" in only and b"x-api-key" in only and KEY.encode() not in only
