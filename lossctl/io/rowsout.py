"""Per-row losses to Parquet or CSV, block by block, under a temporary name until all is well."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise
from typing import Any, Final, Self
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from lossctl.core.block import Block
from lossctl.interrupts import undisturbed
from lossctl.io.atomic import writing
from lossctl.numerics.array import Array

Pieces = Sequence[Any]  # bytes and arrays, one after the other in the file
Columns = Sequence[NDArray[Any]]

# Parquet: one row group a block, one page a column, plain numbers. Nearly every value is another: neither a dictionary
# nor compression gains what it costs, and Arrow's writer, in one thread, takes twice as long as the computing ---------

MAGIC: Final = b"PAR1"
INT64, DOUBLE = 2, 5  # Parquet's types of values
I32, I64, BINARY, LIST, STRUCT = 5, 6, 8, 9, 12  # Thrift's
PLAIN, RLE = 0, 3


def varint(number: int) -> bytes:
    """Write a number >= 0 in groups of seven bits, the last ones first."""
    groups = [number >> shift & 127 for shift in range(0, max(number.bit_length(), 1), 7)]
    return bytes([*(group | 128 for group in groups[:-1]), groups[-1]])


def integer(number: int) -> bytes:
    """Write a number of any sign."""
    return varint(2 * number if number >= 0 else -2 * number - 1)


def binary(text: bytes) -> bytes:
    """Write a text."""
    return varint(len(text)) + text


def array(kind: int, values: Sequence[bytes]) -> bytes:
    """Write a list of values of one type."""
    head = bytes([len(values) << 4 | kind]) if len(values) < 15 else bytes([15 << 4 | kind]) + varint(len(values))
    return head + b"".join(values)


def struct(*members: tuple[int, int, bytes]) -> bytes:
    """Write a struct in Thrift's compact protocol: (number, type, value) of its members, in ascending order."""
    numbers = [0, *(number for number, _, _ in members)]
    steps = (after - before for before, after in pairwise(numbers))
    heads = (bytes([step << 4 | kind]) for step, (_, kind, _) in zip(steps, members, strict=True))
    return b"".join(head + value for head, (_, _, value) in zip(heads, members, strict=True)) + b"\0"


class ParquetRows:
    """The rows as a Parquet file."""

    head = MAGIC

    def __init__(self, names: Sequence[str]) -> None:
        self._kinds = {"row": INT64, **dict.fromkeys(names, DOUBLE)}
        self._groups: list[bytes] = []
        self._rows, self._place = 0, len(MAGIC)

    def packed(self, columns: Columns) -> Pieces:
        """Return pages, each with its header, which has a checksum."""
        pages: list[Any] = []
        for column in columns:
            size, check = integer(column.nbytes), crc32(column.data)
            levels = (integer(RLE),) * 2
            counts = struct(*((i, I32, x) for i, x in enumerate((integer(len(column)), integer(PLAIN), *levels), 1)))
            check -= (check >> 31) << 32
            pages += [
                struct(
                    (1, I32, integer(0)), (2, I32, size), (3, I32, size), (4, I32, integer(check)), (5, STRUCT, counts)
                ),
                column,
            ]
        return pages

    def note(self, pages: Pieces) -> None:
        """Note where the pages of a block come to stand."""
        rows, chunks, start = len(pages[1]), list[bytes](), self._place
        least, most = (binary(end.tobytes()) for end in (pages[1].min(), pages[1].max()))
        statistics = struct((3, I64, integer(0)), (5, BINARY, most), (6, BINARY, least))
        for name, header, column in zip(self._kinds, pages[::2], pages[1::2], strict=True):
            size = integer(len(header) + column.nbytes)
            facts = [
                (1, I32, integer(self._kinds[name])),
                (2, LIST, array(I32, [integer(PLAIN), integer(RLE)])),
                (3, LIST, array(BINARY, [binary(name.encode())])),
                (4, I32, integer(0)),
                (5, I64, integer(rows)),
                (6, I64, size),
                (7, I64, size),
                (9, I64, integer(self._place)),
            ]
            facts += [(12, STRUCT, statistics)] if name == "row" else []
            chunks.append(struct((2, I64, integer(self._place)), (3, STRUCT, struct(*facts))))
            self._place += len(header) + column.nbytes
        sizes = (integer(self._place - start), integer(rows))
        self._groups.append(struct((1, LIST, array(STRUCT, chunks)), *((i, I64, x) for i, x in enumerate(sizes, 2))))
        self._rows += rows

    def tail(self) -> bytes:
        """Return the footer."""
        columns = [
            struct((1, I32, integer(kind)), (3, I32, integer(0)), (4, BINARY, binary(name.encode())))
            for name, kind in self._kinds.items()
        ]
        root = struct((4, BINARY, binary(b"schema")), (5, I32, integer(len(columns))))
        by_type = struct((1, STRUCT, struct()))
        footer = struct(
            (1, I32, integer(2)),
            (2, LIST, array(STRUCT, [root, *columns])),
            (3, I64, integer(self._rows)),
            (4, LIST, array(STRUCT, self._groups)),
            (6, BINARY, binary(b"lossctl")),
            (7, LIST, array(STRUCT, [by_type] * len(columns))),
        )
        return footer + len(footer).to_bytes(4, "little") + MAGIC


class CsvRows:
    """The rows as a CSV file."""

    def __init__(self, names: Sequence[str]) -> None:
        import pyarrow as pa

        kinds = {"row": pa.int64(), **dict.fromkeys(names, pa.float64())}
        self._schema = pa.schema(kinds.items())
        self.head = self._text([np.empty(0, np.int64), *[np.empty(0)] * len(names)], header=True)

    def _text(self, columns: Columns, header: bool = False) -> Any:
        import pyarrow as pa
        from pyarrow import csv

        arrays = [
            pa.Array.from_buffers(field.type, len(column), [None, pa.py_buffer(column)])
            for field, column in zip(self._schema, columns, strict=True)
        ]
        lines = pa.BufferOutputStream()
        rows = pa.RecordBatch.from_arrays(arrays, schema=self._schema)
        csv.write_csv(rows, lines, csv.WriteOptions(include_header=header))
        return lines.getvalue()

    def packed(self, columns: Columns) -> Pieces:
        """Return the lines of a block."""
        return [self._text(columns)]

    def note(self, pieces: Pieces) -> None:
        """Nothing is told of a block elsewhere in the file."""

    def tail(self) -> bytes:
        """Return what ends the file."""
        return b""


# the writer -----------------------------------------------------------------------------------------------------------


class RowsWriter:
    """Writes a column `row` and one column per model and loss.

    `row` is the 1-based row of the first input; `rows_at` says which one stands at an address.
    """

    def __init__(
        self,
        path: str,
        temporary: str,
        names: Sequence[str],
        rows_at: Callable[[NDArray[np.int64]], NDArray[np.int64]],
    ) -> None:
        self.path = path
        self.rows_at = rows_at
        self._format = ParquetRows(names) if path.lower().endswith(".parquet") else CsvRows(names)
        self._flushing: Future[None] | None = None
        with writing(self.path):
            with undisturbed():
                self._file = open(temporary, "wb")  # noqa: SIM115  # closed on exit
            self._file.write(self._format.head)
        self._flusher = ThreadPoolExecutor(1, thread_name_prefix="lossctl-flush")

    def packed(self, block: Block, lines: Sequence[Array]) -> Pieces:
        """Return one block as it stands in the file, from a line of numbers for each loss. Any thread may do so."""
        if not lines:
            return ()
        numbers = (np.ascontiguousarray(line, dtype=np.float64) for line in lines)
        return self._format.packed([self.rows_at(block.addresses) + 1, *numbers])

    def write(self, pieces: Pieces) -> None:
        """Append the next block."""
        if not pieces:
            return
        with writing(self.path):
            self._file.writelines(pieces)
            self._format.note(pieces)
            if self._flushing is None or self._flushing.done():
                self._flushing = self._flusher.submit(os.fsync, self._file.fileno())  # beside the computing

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Finish the file, unless something has failed."""
        self._flusher.shutdown()
        if kind is not None:
            with suppress(OSError):
                self._file.close()
            return
        with writing(self.path), self._file:
            if self._flushing is not None:
                self._flushing.result()
            self._file.write(self._format.tail())
