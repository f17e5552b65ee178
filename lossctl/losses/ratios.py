"""Readings and statistics of ratios: to the spread of the target, to a mean, and correlations.

Variances are those of quantities about an origin, from the means of u and u².
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np

from lossctl.core.statistic import MEAN, Means, Statistic
from lossctl.numerics.array import Array

CONSTANT: Final = "the target is constant"


def whole_sample(undefined: str) -> Statistic:
    """What a statistic of all values has in place of a reading: the reason where it has no value."""
    return replace(MEAN, name="statistic of all values", undefined=undefined)


def complement(reading: Statistic) -> Statistic:
    """1 less a reading: the score to a loss."""
    return Statistic(
        f"1 - {reading.name}",
        lambda m: 1.0 - reading.value(m),
        lambda m: tuple(-slope for slope in reading.slope(m)),
        undefined=reading.undefined,
    )


def root_of(reading: Statistic) -> Statistic:
    """The root of a reading."""
    return Statistic(
        f"root of {reading.name}",
        lambda m: np.sqrt(reading.value(m)),
        lambda m: tuple(0.5 * slope / np.sqrt(reading.value(m)) for slope in reading.slope(m)),
        "log",
        undefined=reading.undefined,
    )


def positive(x: Any) -> Any:
    """A denominator, NaN where it is not above 0."""
    return np.where(x > 0.0, x, np.nan)[()]


def variance(mean: Any, square: Any) -> Any:
    """Population variance from the means of u and u²; rounding takes it no lower than 0."""
    return np.maximum(square - mean**2, 0.0)


def _relative_square(m: Means) -> Any:
    return m[0] / positive(variance(m[1], m[2]))


def _relative_square_slope(m: Means) -> tuple[Any, ...]:
    spread = positive(variance(m[1], m[2]))
    lift = m[0] / spread**2
    return 1.0 / spread, 2.0 * m[1] * lift, -lift


OVER_VARIANCE: Final = Statistic(
    "mean / variance of the target", _relative_square, _relative_square_slope, undefined=CONSTANT
)


def _unexplained(m: Means) -> Any:
    return variance(m[0], m[1]) / positive(variance(m[2], m[3]))


def _unexplained_slope(m: Means) -> tuple[Any, ...]:
    spread = positive(variance(m[2], m[3]))
    lift = variance(m[0], m[1]) / spread**2
    return -2.0 * m[0] / spread, 1.0 / spread, 2.0 * m[2] * lift, -lift


UNEXPLAINED: Final = Statistic(
    "variance of the residual / variance of the target", _unexplained, _unexplained_slope, undefined=CONSTANT
)

OVER_MEAN: Final = Statistic(
    "root of a mean / mean of the target",
    lambda m: np.sqrt(m[0]) / positive(np.abs(m[1])),
    lambda m: (0.5 / (np.sqrt(m[0]) * np.abs(m[1])), -np.sqrt(m[0]) * np.sign(m[1]) / m[1] ** 2),
    "log",
    undefined="the mean of the targets is zero",
)

OVER_SIZE: Final = Statistic(
    "root of a ratio of means",
    lambda m: np.sqrt(m[0] / positive(m[1])),
    lambda m: (0.5 / np.sqrt(m[0] * m[1]), -0.5 * np.sqrt(m[0] / m[1]) / m[1]),
    "log",
    undefined="all targets are zero",
)


def _spreads(m: Means) -> tuple[Any, Any]:
    return variance(m[0], m[2]), variance(m[1], m[3])


def _correlation(m: Means) -> Any:
    u, v = _spreads(m)
    return np.clip((m[4] - m[0] * m[1]) / (np.sqrt(positive(u)) * np.sqrt(positive(v))), -1.0, 1.0)


def _correlation_slope(m: Means) -> tuple[Any, ...]:
    u, v = _spreads(m)
    joint, found = np.sqrt(u) * np.sqrt(v), (m[4] - m[0] * m[1]) / (np.sqrt(u) * np.sqrt(v))
    by_u, by_v = -0.5 * found / u, -0.5 * found / v
    return -m[1] / joint - 2.0 * m[0] * by_u, -m[0] / joint - 2.0 * m[1] * by_v, by_u, by_v, 1.0 / joint


CORRELATION: Final = Statistic(
    "correlation of two quantities",
    _correlation,
    _correlation_slope,
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


def _discord_slope(m: Means) -> tuple[Any, ...]:
    a, b, _, more, left = _apart(m)
    joint, both = a * b, a + b
    by_more = -more / (both**2 * joint)
    lift = 0.5 * more**2 / (both**3 * joint)
    by_u, by_v = lift / a - 0.25 * left / (joint * a**2), lift / b - 0.25 * left / (joint * b**2)
    return (
        -2.0 * m[0] * by_u - m[4] * by_more,
        -2.0 * m[1] * by_v - m[4] * by_more,
        by_u,
        by_v,
        -m[4] / joint - (m[0] + m[1]) * by_more,
        0.5 / joint,
        by_more,
    )


# 1 - cov(u, v)/(a b) = (var(v - u) - (a - b)²)/(2 a b), where little cancels for nearly equal u and v;
# a - b is the difference of the variances over a + b
DISCORD: Final = Statistic(
    "1 - correlation, from differences", _discord, _discord_slope, undefined=CORRELATION.undefined
)


def _discordance(m: Means) -> Any:
    return m[0] / positive(variance(m[2], m[4]) + variance(m[3], m[5]) + m[1] ** 2)


def _discordance_slope(m: Means) -> tuple[Any, ...]:
    below = positive(variance(m[2], m[4]) + variance(m[3], m[5]) + m[1] ** 2)
    lift = m[0] / below**2
    return 1.0 / below, -2.0 * m[1] * lift, 2.0 * m[2] * lift, 2.0 * m[3] * lift, -lift, -lift


DISCORDANCE: Final = Statistic(
    "mean square / (both variances + squared difference of the means)",
    _discordance,
    _discordance_slope,
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
