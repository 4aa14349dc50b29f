"""Parse the YAML of a dataset spec; what is wrong with it becomes one line."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from rasd_nnu.dataset_specs.schema import DatasetSpec, SpecModel
from rasd_nnu.errors import ConfigError, did_you_mean
from rasd_nnu.reading import parse_yaml


def parse_spec(text: str, origin: str) -> DatasetSpec:
    """Parse and validate one spec.

    Args:
        text: YAML.
        origin: Name for error messages, usually the file.

    Raises:
        ConfigError: Not YAML, not a mapping, or a field that is unknown, missing or of the wrong kind.
    """
    data = parse_yaml(text, origin)
    if not isinstance(data, dict):
        raise ConfigError(f"{origin} must be a YAML mapping of fields, got {type(data).__name__}")
    try:
        return DatasetSpec.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{origin}: {_summary(error)}") from error


def _summary(error: ValidationError, shown: int = 3) -> str:
    problems = error.errors(include_url=False)
    more = f"; and {len(problems) - shown} more" if len(problems) > shown else ""
    return "; ".join(_problem(problem) for problem in problems[:shown]) + more


def _problem(problem: Any) -> str:  # pydantic's ErrorDetails
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = {name for model in SpecModel.__subclasses__() for name in model.model_fields}
        return f"unknown field {where!r}.{did_you_mean(str(problem['loc'][-1]), known)}"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "missing":
        return f"field {where!r} is missing"
    if problem["type"] == "value_error":
        return f"{where}: {message}" if where else message
    return f"{where}: {message}, got {problem['input']!r}"
