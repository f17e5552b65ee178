"""The cosine of the angle between row vectors, and its distance from 1, to the last digits.

Vectors are first brought to a size near 1 by powers of two, so that nothing overflows. Products are summed in pairs.
For nearly parallel vectors the sine is taken from w = a_j b - b_j a, with a_j the largest entry of a: what of b
stands upright on a is (w - (w·a/a·a) a)/a_j, and w is known to its last digit (Kahan's determinant).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lossctl.numerics import double
from lossctl.numerics.array import Array
from lossctl.numerics.double import Pair

PIECE: Final = 4096  # rows
NEARLY_PARALLEL: Final = 1e-10  # squared sine below which its digits are looked for elsewhere


def by_piece(function: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Array]:
    """Apply a function of vectors to some rows at a time, so that everything in between stays in the cache."""

    @wraps(function)
    def whole(a: Array, b: Array) -> Array:
        pieces = [slice(start, start + PIECE) for start in range(0, max(a.shape[1], 1), PIECE)]
        return np.concatenate([function(a[:, rows], b[:, rows]) for rows in pieces], axis=-1)

    return whole


@by_piece
def similarity(a: Array, b: Array) -> Array:
    """The cosine of columns of (k, rows) arrays."""
    return _cosine(_sized(a)[0], _sized(b)[0])[0]


@by_piece
def distance(a: Array, b: Array) -> Array:
    """1 - the cosine of columns of (k, rows) arrays."""
    a, b = _sized(a)[0], _sized(b)[0]
    cosine, sine, lengths = _cosine(a, b)
    found = np.where(cosine < 0.5, 1.0 - cosine, double.divide(sine, lengths) / (1.0 + cosine))
    close = np.flatnonzero((cosine >= 0.5) & (sine[0] <= NEARLY_PARALLEL * lengths[0]))
    if close.size:
        found[close] = _nearly_parallel(a[:, close], b[:, close]) / (1.0 + cosine[close])
    return np.where(lengths[0] == 0.0, 1.0 - cosine, found)


@by_piece
def similarity_slope(a: Array, b: Array) -> Array:
    """The gradient of the cosine by b, (k, rows); 0 where a vector is zero."""
    (a, _), (b, power) = _sized(a), _sized(b)
    cosine, _, lengths = _cosine(a, b)
    own, other = np.sqrt(_dot(b, b)[0]), np.sqrt(_dot(a, a)[0])
    slope = np.ldexp((a / other - cosine * (b / own)) / own, -power)
    return np.where(lengths[0] == 0.0, 0.0, slope)


def _sized(a: Array) -> tuple[Array, NDArray[np.int32]]:
    """Vectors with their largest entry between 1/2 and 1, and the power of two that was taken out."""
    power = np.frexp(np.maximum.reduce(np.abs(a), axis=0))[1]
    return np.ldexp(a, -power), power


def _product(a: Array, b: Array) -> Pair:
    """a b as its rounding and its error, for entries of at most 1."""
    (a_high, a_low), (b_high, b_low) = _halves(a), _halves(b)
    product = a * b
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def _halves(a: Array) -> Pair:
    scaled = double.SPLITTER * a
    high = scaled - (scaled - a)
    return high, a - high


def _dot(a: Array, b: Array) -> Pair:
    """Σ a b over the first axis, as if in twice the digits (Ogita, Rump & Oishi 2005, doi:10.1137/030601818)."""
    high, low = np.zeros(a.shape[1:]), np.zeros(a.shape[1:])
    for left, right in zip(a, b, strict=True):
        product, rounding = _product(left, right)
        high, error = double.two_sum(high, product)
        low += rounding + error
    return double.two_sum(high, low)


def _cosine(a: Array, b: Array) -> tuple[Array, Pair, Pair]:
    """The cosine; the squared sine times both squared lengths, and these."""
    ab, lengths = _dot(a, b), double.multiply(_dot(a, a), _dot(b, b))
    root = np.sqrt(lengths[0])
    square = double.two_product(root, root)
    rest = ((lengths[0] - square[0]) - square[1] + lengths[1]) / (2.0 * root)
    opposed = double.multiply(ab, ab)
    sine = double.add(lengths, (-opposed[0], -opposed[1]))
    same = np.logical_and.reduce(a == b, axis=0)  # two zero vectors
    return np.where(lengths[0] == 0.0, same.astype(np.float64), double.divide(ab, (root, rest))), sine, lengths


def _nearly_parallel(a: Array, b: Array) -> Array:
    """The squared sine of vectors with a small angle."""
    place = np.argmax(np.abs(a), axis=0)[np.newaxis]
    own, other = (np.take_along_axis(x, place, axis=0)[0] for x in (a, b))
    less = double.two_product(other, a)
    w = double.add(double.two_product(own, b), (-less[0], -less[1]))
    high, power = _sized(w[0])
    low = np.ldexp(w[1], -power)
    zero = np.zeros_like(own)
    square, along = (zero, zero), (zero, zero)
    for part, rest, left in zip(high, low, a, strict=True):
        square = double.add(square, double.multiply((part, rest), (part, rest)))
        along = double.add(along, double.scale((part, rest), left))
    aa, bb = _dot(a, a), _dot(b, b)
    taken = double.multiply(along, along)
    upright = double.add(double.multiply(square, aa), (-taken[0], -taken[1]))
    below = double.multiply(double.multiply(aa, bb), double.two_product(own, own))
    return np.ldexp(double.divide(upright, below), 2 * power)
