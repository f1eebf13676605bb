"""A config that changes behaviour should carry an evaluation of its own.

The weights stay, and still another prompt or temperature can miss the model's contract; nothing else would have looked
before users do. Judged with `--base REF`, for models that have a contract. To mend, run the evaluation with the config
and write `evaluation:` into its file.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.configs import changed_configs
from tidegate.rules.context import Context
from tidegate.rules.evidence import contract
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Look at every config that changed."""
    for folder, _, config in changed_configs(context):
        asks = contract(folder)
        if config.value.evaluation is None and (asks.metrics or asks.fairness):
            message = f"the config has changed, and nothing says that it still meets the contract of '{folder.name}'"
            yield RULE.at(config.path, 1, 1, message, "evaluate it, and write 'evaluation:' into this file")


_PATH = "models/digits/configs/default.yaml"
_OLD = "parameters: {threshold: 0.5}"

RULE = Rule(
    id="unevaluated-config",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(
            _PATH,
            "parameters: {threshold: 0.6}",
            _OLD,
            mended="""parameters: {threshold: 0.6}
evaluation:
  set_sha256: "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
  examples: 597
  metrics: {accuracy: 0.971, latency_p95_ms: 4.1}""",
        ),
    ),
    good=(Example(_PATH, f"{_OLD} # half", _OLD),),
)
