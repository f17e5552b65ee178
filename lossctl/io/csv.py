"""CSV and TSV, plain or compressed, streamed with declared types; what fails is found again row by row.

Numbers are what a float can be written as (`-1.5`, `2e-3`, `inf`, `nan`), blanks around them allowed. A field is
null if it is empty or one of `NULLS`; in text columns only an empty field is. Booleans are true/false.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial

import pyarrow as pa
import pyarrow.csv as arrow_csv

from lossctl.core.block import Pending, ready
from lossctl.errors import DataError, UsageError, listed
from lossctl.io import arrow
from lossctl.io.fields import (
    ANY_BYTE,
    FALSE,
    NULLS,
    NUMBER,
    TRUE,
    Chunk,
    Rest,
    chunks,
    first_wrong,
    kind_of,
    plain_piece,
)
from lossctl.io.source import COMPRESSED, Source
from lossctl.io.table import FileTable, Kind, Piece, Shape

HEAD = 1 << 20  # bytes in which the header and the first rows are looked for
BLOCK_BYTES = 1 << 20
LOOK = 100  # rows looked at to tell a column of booleans or text from one of numbers


@dataclass(frozen=True)
class _Place:
    """Text to be read: how to open it, the lines to skip, the row that comes first, and the bytes read at a time."""

    open: Callable[[], pa.NativeFile]
    skip: int
    first: int
    block: int = BLOCK_BYTES


class CsvTable(FileTable):
    """One CSV file; see the module for how fields are read."""

    def __init__(self, source: Source, delimiter: str | None) -> None:
        super().__init__(source)
        if delimiter is not None and (len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n'):
            raise UsageError(f"-d {delimiter!r}: one character is needed, and no quote, line end or sign beyond ASCII")
        self.delimiter = delimiter or ("\t" if source.stem.endswith((".tsv", ".tab")) else ",")

    @cached_property
    def head(self) -> list[list[str]]:
        """The header and the first rows, as text."""
        try:
            with self.source.stream() as stream:
                raw = bytes(stream.read(HEAD))
        except OSError as error:
            raise DataError(f"{self.label}: {self.source.explained(error)}") from None
        if not raw.strip(b"\xef\xbb\xbf\r\n\t "):
            raise DataError(f"{self.label}: the file is empty")
        if b"\0" in raw:
            raise DataError(f"{self.label}: this is no CSV text (it holds zero bytes)")
        first_line = re.split(rb"[\r\n]", raw, maxsplit=1)[0]
        try:
            first_line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{self.label}: the header is not UTF-8 text (byte {error.start + 1})") from None
        text = raw.decode("utf-8-sig", errors="replace")
        try:
            records = csv.reader(io.StringIO(text, newline=""), delimiter=self.delimiter)
            return [row for row, _ in zip(records, range(LOOK + 1), strict=False)]
        except csv.Error as error:
            raise DataError(f"{self.label}: the first rows are no CSV: {error}") from None

    @cached_property
    def names(self) -> tuple[str, ...]:
        names = self.head[0]
        if not any(names):
            raise DataError(f"{self.label}: the header line is empty")
        if len(names) == 1:
            for other, flag in ((";", "';'"), ("\t", "$'\\t'"), ("|", "'|'")):
                if other in names[0] and other != self.delimiter:
                    raise DataError(
                        f"{self.label}: read with {self.delimiter!r} it has one column, {names[0]!r}; "
                        f"if it is separated by {other!r}, add -d {flag}"
                    )
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise DataError(f"{self.label}: the header names {listed([repr(name) for name in twice])} more than once")
        return tuple(names)

    def shape(self, name: str) -> Shape:
        place = self.names.index(name)
        for row in self.head[1:]:
            cell = row[place].strip() if place < len(row) else ""
            if cell not in NULLS:
                kind = "boolean" if cell in TRUE + FALSE else "number" if NUMBER.fullmatch(cell) else "text"
                return Shape(kind)
        return Shape("number")

    def read(self, columns: Mapping[str, Kind], start: int = 0, stop: int | None = None) -> Iterator[Pending[Piece]]:
        types = {name: self._type(name, kind) for name, kind in columns.items()}
        if len(self.head) == 1:
            return
        try:
            yield from self._read(types)
        except OSError as error:
            self.source.unchanged()
            raise DataError(f"{self.label}: {self.source.explained(error)}") from None
        self.source.unchanged()

    def _read(self, types: Mapping[str, pa.DataType]) -> Iterator[Pending[Piece]]:
        """Cut the text into pieces of whole rows that any thread may decode, as far as that is safe."""
        row, header = 0, self._header_bytes
        rest = None if header else Rest(0)
        if header:
            with self.source.stream(header) as stream:
                for chunk in chunks(stream, self.delimiter, ahead=self.source.format in COMPRESSED):
                    if isinstance(chunk, Rest):
                        rest = chunk
                        break
                    yield Pending(chunk.rows, partial(self._decoded, chunk, types, row))
                    row += chunk.rows
        if rest is not None:
            yield from map(ready, self._in_one_go(types, row, header + rest.offset))

    def _decoded(self, chunk: Chunk, types: Mapping[str, pa.DataType], first: int) -> Piece:
        """Parse a piece of text; of one with a bad row, the rows before it, and what is wrong with it."""
        try:
            table = arrow_csv.read_csv(
                pa.BufferReader(chunk.text),
                read_options=self._read_options(len(chunk.text) + 1),
                parse_options=self._parse_options(newlines=False),
                convert_options=self._convert_options(types),
            )
        except pa.ArrowInvalid as error:
            message = str(error)
        else:
            if table.num_rows == chunk.rows:
                return self._piece(table.combine_chunks().to_batches()[0], types)
            message = f"rows {first + 1} to {first + chunk.rows}: a quote stands where none may"
        good: list[Piece] = []
        place = _Place(partial(pa.BufferReader, chunk.text), 0, first, len(chunk.text) + 1)
        try:
            good.extend(self._up_to_the_fault(types, place, 0, message))
        except DataError as error:
            return Piece(Piece.joined(good).columns if good else {}, error)
        raise AssertionError(message)

    def _in_one_go(self, types: Mapping[str, pa.DataType], first: int, offset: int) -> Iterator[Piece]:
        """Read the text from an offset on with one reader that follows the quotes."""
        place, row = _Place(partial(self.source.stream, offset), 0 if offset else self._header_lines, first), first
        try:
            with place.open() as stream, self._open(stream, types, place) as reader:
                for batch in reader:
                    if batch.num_rows:
                        yield self._piece(batch, types)
                        row += batch.num_rows
        except pa.ArrowInvalid as error:
            self.source.unchanged()
            yield from self._up_to_the_fault(types, place, row - first, str(error))

    def _piece(self, batch: pa.RecordBatch, types: Mapping[str, pa.DataType]) -> Piece:
        return Piece(
            {
                name: arrow.column(array, kind_of(types[name]))
                for name, array in zip(batch.schema.names, batch.columns, strict=True)
            }
        )

    def _type(self, name: str, kind: Kind) -> pa.DataType:
        if kind is Kind.KEY:
            return pa.string()
        if kind is Kind.CELL:
            return pa.large_binary()
        if kind is Kind.TEXT:
            return pa.dictionary(pa.int32(), pa.string())
        return pa.bool_() if self.shape(name).kind == "boolean" else pa.float64()

    def _open(
        self, stream: pa.NativeFile, types: Mapping[str, pa.DataType], place: _Place, on_ragged: object = None
    ) -> arrow_csv.CSVStreamingReader:
        """Read in threads; or, with `on_ragged`, in order and with any byte for a character, to find what is wrong."""
        lenient = on_ragged is not None
        options = self._read_options(place.block, lenient, header=place.skip > 0 and not lenient)
        options.skip_rows = place.skip if lenient else 0
        options.use_threads = not lenient
        return arrow_csv.open_csv(
            stream,
            read_options=options,
            parse_options=self._parse_options(newlines=True, on_ragged=on_ragged),
            convert_options=self._convert_options(types),
        )

    def _read_options(self, block: int, lenient: bool = False, header: bool = False) -> arrow_csv.ReadOptions:
        return arrow_csv.ReadOptions(
            block_size=block,
            use_threads=False,
            encoding=ANY_BYTE if lenient else "utf8",
            column_names=[] if header else list(self.names),
        )

    def _parse_options(self, newlines: bool, on_ragged: object = None) -> arrow_csv.ParseOptions:
        return arrow_csv.ParseOptions(
            delimiter=self.delimiter,
            newlines_in_values=newlines,
            ignore_empty_lines=False,
            invalid_row_handler=on_ragged,
        )

    def _convert_options(self, types: Mapping[str, pa.DataType]) -> arrow_csv.ConvertOptions:
        return arrow_csv.ConvertOptions(
            column_types=dict(types),
            include_columns=list(types),
            null_values=list(NULLS),
            strings_can_be_null=False,
            true_values=list(TRUE),
            false_values=list(FALSE),
        )

    @property
    def _header_lines(self) -> int:
        return 1 + sum(name.count("\n") for name in self.names)

    @cached_property
    def _header_bytes(self) -> int:
        """The length of the header line; 0 where a quote or a lone carriage return leaves that to a reader."""
        with self.source.stream() as stream:
            line, end, _ = bytes(stream.read(HEAD)).partition(b"\n")
        return 0 if not end or b'"' in line or b"\r" in line[:-1] else len(line) + 1

    def _up_to_the_fault(
        self, types: Mapping[str, pa.DataType], place: _Place, done: int, message: str
    ) -> Iterator[Piece]:
        """Read again, as text and in order: yield the good rows after `done`, then raise for the first bad one.

        An earlier row may be wrong in a way that only a loss can tell, and is to be named first.
        """
        if "straddl" in message:
            raise DataError(f"{self.label}: one row is longer than {BLOCK_BYTES >> 20} MiB")
        ragged: list[tuple[int, str]] = []

        def on_ragged(row: arrow_csv.InvalidRow) -> str:
            at = row.number - place.skip - 1
            ragged.append((at, f"{row.actual_columns} fields, but the header has {row.expected_columns}"))
            return "skip"

        row = 0
        try:
            with place.open() as stream:
                for batch in self._open(stream, dict.fromkeys(types, pa.binary()), place, on_ragged):
                    # a row that was skipped moves the next one to its place, so that on a tie it comes first
                    found = [*((at, f": {fault}") for at, fault in ragged[:1]), first_wrong(batch, types, row)]
                    fault = min((entry for entry in found if entry), key=lambda entry: entry[0], default=None)
                    stop = batch.num_rows if fault is None else min(fault[0] - row, batch.num_rows)
                    if row + stop > done:
                        yield plain_piece(batch.slice(max(done - row, 0), row + stop - max(done, row)), types)
                    if fault is not None:
                        raise DataError(f"{self.where(place.first + fault[0])}{fault[1]}")
                    row += batch.num_rows
        except (pa.ArrowInvalid, OSError):
            pass  # the first message stands
        if ragged:
            raise DataError(f"{self.where(place.first + ragged[0][0])}: {ragged[0][1]}")
        raise DataError(f"{self.label}: {message}")
