"""Servers that fetch what they serve by themselves: which flags and variables name it, and which ones pin it.

Data, and how a server is told from a command or an image. Neighbour: launch.py reads a runtime by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Engine:
    """One server. `programs`: words of a command, `modules`: what follows `python -m`, `images`: parts of an image's name.

    `verbs`: the words that the model may follow without a flag. `kind` is that of its model names ('uri': by scheme).
    `revision` and its like: the flag that pins it, '' where there is none.
    """

    name: str
    programs: frozenset[str]
    modules: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    verbs: frozenset[str] = frozenset()
    model: tuple[str, ...] = ()
    kind: str = "hf"
    revision: str = "--revision"
    tokenizer: tuple[str, ...] = ()
    tokenizer_revision: str = ""
    code_revision: str = ""
    adapters: tuple[str, ...] = ()
    model_env: tuple[str, ...] = ()


REVISIONS: Final = ("--revision", "--model-revision", "--hf-revision")
TRUST: Final = "--trust-remote-code"
ENV: Final = {
    "MODEL_ID": "model", "HF_MODEL_ID": "model", "MODEL_NAME": "model",
    "REVISION": "revision", "MODEL_REVISION": "revision", "HF_REVISION": "revision", "HF_MODEL_REVISION": "revision",
    "TOKENIZER": "tokenizer", "TOKENIZER_NAME": "tokenizer", "TOKENIZER_ID": "tokenizer",
    "TOKENIZER_REVISION": "tokenizer_revision", "CODE_REVISION": "code_revision",
    "TRUST_REMOTE_CODE": "trust", "HF_MODEL_TRUST_REMOTE_CODE": "trust", "HF_TRUST_REMOTE_CODE": "trust",
    "LORA_ADAPTERS": "adapters",
}  # fmt: skip
"""Variables that the images of these engines read; of an unknown engine only those that begin with HF_ count."""
OFFLINE: Final = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
TRUE: Final = frozenset({"1", "true", "yes", "on"})

ENGINES: Final = (
    Engine(
        "vLLM", frozenset({"vllm"}), ("vllm",), ("vllm",), frozenset({"serve"}), ("--model",),
        tokenizer=("--tokenizer",), tokenizer_revision="--tokenizer-revision", code_revision="--code-revision",
        adapters=("--lora-modules",),
    ),
    Engine(
        "TGI", frozenset({"text-generation-launcher", "text-generation-server"}), ("text_generation_server",),
        ("text-generation-inference",), frozenset({"serve"}), ("--model-id",), adapters=("--lora-adapters",),
    ),
    Engine(
        "TEI", frozenset({"text-embeddings-router"}), (), ("text-embeddings-inference",), frozenset(), ("--model-id",),
    ),
    Engine(
        "SGLang", frozenset({"sglang"}), ("sglang",), ("sglang",), frozenset({"serve"}), ("--model-path", "--model"),
        tokenizer=("--tokenizer-path",), adapters=("--lora-paths",),
    ),
    Engine(
        "LMDeploy", frozenset({"lmdeploy"}), ("lmdeploy",), ("lmdeploy",), frozenset({"api_server"}), (),
    ),
    Engine(
        "KServe's Hugging Face server", frozenset({"huggingfaceserver"}), ("huggingfaceserver",), ("huggingfaceserver",),
        frozenset(), ("--model-id",), revision="--model_revision", tokenizer_revision="--tokenizer_revision",
    ),
    Engine(
        "transformers", frozenset({"transformers"}), ("transformers",), (), frozenset(), ("--model", "--force-model"),
    ),
    Engine(
        "llama.cpp", frozenset({"llama-server", "llama-cli"}), ("llama_cpp.server", "xllamacpp"), ("llama.cpp",),
        frozenset(), ("-hf", "-hfr", "--hf-repo", "--hf-model-repo-id", "-mu", "--model-url"), revision="",
        model_env=("LLAMA_ARG_HF_REPO", "LLAMA_ARG_MODEL_URL"),
    ),
    Engine(
        "MLServer", frozenset({"mlserver"}), ("mlserver",), ("mlserver",), frozenset(), (), "uri", "",
        model_env=("MLSERVER_MODEL_URI",),
    ),
    Engine(
        "MLflow", frozenset({"mlflow"}), ("mlflow",), ("mlflow",), frozenset(), ("-m", "--model-uri"), "uri", "",
    ),
    Engine(
        "BentoML", frozenset({"bentoml"}), ("bentoml",), (), frozenset({"serve", "serve-http", "serve-grpc"}), (), "bentoml", "",
    ),
    Engine(
        "Ollama", frozenset({"ollama"}), (), ("ollama",), frozenset({"run", "pull"}), (), "ollama", "",
    ),
    Engine(
        "Triton", frozenset({"tritonserver"}), (), ("tritonserver",), frozenset(),
        ("--model-repository", "--model-store"), "uri", "",
    ),
)  # fmt: skip
UNKNOWN: Final = Engine("the server", frozenset())
