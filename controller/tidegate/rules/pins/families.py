"""Whose model id is this: what the providers' ids begin with, and the words in them that say that they move.

Neighbours: the providers' modules refuse another's ids; infer.py guesses the kind by it.
"""

from __future__ import annotations

import re
from typing import Final

ID = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*", re.ASCII)
"""A provider's model id: lower-case words with dots and dashes between them."""

_FAMILIES: Final = (
    ("anthropic", re.compile(r"claude-")),
    ("gemini", re.compile(r"(?:models/)?(?:gemini-|text-embedding-00[0-9]|imagen-|veo-)", re.ASCII)),
    ("openai", re.compile(r"gpt-(?!oss)|chatgpt-|o[1-9](?:-|$)|text-embedding-(?:3-|ada-)|omni-|dall-e-|whisper-|ft:gpt-")),
    ("mistral", re.compile(r"(?:open-)?(?:mistral|mixtral|ministral|codestral|devstral|magistral|pixtral|voxtral)-")),
    ("cohere", re.compile(r"command(?:-|$)|c4ai-|rerank-|embed-(?:english|multilingual)-|embed-v")),
    ("xai", re.compile(r"grok-")),
    ("deepseek", re.compile(r"deepseek-")),
)  # fmt: skip
_MOVING: Final = {
    "latest": "'-latest' moves with every release",
    "nightly": "a nightly build changes every day",
    "preview": "a preview is replaced or withdrawn at short notice",
    "exp": "an experimental id is redirected to whatever follows it",
    "experimental": "an experimental id is redirected to whatever follows it",
    "beta": "a beta is replaced without notice",
    "default": "a default is moved by its keeper",
}


def owner(model: str) -> str | None:
    """The kind of the provider whose ids begin like this one, or None."""
    return next((kind for kind, pattern in _FAMILIES if pattern.match(model)), None)


def foreign(model: str, kind: str) -> str | None:
    """A reason when this is another provider's id."""
    found = owner(model)
    return None if found in (None, kind) else f"the id is one of {found}, not of {kind}"


def moving(model: str) -> str | None:
    """A reason when a word in the id says that it moves."""
    return next((_MOVING[word] for word in re.split(r"[-.@:]", model) if word in _MOVING), None)
