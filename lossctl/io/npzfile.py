"""`.npz` archives: named arrays are columns, read from the archive in blocks; never pickled, never unpacked whole."""

from __future__ import annotations

import io
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property
from itertools import pairwise
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from lossctl.core.batch import BLOCK
from lossctl.errors import DataError, listed, printable
from lossctl.io.column import Kind, Piece, Shape
from lossctl.io.memory import ArrayTable
from lossctl.io.npyfile import MAX_HEADER, Layout, blocks, layout_of
from lossctl.io.parquetfile import BOMB_RATIO, BOMB_SIZE
from lossctl.io.source import FORMATS, Source

SUFFIX: Final = ".npy"
LOCAL_HEADER: Final = 30  # bytes before the name of a member, at least
ENCRYPTED: Final = 1  # a flag of a member
SPOOL_STEP: Final = 1 << 20
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


class NpzTable:
    """One archive: each array is a column, of vectors where it has more than one index."""

    format = "npz"

    def __init__(self, source: Source) -> None:
        self.source = source
        self.label = source.label

    @contextmanager
    def _archive(self) -> Iterator[zipfile.ZipFile]:
        """Open the archive, and word whatever is wrong with it in one line."""
        try:
            with open(self.source.path, "rb") as file, zipfile.ZipFile(file) as archive:
                yield archive
        except DataError:
            raise
        except OSError as error:
            self.source.unchanged()
            raise DataError(f"{self.label}: {self.source.explained(error)}") from None
        except DAMAGED as error:
            self.source.unchanged()
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise DataError(f"{self.label}: the archive is damaged: {printable(reason)}") from None

    @cached_property
    def _members(self) -> dict[str, zipfile.ZipInfo]:
        """The arrays by their names, once nothing in the directory is suspicious."""
        with self._archive() as archive:
            infos = archive.infolist()
            start = archive.start_dir
        if infos and not any(info.filename.endswith(SUFFIX) for info in infos):
            raise DataError(f"{self.label}: zip is not read, but for the arrays of a .npz; use {FORMATS}")
        if not infos:
            raise DataError(f"{self.label}: the archive is empty")
        for info in infos:
            if fault := _suspicious(info):
                raise self._of_array(info.filename, fault)
        names = [info.filename for info in infos]
        twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        if twice:
            raise DataError(
                f"{self.label}: it holds {listed([repr(printable(name)) for name in twice])} more than once"
            )
        places = sorted((info.header_offset, info.compress_size, info.filename) for info in infos)
        for (offset, size, name), (after, *_) in pairwise([*places, (start, 0, "")]):
            if offset + LOCAL_HEADER + size > after:
                raise self._of_array(name, "it overlaps what comes after it")
        return {info.filename.removesuffix(SUFFIX): info for info in infos}

    @cached_property
    def layouts(self) -> dict[str, Layout]:
        """What the header of each array says."""
        found: dict[str, Layout] = {}
        with self._archive() as archive:
            for name, info in self._members.items():
                with archive.open(info) as member:
                    head = member.read(2 * MAX_HEADER)  # a longer header is refused before it is unpacked
                try:
                    found[name] = layout_of(io.BytesIO(head), info.file_size)
                except DataError as error:
                    raise self._of_array(name, str(error)) from None
        lengths = {name: layout.shape[0] for name, layout in found.items()}
        if len(set(lengths.values())) > 1:
            shown = listed([f"{printable(name)!r} has {rows}" for name, rows in lengths.items()])
            raise DataError(f"{self.label}: the arrays differ in length: {shown}; one row of each belongs together")
        return found

    def _of_array(self, name: str, fault: str) -> DataError:
        return DataError(f"{self.label}: array {printable(name.removesuffix(SUFFIX))!r}: {fault}")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.layouts)

    @property
    def rows(self) -> int:
        return next(iter(self.layouts.values())).shape[0]

    def shape(self, name: str) -> Shape:
        layout = self.layouts[name]
        return ArrayTable({name: np.empty((0, *layout.shape[1:]), layout.dtype)}).shape(name)

    def unchanged(self) -> None:
        self.source.unchanged()

    def where(self, row: int) -> str:
        return f"{self.label}: row {row + 1}"

    @property
    def cuts(self) -> None:
        """What is compressed is read from its beginning."""

    def read(self, wanted: Mapping[str, Kind], start: int = 0, stop: int | None = None) -> Iterator[Piece]:
        self._check_size(wanted)
        with self._archive() as archive, ExitStack() as stack:
            streams = {name: self._stream(archive, name, stack) for name in wanted}
            for _ in range(0, self.rows, BLOCK):
                rows = {name: next(stream) for name, stream in streams.items()}
                yield from ArrayTable(rows, self.label).read(wanted)
        self.source.unchanged()

    def _stream(self, archive: zipfile.ZipFile, name: str, stack: ExitStack) -> Iterator[NDArray[Any]]:
        """Return the (rows, width) blocks of an array."""
        layout = self.layouts[name]
        member = stack.enter_context(archive.open(self._members[name]))
        if not layout.fortran:
            return self._in_order(member, name, layout)
        # a row is spread over the whole of the array, and an archive is read forwards
        spool = stack.enter_context(tempfile.TemporaryFile(prefix="lossctl-npz-"))  # noqa: SIM115  # the stack closes it
        shutil.copyfileobj(member, spool, SPOOL_STEP)
        spool.flush()
        if spool.tell() != layout.size:
            raise self._of_array(name, "it is cut short")
        return (block.T for block in blocks(spool, layout, 0, self.rows))

    def _in_order(self, member: IO[bytes], name: str, layout: Layout) -> Iterator[NDArray[Any]]:
        member.read(layout.start)
        for first in range(0, self.rows, BLOCK):
            count = min(BLOCK, self.rows - first)
            data = member.read(count * layout.width * layout.dtype.itemsize)
            if len(data) != count * layout.width * layout.dtype.itemsize:
                raise self._of_array(name, "it is cut short")
            yield np.frombuffer(data, layout.dtype).reshape(count, layout.width)

    def _check_size(self, wanted: Mapping[str, Kind]) -> None:
        claimed = sum(self._members[name].file_size for name in wanted)
        if claimed > BOMB_SIZE and claimed > BOMB_RATIO * self.source.size:
            raise DataError(
                f"{self.label}: it claims {claimed >> 20} MiB of data in a file of {self.source.size} bytes; "
                "that is not read"
            )


def _suspicious(info: zipfile.ZipInfo) -> str:
    """Say what about a member no writer of arrays would do, or nothing."""
    parts = info.filename.removesuffix(SUFFIX).split("/")
    if info.orig_filename != info.filename or "\\" in info.filename or not all(part.strip(".") for part in parts):
        return "an array has a name that is no path, such as y or model/p"
    if not info.filename.endswith(SUFFIX):
        return f"it is no {SUFFIX} array; all members of a .npz are"
    if info.flag_bits & ENCRYPTED:
        return "it is encrypted, which is not read"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "it is compressed by another method than deflate, which NumPy uses"
    most = info.compress_size if info.compress_type == zipfile.ZIP_STORED else MOST_DEFLATED * (info.compress_size + 1)
    if info.file_size > most:
        return f"it claims {info.file_size} bytes in {info.compress_size}, which cannot be"
    return ""
