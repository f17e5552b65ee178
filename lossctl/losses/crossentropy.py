"""Relatives of cross-entropy: other inputs, other readings, and what keeps wrong labels from dominating."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np

from lossctl.core.batch import Batch, log_prob
from lossctl.core.domain import LABELS, LOG_SIMPLEX, POSITIVE, Interval
from lossctl.core.form import Curve, Form
from lossctl.core.loss import combine, differs, loss, same
from lossctl.core.param import Value, params_of
from lossctl.core.statistic import Means, Statistic
from lossctl.losses.classification import Eps
from lossctl.losses.forms import CLASS_CURVE, CLASS_ROWS, CLASSES
from lossctl.losses.observed import (
    Outcome,
    class_rows,
    class_slope,
    clipped,
    expected,
    expected_score,
    expected_slope,
    known,
    observed_place,
    row_weights,
)
from lossctl.losses.weighted import ClassWeight, IgnoreClass, class_mass, divided, outcome_weights
from lossctl.numerics.array import Array
from lossctl.numerics.deviance import ODD
from lossctl.numerics.logarithm import polynomial

LOG_CLASSES = Form(
    "multiclass",
    {"target": LABELS, "pred": LOG_SIMPLEX},
    Curve(
        CLASS_CURVE.axis,
        CLASS_CURVE.points,
        {
            "target": CLASS_CURVE.roles["target"],
            "pred": tuple(tuple(float(np.log(p)) for p in column) for column in CLASS_CURVE.roles["pred"]),
        },
    ),
)
ROW_SUM = "it divides each row by its sum, then clips p to [1e-7, 1 - 1e-7]"


def _nll_cost(batch: Batch, *, class_weight: Value, ignore_class: str | None) -> Array:
    weights = outcome_weights(batch, class_weight, ignore_class)
    whole = known(batch, weights)
    cost = -np.take(whole.pred.reshape(-1), observed_place(whole))
    return cost if weights is None else expected(row_weights(batch, weights), cost)


def _nll_gradient(batch: Batch, *, class_weight: Value, ignore_class: str | None) -> Array:
    weights = outcome_weights(batch, class_weight, ignore_class)
    full = np.zeros(batch.pred.shape)
    rise = -1.0 if weights is None else -row_weights(batch, weights)[np.newaxis]
    np.put_along_axis(full, known(batch, weights).target[np.newaxis], rise, axis=0)
    return full


@loss(
    forms=(LOG_CLASSES,),
    gradient=_nll_gradient,
    variant=divided(_nll_cost, (LOG_CLASSES,)),
    formula="mean of -ln p_y, the columns being ln p",
    unit="nats",
    aliases=("nll_loss",),
    source="Fisher 1922, doi:10.1098/rsta.1922.0009",
    use="The model ends with log_softmax, so that its columns are log-probabilities.",
    avoid="The columns are probabilities (cce) or logits (cce with --activation softmax): here they would be refused.",
    elsewhere=(
        same("torch", "nn.NLLLoss", "cce", note="of ln p"),
        same("torch", "nn.NLLLoss(weight=[1, 2, 3])", "cce:class_weight=1/2/3,ignore_class=-100", note="of ln p"),
    ),
)
def nll(batch: Batch, *, class_weight: ClassWeight = None, ignore_class: IgnoreClass = None) -> Array:
    """Negative log-likelihood of rows of log-probabilities.

    A row is K columns of ln p, of which -inf is ln 0; the probabilities must sum to 1.
    """
    return _nll_cost(batch, class_weight=class_weight, ignore_class=ignore_class)


def _surprise(batch: Batch, *, eps: float) -> Array:
    return expected_score(batch, lambda outcome: -clipped(outcome.log_p, eps))


def _counted_surprise(batch: Batch, *, eps: Eps = 0.0, ignore_class: IgnoreClass = None) -> Array:
    weights = outcome_weights(batch, None, ignore_class)
    return expected_score(batch, lambda outcome: -clipped(outcome.log_p, eps), weights=weights)


def _exp_of_ratio_slope(m: Means) -> tuple[Any, ...]:
    value = np.exp(m[0] / m[1])
    return value / m[1], -value * m[0] / m[1] ** 2


EXPONENTIAL = Statistic("exponential of a mean", lambda m: np.exp(m[0]), lambda m: (np.exp(m[0]),), "log")
EXPONENTIAL_COUNTED = Statistic(
    "exponential of a mean over the rows that count",
    lambda m: np.exp(m[0] / m[1]),
    _exp_of_ratio_slope,
    "log",
    undefined="the classes that count are in no row",
)


def _perplexity_variant(args: Mapping[str, Any]) -> Mapping[str, Any]:
    if args["ignore_class"] is None:
        return {}
    return {"parts": (_counted_surprise, class_mass), "reading": EXPONENTIAL_COUNTED, "forms": (CLASSES,)}


perplexity = combine(
    "perplexity",
    parts=(_surprise,),
    reading=EXPONENTIAL,
    variant=_perplexity_variant,
    params=params_of(_counted_surprise),
    forms=(CLASSES, CLASS_ROWS),
    best=1.0,
    summary="Exponential of the cross-entropy: how many equally likely classes the model hesitates between.",
    doc="e to the power of cce: 1 is certain and right, K a guess among K classes. The exponential multiplies the\n"
    "rounding of the mean: it is right to about twice as many units in the last place as the cross-entropy has nats.",
    formula="exp(mean of -ln p_y)",
    unit="classes",
    source="Jelinek et al. 1977, doi:10.1121/1.2016299",
    use="Language models: a row is a token, its columns the vocabulary.",
    avoid="Averaging over data sets: average cce, then take the exponential.",
    elsewhere=(same("torchmetrics", "perplexity", activation="softmax"),),
)


def _poly1_cost(outcome: Outcome, epsilon: float) -> Array:
    other = outcome.other
    if epsilon >= 0.0:
        return epsilon * other - outcome.log_p
    near = other < 2.0 / 3.0  # there -ln p - (1 - p) has its digits in a series of positive terms alone
    w = np.where(near, other, 0.0) / (2.0 - np.where(near, other, 0.0))
    series = w * (other + 2.0 * np.square(w) * polynomial(np.square(w), ODD))
    return (1.0 + epsilon) * other + np.where(near, series, -outcome.log_p - other)


def _poly1_gradient(batch: Batch, *, epsilon: float) -> Array:
    return expected_slope(batch, lambda outcome: -1.0 - epsilon * outcome.p)


@loss(
    forms=(CLASSES, CLASS_ROWS),
    gradient=_poly1_gradient,
    raw_gradient=_poly1_gradient,
    formula="mean of -ln p_y + ε (1 - p_y)",
    unit="nats",
    aliases=("poly_loss", "poly1_cross_entropy"),
    source="Leng et al. 2022, arXiv:2204.12511",
    use="A drop-in for cce whose first polynomial coefficient is tuned to the task: a positive ε presses on confident "
    "rows, a negative one relaxes.",
    avoid="Probabilities are the goal: with ε other than 0 it is not proper.",
    elsewhere=(same("optax", "poly_loss_cross_entropy(epsilon=epsilon)", activation="softmax"),),
)
def poly1(
    batch: Batch,
    *,
    epsilon: Annotated[float, Interval(low=-1.0, low_closed=True), "added to the coefficient of 1 - p; 0 is cce"] = 2.0,
) -> Array:
    """Poly-1 cross-entropy: cce with its linear term changed. Soft rows weigh the classes."""
    return expected_score(batch, lambda outcome: _poly1_cost(outcome, epsilon))


def _gce_gradient(batch: Batch, *, q: float) -> Array:
    return expected_slope(
        batch,
        lambda outcome: -np.exp(q * outcome.log_p),
        slope=lambda outcome: -np.power(outcome.p, q - 1.0),
    )


@loss(
    forms=(CLASSES, CLASS_ROWS),
    gradient=_gce_gradient,
    raw_gradient=_gce_gradient,
    formula="mean of (1 - p_y^q)/q",
    unit="1",
    aliases=("generalized_cross_entropy", "lq_loss"),
    source="Zhang & Sabuncu 2018, arXiv:1805.07836",
    use="Labels of which a share is wrong: between cce (q near 0), which learns fast, and the mean absolute error of "
    "probabilities (q = 1), which wrong labels hardly move.",
    avoid="Clean labels, and rare classes: it gives up on what is hard.",
    elsewhere=(same("keras", "CategoricalGeneralizedCrossEntropy(q=q)", note="it takes class numbers only"),),
)
def gce(
    batch: Batch,
    *,
    q: Annotated[float, Interval(low=0.0, high=1.0, high_closed=True), "near 0 as cce, 1 as absolute error"] = 0.7,
) -> Array:
    """Generalised cross-entropy of the probability of what was observed. Soft rows weigh the classes."""
    return expected_score(batch, lambda outcome: -np.expm1(q * outcome.log_p) / q)


def _told(batch: Batch, log_zero: float) -> Array:
    """-ln of the target, with ln 0 and everything below it set to `log_zero`."""
    return -np.maximum(np.log(class_rows(batch)), log_zero)


def _symmetric_ce_gradient(batch: Batch, *, alpha: float, beta: float, log_zero: float) -> Array:
    rows = class_rows(batch)
    if batch.activation != "none":
        return class_slope(batch, beta * _told(batch, log_zero) * batch.pred - alpha * rows)
    return beta * _told(batch, log_zero) + class_slope(batch, -alpha * rows)


@loss(
    forms=(CLASSES, CLASS_ROWS),
    gradient=_symmetric_ce_gradient,
    raw_gradient=_symmetric_ce_gradient,
    formula="mean of -α Σ_c q_c ln p_c - β Σ_c p_c max(ln q_c, A), A = log_zero",
    unit="nats",
    aliases=("symmetric_cross_entropy",),
    source="Wang et al. 2019, arXiv:1908.06112",
    use="Labels of which a share is wrong: the reversed term is bounded, a wrong label costs at most -β A there.",
    avoid="Clean labels: cce says the same with one term.",
    elsewhere=(
        differs("paper", "its code", "it clips p to [1e-7, 1] and q to [1e-4, 1], so that A is ln 1e-4 = -9.2"),
    ),
)
def symmetric_ce(
    batch: Batch,
    *,
    alpha: Annotated[float, POSITIVE, "factor on cross-entropy"] = 0.1,
    beta: Annotated[float, POSITIVE, "factor on reversed cross-entropy"] = 1.0,
    log_zero: Annotated[float, Interval(high=0.0), "A: what ln q is at least, as where q = 0"] = -4.0,
) -> Array:
    """Symmetric cross-entropy: cce plus the cross-entropy of the target under the prediction."""
    forward = expected(alpha * class_rows(batch), -log_prob(batch))
    return np.add.reduce(forward + beta * batch.pred * _told(batch, log_zero), axis=0)
