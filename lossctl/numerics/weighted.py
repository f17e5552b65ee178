"""Sums and quantiles of values with weights, for what is computed from a whole sample."""

from __future__ import annotations

import numpy as np

from lossctl.numerics.array import Array


def weighted_quantile(values: Array, weights: Array, q: float) -> float:
    """Return the q-quantile of sorted values; weights count as repeated rows, and two that fit are averaged."""
    reached = np.cumsum(weights)
    place = q * reached[-1]
    last = len(values) - 1
    low = values[min(np.searchsorted(reached, place, side="left"), last)]
    high = values[min(np.searchsorted(reached, place, side="right"), last)]
    return float(low if low == high else 0.5 * low + 0.5 * high)


def weighted_sum(values: Array, weights: Array) -> float:
    """Return Σ weight x value, the rows one way whatever their number."""
    return float(np.add.reduce(values * weights))


def over(above: float, below: float) -> float:
    """Return a quotient, NaN where the denominator is not above 0."""
    return above / below if below > 0.0 else float("nan")
