"""Keys, slices and labels: one spelling for each in every container, so that rows find each other.

Right values are those of pandas and DuckDB users: 2.00 is 2, an instant is one whatever its unit or zone, and a UUID is
one however it is written.
"""

from __future__ import annotations

import json
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
from tests.bad_input import DATA, USAGE, Write
from tests.conftest import Lossctl, Refused, resealed

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


@pytest.mark.deep
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


def test_rows_without_a_slice_form_one_of_their_own(tmp_path: Path) -> None:
    groups: dict[str, list[Any]] = {
        "text": ["a", None, "b", None],
        "number": [1.0, None, 2.5, None],
        "time": [DAYS[0], None, DAYS[1], None],
    }
    for name, values in groups.items():
        path = tmp_path / f"{name}.parquet"
        pq.write_table(pa.table({"g": values, "h": ["x", "x", None, "x"], "y": [1.0, 2, 3, 4], "p": [1.5] * 4}), path)
        frame = pq.read_table(path).to_pandas()
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
        for data in (str(path), str(tmp_path / f"{name}.csv"), frame):
            report = package.evaluate(data, target="y", pred="p", losses="mae", by=["g", "g,h"], missing="drop")
            rows = {tuple(cell.slice.items()): (cell.value, cell.rows) for cell in report.cells}
            assert rows[()] == (1.25, 4)
            assert rows[(("g", "(missing)"),)] == (1.5, 2)
            assert rows[("g", "(missing)"), ("h", "x")] == (1.5, 2)
            assert sum(count for cell, (_, count) in rows.items() if len(cell) == 1) == 4
            assert sum(count for cell, (_, count) in rows.items() if len(cell) == 2) == 4


def test_times_with_a_zone_are_no_times_without_one(refused: Refused, write: Write) -> None:
    truth = write("truth.csv", "ds,y\n2026-01-01 00:00:00+00:00,1\n2026-01-01 01:00:00+00:00,2\n")
    guess = write("guess.csv", "ds,p\n2026-01-01 01:00:00,1\n2026-01-01 00:00:00,2\n")
    options = ("--targets", truth, "--id", "ds", "-t", "y", "-p", "p", "-l", "mae")
    line = refused(guess, *options, code=DATA, says=["2026-01-01 01:00:00,", "2026-01-01 01:00:00Z"])
    assert "--id-missing" not in line


def test_a_cluster_or_a_label_that_is_missing_is_no_slice(lossctl: Lossctl, write: Write) -> None:
    path = write("a.csv", "g,y,p,q\na,1,1,2\n,2,2,1\nb,3,3,3\n")
    common = ("compare", path, "-t", "y", "-p", "p", "-p", "q", "-l", "mae")
    assert "column 'g': the value is missing" in lossctl(*common, "--cluster", "g").err
    assert "column 'g': the value is missing" in lossctl(*common, "--cluster", "g", "--by", "g").err
    assert lossctl(*common, "--by", "g").code == 0
    labels = write("b.csv", "y,p_a,p_b\na,0.5,0.5\n,0.5,0.5\n")
    assert "column 'y': the value is missing" in lossctl("eval", labels, "-t", "y", "-p", "p_*", "--by", "y").err


# numbers as text -----------------------------------------------------------------------------------------------------


def test_numbers_as_text_are_read_as_fields_of_a_text_file_are(tmp_path: Path) -> None:
    texts = {"y": ["1.5", " 2.5 ", "NA", "1e1", ""], "p": ["1.0", "3.0", "1", "+10.5", "7"]}
    (tmp_path / "a.csv").write_text("y,p\n" + "".join(f"{y},{p}\n" for y, p in zip(*texts.values(), strict=True)))
    columns = {name: pa.array(words) for name, words in texts.items()}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    coded = pa.table({name: words.dictionary_encode() for name, words in columns.items()})
    large = pa.table({name: words.cast(pa.large_string()) for name, words in columns.items()})
    arrays = {name: np.array(words) for name, words in texts.items()}
    data = (str(tmp_path / "a.csv"), str(tmp_path / "a.parquet"), coded, large, arrays, pd.DataFrame(texts), texts)
    for table in data:
        [cell] = package.evaluate(table, target="y", pred="p", losses="mae", missing="drop").cells
        assert (cell.value, cell.rows) == (0.5, 3)
        assert package.validate(table, target="y", pred="p", losses="mae", missing="drop").works
    for wrong in ("1,5", "x", "true", str(2**53 + 1)):
        frame = pd.DataFrame({"y": ["1.5", wrong], "p": ["1", "2"]})
        with pytest.raises(package.DataError, match=f"row 2, column 'y': '?{wrong}"):
            package.evaluate(frame, target="y", pred="p", losses="mae")
    exact = package.evaluate({"y": [str(2**60)], "p": [str(2**60)]}, target="y", pred="p", losses="mae").cells[0]
    assert exact.value == 0.0


# several columns make a key; one name on both sides; keys that one side lacks -----------------------------------------


def test_a_key_of_several_columns(lossctl: Lossctl, write: Write) -> None:
    truth = write("truth.csv", "series,ds,y\nA,2026-01-01,2\nA,2026-01-02,3\nB,2026-01-01,4\n")
    guess = write("guess.csv", "series,ds,yhat\nB,2026-01-01,4\nA,2026-01-02,3.5\nA,2026-01-01 00:00:00,2\n")
    options = ("-t", "y", "-p", "yhat", "-l", "mae", "-f", "value")
    assert lossctl("eval", guess, "--targets", truth, "--id", "series,ds", *options).out == f"{0.5 / 3}\n"
    assert lossctl("eval", guess, "--targets", truth, "--id", "ds", "--id", "series", *options).code == 0
    for key in (["series", "ds"], "series,ds", ("ds", "series")):
        report = package.evaluate(str(guess), targets=str(truth), id=key, target="y", pred="yhat", losses="mae")
        assert report.cells[0].value == 0.5 / 3
    survey = package.validate(str(guess), targets=str(truth), id=["series", "ds"], target="y", pred="yhat")
    assert survey.works
    assert survey.pairing is not None
    assert survey.pairing.column == "series,ds"


def test_a_column_whose_name_has_a_comma_is_one_key() -> None:
    truth, guess = {"a,b": [1, 2], "y": [1.0, 2.0]}, {"a,b": [2, 1], "p": [2.0, 1.5]}
    assert package.evaluate(guess, targets=truth, id="a,b", target="y", pred="p", losses="mae").cells[0].value == 0.25


def test_what_is_wrong_with_a_key_of_several_columns(refused: Refused, write: Write) -> None:
    one = write("one.csv", "a,b,y\n1,x,1\n1,y,2\n2,x,3\n")
    two = write("two.csv", "a,b,p\n1,x,1\n1,x,2\n2,x,3\n")
    three = write("three.csv", "a,b,p\n1,x,1\n,y,2\n2,x,3\n")
    four = write("four.csv", "a,b,p\n1,x,1\n1,z,2\n2,x,3\n")
    common = ("-t", "y", "-p", "p", "-l", "mae", "--targets", one)
    refused(two, *common, "--id", "a,b", code=DATA, says=["two.csv", "'a', 'b'", "1 keys stand more", "(1,x)"])
    refused(three, *common, "--id", "a,b", code=DATA, says=["three.csv", "column 'a'", "empty"], row=2)
    refused(four, *common, "--id", "a,b", code=DATA, says=["(1,z)", "(1,y)", "--id-missing drop"])
    refused(four, *common, "--id", "a,c", code=DATA, says=["--id", "no column 'c'"])
    refused(four, *common, "--id", "a,a", code=USAGE, says=["--id a,a", "twice"])


@pytest.mark.parametrize("width", [1, 2, 3])
def test_keys_of_several_columns_differ_wherever_one_does(width: int) -> None:
    rng = np.random.default_rng(width)
    values = np.unique(rng.integers(0, 4, size=(4**width * 8, width)), axis=0)
    columns = [arrow.column(pa.array(column), Kind.KEY) for column in values.T]
    swapped = [arrow.column(pa.array([f"w{n}" for n in column]), Kind.KEY) for column in values.T]
    for pieces in (columns, swapped, [*columns[1:], swapped[0]]):
        keys = Keys.of([piece for piece in pieces if isinstance(piece, Keys)])
        assert len(set(keys.hashes.tolist())) == 4**width
        if width > 1:
            assert keys.check is not None
            assert len(set(keys.check.tolist())) == 4**width


@pytest.mark.parametrize("key", [(), ("--id", "id")])
def test_the_submission_names_its_predictions_as_the_solution_does(
    lossctl: Lossctl, write: Write, key: tuple[str, ...]
) -> None:
    rows = ["2,3.5", "1,2"] if key else ["1,2", "2,3.5"]
    submission = write("submission.csv", "\n".join(["id,target", *rows, ""]))
    solution = write("solution.csv", "id,target\n1,2\n2,3\n")
    files = (submission, "--targets", solution, *key)
    for command in ("eval", "validate", ("losses", "choose")):
        words = (command,) if isinstance(command, str) else command
        assert lossctl(*words, *files, "-t", "target", "-p", "target", *(["-l", "mae"] if command == "eval" else []))
    assert lossctl("eval", *files, "-t", "target", "-p", "target", "-l", "mae", "-f", "value").out == "0.25\n"
    other = write("other.csv", (write("again.csv", submission.read_text())).read_text().replace("3.5", "3"))
    names = (f"a={submission}", f"b={other}", "--targets", solution, *key, "-t", "target", "-p", "target", "-l", "mae")
    assert [cell["value"] for cell in lossctl("eval", *names, "-f", "json").json["results"]] == [0.25, 0.0]
    assert lossctl("compare", *names).code == 0
    assert lossctl("check", *names, "--max", "mae=0.3").code == 0


def test_a_key_is_not_chosen_as_the_prediction(lossctl: Lossctl, write: Write) -> None:
    guess, truth = write("guess.csv", "row,value\n2,3.5\n1,2\n"), write("truth.csv", "row,outcome\n1,2\n2,3\n")
    assert lossctl("eval", guess, "--targets", truth, "--id", "row", "-l", "mae", "-f", "value").out == "0.25\n"


@pytest.mark.parametrize("rows", [6, 130_000])
def test_keys_that_one_side_lacks_by_wish(tmp_path: Path, rows: int) -> None:
    rng = np.random.default_rng(rows)
    ids = rng.permutation(rows)
    frame = pd.DataFrame({"id": ids, "y": rng.normal(size=rows)})
    first = pd.DataFrame({"id": ids[::-1][: rows - 2], "p": rng.normal(size=rows - 2)})
    second = pd.DataFrame({"id": np.append(ids[1:], [-1, -2, -3]), "p": rng.normal(size=rows + 2)})
    options: dict[str, Any] = {"id": "id", "id_missing": "drop", "target": "y", "pred": "p", "losses": "mae"}
    for columns in (first, second):
        [cell] = package.evaluate(columns, targets=frame, **options).cells
        paired = frame.merge(columns, on="id")
        assert cell.rows == len(paired)
        assert cell.value == pytest.approx((paired["y"] - paired["p"]).abs().mean(), rel=1e-12)
    for name, columns in (("first", first), ("second", second)):
        columns.to_parquet(tmp_path / f"{name}.parquet")
    report = package.evaluate(sorted(map(str, tmp_path.iterdir())), targets=frame, **options)
    joined = frame.merge(first, on="id").merge(second, on="id")
    assert [cell.rows for cell in report.cells] == [len(joined)] * 2
    means = [(joined["y"] - joined[name]).abs().mean() for name in ("p_x", "p_y")]
    assert [cell.value for cell in report.cells] == pytest.approx(means, rel=1e-12)
    assert sum(report.inputs[0].dropped.values()) == 4 + 2


def test_rows_whose_keys_one_side_lacks_are_counted(lossctl: Lossctl, refused: Refused, write: Write) -> None:
    truth, guess = write("truth.csv", "id,y\n1,1\n2,2\n3,3\n4,4\n"), write("guess.csv", "id,p\n3,3.5\n9,0\n2,2\n8,1\n")
    options = ("-t", "y", "-p", "p", "-l", "mae", "--id", "id")
    refused(guess, "--targets", truth, *options, code=DATA, says=["2 of ", "9, 8", "--id-missing drop"])
    outcome = lossctl("eval", guess, "--targets", truth, *options, "--id-missing", "drop", "-f", "json")
    [result] = outcome.json["results"]
    assert (result["value"], result["n"]) == (0.25, 2)
    assert outcome.json["inputs"][0]["dropped"] == {f"{guess}:unpaired": 2, f"{truth}:unpaired": 2}
    assert [text for text in outcome.json["warnings"] if "left out" in text] == [
        f"2 rows of {guess} left out, as {truth} lacks their keys",
        f"2 rows of {truth} left out, as {guess} lacks their keys",
    ]
    assert lossctl("validate", guess, "--targets", truth, *options, "--id-missing", "drop").code == 0
    assert lossctl("validate", guess, "--targets", truth, *options).code == DATA
    refused(guess, "--targets", truth, *options[:-2], "--id-missing", "drop", code=USAGE, says=["--id-missing", "--id"])
    none = write("none.csv", "id,p\n7,1\n")
    says = ["none.csv", "none of its keys", "truth.csv"]
    refused(none, "--targets", truth, *options, "--id-missing", "drop", code=DATA, says=says)
    twice = write("twice.csv", "id,p\n2,1\n2,1\n")
    refused(twice, "--targets", truth, *options, "--id-missing", "drop", code=DATA, says=["more than once", "(2)"])


@pytest.mark.parametrize(("a", "ids"), [("1", (2, "", 1)), ("", (2, 3, 1)), ("z", ("b", None, "a"))])
def test_rows_without_a_key_pair_with_none(refused: Refused, lossctl: Lossctl, write: Write, a: str, ids: Any) -> None:
    lines = [f"{a if row == 1 else 1},{'' if key is None else key}" for row, key in enumerate(ids)]
    guess = write("guess.csv", "a,b,p\n" + "".join(f"{line},{row}\n" for row, line in enumerate(lines)))
    truth = write("truth.csv", "a,b,y\n" + "".join(f"{line},{row}\n" for row, line in enumerate(lines[::-1])))
    options = ("--targets", truth, "-t", "y", "-p", "p", "-l", "mae", "--id", "a,b")
    refused(guess, *options, code=DATA, says=["guess.csv: row 2", "the key is empty", "--id-missing drop"])
    assert lossctl("validate", guess, *options).code == DATA
    outcome = lossctl("eval", guess, *options, "--id-missing", "drop", "-f", "json")
    assert outcome.json["results"][0]["value"] == 2.0
    assert outcome.json["inputs"][0]["dropped"] == {f"{guess}:unpaired": 1, f"{truth}:unpaired": 1}
    assert lossctl("validate", guess, *options, "--id-missing", "drop").code == 0


def test_a_truth_that_is_taken_for_a_model_is_told(lossctl: Lossctl, write: Write) -> None:
    truth, guess = write("truth.csv", "id,t\n1,1\n2,2\n"), write("guess.csv", "id,t\n2,2\n1,3\n")
    options = ("-t", "t", "-p", "t", "-l", "mae", "--id", "id", "-f", "value")
    both = lossctl("eval", truth, guess, *options)
    assert "truth: its prediction is the target itself, which is perfect" in both.err
    assert f"a file of the truth alone goes to --targets {truth}" in both.err
    assert "guess: its" not in both.err
    alone = lossctl("eval", guess, "--targets", truth, *options)
    assert (alone.out, alone.err) == ("1.0\n", "")
    assert "t: its prediction is the target itself" in lossctl("eval", truth, *options[:-4]).err


def test_the_rows_of_a_join_with_gaps_are_told_by_their_place(lossctl: Lossctl, write: Write, tmp_path: Path) -> None:
    truth, guess = write("truth.csv", "id,y\n1,1\n2,2\n3,3\n"), write("guess.csv", "id,p\n3,3.5\n9,0\n2,2\n")
    rows = tmp_path / "rows.csv"
    options = ("-t", "y", "-p", "p", "-l", "mae", "--id", "id", "--id-missing", "drop", "--rows-out", rows)
    assert lossctl("eval", guess, "--targets", truth, *options).code == 0
    assert sorted(rows.read_text().splitlines()[1:]) == ["1,0.5", "3,0"]
    bad = write("bad.csv", "id,p\n3,3.5\n9,0\n2,inf\n")
    assert "bad.csv: row 3" in lossctl("eval", bad, "--targets", truth, *options[:-2]).err


# many files as parts of one -------------------------------------------------------------------------------------------


def test_files_are_parts_of_one_table(lossctl: Lossctl, write: Write, tmp_path: Path) -> None:
    parts = [write("day-1.csv", "y,p\n1,1.5\n2,2\n"), write("day-2.csv", "y,p\n3,3\n"), tmp_path / "day-3.parquet"]
    pq.write_table(pa.table({"p": [4.0, 5.5], "y": [4.0, 5.0]}), parts[2])
    options = ("-t", "y", "-p", "p", "-l", "mae")
    assert lossctl("eval", *parts, "--concat", *options, "-f", "value").out == "0.2\n"
    assert package.evaluate(list(map(str, parts)), concat=True, target="y", pred="p", losses="mae").cells[0].rows == 5
    assert lossctl("check", *parts, "--concat", *options, "--max", "mae=0.2").code == 0
    assert lossctl("validate", *parts, "--concat", *options).code == 0
    assert lossctl("losses", "choose", *parts, "--concat", "-t", "y", "-p", "p").code == 0
    names = (f"a={parts[0]}", f"b={parts[1]}", f"a={parts[1]}", f"b={parts[0]}")
    both = lossctl("compare", *names, "--concat", "--targets", write("y.csv", "t\n1\n2\n3\n"), "-t", "t", "-p", "p")
    assert "row counts" not in both.err
    assert both.code == 0
    bad = write("day-4.csv", "y,p\n4,x\n")
    assert "day-4.csv: row 1, column 'p'" in lossctl("eval", *parts, bad, "--concat", *options).err
    other = write("day-5.csv", "y,q\n4,1\n")
    assert "columns differ" in lossctl("eval", *parts, other, "--concat", *options).err


def test_frames_are_parts_of_one_table() -> None:
    frames = [pd.DataFrame({"y": [1.0, 2.0], "p": [1.5, 2.0]}), pd.DataFrame({"y": [4.0], "p": [2.0]})]
    batches = [batch for frame in frames for batch in pa.table(frame).to_batches()]
    options: dict[str, Any] = {"target": "y", "pred": "p", "losses": "mae"}
    for parts in (frames, tuple(frames), [pa.table(frame) for frame in frames], batches, [frames[0], batches[1]]):
        [cell] = package.evaluate(parts, concat=True, **options).cells
        assert (cell.model, cell.rows, cell.value) == ("p", 3, 2.5 / 3)
    cells = package.evaluate({"a": frames[0], "b": frames[0]}, concat=True, **options).cells
    assert [(cell.model, cell.value) for cell in cells] == [("a", 0.25), ("b", 0.25)]


def test_files_that_look_like_models_but_may_be_parts(refused: Refused, write: Write) -> None:
    one, two = write("day-1.csv", "id,y,p\n1,1,1\n2,2,2\n"), write("day-2.csv", "id,y,p\n3,1,1\n4,2,2\n5,5,5\n")
    same = write("day-3.csv", "id,y,p\n6,7,8\n7,8,9\n")
    options = ("-t", "y", "-p", "p", "-l", "mae")
    refused(one, two, *options, code=DATA, says=["row counts differ", "--concat"])
    refused(one, same, *options, code=DATA, says=["the target is another one", "--concat"])
    refused(one, two, *options, "--id", "id", code=DATA, says=["keys differ", "--concat"])
    refused(one, two, "-t", "y", "-p", "p", "-p", "id", "-l", "mae", code=USAGE, says=["--concat"])
    with pytest.raises(package.UsageError, match="concat"):
        package.evaluate({"y": [1], "p": [1]}, concat=True, target="y", pred="p")


@pytest.mark.parametrize(
    ("words", "slices"),
    [
        (["1.10", "1.1", "v2"], ["1.1", "1.10", "v2"]),  # versions
        (["1.10", "2.00", "other"], ["1.10", "2.00", "other"]),
        (["2.00", "1.5", "3"], ["1.5", "2", "3"]),  # numbers
    ],
)
def test_numbers_among_words_are_words(tmp_path: Path, words: list[str], slices: list[str]) -> None:
    for data in in_containers(tmp_path, words, "y", [1.0, 2.0, 3.0]).values():
        report = package.evaluate(data, target="y", pred="y", losses="mae", by="k")
        assert sorted(cell.slice["k"] for cell in report.cells if cell.slice) == slices


def test_texts_of_one_number_are_two_words_where_the_type_is_text(tmp_path: Path) -> None:
    pairs = {"k": ["1.10", "1.1"] * 6000, "y": [1.0, 2.0] * 6000}
    frame = pd.DataFrame(pairs)
    frame.to_parquet(tmp_path / "v.parquet")
    frame.to_csv(tmp_path / "v.csv", index=False)
    for data, slices in (
        (pairs, 2),
        (frame, 2),
        (str(tmp_path / "v.parquet"), 2),
        (str(tmp_path / "v.csv"), 1),  # without types they are numbers, as in pandas and DuckDB
    ):
        report = package.evaluate(data, target="y", pred="y", losses="mae", by="k")
        assert sum(bool(cell.slice) for cell in report.cells) == slices


def test_versions_that_are_predicted_are_words() -> None:
    for kind in (list, np.array, pd.Series):
        data = {"y": kind(["1.10", "1.1", "1.9"]), "p": kind(["1.1", "1.1", "1.9"]), "q": kind(["1.10", "1.9", "1.9"])}
        report = package.evaluate(data, target="y", pred=["p", "q"], losses="zero_one")
        assert [cell.value for cell in report.cells] == pytest.approx([1 / 3, 1 / 3])


@pytest.mark.parametrize(("positive", "flags"), [("1.10", [1, 0, 0]), ("1.1", [0, 1, 1])])
def test_a_version_is_the_positive_label_alone(positive: str, flags: list[int]) -> None:
    data = {"y": ["1.10", "1.1", "1.1"], "p": [0.2, 0.3, 0.5], "hard": ["1.10", "1.10", "1.1"]}
    options: dict[str, Any] = {"target": "y", "positive_label": positive}
    report = package.evaluate(data, pred="p", losses="bce", **options)
    shares = np.array([0.2, 0.3, 0.5])
    right = -np.log(np.where(np.array(flags) == 1, shares, 1 - shares)).mean()
    assert report.cells[0].value == pytest.approx(right)
    report = package.evaluate(data, pred="hard", losses="zero_one", **options)
    assert report.cells[0].value == pytest.approx(1 / 3)


# slices of rows without a word ----------------------------------------------------------------------------------------

ODD = pd.DataFrame(
    {
        "y": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        "p": [1.5] * 6,
        "g": ["(missing)", None, "a", "(missing)", None, "((missing))"],
        "h": ["x", None, "x", "x", "x", None],
    }
)


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl", "frame"])
def test_a_word_that_is_written_as_missing_is_no_missing_one(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    if suffix == "csv":
        ODD.to_csv(path, index=False)
    elif suffix == "parquet":
        ODD.to_parquet(path)
    elif suffix == "jsonl":
        ODD.to_json(path, orient="records", lines=True)
    data: Any = ODD if suffix == "frame" else path
    options: dict[str, Any] = {"target": "y", "pred": "p", "losses": "mae", "by": ["g", "g,h"]}
    report = package.evaluate(data, **options)
    groups = ODD.assign(loss=(ODD.y - ODD.p).abs()).groupby("g", dropna=False).loss.agg(["mean", "size"])
    for word, (mean, size) in zip(groups.index, groups.to_numpy().tolist(), strict=True):
        cell = report.cell(slice={"g": None if word != word else word})
        assert (cell.value, cell.rows) == (mean, size)
    assert report.value(slice={"g": None, "h": "x"}) == 3.5
    assert report.value(slice={"g": None, "h": None}) == 0.5
    assert report.value(slice={"g": "(missing)", "h": "x"}) == 1.5
    document = json.loads(report.to_json())
    slices = [entry["slice"] for entry in document["results"]]
    assert slices.count({"g": None}) == slices.count({"g": "(missing)"}) == slices.count({"g": None, "h": None}) == 1
    report.save(tmp_path / "report.csv")
    for text in (report.to_markdown(), (tmp_path / "report.csv").read_text(), report.to_frame().to_csv()):
        assert "(((missing)))" in text  # the rows without a word, beside two that look as if
    report.save(tmp_path / "report.json")
    again = package.Report.load(tmp_path / "report.json")
    assert [cell.place for cell in again.cells] == [cell.place for cell in report.cells]
    assert again.value(slice={"g": None}) == 2.0
    verdict = package.check(data, **options, baseline=str(tmp_path / "report.json"), max_regression="mae=0")
    assert {check.change for check in verdict.checks} == {0.0}


def test_missing_slices_of_a_report_that_has_them_as_text(tmp_path: Path) -> None:
    """Reports once held the text `(missing)`: they are baselines still."""
    frame = ODD[ODD.g != "(missing)"][["y", "p", "g"]].replace({"g": {"((missing))": "b"}})
    report = package.evaluate(frame, target="y", pred="p", losses="mae", by="g")
    text = report.to_json().replace('"slice": {"g": null}', '"slice": {"g": "(missing)"}')
    (tmp_path / "old.json").write_text(resealed(json.loads(text)))
    places = [cell.place for cell in package.Report.load(tmp_path / "old.json").cells]
    assert places == [cell.place for cell in report.cells]
