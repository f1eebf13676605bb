"""Where a model's folder names files: which uris are aliases, and which digests are none."""

from __future__ import annotations

import pytest
from example_repo import edited, judge

from tidegate.rules.pins import kind_of
from tidegate.rules.pins.places import alias
from tidegate.rules.rule import Example
from tidegate.spec.providers import KNOWN

VERSION = "models/digits/versions/2.0.0.yaml"
MODEL = "models/digits/model.yaml"
H64 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
H40 = H64[:40]


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("models:/digits@champion", "alias"), ("models:/digits/Production", "stage"), ("runs:/0123/model", "run"),
        ("hf://acme/digits", "main"), ("hf://acme/digits@v1/model.onnx", "tag"), ("oci://registry.example.com/digits:2", "tag"),
        ("lakefs://models/main/model.onnx", "branch"), (f"lakefs://models/{H40}/model.onnx", "40 hex digits"),
        ("dvc+https://git.example.com/a/b@main:model.onnx", "branch"), ("s3://models/latest/model.onnx", "'latest'"),
        ("s3://models/digits/LATEST", "'LATEST'"), ("gs://models/nightly/a.onnx", "'nightly'"),
        ("s3://models/a.onnx?versionId=null", "null"), ("gs://models/a.onnx#live", "generation"),
        ("https://hub.example.com/a/b/resolve/main/model.onnx", "'main'"), ("https://models.example.com/a?v=latest", "'latest'"),
        ("https://models.example.com/a.onnx#sha256=abc", "3 hex digits"), ("file:models/${MODEL}/a.onnx", "variable"),
        ("s3://models/<model>/a.onnx", "placeholder"),
        ("arn:aws:sagemaker:us-east-1:123456789012:model-package-group/a", "group"),
    ],
)  # fmt: skip
def test_an_alias_is_told_by_its_form(uri: str, why: str) -> None:
    found = alias(uri)
    assert found is not None and why in found[0] and found[1]


@pytest.mark.parametrize(
    "uri",
    [
        "file:models/digits/latest/model.onnx", "file:///srv/models/main.onnx", "s3://models/digits/2.0.0/model.onnx",
        "s3://latest-models/a.onnx", "gs://models/a.onnx#1712345678901234", "s3://models/a?versionId=3HL4kqtJlcpX",
        "https://models.example.com/digits-2.0.0.onnx", f"https://hub.example.com/a/b/resolve/{H40}/model.onnx",
        f"https://models.example.com/latest.onnx#sha256={H64}", "models:/digits/12", f"hf://acme/digits@{H40}/model.onnx",
        f"lakefs://models/{H64}/model.onnx", "pkg:pypi/scikit-learn@1.9.1", "",
    ],
)  # fmt: skip
def test_a_plain_path_is_none_and_what_is_pinned_is_none(uri: str) -> None:
    assert alias(uri) is None


def test_every_place_is_looked_at() -> None:
    files = edited(Example(MODEL, "s3://data/latest/scans.jsonl", "s3://data/digits/scans.jsonl"))
    text = files[VERSION].decode().replace("s3://models/digits/2.0.0/model.onnx", "models:/digits@champion")
    adapters = f'adapters: [{{name: b, uri: "hf://acme/b@main", sha256: "{"0" * 64}"}}]\nruntime:'
    text = text.replace("runtime:", adapters, 1)
    profile = f'  profile: {{uri: "s3://data/current/p.json", sha256: "{H64[:8]}"}}\npreprocessing:'
    files[VERSION] = text.replace("preprocessing:", profile, 1).encode()
    found = sorted(
        (one.rule, one.path) for one in judge(files, history=False) if one.rule.split("-")[-1] in ("artifact", "digest")
    )
    assert (
        found
        == [("artifact-digest", VERSION)] * 2 + [("floating-artifact", MODEL)] + [("floating-artifact", VERSION)] * 3
    )


def test_data_is_pinned_by_a_digest_or_by_its_own_uri() -> None:
    old = '{uri: "s3://data/digits/2026-08", digest: "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}'

    def told(new: str) -> list[str]:
        return [
            one.message
            for one in judge(edited(Example(VERSION, new, old)), history=False)
            if one.rule == "floating-data"
        ]

    assert told(f"{{uri: 'lakefs://data/{H64}/digits'}}") == []
    assert told(f"{{uri: 'pkg:pypi/x@1', digest: 'sha512:{H64 * 2}'}}") == []
    assert told("{}") == []
    assert len(told("{snapshot: August}")) == len(told("{uri: 'pkg:pypi/x@1'}")) == len(told("{uri: 5}")) == 1
    assert "zeros" in told(f"{{digest: 'sha256:{'0' * 64}'}}")[0]
    assert "branch" in told("{uri: 'lakefs://data/main/digits'}")[0]


def test_providers_are_known_by_the_names_that_people_write() -> None:
    assert {kind_of(name, "claude-opus-5") for name in KNOWN if name != "openai-compatible"} == {
        "openai", "azure-openai", "anthropic", "gemini", "bedrock", "mistral", "cohere", "xai", "deepseek", "ollama",
    }  # fmt: skip
    assert kind_of("OpenAI", "") == kind_of(" openai ", "") == "openai"
    assert kind_of("azure_openai", "") == kind_of("Azure OpenAI", "") == "azure-openai"
    assert kind_of("vertex-ai", "gemini-2.5-pro") == "gemini" and kind_of("vertex-ai", "claude-opus-5") == "anthropic"
    assert kind_of("vertex-ai", "llama") is None and kind_of("acme", "gpt-4o") is None
