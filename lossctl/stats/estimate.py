"""Estimates: the value of a loss with its standard error and confidence interval, from merged sums."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lossctl.core.grouped import GroupedMoments
from lossctl.core.means import means, read
from lossctl.core.state import View
from lossctl.core.statistic import Statistic
from lossctl.numerics import double
from lossctl.numerics.array import Array
from lossctl.numerics.double import Pair
from lossctl.numerics.exact import SHIFT, ratio, root
from lossctl.stats.contrast import Fraction, combined, covariance, covariance_units, slopes_at
from lossctl.stats.student import t_quantile

LARGEST_LOG: Final = 700.0  # e to more than this leaves the float range


class Why(IntEnum):
    """Why there is no interval, in the order in which it is asked."""

    NONE = 0
    NOT_FINITE = 1
    ONE_ROW = 2
    SPREAD = 3
    NO_SPREAD = 4
    RANGE = 5
    ONE_SET = 6
    MAXIMUM = 7

    @property
    def words(self) -> str:
        return WORDS[self]


WORDS: Final = {
    Why.NONE: "",
    Why.NOT_FINITE: "the value is not finite",
    Why.ONE_ROW: "one row has no spread",
    Why.SPREAD: "the spread is out of the range of float64",
    Why.NO_SPREAD: "the rows show no spread",
    Why.ONE_SET: "one set has no spread",
    Why.MAXIMUM: "a maximum has no standard error",
    Why.RANGE: "the interval is out of the range of float64",
}
COUNTED: Final = 1e-9  # two sets are counted as two, whatever the rounding of their masses
WHY_NOT_ASKED: Final = "not asked for"


@dataclass(frozen=True)
class Estimate:
    """A value; its standard error and interval, or None with the reason `why` there is none."""

    value: float
    stderr: float | None = None
    interval: tuple[float, float] | None = None
    method: str | None = None
    why: str | None = None


def estimate(
    reading: Statistic, view: View, indexes: Sequence[int], *, weighted: bool, level: float | None, total: bool = False
) -> Estimate:
    """Read the value of a loss from its sums, with an interval of the given level (None: no interval).

    `total` asks for the sum over rows (or weights) in place of the mean.
    """
    if total and not view.odd[indexes[0]]:
        value = ratio(view.total_units(indexes[0]), 1 << SHIFT)
    elif total:
        value = view.odd[indexes[0]].value
    else:
        value = read(reading, view, indexes, weighted)
    if level is None:
        return Estimate(value, why=WHY_NOT_ASKED)
    if not math.isfinite(value):
        return Estimate(value, why=Why.NOT_FINITE.words)
    if reading.interval == "none":
        return Estimate(value, why=Why.MAXIMUM.words)
    units = counted(reading, view, indexes)
    if units < 2.0 - COUNTED:
        return Estimate(value, why=(Why.ONE_ROW if reading.mass is None else Why.ONE_SET).words)
    variance = _total_variance(view, indexes[0]) if total else _variance(reading, view, indexes, weighted)
    if variance is None:
        return Estimate(value, why=Why.SPREAD.words)
    # rounding in the sums of a block can leave a spread of zero a hair below it
    stderr = root(max(variance[0], 0), variance[1])
    stderr *= 1.0 if reading.mass is None else math.sqrt(spared(view.live, units))
    return about(value, stderr, t_quantile(level, round(units) - 1), reading.interval == "log" and not total, "t")


def counted(reading: Statistic, view: View, indexes: Sequence[int]) -> float:
    """Return on how many units a mean rests: rows, or sets, (Σm)²/Σm² of their masses m (Kish 1965) if weighted."""
    if reading.mass is None:
        return view.live
    place = indexes[reading.mass]
    squares, mass = view.product_units(place, place), view.total_units(place)
    return ratio(mass * mass, squares) if squares else 0.0


def spared(rows: Any, units: Any) -> Any:
    """Return what turns the variance of a mean taken over rows into that over fewer units: n/(n - 1) of both."""
    return (units / (units - 1.0)) * ((rows - 1.0) / rows)


def about(value: float, stderr: float, quantile: float, log: bool, method: str) -> Estimate:
    """Return the interval of `quantile` standard errors about a value, on its logarithm if `log`."""
    reach = quantile * stderr
    if value - reach == value + reach:  # what is below the value's last digit is rounding
        return Estimate(value, 0.0, why=Why.NO_SPREAD.words)
    if log:
        factor = math.exp(reach / value) if reach < LARGEST_LOG * value else math.inf
        ends, method = (value / factor, value * factor), f"log-{method}"
    else:
        ends = (value - reach, value + reach)
    if not all(map(math.isfinite, ends)):
        return Estimate(value, stderr, why=Why.RANGE.words)
    return Estimate(value, stderr, ends, method)


def _total_variance(view: View, index: int) -> Fraction | None:
    """Variance of a sum of n rows."""
    spread = covariance_units(view, index, index)
    return None if spread is None else (spread, (view.live - 1) << (2 * SHIFT))


def _variance(reading: Statistic, view: View, indexes: Sequence[int], weighted: bool) -> Fraction | None:
    """Delta-method variance of a reading."""
    slopes = slopes_at(reading, means(view, indexes, weighted))
    if slopes is None:
        return (0, 1) if all(covariance_units(view, i, i) == 0 for i in indexes) else None
    contrast = combined((indexes, slopes))
    return covariance(view, contrast, contrast, weighted)


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
            variance = _variances(reading, means, covariances, indexes, base, weighted)
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


def _variances(
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


METHOD = "bootstrap"


def fault(values: Array) -> str | None:
    """Say why replicates tell nothing, None where they do."""
    broken = int(np.count_nonzero(~np.isfinite(values)))
    if broken:
        return f"{broken} of {len(values)} bootstrap replicates have no value"
    return Why.NO_SPREAD.words if float(np.ptp(values)) == 0.0 else None


def percentiles(value: float, values: Array, level: float) -> Estimate:
    """Return an estimate whose interval holds the middle share `level` of the replicates."""
    why = fault(values)
    if why is not None:
        return Estimate(value, 0.0 if why == Why.NO_SPREAD.words else None, why=why)
    low, high = ends(values, level)
    return Estimate(value, stderr(values), (low, high), METHOD)


def stderr(values: Array) -> float:
    """Return the standard deviation of finite replicates, squared on a scale that stays in range."""
    top = float(np.maximum.reduce(np.abs(values)))
    return top * float(np.std(values / top, ddof=1)) if top > 0.0 else 0.0


def ends(values: Array, level: float) -> tuple[float, float]:
    """Return the percentiles between which the share `level` of finite replicates lies."""
    low, high = np.quantile(values, [0.5 * (1.0 - level), 0.5 * (1.0 + level)])
    return float(low), float(high)


def two_sided(differences: Array) -> float:
    """Return the p-value of no difference: twice the smaller share of replicates beyond zero, one added to each."""
    beyond = min(np.count_nonzero(differences <= 0.0), np.count_nonzero(differences >= 0.0))
    return min(1.0, 2.0 * (int(beyond) + 1) / (len(differences) + 1))
