"""Losses of scores whose sign or order is the decision."""

from __future__ import annotations

import numpy as np

from lossctl.core.batch import Batch, derived, sign
from lossctl.core.domain import Array
from lossctl.core.loss import loss
from lossctl.losses.forms import CLASS_SCORES, MARGIN
from lossctl.losses.observed import has_labels, pick


def _rivals(batch: Batch) -> Array:
    """The scores with the observed class taken out (-inf)."""
    rivals = batch.pred.copy()
    np.put_along_axis(rivals, batch.target[np.newaxis], -np.inf, axis=0)
    return rivals


@derived
def shortfall(batch: Batch) -> Array:
    """By how much a margin of 1 is missed; negative where it is kept."""
    if has_labels(batch):
        return 1.0 + np.maximum.reduce(_rivals(batch), axis=0) - pick(batch, batch.pred)
    return 1.0 - sign(batch) * batch.pred


def _hinge_gradient(batch: Batch) -> Array:
    missed = (shortfall(batch) > 0.0).astype(np.float64)
    if not has_labels(batch):
        return -sign(batch) * missed
    full = np.zeros_like(batch.pred)
    np.put_along_axis(full, np.argmax(_rivals(batch), axis=0)[np.newaxis], missed, axis=0)
    np.put_along_axis(full, batch.target[np.newaxis], -missed, axis=0)
    return full


@loss(
    forms=(MARGIN, CLASS_SCORES),
    gradient=_hinge_gradient,
    subgradient="0 at a margin of exactly 1; the first of equal rivals",
    formula="mean of max(0, 1 - s f), s = ±1; for labels: max(0, 1 + max_{j≠y} f_j - f_y)",
    unit="score",
    aliases=("hinge_loss",),
    source="Cortes & Vapnik 1995, doi:10.1007/BF00994018; Crammer & Singer 2001",
    use="Maximum-margin classification, as in support vector machines: the decision matters, not how sure it is.",
    avoid="Probabilities are wanted: it says nothing about them (bce, cce).",
    peers={
        "scikit-learn": "hinge_loss: same where both classes occur",
        "keras": "Hinge: same; CategoricalHinge puts a floor of 0 under the best rival and so differs",
        "optax": "hinge_loss, multiclass_hinge_loss: same per row",
        "torchmetrics": "binary_hinge_loss: applies a sigmoid first if any score is outside [0, 1]",
    },
)
def hinge(batch: Batch) -> Array:
    """Hinge loss of scores.

    Targets are ±1 or 0/1, predictions are scores. Binary and multilabel with one target column per score,
    multiclass (Crammer-Singer) with one label column and K scores.
    """
    return np.maximum(shortfall(batch), 0.0)


def _squared_hinge_gradient(batch: Batch) -> Array:
    return -2.0 * sign(batch) * np.maximum(shortfall(batch), 0.0)


@loss(
    forms=(MARGIN,),
    gradient=_squared_hinge_gradient,
    formula="mean of max(0, 1 - s f)², s = ±1",
    unit="score²",
    source="Cortes & Vapnik 1995, doi:10.1007/BF00994018; Tang 2013, arXiv:1306.0239",
    use="Two classes, no interest in certainty, as in spam or not spam; tanh as the last layer keeps scores in reach, "
    "though it never quite gets to 0.",
    avoid="Outliers or wrong labels: they count quadratically. Probabilities are wanted: bce.",
    peers={
        "keras": "SquaredHinge: same",
        "torchmetrics": "binary_hinge_loss(squared=True): applies a sigmoid first if any score is outside [0, 1]",
        "tutorials": "some write it as the sum over rows: --reduction sum",
    },
)
def squared_hinge(batch: Batch) -> Array:
    """Squared hinge loss of scores; binary and multilabel."""
    return np.square(np.maximum(shortfall(batch), 0.0))
