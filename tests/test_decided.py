"""Tests of decisions: McNemar's of shares of wrong ones, two one-sided ones of equivalence, sign tests of medians."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.weightstats import ttost_paired

import lossctl
from lossctl.stats import estimate

Values = NDArray[Any]


def test_the_worst_rows_of_labels_show_what_is_predicted() -> None:
    data = {"y": list("abca"), "p": list("abbb"), "q": list("caaa")}
    rows = lossctl.evaluate(data, target="y", pred=["p", "q"], losses="zero_one", worst=2).worst
    assert [(row.row, row.key) for row in rows] == [
        (3, {"y": "c", "p": "b"}),
        (4, {"y": "a", "p": "b"}),
        (1, {"y": "a", "q": "c"}),
        (2, {"y": "b", "q": "a"}),
    ]
    rows = lossctl.compare(data, target="y", pred=["p", "q"], losses="zero_one", worst=1).worst
    assert [row.key for row in rows] == [{"y": "a", "p": "a", "q": "c"}]


def decided(n: int, first: int, second: int) -> dict[str, Values]:
    """Make two models, of which each alone is wrong in so many rows."""
    y, a, b = np.zeros(n), np.zeros(n), np.zeros(n)
    a[:first], b[first : first + second] = 1.0, 1.0
    return {"y": y, "a": a, "b": b}


@pytest.mark.parametrize(("first", "second"), [(3, 8), (0, 5), (20, 41), (0, 1), (300, 250), (7, 7)])
def test_shares_of_wrong_decisions_are_compared_by_mcnemars_exact_test(first: int, second: int) -> None:
    data = decided(2_000, first, second)
    report = lossctl.compare(data, target="y", pred=["a", "b"], losses="zero_one")
    (found,) = report.comparisons
    table = [[0, first], [second, 0]]
    assert found.p == pytest.approx(float(mcnemar(table, exact=True).pvalue), rel=1e-9)
    assert report.study is not None
    assert report.study.correction == "none; zero_one: McNemar's exact test"
    assert found.p is not None
    assert (found.verdict == "undecided") == (found.p > 0.05)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (0, 900), (100_000, 100_900), (11, 2), (5_000, 4_000)])
def test_mcnemars_test_is_the_binomial_one(first: int, second: int) -> None:
    expected = stats.binomtest(first, first + second).pvalue if first + second else 1.0
    assert estimate.mcnemar(first, second) == pytest.approx(expected, rel=1e-7)


def test_weighted_clustered_and_plain_shares_are_not_mcnemars() -> None:
    data = {**decided(500, 20, 41), "w": np.tile([1.0, 2.0], 250), "u": np.arange(500) // 5}
    for option in ({"weight": "w"}, {"cluster": "u"}, {"ci_method": "t"}):
        report = lossctl.compare(data, target="y", pred=["a", "b"], losses="zero_one", **option)  # type: ignore[arg-type]  # names of columns
        assert report.study is not None
        assert report.study.correction == "none"


@pytest.mark.parametrize("margin", [0.02, 0.05, 0.1, 0.3])
def test_equivalence_is_that_of_two_one_sided_tests(margin: float) -> None:
    rng = np.random.default_rng(1)
    y = rng.normal(size=400)
    data = {"y": y, "a": y + rng.normal(size=400), "b": y + rng.normal(size=400)}
    found = lossctl.compare(data, target="y", pred=["a", "b"], losses="mae", equivalent=margin).comparisons[0]
    p, _, _ = ttost_paired(np.abs(data["b"] - y), np.abs(data["a"] - y), -margin, margin)
    assert (found.verdict == "equivalent") == (float(p) < 0.025)


def test_a_difference_may_be_shown_and_make_no_difference() -> None:
    rng = np.random.default_rng(2)
    y = rng.normal(size=2_000)
    data = {"y": y, "a": y + 1.0 + 0.1 * rng.normal(size=2_000), "b": y + 1.02 + 0.1 * rng.normal(size=2_000)}
    verdicts = [
        lossctl.compare(data, target="y", pred=["a", "b"], losses="mae", equivalent=margin).comparisons[0].verdict
        for margin in (None, "1%", "10%")
    ]
    assert verdicts == ["worse", "worse", "equivalent"]


@pytest.mark.parametrize("text", ["0", "-1", "x", "nan"])
def test_a_margin_is_above_zero(text: str) -> None:
    data = decided(50, 3, 4)
    with pytest.raises(lossctl.UsageError, match="--equivalent"):
        lossctl.compare(data, target="y", pred=["a", "b"], losses="mae", equivalent=text)


@pytest.mark.parametrize("weight", [None, "w"])
@pytest.mark.parametrize("rows", [12, 50, 400])
def test_intervals_of_medians_of_whole_numbers_hold_zero_where_no_difference_is_shown(
    rows: int, weight: str | None
) -> None:
    rng = np.random.default_rng([rows, 40])
    shape, shown = (60, rows), 0
    data = {"y": np.zeros(shape), "a": rng.poisson(3.0, shape), "b": rng.poisson(3.0 + 20.0 / rows**0.5, shape)}
    data |= {"w": rng.uniform(0.2, 2.0, shape), "s": np.repeat(np.arange(60), rows)}
    data = {name: values.ravel() for name, values in data.items()}
    losses = "median_absolute_error"
    report = lossctl.compare(data, target="y", pred=["a", "b"], losses=losses, by="s", weight=weight)
    for one in report.comparisons:
        if one.p is not None:
            assert one.interval is not None
            assert (one.interval[0] <= 0.0 <= one.interval[1]) == (one.p > 0.05)
            shown += one.p <= 0.05
    assert shown > 2


def test_medians_of_whole_numbers_differ_only_where_sign_tests_say_so() -> None:
    rng = np.random.default_rng(3)
    false = 0
    for _ in range(60):
        shared = rng.normal(size=100)
        y = rng.poisson(5, 100).astype(float)
        data = {"y": y, **{m: np.round(y + 1.5 * (shared + rng.normal(size=100))) for m in "ab"}}
        found = lossctl.compare(data, target="y", pred=["a", "b"], losses="median_absolute_error").comparisons[0]
        false += found.verdict != "undecided"
    assert false <= 4
    data = {"y": np.zeros(200), "a": rng.integers(0, 10, 200) * 1.0, "b": rng.integers(4, 14, 200) * 1.0}
    found = lossctl.compare(data, target="y", pred=["a", "b"], losses="median_absolute_error").comparisons[0]
    assert found.verdict == "worse"
    assert found.interval is not None
    assert found.interval[0] > 0.0


def test_few_informative_rows_are_warned_of() -> None:
    rng = np.random.default_rng(4)

    def warned(data: dict[str, Values], loss: str) -> bool:
        report = lossctl.evaluate(data, target="y", pred="p", losses=loss)
        return any("fewer than 5 rows make up nearly all of the variance" in text for text in report.warnings)

    few = many = 0
    for _ in range(40):
        y = rng.normal(size=200)
        blunders = np.where(np.arange(200) < 2, 12.0, 1.0)
        few += warned({"y": y, "p": y + blunders * (0.5 + rng.random(200))}, "mse")
        many += warned({"y": y, "p": y + rng.normal(size=200)}, "mse")
    assert few >= 38
    assert many <= 2
