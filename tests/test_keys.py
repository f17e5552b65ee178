"""Keys, slices and labels: one spelling for each in every container, so that rows find each other.

Right values are those of pandas and DuckDB users: 2.00 is 2, an instant is one whatever its unit or zone, and a UUID is
one however it is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lossctl as package
from lossctl.core.domain import label
from lossctl.io import arrow
from lossctl.io.table import Keys, Kind, Texts

SPELLINGS = {
    "2": ["2", "2.0", "2.00", "2.", "0.2e1", "2e+0"],
    "0.5": ["0.5", ".5", "0.50", "5e-1", "5.0E-1"],
    "-1.5": ["-1.5", "-1.50", "-15e-1"],
    "0": ["0", "0.0", "-0.0", ".00", "0e-5"],
    "1000": ["1000", "1e+3", "1.0e3", "1000.00"],
    "123456789012345680": ["1.2345678901234568e+17", "123456789012345680.0"],
    "true": ["true", "True", "TRUE"],
    "2026-11-21": ["2026-11-21", "2026-11-21 00:00:00", "2026-11-21T00:00", "2026-11-21T00:00:00.000000000"],
    "2026-11-21 09:30:00": ["2026-11-21 09:30:00", "2026-11-21T09:30:00", "2026-11-21 09:30", "2026-11-21T09:30:00.0"],
    "2026-11-21 09:30:00.25": ["2026-11-21 09:30:00.250", "2026-11-21T09:30:00,25"],
    "2026-11-21 08:30:00Z": [
        "2026-11-21 08:30:00Z",
        "2026-11-21T08:30:00Z",
        "2026-11-21 08:30:00+00:00",
        "2026-11-21 08:30:00 UTC",
        "2026-11-21T09:30:00+01:00",
        "2026-11-21T03:00:00.000-0530",
    ],
    "2026-11-20 23:00:00Z": ["2026-11-21 00:00:00+01:00"],
    "09:30:00": ["09:30:00", "09:30:00.000"],
    "00000000-0000-124c-d2fc-253d18cfe18d": ["00000000-0000-124C-D2FC-253D18CFE18D"],
}
AS_THEY_ARE = (
    *("", "-", ".", "-.", "e5", "a7", "7a", " 7", "+7", "07", "007", "-0", "1_000", "1,000", "12e5", "1E400", "1.2.3"),
    *("9" * 40, "2026-11", "20261121", "21/11/2026", "2026-11-21 9:30", "2026-11-21T09", "2026-W47", "10.0.0.0.0"),
    *("0001-01-01 00:30:00+01:00", "item 2.00", "00000000-0000-124C", "nan", "é.0"),
)


def keys_of(values: Sequence[Any] | pa.Array, kind: pa.DataType | None = None) -> list[tuple[int, int]]:
    """Both hashes of each key."""
    array = values if isinstance(values, pa.Array) else pa.array(values, kind)
    column = arrow.column(array, Kind.KEY)
    assert isinstance(column, Keys)
    check = np.zeros(column.rows, np.uint64) if column.check is None else column.check
    return list(zip(column.hashes.tolist(), check.tolist(), strict=True))


def words_of(array: pa.Array) -> list[str]:
    column = arrow.column(array, Kind.TEXT)
    assert isinstance(column, Texts)
    return [label(column.word(row)) for row in range(column.rows)]


@pytest.mark.parametrize(("word", "spellings"), SPELLINGS.items())
def test_one_spelling_of_labels_and_keys(word: str, spellings: list[str]) -> None:
    assert [label(text) for text in [word, *spellings]] == [word] * (len(spellings) + 1)
    wanted = keys_of(["x", word, "y.0"])[1]
    assert [keys_of(["x", text, "y.0"])[1] for text in spellings] == [wanted] * len(spellings)
    assert keys_of(spellings) == [wanted] * len(spellings)


def test_text_that_says_more_than_its_value_stays() -> None:
    assert [label(text) for text in AS_THEY_ARE] == list(AS_THEY_ARE)
    assert len({key for key, _ in keys_of(AS_THEY_ARE)}) == len(AS_THEY_ARE)


DAYS = [datetime(2026, 11, 21), datetime(1969, 12, 31), datetime(2026, 1, 1)]
MOMENTS = [datetime(2026, 11, 21, 9, 30), datetime(2026, 11, 21), datetime(1969, 12, 31, 23, 59, 59)]
ZONED = [moment.replace(tzinfo=UTC) for moment in MOMENTS]
EAST = timezone(timedelta(hours=2))
IDENTIFIERS = [UUID(int=5), UUID(int=2**127 + 11), UUID(int=2**128 - 1)]
UNITS = ("s", "ms", "us", "ns")


@pytest.mark.parametrize(
    "arrays",
    [
        [
            *(pa.array(DAYS, pa.timestamp(unit)) for unit in UNITS),
            *(pa.array(DAYS, kind) for kind in (pa.date32(), pa.date64())),
            pa.array([str(day) for day in DAYS]),
            pa.array([day.isoformat() for day in DAYS]),
            pa.array([str(day.date()) for day in DAYS]).dictionary_encode(),
        ],
        [
            *(pa.array(MOMENTS, pa.timestamp(unit)) for unit in UNITS),
            pa.array([str(moment) for moment in MOMENTS]),
            pa.array([moment.isoformat(timespec="milliseconds") for moment in MOMENTS]),
        ],
        [
            pa.array(ZONED, pa.timestamp("us", "UTC")),
            pa.array(ZONED, pa.timestamp("ns", "America/New_York")),
            pa.array([str(moment) for moment in ZONED]),
            pa.array([moment.astimezone(EAST).isoformat() for moment in ZONED]),
        ],
        [
            pa.array([Decimal("2.00"), Decimal("-1.50"), Decimal("0.00")]),
            pa.array([2, -1.5, 0.0]),
            pa.array([2, -1.5, -0.0], pa.float32()),
            pa.array(["2.00", "-1.50", "0"]),
        ],
        [pa.array([10.0**20, 1e-7, 5e15]), pa.array(["1" + "0" * 20, "0.0000001", "5" + "0" * 15])],
        [
            pa.array([key.bytes for key in IDENTIFIERS], pa.uuid()),
            pa.array([str(key) for key in IDENTIFIERS]),
            pa.array([str(key).upper() for key in IDENTIFIERS]),
        ],
        [pa.array([time(9, 30), time(0, 0, 1, 500_000)], pa.time64("us")), pa.array(["09:30:00", "00:00:01.5"])],
    ],
    ids=["days", "moments", "zones", "decimals", "large and small", "uuid", "times of day"],
)
def test_a_value_is_one_key_and_one_label_in_every_type(arrays: list[pa.Array]) -> None:
    assert [keys_of(array) for array in arrays] == [keys_of(arrays[0])] * len(arrays)
    assert [words_of(array) for array in arrays] == [words_of(arrays[0])] * len(arrays)


@pytest.mark.parametrize("kind", [pa.timestamp("us"), pa.timestamp("ms", "UTC"), pa.uuid(), pa.decimal128(9, 2)])
def test_a_null_among_them_is_missing(kind: pa.DataType) -> None:
    some = b"\1" * 16 if kind == pa.uuid() else Decimal("1.50") if pa.types.is_decimal(kind) else DAYS[0]
    array = pa.array([some, None, some, None], kind).slice(1)
    column = arrow.column(array, Kind.KEY)
    assert isinstance(column, Keys)
    assert column.null is not None
    assert column.null.tolist() == [True, False, True]
    assert words_of(array)[::2] == ["", ""]
    assert words_of(array)[1]


# through the whole house: a file of keys in one container pairs with one in another -------------------------------

KEYS: dict[str, list[Any]] = {
    "time": [datetime(2026, 1, 1), datetime(2026, 1, 2, 9, 30), datetime(2026, 1, 3)],
    "day": [date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 3)],
    "decimal": [Decimal("2.00"), Decimal("1.50"), Decimal("0.25")],
    "uuid": IDENTIFIERS,
    "float": [2.0, 1.5, 0.25],
    "text": ["b", "a", "c"],
}


def in_containers(folder: Path, values: Sequence[Any], column: str, numbers: Sequence[float]) -> dict[str, Any]:
    """The same keys beside the same numbers, as people keep them."""
    csv, lines, parquet = folder / f"{column}.csv", folder / f"{column}.jsonl", folder / f"{column}.parquet"
    csv.write_text(f"k,{column}\n" + "".join(f"{key},{n}\n" for key, n in zip(values, numbers, strict=True)))
    lines.write_text("".join(f'{{"k": "{key}", "{column}": {n}}}\n' for key, n in zip(values, numbers, strict=True)))
    raw = [key.bytes if isinstance(key, UUID) else key for key in values]
    table = pa.table({"k": pa.array(raw, pa.uuid() if isinstance(values[0], UUID) else None), column: numbers})
    pq.write_table(table, parquet)
    return {
        "csv": csv,
        "jsonl": lines,
        "parquet": parquet,
        "arrow": table,
        "frame": pd.DataFrame({"k": values, column: numbers}),
        "dict": {"k": list(values), column: list(numbers)},
    }


@pytest.mark.parametrize("kind", KEYS)
def test_keys_meet_across_containers(tmp_path: Path, kind: str) -> None:
    truth = in_containers(tmp_path, KEYS[kind], "y", [1.0, 2.0, 3.0])
    guess = in_containers(tmp_path, KEYS[kind][::-1], "p", [3.5, 2.5, 1.5])
    for name, data in guess.items():
        for other, targets in truth.items():
            report = package.evaluate(data, targets=targets, id="k", target="y", pred="p", losses="mae")
            assert report.cells[0].value == 0.5, (name, other)


@pytest.mark.parametrize("kind", ["time", "day", "decimal", "uuid"])
def test_slices_have_one_spelling_in_every_container(tmp_path: Path, kind: str) -> None:
    slices = [
        [cell.slice for cell in package.evaluate(data, target="y", pred="y", losses="mae", by="k").cells]
        for data in in_containers(tmp_path, KEYS[kind], "y", [1.0, 2.0, 3.0]).values()
    ]
    assert slices == [slices[0]] * len(slices)
    assert len(slices[0]) == 4
