"""Slices made of the values of a column: quantiles, widths and edges of numbers, periods of times."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lossctl
from lossctl import DataError, UsageError
from lossctl.io.bins import PERIODS
from tests.conftest import Lossctl

RNG = np.random.default_rng(16)
N = 3000
FRAME = pd.DataFrame(
    {
        "y": RNG.normal(size=N),
        "p": RNG.normal(size=N),
        "age": RNG.integers(18, 90, N),
        "size": np.round(RNG.lognormal(size=N), 3),
        "day": pd.Timestamp("2023-11-20") + pd.to_timedelta(RNG.integers(0, 500 * 24, N), unit="h"),
        "g": RNG.choice(list("ab"), N),
    }
)
Write = Callable[[str, str | bytes], Path]


def slices(data: Any, by: str, **options: Any) -> dict[str, tuple[int, float]]:
    """Return rows and mean absolute error of each slice."""
    report = lossctl.evaluate(data, target="y", pred="p", losses="mae", by=by, **options)
    return {",".join(cell.slice.values()): (cell.rows, cell.value) for cell in report.cells if cell.slice}


def by_pandas(words: Any) -> dict[str, tuple[int, float]]:
    """Return the same of words that are no more than those of a column."""
    errors = (FRAME["y"] - FRAME["p"]).abs().groupby(np.asarray(words, dtype=str))
    return {str(word): (len(rows), float(rows.mean())) for word, rows in errors}


def same(found: dict[str, tuple[int, float]], expected: dict[str, tuple[int, float]]) -> None:
    assert set(found) == set(expected)
    for word, (rows, value) in expected.items():
        assert found[word][0] == rows
        assert found[word][1] == pytest.approx(value, rel=1e-13)


@pytest.mark.parametrize("column", ["age", "size"])
@pytest.mark.parametrize("count", [2, 4, 10])
def test_quantiles_are_values_of_the_data_that_cut_it_into_equal_parts(column: str, count: int) -> None:
    values = np.sort(FRAME[column].to_numpy(float))
    edges = [values[0], *(values[-(-N * k // count) - 1] for k in range(1, count + 1))]
    words = [f"{'[' if k == 0 else '('}{edges[k]:.15g}, {edges[k + 1]:.15g}]" for k in range(count)]
    place = np.maximum(np.searchsorted(edges, FRAME[column].to_numpy(float), side="left"), 1) - 1
    found = slices(FRAME, f"{column}:quantiles={count}")
    same(found, by_pandas(np.array(words)[place]))
    assert list(found) == words  # in order


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1.0, 1e3, 1e6])
def test_edges_of_quantiles_are_as_short_as_those_of_pandas(scale: float) -> None:
    frame = pd.DataFrame({"y": FRAME["y"], "p": FRAME["p"], "x": FRAME["p"].abs() * scale + scale / 7.0})
    ends = [interval.right for interval in pd.qcut(frame["x"], 4).cat.categories]
    found = [float(word.rstrip("]").split(", ")[1]) for word in slices(frame, "x:quantiles=4")]
    assert found == pytest.approx(ends, rel=0.01)
    assert max(map(len, slices(frame, "x:quantiles=4"))) < 30


def test_edges_of_quantiles_have_the_decimals_that_tell_them_apart() -> None:
    frame = {"y": np.zeros(4), "p": np.ones(4), "x": 1.0 + np.arange(4) / 1e7}
    assert list(slices(frame, "x:quantiles=2")) == ["[1, 1.0000001]", "(1.0000001, 1.0000003]"]


def test_quantiles_that_coincide_make_one_bin() -> None:
    data = {"y": [0.0] * 8, "p": [1.0] * 8, "x": [1, 1, 1, 1, 1, 1, 2, 3]}
    assert slices(data, "x:quantiles=4") == {"1": (6, 1.0), "(1, 3]": (2, 1.0)}
    assert slices({**data, "x": [5.0] * 8}, "x:quantiles=4") == {"5": (8, 1.0)}


def test_widths_and_edges() -> None:
    age = FRAME["age"].to_numpy()
    same(slices(FRAME, "age:width=20"), by_pandas([f"[{a // 20 * 20}, {a // 20 * 20 + 20})" for a in age]))
    same(
        slices(FRAME, "age:edges=18/35/65"),
        by_pandas(["<=18" if a <= 18 else "(18, 35]" if a <= 35 else "(35, 65]" if a <= 65 else ">65" for a in age]),
    )
    assert slices(FRAME, "age:edges=18,35,65") == slices(FRAME, "age:edges=18/35/65")
    assert list(slices(FRAME, "age:edges=18/35/65")) == ["<=18", "(18, 35]", "(35, 65]", ">65"]
    tenths = {"y": [0.0] * 11, "p": [float(k) for k in range(11)], "x": [round(0.1 * k, 1) for k in range(11)]}
    found = [(word, value) for word, (_, value) in slices(tenths, "x:width=0.1").items()]
    assert found == [(f"[{k / 10:g}, {(k + 1) / 10:g})", float(k)) for k in range(11)]
    assert list(slices(FRAME, "size:width=0.1"))[:3] == ["[0, 0.1)", "[0.1, 0.2)", "[0.2, 0.3)"]
    assert list(slices({"y": [1.0, 1.0, 1.0], "p": [0.0] * 3, "x": [-np.inf, -0.5, np.inf]}, "x:width=1")) == [
        "-inf",
        "[-1, 0)",
        "inf",
    ]


@pytest.mark.parametrize(
    ("period", "word"),
    [
        ("year", "%Y"),
        ("month", "%Y-%m"),
        ("week", "%G-W%V"),
        ("day", "%Y-%m-%d"),
        ("hour", "%Y-%m-%dT%H"),
        ("weekday", "%u %a"),
        ("quarter", ""),
    ],
)
def test_periods_of_times(period: str, word: str) -> None:
    days = FRAME["day"]
    words = days.dt.strftime(word) if word else [f"{day.year}-Q{day.quarter}" for day in days]
    same(slices(FRAME, f"day:{period}"), by_pandas(words))


def test_every_period_is_tried() -> None:
    assert set(PERIODS) == {"year", "quarter", "month", "week", "day", "hour", "weekday"}


@pytest.mark.parametrize("by", ["age:quantiles=4", "size:width=0.5", "day:month", "g,day:quarter,age:edges=40"])
def test_bins_do_not_depend_on_the_container(by: str, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.csv", "a.parquet", "a.jsonl", "a.feather")]
    FRAME.to_csv(paths[0], index=False)
    FRAME.to_parquet(paths[1], row_group_size=700)
    FRAME.to_json(paths[2], orient="records", lines=True, date_format="iso", double_precision=15)
    FRAME.to_feather(paths[3])
    reports = [lossctl.evaluate(str(path), target="y", pred="p", losses="mae", by=by, threads=2) for path in paths]
    numbers = [[(cell.slice, cell.rows, cell.value, cell.stderr) for cell in report.cells] for report in reports]
    assert numbers[0] == numbers[1] == numbers[3]
    assert [entry[:2] for entry in numbers[2]] == [entry[:2] for entry in numbers[0]]


def test_crossed_bins_are_those_of_each(tmp_path: Path) -> None:
    words = [f"{g},{'<=50' if a <= 50 else '>50'}" for g, a in zip(FRAME["g"], FRAME["age"], strict=True)]
    same(slices(FRAME, "g,age:edges=50"), by_pandas(words))


def test_rows_without_a_value_are_a_slice_of_their_own() -> None:
    data: dict[str, Any] = {"y": [0.0] * 4, "p": [1.0, 2.0, 3.0, 4.0], "x": [1.0, np.nan, 12.0, np.nan]}
    data["d"] = ["2024-01-05", None, "2024-02-01", None]
    assert slices(data, "x:width=10") == {"[0, 10)": (1, 1.0), "[10, 20)": (1, 3.0), "(missing)": (2, 3.0)}
    assert slices(data, "x:quantiles=2") == {"1": (1, 1.0), "(1, 12]": (1, 3.0), "(missing)": (2, 3.0)}
    assert slices(data, "d:month") == {"2024-01": (1, 1.0), "2024-02": (1, 3.0), "(missing)": (2, 3.0)}


def test_the_target_itself_has_bins_and_its_missing_rows_are_left_out() -> None:
    data = {"y": [1.0, 2.0, np.nan, 4.0], "p": [0.0, 0.0, 0.0, 0.0]}
    assert slices(data, "y:edges=2", missing="drop") == {"<=2": (2, 1.5), ">2": (1, 4.0)}
    with pytest.raises(DataError, match="row 3, column 'y': the value is NaN"):
        slices(data, "y:edges=2")


def test_a_column_of_that_name_is_itself() -> None:
    data = {"y": [0.0, 0.0], "p": [1.0, 2.0], "x:width=10": ["u", "v"], "x": [1.0, 2.0]}
    assert slices(data, "x:width=10") == {"u": (1, 1.0), "v": (1, 2.0)}


@pytest.mark.parametrize(
    ("by", "error", "words"),
    [
        ("age:quantile=4", UsageError, "--by age:quantile=4: 'quantile=4' makes no bins (did you mean 'quantiles'?)"),
        ("age:quantiles=1", UsageError, "quantiles=4, width=10, edges=18/35/65, year,"),
        ("age:quantiles=2.5", UsageError, "makes no bins"),
        ("age:width=0", UsageError, "makes no bins"),
        ("age:width=nan", UsageError, "makes no bins"),
        ("age:edges=3/2", UsageError, "makes no bins"),
        ("day:months", UsageError, "(did you mean 'month'?)"),
        ("g:width=2", DataError, "row 1, column 'g': 'b' is not a number"),
        (
            "g:month",
            DataError,
            "row 1, column 'g': 'b' is no time (3000 such rows); --by g:... needs dates or times",
        ),
        ("aeg:month", DataError, "there is no column 'aeg:month'"),
    ],
)
def test_what_makes_no_bins_is_refused(by: str, error: type[Exception], words: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    FRAME.to_csv(path, index=False)
    with pytest.raises(error) as failure:
        slices(str(path), by)
    assert words in str(failure.value)


def test_every_command_takes_bins(lossctl: Lossctl, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    FRAME.to_csv(path, index=False)
    data = [path, "-t", "y", "--by", "age:quantiles=2"]
    assert "[18, 53]" in lossctl("compare", *data, "-p", "p", "-p", "a=size", "-l", "mae").out
    checked = lossctl("check", *data, "-p", "p", "--max-slice", "mae=9", "-f", "json").json
    assert [check["slice"]["age:quantiles=2"] for check in checked["checks"]] == ["[18, 53]", "(53, 89]"]
    assert lossctl("validate", *data, "-p", "p").code == 0
    rows = lossctl("eval", *data, "-p", "p", "-l", "mae", "--worst", "1", "-f", "json").json["worst"]
    assert rows[0]["slice"] == {"age": str(FRAME["age"][rows[0]["row"] - 1])}
