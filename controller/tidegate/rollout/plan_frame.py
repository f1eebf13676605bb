"""What stands around the routes of a plan: which commits, where the start comes from, policies edited, who reviews. Pure.

Neighbours: cli/plans/ fills it in from git; plan_text.py, plan_markdown.py and plan_json.py print it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tidegate.spec.difference import Difference

Basis = Literal["journal", "record", "branch"]
BASIS = {
    "journal": "starting from what the controller's journal knows",
    "record": "starting from what git's record says was promoted",
    "branch": "no journal and no record here: what the base asks for is taken as promoted",
}


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two commits that are compared. `name`: as people call it; `commit`: None for the work tree."""

    name: str
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyEdit:
    """A policy file that differs. `routes` use it; `under_way` are those of them with a rollout under it now."""

    policy: str
    changes: tuple[Difference, ...]
    routes: tuple[str, ...] = ()
    under_way: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Review:
    """A role of policies/governance.yaml whose files this change touches, and who answers for them."""

    role: str
    owners: tuple[str, ...]
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """Everything about a plan but its routes. `errors` and `warnings`: what `validate` finds in the head,
    `first`: some of the errors with their places."""

    base: Side
    head: Side
    basis: Basis = "branch"
    errors: int = 0
    warnings: int = 0
    first: tuple[str, ...] = ()
    policies: tuple[PolicyEdit, ...] = ()
    reviews: tuple[Review, ...] = ()
