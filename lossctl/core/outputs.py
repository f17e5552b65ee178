"""Outputs: what a loss of one output is for several of them: the mean over outputs of its values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache, wraps
from typing import Any

from lossctl.core.batch import Batch
from lossctl.core.form import Form
from lossctl.core.loss import Loss, Part
from lossctl.core.statistic import Means, Statistic
from lossctl.numerics.array import Array


def fitted(loss: Loss, widths: Mapping[str, int], wish: str | None) -> tuple[Loss, Form] | None:
    """Return the loss as columns of these widths (role -> count) take it, with its form; None where they do not fit.

    A loss of one output, as R², is the mean of its values over several; one that keeps every value is not.
    """
    form = loss.form_for(widths, wish)
    if form is not None:
        return loss, form
    outputs = max(widths.values(), default=1)
    one = loss.form_for(dict.fromkeys(widths, 1), wish)
    if one is None or not one.outputs or loss.keeps != "moments" or set(widths.values()) != {outputs}:
        return None
    return averaged(loss, outputs), one


def averaged(loss: Loss, outputs: int) -> Loss:
    """Return the mean over outputs of a loss's values; there is no per-row value."""
    parts = tuple(of_output(part, place) for place in range(outputs) for part in loss.parts)
    return replace(
        loss,
        parts=parts,
        reading=mean_of(loss.reading, outputs),
        row=None,
        gradient=None,
        raw_gradient=None,
        variant=None,
        plain=None,
    )


@cache
def of_output(part: Part, place: int) -> Part:
    """Return a part of one of several outputs."""

    @wraps(part)
    def alone(batch: Batch, **args: Any) -> Array:
        return part(batch.output(place), **args)

    return alone


@cache
def mean_of(reading: Statistic, outputs: int) -> Statistic:
    """Return the mean of a reading over consecutive groups of means."""

    def groups(m: Means) -> list[Means]:
        width = len(m) // outputs
        return [m[place * width : (place + 1) * width] for place in range(outputs)]

    def value(m: Means) -> Any:
        return sum(reading.value(group) for group in groups(m)) / outputs

    def slope(m: Means) -> tuple[Any, ...]:
        return tuple(part / outputs for group in groups(m) for part in reading.slope(group))

    return Statistic(f"mean over outputs: {reading.name}", value, slope, undefined=reading.undefined)
