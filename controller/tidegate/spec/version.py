"""Kind ModelVersion: weights, engine, code and evidence of one version. Immutable once merged."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from tidegate.spec.base import Document, Name, Number, Part, Secret, Sha256, Text, Whole
from tidegate.spec.units import Duration, Size


class Artifact(Part):
    """The weights: where they lie and what they must hash to. `size` in bytes."""

    uri: Text
    sha256: Sha256
    format: Text | None = None
    size: Whole | None = None


class Adapter(Part):
    """Weights laid over the base weights, such as a LoRA."""

    name: Name
    uri: Text
    sha256: Sha256


class Provider(Part):
    """A model behind somebody's API: a pinned id, an endpoint, a credential by reference (providers.py has who they are).

    `ca_file`: certificates that the endpoint's must come from, instead of the system's; relative to the controller's
    configuration. `timeout`: of one request. `deployment` and `api_version` are Azure's.
    """

    name: Text
    model: Text
    endpoint: Text
    credential: Secret
    ca_file: Text | None = None
    timeout: Duration | None = None
    deployment: Text | None = None
    api_version: Text | None = None


class Resources(Part):
    """What one replica may use. `cpus` in cores, `memory` in bytes, `gpus` in devices."""

    cpus: Number | None = None
    memory: Size | None = None
    gpus: Whole = 0


class Runtime(Part):
    """How the version is served. In `command` and `env`, `${TIDEGATE_ARTIFACT}` is the verified file's path,
    `${TIDEGATE_PORT}` the port to listen on and, with `protocol: http`, `${TIDEGATE_CONFIGS}` the folder of inference configs."""

    image: Text | None = None
    command: tuple[Text, ...] = ()
    env: dict[Text, Text] = Field(default_factory=dict)
    port: Whole = 8080
    ready: Text = "/v2/health/ready"
    startup_timeout: Duration = 60.0
    keep_alive: bool = True
    resources: Resources = Resources()


class Code(Part):
    """The commit that the version was built from."""

    repository: Text
    commit: Text


class Training(Part):
    """Where the weights come from."""

    data: dict[Text, Any] = Field(default_factory=dict)
    hyperparameters: dict[Text, Any] = Field(default_factory=dict)
    environment: dict[Text, Any] = Field(default_factory=dict)
    trained_at: Any = None
    profile: dict[Text, Any] | None = None


class Preprocessing(Part):
    """The code that turns a user's input into the model's."""

    commit: Text
    entrypoint: Text


class Signature(Part):
    """The model's inputs and outputs: name, datatype, shape."""

    inputs: tuple[dict[Text, Any], ...] = ()
    outputs: tuple[dict[Text, Any], ...] = ()


class Evaluation(Part):
    """Figures of the offline evaluation, and on which set they were reached."""

    set_sha256: Sha256
    examples: Whole
    ran_at: Any = None
    metrics: dict[Text, Number] = Field(default_factory=dict)
    slices: dict[Text, dict[Text, dict[Text, Number]]] = Field(default_factory=dict)


class Requirement(Part):
    """Something else that must run, in a range of versions."""

    name: Text
    version: Text


class ModelVersion(Document):
    """models/<model>/versions/<version>.yaml

    `answers_as`: the model id that its answers must name (OpenAI's protocol); a provider's own habit where it is left out.
    """

    kind: Literal["ModelVersion"]
    model: Name
    version: Text
    reason: Text
    artifact: Artifact | None = None
    adapters: tuple[Adapter, ...] = ()
    provider: Provider | None = None
    answers_as: Text | None = None
    runtime: Runtime | None = None
    code: Code | None = None
    training: Training | None = None
    preprocessing: Preprocessing | None = None
    signature: Signature | None = None
    evaluation: Evaluation | None = None
    requires: tuple[Requirement, ...] = ()

    @model_validator(mode="after")
    def _something_to_serve(self) -> ModelVersion:
        if self.provider is None and self.runtime is None:
            raise ValueError("a version needs 'runtime' (served here) or 'provider' (behind an API)")
        if self.provider is not None and (self.runtime is not None or self.artifact is not None):
            raise ValueError("a version has 'provider' or 'artifact' and 'runtime', not both")
        return self
