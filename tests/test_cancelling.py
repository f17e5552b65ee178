"""Standard errors of data made to cancel, against exact fractions: one way of summing serves all of these."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import lossctl
from lossctl.core.batch import BLOCK
from lossctl.core.form import Form
from lossctl.engine.plan import Design, Plan, Question, couples
from lossctl.registry import loss_of, losses

RNG = np.random.default_rng(11)
NOISE = RNG.normal(size=3000)
DATA = {
    "mean 1e8 times the spread": 1e8 + NOISE,
    "mean -1e8 times the spread": -3e-5 + 3e-13 * NOISE,
    "mean 1e8 times the spread, more than one run": 1e8 + RNG.normal(size=BLOCK + 4711),
    "equal values": np.full(3000, 0.1),
    "equal values, more than one run": np.full(2 * BLOCK + 17, 1e8 / 3),
    "one value apart": np.append(np.full(2999, 1e8), 1e8 + 1.0),
    "one row": np.array([1e8]),
    "two rows": np.array([1e8, 1e8 + 1.0]),
    "two equal rows": np.array([0.1, 0.1]),
    "a spread of 1e-150": 1e-142 + 1e-150 * NOISE,
}
SUBNORMAL = {
    "a subnormal spread": 2e-308 + 5e-324 * RNG.integers(0, 100, 3000),
    "subnormal values": 5e-324 * RNG.integers(0, 2**40, 3000),
}
DIGITS = 1e-12


def standard_error(values: np.ndarray[Any, Any]) -> float | None:
    """Return the standard error of a mean; None of one row, and 0 of equal values."""
    n = len(values)
    if n < 2:
        return None
    whole = [int(Fraction(x) * 2**1074) for x in values.tolist()]
    above, below = n * sum(x * x for x in whole) - sum(whole) ** 2, n * n * (n - 1)
    return math.isqrt((above << 256) // below) / 2 ** (1074 + 128)


def cells_of(values: np.ndarray[Any, Any], way: str) -> list[Any]:
    """Return the cells of all rows, and of one group of them; the weight is the same in all."""
    rows = len(values)
    columns = {"y": values, "p": np.zeros(rows), "w": np.full(rows, 0.5), "g": np.full(rows, "a")}
    options: dict[str, Any] = {"plain": {}, "weighted": {"weight": "w"}, "by group": {"by": "g"}}[way]
    return [*lossctl.evaluate(columns, target="y", pred="p", losses=["mbe"], **options).cells]


def agrees(actual: float | None, exact: float | None) -> bool:
    if actual is None or exact is None:
        return actual is exact
    return abs(actual - exact) <= DIGITS * exact


@pytest.mark.deep
@pytest.mark.parametrize("values", DATA.values(), ids=DATA)
@pytest.mark.parametrize("way", ["plain", "weighted", "by group"])
def test_standard_errors_keep_their_digits(values: np.ndarray[Any, Any], way: str) -> None:
    exact, mean = standard_error(values), float(sum(map(Fraction, values.tolist())) / len(values))
    for cell in cells_of(values, way):
        assert abs(cell.value - mean) <= math.ulp(mean)
        assert agrees(cell.stderr, exact), (way, cell.stderr, exact)


@pytest.mark.parametrize("values", SUBNORMAL.values(), ids=SUBNORMAL)
@pytest.mark.parametrize("way", ["plain", "weighted", "by group"])
def test_a_spread_whose_square_is_no_float_is_none_rather_than_wrong(values: np.ndarray[Any, Any], way: str) -> None:
    assert [cell.stderr for cell in cells_of(values, way) if cell.stderr is not None] == []


@pytest.mark.parametrize("name", [name for name in DATA if "equal" not in name and "row" not in name])
def test_the_standard_error_of_a_difference_keeps_its_digits(name: str) -> None:
    values = DATA[name]
    columns = {"y": np.zeros(len(values)), "a": np.zeros(len(values)), "b": values}
    comparison = lossctl.compare(columns, target="y", pred=["a", "b"], losses=["mae"]).comparisons[0]
    assert agrees(comparison.stderr, standard_error(np.abs(values))), name


def test_what_depends_on_the_target_alone_is_summed_once_for_all_models() -> None:
    loss, models = loss_of("r2"), ("a", "b", "c")
    form = loss.form_for({"target": 1, "pred": 1}, None)
    assert isinstance(form, Form)
    plan = Plan(
        models,
        [Question("r2", loss, form)],
        dict.fromkeys(models, "none"),
        design=Design(baseline="b", pairs=couples(models, "b", True)),
    )
    lines = [(line.model, line.term.part.__name__, line.less) for line in plan.quantities]
    assert [line for line in lines if "target" in line[1]] == [
        ("b", "centred_target", None),
        ("b", "squared_centred_target", None),
    ]


def test_no_model_has_the_number_of_another() -> None:
    """What models share is of the target alone: each of three has the values that it has by itself."""
    target = 0.5 + np.abs(RNG.normal(5.0, 2.0, 300))
    columns = {"y": target, **{model: target * np.exp(RNG.normal(0.0, 0.1, 300)) for model in "abc"}}
    names = [name for name, loss in losses().items() for form in loss.forms if form.name == "regression"]
    names = sorted({*names} - {"gaussian_nll", "laplace_nll", "crps_gaussian"})  # which take a scale, too
    assert {"pearson", "concordance", "r2"} <= {*names}

    def values(models: str) -> list[float]:
        report = lossctl.evaluate(columns, target="y", pred=list(models), losses=names)
        return [
            cell.value for model in models for cell in report.cells if cell.model == model and cell.value is not None
        ]

    assert len(values("abc")) == 3 * len(names)
    assert values("abc") == pytest.approx(values("a") + values("b") + values("c"), rel=1e-12)
