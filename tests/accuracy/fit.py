"""Ratios to the spread of the target, correlations, directions, D², series."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from tests.accuracy import Exact, Real, Row, mp

Reals = list[Real]
Score = Callable[..., Real]
RNG = np.random.default_rng(4)
TARGET, ERRORS = RNG.normal(0.3, 2.0, 24), RNG.normal(0.1, 0.7, 24)


def rows(target: ArrayLike, pred: ArrayLike) -> list[Row]:
    columns = (np.asarray(x, dtype=float).tolist() for x in (target, pred))
    return [{"target": t, "pred": p} for t, p in zip(*columns, strict=True)]


ORDINARY = rows(TARGET, TARGET + ERRORS)
OFFSET = rows(1e9 + TARGET, 1e9 + TARGET + ERRORS)
SHIFTED = rows(1e9 + TARGET, TARGET + ERRORS - 1e8)  # an offset of its own for the prediction
CLOSE = rows(TARGET, TARGET * (1.0 + 1e-9) + 1e-9 * ERRORS)
SMALL, LARGE = (rows(TARGET * size, (TARGET + ERRORS) * size) for size in (1e-99, 1e99))
SIZES = rows(np.exp(TARGET), np.exp(TARGET + 0.2 * ERRORS))
FAR_SIZES = rows(1e9 + np.exp(TARGET), 1e9 + np.exp(TARGET) + ERRORS)
COUNTS = rows([0, 1, 2, 5, 0, 3, 900, 4.0], [0.5, 1, 3, 4, 0.1, 2.5, 850, 7])
EVENTS = rows([0.2, 0.5, 1.3, 0.7, 0.1, 2.0], [0.6, 0.5, 0.4, 0.9, 0.2, 3.0])


def mean(x: Sequence[Real]) -> Real:
    return sum(x) / len(x)


def centred(x: Reals) -> Reals:
    middle = mean(x)
    return [value - middle for value in x]


def less(a: Reals, b: Reals) -> Reals:
    return [x - y for x, y in zip(a, b, strict=True)]


def squares(x: Reals) -> Real:
    return mp.fdot(x, x)


def rse(target: Reals, pred: Reals) -> Real:
    return squares(less(pred, target)) / squares(centred(target))


def unexplained(target: Reals, pred: Reals) -> Real:
    return squares(centred(less(pred, target))) / squares(centred(target))


def rae(target: Reals, pred: Reals) -> Real:
    return sum(map(abs, less(pred, target))) / sum(map(abs, centred(target)))


def quartile_range(target: Reals) -> Real:
    ordered, n = sorted(target), len(target)
    assert n % 4 == 0
    upper, lower = (mean(ordered[place - 1 : place + 1]) for place in (3 * n // 4, n // 4))
    return upper - lower


SPREADS: dict[str, Callable[[Reals], Real]] = {
    "mean": lambda y: abs(mean(y)),
    "range": lambda y: max(y) - min(y),
    "std": lambda y: mp.sqrt(squares(centred(y)) / len(y)),
    "l2": lambda y: mp.sqrt(squares(y) / len(y)),
    "iqr": quartile_range,
}


def root_mean_square(target: Reals, pred: Reals, lost: int = 0) -> Real:
    return mp.sqrt(squares(less(pred, target)) / (len(target) - lost))


def gini(target: Reals, pred: Reals) -> Real:
    size = list(map(abs, less(pred, target)))
    return sum(abs(a - b) for a in size for b in size) / (2 * len(size) * sum(size))


def pearson(target: Reals, pred: Reals) -> Real:
    t, p = centred(target), centred(pred)
    return mp.fdot(t, p) / mp.sqrt(squares(t) * squares(p))


def discordance(target: Reals, pred: Reals) -> Real:
    t, p, n = centred(target), centred(pred), len(target)
    return 1 - 2 * mp.fdot(t, p) / (squares(t) + squares(p) + n * (mean(target) - mean(pred)) ** 2)


def misses(target: Reals, pred: Reals) -> Real:
    events = [(t >= 0.5, p >= 0.5) for t, p in zip(target, pred, strict=True)]
    return mp.mpf(sum(t != p for t, p in events)) / sum(t or p for t, p in events)


def one_minus(score: Score) -> Score:
    return lambda **columns: 1 - score(**columns)


def of_one(score: Score) -> Callable[..., tuple[Real, Real]]:
    """A score that is 1 less a loss: digits beyond those of the larger one cannot be had."""
    return lambda **columns: (1 - score(**columns), max(mp.mpf(1), score(**columns)))


# vectors ---------------------------------------------------------------------------------------------------------

A = [0.3, -1.7, 2.1]
VECTORS: list[Row] = [
    {"target": a, "pred": b}
    for a, b in (
        (A, [1.1, 0.2, -0.4]),
        (A, A),
        (A, [0.6, -3.4, 4.2]),
        (A, [-0.3, 1.7, -2.1]),
        ([1.0, 2.0, 3.0], [2.0, 1.0, 0.0]),
        ([1.0, 1.0, 0.0], [1.0, -1.0, 1e-9]),
        ([3.0, 4.0, 0.0], [-4.0, 3.0, 1e-20]),
        # nearly parallel
        (A, [0.9, -5.1, 6.3]),
        (A, [0.3 + 1e-9, -1.7, 2.1]),
        (A, [0.3, -1.7, float(np.nextafter(2.1, 3.0))]),
        ([1.0, 1.0, 1.0], [1.0, 1.0, 1.0 + 2.0**-52]),
        ([1.0, 1e-99, 0.0], [1.0, 3e-99, 0.0]),
        ([1e-9, 1.0, 1.0], [1e-9, 1.0 + 1e-5, 1.0]),
        # of all sizes
        ([1e99, 2e99, -1e98], [3e99, 5e98, 1e50]),
        ([1e-100, 2e-100, 3e-100], [1e99, 2e99, 3.1e99]),
        ([1.7e308, 1.7e308, 1.7e308], [1.7e308, 1.6e308, 1.7e308]),
        ([5e-324, 1e-323, 0.0], [1e-323, 5e-324, 0.0]),
        ([0.0, 0.0, 0.0], [1.0, 2.0, 3.0]),
        ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
    )
]


def cosine(target: Reals, pred: Reals) -> Real:
    lengths = mp.sqrt(squares(target) * squares(pred))
    return mp.fdot(target, pred) / lengths if lengths else mp.mpf(target == pred)


# D² --------------------------------------------------------------------------------------------------------------


def pinball(target: Reals, pred: Reals, q: Real) -> Real:
    return sum(max(q * (t - p), (q - 1) * (t - p)) for t, p in zip(target, pred, strict=True))


def d2_pinball(q: float) -> Score:
    def exact(target: Reals, pred: Reals) -> Real:
        level, n = mp.mpf(q), len(target)
        quantile = sorted(target)[min(max(int(mp.ceil(level * n)), 1), n) - 1]  # any will do, all cost the same
        return pinball(target, pred, level) / pinball(target, [quantile] * n, level)

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


def d2_tweedie(power: float) -> Score:
    def exact(target: Reals, pred: Reals) -> Real:
        p, middle = mp.mpf(power), mean(target)
        total = sum(deviance(t, f, p) for t, f in zip(target, pred, strict=True))
        return total / sum(deviance(t, middle, p) for t in target)

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


def left_over(cost: Callable[[Reals, int], Real]) -> Score:
    """Cost of the predictions over that of the shares of the classes."""

    def exact(target: Sequence[int], pred: Sequence[Real]) -> Real:
        chances = [row if isinstance(row, list) else [1 - row, row] for row in pred]
        shares = [mp.mpf(sum(t == c for t in target)) / len(target) for c in range(len(chances[0]))]
        return sum(map(cost, chances, target)) / sum(cost(shares, t) for t in target)

    return exact


log_left = left_over(lambda row, t: mp.log(row[t]))
brier_left = left_over(lambda row, t: sum((x - (c == t)) ** 2 for c, x in enumerate(row)))


# series ----------------------------------------------------------------------------------------------------------


def mase(m: int) -> Score:
    def exact(target: Reals, pred: Reals, query: list[int]) -> Real:
        ratios = []
        for name in sorted(set(query)):
            y, f = ([x for x, q in zip(line, query, strict=True) if q == name] for line in (target, pred))
            ratios.append(mean(list(map(abs, less(f, y)))) / mean(list(map(abs, less(y[m:], y[:-m])))))
        return mean(ratios)

    return exact


def both(name: str, loss: Score, *data: list[Row], params: str = "", ulps: float = 4.0) -> list[Exact]:
    """Cases of a score and of the loss that is 1 less it."""
    return of_all(name + params, of_one(loss), *data) + of_all(f"one_minus_{name}{params}", loss, *data, ulps=ulps)


def of_all(spec: str, exact: Callable[..., Real], *data: list[Row], ulps: float = 4.0) -> list[Exact]:
    return [Exact(spec, rows, exact, whole=True, ulps=ulps, digits=250) for rows in data]


DATA = (ORDINARY, OFFSET, CLOSE, SMALL, LARGE)
CASES: tuple[Exact, ...] = (
    *of_all("r2", of_one(rse), *DATA),
    *of_all("rse", rse, *DATA),
    *of_all("rrse", lambda **columns: mp.sqrt(rse(**columns)), *DATA),
    *both("explained_variance", unexplained, *DATA, SHIFTED, ulps=16.0),
    *(
        case
        for by, spread in SPREADS.items()
        for case in of_all(
            f"nrmse:by={by}", lambda target, pred, of=spread: root_mean_square(target, pred) / of(target), *DATA
        )
    ),
    *of_all("rae", rae, *DATA),
    *(
        case
        for k in (0, 1, 5)
        for case in of_all(
            f"residual_standard_error:k={k}", lambda target, pred, k=k: root_mean_square(target, pred, k + 1), *DATA
        )
    ),
    *of_all("residual_gini", gini, *DATA),
    *of_all("pearson", pearson, *DATA, SHIFTED),
    *of_all("one_minus_pearson", one_minus(pearson), *DATA, SHIFTED, ulps=64.0),
    *both("concordance", discordance, *DATA, SHIFTED),
    *of_all("critical_success_index", one_minus(misses), EVENTS),
    *of_all("one_minus_critical_success_index", misses, EVENTS),
    Exact("cosine_distance", VECTORS, one_minus(cosine), digits=800),
    Exact("cosine_similarity", VECTORS, cosine, digits=400),
    *both("d2_absolute", d2_pinball(0.5), *DATA),
    *(case for q in (0.5, 0.9, 0.05) for case in both("d2_pinball", d2_pinball(q), *DATA, params=f":q={q}")),
    *both("d2_tweedie", d2_tweedie(0.0), *DATA),
    *(
        case
        for power in (-1.5, 1.0, 1.5, 2.0, 3.0)
        for case in of_all(f"one_minus_d2_tweedie:power={power}", d2_tweedie(power), SIZES, FAR_SIZES, ulps=16.0)
    ),
    *(case for p in (1.0, 1.5) for case in of_all(f"d2_tweedie:power={p}", of_one(d2_tweedie(p)), COUNTS, FAR_SIZES)),
    *both("d2_log_loss", log_left, CLASS_ROWS, FLAG_ROWS),
    *both("d2_brier", brier_left, CLASS_ROWS, FLAG_ROWS),
    *(
        case
        for m in (1, 3)
        for case in of_all(f"mase:m={m}", mase(m), [{**row, "query": n // 8} for n, row in enumerate(ORDINARY)])
    ),
)
