"""The YAML of the end-to-end tests: models of one toy server, versions that differ by its variables, policies in seconds.

Flow style after two header lines: JSON is YAML. Neighbours: world.py writes these texts into a person's clone.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SERVER = Path(__file__).with_name("toy_server.py")
STEPS = (
    {"name": "canary", "weight": "20%", "for": "1s", "min_requests": 15},
    {"name": "half", "weight": "50%", "for": "1s"},
    {"name": "full", "weight": "100%", "for": "1s"},
)
GUARDRAILS = (
    {"metric": "error_rate", "max_ratio": 2.0},
    {"metric": "error_rate", "max": 0.1, "min_requests": 15, "immediate": True},
)


def flow(kind: str, fields: Mapping[str, Any]) -> str:
    """A document: its header, then a field a line."""
    lines = [f"{name}: {json.dumps(value)}" for name, value in fields.items() if value is not None]
    return "\n".join(["api: tidegate/v1", f"kind: {kind}", *lines, ""])


def policy(name: str, *, validation: Mapping[str, Any] | None = None, **changes: Any) -> str:
    """A policy of three steps of a second each, judged by errors."""
    fields: dict[str, Any] = {
        "name": name,
        "validate": validation,
        "steps": STEPS,
        "guardrails": GUARDRAILS,
        "no_data": {"action": "hold", "for": "60s", "then": "hold"},
        "standby": "1h",
        "batch": "500ms",
        "drain": "1s",
    }
    return flow("RolloutPolicy", {**fields, **changes})


def model(name: str, **changes: Any) -> str:
    """A model that speaks the open inference protocol, without a contract."""
    fields = {
        "name": name,
        "summary": "Answers with what it received.",
        "owners": ["team-a"],
        "protocol": "open-inference",
    }
    return flow("Model", {**fields, **changes})


def version(
    model: str,
    version: str,
    kind: str,
    image: str | None,
    *,
    env: Mapping[str, str] | None = None,
    artifact: Mapping[str, Any] | None = None,
    runtime: Mapping[str, Any] | None = None,
) -> str:
    """A version whose artifact is the toy server's program."""
    content = SERVER.read_bytes()
    files = {
        "uri": f"file:models/{model}/artifacts/server.py",
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        **(artifact or {}),
    }
    docker = kind == "docker"
    serve = {
        **({"image": image} if docker else {}),
        "command": ["python3" if docker else sys.executable, "${TIDEGATE_ARTIFACT}"],
        "env": {"VERSION": version, **({"BIND": "0.0.0.0"} if docker else {}), **(env or {})},
        "ready": "/ready",
        "startup_timeout": "20s",
        **(runtime or {}),
    }
    fields = {"model": model, "version": version, "reason": "For the test.", "artifact": files, "runtime": serve}
    return flow("ModelVersion", fields)


def deployment(model: str, version: str, *, policy: str = "fast", **more: Any) -> str:
    """What should serve."""
    return flow("Deployment", {"model": model, "version": version, "policy": policy, **more})
