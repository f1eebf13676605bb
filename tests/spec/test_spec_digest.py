"""Digests: the same for every layout, another for every change, and never another because Tidegate was upgraded."""

from __future__ import annotations

import copy
import hashlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from yaml_layouts import canonical, documents, layouts, scalars

from tidegate.spec.digest import config_digest, document_digest, field_digest, release_digest, workload_digest
from tidegate.spec.source import Source, parse

DOCUMENTS = Path(__file__).parent / "documents"

# A change of any of these literals starts a rollout of everything, everywhere, on the day somebody upgrades.
GOLDEN = {
    "config-prompt.yaml": "463b26d60fa2b48c3a184e52ed953c3176ec6896f69f2020235635b9bcf38ca2",
    "config-small.yaml": "4355a2f75b2bd28365ce0b23b84fded301666687ac6ab87bc008f3d50f6585b6",
    "controller.yaml": "12d9e4dea4afd4db64290916bf934d1864437da2b660dcc4ca541ca833dd5127",
    "deployment.yaml": "c7e220026cfb676499c71c6645790d732a43b0f45d27b34d8091ed11f9e2cb1d",
    "governance.yaml": "d26784d30ec909da834d4bc5a34194d217dae2fa8bf6688ba2a7d5e99c86c926",
    "model.yaml": "cb261a0c4db29b9059fbf9c5eaa6896e0b8cbe03e66b3f437bcdc112e01bdfb3",
    "policy.yaml": "79471a4d8d289d5bddc34dcf693627b61a323b22e3f1f3a44731b78d2ed2ab47",
    "prices.yaml": "281d29ea8583c4a77f30df54264bdc9d87330d16d2691680ec53cdabd360f040",
    "version-full.yaml": "83be25cfff6a921129c6a54d98078735bda73259315cec148e705af088614790",
    "version-provider.yaml": "08b4675a6c0248d6226193cf0d8972dec69a081d285a5eb3a1bfdd4052c96a56",
    "version-small.yaml": "bd0412eb9cdc888107648c7b93f7916147180f07d8502054027c2ce449e64def",
}
WORKLOADS = {
    "version-small.yaml": "a3887e822be26b23db07cf44b377daa5e62615842d832d923daefefb9eb93b9e",
    "version-full.yaml": "f2f21d98d7c359dbaba6d461c3da8fe07f0b61f4b9eaf419ee15119a2c291078",
    "version-provider.yaml": "35c8c3d632c0847d0a1aea8ff87612fa47109c197bc7920f73d7d00f8daea438",
}
CONFIGS = {
    "config-prompt.yaml": "10cc83024f0166e7bf2df8bd3fc627428a27d7a6f69cdb95f7a7318bccd14f0a",
    "config-small.yaml": "ee5ae7c425dc1b0f9ab28c78ffbeba7b0ec2c98d5003aec44e95e890d8b0d00c",
}


def document(name: str) -> Source:
    return parse((DOCUMENTS / name).read_bytes(), name)


def of(text: str) -> Source:
    read = parse(text.encode(), "a.yaml")
    assert read.problems == ()
    return read


def test_every_example_document_keeps_its_digest_across_upgrades() -> None:
    assert {path.name: document_digest(document(path.name)) for path in DOCUMENTS.glob("*.yaml")} == GOLDEN


def test_workloads_configs_and_releases_keep_theirs() -> None:
    assert {name: workload_digest(document(name)) for name in WORKLOADS} == WORKLOADS
    assert {name: config_digest(document(name)) for name in CONFIGS} == CONFIGS
    workload, config = WORKLOADS["version-full.yaml"], CONFIGS["config-small.yaml"]
    assert (
        release_digest("digits", workload, config) == "4e359f3a6824641f95295332a67a1789ecc87598a940eeeb56b91c295c972994"
    )
    assert (
        release_digest("digits", workload, None) == "a695074fb90d034bdafc52e728305915b4066a1fa5c7d85076d46cdd180fcc1f"
    )


def test_the_encoding_is_the_one_that_is_written_down() -> None:
    content = b"m5:s1:ai1:1s1:bf4:1.10s1:cs1:1s1:dl2:tFs1:en"
    expected = hashlib.sha256(b"tidegate-digest-1\ndocument\n" + content).hexdigest()
    assert document_digest(of("b: 1.10\na: 1\nc: '1'\nd: [true, FALSE]\ne: ~\n")) == expected


@given(st.data())
def test_key_order_comments_quotes_and_layout_never_change_it(draw: st.DataObject) -> None:
    data = draw.draw(documents)
    assert document_digest(of(draw.draw(layouts(data)))) == document_digest(of(draw.draw(layouts(data))))


@given(st.data())
def test_any_changed_value_changes_it(draw: st.DataObject) -> None:
    data = draw.draw(documents)
    changed = copy.deepcopy(data)
    places = list(_places(changed))
    holder, key = places[draw.draw(st.integers(0, len(places) - 1))]
    holder[key] = draw.draw(scalars)
    assume(canonical(changed) != canonical(data))
    assert document_digest(of(draw.draw(layouts(data)))) != document_digest(of(draw.draw(layouts(changed))))


@given(documents, documents, st.data())
def test_two_documents_share_one_only_if_they_say_the_same(one: Any, other: Any, draw: st.DataObject) -> None:
    same = document_digest(of(draw.draw(layouts(one)))) == document_digest(of(draw.draw(layouts(other))))
    assert same == (canonical(one) == canonical(other))


def _places(value: Any) -> Any:
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    for key in list(keys):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


@pytest.mark.parametrize(
    ("one", "other"),
    [("a: 1", 'a: "1"'), ("a: 1", "a: 1.0"), ("a: true", 'a: "true"'), ("a: null", 'a: ""'), ("a: null", "b: 1"),
     ("a: [b]", "a: b"), ("a: {}", "a: []"), ("a: [[b], c]", "a: [[b, c]]"), ("a: {b: {}, c: d}", "a: {b: {c: d}}"),
     ("a: 'b '", "a: b"), ("ab: c", "a: bc")],
)  # fmt: skip
def test_types_and_shapes_are_kept_apart(one: str, other: str) -> None:
    assert document_digest(of(one)) != document_digest(of(other))


@pytest.mark.parametrize("field", ["reason", "evaluation", "training", "card"])
def test_what_only_documents_a_version_is_no_part_of_its_workload(field: str) -> None:
    version = (DOCUMENTS / "version-small.yaml").read_text()
    without = "".join(line for line in version.splitlines(keepends=True) if not line.startswith("reason:"))
    assert workload_digest(of(f"{without}{field}: {{any: thing}}\n")) == workload_digest(of(without))


@pytest.mark.parametrize(
    ("old", "new"),
    [("threads: 1", ""), ("1.0.0", "1.0.1"), ("s3://", "https://"), ("8d4f1c", "8d4f1d"), ("507a39", "507a38"),
     ("format: onnx", "format: pickle"), ("size: 30112", "size: 30113"), ("--port", "--p"), ("5a5d014", "5a5d015")],
)  # fmt: skip
def test_everything_else_is_part_of_it(old: str, new: str) -> None:
    version = (DOCUMENTS / "version-small.yaml").read_text()
    changed = version.replace(old, new) if old in version else f"{version}adapters: []\n"
    assert workload_digest(of(changed)) != workload_digest(of(version))


def test_a_field_that_only_a_later_tidegate_knows_counts() -> None:
    version = (DOCUMENTS / "version-small.yaml").read_text()
    assert workload_digest(of(version + "speculative: {draft: tiny}\n")) != workload_digest(of(version))


def test_reason_and_evaluation_below_another_field_do_count() -> None:
    assert workload_digest(of("a: {reason: x}")) != workload_digest(of("a: {reason: y}"))


def test_a_prompt_is_part_of_a_config_and_its_reason_is_not() -> None:
    config = (DOCUMENTS / "config-prompt.yaml").read_text()
    assert config_digest(of(config.replace("one sentence", "two sentences"))) != config_digest(of(config))
    assert config_digest(of(config.replace("Shorter answers.", "Calmer answers."))) == config_digest(of(config))


def test_workload_config_and_document_are_different_names_for_the_same_text() -> None:
    read = of("a: 1")
    assert len({workload_digest(read), config_digest(read), document_digest(read)}) == 3


def test_a_release_is_told_by_model_workload_and_config() -> None:
    releases = {release_digest(m, w, c) for m in ("a", "b") for w in ("x", "y") for c in ("u", "v", None)}
    assert len(releases) == 12
    assert all(len(digest) == 64 for digest in releases)


def test_one_field_has_a_digest_of_its_own() -> None:
    assert field_digest(of("a: {b: 1}\nc: 1"), "a") == field_digest(of("c: 2\na:\n  b: 1"), "a")
    assert field_digest(of("a: 1"), "b") is None


def test_a_file_without_fields_has_none() -> None:
    with pytest.raises(ValueError, match="no mapping"):
        document_digest(parse(b"[a]", "a.yaml"))
