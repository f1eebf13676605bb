"""Before users: does the candidate's evidence meet the model's contract? Asked once a release, answered from git alone.

Neighbours: rollout/acceptance.py judges (pure), catalog.py reads the declarations, loop.py hands the answer to the route.
"""

from __future__ import annotations

from typing import NamedTuple

from tidegate.engine.catalog import Catalog
from tidegate.rollout.acceptance import judge
from tidegate.rollout.state import RouteState
from tidegate.spec.errors import NeedsPerson, RetryLater


class Question(NamedTuple):
    """What an answer depends on: the candidate, the commit that holds the contract, the stable release, the policy."""

    release: str
    commit: str
    stable: str
    required: bool


class Validation:
    """The last answer of each route, remembered for as long as the question is the same. Called by the loop alone."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._answers: dict[str, tuple[Question, str]] = {}

    def answers(self, state: RouteState) -> dict[str, str]:
        """For the route's candidate: '' passed, else the reason why not. Nothing when git cannot be asked just now."""
        candidate = state.candidate
        if candidate is None or candidate.validated:
            return {}
        release, stable = candidate.release, state.stable
        required = candidate.policy.validation.evaluation == "required"
        # The contract stands in the model's file, which is no part of the release: the commit tells which it was.
        question = Question(release.digest, release.commit, stable.digest if stable else "", required)
        known = self._answers.get(state.route)
        if known is None or known[0] != question:
            try:
                entry = self._catalog.entry(release)
                against = self._catalog.entry(stable).version if stable else None
            except NeedsPerson as error:
                answer = str(error)
            except RetryLater:  # asked again in the next pass: the candidate waits
                return {}
            else:
                answer = judge(entry.model, entry.version, against, required=required)
            known = self._answers[state.route] = (question, answer)
        return {release.digest: known[1]}
