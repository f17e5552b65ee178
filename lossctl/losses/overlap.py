"""How two boxes lie: lengths along both axes on a scale where no area leaves the float range, and areas of them.

Losses of boxes do not depend on place or scale, and those of areas not even on the scale of each axis. So each axis is
stretched by a power of two that makes the hull about 2^450 long: boxes of 1e160 or 1e-160 have areas then.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lossctl.core.batch import Batch, derived
from lossctl.core.domain import CORNERS, Box
from lossctl.core.form import Form
from lossctl.losses.forms import BOXES
from lossctl.numerics.array import Array

AIM: Final = 450  # exponent of the hull's stretched sides
LARGE: Final = 2.0**1021  # coordinates from here on are quartered, so that differences stay finite
MOST: Final = 2.0**1020
TARGET, PRED, SHARED, HULL, LEAD, TRAIL = range(6)
LEFT_TOP, RIGHT_BOTTOM = slice(0, 2), slice(2, 4)
OUTWARD: Final = np.array([[-1.0], [-1.0], [1.0], [1.0]])


def framed(frame: str) -> Form:
    """Return the form of boxes whose columns are in a frame."""
    if frame == "xyxy":
        return BOXES
    back = np.linalg.inv(CORNERS[frame])
    columns = {role: tuple(map(tuple, (back @ np.array(x)).tolist())) for role, x in BOXES.curve.roles.items()}
    roles = {"target": Box(solid=True, frame=frame), "pred": Box(frame=frame)}
    return replace(BOXES, name=f"boxes_{frame}", roles=roles, curve=replace(BOXES.curve, roles=columns))


@derived
def folded(batch: Batch) -> NDArray[Any]:
    """Which rows have coordinates so large that they are quartered, (rows,)."""
    size = np.maximum(np.maximum.reduce(np.abs(batch.target), axis=0), np.maximum.reduce(np.abs(batch.pred), axis=0))
    return size >= LARGE


@derived
def plain(batch: Batch) -> Array:
    """Lengths (6, 2, rows).

    Sides of the target, the prediction, the intersection (0 where the boxes are disjoint) and the hull; how far the
    prediction's left and top, and its right and bottom, lie beyond the target's.
    """
    t, p = batch.target, batch.pred
    if folded(batch).any():
        fold = np.where(folded(batch), 0.25, 1.0)
        t, p = t * fold, p * fold
    shared = np.minimum(t[RIGHT_BOTTOM], p[RIGHT_BOTTOM]) - np.maximum(t[LEFT_TOP], p[LEFT_TOP])
    return np.stack(
        [
            t[RIGHT_BOTTOM] - t[LEFT_TOP],
            p[RIGHT_BOTTOM] - p[LEFT_TOP],
            np.where(np.logical_and.reduce(shared > 0.0, axis=0), shared, 0.0),
            np.maximum(t[RIGHT_BOTTOM], p[RIGHT_BOTTOM]) - np.minimum(t[LEFT_TOP], p[LEFT_TOP]),
            p[LEFT_TOP] - t[LEFT_TOP],
            p[RIGHT_BOTTOM] - t[RIGHT_BOTTOM],
        ]
    )


@derived
def power(batch: Batch) -> NDArray[Any]:
    """The power of two by which the lengths of each axis are stretched, (2, rows)."""
    return AIM - np.frexp(plain(batch)[HULL])[1].astype(np.int64)


@derived
def stretch(batch: Batch) -> NDArray[Any]:
    """The power of two by which the coordinates of each axis are stretched, (2, rows)."""
    return power(batch) - np.where(folded(batch), 2, 0)


@derived
def lengths(batch: Batch) -> Array:
    """The same lengths, stretched."""
    half = np.minimum(power(batch), 1000)  # a power of two alone may leave the range where the length does not
    found = plain(batch) * np.ldexp(1.0, half)
    rest = power(batch) - half
    return found * np.ldexp(1.0, rest) if rest.any() else found


@derived
def even_power(batch: Batch) -> NDArray[Any]:
    """The power of two by which both axes are stretched alike, (rows,)."""
    return np.minimum.reduce(stretch(batch), axis=0)


@derived
def even(batch: Batch) -> Array:
    """The same lengths, both axes stretched alike, for what compares the axes."""
    return lengths(batch) * np.ldexp(1.0, even_power(batch) - stretch(batch))


def floor_of_area(batch: Batch, eps: float) -> Array | float:
    """`eps` in stretched units of area, or so much that the areas are nothing beside it."""
    return np.minimum(np.ldexp(eps, np.add.reduce(stretch(batch), axis=0)), MOST) if eps else 0.0


def floor_of_square(batch: Batch, eps: float) -> Array | float:
    """`eps` in evenly stretched units of area."""
    return np.minimum(np.ldexp(eps, 2 * even_power(batch)), MOST) if eps else 0.0


def area(sides: Array) -> Array:
    """Width times height."""
    return sides[0] * sides[1]


def _beyond(mine: Array, ahead: Array, behind: Array, shared: Array) -> Array:
    """Area of a box outside the intersection, from how far it sticks out on each side, which does not cancel."""
    out = np.maximum(ahead, 0.0) + np.maximum(behind, 0.0)
    return np.where(shared[0] > 0.0, out[0] * mine[1] + shared[0] * out[1], area(mine))


@derived
def areas(batch: Batch) -> Array:
    """Intersection, U - I (what only one of the boxes covers), union, hull, and hull without union: (5, rows)."""
    size = lengths(batch)
    shared, lead, trail = size[SHARED], size[LEAD], size[TRAIL]
    inter = area(shared)
    only = _beyond(size[TARGET], lead, -trail, shared) + _beyond(size[PRED], -lead, trail, shared)
    union, hull = inter + only, area(size[HULL])
    corners = (
        np.maximum(-lead[0] * lead[1], 0.0)
        + np.maximum(-trail[0] * trail[1], 0.0)
        + np.maximum(lead[0] * trail[1], 0.0)
        + np.maximum(trail[0] * lead[1], 0.0)
    )  # a corner of the hull is empty where one box sticks out on one side and the other on the other
    return np.stack([inter, only, union, hull, np.where(shared[0] > 0.0, corners, hull - union)])


def area_slope(sides: Array, edges: Array) -> Array:
    """Slope of width x height by the four edges, from the slope of the sides by their edges."""
    return edges * sides[[1, 0, 1, 0]]


@derived
def shared_edges(batch: Batch) -> Array:
    """Slope of the intersection's sides by the prediction's edges: -1, +1, or 0 where the target bounds it."""
    size = lengths(batch)
    meet = size[SHARED] > 0.0
    return np.concatenate([-((size[LEAD] > 0.0) & meet).astype(float), ((size[TRAIL] < 0.0) & meet).astype(float)])


@derived
def hull_edges(batch: Batch) -> Array:
    """Slope of the hull's sides by the prediction's edges."""
    size = lengths(batch)
    return np.concatenate([-(size[LEAD] <= 0.0).astype(float), (size[TRAIL] >= 0.0).astype(float)])


def by_axis(batch: Batch, slope: Array) -> Array:
    """Return a slope by the stretched edges as one by the edges themselves."""
    return np.ldexp(slope, np.concatenate([stretch(batch)] * 2))


def by_both(batch: Batch, slope: Array) -> Array:
    """Return a slope by the evenly stretched edges as one by the edges themselves."""
    return np.ldexp(slope, even_power(batch))
