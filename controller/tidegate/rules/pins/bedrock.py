"""Kind bedrock: versioned model ids, with or without a region, and ARNs that end in a version. Routers choose anew.

Neighbours: anthropic.py judges dateless ids; dates.py the dates within ids.
"""

from __future__ import annotations

import re

from tidegate.rules.pins import dates
from tidegate.rules.pins.anthropic import anthropic
from tidegate.rules.pins.families import moving
from tidegate.rules.pins.verdict import Fixed, Floats, Outcome

_REGION = re.compile(r"(?:[a-z]{2}(?:-gov)?|apac|amer|emea|global)\.", re.ASCII)
_MODEL = re.compile(r"([a-z][a-z0-9]{2,})\.([a-z0-9]+(?:[.-][a-z0-9]+)*)(?::(0|[1-9][0-9]?))?", re.ASCII)
_VERSIONED = re.compile(r"(.+)-v[1-9][0-9]?|(.+)-v0:[1-9][0-9]?", re.ASCII)
_ARN = re.compile(r"arn:aws(?:-[a-z]+)*:bedrock:([a-z]{2}(?:-[a-z]+)+-[0-9]+):([0-9]{12})?:([a-z-]+)/(.+)", re.ASCII)
_PROMPT = re.compile(r"[A-Za-z0-9]{10}(?::([A-Za-z0-9]+))?", re.ASCII)
_NUMBER = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)
_REGION_FLOATS = "the region that runs it is chosen anew for each request"
_RESOURCES = {
    "default-prompt-router": "a router picks the model for each request",
    "prompt-router": "a router picks the model for each request",
    "provisioned-model": "provisioned throughput can be pointed at another model",
    "application-inference-profile": "a profile of your own does not say which model it has",
    "custom-model": "it does not say which base and which weights it has",
    "imported-model": "it does not say which weights it has",
    "agent-alias": "an alias can be moved",
}


def bedrock(ref: str) -> Outcome:
    """`(region.)?vendor.model-vN(:M)?`, anthropic's dateless ids from 4.6 on, a prompt's ARN with `:N`."""
    return _arn(ref) if ref.startswith("arn:") else _model(ref)


def _arn(ref: str) -> Outcome:
    found = _ARN.fullmatch(ref)
    if found is None:
        return Floats("it is no ARN of Amazon Bedrock")
    _, account, kind, name = found.groups()
    if kind == "foundation-model" and not _REGION.match(name):
        return _model(name)
    if kind == "inference-profile" and account and _REGION.match(name):
        return _model(name)
    if kind == "prompt" and account:
        version = _PROMPT.fullmatch(name)
        if version is None:
            return Floats("it is no ARN of a prompt")
        if version[1] is None or not _NUMBER.fullmatch(version[1]):
            return Floats("a prompt without a version number is its draft, which is edited in place")
        return Fixed("contract", "a numbered version of a prompt")
    return Floats(_RESOURCES.get(kind, "it does not say which model it has"))


def _model(ref: str) -> Outcome:
    region = _REGION.match(ref)
    model = ref[region.end() :] if region is not None and _MODEL.fullmatch(ref[region.end() :]) else ref
    found = _MODEL.fullmatch(model)
    if found is None:
        return Floats("it is not '(region.)vendor.model-vN(:M)'")
    vendor, name, minor = found.groups()
    why = moving(name) or _impossible(vendor, name)
    if why is not None:
        return Floats(why)
    warning = _REGION_FLOATS if model != ref else None
    if _VERSIONED.fullmatch(f"{name}:{minor}" if name.endswith("-v0") else name):
        return Fixed("contract", "a versioned model id", warning)
    if vendor == "anthropic" and found[3] is None and not re.search(r"[0-9]{8}$", name, re.ASCII):
        judged = anthropic(name)
        return judged if isinstance(judged, Floats) else Fixed("contract", judged.why, warning)
    return Floats("without a version such as -v1:0 the id is an alias")


def _impossible(vendor: str, name: str) -> str | None:
    for word in name.split("-"):
        if re.fullmatch(r"[0-9]{8}", word, re.ASCII) and (why := dates.compact(word)):
            return why
        if vendor == "mistral" and re.fullmatch(r"[0-9]{4}", word, re.ASCII) and (why := dates.year_month(word, 2023)):
            return why
    return None
