"""One loss, named by its entry point."""

from __future__ import annotations

import numpy as np

from lossctl.plugin import Array, Batch, loss, regression, residual


@loss(
    forms=(regression(),),
    formula="mean of [pred ≥ target]",
    unit="1",
    best=None,
    direction="max",
    source="none: an example",
    use="The share of rows in which there is enough.",
    avoid="How much is missing matters: stock_cost.",
)
def hit_rate(batch: Batch) -> Array:
    """Share of the targets that the prediction reaches; higher is better."""
    return (residual(batch) >= 0.0).astype(np.float64)
