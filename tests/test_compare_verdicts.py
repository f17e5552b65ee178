"""What decides nothing, and why: medians, power, guards; and what the study says of itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from scipy import stats

from lossctl import DataError, UsageError
from tests.compared import Values, difference, differences, drawn, flagged, held, part, report, undecided

# medians --------------------------------------------------------------------------------------------------------------


def test_a_difference_of_medians_is_undecided_where_rows_are_too_few() -> None:
    few = {name: column[:5] for name, column in drawn("normal", 50, 54).items()}
    found = report(few, "median_absolute_error")
    undecided(found.comparisons[0], "too few rows for an interval from order statistics")
    assert [cell.interval for cell in found.cells] == [None, None]
    six = {name: column[:6] for name, column in drawn("normal", 50, 54).items()}
    assert difference(six, "median_absolute_error").method == "order"


@pytest.mark.parametrize("loss", ["median_absolute_error", "mbe", "rmse", "r2"])
@pytest.mark.parametrize("rows", [4, 8, 12])
def test_a_difference_is_shown_where_its_interval_leaves_out_zero(loss: str, rows: int) -> None:
    rng = np.random.default_rng(57)
    samples = 200
    target, shared, own = (np.round(2.0 * rng.normal(size=(samples, rows))) for _ in range(3))
    times = np.repeat(np.arange(4), samples // 4)[:, np.newaxis]
    data = {"y": target.ravel(), "a": (target + shared).ravel(), "b": (target + own + times * shared).ravel()}
    found = differences(data | {"s": np.repeat(np.arange(samples), rows)}, loss, by="s", threads=1)
    for one in found:
        if one.interval is not None and one.p is not None:
            assert (one.p <= 0.05) == (not one.interval[0] <= 1e-15 or not one.interval[1] >= -1e-15)


@pytest.mark.parametrize("loss", ["spearman", "kendall", "c_index:events=false"])
def test_a_slice_in_which_a_correlation_is_undefined_has_no_difference(loss: str) -> None:
    data = {"y": [1, 1, 1, 2, 3, 4], "a": [1, 2, 3, 1, 2, 3], "b": [3, 1, 2, 1, 3, 2], "s": list("uuuvvv")}
    undecided(differences(data, loss, by="s")[1], "the value of a is not finite")


@pytest.mark.deep
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
    """Advice is only what goes with the options: a bootstrap takes no series."""
    data = {**drawn("normal", 100, 57), "t": np.arange(100)}
    series = "time" in option
    undecided(
        difference(data, "median_absolute_error", **option),
        "order statistics need rows that are independent" + "; --ci-method bootstrap does not" * (not series),
    )
    undecided(
        difference(data, "rae", **option),
        "no closed form for a statistic of all values" + "; --ci-method bootstrap has one" * (not series),
    )


def test_maxima_and_pairs_of_rows_have_their_reasons() -> None:
    undecided(difference(drawn("normal", 50, 58), "max_error"), "a maximum has no interval")
    data = flagged(60, 59)
    undecided(
        difference(data, "triplet_score"),
        "no closed form for a statistic of all values; --ci-method bootstrap has one",
    )


# power ----------------------------------------------------------------------------------------------------------------


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


# guards ---------------------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("n", [100, 900])
def test_skewness_does_not_keep_a_difference_from_being_shown_that_it_cannot_explain(n: int) -> None:
    found = difference(at_the_edge(n, 2.0 * math.sqrt(n / 25.0)), "mae")
    assert found.adjusted is not None
    assert found.adjusted < 1e-6
    assert (found.verdict == "undecided", found.reason) == (False, None)


def rare(n: int, blunders: int, better_by: float) -> dict[str, Values]:
    """Make a model that is a little better in all rows but a few, in which it is much worse."""
    rng = np.random.default_rng(69)
    b = np.full(n, 10.0 - better_by) + rng.normal(0.0, 0.5, n)
    b[:blunders] = 10.0 + 20.0
    return {"y": np.zeros(n), "a": np.full(n, 10.0) + rng.normal(0.0, 0.5, n), "b": b}


def test_skewness_is_corrected_for_where_it_changes_the_decision() -> None:
    for loss in ("mae", "wape"):
        data = {**rare(200, 2, 0.6)}
        data["y"] = data["y"] + (1.0 if loss == "wape" else 0.0)
        found, plain = difference(data, loss), difference(data, loss, ci_method="t")
        assert found.p is not None
        assert plain.p is not None
        assert plain.p < 0.05 < found.p
        assert found.interval is not None
        assert found.interval[1] > 0.0
        assert found.method == "skew-t"
        for one in (found, plain):
            assert one.verdict == "undecided"
            assert one.reason is not None
            assert one.reason.startswith("skewed: few of 200 rows decide (skewness ")


def test_skewness_never_speaks_against_the_direction_of_a_difference() -> None:
    data = rare(200, 20, -1.0)  # worse in all rows, much worse in some
    found, plain = difference(data, "mae"), difference(data, "mae", ci_method="t")
    assert found.verdict == plain.verdict == "worse"
    assert found.interval is not None
    assert plain.interval is not None
    assert found.interval[0] == pytest.approx(plain.interval[0])
    assert found.p == pytest.approx(plain.p)


def test_no_reason_is_given_where_nothing_is_significant() -> None:
    found = difference(drawn("skewed", 12, 69))
    assert found.p is not None
    assert found.p > 0.05
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


# the study ------------------------------------------------------------------------------------------------------------


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
