"""Per-row losses to Parquet or CSV, block by block, under a temporary name until all is well."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lossctl.core.block import Block
from lossctl.errors import OutputError
from lossctl.interrupts import undisturbed
from lossctl.numerics.array import Array


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
        kinds = {"row": pa.int64(), **dict.fromkeys(names, pa.float64())}
        self.schema = pa.schema([pa.field(name, kind, nullable=False) for name, kind in kinds.items()])
        self.path = path
        self.rows_at = rows_at
        try:
            with undisturbed():
                self.writer: Any = self._opened(temporary)
        except OSError as error:
            raise OutputError(f"{path}: {error.strerror or error}") from None

    def _opened(self, temporary: str) -> Any:
        if not self.path.lower().endswith(".parquet"):
            return arrow_csv.CSVWriter(temporary, self.schema)
        # nearly every value is another: neither a dictionary nor compression gains what it costs
        return pq.ParquetWriter(
            temporary,
            self.schema,
            use_dictionary=False,
            compression="none",
            write_statistics=["row"],
            write_page_checksum=True,
        )

    def write(self, block: Block, values: Array) -> None:
        """Append one block: (losses, rows) values of its rows."""
        if values.shape[1] != block.rows or not block.rows:
            return
        columns = [self.rows_at(block.addresses) + 1, *values]
        arrays = [
            pa.Array.from_buffers(field.type, block.rows, [None, pa.py_buffer(np.ascontiguousarray(column))])
            for field, column in zip(self.schema, columns, strict=True)
        ]
        try:
            self.writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=self.schema))
        except OSError as error:
            raise OutputError(f"{self.path}: {error.strerror or error}") from None

    def close(self) -> None:
        """Finish the file."""
        try:
            self.writer.close()
        except OSError as error:
            raise OutputError(f"{self.path}: {error.strerror or error}") from None
