"""One case for each image file that fits a pattern."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from rasd_nnu.dataset_specs.layouts.index import FileIndex, Match, by_fields
from rasd_nnu.dataset_specs.layouts.rows import JoinedTable
from rasd_nnu.dataset_specs.schema.layout import FilesLayout
from rasd_nnu.dataset_specs.source import Ref, SourceCase
from rasd_nnu.dataset_specs.template import fill
from rasd_nnu.errors import DatasetError

UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def find_cases(layout: FilesLayout, index: FileIndex) -> list[SourceCase]:
    """List the images of a release with their fields; annotations are attached later.

    Raises:
        DatasetError: A channel or a row of a table is missing.
    """
    tables = [JoinedTable(index, table) for table in layout.tables]
    channels = [_Channel(index, pattern) for pattern in layout.images[1:]]
    options = tuple(layout.options.items())
    cases = []
    for match in index.find(layout.images[0]):
        fields = _with_tables(match, tables)
        if fields is None or not fits(fields, layout.only):
            continue
        others = [channel.of(match) for channel in channels]
        paths = [index.path_of(found) for found in (match, *others)]
        refs = tuple(Ref(path, format=layout.format, options=options) for path in paths)
        cases.append(SourceCase(case_id(layout.case, fields), refs, fields))
    return cases


class _Channel:
    """A further image of each case, joined by the fields that its pattern shares with the first image."""

    def __init__(self, index: FileIndex, pattern: str) -> None:
        self.pattern = pattern
        self.matches = index.find(pattern)
        self.names = sorted(self.matches[0].fields) if self.matches else []
        self.groups = by_fields(self.matches, self.names)

    def of(self, match: Match) -> Match:
        key = tuple(match.fields.get(name, "") for name in self.names)
        found = self.groups.get(key, [])
        if len(found) != 1:
            state = "is missing" if not found else f"occurs {len(found)} times"
            raise DatasetError(f"{match.path}: its channel {fill_known(self.pattern, match.fields)} {state}.")
        return found[0]


def _with_tables(match: Match, tables: Sequence[JoinedTable]) -> dict[str, str] | None:
    """Return the fields with those of the tables; None where a table that may leave cases out has no row."""
    fields = dict(match.fields)
    for joined in tables:
        taken = joined.taken(fields)
        if taken is None and joined.table.required:
            key = ", ".join(f"{column}={fill_known(text, fields)}" for column, text in joined.table.key.items())
            raise DatasetError(f"{match.path} has no row in {joined.table.file} ({key}); is the table complete?")
        if taken is None:
            return None
        fields |= taken
    return fields


def fits(fields: Mapping[str, str], only: Mapping[str, str]) -> bool:
    """Whether every named field fits its expression completely."""
    return all(re.fullmatch(expression, fields.get(name, "")) for name, expression in only.items())


def case_id(template: str, fields: Mapping[str, str]) -> str:
    """Return a case id that is safe as the name of a file."""
    return UNSAFE.sub("_", fill(template, fields)).strip("_.")


def fill_known(pattern: str, fields: Mapping[str, str]) -> str:
    """Put the fields that are known into a pattern, for messages."""
    return re.sub(r"\{(\w+)(?::[^{}]*)?\}", lambda hit: fields.get(hit[1], hit[0]), pattern)
