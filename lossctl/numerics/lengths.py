"""Lengths of vectors and angles between them, to the last digits; vectors are the columns of (k, rows) arrays.

Vectors are first brought to a size near 1 by a power of two, which is exact, so that their squares stay in the float
range.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lossctl.numerics.array import Array
from lossctl.numerics.double import Pair, add, column_sum, divide, multiply, scale, subtract, two_product, two_sum

PIECE: Final = 4096  # rows
NEARLY_PARALLEL: Final = 1e-10  # squared sine below which the sum of products has lost its digits


def near_one(a: Array) -> tuple[Array, NDArray[np.int32]]:
    """Return vectors with their largest entry between 1/2 and 1, and the power of two that was taken out."""
    power = np.frexp(np.maximum.reduce(np.abs(a), axis=0))[1]
    return np.ldexp(a, -power), power


def norm(a: Array, p: float) -> Array:
    """(Σ |a|^p)^(1/p)."""
    if p == 1.0:
        return column_sum(np.abs(a))
    scaled, power = near_one(a)
    if p == 2.0:
        return np.ldexp(np.sqrt(column_sum(np.square(scaled))), power)
    return np.ldexp(np.power(column_sum(np.power(np.abs(scaled), p)), 1.0 / p), power)


def norm_slope(a: Array, p: float) -> Array:
    """Slope of the norm by the entries; 0 for a zero vector."""
    size = norm(a, p)
    return np.where(size == 0.0, 0.0, np.sign(a) * np.power(np.abs(a) / size, p - 1.0))


def pair_root(a: Pair) -> Pair:
    """Square root of a pair."""
    root = np.sqrt(a[0])
    square, error = two_product(root, root)
    return root, np.where(root == 0.0, 0.0, ((a[0] - square) - error + a[1]) / (2.0 * root))


def distance(a: Array, b: Array) -> Pair:
    """‖a - b‖₂ in twice the digits."""
    high, low = two_sum(a, -b)
    high, power = near_one(high)
    total: Pair = (np.zeros(a.shape[1:]), np.zeros(a.shape[1:]))
    for entry, error in zip(high, np.ldexp(low, -power), strict=True):
        square, lost = two_product(entry, entry)
        total = add(total, (square, lost + 2.0 * entry * error))
    high, low = pair_root(total)
    return np.ldexp(high, power), np.ldexp(low, power)


# angles ----------------------------------------------------------------------------------------------------------


def by_piece(function: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Array]:
    """Apply a function of vectors to some rows at a time, so that everything in between stays in the cache."""

    @wraps(function)
    def in_pieces(a: Array, b: Array) -> Array:
        pieces = [slice(start, start + PIECE) for start in range(0, max(a.shape[1], 1), PIECE)]
        return np.concatenate([function(a[:, rows], b[:, rows]) for rows in pieces], axis=-1)

    return in_pieces


@by_piece
def cosine(a: Array, b: Array) -> Array:
    """a·b/(‖a‖ ‖b‖); a zero vector has the cosine 0 with any other, 1 with another zero vector."""
    return _cosine(near_one(a)[0], near_one(b)[0])[0]


@by_piece
def one_minus_cosine(a: Array, b: Array) -> Array:
    """1 - a·b/(‖a‖ ‖b‖); for an acute angle it is sin²/(1 + cos), which does not cancel."""
    a, b = near_one(a)[0], near_one(b)[0]
    cos, sine, lengths = _cosine(a, b)
    values = np.where(cos < 0.5, 1.0 - cos, divide(sine, lengths) / (1.0 + cos))
    close = np.flatnonzero((cos >= 0.5) & (sine[0] <= NEARLY_PARALLEL * lengths[0]))
    if close.size:
        values[close] = _small_squared_sine(a[:, close], b[:, close]) / (1.0 + cos[close])
    return np.where(lengths[0] == 0.0, 1.0 - cos, values)


@by_piece
def cosine_slope(a: Array, b: Array) -> Array:
    """The gradient of the cosine by b, (k, rows); 0 where a vector is zero."""
    (a, _), (b, power) = near_one(a), near_one(b)
    cos, _, lengths = _cosine(a, b)
    a_length, b_length = np.sqrt(_dot(a, a)[0]), np.sqrt(_dot(b, b)[0])
    slope = np.ldexp((a / a_length - cos * (b / b_length)) / b_length, -power)
    return np.where(lengths[0] == 0.0, 0.0, slope)


def _dot(a: Array, b: Array) -> Pair:
    """Σ a b over the first axis, as if in twice the digits (Ogita, Rump & Oishi 2005, doi:10.1137/030601818)."""
    high, low = np.zeros(a.shape[1:]), np.zeros(a.shape[1:])
    for x, y in zip(a, b, strict=True):
        product, rounding = two_product(x, y)
        high, error = two_sum(high, product)
        low += rounding + error
    return two_sum(high, low)


def _cosine(a: Array, b: Array) -> tuple[Array, Pair, Pair]:
    """The cosine; the squared sine times both squared lengths, and these."""
    ab, lengths = _dot(a, b), multiply(_dot(a, a), _dot(b, b))
    sine = subtract(lengths, multiply(ab, ab))
    equal = np.logical_and.reduce(a == b, axis=0)  # two zero vectors
    cos = np.where(lengths[0] == 0.0, equal.astype(np.float64), divide(ab, pair_root(lengths)))
    return cos, sine, lengths


def _small_squared_sine(a: Array, b: Array) -> Array:
    """The squared sine of a small angle.

    It is taken from w = a_j b - b_j a, with a_j the largest entry of a: what of b stands upright on a is
    (w - (w·a/a·a) a)/a_j, and w is known to its last digit (Kahan's determinant).
    """
    place = np.argmax(np.abs(a), axis=0)[np.newaxis]
    a_j, b_j = (np.take_along_axis(x, place, axis=0)[0] for x in (a, b))
    w = subtract(two_product(a_j, b), two_product(b_j, a))
    high, power = near_one(w[0])
    square, along = ((np.zeros_like(a_j), np.zeros_like(a_j)) for _ in range(2))
    for w_k, low, a_k in zip(high, np.ldexp(w[1], -power), a, strict=True):
        square = add(square, multiply((w_k, low), (w_k, low)))
        along = add(along, scale((w_k, low), a_k))
    aa, bb = _dot(a, a), _dot(b, b)
    upright = subtract(multiply(square, aa), multiply(along, along))
    below = multiply(multiply(aa, bb), two_product(a_j, a_j))
    return np.ldexp(divide(upright, below), 2 * power)
