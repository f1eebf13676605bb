"""Kind Governance: which rules are errors or warnings, who may do what, and what a card must say."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tidegate.spec.base import Document, Part, Text, Whole


class Role(Part):
    """Who answers for the files under `paths` (git path patterns)."""

    paths: tuple[Text, ...]
    owners: tuple[Text, ...]


class Governance(Document):
    """policies/governance.yaml"""

    kind: Literal["Governance"]
    rules: dict[Text, Literal["error", "warning", "off"]] = Field(default_factory=dict)
    roles: dict[Text, Role] = Field(default_factory=dict)
    signers: tuple[Text, ...] = ()
    required_card_fields: tuple[Text, ...] = ()
    end_of_life_notice_days: Whole = 90
