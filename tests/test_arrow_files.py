"""Arrow IPC: Feather and streams give the numbers of a CSV of the same rows; what is damaged gives none."""

from __future__ import annotations

import datetime
import io
import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pytest

import lossctl
from tests.conftest import Lossctl

ROWS = 70_000  # more than a block
RNG = np.random.default_rng(7)
FRAME = pd.DataFrame({"y": RNG.normal(size=ROWS), "p": RNG.normal(size=ROWS), "k": np.arange(ROWS)})
FRAME["g"] = np.where(FRAME["y"] > 0.0, "up", "down")
FRAME["c"] = FRAME["g"].astype("category")
OPTIONS: dict[str, Any] = {"target": "y", "pred": "p", "losses": ["mse", "r2"]}
TABLE = pa.Table.from_pandas(FRAME)


def feather(table: pa.Table, compression: str = "lz4") -> bytes:
    sink = io.BytesIO()
    pa.feather.write_feather(table, sink, compression=compression)
    return sink.getvalue()


def stream(table: pa.Table, rows: int | None = None) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=rows)
    return sink.getvalue()


VIEWS = TABLE.set_column(3, "g", TABLE["g"].cast(pa.string_view()))
LARGE = TABLE.set_column(3, "g", TABLE["g"].cast(pa.large_string()))
FILES = {
    "lz4": feather(TABLE),
    "zstd": feather(TABLE, "zstd"),
    "plain": feather(TABLE, "uncompressed"),
    "stream": stream(TABLE),
    "stream of small batches": stream(TABLE, 10_000),
    "views of texts": feather(VIEWS),
    "large texts": feather(LARGE),
}


def numbers(report: lossctl.Report) -> list[tuple[float, float | None, str]]:
    return [(cell.value, cell.stderr, cell.signature) for cell in report]


@pytest.mark.deep
@pytest.mark.parametrize("name", FILES)
def test_the_bits_are_those_of_the_frame(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.feather"
    path.write_bytes(FILES[name])
    for more in ({"by": "g"}, {"by": "c"}, {"id": "k"}):
        options = {**OPTIONS, **more}
        expected = numbers(lossctl.evaluate(FRAME, **options))
        assert numbers(lossctl.evaluate(path, **options)) == expected
        assert numbers(lossctl.evaluate(io.BytesIO(FILES[name]), **options)) == expected


def test_every_command_reads_it(lossctl: Lossctl, tmp_path: Path) -> None:
    (tmp_path / "a.arrow").write_bytes(feather(TABLE.slice(0, 500)))
    FRAME[:500].to_csv(tmp_path / "b.csv", index=False)
    for command, *options in (
        ("eval", "-t", "y", "-p", "p", "-l", "mae", "-f", "value"),
        ("compare", "-t", "y", "-p", "p", "-p", "k", "-l", "mae", "-f", "value"),
        ("check", "-t", "y", "-p", "p", "--max", "mae=9", "-f", "value"),
    ):
        outcomes = [lossctl(command, tmp_path / name, *options) for name in ("a.arrow", "b.csv")]
        assert outcomes[0].out == outcomes[1].out != ""
    assert (
        lossctl("validate", tmp_path / "a.arrow", "-t", "y", "-p", "p", "-f", "json").json["inputs"][0]["rows"] == 500
    )
    assert lossctl("losses", "choose", tmp_path / "a.arrow", "-t", "y", "-p", "p").code == 0
    two = lossctl(
        "eval", f"m={tmp_path / 'a.arrow'}", tmp_path / "b.csv", "-t", "y", "-p", "p", "-l", "mae", "-f", "json"
    )
    assert [cell["model"] for cell in two.json["results"]] == ["m", "b"]


def test_vectors_and_parts(tmp_path: Path) -> None:
    target, pred = RNG.integers(0, 3, 100), RNG.dirichlet(np.ones(3), 100)
    lists = pa.array(list(pred))
    for place, column in enumerate(
        (lists, lists.cast(pa.list_(pa.float64(), 3)), lists.cast(pa.large_list(pa.float64())))
    ):
        table = pa.table({"y": target, "p": column})
        for part in (0, 1):
            folder = tmp_path / str(place)
            folder.mkdir(exist_ok=True)
            (folder / f"part-{part}.arrow").write_bytes(feather(table.slice(50 * part, 50)))
        value = lossctl.evaluate(tmp_path / str(place), target="y", pred="p", losses="cce").value()
        assert value == lossctl.get("cce")(target, pred)


@pytest.mark.deep
@pytest.mark.parametrize("name", ["lz4", "zstd", "plain", "stream"])
def test_a_damaged_file_gives_one_line_or_the_number_of_other_values(name: str, tmp_path: Path) -> None:
    small = TABLE.slice(0, 200)
    content = stream(small) if name == "stream" else feather(small, "uncompressed" if name == "plain" else name)
    path, rng = tmp_path / "a.arrow", random.Random(0)
    messages = []
    for _ in range(60):
        damaged = bytearray(content)
        place = rng.randrange(8, len(damaged))
        damaged[place] = rng.choice([0, 255, damaged[place] ^ (1 << rng.randrange(8))])
        path.write_bytes(damaged)
        try:
            lossctl.evaluate(path, **OPTIONS, by=rng.choice(["g", "c"]))
        except lossctl.DataError as error:
            messages.append(str(error))
    assert messages
    assert [text for text in messages if not text.startswith(str(path)) or "\n" in text] == []


def test_a_file_that_is_cut_short_or_holds_a_name_twice(tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    for content in (FILES["lz4"][:-10], FILES["plain"][: len(FILES["plain"]) // 2], FILES["stream"][:2000], b"ARROW1"):
        path.write_bytes(content)
        with pytest.raises(lossctl.DataError, match="the Arrow file is damaged"):
            lossctl.evaluate(path, **OPTIONS)
    twice = pa.Table.from_arrays([pa.array([1.0])] * 3, ["y", "p", "p"])
    path.write_bytes(stream(twice))
    with pytest.raises(lossctl.DataError, match="it names 'p' more than once"):
        lossctl.evaluate(path, **OPTIONS)


def test_columns_of_other_types_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    for column, words in (
        (pa.array([datetime.date(2026, 1, 1)]), "holds date32.day. values"),
        (pa.array([[("a", 1.0)]], pa.map_(pa.string(), pa.float64())), "holds map<string, double> values"),
    ):
        path.write_bytes(stream(pa.table({"y": [1.0], "p": column})))
        with pytest.raises(lossctl.DataError, match=f"column 'p' {words}; numbers are needed"):
            lossctl.evaluate(path, **OPTIONS)


@pytest.mark.parametrize("kind", ["file", "stream", "dictionary"])
def test_a_file_that_claims_far_too_much_is_refused_before_it_is_unpacked(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zeros = pa.array(np.zeros(300_000))
    words = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int8()), pa.array(["a" * 3_000_000, "b" * 3_000_000]))
    few = pa.table({"y": [1.0, 2.0], "p": [1.0, 2.0], "g": words})
    table = few if kind == "dictionary" else pa.table({"y": zeros, "p": zeros})
    path = tmp_path / "a.arrow"
    opened = pa.ipc.new_stream if kind == "stream" else pa.ipc.new_file
    with opened(path, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    assert lossctl.evaluate(path, target="y", pred="p", losses="mse").cells[0].value == 0.0
    monkeypatch.setattr("lossctl.io.table.BOMB_SIZE", 1 << 20)
    monkeypatch.setattr("lossctl.io.table.BOMB_RATIO", 100)
    monkeypatch.setattr("lossctl.io.ipc.IpcTable._batches", lambda reader: pytest.fail("it was unpacked"))
    with pytest.raises(lossctl.DataError, match=r"it claims [45] MiB of data in a file of"):
        lossctl.evaluate(path, target="y", pred="p", losses="mse")
