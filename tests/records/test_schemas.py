from __future__ import annotations

import json
from pathlib import Path

import pytest

from rasd_nnu.records.schemas import schemas

DOCS = Path(__file__).parents[2] / "docs/reference/schemas"


@pytest.mark.parametrize("name", sorted(schemas()))
def test_the_documented_schema_is_that_of_the_code(name: str) -> None:
    """To renew: write ``json.dumps(schemas()[name], indent=1)`` with a line end into the file."""
    assert json.loads((DOCS / name).read_text()) == json.loads(json.dumps(schemas()[name]))
