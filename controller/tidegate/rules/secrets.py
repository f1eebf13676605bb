"""What a secret looks like: the shapes that providers give their keys, and names under which passwords are kept.

Pure. Neighbours: checks/safety/ tells what is found here, and never prints it: `masked` says what may be shown.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of secret. `hint`: text that stands in every one of them, so that most files need no second look."""

    name: str
    hint: str
    form: str

    @property
    def pattern(self) -> re.Pattern[str]:
        """The form as a word of its own. Compiled when it is needed: most runs need none of them."""
        return re.compile(rf"(?<![A-Za-z0-9_-]){self.form}(?![A-Za-z0-9])")


SHAPES: Final = (
    Shape("an AWS access key", "AKIA", r"AKIA[0-9A-Z]{16}"),
    Shape("an AWS session key", "ASIA", r"ASIA[0-9A-Z]{16}"),
    Shape("an Anthropic key", "sk-ant-", r"sk-ant-[A-Za-z0-9_-]{20,}"),
    Shape("an OpenAI key", "sk-", r"sk-(?:proj-|svcacct-|admin-|None-)?[A-Za-z0-9_-]{32,}"),
    *(Shape("a GitHub token", f"gh{kind}_", rf"gh{kind}_[A-Za-z0-9]{{36,}}") for kind in "pousr"),
    Shape("a GitHub token", "github_pat_", r"github_pat_[A-Za-z0-9_]{40,}"),
    *(Shape("a GitLab token", f"gl{kind}-", rf"gl{kind}-[A-Za-z0-9_-]{{20,}}") for kind in ("pat", "rt", "dt", "cbt")),
    Shape("a Hugging Face token", "hf_", r"hf_[A-Za-z0-9]{30,}"),
    Shape("a Google API key", "AIza", r"AIza[A-Za-z0-9_-]{35}"),
    Shape("a Google OAuth secret", "GOCSPX-", r"GOCSPX-[A-Za-z0-9_-]{20,}"),
    Shape("a Slack token", "xox", r"xox[abeoprs]-[A-Za-z0-9-]{10,}"),
    Shape(
        "a Slack webhook", "hooks.slack.com/", r"https://hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/_-]{20,}"
    ),
    Shape(
        "a Discord webhook", "/api/webhooks/", r"https://(?:\w+\.)?discord(?:app)?\.com/api/webhooks/[0-9]+/[\w-]{20,}"
    ),
    Shape("a Stripe key", "k_live_", r"[rs]k_live_[A-Za-z0-9]{20,}"),
    Shape("an npm token", "npm_", r"npm_[A-Za-z0-9]{36}"),
    Shape("a PyPI token", "pypi-", r"pypi-AgE[A-Za-z0-9_-]{50,}"),
    Shape("a Databricks token", "dapi", r"dapi[0-9a-f]{32}(?:-[0-9])?"),
    Shape("a Weights & Biases key", "wandb_", r"wandb_v[0-9]+_[A-Za-z0-9_]{30,}"),
    Shape("a Groq key", "gsk_", r"gsk_[A-Za-z0-9]{40,}"),
    Shape("a Replicate token", "r8_", r"r8_[A-Za-z0-9]{35,}"),
    Shape("an xAI key", "xai-", r"xai-[A-Za-z0-9]{60,}"),
    Shape("a Vault token", "hvs.", r"hvs\.[A-Za-z0-9_-]{24,}"),
    Shape("a JSON Web Token", "eyJ", r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    Shape("a private key", "PRIVATE KEY-----", r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
    Shape("an Azure storage key", "AccountKey=", r"AccountKey=[A-Za-z0-9+/]{80,}={0,2}"),
    Shape("a signed address", "X-Amz-Signature=", r"(?<=[?&])X-Amz-Signature=[0-9a-f]{64}"),
    Shape("a signed address", "X-Goog-Signature=", r"(?<=[?&])X-Goog-Signature=[0-9a-f]{64,}"),
    Shape("a signed address", "sig=", r"(?<=[?&])sig=[A-Za-z0-9%/+_-]{30,}"),
)
"""By what the providers' own documents and scanners say of the form of their keys."""

_PASSWORD = frozenset({"password", "passwd", "pwd", "passphrase"})
_ENDS = frozenset({"secret", "token", "credential", "credentials", "apikey", "accesskey", "secretkey", "privatekey"})
_KEYS = frozenset({"api", "access", "secret", "private", "auth", "signing", "encryption", "account", "master"})
_TEXT_TOKENS = frozenset({
    "eos", "bos", "pad", "stop", "mask", "unk", "sep", "cls", "special", "image", "start", "end", "think", "tool", "text",
    "next", "first", "last", "prompt", "per",
})  # fmt: skip
"""What stands before 'token' where a piece of text is meant, and no secret."""
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")
_PLACEHOLDER = re.compile(
    r"\$\{|\$\(|^\$[A-Za-z_]|^<.*>$|\{\{|^[*x.]+$|example|changeme|change-me|placeholder|dummy|your[-_]", re.I
)
_ELSEWHERE = re.compile(r"^(/|\./|file:|env:|vault:|aws-?sm:|gcp-?sm:|arn:|secret://|op://|sops:|ENC\[)", re.I)
ENTROPY: Final = 3.0
"""Bits a character. English words have less than that over 16 characters or so, random letters and digits more."""


def shaped(text: str) -> tuple[str, str] | None:
    """What kind of secret stands in a text, and how it looks masked; None when there is none."""
    for shape in SHAPES:
        found = shape.pattern.search(text) if shape.hint in text else None
        if found is not None and not _PLACEHOLDER.search(found[0]):
            return shape.name, masked(found[0])
    return None


def carries(uri: str) -> str | None:
    """Whose password stands in a uri (`user:password@host`): the uri without it, or None."""
    if "@" not in uri or "://" not in uri:
        return None
    try:
        parts = urlsplit(uri)
        password, user = parts.password, parts.username
    except ValueError:
        return None
    if not password or _PLACEHOLDER.search(password):
        return None
    return f"{parts.scheme}://{user or ''}:***@{parts.hostname or ''}"


def named(name: str) -> bool:
    """Whether a secret is kept under this name: `DB_PASSWORD`, `apiKey`, `HF_TOKEN`; not `MAX_TOKENS` or `eos_token`."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words:
        return False
    before = words[-2] if len(words) > 1 else ""
    if words[-1] == "token":
        return before not in _TEXT_TOKENS
    return words[-1] in _PASSWORD or words[-1] in _ENDS or (words[-1] == "key" and before in _KEYS)


def likely(name: str, value: str) -> bool:
    """Whether a value under such a name is the secret itself, and neither a placeholder nor where to find it."""
    text = value.strip()
    if not text or _PLACEHOLDER.search(text) or _ELSEWHERE.search(text):
        return False
    words = [word.lower() for word in _WORDS.findall(name)]
    if words and words[-1] in _PASSWORD:
        return True
    if len(text) < 12 or any(character.isspace() for character in text):
        return False
    kinds = sum(any(test(character) for character in text) for test in (str.islower, str.isupper, str.isdigit))
    return kinds >= 2 and entropy(text) >= ENTROPY


def entropy(text: str) -> float:
    """Shannon's: bits a character, by how often each one stands in the text."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())


def masked(text: str) -> str:
    """What of a secret may be printed: enough to find it, too little to use it."""
    shown = 4 if len(text) >= 16 else 0
    return f"{text[:shown]}... ({len(text)} characters)"
