"""Losses of predicted probabilities: binary, multilabel and multiclass."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from lossctl.core.batch import Batch, flag, log_prob, other_prob
from lossctl.core.domain import OPEN_UNIT, UNIT, Array, Interval
from lossctl.core.loss import loss
from lossctl.losses.forms import BINARY, BINARY_ONE, CLASS_ROWS, CLASSES, DECISION, ONE_HOT_ROWS
from lossctl.losses.observed import (
    certain,
    clipped,
    expected,
    expected_score,
    expected_slope,
    has_labels,
    inside,
    observed_place,
    other_observed,
    pick,
)

HALF = Interval(low=0.0, high=0.5, low_closed=True)
Eps = Annotated[float, HALF, "clip p to [eps, 1 - eps] first; 0 leaves ln 0 = -inf"]
Gamma = Annotated[
    float, Interval(low=0.0, low_closed=True), "how strongly easy rows are played down; 0 is cross-entropy"
]
Alpha = Annotated[
    float | None, UNIT, "weight of the positive class, 1 - alpha of the other; of every class if multiclass"
]


def _cross_entropy(batch: Batch, eps: float) -> Array:
    return expected_score(batch, lambda log_p, other, y: -clipped(log_p, eps))


def _cross_entropy_gradient(batch: Batch, *, eps: float) -> Array:
    return expected_slope(batch, lambda p, positive: np.where(inside(p, eps), -1.0 / p, 0.0))


@loss(
    forms=(BINARY,),
    gradient=_cross_entropy_gradient,
    formula="mean of -[y ln p + (1 - y) ln(1 - p)]",
    unit="nats",
    aliases=("binary_cross_entropy", "binary_crossentropy"),
    source="Good 1952; Cox 1958, doi:10.1111/j.2517-6161.1958.tb00292.x",
    use="Yes/no questions, one or several at once (multilabel), down to every pixel of a binary segmentation; "
    "end the model with sigmoid. The most common choice for two classes; it asks for the probability. It equals the "
    "average of cce over as many two-class tasks.",
    avoid="Exactly one of several classes is right: cce. Only the decision matters: hinge.",
    peers={
        "torch": "nn.BCELoss: bce:eps=3.720075976020836e-44 (it clamps ln p at -100); BCEWithLogitsLoss: bce with "
        "--activation sigmoid",
        "keras": "BinaryCrossentropy: bce:eps=1e-7, in float32",
        "scikit-learn": "log_loss: bce:eps=2.220446049250313e-16 for float64",
        "optax": "sigmoid_binary_cross_entropy: bce with --activation sigmoid",
    },
)
def bce(batch: Batch, *, eps: Eps = 0.0) -> Array:
    """Binary cross-entropy (log loss) of probabilities.

    Exact: p = 0 for an observed 1 costs infinity. A row with several outputs (multilabel) is their mean.
    Targets are 0/1, -1/+1 or probabilities. From logits (--activation sigmoid) no digit is lost at any size.
    """
    return _cross_entropy(batch, eps)


@loss(
    forms=(CLASSES, CLASS_ROWS),
    gradient=_cross_entropy_gradient,
    formula="mean of -Σ_c q_c ln p_c; for a label y: -ln p_y",
    unit="nats",
    aliases=("categorical_cross_entropy", "categorical_crossentropy"),
    source="Good 1952; softmax: Bridle 1990, doi:10.1007/978-3-642-76153-9_28",
    use="Exactly one of K classes is right; the model ends with softmax and targets are labels, one-hot or soft rows. "
    "It asks for the class probabilities.",
    avoid="Several classes may be right at once: bce. That sigmoid is a perfect match for it, as is sometimes "
    "written, holds for one two-class output only: K independent sigmoids do not sum to 1.",
    peers={
        "torch": "nn.CrossEntropyLoss: cce with --activation softmax",
        "keras": "CategoricalCrossentropy: cce:eps=1e-7 after it divides each row by its sum",
        "scikit-learn": "log_loss: cce:eps=2.220446049250313e-16; columns must be in sorted label order there",
        "optax": "softmax_cross_entropy: cce with --activation softmax",
    },
)
def cce(batch: Batch, *, eps: Eps = 0.0) -> Array:
    """Categorical cross-entropy of rows of probabilities.

    Targets are class labels, one-hot rows or soft rows. Rows are not renormalised: a row that does not sum to 1
    is an error.
    """
    return _cross_entropy(batch, eps)


def _alpha(alpha: float | None, batch: Batch, y: Array | float) -> Array | float:
    """The weight of an outcome, or of any class."""
    if alpha is None:
        return 1.0
    return alpha if batch.form == "multiclass" else alpha * y + (1.0 - alpha) * (1.0 - y)


def _focal_gradient(batch: Batch, *, gamma: float, alpha: float | None, eps: float) -> Array:
    def slope(p: Array, positive: bool) -> Array:
        held = np.clip(p, eps, 1.0 - eps) if eps > 0.0 else p
        other = 1.0 - held
        # γ (1 - p)^(γ - 1) ln p goes to 0 at p = 1, though for γ < 1 its first factor does not
        easy = np.where(other == 0.0, 0.0, gamma * np.power(other, gamma - 1.0) * np.log(held))
        steep = easy - np.power(other, gamma) / held
        share = _alpha(alpha, batch, float(positive))
        return expected(np.where(inside(p, eps), share, 0.0), steep)

    return expected_slope(batch, slope)


@loss(
    forms=(BINARY, CLASSES, CLASS_ROWS),
    gradient=_focal_gradient,
    formula="mean of -α_t (1 - p_t)^γ ln p_t, p_t = probability given to what was observed",
    unit="nats",
    source="Lin et al. 2017, arXiv:1708.02002",
    use="A strongly unbalanced data set, as in object detection, or classes without a clear border, as song genres: "
    "easy rows are played down so that hard ones count. With softmax for one of K classes; the paper itself uses "
    "sigmoid, one output per class.",
    avoid="Calibrated probabilities are wanted: for gamma > 0 it is not proper and pulls them towards 1/2.",
    peers={
        "torchvision": "sigmoid_focal_loss: focal:alpha=0.25 with --activation sigmoid, per element unless reduced",
        "keras": "BinaryFocalCrossentropy: focal:eps=1e-7; its alpha acts only with apply_class_balancing=True. "
        "CategoricalFocalCrossentropy: focal:alpha=0.25,eps=1e-7 (a factor on every class) after it divides each row "
        "by its sum",
        "optax": "sigmoid_focal_loss: focal with --activation sigmoid; for soft targets it mixes p_t instead",
    },
)
def focal(batch: Batch, *, gamma: Gamma = 2.0, alpha: Alpha = None, eps: Eps = 0.0) -> Array:
    """Focal loss: cross-entropy that plays down what is already right.

    Binary and multilabel by one probability per output, multiclass by K columns. A soft target is the average
    over what may be observed. gamma = 0 with alpha off is cross-entropy.
    """

    def score(log_p: Array, other: Array, y: Array | float) -> Array:
        rest = np.clip(other, eps, 1.0 - eps) if eps > 0.0 else other
        return -expected(_alpha(alpha, batch, y) * rest**gamma, clipped(log_p, eps))

    return expected_score(batch, score)


def _one_hot(batch: Batch) -> Array:
    """The target as (K, rows) probabilities."""
    if not has_labels(batch):
        return batch.target
    rows = np.zeros_like(batch.pred)
    np.put_along_axis(rows, batch.target[np.newaxis], 1.0, axis=0)
    return rows


def _brier_gradient(batch: Batch) -> Array:
    return 2.0 * (batch.pred - (_one_hot(batch) if batch.form == "multiclass" else flag(batch)))


@loss(
    forms=(BINARY_ONE, CLASSES, CLASS_ROWS),
    gradient=_brier_gradient,
    formula="binary: mean of (p - y)²; multiclass: mean of Σ_c (p_c - q_c)²",
    unit="1",
    aliases=("brier_score",),
    source="Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2",
    use="Calibrated probabilities, with no row able to cost more than 1 (binary) or 2 (multiclass).",
    avoid="Rare events whose small probabilities must be told apart: bce sees their ratio, this does not.",
    peers={
        "scikit-learn": "brier_score_loss: same for one column and for three classes or more; for two "
        "columns it is half of this unless scale_by_half=False",
        "permetrics": "BSL: the sum over both columns, twice the binary value",
    },
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


@loss(
    forms=(DECISION, CLASSES, ONE_HOT_ROWS),
    formula="share of rows whose predicted class is wrong",
    unit="1",
    aliases=("zero_one_loss", "error_rate"),
    source="Wald 1950, Statistical Decision Functions",
    use="To report how often the decision is wrong; 1 minus accuracy.",
    avoid="Training (it has no slope) and unbalanced classes, where always naming the largest looks good.",
    peers={
        "scikit-learn": "zero_one_loss: same on predicted labels",
        "torchmetrics": "1 - accuracy(average='micro'): same at 0.5",
    },
)
def zero_one(batch: Batch, *, threshold: Annotated[float, OPEN_UNIT, "binary: a larger p is a yes"] = 0.5) -> Array:
    """Share of wrong decisions.

    Binary: yes where p > threshold. Multiclass: the class of the largest column, the first of equal ones.
    """
    if batch.form == "multiclass":
        truth = batch.target if has_labels(batch) else np.argmax(batch.target, axis=0)
        top = np.maximum.reduce(batch.raw, axis=0)
        if np.count_nonzero(batch.raw == top) == batch.rows and has_labels(batch):  # no class shares the top
            return (pick(batch, batch.raw) != top).astype(np.float64)
        return (np.argmax(batch.raw, axis=0) != truth).astype(np.float64)
    # a logit is compared as a logit, so that the nearest ones to the threshold are judged right
    sigmoid = batch.activation == "sigmoid"
    yes = batch.raw > np.log(threshold / (1.0 - threshold)) if sigmoid else batch.pred > threshold
    return (yes != (flag(batch) == 1.0)).astype(np.float64)


def _kl_gradient(batch: Batch) -> Array:
    return -expected(batch.target, 1.0 / batch.pred)


@loss(
    forms=(CLASS_ROWS,),
    gradient=_kl_gradient,
    formula="mean of Σ_c q_c ln(q_c / p_c), q = target row, p = prediction row",
    unit="nats",
    aliases=("kl_divergence", "kullback_leibler"),
    source="Kullback & Leibler 1951, doi:10.1214/aoms/1177729694",
    use="The target is itself a distribution: soft labels, a teacher model, several annotators.",
    avoid="Targets are plain labels: cce says the same and needs no K columns.",
    peers={
        "torch": "nn.KLDivLoss(reduction='batchmean') of ln p: same; its default mean divides by K once more",
        "keras": "KLDivergence: clips both rows to [1e-7, 1]",
        "optax": "kl_divergence: same, of ln p",
    },
)
def kl(batch: Batch) -> Array:
    """Kullback-Leibler divergence of the predicted row from the target row; 0 ln 0 = 0.

    cce minus the entropy of the target: 0 where the rows are equal, infinite where p = 0 and q > 0.
    """
    q = batch.target
    if batch.activation == "softmax":
        return np.add.reduce(expected(q, np.log(q) - log_prob(batch)), axis=0)
    gap = (batch.pred - q) / q
    return np.add.reduce(expected(q, np.where(np.abs(gap) < 0.5, -np.log1p(gap), np.log(q) - log_prob(batch))), axis=0)
