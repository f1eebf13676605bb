"""The user and password in a repository's URL: git gets them by its environment, and nobody by a list of processes.

Everybody on a host may read what programs were started with: git, and git-remote-https, which git starts with the URL. A
credential helper of ours answers git instead, for that host alone. Neighbours: remote.py, clone.py and anchors.py ask remotes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from tidegate.spec.errors import NeedsPerson

_PASSWORD: Final = "TIDEGATE_GIT_PASSWORD"  # noqa: S105 the variable's name
_HELPER: Final = f"""!f() {{ if [ "$1" = get ]; then printf 'password=%s\\n' "${_PASSWORD}"; fi; }}; f"""
"""For git's shell, whose own printf it is: the password is expanded inside of it, and is no argument of a program."""


@dataclass(frozen=True, slots=True)
class Access:
    """`url` without user and password, and the environment for git that has them; empty where there are none."""

    url: str
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


def access_to(url: str) -> Access:
    """How git reaches this URL or path. Raises NeedsPerson for a password that git cannot send."""
    scheme, found, rest = url.partition("://")
    whole, slash, path = rest.partition("/")
    credential, at, host = whole.rpartition("@")
    if not found or scheme.lower() not in ("http", "https") or not at:
        return Access(url)
    user, with_password, password = (unquote(part) for part in credential.partition(":"))
    clean = f"{scheme}://{host}{slash}{path}"
    if any(ord(character) < ord(" ") for character in user + password):
        raise NeedsPerson(
            "the user or the password in the repository's URL has a character that git cannot send",
            where=clean,
            fix="write it anew in `repository`, with every other character as %XX",
        )
    scope = f"credential.{scheme.lower()}://{host}"
    settings = [(f"{scope}.username", user)]
    if with_password:
        settings += [(f"{scope}.helper", ""), (f"{scope}.helper", _HELPER)]  # '' takes all others off the list
    environment = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (name, value) in enumerate(settings):
        environment |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return Access(clean, environment | ({_PASSWORD: password} if with_password else {}))
