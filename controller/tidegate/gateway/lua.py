"""The scripts that Envoy runs: the .lua files of this room. Neighbours: bootstrap.py, mirror.py, entrance.py."""

from __future__ import annotations

from importlib import resources
from typing import Any

from tidegate.gateway.render import TYPE


def lua(*scripts: str, before: str = "") -> dict[str, Any]:
    """A filter that runs these files, as one script, after the lines `before`."""
    folder = resources.files("tidegate.gateway")
    source = before + "\n".join(folder.joinpath(script).read_text(encoding="utf-8") for script in scripts)
    kind = f"{TYPE}.extensions.filters.http.lua.v3.Lua"
    return {"@type": kind, "default_source_code": {"inline_string": source}}
