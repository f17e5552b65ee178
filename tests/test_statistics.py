"""Standard errors and intervals against the direct formulas of NumPy and SciPy, and against 50 digits."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from itertools import chain
from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

import lossctl
from lossctl import UsageError
from lossctl.core.grouped import GroupedMoments
from lossctl.core.state import moments_of
from lossctl.core.statistic import MEAN, R_SQUARED, RATIO, ROOT, TWO_RATIOS
from lossctl.results.report import Cell
from lossctl.stats import estimate as estimate_module, folded
from lossctl.stats.estimate import ENDS_OUT_OF_RANGE, estimate, estimates, order_interval, paired_stderr
from lossctl.stats.multiple import DRAWS, best_set, draws, holm, max_t
from lossctl.stats.spread import Clusters, IndependentRows, Series, Spread, autocorrelation, lags_for
from lossctl.stats.student import normal_quantile, normal_tail, t_quantile, t_tail

pytestmark = pytest.mark.deep

Values = NDArray[Any]
N = 500
RNG = np.random.default_rng(31)
Y = RNG.normal(3.0, 2.0, N)
P = Y + RNG.standard_t(5, N)
W = RNG.gamma(2.0, 1.0, N)
LABEL = RNG.integers(0, 2, N).astype(float)
PROB = RNG.uniform(0.02, 0.98, N)
GROUP = np.array(["a", "b", "c"])[RNG.integers(0, 3, N)]
DATA: Mapping[str, Values] = {"y": Y, "p": P, "w": W, "label": LABEL, "prob": PROB, "g": GROUP}


def cells(data: Mapping[str, object], losses: object = "mse", **question: Any) -> list[Cell]:
    return list(lossctl.evaluate(data, **{"target": "y", "pred": "p", "losses": losses, **question}).cells)


def cell(data: Mapping[str, object], loss: str = "mse", **question: Any) -> Cell:
    """Return the one cell of one loss of one model."""
    (found,) = cells(data, loss, **question)
    return found


def close(
    found: Cell, value: float, stderr: float, level: float = 0.95, rel: float = 1e-12, weights: Values | None = None
) -> None:
    """Hold a cell to a value, its standard error, and the interval of Student's t about it."""
    assert found.status == "ok"
    assert found.value == pytest.approx(value, rel=rel)
    assert found.stderr == pytest.approx(stderr, rel=rel)
    assert found.level == level
    assert found.interval is not None
    assert found.interval_reason is None
    freedom = found.rows - 1
    if weights is not None:  # Satterthwaite's
        freedom = min(freedom, round(float(np.sum(weights**2) ** 2 / np.sum(weights**4))))
    reach = float(stats.t.ppf(0.5 + 0.5 * level, freedom)) * stderr
    low, high = value - reach, value + reach
    if found.loss in LOG:
        low, high = value * math.exp(-reach / value), value * math.exp(reach / value)
    elif found.loss in LACK:
        low, high = (1.0 - (1.0 - value) * math.exp(sign * reach / (1.0 - value)) for sign in (1.0, -1.0))
    scale = max(abs(value), reach)
    if found.method == "skew-t":  # never narrower
        assert found.interval[0] <= low + 1e-11 * scale
        assert found.interval[1] >= high - 1e-11 * scale
    else:
        assert found.method == ("log-t" if found.loss in LOG | LACK else "t")
        assert found.interval == pytest.approx((low, high), abs=1e-10 * scale)


def no_interval(found: Cell, stderr: float | None, why: str) -> None:
    assert found.interval is None
    assert found.level is None
    assert found.method is None
    assert found.stderr == stderr
    assert found.interval_reason == why


# direct formulas -------------------------------------------------------------------------------------------------


def influence(loss: str, data: Mapping[str, Values], weight: Values) -> tuple[float, Values]:
    """Value of a weighted loss, and how much each row moves it: the derivative by the row's share of the weight.

    The variance of the value is the mean square of these numbers over n - 1 (with n over n - 1 of the plain one).
    """
    share = weight / weight.mean()

    def mean(x: Values) -> float:
        return float(np.mean(share * x))

    y, p = data["y"], data["p"]
    if loss in ("mse", "mae", "mbe", "bce"):
        rows = {
            "mse": lambda: (p - y) ** 2,
            "mae": lambda: np.abs(p - y),
            "mbe": lambda: y - p,
            "bce": lambda: -np.where(y == 1.0, np.log(p), np.log1p(-p)),
        }[loss]()
        return mean(rows), share * (rows - mean(rows))
    if loss == "rmse":
        value = math.sqrt(mean((p - y) ** 2))
        return value, share * ((p - y) ** 2 - value**2) / (2.0 * value)
    if loss == "r2":
        error, centred = mean((p - y) ** 2), y - mean(y)
        spread = mean(centred**2)
        moved = -((p - y) ** 2 - error) / spread + error * (centred**2 - spread) / spread**2
        return 1.0 - error / spread, share * moved
    if loss == "wape":
        value = mean(np.abs(p - y)) / mean(np.abs(y))
        return value, share * (np.abs(p - y) - value * np.abs(y)) / mean(np.abs(y))
    assert loss == "gan_discriminator"
    real, generated = y == 1.0, y == 0.0
    costs = (np.where(real, -np.log(p), 0.0), real), (np.where(generated, -np.log1p(-p), 0.0), generated)
    ratios = [mean(cost) / mean(kind) for cost, kind in costs]
    moved = np.zeros(len(y))
    for (cost, kind), ratio in zip(costs, ratios, strict=True):
        moved += (cost - ratio * kind) / mean(kind)
    return sum(ratios), share * moved


def direct(loss: str, data: Mapping[str, Values], weight: Values | None = None) -> tuple[float, float]:
    """Value and standard error by the delta method, from influences."""
    value, moved = influence(loss, data, np.ones(len(data["y"])) if weight is None else weight)
    return value, math.sqrt(float(np.sum(moved**2)) / (len(moved) * (len(moved) - 1)))


def columns(loss: str) -> Mapping[str, Values]:
    """Data that a loss can read, as y and p."""
    binary = loss in ("bce", "gan_discriminator")
    return {**DATA, "y": LABEL, "p": PROB} if binary else DATA


LOSSES = ["mse", "mae", "mbe", "bce", "rmse", "r2", "wape", "gan_discriminator"]
LOG = {"rmse"}
LACK = {"r2"}


@pytest.mark.parametrize("level", [0.95, 0.5, 0.9, 0.999])
@pytest.mark.parametrize(("loss", "rows"), [("mse", (P - Y) ** 2), ("mae", np.abs(P - Y)), ("mbe", Y - P)])
def test_a_mean_has_the_interval_of_one_sample(loss: str, rows: Values, level: float) -> None:
    found = cell(DATA, loss, ci=level)
    close(found, rows.mean(), float(stats.sem(rows)), level)
    interval = stats.t.interval(level, N - 1, loc=rows.mean(), scale=stats.sem(rows))
    assert found.interval is not None
    if found.method == "skew-t":
        return
    assert found.interval == pytest.approx(tuple(map(float, interval)), rel=1e-10)
    assert stats.ttest_1samp(rows, found.interval[0]).pvalue == pytest.approx(1.0 - level, rel=1e-9)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_delta_method_agrees_with_influences(loss: str) -> None:
    found = cell(columns(loss), loss)
    close(found, *direct(loss, columns(loss)))
    assert found.method in (("log-t" if loss in LOG | LACK else "t"), "skew-t")
    assert found.rows == N
    assert found.weight_sum is None


@pytest.mark.parametrize("loss", LOSSES)
def test_a_weighted_loss_is_a_ratio(loss: str) -> None:
    found = cell(columns(loss), loss, weight="w")
    close(found, *direct(loss, columns(loss), W), weights=W)
    assert found.rows == N
    assert found.weight_sum == pytest.approx(W.sum(), rel=1e-14)


def test_the_ratio_form_of_a_weighted_mean_is_cochrans() -> None:
    rows, n = np.abs(P - Y), N
    a, b = W * rows, W
    ratio = a.mean() / b.mean()
    (s_aa, s_ab), (_, s_bb) = np.cov(a, b)
    variance = (s_aa - 2.0 * ratio * s_ab + ratio**2 * s_bb) / (n * b.mean() ** 2)
    close(cell(DATA, "mae", weight="w"), ratio, math.sqrt(variance), weights=W)


@pytest.mark.parametrize("weight", [None, "w"])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_slice_is_what_its_rows_alone_would_give(loss: str, weight: str | None) -> None:
    data = columns(loss)
    whole, *slices = cells(data, loss, weight=weight, by="g")
    weights = data["w"] if weight else None
    close(whole, *direct(loss, data, weights), weights=weights)
    assert [dict(found.slice) for found in slices] == [{"g": "a"}, {"g": "b"}, {"g": "c"}]
    for found in slices:
        mine = {name: column[found.slice["g"] == GROUP] for name, column in data.items()}
        assert found.rows == len(mine["y"])
        weights = mine["w"] if weight else None
        close(found, *direct(loss, mine, weights), weights=weights)


def test_equal_weights_change_nothing() -> None:
    plain = {found.loss: found for found in cells(DATA, LOSSES[:3] + LOSSES[4:7])}
    for found in cells({**DATA, "w": np.full(N, 3.0)}, list(plain), weight="w"):
        assert found.value == pytest.approx(plain[found.loss].value, rel=1e-14)
        assert found.stderr == pytest.approx(plain[found.loss].stderr, rel=1e-12)


# at an offset, against 50 digits ---------------------------------------------------------------------------------


def mean_of(rows: list[Fraction], weights: list[Fraction]) -> Fraction:
    return sum((w * x for w, x in zip(weights, rows, strict=True)), Fraction(0)) / sum(weights)


def in_fifty_digits(moved: list[Fraction], weights: list[Fraction]) -> float:
    """Root of the mean square of influences, over n - 1."""
    n, base = len(moved), sum(weights, Fraction(0)) / len(weights)
    terms = [w * x / base for w, x in zip(weights, moved, strict=True)]
    square = sum((term * term for term in terms), Fraction(0)) / (n * (n - 1))
    with mpmath.workdps(50):
        return float(mpmath.sqrt(mpmath.mpf(square.numerator) / square.denominator))


@pytest.mark.parametrize("sliced", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("offset", [0.0, 1e8])
def test_an_offset_costs_no_digits(offset: float, weighted: bool, sliced: bool) -> None:
    data = {**DATA, "y": Y + offset, "p": P + offset, "g": np.full(N, "all")}
    mse, r2 = cells(data, ["mse", "r2"], weight="w" if weighted else None, by="g" if sliced else None)[-2:]
    y, p = ([Fraction(x) for x in data[name].tolist()] for name in "yp")
    w = [Fraction(x) for x in W.tolist()] if weighted else [Fraction(1)] * N
    squares = [(a - b) ** 2 for a, b in zip(p, y, strict=True)]
    error, middle = mean_of(squares, w), mean_of(y, w)
    centred = [(x - middle) ** 2 for x in y]
    spread = mean_of(centred, w)
    moved = [-(e - error) / spread + error * (c - spread) / spread**2 for e, c in zip(squares, centred, strict=True)]
    weights = W if weighted else None
    close(mse, float(error), in_fifty_digits([e - error for e in squares], w), rel=1e-13, weights=weights)
    close(r2, float(1 - error / spread), in_fifty_digits(moved, w), rel=1e-12, weights=weights)


def test_a_slice_at_an_offset_of_its_own_costs_no_digits() -> None:
    shift = np.where(GROUP == "b", 1e8, 0.0)
    data = {**DATA, "y": Y + shift, "p": P + shift}
    found = next(found for found in cells(data, "r2", by="g") if found.slice == {"g": "b"})
    alone = cell({name: column[GROUP == "b"] for name, column in data.items()}, "r2")
    assert found.value == pytest.approx(alone.value, rel=1e-9)
    assert found.stderr == pytest.approx(alone.stderr, rel=1e-9)


# few rows, no spread ---------------------------------------------------------------------------------------------


def test_two_rows_have_one_degree_of_freedom() -> None:
    found = cell({"y": [0.0, 0.0], "p": [1.0, 2.0]})
    close(found, 2.5, 1.5)
    assert found.interval == pytest.approx((2.5 - 1.5 * 12.706204736174694, 2.5 + 1.5 * 12.706204736174694))


@pytest.mark.parametrize("loss", ["mse", "rmse", "mae", "wape"])
@pytest.mark.parametrize("weight", [None, "w"])
def test_one_row_has_no_spread(loss: str, weight: str | None) -> None:
    found = cell({"y": [2.0], "p": [5.0], "w": [0.5]}, loss, weight=weight)
    assert found.value == {"mse": 9.0, "rmse": 3.0, "mae": 3.0, "wape": 1.5}[loss]
    assert found.status == "ok"
    no_interval(found, None, "one row has no spread")


def test_one_row_of_a_slice_has_no_spread_and_two_have() -> None:
    data = {"y": [0.0, 0.0, 0.0], "p": [1.0, 2.0, 3.0], "g": ["two", "two", "one"]}
    _, one, two = cells(data, by="g")
    assert (one.value, two.value) == (9.0, 2.5)
    no_interval(one, None, "one row has no spread")
    close(two, 2.5, 1.5)


@pytest.mark.parametrize("size", [0.1, 3.0, 1e-5])
@pytest.mark.parametrize("loss", ["mse", "mae", "rmse", "mbe"])
@pytest.mark.parametrize("by", [None, "g"])
def test_a_constant_loss_has_no_interval(loss: str, size: float, by: str | None) -> None:
    data = {"y": np.zeros(1000), "p": np.full(1000, size), "g": np.arange(1000) % 7}
    for found in cells(data, loss, by=by):
        assert found.value == pytest.approx({"mse": size**2, "mbe": -size}.get(loss, size), rel=1e-15)
        no_interval(found, 0.0, "the rows show no spread")


@pytest.mark.parametrize("loss", ["mse", "mae", "rmse"])
def test_perfect_predictions_have_no_spread(loss: str) -> None:
    found = cell({"y": Y, "p": Y}, loss)
    assert (found.value, found.status) == (0.0, "ok")
    assert found.interval is None
    assert found.interval_reason == "the rows show no spread"


def test_a_constant_target_has_no_r2() -> None:
    found = cell({"y": np.full(9, 0.1), "p": np.arange(9.0)}, "r2")
    assert math.isnan(found.value)
    assert (found.status, found.reason) == ("undefined", "the target is constant")
    no_interval(found, None, "the value is not finite")


def test_one_kind_of_rows_has_no_discriminator_loss() -> None:
    found = cell({"y": np.ones(9), "p": np.linspace(0.1, 0.9, 9)}, "gan_discriminator")
    assert (found.status, found.reason) == ("undefined", "needs at least one real and one generated row")
    no_interval(found, None, "the value is not finite")


def test_a_maximum_says_why_it_has_no_interval() -> None:
    for found in cells(DATA, "max_error", by="g"):
        assert found.status == "ok"
        no_interval(found, None, "a maximum has no standard error")


def test_a_spread_out_of_range_leaves_the_value() -> None:
    data = {"y": np.zeros(4), "p": np.array([1.0, 2.0, 3.0, 4.0]) * 1e150, "g": ["a", "a", "b", "b"]}
    for found, value in zip(cells(data, by="g"), (7.5e300, 2.5e300, 12.5e300), strict=True):
        assert found.value == pytest.approx(value, rel=1e-14)
        assert found.status == "ok"
        no_interval(found, None, "the spread is out of the range of float64")


def test_a_slice_of_huge_losses_has_the_mean_of_its_rows() -> None:
    data = {"y": np.zeros(4), "p": np.array([1.0, 2.0, 3.0, 4.0]) * 1e153, "g": ["a", "a", "b", "b"]}
    values = [found.value for found in cells(data, by="g")]
    assert values == pytest.approx([7.5e306, 2.5e306, 12.5e306], rel=1e-14)


@pytest.mark.parametrize("by", [None, "g"])
def test_a_spread_below_the_range_is_not_called_none(by: str | None) -> None:
    data = {"y": np.zeros(4), "p": np.array([1.0, 2.0, 3.0, 4.0]) * 1e-90, "g": np.full(4, "all")}
    for found in cells(data, by=by):
        assert found.value == pytest.approx(7.5e-180, rel=1e-14)
        assert found.interval_reason != "the rows show no spread"
        assert found.stderr is None or found.stderr == pytest.approx(3.2787192621510e-180)


def test_the_weights_of_a_slice_may_all_be_zero() -> None:
    data = {"y": np.zeros(4), "p": np.arange(4.0), "w": [1.0, 2.0, 0.0, 0.0], "g": ["a", "a", "b", "b"]}
    for found in cells(data, ["mse", "max_error", "median_absolute_error"], weight="w", by="g"):
        if found.slice == {"g": "b"}:
            assert math.isnan(found.value)
            assert (found.status, found.reason) == ("empty", "the weights sum to zero")
            no_interval(found, None, "the weights sum to zero")
        else:
            assert found.status == "ok"


def test_a_slice_that_loses_all_its_rows_is_empty() -> None:
    data = {"y": np.zeros(4), "p": [1.0, 2.0, math.nan, math.nan], "g": ["a", "a", "b", "b"]}
    found = cells(data, by="g", missing="drop")
    assert [dict(one.slice) for one in found] == [{}, {"g": "a"}, {"g": "b"}]
    assert (found[2].rows, found[2].status, found[2].reason) == (0, "empty", "no rows")
    assert math.isnan(found[2].value)
    no_interval(found[2], None, "no rows")


# options ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
def test_the_level_changes_nothing_but_the_interval(loss: str) -> None:
    usual = cell(columns(loss), loss)
    for level in (0.5, 0.8, 0.99, 0.999):
        found = cell(columns(loss), loss, ci=level)
        assert (found.value, found.stderr) == (usual.value, usual.stderr)
        close(found, *direct(loss, columns(loss)), level)


@pytest.mark.parametrize("loss", LOSSES)
def test_no_level_gives_neither_interval_nor_standard_error(loss: str) -> None:
    usual = cell(columns(loss), loss)
    found = cell(columns(loss), loss, ci=None)
    assert found.value == usual.value
    no_interval(found, None, "not asked for")


@pytest.mark.parametrize("level", [0.0, 1.0, -0.5, 95.0, math.nan])
def test_a_level_outside_zero_to_one_is_refused(level: float) -> None:
    with pytest.raises(UsageError, match="between 0 and 1"):
        cell(DATA, ci=level)


@pytest.mark.parametrize("level", [1.0 - 2.0**-53, 1.0 - 1e-15, 1e-9])
def test_a_level_next_to_an_end_has_an_interval(level: float) -> None:
    found = cell(DATA, ci=level)
    assert found.interval is not None
    low, high = found.interval
    assert low < found.value < high
    assert math.isfinite(high)


@pytest.mark.parametrize("loss", ["mse", "mae", "mbe", "bce"])
@pytest.mark.parametrize("by", [None, "g"])
def test_a_sum_is_the_mean_times_the_rows(loss: str, by: str | None) -> None:
    data = columns(loss)
    for found in cells(data, loss, reduction="sum", by=by):
        mine = {name: column[np.isin(GROUP, found.slice.get("g", GROUP))] for name, column in data.items()}
        n = len(mine["y"])
        value, moved = influence(loss, mine, np.ones(n))
        close(found, n * value, math.sqrt(n) * float(np.std(value + moved, ddof=1)))


def test_a_weighted_sum_is_of_weight_times_loss() -> None:
    rows = W * np.abs(P - Y)
    stderr = math.sqrt(N) * float(np.std(rows, ddof=1))
    close(cell(DATA, "mae", reduction="sum", weight="w"), rows.sum(), stderr, weights=W)


@pytest.mark.parametrize("loss", ["rmse", "r2", "wape", "gan_discriminator", "median_absolute_error", "max_error"])
def test_what_is_not_one_mean_has_no_sum(loss: str) -> None:
    with pytest.raises(UsageError, match="is not one mean of rows"):
        cell(columns(loss), loss, reduction="sum")


# infinities ------------------------------------------------------------------------------------------------------


def overconfident() -> dict[str, Values]:
    """Give the 124th row, an observed 1, no chance in model `sure`; `plain` is without fault."""
    label = LABEL.copy()
    label[123] = 1.0
    sure = PROB[::-1].copy()
    sure[123] = 0.0
    return {"y": label, "sure": sure, "plain": PROB, "w": W, "g": GROUP}


@pytest.mark.parametrize("weight", [None, "w"])
def test_an_infinite_loss_of_one_model_leaves_the_other_alone(weight: str | None) -> None:
    data, question = overconfident(), {"losses": ["bce", "brier"], "weight": weight, "by": "g"}
    both = cells(data, pred=["sure", "plain"], **question)
    alone = cells(data, pred="plain", **question)
    found = {
        model: [(c.loss, dict(c.slice), c.value, c.stderr, c.interval, c.status) for c in both if c.model == model]
        for model in ("sure", "plain")
    }
    assert found["plain"] == [(c.loss, dict(c.slice), c.value, c.stderr, c.interval, c.status) for c in alone]
    assert all(c.status == "ok" and c.interval is not None for c in alone)
    for one in both:
        if one.model != "sure":
            continue
        if one.loss == "bce" and one.slice.get("g", GROUP[123]) == GROUP[123]:
            assert one.value == math.inf
            assert one.finite is None
            assert (one.status, one.reason) == ("infinite", "+infinity: 1 row, the first at data: row 124")
            no_interval(one, None, "the value is not finite")
        else:
            assert one.status == "ok"
            assert one.interval is not None
    assert [c.model for c in both if c.best and c.loss == "bce" and not c.slice] == ["plain"]


def test_the_reason_counts_the_rows_and_names_the_first() -> None:
    data = overconfident()
    data["sure"][data["y"] == 1.0] = 0.0
    count, first = int(data["y"].sum()), int(np.argmax(data["y"])) + 1
    found = cell(data, "bce", pred="sure")
    assert found.reason == f"+infinity: {count} rows, the first at data: row {first}"


def test_the_reason_names_a_row_far_down_by_its_place_in_the_input() -> None:
    rng = np.random.default_rng(32)
    label, prob = rng.integers(0, 2, 140_000).astype(float), rng.uniform(0.1, 0.9, 140_000)
    prob[:10] = math.nan  # dropped, but counted
    label[[70_000, 139_000]], prob[[70_000, 139_000]] = 1.0, 0.0
    for found in cells({"y": label, "p": prob, "g": np.full(140_000, "all")}, "bce", missing="drop", by="g"):
        assert found.rows == 139_990
        assert found.reason == "+infinity: 2 rows, the first at data: row 70001"


def test_an_infinite_loss_of_zero_weight_does_not_count() -> None:
    data = overconfident()
    data["w"] = W.copy()
    data["w"][123] = 0.0
    found = cell(data, "bce", pred="sure", weight="w")
    finite = {"y": data["y"], "p": np.where(np.arange(N) == 123, 0.5, data["sure"])}
    counted = data["w"] > 0  # statistics rest on the rows that count, as if the others were absent
    weights = data["w"][counted]
    values = direct("bce", {name: x[counted] for name, x in finite.items()}, weights)
    close(replace(found, rows=N - 1), *values, weights=weights)
    assert found.rows == N
    total = cell(data, "bce", pred="sure", weight="w", reduction="sum")
    assert total.value == pytest.approx(found.value * data["w"].sum(), rel=1e-13)
    by_group = cells(data, "bce", pred="sure", weight="w", by="g")
    assert all(one.status == "ok" and one.interval is not None for one in by_group)


def test_rows_of_zero_weight_count_in_no_extreme_and_no_median() -> None:
    data = {"y": np.zeros(6), "p": [1.0, 2.0, 9.0, 3.0, 4.0, 8.0], "w": [1, 2, 0, 1, 2, 0], "g": list("aaabbb")}
    for loss, values in {"max_error": [4.0, 2.0, 4.0], "median_absolute_error": [2.5, 2.0, 4.0]}.items():
        assert [found.value for found in cells(data, loss, weight="w", by="g")] == values


def test_a_sum_of_an_infinite_loss_is_infinite() -> None:
    found = cell(overconfident(), "bce", pred="sure", reduction="sum")
    assert (found.value, found.status) == (math.inf, "infinite")
    no_interval(found, None, "the value is not finite")


# Student's t -----------------------------------------------------------------------------------------------------

FREEDOMS = [*range(1, 60), 75, 99, 199, 500, 879, 1364, 1998, 1999, 2000, 2001, 2500, 10_000, 65_535, 10**6]


@pytest.mark.parametrize("level", [0.5, 0.6, 0.75, 0.8, 0.9, 0.95, 0.99, 0.999])
def test_t_quantiles_agree_with_scipy(level: float) -> None:
    found = [t_quantile(level, freedom) for freedom in FREEDOMS]
    np.testing.assert_allclose(found, stats.t.ppf(0.5 + 0.5 * level, FREEDOMS), rtol=1e-11)


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_t_quantiles_have_closed_forms_for_one_and_two_degrees(level: float) -> None:
    assert t_quantile(level, 1) == pytest.approx(math.tan(math.pi * level / 2.0), rel=1e-12)
    assert t_quantile(level, 2) == pytest.approx(level * math.sqrt(2.0 / (1.0 - level**2)), rel=1e-12)


# coverage --------------------------------------------------------------------------------------------------------


def coverage(interval_of: Callable[[Values], Cell], truth: float, rows: int, repeats: int = 400) -> float:
    """Share of seeded samples of normal residuals whose interval holds the truth."""
    rng = np.random.default_rng(2024)
    hits = 0
    for _ in range(repeats):
        found = interval_of(rng.normal(0.0, 2.0, rows)).interval
        assert found is not None
        hits += found[0] <= truth <= found[1]
    return hits / repeats


@pytest.mark.parametrize(("loss", "truth"), [("mse", 4.0), ("rmse", 2.0), ("mae", 2.0 * math.sqrt(2.0 / math.pi))])
def test_intervals_cover_the_truth_as_often_as_they_say(loss: str, truth: float) -> None:
    zero = np.zeros(200)
    share = coverage(lambda residuals: cell({"y": zero, "p": residuals}, loss, threads=1), truth, 200)
    assert 0.90 <= share <= 0.98


def test_a_lower_level_covers_less_often() -> None:
    zero = np.zeros(200)
    share = coverage(lambda residuals: cell({"y": zero, "p": residuals}, ci=0.5, threads=1), 4.0, 200)
    assert 0.43 <= share <= 0.57


def test_one_row_of_positive_weight_has_no_spread() -> None:
    data = {"y": [0.0] * 4, "p": [1.0, 2.0, 3.0, 4.0], "w": [0.0, 0.0, 1.0, 0.0], "g": ["a", "a", "a", "b"]}
    for found in cells(data, weight="w", by="g")[:2]:
        assert (found.value, found.stderr, found.interval_reason) == (9.0, None, "one row has no spread")


def test_an_interval_that_skewness_makes_endless_is_none() -> None:
    """Two rows say next to nothing of a skewed score, and JSON has no number for an end at infinity."""
    data = {"y": [4.0, 5.0], "p": [4.31968234, 4.13030241]}
    report = lossctl.evaluate(data, target="y", pred="p", losses="d2_tweedie:power=1", ci=0.99)
    assert (report.cells[0].interval, report.cells[0].interval_reason) == (None, ENDS_OUT_OF_RANGE)
    assert json.loads(report.to_json())["results"][0]["ci"] is None


def test_an_interval_out_of_range_is_none() -> None:
    found = cell({"y": [1e5, 2e5], "p": [0.0, 0.0]}, "rmse", ci=0.99999999)
    assert found.stderr is not None
    assert (found.interval, found.interval_reason) == (None, "the interval is out of the range of float64")


# many groups at once ---------------------------------------------------------------------------------------------

READINGS = {
    "mean": (MEAN, 1),
    "root": (ROOT, 1),
    "ratio": (RATIO, 2),
    "r2": (R_SQUARED, 3),
    "two ratios": (TWO_RATIOS, 4),
}


def grouped_sums(parts: int, weighted: bool, offset: float) -> GroupedMoments:
    """Sums of random parts by group: plain groups, one row, constant values, values that are not finite, huge ones."""
    rng = np.random.default_rng(parts)
    rows = 3_000
    codes = np.sort(rng.integers(0, 9, rows))
    codes[0], codes[-1] = 0, 10
    codes[1:4] = 9
    lines = offset + rng.lognormal(0.0, 1.0, (parts, rows))
    lines[:, codes == 3] = 0.7
    lines[0, np.flatnonzero(codes == 4)[5]] = np.inf
    lines[0, codes == 5] = 1e200
    if weighted:
        weight = rng.integers(0, 3, rows).astype(float)
        weight[codes == 6] = 0.0
        lines = np.concatenate([weight[np.newaxis], np.where(weight == 0.0, 0.0, lines) * weight])
        live = weight > 0.0
    pairs = tuple((i, j) for i in range(len(lines)) for j in range(i, len(lines)))
    with np.errstate(all="ignore"):
        return GroupedMoments.of(lines, pairs, codes, np.arange(rows), live if weighted else None)


@pytest.mark.parametrize("name", READINGS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("total", [False, True])
def test_groups_are_estimated_as_each_would_be_alone(name: str, weighted: bool, offset: float, total: bool) -> None:
    reading, parts = READINGS[name]
    groups = grouped_sums(parts, weighted, offset)
    indexes = range(int(weighted), int(weighted) + parts)
    found = estimates(reading, groups, indexes, weighted=weighted, level=0.9, total=total)
    for g, mine in enumerate(found):
        if weighted and groups.live[g] == 0:
            continue  # the weights sum to zero: there is nothing to estimate
        with np.errstate(all="ignore"):
            alone = estimate(reading, groups.view(g), indexes, weighted=weighted, level=0.9, total=total)
        assert mine.value == pytest.approx(alone.value, rel=4e-16, nan_ok=True), g
        assert (mine.why, mine.method) == (alone.why, alone.method), g
        assert (mine.stderr is None, mine.interval is None) == (alone.stderr is None, alone.interval is None), g
        if alone.stderr is not None:
            assert mine.stderr == pytest.approx(alone.stderr, rel=1e-9), g
        if alone.interval is not None:
            assert mine.interval == pytest.approx(alone.interval, rel=1e-9), g


def test_groups_need_no_spread_where_no_interval_is_asked() -> None:
    groups = GroupedMoments.of([np.array([1.0, 2.0, 6.0])], (), np.array([0, 0, 1]), np.arange(3))
    found = estimates(MEAN, groups, [0], weighted=False, level=None)
    assert [(made.value, made.stderr, made.why) for made in found] == [
        (1.5, None, "not asked for"),
        (6.0, None, "not asked for"),
    ]


# tails ------------------------------------------------------------------------------------------------------------

SCORES = [1e-8, 1e-3, 0.1, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 15.0, 35.0]


@pytest.mark.parametrize("freedom", FREEDOMS)
def test_tails_of_t_agree_with_scipy(freedom: int) -> None:
    found = [t_tail(t, freedom) for t in SCORES]
    with mpmath.workdps(30):
        wanted = [
            float(mpmath.betainc(mpmath.mpf(freedom) / 2, 0.5, 0, freedom / (freedom + mpmath.mpf(t) ** 2), True))
            if freedom < 30
            else 2.0 * float(stats.t.sf(t, freedom))
            for t in SCORES
        ]
    np.testing.assert_allclose(found, wanted, rtol=2e-9 if freedom >= 2000 else 1e-11)
    assert found == [t_tail(-t, freedom) for t in SCORES]


def test_tails_are_within_zero_and_one() -> None:
    for freedom in (1, 2, 30, 1_999, 2_000, 10**6):
        assert t_tail(0.0, freedom) == 1.0
        assert 0.0 <= t_tail(1e150, freedom) <= 1e-149
    assert (normal_tail(0.0), normal_tail(math.inf)) == (1.0, 0.0)


def test_tails_of_the_normal_law_agree_with_scipy() -> None:
    scores = np.linspace(0.0, 37.0, 200)
    np.testing.assert_allclose([normal_tail(z) for z in scores], 2.0 * stats.norm.sf(scores), rtol=1e-11)
    levels = [0.5, 0.9, 0.95, 0.99, 0.999999]
    wanted = stats.norm.isf(0.5 * (1.0 - np.array(levels)))
    np.testing.assert_allclose([normal_quantile(level) for level in levels], wanted, rtol=1e-12)


@pytest.mark.parametrize("freedom", [1, 2, 7, 100, 1_999, 2_000, 10**5])
@pytest.mark.parametrize("level", [0.01, 0.5, 0.95, 0.999])
def test_a_quantile_is_where_its_tail_begins(level: float, freedom: int) -> None:
    assert t_tail(t_quantile(level, freedom), freedom) == pytest.approx(1.0 - level, rel=1e-10)


# many comparisons -------------------------------------------------------------------------------------------------


def joint_p(score: float, correlation: Values, freedom: int | None) -> float:
    """P(max |T| >= score) of two or three correlated values, by integration."""
    k = len(correlation)
    if freedom is None:
        law = stats.multivariate_normal(mean=np.zeros(k), cov=correlation, allow_singular=True, seed=1)
        inside = law.cdf(np.full(k, score), lower_limit=np.full(k, -score))
    else:
        law = stats.multivariate_t(df=freedom, shape=correlation, allow_singular=True, seed=1)
        inside = law.cdf(np.full(k, score), lower_limit=np.full(k, -score), maxpts=20_000)
    return 1.0 - float(inside)


@pytest.mark.parametrize("freedom", [None, 4, 60])
@pytest.mark.parametrize("rho", [-0.9, -0.3, 0.0, 0.5, 0.95])
def test_two_differences_have_their_exact_joint_law(rho: float, freedom: int | None) -> None:
    correlation = np.array([[1.0, rho], [rho, 1.0]])
    law = stats.norm if freedom is None else stats.t(freedom)
    for score in (1.0, 2.0, 2.5):
        own = 2.0 * float(law.sf(score))
        found = max_t([score, 0.3], freedom, [own, 2.0 * float(law.sf(0.3))], correlation, 12345)[0]
        wanted = joint_p(score, correlation, freedom)
        assert found == pytest.approx(wanted, abs=4.0 * math.sqrt(wanted * (1.0 - wanted) / DRAWS) + 3e-4)


@pytest.mark.parametrize("freedom", [None, 12])
def test_many_differences_have_the_law_of_a_long_simulation(freedom: int | None) -> None:
    rng = np.random.default_rng(40)
    factors = rng.normal(size=(6, 2))
    whole = factors @ factors.T + np.diag(rng.uniform(0.2, 1.0, 6))
    correlation = whole / np.sqrt(np.outer(np.diag(whole), np.diag(whole)))
    drawn = rng.multivariate_normal(np.zeros(6), correlation, 400_000)
    if freedom is not None:
        drawn /= np.sqrt(rng.chisquare(freedom, (400_000, 1)) / freedom)
    tops = np.abs(drawn).max(axis=1)
    scores = [0.5, 1.0, 1.7, 2.2, 2.8, 3.3]
    law = stats.norm if freedom is None else stats.t(freedom)
    p = [2.0 * float(law.sf(score)) for score in scores]
    for found, score, own in zip(max_t(scores, freedom, p, correlation, 1), scores, p, strict=True):
        wanted = float(np.mean(tops >= score))
        assert found == pytest.approx(wanted, abs=4.5 * math.sqrt(wanted * (1.0 - wanted) / DRAWS) + 1e-4)
        assert own <= found <= min(1.0, 6.0 * own)


def test_small_p_values_keep_their_digits() -> None:
    correlation = np.full((3, 3), 0.6) + 0.4 * np.eye(3)
    for own in (1e-6, 1e-30, 1e-300):
        found = max_t([stats.norm.isf(own / 2.0), 0.1, 0.2], None, [own, 0.9, 0.8], correlation, 3)[0]
        assert own <= found <= 3.0 * own


def test_one_difference_is_not_adjusted_and_copies_cost_nothing() -> None:
    assert max_t([2.0], 9, [0.07653], np.eye(1), 1) == [0.07653]
    own = 2.0 * float(stats.norm.sf(2.0))
    found = max_t([2.0, 2.0, -2.0], None, [own] * 3, np.array([[1.0, 1, -1], [1, 1, -1], [-1, -1, 1]]), 1)
    assert found == pytest.approx([own] * 3, abs=4.0 * math.sqrt(own / DRAWS))


def test_the_seed_decides_the_draws() -> None:
    correlation = np.eye(2)
    np.testing.assert_array_equal(draws(correlation, 5, 1), draws(correlation, 5, 1))
    assert not np.array_equal(draws(correlation, 5, 1), draws(correlation, 5, 2))
    left, right = draws(np.array([[1.0, 0.7], [0.7, 1.0]]), None, 1)
    assert stats.pearsonr(left, right).statistic == pytest.approx(0.7, abs=0.02)


@pytest.mark.parametrize("freedom", [None, 1, 2, 29, 30, 31, 500])
def test_each_difference_alone_is_drawn_by_its_own_law(freedom: int | None) -> None:
    law = stats.norm() if freedom is None else stats.t(freedom)
    for line in draws(np.eye(2), freedom, 5):
        assert line.shape == (DRAWS,)
        assert stats.kstest(line, law.cdf).pvalue > 1e-3
        tail = float(np.mean(np.abs(line) >= law.ppf(0.9995)))
        assert tail == pytest.approx(0.001, abs=5.0 * math.sqrt(0.001 / DRAWS))


@pytest.mark.parametrize("seed", range(10))
def test_families_of_one_are_adjusted_as_statsmodels_does(seed: int) -> None:
    from statsmodels.stats.multitest import multipletests

    p = np.random.default_rng(seed).uniform(size=9) ** 3
    assert [q for (q,) in holm([[one] for one in p])] == pytest.approx(list(multipletests(p, method="holm")[1]))


def test_families_are_adjusted_by_hand() -> None:
    # three families count until 0.01 and 0.012 of the first are through, then two, then one
    assert holm([[0.01, 0.012], [0.02, 0.5], [], [0.03]]) == [
        pytest.approx([0.03, 0.036]),
        pytest.approx([0.04, 0.5]),
        [],
        pytest.approx([0.06]),
    ]
    assert holm([]) == []
    assert holm([[], []]) == [[], []]
    assert holm([[0.2, 0.7]]) == [[0.2, 0.7]]


@pytest.mark.parametrize("seed", range(10))
def test_adjusting_families_keeps_the_order_and_is_no_worse_than_bonferroni(seed: int) -> None:
    rng = np.random.default_rng(seed)
    families = [list(rng.uniform(size=size) ** 4) for size in rng.integers(1, 5, 6)]
    flat = sorted(zip(chain.from_iterable(families), chain.from_iterable(holm(families)), strict=True))
    assert [found for _, found in flat] == sorted(found for _, found in flat)
    assert all(p <= found <= min(1.0, 6.0 * p) for p, found in flat)


@pytest.mark.parametrize("sharing", [0.0, 0.9])
def test_families_with_true_and_false_hypotheses_are_wrong_as_seldom_as_promised(sharing: float) -> None:
    rng = np.random.default_rng(41)
    wrong, repeats = 0, 1_500
    for _ in range(repeats):
        noise = math.sqrt(sharing) * rng.normal() + math.sqrt(1.0 - sharing) * rng.normal(size=(4, 3))
        noise[0] += 6.0  # a family that is false throughout, and one that is false in part
        noise[1, :2] += 3.0
        own = 2.0 * stats.norm.sf(np.abs(noise))
        within = [[min(1.0, 3.0 * p) for p in family] for family in own.tolist()]
        found = np.array(holm(within))
        wrong += bool((found[2:] <= 0.05).any() or found[1, 2] <= 0.05)
    assert wrong <= stats.binom.ppf(0.999, repeats, 0.05)
    assert sharing or wrong >= stats.binom.ppf(0.001, repeats, 0.02)


def test_the_best_set_of_two_models_is_one_test() -> None:
    for score in (0.5, 1.9, 2.0, 3.0):
        p, kept = best_set([0.0, 2.0 * score], np.array([[0.0, 0.0], [0.0, 4.0]]), 0.95, 1)
        wanted = 2.0 * float(stats.norm.sf(score))
        assert p[0] == 1.0
        assert p[1] == pytest.approx(wanted, abs=4.0 * math.sqrt(wanted / DRAWS) + 1e-4)
        assert kept == ([0, 1] if p[1] > 0.05 else [0])


def test_the_best_set_does_not_depend_on_what_differences_are_taken_from() -> None:
    rng = np.random.default_rng(42)
    factors = rng.normal(size=(5, 3))
    whole = factors @ factors.T + np.eye(5)
    costs = np.array([0.0, 0.5, 2.0, 4.0, 8.0])
    by_base = []
    for base in range(5):
        to = np.eye(5)
        to[:, base] -= 1.0
        by_base.append(best_set(list(costs - costs[base]), to @ whole @ to.T, 0.9, 7)[0])
    for found in by_base[1:]:
        assert found == pytest.approx(by_base[0], abs=0.02)
    assert by_base[0] == sorted(by_base[0], reverse=True)


def test_a_model_that_is_in_the_set_twice_costs_nothing() -> None:
    rng = np.random.default_rng(43)
    factors = rng.normal(size=(4, 3))
    whole = factors @ factors.T + np.eye(4)
    at = np.array([0, 1, 2, 3, 1, 3])
    costs = np.array([0.0, 1.0, 2.5, 3.0])
    alone, _ = best_set(list(costs), whole, 0.95, 1)
    found, _ = best_set(list(costs[at]), whole[np.ix_(at, at)], 0.95, 1)
    for place, model in enumerate(at):
        assert found[place] == pytest.approx(alone[model], abs=0.02)


# order statistics -------------------------------------------------------------------------------------------------


def ranks_by_search(n: int, q: Fraction, level: Fraction) -> tuple[int, int] | None:
    """Return the ranks (from 1) between which a quantile lies, each side missing it with at most half of the rest."""
    mass = [math.comb(n, k) * q**k * (1 - q) ** (n - k) for k in range(n + 1)]
    side = (1 - level) / 2
    low = max((rank for rank in range(1, n + 1) if sum(mass[:rank]) <= side), default=None)
    high = min((rank for rank in range(1, n + 1) if sum(mass[rank:]) <= side), default=None)
    return None if low is None or high is None else (low, high)


@pytest.mark.parametrize("q", ["1/2", "1/10", "3/4"])
@pytest.mark.parametrize("level", ["95/100", "9/10", "99/100"])
def test_intervals_from_order_statistics_are_those_of_a_search(q: str, level: str) -> None:
    share, promised = Fraction(q), Fraction(level)
    for n in [*range(1, 40), 77, 120]:
        sample = np.stack([np.arange(1.0, n + 1), np.ones(n)])
        found = order_interval(sample, float(share), float(promised))
        wanted = ranks_by_search(n, share, promised)
        assert found == (None if wanted is None else tuple(map(float, wanted))), n
        if wanted is not None:
            low, high = wanted
            mass = [math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(n + 1)]
            assert sum(mass[low:high]) >= promised  # the quantile lies between: low to high - 1 rows are below it
            assert low == n or sum(mass[: low + 1]) > (1 - promised) / 2  # and no end can be moved inwards
            assert high == 1 or sum(mass[high - 1 :]) > (1 - promised) / 2


@pytest.mark.parametrize("n", [10**4, 10**6])
def test_order_statistics_of_many_rows_agree_with_scipy(n: int) -> None:
    sample = np.stack([np.arange(1.0, n + 1), np.full(n, 0.3)])
    for q in (0.5, 0.01, 0.999):
        found = order_interval(sample, q, 0.95)
        law = stats.binom(n, q)
        low = int(law.ppf(0.025))
        low -= law.cdf(low - 1) > 0.025
        high = int(law.isf(0.025)) + 1
        assert found == (float(low), float(high))


@pytest.mark.parametrize("related", [False, True])
def test_weighted_order_statistics_cover_as_often_as_they_say(related: bool) -> None:
    rng = np.random.default_rng(44)
    hits, repeats, n = 0, 600, 150
    # weights that grow with the value move the weighted median to where the weighted law has its half
    values = np.sort(rng.exponential(size=400_000))
    reached = np.cumsum(0.5 + values) if related else np.arange(1.0, 400_001)
    truth = float(values[np.searchsorted(reached, 0.5 * reached[-1])])
    for _ in range(repeats):
        sample = np.sort(rng.exponential(size=n))
        weights = 0.5 + sample if related else rng.gamma(3.0, 1.0, n)
        found = order_interval(np.stack([sample, weights]), 0.5, 0.95)
        assert found is not None
        hits += found[0] <= truth <= found[1]
    assert stats.binom.ppf(0.001, repeats, 0.93) <= hits <= stats.binom.ppf(0.999, repeats, 0.97)


def test_weights_that_reach_no_further_than_the_sample_give_no_interval() -> None:
    assert order_interval(np.array([[1.0, 2.0, 3.0], [1.0, 5.0, 1.0]]), 0.5, 0.95) is None
    assert order_interval(np.array([[1.0], [2.0]]), 0.5, 0.95) is None


def test_a_standard_error_of_medians_leaves_no_trace_of_the_order_of_rows() -> None:
    rng = np.random.default_rng(45)
    for weights in (np.ones(5_000), rng.gamma(2.0, 1.0, 5_000)):
        shared = rng.normal(size=5_000)
        base, own = (np.abs(shared + 0.3 * rng.normal(size=5_000)) for _ in range(2))
        found = set()
        for _ in range(20):
            order = rng.permutation(5_000)
            found.add(paired_stderr(base[order], own[order], weights[order], (0.7, 0.71), (0.04, 0.05), 0.95))
        assert len(found) == 1


def test_medians_of_the_same_rows_are_as_correlated_as_their_events() -> None:
    rng = np.random.default_rng(46)
    base, own = rng.normal(size=(2, 4_000))
    own = 0.8 * base + 0.6 * own
    z = float(stats.norm.ppf(0.975))
    centres = float(np.median(base)), float(np.median(own))
    rho = float(np.corrcoef(base <= centres[0], own <= centres[1])[0, 1])
    found = paired_stderr(base, own, np.ones(4_000), centres, (0.2, 0.3), 0.95)
    left, right = 0.1 / z, 0.15 / z
    assert found == pytest.approx(math.sqrt(left**2 + right**2 - 2.0 * rho * left * right), rel=1e-12)
    assert paired_stderr(base, base, np.ones(4_000), centres[:1] * 2, (0.2, 0.2), 0.95) == pytest.approx(0.0, abs=1e-9)


# spreads ----------------------------------------------------------------------------------------------------------


def lines_of(n: int, weighted: bool) -> tuple[Values, Values]:
    """Return a weight and three quantities, as they are, and times the weight with the weight itself first."""
    rng = np.random.default_rng(47)
    weight = rng.gamma(2.0, 1.0, n) if weighted else np.ones(n)
    plain = rng.normal(size=(3, n)) + rng.normal(size=n)
    return weight, np.concatenate([[weight], plain * weight]) if weighted else plain


def scores_of(lines: Values, weight: Values, contrast: Mapping[int, float], weighted: bool) -> Values:
    rows = sum(slope * (lines[i] - weight * lines[i].sum() / weight.sum()) for i, slope in contrast.items())
    assert isinstance(rows, np.ndarray)
    return rows / weight.mean() if weighted else rows


@pytest.mark.parametrize("weighted", [False, True])
def test_spreads_are_those_of_scores_whatever_is_assumed(weighted: bool) -> None:
    n = 400
    weight, lines = lines_of(n, weighted)
    at = int(weighted)
    contrasts = [{at: 1.0}, {at: -0.5, at + 1: 2.0}, {at + 1: 1.0, at + 2: -1.0}]
    scores = np.stack([scores_of(lines, weight, contrast, weighted) for contrast in contrasts])
    pairs = tuple((i, j) for i in range(len(lines)) for j in range(i, len(lines)))
    rows = IndependentRows(moments_of(lines, pairs, np.arange(n)), weighted).spread(contrasts, 2)
    clusters = np.arange(n) % 37
    sums = np.stack([np.bincount(clusters, line).astype(float) for line in lines])
    counts = np.bincount(clusters).astype(float)
    grouped = Clusters((sums, np.zeros_like(sums)), counts, weighted).spread(contrasts, 2)
    series = Series(lines, 3, weighted).spread(contrasts, 2)
    assert not isinstance(rows, str)
    assert not isinstance(grouped, str)
    assert not isinstance(series, str)

    def hold(found: Spread, covariance: Values, freedom: int, units: int) -> None:
        np.testing.assert_allclose(found.stderrs, np.sqrt(np.diag(covariance)), rtol=1e-11)
        wanted = covariance / np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
        np.testing.assert_allclose(found.correlation, wanted[:2, :2], rtol=1e-10)
        assert (found.freedom, found.units, found.law) == (freedom, units, "t")

    hold(rows, scores @ scores.T / (n * (n - 1)), round(weight.sum() ** 2 / (weight**2).sum()) - 1, n)
    sizes = np.bincount(clusters, weight) / weight.sum()
    levered = np.stack([np.bincount(clusters, line) / (1.0 - sizes) / n for line in scores])
    hold(grouped, 36 / 37 * levered @ levered.T, 36, 37)
    assert grouped.skews == pytest.approx(stats.skew(levered, axis=1), rel=1e-10)
    whole = scores @ scores.T
    for k in range(1, 9):
        shared = scores[:, k:] @ scores[:, :-k].T
        whole += (1.0 - k / 9.0) * (shared + shared.T)
    hold(series, whole / n**2 / ((n + 1 - 6 + 6 / n) / n), n - 1, n)


def test_a_normal_law_has_no_degrees_of_freedom() -> None:
    _, lines = lines_of(50, False)
    counts = np.ones(50)
    pairs = tuple((i, j) for i in range(3) for j in range(i, 3))
    for inference in (
        IndependentRows(moments_of(lines, pairs, np.arange(50)), False, normal=True),
        Clusters((lines, np.zeros_like(lines)), counts, False, normal=True),
        Series(lines, 1, False, normal=True),
    ):
        spread = inference.spread([{0: 1.0}], 1)
        assert not isinstance(spread, str)
        assert (spread.freedom, spread.law) == (None, "normal")
        assert spread.tail(2.0) == pytest.approx(2.0 * float(stats.norm.sf(2.0)), rel=1e-12)
        assert spread.quantile(0.9) == pytest.approx(float(stats.norm.ppf(0.95)), rel=1e-12)


@pytest.mark.parametrize("steps", [1, 2, 7, 8, 9, 26, 27, 28, 63, 64, 65, 10**6, 10**6 + 1, 10**9])
def test_lags_are_the_third_root_rounded_up(steps: int) -> None:
    for horizon in (1, 2, 12, 10_000):
        third = next(k for k in range(1_001) if k**3 >= steps)
        assert lags_for(steps, horizon) == max(horizon - 1, third)


@pytest.mark.parametrize("scale", [1e-250, 1.0, 1e250])
def test_spreads_do_not_leave_the_range_of_floats(scale: float) -> None:
    _, lines = lines_of(60, False)
    sums, counts = lines[:, :30] + lines[:, 30:], np.full(30, 2.0)

    def spreads(by: float) -> list[Spread]:
        clusters, series = Clusters((sums * by, np.zeros_like(sums)), counts, False), Series(lines * by, 1, False)
        found = [inference.spread([{0: 1.0, 1: -1.0}, {2: 1.0}], 2) for inference in (clusters, series)]
        return [spread for spread in found if not isinstance(spread, str)]

    for plain, scaled in zip(spreads(1.0), spreads(scale), strict=True):
        np.testing.assert_allclose(scaled.stderrs / scale, plain.stderrs, rtol=1e-12)
        np.testing.assert_allclose(scaled.correlation, plain.correlation, rtol=1e-12)
    assert len(spreads(scale)) == 2
    assert autocorrelation(lines[0] * scale) == pytest.approx(autocorrelation(lines[0]), rel=1e-12)


def test_an_autocorrelation_is_that_of_statsmodels() -> None:
    from statsmodels.tsa.stattools import acf

    rows = np.cumsum(np.random.default_rng(48).normal(size=300))
    assert autocorrelation(rows) == pytest.approx(float(acf(rows, nlags=1)[1]), rel=1e-12)
    assert autocorrelation(np.full(5, 0.1)) == 0.0


# replicates -------------------------------------------------------------------------------------------------------


def test_p_values_of_replicates_count_those_beyond_zero_and_one_more() -> None:
    values = np.concatenate([np.full(990, 2.0), np.full(9, -1.0)])
    assert estimate_module.two_sided(values) == pytest.approx(2.0 * 10 / 1000)
    assert estimate_module.two_sided(-values) == estimate_module.two_sided(values)
    assert estimate_module.two_sided(np.full(99, 3.0)) == pytest.approx(2.0 / 100)
    assert estimate_module.two_sided(np.array([-1.0, 1.0])) == 1.0
    assert estimate_module.two_sided(np.zeros(9)) == 1.0


def test_replicates_without_a_value_or_a_spread_tell_nothing() -> None:
    values = np.arange(100.0)
    found = estimate_module.percentiles(50.0, values, 0.9)
    assert found.interval == pytest.approx(tuple(np.percentile(values, [5.0, 95.0])))
    assert found.stderr == pytest.approx(float(np.std(values, ddof=1)))
    assert found.method == "bootstrap"
    broken = values.copy()
    broken[[3, 7]] = np.nan, np.inf
    found = estimate_module.percentiles(50.0, broken, 0.9)
    assert (found.stderr, found.interval, found.why) == (None, None, "2 of 100 bootstrap replicates have no value")
    found = estimate_module.percentiles(50.0, np.full(100, 50.0), 0.9)
    assert (found.stderr, found.interval, found.why) == (0.0, None, "the rows show no spread")


# sums of absolute means ----------------------------------------------------------------------------------------------


def test_the_interval_of_a_calibration_error_reaches_down_to_what_is_no_noise() -> None:
    """Of a calibrated model the estimate is above 0, and the truth is 0."""
    rng = np.random.default_rng(16)
    held = 0
    for _ in range(60):
        p = rng.beta(1.2, 1.2, 300)
        (cell,) = lossctl.evaluate({"y": rng.random(300) < p, "p": p}, target="y", pred="p", losses="ece").cells
        assert cell.interval is not None
        assert cell.method == "folded-t"
        assert cell.interval[0] <= cell.value <= cell.interval[1]
        held += cell.interval[0] == 0.0
    assert held >= 55


def test_the_interval_of_a_calibration_error_is_where_noise_folds_it_to() -> None:
    """Three bins: where the truth is an end, the estimate is reached or exceeded in 2.5 % of the draws."""
    rng = np.random.default_rng(19)
    sizes, errors = np.array([0.05, 0.02, 0.1]), np.array([0.02, 0.03, 0.025])
    draws = np.abs(sizes + errors * rng.standard_normal((400_000, 3))).sum(axis=1)
    low, high = (float(end[0]) for end in folded.interval(sizes[:, None], errors[:, None], 1.96))
    for end, above in ((low, 0.025), (high, 0.975)):
        truth = sizes * end / sizes.sum()
        drawn = np.abs(truth + errors * rng.standard_normal((400_000, 3))).sum(axis=1)
        assert np.mean(drawn >= sizes.sum()) == pytest.approx(above, abs=0.01)
    truth = sizes * 0.8
    drawn = np.abs(truth + errors * rng.standard_normal((400_000, 3))).sum(axis=1)
    assert draws.mean() > sizes.sum()
    assert math.sqrt(folded._moments(truth[:, None], errors[:, None])[1][0]) == pytest.approx(drawn.std(), rel=0.01)


def test_a_slice_has_the_calibration_interval_that_it_has_alone() -> None:
    rng = np.random.default_rng(17)
    p, g = rng.beta(1.2, 1.2, 400), np.repeat(["a", "b"], 200)
    data = {"y": rng.random(400) < p**2, "p": p, "w": rng.uniform(0.5, 2.0, 400)}
    for weight in (None, "w"):
        cells = lossctl.evaluate({**data, "g": g}, target="y", pred="p", losses="ece", by="g", weight=weight).cells
        alone = {name: column[:200] for name, column in data.items()}
        (cell,) = lossctl.evaluate(alone, target="y", pred="p", losses="ece", weight=weight).cells
        assert cells[1].interval == pytest.approx(cell.interval, rel=1e-11)
