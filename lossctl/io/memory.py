"""Tables in memory: pandas frames, Arrow tables and dicts of arrays, for the Python interface."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.core.batch import BLOCK
from lossctl.core.block import Pending, ready
from lossctl.core.domain import label as label_of
from lossctl.errors import DataError, UsageError, printable
from lossctl.io.table import NOT_SINGLE, Column, Kind, Numbers, Piece, Shape, Table, block_starts

NESTED = (list, tuple, dict, set, frozenset, np.ndarray)
NUMERIC = "biuf"  # kinds of NumPy types that become float64
WIDEST = 8  # bytes of the widest number that Arrow knows
ARROW_UNITS = ("D", "s", "ms", "us", "ns")


def from_memory(data: object, label: str = "data") -> Table:
    """Make a table of a pandas frame, an Arrow table or a dict of arrays."""
    if isinstance(data, Mapping):
        return ArrayTable(data, label)
    import pyarrow as pa

    if isinstance(data, pa.Table):
        return ArrowTable(data, label)
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        twice = data.columns[data.columns.duplicated()]
        if len(twice):
            raise DataError(f"{label}: the frame names {list(map(str, twice))} more than once")
        return FrameTable(data, label)
    raise UsageError(
        f"{label}: a value of type {type(data).__name__} is not allowed; a pandas frame, an Arrow table, a dict of "
        "arrays or paths"
    )


class ArrayTable(Table):
    """A dict of arrays: (n,) or (n, k, ...) numbers, or (n,) labels."""

    def __init__(self, columns: Mapping[str, object], label: str = "data") -> None:
        self.label = label
        self.columns = {str(name): self._array(str(name), values) for name, values in columns.items()}
        lengths = {name: values.shape[0] for name, values in self.columns.items()}
        if len(set(lengths.values())) > 1:
            raise DataError(f"{label}: the columns differ in length: {lengths}")
        self._labels = {str(name): label_values(values, self.columns[str(name)]) for name, values in columns.items()}

    def _array(self, name: str, values: object) -> NDArray[Any]:
        try:
            array = plain(values)
        except (ArithmeticError, RuntimeError, TypeError, ValueError) as error:  # as NumPy or the values' own type say
            reason = printable(str(error).partition("\n")[0])
            raise DataError(
                f"{self.label}: column {name!r} is no array of values of one length and type: {reason}"
            ) from None
        if not array.ndim:
            raise DataError(
                f"{self.label}: column {name!r} is a single value of type {type(values).__name__}; an array or a list "
                "with one value for each row is needed"
            )
        return array

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.columns)

    @property
    def rows(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    @property
    def cuts(self) -> range:
        return block_starts(self.rows)

    def shape(self, name: str) -> Shape:
        array = self.columns[name]
        kind = "boolean" if array.dtype.kind == "b" else "number" if array.dtype.kind in NUMERIC else "text"
        return Shape(kind, int(np.prod(array.shape[1:], dtype=np.int64)))

    def read(self, columns: Mapping[str, Kind], start: int = 0, stop: int | None = None) -> Iterator[Pending[Piece]]:
        end = self.rows if stop is None else stop
        for first in range(start, end, BLOCK):
            rows = slice(first, min(first + BLOCK, end))
            yield ready(Piece({name: self._column(name, rows, kind) for name, kind in columns.items()}))

    def _column(self, name: str, rows: slice, kind: Kind) -> Column:
        array = self.columns[name][rows]
        if kind in (Kind.TEXT, Kind.KEY):
            with self.naming(name):
                return labels(single(self._labels[name][rows]), kind)
        if array.dtype.kind in NUMERIC:
            values = array.reshape(len(array), self.shape(name).width).T
            return Numbers(np.ascontiguousarray(values, dtype=np.float64))
        if kind is Kind.CELL:
            return labels(written_out(array), Kind.TEXT)
        raise DataError(f"{self.label}: column {name!r} holds {array.dtype} values; numbers are needed")


def plain(values: object) -> NDArray[Any]:
    """View values as an array; masked ones, and None among numbers, are NaN."""
    if isinstance(values, np.ma.MaskedArray) and values.dtype.kind in NUMERIC:
        return np.where(np.ma.getmaskarray(values), np.nan, np.ma.getdata(values).astype(np.float64))
    array = np.asarray(values)
    if array.dtype == object and all(value is None or isinstance(value, int | float) for value in array.flat):
        return np.array([np.nan if value is None else value for value in array.flat], float).reshape(array.shape)
    return array


def label_values(values: object, array: NDArray[Any]) -> NDArray[Any]:
    """View values as labels are read: whole numbers and booleans beside None or masked ones become no floats."""
    if isinstance(values, np.ma.MaskedArray):
        if values.dtype.kind in "biu":
            array = np.ma.getdata(values).astype(object)
            array[np.ma.getmaskarray(values)] = None
        return array
    return np.asarray(values) if array.dtype.kind == "f" else array


def single(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array of one value per row as (n,); raise DataError where there are more, or none."""
    flat = array.reshape(-1)
    if len(flat) != len(array) or array.dtype.names is not None:
        raise DataError(NOT_SINGLE)
    if array.dtype == object and any(isinstance(value, NESTED) for value in flat):
        raise DataError(NOT_SINGLE)
    return flat


def written_out(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array of anything as (n,) labels, lists written out."""
    try:
        return single(array)
    except DataError:
        return np.array([str(row) for row in array.tolist()])


def labels(array: NDArray[Any], kind: Kind) -> Column:
    """Encode (n,) labels or keys as an Arrow array of them is; None, NaN, NaT and an empty text are null."""
    from lossctl.io import arrow

    return arrow.column(arrow_array(array), kind)


def arrow_array(array: NDArray[Any]) -> Any:
    """Return (n,) labels as an Arrow array: numbers and times of their own type, all else as text."""
    import pyarrow as pa

    if array.dtype == object and all(isinstance(value, float) or missing(value) for value in array):
        array = np.array([np.nan if missing(value) else value for value in array], dtype=np.float64)
    if array.dtype.kind in "iuf":
        array = np.ascontiguousarray(array, dtype=np.float64 if array.dtype.itemsize > WIDEST else None)
        array = array.astype(array.dtype.newbyteorder("="), copy=False)
        return pa.Array.from_buffers(pa.from_numpy_dtype(array.dtype), len(array), [None, pa.py_buffer(array)])
    if array.dtype.kind in "mM" and np.datetime_data(array.dtype)[0] in ARROW_UNITS:
        return pa.array(array)
    if array.dtype.kind == "S":
        return pa.array(array.tolist(), pa.binary())
    words = [None if missing(value) else label_of(value) for value in array.tolist()]
    return pa.array(words, pa.string())


def missing(value: Any) -> bool:
    """Whether a value is None, or as NaN, NaT and NA not the same as itself."""
    if value is None:
        return True
    differs = value != value
    return bool(differs) if isinstance(differs, bool | np.bool_) else True


class ArrowTable(Table):
    """An Arrow table."""

    def __init__(self, table: Any, label: str = "data") -> None:
        self.table = table
        self.label = label

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.table.schema.names)

    @property
    def rows(self) -> int:
        return len(self.table)

    @property
    def cuts(self) -> range:
        return block_starts(self.rows)

    def column(self, name: str) -> Any:
        """Return a column as a chunked Arrow array."""
        return self.table.column(name)

    def shape(self, name: str) -> Shape:
        from lossctl.io import arrow

        shape = arrow.shape(self.column(name).type)
        if shape.width:
            return shape
        first = self.column(name).slice(0, 1).combine_chunks()
        with self.naming(name):
            return Shape(shape.kind, arrow.vectors(first).values.shape[0] if len(first) else 0)

    def read(self, columns: Mapping[str, Kind], start: int = 0, stop: int | None = None) -> Iterator[Pending[Piece]]:
        import pyarrow as pa

        from lossctl.io import arrow

        table = pa.table({name: self.column(name) for name in columns})
        table = table.slice(start, None if stop is None else stop - start)
        for batch in table.to_batches(max_chunksize=BLOCK):
            values: dict[str, Column] = {}
            for name, kind in columns.items():
                with self.naming(name):
                    values[name] = arrow.column(batch.column(name), kind)
            yield ready(Piece(values))


class FrameTable(ArrowTable):
    """A pandas frame, of which only the columns that are read are converted, each once."""

    def __init__(self, frame: Any, label: str = "data") -> None:
        super().__init__(frame, label)
        self._converted: dict[str, Any] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(map(str, self.table.columns))

    def column(self, name: str) -> Any:
        if name not in self._converted:
            self._converted[name] = self._convert(name)
        return self._converted[name]

    def _convert(self, name: str) -> Any:
        import pyarrow as pa

        series = self.table.iloc[:, self.names.index(name)]
        try:
            array = pa.Array.from_pandas(series)
        except pa.ArrowException as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"{self.label}: column {name!r} holds values of several kinds: {reason}") from None
        return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])
