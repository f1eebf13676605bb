"""The table of providers: how each is called, what a declaration must say for it, and which id its answers name."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.spec.errors import NeedsPerson
from tidegate.spec.providers import KNOWN, host_of, kind_named, problem, served_as, target_of, way_of
from tidegate.spec.version import ModelVersion, Provider


def provider(name: str = "openai", endpoint: str = "https://api.example.com", **more: Any) -> Provider:
    fields = {"name": name, "model": "m-2026-01-01", "endpoint": endpoint, "credential": {"env": "KEY"}, **more}
    return Provider.model_validate(fields)


@pytest.mark.parametrize(
    ("given", "called"),
    [
        (provider(), "/v1/chat/completions"),
        (provider(endpoint="https://api.example.com/"), "/v1/chat/completions"),
        (provider(endpoint="https://api.example.com/v1/"), "/v1/chat/completions"),
        (provider("gemini", "https://g.example.com/v1beta/openai"), "/v1beta/openai/chat/completions"),
        (provider("openai-compatible", "https://api.example.com/openai/v1"), "/openai/v1/chat/completions"),
        (provider("anthropic"), "/v1/messages"),
        (
            provider("azure", "https://acme.example.com", deployment="chat", api_version="2024-10-21"),
            "/openai/deployments/chat/chat/completions?api-version=2024-10-21",
        ),
    ],
)
def test_a_call_becomes_the_providers_own_path(given: Provider, called: str) -> None:
    way = way_of(given)
    base, query = target_of(given, way)
    assert base + way.paths[0].removeprefix("/v1") + query == called


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (provider("bedrock"), "name"),
        (provider("vertex-ai"), "name"),
        (provider("acme"), "name"),
        (provider(endpoint="http://api.example.com"), "endpoint"),
        (provider(endpoint="https://user:word@api.example.com"), "endpoint"),
        (provider(endpoint="https://api.example.com/v1?key=1"), "endpoint"),
        (provider(endpoint="https://api.example.com:port"), "endpoint"),
        (provider(endpoint="https://api example.com"), "endpoint"),
        (provider(endpoint="https://api.example.com/../v1"), "endpoint"),
        (provider(endpoint="api.example.com"), "endpoint"),
        (provider("azure-openai"), "deployment"),
        (provider("azure-openai", deployment="a/b", api_version="1"), "deployment"),
        (provider("azure-openai", deployment="chat"), "api_version"),
        (provider(deployment="chat"), "deployment"),
        (provider(timeout="0s"), "timeout"),
        (provider(model='m"'), "model"),
    ],
)
def test_what_cannot_be_called_is_told_by_its_field(given: Provider, field: str) -> None:
    found = problem(given)
    assert found is not None and found.field == field and found.fix
    with pytest.raises(NeedsPerson) as raised:
        way_of(given)
    assert field in str(raised.value)


def test_every_known_name_has_a_way_or_a_reason_against_it() -> None:
    more = {"deployment": "chat", "api_version": "1"}
    for name in KNOWN:
        found = problem(provider(name, **(more if kind_named(name) == "azure-openai" else {})))
        assert found is None or "does not do" in found.message


def test_an_address_of_this_machine_needs_no_certificate() -> None:
    assert host_of(provider("ollama", "http://127.0.0.1:11434")) == ("127.0.0.1", 11434)
    assert host_of(provider("ollama", "http://localhost")) == ("localhost", 80)
    assert host_of(provider(endpoint="https://[::1]:8443/v1")) == ("::1", 8443)
    assert host_of(provider()) == ("api.example.com", 443)


def version(**more: Any) -> ModelVersion:
    fields = {"api": "tidegate/v1", "kind": "ModelVersion", "model": "chat", "version": "1.0.0", "reason": "x", **more}
    return ModelVersion.model_validate(fields)


def test_answers_name_the_id_that_was_declared_or_that_the_provider_is_known_to_name() -> None:
    assert served_as(version(provider=provider())) == "m-2026-01-01"
    assert served_as(version(provider=provider("mistral"), answers_as="other")) == "other"
    assert served_as(version(provider=provider("openai-compatible"))) is None
    assert served_as(version(runtime={"command": ["serve"]})) is None
    assert served_as(version(runtime={"command": ["serve"]}, answers_as="smol")) == "smol"
