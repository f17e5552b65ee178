"""Labels as they come: one of two that is in no row, labels 1 and 2, several that do not count."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import lossctl as package
from lossctl.errors import DataError, UsageError
from lossctl.results.report import Report

P = [0.1, 0.2, 0.05]
NO_FRAUD = -sum(math.log1p(-p) for p in P) / 3


def report(y: list[Any], losses: Any = "bce", p: Any = P, **options: Any) -> Report:
    return package.evaluate({"y": np.array(y), "p": np.array(p)}, target="y", pred="p", losses=losses, **options)


# two labels of which one is in no row ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "positive", "classes"),
    [
        ("legit", "fraud", "legit,fraud"),
        ("legit", "fraud", ["fraud", "legit"]),
        (0, 1, "0,1"),
        (0.0, "1", "0,1"),
        (1, 2, [1, 2]),
        (False, True, "false,true"),
        (0, 255, "0,255"),
    ],
)
@pytest.mark.parametrize("loss", ["bce", "brier", "focal", "hinge"])
def test_declared_labels_need_no_positive_row(label: Any, positive: Any, classes: Any, loss: str) -> None:
    value = report([label] * 3, loss, positive_label=positive, classes=classes).cells[0].value
    assert value == report([0.0] * 3, loss).cells[0].value


def test_in_every_container(tmp_path: Any) -> None:
    frame = pd.DataFrame({"y": ["legit"] * 3, "p": P})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    inputs = [tmp_path / "a.csv", tmp_path / "a.parquet", tmp_path / "a.jsonl", frame, pa.Table.from_pandas(frame)]
    options: dict[str, Any] = {"target": "y", "pred": "p", "positive_label": "fraud", "classes": "legit,fraud"}
    values = [package.evaluate(data, **options, losses="bce").cells[0].value for data in inputs]
    assert values == pytest.approx([NO_FRAUD] * 5, rel=1e-15)


def test_what_is_not_declared_names_how_to() -> None:
    with pytest.raises(DataError, match="--classes legit,fraud declares both labels"):
        report(["legit"] * 3, positive_label="fraud")
    with pytest.raises(UsageError, match="--positive-label fraud says"):
        report(["legit"] * 3, classes="legit,fraud")


def test_a_third_label_is_refused_beside_two_that_are_declared() -> None:
    with pytest.raises(DataError, match=r"row 3, column 'y': label 'Legit' is a third label"):
        report(["legit", "fraud", "Legit"], positive_label="fraud", classes="legit,fraud")


@pytest.mark.parametrize("classes", ["legit", "legit,spam", "legit,spam,fraud"])
def test_declared_labels_are_the_positive_one_and_one_other(classes: str) -> None:
    with pytest.raises(UsageError, match="that and the other label are needed"):
        report(["legit"] * 3, positive_label="fraud", classes=classes)


# labels 1 and 2 ----------------------------------------------------------------------------------------------------


def test_labels_1_and_2_beside_probabilities_are_asked_about() -> None:
    with pytest.raises(UsageError, match="--positive-label 2"):
        report([1, 2, 1], None)
    assert report([1, 2, 1], None, positive_label=2).cells[0].value == report([0, 1, 0], None).cells[0].value
    regression = report([1, 2, 1], None, task="regression")
    assert regression.task is not None
    assert regression.task.name == "regression"


def test_counts_beside_predictions_of_their_size_are_numbers() -> None:
    task = report([1, 2, 1], None, p=[1.2, 1.9, 0.7]).task
    assert task is not None
    assert task.name == "regression"


# labels that do not count ------------------------------------------------------------------------------------------

CLASSES = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.5, 0.25, 0.25]])


@pytest.mark.parametrize("loss", ["cce", "brier", "focal", "zero_one", "perplexity", "ece", "gce"])
@pytest.mark.parametrize("labels", ["-1/255", "255/-1", "255/-1/2"])
def test_several_labels_that_do_not_count(loss: str, labels: str) -> None:
    spec = f"{loss}:ignore_class={labels}"
    alone = report([0, 1], loss, CLASSES[:2]).cells[0].value
    assert report([0, -1, 1, 255], spec, CLASSES[[0, 2, 1, 3]]).cells[0].value == pytest.approx(alone, rel=1e-15)


def test_several_labels_that_do_not_count_from_python() -> None:
    loss = package.get("cce").bind(ignore_class=[-1, 255.0])
    assert loss.spec == "cce:ignore_class=-1/255"
    assert package.get(loss.spec) == loss
    alone = package.get("cce")(target=[0, 1], pred=CLASSES[:2])
    assert loss(target=[0, -1, 1, 255], pred=CLASSES[[0, 2, 1, 3]]) == pytest.approx(alone, rel=1e-15)


def test_two_losses_may_name_them_in_any_order() -> None:
    cells = report(
        [0, -1, 1, 255], ["cce:ignore_class=-1/255", "brier:ignore_class=255/-1"], CLASSES[[0, 2, 1, 3]]
    ).cells
    assert [cell.value for cell in cells] == pytest.approx(
        [cell.value for cell in report([0, 1], ["cce", "brier"], CLASSES[:2]).cells], rel=1e-15
    )


def test_a_label_with_a_slash_is_escaped() -> None:
    loss = package.get("cce").bind(ignore_class="n/a")
    assert loss.spec == "cce:ignore_class=n%2Fa"
    assert package.get(loss.spec).args["ignore_class"] == "n/a"
