"""Files that cannot be read: missing, damaged, foreign, changing."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import os
import pickle
import re
import shlex
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest

import lossctl as package
from lossctl.errors import DataError, ExitCode
from lossctl.io.source import Source
from tests.bad_input import BCE, BLOCK, CCE, CLASSES, DATA, MSE, ON_P, REGRESSION, ROWS, USAGE, Write, long_csv, parquet
from tests.conftest import Lossctl, Refused, error_line

pytestmark = pytest.mark.deep

# files ----------------------------------------------------------------------------------------------------------------


def test_a_file_that_is_not_there(refused: Refused, write: Write, tmp_path: Path) -> None:
    good = write("good.csv", REGRESSION)
    missing = tmp_path / "missing.csv"
    refused(missing, *MSE, code=DATA, says=["missing.csv", "no such file"])
    refused(good, missing, *MSE, code=DATA, says=["missing.csv", "no such file"])
    refused(good, "--targets", missing, *MSE, code=DATA, says=["missing.csv", "no such file"])
    refused(f"name={missing}", *MSE, code=DATA, says=["missing.csv", "no such file"])


class Hanging(Exception):
    """What a wait of seconds is turned into; no OSError, which the reading side would explain."""


@pytest.fixture
def at_once() -> Iterator[None]:
    """Turn a wait of seconds into a failure."""

    def give_up(number: int, frame: FrameType | None) -> None:
        raise Hanging

    old = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, 2.0)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0.0)
    signal.signal(signal.SIGALRM, old)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("kind", ["dangling link", "loop", "below a file", "long name", "pipe", "device"])
def test_a_path_that_leads_to_no_file(refused: Refused, write: Write, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "odd.csv"
    if kind == "dangling link":
        path.symlink_to(tmp_path / "gone.csv")
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "below a file":
        path = write("odd.csv", REGRESSION) / "below.csv"
    elif kind == "long name":
        path = tmp_path / ("odd" * 100)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path = Path("/dev/zero")
    refused(path, *MSE, code=DATA, says=["zero" if kind == "device" else "odd"])


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ([], ["parts", "no files"]),
        ([".hidden.csv", "_SUCCESS"], ["parts", "no files"]),
        (["_temporary/0/a.csv", ".git/a.csv", "empty/_SUCCESS"], ["parts", "no files"]),
        (["a.csv", "year/a.csv"], ["parts/year/a.csv", "a.csv", "equally deep"]),
        (["k=1/a.csv", "k=2/d=1/a.csv"], ["parts/k=2/d=1/a.csv", "k=1/a.csv", "same keys"]),
        (["k=1/a.csv", "j=2/a.csv"], ["parts/k=1/a.csv", "j=2/a.csv", "same keys"]),
        (["k=1/d/a.csv", "d/k=1/a.csv"], ["parts/k=1/d/a.csv", "same keys"]),
        (["k=1/k=1/a.csv"], ["parts/k=1/k=1/a.csv", "twice"]),
        (["k=%ff/a.csv"], ["parts/k=%ff/a.csv", "UTF-8"]),
    ],
)
def test_a_folder_without_parts(refused: Refused, tmp_path: Path, files: list[str], says: list[str]) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(REGRESSION)
    refused(folder, *MSE, code=DATA, says=says)


def test_parts_are_named_one_by_one(refused: Refused, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / "part-2.csv").write_text("y,p\n1,2\n")
    (folder / "part-10.csv").write_text("y,p\n1,2\n1,two\n")
    refused(folder, *MSE, code=DATA, says=["parts/part-10.csv", "column 'p'", "'two'"], row=2)
    (folder / "part-10.csv").write_text("y,p\n1,2\n1,\n")
    refused(folder, *MSE, code=DATA, says=["parts/part-10.csv", "column 'p'", "missing"], row=2)
    (folder / "part-10.csv").write_text("y,q\n1,2\n")
    refused(folder, *MSE, code=DATA, says=["part-10.csv", "part-2.csv", "'p'", "'q'"])


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"\r\n\r\n", b"\xef\xbb\xbf", gzip.compress(b"", mtime=0), bz2.compress(b"")]
)
def test_an_empty_file(refused: Refused, write: Write, content: bytes) -> None:
    refused(write("a.csv", content), *MSE, code=DATA, says=["a.csv", "empty"])


@pytest.mark.parametrize("content", ["y,p", "y,p\n", "y,p\r\n", "\ufeffy,p\n"])
@pytest.mark.parametrize("options", [MSE, ON_P, (*MSE, "--missing", "drop"), (*MSE, "--id", "y")])
def test_a_header_alone(refused: Refused, write: Write, content: str, options: tuple[str, ...]) -> None:
    refused(write("a.csv", content), *options, code=DATA, says=["a.csv", "no rows"])


@pytest.mark.parametrize("options", [MSE, ON_P, (*MSE, "--missing", "drop")])
def test_no_rows_in_other_containers(refused: Refused, tmp_path: Path, options: tuple[str, ...]) -> None:
    empty = parquet(tmp_path / "a.parquet", {"y": np.empty(0), "p": np.empty(0)})
    refused(empty, *options, code=DATA, says=["a.parquet", "no rows"])
    np.save(tmp_path / "a.npy", np.empty((0, 1)))
    refused(tmp_path / "a.npy", "-t", "a", "-p", "m=a", "-l", "mse", code=DATA, says=["a.npy", "no rows"])


@pytest.mark.parametrize(
    ("content", "row", "counts"),
    [
        ("y,p\n1,2\n3\n4,5\n", 2, (1, 2)),
        ("y,p\n1,2\n3,4,5\n4,5\n", 2, (3, 2)),
        ("y,p\n1,2,3\n", 1, (3, 2)),
        ("y,p\n1,2\n3,4,\n", 2, (3, 2)),
        ("y,p\r\n1,2\r\n3\r\n", 2, (1, 2)),
        ('y,p,"note\nof two lines"\n1,2,"a\nb"\n3,4,"c\n\nd"\n5,6\n', 3, (2, 3)),
        ("y,p\n1,2\n3\n4,5,6\n7,abc\n", 2, (1, 2)),
        ("y,p,q\n1,2,3\n1,2\n1,2,3\n1,2,3,4\n", 2, (2, 3)),
    ],
)
def test_a_row_of_too_few_or_too_many_fields(
    refused: Refused, write: Write, content: str, row: int, counts: tuple[int, int]
) -> None:
    line = refused(write("a.csv", content), *MSE, code=DATA, says=["a.csv"], row=row)
    found = [int(number) for number in re.findall(r"\d+", line.partition(f"row {row}")[2])]
    assert found == list(counts)


@pytest.mark.parametrize("line", [b"caf\xe9,0.2,0.2", b"\xff,1,0,0,0"])
def test_a_ragged_row_that_is_not_utf8(refused: Refused, write: Write, line: bytes) -> None:
    path = write("a.csv", CLASSES.encode() + line + b"\na,0.5,0.3,0.2\n")
    refused(path, *CCE, code=DATA, says=["a.csv", f"{line.count(b',') + 1} fields", "4"], row=5)


@pytest.mark.parametrize("row", [1, BLOCK, BLOCK + 1, 100_001, ROWS])
@pytest.mark.parametrize(("line", "count"), [("a,1,0,0.5", 4), ("a,1,0,0.5,x,x", 6)])
def test_a_ragged_row_far_down(refused: Refused, write: Write, row: int, line: str, count: int) -> None:
    path = long_csv(write, {row: line})
    refused(path, *BCE, code=DATA, says=["long.csv", f"{count} fields", "5"], row=row, once=True)


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("abc", "'abc'"),
        ("1_000", "'1_000'"),
        ("12:30", "'12:30'"),
        ("1.5.2", "'1.5.2'"),
        ("0x10", "'0x10'"),
        ("1e", "'1e'"),
        ("-", "'-'"),
        ("?", "'?'"),
        ("true", "'true'"),
        ("２", "'２'"),
        ('"1,5"', "'1,5'"),
        ('"a ""b"""', "'a \"b\"'"),
        ("$5", "'$5'"),
        ("\x1b[31m5", r"\x1b[31m5"),
        ("x" * 1000, "x" * 20),
    ],
)
@pytest.mark.parametrize("column", ["y", "p", "w"])
def test_text_in_a_column_of_numbers(refused: Refused, write: Write, cell: str, shown: str, column: str) -> None:
    cells = {"y": "1", "p": "2", "w": "3"} | {column: cell}
    path = write("a.csv", "y,p,w\n1,2,1\n1,2,1\n" + ",".join(cells.values()) + "\n1,2,1\n1,zzz,1\n")
    refused(path, *MSE, "-w", "w", code=DATA, says=["a.csv", f"column '{column}'", shown], row=3)


@pytest.mark.parametrize(
    "cell", ["+5", " 7 ", "1e400", "-1e400", "1e-400", "infinity", "Inf", "-inf", "NaN", "1E5", ".5", "5.", "nan(2)"]
)
def test_an_odd_number_is_read_or_named_with_its_row(lossctl: Lossctl, write: Write, cell: str) -> None:
    outcome = lossctl("eval", write("a.csv", f"y,p\n1,2\n1,{cell}\n"), *MSE, "-q", "-f", "value")
    if outcome.code == ExitCode.OK:
        assert outcome.values == [(1.0 + (float(cell) - 1.0) ** 2) / 2.0]
    else:
        assert outcome.code == DATA
        assert outcome.out == ""
        assert "row 2, column 'p'" in error_line(outcome.err)


@pytest.mark.parametrize("row", [BLOCK, BLOCK + 1, 100_001, ROWS])
def test_text_far_down(refused: Refused, write: Write, row: int) -> None:
    path = long_csv(write, {row: "a,1,0,high,x", ROWS: "a,1,0,low,x"} | {row: "a,1,0,high,x"})
    refused(path, *BCE, code=DATA, says=["long.csv", "column 'p'", "'high'"], row=row, once=True)


def test_numbers_that_a_float_cannot_hold(refused: Refused, tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", {"y": pa.array([1, 2**53 + 1], pa.int64()), "p": [1.0, 2.0]})
    refused(path, *MSE, code=DATA, says=["a.parquet", "column 'y'", "float64"])


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (pa.array(["1", "2x"]), ["row 2", "'2x' is not a number"]),
        (pa.array([0, 1], pa.date32()), ["date32"]),
        (pa.array([0, 1], pa.timestamp("ms")), ["timestamp"]),
        (pa.array([b"1", b"2"]), ["binary"]),
        (pa.array([[1.0, 2.0], [1.0]]), ["lengths"]),
        (pa.array([[1.0, None], [1.0, 2.0]]), ["null"]),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)
def test_a_column_that_holds_no_numbers(refused: Refused, tmp_path: Path, values: Any, says: list[str]) -> None:
    path = parquet(tmp_path / "a.parquet", {"y": [1.0, 2.0], "p": values})
    refused(path, *MSE, code=DATA, says=["a.parquet", "column 'p'", *says])


# damaged and foreign files --------------------------------------------------------------------------------------------


@cache
def sound_parquet() -> bytes:
    """A Parquet file of two row groups, without compression or dictionaries: its pages' ends are plain numbers."""
    rng = np.random.default_rng(1)
    fields = [pa.field(name, pa.float64(), nullable=False) for name in "yp"]
    table = pa.table([rng.random(2000), rng.random(2000)], schema=pa.schema(fields))
    file = io.BytesIO()
    options: dict[str, Any] = {"use_dictionary": False, "compression": "none", "write_page_checksum": True}
    pq.write_table(table, file, row_group_size=1000, **options)
    return file.getvalue()


@pytest.mark.parametrize("left", [3, 4, 8, 12, 500, 0.5, -1, -4, -8, -20, -200])
def test_a_parquet_file_cut_short(refused: Refused, write: Write, left: float) -> None:
    whole = sound_parquet()
    content = whole[: int(left * len(whole)) if isinstance(left, float) else left]
    refused(write("a.parquet", content), *MSE, code=DATA, says=["a.parquet", "Parquet"])


@pytest.mark.parametrize("hole", [slice(1000, 1100), slice(5000, 20_000), slice(4, 60)])
@pytest.mark.parametrize("filled", [False, True])
def test_a_parquet_file_with_a_hole_in_the_middle(refused: Refused, write: Write, hole: slice, filled: bool) -> None:
    content = bytearray(sound_parquet())
    content[hole] = bytes(hole.stop - hole.start) if filled else b""
    refused(write("a.parquet", bytes(content)), *MSE, code=DATA, says=["a.parquet"])


def test_a_parquet_footer_that_counts_its_rows_in_two_ways(refused: Refused, write: Write) -> None:
    """A footer bears no checksum; the rows of the whole and of the groups must agree."""
    whole = sound_parquet()
    found = 0
    for place in range(len(whole) - 8 - pq.read_metadata(io.BytesIO(whole)).serialized_size, len(whole) - 8):
        content = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        with suppress(pa.ArrowException, OSError):
            metadata = pq.read_metadata(io.BytesIO(content))
            rows = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
            if metadata.num_columns == 2 and 0 < sum(rows) != metadata.num_rows == 2000:
                found += 1
                refused(write("a.parquet", content), *MSE, code=DATA, says=["a.parquet"], once=True)
    assert found


@pytest.mark.parametrize("group", [0, 1])
@pytest.mark.parametrize("column", [0, 1])
@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 0.9999])
@pytest.mark.parametrize("bit", [0, 6])
def test_a_flipped_bit_in_a_parquet_page(
    refused: Refused, write: Write, group: int, column: int, place: float, bit: int
) -> None:
    content = bytearray(sound_parquet())
    chunk = pq.read_metadata(io.BytesIO(content)).row_group(group).column(column)
    end = chunk.data_page_offset + chunk.total_compressed_size
    content[end - 8000 + int(8000 * place)] ^= 1 << bit
    refused(write("a.parquet", bytes(content)), *MSE, code=DATA, says=["a.parquet", "damaged"], once=True)


@pytest.mark.parametrize("compression", ["snappy", "zstd", "gzip"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_a_flipped_bit_in_a_compressed_parquet_page(
    lossctl: Lossctl, tmp_path: Path, compression: str, version: str
) -> None:
    values = np.random.default_rng(2).integers(0, 50, 5000) / 7.0
    options = {"compression": compression, "data_page_version": version}
    path = parquet(tmp_path / "a.parquet", {"y": values, "p": values[::-1]}, **options)
    whole = path.read_bytes()
    sound = lossctl("eval", path, *MSE, "-f", "value").values
    chunk = pq.read_metadata(path).row_group(0).column(1)
    start = chunk.dictionary_page_offset
    for place in range(start + 40, start + chunk.total_compressed_size, 397):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        outcome = lossctl("eval", path, *MSE, "-f", "value", "-q")
        if outcome.code == ExitCode.OK:  # only what no value depends on, such as the statistics in a page's head
            assert outcome.values == sound
        else:
            assert (outcome.code, outcome.out) == (DATA, "")
            assert "a.parquet" in error_line(outcome.err)


@cache
def packed(text: bytes, suffix: str) -> bytes:
    """Compress by the suffix of a file name."""
    if suffix == "gz":
        return gzip.compress(text, mtime=0)
    if suffix == "bz2":
        return bz2.compress(text)
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(text)
    return bytes(sink.getvalue())


@cache
def some_text(rows: int) -> bytes:
    """A CSV file of numbers that do not compress well."""
    numbers = np.random.default_rng(3).random((rows, 2)).tolist()
    return b"y,p\n" + "".join(f"{y!r},{p!r}\n" for y, p in numbers).encode()


@pytest.mark.parametrize("suffix", ["gz", "bz2", "zst"])
@pytest.mark.parametrize("rows", [6, 40_000])
@pytest.mark.parametrize("cut", [-1, -5, -9, 0.5, 12])
def test_a_compressed_file_cut_short(refused: Refused, write: Write, suffix: str, rows: int, cut: float) -> None:
    whole = packed(some_text(rows), suffix)
    content = whole[: int(cut * len(whole)) if isinstance(cut, float) else cut]
    line = refused(write(f"a.csv.{suffix}", content), *MSE, code=DATA, says=[f"a.csv.{suffix}"], once=rows > 10)
    assert "cut short" in line or "corrupted" in line


@pytest.mark.parametrize(("suffix", "place"), [("gz", -8), ("gz", -4), ("gz", 40), ("bz2", 40), ("bz2", -6)])
@pytest.mark.parametrize("rows", [6, 40_000])
def test_a_compressed_file_that_is_corrupted(
    refused: Refused, write: Write, suffix: str, place: int, rows: int
) -> None:
    content = bytearray(packed(some_text(rows), suffix))
    content[place] ^= 0x55
    refused(write(f"a.csv.{suffix}", bytes(content)), *MSE, code=DATA, says=[f"a.csv.{suffix}"], once=rows > 10)


@pytest.mark.parametrize("place", [13, 20, -1])
def test_a_zstandard_file_that_its_checksum_belies(
    refused: Refused, lossctl: Lossctl, write: Write, place: int
) -> None:
    content = bytearray.fromhex("28b52ffd0458810000792c700a302c302e310a312c302e390aae2dd659")  # as `zstd` writes it
    sound = lossctl("eval", write("a.csv.zst", bytes(content)), *MSE, "-f", "value")
    assert sound.values == pytest.approx([0.01])
    content[place] ^= 1
    refused(write("a.csv.zst", bytes(content)), *MSE, code=DATA, says=["a.csv.zst"])


@pytest.mark.parametrize("suffix", ["gz", "bz2", "zst"])
def test_compressed_members_are_read_to_the_last(lossctl: Lossctl, write: Write, suffix: str) -> None:
    text = some_text(1000)
    half = text.index(b"\n", len(text) // 2) + 1
    whole = lossctl("eval", write("a.csv", text), *MSE, "-f", "value")
    path = write(f"b.csv.{suffix}", packed(text[:half], suffix) + packed(text[half:], suffix))
    outcome = lossctl("eval", path, *MSE, "-f", "value")
    assert (outcome.code, outcome.out) == (ExitCode.OK, whole.out), outcome.err


@pytest.mark.parametrize("suffix", ["gz", "bz2", "zst"])
def test_garbage_behind_compressed_text(refused: Refused, write: Write, suffix: str) -> None:
    content = packed(some_text(6), suffix) + b"garbage behind the end"
    refused(write(f"a.csv.{suffix}", content), *MSE, code=DATA, says=[f"a.csv.{suffix}"])


def zip_file() -> bytes:
    """A zip archive of one CSV file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.csv", REGRESSION)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.parquet", REGRESSION.encode(), ["not a Parquet file"]),
        ("a.PARQUET", REGRESSION.encode(), ["not a Parquet file"]),
        ("a.parquet", b"PAR1" + REGRESSION.encode() + b"PAR1", ["Parquet"]),
        ("a.feather", REGRESSION.encode(), ["not a Feather file"]),
        ("a.zip", zip_file(), ["zip is not read, but for the arrays of a .npz: unzip it"]),
        ("a.csv", zip_file(), ["zip is not read, but for the arrays of a .npz: unzip it"]),
        ("a.npz", zip_file(), ["zip is not read, but for the arrays of a .npz: unzip it"]),
        ("a.csv", bytes(100), ["no CSV"]),
    ],
)
def test_a_file_of_another_kind(refused: Refused, write: Write, name: str, content: bytes, says: list[str]) -> None:
    refused(write(name, content), *MSE, code=DATA, says=[name, *says])


def zip_of(*names: str) -> bytes:
    """A zip archive of members of these names."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "application/vnd.oasis.opendocument.spreadsheet" if name == "mimetype" else "x")
    return file.getvalue()


PANDAS = "convert it: python -c 'import pandas; pandas."
FOREIGN = [
    ("a.xlsx", zip_of("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook", PANDAS + "read_excel("),
    ("a.csv", zip_of("docProps/app.xml", "xl/workbook.xml"), "an Excel workbook", PANDAS + "read_excel("),
    ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504), "an Excel workbook", PANDAS + "read_excel("),
    ("a.ods", zip_of("mimetype"), "an OpenDocument sheet", PANDAS + "read_excel("),
    ("a.db", b"SQLite format 3\0" + bytes(84), "an SQLite database", "sqlite3 -header -csv "),
    ("a.duckdb", bytes(8) + b"DUCK" + bytes(50), "a DuckDB database", "duckdb -csv "),
    ("a.orc", b"ORC\n\x0b\n\x03\0\0", "ORC", PANDAS + "read_orc("),
    ("a.feather", b"FEA1\0\0\0\0", "Feather of version 1", PANDAS + "read_feather("),
    ("a.png", b"\x89PNG\r\n\x1a\n", "an image", "numpy.save("),
    ("a.jpg", b"\xff\xd8\xff\xe0", "an image", "numpy.save("),
    ("a.gif", b"GIF89a\1\0", "an image", "numpy.save("),
    ("a.tif", b"II*\0", "an image", "numpy.save("),
    ("a.webp", b"RIFF\1\0\0\0WEBP", "an image", "numpy.save("),
    ("a.h5", b"\x89HDF\r\n\x1a\n", "HDF5", "numpy.savez("),
    ("a.mat", b"MATLAB 5.0 MAT-file, Platform: GLNXA64", "a MATLAB file", "scipy.io.loadmat("),
    ("a.safetensors", b'\x40\0\0\0\0\0\0\0{"p":', "a file of safetensors", "safetensors.numpy.load_file("),
    ("a.pt", zip_of("archive/data.pkl", "archive/data/0"), "a file of torch", "torch.load("),
    ("a.dta", b"<stata_dta><header>", "a Stata file", PANDAS + "read_stata("),
    ("a.sav", b"$FL2@(#) SPSS DATA FILE", "an SPSS file", PANDAS + "read_spss("),
    ("a.avro", b"Obj\x01\x04", "Avro", "polars.read_avro("),
    ("a.pkl", pickle.dumps({"y": list(range(100))}, 2), "pickle", PANDAS + "read_pickle("),
    ("a.pkl", pickle.dumps({"y": list(range(100))}, 5), "pickle", PANDAS + "read_pickle("),
    ("a.csv.xz", b"\xfd7zXZ\0\0\4", "xz", "unpack it: xz -dk "),
    ("a.csv.lz4", b"\x04\x22\x4d\x18", "lz4", "unpack it: lz4 -d "),
    ("a.tar", b"a.csv".ljust(257, b"\0") + b"ustar\0", "tar", "unpack it: tar -xf "),
    ("a.csv", b"\n<!DOCTYPE html>\n<html>", "a web page", "download the file itself"),
    ("a.csv", b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS", "git lfs pull"),
]


@pytest.mark.parametrize(("name", "content", "kind", "way"), FOREIGN, ids=[name for name, *_ in FOREIGN])
def test_files_of_other_kinds_come_with_the_way_to_convert_them(
    refused: Refused, write: Write, name: str, content: bytes, kind: str, way: str
) -> None:
    refused(write(name, content), *MSE, code=DATA, says=[f"{name}: {kind} is not read; ", way])


@pytest.mark.parametrize("name", ["ORCHARD", "DUCK", "FEA1", "BM", "GIF", "Obj", "versions", "PKa", "MATLAB", "7z"])
def test_names_of_columns_are_no_first_bytes(lossctl: Lossctl, write: Write, name: str) -> None:
    for header in (f"{name},y,p", f"y,p,abcd{name}"):
        text = header + "\n" + "1,1,1\n" * 99
        assert lossctl("eval", write("a.csv", text), *MSE, "-f", "value").out == "0.0\n"


def test_the_way_to_convert_works_as_it_is_written(refused: Refused, tmp_path: Path, lossctl: Lossctl) -> None:
    path = tmp_path / "it's a file.pkl"
    pd.DataFrame({"y": [1.0, 2.0], "p": [1.0, 4.0]}).to_pickle(path)
    message = refused(path, *MSE, code=DATA, says=["convert it: "])
    words = shlex.split(message.partition("convert it: ")[2])
    assert words[0] == "python"
    subprocess.run([sys.executable, *words[1:]], check=True, cwd=tmp_path)
    assert lossctl("eval", tmp_path / "it's a file.parquet", *MSE, "-f", "value").out == "2.0\n"


def npy(array: np.ndarray[Any, Any], **options: Any) -> bytes:
    """The bytes of a .npy file."""
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


class Bomb:
    """What must never be unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (99,)


SOUND_NPY = npy(np.arange(24.0).reshape(6, 4))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (npy(np.array([1.0, "two", None, Bomb()], dtype=object), allow_pickle=True), ["object", "never unpickled"]),
        (npy(np.array(["1", "two"])), ["row 2", "'two' is not a number"]),
        (npy(np.array([1 + 2j])), ["complex", "numbers are needed"]),
        (npy(np.array(["2020-01-01"], dtype="M8[D]")), ["datetime64", "numbers are needed"]),
        (npy(np.zeros(3, dtype=[("a", "f8"), ("b", "f8")])), ["numbers are needed"]),
        (npy(np.array(5.0)), ["single value"]),
        (SOUND_NPY[:-1], ["(6, 4)"]),
        (SOUND_NPY[:-100], ["(6, 4)"]),
        (SOUND_NPY + b"behind", ["(6, 4)"]),
        (SOUND_NPY[:100], [" .npy"]),
        (SOUND_NPY[:9], [" .npy"]),
        (SOUND_NPY[:7], [" .npy"]),
        (SOUND_NPY.replace(b"(6, 4)", b"(6,-4)"), []),
        (SOUND_NPY.replace(b"(6, 4)", b"(9**9)"), [" .npy"]),
        (SOUND_NPY.replace(b"(6, 4), }", b"(999999999, 4)}"), []),
        (SOUND_NPY.replace(b"<f8", b"<f3"), [" .npy"]),
        (SOUND_NPY.replace(b"(6, 4)", b"(6, 4 "), [" .npy"]),
        (SOUND_NPY.replace(b"(6, 4)", b"(6; 4)"), [" .npy"]),
        (SOUND_NPY.replace(b"\x93NUMPY", b"\x92NUMPY"), [" .npy"]),
        (SOUND_NPY.replace(b"\x93NUMPY\x01", b"\x93NUMPY\x09"), [" .npy"]),
        (b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65_535, [" .npy"]),
    ],
)
def test_an_array_file_that_cannot_be_read(refused: Refused, write: Write, content: bytes, says: list[str]) -> None:
    refused(write("a.npy", content), "-t", "a", "-p", "m=a", "-l", "mse", code=DATA, says=["a.npy", *says])


def test_an_array_file_of_an_old_python_is_read_without_ado(lossctl: Lossctl, write: Write) -> None:
    path = write("a.npy", SOUND_NPY.replace(b"(6, 4), }", b"(6L, 4L)}"))
    outcome = lossctl("eval", path, "-t", "a", "-p", "m=a", "-l", "mse", "-f", "value", "-q")
    assert (outcome.code, outcome.out, outcome.err) == (ExitCode.OK, "0.0\n", "")


@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (np.inf, "= inf")])
def test_a_value_in_an_array_that_is_none(refused: Refused, tmp_path: Path, value: float, word: str) -> None:
    values = np.arange(float(ROWS))
    np.save(tmp_path / "truth.npy", values)
    values[140_000] = value
    np.save(tmp_path / "guess.npy", values)
    options = ("--targets", tmp_path / "truth.npy", "-l", "mse")
    refused(tmp_path / "guess.npy", *options, code=DATA, says=["guess.npy", "column 'guess'", word], row=140_001)


def test_arrays_of_other_shapes_do_not_go_together(refused: Refused, tmp_path: Path) -> None:
    np.save(tmp_path / "truth.npy", np.zeros((5, 2, 2)))
    np.save(tmp_path / "guess.npy", np.zeros((5, 2)))
    np.save(tmp_path / "short.npy", np.zeros((4, 2, 2)))
    options = ("--targets", tmp_path / "truth.npy", "-l", "mse")
    refused(tmp_path / "guess.npy", *options, code=USAGE, says=["mse", "4 columns", "2 columns"])
    refused(tmp_path / "short.npy", *options, code=DATA, says=["truth.npy has 5", "short.npy has 4"])


# standard input -------------------------------------------------------------------------------------------------------


class Stdin:
    """A standard input of given bytes, or a terminal."""

    def __init__(self, content: bytes, terminal: bool = False) -> None:
        self.buffer = io.BytesIO(content)
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", ["empty"]),
        (b"y,p\n1,two\n", ["row 1", "column 'p'", "'two'"]),
        (gzip.compress(b"y,p\n1,2\n", mtime=0)[:-4], ["cut short"]),
        (sound_parquet()[:-4], ["Parquet"]),
    ],
)
def test_standard_input_is_named(
    lossctl: Lossctl, monkeypatch: pytest.MonkeyPatch, content: bytes, says: list[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(content))
    outcome = lossctl("eval", "-", *MSE, "-q")
    assert (outcome.code, outcome.out) == (DATA, "")
    for text in ["standard input", *says]:
        assert text in error_line(outcome.err)


def test_standard_input_that_is_no_pipe(lossctl: Lossctl, monkeypatch: pytest.MonkeyPatch) -> None:
    for stdin in (Stdin(b"", terminal=True), None):
        monkeypatch.setattr(sys, "stdin", stdin)
        outcome = lossctl("eval", "-", *MSE, "-q")
        assert (outcome.code, outcome.out) == (USAGE, "")
        assert "standard input" in error_line(outcome.err)


def test_standard_input_is_read_once(refused: Refused) -> None:
    refused("-", "-", *MSE, code=USAGE, says=["standard input", "once"])


# a file that changes --------------------------------------------------------------------------------------------------


def appended(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"1,0.5\n")


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def replaced(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    other.replace(path)


def copied(path: Path) -> None:
    """As `cp --preserve` and `mv` do: the same bytes, size and time of the last change, in another file."""
    shutil.copy2(path, path.with_name("other"))
    path.with_name("other").replace(path)


def rewritten(path: Path) -> None:
    """Other bytes in place, of the same number, and the time of the last change set back."""
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(-64, os.SEEK_END)
        end = file.read()
        file.seek(-64, os.SEEK_END)
        file.write(end.replace(b"9", b"8"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def put_back(path: Path) -> None:
    """Another file for a while, and then the first one again."""
    path.rename(path.with_name("first"))
    path.write_bytes(b"y,p\n1,2\n")
    path.with_name("first").replace(path)


def removed(path: Path) -> None:
    path.unlink()


CHANGES = [appended, cut, replaced, copied, rewritten, put_back, removed]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("container", ["csv", "csv.gz", "jsonl", "parquet", "npy", "npz", "arrow"])
def test_a_file_that_changes_while_it_is_read(tmp_path: Path, container: str, change: Callable[[Path], None]) -> None:
    path, results = tmp_path / f"a.{container}", tmp_path / "results"
    values = np.random.default_rng(4).random((400_000, 2))
    if container == "parquet":
        parquet(path, {"y": values[:, 0], "p": values[:, 1]}, row_group_size=50_000)
    elif container == "npy":
        np.save(path, values[:, 1])
        parquet(tmp_path / "truth.parquet", {"y": values[:, 0]})
    elif container == "npz":
        np.savez(path, y=values[:, 0], p=values[:, 1])
    elif container == "arrow":
        table = pa.table({"y": values[:, 0], "p": values[:, 1]})
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=50_000)
    elif container == "jsonl":
        path.write_bytes(b'{"y": 0.123456789012345, "p": 0.987654321012345}\n' * 200_000)
    else:
        lines = b"y,p\n" + b"0.123456789012345,0.987654321012345\n" * 400_000
        path.write_bytes(gzip.compress(lines, 1) if container == "csv.gz" else lines)
    results.mkdir()
    seen: list[int] = []

    def progress(rows: int) -> None:
        if not seen:
            change(path)
        seen.append(rows)

    pred = "a" if container == "npy" else "p"
    with pytest.raises(DataError, match=rf"a\.{container}: the file changed while it was read; run again"):
        package.evaluate(
            path,
            target="y",
            pred=f"m={pred}",
            losses="mse",
            threads=1,
            progress=progress,
            rows_out=str(results / "rows.parquet"),
            targets=tmp_path / "truth.parquet" if container == "npy" else None,
        )
    assert seen
    assert list(results.iterdir()) == []


@pytest.mark.parametrize("ask", [package.validate, package.choose, package.compare])
@pytest.mark.parametrize("change", [copied, rewritten])
def test_a_file_that_changes_between_two_passes(tmp_path: Path, ask: Any, change: Callable[[Path], None]) -> None:
    path, calls = tmp_path / "a.csv", list[int]()
    path.write_bytes(b"y,p,q\n" + b"0.123456789,0.987654321,0.7\n" * 300_000)

    def progress(rows: int) -> None:
        if not calls:
            change(path)
        calls.append(rows)

    message = "the file changed while it was read"
    options: dict[str, Any] = {"target": "y", "pred": "p", "threads": 1, "progress": progress}
    if ask is package.validate:
        survey = ask(path, losses="median_absolute_error", **options)
        assert message in str(survey.error)
        return
    if ask is package.compare:
        options |= {"pred": ["p", "q"], "losses": "mae", "ci_method": "bootstrap", "resamples": 100}
    with pytest.raises(DataError, match=message):
        ask(path, **options)


@pytest.mark.parametrize("change", [copied, rewritten])
@pytest.mark.parametrize("name", ["a.csv", "parts/day=1/a.csv"])
def test_rows_of_a_report_are_not_drawn_from_a_file_that_changed(
    tmp_path: Path, change: Callable[[Path], None], name: str
) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"y,p\n" + b"0.123456789,0.987654321\n" * 9)
    report = package.evaluate(f"m={tmp_path / name.split('/')[0]}", target="y", pred="p", losses="mse")
    assert report.plot("residuals").panels
    change(path)
    with pytest.raises(DataError, match="the file changed after the report was made; evaluate it anew"):
        report.plot("residuals")


@pytest.mark.parametrize("container", ["csv", "parquet"])
def test_a_change_under_the_command_line(
    refused: Refused, write: Write, monkeypatch: pytest.MonkeyPatch, container: str
) -> None:
    path = write(f"a.{container}", REGRESSION.encode() if container == "csv" else sound_parquet())
    ticks = itertools.count(1)
    look = Source.unchanged

    def unchanged(source: Source) -> None:
        os.utime(source.path, ns=(0, next(ticks)))
        look(source)

    monkeypatch.setattr(Source, "unchanged", unchanged)
    refused(path, *MSE, code=DATA, says=[path.name, "changed while it was read"])
    refused(path, *MSE, "--id", "y", code=DATA, says=[path.name, "changed while it was read"])
