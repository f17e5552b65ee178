"""Ratios to the spread of the target, correlations, directions, D², series."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from tests.accuracy import Exact, Real, Row, mp

Column = Sequence[float]
RNG = np.random.default_rng(4)
TARGET = RNG.normal(0.3, 2.0, 24)
ERRORS = RNG.normal(0.1, 0.7, 24)


def made(target: ArrayLike, pred: ArrayLike) -> list[Row]:
    pairs = zip(np.asarray(target).tolist(), np.asarray(pred).tolist(), strict=True)
    return [{"target": float(t), "pred": float(p)} for t, p in pairs]


ORDINARY = made(TARGET, TARGET + ERRORS)
OFFSET = made(1e9 + TARGET, 1e9 + TARGET + ERRORS)
SHIFTED = made(1e9 + TARGET, TARGET + ERRORS - 1e8)  # an offset of its own for the prediction
CLOSE = made(TARGET, TARGET * (1.0 + 1e-9) + 1e-9 * ERRORS)
SMALL = made(TARGET * 1e-160, (TARGET + ERRORS) * 1e-160)
SIZES = made(np.exp(TARGET), np.exp(TARGET + 0.2 * ERRORS))
FAR_SIZES = made(1e9 + np.exp(TARGET), 1e9 + np.exp(TARGET) + ERRORS)
COUNTS = made(np.array([0, 1, 2, 5, 0, 3, 900, 4.0]), [0.5, 1, 3, 4, 0.1, 2.5, 850, 7])
EVENTS = made(np.array([0.2, 0.5, 1.3, 0.7, 0.1, 2.0]), [0.6, 0.5, 0.4, 0.9, 0.2, 3.0])


def mean(x: Sequence[Real]) -> Real:
    return sum(x) / len(x)


def centred(x: Sequence[Real]) -> list[Real]:
    middle = mean(x)
    return [value - middle for value in x]


def dot(a: Sequence[Real], b: Sequence[Real]) -> Real:
    return sum(x * y for x, y in zip(a, b, strict=True))


def exactly(function: Callable[..., Real]) -> Callable[..., Real]:
    """Call with exact numbers, and digits enough for an offset."""

    def exact(**columns: Column) -> Real:
        with mp.workdps(120):
            return function(**{role: [mp.mpf(x) for x in column] for role, column in columns.items()})

    return exact


def less(a: Sequence[Real], b: Sequence[Real]) -> list[Real]:
    return [x - y for x, y in zip(a, b, strict=True)]


def squares(x: Sequence[Real]) -> Real:
    return dot(x, x)


@exactly
def rse(target: list[Real], pred: list[Real]) -> Real:
    return squares(less(pred, target)) / squares(centred(target))


@exactly
def unexplained(target: list[Real], pred: list[Real]) -> Real:
    return squares(centred(less(pred, target))) / squares(centred(target))


@exactly
def rae(target: list[Real], pred: list[Real]) -> Real:
    return sum(map(abs, less(pred, target))) / sum(map(abs, centred(target)))


def nrmse(by: str) -> Callable[..., Real]:
    def size(target: list[Real]) -> Real:
        ordered, n = sorted(target), len(target)
        match by:
            case "mean":
                return abs(mean(target))
            case "range":
                return ordered[-1] - ordered[0]
            case "std":
                return mp.sqrt(squares(centred(target)) / n)
            case "l2":
                return mp.sqrt(squares(target) / n)
        assert n % 4 == 0
        upper, lower = (mean(ordered[place - 1 : place + 1]) for place in (3 * n // 4, n // 4))
        return upper - lower

    @exactly
    def exact(target: list[Real], pred: list[Real]) -> Real:
        return mp.sqrt(squares(less(pred, target)) / len(target)) / size(target)

    return exact


def residual_standard_error(k: int) -> Callable[..., Real]:
    @exactly
    def exact(target: list[Real], pred: list[Real]) -> Real:
        return mp.sqrt(squares(less(pred, target)) / (len(target) - k - 1))

    return exact


@exactly
def gini(target: list[Real], pred: list[Real]) -> Real:
    size = list(map(abs, less(pred, target)))
    return sum(abs(a - b) for a in size for b in size) / (2 * len(size) * sum(size))


@exactly
def pearson(target: list[Real], pred: list[Real]) -> Real:
    t, p = centred(target), centred(pred)
    return dot(t, p) / mp.sqrt(squares(t) * squares(p))


@exactly
def discordance(target: list[Real], pred: list[Real]) -> Real:
    t, p, n = centred(target), centred(pred), len(target)
    return 1 - 2 * dot(t, p) / (squares(t) + squares(p) + n * (mean(target) - mean(pred)) ** 2)


def one_minus(function: Callable[..., Real]) -> Callable[..., Real]:
    """1 less a function, where digits of it that are beyond those of 1 cannot be had."""

    def exact(**columns: Column) -> Real:
        with mp.workdps(120):
            return 1 - function(**columns)

    return exact


def of_one(function: Callable[..., Real]) -> Callable[..., Real]:
    """A score that is 1 less a loss: digits beyond those of the larger one cannot be had."""

    def exact(**columns: Column) -> tuple[Real, Real]:
        with mp.workdps(120):
            left = function(**columns)
            return 1 - left, max(mp.mpf(1), left)

    return exact


@exactly
def misses(target: list[Real], pred: list[Real]) -> Real:
    seen = [(t >= 0.5, p >= 0.5) for t, p in zip(target, pred, strict=True)]
    return mp.mpf(sum(t != p for t, p in seen)) / sum(t or p for t, p in seen)


# vectors ---------------------------------------------------------------------------------------------------------


def vectors(*pairs: tuple[Sequence[float], Sequence[float]]) -> list[Row]:
    return [{"target": list(a), "pred": list(b)} for a, b in pairs]


A = [0.3, -1.7, 2.1]
VECTORS = vectors(
    (A, [1.1, 0.2, -0.4]),
    (A, A),
    (A, [0.6, -3.4, 4.2]),
    (A, [-0.3, 1.7, -2.1]),
    ([1.0, 2.0, 3.0], [2.0, 1.0, 0.0]),
    ([1.0, 1.0, 0.0], [1.0, -1.0, 1e-9]),
    ([3.0, 4.0, 0.0], [-4.0, 3.0, 1e-20]),
)
PARALLEL = vectors(
    (A, [0.9, -5.1, 6.3]),
    (A, [0.3 + 1e-9, -1.7, 2.1]),
    (A, [0.3, -1.7, float(np.nextafter(2.1, 3.0))]),
    ([1.0, 1.0, 1.0], [1.0, 1.0, 1.0 + 2.0**-52]),
    ([1.0, 1e-160, 0.0], [1.0, 3e-160, 0.0]),
    ([1e-9, 1.0, 1.0], [1e-9, 1.0 + 1e-5, 1.0]),
)
HUGE = vectors(
    ([1e200, 2e200, -1e199], [3e200, 5e199, 1e150]),
    ([1.7e308, 1.7e308, 1.7e308], [1.7e308, 1.6e308, 1.7e308]),
    ([1e-200, 2e-200, 3e-200], [1e200, 2e200, 3.1e200]),
    ([5e-324, 1e-323, 0.0], [1e-323, 5e-324, 0.0]),
    ([0.0, 0.0, 0.0], [1.0, 2.0, 3.0]),
    ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
)


def cosine(target: Column, pred: Column) -> Real:
    a, b = [mp.mpf(x) for x in target], [mp.mpf(x) for x in pred]
    lengths = mp.sqrt(squares(a) * squares(b))
    return dot(a, b) / lengths if lengths else mp.mpf(a == b)


def similarity(target: Column, pred: Column) -> Real:
    with mp.workdps(400):
        return cosine(target, pred)


def distance(target: Column, pred: Column) -> Real:
    with mp.workdps(800):
        return 1 - cosine(target, pred)


# D² --------------------------------------------------------------------------------------------------------------


def quantile(x: list[Real], q: Real) -> Real:
    """A q-quantile: any will do, all cost the same."""
    ordered = sorted(x)
    return ordered[min(max(int(mp.ceil(q * len(x))), 1), len(x)) - 1]


def pinball(target: list[Real], pred: list[Real], q: Real) -> Real:
    return sum(max(q * (t - p), (q - 1) * (t - p)) for t, p in zip(target, pred, strict=True))


def d2_pinball(q: float) -> Callable[..., Real]:
    @exactly
    def exact(target: list[Real], pred: list[Real]) -> Real:
        level = mp.mpf(q)
        return pinball(target, pred, level) / pinball(target, [quantile(target, level)] * len(target), level)

    return exact


def deviance(y: Real, mu: Real, p: Real) -> Real:
    if p == 0:
        return (y - mu) ** 2
    if p == 1:
        return 2 * ((y * mp.log(y / mu) if y else mp.mpf(0)) - y + mu)
    if p == 2:
        return 2 * (mp.log(mu / y) + y / mu - 1)
    return 2 * (
        max(y, mp.mpf(0)) ** (2 - p) / ((1 - p) * (2 - p)) - y * mu ** (1 - p) / (1 - p) + mu ** (2 - p) / (2 - p)
    )


def d2_tweedie(power: float) -> Callable[..., Real]:
    @exactly
    def exact(target: list[Real], pred: list[Real]) -> Real:
        p, middle = mp.mpf(power), mean(target)
        found = sum(deviance(t, f, p) for t, f in zip(target, pred, strict=True))
        return found / sum(deviance(t, middle, p) for t in target)

    return exact


CLASS_ROWS: list[Row] = [
    {"target": t, "pred": p}
    for t, p in (
        (0, [0.7, 0.2, 0.1]),
        (2, [0.1, 0.3, 0.6]),
        (2, [0.25, 0.25, 0.5]),
        (1, [0.0, 1.0, 0.0]),
        (0, [0.5, 0.25, 0.25]),
    )
]
FLAG_ROWS: list[Row] = [
    {"target": t, "pred": p} for t, p in ((0, 0.1), (1, 0.8), (1, 0.4), (0, 0.35), (1, 1.0 - 1e-16))
]


def table(pred: Sequence[object]) -> list[list[Real]]:
    return [[mp.mpf(x) for x in row] if isinstance(row, list) else [1 - mp.mpf(row), mp.mpf(row)] for row in pred]


def shares(target: Sequence[int], count: int) -> list[Real]:
    return [mp.mpf(sum(t == c for t in target)) / len(target) for c in range(count)]


def log_left(target: Sequence[int], pred: Sequence[object]) -> Real:
    given = table(pred)
    null = shares(target, len(given[0]))
    costs = [mp.log(row[t]) for row, t in zip(given, target, strict=True)]
    return sum(costs) / sum(mp.log(null[t]) for t in target)


def brier_left(target: Sequence[int], pred: Sequence[object]) -> Real:
    given = table(pred)
    null = shares(target, len(given[0]))

    def cost(row: list[Real], t: int) -> Real:
        return sum((x - (c == t)) ** 2 for c, x in enumerate(row))

    return sum(cost(r, t) for r, t in zip(given, target, strict=True)) / sum(cost(null, t) for t in target)


# series ----------------------------------------------------------------------------------------------------------


SERIES: list[Row] = [{**row, "query": place // 8} for place, row in enumerate(ORDINARY)]


def mase(m: int) -> Callable[..., Real]:
    @exactly
    def exact(target: list[Real], pred: list[Real], query: list[Real]) -> Real:
        found = []
        for one in sorted(set(query)):
            y, f = ([x for x, q in zip(line, query, strict=True) if q == one] for line in (target, pred))
            found.append(mean(list(map(abs, less(f, y)))) / mean(list(map(abs, less(y[m:], y[:-m])))))
        return mean(found)

    return exact


DATA = (ORDINARY, OFFSET, CLOSE)


def whole(spec: str, exact: Callable[..., Real], *data: list[Row], ulps: float = 4.0) -> list[Exact]:
    return [Exact(spec, found, exact, whole=True, ulps=ulps) for found in data]


CASES: tuple[Exact, ...] = (
    *whole("r2", of_one(rse), *DATA),
    *whole("rse", rse, *DATA),
    *whole("rrse", lambda **columns: mp.sqrt(rse(**columns)), *DATA),
    *whole("one_minus_explained_variance", unexplained, *DATA, SHIFTED, ulps=16.0),
    *whole("explained_variance", of_one(unexplained), *DATA, SHIFTED),
    *(case for by in ("mean", "range", "std", "l2", "iqr") for case in whole(f"nrmse:by={by}", nrmse(by), *DATA)),
    *whole("rae", rae, *DATA),
    *(case for k in (0, 1, 5) for case in whole(f"residual_standard_error:k={k}", residual_standard_error(k), *DATA)),
    *whole("residual_gini", gini, *DATA),
    *whole("pearson", pearson, *DATA, SHIFTED),
    *whole("one_minus_pearson", one_minus(pearson), *DATA, SHIFTED, ulps=64.0),
    *whole("one_minus_concordance", discordance, *DATA),
    *whole("concordance", of_one(discordance), *DATA, SHIFTED),
    *whole("critical_success_index", one_minus(misses), EVENTS),
    *whole("one_minus_critical_success_index", misses, EVENTS),
    Exact("cosine_distance", [*VECTORS, *PARALLEL, *HUGE], distance),
    Exact("cosine_similarity", [*VECTORS, *PARALLEL, *HUGE], similarity),
    *whole("d2_absolute", of_one(d2_pinball(0.5)), *DATA),
    *whole("one_minus_d2_absolute", d2_pinball(0.5), *DATA),
    *(case for q in (0.5, 0.9, 0.05) for case in whole(f"d2_pinball:q={q}", of_one(d2_pinball(q)), *DATA)),
    *(case for q in (0.5, 0.9, 0.05) for case in whole(f"one_minus_d2_pinball:q={q}", d2_pinball(q), *DATA)),
    *whole("d2_tweedie", of_one(d2_tweedie(0.0)), *DATA),
    *whole("one_minus_d2_tweedie", d2_tweedie(0.0), *DATA),
    *(
        case
        for power in (-1.5, 1.0, 1.5, 2.0, 3.0)
        for case in whole(f"one_minus_d2_tweedie:power={power}", d2_tweedie(power), SIZES, FAR_SIZES, ulps=16.0)
    ),
    *(case for p in (1.0, 1.5) for case in whole(f"d2_tweedie:power={p}", of_one(d2_tweedie(p)), COUNTS, FAR_SIZES)),
    *whole("d2_log_loss", of_one(log_left), CLASS_ROWS, FLAG_ROWS),
    *whole("one_minus_d2_log_loss", log_left, CLASS_ROWS, FLAG_ROWS),
    *whole("d2_brier", of_one(brier_left), CLASS_ROWS, FLAG_ROWS),
    *whole("one_minus_d2_brier", brier_left, CLASS_ROWS, FLAG_ROWS),
    *(case for m in (1, 3) for case in whole(f"mase:m={m}", mase(m), SERIES)),
)
