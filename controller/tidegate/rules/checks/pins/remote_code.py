"""Code that comes with a model from the hub must be pinned too, or not be run at all.

`--trust-remote-code` runs Python from a repository that anybody with the right to push there can change, in the same
container as the weights. Add `--code-revision` with the full commit. For an engine without that flag, build the code
into the image and set HF_HUB_OFFLINE=1, or declare the files as the artifact.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.pins.launch import read
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Look for servers that run a model's own code at whatever commit it has."""
    for _, version in context.versions():
        runtime = version.value.runtime
        launch = read(runtime) if runtime is not None else None
        if launch is None or launch.trust is None or (launch.engine.code_revision and launch.code_revision is not None):
            continue
        flag = launch.engine.code_revision
        fix = (
            f"add {flag} and the full commit"
            if flag
            else f"build the code into the image and set HF_HUB_OFFLINE=1: {launch.engine.name} has no flag for its commit"
        )
        message = f"{launch.engine.name} runs code from the hub as it is when a container starts"
        yield RULE.finding(version, launch.trust, message, fix)


_PATH = "models/digits/versions/2.0.0.yaml"
_OLD = 'command: [serve, "${TIDEGATE_ARTIFACT}", --port, "${TIDEGATE_PORT}"]'
_COMMIT = "507a3991d874042a92e7581eb6e7cc7074b0c77e"
_MODEL = f"acme/intent, --revision, {_COMMIT}, --tokenizer-revision, {_COMMIT}"
_BAD = f'command: [vllm, serve, {_MODEL}, --trust-remote-code, --port, "${{TIDEGATE_PORT}}"]'
_GOOD = _BAD.replace("--trust-remote-code,", f"--trust-remote-code, --code-revision, {_COMMIT},")
_TGI = (
    f'command: [text-generation-launcher, --model-id, acme/intent, --revision, {_COMMIT}, --port, "${{TIDEGATE_PORT}}"]'
)

RULE = Rule(
    id="remote-code",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(_PATH, _BAD, _OLD, at="--trust-remote-code", mended=_GOOD),
        Example(
            _PATH,
            f'{_TGI}\n  env: {{TRUST_REMOTE_CODE: "true"}}\n',
            f'{_OLD}\n  env: {{THREADS: "1"}}\n',
            at='"true"',
            mended=f'{_TGI}\n  env: {{TRUST_REMOTE_CODE: "true", HF_HUB_OFFLINE: "1"}}\n',
        ),
    ),
    good=(Example(_PATH, _GOOD, _OLD),),
)
