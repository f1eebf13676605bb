"""One validation of one release: what is to be measured (`plan_of`, pure), and the job that measures it.

Two kinds of evidence: sample requests that have to be answered well, and the contract's evaluation set, asked by Tidegate
or by the policy's own evaluator. Neighbours: validation.py submits and judges, evaluation/ measures, runtime/ runs images.
"""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tidegate.artifacts.store import Store
from tidegate.engine.catalog import Blob, Entry
from tidegate.engine.configs import Files, no_file
from tidegate.engine.table import Links, arm_of, body_of, no_link
from tidegate.evaluation.job import Job, Measured, Target
from tidegate.evaluation.process import Cancelled, Ended, measure, run_command
from tidegate.gateway.front import front
from tidegate.gateway.model import Upstream
from tidegate.rollout.acceptance import tolerated
from tidegate.rollout.traffic import WHOLE, TrafficArm
from tidegate.runtime.interface import Instance, Runtime
from tidegate.runtime.launch import environment
from tidegate.spec.errors import NeedsPerson, RetryLater, TidegateError
from tidegate.spec.model import EvaluationSet, Model
from tidegate.spec.policy import Samples, Validate
from tidegate.spec.release import Release

BROKEN_CODES: Final = frozenset({125, 126, 127})
"""Exit codes by which shells and engines say that a command could not be run at all."""
LAST_LINES: Final = 5
SPARE: Final = 5.0
"""Seconds by which the gateway is more patient than whoever measures: a late answer is then told as what it is."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a release's validation consists of. `key` names it: the same release, sets and evaluator, the same key.

    `requests` of the examples in `samples` are tried; None: nothing beside the evaluation set `examples`.
    """

    key: str
    examples: EvaluationSet | None
    samples: Samples | EvaluationSet | None
    how: Validate
    metrics: tuple[str, ...]
    compared: bool


def plan_of(release: Release, model: Model, how: Validate) -> Plan | None:
    """What has to be measured of this release, None when nothing is. Raises NeedsPerson when there is nothing to send."""
    contract = model.acceptance
    examples = contract.evaluation_set if how.measure == "live" else None
    samples: Samples | EvaluationSet | None = None
    if how.requests:
        samples = how.samples or contract.evaluation_set
        if samples is None:
            raise NeedsPerson(
                f"the policy asks for {how.requests} requests, and there are none to send",
                where="validate.requests",
                fix="give the policy validate.samples, or the model acceptance.evaluation_set; or take it out",
            )
        own = bool(how.image or how.command)
        if examples is not None and samples is examples and not own and how.requests <= examples.examples:
            samples = None  # each of them is asked anyway
    if examples is None and samples is None:
        return None
    names = {*contract.metrics, *contract.regression, *(rule.metric for rule in contract.fairness)}
    identity = {
        "release": release.digest,
        "protocol": model.protocol,
        "through": "gateway",  # a report from before the prompt was part of it answers another question
        "examples": examples.model_dump(mode="json", exclude={"uri", "min_examples"}) if examples else None,
        "samples": [samples.sha256, how.requests] if samples else None,
        "evaluator": how.model_dump(mode="json", include={"image", "command", "env"}),
        "pace": [how.concurrency, how.request_timeout],
        "metrics": sorted(names),
    }
    key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    return Plan(key, examples, samples, how, tuple(sorted(names)), bool(contract.regression and examples))


class Staging:
    """Does plans, one call a job. Safe under several threads."""

    def __init__(
        self,
        store: Store,
        blob: Blob,
        runtime: Runtime,
        path: tuple[str, ...],
        now: Callable[[], float],
        envoy: str | None,
        link: Links = no_link,
        file: Files = no_file,
    ) -> None:
        self._store = store
        self._blob = blob
        self._runtime = runtime
        self._path = path
        self._now = now
        self._envoy = envoy
        self._link = link
        self._file = file

    def examine(
        self,
        plan: Plan,
        release: Release,
        entry: Entry,
        server: Instance,
        cancelled: Callable[[], bool],
        *,
        gentle: bool,
    ) -> dict[str, Any] | None:
        """The report, None when it was cancelled. Raises NeedsPerson or RetryLater when nothing could be measured.

        `gentle`: the server has users; it is asked slowly.
        """
        began = time.monotonic()
        if server.address is None:
            raise NeedsPerson("it has no address", where=server.name, fix="look at it: tidegate status")
        provider = entry.version.provider
        link = self._link(release.workload, provider) if provider is not None else None
        arm = arm_of(TrafficArm(release, "candidate", WHOLE), entry.model, entry, link, self._file_of(entry))
        upstream = Upstream(arm.upstream, (server.address,), plan.how.request_timeout + SPARE, link, arm.keep_alive)
        own = bool(plan.how.image or plan.how.command)
        try:
            with front(release.model, arm, upstream, self._envoy) as gateway:
                found = self._measure(plan, release, entry, server, gateway, cancelled, gentle=gentle)
        except Cancelled:
            return None
        return {
            "version": 1,
            "key": plan.key,
            "release": release.digest,
            "model": release.model,
            "model_version": release.version,
            "evaluator": (plan.how.image or " ".join(plan.how.command)) if own else "tidegate",
            "at": self._now(),
            "seconds": round(time.monotonic() - began, 3),
            **found,
        }

    def _measure(
        self, plan: Plan, release: Release, entry: Entry, server: Instance, gateway: Path,
        cancelled: Callable[[], bool], *, gentle: bool,
    ) -> dict[str, Any]:  # fmt: skip
        """Both kinds of evidence, asked for at the socket file `gateway`. Raises Cancelled, NeedsPerson, RetryLater."""
        signature = entry.version.signature
        target = Target(str(gateway), entry.model.protocol, release.model, signature.outputs if signature else ())
        found: dict[str, Any] = {"requests": None, "evaluation": None, "refused": None}
        if plan.samples is not None and not gentle:
            path = self._fetch(plan.samples, release.commit)
            job = self._job(plan, target, path, plan.samples.sha256, entry.model, score=False)
            found["requests"] = measure(job, plan.how.timeout, cancelled).to_doc()
        if plan.examples is not None:
            path = self._fetch(plan.examples, release.commit)
            if plan.how.image or plan.how.command:
                found |= self._own(plan, release, entry, target, server, path, cancelled)
            else:
                job = self._job(plan, target, path, plan.examples.sha256, entry.model, gentle=gentle)
                found["evaluation"] = measure(job, plan.how.timeout, cancelled).to_doc()
            _enough(plan.examples, found["evaluation"])
        return found

    def _file_of(self, entry: Entry) -> str | None:
        """The config's file, which the server can read by now. Raises RetryLater when it cannot be written."""
        try:
            return self._file(entry)
        except OSError as error:
            why = f"the inference config's file cannot be written: {error.strerror or error}"
            raise RetryLater(why, where=error.filename, fix="free some space on that disk") from error

    def _job(self, plan: Plan, target: Target, path: Path, sha256: str, model: Model, **more: Any) -> Job:
        examples = plan.examples
        return Job(
            target,
            str(path),
            sha256,
            limit=None if more.get("score", True) else plan.how.requests,
            metrics=plan.metrics if more.get("score", True) else (),
            output=examples.output if examples else None,
            scores=examples.scores if examples else None,
            labels=examples.labels if examples else (),
            concurrency=plan.how.concurrency,
            patience=plan.how.request_timeout,
            tolerated=1.0 if more.get("gentle") else tolerated(model.acceptance),
            **more,
        )

    def _fetch(self, source: EvaluationSet | Samples, commit: str) -> Path:
        def read(path: str) -> bytes:
            content = self._blob(commit, path)
            if content is None:
                raise FileNotFoundError(path)
            return content

        return self._store.fetch(source.uri, source.sha256, read=read)

    # -- an evaluator of the policy's own ------------------------------------------------------------------------------

    def _own(
        self, plan: Plan, release: Release, entry: Entry, target: Target, server: Instance, path: Path,
        cancelled: Callable[[], bool],
    ) -> dict[str, Any]:  # fmt: skip
        """What its report says; `refused` when it ended with another exit code than 0. Raises when it is broken."""
        inside = "/evaluation/set.jsonl"
        docker = self._runtime.kind == "docker"
        if server.address is None:
            raise NeedsPerson("it has no address", where=server.name, fix="look at it: tidegate status")
        if docker and entry.version.runtime is None:
            fix = "take out validate.image and validate.command: Tidegate measures it itself"
            raise _broken(plan, "it runs in its server's network, and a provider's release has none", fix)
        port = entry.version.runtime.port if entry.version.runtime else 0
        host, number = ("127.0.0.1", port) if docker else server.address
        through = "/evaluation/gateway.sock"
        facts = {
            "TIDEGATE_ADDRESS": f"http://{host}:{number}",
            "TIDEGATE_EVALUATION_SET": inside if docker else str(path),
            "TIDEGATE_MODEL": release.model,
            "TIDEGATE_VERSION": release.version,
            "TIDEGATE_RELEASE": release.digest,
            "TIDEGATE_PROTOCOL": target.protocol,
            "TIDEGATE_PARAMETERS": json.dumps(body_of(target.protocol, entry.config) or {}),
            "TIDEGATE_SOCKET": through if docker else target.gateway,
            "TIDEGATE_CONFIG": self._file_of(entry) or "",
        }
        env = {**facts, **{name: _filled(value, facts) for name, value in plan.how.env.items()}}
        command = [_filled(word, facts) for word in plan.how.command]
        if docker:
            ended = self._container(
                plan, release, command, env, server, {inside: path, through: Path(target.gateway)}, cancelled
            )
        elif not command:
            raise _broken(
                plan, "this runtime runs commands, and the policy names an image alone", "add validate.command"
            )
        else:
            with tempfile.TemporaryDirectory(prefix="tidegate-evaluator-") as folder:
                shown = {**environment(self._path), **env}
                ended = run_command(command, shown, Path(folder), plan.how.timeout, cancelled)
        if cancelled():
            raise Cancelled
        return _read(plan, ended, path)

    def _container(
        self, plan: Plan, release: Release, command: list[str], env: Mapping[str, str], server: Instance,
        mounts: Mapping[str, Path], cancelled: Callable[[], bool],
    ) -> Ended:  # fmt: skip
        # Imported here: only this runtime has the engine's SDK loaded.
        from tidegate.runtime.docker import DockerRuntime
        from tidegate.runtime.task import Task

        if plan.how.image is None or not isinstance(self._runtime, DockerRuntime):
            raise _broken(
                plan, "this runtime runs containers, and the policy names a command alone", "add validate.image"
            )
        task = Task(f"validate-{release.id}", plan.how.image, command, env, mounts, server.ref)
        ended = self._runtime.run_task(task, plan.how.timeout, cancelled)
        return Ended(ended.code, ended.output, ended.errors)


def _read(plan: Plan, ended: Ended, path: Path) -> dict[str, Any]:
    last = " / ".join([line for line in (ended.errors or ended.output).splitlines() if line.strip()][-LAST_LINES:])[
        -600:
    ]
    if ended.code is None:
        raise _broken(
            plan, f"it did not end within {plan.how.timeout:g} s", "raise validate.timeout, or mend the evaluator"
        )
    if ended.code in BROKEN_CODES:
        raise _broken(plan, f"it could not be run: {last}", "correct validate.image and validate.command")
    if ended.code:
        return {"refused": f"the evaluator ended with exit code {ended.code}: {last or 'it said nothing'}"}
    examples = plan.examples
    if examples is None:
        raise _broken(plan, "there is no evaluation set", "declare acceptance.evaluation_set in model.yaml")
    try:
        doc = _report(ended.output)
        metrics = {str(name): _finite(value) for name, value in doc["metrics"].items()}
        slices = {
            str(group): {str(m): {str(n): _finite(v) for n, v in of.items()} for m, of in members.items()}
            for group, members in (doc.get("slices") or {}).items()
        }
        count = int(doc.get("examples", sum(1 for line in path.read_bytes().splitlines() if line.strip())))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        shown = ended.output.strip()[-200:] or "nothing"
        fix = 'print one JSON object: {"metrics": {"accuracy": 0.97}, "slices": {"group": {"member": {"accuracy": 0.96}}}}'
        raise _broken(plan, f"what it printed is no report ({error}): {shown}", fix) from error
    return {"evaluation": Measured(examples.sha256, count, metrics=metrics, slices=slices).to_doc()}


def _report(output: str) -> dict[str, Any]:
    """The JSON object that was printed: the whole output, or the last line that begins with a brace."""
    try:
        doc = json.loads(output)
    except ValueError:
        lines = [line for line in output.splitlines() if line.lstrip().startswith("{")]
        if not lines:
            raise
        doc = json.loads(lines[-1])
    if not isinstance(doc, dict):
        raise TypeError("no JSON object")
    return doc


def _finite(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return float(value)


def _filled(text: str, facts: Mapping[str, str]) -> str:
    for name, value in facts.items():
        text = text.replace(f"${{{name}}}", value)
    return text


def _broken(plan: Plan, why: str, fix: str) -> TidegateError:
    name = plan.how.image or " ".join(plan.how.command)
    return NeedsPerson(f"the evaluator '{name}' is broken: {why}", where="validate", fix=fix)


def _enough(examples: EvaluationSet, measured: Mapping[str, Any] | None) -> None:
    """The set itself has to hold what the contract asks for: that is no release's fault."""
    if measured is None or not measured["complete"] or measured["examples"] >= examples.min_examples:
        return
    raise NeedsPerson(
        f"{measured['examples']} examples were measured, the contract asks for {examples.min_examples}",
        where=examples.uri,
        fix="name a larger set in acceptance.evaluation_set, or lower min_examples",
    )
