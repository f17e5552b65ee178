"""Rows that cannot be read or paired, named by file and row."""

from __future__ import annotations

import io
import re
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest

import lossctl as package
from lossctl.errors import DataError, ExitCode
from tests.bad_input import BCE, BLOCK, CCE, CLASSES, DATA, MSE, REGRESSION, ROWS, Write, long_csv, long_lines, parquet
from tests.conftest import Lossctl, Refused

pytestmark = pytest.mark.deep

# several files --------------------------------------------------------------------------------------------------------


def test_row_counts_that_differ(refused: Refused, write: Write) -> None:
    one, two = write("one.csv", "y,p\n1,1\n2,2\n3,3\n"), write("two.csv", "y,p\n1,1\n2,2\n3,3\n4,4\n5,5\n")
    for files in ((one, two), (two, one), (one, "--targets", two)):
        refused(*files, *MSE, code=DATA, says=["one.csv has 3", "two.csv has 5", "--id"])


def test_row_counts_that_differ_by_blocks(refused: Refused, write: Write) -> None:
    one, two = long_csv(write, {}, "one.csv", BLOCK), long_csv(write, {}, "two.csv")
    for files in ((one, two), (two, one)):
        says = [f"one.csv has {BLOCK}", f"two.csv has {ROWS}", "--id"]
        refused(*files, *BCE, code=DATA, says=says, once=True)


def test_a_file_without_rows_among_others(refused: Refused, write: Write) -> None:
    good, empty = write("good.csv", REGRESSION), write("empty.csv", "y,p\n")
    for files in ((good, empty), (empty, good)):
        refused(*files, *MSE, code=DATA, says=["empty.csv"])


def test_targets_that_differ(refused: Refused, write: Write) -> None:
    one = write("one.csv", "y,p\n1,1\n2,2\n3,3\n4,4\n")
    two = write("two.csv", "y,p\n1,1\n2,2\n7,3\n8,4\n")
    refused(one, two, *MSE, code=DATA, says=["one.csv", "two.csv", "target", "--id"], row=3, count=2)
    refused(one, "--targets", two, *MSE, code=DATA, says=["one.csv", "two.csv", "target"], row=3, count=2)


def test_targets_of_text_that_differ(refused: Refused, write: Write) -> None:
    one, two = write("one.csv", CLASSES), write("two.csv", CLASSES.replace("\nc,", "\na,"))
    refused(one, two, *CCE, code=DATA, says=["one.csv", "two.csv", "target", "--id"], row=3)


def test_the_file_at_fault_is_the_one_named(refused: Refused, write: Write) -> None:
    one, two = write("one.csv", REGRESSION), write("two.csv", REGRESSION.replace("2.5", "oops"))
    line = refused(one, two, *MSE, code=DATA, says=["two.csv", "column 'p'", "'oops'"], row=2)
    assert "one.csv" not in line


def test_keys_that_stand_twice(refused: Refused, write: Write) -> None:
    one = write("one.csv", "k,y,p\na,1,1\nb,2,2\nc,3,3\n")
    two = write("two.csv", "k,y,p\na,1,1\nb,2,2\na,3,3\nb,4,4\nc,1,1\n")
    for files in ((one, two), (two, one), (two,)):
        says = ["two.csv", "column 'k'", "2 keys", "more than once", "a, b"]
        refused(*files, *MSE, "--id", "k", code=DATA, says=says)


def test_keys_that_are_missing_or_left_over(refused: Refused, write: Write) -> None:
    one = write("one.csv", "k,y,p\n" + "".join(f"a{i},1,1\n" for i in range(9)))
    two = write("two.csv", "k,y,p\n" + "".join(f"a{i},1,1\n" for i in range(4, 11)))
    says = ["one.csv", "two.csv", "column 'k'", "4 ", "missing", "a0, a1, a2, ...", "2 not in it", "a9, a10"]
    refused(one, two, *MSE, "--id", "k", code=DATA, says=says)
    three = write("three.csv", "k,y,p\n" + "".join(f"a{i},1,1\n" for i in range(8)))
    refused(one, three, *MSE, "--id", "k", code=DATA, says=["three.csv", "1 of ", "missing", "(a8)"])
    refused(three, one, *MSE, "--id", "k", code=DATA, says=["one.csv", "1 not in it", "(a8)"])


def test_a_key_that_is_empty(refused: Refused, write: Write) -> None:
    path = write("a.csv", "k,y,p\na,1,1\n,2,2\nc,3,3\n,4,4\n")
    refused(path, *MSE, "--id", "k", code=DATA, says=["a.csv", "column 'k'", "empty"], row=2, count=2)


def test_rows_paired_by_key_are_named_as_they_stand_in_their_file(refused: Refused, write: Write) -> None:
    one = write("one.csv", "k,y,p\na,1,1\nb,2,2\nc,3,3\n")
    two = write("two.csv", "k,y,p\nc,3,3\nb,2,inf\na,1,1\n")
    refused(one, two, *MSE, "--id", "k", code=DATA, says=["two.csv", "column 'p' = inf"], row=2)
    two = write("two.csv", "k,y,p\nc,3,\nb,2,2\na,1,1\n")
    refused(one, two, *MSE, "--id", "k", code=DATA, says=["two.csv", "column 'p'", "missing"], row=1)


# names, text and separators -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("header", "name"), [("y,p,p", "p"), ("y,p,y,q", "y")])
def test_a_column_that_is_asked_for_and_named_twice(refused: Refused, write: Write, header: str, name: str) -> None:
    path = write("a.csv", header + "\n" + ",".join("1" for _ in header.split(",")) + "\n")
    refused(path, *MSE, code=DATA, says=["a.csv", "more than once", f"'{name}'"])


def test_a_parquet_file_that_names_a_column_twice(refused: Refused, tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([1.0, 2.0])] * 3, names=["y", "p", "p"])
    pq.write_table(table, tmp_path / "a.parquet")
    refused(tmp_path / "a.parquet", *MSE, code=DATA, says=["a.parquet", "'p'", "more than once"])


def test_a_label_that_is_not_utf8(refused: Refused, write: Write) -> None:
    path = write("a.csv", CLASSES.encode() + b"caf\xe9,0.2,0.2,0.6\n")
    refused(path, *CCE, code=DATA, says=["a.csv", "column 'y'", r"caf\xe9", "not UTF-8"], row=5)


def test_a_slice_far_down_that_is_not_utf8(refused: Refused, write: Write) -> None:
    lines = [line.encode() for line in long_lines()]
    lines[140_000] = b"caf\xe9,1,0,0.5,x"
    path = write("long.csv", b"\n".join(lines))
    says = ["long.csv", "column 'label'", r"caf\xe9", "not UTF-8"]
    refused(path, *BCE, "--by", "label", code=DATA, says=says, row=140_000, once=True)


def test_a_number_that_is_not_utf8(refused: Refused, write: Write) -> None:
    path = write("a.csv", b"y,p\n1,2\n1,2\xa0\n")
    refused(path, *MSE, code=DATA, says=["a.csv", "column 'p'", r"2\xa0", "not UTF-8"], row=2)


def test_a_header_that_is_not_utf8(refused: Refused, write: Write) -> None:
    path = write("a.csv", b"y,p,caf\xe9\n1,2,3\n")
    refused(path, *MSE, code=DATA, says=["a.csv", "header", "not UTF-8"])


@pytest.mark.parametrize("dictionary", [False, True])
@pytest.mark.parametrize("options", [CCE, (*CCE[2:], "-t", "p_a,p_b", "--by", "y"), (*CCE, "--id", "y")])
def test_parquet_text_that_is_not_utf8(
    refused: Refused, tmp_path: Path, options: tuple[str, ...], dictionary: bool
) -> None:
    words = pa.array([b"a", b"b", b"caf\xe9"])
    labels = pa.Array.from_buffers(pa.string(), 3, words.buffers())
    path = parquet(tmp_path / "a.parquet", {"y": labels, "p_a": [0.5] * 3, "p_b": [0.5] * 3}, use_dictionary=dictionary)
    refused(path, *options, code=DATA, says=["a.parquet", "column 'y'", "UTF-8"])


@pytest.mark.parametrize("name", [b"\xff\xfe\xfd\xfc", b"caf\xe9"])
def test_a_parquet_column_whose_name_is_not_utf8(refused: Refused, write: Write, name: bytes) -> None:
    file = io.BytesIO()
    pq.write_table(pa.table({"y": [1.0, 2.0], "p": [1.0, 2.0], "name": [1.0, 2.0]}), file, store_schema=False)
    path = write("a.parquet", file.getvalue().replace(b"name", name))
    refused(path, *MSE, code=DATA, says=["a.parquet"])


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-be"])
def test_text_of_wide_characters_without_a_mark(refused: Refused, write: Write, encoding: str) -> None:
    refused(write("a.csv", REGRESSION.encode(encoding)), *MSE, code=DATA, says=["a.csv", "UTF-16", "iconv"])


@pytest.mark.parametrize(("delimiter", "flag"), [(";", "-d ';'"), ("\t", r"-d $'\t'"), ("|", "-d '|'")])
def test_a_file_of_another_separator(
    refused: Refused, lossctl: Lossctl, write: Write, delimiter: str, flag: str
) -> None:
    path = write("a.csv", REGRESSION.replace(",", delimiter))
    refused(path, *MSE, code=DATA, says=["a.csv", "one column", flag])
    expected = lossctl("eval", write("b.csv", REGRESSION), *MSE, "-f", "value")
    read = lossctl("eval", path, *MSE, "-d", delimiter, "-f", "value")
    assert (read.code, read.out) == (ExitCode.OK, expected.out)


# the first bad row, for any number of threads -------------------------------------------------------------------------
MANY = 200_000
BAD = {
    "text": ("a,0.5,oops", r"column 'p_b': 'oops' is not a number"),
    "domain": ("a,0.5,0.75", r"columns 'p_a', 'p_b' = 0\.5, 0\.75"),
    "missing": ("a,,0.5", r"column 'p_a': the value is missing"),
    "label": ("z,0.5,0.5", r"column 'y': label 'z' is no class"),
    "fields": ("a,0.5", r"2 fields"),
}


@cache
def many_lines(ballast: int) -> tuple[str, ...]:
    """Rows of two classes; `ballast` characters more in each decide how many rows a block of bytes holds."""
    more = "0" * ballast
    return tuple(f"{'ab'[i % 2]},0.{i % 8 + 1}{more},0.{9 - i % 8}{more}" for i in range(MANY))


def first_fault(path: Path, threads: int) -> str:
    """Return the message of an evaluation that must fail."""
    with pytest.raises(DataError) as caught:
        package.evaluate(path, target="y", pred="p_*", losses=["cce", "zero_one"], threads=threads)
    return str(caught.value)


EARLY, LATE = (3_000, 3_001, 70_000, 140_000, 199_000), (100_001, 100_002, 131_072, 131_073, MANY)


@pytest.mark.parametrize(
    ("first", "ballast", "rows"), [*((kind, 0, EARLY) for kind in BAD), ("domain", 20, LATE), ("text", 20, LATE)]
)
def test_the_row_named_is_the_first_one(write: Write, first: str, ballast: int, rows: tuple[int, ...]) -> None:
    lines = ["y,p_a,p_b", *many_lines(ballast)]
    start = list(BAD).index(first)
    for place, row in enumerate(rows):
        lines[row] = list(BAD.values())[(start + place) % len(BAD)][0]
    path = write("a.csv", "\n".join(lines) + "\n")
    messages = {first_fault(path, threads) for threads in (1, 2, 7)}
    assert len(messages) == 1, messages
    message = messages.pop()
    assert re.search(rf"a\.csv: row {rows[0]}\b", message), message
    assert re.search(BAD[first][1], message), message


@pytest.mark.parametrize("first", ["domain", "missing", "label"])
def test_the_row_named_is_the_first_one_in_parquet(tmp_path: Path, first: str) -> None:
    labels, shares = np.where(np.arange(MANY) % 2, "b", "a").astype(object), np.full((2, MANY), 0.5)
    kinds = ["domain", "missing", "label"]
    start = kinds.index(first)
    for place, row in enumerate((65_536, 65_537, 131_072, 199_999)):
        kind = kinds[(start + place) % len(kinds)]
        if kind == "label":
            labels[row] = "z"
        else:
            shares[0, row] = 0.75 if kind == "domain" else np.nan
    path = parquet(tmp_path / "a.parquet", {"y": labels, "p_a": shares[0], "p_b": shares[1]}, row_group_size=70_000)
    messages = {first_fault(path, threads) for threads in (1, 2, 7)}
    assert len(messages) == 1, messages
    assert "a.parquet: row 65537," in messages.pop()
