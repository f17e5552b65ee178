"""Parquet, streamed by row groups, with page checksums verified and declared sizes checked before decoding."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from itertools import accumulate
from typing import Any, Final

import pyarrow as pa

try:
    from pyarrow._parquet import ParquetReader  # what pyarrow.parquet gives too, but not without file systems and ssl
except ImportError:
    from pyarrow.parquet.core import ParquetReader

from lossctl.core.batch import BLOCK, block_rows
from lossctl.core.block import Pending, ready
from lossctl.errors import DataError
from lossctl.io import arrow
from lossctl.io.table import Column, FileTable, Kind, Piece, Shape

BUFFER_BYTES: Final = 1 << 16  # read at a time from each column: what a page takes stays in the cache


class ParquetTable(FileTable):
    """One Parquet file."""

    kind = "parquet"

    @cached_property
    def metadata(self) -> Any:
        """The footer, pyarrow's FileMetaData."""
        reader = ParquetReader()
        try:
            with self.source.file() as file:
                reader.open(file)
                footer = reader.metadata
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self.label}: not a readable Parquet file: {first_line(error)}") from None
        if sum(footer.row_group(group).num_rows for group in range(footer.num_row_groups)) != footer.num_rows:
            raise DataError(f"{self.label}: the file is damaged: its footer counts its rows in two ways")
        return footer

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns with their Arrow types, those in structs as `pred.score`."""
        try:
            schema = arrow.flat_schema(self.metadata.schema.to_arrow_schema())
            schema.names  # decodes them  # noqa: B018
        except UnicodeDecodeError as error:
            raise DataError(f"{self.label}: a column name is not UTF-8 text: {error.object!r}") from None
        return schema

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.schema.names)

    @property
    def rows(self) -> int:
        return int(self.metadata.num_rows)

    def shape(self, name: str) -> Shape:
        return self.completed(name, arrow.shape(self.schema.field(name).type))

    @cached_property
    def cuts(self) -> tuple[int, ...]:
        """The first rows of the row groups that hold any."""
        counts = [self.metadata.row_group(group).num_rows for group in range(self.metadata.num_row_groups)]
        starts = accumulate(counts, initial=0)
        return tuple(start for start, count in zip(starts, counts, strict=False) if count) or (0,)

    def read(self, columns: Mapping[str, Kind], start: int = 0, stop: int | None = None) -> Iterator[Pending[Piece]]:
        self._check_size(columns)
        self._check_single(columns)
        stop, size = self.rows if stop is None else stop, block_rows(self.row_width(columns))
        reader = ParquetReader()
        words = {name: arrow.DictionaryWords() for name, kind in columns.items() if kind is Kind.TEXT}
        try:
            with self.source.file() as file:
                # pre-buffering would keep every row group read so far
                reader.open(
                    file,
                    metadata=self.metadata,
                    page_checksum_verification=True,
                    pre_buffer=False,
                    buffer_size=BUFFER_BYTES,
                    read_dictionary=[name for name in words if "." not in name],  # Arrow reads none in structs
                    arrow_extensions_enabled=True,
                )
                leaves = [place for place, path in enumerate(reader.column_paths) if is_part(".".join(path), columns)]
                first, groups = self._groups(start, stop)
                for batch in reader.iter_batches(size, row_groups=groups, column_indices=leaves, use_threads=False):
                    low, high = max(start - first, 0), min(batch.num_rows, stop - first)
                    if low < high:
                        rows, row = arrow.flat(batch.slice(low, high - low)), first + low
                        yield ready(
                            Piece({name: self._column(rows, name, kind, words, row) for name, kind in columns.items()})
                        )
                    first += batch.num_rows
                    if first >= stop:
                        break
        except (pa.ArrowException, OSError) as error:
            self.source.unchanged()
            raise DataError(f"{self.label}: the file is damaged: {first_line(error)}") from None
        self.source.unchanged()

    def row_width(self, columns: Collection[str]) -> int | None:
        return sum(arrow.shape(self.schema.field(name).type).width or BLOCK for name in columns)

    def _groups(self, start: int, stop: int) -> tuple[int, list[int]]:
        """Return the first row of the row groups that hold rows start to stop, and these groups."""
        first, groups, end = 0, list[int](), 0
        for group in range(self.metadata.num_row_groups):
            begin, end = end, end + self.metadata.row_group(group).num_rows
            if begin < stop and end > start:
                first = first if groups else begin
                groups.append(group)
        return first, groups

    def _column(
        self, rows: pa.RecordBatch, name: str, kind: Kind, words: Mapping[str, arrow.DictionaryWords], first: int
    ) -> Column:
        with self.naming(name, first):
            return arrow.column(rows.column(name), kind, words.get(name))

    def _check_single(self, columns: Mapping[str, Kind]) -> None:
        """Refuse labels and keys of several values before reading: a nested column has no pages of its own name."""
        for name, kind in columns.items():
            if kind in (Kind.TEXT, Kind.KEY):
                with self.naming(name):
                    arrow.check_single(self.schema.field(name).type)

    def _check_size(self, columns: Collection[str]) -> None:
        size = sum(
            group.column(place).total_uncompressed_size
            for group in map(self.metadata.row_group, range(self.metadata.num_row_groups))
            for place in range(group.num_columns)
            if is_part(group.column(place).path_in_schema, columns)
        )
        self.check_claim(size)


def is_part(path: str, columns: Collection[str]) -> bool:
    """Whether what a file holds at a path, as `pred.v.list.element`, is a part of one of some columns."""
    return any(f"{path}.".startswith(f"{name}.") for name in columns)


def first_line(error: BaseException) -> str:
    """Return the first line of an Arrow error."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
