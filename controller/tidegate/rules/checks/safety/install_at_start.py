"""A server has everything in its image when it starts.

`pip install` or `curl` in a command fetches what is there today: the release that was tested is not the one that starts
after the next reboot, and none starts while the other side is down. To mend, install it in the image, whose digest is part
of the release, or declare the file as an artifact.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.documents import in_use, scalars
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule

_FETCHES = re.compile(
    r"(?<![\w./-])(pip3? install|uv pip install|python3? -m pip install|conda install|apt(?:-get)? (?:-\S+ )*install|apk add|"
    r"npm (?:install|ci|i)|git clone|curl|wget|huggingface-cli download|hf download|aws s3 cp|gsutil cp)(?![\w-])"
)


def check(context: Context) -> Iterator[Finding]:
    """Look for programs that fetch, in the commands of versions in use."""
    for _, version in in_use(context):
        runtime = version.value.runtime
        if runtime is None:
            continue
        words = [found for found in scalars(version.source, ("runtime", "command")) if not found.key]
        joined = " ".join(found.text for found in words)
        match = _FETCHES.search(joined)
        if match is None:
            continue
        start = 0
        for found in words:
            end = start + len(found.text)
            if match.start() <= end:
                message = f"'{match[0]}' fetches what is there when the server starts"
                fix = "put it into the image, or declare the file as an artifact"
                yield RULE.at(version.path, found.line, found.column, message, fix)
                break
            start = end + 1


_PATH = "models/digits/versions/2.0.0.yaml"
_OLD = 'command: [serve, "${TIDEGATE_ARTIFACT}"'

RULE = Rule(
    id="install-at-start",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(
            _PATH,
            'command: [sh, -c, "pip install onnxruntime && serve", "${TIDEGATE_ARTIFACT}"',
            _OLD,
            at='"pip install',
        ),
    ),
    good=(Example(_PATH, 'command: [serve, --curl-compatible, "${TIDEGATE_ARTIFACT}"', _OLD),),
)
