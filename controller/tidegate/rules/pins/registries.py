"""Kinds of model registries: mlflow, mlflow-prompt, sagemaker, vertex-model, bentoml, triton. A number, never an alias.

A registry's number is a promise about a row, not about bytes: an own artifact needs its digest beside it.
"""

from __future__ import annotations

import re

from tidegate.rules.pins.verdict import Fixed, Floats, Outcome

_NUMBER = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
_MLFLOW_NAME = re.compile(r"[^/:@?#]+")
_LOGGED_MODEL = re.compile(r"m-[0-9a-f]{32}", re.ASCII)
_SAGEMAKER = re.compile(
    r"(?:arn:aws(?:-[a-z]+)*:sagemaker:[a-z]{2}(?:-[a-z]+)+-[0-9]+:[0-9]{12}:)?"
    r"model-package/([a-zA-Z0-9](?:-*[a-zA-Z0-9]){0,62})/([^/:]+)",
    re.ASCII,
)
_VERTEX = re.compile(
    r"(?:projects/[a-z0-9][a-z0-9.:-]*/locations/[a-z0-9-]+/)?models/[a-zA-Z0-9][a-zA-Z0-9_-]*@([^@/]+)", re.ASCII
)
_BENTO = re.compile(r"([a-z0-9](?:[a-z0-9._-]*[a-z0-9])?):([^:/@]+)", re.ASCII)
_BENTO_VERSION = re.compile(r"[a-z0-9]{16}", re.ASCII)
_DIGEST_BESIDE = "the registry does not protect the bytes: write the artifact's sha256 beside it"


def mlflow(ref: str) -> Outcome:
    """`models:/name/<positive integer>` or `models:/m-<32 hex>`"""
    if ref.startswith("runs:"):
        return Floats("the artifacts of a run can be overwritten")
    if not ref.startswith("models:/"):
        return Floats("it does not begin with 'models:/'")
    name, slash, version = ref.removeprefix("models:/").partition("/")
    if not slash and _LOGGED_MODEL.fullmatch(name) and name.strip("m-0"):
        return Fixed("contract", "the id of a logged model", _DIGEST_BESIDE)
    if "@" in ref:
        return Floats("an alias can be moved, and leaves no trace of it")
    if not name or not _MLFLOW_NAME.fullmatch(name):
        return Floats("the name of a registered model is missing")
    if not slash or not version:
        return Floats("the version is missing")
    if not _NUMBER.fullmatch(version):
        return Floats(_no_version(version))
    return Fixed("contract", "a version number of the registry", _DIGEST_BESIDE)


def _no_version(version: str) -> str:
    if version.lower() == "latest":
        return f"'{version}' is whichever version was registered last"
    if re.fullmatch(r"-?[0-9]+", version, re.ASCII):
        return f"'{version}' is no version number: these count from 1, without zeros before them"
    return f"'{version}' is read as the name of a stage, which is moved from version to version"


def mlflow_prompt(_: str) -> Outcome:
    """Never: the settings that go with a prompt version can be changed."""
    return Floats("the model settings of a prompt can be changed under the same version, and an alias moves")


def sagemaker(ref: str) -> Outcome:
    """`model-package/<group>/<n>`, with or without the rest of its ARN"""
    found = _SAGEMAKER.fullmatch(ref)
    if found is None:
        return Floats(_other_resource(ref))
    if not _NUMBER.fullmatch(found[2]):
        return Floats(f"'{found[2]}' is no version number: these count from 1")
    return Fixed("contract", "a numbered model package", _DIGEST_BESIDE)


def _other_resource(ref: str) -> str:
    kind = ref.rpartition(":")[2].partition("/")[0]
    why = {
        "endpoint": "an endpoint's configuration can be swapped, and silently rolled back",
        "endpoint-config": "a configuration names models, it is none",
        "model-package-group": "a group grows: which of its packages is not said",
        "model-package": "the number of the package is missing",
        "model": "a model of that name can be deleted and made anew",
    }
    return why.get(kind, "it names no model package")


def vertex_model(ref: str) -> Outcome:
    """`models/<id>@<n>`, with or without project and location"""
    found = _VERTEX.fullmatch(ref)
    if found is None:
        return Floats("without '@<version>' the default alias decides" if "@" not in ref else "it names no model")
    if not _NUMBER.fullmatch(found[1]):
        return Floats(f"'{found[1]}' is an alias: it can be moved to another version")
    return Fixed("contract", "a version id of the registry", _DIGEST_BESIDE)


def bentoml(ref: str) -> Outcome:
    """`name:<16 of a-z0-9>`"""
    found = _BENTO.fullmatch(ref)
    if found is None:
        return Floats("without a version it is whatever 'latest' is at the time" if ":" not in ref else "it names none")
    if found[2] == "latest":
        return Floats("'latest' moves with every build")
    if not _BENTO_VERSION.fullmatch(found[2]) or not found[2].strip("0"):
        return Floats(f"'{found[2]}' is a tag of somebody's own, who may give it again")
    return Fixed("contract", "a generated version", _DIGEST_BESIDE)


def triton(_: str) -> Outcome:
    """Never: a model repository is a folder."""
    return Floats("a numbered directory can be overwritten, and the server may load another one by its version policy")
