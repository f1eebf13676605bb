"""The steps and guardrails of every policy with their places, for the rules of the rollout family.

Neighbours: checks/rollout/ walks them; spec/policy.py has the fields.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tidegate.rules.context import Context
from tidegate.spec.declared import Loaded
from tidegate.spec.policy import Guardrail, RolloutPolicy, Step
from tidegate.spec.source import Loc


class Way(NamedTuple):
    """One list of steps of a policy: `steps`, or `config_steps` where they are given."""

    policy: Loaded[RolloutPolicy]
    field: str
    steps: tuple[Step, ...]


class Rail(NamedTuple):
    """One guardrail of a policy and its place."""

    policy: Loaded[RolloutPolicy]
    at: Loc
    guardrail: Guardrail


def ways(context: Context) -> Iterator[Way]:
    """Every list of steps of every policy."""
    for policy in context.policies():
        yield Way(policy, "steps", policy.value.steps)
        if policy.value.config_steps is not None:
            yield Way(policy, "config_steps", policy.value.config_steps)


def rails(context: Context, *, watch: bool = True) -> Iterator[Rail]:
    """Every guardrail of every policy; with `watch`, also those that stay on after the promotion."""
    for policy in context.policies():
        for index, guardrail in enumerate(policy.value.guardrails):
            yield Rail(policy, ("guardrails", index), guardrail)
        for index, guardrail in enumerate(policy.value.watch if watch else ()):
            yield Rail(policy, ("watch", index), guardrail)
