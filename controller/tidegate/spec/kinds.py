"""The declared kinds of DESIGN section 3, by name. Each lives in its own module; this one is the register."""

from __future__ import annotations

from tidegate.spec.base import Document
from tidegate.spec.callers import Callers
from tidegate.spec.controller import Controller
from tidegate.spec.deployment import Deployment
from tidegate.spec.governance import Governance
from tidegate.spec.inference import InferenceConfig
from tidegate.spec.model import Model
from tidegate.spec.policy import RolloutPolicy
from tidegate.spec.prices import Prices
from tidegate.spec.version import ModelVersion

KINDS: dict[str, type[Document]] = {
    kind.__name__: kind
    for kind in (
        Model,
        ModelVersion,
        InferenceConfig,
        Deployment,
        RolloutPolicy,
        Governance,
        Prices,
        Controller,
        Callers,
    )
}
