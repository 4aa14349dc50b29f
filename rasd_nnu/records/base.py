"""What the record models share: strict fields, and errors of one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from rasd_nnu.errors import CompareError
from rasd_nnu.reading import parse_json

SCHEMAS = "docs/reference/records.md"


class RecordModel(BaseModel):
    """A frozen model that refuses unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Model = TypeVar("Model", bound=RecordModel)


def first_fault(error: ValidationError) -> str:
    """Return where the first fault is and what it is."""
    fault = error.errors()[0]
    place = ".".join(map(str, fault["loc"]))
    message = fault["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def read_json_object(path: Path, what: str) -> dict[str, Any]:
    """Read a JSON object; ``what`` names the kind of file in an error.

    Raises:
        CompareError: If the file cannot be read, is empty, is not JSON or holds no object.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise CompareError(f"cannot read {path}: {error.strerror}. Give {what}.") from None
    except UnicodeDecodeError as error:
        raise CompareError(f"{path} is not text in UTF-8 ({error.reason}). Give {what}.") from None
    if not text.strip():
        raise CompareError(f"{path} is empty, expected {what}. Write it again.")
    content = parse_json(text, str(path), CompareError, f"Give {what}.")
    if not isinstance(content, dict):
        raise CompareError(f"{path} holds a {type(content).__name__}, expected {what}: a JSON object")
    return content


def parse_model(model: type[Model], path: Path, what: str) -> Model:
    """Read a JSON file as a record model.

    Raises:
        CompareError: If it is not one; the message names the first fault.
    """
    content = read_json_object(path, what)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise CompareError(f"{path} is not {what}: {first_fault(error)}. The format is in {SCHEMAS}.") from None
