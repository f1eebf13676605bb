"""Kind Controller: `tidegate.yaml`, where a controller finds its repository, engine, gateway and journal."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from tidegate.spec.base import Document, Name, Part, Secret, Text, Whole
from tidegate.spec.sources import HttpAddress
from tidegate.spec.units import Duration, Size

Address = Annotated[str, Field(pattern=r"^(\d{1,3}(\.\d{1,3}){3}|\[[0-9a-f:]+\]|localhost):\d{1,5}$")]


class Author(Part):
    """Whose name stands in the commits that the controller makes."""

    name: Text = "Tidegate"
    email: Text = "tidegate@example.com"


class RuntimeSettings(Part):
    """Where containers run. `auto` is docker where an engine answers, else process.

    `host` is the engine's address (else DOCKER_HOST, else the default socket), `user` who runs inside containers,
    `path` the folders put before PATH for processes.
    """

    kind: Literal["auto", "docker", "process"] = "auto"
    host: Text | None = None
    address: Literal["auto", "container", "published"] = "auto"
    path: tuple[Text, ...] = ()
    user: Text = "65534:65534"


class TlsSettings(Part):
    """Files in PEM. With `client_ca` callers need a certificate that it has signed (mutual TLS)."""

    certificate: Text
    key: Text
    client_ca: Text | None = None


class GatewaySettings(Part):
    """The public address, who may call there, and how Envoy is run. `callers`: a file of kind Callers, outside git.

    `max_body`: the largest request body in bytes; a larger one is answered with 413. None: no limit but those of merging.
    """

    address: Address = "127.0.0.1:8080"
    tls: TlsSettings | None = None
    callers: Text | None = None
    max_body: Annotated[Size, Field(ge=1)] | None = None
    admin: Address | None = None
    binary: Text | None = None
    concurrency: Whole | None = None
    flush: Duration = 0.1


class ServerSettings(Part):
    """The controller's own HTTP address (webhook, health, status)."""

    address: Address | None = None
    webhook_secret: Secret | None = None
    tokens: tuple[Secret, ...] = ()


class ArtifactSettings(Part):
    """Options for fsspec by protocol, and where verified files are kept."""

    cache: Text | None = None
    stores: dict[Text, dict[Text, Any]] = Field(default_factory=dict)


class Credential(Part):
    """What is sent to one address, and to none but it: a bearer token, or a name with a password."""

    address: HttpAddress
    token: Secret | None = None
    username: Text | None = None
    password: Secret | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Credential:
        named = (self.username is not None, self.password is not None)
        if (self.token is not None) == any(named) or any(named) != all(named):
            raise ValueError("a credential is one of these: token, username with password")
        return self


class SourceSettings(Part):
    """Where guardrails' sources are asked, and what they are told. `prometheus`: for queries that name no address."""

    prometheus: HttpAddress | None = None
    credentials: tuple[Credential, ...] = ()


class ProviderCredential(Part):
    """A secret that versions may send to one address, and to none but it. `env` and `file`: as the versions write it."""

    address: HttpAddress
    env: Text | None = None
    file: Text | None = None

    @property
    def secret(self) -> Secret:
        """The reference, as `provider.credential` has it."""
        return Secret(env=self.env, file=self.file)


class ProviderSettings(Part):
    """Which of this controller's secrets `provider.credential` of a version may name, and for which endpoints."""

    credentials: tuple[ProviderCredential, ...] = ()


class FeedbackSettings(Part):
    """How long (seconds), and of how many requests at most, it is known who answered: as late may a label come."""

    retention: Annotated[Duration, Field(gt=0)] = 7 * 86400.0
    requests: Annotated[Whole, Field(ge=1000)] = 5_000_000


class RolloutSettings(Part):
    """How much may be in motion: rollouts at once, and seconds after a rejection before a route's next one begins."""

    at_once: Annotated[Whole, Field(ge=1)] | None = None
    cool_down: Duration = 0.0


class RotateSettings(Part):
    """When a file of the prediction record is closed: past `size` bytes, `after` so many seconds, and at midnight UTC."""

    size: Annotated[Size, Field(ge=1)] = 256 * 2**20
    after: Annotated[Duration, Field(ge=1)] = 6 * 3600.0


class RecordSettings(Part):
    """What becomes of the prediction record. `keep` in seconds and `max_size` in bytes: of the archive; None: no end."""

    keep: Annotated[Duration, Field(ge=1)] | None = None
    max_size: Annotated[Size, Field(ge=1)] | None = None
    rotate: RotateSettings = RotateSettings()


class Controller(Document):
    """tidegate.yaml. Relative paths are relative to the file."""

    kind: Literal["Controller"]
    instance: Name = "tidegate"
    environment: Name = "production"
    repository: Text = "."
    branch: Text = "main"
    poll: Annotated[Duration, Field(ge=1)] = 60.0
    state: Text = ".tidegate"
    journal: Text | None = None
    runtime: RuntimeSettings = RuntimeSettings()
    gateway: GatewaySettings = GatewaySettings()
    artifacts: ArtifactSettings = ArtifactSettings()
    server: ServerSettings = ServerSettings()
    author: Author = Author()
    rollouts: RolloutSettings = RolloutSettings()
    record: RecordSettings = RecordSettings()
    sources: SourceSettings = SourceSettings()
    providers: ProviderSettings | None = None
    feedback: FeedbackSettings = FeedbackSettings()
    notify: tuple[Text, ...] = ()
