"""JSON lines, plain or compressed: one object on each line, streamed with declared types.

The columns are the keys of the records in the first MiB. A record may lack some of them, which is a missing value, and
have others, which are left alone; but one that a pattern such as `p_*` would have taken, had it come in time, is an
error. Arrow parses the pieces that it can read exactly; the lines of all others are read one by one.
"""

from __future__ import annotations

import fnmatch
import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.json as arrow_json

from lossctl.core.block import Pending
from lossctl.errors import DataError, printable
from lossctl.io import arrow as arrow_module
from lossctl.io import fields
from lossctl.io.fields import FALSE, NULLS, NUMBER, TRUE, Chunk, Rest, chunks
from lossctl.io.source import COMPRESSED, Source
from lossctl.io.table import Cells, Column, FileTable, Kind, Numbers, Piece, Shape, Texts

ALLOWED: Final = 'each line is one JSON object, as {"y": 1.5, "p": 2}'
MOST_DIGITS: Final = 310  # of a whole number that may be a float64


class Fault(Exception):
    """What is wrong with a line, to be put behind the place where it stands."""


class Pairs(list[tuple[str, Any]]):
    """The members of one object, in order, told apart from a list."""


def _refuse(word: str) -> None:
    raise Fault(f': holds {word}, which is no JSON; a missing value is null, an infinite one the text "inf"')


def _whole(digits: str) -> int | float:
    """Read a whole number; as a float where it is none of 64 bits in any case, or would lose its sign."""
    return float(digits) if digits == "-0" or len(digits) > MOST_DIGITS else int(digits)


DECODER: Final = json.JSONDecoder(object_pairs_hook=Pairs, parse_int=_whole, parse_constant=_refuse)


def record(line: bytes, wanted: Collection[str] | None = None) -> dict[str, Any]:
    """Return the members of the object on a line; raise Fault where there is none, or a wanted one stands twice."""
    if not line.strip():
        raise Fault(f": the line is empty; {ALLOWED}")
    try:
        found = DECODER.decode(line.decode())
    except UnicodeDecodeError as error:
        raise Fault(f": byte {error.start + 1} of the line is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise Fault(f": no JSON object: {error.msg.lower()} at character {error.colno}; {ALLOWED}") from None
    except RecursionError:
        raise Fault(f": nested too deeply; {ALLOWED}") from None
    if not isinstance(found, Pairs):
        raise Fault(f": holds {described(found)}; {ALLOWED}")
    members = dict(found)
    if len(members) < len(found):
        names = [name for name, _ in found if wanted is None or name in wanted]
        for name in members:
            if names.count(name) > 1:
                raise Fault(f": the key {printable(name)!r} stands twice in one object")
    return members


def described(value: object) -> str:
    """Say what a value is that has no place where it stands."""
    if isinstance(value, Pairs):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return "a text" if isinstance(value, str) else written(value)


def written(value: object) -> str:
    """Write a value as a message shows it, or as a text file holds it."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "{...}" if isinstance(value, Pairs) else "[...]"
    return json.dumps(value) if value is None or isinstance(value, bool) else repr(value)


LONGEST: Final = 40  # characters of a value that a message shows

PLAIN_WORDS: Final[Mapping[type | None, pa.DataType]] = {
    None: pa.string(),
    str: pa.string(),
    int: pa.int64(),
    bool: pa.bool_(),
}
PLAIN_NUMBERS: Final[Mapping[type | None, pa.DataType]] = {
    None: pa.float64(),
    int: pa.float64(),
    float: pa.float64(),
    bool: pa.bool_(),
}


@dataclass(frozen=True)
class Held:
    """What the first value of a column that is none of the missing ones says of it.

    kind: number, boolean, text or other. `vector` for lists, which have `width` entries. `plain` is the type of the
    value itself, None where there is none.
    """

    kind: str = "number"
    width: int = 1
    vector: bool = False
    plain: type | None = None

    @property
    def shape(self) -> Shape:
        return Shape(self.kind, self.width)

    def arrow(self, kind: Kind) -> pa.DataType | None:
        """Return the type as which Arrow reads the column most quickly; None where it cannot.

        It never decides what a value is: where a row does not fit, its piece is read as records.
        """
        if self.vector:
            inner = pa.bool_() if self.kind == "boolean" else pa.float64()
            return None if kind in (Kind.TEXT, Kind.KEY) else pa.list_(inner)
        if kind in (Kind.TEXT, Kind.KEY):
            return PLAIN_WORDS.get(self.plain)
        if self.plain is str:
            return pa.string() if kind is Kind.CELL and self.kind == "text" else None
        return PLAIN_NUMBERS.get(self.plain)


def held(value: Any) -> Held | None:
    """Return what a value says of its column; None for a missing one."""
    if value is None:
        return None
    if isinstance(value, str):
        text = value.strip()
        if text in NULLS:
            return None
        kind = "boolean" if text in TRUE + FALSE else "number" if NUMBER.fullmatch(text) else "text"
        return Held(kind, plain=str)
    if isinstance(value, Pairs):
        return Held("other", plain=Pairs)
    if isinstance(value, list):
        return Held("boolean" if value and isinstance(value[0], bool) else "number", len(value), True, list)
    return Held("boolean" if isinstance(value, bool) else "number", plain=type(value))


# values --------------------------------------------------------------------------------------------------------------


def number(value: Any, column: Held) -> float | None:
    """Return a value as a number; None for a missing one."""
    kind = type(value)
    if kind is float or kind is int:
        if column.kind == "boolean":
            raise Fault(f"{written(value)[:LONGEST]} is not true or false, as the rows before it")
        return _finite(value)
    if value is None:
        return None
    if kind is bool:
        if column.kind != "boolean":
            raise Fault(f"{written(value)} is not a number")
        return float(value)
    if kind is not str:
        raise Fault(f"holds {described(value)}; one number per row is needed")
    if value in NULLS:
        return None
    if column.kind == "boolean":
        if value not in TRUE + FALSE:
            raise Fault(f"{value[:LONGEST]!r} is not true or false, as the rows before it")
        return float(value in TRUE)
    if not NUMBER.fullmatch(value):
        raise Fault(f"{value[:LONGEST]!r} is not a number")
    return float(value)


def _finite(value: float) -> float:
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if math.isinf(found):
        raise Fault("holds a number beyond the range of float64, which ends at 1.797e308")
    return found


def vector(value: Any, column: Held) -> list[float] | None:
    """Return a list as numbers; None for a missing one."""
    if value is None:
        return None
    if not isinstance(value, list) or isinstance(value, Pairs):
        raise Fault(
            f"holds {described(value)[:LONGEST]}; a list of {column.width} numbers, as in rows before it, is needed"
        )
    if len(value) != column.width:
        raise Fault(f"has lists of different lengths: {column.width} and {len(value)}")
    found = []
    for inner in value:
        if inner is None:
            raise Fault("has a null inside a list")
        if isinstance(inner, str | list):
            raise Fault(f"holds {described(inner)} inside a list; numbers are needed")
        entry = number(inner, column)
        assert entry is not None
        found.append(entry)
    return found


def word(value: Any) -> str | float | None:
    """Return a label or key: as text, or as a float that is yet to be spelled; None for a missing one."""
    if isinstance(value, str):
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise Fault("holds half of a surrogate pair, which is no text") from None
        return value or None
    if isinstance(value, list):
        raise Fault(f"holds {described(value)}; one value per row is needed")
    if isinstance(value, float):
        return _finite(value)
    return None if value is None else written(value)


class Gathered:
    """The values of one column, row by row, until they are made into a column."""

    def __init__(self, kind: Kind, column: Held) -> None:
        self.kind = kind
        self.column = column
        self.values: list[Any] = []

    def add(self, value: Any) -> None:
        """Take the value of one more row; raise Fault for one that the column cannot have."""
        if self.kind is Kind.NUMBER:
            self.values.append((vector if self.column.vector else number)(value, self.column))
        else:
            self.values.append(value if self.kind is Kind.CELL else word(value))

    def made(self, rows: int) -> Column:
        """Return the first rows as a column."""
        values = self.values[:rows]
        if self.kind is Kind.NUMBER:
            return _numbers(values, self.column)
        if self.kind is Kind.CELL:
            return _cells(values, self.column)
        words = _spelled(values)
        if self.kind is Kind.KEY:
            return arrow_module.column(_array(words, pa.string()), Kind.KEY)
        places: dict[str, int] = {}
        codes = [-1 if text is None else places.setdefault(text, len(places)) for text in words]
        return Texts(np.array(codes, dtype=np.int64), tuple(places))


def _numbers(values: Sequence[Any], column: Held) -> Numbers:
    null = np.array([value is None for value in values], dtype=bool)
    if column.vector:
        rows = [[np.nan] * column.width if value is None else value for value in values]
        found = np.array(rows, dtype=np.float64).reshape(len(rows), column.width).T
    else:
        found = np.array([[np.nan if value is None else value for value in values]], dtype=np.float64)
    return Numbers(np.ascontiguousarray(found), null if null.any() else None)


def _spelled(values: Sequence[str | float | None]) -> list[str | None]:
    """Write floats as labels are written in any container."""
    floats = np.array([value for value in values if isinstance(value, float)], dtype=np.float64)
    if not len(floats):
        return list(values)  # type: ignore[arg-type]  # there are no floats
    array = pa.Array.from_buffers(pa.float64(), len(floats), [None, pa.py_buffer(floats)])
    texts = iter(arrow_module.as_text(array).to_pylist())
    return [next(texts) if isinstance(value, float) else value for value in values]


def _array(words: Sequence[str | None], kind: pa.DataType) -> pa.Array:
    """Return texts as an Arrow array of one of its types of text or bytes; `pa.array` would import pandas."""
    raw = [b"" if word is None else word.encode("utf-8", "backslashreplace") for word in words]
    wide = kind in (pa.large_binary(), pa.large_string())
    offsets = np.cumsum([0, *map(len, raw)], dtype=np.int64 if wide else np.int32)
    there = np.packbits([word is not None for word in words], bitorder="little")
    buffers = [pa.py_buffer(there), pa.py_buffer(offsets), pa.py_buffer(b"".join(raw))]
    return pa.Array.from_buffers(kind, len(raw), buffers)


def _cells(values: Sequence[Any], column: Held) -> Column:
    """Return what a survey looks at: numbers where all are, else what a text file would hold."""
    if column.kind == "other":
        there = np.packbits([value is not None for value in values], bitorder="little")
        return Cells(pa.Array.from_buffers(pa.struct([]), len(values), [pa.py_buffer(there)]))
    if column.kind != "text":
        read = Gathered(Kind.NUMBER, column)
        try:
            for value in values:
                read.add(value)
            return read.made(len(values))
        except Fault:
            kind = pa.large_string() if column.vector else pa.large_binary()
            return Cells(_array([written(value) for value in values], kind))
    return Cells(_array([None if value is None else written(value) for value in values], pa.large_binary()))


def quick(array: pa.Array, kind: Kind, column: Held) -> Column | None:
    """Convert what Arrow has read of a column; None where its rows must be looked at one by one."""
    if column.vector:
        return _vectors(array, column)
    if kind is Kind.NUMBER or (kind is Kind.CELL and column.kind != "text"):
        found = arrow_module.numbers(array)
        return None if np.isinf(found.values).any() else found
    return Cells(array.cast(pa.large_binary())) if kind is Kind.CELL else arrow_module.column(array, kind)


def _vectors(array: pa.Array, column: Held) -> Numbers | None:
    there = arrow_module.valid(array)
    flat = array.flatten()
    rows = len(array) - array.null_count
    if flat.null_count or (there is None and len(flat) != rows * column.width):
        return None
    lengths = np.diff(np.frombuffer(array.buffers()[1], np.int32)[array.offset : array.offset + len(array) + 1])
    if (lengths[there if there is not None else slice(None)] != column.width).any():
        return None
    values = arrow_module.numbers(flat).values.reshape(rows, column.width).T
    if np.isinf(values).any():
        return None
    if there is None:
        return Numbers(np.ascontiguousarray(values))
    spread = np.full((column.width, len(array)), np.nan)
    spread[:, there] = values
    return Numbers(spread, ~there)


def first_values(records: Sequence[Mapping[str, Any]], names: Collection[str]) -> dict[str, Held]:
    """Return what the first values of columns say of them, as far as these records have any."""
    found: dict[str, Held] = {}
    for values in records:
        for name in names:
            if name not in found and (seen := held(values.get(name))) is not None:
                found[name] = seen
    return found


HEAD: Final = 1 << 20  # bytes whose records name the columns
BLANKS: Final = b" \t\r\n"
BOM: Final = b"\xef\xbb\xbf"
NEWLINE, RETURN, BRACE, END = b"\n\r{}"
OPENINGS: Final = 0x7B  # the code of [ and { with one bit set
MOST_HELD: Final = 4  # pieces; more of them empty are no end of a file
DEEPEST: Final = 1000  # lists and objects of one line that Arrow may follow
NO_JSON: Final = (b"NaN", b"Inf")  # taken for numbers by Arrow


class JsonTable(FileTable):
    """One file of JSON lines; see the module for what its columns are."""

    format = "jsonl"

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.patterns: set[str] = set()
        self._later: dict[str, Held] | None = None

    def watch(self, pattern: str) -> None:
        """Refuse keys that come after the first MiB and match a pattern by which columns were chosen."""
        self.patterns.add(pattern)

    @cached_property
    def _head(self) -> tuple[int, list[dict[str, Any]]]:
        """Where the first record begins, and the records in the first MiB, up to one that cannot be read."""
        try:
            with self.source.stream() as stream:
                raw = bytes(stream.read(HEAD))
                while b"\n" not in raw.removeprefix(BOM).lstrip(BLANKS) and len(raw) < fields.LONGEST:
                    more = stream.read(HEAD)
                    if not more:
                        break
                    raw += more
                whole = not stream.read(1)
        except OSError as error:
            raise DataError(f"{self.label}: {self.source.explained(error)}") from None
        text = raw.removeprefix(BOM).lstrip(BLANKS)
        if not text:
            raise DataError(f"{self.label}: the file is empty")
        if not text.startswith(b"{"):
            raise DataError(f"{self.label}: not JSON lines: it does not begin with {{; one object on each line is read")
        begin = len(raw) - len(text)
        lines = text.rstrip(BLANKS).split(b"\n") if whole else text.split(b"\n")[:-1]
        found: list[dict[str, Any]] = []
        for line in lines:
            try:
                found.append(record(line))
            except Fault as fault:
                if not found:
                    raise DataError(f"{self.where(0)}{fault}") from None
                break
        if not lines:
            raise self._too_long(0)
        return begin, found

    @cached_property
    def names(self) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(name for values in self._head[1] for name in values))
        if not names:
            raise DataError(f"{self.label}: its records have no keys")
        for name in names:
            try:
                name.encode()
            except UnicodeEncodeError:
                raise DataError(
                    f"{self.label}: the key {printable(name)!r} is no text: half of a surrogate pair"
                ) from None
        return names

    @cached_property
    def _known(self) -> dict[str, Held]:
        return first_values(self._head[1], self.names)

    def _held(self, name: str) -> Held:
        """Return what a column holds; where the first records do not say it, the first that has a value does."""
        if name in self._known:
            return self._known[name]
        if self._later is None:
            self._later = self._looked_up()
        return self._later.get(name, Held())

    def _looked_up(self) -> dict[str, Held]:
        left = set(self.names) - set(self._known)
        found: dict[str, Held] = {}
        for piece in self._chunks():
            for line in piece.text.split(b"\n") if isinstance(piece, Chunk) else ():
                try:
                    seen = first_values([record(line)], left) if line.strip() else {}
                except Fault:  # reading comes upon it
                    return found
                found |= seen
                left -= set(seen)
                if not left:
                    return found
        return found

    def shape(self, name: str) -> Shape:
        return self._held(name).shape

    def read(self, columns: Mapping[str, Kind], start: int = 0, stop: int | None = None) -> Iterator[Pending[Piece]]:
        known = {name: (kind, self._held(name)) for name, kind in columns.items()}
        row = 0
        for chunk in self._chunks():
            if isinstance(chunk, Rest):
                raise self._too_long(row)
            yield Pending(chunk.rows, partial(self._decoded, chunk, known, row))
            row += chunk.rows
        self.source.unchanged()

    def _chunks(self) -> Iterator[Chunk | Rest]:
        """Cut the text into pieces of whole lines; empty lines at its end are none."""
        held: list[Chunk] = []  # a piece, and others of empty lines alone
        try:
            with self.source.stream(self._head[0]) as stream:
                for chunk in chunks(stream, None, ahead=self.source.format in COMPRESSED):
                    if isinstance(chunk, Rest) or chunk.text.lstrip(BLANKS) or len(held) == MOST_HELD:
                        yield from held
                        held = []
                    if isinstance(chunk, Rest):
                        yield chunk
                        return
                    held.append(chunk)
        except OSError as error:
            self.source.unchanged()
            raise DataError(f"{self.label}: {self.source.explained(error)}") from None
        text = held[0].text.rstrip(BLANKS)
        if text:
            yield Chunk(text, text.count(b"\n") + 1, held[0].offset)

    def _too_long(self, row: int) -> DataError:
        size = fields.LONGEST >> 20
        return DataError(f"{self.label}: row {row + 1} or one after it: one line is longer than {size} MiB")

    def _decoded(self, chunk: Chunk, columns: Mapping[str, tuple[Kind, Held]], first: int) -> Piece:
        piece = self._by_arrow(chunk, columns)
        return piece if piece is not None else self._by_line(chunk, columns, first)

    def _by_arrow(self, chunk: Chunk, columns: Mapping[str, tuple[Kind, Held]]) -> Piece | None:
        """Parse a piece of text at once; None where that may not be what its lines say."""
        schema = [(name, column.arrow(kind)) for name, (kind, column) in columns.items()]
        if any(kind is None for _, kind in schema) or not _plain(chunk):
            return None
        try:
            table = arrow_json.read_json(
                pa.BufferReader(chunk.text),
                read_options=arrow_json.ReadOptions(use_threads=False, block_size=len(chunk.text) + 1),
                parse_options=arrow_json.ParseOptions(
                    explicit_schema=pa.schema(schema), unexpected_field_behavior="ignore"
                ),
            )
            if table.num_rows != chunk.rows:
                return None
            batch = table.combine_chunks().to_batches()[0]
            piece: dict[str, Column] = {}
            for name, (kind, column) in columns.items():
                found = quick(batch.column(name), kind, column)
                if found is None:
                    return None
                piece[name] = found
        except (pa.ArrowException, DataError):
            return None
        return Piece(piece) if self._without_later_keys(chunk, batch) else None

    def _without_later_keys(self, chunk: Chunk, batch: pa.RecordBatch) -> bool:
        """Whether no record can have a key of a pattern that is not among the columns."""
        for pattern in self.patterns:
            chosen = set(fnmatch.filter(self.names, pattern))
            if not chosen <= set(batch.schema.names):
                continue  # another reading of the table has these columns
            if any(batch.column(name).null_count for name in chosen) or b"\\u" in chunk.text:
                return False
            start = pattern[: min(pattern.find(mark) for mark in "*?[" if mark in pattern)]
            if not start.isascii() or chunk.text.count(f'"{start}'.encode()) != chunk.rows * len(chosen):
                return False
        return True

    def _by_line(self, chunk: Chunk, columns: Mapping[str, tuple[Kind, Held]], first: int) -> Piece:
        """Read line by line; of a piece with a bad row, the rows before it, and what is wrong with it."""
        gathered = {name: Gathered(kind, column) for name, (kind, column) in columns.items()}
        rows, stopped = 0, None
        for line in chunk.text.removesuffix(b"\n").split(b"\n"):
            try:
                values = record(line, columns)
                self._no_later_key(values, columns)
                for name, column in gathered.items():
                    _add(column, name, values.get(name))
            except Fault as fault:
                stopped = DataError(f"{self.where(first + rows)}{fault}")
                break
            rows += 1
        return Piece({name: column.made(rows) for name, column in gathered.items()}, stopped)

    def _no_later_key(self, values: Mapping[str, Any], columns: Mapping[str, object]) -> None:
        for pattern in self.patterns:
            chosen = set(fnmatch.filter(self.names, pattern))
            later = set(fnmatch.filter(values, pattern)) - chosen
            if later and chosen <= columns.keys():
                raise Fault(
                    f": the key {printable(min(later))!r} matches {printable(pattern)!r}, but no record in the first "
                    "MiB has it; name every column in the first record, with null where it has no value"
                )


def _add(column: Gathered, name: str, value: Any) -> None:
    try:
        column.add(value)
    except Fault as fault:
        raise Fault(f", column {printable(name)!r}: {fault}") from None


def _plain(chunk: Chunk) -> bool:
    """Whether Arrow reads a text as JSON lines are: an object from start to end of each line, and nothing but JSON."""
    text = chunk.text
    if any(word in text for word in NO_JSON):
        return False
    codes = np.frombuffer(text, dtype=np.uint8)
    ends = np.flatnonzero(codes == NEWLINE)
    if not len(ends) or ends[-1] != len(codes) - 1:
        ends = np.append(ends, len(codes))
    starts = np.concatenate([[0], ends[:-1] + 1])
    last = codes[ends - 1]
    if (last == RETURN).any():
        last = np.where(last == RETURN, codes[ends - 2], last)
    if (codes[starts] != BRACE).any() or (last != END).any():
        return False
    openings = (codes | np.uint8(0x20)) == OPENINGS
    if np.count_nonzero(openings) > len(starts) and np.add.reduceat(openings, starts, dtype=np.int64).max() > DEEPEST:
        return False
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
