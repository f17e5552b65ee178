"""Text columns are read as strictly as numbers: Python's strict csv reader is the oracle; bad rows may be left out."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path
from time import process_time
from typing import Any

import pytest

import lossctl as package
from lossctl.errors import DataError, UsageError
from lossctl.io import records
from lossctl.io.csv import CsvTable
from lossctl.io.source import Dialect, Source
from lossctl.io.table import Kind, Texts, decoded

pytestmark = pytest.mark.deep

Y_P: dict[str, Any] = {"target": "y", "pred": "p", "losses": "mae"}
NAMES = ("a", "b", "c")
PIECES = (
    "x",
    "y1",
    ",",
    ",",
    ",",
    '"',
    '"',
    '""',
    "\n",
    "\n",
    "\r\n",
    " x",
    "# ",
    '"x"',
    '"x,"',
    "x,y,z\n",
    '"a\nb",x,y\n',
)


def columns_of(
    text: str, path: Path, names: tuple[str, ...] = NAMES, **dialect: Any
) -> tuple[list[tuple[str, ...]], str | None]:
    """The rows of some columns as text, an empty field for a missing one, and the error that ends them."""
    path.write_bytes(text.encode())
    table = CsvTable(Source(str(path)), Dialect(**dialect))
    rows: list[tuple[str, ...]] = []
    try:
        for piece in decoded(table.read(dict.fromkeys(names, Kind.TEXT))):
            columns = [piece.column(name, Texts) for name in names]
            rows += [tuple(column.word(row) for column in columns) for row in range(piece.rows)]
    except DataError as error:
        return rows, str(error)
    return rows, None


def strict_rows(text: str, strict: bool = True) -> list[tuple[str, ...]] | None:
    """What the strict reader reads below the header, without empty lines; None where it refuses or a row is ragged."""
    lines = io.StringIO(text, newline="")
    try:
        rows = [tuple(row) for row in csv.reader(lines, strict=strict) if row and not is_blank(row)]
    except csv.Error:
        return None
    return rows[1:] if all(len(row) == len(NAMES) for row in rows) else None


def is_blank(row: list[str]) -> bool:
    return len(row) == 1 and row[0] != "" and not row[0].strip(" \t")


GOOD = ("x,y,z\n", '"x","y ""2""","z"\r\n', '"x\n",,"a,b"\n', "\n", " \n", '"",,\n')


def some_texts(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    texts = []
    for _ in range(count):
        odd = "".join(rng.choices(PIECES, k=rng.randrange(0, 12)))
        lines = [*rng.choices(GOOD, k=rng.randrange(0, 6)), odd, *rng.choices(GOOD, k=rng.randrange(0, 3))]
        texts.append("a,b,c\n" + "".join(lines))
    return texts


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
@pytest.mark.parametrize("block", [1, 3, 1 << 16])
@pytest.mark.parametrize("count", [120, pytest.param(1000, marks=pytest.mark.slow)])
def test_what_is_read_is_what_the_strict_reader_reads(
    tmp_path: Path, step: int, block: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "STEP", step)
    monkeypatch.setattr(records, "BLOCK", block)
    accepted = 0
    for text in some_texts(count, step + block):
        rows, error = columns_of(text, tmp_path / "t.csv")
        expected = strict_rows(text)
        some_rows, some_error = columns_of(text, tmp_path / "t.csv", ("a", "c"))
        if some_error is None:  # in a column that is not read, text may stand behind a closing quote
            some = strict_rows(text) or strict_rows(text, strict=False)
            assert some is not None, text
            assert some_rows == [(a, c) for a, _, c in some], text
        if error is None:
            assert rows == expected, text
            accepted += bool(rows)
        elif expected is not None:
            assert "a quote stands inside a field" in error, text
            assert '"' in text
        else:
            assert f"row {len(rows) + 1}" in error, text
    assert accepted > 10


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
@pytest.mark.parametrize("count", [60, pytest.param(500, marks=pytest.mark.slow)])
def test_rows_that_are_left_are_right_and_the_others_are_named(
    tmp_path: Path, step: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "STEP", step)
    monkeypatch.setattr(records, "BLOCK", 4)
    rng = random.Random(step)
    good = ["1,x,2\n", '3,"x, y",4\n', '5,"say ""hi""",6\n', '7,"two\nlines",8\n', "9,,10\n"]
    bad = ["1,2\n", "1,2,3,4\n", '1,"x"y,2\n', '1,5" x,2\n', '1,"x,2\n', 'x"\n']
    for _ in range(count):
        lines = [rng.choice(bad if rng.random() < 0.2 else good) for _ in range(rng.randrange(1, 30))]
        path = tmp_path / "t.csv"
        path.write_text("a,b,c\n" + "".join(lines))
        table = CsvTable(Source(str(path)), Dialect(bad_rows="drop"))
        rows = []
        for piece in decoded(table.read({"a": Kind.NUMBER, "b": Kind.TEXT, "c": Kind.NUMBER})):
            words = piece.column("b", Texts)
            numbers = [piece[name].values[0].tolist() for name in "ac"]  # type: ignore[attr-defined]
            rows += [(numbers[0][i], words.word(i), numbers[1][i]) for i in range(piece.rows)]
        kept = [line for line in lines if line in good]
        expected = [(float(a), b, float(c)) for a, b, c in csv.reader(io.StringIO("".join(kept), newline=""))]
        if any(line in ('1,"x,2\n', 'x"\n') for line in lines):  # which rows an open quote swallows is in doubt
            assert set(rows) <= set(expected)
        else:
            assert rows == expected
            assert sum(map(len, table.bad_rows.values())) == len(lines) - len(kept)


BAD = 'y,p,w\n1,1.5,a\n2,2.5\n3,3.5,"b"x\n4,4.5,c,d\n5,5.5,5" e\n6,6.5,"f\n7,7.25,g\n'


def test_bad_rows_are_counted_and_named(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text(BAD)
    (tmp_path / "good.csv").write_text("y,p,w\n1,1.5,a\n7,7.25,g\n")
    path = str(tmp_path / "bad.csv")
    with pytest.raises(DataError, match=r"bad.csv: row 2: 2 fields, but the header has 3; --bad-rows drop"):
        package.evaluate(path, **Y_P)
    report = package.evaluate(path, **Y_P, bad_rows="drop", by="w")
    good = package.evaluate(str(tmp_path / "good.csv"), **Y_P, by="w")
    assert [cell.value for cell in report.cells] == [cell.value for cell in good.cells]
    entry = report.inputs[0]
    assert (entry.rows, entry.used, dict(entry.dropped)) == (7, 2, {"bad row:fields": 2, "bad row:quote": 3})
    assert any(
        "2 bad rows left out, of another number of fields than the header: row 2, 4" in w for w in report.warnings
    )
    assert any("3 bad rows left out, with quotes where none may stand: row 3, 5, 6" in w for w in report.warnings)
    assert "drop:2(bad row:fields),3(bad row:quote)" in report.cells[0].signature
    assert entry.data != good.inputs[0].data
    assert package.validate(path, **Y_P, bad_rows="drop").works


def test_rows_after_bad_ones_are_named_as_they_stand(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text(BAD + "8,x,h\n")
    with pytest.raises(DataError, match="row 8, column 'p': 'x' is not a number"):
        package.evaluate(str(tmp_path / "bad.csv"), **Y_P, bad_rows="drop")
    (tmp_path / "bad.csv").write_text(BAD + "8,,h\n")
    with pytest.raises(DataError, match="row 8, column 'p': the value is missing"):
        package.evaluate(str(tmp_path / "bad.csv"), **Y_P, bad_rows="drop")


def test_bad_rows_count_where_labels_are_looked_at_again(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text('y,p\nu,u\nu,v\n"v,v\nv,v\nv,v\n')
    question: dict[str, Any] = {"target": "y", "pred": "p", "losses": "zero_one", "bad_rows": "drop"}
    report = package.evaluate(str(tmp_path / "bad.csv"), **question)
    assert (report.inputs[0].rows, dict(report.inputs[0].dropped)) == (5, {"bad row:quote": 1})
    assert package.check(str(tmp_path / "bad.csv"), **question, max="zero_one=1").verdict == "fail"


def test_a_survey_counts_bad_rows_behind_the_row_where_a_reading_stops(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("y,p\n1,1\n2,x\n3\nz,4\n")
    (tmp_path / "bad.jsonl").write_text('{"y": 1, "p": 1}\n{"y": 2, "p": "x"}\n3\n{"y": "z", "p": 4}\n')
    for name in ("bad.csv", "bad.jsonl"):
        survey = package.validate(str(tmp_path / name), **Y_P, bad_rows="drop")
        assert any(f"{name}: row 4, column 'y': 'z' is not a number" in text for text in survey.problems)
    lines = ["1,x", *["1,2"] * 70_000, "1,2,3", "z,2"]
    (tmp_path / "long.csv").write_text("y,p\n" + "\n".join(lines) + "\n")
    survey = package.validate(str(tmp_path / "long.csv"), **Y_P, bad_rows="drop")
    assert any("row 70003, column 'y': 'z' is not a number" in text for text in survey.problems)


def test_bad_rows_of_files_paired_by_their_order_are_not_dropped(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("id,p\n1,1.5\n2,2.5,9\n3,3.5\n")
    (tmp_path / "truth.csv").write_text("id,y\n3,3\n1,1\n")
    question: dict[str, Any] = {**Y_P, "targets": str(tmp_path / "truth.csv"), "bad_rows": "drop"}
    with pytest.raises(UsageError, match=r"--bad-rows drop: .* --id COLUMN"):
        package.evaluate(str(tmp_path / "bad.csv"), **question)
    report = package.evaluate(str(tmp_path / "bad.csv"), **question, id="id")
    assert (report.cells[0].rows, report.cells[0].value) == (2, 0.5)


def test_lines_that_are_no_object_may_be_dropped(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"y": 1, "p": 1.5}\n{"y": 2\nnull\n{"y": 3, "p": 3.5}\n')
    report = package.evaluate(str(tmp_path / "a.jsonl"), **Y_P, bad_rows="drop")
    assert (report.cells[0].rows, dict(report.inputs[0].dropped)) == (2, {"bad row:json": 2})


def test_a_check_drops_bad_rows_within_a_limit_only(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text(BAD)
    question: dict[str, Any] = {**Y_P, "max": "mae=1", "bad_rows": "drop"}
    assert package.check(str(tmp_path / "bad.csv"), **question).verdict == "fail"
    for limit, verdict in ((4, "fail"), ("4", "fail"), ("70%", "fail"), (5, "pass"), ("72%", "pass")):
        assert package.check(str(tmp_path / "bad.csv"), **question, max_dropped=limit).verdict == verdict
    with pytest.raises(UsageError, match="--max-dropped 'many'"):
        package.check(str(tmp_path / "bad.csv"), **question, max_dropped="many")
    missing = {"y": [1.0, 2.0], "p": [1.0, float("nan")]}
    assert package.check(missing, **Y_P, max="mae=1", missing="drop", max_dropped=0).verdict == "fail"


# what the rows begin with, what is repeated after it, how often, and the error
ENDLESS = {
    "a quote that is never closed": (b'1,2,x\n3,4,"open\n', b"1.5,2.5,more\n", 600_000, "row 2: a quote opens a field"),
    "quotes alone": (b"", b'"', 2_000_001, "row 1: a quote opens a field"),
    "commas alone": (b"", b",", 4_000_000, "row 1: 4000001 fields"),
    "a long field": (b"1,2,", b"x", 34 << 20, "row 1 or one after it: one row is longer than 32 MiB"),
}


@pytest.mark.parametrize("content", ENDLESS)
def test_a_text_without_an_end_takes_time_as_it_is_long(tmp_path: Path, content: str) -> None:
    path = tmp_path / "data.csv"
    start, again, count, says = ENDLESS[content]
    path.write_bytes(b"y,p,n\n" + start + again * count)
    begun = process_time()
    with pytest.raises(DataError, match=says):
        package.evaluate(str(path), target="y", pred="p", losses="mse")
    assert process_time() - begun < 5.0  # a half on a machine at rest; minutes where each byte is looked at often


def test_returns_that_end_lines_are_read_as_line_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lossctl.io.records.STEP", 7)  # so that they stand at the ends of steps, too
    data = {"y": [1.0, 2.0, 3.0], "p": [2.0, 4.0, 6.0]}
    mean = package.evaluate(data, target="y", pred="p", losses="mse").value("mse")
    for end in (b"\n", b"\r\n", b"\r"):
        for rows in ([b"y,p", b"1,2", b"2,4", b"3,6"], [b"y,p", b"1,2", b"", b"2,4", b"3,6", b""]):
            path = tmp_path / "data.csv"
            path.write_bytes(end.join(rows))
            report = package.evaluate(str(path), target="y", pred="p", losses="mse")
            assert report.value("mse") == mean
