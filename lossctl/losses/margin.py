"""Losses of a score whose sign is the decision, as functions of the margin m = s f with s = ±1."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import numpy as np

from lossctl.core.batch import Batch, derived, sign
from lossctl.core.domain import NON_NEGATIVE
from lossctl.core.loss import Loss, Part, differs, loss, same
from lossctl.losses.forms import CLASS_SCORES, MARGIN
from lossctl.losses.observed import has_labels
from lossctl.losses.rivals import shortfall, to_best_rival
from lossctl.numerics.activation import sigmoid, softplus
from lossctl.numerics.array import Array

Margin = Annotated[float, NON_NEGATIVE, "the margin asked for"]
SIGMOID_FIRST = "applies a sigmoid first if any score is outside [0, 1]"
NEAREST = 0.5463024898437905, 2.9096576216837176e-17  # tan(1/2), where `tangent` is 0, as a pair


@derived
def margin_of(batch: Batch) -> Array:
    """The score times the sign of the target: positive where the decision is right."""
    return sign(batch) * batch.pred


def of_margin(slope: Callable[[Array], Array], **facts: Any) -> Callable[[Part], Loss]:
    """Declare a loss that is a function of the margin, from its slope by the margin."""

    def gradient(batch: Batch) -> Array:
        return sign(batch) * slope(margin_of(batch))

    return loss(forms=(MARGIN,), gradient=gradient, **facts)


def _hinge_gradient(batch: Batch, *, margin: float, floor: bool) -> Array:
    if has_labels(batch):
        return to_best_rival(batch, (shortfall(batch, margin, floor) > 0.0).astype(np.float64), floor)
    return -sign(batch) * (margin > margin_of(batch))


def _floored(args: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"forms": (CLASS_SCORES,)} if args["floor"] else {}


@loss(
    forms=(MARGIN, CLASS_SCORES),
    gradient=_hinge_gradient,
    variant=_floored,
    subgradient="0 where the margin is just kept; the first of equal rivals, and the floor before any",
    formula="mean of max(0, margin - s f), s = ±1; for labels: max(0, margin + max_{j≠y} f_j - f_y)",
    unit="score",
    aliases=("hinge_loss", "categorical_hinge", "multiclass_hinge"),
    source="Cortes & Vapnik 1995, doi:10.1007/BF00994018; Crammer & Singer 2001",
    use="Maximum-margin classification, as in support vector machines: the decision matters, not how sure it is.",
    avoid="Probabilities are wanted: it says nothing about them (bce, cce).",
    elsewhere=(
        same("scikit-learn", "hinge_loss", note="both classes must occur; where only one does, it takes it as -1"),
        same("keras", "Hinge", note="of flags; its means are float32"),
        same("keras", "CategoricalHinge", "hinge:floor=true"),
        same("optax", "hinge_loss"),
        same("optax", "multiclass_hinge_loss"),
        differs("torchmetrics", "binary_hinge_loss", SIGMOID_FIRST),
        differs("torchmetrics", "multiclass_hinge_loss", "applies a softmax first if any score is outside [0, 1]"),
        same("permetrics", "HGL", "hinge:floor=true", note="of columns, for two classes too"),
    ),
)
def hinge(
    batch: Batch,
    *,
    margin: Margin = 1.0,
    floor: Annotated[bool, None, "for labels: the best rival scores at least 0, as an absent class would"] = False,
) -> Array:
    """Hinge loss of scores.

    Targets are ±1 or 0/1, predictions are scores. Binary and multilabel with one target column per score,
    multiclass (Crammer-Singer) with one label column and K scores.
    """
    if has_labels(batch):
        return np.maximum(shortfall(batch, margin, floor), 0.0)
    return np.maximum(margin - margin_of(batch), 0.0)


def _squared_hinge_gradient(batch: Batch, *, margin: float) -> Array:
    return -2.0 * sign(batch) * np.maximum(margin - margin_of(batch), 0.0)


@loss(
    forms=(MARGIN,),
    gradient=_squared_hinge_gradient,
    formula="mean of max(0, margin - s f)², s = ±1",
    unit="score²",
    source="Cortes & Vapnik 1995, doi:10.1007/BF00994018; Tang 2013, arXiv:1306.0239",
    use="Two classes, no interest in certainty, as in spam or not spam; tanh as the last layer keeps scores in reach, "
    "though it never quite gets to 0.",
    avoid="Outliers or wrong labels: they count quadratically. Probabilities are wanted: bce.",
    elsewhere=(
        same("keras", "SquaredHinge"),
        differs("torchmetrics", "binary_hinge_loss(squared=True)", SIGMOID_FIRST),
        same("tutorials", "the sum over rows", reduction="sum"),
    ),
)
def squared_hinge(batch: Batch, *, margin: Margin = 1.0) -> Array:
    """Squared hinge loss of scores; binary and multilabel."""
    return np.square(np.maximum(margin - margin_of(batch), 0.0))


@of_margin(
    lambda m: -sigmoid(-m),
    formula="mean of ln(1 + e^(-m)), m = s f, s = ±1",
    unit="nats",
    aliases=("logistic", "multilabel_soft_margin"),
    source="Cox 1958, doi:10.1111/j.2517-6161.1958.tb00292.x",
    use="Scores that are log-odds, in the words of margins: it is bce of logits, number by number.",
    avoid="The columns are probabilities: bce.",
    elsewhere=(
        same("torch", "nn.SoftMarginLoss", note="inf where s·f is below -709, in float32 below -88"),
        same("torch", "nn.MultiLabelSoftMarginLoss", note="of flags 0/1"),
        same("optax", "sigmoid_binary_cross_entropy"),
    ),
)
def soft_margin(batch: Batch) -> Array:
    """Logistic loss of the margin, for ±1 or 0/1 targets; a row with several labels is their mean."""
    return softplus(-margin_of(batch))


@of_margin(
    lambda m: -np.exp(-m),
    formula="mean of e^(-m), m = s f, s = ±1",
    unit="1",
    source="Freund & Schapire 1997, doi:10.1006/jcss.1997.1504",
    use="To watch boosting, as in AdaBoost, whose rounds minimise it; the score is half of the log-odds.",
    avoid="Wrong labels: one row far on the wrong side outweighs all others (soft_margin, savage).",
    elsewhere=(same("scikit-learn, private", "_loss.ExponentialLoss", note="of flags 0/1"),),
)
def exponential(batch: Batch) -> Array:
    """Exponential loss of the margin, the one of AdaBoost."""
    return np.exp(-margin_of(batch))


@of_margin(
    lambda m: -(m < 0.0).astype(np.float64),
    subgradient="0 at m = 0",
    formula="mean of max(0, -m), m = s f, s = ±1",
    unit="score",
    source="Rosenblatt 1958, doi:10.1037/h0042519",
    use="Only wrong decisions should cost, by how far the score is on the wrong side.",
    avoid="A margin is wanted: hinge. All scores 0 have loss 0.",
    elsewhere=(same("optax", "perceptron_loss"),),
)
def perceptron(batch: Batch) -> Array:
    """Perceptron loss: hinge without a margin."""
    return np.maximum(-margin_of(batch), 0.0)


@of_margin(
    lambda m: np.where(m < -1.0, -4.0, -2.0 * np.maximum(1.0 - m, 0.0)),
    formula="mean of max(0, 1 - m)² for m >= -1, -4 m below, m = s f, s = ±1",
    unit="1",
    source="Zhang 2004, doi:10.1145/1015330.1015332",
    use="A smooth hinge that bears wrong labels: quadratic near the margin, linear far on the wrong side.",
    avoid="Probabilities are wanted: bce, soft_margin.",
    elsewhere=(same("scikit-learn, in training", "SGDClassifier(loss='modified_huber')"),),
)
def modified_huber(batch: Batch) -> Array:
    """Modified Huber loss of the margin: squared hinge, linear below -1."""
    m = margin_of(batch)
    return np.where(m < -1.0, -4.0 * m, np.square(np.maximum(1.0 - m, 0.0)))


@of_margin(
    lambda m: -np.clip(1.0 - m, 0.0, 1.0),
    formula="mean of 1/2 - m for m <= 0, (1 - m)²/2 for 0 < m < 1, 0 from 1 on, m = s f, s = ±1",
    unit="score",
    source="Rennie & Srebro 2005, Loss functions for preference levels",
    use="A hinge with a slope everywhere, for methods that need one.",
    avoid="Probabilities are wanted: bce, soft_margin.",
)
def smoothed_hinge(batch: Batch) -> Array:
    """Smoothed hinge loss of the margin: the corner is a parabola."""
    m = margin_of(batch)
    return np.where(m <= 0.0, 0.5 - m, 0.5 * np.square(np.maximum(1.0 - m, 0.0)))


@of_margin(
    lambda m: -2.0 * sigmoid(m) * np.square(sigmoid(-m)),
    formula="mean of 1/(1 + e^m)², m = s f, s = ±1",
    unit="1",
    source="Masnadi-Shirazi & Vasconcelos 2008, On the design of loss functions for classification",
    use="Labels are partly wrong: no row can cost more than 1. With sigmoid it is brier.",
    avoid="Training from a bad start: it is flat far on the wrong side.",
)
def savage(batch: Batch) -> Array:
    """Savage loss of the margin, bounded by 1: the Brier score of the sigmoid of the score."""
    return np.square(sigmoid(-margin_of(batch)))


def _beyond_tangent(m: Array) -> Array:
    """2 arctan(m) - 1; near its zero as one arctangent of the difference."""
    near = (m > 0.0) & (m < 1.6)
    x = np.where(near, m, 0.0)
    close = np.arctan(((x - NEAREST[0]) - NEAREST[1]) / (1.0 + x * NEAREST[0]))
    return np.where(near, 2.0 * close, 2.0 * np.arctan(m) - 1.0)


@of_margin(
    lambda m: 4.0 * _beyond_tangent(m) / (1.0 + np.square(m)),
    best=None,
    formula="mean of (2 arctan(m) - 1)², m = s f, s = ±1",
    unit="1",
    source="Masnadi-Shirazi, Mahadevan & Vasconcelos 2010, doi:10.1109/CVPR.2010.5540136",
    use="Labels are partly wrong, as in tracking: bounded on both sides, and scores that are too sure cost as well.",
    avoid="A larger margin should never cost more: savage.",
)
def tangent(batch: Batch) -> Array:
    """Tangent loss of the margin, 0 at m = tan(1/2) = 0.546 and bounded: (π + 1)² on the wrong side."""
    return np.square(_beyond_tangent(margin_of(batch)))


@of_margin(
    lambda m: -0.5 * np.clip(1.0 - m, 0.0, 2.0),
    formula="mean of 0 for m >= 1, -m for m <= -1, (1 - m)²/4 between, m = s f, s = ±1",
    unit="1",
    source="Martins & Astudillo 2016, arXiv:1602.02068",
    use="Two classes with sparse probabilities: certain rows, from a margin of 1 on, cost nothing.",
    avoid="Exactly one of several classes: sparsemax_multiclass.",
    elsewhere=(same("optax", "sparsemax_loss"),),
)
def sparsemax_binary(batch: Batch) -> Array:
    """Sparsemax loss of one score, whose probability is clip((1 + f)/2, 0, 1)."""
    m = margin_of(batch)
    return np.where(m <= -1.0, -m, np.square(0.5 * np.maximum(1.0 - m, 0.0)))
