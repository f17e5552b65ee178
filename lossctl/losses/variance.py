"""Residuals beside the spread or the size of the target."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np

from lossctl.core.batch import Batch, abs_residual, residual
from lossctl.core.declare import Recipe, recipe, sample
from lossctl.core.domain import COUNT
from lossctl.core.loss import about_origin
from lossctl.core.param import Choice
from lossctl.core.statistic import R_SQUARED, one_less, root_of
from lossctl.losses import regression, relative
from lossctl.losses.forms import regression as regression_form
from lossctl.losses.ratios import (
    OVER_MEAN,
    OVER_SIZE,
    OVER_VARIANCE,
    UNEXPLAINED,
    over,
    weighted_quantile,
    weighted_sum,
)
from lossctl.losses.residuals import residual_rest
from lossctl.numerics.array import Array

ONE_OUTPUT = (regression_form(one=True),)
plain_target = relative.plain_target
squared = regression.mse.parts[0]


@about_origin
def centred_target(batch: Batch) -> Array:
    """The target about the batch's origin, so that its variance does not cancel."""
    return batch.target - batch.origin


@about_origin
def squared_centred_target(batch: Batch) -> Array:
    """Square of the target about the batch's origin."""
    return np.square(batch.target - batch.origin)


def shifted_residual(batch: Batch) -> Array:
    """The residual about the first one, unrounded, so that its variance does not cancel."""
    return (residual(batch) - batch.gap) + residual_rest(batch)


def squared_shifted_residual(batch: Batch) -> Array:
    """Square of the residual about the first one."""
    return np.square(shifted_residual(batch))


R2_PARTS = (squared, centred_target, squared_centred_target)


@recipe(forms=ONE_OUTPUT, best=1.0, direction="max")
def r2() -> Recipe:
    """Share of the target's variance that the prediction explains.

    A score: 1 is perfect, 0 is as good as the mean of these targets, and it has no lower end. Undefined where
    the target is constant. The variance is taken about the target's first finite value: an offset costs no digits.

    Formula: 1 - Σ r² / Σ (target - mean target)²
    Unit: 1
    Use: To say how much better than a constant a model is, without a unit.
    Avoid: Comparing over data sets of different spread: it depends on the variance of the targets.
    Source: Wright 1921
    Also: r2_score, r_squared, coefficient_of_determination, nash_sutcliffe_efficiency
    Elsewhere:
        scikit-learn  r2_score         # for a constant target it returns 1 or 0 (force_finite)
        torchmetrics  r2_score  # from raw sums, which cancel at an offset; 1 or 0 where a sum of squares is below 1e-4
        keras         metrics.R2Score  # from raw sums, which cancel at an offset; its means are float32
        permetrics    R2               # of one output
        permetrics    NSE              # of one output
    """
    return Recipe(R2_PARTS, R_SQUARED)


@recipe(forms=ONE_OUTPUT)
def rse() -> Recipe:
    """Relative squared error: squared residuals over those of the mean, 1 - R².

    0 is perfect, 1 as good as the mean of these targets. Undefined where the target is constant.

    Formula: Σ r² / Σ (target - mean target)²
    Unit: 1
    Use: As r2, where a loss is wanted: what is left to explain.
    Avoid: Comparing over data sets of different spread. permetrics calls residual_standard_error RSE.
    Source: Wright 1921
    Also: one_minus_r2, relative_squared_error
    Elsewhere:
        scikit-learn  1 - r2_score            # for a constant target r2_score returns 1 or 0
        torchmetrics  relative_squared_error  # from raw sums, which cancel at an offset
    """
    return Recipe(r2.parts, OVER_VARIANCE)


@recipe(forms=ONE_OUTPUT)
def rrse() -> Recipe:
    """Root relative squared error, √(1 - R²).

    The rmse in standard deviations of the target. Undefined where the target is constant.

    Formula: √(Σ r² / Σ (target - mean target)²)
    Unit: 1
    Use: rmse without a unit: 1 is as good as the mean.
    Avoid: Comparing over data sets of different spread.
    Source: Wright 1921; Witten & Frank 1999, Data Mining
    Also: root_relative_squared_error
    Elsewhere:
        permetrics    RRSE                                   # of one output
        torchmetrics  relative_squared_error(squared=False)  # from raw sums, which cancel at an offset
    """
    return Recipe(r2.parts, root_of(OVER_VARIANCE))


@recipe(forms=ONE_OUTPUT)
def one_minus_explained_variance() -> Recipe:
    """Variance of the residual over the variance of the target.

    As rse, but a constant bias costs nothing. Undefined where the target is constant. Both variances are taken
    about the first row: where that is an ordinary one, the value is right to 16 units in the last place.

    Formula: Var(target - pred) / Var(target)
    Unit: 1
    Use: A constant offset of the predictions does not matter, or is put right elsewhere.
    Avoid: A bias matters: it does not see one. rse does.
    Source: Cohen et al. 2003, Applied Multiple Regression
    Elsewhere:
        scikit-learn  1 - explained_variance_score  # for a constant target it returns 1 or 0
    """
    return Recipe((shifted_residual, squared_shifted_residual, centred_target, squared_centred_target), UNEXPLAINED)


@recipe(forms=ONE_OUTPUT, best=1.0, direction="max")
def explained_variance() -> Recipe:
    """Share of the target's variance that is not left in the residual.

    A score: r2 with a constant bias taken off. Undefined where the target is constant.

    Formula: 1 - Var(target - pred) / Var(target)
    Unit: 1
    Use: A constant offset of the predictions does not matter, or is put right elsewhere.
    Avoid: A bias matters: it does not see one. rse does.
    Source: Cohen et al. 2003, Applied Multiple Regression
    Also: explained_variance_score
    Elsewhere:
        scikit-learn  explained_variance_score  # for a constant target it returns 1 or 0
        torchmetrics  explained_variance        # from raw sums, which cancel at an offset
        permetrics    EVS                       # of one output
    """
    return Recipe(one_minus_explained_variance.parts, one_less(UNEXPLAINED))


def squared_target(batch: Batch) -> Array:
    """Square of the target."""
    return np.square(batch.target)


def _over_range(ordered: Array, *, by: str) -> float:
    """rmse over the range or the interquartile range, from lines of target, r² and weight."""
    target, square, weight = ordered
    target = target - target[0]
    root = math.sqrt(weighted_sum(square, weight) / float(np.add.reduce(weight)))
    if by == "range":
        return over(root, float(target[-1] - target[0]))
    return over(root, weighted_quantile(target, weight, 0.75) - weighted_quantile(target, weight, 0.25))


@recipe(forms=ONE_OUTPUT)
def nrmse(
    *, by: Annotated[str, Choice(("mean", "range", "std", "l2", "iqr")), "what the rmse is divided by"] = "mean"
) -> Recipe:
    """Root mean squared error over the mean, range, deviation, size or interquartile range of the target.

    mean counts by its size, std is that of the population, l2 the root mean square; quartiles are taken with
    weights as repeated rows. range and iqr keep two numbers per row in memory. Undefined where the target's own
    number is zero.

    Formula: √(mean of r²) / |mean target|, or another size of the target
    Unit: 1
    Use: rmse without a unit, to set quantities of different size side by side.
    Avoid: Reports that do not say by what it is normalised; means near zero.
    Source: Hyndman & Koehler 2006, doi:10.1016/j.ijforecast.2006.03.001
    Also: normalized_rmse, normalized_root_mean_squared_error
    Elsewhere:
        torchmetrics  normalized_root_mean_squared_error  ≠ it is negative where the mean of the targets is
        torchmetrics  normalized_root_mean_squared_error(normalization='range')  = nrmse:by=range
        torchmetrics  normalized_root_mean_squared_error(normalization='std')  = nrmse:by=std
        torchmetrics  normalized_root_mean_squared_error(normalization='l2')
            ≠ it divides by the root of the summed squares, √n times as much
        permetrics    NRMSE                               ≠ it is negative where the mean of the targets is
        permetrics    NRMSE(normalization='range')        = nrmse:by=range  # of one output
        permetrics    NRMSE(normalization='std')          = nrmse:by=std    # of one output
        permetrics    NRMSE(normalization='iqr')          ≠ quartiles between two rows are interpolated
    """
    match by:
        case "mean":
            return Recipe((squared, plain_target), OVER_MEAN)
        case "std":
            return Recipe(R2_PARTS, root_of(OVER_VARIANCE))
        case "l2":
            return Recipe((squared, squared_target), OVER_SIZE)
    return sample(plain_target, squared, value=_over_range, undefined="the targets do not spread")


def _absolute_over_mean(ordered: Array) -> float:
    target, size, weight = ordered
    centred = target - target[0]
    mean = weighted_sum(centred, weight) / float(np.add.reduce(weight))
    return over(weighted_sum(size, weight), weighted_sum(np.abs(centred - mean), weight))


@recipe(forms=ONE_OUTPUT)
def rae() -> Recipe:
    """Relative absolute error: absolute errors over those of the mean.

    0 is perfect, 1 as good as the mean of these targets. It keeps two numbers per row in memory. Undefined
    where the target is constant.

    Formula: Σ |r| / Σ |target - mean target|
    Unit: 1
    Use: mae without a unit: 1 is as good as the mean.
    Avoid: Large files, or where an interval is wanted: wape has both. one_minus_d2_absolute compares with the median.
    Source: Witten & Frank 1999, Data Mining
    Also: relative_absolute_error
    Elsewhere:
        permetrics  RAE  # of one output
    """
    return sample(plain_target, abs_residual, value=_absolute_over_mean, undefined="the target is constant")


def _residual_standard_error(ordered: Array, *, k: float) -> float:
    square, weight = ordered
    freedom = float(np.add.reduce(weight)) - k - 1.0
    return math.sqrt(weighted_sum(square, weight) / freedom) if freedom > 0.0 else math.nan


@recipe(forms=ONE_OUTPUT)
def residual_standard_error(
    *, k: Annotated[float, COUNT, "how many predictors the model was fitted with, its constant aside"] = 1.0
) -> Recipe:
    """Estimate of the noise's standard deviation, for a linear model fitted to these very rows.

    Weights count as repeated rows; it keeps one number per row in memory.

    Formula: √(Σ r² / (n - k - 1))
    Unit: target
    Use: Rows that a linear model with k predictors was fitted to: rmse would flatter it.
    Avoid: Rows that the model has not seen: rmse is right there.
    Source: Gauss 1823
    Elsewhere:
        permetrics  RSE(X_shape=(30, 1))  ≠ n is what it is told to be, not the number of rows
    """
    return sample(squared, value=_residual_standard_error, undefined="needs more rows than k + 1")


def _gini(ordered: Array) -> float:
    size, weight = ordered
    reached = np.cumsum(weight)
    whole = float(reached[-1])
    total = whole * weighted_sum(size, weight)
    return weighted_sum(size * (2.0 * reached - weight - whole), weight) / total if total > 0.0 else 0.0


@recipe(forms=ONE_OUTPUT, ranks=False)
def residual_gini() -> Recipe:
    """Gini index of the absolute errors: 0 if all are equal, near 1 if few rows have them all.

    It says how unevenly errors are spread, not how large they are; 0 where all are zero. Weights count as
    repeated rows; it keeps one number per row in memory.

    Formula: Σ (2i - n - 1)·|r|₍ᵢ₎ / (n·Σ |r|), errors in order of size
    Unit: 1 (between 0 and 1)
    Use: To see whether a few rows make up the error, beside mae.
    Avoid: Ranking models: one that is badly wrong everywhere scores well.
    Source: Gini 1912
    Elsewhere:
        permetrics  RGINI  # of one output
    """
    return sample(abs_residual, value=_gini, undefined="not defined for these rows")
