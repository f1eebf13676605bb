"""The table of providers: how each is called, what a declaration must say for it, and which id its answers name."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.spec.controller import ProviderSettings
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.providers import KNOWN, host_of, kind_named, problem, served_as, target_of, way_of, withheld
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


@pytest.mark.parametrize(
    ("endpoint", "credential", "goes"),
    [
        ("https://api.openai.com", {"env": "OPENAI_API_KEY"}, True),
        ("https://api.openai.com:443/v1", {"env": "OPENAI_API_KEY"}, True),
        ("https://acme.openai.azure.com", {"env": "AZURE_OPENAI_API_KEY"}, True),
        ("https://api.openai.com", {"env": "AWS_SECRET_ACCESS_KEY"}, False),
        ("https://api.openai.com", {"env": "ANTHROPIC_API_KEY"}, False),
        ("https://api.openai.com:8443", {"env": "OPENAI_API_KEY"}, False),
        ("https://api.openai.com.example.com", {"env": "OPENAI_API_KEY"}, False),
        ("https://openai.azure.com.example.com", {"env": "AZURE_OPENAI_API_KEY"}, False),
        ("https://evilopenai.azure.com", {"env": "AZURE_OPENAI_API_KEY"}, False),
        ("https://api.example.com", {"env": "OPENAI_API_KEY"}, False),
        ("https://api.openai.com", {"file": "secrets/openai"}, False),
        ("https://api.openai.com", {"env": "OPENAI_API_KEY", "file": "secrets/other"}, False),
        ("https://api.openai.com", {}, False),
        ("http://127.0.0.1:8000/v1", {"env": "VLLM_API_KEY"}, True),
        ("https://localhost:8443", {"env": "OPENAI_API_KEY"}, True),
        ("http://[::1]:8000", {"env": "OPENAI_API_KEY"}, True),
        ("http://127.0.0.1:8000", {"env": "AWS_SECRET_ACCESS_KEY"}, False),
        ("http://127.0.0.1:8000", {"file": "secrets/token"}, False),
        ("https://localhost.example.com", {"env": "VLLM_API_KEY"}, False),
    ],
)
def test_without_a_list_the_usual_keys_go_to_their_owners_and_api_keys_to_this_machine(
    endpoint: str, credential: dict[str, str], goes: bool
) -> None:
    assert (withheld(provider(endpoint=endpoint, credential=credential), None) is None) is goes


@pytest.mark.parametrize(
    ("endpoint", "credential", "goes"),
    [
        ("https://llm.example.com/v1", {"env": "LLM_TOKEN"}, True),
        ("https://llm.example.com/v1/eu", {"env": "LLM_TOKEN"}, True),
        ("https://LLM.example.com:443/v1", {"env": "LLM_TOKEN"}, True),
        ("https://llm.example.com/v12", {"env": "LLM_TOKEN"}, False),
        ("https://llm.example.com", {"env": "LLM_TOKEN"}, False),
        ("https://llm.example.com:8443/v1", {"env": "LLM_TOKEN"}, False),
        ("https://other.example.com/v1", {"env": "LLM_TOKEN"}, False),
        ("https://llm.example.com/v1", {"env": "OTHER_TOKEN"}, False),
        ("https://llm.example.com/v1", {"file": "LLM_TOKEN"}, False),
        ("https://files.example.com", {"file": "/run/secrets/llm"}, True),
        ("https://files.example.com", {"file": "/run/secrets/../secrets/llm"}, False),
        ("https://files.example.com", {"file": "/run/secrets"}, False),
        ("https://api.openai.com", {"env": "OPENAI_API_KEY"}, False),
        ("http://127.0.0.1:8000", {"env": "VLLM_API_KEY"}, False),
    ],
)
def test_with_a_list_a_credential_goes_below_the_address_that_has_just_this_reference(
    endpoint: str, credential: dict[str, str], goes: bool
) -> None:
    settings = ProviderSettings.model_validate({
        "credentials": [
            {"address": "https://llm.example.com/v1", "env": "LLM_TOKEN"},
            {"address": "https://files.example.com", "file": "/run/secrets/llm"},
        ]
    })  # fmt: skip
    assert (withheld(provider(endpoint=endpoint, credential=credential), settings) is None) is goes


def test_what_is_kept_back_is_said_with_the_line_that_lets_it_go() -> None:
    found = withheld(provider(endpoint="https://llm.example.com/v1", credential={"file": "secrets/llm"}), None)
    assert found is not None and found.field == "credential"
    assert "file:secrets/llm is kept back" in found.message and "https://llm.example.com/v1" in found.message
    assert "{address: https://llm.example.com/v1, file: secrets/llm} to providers.credentials" in found.fix
    assert "the list counts alone then" in found.fix
    again = withheld(provider(credential={"file": "secrets/llm"}), ProviderSettings())
    assert again is not None and "the list counts alone" not in again.fix
