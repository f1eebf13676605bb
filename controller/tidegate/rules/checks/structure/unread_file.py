"""A file that looks like a declaration must lie where Tidegate reads it.

`deployment.yml`, `deploymnet.yaml`, `version/1.0.0.yaml` and `models/team/digits/model.yaml` are read by nobody, and
nothing would say so: the change is merged, and nothing happens. Only `.yaml` counts, in these places:
`models/<model>/model.yaml`, `models/<model>/versions/`, `models/<model>/configs/`, `models/<model>/deployment.yaml`,
`models/<model>/deployments/`, `policies/` and `tidegate.yaml`. Other files may lie beside them. A link or a submodule in
such a place is not followed. To mend, move the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import PurePosixPath

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.layout import place

_FOLDERS = ("versions", "configs", "deployments")
_NUMBER = re.compile(r"v?[0-9]+\.[0-9]+\.[0-9]+([-+].*)?")


def check(context: Context) -> Iterator[Finding]:
    """Judge the names of the YAML files that are not read."""
    for path in context.unread:
        if place(path) is not None or not path.endswith((".yaml", ".yml")):
            message = "a link or a submodule stands here, and only files of this repository are read"
            yield RULE.at(path, 1, 1, message, "put the files themselves here")
            continue
        meant = _meant(PurePosixPath(path))
        if meant is not None and meant != path:
            yield RULE.at(path, 1, 1, f"nobody reads this file: it would be read as {meant}", f"git mv {path} {meant}")


def _meant(path: PurePosixPath) -> str | None:
    """Where a file of this name would be read, if it looks like a declaration."""
    name = path.stem
    match path.parts:
        case (_,) if name.lower() == "tidegate":
            return "tidegate.yaml"
        case ("policies", *_, _):
            return f"policies/{name}.yaml"
        case ("models", _) if name.lower() in ("model", "deployment"):
            return f"models/<model>/{name.lower()}.yaml"
        case ("models", *folders, _):
            return _in_model(tuple(folders), name)
    return None


def _in_model(folders: tuple[str, ...], name: str) -> str | None:
    """`folders`: between models/ and the file, at least one."""
    below = folders[1:]
    kind = next((close for part in below if (close := _folder(part)) is not None), None)
    if name.lower() in ("model", "deployment") and kind is None:
        model = folders[-1] if len(folders) > 1 else folders[0]
        return f"models/{model}/{name.lower()}.yaml"
    if kind is not None:
        found = f"models/{folders[0]}/{kind}/{name}.yaml"
        return found if place(found) is not None and len(below) <= 2 else None
    if not below and _NUMBER.fullmatch(name):
        return f"models/{folders[0]}/versions/{name.removeprefix('v')}.yaml"
    if not below and (meant := get_close_matches(name.lower(), ("model", "deployment"), 1, 0.8)):
        return f"models/{folders[0]}/{meant[0]}.yaml"
    return None


def _folder(part: str) -> str | None:
    """The folder that a name such as 'version' or 'Configs' was meant to be."""
    lower = part.lower()
    return next((folder for folder in _FOLDERS if lower in (folder, folder.removesuffix("s"))), None)


_TEXT = 'api: tidegate/v1\nkind: Deployment\nmodel: letters\nversion: "1.0.0"\npolicy: progressive\n'

RULE = Rule(
    id="unread-file",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="file",
    bad=(
        Example("models/letters/deployment.yml", _TEXT),
        Example("models/letters/deploymnet.yaml", _TEXT),
        Example("models/letters/version/1.0.0.yaml", _TEXT),
        Example("models/letters/1.0.0.yaml", _TEXT),
        Example("models/team/letters/model.yaml", _TEXT),
        Example("policies/eu/fast.yaml", _TEXT),
    ),
    good=(
        Example("models/digits/training/params.yaml", "learning_rate: 0.1\n"),
        Example("models/digits/model-card.yaml", "title: Digits\n"),
    ),
)
