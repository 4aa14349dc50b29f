"""Rows of CSV and XLSX files, and their join to the cases."""

from __future__ import annotations

import csv
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rasd_nnu.dataset_specs.formats.guard import check_claim, reading
from rasd_nnu.dataset_specs.layouts.index import FileIndex
from rasd_nnu.dataset_specs.libraries import require
from rasd_nnu.dataset_specs.schema.layout import Table
from rasd_nnu.dataset_specs.template import fields_of, fill
from rasd_nnu.errors import DatasetError

Row = dict[str, str]
SEPARATORS = ",;\t"
MAX_XLSX_BYTES = 2**30  # unpacked


class JoinedTable:
    """A table of the release, indexed by its key.

    Args:
        index: Files of the release.
        table: How to read and join it.

    Raises:
        DatasetError: No file fits, one is unreadable, or a column is missing.
    """

    def __init__(self, index: FileIndex, table: Table) -> None:
        self.table = table
        self._captures: tuple[str, ...] = ()
        self._rows: dict[tuple[str, ...], list[Row]] = defaultdict(list)
        matches = index.find(table.file)
        if not matches:
            raise DatasetError(f"{index.root} holds no table {table.file}; unpack all parts of the release there.")
        for match in matches:
            path = index.path_of(match)
            self._captures = tuple(sorted(match.fields))
            for row in read_rows(path, table.columns, table.sheets, table.skip_rows):
                self._add(path, {**row, **match.fields})

    def _add(self, path: Path, row: Row) -> None:
        columns = (*self.table.key, *self.table.take.values(), *self.table.where)
        missing = [column for column in columns if column not in row]
        if missing:
            raise DatasetError(f"{path} has no column {missing[0]!r}; it has {', '.join(map(repr, row))}.")
        if all(re.fullmatch(wanted, row[column]) for column, wanted in self.table.where.items()):
            self._rows[tuple(row[column] for column in self.table.key)].append(row)

    def rows_of(self, fields: Mapping[str, str]) -> list[Row]:
        """Return the rows that belong to a case with these fields."""
        templates = list(self.table.key.values())
        if any(name not in fields for template in templates for name in fields_of(template)):
            return []
        rows = self._rows.get(tuple(fill(template, fields) for template in templates), [])
        known = [name for name in self._captures if name in fields]
        return [row for row in rows if all(row[name] == fields[name] for name in known)]

    def taken(self, fields: Mapping[str, str]) -> dict[str, str] | None:
        """Return the fields that the table adds to a case, or None where it has no row for it.

        Raises:
            DatasetError: Two rows contradict each other.
        """
        rows = self.rows_of(fields)
        if not rows:
            return None
        columns = {**self.table.take, **{name: name for name in self._captures}}
        for name, column in columns.items():
            values = sorted({row[column] for row in rows})
            if len(values) > 1:
                raise DatasetError(f"{self.table.file}: {fields} has the {name} {values[0]!r} and {values[1]!r}.")
        return {name: rows[0][column] for name, column in columns.items()}


def read_rows(
    path: Path,
    columns: Sequence[str] = (),
    sheets: Sequence[str] = (),
    skip_rows: int = 0,
) -> Iterator[Row]:
    """Read the rows of a CSV or XLSX file; names of columns and values are trimmed.

    Args:
        path: File.
        columns: Names of the columns of a file without a header.
        sheets: Sheets of an XLSX file; default the first one.
        skip_rows: Rows above the header.

    Raises:
        DatasetError: The file is not a table of this kind, or not in UTF-8.
    """
    is_book = path.suffix.lower() == ".xlsx"
    for sheet, lines in _xlsx_sheets(path, sheets) if is_book else [("", _csv_lines(path))]:
        body = lines[skip_rows:]
        names = list(columns) or [name.strip() for name in (body[0] if body else [])]
        for number, line in enumerate(body[0 if columns else 1 :], start=1):
            if any(cell.strip() for cell in line[len(names) :]):
                raise DatasetError(
                    f"{path}: row {number} has {len(line)} cells, the header {len(names)}. Quote cells that hold the "
                    "separator, or take out what stands beside the table."
                )
            if any(cell.strip() for cell in line):
                row = {name: cell.strip() for name, cell in zip(names, line, strict=False) if name}
                yield row | ({"sheet": sheet} if sheet else {})


def _csv_lines(path: Path) -> list[list[str]]:
    """Read a CSV file; the separator is the one of comma, semicolon and tab that its first line has most often."""
    fix = "Save it as CSV in UTF-8."
    with reading(path, csv.Error, fix=fix), path.open(newline="", encoding="utf-8-sig") as stream:
        first = stream.readline()
        stream.seek(0)
        return list(csv.reader(stream, delimiter=max(SEPARATORS, key=first.count)))


def _xlsx_sheets(path: Path, sheets: Sequence[str]) -> list[tuple[str, list[list[str]]]]:
    openpyxl: Any = require("openpyxl", "XLSX")
    with reading(path, KeyError, zipfile.BadZipFile, openpyxl.utils.exceptions.InvalidFileException):
        with zipfile.ZipFile(path) as pack:
            check_claim(path, (sum(info.file_size for info in pack.infolist()),), 1, max_bytes=MAX_XLSX_BYTES)
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        names = list(sheets) or book.sheetnames[:1]
        absent = [name for name in names if name not in book.sheetnames]
        if absent:
            raise DatasetError(f"{path} has no sheet {absent[0]!r}; it has {', '.join(map(repr, book.sheetnames))}.")
        return [(name, [[_cell(value) for value in row] for row in book[name].values]) for name in names]


def _cell(value: object) -> str:
    """Return a cell as text; a number that Excel stored as 3.0 is 3."""
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
