"""A folder of parts, with keys in the names of folders below it, is the table that holds these as columns."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest

import lossctl as package
from lossctl.errors import ExitCode
from lossctl.io.open import Parts
from tests.conftest import Lossctl, Refused, error_line

ROWS = 700
WRITERS: dict[str, Callable[[pd.DataFrame, Path], Any]] = {
    "parquet": lambda frame, path: frame.to_parquet(path, index=False, row_group_size=30),
    "csv": lambda frame, path: frame.to_csv(path, index=False),
    "csv.gz": lambda frame, path: frame.to_csv(path, index=False),
    "jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True, double_precision=15),
    "arrow": lambda frame, path: frame.to_feather(path),
    "npz": lambda frame, path: np.savez(path, y=frame["y"], p=frame["p"], id=frame["id"]),
}
KEYS = ["region", "day", "w"]


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(18)
    columns = {
        "y": rng.integers(-999, 999, ROWS) / 8,
        "p": rng.integers(-999, 999, ROWS) / 8,
        "id": rng.permutation(ROWS),
        "region": rng.choice(["eu", "n/a: ü=%", "us"], ROWS),
        "day": rng.choice(["2026-01-02", "2026-01-10", "2026-02-01"], ROWS),
        "w": rng.choice([2, 10], ROWS),
    }
    return pd.DataFrame(columns).sort_values(KEYS, kind="stable", ignore_index=True)


def hive(frame: pd.DataFrame, folder: Path, suffix: str = "csv") -> Path:
    """Write a frame as Spark does, its keys as folders."""
    for words, rows in frame.groupby(KEYS, sort=False):
        place = folder.joinpath(*(f"{key}={quote(str(word), safe='')}" for key, word in zip(KEYS, words, strict=True)))
        place.mkdir(parents=True)
        WRITERS[suffix](rows.drop(columns=KEYS).reset_index(drop=True), place / f"part-0.{suffix}")
    (folder / "_SUCCESS").touch()
    return folder


def told(data: object, **options: Any) -> str:
    """Return what a report says of the numbers."""
    options = {"target": "y", "pred": "p", "losses": ["mse", "mae"], **options}
    document = json.loads(package.evaluate(data, **options).to_json())
    return json.dumps([document["results"], [source["data"] for source in document["inputs"]]])


@pytest.mark.parametrize("suffix", [*WRITERS])
@pytest.mark.parametrize(
    "options",
    [
        {"by": "region"},
        {"by": ["day:month", "region,w"]},
        {"weight": "w"},
        {"target": "w"},
        {"pred": "w"},
        {"id": "region,day,w,id"},
    ],
    ids=str,
)
def test_keys_are_columns(frame: pd.DataFrame, tmp_path: Path, suffix: str, options: dict[str, Any]) -> None:
    frame.to_parquet(tmp_path / "one.parquet", index=False)
    folder = hive(frame, tmp_path / "parts", suffix)
    targets = {"targets": tmp_path / "one.parquet"} if "id" in options else {}
    assert told(folder, **options, **targets) == told(tmp_path / "one.parquet", **options, **targets)


def test_keys_alone(write: Callable[..., Path], tmp_path: Path) -> None:
    """Where nothing else is read, rows are those of the files."""
    for part, rows in [("y=1/p=2", 3), ("y=2/p=2", 1)]:
        (tmp_path / "parts" / part).mkdir(parents=True)
        write(f"parts/{part}/a.csv", "x\n" + "1\n" * rows)
    report = package.evaluate(tmp_path / "parts", target="y", pred="p", losses="mse")
    assert json.loads(report.to_json())["results"][0]["value"] == 0.75


def test_order_and_what_is_no_part() -> None:
    files = ["10/part-1", "9/part-10", "9/part-2", "9/.part-2.crc", "_temporary/0/a", "_SUCCESS", "9/_metadata"]
    parts = Parts.of("folder", files)
    assert parts.paths == ["9/part-2", "9/part-10", "10/part-1"]
    assert parts.skipped == ["9/.part-2.crc", "9/_metadata", "_SUCCESS", "_temporary"]
    assert parts.keys == [{}, {}, {}]


def test_words_of_folders(lossctl: Lossctl, write: Callable[..., Path], tmp_path: Path) -> None:
    """Versions stay words, a missing key is a missing label, and one of Hive's names begins with _."""
    for part in ("_v=1.10", "_v=1.1", "_v=__HIVE_DEFAULT_PARTITION__", "_v="):
        (tmp_path / "parts" / part).mkdir(parents=True)
        write(f"parts/{part}/a.csv", "y,p\n0,1\n")
    document = lossctl("eval", tmp_path / "parts", "-t", "y", "-p", "p", "-l", "mse", "--by", "_v", "-f", "json").json
    slices = {entry["slice"]["_v"]: entry["n"] for entry in document["results"] if entry["slice"]}
    assert slices == {"1.10": 1, "1.1": 1, None: 2}


def test_a_column_that_says_the_same_or_something_else(
    refused: Refused, write: Callable[..., Path], tmp_path: Path
) -> None:
    for month in ("01", "12"):
        (tmp_path / "parts" / f"month={month}").mkdir(parents=True)
        write(f"parts/month={month}/a.csv", f"y,p,month\n0,1,{int(month)}\n0,1,{int(month)}\n")
    assert told(tmp_path / "parts", by="month")
    write("parts/month=12/a.csv", "y,p,month\n0,1,12\n0,1,11\n")
    says = ["parts/month=12/a.csv", "column 'month'", "'11'", "'12'", "rename"]
    options = ["-t", "y", "-p", "p", "-l", "mse"]
    refused(tmp_path / "parts", *options, "--by", "month", code=ExitCode.DATA, says=says, row=2)
    assert told(tmp_path / "parts")  # a column that is not read does not matter


def test_faults_of_keys_and_folders(refused: Refused, write: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "parts" / "w=heavy").mkdir(parents=True)
    write("parts/w=heavy/a.csv", "y,p\n0,1\n")
    options = ["-t", "y", "-p", "p", "-l", "mse"]
    refused(tmp_path / "parts", *options, "-w", "w", code=ExitCode.DATA, says=["a.csv", "column 'w'", "'heavy'"])
    (tmp_path / "parts" / "w=heavy" / "up").symlink_to(tmp_path / "parts", target_is_directory=True)
    refused(tmp_path / "parts", *options, code=ExitCode.DATA, says=["w=heavy/up", "link"])


@pytest.mark.parametrize("output", ["w=1/a.csv", "w=1/b.csv", "w=2/b.csv", "b.csv"])
def test_an_output_among_the_parts(lossctl: Lossctl, write: Callable[..., Path], tmp_path: Path, output: str) -> None:
    for part in ("w=1", "w=2"):
        (tmp_path / "parts" / part).mkdir(parents=True)
        write(f"parts/{part}/a.csv", "y,p\n0,1\n")
    outcome = lossctl("eval", tmp_path / "parts", "-t", "y", "-p", "p", "-l", "mse", "-o", tmp_path / "parts" / output)
    assert (outcome.code, outcome.out) == (ExitCode.USAGE, "")
    assert "input" in error_line(outcome.err)
