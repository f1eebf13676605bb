"""A configuration repository of any size, as a team would have one: models of nine versions, policies, governance.

Neighbour: run.py. Every digest differs from every other, so that no tool is helped by files that are the same.
"""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

PER_MODEL = 12
"""Files of a full model: model.yaml, deployment.yaml, one config and nine versions."""

_LINE = "# yaml-language-server: $schema={up}schemas/{kind}.json\napi: tidegate/v1\n"
_GOVERNANCE = "kind: Governance\nend_of_life_notice_days: 90\n"
_POLICY = """\
kind: RolloutPolicy
name: progressive
steps:
  - {name: insiders, segments: [internal], for: 30m}
  - {name: canary, weight: 5%, for: 30m, min_requests: 500}
  - {name: half, weight: 50%, for: 30m, approve: manual}
  - {name: full, weight: 100%, for: 1h}
guardrails:
  - {metric: error_rate, max_ratio: 2.0, margin: 4.0}
  - {metric: error_rate, max: 0.20, min_requests: 50, immediate: true}
  - {metric: latency_p95_ms, max_ratio: 1.2}
budget: {for: 6h, requests: 20000, then: hold}
confidence: 0.99
no_data: {action: hold, for: 30m, then: rollback}
standby: 72h
"""
_MODEL = """\
kind: Model
name: NAME
summary: Ranks what a visitor is shown next, from what was looked at before.
owners: [ranking-team]
protocol: open-inference
features: [checkout, archive]
segments:
  internal: {header: x-user-group, values: [internal, beta]}
  eu: {header: x-geo, prefix: eu-}
sticky: {header: x-user-id}
acceptance:
  evaluation_set: {uri: "s3://sets/NAME/holdout.jsonl", sha256: "SET", examples: 597, min_examples: 300}
  metrics: {accuracy: {min: 0.95}, latency_p95_ms: {max: 50}}
  regression: {accuracy: {max_drop: 0.01}}
  fairness: [{metric: accuracy, across: writer_group, max_gap: 0.05}]
card:
  intended_use: Ordering a list of articles for one visitor.
  limitations: [New visitors get the general order.]
  out_of_scope: [Prices, Credit]
  ethics: Reviewed twice a year by the ranking team.
  licence: Apache-2.0
lifecycle: {state: production}
"""
_DEPLOYMENT = """\
kind: Deployment
model: NAME
version: "NEWEST"
config: default
policy: progressive
replicas: 2
reason: The latest training run is in and met its contract.
features:
  archive: {version: "OLDEST"}
"""
_CONFIG = """\
kind: InferenceConfig
model: NAME
name: default
parameters: {temperature: 0.2, top_k: 40, seed: 7}
client_override: reject
reason: What the evaluation was run with.
evaluation:
  set_sha256: "SET"
  examples: 597
  ran_at: "2026-09-01T10:00:00Z"
  metrics: {accuracy: 0.972, latency_p95_ms: 4.1}
  slices: {writer_group: {a: {accuracy: 0.97}, b: {accuracy: 0.96}}}
"""
_VERSION = """\
kind: ModelVersion
model: NAME
version: "VERSION"
reason: Retrained with the newest scans; closes the gap on writer group B.
artifact:
  uri: "s3://models/NAME/VERSION/model.onnx?versionId=ETAG"
  sha256: "WEIGHTS"
  format: onnx
  size: 31245
runtime:
  image: registry.example.com/ranking/serve@sha256:IMAGE
  command: [serve, "${TIDEGATE_ARTIFACT}", --port, "${TIDEGATE_PORT}"]
  env:
    THREADS: "1"
    LOG_LEVEL: info
  port: 8080
  ready: /v2/health/ready
  startup_timeout: 60s
  resources: {cpus: 1, memory: 512Mi, gpus: 0}
code:
  repository: https://git.example.com/ranking/NAME.git
  commit: "COMMIT"
training:
  data:
    uri: s3://data/NAME/2026-08
    digest: "sha256:DATA"
    snapshot: "2026-08-31"
  hyperparameters:
    learning_rate: 0.001
    epochs: 20
    depth: 6
  environment:
    python: "3.11.7"
    packages:
      scikit-learn: "1.6.0"
      numpy: "2.1.3"
      onnx: "1.17.0"
  trained_at: "2026-09-01T08:00:00Z"
preprocessing:
  commit: "COMMIT"
  entrypoint: ranking.prepare:main
signature:
  inputs:
    - {name: image, datatype: FP32, shape: [-1, 64]}
  outputs:
    - {name: label, datatype: INT64, shape: [-1]}
evaluation:
  set_sha256: "SET"
  examples: 597
  ran_at: "2026-09-01T10:00:00Z"
  metrics:
    accuracy: 0.972
    latency_p95_ms: 4.1
  slices:
    writer_group:
      a: {accuracy: 0.97}
      b: {accuracy: 0.96}
requires:
  - {name: feature-store, version: ">=2.3,<3"}
"""


def files(count: int) -> dict[str, str]:
    """`count` files by path: the policy and the governance first, then model after model."""
    made = {
        "policies/progressive.yaml": _LINE.format(up="../", kind="rollout-policy") + _POLICY,
        "policies/governance.yaml": _LINE.format(up="../", kind="governance") + _GOVERNANCE,
    }
    if count < len(made) + 4:
        return {"policies/progressive.yaml": made["policies/progressive.yaml"].replace("insiders, segments: [internal]",
                                                                                       "first, weight: 1%")}  # fmt: skip
    number = 0
    while len(made) < count:
        made |= _model(f"model-{number:04d}", min(count - len(made), PER_MODEL) - 3)
        number += 1
    return made


def _model(name: str, versions: int) -> dict[str, str]:
    """One model's files; at least one version."""
    numbers = [f"1.{minor}.0" for minor in range(max(versions, 1))]
    made = {
        f"models/{name}/model.yaml": _LINE.format(up="../../", kind="model") + _MODEL,
        f"models/{name}/deployment.yaml": _LINE.format(up="../../", kind="deployment") + _DEPLOYMENT,
        f"models/{name}/configs/default.yaml": _LINE.format(up="../../../", kind="inference-config") + _CONFIG,
    }
    for number in numbers:
        path = f"models/{name}/versions/{number}.yaml"
        made[path] = _LINE.format(up="../../../", kind="model-version") + _VERSION.replace("VERSION", number)
    for path, text in made.items():
        text = text.replace("NEWEST", numbers[-1]).replace("OLDEST", numbers[0]).replace("SET", _hex(name + "set"))
        for word in ("WEIGHTS", "IMAGE", "DATA"):
            text = text.replace(word, _hex(path + word))
        text = text.replace("COMMIT", _hex(path + "commit")[:40]).replace("ETAG", _hex(path)[:32])
        made[path] = text.replace("NAME", name)
    return made


def _hex(word: str) -> str:
    return hashlib.sha256(word.encode()).hexdigest()


def write(folder: Path, made: dict[str, str]) -> None:
    """Put the files there, and a git repository around them with all of them committed."""
    for path, text in made.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=Everything")


def git(folder: Path, *words: str) -> str:
    """Run git there as nobody in particular; its output."""
    settings = ("-c", "user.name=Benchmark", "-c", "user.email=benchmark@example.com", "-c", "commit.gpgSign=false")
    return subprocess.run(
        ["git", "-C", str(folder), *settings, *words], check=True, capture_output=True, text=True
    ).stdout
