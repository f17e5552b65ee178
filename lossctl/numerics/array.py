"""The two kinds of array that every numerical room works on, polynomials of them, and long ones a piece at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
PIECE: Final = 4096  # elements at a time, so that everything in between stays in the cache


def polynomial(x: Array, factors: Sequence[float]) -> Array:
    """Sum of factors times powers of x, the highest power's first (Horner)."""
    total = np.full_like(x, factors[0])
    for factor in factors[1:]:
        total *= x
        total += factor
    return total


def by_piece(function: Callable[..., Array], *lines: Array, **args: Any) -> Array:
    """Apply an elementwise function to arrays of one shape, a piece at a time."""
    values = np.empty(lines[0].shape)
    flat = [np.ravel(line) for line in lines]
    for start in range(0, values.size, PIECE):
        piece = slice(start, start + PIECE)
        values.reshape(-1)[piece] = function(*(line[piece] for line in flat), **args)
    return values
