"""All rules in the order of the catalogue: what cannot be read, refers to nothing, floats, is unwise.

Neighbours: checks/ holds one module a rule, engine.py runs them, pages.py prints them.
"""

from __future__ import annotations

from typing import Final

from tidegate.rules.checks import (
    artifact_digest,
    duplicate_key,
    duplicate_step,
    empty_artifact,
    file_encoding,
    file_size,
    floating_commit,
    floating_image,
    governance_rules,
    immutable_version,
    key_type,
    missing_field,
    missing_model,
    modeline,
    name_mismatch,
    odd_number,
    shadow_step,
    two_deployments,
    unknown_config,
    unknown_feature,
    unknown_field,
    unknown_metric,
    unknown_policy,
    unknown_segment,
    unknown_version,
    unquoted_identifier,
    unserved_source,
    version_format,
    weights_grow,
    wrong_kind,
    wrong_type,
    wrong_value,
    yaml_feature,
    yaml_syntax,
)
from tidegate.rules.rule import Rule

RULES: Final[tuple[Rule, ...]] = tuple(
    module.RULE
    for module in (
        yaml_syntax,
        file_encoding,
        file_size,
        yaml_feature,
        duplicate_key,
        key_type,
        odd_number,
        unquoted_identifier,
        unknown_field,
        missing_field,
        wrong_type,
        wrong_value,
        wrong_kind,
        two_deployments,
        missing_model,
        name_mismatch,
        version_format,
        unknown_version,
        unknown_config,
        unknown_policy,
        unknown_feature,
        unknown_segment,
        floating_image,
        artifact_digest,
        empty_artifact,
        floating_commit,
        duplicate_step,
        weights_grow,
        shadow_step,
        unknown_metric,
        unserved_source,
        governance_rules,
        immutable_version,
        modeline,
    )
)
BY_ID: Final[dict[str, Rule]] = {rule.id: rule for rule in RULES}
