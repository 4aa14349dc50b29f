"""The base of all steps."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Step(BaseModel):
    """Parameters of one step, as a spec writes them; calling it with a picture does the step.

    A step is immutable, an unknown parameter is an error, and its field ``kind`` tells it from others, so that
    a list of steps can be a discriminated union in a schema. Its input is never changed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")


class PairStep(Step):
    """A step that needs both sides: called with ``(image, label)``, it returns ``(image, label)``."""
