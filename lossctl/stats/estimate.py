"""Estimates: the value of a loss with its standard error and confidence interval, from merged sums.

The delta method: with theta = g(m), Var theta = g'(m)' S g'(m) / n, S the covariance of the parts. For weighted
means the weight is one more part and theta = g(mean(w q) / mean(w)) (Cochran 1977, 6.3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from lossctl.core.exact import root, rounded
from lossctl.core.reading import Reading
from lossctl.core.state import View
from lossctl.core.tally import means, read
from lossctl.stats.student import t_quantile

LARGEST_LOG = 700.0  # e to more than this leaves the float range


@dataclass(frozen=True)
class Estimate:
    """A value; its standard error and interval, or None with the reason `why` there is none."""

    value: float
    stderr: float | None = None
    interval: tuple[float, float] | None = None
    method: str | None = None
    why: str | None = None


def estimate(
    reading: Reading, view: View, indexes: Sequence[int], *, weighted: bool, level: float | None, total: bool = False
) -> Estimate:
    """Read the value of a loss from its sums, with an interval of the given level (None: no interval).

    `total` asks for the sum over rows (or weights) in place of the mean.
    """
    if total and not view.odd[indexes[0]]:
        value = rounded(view.total(indexes[0]))
    elif total:
        value = view.odd[indexes[0]].value
    else:
        value = read(reading, view, indexes, weighted)
    if level is None:
        return Estimate(value, why="not asked for")
    if not math.isfinite(value):
        return Estimate(value, why="the value is not finite")
    if view.live < 2:
        return Estimate(value, why="one row has no spread")
    variance = _total_variance(view, indexes[0]) if total else _variance(reading, view, indexes, weighted)
    if variance is None:
        return Estimate(value, why="the spread is out of the range of float64")
    # rounding in the sums of a block can leave a spread of zero a hair below it
    stderr = root(max(variance, Fraction(0)))
    reach = t_quantile(level, view.live - 1) * stderr
    if value - reach == value + reach:  # what is below the value's last digit is rounding
        return Estimate(value, 0.0, why="the rows show no spread")
    if reading.interval == "log" and not total:
        factor = math.exp(reach / value) if reach < LARGEST_LOG * value else math.inf
        ends, method = (value / factor, value * factor), "log-t"
    else:
        ends, method = (value - reach, value + reach), "t"
    if not all(map(math.isfinite, ends)):
        return Estimate(value, stderr, why="the interval is out of the range of float64")
    return Estimate(value, stderr, ends, method)


def _covariance(view: View, i: int, j: int) -> Fraction | None:
    """Unbiased covariance of two quantities, exactly."""
    product = view.product(i, j)
    n = view.live
    return None if product is None else (n * product - view.total(i) * view.total(j)) / (n * (n - 1))


def _total_variance(view: View, index: int) -> Fraction | None:
    spread = _covariance(view, index, index)
    return None if spread is None else view.live * spread


def _variance(reading: Reading, view: View, indexes: Sequence[int], weighted: bool) -> Fraction | None:
    """Delta-method variance of a reading, each product of slopes and covariances taken exactly."""
    centre = means(view, indexes, weighted)
    with np.errstate(all="ignore"):
        slopes = [float(slope) for slope in reading.slope(centre)]
    if not all(math.isfinite(slope) for slope in slopes):  # as that of a root at zero
        return Fraction(0) if all(_covariance(view, i, i) == 0 for i in indexes) else None
    columns, exact = list(indexes), [Fraction(slope) for slope in slopes]
    if weighted:
        base = view.total(0) / view.live
        drop = sum(slope * Fraction(float(mean)) for slope, mean in zip(exact, centre, strict=True))
        columns, exact = [0, *columns], [-drop / base, *(slope / base for slope in exact)]
    whole = Fraction(0)
    for a, i in zip(exact, columns, strict=True):
        for b, j in zip(exact, columns, strict=True):
            spread = _covariance(view, i, j)
            if spread is None:
                return None
            whole += a * b * spread
    return whole / view.live
