"""How much worse a candidate may be, and the rows where it is worst."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

import lossctl
from lossctl.api.compare import weigh
from lossctl.results.comparison import Comparison
from lossctl.results.report import Report
from tests.compared import (
    Data,
    Values,
    apart,
    cr3,
    degrees,
    delta,
    difference,
    drawn,
    flagged,
    numbers_of,
    part,
    quantities,
    report,
    rows_of,
    value_and_slopes,
)

# how much worse -------------------------------------------------------------------------------------------------------


def bounds_about(rows: Values, freedom: int, level: float, stderr: float | None = None) -> tuple[float, float]:
    """Return the t-interval of the mean of rows."""
    reach = float(stats.t.ppf(0.5 + 0.5 * level, freedom)) * (float(stats.sem(rows)) if stderr is None else stderr)
    return float(rows.mean()) - reach, float(rows.mean()) + reach


def bounds_of_roots(data: Mapping[str, Any], squares: Any, level: float) -> tuple[float, float]:
    """Return bounds of a difference of roots: towards zero by the test of the squares, until their ends meet."""
    value, stderr = delta("rmse", data)
    quantile = float(stats.t.ppf(0.5 + 0.5 * level, len(squares) - 1))
    reach = quantile * stderr
    near = abs(value) - quantile * abs(value) * float(stats.sem(squares)) / abs(float(squares.mean()))
    near *= abs(value) / (near + reach) if near > 0.0 else 1.0
    low, high = sorted((math.copysign(near, near * value), value + math.copysign(reach, value)))
    return low, high


@pytest.mark.parametrize("level", [0.9, 0.95])
@pytest.mark.parametrize(
    ("tolerance", "relative"), [(0.0, False), (0.3, False), (0.0, True), (0.02, True), (0.5, True)]
)
def test_a_tolerated_worsening_is_a_linear_contrast(tolerance: float, relative: bool, level: float) -> None:
    data = drawn("normal", 4000, 97)  # enough for skewness not to matter
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
        if not tolerance:
            assert found == pytest.approx(bounds_of_roots(mine, own - base, level), rel=1e-9)
        elif relative:  # B <= (1 + r) A just where B² <= (1 + r)² A², in units of B + (1 + r) A
            unit = math.sqrt(own.mean()) + (1.0 + tolerance) * math.sqrt(base.mean())
            rows = (own - (1.0 + tolerance) ** 2 * base) / unit
            assert found == pytest.approx(bounds_about(rows, n - 1, level), rel=1e-9)
        else:
            value, stderr = delta("rmse", mine)
            assert found == pytest.approx(bounds_about(np.full(n, value - tolerance), n - 1, level, stderr), rel=1e-9)


def test_a_weighted_worsening_is_a_ratio_and_a_clustered_one_goes_by_clusters() -> None:
    data = part(drawn("normal", 4000, 98), drawn("normal", 4000, 98)["w"] > 0.0)
    rows, w, n = rows_of("mse", data, "b") - 1.1 * rows_of("mse", data, "a"), data["w"], len(data["y"])
    value = float(np.average(rows, weights=w))
    _, weighed = weigh(data, "a", target="y", pred=["a", "b"], losses="mse", weight="w")
    stderr = math.sqrt(float(np.sum((w * (rows - value)) ** 2)) / (n * (n - 1))) / float(w.mean())
    found = weighed.bounds("b", "mse", {}, 0.1, True, 0.95)
    assert found == pytest.approx(bounds_about(np.full(n, value), degrees(w), 0.95, stderr), rel=1e-9)
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


@pytest.mark.deep
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


@pytest.mark.deep
@pytest.mark.parametrize("share", [0.05, 0.5, -0.05])
def test_bounds_of_a_share_of_a_median_hold_as_often_as_they_say(share: float) -> None:
    rng = np.random.default_rng(103)
    repeats, n, low, high = 200, 80, 0, 0
    median = float(stats.norm.ppf(0.75))
    truth = 1.5 * median - (1.0 + share) * median
    for _ in range(repeats):
        shared = rng.normal(size=n)
        b = 1.5 * (0.6 * shared + 0.8 * rng.normal(size=n))
        data = {"y": np.zeros(n), "a": shared, "b": b}
        _, weighed = weigh(data, "a", target="y", pred=["a", "b"], losses="median_absolute_error", threads=1)
        found = weighed.bounds("b", "median_absolute_error", {}, share, True, 0.9)
        assert not isinstance(found, str)
        low += found[0] <= truth
        high += found[1] >= truth
    assert min(low, high) >= stats.binom.ppf(0.001, repeats, 0.95)


def test_what_gives_no_evidence_has_its_reason() -> None:
    data = drawn("normal", 60, 102)
    data["b"] = data["a"].copy()
    _, weighed = weigh(
        data, "a", target="y", pred=["a", "b", "c"], losses=["mse", "max_error", "median_absolute_error"]
    )
    assert weighed.bounds("b", "mse", {}, 0.25, False, 0.95) == (-0.25, -0.25)
    assert weighed.bounds("c", "max_error", {}, 0.0, False, 0.95) == "a maximum has no interval"
    one = difference(data, "median_absolute_error", pred=["a", "c"])
    assert one.stderr is not None
    reach = float(stats.norm.ppf(0.975)) * one.stderr
    found = weighed.bounds("c", "median_absolute_error", {}, 0.1, False, 0.95)
    assert found == pytest.approx((one.difference - 0.1 - reach, one.difference - 0.1 + reach), rel=1e-9)


# the worst rows -------------------------------------------------------------------------------------------------------


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
    rows = report(data, worst=9, by="g").worst
    assert [row.slice for row in rows] == [{"g": data["g"][row.row - 1]} for row in rows]
    assert tuple(replace(row, slice={}) for row in rows) == report(data, worst=9).worst


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
        assert [row.value - (row.baseline_value or 0.0) for row in found.worst] == sorted(excess, reverse=True)[:25]
        assert all(excess[key] == row.difference for key, row in zip(keys, found.worst, strict=True))
        seen.append([(row.baseline_value, row.value) for row in found.worst])
        numbers = numbers_of(found)
        assert numbers[2] == numbers_of(found)[2]
    wanted = [sorted(pairs) for pairs in seen]
    assert wanted[0] == wanted[1] == wanted[2]


def test_the_worst_rows_say_their_keys_and_slices(tmp_path: Path) -> None:
    data = {name: np.round(column, 1) for name, column in drawn("heavy", 300, 98).items() if name in "yab"}
    rng = np.random.default_rng(98)
    paths = keyed(tmp_path, {name: rng.permutation(300) for name in "yab"}, data)
    truth = pq.read_table(paths["y"])
    groups = pa.array([None if k % 7 == 0 else f"g{k % 3}" for k in range(300)])
    pq.write_table(truth.append_column("g", groups), paths["y"])
    models = {"a": paths["a"], "b": paths["b"]}
    found = lossctl.compare(
        models, targets=paths["y"], target="y", pred="p", losses="mae", id="key", by="g", worst=300, threads=2
    )
    words = dict(zip(truth["key"].to_pylist(), groups.to_pylist(), strict=True))
    excess = apart("mae", data)
    assert len(found.worst) == np.count_nonzero(excess > 0.0)
    for row in found.worst:
        assert row.difference == excess[int(row.key["key"][1:])]
        assert row.slice == ({} if words[row.key["key"]] is None else {"g": words[row.key["key"]]})
    path = tmp_path / "report.json"
    found.save(path)
    assert Report.load(path).worst == found.worst


def test_the_worst_rows_say_their_labels_in_a_share_too(tmp_path: Path) -> None:
    labels = np.array(["no", "yes", "?"])[np.arange(90) % 3]
    shares = np.random.default_rng(7).dirichlet(np.ones(3), 90)
    data = {"y": labels, **dict(zip(["p_?", "p_no", "p_yes"], shares.T, strict=True))}
    found = lossctl.evaluate(data, target="y", pred={"m": "p_*"}, losses="cce", worst=9)
    assert [row.key for row in found.worst] == [{"y": labels[row.row - 1]} for row in found.worst]
    assert len({row.key["y"] for row in found.worst}) > 1
    path, states = tmp_path / "rows.parquet", [str(tmp_path / "1"), str(tmp_path / "2")]
    pq.write_table(pa.table(data), path)
    for place, state in enumerate(states, 1):
        options = {"target": "y", "pred": "m=p_*", "losses": "cce", "worst": 9}
        lossctl.share("eval", path, shard=f"{place}/2", state_out=state, **options)
    assert lossctl.merge(states).worst == found.worst


@pytest.mark.parametrize(("n", "most"), [(5, 1), (900, 7), (70_001, 3)])
def test_the_worst_rows_of_a_model_alone_are_those_of_a_sort(n: int, most: int) -> None:
    data: dict[str, Any] = {name: np.round(drawn("heavy", n, 99)[name], 1) for name in "yab"}
    data["g"] = np.where(data["y"] > 0.0, "up", "down")
    found = lossctl.evaluate(data, target="y", pred=["a", "b"], losses=["mse", "mbe"], by="g", worst=most, threads=2)
    for loss in ("mse", "mbe"):
        for model in "ab":
            losses = rows_of(loss, data, model)
            order = np.lexsort((np.arange(n), -np.abs(losses)))[:most].tolist()
            rows = [row for row in found.worst if (row.loss, row.candidate) == (loss, model)]
            assert [(row.row, row.value) for row in rows] == [(k + 1, float(losses[k])) for k in order]
            assert {(row.baseline, row.baseline_value, row.difference) for row in rows} == {(None, None, None)}
            assert [row.slice["g"] for row in rows] == [data["g"][k] for k in order]
            assert [dict(row.roles) for row in rows] == [{"target": data["y"][k], model: data[model][k]} for k in order]


def test_negative_losses_have_worst_rows_too_and_rows_without_weight_are_none() -> None:
    data = {"y": [0.0, 0.0, 0.0, 9.0], "p": [0.0, 0.005, 0.001, 0.0], "s": [0.01] * 4, "w": [1, 1, 1, 0]}
    found = lossctl.evaluate(data, target="y", pred="p", losses="gaussian_nll", roles="scale=s", weight="w", worst=2)
    assert [row.row for row in found.worst] == [2, 3]
    assert found.worst[0].value < 0.0
    assert lossctl.evaluate(data, target="y", pred="p", losses="mae").worst == ()


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
