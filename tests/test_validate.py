"""The data report: what is said of columns, roles, keys and slices, and that it fails where eval does, in its words."""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, strategies as st

from lossctl.api.validate import validate
from lossctl.cli.validate import FORMATS
from lossctl.core.block import Pending, ready
from lossctl.core.domain import UNIT
from lossctl.engine.run import in_order
from lossctl.errors import DataError, UsageError
from lossctl.io.table import Cells, Kind, Numbers, Piece, Shape, Table
from lossctl.output.survey import render
from lossctl.output.text import Style
from lossctl.profile import scan
from lossctl.profile.columns import ColumnProfile, profile_column, profile_columns
from lossctl.profile.numbers import NumberSummary, ValueCounts
from lossctl.profile.roles import RoleProfile, role_domains
from lossctl.profile.scan import AHEAD, TableScan
from lossctl.results.survey import MOST_WORDS, ColumnSurvey, RoleSurvey, Survey
from tests.conftest import ROOT, Lossctl
from tests.test_startup import HEAVY, loaded
from tests.warm import forked

pytestmark = pytest.mark.deep

Write = Callable[[str, str | bytes], Path]

MIXED = """key,n,flag,word,odd,x
a,1,true,red,1.5,0
b,,False,blue,abc,-inf
c,NA,true,,2.5,inf
d,nan,true,red,,3
e,-4,TRUE,NA,x1,4.5
"""
REGRESSION = "y,p,q\n1,1.5,1\n2,2.5,2\n3,2,3\n4,4,5\n"
BINARY = "y,p\n0,0.1\n1,0.9\n0,0.3\n1,0.8\n"
CLASSES = "y,p_a,p_b,p_c\na,0.5,0.3,0.2\nb,0.1,0.8,0.1\nc,0.2,0.2,0.6\na,0.9,0.1,0\n"


def column(survey: Survey, name: str, place: int = 0) -> ColumnSurvey:
    found = survey.tables[place].column(name)
    assert found is not None
    return found


def role(survey: Survey, model: str | None, name: str = "pred") -> RoleSurvey:
    return next(found for found in survey.roles if (found.model, found.role) == (model, name))


def fits(survey: Survey, model: str | None, name: str = "pred") -> dict[str, tuple[int, int | None]]:
    return {fit.domain: (fit.outside, fit.first) for fit in role(survey, model, name).fits}


def parquet(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    pq.write_table(pa.table(columns), path, **options)
    return path


# columns -------------------------------------------------------------------------------------------------------------


def test_columns_of_a_text_file(write: Write) -> None:
    survey = validate(str(write("m.csv", MIXED)))
    table = survey.tables[0]
    assert (table.format, table.rows, table.fault) == ("csv", 5, None)
    assert [(found.name, found.kind) for found in table.columns] == [
        ("key", "text"),
        ("n", "number"),
        ("flag", "boolean"),
        ("word", "text"),
        ("odd", "number"),
        ("x", "number"),
    ]
    n = column(survey, "n")
    assert (n.null, n.empty, n.nan, n.missing, n.values, n.first_missing) == (1, 1, 1, 3, 2, 2)
    assert (n.minimum, n.maximum, n.mean, n.zeros, n.whole) == (-4.0, 1.0, -1.5, 0, True)
    assert n.frequent == (("1", 1), ("-4", 1))
    flag = column(survey, "flag")
    assert (flag.distinct, flag.frequent) == (2, (("true", 4), ("false", 1)))
    word = column(survey, "word")
    assert (word.null, word.empty, word.distinct) == (0, 1, 3)
    assert word.frequent == (("red", 2), ("blue", 1), ("NA", 1))
    assert (word.minimum, word.mean, word.zeros, word.whole, word.odd) == (None, None, None, None, None)
    odd = column(survey, "odd")
    assert odd.odd is not None
    assert (odd.odd.count, odd.odd.row, odd.odd.text) == (2, 2, "abc")
    assert (odd.empty, odd.minimum, odd.maximum, odd.mean, odd.distinct) == (1, 1.5, 2.5, 2.0, 2)
    x = column(survey, "x")
    assert (x.plus_infinite, x.minus_infinite, x.zeros, x.whole) == (1, 1, 1, False)
    assert (x.minimum, x.maximum, x.mean) == (0.0, 4.5, 2.5)


def test_the_kinds_of_missing_values_are_told_apart_in_parquet(tmp_path: Path) -> None:
    path = parquet(
        tmp_path / "m.parquet",
        {
            "n": pa.array([1.0, None, math.nan, 2.0]),
            "w": pa.array(["a", "", None, ""]),
            "c": pa.array(["a", "b", None, "a"]).dictionary_encode(),
            "none": pa.nulls(4),
        },
    )
    survey = validate(str(path))
    assert [(c.null, c.empty, c.nan, c.first_missing) for c in survey.tables[0].columns] == [
        (1, 0, 1, 2),
        (1, 2, 0, 2),
        (1, 0, 0, 3),
        (4, 0, 0, 1),
    ]
    assert column(survey, "c").frequent == (("a", 2), ("b", 1))


def test_vectors_and_other_types(tmp_path: Path) -> None:
    path = parquet(
        tmp_path / "v.parquet",
        {
            "v": pa.array([[1.0, 2.0], None, [0.0, 4.0]]),
            "ragged": pa.array([[1.0], [1.0, 2.0], []]),
            "day": pa.array([1, None, 3], pa.date32()),
            "big": pa.array([2**60 + 1, 2**60 + 3, 0], pa.int64()),
            "money": pa.array([1, 2, 3], pa.int64()).cast(pa.decimal128(21, 2)),
        },
    )
    survey = validate(str(path), pred=["ragged", "day"], target="big")
    v = column(survey, "v")
    assert (v.kind, v.width, v.null, v.minimum, v.maximum, v.mean, v.zeros) == ("number", 2, 1, 0.0, 4.0, 1.75, 1)
    assert column(survey, "ragged").fault == "has lists of different lengths: 1 and 2"
    day = column(survey, "day")
    assert (day.kind, day.null, day.distinct, day.frequent) == ("other", 1, None, ())
    assert day.fault == "holds date32[day] values; numbers are needed"
    big = column(survey, "big")
    assert (big.minimum, big.maximum) == (0.0, float(2**60))
    assert big.fault is not None
    assert "float64 cannot hold" in big.fault
    assert column(survey, "money").mean == 2.0
    assert not survey.works


def test_csv_and_parquet_agree(tmp_path: Path, write: Write) -> None:
    rng = np.random.default_rng(4)
    rows = 70_001  # more than one block
    values = rng.normal(size=rows) * 10.0 ** rng.integers(-8, 8, rows)
    table = pa.table(
        {
            "y": rng.integers(0, 2, rows),
            "p": rng.random(rows),
            "v": pa.array([None if i % 97 == 0 else float(x) for i, x in enumerate(values)]),
            "k": np.arange(rows),
            "w": [f"w{i % 7}" for i in range(rows)],
            "t": [f"t{i}" for i in range(rows)],
            "b": [bool(i % 3) for i in range(rows)],
        }
    )
    binary = tmp_path / "a.parquet"
    pq.write_table(table, binary, row_group_size=10_000)
    frame = table.to_pandas()
    plain, packed = tmp_path / "a.csv", tmp_path / "a.csv.gz"
    frame.to_csv(plain, index=False)
    frame.to_csv(packed, index=False)
    options: dict[str, Any] = {"target": "y", "pred": "p", "by": "w", "missing": "drop"}
    typed, *texts = (validate(str(path), **options) for path in (binary, plain, packed))
    assert [text.tables[0].format for text in texts] == ["csv", "csv, gzip"]
    for text in texts:
        for one, other in zip(typed.tables[0].columns, text.tables[0].columns, strict=True):
            assert replace(one, null=0, empty=one.missing) == replace(other, null=0, empty=other.missing)
        assert text.slices == typed.slices
        assert [found.fits for found in text.roles] == [found.fits for found in typed.roles]
        assert text.works
    kept = [Fraction(float(value)) for place, value in enumerate(values) if place % 97]
    assert column(typed, "v").mean == float(sum(kept) / len(kept))
    assert column(typed, "k").ascending
    assert not column(typed, "y").ascending
    assert column(typed, "t").distinct is None
    assert column(typed, "t").frequent == (("t0", None), ("t1", None), ("t2", None))
    assert (
        validate(str(plain), **options, threads=1).tables
        == texts[0].tables
        == validate(str(plain), **options, threads=3).tables
    )


def test_a_folder_and_a_tab_separated_file(tmp_path: Path, write: Write) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / "part-1.csv").write_text("y,p\n1,2\n3,x\n")
    (folder / "part-2.csv").write_text("p,y\n5,4\n,6\n")
    survey = validate(str(folder), target="y", pred="p")
    assert (survey.tables[0].format, survey.tables[0].rows) == ("folder of 2 csv files", 4)
    assert (column(survey, "y").mean, column(survey, "p").empty, column(survey, "p").maximum) == (3.5, 1, 5.0)
    found = column(survey, "p").odd
    assert found is not None
    assert (found.row, found.text) == (2, "x")
    assert validate(str(write("t.tsv", "y\tp\n1\t2\n"))).tables[0].format == "tsv"


def test_data_in_memory_is_surveyed_alike() -> None:
    columns = {"y": [0, 1, 1], "p": [0.5, 0.25, math.nan], "w": ["a", "b", "a"], "b": [True, False, True]}
    surveys = [validate(data) for data in (columns, pd.DataFrame(columns), pa.table(columns))]
    for survey in surveys:
        assert [found.kind for found in survey.tables[0].columns] == ["number", "number", "text", "boolean"]
        assert column(survey, "w").frequent == (("a", 2), ("b", 1))
        assert (column(survey, "p").missing, column(survey, "p").mean) == (1, 0.375)
        assert survey.tables[0].format is None
    sliced = [
        validate(data, target="y", pred="p", by=["w", "y", "b"], missing="drop").slices
        for data in (columns, pd.DataFrame(columns))
    ]
    assert sliced[0] == sliced[1]
    assert [slicing.slices for slicing in sliced[0]] == [2, 2, 2]


def test_bytes_that_are_no_text_and_blanks_around_numbers(write: Write) -> None:
    survey = validate(str(write("l.csv", b"name,y,p\nJos\xe9,1, 2.5\nAnn,2,\t1\n")), target="y", pred="p")
    assert column(survey, "name").frequent == (("Jos\\xe9", 1), ("Ann", 1))
    assert column(survey, "p").mean == 1.75
    assert survey.works


@pytest.mark.parametrize(
    "field", ["1e5", "+.5", "-1.", "Infinity", "NaN", " 7 ", "0x10", "1_000", "1,5", "--1", "", "1e"]
)
def test_fields_are_numbers_for_the_survey_where_they_are_for_eval(lossctl: Lossctl, write: Write, field: str) -> None:
    quoted = f'"{field}"' if "," in field else field
    path = write("f.csv", f"y,p\n1,2\n1,{quoted}\n2,3\n")
    survey = validate(str(path), target="y", pred="p", losses="max_error")
    outcome = lossctl("eval", path, "-t", "y", "-p", "p", "-l", "max_error")
    assert (column(survey, "p").odd is not None) == ("is not a number" in outcome.err)
    assert survey.works == (outcome.code == 0)


def test_an_unreadable_row_ends_the_survey_of_its_table(write: Write) -> None:
    path = write("r.csv", "y,p\n1,2\n2,3\n3\n4,5\n")
    survey = validate(str(path), target="y", pred="p")
    assert survey.tables[0].rows == 2
    assert (
        survey.tables[0].fault == f"{path}: row 3: 1 field, but the header has 2; --bad-rows drop leaves such rows out"
    )
    assert survey.problems == (survey.tables[0].fault,)
    assert column(survey, "p").mean == 2.5


def test_bad_rows_that_are_left_out_are_counted_beside_the_others(write: Write) -> None:
    """As `eval` counts them, so that nobody takes what was kept for what the file holds."""
    path = write("r.csv", "y,p\n1,2\n2,3,9\n3\n4,5\n")
    survey = validate(str(path), target="y", pred="p", bad_rows="drop")
    assert (survey.tables[0].rows, survey.tables[0].left_out) == (2, 2)
    assert survey.document()["inputs"][0]["left_out"] == 2
    assert "2 rows used, 2 left out" in str(survey)
    assert "rows used" not in str(validate({"y": [1.0, 2.0], "p": [1.0, 2.0]}, target="y", pred="p"))


def test_what_is_wrong_with_unused_columns_is_no_problem_but_a_warning(tmp_path: Path) -> None:
    path = parquet(
        tmp_path / "d.parquet",
        {"y": [1.0, 2.0], "p": [1.0, 3.0], "z": ["x" * 40, "y" * 40]},
        compression="none",
        use_dictionary=False,
        write_page_checksum=True,
    )
    content = path.read_bytes()
    path.write_bytes(content.replace(b"x" * 40, b"w" * 40))
    survey = validate(str(path), target="y", pred="p", losses="mse")
    assert survey.works
    assert survey.tables[0].fault is not None
    assert [text for text in survey.warnings if "damaged" in text]
    assert (column(survey, "p").mean, role(survey, "p").rows, survey.tables[0].rows) == (2.0, 2, 2)


# states --------------------------------------------------------------------------------------------------------------

CELLS = st.lists(st.sampled_from([b"1", b"2.5", b"-0", b"", b"NA", b"nan", b"inf", b"-inf", b"abc", b"1e300", b" 4"]))


@given(CELLS, st.integers(0, 20))
def test_parts_of_a_column_merge_to_the_whole(cells: list[bytes], cut: int) -> None:
    for kind in ("number", "text"):
        array = pa.array(cells, pa.large_binary())
        parts = [part for part in ((array[:cut], 0), (array[cut:], cut)) if len(part[0])]
        states = [profile_column(Cells(part), Shape(kind), start)[0] for part, start in parts]
        if not states:
            continue
        whole, _ = profile_column(Cells(array), Shape(kind), 0)
        merged = states[0] if len(states) == 1 else states[0].merge(states[1])
        assert merged.rows == len(cells)
        if kind == "text":  # the first text is looked for in the first rows alone
            merged, whole = replace(merged, odd=None), replace(whole, odd=None)
        assert canonical(merged) == canonical(whole)


@given(st.integers(1, 60), st.integers(0, 1000))
def test_columns_that_are_profiled_together_are_what_each_is_alone(rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(9, rows)) * 10.0 ** rng.integers(-300, 300, size=(9, 1))
    values[0], values[1], values[2, 0], values[3, -1] = -0.0, rng.integers(-2, 2, rows), np.nan, -np.inf
    values[4], values[5, 0] = np.arange(rows), 1.7e308
    arrays = [pa.array(line) for line in values]
    arrays += [pa.array(rng.integers(0, 3, rows), kind) for kind in (pa.uint8(), pa.int64())]
    arrays += [pa.array([None] * rows, pa.float32()), pa.array([2**53 + 1] * rows), pa.array(values[6] > 0)]
    cells = {f"c{place}": Cells(array) for place, array in enumerate(arrays)}
    shapes = {
        name: Shape("boolean" if pa.types.is_boolean(cell.values.type) else "number") for name, cell in cells.items()
    }
    for name, (state, numbers) in profile_columns(cells, shapes, 7).items():
        alone, numbers_alone = profile_column(cells[name], shapes[name], 7)
        for one, other in ((state, alone), (state.merge(state), alone.merge(alone))):
            assert repr(replace(one, values=ValueCounts())) == repr(replace(other, values=ValueCounts()))
            assert (one.values.frequent, one.values.by_label) == (other.values.frequent, other.values.by_label)
        assert (numbers is None) == (numbers_alone is None)
        if numbers is not None and numbers_alone is not None:
            np.testing.assert_array_equal(numbers.values, numbers_alone.values)
            np.testing.assert_array_equal(numbers.complete, numbers_alone.complete)


def canonical(state: ColumnProfile) -> tuple[object, ...]:
    """What a merge must keep: NaN as text, since it equals nothing, and the sum to its last digit."""
    assert state.numbers is None or state.numbers.count == 0 or state.numbers.mean is not None
    mean = None if state.numbers is None else state.numbers.mean
    numbers = state.numbers and replace(state.numbers, total=0)
    return tuple(map(repr, (replace(state, values=ValueCounts(), numbers=numbers), mean, state.values.counts)))


def test_roles_merge_to_the_whole() -> None:
    rng = np.random.default_rng(1)
    values = np.stack([rng.random(50) * 1.1, rng.random(50)])
    complete = rng.random(50) > 0.2
    domains = tuple(role_domains("pred", 2).values())
    whole = RoleProfile.fingerprinted(values, complete, 100, domains)
    left = RoleProfile.fingerprinted(values[:, :17], complete[:17], 100, domains)
    right = RoleProfile.fingerprinted(values[:, 17:], complete[17:], 117, domains)
    assert left.merge(right) == whole
    assert whole.rows == complete.sum()
    assert whole.outside(UNIT).row == 100 + int(np.argmax((values > 1).any(axis=0) & complete))
    assert RoleProfile.fingerprinted(values, np.zeros(50, dtype=bool), 0, domains).breaches == {}


def test_too_many_different_values_are_not_kept() -> None:
    many = ValueCounts.of([f"w{i}" for i in range(MOST_WORDS)], [1] * MOST_WORDS)
    assert many.counts is not None
    assert len(many.frequent) == 3
    more = many.merge(ValueCounts.of(["another"], [1]))
    assert (more.counts, more.frequent) == (None, (("w0", None), ("w1", None), ("w2", None)))
    assert more.merge(many).counts is None
    state, _ = profile_column(Numbers(np.arange(50_000.0)[np.newaxis]), Shape("number"), 0)
    assert state.values.counts is None


def test_a_sum_that_is_out_of_range_gives_a_mean() -> None:
    numbers = NumberSummary.of(np.full((1, 4), 1.7e308)).merge(NumberSummary.of(np.array([[1.7e308]])))
    assert numbers.mean == pytest.approx(1.7e308)


class Counted(Table):
    """A table of endless pieces that knows how many of them have been taken."""

    label, names = "counted", ("x",)

    def __init__(self) -> None:
        self.taken = 0

    def shape(self, name: str) -> Shape:
        return Shape("number")

    def read(self, columns: object, start: int = 0, stop: int | None = None) -> Iterator[Pending[Piece]]:
        for place in range(200):
            self.taken += 1
            yield ready(Piece({"x": Numbers(np.full((1, 10), float(place)))}))
        raise DataError("counted: no more")


def test_few_pieces_are_in_memory_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Counted()
    done = 0
    most = 0

    def progress(rows: int) -> None:
        nonlocal done, most
        done += 1
        most = max(most, table.taken - done)

    found = TableScan(table).run(threads=3, progress=progress)
    assert (found.rows, found.columns["x"].rows, str(found.fault)) == (2000, 2000, "counted: no more")
    assert most <= AHEAD * 3 + 1


def test_many_columns_are_read_in_parts_where_each_can_be_read_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = {f"c{place}": np.arange(5.0) + place for place in range(9)}
    path = parquet(tmp_path / "w.parquet", columns)
    options: dict[str, Any] = {"target": "c1", "pred": "c7", "by": "c8"}
    whole = validate(str(path), **options)
    read: list[list[str]] = []
    monkeypatch.setattr(scan, "WIDEST", 2)
    from lossctl.io.parquet import ParquetTable

    plain = ParquetTable.read

    def watched(self: ParquetTable, wanted: Mapping[str, Kind], *where: Any) -> Iterator[Pending[Piece]]:
        if Kind.CELL in wanted.values():
            read.append(list(wanted))
        return plain(self, wanted, *where)

    monkeypatch.setattr(ParquetTable, "read", watched)
    assert validate(str(path), **options) == whole
    assert read == [["c1", "c7", "c8"], ["c0", "c2", "c3", "c4", "c5", "c6"]]  # of few rows all
    read.clear()
    monkeypatch.setattr(scan, "BLOCK", 5)
    assert validate(str(path), **options) == whole
    assert read == [["c1", "c7", "c8"], ["c0", "c2"], ["c3", "c4"], ["c5", "c6"]]


def test_work_in_threads_keeps_the_order_and_hands_errors_on() -> None:
    assert list(in_order(iter(range(100)), lambda n: n * n, threads=3, ahead=6)) == [n * n for n in range(100)]
    with pytest.raises(DataError, match="7"):
        list(in_order(iter(range(20)), fails_at_seven, threads=2, ahead=4))


def fails_at_seven(n: int) -> int:
    if n == 7:
        raise DataError("7")
    return n


# roles ---------------------------------------------------------------------------------------------------------------


def test_domains_of_predictions_with_count_and_first_row(write: Write) -> None:
    path = write("d.csv", "y,p,q,z\n1,0.5,-1,1\n0,1.5,2,x\n1,2.5,inf,1\n0,,3,1\n")
    survey = validate(str(path), target="y", pred=["p", "q", "z"], missing="drop")
    assert fits(survey, "p") == {
        "probabilities in [0, 1]": (2, 2),
        "positive": (0, None),
        "non-negative": (0, None),
        "finite numbers": (0, None),
    }
    assert role(survey, "p").rows == 3
    assert fits(survey, "q") == {
        "probabilities in [0, 1]": (4, 1),
        "positive": (2, 1),
        "non-negative": (2, 1),
        "finite numbers": (1, 3),
    }
    assert role(survey, "z").rows == 3


def test_rows_of_probabilities_and_boxes(write: Write) -> None:
    survey = validate(str(write("c.csv", CLASSES.replace("0.9,0.1,0", "0.9,0.2,0"))), target="y", pred="p_*")
    assert fits(survey, "p")["rows that sum to 1"] == (1, 4)
    assert fits(survey, "p")["probabilities in [0, 1]"] == (0, None)
    assert fits(survey, "p")["positive"] == (1, 4)
    assert role(survey, "p").columns == ("p_a", "p_b", "p_c")
    boxes = validate(str(ROOT / "sample_data/coins_boxes.csv"), target="target_*", pred="otsu_*", losses="iou")
    assert fits(boxes, "otsu")["boxes"] == (0, None)
    assert fits(boxes, None, "target")["boxes"] == (0, None)


@pytest.mark.parametrize(
    ("values", "holding"),
    [
        ("0 1 1 0", {"0 or 1", "counts", "probabilities in [0, 1]", "non-negative", "finite numbers"}),
        ("-1 1 1 -1", {"-1 or +1", "finite numbers"}),
        ("0 2 5 1", {"counts", "non-negative", "finite numbers"}),
        ("0.5 0.2 1 0.3", {"probabilities in [0, 1]", "positive", "non-negative", "finite numbers"}),
        ("-3 2.5 1 0", {"finite numbers"}),
        ("1 2 inf 4", set()),
    ],
)
def test_domains_of_targets(values: str, holding: set[str]) -> None:
    target = np.array(values.split(), dtype=float)
    survey = validate({"y": target, "p": np.ones(4)}, target="y", pred="p")
    assert {name for name, (outside, _) in fits(survey, None, "target").items() if not outside} == holding
    assert set(role_domains("target", 1)) == set(fits(survey, None, "target"))


def test_labels_of_a_target_with_their_counts(write: Write) -> None:
    survey = validate(str(write("c.csv", CLASSES)), target="y", pred="p_*")
    assert role(survey, None, "target").fits == ()
    assert column(survey, "y").frequent == (("a", 2), ("b", 1), ("c", 1))
    assert column(survey, "y").roles == ("target",)
    assert column(survey, "p_b").roles == ("pred:p",)


def test_weights_and_further_roles(write: Write) -> None:
    path = write("w.csv", "y,w,a,b\n0,1,1,2\n1,-2,3,4\n1,0,inf,6\n")
    survey = validate(str(path), target="y", weight="w", roles=["left=a", "right=b"], losses="contrastive")
    assert fits(survey, None, "weight") == {"non-negative": (1, 2), "finite numbers": (0, None)}
    assert fits(survey, "w", "left") == {"finite numbers": (1, 3)}
    assert not survey.works


def test_an_activation_is_named(write: Write) -> None:
    survey = validate(str(write("b.csv", BINARY)), target="y", pred="p", activation="sigmoid")
    assert role(survey, "p").activation == "sigmoid"
    assert "before sigmoid" in render(survey, "table", Style())


# keys and alignment --------------------------------------------------------------------------------------------------


def test_keys_that_are_missing_repeated_or_unpaired(write: Write) -> None:
    left = write("l.csv", "k,y,p\na,1,1\nb,2,2\nb,3,3\n,4,4\nc,5,5\nc,6,6\n")
    right = write("r.csv", "k,y,p\nb,2,1\nd,3,2\ne,4,2\nf,4,2\ng,4,2\n")
    survey = validate([str(left), str(right)], target="y", pred="p", id="k")
    assert survey.pairing is not None
    first, second = survey.pairing.keys
    assert (first.rows, first.missing, first.first_missing, first.repeated, first.repeated_examples) == (
        6,
        1,
        4,
        2,
        ("b", "c"),
    )
    assert (second.missing, second.first_missing, second.repeated, second.repeated_examples) == (0, None, 0, ())
    apart = survey.pairing.unpaired[0]
    assert (apart.only_first, apart.only_first_examples) == (2, ("a", "c"))
    assert (apart.only_second, apart.only_second_examples) == (4, ("d", "e", "f"))
    assert survey.agreements == ()
    assert not survey.pairing.possible
    assert column(survey, "k").roles == ("id",)
    text = "\n".join(survey.problems)
    for words in (
        f"{left}: row 4, column 'k': the key is empty",
        f"{left}: column 'k': 2 keys stand more than once (b, c)",
        f"{right}: column 'k': keys differ: 2 of {left} missing (a, c), 4 not in it (d, e, f, ...)",
    ):
        assert text.count(words) == 1


def test_keys_of_many_rows_are_surveyed_bucket_by_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lossctl.io.by_key.RUN_ROWS", 1000)
    keys = np.random.default_rng(2).permutation(5000)
    ones = np.ones(5000)
    left = parquet(tmp_path / "l.parquet", {"k": keys, "y": ones, "p": ones})
    right = parquet(tmp_path / "r.parquet", {"k": np.where(keys < 40, 5000 + keys % 10, keys), "y": ones, "p": ones})
    survey = validate([str(left), str(right)], target="y", pred="p", id="k")
    assert survey.pairing is not None
    assert survey.pairing.keys[1].repeated == 10
    assert (survey.pairing.unpaired[0].only_first, survey.pairing.unpaired[0].only_second) == (40, 10)


def test_paired_keys_are_said_to_be(write: Write) -> None:
    left, right = write("l.csv", "k,y,p\n1,1,1\n2,0,2\n"), write("r.csv", "k,y,p\n2,0,1\n1,1,2\n")
    survey = validate([str(left), str(right)], target="y", pred="p", id="k")
    assert survey.works
    assert [(told.differ, told.rows, told.fault) for told in survey.agreements] == [(0, 2, None)]
    text = render(survey, "table", Style())
    assert f"keys of {left} and {right}: all paired" in text
    assert f"y of {left} and {right} agrees" in text


def test_targets_that_differ_between_files(write: Write) -> None:
    left, right = write("l.csv", "y,p\n1,1\n2,2\n3,3\n"), write("r.csv", "y,p\n1,1\n5,2\n6,3\n")
    survey = validate([str(left), str(right)], target="y", pred="p")
    told = survey.agreements[0]
    assert (told.rows, told.differ, told.first_row) == (3, 2, 2)
    assert survey.problems == (
        f"{left}: row 2: the target is another one in {right} (2 such rows); if rows belong together by a key, "
        "add --id COLUMN; if the files are parts of one table, add --concat",
    )


def test_row_counts_that_differ(write: Write) -> None:
    left, right = write("l.csv", "y,p\n1,1\n2,2\n3,3\n"), write("r.csv", "y,p\n1,1\n2,2\n")
    survey = validate([str(left), str(right)], target="y", pred="p")
    assert [table.rows for table in survey.tables] == [3, 2]
    assert (survey.agreements[0].rows, survey.agreements[0].differ) == (2, 0)
    assert survey.agreements[0].fault is not None
    text = render(survey, "table", Style())
    assert "their numbers differ" in text
    assert "only 2 rows could be compared" in text


def test_columns_that_look_like_a_key_are_remarked_where_none_is_named(lossctl: Lossctl, write: Write) -> None:
    one = write("one.csv", "row_id,n,y,p\nx,3,1,1\ny,5,2,2\nz,9,3,4\n")
    survey = validate(str(one), target="y", pred="p")
    assert survey.pairing is not None
    assert survey.pairing.alike == ("row_id", "n")
    two = write("two.csv", "n,y,p\n3,1,1\n5,2,2\n9,3,5\n")
    out = lossctl("validate", one, two, "-t", "y", "-p", "p").out
    assert "n looks like a key; --id n pairs rows by it" in out
    assert "looks like a key" not in lossctl("validate", one, two, "-t", "y", "-p", "p", "--id", "n").out


# slices --------------------------------------------------------------------------------------------------------------


def test_slices(write: Write) -> None:
    path = write("s.csv", "y,p,g,h\n1,1,a,1\n2,2,a,1.0\n3,3,b,2\n4,4,,2\n5,5,c,1\n")
    survey = validate(str(path), target="y", pred="p", by=["g", "g,h"], missing="drop")
    single, crossed = survey.slices
    assert (single.columns, single.slices, single.missing) == (("g",), 3, 1)
    assert (single.smallest, single.largest) == (({"g": "b"}, 1), ({"g": "a"}, 2))
    assert (crossed.columns, crossed.slices, crossed.missing) == (("g", "h"), 3, 1)
    assert crossed.largest == ({"g": "a", "h": "1"}, 2)
    report = survey.used[0]
    assert (report.rows, report.used) == (5, 5)


def test_slices_are_counted_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "MOST_SLICES", 3)
    data = {"y": np.arange(5.0), "p": np.arange(5.0)[::-1], "g": list("abcde")}
    survey = validate(data, target="y", pred="p", by="g")
    assert (survey.slices[0].slices, survey.slices[0].smallest) == (None, None)
    assert "--by g: nearly every row is a slice of its own" in survey.warnings


# the verdict ---------------------------------------------------------------------------------------------------------


def test_the_task_and_its_losses(lossctl: Lossctl, write: Write) -> None:
    for name, content, options, task in (
        ("r.csv", REGRESSION, ("-t", "y", "-p", "p"), "regression"),
        ("b.csv", BINARY, ("-t", "y", "-p", "p"), "binary"),
        ("c.csv", CLASSES, ("-t", "y", "-p", "p_*"), "multiclass"),
    ):
        path = write(name, content)
        told = lossctl("validate", path, *options, "-f", "json").json
        report = lossctl("eval", path, *options, "-f", "json").json
        assert told["task"] == report["task"]
        assert told["task"]["name"] == task
        assert told["losses"] == [*dict.fromkeys(cell["loss"] for cell in report["results"])]
        assert told["models"] == report["inputs"]
        assert (told["verdict"], told["problems"]) == ("pass", [])


def test_the_task_is_told_where_eval_fails(write: Write) -> None:
    survey = validate(str(write("b.csv", BINARY + "1,\n")), target="y", pred="p")
    assert not survey.works
    assert survey.task is not None
    assert (survey.task.name, survey.losses) == ("binary", ("bce", "brier", "focal", "zero_one"))
    named = validate(str(write("b.csv", BINARY)), target="y", pred="p", losses=["mse", "h=huber:delta=2"])
    assert (named.task, named.losses) == (None, ("mse", "h"))


BAD: list[tuple[str, dict[str, str], tuple[str, ...], int]] = [
    ("unknown loss", {"a.csv": BINARY}, ("a.csv", "-t", "y", "-p", "p", "-l", "bcee"), 2),
    ("parameter out of range", {"a.csv": BINARY}, ("a.csv", "-t", "y", "-p", "p", "-l", "huber:delta=-1"), 2),
    ("unknown column", {"a.csv": BINARY}, ("a.csv", "-t", "yy", "-p", "p"), 3),
    ("no column named", {"a.csv": "a,b\n1,2\n"}, ("a.csv",), 2),
    ("unknown slice", {"a.csv": BINARY}, ("a.csv", "-t", "y", "-p", "p", "--by", "g"), 3),
    ("no such file", {}, ("a.csv", "-t", "y", "-p", "p"), 3),
    ("one of two files", {"a.csv": BINARY}, ("a.csv", "b.csv", "-t", "y", "-p", "p"), 3),
    ("an empty file", {"a.csv": ""}, ("a.csv", "-t", "y", "-p", "p"), 3),
    ("no rows", {"a.csv": "y,p\n"}, ("a.csv", "-t", "y", "-p", "p"), 3),
    ("a name twice", {"a.csv": "y,p,p\n1,2,3\n"}, ("a.csv", "-t", "y", "-p", "p"), 3),
    ("another separator", {"a.csv": "y;p\n1;2\n"}, ("a.csv", "-t", "y", "-p", "p"), 3),
    ("no separator", {"a.csv": BINARY}, ("a.csv", "-t", "y", "-p", "p", "-d", ",,"), 2),
    ("a row too long", {"a.csv": BINARY + "1,0.5,9\n"}, ("a.csv", "-t", "y", "-p", "p"), 3),
    ("a row too short", {"a.csv": BINARY + "1\n"}, ("a.csv", "-t", "y", "-p", "p"), 3),
    ("text for a number", {"a.csv": BINARY + "1,abc\n"}, ("a.csv", "-t", "y", "-p", "p"), 3),
    ("a column of text", {"a.csv": "y,p\n1,a\n0,b\n"}, ("a.csv", "-t", "y", "-p", "p"), 3),
    ("text for a truth value", {"a.csv": "y,p\ntrue,1\n7,1\n"}, ("a.csv", "-t", "y", "-p", "p"), 3),
    ("a missing prediction", {"a.csv": BINARY + "1,\n0,\n"}, ("a.csv", "-t", "y", "-p", "p"), 3),
    ("a missing target", {"a.csv": BINARY + "NA,0.5\n"}, ("a.csv", "-t", "y", "-p", "p"), 3),
    ("NaN", {"a.csv": BINARY + "1,nan\n"}, ("a.csv", "-t", "y", "-p", "p"), 3),
    ("nothing is left", {"a.csv": "y,p\n1,\n,1\n"}, ("a.csv", "-t", "y", "-p", "p", "--missing", "drop"), 3),
    ("no probability", {"a.csv": BINARY + "1,1.5\n0,2\n"}, ("a.csv", "-t", "y", "-p", "p", "-l", "bce"), 3),
    ("infinite", {"a.csv": BINARY + "1,inf\n"}, ("a.csv", "-t", "y", "-p", "p", "-l", "mse"), 3),
    ("a sum above 1", {"a.csv": CLASSES + "a,0.9,0.9,0\n"}, ("a.csv", "-t", "y", "-p", "p_*"), 3),
    ("a label of no class", {"a.csv": CLASSES + "d,0.9,0.1,0\n"}, ("a.csv", "-t", "y", "-p", "p_*"), 3),
    ("mixed signs", {"a.csv": "y,p\n-1,0.1\n0,0.3\n"}, ("a.csv", "-t", "y", "-p", "p", "-l", "hinge"), 3),
    ("a target of text", {"a.csv": "y,p\nno,0.1\nyes,0.3\n"}, ("a.csv", "-t", "y", "-p", "p"), 2),
    ("a third label", {"a.csv": "y,p\nn,0\nm,0\nk,1\n"}, ("a.csv", "-t", "y", "-p", "p", "--positive-label", "n"), 3),
    ("never positive", {"a.csv": "y,p\nn,0\nm,0\n"}, ("a.csv", "-t", "y", "-p", "p", "--positive-label", "x"), 3),
    ("a negative weight", {"a.csv": REGRESSION + "1,1,-1\n"}, ("a.csv", "-t", "y", "-p", "p", "-w", "q"), 3),
    ("weights of zero", {"a.csv": "y,p,w\n1,1,0\n1,1,0\n"}, ("a.csv", "-t", "y", "-p", "p", "-w", "w"), 3),
    ("two models of one name", {"a.csv": BINARY}, ("a.csv", "-t", "y", "-p", "p", "-p", "p"), 2),
    ("an activation that cannot be", {"a.csv": BINARY}, ("a.csv", "-t", "y", "-p", "p", "--activation", "relus"), 2),
    ("a task that is none", {"a.csv": BINARY}, ("a.csv", "-t", "y", "-p", "p", "--task", "ranking"), 2),
    ("a class twice", {"a.csv": CLASSES}, ("a.csv", "-t", "y", "-p", "p_*", "--classes", "a,a,b"), 2),
    ("columns of other numbers", {"a.csv": CLASSES}, ("a.csv", "-t", "y", "-p", "p_*", "-l", "iou"), 2),
    (
        "too little memory",
        {"a.csv": REGRESSION},
        ("a.csv", "-t", "y", "-p", "p", "-l", "medae", "--max-memory", "1"),
        3,
    ),
    ("a size that is none", {"a.csv": REGRESSION}, ("a.csv", "-t", "y", "-p", "p", "--max-memory", "much"), 2),
    ("row counts", {"a.csv": BINARY, "b.csv": BINARY + "1,1\n"}, ("a.csv", "b.csv", "-t", "y", "-p", "p"), 3),
    ("other targets", {"a.csv": BINARY, "b.csv": BINARY.replace("0,0.3", "1,0.3")}, ("a.csv", "b.csv", "-t", "y"), 3),
    (
        "other targets of named columns",
        {"a.csv": BINARY, "b.csv": BINARY.replace("0,0.3", "1,0.3")},
        ("a.csv", "b.csv", "-t", "y", "-p", "p"),
        3,
    ),
    ("a key twice", {"a.csv": REGRESSION.replace("4,4,5", "3,4,3")}, ("a.csv", "-t", "y", "-p", "p", "--id", "q"), 3),
    ("no key", {"a.csv": "k,y,p\n1,1,1\n,2,2\n"}, ("a.csv", "-t", "y", "-p", "p", "--id", "k"), 3),
    ("an unknown key", {"a.csv": BINARY}, ("a.csv", "-t", "y", "-p", "p", "--id", "k"), 3),
    (
        "keys that do not pair",
        {"a.csv": "k,y,p\n1,1,1\n2,2,2\n", "b.csv": "k,p\n1,1\n3,2\n"},
        ("b.csv", "--targets", "a.csv", "-t", "y", "-p", "p", "--id", "k"),
        3,
    ),
]


@pytest.mark.parametrize(("files", "arguments", "code"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_it_fails_where_eval_does_with_the_same_words(
    lossctl: Lossctl, write: Write, tmp_path: Path, files: dict[str, str], arguments: tuple[str, ...], code: int
) -> None:
    for name, content in files.items():
        write(name, content)
    paths = [str(tmp_path / word) if word.endswith(".csv") else word for word in arguments]
    expected = lossctl("eval", "-q", *paths)
    assert (expected.code, expected.out) == (code, "")
    for form in FORMATS:
        outcome = lossctl("validate", "-q", *paths, "-f", form)
        assert (outcome.code, outcome.err) == (code, expected.err)
        message = expected.err.removeprefix("lossctl: error: ").rstrip("\n")
        if form == "json":
            assert outcome.json["verdict"] == "fail"
            assert outcome.json["problems"][0] == message
            assert len(outcome.json["inputs"]) == (
                0 if "no such" in message or message.startswith("-d") else len(files)
            )
        else:
            assert "FAIL" in outcome.out
    found = json.loads(lossctl("validate", "-q", *paths, "-f", "json").out)["problems"]
    assert len({re.sub(r"\d+", "", text) for text in found}) == len(found), "a problem is told twice"


PAIRS = ("sample_data/digits_pairs.parquet", "-t", "different")


def test_it_works_where_eval_does(lossctl: Lossctl) -> None:
    for arguments in (
        ("sample_data/diabetes.csv", "-t", "progression", "-p", "linear", "--by", "age_band", "--id", "row"),
        ("sample_data/breast_cancer.csv", "-t", "diagnosis", "--positive-label", "malignant", "-p", "forest"),
        ("sample_data/wine.csv", "-t", "cultivar", "-p", "forest=forest_*"),
        ("sample_data/digits.parquet", "-t", "digit", "-p", "mlp=mlp_*", "--activation", "softmax"),
        ("sample_data/doctor_visits.parquet", "-t", "visits", "-p", "poisson", "-l", "poisson", "--by", "plan"),
        (*PAIRS, "--role", "left=pca_left", "--role", "right=pca_right", "-l", "contrastive"),
    ):
        assert lossctl("eval", *arguments).code == 0
        outcome = lossctl("validate", *arguments)
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.out.endswith("verdict   PASS: eval works with these options\n")
        assert "warning" not in outcome.out
        assert "problem" not in outcome.out


def test_every_problem_is_told_and_each_once(write: Write) -> None:
    path = write("a.csv", "y,p,q,g,w\n1,,1,a,1\n0,nan,x,,1\n1,1,2,b,\n,1,z,b,2\n")
    survey = validate(str(path), target="y", pred=["p", "q"], by="g", weight="w", losses="mse")
    drop = "; --missing drop leaves such rows out for every model"
    assert survey.problems == (
        f"{path}: row 1, column 'p': the value is missing{drop}",
        f"{path}: row 4, column 'y': the value is missing{drop}",
        f"{path}: row 2, column 'p': the value is NaN{drop}",
        f"{path}: row 2, column 'q': 'x' is not a number (2 such cells)",
        f"{path}: row 3, column 'w': the value is missing{drop}",
    )
    assert isinstance(survey.error, DataError)
    assert str(survey.error) == survey.problems[0]
    dropped = validate(str(path), target="y", pred=["p", "q"], by="g", weight="w", losses="mse", missing="drop")
    assert len(dropped.problems) == 1


def test_nothing_is_raised() -> None:
    survey = validate(3)
    assert isinstance(survey.error, UsageError)
    assert (survey.tables, survey.pairing, survey.works) == ((), None, False)
    assert validate({"y": [1.0]}, losses="nope").problems[0].startswith("unknown loss 'nope'")
    assert column(validate({"y": [1.0]}, losses="nope"), "y").mean == 1.0
    for wrong in ({"threads": 0}, {"losses": "nope"}, {"task": "ranking"}, {"missing": "keep"}):
        asked: dict[str, Any] = {"target": "y", "pred": "p", **wrong}
        survey = validate({"y": [1.0], "p": [2.0]}, **asked)
        assert isinstance(survey.error, UsageError)
        assert fits(survey, "p")["positive"] == (0, None)
        assert (survey.task, survey.losses) == (None, ())


def test_notes_are_kept_and_told() -> None:
    said: list[str] = []
    survey = validate({"target": [1.0, 2.5], "pred": [2.0, 3.0]}, note=said.append)
    assert list(survey.notes) == said
    assert "-t target (a usual name, as none was given)" in said
    assert "note      -p pred (a usual name, as none was given)\n" in render(survey, "table", Style())


# warnings ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "options", "says"),
    [
        ({"y": [2, 2, 2], "p": [1, 2, 4]}, {}, "data: the target is the same in every row: 2"),
        ({"y": [1, 2, 4], "p": [0.5, 0.5, 0.5]}, {}, "p: the prediction is the same in every row: 0.5"),
        ({"y": [5, 1, 4], "p": [7, 8, 9]}, {}, "p: the prediction 'p' ascends by whole numbers from row to row"),
        ({"y": [1.5, 2, 4], "p": [1.5, 2, 4]}, {}, "p: the prediction equals the target in every row"),
        (
            {"y": [1, 2, 4], "p": [1.5, 3, 2], "q": [1.5, 3, 2]},
            {"pred": ["p", "q"]},
            "p and q: their predictions are the same in every row",
        ),
        (
            {"y": [1, 2, 4], "p": [1.5, 3, 2], "g": ["a", "NA", "a"]},
            {"by": "g"},
            "data: column 'g' holds 'NA' in 1 row: that is a label here, not a missing value",
        ),
        (
            {"y": [1, 2, 4], "p": [1.5, 3, 2], "g": ["north", "North ", "south"]},
            {"by": "g"},
            "data: column 'g': the labels 'North ' and 'north' differ by case or blanks alone",
        ),
        (
            {"y": ["yes", "no", "Yes"], "p": [0.5, 0.3, 0.2]},
            {"positive_label": "yes"},
            "data: column 'y': the labels 'Yes' and 'yes' differ by case or blanks alone",
        ),
        (
            {"y": [1, 2, 4], "p": [1.5, 3, 2], "g": [7, 3, 5]},
            {"by": "g"},
            "--by g: nearly every row is a slice of its own",
        ),
        (
            {"y": [1, 2, math.nan], "p": [1.5, 3, 2]},
            {"missing": "drop"},
            "1 of 3 rows left out for a missing value",
        ),
    ],
)
def test_what_may_not_be_meant_is_a_warning(data: dict[str, Any], options: dict[str, Any], says: str) -> None:
    survey = validate(data, **{"target": "y", "pred": "p", **options})
    assert [text for text in survey.warnings if text.startswith(says)], survey.warnings
    assert f"warning   {says}" in re.sub(r"\n +", " ", render(survey, "table", Style()))
    assert survey.document()["warnings"] == list(survey.warnings)


def test_equal_rows_in_files_that_are_joined_are_not_compared_by_position(write: Write) -> None:
    left, right = write("l.csv", "k,y,p\n1,1,1.5\n2,0,2\n"), write("r.csv", "k,p\n2,1.5\n1,2\n")
    same = validate([str(left), str(right)], target="y", pred="p", losses="mse")
    assert "l and r: their predictions are the same in every row" in same.warnings
    assert validate([str(left), str(right)], target="y", pred="p", id="k", losses="mse").warnings == ()


# output --------------------------------------------------------------------------------------------------------------


def numbers_of(survey: Survey) -> list[str]:
    return [
        text
        for found in survey.tables[0].columns
        if found.kind == "number"
        for text in (f"{found.mean:#.5g}".rstrip("."), str(found.rows))
    ]


@pytest.fixture(scope="module")
def diabetes() -> Survey:
    path = str(ROOT / "sample_data/diabetes.csv")
    return validate(path, target="progression", pred=["linear", "forest"], by="age_band")


@pytest.mark.parametrize("width", [None, 40, 60, 80, 200])
def test_no_number_is_cut_at_any_width(diabetes: Survey, width: int | None) -> None:
    text = render(diabetes, "table", Style(width=width))
    assert "…" not in text
    for number in numbers_of(diabetes):
        assert re.search(rf"(^|[\s(]){re.escape(number)}([\s,;)]|$)", text, re.MULTILINE), number
    assert "25 to 346" in " ".join(text.split())


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize("path", ["diabetes.csv", "wine.csv", "digits.parquet", "coins_boxes.csv"])
def test_the_report_fits_the_terminal(monkeypatch: pytest.MonkeyPatch, width: int, path: str) -> None:
    monkeypatch.chdir(ROOT)
    text = render(validate(f"sample_data/{path}"), "table", Style(width=width))
    assert max(map(len, text.splitlines())) <= width


def test_a_narrow_terminal_gets_columns_one_below_the_other(diabetes: Survey) -> None:
    text = render(diabetes, "table", Style(width=40))
    assert "\nprogression, number, target\n  25 to 346, mean 154.14; whole\n" in text
    assert "column  " not in text


def test_piped_reports_have_their_natural_width(lossctl: Lossctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    out = lossctl("validate", "sample_data/wine.csv", "-t", "cultivar", "-p", "forest_*").out
    assert "\x1b" not in out
    assert re.search(r"^forest_class_0 +number +forest +0.0053630 to 0.98892, mean 0.34038$", out, re.MULTILINE)


def test_ascii_terminals_get_ascii() -> None:
    survey = validate({"y": [1.0, 2.0], "π": [1.0, 3.0], "g": ["ä", "ö"]}, target="y", pred="π", by="g")
    text = render(survey, "table", Style(ascii=True))
    assert text.isascii()
    assert "\\u03c0" in text


def test_colour_is_an_addition_to_the_word(lossctl: Lossctl) -> None:
    command = ("validate", "sample_data/diabetes.csv", "-t", "progression", "-p", "linear")
    plain = lossctl(*command).out
    coloured = lossctl(*command, "--color", "always").out
    assert coloured.endswith("\x1b[32mverdict   PASS: eval works with these options\x1b[0m\n")
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain
    assert "\x1b[1;31mverdict   FAIL" in lossctl(*command, "-l", "bce", "--color", "always").out


def test_digits_change_tables_alone(lossctl: Lossctl) -> None:
    command = ("validate", "sample_data/diabetes.csv", "-t", "progression", "-p", "linear")
    assert "46.7 to 296," in lossctl(*command, "--digits", "3").out
    documents = [lossctl(*command, "-f", "json", "--digits", digits).json for digits in (3, 5)]
    assert documents[0]["inputs"] == documents[1]["inputs"]


KEYS = [
    "schema_version",
    "tool",
    "command",
    "created",
    "verdict",
    "task",
    "losses",
    "inputs",
    "models",
    "roles",
    "pairing",
    "agreements",
    "slices",
    "problems",
    "warnings",
    "notes",
]


def test_json_is_strict_complete_and_in_order(lossctl: Lossctl, write: Write) -> None:
    path = write("m.csv", MIXED)
    outcome = lossctl("validate", path, "-t", "n", "-p", "x", "--by", "word", "-f", "json")
    found = outcome.json
    assert outcome.code == 3
    assert list(found) == KEYS
    assert (found["schema_version"], found["command"], found["tool"]["name"]) == (1, "validate", "lossctl")
    source = found["inputs"][0]
    assert (source["path"], source["format"], source["rows"], source["complete"]) == (str(path), "csv", 5, True)
    columns = {entry["name"]: entry for entry in source["columns"]}
    assert columns["odd"]["not_numbers"] == {"cells": 2, "first_row": 2, "text": "abc"}
    assert columns["word"]["frequent"][0] == {"value": "red", "rows": 2}
    assert (columns["x"]["plus_infinite"], columns["x"]["maximum"], columns["x"]["mean"]) == (1, 4.5, 2.5)
    assert len({tuple(entry) for entry in source["columns"]}) == 1
    assert [entry["role"] for entry in found["roles"]] == ["target", "pred"]
    assert found["roles"][1]["domains"][-1] == {
        "domain": "finite numbers",
        "holds": False,
        "rows_outside": 2,
        "first_row": 2,
    }
    assert found["slices"][0]["smallest"] == {"slice": {"word": "NA"}, "rows": 1}
    assert found["pairing"]["by"] == "position"
    nothing = lossctl("validate", "nope.csv", "-f", "json").json
    assert list(nothing) == KEYS
    assert (nothing["inputs"], nothing["pairing"], nothing["task"]) == ([], None, None)


def test_full_precision(lossctl: Lossctl, write: Write) -> None:
    path = write("p.csv", "y,p\n0.1,0.2\n0.2,0.30000000000000004\n")
    columns = lossctl("validate", path, "-t", "y", "-p", "p", "-f", "json").json["inputs"][0]["columns"]
    assert columns[1]["maximum"] == 0.30000000000000004
    assert columns[0]["mean"] == math.fsum([0.1, 0.2]) / 2


def test_markdown(lossctl: Lossctl, write: Write) -> None:
    path = write("m.csv", "y,a|b,<g>\n1,1.5,x*y\n2,2.5,x*y\n")
    out = lossctl("validate", path, "-t", "y", "-p", "a|b", "--by", "<g>", "-f", "md").out
    assert out.startswith("**lossctl validate: PASS**\n")
    assert "| column | kind | missing | part | values |\n" in out
    assert "| a\\|b | number |  | a\\|b | 1.5000 to 2.5000, mean 2.0000 |" in out
    assert "<g>" not in out
    assert "x*y" not in out
    assert "- verdict: PASS" in out


HOSTILE = "a\x1b[31m|`<b>\u202e"


def test_hostile_names_and_values_do_nothing(lossctl: Lossctl, write: Write) -> None:
    path = write("h.csv", f'y,"{HOSTILE}","::error::x"\n1,2,"\x1b]0;t\x07"\n2,1,##[group]x\n')
    for form in FORMATS:
        out = lossctl("validate", path, "-t", "y", "-p", HOSTILE, "--by", "::error::x", "-f", form).out
        assert "\x1b" not in out
        assert "\u202e" not in out
        assert not re.search(r"^\s*::", out, re.MULTILINE)
        if form == "table":
            assert "##[" not in out
    refused = lossctl("validate", path, "-t", HOSTILE + "x", "-p", HOSTILE)
    assert "\x1b" not in refused.err + refused.out


def test_outputs_are_written_also_where_eval_would_fail(lossctl: Lossctl, write: Write, tmp_path: Path) -> None:
    path = write("b.csv", BINARY + "1,x\n")
    outputs = (f"{tmp_path}/r.json", f"{tmp_path}/r.md", f"{tmp_path}/r.txt")
    outcome = lossctl("validate", path, "-t", "y", "-p", "p", *(word for out in outputs for word in ("-o", out)))
    assert outcome.code == 3
    assert json.loads((tmp_path / "r.json").read_text())["verdict"] == "fail"
    assert (tmp_path / "r.md").read_text().startswith("**lossctl validate: FAIL**")
    assert (tmp_path / "r.txt").read_text() == outcome.out


def test_output_faults_come_before_any_work(lossctl: Lossctl, write: Write, tmp_path: Path) -> None:
    path = write("b.csv", BINARY)
    for arguments, code in (
        (("-f", "csv"), 2),
        (("-o", f"csv:{tmp_path}/x"), 2),
        (("-o", f"json:{path}"), 2),
        (("-o", f"{tmp_path}/no/x.json"), 3),
    ):
        outcome = lossctl("validate", path, "-t", "y", "-p", "p", *arguments)
        assert (outcome.code, outcome.out) == (code, "")
    assert path.read_text() == BINARY


def test_standard_input_is_read_once() -> None:
    for content, code in ((BINARY, 0), (BINARY + "1,2\n", 3)):
        words = ("validate", "-", "-t", "y", "-p", "p", "-l", "bce", "-f", "json")
        ended = forked("-m", "lossctl", *words, piped=content.encode())
        assert ended.code == code, ended.err
        [source] = json.loads(ended.out)["inputs"]
        assert (source["path"], source["rows"]) == ("standard input", content.count("\n") - 1)


def test_a_reader_that_goes_away_hides_no_failure(write: Write) -> None:
    path = write("b.csv", BINARY + "1,x\n")
    for name, code in ((path, 3), (write("good.csv", BINARY), 141)):
        read, written = os.pipe()
        os.close(read)
        ended = subprocess.run(
            [sys.executable, "-m", "lossctl", "validate", str(name), "-t", "y", "-p", "p"],
            cwd=ROOT,
            stdout=written,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        os.close(written)
        assert ended.returncode == code
        assert ("'x' is not a number" in ended.stderr) == (code == 3)


def test_verbose_says_what_would_be_used_and_where_the_time_went(lossctl: Lossctl) -> None:
    said = lossctl("validate", "sample_data/diabetes.csv", "-t", "progression", "-p", "linear", "-v").err
    assert "linear: sample_data/diabetes.csv, 148 rows, 148 used, data " in said
    assert re.search(r"rows/s; over \d+ threads?: read", said)


def test_progress_counts_the_rows_of_both_passes(lossctl: Lossctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lossctl.cli.console.DELAY", 0.0)
    said = lossctl("validate", "sample_data/diabetes.csv", "-t", "progression", "-p", "linear", "--progress").err
    assert [int(rows) for rows in re.findall(r"(\d+) rows,", said)] == [148, 296]


def test_it_starts_as_lightly_as_the_others() -> None:
    assert not loaded("validate", "--help") & HEAVY
    needed = loaded("validate", "sample_data/diabetes.csv", "-t", "progression", "-p", "linear", "--by", "age_band")
    assert not needed & {"pandas", "pyarrow.dataset"}


def test_cells_are_read_as_they_are_held(write: Write) -> None:
    from lossctl.io.open import open_table
    from lossctl.io.table import decoded

    table = open_table(str(write("m.csv", 'a,b\n"x, y",1\n"",\xff\n'.encode("latin-1"))))
    pieces = list(decoded(table.read({"a": Kind.CELL, "b": Kind.CELL})))
    assert sum(piece.rows for piece in pieces) == 2
    whole = Piece.joined([pieces[0].cut(0, 1), pieces[0].cut(1, 2)])
    values = [cells.values.to_pylist() for cells in whole.columns.values() if isinstance(cells, Cells)]
    assert values == [[b"x, y", b""], [b"1", b"\xff"]]


def test_the_help_names_every_option_and_its_examples_work(lossctl: Lossctl) -> None:
    shown = lossctl("validate", "-h").out
    for option in ("--target", "--pred", "--targets", "--id", "--by", "--missing", "--format", "--output", "--config"):
        assert option in shown
    assert "table, json or md" in shown
    examples = re.findall(r"^ +lossctl (validate .*)$", shown, re.MULTILINE)
    assert len(examples) == 3
    for example in examples:
        assert lossctl(*shlex.split(example)).code == 0


def test_settings_of_a_file_count(lossctl: Lossctl, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("b.csv", BINARY)
    write("lossctl.toml", 'files = "b.csv"\ntarget = "y"\npred = "p"\nlosses = "bce"\n')
    asked = lossctl("validate", "--config", path.parent / "lossctl.toml", "-f", "json")
    assert (asked.code, asked.json["losses"]) == (0, ["bce"])
    assert "settings from" in asked.err
    assert lossctl("validate", "--no-config").code == 2
