"""Running sums within sets, all sets at once, none reaching into its neighbour; sums of e^x of any size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.numerics.array import Array
from lossctl.numerics.double import finite_or_zero, two_sum

Places = NDArray[Any]
Merge = Callable[[Array, Array], Array]


def running(merge: Merge, x: Array, first: Places) -> Array:
    """Merge each value of (..., rows) with all before it since place `first` of its own: a scan by doubling steps.

    A value meets others only through log2(n) merges, so that rounding stays small and is that of its own set.
    """
    rows = x.shape[-1]
    x, reach, step = x.copy(), np.arange(rows) - first, 1  # how many come before each one
    farthest = int(np.maximum.reduce(reach, initial=0))
    while step <= farthest:
        meets = reach[step:] >= step
        if 2 * np.count_nonzero(meets) > rows:
            x[..., step:] = np.where(meets, merge(x[..., step:], x[..., :-step]), x[..., step:])
        else:
            places = np.flatnonzero(meets)
            x[..., places + step] = merge(x[..., places + step], x[..., places])
        step *= 2
    return x


def run_starts(*keys: Places) -> Places:
    """Return where each run of rows begins whose keys are all equal."""
    change = np.zeros(keys[0].size, dtype=bool)
    change[:1] = True
    for key in keys:
        change[1:] |= key[1:] != key[:-1]
    return np.flatnonzero(change)


def groups(*keys: Array) -> tuple[Places, Places]:
    """Return, for sorted rows, the first and the last place of the rows whose keys all equal those of a row."""
    starts = run_starts(*keys)
    sizes = np.diff(starts, append=keys[0].size)
    return np.repeat(starts, sizes), np.repeat(starts + sizes - 1, sizes)


# Σ e^x as (2, rows): the largest x, and the sum of e^(x - largest); no terms are (-inf, 0)


def terms(x: Array) -> Array:
    """Return each e^x as a sum of one term."""
    return np.stack([x, np.ones_like(x)])


def joined(a: Array, b: Array) -> Array:
    """Add two sums."""
    ahead = a[0] >= b[0]
    share = np.exp(np.where(a[0] == b[0], 0.0, -np.abs(a[0] - b[0])))
    return np.stack([np.maximum(a[0], b[0]), np.where(ahead, a[1] + b[1] * share, a[1] * share + b[1])])


def times(a: Array, factor: Array) -> Array:
    """Multiply a sum by a positive factor."""
    return np.stack([a[0], a[1] * factor])


def before(x: Array, first: Places) -> Array:
    """Add all terms before each one since `first`, itself left out."""
    full = running(joined, x, first)
    place = np.arange(x.shape[-1])
    return np.where(place > first, full[:, place - 1], [[-np.inf], [0.0]])


def after(x: Array, last: Places) -> Array:
    """Add all terms after each one up to `last`, itself left out."""
    return before(x[:, ::-1], (x.shape[-1] - 1 - last)[::-1])[:, ::-1]


def log_one_plus(total: Array, x: Array) -> Array:
    """ln(1 + Σ/e^x) of a sum Σ, right to the last digits where it is next to nothing and where x is large."""
    gap, lost = two_sum(total[0], -x)
    share = np.exp(-np.abs(gap)) * (1.0 - finite_or_zero(np.sign(gap) * lost))
    return np.where(gap > 0.0, gap + np.log(total[1] + share), np.log1p(total[1] * share))
