"""Open an input: a path, a folder of parts or `-` to a table, whose format the first bytes tell."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Final

from lossctl.core.block import Pending
from lossctl.errors import DataError, printable
from lossctl.io.source import READABLE, Source, spooled_stdin
from lossctl.io.table import Kind, Piece, Shape, Table

JSON_SUFFIXES: Final = (".jsonl", ".ndjson", ".json")
OTHERS: Final = ((".parquet", "Parquet", "PAR1"), (".npy", ".npy", r"\x93NUMPY"), (".npz", ".npz", "PK"))


def open_table(path: str, delimiter: str | None = None) -> Table:
    """Open one input: a file of any readable format, a folder of parts, or `-` for standard input."""
    if path == "-":
        return table_of(spooled_stdin(), delimiter)
    if os.path.isdir(path):
        return folder_of_parts(path, delimiter)
    return table_of(Source(path), delimiter)


def as_one(parts: Sequence[Table]) -> Table:
    """Return parts of one table, in this order, as that table."""
    return parts[0] if len(parts) == 1 else PartsTable(f"{parts[0].label} and {len(parts) - 1} more", parts, "")


def folder_of_parts(path: str, delimiter: str | None) -> Table:
    """Open a folder of parts, in the natural order of their names."""
    label = printable(path)
    files = [entry for entry in Path(path).iterdir() if not entry.name.startswith((".", "_"))]
    if not files:
        raise DataError(f"{label}: the folder holds no files")
    ordered = sorted(files, key=lambda entry: natural(entry.name))
    if any(entry.is_dir() for entry in ordered):
        raise DataError(f"{label}: the folder holds folders; parts lie side by side in one folder")
    return PartsTable(label, [open_table(str(entry), delimiter) for entry in ordered], "folder of ")


def table_of(source: Source, delimiter: str | None) -> Table:
    """Return a file as a table of its format."""
    if source.format == "parquet":
        from lossctl.io.parquet import ParquetTable

        return ParquetTable(source)
    if source.format == "npy":
        from lossctl.io.npy import NpyTable

        return NpyTable(source)
    if source.format == "zip":
        from lossctl.io.npy import NpzTable

        return NpzTable(source)
    plain = source.format in ("csv", "jsonl")
    if not plain and not source.compressed:
        raise DataError(f"{source.label}: {source.format} is not read; use {READABLE}")
    for suffix, kind, begins in OTHERS:
        if plain and source.stem.endswith(suffix):
            raise DataError(f"{source.label}: not a {kind} file: it does not begin with {begins}")
    if source.stem.endswith(JSON_SUFFIXES) or source.holds_json:
        from lossctl.io.jsonl import JsonTable

        return JsonTable(source)
    from lossctl.io.csv import CsvTable

    return CsvTable(source, delimiter)


def natural(name: str) -> list[tuple[int, str]]:
    """Sort key that puts part-2 before part-10."""
    return [(int(piece), "") if piece.isdigit() else (-1, piece) for piece in re.split(r"(\d+)", name)]


class PartsTable(Table):
    """Parts that are read as one table; `kind` says before their formats what they make together."""

    def __init__(self, label: str, parts: Sequence[Table], kind: str) -> None:
        self.label = label
        self.parts = parts
        self.kind = kind
        for part in self.parts[1:]:
            if set(part.names) != set(self.parts[0].names):
                odd = sorted(set(part.names) ^ set(self.parts[0].names))
                raise DataError(f"{part.label}: its columns differ from those of {self.parts[0].label}: {odd}")
        self._starts: list[int] = []
        if all(part.rows is not None for part in self.parts):
            self._starts = list(accumulate((part.rows or 0 for part in self.parts[:-1]), initial=0))

    @property
    def format(self) -> str:
        formats = dict.fromkeys(part.format or "" for part in self.parts)
        return f"{self.kind}{len(self.parts)} {'/'.join(formats)} file{'s' if len(self.parts) > 1 else ''}"

    @property
    def names(self) -> tuple[str, ...]:
        return self.parts[0].names

    def watch(self, pattern: str) -> None:
        """Let parts in which columns may come late know a pattern by which columns were chosen."""
        for part in self.parts:
            part.watch(pattern)

    @property
    def rows(self) -> int | None:
        counts = [part.rows for part in self.parts]
        return None if any(count is None for count in counts) else sum(count or 0 for count in counts)

    def shape(self, name: str) -> Shape:
        return self.parts[0].shape(name)

    def unchanged(self) -> None:
        for part in self.parts:
            part.unchanged()

    def where(self, row: int) -> str:
        place = max((i for i, start in enumerate(self._starts) if start <= row), default=0)
        return self.parts[place].where(row - (self._starts[place] if self._starts else 0))

    @property
    def cuts(self) -> list[int] | None:
        cuts = [part.cuts for part in self.parts]
        if self.rows is None or any(inside is None for inside in cuts):
            return None
        return [start + cut for start, inside in zip(self._starts, cuts, strict=True) for cut in inside or ()]

    def read(self, columns: Mapping[str, Kind], start: int = 0, stop: int | None = None) -> Iterator[Pending[Piece]]:
        if self.cuts is None:
            yield from self._read_all(columns)
            return
        for part, first in zip(self.parts, self._starts, strict=True):
            begin, end = max(start - first, 0), part.rows or 0
            end = end if stop is None else min(end, stop - first)
            if begin < end:
                yield from part.read(columns, begin, end)

    def _read_all(self, columns: Mapping[str, Kind]) -> Iterator[Pending[Piece]]:
        row = 0
        self._starts = []
        for part in self.parts:
            self._starts.append(row)
            for piece in part.read(columns):
                row += piece.rows
                yield piece
