"""A folder of parts, with keys in the names of folders below it, is the table that holds these as columns.

So it is in a store, which is a folder of this machine here; `tests/engines/stores.py` has a server.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import fs

import lossctl as package
from lossctl.errors import DataError, ExitCode
from lossctl.io import stores
from lossctl.io.open import Parts, open_table
from lossctl.io.table import Kind
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


@pytest.mark.deep
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


# stores ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return a folder that is the store of every address."""
    store = fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem())
    monkeypatch.setattr(stores, "connected", lambda family, authority: store)
    (tmp_path / "bucket").mkdir()
    return tmp_path / "bucket"


@pytest.mark.deep
@pytest.mark.parametrize("suffix", [*WRITERS])
@pytest.mark.parametrize("scheme", ["s3", "gs", "abfs", "file"])
def test_the_same_in_a_store(
    frame: pd.DataFrame, bucket: Path, suffix: str, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "SMALL", 0 if scheme == "gs" else stores.SMALL)
    folder = hive(frame, bucket / "parts", suffix)
    here, there = str(bucket), f"file://{bucket}" if scheme == "file" else f"{scheme}://bucket"
    if scheme == "abfs":
        there = "abfs://bucket@account.dfs.core.windows.net"
    options: dict[str, Any] = {"weight": "w", "by": "region,day"}
    assert told(f"{there}/parts", **options) == told(f"{here}/parts", **options)
    part = next(folder.rglob("part-0*")).relative_to(bucket)
    assert told(f"{there}/{part}" if scheme != "file" else (bucket / part).as_uri()) == told(f"{here}/{part}")


def test_an_emulator_is_asked_without_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    anonymous = []
    monkeypatch.setattr("pyarrow.fs.GcsFileSystem", lambda **options: anonymous.append(options["anonymous"]))
    monkeypatch.delenv("CLOUD_STORAGE_EMULATOR_ENDPOINT", raising=False)
    stores.connected("gs", "bucket")
    monkeypatch.setenv("CLOUD_STORAGE_EMULATOR_ENDPOINT", "http://localhost:4443")
    stores.connected("gs", "bucket")
    assert anonymous == [False, True]


@pytest.mark.parametrize("suffix", ["parquet", "csv", "csv.gz", "jsonl", "arrow"])
@pytest.mark.parametrize("change", ["touched", "gone"])
@pytest.mark.parametrize("small", [0, stores.SMALL])
def test_an_object_that_changes(
    frame: pd.DataFrame, bucket: Path, suffix: str, change: str, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "SMALL", small)
    path = bucket / f"a.{suffix}"
    WRITERS[suffix](frame, path)
    rows = open_table(f"s3://bucket/a.{suffix}").read({"y": Kind.NUMBER})
    next(rows)
    os.utime(path, ns=(1, 1)) if change == "touched" else path.unlink()
    with pytest.raises(DataError, match=f"^s3://bucket/a.{suffix}: the file changed while it was read"):
        list(rows)


SECRET = "wJalrXUtnFEMI"


@pytest.mark.parametrize(
    ("address", "code", "says"),
    [
        (f"s3://key:{SECRET}@bucket/a.csv", ExitCode.USAGE, ["s3://...", "no password", "AWS_PROFILE"]),
        (f"s3://key:{SECRET}/x@bucket/a.csv", ExitCode.USAGE, ["no password"]),
        (f"gs://{SECRET}@bucket/a.csv", ExitCode.USAGE, ["no password", "GOOGLE_APPLICATION_CREDENTIALS"]),
        (f"abfs://:{SECRET}@account.dfs.core.windows.net/bucket", ExitCode.USAGE, ["no password", "AZURE_CLIENT_ID"]),
        (f"m=s3://bucket/a.csv?secret_key={SECRET}", ExitCode.USAGE, ["s3://bucket/a.csv:", "'secret_key'"]),
        ("s3:///a.csv", ExitCode.USAGE, ["no bucket", "s3://BUCKET/FOLDER"]),
        ("s3://bucket/b.csv", ExitCode.DATA, ["s3://bucket/b.csv: there is no such object"]),
        ("s3://pail/b.csv", ExitCode.DATA, ["no bucket 'pail'", "AWS_PROFILE"]),
        ("s3://bucket/empty", ExitCode.DATA, ["s3://bucket/empty: the folder holds no files"]),
        ("file://a.csv", ExitCode.USAGE, ["file:///FOLDER/FILE"]),
        ("file:///nowhere/a.csv", ExitCode.DATA, ["/nowhere/a.csv: no such file"]),
    ],
)
def test_addresses_that_are_refused(
    refused: Refused, bucket: Path, address: str, code: ExitCode, says: list[str]
) -> None:
    (bucket / "empty").mkdir()
    (bucket / "a.csv").write_text("y,p\n0,1\n")
    assert SECRET not in refused(address, "-t", "y", "-p", "p", "-l", "mse", code=code, says=says)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        ("When reading: AWS Error ACCESS_DENIED during HeadObject operation: No.", "permission .* AWS_PROFILE"),
        ("AWS Error UNKNOWN (HTTP status 403) during HeadObject operation: No.", "permission"),
        ("AWS Error NETWORK_CONNECTION during GetObject operation: curlCode: 28, Timeout", "not answer in time"),
        ("AWS Error NETWORK_CONNECTION during GetObject operation: curlCode: 7, No way; x", "reached: No way$"),
        (f"AWS Error SLOW_DOWN during GetObject operation: {SECRET}", "failed: SLOW_DOWN during GetObject$"),
    ],
)
def test_what_a_store_says(bucket: Path, monkeypatch: pytest.MonkeyPatch, error: str, says: str) -> None:
    def fail(source: object, sniffed: int = 0) -> None:
        raise OSError(error)

    (bucket / "a.csv").write_text("y,p\n0,1\n")
    monkeypatch.setattr(stores.StoredSource, "_opened", fail)
    with pytest.raises(DataError, match=f"^s3://bucket/a.csv: the store .*{says}"):
        open_table("s3://bucket/a.csv")


def test_an_error_of_a_store_that_is_none_of_the_system(bucket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(source: object, sniffed: int = 0) -> None:
        raise pa.ArrowException("Unknown error: Azure: AuthenticationException\nmore")

    (bucket / "a.csv").touch()
    monkeypatch.setattr(stores.StoredSource, "_opened", fail)
    with pytest.raises(DataError, match=r"^s3://bucket/a.csv: the store gives no permission .*KEY$"):
        open_table("s3://bucket/a.csv")


def test_a_store_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "PATIENCE", 0.05)
    over = Event()
    monkeypatch.setattr(stores, "connected", lambda family, authority: over.wait())
    with pytest.raises(DataError, match=r"^s3://bucket/a.csv: the store did not answer in time$"):
        open_table("s3://bucket/a.csv")
    over.set()


def test_a_local_file_called_like_an_address(lossctl: Lossctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "s3:" / "bucket").mkdir(parents=True)
    for name in ("s3:/bucket/a.csv", "http:a.csv"):
        (tmp_path / name).write_text("y,p\n0,1\n")
    monkeypatch.chdir(tmp_path)
    for name in ("s3://bucket/a.csv", "http:a.csv", "s3:/bucket/a.csv"):
        assert told(name)


def test_an_output_onto_an_address_of_this_machine(lossctl: Lossctl, write: Callable[..., Path]) -> None:
    path = write("a.csv", "y,p\n0,1\n")
    outcome = lossctl("eval", path.as_uri(), "-t", "y", "-p", "p", "-l", "mse", "-o", path)
    assert outcome.code == ExitCode.USAGE
    assert "input" in error_line(outcome.err)
