"""The steps of a policy: which a change walks, which comes next, and when one is over. Pure.

Neighbours: progress.py begins and ends steps by this; traffic.py reads the shares that they give.
"""

from __future__ import annotations

from tidegate.rollout.state import Candidate
from tidegate.spec.policy import Budget, PolicyFields, Step
from tidegate.spec.units import format_duration


def path(policy: PolicyFields, config_only: bool) -> tuple[Step, ...]:
    """The steps that a change walks: `config_steps`, when given, for one of the inference config alone."""
    return policy.config_steps if config_only and policy.config_steps is not None else policy.steps


def present(candidate: Candidate) -> Step | None:
    """The step that the candidate is in, None before the first."""
    steps = path(candidate.policy, candidate.config_only)
    return steps[candidate.step] if 0 <= candidate.step < len(steps) else None


def following(candidate: Candidate, policy: PolicyFields) -> int | None:
    """Index, in `policy`, of the step after the present one; None when there is none.

    `policy` may have been edited since the step began: its place is then found by name, else by the first step that
    gives the candidate more than it has.
    """
    steps = path(policy, candidate.config_only)
    now = present(candidate)
    if now is None:
        return 0 if steps else None
    if steps == path(candidate.policy, candidate.config_only):
        index = candidate.step + 1
    else:
        index = next((i + 1 for i, step in enumerate(steps) if step.name == now.name), -1)
        if index < 0:
            index = next((i for i, step in enumerate(steps) if (step.weight or 0.0) > (now.weight or 0.0)), len(steps))
    return index if index < len(steps) else None


def missing_requests(candidate: Candidate, step: Step) -> int:
    """How many candidate requests the step still needs. At least one: a step without any has shown nothing."""
    return 0 if candidate.waived else max(0, max(1, step.min_requests) - candidate.step_requests)


def budget_used(candidate: Candidate, budget: Budget | None) -> str:
    """Which part of the budget the rollout has used up, in words; '' while some is left or there is none."""
    if budget is None:
        return ""
    if budget.duration is not None and candidate.spent >= budget.duration:
        return f"the budget of {format_duration(budget.duration)} is used up"
    if budget.requests is not None and candidate.requests >= budget.requests:
        return f"the budget of {budget.requests} requests is used up"
    return ""


def startup_budget(candidate: Candidate) -> float:
    """Seconds that a workload may take from its start to its readiness: the policy's, else the version's own."""
    budget = candidate.policy.startup_timeout
    return budget if budget is not None else candidate.startup_timeout
