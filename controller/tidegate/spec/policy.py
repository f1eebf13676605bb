"""Kind RolloutPolicy: the steps a new release walks, what it is judged by, and what happens when it fails."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from tidegate.spec.base import Document, Flag, Name, Number, Part, Sha256, Text, Whole
from tidegate.spec.model import Bound
from tidegate.spec.sources import SourceSpec, branch
from tidegate.spec.units import Duration, Limit, Share

RELATIVE = ("max_ratio", "min_ratio", "max_increase", "max_drop")
ABSOLUTE = ("max", "min", "max_gap")
LOW_IS_BAD = ("min", "min_ratio", "max_drop")


class Samples(Part):
    """Recorded or made-up requests: JSON lines with `input`, by digest."""

    uri: Text
    sha256: Sha256


class Validate(Part):
    """What the candidate must show alone, before any user's traffic.

    `evaluation`: of the figures in the version's file. `measure`: whether the candidate itself is asked the model's
    evaluation set, by Tidegate or by `image` with `command`. Times in seconds.
    """

    evaluation: Literal["required", "optional"] = "optional"
    measure: Literal["live", "none"] = "live"
    requests: Annotated[Whole, Field(ge=0)] = 0
    samples: Samples | None = None
    image: Annotated[Text, Field(pattern=r"^[^@\s]+@sha256:[0-9a-f]{64}$")] | None = None
    command: tuple[Text, ...] = ()
    env: dict[Text, Text] = Field(default_factory=dict)
    timeout: Annotated[Duration, Field(gt=0)] = 3600.0
    request_timeout: Annotated[Duration, Field(gt=0)] = 60.0
    concurrency: Annotated[Whole, Field(ge=1, le=256)] = 4


class Step(Part):
    """One step: a shadow, segments, or a share of the traffic, for a time and a number of candidate requests."""

    name: Name
    shadow: Share | None = None
    segments: tuple[Name, ...] = ()
    weight: Share | None = None
    duration: Annotated[Duration, Field(alias="for")] = 0.0
    min_requests: Annotated[Whole, Field(ge=0)] = 0
    approve: Literal["manual"] | None = None
    agreement: Bound | None = None
    holdback: Share | None = None
    capacity: Share | None = None

    @model_validator(mode="after")
    def _something_to_do(self) -> Step:
        if self.shadow is not None and (self.segments or self.weight is not None):
            raise ValueError("a step has 'shadow', or 'segments' and 'weight', not both")
        if self.shadow is None and not self.segments and self.weight is None:
            raise ValueError("a step needs 'shadow', 'segments' or 'weight'")
        if self.agreement is not None and self.shadow is None:
            raise ValueError("'agreement' belongs to a 'shadow' step")
        return self


class Guardrail(Part):
    """One metric with one limit: against the stable release in the same window, or absolute.

    Relative limits: `max_ratio`, `min_ratio` (multiples of stable's), `max_increase`, `max_drop` (a share of stable's
    for latencies, an absolute difference for scores). Absolute: `max`, `min`. `bounds`: the least and the greatest value
    that a score can have, in its own unit.

    `segments`: judged within each of them (`each`: of all that have traffic, what no segment matches among them), and
    together in one decision. `max_gap`: the most that any two of them may differ by on the candidate.
    """

    metric: Text
    max_ratio: Number | None = None
    min_ratio: Number | None = None
    max_increase: Limit | None = None
    max_drop: Limit | None = None
    max: Number | None = None
    min: Number | None = None
    max_gap: Annotated[Limit | None, Field(ge=0)] = None
    margin: Limit | None = None
    weight: Number | None = None
    min_requests: Annotated[Whole, Field(ge=0)] = 0
    immediate: Flag = False
    bounds: tuple[Number, Number] = (0.0, 1.0)
    segments: Literal["each"] | Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    source: Annotated[
        Annotated[Literal["gateway", "feedback", "shadow"], Tag("-word")] | Annotated[SourceSpec, Tag("-spec")],
        Discriminator(branch),
    ] = "gateway"

    @model_validator(mode="after")
    def _one_limit(self) -> Guardrail:
        given = [name for name in (*RELATIVE, *ABSOLUTE) if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"a guardrail has exactly one limit of {', '.join((*RELATIVE, *ABSOLUTE))}; this has {given}"
            )
        if not self.bounds[0] < self.bounds[1]:
            raise ValueError("'bounds' are two numbers, the lower one first, such as [0, 10]")
        if self.max_gap is not None and (self.segments is None or (self.segments != "each" and len(self.segments) < 2)):
            raise ValueError("'max_gap' compares segments: name them with 'segments: each' or a list of two or more")
        if self.segments not in (None, "each") and len(set(self.segments or ())) < len(self.segments or ()):
            raise ValueError("'segments' names a segment twice")
        return self

    @property
    def limit_name(self) -> str:
        """Which of the seven limits this guardrail has."""
        return next(name for name in (*RELATIVE, *ABSOLUTE) if getattr(self, name) is not None)

    @property
    def limit(self) -> float:
        """Its value: a ratio, a share, or a number in the metric's own unit."""
        return float(getattr(self, self.limit_name))

    @property
    def polled(self) -> bool:
        """True when its values are asked for now and then: how many there are does not follow from the requests."""
        return isinstance(self.source, SourceSpec)

    @property
    def paired(self) -> bool:
        """True when it judges a shadow: the pairs of answers that the stable release and the copy gave to one request."""
        return self.source == "shadow"

    @property
    def relative(self) -> bool:
        """True when the stable release is what it is compared with."""
        return self.limit_name in RELATIVE


class Budget(Part):
    """How long, and how many candidate requests, until undecided becomes `then`."""

    duration: Annotated[Duration | None, Field(alias="for")] = None
    requests: Whole | None = None
    then: Literal["hold", "rollback", "promote"] = "hold"


class NoData(Part):
    """What happens while there is no evidence: `action` at once, `then` after `for`."""

    action: Literal["hold", "rollback", "pass"] = "hold"
    duration: Annotated[Duration, Field(alias="for")] = 1800.0
    then: Literal["hold", "rollback", "pass"] = "rollback"


class Rollback(Part):
    """How git is made true, and how many former releases may come back without steps."""

    git: Literal["revert", "branch", "none"] = "revert"
    window: Annotated[Whole, Field(ge=0)] = 5


class Retire(Part):
    """When a former release's containers and artifacts may go."""

    after: Duration = 14 * 86400.0
    keep: Whole = 3


class PolicyFields(Part):
    """A RolloutPolicy without its header; a scenario for `simulate` has just these."""

    summary: Text | None = None
    validation: Annotated[Validate, Field(alias="validate")] = Validate()
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]
    config_steps: tuple[Step, ...] | None = None
    guardrails: tuple[Guardrail, ...] = ()
    budget: Budget | None = None
    confidence: Annotated[Number, Field(gt=0.5, lt=1)] = 0.99
    no_data: NoData = NoData()
    watch: tuple[Guardrail, ...] = ()
    rollback: Rollback = Rollback()
    standby: Duration = 72 * 3600.0
    retire: Retire | None = None
    notify: tuple[Text, ...] = ()
    warm_up: Duration = 0.0
    batch: Annotated[Duration, Field(ge=0.5, le=600)] = 10.0
    unit: Literal["request", "session"] = "request"
    startup_timeout: Duration | None = None
    drain: Duration = 30.0


class RolloutPolicy(PolicyFields, Document):
    """policies/<name>.yaml"""

    kind: Literal["RolloutPolicy"]
    name: Name
