"""Before users: does the candidate meet its model's contract? By its file's figures, then by what it shows itself.

The measuring is a job beside the loop (staging.py), one for all routes that try the same release; its report stays in the
journal, and is measured anew only for a release that was rejected since and is asked for again: else a trouble that is over
would condemn it for ever. Neighbours: rollout/acceptance.py judges (pure), loop.py hands on the answer.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tidegate.engine.catalog import Catalog, Entry
from tidegate.engine.configs import by_file, unseen
from tidegate.engine.fleet import Fleet
from tidegate.engine.staging import Plan, Staging, plan_of
from tidegate.engine.summary import short_report
from tidegate.engine.workers import Done, Workers
from tidegate.evaluation.job import Measured
from tidegate.journal.journal import Journal
from tidegate.rollout.acceptance import judge, judge_live, unmeasured
from tidegate.rollout.state import Candidate, Phase, RouteState
from tidegate.runtime.interface import Instance
from tidegate.spec.errors import NeedsPerson, RetryLater, TidegateError
from tidegate.spec.model import Acceptance
from tidegate.spec.release import Release
from tidegate.spec.version import Evaluation

log = logging.getLogger(__name__)


class Question(NamedTuple):
    """What an answer from the file depends on: the candidate, its contract's commit, the stable release, the policy."""

    release: str
    commit: str
    stable: str
    required: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """`judged`: by release digest, '' passed, else the reason why not. `unproven`: why nothing can be said just now."""

    judged: Mapping[str, str] = field(default_factory=dict)
    unproven: Mapping[str, str] = field(default_factory=dict)


class Validation:
    """What is known of the candidates, and what is being measured. Called by the loop alone."""

    def __init__(self, catalog: Catalog, staging: Staging, fleet: Fleet, workers: Workers, journal: Journal) -> None:
        self._catalog = catalog
        self._staging = staging
        self._fleet = fleet
        self._workers = workers
        self._journal = journal
        self._answers: dict[str, tuple[Question, str]] = {}
        self._reports: dict[str, dict[str, Any] | None] = {}
        self._errors: dict[str, TidegateError] = {}
        self._unsaved: dict[str, dict[str, Any]] = {}
        self._running: dict[str, threading.Event] = {}
        self._wanted: set[str] = set()
        self._measured: dict[str, str] = {}
        self._newest: dict[str, dict[str, Any]] | None = None

    def answers(self, state: RouteState) -> Answer:
        """For the route's candidate; nothing while it is measured, or when git cannot be asked just now."""
        candidate = state.candidate
        if candidate is None or candidate.validated:
            return Answer()
        digest = candidate.release.digest
        answer = self._by_file(state, candidate)
        if answer is None:
            return Answer()
        if answer:
            return Answer({digest: answer})
        try:
            found = self._by_itself(state, candidate)
        except NeedsPerson as error:
            return Answer(unproven={digest: _told(error)})
        except RetryLater:
            return Answer()
        return found

    def took(self, done: Done) -> bool:
        """Take in a job that ended. True when it was one of these."""
        match done.key:
            case ("validate", str() as key):
                self._running.pop(key, None)
                self._measured = {digest: of for digest, of in self._measured.items() if of != key}
                if done.error is not None:
                    self._errors[key] = done.error
                    log.warning("a validation could not be done: %s", done.error)
                elif done.value is not None:
                    self._errors.pop(key, None)
                    if self._newest is not None:
                        self._newest[done.value["release"]] = short_report(done.value)
                    self._reports[key] = self._unsaved[key] = done.value
                    log.info(
                        "%s %s: measured in %.1f s",
                        done.value["model"],
                        done.value["model_version"],
                        done.value["seconds"],
                    )
            case _:
                return False
        return True

    def settle(self) -> None:
        """After all routes were asked: give up what nobody waits for any more, and keep the reports. Raises what the
        journal raises; then they are kept in the next pass."""
        for key in self._running.keys() - self._wanted:
            self._running[key].set()
        self._errors = {key: error for key, error in self._errors.items() if key in self._wanted}
        self._reports = {key: report for key, report in self._reports.items() if key in self._wanted}
        self._wanted = set()
        if self._unsaved:
            with self._journal.transaction() as transaction:
                for key, doc in self._unsaved.items():
                    transaction.put_report(key, doc["release"], doc)
            self._unsaved.clear()

    def close(self) -> None:
        """Give up everything that is being measured: nobody waits for it."""
        for event in self._running.values():
            event.set()

    def told(self, state: RouteState) -> dict[str, dict[str, Any]]:
        """For the status: what is known of the stable release and the candidate, by short id."""
        if self._newest is None:
            self._newest = {digest: short_report(doc) for digest, doc in self._journal.reports().items()}
        releases = [state.stable, state.candidate.release if state.candidate else None]
        found = {one.id: self._newest[one.digest] for one in releases if one is not None and one.digest in self._newest}
        candidate = state.candidate
        if candidate is not None and not candidate.validated and candidate.release.digest in self._measured:
            found[candidate.release.id] = {"measuring": True}
        return found

    # -- the figures of its file ---------------------------------------------------------------------------------------

    def _by_file(self, state: RouteState, candidate: Candidate) -> str | None:
        """'' passed, the reason why not, or None when git cannot be asked just now."""
        release, stable = candidate.release, state.stable
        required = candidate.policy.validation.evaluation == "required"
        # The contract stands in the model's file, which is no part of the release: the commit tells which it was.
        question = Question(release.digest, release.commit, stable.digest if stable else "", required)
        known = self._answers.get(state.route)
        if known is not None and known[0] == question:
            return known[1]
        try:
            entry = self._catalog.entry(release)
            against = self._catalog.entry(stable).version if stable else None
        except NeedsPerson as error:
            answer = str(error)
        except RetryLater:  # asked again in the next pass: the candidate waits
            return None
        else:
            answer = judge(entry.model, entry.version, against, required=required)
        self._answers[state.route] = (question, answer)
        return answer

    # -- what it shows itself ------------------------------------------------------------------------------------------

    def _by_itself(self, state: RouteState, candidate: Candidate) -> Answer:
        release = candidate.release
        entry = self._catalog.entry(release)
        config = by_file(entry)
        blind = unseen(config, self._fleet.servers.of(release.workload)) if config is not None else None
        if blind is not None:
            raise blind
        plan = plan_of(release, entry.model, candidate.policy.validation)
        if plan is None:
            return Answer({release.digest: ""})
        if candidate.doing is not Phase.VALIDATING:
            return Answer()
        report = self._report(plan.key)
        if report is None or _outdated(report, state, candidate):
            self._measure(plan, release, entry, candidate.touched, gentle=False)
            why = self._errors.get(plan.key)
            return Answer(unproven={release.digest: _told(why)}) if why is not None else Answer()
        baseline = None
        stable = state.stable
        if plan.compared and stable is not None and stable.digest != release.digest and report["refused"] is None:
            found = self._baseline(stable, entry, candidate)
            if isinstance(found, Answer):
                return found
            baseline = found
        return self._judged(release, entry.model.acceptance, plan, report, baseline, stable)

    def _judged(
        self, release: Release, contract: Acceptance, plan: Plan, report: Mapping[str, Any],
        baseline: Evaluation | None, stable: Release | None,
    ) -> Answer:  # fmt: skip
        if report["refused"]:
            return Answer({release.digest: str(report["refused"])})
        reasons = []
        if report["requests"] is not None:
            measured = Measured.of(report["requests"])
            alone = contract.model_copy(update={"evaluation_set": None, "fairness": (), "regression": {}})
            reasons.append(_judge(alone, measured, None, ""))
        if report["evaluation"] is not None:
            measured = Measured.of(report["evaluation"])
            reasons.append(_judge(contract, measured, baseline, stable.version if stable else ""))
            missing = [f"{name} could not be measured: {why}" for name, why in measured.unknown.items()]
            missing += filter(None, [unmeasured(contract, _evaluation(measured))])
            if missing and not any(reasons) and plan.how.evaluation == "required":
                fix = "mend the evaluation set, or take the rule out of acceptance"
                raise NeedsPerson("; ".join(missing), where=f"set {measured.sha256[:12]}", fix=fix)
        return Answer({release.digest: "; ".join(reason for reason in reasons if reason)})

    def _baseline(self, stable: Release, entry: Entry, candidate: Candidate) -> Evaluation | Answer | None:
        """The stable release's figures on the same set: its report, or it is asked too, slowly. None: there are none.

        An Answer without a judgement while it is measured, or backs off until it is. One that does not run cannot be asked:
        its replacement does not wait for that, and the figures of the files were compared already.
        """
        theirs = self._catalog.entry(stable)
        plan = plan_of(stable, entry.model, candidate.policy.validation)
        if plan is None or plan.examples is None:
            return None
        report = self._report(plan.key)
        if report is None and self._server(stable) is None:
            return None
        if report is None:
            self._measure(plan, stable, theirs, "", gentle=True)
            if plan.key in self._errors:
                why = f"the stable release cannot be measured: {_told(self._errors[plan.key])}"
                return Answer(unproven={candidate.release.digest: why})
            return Answer()
        if report["evaluation"] is None or not report["evaluation"]["complete"]:
            return None
        return _evaluation(Measured.of(report["evaluation"]))

    def _report(self, key: str) -> dict[str, Any] | None:
        """What is known of the plan of this key, and it is wanted; None: nothing yet."""
        self._wanted.add(key)
        if key not in self._reports:
            self._reports[key] = self._journal.report(key)
        return self._reports[key]

    def _measure(self, plan: Plan, release: Release, entry: Entry, asked: str, *, gentle: bool) -> None:
        """Begin, unless it is measured already, backs off, or its server is not there.

        `asked`: the commit that asks for the candidate whose validation it is; '' where it is the stable release.
        """
        server = self._server(release) if plan.key not in self._running else None
        if server is None:
            return
        given_up = threading.Event()

        def examine() -> dict[str, Any] | None:
            if given_up.is_set():  # while it waited for a thread
                return None
            report = self._staging.examine(plan, release, entry, server, given_up.is_set, gentle=gentle)
            return None if report is None else {**report, "asked": asked}

        if self._workers.submit(("validate", plan.key), examine, measures=True):
            self._running[plan.key] = given_up
            self._measured[release.digest] = plan.key

    def _server(self, release: Release) -> Instance | None:
        addresses = self._fleet.endpoints(release.workload)
        return next(
            (one for one in self._fleet.instances() if one.digest == release.workload and one.address in addresses),
            None,
        )


def _outdated(report: Mapping[str, Any], state: RouteState, candidate: Candidate) -> bool:
    """Whether the route has rejected this release since it was measured.

    Where it can, by the commit that it was measured for: moments of one pass do not tell which was first, and a clock may
    have been set back. Reports of an earlier Tidegate have no commit, and those of another route another one.
    """
    asked, at = report.get("asked"), report.get("at", 0.0)
    if asked == candidate.touched:
        return False
    return any(r.touched == asked or at <= r.at for r in state.rejected if r.digest == candidate.release.digest)


def _judge(contract: Acceptance, measured: Measured, baseline: Evaluation | None, name: str) -> str:
    return judge_live(
        contract,
        _evaluation(measured),
        baseline,
        name,
        failed=measured.failed,
        failures=measured.failures,
        complete=measured.complete,
    )


def _evaluation(measured: Measured) -> Evaluation:
    slices = {group: {m: dict(of) for m, of in members.items()} for group, members in measured.slices.items()}
    return Evaluation(
        set_sha256=measured.sha256, examples=measured.examples, metrics=dict(measured.metrics), slices=slices
    )


def _told(error: TidegateError) -> str:
    """An error in one line."""
    text = f"{error.where}: {error.message}" if error.where else error.message
    return f"{text}; fix: {error.fix}" if error.fix else text
