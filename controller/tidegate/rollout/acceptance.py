"""Evidence against the model's contract, before any user's traffic: of the version's file, and of the candidate itself. Pure.

Neighbours: the engine hands the answer to the machine as the candidate's validation; spec/contract.py does the judging,
and the validator's rules say the same in the pull request.
"""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.spec.contract import shortfalls
from tidegate.spec.model import Acceptance, Model
from tidegate.spec.version import Evaluation, ModelVersion


def judge(model: Model, version: ModelVersion, stable: ModelVersion | None, *, required: bool) -> str:
    """'' when the version's figures meet the model's contract, else every reason why not, in one line.

    `stable` is the version now in production (None: none). `required`: what the contract asks for must have been
    measured; otherwise what was not measured is passed over, and only figures that break the contract count.
    """
    evaluation = version.evaluation
    if evaluation is None:
        return f"{model.name} {version.version} has no evaluation, and the policy requires one" if required else ""
    against = stable.evaluation if stable is not None else None
    name = stable.version if stable is not None else ""
    return "; ".join(one.message for one in shortfalls(model.acceptance, evaluation, against, name, required=required))


def tolerated(contract: Acceptance) -> float:
    """The share of examples that may fail (no answer, an error, a broken answer): none, unless the contract says so."""
    bound = contract.metrics.get("error_rate")
    return bound.max or 0.0 if bound is not None else 0.0


def judge_live(
    contract: Acceptance,
    found: Evaluation,
    against: Evaluation | None,
    name: str,
    *,
    failed: int = 0,
    failures: Sequence[str] = (),
    complete: bool = True,
) -> str:
    """'' when what the candidate itself showed meets the contract, else every reason why not, in one line.

    `against`: what the stable release called `name` showed on the same set. `failed` of the examples failed, `failures`
    tells the first; `complete` False: so many that it was given up.
    """
    measured = f"measured on {found.examples} examples of set {found.set_sha256[:12]}"
    if failed > tolerated(contract) * found.examples:
        limit = f"at most {tolerated(contract):.4g} of them may fail"
        given_up = "" if complete else ", then it was given up"
        return f"{failed} of {found.examples} examples failed{given_up} ({limit}): {'; '.join(failures)}; {measured}"
    found_short = [one.message for one in shortfalls(contract, found, against, name, required=False)]
    return "; ".join([*found_short, measured]) if found_short else ""


def unmeasured(contract: Acceptance, found: Evaluation) -> str:
    """What the contract asks of groups and nobody could measure, '' when nothing: no evidence is not good evidence."""
    for rule in contract.fairness:
        if sum(rule.metric in metrics for metrics in found.slices.get(rule.across, {}).values()) < 2:
            return f"{rule.metric} across {rule.across} was not measured: the set has no two slices of {rule.across}"
    return ""
