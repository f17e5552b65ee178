"""Names and labels of the data are shown for what they are: they neither steer a terminal nor mark up a table."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lossctl.errors import ExitCode
from tests.conftest import Lossctl

pytestmark = pytest.mark.deep

Write = Callable[[str, str | bytes], Path]

# what is read -> what is shown to people
NAMES = {
    "\x1b[31mred": r"\x1b[31mred",
    "\x1b]0;title\x07": r"\x1b]0;title\x07",
    "\x1b]52;c;QUJD\x1b\\": r"\x1b]52;c;QUJD\x1b" + "\\",
    "\x1b]8;;http://a.b\x1b\\link": r"\x1b]8;;http://a.b\x1b" + "\\link",
    "\x9b31mred": r"\x9b31mred",
    "del\x7f": r"del\x7f",
    "back\x08space": r"back\x08space",
    "tab\there": r"tab\there",
    "two\nlines": r"two\nlines",
    "line\u2028separator": r"line\u2028separator",
    "a\u202eb": r"a\u202eb",
    "a\u2066b\u2069": r"a\u2066b\u2069",
    "zero\u200bwidth": r"zero\u200bwidth",
    "[bold]x[/bold]": "[bold]x[/bold]",
    "[/mse]": "[/mse]",
    "[link=http://a.b]c": "[link=http://a.b]c",
    ":smile:": ":smile:",
    "p|q": "p|q",
    "<b>x</b>": "<b>x</b>",
    "größe": "größe",
    "a,b": "a,b",
    "a=b": "a=b",
    "a:b": "a:b",
    "p_*": "p_*",
    "-p": "-p",
    " blank ": " blank ",
    "=1+1": "=1+1",
}
HOSTILE = [name for name, shown in NAMES.items() if name != shown or "[" in name]
HUMAN = ("table", "long", "md")
UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")


def table(columns: dict[str, list[str]]) -> str:
    """A CSV file of these columns."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return file.getvalue()


def numbers(**more: list[str]) -> dict[str, list[str]]:
    """A target, and whatever else."""
    return {"y": ["1", "2", "3", "4"], **more}


# kin of others in the list: they run with `make slow`
KIN = {
    "\x1b]0;title\x07",
    "\x1b]8;;http://a.b\x1b\\link",
    "\x9b31mred",
    "back\x08space",
    "line\u2028separator",
    "a\u2066b\u2069",
    "zero\u200bwidth",
    "[/mse]",
    ":smile:",
    "a:b",
    "p_*",
    " blank ",
}
SHOWN = [pytest.param(name, marks=pytest.mark.slow) if name in KIN else name for name in NAMES]


@pytest.fixture(params=SHOWN, ids=ascii)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def file(write: Write, name: str) -> Path:
    """A file with a prediction column and a column of slices that bear the name, and a slice that does too."""
    return write("a.csv", table({**numbers(), name: ["1", "1", "1", "1"], f"by{name}": [name, name, "other", "other"]}))


@pytest.mark.parametrize("form", HUMAN)
def test_a_name_is_shown_for_what_it_is(lossctl: Lossctl, file: Path, name: str, form: str) -> None:
    outcome = lossctl("eval", file, "-t", "y", f"--pred={name}", "--by", f"by{name}", "-f", form, "-v")
    assert outcome.code == ExitCode.OK, outcome.err
    assert not UNSAFE.search(outcome.out), ascii(outcome.out)
    assert not UNSAFE.search(outcome.err), ascii(outcome.err)
    text = re.sub(r"\\([|`*_\[\]\\])", r"\1", outcome.out).replace("&lt;", "<").replace("&amp;", "&")
    shown = text if form == "md" else outcome.out
    assert shown.count(NAMES[name].strip()) >= 5  # model, its model in a slice, column of the slices, slice


@pytest.mark.parametrize("form", HUMAN)
def test_a_name_does_not_change_the_shape_of_a_table(
    lossctl: Lossctl, write: Write, file: Path, name: str, form: str
) -> None:
    plain = write("b.csv", table(numbers(p=["1", "1", "1", "1"], g=["x", "x", "z", "z"])))
    lines = lossctl("eval", file, "-t", "y", f"--pred={name}", "--by", f"by{name}", "-f", form).out.splitlines()
    usual = lossctl("eval", plain, "-t", "y", "-p", "p", "--by", "g", "-f", form).out.splitlines()
    assert len(lines) == len(usual)
    if form == "md":
        for line, other in zip(lines, usual, strict=True):
            assert len(re.findall(r"(?<!\\)\|", line)) == len(re.findall(r"(?<!\\)\|", other))


def test_json_keeps_the_real_name(lossctl: Lossctl, file: Path, name: str) -> None:
    arguments = ("eval", file, "-t", "y", f"--pred={name}", "--by", f"by{name}", "-l", "mse")
    outcome = lossctl(*arguments, "-f", "json")
    assert outcome.out.isascii()
    assert not UNSAFE.search(outcome.out)
    assert not UNSAFE.search(outcome.err)
    whole, *slices = outcome.json["results"]
    assert whole["model"] == name
    assert {cell["slice"][f"by{name}"] for cell in slices} == {name, "other"}
    lines = [json.loads(line) for line in lossctl(*arguments, "-f", "jsonl").out.split("\n")[:-1]]
    assert [line["model"] for line in lines] == [name] * 4


def test_csv_output_gives_a_terminal_nothing_to_obey(lossctl: Lossctl, file: Path, name: str) -> None:
    outcome = lossctl("eval", file, "-t", "y", f"--pred={name}", "--by", f"by{name}", "-l", "mse", "-f", "csv")
    assert outcome.code == ExitCode.OK
    assert "\x1b" not in outcome.out
    assert "\x9b" not in outcome.out
    header, *rows = csv.reader(io.StringIO(outcome.out, newline=""))
    assert len(rows) == 3
    assert {len(row) for row in rows} == {len(header)}
    assert not any(cell.startswith(("=", "@")) for row in [header, *rows] for cell in row)


def test_bare_values_hold_no_name(lossctl: Lossctl, file: Path, name: str) -> None:
    outcome = lossctl("eval", file, "-t", "y", f"--pred={name}", "-l", "mse", "-f", "value", "-q")
    assert (outcome.out, outcome.err) == ("3.5\n", "")


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_an_error_shows_a_name_in_one_line(lossctl: Lossctl, write: Write, name: str) -> None:
    rows = {"y": ["1", "2"], name: ["1", f"bad{name}"], f"w{name}": ["1", "-1"], f"l{name}": ["1", name]}
    path = write("a.csv", table(rows))
    cases = [
        ("-t", "y", "-p", "nothing"),
        ("-t", "y", f"--pred={name}", "-l", "mse"),
        ("-t", "y", "-p", f"l{name}", "-l", "mse"),
        ("-t", "y", "-p", "y", "-l", "mse", f"--weight=w{name}"),
        ("-t", "y", "-p", f"nothing{name}", "-l", "mse"),
        ("-t", "y", "-p", "y", "-l", f"mse{name}"),
        ("-t", "y", "-p", "y", "-l", f"{name}:=mse"),
        ("-t", "y", "-p", "y", "-l", "mse", "--by", f"nothing{name}"),
        ("-t", "y", "-p", "y", "-l", "mse", "--id", f"nothing{name}"),
        ("-t", "y", "-p", "y", "-l", "mse", f"--activation={name}x"),
        ("-t", "y", "-p", "y", "-l", "mse", f"--missing={name}"),
        ("-t", "y", "-p", "y", "-l", "mse", f"--task={name}"),
        ("-t", "y", "-p", "y", "-f", f"x{name}"),
        ("-t", "y", "-p", "y", "-o", f"x{name}"),
        ("-t", f"l{name}", "-p", "y", "-l", "bce"),
        ("-t", f"l{name}", "-p", "y", "-l", "bce", "--positive-label", "0"),
    ]
    for case in cases:
        outcome = lossctl("eval", path, *case, "-q")
        assert outcome.code in (ExitCode.USAGE, ExitCode.DATA), (case, outcome.err)
        assert outcome.out == ""
        assert outcome.err.startswith("lossctl: error: ")
        assert outcome.err.count("\n") == 1
        assert not UNSAFE.search(outcome.err), ascii(outcome.err)


def test_labels_and_notes_are_shown_for_what_they_are(lossctl: Lossctl, write: Write, name: str) -> None:
    path = write("a.csv", table({"target": [name, "x", name, "x"], "pred": ["0.5", "0.5", "0.5", "0.25"]}))
    outcome = lossctl("eval", path, f"--positive-label={name}", "-v")
    assert outcome.code == ExitCode.OK, outcome.err
    assert not UNSAFE.search(outcome.out + outcome.err), ascii(outcome.out + outcome.err)
    assert len(outcome.err.splitlines()) == outcome.err.count("lossctl: ")


def test_a_label_of_a_loss_is_shown_for_what_it_is(lossctl: Lossctl, write: Write, name: str) -> None:
    if ":" in name or "=" in name:
        pytest.skip("these end a label")
    path = write("a.csv", "y,p\n1,0\n1,0.5\n")
    arguments = ("eval", path, "-t", "y", "-p", "p", f"--loss={name}=bce")
    for form in HUMAN:
        outcome = lossctl(*arguments, "-f", form, "-v")
        assert outcome.code == ExitCode.OK, outcome.err
        assert not UNSAFE.search(outcome.out + outcome.err), ascii(outcome.out + outcome.err)
    assert lossctl(*arguments, "-f", "json").json["results"][0]["loss"] == name.strip()


def test_rows_keep_the_real_name(lossctl: Lossctl, file: Path, name: str, tmp_path: Path) -> None:
    rows = tmp_path / "rows.parquet"
    outcome = lossctl("eval", file, "-t", "y", f"--pred={name}", "-l", "mse", "--rows-out", rows, "-q")
    assert outcome.code == ExitCode.OK, outcome.err
    assert pq.read_schema(rows).names == ["row", f"{name}.mse"]


def test_names_in_parquet_are_shown_for_what_they_are(lossctl: Lossctl, name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"y": [1.0, 2.0], name: [1.0, 1.0]}), path)
    outcome = lossctl("eval", path, "-t", "y", f"--pred={name}", "-l", "mse")
    assert outcome.code == ExitCode.OK, outcome.err
    assert NAMES[name].strip() in outcome.out
    assert not UNSAFE.search(outcome.out + outcome.err)
    pq.write_table(pa.table({"y": [1.0, 2.0], name: ["a", "b"]}), path)
    outcome = lossctl("eval", path, "-t", "y", f"--pred={name}", "-l", "mse", "-q")
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (ExitCode.DATA, "", 1)
    assert not UNSAFE.search(outcome.err)


@pytest.mark.parametrize(
    "stem", [*(name.replace("/", "-") for name in NAMES), "~", "%20", "http:x", "s3:x", "-", "[ab]"]
)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_file_of_any_name_is_read_and_shown(
    lossctl: Lossctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stem: str, suffix: str
) -> None:
    first, second = tmp_path / f"{stem}{suffix}", tmp_path / f"other{suffix}"
    for path in (first, second):
        if suffix == ".csv":
            path.write_text("y,p\n1,2\n2,2\n")
        else:
            pq.write_table(pa.table({"y": [1.0, 2.0], "p": [2.0, 2.0]}), path)
    outcome = lossctl("eval", "-t", "y", "-p", "p", "-l", "mse", "-v", "--", first, second)
    assert outcome.code == ExitCode.OK, outcome.err
    assert not UNSAFE.search(outcome.out + outcome.err), ascii(outcome.out + outcome.err)
    monkeypatch.chdir(tmp_path)
    outcome = lossctl("eval", "-t", "y", "-p", "p", "-l", "mse", "-f", "json", "--", first.name, second.name)
    assert outcome.code == ExitCode.OK, outcome.err
    assert [cell["model"] for cell in outcome.json["results"]] == [stem, "other"]


@pytest.mark.parametrize("suffix", [b".csv", b".parquet", b".npy"])
def test_a_file_whose_name_is_not_utf8(lossctl: Lossctl, tmp_path: Path, suffix: bytes) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/na\xffme" + suffix))
    if suffix == b".csv":
        path.write_text("y,p\n1,2\n2,2\n")
    elif suffix == b".parquet":
        table = pa.table({"y": [1.0, 2.0], "p": [2.0, 2.0]})
        with path.open("wb") as file:
            pq.write_table(table, file)
    else:
        np.save(path, [2.0, 2.0])
    columns = ("-p", "p") if suffix != b".npy" else ("--targets", tmp_path / "truth.csv")
    (tmp_path / "truth.csv").write_text("y\n1\n2\n")
    for form in ("table", "long", "md", "csv", "json", "jsonl"):
        outcome = lossctl("eval", path, "-t", "y", *columns, "-l", "mse", "-v", "-f", form)
        assert outcome.code == ExitCode.OK, outcome.err
        outcome.out.encode()
        outcome.err.encode()
    if suffix != b".npy":
        outcome = lossctl("eval", path, "-t", "y", *columns, "-l", "mse", "-w", "nothing", "-q")
        assert (outcome.code, outcome.out) == (ExitCode.DATA, "")
        assert r"na\udcffme" in outcome.err
