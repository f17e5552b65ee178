"""What is outside of a loss's domain: the message names what helps, and what it names works as it is typed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lossctl as package
from lossctl import registry
from lossctl.errors import DataError, ExitCode, UsageError
from tests.conftest import Lossctl

RNG = np.random.default_rng(13)
ON: dict[str, Any] = {"target": "y", "pred": "p"}
ON_CLASSES: dict[str, Any] = {"target": "y", "pred": "p_*"}
CLASS_LOSSES = [
    loss.name
    for loss in registry.losses().values()
    if any(form.labels and "softmax" in form.roles["pred"].activations() for form in loss.forms)
]


def frame(**columns: object) -> pd.DataFrame:
    return pd.DataFrame(columns)


def classes(rows: object, target: object = (0, 1)) -> pd.DataFrame:
    table = np.asarray(rows, dtype=float)
    return pd.DataFrame({"y": target, **{f"p_{place}": table[:, place] for place in range(table.shape[1])}})


# a parameter, an activation, another loss ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "target", "pred", "advice"),
    [
        ("mape", [0.0, 2.0], [1.0, 1.8], "mape:eps=1e-06"),
        ("poisson", [0.0, 2.0], [-1.0, 1.8], "--activation exp"),
        ("bce", [0.0, 1.0], [-1.0, 1.8], "--activation sigmoid"),
        ("bce", [1.0, 2.0], [0.1, 0.8], "--positive-label 2"),
        ("zero_one", [0.0, 255.0], [0.1, 0.8], "--positive-label 255"),
        ("mpe", [0.0, 2.0], [1.0, 1.8], "msle"),
    ],
)
def test_a_value_outside_names_what_admits_it(loss: str, target: list[float], pred: list[float], advice: str) -> None:
    with pytest.raises(DataError) as refusal:
        package.evaluate(frame(y=target, p=pred), **ON, losses=loss)
    assert advice in str(refusal.value)
    option, _, word = advice.partition(" ")
    options: dict[str, Any] = {"losses": loss}
    options |= {option.removeprefix("--").replace("-", "_"): word} if word else {"losses": option}
    report = package.evaluate(frame(y=target, p=pred), **ON, **options)
    assert report.cells[0].value is not None


@pytest.mark.parametrize("loss", ["iou", "giou", "diou", "ciou"])
def test_boxes_that_are_no_corners_name_the_frame(tmp_path: Path, lossctl: Lossctl, loss: str) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text("t_x,t_y,t_w,t_h,p_x,p_y,p_w,p_h\n60,50,40,40,10,40,20,20\n0,0,1,1,0,0,1,1\n")
    arguments = ("eval", path, "-t", "t_*", "-p", "p_*", "-f", "value", "-l")
    outcome = lossctl(*arguments, loss)
    assert outcome.code == ExitCode.DATA
    assert f"{loss}:frame=xywh or {loss}:frame=cxcywh" in outcome.err
    assert lossctl(*arguments, f"{loss}:frame=xywh").code == 0


def test_a_wide_row_shows_the_value_that_is_outside() -> None:
    target = [[0.0] * 9 + [255.0] + [0.0] * 6]
    data = {"y": np.array(target), "p": np.zeros((1, 16))}
    with pytest.raises(DataError, match=re.escape("= ..., 255, 0, 0, 0, ...: dice needs target in {0, 1}")):
        package.evaluate(data, **ON, losses="dice")


def test_a_time_of_0_is_a_time() -> None:
    data = frame(t=[0, 2, 9], e=[1, 1, 0], s=[0.3, 0.1, 0.0])
    report = package.evaluate(data, target="t", pred="s", roles="event=e", losses="cox")
    shifted = package.evaluate(data.assign(t=data.t + 1), target="t", pred="s", roles="event=e", losses="cox")
    assert report.cells[0].value == shifted.cells[0].value == pytest.approx(0.792113860459015, rel=1e-15)


# rows of probabilities that do not sum to 1 ------------------------------------------------------------------------

ROUNDED = [[0.33, 0.33, 0.33], [0.1, 0.85, 0.04]]


def test_a_sum_that_is_not_1_is_named_and_softmax_is_not_advised() -> None:
    with pytest.raises(DataError) as refusal:
        package.evaluate(classes(ROUNDED), **ON_CLASSES, losses="cce")
    text = str(refusal.value)
    assert "sums to 0.99; --sum-tolerance 0.011" in text
    assert "--renormalize" in text
    assert "softmax" not in text


def test_logits_are_advised_a_softmax_and_no_tolerance() -> None:
    with pytest.raises(DataError) as refusal:
        package.evaluate(classes([[2.0, -1.0, 0.0], [0.0, 1.0, 0.0]]), **ON_CLASSES, losses="cce")
    assert "--activation softmax" in str(refusal.value)
    assert "--sum-tolerance" not in str(refusal.value)


def test_a_declared_tolerance_takes_rows_as_they_are_and_is_signed() -> None:
    report = package.evaluate(classes(ROUNDED), **ON_CLASSES, losses="cce", sum_tolerance=0.011)
    assert report.cells[0].value == pytest.approx(-(np.log(0.33) + np.log(0.85)) / 2, rel=1e-15)
    assert "|sum:0.011|" in report.cells[0].signature
    with pytest.raises(DataError, match=r"--sum-tolerance 0\.011"):
        package.evaluate(classes(ROUNDED), **ON_CLASSES, losses="cce", sum_tolerance=0.005)


def test_a_tolerance_of_0_refuses_what_is_rounded() -> None:
    data = classes([[0.25, 0.75], [0.3334, 0.6665]])
    assert package.evaluate(data, **ON_CLASSES, losses="cce").cells[0].value is not None
    with pytest.raises(DataError, match=r"sums to 0\.9999"):
        package.evaluate(data, **ON_CLASSES, losses="cce", sum_tolerance=0.0)


@pytest.mark.parametrize("value", [-0.1, 1.5])
def test_a_tolerance_lies_between_0_and_1(value: float) -> None:
    with pytest.raises(UsageError, match="--sum-tolerance"):
        package.evaluate(classes(ROUNDED), **ON_CLASSES, sum_tolerance=value)


@pytest.mark.parametrize("loss", CLASS_LOSSES)
def test_renormalized_rows_are_those_divided_by_their_sums(loss: str) -> None:
    rows = RNG.dirichlet(np.ones(3), 50)
    amounts, target = rows * RNG.uniform(0.5, 3.0, (50, 1)), RNG.integers(0, 3, 50)
    divided = package.evaluate(classes(rows, target), **ON_CLASSES, losses=loss, ci=None)
    same = package.evaluate(classes(amounts, target), **ON_CLASSES, losses=loss, ci=None, renormalize=True)
    assert same.cells[0].value == pytest.approx(divided.cells[0].value, rel=1e-12)
    assert same.cells[0].signature.endswith("|act:renormalize")


def test_the_gradient_of_renormalized_rows_is_by_the_amounts() -> None:
    amounts, target, step = RNG.uniform(0.5, 3.0, (6, 3)), RNG.integers(0, 3, 6), 1e-6
    for name in ("cce", "brier", "focal", "gce", "symmetric_ce"):
        loss = package.get(name)
        slope = np.asarray(loss.grad(target=target, pred=amounts, activation="renormalize"))
        for place in range(3):
            shift = step * np.eye(3)[place]
            up, down = (
                loss.each(target=target, pred=x, activation="renormalize") for x in (amounts + shift, amounts - shift)
            )
            assert slope[:, place] == pytest.approx((up - down) / (2 * step), rel=1e-6, abs=1e-9), name


def test_renormalize_is_for_rows_of_probabilities() -> None:
    with pytest.raises(DataError, match="not all 0"):
        package.evaluate(classes([[0.0, 0.0], [1.0, 1.0]]), **ON_CLASSES, losses="cce", renormalize=True)
    with pytest.raises(UsageError, match="give one of them"):
        package.evaluate(classes(ROUNDED), **ON_CLASSES, losses="cce", renormalize=True, activation="softmax")
    with pytest.raises(UsageError, match="--activation renormalize"):
        package.evaluate(frame(y=[0, 1], p=[0.1, 0.2]), **ON, losses="mse", renormalize=True)


# a class that cannot be: a logit of -inf -------------------------------------------------------------------------


@pytest.mark.parametrize("loss", CLASS_LOSSES)
def test_a_logit_of_minus_infinity_is_a_probability_of_0(loss: str) -> None:
    logits = np.column_stack([RNG.normal(0.0, 2.0, (50, 2)), np.full(50, -np.inf)])
    shares = np.exp(logits - logits[:, :2].max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    target = RNG.integers(0, 2, 50)
    masked = package.evaluate(classes(logits, target), **ON_CLASSES, losses=loss, activation="softmax", ci=None)
    direct = package.evaluate(classes(shares, target), **ON_CLASSES, losses=loss, ci=None)
    assert masked.cells[0].value == pytest.approx(direct.cells[0].value, rel=1e-12, nan_ok=True)  # no area of no rows


def test_a_masked_class_that_was_observed_costs_infinity_and_has_a_slope_of_0_elsewhere() -> None:
    cce = package.get("cce")
    logits = [[1.0, 2.0, -np.inf], [0.0, 1.0, -np.inf]]
    assert cce(target=[0, 2], pred=logits, activation="softmax") == np.inf
    slope = np.asarray(cce.grad(target=[0, 1], pred=logits, activation="softmax"))
    two = np.asarray(cce.grad(target=[0, 1], pred=np.array(logits)[:, :2], activation="softmax"))
    assert slope[:, :2] == pytest.approx(two, rel=1e-15)
    assert slope[:, 2].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("row", [[-np.inf, -np.inf], [np.inf, 0.0]])
def test_a_row_without_a_class_that_can_be_is_refused(row: list[float]) -> None:
    with pytest.raises(DataError, match="row 2"):
        package.evaluate(classes([[0.0, 1.0], row]), **ON_CLASSES, losses="cce", activation="softmax")


# why a value is not defined ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "target", "pred", "reason"),
    [
        ("ndcg", [0.0, 0.0], [0.1, 0.2], "a list without relevant items has none; empty=0 says what it counts as"),
        ("one_minus_ndcg", [0.0, 0.0], [0.1, 0.2], "empty=0"),
        ("mase", [3.0, 3.0], [1.0, 2.0], "a series of m rows or fewer, or one that does not change, has no scale"),
        ("wape", [0.0, 0.0], [1.0, 2.0], "+infinity: all targets are zero"),
        ("wape", [0.0, 0.0], [0.0, 0.0], "all targets are zero"),
        ("r2", [3.0, 3.0], [1.0, 2.0], "the target is constant"),
        ("d2_log_loss", [0.0, 0.0], [0.1, 0.2], "all rows are of one class"),
    ],
)
def test_a_value_that_is_not_defined_says_why(loss: str, target: list[float], pred: list[float], reason: str) -> None:
    cell = package.evaluate(frame(y=target, p=pred), **ON, losses=loss).cells[0]
    assert cell.status != "ok"
    assert reason in (cell.reason or "")


def test_a_quotient_beyond_float64_is_not_said_to_have_a_denominator_of_0() -> None:
    cell = package.evaluate(frame(y=[1e-300, 1e-300], p=[1e300, 1e300]), **ON, losses="wape").cells[0]
    assert cell.reason == "+infinity: out of the range of float64"
