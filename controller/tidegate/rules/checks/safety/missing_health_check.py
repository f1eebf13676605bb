"""A runtime says at which path it tells that it is ready.

Traffic goes to a candidate as soon as that path answers with 200. `/` answers before the weights are loaded, in most
servers; and the default, `/v2/health/ready`, is that of the Open Inference Protocol: a server that speaks another one
answers with 404 there, and the candidate is rejected for it. To mend, write the server's own path, such as `/health`.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.documents import in_use
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Look at the readiness path of versions in use."""
    for folder, version in in_use(context):
        runtime, model = version.value.runtime, folder.model
        if runtime is None:
            continue
        path = runtime.ready.partition("?")[0].strip()
        if path in ("", "/"):
            message = f"'{runtime.ready}' says that something listens, and not that the model is loaded"
            yield RULE.finding(version, ("runtime", "ready"), message, "write the path that answers once it is loaded")
        elif not path.startswith("/"):
            message = f"'{runtime.ready}' is no path: it begins with '/'"
            yield RULE.finding(version, ("runtime", "ready"), message, f"write /{path}")
        elif (
            model is not None
            and model.value.protocol != "open-inference"
            and version.source.raw(("runtime", "ready")) is None
        ):
            message = f"no readiness path, and the default {path} is none that {model.value.protocol} servers have"
            fix = "add 'ready: /health', or what the server has"
            yield RULE.finding(version, ("runtime",), message, fix, key=True)


_PATH = "models/digits/versions/2.0.0.yaml"
_OLD = "  startup_timeout: 60s"

RULE = Rule(
    id="missing-health-check",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(_PATH, f"  ready: /\n{_OLD}", _OLD, at="/\n", mended=f"  ready: /v2/health/ready\n{_OLD}"),
        Example(_PATH, f'  ready: ""\n{_OLD}', _OLD, at='""', mended=_OLD),
        Example("models/digits/model.yaml", "protocol: openai", "protocol: open-inference", at="runtime:"),
    ),
    good=(Example(_PATH, f"  ready: /v2/models/digits/ready\n{_OLD}", _OLD),),
)
