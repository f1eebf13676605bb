"""What every declared kind shares: frozen, unknown fields forbidden, and the small types that recur in them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt, StrictStr

API = "tidegate/v1"


class Part(BaseModel):
    """A frozen piece of configuration that knows all its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, allow_inf_nan=False)


class Document(Part):
    """A whole file: two header lines, then the fields of its kind."""

    api: Literal["tidegate/v1"]


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")  # noqa: TRY004 pydantic turns ValueError into a finding
    return value


Text = StrictStr
Flag = StrictBool
Whole = StrictInt
Number = Annotated[float, BeforeValidator(_number)]
Name = Annotated[StrictStr, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
Sha256 = Annotated[StrictStr, Field(pattern=r"^[0-9a-f]{64}$")]
HeaderName = Annotated[StrictStr, Field(pattern=r"^[a-z0-9-]+$")]


class Secret(Part):
    """A reference to a secret, never the secret itself: an environment variable or a file outside git."""

    env: Text | None = None
    file: Text | None = None


def reference(text: str) -> Secret | None:
    """The secret that a text refers to, `env:NAME` or `file:PATH`; None for anything else."""
    kind, _, name = text.partition(":")
    if not name.strip() or name != name.strip() or name.startswith("//"):
        return None
    return Secret(env=name) if kind == "env" else Secret(file=name) if kind == "file" else None
