"""Edits of a deployment's text that a person's command makes for one route: approve, hold, resume, ask again. Pure.

Only the route's own fields change; every other character stays. Neighbours: yamltext.py edits, edit.py commits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidegate.gitrepo import yamltext
from tidegate.gitrepo.deployment import Asked, with_wish
from tidegate.spec.source import parse

Edit = Callable[[str], str]
"""From a deployment's text to the text it should have; the same text when there is nothing to do."""


def approved(text: str, feature: str | None, step: str) -> str:
    """With a step's name in the route's approvals. A feature that inherits the model's has them all as its own then."""
    data, own = _fields(text, feature)
    names = own.get("approvals") if own.get("approvals") is not None else data.get("approvals")
    listed = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    if step in listed:
        return text
    return yamltext.set_field(text, _path(feature), "approvals", [*listed, step], after=("hold", "replicas", "reason"))


def held(text: str, feature: str | None, hold: bool) -> str:
    """With `hold: true` for the route, or without it. A feature whose model is held says `hold: false` to go on."""
    data, own = _fields(text, feature)
    inherited = bool(data.get("hold")) if feature else False
    now = bool(own["hold"]) if own.get("hold") is not None else inherited
    if now is hold:
        return text
    if hold is inherited:
        return yamltext.remove_field(text, _path(feature), "hold")
    return yamltext.set_field(text, _path(feature), "hold", hold, after=("policy", "replicas", "reason"))


def again(text: str, feature: str | None, want: Asked, reason: str | None) -> str:
    """Asking for a release once more: version and config as wanted, `retry` one higher, approvals to be given anew."""
    text = with_wish(yamltext.remove_field(text, _path(feature), "approvals"), feature, want)
    data, own = _fields(text, feature)
    number = own.get("retry") if own.get("retry") is not None else data.get("retry")
    tries = number if isinstance(number, int) and not isinstance(number, bool) else 0
    text = yamltext.set_field(text, _path(feature), "retry", tries + 1, after=("version", "config", "policy", "reason"))
    if reason is not None:
        text = yamltext.set_field(text, _path(feature), "reason", reason, after=("version", "config", "policy"))
    return text


def _path(feature: str | None) -> tuple[str, ...]:
    return ("features", feature) if feature else ()


def _fields(text: str, feature: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The model's fields, and the route's own."""
    found = parse(text.encode(), "deployment").data
    data: dict[str, Any] = found if isinstance(found, dict) else {}
    if feature is None:
        return data, data
    features = data.get("features")
    own = features.get(feature) if isinstance(features, dict) else None
    return data, own if isinstance(own, dict) else {}
