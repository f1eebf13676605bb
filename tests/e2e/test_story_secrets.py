"""No secret stands where somebody reads: a whole story with every kind of credential, then a look at all that it has left."""

from __future__ import annotations

import hashlib
import http.client
import subprocess
from collections.abc import Iterator
from pathlib import Path

import orjson

from support.engine import free_port
from support.world import Make, World
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
}
"""Long enough that none stands anywhere by chance."""


def left_behind(world: World) -> Iterator[tuple[str, bytes]]:
    """All that a controller writes, says and pushes, by where it stands."""
    for file in world.folder.rglob("*"):
        if file.is_file() and file.parent.name != "secrets":
            yield str(file.relative_to(world.folder)), file.read_bytes()
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


def test_no_secret_stands_in_what_a_controller_writes_says_or_pushes(make_world: Make) -> None:
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
    keys = [{"name": "checkout", "sha256": digest, "routes": ["digits"]}]
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
    found = [(name, where) for name, secret in SECRETS.items() for where in left if secret.encode() in left[where]]
    assert found == []
    assert load_settings(world.settings).gateway.callers == str(callers)
