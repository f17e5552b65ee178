"""Sums of absolute means, such as the errors of calibration in bins: noise folded at zero lifts them, and spreads less.

Each of k means m̂ is about normal, so |m̂| is folded normal (Leone, Nelson & Nottingham 1961). True means are taken to
be c |m̂|, one c for all: an interval of the sum ends where the observed one is as far as may be from what c leads to.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from lossctl.numerics.array import Array

STEPS: Final = 40  # halvings
TERMS: Final = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)  # Abramowitz & Stegun 7.1.26
NONE: Final = 1e-300


def interval(sizes: Array, errors: Array, quantile: Array | float) -> tuple[Array, Array]:
    """Return intervals of the sums of (k, groups) means, of these sizes and standard errors; they hold the sums."""
    sums = np.add.reduce(sizes, axis=0)
    most = 1.0 + 2.0 * quantile * np.sqrt(np.add.reduce(errors**2, axis=0)) / np.maximum(sums, NONE)
    low, high = (_share(sizes, errors, sign * quantile, sums, most) * sums for sign in (1.0, -1.0))
    return np.minimum(low, sums), np.maximum(high, sums)


def spread(sizes: Array, errors: Array) -> Array:
    """Return the variances of the sums, of means whose sums would be expected to be as large."""
    sums = np.add.reduce(sizes, axis=0)
    share = _share(sizes, errors, 0.0, sums, np.ones_like(sums))
    return _moments(share * sizes, errors)[1]


def _share(sizes: Array, errors: Array, reach: Array | float, sums: Array, most: Array) -> Array:
    """Return the c from 0 to `most` for which mean plus `reach` standard deviations are the observed sums."""
    low, high = np.zeros_like(sums), most
    for _ in range(STEPS):
        middle = 0.5 * (low + high)
        mean, variance = _moments(middle * sizes, errors)
        below = mean + reach * np.sqrt(variance) < sums
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.where(low == 0.0, 0.0, high)


def _moments(sizes: Array, errors: Array) -> tuple[Array, Array]:
    """Return means and variances of sums of folded normal variables."""
    errors = np.maximum(errors, NONE)
    ratio = np.minimum(sizes / errors, 40.0)
    density = np.exp(-0.5 * ratio**2)
    t = 1.0 / (1.0 + 0.3275911 / math.sqrt(2.0) * ratio)
    tail = np.zeros_like(t)
    for term in TERMS:
        tail = (tail + term) * t
    mean = math.sqrt(2.0 / math.pi) * errors * density + sizes * (1.0 - tail * density)
    variance = np.maximum(sizes**2 + errors**2 - mean**2, 0.0)
    return np.add.reduce(mean, axis=0), np.add.reduce(variance, axis=0)
