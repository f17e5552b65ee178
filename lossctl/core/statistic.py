"""Statistics: how merged means become one number, with the slopes that carry their errors along.

A loss is g(m_1, ..., m_k) of the (weighted) means of its parts; `value` is g and `slope` its gradient. With them
one formula, the delta method, gives a standard error for every loss of this kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, Final, Literal

import numpy as np

from lossctl.core.state import View
from lossctl.numerics import dual
from lossctl.numerics.exact import SHIFT, ratio

Means = tuple[Any, ...]  # float64 numbers, or (groups,) arrays of them


def from_value(m: Means) -> tuple[Any, ...]:
    """Stand for the slopes that follow from a statistic's value."""
    raise NotImplementedError


@dataclass(frozen=True)
class Statistic:
    """g and its gradient, of numbers or of arrays alike: `Statistic("ratio of means", lambda m: m[0] / m[1])`.

    slope: the gradient; without one it is derived from `value`, which then is made of what `numerics.dual` knows.
    `interval` names the form of the confidence interval (none: of a maximum), `undefined` says when g has no value.
    mass: the place of the part that counts what the mean is over, where that is fewer than the rows: sets.
    """

    name: str
    value: Callable[[Means], Any]
    slope: Callable[[Means], tuple[Any, ...]] = from_value
    interval: Literal["t", "log", "none"] = "t"
    undefined: str = "not defined for these rows"
    mass: int | None = None

    def __post_init__(self) -> None:
        if self.slope is from_value:
            object.__setattr__(self, "slope", partial(dual.slopes, self.value))


def variance(mean: Any, square: Any) -> Any:
    """Population variance from the means of u and u², u taken about a fixed origin; never below 0."""
    return np.maximum(square - mean**2, 0.0)


def positive(x: Any) -> Any:
    """A denominator, NaN where it is not above 0."""
    return np.where(x > 0.0, x, np.nan)[()]


ONE: Final = np.float64(1.0)
MEAN: Final = Statistic("mean", lambda m: m[0], lambda m: (ONE,))

ROOT: Final = Statistic("root of a mean", lambda m: np.sqrt(m[0]), interval="log")

RATIO: Final = Statistic("ratio of means", lambda m: m[0] / m[1], undefined="the denominator is zero")

R_SQUARED: Final = Statistic(
    "1 - mean squared residual / variance of the target",
    lambda m: 1.0 - m[0] / positive(m[2] - m[1] ** 2),
    undefined="the target is constant",
)

TWO_RATIOS: Final = Statistic(
    "sum of two masked means",
    lambda m: m[0] / m[1] + m[2] / m[3],
    undefined="needs at least one real and one generated row",
)

MASKED: Final = replace(RATIO, name="masked mean", undefined="needs at least one generated row")

WEIGHTED: Final = replace(RATIO, name="class-weighted mean", undefined="the classes that count are in no row")

SET_MEAN: Final = replace(RATIO, name="mean over sets", undefined="there is no set of rows", mass=1)


@cache
def one_less(statistic: Statistic) -> Statistic:
    """1 less a statistic: the score to a loss."""
    value, slope = statistic.value, statistic.slope
    return replace(
        statistic,
        name=f"1 - {statistic.name}",
        value=lambda m: 1.0 - value(m),
        slope=lambda m: tuple(-by_mean for by_mean in slope(m)),
        interval="t",
    )


@cache
def root_of(statistic: Statistic) -> Statistic:
    """The root of a statistic."""
    value = statistic.value
    name = f"root of {statistic.name}"
    return replace(statistic, name=name, value=lambda m: np.sqrt(value(m)), slope=from_value, interval="log")


@cache
def mean_of(statistic: Statistic, outputs: int) -> Statistic:
    """Return the mean of a statistic over consecutive groups of means, one for each output."""

    def value(m: Means) -> Any:
        width = len(m) // outputs
        return sum(statistic.value(m[place : place + width]) for place in range(0, len(m), width)) / outputs

    def slope(m: Means) -> tuple[Any, ...]:
        width = len(m) // outputs
        groups = (m[place : place + width] for place in range(0, len(m), width))
        return tuple(part / outputs for group in groups for part in statistic.slope(group))

    return Statistic(f"mean over outputs: {statistic.name}", value, slope, undefined=statistic.undefined)


def means(view: View, indexes: Sequence[int], weighted: bool) -> Means:
    """Return the (weighted) means of quantities, an infinity or NaN where a value was not finite."""
    base = view.total_units(0) if weighted else view.rows << SHIFT
    return tuple(np.float64(view.odd[i].value if view.odd[i] else ratio(view.total_units(i), base)) for i in indexes)


def read(statistic: Statistic, view: View, indexes: Sequence[int], weighted: bool) -> float:
    """Return the value of a statistic of merged sums; NaN where it is not defined."""
    with np.errstate(all="ignore"):
        return float(statistic.value(means(view, indexes, weighted)))
