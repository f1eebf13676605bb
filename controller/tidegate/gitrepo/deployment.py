"""Taking one route of a deployment file back: only its own fields change. Pure: texts in, text out.

Neighbours: revert.py decides what to restore; yamltext.py edits; spec/source.py reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tidegate.gitrepo import yamltext
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.source import parse

FIELDS = ("version", "config", "reason", "approvals")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a deployment text asks of one route, inheritance applied. `config` is NAME, NAME@COMMIT or None."""

    version: str
    config: str | None


def asked(text: str | None, feature: str | None) -> Asked | None:
    """What the text asks of the model (`feature` None) or of a feature; None when it cannot be told."""
    if text is None:
        return None
    data = parse(text.encode(), "deployment").data
    if not isinstance(data, dict):
        return None
    own = _own(data, feature)
    version, config = own.get("version") or data.get("version"), own.get("config") or data.get("config")
    if not isinstance(version, str) or not (config is None or isinstance(config, str)):
        return None
    return Asked(version, config)


def request(text: str, feature: str | None) -> tuple[Any, ...] | None:
    """What a route asks for, for comparison: when it changes, the route is asked anew. None for no YAML mapping.

    The release, the policy and `retry` with inheritance; the reason where it is the route's own. Not `hold`, `approvals`
    or `replicas`: these are about how a rollout goes on, and are no other request.
    """
    data = parse(text.encode(), "deployment").data
    if not isinstance(data, dict):
        return None
    own = _own(data, feature)
    inherited = tuple(own.get(name, data.get(name)) for name in ("version", "config", "policy"))
    return (*inherited, own.get("retry", data.get("retry")) or 0, own.get("reason"))


def named_by_features(text: str, config: str) -> bool:
    """Whether a feature names this config in so many words: then it runs its content by choice, not by inheritance."""
    data = parse(text.encode(), "deployment").data
    features = data.get("features") if isinstance(data, dict) else None
    named = features.values() if isinstance(features, dict) else ()
    return any(isinstance(fields, dict) and fields.get("config") == config for fields in named)


def taken_back(head: str, good: str | None, feature: str | None, want: Asked, reason: str) -> str:
    """The text at the head of the branch with one route's fields as they were in `good`, and asking for `want`.

    Where the texts differ in nothing but these fields, that is `good` itself. Where `good` is None or asked for
    something else (a renamed file), the fields are written anew, with `reason`. Raises NeedsPerson for no YAML.
    """
    path = ("features", feature) if feature else ()
    then = asked(good, feature)
    if good is not None and then is not None and then.version == want.version:
        if then == want and yamltext.without(head, path, FIELDS) == yamltext.without(good, path, FIELDS):
            return good
        text = head
        for number, name in enumerate(FIELDS):
            text = yamltext.copy_field(text, path, name, good, after=FIELDS[:number])
    else:
        text = with_wish(yamltext.remove_field(head, path, "approvals"), feature, want)
        text = yamltext.set_field(text, path, "reason", reason, after=FIELDS[:2])
    return with_wish(text, feature, want)


def with_wish(text: str, feature: str | None, want: Asked) -> str:
    """The text asking for `want`, with as few edits as that takes. Raises NeedsPerson when it cannot be said there."""
    path = ("features", feature) if feature else ()
    now = asked(text, feature)
    if now is None or now.version != want.version:
        text = yamltext.set_field(text, path, "version", yamltext.quoted(want.version))
        now = asked(text, feature)
    if now is not None and now.config != want.config:
        if want.config is None:
            text = yamltext.remove_field(text, path, "config")
        else:
            text = yamltext.set_field(text, path, "config", want.config, after=("version",))
    if asked(text, feature) != want:
        route = f"feature '{feature}'" if feature else "the model"
        raise NeedsPerson(
            f"the deployment cannot ask {want.version} with config {want.config} for {route}",
            fix="edit the file by hand",
        )
    return text


def _own(data: dict[str, Any], feature: str | None) -> dict[str, Any]:
    if feature is None:
        return data
    features = data.get("features")
    own = features.get(feature) if isinstance(features, dict) else None
    return own if isinstance(own, dict) else {}
