"""Dual numbers: a value that carries its slopes by several variables along, so that a formula yields its gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

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
        for x, partial in zip(inputs, PARTIALS[ufunc], strict=True):
            if isinstance(x, Dual):
                by_x = partial(result, *plain)
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
