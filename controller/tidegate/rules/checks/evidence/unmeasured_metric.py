"""Where a policy requires an evaluation, it must hold every figure that the contract asks for.

A limit on something that was never measured guards nothing. The controller rejects such a candidate when its policy says
`validate: {evaluation: required}`. To mend, measure it, and declare the figures in a new version.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.evidence import falling_short
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.vocabulary import similar


def check(context: Context) -> Iterator[Finding]:
    """Look for metrics and slices of the contract that the figures do not have."""
    for version, found in falling_short(context, "unmeasured"):
        evaluation = version.value.evaluation
        known = evaluation.metrics if evaluation is not None and found.loc[1] == "metrics" else ()
        close = similar(str(found.loc[-1]), known)
        fix = f"is '{close}' what you mean? Else measure" if close else "measure"
        message = f"{found.message}, and the contract asks for it"
        yield RULE.finding(version, found.loc, message, f"{fix} it, and declare the figure in a new version")


RULE = Rule(
    id="unmeasured-metric",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(
            "policies/progressive.yaml",
            "validate: {evaluation: required}\nsteps:",
            "steps:",
            at="{accuracy: 0.968}",
            mended="validate: {evaluation: optional}\nsteps:",
        ),
    ),
    good=(Example("policies/progressive.yaml", "validate: {evaluation: optional}\nsteps:", "steps:"),),
)
