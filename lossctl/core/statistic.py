"""Statistics: how merged means become one number, with the slopes that carry their errors along.

A loss is g(m_1, ..., m_k) of the (weighted) means of its parts; `value` is g and `slope` its gradient. With them
one formula, the delta method, gives a standard error for every loss of this kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, Final, Literal

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

# dual numbers: a value that carries its slopes by several variables along, so that a formula yields its gradient ----

Slopes = Mapping[int, Any]  # variable -> slope; a variable that is missing has slope 0

# ufunc -> its partial derivatives at the arguments x, whose result is f
PARTIALS: Final[Mapping[Any, tuple[Callable[..., Any], ...]]] = {
    np.add: (lambda f, x, y: 1.0, lambda f, x, y: 1.0),
    np.subtract: (lambda f, x, y: 1.0, lambda f, x, y: -1.0),
    np.multiply: (lambda f, x, y: y, lambda f, x, y: x),
    np.true_divide: (lambda f, x, y: 1.0 / y, lambda f, x, y: -x / y**2),
    np.power: (lambda f, x, y: y * x ** (y - 1.0), lambda f, x, y: f * np.log(x)),
    np.maximum: (lambda f, x, y: np.where(x >= y, 1.0, 0.0), lambda f, x, y: np.where(x < y, 1.0, 0.0)),
    np.minimum: (lambda f, x, y: np.where(x <= y, 1.0, 0.0), lambda f, x, y: np.where(x > y, 1.0, 0.0)),
    np.negative: (lambda f, x: -1.0,),
    np.absolute: (lambda f, x: np.sign(x),),
    np.square: (lambda f, x: 2.0 * x,),
    np.sqrt: (lambda f, x: 0.5 / f,),
    np.exp: (lambda f, x: f,),
    np.expm1: (lambda f, x: f + 1.0,),
    np.log: (lambda f, x: 1.0 / x,),
    np.log1p: (lambda f, x: 1.0 / (1.0 + x),),
}


class Dual(NDArrayOperatorsMixin):
    """A number or array and its slopes; NumPy's arithmetic and the functions below take it as they take an array.

    A comparison has no slope and returns plain booleans; a function without a rule raises TypeError.
    """

    def __init__(self, value: Any, slopes: Slopes) -> None:
        self.value, self.slopes = value, slopes

    @property
    def shape(self) -> tuple[int, ...]:
        return np.shape(self.value)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, place: Any) -> Dual:
        return self.each(lambda x: np.broadcast_to(x, self.shape)[place])

    def each(self, linear: Callable[[Any], Any]) -> Dual:
        """Apply a linear function to the value and to every slope."""
        return Dual(linear(self.value), {i: linear(slope) for i, slope in self.slopes.items()})

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        plain = tuple(map(value_of, inputs))
        if method == "reduce" and ufunc is np.add:
            return self.each(lambda x: ufunc.reduce(np.broadcast_to(x, self.shape), **options))
        if method == "reduce" and ufunc is np.maximum:
            largest = np.expand_dims(np.argmax(self.value, **options), options["axis"])
            return self.each(lambda x: np.take_along_axis(np.broadcast_to(x, self.shape), largest, **options))[0]
        if method != "__call__" or options:
            return NotImplemented
        result = ufunc(*plain)
        if ufunc not in PARTIALS:
            return result if np.asarray(result).dtype == bool else NotImplemented
        total: dict[int, Any] = {}
        for x, derivative in zip(inputs, PARTIALS[ufunc], strict=True):
            if isinstance(x, Dual):
                by_x = derivative(result, *plain)
                for i, slope in x.slopes.items():
                    total[i] = total[i] + slope * by_x if i in total else slope * by_x
        return Dual(result, total)

    def __array_function__(self, function: Any, types: Any, inputs: Any, options: Any) -> Any:
        return FUNCTIONS[function](*inputs, **options) if function in FUNCTIONS else NotImplemented


def value_of(x: Any) -> Any:
    """Return the value of a dual number, anything else as it is."""
    return x.value if isinstance(x, Dual) else x


def jointly(combine: Callable[..., Any], *inputs: Any) -> Dual:
    """Apply a function that is linear in all its inputs together, for each variable in turn."""
    variables = dict.fromkeys(i for x in inputs if isinstance(x, Dual) for i in x.slopes)

    def slope(x: Any, i: int) -> Any:
        zero = np.zeros(np.shape(value_of(x)))
        return zero + x.slopes[i] if isinstance(x, Dual) and i in x.slopes else zero

    return Dual(combine(*map(value_of, inputs)), {i: combine(*(slope(x, i) for x in inputs)) for i in variables})


FUNCTIONS: Final[Mapping[Any, Callable[..., Any]]] = {
    np.where: lambda condition, x, y: jointly(lambda a, b: np.where(condition, a, b), x, y),
    np.stack: lambda parts, axis=0: jointly(lambda *rows: np.stack(rows, axis=axis), *parts),
    np.clip: lambda x, low, high: np.minimum(np.maximum(x, low), high),
}


def slopes(function: Callable[[tuple[Any, ...]], Any], at: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the slopes of a function of several numbers, or arrays of them, by each."""
    result = function(tuple(Dual(x, {i: np.float64(1.0)}) for i, x in enumerate(at)))
    by = result.slopes if isinstance(result, Dual) else {}
    return tuple(by.get(i, np.zeros(np.shape(x))[()]) for i, x in enumerate(at))


Means = tuple[Any, ...]  # float64 numbers, or (groups,) arrays of them


def from_value(m: Means) -> tuple[Any, ...]:
    """Stand for the slopes that follow from a statistic's value."""
    raise NotImplementedError


@dataclass(frozen=True)
class Statistic:
    """g and its gradient, of numbers or of arrays alike: `Statistic("ratio of means", lambda m: m[0] / m[1])`.

    slope: the gradient; without one it is derived from `value`, which then is made of `PARTIALS` and `FUNCTIONS`.
    `interval` names the form of the confidence interval (log: on the logarithm; complement: on that of what a score
    lacks to 1; folded: of a sum of absolute means, see `stats/folded.py`; none: of a maximum), `undefined` says when g
    has no value.
    mass: the place of the part that counts what the mean is over, where that is fewer than the rows: sets.
    ranks: whether models rank as by their first mean, all others being of the target alone.
    """

    name: str
    value: Callable[[Means], Any]
    slope: Callable[[Means], tuple[Any, ...]] = from_value
    interval: Literal["t", "log", "complement", "folded", "none"] = "t"
    undefined: str = "not defined for these rows"
    mass: int | None = None
    ranks: bool = False

    def __post_init__(self) -> None:
        if self.slope is from_value:
            object.__setattr__(self, "slope", partial(slopes, self.value))


def variance(mean: Any, square: Any) -> Any:
    """Population variance from the means of u and u², u taken about a fixed origin; 0 where all of it is rounding."""
    spread = square - mean**2
    return np.where(spread <= ROUNDING * square, 0.0, spread)[()]


def positive(x: Any) -> Any:
    """A denominator, NaN where it is not above 0."""
    return np.where(x > 0.0, x, np.nan)[()]


ROUNDING: Final = 4.0 * 2.0**-52  # share of values below which a spread of them is rounding
ONE: Final = np.float64(1.0)
MEAN: Final = Statistic("mean", lambda m: m[0], lambda m: (ONE,))

ROOT: Final = Statistic("root of a mean", lambda m: np.sqrt(m[0]), interval="log", ranks=True)

RATIO: Final = Statistic("ratio of means", lambda m: m[0] / m[1], undefined="the denominator is zero")


def _slope_of_r_squared(m: Means) -> tuple[Any, ...]:
    """Return the gradient of R², by hand as every evaluation takes it."""
    spread = positive(variance(m[1], m[2]))
    share = m[0] / spread**2
    return -1.0 / spread, -(share * (2.0 * m[1])), share


R_SQUARED: Final = Statistic(
    "1 - mean squared residual / variance of the target",
    lambda m: 1.0 - m[0] / positive(variance(m[1], m[2])),
    _slope_of_r_squared,
    interval="complement",
    undefined="the target is constant",
    ranks=True,
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
    """1 less a statistic: the score to a loss that is at least 0."""
    value, slope = statistic.value, statistic.slope
    return replace(
        statistic,
        name=f"1 - {statistic.name}",
        value=lambda m: 1.0 - value(m),
        slope=lambda m: tuple(-by_mean for by_mean in slope(m)),
        interval="complement",
    )


@cache
def root_of(statistic: Statistic) -> Statistic:
    """The root of a statistic."""
    value = statistic.value
    name = f"root of {statistic.name}"
    return replace(statistic, name=name, value=lambda m: np.sqrt(value(m)), slope=from_value, interval="log")


@cache
def square_of(statistic: Statistic) -> Statistic:
    """The square of a statistic."""
    if statistic is ROOT:
        return MEAN
    value = statistic.value
    return replace(statistic, name=f"square of {statistic.name}", value=lambda m: value(m) ** 2, slope=from_value)


@cache
def minus_log_of_lack(statistic: Statistic) -> Statistic:
    """Minus the logarithm of what a score lacks to 1, which grows with the score."""
    value, slope = statistic.value, statistic.slope
    return Statistic(
        f"minus logarithm of 1 - {statistic.name}",
        lambda m: -np.log(1.0 - value(m)),
        lambda m: tuple(by_mean / (1.0 - value(m)) for by_mean in slope(m)),
    )


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


def read(statistic: Statistic, centre: Means) -> float:
    """Return the value of a statistic at some means; NaN where it is not defined."""
    with np.errstate(all="ignore"):
        return float(statistic.value(centre))
