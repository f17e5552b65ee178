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


def below_top(z: Array) -> Array:
    """Return z - max over the columns, and e to that, (2, width, rows); the rounding of z - max is carried along."""
    top = np.maximum.reduce(z, axis=0)
    gap, lost = two_sum(z, -top)
    share = np.exp(gap)
    with np.errstate(invalid="ignore"):
        # of -∞ nothing is lost, though it is NaN
        return np.stack([gap, np.where(share > 0.0, share + share * lost, 0.0)])


def softmax(z: Array) -> Array:
    """e^z_c / Σ_j e^z_j over the columns of each row."""
    return softmax_of(below_top(z)[1])


def softmax_of(share: Array) -> Array:
    """The softmax, from what `below_top` says."""
    return share / np.add.reduce(share, axis=0)


def log_softmax_of(shifted: Array, share: Array) -> Array:
    """z_c - ln Σ_j e^z_j; the largest term leaves the sum so that log1p sees only the small rest."""
    largest = shifted == 0.0
    if np.count_nonzero(largest) == share.shape[-1]:
        smaller = np.where(largest, 0.0, share)
    else:  # of several the first one
        smaller = share.copy()
        np.put_along_axis(smaller, np.argmax(largest, axis=0)[np.newaxis], 0.0, axis=0)
    return shifted - np.log1p(np.add.reduce(smaller, axis=0))


def sum_of_others(x: Array) -> Array:
    """Σ_{j≠c} x_j for each column c, without taking x_c from the whole sum."""
    before, after = np.zeros_like(x), np.zeros_like(x)
    for c in range(1, len(x)):
        before[c] = before[c - 1] + x[c - 1]
        after[-c - 1] = after[-c] + x[-c]
    return before + after


def one_minus_softmax_of(share: Array) -> Array:
    """1 - softmax as the sum of the other classes' shares, which does not cancel near 1."""
    return sum_of_others(share) / np.add.reduce(share, axis=0)


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
