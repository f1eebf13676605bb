"""The digits models are what their files say: bytes, figures, and the one fault that only production shows."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.model_server import ROOT, ModelServer
from tidegate.spec.model import Model
from tidegate.spec.version import ModelVersion

DIGITS = ROOT / "models/digits"
NUMBERS = ("1.0.0", "1.1.0", "2.0.0", "2.1.0")
MODEL = Model.model_validate(yaml.safe_load((DIGITS / "model.yaml").read_text()))
VERSIONS = {
    number: ModelVersion.model_validate(yaml.safe_load((DIGITS / f"versions/{number}.yaml").read_text()))
    for number in NUMBERS
}


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DIGITS / name).read_text().splitlines()]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read(server: ModelServer, scans: list[dict[str, Any]]) -> list[int]:
    """What the server takes each scan for, all in one request."""
    data = [level for scan in scans for level in scan["input"]["inputs"][0]["data"]]
    tensor = {"name": "image", "shape": [len(scans), 64], "datatype": "FP32", "data": data}
    answer = server.infer({"inputs": [tensor], "outputs": [{"name": "digit"}]})
    assert answer.status_code == 200, answer.text
    digits: list[int] = answer.json()["outputs"][0]["data"]
    return digits


def share(found: list[bool]) -> float:
    return round(sum(found) / len(found), 4)


@pytest.mark.parametrize("number", NUMBERS)
def test_the_artifact_is_the_one_that_the_version_names(number: str) -> None:
    artifact = VERSIONS[number].artifact
    assert artifact is not None
    assert artifact.uri == f"file:models/digits/artifacts/{number}/model.onnx"
    path = ROOT / artifact.uri.removeprefix("file:")
    assert (artifact.sha256, artifact.size) == (sha256(path), path.stat().st_size)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_version_was_judged_on_the_models_evaluation_set(number: str) -> None:
    declared, evaluation = MODEL.acceptance.evaluation_set, VERSIONS[number].evaluation
    assert declared is not None and evaluation is not None
    path = ROOT / declared.uri.removeprefix("file:")
    assert declared.sha256 == evaluation.set_sha256 == sha256(path)
    assert declared.examples == evaluation.examples == len(path.read_text().splitlines()) == 597


@pytest.mark.parametrize("number", NUMBERS)
def test_the_server_reads_as_many_scans_right_as_the_file_says(
    digits_server: Callable[[str], ModelServer], number: str
) -> None:
    evaluation = VERSIONS[number].evaluation
    assert evaluation is not None
    examples = lines("evaluation/scans.jsonl")
    groups: dict[str, list[bool]] = defaultdict(list)
    for example, digit in zip(examples, read(digits_server(number), examples), strict=True):
        groups[example["slices"]["stroke_weight"]].append(digit == example["expected"]["digit"])
    assert evaluation.metrics["accuracy"] == share([right for group in groups.values() for right in group])
    assert evaluation.slices["stroke_weight"] == {
        member: {"accuracy": share(found), "examples": len(found)} for member, found in groups.items()
    }


def test_each_version_meets_the_contract_and_none_reads_fewer_right_than_the_one_before() -> None:
    before = 0.0
    for number in NUMBERS:
        evaluation = VERSIONS[number].evaluation
        assert evaluation is not None
        for metric, bound in MODEL.acceptance.metrics.items():
            value = evaluation.metrics[metric]
            assert (bound.min is None or value >= bound.min) and (bound.max is None or value <= bound.max)
        accuracies = [figures["accuracy"] for figures in evaluation.slices["stroke_weight"].values()]
        assert max(accuracies) - min(accuracies) <= MODEL.acceptance.fairness[0].max_gap
        assert evaluation.metrics["accuracy"] > before
        before = evaluation.metrics["accuracy"]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_version_names_the_commit_that_holds_its_training_code(number: str) -> None:
    code, preprocessing = VERSIONS[number].code, VERSIONS[number].preprocessing
    assert code is not None and preprocessing is not None
    path, function = preprocessing.entrypoint.split(":")
    words = ["git", "show", f"{preprocessing.commit}:{path}"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert not done.returncode, f"{done.stderr} (a shallow clone lacks it: git fetch --unshallow)"
    assert f"def {function}(" in done.stdout
    assert code.commit == preprocessing.commit


def test_a_quarter_of_the_traffic_comes_from_new_scanners_and_shows_the_same_pages() -> None:
    known = {tuple(scan["input"]["inputs"][0]["data"]) for scan in lines("evaluation/scans.jsonl")}
    scanners: dict[str, list[tuple[int, ...]]] = {"old": [], "new": []}
    for scan in lines("traffic/scans.jsonl"):
        scanners[scan["scanner"]].append(tuple(scan["input"]["inputs"][0]["data"]))
    assert (len(scanners["old"]), len(scanners["new"])) == (300, 100)
    assert set(scanners["old"]) <= known
    rescaled = {tuple(round(level * 255 / 16) for level in page) for page in known}
    assert set(scanners["new"]) <= rescaled
    assert all(max(page) > 16 for page in scanners["new"])


@pytest.mark.parametrize("number", ["1.0.0", "1.1.0", "2.0.0"])
def test_good_versions_read_the_new_scanners_as_well_as_the_old(
    digits_server: Callable[[str], ModelServer], number: str
) -> None:
    traffic = lines("traffic/scans.jsonl")
    for scanner in ("old", "new"):
        scans = [scan for scan in traffic if scan["scanner"] == scanner]
        read_right = [
            digit == scan["expected"]["digit"]
            for digit, scan in zip(read(digits_server(number), scans), scans, strict=True)
        ]
        assert share(read_right) > 0.93


def test_the_best_version_of_the_evaluation_fails_on_every_scan_of_a_new_scanner(
    digits_server: Callable[[str], ModelServer],
) -> None:
    server = digits_server("2.1.0")
    statuses = defaultdict(set)
    for scan in lines("traffic/scans.jsonl")[:80]:
        statuses[scan["scanner"]].add(server.infer(scan["input"]).status_code)
    assert statuses == {"old": {200}, "new": {500}}


@pytest.fixture(scope="module")
def second_training(serving_python: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str]:
    """Exit code and output of the training over a copy in which a figure was typed by hand and an artifact swapped."""
    root = tmp_path_factory.mktemp("again")
    for name in ("artifacts", "evaluation", "traffic", "versions"):
        shutil.copytree(DIGITS / name, root / "models/digits" / name)
    file = root / "models/digits/versions/1.1.0.yaml"
    file.write_text(re.sub(r"\{accuracy: [0-9.]+, latency", "{accuracy: 0.9999, latency", file.read_text()))
    shutil.copy(DIGITS / "artifacts/2.0.0/model.onnx", root / "models/digits/artifacts/2.1.0/model.onnx")
    done = subprocess.run(
        [serving_python, str(DIGITS / "training/train.py"), "--out", str(root)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return done.returncode, done.stdout + done.stderr


def test_training_again_gives_the_same_bytes_and_figures_and_finds_what_was_tampered_with(
    second_training: tuple[int, str],
) -> None:
    code, output = second_training
    differences = [line.strip() for line in output.splitlines() if line.startswith("  ") and not line.startswith("  (")]
    accuracy = VERSIONS["1.1.0"].evaluation.metrics["accuracy"]  # type: ignore[union-attr]  # tested above
    assert len(differences) == 2, output
    assert differences[0] == f"models/digits/versions/1.1.0.yaml: evaluation.metrics.accuracy: 0.9999 -> {accuracy}"
    assert "artifacts/2.1.0/model.onnx: sha256" in differences[1]
    assert code == 1
