"""JSON lines, or a list of objects, plain or compressed, streamed with declared types.

The columns are the keys of the records in the first MiB. A record may lack some of them, which is a missing value, and
have others, which are left alone; but one that a pattern such as `p_*` would have matched, had it come in time, is an
error. The members of an object in a record are columns too, as `pred.score`. Arrow parses the pieces that it can read
exactly; the lines of all others are read one by one. A list of objects is cut into lines first.
"""

from __future__ import annotations

import codecs
import fnmatch
import json
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.json as arrow_json

from lossctl.core.batch import BLOCK
from lossctl.errors import DataError, printable
from lossctl.io import arrow, records
from lossctl.io.records import Chunk, Fault, Format, TextTable
from lossctl.io.source import SHOWN, STANDARD, Dialect, Source, inexact_number, vector_fault, written_entries
from lossctl.io.table import BETWEEN, Cells, Column, Kind, Numbers, Piece, Shape
from lossctl.numerics.array import MOST_EXACT

HEAD: Final = 1 << 20  # bytes whose records name the columns
BLANKS: Final = b" \t\r\n"
BOM: Final = b"\xef\xbb\xbf"
NEWLINE, RETURN, BRACE, END = b"\n\r{}"
OPENINGS: Final = 0x7B  # the code of [ and { with one bit set
DEEPEST: Final = 1000  # lists and objects of one line that Arrow may follow
NO_JSON: Final = (b"NaN", b"Inf")  # taken for numbers by Arrow
ALLOWED: Final = 'each line is one JSON object, as {"y": 1.5, "p": 2}'
MOST_DIGITS: Final = 310  # of a whole number that may be a float64
TEXT_TYPES: Final[Mapping[type | None, pa.DataType]] = {
    None: pa.string(),
    str: pa.string(),
    int: pa.int64(),
    bool: pa.bool_(),
}
NUMBER_TYPES: Final[Mapping[type | None, pa.DataType]] = {
    None: pa.float64(),
    int: pa.float64(),
    float: pa.float64(),
    bool: pa.bool_(),
}

# lines ----------------------------------------------------------------------------------------------------------------


class Pairs(list[tuple[str, Any]]):
    """The members of one object, in order, told apart from a list."""


def _constant(null: Collection[str]) -> Callable[[str], None]:
    """Return what reads NaN and Infinity, which are no JSON: as missing where they mark that."""

    def read(word: str) -> None:
        if word not in null:
            raise Fault(
                f': holds {word}, which is no JSON; a missing value is null, an infinite one the text "inf"; '
                f"--null {word} reads it as missing"
            )

    return read


def _integer(digits: str) -> int | float:
    """Read a whole number; as a float where it is none of 64 bits in any case, or would lose its sign."""
    return float(digits) if digits == "-0" or len(digits) > MOST_DIGITS else int(digits)


@cache
def decoder(null: tuple[str, ...]) -> json.JSONDecoder:
    """Return a decoder that reads some constants as missing."""
    return json.JSONDecoder(object_pairs_hook=Pairs, parse_int=_integer, parse_constant=_constant(null))


def record(line: bytes, columns: Collection[str] | None = None, null: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the members of the object on a line; raise Fault where there is none, or one of `columns` stands twice."""
    if not line.strip():
        raise Fault(f": the line is empty; {ALLOWED}")
    try:
        pairs = decoder(null).decode(line.decode())
    except UnicodeDecodeError as error:
        raise Fault(f": byte {error.start + 1} of the line is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        problem = f"{error.msg.lower()} at character {error.colno}"
        raise Fault(f": no JSON object: {problem}; {ALLOWED}{_way_of_lines(line, error.pos)}") from None
    except RecursionError:
        raise Fault(f": nested too deeply; {ALLOWED}") from None
    if not isinstance(pairs, Pairs):
        raise Fault(f": holds {described(pairs)}; {ALLOWED}")
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs if columns is None or name in columns]
        for name in members:
            if names.count(name) > 1:
                raise Fault(f": the key {printable(name)!r} stands twice in one object")
    return members


def _way_of_lines(line: bytes, place: int) -> str:
    """Say how to put each object on a line of its own, where the place of the error shows that they are not."""
    behind = line.decode()[place:].strip()
    if not behind:
        return "; if it goes on in the next line, jq -c . puts each object on one"
    if behind.startswith("{"):
        return "; jq -c . puts each object on a line"
    return "; objects with commas between them are read if [ and ] stand around all" if behind == "," else ""


def leaves(members: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """Name the members of a record, those of objects in it as `pred.score`."""
    for name, value in members.items():
        if isinstance(value, Pairs) and value:
            yield from leaves(dict(value), f"{before}{name}.")
        else:
            yield before + name


def member_of(members: Mapping[str, Any], name: str) -> Any:
    """Return the member of a record by its name, which may be that of one in an object in it; None if there is none."""
    if name in members or "." not in name:
        return members.get(name)
    for place, mark in enumerate(name):
        if mark == "." and isinstance(inner := members.get(name[:place]), Pairs):
            value = member_of(dict(inner), name[place + 1 :])
            if value is not None:
                return value
    return None


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


# columns --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FirstValue:
    """What the first value of a column that is not missing says of it.

    kind: number, boolean, text or other. `vector` for lists, which have `width` entries. `plain` is the type of the
    value itself, None where there is none.
    """

    kind: str = "number"
    width: int = 1
    vector: bool = False
    plain: type | None = None

    @property
    def shape(self) -> Shape:
        axes = 2 if self.vector and self.plain is None else 1  # lists of lists
        return Shape(self.kind, self.width, axes, self.plain is str)

    @staticmethod
    def of(value: Any, dialect: Dialect = STANDARD) -> FirstValue | None:
        """Describe a value; None for a missing one, and for a list of no entries, which says nothing of others."""
        if value is None or value == []:
            return None
        if isinstance(value, str):
            text = value.strip()
            if dialect.is_null(text):
                return None
            content = dialect.content(text)
            return FirstValue(content.kind, content.width, content.entries > 0, str)
        if isinstance(value, Pairs):
            return FirstValue("other", plain=Pairs)
        if isinstance(value, list) and value and isinstance(value[0], str):
            return FirstValue("labels", plain=list)
        if isinstance(value, list):
            try:
                entries = flattened(value)
            except Fault:  # reading comes upon it
                entries = value
            boolean = bool(entries) and isinstance(entries[0], bool)
            plain = None if value and isinstance(value[0], list) else list
            return FirstValue("boolean" if boolean else "number", len(entries), True, plain)
        return FirstValue("boolean" if isinstance(value, bool) else "number", plain=type(value))


def first_values(
    entries: Sequence[Mapping[str, Any]], names: Collection[str], dialect: Dialect
) -> dict[str, FirstValue]:
    """Describe the first values of columns, as far as these records have any."""
    values: dict[str, FirstValue] = {}
    for members in entries:
        for name in names:
            if name not in values and (first := FirstValue.of(member_of(members, name), dialect)) is not None:
                values[name] = first
    return values


@dataclass(frozen=True)
class Member:
    """How a column is read: as which kind, and what its first value says of the others."""

    kind: Kind
    first: FirstValue
    dialect: Dialect = STANDARD

    @property
    def arrow_type(self) -> pa.DataType | None:
        """The type as which Arrow reads the column most quickly; None where it cannot.

        It never decides what a value is: where a row does not fit, its piece is read as records.
        """
        if self.first.vector:
            inner = pa.bool_() if self.first.kind == "boolean" else pa.float64()
            fits = self.kind in (Kind.NUMBER, Kind.CELL) and self.first.plain is list
            return pa.list_(inner) if fits else None
        if self.kind in (Kind.TEXT, Kind.KEY):
            return TEXT_TYPES.get(self.first.plain)
        if self.first.plain is str:
            return pa.string() if self.kind is Kind.CELL and self.first.kind == "text" else None
        return NUMBER_TYPES.get(self.first.plain)

    def of_arrow(self, array: pa.Array) -> Column | None:
        """Convert what Arrow has read; None where its rows must be looked at one by one."""
        if self.first.vector:
            numbers = arrow.vectors(array, self.first.width)
        elif self.kind is Kind.NUMBER or (self.kind is Kind.CELL and self.first.kind != "text"):
            numbers = arrow.numbers(array).without(self.dialect.null_numbers)
        else:
            if self.dialect.null and self.kind is not Kind.CELL and pa.types.is_string(array.type):
                array = arrow.without(array, self.dialect.null)
            return Cells(array.cast(pa.large_binary())) if self.kind is Kind.CELL else arrow.column(array, self.kind)
        # infinite is what is too large; a large whole number may have lost a digit
        return None if (np.abs(numbers.values) >= MOST_EXACT).any() else numbers

    def checked(self, value: Any) -> Any:
        """Return a value as the column holds it, None for a missing one; raise Fault for one that it cannot have."""
        if self.kind is Kind.CELL:
            return value
        if self.kind is Kind.LABELS:
            return joined(value)
        if self.kind is not Kind.NUMBER:
            return None if isinstance(value, str) and value in self.dialect.null else word(value)
        if self.first.vector:
            return vector(value, self.first, self.dialect)
        return number(value, self.first.kind == "boolean", self.dialect)

    def column(self, values: Sequence[Any]) -> Column:
        """Return checked values as a column."""
        if self.kind is Kind.NUMBER:
            return self._numbers(values)
        if self.kind is Kind.CELL:
            return self._cells(values)
        return arrow.column(arrow.text_array(spelled(values)), self.kind)

    def _numbers(self, values: Sequence[Any]) -> Numbers:
        null = np.array([value is None for value in values], dtype=bool)
        missing = [np.nan] * self.first.width if self.first.vector else np.nan
        rows = np.array([missing if value is None else value for value in values], dtype=np.float64)
        columns = np.ascontiguousarray(rows.reshape(len(values), self.first.width).T)
        return Numbers(columns, null if null.any() else None)

    def _cells(self, values: Sequence[Any]) -> Column:
        """Return numbers where all values are, else what a text file would hold."""
        if self.first.kind == "other":
            return Cells(pa.Array.from_buffers(pa.struct([]), len(values), [arrow.bitmap(values)]))
        if self.first.kind == "text":
            return Cells(
                arrow.text_array([None if value is None else written(value) for value in values], pa.large_binary())
            )
        numbers = Member(Kind.NUMBER, self.first, self.dialect)
        try:
            return numbers.column([numbers.checked(value) for value in values])
        except Fault:
            kind = pa.large_string() if self.first.vector else pa.large_binary()
            return Cells(arrow.text_array([written(value) for value in values], kind))


def number(value: Any, boolean: bool, dialect: Dialect) -> float | None:
    """Return a value of a column of numbers or of booleans; None for a missing one."""
    kind = type(value)
    if kind is float or kind is int:
        if boolean:
            raise Fault(f"{written(value)[:SHOWN]} is not true or false, as the rows before it")
        return None if value in dialect.null_numbers else finite(value)
    if value is None:
        return None
    if kind is bool:
        if not boolean:
            raise Fault(f"{written(value)} is not a number")
        return float(value)
    if kind is not str:
        raise Fault(f"holds {described(value)}; one number per row is needed")
    if fault := dialect.number_fault(value, boolean):
        raise Fault(fault)
    return None if dialect.is_null(value) else dialect.as_number(value)


def finite(value: float) -> float:
    """Return a JSON number as a float64; raise Fault where it is beyond its range."""
    try:
        size = float(value)
    except OverflowError:
        size = math.inf
    if math.isinf(size):
        raise Fault("holds a number beyond the range of float64, which ends at 1.797e308")
    if size != value:
        raise Fault(inexact_number(value))
    return size


def vector(value: Any, first: FirstValue, dialect: Dialect) -> list[float] | None:
    """Return a list as numbers; None for a missing one."""
    if value is None:
        return None
    if isinstance(value, str) and first.plain is str:
        if value in dialect.nulls:
            return None
        if fault := vector_fault(value, first.width):
            raise Fault(fault)
        return list(map(float, written_entries(value)))
    if not isinstance(value, list) or isinstance(value, Pairs):
        raise Fault(
            f"holds {described(value)[:SHOWN]}; a list of {first.width} numbers, as in rows before it, is needed"
        )
    entries = flattened(value)
    if len(entries) != first.width or (first.plain is None) != isinstance(value[0] if value else None, list):
        raise Fault(f"has lists of different lengths: {first.width} and {len(entries)}")
    numbers = []
    for inner in entries:
        if inner is None:
            raise Fault("has a null inside a list")
        if isinstance(inner, str | list):
            raise Fault(f"holds {described(inner)} inside a list; numbers are needed")
        entry = number(inner, first.kind == "boolean", dialect)
        assert entry is not None
        numbers.append(entry)
    return numbers


def flattened(value: list[Any]) -> list[Any]:
    """Return the entries of lists in lists in order; raise Fault where these differ in length."""
    while any(isinstance(inner, list) and not isinstance(inner, Pairs) for inner in value):
        lengths = [len(inner) if isinstance(inner, list) else -1 for inner in value]
        if len(set(lengths)) > 1:
            if min(lengths) < 0:
                raise Fault("holds a list inside a list beside what is none; numbers are needed")
            raise Fault(
                f"has lists of different lengths: {lengths[0]} and {next(x for x in lengths if x != lengths[0])}"
            )
        value = [entry for inner in value for entry in inner]
    return value


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
        return finite(value)
    return None if value is None else written(value)


def joined(value: Any) -> str | float | None:
    """Return a list of labels as one text; None for a missing one."""
    if not isinstance(value, list) or isinstance(value, Pairs):
        return word(value)
    labels = spelled([word(inner) for inner in value])
    if any(text is None for text in labels):
        raise Fault("has a null inside a list")
    return BETWEEN.join(text or "" for text in labels) or BETWEEN


def spelled(values: Sequence[str | float | None]) -> list[str | None]:
    """Write floats as labels are written in any container."""
    floats = np.array([value for value in values if isinstance(value, float)], dtype=np.float64)
    if not len(floats):
        return list(values)  # type: ignore[arg-type]  # there are no floats
    array = pa.Array.from_buffers(pa.float64(), len(floats), [None, pa.py_buffer(floats)])
    texts = iter(arrow.as_text(array).to_pylist())
    return [next(texts) if isinstance(value, float) else value for value in values]


# a list of objects ----------------------------------------------------------------------------------------------------

GAP: Final = re.compile(r"[ \t\r\n]*")


class ListOfObjects:
    """Takes the text of a JSON list step by step, and gives each entry on a line of its own.

    What is no list, or stands behind it, comes as a line that is no object either, so that its row is named.
    """

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
        self._text = ""
        self._place = "before"  # or first, next or behind

    def lines(self, step: bytes, last: bool) -> list[bytes]:
        """Return the entries that end in the next bytes."""
        text = self._text + self._decode(step, last)
        lines: list[str] = []
        place = 0
        while True:
            start = _behind_gap(text, place)
            mark = text[start : start + 1]
            if (self._place, mark) == ("before", "["):
                self._place, place = "first", start + 1
                continue
            if self._place in ("first", "next") and mark == "]":
                self._place, place = "behind", start + 1
                continue
            if self._place == "next" and mark == ",":
                start = _behind_gap(text, start + 1)
            elif self._place != "first":
                break
            try:
                end = json.JSONDecoder().raw_decode(text, start)[1]
            except (ValueError, RecursionError):
                break
            if end == len(text) and text[start] != "{":  # a number may go on
                break
            lines.append(text[start:end])
            self._place, place = "next", end
        self._text = text[place:]
        if GAP.fullmatch(self._text):
            if last and self._place != "behind":
                lines.append("]" if self._place == "before" else "[")
        elif last or len(self._text) >= records.LONGEST:
            lines.append(self._text.lstrip()[: records.STEP])
            self._text, self._place = "", "behind"
        return [re.sub(r"[\r\n]", " ", line).encode("utf-8", "surrogateescape") for line in lines]


def _behind_gap(text: str, place: int) -> int:
    """Return the place of the next character that is no blank."""
    match = GAP.match(text, place)
    return match.end() if match else place


def list_chunks(stream: pa.NativeFile, ahead: bool) -> Iterator[Chunk]:
    """Cut a list of objects into chunks of lines."""
    entries = ListOfObjects()
    waiting: list[bytes] = []
    for step, last in records.steps(stream, ahead):
        waiting += entries.lines(step, last)
        while len(waiting) >= BLOCK or (last and waiting):
            lines, waiting = waiting[:BLOCK], waiting[BLOCK:]
            yield Chunk([b"".join(line + b"\n" for line in lines)], len(lines))


# the table ------------------------------------------------------------------------------------------------------------


class JsonTable(TextTable[Member, bytes]):
    """One file of JSON lines; see the module for what its columns are."""

    kind = "jsonl"
    unit = "line"

    def __init__(self, source: Source, dialect: Dialect) -> None:
        super().__init__(source, dialect)
        self.patterns: set[str] = set()

    def watch(self, pattern: str) -> None:
        """Refuse keys that come after the first MiB and match a pattern by which columns were chosen."""
        self.patterns.add(pattern)

    @cached_property
    def _head(self) -> tuple[int, list[dict[str, Any]]]:
        """Where the first record begins, and the records in the first MiB, up to one that cannot be read."""
        with self.source.reading(), self.source.stream() as stream:
            raw = bytes(stream.read(HEAD))
            while b"\n" not in raw.removeprefix(BOM).lstrip(BLANKS) and len(raw) < records.LONGEST:
                more = stream.read(HEAD)
                if not more:
                    break
                raw += more
            complete = not stream.read(1)
        text = raw.removeprefix(BOM).lstrip(BLANKS)
        if not text:
            raise DataError(f"{self.label}: the file is empty")
        if not text.startswith((b"{", b"[")):
            raise DataError(
                f"{self.label}: not JSON lines: it does not begin with {{; one object on each line, or a list of "
                "objects, is read"
            )
        lines = text.split(b"\n") if complete else text.split(b"\n")[:-1]
        if text.startswith(b"["):
            lines = ListOfObjects().lines(text, complete)
        members: list[dict[str, Any]] = []
        for line in lines:
            try:
                if line.strip(BLANKS):
                    members.append(record(line, null=self.dialect.null))
            except Fault as fault:
                if not members and self.dialect.bad_rows == "error":
                    raise DataError(f"{self.where(0)}{fault}") from None
                if self.dialect.bad_rows == "error":
                    break
        if not members:
            raise DataError(f"{self.label}: the list holds no objects") if complete else self._too_long(0)
        return len(raw) - len(text), members

    @cached_property
    def _is_list(self) -> bool:
        """Whether the file holds a list of objects."""
        return self.source.head(1, self._head[0]) == b"["

    @cached_property
    def names(self) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(name for members in self._head[1] for name in leaves(members)))
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
    def _keys(self) -> frozenset[str]:
        """The keys of the records themselves."""
        return frozenset(name for members in self._head[1] for name in members)

    def _may_be_inner(self, name: str, text: bytes) -> bool:
        """Whether a column may be a member of an object in some record."""
        starts = (name[:place] for place, mark in enumerate(name) if mark == ".")
        return name not in self._keys or any(json.dumps(start).encode() in text for start in starts)

    @cached_property
    def _first_values(self) -> dict[str, FirstValue]:
        return first_values(self._head[1], self.names, self.dialect)

    def _first(self, name: str) -> FirstValue:
        """Describe the first value of a column, wherever it comes."""
        return self._first_values.get(name) or self._later_values.get(name, FirstValue())

    @cached_property
    def _later_values(self) -> dict[str, FirstValue]:
        """Describe the first values of columns that have none in the first MiB."""
        empty = set(self.names) - set(self._first_values)
        values: dict[str, FirstValue] = {}
        for chunk in self._chunks():
            for line in chunk.text.split(b"\n"):
                try:
                    entries = [record(line, null=self.dialect.null)] if line.strip() else []
                except Fault:  # reading comes upon it
                    if self.dialect.bad_rows == "error":
                        return values
                    continue
                firsts = first_values(entries, empty, self.dialect)
                values |= firsts
                empty -= set(firsts)
                if not empty:
                    return values
        return values

    def shape(self, name: str) -> Shape:
        return self._first(name).shape

    def _field(self, name: str, kind: Kind) -> Member:
        return Member(kind, self._first(name), self.dialect)

    def _chunks(self) -> Iterator[Chunk]:
        return self._cut(self._head[0], list_chunks if self._is_list else Format(None, STANDARD).chunks)

    def _rows(self, chunk: Chunk) -> Sequence[bytes]:
        return chunk.text.removesuffix(b"\n").split(b"\n")

    def _badness(self, line: bytes) -> str:
        try:
            record(line, (), self.dialect.null)
        except Fault:
            return "json"
        return ""

    def _by_arrow(self, chunk: Chunk, members: Mapping[str, Member]) -> Piece | None:
        text = chunk.text
        schema = [(name, member.arrow_type) for name, member in members.items()]
        if any(kind is None or self._may_be_inner(name, text) for name, kind in schema) or not is_plain(text):
            return None
        try:
            table = arrow_json.read_json(
                pa.BufferReader(text),
                read_options=arrow_json.ReadOptions(use_threads=False, block_size=len(text) + 1),
                parse_options=arrow_json.ParseOptions(
                    explicit_schema=pa.schema(schema), unexpected_field_behavior="ignore"
                ),
            )
            if table.num_rows != chunk.rows:
                return None
            batch = table.combine_chunks().to_batches()[0]
            columns: dict[str, Column] = {}
            for name, member in members.items():
                column = member.of_arrow(batch.column(name))
                if column is None:
                    return None
                columns[name] = column
        except (pa.ArrowException, DataError):
            return None
        return Piece(columns) if self._without_later_keys(text, batch) else None

    def _without_later_keys(self, text: bytes, batch: pa.RecordBatch) -> bool:
        """Whether no record can have a key of a pattern that is not among the columns."""
        for pattern in self.patterns:
            names = set(fnmatch.filter(self.names, pattern))
            if not names <= set(batch.schema.names):
                continue  # another reading of the table has these columns
            if any(batch.column(name).null_count for name in names) or b"\\u" in text:
                return False
            start = pattern[: min(pattern.find(mark) for mark in "*?[" if mark in pattern)]
            if not start.isascii() or text.count(f'"{start}'.encode()) != batch.num_rows * len(names):
                return False
        return True

    def _values(self, line: bytes, _: Chunk, members: Mapping[str, Member]) -> list[Any]:
        entries = record(line, members, self.dialect.null)
        self._no_later_key(entries, members)
        return [_checked(member, name, member_of(entries, name)) for name, member in members.items()]

    def _no_later_key(self, entries: Mapping[str, Any], members: Mapping[str, object]) -> None:
        for pattern in self.patterns:
            names = set(fnmatch.filter(self.names, pattern))
            later = set(fnmatch.filter(leaves(entries), pattern)) - names
            if later and names <= members.keys():
                raise Fault(
                    f": the key {printable(min(later))!r} matches {printable(pattern)!r}, but no record in the first "
                    "MiB has it; name every column in the first record, with null where it has no value"
                )


def _checked(member: Member, name: str, value: Any) -> Any:
    try:
        return member.checked(value)
    except Fault as fault:
        raise Fault(f", column {printable(name)!r}: {fault}") from None


def is_plain(text: bytes) -> bool:
    """Whether Arrow reads a text as JSON lines are: an object from start to end of each line, and nothing but JSON."""
    if any(token in text for token in NO_JSON):
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
