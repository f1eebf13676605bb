"""A deployed version should have been measured against the contract that its model has.

The model's `acceptance` says what a version must reach, and this one has no figures at all. Where the policy does not
require an evaluation, it goes out all the same, and the contract is words. To mend, evaluate it, and declare the figures
in a new version; then let the policy say `validate: {evaluation: required}`.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.evidence import contract, served
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Look for routes with a contract, without figures and without a policy that asks for them."""
    told = set()
    for one in served(context):
        route, asks = one.route, contract(one.folder)
        place = (route.deployment.path, route.loc)
        if one.required or one.version.value.evaluation is not None or place in told:
            continue
        if asks.metrics or asks.regression or asks.fairness:
            told.add(place)
            message = (
                f"{route.version} has no evaluation, so nothing says that it meets the contract of '{one.folder.name}'"
            )
            yield RULE.finding(route.deployment, route.loc, message, "deploy a version that was evaluated")


_EVALUATION = """evaluation:
  set_sha256: "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
  examples: 597
  metrics: {accuracy: 0.968}
  slices:
    writer_group:
      a: {accuracy: 0.969}
      b: {accuracy: 0.951}
"""

RULE = Rule(
    id="unproven-version",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(Example("models/digits/versions/1.0.0.yaml", "", _EVALUATION, at='"1.0.0"}'),),
    good=(Example("models/digits/deployment.yaml", 'version: "1.0.0"', 'version: "2.0.0"'),),
)
