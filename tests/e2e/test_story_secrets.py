"""No secret stands where somebody reads: a whole story with every kind of credential, then a look at all that it has left."""

from __future__ import annotations

import hashlib
import http.client
import subprocess
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from support import declare
from support.engine import free_port
from support.provider import Provider
from support.world import Make, World
from support.written import written
from tidegate.engine.settings import load_settings
from tidegate.gateway.admin import Admin
from tidegate.gateway.bootstrap import ADMIN_SOCKET

SECRETS = {
    "key": "sk-caller-5f1d9a77c3b04e21",
    "stranger": "sk-stranger-0b9e7d55a1c24f68",
    "webhook secret": "hook-7c62e1b4d9f84a03",
    "token": "token-3e8a6f20b7d54c19",
    "alert address": "alert-91c4b7e2f6a05d38",
    "password": "git-d27f4a8e6b1c9035",
    "provider's key": "sk-provider-6d3b0f8c2e5a4719",
}
"""Long enough that none stands anywhere by chance."""


def left_behind(world: World) -> Iterator[tuple[str, bytes]]:
    """All that a controller writes, says and pushes, by where it stands."""
    yield from (found for found in written(world.folder) if Path(found[0]).parent.name != "secrets")
    for repository in (world.remote, world.state / "repository.git"):
        words = ["git", "cat-file", "--batch-all-objects", "--batch"]
        yield (
            f"git objects of {repository.name}",
            subprocess.run(words, cwd=repository, capture_output=True, check=True).stdout,
        )
    folder = world.state / "gateway"
    for page in ("/config_dump?include_eds", "/stats", "/server_info", "/clusters", "/runtime"):
        yield f"Envoy's {page}", Admin(folder / ADMIN_SOCKET).call("GET", page)[1]
    pid = orjson.loads((folder / "envoy.json").read_bytes())["pid"]
    yield "Envoy's command line", Path(f"/proc/{pid}/cmdline").read_bytes()
    for word in ("status", "doctor"):  # the others tell of the journal and of logs, which are among the files
        done = world.cli(word)
        yield f"tidegate {word}", (done.stdout + done.stderr).encode()


def provided(world: World, provider: Provider) -> None:
    """A model behind an API goes out, answers, and is then refused by its provider, whose words have the key in them."""
    world.model("chat", protocol="openai")
    fields = {
        "name": "openai",
        "model": "gpt-4o-2024-08-06",
        "endpoint": f"https://localhost:{provider.port}",
        "credential": {"env": "CHAT_API_KEY"},
        "ca_file": str(provider.ca),
    }
    version = {"model": "chat", "version": "1.0.0", "reason": "For the test.", "provider": fields}
    world.write("models/chat/versions/1.0.0.yaml", declare.flow("ModelVersion", version))
    world.until("promoted", "chat", commit=world.deploy("1.0.0", "chat"))

    def chat() -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", world.port, timeout=10)
        try:
            headers = {"authorization": f"Bearer {SECRETS['key']}", "content-type": "application/json"}
            body = orjson.dumps({"messages": [{"role": "user", "content": "Tides?"}]})
            connection.request("POST", "/chat/v1/chat/completions", body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    world.wait(lambda: chat()[0] == 200, "the provider to answer")
    mine, provider.key = provider.key, "sk-another"
    status, body = chat()
    assert status == 502 and mine.encode() not in body
    assert provider.asked[-1]["headers"]["authorization"] == f"Bearer {mine}"
    assert not any(SECRETS["key"] in str(one) for one in provider.asked), "a caller's key is for the gateway alone"


def test_no_secret_stands_in_what_a_controller_writes_says_or_pushes(
    make_world: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT_API_KEY", SECRETS["provider's key"])
    world = make_world(start=False)
    api, nobody = free_port(), free_port()
    folder = world.folder / "secrets"
    folder.mkdir(mode=0o700)
    named = {name: folder / name.replace(" ", "-") for name in ("webhook secret", "token", "alert address")}
    for name, file in named.items():
        file.write_text(SECRETS[name])
    named["alert address"].write_text(f"json://user:{SECRETS['alert address']}@127.0.0.1:{nobody}/")
    callers = world.folder / "callers.yaml"  # not among the secrets: it has none
    digest = hashlib.sha256(SECRETS["key"].encode()).hexdigest()
    keys = [{"name": "checkout", "sha256": digest, "routes": ["digits", "chat"]}]
    callers.write_bytes(orjson.dumps({"api": "tidegate/v1", "kind": "Callers", "keys": keys}))
    callers.chmod(0o600)
    settings = {
        "gateway": {
            "address": f"127.0.0.1:{world.port}",
            "flush": "20ms",
            "concurrency": 1,
            "callers": "callers.yaml",
        },
        "server": {
            "address": f"127.0.0.1:{api}",
            "webhook_secret": {"file": str(named["webhook secret"])},
            "tokens": [{"file": str(named["token"])}],
        },
        "notify": [f"file:{named['alert address']}"],
    }
    world.configure(**settings)
    world.start()
    world.model()
    world.version("1.0.0")
    world.until("promoted", commit=world.deploy("1.0.0"))
    key = {"authorization": f"Bearer {SECRETS['key']}"}
    world.wait(lambda: world.ask(headers=key).status == 200, "the gateway to answer")
    with Provider(tmp_path, key=SECRETS["provider's key"]) as provider:
        provided(world, provider)
    known = callers.read_bytes()
    callers.write_text("api: tidegate/v1\nkind: Callers\n")
    world.wait(lambda: "it is not said who may call" in world.problems(), "a broken file to be told")
    assert world.ask(headers=key).status == 200, "the keys from before go on"
    callers.write_bytes(known)
    world.wait(lambda: "who may call" not in world.problems(), "all to be well again")
    for header, value in (("authorization", f"Bearer {SECRETS['stranger']}"), ("x-api-key", SECRETS["stranger"])):
        assert world.ask(headers={header: value}).status == 401

    def post(path: str, headers: dict[str, str]) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", api, timeout=10)
        try:
            connection.request("POST" if path == "/webhook" else "GET", path, headers=headers)
            return connection.getresponse().status
        finally:
            connection.close()

    assert post("/webhook", {"x-hub-signature-256": f"sha256={SECRETS['stranger']}"}) == 401
    assert post("/api/status", {"authorization": f"Bearer {SECRETS['token']}"}) == 200
    assert post("/api/status", {"authorization": f"Bearer {SECRETS['stranger']}"}) == 401
    with world.traffic(headers=key) as users:
        world.version("1.1.0", env={"ERROR_RATE": "0.9"})
        world.until("rolled_back", commit=world.deploy("1.1.0"))
        users.wait_for("1.0.0", 0)
    world.wait(lambda: "did not take the message" in world.problems(), "an alert that reaches nobody")
    record = world.state / "gateway" / "record" / "predictions.jsonl"
    world.wait(lambda: b'"caller":"checkout"' in record.read_bytes(), "the record to name the caller")

    world.stop()
    world.configure(**settings, repository=f"http://bot:{SECRETS['password']}@127.0.0.1:{nobody}/models.git")
    world.spawn()
    world.wait(lambda: "unable to access" in world.problems(), "the remote to be missed")
    left = dict(left_behind(world))
    assert len(left) > 30 and all(left[name] for name in left if name.startswith(("git", "Envoy", "tidegate ")))
    assert digest.encode() in left["Envoy's /config_dump?include_eds"], "the dump says what it should"
    left["tidegate.yaml"] = b""  # where the last of them was written by hand
    [handed] = [where for where in left if where.startswith("state/providers/credentials/")]
    assert SECRETS["provider's key"].encode() in left.pop(handed), "Envoy reads it there, and nobody else can"
    assert (world.folder / handed).stat().st_mode & 0o777 == 0o600
    found = [(name, where) for name, secret in SECRETS.items() for where in left if secret.encode() in left[where]]
    assert found == []
    assert load_settings(world.settings).gateway.callers == str(callers)
