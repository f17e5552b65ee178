"""Activations: what a raw output column means, and the stable forms that follow from it.

Each function maps raw outputs z of shape (width, rows) to an array of the same shape. Softmax runs over the
first axis, the columns of one row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from lossctl.numerics.array import Array
from lossctl.numerics.double import two_sum


def sigmoid(z: Array) -> Array:
    """σ(z) = 1/(1 + e^-z), without overflow and exact to the last digits at both ends."""
    return np.exp(np.minimum(z, 0.0)) / (1.0 + np.exp(-np.abs(z)))


def softplus(z: Array) -> Array:
    """ln(1 + e^z) = max(z, 0) + ln(1 + e^-|z|)."""
    return np.maximum(z, 0.0) + np.log1p(np.exp(-np.abs(z)))


def log_softplus(z: Array) -> Array:
    """ln ln(1 + e^z); below -30 it is z - e^z/2 to the last digit, where the inner log would underflow."""
    low = z < -30.0
    return np.where(low, z - 0.5 * np.exp(np.minimum(z, 0.0)), np.log(softplus(np.where(low, 0.0, z))))


def below_top(z: Array) -> tuple[Array, Array]:
    """Return z - max over the columns, and e to that; the rounding of the difference is carried along."""
    top = np.maximum.reduce(z, axis=0)
    gap, lost = two_sum(z, -top)
    share = np.exp(gap)
    with np.errstate(invalid="ignore"):
        return gap, np.where(share > 0.0, share + share * lost, 0.0)  # of -∞ nothing is lost, though it is NaN


def softmax_shares(z: Array) -> tuple[Array, Array]:
    """Return e^(z - max) and its sum over the columns, the two halves of a softmax."""
    _, share = below_top(z)
    return share, np.add.reduce(share, axis=0)


def softmax(z: Array) -> Array:
    """e^z_c / Σ_j e^z_j over the columns of each row."""
    share, total = softmax_shares(z)
    return share / total


def log_softmax(z: Array) -> Array:
    """z_c - ln Σ_j e^z_j; the largest term leaves the sum so that log1p sees only the small rest."""
    top = np.argmax(z, axis=0)
    shifted, share = below_top(z)
    np.put_along_axis(share, top[np.newaxis], 0.0, axis=0)
    return shifted - np.log1p(np.add.reduce(share, axis=0))


def sum_of_others(x: Array) -> Array:
    """Σ_{j≠c} x_j for each column c, without taking x_c from the whole sum."""
    before = np.zeros_like(x)
    after = np.zeros_like(x)
    np.cumsum(x[:-1], axis=0, out=before[1:])
    after[:-1] = np.cumsum(x[:0:-1], axis=0)[::-1]
    return before + after


def one_minus_softmax(z: Array) -> Array:
    """1 - softmax as the sum of the other classes' shares, which does not cancel near 1."""
    share, total = softmax_shares(z)
    return sum_of_others(share) / total


APPLY: Final[Mapping[str, Callable[[Array], Array]]] = {
    "none": lambda z: z,
    "sigmoid": sigmoid,
    "softmax": softmax,
    "tanh": np.tanh,
    "exp": np.exp,
    "softplus": softplus,
    "relu": lambda z: np.maximum(z, 0.0),
    "renormalize": lambda z: z / np.add.reduce(z, axis=0),
}
