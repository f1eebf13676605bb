"""Which kind a reference is, where its form says so. Where several would do, all of them: nobody should guess for you.

Neighbour: cli/pin.py; rules know the kind from the field that the reference stands in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tidegate.rules.pins.families import owner


@dataclass(frozen=True, slots=True)
class Guess:
    """The kinds that `ref` could be, and by what: one when it is clear, several when it is not, none when nothing fits."""

    kinds: tuple[str, ...]
    how: str


_BEGINNINGS = (
    ("oci://", "oci-image"), ("hf://", "hf"), ("models:/", "mlflow"), ("runs:/", "mlflow"),
    ("mlflow-artifacts:/", "mlflow"), ("prompts:/", "mlflow-prompt"), ("s3://", "s3"), ("gs://", "gcs"),
    ("dvc:", "dvc"), ("dvc+", "dvc"), ("lakefs://", "lakefs"), ("https://", "http"), ("http://", "http"),
    ("sha256:", "weights-digest"), ("sha512:", "weights-digest"), ("sha1:", "weights-digest"), ("md5:", "weights-digest"),
    ("refs/", "git"), ("datasets/", "hf"), ("ft:", "openai"), ("model-package/", "sagemaker"),
    ("model-package-group/", "sagemaker"),
)  # fmt: skip
_FORMS = (
    (re.compile(r"arn:aws[a-z-]*:bedrock:.*"), "bedrock", "an ARN of Amazon Bedrock"),
    (re.compile(r"arn:aws[a-z-]*:sagemaker:.*"), "sagemaker", "an ARN of SageMaker"),
    (re.compile(r"projects/[^/]+/locations/.*"), "vertex-model", "a resource name of Vertex AI"),
    (re.compile(r"(?:model|version|upgrade|deployment)=.*"), "azure-openai", "'key=value;...' of Azure OpenAI"),
    (re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}|HEAD(?:[~^].*)?"), "git", "a commit"),
    (re.compile(r"[A-Za-z0-9._-]+/versions/-?[0-9]+"), "triton", "a directory of a model repository"),
    (re.compile(r"models/[A-Za-z0-9][\w-]*@[^/@:]*", re.ASCII), "vertex-model", "'models/id@version' of Vertex AI"),
    (re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*@(?!sha256:).*", re.ASCII), "hf", "'organisation/name@revision'"),
    (re.compile(r".+@sha(?:256|512):.*"), "oci-image", "a name and the digest of its manifest"),
    (re.compile(r"(?:[^/]*[.:][^/]*|localhost)/.+"), "oci-image", "the host of a registry before the first '/'"),
    (re.compile(r"(?:[a-z]{2}(?:-gov)?\.|apac\.|global\.)?"
                r"(?:ai21|amazon|anthropic|cohere|deepseek|luma|meta|mistral|openai|qwen|stability|twelvelabs|writer)\.[a-z].*"),
     "bedrock", "'vendor.model' of Amazon Bedrock"),
)  # fmt: skip


def infer(ref: str) -> Guess:
    """The kinds that this reference could be, from its form alone."""
    for beginning, kind in _BEGINNINGS:
        if ref.startswith(beginning):
            return Guess((kind,), f"it begins with '{beginning}'")
    family = owner(ref)
    if family is not None and "/" not in ref.removeprefix("models/"):
        return Guess((family,), "its name begins as theirs do")
    for form, kind, how in _FORMS:
        if form.fullmatch(ref):
            return Guess((kind,), f"it looks like {how}")
    return _unclear(ref)


def _unclear(ref: str) -> Guess:
    if re.fullmatch(r"[0-9a-fA-F]{7,128}", ref):
        return Guess(("git", "ollama"), "it is a short or odd hash")
    name = r"[A-Za-z0-9][\w.-]*"
    if re.fullmatch(rf"{name}/{name}(?::{name})?", ref, re.ASCII):
        return Guess(("hf", "oci-image", "ollama"), "'organisation/name' is written the same in all of them")
    if re.fullmatch(rf"{name}:{name}", ref, re.ASCII):
        return Guess(("oci-image", "ollama", "bentoml"), "'name:tag' is written the same in all of them")
    return Guess((), "its form is that of no kind")
