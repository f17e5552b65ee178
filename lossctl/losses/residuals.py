"""The residual to more digits than a float has: shared by losses that amplify its rounding."""

from __future__ import annotations

import numpy as np

from lossctl.core.batch import Batch, derived, residual
from lossctl.numerics import double
from lossctl.numerics.array import Array
from lossctl.numerics.double import Pair

TINY = 2.0**-960  # below, the error of a product is lost to underflow


@derived
def residual_rest(batch: Batch) -> Array:
    """What rounding took from pred - target; 0 where that overflowed."""
    return finite_or_zero(double.two_sum(batch.pred, -batch.target)[1])


def finite_or_zero(x: Array) -> Array:
    """The values, 0 where they are not finite."""
    return np.where(np.isfinite(x), x, 0.0)


def scaled_residual(batch: Batch, scale: float) -> Pair:
    """r / scale as a rounded quotient and its error."""
    r, width = residual(batch), np.array(scale)
    high = r / width
    product = double.two_product(high, width)
    low = ((r - product[0]) - product[1] + residual_rest(batch)) / width
    return high, np.where(np.abs(r) > TINY, finite_or_zero(low), 0.0)


def square(a: Pair) -> Pair:
    """The square of a pair; an infinity has no error."""
    high, error = double.two_product(a[0], a[0])
    return high, finite_or_zero(error + 2.0 * a[0] * a[1])


def squared_ratio(batch: Batch, scale: float) -> Array:
    """(r / scale)², rounded once."""
    high, low = square(scaled_residual(batch, scale))
    return high + low
