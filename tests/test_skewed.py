"""Skewness: the influence of rows, the curvature of statistics, and the intervals and p-values that follow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

import lossctl
from lossctl.core.statistic import MEAN, R_SQUARED, RATIO, ROOT, SET_MEAN, Statistic
from lossctl.stats.student import BULK, Influence, Shape, shape_of

Values = NDArray[Any]
RNG = np.random.default_rng(15)
ROWS = 60
PARTS = np.stack([RNG.lognormal(size=ROWS), RNG.normal(1.0, 1.0, ROWS), RNG.normal(1.0, 1.0, ROWS) ** 2 + 3.0])
ONE = np.zeros(ROWS, dtype=np.int64)
CASES = [(MEAN, 1), (ROOT, 1), (RATIO, 3), (R_SQUARED, 3)]


def lines_of(statistic: Statistic, size: int) -> Values:
    return PARTS[[0, 2]] if statistic is RATIO else PARTS[:size]


@pytest.mark.parametrize(("statistic", "size"), CASES, ids=lambda case: getattr(case, "name", ""))
@pytest.mark.parametrize("weighted", [False, True])
def test_influences_are_what_a_statistic_moves_by(statistic: Statistic, size: int, weighted: bool) -> None:
    lines = lines_of(statistic, size)
    weight = RNG.lognormal(size=ROWS) if weighted else np.ones(ROWS)

    def value(shares: Values) -> float:
        return float(statistic.value(tuple(np.average(line, weights=weight * shares) for line in lines)))

    found = Influence(statistic, lines * weight, weight if weighted else None, ONE, 1)
    step = 1e-6
    for row in range(0, ROWS, 7):
        more = np.ones(ROWS)
        more[row] += ROWS * step
        assert found.values[row] == pytest.approx((value(more) - value(np.ones(ROWS))) / step, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize(("statistic", "size"), CASES, ids=lambda case: getattr(case, "name", ""))
@pytest.mark.parametrize("weighted", [False, True])
def test_drift_is_twice_the_bias_of_the_bootstrap(statistic: Statistic, size: int, weighted: bool) -> None:
    lines = lines_of(statistic, size)
    weight = np.random.default_rng(1).uniform(0.5, 1.5, ROWS) if weighted else np.ones(ROWS)
    found = Influence(statistic, lines * weight, weight if weighted else None, ONE, 1)
    counts = np.random.default_rng(2).multinomial(ROWS, np.full(ROWS, 1.0 / ROWS), 40_000) * weight
    values = statistic.value(tuple(counts @ line / counts.sum(axis=1) for line in lines))
    centre = statistic.value(found.centre)
    error = 3.0 * float(np.std(values)) / 200.0
    assert float(found.curve(found.values)[1][0]) / (2.0 * ROWS) == pytest.approx(
        float(np.mean(values - centre)[()]), abs=2.0 * error
    )


@pytest.mark.parametrize("a", [-0.4, -0.1, 0.06, 0.2, 0.9])
@pytest.mark.parametrize("b", [-0.1, 0.0, 0.2])
def test_a_quantile_is_that_of_the_interval_which_ends_at_zero(a: float, b: float) -> None:
    shape = Shape(np.array([a]), np.array([b]), np.array([1.0]), np.ones(1, dtype=bool), np.full(1, np.nan))
    for quantile in (0.7, 1.96, 3.3):
        low, high = (float(end[0]) for end in shape.ends(np.array([quantile])))
        assert low < high
        for end in (low, high):
            place = float(shape.quantile(np.array([-end]))[0])
            if (end == low and end < 0.0) or (end == high and end > 0.0):
                assert place == pytest.approx(quantile, rel=1e-9)


def test_counts_of_rare_rows_have_the_limits_of_a_poisson_law() -> None:
    n, rare = 100_000, 12
    line = np.zeros((1, n))
    line[0, :rare] = 1.0
    shape = shape_of([(1.0, Influence(MEAN, line, None, np.zeros(n, dtype=np.int64), 1))], np.array([float(n)]))
    low, high = (rare + float(end[0]) * np.sqrt(rare) for end in shape.ends(np.array([1.96])))
    exact = stats.gamma.ppf(0.025, rare), stats.gamma.ppf(0.975, rare + 1)
    assert exact[0] < low < stats.gamma.ppf(0.025, rare + 1)
    assert stats.gamma.ppf(0.975, rare) < high < exact[1]


def test_groups_are_what_their_rows_alone_give() -> None:
    codes = np.arange(ROWS) % 3
    for statistic, size in CASES:
        lines = lines_of(statistic, size)
        together = shape_of([(1.0, Influence(statistic, lines, None, codes, 3))], np.full(3, ROWS / 3.0))
        for group in range(3):
            own = lines[:, codes == group]
            alone = shape_of([(1.0, Influence(statistic, own, None, ONE[: own.shape[1]], 1))], np.array([ROWS / 3.0]))
            for line in ("a", "b", "skew"):
                assert getattr(together, line)[group] == pytest.approx(getattr(alone, line)[0], rel=1e-6, abs=1e-9)


def test_a_slice_without_a_number_bends_no_other() -> None:
    rng = np.random.default_rng(35)
    y = rng.normal(size=12)
    data = {"y": y, "a": y + 0.2 * rng.normal(size=12), "b": y + 0.6 * rng.normal(size=12), "s": np.arange(12) // 11}
    alone = lossctl.compare({name: line[:11] for name, line in data.items()}, target="y", pred=["a", "b"], losses="r2")
    sliced = lossctl.compare(data, target="y", pred=["a", "b"], losses="r2", by="s")
    (of_slice,) = (one for one in sliced.comparisons if one.slice == {"s": "0"})
    assert of_slice.interval == pytest.approx(alone.comparisons[0].interval)


def test_a_mean_over_sets_is_corrected_as_that_of_as_many_rows() -> None:
    values = 1.0 - np.random.default_rng(20).random(20) ** 4
    mass = np.arange(100) % 5 == 0
    lines = np.stack([np.where(mass, np.repeat(values, 5), 0.0), mass])
    of_sets = shape_of([(1.0, Influence(SET_MEAN, lines, None, np.zeros(100, dtype=np.int64), 1))], np.array([100.0]))
    alone = Influence(MEAN, values[np.newaxis], None, np.zeros(20, dtype=np.int64), 1)
    of_rows = shape_of([(1.0, alone)], np.array([20.0]))
    assert float(of_sets.a[0]) == pytest.approx(float(of_rows.a[0]), rel=1e-6)
    assert float(of_sets.b[0]) == pytest.approx(float(of_rows.b[0]), rel=1e-6)
    assert of_rows.matters[0]


@pytest.mark.parametrize(("rows", "times"), [(30, 1.2), (100, 1.25)])
def test_of_few_rows_heavy_tails_of_two_models_widen_differences_little(rows: int, times: float) -> None:
    rng = np.random.default_rng(21)
    errors = rng.standard_t(5, (2, 200, rows))
    data = {"y": np.zeros(200 * rows), "a": errors[0].ravel(), "b": errors[1].ravel()}
    data["s"] = np.repeat(np.arange(200), rows)
    widths = []
    for method in ("auto", "t"):
        report = lossctl.compare(data, target="y", pred=["a", "b"], losses="mse", by="s", ci_method=method)
        ends = np.array([one.interval for one in report.comparisons])
        widths.append(ends[:, 1] - ends[:, 0])
    assert 1.0 < float(np.median(widths[0] / widths[1])) < times


def test_what_is_symmetric_is_left_to_students_t() -> None:
    line = np.tile([-1.0, 1.0], 50)[np.newaxis]
    shape = shape_of([(1.0, Influence(MEAN, line, None, np.zeros(100, dtype=np.int64), 1))], np.array([100.0]))
    assert not shape.matters.any()
    assert [float(end[0]) for end in shape.ends(np.array([2.0]))] == [-2.0, 2.0]


@pytest.mark.parametrize(("rows", "informative"), [(1, False), (4, False), (6, True), (50, True)])
def test_few_rows_of_most_of_the_variance_are_told(rows: int, informative: bool) -> None:
    line = np.random.default_rng(3).normal(0.0, 0.01, (1, 400))
    line[0, :rows] += 5.0
    shape = shape_of([(1.0, Influence(MEAN, line, None, np.zeros(400, dtype=np.int64), 1))], np.array([400.0]))
    assert bool(shape.informative[0]) is informative
    assert 0.0 < BULK < 1.0


def test_the_order_of_rows_moves_no_interval_where_not_all_are_at_hand() -> None:
    """Beyond the first rows that are kept the shape of a value is Student's, whichever rows come first."""
    rng = np.random.default_rng(18)
    y, noise = rng.normal(size=70_000), rng.normal(size=70_000)
    noise[:8] *= 1e3  # blunders, all of them among the first rows or among the last
    found = []
    for order in (slice(None), slice(None, None, -1)):
        data = {"y": y[order], "p": (y + noise)[order]}
        (cell,) = lossctl.evaluate(data, target="y", pred="p", losses="mse").cells
        found.append((cell.method, cell.interval))
    assert found[0][0] == found[1][0] == "t"
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-12)
    few = {"y": y[:5000], "p": (y + noise)[:5000]}
    assert lossctl.evaluate(few, target="y", pred="p", losses="mse").cells[0].method == "skew-t"


UNDER = {
    "mse": ["rmse", "r2", "rse", "rrse", "nrmse", "nrmse:by=std", "nrmse:by=l2", "d2_tweedie"],
    "mae": ["wape", "minkowski:p=1"],
    "tweedie_deviance:power=1": ["d2_tweedie:power=1"],
}


@pytest.mark.parametrize("method", ["auto", "t", "normal"])
@pytest.mark.parametrize("mean", UNDER)
def test_models_differ_as_surely_as_by_the_one_mean_that_ranks_them(mean: str, method: str) -> None:
    rng = np.random.default_rng(8)
    rows, samples = 60, 40
    target = np.exp(0.5 * rng.normal(size=(samples, rows)))
    errors = rng.normal(size=(2, samples, rows)) * np.where(rng.random((2, samples, rows)) < 0.05, 7.0, 1.0)
    data = {"y": target, "a": target * np.exp(0.2 * errors[0]), "b": target * np.exp(0.2 * errors[1])}
    data = {name: values.ravel() for name, values in data.items()} | {"s": np.repeat(np.arange(samples), rows)}
    losses = [mean, *UNDER[mean]]
    report = lossctl.compare(data, target="y", pred=["a", "b"], losses=losses, by="s", ci_method=method)
    p = {(one.spec, *one.slice.values()): one.p for one in report.comparisons}
    for one in report.comparisons:
        assert one.p == pytest.approx(p[mean, *one.slice.values()], rel=1e-9)
        assert one.interval is not None
        assert (one.interval[0] <= 0.0 <= one.interval[1]) == ((one.p or 0.0) > 0.05)
        assert one.interval[0] < one.difference < one.interval[1]


@pytest.mark.parametrize("seed", [35, 40, 74])
def test_towards_zero_roots_differ_as_far_as_what_is_under_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = {"y": np.zeros(11), "a": rng.normal(size=11).round(1), "b": (2.0 * rng.normal(size=11)).round(1)}
    root, mean = lossctl.compare(data, target="y", pred=["a", "b"], losses=["rmse", "mse"]).comparisons
    assert root.interval is not None
    assert mean.interval is not None
    size = root.value + root.baseline_value  # (a² - b²) / (a + b) = a - b
    assert root.interval[root.difference < 0.0] == pytest.approx(mean.interval[root.difference < 0.0] / size)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("rows", [30, 100, 300])
def test_few_rows_are_told_of_rare_ones_and_not_of_heavy_tails(rows: int, weighted: bool) -> None:
    rng = np.random.default_rng(9)
    samples = 2_000
    rare = np.arange(rows) < rng.integers(1, 5, samples)[:, np.newaxis]
    kinds = {
        "one to four": np.where(rare, 4.0, 0.1) + 0.1 * rng.random((samples, rows)),
        "t5": rng.standard_t(5, (samples, rows)) ** 2,
        "lognormal": np.exp(rng.normal(size=(samples, rows))),
        "normal": rng.normal(size=(samples, rows)) ** 2,
    }
    weight = np.exp(rng.normal(size=samples * rows)) if weighted else None
    told = {}
    for kind, values in kinds.items():
        lines = values.reshape(1, -1) * (1.0 if weight is None else weight)
        influence = Influence(MEAN, lines, weight, np.repeat(np.arange(samples), rows), samples)
        told[kind] = 1.0 - float(np.mean(shape_of([(1.0, influence)], np.full(samples, float(rows))).informative))
    if not weighted:
        assert told.pop("one to four") > 0.95
        assert max(told.values()) < 0.06
    elif rows > 30:  # of fewer some have most of the weight
        assert told.pop("one to four") > 0.85
        assert max(told.values()) < 0.07


def test_few_rows_that_decide_one_of_several_means_are_told() -> None:
    """A few blunders decide r2, however much its target varies."""
    rng = np.random.default_rng(10)
    rows, samples = 100, 500
    target, error = rng.normal(0.0, 2.0, (samples, rows)), rng.normal(size=(samples, rows))
    groups = np.repeat(np.arange(samples), rows)
    few = {}
    for kind, errors in {
        "normal": error,
        "blunders": np.where(np.arange(rows) < 2, np.sign(error) * 9.0, error),
    }.items():
        lines = np.stack([errors**2, target, target**2]).reshape(3, -1)
        shape = shape_of([(1.0, Influence(R_SQUARED, lines, None, groups, samples))], np.full(samples, float(rows)))
        few[kind] = 1.0 - float(np.mean(shape.informative))
    assert few["normal"] < 0.01
    assert few["blunders"] > 0.95
