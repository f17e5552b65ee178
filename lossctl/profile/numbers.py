"""Line: what one stream of numbers is, as a state that merges in any order to the same bits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from lossctl.core.state import BlockMoments, Moments
from lossctl.numerics.array import Array
from lossctl.numerics.exact import rounded, square_fraction

DIGITS: Final = 9  # bits of the mantissa that tell bins apart: a bin is at most 0.2 % of its distance from the origin
DROPPED: Final = 52 - DIGITS
MAGNITUDE: Final = (1 << 63) - 1  # all bits of a float but its sign
LARGEST: Final = float(np.finfo(np.float64).max)
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Sketch:
    """How many values lie in each bin around `origin`, bins in ascending order.

    A bin holds the floats that share sign, exponent and the first bits of the mantissa, so a quantile is off by at most
    0.1 % of its distance from the origin. There are at most 2^21 bins, whatever the number of values.
    """

    origin: float
    bins: Counts
    counts: Counts

    @classmethod
    def of(cls, values: Array, origin: float) -> Self:
        """Take a line of finite values."""
        with np.errstate(over="ignore"):  # a distance out of range is the largest one
            apart = np.clip(values - origin, -LARGEST, LARGEST)
        bits = apart.view(np.int64)
        size = ((bits & MAGNITUDE) >> DROPPED).astype(np.int32)  # which sorts twice as fast
        bins, counts = np.unique(np.where(bits < 0, -1 - size, size), return_counts=True)
        return cls(origin, bins.astype(np.int64), counts)

    def merge(self, other: Sketch) -> Sketch:
        bins, place = np.unique(np.concatenate([self.bins, other.bins]), return_inverse=True)
        counts = np.zeros(len(bins), dtype=np.int64)
        np.add.at(counts, place, np.concatenate([self.counts, other.counts]))
        return Sketch(self.origin, bins, counts)

    @property
    def apart(self) -> Array:
        """The middle of each bin, as a distance from the origin; the bins of the smallest numbers are 0."""
        size = np.where(self.bins < 0, -1 - self.bins, self.bins)
        middle = ((size << DROPPED) | (1 << (DROPPED - 1))).view(np.float64)
        return np.where(size == 0, 0.0, np.where(self.bins < 0, -middle, middle))

    def quantile(self, q: float) -> float | None:
        """Return the value below which a share `q` of the values lies; None of no values."""
        found = weighted_quantile(self.apart, self.counts, q)
        return None if found is None else self.origin + found

    def deviation(self) -> float | None:
        """Return the median absolute deviation from the median; None of no values."""
        found = self._from_median()
        return None if found is None else weighted_quantile(found, self.counts, 0.5)

    def beyond(self, distance: float) -> int:
        """Count the values that are farther from the median than this."""
        found = self._from_median()
        return 0 if found is None else int(self.counts[found > distance].sum())

    def _from_median(self) -> Array | None:
        middle = weighted_quantile(self.apart, self.counts, 0.5)
        return None if middle is None else np.abs(self.apart - middle)


def weighted_quantile(values: Array, counts: Counts, q: float) -> float | None:
    """Return the smallest of the values that at least a share `q` of them does not exceed."""
    if not len(values):
        return None
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(counts[order])
    place = int(np.searchsorted(reached, q * reached[-1]))
    return float(values[order][min(place, len(values) - 1)])


LOOK: Final = 2048  # values that tell whether counting different ones is in vain
MOST_VALUES: Final = 1000  # different values that are told apart
SQUARE: Final = ((0, 0),)
CUBE_SHIFT: Final = 3 * 1074  # cubes are summed in units of 2^-3222


@dataclass(frozen=True)
class NumberSummary:
    """Finite numbers: ends, exact moments, zeros, the different values (None: too many) and sketches of quantiles.

    `sketch` is about an origin among the values, for differences between them; `sizes` about 0, for their ratios.
    """

    count: int
    low: float
    high: float
    zeros: int
    whole: bool
    moments: Moments
    values: frozenset[float] | None
    sketch: Sketch
    sizes: Sketch

    @classmethod
    def of(cls, values: Array, origin: float) -> Self:
        """Take (width, rows) values; quantiles are right to 0.1 % of their distance from the origin."""
        line = values.reshape(-1)
        line = line if np.isfinite(line).all() else line[np.isfinite(line)]
        sketch = Sketch.of(line, origin)
        sums = BlockMoments(SQUARE, np.arange(len(line)), cubed=(0,))
        sums.add(line)
        return cls(
            len(line),
            float(np.minimum.reduce(line, initial=math.inf)),
            float(np.maximum.reduce(line, initial=-math.inf)),
            int(np.count_nonzero(line == 0.0)),
            bool((np.floor(line) == line).all()),
            sums.state(),
            _different(line),
            sketch,
            Sketch.of(line, 0.0) if origin else sketch,
        )

    def merge(self, other: NumberSummary) -> NumberSummary:
        values = None if self.values is None or other.values is None else self.values | other.values
        return NumberSummary(
            self.count + other.count,
            min(self.low, other.low),
            max(self.high, other.high),
            self.zeros + other.zeros,
            self.whole and other.whole,
            self.moments.merge(other.moments),
            values if values is not None and len(values) <= MOST_VALUES else None,
            self.sketch.merge(other.sketch),
            self.sizes.merge(other.sizes),
        )

    @property
    def constant(self) -> bool:
        """Whether every value is the same."""
        return self.count > 0 and self.low == self.high

    @property
    def mean(self) -> float:
        return rounded(self.moments.total(0) / self.count)

    @cached_property
    def _variance(self) -> Fraction | None:
        squares = self.moments.product(0, 0)
        return None if squares is None else squares / self.count - (self.moments.total(0) / self.count) ** 2

    @property
    def variance(self) -> float | None:
        """The population variance; None where it is out of range."""
        return None if self._variance is None else rounded(self._variance)

    @property
    def skewness(self) -> float | None:
        """The third standardised moment; None of constant values, and where it is out of range."""
        cubes = self.moments.cube_units(0)
        variance = self.variance
        if cubes is None or not variance or not math.isfinite(variance):
            return None
        mean = self.moments.total(0) / self.count
        squares = square_fraction(self.moments.product_units(0, 0) or 0) / self.count
        third = Fraction(cubes, self.count << CUBE_SHIFT) - 3 * mean * squares + 2 * mean**3
        found = rounded(third) / variance / math.sqrt(variance)
        return found if math.isfinite(found) else None

    @property
    def dominance(self) -> float | None:
        """The largest square's share of the sum of squares; None where that is zero or out of range."""
        squares = self.moments.product(0, 0)
        top = Fraction(max(abs(self.low), abs(self.high))) ** 2 if self.count else Fraction(0)
        return None if not squares else rounded(top / squares)


def _different(line: Array) -> frozenset[float] | None:
    if len(np.unique(line[:LOOK])) > MOST_VALUES:
        return None
    found = np.unique(line + 0.0)
    return frozenset(found.tolist()) if len(found) <= MOST_VALUES else None
