"""A real language model behind everything: llama.cpp's own server with SmolLM2, prompts and sampling as releases."""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from support import declare
from support.others import ROOT, artifact, servers_python, weights
from support.traffic import Traffic
from support.world import Make, World
from tidegate.gateway.record import Cursor, RecordReader

QUESTION = {"model": "assistant", "messages": [{"role": "user", "content": "Tell me about the sea."}]}
SAMPLING = {"top_p": 0.95, "top_k": 40, "min_p": 0.05, "max_tokens": 12, "cache_prompt": False}
SHORT = "You answer in one short sentence."
SHOUT = "You answer with the word YES and nothing else."
PIRATE = "You are a pirate who has sailed all seas. You answer in one short sentence, as pirates do."
CONFIG = "models/assistant/configs/default.yaml"
STEPS = [{"name": "half", "weight": "50%", "for": "1s", "min_requests": 5}, {"name": "full", "weight": "100%"}]


def config(prompt: str, temperature: float, **more: Any) -> str:
    """An inference config that names every sampling parameter."""
    parameters = {**SAMPLING, "temperature": temperature, **more}
    return declare.flow(
        "InferenceConfig",
        {"model": "assistant", "name": "default", "parameters": parameters, "system_prompt": prompt},
    )


def chat(world: World, **more: Any) -> httpx.Response:
    """One chat at the address that OpenAI's libraries know."""
    url = f"http://127.0.0.1:{world.port}/v1/chat/completions"
    return httpx.post(url, json={**QUESTION, **more}, timeout=60)


def said(world: World, times: int) -> list[str]:
    """What the model says to the same question."""
    return [chat(world).json()["choices"][0]["message"]["content"] for _ in range(times)]


@dataclass(frozen=True)
class Stream:
    """A streamed chat: epoch seconds of its begin, seconds from it to the first and the last word, its request id."""

    began: float
    first: float
    last: float
    chunks: int
    request: str


def streamed(world: World) -> Stream:
    """One, read word by word."""
    connection = http.client.HTTPConnection("127.0.0.1", world.port, timeout=60)
    began = time.time()
    body = json.dumps({**QUESTION, "stream": True, "stream_options": {"include_usage": True}})
    connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
    response = connection.getresponse()
    assert response.status == 200, response.read()
    came = [
        time.time() - began
        for line in iter(response.readline, b"")
        if line.startswith(b"data: {")
        for choice in json.loads(line[6:])["choices"]
        if choice["delta"].get("content")
    ]
    connection.close()
    return Stream(began, came[0], came[-1], len(came), str(response.getheader("x-request-id")))


def deploy(world: World) -> None:
    """The model, deployed with a prompt at temperature 0, and promoted."""
    world.policy(steps=STEPS, guardrails=[{"metric": "error_rate", "max": 0.2, "min_requests": 5, "immediate": True}])
    compared = {"by": "text", "paths": ["choices[0].message.content"]}
    world.model("assistant", protocol="openai", comparison=compared)
    if world.kind == "docker":
        server = ["python3", "/opt/serving/llama.py", "--host", "0.0.0.0"]
    else:
        server = [servers_python(), str(ROOT / "serving/llama.py")]
    command = [*server, "--model", "${TIDEGATE_ARTIFACT}", "--name", "assistant", "--port", "${TIDEGATE_PORT}"]
    runtime = {"command": command, "ready": "/health", "startup_timeout": "120s", "keep_alive": False}
    world.version("1.0.0", "assistant", artifact=artifact(weights()), runtime=runtime)
    world.write(CONFIG, config(SHORT, 0.0))
    commit = world.deploy("1.0.0", "assistant", config="default")
    world.until("promoted", "assistant", commit=commit, within=120)
    world.wait(lambda: chat(world).status_code == 200, "the first answer")


def test_a_prompt_is_canaried_and_taken_back_while_the_models_container_runs_on(
    make_world: Make, llama_image: str
) -> None:
    world = make_world("docker")
    world.image = llama_image
    deploy(world)
    before = world.running("assistant")
    cold = said(world, 2)
    assert len(set(cold)) == 1, "temperature 0"
    answer = chat(world)
    assert answer.json()["model"] == "assistant"
    first = world.route("assistant")["stable"]["release"][:12]
    assert answer.headers["x-tidegate-release"] == first
    assert chat(world, temperature=2.0).json()["choices"][0]["message"]["content"] == cold[0], "the release decides"

    with Traffic(world.port, "/v1/chat/completions", clients=1, body=QUESTION) as users:
        world.write(CONFIG, config(PIRATE, 0.9))
        commit = world.commit("The assistant talks like a pirate, and warmly")
        world.until("promoted", "assistant", commit=commit)
        warm = said(world, 3)
        moment = time.time()
        world.revert(commit)
        world.until("fast_rollback", "assistant", since=moment)
        world.wait(lambda: said(world, 1) == cold[:1], "the answers of before")
        users.stop()
    assert not users.failed()
    assert {str(one.release) for one in users.replies} > {first}, "both releases answered"
    old = [one.json for one in users.replies if one.release == first]
    new = [one.json for one in users.replies if one.release != first]
    assert {one["choices"][0]["message"]["content"] for one in old} == set(cold), "the canary changed other answers"
    sizes = [max(one["usage"]["prompt_tokens"] for one in old), min(one["usage"]["prompt_tokens"] for one in new)]
    assert sizes[0] < sizes[1], "the longer prompt did not reach the server"
    assert len(set(warm)) > 1, "temperature 0.9"
    assert world.running("assistant") == before, "a container was touched"


def pairs(world: World, number: int) -> dict[str, Any] | None:
    """What `tidegate shadow` says, once it has compared so many pairs of answers."""
    done = world.cli("shadow", "assistant", "--format", "json")
    report: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {"pairs": 0}
    return report if report["pairs"] >= number else None


def test_a_shadow_that_writes_a_long_answer_delays_no_word_of_a_stream(world: World) -> None:
    deploy(world)
    before = world.running("assistant")
    cold = said(world, 1)
    long = {"max_tokens": 64, "ignore_eos": True}
    world.policy("mirrored", steps=[{"name": "mirror", "shadow": "100%", "for": "600s"}, *STEPS])
    world.write(CONFIG, config(SHOUT, 0.0, **long))
    commit = world.deploy("1.0.0", "assistant", config="default", policy="mirrored")
    world.until("step", "assistant", commit=commit)
    world.wait(lambda: chat(world) and pairs(world, 1), "the first answers that are compared", 60)
    stream = streamed(world)
    shadow = world.wait(lambda: copy_of(world, stream.request), "the shadow's line in the record", 60)
    print(f"first word after {stream.first * 1000:.0f} ms of {stream.last * 1000:.0f} ms; "
          f"the shadow took {shadow['duration_ms']:.0f} ms")  # fmt: skip
    assert stream.chunks > 4
    assert stream.last - stream.first > 0.2 * stream.last, "the stream came in one piece"
    ended = datetime.fromisoformat(shadow["time"]).timestamp() + shadow["duration_ms"] / 1000
    assert stream.began + stream.last < ended, "the user waited for the shadow"
    assert shadow["completion_tokens"] > 3 * stream.chunks, "the shadow has its own parameters"
    told = world.facts("shadow", "assistant")
    assert told["agreement"] < 1.0, told
    assert said(world, 1) == cold, "the shadow's answers go to nobody"
    assert world.running("assistant") == before, "a server was touched"


def copy_of(world: World, request: str) -> dict[str, Any] | None:
    """The record's line of the shadow's answer to a request."""
    found, _ = RecordReader(world.state / "gateway/record/predictions.jsonl").read(Cursor())
    return next((one for one in found if one["request_id"] == request and one["role"] == "shadow"), None)
