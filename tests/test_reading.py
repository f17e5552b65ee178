"""Reading in parts: text cut at line ends, keys as hashes, rows joined on disk, feeds that share the rows out."""

from __future__ import annotations

import csv
import datetime
import gzip
import io
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lossctl as package
from lossctl.api.evaluate import time_ranks
from lossctl.core.block import bits, fingerprint, row_hashes
from lossctl.errors import DataError
from lossctl.io import by_key, records
from lossctl.io.arrow import keys, texts
from lossctl.io.by_key import ByKey, ascends
from lossctl.io.by_position import ByPosition
from lossctl.io.memory import ArrayTable, FrameTable
from lossctl.io.npy import NpyTable
from lossctl.io.parquet import ParquetTable
from lossctl.io.records import Chunk, Format, TooLong
from lossctl.io.source import STANDARD, Dialect, Source
from lossctl.io.table import Kind, Numbers, Table, Texts, decoded

pytestmark = pytest.mark.deep

SMALL_BLOCK = 4  # lines of a piece of text, for the tests of cutting


# text cut at line ends -------------------------------------------------------------------------------------------


def cut(text: bytes, monkeypatch: pytest.MonkeyPatch, ahead: bool = False, **dialect: Any) -> list[Chunk]:
    monkeypatch.setattr(records, "BLOCK", SMALL_BLOCK)
    return list(Format(dialect.pop("delimiter", ","), Dialect(**dialect)).chunks(pa.BufferReader(text), ahead))


@pytest.mark.parametrize("step", [1, 3, 7, 1 << 20])
@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("end", [b"\n", b"", b"\r\n"])
@pytest.mark.parametrize("lines", [1, 3, 4, 5, 8, 9, 23])
def test_text_is_cut_into_pieces_of_whole_lines(
    step: int, ahead: bool, end: bytes, lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "STEP", step)
    separator = end or b"\n"
    text = separator.join(b"%d,x" % line for line in range(lines)) + end
    chunks = cut(text, monkeypatch, ahead=ahead)
    assert b"".join(chunk.text for chunk in chunks) == text + (b"" if end else b"\n")
    assert [chunk.rows for chunk in chunks] == [min(SMALL_BLOCK, lines - row) for row in range(0, lines, SMALL_BLOCK)]


def strict_rows(text: bytes, delimiter: str = ",") -> list[list[str]]:
    """What the strict reader of Python's csv module reads; empty lines are no rows."""
    reader = csv.reader(io.StringIO(text.decode(), newline=""), delimiter=delimiter, strict=True)
    return [row for row in reader if row]


def rows_of(chunks: list[Chunk], form: Format) -> list[list[str]]:
    return [
        [field.decode() for field in record.fields]
        for chunk in chunks
        for record in chunk.records or form.all_records(chunk.text)
    ]


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (b'1,"a"\n2,"b"\n', True),
        (b'1,"a, b"\n2,"say ""hi"""\n', True),
        (b'"1","a"\r\n"2","b"\r\n', True),
        (b'1,"a\nb"\n2,c\n', True),  # a line end between quotes
        (b'1,"a\n\nb"\n\n2,"# c"\n\n\n', True),  # an empty line between quotes is text
        (b'""""\n"",""\n', True),
        (b'1,5" pipe\n2,x\n', False),  # a quote that opens nothing
        (b"1,a\r2,b\r\n", False),  # a lone carriage return
        (b"1,a\n2,b\r", True),
        (b"1,a\r2,b", False),
        (b'1,"a"\r"x",b\n', False),
        (b"\n\n\n", True),
    ],
)
@pytest.mark.parametrize("step", [1, 5, 1 << 20])
def test_text_is_cut_where_the_strict_reader_ends_rows(
    text: bytes, plain: bool, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "STEP", step)
    chunks = cut(text, monkeypatch)
    assert rows_of(chunks, Format(",", STANDARD)) == strict_rows(text)
    assert sum(chunk.rows for chunk in chunks) == len(strict_rows(text))
    assert all(chunk.records is None for chunk in chunks) or not plain


@pytest.mark.parametrize("text", [b'1,"a\n2,b\n', b'1,"a"b\n2,"c"\n', b'1,"a\n2,b\n3,"c"\n', b'x,"'])
def test_what_the_strict_reader_refuses_is_a_fault(text: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(csv.Error):
        strict_rows(text)
    first = cut(text, monkeypatch)[0].records
    assert first is not None
    assert first[0].fault or first[0].overrun


def test_reading_ahead_that_is_given_up_waits_for_nobody() -> None:
    class Slow:
        steps = iter([b"a\n"])

        def read(self, size: int) -> bytes:
            return next(self.steps, b"") or (blocked.wait(30) and b"") or b""

    blocked = threading.Event()
    reading = records.steps(Slow(), ahead=True)
    assert next(reading) == (b"a\n", False)
    start = time.monotonic()
    reading.close()  # type: ignore[attr-defined]
    assert time.monotonic() - start < 10
    blocked.set()


def test_lines_in_which_no_quote_opens_a_field_are_cut_without_reading_them(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [b'1,5" pipe\n', b'2,"a, b"\n', b'3,"c\n""d"\n', b'4,6" and 7"\n', b"5,x\n"]
    for text in (b"".join(lines), lines[0], b"".join(lines[:3]), lines[4] + lines[0] + lines[4]):
        chunks = cut(text, monkeypatch)
        assert all(chunk.records is None and chunk.stray for chunk in chunks)
        assert rows_of(chunks, Format(",", STANDARD)) == strict_rows(text)


@pytest.mark.parametrize("bad_rows", ["error", "drop"])
def test_a_quote_inside_a_field_matters_in_columns_that_are_read(tmp_path: Path, bad_rows: str) -> None:
    (tmp_path / "a.csv").write_bytes(b"y,p,w\n" + b'1,2,"a, b"\n' * 4 + b'3,5,5" x\n' + b"1,2,c\n" * 4)
    question: dict[str, Any] = {"target": "y", "pred": "p", "losses": "mae", "bad_rows": bad_rows}
    rows = package.evaluate(str(tmp_path / "a.csv"), **question).inputs[0].used
    assert rows == (8 if bad_rows == "drop" else 9)
    if bad_rows == "error":
        with pytest.raises(DataError, match="row 5, column 'w': a quote stands inside a field"):
            package.evaluate(str(tmp_path / "a.csv"), **question, by="w")


def test_pieces_before_and_after_what_is_odd_are_cut_without_reading_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "STEP", 8)
    plain = b"".join(b"%d,x\n" % line for line in range(3 * SMALL_BLOCK))
    chunks = cut(plain + b'8,"a"b\n' + plain, monkeypatch)
    strict = [chunk for chunk in chunks if chunk.records is not None]
    assert sum(chunk.rows for chunk in chunks) == 6 * SMALL_BLOCK + 1
    assert 1 <= sum(chunk.rows for chunk in strict) <= SMALL_BLOCK


def test_very_long_lines_come_in_pieces_of_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "LONGEST", 50)
    monkeypatch.setattr(records, "STEP", 31)
    chunks = cut(b"".join(b"%030d\n" % line for line in range(7)), monkeypatch)
    assert sum(chunk.rows for chunk in chunks) == 7
    assert max(chunk.rows for chunk in chunks) < SMALL_BLOCK


def test_text_without_line_ends_is_not_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "LONGEST", 50)
    monkeypatch.setattr(records, "STEP", 10)
    stream = pa.BufferReader(b"1,x;" * 100)
    with pytest.raises(TooLong):
        list(Format(",", STANDARD).chunks(stream, False))
    assert stream.tell() <= 70


@cache
def table_lines() -> tuple[str, ...]:
    """150,000 rows of numbers, whose second column is the word w, below a header."""
    rows = np.random.default_rng(3).normal(size=(2, 150_000)).T.tolist()
    return "y,w,p\n", *(f"{target!r},w,{pred!r}\n" for target, pred in rows)


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {70_000: '"a, b"'},
        {5: '"two\nlines"'},
        {70_000: '"two\nlines"', 140_000: '"x"'},
        {70_000: '"5""6"'},
    ],
    ids=["plain", "quoted comma", "early newline", "late newline", "doubled quote"],
)
def test_every_way_of_reading_text_gives_the_same_bits(tmp_path: Path, odd: dict[int, str]) -> None:
    lines = list(table_lines())
    for row, word in odd.items():
        lines[row + 1] = lines[row + 1].replace("w", word)
    text = "".join(lines)
    plain, packed = tmp_path / "t.csv", tmp_path / "t.csv.gz"
    plain.write_bytes(text.encode())
    packed.write_bytes(gzip.compress(text.encode(), 1))
    rows = list(csv.DictReader(io.StringIO(text)))
    columns = {name: np.array([float(row[name]) for row in rows]) for name in ("y", "p")}
    question: dict[str, Any] = {"target": "y", "pred": "p", "losses": ["mse", "mbe"], "by": "w"}
    wanted = package.evaluate({**columns, "w": [row["w"] for row in rows]}, **question)
    for path, threads in ((plain, 1), (plain, 3), (packed, 3)):
        found = package.evaluate(str(path), **question, threads=threads)
        assert [cell.value for cell in found.cells] == [cell.value for cell in wanted.cells]
        assert found.inputs[0].data == wanted.inputs[0].data


@pytest.mark.parametrize(
    ("fault", "row"),
    [
        *(("number", row) for row in (3, 65_536, 149_999)),
        *(("fields", row) for row in (65_535, 131_071)),
        *(pytest.param("number", row, marks=pytest.mark.slow) for row in (65_535, 131_071)),
        *(pytest.param("fields", row, marks=pytest.mark.slow) for row in (3, 65_536, 149_999)),
    ],
)
def test_the_first_bad_row_is_named_in_any_piece(tmp_path: Path, fault: str, row: int) -> None:
    lines = list(table_lines())
    lines[row + 1] = "1.0,w,oops\n" if fault == "number" else "1.0,w\n"
    lines[-1] = "x,w,x\n" if row < 149_999 else lines[-1]
    path = tmp_path / "bad.csv"
    path.write_text("".join(lines))
    for threads in (1, 3):
        with pytest.raises(DataError, match=rf"bad.csv: row {row + 1}\b"):
            package.evaluate(str(path), target="y", pred="p", losses="mse", threads=threads)


def test_a_row_outside_a_domain_is_named_before_a_later_one_that_cannot_be_read(tmp_path: Path) -> None:
    lines = ["y,p\n", *["1,0.5\n"] * 140_000]
    lines[131_000] = "1,7\n"
    lines[131_050] = "1,oops\n"
    path = tmp_path / "both.csv"
    path.write_text("".join(lines))
    for threads in (1, 3):
        with pytest.raises(DataError, match="row 131000, column 'p' = 7"):
            package.evaluate(str(path), target="y", pred="p", losses="bce", threads=threads)


# feeds that share the rows out -----------------------------------------------------------------------------------


@pytest.mark.parametrize("groups", [1_000, 65_536, 100_000, 1_048_576])
@pytest.mark.parametrize("parts", [1, 2, 3, 8])
def test_feeds_have_all_rows_between_them(tmp_path: Path, groups: int, parts: int) -> None:
    rows = 400_000
    pq.write_table(pa.table({"x": np.arange(rows, dtype=float)}), tmp_path / "x.parquet", row_group_size=groups)
    tables: list[Table] = [
        ParquetTable(Source(str(tmp_path / "x.parquet"))),
        ArrayTable({"x": np.arange(rows, dtype=float)}),
    ]
    feeds = ByPosition(tables).feeds([(0, {"x": Kind.NUMBER}), (1, {"x": Kind.NUMBER})], parts)
    assert len(feeds) == 1 if groups > rows else 1 <= len(feeds) <= parts
    assert len(feeds) == parts or parts == 8 or groups > 65_536
    address = 0
    for feed in feeds:
        for pending in feed:
            taken = pending.make()
            assert taken.start == address
            count = taken.rows
            assert taken.stopped is None
            for _, piece in taken.pieces:
                column = piece["x"]
                assert isinstance(column, Numbers)
                np.testing.assert_array_equal(column.values[0], np.arange(address, address + count, dtype=float))
            address += count
    assert address == rows


@pytest.mark.parametrize("start", [0, 1, 65_536, 196_608, 299_999])
@pytest.mark.parametrize("stop", [196_609, 262_144, 300_000, None])
@pytest.mark.parametrize("groups", [300_000, 70_001, 65_536])
def test_a_table_is_read_from_any_row_to_any_other(tmp_path: Path, start: int, stop: int | None, groups: int) -> None:
    values = np.arange(300_000, dtype=float)
    pq.write_table(pa.table({"x": values}), tmp_path / "x.parquet", row_group_size=groups)
    np.save(tmp_path / "x.npy", values)
    one: Table = ParquetTable(Source(str(tmp_path / "x.parquet")))
    for table in (one, ArrayTable({"x": values}), NpyTable(Source(str(tmp_path / "x.npy")))):
        pieces = [piece["x"] for piece in decoded(table.read({"x": Kind.NUMBER}, start, stop))]
        found = np.concatenate([np.empty(0), *(column.values[0] for column in pieces if isinstance(column, Numbers))])
        np.testing.assert_array_equal(found, values[start:stop])


def test_more_threads_than_parts_change_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    columns = {"y": rng.normal(size=330_000), "p": rng.normal(size=330_000)}
    pq.write_table(pa.table(columns), tmp_path / "r.parquet", row_group_size=50_000)
    question: dict[str, Any] = {"target": "y", "pred": "p", "losses": ["mse", "r2", "mbe", "max_error"]}
    wanted = package.evaluate(columns, **question, threads=1)
    for threads in (1, 2, 5, 16):
        found = package.evaluate(str(tmp_path / "r.parquet"), **question, threads=threads)
        assert [(c.value, c.stderr) for c in found.cells] == [(c.value, c.stderr) for c in wanted.cells]
        assert found.inputs[0].data == wanted.inputs[0].data


# the digest ------------------------------------------------------------------------------------------------------


def test_fingerprints_of_blocks_add_up_in_any_order() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(size=200_000)
    parts = [
        fingerprint(row_hashes(start, len(values[start : start + 65_536])), [bits(values[start : start + 65_536])])
        for start in range(0, len(values), 65_536)
    ]
    assert sum(parts) % 2**64 == sum(reversed(parts)) % 2**64
    assert len(set(parts)) == len(parts)


@pytest.mark.parametrize("change", ["one value", "two signs", "swapped rows", "order"])
def test_fingerprints_tell_rows_apart(change: str) -> None:
    rng = np.random.default_rng(6)
    values = rng.normal(size=1000)
    other = values.copy()
    if change == "one value":
        other[500] = np.nextafter(other[500], np.inf)
    elif change == "two signs":
        other[[3, 700]] *= -1.0
    elif change == "swapped rows":
        other[[3, 700]] = other[[700, 3]]
    else:
        other = other[::-1].copy()
    prints = {fingerprint(row_hashes(0, 1000), [bits(line)]) for line in (values, other)}
    assert len(prints) == 2


def test_every_nan_has_the_same_fingerprint() -> None:
    strange = np.array([0x7FF8000000000001, 0xFFF8000000000000], dtype=np.uint64).view(np.float64)
    assert (bits(strange) == bits(np.array([np.nan, np.nan]))).all()


# whole numbers as labels -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([-100, 100, 0, 100], pa.int8()),
        ([3, 1, 2, 3], pa.int64()),
        ([2**62, 2**62 + 5], pa.int64()),
        ([-(2**63), 2**63 - 1], pa.int64()),
        ([2**64 - 1, 2**64 - 3], pa.uint64()),
        ([255, 0], pa.uint8()),
        ([10**9, -(10**9), 7], pa.int32()),
        ([5, None, 7], pa.int16()),
    ],
)
def test_whole_numbers_are_labels_by_their_digits(values: list[Any], kind: pa.DataType) -> None:
    found = texts(pa.array([9, *values], kind).slice(1))
    words = [None if code < 0 else found.words[code] for code in found.codes.tolist()]
    assert words == [None if value is None else str(value) for value in values]


# keys ------------------------------------------------------------------------------------------------------------


def hashes(values: list[Any], kind: pa.DataType | None = None) -> list[int]:
    return [int(value) for value in keys(pa.array(values, kind)).hashes]


def test_a_number_is_the_same_key_in_every_type() -> None:
    wanted = hashes([0, 7, -12, 10**18, 2**63 - 1])
    assert hashes(["0", "7", "-12", str(10**18), str(2**63 - 1)]) == wanted
    assert hashes([0, 7, -12], pa.int32()) == wanted[:3]
    assert hashes([0, 7], pa.uint8()) == wanted[:2]
    assert hashes(["0.0", "7.0", "-12.0"]) == wanted[:3]
    assert hashes([0.0, 7.0, -12.0], pa.float64()) == wanted[:3]
    assert hashes([2**64 - 1, 2**63], pa.uint64()) == hashes([str(2**64 - 1), str(2**63)])
    assert hashes([True, False]) == hashes(["true", "False"])
    assert keys(pa.array(["a", "b", "a"]).dictionary_encode()).hashes.tolist() == hashes(["a", "b", "a"])
    assert hashes([datetime.date(2024, 5, 1)]) == hashes(["2024-05-01"])


def test_what_is_spelled_otherwise_is_another_key() -> None:
    words = ["7", "07", "+7", " 7", "7 ", "-7", "- 7", "7a", "a7", "", "-", "--7", "-0", "1e3", "1000"]
    words += ["9" * 19, "9" * 20, "9" * 21, "x" * 7, "x" * 8, "x" * 9, "x" * 16, "x" * 17, "é", "e\u0301"]
    assert len(set(hashes(words))) == len(words)


def test_a_frame_is_converted_once_however_many_threads_read_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(12)
    frame = pd.DataFrame({"y": rng.normal(size=300_000), "p": rng.normal(size=300_000)})
    made: list[str] = []
    convert = FrameTable._convert

    def counted(self: FrameTable, name: str) -> Any:
        made.append(name)
        return convert(self, name)

    monkeypatch.setattr(FrameTable, "_convert", counted)
    found = package.evaluate(frame, target="y", pred="p", losses="mse", threads=4)
    assert found.cells[0].rows == 300_000
    assert sorted(made) == ["p", "y"]


def test_keys_do_not_depend_on_their_neighbours() -> None:
    words = [f"{'k' * (i % 23)}{i}" for i in range(500)]
    assert hashes(words) == [hashes([word])[0] for word in words]
    assert hashes(words[100:200]) == [int(x) for x in keys(pa.array(words)[100:200]).hashes]


def test_only_whole_numbers_need_no_check() -> None:
    assert keys(pa.array([1, 2])).check is None
    assert keys(pa.array(["1", "20"])).check is None
    mixed = keys(pa.array(["1", "x", "2"])).check
    assert mixed is not None
    assert [bool(check) for check in mixed] == [False, True, False]


def test_empty_and_missing_keys_are_null() -> None:
    assert keys(pa.array(["a", "", None])).null is not None
    assert keys(pa.array([1, None])).null is not None
    assert keys(pa.array(["a", "b"])).null is None


@pytest.mark.parametrize(
    ("values", "rise"),
    [
        ([1, 2, 9], True),
        (["1", "2", "10"], True),  # as numbers, whatever the container
        ([1.0, 2.0, 10.0], True),
        (["1.0", "2.0", "10.0"], True),
        (["a", "b"], True),
        (["2024-01-09", "2024-01-10"], True),
        ([1, 1], False),
        ([2, 1], False),
        (["b", "a"], False),
        (["1", "1.0"], False),  # one key
        (["True", "true"], False),
        (["1", "a"], False),  # numbers and text have no common order
    ],
)
def test_keys_ascend_alike_in_every_container(values: list[Any], rise: bool) -> None:
    assert ascends(None, keys(pa.array(values)).order) is rise
    one, *rest = (keys(pa.array([value])).order for value in values)
    apart = one is not None and all(ascends(before, after) for before, after in pairwise([one, *rest]))
    assert apart is rise


# the join --------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a join of some thousand rows go to disk, in several runs and several blocks to a bucket."""
    monkeypatch.setattr(by_key, "HELD_BYTES", 1 << 10)
    monkeypatch.setattr(by_key, "RUN_ROWS", 700)
    monkeypatch.setattr(by_key, "BLOCK_ROWS", 5)


def pair(tmp_path: Path, make_key: Callable[[int], object], rows: int = 5_000) -> tuple[str, str, float]:
    """Write shuffled targets and predictions; return their paths and the mean absolute error of the pairs."""
    rng = np.random.default_rng(7)
    words = [make_key(i) for i in range(rows)]
    target, pred = rng.normal(size=(2, rows))
    paths = []
    for name, values in (("y", target), ("p", pred)):
        order = rng.permutation(rows)
        table = pa.table({"id": [words[i] for i in order], name: values[order], f"{name}_row": order.astype(float)})
        pq.write_table(table, tmp_path / f"{name}.parquet", row_group_size=1_111)
        paths.append(str(tmp_path / f"{name}.parquet"))
    return paths[0], paths[1], float(np.mean(np.abs(target - pred)))


@pytest.mark.parametrize("make_key", [int, lambda i: i * 7919 - 10**15, lambda i: f"key-{i:x}", lambda i: f"{i}.0"])
@pytest.mark.parametrize("threads", [1, 3])
def test_rows_are_joined_on_disk(
    tmp_path: Path, make_key: Callable[[int], object], threads: int, small_runs: None
) -> None:
    targets, preds, wanted = pair(tmp_path, make_key)
    found = package.evaluate(preds, targets=targets, target="y", pred="p", losses="mae", id="id", threads=threads)
    assert found.cells[0].rows == 5_000
    assert found.cells[0].value == pytest.approx(wanted, rel=1e-13)


def test_the_order_of_rows_leaves_no_trace_in_a_join(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    ids = rng.permutation(2_000)
    target, pred = rng.normal(size=(2, 2_000))
    group = rng.integers(0, 3, 2_000)
    reports = []
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(2_000) if seed else np.argsort(ids)
        other = np.random.default_rng(seed + 9).permutation(2_000) if seed else np.argsort(ids)
        pq.write_table(pa.table({"id": ids[order], "y": target[order], "g": group[order]}), tmp_path / "y.parquet")
        pq.write_table(pa.table({"id": ids[other], "p": pred[other]}), tmp_path / "p.parquet")
        question: dict[str, Any] = {"target": "y", "pred": "p", "losses": ["mse", "median_absolute_error"]}
        reports.append(
            package.evaluate(
                str(tmp_path / "p.parquet"), targets=str(tmp_path / "y.parquet"), id="id", by="g", **question
            )
        )
    ascending, first, second = reports
    assert first.inputs[0].data == second.inputs[0].data == ascending.inputs[0].data
    assert [cell.value for cell in first.cells] == [cell.value for cell in second.cells]
    for cell, other_cell in zip(first.cells, ascending.cells, strict=True):
        assert cell.value == pytest.approx(other_cell.value, rel=1e-14)


def test_rows_out_of_a_join_names_the_rows_of_the_first_file(tmp_path: Path, small_runs: None) -> None:
    targets, preds, _ = pair(tmp_path, int, rows=3_000)
    out = tmp_path / "rows.parquet"
    package.evaluate(preds, targets=targets, target="y", pred="p", losses="mae", id="id", rows_out=str(out))
    rows = pq.read_table(out)
    assert sorted(rows["row"].to_pylist()) == list(range(1, 3_001))
    first = pq.read_table(preds)  # the predictions are the first file
    second = dict(zip(*(pq.read_table(targets)[name].to_pylist() for name in ("id", "y")), strict=True))
    key, pred = first["id"].to_pylist(), first["p"].to_pylist()
    for row, loss in zip(rows["row"].to_pylist(), rows["p.mae"].to_pylist(), strict=True):
        assert loss == abs(pred[row - 1] - second[key[row - 1]])


def read_all(rows: ByKey) -> None:
    """Read all joined rows; raise what stops that."""
    for feed in rows.feeds([(0, {"id": Kind.TEXT})], 1):
        for taken in feed:
            if (stopped := taken.make().stopped) is not None:
                raise stopped


def tables(left: list[Any], right: list[Any]) -> list[ArrayTable]:
    """Two tables of keys, which are whole numbers where there are none."""
    named = {"left": left, "right": right}
    return [ArrayTable({"id": np.array(v, dtype=None if v else int)}, name) for name, v in named.items()]


@pytest.mark.parametrize(
    ("left", "right", "words"),
    [
        ([3, 1, 2], [1, 2, 4], "right: column 'id': keys differ: 1 of left missing (3), 1 not in it (4)"),
        ([3, 1], [1, 3, 2], "right: column 'id': keys differ: 1 not in it (2)"),
        ([1, 2, 2], [2, 1, 3], "left: column 'id': 1 keys stand more than once (2)"),
        (["b", "a", ""], ["a", "b", "c"], "left: row 3, column 'id': the key is empty"),
        (
            [3, 1, 2, 5, 6],
            [7, 8, 9, 10, 11],
            "keys differ: 5 of left missing (3, 1, 2, ...), 5 not in it (7, 8, 9, ...)",
        ),
    ],
)
def test_keys_that_do_not_pair_are_counted_and_shown(left: list[Any], right: list[Any], words: str) -> None:
    with pytest.raises(DataError) as caught:
        read_all(ByKey(tables(left, right), ["id"], threads=1))
    assert words in str(caught.value)


def test_no_room_for_the_temporary_file_is_said(
    tmp_path: Path, small_runs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> int:
        raise OSError(28, "No space left on device")

    targets, preds, _ = pair(tmp_path, int)
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(DataError, match=r"No space left on device: the join .* set TMPDIR"):
        package.evaluate(preds, targets=targets, target="y", pred="p", losses="mae", id="id")


def test_an_error_in_a_joined_row_names_where_it_stands_in_its_file(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [5, 3, 9], "y": [0.0, 1.0, 1.0]}), tmp_path / "y.parquet")
    pq.write_table(pa.table({"id": [9, 5, 3], "p": [0.5, 1.5, 0.25]}), tmp_path / "p.parquet")
    with pytest.raises(DataError, match=r"p.parquet: row 2, column 'p' = 1.5"):
        package.evaluate(
            str(tmp_path / "p.parquet"),
            targets=str(tmp_path / "y.parquet"),
            target="y",
            pred="p",
            losses="bce",
            id="id",
        )


def test_text_columns_and_nulls_survive_a_join(small_runs: None) -> None:
    rows = 3_000
    rng = np.random.default_rng(9)
    order = rng.permutation(rows)
    left = ArrayTable({"id": np.arange(rows)[::-1].copy()}, "left")
    values = np.where(order % 7 == 0, np.nan, order.astype(float))
    right = ArrayTable({"id": order, "x": values, "w": np.array([f"w{i % 5}" for i in order])}, "right")
    wanted = [(1, {"x": Kind.NUMBER, "w": Kind.TEXT}), (1, {"id": Kind.NUMBER})]
    seen = 0
    feed: Iterator[Any]
    for feed in ByKey([left, right], ["id"], threads=2).feeds(wanted, 2):
        for taken in feed:
            count, pieces = taken.make().rows, taken.make().pieces
            numbers, words, ids = pieces[0][1]["x"], pieces[0][1]["w"], pieces[1][1]["id"]
            assert isinstance(numbers, Numbers)
            assert isinstance(words, Texts)
            assert isinstance(ids, Numbers)
            assert pieces[0][1].rows == count
            for key, value, code in zip(ids.values[0].tolist(), numbers.values[0].tolist(), words.codes, strict=True):
                assert np.isnan(value) if key % 7 == 0 else value == key
                assert words.words[code] == f"w{int(key) % 5}"
            seen += count
    assert seen == rows


def test_hashes_that_differ_only_in_their_last_bits_are_sorted_too() -> None:
    rng = np.random.default_rng(10)
    plain = rng.integers(0, 2**63, 5_000, dtype=np.uint64)
    close = np.arange(5_000, dtype=np.uint64)[::-1] + np.uint64(7 << 60)
    for hashes_ in (plain, close, plain[:1], plain[:0]):
        assert hashes_[by_key.order_of(hashes_, 0)].tolist() == sorted(hashes_.tolist())
    assert close[by_key.order_of(close, 8)].tolist() == sorted(close.tolist())


@pytest.mark.parametrize("second", [["3", "4"], [3.0, 4.0], [True, False], ["x", "y"]])
def test_parts_of_a_folder_may_hold_keys_of_other_types(tmp_path: Path, second: list[Any]) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    pq.write_table(pa.table({"id": [1, 2], "p": [0.0, 1.0]}), folder / "1.parquet")
    pq.write_table(pa.table({"id": second, "p": [0.0, 1.0]}), folder / "2.parquet")
    spelled = ["1", "2", *(str(value) for value in second)]
    pq.write_table(pa.table({"id": spelled, "y": [0.0, 1.0, 2.0, 3.0]}), tmp_path / "y.parquet")
    report = package.evaluate(
        str(folder), targets=str(tmp_path / "y.parquet"), target="y", pred="p", losses="mse", id="id"
    )
    assert report.cells[0].value == 2.0


def test_a_join_gives_the_same_bits_from_any_container(tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    rows = 70_000
    target, pred = rng.normal(size=(2, rows))
    for name, values in (("y", target), ("p", pred)):
        table = pa.table({"id": np.arange(rows), name: values})
        pq.write_table(table, tmp_path / f"{name}.parquet", row_group_size=9_999)
        lines = (f"{i},{value!r}\n" for i, value in enumerate(values.tolist()))
        (tmp_path / f"{name}.csv").write_text(f"id,{name}\n" + "".join(lines))
    found = [
        package.evaluate(
            str(tmp_path / f"p.{mine}"),
            targets=str(tmp_path / f"y.{theirs}"),
            target="y",
            pred="p",
            losses=["mae", "r2"],
            id="id",
        )
        for mine, theirs in itertools.product(("csv", "parquet"), repeat=2)
    ]
    assert len({tuple((cell.value, cell.stderr) for cell in report.cells) for report in found}) == 1
    assert len({report.inputs[0].data for report in found}) == 1


def test_what_was_dropped_is_named_in_one_order(tmp_path: Path) -> None:
    columns = {"y": np.ones(300_000), "p": np.zeros(300_000)}
    columns["p"][70_000] = columns["y"][200_000] = columns["y"][100] = np.nan
    pq.write_table(pa.table(columns), tmp_path / "d.parquet", row_group_size=50_000)
    signatures = {
        package.evaluate(
            str(tmp_path / "d.parquet"), target="y", pred="p", losses="mse", missing="drop", threads=threads
        )
        .cells[0]
        .signature
        for threads in (1, 2, 3, 4)
        for _ in range(3)
    }
    assert len(signatures) == 1


def test_a_carriage_return_in_a_quoted_header_is_part_of_a_name(tmp_path: Path) -> None:
    path = tmp_path / "h.csv"
    path.write_bytes(b'y,p,"u\rx"\n1,2,a\n3,5,b\n')
    assert package.evaluate(str(path), target="y", pred="p", losses="mse").cells[0].value == 2.5


# labels that are missing -----------------------------------------------------------------------------------------

NAN = float("nan")
LABELS: dict[str, Any] = {
    "floats": np.array([1.0, NAN, 1e20, 1e-7, 0.1, -0.0]),
    "short floats": np.array([0.1, NAN, 0.1, 1e10, 2.0, 2.0], np.float32),
    "dates": np.array(["2026-01-01", "NaT", "2026-01-02", "2026-01-02", "2026-01-03", "2026-01-04"], "datetime64[us]"),
}


def containers(columns: dict[str, Any], path: Path) -> dict[str, Any]:
    """The same columns in every container that knows a missing value of their type."""
    table = pa.table(columns)
    coded = pa.table({**columns, "g": pa.array(columns["g"]).dictionary_encode()})
    pq.write_table(table, path)
    return {"dict": columns, "Arrow": table, "codes": coded, "frame": pd.DataFrame(columns), "Parquet": path}


@pytest.mark.parametrize("kind", LABELS)
def test_a_label_that_is_nan_is_missing_in_every_container(kind: str, tmp_path: Path) -> None:
    columns = {"y": np.arange(6.0), "p": np.array([1.0, 1, 3, 2, 5, 5]), "q": np.arange(6.0), "g": LABELS[kind]}
    both: dict[str, Any] = {"target": "y", "pred": {"p": "p", "q": "q"}, "losses": ["mse"]}
    found = {}
    for container, data in containers(columns, tmp_path / "a.parquet").items():
        report = package.evaluate(data, by=["g"], missing="drop", **both)
        found[container] = [(str(cell.slice), cell.rows, cell.value, cell.signature) for cell in report.cells]
        assert report.cells[0].rows == len(LABELS[kind])
        assert [cell.rows for cell in report.cells if cell.slice == {"g": "(missing)"}] == [1, 1]
        units: list[dict[str, Any]] = [{"cluster": "g"}, {"time": "g"}]
        for parts in units:
            with pytest.raises(DataError, match="row 2, column 'g': the value is missing"):
                package.compare(data, **both, **parts)
        with pytest.raises(DataError, match="row 2, column 'g': the key is empty"):
            package.evaluate(data, targets=data, id="g", **both)
    assert all(cells == found["dict"] for cells in found.values()), found


def test_a_class_that_is_nan_is_missing_in_every_container(tmp_path: Path) -> None:
    columns = {
        "g": np.array([0.0, 1, NAN, 1]),
        "p_0": np.array([0.5, 0.25, 0.5, 1]),
        "p_1": np.array([0.5, 0.75, 0.5, 0]),
    }
    for data in containers(columns, tmp_path / "a.parquet").values():
        with pytest.raises(DataError, match="row 3, column 'g': the value is missing"):
            package.evaluate(data, target="g", pred="p_*", losses=["cce"])
        assert package.evaluate(data, target="g", pred="p_*", losses=["cce"], missing="drop").cells[0].rows == 3


def test_text_that_reads_nan_is_a_label(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("y,p,g\n1,2,nan\n2,2,a\n")
    for data in (path, {"y": [1, 2], "p": [2, 2], "g": ["nan", "a"]}):
        cells = package.evaluate(data, target="y", pred="p", losses=["mse"], by=["g"]).cells
        assert [cell.slice.get("g") for cell in cells] == [None, "nan", "a"]


@pytest.mark.parametrize(
    "values",
    [
        [2**53 + 1, None, 2**53],
        np.ma.masked_array([2**53 + 1, 0, 2**53], [False, True, False]),
    ],
)
def test_whole_labels_beside_missing_ones_are_not_rounded(values: Any) -> None:
    data = {"y": [1, 2, 3], "p": [1, 2, 4], "g": values}
    cells = package.evaluate(data, target="y", pred="p", losses=["mse"], by=["g"], missing="drop").cells
    assert [cell.slice.get("g") for cell in cells] == [None, str(2**53), str(2**53 + 1), "(missing)"]


# times -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["9007199254740992", "9007199254740993", "9007199254740994"],
        ["-0.1", "0", "0.1", "0.10000000000000000001", "1e400"],
        ["1e-400", "1", "18446744073709551616", "18446744073709551617"],
        ["2026-01-01 00:00:00.000000001", "2026-01-01 00:00:00.000000002", "2026-01-01 00:00:00.100000000"],
        ["2026-01-01", "2026-01-01T00:00:00.000000001", "20260101T000000,5", "2026-01-01T00:01"],
        ["2026-01-01T01:00:00.000000001+01:00", "2026-01-01T00:00:00.000000002Z", "2026-01-01 01:00:00.1+0100"],
    ],
)
def test_times_are_ordered_to_the_last_digit(words: list[str]) -> None:
    for order in itertools.permutations(range(len(words))):
        assert time_ranks([words[place] for place in order], str).tolist() == list(order)


@pytest.mark.parametrize(
    "words",
    [
        ["9007199254740993", "9007199254740993.0"],
        ["0.1", "1e-1"],
        ["2026-01-01T00:00:00.000000001", "2026-01-01 00:00:00.0000000010"],
        ["2026-01-01T01:00:00.5+01:00", "2026-01-01T00:00:00.50Z"],
        ["2026-01-01", "2026-01-01T00:00:00.000"],
    ],
)
def test_one_time_in_two_spellings_is_one(words: list[str]) -> None:
    with pytest.raises(DataError, match="is the same time as"):
        time_ranks(words, str)


@pytest.mark.parametrize("word", ["nan", "inf", "1_0", "2026-01-01T00.5", "2026-01-01T00:00.5", "2026-01-01T00:00:00."])
def test_what_is_no_time_is_refused(word: str) -> None:
    with pytest.raises(DataError, match=r"place 0: .* is no time"):
        time_ranks([word], lambda place: f"place {place}")


def test_times_a_nanosecond_apart_are_two(tmp_path: Path) -> None:
    times = np.datetime64("2026-01-01T00:00:00", "ns") + np.array([1, 0, 3, 2, 4, 6, 5, 7])
    columns = {"y": np.arange(8.0), "p": np.arange(8.0) ** 2, "q": np.ones(8), "g": times}
    whole = {**columns, "g": 2**53 + np.array([1, 0, 3, 2, 4, 6, 5, 7])}
    found = [
        package.compare(data, target="y", pred=["p", "q"], losses=["mse"], time="g", horizon=2).comparisons
        for part in (columns, whole)
        for data in containers(part, tmp_path / "a.parquet").values()
    ]
    assert found[0][0].difference is not None
    assert all(comparisons == found[0] for comparisons in found)


def test_whole_numbers_are_words_whatever_their_range_and_type(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    groups = np.concatenate([rng.integers(-(10**12), 10**12, 200), [5, -5, 0, 2**62]])
    data = pa.table({"y": np.arange(1000.0), "p": np.zeros(1000), "g": rng.choice(groups, 1000)})
    reports = {}
    for name in ("numbers", "texts"):
        folder = tmp_path / name
        folder.mkdir()
        for part in range(4):  # blocks that bring new numbers and old ones
            piece = data.slice(250 * part, 250)
            kind = pa.int64() if name == "numbers" or part % 2 else pa.string()
            piece = piece.set_column(2, "g", piece.column("g").cast(kind))
            pq.write_table(piece, folder / f"{part}.parquet", row_group_size=60)
        reports[name] = package.evaluate(str(folder), target="y", pred="p", losses=["mse"], by=["g"])
    words = [cell.slice["g"] for cell in reports["numbers"].cells[1:]]
    assert words == sorted(words, key=int)
    assert reports["numbers"].cells == reports["texts"].cells
    assert reports["numbers"].inputs[0].data == reports["texts"].inputs[0].data
    assert sum(cell.rows for cell in reports["numbers"].cells[1:]) == 1000
