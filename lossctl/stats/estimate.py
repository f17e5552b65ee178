"""Estimates: the value of a loss with its standard error and confidence interval, from merged sums.

The delta method: with theta = g(m), Var theta = g'(m)' S g'(m) / n, S the covariance of the parts. For weighted
means the weight is one more part and theta = g(mean(w q) / mean(w)) (Cochran 1977, 6.3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

from lossctl.core.exact import SHIFT, ratio, root, units
from lossctl.core.reading import Reading
from lossctl.core.state import View
from lossctl.core.tally import means, read
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

    @property
    def words(self) -> str:
        return WORDS[self]


WORDS: Final = {
    Why.NONE: "",
    Why.NOT_FINITE: "the value is not finite",
    Why.ONE_ROW: "one row has no spread",
    Why.SPREAD: "the spread is out of the range of float64",
    Why.NO_SPREAD: "the rows show no spread",
    Why.RANGE: "the interval is out of the range of float64",
}
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
    reading: Reading, view: View, indexes: Sequence[int], *, weighted: bool, level: float | None, total: bool = False
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
    if view.live < 2:
        return Estimate(value, why=Why.ONE_ROW.words)
    variance = _total_variance(view, indexes[0]) if total else _variance(reading, view, indexes, weighted)
    if variance is None:
        return Estimate(value, why=Why.SPREAD.words)
    # rounding in the sums of a block can leave a spread of zero a hair below it
    stderr = root(max(variance[0], 0), variance[1])
    reach = t_quantile(level, view.live - 1) * stderr
    if value - reach == value + reach:  # what is below the value's last digit is rounding
        return Estimate(value, 0.0, why=Why.NO_SPREAD.words)
    if reading.interval == "log" and not total:
        factor = math.exp(reach / value) if reach < LARGEST_LOG * value else math.inf
        ends, method = (value / factor, value * factor), "log-t"
    else:
        ends, method = (value - reach, value + reach), "t"
    if not all(map(math.isfinite, ends)):
        return Estimate(value, stderr, why=Why.RANGE.words)
    return Estimate(value, stderr, ends, method)


Fraction = tuple[int, int]  # numerator, denominator > 0: exact, and cheaper than one in lowest terms


def _covariance(view: View, i: int, j: int) -> int | None:
    """n (n - 1) times the unbiased covariance of two quantities, in units of 2^-2148."""
    product = view.product_units(i, j)
    return None if product is None else view.live * product - view.total_units(i) * view.total_units(j)


def _total_variance(view: View, index: int) -> Fraction | None:
    """Variance of a sum of n rows."""
    spread = _covariance(view, index, index)
    return None if spread is None else (spread, (view.live - 1) << (2 * SHIFT))


def _variance(reading: Reading, view: View, indexes: Sequence[int], weighted: bool) -> Fraction | None:
    """Delta-method variance of a reading, each product of slopes and covariances taken exactly."""
    centre = means(view, indexes, weighted)
    with np.errstate(all="ignore"):
        slopes = [float(slope) for slope in reading.slope(centre)]
    if not all(math.isfinite(slope) for slope in slopes):  # as that of a root at zero
        return (0, 1) if all(_covariance(view, i, i) == 0 for i in indexes) else None
    n, scale = view.live, 4 * SHIFT
    columns, exact, below = list(indexes), [units(slope) for slope in slopes], n * n * (n - 1)
    if weighted:  # with respect to the mean of w q the slope is g_i / mean(w), to that of w it is -Σ g_i m_i / mean(w)
        drop = sum(slope * units(float(mean)) for slope, mean in zip(exact, centre, strict=True))
        columns, exact = [0, *columns], [-drop, *(slope << SHIFT for slope in exact)]
        below = view.total_units(0) ** 2 * (n - 1)
    whole = 0
    for a, i in zip(exact, columns, strict=True):
        for b, j in zip(exact, columns, strict=True):
            spread = _covariance(view, i, j)
            if spread is None:
                return None
            whole += a * b * spread
    return whole, below << scale
