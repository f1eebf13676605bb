"""Kind Model: what a model is for, who owns it, how it is called, and the contract a version must meet."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tidegate.spec.base import Document, HeaderName, Name, Number, Part, Sha256, Text, Whole
from tidegate.spec.comparison import Comparison
from tidegate.spec.units import Duration, Limit, Share


class Segment(Part):
    """A named part of the traffic, told by one request header: one of `values`, or a `prefix`."""

    header: HeaderName
    values: tuple[Text, ...] | None = None
    prefix: Text | None = None

    @model_validator(mode="after")
    def _one_matcher(self) -> Segment:
        if (self.values is None) == (self.prefix is None):
            raise ValueError("a segment needs either 'values' or 'prefix'")
        return self


class Sticky(Part):
    """One value of this header keeps one release while a rollout runs."""

    header: HeaderName


class Traffic(Part):
    """How many requests its owners expect. Nothing is steered by it: the rules and `plan` reckon with it."""

    requests: Annotated[Number, Field(gt=0)]
    per: Literal["second", "minute", "hour", "day"] = "second"
    features: dict[Name, Share] = Field(default_factory=dict)
    segments: dict[Name, Share] = Field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Requests a second, of the whole model."""
        return self.requests / {"second": 1, "minute": 60, "hour": 3600, "day": 86400}[self.per]

    def of(self, feature: str | None) -> float | None:
        """Requests a second of the model's route (None), or of one feature's; None where no share is declared."""
        share = 1.0 if feature is None else self.features.get(feature)
        return None if share is None else self.rate * share


class Bound(Part):
    """Limits of one metric: `min`, `max`, or both."""

    min: Number | None = None
    max: Number | None = None


class EvaluationSet(Part):
    """The examples every version is judged on: JSON lines, by digest.

    `output`: the one that is compared with what was expected, else the first that an example expects. `scores`: the
    one with the classes' probabilities, in the order of `labels` (else sorted), for log_loss and roc_auc.
    """

    uri: Text
    sha256: Sha256
    examples: Whole
    min_examples: Whole = 1
    output: Text | None = None
    scores: Text | None = None
    labels: tuple[str | int | bool, ...] = ()


class Regression(Part):
    """The most a metric may lose against the version now in production."""

    max_drop: Limit


class Fairness(Part):
    """The widest gap of a metric between the slices of a group."""

    metric: Text
    across: Text
    max_gap: Limit


class Acceptance(Part):
    """The contract a version must meet before it may serve."""

    evaluation_set: EvaluationSet | None = None
    metrics: dict[Text, Bound] = Field(default_factory=dict)
    regression: dict[Text, Regression] = Field(default_factory=dict)
    fairness: tuple[Fairness, ...] = ()


class Card(Part):
    """The model card's own words."""

    intended_use: Text | None = None
    limitations: tuple[Text, ...] = ()
    out_of_scope: tuple[Text, ...] = ()
    ethics: Text | None = None
    licence: Text | None = None


class Lifecycle(Part):
    """Where the model stands in its life."""

    state: Literal["experimental", "production", "deprecated", "retired"] = "experimental"
    end_of_life: Text | None = None
    replacement: Text | None = None


class Model(Document):
    """models/<name>/model.yaml

    `on_wrong_model`: what becomes of an answer that names another model id than its release's. It is counted and told in
    any case; `refuse` keeps it back, but not a stream, which has begun by then. `timeout`: of one request, in seconds.
    """

    kind: Literal["Model"]
    name: Name
    summary: Text
    owners: Annotated[tuple[Text, ...], Field(min_length=1)]
    protocol: Literal["open-inference", "openai", "http"]
    features: tuple[Name, ...] = ()
    segments: dict[Name, Segment] = Field(default_factory=dict)
    sticky: Sticky | None = None
    traffic: Traffic | None = None
    comparison: Comparison | None = None
    timeout: Annotated[Duration, Field(gt=0)] = 60.0
    on_wrong_model: Literal["count", "refuse"] = "count"
    acceptance: Acceptance = Acceptance()
    card: Card = Card()
    lifecycle: Lifecycle = Lifecycle()
