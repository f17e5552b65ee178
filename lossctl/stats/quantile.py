"""Quantiles: intervals from order statistics, and their paired differences (Woodruff 1952)."""

from __future__ import annotations

import math

import numpy as np

from lossctl.numerics.array import Array
from lossctl.stats.student import normal_quantile

TOO_FEW = "too few rows for an interval from order statistics"
WINDOW = 40.0  # standard deviations beyond which a binomial has no mass


def order_interval(ordered: Array, quantile: float, level: float) -> tuple[float, float] | None:
    """Return the interval of a quantile from a sorted (2, rows) sample of values and weights.

    Without weights the exact one: the order statistics between which the quantile lies with at least the given
    probability, whatever the law of the rows. With weights the values at which the weighted share of rows reaches
    the ends of its own interval. None where the sample does not reach so far.
    """
    values, weights = ordered
    rows = len(values)
    if (weights == weights[0]).all():
        low, high = _binomial_ends(rows, quantile, level)
        if low < 1 or high > rows:
            return None
        return float(values[low - 1]), float(values[high - 1])
    reached = np.cumsum(weights)
    total = reached[-1]
    centre = values[min(np.searchsorted(reached, quantile * total), rows - 1)]
    reach = normal_quantile(level) * math.sqrt(float(np.add.reduce((weights * ((values <= centre) - quantile)) ** 2)))
    ends = quantile * total - reach, quantile * total + reach
    if ends[0] <= 0.0 or ends[1] >= total:
        return None
    return float(values[np.searchsorted(reached, ends[0])]), float(values[np.searchsorted(reached, ends[1])])


def _binomial_ends(rows: int, share: float, level: float) -> tuple[int, int]:
    """Return the ranks l and u with P(X < l) and P(X >= u) at most (1 - level)/2, X the rows below the quantile."""
    middle, width = rows * share, WINDOW * math.sqrt(rows * share * (1.0 - share)) + WINDOW
    counts = np.arange(max(0, math.floor(middle - width)), min(rows, math.ceil(middle + width)) + 1, dtype=np.float64)
    steps = np.log((rows - counts[:-1]) / (counts[:-1] + 1.0) * (share / (1.0 - share)))
    logs = np.concatenate([[0.0], np.cumsum(steps)])
    mass = np.exp(logs - logs.max())
    mass /= np.add.reduce(mass)
    side = 0.5 * (1.0 - level)
    below = np.cumsum(mass)  # P(X <= count)
    above = np.cumsum(mass[::-1])[::-1]  # P(X >= count)
    low = int(counts[0]) + int(np.searchsorted(below, side, side="right"))
    high = int(counts[0]) + int(np.count_nonzero(above > side))
    return low, high


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
    total = _total(weights)
    first, second, joint = (_total(weights[event]) / total for event in (*below, below[0] & below[1]))
    scale = math.sqrt(max(first - first * first, 0.0) * max(second - second * second, 0.0))
    correlation = (joint - first * second) / scale if scale > 0.0 else 0.0
    return math.sqrt(max(a * a + b * b - 2.0 * correlation * a * b, 0.0))


def _total(weights: Array) -> float:
    """Add up weights by size, so that the order of the rows leaves no trace."""
    return float(np.add.reduce(np.sort(weights)))
