"""One route as plain values for the status, the API and the demo: what serves, what is on trial, why it waits. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.analysis.model import Judgement, Verdict
from tidegate.rollout.capacity import seats
from tidegate.rollout.state import Candidate, RouteState, Standby, Watch
from tidegate.rollout.steps import path, present
from tidegate.rollout.traffic import Traffic
from tidegate.spec.release import Release


def release_doc(release: Release | None) -> dict[str, Any] | None:
    """A release by its names."""
    if release is None:
        return None
    return {
        "release": release.id,
        "digest": release.digest,
        "version": release.version,
        "config": release.config,
        "commit": release.commit,
    }


def verdict_doc(verdict: Verdict | None) -> dict[str, Any] | None:
    """A verdict with all its numbers."""
    if verdict is None:
        return None
    judged = verdict.judgements
    return {
        "result": verdict.result.value,
        "sentence": verdict.sentence,
        "promotable": verdict.promotable,
        "requests": verdict.requests,
        "candidate_requests": verdict.candidate_requests,
        "at": verdict.at,
        "guardrails": [
            {**judgement_doc(one), "segments": [judgement_doc(part) for part in one.parts]} for one in judged
        ],
    }


def judgement_doc(one: Judgement) -> dict[str, Any]:
    """One guardrail's numbers, or one segment's of them."""
    return {
        "metric": one.metric,
        "limit": one.limit,
        "segment": one.segment,
        "result": one.result.value,
        "observed": one.observed,
        "observed_low": one.observed_low,
        "observed_high": one.observed_high,
        "baseline": one.baseline,
        "effect": one.effect,
        "effect_kind": one.effect_kind,
        "effect_low": one.effect_low,
        "effect_high": one.effect_high,
        "requests": one.requests,
        "candidate_requests": one.candidate_requests,
        "e": one.e,
        "threshold": one.threshold,
        "p": one.p,
        "excluded": one.excluded,
        "needed": one.needed,
        "sentence": one.sentence,
    }


def candidate_doc(candidate: Candidate | None, now: float) -> dict[str, Any] | None:
    """The trial: where it stands in its steps, and the verdict so far. `clock` and `for` in seconds of evidence."""
    if candidate is None:
        return None
    steps = path(candidate.policy, candidate.config_only)
    step = present(candidate)
    return {
        **(release_doc(candidate.release) or {}),
        "phase": "holding" if candidate.hold else candidate.phase.value,
        "asked_by": candidate.touched,
        "config_only": candidate.config_only,
        "started_at": candidate.started_at,
        "step": step.name if step else None,
        "step_number": candidate.step + 1,
        "steps": [one.name for one in steps],
        "clock": round(candidate.clock, 1),
        "for": step.duration if step else None,
        "requests": candidate.step_requests,
        "min_requests": step.min_requests if step else None,
        "agreement": candidate.agreed / candidate.step_requests
        if step and step.shadow and candidate.step_requests
        else None,
        "missing": candidate.missing if step and step.shadow else None,
        "replicas": seats(candidate.replicas, candidate.room),
        "hold": candidate.hold.value if candidate.hold else None,
        "hold_reason": candidate.hold_reason or None,
        "held_for": round(now - candidate.hold_since, 1) if candidate.hold else None,
        "verdict": verdict_doc(candidate.verdict),
    }


def watch_doc(watch: Watch | None, now: float) -> dict[str, Any] | None:
    """The stable release under its `watch` guardrails: for how many more seconds, and the verdict so far."""
    if watch is None:
        return None
    return {
        "release": watch.release.id,
        "back_to": watch.good.id if watch.good is not None else None,
        "for": round(max(0.0, watch.until - now), 1),
        "verdict": verdict_doc(watch.verdict),
    }


def standby_doc(standby: Standby, now: float) -> dict[str, Any]:
    """A former release that could be back at once, and for how many more seconds."""
    return {**(release_doc(standby.release) or {}), "for": round(max(0.0, standby.until - now), 1)}


def short_report(report: Mapping[str, Any]) -> dict[str, Any]:
    """What a validation showed, for the status: the figures of the whole set, no slices."""
    found = report["evaluation"] or report["requests"] or {}
    figures = {name: found.get(name) for name in ("sha256", "examples", "failed", "failures", "metrics")}
    return {"measuring": False, **{name: report[name] for name in ("at", "seconds", "evaluator", "refused")}, **figures}


def route_doc(
    state: RouteState,
    traffic: Traffic,
    now: float,
    *,
    ready: Mapping[str, str],
    why: Mapping[str, str],
    meters: Mapping[str, Mapping[str, Any]],
    git: str | None,
    problem: str | None,
    validation: Mapping[str, Mapping[str, Any]] | None = None,
    sources: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """One route, whole. `ready` and `why` by workload digest; `meters` and `validation` by release id."""
    releases = [release for release in (state.stable, state.candidate and state.candidate.release) if release]
    return {
        "route": state.route,
        "stable": release_doc(state.stable),
        "candidate": candidate_doc(state.candidate, now),
        "standby": [standby_doc(standby, now) for standby in state.standby],
        "watch": watch_doc(state.watch, now),
        "absent_since": state.absent_since,
        "weights": traffic.weights,
        "segments": {
            name: {arm.release.id: arm.segments[name] / 1e4 for arm in traffic.arms if arm.segments.get(name)}
            for name in sorted({name for arm in traffic.arms for name in arm.segments})
        },
        "ready": {release.id: ready.get(release.workload, "cold") for release in releases},
        "why": {release.id: why[release.workload] for release in releases if release.workload in why},
        "degraded": state.degraded,
        "skipped": state.skipped,
        "rejected": [
            {"digest": one.digest, "asked_by": one.touched, "reason": one.reason, "at": one.at}
            for one in state.rejected
        ],
        "git_pending": [
            {"kind": duty.kind, "release": duty.release.id, "reason": duty.reason} for duty in state.duties
        ],
        "git": git,
        "problem": problem,
        "meters": {name: dict(meter) for name, meter in meters.items()},
        "validation": {name: dict(report) for name, report in (validation or {}).items()},
        "sources": [dict(source) for source in sources],
    }
