"""A policy's `startup_timeout` should not be shorter than what the version says it needs.

The policy's time goes before the version's own. When it is shorter, a release that loads as long as its author
measured is rejected for never getting ready. To mend, raise it in the policy, or take it out there: then each
version's `startup_timeout` counts.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.units import format_duration


def check(context: Context) -> Iterator[Finding]:
    """Compare the policy of each deployment, and of its features, with the version that it asks for."""
    for folder, deployment in context.deployments():
        asked = deployment.value
        wishes: list[tuple[tuple[str, ...], str, str]] = [((), asked.version, asked.policy)]
        wishes += [
            (("features", feature), override.version or asked.version, override.policy or asked.policy)
            for feature, override in asked.features.items()
        ]
        for at, version_name, policy_name in wishes:
            version, policy = folder.versions.get(version_name), context.declared.policies.get(policy_name)
            if version is None or policy is None or version.value.runtime is None:
                continue
            given, needed = policy.value.startup_timeout, version.value.runtime.startup_timeout
            if given is not None and given < needed:
                yield RULE.finding(
                    deployment,
                    _place(at, deployment.source.data),
                    f"policy '{policy_name}' gives {format_duration(given)} to get ready, version '{version_name}' "
                    f"says {format_duration(needed)}",
                    f"raise 'startup_timeout' in policies/{policy_name}.yaml, or take it out there",
                )


def _place(at: tuple[str, ...], data: object) -> tuple[str, ...]:
    """The `policy` of the model or the feature, where it has one of its own."""
    own = data
    for part in at:
        own = own.get(part) if isinstance(own, dict) else None
    return (*at, "policy") if isinstance(own, dict) and "policy" in own else at


RULE = Rule(
    id="short-startup",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example("models/digits/versions/2.0.0.yaml", "startup_timeout: 5m", "startup_timeout: 60s", at="progressive"),
    ),
    good=(Example("policies/progressive.yaml", "startup_timeout: 1m", "startup_timeout: 2m"),),
)
