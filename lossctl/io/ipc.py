"""Arrow IPC, files (Feather) and streams: batch by batch, each validated in full before anything looks into it."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any, Final, NamedTuple

import pyarrow as pa

from lossctl.core.batch import BLOCK
from lossctl.core.block import Pending
from lossctl.errors import DataError, first_line
from lossctl.io import arrow
from lossctl.io.table import FileTable, Kind, Piece, Shape

CONTINUED: Final = -1  # before the length of a message, but in files of 2019 and before
BATCH, DICTIONARY = 3, 2  # kinds of messages
MOST_END: Final = 8 + 64  # bytes that say that no batch follows, and what aligns them
FOOT: Final = 10  # bytes at the end of a file: the length of its footer, and ARROW1


class FlatTable(NamedTuple):
    """A table of FlatBuffers, in which Arrow writes what a message is: where it begins in some bytes."""

    data: bytes
    start: int

    @classmethod
    def root(cls, data: bytes) -> FlatTable:
        return cls(data, *struct.unpack_from("<I", data))

    def place(self, field: int) -> int | None:
        """Return where a field stands, None where it has its default."""
        (back,) = struct.unpack_from("<i", self.data, self.start)
        fields = self.start - back
        if 4 + 2 * field >= self._number("<H", fields):
            return None
        offset = self._number("<H", fields + 4 + 2 * field)
        return self.start + offset if offset else None

    def number(self, field: int, form: str) -> int:
        """Return a number, 0 by default."""
        place = self.place(field)
        return 0 if place is None else self._number(form, place)

    def table(self, field: int) -> FlatTable | None:
        """Return a table within this one."""
        place = self.place(field)
        return None if place is None else FlatTable(self.data, place + self._number("<I", place))

    def entries(self, field: int, form: str) -> Iterator[tuple[int, ...]]:
        """Yield the structs of a list."""
        place = self.place(field)
        if place is not None:
            place += self._number("<I", place)
            size, count = struct.calcsize(form), self._number("<I", place)
            yield from (struct.unpack_from(form, self.data, place + 4 + size * entry) for entry in range(count))

    def _number(self, form: str, place: int) -> int:
        number: int = struct.unpack_from(form, self.data, max(place, 0))[0]
        return number


def _blocks(file: pa.NativeFile) -> tuple[list[tuple[int, int]], int]:
    """Return where the dictionaries and batches of a file begin and end, as its footer says, and where that begins."""
    end = file.size() - FOOT
    (length,) = struct.unpack_from("<i", _bytes(file, FOOT, end))
    footer = FlatTable.root(_bytes(file, length, end - length))
    blocks = [entry for field in (2, 3) for entry in footer.entries(field, "<qi4xq")]
    return [(place, place + head + body) for place, head, body in blocks], end - length


def _bytes(file: pa.NativeFile, count: int, place: int) -> bytes:
    """Read bytes at a place; raise struct.error where the file has none."""
    if min(count, place) < 0 or place + count > file.size():
        raise struct.error
    data: bytes = file.read_at(count, place)
    return data


def _unpacked(file: pa.NativeFile, place: int) -> tuple[int, int | None]:
    """Return what the buffers of a message take once they are unpacked, and where it ends, None for the last."""
    head = _bytes(file, min(8, file.size() - place), place)
    if len(head) < 4:
        return 0, None
    size, start = struct.unpack_from("<i", head)[0], place + 4
    if size == CONTINUED:
        size, start = struct.unpack_from("<i", head, 4)[0], place + 8
    if size <= 0:
        return 0, None
    message = FlatTable.root(_bytes(file, size, start))
    kind, content, body = message.number(1, "<B"), message.table(2), start + size
    if kind == DICTIONARY and content is not None:
        content = content.table(1)
    unpacked = 0
    if kind in (BATCH, DICTIONARY) and content is not None and content.table(3) is not None:
        for offset, length in content.entries(2, "<qq"):
            claim = struct.unpack("<q", _bytes(file, 8, body + offset))[0] if length else 0
            unpacked += length if claim == -1 else max(claim, 0)
    return unpacked, body + max(message.number(3, "<q"), 0)


class IpcTable(FileTable):
    """One file or stream of record batches; only the columns that are read are decoded."""

    kind = "arrow"

    @contextmanager
    def _reader(self, columns: list[int] | None = None) -> Iterator[Any]:
        """Open the file; word whatever Arrow finds wrong with it in one line. columns: by their places."""
        options = pa.ipc.IpcReadOptions(included_fields=columns, use_threads=False)
        opened = pa.ipc.open_stream if self.source.format == "Arrow stream" else pa.ipc.open_file
        try:
            with self.source.file() as file, opened(file, options=options) as reader:
                yield reader
        except pa.ArrowMemoryError as error:
            raise DataError(f"{self.label}: not enough memory, or the file is damaged: {first_line(error)}") from None
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            self.source.unchanged(error)
            raise DataError(f"{self.label}: the Arrow file is damaged: {first_line(error)}") from None

    @cached_property
    def _leaves(self) -> list[tuple[pa.Field, int]]:
        """The columns, those in structs as `pred.score`, each with the place of the one it is in."""
        with self._reader() as reader:
            leaves = arrow.leaves(reader.schema)
            [field.name for field, _ in leaves]  # decodes them
        return leaves

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(field.name for field, _ in self._leaves)

    def shape(self, name: str) -> Shape:
        return self.completed(name, arrow.shape(self._leaves[self.place(name)][0].type))

    def read(self, columns: Mapping[str, Kind], start: int = 0, stop: int | None = None) -> Iterator[Pending[Piece]]:
        places = sorted({place for field, place in self._leaves if field.name in columns})
        row = 0
        with self._reader(places) as reader:
            for size in self._claims():  # before anything is unpacked
                self.check_claim(size)
            for batch in self._batches(reader):
                batch.validate(full=True)
                for first in range(0, batch.num_rows, BLOCK):
                    rows = batch.slice(first, BLOCK)
                    yield Pending(rows.num_rows, partial(arrow.piece, self, arrow.flat(rows), columns, row))
                    row += rows.num_rows
        self.source.unchanged()

    def _claims(self) -> Iterator[int]:
        """Yield how many bytes each batch and dictionary takes once it is unpacked, as its buffers say."""
        with self.source.file() as file:
            try:
                if self.source.format != "Arrow stream":
                    blocks, footer = _blocks(file)
                    yield from (_unpacked(file, place)[0] for place, _ in blocks)
                    self._check_end(max((end for _, end in blocks), default=footer), footer)
                    return
                place: int | None = 0
                last = 0
                while place is not None:
                    last = place
                    size, place = _unpacked(file, last)
                    yield size
                self._check_end(last, file.size())
            except struct.error:
                raise DataError(f"{self.label}: the Arrow file is damaged: a message is cut short") from None

    def _check_end(self, last: int, end: int) -> None:
        """Raise DataError where more than what ends the batches stands behind them: Arrow would leave it out."""
        if end - last > MOST_END:
            raise DataError(
                f"{self.label}: goes on after its end, as files that were joined do; give each by itself with --concat"
            )

    @staticmethod
    def _batches(reader: Any) -> Iterator[Any]:
        if isinstance(reader, pa.ipc.RecordBatchFileReader):
            return map(reader.get_batch, range(reader.num_record_batches))
        return iter(reader)
