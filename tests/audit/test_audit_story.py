"""One story with real Envoy, git and servers: who answered, sealed and anchored, asked from the command line, tampered with."""

from __future__ import annotations

import http.client
import json
import time
from datetime import UTC, datetime
from typing import Any

from support.traffic import Reply
from support.world import Make, World
from tidegate.gateway.record import FIELDS

SECRET = "open-sesame"


def private(world: World) -> None:
    """Requests whose query, headers, body and path have something that is nobody's business."""
    headers = {"authorization": f"Bearer {SECRET}", "x-user-id": SECRET, "cookie": SECRET, "user-agent": SECRET}
    for path in (f"/digits/infer?token={SECRET}", f"/nowhere/{SECRET}?token={SECRET}"):
        connection = http.client.HTTPConnection("127.0.0.1", world.port, timeout=10)
        connection.request("POST", path, body=json.dumps({"text": SECRET}), headers=headers)
        connection.getresponse().read()
        connection.close()


def test_who_answered_is_told_from_the_tail_and_from_the_archive_and_a_flipped_byte_is_named(make_world: Make) -> None:
    world = make_world(start=False)
    world.configure(record={"rotate": {"after": "1s"}})
    world.policy(steps=[{"name": "half", "weight": "50%", "for": "10m"}])
    world.start()
    world.begin()
    before = time.time()
    world.version("1.1.0")
    asked = world.deploy("1.1.0")
    private(world)
    sent = datetime.now(UTC).isoformat()
    with world.traffic(clients=2, pause=0.01) as users:
        world.until("step", step="half")
        began = time.time()
        world.wait(lambda: {"1.0.0", "1.1.0"} <= {reply.version for reply in users.since(began)}, "answers of both")
        _says_who_answered(world, users.since(began), asked)
        archived = world.wait(
            lambda: (world.live()["record"]["archive"] or {}).get("anchored") and world.live()["record"]["archive"],
            "the archive to be anchored",
            60,
        )
    assert archived["lines"] > 0
    answers = {reply.request_id: reply.release for reply in users.replies if reply.status}
    record = world.wait(lambda: _all(world, len(answers)), "every answer to be on record")
    kept = [(one["request_id"], one["release"]) for one in record if one["time"] > sent]
    assert sorted(kept) == sorted(answers.items()), "one line an answer, and the release is the one that it named"
    assert world.live()["record"]["losses"] == []
    assert all(tuple(one) == (*FIELDS, "elapsed_ms") for one in record)
    assert SECRET not in (world.folder / "all.jsonl").read_text()

    _past_is_known(world, before)
    world.kill()
    _tampering_is_named(world)


def _exported(world: World) -> list[dict[str, Any]]:
    """The whole record, by the command."""
    file = world.folder / "all.jsonl"
    done = world.cli("audit", "export", "--output", str(file))
    lines = [json.loads(text) for text in file.read_text().splitlines()]
    assert done.stdout == f"{len(lines):,} answers written to {file}\n"
    return lines


def _all(world: World, number: int) -> list[dict[str, Any]] | None:
    """The whole record, once it has so many lines."""
    found = _exported(world)
    return found if len(found) >= number else None


def _says_who_answered(world: World, replies: list[Reply], asked: str) -> None:
    for version, role in (("1.0.0", "stable"), ("1.1.0", "candidate")):
        reply = next(one for one in replies if one.version == version)
        said = world.wait(lambda reply=reply: _answers(world, reply.request_id), "the line to be written")[0]
        assert (said["record"]["version"], said["record"]["role"]) == (version, role)
        assert said["record"]["release"] == reply.release
        declared = said["declared"]
        assert declared["digest"].startswith(reply.release)
        assert len(declared["artifact"]["sha256"]) == 64
        assert declared["policy"] == "fast"
    assert declared["commit"]["id"] == asked
    text = world.cli("audit", reply.request_id).stdout
    assert f"answered 200 by digits 1.1.0 ({reply.release}) as candidate" in text
    assert declared["digest"] in text
    assert declared["artifact"]["sha256"] in text


def _answers(world: World, request_id: str) -> list[dict[str, object]]:
    return list(world.facts("audit", request_id)["answers"])


def _past_is_known(world: World, before: float) -> None:
    now, then = world.facts("at", "0s"), world.facts("at", datetime.fromtimestamp(before, UTC).isoformat())
    [digits] = now["routes"]
    assert (digits["stable"]["version"], digits["candidate"]["version"], digits["step"]) == ("1.0.0", "1.1.0", "half")
    assert set(digits["weights"].values()) == {50.0}
    assert (then["routes"][0]["stable"]["version"], then["routes"][0]["candidate"]) == ("1.0.0", None)
    assert world.cli("at", "1000d").returncode == 1
    settings, state = world.settings.read_text(), str(world.state)
    world.settings.write_text(settings.replace(state, f"{state}-of-a-laptop"))
    [alone] = world.facts("at", "0s")["routes"]
    world.settings.write_text(settings)
    assert (alone["source"], alone["stable"]["version"], alone["weights"]) == ("git notes", "1.0.0", None)
    assert alone["stable"] == digits["stable"]
    text = world.cli("at", "0s").stdout
    assert "stable     1.0.0" in text
    assert "candidate  1.1.0" in text


def _tampering_is_named(world: World) -> None:
    intact = world.cli("audit", "verify", "--lines")
    assert intact.returncode == 0, intact.stdout
    assert "git vouches for the first" in intact.stdout
    segment = sorted((world.state / "archive").glob("day=*/*.parquet"))[0]
    content = segment.read_bytes()
    segment.chmod(0o600)
    segment.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    broken = world.cli("audit", "verify")
    assert broken.returncode == 1
    assert broken.stdout.startswith(
        f"BROKEN first at link 1, {segment.parent.name}/{segment.name} of {segment.parent.name[4:]}: "
    )
    segment.write_bytes(content)
    missing = world.cli("audit", "00000000-0000-4000-8000-000000000000")
    assert missing.returncode == 1
    assert "is not in the record; the record goes back to" in missing.stderr
    refused = world.cli("audit", "my-request")
    assert refused.returncode == 2
    assert "x-request-id" in refused.stderr
    plan = world.facts("gc")
    assert (plan["applied"], plan["waste"]) == (False, [])
    assert any("no policy says `retire`" in text for text in plan["left"])
    world.configure(record={"keep": "1s"})
    shown = world.cli("gc")
    assert "older than record.keep, 1s" in shown.stdout
    assert shown.stdout.splitlines()[-1].endswith("MB: tidegate gc --apply")
    assert segment.exists(), "what is shown is not removed"
    assert world.facts("gc", "--apply")["applied"]
    after = world.facts("audit", "verify")
    assert (after["intact"], after["segments"]) == (True, 0)
    assert after["removed"] > 0
    assert not segment.exists()
