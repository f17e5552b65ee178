"""Double-double arithmetic on arrays: pairs (high, low) that carry about 32 digits (Dekker 1971; Knuth)."""

from __future__ import annotations

from typing import Final

import numpy as np

from lossctl.core.domain import Array

Pair = tuple[Array, Array]
SPLIT_MAX: Final = 2.0**995
SPLITTER: Final = 134_217_729.0  # 2^27 + 1 halves a significand


def two_sum(a: Array, b: Array) -> Pair:
    """a + b as its rounding and its error, exactly."""
    total = a + b
    shadow = total - a
    return total, (a - (total - shadow)) + (b - shadow)


def split(a: Array) -> Pair:
    """A float as two halves of its significand; large ones are made smaller meanwhile."""
    fold = np.where(np.abs(a) > SPLIT_MAX, 2.0**-28, 1.0)
    small = a * fold
    scaled = SPLITTER * small
    high = (scaled - (scaled - small)) / fold
    return high, a - high


def two_product(a: Array, b: Array) -> Pair:
    """a b as its rounding and its error, exactly."""
    product = a * b
    (a_high, a_low), (b_high, b_low) = split(a), split(b)
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def add(a: Pair, b: Pair) -> Pair:
    """Sum of two pairs, right to about 2^-104 of the larger one."""
    high, error = two_sum(a[0], b[0])
    error += a[1] + b[1]
    total = high + error
    return total, error - (total - high)


def multiply(a: Pair, b: Pair) -> Pair:
    """Product of two pairs."""
    high, error = two_product(a[0], b[0])
    return two_sum(high, error + (a[0] * b[1] + a[1] * b[0]))


def divide(a: Pair, b: Pair) -> Array:
    """Quotient of two pairs, rounded to a float."""
    quotient = a[0] / b[0]
    product = multiply((quotient, np.zeros_like(quotient)), b)
    return quotient + add(a, (-product[0], -product[1]))[0] / b[0]


def scale(a: Pair, b: Array) -> Pair:
    """Product of a pair and a float."""
    high, error = two_product(a[0], b)
    return two_sum(high, error + a[1] * b)
