"""From splits and ready instances to the gateway's table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from tidegate.engine.catalog import Entry
from tidegate.engine.table import Tables, body_of, build_route, upstream_name
from tidegate.gateway.model import Arm, Table
from tidegate.rollout.traffic import WHOLE, Traffic, TrafficArm
from tidegate.spec.inference import InferenceConfig
from tidegate.spec.model import Model
from tidegate.spec.release import Release
from tidegate.spec.version import ModelVersion

ONE = Release("digits", "1.0.0", "default", "1" * 64, "a" * 64, "c1")
WARM = Release("digits", "1.0.0", "default", "2" * 64, "a" * 64, "c2")
TWO = Release("digits", "2.0.0", None, "3" * 64, "b" * 64, "c3")


def model(**more: Any) -> Model:
    return Model.model_validate(
        {"api": "tidegate/v1", "kind": "Model", "name": "digits", "summary": "s", "owners": ["a"]}
        | {"protocol": "open-inference"}
        | more
    )


def config(**parameters: Any) -> InferenceConfig:
    return InferenceConfig.model_validate(
        {
            "api": "tidegate/v1",
            "kind": "InferenceConfig",
            "model": "digits",
            "name": "default",
            "parameters": parameters,
        }
    )


def entry(release: Release) -> Entry:
    version = ModelVersion.model_validate(
        {"api": "tidegate/v1", "kind": "ModelVersion", "model": "digits", "version": release.version, "reason": "r"}
        | {"runtime": {"command": ["serve"]}}
    )
    configs: Mapping[str, InferenceConfig] = {ONE.digest: config(temperature=0.2), WARM.digest: config(temperature=0.9)}
    return Entry(model(), version, configs.get(release.digest))


@pytest.mark.parametrize(
    ("protocol", "given", "body"),
    [
        ("open-inference", {"top_k": 3}, {"parameters": {"top_k": 3}}),
        ("openai", {"temperature": 0.2, "stop": ["x"]}, {"temperature": 0.2, "stop": ["x"]}),
        ("http", {"top_k": 3}, None),
        ("openai", {}, None),
    ],
)
def test_parameters_go_where_the_protocol_takes_them(protocol: str, given: dict[str, Any], body: object) -> None:
    assert body_of(protocol, config(**given)) == body
    assert body_of(protocol, None) is None


def test_a_route_has_an_arm_a_release_with_its_own_parameters_and_weights() -> None:
    split = Traffic(
        (
            TrafficArm(ONE, "stable", WHOLE - 50_000, {"internal": 0}),
            TrafficArm(WARM, "candidate", 50_000, {"internal": WHOLE}),
        ),
        moving=True,
    )
    declared = model(segments={"internal": {"header": "x-g", "values": ["beta"]}}, sticky={"header": "x-user-id"})
    route = build_route("digits/archive", split, declared, entry)
    assert (route.model, route.feature, route.sticky, route.moving) == ("digits", "archive", "x-user-id", True)
    stable, candidate = route.arms
    assert (stable.release, stable.role, stable.weight) == (ONE.id, "stable", WHOLE - 50_000)
    assert candidate.segment_weights == {"internal": WHOLE}
    assert [arm.body for arm in route.arms] == [
        {"parameters": {"temperature": 0.2}},
        {"parameters": {"temperature": 0.9}},
    ]
    assert stable.upstream == candidate.upstream, "a config alone needs no server of its own"


def whole(**more: Any) -> InferenceConfig:
    """A config that says everything."""
    fields = {
        "api": "tidegate/v1",
        "kind": "InferenceConfig",
        "model": "digits",
        "name": "default",
        "parameters": {"temperature": 0.2},
        "system_prompt": "Be brief.",
        "few_shot": [{"user": "1+1?", "assistant": "2"}, {"role": "tool", "content": "x"}],
        "tools": [{"type": "function"}],
        "response_format": {"type": "json_object"},
        "client_override": "reject",
    }
    return InferenceConfig.model_validate(fields | more)


def only_arm(protocol: str) -> Arm:
    """The arm of a release with that config."""
    declared = model(protocol=protocol)
    split = Traffic((TrafficArm(ONE, "stable", WHOLE),))
    return build_route("digits", split, declared, lambda one: Entry(declared, entry(one).version, whole())).arms[0]


def test_a_prompt_examples_tools_and_the_answer_s_shape_are_the_release_s_where_the_protocol_knows_them() -> None:
    chat, tensors = only_arm("openai"), only_arm("open-inference")
    assert chat.override == tensors.override == "reject"
    assert chat.prompt == "Be brief."
    assert [message["role"] for message in chat.examples] == ["user", "assistant", "tool"]
    shape = {"tools": [{"type": "function"}], "response_format": {"type": "json_object"}}
    assert chat.body == {"temperature": 0.2, **shape}
    assert (tensors.prompt, tensors.examples, tensors.body) == (None, (), {"parameters": {"temperature": 0.2}})


def test_the_candidate_is_the_shadow_while_requests_are_copied() -> None:
    arms = (TrafficArm(ONE, "stable", WHOLE), TrafficArm(TWO, "candidate", 0, {"eu": 0}))
    route = build_route("digits", Traffic(arms, True, 100_000), model(), entry)
    assert route.shadow is not None
    assert (route.shadow.role, route.shadow.release, route.shadow.weight) == ("shadow", TWO.id, 100_000)
    assert [arm.role for arm in route.arms] == ["stable", "candidate"]
    assert build_route("digits", Traffic(arms, True), model(), entry).shadow is None


@pytest.mark.parametrize("example", [{"content": "hi"}, {"user": "hi"}, {"user": "a", "assistant": "b", "more": "c"}])
def test_an_example_that_is_no_message_is_refused(example: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="an example is a message"):
        whole(few_shot=[example])


def test_the_table_has_an_upstream_a_workload_and_does_not_depend_on_order() -> None:
    splits = {
        "digits": Traffic((TrafficArm(ONE, "stable", WHOLE), TrafficArm(TWO, "standby", 0))),
        "digits/archive": Traffic((TrafficArm(WARM, "stable", WHOLE),)),
    }
    endpoints = {ONE.workload: (("127.0.0.1", 9000),)}

    def built(*names: str) -> Table:
        tables = Tables()
        for name in names:
            route = build_route(name, splits[name], model(), entry)
            assert tables.put(route, splits[name], lambda workload: endpoints.get(workload, ())) == {"digits"}
        return tables.table()

    table = built("digits", "digits/archive")
    assert table == built("digits/archive", "digits")
    assert [upstream.name for upstream in table.upstreams] == [upstream_name(ONE.workload), upstream_name(TWO.workload)]
    assert [upstream.endpoints for upstream in table.upstreams] == [(("127.0.0.1", 9000),), ()]
    assert [route.name for route in table.routes] == ["digits", "digits/archive"]


def test_a_model_s_timeout_is_that_of_its_servers_from_the_moment_it_is_declared() -> None:
    split, tables = Traffic((TrafficArm(ONE, "stable", WHOLE),)), Tables()
    for declared, seconds in ((model(), 60.0), (model(timeout="5m"), 300.0), (model(timeout="500ms"), 0.5)):
        assert tables.put(build_route("digits", split, declared, entry), split, lambda _: ()) <= {"digits"}
        assert [upstream.timeout for upstream in tables.table().upstreams] == [seconds]
    with pytest.raises(ValidationError, match="greater than 0"):
        model(timeout="0s")


def test_what_did_not_change_is_the_same_object_in_the_next_table_and_only_the_models_that_did_are_named() -> None:
    first, second = Traffic((TrafficArm(ONE, "stable", WHOLE),)), Traffic((TrafficArm(TWO, "stable", WHOLE),))
    endpoints = {ONE.workload: (("127.0.0.1", 9000),), TWO.workload: (("127.0.0.1", 9001),)}
    tables = Tables()
    for name, split in (("digits", first), ("letters", second), ("letters/archive", first)):
        tables.put(build_route(name, split, model(), entry), split, endpoints.__getitem__)
    before = tables.table()

    same = build_route("digits", first, model(), entry)
    assert tables.put(same, first, endpoints.__getitem__) == set()
    assert tables.learnt([ONE.workload, TWO.workload, "nobody's"], endpoints.__getitem__) == set()
    assert all(old is new for old, new in zip(before.routes, tables.table().routes, strict=True))

    endpoints[TWO.workload] = (("127.0.0.1", 9002),)
    assert tables.learnt([ONE.workload, TWO.workload], endpoints.__getitem__) == {"letters"}
    after = tables.table()
    assert [old is new for old, new in zip(before.upstreams, after.upstreams, strict=True)] == [True, False]
    assert all(old is new for old, new in zip(before.routes, after.routes, strict=True))

    endpoints[ONE.workload] = ()
    assert tables.learnt([ONE.workload], endpoints.__getitem__) == {"digits", "letters"}, "whoever shares it is named"

    moved = build_route("letters", first, model(), entry)
    assert tables.put(moved, first, endpoints.__getitem__) == {"letters"}
    assert [upstream.name for upstream in tables.table().upstreams] == [upstream_name(ONE.workload)]
    assert tables.drop("digits")
    assert not tables.drop("digits")
    assert [route.name for route in tables.table().routes] == ["letters", "letters/archive"]
