"""What was observed and the probability that was given to it: shared by the losses of predicted probabilities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.core.activation import sigmoid, softplus
from lossctl.core.batch import Batch, derived, flag, log_other_prob, log_prob, other_prob, sign
from lossctl.core.domain import Array, Mask


def has_labels(batch: Batch) -> bool:
    """Whether the target is a (rows,) array of class codes."""
    return batch.target.ndim == 1


@derived
def observed_place(batch: Batch) -> NDArray[Any]:
    """Where each row's column of the observed class stands in the flattened (K, rows) columns."""
    return batch.target * batch.rows + np.arange(batch.rows)


def pick(batch: Batch, columns: Array) -> Array:
    """Return, per row, the column of the observed class."""
    return np.take(columns.reshape(-1), observed_place(batch))


@derived
def certain(batch: Batch) -> NDArray[Any]:
    """Whether every binary target is an outcome that was observed, none a probability."""
    y = flag(batch)
    return np.logical_and.reduce((y == 0.0) | (y == 1.0), axis=None)[np.newaxis]


@derived
def log_observed(batch: Batch) -> Array:
    """ln of the probability that was given to what was observed: a class, or a binary outcome."""
    if has_labels(batch):
        return np.log(pick(batch, batch.pred)) if batch.activation == "none" else pick(batch, log_prob(batch))
    if batch.activation == "sigmoid":
        return -softplus(-sign(batch) * batch.raw)
    y, p = flag(batch), batch.pred
    return np.log(p * y + (1.0 - y)) + np.log1p(-(p * (1.0 - y)))  # the term of what was not observed is ln 1


@derived
def other_observed(batch: Batch) -> Array:
    """The probability that was given to anything but what was observed."""
    if has_labels(batch):
        return 1.0 - pick(batch, batch.pred) if batch.activation == "none" else pick(batch, other_prob(batch))
    if batch.activation == "sigmoid":
        return sigmoid(-sign(batch) * batch.raw)
    return np.abs(flag(batch) - batch.pred)


def clipped(log_p: Array, eps: float) -> Array:
    """Clip ln p as p clipped to [eps, 1 - eps]."""
    return np.clip(log_p, np.log(eps), np.log1p(-eps)) if eps > 0.0 else log_p


def expected(weight: Array | float, values: Array) -> Array:
    """weight x values, where a weight of 0 is 0 even against an infinity."""
    product = weight * values
    if np.isnan(np.minimum.reduce(product, axis=None, initial=0.0)):
        return np.where(weight == 0.0, 0.0, product)
    return product


def expected_score(batch: Batch, score: Callable[[Array, Array, Array | float], Array]) -> Array:
    """Average a score of the observed outcome over the outcomes that the target gives.

    `score(ln p, 1 - p, y)` judges an outcome y that was given the probability p: 1, 0, or an array of these; a class
    counts as 1. Soft targets weigh the outcomes.
    """
    if has_labels(batch):
        return score(log_observed(batch), other_observed(batch), 1.0)
    if batch.form == "multiclass":
        return np.add.reduce(expected(batch.target, score(log_prob(batch), other_prob(batch), 1.0)), axis=0)
    y = flag(batch)
    if certain(batch)[0]:
        return score(log_observed(batch), other_observed(batch), y)
    positive = score(log_prob(batch), other_prob(batch), 1.0)
    return expected(y, positive) + expected(1.0 - y, score(log_other_prob(batch), batch.pred, 0.0))


def expected_slope(batch: Batch, slope: Callable[[Array, bool], Array]) -> Array:
    """Gradient of an expected score with respect to p, from `slope(p, positive)`, its derivative by p."""
    if has_labels(batch):
        full = np.zeros_like(batch.pred)
        np.put_along_axis(full, batch.target[np.newaxis], slope(pick(batch, batch.pred), True), axis=0)
        return full
    if batch.form == "multiclass":
        return expected(batch.target, slope(batch.pred, True))
    y = flag(batch)
    return expected(y, slope(batch.pred, True)) - expected(1.0 - y, slope(1.0 - batch.pred, False))


def inside(p: Array, eps: float) -> Mask:
    """Where p is not clipped; the loss is flat elsewhere."""
    return (p > eps) & (p < 1.0 - eps) if eps > 0.0 else np.ones(p.shape, dtype=bool)
