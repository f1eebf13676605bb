"""Writes what a floating reference stands for now into a version's text; the old one stays beside it as a comment.

Neighbours: rule.py says what a mend is, cli/check/resolver.py asks the world; comments and order of the file are kept.
"""

from __future__ import annotations

from typing import Final

from tidegate.rules.finding import Finding
from tidegate.rules.pins.images import split_tag
from tidegate.rules.pins.kinds import judge
from tidegate.rules.rule import Resolver
from tidegate.spec.source import Loc, Source, parse

_ANY: Final = f"sha256:{'1' * 64}"


def pin_image(text: str, finding: Finding, resolver: Resolver | None) -> str | None:
    """`name:tag` becomes `name:tag@sha256:...`. None when the resolver cannot say, or the text is another by now."""
    source = parse(text.encode(), finding.path)
    found = _scalar(source, ("runtime", "image"), finding)
    if found is None or resolver is None:
        return None
    asked = found.partition("@")[0].removeprefix("oci://")
    name, tag = split_tag(asked)
    if tag.startswith("sha256-"):
        asked = name
    if not judge("oci-image", f"{asked}@{_ANY}").pinned:
        return None  # no name of an image: there is nobody to ask
    digest = resolver.image(asked)
    if digest is None:
        return None
    prefix = "oci://" if found.startswith("oci://") else ""
    return _replaced(text, source, ("runtime", "image"), found, f"{prefix}{asked}@{digest}", resolver)


def pin_commit(text: str, finding: Finding, resolver: Resolver | None) -> str | None:
    """A branch, a tag or a short commit becomes the full one, asked of `code.repository`."""
    source = parse(text.encode(), finding.path)
    for loc in (("code", "commit"), ("preprocessing", "commit")):
        found = _scalar(source, loc, finding)
        repository = source.raw(("code", "repository"))
        if found is None or resolver is None or repository is None or repository[0] != "str":
            continue
        commit = resolver.commit(repository[1], found)
        return _replaced(text, source, loc, found, commit, resolver) if commit is not None else None
    return None


def _scalar(source: Source, loc: Loc, finding: Finding) -> str | None:
    """The text at `loc` when that is the place of the finding."""
    found = source.raw(loc)
    if found is None or found[0] != "str" or source.at(loc) != (finding.line, finding.column):
        return None
    return found[1]


def _replaced(text: str, source: Source, loc: Loc, old: str, new: str, resolver: Resolver) -> str | None:
    """The text with the scalar at `loc` exchanged and a comment at the end of its line. None when that would break it."""
    line, column = source.at(loc)
    lines = text.split("\n")
    head, tail = lines[line - 1][: column - 1], lines[line - 1][column - 1 :]
    for quote in ('"', "'", ""):
        if tail.startswith(f"{quote}{old}{quote}"):
            rest = tail[len(old) + 2 * len(quote) :]
            break
    else:
        return None  # folded over lines or written with escapes
    comment = f"  # was: {old}, resolved {resolver.today.isoformat()}"
    for added in (comment, ""):
        lines[line - 1] = f'{head}"{new}"{rest}{added}'
        changed = "\n".join(lines)
        if _only(source, parse(changed.encode(), source.path), loc, new):
            return changed
    return None


def _only(before: Source, after: Source, loc: Loc, new: str) -> bool:
    """Whether just the value at `loc` is another, and what else was wrong with the file is still all that is."""
    if after.raw(loc) != ("str", new) or len(after.problems) > len(before.problems):
        return False
    wanted, got = _without(before.data, loc), _without(after.data, loc)
    return wanted == got


def _without(data: object, loc: Loc) -> object:
    if not loc or not isinstance(data, dict):
        return None if not loc else data
    return {key: _without(value, loc[1:]) if key == loc[0] else value for key, value in data.items()}
