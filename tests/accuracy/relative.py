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


def msle(target: float, pred: float) -> Real:
    with mp.workdps(700):
        return mp.log((1 + mp.mpf(pred)) / (1 + mp.mpf(target))) ** 2


def smape(target: float, pred: float) -> Real:
    t, p = mp.mpf(target), mp.mpf(pred)
    return 2 * abs(t - p) / (abs(t) + abs(p)) if t or p else mp.mpf(0)


def mape(eps: float) -> Callable[..., Real]:
    def exact(target: float, pred: float) -> Real:
        t = mp.mpf(target)
        return abs(mp.mpf(pred) - t) / max(abs(t), mp.mpf(eps))

    return exact


def maape(target: float, pred: float) -> Real:
    r = abs(mp.mpf(pred) - mp.mpf(target))
    if not target:
        return mp.pi / 2 if r else r
    return mp.atan(r / abs(mp.mpf(target)))


def root_mean_square_log(target: Sequence[float], pred: Sequence[float]) -> Real:
    return mp.sqrt(sum(msle(t, p) for t, p in zip(target, pred, strict=True)) / len(target))


def wape(target: Sequence[float], pred: Sequence[float]) -> Real:
    errors = sum(abs(mp.mpf(p) - mp.mpf(t)) for t, p in zip(target, pred, strict=True))
    return errors / sum(abs(mp.mpf(t)) for t in target)


def lacking(target: Sequence[float], pred: Sequence[float]) -> Real:
    whole = sum(map(mp.mpf, target))
    return (whole - sum(map(mp.mpf, pred))) / whole


ZEROS: list[Row] = grid(target=[0.0, -0.0], pred=both_signs([0.0, 1e-300, 0.3, 1e300]))
CASES: tuple[Exact, ...] = (
    Exact("msle", data(NEAR + FAR), msle),
    Exact("rmsle", data(NEAR[-6:]), root_mean_square_log, whole=True),
    Exact("rmsle", data(FAR[-4:]), root_mean_square_log, whole=True),
    Exact("mape", data(SHARES), mape(0.0)),
    *(Exact(f"mape:eps={eps!r}", [*data(SHARES), *ZEROS], mape(eps)) for eps in (1e-7, 0.3)),
    Exact("mpe", data(SHARES), lambda target, pred: (mp.mpf(target) - mp.mpf(pred)) / mp.mpf(target)),
    Exact("smape", data(SMAPE), smape),
    Exact("maape", [*data(SHARES), *ZEROS], maape),
    Exact("wape", TOTALS, wape, whole=True),
    Exact("coefficient_of_residual_mass", TOTALS, lacking, whole=True),
)
