"""Quantiles and tails of Student's t without SciPy."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist
from typing import Final

EXPAND_FROM: Final = 2_000  # degrees of freedom from which the expansion below is right to 1e-15
TINY: Final = 1e-300
SMALL_STEP: Final = 1e-8  # relative, after which Newton's next step would be rounding
MOST_STEPS: Final = 100
ROUNDING: Final = 1e-15


@lru_cache(maxsize=4096)
def t_quantile(level: float, freedom: int) -> float:
    """Return t with P(|T| <= t) = level for T with `freedom` >= 1 degrees of freedom.

    Newton's method finds it to a few units in the last place; bisection then settles the last digits, evaluating the
    probability only where rounding could decide.
    """
    z = normal_quantile(level)
    start = _expanded(z, freedom)
    if freedom >= EXPAND_FROM:
        return start
    near, margin = _newton(z, start, level, freedom)

    def is_below(t: float) -> bool:
        return _inside(t, freedom) < level if abs(t - near) <= margin else t < near

    low, high = 0.0, max(4.0 * z, 10.0)
    while is_below(high):
        high *= 2.0
    while (middle := 0.5 * (low + high)) not in (low, high):
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return middle


def _newton(least: float, start: float, level: float, freedom: int) -> tuple[float, float]:
    """Return the quantile, which is at least `least`, and a bound of the error that rounding leaves in it.

    The probability is concave in t > 0, so that a step from below the quantile never leads past it.
    """
    half = 0.5 * (freedom + 1)
    top = 2.0 * math.exp(math.lgamma(half) - math.lgamma(half - 0.5)) / math.sqrt(math.pi * freedom)
    t = start
    for _ in range(MOST_STEPS):
        density = top * math.exp(-half * math.log1p(t / freedom * t))
        step = (level - _inside(t, freedom)) / density
        t = max(t + step, least)
        if abs(step) <= SMALL_STEP * t:
            break
    return t, ROUNDING * (t + (freedom + 10) / density)


def t_tail(t: float, freedom: int) -> float:
    """Return P(|T| >= |t|) for T with `freedom` >= 1 degrees of freedom."""
    t = abs(t)
    if freedom >= EXPAND_FROM:
        return normal_tail(_as_normal(t, freedom))
    x, y = freedom / (freedom + t * t), t * t / (freedom + t * t)
    return 1.0 if y == 0.0 else _beta(0.5 * freedom, 0.5, x, y)


def normal_tail(z: float) -> float:
    """Return P(|Z| >= |z|) for a standard normal Z."""
    return math.erfc(abs(z) / math.sqrt(2.0))


def normal_quantile(level: float) -> float:
    """Return z with P(|Z| <= z) = level for a standard normal Z."""
    return -NormalDist().inv_cdf(0.5 * (1.0 - level))


def _as_normal(t: float, freedom: int) -> float:
    """Return the normal deviate whose tail is that of t (Hill 1970, algorithm 395)."""
    a = freedom - 0.5
    b = 48.0 * a * a
    y = a * math.log1p(t / freedom * t)
    return math.sqrt(y) * (
        1.0 + (y + 3.0 + ((((-0.4 * y - 3.3) * y - 24.0) * y - 85.5) / (0.8 * y * y + 100.0 + b))) / b
    )


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
    """P(|T| <= t), as the regularised incomplete beta function at t²/(freedom + t²)."""
    x, y = freedom / (freedom + t * t), t * t / (freedom + t * t)
    return 0.0 if y == 0.0 else _beta(0.5, 0.5 * freedom, y, x)


def _beta(a: float, b: float, x: float, y: float) -> float:
    """Regularised incomplete beta function I_x(a, b), with y = 1 - x."""
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(y))
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _fraction(a, b, x) / a
    return 1.0 - front * _fraction(b, a, y) / b


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
