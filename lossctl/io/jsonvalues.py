"""JSON values: what the records of a column hold, read as numbers, labels, keys or cells.

A string among numbers is read as a field of a CSV file is, as many tools write large numbers so; it is the one way to
write an infinity, too, for which JSON has no number.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from lossctl.io import convert
from lossctl.io.column import Cells, Column, Kind, Numbers, Shape, Texts
from lossctl.io.csvfields import FALSE, NULLS, NUMBER, TRUE
from lossctl.io.jsonrecords import Fault, Pairs, described, written

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
            return convert.column(_array(words, pa.string()), Kind.KEY)
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
    texts = iter(convert.as_text(array).to_pylist())
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
        found = convert.numbers(array)
        return None if np.isinf(found.values).any() else found
    return Cells(array.cast(pa.large_binary())) if kind is Kind.CELL else convert.column(array, kind)


def _vectors(array: pa.Array, column: Held) -> Numbers | None:
    there = convert.valid(array)
    flat = array.flatten()
    rows = len(array) - array.null_count
    if flat.null_count or (there is None and len(flat) != rows * column.width):
        return None
    lengths = np.diff(np.frombuffer(array.buffers()[1], np.int32)[array.offset : array.offset + len(array) + 1])
    if (lengths[there if there is not None else slice(None)] != column.width).any():
        return None
    values = convert.numbers(flat).values.reshape(rows, column.width).T
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
