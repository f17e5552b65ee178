"""The members of structs of Parquet, Arrow and frames are columns, as those of objects of JSON lines are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from pyarrow import feather, ipc

import lossctl
from lossctl.core.batch import BLOCK
from lossctl.errors import DataError, UsageError

pytestmark = pytest.mark.deep

RECORDS: list[dict[str, Any]] = [
    {"id": f"r{row}", "y": row / 3, "pred": {"score": row / 4, "of": {"group": "ab"[row % 2], "v": [row / 4]}}}
    for row in range(9)
]
TABLE = pa.Table.from_pylist(RECORDS)


def as_stream(table: pa.Table, folder: Path) -> Path:
    with ipc.new_stream(folder / "a.arrows", table.schema) as writer:
        writer.write_table(table)
    return folder / "a.arrows"


def as_parquet(table: pa.Table, folder: Path) -> Path:
    pq.write_table(table, folder / "a.parquet", row_group_size=4 if table.num_rows < BLOCK else BLOCK)
    return folder / "a.parquet"


def as_feather(table: pa.Table, folder: Path) -> Path:
    feather.write_feather(table, folder / "a.feather")
    return folder / "a.feather"


def as_lines(table: pa.Table, folder: Path) -> Path:
    (folder / "a.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in table.to_pylist()))
    return folder / "a.jsonl"


CONTAINERS: dict[str, Callable[[pa.Table, Path], Any]] = {
    "JSON lines": as_lines,
    "Parquet": as_parquet,
    "Feather": as_feather,
    "Arrow stream": as_stream,
    "table": lambda table, _: table,
    "reader": lambda table, _: table.to_reader(),
    "dataset": lambda table, folder: pyarrow.dataset.dataset(as_parquet(table, folder)),
    "pandas": lambda table, _: table.to_pandas(types_mapper=pd.ArrowDtype),
}


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("pred", ["pred.score", "pred.of.v", "pred.s*"])
def test_members_are_columns(tmp_path: Path, container: str, pred: str) -> None:
    data = CONTAINERS[container](TABLE, tmp_path)
    report = lossctl.evaluate(data, target="y", pred=pred, losses="mae", by="pred.of.group")
    values = {str(cell.slice): cell.value for cell in report.cells}
    errors = [row / 3 - row / 4 for row in range(9)]
    assert values["{}"] == pytest.approx(sum(errors) / 9)
    assert values["{'pred.of.group': 'b'}"] == pytest.approx(sum(errors[1::2]) / 4)


@pytest.mark.parametrize("container", CONTAINERS)
def test_members_of_nothing_are_missing(tmp_path: Path, container: str) -> None:
    records = [*RECORDS, {"id": "r9", "y": 1.0, "pred": None}]
    data = CONTAINERS[container](pa.Table.from_pylist(records, schema=TABLE.schema), tmp_path)
    report = lossctl.evaluate(data, target="y", pred="pred.score", losses="mae", missing="drop")
    assert report.cells[0].rows == 9


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_struct_stands_for_its_members(tmp_path: Path, container: str) -> None:
    data = CONTAINERS[container](TABLE, tmp_path)
    with pytest.raises((DataError, UsageError), match=r"pred\.of\.group"):
        lossctl.evaluate(data, target="y", pred="pred", losses="mae")


@pytest.mark.parametrize("container", ["Parquet", "Feather", "Arrow stream", "table", "dataset"])
def test_a_name_of_two_columns_is_refused(tmp_path: Path, container: str) -> None:
    data = CONTAINERS[container](TABLE.append_column("pred.score", TABLE["y"]), tmp_path)
    assert lossctl.evaluate(data, target="y", pred="pred.of.v", losses="mae").cells[0].rows == 9
    with pytest.raises((DataError, UsageError), match="more than once"):
        lossctl.evaluate(CONTAINERS[container](TABLE.append_column("pred.score", TABLE["y"]), tmp_path), **ON_SCORE)


ON_SCORE: dict[str, Any] = {"target": "y", "pred": "pred.score", "losses": "mae"}


@pytest.mark.parametrize("container", ["Parquet", "Feather", "table"])
@pytest.mark.parametrize("texts", [False, True])
@pytest.mark.parametrize("later", [[1.0], [1.0, 2.0, 3.0]])
def test_blocks_of_lists_of_another_length_are_refused(
    tmp_path: Path, container: str, texts: bool, later: list[float]
) -> None:
    first, second = ("[1.0, 2.0]", str(later)) if texts else ([1.0, 2.0], later)
    table = pa.table({"y": [[1.0, 2.0]] * 2 * BLOCK, "p": [first] * BLOCK + [second] * BLOCK})
    with pytest.raises(DataError, match=f"lists of different lengths: 2 and {len(later)}"):
        lossctl.evaluate(CONTAINERS[container](table, tmp_path), target="y", pred="p", losses="mae")
