"""`.npy` arrays: n rows of flattened vectors, read in blocks; never pickled, never memory-mapped."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.core.batch import BLOCK
from lossctl.errors import DataError
from lossctl.io.column import NOT_SINGLE, Kind, Numbers, Piece, Shape
from lossctl.io.source import Source

MAX_HEADER = 10_000


@dataclass(frozen=True)
class Layout:
    """Shape, whether the first index runs fastest, type, and where the data begins."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    start: int

    @property
    def width(self) -> int:
        return prod(self.shape[1:])

    @property
    def size(self) -> int:
        """The bytes of header and data."""
        return self.start + prod(self.shape) * self.dtype.itemsize


def layout_of(file: IO[bytes], size: int) -> Layout:
    """Read the header of an array of so many bytes; raise DataError, without the place, for one that is not read."""
    try:
        version = np.lib.format.read_magic(file)
        reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # headers written by Python 2 are read as well
            shape, fortran, dtype = reader(file, max_header_size=MAX_HEADER)
    except (ValueError, SyntaxError, TokenError, EOFError, OSError) as error:
        reason = re.sub(r"<.* object at .*>", "of another kind", str(error).splitlines()[0])
        raise DataError(f"not a readable .npy file: {reason}") from None
    found = Layout(shape, fortran and len(shape) > 1, dtype, file.tell())
    if dtype.hasobject:
        raise DataError(f"holds {dtype} values; numbers are needed (objects are never unpickled)")
    if not shape:
        raise DataError("holds a single value; an array of rows is needed")
    if found.size != size or min(shape) < 0:
        raise DataError(f"its header promises {shape} {dtype} values, which the file does not hold")
    return found


def blocks(file: IO[bytes], layout: Layout, start: int, end: int) -> Iterator[NDArray[Any]]:
    """Yield (width, rows) arrays of the rows start to end of a file that can be read at any place."""
    rows, width, size = layout.shape[0], layout.width, layout.dtype.itemsize
    # in Fortran order a column is contiguous, and columns follow the reversed order of the trailing indices
    order = np.arange(width).reshape(layout.shape[1:], order="F").reshape(-1)
    for first in range(start, end, BLOCK):
        count = min(BLOCK, end - first)
        if layout.fortran:
            block = np.empty((width, count), layout.dtype)
            for line, column in enumerate(order.tolist()):
                file.seek(layout.start + (column * rows + first) * size)
                block[line] = np.fromfile(file, layout.dtype, count)
            yield block
        else:
            file.seek(layout.start + first * width * size)
            yield np.fromfile(file, layout.dtype, count * width).reshape(count, width).T


class NpyTable:
    """One array as a table of one vector column, which bears the file's name."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.label = source.label

    @cached_property
    def layout(self) -> Layout:
        """What the header says."""
        try:
            with open(self.source.path, "rb") as file:
                found = layout_of(file, self.source.size)
        except (DataError, OSError) as error:
            raise DataError(f"{self.label}: {error}") from None
        if found.dtype.kind not in "biuf":
            raise DataError(f"{self.label}: holds {found.dtype} values; numbers are needed")
        return found

    @property
    def names(self) -> tuple[str, ...]:
        return (self.source.stem.removesuffix(".npy"),)

    @property
    def rows(self) -> int:
        return self.layout.shape[0]

    def shape(self, name: str) -> Shape:
        return Shape("boolean" if self.layout.dtype.kind == "b" else "number", self.layout.width)

    def unchanged(self) -> None:
        self.source.unchanged()

    def where(self, row: int) -> str:
        return f"{self.label}: row {row + 1}"

    @property
    def cuts(self) -> range:
        return range(0, max(self.rows, 1), BLOCK)

    def read(self, wanted: Mapping[str, Kind], start: int = 0, stop: int | None = None) -> Iterator[Piece]:
        name = self.names[0]
        if wanted[name] not in (Kind.NUMBER, Kind.CELL):
            if self.shape(name).width != 1:
                raise DataError(f"{self.label}: {NOT_SINGLE}")
            raise DataError(f"{self.label}: holds numbers; a column of labels is needed")
        try:
            with open(self.source.path, "rb") as file:
                for block in blocks(file, self.layout, start, self.rows if stop is None else stop):
                    yield {name: Numbers(np.ascontiguousarray(block, dtype=np.float64))}
        except (ValueError, OSError) as error:
            self.source.unchanged()
            raise DataError(f"{self.label}: {str(error).splitlines()[0]}") from None
        self.source.unchanged()
