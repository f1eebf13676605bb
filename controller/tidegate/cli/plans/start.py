"""Where a plan starts: what serves now, from a controller's journal, from git's own record, or from the branch alone.

Neighbours: sides.py reads the commits; rollout/plan.py plans from the states that this gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.cli.plans.sides import Clone, Half
from tidegate.gitrepo.message import REASON, REJECTS, RELEASE, ROUTE
from tidegate.rollout.plan import assumed
from tidegate.rollout.plan_frame import Basis
from tidegate.rollout.state import Candidate, Desired, Phase, Rejection, RouteState
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.release import Release, route_ref

if TYPE_CHECKING:
    from tidegate.engine.settings import Settings
    from tidegate.gitrepo.record import Note

LOOKED_AT = 12
"""Commits of the branch that are looked at for what a route asked for earlier."""


@dataclass(frozen=True, slots=True)
class Start:
    """The states to begin from. `unknown`: routes of which it cannot be told what serves, and why."""

    basis: Basis
    states: Mapping[str, RouteState]
    unknown: Mapping[str, str] = field(default_factory=dict)


def from_journal(settings: Settings) -> dict[str, RouteState]:
    """The states of a controller that has run on this machine; nothing without one."""
    url = settings.journal
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).is_file():
        return {}  # before the database's library is loaded: most people have no journal
    from tidegate.journal.reader import Reader
    from tidegate.rollout.serial import from_doc

    try:
        with Reader(url) as journal:
            return {route: from_doc(doc) for route, doc in journal.states().items()}
    except NeedsPerson:  # no controller has run here
        return {}


def start(clone: Clone, base: Half, head: Half, journaled: Mapping[str, RouteState], *, record: bool) -> Start:
    """The start of a plan. A route that the journal knows begins there; `record`: git's record is about this base."""
    promoted = _promoted(clone) if record and not journaled else {}
    if promoted:
        return _from_record(clone, base, promoted)
    states = {**_from_branch(clone, base, head, known=journaled), **journaled}
    unknown = {route: wish for route, wish in base.desired.items() if isinstance(wish, str) and route not in journaled}
    return Start("journal" if journaled else "branch", states, unknown)


def _promoted(clone: Clone) -> dict[str, str]:
    """The last promoted commit of each route, as the refs in this clone say."""
    prefix = route_ref(clone.environment, "")
    out = clone.git.run("for-each-ref", "--format=%(refname)%00%(objectname)", prefix)
    pairs = (line.split("\0") for line in out.decode().splitlines())
    return {ref.removeprefix(prefix).replace("+", "/"): commit for ref, commit in pairs}


def _from_record(clone: Clone, base: Half, promoted: Mapping[str, str]) -> Start:
    from tidegate.gitrepo.record import notes_of

    notes = [note for note in notes_of(clone.git) if note.environment == clone.environment]
    states: dict[str, RouteState] = {}
    unknown: dict[str, str] = {}
    for route, commit in promoted.items():
        try:
            found = clone.asked(route, commit)
        except NeedsPerson as error:
            found = error.message
        if not isinstance(found, Desired):
            unknown[route] = (
                f"its last promoted commit {commit[:12]} cannot be followed: {found or 'it asks for nothing'}"
            )
            continue
        states[route] = _recorded(route, found.release, [note for note in notes if note.route == route])
    for route, wish in base.desired.items():
        if not isinstance(wish, Desired) or route in unknown:
            continue
        rejections = [note for note in notes if note.route == route]
        state = states.get(route) or ("/" not in route and _recorded(route, None, rejections)) or None
        if state is not None:
            states[route] = _with_trial(state, wish)
    return Start("record", states, unknown)


def _recorded(route: str, stable: Release | None, notes: list[Note]) -> RouteState:
    """The state that the notes of a route tell, oldest first: what was promoted before, what was rejected since."""
    former: list[Release] = []
    rejected: list[Rejection] = []
    for note in notes:
        if note.kind == "promoted":
            release = Release(route.partition("/")[0], note.version, note.config, note.release, "", note.commit)
            former = [release, *(one for one in former if one.digest != release.digest)]
            rejected = [one for one in rejected if one.digest != release.digest]
        else:
            rejected.append(Rejection(note.release, note.touched, note.reason, note.at))
    first = [stable] if stable is not None else []
    rest = [one for one in former if stable is None or one.digest != stable.digest]
    return RouteState(route, stable=stable, promoted=(*first, *rest), rejected=tuple(rejected))


def _with_trial(state: RouteState, wish: Desired) -> RouteState:
    """What the base asks for and was neither promoted nor rejected is taken to be on trial; at which step, git knows not."""
    if state.stable is not None and state.stable.digest == wish.release.digest:
        return state
    if any(rejection.digest == wish.release.digest for rejection in state.rejected):
        return state
    config_only = state.stable is not None and state.stable.workload == wish.release.workload
    trial = Candidate(wish.release, wish.touched, Phase.PREPARING, 0.0, wish.policy, config_only=config_only)
    return replace(state, candidate=trial)


def _from_branch(clone: Clone, base: Half, head: Half, *, known: Mapping[str, RouteState]) -> dict[str, RouteState]:
    """What the base asks for, taken as promoted; and for routes that change, what the branch tells of earlier days."""
    states = assumed({route: wish for route, wish in base.desired.items() if route not in known})
    changed = {
        route: wish
        for route, wish in head.desired.items()
        if isinstance(wish, Desired)
        and (state := states.get(route)) is not None
        and state.stable is not None
        and state.stable.digest != wish.release.digest
    }
    if not changed or base.side.commit is None:
        return states
    rejections = _rejections(clone, base.side.commit, {route.partition("/")[0] for route in changed})
    for route, wish in changed.items():
        state = states[route]
        version = f"models/{wish.release.model}/versions/{wish.release.version}.yaml"
        former = _earlier(clone, route, base.side.commit, wish) if version in base.files else ()
        states[route] = replace(state, promoted=(*state.promoted, *former), rejected=tuple(rejections.get(route, ())))
    return states


def _rejections(clone: Clone, commit: str, models: set[str]) -> dict[str, list[Rejection]]:
    """What Tidegate's own revert commits say was turned down, oldest first."""
    words = "%x00".join(
        f"%(trailers:key={key},valueonly,unfold,separator=%x20)" for key in (ROUTE, RELEASE, REJECTS, REASON)
    )
    paths = [f"{clone.prefix}models/{model}" for model in sorted(models)]
    out = clone.git.run(
        "log", "--first-parent", "--max-count=500", "--reverse", "--encoding=UTF-8", f"--format=%ct%x00{words}", commit,
        "--", *paths,
    )  # fmt: skip
    found: dict[str, list[Rejection]] = {}
    for line in out.decode("utf-8", "replace").splitlines():
        fields = line.split("\0")
        if len(fields) == 5 and fields[3].strip():
            time, route, digest, asked_by, reason = (field.strip() for field in fields)
            found.setdefault(route, []).append(Rejection(digest, asked_by, reason, float(time)))
    return found


def _earlier(clone: Clone, route: str, commit: str, wish: Desired) -> tuple[Release, ...]:
    """The releases that the branch asked for before, newest first, up to the one that is asked for now."""
    model = wish.release.model
    parts = [
        f"{clone.prefix}models/{model}/{part}" for part in ("deployment.yaml", "deployments", "configs", "versions")
    ]
    out = clone.git.run("rev-list", "--first-parent", f"--max-count={LOOKED_AT}", commit, "--", *parts)
    found: dict[str, Release] = {}
    for earlier in out.decode().split()[1:]:
        asked = clone.asked(route, earlier)
        if isinstance(asked, Desired):
            found.setdefault(asked.release.digest, asked.release)
    return tuple(found.values()) if wish.release.digest in found else ()
