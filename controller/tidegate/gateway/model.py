"""What the gateway has to do, as plain values: upstreams, routes, arms and weights.

cluster.py and render.py turn it into Envoy's files. The engine builds a `Table` from route states and observed instances;
nothing here knows why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tidegate.spec.model import Segment


@dataclass(frozen=True, slots=True)
class Link:
    """The way to a provider's API, which an arm's requests take instead of one to servers of ours (provider.lua).

    `paths`: what callers may ask for; `base` stands before such a path (without its `/v1`) there, `query` behind it. `model`:
    the id that is asked for, whatever the caller wrote. `header`: where the credential goes, from `credential`, the path of a
    secret in Envoy's format. `headers` are always sent, `passes` are those of a caller that may. `ca_file`: the path of the
    certificates that the provider's must come from; empty: no TLS. `timeout`: seconds for one request. `system`: a prompt is
    a member `system` of the body, not a message.
    """

    provider: str
    host: str
    port: int
    base: str
    query: str
    paths: tuple[str, ...]
    model: str
    header: str
    headers: tuple[tuple[str, str], ...]
    passes: tuple[str, ...]
    ca_file: str
    credential: str
    timeout: float = 60.0
    system: bool = False


@dataclass(frozen=True, slots=True)
class Upstream:
    """One Envoy cluster: the ready instances of one workload. `name` is unique; `endpoints` may be empty while none is ready.

    With a `link`, the endpoint is a provider's. `keep_alive` False: its servers get one request a connection, since they close
    them without having said so.
    """

    name: str
    endpoints: tuple[tuple[str, int], ...]
    timeout: float = 60.0
    link: Link | None = None
    keep_alive: bool = True


@dataclass(frozen=True, slots=True)
class Arm:
    """One release on one route. `weight` and `segment_weights` in millionths (0 to 1,000,000).

    `parameters` are merged into the JSON body (OIP: into `parameters`; OpenAI: into the top level): `body` is that object,
    ready to merge, or None to leave the body alone. `prompt` and `examples` (messages) go before the caller's messages, and
    `override` says what becomes of fields that the caller sends too: `clamp`, `allow` or `reject` (merge.lua).
    `usage`: its answers say which model gave them and how many tokens that took, as OpenAI's do (usage.lua).
    `link`: it is served by a provider. `only`: the model id that answers must name, or they are refused (409).
    `keep_alive`, `timeout` (seconds): those of its upstream. `file`: its servers read the inference config themselves, from a
    file of this name.
    """

    release: str
    role: str
    version: str
    config: str
    commit: str
    upstream: str
    weight: int
    segment_weights: Mapping[str, int] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    prompt: str | None = None
    examples: tuple[Mapping[str, Any], ...] = ()
    override: str = "clamp"
    usage: bool = False
    link: Link | None = None
    only: str | None = None
    keep_alive: bool = True
    timeout: float = 60.0
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """One model (`feature` None) or one feature of it. Segments are tried in order before the rest of the traffic.

    `moving` True while a rollout runs: its weights then live in the runtime layer. False: in the file. `shadow` gets a copy of
    as many requests as its `weight` says, with its own parameters; its answers go to nobody. While it is there, all answers of
    this route are kept for a comparison (mirror.py).
    """

    model: str
    feature: str | None
    arms: tuple[Arm, ...]
    segments: Mapping[str, Segment] = field(default_factory=dict)
    sticky: str | None = None
    moving: bool = False
    shadow: Arm | None = None

    @property
    def name(self) -> str:
        """`digits` or `digits/archive`."""
        return f"{self.model}/{self.feature}" if self.feature else self.model


@dataclass(frozen=True, slots=True)
class Table:
    """The whole of what the gateway serves."""

    upstreams: tuple[Upstream, ...]
    routes: tuple[Route, ...]
