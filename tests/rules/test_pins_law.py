"""Which references are pinned: the cases of the pinning law, their neighbours, and what holds for all of them."""

from __future__ import annotations

import string
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tidegate.rules.pins import EMPTY_SHA256, KINDS, digest_floats, infer, judge
from tidegate.rules.pins.kinds import LONGEST

CASES = Path(__file__).parent / "cases"
H64 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
SAMPLES = {
    "oci-image": "registry.example.com/serve:1@sha256:{}", "weights-digest": "sha256:{}", "git": "{}",
    "ollama": "llama3.2:3b@sha256:{}", "lakefs": "lakefs://training/{}/churn/model.onnx",
    "http": "https://models.example.com/churn.onnx#sha256={}",
}  # fmt: skip
SHORT = {"hf": ("acme/intent@{}", 40), "dvc": ("dvc:data.xml@md5:{}", 32), "mlflow": ("models:/m-{}", 32)}


def _read(name: str) -> list[Any]:
    found: list[Any] = yaml.safe_load((CASES / name).read_text("utf-8"))
    return found


def _neighbours() -> list[tuple[str, bool, str]]:
    words = {"H128": H64 + H64[::-1], "H64": H64, "H40": H64[:40], "H32": H64[:32]}
    found = []
    for row in _read("pins_more.yaml"):
        for ref in row["refs"]:
            for word, digits in words.items():
                ref = ref.replace(word, digits)
            found.append((row["kind"], row["pinned"], ref))
    return found


@pytest.mark.parametrize("case", _read("pinning.yaml"), ids=lambda case: f"{case['kind']}: {case['ref'][:40]}")
def test_the_cases_of_the_law(case: dict[str, Any]) -> None:
    found = judge(case["kind"], case["ref"])
    assert found.pinned is case["pinned"], found
    if found.pinned and found.level == "digest":
        assert not case["why"].startswith(("contract", "registry-contract"))


@pytest.mark.parametrize(("kind", "pinned", "ref"), _neighbours())
def test_their_neighbours(kind: str, pinned: bool, ref: str) -> None:
    found = judge(kind, ref)
    assert found.pinned is pinned, found
    assert found.why and not found.why.endswith(".")
    assert bool(found.fix) is not pinned and (found.level is not None) is pinned


def test_there_are_neighbours_of_every_kind_on_both_sides() -> None:
    found = _neighbours()
    assert len(found) > 400 and len({ref for _, _, ref in found}) > 350
    assert {kind for kind, _, _ in found} == set(KINDS)
    never = {"mlflow-prompt", "triton"}
    assert {kind for kind, pinned, _ in found if pinned} == set(KINDS) - never
    assert {kind for kind, pinned, _ in found if not pinned} == set(KINDS)


hexes = st.text("0123456789abcdef", min_size=64, max_size=64).filter(lambda text: text.strip("0"))


@given(st.sampled_from(sorted(SAMPLES)), hexes)
def test_any_digest_but_zeros_pins(kind: str, digest: str) -> None:
    found = judge(kind, SAMPLES[kind].format(digest))
    assert found.pinned and found.level == "digest"
    assert digest_floats(digest) is None


@given(st.sampled_from(sorted(SAMPLES)), hexes, st.integers(0, 63), st.sampled_from(string.printable + "Ää٣\u200b"))
def test_one_digit_that_is_none_unpins(kind: str, digest: str, place: int, other: str) -> None:
    if other in "0123456789abcdef":
        return
    assert not judge(kind, SAMPLES[kind].format(digest[:place] + other + digest[place + 1 :])).pinned


@given(st.sampled_from(sorted({**SAMPLES, **SHORT})), st.text("123456789abcdef", min_size=1, max_size=140))
def test_a_digest_of_another_length_unpins(kind: str, digits: str) -> None:
    form, length = SHORT.get(kind) or (SAMPLES[kind], 64)
    lengths = {length, 40} if kind == "git" else {length}
    assert judge(kind, form.format(digits)).pinned is (len(digits) in lengths)


ANYTHING = st.text(max_size=90) | st.text("abcdef0123456789:/@#?=.-_v", max_size=120)


@given(st.sampled_from(sorted(KINDS)), ANYTHING)
def test_nothing_raises_and_everything_has_a_reason(kind: str, ref: str) -> None:
    found = judge(kind, ref)
    assert found.why
    assert found.pinned or found.fix
    infer(ref)


@given(st.sampled_from(sorted(KINDS)), st.sampled_from(sorted({ref for _, pinned, ref in _neighbours() if pinned})))
def test_a_reference_with_a_blank_or_a_new_line_is_never_pinned(kind: str, ref: str) -> None:
    for spoilt in (f"{ref}\n", f" {ref}", f"{ref} ", f"{ref}\r", f"{ref}\x00", f"{ref}\u00a0", f"\ufeff{ref}"):
        assert not judge(kind, spoilt).pinned


BEGINNINGS = (
    "", "sha256:", "s3://models/", "gs://models/", "dvc:", "dvc+https://", "lakefs://training/", "models:/", "models/",
    "arn:aws:bedrock:us-east-1:123456789012:prompt/", "arn:aws-", "model-package/", "projects/", "claude-", "gpt-",
    "ft:", "gemini-2.0-", "mistral-", "https://", "hf://", "oci://", "amazon.", "model=",
)  # fmt: skip


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_judging_takes_linear_time(kind: str) -> None:
    """The longest reference of every ill-willed form: a regex that backtracks would take minutes for one of them."""
    began = time.process_time()
    for beginning in BEGINNINGS:
        for part in ("a", "-", "a-", "-a", "0", "a.", "/a", "a/", "a:", "@", "a_", "..", "-0", "[", "20", "a=b;"):
            for end in ("", "!", "-v1:0", "@3", "-2024-08-06", f"@sha256:{H64}"):
                ref = (beginning + part * LONGEST)[: LONGEST - len(end)] + end
                judge(kind, ref)
    assert time.process_time() - began < 90


def test_a_reference_longer_than_any_is_not_looked_at() -> None:
    assert "longer than" in judge("git", "a" * (LONGEST + 1)).why


@pytest.mark.parametrize(
    ("kind", "ref"),
    [
        ("weights-digest", f"sha256:{EMPTY_SHA256}"),
        ("oci-image", f"serve@sha256:{EMPTY_SHA256}"),
        ("dvc", "dvc:data.xml@md5:d41d8cd98f00b204e9800998ecf8427e"),
        ("git", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"),
    ],
)
def test_the_digest_of_nothing_is_pinned_and_warned_of(kind: str, ref: str) -> None:
    assert "empty" in (judge(kind, ref).warning or "")


def test_a_password_in_an_address_is_warned_of() -> None:
    assert "password" in (judge("http", f"https://me:pw@models.example.com/a#sha256={H64}").warning or "")
    assert "password" in (judge("dvc", f"dvc+https://me:pw@git.example.com/a/b@{H64[:40]}:x").warning or "")
    assert judge("http", f"https://me@models.example.com/a#sha256={H64}").warning is None


def test_what_only_a_registry_promises_asks_for_a_digest_beside_it() -> None:
    for kind, ref in (
        ("mlflow", "models:/churn/12"),
        ("s3", "s3://models/a?versionId=abc"),
        ("gcs", "gs://models/a#1"),
    ):
        found = judge(kind, ref)
        assert found.level == "contract" and "sha256 beside it" in (found.warning or "")


def test_an_inference_of_the_kind_is_never_another_one() -> None:
    """What is inferred at all agrees with the kind that the case names, or names it among others."""
    cases = [(case["kind"], case["ref"]) for case in _read("pinning.yaml")]
    for kind, ref in [*cases, *((kind, ref) for kind, pinned, ref in _neighbours() if pinned)]:
        guess = infer(ref)
        alike = {"oci-image", "ollama"}
        assert not guess.kinds or kind in guess.kinds or alike >= {kind, *guess.kinds}, (kind, ref, guess)
