"""Estimates: the value of a loss with its standard error and confidence interval, from merged sums."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from lossctl.core.state import View
from lossctl.core.statistic import Statistic
from lossctl.core.tally import means, read
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
