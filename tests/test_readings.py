"""One reading of the target for all losses of a command: said in the note, in the JSON and in the signature."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import lossctl as package
from lossctl.errors import BaselineError, DataError, UsageError
from tests.bad_input import DATA, Write
from tests.conftest import Lossctl, Refused

RNG = np.random.default_rng(13)
ONE_HOT = np.eye(3)[RNG.integers(0, 3, 40)]
SOFT = RNG.dirichlet(np.ones(3), 40)
FLAGS = RNG.integers(0, 2, (40, 3)).astype(float)
SHARES = RNG.random((40, 3))
OF_CLASSES = float(np.mean(-((1 - SOFT[ONE_HOT == 1]) ** 2) * np.log(SOFT[ONE_HOT == 1])))


def of_flags(y: np.ndarray[Any, Any], p: np.ndarray[Any, Any]) -> float:
    """Focal loss of every column for itself."""
    given = np.where(y == 1, p, 1 - p)
    return float(np.mean(-((1 - given) ** 2) * np.log(given)))


CONTAINERS = ("dict", "csv", "jsonl", "parquet", "npz", "frame", "arrow")


def stored(container: str, folder: Path, y: np.ndarray[Any, Any], p: np.ndarray[Any, Any]) -> tuple[Any, Any, Any]:
    """Return data in a container, the target's columns and the prediction's."""
    columns = {f"{role}_{n}": values[:, n] for role, values in (("t", y), ("p", p)) for n in range(3)}
    frame = pd.DataFrame(columns)
    match container:
        case "dict":
            return {"y": y, "p": p}, "y", "p"
        case "npz":
            np.savez(folder / "a.npz", y=y, p=p)
            return folder / "a.npz", "y", "p"
        case "csv":
            frame.to_csv(folder / "a.csv", index=False)
        case "jsonl":
            frame.to_json(folder / "a.jsonl", orient="records", lines=True, double_precision=15)
        case "parquet":
            frame.to_parquet(folder / "a.parquet")
        case "frame":
            return frame, "t_*", "p_*"
        case _:
            return pa.Table.from_pandas(frame), "t_*", "p_*"
    return folder / f"a.{container}", "t_*", "p_*"


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize(
    ("losses", "task", "target"),
    [
        (None, None, "classes"),
        (["focal"], None, "classes"),
        (["focal"], "multiclass", "classes"),
        (["focal", "cce"], None, "classes"),
        (["focal", "hamming"], None, "classes"),
        (["mse", "focal"], None, "classes"),
        (["focal"], "multilabel", "flags"),
        (["focal", "bce"], None, "flags"),
        (["dice", "focal"], None, "flags"),
    ],
)
def test_one_hot_columns_are_one_thing_to_all_losses(
    tmp_path: Path, container: str, losses: Sequence[str] | None, task: str | None, target: str
) -> None:
    data, truth, pred = stored(container, tmp_path, ONE_HOT, SOFT)
    notes: list[str] = []
    report = package.evaluate(data, target=truth, pred=pred, losses=losses, task=task, note=notes.append)
    right = OF_CLASSES if target == "classes" else of_flags(ONE_HOT, SOFT)
    [focal] = [cell for cell in report.cells if cell.loss == "focal"]
    assert focal.value == pytest.approx(right, rel=1e-12)
    assert report.reading is not None
    assert (report.reading.target, report.reading.inferred) == (target, task is None)
    assert all(f"|target:{target}|" in cell.signature for cell in report.cells)
    assert json.loads(report.to_json())["reading"]["target"] == target
    assert bool(notes) == (task is None)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize(("y", "p"), [(ONE_HOT, SHARES), (FLAGS, SHARES), (FLAGS, SOFT)])
def test_rows_that_do_not_sum_to_1_are_a_yes_or_no_in_each(tmp_path: Path, container: str, y: Any, p: Any) -> None:
    data, truth, pred = stored(container, tmp_path, y, p)
    alone = package.evaluate(data, target=truth, pred=pred, losses="focal")
    usual = package.evaluate(data, target=truth, pred=pred)
    assert usual.losses == ["bce", "focal"]
    assert [cell.value for cell in (alone.cells[0], usual.cells[1])] == [pytest.approx(of_flags(y, p), rel=1e-12)] * 2
    assert alone.cells[0].signature == usual.cells[1].signature


def test_several_columns_of_numbers_are_outputs(lossctl: Lossctl, write: Write) -> None:
    path = write("a.csv", "t_a,t_b,p_a,p_b\n1,2.5,1.5,2\n3,-1,3,2\n")
    ran = lossctl("eval", path, "-t", "t_*", "-p", "p_*", "-f", "json", "--no-ci")
    assert "task: regression (2 target columns of numbers)" in ran.err
    assert ran.json["reading"] == {
        "target": "numbers",
        "inferred": False,
        "why": "the losses take numbers",
        "classes": None,
    }


def test_the_note_says_what_was_taken_and_how_to_say_otherwise() -> None:
    notes: list[str] = []
    data = {"y": ONE_HOT, "p": SOFT}
    package.evaluate(data, target="y", pred="p", losses="focal", note=notes.append)
    package.evaluate(data, target="y", pred="p", losses=["focal", "bce"], note=notes.append)
    assert notes == [
        "target: 3 columns are read as a row over as many classes (every row of target and predictions sums to 1); "
        "--task multilabel says otherwise",
        "target: 3 columns are read as a yes or no in each (as bce takes them)",
    ]


@pytest.mark.parametrize(
    ("losses", "task", "says"),
    [
        (["cce", "bce"], None, "cce reads a row over as many classes, bce reads a yes or no in each; ask apart"),
        (["bce", "focal"], "multiclass", "--task multiclass: of 3 target columns bce reads a yes or no in each"),
        (["kl"], "multilabel", "--task multilabel: of 3 target columns kl reads a row over as many classes"),
    ],
)
def test_two_readings_in_one_command_are_refused(losses: list[str], task: str | None, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        package.evaluate({"y": ONE_HOT, "p": SOFT}, target="y", pred="p", losses=losses, task=task)


@pytest.mark.parametrize("command", ["compare", "check"])
def test_compare_and_check_read_as_eval_does(tmp_path: Path, command: str) -> None:
    data = {"y": ONE_HOT, "p": SOFT, "q": SOFT[:, [1, 0, 2]]}
    if command == "compare":
        report = package.compare(data, target="y", pred=["p", "q"], losses="focal")
    else:
        report = package.check(data, target="y", pred="p", max="focal=2")
    assert report.cells[0].value == pytest.approx(OF_CLASSES, rel=1e-12)
    assert report.reading is not None
    assert report.reading.target == "classes"


def test_a_baseline_that_reads_the_target_otherwise_is_refused(tmp_path: Path) -> None:
    data = {"y": ONE_HOT, "p": SOFT}
    (tmp_path / "a.json").write_text(
        package.evaluate(data, target="y", pred="p", losses="focal", task="multilabel").to_json()
    )
    with pytest.raises(BaselineError, match="reads the target otherwise: target:flags, here target:classes"):
        package.check(data, target="y", pred="p", max_regression="focal=10%", baseline=str(tmp_path / "a.json"))


def test_a_loss_of_arrays_reads_its_target_as_a_command_does() -> None:
    focal = package.get("focal")
    assert focal(target=ONE_HOT, pred=SOFT) == pytest.approx(OF_CLASSES, rel=1e-12)
    assert focal(target=ONE_HOT, pred=SOFT, task="multilabel") == pytest.approx(of_flags(ONE_HOT, SOFT), rel=1e-12)
    assert focal(target=FLAGS, pred=SHARES) == pytest.approx(of_flags(FLAGS, SHARES), rel=1e-12)


# labels: which column is which label stands in the signature ----------------------------------------------------------


def signature(columns: dict[str, Any], **options: Any) -> str:
    report = package.evaluate(columns, target="y", losses="zero_one", ci=None, **options)
    [text] = [text for text in report.cells[0].signature.split("|") if text.startswith("target:")]
    return text


def test_the_labels_of_the_columns_are_signed() -> None:
    y, p = ["b", "a", "b"], np.array([[0.6, 0.4], [0.1, 0.9], [0.5, 0.5]])
    arrays = {"y": y, "p": p}
    assert signature(arrays, pred="p", classes="a,b") == "target:labels a,b"
    assert signature(arrays, pred="p", classes="b,a") == "target:labels b,a"
    named = {"y": y, "p_a": p[:, 0], "p_b": p[:, 1]}
    assert {signature(named, pred={"m": order}) for order in (("p_a", "p_b"), ("p_b", "p_a"))} == {"target:labels a,b"}


def test_many_labels_are_signed_by_a_digest() -> None:
    labels = [f"label {n}" for n in range(100)]
    text = signature({"y": labels, "p": np.eye(100)}, pred="p", classes=labels)
    assert text.startswith("target:labels 100 with digest ")
    assert text != signature({"y": labels, "p": np.eye(100)}, pred="p", classes=labels[::-1])


# nothing is concluded from no rows ------------------------------------------------------------------------------------

NO_ROW = {
    "other targets": ("y,p\n1,0.5\n0,0.5\n", "y,p\n0,0.25\n1,0.25\n", (), "the target is another one"),
    "no target": ("y,p\n,0.5\n,0.25\n", None, (), "the value is missing"),
    "dropped": ("y,p\n,0.5\n,0.25\n", None, ("--missing", "drop"), "every one of the 2 rows has a missing value"),
}


@pytest.mark.parametrize("case", NO_ROW)
def test_no_task_is_concluded_from_no_rows(refused: Refused, lossctl: Lossctl, write: Write, case: str) -> None:
    first, second, options, says = NO_ROW[case]
    paths = [write("a.csv", first), *([] if second is None else [write("b.csv", second)])]
    asked = (*paths, "-t", "y", "-p", "p", *options)
    refused(*asked, code=DATA, says=[says])
    assert "task:" not in lossctl("eval", *asked).err
    told = lossctl("validate", *asked, "-f", "json").json
    assert told["task"] is None
    assert not told["notes"]


def test_no_reading_is_concluded_from_no_rows(lossctl: Lossctl, write: Write) -> None:
    path = write("a.csv", "t_a,t_b,p_a,p_b\n,,0.5,0.5\n")
    ran = lossctl("eval", path, "-t", "t_*", "-p", "p_*", "-l", "focal")
    assert ran.code == DATA
    assert ran.err.count("\n") == 1
    assert "the value is missing" in ran.err


def test_a_row_of_two_classes_names_the_task_that_reads_it() -> None:
    rows = 70_000
    rng = np.random.default_rng(3)
    data = {"y": np.eye(3)[rng.integers(0, 3, rows)], "p": rng.dirichlet(np.ones(3), rows)}
    data["y"][-1] = [1, 1, 0]  # after the block that tells how the target is read
    for losses in ("focal", ["focal", "brier"], None):
        with pytest.raises(
            DataError, match=r"if each column is a yes or no of its own, --task multilabel says so"
        ) as err:
            package.evaluate(data, target="y", pred="p", losses=losses)
        assert not {"--sum-tolerance", "admits it", "--task multiclass"} & set(str(err.value).split())
        assert "eps=" not in str(err.value)
    y, p = data["y"], data["p"]
    right = -(y * (1 - p) ** 2 * np.log(p) + (1 - y) * p**2 * np.log(1 - p)).mean()
    report = package.evaluate(data, target="y", pred="p", losses="focal:gamma=2", task="multilabel")
    assert report.cells[0].value == pytest.approx(right)
