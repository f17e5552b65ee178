"""Labels as they come: one of two that is in no row, labels 1 and 2, several that do not count."""

from __future__ import annotations

import json
import math
from pathlib import Path
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


# several labels in a row -------------------------------------------------------------------------------------------

RNG = np.random.default_rng(9)
SHARES = RNG.random((5, 3))
MEMBERS = np.array([[1, 1, 0], [0, 0, 1], [0, 0, 0], [1, 0, 1], [1, 1, 1]], dtype=float)
LISTS = [["cat", "dog"], ["emu"], [], ["emu", "cat"], ["emu", "dog", "cat"]]
TEXTS = ["|".join(row) or "|" for row in LISTS]
COLUMNS = {f"p_{name}": SHARES[:, place] for place, name in enumerate(("cat", "dog", "emu"))}
IN_NUMBERS = package.get("bce")(target=MEMBERS, pred=SHARES)


@pytest.mark.parametrize("cells", [LISTS, TEXTS], ids=["lists", "texts"])
@pytest.mark.parametrize("container", ["dict", "frame", "arrow", "csv", "parquet", "jsonl"])
def test_sets_of_labels_are_multilabel_targets(tmp_path: Any, container: str, cells: list[Any]) -> None:
    data: Any = {**COLUMNS, "y": cells}
    frame = pd.DataFrame(data)
    if container == "csv":
        frame.assign(y=TEXTS).to_csv(data := tmp_path / "a.csv", index=False)
    elif container == "parquet":
        frame.to_parquet(data := tmp_path / "a.parquet")
    elif container == "jsonl":
        frame.to_json(data := tmp_path / "a.jsonl", orient="records", lines=True, double_precision=15)
    elif container != "dict":
        data = frame if container == "frame" else pa.Table.from_pandas(frame)
    every: list[dict[str, Any]] = [{}, {"losses": "bce"}, {"task": "multilabel"}, {"classes": "cat,dog,emu"}]
    for options in every:
        found = package.evaluate(data, target="y", pred="p_*", ci=None, **options)
        assert found.cells[0].value == pytest.approx(IN_NUMBERS, rel=1e-14)
        assert found.task is None or found.task.name == "multilabel"


def test_columns_go_by_their_names_in_any_order() -> None:
    data = {**dict(reversed(COLUMNS.items())), "y": TEXTS}
    assert package.evaluate(data, target="y", pred="p_*", losses="bce").cells[0].value == pytest.approx(
        IN_NUMBERS, rel=1e-15
    )


@pytest.mark.parametrize("mark", ["|", ";", ","])
def test_the_task_tells_other_marks_between_labels(mark: str) -> None:
    data = {**COLUMNS, "y": [mark.join(row) or mark for row in LISTS]}
    found = package.evaluate(data, target="y", pred="p_*", task="multilabel")
    assert found.cells[0].value == pytest.approx(IN_NUMBERS, rel=1e-15)


def test_a_label_of_no_column_is_refused() -> None:
    data = {**COLUMNS, "y": ["cat|dog", "emu", "bee|cat", "emu", "emu"]}
    with pytest.raises(DataError, match=r"row 3, column 'y': label 'bee' is none of cat, dog, emu"):
        package.evaluate(data, target="y", pred="p_*", losses="bce")


def test_a_row_without_a_cell_is_missing() -> None:
    data = {**COLUMNS, "y": ["cat|dog", None, "|", "emu", "emu"]}
    with pytest.raises(DataError, match=r"row 2, .*--missing drop .*; a row of no labels is written \|$"):
        package.evaluate(data, target="y", pred="p_*", losses="bce")


# two labels in several columns, and masks of 0 and 255 -------------------------------------------------------------

MASKS = RNG.integers(0, 2, (6, 4, 4))
PIXELS = RNG.random((6, 4, 4))


def test_masks_of_two_other_numbers_are_asked_about() -> None:
    data = {"y": MASKS * 255, "p": PIXELS}
    with pytest.raises(
        UsageError, match=r"arrays of 0 and 255 .*--task masks --positive-label 255 .*--task regression"
    ):
        package.evaluate(data, target="y", pred="p")
    masks = package.evaluate(data, target="y", pred="p", task="masks", positive_label="255").cells
    assert [cell.value for cell in masks] == [
        cell.value for cell in package.evaluate({"y": MASKS, "p": PIXELS}, target="y", pred="p").cells
    ]
    assert package.evaluate(data, target="y", pred="p", task="regression").cells[0].loss == "mse"
    assert package.evaluate({"y": MASKS * 255, "p": PIXELS * 255}, target="y", pred="p").cells[0].loss == "mse"


@pytest.mark.parametrize("loss", ["dice", "iou_mask", "bce", "iou_mask_score"])
@pytest.mark.parametrize(("low", "high", "classes"), [(0, 255, None), (1, 2, "1,2"), (7, 255, [7, 255])])
def test_masks_of_two_numbers(loss: str, low: int, high: int, classes: Any) -> None:
    def value(target: Any, pred: Any, **options: Any) -> float | None:
        return package.evaluate({"t": target, "p": pred}, target="t", pred="p", losses=loss, **options).cells[0].value

    target = np.where(MASKS == 1, high, low)
    assert value(target, PIXELS, positive_label=high, classes=classes) == value(MASKS, PIXELS)
    hard = PIXELS > 0.5
    assert value(target, np.where(hard, high, low), positive_label=high, classes=classes) == value(MASKS, hard)
    with pytest.raises(DataError, match="--classes says otherwise"):
        value(np.where(MASKS == 1, high, 3), PIXELS, positive_label=high, classes=classes)


def test_masks_of_two_numbers_name_the_option() -> None:
    with pytest.raises(DataError, match="--positive-label 255 says which is 1"):
        package.evaluate({"t": MASKS * 255, "p": PIXELS}, target="t", pred="p", losses="dice")


def test_two_labels_of_several_columns() -> None:
    words = {f"t_{name}": np.where(MEMBERS[:, place] == 1, "yes", "no") for place, name in enumerate("abc")}
    shares = {f"p_{name}": SHARES[:, place] for place, name in enumerate("abc")}
    found = package.evaluate({**words, **shares}, target="t_*", pred="p_*", losses="bce", positive_label="yes")
    assert found.cells[0].value == pytest.approx(IN_NUMBERS, rel=1e-15)


# pixels that do not count --------------------------------------------------------------------------------------------

MASK_LOSSES = [
    "iou_mask",
    "iou_mask_score",
    "dice",
    "dice:squared=true,smooth=1",
    "tversky",
    "focal_tversky",
    "dice_ce",
    "dice_focal",
]


@pytest.mark.parametrize("activation", [None, "sigmoid"])
@pytest.mark.parametrize("spec", MASK_LOSSES)
def test_pixels_that_do_not_count_are_as_if_they_were_not_there(spec: str, activation: str | None) -> None:
    loss = package.get(spec)
    ignoring = loss.bind(ignore_class="255")
    target, pred = (
        MASKS.reshape(6, 16).astype(float),
        RNG.normal(0.0, 2.0, (6, 16)) if activation else PIXELS.reshape(6, 16),
    )
    marked = target.copy()
    marked[:, [3, 7, 12]] = 255.0
    rest = np.delete(np.arange(16), [3, 7, 12])
    expected = loss.each(target=target[:, rest], pred=pred[:, rest], activation=activation)
    assert ignoring.each(target=marked, pred=pred, activation=activation) == pytest.approx(expected, rel=1e-13)
    assert ignoring.each(target=target, pred=pred, activation=activation) == pytest.approx(
        loss.each(target=target, pred=pred, activation=activation), rel=1e-15
    )
    if loss.gradient is not None:
        slope = np.asarray(ignoring.grad(target=marked, pred=pred, activation=activation))
        assert slope[:, rest] == pytest.approx(
            np.asarray(loss.grad(target=target[:, rest], pred=pred[:, rest], activation=activation)),
            rel=1e-12,
            abs=1e-15,
        )
        assert not slope[:, [3, 7, 12]].any()
    if "over" in {param.name for param in loss.params}:
        together = loss.bind(over="set")(target=target[:, rest], pred=pred[:, rest], activation=activation)
        found = ignoring.bind(over="set")(target=marked, pred=pred, activation=activation)
        assert found == pytest.approx(together, rel=1e-13)


PIXEL_LOSSES = ["bce", "bce:pos_weight=3", "bce:class_weight=1/2", "focal", "focal:alpha=0.25", "hamming", "asymmetric"]


@pytest.mark.parametrize("void", ["255", "-1", "2/255"])
@pytest.mark.parametrize("activation", [None, "sigmoid"])
@pytest.mark.parametrize("spec", PIXEL_LOSSES)
def test_losses_of_pixels_are_the_mean_over_those_that_count(spec: str, activation: str | None, void: str) -> None:
    target = MASKS.reshape(6, 16).astype(float)
    pred = RNG.normal(0.0, 2.0, target.shape) if activation else PIXELS.reshape(target.shape)
    marked = np.where(RNG.random(target.shape) < 0.3, float(void.split("/")[-1]), target)
    counts = marked == target
    loss = package.get(spec)
    ignoring = loss.bind(ignore_class=void.split("/"))
    expected = loss(target=target[counts], pred=pred[counts], activation=activation)
    assert ignoring(target=marked, pred=pred, activation=activation) == pytest.approx(expected, rel=1e-13)
    found = package.evaluate(
        {"t": marked.reshape(MASKS.shape), "p": pred.reshape(MASKS.shape)},
        target="t",
        pred="p",
        losses=ignoring.spec,
        activation=activation,
    )
    assert found.cells[0].value == pytest.approx(expected, rel=1e-13)
    if loss.gradient is not None:
        slope = np.asarray(ignoring.grad(target=marked, pred=pred, activation=activation))
        rest = np.asarray(loss.grad(target=target, pred=pred, activation=activation))
        assert slope[counts] == pytest.approx(rest[counts], rel=1e-12)
        assert not slope[~counts].any()


@pytest.mark.parametrize("weights", ["square", "simple", "uniform"])
@pytest.mark.parametrize("void", [255, 1], ids=["void", "class"])
def test_pixels_of_several_classes_that_do_not_count(weights: str, void: int) -> None:
    classes, image = RNG.integers(0, 3, 60), np.repeat(np.arange(3), 20)
    shares = RNG.dirichlet(np.ones(3), 60)
    marked = np.where(RNG.random(60) < 0.3, void, classes)
    counts = marked != void
    loss = package.get("generalized_dice").bind(weights=weights)
    expected = loss(target=classes[counts], pred=shares[counts], query=image[counts], classes=[0, 1, 2])
    ignoring = loss.bind(ignore_class=str(void))
    found = ignoring(target=marked, pred=shares, query=image, classes=[0, 1, 2])
    assert found == pytest.approx(expected if void == 255 else found, rel=1e-13)
    data = {"t": marked, "p": shares, "i": image}
    by_command = package.evaluate(data, target="t", pred="p", roles="query=i", losses=ignoring.spec)
    assert by_command.cells[0].value == pytest.approx(found, rel=1e-15)
    smooth = package.evaluate(data, target="t", pred="p", roles="query=i", losses=f"{ignoring.spec},smooth=1")
    assert smooth.cells[0].value != found


@pytest.mark.parametrize("loss", ["bce", "focal", "brier", "zero_one", "zero_one:threshold=0.3", "ece"])
@pytest.mark.parametrize("labels", [("no", "yes", "unsure"), ("1", "2", "-1"), ("0", "1", "9")])
def test_a_third_label_of_yes_and_no_that_does_not_count(loss: str, labels: tuple[str, str, str]) -> None:
    codes = RNG.integers(0, 3, 40)
    words, p = np.array(labels)[codes], RNG.random(40)
    rest = {"y": (codes[codes < 2] == 1).astype(float), "p": p[codes < 2]}
    spec = f"{loss}{',' if ':' in loss else ':'}ignore_class={labels[2]}"
    found = package.evaluate({"y": words, "p": p}, target="y", pred="p", losses=spec, positive_label=labels[1])
    expected = package.evaluate(rest, target="y", pred="p", losses=loss).cells[0].value
    assert found.cells[0].value == pytest.approx(expected, rel=1e-13)
    by_call = package.get(spec)(target=words, pred=p, positive_label=labels[1])
    assert by_call == pytest.approx(expected, rel=1e-13)


def test_what_does_not_count_is_told_from_yes_and_no() -> None:
    data = {"y": np.array([0.0, 1.0, 2.0]), "p": np.array([0.1, 0.9, 0.5])}
    with pytest.raises(UsageError, match="ignore_class=void is no number; --positive-label LABEL says which"):
        package.evaluate(data, target="y", pred="p", losses="bce:ignore_class=void")
    with pytest.raises(UsageError, match="needs a label that is neither"):
        package.evaluate(data, target="y", pred="p", losses="bce:ignore_class=1", positive_label="2")
    with pytest.raises(UsageError, match="brier does not ignore 'void'"):
        package.evaluate(
            data | {"y": ["a", "b", "void"]},
            target="y",
            pred="p",
            losses=["bce:ignore_class=void", "brier"],
            positive_label="a",
        )


def test_masks_of_bytes_are_chosen_for_as_masks() -> None:
    data = {"t": MASKS * 255, "p": PIXELS}
    plain = package.choose({"t": MASKS, "p": PIXELS}, target="t", pred="p")
    assert any("--positive-label 255 says so" in text for text in package.choose(data, target="t", pred="p").warnings)
    told = package.choose(data, target="t", pred="p", positive_label="255")
    assert [pick.loss for pick in told.picks] == [pick.loss for pick in plain.picks]
    with pytest.raises(DataError, match="if they are bytes, divide them by 255 first"):
        package.evaluate({"t": MASKS, "p": np.rint(PIXELS * 255)}, target="t", pred="p", losses="bce")


def test_a_void_label_in_a_mask_names_the_parameter() -> None:
    target = np.where(RNG.random((6, 4, 4)) < 0.1, 255, MASKS)
    data = {"t": target, "p": PIXELS}
    with pytest.raises(DataError, match="such as bce and dice take ignore_class=255"):
        package.evaluate(data, target="t", pred="p", losses="dice")
    assert package.evaluate(data, target="t", pred="p", losses="dice:ignore_class=255").cells[0].value is not None
    both = np.where(target == 255, 128, MASKS * 255)
    found = package.evaluate(
        {"t": both, "p": PIXELS}, target="t", pred="p", losses="dice:ignore_class=128", positive_label="255"
    )
    assert (
        found.cells[0].value
        == package.evaluate(data, target="t", pred="p", losses="dice:ignore_class=255").cells[0].value
    )
    assert "ignore_class" not in package.get("dice_ce").full_spec
    with pytest.raises(UsageError, match="the pixels of a mask are numbers"):
        package.get("dice:ignore_class=void")


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_row_of_no_labels_may_be_the_first(place: int, tmp_path: Path) -> None:
    rows = [{"tags": ["a"], "p_a": 0.6, "p_b": 0.3}, {"tags": ["a", "b"], "p_a": 0.6, "p_b": 0.3}]
    rows.insert(place, {"tags": [], "p_a": 0.2, "p_b": 0.3})
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = package.evaluate(str(path), target="tags", pred="m=p_*", losses="hamming")
    assert report.value() == pytest.approx(1 / 6, rel=1e-15)
