"""Pairs of floats (high, low) that carry about 32 digits (Dekker 1971; Knuth), and sums that round about once."""

from __future__ import annotations

from typing import Final

import numpy as np

from lossctl.numerics.array import Array

Pair = tuple[Array, Array]
SPLITTER: Final = 134_217_729.0  # 2^27 + 1 halves a significand


def finite_or_zero(a: Array) -> Array:
    """The values, 0 where they are not finite: an infinity has no rounding error."""
    return np.where(np.isfinite(a), a, 0.0)


def two_sum(a: Array, b: Array) -> Pair:
    """a + b as its rounding and its error, exactly."""
    total = a + b
    shadow = total - a
    return total, (a - (total - shadow)) + (b - shadow)


def split(a: Array) -> Pair:
    """A float as two halves of its significand."""
    scaled = SPLITTER * a
    high = scaled - (scaled - a)
    if not np.isfinite(scaled).all():  # large ones are made smaller meanwhile
        small = a * 2.0**-28
        high = np.where(np.isfinite(scaled), high, (SPLITTER * small - (SPLITTER * small - small)) * 2.0**28)
    return high, a - high


def two_product(a: Array, b: Array) -> Pair:
    """a b as its rounding and its error, exactly."""
    high = a * b
    (a_high, a_low), (b_high, b_low) = split(a), split(b)
    return high, ((a_high * b_high - high) + a_high * b_low + a_low * b_high) + a_low * b_low


def add(a: Pair, b: Pair) -> Pair:
    """Sum of two pairs, right to about 2^-104 of the larger one."""
    high, error = two_sum(a[0], b[0])
    error += a[1] + b[1]
    total = high + error
    return total, error - (total - high)


def subtract(a: Pair, b: Pair) -> Pair:
    """Difference of two pairs."""
    return add(a, (-b[0], -b[1]))


def multiply(a: Pair, b: Pair) -> Pair:
    """Product of two pairs."""
    high, error = two_product(a[0], b[0])
    return two_sum(high, error + (a[0] * b[1] + a[1] * b[0]))


def product(a: Pair, b: Pair) -> Pair:
    """Product of two pairs whose high part is that of the floats; an infinity has nothing low."""
    plain, error = two_product(a[0], b[0])
    cross = a[0] * b[1] + a[1] * b[0]
    return plain, finite_or_zero(cross) + finite_or_zero(error)


def divide(a: Pair, b: Pair) -> Array:
    """Quotient of two pairs, rounded to a float."""
    quotient = a[0] / b[0]
    return quotient + subtract(a, multiply((quotient, np.zeros_like(quotient)), b))[0] / b[0]


def scale(a: Pair, b: Array) -> Pair:
    """Product of a pair and a float."""
    high, error = two_product(a[0], b)
    return two_sum(high, error + a[1] * b)


FEW: Final = 8  # columns that are added one after the other


def column_sum(x: Array) -> Array:
    """Sum over the columns, halves first, so that rounding grows with the logarithm of their number."""
    while len(x) > FEW:
        half = len(x) // 2
        folded = x[:half] + x[half : 2 * half]
        if len(x) % 2:
            folded[0] += x[-1]
        x = folded
    return np.add.reduce(x, axis=0)


def three_terms(a: Array, b: Array, c: Array | float) -> Array:
    """a + b + c, rounded about once however they cancel."""
    first, lost = two_sum(a, b)
    total, more = two_sum(first, np.broadcast_to(c, first.shape))
    return total + finite_or_zero(lost + more)


def soft_gap(high: Array, low: Array | float = 0.0) -> Array:
    """ln(1 + e^(high + low)) of a number in two parts; low is the rounding of high."""
    share = np.exp(-np.abs(high))
    return np.maximum(high, 0.0) + np.log1p(share - share * (np.sign(high) * low))


def soft_difference(a: Array, b: Array) -> Array:
    """ln(1 + e^(a - b)), right to the last digits where a - b is large and was rounded."""
    gap, lost = two_sum(a, -b)
    return soft_gap(gap, finite_or_zero(lost))
