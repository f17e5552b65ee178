"""CSV and TSV, plain or compressed, streamed with declared types; where a row fails, its text is read record by record.

Numbers are what a float can be written as (`-1.5`, `2e-3`, `inf`, `nan`), blanks around them allowed, or as the dialect
says. A field is null if it is empty or one of `NULLS`; in text columns only an empty field is. Booleans are true/false.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from lossctl.errors import DataError, printable
from lossctl.io import arrow, records
from lossctl.io.records import Chunk, Fault, Format, Record, TextTable
from lossctl.io.source import BLANKS, FALSE, NONE, NULLS, SHOWN, TRUE, Content, Dialect, Source, inexact, vector_fault
from lossctl.io.table import Cells, Column, Kind, Numbers, Piece, RowFault, Shape
from lossctl.numerics.array import MOST_EXACT

HEAD: Final = 1 << 20  # bytes in which the header and the first rows are looked for
LOOK: Final = 100  # rows looked at to tell a column of booleans or text from one of numbers
DROP: Final = "; --bad-rows drop leaves such rows out"
COMMENTS: Final = ("#", "%", "//")  # with which comments begin in other files
CONVERTED: Final = "; if it is Western text of Windows, iconv -f CP1252 -t UTF-8 converts the file"
BOM: Final = b"\xef\xbb\xbf"
SEPARATOR_LINE: Final = rb"(?i:sep)=([ -~\t])(?:\r\n?|\n)"  # which Excel writes and reads
SEPARATORS: Final = {";": "';'", "\t": "$'\\t'", "|": "'|'", " ": BLANKS}  # and how -d is given them


class Field(NamedTuple):
    """How the fields of one column are read. place: of the field in a record. boolean: whether all are true or false.

    respelled: whether the dialect writes numbers in another way than Python, for the cells of a survey. width: of
    vectors that are written as text, else 0.
    """

    kind: Kind
    dialect: Dialect
    place: int
    boolean: bool = False
    respelled: bool = False
    width: int = 0

    @property
    def type(self) -> pa.DataType:
        """The type as which Arrow reads the column."""
        if self.width and self.kind in (Kind.NUMBER, Kind.CELL):
            return pa.string() if self.kind is Kind.NUMBER else pa.large_binary()
        if self.kind is Kind.NUMBER and (self.boolean or self.dialect.thousands is None):
            return pa.bool_() if self.boolean else pa.float64()
        if self.kind is Kind.TEXT:
            return pa.dictionary(pa.int32(), pa.string())
        return pa.large_binary() if self.kind is Kind.CELL else pa.string()

    def fault(self, field: bytes) -> str:
        """Say what is wrong with a field, or nothing."""
        if self.kind is Kind.CELL:
            return ""
        try:
            text = field.decode("utf-8")
        except UnicodeDecodeError:
            return f"{field[:SHOWN]!r} is not UTF-8 text{CONVERTED}"
        if self.kind is Kind.NUMBER and self.width:
            return "" if text in self.dialect.nulls else vector_fault(text, self.width)
        return self.dialect.number_fault(text, self.boolean) if self.kind is Kind.NUMBER else ""

    def column(self, fields: Sequence[bytes]) -> Column:
        """Return fields without a fault as a column."""
        if self.kind is Kind.CELL and self.width:
            return self._vectors(fields)
        if self.kind is Kind.CELL:
            return Cells(arrow.text_array([self._plain(field) for field in fields], pa.large_binary()))
        texts = [field.decode("utf-8") for field in fields]
        if self.kind is Kind.NUMBER and self.width:
            return arrow.written_vectors(arrow.text_array(texts), self.width, self.dialect)
        if self.kind is Kind.NUMBER:
            null = np.array([self.dialect.is_null(text) for text in texts], dtype=bool)
            numbers = np.array([[self.dialect.as_number(text) for text in texts]], dtype=np.float64)
            return Numbers(numbers, null if null.any() else None)
        labels = [None if not text or text in self.dialect.null else text for text in texts]
        return arrow.column(arrow.text_array(labels), self.kind)

    def of_arrow(self, array: pa.Array) -> Column | None:
        """Convert what Arrow has read; None where its fields must be looked at one by one."""
        if self.kind is Kind.CELL:
            return self.column(array.to_pylist()) if self.respelled or self.width else Cells(array)
        if self.kind is not Kind.NUMBER:
            return arrow.column(arrow.without(array, self.dialect.null) if self.dialect.null else array, self.kind)
        try:
            if self.width:
                return arrow.written_vectors(array, self.width, self.dialect)
            numbers = arrow.numbers(arrow.parsed(array, self.dialect) if pa.types.is_string(array.type) else array)
            return numbers.without(self.dialect.null_numbers) if self.dialect.null else numbers
        except RowFault:
            return None

    def _vectors(self, fields: Sequence[bytes]) -> Column:
        """Return cells of a survey as vectors, as text where one is none."""
        vectors = self._replace(kind=Kind.NUMBER)
        if not any(map(vectors.fault, fields)):
            return vectors.column(fields)
        return Cells(arrow.text_array([field.decode("utf-8", "replace") for field in fields], pa.large_string()))

    def _plain(self, field: bytes) -> bytes:
        """Write a number of a survey as Python does, and a missing one as nothing."""
        text = field.decode("utf-8", "replace") if self.respelled else ""
        if self.dialect.is_null(text):
            return field if text in NULLS else b""
        return self.dialect.plain(text).encode() if self.dialect.kind_of(text) == "number" else field


Fields = Mapping[str, Field]


class Look(NamedTuple):
    """What the first rows say of a column: its place, its shape, and how many entries its texts have as vectors."""

    place: int
    shape: Shape
    entries: int


class CsvTable(TextTable[Field, Record]):
    """One CSV file; see the module for how fields are read."""

    unit = "row"

    def __init__(self, source: Source, dialect: Dialect) -> None:
        super().__init__(source, dialect)
        self._usual = dialect.delimiter or ("\t" if source.stem.endswith((".tsv", ".tab")) else ",")
        self.kind = "tsv" if self._usual == "\t" else "csv"

    @cached_property
    def delimiter(self) -> str:
        """What separates fields: as the options say, or the first line, or the name of the file."""
        return self.dialect.delimiter or self._first_line[0] or self._usual

    # the header ------------------------------------------------------------------------------------------------------

    @cached_property
    def _start(self) -> bytes:
        """The beginning of the text."""
        raw = self.source.head(HEAD)
        if not raw.strip(BOM + b"\r\n\t "):
            raise DataError(f"{self.label}: the file is empty")
        if b"\0" in raw:
            advice = "if it is UTF-16 without a mark: iconv -f UTF-16LE -t UTF-8"
            raise DataError(f"{self.label}: this is no CSV text (it holds zero bytes); {advice}")
        return raw

    @cached_property
    def _first_line(self) -> tuple[str | None, int]:
        """The delimiter that a line `sep=;` declares, if there is one, and where the lines after it begin.

        Only lines that are no rows come before it.
        """
        start = len(BOM) if self._start.startswith(BOM) else 0
        comment = rb"|%b[^\r\n]*" % re.escape(self.dialect.comment.encode()) if self.dialect.comment else b""
        match = re.compile(rb"(?:(?:[ \t]*%b)(?:\r\n?|\n))*+%b" % (comment, SEPARATOR_LINE)).match(self._start, start)
        return (None, start) if match is None else (match[1].decode(), match.end())

    @cached_property
    def _head(self) -> tuple[list[str], list[Record], int]:
        """The header, some of the first rows, and where these begin; the header is made up where the file has none."""
        complete = self._first_records(self.dialect)
        if not complete:
            raise DataError(f"{self.label}: there is no header in the first {HEAD >> 20} MiB")
        first = complete[0]
        if fault := first.fault or (records.OVERRUN if first.overrun else ""):
            raise DataError(
                f"{self.label}: this is no CSV: in the header {fault}{self._way_on(self._start, first, {})}"
            )
        if self.dialect.no_header:
            return [f"column{place}" for place in range(len(first.fields))], complete, first.start
        try:
            return [field.decode("utf-8") for field in first.fields], complete[1:], first.end
        except UnicodeDecodeError as error:
            raise DataError(f"{self.label}: the header is not UTF-8 text (byte {error.start + 1}){CONVERTED}") from None

    def _first_records(self, dialect: Dialect) -> list[Record]:
        """Return the header and the first rows as a dialect reads them, none that may go on."""
        raw = self._start
        first_records = Format(self.delimiter, dialect).first_records(raw, self._first_line[1], LOOK + 1)
        return [record for record in first_records if record.end < len(raw) or len(raw) < HEAD]

    @cached_property
    def names(self) -> tuple[str, ...]:
        names, rows, _ = self._head
        if not any(names):
            raise DataError(f"{self.label}: the header line is empty")
        for separator, flag in SEPARATORS.items() if len(names) == 1 and self.dialect.delimiter is None else ():
            second = rows[0].fields[0] if rows and rows[0].fields else b""
            if separator in names[0].strip() and (separator != " " or b" " in second.strip()):
                raise DataError(
                    f"{self.label}: read with {self.delimiter!r} it has one column, {names[0]!r}; "
                    f"if it is separated by {separator!r}, add -d {flag}"
                )
        return tuple(names)

    @property
    def doubt(self) -> str:
        names = self.names
        if names[0].startswith("#") and self.dialect.comment is None:
            return "; if its first line is a comment, add --comment '#'"
        if self.dialect.no_header:
            return ""
        if line := self._later_header():
            way = f"tail -n +{line} {shlex.quote(printable(self.source.path))} | lossctl ... -"
            return f"; if line {line} is its header, cut off what is above: {way}"
        if any(self.dialect.kind_of(name) == "number" for name in names):
            return "; if its first line holds data, add --no-header"
        return ""

    def _later_header(self) -> int:
        """Return the line that may be the header, where the first one names hardly a column; 0 where none may be."""
        names = [name for name in self.names if name]
        if self.source.compressed or len(names) > 1:
            return 0
        rows = (record for record in self._head[1] if len(record.fields) > 1 and all(record.fields))
        start = next((record.start for record in rows), 0)
        return self._start.count(b"\n", 0, start) + 1 if start else 0

    def shape(self, name: str) -> Shape:
        return self._look(name).shape

    def _look(self, name: str) -> Look:
        """Return what is known of a column by its first field that is not missing, among the first rows."""
        if name not in self._looks:
            place = self.place(name)
            fields = (record.fields[place] for record in self._head[1] if place < len(record.fields))
            cells = (field.decode("utf-8", "replace").strip() for field in fields)
            cell = next((cell for cell in cells if not self.dialect.is_null(cell)), "")
            kind, entries = self.dialect.content(cell) if cell else Content("number")
            self._looks[name] = Look(place, Shape(kind, entries or 1), entries)
        return self._looks[name]

    @cached_property
    def _looks(self) -> dict[str, Look]:
        return {}

    # rows ------------------------------------------------------------------------------------------------------------

    @cached_property
    def _format(self) -> Format:
        return Format(self.delimiter, self.dialect, keeps_empty=len(self.names) == 1)

    def _field(self, name: str, kind: Kind) -> Field:
        look, dialect = self._look(name), self.dialect
        is_number = look.shape.kind == "number"
        return Field(
            kind,
            dialect,
            look.place,
            boolean=kind is Kind.NUMBER and look.shape.kind == "boolean",
            respelled=kind is Kind.CELL and is_number and (bool(dialect.null) or not dialect.plain_numbers),
            width=look.entries,
        )

    def _chunks(self) -> Iterator[Chunk]:
        return self._cut(self._head[2], self._format.chunks)

    def _rows(self, chunk: Chunk) -> Iterable[Record]:
        return chunk.records or self._format.all_records(chunk.text)

    def _badness(self, record: Record) -> str:
        if record.fault or record.stray:
            return "quote"
        return "" if len(record.fields) == len(self.names) else "fields"

    def _is_plain(self, chunk: Chunk, fields: Fields) -> bool:
        """Whether Arrow reads a chunk as the strict reader does: quotes are odd at most in columns not read."""
        if chunk.records is None:
            return True
        places = {field.place for field in fields.values()}
        return not (self._format.escape or self._format.by_blanks) and not any(
            record.fault or record.overrun or not places.isdisjoint(record.stray) for record in chunk.records
        )

    @property
    def remarks(self) -> list[str]:
        remarks = super().remarks
        if self._format.long is not None:
            row, lines = self._format.long
            where = f"{self.label}: row {row + 1}"
            remarks.append(f"{where}: a field between quotes spans {lines} lines; see that no quote is left open")
        return remarks

    def _by_arrow(self, chunk: Chunk, fields: Fields) -> Piece | None:
        text = chunk.text
        if text.startswith(BOM) or not self._is_plain(chunk, fields):  # a mark Arrow would skip, wherever it stands
            return None
        try:
            batch = self._parsed(text, {field.place: field.type for field in fields.values()})
            if batch.num_rows != chunk.rows:
                return None
            columns: dict[str, Column] = {}
            for place, (name, field) in enumerate(fields.items()):
                if chunk.stray and field.kind is not Kind.CELL and self._holds_quote(batch.column(place)):
                    return None
                column = field.of_arrow(batch.column(place))
                if column is None or (isinstance(column, Numbers) and not self._exact(text, field, column)):
                    return None
                columns[name] = column
        except pa.ArrowInvalid:
            return None
        return Piece(columns)

    def _holds_quote(self, array: pa.Array) -> bool:
        """Whether some text of a column holds a quote."""
        words = array.dictionary if pa.types.is_dictionary(array.type) else array
        if pa.types.is_primitive(words.type):
            return False
        text = words.buffers()[2]
        return text is not None and self._format.quote in bytes(text)

    def _parsed(self, text: bytes, types: Mapping[int, pa.DataType]) -> pa.RecordBatch:
        """Parse columns, by their places, of whole records with Arrow."""
        quoted = bool(self._format.quote) and self._format.quote in text
        by_place = {str(place): kind for place, kind in types.items()}
        table = arrow_csv.read_csv(
            pa.BufferReader(text),
            read_options=arrow_csv.ReadOptions(
                use_threads=False, block_size=len(text) + 1, column_names=list(map(str, range(len(self.names))))
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=self._format.delimiter.decode(),
                quote_char=self._format.quote.decode() if quoted else False,
                newlines_in_values=quoted,
                ignore_empty_lines=False,
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=by_place,
                include_columns=list(by_place),
                null_values=sorted(self.dialect.nulls),
                strings_can_be_null=False,
                true_values=list(TRUE),
                false_values=list(FALSE),
                decimal_point=self.dialect.decimal,
            ),
        )
        return table.combine_chunks().to_batches()[0]

    def _exact(self, text: bytes, field: Field, column: Numbers) -> bool:
        """Whether no whole number of a column has lost a digit."""
        values = column.values[0]
        if not len(values) or max(np.fmax.reduce(values), -np.fmin.reduce(values)) < MOST_EXACT:
            return True
        words = self._parsed(text, {field.place: pa.string()}).column(0).filter(pa.array(np.abs(values) >= MOST_EXACT))
        return not any(inexact(self.dialect.plain(word)) for word in words.to_pylist())

    def _values(self, record: Record, chunk: Chunk, fields: Fields) -> list[bytes]:
        if record.fault:
            raise Fault(f": {record.fault}{self._way_on(chunk.text, record, fields)}{DROP}")
        if len(record.fields) != len(self.names):
            count = len(record.fields)
            needed = f"the header has {len(self.names)}{self._way_of_count(chunk.text, record, fields)}"
            raise Fault(f": {count} field{'s' * (count != 1)}, but {needed}")
        for name, field in fields.items():
            cell = record.fields[field.place]
            if field.place in record.stray and field.kind is not Kind.CELL:
                problem = records.OVERRUN if record.overrun else "a quote stands inside a field"
                fault = f"{problem}{self._way_on(chunk.text, record, fields)}{DROP}"
            else:
                fault = field.fault(cell)
                if fault and cell == name.encode() and field.kind is Kind.NUMBER and not self.dialect.no_header:
                    fault = f"{name!r} is not a number: the header stands there again; take it out"
            if fault:
                raise Fault(f", column {printable(name)!r}: {fault}")
        return [record.fields[field.place] for field in fields.values()]

    def _way_of_count(self, text: bytes, record: Record, fields: Fields) -> str:
        """Name what may be done about a record of another number of fields than the header."""
        if self.delimiter == " ":
            return "; if any number of blanks separates fields, add -d blanks"
        if self.dialect.comment is None and record.fields[0].startswith(tuple(map(str.encode, COMMENTS))):
            mark = next(mark for mark in COMMENTS if record.fields[0].startswith(mark.encode()))
            return f"; if that line is a comment, add --comment '{mark}'"
        if self.doubt:
            return self.doubt
        if len(rows := self._head[1]) > 1 and {len(row.fields) for row in rows} == {len(record.fields)}:
            return ", as all rows looked at have; name every column in the header"
        return self._way_on(text, record, fields) + DROP

    def _way_on(self, text: bytes, record: Record, fields: Fields) -> str:
        """Name the option with which a record can be read that quotes make unreadable, and the first rows as well."""
        start = text[record.start :]
        for flag, dialect in (
            ("--escape '\\'", replace(self.dialect, escape="\\")),
            (f"--quote {NONE}", replace(self.dialect, quote=NONE)),
            ("""--quote "'\"""", replace(self.dialect, quote="'")),
        ):
            if dialect == self.dialect:
                continue
            other = Format(self.delimiter, dialect).record(start, 0)
            fits = not other.fault and not other.overrun and (not fields or len(other.fields) == len(self.names))
            fits = fits and not any(
                field.place in other.stray or field.fault(other.fields[field.place]) for field in fields.values()
            )
            if fits and self._reads_first_rows(dialect):
                return f"; if the file is written so, add {flag}"
        return ""

    def _reads_first_rows(self, dialect: Dialect) -> bool:
        """Whether another dialect reads the header and the first rows, and those that this one reads alike."""
        now, then = self._first_records(self.dialect), self._first_records(dialect)
        width = len(now[0].fields)
        good = [record for record in now if not record.fault and not record.stray and len(record.fields) == width]
        fields = {record.start: record.fields for record in good}
        return all(
            not record.fault
            and len(record.fields) == len(then[0].fields)
            and (dialect.escape is not None or _alike(fields.get(record.start, record.fields), record.fields))
            for record in then
        )


def _alike(fields: Sequence[bytes], others: Sequence[bytes]) -> bool:
    """Whether a dialect of another quote reads the fields of a record as this one does, but for apostrophes around."""
    return len(fields) == len(others) and all(
        field in (other, b"'%b'" % other) for field, other in zip(fields, others, strict=True)
    )
