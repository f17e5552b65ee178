"""Losses of decisions: which answers are wrong, and how well the yes and no of a whole set agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from typing import Annotated, Any

import numpy as np

from lossctl.core.batch import Batch, flag, other_prob
from lossctl.core.declare import Recipe, recipe
from lossctl.core.domain import FLAG, OPEN_UNIT
from lossctl.core.form import Form
from lossctl.core.statistic import Means, Statistic
from lossctl.losses.forms import BINARY, BINARY_ONE, CLASSES, DECISION, ONE_HOT_ROWS
from lossctl.losses.outcome import class_loss, has_labels, pick
from lossctl.numerics.array import Array

Threshold = Annotated[float, OPEN_UNIT, "binary: a larger p is a yes; classes have none"]
FLAGS = replace(DECISION, roles={"target": FLAG, "pred": BINARY.roles["pred"]}, outputs=True)


def _wrong_decision(batch: Batch, threshold: float) -> Array:
    """1 where the decision is wrong."""
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


def _forms(binary: Form) -> Callable[[float], tuple[Form, ...]]:
    """Return the forms that a threshold leaves: classes have none."""
    return lambda threshold: (binary, CLASSES, ONE_HOT_ROWS) if threshold == 0.5 else (binary,)


@class_loss(forms=_forms(DECISION), later=("ignore_class",))
def zero_one(batch: Batch, *, threshold: Threshold = 0.5) -> Array:
    """Share of wrong decisions.

    Binary: yes where p > threshold. Multiclass: the class of the largest column, the first of equal ones.

    Formula: share of rows whose predicted class is wrong
    Unit: 1
    Optimises: the decision
    Use: To report how often the decision is wrong; 1 minus accuracy.
    Avoid: Training (it has no slope) and unbalanced classes, where always naming the largest looks good.
    Source: Wald 1950, Statistical Decision Functions
    Also: zero_one_loss, error_rate
    Elsewhere:
        scikit-learn  zero_one_loss                  # of the decided labels
        torchmetrics  1 - accuracy(average='micro')  # at the threshold 0.5
        permetrics    1 - AS                         # of the decided labels
    """
    return _wrong_decision(batch, threshold)


@class_loss(forms=_forms(FLAGS), later=("ignore_class",))
def hamming(batch: Batch, *, threshold: Threshold = 0.5) -> Array:
    """Share of wrong labels, each output of a row counted for itself.

    Multilabel: yes where p > threshold. For one label per row it is zero_one.

    Formula: share of labels that are decided wrongly; multilabel: mean over the outputs of [(p > threshold) ≠ y]
    Unit: 1
    Use: To report several yes/no questions per row: the share of single answers that are wrong.
    Avoid: A row counts only when every answer is right, or training: it has no slope.
    Source: Hamming 1950, doi:10.1002/j.1538-7305.1950.tb00463.x; Tsoumakas & Katakis 2007
    Also: hamming_loss
    Elsewhere:
        scikit-learn  hamming_loss                       # of the decided labels
        torchmetrics  hamming_distance(average='micro')  # at the threshold 0.5
        permetrics    HML                                # of one output, decided
    """
    return _wrong_decision(batch, threshold)


def true_positive(batch: Batch) -> Array:
    """p of an observed yes."""
    return (flag(batch) * batch.pred)[0]


def false_positive(batch: Batch) -> Array:
    """p of an observed no."""
    return ((1.0 - flag(batch)) * batch.pred)[0]


def false_negative(batch: Batch) -> Array:
    """1 - p of an observed yes."""
    return (flag(batch) * other_prob(batch))[0]


def true_negative(batch: Batch) -> Array:
    """1 - p of an observed no."""
    return ((1.0 - flag(batch)) * other_prob(batch))[0]


def _mcc_loss(m: Means) -> Any:
    """1 - N/√D; where counts agree (D - N²)/(√D (√D + N)), whose numerator is a sum of what is positive."""
    tp, fp, fn, tn = m
    root = reduce(np.multiply, map(np.sqrt, (tp + fp, tp + fn, tn + fp, tn + fn)))
    agree, disagree = tp * tn, fp * fn
    straight, crossed = tp * fn + fp * tn, tp * fp + fn * tn
    difference = (agree + disagree) * (straight + crossed) + straight * crossed + 4.0 * agree * disagree  # D - N²
    n = agree - disagree
    return np.where(n > 0.0, difference / (root * (root + n)), 1.0 - n / root)[()]


MCC = Statistic(
    "1 - Matthews correlation",
    _mcc_loss,
    undefined="all is one answer: yes or no was never observed, or never given",
)


@recipe(forms=(BINARY_ONE,))
def mcc_loss() -> Recipe:
    """One minus the Matthews correlation of soft counts.

    The counts of true and false positives and negatives are sums of probabilities over the whole data set: TP
    is the sum of p where y = 1, FN that of 1 - p there, and so on. Probabilities of 0 and 1 give the coefficient
    of decisions. It is 1 for a guess and 2 at worst; not defined where one answer never occurs. The four means are
    rounded and then some ten steps more: the value is right to 8 units in the last place.

    Formula: 1 - (TP TN - FP FN)/√((TP + FP)(TP + FN)(TN + FP)(TN + FN))
    Unit: 1
    Use: Two classes of very different size, both of which matter: it is high only when all four counts are good.
    Avoid: Calibrated probabilities are wanted: bce. Small batches, where a class may be missing.
    Source: Matthews 1975, doi:10.1016/0005-2795(75)90109-9; Abhishek & Hamarneh 2021, arXiv:2010.13454
    Elsewhere:
        smp           MCCLoss                ≠ it adds 1e-5 to each count of pixels
        scikit-learn  1 - matthews_corrcoef  ≠ it takes decisions; for probabilities of 0 and 1 it is mcc_loss
    """
    return Recipe((true_positive, false_positive, false_negative, true_negative), MCC)
