"""An image must be named by its digest: `name@sha256:<64 lower-case hex>`, with or without a tag before it.

A tag can be moved, however much it looks like a version; the release that was tested would then not be the one that is
started after the next restart. `docker buildx imagetools inspect NAME:TAG` prints the digest of a tag, and
`tidegate validate --unsafe-fixes` asks the engine or the registry and writes it, with the tag in a comment.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.pins import floats
from tidegate.rules.pins.mends import pin_image
from tidegate.rules.rule import Example, Mend, Rule


def check(context: Context) -> Iterator[Finding]:
    """Judge `runtime.image` of every version."""
    for _, version in context.versions():
        runtime = version.value.runtime
        why = floats("oci-image", runtime.image) if runtime is not None and runtime.image is not None else None
        if why is not None and runtime is not None and runtime.image is not None:
            name = runtime.image.partition("@")[0]
            fix = f"write {name}@sha256:<digest>, as your registry or 'docker buildx imagetools inspect' tells it"
            yield RULE.finding(version, ("runtime", "image"), f"'{runtime.image}' is not pinned: {why}", fix)


_IMAGE = "registry.example.com/serve@sha256:5a5d014aa774f78ebe1340c0d4afc2e35afc12a2c3b34c84e71f78ea20af4ba3"
_PATH = "models/digits/versions/2.0.0.yaml"

RULE = Rule(
    id="floating-image",
    severity="error",
    since="0.1.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(_PATH, "registry.example.com/serve:2.4.1", _IMAGE, at="registry.example.com/serve:2.4.1"),
        Example(_PATH, "registry.example.com/serve", _IMAGE, at="registry.example.com/serve\n"),
        Example(
            _PATH,
            "registry.example.com/serve@sha256:5a5d014a",
            _IMAGE,
            at="registry.example.com/serve@sha256:5a5d014a\n",
        ),
        Example(_PATH, _IMAGE.replace("@sha256:", ":sha256-"), _IMAGE, at="registry.example.com/serve:sha256-"),
    ),
    good=(Example(_PATH, _IMAGE.replace("@", ":2.4.1@"), _IMAGE),),
    mend=Mend(pin_image, safe=False),
)
