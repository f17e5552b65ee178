"""Readings: how merged means become one number, with the slope that carries their errors along.

A loss is g(m_1, ..., m_k) of the (weighted) means of its parts; `value` is g and `slope` its gradient. With them
one formula, the delta method, gives a standard error for every loss of this kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

Means = tuple[Any, ...]  # float64 numbers, or (groups,) arrays of them


@dataclass(frozen=True)
class Statistic:
    """g and its gradient, of numbers or of arrays alike.

    `interval` names the form of the confidence interval (none: of a maximum), `undefined` says when g has no value.
    mass: the place of the part that counts what the mean is over, where that is fewer than the rows: sets.
    """

    name: str
    value: Callable[[Means], Any]
    slope: Callable[[Means], tuple[Any, ...]]
    interval: Literal["t", "log", "none"] = "t"
    undefined: str = "not defined for these rows"
    mass: int | None = None


ONE: Final = np.float64(1.0)

MEAN: Final = Statistic("mean", lambda m: m[0], lambda m: (ONE,))

ROOT: Final = Statistic("root of a mean", lambda m: np.sqrt(m[0]), lambda m: (0.5 / np.sqrt(m[0]),), "log")

RATIO: Final = Statistic(
    "ratio of means",
    lambda m: m[0] / m[1],
    lambda m: (1.0 / m[1], -m[0] / m[1] ** 2),
    undefined="the denominator is zero",
)


def _spread(m: Means) -> Any:
    """Population variance from the means of u and u², u taken about a fixed origin."""
    return m[2] - m[1] ** 2


def _r2(m: Means) -> Any:
    spread = _spread(m)
    return np.where(spread > 0.0, 1.0 - m[0] / spread, np.nan)[()]


def _r2_slope(m: Means) -> tuple[Any, ...]:
    spread = _spread(m)
    lift = m[0] / spread**2
    return -1.0 / spread, -2.0 * m[1] * lift, lift


R_SQUARED: Final = Statistic(
    "1 - mean squared residual / variance of the target", _r2, _r2_slope, undefined="the target is constant"
)

TWO_RATIOS: Final = Statistic(
    "sum of two masked means",
    lambda m: m[0] / m[1] + m[2] / m[3],
    lambda m: (1.0 / m[1], -m[0] / m[1] ** 2, 1.0 / m[3], -m[2] / m[3] ** 2),
    undefined="needs at least one real and one generated row",
)

MASKED: Final = Statistic("masked mean", RATIO.value, RATIO.slope, undefined="needs at least one generated row")

WEIGHTED: Final = Statistic(
    "class-weighted mean", RATIO.value, RATIO.slope, undefined="the classes that count are in no row"
)

SET_MEAN: Final = Statistic("mean over sets", RATIO.value, RATIO.slope, undefined="there is no set of rows", mass=1)
