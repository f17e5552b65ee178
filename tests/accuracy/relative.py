"""Losses of relative error."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from tests.accuracy import Exact, Real, Row, around, both_signs, grid, mp
from tests.accuracy.regression import data

NEAR = [
    *[(1.0, x) for x in around(1.0)],
    *[(1e6, x) for x in around(1e6)],
    *[(1e-20, x) for x in around(1e-20)],
    (0.1, 0.1 + 1e-12),
    (-0.5, -0.5000001),
    (math.nextafter(-1.0, 0.0), -1.0 + 2.0**-53 + 2.0**-66),
    (1e-20, 3e-20),
    (1e-20, -1e-20),
    (0.0, 1e-20),
    (3.0, 2.0),
    (100.0, 140.0),
]
FAR = [
    (1e-20, 1.0),
    (1e-300, 1e300),
    (1e300, 1e-300),
    (-0.999999, 1e10),
    (math.nextafter(-1.0, 0.0), 1e300),
    (1e10, math.nextafter(-1.0, 0.0)),
    (1e8, 1e7),
    (math.nextafter(-1.0, 0.0), -1.0 + 2.0**-52),
    (7.0, 2.0),
    (100.0, 200.0),
    (1e15, 4e15),
    (1e300, 2e300),
    (2e300, 1e300),
]
SMAPE = [
    *[(1.0, x) for x in around(1.0)],
    (0.0, 0.0),
    (0.0, -0.0),
    (0.0, 1e-300),
    (0.1, 0.3),
    (-3.0, 7.0),
    (1e300, 1e-300),
    (1.7e308, 1e308),
    (1.7e308, -1.7e308),
    (1e-310, 3e-310),
    (5e-324, 0.0),
    (5e-324, -5e-324),
    (1e-323, 5e-324),
]
SHARES = [
    *[(1.0, x) for x in around(1.0)],
    (0.1, 0.3),
    (-3.0, 7.0),
    (1e9, 1e9 + 0.7),
    (1e-300, 1.0),
    (1e300, 1e-300),
    (3.0, 1e-9),
    (-0.7, -0.7000001),
]
TOTALS = data([(3.0, 2.5), (0.0, 0.25), (1e9, 1e9 + 3.7), (1e-9, 0.1), (7.0, 7.0)])


def msle(target: Real, pred: Real) -> Real:
    return mp.log((1 + pred) / (1 + target)) ** 2


def smape(target: Real, pred: Real) -> Real:
    return 2 * abs(target - pred) / (abs(target) + abs(pred)) if target or pred else mp.mpf(0)


def mape(eps: float) -> Callable[..., Real]:
    return lambda target, pred: abs(pred - target) / max(abs(target), mp.mpf(eps))


def maape(target: Real, pred: Real) -> Real:
    return mp.atan2(abs(pred - target), abs(target)) if target or pred else mp.mpf(0)


def root_mean_square_log(target: Sequence[Real], pred: Sequence[Real]) -> Real:
    return mp.sqrt(sum(map(msle, target, pred)) / len(target))


def wape(target: Sequence[Real], pred: Sequence[Real]) -> Real:
    return sum(abs(p - t) for t, p in zip(target, pred, strict=True)) / sum(map(abs, target))


ZEROS: list[Row] = grid(target=[0.0, -0.0], pred=both_signs([0.0, 1e-300, 0.3, 1e300]))
CASES: tuple[Exact, ...] = (
    Exact("msle", data(NEAR + FAR), msle, digits=700),
    Exact("rmsle", data(NEAR[-6:]), root_mean_square_log, whole=True, digits=700),
    Exact("rmsle", data(FAR[-4:]), root_mean_square_log, whole=True, digits=700),
    Exact("mape", data(SHARES), mape(0.0), digits=700),
    *(Exact(f"mape:eps={eps!r}", [*data(SHARES), *ZEROS], mape(eps), digits=700) for eps in (1e-7, 0.3)),
    Exact("mpe", data(SHARES), lambda target, pred: (target - pred) / target, digits=700),
    Exact("smape", data(SMAPE), smape, digits=700),
    Exact("maape", [*data(SHARES), *ZEROS], maape, digits=700),
    Exact("wape", TOTALS, wape, whole=True),
    Exact(
        "coefficient_of_residual_mass",
        TOTALS,
        lambda target, pred: (sum(target) - sum(pred)) / sum(target),
        whole=True,
    ),
)
