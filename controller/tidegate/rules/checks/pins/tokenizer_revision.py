"""The tokenizer should be pinned beside the weights: `--tokenizer-revision` with the full commit.

Where only `--revision` is given, it depends on the engine's version whether the tokenizer follows it or comes from the
main branch. Tokenizers have moved while the weights did not, and every answer changed.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.pins.launch import read
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Look for engines with a flag for the tokenizer's commit that do not get it."""
    for _, version in context.versions():
        runtime = version.value.runtime
        launch = read(runtime) if runtime is not None else None
        if launch is None or not launch.engine.tokenizer_revision or launch.tokenizer_revision is not None:
            continue
        models = [
            one for one in launch.fetches if one.what == "model" and one.kind == "hf" and one.revision is not None
        ]
        if models and not launch.own_tokenizer:
            flag = launch.engine.tokenizer_revision
            message = f"the weights of '{models[0].name}' are pinned, its tokenizer is not"
            yield RULE.finding(version, models[0].loc, message, f"add {flag} and the full commit")


_PATH = "models/digits/versions/2.0.0.yaml"
_OLD = 'command: [serve, "${TIDEGATE_ARTIFACT}", --port, "${TIDEGATE_PORT}"]'
_COMMIT = "507a3991d874042a92e7581eb6e7cc7074b0c77e"
_BAD = f'command: [vllm, serve, acme/intent, --revision, {_COMMIT}, --port, "${{TIDEGATE_PORT}}"]'
_GOOD = _BAD.replace("acme/intent,", f"acme/intent, --tokenizer-revision, {_COMMIT},")

RULE = Rule(
    id="tokenizer-revision",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(Example(_PATH, _BAD, _OLD, at="acme/intent", mended=_GOOD),),
    good=(Example(_PATH, _GOOD, _OLD),),
)
