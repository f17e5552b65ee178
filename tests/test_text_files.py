"""Text files as they come: what is no row and no column, dialects, lists of objects; errors name the option."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

import lossctl as package
from lossctl.errors import DataError, UsageError

Y_P: dict[str, Any] = {"target": "y", "pred": "p", "losses": "mae"}


def mae(path: Path, content: str | bytes | None = None, **options: Any) -> float:
    """The mean absolute error of p in a file."""
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    value = package.evaluate(str(path), **{**Y_P, **options}).cells[0].value
    assert value is not None
    return value


def refusal(path: Path, content: str | bytes | None = None, **options: Any) -> str:
    with pytest.raises((DataError, UsageError)) as caught:
        mae(path, content, **options)
    return str(caught.value).replace(f"{path.parent}/", "")


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    return tmp_path / "a.csv"


# marks of missing values ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", ["-999", "-999.0", "-9.99e2"])
@pytest.mark.parametrize("cell", ["-999", "-999.0", "-999.00", "-9.99e+02", " -999"])
@pytest.mark.parametrize(
    "form", ["{0},{1},{0}\n", '{{"y":{0},"p":{1},"g":{0}}}\n', '{{"y":"{0}","p":{1},"g":"{0}"}}\n']
)
def test_a_number_that_marks_a_missing_value_does_so_however_it_is_written(
    tmp_path: Path, mark: str, cell: str, form: str
) -> None:
    path = tmp_path / ("a.csv" if form[0] == "{" and form[1] == "0" else "a.jsonl")
    text = (
        ("y,p,g\n" if path.suffix == ".csv" else "")
        + form.format("1", "2")
        + form.format(cell, "2")
        + form.format("3", "6")
    )
    assert mae(path, text, null=mark, missing="drop") == 2.0
    assert package.validate(path, target="y", pred="p", null=mark).tables[0].columns[0].missing == 1
    assert "the value is missing" in refusal(path, text, null=["?", mark])


def test_a_number_that_marks_a_missing_label_does_so_with_and_without_its_point(csv_file: Path) -> None:
    csv_file.write_text("y,p,g\n1,2,-999\n1,2,-999.0\n1,2,7\n1,2,a\n")
    report = package.evaluate(csv_file, **Y_P, by="g", null="-999")
    assert {str(cell.slice["g"]): cell.rows for cell in report.cells if cell.slice} == {"(missing)": 2, "7": 1, "a": 1}


def test_an_escaped_quote_may_stand_in_a_field_without_quotes(csv_file: Path) -> None:
    csv_file.write_text('y,p,g\n1,2,5 \\" long\n2,4,b\n')
    report = package.evaluate(csv_file, **Y_P, by="g", escape="\\")
    assert {str(cell.slice["g"]) for cell in report.cells if cell.slice} == {'5 " long', "b"}
    assert "--escape '\\'" in refusal(csv_file, by="g")
    assert "a quote stands inside a field" in refusal(csv_file, 'y,p,g\n1,2,5 \\" "long\n2,4,b\n', by="g", escape="\\")


def test_a_link_to_nothing_is_called_one(tmp_path: Path) -> None:
    (tmp_path / "a.csv").symlink_to("nowhere.csv")
    assert refusal(tmp_path / "a.csv") == "a.csv: is a link to nowhere.csv, where there is nothing"


# what is no row ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["\n", " \r\n"])
@pytest.mark.parametrize("quoted", [False, True])
def test_a_million_empty_lines_cost_little(csv_file: Path, line: str, quoted: bool) -> None:
    lines, begun = line * 1_000_000, time.process_time()
    assert mae(csv_file, f'y,p,s\n1,2,"{lines}"\n1,2,a\n' if quoted else f"y,p,s\n1,2,b\n{lines}1,2,a\n", by="s") == 1.0
    assert time.process_time() - begun < 2.0


@pytest.mark.parametrize("empty", ["\n", "\r\n", "  \n", "\t\n", "\n\n \n"])
@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.csv.gz"])
def test_an_empty_line_is_no_row(tmp_path: Path, empty: str, place: int, name: str) -> None:
    lines = ["y,p,w\n", "1,1.5,a\n", '2,2.5,"b\n\nc"\n']
    text = "".join([*lines[:place], empty, *lines[place:]])
    if name == "a.tsv":
        text = text.replace("\t", " ").replace(",", "\t")  # a tab would make a row of two fields
    if name == "a.csv.gz":
        import gzip

        assert mae(tmp_path / name, gzip.compress(text.encode())) == 0.5
    else:
        assert mae(tmp_path / name, text) == 0.5
    labels = [cell.slice for cell in package.evaluate(str(tmp_path / name), **Y_P, by="w").cells if cell.slice]
    assert labels == [{"w": "a"}, {"w": "b\n\nc"}]


def test_rows_are_counted_without_empty_lines_and_comments(csv_file: Path) -> None:
    text = "# by hand\n\ny,p\n1,1\n\n# more\n2,2\n\n3,x\n"
    assert refusal(csv_file, text, comment="#").startswith("a.csv: row 3, column 'p': 'x' is not a number")


def test_a_first_field_that_is_empty_is_no_empty_line(tmp_path: Path) -> None:
    text = "g\ty\tp\n\t1\t1.5\n\t2\t2.5\n \t3\t3.5\n"
    assert package.evaluate(str(write(tmp_path / "a.tsv", text)), **Y_P).cells[0].rows == 3


@pytest.mark.parametrize("step", [1, 2, 5, 1 << 20])
@pytest.mark.parametrize("quoted", ["3", '"3"'])
def test_empty_lines_of_one_column_at_any_place(
    tmp_path: Path, step: int, quoted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lossctl.io import records

    monkeypatch.setattr(records, "STEP", step)
    monkeypatch.setattr(records, "BLOCK", 2)
    path = write(tmp_path / "a.csv", f"y\n\n1\n\n\n2\r\n\r\n{quoted}\n\n \n\n\n\n")
    report = package.evaluate(str(path), target="y", pred="y", losses="mae", missing="drop")
    assert (report.inputs[0].rows, report.inputs[0].used) == (7, 3)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_in_a_file_of_one_column_an_empty_line_between_rows_is_a_missing_value(tmp_path: Path) -> None:
    write(tmp_path / "truth.csv", "y\n1\n2\n3\n")
    path = write(tmp_path / "p.csv", "p\n1\n\n3.5\n\n\n")
    options: dict[str, Any] = {"targets": str(tmp_path / "truth.csv")}
    assert refusal(path, **options).startswith("p.csv: row 2, column 'p': the value is missing")
    assert mae(path, **options, missing="drop") == 0.25


@pytest.mark.parametrize("comment", ["#", "//", "%"])
@pytest.mark.parametrize("beside", ["", '"quoted, ""so"""', '"two\nlines"'])
def test_lines_that_begin_with_a_comment_are_none(csv_file: Path, comment: str, beside: str) -> None:
    note = f'{comment} an "odd, note\n'
    inner = f'"of\n{comment} text"'
    text = f"{note}y,p,w\n{note}1,1.5,{beside}\n{note}{note}2,2.5,{inner}\n{note}"
    assert mae(csv_file, text, comment=comment) == 0.5
    report = package.evaluate(str(csv_file), **Y_P, by="w", comment=comment, missing="drop")
    assert f"of\n{comment} text" in [cell.slice["w"] for cell in report.cells if cell.slice]


def test_a_first_line_that_may_be_a_comment_is_told(csv_file: Path) -> None:
    assert "if its first line is a comment, add --comment '#'" in refusal(csv_file, "# a note\ny,p\n1,1.5\n")
    assert "if its first line is a comment, add --comment '#'" in refusal(csv_file, "# of, two\ny,p\n1,1.5\n")


# what is no column ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["y,p,,", "y,p,note,note", ",y,p,", "note,y,note,p"])
def test_columns_without_a_name_or_with_the_same_matter_only_if_they_are_asked_for(csv_file: Path, header: str) -> None:
    places = {name: place for place, name in enumerate(header.split(","))}
    rows = [["x"] * 4, ["z"] * 4]
    for row, (y, p) in zip(rows, ((1, 1.5), (2, 2.5)), strict=True):
        row[places["y"]], row[places["p"]] = str(y), str(p)
    assert mae(csv_file, "\n".join([header, *map(",".join, rows)])) == 0.5
    assert package.validate(str(csv_file), **Y_P).works


@pytest.mark.parametrize("option", ["target", "pred", "weight", "by", "id"])
def test_a_column_that_is_asked_for_and_named_twice(tmp_path: Path, option: str) -> None:
    write(tmp_path / "a.csv", "y,p,w,w\n1,1.5,1,2\n2,2.5,3,4\n")
    table = pa.Table.from_arrays([pa.array([1.0, 2.0])] * 4, names=["y", "p", "w", "w"])
    pq.write_table(table, tmp_path / "a.parquet")
    frame = pd.DataFrame([[1.0, 1.5, 1.0, 2.0]] * 2, columns=["y", "p", "w", "w"])
    for data in (str(tmp_path / "a.csv"), str(tmp_path / "a.parquet"), table, frame):
        assert package.evaluate(data, **Y_P).cells[0].rows == 2
        with pytest.raises(DataError, match="names 'w' more than once"):
            package.evaluate(data, **{**Y_P, option: "w"})
    with pytest.raises(DataError, match="names 'w' more than once"):
        package.evaluate(str(tmp_path / "a.csv"), **{**Y_P, "pred": "[pw]*"})


@pytest.mark.parametrize("delimiter", [None, ";", "blanks"])
def test_a_file_without_a_header(csv_file: Path, delimiter: str | None) -> None:
    text = "1,1.5\n2,2.5\n".replace(",", {None: ",", ";": ";", "blanks": "   "}[delimiter])
    options: dict[str, Any] = {"delimiter": delimiter, "target": "column0", "pred": "column1"}
    assert mae(csv_file, text, no_header=True, **options) == 0.5
    assert "if its first line holds data, add --no-header" in refusal(csv_file, **options)


# dialects ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.jsonl"])
@pytest.mark.parametrize("packed", [False, True])
def test_text_of_wide_characters_by_its_mark(tmp_path: Path, encoding: str, name: str, packed: bool) -> None:
    rows = [{"y": 1, "p": 1.5, "w": "é"}, {"y": 2, "p": 2.5, "w": "😀"}]
    texts = {
        "a.csv": "y,p,w\n" + "".join(f"{row['y']},{row['p']},{row['w']}\n" for row in rows),
        "a.json": json.dumps(rows, ensure_ascii=False),
        "a.jsonl": "\n".join(json.dumps(row, ensure_ascii=False) for row in rows),
    }
    content = texts[name].encode(encoding)
    if packed:
        import bz2

        name, content = f"{name}.bz2", bz2.compress(content)
    assert mae(tmp_path / name, content) == 0.5
    labels = [cell.slice for cell in package.evaluate(str(tmp_path / name), **Y_P, by="w").cells if cell.slice]
    assert labels == [{"w": "é"}, {"w": "😀"}]


def test_wide_text_that_is_cut_short_is_named(csv_file: Path) -> None:
    assert "begins as utf-16" in refusal(csv_file, "y,p\n1,2\n".encode("utf-16")[:-1])
    assert "iconv" in refusal(csv_file, "y,p\n1,2\n".encode("utf-16-le"))


@pytest.mark.parametrize("separator", [";", ",", "|", "\t"])
def test_a_first_line_that_says_the_separator(csv_file: Path, separator: str) -> None:
    text = f"sep={separator}\r\ny,p\r\n1,1.5\r\n2,2.5\r\n"
    assert mae(csv_file, text.replace(",", separator)) == 0.5
    for end in ("\n", "\r\n", "\r"):
        lines = ["# made by a tool", "", f"sep={separator}", "# and its header", f"y{separator}p", f"1{separator}1.5"]
        assert mae(csv_file, end.join(lines) + end, comment="#") == 0.5
        assert mae(csv_file, "\ufeff" + end.join(lines[:3] + lines[4:]) + end, comment="#") == 0.5


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("y;p\n1,0;1,5\n2;2,5\n", {"delimiter": ";", "decimal": ","}),
        ('y,p\n"1,0","1,5"\n2,"2,5"\n', {"decimal": ","}),
        ("y;p\n1.000;1.000,5\n-2;-2,5\n", {"delimiter": ";", "decimal": ",", "thousands": "."}),
        ("y;p\n1,000;1,001\n1,234,567.5;1,234,567.5\n", {"delimiter": ";", "thousands": ","}),
        ("y;p\n1 000;1 001\n1 234 567.5;1234567.5\n", {"delimiter": ";", "thousands": " "}),
        ("y;p\n1'000;1'001\n3; 3 \n", {"delimiter": ";", "thousands": "'"}),
        ("y;p\n1\u202f000;1\u202f001\n3;3e0\n", {"delimiter": ";", "thousands": "\u202f"}),
        ("y  p\n 1   1.5\n2\t\t 2.5  \n", {"delimiter": "blanks"}),
        ('y  p w\n 1   1.5 "a  b"\n2\t\t 2.5  "c\td"\n', {"delimiter": "blanks"}),
        ('"y","p"\n"1","1.5"\n"2"," 2.5 "\n', {}),
        ("'y','p','w'\n1,'1.5','a, ''b'''\n2,2.5,\"\n", {"quote": "'"}),
        ('y,p,w\n1,1.5,"a\n2,2.5,b"c\n', {"quote": "none"}),
        ('y,p,w\n1,1.5,"a\\"b"\n2,2.5,c\\,d\n', {"escape": "\\"}),
        ("y,p\r1,1.5\r2,2.5\r", {}),
        ("y,p\n1,1.5\r2,2.5\n", {}),
    ],
)
def test_a_dialect(csv_file: Path, text: str, options: dict[str, Any]) -> None:
    assert mae(csv_file, text, **options) == 0.5
    assert package.validate(str(csv_file), **Y_P, **options).works


@pytest.mark.parametrize(
    ("text", "options", "advice"),
    [
        ("y;p\n1;1,5\n", {"delimiter": ";"}, "--decimal , reads it as 1.5"),
        ("y;p\n1;1.234,5\n", {"delimiter": ";"}, "--decimal , --thousands . reads it as 1234.5"),
        ("y;p\n1;1,234.5\n", {"delimiter": ";"}, "--thousands , reads it as 1234.5"),
        ("y;p\n1;1,234\n", {"delimiter": ";"}, "--decimal , reads it as 1.234, --thousands , reads it as 1234"),
        ("y;p\n1;1 234\n", {"delimiter": ";"}, "--thousands ' ' reads it as 1234"),
        ("y,p\n1,-\n", {}, "--null -"),
        ("y,p\n1,?\n", {}, "--null '?'"),
        ("y p\n1  2\n", {"delimiter": " "}, "-d blanks"),
        ("y  p\n1  2\n", {}, "-d blanks"),
        ('y,p\n1,"2"x\n', {}, "text stands after the closing quote"),
        ('y,p,w\n1,2,"2"x\n', {"by": "w"}, "--quote none"),
        ('y,p,w\n1,2,"a,b"\n3,4,"2"x\n', {"by": "w"}, "closing quote of a field; --bad-rows drop"),
        ("y,p,w\n1,2,'a,b'\n", {}, '''if the file is written so, add --quote "'"'''),
        ("y,p,w\n1,2,'a,b'\n1,3,'c'\n", {}, '''if the file is written so, add --quote "'"'''),
        ('y,p,w\n1,2,"a\\"b,c"\n', {}, "--escape '\\'"),
        ("y,p\n1,2\n# x,y,z\n", {}, "if that line is a comment, add --comment '#'"),
        ("y,p\n1,2,3\n4,5,6\n", {}, "as all rows looked at have; name every column in the header"),
        ("y,p\n1,2\ny,p\n", {}, "the header stands there again"),
        ("y,p\n1,2\ny,p\n", {"bad_rows": "drop"}, "'p' is not a number: the header stands there again"),
        ("28/01/2018,1,2.5\n29/01/2018,2,3.5\n", {}, "if its first line holds data, add --no-header"),
        ("Report,\n,\ny,p\n1,2\n", {}, "if line 3 is its header, cut off what is above: tail -n +3"),
        ("Report\n\ny,p\n1,2\n", {}, "if line 3 is its header, cut off what is above: tail -n +3"),
        ("y,p,w\n1,2\n3,4\n", {"bad_rows": "drop"}, "all 2 rows are bad"),
        (b"y,p,w\n1,2,caf\xe9\n", {"by": "w"}, "iconv -f CP1252 -t UTF-8"),
        ('y,p,w\n1,2,"a\\"b"\n', {"by": "w"}, "--escape '\\'"),
        ('y,p,w\n1,2,5" pipe\n', {"by": "w"}, "column 'w': a quote stands inside a field; if the file is written so"),
        ('y,p,w\n1,2,"a\n3,4,b\n', {}, "row 1: a quote opens a field and is never closed"),
    ],
)
def test_an_error_names_the_option(csv_file: Path, text: str, options: dict[str, Any], advice: str) -> None:
    assert advice in refusal(csv_file, text, **options)


def test_text_after_a_quote_gets_no_advice_that_would_not_work(csv_file: Path) -> None:
    assert "--quote" not in refusal(csv_file, 'y,p\n1,"2"x\n')


@pytest.mark.parametrize(("given", "wrong"), [("1,23", "thousands"), ("1.5", "decimal"), ("1,2,3", "thousands")])
def test_marks_stand_where_they_belong(csv_file: Path, given: str, wrong: str) -> None:
    options = {"decimal": ","} if wrong == "decimal" else {"thousands": ","}
    assert f"'{given}' is not a number" in refusal(csv_file, f"y;p\n1;{given}\n", delimiter=";", **options)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"decimal": ",", "thousands": ","}, "--decimal and --thousands are both ','"),
        ({"delimiter": "#", "comment": "#"}, "-d and --comment are both '#'"),
        ({"quote": "ab"}, "--quote 'ab': one ASCII character"),
        ({"decimal": "1"}, "--decimal '1': one character"),
        ({"comment": " "}, "--comment ' '"),
        ({"quote": '"', "comment": '"'}, "--quote and --comment are both"),
        ({"quote": ","}, "-d and --quote are both ','"),
        ({"escape": ","}, "-d and --escape are both ','"),
        ({"comment": ","}, "-d and --comment are both ','"),
    ],
)
def test_marks_that_mean_two_things_or_nothing(csv_file: Path, options: dict[str, Any], says: str) -> None:
    assert says in refusal(csv_file, "y,p\n1,2\n", **options)


BEGINNINGS = ["-", "+", ".", "1", "-1", "-.", "n", "I", "é", " -", '"-', ",5"]


@pytest.mark.parametrize(
    ("option", "marks", "says"),
    [
        ("comment", BEGINNINGS, "rows may begin so, too"),
        ("quote", "-+.1n", "numbers and words are written with it"),
        ("escape", "-+.1n", "numbers and words are written with it"),
    ],
)
def test_marks_of_which_numbers_and_words_consist_are_none(
    csv_file: Path, option: str, marks: Sequence[str], says: str
) -> None:
    """They would leave out the rows below 0, or take their signs away."""
    write(csv_file, "y,p\n1,1\n-5,5\n2,2\n")
    for mark in marks:
        options: dict[str, Any] = {**Y_P, option: mark}
        for read in (package.evaluate, package.compare, lambda path, **more: package.check(path, max="mae=1", **more)):
            with pytest.raises(UsageError) as refused:
                read(str(csv_file), **options)
            assert str(refused.value).startswith(f"--{option} {mark!r}: {says}")


@pytest.mark.parametrize("comment", ["#", "//", "--", "%", ";", "!", "*", " #", "'", "@", "_", "+="])
def test_other_marks_begin_comments(csv_file: Path, comment: str) -> None:
    assert mae(csv_file, f"y,p\n1,2\n{comment} 3,9\n-1,0\n", comment=comment) == 1.0


def test_a_survey_reads_numbers_as_the_dialect_writes_them(csv_file: Path) -> None:
    write(csv_file, "y;p\n1.000,0;1.001,5\n2,5;?\n3;1,5\n")
    options: dict[str, Any] = {"delimiter": ";", "decimal": ",", "thousands": ".", "null": "?", "missing": "drop"}
    columns = package.validate(str(csv_file), **Y_P, **options).tables[0].columns
    assert [(c.minimum, c.maximum, c.null + c.empty, c.odd) for c in columns] == [
        (2.5, 1000.0, 0, None),
        (1.5, 1001.5, 1, None),
    ]


# whole numbers, lists ------------------------------------------------------------------------------------------------

ODD = (1 << 53) + 1


@pytest.mark.parametrize("container", ["csv", "json", "jsonl", "parquet", "npy", "npz", "dict", "objects", "frame"])
@pytest.mark.parametrize("value", [ODD, -ODD, (1 << 62) + 1, (1 << 63) - 1])
def test_a_whole_number_that_would_lose_a_digit_is_refused_in_every_container(
    tmp_path: Path, container: str, value: int
) -> None:
    y, p = np.array([1, 1, value]), np.array([1.0, 1.0, 1.0])
    data: Any = str(tmp_path / f"y.{container}")
    options: dict[str, Any] = {}
    if container == "csv":
        write(Path(data), "y,p\n" + "".join(f"{a},{b}\n" for a, b in zip(y, p, strict=True)))
    elif container in ("json", "jsonl"):
        rows = [{"y": int(a), "p": float(b)} for a, b in zip(y, p, strict=True)]
        write(Path(data), json.dumps(rows) if container == "json" else "\n".join(map(json.dumps, rows)))
    elif container == "parquet":
        pq.write_table(pa.table({"y": y, "p": p}), data, row_group_size=2)
    elif container == "npy":
        np.save(tmp_path / "y.npy", y)
        np.save(tmp_path / "p.npy", p)
        data, options = str(tmp_path / "p.npy"), {"targets": str(tmp_path / "y.npy")}
    elif container == "npz":
        np.savez(data, y=y, p=p)
    else:
        values: Any = [int(entry) for entry in y] if container == "objects" else y
        data = {"y": np.array(values, dtype=object) if container == "objects" else values, "p": p}
        data = pd.DataFrame(data) if container == "frame" else data
    with pytest.raises(DataError, match=rf"row 3, column 'y': {value} is a whole number beyond 2\^53 .* exactly"):
        package.evaluate(data, **Y_P, **options)


@pytest.mark.parametrize("value", [1 << 53, -(1 << 53), 1 << 62, 1 << 60])
def test_a_whole_number_that_a_float_holds_is_read(tmp_path: Path, value: int) -> None:
    text = f"y,p\n{value},{value}\n1,2\n"
    assert mae(tmp_path / "a.csv", text) == 0.5
    assert mae(tmp_path / "a.jsonl", f'{{"y": {value}, "p": {value}}}\n{{"y": 1, "p": 2}}\n') == 0.5
    for data in ({"y": np.array([value, 1]), "p": np.array([value, 2])}, pa.table({"y": [value, 1], "p": [value, 2]})):
        assert package.evaluate(data, **Y_P).cells[0].value == 0.5


MASKS = [[[1, 0], [0, 1]], [[0, 0], [1, 1]]], [[[0.9, 0.2], [0.1, 0.8]], [[0.3, 0.1], [0.9, 0.6]]]


@pytest.mark.parametrize("container", ["list", "large", "fixed", "mixed", "jsonl", "json", "array"])
def test_lists_in_lists_are_flattened_as_arrays_are(tmp_path: Path, container: str) -> None:
    y, p = (np.array(values, dtype=float) for values in MASKS)
    expected = package.evaluate({"y": y, "p": p}, target="y", pred="p", losses=["dice", "bce"]).cells
    types: dict[str, Any] = {
        "list": pa.list_(pa.list_(pa.float64())),
        "large": pa.large_list(pa.large_list(pa.float32())),
        "fixed": pa.list_(pa.list_(pa.float64(), 2), 2),
        "mixed": pa.list_(pa.list_(pa.float64()), 2),
    }
    data: Any = {"y": y.reshape(2, 4), "p": p.reshape(2, 4)}
    if container in types:
        table = pa.table({"y": pa.array(y.tolist(), types[container]), "p": pa.array(p.tolist(), types[container])})
        data = str(tmp_path / "a.parquet")
        pq.write_table(table, data)
        assert [c.rows for c in package.evaluate(table, target="y", pred="p", losses="dice").cells] == [2]
    elif container != "array":
        rows = [{"y": a, "p": b} for a, b in zip(y.tolist(), p.tolist(), strict=True)]
        data = str(write(tmp_path / f"a.{container}", json.dumps(rows)))
        if container == "jsonl":
            write(Path(data), "\n".join(map(json.dumps, rows)))
    cells = package.evaluate(data, target="y", pred="p", losses=["dice", "bce"]).cells
    assert [cell.value for cell in cells] == pytest.approx([cell.value for cell in expected], rel=1e-6)


@pytest.mark.parametrize("ragged", [[[1, 0], [1]], [[1, 0]], [1, 0], [[1, None], [1, 1]]])
def test_lists_in_lists_of_other_lengths_are_refused(tmp_path: Path, ragged: Any) -> None:
    rows = [{"y": [[1, 0], [0, 1]], "p": [[1, 0], [0, 1]]}, {"y": ragged, "p": [[1, 0], [0, 1]]}]
    path = write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)))
    with pytest.raises(DataError, match="row 2, column 'y': ha"):
        package.evaluate(str(path), target="y", pred="p", losses="bce")
    if isinstance(ragged[0], list):
        pq.write_table(pa.table({name: [row[name] for row in rows] for name in ("y", "p")}), tmp_path / "a.parquet")
        with pytest.raises(DataError, match="column 'y' ha"):
            package.evaluate(str(tmp_path / "a.parquet"), target="y", pred="p", losses="bce")


# JSON ----------------------------------------------------------------------------------------------------------------

RECORDS = [{"y": i, "p": i + 0.5, "w": 'a ],[ "b" {é'} for i in range(50)]


@pytest.mark.parametrize("indent", [None, 0, 2])
@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_a_list_of_objects(tmp_path: Path, indent: int | None, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from lossctl.io import records

    monkeypatch.setattr(records, "STEP", step)
    text = json.dumps(RECORDS, indent=indent, ensure_ascii=False)
    assert mae(tmp_path / "a.json", f" \n{text}\r\n") == 0.5
    assert mae(tmp_path / "odd_name.txt", text) == 0.5
    assert package.evaluate(str(tmp_path / "a.json"), **Y_P).cells[0].rows == len(RECORDS)


def test_members_of_objects_are_columns(tmp_path: Path) -> None:
    rows = [{"y": i, "pred": {"score": i + 0.5, "of": {"a": i}}, "g.h": "x"} for i in range(5)]
    path = tmp_path / "a.jsonl"
    text = "\n".join(map(json.dumps, rows))
    assert mae(path, text, pred="pred.score") == 0.5
    assert mae(path, pred="pred.of.a", by="g.h") == 0.0
    assert mae(path, pred="pred.s*") == 0.5
    assert "it has y, pred.score, pred.of.a, g.h" in refusal(path)
    assert mae(path, text + '\n{"y": 1, "pred": null}', pred="pred.score", missing="drop") == 0.5
    assert mae(path, text + '\n{"y": 1, "pred": {"score": 1}, "pred.score": 3.5}', pred="pred.score") == 5 / 6


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_constants_that_are_no_json_are_missing_if_that_is_said(tmp_path: Path, constant: str) -> None:
    path = tmp_path / "a.jsonl"
    text = f'{{"y": 1, "p": {constant}}}\n{{"y": 1, "p": 1.5}}\n'
    assert f"--null {constant} reads it as missing" in refusal(path, text)
    assert mae(path, null=constant, missing="drop") == 0.5
    assert "the value is missing" in refusal(path, null=constant)


# numbers as text in other containers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("container", ["parquet", "dictionary", "large", "feather", "frame", "dict", "npz", "jsonl"])
def test_numbers_written_as_text_are_numbers_in_every_container(tmp_path: Path, container: str) -> None:
    def table(words: list[str | None]) -> Any:
        texts = pa.array(words, pa.large_string() if container == "large" else pa.string())
        columns = {"y": [1.0, 2.0, 3.0, 4.0], "p": texts.dictionary_encode() if container == "dictionary" else texts}
        if container in ("parquet", "dictionary", "large"):
            pq.write_table(pa.table(columns), tmp_path / "a.parquet")
            return str(tmp_path / "a.parquet")
        if container == "feather":
            feather.write_feather(pa.table(columns), tmp_path / "a.feather")
            return str(tmp_path / "a.feather")
        columns["p"] = words
        if container == "frame":
            return pd.DataFrame(columns)
        if container == "jsonl":
            rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
            return str(write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows))))
        if container == "npz":
            np.savez(tmp_path / "a.npz", y=columns["y"], p=np.array([word or "" for word in words]))
            return str(tmp_path / "a.npz")
        return {**columns, "p": np.array(words, dtype=object)}

    data = table(["1.5", " 2.5 ", "35e-1", "+4.5"])
    assert package.evaluate(data, **Y_P).cells[0].value == 0.5
    assert package.validate(data, **Y_P).works
    data = table(["NA", "2.5", None, "4.5"])
    assert package.evaluate(data, **Y_P, missing="drop").cells[0].value == 0.5
    with pytest.raises(DataError, match="row 3, column 'p': 'x' is not a number"):
        package.evaluate(table(["1", "2", "x", "y"]), **Y_P)
    with pytest.raises(DataError, match=rf"row 2, column 'p': {ODD} is a whole number beyond"):
        package.evaluate(table(["1", str(ODD), "3", "4"]), **Y_P)
    flags = table(["true", "false", "true", "True"])
    assert package.evaluate(flags, target="p", pred="y", losses="mae").cells[0].value == 7 / 4


@pytest.mark.parametrize("mark", ["-", "?", "-999", "missing"])
def test_marks_of_missing_values(tmp_path: Path, mark: str) -> None:
    path = write(tmp_path / "a.csv", f"y,p,w\n1,{mark},a\n2,2.5,{mark}\n3,3.25,b\n")
    options: dict[str, Any] = {"null": [mark, "!"], "missing": "drop"}
    assert mae(path, **options) == 0.375
    report = package.evaluate(str(path), **Y_P, **options, by="w")
    assert [cell.slice["w"] for cell in report.cells if cell.slice and cell.rows] == ["(missing)", "b"]
    rows = [{"y": 1, "p": mark, "w": "a"}, {"y": 2, "p": "2.5", "w": mark}, {"y": 3, "p": "3.25", "w": "b"}]
    lines = write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)))
    assert package.evaluate(str(lines), **Y_P, **options, by="w").cells[0].value == report.cells[0].value
    assert mark == "-999" or f"{mark!r} is not a number" in refusal(path)


def test_marks_of_missing_values_are_for_text_files(tmp_path: Path) -> None:
    pq.write_table(pa.table({"y": [1.0], "p": [-999.0]}), tmp_path / "a.parquet")
    assert "--null is for text files" in refusal(tmp_path / "a.parquet", null="-999")
    with pytest.raises(UsageError, match="null is for text files"):
        package.evaluate({"y": [1.0], "p": [-999.0]}, **Y_P, null="-999")


@pytest.mark.parametrize("losses", [None, "cce", "mae"])
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "frame"])
@pytest.mark.parametrize("commas", [False, True], ids=["numpy", "repr"])
def test_lists_that_numpy_cut_in_printing(tmp_path: Path, suffix: str, losses: str | None, commas: bool) -> None:
    shares = np.full(2000, 1 / 2000)
    cut = str(shares) if not commas else repr(shares)
    frame = pd.DataFrame({"y": [0, 1], "p": [cut, cut]})
    path = tmp_path / f"a.{suffix}"
    if suffix == "csv":
        frame.to_csv(path, index=False)
    elif suffix == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    elif suffix == "parquet":
        frame.to_parquet(path)
    data: Any = frame if suffix == "frame" else path
    with pytest.raises(DataError, match=r"column 'p' holds .*NumPy cut when it was printed: np.set_printoptions\("):
        package.evaluate(data, **{**Y_P, "losses": losses})
    with np.printoptions(threshold=10_000):
        frame["p"] = [str(np.array([0.75, 0.25])), str(np.array([0.5, 0.5]))]
    frame.loc[1, "p"] = "[0.5 ... 0.5]"
    with pytest.raises(DataError, match="NumPy cut when it was printed"):
        package.evaluate(frame, **{**Y_P, "losses": "cce"})


HOW_TEXT_IS_WRITTEN: dict[str, dict[str, Any]] = {
    "null": {"null": "?", "missing": "drop"},
    "comment": {"comment": "#"},
    "delimiter": {"delimiter": ";"},
    "decimal": {"decimal": ",", "delimiter": ";"},
    "thousands": {"thousands": "'"},
    "quote": {"quote": "'"},
    "escape": {"escape": "\\"},
    "no_header": {"no_header": True},
    "bad_rows": {"bad_rows": "drop"},
}
SAME_ROWS = {
    "null": "id,p\n1,1.5\n2,?\n3,4\n",
    "comment": "# c\nid,p\n1,1.5\n# c\n2,2\n3,4\n",
    "delimiter": "id;p\n1;1.5\n2;2\n3;4\n",
    "decimal": "id;p\n1;1,5\n2;2\n3;4,0\n",
    "thousands": "id,p\n1,1.5\n2,2\n3,4\n",
    "quote": "id,p\n'1','1.5'\n2,2\n3,4\n",
    "escape": "id,p\n1,1.5\n2,2\n3,4\n",
    "no_header": "1,1.5\n2,2\n3,4\n",
    "bad_rows": "id,p\n1,1.5\n2,2\n9\n3,4\n",
}


@pytest.mark.parametrize("suffix", ["parquet", "npz", "frame"])
@pytest.mark.parametrize("option", HOW_TEXT_IS_WRITTEN)
def test_what_is_said_of_text_leaves_other_files_alone(tmp_path: Path, option: str, suffix: str) -> None:
    frame = pd.DataFrame({"id": [1, 2, 3], "y": [1.0, 2.0, 3.0]})
    if option == "no_header":
        frame = frame.rename(columns={"id": "column0"})
    path = tmp_path / f"truth.{suffix}"
    if suffix == "parquet":
        frame.to_parquet(path)
    elif suffix == "npz":
        np.savez(path, **{name: frame[name].to_numpy() for name in frame})  # type: ignore[arg-type]
    pred = write(tmp_path / "pred.csv", SAME_ROWS[option])
    report = package.evaluate(
        str(pred),
        targets=frame if suffix == "frame" else path,
        target="y",
        pred="column1" if option == "no_header" else "p",
        id="column0" if option == "no_header" else "id",
        losses="mae",
        **HOW_TEXT_IS_WRITTEN[option],
    )
    assert report.cells[0].value == (0.75 if option == "null" else 0.5)


# vectors as text -----------------------------------------------------------------------------------------------------

VECTOR_ROWS = 70_001  # more than a block
WAYS_TO_WRITE = {
    "JSON": "[{0}, {1}]",
    "JSON without blanks": "[{0},{1}]",
    "NumPy": "[{0} {1}]",
    "NumPy over lines": "[ {0}\n  {1}]",
}
VECTOR_CONTAINERS = ["csv", "tsv", "jsonl", "parquet", "arrow", "pandas", "dict"]


def vectors_as_text(folder: Path, container: str, texts: list[str | None]) -> Any:
    """A table of class labels and vectors of two probabilities that are written as text."""
    frame = pd.DataFrame({"y": np.arange(len(texts)) % 2, "p": texts})
    path = folder / f"a.{container}"
    if container in ("csv", "tsv"):
        frame.to_csv(path, index=False, sep="," if container == "csv" else "\t")
    elif container == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    elif container == "parquet":
        frame.to_parquet(path, row_group_size=30_000)
    elif container == "arrow":
        feather.write_feather(pa.Table.from_pandas(frame), path)
    else:
        return frame if container == "pandas" else {name: frame[name].to_numpy() for name in frame}
    return path


@pytest.mark.parametrize("container", VECTOR_CONTAINERS)
@pytest.mark.parametrize("way", WAYS_TO_WRITE)
def test_a_vector_may_be_text(tmp_path: Path, container: str, way: str) -> None:
    rows = VECTOR_ROWS if (way, container) in (("JSON", "csv"), ("NumPy", "parquet")) else 300
    texts: list[str | None] = [
        WAYS_TO_WRITE[way].format(*(("0.25", "7.5e-1") if k % 2 else ("1.", "0"))) for k in range(rows)
    ]
    data = vectors_as_text(tmp_path, container, texts)
    value = package.evaluate(data, target="y", pred="p", losses="cce").cells[0].value
    assert value == pytest.approx(-np.log(0.75) * (rows // 2) / rows)
    report = package.validate(data, target="y", pred="p")
    profile = next(column for column in report.tables[0].columns if column.name == "p")
    assert (report.works, profile.width) == (True, 2)


@pytest.mark.parametrize("container", VECTOR_CONTAINERS)
@pytest.mark.parametrize("row", [2, 250])
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[0.2, 0.3, 0.5]", "has lists of different lengths: 2 and 3"),
        ("0.5", "'0.5' is not a list of numbers"),
        ("[0.1 ... 0.9]", "'[0.1 ... 0.9]' is not a list of numbers"),
        ("[0.5, null]", "'[0.5, null]' is not a list of numbers"),
        ("[1, 9007199254740993]", "9007199254740993 is a whole number beyond 2^53"),
    ],
)
def test_a_text_among_vectors_is_refused_by_row(tmp_path: Path, container: str, row: int, text: str, says: str) -> None:
    texts: list[str | None] = ["[0.5, 0.5]"] * 300
    texts[row] = text
    with pytest.raises(DataError) as caught:
        package.evaluate(vectors_as_text(tmp_path, container, texts), target="y", pred="p", losses="cce")
    assert f"row {row + 1}, column 'p': {says}" in str(caught.value)


@pytest.mark.parametrize("container", VECTOR_CONTAINERS)
def test_a_vector_as_text_may_be_missing(tmp_path: Path, container: str) -> None:
    texts = ["[0.5, 0.5]", None, *["[0.5, 0.5]"] * 8]
    data = vectors_as_text(tmp_path, container, texts)
    report = package.evaluate(data, target="y", pred="p", losses="cce", missing="drop")
    assert report.cells[0].rows == 9
    assert report.cells[0].value == pytest.approx(np.log(2))
