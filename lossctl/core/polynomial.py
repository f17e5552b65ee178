"""Polynomials of arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lossctl.core.domain import Array


def polynomial(x: Array, factors: Sequence[float]) -> Array:
    """Sum of factors times powers of x, the highest power's first (Horner)."""
    total = np.full_like(x, factors[0])
    for factor in factors[1:]:
        total *= x
        total += factor
    return total
