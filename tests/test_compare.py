"""Differences between models on the same rows, against SciPy, statsmodels and formulas written out in NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy import stats
from statsmodels.tsa.stattools import diebold_mariano_test

import lossctl
from lossctl import DataError, Report, UsageError
from lossctl.api.compare import weigh
from lossctl.results.report import Comparison

Values = NDArray[Any]
Data = Mapping[str, Values]


def report(data: object, losses: object = "mse", **question: Any) -> Report:
    """Compare models a and b unless the question says otherwise."""
    return lossctl.compare(data, **{"target": "y", "pred": ["a", "b"], "losses": losses, **question})


def differences(data: object, losses: object = "mse", **question: Any) -> list[Comparison]:
    return list(report(data, losses, **question).comparisons)


def difference(data: object, loss: str = "mse", **question: Any) -> Comparison:
    """Return the one difference of one loss over all rows."""
    (found,) = differences(data, loss, **question)
    return found


def rows_of(loss: str, data: Data, model: str) -> Values:
    return lossctl.get(loss).each(target=data["y"], pred=data[model])


def apart(loss: str, data: Data, base: str = "a", own: str = "b") -> Values:
    """Return the difference of two models in every row."""
    return rows_of(loss, data, own) - rows_of(loss, data, base)


def part(data: Data, keep: Values) -> dict[str, Values]:
    return {name: column[keep] for name, column in data.items()}


def drawn(shape: str, n: int, seed: int, offset: float = 0.0) -> dict[str, Values]:
    """Draw a target and two predictions, three slices, clusters of unlike sizes and weights, some of them zero."""
    rng = np.random.default_rng([seed, n])
    target = rng.normal(3.0, 2.0, n) + offset
    shared = rng.normal(0.0, 1.0, n)
    noise: Callable[[], Values] = {
        "normal": lambda: rng.normal(0.1, 1.0, n),
        "heavy": lambda: rng.standard_t(4, n),
        "skewed": lambda: rng.lognormal(0.0, 0.7, n),
        "scales": lambda: rng.normal(0.0, 1.0, n) * 10.0 ** rng.integers(-2, 2, n),
    }[shape]
    weight = rng.gamma(2.0, 1.0, n)
    weight[5::7] = 0.0
    return {
        "y": target,
        "a": target + shared + noise(),
        "b": target + 0.9 * shared + noise(),
        "c": target - 0.5 * shared + noise(),
        "w": weight,
        "g": np.array(["east", "south", "west"])[rng.integers(0, 3, n)],
        "user": np.sort(rng.integers(0, max(n // 8, 2), n) ** 2 // max(n // 8, 2)),
    }


def flagged(n: int, seed: int) -> dict[str, Values]:
    """Draw a binary target and three models' probabilities."""
    rng = np.random.default_rng([seed, n])
    score = rng.normal(0.0, 1.5, n)
    found = {"y": (rng.random(n) < 1.0 / (1.0 + np.exp(-score))).astype(float)}
    for model in "abc":
        found[model] = np.clip(1.0 / (1.0 + np.exp(-score - rng.normal(0.0, 0.7, n))), 1e-6, 1.0 - 1e-6)
    return {**found, "w": rng.gamma(2.0, 1.0, n), "g": np.array(["u", "v"])[rng.integers(0, 2, n)]}


def held(
    found: Comparison,
    value: float,
    stderr: float,
    freedom: float | None,
    *,
    level: float = 0.95,
    rel: float = 1e-12,
    p: bool = True,
) -> None:
    """Hold a difference to its value and standard error, and to the interval and p-value of their law.

    The standard error is held to `rel`; the difference too, or to the last digit of the values that it is one of; the
    interval to as much as its width and place allow; p-values to 1e-9, as they magnify.
    """
    size = max(abs(found.value), abs(found.baseline_value))
    assert found.difference == pytest.approx(value, rel=rel, abs=4e-16 * size)
    assert found.relative == pytest.approx(value / abs(found.baseline_value), rel=rel, abs=4e-16)
    assert found.stderr == pytest.approx(stderr, rel=rel)
    law = stats.norm if freedom is None else stats.t(freedom)
    reach = float(law.ppf(0.5 + 0.5 * level)) * stderr
    assert found.interval is not None
    assert found.interval == pytest.approx((value - reach, value + reach), abs=1e-11 * (reach + abs(value)))
    assert found.level == level
    assert found.method == ("normal" if freedom is None else "t")
    if p:
        assert found.p == pytest.approx(2.0 * float(law.sf(abs(value) / stderr)), rel=1e-9, abs=1e-300)


def undecided(found: Comparison, why: str) -> None:
    """Hold a comparison to no verdict and no interval, for a reason."""
    assert (found.verdict, found.interval, found.p, found.adjusted) == ("undecided", None, None, None)
    assert (found.level, found.method) == (None, None)
    assert found.reason == why


# means: the paired t-test ----------------------------------------------------------------------------------------

MEANS = ["mse", "mae", "huber:delta=0.5", "quantile:q=0.9", "log_cosh"]


@pytest.mark.parametrize("shape", ["normal", "heavy", "skewed", "scales"])
@pytest.mark.parametrize("n", [2, 3, 8, 60, 1_000, 70_001])
def test_a_difference_of_means_is_the_paired_t_test(shape: str, n: int) -> None:
    data = drawn(shape, n, 1)
    for loss, found in zip(MEANS, differences(data, MEANS), strict=True):
        wanted = stats.ttest_rel(rows_of(loss, data, "b"), rows_of(loss, data, "a"))
        assert found.p == pytest.approx(wanted.pvalue, rel=1e-11)
        low, high = wanted.confidence_interval(0.95)
        assert found.interval == pytest.approx((low, high), abs=1e-12 * (high - low))
        held(found, float(np.mean(apart(loss, data))), float(stats.sem(apart(loss, data))), n - 1)
        assert (found.rows, found.clusters, found.loss) == (n, None, loss)


@pytest.mark.parametrize("loss", ["bce", "brier", "focal", "zero_one"])
@pytest.mark.parametrize("n", [50, 2_000])
def test_differences_of_probability_losses_are_paired_too(loss: str, n: int) -> None:
    data = flagged(n, 2)
    rows = apart(loss, data)
    held(difference(data, loss), float(rows.mean()), float(stats.sem(rows)), n - 1)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99, 0.999])
def test_the_level_moves_the_interval_and_the_verdict_alone(level: float) -> None:
    data = drawn("normal", 300, 3)
    usual, found = difference(data), difference(data, ci=level)
    held(found, usual.difference, float(stats.sem(apart("mse", data))), 299, level=level)
    assert (found.p, found.stderr, found.skew) == (usual.p, usual.stderr, usual.skew)
    assert found.p is not None
    assert found.verdict == ("undecided" if found.p > 1.0 - level else "better" if found.difference < 0 else "worse")


@pytest.mark.parametrize("n", [8, 300])
def test_the_normal_law_takes_the_place_of_students(n: int) -> None:
    data = drawn("normal", n, 4)
    rows = apart("mae", data)
    found = report(data, "mae", ci_method="normal")
    held(found.comparisons[0], float(rows.mean()), float(stats.sem(rows)), None)
    for cell in found.cells:
        mine = rows_of("mae", data, cell.model)
        reach = float(stats.norm.ppf(0.975)) * float(stats.sem(mine))
        assert cell.interval == pytest.approx((mine.mean() - reach, mine.mean() + reach), rel=1e-12)
        assert cell.method == "normal"


def test_the_normal_law_of_a_root_is_taken_on_its_logarithm() -> None:
    data = drawn("normal", 50, 5)
    for cell in report(data, "rmse", ci_method="normal").cells:
        squares = rows_of("mse", data, cell.model)
        stderr = float(stats.sem(squares)) / (2.0 * cell.value)
        factor = math.exp(float(stats.norm.ppf(0.975)) * stderr / cell.value)
        assert cell.method == "log-normal"
        assert cell.interval == pytest.approx((cell.value / factor, cell.value * factor), rel=1e-12)


def test_t_is_what_auto_takes() -> None:
    data = drawn("heavy", 200, 6)
    for losses in (["mse", "rmse", "r2", "mbe"], ["median_absolute_error"]):
        assert differences(data, losses, ci_method="t") == differences(data, losses)
        assert report(data, losses, ci_method="t").cells == report(data, losses).cells


@pytest.mark.parametrize("by", ["g", "g,half"])
def test_a_slice_is_compared_as_its_rows_alone_would_be(by: str) -> None:
    data = drawn("heavy", 3_000, 7)
    data["half"] = np.arange(3_000) % 7
    found = differences(data, ["mse", "rmse"], by=by)
    assert len(found) in (8, 2 + 2 * 21)
    for one in found[2:]:
        keep = np.logical_and.reduce([data[name].astype(str) == word for name, word in one.slice.items()])
        alone = difference(part(data, keep), one.loss)
        assert (one.rows, one.clusters) == (alone.rows, None)
        assert one.difference == pytest.approx(alone.difference, rel=1e-12)
        assert one.stderr == pytest.approx(alone.stderr, rel=1e-11)
        assert one.p == pytest.approx(alone.p, rel=1e-9)
        assert one.skew == pytest.approx(alone.skew, rel=1e-9)


def test_each_couple_of_several_models_is_compared_as_if_alone() -> None:
    data = drawn("normal", 400, 8)
    found = differences(data, ["mse", "r2"], pred=["a", "b", "c"], baseline="b", all_pairs=True)
    assert [(one.baseline, one.candidate) for one in found] == [("b", "a"), ("b", "c"), ("a", "c")] * 2
    for one in found:
        alone = difference(data, one.loss, pred=[one.baseline, one.candidate])
        assert one.difference == alone.difference
        assert one.stderr == pytest.approx(alone.stderr, rel=1e-13)
        assert one.interval == pytest.approx(alone.interval, rel=1e-12)
        assert one.p == pytest.approx(alone.p, rel=1e-10)


def test_a_baseline_that_comes_last_changes_signs_alone() -> None:
    data = drawn("skewed", 400, 9)
    for there, back in zip(
        differences(data, ["mse", "rmse", "r2"]), differences(data, ["mse", "rmse", "r2"], baseline="b"), strict=True
    ):
        assert (back.baseline, back.candidate) == ("b", "a")
        assert (there.difference, there.value) == (-back.difference, back.baseline_value)
        assert there.stderr == pytest.approx(back.stderr, rel=1e-12)
        assert there.p == pytest.approx(back.p, rel=1e-9)
        assert {there.verdict, back.verdict} in ({"better", "worse"}, {"undecided"})


# weights: the ratio form -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["mse", "mae", "quantile:q=0.2"])
@pytest.mark.parametrize("n", [20, 2_000])
def test_a_weighted_difference_is_cochrans_ratio(loss: str, n: int) -> None:
    data = drawn("skewed", n, 10)
    live = part(data, data["w"] > 0.0)
    rows, w, rest = apart(loss, live), live["w"], int((data["w"] > 0.0).sum())
    value = float(np.sum(w * rows) / np.sum(w))
    (s_aa, s_ab), (_, s_bb) = np.cov(w * rows, w)
    variance = (s_aa - 2.0 * value * s_ab + value**2 * s_bb) / (rest * w.mean() ** 2)
    held(difference(data, loss, weight="w"), value, math.sqrt(variance), rest - 1, rel=1e-11)


@pytest.mark.parametrize("loss", ["mse", "mae"])
def test_a_weighted_difference_is_weighted_least_squares_with_robust_errors(loss: str) -> None:
    data = part(drawn("heavy", 500, 11), drawn("heavy", 500, 11)["w"] > 0.0)
    rows, n = apart(loss, data), len(data["y"])
    fit = sm.WLS(rows, np.ones(n), weights=data["w"]).fit(cov_type="HC0")
    held(difference(data, loss, weight="w"), float(fit.params[0]), float(fit.bse[0]) * math.sqrt(n / (n - 1)), n - 1)


@pytest.mark.parametrize("loss", ["mse", "rmse", "r2", "mbe"])
@pytest.mark.parametrize("by", [None, "g"])
def test_rows_of_zero_weight_are_as_good_as_absent(loss: str, by: str | None) -> None:
    data = drawn("normal", 300, 12)
    for found, wanted in zip(
        differences(data, loss, weight="w", by=by),
        differences(part(data, data["w"] > 0.0), loss, weight="w", by=by),
        strict=True,
    ):
        assert found.difference == pytest.approx(wanted.difference, rel=1e-12)
        assert found.stderr == pytest.approx(wanted.stderr, rel=1e-11)
        assert found.interval == pytest.approx(wanted.interval, rel=1e-11)
        assert (found.skew is None) == (wanted.skew is None)
        assert found.skew is None or found.skew == pytest.approx(wanted.skew, rel=1e-9)


# functions of means: the delta method, written out ----------------------------------------------------------------


def quantities(loss: str, y: Values, p: Values) -> list[Values]:
    """Return the per-row quantities that a loss is a function of the means of."""
    if loss == "rmse":
        return [(p - y) ** 2]
    if loss == "r2":
        centred = y - y.mean()
        return [(p - y) ** 2, centred, centred**2]
    if loss == "wape":
        return [np.abs(p - y), np.abs(y)]
    assert loss == "gan_discriminator"
    real, generated = y == 1.0, y == 0.0
    return [np.where(real, -np.log(p), 0.0), real * 1.0, np.where(generated, -np.log1p(-p), 0.0), generated * 1.0]


def value_and_slopes(loss: str, m: Sequence[float]) -> tuple[float, list[float]]:
    """Return the function of means and its derivatives."""
    if loss == "rmse":
        return math.sqrt(m[0]), [0.5 / math.sqrt(m[0])]
    if loss == "r2":
        spread = m[2] - m[1] ** 2
        return 1.0 - m[0] / spread, [-1.0 / spread, -2.0 * m[0] * m[1] / spread**2, m[0] / spread**2]
    if loss == "wape":
        return m[0] / m[1], [1.0 / m[1], -m[0] / m[1] ** 2]
    return m[0] / m[1] + m[2] / m[3], [1.0 / m[1], -m[0] / m[1] ** 2, 1.0 / m[3], -m[2] / m[3] ** 2]


def delta(loss: str, data: Data, weight: Values | None = None, base: str = "a", own: str = "b") -> tuple[float, float]:
    """Return a difference and its standard error, from the covariance of both models' quantities and the weight."""
    y, n = data["y"], len(data["y"])
    w = np.ones(n) if weight is None else weight
    lines, gradient, total = [w], [0.0], 0.0
    for model, sign in ((own, 1.0), (base, -1.0)):
        mine = quantities(loss, y, data[model])
        m = [float(np.mean(w * line) / np.mean(w)) for line in mine]
        value, slopes = value_and_slopes(loss, m)
        total += sign * value
        lines += [w * line for line in mine]
        gradient += [sign * slope / float(w.mean()) for slope in slopes]
        gradient[0] -= sign * float(np.dot(slopes, m)) / float(w.mean())
    g = np.array(gradient)
    return total, math.sqrt(float(g @ np.cov(np.stack(lines)) @ g) / n)


@pytest.mark.parametrize("weight", [None, "w"])
@pytest.mark.parametrize("loss", ["rmse", "r2", "wape", "gan_discriminator"])
@pytest.mark.parametrize("n", [30, 1_500])
def test_a_difference_of_functions_is_the_delta_method(loss: str, weight: str | None, n: int) -> None:
    data: Data = flagged(n, 13) if loss == "gan_discriminator" else drawn("heavy", n, 13)
    data = part(data, data["w"] > 0.0)
    value, stderr = delta(loss, data, data["w"] if weight else None)
    held(difference(data, loss, weight=weight), value, stderr, len(data["y"]) - 1, rel=1e-10)


@pytest.mark.parametrize("weight", [None, "w"])
@pytest.mark.parametrize("loss", ["rmse", "r2", "wape"])
def test_the_delta_method_holds_in_every_slice_for_every_couple(loss: str, weight: str | None) -> None:
    data = drawn("heavy", 700, 14)
    data = part(data, data["w"] > 0.0)
    shifted = {**data, **{name: data[name] + np.where(data["g"] == "west", 1e4, 0.0) for name in "yabc"}}
    found = differences(shifted, loss, pred=["a", "b", "c"], all_pairs=True, by="g", weight=weight)
    assert len(found) == 4 * 3
    for one in found:
        mine = part(shifted, np.isin(shifted["g"], one.slice.get("g", shifted["g"])))
        value, stderr = delta(loss, mine, mine["w"] if weight else None, one.baseline, one.candidate)
        assert one.difference == pytest.approx(value, rel=1e-7)
        assert one.stderr == pytest.approx(stderr, rel=1e-7)


def test_a_root_is_as_significant_as_its_square_nearly() -> None:
    data = drawn("normal", 5_000, 15)
    square, root = differences(data, ["mse", "rmse"])
    assert square.stderr is not None
    assert root.stderr is not None
    assert square.difference / square.stderr == pytest.approx(root.difference / root.stderr, rel=0.02)


# skewness ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["mse", "mae", "mbe"])
@pytest.mark.parametrize("shape", ["heavy", "skewed"])
@pytest.mark.parametrize("n", [4, 900, 70_001])
def test_the_skewness_is_that_of_the_row_differences(loss: str, shape: str, n: int) -> None:
    data = drawn(shape, n, 16)
    for found in differences(data, loss, by="g"):
        mine = apart(loss, part(data, np.isin(data["g"], found.slice.get("g", data["g"]))))
        if len(mine) > 2:
            assert found.skew == pytest.approx(float(stats.skew(mine)), rel=1e-9, abs=1e-12)


def test_a_root_has_the_skewness_of_its_square() -> None:
    data = drawn("skewed", 300, 17)
    square, root = differences(data, ["mse", "rmse"])
    assert square.skew == root.skew is not None


@pytest.mark.parametrize("by", [None, "g"])
def test_weighted_the_skewness_is_that_of_weight_times_difference(by: str | None) -> None:
    data = drawn("skewed", 900, 18)
    for found in differences(data, "mae", weight="w", by=by):
        mine = part(data, np.isin(data["g"], found.slice.get("g", data["g"])) & (data["w"] > 0.0))
        assert found.skew == pytest.approx(float(stats.skew(mine["w"] * apart("mae", mine))), rel=1e-9)


@pytest.mark.parametrize("loss", ["r2", "wape", "median_absolute_error"])
def test_what_is_no_mean_has_no_skewness(loss: str) -> None:
    assert difference(drawn("skewed", 300, 19), loss).skew is None


# directions -------------------------------------------------------------------------------------------------------


def test_a_larger_score_is_better_and_a_larger_loss_worse() -> None:
    rng = np.random.default_rng(20)
    y = rng.normal(size=500)
    data = {"y": y, "a": y + rng.normal(0.0, 0.5, 500), "b": y + rng.normal(0.0, 1.0, 500)}
    square, score = differences(data, ["mse", "r2"])
    assert (square.verdict, score.verdict) == ("worse", "worse")
    assert square.difference > 0.0 > score.difference
    square, score = differences(data, ["mse", "r2"], baseline="b")
    assert (square.verdict, score.verdict) == ("better", "better")
    assert square.difference < 0.0 < score.difference


@pytest.mark.parametrize("weight", [None, "w"])
@pytest.mark.parametrize("shifts", [(0.5, 0.1), (0.5, -0.1), (-0.5, 0.1), (-0.1, -0.5), (0.02, -0.01), (0.3, -0.3)])
def test_signed_values_are_compared_by_their_size(shifts: tuple[float, float], weight: str | None) -> None:
    rng = np.random.default_rng(21)
    n = 400
    y = rng.normal(size=n)
    data = {"y": y, "a": y - shifts[0] + rng.normal(size=n), "b": y - shifts[1] + rng.normal(size=n)}
    data["w"] = rng.gamma(2.0, 1.0, n)
    w = data["w"] if weight else np.ones(n)
    base, own = (data["y"] - data[model] for model in "ab")
    means = [float(np.average(rows, weights=w)) for rows in (base, own)]
    signs = np.sign(means)

    def tested(rows: Values) -> tuple[float, float, float]:
        value = float(np.average(rows, weights=w))
        stderr = math.sqrt(float(np.sum((w * (rows - value)) ** 2)) / (n * (n - 1))) / float(w.mean())
        return value, stderr, 2.0 * float(stats.t.sf(abs(value) / stderr, n - 1))

    value, stderr, p = tested(signs[1] * own - signs[0] * base)
    opposed = tested(signs[1] * own + signs[0] * base)[2]
    found = difference(data, "mbe", weight=weight)
    held(found, value, stderr, n - 1, rel=1e-11, p=False)
    assert found.p == pytest.approx(max(p, opposed), rel=1e-9)
    assert (found.baseline_value, found.value) == pytest.approx(means, rel=1e-12)
    assert found.difference == pytest.approx(abs(means[1]) - abs(means[0]), abs=1e-15)
    if found.verdict != "undecided":
        assert found.verdict == ("better" if abs(means[1]) < abs(means[0]) else "worse")


@pytest.mark.parametrize("bias", [0.0, 0.15, 2.0])
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_biases_of_one_size_are_told_apart_as_seldom_as_promised(bias: float, side: float) -> None:
    rng = np.random.default_rng(22)
    wrong, repeats, n = 0, 200, 60
    for _ in range(repeats):
        shared = rng.normal(size=n)
        data = {"y": np.zeros(n), "a": bias + shared, "b": side * bias + 0.5 * shared + rng.normal(size=n)}
        wrong += difference(data, "mbe", threads=1).verdict != "undecided"
    assert wrong <= stats.binom.ppf(0.999, repeats, 0.05)


# precision --------------------------------------------------------------------------------------------------------


def exact_stderr(columns: Sequence[Sequence[Fraction]], slopes: Sequence[mpmath.mpf]) -> float:
    """Root of the variance of the mean of Σ slope column, in 60 digits."""
    with mpmath.workdps(60):
        lines = [[mpmath.mpf(x.numerator) / x.denominator for x in column] for column in columns]
        rows = [mpmath.fsum(s * x for s, x in zip(slopes, row, strict=True)) for row in zip(*lines, strict=True)]
        n, middle = len(rows), mpmath.fsum(rows) / len(rows)
        return float(mpmath.sqrt(mpmath.fsum((row - middle) ** 2 for row in rows) / (n * (n - 1))))


def nearly_alike(offset: float, n: int = 400) -> dict[str, Values]:
    """Draw two models whose residuals differ by a part in 1e9."""
    rng = np.random.default_rng(23)
    y = rng.normal(3.0, 2.0, n) + offset
    residual = rng.normal(0.0, 1.0, n)
    a = y + residual
    return {"y": y, "a": a, "b": y + (a - y) * (1.0 + 1e-9 * rng.normal(0.3, 1.0, n))}


@pytest.mark.parametrize("sliced", [False, True])
@pytest.mark.parametrize("loss", ["mse", "mae", "mbe"])
def test_models_that_are_nearly_alike_have_an_exact_standard_error(loss: str, sliced: bool) -> None:
    data: dict[str, Values] = {**nearly_alike(0.0), "g": np.full(400, "all")}
    rows = [
        Fraction(own) - Fraction(base)
        for own, base in zip(*(rows_of(loss, data, m).tolist() for m in "ba"), strict=True)
    ]
    found = differences(data, loss, by="g" if sliced else None)[-1]
    with mpmath.workdps(60):
        assert found.stderr == pytest.approx(exact_stderr([rows], [mpmath.mpf(1)]), rel=1e-12)


def function_in_sixty_digits(loss: str, columns: Sequence[Sequence[Fraction]]) -> float:
    """Standard error of a difference of rmse or r2 from both models' squares and the target about an origin."""
    with mpmath.workdps(60):
        means = [sum(column, Fraction(0)) / len(column) for column in columns]
        base, own, *target = (mpmath.mpf(m.numerator) / m.denominator for m in means)
        if loss == "rmse":
            return exact_stderr(columns[:2], [-0.5 / mpmath.sqrt(base), 0.5 / mpmath.sqrt(own)])
        spread = target[1] - target[0] ** 2
        lift = (own - base) / spread**2
        return exact_stderr(columns, [1 / spread, -1 / spread, -2 * target[0] * lift, lift])


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("loss", ["rmse", "r2"])
def test_functions_of_means_keep_nine_digits_of_the_standard_error_of_models_nearly_alike(
    loss: str, offset: float
) -> None:
    data = nearly_alike(offset)
    base, own = (list(map(Fraction, rows_of("mse", data, model).tolist())) for model in "ab")
    centred = [Fraction(x) - Fraction(float(data["y"][0])) for x in data["y"].tolist()]
    wanted = function_in_sixty_digits(loss, [base, own, centred, [x * x for x in centred]])
    assert difference(data, loss).stderr == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("loss", ["mse", "mae", "r2", "rmse"])
def test_an_offset_of_both_costs_no_digits(loss: str) -> None:
    data = drawn("normal", 500, 24, offset=1e6)
    base, own = (list(map(Fraction, rows_of("mae" if loss == "mae" else "mse", data, m).tolist())) for m in "ab")
    centred = [Fraction(x) - Fraction(float(data["y"][0])) for x in data["y"].tolist()]
    if loss in ("mse", "mae"):
        with mpmath.workdps(60):
            wanted = exact_stderr([base, own], [mpmath.mpf(-1), mpmath.mpf(1)])
    else:
        wanted = function_in_sixty_digits(loss, [base, own, centred, [x * x for x in centred]])
    assert difference(data, loss).stderr == pytest.approx(wanted, rel=1e-11)


@pytest.mark.parametrize("loss", ["mse", "mae", "rmse", "r2"])
def test_models_apart_by_a_rounding_alone_are_told_apart_as_seldom_as_promised(loss: str) -> None:
    wrong, repeats, n = 0, 60, 20_000
    for seed in range(repeats):
        rng = np.random.default_rng(seed)
        y = rng.normal(10.0, 2.0, n)
        a = y + rng.normal(size=n)
        b = np.nextafter(a, np.where(rng.random(n) < 0.5, np.inf, -np.inf))
        wrong += difference({"y": y, "a": a, "b": b}, loss, threads=1).verdict != "undecided"
    assert wrong <= stats.binom.ppf(0.999, repeats, 0.05)


# clusters ---------------------------------------------------------------------------------------------------------


def scores(loss: str, data: Data, weight: Values, base: str = "a", own: str = "b") -> Values:
    """Return what each row adds to a difference, about its mean: its own slope of the value, times the weight."""
    if loss in ("mse", "mae"):
        rows = apart(loss, data, base, own)
        return weight * (rows - np.average(rows, weights=weight))
    found = np.zeros(len(weight))
    for model, sign in ((own, 1.0), (base, -1.0)):
        mine = quantities(loss, data["y"], data[model])
        m = [float(np.average(line, weights=weight)) for line in mine]
        for slope, line, mean in zip(value_and_slopes(loss, m)[1], mine, m, strict=True):
            found += sign * slope * weight * (line - mean)
    return found


def by_cluster(rows: Values, clusters: Values) -> Values:
    return np.array([rows[clusters == cluster].sum() for cluster in np.unique(clusters)])


def cr3(rows: Values, weight: Values, clusters: Values) -> float:
    """Root of (G-1)/G Σ (e_g / (W - W_g))²."""
    left = weight.sum() - by_cluster(weight, clusters)
    g = len(left)
    return math.sqrt((g - 1) / g * float(np.sum((by_cluster(rows, clusters) / left) ** 2)))


@pytest.mark.parametrize("weight", [None, "w"])
@pytest.mark.parametrize("loss", ["mse", "mae"])
@pytest.mark.parametrize("n", [40, 900])
def test_clustered_errors_are_the_jackknife_that_leaves_one_cluster_out(loss: str, weight: str | None, n: int) -> None:
    data = drawn("heavy", n, 25)
    data = part(data, data["w"] > 0.0)
    w = data["w"] if weight else np.ones(len(data["y"]))
    names = np.unique(data["user"])
    rows, g = apart(loss, data), len(names)
    whole = float(np.average(rows, weights=w))
    without = [float(np.average(rows[data["user"] != u], weights=w[data["user"] != u])) for u in names]
    stderr = math.sqrt((g - 1) / g * float(np.sum((np.array(without) - whole) ** 2)))
    found = difference(data, loss, cluster="user", weight=weight)
    held(found, whole, stderr, g - 1, rel=1e-11)
    assert found.clusters == g
    assert found.skew == pytest.approx(float(stats.skew(np.array(without) - whole)) * -1.0, rel=1e-8)


@pytest.mark.parametrize("loss", ["mse", "rmse", "r2", "wape"])
@pytest.mark.parametrize("weight", [None, "w"])
def test_clustered_errors_of_functions_take_the_scores_of_clusters(loss: str, weight: str | None) -> None:
    data = drawn("normal", 800, 26)
    data = part(data, data["w"] > 0.0)
    for found in differences(data, loss, cluster="user", weight=weight, by="g", pred=["a", "b", "c"]):
        mine = part(data, np.isin(data["g"], found.slice.get("g", data["g"])))
        w = mine["w"] if weight else np.ones(len(mine["y"]))
        stderr = cr3(scores(loss, mine, w, "a", found.candidate), w, mine["user"])
        assert found.clusters == len(np.unique(mine["user"]))
        held(found, found.difference, stderr, found.clusters - 1, rel=1e-9)


def test_clusters_of_one_size_have_the_errors_of_statsmodels() -> None:
    data = drawn("heavy", 600, 27)
    data["user"] = np.arange(600) % 30
    for loss in ("mse", "mae"):
        fit = sm.OLS(apart(loss, data), np.ones(600)).fit(cov_type="cluster", cov_kwds={"groups": data["user"]})
        held(difference(data, loss, cluster="user"), float(fit.params[0]), float(fit.bse[0]), 29)


def test_without_their_leverage_clustered_errors_are_those_of_statsmodels() -> None:
    data = drawn("heavy", 600, 28)
    ones = np.ones(600)
    rows, clusters = scores("mse", data, ones), data["user"]
    fit = sm.OLS(apart("mse", data), ones).fit(cov_type="cluster", cov_kwds={"groups": clusters})
    sums, sizes = by_cluster(rows, clusters), by_cluster(ones, clusters)
    g = len(sums)
    assert math.sqrt(g / (g - 1) * float(np.sum(sums**2))) / 600 == pytest.approx(float(fit.bse[0]), rel=1e-12)
    levered = sums / (1.0 - sizes / 600)
    stderr = math.sqrt((g - 1) / g * float(np.sum(levered**2))) / 600
    assert difference(data, "mse", cluster="user").stderr == pytest.approx(stderr, rel=1e-12)
    assert sizes.min() != sizes.max()


@pytest.mark.parametrize("weight", [None, "w"])
@pytest.mark.parametrize("loss", ["mse", "rmse"])
def test_values_have_clustered_errors_too(loss: str, weight: str | None) -> None:
    data = drawn("normal", 500, 29)
    data = part(data, data["w"] > 0.0)
    w = data["w"] if weight else np.ones(len(data["y"]))
    for cell in report(data, loss, cluster="user", weight=weight).cells:
        squares = rows_of("mse", data, cell.model)
        slope = 1.0 if loss == "mse" else 0.5 / cell.value
        stderr = cr3(slope * w * (squares - np.average(squares, weights=w)), w, data["user"])
        reach = float(stats.t.ppf(0.975, len(np.unique(data["user"])) - 1)) * stderr
        assert cell.stderr == pytest.approx(stderr, rel=1e-11)
        factor = math.exp(reach / cell.value)
        ends = (cell.value - reach, cell.value + reach) if loss == "mse" else (cell.value / factor, cell.value * factor)
        assert cell.interval == pytest.approx(ends, rel=1e-10)
        assert cell.method == ("t" if loss == "mse" else "log-t")


@pytest.mark.parametrize("loss", ["mse", "rmse", "r2"])
@pytest.mark.parametrize("by", [None, "g"])
def test_a_cluster_for_every_row_is_no_cluster(loss: str, by: str | None) -> None:
    data = {**drawn("heavy", 400, 30), "user": np.arange(400)}
    for found, wanted in zip(
        differences(data, loss, by=by, cluster="user"), differences(data, loss, by=by), strict=True
    ):
        assert found.clusters == wanted.rows
        held(found, wanted.difference, wanted.stderr or 0.0, wanted.rows - 1, rel=1e-10)
        if loss == "mse":
            assert found.skew == pytest.approx(wanted.skew, rel=1e-9)


def test_one_cluster_has_no_spread() -> None:
    data = {**drawn("normal", 50, 31), "user": np.full(50, 3)}
    found = report(data, ["mse", "r2"], cluster="user")
    for one in found.comparisons:
        undecided(one, "there is one cluster only")
    assert [cell.interval_reason for cell in found.cells] == ["there is one cluster only"] * 4


def test_a_slice_may_have_one_cluster_where_others_have_many() -> None:
    data = drawn("normal", 300, 32)
    data["user"] = np.where(data["g"] == "west", 7, data["user"])
    whole, east, south, west = differences(data, "mse", cluster="user", by="g")
    undecided(west, "there is one cluster only")
    assert all(one.interval is not None for one in (whole, east, south))


def test_a_cluster_without_weight_does_not_count() -> None:
    data = drawn("normal", 300, 33)
    data["w"] = np.where(data["user"] < 3, 0.0, data["w"] + 0.1)
    found, wanted = (
        difference(mine, "mse", cluster="user", weight="w") for mine in (data, part(data, data["w"] > 0.0))
    )
    assert found.clusters == wanted.clusters == len(np.unique(data["user"][data["w"] > 0.0]))
    assert found.stderr == pytest.approx(wanted.stderr, rel=1e-12)
    one = {**data, "w": np.where(data["user"] == data["user"][150], 1.0, 0.0)}
    undecided(difference(one, "mse", cluster="user", weight="w"), "there is one cluster only")


def test_few_clusters_are_warned_of() -> None:
    data = drawn("normal", 300, 34)
    data["user"] = np.arange(300) % 29
    assert any("29 clusters" in text for text in report(data, cluster="user").warnings)
    data["user"] = np.arange(300) % 30
    assert not any("clusters" in text for text in report(data, cluster="user").warnings)


def numbers_of(found: Report) -> list[object]:
    """Return everything of a report that a number or a verdict depends on."""
    return [
        *((c.model, c.loss, c.slice, c.value, c.stderr, c.interval, c.signature) for c in found.cells),
        *found.comparisons,
        *found.best_sets,
        found.study,
    ]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the same rows as a dict, a frame, a CSV file, and Parquet files with row groups of several sizes."""
    rng = np.random.default_rng(35)
    data: dict[str, Values] = drawn("heavy", 140_000, 35)
    data["day"] = rng.permutation(140_000)
    data["w"] = data["w"] + 0.01
    folder = tmp_path_factory.mktemp("stored")
    frame = pd.DataFrame(data)
    frame.to_csv(folder / "rows.csv", index=False)
    found: dict[str, Any] = {"dict": data, "frame": frame, "csv": str(folder / "rows.csv")}
    for size in (9_973, 65_536):
        found[f"parquet {size}"] = str(folder / f"rows-{size}.parquet")
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), found[f"parquet {size}"], row_group_size=size)
    return found


MANY = {"pred": ["a", "b", "c"], "all_pairs": True}
QUESTIONS: Mapping[str, Mapping[str, Any]] = {
    "plain": {"losses": ["mse", "r2", "mbe"], "worst": 5, **MANY},
    "slices": {"losses": ["mse", "rmse"], "by": "g", "weight": "w", **MANY},
    "clusters": {"losses": ["mse", "r2"], "cluster": "user", "by": "g", **MANY},
    "series": {"losses": ["mae", "rmse"], "time": "day", "horizon": 3, **MANY},
    "medians": {"losses": ["median_absolute_error"], **MANY},
    "weighted medians": {"losses": ["median_absolute_error"], "weight": "w", **MANY},
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_containers_row_groups_and_threads_leave_no_trace(name: str, stored: Mapping[str, Any]) -> None:
    question = QUESTIONS[name]
    first = report(stored["dict"], threads=1, **question)
    assert any(one.verdict != "undecided" for one in first.comparisons) or "medians" in name
    for container, threads in (("frame", 2), ("csv", 3), ("parquet 9973", 4), ("parquet 65536", 2)):
        found = report(stored[container], threads=threads, **question)
        assert numbers_of(found) == numbers_of(first), (container, threads)
        assert found.worst == first.worst


@pytest.mark.parametrize("name", QUESTIONS)
def test_values_are_those_of_evaluate_to_the_last_bit(name: str, stored: Mapping[str, Any]) -> None:
    question = {key: value for key, value in QUESTIONS[name].items() if key in ("losses", "by", "weight", "pred")}
    alone = lossctl.evaluate(stored["dict"], target="y", **question)
    both = report(stored["dict"], **QUESTIONS[name])
    for cell, wanted in zip(both.cells, alone.cells, strict=True):
        if both.study is not None and both.study.assumption == "iid rows":
            assert cell == wanted  # standard errors and intervals too
        else:
            assert (cell.model, cell.loss, cell.slice, cell.value) == (
                wanted.model,
                wanted.loss,
                wanted.slice,
                wanted.value,
            )
    by_place = {(cell.model, cell.loss, tuple(cell.slice.items())): cell.value for cell in alone.cells}
    for one in both.comparisons:
        place = (one.loss, tuple(one.slice.items()))
        assert (one.baseline_value, one.value) == (by_place[one.baseline, *place], by_place[one.candidate, *place])


@pytest.mark.parametrize("method", ["auto", "normal", "bootstrap"])
@pytest.mark.parametrize("cluster", [None, "user"])
def test_values_of_slices_are_those_of_evaluate_whatever_is_assumed(method: str, cluster: str | None) -> None:
    data = drawn("scales", 1_500, 36)
    data["g"] = np.arange(1_500) % 150
    question = {"losses": ["mse", "rmse", "r2", "wape"], "by": "g", "weight": "w"}
    alone = lossctl.evaluate(data, target="y", pred=["a", "b"], **question)  # type: ignore[arg-type]
    both = report(data, ci_method=method, cluster=cluster, resamples=100, **question)
    assert [cell.value for cell in both.cells] == [cell.value for cell in alone.cells]


@pytest.mark.parametrize("kind", ["number", "text", "float"])
@pytest.mark.parametrize("by", [None, "g"])
def test_clusters_are_labels_whatever_they_are_made_of(kind: str, by: str | None, tmp_path: Path) -> None:
    data = drawn("normal", 300, 37)
    usual = differences(data, "mse", cluster="user", by=by)
    order = np.random.default_rng(37).permutation(300)  # rows of a cluster need not stand together
    other = part(data, order)
    other["user"] = {
        "number": other["user"],
        "text": np.array([f"user {user}, ü" for user in other["user"].tolist()]),
        "float": other["user"] + 0.5,
    }[kind]
    frame = pd.DataFrame(other)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    frame.to_parquet(tmp_path / "rows.parquet", index=False, row_group_size=17)
    for container in (other, frame, str(tmp_path / "rows.csv"), str(tmp_path / "rows.parquet")):
        for found, wanted in zip(differences(container, "mse", cluster="user", by=by), usual, strict=True):
            assert found.clusters == wanted.clusters
            assert found.stderr == pytest.approx(wanted.stderr, rel=1e-12)
            assert found.p == pytest.approx(wanted.p, rel=1e-9)


# series -----------------------------------------------------------------------------------------------------------


def walk(n: int, seed: int) -> dict[str, Values]:
    """Draw a series with forecasts whose errors are correlated in time."""
    rng = np.random.default_rng([seed, n])
    y = np.cumsum(rng.normal(size=n))
    errors = np.stack([np.convolve(rng.normal(size=n + 3), np.ones(4) / 2.0, "valid") for _ in range(2)])
    return {"y": y, "a": y + errors[0] * 1.2, "b": y + errors[1], "t": np.arange(n), "w": rng.gamma(2.0, 1.0, n)}


CRITERIA: Mapping[str, Any] = {
    "mse": "mse",
    "mae": "mae",
    "quantile:q=0.9": lambda y, f: np.maximum(0.9 * (y - f), -0.1 * (y - f)),
    "huber": lambda y, f: np.where(np.abs(y - f) <= 1.0, 0.5 * (y - f) ** 2, np.abs(y - f) - 0.5),
}


@pytest.mark.parametrize("loss", CRITERIA)
@pytest.mark.parametrize("horizon", [1, 2, 3, 7, 12])
@pytest.mark.parametrize("n", [25, 200, 1_001])
def test_series_are_compared_by_the_test_of_diebold_and_mariano(loss: str, horizon: int, n: int) -> None:
    data = walk(n, 40)
    wanted = diebold_mariano_test(
        data["y"], data["b"], data["a"], criterion=CRITERIA[loss], harvey_adj=True, horizon=horizon
    )
    found = difference(data, loss, time="t", horizon=horizon)
    assert found.p == pytest.approx(wanted.pvalue, rel=1e-10)
    assert found.stderr is not None
    assert found.difference / found.stderr == pytest.approx(wanted.statistic, rel=1e-11)
    held(found, float(np.mean(apart(loss, data))), found.stderr, n - 1)
    shuffled = part(data, np.random.default_rng(41).permutation(n))
    again = difference(shuffled, loss, time="t", horizon=horizon)
    assert (again.stderr, again.p) == (found.stderr, found.p)


def test_a_series_of_functions_takes_their_scores() -> None:
    data = walk(300, 42)
    for loss in ("rmse", "r2", "wape"):
        for weight in (None, "w"):
            w = data["w"] / data["w"].mean() if weight else np.ones(300)
            rows = scores(loss, data, w)
            fit = sm.OLS(rows + 1.0, np.ones(300)).fit(cov_type="HAC", cov_kwds={"maxlags": 7})
            factor = math.sqrt((300 + 1 - 4 + 2 / 300) / 300)
            found = difference(data, loss, time="t", horizon=2, weight=weight)
            assert found.stderr == pytest.approx(float(fit.bse[0]) / factor, rel=1e-9), (loss, weight)


def test_values_of_a_series_are_as_uncertain_as_their_rows_follow_each_other() -> None:
    data = walk(300, 43)
    for cell in report(data, "mae", time="t", horizon=4).cells:
        rows = rows_of("mae", data, cell.model)
        fit = sm.OLS(rows, np.ones(300)).fit(cov_type="HAC", cov_kwds={"maxlags": 7})
        factor = math.sqrt((300 + 1 - 8 + 12 / 300) / 300)
        assert cell.stderr == pytest.approx(float(fit.bse[0]) / factor, rel=1e-11)


SPELLINGS: Mapping[str, Callable[[int], list[Any]]] = {
    "whole numbers": lambda n: list(range(n)),
    "numbers": lambda n: [0.5 * k - 20.0 for k in range(n)],
    "dates": lambda n: [str(day) for day in np.datetime64("2023-12-20") + np.arange(n)],
    "hours": lambda n: [
        str(hour) for hour in np.datetime64("2024-02-28T20:00:00") + np.arange(n) * np.timedelta64(1, "h")
    ],
    "one zone": lambda n: [f"2024-03-01T{k // 60:02d}:{k % 60:02d}:00+02:00" for k in range(n)],
    "two zones": lambda n: [
        f"2024-03-01T{(k // 60 + 3 * (k % 2)) % 24:02d}:{k % 60:02d}:00+{3 * (k % 2):02d}:00" for k in range(n)
    ],
    "UTC": lambda n: [f"2024-03-01T{k // 60:02d}:{k % 60:02d}:00Z" for k in range(n)],
    "without seconds": lambda n: [f"2024-03-01 {k // 60:02d}:{k % 60:02d}" for k in range(n)],
    "fractions of seconds": lambda n: [f"2024-03-01T00:00:00.{k:06d}" for k in range(n)],
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_times_are_numbers_or_dates_however_rows_stand(spelling: str, tmp_path: Path) -> None:
    n = 200
    data = walk(n, 44)
    wanted = difference(data, time="t", horizon=2)
    words = np.array(SPELLINGS[spelling](n))
    shuffled = part({**data, "t": words}, np.random.default_rng(45).permutation(n))
    frame = pd.DataFrame(shuffled)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    frame.to_parquet(tmp_path / "rows.parquet", index=False)
    for container in (shuffled, frame, str(tmp_path / "rows.csv"), str(tmp_path / "rows.parquet")):
        found = difference(container, time="t", horizon=2)
        assert (found.stderr, found.p) == (wanted.stderr, wanted.p)


@pytest.mark.parametrize("kind", ["datetime64[D]", "datetime64[s]", "datetime64[us]", "datetime64[ns]", "zone"])
def test_times_may_be_of_a_type_of_their_own(kind: str, tmp_path: Path) -> None:
    data = walk(100, 46)
    wanted = difference(data, time="t")
    times: Any = np.datetime64("2024-02-01") + np.arange(100)
    times = times.astype(kind) if kind != "zone" else pd.Series(pd.to_datetime(times)).dt.tz_localize("Europe/Berlin")
    frame = pd.DataFrame({**data, "t": times}).sample(frac=1.0, random_state=1)
    frame.to_parquet(tmp_path / "rows.parquet", index=False)
    for container in (frame, str(tmp_path / "rows.parquet")):
        found = difference(container, time="t")
        assert (found.stderr, found.p) == (wanted.stderr, wanted.p)


def bad_time(words: Sequence[Any], match: str) -> None:
    data = walk(len(words), 47)
    with pytest.raises(DataError, match=match):
        report({**data, "t": np.array(words, dtype=object)}, time="t")


def test_two_rows_of_one_time_are_refused_by_row_and_column() -> None:
    bad_time(["1", "2", "3", "2", "5"], r"row 4, column 't': the time '2' stands in a row before")
    bad_time([1.0, 2.0, 3.0, 4.0, 1.0], r"row 5, column 't'")
    bad_time(["2024-01-01", "2024-01-02", "2024-01-01"], r"row 3, column 't'.*'2024-01-01'")


def test_one_time_in_two_spellings_is_refused_by_row_and_column() -> None:
    bad_time(["1", "2", "1.0", "4"], r"row 3, column 't': the time '1'")
    bad_time(["1", "2", "1.5e1", "15.0"], r"row 4, column 't'.*'15")
    bad_time(["2024-01-01T12:00:00+01:00", "2024-01-01T11:00:00Z", "2024-01-02T11:00:00Z"], r"row 2, column 't'")


@pytest.mark.parametrize(
    ("words", "row"),
    [
        (["1", "2", "2024-01-03", "4"], 3),
        (["2024-01-01", "2024-01-02", "7"], 3),
        (["2024-01-01", "soon", "2024-01-03"], 2),
        (["2024-01-01T00:00:00", "2024-01-02T00:00:00Z", "2024-01-03T00:00:00"], 2),
    ],
)
def test_times_of_mixed_kinds_are_refused_by_row_and_column(words: list[str], row: int) -> None:
    bad_time(words, rf"row {row}, column 't'")


def test_a_missing_time_is_a_missing_value() -> None:
    data = walk(5, 48)
    with pytest.raises(DataError, match=r"row 2.*'t'|'t'.*row 2"):
        report({**data, "t": np.array([1.0, math.nan, 3.0, 4.0, 5.0])}, time="t")


@pytest.mark.parametrize(("n", "horizon"), [(5, 5), (5, 6), (5, 100), (2, 2)])
def test_a_horizon_as_long_as_the_series_has_a_reason_and_no_number(n: int, horizon: int) -> None:
    found = report(walk(n, 49), time="t", horizon=horizon)
    undecided(found.comparisons[0], f"{n} rows are too few for a horizon of {horizon}")
    assert all(cell.interval is None and cell.interval_reason for cell in found.cells)
    short = difference(walk(n, 49), time="t", horizon=n - 1)
    assert short.interval is not None


@pytest.mark.parametrize("offset", [0.0, 50.0, 1e4])
@pytest.mark.parametrize("loss", ["mse", "rmse", "r2", "wape"])
def test_a_series_is_sliced_as_its_rows_alone_would_be(loss: str, offset: float) -> None:
    data = walk(400, 50)
    data["g"] = np.array(["u", "v"])[np.random.default_rng(50).integers(0, 2, 400)]
    for name in "yab":
        data[name] = data[name] + np.where(data["g"] == "v", offset, 0.0)
    shuffled = part(data, np.random.default_rng(51).permutation(400))
    for found in differences(shuffled, loss, time="t", horizon=2, by="g")[1:]:
        alone = difference(part(data, data["g"] == found.slice["g"]), loss, time="t", horizon=2)
        assert found.difference == pytest.approx(alone.difference, rel=1e-10)
        assert found.stderr == pytest.approx(alone.stderr, rel=1e-9)
        assert found.p == pytest.approx(alone.p, rel=1e-7)


def test_differences_that_follow_each_other_are_warned_of() -> None:
    data = walk(400, 52)
    assert any("follow each other" in text for text in report(data, "mse", time="t").warnings)
    assert report(data, "mse", time="t", horizon=4).warnings == ()
    rng = np.random.default_rng(53)
    plain = {**data, "a": data["y"] + rng.normal(size=400), "b": data["y"] + rng.normal(size=400)}
    assert report(plain, "mse", time="t").warnings == ()


# medians ----------------------------------------------------------------------------------------------------------


def test_a_difference_of_medians_is_undecided_where_rows_are_too_few() -> None:
    few = {name: column[:5] for name, column in drawn("normal", 50, 54).items()}
    found = report(few, "median_absolute_error")
    undecided(found.comparisons[0], "too few rows for an interval from order statistics")
    assert [cell.interval for cell in found.cells] == [None, None]
    six = {name: column[:6] for name, column in drawn("normal", 50, 54).items()}
    assert difference(six, "median_absolute_error").method == "order"


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_medians_that_are_alike_are_told_apart_as_seldom_as_promised(correlation: float, weighted: bool) -> None:
    rng = np.random.default_rng(55)
    wrong, repeats, n, missed = 0, 250, 80, 0
    for _ in range(repeats):
        shared = rng.normal(size=n) * math.sqrt(correlation)
        data = {m: shared + rng.normal(size=n) * math.sqrt(1.0 - correlation) for m in "ab"}
        data |= {"y": np.zeros(n), "w": rng.gamma(4.0, 1.0, n)}
        found = difference(data, "median_absolute_error", weight="w" if weighted else None, threads=1)
        assert found.interval is not None
        wrong += found.verdict != "undecided"
        missed += not found.interval[0] <= 0.0 <= found.interval[1]
    assert wrong == missed <= stats.binom.ppf(0.999, repeats, 0.07)
    assert wrong >= stats.binom.ppf(0.001, repeats, 0.03)


def test_a_difference_of_medians_is_that_of_the_medians() -> None:
    data = drawn("heavy", 501, 56)
    for found in differences(data, "median_absolute_error", by="g"):
        mine = part(data, np.isin(data["g"], found.slice.get("g", data["g"])))
        base, own = (float(np.median(np.abs(mine[m] - mine["y"]))) for m in "ab")
        assert (found.baseline_value, found.value) == pytest.approx((base, own), rel=1e-15)
        assert found.interval is not None
        assert found.stderr is not None
        reach = float(stats.norm.ppf(0.975)) * found.stderr
        assert found.interval == pytest.approx((own - base - reach, own - base + reach), rel=1e-9)
        assert found.p == pytest.approx(2.0 * float(stats.norm.sf(abs(own - base) / found.stderr)), rel=1e-9)


@pytest.mark.parametrize("option", [{"cluster": "user"}, {"time": "t"}])
def test_order_statistics_of_rows_that_depend_on_each_other_are_not_had(option: Mapping[str, str]) -> None:
    data = {**drawn("normal", 100, 57), "t": np.arange(100)}
    undecided(
        difference(data, "median_absolute_error", **option),
        "order statistics need rows that are independent; --ci-method bootstrap does not",
    )


def test_maxima_and_pairs_of_rows_have_their_reasons() -> None:
    undecided(difference(drawn("normal", 50, 58), "max_error"), "a maximum has no interval")
    data = flagged(60, 59)
    undecided(
        difference(data, "triplet_score"),
        "no closed form for a statistic of all values; --ci-method bootstrap has one",
    )


# power ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("power", "amount"), [("0.5", 0.5), (0.25, 0.25), ("2%", None), ("1e-1", 0.1), ("10%", None)])
@pytest.mark.parametrize("level", [0.95, 0.8])
def test_power_is_said_in_standard_errors(power: str | float, amount: float | None, level: float) -> None:
    data = drawn("normal", 300, 60)
    for found in differences(data, ["mse", "rmse"], power=power, ci=level, by="g", cluster="user"):
        assert found.stderr is not None
        effect = amount if amount is not None else float(str(power)[:-1]) / 100.0 * abs(found.baseline_value)
        reach = float(stats.norm.ppf(0.5 + 0.5 * level) + stats.norm.ppf(0.8))
        assert found.detectable == pytest.approx(reach * found.stderr, rel=1e-12)
        assert found.needed == math.ceil(found.rows * (reach * found.stderr / effect) ** 2 * (1.0 - 1e-12))


def test_power_is_asked_for() -> None:
    found = difference(drawn("normal", 300, 61))
    assert (found.detectable, found.needed) == (None, None)


@pytest.mark.parametrize("given", ["0", "-1", "", "2 %", "nan", "inf", "1e400", "5%%", "0%", math.nan, -0.5, 0.0])
def test_an_effect_that_is_none_is_refused(given: str | float) -> None:
    with pytest.raises(UsageError, match="--power"):
        report(drawn("normal", 30, 62), power=given)


def test_as_many_rows_as_needed_find_the_effect_four_times_in_five() -> None:
    rng = np.random.default_rng(63)

    def pilot(n: int, effect: float) -> dict[str, Values]:
        shared = rng.normal(size=n)
        base = shared + rng.normal(size=n)
        return {"y": np.zeros(n), "a": base, "b": shared + rng.normal(size=n) + effect}

    needed = difference(pilot(20_000, 0.0), "mbe", power=0.3).needed
    assert needed is not None
    # mbe would be judged by its size: a bias of 10 keeps both on one side, so that it is a plain mean
    found, repeats = 0, 300
    for _ in range(repeats):
        data = pilot(needed, 0.3)
        data["y"] -= 10.0
        found += difference(data, "mbe", threads=1).verdict != "undecided"
    assert stats.binom.ppf(0.001, repeats, 0.8) <= found <= stats.binom.ppf(0.999, repeats, 0.8)


# guards -----------------------------------------------------------------------------------------------------------


def test_models_that_are_alike_in_every_row_are_not_tested() -> None:
    data = drawn("normal", 50, 64)
    data["b"] = data["a"].copy()
    for found in differences(data, ["mse", "r2", "mbe", "median_absolute_error"], by="g"):
        undecided(found, "the predictions are the same in every row")
        assert found.difference == 0.0


def test_a_difference_that_is_the_same_in_every_row_is_no_evidence() -> None:
    data = {"y": np.zeros(50), "a": np.full(50, 1.0), "b": np.full(50, 0.5), "user": np.arange(50) % 25}
    data["t"] = np.arange(50)
    for option in ({}, {"cluster": "user"}, {"time": "t"}, {"ci_method": "normal"}, {"ci_method": "bootstrap"}):
        for found in differences(data, ["mse", "mae", "rmse", "median_absolute_error"], **option):
            if found.loss == "median_absolute_error" and ("cluster" in option or "time" in option):
                continue
            undecided(found, "the rows show no spread")
            assert found.difference < 0.0
            assert found.stderr == 0.0


@pytest.mark.parametrize("gap", [0.1, 1e-3])
def test_a_constant_difference_that_rounds_unevenly_is_no_evidence(gap: float) -> None:
    rng = np.random.default_rng(65)
    a = rng.normal(5.0, 0.1, 300)
    for loss in ("mae", "mbe"):
        undecided(difference({"y": np.zeros(300), "a": a, "b": a + gap}, loss), "the rows show no spread")


def test_one_row_decides_nothing() -> None:
    data = {"y": np.zeros(1), "a": np.ones(1), "b": np.full(1, 3.0), "user": np.ones(1), "t": np.ones(1)}
    for option in ({}, {"ci_method": "normal"}, {"time": "t"}):
        undecided(difference(data, **option), "one row has no spread")
    undecided(difference(data, cluster="user"), "there is one cluster only")
    assert difference(data, ci_method="bootstrap").verdict == "undecided"
    undecided(difference(data, "median_absolute_error"), "too few rows for an interval from order statistics")


def test_two_rows_have_one_degree_of_freedom() -> None:
    data = {"y": np.zeros(2), "a": np.array([1.0, 2.0]), "b": np.array([2.0, 4.0])}
    held(difference(data, "mae"), 1.5, 0.5, 1)


def test_a_value_that_is_not_finite_decides_nothing() -> None:
    data = flagged(60, 66)
    data["y"][7], data["b"][7] = 1.0, 0.0
    data["g"][7] = "u"
    for found in differences(data, ["bce", "brier"], by="g"):
        if found.loss == "bce" and found.slice.get("g", "u") == "u":
            undecided(found, "the value of b is not finite")
            assert found.value == math.inf
            assert found.relative is None
            assert (found.stderr, found.skew) == (None, None)
        else:
            assert found.p is not None
    both = {**data, "a": np.where(np.arange(60) == 7, 0.0, data["a"])}
    found = difference(both, "bce")
    undecided(found, "the value of a is not finite")
    assert math.isnan(found.difference)


@pytest.mark.parametrize(
    "option", [{"cluster": "g"}, {"time": "t"}, {"ci_method": "bootstrap"}, {"ci_method": "normal"}]
)
def test_an_infinite_loss_of_one_model_leaves_the_other_couples_alone(option: Mapping[str, str]) -> None:
    data = {**flagged(60, 67), "t": np.arange(60.0), "g": np.arange(60) % 20}
    data["y"][7], data["b"][7] = 1.0, 0.0
    found = differences(data, "bce", pred=["a", "b", "c"], all_pairs=True, **option)
    assert [one.reason for one in found[:1] + found[2:]] == ["the value of b is not finite"] * 2
    alone = difference(data, "bce", pred=["a", "c"], **option)
    assert (found[1].stderr, found[1].p, found[1].interval) == (alone.stderr, alone.p, alone.interval)


def test_an_undefined_value_decides_nothing() -> None:
    data = {"y": np.full(9, 0.1), "a": np.arange(9.0), "b": np.arange(9.0) * 2.0}
    undecided(difference(data, "r2"), "the value of a is not finite")


def skewed(n: int, value: float) -> dict[str, Values]:
    """Make n differences, of which one is large: their skewness is (n-2)/√(n-1)."""
    return {"y": np.zeros(n), "a": np.full(n, 5.0), "b": 5.0 - value * (1.0 + np.eye(1, n)[0])}


def at_the_edge(n: int, skewness: float) -> dict[str, Values]:
    """Make n differences of a given skewness, all of them of one sign: two values in unlike shares."""
    rng = np.random.default_rng(68)
    rows = np.sort(rng.normal(size=n))

    def bent(power: float) -> Values:
        return np.exp(power * rows) if power else rows

    low, high = 1e-6, 5.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if stats.skew(bent(middle)) < skewness else (low, middle)
    return {"y": np.zeros(n), "a": np.full(n, 1e3), "b": 1e3 - 10.0 * bent(low).max() - bent(low)}


@pytest.mark.parametrize(("beside", "verdict"), [(-1e-6, "better"), (1e-6, "undecided")])
@pytest.mark.parametrize("n", [100, 900])
def test_cochrans_rule_decides_at_its_edge(n: int, beside: float, verdict: str) -> None:
    data = at_the_edge(n, math.sqrt(n / 25.0) * (1.0 + beside))
    found = difference(data, "mae")
    assert found.skew is not None
    assert abs(found.skew) == pytest.approx(math.sqrt(n / 25.0), rel=2e-6)
    assert found.adjusted is not None
    assert found.adjusted < 1e-10
    assert found.verdict == verdict
    if verdict == "better":
        assert found.reason is None
    else:
        needed = math.ceil(25.0 * found.skew**2)
        assert found.reason == f"skewed: {n} rows, {needed} are needed for a skewness of {found.skew:.3g}"


def test_cochrans_rule_counts_clusters() -> None:
    data = at_the_edge(900, 2.0)  # 100 rows would do
    assert difference(data, "mae").verdict == "better"
    data["user"] = np.arange(900) // 45  # 20 clusters of neighbours in size
    found = difference(data, "mae", cluster="user")
    assert found.adjusted is not None
    assert found.adjusted < 0.05
    assert found.skew is not None
    assert 25.0 * found.skew**2 > 20
    assert found.verdict == "undecided"
    assert found.reason is not None
    assert found.reason.startswith("skewed: 20 clusters, ")


def test_no_reason_is_given_where_nothing_is_significant() -> None:
    found = difference(drawn("skewed", 12, 69))
    assert found.p is not None
    assert found.p > 0.05
    assert found.skew is not None
    assert found.rows < 25.0 * found.skew**2
    assert (found.verdict, found.reason) == ("undecided", None)


def test_a_slice_without_rows_and_one_without_weight_decide_nothing() -> None:
    data = drawn("normal", 60, 70)
    data["g"] = np.where(np.arange(60) < 20, "lost", np.where(np.arange(60) < 40, "light", "full"))
    data["w"] = np.where(data["g"] == "light", 0.0, 1.0)
    data["a"] = np.where(data["g"] == "lost", math.nan, data["a"])
    for losses in (["mse", "r2", "mbe"], ["median_absolute_error", "max_error"]):
        for option in ({}, {"cluster": "user"}, {"ci_method": "bootstrap", "resamples": 100}):
            found = differences(data, losses, by="g", weight="w", missing="drop", **option)
            by_slice = {(one.slice.get("g"), one.loss): one for one in found}
            for loss in losses:
                undecided(by_slice["lost", loss], "no rows")
                undecided(by_slice["light", loss], "the weights sum to zero")
                assert by_slice["lost", loss].rows == 0
                assert by_slice["full", loss].p is not None or loss in ("median_absolute_error", "max_error")


def test_no_intervals_mean_no_verdicts() -> None:
    data = drawn("normal", 400, 71)
    data["b"] += 5.0
    found = report(data, ["mse", "median_absolute_error", "max_error"], ci=None)
    for one in found.comparisons:
        assert (one.stderr, one.interval, one.p, one.verdict) == (None, None, None, "undecided")
        assert one.difference > 0.0
    for option in ({"cluster": "user"}, {"time": "user"}, {"power": 1}, {"ci_method": "t"}):
        with pytest.raises(UsageError, match="--no-ci"):
            report(data, ci=None, **option)


@pytest.mark.parametrize(
    ("option", "match"),
    [
        ({"baseline": "aa"}, r"--baseline aa: no such model.*there are a, b"),
        ({"pred": ["a"]}, "there is one model, 'a'"),
        ({"ci_method": "bootstrp"}, "--ci-method bootstrp.*did you mean 'bootstrap'"),
        ({"resamples": 99}, "--resamples 99"),
        ({"resamples": 100_001}, "--resamples 100001"),
        ({"seed": -1}, "--seed -1"),
        ({"seed": 1 << 63}, "--seed"),
        ({"cluster": "user", "time": "w"}, "contradict"),
        ({"time": "w", "ci_method": "bootstrap"}, "--ci-method bootstrap"),
        ({"time": "w", "horizon": 0}, "--horizon 0"),
        ({"horizon": 2}, "--horizon 2.*--time"),
        ({"worst": -1}, "--worst -1"),
        ({"worst": 100_001}, "--worst 100001"),
    ],
)
def test_a_wrong_question_is_refused(option: Mapping[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        report(drawn("normal", 30, 72), **option)


@pytest.mark.parametrize("option", ["cluster", "time"])
def test_a_column_that_is_not_there_is_a_data_error(option: str) -> None:
    with pytest.raises(DataError, match=r"there is no column 'usr' \(did you mean 'user'\?\)"):
        report(drawn("normal", 30, 73), **{option: "usr"})


# the study --------------------------------------------------------------------------------------------------------


def test_the_study_says_what_was_assumed() -> None:
    data = {**drawn("normal", 60, 74), "t": np.arange(60)}
    for option, words in (
        ({}, "iid rows"),
        ({"cluster": "user"}, "clusters: user"),
        ({"time": "t", "horizon": 3}, "series, h=3"),
    ):
        study = report(data, **option).study
        assert study is not None
        assert (study.assumption, study.baseline, study.level) == (words, "a", 0.95)
        assert (study.method, study.correction, study.seed, study.resamples) == ("auto", "none", None, None)


def test_the_correction_is_named() -> None:
    data = drawn("normal", 60, 75)
    three = {"pred": ["a", "b", "c"]}
    for losses, option, words in (
        (["mse"], three, "max-T over 2 models"),
        (["mse"], {**three, "all_pairs": True}, "max-T over 3 couples of models"),
        (["mse", "mae"], {}, "Holm over 2 losses and slices"),
        (["mse", "mae"], {"by": "g"}, "Holm over 8 losses and slices"),
        (["mse", "mae"], three, "max-T over 2 models, Holm over 2 losses and slices"),
        (["mse", "mbe"], three, "max-T over 2 models (Bonferroni for mbe), Holm over 2 losses and slices"),
        (["max_error"], three, "none"),
    ):
        study = report(data, losses, **option).study
        assert study is not None
        assert study.correction == words


def test_the_seed_is_recorded_where_it_matters() -> None:
    data = drawn("normal", 60, 76)
    study = report(data, pred=["a", "b", "c"], seed=7).study
    assert study is not None
    assert study.seed == 7
    study = report(data, ci_method="bootstrap", seed=8, resamples=200).study
    assert study is not None
    assert (study.seed, study.resamples) == (8, 200)


# many comparisons -------------------------------------------------------------------------------------------------


def test_one_couple_of_each_family_is_adjusted_as_statsmodels_does() -> None:
    from statsmodels.stats.multitest import multipletests

    data = drawn("normal", 90, 77)
    data["b"] = data["b"] * 0.8 + data["y"] * 0.2
    found = differences(data, ["mse", "mae", "rmse", "r2", "mbe", "median_absolute_error"], by="g")
    p = [one.p for one in found]
    assert None not in p
    assert [one.adjusted for one in found] == pytest.approx(list(multipletests(p, method="holm")[1]), rel=1e-12)
    assert len({one.adjusted for one in found}) > 5


def test_what_has_no_p_value_is_not_counted() -> None:
    data = drawn("normal", 90, 78)
    found = {one.loss: one for one in differences(data, ["mse", "max_error", "mae"])}
    assert found["max_error"].adjusted is None
    p = sorted(found[loss].p or 0.0 for loss in ("mse", "mae"))
    assert sorted(found[loss].adjusted or 0.0 for loss in ("mse", "mae")) == pytest.approx(
        [2.0 * p[0], max(2.0 * p[0], p[1])], rel=1e-12
    )


@pytest.mark.parametrize("n", [12, 400])
def test_two_candidates_are_adjusted_by_their_joint_law(n: int) -> None:
    data = drawn("normal", n, 79)
    found = differences(data, "mse", pred=["a", "b", "c"])
    pair = np.stack([apart("mse", data, "a", own) for own in "bc"])
    law = stats.multivariate_t(df=n - 1, shape=np.corrcoef(pair), seed=1)
    for one in found:
        assert one.p is not None
        assert one.adjusted is not None
        top = abs(one.difference) / (one.stderr or 1.0)
        wanted = 1.0 - float(law.cdf([top, top], lower_limit=[-top, -top], maxpts=200_000))
        noise = 4.0 * math.sqrt(wanted * (1.0 - wanted) / 20_000) + 1e-4
        assert one.adjusted == pytest.approx(wanted, abs=noise)
        assert one.p <= one.adjusted <= min(1.0, 2.0 * one.p)


@pytest.mark.parametrize("option", [{}, {"cluster": "user"}, {"ci_method": "bootstrap"}, {"ci_method": "normal"}])
def test_bounds_of_the_joint_law_hold_for_all_pairs(option: Mapping[str, str]) -> None:
    data = drawn("normal", 200, 80)
    data |= {f"m{k}": data["a"] + np.random.default_rng(k).normal(size=200) * 0.3 for k in range(3)}
    found = differences(data, "mae", pred=["a", "b", "c", "m0", "m1", "m2"], all_pairs=True, **option)
    assert len(found) == 15
    for one in found:
        assert one.p is not None
        assert one.adjusted is not None
        assert one.p <= one.adjusted <= min(1.0, 15 * one.p)
    if option.get("ci_method") != "bootstrap":  # whose p-values are counts, while its scores are not
        order = sorted(found, key=lambda one: one.p or 0.0)
        assert [one.adjusted for one in order] == sorted(one.adjusted or 0.0 for one in found)


def test_a_model_that_is_there_twice_costs_nothing() -> None:
    data = drawn("normal", 300, 81)
    data["b2"], data["b3"] = data["b"].copy(), data["b"].copy()
    alone = difference(data, "mae", pred=["a", "b"])
    for found in differences(data, "mae", pred=["a", "b", "b2", "b3"]):
        assert alone.p is not None
        assert found.p == alone.p
        noise = 4.0 * math.sqrt(alone.p * (1.0 - alone.p) / 20_000) + 1e-4
        assert found.adjusted == pytest.approx(alone.p, abs=noise)


def test_a_copy_of_the_baseline_costs_nothing() -> None:
    data = drawn("normal", 300, 82)
    data["a2"] = data["a"].copy()
    wanted = report(data, "mae", pred=["a", "b", "c"], all_pairs=True)
    found = report(data, "mae", pred=["a", "a2", "b", "c"], all_pairs=True)
    alone = {(one.baseline, one.candidate): one.adjusted for one in wanted.comparisons}
    for one in found.comparisons:
        if (one.baseline, one.candidate) in alone:
            assert one.adjusted == pytest.approx(alone[one.baseline, one.candidate], abs=0.02)
    assert [each.loss for each in found.best_sets] == ["mae"]


def test_a_family_is_wrong_as_seldom_as_promised() -> None:
    rng = np.random.default_rng(83)
    wrong, right, repeats, n = 0, 0, 60, 60
    for _ in range(repeats):
        shared = rng.normal(size=n)
        data = {"y": np.zeros(n), **{m: shared + rng.normal(size=n) for m in "abc"}}
        data["d"] = data["a"] * 1.6  # surely worse: that this is found must not make the others easier to find
        found = differences(data, ["mse", "mae"], pred=list("abcd"), all_pairs=True, threads=1)
        right += any(one.verdict == "worse" for one in found if one.candidate == "d")
        wrong += any(one.verdict != "undecided" for one in found if "d" not in (one.baseline, one.candidate))
    assert wrong <= stats.binom.ppf(0.999, repeats, 0.05)
    assert right > 0.9 * repeats


# the models that may be best ---------------------------------------------------------------------------------------


def test_a_clearly_worse_model_leaves_the_set_and_a_tie_stays() -> None:
    rng = np.random.default_rng(84)
    n = 500
    y = rng.normal(size=n)
    data = {"y": y, **{m: y + rng.normal(size=n) for m in "abc"}, "bad": y + rng.normal(1.0, 2.0, n)}
    found = report(data, ["mse", "r2", "mbe"], pred=["bad", "a", "b", "c"], all_pairs=True)
    assert [each.loss for each in found.best_sets] == ["mse", "r2", "mbe"]
    for each in found.best_sets[:2]:
        assert each.kept == ("a", "b", "c")
        assert each.p["bad"] < 0.001
        assert max(each.p.values()) == 1.0
        assert list(each.p) == ["bad", "a", "b", "c"]
        assert each.level == 0.95


def test_the_set_of_best_models_is_for_all_pairs_alone() -> None:
    data = drawn("normal", 60, 85)
    assert report(data, pred=["a", "b", "c"]).best_sets == ()
    assert report(data, ["mse", "mae"], pred=["a", "b", "c"], all_pairs=True, by="g").best_sets != ()


def bootstrap_set(losses: Values, level: float, resamples: int, seed: int) -> tuple[dict[int, float], set[int]]:
    """Hansen, Lunde & Nason 2011 with the range statistic, on (models, rows) losses, rows resampled one by one."""
    rng = np.random.default_rng(seed)
    models, n = losses.shape
    draws = np.stack([losses[:, rng.integers(0, n, n)].mean(axis=1) for _ in range(resamples)])
    means = losses.mean(axis=1)
    gaps = draws[:, :, np.newaxis] - draws[:, np.newaxis]
    centred = gaps - (means[:, np.newaxis] - means)
    spread = np.sqrt(np.mean(centred**2, axis=0)) + np.eye(models)
    alive, p, highest = list(range(models)), {}, 0.0
    while len(alive) > 1:
        at = np.ix_(alive, alive)
        scores = (means[:, np.newaxis] - means)[at] / spread[at]
        ranges = np.abs(centred[:, alive][:, :, alive] / spread[at]).max(axis=(1, 2))
        highest = max(highest, float(np.mean(ranges >= np.abs(scores).max())))
        worst = alive[int(scores.max(axis=1).argmax())]
        p[worst] = highest
        alive.remove(worst)
    p[alive[0]] = 1.0
    return p, {model for model, value in p.items() if value > 1.0 - level}


@pytest.mark.parametrize("seed", range(5))
def test_the_set_of_best_models_is_that_of_a_bootstrap(seed: int) -> None:
    rng = np.random.default_rng([86, seed])
    n, names = 600, ["m0", "m1", "m2", "m3", "m4", "m5"]
    shared = rng.normal(size=n)
    sizes = 1.0 + np.array([0.0, 0.01, 0.02, 0.08, 0.12, 0.3]) * rng.uniform(0.5, 1.5)
    data = {"y": np.zeros(n)} | {m: (shared + rng.normal(size=n)) * s for m, s in zip(names, sizes, strict=True)}
    (found,) = report(data, "mae", pred=names, all_pairs=True).best_sets
    p, kept = bootstrap_set(np.stack([np.abs(data[m]) for m in names]), 0.95, 4_000, seed)
    for place, name in enumerate(names):
        assert found.p[name] == pytest.approx(p[place], abs=0.045)
    clear = {place for place, value in p.items() if abs(value - 0.05) > 0.03}
    assert {names.index(name) for name in found.kept} & clear == kept & clear


def test_the_set_of_best_models_takes_clusters_into_account() -> None:
    rng = np.random.default_rng(87)
    users, each = 40, 25
    of_user = rng.normal(0.0, 1.0, (3, users)).repeat(each, axis=1) * 0.6
    data = {m: 2.0 + of_user[k] + 0.3 * rng.normal(size=users * each) + 0.15 * k for k, m in enumerate("abc")}
    data |= {"y": np.zeros(users * each), "user": np.arange(users).repeat(each)}
    question = {"losses": "mae", "pred": ["a", "b", "c"], "all_pairs": True}
    (naive,), (clustered,) = (report(data, **question, **o).best_sets for o in ({}, {"cluster": "user"}))
    assert len(naive.kept) < len(clustered.kept)
    means = np.stack([np.abs(data[m]).reshape(users, each).mean(axis=1) for m in "abc"])
    p, _ = bootstrap_set(means, 0.95, 4_000, 1)
    assert [clustered.p[m] for m in "abc"] == pytest.approx([p[k] for k in range(3)], abs=0.05)


# how much worse -----------------------------------------------------------------------------------------------------


def bounds_about(rows: Values, freedom: int, level: float, stderr: float | None = None) -> tuple[float, float]:
    """Return the t-interval of the mean of rows."""
    reach = float(stats.t.ppf(0.5 + 0.5 * level, freedom)) * (float(stats.sem(rows)) if stderr is None else stderr)
    return float(rows.mean()) - reach, float(rows.mean()) + reach


@pytest.mark.parametrize("level", [0.9, 0.95])
@pytest.mark.parametrize(
    ("tolerance", "relative"), [(0.0, False), (0.3, False), (0.0, True), (0.02, True), (0.5, True)]
)
def test_a_tolerated_worsening_is_a_linear_contrast(tolerance: float, relative: bool, level: float) -> None:
    data = drawn("heavy", 500, 97)
    _, weighed = weigh(data, "a", target="y", pred=["a", "b"], losses=["mse", "rmse", "mae"], by="g")
    for chosen in ({}, {"g": "east"}):
        mine = part(data, np.isin(data["g"], chosen.get("g", data["g"])))
        n = len(mine["y"])
        for loss in ("mse", "mae"):
            base, own = rows_of(loss, mine, "a"), rows_of(loss, mine, "b")
            rows = own - (1.0 + tolerance) * base if relative else own - base - tolerance
            found = weighed.bounds("b", loss, chosen, tolerance, relative, level)
            assert found == pytest.approx(bounds_about(rows, n - 1, level), rel=1e-9)
        base, own = rows_of("mse", mine, "a"), rows_of("mse", mine, "b")
        found = weighed.bounds("b", "rmse", chosen, tolerance, relative, level)
        if relative:  # B <= (1 + r) A just where B² <= (1 + r)² A²
            rows = own - (1.0 + tolerance) ** 2 * base
            assert found == pytest.approx(bounds_about(rows, n - 1, level), rel=1e-9)
        else:
            value, stderr = delta("rmse", mine)
            assert found == pytest.approx(bounds_about(np.full(n, value - tolerance), n - 1, level, stderr), rel=1e-9)


def test_a_weighted_worsening_is_a_ratio_and_a_clustered_one_goes_by_clusters() -> None:
    data = part(drawn("heavy", 500, 98), drawn("heavy", 500, 98)["w"] > 0.0)
    rows, w, n = rows_of("mse", data, "b") - 1.1 * rows_of("mse", data, "a"), data["w"], len(data["y"])
    value = float(np.average(rows, weights=w))
    _, weighed = weigh(data, "a", target="y", pred=["a", "b"], losses="mse", weight="w")
    stderr = math.sqrt(float(np.sum((w * (rows - value)) ** 2)) / (n * (n - 1))) / float(w.mean())
    found = weighed.bounds("b", "mse", {}, 0.1, True, 0.95)
    assert found == pytest.approx(bounds_about(np.full(n, value), n - 1, 0.95, stderr), rel=1e-9)
    _, weighed = weigh(data, "a", target="y", pred=["a", "b"], losses="mse", weight="w", cluster="user")
    stderr, g = cr3(w * (rows - value), w, data["user"]), len(np.unique(data["user"]))
    found = weighed.bounds("b", "mse", {}, 0.1, True, 0.95)
    assert found == pytest.approx(bounds_about(np.full(n, value), g - 1, 0.95, stderr), rel=1e-9)


@pytest.mark.parametrize("relative", [False, True])
def test_a_score_worsens_downwards(relative: bool) -> None:
    data = drawn("normal", 400, 99)
    _, weighed = weigh(data, "a", target="y", pred=["a", "b"], losses="r2")
    values, gradients, lines = [], [], []
    for model in "ab":
        mine = quantities("r2", data["y"], data[model])
        value, slopes = value_and_slopes("r2", [float(line.mean()) for line in mine])
        values.append(value)
        gradients.append(np.array(slopes))
        lines.append(np.stack(mine))
    share = 0.05 * float(np.sign(values[0])) if relative else 0.0
    gradient = np.concatenate([(1.0 - share) * gradients[0], -gradients[1]])
    stderr = math.sqrt(float(gradient @ np.cov(np.concatenate(lines)) @ gradient) / 400)
    worse = values[0] - values[1] - 0.05 * (abs(values[0]) if relative else 1.0)
    found = weighed.bounds("b", "r2", {}, 0.05, relative, 0.95)
    assert found == pytest.approx(bounds_about(np.full(400, worse), 399, 0.95, stderr), rel=1e-9)


@pytest.mark.parametrize("biases", [(3.0, -3.1), (-3.0, -3.1), (3.1, 3.0)])
def test_a_bias_far_from_zero_worsens_as_a_mean_does(biases: tuple[float, float]) -> None:
    rng = np.random.default_rng(100)
    data = {"y": np.zeros(300)} | {m: rng.normal(-bias, 1.0, 300) for m, bias in zip("ab", biases, strict=True)}
    _, weighed = weigh(data, "a", target="y", pred=["a", "b"], losses="mbe")
    sides = np.sign(biases)
    for tolerance, relative in ((0.0, False), (0.2, False), (0.1, True)):
        rows = sides[1] * -data["b"] - (1.0 + (tolerance if relative else 0.0)) * sides[0] * -data["a"]
        rows = rows - (0.0 if relative else tolerance)
        found = weighed.bounds("b", "mbe", {}, tolerance, relative, 0.95)
        assert found == pytest.approx(bounds_about(rows, 299, 0.95), rel=1e-9)


@pytest.mark.parametrize("shift", [0.0, 0.1, 1.0])
def test_bounds_of_a_bias_hold_its_worsening_as_often_as_they_say(shift: float) -> None:
    rng = np.random.default_rng(101)
    repeats, n = 200, 80
    low, high = 0, 0
    for _ in range(repeats):
        shared = rng.normal(size=n)
        data = {"y": np.zeros(n), "a": 0.05 + shared, "b": -shift + 0.5 * shared + rng.normal(size=n)}
        _, weighed = weigh(data, "a", target="y", pred=["a", "b"], losses="mbe", threads=1)
        found = weighed.bounds("b", "mbe", {}, 0.0, False, 0.9)
        assert not isinstance(found, str)
        low += found[0] <= shift - 0.05
        high += found[1] >= shift - 0.05
    assert min(low, high) >= stats.binom.ppf(0.001, repeats, 0.95)


def test_what_gives_no_evidence_has_its_reason() -> None:
    data = drawn("normal", 60, 102)
    data["b"] = data["a"].copy()
    _, weighed = weigh(
        data, "a", target="y", pred=["a", "b", "c"], losses=["mse", "max_error", "median_absolute_error"]
    )
    assert weighed.bounds("b", "mse", {}, 0.25, False, 0.95) == (-0.25, -0.25)
    assert weighed.bounds("c", "max_error", {}, 0.0, False, 0.95) == "a maximum has no interval"
    relative = weighed.bounds("c", "median_absolute_error", {}, 0.1, True, 0.95)
    assert relative == "a share of a quantile has no interval; give an absolute tolerance"
    one = difference(data, "median_absolute_error", pred=["a", "c"])
    assert one.stderr is not None
    reach = float(stats.norm.ppf(0.975)) * one.stderr
    found = weighed.bounds("c", "median_absolute_error", {}, 0.1, False, 0.95)
    assert found == pytest.approx((one.difference - 0.1 - reach, one.difference - 0.1 + reach), rel=1e-9)


# the worst rows -----------------------------------------------------------------------------------------------------


def worst_by_hand(loss: str, data: Data, base: str, own: str, most: int) -> list[tuple[int, float, float]]:
    """Return row, baseline loss and candidate loss of the rows where the candidate loses most, the first of ties."""
    mine, theirs = rows_of(loss, data, own), rows_of(loss, data, base)
    excess = np.abs(mine) - np.abs(theirs)
    order = sorted((k for k in range(len(mine)) if excess[k] > 0.0), key=lambda k: (-excess[k], k))
    return [(k + 1, float(theirs[k]), float(mine[k])) for k in order[:most]]


@pytest.mark.parametrize(("n", "most"), [(5, 1), (5, 100_000), (900, 7), (900, 10_000), (70_001, 3), (70_001, 1_000)])
def test_the_worst_rows_are_those_of_a_sort(n: int, most: int) -> None:
    data = {name: np.round(drawn("heavy", n, 88)[name], 1) for name in "yabc"}  # rounded, so that there are ties
    found = report(data, ["mse", "mbe"], pred=["a", "b", "c"], worst=most, baseline="b", threads=2)
    for loss in ("mse", "mbe"):
        for own in "ac":
            mine = [row for row in found.worst if (row.loss, row.candidate) == (loss, own)]
            assert all(row.baseline == "b" for row in mine)
            assert [(row.row, row.baseline_value, row.value) for row in mine] == worst_by_hand(
                loss, data, "b", own, most
            )
            for row in mine:
                place = row.row - 1
                assert dict(row.roles) == {"target": data["y"][place], "b": data["b"][place], own: data[own][place]}


def test_no_rows_are_listed_where_none_was_asked_for_or_none_loses() -> None:
    data = drawn("normal", 50, 89)
    assert report(data).worst == ()
    assert report({**data, "b": data["y"]}, worst=5).worst == ()
    assert report(data, ["rmse", "median_absolute_error"], worst=5).worst == ()


def test_rows_without_weight_are_not_among_the_worst() -> None:
    data = drawn("normal", 200, 90)
    found = report(data, worst=200, weight="w")
    rows = {row.row - 1 for row in found.worst}
    assert rows == {k for k in np.flatnonzero(apart("mse", data) > 0.0) if data["w"][k] > 0.0}


def test_an_infinite_loss_is_the_worst() -> None:
    data = flagged(60, 91)
    data["y"][[7, 9]], data["b"][[7, 9]], data["a"][9] = 1.0, 0.0, 0.0
    first = report(data, "bce", worst=3).worst[0]
    assert (first.row, first.value) == (8, math.inf)
    assert all(row.row != 10 for row in report(data, "bce", worst=60).worst)  # both are infinite: neither is worse


def test_slices_leave_the_worst_rows_alone() -> None:
    data = drawn("normal", 300, 92)
    assert report(data, worst=9, by="g").worst == report(data, worst=9).worst


def keyed(folder: Path, orders: Mapping[str, Values], data: Data) -> dict[str, str]:
    """Write one file per model, each in an order of its own, with a key."""
    paths = {}
    for name in "yab":
        order = orders.get(name, np.arange(len(data["y"])))
        columns = {"key": np.array([f"k{k}" for k in order]), ("y" if name == "y" else "p"): data[name][order]}
        paths[name] = str(folder / f"{name}.parquet")
        pq.write_table(pa.table(columns), paths[name], row_group_size=97)
    return paths


def test_the_worst_rows_are_found_by_key_whatever_the_order(tmp_path: Path) -> None:
    data = {name: np.round(column, 1) for name, column in drawn("heavy", 600, 93).items() if name in "yab"}
    seen = []
    for seed in range(3):
        rng = np.random.default_rng([94, seed])
        orders = {} if not seed else {name: rng.permutation(600) for name in "yab"}
        paths = keyed(tmp_path, orders, data)
        found = lossctl.compare(
            {"a": paths["a"], "b": paths["b"]},
            targets=paths["y"],
            target="y",
            pred="p",
            losses="mae",
            id="key",
            worst=25,
        )
        order = orders.get("a", np.arange(600))  # rows are those of the baseline's file
        keys = [int(order[row.row - 1]) for row in found.worst]
        excess = apart("mae", data)
        assert [row.value - row.baseline_value for row in found.worst] == sorted(excess, reverse=True)[:25]
        assert all(excess[key] == row.difference for key, row in zip(keys, found.worst, strict=True))
        seen.append([(row.baseline_value, row.value) for row in found.worst])
        numbers = numbers_of(found)
        assert numbers[2] == numbers_of(found)[2]
    wanted = [sorted(pairs) for pairs in seen]
    assert wanted[0] == wanted[1] == wanted[2]


def every_number(found: Comparison) -> Iterator[float]:
    for value in (found.difference, found.stderr, found.p, found.adjusted, *(found.interval or ())):
        if value is not None:
            yield value


def test_joined_rows_are_compared_alike_whatever_their_order(tmp_path: Path) -> None:
    data = drawn("heavy", 600, 95)
    found: list[Comparison] = []
    for seed in range(3):
        rng = np.random.default_rng([96, seed])
        paths = keyed(tmp_path, {name: rng.permutation(600) for name in "yab"} if seed else {}, data)
        found += lossctl.compare(
            {"a": paths["a"], "b": paths["b"]}, targets=paths["y"], target="y", pred="p", losses="rmse", id="key"
        ).comparisons
    assert found[0] == found[1] == found[2]
    wanted = difference(data, "rmse")
    assert list(every_number(found[0])) == pytest.approx(list(every_number(wanted)), rel=1e-9)


def test_one_column_on_two_scales_is_two_predictions() -> None:
    """What was read is the same, what is predicted is not: no comparison may call the models alike."""
    rng = np.random.default_rng(90)
    target = rng.integers(0, 2, 400).astype(float)
    data = {"y": target, "p": np.clip(0.5 + 0.3 * (2.0 * target - 1.0) + rng.normal(0.0, 0.1, 400), 0.01, 0.99)}
    options: dict[str, Any] = {
        "target": "y",
        "pred": {"plain": "p", "squashed": "p"},
        "activation": {"squashed": "sigmoid"},
    }
    (found,) = lossctl.compare(data, losses="bce", **options).comparisons
    assert (found.verdict, found.reason) == ("worse", None)
    for decide in ("significant", "noninferior"):
        gate: dict[str, Any] = {"baseline": "plain", "max_regression": "bce=1%", "decide": decide}
        assert lossctl.check(data, **options, **gate).verdict == "fail"
