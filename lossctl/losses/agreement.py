"""How well predictions go along with the target: correlations, directions of vectors, events."""

from __future__ import annotations

import numpy as np

from lossctl.core.batch import Batch, residual
from lossctl.core.domain import REAL
from lossctl.core.form import Curve, Form
from lossctl.core.loss import about_origin, combine, differs, loss, same
from lossctl.core.param import Param
from lossctl.core.statistic import Statistic
from lossctl.losses.forms import regression
from lossctl.losses.ratios import CORRELATION, DISCORD, DISCORDANCE, complement
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
FLOAT32 = "its means are float32"


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


pearson = combine(
    "pearson",
    parts=(centred_target, centred_pred, squared_centred_target, squared_centred_pred, product),
    forms=ONE_OUTPUT,
    reading=CORRELATION,
    summary="Pearson's correlation of prediction and target, between -1 and 1.",
    doc="A score. Undefined where either is constant. Both are taken about their first values: offsets cost no digits.",
    formula="Cov(target, pred) / √(Var(target)·Var(pred))",
    unit="1",
    best=1.0,
    direction="max",
    aliases=("pearson_correlation", "pearson_corrcoef", "pcc"),
    source="Pearson 1895, doi:10.1098/rspl.1895.0041",
    use="The scale and the offset of the predictions are free: only whether they go up and down with the target.",
    avoid="The predictions are used as they are: a wrong scale or bias is not seen. concordance sees both.",
    elsewhere=(
        same("scipy", "stats.pearsonr"),
        same("torchmetrics", "pearson_corrcoef", note="NaN where a variance is small beside the largest deviation"),
        same("keras", "metrics.PearsonCorrelation(axis=0)", note=FLOAT32),
        same("permetrics", "PCC", note="of one output"),
    ),
)

one_minus_pearson = combine(
    "one_minus_pearson",
    parts=(
        centred_target,
        centred_pred,
        squared_centred_target,
        squared_centred_pred,
        shifted_residual,
        squared_shifted_residual,
        difference_of_squares,
    ),
    forms=ONE_OUTPUT,
    reading=DISCORD,
    summary="1 - Pearson's correlation, between 0 and 2.",
    doc="Taken from differences, so that predictions very close to the target keep their digits: it is right to\n"
    "64 units in the last place where the first row is an ordinary one. Undefined where either is constant.",
    formula="1 - Cov(target, pred) / √(Var(target)·Var(pred))",
    unit="1",
    aliases=("pearson_distance", "correlation_distance"),
    source="Pearson 1895, doi:10.1098/rspl.1895.0041",
    use="As pearson, where a loss is wanted.",
    avoid="The predictions are used as they are: a wrong scale or bias is not seen.",
    elsewhere=(same("scipy", "spatial.distance.correlation"),),
)

one_minus_concordance = combine(
    "one_minus_concordance",
    parts=(squared, residual, centred_target, centred_pred, squared_centred_target, squared_centred_pred),
    forms=ONE_OUTPUT,
    reading=DISCORDANCE,
    summary="1 - Lin's concordance: mean squared error over the most that variances and means leave room for.",
    doc="0 is perfect, 1 no agreement. Undefined where target and prediction are the same constant.",
    formula="mean of r² / (Var(target) + Var(pred) + (mean target - mean pred)²)",
    unit="1",
    source="Lin 1989, doi:10.2307/2532051",
    use="As concordance, where a loss is wanted.",
    avoid="Comparing over data sets of different spread.",
    elsewhere=(
        differs("keras", "1 - metrics.ConcordanceCorrelation(axis=0)", "its covariance is taken about one mean only"),
    ),
)

concordance = one_minus_concordance.then(
    "concordance",
    complement(DISCORDANCE),
    summary="Lin's concordance correlation: agreement with the line pred = target, between -1 and 1.",
    doc="A score. Variances are those of the population. Undefined where target and prediction are the same constant.",
    formula="2·Cov(target, pred) / (Var(target) + Var(pred) + (mean target - mean pred)²)",
    best=1.0,
    direction="max",
    aliases=("concordance_correlation", "ccc"),
    use="Two measurements of one thing should agree in scale and offset too, as in a study of methods.",
    elsewhere=(
        differs("torchmetrics", "concordance_corrcoef", "its variances divide by n - 1, its means are as they are"),
        differs("keras", "metrics.ConcordanceCorrelation(axis=0)", "its covariance is taken about one mean only"),
    ),
)

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


@loss(
    forms=(VECTORS,),
    gradient=_distance_gradient,
    subgradient="0 where a vector is zero",
    formula="mean of 1 - ⟨target, pred⟩ / (‖target‖·‖pred‖)",
    unit="1 (between 0 and 2)",
    source="Salton & McGill 1983, Introduction to Modern Information Retrieval",
    use="Rows are vectors whose direction matters and whose length does not, as embeddings.",
    avoid="Lengths matter: mse of the columns. One column alone: only its sign would count.",
    elsewhere=(
        differs(
            "torch", "nn.CosineEmbeddingLoss", "1e-12 is added to squared lengths; two zero vectors cost 1, here 0"
        ),
        same("optax", "cosine_distance", note="NaN where a vector is zero"),
        same("keras", "1 + CosineSimilarity", note=f"0 where a vector is zero; {FLOAT32}"),
        differs(
            "scikit-learn",
            "paired_cosine_distances",
            "a zero vector costs 1/2 beside any other, here 1",
        ),
        same("scipy", "spatial.distance.cosine", note="NaN where a vector is zero"),
    ),
)
def cosine_distance(batch: Batch) -> Array:
    """Cosine distance of row vectors: 1 - the cosine of their angle.

    Right to the last digits for nearly parallel vectors too, where 1 - cosine would cancel. A zero vector has no
    direction: its distance is 1, and 0 to another zero vector, which is the same.
    """
    return one_minus_cosine(batch.target, batch.pred)


def _similarity_gradient(batch: Batch) -> Array:
    return cosine_slope(batch.target, batch.pred)


@loss(
    forms=(VECTORS,),
    gradient=_similarity_gradient,
    subgradient="0 where a vector is zero",
    formula="mean of ⟨target, pred⟩ / (‖target‖·‖pred‖)",
    unit="1 (between -1 and 1)",
    best=1.0,
    direction="max",
    source="Salton & McGill 1983, Introduction to Modern Information Retrieval",
    use="As cosine_distance, where a score is wanted.",
    avoid="Lengths matter: mse of the columns.",
    elsewhere=(
        same(
            "keras",
            "CosineSimilarity",
            factor=-1.0,
            note=f"a loss, minus the cosine; 0 where a vector is zero; {FLOAT32}",
        ),
        same(
            "torchmetrics",
            "cosine_similarity(reduction='mean')",
            note="float32; the sum over rows by default; NaN where a vector is zero",
        ),
        same("optax", "1 - cosine_distance", note="NaN where a vector is zero"),
    ),
)
def cosine_similarity(batch: Batch) -> Array:
    """Cosine of the angle between row vectors.

    A zero vector has no direction: its similarity is 0, and 1 to another zero vector, which is the same.
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
    lambda m: (1.0 / m[1], -m[0] / m[1] ** 2),
    undefined="no event was observed or predicted",
)
THRESHOLD = Param("threshold", 0.5, REAL, "value from which on a row is an event, in the target's unit")

critical_success_index = combine(
    "critical_success_index",
    parts=(hit, event),
    forms=ONE_OUTPUT,
    reading=AMONG_EVENTS,
    params=(THRESHOLD,),
    summary="Hits over hits, misses and false alarms, of values from a threshold on.",
    doc="A score between 0 and 1. Rows where nothing happened and nothing was predicted do not count. Undefined where\n"
    "all rows are so.",
    formula="Σ [target ≥ t and pred ≥ t] / Σ [target ≥ t or pred ≥ t]",
    unit="1 (between 0 and 1)",
    best=1.0,
    direction="max",
    aliases=("threat_score", "csi"),
    source="Gilbert 1884; Schaefer 1990, doi:10.1175/1520-0434(1990)005<0570:TCSIAA>2.0.CO;2",
    use="Rare events are forecast, such as rain above a limit: correct silence is not to be rewarded.",
    avoid="Comparing over climates: it grows with the frequency of the event.",
    elsewhere=(same("torchmetrics", "critical_success_index(threshold=threshold)", note="0 where there is no event"),),
)

one_minus_critical_success_index = combine(
    "one_minus_critical_success_index",
    parts=(slip, event),
    forms=ONE_OUTPUT,
    reading=AMONG_EVENTS,
    params=(THRESHOLD,),
    summary="Misses and false alarms over hits, misses and false alarms.",
    doc="Undefined where no event was observed or predicted.",
    formula="Σ [target ≥ t differs from pred ≥ t] / Σ [target ≥ t or pred ≥ t]",
    unit="1 (between 0 and 1)",
    source="Gilbert 1884; Schaefer 1990, doi:10.1175/1520-0434(1990)005<0570:TCSIAA>2.0.CO;2",
    use="As critical_success_index, where a loss is wanted.",
    avoid="Comparing over climates: it falls with the frequency of the event.",
    elsewhere=(same("torchmetrics", "1 - critical_success_index(threshold=threshold)"),),
)
