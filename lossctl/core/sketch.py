"""Sketch: quantiles of a stream from counts in bins that lie at fixed places, so that merging is exact in any order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from lossctl.numerics.array import Array

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
