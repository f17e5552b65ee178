"""Columns: what any column of a table holds, numbers or not, as states that merge in the order of the rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lossctl.core.domain import label
from lossctl.core.state import NEVER, merged_fields
from lossctl.errors import DataError
from lossctl.io import arrow
from lossctl.io.source import FALSE, NULLS, STANDARD, TRUE
from lossctl.io.table import Cells, Column, Numbers, Shape, Texts
from lossctl.numerics.array import Array, Mask
from lossctl.profile.numbers import EXAMPLES, HUGE, LOOK, NumberSummary, ValueCounts, merge_any
from lossctl.results.survey import MOST_WORDS, OddCells

LONGEST: Final = 40  # characters of a cell that a message shows
BLANKS: Final = " \t"  # around a number in a text file
SHORT: Final = 4096  # rows up to which the calls for a column cost more than its numbers
FEW: Final = 4  # columns up to which it is no gain to do them together
ZERO: Final = ("0",)  # read where a field is null


@dataclass(frozen=True)
class ColumnProfile:
    """Some rows of a column; `first_null` is the first row that is null or empty, `first_nan` the first with NaN."""

    rows: int
    null: int = 0
    empty: int = 0
    nan: int = 0
    first_null: int = NEVER
    first_nan: int = NEVER
    width: int = 1
    numbers: NumberSummary | None = None
    values: ValueCounts = field(default_factory=ValueCounts)
    odd: OddCells | None = None
    fault: str | None = None

    @property
    def missing(self) -> int:
        """The rows without a value."""
        return self.null + self.empty + self.nan

    def merge(self, other: ColumnProfile) -> ColumnProfile:
        return merged_fields(
            self,
            other,
            first_null=min(self.first_null, other.first_null),
            first_nan=min(self.first_nan, other.first_nan),
            width=max(self.width, other.width),
            numbers=merge_any(self.numbers, other.numbers),
            odd=merge_any(self.odd, other.odd),
            fault=self.fault or other.fault,
        )


@dataclass(frozen=True)
class NumberRows:
    """The numbers of some rows, (width, rows), and which rows are complete."""

    values: Array
    complete: Mask


def profile_columns(
    columns: Mapping[str, Column], shapes: Mapping[str, Shape], start: int
) -> dict[str, tuple[ColumnProfile, NumberRows | None]]:
    """Profile the rows of some columns from row `start` on; the short ones that hold nothing but numbers in one go."""
    lines = {name: line for name, column in columns.items() if (line := _short_line(column)) is not None}
    profiles = {} if len(lines) < FEW else _of_lines(lines)
    return {name: profiles.get(name) or profile_column(column, shapes[name], start) for name, column in columns.items()}


def _short_line(column: Column) -> Array | None:
    """Return the numbers of a short column without missing values; None for other columns."""
    if not isinstance(column, Cells) or not 0 < column.rows <= SHORT or column.values.null_count:
        return None
    if not arrow.is_number(column.values.type):
        return None
    try:
        return arrow.numbers(column.values).values
    except DataError:
        return None


def _of_lines(lines: Mapping[str, Array]) -> dict[str, tuple[ColumnProfile, NumberRows | None]]:
    """Profile lines of equal length, but those with what is not finite, or too large to be added with the others."""
    values = np.concatenate([*lines.values()])
    plain = (np.abs(values) < HUGE).all(axis=1)
    names, values = [name for name, is_plain in zip(lines, plain.tolist(), strict=True) if is_plain], values[plain]
    complete = np.ones(values.shape[1], dtype=bool)
    return {
        name: (
            ColumnProfile(len(line), numbers=summary, values=counts),
            NumberRows(line[np.newaxis], complete),
        )
        for name, line, summary, counts in zip(
            names, values, NumberSummary.of_lines(values), ValueCounts.of_lines(values), strict=True
        )
    }


def profile_column(column: Column, shape: Shape, start: int) -> tuple[ColumnProfile, NumberRows | None]:
    """Profile the rows of a column from row `start` on; the numbers are None where it does not hold any."""
    if isinstance(column, Numbers):
        return _of_numbers(column, shape.kind == "boolean", start)
    if isinstance(column, Texts):
        null = column.codes < 0
        count, first = _count(null, start)
        return ColumnProfile(len(null), null=count, first_null=first, values=_word_counts(column)), None
    assert isinstance(column, Cells)
    return _of_array(column.values, shape, start)


def _of_array(array: pa.Array, shape: Shape, start: int) -> tuple[ColumnProfile, NumberRows | None]:
    kind = array.type
    if pa.types.is_dictionary(kind):
        return _of_array(array.dictionary_decode(), shape, start)
    if arrow.is_text(kind) and shape.kind == "number" and (shape.width > 1 or arrow.written_width(array)):
        try:
            return _of_numbers(arrow.numbers(array), False, start)
        except DataError as error:
            return _unread(array, start, str(error))
    if arrow.is_text(kind) and shape.kind in ("number", "boolean"):
        return _of_fields(pc.fill_null(array.cast(pa.large_binary()), b""), shape.kind == "boolean", start)
    if pa.types.is_large_binary(kind) and shape.kind in ("number", "boolean"):
        return _of_fields(array, shape.kind == "boolean", start)
    if pa.types.is_large_binary(kind):
        return _of_text(array, start), None
    if arrow.is_text(kind):
        profile = _of_text(array.cast(pa.large_binary()), start)
        try:
            numbers = arrow.numbers(array).values
        except DataError:
            return replace(profile, fault="holds text; numbers are needed"), None
        return profile, NumberRows(numbers, ~np.isnan(numbers[0]))
    if not (arrow.is_number(kind) or pa.types.is_boolean(kind) or arrow.is_list(kind)):
        return _unread(array, start, None if pa.types.is_null(kind) else f"holds {kind} values; numbers are needed")
    try:
        return _of_numbers(arrow.numbers(array), pa.types.is_boolean(kind), start)
    except DataError as error:
        if arrow.is_list(kind):
            return _unread(array, start, str(error))
        profile, _ = _of_numbers(arrow.numbers(array.cast(pa.float64(), safe=False)), False, start)
        return replace(profile, fault=str(error)), None


def _unread(array: pa.Array, start: int, fault: str | None) -> tuple[ColumnProfile, None]:
    """Count the nulls of a column whose values are not read."""
    valid = arrow.valid(array)
    count, first = _count(np.zeros(len(array), dtype=bool) if valid is None else ~valid, start)
    return ColumnProfile(len(array), null=count, first_null=first, fault=fault), None


def _count(rows: Mask, start: int) -> tuple[int, int]:
    """Count rows, and return the first of them, NEVER if there is none."""
    count = int(np.count_nonzero(rows))
    return count, start + int(np.argmax(rows)) if count else NEVER


def _of_numbers(
    column: Numbers, boolean: bool, start: int, bad: Mask | None = None
) -> tuple[ColumnProfile, NumberRows]:
    """Profile numbers; what is null or bad is NaN too, and counts as that alone."""
    holes = np.logical_or.reduce(np.isnan(column.values), axis=0)
    null = column.null if column.null is not None else np.zeros(len(holes), dtype=bool)
    complete = ~holes
    values = column.values if complete.all() else column.values[:, complete]
    nulls, first_null = _count(null, start)
    nans, first_nan = _count(holes & ~null if bad is None else holes & ~null & ~bad, start)
    if len(values) != 1:
        counts = ValueCounts(None)
    elif boolean:
        yes = int(np.count_nonzero(values[0]))
        counts = ValueCounts.of(["true", "false"], [yes, values.shape[1] - yes])
    else:
        counts = ValueCounts.of_numbers(values[0])
    profile = ColumnProfile(
        len(holes),
        null=nulls,
        nan=nans,
        first_null=first_null,
        first_nan=first_nan,
        width=len(values),
        numbers=NumberSummary.of(values),
        values=counts,
    )
    return profile, NumberRows(column.values, complete)


# text files ----------------------------------------------------------------------------------------------------------


@cache
def _fields(words: tuple[str, ...]) -> pa.Array:
    """Return fields of a text file; `pa.array` would import pandas."""
    raw = [word.encode() for word in words]
    offsets = np.cumsum([0, *map(len, raw)], dtype=np.int64)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(raw))]
    return pa.Array.from_buffers(pa.large_binary(), len(raw), buffers)


def _among(array: pa.Array, words: tuple[str, ...]) -> tuple[pa.Array, Mask]:
    """Return which fields are one of some words, as an Arrow and as a NumPy array."""
    rows = pc.is_in(array, value_set=_fields(words))
    return rows, arrow.buffer_of(rows.cast(pa.uint8()), np.uint8).astype(bool)


def _of_fields(array: pa.Array, boolean: bool, start: int) -> tuple[ColumnProfile, NumberRows]:
    """Profile fields of a text file that should be numbers, or true and false."""
    if not boolean and (numbers := _numbers(array)) is not None:  # as most are: nothing missing is a number
        return _of_numbers(Numbers(numbers[np.newaxis]), False, start)
    nulls, null = _among(array, NULLS)
    empty, filled = 0, array
    if null.any():
        empty = int(np.count_nonzero(_lengths(array) == 0))
        filled = pc.if_else(nulls, _fields(ZERO)[0], array)
    values, bad = _flags(array) if boolean else _parsed(filled)
    bad = bad & ~null
    column = Numbers(np.where(null | bad, np.nan, values)[np.newaxis], null)
    profile, rows = _of_numbers(column, boolean, start, bad)
    count, first = _count(bad, start)
    odd = OddCells(count, first + 1, cell_text(array[first - start].as_py())) if count else None
    return replace(profile, null=profile.null - empty, empty=empty, odd=odd), rows


def _lengths(array: pa.Array) -> Array:
    return arrow.buffer_of(pc.binary_length(array), np.int64)


def _flags(array: pa.Array) -> tuple[Array, Mask]:
    """Read true and false; return which fields are neither, too."""
    (_, yes), (_, no) = (_among(array, words) for words in (TRUE, FALSE))
    return yes.astype(np.float64), ~(yes | no)


def _numbers(array: pa.Array) -> Array | None:
    """Read fields that all are numbers without blanks; None where one is not."""
    try:
        return arrow.buffer_of(array.view(pa.large_string()).cast(pa.float64()), np.float64)
    except pa.ArrowInvalid:
        return None


def _parsed(array: pa.Array) -> tuple[Array, Mask]:
    """Read numbers as the reader of text files does; return which fields are none, too."""
    for fields in (array, pc.ascii_trim(array.view(pa.large_string()), BLANKS)):
        if (numbers := _numbers(fields)) is not None:
            return numbers, np.zeros(len(array), dtype=bool)
    texts = [raw.decode("utf-8", errors="replace") for raw in array.to_pylist()]
    bad = np.array([STANDARD.kind_of(text) != "number" for text in texts], dtype=bool)
    values = [np.nan if none else float(text) for text, none in zip(texts, bad.tolist(), strict=True)]
    return np.array(values, dtype=np.float64), bad


def _of_text(array: pa.Array, start: int) -> ColumnProfile:
    """Count the words of a column of bytes, and look for the first one that is no number."""
    valid, blank = arrow.valid(array), _lengths(array) == 0
    missing, first = _count(blank if valid is None else blank | ~valid, start)
    if len(array[:LOOK].dictionary_encode().dictionary) > MOST_WORDS:
        words = (label(cell_text(raw)) for raw in array[:LOOK].to_pylist() if raw)
        values = ValueCounts(None, tuple(dict.fromkeys(words))[:EXAMPLES])
    else:
        values = _word_counts(_encoded(array))
    null = array.null_count
    odd = None if start else _first_text(array)
    return ColumnProfile(len(array), null, missing - null, first_null=first, values=values, odd=odd)


def _word_counts(column: Texts) -> ValueCounts:
    rows = np.bincount(column.codes[column.codes >= 0], minlength=len(column.words))
    return ValueCounts.of(column.words, rows.tolist())


def _first_text(array: pa.Array) -> OddCells | None:
    """Return the first field that is no number."""
    for row, raw in enumerate(array.to_pylist()):
        text = raw.decode("utf-8", errors="backslashreplace") if raw else ""
        if text not in NULLS and STANDARD.kind_of(text) != "number":
            return OddCells(None, row + 1, cell_text(raw))
    return None


def cell_text(raw: bytes) -> str:
    """Return the text of a field, cut to what a message shows; bytes that are no text as escapes."""
    return raw.decode("utf-8", errors="backslashreplace")[:LONGEST]


# labels --------------------------------------------------------------------------------------------------------------


def column_labels(column: Column, shape: Shape) -> Texts | None:
    """Encode a column as labels, as slices are read; None where it cannot be read so."""
    if isinstance(column, Texts):
        return column
    if isinstance(column, Numbers):
        if len(column.values) != 1:
            return None
        words, codes = np.unique(column.values[0], return_inverse=True)
        spelled = words.astype(bool) if shape.kind == "boolean" else words
        return Texts(np.where(np.isnan(column.values[0]), -1, codes), tuple(map(str, spelled.tolist())))
    assert isinstance(column, Cells)
    array: Any = column.values
    try:
        return _encoded(array) if pa.types.is_large_binary(array.type) else arrow.texts(array)
    except (DataError, pa.ArrowInvalid):
        return None


def _encoded(array: pa.Array) -> Texts:
    """Encode a column of bytes; what is null or empty has the code -1."""
    encoded = array.dictionary_encode()
    codes = arrow.buffer_of(encoded.indices.cast(pa.int64()), np.int64)
    valid = arrow.valid(encoded.indices)
    codes = codes if valid is None else np.where(valid, codes, -1)
    words = tuple(raw.decode("utf-8", errors="backslashreplace") for raw in encoded.dictionary.to_pylist())
    return Texts(np.where(codes == words.index(""), -1, codes) if "" in words else codes, words)
