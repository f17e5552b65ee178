"""Losses of scores: of one by its margin m = s f with s = ±1, of K classes one of which is right, of K labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.core.batch import Batch, derived, flag, sign
from lossctl.core.declare import declare, loss
from lossctl.core.domain import FLAG, NON_NEGATIVE, ONE_HOT, SCORE, Whole
from lossctl.core.form import Form, along
from lossctl.core.loss import Loss
from lossctl.core.param import PerClass, Weights, params_of
from lossctl.losses.forms import CLASS_SCORE_CURVE, CLASS_SCORES, MARGIN, SCORES
from lossctl.losses.outcome import class_rows, has_labels, label_weight, observed_place, part_of, pick, spread
from lossctl.numerics.activation import sigmoid, softplus
from lossctl.numerics.array import Array, Mask
from lossctl.numerics.double import Pair, add, scale, two_sum

Margin = Annotated[float, NON_NEGATIVE, "the margin asked for"]
NEAREST = 0.5463024898437905, 2.9096576216837176e-17  # tan(1/2), where `tangent` is 0, as a pair


@derived
def margin_of(batch: Batch) -> Array:
    """The score times the sign of the target: positive where the decision is right."""
    return sign(batch) * batch.pred


def margin_loss(slope: Callable[..., Array], **facts: Any) -> Callable[[Callable[..., Array]], Loss]:
    """Declare the mean of a function of the margin, from its slope by the margin."""

    def declared(function: Callable[..., Array]) -> Loss:
        params = params_of(function)
        part = part_of(lambda batch, **args: function(margin_of(batch), **args), params)
        gradient = part_of(lambda batch, **args: sign(batch) * slope(margin_of(batch), **args), params)
        return declare(function, forms=(MARGIN,), row=part, gradient=gradient, **facts)

    return declared


def against(base: float, a: Array, b: Array) -> Array:
    """base + a - b, as if rounded once."""
    gap, lost = two_sum(a, -b)
    return (base + gap) + lost


def best_rival(batch: Batch) -> tuple[Array, NDArray[np.int64]]:
    """The highest score of another class than the observed one, and which class that is: the first of equal ones."""
    rivals = batch.pred.copy()
    rivals.reshape(-1)[observed_place(batch)] = -np.inf
    return np.maximum.reduce(rivals, axis=0), np.argmax(rivals, axis=0)


def shortfall(batch: Batch, margin: float, floor: bool) -> Array:
    """By how much the observed class misses its margin over the best rival, that scores at least 0 if `floor`."""
    best, _ = best_rival(batch)
    return against(margin, np.maximum(best, 0.0) if floor else best, pick(batch, batch.pred))


def _hinge_gradient(batch: Batch, *, margin: float, floor: bool) -> Array:
    if not has_labels(batch):
        return -sign(batch) * (margin > margin_of(batch))
    short = (shortfall(batch, margin, floor) > 0.0).astype(np.float64)
    best, rival = best_rival(batch)
    gradient = spread(batch, -short)
    np.put_along_axis(gradient, rival[np.newaxis], np.where(best > 0.0, short, 0.0) if floor else short, axis=0)
    return gradient


@loss(forms=lambda floor: (CLASS_SCORES,) if floor else (MARGIN, CLASS_SCORES), gradient=_hinge_gradient)
def hinge(
    batch: Batch,
    *,
    margin: Margin = 1.0,
    floor: Annotated[bool, None, "for labels: the best rival scores at least 0, as an absent class would"] = False,
) -> Array:
    """Hinge loss of scores.

    Targets are ±1 or 0/1, predictions are scores. Binary and multilabel with one target column per score,
    multiclass (Crammer-Singer) with one label column and K scores.

    Formula: mean of max(0, margin - s f), s = ±1; for labels: max(0, margin + max_{j≠y} f_j - f_y)
    Unit: score
    Optimises: the decision
    Use: Maximum-margin classification, as in support vector machines: the decision matters, not how sure it is.
    Avoid: Probabilities are wanted: it says nothing about them (bce, cce).
    Source: Cortes & Vapnik 1995, doi:10.1007/BF00994018; Crammer & Singer 2001
    Subgradient: 0 where the margin is just kept; the first of equal rivals, and the floor before any
    Also: hinge_loss, multiclass_hinge
    Elsewhere:
        scikit-learn  hinge_loss             # both classes must occur; where only one does, it takes it as -1
        keras         Hinge                  # of flags; float32 throughout
        keras         CategoricalHinge       = hinge:floor=true  # float32 throughout
        optax         hinge_loss
        optax         multiclass_hinge_loss
        torchmetrics  binary_hinge_loss      ≠ applies a sigmoid first if any score is outside [0, 1]
        torchmetrics  multiclass_hinge_loss  ≠ applies a softmax first if any score is outside [0, 1]
        permetrics    HGL                    = hinge:floor=true  # of columns, for two classes too
        CatBoost      HingeLoss
        XGBoost objective  binary:hinge
    """
    if has_labels(batch):
        return np.maximum(shortfall(batch, margin, floor), 0.0)
    return np.maximum(margin - margin_of(batch), 0.0)


@margin_loss(lambda m, margin: -2.0 * np.maximum(margin - m, 0.0))
def squared_hinge(m: Array, *, margin: Margin = 1.0) -> Array:
    """Squared hinge loss of scores; binary and multilabel.

    Formula: mean of max(0, margin - s f)², s = ±1
    Unit: score²
    Optimises: the decision
    Use: Two classes, no interest in certainty, as in spam or not spam; tanh as the last layer keeps scores in reach,
        though it never quite gets to 0.
    Avoid: Outliers or wrong labels: they count quadratically. Probabilities are wanted: bce.
    Source: Cortes & Vapnik 1995, doi:10.1007/BF00994018; Tang 2013, arXiv:1306.0239
    Elsewhere:
        keras         SquaredHinge                     # float32 throughout
        torchmetrics  binary_hinge_loss(squared=True)  ≠ applies a sigmoid first if any score is outside [0, 1]
        tutorials     the sum over rows                = squared_hinge --reduction sum
    """
    return np.square(np.maximum(margin - m, 0.0))


@margin_loss(lambda m: -sigmoid(-m))
def soft_margin(m: Array) -> Array:
    """Logistic loss of the margin, for ±1 or 0/1 targets; a row with several labels is their mean.

    Formula: mean of ln(1 + e^(-m)), m = s f, s = ±1
    Unit: nats
    Use: Scores that are log-odds, in the words of margins: it is bce of logits, number by number.
    Avoid: The columns are probabilities: bce.
    Source: Cox 1958, doi:10.1111/j.2517-6161.1958.tb00292.x
    Also: logistic, multilabel_soft_margin
    Elsewhere:
        torch  nn.SoftMarginLoss             # inf where s·f is below -709, in float32 below -88
        torch  nn.MultiLabelSoftMarginLoss   # of flags 0/1
        optax  sigmoid_binary_cross_entropy
    """
    return softplus(-m)


@margin_loss(lambda m: -np.exp(-m))
def exponential(m: Array) -> Array:
    """Exponential loss of the margin, the one of AdaBoost.

    Formula: mean of e^(-m), m = s f, s = ±1
    Unit: 1
    Use: To watch boosting, as in AdaBoost, whose rounds minimise it; the score is half of the log-odds.
    Avoid: Wrong labels: one row far on the wrong side outweighs all others (soft_margin, savage).
    Source: Freund & Schapire 1997, doi:10.1006/jcss.1997.1504
    Elsewhere:
        scikit-learn, private  _loss.ExponentialLoss  # of flags 0/1
    """
    return np.exp(-m)


@margin_loss(lambda m: -(m < 0.0).astype(np.float64))
def perceptron(m: Array) -> Array:
    """Perceptron loss: hinge without a margin.

    Formula: mean of max(0, -m), m = s f, s = ±1
    Unit: score
    Use: Only wrong decisions should cost, by how far the score is on the wrong side.
    Avoid: A margin is wanted: hinge. All scores 0 have loss 0.
    Source: Rosenblatt 1958, doi:10.1037/h0042519
    Subgradient: 0 at m = 0
    Elsewhere:
        optax  perceptron_loss
    """
    return np.maximum(-m, 0.0)


@margin_loss(lambda m: np.where(m < -1.0, -4.0, -2.0 * np.maximum(1.0 - m, 0.0)))
def modified_huber(m: Array) -> Array:
    """Modified Huber loss of the margin: squared hinge, linear below -1.

    Formula: mean of max(0, 1 - m)² for m >= -1, -4 m below, m = s f, s = ±1
    Unit: 1
    Use: A smooth hinge that bears wrong labels: quadratic near the margin, linear far on the wrong side.
    Avoid: Probabilities are wanted: bce, soft_margin.
    Source: Zhang 2004, doi:10.1145/1015330.1015332
    Elsewhere:
        scikit-learn, in training  SGDClassifier(loss='modified_huber')
    """
    return np.where(m < -1.0, -4.0 * m, np.square(np.maximum(1.0 - m, 0.0)))


@margin_loss(lambda m: -np.clip(1.0 - m, 0.0, 1.0))
def smoothed_hinge(m: Array) -> Array:
    """Smoothed hinge loss of the margin: the corner is a parabola.

    Formula: mean of 1/2 - m for m <= 0, (1 - m)²/2 for 0 < m < 1, 0 from 1 on, m = s f, s = ±1
    Unit: score
    Use: A hinge with a slope everywhere, for methods that need one.
    Avoid: Probabilities are wanted: bce, soft_margin.
    Source: Rennie & Srebro 2005, Loss functions for preference levels
    """
    return np.where(m <= 0.0, 0.5 - m, 0.5 * np.square(np.maximum(1.0 - m, 0.0)))


@margin_loss(lambda m: -2.0 * sigmoid(m) * np.square(sigmoid(-m)))
def savage(m: Array) -> Array:
    """Savage loss of the margin, bounded by 1: the Brier score of the sigmoid of the score.

    Formula: mean of 1/(1 + e^m)², m = s f, s = ±1
    Unit: 1
    Use: Labels are partly wrong: no row can cost more than 1. With sigmoid it is brier.
    Avoid: Training from a bad start: it is flat far on the wrong side.
    Source: Masnadi-Shirazi & Vasconcelos 2008, On the design of loss functions for classification
    """
    return np.square(sigmoid(-m))


def _beyond_tangent(m: Array) -> Array:
    """2 arctan(m) - 1; near its zero as one arctangent of the difference."""
    near = (m > 0.0) & (m < 1.6)
    x = np.where(near, m, 0.0)
    close = np.arctan(((x - NEAREST[0]) - NEAREST[1]) / (1.0 + x * NEAREST[0]))
    return np.where(near, 2.0 * close, 2.0 * np.arctan(m) - 1.0)


@margin_loss(lambda m: 4.0 * _beyond_tangent(m) / (1.0 + np.square(m)), best=None)
def tangent(m: Array) -> Array:
    """Tangent loss of the margin, 0 at m = tan(1/2) = 0.546 and bounded: (π + 1)² on the wrong side.

    Formula: mean of (2 arctan(m) - 1)², m = s f, s = ±1
    Unit: 1
    Use: Labels are partly wrong, as in tracking: bounded on both sides, and scores that are too sure cost as well.
    Avoid: A larger margin should never cost more: savage.
    Source: Masnadi-Shirazi, Mahadevan & Vasconcelos 2010, doi:10.1109/CVPR.2010.5540136
    """
    return np.square(_beyond_tangent(m))


@margin_loss(lambda m: -0.5 * np.clip(1.0 - m, 0.0, 2.0))
def sparsemax_binary(m: Array) -> Array:
    """Sparsemax loss of one score, whose probability is clip((1 + f)/2, 0, 1).

    Formula: mean of 0 for m >= 1, -m for m <= -1, (1 - m)²/4 between, m = s f, s = ±1
    Unit: 1
    Use: Two classes with sparse probabilities: certain rows, from a margin of 1 on, cost nothing.
    Avoid: Exactly one of several classes: sparsemax_multiclass.
    Source: Martins & Astudillo 2016, arXiv:1602.02068
    Elsewhere:
        optax  sparsemax_loss
    """
    return np.where(m <= -1.0, -m, np.square(0.5 * np.maximum(1.0 - m, 0.0)))


ONE_HOT_CURVE = along(CLASS_SCORE_CURVE.axis, SCORES, True, against="margin", target=[1.0, 0.0], pred=[SCORES, 0.0])
ONE_HOT_SCORES = Form("multiclass", {"target": ONE_HOT, "pred": SCORE}, ONE_HOT_CURVE, least=2)
LABEL_SCORES = Form(
    "multilabel",
    {"target": FLAG, "pred": SCORE},
    along(
        "score of the only true label, others at 0 and -1",
        SCORES,
        True,
        target=[1.0, 0.0, 0.0],
        pred=[SCORES, 0.0, -1.0],
    ),
)
MarginWeight = Annotated[
    Weights | None,
    PerClass(NON_NEGATIVE),
    "weights by the true class, 1/2/3 or cat:2; the mean is over rows all the same",
]
Power = Annotated[float, Whole(low=1.0, high=2.0), "1: the hinges, 2: their squares"]


def _misses(batch: Batch, margin: float) -> Array:
    """By how much each rival comes too near, (K, rows); 0 at the observed class."""
    misses = np.maximum(against(margin, batch.pred, pick(batch, batch.pred)), 0.0)
    misses.reshape(-1)[observed_place(batch)] = 0.0
    return misses


def _multi_margin_gradient(batch: Batch, *, p: float, margin: float, class_weight: Weights | None) -> Array:
    misses = _misses(batch, margin)
    slope = (misses > 0.0).astype(np.float64) if p == 1.0 else 2.0 * misses
    slope.reshape(-1)[observed_place(batch)] = -np.add.reduce(slope, axis=0)
    return slope * (label_weight(batch, class_weight) / len(batch.pred))


@loss(forms=(CLASS_SCORES,), gradient=_multi_margin_gradient)
def multi_margin(batch: Batch, *, p: Power = 1.0, margin: Margin = 1.0, class_weight: MarginWeight = None) -> Array:
    """Multiclass margin loss (Weston-Watkins): the hinges of the true class against every other one, over K.

    Formula: mean of w_y/K Σ_{j≠y} max(0, margin + f_j - f_y)^p
    Unit: score^p
    Use: Maximum-margin classification among several classes where every rival that comes too near counts, not only the
        best one.
    Avoid: Probabilities are wanted: cce. Only the best rival matters: hinge.
    Source: Weston & Watkins 1999, Support vector machines for multi-class pattern recognition
    Subgradient: 0 where a margin is just kept
    Elsewhere:
        torch      nn.MultiMarginLoss()
        torch      nn.MultiMarginLoss(p=2)               = multi_margin:p=2
        torch      nn.MultiMarginLoss(weight=[1, 2, 3])  = multi_margin:class_weight=1/2/3
        the paper  Weston & Watkins                      ≠ it does not divide by K, which is constant for one data set
    """
    misses = _misses(batch, margin)
    total = np.add.reduce(misses if p == 1.0 else np.square(misses), axis=0) / len(batch.pred)
    return total * label_weight(batch, class_weight)


@derived
def one_hot_sign(batch: Batch) -> Array:
    """+1 in the column of the observed class, -1 in the others, (K, rows)."""
    return 2.0 * class_rows(batch) - 1.0


@loss(
    forms=(CLASS_SCORES, ONE_HOT_SCORES),
    gradient=lambda batch, margin: -one_hot_sign(batch) * (one_hot_sign(batch) * batch.pred < margin),
)
def one_vs_all_hinge(batch: Batch, *, margin: Margin = 1.0) -> Array:
    """Mean over the classes of the hinge of each one against the rest.

    Formula: mean of 1/K Σ_c max(0, margin - s_c f_c), s_c = +1 for the class, -1 for the others
    Unit: score
    Use: K classifiers that were trained one against the rest, each with a score of its own.
    Avoid: Scores are compared with each other: hinge, multi_margin.
    Source: Rifkin & Klautau 2004, In defense of one-vs-all classification
    Subgradient: 0 where a margin is just kept
    Elsewhere:
        torchmetrics  multiclass_hinge_loss(multiclass_mode='one-vs-all')
            ≠ returns one value for each class, and applies a softmax first if any score is outside [0, 1]
        keras         Hinge  # of one-hot rows, whose 0 it takes as -1 where all targets are 0 and 1
    """
    return np.maximum(margin - one_hot_sign(batch) * batch.pred, 0.0)


def _multiclass_perceptron_gradient(batch: Batch) -> Array:
    gradient = np.zeros_like(batch.pred)
    np.put_along_axis(gradient, np.argmax(batch.pred, axis=0)[np.newaxis], 1.0, axis=0)
    gradient.reshape(-1)[observed_place(batch)] -= 1.0
    return gradient


@loss(forms=(CLASS_SCORES,), gradient=_multiclass_perceptron_gradient)
def multiclass_perceptron(batch: Batch) -> Array:
    """Multiclass perceptron loss: how far the true class scores below the highest.

    Formula: mean of max_j f_j - f_y
    Unit: score
    Use: Structured or multiclass perceptrons: only rows whose class does not score highest cost.
    Avoid: A margin is wanted: hinge. Equal scores have loss 0.
    Source: Collins 2002, doi:10.3115/1118693.1118694
    Subgradient: the first of equal highest scores
    Elsewhere:
        optax  multiclass_perceptron_loss
    """
    return np.maximum.reduce(batch.pred, axis=0) - pick(batch, batch.pred)


def _sparsemax(batch: Batch) -> tuple[Array, Array]:
    """Sparsemax of the scores, (K, rows), and how far the observed class is below the threshold of what gets a share.

    A score gets max(f - τ, 0), where k scores f with 1 + k f > Σ f, from the highest on, make τ = (Σ f - 1)/k. Gaps to
    the highest score are pairs, so that a rival that only just enters counts; none of -1 enters.
    """
    highest = np.maximum.reduce(batch.pred, axis=0)
    gap, lost = two_sum(batch.pred, -highest)
    near, lost = np.maximum(gap, -2.0), np.where(gap > -2.0, lost, 0.0)
    total: Pair = (np.zeros_like(highest), np.zeros_like(highest))
    support, count = total, np.zeros_like(highest)
    for place, classes in enumerate(np.argsort(-near, axis=0, kind="stable")):
        score = near[classes, np.arange(batch.rows)], lost[classes, np.arange(batch.rows)]
        total = add(total, score)
        enters = _above(score, np.full_like(highest, place + 1.0), total) > 0.0
        support = np.where(enters, total[0], support[0]), np.where(enters, total[1], support[1])
        count += enters
    above = np.stack([_above(score, count, support) for score in zip(near, lost, strict=True)]) / count
    below = np.maximum(-pick(batch, above), 0.0) + (pick(batch, near) - pick(batch, gap))
    return np.maximum(above, 0.0), below


def _above(score: Pair, count: Array, total: Pair) -> Array:
    """1 + count score - total: count times what a score is above the threshold of the `count` highest ones."""
    high, low = add(scale(score, count), (-total[0], -total[1]))
    one_more, error = two_sum(np.ones_like(high), high)
    return one_more + (error + low)


def _sparsemax_gradient(batch: Batch) -> Array:
    share, _ = _sparsemax(batch)
    share.reshape(-1)[observed_place(batch)] -= 1.0
    return share


@loss(forms=(CLASS_SCORES,), gradient=_sparsemax_gradient)
def sparsemax_multiclass(batch: Batch) -> Array:
    """Sparsemax loss of K scores, by what it leaves to the other classes: terms are positive and nothing cancels.

    Formula: mean of -f_y + 1/2 Σ_{c in S} (f_c² - τ²) + 1/2, S and τ = support and threshold of sparsemax(f)
    Unit: 1
    Use: Exactly one of several classes, with a model that ends with sparsemax and so gives exact zeros: rows whose
        class leads by 1 cost nothing.
    Avoid: Probabilities of all classes are wanted: cce.
    Source: Martins & Astudillo 2016, arXiv:1602.02068
    Elsewhere:
        optax  multiclass_sparsemax_loss
    """
    share, below = _sparsemax(batch)
    share.reshape(-1)[observed_place(batch)] = 0.0
    total = np.add.reduce(share, axis=0)
    return 0.5 * (np.add.reduce(np.square(share), axis=0) + np.square(total)) + below


def _label_pairs(batch: Batch) -> Iterator[tuple[int, Array, Mask]]:
    """Yield each label, by how much the others come too near to it, and where it is true and they are not."""
    true = flag(batch) > 0.0
    for label, x in enumerate(batch.pred):
        yield label, against(1.0, batch.pred, x), true[label] & ~true


def _multilabel_margin_gradient(batch: Batch) -> Array:
    gradient = np.zeros_like(batch.pred)
    for label, misses, pairs in _label_pairs(batch):
        active = ((misses > 0.0) & pairs).astype(np.float64)
        gradient += active
        gradient[label] -= np.add.reduce(active, axis=0)
    return gradient / len(batch.pred)


@loss(forms=(LABEL_SCORES,), gradient=_multilabel_margin_gradient)
def multilabel_margin(batch: Batch) -> Array:
    """Multilabel margin loss: the hinges of all pairs of a true and a false label, over K.

    Formula: mean of 1/K Σ_{j true} Σ_{i false} max(0, 1 - (f_j - f_i))
    Unit: score
    Use: Several of K labels may be true, and every true one should score above every false one by a margin.
    Avoid: Each label is a question of its own: soft_margin, bce.
    Source: Weston & Watkins 1999, Support vector machines for multi-class pattern recognition
    Subgradient: 0 where a margin is just kept
    Elsewhere:
        torch  nn.MultiLabelMarginLoss  # its target lists the true labels and ends with -1
    """
    total = np.zeros(batch.rows)
    for _, misses, pairs in _label_pairs(batch):
        total += np.add.reduce(np.where(pairs, np.maximum(misses, 0.0), 0.0), axis=0)
    return total / len(batch.pred)


@loss(forms=(LABEL_SCORES,))
def label_ranking_loss(batch: Batch) -> Array:
    """Share of wrongly ordered pairs of labels; equal scores are wrong.

    Formula: mean of the share of pairs, one label true and one false, with f_true <= f_false; 0 without such pairs
    Unit: 1 (between 0 and 1)
    Use: To report how well labels are ranked within each row, whatever the scale of the scores.
    Avoid: Training: it has no slope (multilabel_margin). Only some labels matter: weigh them by hand.
    Source: Tsoumakas, Katakis & Vlahavas 2010, doi:10.1007/978-0-387-09823-4_34
    Elsewhere:
        scikit-learn  label_ranking_loss
        torchmetrics  multilabel_ranking_loss  ≠ equal scores are ranked by their position
    """
    true = flag(batch)
    order = np.lexsort((1.0 - true, batch.pred), axis=0)  # of equal scores the true ones come first and are passed
    ranked = np.take_along_axis(true, order, axis=0)
    wrong = np.add.reduce(np.cumsum(ranked, axis=0) * (1.0 - ranked), axis=0)
    positive = np.add.reduce(true, axis=0)
    pairs = positive * (len(true) - positive)
    return wrong / np.where(pairs > 0.0, pairs, 1.0)


@loss(forms=(LABEL_SCORES,), best=None)
def coverage_error(batch: Batch) -> Array:
    """Rank of the lowest true label; equal scores count as ahead. At best it is the number of true labels.

    Formula: mean of the number of labels with f_i >= the lowest score of a true label; 0 without a true label
    Unit: labels
    Use: To report how far down the ranked labels one must go to meet all true ones.
    Avoid: Rows with many and with few true labels are compared: the best value is their number (label_ranking_loss).
    Source: Tsoumakas, Katakis & Vlahavas 2010, doi:10.1007/978-0-387-09823-4_34
    Elsewhere:
        scikit-learn  coverage_error
        torchmetrics  multilabel_coverage_error  ≠ it works on sigmoids of scores outside [0, 1], which may tie
    """
    lowest = np.minimum.reduce(np.where(flag(batch) > 0.0, batch.pred, np.inf), axis=0)
    return np.add.reduce((batch.pred >= lowest).astype(np.float64), axis=0)
