"""MLServer, `mlflow models serve` and KServe's ModelServer, unmodified: deployed, a canary, a `git revert`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.others import artifact, run, servers_python
from support.traffic import Traffic
from support.world import World

HERE = Path(__file__).parent
TRAIN = """
import sys, tarfile, joblib, numpy
from sklearn.linear_model import LogisticRegression
for folder, limit in zip(sys.argv[2::2], sys.argv[3::2]):
    x = numpy.arange(20.0).reshape(-1, 1)
    model = LogisticRegression(C=100).fit(x, (x[:, 0] > float(limit)).astype(int))
    joblib.dump(model, folder + "/model.joblib")
    if sys.argv[1] == "mlflow":
        import mlflow.sklearn
        mlflow.sklearn.save_model(model, folder + "/saved", serialization_format="cloudpickle")
        with tarfile.open(folder + "/model.tar", "w") as tar:
            tar.add(folder + "/saved", "saved")
"""
TENSOR = {"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP64", "data": [9]}]}
BODIES = {"mlserver": TENSOR, "kserve": TENSOR, "mlflow": {"inputs": [[9.0]]}}
PATHS = {"mlserver": "v2/models/numbers/infer", "kserve": "v2/models/numbers/infer", "mlflow": "invocations"}


def runtime(kind: str, version: str, serving_python: str) -> dict[str, Any]:
    """How each is started, by its own means alone."""
    bin_ = Path(servers_python()).parent
    if kind == "mlserver":
        env = {
            "MLSERVER_MODEL_NAME": "numbers", "MLSERVER_MODEL_VERSION": version,
            "MLSERVER_MODEL_IMPLEMENTATION": "mlserver_sklearn.SKLearnModel", "MLSERVER_MODEL_URI": "${TIDEGATE_ARTIFACT}",
            "MLSERVER_HOST": "127.0.0.1", "MLSERVER_HTTP_PORT": "${TIDEGATE_PORT}", "MLSERVER_GRPC_PORT": "0",
            "MLSERVER_METRICS_PORT": "0", "MLSERVER_PARALLEL_WORKERS": "0",
        }  # fmt: skip
        return {"command": [str(bin_ / "mlserver"), "start", "."], "env": env, "ready": "/v2/health/ready"}
    if kind == "kserve":
        words = ["--model", "${TIDEGATE_ARTIFACT}", "--version", version, "--http_port", "${TIDEGATE_PORT}"]
        command = [serving_python, str(HERE / "sklearn_kserve.py"), *words, "--enable_grpc", "false"]
        return {"command": command, "env": {}, "ready": "/v2/health/ready"}
    serve = 'mlflow models serve -m saved -h 127.0.0.1 -p "$TIDEGATE_PORT" --env-manager local'
    script = f'tar xf "$TIDEGATE_ARTIFACT" && exec {serve}'
    return {"command": ["sh", "-c", f'PATH="{bin_}:$PATH"; {script}'], "env": {}, "ready": "/ping"}


@pytest.mark.parametrize("kind", ["mlserver", "mlflow", "kserve"])
def test_a_server_of_others_is_deployed_canaried_and_taken_back(
    world: World, tmp_path: Path, serving_python: str, kind: str
) -> None:
    def version(name: str) -> None:
        file = tmp_path / name / ("model.tar" if kind == "mlflow" else "model.joblib")
        how = {"startup_timeout": "120s", **runtime(kind, name, serving_python)}
        world.version(name, "numbers", artifact=artifact(file), runtime=how)

    def ask() -> httpx.Response:
        url = f"http://127.0.0.1:{world.port}/numbers/{PATHS[kind]}"
        return httpx.post(url, json=BODIES[kind], timeout=20)

    def answer() -> Any:
        told = ask().json()
        return told["predictions"][0] if kind == "mlflow" else told["outputs"][0]["data"][0]

    limits = {"1.0.0": 5.0, "2.0.0": 15.0}
    for name in limits:
        (tmp_path / name).mkdir()
    run(TRAIN, kind, *(str(word) for name, limit in limits.items() for word in (tmp_path / name, limit)))
    world.policy(guardrails=[{"metric": "error_rate", "max": 0.1, "min_requests": 15, "immediate": True}])
    world.model("numbers", protocol="http" if kind == "mlflow" else "open-inference")
    more = {}
    if kind != "mlflow":
        world.config("default", "numbers", add=0)
        more = {"config": "default"}
    version("1.0.0")
    world.until("promoted", "numbers", commit=world.deploy("1.0.0", "numbers", **more), within=120)
    world.wait(lambda: ask().status_code == 200, "the first answer")
    assert answer() == 1, "9 is above 5"
    first = ask().headers["x-tidegate-release"]
    with Traffic(world.port, f"/numbers/{PATHS[kind]}", clients=2, pause=0.02, body=BODIES[kind]) as users:
        version("2.0.0")
        commit = world.deploy("2.0.0", "numbers", **more)
        world.until("promoted", "numbers", commit=commit, within=150)
        world.wait(lambda: answer() == 0, "the new release's answer")
        assert ask().headers["x-tidegate-release"] != first
        moment = time.time()
        world.revert(commit)
        world.until("fast_rollback", "numbers", since=moment)
        world.wait(lambda: ask().headers["x-tidegate-release"] == first, "the release of before")
        assert answer() == 1
        if kind == "kserve":
            world.config("default", "numbers", add=-8)
            world.until("promoted", "numbers", commit=world.commit("Ask for less"))
            world.wait(lambda: answer() == 0, "the parameter to reach the model")
    assert not users.failed(), users.failed()[:2]
