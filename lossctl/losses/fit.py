"""Losses and scores of how well predictions fit or go along with the target: beside its spread, correlations, events.

Variances are those of the population, of quantities taken about an origin, from the means of u and u².
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache, lru_cache, wraps
from typing import Annotated, Any, Final

import numpy as np

from lossctl.core.batch import Batch, abs_residual, derived, flag, of_target, residual
from lossctl.core.declare import Recipe, complement, loss, recipe, sample, score
from lossctl.core.domain import COUNT, OPEN_UNIT, REAL, Gap, Interval
from lossctl.core.form import Form, along
from lossctl.core.loss import Part, about_origin
from lossctl.core.param import Choice
from lossctl.core.statistic import R_SQUARED, RATIO, Means, Statistic, one_less, positive, root_of, value_of, variance
from lossctl.losses import classification
from lossctl.losses.count import tweedie_form, unit_deviance
from lossctl.losses.forms import CLASSES, DECISION
from lossctl.losses.outcome import clipped, has_labels, log_observed
from lossctl.losses.regression import (
    ONE_OUTPUT,
    over,
    pinball,
    residual_remainder,
    squared,
    weighted_quantile,
    weighted_sum,
)
from lossctl.losses.relative import plain_target
from lossctl.numerics.array import Array, by_piece
from lossctl.numerics.deviance import deviance
from lossctl.numerics.double import finite_or_zero, two_product, two_sum
from lossctl.numerics.lengths import cosine, cosine_slope, one_minus_cosine
from lossctl.numerics.segments import run_starts


@about_origin
@of_target
def centred_target(batch: Batch) -> Array:
    """The target about the batch's origin, so that its variance does not cancel."""
    return batch.target - batch.origin


def product(first: Part, second: Part) -> Part:
    """Return the product of two parts as a part: about an origin if the first is, of the target alone if both are."""

    @wraps(first)
    def part(batch: Batch) -> Array:
        return first(batch) * second(batch)

    part.of_target = all(getattr(factor, "of_target", False) for factor in (first, second))  # type: ignore[attr-defined]
    part.__name__ = f"squared_{first.__name__}" if first is second else f"{first.__name__}_by_{second.__name__}"
    return part


def with_square(part: Part) -> tuple[Part, Part]:
    """Return a part and its square, whose means make a variance."""
    return part, product(part, part)


@derived
def shifted_residual(batch: Batch) -> Array:
    """The residual about the middle one of the first rows, unrounded, so that its variance does not cancel."""
    return (residual(batch) - batch.trend.gap) + residual_remainder(batch)


# residuals beside the spread or the size of the target -----------------------------------------------------------

CONSTANT: Final = "the target is constant"
TARGETS: Final = with_square(centred_target)
R2_PARTS: Final = (squared, *TARGETS)
OVER_VARIANCE: Final = Statistic(
    "mean / variance of the target", lambda m: m[0] / positive(variance(m[1], m[2])), undefined=CONSTANT, ranks=True
)
UNEXPLAINED: Final = Statistic(
    "variance of the residual / variance of the target",
    lambda m: variance(m[0], m[1]) / positive(variance(m[2], m[3])),
    undefined=CONSTANT,
)
OVER_MEAN: Final = Statistic(
    "root of a mean / mean of the target",
    lambda m: np.sqrt(m[0]) / positive(np.abs(m[1])),
    interval="log",
    undefined="the mean of the targets is zero",
    ranks=True,
)
OVER_SIZE: Final = Statistic(
    "root of a ratio of means",
    lambda m: np.sqrt(m[0] / positive(m[1])),
    interval="log",
    undefined="all targets are zero",
    ranks=True,
)


@score(forms=ONE_OUTPUT)
def r2() -> Recipe:
    """Share of the target's variance that the prediction explains.

    A score: 1 is perfect, 0 is as good as the mean of these targets, and it has no lower end. Undefined where
    the target is constant. The variance is taken about the target's first finite value: an offset costs no digits.

    Formula: 1 - Σ r² / Σ (target - mean target)²
    Unit: 1
    Use: To say how much better than a constant a model is, without a unit.
    Avoid: Comparing over data sets of different spread: it depends on the variance of the targets.
    Source: Wright 1921
    Also: r2_score, r_squared, coefficient_of_determination, nash_sutcliffe, nash_sutcliffe_efficiency
    Elsewhere:
        scikit-learn  r2_score         # for a constant target it returns 1 or 0 (force_finite)
        torchmetrics  r2_score  # from raw sums, which cancel at an offset; 1 or 0 where a sum of squares is below 1e-4
        keras         metrics.R2Score  # from raw sums, which cancel at an offset; float32 throughout
        permetrics    R2               # of one output
        permetrics    NSE              # of one output
        LightGBM      r2
        CatBoost      R2
        permetrics    COD              # of one output
    """
    return Recipe(R2_PARTS, R_SQUARED)


@recipe(like=r2)
def rse() -> Recipe:
    """Relative squared error: squared residuals over those of the mean, 1 - R².

    0 is perfect, 1 as good as the mean of these targets. Undefined where the target is constant.

    Formula: Σ r² / Σ (target - mean target)²
    Use: As r2, where a loss is wanted: what is left to explain.
    Avoid: Comparing over data sets of different spread. permetrics calls residual_standard_error RSE.
    Also: one_minus_r2, relative_squared_error
    Elsewhere:
        scikit-learn  1 - r2_score            # for a constant target r2_score returns 1 or 0
        torchmetrics  relative_squared_error  # from raw sums, which cancel at an offset
    """
    return Recipe(r2.parts, OVER_VARIANCE)


@recipe(like=r2)
def rrse() -> Recipe:
    """Root relative squared error, √(1 - R²).

    The rmse in standard deviations of the target. Undefined where the target is constant.

    Formula: √(Σ r² / Σ (target - mean target)²)
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
    about a middle row: where that is an ordinary one, the value is right to 16 units in the last place.

    Formula: Var(target - pred) / Var(target)
    Unit: 1
    Use: A constant offset of the predictions does not matter, or is put right elsewhere.
    Avoid: A bias matters: it does not see one. rse does.
    Source: Cohen et al. 2003, Applied Multiple Regression
    Elsewhere:
        scikit-learn  1 - explained_variance_score  # for a constant target it returns 1 or 0
    """
    return Recipe((*with_square(shifted_residual), *TARGETS), UNEXPLAINED)


@score(like=one_minus_explained_variance)
def explained_variance() -> Recipe:
    """Share of the target's variance that is not left in the residual.

    A score: r2 with a constant bias taken off. Undefined where the target is constant.

    Formula: 1 - Var(target - pred) / Var(target)
    Also: explained_variance_score
    Elsewhere:
        scikit-learn  explained_variance_score  # for a constant target it returns 1 or 0
        torchmetrics  explained_variance        # from raw sums, which cancel at an offset
        permetrics    EVS                       # of one output
        permetrics    VAF                       = 100 x explained_variance  # of one output
    """
    return Recipe(one_minus_explained_variance.parts, one_less(UNEXPLAINED))


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
        permetrics    NRMSE(normalization='std')          = nrmse:by=std  # of one output
        permetrics    NRMSE(normalization='iqr')          ≠ quartiles between two rows are interpolated
    """
    match by:
        case "mean":
            return Recipe((squared, plain_target), OVER_MEAN)
        case "std":
            return Recipe(R2_PARTS, root_of(OVER_VARIANCE))
        case "l2":
            return Recipe((squared, product(plain_target, plain_target)), OVER_SIZE)
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
    total_weight = float(reached[-1])
    total = total_weight * weighted_sum(size, weight)
    return weighted_sum(size * (2.0 * reached - weight - total_weight), weight) / total if total > 0.0 else 0.0


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


# correlations ----------------------------------------------------------------------------------------------------


@about_origin
def centred_pred(batch: Batch) -> Array:
    """The prediction about where the trend has it at the batch's origin, so that its variance does not cancel."""
    return batch.pred - batch.trend.at(batch.origin)


@about_origin
@derived
def left_of_trend(batch: Batch) -> Array:
    """What is left of the prediction without the trend, v - slope u, all but unrounded: what cancels has gone."""
    shift = np.asarray(batch.trend.at(batch.origin))
    (u, u_low), (v, v_low) = two_sum(batch.target, -np.asarray(batch.origin)), two_sum(batch.pred, -shift)
    slope = np.float64(batch.trend.slope)
    drift, drift_low = two_product(u, np.broadcast_to(slope, u.shape))
    high, low = two_sum(v, -drift)
    return high + finite_or_zero(low + (v_low - drift_low) - slope * u_low)


PREDS: Final = with_square(centred_pred)
VARIANCES: Final = (TARGETS[0], PREDS[0], TARGETS[1], PREDS[1])


def correlation(m: Means) -> tuple[Any, Any]:
    """Return r = Cov(u, v) / √(Var(u) Var(v)) and 1 - |r| from the means of u, v, u², v², u v, w, w² and u w.

    With w = v - slope u, whatever the slope, 1 - r² = (Var(u) Var(w) - Cov(u, w)²) / (Var(u) Var(v)). Little cancels
    in it where the slope is near that of the least squares: w is then what the correlation leaves over.
    """
    u, v, w = variance(m[0], m[2]), variance(m[1], m[3]), variance(m[5], m[6])
    deviation = np.sqrt(positive(u))
    r = np.clip((m[4] - m[0] * m[1]) / (deviation * np.sqrt(positive(v))), -1.0, 1.0)
    lack = np.maximum(w - ((m[7] - m[0] * m[5]) / deviation) ** 2, 0.0) / positive(v)
    return r, lack / (1.0 + np.abs(r))


def sharp_correlation(m: Means) -> Any:
    """r, with the slopes of 1 - |r| where that is small: those of r would cancel."""
    r, below = correlation(m)
    near = np.sign(value_of(r)) * (1.0 - below)
    return np.where(np.abs(value_of(r)) > 0.5, near, r)


def one_minus_correlation(m: Means) -> Any:
    """1 - r, which keeps its digits near 0."""
    r, below = correlation(m)
    return np.where(value_of(r) > 0.0, below, 2.0 - below)


CORRELATES: Final = (
    *VARIANCES,
    product(centred_pred, centred_target),
    *with_square(left_of_trend),
    product(left_of_trend, centred_target),
)
CORRELATION: Final = Statistic(
    "correlation of two quantities", sharp_correlation, undefined="the target or the prediction is constant"
)
DISCORD: Final = Statistic(
    "1 - correlation, from what it leaves over", one_minus_correlation, undefined=CORRELATION.undefined
)
DISCORDANCE: Final = Statistic(
    "mean square / (both variances + squared difference of the means)",
    lambda m: m[0] / positive(variance(m[2], m[4]) + variance(m[3], m[5]) + m[1] ** 2),
    undefined="target and prediction are the same constant",
)


@score(forms=ONE_OUTPUT)
def pearson() -> Recipe:
    """Pearson's correlation of prediction and target, between -1 and 1.

    A score. Undefined where either is constant. Both are taken about middle values: offsets cost no digits.

    Formula: Cov(target, pred) / √(Var(target)·Var(pred))
    Unit: 1 (between -1 and 1)
    Use: The scale and the offset of the predictions are free: only whether they go up and down with the target.
    Avoid: The predictions are used as they are: a wrong scale or bias is not seen. concordance sees both.
    Source: Pearson 1895, doi:10.1098/rspl.1895.0041
    Also: pearson_correlation, pearson_corrcoef, pearsonr, pcc
    Elsewhere:
        scipy         stats.pearsonr
        torchmetrics  pearson_corrcoef                    # NaN where a variance is small beside the largest deviation
        keras         metrics.PearsonCorrelation(axis=0)  # float32 throughout
        permetrics    PCC                                 # of one output
    """
    return Recipe(CORRELATES, CORRELATION)


@recipe(like=pearson)
def one_minus_pearson() -> Recipe:
    """1 - Pearson's correlation, between 0 and 2.

    Taken from what the correlation leaves over, so that predictions very close to a straight line keep their digits,
    whatever the units: it is right to 64 units in the last place where the first rows are ordinary ones. Undefined
    where either is constant.

    Formula: 1 - Cov(target, pred) / √(Var(target)·Var(pred))
    Use: As pearson, where a loss is wanted.
    Avoid: The predictions are used as they are: a wrong scale or bias is not seen.
    Also: pearson_distance, correlation_distance
    Elsewhere:
        scipy  spatial.distance.correlation
    """
    return Recipe(CORRELATES, DISCORD)


@recipe(forms=ONE_OUTPUT)
def one_minus_concordance() -> Recipe:
    """1 - Lin's concordance: mean squared error over the most that variances and means leave room for.

    0 is perfect, 1 no agreement. Undefined where target and prediction are the same constant.

    Formula: mean of r² / (Var(target) + Var(pred) + (mean target - mean pred)²)
    Unit: 1
    Use: As concordance, where a loss is wanted.
    Avoid: Comparing over data sets of different spread.
    Source: Lin 1989, doi:10.2307/2532051
    Elsewhere:
        keras  1 - metrics.ConcordanceCorrelation(axis=0)  ≠ its covariance is taken about one mean only
    """
    return Recipe((squared, residual, *VARIANCES), DISCORDANCE)


@score(like=one_minus_concordance)
def concordance() -> Recipe:
    """Lin's concordance correlation: agreement with the line pred = target, between -1 and 1.

    A score. Variances are those of the population. Undefined where target and prediction are the same constant.

    Formula: 2·Cov(target, pred) / (Var(target) + Var(pred) + (mean target - mean pred)²)
    Use: Two measurements of one thing should agree in scale and offset too, as in a study of methods.
    Also: concordance_correlation, lins_ccc, lin_ccc, ccc
    Elsewhere:
        torchmetrics  concordance_corrcoef                    ≠ its variances divide by n - 1, its means are as they are
        keras         metrics.ConcordanceCorrelation(axis=0)  ≠ its covariance is taken about one mean only
    """
    return Recipe(one_minus_concordance.parts, one_less(DISCORDANCE))


# directions of vectors -------------------------------------------------------------------------------------------

ANGLES = (0.0, 15.0, 45.0, 90.0, 135.0, 180.0)
VECTORS = Form(
    "vectors",
    {"target": REAL, "pred": REAL},
    along(
        "angle between the vectors",
        [f"{angle:g}°" for angle in ANGLES],
        target=[1.0, 0.0],
        pred=[[float(of(np.radians(angle))) for angle in ANGLES] for of in (np.cos, np.sin)],
    ),
    least=2,
)


@loss(forms=(VECTORS,), gradient=lambda batch: -cosine_slope(batch.target, batch.pred))
def cosine_distance(batch: Batch) -> Array:
    """Cosine distance of row vectors: 1 - the cosine of their angle.

    Right to the last digits for nearly parallel vectors too, where 1 - cosine would cancel. A zero vector has no
    direction: its distance is 1, and 0 to another zero vector, which is the same.

    Formula: mean of 1 - ⟨target, pred⟩ / (‖target‖·‖pred‖)
    Unit: 1 (between 0 and 2)
    Use: Rows are vectors whose direction matters and whose length does not, as embeddings.
    Avoid: Lengths matter: mse of the columns. One column alone: only its sign would count.
    Source: Salton & McGill 1983, Introduction to Modern Information Retrieval
    Subgradient: 0 where a vector is zero
    Elsewhere:
        torch         nn.CosineEmbeddingLoss   ≠ 1e-12 is added to squared lengths; two zero vectors cost 1, here 0
        optax         cosine_distance          # NaN where a vector is zero
        keras         1 + CosineSimilarity     # 0 where a vector is zero; float32 throughout
        scikit-learn  paired_cosine_distances  ≠ a zero vector costs 1/2 beside any other, here 1
        scipy         spatial.distance.cosine  # NaN where a vector is zero
    """
    return one_minus_cosine(batch.target, batch.pred)


@loss(forms=(VECTORS,), gradient=lambda batch: cosine_slope(batch.target, batch.pred), best=1.0, direction="max")
def cosine_similarity(batch: Batch) -> Array:
    """Cosine of the angle between row vectors.

    A zero vector has no direction: its similarity is 0, and 1 to another zero vector, which is the same.

    Formula: mean of ⟨target, pred⟩ / (‖target‖·‖pred‖)
    Unit: 1 (between -1 and 1)
    Use: As cosine_distance, where a score is wanted.
    Avoid: Lengths matter: mse of the columns.
    Source: Salton & McGill 1983, Introduction to Modern Information Retrieval
    Subgradient: 0 where a vector is zero
    Elsewhere:
        keras         CosineSimilarity                     = -1 x cosine_similarity
            # a loss, minus the cosine; 0 where a vector is zero; float32 throughout
        torchmetrics  cosine_similarity(reduction='mean')
            # float32; the sum over rows by default; NaN where a vector is zero
        optax         1 - cosine_distance                  # NaN where a vector is zero
        torch         nn.CosineSimilarity | F.cosine_similarity  # 0 where a vector is zero
    """
    return cosine(batch.target, batch.pred)


# events ----------------------------------------------------------------------------------------------------------


def event_part(happens: np.ufunc) -> Part:
    """Return the part that is 1 where `happens(observed, predicted)` is true of an event, else 0."""

    def part(batch: Batch, *, threshold: float) -> Array:
        return happens(batch.target >= threshold, batch.pred >= threshold).astype(np.float64)

    return part


HIT, EVENT, SLIP = event_part(np.logical_and), event_part(np.logical_or), event_part(np.not_equal)
AMONG_EVENTS: Final = replace(RATIO, name="share of the events", undefined="no event was observed or predicted")


@score(forms=ONE_OUTPUT)
def critical_success_index(
    *, threshold: Annotated[float, REAL, "value from which on a row is an event, in the target's unit"] = 0.5
) -> Recipe:
    """Hits over hits, misses and false alarms, of values from a threshold on.

    A score between 0 and 1. Rows where nothing happened and nothing was predicted do not count. Undefined where
    all rows are so.

    Formula: Σ [target ≥ t and pred ≥ t] / Σ [target ≥ t or pred ≥ t]
    Unit: 1 (between 0 and 1)
    Use: Rare events are forecast, such as rain above a limit: correct silence is not to be rewarded.
    Avoid: Comparing over climates: it grows with the frequency of the event.
    Source: Gilbert 1884; Schaefer 1990, doi:10.1175/1520-0434(1990)005<0570:TCSIAA>2.0.CO;2
    Also: threat_score, csi
    Elsewhere:
        scikit-learn  jaccard_score(average='binary')  # of the decided labels
        torchmetrics  critical_success_index(threshold=threshold)  # 0 where there is no event
    """
    return Recipe((HIT, EVENT), AMONG_EVENTS)


@recipe(like=critical_success_index)
def one_minus_critical_success_index() -> Recipe:
    """Misses and false alarms over hits, misses and false alarms.

    Undefined where no event was observed or predicted.

    Formula: Σ [target ≥ t differs from pred ≥ t] / Σ [target ≥ t or pred ≥ t]
    Use: As critical_success_index, where a loss is wanted.
    Avoid: Comparing over climates: it falls with the frequency of the event.
    Elsewhere:
        torchmetrics  1 - critical_success_index(threshold=threshold)
    """
    return Recipe((SLIP, EVENT), AMONG_EVENTS)


# the median, a quantile -----------------------------------------------------------------------------------------


def pinball_left(ordered: Array, *, q: float = 0.5) -> float:
    """Pinball loss over that of the q-quantile of the targets, from lines of target, pinball loss and weight."""
    target, cost, weight = ordered
    gap = weighted_quantile(target, weight, q) - target
    return over(weighted_sum(cost, weight), weighted_sum(np.maximum((1.0 - q) * gap, -q * gap), weight))


ABSOLUTE: Final = sample(  # the absolute error is twice the pinball loss of the median
    plain_target, abs_residual, value=lambda ordered: 0.5 * pinball_left(ordered), undefined=CONSTANT
)
PINBALL: Final = sample(
    plain_target, pinball, value=pinball_left, undefined="the quantile of the targets costs nothing"
)


@score(forms=ONE_OUTPUT)
def d2_absolute() -> Recipe:
    """Share of the absolute error of the median that the prediction takes away.

    A score: 1 is perfect, 0 is as good as the best constant, and it has no lower end. The constant is the median
    of these targets. It keeps two numbers per row in memory. Undefined where the target is constant.

    Formula: 1 - Σ |r| / Σ |target - median target|
    Unit: 1
    Use: To say how much better than a constant a model is, where outliers must not rule as in r2.
    Avoid: Large files, or where an interval is wanted: mae has both.
    Source: Hastie, Tibshirani & Wainwright 2015, Statistical Learning with Sparsity, eq. 3.11
    Also: d2_absolute_error, d2_absolute_error_score
    Elsewhere:
        scikit-learn  d2_absolute_error_score  # for a constant target it returns 1 or 0
    """
    return complement(ABSOLUTE)


@recipe(like=d2_absolute)
def one_minus_d2_absolute() -> Recipe:
    """Absolute errors over those of the median.

    1 - d2_absolute. It keeps two numbers per row in memory. Undefined where the target is constant.

    Formula: Σ |r| / Σ |target - median target|
    Elsewhere:
        scikit-learn  1 - d2_absolute_error_score  # for a constant target it returns 0 or 1
    """
    return ABSOLUTE


@score(forms=ONE_OUTPUT)
def d2_pinball(*, q: Annotated[float, OPEN_UNIT, "the quantile asked for"] = 0.5) -> Recipe:
    """Share of the quantile loss of a constant that the prediction takes away.

    A score: 1 is perfect, 0 is as good as the best constant, and it has no lower end. The constant is the
    q-quantile of these targets. It keeps two numbers per row in memory. Undefined where the target is constant.

    Formula: 1 - Σ pinball(target, pred; q) / Σ pinball(target, q-quantile of the target; q)
    Unit: 1
    Use: To say how much better than a constant a predicted quantile is.
    Avoid: Large files, or where an interval is wanted: quantile has both.
    Source: Hastie, Tibshirani & Wainwright 2015, Statistical Learning with Sparsity, eq. 3.11
    Also: d2_pinball_score, d2_quantile
    Elsewhere:
        scikit-learn  d2_pinball_score(alpha=q)  # for a constant target it is 1 or 0
    """
    return complement(PINBALL)


@recipe(like=d2_pinball)
def one_minus_d2_pinball() -> Recipe:
    """Quantile loss over that of the quantile of the targets.

    1 - d2_pinball. It keeps two numbers per row in memory. Undefined where the target is constant.

    Formula: Σ pinball(target, pred; q) / Σ pinball(target, q-quantile of the target; q)
    Elsewhere:
        scikit-learn  1 - d2_pinball_score(alpha=q)  # for a constant target 0 or 1
    """
    return PINBALL


# the mean, by Tweedie deviances ---------------------------------------------------------------------------------


@about_origin
@of_target
def anchor(batch: Batch) -> Array:
    """What deviances of the target are taken about: the batch's origin if it is a positive mean, else 1."""
    origin = np.where(np.asarray(batch.origin) > 0.0, batch.origin, 1.0)
    return np.broadcast_to(origin, batch.target.shape)


@about_origin
@of_target
def anchored_target(batch: Batch) -> Array:
    """The target about the anchor."""
    return batch.target - anchor(batch)


@about_origin
def anchored_deviance(batch: Batch, *, power: float) -> Array:
    """Tweedie deviance of the target from the anchor."""
    near = np.ascontiguousarray(anchor(batch))
    return by_piece(deviance, batch.target, near, near, activation="none", power=power)


@cache
def _nodes() -> tuple[Array, Array]:
    """Nodes and weights of Gauss-Legendre quadrature between 0 and 1."""
    nodes, weights = np.polynomial.legendre.leggauss(40)
    return 0.5 * (nodes + 1.0), 0.5 * weights


SHORT: Final = 0.25  # share of the anchor up to which the mean's deviance from it is taken by quadrature


def deviance_from(a: Any, t: Any, power: float) -> Any:
    """Tweedie deviance of a + t from a, also where t is so small that a + t would lose it."""
    a, t = np.broadcast_arrays(np.asarray(a, dtype=np.float64), np.asarray(t, dtype=np.float64))
    nodes, weights = _nodes()
    x = np.where(np.abs(t) < SHORT * a, t, 0.0) / a
    inner = np.add.reduce(weights * (1.0 - nodes) * (1.0 + x[..., np.newaxis] * nodes) ** -power, axis=-1)
    close = 2.0 * a ** (2.0 - power) * np.square(x) * inner
    flat = np.ascontiguousarray(a).reshape(-1)
    far = deviance(flat + np.ascontiguousarray(t).reshape(-1), flat, flat, activation="none", power=power)
    return np.where(np.abs(t) < SHORT * a, close, far.reshape(a.shape))[()]


def _turn(a: Any, t: Any, power: float) -> Any:
    """Half the derivative by t of the deviance of a + t from a."""
    lift = np.log1p(np.maximum(t / a, -1.0))
    if power == 1.0:
        return lift
    return a ** (1.0 - power) * np.expm1((1.0 - power) * lift) / (1.0 - power)


@lru_cache
def over_deviance(power: float) -> Statistic:
    """Mean deviance over that from the mean of the targets: mean D(y, ȳ) = mean D(y, a) - D(ȳ, a) for any a."""

    def null(m: Means) -> Any:
        return positive(m[1] - deviance_from(m[3], m[2], power))

    def slope(m: Means) -> tuple[Any, ...]:
        below = null(m)
        lift, turn = m[0] / below**2, _turn(m[3], m[2], power)
        return 1.0 / below, -lift, 2.0 * lift * turn, 2.0 * lift * (turn - m[3] ** -power * m[2])

    name = f"mean / deviance of the target, power {power:g}"
    return Statistic(name, lambda m: m[0] / null(m), slope, undefined=CONSTANT, ranks=True)


def tweedie_forms(power: float) -> tuple[Form, ...]:
    """Return which targets and predictions a power admits."""
    return (tweedie_form(power, one=True),) if power else ONE_OUTPUT


def tweedie_left(power: float) -> Recipe:
    """Return what the prediction leaves of the deviance of the mean; that of power 0 is a square."""
    if power == 0.0:
        return Recipe(R2_PARTS, OVER_VARIANCE)
    return Recipe((unit_deviance, anchored_deviance, anchored_target, anchor), over_deviance(power))


@score(forms=tweedie_forms)
def d2_tweedie(
    *, power: Annotated[float, Gap(), "0 squared error, 1 Poisson, 2 gamma, 3 inverse Gaussian deviance"] = 0.0
) -> Recipe:
    """Share of the Tweedie deviance of the mean that the prediction takes away.

    A score: 1 is perfect, 0 is as good as the best constant, and it has no lower end. The constant is the mean
    of these targets, or 0 where that and the power are below 0.
    power = 0 is r2. Undefined where the target is constant.

    Formula: 1 - Σ D(target, pred) / Σ D(target, mean target), D the Tweedie deviance of a power
    Unit: 1
    Use: To say how much better than a constant a model of counts or sizes is, measured by their own likelihood.
    Avoid: Comparing over data sets of different spread: it depends on the deviance of the targets.
    Source: Hastie, Tibshirani & Wainwright 2015, Statistical Learning with Sparsity, eq. 3.11
    Also: d2_tweedie_score
    Elsewhere:
        scikit-learn  d2_tweedie_score
        scikit-learn  d2_tweedie_score(power=1)    = d2_tweedie:power=1
        scikit-learn  d2_tweedie_score(power=1.5)  = d2_tweedie:power=1.5
        scikit-learn  d2_tweedie_score(power=2)    = d2_tweedie:power=2
        scikit-learn  d2_tweedie_score(power=3)    = d2_tweedie:power=3
    """
    return complement(tweedie_left(power)) if power else Recipe(R2_PARTS, R_SQUARED)


@recipe(like=d2_tweedie, forms=tweedie_forms)
def one_minus_d2_tweedie(power: float) -> Recipe:
    """Tweedie deviance over that of the mean of the targets.

    1 - d2_tweedie. power = 0 is rse. Undefined where the target is constant. The deviance of
    the targets is taken about the middle one of the first: where that is an ordinary one, the value is right to 16
    units in the last place.

    Formula: Σ D(target, pred) / Σ D(target, mean target), D the Tweedie deviance of a power
    Elsewhere:
        scikit-learn  1 - d2_tweedie_score(power=1)  = one_minus_d2_tweedie:power=1
    """
    return tweedie_left(power)


# the classes' shares --------------------------------------------------------------------------------------------


@of_target
def observed_class(batch: Batch) -> Array:
    """The code of what was observed."""
    return batch.target.astype(np.float64) if has_labels(batch) else flag(batch)


def log_cost(batch: Batch, *, eps: float) -> Array:
    """-ln of the probability that was given to what was observed."""
    return -clipped(log_observed(batch), eps)


def _over_shares(ordered: Array, cost: Callable[[Array], Array]) -> float:
    """The cost of all rows over that of always predicting the shares of the classes; cost: shares -> terms."""
    total = np.add.reduce(ordered[-1])
    p = np.add.reduceat(ordered[-1], run_starts(ordered[0])) / total
    of_shares = float(np.add.reduce(cost(p))) if len(p) > 1 else 0.0
    return over(weighted_sum(ordered[1], ordered[-1]), of_shares * float(total))


def brier_cost(batch: Batch) -> Array:
    """Brier score of each row, summed over the columns of all classes, of which a binary row has two."""
    cost = classification.brier.parts[0](batch)
    return cost if has_labels(batch) else 2.0 * cost


ONE_CLASS: Final = "all rows are of one class"
LOG: Final = sample(
    observed_class,
    log_cost,
    value=lambda ordered, eps: _over_shares(ordered, lambda p: -p * clipped(np.log(p), eps)),
    undefined=ONE_CLASS,
)
BRIER: Final = sample(
    observed_class,
    brier_cost,
    value=lambda ordered: _over_shares(ordered, lambda p: p * (np.add.reduce(p) - p)),
    undefined=ONE_CLASS,
)


@score(forms=(DECISION, CLASSES))
def d2_log_loss(
    *,
    eps: Annotated[
        float, Interval(low=0.0, high=0.5, low_closed=True), "probabilities are clipped to [eps, 1 - eps]"
    ] = 0.0,
) -> Recipe:
    """Share of the log loss of the classes' shares that the prediction takes away.

    A score: 1 is perfect, 0 is as good as the best constant, and it has no lower end. The constant gives every
    row the classes' shares among these rows. It keeps two numbers per row in memory. Undefined where all rows are of
        one class.

    Formula: 1 - Σ -ln p(observed) / Σ -ln share(observed)
    Unit: 1
    Use: To say how much better than the classes' frequencies predicted probabilities are, without a unit.
    Avoid: Comparing over data sets of different class frequencies; large files: bce and cce keep nothing.
    Source: Hastie, Tibshirani & Wainwright 2015, Statistical Learning with Sparsity, eq. 3.11
    Also: d2_log_loss_score, mcfadden_r2
    Elsewhere:
        scikit-learn  d2_log_loss_score  = d2_log_loss:eps=2.220446049250313e-16
    """
    return complement(LOG)


@recipe(like=d2_log_loss)
def one_minus_d2_log_loss() -> Recipe:
    """Log loss over that of the classes' shares.

    1 - d2_log_loss. It keeps two numbers per row in memory. Undefined where all rows are of one class.

    Formula: Σ -ln p(observed) / Σ -ln share(observed)
    Elsewhere:
        scikit-learn  1 - d2_log_loss_score  = one_minus_d2_log_loss:eps=2.220446049250313e-16
    """
    return LOG


@score(forms=(DECISION, CLASSES))
def d2_brier() -> Recipe:
    """Brier skill: share of the Brier score of the classes' shares that the prediction takes away.

    A score: 1 is perfect, 0 is as good as the best constant, and it has no lower end. The constant gives every
    row the classes' shares among these rows. It keeps two numbers per row in memory. Undefined where all rows are of
        one class.

    Formula: 1 - Σ brier(p) / Σ brier(shares of the classes)
    Unit: 1
    Use: To say how much better than the classes' frequencies predicted probabilities are, with no row able to rule.
    Avoid: Comparing over data sets of different class frequencies; large files: brier keeps nothing.
    Source: Hastie, Tibshirani & Wainwright 2015, Statistical Learning with Sparsity, eq. 3.11
    Also: d2_brier_score, brier_skill_score
    Elsewhere:
        scikit-learn  d2_brier_score
    """
    return complement(BRIER)


@recipe(like=d2_brier)
def one_minus_d2_brier() -> Recipe:
    """Brier score over that of the classes' shares.

    1 - d2_brier. It keeps two numbers per row in memory. Undefined where all rows are of one class.

    Formula: Σ brier(p) / Σ brier(shares of the classes)
    Elsewhere:
        scikit-learn  1 - d2_brier_score
    """
    return BRIER
