"""Losses of predicted probabilities: binary, multilabel and multiclass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import numpy as np

from lossctl.core.batch import Batch, flag, other_prob
from lossctl.core.domain import POSITIVE, Interval
from lossctl.core.loss import differs, loss, same
from lossctl.core.param import Value
from lossctl.losses.forms import BINARY, BINARY_ONE, CLASS_ROWS, CLASSES
from lossctl.losses.observed import (
    Outcome,
    certain,
    class_rows,
    class_weights,
    clipped,
    expected_score,
    expected_slope,
    has_labels,
    inside,
    observed_place,
    other_observed,
)
from lossctl.losses.weighted import ClassWeight, IgnoreClass, Smoothing, divided, outcome_weights
from lossctl.numerics.array import Array

HALF = Interval(low=0.0, high=0.5, low_closed=True)
Eps = Annotated[float, HALF, "clip p to [eps, 1 - eps] first; 0 leaves ln 0 = -inf"]
PosWeight = Annotated[float, POSITIVE, "factor on the cost of an observed 1; the mean stays over the rows"]
FLOAT64 = 2.0**-52
KERAS = "it divides each row by its sum first; its means are float32"


def _surprise(eps: float) -> Callable[[Outcome], Array]:
    return lambda outcome: -clipped(outcome.log_p, eps)


def _surprise_elasticity(eps: float) -> Callable[[Outcome], Array]:
    return lambda outcome: -inside(outcome.p, eps).astype(np.float64)


def _binary_weights(batch: Batch, class_weight: Value, pos_weight: float) -> Array | None:
    if pos_weight == 1.0:
        return outcome_weights(batch, class_weight)
    return class_weights(batch, class_weight) * np.array([1.0, pos_weight])


def _bce_cost(batch: Batch, *, eps: float, pos_weight: float, label_smoothing: float, class_weight: Value) -> Array:
    weights = _binary_weights(batch, class_weight, pos_weight)
    return expected_score(batch, _surprise(eps), smoothing=label_smoothing, weights=weights)


def _bce_gradient(batch: Batch, *, eps: float, pos_weight: float, label_smoothing: float, class_weight: Value) -> Array:
    weights = _binary_weights(batch, class_weight, pos_weight)
    return expected_slope(batch, _surprise_elasticity(eps), smoothing=label_smoothing, weights=weights)


@loss(
    forms=(BINARY,),
    gradient=_bce_gradient,
    raw_gradient=_bce_gradient,
    variant=divided(_bce_cost),
    formula="mean of -[w y ln p + (1 - y) ln(1 - p)], w = pos_weight",
    unit="nats",
    aliases=("binary_cross_entropy", "binary_crossentropy"),
    source="Good 1952; Cox 1958, doi:10.1111/j.2517-6161.1958.tb00292.x",
    use="Yes/no questions, one or several at once (multilabel), down to every pixel of a binary segmentation; "
    "end the model with sigmoid. The most common choice for two classes; it asks for the probability. It equals the "
    "average of cce over as many two-class tasks.",
    avoid="Exactly one of several classes is right: cce. Only the decision matters: hinge.",
    elsewhere=(
        same("torch", "nn.BCELoss", "bce:eps=3.720075976020836e-44", note="it clamps ln p at -100"),
        same("torch", "nn.BCEWithLogitsLoss(pos_weight=[3])", "bce:pos_weight=3", activation="sigmoid"),
        same("torch", "nn.BCEWithLogitsLoss", activation="sigmoid"),
        same(
            "keras", "BinaryCrossentropy(label_smoothing=label_smoothing)", "bce:eps=1e-7", note="in float32 by default"
        ),
        same("scikit-learn", "log_loss", f"bce:eps={FLOAT64!r}", note="eps of the type; one output"),
        same("optax", "sigmoid_binary_cross_entropy", activation="sigmoid"),
        differs("permetrics", "CEL", "it puts a floor of 1e-10 under p and none over it"),
    ),
)
def bce(
    batch: Batch,
    *,
    eps: Eps = 0.0,
    pos_weight: PosWeight = 1.0,
    label_smoothing: Smoothing = 0.0,
    class_weight: ClassWeight = None,
) -> Array:
    """Binary cross-entropy (log loss) of probabilities.

    Exact: p = 0 for an observed 1 costs infinity. A row with several outputs (multilabel) is their mean.
    Targets are 0/1, -1/+1 or probabilities. From logits (--activation sigmoid) no digit is lost at any size.
    label_smoothing = e makes of y the soft target (1 - e) y + e/2.
    """
    return _bce_cost(batch, eps=eps, pos_weight=pos_weight, label_smoothing=label_smoothing, class_weight=class_weight)


def _cce_cost(
    batch: Batch, *, eps: float, label_smoothing: float, class_weight: Value, ignore_class: str | None
) -> Array:
    weights = outcome_weights(batch, class_weight, ignore_class)
    return expected_score(batch, _surprise(eps), smoothing=label_smoothing, weights=weights)


def _cce_gradient(
    batch: Batch, *, eps: float, label_smoothing: float, class_weight: Value, ignore_class: str | None
) -> Array:
    weights = outcome_weights(batch, class_weight, ignore_class)
    return expected_slope(batch, _surprise_elasticity(eps), smoothing=label_smoothing, weights=weights)


@loss(
    forms=(CLASSES, CLASS_ROWS),
    gradient=_cce_gradient,
    raw_gradient=_cce_gradient,
    variant=divided(_cce_cost),
    formula="mean of -Σ_c q_c ln p_c; for a label y: -ln p_y",
    unit="nats",
    aliases=("categorical_cross_entropy", "categorical_crossentropy"),
    source="Good 1952; softmax: Bridle 1990, doi:10.1007/978-3-642-76153-9_28",
    use="Exactly one of K classes is right; the model ends with softmax and targets are labels, one-hot or soft rows. "
    "It asks for the class probabilities.",
    avoid="Several classes may be right at once: bce. That sigmoid is a perfect match for it, as is sometimes "
    "written, holds for one two-class output only: K independent sigmoids do not sum to 1.",
    elsewhere=(
        same("torch", "nn.CrossEntropyLoss(label_smoothing=label_smoothing)", activation="softmax"),
        same(
            "torch",
            "nn.CrossEntropyLoss(weight=[1, 2, 3])",
            "cce:class_weight=1/2/3,ignore_class=-100",
            activation="softmax",
            note="labels; for rows of probabilities it divides by the rows instead of their weights",
        ),
        same("keras", "CategoricalCrossentropy", "cce:eps=1e-7", note=KERAS),
        same("keras", "SparseCategoricalCrossentropy", "cce:eps=1e-7", note=KERAS),
        same("scikit-learn", "log_loss", f"cce:eps={FLOAT64!r}", note="columns must be in sorted label order there"),
        same("optax", "softmax_cross_entropy", activation="softmax"),
        same("optax", "safe_softmax_cross_entropy", activation="softmax"),
        same("optax", "softmax_cross_entropy_with_integer_labels", activation="softmax"),
        differs("permetrics", "CEL", "it takes the largest of a soft row as its label, and floors p at 1e-10"),
    ),
)
def cce(
    batch: Batch,
    *,
    eps: Eps = 0.0,
    label_smoothing: Smoothing = 0.0,
    class_weight: ClassWeight = None,
    ignore_class: IgnoreClass = None,
) -> Array:
    """Categorical cross-entropy of rows of probabilities.

    Targets are class labels, one-hot rows or soft rows. Rows are not renormalised: a row that does not sum to 1
    is an error. label_smoothing = e makes of q the row (1 - e) q + e/K. With class_weight a row costs
    -Σ_c w_c q_c ln p_c, and the mean divides by the sum of w_y (for soft rows of Σ_c w_c q_c).
    """
    return _cce_cost(
        batch, eps=eps, label_smoothing=label_smoothing, class_weight=class_weight, ignore_class=ignore_class
    )


def _brier_gradient(batch: Batch) -> Array:
    return 2.0 * (batch.pred - (class_rows(batch) if batch.form == "multiclass" else flag(batch)))


@loss(
    forms=(BINARY_ONE, CLASSES, CLASS_ROWS),
    gradient=_brier_gradient,
    formula="binary: mean of (p - y)²; multiclass: mean of Σ_c (p_c - q_c)²",
    unit="1",
    aliases=("brier_score",),
    source="Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2",
    use="Calibrated probabilities, with no row able to cost more than 1 (binary) or 2 (multiclass).",
    avoid="Rare events whose small probabilities must be told apart: bce sees their ratio, this does not.",
    elsewhere=(
        differs(
            "scikit-learn",
            "brier_score_loss",
            "for two columns it is half of this; for one column, and for three classes or more, it is brier",
        ),
        differs("permetrics", "BSL", "for one column it is twice brier, the sum over both outcomes; else it is brier"),
    ),
)
def brier(batch: Batch) -> Array:
    """Brier score, the mean squared error of probabilities; lower is better."""
    if has_labels(batch):
        gap = batch.pred.copy()
        gap.reshape(-1)[observed_place(batch)] = other_observed(batch)
        return np.add.reduce(np.square(gap), axis=0)
    if batch.form == "multiclass":
        gap = np.where(batch.target == 1.0, other_prob(batch), batch.pred - batch.target)
        return np.add.reduce(np.square(gap), axis=0)
    if certain(batch)[0]:  # at an observed 1 the gap is 1 - p, which a logit knows without cancellation
        return np.square(other_observed(batch))
    y = flag(batch)
    return np.square(np.where(y == 1.0, other_prob(batch), batch.pred - y))
