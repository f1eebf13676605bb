"""How two answers to one request are compared, when a release answers copies beside the one in production.

Part of the kind Model. analysis/agreement.py compares by it, and knows what suits a protocol where nothing is declared.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tidegate.spec.base import Number, Part, Text, Whole
from tidegate.spec.units import Limit, Share


class Comparison(Part):
    """`by` what two answers agree, at which `paths`; and what people may see of those that do not."""

    by: Literal["exact", "label", "numeric", "json", "text"]
    paths: tuple[Text, ...] = ()
    tolerance: Annotated[Number, Field(ge=0)] = 0.0
    relative: Annotated[Limit, Field(ge=0)] = 0.0
    similarity: Share = 0.8
    ignore: tuple[Text, ...] = ()
    samples: Annotated[Whole, Field(ge=0, le=200)] = 20
    redact: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _one_way(self) -> Comparison:
        if self.by == "exact" and (self.paths or self.ignore):
            raise ValueError("'exact' compares byte by byte: 'paths' and 'ignore' belong to the other ways")
        if self.by != "numeric" and (self.tolerance or self.relative):
            raise ValueError("'tolerance' and 'relative' belong to 'numeric'")
        if self.by == "text" and self.ignore:
            raise ValueError("'ignore' does not belong to 'text': say the 'paths' of the texts")
        if self.by == "label" and not self.paths:
            raise ValueError("'label' needs 'paths': where in the answer the label stands")
        return self
