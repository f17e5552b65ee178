"""Barron's general loss of a scaled residual x, to the last digits near its limits and far out.

With b = |alpha - 2|, z = x²/b and w = b ln(1 + z) it is (b/alpha) (exp(y) - 1) for y = (alpha/b) w/2, that is
(w/2) (exp(y) - 1)/y: in this form it is w/2 at alpha = 0 and x²/2 at alpha = 2, and 1 - exp(-x²/2) far below.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from lossctl.losses.residuals import finite_or_zero, square
from lossctl.numerics import double
from lossctl.numerics.array import Array
from lossctl.numerics.double import Pair

NO_MORE: Final = 1e-17  # what adds nothing to 1
FAR: Final = 1e30  # z beyond which 1 + z is z


def general(x: Pair, alpha: float) -> Array:
    """Return the loss of x = r/c, given as a pair."""
    q = square(x)
    if alpha == 2.0:
        return 0.5 * (q[0] + q[1])
    b, rest = double.two_sum(np.array(alpha), np.array(-2.0))
    b, rest = np.abs(b), np.copysign(1.0, b) * rest
    z = q[0] / b
    product = double.two_product(z, b)
    z_rest = finite_or_zero(((q[0] - product[0]) - product[1] + q[1] - z * rest) / b)
    size = np.abs(x[0])
    far = b * (2.0 * np.log(size) - np.log(b))
    w = np.where(z < NO_MORE, q[0] + q[1], b * (np.log1p(z) + z_rest / (1.0 + z)))
    w = np.where(np.isfinite(z), w, far)
    y = alpha / b * (0.5 * w)
    held = np.minimum(y, 1.0)
    growth = np.where(np.abs(held) < NO_MORE, 1.0, np.expm1(held) / held)
    found = 0.5 * w * growth
    if alpha <= 0.0:
        return found
    base = double.two_sum(np.ones_like(z), z)
    tail = 0.5 * alpha * ((base[1] + z_rest) / base[0])
    power = np.power(base[0], 0.5 * alpha)
    steep = b / alpha * (power - 1.0 + power * np.expm1(finite_or_zero(tail)))
    beyond = np.power(size, alpha) * (1.0 + alpha * x[1] / size) * (b ** (1.0 - 0.5 * alpha) / alpha) - b / alpha
    return np.where(y <= 1.0, found, np.where(z < FAR, steep, beyond))


def general_slope(x: Array, alpha: float) -> Array:
    """Return the derivative by x."""
    if alpha == 2.0:
        return x
    return x * np.exp((0.5 * alpha - 1.0) * np.log1p(np.square(x) / abs(alpha - 2.0)))
