"""Kind Deployment: what should serve now. The file that a rollout pull request changes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictStr

from tidegate.spec.base import Document, Flag, Name, Part, Text, Whole

ConfigRef = Annotated[StrictStr, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(@[0-9a-f]{7,64})?$")]


class FeatureOverride(Part):
    """What one feature runs instead of the model's own; anything left out is inherited."""

    version: Text | None = None
    config: ConfigRef | None = None
    policy: Name | None = None
    replicas: Annotated[Whole, Field(ge=1)] | None = None
    reason: Text | None = None
    hold: Flag | None = None
    approvals: tuple[Text, ...] | None = None
    retry: Annotated[Whole, Field(ge=0)] | None = None


class Deployment(Document):
    """models/<model>/deployment.yaml, or models/<model>/deployments/<environment>.yaml"""

    kind: Literal["Deployment"]
    model: Name
    version: Text
    config: ConfigRef | None = None
    policy: Name
    replicas: Annotated[Whole, Field(ge=1)] = 1
    reason: Text | None = None
    features: dict[Name, FeatureOverride] = Field(default_factory=dict)
    hold: Flag = False
    approvals: tuple[Text, ...] = ()
    retry: Annotated[Whole, Field(ge=0)] = 0
