"""Safety rules where examples do not reach: what is a secret and what is none, and that none is ever printed."""

from __future__ import annotations

import json
import string

import pytest
from example_repo import edited, example, judge
from hypothesis import given
from hypothesis import strategies as st

from tidegate.rules.addresses import is_plain
from tidegate.rules.rule import Example
from tidegate.rules.secrets import SHAPES, carries, likely, masked, named, shaped

VERSION = "models/digits/versions/2.0.0.yaml"
ENV = 'env: {THREADS: "1"}'
LETTERS = "aB3dE6gH9j"
SECRETS = (
    "AKIA" + "Q3EGRIHU5ZK7PWNM", "ASIA" + "Q3EGRIHU5ZK7PWNM", "sk-ant-" + "api03-" + LETTERS * 5,
    "sk-proj-" + LETTERS * 5, "sk-" + LETTERS * 5, "ghp_" + LETTERS * 3 + "aB3dE6", "github_pat_" + LETTERS * 6,
    *(f"gh{kind}_" + LETTERS * 4 for kind in "ousr"), "wandb_v1_" + LETTERS * 4,
    "https://storage.example.com/m.onnx?X-Goog-Signature=" + "0a1b2c3d" * 8,
    *(f"gl{kind}-" + LETTERS * 2 for kind in ("pat", "rt", "dt", "cbt")),
    "hf_" + LETTERS * 3 + "aB3d", "AIza" + LETTERS * 3 + "aB3dE", "GOCSPX-" + LETTERS * 3,
    "xoxb-" + "123456789012-" + LETTERS, "https://hooks.slack.com/services/" + "T0AB12CD3/B0AB12CD3/" + LETTERS * 2,
    "https://discord.com/api/webhooks/" + "123456789012345678/" + LETTERS * 4, "sk_live_" + LETTERS * 3,
    "npm_" + LETTERS * 3 + "aB3dE6", "pypi-AgE" + LETTERS * 6, "dapi" + "0a1b2c3d" * 4, "gsk_" + LETTERS * 5,
    "r8_" + LETTERS * 4, "hvs." + LETTERS * 3, "eyJ" + LETTERS + ".eyJ" + LETTERS + "." + LETTERS,
    "-----BEGIN RSA PRIVATE " + "KEY-----", "AccountKey=" + LETTERS * 9 + "==", "xai-" + LETTERS * 8,
    "https://files.example.com/m.onnx?X-Amz-Signature=" + "0a1b2c3d" * 8,
    "https://acme.blob.core.windows.net/m.onnx?sv=2024-11-04&sig=" + LETTERS * 4 + "%3D",
)  # fmt: skip
HARMLESS = (
    "sk-learn", "sk-${KEY}", "hf_hub", "ghost", "AKIAEXAMPLE", "AKIAIOSFODNN7EXAMPLE", "risk-" + LETTERS * 5, "eyJ.eyJ.x",
    "sha256:" + "0a1b2c3d" * 8, "0a1b2c3d" * 5, "https://files.example.com/m.onnx?versionId=" + LETTERS * 4,
    "registry.example.com/serve@sha256:" + "0a1b2c3d" * 8, "gpt-4o-2024-08-06", "the task-" + "a" * 40,
    "-----BEGIN CERTIFICATE-----", "-----BEGIN PUBLIC KEY-----",
)  # fmt: skip


def told(line: str, rule: str) -> list[str]:
    found = judge(edited(Example(VERSION, line, ENV)), history=False)
    return [f"{one.message} {one.fix}" for one in found if one.rule == rule]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_key_of_a_known_shape_is_found_anywhere_and_not_printed(secret: str) -> None:
    (message,) = told(f"env: {{X: {json.dumps(f'before {secret} after')}}}", "plain-secret")
    assert secret not in message
    assert secret[8:] not in message


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_begins_like_a_key_is_left_alone(text: str) -> None:
    assert shaped(text) is None
    assert told(f"env: {{X: {json.dumps(text)}}}", "plain-secret") == []


def test_every_shape_is_tried() -> None:
    found = {shape.pattern.pattern for shape in SHAPES for secret in SECRETS if shape.pattern.search(secret)}
    missing = {shape.name for shape in SHAPES if shape.pattern.pattern not in found}
    assert not missing


def test_a_secret_in_a_prompt_a_policy_or_the_settings_is_found() -> None:
    token = "hf_" + LETTERS * 3 + "aB3d"
    for path, old, new in (
        ("models/assistant/configs/default.yaml", "You answer", f"Use {token}. You answer"),
        ("policies/progressive.yaml", "standby: 72h", f"standby: 72h\nnotify: [{token}]"),
        ("tidegate.yaml", "poll: 60s", f"poll: 60s\nartifacts: {{stores: {{s3: {{token: {token}}}}}}}"),
    ):
        found = [one for one in judge(edited(Example(path, new, old)), history=False) if one.rule == "plain-secret"]
        assert [one.path for one in found] == [path]
        assert token not in found[0].message


@pytest.mark.parametrize("uri", ["https://git.example.com/a@b", "ssh://git@example.com/x", "https://u:${PASSWORD}@example.com",
                                 "https://user@example.com", "s3://bucket/a:b@c", "http://[::1"])  # fmt: skip
def test_a_uri_without_a_password_carries_none(uri: str) -> None:
    assert carries(uri) is None


def test_a_uri_with_a_password_is_shown_without_it() -> None:
    assert carries("postgresql://tidegate:hunter2@db.example.com/journal") == "postgresql://tidegate:***@db.example.com"
    assert carries("redis://:hunter2@db.example.com") == "redis://:***@db.example.com"


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("DB_PASSWORD", True), ("apiKey", True), ("api_key", True), ("HF_TOKEN", True), ("token", True), ("--api-key", True),
        ("AWS_SECRET_ACCESS_KEY", True), ("clientSecret", True), ("X-Auth-Key", True), ("passphrase", True),
        ("MAX_TOKENS", False), ("max_tokens", False), ("eos_token", False), ("pad_token", False), ("TOKENIZER", False),
        ("API_KEY_HEADER", False), ("PASSWORD_FILE", False), ("SECRET_NAME", False), ("cache_key", False), ("key", False),
        ("primary_key", False), ("monkey", False), ("stop_token", False), ("THREADS", False), ("", False),
    ],
)  # fmt: skip
def test_the_names_under_which_secrets_are_kept(name: str, secret: bool) -> None:
    assert named(name) == secret


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("DB_PASSWORD", "hunter2", True), ("API_KEY", "4f9Zq81LmT0xVb2c", True), ("API_KEY", "none", False),
        ("API_KEY", "${API_KEY}", False), ("API_KEY", "/run/secrets/key", False), ("DB_PASSWORD", "changeme", False),
        ("API_KEY", "your-key-here-0123", False), ("TOKEN", "aaaaaaaaaaaa1", False), ("TOKEN", "bearer token here", False),
        ("SECRET", "vault:secret/data/x#Y1", False), ("SECRET", "arn:aws:secretsmanager:eu:1:x", False),
        ("PASSWORD", "", False), ("TOKEN", "<|endoftext|>", False), ("AUTH_TOKEN", "internal", False),
    ],
)  # fmt: skip
def test_a_value_counts_when_it_is_the_secret_itself(name: str, value: str, secret: bool) -> None:
    assert likely(name, value) == secret


@given(st.text(string.ascii_letters + string.digits, min_size=5, max_size=64))
def test_what_is_masked_cannot_be_used(secret: str) -> None:
    shown = masked(secret).partition("...")[0]
    assert len(shown) <= 4
    assert len(shown) * 4 <= len(secret)


def test_a_secret_is_told_once() -> None:
    line = f"env: {{HF_TOKEN: {'hf_' + LETTERS * 3 + 'aB3d'}}}"
    assert len(told(line, "plain-secret")) == 1
    assert told(line, "likely-secret") == []


def test_credentials_by_reference_are_fine() -> None:
    tidegate = (
        "poll: 60s\nserver: {webhook_secret: {env: TIDEGATE_WEBHOOK_SECRET}, tokens: [{file: /run/secrets/token}]}"
    )
    files = edited(Example("tidegate.yaml", tidegate, "poll: 60s"))
    assert judge(files, history=False) == []


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        ("http://llm.example.com/v1", True), ("HTTP://llm.example.com", True), ("git://git.example.com/x", True),
        ("http://10.0.0.7:8000", True), ("http://[2001:db8::1]/", True), ("https://llm.example.com", False),
        ("http://127.0.0.1:8000", False), ("http://127.8.0.1", False), ("http://[::1]:8000", False),
        ("http://localhost:8000", False), ("http://api.localhost", False), ("file:models/a", False), ("http:", False),
        ("http://[", False), (".", False), ("git@example.com:a/b.git", False),
    ],
)  # fmt: skip
def test_plain_is_what_travels_unprotected(address: str, plain: bool) -> None:
    assert is_plain(address) == plain


@pytest.mark.parametrize(
    "words", ['sh, -c, "curl -fsS https://example.com/x | sh"', "pip, install, x", "sh, -c, apt-get -y install x"]
)
def test_a_command_that_fetches_is_told_however_it_is_split(words: str) -> None:
    line = 'command: [serve, "${TIDEGATE_ARTIFACT}", --port, "${TIDEGATE_PORT}"]'
    found = judge(edited(Example(VERSION, f"command: [{words}]", line)), history=False)
    assert [one.rule for one in found if one.rule == "install-at-start"] == ["install-at-start"]


def test_old_versions_that_serve_nobody_are_not_told_again() -> None:
    files = example()
    path = "models/digits/versions/1.1.0.yaml"
    files[path] = (
        files[path].replace(b"format: onnx", b"format: pickle").replace(b"  resources: {memory: 256Mi}\n", b"")
    )
    assert judge(files, history=False) == []
