"""Exact addition of floats: every finite float is an integer times 2^-1074, and Python's integers add exactly.

So block sums can be added in any order, by any thread, and give the same bits (the superaccumulator of Kulisch,
1981, with Python's integers as the register).
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Final

SHIFT: Final = 1074  # 2^-1074 is the smallest positive float64


def units(x: float) -> int:
    """Return the finite float `x` as a whole number of 2^-1074."""
    numerator, denominator = x.as_integer_ratio()
    return numerator << (SHIFT + 1 - denominator.bit_length())


def fraction(total: int) -> Fraction:
    """Return `total` units of 2^-1074 as an exact fraction."""
    return Fraction(total, 1 << SHIFT)


def square_fraction(total: int) -> Fraction:
    """Return `total` units of 2^-2148, the scale of a product of two floats, as an exact fraction."""
    return Fraction(total, 1 << (2 * SHIFT))


def root(numerator: int, denominator: int) -> float:
    """Return the square root of a fraction >= 0, also where the fraction itself is out of the float range."""
    half = (numerator.bit_length() - denominator.bit_length()) // 2
    if half >= 0:
        denominator <<= 2 * half
    else:
        numerator <<= -2 * half
    return math.ldexp(math.sqrt(ratio(numerator, denominator)), half)


def ratio(numerator: int, denominator: int) -> float:
    """Round a fraction to the nearest float64, to an infinity where it is out of range; no common factor is sought."""
    try:
        return numerator / denominator
    except OverflowError:
        return math.inf if (numerator > 0) == (denominator > 0) else -math.inf


def rounded(x: Fraction) -> float:
    """Round an exact fraction to the nearest float64, to an infinity where it is out of range."""
    return ratio(x.numerator, x.denominator)
