"""Quantiles of Student's t without SciPy."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist
from typing import Final

EXPAND_FROM: Final = 2_000  # degrees of freedom from which the expansion below is right to 1e-15
TINY: Final = 1e-300


@lru_cache(maxsize=4096)
def t_quantile(level: float, freedom: int) -> float:
    """Return t with P(|T| <= t) = level for T with `freedom` >= 1 degrees of freedom."""
    z = -NormalDist().inv_cdf(0.5 * (1.0 - level))
    if freedom >= EXPAND_FROM:
        return _expanded(z, freedom)
    low, high = 0.0, max(4.0 * z, 10.0)
    while _inside(high, freedom) < level:
        high *= 2.0
    while True:
        middle = 0.5 * (low + high)
        if middle in (low, high):
            return middle
        low, high = (middle, high) if _inside(middle, freedom) < level else (low, middle)


def _expanded(z: float, freedom: int) -> float:
    """Cornish-Fisher expansion about the normal quantile (Abramowitz & Stegun 26.7.5)."""
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / freedom ** (power + 1) for power, term in enumerate(terms))


def _inside(t: float, freedom: int) -> float:
    """P(|T| <= t), as one minus the regularised incomplete beta function at freedom/(freedom + t²)."""
    a, b = 0.5 * freedom, 0.5
    x, y = freedom / (freedom + t * t), t * t / (freedom + t * t)
    if t == 0.0 or y == 0.0:
        return 0.0
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(y)
    front = math.exp(log_front)
    if x < (a + 1.0) / (a + b + 2.0):
        return 1.0 - front * _fraction(a, b, x) / a
    return front * _fraction(b, a, y) / b


def _fraction(a: float, b: float, x: float) -> float:
    """Continued fraction of the incomplete beta function (Lentz's method)."""
    c, d = 1.0, 1.0 / _away(1.0 - (a + b) * x / (a + 1.0))
    value = d
    for m in range(1, 500):
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 / _away(1.0 + step * d)
            c = _away(1.0 + step / c)
            value *= c * d
        if abs(c * d - 1.0) < 1e-16:
            break
    return value


def _away(x: float) -> float:
    """Keep a denominator away from zero."""
    return x if abs(x) > TINY else TINY
