"""Labels that are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest

import lossctl as package
from lossctl.errors import DataError
from tests.bad_input import BCE, CCE, CLASSES, DATA, ON_P, Write, long_csv
from tests.conftest import Lossctl, Refused

# labels ---------------------------------------------------------------------------------------------------------------


def test_a_label_that_is_no_class(refused: Refused, write: Write) -> None:
    path = write("a.csv", CLASSES + "d,0.2,0.2,0.6\na,0.2,0.2,0.6\nD,0.2,0.2,0.6\n")
    refused(path, *CCE, code=DATA, says=["a.csv", "column 'y'", "'d'", "a, b, c", "--classes"], row=5, count=2)


@pytest.mark.parametrize("label", ["3", "-1", "0.5", "one"])
def test_a_number_that_is_no_class(refused: Refused, write: Write, label: str) -> None:
    path = write("a.csv", f"y,p_0,p_1\n0,0.5,0.5\n1.0,0.5,0.5\n{label},0.5,0.5\n")
    refused(path, *CCE, code=DATA, says=["a.csv", "column 'y'", f"'{label}'", "0, 1", "--classes"], row=3)


def test_a_label_that_is_not_among_the_given_classes(refused: Refused, write: Write) -> None:
    path = write("a.csv", CLASSES)
    refused(path, *CCE, "--classes", "a,b,x", code=DATA, says=["a.csv", "'c'", "a, b, x"], row=3)


def test_a_third_label(refused: Refused, write: Write) -> None:
    path = write("a.csv", "y,p\nyes,0.9\nno,0.1\nyes,0.8\nmaybe,0.5\nperhaps,0.4\n")
    says = ["a.csv", "column 'y'", "'maybe'", "--positive-label yes"]
    refused(path, *BCE, "--positive-label", "yes", code=DATA, says=says, row=4, count=2)


def test_a_misspelt_positive_label(refused: Refused, write: Write) -> None:
    path = write("a.csv", "y,p\nyes,0.9\nno,0.1\nyes,0.8\n")
    refused(path, *BCE, "--positive-label", "yse", code=DATA, says=["a.csv", "column 'y'", "'no'", "yse"], row=2)


def test_a_label_far_down(refused: Refused, write: Write) -> None:
    path = long_csv(write, {140_000: "c,1,0,0.5,x"})
    options = ("-t", "label", "-p", "p", "-l", "bce", "--positive-label", "b")
    refused(path, *options, code=DATA, says=["long.csv", "column 'label'", "'c'"], row=140_000, once=True)


# columns of labels that hold none -------------------------------------------------------------------------------------
EMPTY: dict[str, Any] = {
    "a.csv": b"y,p,q,g\n1,2,1,\n3,4,3,\n5,7,4,\n",
    "a.parquet": {"y": [1, 3, 5], "p": [2, 4, 7], "q": [1, 3, 4], "g": pa.nulls(3)},
}


@pytest.mark.parametrize("name", EMPTY)
@pytest.mark.parametrize("losses", [(), ("-l", "mse"), ("-l", "mae")])
def test_a_column_of_slices_that_is_empty_throughout(
    lossctl: Lossctl, tmp_path: Path, name: str, losses: tuple[str, ...]
) -> None:
    path, content = tmp_path / name, EMPTY[name]
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        pq.write_table(pa.table(content), path)
    cells = lossctl("eval", path, *ON_P, *losses, "--by", "g", "-f", "json").json["results"]
    values = {str(cell["slice"]): [c["value"] for c in cells if c["slice"] == cell["slice"]] for cell in cells}
    assert values == dict.fromkeys(["{}", "{'g': None}"], values["{}"])
    assert lossctl("validate", path, *ON_P, "--by", "g").code == 0


NESTED: dict[str, Any] = {
    "lists": pa.array([[1, 2], [3, 4], [5, 6]]),
    "lists of one": pa.array([[1], [3], [5]]),
    "lists of a fixed length": pa.array([[1, 2], [3, 4], [5, 6]], pa.list_(pa.int64(), 2)),
    "maps": pa.array([[("a", 1)], [("b", 2)], [("c", 3)]], pa.map_(pa.string(), pa.int64())),
}
NESTED_ARRAYS = {"lists": np.ones((3, 2)), "text": np.array([["a", "b"]] * 3)}
USES: dict[str, tuple[str, dict[str, Any]]] = {
    "by": ("evaluate", {"by": ["g"]}),
    "by of a comparison": ("compare", {"by": ["g"]}),
    "cluster": ("compare", {"cluster": "g"}),
    "time": ("compare", {"time": "g"}),
    "target": ("evaluate", {"target": "g", "positive_label": "a", "losses": ["bce"]}),
    "key": ("evaluate", {"id": "g"}),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("kind", [*NESTED, *(f"array of {kind}" for kind in NESTED_ARRAYS)])
def test_several_values_per_row_are_no_label(tmp_path: Path, kind: str, use: str) -> None:
    columns = {"y": np.array([1.0, 3, 5]), "p": np.array([0.2, 0.4, 0.7]), "q": np.array([0.1, 0.3, 0.4])}
    held = NESTED.get(kind)
    what = kind.split()[0] if held is not None else "lists"
    command, options = USES[use]
    inputs: list[Any] = []
    if held is None:
        inputs.append({**columns, "g": NESTED_ARRAYS[kind.removeprefix("array of ")]})
    else:
        table = pa.table({**columns, "g": held})
        pq.write_table(table, tmp_path / "a.parquet")
        inputs += [table, tmp_path / "a.parquet"]
    for data in inputs:
        asked = {"target": "y", "pred": ["p"] if command == "evaluate" else ["p", "q"], "losses": ["mse"], **options}
        asked |= {"targets": data} if use == "key" else {}
        with pytest.raises(DataError, match=f"column 'g' holds {what}; one value per row is needed"):
            getattr(package, command)(data, **asked)


@pytest.mark.parametrize("kind", NESTED)
def test_several_values_per_row_are_no_slice_on_the_command_line(
    refused: Refused, lossctl: Lossctl, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"y": [1, 3, 5], "p": [2, 4, 7], "q": [1, 3, 4], "g": NESTED[kind]}), path)
    says = f"column 'g' holds {kind.split()[0]}; one value per row is needed"
    refused(path, *ON_P, "--by", "g", code=DATA, says=[says])
    ran = lossctl("validate", path, *ON_P, "--by", "g")
    assert ran.code == DATA
    assert says in ran.out
    assert "internal error" not in ran.err


def test_an_array_file_of_several_values_per_row_is_no_label(refused: Refused, tmp_path: Path) -> None:
    np.save(tmp_path / "y.npy", np.ones((3, 2)))
    np.save(tmp_path / "p.npy", np.full(3, 0.5))
    asked = ("--targets", tmp_path / "y.npy", "--positive-label", "1", "-l", "bce")
    refused(tmp_path / "p.npy", *asked, code=DATA, says=["holds lists; one value per row is needed"])


def test_a_type_that_has_no_text_is_no_label() -> None:
    held = pa.array([(1, 2, 3)] * 2, pa.month_day_nano_interval())
    table = pa.table({"y": [1.0, 3], "p": [2.0, 4], "g": held})
    with pytest.raises(DataError, match="column 'g' holds month_day_nano_interval values; numbers, text or dates"):
        package.evaluate(table, target="y", pred="p", losses=["mse"], by=["g"])


def test_bytes_are_one_label_in_every_container(tmp_path: Path) -> None:
    table = pa.table({"y": [1.0, 3], "p": [2.0, 4], "g": pa.array([b"a", b"b"])})
    bad = pa.table({"y": [1.0, 3], "p": [2.0, 4], "g": pa.array([b"a", b"\xff"])})
    pq.write_table(table, tmp_path / "a.parquet")
    pq.write_table(bad, tmp_path / "b.parquet")
    asked: dict[str, Any] = {"target": "y", "pred": "p", "losses": ["mse"], "by": ["g"]}
    for data in (table, tmp_path / "a.parquet"):
        assert [cell.slice.get("g") for cell in package.evaluate(data, **asked).cells] == [None, "a", "b"]
    for data in (bad, tmp_path / "b.parquet"):
        with pytest.raises(DataError, match=r"column 'g' holds b'\\xff', which is not UTF-8 text"):
            package.evaluate(data, **asked)


@pytest.mark.parametrize("cells", [("[[0.9, 0.1]]", "[0.2, 0.8]"), ("array([[1., 2.]])", "[]")])
@pytest.mark.parametrize("container", ["csv", "parquet", "jsonl"])
def test_lists_that_stand_as_text_are_no_labels(
    refused: Refused, tmp_path: Path, container: str, cells: tuple[str, str]
) -> None:
    path, frame = tmp_path / f"a.{container}", pd.DataFrame({"y": [0, 1], "p": cells})
    if container == "csv":
        frame.to_csv(path, index=False)
    elif container == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_json(path, orient="records", lines=True)
    for losses in ((), ("-l", "mae"), ("-l", "zero_one")):
        line = refused(path, "-t", "y", "-p", "p", *losses, code=DATA, says=["'p'", "one column for each", "Parquet"])
        assert "--classes" not in line
