"""The observed class against its rivals: shared by the losses of scores of several classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lossctl.core.batch import Batch
from lossctl.losses.observed import pick
from lossctl.numerics.array import Array
from lossctl.numerics.double import two_sum


def against(base: float, a: Array, b: Array) -> Array:
    """base + a - b, as if rounded once."""
    gap, lost = two_sum(a, -b)
    return (base + gap) + np.where(np.isfinite(lost), lost, 0.0)


def rivals(batch: Batch) -> Array:
    """The scores with the observed class taken out (-inf)."""
    found = batch.pred.copy()
    np.put_along_axis(found, batch.target[np.newaxis], -np.inf, axis=0)
    return found


def best_rival(batch: Batch) -> tuple[Array, NDArray[np.int64]]:
    """The highest score of another class, and which class that is: the first of equal ones."""
    others = rivals(batch)
    return np.maximum.reduce(others, axis=0), np.argmax(others, axis=0)


def shortfall(batch: Batch, margin: float, floor: bool) -> Array:
    """By how much the observed class misses its margin over the best rival, that scores at least 0 if `floor`."""
    best, _ = best_rival(batch)
    return against(margin, np.maximum(best, 0.0) if floor else best, pick(batch, batch.pred))


def to_best_rival(batch: Batch, slope: Array, floor: bool = False) -> Array:
    """A gradient of `slope` at the best rival, which may be the floor, and as much less at the observed class."""
    best, which = best_rival(batch)
    full = np.zeros_like(batch.pred)
    np.put_along_axis(full, which[np.newaxis], np.where(best > 0.0, slope, 0.0) if floor else slope, axis=0)
    np.put_along_axis(full, batch.target[np.newaxis], -slope, axis=0)
    return full
