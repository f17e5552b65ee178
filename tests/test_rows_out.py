"""Per-row losses in files that others read: Parquet with checksums, and CSV."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import lossctl
from lossctl.core.batch import BLOCK
from lossctl.errors import OutputError
from lossctl.io.atomic import write_text

ROWS = 4 * BLOCK + 1234  # more than one block
RNG = np.random.default_rng(3)
DATA = {"y": RNG.normal(size=ROWS)} | {f"p{i}": RNG.normal(size=ROWS) for i in range(3)}
LOSSES = ("mse", "mae", "mbe", "huber", "log_cosh")  # with the row 16 columns: more than Thrift tells in one byte


def written(path: Path, threads: int = 2) -> Path:
    lossctl.evaluate(DATA, target="y", pred="p*", losses=LOSSES, rows_out=str(path), threads=threads)
    return path


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("rows") / "rows.parquet")


def test_parquet_holds_numbers_of_every_row_none_of_which_can_be_null(rows: Path) -> None:
    table = pq.read_table(rows, page_checksum_verification=True)
    assert table.column_names == ["row", *(f"p{i}.{loss}" for loss in LOSSES for i in range(3))]
    assert [field.type for field in table.schema] == [pa.int64(), *[pa.float64()] * 15]
    assert not any(field.nullable for field in table.schema)
    np.testing.assert_array_equal(table["row"].to_numpy(), np.arange(1, ROWS + 1))
    for i in range(3):
        residual = DATA[f"p{i}"] - DATA["y"]
        np.testing.assert_array_equal(table[f"p{i}.mse"].to_numpy(), residual**2)
        np.testing.assert_array_equal(table[f"p{i}.mae"].to_numpy(), np.abs(residual))


def test_the_metadata_of_parquet_say_where_rows_stand(rows: Path) -> None:
    metadata = pq.read_metadata(rows)
    groups = [metadata.row_group(place) for place in range(metadata.num_row_groups)]
    assert metadata.num_rows == sum(group.num_rows for group in groups) == ROWS
    assert len(groups) > 1
    ends = [(group.column(0).statistics.min, group.column(0).statistics.max) for group in groups]
    counts = np.cumsum([group.num_rows for group in groups]).tolist()
    assert ends == list(zip([1, *(count + 1 for count in counts)], counts, strict=False))
    assert len(pq.read_table(rows, filters=[("row", ">", counts[0])])) == ROWS - counts[0]


def test_a_bit_that_flips_in_parquet_is_noticed(rows: Path, tmp_path: Path) -> None:
    damaged = bytearray(rows.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "damaged.parquet").write_bytes(damaged)
    with pytest.raises(OSError, match="CRC"):
        pq.read_table(tmp_path / "damaged.parquet", page_checksum_verification=True)


def test_what_is_written_can_be_evaluated(rows: Path) -> None:
    report = lossctl.evaluate(rows, target="p0.mse", pred="p1.mse", losses=["mae"])
    assert report.cells[0].rows == ROWS


def test_threads_write_the_same_bytes(rows: Path, tmp_path: Path) -> None:
    assert written(tmp_path / "rows.parquet", threads=1).read_bytes() == rows.read_bytes()


@pytest.mark.deep
def test_csv_holds_the_same_below_one_header(rows: Path, tmp_path: Path) -> None:
    path = written(tmp_path / "rows.csv")
    assert pa.csv.read_csv(path).equals(pq.read_table(rows).cast(pa.csv.read_csv(path).schema))


def test_what_cannot_be_looked_at_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be a device."""
    path = tmp_path / "out.json"
    path.write_text("old")

    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("lossctl.io.atomic.os.stat", fails)
        with pytest.raises(OutputError, match=re.escape(str(path))):
            write_text(str(path), "new")
    assert path.read_text() == "old"
