"""The two kinds of array of every room, what becomes one, polynomials, weighted quantiles, pieces of long arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, ValuesView
from decimal import Decimal
from numbers import Real
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
PIECE: Final = 4096  # elements at a time, so that everything in between stays in the cache
MOST_EXACT: Final = 1 << 53  # up to which a float64 holds every whole number
MAX_BITS: Final = 1024  # of a whole number within the range of float64


def is_inexact(value: object) -> bool:
    """Whether a value is a whole number that a float64 does not hold."""
    if not isinstance(value, int) or abs(value) <= MOST_EXACT:
        return False
    return value.bit_length() > MAX_BITS or int(float(value)) != value


def array_of(values: Any, *, labels: bool = False) -> NDArray[Any]:
    """View anything array-like as an array.

    Tensors of other libraries come by `__array__` or DLPack, whatever device they are on and whether or not they take
    part in a gradient; sparse matrices become dense. Objects that are numbers, None or NA become float64, unless they
    are meant as labels, or one is a whole number that a float64 does not hold.
    """
    if type(values) is np.ndarray and values.dtype.kind in "biuf":
        return values
    if isinstance(values, Iterator | ValuesView):
        values = list(values)
    if hasattr(values, "detach"):  # a tensor of torch, of which NumPy views neither gradients nor other devices
        values = values.detach().cpu()
        values = values.float() if str(values.dtype) == "torch.bfloat16" else values
    elif hasattr(values, "toarray"):
        values = values.toarray()
    if hasattr(values, "__dlpack__") and not hasattr(values, "__array__"):
        values = np.from_dlpack(values)
    array = np.asarray(values)
    if array.dtype.kind in "SU" and isinstance(values, list | tuple):  # NumPy makes text of a NaN among texts
        objects = np.array(values, dtype=object)
        if len(set(map(type, objects.flat))) > 1:
            array = objects
    if array.dtype.kind == "V" and array.dtype.names is None and np.can_cast(array.dtype, np.float64):
        return array.astype(np.float64)  # bfloat16 and others that NumPy has not
    if labels or array.dtype != object or not array.size:
        return array
    if all(isinstance(x, Real | Decimal) or missing(x) for x in array.flat) and not any(map(is_inexact, array.flat)):
        return np.array([np.nan if missing(x) else x for x in array.flat], np.float64).reshape(array.shape)
    return array


def missing(value: Any) -> bool:
    """Whether a value is None, or as NaN, NaT and NA not the same as itself."""
    if value is None:
        return True
    differs = value != value
    return bool(differs) if isinstance(differs, bool | np.bool_) else True


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


def lower_quantiles(values: Array, masses: NDArray[Any], shares: Any) -> Array:
    """Return, for each share of the mass, the smallest of the values that at least so much of it does not exceed."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(masses[order])
    places = np.searchsorted(reached, np.asarray(shares) * reached[-1])
    quantiles: Array = values[order][np.minimum(places, len(values) - 1)]
    return quantiles
