"""Estimates of many groups at once: what `estimate` does for one, on arrays of double-double sums."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lossctl.core.grouped import GroupedMoments
from lossctl.core.statistic import Statistic
from lossctl.numerics import double
from lossctl.numerics.array import Array
from lossctl.numerics.double import Pair
from lossctl.stats.estimate import COUNTED, LARGEST_LOG, WHY_NOT_ASKED, Estimate, Why, spared
from lossctl.stats.student import t_quantile


def estimates(
    reading: Statistic,
    groups: GroupedMoments,
    indexes: Sequence[int],
    *,
    weighted: bool,
    level: float | None,
    total: bool = False,
) -> list[Estimate]:
    """Read the value of a loss, with an interval of the given level, for every group; see `estimate`."""
    with np.errstate(all="ignore"):
        sums = [(groups.sums[0][i], groups.sums[1][i]) for i in range(len(groups.sums[0]))]
        base = sums[0] if weighted else _exactly(groups.rows)
        means = tuple(_where_odd(groups, i, double.divide(sums[i], base)) for i in indexes)
        values = _where_odd(groups, indexes[0], sums[indexes[0]][0]) if total else np.array(reading.value(means))
        if level is None:
            return [Estimate(value, why=WHY_NOT_ASKED) for value in values.tolist()]
        if reading.interval == "none":
            whys = np.where(np.isfinite(values), Why.MAXIMUM, Why.NOT_FINITE)
            return [
                Estimate(value, why=Why(why).words) for value, why in zip(values.tolist(), whys.tolist(), strict=True)
            ]
        covariances = _Covariances(groups, sums)
        if total:
            variance = covariances(indexes[0], indexes[0])[0] / (groups.live - 1.0)
        else:
            variance = _variance(reading, means, covariances, indexes, base, weighted)
        units = _counted(reading, groups, sums, indexes)
        share = 1.0 if reading.mass is None else spared(groups.live, units)
        stderr = np.sqrt(np.maximum(variance, 0.0) * share)
        freedom, places = np.unique(np.maximum(np.rint(units).astype(np.int64) - 1, 1), return_inverse=True)
        reach = np.array([t_quantile(level, n) for n in freedom.tolist()])[places] * stderr
        log = reading.interval == "log" and not total
        factor = np.where(reach < LARGEST_LOG * values, np.exp(reach / values), np.inf)
        low, high = (values / factor, values * factor) if log else (values - reach, values + reach)
        why = np.select(
            [
                ~np.isfinite(values),
                units < 2.0 - COUNTED,
                ~np.isfinite(variance),
                values - reach == values + reach,
                ~(np.isfinite(low) & np.isfinite(high)),
            ],
            [
                Why.NOT_FINITE,
                Why.ONE_ROW if reading.mass is None else Why.ONE_SET,
                Why.SPREAD,
                Why.NO_SPREAD,
                Why.RANGE,
            ],
            Why.NONE,
        )
    method = "log-t" if log else "t"
    return [
        _estimate(*entry, method)
        for entry in zip(values.tolist(), stderr.tolist(), low.tolist(), high.tolist(), why.tolist(), strict=True)
    ]


def _counted(reading: Statistic, groups: GroupedMoments, sums: Sequence[Pair], indexes: Sequence[int]) -> Array:
    """Return on how many units each group's mean rests; see `estimate.counted`."""
    if reading.mass is None:
        return groups.live.astype(np.float64)
    place = indexes[reading.mass]
    at = groups.pairs.index((place, place))
    return double.divide(double.multiply(sums[place], sums[place]), (groups.products[0][at], groups.products[1][at]))


def _estimate(value: float, stderr: float, low: float, high: float, why: int, method: str) -> Estimate:
    if why == Why.NONE:
        return Estimate(value, stderr, (low, high), method)
    kept = {Why.NO_SPREAD: 0.0, Why.RANGE: stderr}.get(Why(why))
    return Estimate(value, kept, why=Why(why).words)


def _exactly(counts: NDArray[np.int64]) -> Pair:
    return counts.astype(np.float64), np.zeros(len(counts))


def _where_odd(groups: GroupedMoments, i: int, values: Array) -> Array:
    """Put an infinity or NaN where a value was not finite or a sum left the float range."""
    if i not in groups.odd and np.isfinite(groups.sums[0][i]).all():
        return values
    odd = [groups.view(g).odd[i] for g in range(len(values))]
    return np.array([found.value if found else value for found, value in zip(odd, values.tolist(), strict=True)])


class _Covariances:
    """n (n - 1) times the unbiased covariances of two quantities, by group."""

    def __init__(self, groups: GroupedMoments, sums: Sequence[Pair]) -> None:
        self._groups = groups
        self._sums = sums
        self.rows = _exactly(groups.live)

    def __call__(self, i: int, j: int) -> Pair:
        pairs, products = self._groups.pairs, self._groups.products
        place = pairs.index((i, j) if (i, j) in pairs else (j, i))
        own = double.multiply(self.rows, (products[0][place], products[1][place]))
        other = double.multiply(self._sums[i], self._sums[j])
        return double.add(own, (-other[0], -other[1]))


def _variance(
    reading: Statistic,
    means: tuple[Array, ...],
    covariance: _Covariances,
    indexes: Sequence[int],
    base: Pair,
    weighted: bool,
) -> Array:
    """Delta-method variance of a reading; NaN where it is out of range."""
    zero = np.zeros_like(means[0])
    slopes: list[Pair] = [(np.broadcast_to(slope, zero.shape) + zero, zero) for slope in reading.slope(means)]
    flat = np.logical_and.reduce([np.isfinite(slope[0]) for slope in slopes])
    none = np.logical_and.reduce([covariance(i, i)[0] == 0.0 for i in indexes])
    columns, n = list(indexes), covariance.rows[0]
    below = double.scale(double.multiply((n, zero), (n, zero)), n - 1.0)
    if weighted:
        drop: Pair = (zero, zero)
        for slope, mean in zip(slopes, means, strict=True):
            drop = double.add(drop, double.multiply(slope, (-mean, zero)))
        columns, slopes = [0, *columns], [drop, *slopes]
        below = double.scale(double.multiply(base, base), n - 1.0)
    whole: Pair = (zero, zero)
    for a, i in zip(slopes, columns, strict=True):
        for b, j in zip(slopes, columns, strict=True):
            whole = double.add(whole, double.multiply(double.multiply(a, b), covariance(i, j)))
    return np.where(flat, whole[0] / below[0], np.where(none, 0.0, np.nan))
