"""Residuals beside the spread or the size of the target."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from lossctl.core.batch import Batch, abs_residual, residual
from lossctl.core.domain import COUNT
from lossctl.core.loss import about_origin, combine, differs, same
from lossctl.core.param import Choice, Param
from lossctl.core.statistic import R_SQUARED
from lossctl.losses import regression, relative
from lossctl.losses.forms import regression as regression_form
from lossctl.losses.ratios import (
    OVER_MEAN,
    OVER_SIZE,
    OVER_VARIANCE,
    UNEXPLAINED,
    complement,
    over,
    root_of,
    weighted_quantile,
    weighted_sum,
    whole_sample,
)
from lossctl.losses.residuals import residual_rest
from lossctl.numerics.array import Array

ONE_OUTPUT = (regression_form(one=True),)
plain_target = relative.plain_target
KERAS = "its means are float32"
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
r2 = combine(
    "r2",
    parts=R2_PARTS,
    forms=ONE_OUTPUT,
    reading=R_SQUARED,
    summary="Share of the target's variance that the prediction explains.",
    doc="A score: 1 is perfect, 0 is as good as the mean of these targets, and it has no lower end. Undefined where\n"
    "the target is constant. The variance is taken about the target's first finite value: an offset costs no digits.",
    formula="1 - Σ r² / Σ (target - mean target)²",
    unit="1",
    best=1.0,
    direction="max",
    aliases=("r2_score", "r_squared", "coefficient_of_determination", "nash_sutcliffe_efficiency"),
    source="Wright 1921",
    use="To say how much better than a constant a model is, without a unit.",
    avoid="Comparing over data sets of different spread: it depends on the variance of the targets.",
    elsewhere=(
        same("scikit-learn", "r2_score", note="for a constant target it returns 1 or 0 (force_finite)"),
        same(
            "torchmetrics",
            "r2_score",
            note="from raw sums, which cancel at an offset; 1 or 0 where a sum of squares is below 1e-4",
        ),
        same("keras", "metrics.R2Score", note=f"from raw sums, which cancel at an offset; {KERAS}"),
        same("permetrics", "R2", note="of one output"),
        same("permetrics", "NSE", note="of one output"),
    ),
)

rse = r2.then(
    "rse",
    OVER_VARIANCE,
    summary="Relative squared error: squared residuals over those of the mean, 1 - R².",
    doc="0 is perfect, 1 as good as the mean of these targets. Undefined where the target is constant.",
    formula="Σ r² / Σ (target - mean target)²",
    best=0.0,
    direction="min",
    aliases=("one_minus_r2", "relative_squared_error"),
    source="Wright 1921",
    use="As r2, where a loss is wanted: what is left to explain.",
    avoid="Comparing over data sets of different spread. permetrics calls residual_standard_error RSE.",
    elsewhere=(
        same("scikit-learn", "1 - r2_score", note="for a constant target r2_score returns 1 or 0"),
        same("torchmetrics", "relative_squared_error", note="from raw sums, which cancel at an offset"),
    ),
)

rrse = r2.then(
    "rrse",
    root_of(OVER_VARIANCE),
    summary="Root relative squared error, √(1 - R²).",
    doc="The rmse in standard deviations of the target. Undefined where the target is constant.",
    formula="√(Σ r² / Σ (target - mean target)²)",
    best=0.0,
    direction="min",
    aliases=("root_relative_squared_error",),
    source="Wright 1921; Witten & Frank 1999, Data Mining",
    use="rmse without a unit: 1 is as good as the mean.",
    avoid="Comparing over data sets of different spread.",
    elsewhere=(
        same("permetrics", "RRSE", note="of one output"),
        same("torchmetrics", "relative_squared_error(squared=False)", note="from raw sums, which cancel at an offset"),
    ),
)

one_minus_explained_variance = combine(
    "one_minus_explained_variance",
    parts=(shifted_residual, squared_shifted_residual, centred_target, squared_centred_target),
    forms=ONE_OUTPUT,
    reading=UNEXPLAINED,
    summary="Variance of the residual over the variance of the target.",
    doc="As rse, but a constant bias costs nothing. Undefined where the target is constant. Both variances are taken\n"
    "about the first row: where that is an ordinary one, the value is right to 16 units in the last place.",
    formula="Var(target - pred) / Var(target)",
    unit="1",
    source="Cohen et al. 2003, Applied Multiple Regression",
    use="A constant offset of the predictions does not matter, or is put right elsewhere.",
    avoid="A bias matters: it does not see one. rse does.",
    elsewhere=(same("scikit-learn", "1 - explained_variance_score", note="for a constant target it returns 1 or 0"),),
)

explained_variance = one_minus_explained_variance.then(
    "explained_variance",
    complement(UNEXPLAINED),
    summary="Share of the target's variance that is not left in the residual.",
    doc="A score: r2 with a constant bias taken off. Undefined where the target is constant.",
    formula="1 - Var(target - pred) / Var(target)",
    best=1.0,
    direction="max",
    aliases=("explained_variance_score",),
    elsewhere=(
        same("scikit-learn", "explained_variance_score", note="for a constant target it returns 1 or 0"),
        same("torchmetrics", "explained_variance", note="from raw sums, which cancel at an offset"),
        same("permetrics", "EVS", note="of one output"),
    ),
)


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


def _nrmse_variant(args: Mapping[str, Any]) -> Mapping[str, Any]:
    match args["by"]:
        case "std":
            return {"parts": R2_PARTS, "reading": rrse.reading}
        case "l2":
            return {"parts": (squared, squared_target), "reading": OVER_SIZE}
        case "range" | "iqr":
            reading = whole_sample("the targets do not spread")
            return {"parts": (plain_target, squared), "keeps": "sample", "whole": _over_range, "reading": reading}
    return {}


nrmse = combine(
    "nrmse",
    parts=(squared, plain_target),
    forms=ONE_OUTPUT,
    reading=OVER_MEAN,
    params=(Param("by", "mean", Choice(("mean", "range", "std", "l2", "iqr")), "what the rmse is divided by"),),
    variant=_nrmse_variant,
    summary="Root mean squared error over the mean, range, deviation, size or interquartile range of the target.",
    doc="mean counts by its size, std is that of the population, l2 the root mean square; quartiles are taken with\n"
    "weights as repeated rows. range and iqr keep two numbers per row in memory. Undefined where the target's own\n"
    "number is zero.",
    formula="√(mean of r²) / |mean target|, or another size of the target",
    unit="1",
    aliases=("normalized_rmse", "normalized_root_mean_squared_error"),
    source="Hyndman & Koehler 2006, doi:10.1016/j.ijforecast.2006.03.001",
    use="rmse without a unit, to set quantities of different size side by side.",
    avoid="Reports that do not say by what it is normalised; means near zero.",
    elsewhere=(
        differs(
            "torchmetrics", "normalized_root_mean_squared_error", "it is negative where the mean of the targets is"
        ),
        same("torchmetrics", "normalized_root_mean_squared_error(normalization='range')", "nrmse:by=range"),
        same("torchmetrics", "normalized_root_mean_squared_error(normalization='std')", "nrmse:by=std"),
        differs(
            "torchmetrics",
            "normalized_root_mean_squared_error(normalization='l2')",
            "it divides by the root of the summed squares, √n times as much",
        ),
        differs("permetrics", "NRMSE", "it is negative where the mean of the targets is"),
        same("permetrics", "NRMSE(normalization='range')", "nrmse:by=range", note="of one output"),
        same("permetrics", "NRMSE(normalization='std')", "nrmse:by=std", note="of one output"),
        differs("permetrics", "NRMSE(normalization='iqr')", "quartiles between two rows are interpolated"),
    ),
)


def _absolute_over_mean(ordered: Array) -> float:
    target, size, weight = ordered
    centred = target - target[0]
    mean = weighted_sum(centred, weight) / float(np.add.reduce(weight))
    return over(weighted_sum(size, weight), weighted_sum(np.abs(centred - mean), weight))


rae = combine(
    "rae",
    parts=(plain_target, abs_residual),
    forms=ONE_OUTPUT,
    keeps="sample",
    whole=_absolute_over_mean,
    reading=whole_sample("the target is constant"),
    summary="Relative absolute error: absolute errors over those of the mean.",
    doc="0 is perfect, 1 as good as the mean of these targets. It keeps two numbers per row in memory. Undefined\n"
    "where the target is constant.",
    formula="Σ |r| / Σ |target - mean target|",
    unit="1",
    aliases=("relative_absolute_error",),
    source="Witten & Frank 1999, Data Mining",
    use="mae without a unit: 1 is as good as the mean.",
    avoid="Large files, or where an interval is wanted: wape has both. one_minus_d2_absolute compares with the median.",
    elsewhere=(same("permetrics", "RAE", note="of one output"),),
)


def _residual_standard_error(ordered: Array, *, k: float) -> float:
    square, weight = ordered
    freedom = float(np.add.reduce(weight)) - k - 1.0
    return math.sqrt(weighted_sum(square, weight) / freedom) if freedom > 0.0 else math.nan


residual_standard_error = combine(
    "residual_standard_error",
    parts=(squared,),
    forms=ONE_OUTPUT,
    keeps="sample",
    whole=_residual_standard_error,
    reading=whole_sample("needs more rows than k + 1"),
    params=(Param("k", 1.0, COUNT, "how many predictors the model was fitted with, its constant aside"),),
    summary="Estimate of the noise's standard deviation, for a linear model fitted to these very rows.",
    doc="Weights count as repeated rows; it keeps one number per row in memory.",
    formula="√(Σ r² / (n - k - 1))",
    unit="target",
    source="Gauss 1823",
    use="Rows that a linear model with k predictors was fitted to: rmse would flatter it.",
    avoid="Rows that the model has not seen: rmse is right there.",
    elsewhere=(differs("permetrics", "RSE(X_shape=(30, 1))", "n is what it is told to be, not the number of rows"),),
)


def _gini(ordered: Array) -> float:
    size, weight = ordered
    reached = np.cumsum(weight)
    whole = float(reached[-1])
    total = whole * weighted_sum(size, weight)
    return weighted_sum(size * (2.0 * reached - weight - whole), weight) / total if total > 0.0 else 0.0


residual_gini = combine(
    "residual_gini",
    parts=(abs_residual,),
    forms=ONE_OUTPUT,
    keeps="sample",
    whole=_gini,
    reading=whole_sample("not defined for these rows"),
    ranks=False,
    summary="Gini index of the absolute errors: 0 if all are equal, near 1 if few rows have them all.",
    doc="It says how unevenly errors are spread, not how large they are; 0 where all are zero. Weights count as\n"
    "repeated rows; it keeps one number per row in memory.",
    formula="Σ (2i - n - 1)·|r|₍ᵢ₎ / (n·Σ |r|), errors in order of size",
    unit="1 (between 0 and 1)",
    source="Gini 1912",
    use="To see whether a few rows make up the error, beside mae.",
    avoid="Ranking models: one that is badly wrong everywhere scores well.",
    elsewhere=(same("permetrics", "RGINI", note="of one output"),),
)
