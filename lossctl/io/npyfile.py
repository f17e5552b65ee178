"""`.npy` arrays: n rows of flattened vectors, read in blocks; never pickled, never memory-mapped."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from functools import cached_property
from math import prod
from tokenize import TokenError

import numpy as np

from lossctl.core.batch import BLOCK
from lossctl.errors import DataError
from lossctl.io.column import NOT_SINGLE, Kind, Numbers, Piece, Shape
from lossctl.io.source import Source

MAX_HEADER = 10_000


class NpyTable:
    """One array as a table of one vector column, which bears the file's name."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.label = source.label

    @cached_property
    def layout(self) -> tuple[tuple[int, ...], bool, np.dtype[np.generic], int]:
        """Shape, whether the first index runs fastest, type, and where the data begins."""
        try:
            with open(self.source.path, "rb") as file:
                version = np.lib.format.read_magic(file)
                reader = (
                    np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                )
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", UserWarning)  # headers written by Python 2 are read as well
                    shape, fortran, dtype = reader(file, max_header_size=MAX_HEADER)
                start = file.tell()
        except (ValueError, SyntaxError, TokenError, EOFError, OSError) as error:
            reason = re.sub(r"<.* object at .*>", "of another kind", str(error).splitlines()[0])
            raise DataError(f"{self.label}: not a readable .npy file: {reason}") from None
        if dtype.kind not in "biuf":
            never = " (objects are never unpickled)" if dtype.hasobject else ""
            raise DataError(f"{self.label}: holds {dtype} values; numbers are needed{never}")
        if not shape:
            raise DataError(f"{self.label}: holds a single value; an array of rows is needed")
        if start + prod(shape) * dtype.itemsize != self.source.size:
            raise DataError(f"{self.label}: its header promises {shape} {dtype} values, which the file does not hold")
        return shape, fortran and len(shape) > 1, dtype, start

    @property
    def names(self) -> tuple[str, ...]:
        return (self.source.stem.removesuffix(".npy"),)

    @property
    def rows(self) -> int:
        return self.layout[0][0]

    def shape(self, name: str) -> Shape:
        shape, _, dtype, _ = self.layout
        return Shape("boolean" if dtype.kind == "b" else "number", prod(shape[1:]))

    def unchanged(self) -> None:
        self.source.unchanged()

    def where(self, row: int) -> str:
        return f"{self.label}: row {row + 1}"

    @property
    def cuts(self) -> range:
        return range(0, max(self.rows, 1), BLOCK)

    def read(self, wanted: Mapping[str, Kind], start: int = 0, stop: int | None = None) -> Iterator[Piece]:
        shape, fortran, dtype, offset = self.layout
        name = self.names[0]
        if wanted[name] not in (Kind.NUMBER, Kind.CELL):
            if self.shape(name).width != 1:
                raise DataError(f"{self.label}: {NOT_SINGLE}")
            raise DataError(f"{self.label}: holds numbers; a column of labels is needed")
        rows, width = shape[0], prod(shape[1:])
        # in Fortran order a column is contiguous, and columns follow the reversed order of the trailing indices
        order = np.arange(width).reshape(shape[1:], order="F").reshape(-1)
        try:
            with open(self.source.path, "rb") as file:
                end = rows if stop is None else stop
                for first in range(start, end, BLOCK):
                    count = min(BLOCK, end - first)
                    if fortran:
                        block = np.empty((width, count), dtype)
                        for line, column in enumerate(order.tolist()):
                            file.seek(offset + (column * rows + first) * dtype.itemsize)
                            block[line] = np.fromfile(file, dtype, count)
                    else:
                        file.seek(offset + first * width * dtype.itemsize)
                        block = np.fromfile(file, dtype, count * width).reshape(count, width).T
                    yield {name: Numbers(np.ascontiguousarray(block, dtype=np.float64))}
        except (ValueError, OSError) as error:
            self.source.unchanged()
            raise DataError(f"{self.label}: {str(error).splitlines()[0]}") from None
        self.source.unchanged()
