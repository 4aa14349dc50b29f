from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from rasd_nnu.compare import compare_summaries
from rasd_nnu.compare.export import describe_schema, to_json

DOCS = Path(__file__).parents[2] / "docs/reference/schemas/comparison.json"


def test_the_documented_schema_is_that_of_the_code() -> None:
    """To renew: write ``json.dumps(describe_schema(), indent=1)`` with a line end into the file."""
    assert json.loads(DOCS.read_text()) == json.loads(json.dumps(describe_schema()))


def test_what_is_written_follows_the_schema(write_summary: Callable[..., Path]) -> None:
    a = write_summary("a.json", {"c1": {"1": 0.5, "2": 0.9}, "c2": {"1": 0.8, "2": None}, "c3": {"1": None, "2": None}})
    b = write_summary("b.json", {"c1": {"1": 0.4, "2": 0.9}, "c2": {"1": 0.6, "2": None}, "c3": {"1": None, "2": None}})
    content = json.loads(to_json(compare_summaries(a, b)))
    jsonschema.validate(content, describe_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**content, "names": 3}, describe_schema())
