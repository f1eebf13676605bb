"""Addresses on a network: which of them travel unprotected. Neighbours: checks/safety/."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

_PLAIN = frozenset({"http", "git", "ftp", "ws"})


def is_plain(address: str) -> bool:
    """Whether it goes over a network without protection; an address of the same machine does not."""
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        return False
    return parts.scheme.lower() in _PLAIN and bool(host) and not is_loopback(host or "")


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
