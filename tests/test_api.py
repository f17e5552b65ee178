"""The Python side: `evaluate`, `get`, and a Loss as a function of arrays."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import lossctl
from lossctl import registry
from tests.conftest import ROOT

DIABETES = ROOT / "sample_data/diabetes.csv"
OPTIONS: dict[str, Any] = {
    "target": "progression",
    "pred": ["linear", "forest"],
    "losses": ["mse", "r2", "median_absolute_error"],
}


def numbers(report: lossctl.Report) -> list[tuple[float, float | None, str]]:
    return [(cell.value, cell.stderr, cell.signature) for cell in report.cells]


def test_frames_tables_dicts_and_paths_give_the_same() -> None:
    frame = pd.read_csv(DIABETES)
    expected = numbers(lossctl.evaluate(DIABETES, **OPTIONS))
    for data in (
        str(DIABETES),
        [str(DIABETES)],
        frame,
        pa.Table.from_pandas(frame),
        {name: frame[name].to_numpy() for name in frame},
    ):
        assert numbers(lossctl.evaluate(data, **OPTIONS)) == expected


def test_models_from_mappings() -> None:
    report = lossctl.evaluate(DIABETES, target="progression", pred={"A": "linear", "B": ["forest"]}, losses="mae")
    assert report.models == ["A", "B"]
    files = lossctl.evaluate({"one": DIABETES, "two": DIABETES}, target="progression", pred="linear", losses="mae")
    assert files.models == ["one", "two"]
    assert files.cells[0].value == files.cells[1].value == report.cells[0].value


def test_a_report_has_ways_out() -> None:
    report = lossctl.evaluate(DIABETES, **OPTIONS, by="age_band")
    frame = report.to_frame()
    assert list(frame["model"]) == [cell.model for cell in report.cells]
    assert frame["slice.age_band"].nunique() == 2
    assert [cell["value"] for cell in json.loads(report.to_json())["results"]] == [cell.value for cell in report.cells]
    assert pickle.loads(pickle.dumps(report.cells[0].value)) == report.cells[0].value


def test_vectors_labels_and_activations_in_memory() -> None:
    rng = np.random.default_rng(1)
    logits, labels = rng.normal(size=(500, 3)), rng.choice(["a", "b", "c"], 500)
    data = {"y": labels, "z": logits}
    report = lossctl.evaluate(data, target="y", pred="z", losses="cce", activation="softmax", classes=["a", "b", "c"])
    direct = lossctl.get("cce")(target=labels, pred=logits, activation="softmax", classes=["a", "b", "c"])
    assert report.cells[0].value == direct


def test_a_loss_of_arrays_is_the_loss_of_a_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"y": rng.normal(size=100_000), "w": rng.random(100_000)})
    frame["p"] = frame.y + rng.normal(size=100_000)
    frame.to_parquet(tmp_path / "f.parquet")
    for spec in ("mse", "rmse", "huber:delta=0.5", "r2", "wape", "median_absolute_error", "max_error"):
        cell = lossctl.evaluate(tmp_path / "f.parquet", target="y", pred="p", weight="w", losses=spec).cells[0]
        assert lossctl.get(spec)(target=frame.y, pred=frame.p, weight=frame.w) == cell.value


def test_per_row_losses_and_gradients_have_the_shape_of_the_data() -> None:
    target, pred = np.zeros((4, 2, 3)), np.arange(24.0).reshape(4, 2, 3)
    mse = lossctl.get("mse")
    assert mse.each(target=target, pred=pred).shape == (4,)
    np.testing.assert_array_equal(mse.grad(target=target, pred=pred), 2 * pred / 6)
    triplet = lossctl.get("triplet")
    slopes = triplet.grad(anchor=[[0.0, 0.0]], positive=[[1.0, 0.0]], negative=[[0.0, 1.5]])
    assert isinstance(slopes, dict)
    assert {role: slope.tolist() for role, slope in slopes.items()} == {
        "anchor": [[-1.0, 1.0]],
        "positive": [[1.0, 0.0]],
        "negative": [[0.0, -1.0]],
    }


def test_an_image_batch_needs_no_reshaping() -> None:
    truth = np.zeros((2, 4, 4), dtype=bool)
    truth[:, :2] = True
    assert lossctl.get("iou_mask")(target=truth, pred=truth) == 0.0
    assert lossctl.get("iou_mask")(target=truth, pred=~truth) == 1.0


@pytest.mark.parametrize(
    ("spec", "given", "kind", "words"),
    [
        ("mse", {"target": [1.0], "pred": [1.0, 2.0]}, lossctl.DataError, "row counts differ"),
        ("mse", {"target": [[1.0, 2.0]], "pred": [[1.0]]}, lossctl.UsageError, "target has 2 columns"),
        ("mse", {"target": [1.0]}, lossctl.UsageError, "needs pred="),
        ("mse", {"target": [1.0], "pred": [1.0], "left": [1.0]}, lossctl.UsageError, "no role 'left'"),
        ("mse", {"target": ["a"], "pred": [1.0]}, lossctl.UsageError, "numbers are needed"),
        ("mse", {"target": 1.0, "pred": 1.0}, lossctl.UsageError, "single value"),
        ("mse", {"target": [1.0, np.nan], "pred": [1.0, 2.0]}, lossctl.DataError, r"target\[1\] = nan"),
        ("mse", {"target": [1.0], "pred": [np.inf]}, lossctl.DataError, r"pred\[0\] = inf"),
        ("mse", {"target": [], "pred": []}, lossctl.DataError, "no rows"),
        ("mse", {"target": [1.0], "pred": [1.0], "weight": [-1.0]}, lossctl.DataError, r"weight\[0\] = -1"),
        ("mse", {"target": [1.0], "pred": [1.0], "weight": [0.0]}, lossctl.DataError, "every weight is zero"),
        ("mse", {"target": [1.0], "pred": [1.0], "weight": [[1.0, 2.0]]}, lossctl.UsageError, "one number per row"),
        ("bce", {"target": [1], "pred": [1.5]}, lossctl.DataError, "--activation sigmoid"),
        ("bce", {"target": [-1, 0], "pred": [0.5, 0.5]}, lossctl.DataError, r"target\[1\]"),
        ("cce", {"target": [0, 7], "pred": [[0.5, 0.5]] * 2}, lossctl.DataError, r"target\[1\] = 7 is no class"),
        ("bce", {"target": [1], "pred": [0.5], "activation": "tanh"}, lossctl.UsageError, "does not fit"),
        ("bce", {"target": [1], "pred": [0.5], "activation": "sigmoidal"}, lossctl.UsageError, "did you mean"),
    ],
)
def test_bad_arrays_are_refused(spec: str, given: dict[str, object], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        lossctl.get(spec)(**given)  # type: ignore[arg-type]


def test_what_has_no_row_value_says_so() -> None:
    for spec in ("rmse", "r2", "wape", "triplet_score", "max_error"):
        with pytest.raises(lossctl.UsageError, match="per-row"):
            lossctl.get(spec).each(target=[1.0], pred=[1.0])
    with pytest.raises(lossctl.UsageError, match="flat almost everywhere"):
        lossctl.get("zero_one").grad(target=[1], pred=[0.4])


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("huber:delta=0", r"delta=0.0 is not allowed; it takes a number in \(0, ∞\)"),
        ("huber:delta=x", "delta=x is not allowed"),
        ("huber:delta=nan", "not allowed"),
        ("huber:beta=1", "no parameter 'beta'"),
        ("huber:delta", "not PARAMETER=VALUE"),
        ("huber:", "not PARAMETER=VALUE"),
        ("huber:delta=1,delta=2", "given twice"),
        ("quantile:q=1.5", r"\[0, 1\]"),
        ("poisson:full=maybe", "true or false"),
        ("mse:x=1", "takes none"),
        ("", "unknown loss"),
    ],
)
def test_bad_specs_are_refused(spec: str, words: str) -> None:
    with pytest.raises(lossctl.UsageError, match=words):
        lossctl.get(spec)


@pytest.mark.parametrize("loss", registry.losses().values(), ids=str)
def test_specs_round_trip(loss: lossctl.Loss) -> None:
    assert registry.get(loss.full_spec) == loss
    assert registry.get(loss.spec).spec == loss.spec
    for alias in loss.aliases:
        assert registry.get(alias.upper().replace("_", "-")).name == loss.name


def test_names_are_unique_and_the_package_has_what_it_says() -> None:
    assert len(registry.names()) == sum(1 + len(loss.aliases) for loss in registry.losses().values())
    for name in lossctl.__all__:
        assert getattr(lossctl, name) is not None
    with pytest.raises(AttributeError):
        _ = lossctl.nothing


def test_names_of_any_spelling_in_mappings() -> None:
    data = {"y": [1.0, 2.0], "a,b": [1.0, 3.0], "c": [2.0, 2.0]}
    report = lossctl.evaluate(data, target="y", pred={"runs/a": ["a,b"], "x=y": "c"}, losses="mae")
    assert [(cell.model, cell.value) for cell in report.cells] == [("runs/a", 0.5), ("x=y", 0.5)]
    files = lossctl.evaluate({"runs/a": DIABETES}, target="progression", pred="linear", losses="mae")
    assert files.models == ["runs/a"]


def test_an_unused_column_of_any_kind_is_left_alone() -> None:
    frame = pd.DataFrame({"y": [1.0, 2.0], "p": [1.0, 3.0], "odd": ["a", 1]})
    assert lossctl.evaluate(frame, target="y", pred="p", losses="mae").cells[0].value == 0.5
    with pytest.raises(lossctl.DataError, match="column 'odd' holds values of several kinds"):
        lossctl.evaluate(frame, target="y", pred="odd", losses="mae")


def test_targets_in_memory_are_told_from_the_data() -> None:
    data, targets = {"p": [1.0, 2.0]}, {"y": [1.0, 2.0], "p": [1.0, np.nan]}
    with pytest.raises(lossctl.DataError, match="targets: row 2, column 'p'"):
        lossctl.evaluate(data, targets=targets, target="y", pred="p", weight="p", losses="mae")
    with pytest.raises(lossctl.DataError, match="data has 2, targets has 3"):
        lossctl.evaluate(data, targets={"y": [1.0, 2.0, 3.0]}, target="y", pred="p", losses="mae")


def test_scores_out_of_range_give_an_honest_infinity() -> None:
    assert lossctl.get("triplet_score")(target=[1, 0], pred=[-1e308, 1e308]) == np.inf


@pytest.mark.parametrize("labels", [[True, False, True], ["True", "False", "True"], ["true", "false", "true"]])
def test_labels_have_one_spelling(labels: list[object]) -> None:
    data = {"y": [1.0, 2.0, 3.0], "p": [1.0, 2.0, 4.0], "g": labels}
    report = lossctl.evaluate(data, target="y", pred="p", losses="mae", by="g")
    assert [dict(cell.slice) for cell in report.cells] == [{}, {"g": "false"}, {"g": "true"}]
    assert (
        report.inputs[0].data
        == lossctl.evaluate({**data, "g": [True, False, True]}, target="y", pred="p", by="g").inputs[0].data
    )


def test_masked_and_none_values_are_missing() -> None:
    masked = np.ma.array([1.0, 2.0, 100.0], mask=[False, False, True])
    for target in (masked, [1.0, 2.0, None]):
        data = {"y": target, "p": [1.0, 3.0, 3.0]}
        with pytest.raises(lossctl.DataError, match=r"row 3, column 'y': the value is NaN"):
            lossctl.evaluate(data, target="y", pred="p", losses="mse")
        assert lossctl.evaluate(data, target="y", pred="p", losses="mse", missing="drop").cells[0].value == 0.5
    with pytest.raises(lossctl.UsageError, match="target has masked values"):
        lossctl.get("mse")(target=masked, pred=[1.0, 2.0, 3.0])


def test_columns_and_labels_may_be_numbers() -> None:
    frame = pd.DataFrame({0: [1, 2], 1: [0.25, 0.5]})
    report = lossctl.evaluate(frame, target=0, pred=1, losses="bce", positive_label=2)  # type: ignore[arg-type]
    assert report.cells[0].value == pytest.approx(-(np.log(0.75) + np.log(0.5)) / 2)


def test_weights_beyond_the_range_leave_json_valid() -> None:
    data = {"y": [1.0, 2.0], "p": [2.0, 4.0], "w": [1e308, 1e308]}
    record = json.loads(lossctl.evaluate(data, target="y", pred="p", weight="w", losses="mae").to_json())["results"][0]
    assert (record["value"], record["status"], record["weight_sum"]) == (None, "infinite", None)


def test_softmax_says_that_square_columns_are_classes() -> None:
    rng = np.random.default_rng(4)
    rows, logits, focal = np.eye(3)[rng.integers(0, 3, 50)], rng.normal(size=(50, 3)), lossctl.get("focal")
    by_label = focal(target=rows.argmax(axis=1), pred=logits, activation="softmax")
    assert focal(target=rows, pred=logits, activation="softmax") == by_label
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    data = {"y": rows, "z": logits, "p": shares}
    report = lossctl.evaluate(data, target="y", pred=["z", "p"], losses="focal", activation={"z": "softmax"})
    assert [cell.value for cell in report.cells] == pytest.approx([by_label, by_label], rel=1e-13)


def test_an_unknown_task_is_refused_by_a_loss_too() -> None:
    with pytest.raises(lossctl.UsageError, match="unknown task 'multiclas'"):
        lossctl.get("mse")(target=[1.0], pred=[1.0], task="multiclas")
