"""Losses of relative error: logarithms and percentages."""

from __future__ import annotations

import numpy as np

from lossctl.core.batch import Batch, abs_residual, derived, residual
from lossctl.core.domain import ABOVE_MINUS_ONE, NON_ZERO, REAL, Array
from lossctl.core.loss import combine, loss
from lossctl.core.reading import RATIO, ROOT
from lossctl.losses.forms import regression, relative

LOGARITHMIC = (relative(ABOVE_MINUS_ONE, ABOVE_MINUS_ONE),)
PERCENTAGE = (relative(NON_ZERO),)


@derived
def log_residual(batch: Batch) -> Array:
    """ln(1 + pred) - ln(1 + target), as one logarithm of their ratio unless that overflows."""
    low = np.minimum(batch.pred, batch.target)
    ratio = abs_residual(batch) / (1.0 + low)
    apart = np.log1p(batch.pred) - np.log1p(batch.target)
    return np.where(np.isfinite(ratio), np.copysign(np.log1p(ratio), residual(batch)), apart)


def _msle_gradient(batch: Batch) -> Array:
    return 2.0 * log_residual(batch) / (1.0 + batch.pred)


@loss(
    forms=LOGARITHMIC,
    gradient=_msle_gradient,
    formula="mean of (ln(1 + pred) - ln(1 + target))²",
    unit="1",
    aliases=("mean_squared_log_error",),
    source="Kaggle, Heritage Health Prize, 2011; scikit-learn #7655, 2016",
    use="The relative difference matters, not the absolute one, as with house prices over orders of magnitude: "
    "ln(1 + target) should be roughly normal. An under-estimate costs more than an equal over-estimate.",
    avoid="Targets at or below -1 (no logarithm), or errors whose absolute size matters.",
    peers={
        "scikit-learn": "mean_squared_log_error: same",
        "torchmetrics": "mean_squared_log_error: same, without a check of the domain",
        "keras": "MeanSquaredLogarithmicError: same for values >= 1e-7, to which it moves smaller ones; in float32",
    },
)
def msle(batch: Batch) -> Array:
    """Mean squared logarithmic error."""
    return np.square(log_residual(batch))


rmsle = msle.then(
    "rmsle",
    ROOT,
    summary="Root mean squared logarithmic error.",
    doc="Close to the typical relative error where errors are small.",
    formula="√(mean of (ln(1 + pred) - ln(1 + target))²)",
    unit="1",
    aliases=("root_mean_squared_log_error",),
    source="Kaggle, Heritage Health Prize, 2011",
    use="msle is wanted on the scale of a relative error.",
    avoid="A per-row value is needed: it has none, use msle.",
    peers={"scikit-learn": "root_mean_squared_log_error: same"},
)


def _mape_gradient(batch: Batch) -> Array:
    return np.sign(residual(batch)) / np.abs(batch.target)


@loss(
    forms=PERCENTAGE,
    gradient=_mape_gradient,
    subgradient="0 at r = 0",
    formula="mean of |r| / |target|",
    unit="1 (0.1 is 10 %)",
    aliases=("mean_absolute_percentage_error",),
    source="Armstrong 1985, Long-Range Forecasting",
    use="People want the error in percent, and targets are far from zero.",
    avoid="Targets near zero, where it explodes; it also favours predictions that are too low. Use wape.",
    peers={
        "scikit-learn": "mean_absolute_percentage_error: same where |target| > 2.2e-16; a zero target gives about 1e15",
        "keras": "MeanAbsolutePercentageError: 100 times mape; a zero target is taken as 1e-7",
        "torchmetrics": "mean_absolute_percentage_error: same where |target| > 1.17e-6",
    },
)
def mape(batch: Batch) -> Array:
    """Mean absolute percentage error, as a fraction."""
    return abs_residual(batch) / np.abs(batch.target)


@derived
def mean_size(batch: Batch) -> Array:
    """(|target| + |pred|)/2, halved first so that it cannot overflow."""
    return 0.5 * np.abs(batch.target) + 0.5 * np.abs(batch.pred)


def _smape_gradient(batch: Batch) -> Array:
    size = mean_size(batch)
    slope = (np.sign(residual(batch)) - 0.5 * (abs_residual(batch) / size) * np.sign(batch.pred)) / size
    return np.where(size == 0.0, 0.0, slope)


@loss(
    forms=(relative(REAL),),
    gradient=_smape_gradient,
    subgradient="0 at r = 0",
    formula="mean of |r| / ((|target| + |pred|)/2)",
    unit="1 (between 0 and 2)",
    aliases=("symmetric_mean_absolute_percentage_error",),
    source="Makridakis 1993, doi:10.1016/0169-2070(93)90079-3",
    use="A percentage error that stays finite when the target is zero.",
    avoid="Any target is near zero: a row with target 0 costs 2 whatever is predicted.",
    peers={
        "torchmetrics": "symmetric_mean_absolute_percentage_error: same where |target| + |pred| > 1.17e-6",
        "permetrics": "SMAPE is 100 times smape, SMAPE_S half of it",
    },
)
def smape(batch: Batch) -> Array:
    """Symmetric mean absolute percentage error, between 0 and 2.

    A row where target and prediction are both zero is a perfect prediction and costs 0.
    """
    target, pred = np.abs(batch.target), np.abs(batch.pred)
    most, least = np.maximum(target, pred), np.minimum(target, pred)
    opposed = np.signbit(batch.target) != np.signbit(batch.pred)
    fold = np.where(most > 1e300, 0.5, 1.0)  # keeps the sum of the two in range
    share = 2.0 * (fold * (most - least)) / (fold * most + fold * least)
    return np.where(most == 0.0, 0.0, np.where(opposed, 2.0, share))


def abs_target(batch: Batch) -> Array:
    """Size of the target."""
    return np.abs(batch.target)


wape = combine(
    "wape",
    parts=(abs_residual, abs_target),
    forms=(regression(one=True),),
    reading=RATIO,
    summary="Weighted absolute percentage error: all absolute errors over all targets.",
    doc="The rows share one denominator, so targets of zero are welcome; infinite where all of them are zero (and\n"
    "undefined if all predictions are zero too).",
    formula="Σ |r| / Σ |target|",
    unit="1 (0.1 is 10 %)",
    aliases=("wmape",),
    source="Kolassa & Schütz 2007, Foresight 6",
    use="A percentage error for sales or demand, with zeros among the targets.",
    avoid="Rows of unlike size should count alike: the large targets rule.",
    peers={"torchmetrics": "weighted_mean_absolute_percentage_error: same where Σ|target| > 1.17e-6"},
)
