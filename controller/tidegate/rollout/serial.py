"""Route states as JSON-safe documents and back, exactly; with a format version, so that an older journal can be read.

Neighbours: state.py has the values; the journal stores the documents. STYLE: a loader test for each format.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar, get_args

from pydantic import BaseModel

from tidegate.analysis.model import Judgement, Result, Verdict
from tidegate.rollout.state import Candidate, GitDuty, Hold, Phase, Rejection, RouteState, Standby, Watch
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.policy import PolicyFields, RolloutPolicy
from tidegate.spec.release import Release

FORMAT: Final = 2
READS: Final = frozenset({1, 2})
"""Format 1 had no watch, no capacity and no retirement: what it lacks has a default."""
B = TypeVar("B", bound=BaseModel)


def to_doc(state: RouteState) -> dict[str, Any]:
    """The state as dicts, lists, strings, finite numbers, booleans and None."""
    return {
        "format": FORMAT,
        "route": state.route,
        "stable": _release(state.stable),
        "candidate": _candidate(state.candidate) if state.candidate is not None else None,
        "standby": [_plain(s) | {"release": _release(s.release)} for s in state.standby],
        "promoted": [_release(release) for release in state.promoted],
        "rejected": rejections_to_doc(state.rejected),
        "duties": [_plain(d) | {"release": _release(d.release), "good": _release(d.good)} for d in state.duties],
        "degraded": state.degraded,
        "skipped": state.skipped,
        "replicas": state.replicas,
        "watch": _watch(state.watch) if state.watch is not None else None,
        "absent_since": state.absent_since,
        "retire_after": state.retire_after,
    }


def from_doc(doc: Mapping[str, Any]) -> RouteState:
    """The state that `to_doc` wrote. Raises NeedsPerson for a format of a newer Tidegate."""
    if doc["format"] not in READS:
        raise NeedsPerson(
            f"the journal holds route states of format {doc['format']}, this Tidegate knows {FORMAT}",
            where=f"route {doc.get('route', '?')}",
            fix="run the version of Tidegate that wrote it, or a newer one",
        )
    return RouteState(
        route=doc["route"],
        stable=_maybe_release(doc["stable"]),
        candidate=_load_candidate(doc["candidate"]) if doc["candidate"] is not None else None,
        standby=tuple(Standby(**{**s, "release": Release(**s["release"])}) for s in doc["standby"]),
        promoted=tuple(Release(**release) for release in doc["promoted"]),
        rejected=rejections_from_doc(doc["rejected"]),
        duties=tuple(
            GitDuty(**{**duty, "release": Release(**duty["release"]), "good": _maybe_release(duty["good"])})
            for duty in doc["duties"]
        ),
        degraded=doc["degraded"],
        skipped=doc["skipped"],
        replicas=doc.get("replicas", 0),
        watch=_load_watch(doc["watch"]) if doc.get("watch") is not None else None,
        absent_since=doc.get("absent_since"),
        retire_after=doc.get("retire_after"),
    )


def rejections_to_doc(rejected: Iterable[Rejection]) -> list[dict[str, Any]]:
    """Rejections as the journal keeps them."""
    return [_plain(rejection) for rejection in rejected]


def rejections_from_doc(docs: Iterable[Mapping[str, Any]]) -> tuple[Rejection, ...]:
    """What `rejections_to_doc` wrote."""
    return tuple(Rejection(**doc) for doc in docs)


def policy_to_doc(policy: PolicyFields) -> dict[str, Any]:
    """The fields that were declared, parsed (durations in seconds, shares in [0, 1]); the defaults stay out."""
    return policy.model_dump(mode="json", exclude_unset=True)


def policy_from_doc(doc: Mapping[str, Any]) -> PolicyFields:
    """The policy that `policy_to_doc` wrote. What was checked once is not parsed again."""
    return _rebuild(RolloutPolicy if "kind" in doc else PolicyFields, doc)


def _rebuild(kind: type[B], doc: Mapping[str, Any]) -> B:
    values = {name: _value(kind.model_fields[name].annotation, value) for name, value in doc.items()}
    return kind.model_construct(_fields_set=set(values), **values)


def _value(annotation: Any, value: Any) -> Any:
    if isinstance(value, list):
        inner = _part_of(annotation)
        return tuple(_rebuild(inner, item) if inner is not None else item for item in value)
    if isinstance(value, Mapping):
        part = _part_of(annotation)
        return _rebuild(part, value) if part is not None else dict(value)
    return value


def _part_of(annotation: Any) -> type[BaseModel] | None:
    """The pydantic model inside an annotation such as `tuple[Step, ...] | None`; None when there is none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((part for part in map(_part_of, get_args(annotation)) if part is not None), None)


def _plain(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}


def _release(release: Release | None) -> dict[str, Any] | None:
    return _plain(release) if release is not None else None


def _maybe_release(doc: Mapping[str, Any] | None) -> Release | None:
    return Release(**doc) if doc is not None else None


def _candidate(candidate: Candidate) -> dict[str, Any]:
    return _plain(candidate) | {
        "release": _release(candidate.release),
        "phase": str(candidate.phase),
        "policy": policy_to_doc(candidate.policy),
        "hold": str(candidate.hold) if candidate.hold is not None else None,
        "resume_phase": str(candidate.resume_phase) if candidate.resume_phase is not None else None,
        "analysis": dict(candidate.analysis) if candidate.analysis is not None else None,
        "record": dict(candidate.record) if candidate.record is not None else None,
        "verdict": _verdict(candidate.verdict) if candidate.verdict is not None else None,
    }


def _load_candidate(doc: Mapping[str, Any]) -> Candidate:
    return Candidate(**{
        **doc,
        "release": Release(**doc["release"]),
        "phase": Phase(doc["phase"]),
        "policy": policy_from_doc(doc["policy"]),
        "hold": Hold(doc["hold"]) if doc["hold"] is not None else None,
        "resume_phase": Phase(doc["resume_phase"]) if doc["resume_phase"] is not None else None,
        "verdict": _load_verdict(doc["verdict"]) if doc["verdict"] is not None else None,
    })  # fmt: skip


def _watch(watch: Watch) -> dict[str, Any]:
    return _plain(watch) | {
        "release": _release(watch.release),
        "good": _release(watch.good),
        "policy": policy_to_doc(watch.policy),
        "record": dict(watch.record) if watch.record is not None else None,
        "analysis": dict(watch.analysis) if watch.analysis is not None else None,
        "verdict": _verdict(watch.verdict) if watch.verdict is not None else None,
    }


def _load_watch(doc: Mapping[str, Any]) -> Watch:
    return Watch(**{
        **doc,
        "release": Release(**doc["release"]),
        "good": _maybe_release(doc["good"]),
        "policy": policy_from_doc(doc["policy"]),
        "verdict": _load_verdict(doc["verdict"]) if doc["verdict"] is not None else None,
    })  # fmt: skip


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return _plain(verdict) | {
        "result": str(verdict.result),
        "culprit": _judgement(verdict.culprit) if verdict.culprit is not None else None,
        "judgements": [_judgement(judgement) for judgement in verdict.judgements],
    }


def _load_verdict(doc: Mapping[str, Any]) -> Verdict:
    return Verdict(**{
        **doc,
        "result": Result(doc["result"]),
        "culprit": _load_judgement(doc["culprit"]) if doc["culprit"] is not None else None,
        "judgements": tuple(_load_judgement(judgement) for judgement in doc["judgements"]),
    })  # fmt: skip


def _judgement(judgement: Judgement) -> dict[str, Any]:
    doc = {name: _number(value) for name, value in _plain(judgement).items()}
    return doc | {"result": str(judgement.result), "parts": [_judgement(part) for part in judgement.parts]}


def _load_judgement(doc: Mapping[str, Any]) -> Judgement:
    values = {name: _load_number(value) for name, value in doc.items()}
    parts = tuple(_load_judgement(part) for part in doc.get("parts", ()))
    return Judgement(**{**values, "result": Result(doc["result"]), "parts": parts})


def _number(value: Any) -> Any:
    """JSON has no infinity: it travels as a word in a mapping, so that no text can be taken for it."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    return value


def _load_number(value: Any) -> Any:
    return float(value["float"]) if isinstance(value, Mapping) else value
