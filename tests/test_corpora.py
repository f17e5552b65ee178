"""Polluted files of every kind: what is read is the table that was polluted, and a row that is left out is named."""

from __future__ import annotations

import math
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lossctl.errors import DataError
from lossctl.io.csv import CsvTable
from lossctl.io.source import Dialect, Source
from lossctl.io.table import Kind
from tests.conftest import ROOT
from tests.corpora.oracle import columns_of, judged
from tests.corpora.pollutions import NAMES, ROWS, Polluted, polluted_files

pytestmark = pytest.mark.deep

NUMBERS = {"y": Kind.NUMBER, "p": Kind.NUMBER}
TEXTS = {"id": Kind.TEXT, "label": Kind.TEXT, "note": Kind.TEXT}


def read(
    file: Polluted, path: Path, kinds: dict[str, Kind], bad_rows: str
) -> tuple[list[tuple[object, ...]], set[int]]:
    """The rows that are read, and the numbers of those that are left out."""
    path.write_bytes(file.content)
    table = CsvTable(Source(str(path)), Dialect(bad_rows=bad_rows))
    if not kinds.keys() <= set(table.names):
        raise DataError("a column is missing")
    columns, _ = columns_of(table, kinds)
    return list(zip(*columns, strict=True)), {row + 1 for rows in table.bad_rows.values() for row in rows}


def truth(kinds: dict[str, Kind]) -> list[tuple[object, ...]]:
    return [
        tuple(
            float(row[NAMES.index(name)]) if kind is Kind.NUMBER else row[NAMES.index(name)]
            for name, kind in kinds.items()
        )
        for row in ROWS
    ]


@pytest.mark.parametrize("kinds", [NUMBERS, TEXTS, NUMBERS | TEXTS], ids=["numbers", "texts", "both"])
def test_polluted_files_are_read_as_they_were_or_refused(tmp_path: Path, kinds: dict[str, Kind]) -> None:
    counts: Counter[str] = Counter()
    for file in polluted_files():
        try:
            rows, _ = read(file, tmp_path / "file.csv", kinds, "error")
        except DataError:
            counts["refused"] += 1
            continue
        if file.kind == "header only":
            assert rows == []
        elif file.kind == "one row":
            assert rows == truth(kinds)[:1]
        elif "headers" in file.kind or "as many columns" in file.kind:  # which are rows of text
            assert kinds is TEXTS
            assert [row for row in rows if row != tuple(kinds)] == truth(kinds) * (1 + ("table" in file.kind))
        else:
            assert rows == truth(kinds), file.name
            counts["right"] += 1
    assert counts["right"] >= (17 if kinds is NUMBERS else 5), counts


@pytest.mark.parametrize("kinds", [NUMBERS, TEXTS, NUMBERS | TEXTS], ids=["numbers", "texts", "both"])
def test_a_polluted_row_is_left_out_and_named_and_all_others_are_right(tmp_path: Path, kinds: dict[str, Kind]) -> None:
    for file in polluted_files():
        if not file.row:
            continue
        rows, dropped = read(file, tmp_path / "file.csv", kinds, "drop")
        assert dropped == {file.row}, file.name
        assert rows == [row for place, row in enumerate(truth(kinds), 1) if place != file.row], file.name


def test_no_polluted_file_is_read_in_another_way_than_by_the_strict_reader(tmp_path: Path) -> None:
    for number, file in enumerate(polluted_files()):
        path = tmp_path / f"{number}.csv"
        path.write_bytes(file.content)
        for way in ("error", "drop")[number % 2 :]:
            dialect = Dialect(bad_rows=way)
            verdict = judged(CsvTable(Source(str(path)), dialect), dialect)
            assert verdict.outcome != "wrong", (file.name, verdict.why)


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        ("separated by ';'", "-d ';'"),
        ("separated by '\\t'", "-d $'\\t'"),
        ("separated by ' '", "-d blanks"),
        ("separated by '|'", "-d '|'"),
        ("escaped by backslashes", "--escape '\\'"),
        ("no header", "--no-header"),
        ("two headers", "the header stands there again"),
        ("second table of as many columns", "row 8, column 'p': 'p' is not a number: the header stands there again"),
        ("second table of fewer columns", "row 8: 6 fields, but the header has 7; --bad-rows drop"),
        ("preamble", "if line 3 is its header"),
        ("preamble of one field", "if line 3 is its header"),
        ("no payload", "the file is empty"),
        ("separated by ', '", "did you mean ' p'"),
    ],
)
def test_a_refusal_says_how_the_file_can_be_read(
    refused: Callable[..., str], tmp_path: Path, kind: str, advice: str
) -> None:
    content = next(file.content for file in polluted_files() if file.kind == kind)
    (tmp_path / "a.csv").write_bytes(content)
    assert advice in refused(tmp_path / "a.csv", "-t", "y", "-p", "p", "-l", "mae", "--by", "note", code=3)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("separated by ';'", {"delimiter": ";"}),
        ("separated by '|'", {"delimiter": "|"}),
        ("separated by '\\t'", {"delimiter": "\t"}),
        ("escaped by backslashes", {"escape": "\\"}),
    ],
)
def test_the_option_that_a_refusal_names_reads_the_file(tmp_path: Path, kind: str, options: dict[str, Any]) -> None:
    content = next(file.content for file in polluted_files() if file.kind == kind)
    (tmp_path / "a.csv").write_bytes(content)
    kinds = NUMBERS | TEXTS
    columns, _ = columns_of(CsvTable(Source(str(tmp_path / "a.csv")), Dialect(**options)), kinds)
    assert list(zip(*columns, strict=True)) == truth(kinds)
    assert all(math.isfinite(value) for value in columns[0])


def test_a_folder_of_corpora_is_judged(tmp_path: Path) -> None:
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "good.csv").write_bytes(b"a,b\n1,x\n")
    (tmp_path / "some" / "bad.csv").write_bytes(b"a,b\n1,x\n2\n")
    (tmp_path / "some" / "a.jsonl").write_bytes(b'{"a": 1}\n')
    ended = subprocess.run(
        [sys.executable, "-m", "tests.corpora"],
        cwd=ROOT,
        env={"LOSSCTL_CORPORA": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    head, *lines = ended.stdout.split("\n")
    assert head.split() == ["corpus", "bad", "rows", "files", "right", "rest", "refused", "wrong", "crash", "hang"]
    assert [line.split() for line in lines if line] == [
        ["some", "error", "3", "2", "0", "1", "0", "0", "0"],
        ["some", "drop", "3", "2", "1", "0", "0", "0", "0"],
    ]
