"""A version's number should fit what changed since the last one: major, minor, patch, or the data's name.

People decide by the number how closely to look. Held against the newest merged release below it, a new version is

- major, when the architecture changes: the artifact's format, the provider, or its family of models (what breaks callers in
  the signature is told by `signature-break`, as an error);
- minor, when features change: the preprocessing, or a signature that has one more output;
- patch, when it is tuned: hyperparameters, weights, code, image, the way it is run, the provider's snapshot;
- the same number with another build part, when only the training data changed: `2.0.1+data.7`, then `2.0.1+data.8`.

More is always allowed; below 1.0.0 minor stands for major and patch for minor. A build part names the data: it changes when
the data does, and only then. Judged with `--base REF`. To mend, take the number that the message names.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.checks.history import next_version
from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.rules.succession import Step, data_changed, least, needed, number_after, successions, taken

_WORDS = {Step.MAJOR: "major", Step.MINOR: "minor", Step.PATCH: "patch"}


def check(context: Context) -> Iterator[Finding]:
    """Hold every new version against the one before it."""
    for last, old, version, number in successions(context):
        need, why = needed(last, version)
        name = last.value.version
        if taken(old, number) < least(old, need):
            message = f"{why} since {name}, which asks for a {_WORDS[least(old, need)]} step"
            yield RULE.finding(version, ("version",), message, _fix(number_after(old, need)))
        elif not number.build or not old.build:
            continue
        elif number.build == old.build and data_changed(last, version):
            message = f"the training data changed since {name}, and the build part, which names it, did not"
            yield RULE.finding(version, ("version",), message, "name the data behind the '+', in the file's name too")
        elif number.build != old.build and data_changed(last, version) is False:
            message = f"the build part names other data than that of {name}, and 'training.data' is the same"
            fix = "keep the build part, in the file's name too; or say in 'training.data' what is new"
            yield RULE.finding(version, ("version",), message, fix)


def _fix(number: str) -> str:
    return f'write "{number}" or a greater one, and name the file after it'


_TRAINED = ("epochs: 20", "epochs: 40")
_PREPARED = ("digits.prepare:main", "digits.prepare:centred")

RULE = Rule(
    id="semver-fits",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(
            "models/digits/versions/2.0.1.yaml",
            next_version("2.0.1", _PREPARED),
            at='"2.0.1"',
            mended=next_version("2.1.0", _PREPARED),
            mended_path="models/digits/versions/2.1.0.yaml",
        ),
        Example(
            "models/digits/versions/2.0.0+data.8.yaml",
            next_version("2.0.0+data.8", _TRAINED),
            at='"2.0.0+data.8"',
            mended=next_version("2.0.1+data.8", _TRAINED),
            mended_path="models/digits/versions/2.0.1+data.8.yaml",
        ),
    ),
    good=(
        Example("models/digits/versions/2.0.0+data.8.yaml", next_version("2.0.0+data.8")),
        Example("models/digits/versions/2.0.1.yaml", next_version("2.0.1", _TRAINED)),
        Example("models/digits/versions/3.0.0.yaml", next_version("3.0.0", _PREPARED)),
    ),
)
