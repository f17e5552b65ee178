"""Values that cannot be used: missing, outside a domain, weights that are none."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pytest
from numpy.typing import NDArray

import lossctl as package
from lossctl.core.block import breach
from lossctl.core.domain import Interval, extent
from lossctl.errors import DataError, ExitCode
from tests.bad_input import BCE, BLOCK, CCE, CLASSES, DATA, MSE, ON_P, ROWS, Write, long_csv, parquet
from tests.conftest import Lossctl, Refused

pytestmark = pytest.mark.deep

# missing values -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["y", "p", "w"])
@pytest.mark.parametrize("cell", ["", "NA", "nan"])
def test_a_missing_value_in_csv(refused: Refused, write: Write, column: str, cell: str) -> None:
    cells = {"y": "1", "p": "2", "w": "3", "g": "x"} | {column: cell}
    bad = ",".join(cells.values())
    path = write("a.csv", f"y,p,w,g\n1,2,1,x\n{bad}\n1,2,1,x\n{bad}\n{bad}\n")
    says = ["a.csv", f"column '{column}'", "NaN" if cell == "nan" else "missing", "--missing drop"]
    refused(path, *MSE, "-w", "w", "--by", "g", code=DATA, says=says, row=2, count=3)


@pytest.mark.parametrize("column", ["y", "p", "w"])
@pytest.mark.parametrize("value", [None, float("nan")])
def test_a_missing_value_in_parquet(refused: Refused, tmp_path: Path, column: str, value: float | None) -> None:
    columns = {name: pa.array([1.0, value if name == column else 1.0, 1.0]) for name in "ypw"}
    path = parquet(tmp_path / "a.parquet", columns)
    says = ["a.parquet", f"column '{column}'", "missing" if value is None else "NaN", "--missing drop"]
    refused(path, *MSE, "-w", "w", code=DATA, says=says, row=2)


@pytest.mark.parametrize("cell", ["", None])
def test_a_missing_label(refused: Refused, write: Write, tmp_path: Path, cell: str | None) -> None:
    if cell == "":
        path = write("a.csv", CLASSES.replace("\nc,", "\n,"))
    else:
        columns = {"y": ["a", "b", cell], "p_a": [0.5, 0.5, 0.5], "p_b": [0.5, 0.5, 0.5]}
        path = parquet(tmp_path / "a.parquet", columns)
    refused(path, *CCE, code=DATA, says=[path.name, "column 'y'", "missing", "--missing drop"], row=3)


def test_the_first_missing_value_of_all_columns_is_named(refused: Refused, write: Write) -> None:
    path = write("a.csv", "y,p\n1,2\n1,2\n1,\n,2\n,2\n")
    refused(path, *MSE, code=DATA, says=["a.csv", "column 'p'", "missing"], row=3)


def test_an_empty_line_in_a_file_of_one_column_is_a_row_without_a_value(refused: Refused, write: Write) -> None:
    truth, path = write("truth.csv", "y\n1\n2\n3\n"), write("p.csv", "p\n1\n\n3\n\n\n")
    options = ("--targets", truth, "-t", "y", "-p", "p", "-l", "mse")
    refused(path, *options, code=DATA, says=["p.csv", "missing"], row=2)


@pytest.mark.parametrize("row", [BLOCK, BLOCK + 1, ROWS])
def test_a_missing_value_far_down(refused: Refused, write: Write, row: int) -> None:
    path = long_csv(write, {row: "a,1,0,,x"})
    refused(path, *BCE, code=DATA, says=["long.csv", "column 'p'", "--missing drop"], row=row, once=True)


def test_nothing_left_after_dropping_is_no_number(refused: Refused, write: Write) -> None:
    path = write("a.csv", "y,p\n1,\n,2\nnan,nan\n")
    refused(path, *MSE, "--missing", "drop", code=DATA, says=["a.csv", "every one of the 3 rows", "missing"])


# values outside a domain ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "options", "says"),
    [
        ("y,p\n1,0.5\n0,-2.5\n1,3\n", BCE, ["bce", "column 'p'", "-2.5", "[0, 1]", "--activation sigmoid"]),
        ("y,p\n1,0.5\n0,1.2\n1,3\n", (*ON_P, "-l", "brier"), ["brier", "'p'", "1.2", "[0, 1]", "--activation sigmoid"]),
        (
            "y,p_a,p_b\na,0.5,0.5\nb,2,-1\nb,0.5,0.6\n",
            CCE,
            ["cce", "'p_a', 'p_b'", "2, -1", "sum to 1", "--activation softmax"],
        ),
        (
            "y_a,y_b,p_a,p_b\n0.5,0.5,0.5,0.5\n0.5,0.6,0.5,0.5\n1,1,0.5,0.5\n",
            ("-t", "y_*", "-p", "p_*", "-l", "kl"),
            ["kl", "'y_a', 'y_b'", "0.5, 0.6", "sum to 1"],
        ),
        ("y,p\n1,1\n2,0\n3,-1\n", (*ON_P, "-l", "poisson"), ["poisson", "'p'", "= 0", "(0, "]),
        ("y,p\n1,1\n-2,1\n-2,1\n", (*ON_P, "-l", "poisson"), ["poisson", "'y'", "-2", "[0, "]),
        ("y,p\n1,1\n-2,1\n-2,1\n", (*ON_P, "-l", "msle"), ["msle", "'y'", "-2", "(-1, "]),
        ("y,p\n1,1\n0,1\n0,1\n", (*ON_P, "-l", "mape"), ["mape", "'y'", "= 0", "0"]),
        ("y,p\n1,1\n2,1\n3,1\n", (*ON_P, "-l", "hinge"), ["hinge", "'y'", "= 2", "{-1, +1}"]),
        ("y,p\n1,0.5\n1.5,1\n3,1\n", BCE, ["bce", "'y'", "1.5", "{0, 1}", "[0, 1]"]),
        ("y,p\n1,0.5\n0.5,1\n0.5,1\n", (*ON_P, "-l", "zero_one"), ["zero_one", "'y'", "0.5", "{0, 1}"]),
        (
            "a,b,c,d,e,f,g,h\n0,0,1,1,0,0,1,1\n0,0,1,1,3,3,2,2\n0,0,1,1,3,3,2,2\n",
            ("-t", "a,b,c,d", "-p", "m=e,f,g,h", "-l", "iou"),
            ["iou", "'e', 'f', 'g', 'h'", "3, 3, 2, 2", "x1", "cxcywh"],
        ),
        (
            "a,b,c,d\n0,1,0,1\n0,0.5,0,1\n0,0.5,0,1\n",
            ("-t", "a,b", "-p", "m=c,d", "-l", "dice"),
            ["dice", "'a', 'b'", "0, 0.5", "{0, 1}"],
        ),
    ],
)
def test_a_value_outside_a_losss_domain(
    refused: Refused, write: Write, content: str, options: tuple[str, ...], says: list[str]
) -> None:
    refused(write("a.csv", content), *options, code=DATA, says=["a.csv", *says], row=2, count=2)


@pytest.mark.parametrize("row", [BLOCK, BLOCK + 1, ROWS])
def test_a_value_outside_the_domain_far_down(refused: Refused, write: Write, row: int) -> None:
    path = long_csv(write, {row: "a,1,0,7,x"})
    refused(path, *BCE, code=DATA, says=["long.csv", "column 'p' = 7", "--activation sigmoid"], row=row, once=True)


def test_every_loss_is_judged_though_another_one_would_do(refused: Refused, write: Write) -> None:
    path = write("a.csv", "y,p\n1,0.5\n0,1.2\n")
    refused(path, *ON_P, "-l", "mse", "-l", "bce", code=DATA, says=["bce", "column 'p'"], row=2)


@pytest.mark.parametrize("column", ["y", "p"])
@pytest.mark.parametrize(
    ("loss", "cell"),
    [("mse", "inf"), ("mse", "-inf"), ("r2", "Infinity"), ("max_error", "inf"), ("median_absolute_error", "inf")],
)
def test_an_infinite_input(refused: Refused, write: Write, cell: str, column: str, loss: str) -> None:
    bad = f"{cell},1" if column == "y" else f"1,{cell}"
    path = write("a.csv", f"y,p\n1,2\n{bad}\n2,4\n{bad}\n")
    shown = "-inf" if cell == "-inf" else "inf"
    says = ["a.csv", f"column '{column}' = {shown}", loss]
    refused(path, *ON_P, "-l", loss, "-l", "mae", code=DATA, says=says, row=2, count=2)


@pytest.mark.parametrize("activation", ["sigmoid", "none"])
def test_an_infinite_logit_is_no_number_either(refused: Refused, write: Write, activation: str) -> None:
    path = write("a.csv", "y,p\n1,0.5\n0,-inf\n")
    refused(path, *BCE, "--activation", activation, code=DATA, says=["a.csv", "column 'p' = -inf"], row=2)


@pytest.mark.parametrize("loss", ["bce", "hinge", "zero_one", "gan_discriminator", "triplet_score"])
@pytest.mark.parametrize("labels", [[1, -1, 1, 0, 0], [0, 1, 0, -1, -1], [0, -1, -1, 0, 1]])
def test_labels_of_both_conventions_are_not_mixed(refused: Refused, write: Write, loss: str, labels: list[int]) -> None:
    path = write("a.csv", "y,p\n" + "".join(f"{label},0.5\n" for label in labels))
    row = max(labels.index(0), labels.index(-1)) + 1
    says = ["a.csv", "column 'y'", f"= {labels[row - 1]}", "{0, 1}", "{-1, +1}"]
    refused(path, *ON_P, "-l", loss, "-l", "x=bce", code=DATA, says=says, row=row)


@pytest.mark.parametrize(("early", "late"), [(-1, 0), (0, -1)])
def test_labels_of_both_conventions_in_different_blocks(tmp_path: Path, early: int, late: int) -> None:
    target = np.where(np.arange(ROWS) % 2, 1, early)
    target[140_001:] = np.where(target[140_001:] == 1, 1, late)
    path = parquet(tmp_path / "a.parquet", {"y": target.astype(float), "p": np.full(ROWS, 0.5)})
    for threads in (1, 2, 7):
        with pytest.raises(DataError, match=r"row 140003, column 'y' = .*-1 and 0"):
            package.evaluate(path, target="y", pred="p", losses="bce", threads=threads)


# weights --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("-1", ["= -1", "[0, "]),
        ("-0.5", ["= -0.5", "[0, "]),
        ("inf", ["= inf", "[0, "]),
        ("nan", ["NaN", "--missing drop"]),
        ("", ["missing", "--missing drop"]),
        ("heavy", ["'heavy'", "not a number"]),
    ],
)
def test_a_weight_that_is_none(refused: Refused, write: Write, cell: str, says: list[str]) -> None:
    path = write("a.csv", f"y,p,w\n1,2,1\n1,2,0\n1,2,{cell}\n1,2,1\n")
    refused(path, *MSE, "-w", "w", code=DATA, says=["a.csv", "column 'w'", *says], row=3)


@pytest.mark.parametrize("loss", ["mse", "rmse", "max_error", "median_absolute_error"])
def test_weights_that_are_all_zero(refused: Refused, write: Write, loss: str) -> None:
    path = write("a.csv", "y,p,w\n1,2,0\n1,2,0\n")
    options = (*ON_P, "-w", "w", "-l", loss, "-l", "mae")
    refused(path, *options, code=DATA, says=["a.csv", "'w'", "every weight", "zero"])


def test_weights_that_are_all_zero_in_the_targets_file(refused: Refused, write: Write) -> None:
    truth = write("truth.csv", "y,w\n1,0\n2,0\n")
    path = write("a.csv", "p\n1\n2\n")
    line = refused(
        path, "--targets", truth, "-t", "y", "-w", "w", "-l", "mse", code=DATA, says=["every weight", "zero"]
    )
    assert "truth.csv" in line


# an infinite loss is a finding, not a fault ---------------------------------------------------------------------------


@pytest.mark.parametrize("row", [2, 100_001])
def test_an_infinite_loss_is_no_bad_input(lossctl: Lossctl, tmp_path: Path, row: int) -> None:
    target, guess = np.ones(ROWS), np.full(ROWS, 0.5)
    guess[[row - 1, ROWS - 1]] = 0.0
    path = parquet(tmp_path / "a.parquet", {"y": target, "p": guess})
    outcome = lossctl("eval", path, *ON_P, "-l", "bce", "-l", "brier", "-f", "json")
    assert outcome.code == ExitCode.OK
    infinite, finite = outcome.json["results"]
    assert (infinite["value"], infinite["status"], infinite["stderr"], infinite["ci"]) == (None, "infinite", None, None)
    assert re.search(rf"2 rows.*row {row}\b", infinite["reason"])
    assert (finite["status"], finite["reason"]) == ("ok", None)
    assert finite["value"] == pytest.approx((0.25 * (ROWS - 2) + 2.0) / ROWS)


def test_an_infinite_loss_in_other_formats(lossctl: Lossctl, write: Write) -> None:
    path = write("a.csv", "y,p\n1,0.5\n1,0\n")
    assert lossctl("eval", path, *BCE, "-f", "value").out == "inf\n"
    for form in ("table", "long"):
        outcome = lossctl("eval", path, *BCE, "-f", form)
        assert outcome.code == ExitCode.OK
        assert "inf" in outcome.out
        assert "row 2" in outcome.out


def test_an_undefined_loss_is_no_bad_input(lossctl: Lossctl, write: Write) -> None:
    outcome = lossctl("eval", write("a.csv", "y,p\n1,2\n1,3\n"), *ON_P, "-l", "r2", "-f", "json")
    assert outcome.code == ExitCode.OK
    (cell,) = outcome.json["results"]
    assert (cell["value"], cell["status"]) == (None, "undefined")
    assert "constant" in cell["reason"]


def test_the_ends_of_a_column_do_not_speak_for_a_domain_that_admits_less() -> None:
    class Even(Interval):
        def admits(self, x: NDArray[np.float64]) -> bool:
            return not self.outside(x).any()

        def outside(self, x: NDArray[np.float64]) -> NDArray[np.bool_]:
            return np.any(x % 2 != 0, axis=0)

    values = np.array([[2.0, 3.0, 4.0]])
    found = breach(Even(), values, np.arange(3), extent(values, integers=True))
    assert (found.rows, found.row) == (1, 1)
    assert breach(Interval(), values, np.arange(3), extent(values)).rows == 0
