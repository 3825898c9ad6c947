"""The base class of all sections of a configuration."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


Normalization = Literal["NFC", "NFKC"] | None
"""A Unicode normal form, or none."""


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
