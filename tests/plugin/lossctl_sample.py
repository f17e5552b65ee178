"""Losses of a warehouse: every kind of declaration that a plug-in can make."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from lossctl.plugin import (
    POSITIVE,
    ROOT,
    Array,
    Batch,
    abs_residual,
    combine,
    derived,
    loss,
    regression,
    residual,
)

REGRESSION = regression()


@derived
def surplus(batch: Batch) -> Array:
    """What is left over, 0 where something is missing."""
    return np.maximum(residual(batch), 0.0)


def slope(batch: Batch, *, under: float, over: float) -> Array:
    """Slope of the costs by the prediction."""
    r = residual(batch)
    return np.where(r > 0.0, over, np.where(r < 0.0, -under, 0.0))


@loss(
    forms=(REGRESSION,),
    gradient=slope,
    subgradient="0 at r = 0",
    formula="mean of under·(-r) if r < 0, else over·r; r = pred - target",
    unit="cost",
    source="Arrow, Harris & Marschak 1951, doi:10.2307/1906813",
    use="A unit too few and a unit too many cost different amounts of money.",
    avoid="Both cost the same: mae.",
    aliases=("newsboy_cost",),
)
def stock_cost(
    batch: Batch,
    *,
    under: Annotated[float, POSITIVE, "cost of each unit that is missing"] = 3.0,
    over: Annotated[float, POSITIVE, "cost of each unit that is left over"] = 1.0,
) -> Array:
    """Cost of what is missing and of what is left over."""
    return over * surplus(batch) + under * (surplus(batch) - residual(batch))


def squared(batch: Batch, *, under: float, over: float) -> Array:
    """Squares of the costs."""
    costs: Array = stock_cost.parts[0](batch, under=under, over=over)
    return np.square(costs)


root_stock_cost = combine(
    "root_stock_cost",
    parts=(squared,),
    params=stock_cost.params,
    reading=ROOT,
    forms=(REGRESSION,),
    summary="Root of the mean squared cost.",
    doc="",
    formula="√(mean of cost²)",
    unit="cost",
    source="none: an example",
    use="Large costs count for more.",
    avoid="Costs add up: stock_cost.",
)


def _mean(ordered: Array) -> float:
    """Weighted mean of values in order, the weights in the last line."""
    values, weights = ordered
    return float(np.add.reduce(values * weights) / np.add.reduce(weights))


kept_error = combine(
    "kept_error",
    parts=(abs_residual,),
    keeps="sample",
    whole=_mean,
    forms=(regression(one=True),),
    summary="Mean absolute error, from values that are all kept.",
    doc="",
    formula="mean of |r|",
    unit="target",
    source="none: an example",
    use="None: it shows that a loss may keep all values.",
    avoid="Always: mae.",
)
