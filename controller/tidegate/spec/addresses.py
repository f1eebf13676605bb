"""Which addresses are below which: a secret for one address goes to what is below it, and nowhere else. Pure.

Neighbours: sources/access.py asks for guardrails' sources, providers.py for models behind an API.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

_PORTS: Final = {"http": 80, "https": 443}


def is_below(url: str, address: str) -> bool:
    """Whether a URL is of the same scheme, host and port, and its path not above. Raises ValueError for what is no URL.

    A path with `..` in it is below none: where it leads is the server's to say.
    """
    given, allowed = urlsplit(url), urlsplit(address)
    same = (given.scheme, given.hostname, _port(given)) == (allowed.scheme, allowed.hostname, _port(allowed))
    path = allowed.path.rstrip("/")
    plain = ".." not in unquote(given.path).split("/")
    return same and (not path or (plain and (given.path == path or given.path.startswith(f"{path}/"))))


def _port(parts: SplitResult) -> int | None:
    return parts.port if parts.port is not None else _PORTS.get(parts.scheme)
