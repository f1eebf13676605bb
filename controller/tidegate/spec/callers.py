"""Kind Callers: who may call which route, and how often. A file on the gateway's host, never in git; read anew when it changes.

`gateway.callers` in tidegate.yaml names it; gateway/entrance.py makes Envoy hold to it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tidegate.spec.base import Document, Flag, Name, Part, Sha256, Whole
from tidegate.spec.units import Duration

RouteName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(/[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)?$")]


class RateLimit(Part):
    """A bucket of `burst` requests (else `requests`) that fills by `requests` in each `per` (seconds)."""

    requests: Annotated[Whole, Field(ge=1, le=1_000_000)]
    per: Annotated[Duration, Field(ge=0.05, le=86400)] = 1.0
    burst: Annotated[Whole, Field(ge=1, le=1_000_000)] | None = None


class CallerKey(Part):
    """One key, by its SHA-256 in hex, never itself. Keys of one name are one caller, with one `limit` for all of them.

    `routes`: a model's name stands for its features too; None: all routes.
    """

    name: Name
    sha256: Sha256
    routes: tuple[RouteName, ...] | None = None
    limit: RateLimit | None = None


class Callers(Document):
    """Either `keys` or `everybody: true`, so that a file that lost its keys opens nothing.

    `limits`: by route, of all callers together.
    """

    kind: Literal["Callers"]
    keys: Annotated[tuple[CallerKey, ...], Field(max_length=10_000)] | None = None
    everybody: Flag = False
    limits: dict[RouteName, RateLimit] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _who(self) -> Callers:
        if (self.keys is None) != self.everybody:
            raise ValueError("it is not said who may call: write 'keys', or 'everybody: true'")
        digests: set[str] = set()
        limits: dict[str, RateLimit | None] = {}
        for key in self.keys or ():
            if key.sha256 in digests:
                raise ValueError(f"a key of '{key.name}' stands there twice: remove one of the two")
            if limits.setdefault(key.name, key.limit) != key.limit:
                raise ValueError(f"the keys of '{key.name}' have two limits: write the same at each of them")
            digests.add(key.sha256)
        return self
