"""A model, tokenizer or adapter that a server fetches by name must be pinned to a full commit.

`vllm serve acme/intent` serves whatever lies on the hub's main branch when the container starts: upstream pushes have
broken whole fleets within the hour. Give `--revision` (and `--tokenizer-revision`, `--code-revision`) the full commit.
Known are vLLM, TGI, TEI, SGLang, LMDeploy, transformers, llama.cpp, KServe's server, MLServer, MLflow, BentoML, Ollama
and Triton, by command, environment or image. Better still: declare the file as `artifact` and serve
`${TIDEGATE_ARTIFACT}`; or build it into the image and set HF_HUB_OFFLINE=1.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.pins import floats, judge
from tidegate.rules.pins.launch import Fetch, Launch, read
from tidegate.rules.rule import Example, Rule
from tidegate.spec.declared import Loaded
from tidegate.spec.version import ModelVersion


def check(context: Context) -> Iterator[Finding]:
    """Judge what every version's server fetches by name."""
    for _, version in context.versions():
        runtime = version.value.runtime
        if runtime is None:
            continue
        launch = read(runtime)
        for fetch in launch.fetches:
            yield from _judged(version, launch, fetch)
        for flag, given in (
            ("--code-revision", launch.code_revision),
            ("--tokenizer-revision", launch.tokenizer_revision),
        ):
            same = any(fetch.revision == given for fetch in launch.fetches)
            why = floats("git", given[0]) if given is not None and not same else None
            if given is not None and why is not None:
                message = f"the revision '{given[0]}' of {flag} is not pinned: {why}"
                yield RULE.finding(version, given[1], message, "write the full commit, 40 hex digits")


def _judged(version: Loaded[ModelVersion], launch: Launch, fetch: Fetch) -> Iterator[Finding]:
    engine = launch.engine.name
    if fetch.kind != "hf" or fetch.name.startswith("hf://"):
        pin = judge(fetch.kind, fetch.name)
        if not pin.pinned:
            message = f"{engine} fetches the {fetch.what} '{fetch.name}', which is not pinned: {pin.why}"
            yield RULE.finding(version, fetch.loc, message, pin.fix)
        return
    if fetch.revision is not None:
        revision, loc = fetch.revision
        why = floats("git", revision)
        if why is not None:
            message = f"the revision '{revision}' of the {fetch.what} '{fetch.name}' is not pinned: {why}"
            yield RULE.finding(version, loc, message, "write the full commit, 40 hex digits, as the hub shows it")
        return
    message = f"{engine} fetches the {fetch.what} '{fetch.name}' as it is on the hub when a container starts"
    own = f"declare the file as an artifact or adapter with its sha256: {engine} has no flag for its commit"
    yield RULE.finding(version, fetch.loc, message, f"add {fetch.flag} and the full commit" if fetch.flag else own)


_PATH = "models/digits/versions/2.0.0.yaml"
_OLD = 'command: [serve, "${TIDEGATE_ARTIFACT}", --port, "${TIDEGATE_PORT}"]'
_COMMIT = "507a3991d874042a92e7581eb6e7cc7074b0c77e"
_ENV = 'env: {THREADS: "1"}'


def _command(words: str) -> str:
    return f'command: [{words}, --port, "${{TIDEGATE_PORT}}"]'


def _bad(words: str, at: str, mended: str) -> Example:
    return Example(_PATH, _command(words), _OLD, at=at, mended=_command(mended))


_HUB = f"vllm, serve, acme/intent, --revision, {_COMMIT}, --tokenizer-revision, {_COMMIT}"

RULE = Rule(
    id="floating-revision",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        _bad("vllm, serve, acme/intent", "acme/intent", _HUB),
        _bad("vllm, serve, acme/intent, --revision, main", "main", _HUB),
        _bad("text-generation-launcher, --model-id=acme/intent", "--model-id=acme/intent",
             f"text-generation-launcher, --model-id=acme/intent, --revision={_COMMIT}"),
        _bad("llama-server, -hf, acme/intent-gguf:Q4_K_M", "acme/intent-gguf", 'llama-server, -m, "${TIDEGATE_ARTIFACT}"'),
        _bad("mlflow, models, serve, -m, models:/intent/Production", "models:/intent",
             "mlflow, models, serve, -m, models:/intent/7"),
        Example(_PATH, 'env: {HF_MODEL_ID: acme/intent, HF_REVISION: v1.2}', _ENV, at="v1.2",
                mended=f'env: {{HF_MODEL_ID: acme/intent, HF_REVISION: "{_COMMIT}"}}'),
    ),
    good=(
        Example(_PATH, _command(_HUB), _OLD),
        Example(_PATH, _command('vllm, serve, "${TIDEGATE_ARTIFACT}"'), _OLD),
        Example(_PATH, _command("serve, --model, models/intent"), _OLD),
    ),
)  # fmt: skip
