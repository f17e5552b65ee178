"""The bootstrap against its definition, SciPy's and closed forms; the same bits whatever the container."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from scipy import stats

import lossctl
from lossctl import Report
from lossctl.core.block import row_hashes, text_hashes
from lossctl.core.resample import CHUNK, COPIES, PER_HASH, copies, mixed, split
from lossctl.results.comparison import Comparison
from tests.compared import stored_frame

pytestmark = pytest.mark.deep

Values = NDArray[Any]
Data = Mapping[str, Values]
BLOCK = 65_536


def counts(units: Values, seed: int = 1, resamples: int = 200) -> Values:
    """Return the (resamples, units) numbers of copies."""
    return np.concatenate([drawn for _, drawn in copies(units, seed, resamples)])


def report(data: object, losses: object = "mse", **question: Any) -> Report:
    return lossctl.compare(
        data, **{"target": "y", "pred": ["a", "b"], "losses": losses, "ci_method": "bootstrap", **question}
    )


def difference(data: object, loss: str = "mse", **question: Any) -> Comparison:
    (found,) = report(data, loss, **question).comparisons
    return found


def drawn(n: int, seed: int) -> dict[str, Values]:
    """Draw a target, two models, weights, slices and clusters."""
    rng = np.random.default_rng([seed, n])
    y, shared = rng.normal(3.0, 2.0, n), rng.normal(size=n)
    return {
        "y": y,
        "a": y + shared + rng.standard_t(6, n),
        "b": y + 0.8 * shared + rng.standard_t(6, n),
        "w": rng.gamma(3.0, 1.0, n),
        "g": np.array(["u", "v"])[rng.integers(0, 2, n)],
        "user": np.array([f"user {k}" for k in rng.integers(0, max(n // 10, 2), n)]),
    }


# copies -----------------------------------------------------------------------------------------------------------


def test_copies_are_poisson_with_mean_and_variance_of_one() -> None:
    assert len(COPIES) == 1 << 16
    assert COPIES.mean() == 1.0
    assert COPIES.var() == 1.0
    shares = np.bincount(COPIES.astype(int)) / len(COPIES)
    np.testing.assert_allclose(shares, stats.poisson(1).pmf(np.arange(9)), atol=2.0 / 65_536)


@pytest.mark.parametrize("units", [row_hashes(0, 4_000), np.arange(4_000, dtype=np.uint64)], ids=["rows", "numbers"])
def test_copies_are_drawn_as_if_at_random(units: Values) -> None:
    found = counts(units, resamples=400)
    share = np.bincount(found.astype(int).ravel(), minlength=9)
    wanted = np.bincount(COPIES.astype(int)) / len(COPIES) * found.size
    merged = [np.append(x[:6], x[6:].sum()) for x in (share, wanted)]
    assert stats.chisquare(merged[0], merged[1]).pvalue > 1e-4
    apart = found - found.mean(axis=1, keepdims=True)
    by_replicate = np.corrcoef(apart)[np.triu_indices(400, 1)]  # replicates of one hash stand side by side
    assert abs(by_replicate).max() < 6.0 / math.sqrt(4_000)
    assert np.std(by_replicate) == pytest.approx(1.0 / math.sqrt(4_000), rel=0.02)
    neighbours = [stats.pearsonr(found[:, k], found[:, k + step]).statistic for step in (1, 2, 64) for k in range(500)]
    assert np.std(neighbours) == pytest.approx(1.0 / math.sqrt(400), rel=0.1)
    means = found.mean(axis=0)
    assert stats.kstest((means - 1.0) * math.sqrt(400), "norm").pvalue > 1e-4


def test_copies_belong_to_the_unit_alone() -> None:
    units = row_hashes(BLOCK, 300)
    found = counts(units)
    order = np.random.default_rng(1).permutation(300)
    np.testing.assert_array_equal(counts(units[order]), found[:, order])
    np.testing.assert_array_equal(counts(units[17:20]), found[:, 17:20])
    np.testing.assert_array_equal(counts(np.repeat(units[:1], 3)), np.repeat(found[:, :1], 3, axis=1))


def test_more_resamples_begin_as_fewer_do() -> None:
    units = row_hashes(0, 50)
    most = counts(units, resamples=3 * CHUNK)
    for resamples in (1, PER_HASH, PER_HASH + 1, CHUNK - 1, CHUNK, CHUNK + 3, 2 * CHUNK + PER_HASH):
        found = counts(units, resamples=resamples)
        assert len(found) == resamples
        np.testing.assert_array_equal(found, most[:resamples])


def test_another_seed_draws_other_copies() -> None:
    units = row_hashes(0, 5_000)
    found = [counts(units, seed, 8).ravel() for seed in (0, 1, 2, 1 << 62)]
    for k, left in enumerate(found):
        for right in found[k + 1 :]:
            assert abs(stats.pearsonr(left, right).statistic) < 6.0 / math.sqrt(40_000)


def test_mixing_is_one_to_one() -> None:
    numbers = np.arange(50_000, dtype=np.uint64)
    units = np.concatenate([numbers, numbers + np.uint64(1 << 63)])
    assert len(np.unique(mixed(units))) == 100_000


@pytest.mark.parametrize("scale", [1.0, 1e-300, 1e300, 5e-324])
def test_a_line_is_cut_into_two_parts_that_add_up(scale: float) -> None:
    line = np.random.default_rng(2).normal(size=1_000) * scale
    high, low = split(line)
    assert np.abs(line - high - low).max() <= np.abs(line).max() * 2.0**-63 + 5e-324
    top = np.abs(line).max()
    assert all((np.abs(part) <= 2.0 * top).all() for part in (high, low))
    np.testing.assert_array_equal(np.concatenate(split(np.zeros(3))), np.zeros(6))


# the definition -----------------------------------------------------------------------------------------------------

B = 300
STATISTICS: Mapping[str, Callable[[Values, Values, Values], Values]] = {
    "mse": lambda y, p, w: np.sum(w * (p - y) ** 2, -1) / np.sum(w, -1),
    "mae": lambda y, p, w: np.sum(w * np.abs(p - y), -1) / np.sum(w, -1),
    "rmse": lambda y, p, w: np.sqrt(np.sum(w * (p - y) ** 2, -1) / np.sum(w, -1)),
    "wape": lambda y, p, w: np.sum(w * np.abs(p - y), -1) / np.sum(w * np.abs(y), -1),
    "r2": lambda y, p, w: (
        1.0
        - np.sum(w * (p - y) ** 2, -1) / np.sum(w * (y - (np.sum(w * y, -1) / np.sum(w, -1))[..., np.newaxis]) ** 2, -1)
    ),
    "mbe": lambda y, p, w: np.sum(w * (y - p), -1) / np.sum(w, -1),
    "median_absolute_error": lambda y, p, w: np.array(
        [float(np.median(np.repeat(np.abs(p - y), times.astype(int)))) for times in np.atleast_2d(w)]
    ),
}


def rows_as_drawn(n: int, seed: int) -> Values:
    """Return how often each row of a table of n rows counts in each replicate."""
    units = np.concatenate([row_hashes(start, min(BLOCK, n - start)) for start in range(0, n, BLOCK)])
    return counts(units, seed, B)


def hold(data: Data, times: Values, question: Mapping[str, Any]) -> None:
    """Hold a comparison's intervals and p-values to the percentiles of replicates worked out in NumPy."""
    weight = data["w"] if question.get("weight") else np.ones(len(data["y"]))
    losses = [name for name in STATISTICS if not (question.get("weight") and name == "median_absolute_error")]
    found = report(data, losses, resamples=B, **question)
    for one in found.comparisons:
        mine = np.isin(data["g"], one.slice.get("g", data["g"]))
        y, w = data["y"][mine], weight[mine] * times[:, mine]
        values = {m: STATISTICS[one.loss](y, data[m][mine], w) for m in "ab"}
        for cell in found.cells:
            if (cell.loss, cell.slice) == (one.loss, one.slice):
                ends = np.quantile(values[cell.model], [0.025, 0.975])
                assert cell.interval == pytest.approx(tuple(ends), rel=1e-10)
                assert cell.stderr == pytest.approx(float(np.std(values[cell.model], ddof=1)), rel=1e-9)
                assert cell.method == "bootstrap"
        sized = {m: np.abs(v) if one.loss == "mbe" else v for m, v in values.items()}
        gaps = sized["b"] - sized["a"]
        scale = float(np.abs(gaps).max())
        assert one.interval == pytest.approx(tuple(np.quantile(gaps, [0.025, 0.975])), abs=1e-10 * scale)
        assert one.stderr == pytest.approx(float(np.std(gaps, ddof=1)), rel=1e-9)
        beyond = min(int(np.sum(gaps <= 0.0)), int(np.sum(gaps >= 0.0)))
        assert one.p == pytest.approx(min(1.0, 2.0 * (beyond + 1) / (B + 1)), rel=1e-12)
        assert (one.method, one.clusters) == ("bootstrap", None)


@pytest.mark.parametrize("by", [None, "g"])
@pytest.mark.parametrize("weight", [None, "w"])
@pytest.mark.parametrize("seed", [12345, 0, (1 << 63) - 1])
def test_replicates_are_rows_drawn_several_times(by: str | None, weight: str | None, seed: int) -> None:
    data = drawn(700, 1)
    hold(data, rows_as_drawn(700, seed), {"by": by, "weight": weight, "seed": seed})


def test_replicates_of_several_blocks_are_rows_drawn_several_times() -> None:
    data = drawn(BLOCK + 1_000, 2)
    times = rows_as_drawn(BLOCK + 1_000, 5)
    found = difference(data, "mae", seed=5, resamples=B)
    gaps = [float(np.average(np.abs(data["b"] - data["y"]) - np.abs(data["a"] - data["y"]), weights=w)) for w in times]
    assert found.interval == pytest.approx(tuple(np.quantile(gaps, [0.025, 0.975])), rel=1e-9)


@pytest.mark.parametrize("by", [None, "g"])
def test_clusters_are_drawn_as_one(by: str | None) -> None:
    data = drawn(700, 3)
    units = text_hashes(data["user"].tolist())
    times = counts(units, 9, B)
    found = report(data, ["mse", "rmse", "r2"], cluster="user", seed=9, resamples=B, by=by)
    for one in found.comparisons:
        mine = np.isin(data["g"], one.slice.get("g", data["g"]))
        values = {m: STATISTICS[one.loss](data["y"][mine], data[m][mine], times[:, mine]) for m in "ab"}
        gaps = values["b"] - values["a"]
        assert one.interval == pytest.approx(tuple(np.quantile(gaps, [0.025, 0.975])), rel=1e-9)
    assert found.study is not None
    assert found.study.assumption == "clusters: user"


def test_pairs_of_rows_are_drawn_with_their_rows() -> None:
    rng = np.random.default_rng(4)
    n = 120
    data = {"y": (rng.random(n) < 0.4).astype(float), "a": rng.normal(size=n), "b": rng.normal(size=n)}
    data["g"] = np.array(["u", "v"])[np.arange(n) % 2]
    times = rows_as_drawn(n, 12345)

    def score(model: str, mine: Values, w: Values) -> float:
        positive, negative = mine & (data["y"] == 1.0), mine & (data["y"] == 0.0)
        both = np.outer(w[positive], w[negative])
        costs = np.logaddexp(0.0, data[model][negative][np.newaxis] - data[model][positive][:, np.newaxis])
        return float(np.sum(both * costs) / both.sum())

    for found in report(data, "triplet_score", resamples=B, by="g").comparisons:
        mine = np.isin(data["g"], found.slice.get("g", data["g"]))
        gaps = [score("b", mine, w) - score("a", mine, w) for w in times]
        assert found.interval == pytest.approx(tuple(np.quantile(gaps, [0.025, 0.975])), rel=1e-9)
        assert found.stderr == pytest.approx(float(np.std(gaps, ddof=1)), rel=1e-9)


# noise ------------------------------------------------------------------------------------------------------------

MANY = 1_000


def near(found: Comparison, stderr: float, ends: tuple[float, float]) -> None:
    """Hold a bootstrap of MANY replicates to another answer within five times its noise."""
    assert found.stderr == pytest.approx(stderr, rel=5.0 / math.sqrt(2 * MANY))
    noise = 5.0 * stderr * math.sqrt(0.025 * 0.975 / MANY) / float(stats.norm.pdf(1.96)) * math.sqrt(2.0)
    assert found.interval == pytest.approx(ends, abs=noise)


@pytest.mark.parametrize("loss", ["mse", "rmse", "r2", "mae"])
def test_the_bootstrap_agrees_with_scipys(loss: str) -> None:
    data = drawn(400, 5)

    def gap(y: Values, a: Values, b: Values, axis: int = -1) -> Values:
        return STATISTICS[loss](y, b, np.ones_like(y)) - STATISTICS[loss](y, a, np.ones_like(y))

    wanted = stats.bootstrap(
        (data["y"], data["a"], data["b"]),
        gap,
        paired=True,
        vectorized=True,
        method="percentile",
        n_resamples=MANY,
        rng=np.random.default_rng(6),
    )
    found = difference(data, loss, resamples=MANY)
    low, high = wanted.confidence_interval
    near(found, float(wanted.standard_error), (float(low), float(high)))


@pytest.mark.parametrize("option", [{}, {"weight": "w"}, {"cluster": "user"}, {"cluster": "user", "weight": "w"}])
@pytest.mark.parametrize("loss", ["mse", "rmse", "r2", "mbe"])
def test_the_bootstrap_agrees_with_the_closed_form(loss: str, option: Mapping[str, str]) -> None:
    data = drawn(1_500, 7)
    data["a"] += 1.0
    data["b"] += 1.1  # both biases are far from zero, so that mbe is as good as a plain mean
    for found, wanted in zip(
        report(data, loss, resamples=MANY, by="g", **option).comparisons,
        report(data, loss, ci_method="normal", by="g", **option).comparisons,
        strict=True,
    ):
        assert wanted.stderr is not None
        assert wanted.interval is not None
        near(found, wanted.stderr, wanted.interval)
        if "cluster" in option:
            assert found.skew is None
        else:
            assert found.skew == (wanted.skew if wanted.skew is None else pytest.approx(wanted.skew, rel=1e-12))
        assert found.value == pytest.approx(wanted.value, rel=1e-15)  # sums of all groups round as they add
        assert found.difference == pytest.approx(wanted.difference, rel=1e-14)


def test_a_median_agrees_with_its_order_statistics() -> None:
    rng = np.random.default_rng(8)
    shared = rng.normal(size=2_000)
    data = {"y": np.zeros(2_000), "a": shared + rng.normal(size=2_000), "b": 0.9 * (shared + rng.normal(size=2_000))}
    found = difference(data, "median_absolute_error", resamples=500)
    wanted = difference(data, "median_absolute_error", ci_method="auto")
    assert found.stderr == pytest.approx(wanted.stderr, rel=0.2)
    assert found.interval == pytest.approx(wanted.interval, abs=0.6 * (wanted.stderr or 0.0))
    assert wanted.method == "order"


# the same bits ------------------------------------------------------------------------------------------------------


def numbers_of(found: Report) -> list[object]:
    """Return all that a number or a verdict depends on."""
    return [*found.cells, *found.comparisons, *found.best_sets, found.study, found.warnings]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the same rows in several containers."""
    data = drawn(140_000, 9)
    frame = pd.DataFrame({name: column for name, column in data.items() if name != "w"})
    frame["w"] = data["w"]
    return {"dict": data, **stored_frame(frame, tmp_path_factory, "resample")}


OPTIONS: Sequence[Mapping[str, str]] = ({}, {"by": "g", "weight": "w"}, {"cluster": "user"})
WAYS = (("dict", 2), ("csv", 3), ("parquet 9973", 4), ("parquet 65536", 2))


@pytest.mark.parametrize(
    ("option", "ways"),
    [  # rows in two of the ways, slices and clusters in one each, and all in all with `make slow`
        *zip(OPTIONS, (WAYS[::2], WAYS[1:2], WAYS[3:]), strict=True),
        *(pytest.param(option, WAYS, marks=pytest.mark.slow) for option in OPTIONS),
    ],
    ids=str,
)
def test_containers_row_groups_and_threads_leave_no_trace(
    option: Mapping[str, str], ways: Sequence[tuple[str, int]], stored: Mapping[str, Any]
) -> None:
    question = {"losses": ["mse", "rmse"], "resamples": 100, **option}
    first = numbers_of(report(stored["dict"], threads=1, **question))
    for container, threads in ways:
        assert numbers_of(report(stored[container], threads=threads, **question)) == first, (container, threads)


def test_medians_leave_no_trace_of_threads_or_row_groups(tmp_path: Path) -> None:
    data = drawn(BLOCK + 500, 19)
    pq.write_table(pa.table(dict(data)), tmp_path / "rows.parquet", row_group_size=9_973)
    question: Mapping[str, Any] = {"losses": "median_absolute_error", "resamples": 100}
    first = numbers_of(report(data, threads=1, **question))
    assert numbers_of(report(str(tmp_path / "rows.parquet"), threads=4, **question)) == first


@pytest.mark.parametrize("rows", [3_000, BLOCK + 3_000])
def test_rows_with_a_key_are_drawn_alike_in_any_order(rows: int, tmp_path: Path) -> None:
    data = drawn(rows, 10)
    found = []
    for seed in range(3):
        paths = {}
        for place, name in enumerate("yab"):
            order = np.random.default_rng([11, seed, place]).permutation(rows) if seed else np.arange(rows)
            columns = {"key": np.array([f"k{k}" for k in order]), ("y" if name == "y" else "p"): data[name][order]}
            paths[name] = str(tmp_path / f"{name}.parquet")
            pq.write_table(pa.table(columns), paths[name], row_group_size=997)
        again = lossctl.compare(
            {"a": paths["a"], "b": paths["b"]},
            targets=paths["y"],
            target="y",
            pred="p",
            losses=["mse", "rmse"],
            id="key",
            ci_method="bootstrap",
            resamples=100,
            threads=1 + seed,
        )
        found.append([(one.stderr, one.interval, one.p, one.verdict) for one in again.comparisons])
    assert found[0] == found[1] == found[2]


def test_the_seed_and_the_resamples_decide_the_numbers_and_are_recorded() -> None:
    data = drawn(300, 12)
    first, again, other = (report(data, seed=seed, resamples=200) for seed in (1, 1, 2))
    assert numbers_of(first) == numbers_of(again)
    assert first.comparisons[0].stderr != other.comparisons[0].stderr
    assert first.comparisons[0].difference == other.comparisons[0].difference
    for found, seed in ((first, 1), (other, 2)):
        assert found.study is not None
        assert (found.study.seed, found.study.resamples, found.study.method) == (seed, 200, "bootstrap")
        assert all(f"{seed}" in cell.signature for cell in found.cells)
    assert first.cells[0].signature != other.cells[0].signature
    default = report(data).study
    assert default is not None
    assert (default.seed, default.resamples) == (12345, 1000)


def test_models_are_drawn_together() -> None:
    data = drawn(300, 13)
    both = report(data, ["mse", "mae"], pred=["a", "b"], resamples=200)
    data["c"] = data["b"] + 1.0
    three = report(data, ["rmse", "mse", "mae"], pred=["c", "a", "b"], baseline="a", resamples=200)
    for one in both.comparisons:
        (same,) = [other for other in three.comparisons if (other.loss, other.candidate) == (one.loss, "b")]
        assert (same.stderr, same.interval, same.p) == (one.stderr, one.interval, one.p)


# clusters and slices ------------------------------------------------------------------------------------------------


def test_clusters_are_counted_in_the_bootstrap_too() -> None:
    data = drawn(300, 17)
    data["user"] = np.arange(300) % 12
    found, wanted = (report(data, cluster="user", ci_method=method) for method in ("bootstrap", "t"))
    assert found.comparisons[0].clusters == wanted.comparisons[0].clusters == 12
    assert found.warnings == wanted.warnings != ()


@pytest.mark.parametrize("offset", [50.0, 1e4, 1e8])
def test_a_slice_at_an_offset_of_its_own_costs_no_digits(offset: float) -> None:
    data = drawn(600, 18)
    for name in "yab":
        data[name] = data[name] + np.where(data["g"] == "v", offset, 0.0)
    times = rows_as_drawn(600, 12345)
    for one in report(data, "r2", resamples=B, by="g").comparisons[1:]:
        mine = data["g"] == one.slice["g"]
        y = data["y"][mine] - (offset if one.slice["g"] == "v" else 0.0)
        values = [STATISTICS["r2"](y, y + (data[m][mine] - data["y"][mine]), times[:, mine]) for m in "ab"]
        assert one.stderr == pytest.approx(float(np.std(values[1] - values[0], ddof=1)), rel=1e-6)


# where there is no answer --------------------------------------------------------------------------------------------


def test_replicates_without_a_value_are_counted() -> None:
    data = {"y": np.array([1.0, 1, 1, 0]), "a": np.array([0.9, 0.8, 0.7, 0.2]), "b": np.array([0.6, 0.7, 0.9, 0.4])}
    found = report(data, "gan_discriminator", resamples=500)
    one = found.comparisons[0]
    times = counts(row_hashes(0, 4), 12345, 500)
    lost = int(np.sum((times[:, 3] == 0.0) | (times[:, :3].sum(axis=1) == 0.0)))
    assert 0 < lost < 500
    assert one.reason == f"{lost} of 500 bootstrap replicates have no value"
    assert (one.interval, one.p, one.verdict) == (None, None, "undecided")
    assert [cell.interval_reason for cell in found.cells] == [one.reason] * 2


def test_a_difference_in_one_direction_has_the_least_p_value() -> None:
    data = drawn(300, 14)
    data["b"] = data["y"] + 0.01
    found = difference(data, "mae", resamples=500)
    assert found.p == pytest.approx(2.0 / 501)
    assert found.verdict == "better"


def test_skewed_differences_are_guarded_in_the_bootstrap_too() -> None:
    rng = np.random.default_rng(15)
    n = 200
    b = np.full(n, 9.4) + rng.normal(0.0, 0.5, n)
    b[:2] = 30.0
    found = difference({"y": np.zeros(n), "a": np.full(n, 10.0), "b": b}, "mae")
    assert found.p is not None
    assert found.p < 0.05
    assert found.verdict == "undecided"
    assert found.reason is not None
    assert found.reason.startswith(f"skewed: few of {n} rows decide")


def test_a_maximum_has_no_bootstrap() -> None:
    found = report(drawn(50, 16), "max_error")
    assert found.comparisons[0].reason == "a maximum has no interval"
    assert [cell.interval for cell in found.cells] == [None, None]
