"""Differences of means and of functions of means: paired, weighted, signed, and exact where models are nearly alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from tests.compared import (
    UNDER,
    Data,
    Values,
    apart,
    degrees,
    delta,
    difference,
    differences,
    drawn,
    flagged,
    held,
    part,
    report,
    rows_of,
)

# means: the paired t-test ---------------------------------------------------------------------------------------------
MEANS = ["mse", "mae", "huber:delta=0.5", "quantile:q=0.9", "log_cosh"]


@pytest.mark.parametrize("shape", ["normal", "heavy", "skewed", "scales"])
@pytest.mark.parametrize("n", [2, 3, 8, 60, 1_000, 70_001])
def test_a_difference_of_means_is_the_paired_t_test(shape: str, n: int) -> None:
    data = drawn(shape, n, 1)
    for loss, found in zip(MEANS, differences(data, MEANS, ci_method="t"), strict=True):
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
    held(difference(data, loss), float(rows.mean()), float(stats.sem(rows)), n - 1, p=loss != "zero_one")


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


def test_t_is_what_auto_takes_where_no_few_rows_decide() -> None:
    data = drawn("normal", 2_000, 6)
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


# weights: the ratio form ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["mse", "mae", "quantile:q=0.2"])
@pytest.mark.parametrize("n", [20, 2_000])
def test_a_weighted_difference_is_cochrans_ratio(loss: str, n: int) -> None:
    data = drawn("skewed", n, 10)
    live = part(data, data["w"] > 0.0)
    rows, w, rest = apart(loss, live), live["w"], int((data["w"] > 0.0).sum())
    value = float(np.sum(w * rows) / np.sum(w))
    (s_aa, s_ab), (_, s_bb) = np.cov(w * rows, w)
    variance = (s_aa - 2.0 * value * s_ab + value**2 * s_bb) / (rest * w.mean() ** 2)
    held(difference(data, loss, weight="w"), value, math.sqrt(variance), degrees(w), rel=1e-11)


@pytest.mark.parametrize("loss", ["mse", "mae"])
def test_a_weighted_difference_is_weighted_least_squares_with_robust_errors(loss: str) -> None:
    data = part(drawn("heavy", 500, 11), drawn("heavy", 500, 11)["w"] > 0.0)
    rows, n = apart(loss, data), len(data["y"])
    fit = sm.WLS(rows, np.ones(n), weights=data["w"]).fit(cov_type="HC0")
    stderr = float(fit.bse[0]) * math.sqrt(n / (n - 1))
    held(difference(data, loss, weight="w"), float(fit.params[0]), stderr, degrees(data["w"]))


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


# functions of means: the delta method, written out --------------------------------------------------------------------


@pytest.mark.parametrize("weight", [None, "w"])
@pytest.mark.parametrize("loss", ["rmse", "r2", "wape", "gan_discriminator"])
@pytest.mark.parametrize("n", [30, 1_500])
def test_a_difference_of_functions_is_the_delta_method(loss: str, weight: str | None, n: int) -> None:
    data: Data = flagged(n, 13) if loss == "gan_discriminator" else drawn("heavy", n, 13)
    data = part(data, data["w"] > 0.0)
    w = data["w"] if weight else None
    value, stderr = delta(loss, data, w)
    freedom = degrees(data["w"] if weight else np.ones(len(data["y"])))
    of_zero = None
    if loss in UNDER:  # as surely as the one mean by which it ranks models
        gap, error = delta(UNDER[loss], data, w)
        of_zero = error * abs(value / gap)
    held(difference(data, loss, weight=weight), value, stderr, freedom, of_zero=of_zero, rel=1e-10)


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


# skewness -------------------------------------------------------------------------------------------------------------


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


def test_what_is_no_mean_has_the_skewness_of_its_influences() -> None:
    data = drawn("skewed", 300, 19)
    y = data["y"]
    squares, spread = np.stack([(data[model] - y) ** 2 for model in "ab"]), (y - y.mean()) ** 2
    values = squares.mean(axis=1) / spread.mean()
    moves = (squares - values[:, np.newaxis] * spread) / spread.mean()  # of 1 - r2
    assert difference(data, "r2").skew == pytest.approx(-float(stats.skew(moves[1] - moves[0])), rel=1e-9)
    assert difference(data, "median_absolute_error").skew is None


# directions -----------------------------------------------------------------------------------------------------------


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

    def tested(rows: Values) -> tuple[float, float, float, float]:
        value = float(np.average(rows, weights=w))
        stderr = math.sqrt(float(np.sum((w * (rows - value)) ** 2)) / (n * (n - 1))) / float(w.mean())
        reach = float(stats.t.ppf(0.975, degrees(w))) * stderr
        return value, stderr, reach, 2.0 * float(stats.t.sf(abs(value) / stderr, degrees(w)))

    value, stderr, reach, p = tested(signs[1] * own - signs[0] * base)
    total, _, reach_of_total, opposed = tested(signs[1] * own + signs[0] * base)
    found = difference(data, "mbe", weight=weight)
    assert found.stderr == pytest.approx(stderr, rel=1e-11)
    assert found.interval == pytest.approx(
        (min(value - reach, total - reach_of_total), max(value + reach, reach_of_total - total)), abs=1e-11
    )
    assert found.p == pytest.approx(max(p, opposed), rel=1e-9)
    assert found.p is not None
    assert found.interval is not None
    assert (found.p <= 0.05) == (not found.interval[0] <= 0.0 <= found.interval[1])
    assert (found.baseline_value, found.value) == pytest.approx(means, rel=1e-12)
    assert found.difference == pytest.approx(abs(means[1]) - abs(means[0]), abs=1e-15)
    if found.verdict != "undecided":
        assert found.verdict == ("better" if abs(means[1]) < abs(means[0]) else "worse")


@pytest.mark.deep
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


# precision ------------------------------------------------------------------------------------------------------------


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


@pytest.mark.deep
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
