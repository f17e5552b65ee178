"""`.npy` and `.npz`: arrays are columns, read in blocks, from an archive too; never pickled, never unpacked at once."""

from __future__ import annotations

import errno
import io
import re
import shutil
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import prod
from tokenize import TokenError
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from lossctl.core.batch import BLOCK, block_rows
from lossctl.core.block import Pending
from lossctl.errors import DataError, first_line, listed, printable
from lossctl.io.memory import NUMERIC, WRITTEN, ArrayTable
from lossctl.io.source import STEP
from lossctl.io.table import NOT_SINGLE, FileTable, Kind, Piece, Shape, block_starts

MAX_HEADER: Final = 10_000


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
    def column(self) -> Shape:
        """The array as a column."""
        return ArrayTable({"": np.empty((0, *self.shape[1:]), self.dtype)}).shape("")

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
        reason = re.sub(r"<.* object at .*>", "of another kind", first_line(error))
        raise DataError(f"not a readable .npy file: {reason}") from None
    layout = Layout(shape, fortran and len(shape) > 1, dtype, file.tell())
    if dtype.hasobject:
        raise DataError(f"holds {dtype} values; numbers are needed (objects are never unpickled)")
    if not shape:
        raise DataError("holds a single value; an array of rows is needed")
    if layout.size != size or min(shape) < 0:
        raise DataError(f"its header promises {shape} {dtype} values, which the file does not hold")
    return layout


def blocks(file: IO[bytes], layout: Layout, start: int, end: int, step: int) -> Iterator[NDArray[Any]]:
    """Yield (width, rows) arrays of the rows start to end of a file that can be read at any place."""
    rows, width, size = layout.shape[0], layout.width, layout.dtype.itemsize
    # in Fortran order a column is contiguous, and columns follow the reversed order of the trailing indices
    order = np.arange(width).reshape(layout.shape[1:], order="F").reshape(-1)
    for first in range(start, end, step):
        count = min(step, end - first)
        if layout.fortran:
            block = np.empty((width, count), layout.dtype)
            for line, column in enumerate(order.tolist()):
                file.seek(layout.start + (column * rows + first) * size)
                block[line] = np.fromfile(file, layout.dtype, count)
            yield block
        else:
            file.seek(layout.start + first * width * size)
            yield np.fromfile(file, layout.dtype, count * width).reshape(count, width).T


class NpyTable(FileTable):
    """One array as a table of one vector column, which bears the file's name."""

    kind = "npy"

    @cached_property
    def layout(self) -> Layout:
        """What the header says."""
        with self.source.reading(), self.source.open() as file:
            try:
                return layout_of(file, self.source.size)
            except DataError as error:
                raise DataError(f"{self.label}: {error}") from None

    @property
    def names(self) -> tuple[str, ...]:
        return (self.source.stem.removesuffix(".npy"),)

    @property
    def rows(self) -> int:
        return self.layout.shape[0]

    def row_width(self, columns: Collection[str]) -> int | None:
        return self.layout.width

    def shape(self, name: str) -> Shape:
        return self.layout.column

    @property
    def cuts(self) -> range:
        return block_starts(self.rows)

    def read(self, columns: Mapping[str, Kind], start: int = 0, stop: int | None = None) -> Iterator[Pending[Piece]]:
        name = self.names[0]
        kind = columns[name]
        if kind is Kind.NUMBER and self.layout.dtype.kind not in NUMERIC + WRITTEN:
            raise DataError(f"{self.label}: holds {self.layout.dtype} values; numbers are needed")
        if kind in (Kind.TEXT, Kind.KEY) and self.layout.width != 1:
            raise DataError(f"{self.label}: {NOT_SINGLE}")
        try:
            with self.source.open() as file:
                for block in blocks(
                    file, self.layout, start, self.rows if stop is None else stop, block_rows(self.layout.width)
                ):
                    yield from ArrayTable({name: block.T}, self.label, start).read(columns)
                    start += block.shape[-1]
        except DataError:
            raise
        except (ValueError, OSError) as error:
            self.source.unchanged(error)
            raise DataError(f"{self.label}: {first_line(error)}") from None
        self.source.unchanged()


SUFFIX: Final = ".npy"
LOCAL_HEADER: Final = 30  # bytes before the name of a member, at least
ENCRYPTED: Final = 1  # a flag of a member
MOST_DEFLATED: Final = 1032  # bytes that one byte can stand for
DAMAGED: Final = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    EOFError,
    ValueError,
    struct.error,
    zlib.error,
)


class _Witness:
    """A file that remembers where the machine failed: zipfile takes that for the end of what an archive may have."""

    def __init__(self, file: IO[bytes], errors: list[OSError]) -> None:
        self._file, self._errors = file, errors

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._file, name)

        def call(*arguments: Any) -> Any:
            try:
                return method(*arguments)
            except OSError as error:
                if error.errno != errno.EINVAL:  # as of a seek before the start, where zipfile looks for what may be
                    self._errors.append(error)
                raise

        return call


class NpzTable(FileTable):
    """One archive: each array is a column, of vectors where it has more than one index.

    What is wrong with an array matters where it is asked for, and so do lengths that differ.
    """

    kind = "npz"
    columnar = True

    @contextmanager
    def _archive(self) -> Iterator[zipfile.ZipFile]:
        """Open the archive, and word whatever is wrong with it in one line."""
        errors: list[OSError] = []
        try:
            with self.source.reading(), self.source.open() as file:
                witness: Any = _Witness(file, errors)
                with zipfile.ZipFile(witness) as archive:
                    yield archive
        except DataError:
            raise
        except DAMAGED as error:
            self.source.unchanged(errors[0] if errors else None)
            raise DataError(f"{self.label}: the archive is damaged: {first_line(error)}") from None

    @cached_property
    def _members(self) -> dict[str, zipfile.ZipInfo]:
        """The arrays by their names, once nothing in the directory is suspicious."""
        with self._archive() as archive:
            infos = archive.infolist()
            start = archive.start_dir
        if infos and not any(info.filename.endswith(SUFFIX) for info in infos):
            raise DataError(f"{self.label}: zip is not read, but for the arrays of a .npz: unzip it")
        if not infos:
            raise DataError(f"{self.label}: the archive is empty")
        for info in infos:
            if not _is_path(info):
                raise self._of_array(info.filename, "an array has a name that is no path, such as y or model/p")
        names = [info.filename for info in infos]
        twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        if twice:
            raise DataError(
                f"{self.label}: it holds {listed([repr(printable(name)) for name in twice])} more than once"
            )
        places = sorted((info.header_offset, info.compress_size, info.filename) for info in infos)
        if places[0][0]:  # of two that were joined, the directory of the last hides the first
            raise DataError(f"{self.label}: the archive is damaged: it begins after {places[0][0]} other bytes")
        for (offset, size, name), (after, *_) in pairwise([*places, (start, 0, "")]):
            if offset + LOCAL_HEADER + size > after:
                raise self._of_array(name, "it overlaps what comes after it")
        return {info.filename.removesuffix(SUFFIX): info for info in infos if info.filename.endswith(SUFFIX)}

    @cached_property
    def _layouts(self) -> dict[str, Layout]:
        """What the headers of the arrays say that have been asked for."""
        return {}

    def layout(self, name: str) -> Layout:
        """Return what the header of an array says; raise DataError where it cannot be read."""
        if name not in self._layouts:
            info = self._members[name]
            if fault := _suspicious(info):
                raise self._of_array(name, fault)
            with self._archive() as archive, archive.open(info) as member:
                head = member.read(2 * MAX_HEADER)  # a longer header is refused before it is unpacked
            try:
                self._layouts[name] = layout_of(io.BytesIO(head), info.file_size)
            except DataError as error:
                raise self._of_array(name, str(error)) from None
        return self._layouts[name]

    def _of_array(self, name: str, fault: str) -> DataError:
        return DataError(f"{self.label}: array {printable(name.removesuffix(SUFFIX))!r}: {fault}")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._members)

    @cached_property
    def rows(self) -> int | None:
        lengths = set[int]()
        for name in self.names:
            with suppress(DataError):
                lengths.add(self.layout(name).shape[0])
        return lengths.pop() if len(lengths) == 1 else None

    def shape(self, name: str) -> Shape:
        return self.layout(name).column

    def read(self, columns: Mapping[str, Kind], start: int = 0, stop: int | None = None) -> Iterator[Pending[Piece]]:
        lengths = {name: self.layout(name).shape[0] for name in self.names if name in columns}
        if len(set(lengths.values())) > 1:
            sizes = listed([f"{printable(name)!r} has {rows}" for name, rows in lengths.items()])
            raise DataError(f"{self.label}: the arrays differ in length: {sizes}; one row of each belongs together")
        self.check_claim(sum(self._members[name].file_size for name in columns))
        count = lengths[next(iter(columns))]
        with self._archive() as archive, ExitStack() as stack:
            streams = {name: self._stream(archive, name, stack) for name in columns}
            for first in range(0, count, BLOCK):
                rows = {name: next(stream) for name, stream in streams.items()}
                yield from ArrayTable(rows, self.label, first).read(columns)
        self.source.unchanged()

    def _stream(self, archive: zipfile.ZipFile, name: str, stack: ExitStack) -> Iterator[NDArray[Any]]:
        """Return the (rows, width) blocks of an array."""
        layout = self.layout(name)
        member = stack.enter_context(archive.open(self._members[name]))
        if not layout.fortran:
            return self._in_order(member, name, layout)
        import tempfile

        # a row is spread over the whole of the array, and an archive is read forwards
        spool = stack.enter_context(tempfile.TemporaryFile(prefix="lossctl-npz-"))  # noqa: SIM115  # the stack closes it
        shutil.copyfileobj(member, spool, STEP)
        spool.flush()
        if spool.tell() != layout.size:
            raise self._of_array(name, "it is cut short")
        return (block.T for block in blocks(spool, layout, 0, layout.shape[0], BLOCK))

    def _in_order(self, member: IO[bytes], name: str, layout: Layout) -> Iterator[NDArray[Any]]:
        member.read(layout.start)
        for first in range(0, layout.shape[0], BLOCK):
            count = min(BLOCK, layout.shape[0] - first)
            data = member.read(count * layout.width * layout.dtype.itemsize)
            if len(data) != count * layout.width * layout.dtype.itemsize:
                raise self._of_array(name, "it is cut short")
            yield np.frombuffer(data, layout.dtype).reshape(count, layout.width)


def _is_path(info: zipfile.ZipInfo) -> bool:
    """Whether the name of a member is one that a writer of arrays would give."""
    parts = info.filename.removesuffix(SUFFIX).split("/")
    return info.orig_filename == info.filename and "\\" not in info.filename and all(part.strip(".") for part in parts)


def _suspicious(info: zipfile.ZipInfo) -> str:
    """Say what about a member no writer of arrays would do, or nothing."""
    if info.flag_bits & ENCRYPTED:
        return "it is encrypted, which is not read"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "it is compressed by another method than deflate, which NumPy uses"
    most = info.compress_size if info.compress_type == zipfile.ZIP_STORED else MOST_DEFLATED * (info.compress_size + 1)
    if info.file_size > most:
        return f"it claims {info.file_size} bytes in {info.compress_size}, which cannot be"
    return ""
