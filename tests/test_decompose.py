"""`--decompose`: the miscalibration, discrimination and uncertainty of losses, held to scikit-learn and brute force."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics
from sklearn.isotonic import IsotonicRegression

import lossctl
from lossctl.errors import UsageError
from tests.conftest import Lossctl

Array = np.ndarray
Score = Callable[[Array, Array, Array], float]
NAMES = ("miscalibration", "discrimination", "uncertainty")
RNG = np.random.default_rng(11)
N = 400
P = np.round(RNG.uniform(0.02, 0.98, N), 2)  # with ties
FLAG = (RNG.uniform(size=N) < P**2).astype(float)
COUNT = RNG.poisson(3.0 * P).astype(float)
W = RNG.uniform(0.0, 2.0, N) * (np.arange(N) % 7 > 0)
MEANS: dict[str, tuple[Array, Score]] = {
    "mse": (COUNT, lambda y, p, w: metrics.mean_squared_error(y, p, sample_weight=w)),
    "brier": (FLAG, lambda y, p, w: metrics.brier_score_loss(y, p, sample_weight=w)),
    "bce": (FLAG, lambda y, p, w: metrics.log_loss(y, p, sample_weight=w, labels=[0, 1])),
    "poisson": (
        COUNT,
        lambda y, p, w: np.average(p - np.where(y > 0.0, y * np.log(np.maximum(p, 1e-300)), 0.0), weights=w),
    ),
    "poisson_deviance": (
        COUNT + 1.0,
        lambda y, p, w: metrics.mean_poisson_deviance(y, p, sample_weight=w),
    ),
    "gamma_deviance": (
        COUNT + 1.0,
        lambda y, p, w: metrics.mean_gamma_deviance(y, p, sample_weight=w),
    ),
}


def values_of(spec: str, y: object, p: object, w: object = None, **options: Any) -> list[float]:
    """Return the loss and its components."""
    data = {"y": y, "p": p} | ({} if w is None else {"w": w})
    weight = None if w is None else "w"
    report = lossctl.evaluate(data, target="y", pred="p", weight=weight, losses=spec, decompose=True, **options)
    assert [cell.loss for cell in report.cells] == [spec, *(f"{spec}[{name}]" for name in NAMES)]
    return [math.nan if cell.value is None else cell.value for cell in report.cells]


def pinball(y: Array, p: Array, w: Array, q: float) -> float:
    return float(np.average(np.maximum(q * (y - p), (q - 1.0) * (y - p)), weights=w))


def least_isotonic(y: Array, p: Array, w: Array, q: float) -> float:
    """Try every non-decreasing assignment of targets to the different predictions."""
    levels, place = np.unique(p, return_inverse=True)
    best = itertools.combinations_with_replacement(sorted(set(y.tolist())), len(levels))
    return min(pinball(y, np.array(values)[place], w, q) for values in best)


# the numbers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("spec", MEANS)
def test_components_of_means_are_those_of_scikit_learns_isotonic_regression(spec: str, weighted: bool) -> None:
    y, score = MEANS[spec]
    w = W if weighted else np.ones(N)
    live = w > 0.0
    isotonic = IsotonicRegression().fit(P[live], y[live], sample_weight=w[live]).predict(P[live])
    constant = np.full(live.sum(), np.average(y, weights=w))
    s, recalibrated, reference = (score(y[live], p, w[live]) for p in (P[live], isotonic, constant))
    ours = values_of(spec, y, P, W if weighted else None)
    assert ours == pytest.approx([s, s - recalibrated, reference - recalibrated, reference], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("q", [0.0, 0.1, 0.5, 0.75, 0.9, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_components_of_quantiles_are_those_of_the_best_of_all_increasing_functions(q: float, weighted: bool) -> None:
    rng = np.random.default_rng(int(100 * q))
    for _ in range(8):
        y, p = rng.integers(0, 6, 7).astype(float), rng.integers(0, 5, 7).astype(float)
        w = rng.integers(1, 4, 7).astype(float) if weighted else np.ones(7)
        s, recalibrated = pinball(y, p, w, q), least_isotonic(y, p, w, q)
        reference = min(pinball(y, np.full(7, value), w, q) for value in y)
        ours = values_of(f"quantile:q={q:g}" if q != 0.5 else "quantile", y, p, w if weighted else None)
        assert ours == pytest.approx([s, s - recalibrated, reference - recalibrated, reference], abs=1e-12)


def test_the_components_of_mae_are_twice_those_of_the_median() -> None:
    assert values_of("mae", COUNT, P) == pytest.approx([2.0 * value for value in values_of("quantile", COUNT, P)])


@pytest.mark.parametrize("weight", [None, W])
@pytest.mark.parametrize(
    "spec", [*MEANS, "mae", "quantile:q=0.9", "quantile:q=0.3", "poisson:full=true", "bce:eps=0.1"]
)
def test_the_components_make_the_loss(spec: str, weight: Array | None) -> None:
    y = FLAG if spec[:2] in ("br", "bc") else COUNT + 1.0
    loss, miscalibration, discrimination, uncertainty = values_of(spec, y, P, weight)
    assert miscalibration - discrimination + uncertainty == pytest.approx(loss, rel=1e-13, abs=1e-15)
    assert miscalibration >= 0.0
    assert discrimination >= 0.0


def test_what_is_calibrated_has_no_miscalibration() -> None:
    p = np.repeat([0.25, 0.5, 0.75], 4)
    y = np.array([1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 0])
    for spec in ("mse", "brier", "bce"):
        loss, miscalibration, discrimination, uncertainty = values_of(spec, y, p)
        assert miscalibration == 0.0
        assert 0.0 < discrimination == pytest.approx(uncertainty - loss)
    assert values_of("mse", p, p)[:3] == [0.0, 0.0, pytest.approx(np.var(p))]


@pytest.mark.parametrize("spec", ["mse", "mae", "poisson", "quantile:q=0.9", "quantile:q=0.1"])
def test_what_orders_nothing_has_no_discrimination(spec: str) -> None:
    y = np.arange(1.0, 11.0) / 3.0
    assert values_of(spec, y, np.full(10, 0.7))[2] == 0.0
    assert values_of(spec, y, 5.0 - y)[2] == pytest.approx(0.0, abs=1e-15)


def test_a_mean_that_orders_all_the_wrong_way_has_no_discrimination_at_all() -> None:
    assert values_of("mse", COUNT + P / 7.0, 10.0 - COUNT - P / 7.0)[2] == 0.0


@pytest.mark.parametrize("spec", ["mse", "bce", "quantile:q=0.9"])
def test_weights_are_repeated_rows(spec: str) -> None:
    weights = np.arange(N) % 4
    repeated = np.repeat(np.arange(N), weights)
    expected = values_of(spec, FLAG[repeated], P[repeated])
    assert values_of(spec, FLAG, P, weights) == pytest.approx(expected, rel=1e-12, abs=1e-15)
    assert values_of(spec, FLAG, P, 1e-300 * weights) == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_rows_of_equal_predictions_have_one_value_whatever_their_order() -> None:
    y, p = [0.0, 2.0, 1.0, 3.0], [1.0, 1.0, 1.0, 2.0]
    for order in itertools.permutations(range(4)):
        shuffled = values_of("mse", [y[row] for row in order], [p[row] for row in order])
        assert shuffled == [0.75, 0.25, 0.75, 1.25]


def test_infinite_loss_is_infinite_miscalibration_beside_a_finite_rest() -> None:
    loss, miscalibration, discrimination, uncertainty = values_of("bce", [1, 0, 1, 1], [0.0, 0.0, 0.5, 0.6])
    assert loss == miscalibration == math.inf
    assert discrimination == pytest.approx(uncertainty - 0.5 * math.log(2.0))
    assert uncertainty == pytest.approx(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))


def test_labels_of_minus_one_and_soft_targets_are_probabilities() -> None:
    assert values_of("bce", 2.0 * FLAG - 1.0, P) == values_of("bce", FLAG, P)
    soft = np.round(np.clip(P + RNG.normal(0.0, 0.1, N), 0.0, 1.0), 1)
    assert values_of("brier", soft, P) == pytest.approx(values_of("mse", soft, P))


def test_raw_outputs_are_ordered_as_they_are_read() -> None:
    logits = np.log(P) - np.log1p(-P)
    expected = values_of("bce", FLAG, P)
    assert values_of("bce", FLAG, logits, activation="sigmoid") == pytest.approx(expected, rel=1e-12)
    far = values_of("bce", [0, 1, 0, 1], [50.0, 60.0, 70.0, 80.0], activation="sigmoid")  # all of p = 1
    assert far[1] - far[2] + far[3] == pytest.approx(far[0])
    assert far[2] > 0.0


# slices, outputs, containers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [None, "w"])
def test_a_slice_is_decomposed_by_itself(weight: str | None) -> None:
    frame = pd.DataFrame({"y": FLAG, "p": P, "w": W, "g": np.where(np.arange(N) % 3, "a", "b")})
    asked: dict[str, Any] = {"target": "y", "pred": "p", "losses": ["bce", "mae"], "decompose": True, "weight": weight}
    sliced = lossctl.evaluate(frame, by="g", **asked)
    for group in "ab":
        alone = lossctl.evaluate(frame[frame.g == group], **asked)
        cells = [cell for cell in sliced.cells if cell.slice == {"g": group}]
        assert [cell.value for cell in cells] == pytest.approx([cell.value for cell in alone.cells], rel=1e-13)


def test_each_output_is_decomposed_by_itself() -> None:
    frame = pd.DataFrame({"y_a": FLAG, "y_b": COUNT, "p_a": P, "p_b": P[::-1]})
    report = lossctl.evaluate(frame, target="y_*", pred="p_*", losses="mse", per_output=True, decompose=True)
    assert [cell.loss for cell in report.cells][:5] == [
        "mse[a]",
        *(f"mse[a][{name}]" for name in NAMES),
        "mse[b]",
    ]
    assert [cell.value for cell in report.cells][4:] == values_of("mse", COUNT, P[::-1])


def test_quantile_columns_are_decomposed_apart() -> None:
    frame = pd.DataFrame({"y": COUNT, "q10": P, "q90": 4.0 * P})
    report = lossctl.evaluate(frame, target="y", pred="q10,q90", losses="quantile", per_output=True, decompose=True)
    expected = [*values_of("quantile:q=0.1", COUNT, P), *values_of("quantile:q=0.9", COUNT, 4.0 * P)]
    assert [cell.value for cell in report.cells] == expected


@pytest.mark.deep
def test_threads_and_containers_leave_no_trace(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rows = 70_000
    frame = pd.DataFrame({"p": rng.uniform(size=rows).round(4)})
    frame["y"] = (rng.uniform(size=rows) < frame.p).astype(float)
    frame.to_parquet(tmp_path / "m.parquet", row_group_size=20_000)
    frame.to_csv(tmp_path / "m.csv", index=False)
    np.savez(tmp_path / "m.npz", y=frame.y, p=frame.p)
    asked: dict[str, Any] = {"target": "y", "pred": "p", "losses": ["brier", "quantile:q=0.9"], "decompose": True}
    values = {
        tuple(cell.value for cell in lossctl.evaluate(source, threads=threads, **asked).cells)
        for source in (frame, *(tmp_path / f"m.{kind}" for kind in ("parquet", "csv", "npz")))
        for threads in (1, 2)
    }
    assert len(values) == 1


# the command -------------------------------------------------------------------------------------------------------

FILE = "y,good,bad\n1,0.9,0.5\n0,0.2,0.5\n1,0.7,0.5\n0,0.4,0.5\n"


def test_components_are_losses_of_every_format(lossctl: Lossctl, write: Callable[[str, str], Path]) -> None:
    options = ["eval", write("m.csv", FILE), "-t", "y", "-p", "good", "-p", "bad", "-l", "brier", "--decompose"]
    table = lossctl(*options)
    assert table.code == 0
    assert "brier[miscalibration]" in table.out
    document = json.loads(lossctl(*options, "-f", "json").out)
    cells = {(cell["model"], cell["loss"]): cell for cell in document["results"]}
    assert [cells["good", f"brier[{name}]"]["direction"] for name in NAMES] == ["min", "max", "min"]
    best = {loss for (model, loss), cell in cells.items() if cell["best"] and model == "good"}
    assert best == {"brier", "brier[discrimination]"}
    assert not any(cell["best"] for (_, loss), cell in cells.items() if loss == "brier[uncertainty]")
    assert {cell["ci_reason"] for (_, loss), cell in cells.items() if "[" in loss} == {
        "no closed form for a statistic of all values"
    }
    assert len({cell["signature"] for (model, _), cell in cells.items() if model == "good"}) == 4
    assert "bad,brier[uncertainty],brier,4,,0.25," in lossctl(*options, "-f", "csv").out


def test_a_saved_report_has_the_directions_of_its_components(
    lossctl: Lossctl, write: Callable[[str, str], Path], tmp_path: Path
) -> None:
    report = tmp_path / "r.json"
    lossctl("eval", write("m.csv", FILE), "-t", "y", "-p", "good", "-l", "brier", "--decompose", "-o", report)
    assert lossctl("check", report, "--min", "brier[discrimination]=0.2").code == 0
    assert lossctl("check", report, "--min", "brier[discrimination]=0.3").code == 1
    assert lossctl("check", report, "--max", "brier[miscalibration]=0.01").code == 1


def test_losses_without_components_keep_their_value_and_are_named(
    lossctl: Lossctl, write: Callable[[str, str], Path]
) -> None:
    result = lossctl("eval", write("m.csv", FILE), "-t", "y", "-p", "good", "-l", "mse,rmse,huber", "--decompose")
    assert result.code == 0
    assert (
        "no components of rmse, huber: the best prediction is not the mean or a quantile of all targets" in result.err
    )
    assert "huber[" not in result.out


@pytest.mark.parametrize(
    ("losses", "reason"),
    [
        (
            "rmse",
            "rmse: the best prediction is not the mean or a quantile of all targets; losses that have components: ",
        ),
        ("bce:pos_weight=2", "bce:pos_weight=2: the best prediction is not"),
        ("bce:label_smoothing=0.1", "bce:label_smoothing=0.1: the best prediction is not"),
        ("roc_auc", "roc_auc: the best prediction is not"),
    ],
)
def test_a_command_without_any_component_is_refused(losses: str, reason: str) -> None:
    with pytest.raises(UsageError, match=f"--decompose: {reason}"):
        lossctl.evaluate({"y": FLAG, "p": P}, target="y", pred="p", losses=losses, decompose=True)


def test_several_columns_are_refused_with_the_way_on() -> None:
    frame = pd.DataFrame({"y_a": FLAG, "y_b": FLAG, "p_a": P, "p_b": P})
    with pytest.raises(UsageError, match="mse: several columns have no common order; --per-output takes each apart"):
        lossctl.evaluate(frame, target="y_*", pred="p_*", losses="mse", decompose=True)
    classes = pd.DataFrame({"y": FLAG.astype(int), "p_0": 1.0 - P, "p_1": P})
    with pytest.raises(UsageError, match="brier: rows of several classes have no order to recalibrate by"):
        lossctl.evaluate(classes, target="y", pred="p_*", losses="brier", task="multiclass", decompose=True)


def test_sums_have_no_components() -> None:
    with pytest.raises(UsageError, match="--reduction sum: the components of --decompose are means over rows"):
        lossctl.evaluate({"y": FLAG, "p": P}, target="y", pred="p", losses="mse", decompose=True, reduction="sum")


def test_components_are_not_missed_among_rows(tmp_path: Path) -> None:
    notes: list[str] = []
    path = tmp_path / "rows.csv"
    asked: dict[str, Any] = {
        "target": "y",
        "pred": "p",
        "losses": "mse",
        "rows_out": path,
        "with_grad": True,
        "worst": 1,
    }
    lossctl.evaluate({"y": FLAG, "p": P}, decompose=True, note=notes.append, **asked)
    assert not [note for note in notes if "miscalibration" in note]


def test_memory_is_told_as_of_other_losses_that_keep_every_value() -> None:
    with pytest.raises(lossctl.DataError, match=r"mse\[miscalibration\], .*: every value is kept"):
        lossctl.evaluate({"y": FLAG, "p": P}, target="y", pred="p", losses="mse", decompose=True, max_memory=1000)
