"""A model keeps its protocol: another one is another model.

The protocol says how callers ask and where the inference config's parameters go. It belongs to the model, not to a release:
a change of it takes effect on all traffic at once, without a candidate, without steps, and is not taken back when a
guardrail fails. Judged with `--base REF`, for models that are deployed. To mend, declare a model of another name beside
this one and move its callers, or change the protocol while nothing is deployed.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Compare the protocol of every deployed model with what it was."""
    history = context.history
    changed = {change.path for change in history.changes if change.status == "M"} if history is not None else set[str]()
    for folder in context.declared.models.values():
        if history is None or folder.model is None or folder.model.path not in changed:
            continue
        base = history.declared.models.get(folder.name)
        before = base.model if base is not None and base.deployments else None
        if before is not None and before.value.protocol != folder.model.value.protocol:
            message = (
                f"the protocol was '{before.value.protocol}': all callers of '{folder.name}' meet another one at once"
            )
            fix = f"keep 'protocol: {before.value.protocol}', and declare another model for the new protocol"
            yield RULE.finding(folder.model, ("protocol",), message, fix)


RULE = Rule(
    id="protocol-changed",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(Example("models/digits/model.yaml", "protocol: http", "protocol: open-inference", at="http"),),
    good=(Example("models/digits/model.yaml", "protocol: open-inference # v2", "protocol: open-inference"),),
)
