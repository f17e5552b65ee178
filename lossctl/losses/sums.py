"""Sums and differences that keep their digits: over many columns, of three terms, and inside a softplus."""

from __future__ import annotations

from typing import Final

import numpy as np

from lossctl.core.domain import Array
from lossctl.core.double import two_sum

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
    rest = lost + more
    return np.where(np.isfinite(rest), total + rest, total)


def soft_gap(high: Array, low: Array | float = 0.0) -> Array:
    """ln(1 + e^(high + low)) of a number in two parts; low is the rounding of high."""
    share = np.exp(-np.abs(high))
    return np.maximum(high, 0.0) + np.log1p(share - share * (np.sign(high) * low))


def soft_difference(a: Array, b: Array) -> Array:
    """ln(1 + e^(a - b)), right to the last digits where a - b is large and was rounded."""
    gap, lost = two_sum(a, -b)
    return soft_gap(gap, np.where(np.isfinite(lost), lost, 0.0))
