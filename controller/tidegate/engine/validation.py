"""Before users: does the candidate's evidence meet the model's contract? Asked once a release, answered from git alone.

Neighbours: rollout/acceptance.py judges (pure), catalog.py reads the declarations, loop.py hands the answer to the route.
"""

from __future__ import annotations

from tidegate.engine.catalog import Catalog
from tidegate.rollout.acceptance import judge
from tidegate.rollout.state import RouteState
from tidegate.spec.errors import NeedsPerson, RetryLater


class Validation:
    """Answers by (candidate, stable) pair, remembered. Called by the loop alone."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._answers: dict[tuple[str, str], str] = {}

    def answers(self, state: RouteState) -> dict[str, str]:
        """For the route's candidate: '' passed, else the reason why not. Nothing when git cannot be asked just now."""
        candidate = state.candidate
        if candidate is None or candidate.validated:
            return {}
        release, stable = candidate.release, state.stable
        key = (release.digest, stable.digest if stable else "")
        if key not in self._answers:
            try:
                entry = self._catalog.entry(release)
                against = self._catalog.entry(stable).version if stable else None
            except NeedsPerson as error:
                self._answers[key] = str(error)
            except RetryLater:  # asked again in the next pass: the candidate waits
                return {}
            else:
                required = candidate.policy.validation.evaluation == "required"
                self._answers[key] = judge(entry.model, entry.version, against, required=required)
        return {release.digest: self._answers[key]}
