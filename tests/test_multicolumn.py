"""Several prediction columns and lists as people type them: models, classes, quantiles, outputs, boxes or masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lossctl as package
from lossctl.api.multicolumn import frame_of, levels_of
from lossctl.errors import ExitCode, UsageError
from lossctl.registry import split_specs
from lossctl.results.report import Report
from tests.conftest import Lossctl

RNG = np.random.default_rng(7)
N = 120
Y = RNG.normal(100.0, 15.0, N)
MODELS = pd.DataFrame({"y": Y, **{name: Y + RNG.normal(0.0, 5.0, N) for name in ("ridge", "lgbm", "xgb")}})
LEVELS = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}
QUANTILES = pd.DataFrame(
    {"y": Y, **{name: 100.0 + 40.0 * (q - 0.5) + RNG.normal(0.0, 1.0, N) for name, q in LEVELS.items()}}
)


def evaluated(data: Any, pred: Any, losses: Any = None, **options: Any) -> Report:
    return package.evaluate(data, **{"target": "y", "pred": pred, "losses": losses, "ci": None, **options})


def values(report: Report) -> dict[tuple[str, str], float]:
    return {(cell.model, cell.loss): cell.value for cell in report.cells if cell.value is not None}


# lists ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("losses", [None, "mae", "mae,rmse", "huber:delta=2,mae", ["r2", "mae"]])
@pytest.mark.parametrize("pred", ["ridge,lgbm,xgb", "[rlx]*"])
def test_columns_beside_a_target_of_numbers_are_models(pred: str, losses: Any) -> None:
    frame = MODELS[["y", "ridge", "lgbm", "xgb"]]
    assert values(evaluated(frame, pred, losses)) == values(evaluated(frame, ["ridge", "lgbm", "xgb"], losses))


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_in_every_container_and_command(tmp_path: Path, lossctl: Lossctl, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write: Any = {".csv": MODELS.to_csv, ".parquet": MODELS.to_parquet, ".jsonl": MODELS.to_json}[suffix]
    write(path, **({"orient": "records", "lines": True} if suffix == ".jsonl" else {"index": False}))
    outcome = lossctl("eval", path, "-p", "ridge,lgbm,xgb", "-l", "mae,rmse", "-f", "json")
    assert [row["model"] for row in outcome.json["results"][:3]] == ["ridge", "lgbm", "xgb"]
    assert "3 models" in outcome.err
    assert "ridge" in lossctl("compare", path, "-p", "ridge,lgbm,xgb", "-l", "mae").out
    assert lossctl("check", path, "-p", "ridge,lgbm", "-l", "mae", "--max", "mae=50").code == ExitCode.OK
    assert lossctl("validate", path, "-p", "ridge,lgbm").code == ExitCode.OK


def test_models_of_probabilities_of_two_labels() -> None:
    frame = pd.DataFrame({"y": RNG.integers(0, 2, N), "a": RNG.random(N), "b": RNG.random(N), "c": RNG.random(N)})
    for losses in (None, "bce", "bce,zero_one", "zero_one"):
        assert values(evaluated(frame, "a,b,c", losses)) == values(evaluated(frame, ["a", "b", "c"], losses))
    words = frame.assign(y=np.where(frame.y == 1, "yes", "no"))
    expected = values(evaluated(frame, ["a", "b"], "bce"))
    assert values(evaluated(words, "a,b", "bce", positive_label="yes")) == expected


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("labels", [[0, 1, 2], ["a", "b", "c"]])
def test_columns_of_classes_stay_classes(labels: list[Any], named: bool) -> None:
    rows = RNG.dirichlet(np.ones(3), N)
    columns = [f"p_{label}" for label in labels] if named else ["first", "second", "third"]
    frame = pd.DataFrame({"y": np.array(labels)[RNG.integers(0, 3, N)], **dict(zip(columns, rows.T, strict=True))})
    options = {} if named or labels[0] == 0 else {"classes": "a,b,c"}
    report = evaluated(frame, ",".join(columns), "zero_one", **options)
    assert [cell.model for cell in report.cells] == [",".join(columns)]


def test_what_may_be_either_is_asked_about() -> None:
    frame = pd.DataFrame({"y": RNG.integers(0, 3, N), **{name: RNG.random(N) * 3 for name in "abc"}})
    with pytest.raises(UsageError, match=r"3 models \(--task regression\) or the 3 classes of one \(--task multiclass"):
        evaluated(frame, "a,b,c")
    assert {model for model, _ in values(evaluated(frame, "a,b,c", task="regression"))} == {"a", "b", "c"}


def test_counts_are_no_classes() -> None:
    frame = pd.DataFrame({"y": np.arange(N) % 7, **{name: RNG.random(N) * 3 for name in "abc"}})
    assert {model for model, _ in values(evaluated(frame, "a,b,c"))} == {"a", "b", "c"}


def test_a_name_makes_columns_those_of_one_model() -> None:
    with pytest.raises(UsageError, match="each column is a model with -p ridge -p lgbm"):
        evaluated(MODELS, "m=ridge,lgbm", "mae")


def test_all_columns_that_would_be_models_are_named_and_none_beside_a_target_of_text() -> None:
    frame = pd.DataFrame({"y": np.arange(N) / 7, **{name: RNG.random(N) for name in "abcdef"}})
    with pytest.raises(UsageError, match=r"each column is a model with -p a -p b -p c -p d -p e -p f$"):
        evaluated(frame, "m=a,b,c,d,e,f", "mae")
    with pytest.raises(UsageError, match=r"it takes target: k columns, pred: k columns$"):
        evaluated(frame.assign(y=np.where(frame["y"] > 1, "high", "low")), "m=a,b,c,d,e,f", "mae")


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (("-p", "ridge", "lgbm"), "-p ridge,lgbm"),
        (("-p", "ridge", "-l", "mae", "rmse"), "-l mae,rmse"),
        (("-p", "ridge", "-l", "mae", "huber:delta=2"), "-l mae,huber:delta=2"),
    ],
)
def test_a_second_word_behind_an_option_is_advised_a_list(
    tmp_path: Path, lossctl: Lossctl, arguments: tuple[str, ...], advice: str
) -> None:
    path = tmp_path / "a.csv"
    MODELS.to_csv(path, index=False)
    for command in ("eval", "compare", "validate"):
        outcome = lossctl(command, path, *arguments)
        assert outcome.code != ExitCode.OK
        assert advice in outcome.err + outcome.out
    assert lossctl("eval", path, "-p", "ridge", *advice.split()).code in (ExitCode.OK, ExitCode.USAGE)


@pytest.mark.parametrize(
    ("text", "specs"),
    [
        ("mae,rmse", ["mae", "rmse"]),
        ("huber:delta=2,mae", ["huber:delta=2", "mae"]),
        ("p90=quantile:q=0.9,p50=quantile:q=0.5,mae", ["p90=quantile:q=0.9", "p50=quantile:q=0.5", "mae"]),
        ("cce:class_weight=cat:1/dog:2,eps=0.1", ["cce:class_weight=cat:1/dog:2,eps=0.1"]),
        ("focal:gamma=2,alpha=0.25,bce", ["focal:gamma=2,alpha=0.25", "bce"]),
        ("huber:delta=2,foo=1", ["huber:delta=2,foo=1"]),
        ("a,b=bce", ["a,b=bce"]),
        ("mae,rmsee", ["mae", "rmsee"]),
    ],
)
def test_a_comma_begins_another_loss_or_another_parameter(text: str, specs: list[str]) -> None:
    assert split_specs([text]) == specs


TARGETS = ("y", "y_true", "target", "actual", "label", "truth")
PREDICTIONS = ("pred", "y_pred", "yhat", "prediction", "forecast", "proba", "score")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("pred", PREDICTIONS)
def test_usual_names_need_no_option(target: str, pred: str) -> None:
    data = {"other": [5.0, 6.0], target: [1.0, 2.0], pred: [1.0, 3.0]}
    assert package.evaluate(data, losses="mae").cells[0].value == 0.5


def test_the_only_column_without_a_role_is_the_prediction() -> None:
    notes: list[str] = []
    data = {"y": [1.0, 2.0], "p": [1.0, 3.0]}
    assert package.evaluate(data, losses="mae", note=notes.append).cells[0].value == 0.5
    assert "-p p (the only column without a role)" in notes


def test_one_of_two_usual_names_is_taken_where_the_other_has_a_role() -> None:
    data = {"score": [1.0, 2.0], "pred": [1.0, 3.0], "x": [0.0, 0.0]}
    assert package.evaluate(data, target="score", losses="mae").cells[0].value == 0.5
    with pytest.raises(UsageError, match="say which column is meant with -p"):
        package.evaluate({**data, "y": [0.0, 0.0]}, losses="mae")


@pytest.mark.parametrize(
    ("target", "pred"),
    [
        ("Y", "P"),
        ("Target", "Prediction"),
        ("Y_True", "Y_Pred"),
        ("ytrue", "y-hat"),
        ("Y True", "Score"),
        ("y", "PRED"),
    ],
)
def test_usual_names_in_any_case(target: str, pred: str) -> None:
    data = {target: [1.0, 2.0], pred: [1.0, 3.0]}
    assert package.evaluate(data, losses="mae").cells[0].value == 0.5
    with_others = {**data, "y_true": [0.0, 0.0], "y_pred": [0.0, 0.0], "Other": [9.0, 9.0]}
    if target != "y" and "P" not in (pred, pred[:1]):
        assert package.evaluate(with_others, losses="mae").cells[0].value == 0.0  # as written, before any case


@pytest.mark.parametrize(
    ("columns", "option", "both"),
    [
        (("Target", "TARGET", "pred"), "-t", "Target, TARGET"),
        (("Label", "Truth", "pred"), "-t", "Label, Truth"),
        (("y", "Score", "Proba"), "-p", "Score, Proba"),
        (("y", "score", "proba"), "-p", "score, proba"),
        (("target", "Target"), "-p", ""),
        (("pred", "Pred"), "-t", ""),
    ],
)
def test_usual_names_of_which_two_may_be_meant(columns: tuple[str, ...], option: str, both: str) -> None:
    with pytest.raises(UsageError, match=f"say which column is meant with {option}.*{both}"):
        package.evaluate({name: [1.0, 2.0] for name in columns}, losses="mae")


def test_a_column_that_is_left_is_taken_beside_one_that_is_given() -> None:
    data = {"y": [1.0, 2.0], "score": [1.0, 3.0]}
    assert package.evaluate(data, target="score", losses="mae").cells[0].value == 0.5
    assert package.evaluate(data, pred="y", losses="mae").cells[0].value == 0.5


@pytest.mark.parametrize("pattern", ["?", "*", "[a-z]", "[!0-9]", "NAME=*"])
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "npz"])
def test_a_pattern_does_not_mean_the_target(tmp_path: Path, suffix: str, pattern: str) -> None:
    frame = pd.DataFrame({"y": [1.0, 2.0], "p": [1.0, 3.0]})
    path = tmp_path / f"a.{suffix}"
    if suffix == "npz":
        np.savez(path, **{name: frame[name].to_numpy() for name in frame})  # type: ignore[arg-type]
    else:
        write: Any = {"csv": frame.to_csv, "parquet": frame.to_parquet, "jsonl": frame.to_json}[suffix]
        write(path, **({"orient": "records", "lines": True} if suffix == "jsonl" else {"index": False}))
    report = package.evaluate(path, pred=pattern, losses="mae")
    assert values(report) == {("NAME" if "=" in pattern else "*" if pattern == "*" else "p", "mae"): 0.5}


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_files_of_several_models_need_no_option_either(lossctl: Lossctl, tmp_path: Path, suffix: str) -> None:
    files = [tmp_path / f"{name}.{suffix}" for name in ("a", "b")]
    for place, path in enumerate(files):
        frame = pd.DataFrame({"id": [7, 8], "y": [1.0, 2.0], "p": [2.0, 3.0 + place]})
        write: Any = {"csv": frame.to_csv, "parquet": frame.to_parquet, "jsonl": frame.to_json}[suffix]
        write(path, **({"orient": "records", "lines": True} if suffix == "jsonl" else {"index": False}))
    for more in (["--id", "id"], ["-p", "p"]):
        outcome = lossctl("eval", *files, "-l", "mae", "-f", "value", *more)
        assert outcome.values == [1.0, 1.5]
        assert outcome.err.count("-p p (the only column without a role)") == (more[0] == "--id")
    refusal = lossctl("eval", *files, "-l", "mae")
    assert "say which column is meant with -p (-p id or -p p); it has id, y, p" in refusal.err
    assert lossctl("compare", *files, "-l", "mae", "--id", "id").code == ExitCode.OK


def test_several_vectors_are_models() -> None:
    target = RNG.normal(0.0, 1.0, (N, 3))
    data = {"y": target, "a": target + 1.0, "b": target + 2.0, "c": Y}
    expected = {("a", "mae"): pytest.approx(1.0), ("b", "mae"): pytest.approx(2.0)}
    for pred in ("a,b", "[ab]", ["a", "b"]):
        assert values(evaluated(data, pred, "mae")) == expected
    with pytest.raises(UsageError, match="some of these columns hold lists"):
        evaluated(data, "a,c", "mae")


# quantiles -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "levels"),
    [
        (["q05", "q50", "q95"], (0.05, 0.5, 0.95)),
        (["q_0.05", "q_0.5"], (0.05, 0.5)),
        (["0.05", "0.95"], (0.05, 0.95)),
        (["pred_0.1", "pred_0.9"], (0.1, 0.9)),
        (["p10", "P50", "p90"], (0.1, 0.5, 0.9)),
        (["q025", "q975"], (0.025, 0.975)),
        (["quantile_10", "quantile_90"], (0.1, 0.9)),
        (["5%", "95%"], (0.05, 0.95)),
        (["yhat-lo-90", "yhat", "yhat-hi-90"], (0.05, 0.5, 0.95)),
        (["p_0", "p_1", "p_2"], None),
        (["ridge", "lgbm"], None),
        (["q05", "q05"], None),
        (["q05", "ridge"], None),
        (["x1", "x2"], None),
    ],
)
def test_names_tell_quantiles(columns: list[str], levels: tuple[float, ...] | None) -> None:
    assert levels_of(columns) == levels


@pytest.mark.parametrize("pred", ["q*", "q05,q25,q50,q75,q95", "m=q*"])
@pytest.mark.parametrize("losses", ["quantile", None])
def test_each_quantile_column_has_its_own_q(pred: str, losses: str | None) -> None:
    alone = [values(evaluated(QUANTILES, name, f"quantile:q={q}")) for name, q in LEVELS.items()]
    expected = np.mean([value for each in alone for value in each.values()])
    cell = evaluated(QUANTILES, pred, losses).cells[0]
    assert cell.value == pytest.approx(expected, rel=1e-14)
    assert cell.signature.startswith("quantile:q=0.05/0.25/0.5/0.75/0.95|")
    each = evaluated(QUANTILES, pred, losses, per_output=True).cells
    assert [cell.value for cell in each] == pytest.approx([value for one in alone for value in one.values()], rel=1e-14)


def test_crossing_and_coverage_are_told() -> None:
    notes: list[str] = []
    data = pd.DataFrame({"y": [1.0, 2.0, 3.0, 4.0], "q10": [0.0, 2.0, 2.0, 5.0], "q90": [2.0, 3.0, 1.0, 6.0]})
    report = evaluated(data, "m=q*", "quantile", note=notes.append)
    assert notes[-1] == "m: share of targets at or below each: 0.1 0.5, 0.9 0.75"
    assert report.warnings == ("m: quantiles cross in 25% of the rows",)
    weighted = evaluated(data.assign(w=[1, 1, 2, 0]), "m=q*", "quantile", weight="w")
    assert weighted.warnings == ("m: quantiles cross in 50% of the rows",)
    assert not evaluated(QUANTILES, "q05,q95", "quantile").warnings


def test_quantiles_without_names_are_said_by_q() -> None:
    data = {"y": Y, "p": QUANTILES[list(LEVELS)].to_numpy()}
    expected = evaluated(QUANTILES, "q*", "quantile").cells[0].value
    assert evaluated(data, "p", "quantile:q=0.05/0.25/0.5/0.75/0.95").cells[0].value == expected
    with pytest.raises(UsageError, match="says which, in the order of the columns"):
        evaluated(data, "p", "quantile")
    with pytest.raises(UsageError, match="named by other quantiles"):
        evaluated(QUANTILES, "q05,q95", "quantile:q=0.9/0.1")
    with pytest.raises(UsageError, match="leave q out"):
        evaluated(QUANTILES, "q05,q95", "quantile:q=0.9")
    with pytest.raises(UsageError, match="mae does not take together"):
        evaluated(QUANTILES, "q*", "quantile,mae")
    assert package.get("quantile:q=0.05/0.95")(target=Y, pred=QUANTILES[["q05", "q95"]].to_numpy()) == pytest.approx(
        evaluated(QUANTILES, "q05,q95", "quantile").cells[0].value, rel=1e-14
    )


# targets of several columns ------------------------------------------------------------------------------------------


def wide(target: Any, pred: Any, names: tuple[str, ...] = ("a", "b", "c")) -> pd.DataFrame:
    columns = {f"t_{name}": line for name, line in zip(names, np.asarray(target).T, strict=True)}
    return pd.DataFrame(
        {**columns, **{f"p_{name}": line for name, line in zip(names, np.asarray(pred).T, strict=True)}}
    )


def task_of(data: Any, **options: Any) -> str | None:
    options = {"target": "t_*", "pred": "p_*", **options}
    task = package.evaluate(data, **options).task
    return None if task is None else task.name


def test_what_several_target_columns_are() -> None:
    rows, numbers = RNG.dirichlet(np.ones(3), N), RNG.normal(0.0, 1.0, (N, 3))
    labels = RNG.integers(0, 2, (N, 3))
    assert task_of(wide(numbers, numbers + 1.0)) == "regression"
    assert task_of(wide(np.eye(3)[RNG.integers(0, 3, N)], rows)) == "multiclass"
    assert task_of(wide(rows, rows)) == "multiclass"
    assert task_of(wide(labels, RNG.random((N, 3)))) == "multilabel"
    assert task_of(wide(labels, numbers), activation="sigmoid") == "multilabel"


def test_arrays_of_several_axes_in_each_row_are_masks(tmp_path: Path) -> None:
    target, pred = RNG.integers(0, 2, (N, 4, 4)), RNG.random((N, 4, 4))
    data = {"t": target, "p": pred}
    np.savez(tmp_path / "a.npz", t=target, p=pred)
    np.save(tmp_path / "t.npy", target)
    np.save(tmp_path / "p.npy", pred)
    for task in (None, "masks"):
        report = package.evaluate(data, target="t", pred="p", task=task)
        assert [cell.loss for cell in report.cells] == ["dice", "iou_mask", "bce"]
    assert task_of(tmp_path / "a.npz", target="t", pred="p") == "masks"
    assert task_of(tmp_path / "p.npy", target=None, pred=None, targets=tmp_path / "t.npy") == "masks"
    flat = {name: rows.reshape(N, 16) for name, rows in data.items()}
    assert task_of(flat, target="t", pred="p") == "multilabel"


@pytest.mark.parametrize(
    ("names", "frame"),
    [
        (("x1", "y1", "x2", "y2"), "xyxy"),
        (("xmin", "ymin", "xmax", "ymax"), "xyxy"),
        (("x", "y", "w", "h"), "xywh"),
        (("left", "top", "width", "height"), "xywh"),
        (("cx", "cy", "w", "h"), "cxcywh"),
        (("x_center", "y_center", "width", "height"), "cxcywh"),
        (("a", "b", "c", "d"), None),
    ],
)
def test_names_tell_boxes_and_their_frame(names: tuple[str, ...], frame: str | None) -> None:
    assert frame_of([f"t_{name}" for name in names]) == frame_of(names) == frame
    low, size = RNG.uniform(0.0, 1.0, (N, 2)), RNG.uniform(2.0, 3.0, (N, 2))
    boxes = np.hstack([low, size])
    data = wide(boxes, boxes + 0.1, names)
    assert task_of(data) == ("regression" if frame is None else "boxes")
    if frame not in (None, "xyxy"):
        notes: list[str] = []
        report = package.evaluate(data, target="t_*", pred="p_*", note=notes.append)
        assert report.cells[0].spec == f"iou:frame={frame}"
        package.evaluate(data, target="t_*", pred="p_*", losses="iou", note=notes.append)
        assert any(f"iou:frame={frame} reads them so" in note for note in notes)


BOX_TARGET = np.hstack([low := RNG.uniform(0.0, 9.0, (N, 2)), low + RNG.uniform(1.0, 3.0, (N, 2))])
BOX_PRED = BOX_TARGET + RNG.uniform(-0.1, 0.1, (N, 4))


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl", "npz", "npy", "frame"])
def test_four_columns_that_may_be_boxes_are_told(tmp_path: Path, suffix: str) -> None:
    path, options = tmp_path / f"b.{suffix}", dict[str, Any](target="t", pred="p")
    frame = pd.DataFrame({"t": BOX_TARGET.tolist(), "p": BOX_PRED.tolist()})
    data: Any = path
    if suffix == "csv":
        wide(BOX_TARGET, BOX_PRED, tuple("abcd")).to_csv(path, index=False)
        options = {"target": "t_*", "pred": "p_*"}
    elif suffix == "parquet":
        frame.to_parquet(path)
    elif suffix == "jsonl":
        frame.to_json(path, orient="records", lines=True, double_precision=15)
    elif suffix == "npz":
        np.savez(path, t=BOX_TARGET, p=BOX_PRED)
    elif suffix == "npy":
        np.save(path, BOX_PRED)
        np.save(tmp_path / "t.npy", BOX_TARGET)
        options = {"targets": str(tmp_path / "t.npy")}
    else:
        data = frame
    notes: list[str] = []
    report = package.evaluate(data, **options, note=notes.append)
    assert report.task is not None
    assert report.task.name == "regression"
    assert "every row is a box by its corners x1, y1, x2, y2: --task boxes takes them as such" in notes
    boxes = package.evaluate(data, **options, task="boxes")
    assert [cell.loss for cell in boxes.cells] == ["iou", "giou", "diou", "ciou"]
    expected = package.get("iou")(target=BOX_TARGET, pred=BOX_PRED)
    assert boxes.cells[0].value == pytest.approx(expected, rel=1e-12)


def test_corner_and_size_are_told_where_no_names_are() -> None:
    sizes = np.hstack([BOX_TARGET[:, 2:], BOX_TARGET[:, :2] - BOX_TARGET[:, 2:] + 4.0])
    notes: list[str] = []
    package.evaluate({"t": sizes, "p": sizes + 0.5}, target="t", pred="p", note=notes.append)
    assert "if these are boxes x, y, width, height: -l iou:frame=xywh takes them as such" in notes
    numbers, notes = RNG.normal(0.0, 1.0, (N, 4)), []
    package.evaluate({"t": numbers, "p": numbers + 1.0}, target="t", pred="p", note=notes.append)
    assert not any("box" in note for note in notes)


GREY = {
    "0/1": (1.0, None, ""),
    "0/255": (255.0, None, "--positive-label 255"),
    "0/1/255": (1.0, 255.0, "ignore_class=255"),
    "0/1/-1": (1.0, -1.0, "ignore_class=-1"),
    "0/128/255": (255.0, 128.0, "ignore_class=128"),
}


@pytest.mark.parametrize("flat", [False, True], ids=["images", "vectors"])
@pytest.mark.parametrize("pred", ["shares", "hard", "bytes"])
@pytest.mark.parametrize("coding", GREY)
def test_masks_of_bytes_and_void_are_asked_about(coding: str, pred: str, flat: bool) -> None:
    white, void, option = GREY[coding]
    rng = np.random.default_rng(3)
    target, shares = rng.integers(0, 2, (20, 4, 4)).astype(float), rng.uniform(0.05, 0.95, (20, 4, 4))
    holes = rng.random(target.shape) < 0.2 if void is not None else np.zeros(target.shape, dtype=bool)
    hard, grey = (shares > 0.5).astype(float), np.rint(255.0 * shares)
    preds = {"shares": shares, "hard": hard * white, "bytes": grey}
    data = {"t": np.where(holes, void or 0.0, target * white), "p": preds[pred]}
    data = {name: x.reshape(20, -1) for name, x in data.items()} if flat else data
    if coding == "0/1" and (flat or pred != "bytes"):
        task = task_of(data, target="t", pred="p")
        assert task == ("multilabel" if flat and pred != "bytes" else "regression" if pred == "bytes" else "masks")
        return
    if pred == "bytes":
        notes: list[str] = []
        package.evaluate(data, target="t", pred="p", note=notes.append)
        [text] = [note for note in notes if "divide the predictions by 255 and add" in note]
    else:
        with pytest.raises(UsageError, match="--task regression if they are numbers") as refusal:
            package.evaluate(data, target="t", pred="p")
        text = str(refusal.value)
    assert option in text
    loss = "bce" if void is None else f"bce:ignore_class={void:g}"
    if pred == "bytes":
        data["p"] = data["p"] / 255.0
    given = data["p"] if pred != "hard" else data["p"] * 0.8 / white + 0.1
    found = package.evaluate(
        data | {"p": given}, target="t", pred="p", losses=loss, positive_label="255" if white == 255.0 else None
    )
    counts = ~holes
    y, p = target[counts], given.reshape(target.shape)[counts]
    expected = -np.mean(y * np.log(p) + (1 - y) * np.log1p(-p))
    assert found.cells[0].value == pytest.approx(expected, rel=1e-12)


def test_vectors_beside_numbers_that_are_no_labels_are_asked_about() -> None:
    data = {"y": Y, "p": QUANTILES[["q05", "q50", "q95"]].to_numpy()}
    with pytest.raises(UsageError, match="quantile takes a q for each"):
        evaluated(data, "p")


def test_blanks_in_a_list_are_no_part_of_names() -> None:
    assert values(evaluated(MODELS, "ridge, lgbm", "mae, rmse")) == values(evaluated(MODELS, "ridge,lgbm", "mae,rmse"))


def test_choose_looks_at_one_column(tmp_path: Path, lossctl: Lossctl) -> None:
    for frame, pred in ((MODELS, "ridge,lgbm"), (QUANTILES, "q*")):
        frame.to_csv(tmp_path / "a.csv", index=False)
        outcome = lossctl("losses", "choose", tmp_path / "a.csv", "-t", "y", "-p", pred)
        assert outcome.code == ExitCode.USAGE
        assert (", named as quantiles: their loss is quantile; else one" in outcome.err) == (frame is QUANTILES)
        advice = outcome.err.split("one is looked at, ")[1].split()
        assert lossctl("losses", "choose", tmp_path / "a.csv", "-t", "y", *advice).code == ExitCode.OK


LABELS = ("versicolor", "setosa", "virginica")


def test_a_list_of_columns_named_by_labels_is_one_model_of_classes() -> None:
    labels, shares = RNG.choice(LABELS, 30), RNG.dirichlet(np.ones(3), 30)
    data = {"y": labels, **dict(zip(LABELS, shares.T, strict=True))}
    right = -np.log([row[LABELS.index(word)] for word, row in zip(labels, shares, strict=True)]).mean()
    for names in (LABELS, LABELS[::-1]):
        assert package.evaluate(data, target="y", pred=list(names), losses="cce").cells[0].value == pytest.approx(
            right, rel=1e-14
        )
    assert {cell.loss for cell in package.evaluate(data, target="y", pred=list(LABELS)).cells} >= {"cce", "brier"}


def test_a_list_of_columns_named_by_quantiles_is_one_model_of_the_quantile_loss() -> None:
    data = {"y": [1.0, 2.0], "q05": [0.5, 2.5], "q95": [3.0, 1.5], "P2.5": [0.5, 2.5], "P97.5": [3.0, 1.5]}
    report = package.evaluate(data, target="y", pred=["q05", "q95"], losses="quantile")
    assert report.cells[0].value == pytest.approx(((0.05 * 0.5 + 0.95 * 0.5) + (0.05 * 2.0 + 0.95 * 0.5)) / 4)
    report = package.evaluate(data, target="y", pred=["P2.5", "P97.5"], losses="quantile")
    assert report.cells[0].value == pytest.approx(((0.025 * 0.5 + 0.975 * 0.5) + (0.025 * 2.0 + 0.975 * 0.5)) / 4)
    assert [cell.model for cell in package.evaluate(data, target="y", pred=["q05", "q95"], losses="mae").cells] == [
        "q05",
        "q95",
    ]


def test_comparisons_tell_of_quantiles_that_cross() -> None:
    data = {
        "y": [1.0, 2.0, 3.0],
        "a_q10": [0.0, 1.0, 2.0],
        "a_q90": [2.0, 3.0, 4.0],
        "b_q10": [2.0, 3.0, 2.0],
        "c_q10": [5.0, 5.0, 5.0],
    }
    notes: list[str] = []
    preds = {"a": ["a_q10", "a_q90"], "b": ["b_q10", "a_q90"], "c": ["c_q10", "a_q90"]}
    report = package.compare(data, target="y", pred=preds, losses="quantile:q=0.1/0.9", note=notes.append)
    assert "c: quantiles cross in 100% of the rows" in report.warnings
    assert any(text.startswith("a: quantiles never cross; share of targets at or below each") for text in notes)


@pytest.mark.parametrize("words", [("p", "q", "r"), ("p,", "q,", "r")])
def test_words_after_an_option_are_all_in_the_advice(lossctl: Lossctl, tmp_path: Path, words: tuple[str, ...]) -> None:
    path = tmp_path / "a.csv"
    path.write_text("y,p,q,r\n1,1.5,2.5,0.5\n2.5,2,3,1\n")
    outcome = lossctl("eval", path, "-t", "y", "-p", *words, "-l", "mae")
    assert outcome.err.rstrip().endswith("-p p,q,r")
    assert lossctl("eval", path, "-t", "y", "-p", "p,q,r", "-l", "mae", "-f", "value", "-q").values == [0.5, 1.0, 1.0]
    outcome = lossctl("eval", path, "-t", "y", "-p", "p", "-l", "mae", "rmse", "mse")
    assert outcome.err.rstrip().endswith("-l mae,rmse,mse")


def test_columns_of_several_files_are_one_of_each(lossctl: Lossctl, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("y,p,q\n1,1.5,2.5\n2,2,3\n")
    files = [f"{name}={tmp_path / name}.csv" for name in ("a", "b")]
    outcome = lossctl("eval", *files, "-t", "y", "-p", "p,q", "-l", "mae")
    assert "of several files each is a model, of which -p names one column, as -p p" in outcome.err
    assert lossctl("eval", *files, "-t", "y", "-p", "p", "-l", "mae", "-f", "value", "-q").values == [0.25, 0.25]


@pytest.mark.parametrize("suffix", ["parquet", "jsonl", "npz"])
def test_masks_are_masks_in_every_container(tmp_path: Path, suffix: str) -> None:
    masks, shares = RNG.integers(0, 2, (5, 3, 4)), RNG.random((5, 3, 4))
    path = tmp_path / f"m.{suffix}"
    frame = pd.DataFrame({"y": masks.tolist(), "p": shares.tolist()})
    if suffix == "parquet":
        frame.to_parquet(path)
    elif suffix == "jsonl":
        frame.to_json(path, orient="records", lines=True, double_precision=15)
    else:
        np.savez(path, y=masks, p=shares)
    report = package.evaluate(path, target="y", pred="p")
    assert report.task is not None
    assert report.task.name == "masks"
    assert {cell.loss for cell in report.cells} == {"dice", "iou_mask", "bce"}


@pytest.mark.parametrize("loss", [None, "iou", "giou"])
@pytest.mark.parametrize("order", [("xmin", "xmax", "ymin", "ymax"), ("y1", "x1", "y2", "x2"), ("w", "h", "x", "y")])
def test_boxes_in_another_order_are_asked_about(order: tuple[str, ...], loss: str | None) -> None:
    """Columns of corners one axis after the other would be read as other boxes."""
    data = {f"{side}_{name}": [float(place + 1), float(place + 3)] for side in "tp" for place, name in enumerate(order)}
    columns = {side: ",".join(f"{side}_{name}" for name in order) for side in "tp"}
    with pytest.raises(UsageError, match=r"are those of boxes in another order; name them as t_"):
        package.evaluate(data, target=columns["t"], pred=f"m={columns['p']}", losses=loss)
    report = package.evaluate(data, target=columns["t"], pred=f"m={columns['p']}", losses="mae")
    assert report.value() == 0.0
