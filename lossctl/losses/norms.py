"""Lengths of vectors, (k, rows) columns, of any size."""

from __future__ import annotations

import numpy as np

from lossctl.numerics.array import Array
from lossctl.numerics.double import Pair, add, column_sum, two_product, two_sum


def norm(gap: Array, p: float) -> Array:
    """(Σ |gap|^p)^(1/p) over the columns, scaled by a power of two so that no power leaves the float range."""
    if p == 1.0:
        return column_sum(np.abs(gap))
    exponent = np.frexp(np.maximum.reduce(np.abs(gap), axis=0))[1]
    near_one = np.ldexp(gap, -exponent)
    if p == 2.0:
        return np.ldexp(np.sqrt(column_sum(np.square(near_one))), exponent)
    return np.ldexp(np.power(column_sum(np.power(np.abs(near_one), p)), 1.0 / p), exponent)


def norm_slope(gap: Array, p: float) -> Array:
    """Slope of the norm by the gap; 0 at a gap of zero length."""
    size = norm(gap, p)
    return np.where(size == 0.0, 0.0, np.sign(gap) * np.power(np.abs(gap) / size, p - 1.0))


def squared_length(gap: Array) -> Array:
    """Σ gap², scaled meanwhile so that small squares keep their digits."""
    exponent = np.frexp(np.maximum.reduce(np.abs(gap), axis=0))[1]
    return np.ldexp(column_sum(np.square(np.ldexp(gap, -exponent))), 2 * exponent)


def apart(a: Array, b: Array) -> Pair:
    """The Euclidean distance of columns of (k, rows) arrays, in twice the digits."""
    high, low = two_sum(a, -b)
    exponent = np.frexp(np.maximum.reduce(np.abs(high), axis=0))[1]
    total: Pair = (np.zeros(a.shape[1:]), np.zeros(a.shape[1:]))
    for big, small in zip(np.ldexp(high, -exponent), np.ldexp(low, -exponent), strict=True):
        square, rest = two_product(big, big)
        total = add(total, (square, rest + 2.0 * big * small))
    root = np.sqrt(total[0])
    square, rest = two_product(root, root)
    missing = ((total[0] - square) - rest + total[1]) / (2.0 * root)
    return np.ldexp(root, exponent), np.ldexp(np.where(root == 0.0, 0.0, missing), exponent)
