"""Arrow IPC, files (Feather) and streams: batch by batch, each validated in full before anything looks into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any

import pyarrow as pa

from lossctl.core.batch import BLOCK
from lossctl.core.block import Pending
from lossctl.errors import DataError, printable
from lossctl.io import arrow
from lossctl.io.table import FileTable, Kind, Piece, Shape


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
            reason = str(error).partition("\n")[0]
            raise DataError(f"{self.label}: not enough memory, or the file is damaged: {reason}") from None
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            self.source.unchanged(error)
            reason = printable(str(error).strip().partition("\n")[0])
            raise DataError(f"{self.label}: the Arrow file is damaged: {reason}") from None

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
            for batch in self._batches(reader):
                batch.validate(full=True)
                self.check_claim(batch.nbytes)
                for first in range(0, batch.num_rows, BLOCK):
                    rows = batch.slice(first, BLOCK)
                    yield Pending(rows.num_rows, partial(self._piece, rows, columns, row))
                    row += rows.num_rows
        self.source.unchanged()

    @staticmethod
    def _batches(reader: Any) -> Iterator[Any]:
        if isinstance(reader, pa.ipc.RecordBatchFileReader):
            return map(reader.get_batch, range(reader.num_record_batches))
        return iter(reader)

    def _piece(self, rows: Any, columns: Mapping[str, Kind], first: int) -> Piece:
        values, rows = {}, arrow.flat(rows)
        for name, kind in columns.items():
            with self.naming(name, first):
                values[name] = arrow.column(rows.column(name), kind)
        return Piece(values)
