"""The normal distribution, where NumPy has nothing: its two-sided probability, its distance from a point."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from lossctl.numerics.array import Array, polynomial

NEAR: Final = 2.0  # up to it power series, from it on a continued fraction
LEVELS: Final = 120
BEYOND: Final = 39.0  # e^(-w²/2) is 0
ROOT_TWO_OVER_PI: Final = math.sqrt(2.0 / math.pi)
TERMS: Final = range(30, -1, -1)
TWO_SIDED: Final = [ROOT_TWO_OVER_PI * (-0.5) ** n / (math.factorial(n) * (2 * n + 1)) for n in TERMS]
DISTANCE: Final = [ROOT_TWO_OVER_PI * (-0.5) ** n / (math.factorial(n) * (2 * n + 1) * (2 * n + 2)) for n in TERMS]


def two_sided(w: Array) -> Array:
    """2 Φ(w) - 1 = erf(w/√2): the integral of the normal density between -w and w."""
    size = np.abs(w)
    near = np.minimum(size, NEAR)
    values = near * polynomial(np.square(near), TWO_SIDED)
    far = size > NEAR
    if far.any():
        away = np.minimum(size[far], BEYOND)
        values[far] = 1.0 - _twice_density(away) / (away + _fraction(away))
    return np.copysign(values, w)


def expected_distance_gain(w: Array) -> Array:
    """E|X - w| - E|X| of a standard normal X, for |w| <= NEAR: the integral of `two_sided` from 0 to w."""
    square = np.square(w)
    return square * polynomial(square, DISTANCE)


def expected_distance_excess(w: Array) -> Array:
    """E|X - w| - w of a standard normal X, for w >= NEAR: twice the integral of the upper tail."""
    away = np.minimum(w, BEYOND)
    fraction = _fraction(away)
    return _twice_density(away) * fraction / (away + fraction)


def _twice_density(w: Array) -> Array:
    return ROOT_TWO_OVER_PI * np.exp(-0.5 * np.square(w))


def _fraction(w: Array) -> Array:
    """1/(w + 2/(w + 3/(w + ...))): with it Mills' ratio is 1/(w + fraction)."""
    fraction = np.zeros_like(w)
    for level in range(LEVELS, 0, -1):
        fraction = level / (w + fraction)
    return fraction
