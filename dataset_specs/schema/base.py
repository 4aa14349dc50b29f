"""What all parts of a spec share."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

LabelValue = Annotated[int, Field(ge=0, le=255)]
Text = Annotated[str, Field(min_length=1)]


class SpecModel(BaseModel):
    """Base of all parts of a spec: immutable, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
