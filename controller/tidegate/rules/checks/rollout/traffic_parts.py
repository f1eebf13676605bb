"""The features and segments that `traffic` names must be the model's own.

The shares tell how long a step on a segment takes, and what a feature's rollout can see. One that is misspelt is
reckoned with by nobody, and the segment counts as unknown. To mend, write the name as under `features` or `segments`.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.vocabulary import similar


def check(context: Context) -> Iterator[Finding]:
    """Compare the names of the shares with those that the model declares."""
    for folder in context.declared.models.values():
        model = folder.model
        if model is None or model.value.traffic is None:
            continue
        traffic = model.value.traffic
        for field, shares, known in (
            ("features", traffic.features, model.value.features),
            ("segments", traffic.segments, tuple(model.value.segments)),
        ):
            for name in shares:
                if name not in known:
                    close = similar(name, known)
                    yield RULE.finding(
                        model,
                        ("traffic", field, name),
                        f"'{name}' is not among the {field} of '{folder.name}'",
                        f"did you mean '{close}'?" if close else f"declare it under '{field}', or take it out",
                        key=True,
                    )


_SHARES = "segments: {internal: 2%}"

RULE = Rule(
    id="traffic-parts",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example("models/digits/model.yaml", "segments: {intern: 2%}", _SHARES, at="intern: 2%"),
        Example("models/digits/model.yaml", f"{_SHARES}, features: {{search: 5%}}", _SHARES, at="search: 5%"),
    ),
    good=(Example("models/digits/model.yaml", f"{_SHARES}, features: {{archive: 5%}}", _SHARES),),
)
