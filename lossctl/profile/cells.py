"""Cells: pieces of any column, whatever is in it, to a summary of them and, where they are numbers, to numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lossctl.core.labels import label
from lossctl.core.state import NEVER
from lossctl.errors import DataError
from lossctl.io import arrow
from lossctl.io.fields import FALSE, NULLS, NUMBER, TRUE
from lossctl.io.table import Cells, Column, Numbers, Shape, Texts
from lossctl.numerics.array import Array, Mask
from lossctl.profile.columns import EXAMPLES, LOOK, ColumnState, Odd, Spread, Words, words_of_numbers
from lossctl.results.survey import MOST_WORDS

LONGEST: Final = 40  # characters of a cell that a message shows
BLANKS: Final = " \t"  # around a number in a text file
ZERO: Final = ("0",)  # read where a field is null


@dataclass(frozen=True)
class Measured:
    """The numbers of some rows, (width, rows), and which rows are complete."""

    values: Array
    complete: Mask


def summary(column: Column, shape: Shape, start: int) -> tuple[ColumnState, Measured | None]:
    """Summarise the rows of a column from row `start` on; the numbers are None where it does not hold any."""
    if isinstance(column, Numbers):
        return _of_numbers(column, shape.kind == "boolean", start)
    if isinstance(column, Texts):
        null = column.codes < 0
        count, first = _holes(null, start)
        return ColumnState(len(null), count, first_null=first, words=_counted(column)), None
    assert isinstance(column, Cells)
    return _of_array(column.values, shape, start)


def _of_array(array: pa.Array, shape: Shape, start: int) -> tuple[ColumnState, Measured | None]:
    kind = array.type
    if pa.types.is_dictionary(kind):
        return _of_array(array.dictionary_decode(), shape, start)
    if pa.types.is_large_binary(kind) and shape.kind in ("number", "boolean"):
        return _of_fields(array, shape.kind == "boolean", start)
    if pa.types.is_large_binary(kind):
        return _of_text(array, start), None
    if arrow.is_text(kind):
        return replace(_of_text(array.cast(pa.large_binary()), start), fault="holds text; numbers are needed"), None
    if not (arrow.is_number(kind) or pa.types.is_boolean(kind) or arrow.is_list(kind)):
        fault = None if pa.types.is_null(kind) else f"holds {kind} values; numbers are needed"
        return replace(_unread(array, start), fault=fault), None
    try:
        return _of_numbers(arrow.numbers(array), pa.types.is_boolean(kind), start)
    except DataError as error:
        if arrow.is_list(kind):
            return replace(_unread(array, start), fault=str(error)), None
        state, _ = _of_numbers(arrow.numbers(array.cast(pa.float64(), safe=False)), False, start)
        return replace(state, fault=str(error)), None


def _unread(array: pa.Array, start: int) -> ColumnState:
    """Count the nulls of a column whose values say nothing here."""
    there = arrow.valid(array)
    count, first = _holes(np.zeros(len(array), dtype=bool) if there is None else ~there, start)
    return ColumnState(len(array), count, first_null=first)


def _holes(rows: Mask, start: int) -> tuple[int, int]:
    """Count rows, and return the first of them, NEVER if there is none."""
    count = int(np.count_nonzero(rows))
    return count, start + int(np.argmax(rows)) if count else NEVER


def _of_numbers(column: Numbers, boolean: bool, start: int, odd: Mask | None = None) -> tuple[ColumnState, Measured]:
    """Summarise numbers; what is null or odd is NaN too, and counts as that alone."""
    holes = np.logical_or.reduce(np.isnan(column.values), axis=0)
    null = column.null if column.null is not None else np.zeros(len(holes), dtype=bool)
    complete = ~holes
    values = column.values if complete.all() else column.values[:, complete]
    nulls, first_null = _holes(null, start)
    nans, first_nan = _holes(holes & ~null if odd is None else holes & ~null & ~odd, start)
    state = ColumnState(
        len(holes),
        null=nulls,
        nan=nans,
        first_null=first_null,
        first_nan=first_nan,
        width=len(values),
        spread=Spread.of(values),
        words=_words(values, boolean),
    )
    return state, Measured(column.values, complete)


def _words(values: Array, boolean: bool) -> Words:
    if len(values) != 1:
        return Words(None)
    if not boolean:
        return words_of_numbers(values[0])
    yes = int(np.count_nonzero(values[0]))
    counts = {"true": yes, "false": values.shape[1] - yes}
    return Words.of([word for word, count in counts.items() if count], [count for count in counts.values() if count])


# text files ----------------------------------------------------------------------------------------------------------


@cache
def _fields(words: tuple[str, ...]) -> pa.Array:
    """Return fields of a text file; `pa.array` would import pandas."""
    raw = [word.encode() for word in words]
    offsets = np.cumsum([0, *map(len, raw)], dtype=np.int64)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(raw))]
    return pa.Array.from_buffers(pa.large_binary(), len(raw), buffers)


def _mask(array: pa.Array) -> Mask:
    """Return an array of booleans without nulls as a NumPy array."""
    return arrow.buffer_of(array.cast(pa.uint8()), np.uint8).astype(bool)


def _of_fields(array: pa.Array, boolean: bool, start: int) -> tuple[ColumnState, Measured]:
    """Summarise fields of a text file that should be numbers, or true and false."""
    nulls = pc.is_in(array, value_set=_fields(NULLS))
    null = _mask(nulls)
    empty, some = 0, array
    if null.any():
        empty = int(np.count_nonzero(arrow.buffer_of(pc.binary_length(array), np.int64) == 0))
        some = pc.if_else(nulls, _fields(ZERO)[0], array)
    values, odd = _flags(array) if boolean else _parsed(some)
    odd = odd & ~null
    holes = null | odd
    state, measured = _of_numbers(Numbers(np.where(holes, np.nan, values)[np.newaxis], null), boolean, start, odd)
    found = replace(state, null=state.null - empty, empty=empty, odd=_first_odd(array, odd, start))
    return found, measured


def _first_odd(array: pa.Array, odd: Mask, start: int) -> Odd | None:
    if not odd.any():
        return None
    row = int(np.argmax(odd))
    return Odd(int(np.count_nonzero(odd)), start + row, shown(array[row].as_py()))


def _flags(array: pa.Array) -> tuple[NDArray[np.float64], Mask]:
    """Read true and false; return what is neither, too."""
    yes, no = (_mask(pc.is_in(array, value_set=_fields(words))) for words in (TRUE, FALSE))
    return yes.astype(np.float64), ~(yes | no)


def _parsed(array: pa.Array) -> tuple[NDArray[np.float64], Mask]:
    """Read numbers as the reader of text files does; return which fields are none, too."""
    for trim in (False, True):
        try:
            text = array.cast(pa.large_string())
            numbers = (pc.ascii_trim(text, BLANKS) if trim else text).cast(pa.float64())
        except pa.ArrowInvalid:
            continue
        return arrow.buffer_of(numbers, np.float64), np.zeros(len(array), dtype=bool)
    texts = [raw.decode("utf-8", errors="replace") for raw in array.to_pylist()]
    found = [float(text) if NUMBER.fullmatch(text) else None for text in texts]
    values = np.array([np.nan if value is None else value for value in found], dtype=np.float64)
    return values, np.array([value is None for value in found], dtype=bool)


def _of_text(array: pa.Array, start: int) -> ColumnState:
    """Count the words of a column of bytes, and look for the first one that is no number."""
    there = arrow.valid(array)
    without = arrow.buffer_of(pc.binary_length(array), np.int64) == 0
    missing, first = _holes(without if there is None else without | ~there, start)
    empty = missing - array.null_count
    if len(array[:LOOK].dictionary_encode().dictionary) > MOST_WORDS:
        some = (label(shown(raw)) for raw in array[:LOOK].to_pylist() if raw)
        words = Words(None, tuple(dict.fromkeys(some))[:EXAMPLES])
    else:
        words = _counted(encoded(array))
    odd = _first_text(array, start)
    return ColumnState(len(array), array.null_count, empty, first_null=first, words=words, odd=odd)


def _counted(column: Texts) -> Words:
    counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.words))
    return Words.of(column.words, counts.tolist())


def _first_text(array: pa.Array, start: int) -> Odd | None:
    """Return the first field of a table's first rows that is no number."""
    if start:
        return None
    for row, raw in enumerate(array.to_pylist()):
        text = raw.decode("utf-8", errors="backslashreplace") if raw else ""
        if text not in NULLS and not NUMBER.fullmatch(text):
            return Odd(None, row, shown(raw))
    return None


def shown(raw: bytes) -> str:
    """Return the text of a field, cut to what a message shows; bytes that are no text as escapes."""
    return raw.decode("utf-8", errors="backslashreplace")[:LONGEST]


# labels --------------------------------------------------------------------------------------------------------------


def encoded(array: pa.Array) -> Texts:
    """Encode a column of bytes; what is null or empty has the code -1."""
    found = array.dictionary_encode()
    codes = arrow.buffer_of(found.indices.cast(pa.int64()), np.int64)
    there = arrow.valid(found.indices)
    codes = codes if there is None else np.where(there, codes, -1)
    words = tuple(raw.decode("utf-8", errors="backslashreplace") for raw in found.dictionary.to_pylist())
    return Texts(np.where(codes == words.index(""), -1, codes) if "" in words else codes, words)


def labels(column: Column, shape: Shape) -> Texts | None:
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
        if not pa.types.is_large_binary(array.type):
            return arrow.texts(array)
    except (DataError, pa.ArrowInvalid):
        return None
    return encoded(array)
