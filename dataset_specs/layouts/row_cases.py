"""One case for each row of a table."""

from __future__ import annotations

from rasd_nnu.dataset_specs.layouts.files import case_id, fits
from rasd_nnu.dataset_specs.layouts.index import FileIndex, by_fields
from rasd_nnu.dataset_specs.layouts.rows import read_rows
from rasd_nnu.dataset_specs.schema.layout import RowsLayout
from rasd_nnu.dataset_specs.source import Ref, SourceCase
from rasd_nnu.errors import DatasetError


def find_cases(layout: RowsLayout, index: FileIndex) -> list[SourceCase]:
    """List the rows, each with its image; neighbouring cases share an image where the table is sorted so.

    Raises:
        DatasetError: The table or an image is missing.
    """
    tables = index.find(layout.table)
    if len(tables) != 1:
        raise DatasetError(f"{index.root} holds {len(tables)} tables {layout.table}, expected one.")
    matches = index.find(layout.image)
    path = index.path_of(tables[0])
    rows = list(read_rows(path))
    if not rows or not matches:
        raise DatasetError(f"{index.root} holds no {'row in ' + layout.table if matches else layout.image}.")
    names = [name for name in matches[0].fields if name in rows[0]]
    images = by_fields(matches, names)
    width = len(str(len(rows)))
    cases = []
    for number, row in enumerate(rows, start=1):
        found = images.get(tuple(row[name] for name in names), [])
        if len(found) != 1:
            raise DatasetError(f"{path.name}, row {number}: {len(found)} images fit {layout.image}, expected one.")
        fields = {**row, **found[0].fields, "row": f"{number:0{width}d}"}
        if fits(fields, layout.only):
            cases.append(SourceCase(case_id(layout.case, fields), (Ref(index.path_of(found[0])),), fields))
    return cases
