"""The Python side: `evaluate`, `get`, and a Loss as a function of arrays."""

from __future__ import annotations

import inspect
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import lossctl
from lossctl import registry
from lossctl.__main__ import run
from lossctl.api.options import (
    ARGUMENTS,
    LEVEL,
    CheckOptions,
    CompareOptions,
    Dependence,
    EvaluateOptions,
    InputOptions,
    RowOptions,
    RuleOptions,
    checked_types,
    fitting,
    marks,
    only_known,
    options_of,
)
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
    assert registry.loss_of(loss.full_spec) == loss
    assert registry.loss_of(loss.spec).spec == loss.spec
    for alias in loss.aliases:
        assert registry.loss_of(alias.upper().replace("_", "-")).name == loss.name


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
    with pytest.raises(lossctl.DataError, match="row 1, column 'odd': 'a' is not a number"):
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
    by_group = lossctl.evaluate({**data, "g": ["a", "a"]}, target="y", pred="p", weight="w", losses="mae", by="g")
    assert [entry["weight_sum"] for entry in json.loads(by_group.to_json())["results"]] == [None, None]


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


def test_targets_may_be_a_frame() -> None:
    frame = pd.read_csv(DIABETES)
    expected = numbers(lossctl.evaluate(DIABETES, **OPTIONS))
    outputs = frame[["linear", "forest"]]
    for data in (DIABETES, [DIABETES], outputs):
        for targets in (frame[["progression"]], pa.table({"progression": frame["progression"]}), DIABETES):
            assert [found[0] for found in numbers(lossctl.evaluate(data, **OPTIONS, targets=targets))] == [
                found[0] for found in expected
            ]
    compared = lossctl.compare(DIABETES, **OPTIONS, targets=frame[["progression"]])
    assert [cell.value for cell in compared.cells] == [found[0] for found in expected]
    assert lossctl.validate(DIABETES, **OPTIONS, targets=frame[["progression"]]).works


def test_losses_may_be_losses() -> None:
    mae, huber = lossctl.get("mae"), lossctl.get("huber:delta=2")
    wanted = {"target": "progression", "pred": "linear"}
    for losses, labels in (
        (mae, ["mae"]),
        ([mae, "mse"], ["mae", "mse"]),
        ((huber,), ["huber:delta=2"]),
        ({"first": mae, "second": "huber:delta=2"}, ["first", "second"]),
    ):
        report = lossctl.evaluate(DIABETES, **wanted, losses=losses)  # type: ignore[arg-type]
        assert [cell.loss for cell in report.cells] == labels
    found = lossctl.evaluate(DIABETES, **wanted, losses={"first": mae, "second": huber}).cells  # type: ignore[arg-type]
    same = lossctl.evaluate(DIABETES, **wanted, losses=["mae", "huber:delta=2"]).cells  # type: ignore[arg-type]
    assert [cell.value for cell in found] == [cell.value for cell in same]
    assert lossctl.validate(DIABETES, **wanted, losses=huber).losses == ("huber:delta=2",)  # type: ignore[arg-type]
    assert lossctl.compare(DIABETES, target="progression", pred=["linear", "forest"], losses=mae).losses == ["mae"]


def test_rows_go_to_a_path_of_either_kind(tmp_path: Path) -> None:
    lossctl.evaluate(DIABETES, target="progression", pred="linear", losses="mae", rows_out=tmp_path / "a.csv")
    lossctl.evaluate(DIABETES, target="progression", pred="linear", losses="mae", rows_out=str(tmp_path / "b.csv"))
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes() != b""


def test_several_names_come_from_any_ordered_container() -> None:
    frame = pd.read_csv(DIABETES)
    expected = numbers(lossctl.evaluate(frame, **OPTIONS))
    for pred in (frame.columns[-2:], np.array(["linear", "forest"]), {"linear": 0, "forest": 0}.keys()):
        assert numbers(lossctl.evaluate(frame, **{**OPTIONS, "pred": pred})) == expected
    plain = checked_types({"seed": np.int64(7), "ci": np.float32(0.5), "threads": None, "cluster": 3})
    assert plain == {"seed": 7, "ci": 0.5, "threads": None, "cluster": "3"}
    assert [type(value) for value in plain.values()] == [int, float, type(None), str]


WRONG_TYPES: list[tuple[str, Any, str]] = [
    ("ci", "0.9", r"ci: '0.9' is not allowed; a number between 0 and 1, as 0.95, or None"),
    ("ci", True, "ci: True is not allowed"),
    ("threads", "2", "threads: '2' is not allowed; a whole number, or None"),
    ("threads", 1.5, "threads: 1.5 is not allowed"),
    ("classes", 1, "classes: 1 is not allowed; a text such as 'cat,dog', or a list of labels"),
    ("task", 1, "task: 1 is not allowed; a text"),
    ("delimiter", 1, "delimiter: 1 is not allowed; a text of one character"),
    ("max_memory", 1.5, "max_memory: 1.5 is not allowed; a whole number of bytes"),
    ("by", {"a": 1}, r"by: \{'a': 1\} is not allowed; a column, or a list of columns"),
    ("by", {"a"}, r"by: \{'a'\} is not allowed"),
    ("by", pd.DataFrame({"a": [1]}), "by: a value of type DataFrame is not allowed"),
    ("pred", {"a": 1}, r"pred: \{'a': 1\} is not allowed; .* a mapping from models to names of columns"),
    ("pred", [None], r"pred: \[None\] is not allowed"),
    ("target", {"a": 1}, r"target: .* is not allowed; a column, or a list of columns"),
    ("losses", {1: "mae"}, r"losses: \{1: 'mae'\} is not allowed; a spec such as 'huber:delta=2', a Loss"),
    ("losses", [1], r"losses: \[1\] is not allowed"),
    ("activation", 1, "activation: 1 is not allowed; a text such as 'sigmoid'"),
    ("roles", {"target": 1}, "roles: .* is not allowed; a text ROLE=COLUMNS"),
    ("missing", None, "missing: None is not allowed; 'error' or 'drop'$"),
    ("note", "x", "note: 'x' is not allowed; a function, or None"),
    ("watch", None, "watch: None is not allowed; a function$"),
]


@pytest.mark.parametrize(("name", "value", "words"), WRONG_TYPES)
def test_arguments_of_a_wrong_type_are_refused_by_name(name: str, value: object, words: str) -> None:
    options = {"target": "progression", "pred": ["linear", "forest"], name: value}
    for function in (lossctl.evaluate, lossctl.compare):
        with pytest.raises(lossctl.UsageError, match=f"^{words}") as caught:
            function(DIABETES, **options)  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)
    survey = lossctl.validate(DIABETES, **options)  # type: ignore[arg-type]
    if name == "ci":
        assert survey.works
    else:
        assert survey.problems[0] == str(caught.value)
        assert isinstance(survey.error, lossctl.UsageError)
    assert survey.tables[0].rows == len(pd.read_csv(DIABETES))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("cluster", ["a"], r"cluster: \['a'\] is not allowed; the name of one column, or None"),
        ("time", ["a"], "time: .* is not allowed"),
        ("seed", "x", "seed: 'x' is not allowed; a whole number$"),
        ("seed", None, "seed: None is not allowed"),
        ("horizon", "1", "horizon: '1' is not allowed"),
        ("horizon", True, "horizon: True is not allowed"),
        ("power", [1], r"power: \[1\] is not allowed; a number, or a text such as '2%'"),
        ("worst", 1.5, "worst: 1.5 is not allowed"),
        ("resamples", "x", "resamples: 'x' is not allowed"),
        ("ci_method", None, "ci_method: None is not allowed; a text$"),
        ("all_pairs", "no", "all_pairs: 'no' is not allowed; True or False$"),
        ("baseline", 1, "baseline: 1 is not allowed; the name of a model, or a path"),
        ("max", 0.3, "max: 0.3 is not allowed; a text such as 'rmse=0.35'"),
        ("rules", "x", "rules: 'x' is not allowed; a list of tables"),
        ("rows_out", 1, "rows_out: 1 is not allowed; a path"),
        ("save_baseline", b"x", "save_baseline: b'x' is not allowed"),
        ("reduction", ["mean"], r"reduction: \['mean'\] is not allowed; 'mean' or 'sum'"),
        ("id", object(), "id: a value of type object is not allowed"),
        ("weight", ["\x1b" * 1000], r"weight: \['"),
    ],
)
def test_every_function_shares_one_table_of_types(name: str, value: object, words: str) -> None:
    with pytest.raises(lossctl.UsageError, match=f"^{words}") as caught:
        checked_types({name: value})
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200
    assert name not in fitting({name: value})


def test_every_argument_of_the_interface_has_a_type() -> None:
    untyped = {"data", "targets", "options", "inputs"}
    for function in (lossctl.evaluate, lossctl.compare, lossctl.check, lossctl.validate):
        assert set(inspect.signature(function).parameters) - untyped <= set(ARGUMENTS)
    assert set(InputOptions.__annotations__) - untyped <= set(ARGUMENTS)


@pytest.mark.parametrize(
    ("function", "groups"),
    [
        (lossctl.evaluate, [EvaluateOptions]),
        (lossctl.compare, [CompareOptions, RowOptions, Dependence]),
        (lossctl.check, [CheckOptions, RowOptions, Dependence, RuleOptions]),
    ],
)
def test_signatures_are_those_of_the_table(function: Any, groups: list[type]) -> None:
    parameters = inspect.signature(function).parameters.values()
    written = {entry.name: entry for entry in parameters if entry.kind is entry.KEYWORD_ONLY}
    assert set(written) == {name for group in groups for name in marks(group)}
    defaults = {option.name: option.default for option in options_of(*groups)} | {"ci": LEVEL}
    for name, default in defaults.items():
        if name in written:
            assert written[name].default == (None if default == () else default), name


def test_an_unknown_keyword_names_the_function() -> None:
    with pytest.raises(lossctl.UsageError, match=r"^validate\(\) has no argument 'loses' \(did you mean 'losses'\?\)"):
        lossctl.validate(DIABETES, loses="mae")  # type: ignore[call-arg]
    for function, name, meant in ((lossctl.compare, "sed", "seed"), (lossctl.check, "max_slise", "max_slice")):
        with pytest.raises(lossctl.UsageError, match=rf"^{function.__name__}\(\) has no .* mean '{meant}'"):
            only_known(function, {name: 1})
    with pytest.raises(TypeError, match=r"evaluate\(\) got an unexpected keyword argument 'loses'"):
        lossctl.evaluate(DIABETES, loses="mae")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ([[1], [2, 3]], "is no array of values of one length and type: .*inhomogeneous"),
        ([np.zeros(2), np.zeros(3)], "is no array of values of one length and type"),
        (1.5, "is a single value of type float; an array or a list with one value for each row is needed"),
        (None, "is a single value of type NoneType"),
        ({1.0, 2.0}, "is a single value of type set"),
    ],
)
def test_what_is_no_column_is_a_data_error(column: object, words: str) -> None:
    data = {"y": column, "p": [1.0, 2.0], "q": [2.0, 2.0]}
    for function in (lossctl.evaluate, lossctl.compare):
        with pytest.raises(lossctl.DataError, match=f"^data: column 'y' {words}") as caught:
            function(data, target="y", pred=["p", "q"], losses="mae")
        assert "\n" not in str(caught.value)
    assert isinstance(lossctl.validate(data, target="y", pred="p").error, lossctl.DataError)
    with pytest.raises(lossctl.UsageError, match=r"^targets: a value of type int is not allowed; a pandas or Polars"):
        lossctl.evaluate({"p": [1.0]}, targets=1, target="y", pred="p")


def test_a_comparison_has_ways_out() -> None:
    report = lossctl.compare(DIABETES, **OPTIONS, by="age_band")
    document = json.loads(report.to_json())
    assert document["command"] == "compare"
    assert json.loads(lossctl.evaluate(DIABETES, **OPTIONS).to_json())["command"] == "eval"
    frame = report.to_frame("comparisons")
    assert len(frame) == len(report.comparisons) == 9
    assert frame["delta"].tolist() == [found.difference for found in report.comparisons]
    assert frame["verdict"].tolist() == [entry["verdict"] for entry in document["comparisons"]]
    assert frame["slice.age_band"].nunique() == 2
    assert frame["ci_low"].tolist() == [found.interval[0] for found in report.comparisons if found.interval]
    assert report.to_frame().equals(report.to_frame("cells"))
    assert len(report.to_frame()) == len(report.cells)
    assert report.to_frame("checks").empty
    for name in ("comparison", ["cells"]):
        with pytest.raises(lossctl.UsageError, match=r"^to_frame: no frame of .*; one of cells, comparisons, checks"):
            report.to_frame(name)  # type: ignore[arg-type]


def test_a_check_has_ways_out() -> None:
    report = lossctl.check(DIABETES, target="progression", pred=["linear", "forest"], max=["mae=43", "mse=1e9"])
    frame = report.to_frame("checks")
    assert frame["status"].tolist() == [check.status for check in report.checks] == ["pass", "fail", "pass", "pass"]
    assert frame["limit"].tolist() == [43.0, 43.0, 1e9, 1e9]
    assert json.loads(report.to_json())["command"] == "check"
    assert report.to_frame("comparisons").empty


def test_a_survey_has_a_way_out(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    survey = lossctl.validate(DIABETES, target="progression", pred="linear")
    assert isinstance(survey, lossctl.Survey)
    assert run(["validate", str(DIABETES), "-t", "progression", "-p", "linear", "-f", "json"]) == 0
    assert survey.to_json() == capsys.readouterr().out
    assert json.loads(survey.to_json())["command"] == "validate"


def test_the_package_lists_what_is_public() -> None:
    script = "import lossctl; print(*dir(lossctl)); lossctl.get('mse'); print(*dir(lossctl))"
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    before, after = ended.stdout.splitlines()
    assert before.split() == after.split() == sorted(lossctl.__all__)
