"""JSON lines: read as the same data in other containers is, whatever its lines look like, or refused with the row."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import math
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import lossctl as package
from lossctl.errors import DataError, ExitCode
from lossctl.io import jsonl, records
from lossctl.io.jsonl import JsonTable
from lossctl.io.open import open_table
from lossctl.io.source import STANDARD, Source
from lossctl.io.table import Cells, Keys, Kind, Numbers, Texts, decoded
from tests.conftest import Lossctl, Outcome
from tests.warm import forked, once

pytestmark = pytest.mark.deep

Write = Callable[[str, str | bytes], Path]
MSE: dict[str, Any] = {"target": "y", "pred": "p", "losses": "mse"}
ON_P = ("-t", "y", "-p", "p", "-l", "mse")
LONG = 66_001  # more than one piece


def lines(*rows: object) -> str:
    texts = {
        id(row): row if isinstance(row, str) else json.dumps(row) for row in {id(row): row for row in rows}.values()
    }
    return "".join(f"{texts[id(row)]}\n" for row in rows)


def values(text: str | bytes, write: Write, name: str = "p", kind: Kind = Kind.NUMBER) -> Any:
    """Read one column: numbers with None for missing ones, or words."""
    table = JsonTable(Source(str(write("v.jsonl", text))), STANDARD)
    found: list[Any] = []
    for piece in decoded(table.read({name: kind})):
        column = piece[name]
        if isinstance(column, Numbers):
            null = np.zeros(column.values.shape[1], bool) if column.null is None else column.null
            rows = column.values[0].tolist() if len(column.values) == 1 else column.values.T.tolist()
            found += [None if empty else value for value, empty in zip(rows, null.tolist(), strict=True)]
        else:
            assert isinstance(column, Texts)
            found += [None if code < 0 else column.words[code] for code in column.codes.tolist()]
    return found


def refusal(path: Path, **question: Any) -> str:
    with pytest.raises(DataError) as refused:
        package.evaluate(str(path), **{**MSE, **question})
    text = str(refused.value)
    assert "\n" not in text
    assert text.isprintable()
    return text.replace(f"{path.parent}/", "")


# the same data in other containers -------------------------------------------------------------------------------


def columns() -> dict[str, Any]:
    """Rows of every kind of column, some of them with missing values."""
    rng = np.random.default_rng(11)
    target = rng.normal(0.0, 10.0, LONG)
    return {
        "key": [f"k{i:07}" for i in range(LONG)],
        "y": target.tolist(),
        "a": (target + rng.normal(size=LONG)).tolist(),
        "b": [None if i % 1000 == 7 else value for i, value in enumerate((target + rng.normal(size=LONG)).tolist())],
        "w": rng.integers(1, 5, LONG).tolist(),
        "flag": (rng.random(LONG) < 0.5).tolist(),
        "region": [["north", "süd", 'the "west"', "1.0"][i] for i in rng.integers(0, 4, LONG)],
        "year": rng.integers(2019, 2022, LONG).tolist(),
        "sex": [["f", "1.0"][i] for i in rng.integers(0, 2, LONG)],
        "era": rng.integers(2020, 2022, LONG).tolist(),
        "share": [[0.0, 0.5, 1.0, -1.5, 1e21][i] for i in rng.integers(0, 5, LONG)],
    }


def rows_of(data: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(data, row, strict=True)) for row in zip(*data.values(), strict=True)]


TIGHT = json.JSONEncoder(separators=(",", ":")).encode  # json.dumps would make an encoder for each row
UNESCAPED = json.JSONEncoder(ensure_ascii=False).encode


def compact(row: Mapping[str, Any]) -> str:
    return TIGHT(row)


def sparse(row: Mapping[str, Any]) -> str:
    return UNESCAPED({key: value for key, value in row.items() if value is not None})


def shuffled(row: Mapping[str, Any]) -> str:
    return f"  {json.dumps({key: row[key] for key in reversed(list(row))})} \r"


def stringly(row: Mapping[str, Any]) -> str:
    """As some tools export large numbers: as text."""
    return json.dumps({key: repr(value) if isinstance(value, float) else value for key, value in row.items()})


PATHS = {
    "csv": "rows.csv",
    "parquet": "rows.parquet",
    **{write.__name__: f"{write.__name__}.jsonl" for write in (json.dumps, compact, sparse, shuffled, stringly)},
    **{suffix: f"rows.ndjson.{suffix}" for suffix in ("gz", "bz2", "zst", "bom")},
    "parts": "parts",
}


@pytest.fixture(scope="module")
def containers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = once(tmp_path_factory, "containers", fill)
    return {name: folder / path for name, path in PATHS.items()}


def fill(folder: Path) -> None:
    data, paths = columns(), {name: folder / path for name, path in PATHS.items()}
    rows = rows_of(data)
    with open(paths["csv"], "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(data)
        writer.writerows(["" if value is None else str(value) for value in row.values()] for row in rows)
    pq.write_table(pa.table(data), paths["parquet"], row_group_size=40_000)
    for write in (json.dumps, compact, sparse, shuffled, stringly):
        paths[write.__name__].write_text("".join(f"{write(row)}\n" for row in rows), encoding="utf-8", newline="")
    few = {name: data[name] for name in ("flag", "w")}  # of "booleans"; packing all would take longer than reading them
    plain = "".join(f"{json.dumps(row)}\n" for row in rows_of(few)).encode()
    for suffix, content in {
        "gz": gzip.compress(plain, 1),
        "bz2": bz2.compress(plain, 1),
        "zst": pa.Codec("zstd").compress(plain, asbytes=True),
        "bom": b"\xef\xbb\xbf" + plain.rstrip(b"\n"),
    }.items():
        paths[suffix].write_bytes(content)
    paths["parts"].mkdir()
    whole = plain.splitlines(keepends=True)
    for part, piece in {1: whole[:5], 2: whole[5:60_000], 10: whole[60_000:]}.items():
        (paths["parts"] / f"part-{part}.jsonl").write_bytes(b"".join(piece))


QUESTIONS: dict[str, dict[str, Any]] = {
    "regression": {
        "target": "y",
        "pred": ["a", "b"],
        "weight": "w",
        "by": ["region,year", "share", "flag"],
        "losses": ["mse", "r2", "max_error"],
        "missing": "drop",
    },
    "missing": {"target": "y", "pred": ["a", "b"], "weight": "w", "losses": ["mse", "r2"], "missing": "drop"},
    "booleans": {"target": "flag", "pred": "w", "losses": ["bce", "brier"], "activation": "sigmoid"},
    "labels": {"target": "sex", "positive_label": "1", "pred": "w", "losses": "bce", "activation": "sigmoid"},
    "numbers as labels": {
        "target": "era",
        "positive_label": "2020",
        "pred": "a",
        "losses": "bce",
        "activation": "sigmoid",
    },
}
FORMS: dict[str, tuple[str, ...]] = {
    "regression": ("dumps", "shuffled"),
    "missing": ("sparse", "stringly", "compact"),
    "booleans": ("dumps", "compact", "shuffled", "gz", "bz2", "zst", "bom", "parts"),
    "labels": ("dumps", "shuffled", "stringly"),
    "numbers as labels": ("dumps", "compact", "sparse", "stringly"),
}


OFTEN = ("regression", "booleans", "labels")  # the others run with `make slow`


@pytest.mark.parametrize(
    "question", [name if name in OFTEN else pytest.param(name, marks=pytest.mark.slow) for name in QUESTIONS]
)
def test_the_same_rows_give_the_same_bits(containers: Mapping[str, Path], question: str) -> None:
    wanted = package.evaluate(str(containers["parquet"]), **QUESTIONS[question])
    assert all(cell.status == "ok" for cell in wanted.cells)
    if question != "regression":  # a CSV file spells 1e21 as it likes
        assert package.evaluate(str(containers["csv"]), **QUESTIONS[question]).cells == wanted.cells
    for threads, form in zip(cycle((3, 1, 2)), FORMS[question], strict=False):
        found = package.evaluate(str(containers[form]), **QUESTIONS[question], threads=threads)
        assert found.cells == wanted.cells, form
        assert [source.data for source in found.inputs] == [source.data for source in wanted.inputs], form


@pytest.mark.parametrize("shuffle", [False, True])
def test_rows_are_paired_by_key_across_containers(
    containers: Mapping[str, Path], tmp_path: Path, shuffle: bool
) -> None:
    rows = rows_of({name: column for name, column in columns().items() if name in ("key", "a")})
    if shuffle:
        rows = [rows[i] for i in np.random.default_rng(5).permutation(LONG)]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f"{compact(row)}\n" for row in rows))
    question: dict[str, Any] = {"target": "y", "pred": "a", "losses": "mse", "id": "key"}
    answers = [
        package.evaluate(str(model), targets=str(containers[targets]), **question)
        for model, targets in ((path, "dumps"), (containers["parquet"], "stringly"))[: 1 + shuffle]
    ]
    assert len({cell.value for answer in answers for cell in answer.cells}) == 1
    assert len({source.data for answer in answers for source in answer.inputs}) == 1


def test_vectors_are_those_of_a_list_column(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    data = {
        "different": rng.integers(0, 2, 70_000).tolist(),
        "left": rng.normal(size=(70_000, 3)).tolist(),
        "right": rng.normal(size=(70_000, 3)).tolist(),
    }
    data["left"][69_999] = [1, 2, 3]
    pq.write_table(pa.table(data), tmp_path / "v.parquet")
    (tmp_path / "v.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows_of(data)))
    question: dict[str, Any] = {"target": "different", "roles": ["left=left", "right=right"], "losses": "contrastive"}
    wanted = package.evaluate(str(tmp_path / "v.parquet"), **question)
    assert package.evaluate(str(tmp_path / "v.jsonl"), **question).cells == wanted.cells


def test_masks_may_be_lists_of_booleans(write: Write) -> None:
    rows = [{"y": [True, False, True], "p": [1, 0.5, 0]}, {"y": [False, False, True], "p": [0, 0, 1]}]
    found = package.evaluate(str(write("m.jsonl", lines(*rows))), target="y", pred="p", losses="iou_mask")
    memory = {name: np.array([row[name] for row in rows], float) for name in ("y", "p")}
    assert found.cells == package.evaluate(memory, target="y", pred="p", losses="iou_mask").cells


# how lines are read ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1", 1.0),
        ("-0", -0.0),
        ("-0.0", -0.0),
        ("1.5e3", 1500.0),
        ("0.1", 0.1),
        ("1E-400", 0.0),
        ("5e-324", 5e-324),
        ("1.7976931348623157e308", 1.7976931348623157e308),
        ("9007199254740994", 9007199254740994.0),
        ("100000000000000000000", 1e20),
        ("9007199254740993.0", 9007199254740992.0),
        ("0." + "0" * 400 + "1" + "0" * 500, 0.0),
        ("null", None),
        ('""', None),
        ('"NA"', None),
        ('"1.5"', 1.5),
        ('" -2 "', -2.0),
        ('"inf"', math.inf),
        ('"-Infinity"', -math.inf),
    ],
)
def test_a_number_is_read_alone_and_among_others(write: Write, text: str, wanted: float | None) -> None:
    for beside in ("", '"NaN?"', '"Information"'):
        row = f'{{"p": {text}{f", {chr(34)}s{chr(34)}: {beside}" if beside else ""}}}'
        found = values(lines('{"p": 3}', row, '{"p": 4}'), write)
        assert found == [3.0, wanted, 4.0]
        if wanted is not None:
            assert math.copysign(1.0, found[1]) == math.copysign(1.0, wanted)


def test_a_nan_in_quotes_is_a_nan_and_no_null(lossctl: Lossctl, write: Write) -> None:
    path = write("n.jsonl", lines({"y": 1, "p": 1}, {"y": 1, "p": "nan"}))
    assert "row 2, column 'p': the value is NaN" in lossctl("eval", path, *ON_P).err
    assert lossctl("eval", path, *ON_P, "--missing", "drop", "-f", "value").values == [0.0]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('"a"', "a"),
        ('"é\\u00e9\\n"', "éé\n"),
        ('"\\ud83d\\ude00"', "😀"),
        ("7", "7"),
        ("18446744073709551616", "18446744073709551616"),
        ("true", "true"),
        ("1.50", "1.5"),
        ("1e-7", "1e-7"),
        ("null", None),
        ('""', None),
        ('"NA"', "NA"),
    ],
)
def test_a_label_is_read_alone_and_among_others(write: Write, text: str, wanted: str | None) -> None:
    for first in ('"x"', "1", "false"):
        found = values(lines(f'{{"p": {first}}}', f'{{"p": {text}}}', "{}"), write, kind=Kind.TEXT)
        assert found == [json.loads(first) if first == '"x"' else first, wanted, None]


ATOMS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), st.text()
)
RECORDS = st.lists(st.dictionaries(st.sampled_from("pqr"), ATOMS, max_size=3), min_size=1, max_size=12)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(RECORDS, st.sampled_from([Kind.NUMBER, Kind.TEXT, Kind.KEY, Kind.CELL]), st.booleans(), st.booleans())
def test_arrow_and_line_by_line_agree(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, Any]], kind: Kind, ascii_only: bool, tight: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "agree.jsonl"
    separators = (",", ":") if tight else (", ", ": ")
    texts = [json.dumps(row, ensure_ascii=ascii_only, separators=separators) for row in [{"p": None}, *records]]
    path.write_bytes("\n".join(texts).encode("utf-8", "surrogatepass"))
    table = JsonTable(Source(str(path)), STANDARD)
    [pending] = table.read({"p": kind})
    chunk, wanted, *_ = pending.make.args  # type: ignore[attr-defined]  # a partial
    quickly = table._by_arrow(chunk, wanted)
    with patch.object(JsonTable, "_by_arrow", return_value=None):
        slowly = pending.make()
    if quickly is None:
        return
    assert slowly.stopped is None
    one, other = quickly["p"], slowly["p"]
    if isinstance(one, Numbers):
        assert isinstance(other, Numbers)
        np.testing.assert_array_equal(one.values.view(np.uint64), other.values.view(np.uint64))
        assert (one.null is None) == (other.null is None)
    elif isinstance(one, Texts):
        assert isinstance(other, Texts)
        words = [[None if c < 0 else column.words[c] for c in column.codes.tolist()] for column in (one, other)]
        assert words[0] == words[1]
    elif isinstance(one, Keys):
        assert isinstance(other, Keys)
        assert one.null is not None  # the first row has none
        assert other.null is not None
        np.testing.assert_array_equal(one.null, other.null)
        np.testing.assert_array_equal(one.hashes[~one.null], other.hashes[~one.null])
    else:
        assert isinstance(one, Cells)
        assert isinstance(other, Cells)
        assert one.values.equals(other.values)


def test_plain_lines_are_read_by_arrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written by the usual tools must not be read line by line, which takes several times as long."""
    path = tmp_path / "plain.jsonl"
    rows = [{"y": i, "p": i / 7, "s": "a", "v": [1.5, 2], "t": True, "n": None, "o": {"x": [i]}} for i in range(1000)]
    path.write_bytes("\r\n".join(map(json.dumps, rows)).encode())

    def refuse(*_: object) -> None:
        raise AssertionError("read line by line")

    monkeypatch.setattr(JsonTable, "_values", refuse)
    table = JsonTable(Source(str(path)), STANDARD)
    numbers = dict.fromkeys(("y", "p", "v", "t", "n"), Kind.NUMBER)
    labels = dict.fromkeys(("y", "s", "t"), Kind.TEXT)
    for wanted in (numbers, labels, {"s": Kind.KEY}, {"y": Kind.KEY}, dict.fromkeys((*numbers, "s"), Kind.CELL)):
        assert sum(piece.rows for piece in decoded(table.read(wanted))) == 1000


# columns and their types -----------------------------------------------------------------------------------------


def test_a_type_is_never_guessed_from_the_first_rows(write: Write) -> None:
    rows: list[dict[str, Any]] = [{"y": 1, "p": 1}] * LONG + [
        {"y": 2.5, "p": 1e300},
        {"y": 1, "p": "2"},
        {"p": 3, "y": 2**70},
    ]
    found = package.evaluate(str(write("late.jsonl", lines(*rows))), target="y", pred="p", losses="max_error")
    assert found.cells[0].value == 1e300
    rows = [{"y": None, "p": None, "g": 1}] * LONG + [
        {"y": True, "p": 0.5, "g": "x"},
        {"y": False, "p": 0.25, "g": 2.5},
    ]
    path = write("late.jsonl", lines(*rows))
    report = package.evaluate(str(path), target="y", pred="p", losses="brier", missing="drop", by="g")
    assert report.cells[0].value == (0.25 + 0.0625) / 2
    assert {cell.slice["g"] for cell in report.cells if cell.slice and cell.rows} == {"x", "2.5"}
    table = open_table(str(path))
    assert (table.shape("y").kind, table.shape("p").kind) == ("boolean", "number")
    rows = [{"v": None}] * LONG + [{"v": [1, 2, 3]}]
    assert open_table(str(write("late.jsonl", lines(*rows)))).shape("v").width == 3


def test_columns_are_the_keys_of_the_records_in_the_first_mib(write: Write) -> None:
    path = write("k.jsonl", lines({"y": 1, "p": 1}, {"q": 2, "y": 1}, {"p": 3, "é": 1}))
    assert open_table(str(path)).names == ("y", "p", "q", "é")
    pad = "x" * 1000
    path = write("k.jsonl", lines(*[{"y": 1, "p": 2, "pad": pad}] * 2000, {"y": 1, "p": 2, "late": 3}))
    assert open_table(str(path)).names == ("y", "p", "pad")
    assert package.evaluate(str(path), **MSE).cells[0].rows == 2001
    assert "there is no column 'late'" in refusal(path, pred="late")


@pytest.mark.parametrize(
    ("line", "row"),
    [
        *(('{"y": 1, "p": 2', row) for row in (1, 65_536, LONG)),
        *(('{"y": 1, "p": "x"}', row) for row in (65_537, LONG)),
        ("{}}", 65_536),
        ('{"y": 1, "p": 2, "p": 2}', 65_536),
        ('{"p": 1, "y": NaN}', 65_537),
    ],
)
def test_the_first_bad_line_is_named_in_any_piece(write: Write, line: str, row: int) -> None:
    texts = [GOOD] * LONG + [GOOD]
    texts[row] = line
    texts[-1] = texts[-1] if row == LONG else "oops"
    path = write("bad.jsonl", "\n".join(texts))
    for threads in (1, 3):
        assert refusal(path, threads=threads).startswith(f"bad.jsonl: row {row + 1}")


@pytest.mark.parametrize("later", [{"p_c": 0.1}, {"other": 1}, {"s": "p_d"}, {"p_a": None}])
@pytest.mark.parametrize("nested", [False, True])
def test_a_column_that_a_pattern_would_have_taken_is_not_left_out_in_silence(
    write: Write, later: dict[str, Any], nested: bool
) -> None:
    row = {"y": "a", "p_a": 0.5, "p_b": 0.5, "pad": "x" * 100}
    count = 70_000 if "p_c" in later and not nested else 9_000  # in another piece, or only after the first MiB
    rows = [*[row] * count, {**row, **({"meta": later} if nested else later)}]
    path = write("late.jsonl", lines(*rows))
    question: dict[str, Any] = {"target": "y", "pred": "p_*", "losses": "cce"}
    if nested or not ({"p_c", "p_a"} & set(later)):
        assert package.evaluate(str(path), **question).cells[0].value == math.log(2.0)
    elif "p_c" in later:
        assert f"row {count + 1}: the key 'p_c' matches 'p_*', but no record in the first MiB has it" in refusal(
            path, **question
        )
        listed = {**question, "pred": "p_a,p_b"}
        assert package.evaluate(str(path), **listed).cells[0].rows == count + 1
        parts = path.parent / "parts"
        parts.mkdir()
        path.rename(parts / "1.jsonl")
        assert f"1.jsonl: row {count + 1}: the key 'p_c'" in refusal(parts / "1.jsonl", **question)
        with pytest.raises(DataError, match=f"row {count + 1}: the key 'p_c'"):
            package.evaluate(str(parts), **question)
    else:
        assert f"row {count + 1}, column 'p_a': the value is missing" in refusal(path, **question)


def test_files_of_lines_are_known_by_content_not_by_name(lossctl: Lossctl, write: Write) -> None:
    text = lines({"y": 1, "p": 3})
    for name in ("a.csv", "a.txt", "a", "a.jsonl", "a.ndjson", "a.json"):
        assert lossctl("eval", write(name, text), *ON_P, "-f", "value").values == [4.0]
    for name in ("a.csv.gz", "a"):
        assert lossctl("eval", write(name, gzip.compress(text.encode())), *ON_P, "-f", "value").values == [4.0]
    for start in ("\ufeff", "\n\r\n \t", "\ufeff\n"):
        assert lossctl("eval", write("a", start + text), *ON_P, "-f", "value").values == [4.0]
    assert lossctl(
        "eval", write("a.csv", "{y},p\n1,3\n"), "-t", "{y}", "-p", "p", "-l", "mse", "-f", "value"
    ).values == [4]


def test_models_are_named_by_files_without_their_endings(lossctl: Lossctl, write: Write) -> None:
    paths = [write(name, lines({"y": 1, "p": 3})) for name in ("one.jsonl", "two.ndjson.gz")]
    assert [cell["model"] for cell in lossctl("eval", *paths, *ON_P, "-f", "json").json["results"]] == ["one", "two"]


def test_empty_lines_at_the_end_are_none(write: Write) -> None:
    for end in ("", "\n", "\r\n", "\n\n", "\n \n\t\r\n\n"):
        assert values('{"p": 1}\n{"p": 2}' + end, write) == [1.0, 2.0]


def test_pieces_are_cut_at_any_line(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "BLOCK", 4)
    for step in (1, 7, 1 << 20):
        monkeypatch.setattr(records, "STEP", step)
        for count in (1, 3, 4, 5, 8, 9):
            text = lines(*({"p": row} for row in range(count)))
            for content in (text, text.rstrip("\n"), text + "\n\n", text.replace("\n", "\r\n\n \t\n")):
                assert values(content, write) == list(map(float, range(count)))


# every command ---------------------------------------------------------------------------------------------------


def test_standard_input_and_every_command(lossctl: Lossctl, write: Write, tmp_path: Path) -> None:
    rows = [{"y": i % 5, "a": i % 5 + 0.1 * (i % 3), "b": i % 5 + 0.2 * (i % 4), "g": f"g{i % 2}"} for i in range(60)]
    path = write("r.jsonl", lines(*rows))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    other = write("r.csv", text.getvalue())
    both = ("-t", "y", "-p", "a", "-p", "b", "-l", "mae", "--by", "g")

    def alike(*command: object, form: str = "json") -> Outcome:
        found, wanted = (lossctl(command[0], name, *command[1:], *both, "-f", form) for name in (path, other))
        assert found.code == wanted.code
        for key in ("results", "comparisons", "checks", "columns"):
            assert found.json.get(key) == wanted.json.get(key)
        return found

    assert alike("eval").code == 0
    assert alike("compare").json["comparisons"]
    assert alike("check", "--max", "mae=1").json["verdict"] == "pass"
    assert alike("check", "--max", "mae=0.01").code == ExitCode.GATE
    assert alike("validate").code == 0
    for command in ("eval", "check", "compare", "validate"):
        rule = ("--max", "mae=1") if command == "check" else ()
        asked = ("-m", "lossctl", command, "-", *both, *rule, "-f", "json", "-q")
        piped = forked(*asked, piped=path.read_bytes())
        assert (piped.code, piped.err) == (0, "")
        document = json.loads(piped.out)
        assert document.get("results") == lossctl(command, path, *both, *rule, "-f", "json").json.get("results")
    one = ("-t", "y", "-p", "a", "-l", "mae")
    accepted = lossctl("check", path, *one, "--baseline", path, "--max-regression", "mae=1%")
    assert accepted.code == 0, accepted.err
    saved = tmp_path / "base.json"
    assert lossctl("eval", path, *one, "-o", saved).code == 0
    assert lossctl("check", path, *one, "--baseline", saved, "--max-regression", "mae=1%").code == 0
    assert lossctl("diff", saved, saved).code == 0
    assert lossctl("check", saved, "--max", "mae=1").code == 0
    saved.write_text(json.dumps(json.loads(saved.read_text())))  # all in one line, as jq -c writes it
    nameless = saved.rename(tmp_path / "base")
    assert lossctl("check", nameless, "--max", "mae=1").code == 0


def test_a_report_in_lines_is_still_told_apart_from_data(lossctl: Lossctl, write: Write, tmp_path: Path) -> None:
    report = tmp_path / "out"
    assert lossctl("eval", write("r.jsonl", lines({"y": 1, "p": 3})), *ON_P, "-o", f"jsonl:{report}").code == 0
    outcome = lossctl("check", report, "--max", "mse=1")
    assert outcome.code == ExitCode.DATA
    assert "JSON lines are no report" in outcome.err


def test_validate_says_what_the_lines_hold(lossctl: Lossctl, write: Write) -> None:
    rows = [
        {"y": 1, "p": 0.5, "s": "a", "t": True, "v": [1, 2], "o": {"x": 1}, "e": None},
        {"y": 2, "p": None, "s": None, "t": False, "v": None, "o": None, "e": None},
        {"y": 3, "s": "", "t": True, "v": [3, 5], "o": {"x": 2}},
    ]
    for text, kind in ((lines(*rows), "jsonl"), (lines(*rows).replace("1", " 1"), "jsonl")):
        found = lossctl("validate", write("v.jsonl", text), "-t", "y", "-p", "p", "-f", "json").json
        assert found["inputs"][0]["format"] == kind
        held = {column["name"]: column for column in found["inputs"][0]["columns"]}
        assert {name: column["kind"] for name, column in held.items()} == {
            "y": "number",
            "p": "number",
            "s": "text",
            "t": "boolean",
            "v": "number",
            "o": "other",
            "o.x": "number",
            "e": "number",
        }
        assert (held["v"]["width"], held["v"]["null"], held["v"]["maximum"]) == (2, 1, 5.0)
        assert (held["p"]["null"], held["s"]["null"], held["s"]["empty"], held["e"]["null"]) == (2, 1, 1, 3)
        assert held["o"]["null"] == 1
    packed = write("v.jsonl.gz", gzip.compress(lines(*rows).encode()))
    found = lossctl("validate", packed, "-t", "y", "-p", "p", "-f", "json").json
    assert found["inputs"][0]["format"] == "jsonl, gzip"


@pytest.mark.parametrize("odd", ["word", True, [1, 2], {"x": 1}, "\ud800"])
@pytest.mark.parametrize("first", [1.5, "a", [1.0, 2.0], {"x": 2}, False])
def test_nothing_is_wrong_with_a_cell_for_a_survey(lossctl: Lossctl, write: Write, first: object, odd: object) -> None:
    path = write("v.jsonl", lines({"y": 1, "p": 1, "x": first}, {"y": 2, "p": 1, "x": odd}))
    outcome = lossctl("validate", path, "-t", "y", "-p", "p", "-l", "mse", "-f", "json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["inputs"][0]["rows"] == 2


# what is refused -------------------------------------------------------------------------------------------------

GOOD = '{"y": 1, "p": 2}'
JSON_ONE = "each line is one JSON object"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("[1, 2]", ["holds a list", JSON_ONE]),
        ("3.5", ["holds 3.5", JSON_ONE]),
        ("null", ["holds null", JSON_ONE]),
        ('"text"', ["holds a text", JSON_ONE]),
        ('{"y": 1, "p": 2', ["no JSON object", "at character 16", JSON_ONE]),
        ('{"y": 1, "p": 2}}', ["no JSON object", "character 17"]),
        ('{\n"y": 1,\n"p": 2\n}', ["no JSON object", "goes on in the next line, jq -c . puts each object on one"]),
        ('{"y": 1, "p": 2}{"y": 1, "p": 2}', ["extra data", "; jq -c . puts each object on a line"]),
        ('{"y": 1, "p": 2},', ["extra data", "are read if [ and ] stand around all"]),
        ('{"y": 1, "p": 2} {"y": 1, "p": 2}', ["extra data", "character 18"]),
        ('{"y": 1, "p": 2}{"y": 1, "p": 2}', ["extra data", "character 17"]),
        ('{"y": 1, "p": 2},', ["extra data"]),
        ("{y: 1, p: 2}", ["no JSON object", "double quotes"]),
        ("{'y': 1, 'p': 2}", ["no JSON object", "double quotes"]),
        ('{"y": 1, "p": 2} // note', ["extra data"]),
        ('{"y": 01, "p": 2}', ["no JSON object"]),
        ('{"y": 1., "p": 2}', ["no JSON object"]),
        ('{"y": +1, "p": 2}', ["no JSON object"]),
        ('{"y": 1, "p": 2,}', ["no JSON object"]),
        ('{"y": 1, "p": "a\tb"}', ["no JSON object", "control character"]),
        ('{"y": 1, "p": "\0"}', ["no JSON object", "control character"]),
        ('{"y": 1, "p": nul}', ["no JSON object"]),
        ('{"y": 1, "p": NaN}', ["NaN", "null"]),
        ('{"y": 1, "p": Infinity}', ["Infinity", '"inf"']),
        ('{"y": 1, "p": -Infinity}', ["-Infinity", '"inf"']),
        ('{"y": 1, "p": 2, "z": NaN}', ["NaN"]),
        ('{"y": 1, "p": 2, "p": 3}', ["'p' stands twice"]),
        ('{"y": 1, "p": 2, "\\u0070": 3}', ["'p' stands twice"]),
        ('{"y": 1, "p": 1e999}', ["column 'p'", "beyond the range of float64"]),
        ('{"y": 1, "p": -1e400}', ["column 'p'", "beyond the range of float64"]),
        ('{"y": 1, "p": 1' + "0" * 309 + "}", ["column 'p'", "beyond the range of float64"]),
        ('{"y": 1, "p": 1' + "0" * 9999 + "}", ["column 'p'", "beyond the range of float64"]),
        ('{"y": 1, "p": 9007199254740993}', ["column 'p'", "9007199254740993", "2^53", "exactly"]),
        ('{"y": 1, "p": 1.7976931348623159e308}', ["column 'p'", "beyond the range of float64"]),
        ('{"y": 1, "p": true}', ["column 'p': true is not a number"]),
        ('{"y": 1, "p": "two"}', ["column 'p': 'two' is not a number"]),
        ('{"y": 1, "p": "\\u001b[2J"}', ["column 'p': '\\x1b[2J' is not a number"]),
        ('{"y": 1, "p": "\\ud800"}', ["column 'p': '\\ud800' is not a number"]),
        ('{"y": 1, "p": [2]}', ["column 'p': holds a list; one number per row"]),
        ('{"y": 1, "p": {"a": 2}}', ["column 'p': holds an object; one number per row"]),
        ('{"y": 1, "p": ' + "[" * 100_000 + "]" * 100_000 + "}", ["nested too deeply"]),
        ('{"y": 1, "p": 2, "z": ' + '{"a":' * 100_000 + "1" + "}" * 100_000 + "}", ["nested too deeply"]),
        ("\xef\xbb\xbf", ["no JSON object"]),
    ],
)
def test_a_bad_line_is_named(lossctl: Lossctl, write: Write, line: str, says: list[str]) -> None:
    row = 20
    texts = [GOOD] * (row - 1) + [line, GOOD, "oops"]
    path = write("bad.jsonl", "\n".join(texts) + "\n")
    outcome = lossctl("eval", path, *ON_P)
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (ExitCode.DATA, "", 1)
    assert outcome.err[:-1].isprintable()
    assert f"bad.jsonl: row {row}" in outcome.err
    for text in says:
        assert text in outcome.err
    assert len(outcome.err) < 400 + len(str(path))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b'{"y": 1, "p": "\xff"}', ["byte 16 of the line is not UTF-8 text"]),
        (b'{"y": 1, "p": 2, "z": "\xed\xa0\x80"}', ["byte 24 of the line is not UTF-8 text"]),
        (b'{"y": 1, "p": 2}\0', ["extra data"]),
        (b'{"y": 1, "p": 2}\x0c', ["extra data"]),
        (b'{"y": 1,\r"p": 2}\x0b', ["extra data"]),
    ],
)
def test_a_line_of_bad_bytes_is_named(write: Write, line: bytes, says: list[str]) -> None:
    found = refusal(write("bad.jsonl", b"\n".join([GOOD.encode()] * 3 + [line, GOOD.encode()])))
    for text in ["bad.jsonl: row 4", *says]:
        assert text in found


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([{"y": 1, "p": [1, 2]}, {"y": 1, "p": [1]}], "column 'p': has lists of different lengths: 2 and 1"),
        ([{"y": 1, "p": [1, 2]}, {"y": 1, "p": 5}], "column 'p': holds 5; a list of 2 numbers"),
        ([{"y": 1, "p": [1, 2]}, {"y": 1, "p": [1, None]}], "column 'p': has a null inside a list"),
        ([{"y": 1, "p": [1, 2]}, {"y": 1, "p": [1, "2"]}], "column 'p': holds a text inside a list"),
        ([{"y": 1, "p": [1, 2]}, {"y": 1, "p": [1, [2]]}], "column 'p': holds a list inside a list"),
        ([{"y": 1, "p": [1, 2]}, {"y": 1, "p": [1, {}]}], "column 'p': holds an object inside a list"),
        ([{"y": 1, "p": [1, 2]}, {"y": 1, "p": [1, True]}], "column 'p': true is not a number"),
        ([{"y": 1, "p": [True]}, {"y": 1, "p": [1]}], "column 'p': 1 is not true or false, as the rows before it"),
        ([{"y": 1, "p": False}, {"y": 1, "p": 0.5}], "column 'p': 0.5 is not true or false, as the rows before it"),
        ([{"y": 1, "p": False}, {"y": 1, "p": "yes"}], "column 'p': 'yes' is not true or false, as the rows before it"),
    ],
)
def test_values_that_do_not_go_together(write: Write, rows: list[Any], says: str) -> None:
    text = lines(*rows)
    for content in (text, text.replace('{"y"', ' {"y"')):
        found = refusal(write("bad.jsonl", content), losses="mae", target="p", pred="p")
        assert found.startswith(f"bad.jsonl: row 2, {says}")


@pytest.mark.parametrize("use", ["by", "id", "positive_label", "classes"])
@pytest.mark.parametrize("value", [[1], {"a": 1}, "\ud800", 1e999])
def test_what_is_no_label(write: Write, use: str, value: object) -> None:
    text = json.dumps(value).replace("Infinity", "1e999")
    path = write("bad.jsonl", lines('{"y": 1, "p": 1, "x": "a"}', f'{{"y": 1, "p": 1, "x": {text}}}'))
    asked: dict[str, dict[str, Any]] = {
        "by": {"by": "x"},
        "id": {"id": "x"},
        "positive_label": {"target": "x", "positive_label": "a", "losses": "bce"},
        "classes": {"target": "x", "classes": ["a", "b"], "pred": "y,p", "losses": "cce", "activation": "softmax"},
    }
    assert refusal(path, **asked[use]).startswith("bad.jsonl: row 2, column 'x': holds ")


def test_a_column_of_lists_is_no_label(write: Write) -> None:
    path = write("bad.jsonl", lines({"y": 1, "p": 1, "x": [1, 2]}))
    assert refusal(path, by="x").endswith("row 1, column 'x': holds a list; one value per row is needed")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf\r\n \n", "the file is empty"),
        (b"y,p\n1,2\n", "not JSON lines: it does not begin with {"),
        (b'"y"\n', "not JSON lines: it does not begin with {; one object on each line, or a list of objects"),
        (b"[]\n", "the list holds no objects"),
        (b"[1, 2]\n", "row 1: holds 1; each"),
        (b'[{"y": 1, "p": 2}, {"y": 1, "p": 2}', "row 3: no JSON object"),
        (b'[{"y": 1, "p": 2}, {"y": 1, "p": 2}] 3', "row 3: holds 3; each"),
        (b'[{"y": 1, "p": 2}, {"y": 1, "p": 2,}]', "row 2: no JSON object"),
        (b'[{"y": 1, "p": 2} {"y": 1, "p": 2}]', "row 2: no JSON object"),
        ('{"y": 1}'.encode("utf-16")[:-1], "it begins as utf-16-le text, but is none"),
        (b"{}\n{}\n", "its records have no keys"),
        (b'{"y": 1', "row 1: no JSON object"),
        (b'{\n  "y": 1,\n  "p": 2\n}\n', "row 1: no JSON object"),
        (b'{"y": 1, "y": 2}\n', "row 1: the key 'y' stands twice in one object"),
        (b'{"y": 1, "\\ud800": 2}\n', r"the key '\\ud800' is no text"),
        (gzip.compress(b'{"y": 1, "p": 2}\n' * 9, mtime=0)[:-6], "the compressed file is cut short"),
    ],
)
def test_a_file_that_is_not_one_of_lines(write: Write, content: bytes, says: str) -> None:
    assert refusal(write("bad.jsonl", content)).startswith(f"bad.jsonl: {says}")


def test_a_name_of_another_format_is_no_file_of_lines(write: Write) -> None:
    assert "not a Parquet file" in refusal(write("a.parquet", lines({"y": 1, "p": 2})))


def test_lines_that_never_end_are_not_gathered(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "LONGEST", 1 << 20)
    long = '{"y": 1, "p": 2, "pad": "' + "x" * (3 << 20) + '"}\n'
    assert "row 1 or one after it: one line is longer than 1 MiB" in refusal(write("a.jsonl", long))
    assert "row 3 or one after it: one line is longer" in refusal(write("a.jsonl", lines(GOOD, GOOD) + long))


def test_a_long_first_line_names_the_columns(write: Write) -> None:
    rows = [{"pad": "x" * (2 * jsonl.HEAD - 40), "y": 1, "p": 3}, {"y": 1, "p": 3, "more": 1}]
    assert open_table(str(write("a.jsonl", lines(*rows)))).names == ("pad", "y", "p")
    assert package.evaluate(str(write("a.jsonl", lines(*rows))), **MSE).cells[0].value == 4.0


def test_a_row_outside_a_domain_comes_before_a_later_line_that_is_broken(write: Write) -> None:
    rows = ['{"y": 1, "p": 0.5}'] * 66_000
    rows[65_600] = '{"y": 1, "p": 7}'
    rows[65_650] = '{"y": 1, "p": '
    path = write("both.jsonl", lines(*rows))
    for threads in (1, 3):
        assert "row 65601, column 'p' = 7" in refusal(path, losses="bce", threads=threads)


def test_parts_that_lack_a_column_are_named(tmp_path: Path) -> None:
    (tmp_path / "1.jsonl").write_text(lines({"y": 1, "p": 2}))
    (tmp_path / "2.jsonl").write_text(lines({"y": 1}))
    with pytest.raises(DataError, match=r"2.jsonl: its columns differ from those of .*1.jsonl: \['p'\]"):
        package.evaluate(str(tmp_path), **MSE)


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(lines(*[{"y": 1, "p": 2}] * LONG))

    def change(_: int) -> None:
        with open(path, "a") as file:
            file.write(GOOD)

    with pytest.raises(DataError, match="the file changed while it was read"):
        package.evaluate(str(path), **MSE, progress=change, threads=1)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    script = (
        "import re, sys, lossctl; lossctl.evaluate(sys.argv[1], target='y', pred='p', losses='mse', threads=2); "
        "print(re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1])"
    )
    peaks = []
    for count in (4, 10):
        path = tmp_path / f"{count}.jsonl"
        path.write_text(lines({"y": 1.5, "p": 2.25, "note": "x" * 200}) * (count * 65_536))
        ended = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True)
        peaks.append(int(ended.stdout))
    assert peaks[1] < peaks[0] + 60_000  # KiB; the lines of six more pieces have 90,000 of them
