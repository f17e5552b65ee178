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


def root(x: Fraction) -> float:
    """Return the square root of a fraction >= 0, also where the fraction itself is out of the float range."""
    half = (x.numerator.bit_length() - x.denominator.bit_length()) // 2
    near_one = x / 4**half if half >= 0 else x * 4**-half
    return math.ldexp(math.sqrt(rounded(near_one)), half)


def rounded(x: Fraction) -> float:
    """Round an exact fraction to the nearest float64, to an infinity where it is out of range."""
    try:
        return x.numerator / x.denominator
    except OverflowError:
        return float("inf") if x > 0 else float("-inf")
