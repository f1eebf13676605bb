"""All kinds of references, and how each is judged. A kind is added by its function and a row here.

Neighbours: verdict.py says what a kind is, infer.py guesses it, cli/pin.py and checks/pins/ ask.
"""

from __future__ import annotations

import re
from typing import Final

from tidegate.rules.pins.anthropic import anthropic
from tidegate.rules.pins.bedrock import bedrock
from tidegate.rules.pins.commits import git, hf, http, weights
from tidegate.rules.pins.dated import cohere, deepseek, mistral, xai
from tidegate.rules.pins.digests import PLACEHOLDER
from tidegate.rules.pins.gemini import gemini
from tidegate.rules.pins.images import oci_image, ollama
from tidegate.rules.pins.openai import azure_openai, openai
from tidegate.rules.pins.registries import bentoml, mlflow, mlflow_prompt, sagemaker, triton, vertex_model
from tidegate.rules.pins.stores import dvc, gcs, lakefs, s3
from tidegate.rules.pins.verdict import Fixed, Floats, Kind, Pin

LONGEST: Final = 4096
"""Characters; no reference of any kind is longer."""
_SNAPSHOT = "write the snapshot that answers now: the model id in its response, or in the provider's list of models"
_FROM_GIT = "write the full commit, as 'git rev-parse' or 'git ls-remote' prints it"
_OWN = "write the file's own place and its sha256 beside it"

KINDS: Final[dict[str, Kind]] = {
    kind.name: kind
    for kind in (
        Kind("oci-image", "container images and OCI artifacts", "NAME@sha256:<64 hex>",
             "write NAME@sha256:<digest>, as the registry or 'docker buildx imagetools inspect' tells it", oci_image),
        Kind("weights-digest", "digests of weights", "sha256:<64 hex>", "write sha256: and what 'sha256sum' prints",
             weights),
        Kind("hf", "repositories on the Hugging Face hub", "ORGANISATION/NAME@<40 hex>",
             "write ORGANISATION/NAME@ and the full commit, as the hub's list of commits shows it", hf),
        Kind("git", "commits", "<40 hex>", _FROM_GIT, git),
        Kind("mlflow", "models in an MLflow registry", "models:/NAME/<number>",
             "write models:/NAME/<number>, the version that the alias points at now, and the artifact's sha256 beside it",
             mlflow),
        Kind("mlflow-prompt", "prompts in an MLflow registry", "none",
             "write the prompt into configs/NAME.yaml: git is its history", mlflow_prompt),
        Kind("openai", "models of OpenAI", "<id>-YYYY-MM-DD", _SNAPSHOT, openai),
        Kind("azure-openai", "deployments of Azure OpenAI", "model=M;version=YYYY-MM-DD;upgrade=NoAutoUpgrade",
             "write model=<model>;version=<YYYY-MM-DD>;upgrade=NoAutoUpgrade, and set the deployment to it", azure_openai),
        Kind("anthropic", "models of Anthropic", "claude-...-YYYYMMDD, or claude-<name>-<major>-<minor> from 4.6 on",
             _SNAPSHOT, anthropic),
        Kind("gemini", "Gemini models", "<id>-001, or a plain stable name from 2.5 on",
             "write a numbered id (-001) or the plain stable name of a generation from 2.5 on", gemini),
        Kind("bedrock", "models on Amazon Bedrock", "vendor.model-vN:M",
             "write the model's own id with its version, such as vendor.model-v1:0", bedrock),
        Kind("mistral", "models of Mistral", "<id>-YYMM", _SNAPSHOT, mistral),
        Kind("cohere", "models of Cohere", "<id>-MM-20YY", _SNAPSHOT, cohere),
        Kind("xai", "models of xAI", "grok-...-MMDD", _SNAPSHOT, xai),
        Kind("deepseek", "models of DeepSeek", "deepseek-...-MMDD", _SNAPSHOT, deepseek),
        Kind("ollama", "models in an Ollama library", "NAME@sha256:<64 hex>",
             "write NAME@sha256:<digest of the manifest>, as the library's API tells it", ollama),
        Kind("s3", "objects in S3", "s3://BUCKET/KEY?versionId=<id>",
             "switch the bucket's versioning on and write ?versionId=, as 'aws s3api head-object' prints it", s3),
        Kind("gcs", "objects in Google Cloud Storage", "gs://BUCKET/OBJECT#<generation>",
             "write #<generation>, as 'gcloud storage objects describe' prints it", gcs),
        Kind("dvc", "files under DVC", "dvc+https://REPOSITORY@<40 hex>:PATH", _FROM_GIT, dvc),
        Kind("lakefs", "objects in lakeFS", "lakefs://REPOSITORY/<64 hex>/PATH",
             "write the commit's full id, as 'lakectl log' prints it, in place of the branch or tag", lakefs),
        Kind("sagemaker", "model packages in SageMaker", "model-package/GROUP/<number>",
             "write the ARN of one numbered model package, and the artifact's sha256 beside it", sagemaker),
        Kind("vertex-model", "models in the Vertex AI registry", "models/ID@<number>",
             "write @<version id> behind the model, and the artifact's sha256 beside it", vertex_model),
        Kind("bentoml", "bentos and models of BentoML", "NAME:<16 of a-z0-9>",
             "write the version that 'bentoml list' shows, and the artifact's sha256 beside it", bentoml),
        Kind("triton", "folders of a Triton model repository", "none", _OWN, triton),
        Kind("http", "files on web servers", "https://...#sha256=<64 hex>",
             "append #sha256= and what 'sha256sum' prints for the file", http),
    )
}  # fmt: skip

_VARIABLE = re.compile(r"\$\{|\$\(|\$[A-Za-z_]|\{\{|\}\}")
_BLANK = re.compile(r"<[^<>]{0,200}>")


def judge(kind: str, ref: str) -> Pin:
    """Whether `ref` alone selects one fixed thing. Never raises for what stands in it; KeyError for an unknown kind."""
    found = KINDS[kind]
    outcome = _general(ref) or found.judge(ref)
    if isinstance(outcome, Fixed):
        return Pin(ref, kind, True, outcome.level, outcome.why, "", outcome.warning)
    why = "a placeholder stands where a name belongs" if PLACEHOLDER.fullmatch(ref) else outcome.why
    return Pin(ref, kind, False, None, why, outcome.fix or found.fix)


def floats(kind: str, ref: str) -> str | None:
    """Why `ref` floats, or None when it is pinned."""
    pin = judge(kind, ref)
    return None if pin.pinned else pin.why


def unfinished(ref: str) -> str | None:
    """Why this reference is not written to its end: a variable or a placeholder; None when it is."""
    if "$" not in ref and "{" not in ref and "}" not in ref and "<" not in ref:
        return None  # nearly all, told without a regular expression
    if _VARIABLE.search(ref):
        return "a variable in it is not filled in"
    if _BLANK.search(ref):
        return "a placeholder in it is not filled in"
    return None


def _general(ref: str) -> Floats | None:
    """What no reference of any kind may have."""
    if not ref:
        return Floats("it is empty")
    if len(ref) > LONGEST:
        return Floats(f"it is longer than {LONGEST} characters")
    why = unfinished(ref)
    if why is not None:
        return Floats(why)
    if " " in ref or not ref.isprintable():
        return Floats("a blank or an invisible character stands in it")
    return None
