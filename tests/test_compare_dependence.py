"""Differences of rows that depend on each other: clusters and series."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.tsa.stattools import diebold_mariano_test

import lossctl
from lossctl import DataError
from tests.compared import (
    UNDER,
    Values,
    apart,
    by_cluster,
    cr3,
    difference,
    differences,
    drawn,
    held,
    numbers_of,
    part,
    report,
    rows_of,
    scores,
    stored_frame,
    undecided,
)

pytestmark = pytest.mark.deep

# clusters -------------------------------------------------------------------------------------------------------------


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
    found = difference(data, loss, cluster="user", weight=weight, ci_method="t")
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
        models = "a", found.candidate
        stderr, under = cr3(scores(loss, mine, w, *models), w, mine["user"]), UNDER.get(loss, loss)
        gap = float(np.average(apart(under, mine, *models), weights=w))
        of_zero = cr3(scores(under, mine, w, *models), w, mine["user"]) * abs(found.difference / gap)
        assert found.clusters == len(np.unique(mine["user"]))
        held(found, found.difference, stderr, found.clusters - 1, of_zero=of_zero, rel=1e-9)


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
    for cell in report(data, loss, cluster="user", weight=weight, ci_method="t").cells:
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
        assert (found.difference, found.p) == pytest.approx((wanted.difference, wanted.p), rel=1e-9)
        assert found.stderr == pytest.approx(wanted.stderr, rel=1e-10)
        assert found.interval == pytest.approx(wanted.interval, rel=1e-9)
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


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the same rows as a dict, a frame, a CSV file, and Parquet files with row groups of several sizes."""
    rng = np.random.default_rng(35)
    data: dict[str, Values] = drawn("heavy", 140_000, 35)
    data["day"] = rng.permutation(140_000)
    data["w"] = data["w"] + 0.01
    frame = pd.DataFrame(data)
    return {"dict": data, "frame": frame, **stored_frame(frame, tmp_path_factory, "dependence")}


MANY = {"pred": ["a", "b", "c"], "all_pairs": True}
QUESTIONS: Mapping[str, Mapping[str, Any]] = {
    "plain": {"losses": ["mse", "r2", "mbe"], "worst": 5, **MANY},
    "slices": {"losses": ["mse", "rmse"], "by": "g", "weight": "w", **MANY},
    "clusters": {"losses": ["mse", "r2"], "cluster": "user", "by": "g", **MANY},
    "series": {"losses": ["mae", "rmse"], "time": "day", "horizon": 3, **MANY},
    "medians": {"losses": ["median_absolute_error"], **MANY},
    "weighted medians": {"losses": ["median_absolute_error"], "weight": "w", **MANY},
}


WAYS = (("frame", 2), ("csv", 3), ("parquet 9973", 4), ("parquet 65536", 2))


@pytest.mark.parametrize(
    ("name", "ways"),
    [  # each question in two of the ways, and in all with `make slow`
        *((name, (WAYS[k % 4], WAYS[(k + 2) % 4])) for k, name in enumerate(QUESTIONS)),
        *(pytest.param(name, WAYS, marks=pytest.mark.slow) for name in QUESTIONS),
    ],
)
def test_containers_row_groups_and_threads_leave_no_trace(
    name: str, ways: Sequence[tuple[str, int]], stored: Mapping[str, Any]
) -> None:
    question = QUESTIONS[name]
    first = report(stored["dict"], threads=1, **question)
    assert any(one.verdict != "undecided" for one in first.comparisons) or "medians" in name
    for container, threads in ways:
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


# series ---------------------------------------------------------------------------------------------------------------


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
    found = difference(data, loss, time="t", horizon=horizon, ci_method="t")
    assert found.p == pytest.approx(wanted.pvalue, rel=1e-10)
    assert found.stderr is not None
    assert found.difference / found.stderr == pytest.approx(wanted.statistic, rel=1e-11)
    held(found, float(np.mean(apart(loss, data))), found.stderr, n - 1)
    shuffled = part(data, np.random.default_rng(41).permutation(n))
    again = difference(shuffled, loss, time="t", horizon=horizon, ci_method="t")
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
    bad_time(["1", "2", "1.0", "4"], r"row 3, column 't': '1\.0' is the same time as '1'")
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
