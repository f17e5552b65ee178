"""Many comparisons at once: adjusted p-values, and the set of models that may be best."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
from scipy import stats

from tests.compared import Values, apart, difference, differences, drawn, report

# many comparisons -----------------------------------------------------------------------------------------------------


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
    found = differences(data, "mse", pred=["a", "b", "c"], ci_method="t")
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


# the models that may be best ------------------------------------------------------------------------------------------


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
