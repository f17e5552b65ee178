"""Estimates: the value of a loss with its standard error and confidence interval.

From merged sums, by the delta method: with theta = g(m), Cov(theta_a, theta_b) = g_a'(m)' S g_b'(m) / n; for weighted
means the weight is one more part and theta = g(mean(w q) / mean(w)) (Cochran 1977, 6.3). From replicates, as
percentiles. From a sample of all values, as order statistics (Woodruff 1952).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from lossctl.core.grouped import GroupedMoments
from lossctl.core.state import SHIFT, View, covariance_units, means, ratio, root, units as exact_units
from lossctl.core.statistic import MEAN, ROUNDING, Means, Statistic, read
from lossctl.numerics import double
from lossctl.numerics.array import Array, Mask
from lossctl.numerics.double import Pair
from lossctl.stats import folded
from lossctl.stats.student import Shape, normal_quantile, t_quantile

Contrast = Mapping[int, float]  # quantity -> slope with respect to its (weighted) mean
Outcome = tuple[str | None, str | None]  # the method of an interval, or why there is none
Fraction = tuple[int, int]  # numerator, denominator > 0: exact, and cheaper than one in lowest terms

LARGEST_LOG: Final = 700.0  # e to more than this leaves the float range
WINDOW: Final = 40.0  # standard deviations beyond which a binomial has no mass
TWO_UNITS: Final = 2.0 - 1e-9  # two sets count as two, whatever the rounding of their masses

# why there is no interval
NOT_FINITE: Final = "the value is not finite"
ONE_ROW: Final = "one row has no spread"
ONE_SET: Final = "one set has no spread"
SPREAD_OUT_OF_RANGE: Final = "the spread is out of the range of float64"
ONE_OF_A_CLASS: Final = "a class of one row has no spread"
NO_SPREAD: Final = "the rows show no spread"
ENDS_OUT_OF_RANGE: Final = "the interval is out of the range of float64"
MAXIMUM: Final = "a maximum has no standard error"
TOO_FEW: Final = "too few rows for an interval from order statistics"
NOT_ASKED: Final = "not asked for"

SKEWED: Final = "skew-t"  # the method of an interval that skewness has widened
BOOTSTRAP: Final = "bootstrap"  # the method of an interval from replicates


class Estimate(NamedTuple):
    """A value; its standard error and interval, or None with the reason `why` there is none."""

    value: float
    stderr: float | None = None
    interval: tuple[float, float] | None = None
    method: str | None = None
    why: str | None = None


class Estimates(Sequence[Estimate]):
    """Estimates of many groups as arrays, NaN for what an estimate has not.

    kinds: of each the place, among `outcomes`, of its method and of the reason why there is no interval.
    """

    def __init__(
        self,
        values: Array,
        stderrs: Array,
        ends: tuple[Array, Array],
        kinds: NDArray[np.int64],
        outcomes: Sequence[Outcome],
    ) -> None:
        self.values, self.stderrs, self.ends, self.kinds, self.outcomes = values, stderrs, ends, kinds, outcomes

    @classmethod
    def of(cls, singles: Sequence[Estimate]) -> Estimates:
        """Return estimates that were made one by one."""
        places: dict[Outcome, int] = {}
        kinds = [places.setdefault((one.method, one.why), len(places)) for one in singles]
        numbers = [(one.value, one.stderr, *(one.interval or (None, None))) for one in singles]
        values, stderrs, low, high = np.array(numbers, dtype=np.float64).reshape(len(singles), 4).T
        return cls(values, stderrs, (low, high), np.array(kinds, dtype=np.int64), list(places))

    def at(self, places: NDArray[np.int64], absent: Mapping[int, str]) -> Estimates:
        """Return the estimates at these places. absent: place in the result -> why there is no estimate."""
        values, stderrs, low, high = (line[places] for line in (self.values, self.stderrs, *self.ends))
        kinds, outcomes = self.kinds[places], list(self.outcomes)
        for place, why in absent.items():
            if (None, why) not in outcomes:
                outcomes.append((None, why))
            values[place] = stderrs[place] = low[place] = high[place] = math.nan
            kinds[place] = outcomes.index((None, why))
        return Estimates(values, stderrs, (low, high), kinds, outcomes)

    def kinds_of_interval(self) -> Mask:
        """Return where there is an interval."""
        return np.array([method is not None for method, _ in self.outcomes])[self.kinds]

    def widened(self, shape: Shape, form: str, level: float) -> Estimates:
        """Return intervals by the degrees of freedom of a shape, which reach as far as skewness has them reach, too.

        shape: of what has intervals of this form: of the values, of -ln(1 - value) where it is complement; of squares
        where it is log.
        """
        (low, high), values, stderrs = self.ends, self.values, self.stderrs
        if not (shape.matters.any() or np.isfinite(shape.freedom).any()):
            return self
        with np.errstate(all="ignore"):
            quantile = distance(form, values, stderrs, high)
            weighed = np.isfinite(shape.freedom) & self.kinds_of_interval()
            for degrees in np.unique(shape.freedom[weighed]).tolist():
                quantile[shape.freedom == degrees] = t_quantile(level, int(degrees))
            if weighed.any():
                low = np.where(weighed, np.fmin(low, moved(form, values, stderrs, -quantile)), low)
                high = np.where(weighed, np.fmax(high, moved(form, values, stderrs, quantile)), high)
            of_shape = "square" if form == "log" else form
            below, above = (moved(of_shape, values, stderrs, times) for times in shape.ends(quantile))
            corrected = shape.matters & self.kinds_of_interval() & np.isfinite(above)
        low, high = np.where(corrected, np.fmin(low, below), low), np.where(corrected, np.fmax(high, above), high)
        outcomes = [*self.outcomes, (SKEWED, None), (None, ENDS_OUT_OF_RANGE)]
        kinds = np.where(corrected, len(outcomes) - 2, self.kinds)
        endless = corrected & np.isinf(low)
        low, high = (np.where(endless, np.nan, line) for line in (low, high))
        return Estimates(values, stderrs, (low, high), np.where(endless, len(outcomes) - 1, kinds), outcomes)

    def within(self, limits: tuple[float, float]) -> Estimates:
        """Return intervals of what lies between two limits: one that passes a limit is taken on the logit between them.

        It then reaches as far on each side, in standard errors.
        """
        (low, high), values, (least, most) = self.ends, self.values, limits
        passing = ((low < least) | (high > most)) & (values > least) & (values < most)
        if not passing.any():
            return self
        below, above = values - least, most - values
        with np.errstate(all="ignore"):
            scale = (most - least) / (below * above)
            shrunk, grown = (np.exp(-np.fmin(scale * reach, LARGEST_LOG)) for reach in (values - low, high - values))
            ends = (
                np.where(passing, least + (most - least) * (below * shrunk / (below * shrunk + above)), low),
                np.where(passing, most - (most - least) * (above * grown / (above * grown + below)), high),
            )
        on_logit = [(method and f"logit-{method}", why) for method, why in self.outcomes]
        kinds = np.where(passing, self.kinds + len(on_logit), self.kinds)
        return Estimates(values, self.stderrs, ends, kinds, [*self.outcomes, *on_logit])

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, place: int) -> Estimate: ...
    @overload
    def __getitem__(self, place: slice) -> list[Estimate]: ...
    def __getitem__(self, place: int | slice) -> Estimate | list[Estimate]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        method, why = self.outcomes[self.kinds[place]]
        stderr = float(self.stderrs[place])
        ends = None if method is None else (float(self.ends[0][place]), float(self.ends[1][place]))
        return Estimate(float(self.values[place]), None if math.isnan(stderr) else stderr, ends, method, why)


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
    centre: Means = () if total else means(view, indexes, weighted)
    if total and not view.odd[indexes[0]]:
        value = ratio(view.total_units(indexes[0]), 1 << SHIFT)
    elif total:
        value = view.odd[indexes[0]].value
    else:
        value = read(statistic, centre)
    if level is None:
        return Estimate(value, why=NOT_ASKED)
    if not math.isfinite(value):
        return Estimate(value, why=NOT_FINITE)
    if statistic.interval == "none":
        return Estimate(value, why=MAXIMUM)
    units = unit_count(statistic, view, indexes)
    if units < TWO_UNITS:
        return Estimate(value, why=ONE_ROW if statistic.mass is None else ONE_SET)
    variance = _total_variance(view, indexes[0]) if total else _variance(statistic, view, indexes, centre, weighted)
    if variance is None:
        return Estimate(value, why=SPREAD_OUT_OF_RANGE)
    # rounding in the sums of a block can leave a spread of zero a hair below it
    stderr = root(max(variance[0], 0), variance[1])
    if statistic.mass is not None:
        stderr *= math.sqrt(spared(view.live, units))
        if stderr * math.sqrt(units) <= ROUNDING * abs(value):  # a set shares its value out among its rows
            return Estimate(value, 0.0, why=NO_SPREAD)
    form, quantile = "t" if total else statistic.interval, t_quantile(level, round(units) - 1)
    if form != "folded":
        return about(value, stderr, quantile, form, "t")
    variances = [covariance(view, {index: 1.0}, {index: 1.0}, weighted) or (0, 1) for index in indexes]
    errors = np.array([root(max(variance[0], 0), variance[1]) for variance in variances])
    return folded_about(value, stderr, quantile, np.array(centre), errors, "t")


def folded_about(value: float, stderr: float, quantile: float, parts: Array, errors: Array, method: str) -> Estimate:
    """Return the interval about a sum of the absolute values of means, `parts` with their standard errors."""
    centred = about(value, stderr, quantile, "t", method)
    if centred.interval is None:
        return centred
    low, high = folded.interval(np.abs(parts)[:, np.newaxis], errors[:, np.newaxis], quantile)
    return centred._replace(interval=(float(low[0]), float(high[0])), method=f"folded-{method}")


def unit_count(statistic: Statistic, view: View, indexes: Sequence[int]) -> float:
    """Return on how many units a mean rests: rows, or sets, by their masses where there are weights."""
    if statistic.mass is None:
        return view.live
    return worth(view, indexes[statistic.mass])


def worth(view: View, place: int) -> float:
    """Return how many units of one size a sum of unlike ones is worth, (Σm)²/Σm² (Kish 1965)."""
    squares, mass = view.product_units(place, place), view.total_units(place)
    return ratio(mass * mass, squares) if squares else 0.0


def spared(rows: Any, units: Any) -> Any:
    """Return the factor from the variance of a mean over rows to that over fewer units: n/(n - 1) of both."""
    return (units / (units - 1.0)) * ((rows - 1.0) / rows)


def about(value: float, stderr: float, quantile: float, form: str, method: str) -> Estimate:
    """Return the interval of `quantile` standard errors about a value: on its logarithm, or on that of 1 less it.

    form: of the interval, as of a `Statistic`; a score that lacks nothing to 1 has no logarithm of that.
    """
    reach = quantile * stderr
    if reach <= ROUNDING * abs(value):  # what is below the value's last digits
        return Estimate(value, 0.0, why=NO_SPREAD)
    size = {"log": value, "complement": 1.0 - value}.get(form, 0.0)
    if form == "log" or size > 0.0:
        factor = math.exp(reach / size) if reach < LARGEST_LOG * size else math.inf
        ends, method = (size / factor, size * factor), f"log-{method}"
        ends = ends if form == "log" else (1.0 - ends[1], 1.0 - ends[0])
    else:
        ends = (value - reach, value + reach)
    if not all(map(math.isfinite, ends)):
        return Estimate(value, stderr, why=ENDS_OUT_OF_RANGE)
    return Estimate(value, stderr, ends, method)


def moved(form: str, values: Array, stderrs: Array, times: Array) -> Array:
    """Return values plus `times` standard errors, added on the scale of a form; square: of squares."""
    if form == "log":
        return values * np.exp(stderrs / values * times)
    if form == "square":
        return values * np.sqrt(1.0 + 2.0 * stderrs / values * times)
    lacks = 1.0 - values
    plain = values + stderrs * times
    return (
        np.where(lacks > 0.0, 1.0 - lacks * np.exp(-stderrs / lacks * times), plain) if form == "complement" else plain
    )


def distance(form: str, values: Array, stderrs: Array, high: Array) -> Array:
    """Return how many standard errors an end above values is away from them, on the scale of an interval."""
    plain = (high - values) / stderrs
    if form == "log":
        return np.log(high / values) * values / stderrs
    lacks = 1.0 - values
    return (
        np.where(lacks > 0.0, np.log(lacks / (1.0 - high)) * lacks / stderrs, plain) if form == "complement" else plain
    )


def between(value: float, stderr: float, quantile: float, bounds: tuple[float, float], method: str) -> Estimate:
    """Return the interval of `quantile` standard errors about a value, on its logit between bounds."""
    low, high = bounds
    below, above = value - low, high - value
    if not (below > 0.0 and above > 0.0):
        return about(value, stderr, quantile, "t", method)
    reach = quantile * stderr * (high - low) / (below * above)
    odds = math.exp(-min(reach, LARGEST_LOG))
    ends = (
        low + (high - low) * (below * odds / (below * odds + above)),
        high - (high - low) * (above * odds / (above * odds + below)),
    )
    return Estimate(value, stderr, ends, f"logit-{method}")


def _total_variance(view: View, index: int) -> Fraction | None:
    """Variance of a sum of n rows."""
    spread = covariance_units(view, index, index)
    return None if spread is None else (spread, (view.live - 1) << (2 * SHIFT))


def _variance(
    statistic: Statistic, view: View, indexes: Sequence[int], centre: Means, weighted: bool
) -> Fraction | None:
    """Delta-method variance of a statistic's value at the means of its quantities."""
    slopes = slopes_at(statistic, centre)
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
) -> Estimates:
    """Compute the value of a loss, with an interval of the given level, for every group; see `estimate`."""
    with np.errstate(all="ignore"):
        base = groups.sum(0) if weighted else _exactly(groups.rows)
        centre = tuple(_where_odd(groups, i, double.divide(groups.sum(i), base)) for i in indexes)
        values = (
            _where_odd(groups, indexes[0], groups.sum(indexes[0])[0]) if total else np.array(statistic.value(centre))
        )
        if level is None or statistic.interval == "none":
            nothing = np.full(len(values), np.nan)
            reason = NOT_ASKED if level is None else MAXIMUM
            kinds = (~np.isfinite(values)).astype(np.int64) if level is not None else np.zeros(len(values), np.int64)
            return Estimates(values, nothing, (nothing, nothing), kinds, [(None, reason), (None, NOT_FINITE)])
        if total:
            variance = _covariances(groups, indexes[0], indexes[0])[0] / (groups.live - 1.0)
        else:
            variance = _variances(statistic, groups, indexes, centre, base, weighted)
        units = _unit_counts(statistic, groups, indexes)
        share = 1.0 if statistic.mass is None else spared(groups.live, units)
        stderr = np.sqrt(np.maximum(variance, 0.0) * share)
        # a set shares its value out among its rows, whose spread may be what rounding took
        least = 0.0 if statistic.mass is None else ROUNDING * np.abs(values)
        freedom, places = np.unique(np.maximum(np.rint(units).astype(np.int64) - 1, 1), return_inverse=True)
        quantile = np.array([t_quantile(level, n) for n in freedom.tolist()])[places]
        reach, form = quantile * stderr, "t" if total else statistic.interval
        low, high = values - reach, values + reach
        if form in ("log", "complement"):
            size = values if form == "log" else 1.0 - values
            factor = np.where(reach < LARGEST_LOG * size, np.exp(reach / size), np.inf)
            ends = (size / factor, size * factor) if form == "log" else (1.0 - size * factor, 1.0 - size / factor)
            low, high = (
                np.where((form == "log") | (size > 0.0), end, t) for end, t in zip(ends, (low, high), strict=True)
            )
        if form == "folded":
            parts = [_variances(MEAN, groups, [i], (m,), base, weighted) for i, m in zip(indexes, centre, strict=True)]
            low, high = folded.interval(np.abs(np.stack(centre)), np.sqrt(np.maximum(np.stack(parts), 0.0)), quantile)
        faults = {
            NOT_FINITE: ~np.isfinite(values),
            ONE_ROW if statistic.mass is None else ONE_SET: units < TWO_UNITS,
            SPREAD_OUT_OF_RANGE: ~np.isfinite(variance),
            NO_SPREAD: (reach <= ROUNDING * np.abs(values)) | (stderr * np.sqrt(units) <= least),
            ENDS_OUT_OF_RANGE: ~(np.isfinite(low) & np.isfinite(high)),
        }
        kinds = np.select(list(faults.values()), list(range(1, len(faults) + 1)), 0)
    method = {"log": "log-t", "complement": "log-t", "folded": "folded-t"}.get(form, "t")
    outcomes = [(method, None), *((None, why) for why in faults)]
    spread = np.array([why in (None, ENDS_OUT_OF_RANGE) for _, why in outcomes])
    stderr = np.where(spread[kinds], stderr, np.where(kinds == outcomes.index((None, NO_SPREAD)), 0.0, np.nan))
    ends = np.where(kinds == 0, low, np.nan), np.where(kinds == 0, high, np.nan)
    return Estimates(values, stderr, ends, kinds, outcomes)


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


# a sample of all values -------------------------------------------------------------------------------------------


def order_interval(ordered: Array, quantile: float, level: float) -> tuple[float, float] | None:
    """Return the interval of a quantile from a sorted (2, rows) sample of values and weights.

    Without weights the exact one: the order statistics between which the quantile lies with at least the given
    probability, whatever the law of the rows. With weights the values at which the weighted share of rows reaches
    the ends of its own interval. None where the sample does not reach so far.
    """
    values, weights = ordered
    rows = len(values)
    if (weights == weights[0]).all():
        first, below, above = _binomial(rows, quantile)
        side = 0.5 * (1.0 - level)
        low = first + int(np.searchsorted(below, side, side="right"))
        high = first + int(np.count_nonzero(above > side))
        if low < 1 or high > rows:
            return None
        return float(values[low - 1]), float(values[high - 1])
    reached = np.cumsum(weights)
    middle, spread = quantile * reached[-1], _spread_of_share(values, weights, quantile)
    ends = middle - normal_quantile(level) * spread, middle + normal_quantile(level) * spread
    if ends[0] <= 0.0 or ends[1] >= reached[-1]:
        return None
    return float(values[np.searchsorted(reached, ends[0])]), float(values[np.searchsorted(reached, ends[1])])


def _binomial(rows: int, share: float) -> tuple[int, Array, Array]:
    """Return P(X <= count) and P(X >= count) of a binomial X, from the first count on that has a mass."""
    middle, width = rows * share, WINDOW * math.sqrt(rows * share * (1.0 - share)) + WINDOW
    counts = np.arange(max(0, math.floor(middle - width)), min(rows, math.ceil(middle + width)) + 1, dtype=np.float64)
    steps = np.log((rows - counts[:-1]) / (counts[:-1] + 1.0) * (share / (1.0 - share)))
    logs = np.concatenate([[0.0], np.cumsum(steps)])
    mass = np.exp(logs - logs.max())
    mass /= np.add.reduce(mass)
    return int(counts[0]), np.cumsum(mass), np.cumsum(mass[::-1])[::-1]


def _spread_of_share(values: Array, weights: Array, quantile: float) -> float:
    """Return the standard deviation of the weight of sorted values up to their quantile."""
    reached = np.cumsum(weights)
    centre = values[min(np.searchsorted(reached, quantile * reached[-1]), len(values) - 1)]
    return math.sqrt(float(np.add.reduce((weights * ((values <= centre) - quantile)) ** 2)))


def paired_stderr(
    base: Array,
    candidate: Array,
    weights: Array,
    centres: tuple[float, float],
    widths: tuple[float, float],
    level: float,
) -> float:
    """Return the standard error of the difference of two models' quantiles on the same rows.

    That of one quantile is half its interval over the normal quantile; two are correlated as the (rows,) events
    that a row's loss is at most the quantile.
    """
    z = normal_quantile(level)
    a, b = (0.5 * width / z for width in widths)
    below = base <= centres[0], candidate <= centres[1]
    total = _sum_by_size(weights)
    first, second, joint = (_sum_by_size(weights[event]) / total for event in (*below, below[0] & below[1]))
    scale = math.sqrt(max(first - first * first, 0.0) * max(second - second * second, 0.0))
    correlation = (joint - first * second) / scale if scale > 0.0 else 0.0
    return math.sqrt(max(a * a + b * b - 2.0 * correlation * a * b, 0.0))


def are_tied(ordered: Array, ends: tuple[float, float]) -> bool:
    """Whether the interval of a quantile of a sorted (2, rows) sample holds values of which most repeat others."""
    values = ordered[0]
    within = values[np.searchsorted(values, ends[0]) : np.searchsorted(values, ends[1], side="right")]
    return 2 * len(np.unique(within)) <= len(within)


def p_of_tied(base: Array, candidate: Array, weights: Array, quantile: float) -> float:
    """Return the p-value of two models' quantiles on the same rows that lie on two sides of some value.

    Where values repeat a quantile jumps from one to the next, and a standard error says little. That it is at most t in
    one model and above t in the other are two sign tests, those of `order_interval`; of the less sure one the best t is
    taken, which is as surely as the intervals of both lie apart.
    """
    places = np.unique(np.concatenate([base, candidate]))
    (low, high), (low_too, high_too) = (_sign_tests(values, weights, places, quantile) for values in (base, candidate))
    least = np.minimum(np.maximum(low, high_too), np.maximum(high, low_too))
    return min(1.0, 2.0 * float(np.minimum.reduce(least)))


def _sign_tests(values: Array, weights: Array, places: Array, quantile: float) -> tuple[Array, Array]:
    """Return one-sided p-values of a quantile that is at most each place, and of one that is above it."""
    order = np.lexsort((weights, values))
    values, weights = values[order], weights[order]
    counts = np.searchsorted(values, places, side="right")
    if (weights == weights[0]).all():
        first, below, above = _binomial(len(values), quantile)
        counts = np.clip(counts - first, 0, len(below) - 1)
        return above[counts], below[counts]
    reached = np.concatenate([[0.0], np.cumsum(weights)])
    scores = (reached[counts] - quantile * reached[-1]) / (math.sqrt(2.0) * _spread_of_share(values, weights, quantile))
    tails = np.array([[0.5 * math.erfc(score), 0.5 * math.erfc(-score)] for score in scores.tolist()])
    return tails[:, 0], tails[:, 1]


def mcnemar(first: int, second: int) -> float:
    """Return the exact p-value of McNemar 1947: of two models, the rows that one alone gets wrong, each by a coin."""
    rows = first + second
    if not rows:
        return 1.0
    counts = np.arange(max(0, math.floor(0.5 * rows - WINDOW * math.sqrt(rows) - WINDOW)), min(first, second) + 1)
    if not len(counts):
        return 0.0
    low = int(counts[0])
    start = math.lgamma(rows + 1) - math.lgamma(low + 1) - math.lgamma(rows - low + 1) - rows * math.log(2.0)
    steps = np.log((rows - counts[:-1]) / (counts[:-1] + 1.0))
    mass = np.exp(np.concatenate([[start], start + np.cumsum(steps)]))
    return min(1.0, 2.0 * float(np.add.reduce(mass)))


def _sum_by_size(weights: Array) -> float:
    """Add up weights by size, so that the order of the rows leaves no trace."""
    return float(np.add.reduce(np.sort(weights)))


# contrasts of means -----------------------------------------------------------------------------------------------


def slopes_at(statistic: Statistic, centre: Means) -> list[float] | None:
    """Return the slopes of a statistic, None where one is not finite, such as that of a root at zero."""
    with np.errstate(all="ignore"):
        slopes = [float(slope) for slope in statistic.slope(centre)]
    return slopes if all(map(math.isfinite, slopes)) else None


def combined(*terms: tuple[Sequence[int], Sequence[float]]) -> dict[int, float]:
    """Add up slopes by quantity; those of zero are left out."""
    sums: dict[int, float] = {}
    for indexes, slopes in terms:
        for i, slope in zip(indexes, slopes, strict=True):
            sums[i] = sums.get(i, 0.0) + slope
    return {i: slope for i, slope in sums.items() if slope != 0.0}


def covariance(view: View, first: Contrast, second: Contrast, weighted: bool) -> Fraction | None:
    """Return the covariance of two contrasts, each product taken exactly; None where it is out of range."""
    n = view.live
    rows = _exact_slopes(view, first, weighted)
    columns = rows if second is first else _exact_slopes(view, second, weighted)
    below = view.total_units(0) ** 2 * (n - 1) if weighted else n * n * (n - 1)
    above = 0
    for i, a in rows:
        for j, b in columns:
            spread = covariance_units(view, i, j)
            if spread is None:
                return None
            above += a * b * spread
    return above, below << (4 * SHIFT)


def _exact_slopes(view: View, contrast: Contrast, weighted: bool) -> list[tuple[int, int]]:
    """Return slopes as exact integers; weighted, with respect to sums over the summed weights, that of w included."""
    exact = [(i, exact_units(slope)) for i, slope in contrast.items()]
    if not weighted:
        return exact
    centre = means(view, list(contrast), weighted)
    drop = sum(slope * exact_units(float(mean)) for (_, slope), mean in zip(exact, centre, strict=True))
    return [(0, -drop), *((i, slope << SHIFT) for i, slope in exact)]


def skewness(view: View, i: int) -> float:
    """Return the skewness of a quantity, Σ(x - mean)³/n over the 3/2 power of Σ(x - mean)²/n; NaN where undefined."""
    n, total = view.live, view.total_units(i)
    square, cube = view.product_units(i, i), view.cube_units(i)
    if square is None or cube is None:
        return math.nan
    spread = n * square - total * total
    if spread <= 0:
        return math.nan
    return ratio(n * n * cube - 3 * n * total * square + 2 * total**3, spread * math.isqrt(spread))
