"""Slopes: gradients with respect to what was read, from gradients on the natural scale of the prediction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lossctl.core.batch import FRAMES, Batch, other_prob
from lossctl.core.domain import CORNERS
from lossctl.core.loss import Loss
from lossctl.numerics import activation as act
from lossctl.numerics.array import Array


def slopes(loss: Loss, batch: Batch, form: str) -> dict[str, Array]:
    """Return the gradient of each row's loss, {role: (width, rows)}, with respect to the columns as they were read."""
    assert loss.gradient is not None
    shaped = batch.as_form(form)
    raw = batch.activation != "none" and loss.raw_gradient is not None
    function = loss.raw_gradient if raw and loss.raw_gradient is not None else loss.gradient
    found = function(shaped, **dict(loss.args_of(function)))
    by_role = found if isinstance(found, dict) else {loss.pred_roles[0]: found}
    if form in FRAMES:
        by_role = {role: _through(CORNERS[FRAMES[form]], slope) for role, slope in by_role.items()}
    if "pred" in by_role and batch.activation != "none" and not raw:
        by_role = {**by_role, "pred": chained(batch, by_role["pred"])}
    outputs = _outputs(loss, shaped)
    return {role: np.broadcast_to(slope / outputs, batch[role].shape) for role, slope in by_role.items()}


def _outputs(loss: Loss, shaped: Batch) -> int:
    """Return how many columns of values a row's loss is averaged over."""
    if loss.row is None or loss.row(shaped, **dict(loss.args_of(loss.row))).ndim == 1:
        return 1
    return len(shaped[loss.pred_roles[0]])


def _through(matrix: Array, slope: Array) -> Array:
    """Pull a gradient by corners back to the columns from which the corners are made."""
    return np.add.reduce(matrix[:, :, np.newaxis] * slope[:, np.newaxis, :], axis=0)


def chained(batch: Batch, slope: Array) -> Array:
    """Multiply a gradient by the derivative of the activation, (width, rows)."""
    if batch.activation == "softmax":
        product = batch.pred * slope
        return product - batch.pred * np.add.reduce(product, axis=0)
    if batch.activation == "relu":  # what is switched off does not move, however steep the loss
        return np.where(batch.raw > 0.0, slope, 0.0)
    return slope * derivative(batch)


def derivative(batch: Batch) -> Array:
    """Return the slope of an activation that works column by column, (width, rows)."""
    z = batch.raw
    known: Mapping[str, Any] = {
        "sigmoid": lambda: batch.pred * other_prob(batch),
        "tanh": lambda: 4.0 * act.sigmoid(2.0 * z) * act.sigmoid(-2.0 * z),
        "exp": lambda: batch.pred,
        "softplus": lambda: act.sigmoid(z),
    }
    return known[batch.activation]()
