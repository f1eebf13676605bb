"""A real language model behind everything: llama.cpp's own server with SmolLM2, prompts and sampling as releases."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from support import declare
from support.others import ROOT, artifact, servers_python, weights
from support.traffic import Traffic
from support.world import World
from tidegate.engine.settings import load_settings
from tidegate.runtime.select import open_runtime

QUESTION = {"model": "assistant", "messages": [{"role": "user", "content": "Tell me about the sea."}]}
SAMPLING = {"top_p": 0.95, "top_k": 40, "min_p": 0.05, "max_tokens": 12, "cache_prompt": False}
SHORT = "You answer in one short sentence."
SHOUT = "You answer with the word YES and nothing else."
CONFIG = "models/assistant/configs/default.yaml"
STEPS = [{"name": "half", "weight": "50%", "for": "1s", "min_requests": 5}, {"name": "full", "weight": "100%"}]


def config(prompt: str, temperature: float) -> str:
    """An inference config that names every sampling parameter."""
    parameters = {**SAMPLING, "temperature": temperature}
    return declare.flow(
        "InferenceConfig",
        {"model": "assistant", "name": "default", "parameters": parameters, "system_prompt": prompt},
    )


def chat(world: World, **more: Any) -> httpx.Response:
    """One chat at the address that OpenAI's libraries know."""
    url = f"http://127.0.0.1:{world.port}/v1/chat/completions"
    return httpx.post(url, json={**QUESTION, **more}, timeout=60)


def said(world: World, times: int = 3) -> list[str]:
    """What the model says to the same question."""
    return [chat(world).json()["choices"][0]["message"]["content"] for _ in range(times)]


def streamed(address: tuple[str, int], path: str, body: Mapping[str, Any]) -> tuple[float, float, int]:
    """Seconds to the first word of a streamed answer and to its end, and the number of chunks."""
    connection = http.client.HTTPConnection(*address, timeout=60)
    began = time.monotonic()
    connection.request("POST", path, json.dumps({**body, "stream": True}), {"content-type": "application/json"})
    response = connection.getresponse()
    assert response.status == 200, response.read()
    came = [
        time.monotonic() - began
        for line in iter(response.readline, b"")
        if line.startswith(b"data: {") and json.loads(line[6:])["choices"][0]["delta"].get("content")
    ]
    connection.close()
    return came[0], came[-1], len(came)


def direct(world: World) -> tuple[str, int]:
    """The address of the model server itself."""
    runtime = open_runtime(load_settings(world.settings).runtime, world.instance, world.state)
    try:
        return next(one.address for one in runtime.observe() if one.address)
    finally:
        runtime.close()


@pytest.fixture
def assistant(world: World) -> Iterator[World]:
    """The model, deployed with a prompt at temperature 0, and promoted."""
    world.policy(steps=STEPS, guardrails=[{"metric": "error_rate", "max": 0.2, "min_requests": 5, "immediate": True}])
    compared = {"by": "text", "paths": ["choices[0].message.content"]}
    world.model("assistant", protocol="openai", comparison=compared)
    command = [servers_python(), str(ROOT / "serving/llama.py"), "--model", "${TIDEGATE_ARTIFACT}"]
    runtime = {
        "command": [*command, "--name", "assistant", "--port", "${TIDEGATE_PORT}"],
        "ready": "/health",
        "startup_timeout": "120s",
    }
    world.version("1.0.0", "assistant", artifact=artifact(weights()), runtime=runtime)
    world.write(CONFIG, config(SHORT, 0.0))
    commit = world.deploy("1.0.0", "assistant", config="default")
    world.until("promoted", "assistant", commit=commit, within=120)
    world.wait(lambda: chat(world).status_code == 200, "the first answer", 30)
    yield world


def test_prompts_and_sampling_of_a_real_language_model_are_releases_and_its_server_runs_on(assistant: World) -> None:
    world = assistant
    before = world.running("assistant")
    cold = said(world)
    assert len(set(cold)) == 1, "temperature 0"
    answer = chat(world)
    assert answer.json()["model"] == "assistant"
    assert answer.headers["x-tidegate-release"] == world.route("assistant")["stable"]["release"][:12]
    assert chat(world, temperature=2.0).json()["choices"][0]["message"]["content"] == cold[0], "the release decides"

    with Traffic(world.port, "/v1/chat/completions", clients=1, body=QUESTION) as users:
        world.write(CONFIG, config(SHORT, 0.9))
        commit = world.commit("A warmer assistant")
        world.until("promoted", "assistant", commit=commit, within=60)
        warm = said(world, 4)
        moment = time.time()
        world.revert(commit)
        world.until("fast_rollback", "assistant", since=moment)
        world.wait(lambda: set(said(world)) == set(cold), "the answers of before")

        world.policy("mirrored", steps=[{"name": "mirror", "shadow": "100%", "for": "600s"}, *STEPS])
        world.write(CONFIG, config(SHOUT, 0.0))
        commit = world.deploy("1.0.0", "assistant", config="default", policy="mirrored")
        world.until("step", "assistant", commit=commit)
        told = world.wait(lambda: pairs(world, 3), "answers that were compared", 60)
        first, last, chunks = streamed(
            ("127.0.0.1", world.port), "/v1/chat/completions", {**QUESTION, "max_tokens": 64}
        )
        assert set(said(world)) == set(cold), "the shadow's answers go to nobody"
        assert not users.failed()
    assert len(set(warm)) > 1, "temperature 0.9"
    assert told["agreement"] < 1.0, told
    body = {**QUESTION, **SAMPLING, "temperature": 0.0}
    alone = streamed(direct(world), "/v1/chat/completions", body)
    print(f"first word after {first * 1000:.0f} ms of {last * 1000:.0f} ms; direct {alone[0] * 1000:.0f} ms")
    assert chunks > 4
    assert last - first > 0.2 * last, "the stream came in one piece"
    assert world.running("assistant") == before, "a server was touched"


def pairs(world: World, number: int) -> dict[str, Any] | None:
    """What `tidegate shadow` says, once it has compared so many pairs of answers."""
    done = world.cli("shadow", "assistant", "--format", "json")
    report: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {"pairs": 0}
    return report if report["pairs"] >= number else None
