"""How well predictions go along with the target: correlations, directions of vectors, events."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from lossctl.core.batch import Batch, residual
from lossctl.core.declare import Recipe, loss, recipe
from lossctl.core.domain import REAL
from lossctl.core.form import Curve, Form
from lossctl.core.loss import about_origin
from lossctl.core.statistic import Statistic, one_less
from lossctl.losses.forms import regression
from lossctl.losses.ratios import CORRELATION, DISCORD, DISCORDANCE
from lossctl.losses.variance import (
    centred_target,
    shifted_residual,
    squared,
    squared_centred_target,
    squared_shifted_residual,
)
from lossctl.numerics.array import Array
from lossctl.numerics.lengths import cosine, cosine_slope, one_minus_cosine

ONE_OUTPUT = (regression(one=True),)


@about_origin
def centred_pred(batch: Batch) -> Array:
    """The prediction about the batch's origin and the first residual, so that its variance does not cancel."""
    return batch.pred - (batch.origin + batch.gap)


@about_origin
def squared_centred_pred(batch: Batch) -> Array:
    """Square of the prediction about its origin."""
    return np.square(centred_pred(batch))


@about_origin
def product(batch: Batch) -> Array:
    """Product of target and prediction, each about its origin."""
    return centred_target(batch) * centred_pred(batch)


@about_origin
def difference_of_squares(batch: Batch) -> Array:
    """Squared prediction less squared target, each about its origin."""
    return shifted_residual(batch) * (centred_target(batch) + centred_pred(batch))


@recipe(forms=ONE_OUTPUT, best=1.0, direction="max")
def pearson() -> Recipe:
    """Pearson's correlation of prediction and target, between -1 and 1.

    A score. Undefined where either is constant. Both are taken about their first values: offsets cost no digits.

    Formula: Cov(target, pred) / √(Var(target)·Var(pred))
    Unit: 1
    Use: The scale and the offset of the predictions are free: only whether they go up and down with the target.
    Avoid: The predictions are used as they are: a wrong scale or bias is not seen. concordance sees both.
    Source: Pearson 1895, doi:10.1098/rspl.1895.0041
    Also: pearson_correlation, pearson_corrcoef, pcc
    Elsewhere:
        scipy         stats.pearsonr
        torchmetrics  pearson_corrcoef                    # NaN where a variance is small beside the largest deviation
        keras         metrics.PearsonCorrelation(axis=0)  # its means are float32
        permetrics    PCC                                 # of one output
    """
    return Recipe((centred_target, centred_pred, squared_centred_target, squared_centred_pred, product), CORRELATION)


@recipe(forms=ONE_OUTPUT)
def one_minus_pearson() -> Recipe:
    """1 - Pearson's correlation, between 0 and 2.

    Taken from differences, so that predictions very close to the target keep their digits: it is right to
    64 units in the last place where the first row is an ordinary one. Undefined where either is constant.

    Formula: 1 - Cov(target, pred) / √(Var(target)·Var(pred))
    Unit: 1
    Use: As pearson, where a loss is wanted.
    Avoid: The predictions are used as they are: a wrong scale or bias is not seen.
    Source: Pearson 1895, doi:10.1098/rspl.1895.0041
    Also: pearson_distance, correlation_distance
    Elsewhere:
        scipy  spatial.distance.correlation
    """
    return Recipe(
        (
            centred_target,
            centred_pred,
            squared_centred_target,
            squared_centred_pred,
            shifted_residual,
            squared_shifted_residual,
            difference_of_squares,
        ),
        DISCORD,
    )


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
    return Recipe(
        (squared, residual, centred_target, centred_pred, squared_centred_target, squared_centred_pred), DISCORDANCE
    )


@recipe(forms=ONE_OUTPUT, best=1.0, direction="max")
def concordance() -> Recipe:
    """Lin's concordance correlation: agreement with the line pred = target, between -1 and 1.

    A score. Variances are those of the population. Undefined where target and prediction are the same constant.

    Formula: 2·Cov(target, pred) / (Var(target) + Var(pred) + (mean target - mean pred)²)
    Unit: 1
    Use: Two measurements of one thing should agree in scale and offset too, as in a study of methods.
    Avoid: Comparing over data sets of different spread.
    Source: Lin 1989, doi:10.2307/2532051
    Also: concordance_correlation, ccc
    Elsewhere:
        torchmetrics  concordance_corrcoef                    ≠ its variances divide by n - 1, its means are as they are
        keras         metrics.ConcordanceCorrelation(axis=0)  ≠ its covariance is taken about one mean only
    """
    return Recipe(one_minus_concordance.parts, one_less(DISCORDANCE))


ANGLES = (0.0, 15.0, 45.0, 90.0, 135.0, 180.0)
VECTORS = Form(
    "vectors",
    {"target": REAL, "pred": REAL},
    Curve(
        "angle between the vectors",
        tuple(f"{angle:g}°" for angle in ANGLES),
        {
            "target": ((1.0,) * len(ANGLES), (0.0,) * len(ANGLES)),
            "pred": (
                tuple(float(np.cos(np.radians(angle))) for angle in ANGLES),
                tuple(float(np.sin(np.radians(angle))) for angle in ANGLES),
            ),
        },
    ),
    least=2,
)


def _distance_gradient(batch: Batch) -> Array:
    return -cosine_slope(batch.target, batch.pred)


@loss(forms=(VECTORS,), gradient=_distance_gradient)
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
        keras         1 + CosineSimilarity     # 0 where a vector is zero; its means are float32
        scikit-learn  paired_cosine_distances  ≠ a zero vector costs 1/2 beside any other, here 1
        scipy         spatial.distance.cosine  # NaN where a vector is zero
    """
    return one_minus_cosine(batch.target, batch.pred)


def _similarity_gradient(batch: Batch) -> Array:
    return cosine_slope(batch.target, batch.pred)


@loss(forms=(VECTORS,), gradient=_similarity_gradient, best=1.0, direction="max")
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
        keras         CosineSimilarity  = -1 x cosine_similarity
            # a loss, minus the cosine; 0 where a vector is zero; its means are float32
        torchmetrics  cosine_similarity(reduction='mean')
            # float32; the sum over rows by default; NaN where a vector is zero
        optax         1 - cosine_distance                  # NaN where a vector is zero
    """
    return cosine(batch.target, batch.pred)


def hit(batch: Batch, *, threshold: float) -> Array:
    """1 where an event was observed and predicted."""
    return ((batch.target >= threshold) & (batch.pred >= threshold)).astype(np.float64)


def event(batch: Batch, *, threshold: float) -> Array:
    """1 where an event was observed or predicted."""
    return ((batch.target >= threshold) | (batch.pred >= threshold)).astype(np.float64)


def slip(batch: Batch, *, threshold: float) -> Array:
    """1 where an event was missed, or predicted falsely."""
    return ((batch.target >= threshold) != (batch.pred >= threshold)).astype(np.float64)


AMONG_EVENTS = Statistic(
    "share of the events",
    lambda m: m[0] / m[1],
    undefined="no event was observed or predicted",
)


@recipe(forms=ONE_OUTPUT, best=1.0, direction="max")
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
        torchmetrics  critical_success_index(threshold=threshold)  # 0 where there is no event
    """
    return Recipe((hit, event), AMONG_EVENTS)


@recipe(forms=ONE_OUTPUT)
def one_minus_critical_success_index(
    *, threshold: Annotated[float, REAL, "value from which on a row is an event, in the target's unit"] = 0.5
) -> Recipe:
    """Misses and false alarms over hits, misses and false alarms.

    Undefined where no event was observed or predicted.

    Formula: Σ [target ≥ t differs from pred ≥ t] / Σ [target ≥ t or pred ≥ t]
    Unit: 1 (between 0 and 1)
    Use: As critical_success_index, where a loss is wanted.
    Avoid: Comparing over climates: it falls with the frequency of the event.
    Source: Gilbert 1884; Schaefer 1990, doi:10.1175/1520-0434(1990)005<0570:TCSIAA>2.0.CO;2
    Elsewhere:
        torchmetrics  1 - critical_success_index(threshold=threshold)
    """
    return Recipe((slip, event), AMONG_EVENTS)
