"""A release that a provider serves: canaried like any other, beside servers of ours, and its credential seen by nobody else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from support import declare
from support.provider import Provider
from support.traffic import Traffic
from support.world import Make, World
from support.written import written

CHAT = "/digits/v1/chat/completions"
BODY = {"messages": [{"role": "user", "content": "Tides?"}]}
FIRST, SECOND = "sk-proj-first-0123456789abcdef", "sk-proj-second-0123456789abcdef"
MODEL = "gpt-4o-2024-08-06"


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    with Provider(tmp_path, key=FIRST) as made:
        yield made


def declared(provider: Provider, version: str = "2.0.0", **more: Any) -> str:
    """A version that this provider serves, its credential in a file beside tidegate.yaml."""
    fields = {
        "name": "openai",
        "model": MODEL,
        "endpoint": f"https://localhost:{provider.port}",
        "credential": {"file": "key"},
        "ca_file": str(provider.ca),
        **more,
    }
    named = {"model": "digits", "version": version, "reason": "For the test.", "provider": fields}
    return declare.flow("ModelVersion", named)


def ask(world: World, **more: Any) -> Any:
    """One chat, as a user with a key of its own sends it."""
    return Traffic(world.port, CHAT, {"authorization": "Bearer mine"}, body={**BODY, **more}, clients=1)


def chat(world: World, **more: Any) -> tuple[int, bytes]:
    """Status and body of one chat."""
    with ask(world, **more) as user:
        user.more(1)
    return user.replies[0].status, user.replies[0].body


def holding(folder: Path, secrets: Mapping[str, bytes]) -> set[str]:
    """The files below a folder in which one of these texts stands."""
    return {name for name, content in written(folder) if any(secret in content for secret in secrets.values())}


def test_a_release_of_a_provider_goes_out_and_comes_back_as_any_other(make_world: Make, provider: Provider) -> None:
    world = make_world(start=False)
    allowed = {"address": f"https://localhost:{provider.port}", "file": "key"}
    world.configure(providers={"credentials": [allowed]})
    world.start()
    world.begin(protocol="openai")
    world.write("models/digits/versions/2.0.0.yaml", declared(provider))
    with ask(world) as users:
        commit = world.deploy("2.0.0")
        world.wait(
            lambda: "the credential file:key of openai is not there" in str(world.route()), "the status to say so"
        )
        assert provider.asked == [] and "rolled_back" not in world.kinds()
        key = world.folder / "key"
        key.write_text(f"{FIRST}\n")
        world.until("promoted", commit=commit)
        assert not users.failed()
    steps = [one["step"] for one in world.events() if one["kind"] == "step" and one["commit"] == commit]
    assert steps == ["canary", "half", "full"]
    seen = {(one["headers"]["authorization"], one["body"]["model"], one["path"]) for one in provider.asked}
    assert seen == {(f"Bearer {FIRST}", MODEL, "/v1/chat/completions")}

    provider.go.set()
    status, stream = chat(world, stream=True)
    assert status == 200 and stream.startswith(b"data: ") and stream.endswith(b"data: [DONE]\n\n")

    provider.key = SECOND
    status, body = chat(world)
    assert status == 502 and "refuses the credential of this release (401)" in json.loads(body)["error"]
    key.write_text(SECOND)
    world.wait(lambda: chat(world)[0] == 200, "the new credential to be taken")

    provider.answers_as = "gpt-4o-2024-11-20"
    assert chat(world)[0] == 200
    world.wait(lambda: f"'gpt-4o-2024-11-20' instead of '{MODEL}'" in world.problems(), "the other model to be told")
    meter = world.route()["meters"][world.route()["stable"]["release"]]
    assert meter["wrong_model"] == 1 and meter["tokens"] == 17 * meter["counted"] > 0

    assert world.stop() == 0  # a new controller finds the release as it finds its servers
    before = len(world.events())
    world.start()
    with ask(world) as users:
        users.more(5)
        back = world.revert(commit)
        world.until("fast_rollback", commit=back)
        world.wait(lambda: chat(world)[1].startswith(b'{"version": "1.0.0"'), "the servers to answer again")
    assert not users.failed()
    assert "degraded" not in [one["kind"] for one in world.events()[before:]]

    secrets = {"first": FIRST.encode(), "second": SECOND.encode()}
    kept = holding(world.folder, secrets)
    assert {name for name in kept if not name.startswith("state/providers/credentials/")} == {"key"}
    assert all((world.folder / name).stat().st_mode & 0o777 == 0o600 for name in kept - {"key"})
    told = world.cli("status").stdout + world.cli("events", "digits").stdout + world.cli("doctor").stdout
    assert not any(secret.decode() in told for secret in secrets.values())
