"""Offline evidence against the model's contract: does a version's evaluation meet it, before any user's traffic? Pure.

Neighbours: the engine hands the answer to the machine as the candidate's validation; spec/contract.py does the judging,
and the validator's rules say the same in the pull request.
"""

from __future__ import annotations

from tidegate.spec.contract import shortfalls
from tidegate.spec.model import Model
from tidegate.spec.version import ModelVersion


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
