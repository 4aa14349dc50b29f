from __future__ import annotations

from pathlib import Path

import pytest

from rasd_nnu.dataset_specs.bibtex import to_bibtex
from rasd_nnu.dataset_specs.pages import all_pages, task_page
from rasd_nnu.dataset_specs.registry import get_spec, list_specs
from rasd_nnu.dataset_specs.schema import DatasetSpec

DOCS = Path(__file__).parents[2] / "docs"


def test_pages_are_current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RASD_SPECS", raising=False)
    pages = all_pages(list_specs())
    stale = [name for name, text in pages.items() if not (DOCS / name).is_file() or (DOCS / name).read_text() != text]
    assert not stale, "run `rasd_nnu tasks docs`"
    assert {f"tasks/{path.name}" for path in (DOCS / "tasks").iterdir()} == set(pages) - {"reference/tasks.md"}


def test_page_names_the_leak_and_the_numbers() -> None:
    page = task_page(get_spec("acdc"))
    assert "It leaks patients. `--split paper` follows its list." in page
    assert "| RaSD-3D (Ours) | 89.9 (89 to 90.8) | |" in page
    assert "rasd_nnu tasks prepare acdc --source DIR/ACDC" in page


@pytest.mark.parametrize("spec", list_specs(), ids=lambda spec: spec.key)
def test_bibtex_is_balanced(spec: DatasetSpec) -> None:
    text = to_bibtex(spec)
    assert text.count("{") == text.count("}")
    assert text.count("@article{") == len(spec.citation)


def test_schema_for_editors_accepts_what_the_parser_accepts() -> None:
    schema = DatasetSpec.model_json_schema()
    assert {"layout", "annotation", "steps", "group"} <= set(schema["properties"])
    kinds = schema["properties"]["layout"]["discriminator"]["mapping"]
    assert set(kinds) == {"decathlon", "files", "rows", "arrays"}
