"""A feature's own route: born when an override appears, led home when it goes, dissolved when it is there. Pure.

A feature without an override has no state: it follows its model's route. Neighbours: machine.py moves these routes too.
"""

from __future__ import annotations

from dataclasses import replace

from tidegate.rollout.state import Desired, RouteState


def born(route: str, parent: RouteState) -> RouteState:
    """A feature's new route: it serves what its model's route last promoted, and may go back as far."""
    return RouteState(route=route, stable=parent.stable, promoted=parent.promoted)


def homeward(parent: RouteState, asked: Desired) -> Desired | None:
    """What a feature is asked for when its override is gone: the stable release of its model's route.

    `asked` is the wish of the model's own route, for its policy and its commit. None while the model has no stable one.
    """
    if parent.stable is None:
        return None
    return replace(asked, release=parent.stable, reason="its override is gone: back to the model's own release")


def joined(state: RouteState, parent: RouteState) -> bool:
    """Whether a feature's route whose override is gone serves what its model's route does, so that it may dissolve.

    Not while git is owed something of it: a rejection that is not noted would be forgotten.
    """
    if state.candidate is not None or state.duties:
        return False
    if state.stable is None or parent.stable is None:
        return state.stable is None
    return state.stable.digest == parent.stable.digest
