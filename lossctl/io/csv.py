"""CSV and TSV, plain or compressed, streamed with declared types; where a row fails, its text is read again in order.

Numbers are what a float can be written as (`-1.5`, `2e-3`, `inf`, `nan`), blanks around them allowed. A field is
null if it is empty or one of `NULLS`; in text columns only an empty field is. Booleans are true/false.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from lossctl.core.block import Pending, ready
from lossctl.errors import DataError, UsageError, listed, printable
from lossctl.io import arrow
from lossctl.io.source import Chunk, Source, Unsafe
from lossctl.io.table import Cells, Column, FileTable, Kind, Numbers, Piece, Shape, Texts

NULLS: Final = ("", "NA", "N/A", "n/a", "#N/A", "NULL", "null", "None", "none", "<NA>")
TRUE, FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
NUMBER: Final = re.compile(
    r"[ \t]*[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|inf|infinity|nan)[ \t]*", re.IGNORECASE
)
HEAD: Final = 1 << 20  # bytes in which the header and the first rows are looked for
BLOCK_BYTES: Final = 1 << 20
LOOK: Final = 100  # rows looked at to tell a column of booleans or text from one of numbers
SHOWN: Final = 40  # characters of a field that a message shows
ANY_BYTE: Final = "latin-1"  # an encoding in which every byte is a character


@dataclass(frozen=True)
class Field:
    """How the fields of a column are read; those of numbers may be booleans throughout."""

    kind: Kind
    boolean: bool = False

    @property
    def type(self) -> pa.DataType:
        """The type as which Arrow reads the column."""
        if self.kind is Kind.NUMBER:
            return pa.bool_() if self.boolean else pa.float64()
        if self.kind is Kind.TEXT:
            return pa.dictionary(pa.int32(), pa.string())
        return pa.string() if self.kind is Kind.KEY else pa.large_binary()

    def fault(self, field: bytes) -> str:
        """Say what is wrong with a field, or nothing."""
        if self.kind is Kind.CELL:
            return ""
        try:
            text = field.decode("utf-8")
        except UnicodeDecodeError:
            return f"{field[:SHOWN]!r} is not UTF-8 text"
        return number_fault(text, self.boolean) if self.kind is Kind.NUMBER else ""

    def column(self, fields: Sequence[bytes]) -> Column:
        """Return fields without a fault as a column."""
        if self.kind is Kind.CELL:
            return Cells(pa.array(fields, pa.large_binary()))
        texts = [field.decode("utf-8") for field in fields]
        if self.kind is Kind.KEY:
            return arrow.column(pa.array(texts, pa.string()), Kind.KEY)
        if self.kind is Kind.TEXT:
            return Texts.of([text or None for text in texts])
        null = np.array([text in NULLS for text in texts], dtype=bool)
        return Numbers(np.array([[as_number(text) for text in texts]]), null if null.any() else None)


def kind_of(text: str) -> str:
    """Say what a field that is not missing holds: boolean, number or text."""
    return "boolean" if text in TRUE + FALSE else "number" if NUMBER.fullmatch(text) else "text"


def number_fault(text: str, boolean: bool) -> str:
    """Say what is wrong with a field among numbers, or among booleans; or nothing."""
    if text in NULLS or kind_of(text) == ("boolean" if boolean else "number"):
        return ""
    return f"{text[:SHOWN]!r} is not {'true or false, as the rows before it' if boolean else 'a number'}"


def as_number(text: str) -> float:
    """Read a number, a boolean or a null."""
    if text in NULLS:
        return np.nan
    return float(text in TRUE) if text in TRUE + FALSE else float(text)


Fields = Mapping[str, Field]


@dataclass(frozen=True)
class Section:
    """A section of the text: how to open it, lines to skip, the row that comes first, and the bytes read at a time."""

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
        self.kind = "tsv" if self.delimiter == "\t" else "csv"

    # the header ------------------------------------------------------------------------------------------------------

    @cached_property
    def _head(self) -> tuple[list[list[str]], int]:
        """The header and the first rows, as text, and the length of the header line in bytes.

        It is 0 where a quote or a lone carriage return leaves to a reader where the header ends.
        """
        with self.source.reading(), self.source.stream() as stream:
            raw = bytes(stream.read(HEAD))
        if not raw.strip(b"\xef\xbb\xbf\r\n\t "):
            raise DataError(f"{self.label}: the file is empty")
        if b"\0" in raw:
            raise DataError(f"{self.label}: this is no CSV text (it holds zero bytes)")
        try:
            re.split(rb"[\r\n]", raw, maxsplit=1)[0].decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{self.label}: the header is not UTF-8 text (byte {error.start + 1})") from None
        text = raw.decode("utf-8-sig", errors="replace")
        line, end, _ = raw.partition(b"\n")
        clear = end and b'"' not in line and b"\r" not in line[:-1]
        try:
            records = csv.reader(io.StringIO(text, newline=""), delimiter=self.delimiter)
            return [row for row, _ in zip(records, range(LOOK + 1), strict=False)], len(line) + 1 if clear else 0
        except csv.Error as error:
            raise DataError(f"{self.label}: the first rows are no CSV: {error}") from None

    @cached_property
    def names(self) -> tuple[str, ...]:
        names = self._head[0][0]
        if not any(names):
            raise DataError(f"{self.label}: the header line is empty")
        if len(names) == 1:
            for separator, flag in ((";", "';'"), ("\t", "$'\\t'"), ("|", "'|'")):
                if separator in names[0] and separator != self.delimiter:
                    raise DataError(
                        f"{self.label}: read with {self.delimiter!r} it has one column, {names[0]!r}; "
                        f"if it is separated by {separator!r}, add -d {flag}"
                    )
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise DataError(f"{self.label}: the header names {listed([repr(name) for name in twice])} more than once")
        return tuple(names)

    def shape(self, name: str) -> Shape:
        place = self.names.index(name)
        for row in self._head[0][1:]:
            cell = row[place].strip() if place < len(row) else ""
            if cell not in NULLS:
                return Shape(kind_of(cell))
        return Shape("number")

    # rows ------------------------------------------------------------------------------------------------------------

    def read(self, columns: Mapping[str, Kind], start: int = 0, stop: int | None = None) -> Iterator[Pending[Piece]]:
        fields = {
            name: Field(kind, kind is Kind.NUMBER and self.shape(name).kind == "boolean")
            for name, kind in columns.items()
        }
        if len(self._head[0]) == 1:
            return
        with self.source.reading():
            yield from self._read(fields)
        self.source.unchanged()

    def _read(self, fields: Fields) -> Iterator[Pending[Piece]]:
        """Cut the text into pieces of whole rows that any thread may decode, as far as that is safe."""
        row, header = 0, self._head[1]
        unsafe = None if header else Unsafe(0)
        for chunk in self.source.chunks(header, self.delimiter) if header else ():
            if isinstance(chunk, Unsafe):
                unsafe = chunk
                break
            yield Pending(chunk.rows, partial(self._decoded, chunk, fields, row))
            row += chunk.rows
        if unsafe is not None:
            yield from map(ready, self._in_one_go(fields, row, header + unsafe.offset))

    def _decoded(self, chunk: Chunk, fields: Fields, first: int) -> Piece:
        """Parse a piece of text; of one with a bad row, the rows before it, and what is wrong with it."""
        try:
            table = arrow_csv.read_csv(
                pa.BufferReader(chunk.text),
                read_options=self._read_options(len(chunk.text) + 1),
                parse_options=self._parse_options(newlines=False),
                convert_options=_convert_options({name: field.type for name, field in fields.items()}),
            )
        except pa.ArrowInvalid as error:
            message = str(error)
        else:
            if table.num_rows == chunk.rows:
                return _piece(table.combine_chunks().to_batches()[0], fields)
            message = f"rows {first + 1} to {first + chunk.rows}: a quote stands where none may"
        text = Section(partial(pa.BufferReader, chunk.text), 0, first, len(chunk.text) + 1)
        complete: list[Piece] = []
        try:
            complete.extend(self._up_to_the_fault(fields, text, 0, message))
        except DataError as error:
            return Piece(Piece.joined(complete).columns if complete else {}, error)
        raise AssertionError(message)

    def _in_one_go(self, fields: Fields, first: int, offset: int) -> Iterator[Piece]:
        """Read the text from an offset on with one reader that follows the quotes."""
        header_lines = 1 + sum(name.count("\n") for name in self.names)
        text = Section(partial(self.source.stream, offset), 0 if offset else header_lines, first)
        row = first
        types = {name: field.type for name, field in fields.items()}
        try:
            with text.open() as stream, self._open(stream, types, text) as reader:
                for batch in reader:
                    if batch.num_rows:
                        yield _piece(batch, fields)
                        row += batch.num_rows
        except pa.ArrowInvalid as error:
            self.source.unchanged()
            yield from self._up_to_the_fault(fields, text, row - first, str(error))

    def _up_to_the_fault(self, fields: Fields, text: Section, start: int, message: str) -> Iterator[Piece]:
        """Read again, as text and in order: yield the good rows from `start` on, then raise for the first bad one.

        An earlier row may be wrong in a way that only a loss can tell, and is to be named first.
        """
        if "straddl" in message:
            raise DataError(f"{self.label}: one row is longer than {BLOCK_BYTES >> 20} MiB")
        ragged: list[tuple[int, str]] = []

        def on_ragged(row: arrow_csv.InvalidRow) -> str:
            place = row.number - text.skip - 1
            ragged.append((place, f": {row.actual_columns} fields, but the header has {row.expected_columns}"))
            return "skip"

        row = 0
        try:
            with text.open() as stream:
                for batch in self._open(stream, dict.fromkeys(fields, pa.binary()), text, on_ragged):
                    raw = {name: list(map(_raw_bytes, batch.column(name).to_pylist())) for name in fields}
                    # a row that was skipped moves the next one to its place, so that on a tie it comes first
                    faults = [*ragged[:1], *_first_fault(raw, fields, row)]
                    fault = min(faults, key=lambda entry: entry[0], default=None)
                    stop = batch.num_rows if fault is None else min(fault[0] - row, batch.num_rows)
                    good = slice(max(start - row, 0), stop)
                    if good.start < stop:
                        yield Piece({name: field.column(raw[name][good]) for name, field in fields.items()})
                    if fault is not None:
                        raise DataError(f"{self.where(text.first + fault[0])}{fault[1]}")
                    row += batch.num_rows
        except (pa.ArrowInvalid, OSError):
            pass  # the first message stands
        if ragged:
            raise DataError(f"{self.where(text.first + ragged[0][0])}{ragged[0][1]}")
        raise DataError(f"{self.label}: {message}")

    # Arrow's options -------------------------------------------------------------------------------------------------

    def _open(
        self, stream: pa.NativeFile, types: Mapping[str, pa.DataType], text: Section, on_ragged: object = None
    ) -> arrow_csv.CSVStreamingReader:
        """Read in threads; or, with `on_ragged`, in order and with any byte for a character, to find what is wrong."""
        lenient = on_ragged is not None
        options = self._read_options(text.block, lenient, header=text.skip > 0 and not lenient)
        options.skip_rows = text.skip if lenient else 0
        options.use_threads = not lenient
        return arrow_csv.open_csv(
            stream,
            read_options=options,
            parse_options=self._parse_options(newlines=True, on_ragged=on_ragged),
            convert_options=_convert_options(types),
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


def _convert_options(types: Mapping[str, pa.DataType]) -> arrow_csv.ConvertOptions:
    return arrow_csv.ConvertOptions(
        column_types=dict(types),
        include_columns=list(types),
        null_values=list(NULLS),
        strings_can_be_null=False,
        true_values=list(TRUE),
        false_values=list(FALSE),
    )


def _piece(batch: pa.RecordBatch, fields: Fields) -> Piece:
    return Piece({name: arrow.column(batch.column(name), field.kind) for name, field in fields.items()})


def _raw_bytes(field: bytes) -> bytes:
    """Return the bytes of a field as they stand in the file, undoing the lenient encoding."""
    return field.decode("utf-8").encode(ANY_BYTE)


def _first_fault(raw: Mapping[str, Sequence[bytes]], fields: Fields, start: int) -> Iterator[tuple[int, str]]:
    """Give the first fault of each column, but none behind that of an earlier column."""
    stop = None
    for name, field in fields.items():
        for row, value in enumerate(raw[name][:stop]):
            if fault := field.fault(value):
                stop = row
                yield start + row, f", column {printable(name)!r}: {fault}"
                break
