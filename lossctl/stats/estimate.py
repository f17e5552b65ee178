"""Estimates: the value of a loss with its standard error and confidence interval, from merged sums."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lossctl.core.grouped import GroupedMoments
from lossctl.core.state import View
from lossctl.core.statistic import Statistic, means, read
from lossctl.numerics import double
from lossctl.numerics.array import Array
from lossctl.numerics.double import Pair
from lossctl.numerics.exact import SHIFT, ratio, root
from lossctl.stats.contrast import Fraction, combined, covariance, covariance_units, slopes_at
from lossctl.stats.student import t_quantile

LARGEST_LOG: Final = 700.0  # e to more than this leaves the float range
TWO_UNITS: Final = 2.0 - 1e-9  # two sets count as two, whatever the rounding of their masses

# why there is no interval
NOT_FINITE: Final = "the value is not finite"
ONE_ROW: Final = "one row has no spread"
ONE_SET: Final = "one set has no spread"
SPREAD_OUT_OF_RANGE: Final = "the spread is out of the range of float64"
NO_SPREAD: Final = "the rows show no spread"
ENDS_OUT_OF_RANGE: Final = "the interval is out of the range of float64"
MAXIMUM: Final = "a maximum has no standard error"
NOT_ASKED: Final = "not asked for"

BOOTSTRAP: Final = "bootstrap"  # the method of an interval from replicates


@dataclass(frozen=True)
class Estimate:
    """A value; its standard error and interval, or None with the reason `why` there is none."""

    value: float
    stderr: float | None = None
    interval: tuple[float, float] | None = None
    method: str | None = None
    why: str | None = None


def estimate(
    statistic: Statistic,
    view: View,
    indexes: Sequence[int],
    *,
    weighted: bool,
    level: float | None,
    total: bool = False,
) -> Estimate:
    """Compute the value of a loss from its sums, with an interval of the given level (None: no interval).

    `total` asks for the sum over rows (or weights) in place of the mean.
    """
    if total and not view.odd[indexes[0]]:
        value = ratio(view.total_units(indexes[0]), 1 << SHIFT)
    elif total:
        value = view.odd[indexes[0]].value
    else:
        value = read(statistic, view, indexes, weighted)
    if level is None:
        return Estimate(value, why=NOT_ASKED)
    if not math.isfinite(value):
        return Estimate(value, why=NOT_FINITE)
    if statistic.interval == "none":
        return Estimate(value, why=MAXIMUM)
    units = unit_count(statistic, view, indexes)
    if units < TWO_UNITS:
        return Estimate(value, why=ONE_ROW if statistic.mass is None else ONE_SET)
    variance = _total_variance(view, indexes[0]) if total else _variance(statistic, view, indexes, weighted)
    if variance is None:
        return Estimate(value, why=SPREAD_OUT_OF_RANGE)
    # rounding in the sums of a block can leave a spread of zero a hair below it
    stderr = root(max(variance[0], 0), variance[1])
    stderr *= 1.0 if statistic.mass is None else math.sqrt(spared(view.live, units))
    return about(value, stderr, t_quantile(level, round(units) - 1), statistic.interval == "log" and not total, "t")


def unit_count(statistic: Statistic, view: View, indexes: Sequence[int]) -> float:
    """Return on how many units a mean rests: rows, or sets, (Σm)²/Σm² of their masses m (Kish 1965) if weighted."""
    if statistic.mass is None:
        return view.live
    place = indexes[statistic.mass]
    squares, mass = view.product_units(place, place), view.total_units(place)
    return ratio(mass * mass, squares) if squares else 0.0


def spared(rows: Any, units: Any) -> Any:
    """Return the factor from the variance of a mean over rows to that over fewer units: n/(n - 1) of both."""
    return (units / (units - 1.0)) * ((rows - 1.0) / rows)


def about(value: float, stderr: float, quantile: float, log: bool, method: str) -> Estimate:
    """Return the interval of `quantile` standard errors about a value, on its logarithm if `log`."""
    reach = quantile * stderr
    if value - reach == value + reach:  # what is below the value's last digit is rounding
        return Estimate(value, 0.0, why=NO_SPREAD)
    if log:
        factor = math.exp(reach / value) if reach < LARGEST_LOG * value else math.inf
        ends, method = (value / factor, value * factor), f"log-{method}"
    else:
        ends = (value - reach, value + reach)
    if not all(map(math.isfinite, ends)):
        return Estimate(value, stderr, why=ENDS_OUT_OF_RANGE)
    return Estimate(value, stderr, ends, method)


def _total_variance(view: View, index: int) -> Fraction | None:
    """Variance of a sum of n rows."""
    spread = covariance_units(view, index, index)
    return None if spread is None else (spread, (view.live - 1) << (2 * SHIFT))


def _variance(statistic: Statistic, view: View, indexes: Sequence[int], weighted: bool) -> Fraction | None:
    """Delta-method variance of a statistic's value."""
    slopes = slopes_at(statistic, means(view, indexes, weighted))
    if slopes is None:
        return (0, 1) if all(covariance_units(view, i, i) == 0 for i in indexes) else None
    contrast = combined((indexes, slopes))
    return covariance(view, contrast, contrast, weighted)


# all groups at once ----------------------------------------------------------------------------------------------


def estimates(
    statistic: Statistic,
    groups: GroupedMoments,
    indexes: Sequence[int],
    *,
    weighted: bool,
    level: float | None,
    total: bool = False,
) -> list[Estimate]:
    """Compute the value of a loss, with an interval of the given level, for every group; see `estimate`."""
    with np.errstate(all="ignore"):
        base = groups.sum(0) if weighted else _exactly(groups.rows)
        centre = tuple(_where_odd(groups, i, double.divide(groups.sum(i), base)) for i in indexes)
        values = (
            _where_odd(groups, indexes[0], groups.sum(indexes[0])[0]) if total else np.array(statistic.value(centre))
        )
        if level is None:
            return [Estimate(value, why=NOT_ASKED) for value in values.tolist()]
        if statistic.interval == "none":
            return [Estimate(value, why=MAXIMUM if math.isfinite(value) else NOT_FINITE) for value in values.tolist()]
        if total:
            variance = _covariances(groups, indexes[0], indexes[0])[0] / (groups.live - 1.0)
        else:
            variance = _variances(statistic, groups, indexes, centre, base, weighted)
        units = _unit_counts(statistic, groups, indexes)
        share = 1.0 if statistic.mass is None else spared(groups.live, units)
        stderr = np.sqrt(np.maximum(variance, 0.0) * share)
        freedom, places = np.unique(np.maximum(np.rint(units).astype(np.int64) - 1, 1), return_inverse=True)
        reach = np.array([t_quantile(level, n) for n in freedom.tolist()])[places] * stderr
        log = statistic.interval == "log" and not total
        factor = np.where(reach < LARGEST_LOG * values, np.exp(reach / values), np.inf)
        low, high = (values / factor, values * factor) if log else (values - reach, values + reach)
        faults = {
            NOT_FINITE: ~np.isfinite(values),
            ONE_ROW if statistic.mass is None else ONE_SET: units < TWO_UNITS,
            SPREAD_OUT_OF_RANGE: ~np.isfinite(variance),
            NO_SPREAD: values - reach == values + reach,
            ENDS_OUT_OF_RANGE: ~(np.isfinite(low) & np.isfinite(high)),
        }
        why = np.select(list(faults.values()), [np.array(text, dtype=object) for text in faults], "")
    method = "log-t" if log else "t"
    return [
        Estimate(value, {NO_SPREAD: 0.0, ENDS_OUT_OF_RANGE: error}.get(why), why=why)
        if why
        else Estimate(value, error, (low, high), method)
        for value, error, low, high, why in zip(*(x.tolist() for x in (values, stderr, low, high, why)), strict=True)
    ]


def _unit_counts(statistic: Statistic, groups: GroupedMoments, indexes: Sequence[int]) -> Array:
    """Return on how many units each group's mean rests; see `unit_count`."""
    if statistic.mass is None:
        return groups.live.astype(np.float64)
    place = indexes[statistic.mass]
    return double.divide(double.multiply(groups.sum(place), groups.sum(place)), groups.product(place, place))


def _exactly(counts: NDArray[np.int64]) -> Pair:
    return counts.astype(np.float64), np.zeros(len(counts))


def _where_odd(groups: GroupedMoments, i: int, values: Array) -> Array:
    """Put an infinity or NaN where a value was not finite or a sum left the float range."""
    if i not in groups.odd and np.isfinite(groups.sums[0][i]).all():
        return values
    records = [groups.view(g).odd[i] for g in range(len(values))]
    return np.array([odd.value if odd else value for odd, value in zip(records, values.tolist(), strict=True)])


def _covariances(groups: GroupedMoments, i: int, j: int) -> Pair:
    """n (n - 1) times the unbiased covariances of two quantities, by group."""
    high, low = double.multiply(groups.sum(i), groups.sum(j))
    return double.add(double.multiply(_exactly(groups.live), groups.product(i, j)), (-high, -low))


def _variances(
    statistic: Statistic,
    groups: GroupedMoments,
    indexes: Sequence[int],
    centre: tuple[Array, ...],
    base: Pair,
    weighted: bool,
) -> Array:
    """Delta-method variance of a statistic's value; NaN where it is out of range."""
    zero = np.zeros_like(centre[0])
    slopes: list[Pair] = [(np.broadcast_to(slope, zero.shape) + zero, zero) for slope in statistic.slope(centre)]
    are_finite = np.logical_and.reduce([np.isfinite(slope[0]) for slope in slopes])
    are_constant = np.logical_and.reduce([_covariances(groups, i, i)[0] == 0.0 for i in indexes])
    columns, rows = list(indexes), _exactly(groups.live)
    size = rows
    if weighted:  # the weight is one more mean
        drop: Pair = (zero, zero)
        for slope, mean in zip(slopes, centre, strict=True):
            drop = double.add(drop, double.multiply(slope, (-mean, zero)))
        columns, slopes, size = [0, *columns], [drop, *slopes], base
    below = double.scale(double.multiply(size, size), rows[0] - 1.0)
    above: Pair = (zero, zero)
    for a, i in zip(slopes, columns, strict=True):
        for b, j in zip(slopes, columns, strict=True):
            above = double.add(above, double.multiply(double.multiply(a, b), _covariances(groups, i, j)))
    return np.where(are_finite, above[0] / below[0], np.where(are_constant, 0.0, np.nan))


# from bootstrap replicates ---------------------------------------------------------------------------------------


def fault(values: Array) -> str | None:
    """Return why replicates have no interval, None where they have one."""
    broken = int(np.count_nonzero(~np.isfinite(values)))
    if broken:
        return f"{broken} of {len(values)} bootstrap replicates have no value"
    return NO_SPREAD if float(np.ptp(values)) == 0.0 else None


def percentiles(value: float, values: Array, level: float) -> Estimate:
    """Return an estimate whose interval holds the middle share `level` of the replicates."""
    why = fault(values)
    if why is not None:
        return Estimate(value, 0.0 if why == NO_SPREAD else None, why=why)
    low, high = ends(values, level)
    return Estimate(value, stderr(values), (low, high), BOOTSTRAP)


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
