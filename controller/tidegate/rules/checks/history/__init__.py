"""Rules about what was merged. Each needs a base; each says on its page how a revert is told from a change."""

from __future__ import annotations

from tidegate.rules.history import History


def cut_off(history: History) -> str:
    """What to add to a fix where a revert could not be recognised, since the clone does not reach back to it."""
    return "; or, for a revert, fetch the history that shows it (fetch-depth: 0)" if history.shallow else ""


def next_version(number: str, *edits: tuple[str, str]) -> str:
    """For the examples: the digits 2.0.0 of the example repository under another number, and edited."""
    text = _VERSION.replace("NUMBER", number)
    for old, new in edits:
        text = text.replace(old, new)
    return text


_VERSION = """\
# yaml-language-server: $schema=../../../schemas/model-version.json
api: tidegate/v1
kind: ModelVersion
model: digits
version: "NUMBER"
reason: Retrained with September scans.
artifact:
  uri: s3://models/digits/NUMBER/model.onnx
  sha256: "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"
  format: onnx
  size: 31245
signature:
  inputs: [{name: image, datatype: FP32, shape: [-1, 64]}]
  outputs: [{name: label, datatype: INT64, shape: [-1]}]
preprocessing:
  commit: "6cb5bdfd0bf15f484881fb9f1ab6d7c840fddde9"
  entrypoint: digits.prepare:main
training:
  data: {uri: "s3://data/digits/2026-09", digest: "sha256:fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9"}
  hyperparameters: {learning_rate: 0.001, epochs: 20}
  environment: {python: "3.11.7", packages: {scikit-learn: "1.6.0"}}
runtime:
  image: registry.example.com/serve@sha256:5a5d014aa774f78ebe1340c0d4afc2e35afc12a2c3b34c84e71f78ea20af4ba3
  command: [serve, "${TIDEGATE_ARTIFACT}", --port, "${TIDEGATE_PORT}"]
  env: {THREADS: "1"}
  startup_timeout: 60s
  resources: {cpus: 1, memory: 512Mi}
code:
  repository: https://git.example.com/vision/digits.git
  commit: "6cb5bdfd0bf15f484881fb9f1ab6d7c840fddde9"
evaluation:
  set_sha256: "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
  examples: 597
  metrics: {accuracy: 0.973, latency_p95_ms: 4.1}
  slices:
    writer_group:
      a: {accuracy: 0.97}
      b: {accuracy: 0.96}
"""
