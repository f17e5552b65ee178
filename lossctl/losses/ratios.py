"""Readings and statistics of ratios: to the spread of the target, to a mean, and correlations.

Variances are those of quantities about an origin, from the means of u and u².
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from lossctl.core.statistic import Means, Statistic, positive, variance
from lossctl.numerics.array import Array

CONSTANT: Final = "the target is constant"


OVER_VARIANCE: Final = Statistic(
    "mean / variance of the target", lambda m: m[0] / positive(variance(m[1], m[2])), undefined=CONSTANT
)

UNEXPLAINED: Final = Statistic(
    "variance of the residual / variance of the target",
    lambda m: variance(m[0], m[1]) / positive(variance(m[2], m[3])),
    undefined=CONSTANT,
)

OVER_MEAN: Final = Statistic(
    "root of a mean / mean of the target",
    lambda m: np.sqrt(m[0]) / positive(np.abs(m[1])),
    interval="log",
    undefined="the mean of the targets is zero",
)

OVER_SIZE: Final = Statistic(
    "root of a ratio of means",
    lambda m: np.sqrt(m[0] / positive(m[1])),
    interval="log",
    undefined="all targets are zero",
)


def _spreads(m: Means) -> tuple[Any, Any]:
    return variance(m[0], m[2]), variance(m[1], m[3])


def _correlation(m: Means) -> Any:
    u, v = _spreads(m)
    return np.clip((m[4] - m[0] * m[1]) / (np.sqrt(positive(u)) * np.sqrt(positive(v))), -1.0, 1.0)


CORRELATION: Final = Statistic(
    "correlation of two quantities",
    _correlation,
    undefined="the target or the prediction is constant",
)


def _apart(m: Means) -> tuple[Any, Any, Any, Any, Any]:
    """Deviations a and b, variance of v - u, variance of v less that of u, what is left of the former."""
    u, v = _spreads(m)
    a, b = np.sqrt(positive(u)), np.sqrt(positive(v))
    rest, more = variance(m[4], m[5]), m[6] - m[4] * (m[0] + m[1])
    return a, b, rest, more, np.maximum(rest - (more / (a + b)) ** 2, 0.0)


def _discord(m: Means) -> Any:
    a, b, _, _, left = _apart(m)
    return 0.5 * left / (a * b)


# 1 - cov(u, v)/(a b) = (var(v - u) - (a - b)²)/(2 a b), where little cancels for nearly equal u and v;
# a - b is the difference of the variances over a + b
DISCORD: Final = Statistic("1 - correlation, from differences", _discord, undefined=CORRELATION.undefined)


def _discordance(m: Means) -> Any:
    return m[0] / positive(variance(m[2], m[4]) + variance(m[3], m[5]) + m[1] ** 2)


DISCORDANCE: Final = Statistic(
    "mean square / (both variances + squared difference of the means)",
    _discordance,
    undefined="target and prediction are the same constant",
)


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
