"""Losses of K scores by their margins: one class of K is right, or any number of K labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np

from lossctl.core.batch import Batch, derived, flag
from lossctl.core.domain import FLAG, NON_NEGATIVE, ONE_HOT, SCORE, Whole
from lossctl.core.form import Curve, Form
from lossctl.core.loss import differs, loss, same
from lossctl.core.param import PerClass, Weights
from lossctl.losses.forms import CLASS_SCORE_CURVE, CLASS_SCORES, SCORES
from lossctl.losses.margin import Margin
from lossctl.losses.observed import class_weights, has_labels, observed_place, pick
from lossctl.losses.rivals import against
from lossctl.numerics.array import Array, Mask
from lossctl.numerics.double import Pair, add, scale, two_sum

OTHER_SCORES = ((0.0,) * len(SCORES), (-1.0,) * len(SCORES))
ONE_HOT_CURVE = Curve(
    CLASS_SCORE_CURVE.axis,
    CLASS_SCORE_CURVE.points,
    {"target": ((1.0,) * len(SCORES), (0.0,) * len(SCORES)), "pred": CLASS_SCORE_CURVE.roles["pred"]},
)
ONE_HOT_SCORES = Form("multiclass", {"target": ONE_HOT, "pred": SCORE}, ONE_HOT_CURVE, least=2)
LABEL_SCORES = Form(
    "multilabel",
    {"target": FLAG, "pred": SCORE},
    Curve(
        "score of the only true label, others at 0 and -1",
        tuple(f"{x:g}" for x in SCORES),
        {"target": ((1.0,) * len(SCORES), *((0.0,) * len(SCORES),) * 2), "pred": (SCORES, *OTHER_SCORES)},
    ),
)
WESTON = "Weston & Watkins 1999, Support vector machines for multi-class pattern recognition"
ClassWeight = Annotated[
    Weights | None,
    PerClass(NON_NEGATIVE),
    "weights by the true class, 1/2/3 or cat:2; the mean is over rows all the same",
]
Power = Annotated[float, Whole(low=1.0, high=2.0), "1: the hinges, 2: their squares"]


def _weight(batch: Batch, class_weight: Weights | None) -> Array | float:
    return 1.0 if class_weight is None else class_weights(batch, class_weight)[batch.target]


def _misses(batch: Batch, margin: float) -> Array:
    """By how much each rival comes too near, (K, rows); 0 at the observed class."""
    found = np.maximum(against(margin, batch.pred, pick(batch, batch.pred)), 0.0)
    np.put_along_axis(found, batch.target[np.newaxis], 0.0, axis=0)
    return found


def _multi_margin_gradient(batch: Batch, *, p: float, margin: float, class_weight: Weights | None) -> Array:
    missed = _misses(batch, margin)
    slope = (missed > 0.0).astype(np.float64) if p == 1.0 else 2.0 * missed
    np.put_along_axis(slope, batch.target[np.newaxis], -np.add.reduce(slope, axis=0)[np.newaxis], axis=0)
    return slope * (_weight(batch, class_weight) / len(batch.pred))


@loss(
    forms=(CLASS_SCORES,),
    gradient=_multi_margin_gradient,
    subgradient="0 where a margin is just kept",
    formula="mean of w_y/K Σ_{j≠y} max(0, margin + f_j - f_y)^p",
    unit="score^p",
    source=WESTON,
    use="Maximum-margin classification among several classes where every rival that comes too near counts, not only "
    "the best one.",
    avoid="Probabilities are wanted: cce. Only the best rival matters: hinge.",
    elsewhere=(
        same("torch", "nn.MultiMarginLoss()"),
        same("torch", "nn.MultiMarginLoss(p=2)", "multi_margin:p=2"),
        same("torch", "nn.MultiMarginLoss(weight=[1, 2, 3])", "multi_margin:class_weight=1/2/3"),
        differs("the paper", "Weston & Watkins", "it does not divide by K, which is constant for one data set"),
    ),
)
def multi_margin(batch: Batch, *, p: Power = 1.0, margin: Margin = 1.0, class_weight: ClassWeight = None) -> Array:
    """Multiclass margin loss (Weston-Watkins): the hinges of the true class against every other one, over K."""
    missed = _misses(batch, margin)
    total = np.add.reduce(missed if p == 1.0 else np.square(missed), axis=0) / len(batch.pred)
    return total * _weight(batch, class_weight)


@derived
def one_hot_sign(batch: Batch) -> Array:
    """+1 in the column of the observed class, -1 in the others, (K, rows)."""
    if not has_labels(batch):
        return 2.0 * batch.target - 1.0
    found = np.full(batch.pred.shape, -1.0)
    np.put_along_axis(found, batch.target[np.newaxis], 1.0, axis=0)
    return found


def _one_vs_all_gradient(batch: Batch, *, margin: float) -> Array:
    return -one_hot_sign(batch) * (one_hot_sign(batch) * batch.pred < margin)


@loss(
    forms=(CLASS_SCORES, ONE_HOT_SCORES),
    gradient=_one_vs_all_gradient,
    subgradient="0 where a margin is just kept",
    formula="mean of 1/K Σ_c max(0, margin - s_c f_c), s_c = +1 for the class, -1 for the others",
    unit="score",
    source="Rifkin & Klautau 2004, In defense of one-vs-all classification",
    use="K classifiers that were trained one against the rest, each with a score of its own.",
    avoid="Scores are compared with each other: hinge, multi_margin.",
    elsewhere=(
        differs(
            "torchmetrics",
            "multiclass_hinge_loss(multiclass_mode='one-vs-all')",
            "returns one value for each class, and applies a softmax first if any score is outside [0, 1]",
        ),
        same("keras", "Hinge", note="of one-hot rows, whose 0 it takes as -1 where all targets are 0 and 1"),
    ),
)
def one_vs_all_hinge(batch: Batch, *, margin: Margin = 1.0) -> Array:
    """Mean over the classes of the hinge of each one against the rest."""
    return np.maximum(margin - one_hot_sign(batch) * batch.pred, 0.0)


def _multiclass_perceptron_gradient(batch: Batch) -> Array:
    full = np.zeros_like(batch.pred)
    np.put_along_axis(full, np.argmax(batch.pred, axis=0)[np.newaxis], 1.0, axis=0)
    full.reshape(-1)[observed_place(batch)] -= 1.0
    return full


@loss(
    forms=(CLASS_SCORES,),
    gradient=_multiclass_perceptron_gradient,
    subgradient="the first of equal highest scores",
    formula="mean of max_j f_j - f_y",
    unit="score",
    source="Collins 2002, doi:10.3115/1118693.1118694",
    use="Structured or multiclass perceptrons: only rows whose class does not score highest cost.",
    avoid="A margin is wanted: hinge. Equal scores have loss 0.",
    elsewhere=(same("optax", "multiclass_perceptron_loss"),),
)
def multiclass_perceptron(batch: Batch) -> Array:
    """Multiclass perceptron loss: how far the true class scores below the highest."""
    return np.maximum.reduce(batch.pred, axis=0) - pick(batch, batch.pred)


def _sparsemax(batch: Batch) -> tuple[Array, Array]:
    """Sparsemax of the scores, (K, rows), and how far the observed class is below the threshold of what gets a share.

    Gaps to the highest score are held as pairs, so that a rival that only just enters is seen; none of -1 enters.
    """
    top = np.maximum.reduce(batch.pred, axis=0)
    gap, lost = two_sum(batch.pred, -top)
    held, lost = np.maximum(gap, -2.0), np.where(gap > -2.0, lost, 0.0)
    order = np.argsort(-held, axis=0, kind="stable")
    total: Pair = (np.zeros_like(top), np.zeros_like(top))
    taken, count = total, np.zeros_like(top)
    for place, which in enumerate(order):
        score = held[which, np.arange(batch.rows)], lost[which, np.arange(batch.rows)]
        total = add(total, score)
        inside = _above(score, np.full_like(top, place + 1.0), total) > 0.0
        taken = np.where(inside, total[0], taken[0]), np.where(inside, total[1], taken[1])
        count += inside
    above = np.stack([_above(score, count, taken) for score in zip(held, lost, strict=True)]) / count
    below = np.maximum(-pick(batch, above), 0.0) + (pick(batch, held) - pick(batch, gap))
    return np.maximum(above, 0.0), below


def _above(score: Pair, count: Array, total: Pair) -> Array:
    """1 + count score - total: count times what a score is above the threshold of the `count` highest ones."""
    high, low = add(scale(score, count), (-total[0], -total[1]))
    whole, rest = two_sum(np.ones_like(high), high)
    return whole + (rest + low)


def _sparsemax_gradient(batch: Batch) -> Array:
    share, _ = _sparsemax(batch)
    share.reshape(-1)[observed_place(batch)] -= 1.0
    return share


@loss(
    forms=(CLASS_SCORES,),
    gradient=_sparsemax_gradient,
    formula="mean of -f_y + 1/2 Σ_{c in S} (f_c² - τ²) + 1/2, S and τ = support and threshold of sparsemax(f)",
    unit="1",
    source="Martins & Astudillo 2016, arXiv:1602.02068",
    use="Exactly one of several classes, with a model that ends with sparsemax and so gives exact zeros: rows whose "
    "class leads by 1 cost nothing.",
    avoid="Probabilities of all classes are wanted: cce.",
    elsewhere=(same("optax", "multiclass_sparsemax_loss"),),
)
def sparsemax_multiclass(batch: Batch) -> Array:
    """Sparsemax loss of K scores, by what it leaves to the other classes: terms are positive and nothing cancels."""
    share, below = _sparsemax(batch)
    share.reshape(-1)[observed_place(batch)] = 0.0
    rest = np.add.reduce(share, axis=0)
    return 0.5 * (np.add.reduce(np.square(share), axis=0) + np.square(rest)) + below


def _label_pairs(batch: Batch) -> Iterator[tuple[int, Array, Mask]]:
    """Yield each label, by how much the others come too near to it, and where it is true and they are not."""
    true = flag(batch) > 0.0
    for label, x in enumerate(batch.pred):
        yield label, against(1.0, batch.pred, x), true[label] & ~true


def _multilabel_margin_gradient(batch: Batch) -> Array:
    full = np.zeros_like(batch.pred)
    for label, missed, pairs in _label_pairs(batch):
        active = ((missed > 0.0) & pairs).astype(np.float64)
        full += active
        full[label] -= np.add.reduce(active, axis=0)
    return full / len(batch.pred)


@loss(
    forms=(LABEL_SCORES,),
    gradient=_multilabel_margin_gradient,
    subgradient="0 where a margin is just kept",
    formula="mean of 1/K Σ_{j true} Σ_{i false} max(0, 1 - (f_j - f_i))",
    unit="score",
    source=WESTON,
    use="Several of K labels may be true, and every true one should score above every false one by a margin.",
    avoid="Each label is a question of its own: soft_margin, bce.",
    elsewhere=(same("torch", "nn.MultiLabelMarginLoss", note="its target lists the true labels and ends with -1"),),
)
def multilabel_margin(batch: Batch) -> Array:
    """Multilabel margin loss: the hinges of all pairs of a true and a false label, over K."""
    total = np.zeros(batch.rows)
    for _, missed, pairs in _label_pairs(batch):
        total += np.add.reduce(np.where(pairs, np.maximum(missed, 0.0), 0.0), axis=0)
    return total / len(batch.pred)


@loss(
    forms=(LABEL_SCORES,),
    formula="mean of the share of pairs, one label true and one false, with f_true <= f_false; 0 without such pairs",
    unit="1",
    source="Tsoumakas, Katakis & Vlahavas 2010, doi:10.1007/978-0-387-09823-4_34",
    use="To report how well labels are ranked within each row, whatever the scale of the scores.",
    avoid="Training: it has no slope (multilabel_margin). Only some labels matter: weigh them by hand.",
    elsewhere=(
        same("scikit-learn", "label_ranking_loss"),
        differs("torchmetrics", "multilabel_ranking_loss", "equal scores are ranked by their position"),
    ),
)
def label_ranking_loss(batch: Batch) -> Array:
    """Share of wrongly ordered pairs of labels; equal scores are wrong."""
    true = flag(batch)
    order = np.lexsort((1.0 - true, batch.pred), axis=0)  # of equal scores the true ones come first and are passed
    ranked = np.take_along_axis(true, order, axis=0)
    wrong = np.add.reduce(np.cumsum(ranked, axis=0) * (1.0 - ranked), axis=0)
    positive = np.add.reduce(true, axis=0)
    pairs = positive * (len(true) - positive)
    return wrong / np.where(pairs > 0.0, pairs, 1.0)


@loss(
    forms=(LABEL_SCORES,),
    best=None,
    formula="mean of the number of labels with f_i >= the lowest score of a true label; 0 without a true label",
    unit="labels",
    source="Tsoumakas, Katakis & Vlahavas 2010, doi:10.1007/978-0-387-09823-4_34",
    use="To report how far down the ranked labels one must go to meet all true ones.",
    avoid="Rows with many and with few true labels are compared: the best value is their number (label_ranking_loss).",
    elsewhere=(
        same("scikit-learn", "coverage_error"),
        differs(
            "torchmetrics", "multilabel_coverage_error", "it works on sigmoids of scores outside [0, 1], which may tie"
        ),
    ),
)
def coverage_error(batch: Batch) -> Array:
    """Rank of the lowest true label; equal scores count as ahead. At best it is the number of true labels."""
    lowest = np.minimum.reduce(np.where(flag(batch) > 0.0, batch.pred, np.inf), axis=0)
    return np.add.reduce((batch.pred >= lowest).astype(np.float64), axis=0)
