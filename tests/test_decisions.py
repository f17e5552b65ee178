"""Predictions that are classes, as `.predict()` gives them: text or numbers, binary or multiclass."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lossctl as package
from lossctl.errors import DataError, UsageError
from tests.bad_input import DATA, USAGE, Write
from tests.conftest import Lossctl, Refused

CONTAINERS = ("csv", "jsonl", "parquet", "npz", "frame", "dict", "arrow")
PAIRS: dict[str, tuple[list[Any], list[Any]]] = {
    "text": (["cat", "dog", "cat", "bird"], ["dog", "dog", "cat", "bird"]),
    "two words": (["no", "yes", "no", "yes"], ["no", "yes", "yes", "no"]),
    "numbers": ([3, 4, 3, 3], [4, 4, 3, 3]),
    "from 0": ([0, 1, 2, 2], [0, 1, 1, 2]),
    "from 1": ([1, 2, 2, 1], [1, 1, 2, 1]),
    "floats": ([1.0, 2.0, 0.0, 1.0], [1.0, 2.0, 2.0, 1.0]),
    "half steps": ([0.5, 1.5, 2.5, 0.5], [0.5, 0.5, 2.5, 0.5]),
    "signs": ([-1, 1, 1, -1], [-1, -1, 1, -1]),
    "flags": ([0, 1, 1, 0], [0, 0, 1, 0]),
    "booleans": ([True, False, True, True], [True, True, True, False]),
    "first a number": (["7", "8", "A", "A"], ["7", "7", "A", "8"]),
    "codes": (["007", "008", "007", "010"], ["007", "007", "007", "010"]),
}


def stored(container: str, folder: Path, columns: dict[str, list[Any]]) -> Any:
    """Return a table in a container: a path, or an object."""
    path = folder / f"a.{container}"
    match container:
        case "csv":
            lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
            path.write_text("\n".join(lines) + "\n")
        case "jsonl":
            rows = zip(*columns.values(), strict=True)
            path.write_text("".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows))
        case "parquet":
            pq.write_table(pa.table(columns), path)
        case "npz":
            arrays: dict[str, Any] = {name: np.array(values) for name, values in columns.items()}
            np.savez(path, **arrays)
        case "frame":
            return pd.DataFrame(columns)
        case "arrow":
            return pa.table(columns)
        case _:
            return columns
    return path


@pytest.mark.deep
@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("kind", PAIRS)
def test_predicted_classes_are_right_or_wrong(tmp_path: Path, kind: str, container: str) -> None:
    y, p = PAIRS[kind]
    wrong = float(np.mean(np.array(y) != np.array(p)))
    data = stored(container, tmp_path, {"y": y, "p": p, "q": y})
    for losses in (["zero_one"], ["hamming", "zero_one"]):
        report = package.evaluate(data, target="y", pred=["p", "q"], losses=losses)
        assert [cell.value for cell in report.cells if cell.model == "p"] == [wrong] * len(losses)
        assert [cell.value for cell in report.cells if cell.model == "q"] == [0.0] * len(losses)
    assert package.evaluate(data, target="y", pred="p", losses="zero_one", by="y").cells[0].value == wrong
    compared = package.compare(data, target="y", pred=["p", "q"], losses="zero_one", worst=2)
    assert compared.comparisons[0].difference == -wrong
    assert package.check(data, target="y", pred="p", max="zero_one=0.1").verdict == "fail"
    survey = package.validate(data, target="y", pred="p", losses="zero_one")
    assert survey.works, survey.problems
    assert "no number" not in str(survey.to_json())


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("kind", PAIRS)
def test_without_losses_they_are_recognised(tmp_path: Path, kind: str, container: str) -> None:
    y, p = (values * 3 for values in PAIRS[kind])
    notes: list[str] = []
    data = stored(container, tmp_path, {"y": y, "p": p})
    report = package.evaluate(data, target="y", pred="p", note=notes.append)
    assert report.losses == (["zero_one", "mcc_loss"] if kind in ("flags", "booleans") else ["zero_one"])
    assert report.cells[0].value == float(np.mean(np.array(y) != np.array(p)))
    assert len(notes) == 1
    assert "classes" in notes[0]
    assert "--task or -l says otherwise" in notes[0]
    assert package.evaluate(data, target="y", pred="p", losses="zero_one").cells[0].value == report.cells[0].value


@pytest.mark.parametrize("kind", PAIRS)
def test_one_digest_and_signature_in_every_container(tmp_path: Path, kind: str) -> None:
    y, p = PAIRS[kind]
    columns = {"y": y, "p": p}
    reports = [
        package.evaluate(stored(c, tmp_path, columns), target="y", pred="p", losses="zero_one") for c in CONTAINERS
    ]
    assert len({report.cells[0].signature for report in reports}) == 1
    assert len({report.inputs[0].kept for report in reports}) == 1


@pytest.mark.parametrize("kind", ["two words", "from 1", "signs"])
def test_with_a_positive_label_they_are_0_and_1(tmp_path: Path, kind: str) -> None:
    y, p = PAIRS[kind]
    positive = str(max(y))
    flags = {"y": [int(str(label) == positive) for label in y], "p": [float(str(label) == positive) for label in p]}
    for losses in (None, ["zero_one", "mcc_loss", "brier"]):
        right = package.evaluate(flags, target="y", pred="p", losses=losses)
        for container in CONTAINERS:
            data = stored(container, tmp_path, {"y": y, "p": p})
            report = package.evaluate(data, target="y", pred="p", losses=losses, positive_label=positive)
            assert [cell.value for cell in report.cells] == pytest.approx([cell.value for cell in right.cells])


@pytest.mark.parametrize("kind", PAIRS)
def test_a_loss_of_arrays_takes_them_too(kind: str) -> None:
    y, p = PAIRS[kind]
    wrong = np.array(y) != np.array(p)
    for name in ("zero_one", "hamming"):
        loss = package.get(name)
        for kind_of_array in (np.array, list, pd.Series, lambda x: np.array(x, dtype=object)):
            assert loss(target=kind_of_array(y), pred=kind_of_array(p)) == wrong.mean()
        assert loss.each(target=y, pred=p).tolist() == wrong.astype(float).tolist()


def test_labels_that_do_not_count(tmp_path: Path) -> None:
    data = {"y": ["cat", "dog", "none", "dog"], "p": ["cat", "cat", "dog", "dog"]}
    spec = "zero_one:ignore_class=none"
    assert package.evaluate(data, target="y", pred="p", losses=spec).cells[0].value == pytest.approx(1 / 3)
    assert package.get(spec)(target=data["y"], pred=data["p"]) == pytest.approx(1 / 3)


def test_weights_slices_and_missing_values(lossctl: Lossctl, write: Write) -> None:
    path = write("a.csv", "y,p,w,g\ncat,dog,3,a\ndog,dog,1,a\ncat,,1,b\ncat,cat,1,b\n")
    asked = ("eval", path, "-t", "y", "-p", "p", "-l", "zero_one", "--no-ci", "-f", "value")
    assert lossctl(*asked).code == DATA
    assert lossctl(*asked, "--missing", "drop").values == [pytest.approx(1 / 3)]
    assert lossctl(*asked, "--missing", "drop", "-w", "w").values == [pytest.approx(3 / 5)]
    assert lossctl(*asked, "--missing", "drop", "--by", "g").values == [pytest.approx(1 / 3), 0.5, 0.0]


def test_rows_are_written_and_the_worst_are_named(lossctl: Lossctl, write: Write, tmp_path: Path) -> None:
    path = write("a.csv", "y,p,q\ncat,dog,cat\ndog,dog,cat\ncat,cat,cat\n")
    asked = (path, "-t", "y", "-p", "p", "-p", "q", "-l", "zero_one")
    assert lossctl("eval", *asked, "--rows-out", tmp_path / "rows.csv").code == 0
    frame = pd.read_csv(tmp_path / "rows.csv")
    assert frame.to_dict("list") == {"row": [1, 2, 3], "p.zero_one": [1, 0, 0], "q.zero_one": [0, 1, 0]}
    [worst] = lossctl("compare", *asked, "--worst", "1", "-f", "json").json["worst"]
    assert (worst["row"], worst["roles"]) == (2, {})


@pytest.mark.parametrize("container", CONTAINERS)
def test_choose_recommends_the_decision(tmp_path: Path, container: str) -> None:
    y, p = (values * 3 for values in PAIRS["text"])
    advice = package.choose(stored(container, tmp_path, {"y": y, "p": p}), target="y", pred="p")
    assert (advice.kind, advice.specs) == ("decisions", ("zero_one",))
    assert advice.fits == ("zero_one", "hamming", "accuracy", "balanced_accuracy", "mcc", "kappa")
    y, p = (values * 3 for values in PAIRS["two words"])
    advice = package.choose(stored(container, tmp_path, {"y": y, "p": p}), target="y", pred="p", positive_label="yes")
    assert (advice.kind, advice.specs) == ("binary", ("zero_one",))


def test_choose_prints_a_command_that_runs(lossctl: Lossctl, write: Write) -> None:
    path = write("a.csv", "y,p\ncat,dog\ndog,dog\ncat,cat\n")
    advice = package.choose(path, target="y", pred="p")
    assert advice.command is not None
    assert lossctl(*advice.command.split()[1:], "-f", "value", "--no-ci").values == [pytest.approx(1 / 3)]
    path = write("b.csv", "y,p\ncat,dog\ndog,\n")
    with pytest.raises(DataError, match="row 2, column 'p': the value is missing"):
        package.choose(path, target="y", pred="p")


def test_choose_asks_whether_few_whole_numbers_are_classes() -> None:
    advice = package.choose({"y": [3, 4, 3, 4], "p": [4, 4, 3, 3]}, target="y", pred="p")
    assert any("-l zero_one" in text for text in advice.warnings)


# what is no class -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "options", "code", "says"),
    [
        (
            "cat,Dog\ndog,Cat\n",
            (),
            DATA,
            ["no prediction is a label of the target", "'Dog'", "--classes cat,dog,Cat,Dog"],
        ),
        ("cat,0.5\ndog,0.25\n", (), USAGE, ["--positive-label"]),
        ("cat,dog\ndog,0.5\n", (), DATA, ["'0.5' is no label of the target"]),
        ("1,1.5\n2,2\n", (), DATA, ["1.5"]),
        ("1,0.5\n0.5,1\n", (), DATA, ["= 0.5", "target in {0, 1}"]),
        ("0,1\n1,2\n", (), DATA, ["= 2", "pred in [0, 1]", "--task multiclass"]),
        ("cat,eel\ndog,dog\n", ("--classes", "cat,dog"), DATA, ["'eel' is no class", "--classes names cat, dog alone"]),
        ("cat,dog\ndog,dog\n", ("--positive-label", "cat", "--classes", "cat,eel"), DATA, ["'dog'", "third label"]),
    ],
)
def test_predictions_that_are_no_classes(
    refused: Refused, write: Write, rows: str, options: tuple[str, ...], code: Any, says: list[str]
) -> None:
    path = write("a.csv", f"y,p\n{rows}")
    refused(path, "-t", "y", "-p", "p", "-l", "zero_one", *options, code=code, says=says)


def test_the_advice_works_as_typed(lossctl: Lossctl, write: Write) -> None:
    path = write("a.csv", "y,p\n0,1\n1,2\n")
    asked = ("eval", path, "-t", "y", "-p", "p", "-l", "zero_one", "--no-ci", "-f", "value")
    assert lossctl(*asked, "--task", "multiclass").values == [1.0]
    path = write("b.csv", "y,p\ncat,dog\ncat,dog\n")
    assert lossctl(*asked[:1], path, *asked[2:], "--classes", "cat,dog").values == [1.0]


def test_classes_and_losses_of_probabilities_do_not_mix() -> None:
    data = {"y": ["cat", "dog"], "p": ["cat", "cat"]}
    with pytest.raises(UsageError, match="cce: target has 1 column, pred has 1 column"):
        package.evaluate(data, target="y", pred="p", losses=["zero_one", "cce"])
    with pytest.raises(DataError, match="holds 'eel', which is no class"):
        package.get("zero_one")(target=["cat", "dog"], pred=["cat", "eel"], classes=["cat", "dog"])


def test_probabilities_beside_labels_stay_probabilities(lossctl: Lossctl, write: Write) -> None:
    """Numbers between 0 and 1 are never classes, nor are 0 and 1 in one model of several."""
    path = write("a.csv", "y,p,q\n0,0.25,0\n1,0.75,1\n")
    ran = lossctl("eval", path, "-t", "y", "-p", "p", "-p", "q", "-f", "json", "--no-ci")
    assert ran.json["task"]["why"] == "a 0/1 target and predictions within [0, 1]"
    assert {cell["loss"] for cell in ran.json["results"]} == {"bce", "brier", "focal", "zero_one"}


@pytest.mark.parametrize(
    ("y", "p"),
    [
        ([1, 2, 3], [1, 2, 3]),
        ([3, 4, 3], [4, 5, 3]),
        ([3, 4, 3], [3.5, 4, 3]),
        (list(range(50)) * 2, list(range(50)) * 2),
    ],
)
def test_numbers_that_need_not_be_classes_are_a_regression(y: list[float], p: list[float]) -> None:
    report = package.evaluate({"y": y, "p": p}, target="y", pred="p")
    assert report.task is not None
    assert report.task.name == "regression"


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_whole_numbers_beyond_2_53_are_labels_of_their_own(tmp_path: Path, suffix: str) -> None:
    labels, guesses = (2**60 + np.array(steps) for steps in ([1, 2, 3, 1, 2], [1, 3, 3, 2, 2]))
    frame, path = pd.DataFrame({"y": labels, "p": guesses}), tmp_path / f"ids.{suffix}"
    if suffix == "csv":
        frame.to_csv(path, index=False)
    elif suffix == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_json(path, orient="records", lines=True)
    for data in (path, frame, {"y": labels.tolist(), "p": guesses.tolist()}):
        for classes in (None, ",".join(str(2**60 + step) for step in (1, 2, 3))):
            report = package.evaluate(data, target="y", pred="p", losses="zero_one", classes=classes)
            assert report.cells[0].value == pytest.approx(0.4)


@pytest.mark.parametrize("labels", [("True", "False"), ("true", "false"), ("good", "bad")])
@pytest.mark.parametrize("container", ["csv", "parquet"])
def test_the_positive_label_holds_for_both_columns(labels: tuple[str, str], container: str, tmp_path: Path) -> None:
    """A share of right answers does not depend on which label is the positive one."""
    yes, no = labels
    y, c = [yes, yes, no, no, no], [yes, yes, no, yes, no]
    path = tmp_path / f"a.{container}"
    if container == "csv":
        path.write_text("y,c\n" + "".join(f"{a},{b}\n" for a, b in zip(y, c, strict=True)))
    else:
        boolean = yes.lower() == "true"
        columns = {"y": [a == yes for a in y], "c": [b == yes for b in c]} if boolean else {"y": y, "c": c}
        pd.DataFrame(columns).to_parquet(path)
    for positive, f1 in ((yes, 0.8), (no, 0.8)):
        report = package.evaluate(str(path), target="y", pred="c", losses=["zero_one", "f1"], positive_label=positive)
        assert report.value("zero_one") == pytest.approx(0.2, rel=1e-15)
        assert report.value("f1") == pytest.approx(f1, rel=1e-15)
