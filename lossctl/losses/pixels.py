"""Counts of pixels, soft or hard, that the losses of masks are made of, and one way to declare those of overlap."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Final

import numpy as np

from lossctl.core.batch import Batch, derived
from lossctl.core.domain import NON_NEGATIVE
from lossctl.core.loss import Loss, Part, loss
from lossctl.core.param import Choice, Param
from lossctl.core.statistic import Means, Statistic
from lossctl.losses.forms import MASKS
from lossctl.losses.outcome import other_observed
from lossctl.numerics.array import Array
from lossctl.numerics.double import column_sum

FORM = (MASKS,)
Smooth = Annotated[float, NON_NEGATIVE, "added to numerator and denominator, in pixels, once for each row"]
OVER = Param("over", "row", Choice(("row", "set")), "what is one mask: each row, or all rows together")
EMPTY: Final = "0 where both masks are empty and smooth is 0"
EACH_OR_ALL: Final = (
    "With over=set the rows are parts of one mask: counts of pixels are summed before they are divided."
)


def share(part: Array, whole: Array) -> Array:
    """part/whole, where nothing of nothing is 0."""
    return np.where(whole == 0.0, 0.0, part / whole)


@derived
def shared(batch: Batch) -> Array:
    """I = Σ p y, the soft count of shared pixels."""
    return column_sum(batch.pred * batch.target)


@derived
def wrong(batch: Batch) -> Array:
    """U - I = Σ |p - y|, what only one of the masks covers, summed without cancellation."""
    return column_sum(other_observed(batch))


@derived
def false_positive(batch: Batch) -> Array:
    """Σ p (1 - y)."""
    return column_sum(other_observed(batch) * (1.0 - batch.target))


@derived
def false_negative(batch: Batch) -> Array:
    """Σ (1 - p) y."""
    return column_sum(other_observed(batch) * batch.target)


@derived
def wrong_squared(batch: Batch) -> Array:
    """Σ (p - y)²."""
    return column_sum(np.square(other_observed(batch)))


def union(batch: Batch) -> Array:
    """U = Σ p + Σ y - I."""
    return shared(batch) + wrong(batch)


def both(batch: Batch) -> Array:
    """Σ p + Σ y."""
    return 2.0 * shared(batch) + wrong(batch)


def _ratio(m: Means) -> Array:
    return share(m[0], m[1])[()]


def _ratio_slope(m: Means) -> tuple[Array, Array]:
    return share(np.ones_like(m[1]), m[1])[()], -share(m[0], np.square(m[1]))[()]


WHOLE: Final = Statistic("ratio of summed pixels", _ratio, _ratio_slope)

Readings = Callable[[Mapping[str, Any]], Statistic]


def _over(parts: tuple[Part, ...], reading: Readings, args: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what is different where all rows are one mask."""
    if args["over"] == "row":
        return {}
    return {"parts": parts, "reading": reading(args), "row": None, "gradient": None, "raw_gradient": None}


def plain_ratio(args: Mapping[str, Any]) -> Statistic:
    """Read the ratio of two parts."""
    return WHOLE


def mask_loss(*, parts: tuple[Part, ...], whole: Readings = plain_ratio, **facts: Any) -> Callable[[Part], Loss]:
    """Declare a loss of each mask; `whole` reads the means of `parts` where all rows are one mask."""

    def declare(function: Part) -> Loss:
        made = loss(forms=FORM, **facts)(function)
        doc = f"{made.doc}\n{EACH_OR_ALL}".strip()
        return replace(made, params=(*made.params, OVER), variant=partial(_over, parts, whole), doc=doc)

    return declare
