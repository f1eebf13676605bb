"""Where sources are and what they are told: addresses and credentials of tidegate.yaml. Policies name no secrets.

A credential goes to addresses below its own and to no others, so that an edit of a policy can send it nowhere else.
Neighbours: http.py sends what this gives; spec/controller.py declares it.
"""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, field
from pathlib import Path

from tidegate.spec.addresses import is_below
from tidegate.spec.base import Secret
from tidegate.spec.controller import Credential, SourceSettings
from tidegate.spec.errors import NeedsPerson


@dataclass(frozen=True, slots=True)
class Access:
    """The settings of tidegate.yaml, and the folder that its secrets' files are relative to."""

    settings: SourceSettings = field(default_factory=SourceSettings)
    root: Path = field(default_factory=Path)

    def prometheus(self, address: str | None) -> str:
        """The address of Prometheus, without a slash at its end. Raises NeedsPerson when nobody has said where it is."""
        found = address or self.settings.prometheus
        if found is None:
            raise NeedsPerson(
                "nothing says where Prometheus is",
                fix="write sources: {prometheus: http://...} in tidegate.yaml, or 'address' in the guardrail's source",
            )
        return found.rstrip("/")

    def headers(self, url: str) -> dict[str, str]:
        """What to send along to this address. Raises NeedsPerson when a secret is not there. Read anew each time."""
        mine = [one for one in self.settings.credentials if is_below(url, one.address)]
        if not mine:
            return {}
        return _headers(max(mine, key=lambda one: len(one.address)), self.root)


def secret(reference: Secret, root: Path) -> str:
    """The value of a secret. Raises NeedsPerson when it is not there."""
    if reference.env is not None:
        value = os.environ.get(reference.env)
        if not value:
            raise NeedsPerson(f"the environment variable {reference.env} is not set", fix=f"export {reference.env}=...")
        return value
    if reference.file is None:
        raise NeedsPerson("a secret needs 'env' or 'file'", fix="write {env: NAME} or {file: PATH}")
    try:
        return (root / reference.file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        fix = "check the path in tidegate.yaml; it is relative to that file"
        raise NeedsPerson(f"the secret cannot be read: {why}", where=reference.file, fix=fix) from error


def _headers(credential: Credential, root: Path) -> dict[str, str]:
    if credential.token is not None:
        return {"authorization": f"Bearer {secret(credential.token, root)}"}
    if credential.username is None or credential.password is None:
        return {}
    pair = f"{credential.username}:{secret(credential.password, root)}".encode()
    return {"authorization": f"Basic {base64.b64encode(pair).decode()}"}
