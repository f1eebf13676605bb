"""Providers of models behind an API: how each is reached, and what a version has to say for it. Pure; the one table of them.

Neighbours: version.py declares `provider`, the gateway goes by `way_of`, the rules by `problem`, rules/pins/ by `kind_named`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, quote, urlsplit

from tidegate.spec.addresses import is_below
from tidegate.spec.base import Secret
from tidegate.spec.controller import ProviderSettings
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.version import ModelVersion, Provider

_NAMES: Final = {
    "openai": "openai",
    "azure-openai": "azure-openai", "azure": "azure-openai",
    "anthropic": "anthropic",
    "gemini": "gemini", "google": "gemini", "google-ai": "gemini",
    "bedrock": "bedrock", "aws-bedrock": "bedrock", "amazon-bedrock": "bedrock",
    "mistral": "mistral", "mistralai": "mistral",
    "cohere": "cohere",
    "xai": "xai", "x-ai": "xai",
    "deepseek": "deepseek",
    "ollama": "ollama",
    "vertex": "vertex", "vertex-ai": "vertex", "vertexai": "vertex", "google-vertex": "vertex",
    "openai-compatible": "openai-compatible",
}  # fmt: skip
KNOWN: Final = tuple(sorted(_NAMES))

_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*")
_SEGMENT: Final = re.compile(r"[A-Za-z0-9._-]+")
_BASE: Final = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")


@dataclass(frozen=True, slots=True)
class Way:
    """How a provider's API is called.

    `paths`: what a caller may ask for, as the gateway shows it; `header` and `scheme`: where the credential goes, and what
    stands before it. `headers` are always sent, `passes` are let through beside those of `PASSES`. `base` stands before the
    path (without its `/v1`) where the endpoint has no path of its own. `system`: the prompt is a member `system` of the body,
    not a message. `names`: an answer names the very id that was asked for, so that another one is an identity error.
    """

    paths: tuple[str, ...]
    header: str = "authorization"
    scheme: str = "Bearer "
    base: str = "/v1"
    headers: Mapping[str, str] = field(default_factory=dict)
    passes: tuple[str, ...] = ()
    system: bool = False
    names: bool = False


PASSES: Final = ("content-type", "content-length", "transfer-encoding", "accept", "x-request-id", "idempotency-key")
"""Headers of a caller that may reach any provider; all others stay here, credentials and cookies first of all."""

_OPENAI: Final = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings")
_COMPATIBLE: Final = Way(_OPENAI)
_WAYS: Final[Mapping[str, Way]] = {
    "openai": Way((*_OPENAI, "/v1/responses"), names=True),
    "azure-openai": Way(_OPENAI, header="api-key", scheme="", base=""),
    "anthropic": Way(
        ("/v1/messages",),
        header="x-api-key",
        scheme="",
        headers={"anthropic-version": "2023-06-01"},
        passes=("anthropic-beta",),
        system=True,
        names=True,
    ),
    "mistral": Way(("/v1/chat/completions", "/v1/embeddings", "/v1/fim/completions"), names=True),
    **dict.fromkeys(("gemini", "cohere", "xai", "deepseek", "ollama", "openai-compatible"), _COMPATIBLE),
}
_REFUSED: Final = {
    "bedrock": "Bedrock wants every request signed (AWS Signature Version 4), which the gateway does not do",
    "vertex": "Vertex AI wants a token that is renewed every hour, which the gateway does not do",
}

KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "api.openai.com": ("OPENAI_API_KEY",),
    ".openai.azure.com": ("AZURE_OPENAI_API_KEY",),
    "api.anthropic.com": ("ANTHROPIC_API_KEY",),
    "generativelanguage.googleapis.com": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "api.mistral.ai": ("MISTRAL_API_KEY",),
    "api.cohere.com": ("COHERE_API_KEY", "CO_API_KEY"),
    "api.cohere.ai": ("COHERE_API_KEY", "CO_API_KEY"),
    "api.x.ai": ("XAI_API_KEY",),
    "api.deepseek.com": ("DEEPSEEK_API_KEY",),
    "ollama.com": ("OLLAMA_API_KEY",),
}
"""Whose own hosts get which variables where tidegate.yaml has no list. A leading dot: every host that ends so."""
_ALONE: Final = "; the list counts alone then, so name there the usual keys too that are in use"
_LOCAL_KEY: Final = "_API_KEY"
"""What a variable's name ends with that may go to an address of this machine, where there is no list."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a provider cannot be used as it is declared: at which field of `provider`, why, and what to write."""

    field: str
    message: str
    fix: str


def kind_named(name: str) -> str | None:
    """The provider that people mean by this name, None for one that is not known."""
    return _NAMES.get(name.strip().lower().replace("_", "-").replace(" ", "-"))


def way_of(provider: Provider) -> Way:
    """How it is called. Raises NeedsPerson where `problem` finds something."""
    found = problem(provider)
    if found is not None:
        raise NeedsPerson(found.message, where=f"provider.{found.field}", fix=found.fix)
    return _WAYS[kind_named(provider.name) or ""]


def problem(provider: Provider) -> Problem | None:
    """Why the gateway cannot reach it as it is declared; None when nothing is known against it."""
    kind = kind_named(provider.name)
    if kind in _REFUSED:
        return Problem("name", f"{provider.name} cannot be served: {_REFUSED[kind]}", "use a provider with an API key")
    if kind is None:
        return Problem(
            "name",
            f"how {provider.name} is called is not known",
            "write 'openai-compatible' where it speaks OpenAI's protocol: the endpoint is then its base URL",
        )
    if (
        not provider.model.isascii()
        or not provider.model.isprintable()
        or '"' in provider.model
        or "\\" in provider.model
    ):
        return Problem("model", "a model id is printable ASCII without quotes", "write the id as the provider names it")
    if provider.timeout is not None and provider.timeout <= 0:
        return Problem(
            "timeout", "no request is answered in no time", "write the longest that an answer may take: 120s"
        )
    return _endpoint(provider) or _azure(provider, kind)


def named(reference: Secret) -> str:
    """How people refer to a secret: `env:NAME` or `file:PATH`."""
    return f"env:{reference.env}" if reference.env is not None else f"file:{reference.file}"


def withheld(provider: Provider, settings: ProviderSettings | None) -> Problem | None:
    """Why a controller with these settings keeps the credential from the endpoint; None when it may go there.

    A version comes with a pull request: without this, one could send any secret of the controller anywhere.
    """
    reference = provider.credential
    if settings is None:
        allowed = reference.file is None and reference.env is not None and _usual(provider, reference.env)
    else:
        allowed = any(
            one.secret == reference and is_below(provider.endpoint, one.address) for one in settings.credentials
        )
    if allowed:
        return None
    kind, name = ("env", reference.env) if reference.env is not None else ("file", reference.file)
    entry = f"{{address: {provider.endpoint}, {kind}: {name}}}"
    return Problem(
        "credential",
        f"the credential {named(reference)} is kept back: tidegate.yaml does not say that it may go to {provider.endpoint}",
        f"if it is meant to go there, have an operator add {entry} to providers.credentials in the controller's"
        f" tidegate.yaml and restart the controller{_ALONE if settings is None else ''}",
    )


def _usual(provider: Provider, variable: str) -> bool:
    """Whether everybody would expect this variable to be sent there: a provider's key to its own hosts, by https."""
    host, port = host_of(provider)
    if is_loopback(host):
        return variable.endswith(_LOCAL_KEY)
    if not provider.endpoint.startswith("https://") or port != 443:
        return False
    owners = (owner for owner in KEYS if host == owner or (owner.startswith(".") and host.endswith(owner)))
    return any(variable in KEYS[owner] for owner in owners)


def _endpoint(provider: Provider) -> Problem | None:
    try:
        parts = urlsplit(provider.endpoint)
        port = parts.port
    except ValueError:
        return Problem("endpoint", "this is no URL", "write https://HOST, or https://HOST/PATH")
    fix = "write https://HOST, or https://HOST/PATH: what stands before /chat/completions"
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        return Problem(
            "endpoint", "the credential and all answers would go over an open line", "write https:// in its place"
        )
    if parts.username is not None or parts.query or parts.fragment or port == 0:
        return Problem("endpoint", "an endpoint has a host, a port and a path, and nothing else", fix)
    host = parts.hostname or ""
    if not (_HOST.fullmatch(host) or _address(host)) or not _BASE.fullmatch(parts.path) or "/." in parts.path:
        return Problem("endpoint", "this is no host with a plain path", fix)
    return None


def _azure(provider: Provider, kind: str) -> Problem | None:
    for name in ("deployment", "api_version"):
        value = getattr(provider, name)
        if kind == "azure-openai" and (value is None or not _SEGMENT.fullmatch(value)):
            return Problem(
                name, f"Azure OpenAI is called by '{name}'", f"write {name}: the one that Azure's portal shows"
            )
        if kind != "azure-openai" and value is not None:
            return Problem(name, f"'{name}' says nothing to {provider.name}", "leave it out: only Azure OpenAI has it")
    return None


def _address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether what is sent there stays on this machine."""
    return host == "localhost" or (_address(host) and ipaddress.ip_address(host).is_loopback)


def host_of(provider: Provider) -> tuple[str, int]:
    """Host and port of its endpoint."""
    parts = urlsplit(provider.endpoint)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def target_of(provider: Provider, way: Way) -> tuple[str, str]:
    """What stands before a call's path (whose own `/v1` goes), and what behind it, with its question mark."""
    parts: SplitResult = urlsplit(provider.endpoint)
    base = parts.path.rstrip("/") or way.base
    if provider.deployment is None:
        return base, ""
    query = f"?api-version={quote(provider.api_version or '', safe='')}"
    return f"{parts.path.rstrip('/')}/openai/deployments/{quote(provider.deployment, safe='')}", query


def served_as(version: ModelVersion) -> str | None:
    """The model id that its answers have to name; None where nobody has said, and a provider's own habit is another."""
    if version.answers_as is not None or version.provider is None:
        return version.answers_as
    way = _WAYS.get(kind_named(version.provider.name) or "")
    return version.provider.model if way is not None and way.names else None
