"""The scenario file: traffic, a policy, how each release would behave, what happens when, and what is expected of it.

Neighbours: behaviour.py resolves the releases, run.py plays the events, expect.py judges. DESIGN section 6.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from tidegate.rollout.simulate.policies import Reader, with_policies
from tidegate.rollout.state import EventKind
from tidegate.spec.base import Flag, Name, Number, Part, Text, Whole
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.policy import PolicyFields
from tidegate.spec.source import parse
from tidegate.spec.translate import problems_of
from tidegate.spec.units import Duration, Share


class Rate(Part):
    """Requests a second from some time on."""

    rate: Number = Field(ge=0)


class TrafficSpec(Rate):
    """Poisson traffic of the route: `rate` a second, changed `from` a time on; `segments`: their shares of it."""

    from_: dict[Duration, Rate] = Field(default_factory=dict, alias="from")
    segments: dict[Name, Share] = Field(default_factory=dict)


class Latency(Part):
    """A log-normal latency, by two of its quantiles in ms."""

    p50: Number = Field(gt=0)
    p95: Number = Field(gt=0)

    @model_validator(mode="after")
    def _in_order(self) -> Latency:
        if self.p95 < self.p50:
            raise ValueError("'p95' cannot be below 'p50'")
        return self


class Score(Part):
    """A score in [0, 1], Beta-distributed with this mean and standard deviation; `after`: so late it is known (feedback)."""

    mean: Number = Field(ge=0, le=1)
    sd: Number = Field(ge=0)
    after: Duration = 0.0


class Ready(Part):
    """Ready so long after its start."""

    after: Duration


class Behaviour(Part):
    """How a release answers: share of errors, their mean run, latency in ms, scores by metric."""

    error_rate: Number | None = Field(default=None, ge=0, le=1)
    error_burst: Number | None = Field(default=None, ge=1)
    latency_ms: Latency | None = None
    scores: dict[Text, Score] | None = None


class ReleaseSpec(Behaviour):
    """One release: `like` another one but for what is given here; `from` a time on, otherwise.

    `agreement`: the share of mirrored requests that it answers as the stable release does; `missing`: of copies without any
    answer.
    """

    like: Text | None = None
    config_only: Flag = False
    ready: Literal["never"] | Ready | None = None
    validation: Literal["pass", "fail"] | None = None
    agreement: Number | None = Field(default=None, ge=0, le=1)
    missing: Number | None = Field(default=None, ge=0, le=1)
    from_: dict[Duration, Behaviour] | None = Field(default=None, alias="from")

    @model_validator(mode="after")
    def _config_of_what(self) -> ReleaseSpec:
        if self.config_only and self.like is None:
            raise ValueError("'config_only' needs 'like': the release whose weights it shares")
        return self


THINGS = ("declare", "delete", "kill", "source", "git", "mirroring", "hold", "approve", "replicas", "policy")
"""What an event may be."""


class EventSpec(Part):
    """One thing that happens `at` a time; some last `for` a while.

    `delete` takes the deployment out of git. `git` down: nothing is fetched and nothing pushed. `kill: host` takes
    everything but git with it: another host is built from what git remembers.
    """

    at: Duration
    declare: Text | None = None
    delete: Literal["deployment"] | None = None
    kill: Literal["controller", "gateway", "container", "host"] | None = None
    release: Text | None = None
    source: Literal["down", "up"] | None = None
    git: Literal["down", "up"] | None = None
    mirroring: Literal["down", "up"] | None = None
    hold: Flag | None = None
    approve: Text | None = None
    replicas: Annotated[Whole, Field(ge=1)] | None = None
    policy: PolicyFields | None = None
    duration: Duration | None = Field(default=None, alias="for")

    @model_validator(mode="after")
    def _one_thing(self) -> EventSpec:
        given = [name for name in THINGS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"an event is one of {', '.join(THINGS)}; this has {given or 'none'}")
        if (self.kill == "container") != (self.release is not None):
            raise ValueError("a killed container needs its 'release', and nothing else has one")
        if self.duration is not None and not {"kill", "source", "git", "mirroring"}.intersection(given):
            raise ValueError(f"'{given[0]}' does not last: take 'for' out")
        return self


class Final(Part):
    """How it has to end; what is left out may be anything."""

    stable: Text | None = None
    candidate: Text | None = None
    weights: dict[Text, Number] | None = None
    phase: Text | None = None
    rejected: tuple[Text, ...] | None = None


class Expectation(Part):
    """One thing that has to hold of the timeline. `hold`: the cause of a `held`; `because`: a part of the reason."""

    event: Text | None = None
    never: Text | None = None
    count: Text | None = None
    release: Text | None = None
    step: Text | None = None
    hold: Text | None = None
    because: Text | None = None
    after: Duration = 0.0
    within: Duration | None = None
    amount: Whole | None = Field(default=None, alias="is")
    at: Duration | None = None
    weights: dict[Text, Number] | None = None
    segment: Name | None = None
    replicas: dict[Text, Whole] | None = None
    order: tuple[Text, ...] | None = None
    final: Final | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> Expectation:
        given = [n for n in ("event", "never", "count", "at", "order", "final") if getattr(self, n) is not None]
        if len(given) != 1:
            raise ValueError(
                f"an expectation is one of event, never, count, at, order, final; this has {given or 'none'}"
            )
        if (self.at is None) != (self.weights is None and self.replicas is None):
            raise ValueError("'at' goes with 'weights' or 'replicas', and they with it")
        if self.segment is not None and self.weights is None:
            raise ValueError("'segment' says of whom the 'weights' are")
        if (self.count is None) != (self.amount is None):
            raise ValueError("'count' and 'is' belong together")
        return self


class Scenario(Part):
    """The whole file. `replicas` and `cool_down` as in the deployment and in tidegate.yaml."""

    seed: Whole = Field(default=0, ge=0)
    replicas: Annotated[Whole, Field(ge=1)] = 1
    cool_down: Duration = 0.0
    traffic: TrafficSpec
    policy: PolicyFields
    releases: dict[Text, ReleaseSpec]
    events: tuple[EventSpec, ...]
    until: Duration
    expect: tuple[Expectation, ...] = ()


def load_scenario(text: bytes, path: str, read: Reader | None = None) -> Scenario:
    """The scenario in `text`; `path` is for messages. Raises NeedsPerson with the place of the first thing wrong.

    `read` brings the file of a policy that is named instead of written out; None: there are none to name.
    """
    source = parse(text, path)
    problems = list(source.problems)
    scenario = None
    if isinstance(source.data, dict):
        try:
            data = with_policies(source, path, read)
            scenario = Scenario.model_validate(data, by_alias=True, by_name=False)
        except ValidationError as error:
            problems += problems_of(error, Scenario, source)
    elif not problems:
        raise NeedsPerson("a scenario is a mapping of fields", where=f"{path}:1:1", fix="begin with 'traffic:'")
    if problems:
        first = min(problems)
        raise NeedsPerson(first.message, where=f"{path}:{first.line}:{first.column}", fix=first.fix)
    if scenario is None:
        raise NeedsPerson(
            "nothing could be read", where=f"{path}:1:1", fix="write a scenario as DESIGN section 6 shows"
        )
    for loc, name in _events(scenario):
        if name not in _KINDS:
            line, column = source.at(loc)
            known = ", ".join(sorted(_KINDS))
            raise NeedsPerson(f"there is no event '{name}'", where=f"{path}:{line}:{column}", fix=f"one of {known}")
    for loc, name in _names(scenario):
        if name not in scenario.releases:
            line, column = source.at(loc)
            known = ", ".join(sorted(scenario.releases)) or "none"
            raise NeedsPerson(
                f"there is no release '{name}' here: {known}",
                where=f"{path}:{line}:{column}",
                fix=f"add '{name}' under 'releases', or name one of those",
            )
    return scenario


_KINDS = frozenset(str(kind) for kind in EventKind)


def _events(scenario: Scenario) -> list[tuple[tuple[str | int, ...], str]]:
    """Where expectations name events, and how: a misspelt one would never be seen."""
    named: list[tuple[tuple[str | int, ...], str]] = []
    for i, one in enumerate(scenario.expect):
        named += [(("expect", i, kind), name) for kind in ("event", "never", "count") if (name := getattr(one, kind))]
        named += [(("expect", i, "order", j), name) for j, name in enumerate(one.order or ())]
    return named


def _names(scenario: Scenario) -> list[tuple[tuple[str | int, ...], str]]:
    """Where releases are named, and how."""
    named: list[tuple[tuple[str | int, ...], str | None]] = []
    for name, spec in scenario.releases.items():
        named.append((("releases", name, "like"), spec.like))
    for i, event in enumerate(scenario.events):
        named.append((("events", i, "declare"), event.declare))
        named.append((("events", i, "release"), event.release))
    for i, expected in enumerate(scenario.expect):
        named.append((("expect", i, "release"), expected.release))
        for field in ("weights", "replicas"):
            named += [(("expect", i, field, name), name) for name in getattr(expected, field) or {}]
    return [(loc, name) for loc, name in named if name is not None]


def policies(scenario: Scenario) -> tuple[PolicyFields, ...]:
    """Every policy that is in force at some time."""
    return (scenario.policy, *(event.policy for event in scenario.events if event.policy is not None))
