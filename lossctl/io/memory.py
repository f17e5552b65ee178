"""Tables in memory, for the Python interface: frames, whatever speaks Arrow's C interface, dicts of arrays, records."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Sized, ValuesView
from decimal import Decimal
from functools import cached_property
from numbers import Real
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lossctl.core.batch import block_rows
from lossctl.core.block import Pending, ready
from lossctl.core.domain import label as label_of
from lossctl.errors import DataError, UsageError, first_line
from lossctl.io.source import NULLS, STANDARD, Content, inexact_number
from lossctl.io.table import (
    BETWEEN,
    NOT_SINGLE,
    Cells,
    Column,
    Kind,
    Numbers,
    Piece,
    Shape,
    Table,
    block_starts,
    floats,
)
from lossctl.numerics.array import array_of, is_inexact, missing

NESTED = (list, tuple, dict, set, frozenset, np.ndarray)
NUMERIC = "biuf"  # kinds of NumPy types that become float64
WRITTEN = "US"  # kinds of NumPy types that hold text
WIDEST = 8  # bytes of the widest number that Arrow knows
ARROW_UNITS = ("D", "s", "ms", "us", "ns")
ARROW_PROTOCOL: Final = ("__arrow_c_stream__", "__arrow_c_array__")
TARGETS: Final = "targets"  # what a table that holds the truth alone is called
CONVERSIONS: Final = ("to_reader", "to_pandas", "toPandas", "to_arrow", "to_dataframe", "to_frame")
ALLOWED: Final = (
    "a pandas or Polars frame, an Arrow table, reader or dataset, a DuckDB relation, a dict of arrays, a list of "
    "dicts, a file object or paths"
)


def from_memory(data: Any, label: str = "data") -> Table:
    """Make a table of a frame of any library that speaks Arrow's C interface, a dict of arrays, or a list of dicts."""
    kind = f"{type(data).__module__}.{type(data).__qualname__}"
    if isinstance(data, Mapping):
        return ArrayTable(data, label)
    if isinstance(data, Iterator) and not hasattr(data, ARROW_PROTOCOL[0]):
        data = list(data)
    if isinstance(data, Sequence) and not isinstance(data, str | bytes) and not data:
        raise UsageError(f"{label}: it is empty; give {ALLOWED}")
    if isinstance(data, Sequence) and data and all(hasattr(entry, "_asdict") for entry in data):
        data = [entry._asdict() for entry in data]  # named tuples
    if isinstance(data, Sequence) and data and all(isinstance(entry, Mapping) for entry in data):
        return ArrayTable(columns_of(data), label)
    single = len(getattr(data, "shape", ())) == 1 and getattr(getattr(data, "dtype", None), "names", None) is None
    if single and label == TARGETS:  # a series, or an array without a name
        return ArrayTable({str(getattr(data, "name", None) or "target"): data}, label)
    if single:
        raise UsageError(
            f'{label}: the {type(data).__name__} is no table of columns; {{"y": TARGET, "p": PREDICTION}} is one'
        )
    if isinstance(data, np.ndarray) and data.dtype.names is not None:
        return ArrayTable({name: data[name] for name in data.dtype.names}, label)
    if kind.startswith("pandas.") and hasattr(data, "iloc") and hasattr(data, "columns"):
        return FrameTable(flat_frame(data), label)
    if kind.startswith("polars.") and hasattr(data, "collect"):  # a lazy frame
        data = data.collect()
    if kind.startswith("pyarrow.") and hasattr(data, "scanner"):
        return DatasetTable(data, label)
    if any(hasattr(data, protocol) for protocol in ARROW_PROTOCOL):
        from lossctl.io import arrow

        return ArrowTable(arrow.flat(arrow_table(data, label)), label)
    advice = next((f"; .{name}() makes one" for name in CONVERSIONS if hasattr(data, name)), "")
    if isinstance(data, np.ndarray):
        advice = '; name the columns of an array, as in {"y": array[:, 0], "p": array[:, 1]}'
    raise UsageError(f"{label}: a value of type {type(data).__name__} is not allowed; {ALLOWED}{advice}")


def columns_of(records: Sequence[Mapping[Any, Any]]) -> dict[str, list[Any]]:
    """Turn records into columns, None where a record lacks a key; `pred.score` is a key of a record inside."""
    flat = [dict(_flattened(record, "")) for record in records]
    names = dict.fromkeys(name for record in flat for name in record)
    return {name: [record.get(name) for record in flat] for name in names}


def _flattened(record: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in record.items():
        if isinstance(value, Mapping):
            yield from _flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def arrow_table(data: Any, label: str) -> Any:
    """Take over what speaks Arrow's C interface as an Arrow table; a stream can be read but once."""
    import pyarrow as pa

    try:
        return pa.table(data)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise DataError(f"{label}: the {type(data).__name__} is no table of columns: {first_line(error)}") from None


class ArrayTable(Table):
    """A dict of arrays: (n,) or (n, k, ...) numbers, or (n,) labels; columns nobody asks for may be anything.

    `first` is where their rows begin in a file.
    """

    def __init__(self, columns: Mapping[str, object], label: str = "data", first: int = 0) -> None:
        self.label, self._first = label, first
        self._values = {
            str(name): list(values) if isinstance(values, Iterator | ValuesView) else values
            for name, values in _with_columns_of_frames(columns)
        }
        self._arrays: dict[str, NDArray[Any]] = {}
        self._shapes: dict[str, Shape] = {}
        self._labels: dict[str, NDArray[Any]] = {}
        lengths = {_length(values) for values in self._values.values()}
        self._rows = lengths.pop() if len(lengths) == 1 else None if lengths else 0

    def array(self, name: str) -> NDArray[Any]:
        """Return a column as an array."""
        if name in self._arrays:
            return self._arrays[name]
        values = self._values[name]
        try:
            array = plain(values)
        except (ArithmeticError, RuntimeError, TypeError, ValueError) as error:  # as NumPy or the values' own type say
            raise DataError(
                f"{self.label}: column {name!r} is no array of values of one length and type: {first_line(error)}"
            ) from None
        if not array.ndim:
            raise DataError(
                f"{self.label}: column {name!r} is a single value of type {type(values).__name__}; an array or a list "
                "with one value for each row is needed"
            )
        self._arrays[name] = array
        return array

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._values)

    @property
    def rows(self) -> int | None:
        return self._rows

    @property
    def cuts(self) -> range | None:
        return None if self._rows is None else block_starts(self._rows)

    def shape(self, name: str) -> Shape:
        if name not in self._shapes:
            self._shapes[name] = self._shape(name)
        return self._shapes[name]

    def _shape(self, name: str) -> Shape:
        if are_lists_of_labels(self._values[name]):
            return Shape("labels")
        array = self.array(name)
        if array.dtype.kind in NUMERIC:
            content = Content("boolean" if array.dtype.kind == "b" else "number")
        else:
            content = first_content(array)
        first = next((value for value in array.flat if not missing(value)), None) if array.dtype == object else ""
        written = array.dtype.kind in WRITTEN or (array.dtype == object and isinstance(first, str))
        return Shape(content.kind, math.prod(array.shape[1:]) * content.width, max(array.ndim - 1, 1), written)

    def read(self, columns: Mapping[str, Kind], start: int = 0, stop: int | None = None) -> Iterator[Pending[Piece]]:
        lengths = {
            name: len(self._values[name] if kind is Kind.LABELS else self.array(name))  # type: ignore[arg-type]
            for name, kind in columns.items()
        }
        if len(set(lengths.values())) > 1:
            raise DataError(f"{self.label}: the columns differ in length: {lengths}")
        end = max(lengths.values(), default=0) if stop is None else stop
        step = block_rows(self.row_width(columns))
        for first in range(start, end, step):
            rows = slice(first, min(first + step, end))
            yield ready(Piece({name: self._column(name, rows, kind) for name, kind in columns.items()}))

    def row_width(self, columns: Collection[str]) -> int | None:
        return sum(self.shape(name).width for name in columns)

    def _column(self, name: str, rows: slice, kind: Kind) -> Column:
        if kind is Kind.LABELS:
            return labels(joined(self._values[name][rows]), Kind.TEXT)  # type: ignore[index]  # lists have rows
        array = self.array(name)[rows]
        if kind in (Kind.TEXT, Kind.KEY):
            if name not in self._labels:
                self._labels[name] = label_values(self._values[name], self.array(name))
            with self.naming(name):
                return labels(single(self._labels[name][rows]), kind)
        if array.dtype.kind in NUMERIC:
            with self.naming(name, self._first + rows.start):
                return Numbers(floats(array.reshape(len(array), self.shape(name).width).T))
        if kind is Kind.CELL and array.ndim == 1 and self.shape(name).width > 1:
            return Cells(arrow_array(array))  # vectors that are written as text
        if kind is Kind.CELL:
            return labels(written_out(array), Kind.TEXT)
        for row, value in enumerate(array.reshape(len(array), -1)):
            for entry in value.tolist():
                if isinstance(entry, int) and is_inexact(entry):
                    where = self.where(self._first + rows.start + row)
                    raise DataError(f"{where}, column {name!r}: {inexact_number(entry)}")
        readable = str, Real, Decimal
        if array.dtype.kind in WRITTEN or all(isinstance(value, readable) or missing(value) for value in array.flat):
            from lossctl.io import arrow

            with self.naming(name, self._first + rows.start):
                return arrow.numbers(arrow_array(single(array)))
        raise DataError(f"{self.label}: column {name!r} holds {array.dtype} values; numbers are needed")


def _with_columns_of_frames(columns: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Yield columns; of a frame whose own columns have names, each of them, as `pred.score`."""
    for name, values in columns.items():
        names = getattr(values, "column_names", getattr(values, "columns", None))
        width = 0 if names is None or not hasattr(values, "__getitem__") else len(names)
        if names is None or width < 2 or [*map(str, names)] == [*map(str, range(width))]:
            yield str(name), values
        else:
            for place in names:
                yield f"{name}.{place}", values[place]  # type: ignore[index]


def are_lists_of_labels(values: object) -> bool:
    """Whether values are a list, or an array, of lists of texts; the first one that is not empty tells."""
    if not isinstance(values, list | tuple | np.ndarray) or getattr(values, "dtype", np.dtype(object)).kind != "O":
        return False
    first = next((value for value in values if value is not None and np.size(value)), None)
    return isinstance(first, list | tuple | set | frozenset | np.ndarray) and isinstance(next(iter(first)), str)


def joined(values: Iterable[Any]) -> NDArray[Any]:
    """Return lists of labels as texts; None where there is none."""
    rows = ([value] if isinstance(value, str) else value for value in values)
    texts = [None if row is None else BETWEEN.join(map(label_of, row)) or BETWEEN for row in rows]
    return np.array(texts, dtype=object)


def first_content(array: NDArray[Any]) -> Content:
    """Say by its first text whether a column of texts holds numbers, vectors of them, true and false, or words."""
    first = next((value for value in array.flat if isinstance(value, str) and value not in NULLS), "")
    if not first and any(isinstance(value, str) for value in array.flat):  # marks of missing values among numbers
        first = next((str(value) for value in array.flat if isinstance(value, Real) and not missing(value)), "")
    return STANDARD.content(first)


def _length(values: object) -> int | None:
    """Return the rows of a column, None where only an array of it can tell."""
    shape = getattr(values, "shape", None)
    if shape is not None:
        return int(shape[0]) if shape else None
    return len(values) if isinstance(values, Sized) and not isinstance(values, str | bytes) else None


def plain(values: object) -> NDArray[Any]:
    """View values as an array; masked ones, and None among numbers, are NaN, and masked texts and times None."""
    if isinstance(values, np.ma.MaskedArray):
        absent: Any
        absent, kind = (np.nan, np.float64) if values.dtype.kind in NUMERIC else (None, object)
        return np.where(np.ma.getmaskarray(values), absent, np.ma.getdata(values).astype(kind))
    return array_of(values)


def label_values(values: object, array: NDArray[Any]) -> NDArray[Any]:
    """View values as labels are read: whole numbers and booleans beside None or masked ones become no floats."""
    if isinstance(values, np.ma.MaskedArray):
        if values.dtype.kind in "biu":
            array = np.ma.getdata(values).astype(object)
            array[np.ma.getmaskarray(values)] = None
        return array
    return array_of(values, labels=True) if array.dtype.kind == "f" else array


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
    values = array.tolist()
    words = [None if missing(value) else value if isinstance(value, str) else label_of(value) for value in values]
    return pa.array(words, pa.string())


class ArrowTable(Table):
    """An Arrow table."""

    def __init__(self, table: Any, label: str = "data") -> None:
        self.table = table
        self.label = label

    @cached_property
    def schema(self) -> Any:
        """The columns with their Arrow types, those in structs as `pred.score`."""
        from lossctl.io import arrow

        return arrow.flat_schema(self.table.schema)

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(self.schema.names)

    @property
    def rows(self) -> int:
        return len(self.table)

    @property
    def cuts(self) -> range:
        return block_starts(self.rows)

    def column(self, name: str) -> Any:
        """Return a column as a chunked Arrow array."""
        return self.table.column(self.place(name))

    @cached_property
    def _shapes(self) -> dict[str, Shape]:
        return {}

    def shape(self, name: str) -> Shape:
        from lossctl.io import arrow

        if name not in self._shapes:
            self._shapes[name] = self.completed(name, arrow.shape(self.column(name).type))
        return self._shapes[name]

    def row_width(self, columns: Collection[str]) -> int | None:
        return sum(self.shape(name).width for name in columns)

    def batches(self, columns: Collection[str], start: int, stop: int | None) -> Iterator[Any]:
        """Yield record batches of columns, of at most a block of rows."""
        import pyarrow as pa

        table = pa.table({name: self.column(name) for name in columns})
        rows = table.slice(start, None if stop is None else stop - start)
        yield from rows.to_batches(max_chunksize=block_rows(self.row_width(columns)))

    def read(self, columns: Mapping[str, Kind], start: int = 0, stop: int | None = None) -> Iterator[Pending[Piece]]:
        from lossctl.io import arrow

        for batch in self.batches(columns, start, stop):
            yield ready(arrow.piece(self, batch, columns, start))
            start += batch.num_rows


def flat_frame(frame: Any) -> Any:
    """Return a pandas frame with the members of structs, which are of a type of Arrow's, in their place."""
    nested = [not isinstance(dtype, np.dtype) and str(dtype).startswith("struct<") for dtype in frame.dtypes]
    if not any(nested):
        return frame
    import pandas as pd

    columns = [
        frame.iloc[:, place].struct.explode().add_prefix(f"{name}.") if nested[place] else frame.iloc[:, place]
        for place, name in enumerate(frame.columns)
    ]
    return flat_frame(pd.concat(columns, axis=1))


class FrameTable(ArrowTable):
    """A pandas frame, of which only the columns that are read are converted, each once."""

    def __init__(self, frame: Any, label: str = "data") -> None:
        super().__init__(frame, label)
        self._converted: dict[str, Any] = {}

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(map(str, self.table.columns))

    @property
    def doubt(self) -> str:
        names = [str(name) for name in self.table.index.names if name is not None]
        return f" (its index, {', '.join(names)}, is no column: reset_index() makes it one)" if names else ""

    def column(self, name: str) -> Any:
        if name not in self._converted:
            self._converted[name] = self._convert(name)
        return self._converted[name]

    def _convert(self, name: str) -> Any:
        import pyarrow as pa

        place, columns = self.place(name), self.table.columns
        series = self.table[columns[place]] if columns.nlevels == 1 else self.table.iloc[:, place]
        if hasattr(series.array, "to_dense"):  # sparse values are unknown to Arrow
            series = series.sparse.to_dense()
        values = series.to_numpy() if isinstance(series.dtype, np.dtype) else series  # the array comes faster
        try:
            array = pa.array(values, from_pandas=True)  # NaN is null, as pandas has it
        except (pa.ArrowException, OverflowError):  # values of several kinds, as in a column of a dict
            with self.naming(name):
                array = arrow_array(single(array_of(values)))
        if isinstance(getattr(array.type, "value_type", array.type), pa.BaseExtensionType):  # periods, intervals
            array = pa.array(series.astype(str).where(series.notna(), None), pa.string())
        return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])


class DatasetTable(ArrowTable):
    """An Arrow dataset, streamed file by file; only the columns that are read."""

    @property
    def rows(self) -> None:  # type: ignore[override]  # nobody has counted them
        return None

    @property
    def cuts(self) -> None:  # type: ignore[override]
        return None

    def shape(self, name: str) -> Shape:
        from lossctl.io import arrow

        return self.completed(name, arrow.shape(self.schema.field(self.place(name)).type))

    def batches(self, columns: Collection[str], start: int, stop: int | None) -> Iterator[Any]:
        import pyarrow as pa

        from lossctl.io import arrow

        places = {place for field, place in arrow.leaves(self.table.schema) if field.name in columns}
        names = [self.table.schema.names[place] for place in sorted(places)]
        try:
            for batch in self.table.to_batches(
                columns=names, batch_size=block_rows(self.row_width(columns)), use_threads=False
            ):
                batch.validate(full=True)  # of files that nobody has looked at
                yield arrow.flat(batch)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self.label}: {first_line(error)}") from None
