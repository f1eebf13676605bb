"""Which references are pinned. The cases are those of the pinning law for images, weights and commits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.rules.pins import commit_floats, digest_floats, image_floats

HEX = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


@pytest.mark.parametrize(
    "ref",
    [
        f"registry.local:5000/ml/churn@sha256:{HEX}",
        f"oci://registry.example.com/acme/modelcar@sha256:{HEX}",
        f"serve@sha256:{HEX}",
        f"registry.example.com/serve:2.4.1@sha256:{HEX}",
        f"127.0.0.1:5000/a_b/c__d/e-f.g@sha256:{HEX}",
        f"[::1]:5000/serve@sha256:{HEX}",
    ],
)
def test_an_image_by_full_digest_is_pinned(ref: str) -> None:
    assert image_floats(ref) is None


@pytest.mark.parametrize(
    ("ref", "why"),
    [
        ("vllm/vllm-openai:v0.7.3", "the tag 'v0.7.3'"),
        ("ollama/ollama:latest", "the tag 'latest'"),
        ("registry.local:5000/serve", "latest"),
        (f"registry.example.com/acme/churn@sha256:{HEX.upper()}", "lower case"),
        ("${IMAGE}:${TAG}", "variable"),
        (f"serve@sha256:{HEX[:12]}", "12 characters"),
        (f"serve@sha256:{HEX}0", "65 characters"),
        (f"serve:sha256-{HEX}", "is a tag"),
        (f"serve@md5:{HEX[:32]}", "not a sha256"),
        (f"serve@sha256:{'0' * 64}", "zeros"),
        (f"Serve Me@sha256:{HEX}", "name"),
        (f"@sha256:{HEX}", "name"),
        (f"serve@sha256:{HEX}\n", "65 characters"),
    ],
)
def test_any_other_image_floats_for_a_reason(ref: str, why: str) -> None:
    assert why in (image_floats(ref) or "")


@pytest.mark.parametrize("ref", [HEX, HEX[:40]])
def test_a_full_commit_is_pinned(ref: str) -> None:
    assert commit_floats(ref) is None


@pytest.mark.parametrize(
    ("ref", "why"),
    [
        ("main", "moves"), ("refs/tags/v1.4.2", "moves"), ("main~2", "moves"), ("HEAD", "moves"), ("", "moves"),
        (HEX[:7], "7 hex digits"), (HEX[:41], "41 hex digits"), (HEX.upper(), "lower case"),
        (f"{HEX[:40]}-dirty", "dirty"), ("0" * 40, "zeros"), (f"{HEX[:40]}\n", "moves"),
    ],
)  # fmt: skip
def test_any_other_commit_floats_for_a_reason(ref: str, why: str) -> None:
    assert why in (commit_floats(ref) or "")


@pytest.mark.parametrize(("sha256", "why"), [("0" * 64, "zeros"), (HEX[:63], "64"), (HEX.upper(), "64")])
def test_a_placeholder_digest_names_nothing(sha256: str, why: str) -> None:
    assert digest_floats(HEX) is None
    assert why in (digest_floats(sha256) or "")


@given(st.text("0123456789abcdef", min_size=64, max_size=64).filter(lambda text: text.strip("0")))
def test_any_digest_but_zeros_pins(digest: str) -> None:
    assert image_floats(f"registry.example.com/serve@sha256:{digest}") is None
    assert digest_floats(digest) is None
    assert commit_floats(digest) is None


@given(st.text(max_size=90))
def test_what_carries_no_digest_is_never_pinned(ref: str) -> None:
    assert image_floats(ref) is not None
