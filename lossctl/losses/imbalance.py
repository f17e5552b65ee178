"""Losses that play down what is easy, for rare classes and labels."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from lossctl.core.batch import Batch
from lossctl.core.domain import NON_NEGATIVE, UNIT, Interval
from lossctl.core.loss import differs, loss, same
from lossctl.core.param import PerClass, Value
from lossctl.losses.classification import Eps
from lossctl.losses.forms import BINARY, CLASS_ROWS, CLASSES
from lossctl.losses.observed import (
    Outcome,
    class_weights,
    clipped,
    expected,
    expected_score,
    expected_slope,
    inside,
    without,
)
from lossctl.losses.weighted import IgnoreClass, Smoothing, divided
from lossctl.numerics.array import Array

Gamma = Annotated[
    float, Interval(low=0.0, low_closed=True), "how strongly easy rows are played down; 0 is cross-entropy"
]
Alpha = Annotated[
    float | None,
    PerClass(UNIT, single=True),
    "factor on each class; a number alone is that of the positive class, 1 - alpha of the other, or of every class if "
    "multiclass",
]
MIXED = "of soft ones it mixes p_t, not the costs"


def _alpha(batch: Batch, alpha: Value, ignore_class: str | None) -> Array | None:
    """The factors on the outcomes."""
    if alpha is None and ignore_class is None:
        return None
    if isinstance(alpha, float) and batch.form != "multiclass":
        return np.array([1.0 - alpha, alpha])
    return without(batch, class_weights(batch, alpha, "alpha"), ignore_class)


def _focal_cost(
    batch: Batch, *, gamma: float, alpha: Value, eps: float, label_smoothing: float, ignore_class: str | None
) -> Array:
    def score(outcome: Outcome) -> Array:
        rest = np.clip(outcome.other, eps, 1.0 - eps) if eps > 0.0 else outcome.other
        return -expected(rest**gamma, clipped(outcome.log_p, eps))

    weights = _alpha(batch, alpha, ignore_class)
    return expected_score(batch, score, smoothing=label_smoothing, weights=weights)


def _focal_gradient(
    batch: Batch, *, gamma: float, alpha: Value, eps: float, label_smoothing: float, ignore_class: str | None
) -> Array:
    def elasticity(outcome: Outcome) -> Array:
        p, other, log_p = outcome.p, outcome.other, clipped(outcome.log_p, eps)
        rest = np.clip(other, eps, 1.0 - eps) if eps > 0.0 else other
        # γ p (1 - p)^(γ - 1) ln p goes to 0 at p = 1, though for γ < 1 its middle factor does not
        still = (rest == 0.0) | (gamma == 0.0)
        easy = np.where(still, 0.0, gamma * np.power(rest, gamma - 1.0) * expected(p, log_p))
        return np.where(inside(p, eps), easy - np.power(rest, gamma), 0.0)

    weights = _alpha(batch, alpha, ignore_class)
    return expected_slope(batch, elasticity, smoothing=label_smoothing, weights=weights)


@loss(
    forms=(BINARY, CLASSES, CLASS_ROWS),
    gradient=_focal_gradient,
    raw_gradient=_focal_gradient,
    variant=divided(_focal_cost),
    formula="mean of -α_t (1 - p_t)^γ ln p_t, p_t = probability given to what was observed",
    unit="nats",
    source="Lin et al. 2017, arXiv:1708.02002",
    use="A strongly unbalanced data set, as in object detection, or classes without a clear border, as song genres: "
    "easy rows are played down so that hard ones count. With softmax for one of K classes; the paper itself uses "
    "sigmoid, one output per class.",
    avoid="Calibrated probabilities are wanted: for gamma > 0 it is not proper and pulls them towards 1/2.",
    elsewhere=(
        same(
            "torchvision",
            "sigmoid_focal_loss(alpha=0.25)",
            "focal:alpha=0.25",
            activation="sigmoid",
            note=f"of certain targets; {MIXED}",
        ),
        same(
            "keras",
            "BinaryFocalCrossentropy(apply_class_balancing=True)",
            "focal:alpha=0.25,eps=1e-7",
            note=f"of certain targets; {MIXED}; without apply_class_balancing its alpha does nothing; its means are "
            "float32",
        ),
        same(
            "keras",
            "CategoricalFocalCrossentropy",
            "focal:alpha=0.25,eps=1e-7",
            note="a factor on every class; it divides each row by its sum first; its means are float32",
        ),
        same(
            "optax",
            "sigmoid_focal_loss(gamma=gamma)",
            activation="sigmoid",
            note=f"of certain targets; {MIXED}",
        ),
    ),
)
def focal(
    batch: Batch,
    *,
    gamma: Gamma = 2.0,
    alpha: Alpha = None,
    eps: Eps = 0.0,
    label_smoothing: Smoothing = 0.0,
    ignore_class: IgnoreClass = None,
) -> Array:
    """Focal loss: cross-entropy that plays down what is already right.

    Binary and multilabel by one probability per output, multiclass by K columns. A soft target is the average
    over what may be observed. gamma = 0 with alpha off is cross-entropy. A large gamma multiplies the rounding of
    1 - p: the value is right to about gamma + 2 units in the last place.
    """
    return _focal_cost(
        batch, gamma=gamma, alpha=alpha, eps=eps, label_smoothing=label_smoothing, ignore_class=ignore_class
    )


def _asymmetric_no(outcome: Outcome, clip: float) -> tuple[Array, Array]:
    """p of a no above the margin, and -ln of the rest."""
    p, other = outcome.other, outcome.p
    beyond = np.maximum(p - clip, 0.0) if clip > 0.0 else p
    if clip == 0.0:
        return beyond, -outcome.log_p
    far = beyond > 0.5
    return beyond, np.where(far, -np.log(np.where(far, other + clip, 1.0)), -np.log1p(-np.where(far, 0.0, beyond)))


def _asymmetric_gradient(batch: Batch, *, gamma_pos: float, gamma_neg: float, clip: float) -> Array:
    def elasticity(outcome: Outcome) -> Array:
        if np.ndim(outcome.y) == 0 and outcome.y == 1.0:
            p, other = outcome.p, outcome.other
            still = (other == 0.0) | (gamma_pos == 0.0)
            easy = np.where(still, 0.0, gamma_pos * np.power(other, gamma_pos - 1.0))
            return expected(easy, expected(p, outcome.log_p)) - np.power(other, gamma_pos)
        beyond, cost = _asymmetric_no(outcome, clip)
        left = outcome.p
        flat = (beyond == 0.0) & (clip > 0.0)
        still = (beyond == 0.0) | (gamma_neg == 0.0)
        easy = np.where(still, 0.0, gamma_neg * np.power(beyond, gamma_neg - 1.0))
        steep = np.power(beyond, gamma_neg) * (left / (left + clip) if clip > 0.0 else 1.0)
        return np.where(flat, 0.0, -expected(easy, expected(left, cost)) - steep)

    return expected_slope(batch, elasticity)


@loss(
    forms=(BINARY,),
    gradient=_asymmetric_gradient,
    raw_gradient=_asymmetric_gradient,
    subgradient="0 at p = clip for an observed 0",
    formula="mean of -y (1 - p)^γ₊ ln p - (1 - y) m^γ₋ ln(1 - m), m = max(p - clip, 0)",
    unit="nats",
    aliases=("asymmetric_loss",),
    source="Ridnik et al. 2021, arXiv:2009.14119",
    use="Many labels per row of which few are true: easy negatives are played down more than positives, and those "
    "below `clip` not counted at all.",
    avoid="Calibrated probabilities are wanted: bce.",
    elsewhere=(
        differs("paper", "AsymmetricLoss", "it sums over rows and labels, clips at 1e-8, and has gamma_pos = 1"),
    ),
)
def asymmetric(
    batch: Batch,
    *,
    gamma_pos: Annotated[float, NON_NEGATIVE, "focusing of observed ones"] = 0.0,
    gamma_neg: Annotated[float, NON_NEGATIVE, "focusing of observed zeros"] = 4.0,
    clip: Annotated[
        float, Interval(low=0.0, high=1.0, low_closed=True), "p of an observed 0 is lowered by this"
    ] = 0.05,
) -> Array:
    """Asymmetric loss of multilabel probabilities.

    A row is the mean over its outputs. gamma_pos = gamma_neg with clip = 0 is focal. A large gamma multiplies the
    rounding of 1 - p and p - clip: right to about gamma + 2 units in the last place, and from logits, where p itself
    is rounded, of p wherever p - clip cancels.
    """

    def score(outcome: Outcome) -> Array:
        def of_yes() -> Array:
            return -expected(np.power(outcome.other, gamma_pos), outcome.log_p)

        def of_no() -> Array:
            beyond, cost = _asymmetric_no(outcome, clip)
            return expected(np.power(beyond, gamma_neg), cost)

        if np.ndim(outcome.y) == 0:
            return of_yes() if outcome.y == 1.0 else of_no()
        return np.where(outcome.y == 1.0, of_yes(), of_no())

    return expected_score(batch, score)
