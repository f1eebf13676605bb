"""The reference server speaks the Open Inference Protocol, and tells the caller's faults from its own."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.model_server import ROOT, ModelServer

SCANS = [json.loads(line) for line in (ROOT / "models/digits/traffic/scans.jsonl").read_text().splitlines()]
OLD = next(scan for scan in SCANS if scan["scanner"] == "old")
NEW = next(scan for scan in SCANS if scan["scanner"] == "new")

Serve = Callable[[str], ModelServer]


@pytest.fixture
def server(digits_server: Serve) -> ModelServer:
    return digits_server("2.0.0")


def outputs(answer: httpx.Response) -> dict[str, dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return {output["name"]: output for output in answer.json()["outputs"]}


def changed(**fields: Any) -> dict[str, Any]:
    """An old scanner's request with other fields in its tensor."""
    body = copy.deepcopy(OLD["input"])
    body["inputs"][0].update(fields)
    return body


def test_an_answer_names_the_digit_the_model_the_version_and_the_request(server: ModelServer) -> None:
    answer = server.infer(OLD["input"], id="request-7")
    assert outputs(answer)["digit"] == {
        "name": "digit",
        "shape": [1, 1],
        "datatype": "INT64",
        "parameters": None,
        "data": [OLD["expected"]["digit"]],
    }
    told = answer.json()
    assert (told["model_name"], told["model_version"], told["id"]) == ("digits", "2.0.0", "request-7")


def test_without_an_id_the_answer_carries_the_gateways_or_one_of_its_own(server: ModelServer) -> None:
    given = server.client.post("/v2/models/digits/infer", json=OLD["input"], headers={"x-request-id": "r-1"})
    assert given.json()["id"] == "r-1"
    first, second = (server.infer(OLD["input"]).json()["id"] for _ in range(2))
    assert first and second and first != second


def test_health_and_metadata_are_told(server: ModelServer) -> None:
    for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/digits/ready"):
        assert server.client.get(path).status_code == 200
    told = server.client.get("/v2/models/digits").json()
    assert {slot["name"]: (slot["datatype"], slot["shape"]) for slot in told["inputs"]} == {
        "image": ("FP32", [-1, 64]),
        "temperature": ("FP32", [1]),
        "top_k": ("INT64", [1]),
    }
    assert [slot["name"] for slot in told["outputs"]] == ["digit", "probability"]


def test_top_k_names_as_many_digits_likeliest_first(server: ModelServer) -> None:
    found = outputs(server.infer(OLD["input"], parameters={"top_k": 3}))
    assert found["digit"]["shape"] == [1, 3]
    assert found["digit"]["data"][0] == OLD["expected"]["digit"]
    assert found["probability"]["data"] == sorted(found["probability"]["data"], reverse=True)


def test_temperature_evens_the_probabilities_out_and_keeps_the_order(server: ModelServer) -> None:
    cold, warm = (outputs(server.infer(OLD["input"], parameters={"temperature": t})) for t in (1.0, 4))
    assert warm["digit"]["data"] == cold["digit"]["data"]
    assert warm["probability"]["data"][0] < cold["probability"]["data"][0]


def test_several_scans_are_answered_in_their_order(server: ModelServer) -> None:
    some = [scan for scan in SCANS if scan["scanner"] == "old"][:5]
    data = [level for scan in some for level in scan["input"]["inputs"][0]["data"]]
    one_by_one = [outputs(server.infer(scan["input"]))["digit"]["data"][0] for scan in some]
    assert outputs(server.infer(changed(shape=[5, 64], data=data)))["digit"]["data"] == one_by_one


def test_only_the_outputs_that_were_asked_for_are_given(server: ModelServer) -> None:
    assert list(outputs(server.infer(OLD["input"], outputs=[{"name": "probability"}]))) == ["probability"]


def test_a_body_in_chunks_without_a_length_is_read(server: ModelServer) -> None:
    """What a gateway sends that merged something into the body."""
    body = json.dumps(OLD["input"]).encode()
    answer = server.client.post(
        "/v2/models/digits/infer", content=iter([body[:99], body[99:]]), headers={"content-type": "application/json"}
    )
    assert outputs(answer)["digit"]["data"] == [OLD["expected"]["digit"]]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "inputs: Field required"),
        ({"inputs": []}, "input 'image' is missing"),
        ({"inputs": [*OLD["input"]["inputs"], *OLD["input"]["inputs"]]}, "input 'image' stands twice"),
        (changed(name="picture"), "input 'picture' is unknown; this model takes image, temperature, top_k"),
        (changed(datatype="INT64"), "datatype INT64; this model takes FP32"),
        (changed(datatype="FLOAT"), "datatype FLOAT; this model takes FP32"),
        (changed(shape=[64]), "shape [64]; this model takes [-1, 64]"),
        (changed(shape=[1, 63]), "shape [1, 63]"),
        (changed(shape=[-1, 64]), "shape [-1, 64]"),
        (changed(data=[1, 2, 3]), "is not 64 values of FP32"),
        (changed(data=["dark"] * 64), "is not 64 values of FP32"),
        (changed(data=[None] * 64), "holds a value that is no number"),
        ({**OLD["input"], "parameters": {"top_n": 3}}, "parameter 'top_n' is unknown"),
        ({**OLD["input"], "parameters": {"top_k": 1.5}}, "parameter 'top_k' is 1.5; this model takes a value of INT64"),
        ({**OLD["input"], "parameters": {"top_k": True}}, "parameter 'top_k' is True"),
        ({**OLD["input"], "parameters": {"top_k": 2**70}}, "parameter 'top_k'"),
        ({**OLD["input"], "parameters": {"temperature": "hot"}}, "parameter 'temperature' is 'hot'"),
        ({**OLD["input"], "outputs": [{"name": "letter"}]}, "output 'letter' is unknown"),
    ],
)
def test_a_malformed_request_is_the_callers_fault(server: ModelServer, body: dict[str, Any], says: str) -> None:
    answer = server.infer(body)
    assert answer.status_code == 400, answer.text
    assert says in answer.json()["error"]


def test_a_body_that_is_no_json_is_the_callers_fault(server: ModelServer) -> None:
    answer = server.client.post(
        "/v2/models/digits/infer", content=b'{"inputs": [', headers={"content-type": "application/json"}
    )
    assert answer.status_code == 400
    assert "not a request of the Open Inference Protocol" in answer.json()["error"]


def test_another_models_name_is_not_found(server: ModelServer) -> None:
    assert server.client.post("/v2/models/letters/infer", json=OLD["input"]).status_code == 404


@pytest.mark.parametrize("parameters", [{"top_k": 11}, {"temperature": 0.0}])
def test_a_setting_that_the_model_cannot_take_is_the_releases_fault(
    server: ModelServer, parameters: dict[str, float]
) -> None:
    answer = server.infer(OLD["input"], parameters=parameters)
    assert answer.status_code == 500, answer.text


def test_what_the_engine_cannot_compute_is_its_own_fault_and_is_logged(digits_server: Serve) -> None:
    bad = digits_server("2.1.0")
    answer = bad.infer(NEW["input"])
    assert answer.status_code == 500
    assert "indices element out of data bounds" in answer.json()["error"]
    assert "indices element out of data bounds" in bad.log.read_text()
    assert outputs(bad.infer(OLD["input"]))["digit"]["data"] == [OLD["expected"]["digit"]]


def test_a_file_that_is_no_model_ends_the_server_with_a_reason(
    start_server: Callable[[Path, str], ModelServer], tmp_path: Path
) -> None:
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(pytest.fail.Exception, match=r"model\.onnx failed"):
        start_server(tmp_path / "model.onnx", "1.0.0")
