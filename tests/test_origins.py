"""What variances are taken about comes from rows that count: it leaves no trace in a value, wherever it lies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from mpmath import fsum, mpf, sqrt, workdps
from numpy.typing import NDArray
from sklearn.metrics import d2_tweedie_score

import lossctl

LOSSES = (
    "r2",
    "rse",
    "explained_variance",
    "nrmse:by=std",
    "pearson",
    "one_minus_pearson",
    "concordance",
    "d2_absolute_error",
    "d2_tweedie:power=1",
)
ROWS = 400


def rows() -> pd.DataFrame:
    """Positive targets and predictions near them, in two slices."""
    rng = np.random.default_rng(3)
    target = np.exp(rng.normal(0.0, 0.5, ROWS))
    pred = target * np.exp(rng.normal(0.0, 0.2, ROWS))
    return pd.DataFrame({"y": target, "p": pred, "w": np.ones(ROWS), "g": np.arange(ROWS) % 2})


def figures(data: pd.DataFrame, loss: str, **options: Any) -> NDArray[np.float64]:
    """Values and standard errors of all rows and of each slice."""
    cells = lossctl.evaluate(data, target="y", pred="p", losses=[loss], by=["g"], **options).cells
    return np.array([[cell.value, np.nan if cell.stderr is None else cell.stderr] for cell in cells])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("far", [1e9, 1e-9])
@pytest.mark.parametrize("count", [1, 200])
def test_rows_of_zero_weight_are_no_origin(loss: str, far: float, count: int) -> None:
    data = rows()
    sentinels = pd.DataFrame({"y": far, "p": far, "w": 0.0, "g": np.arange(2 * count) % 2})
    with_sentinels = pd.concat([sentinels, data], ignore_index=True)
    np.testing.assert_allclose(
        figures(with_sentinels, loss, weight="w"), figures(data, loss, weight="w"), rtol=1e-13, atol=1e-15
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_rows_that_are_left_out_are_no_origin(loss: str) -> None:
    data = rows()
    gap = pd.DataFrame({"y": [1e9, 1e9], "p": [np.nan, np.nan], "w": 1.0, "g": [0, 1]})
    found = figures(pd.concat([gap, data], ignore_index=True), loss, missing="drop")
    np.testing.assert_allclose(found, figures(data, loss), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("power", [1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("first", [1e-7, 1.0, 1e7])
def test_a_first_target_far_from_all_others_costs_no_digits(power: float, first: float) -> None:
    data = rows()
    data.loc[0, "y"] = first
    found = lossctl.evaluate(data, target="y", pred="p", losses=[f"d2_tweedie:power={power}"]).cells[0].value
    assert found == pytest.approx(d2_tweedie_score(data["y"], data["p"], power=power), rel=1e-9)


def test_a_column_of_zero_weights_before_the_first_row_that_counts_is_passed_over_block_by_block() -> None:
    data = pd.concat([pd.DataFrame({"y": 1e9, "p": 1e9, "w": 0.0, "g": [0, 1] * 40_000}), rows()], ignore_index=True)
    np.testing.assert_allclose(figures(data, "r2", weight="w"), figures(rows(), "r2", weight="w"), rtol=1e-13)


@pytest.mark.parametrize("scale", [1.0, 1000.0, 1e-5, -3.7])
@pytest.mark.parametrize("noise", [1.0, 1e-2, 1e-5])
def test_a_correlation_keeps_its_digits_whatever_the_units(scale: float, noise: float) -> None:
    rng = np.random.default_rng(0)
    target = rng.normal(5.0, 1.0, 300)
    pred = scale * (target + noise * rng.normal(size=300)) + 17.0 * scale
    with workdps(50):
        u, v = ([mpf(x) for x in values.tolist()] for values in (target, pred))
        u, v = [x - fsum(u) / 300 for x in u], [x - fsum(v) / 300 for x in v]
        a, b = sqrt(fsum(x * x for x in u)), sqrt(fsum(x * x for x in v))
        r = fsum(x * y for x, y in zip(u, v, strict=True)) / (a * b)
        influence = (300 * (x * y / (a * b) - r * (x * x / a**2 + y * y / b**2) / 2) for x, y in zip(u, v, strict=True))
        stderr = sqrt(fsum(psi * psi for psi in influence) / (300 * 299))
        wanted = float(r), float(1 - r)
    data = pd.DataFrame({"y": target, "p": pred})
    cells = lossctl.evaluate(data, target="y", pred="p", losses=["pearson", "one_minus_pearson"]).cells
    for cell, value in zip(cells, wanted, strict=True):
        assert cell.value == pytest.approx(value, rel=64 * 2.0**-53)
        assert cell.stderr == pytest.approx(float(stderr), rel=1e-4)
