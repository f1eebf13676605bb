"""What a server will fetch by name, read from the ways in which people start servers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from example_repo import example
from hypothesis import given
from hypothesis import strategies as st

from tidegate.rules.context import Context
from tidegate.rules.pins.launch import read
from tidegate.rules.registry import BY_ID
from tidegate.spec.declared import load
from tidegate.spec.version import Runtime

COMMIT = "507a3991d874042a92e7581eb6e7cc7074b0c77e"
HUB = ("--revision", COMMIT)
TOKENIZER = ("--tokenizer-revision", COMMIT)
IMAGE = "registry.example.com/{}@sha256:" + "5a" * 32
RULES = ("floating-revision", "tokenizer-revision", "remote-code")


def told(command: Sequence[str] = (), env: Mapping[str, str] | None = None, image: str = "serve") -> list[str]:
    """What the three rules find in a runtime, each as `rule: what stands at the place of the finding`."""
    files = example()
    path = "models/digits/versions/2.0.0.yaml"
    head, _, rest = files[path].decode().partition("runtime:\n")
    tail = rest[rest.index("code:\n") :]
    lines = [f"  image: {IMAGE.format(image)}"]
    lines += ["  command:", *(f"    - {word!r}" for word in command)] if command else []
    lines += ["  env:", *(f"    {name}: {value!r}" for name, value in env.items())] if env else []
    text = f"{head}runtime:\n" + "\n".join(lines) + f"\n{tail}"
    declared = load({path: text.encode()}, None)
    assert not declared.problems
    context = Context(declared, {path: text.encode()})
    found = [finding for rule in RULES for finding in BY_ID[rule].check(context)]
    rows = text.split("\n")
    return [f"{one.rule}: {rows[one.line - 1][one.column - 1 :].strip(chr(39))}" for one in found]


@pytest.mark.parametrize(
    ("command", "at"),
    [
        (("vllm", "serve", "acme/intent"), "acme/intent"),
        (("vllm", "serve", "--dtype", "auto", "acme/intent"), "acme/intent"),
        (("vllm", "serve", "--trust-remote-code=false", "acme/intent", "--revision=main"), "--revision=main"),
        (("python3", "-m", "vllm.entrypoints.openai.api_server", "--model", "acme/intent"), "acme/intent"),
        (("/usr/bin/python3.11", "-u", "-m", "vllm.entrypoints.openai.api_server", "--model=acme/intent"), "--model=acme/intent"),
        (("text-generation-launcher", "--model-id", "acme/intent", "--revision", "v1"), "v1"),
        (("text-embeddings-router", "--model-id", "acme/embed"), "acme/embed"),
        (("python3", "-m", "sglang.launch_server", "--model-path", "acme/intent"), "acme/intent"),
        (("lmdeploy", "serve", "api_server", "acme/intent"), "acme/intent"),
        (("python", "-m", "huggingfaceserver", "--model_id=acme/intent", "--model_name=intent"), "--model_id=acme/intent"),
        (("llama-server", "--hf-repo", "acme/intent-gguf"), "acme/intent-gguf"),
        (("llama-server", "-hf", "acme/intent-gguf:Q4_K_M"), "acme/intent-gguf:Q4_K_M"),
        (("llama-server", "-mu", "https://models.example.com/a.gguf"), "https://models.example.com/a.gguf"),
        (("mlflow", "models", "serve", "-m", "models:/intent@champion"), "models:/intent@champion"),
        (("bentoml", "serve", "intent:latest"), "intent:latest"),
        (("ollama", "run", "llama3.2:3b"), "llama3.2:3b"),
        (("tritonserver", "--model-repository=s3://models/intent"), "--model-repository=s3://models/intent"),
        (("vllm", "serve", "s3://models/intent/"), "s3://models/intent/"),
        (("sh", "-c", "exec vllm serve acme/intent --port 80"), "exec vllm serve acme/intent --port 80"),
        (("bash", "-ec", "vllm serve 'acme/intent"), "vllm serve 'acme/intent"),
        (("vllm", "serve", "acme/intent", "--revision", "507a399", *TOKENIZER), "507a399"),
        (("vllm", "serve", "${TIDEGATE_ARTIFACT}", "--tokenizer", "acme/intent"), "acme/intent"),
        (("vllm", "serve", "${TIDEGATE_ARTIFACT}", "--enable-lora", "--lora-modules", "a=acme/lora"), "a=acme/lora"),
    ],
)  # fmt: skip
def test_what_a_command_fetches_unpinned_is_found_where_it_stands(command: Sequence[str], at: str) -> None:
    found = [one for one in told(command) if one.startswith("floating-revision")]
    assert [one.removeprefix("floating-revision: ").replace('"', "") for one in found] == [at]


@pytest.mark.parametrize(
    "command",
    [
        ("vllm", "serve", "acme/intent", *HUB, *TOKENIZER),
        ("vllm", "serve", "acme/intent", f"--revision={COMMIT}", f"--tokenizer_revision={COMMIT}"),
        ("vllm", "serve", "${TIDEGATE_ARTIFACT}", "--served-model-name", "acme/intent"),
        ("vllm", "serve", "/models/intent"),
        ("vllm", "serve", "./models/intent", "--trust-remote-code"),
        ("vllm", "serve", "acme/intent", *HUB, *TOKENIZER, "--trust-remote-code", "--code-revision", COMMIT),
        ("llama-server", "-m", "${TIDEGATE_ARTIFACT}", "--port", "${TIDEGATE_PORT}"),
        ("llama-server", "-m", "models/intent.gguf"),
        ("mlflow", "models", "serve", "-m", "models:/intent/7"),
        ("mlflow", "models", "serve", "-m", "${TIDEGATE_ARTIFACT}"),
        ("mlserver", "start", "/models"),
        ("bentoml", "serve", "intent:7ocjrkvgbwlc4usv"),
        ("bentoml", "serve", "service:svc"[:7]),
        ("ollama", "serve"),
        ("tritonserver", "--model-repository=/models"),
        ("python3", "-m", "tidegate_serving", "--model", "acme/intent"),
        ("python3", "server.py", "--revision", "main"),
        (),
    ],
)
def test_what_is_pinned_local_or_of_no_known_server_is_left_alone(command: Sequence[str]) -> None:
    assert told(command) == []


def test_an_image_tells_the_server_too() -> None:
    assert told(("--model", "acme/intent"), image="vllm/vllm-openai") == ["floating-revision: acme/intent"]
    assert told(("acme/intent", *HUB, *TOKENIZER), image="vllm/vllm-openai") == []
    assert told(env={"MODEL_ID": "acme/intent"}, image="text-generation-inference") == [
        "floating-revision: acme/intent"
    ]
    assert told(env={"LLAMA_ARG_HF_REPO": "acme/a-gguf:Q8"}, image="llama.cpp") == ["floating-revision: acme/a-gguf:Q8"]
    assert told(env={"MLSERVER_MODEL_URI": "s3://models/a"}, image="mlserver") == ["floating-revision: s3://models/a"]


def test_variables_pin_as_flags_do() -> None:
    env = {"MODEL_ID": "acme/intent", "REVISION": COMMIT}
    assert told(env=env, image="text-generation-inference") == []
    assert told(env=env | {"REVISION": "main"}, image="text-generation-inference") == ["floating-revision: main"]
    assert told(env={"HF_MODEL_ID": "acme/intent"}) == ["floating-revision: acme/intent"]
    assert told(env={"MODEL_ID": "acme/intent"}) == [], "of an unknown server only what says that it is of the hub"


def test_a_server_without_a_network_fetches_nothing() -> None:
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        assert told(("vllm", "serve", "acme/intent", "--trust-remote-code"), {name: "1"}) == []
        assert told(("vllm", "serve", "acme/intent"), {name: "0"}) == ["floating-revision: acme/intent"]


def test_remote_code_needs_a_commit_of_its_own() -> None:
    pinned = ("vllm", "serve", "acme/intent", *HUB, *TOKENIZER, "--trust-remote-code")
    assert told(pinned) == ["remote-code: --trust-remote-code"]
    assert told((*pinned, "--code-revision", "main")) == ["floating-revision: main"]
    sglang = ("python3", "-m", "sglang.launch_server", "--model-path", "acme/intent", *HUB, "--trust-remote-code")
    assert told(sglang) == ["remote-code: --trust-remote-code"]


def test_weights_without_their_tokenizer_are_warned_of() -> None:
    assert told(("vllm", "serve", "acme/intent", *HUB)) == ["tokenizer-revision: acme/intent"]
    assert told(("vllm", "serve", "acme/intent", *HUB, "--tokenizer", "/tokenizer")) == []


def test_adapters_are_judged_one_by_one() -> None:
    adapters = (
        "--lora-modules",
        "a=acme/one",
        "b=/adapters/two",
        '{"name": "c", "path": "acme/three"}',
        "--port",
        "80",
    )
    found = told(("vllm", "serve", "/m", *adapters))
    assert [one.removeprefix("floating-revision: ") for one in found] == [
        "a=acme/one",
        '{"name": "c", "path": "acme/three"}',
    ]
    given = told(env={"LORA_ADAPTERS": f"acme/one@{COMMIT},acme/two"}, image="text-generation-inference")
    assert given == [f"floating-revision: acme/one@{COMMIT},acme/two"]


words = st.lists(
    st.sampled_from(
        ["vllm", "serve", "--model", "--revision", "-c", "sh", "--lora-modules", "a/b", "-m", "python", "=", "--", "-"]
    )
    | st.text(max_size=8),
    max_size=10,
)


@given(words, st.dictionaries(st.sampled_from(["MODEL_ID", "HF_REVISION", "LORA_ADAPTERS", "X"]), st.text(max_size=8)))
def test_no_command_makes_reading_fail(command: list[str], env: dict[str, str]) -> None:
    for image in (None, "vllm/vllm-openai:1", "llama.cpp"):
        read(Runtime(image=image, command=tuple(command), env=env))
