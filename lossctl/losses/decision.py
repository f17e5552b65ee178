"""Losses of decisions: which answers are wrong, how well yes and no agree, and whether confidence can be trusted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, reduce
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.core.batch import Batch, derived, flag, other_prob
from lossctl.core.declare import Recipe, recipe
from lossctl.core.domain import FLAG, OPEN_UNIT, Whole
from lossctl.core.form import Form
from lossctl.core.loss import Part
from lossctl.core.param import Param
from lossctl.core.statistic import Means, Statistic
from lossctl.losses.forms import BINARY, BINARY_ONE, CLASSES, DECIDED, DECISION, ONE_HOT_ROWS
from lossctl.losses.outcome import IGNORE_CLASS, Ignored, class_loss, counted, has_labels, label_forms, part_of, pick
from lossctl.numerics.array import Array, Mask

Threshold = Annotated[float, OPEN_UNIT, "binary: a larger p is a yes; classes have none"]
FLAGS = replace(DECISION, roles={"target": FLAG, "pred": BINARY.roles["pred"]}, outputs=True)


def decided(batch: Batch, threshold: float) -> Mask:
    """Whether the answer is yes, of columns of yes and no."""
    # a logit is compared as a logit, so that the nearest ones to the threshold are judged right
    sigmoid = batch.activation == "sigmoid"
    return batch.raw > np.log(threshold / (1.0 - threshold)) if sigmoid else batch.pred > threshold


def wrong_decision(batch: Batch, threshold: float) -> Array:
    """1 where the decision is wrong."""
    if batch.form == DECIDED.name:
        return (batch.raw != batch.target).astype(np.float64)
    if batch.form == "multiclass":
        truth = batch.target if has_labels(batch) else np.argmax(batch.target, axis=0)
        top = np.maximum.reduce(batch.raw, axis=0)
        if np.count_nonzero(batch.raw == top) == batch.rows and has_labels(batch):  # no class shares the top
            return (pick(batch, batch.raw) != top).astype(np.float64)
        return (np.argmax(batch.raw, axis=0) != truth).astype(np.float64)
    return (decided(batch, threshold) != (flag(batch) == 1.0)).astype(np.float64)


def decision_forms(binary: Form) -> Callable[[float], tuple[Form, ...]]:
    """Return the forms that a threshold leaves: classes have none."""
    return lambda threshold: (binary, CLASSES, ONE_HOT_ROWS, DECIDED) if threshold == 0.5 else (binary,)


@class_loss(forms=decision_forms(DECISION), later=("ignore_class",))
def zero_one(batch: Batch, *, threshold: Threshold = 0.5) -> Array:
    """Share of wrong decisions.

    Binary: yes where p > threshold. Multiclass: the class of the largest column, the first of equal ones. Predictions
    may be classes too, as text or numbers.

    Formula: share of rows whose predicted class is wrong
    Unit: 1 (between 0 and 1)
    Optimises: the decision
    Use: To report how often the decision is wrong; 1 minus accuracy.
    Avoid: Training (it has no slope) and unbalanced classes, where always naming the largest looks good.
    Source: Wald 1950, Statistical Decision Functions
    Also: zero_one_loss, error_rate, misclassification_rate, classification_error
    Elsewhere:
        scikit-learn  zero_one_loss                  # of the decided labels
        torchmetrics  1 - accuracy(average='micro')  # at the threshold 0.5
        permetrics    1 - AS                         # of the decided labels
        XGBoost       error                          # of flags
        XGBoost       merror                         # of classes
        XGBoost       error@0.3                      = zero_one:threshold=0.3  # of flags
        LightGBM      binary_error                   # of flags
        LightGBM      multi_error                    # of classes
        CatBoost      ZeroOneLoss                    # of the decided labels
    """
    return wrong_decision(batch, threshold)


@class_loss(forms=decision_forms(FLAGS), later=("ignore_class",))
def hamming(batch: Batch, *, threshold: Threshold = 0.5) -> Array:
    """Share of wrong labels, each output of a row counted for itself.

    Multilabel: yes where p > threshold. For one label per row, also where predictions are classes, it is zero_one.

    Formula: share of labels that are decided wrongly; multilabel: mean over the outputs of [(p > threshold) ≠ y]
    Unit: 1 (between 0 and 1)
    Use: To report several yes/no questions per row: the share of single answers that are wrong.
    Avoid: A row counts only when every answer is right, or training: it has no slope.
    Source: Hamming 1950, doi:10.1002/j.1538-7305.1950.tb00463.x; Tsoumakas & Katakis 2007
    Also: hamming_loss
    Elsewhere:
        scikit-learn  hamming_loss                       # of the decided labels
        torchmetrics  hamming_distance(average='micro')  # at the threshold 0.5
        permetrics    HML                                # of flags, of one output, decided
        CatBoost      HammingLoss                        # of the decided labels
    """
    return wrong_decision(batch, threshold)


def soft_count(truth: bool, answer: bool) -> Part:
    """Return the part that is the probability of a yes or a no where a yes or a no was observed, else 0."""

    def count(batch: Batch) -> Array:
        return ((flag(batch) if truth else 1.0 - flag(batch)) * (batch.pred if answer else other_prob(batch)))[0]

    return count


def _mcc_loss(m: Means) -> Any:
    """1 - N/√D; where counts agree (D - N²)/(√D (√D + N)), whose numerator is a sum of what is positive."""
    tp, fp, fn, tn = m
    root = reduce(np.multiply, map(np.sqrt, (tp + fp, tp + fn, tn + fp, tn + fn)))
    agree, disagree = tp * tn, fp * fn
    straight, crossed = tp * fn + fp * tn, tp * fp + fn * tn
    difference = (agree + disagree) * (straight + crossed) + straight * crossed + 4.0 * agree * disagree  # D - N²
    n = agree - disagree
    return np.where(n > 0.0, difference / (root * (root + n)), 1.0 - n / root)[()]


SOFT_COUNTS = tuple(soft_count(*cell) for cell in ((True, True), (False, True), (True, False), (False, False)))
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
        segmentation-models-pytorch  MCCLoss                ≠ it adds 1e-5 to each count of pixels
        scikit-learn  1 - matthews_corrcoef  ≠ it takes decisions; for probabilities of 0 and 1 it is mcc_loss
    """
    return Recipe(SOFT_COUNTS, MCC)


# calibration: whether what is said with 70 % confidence is right in 70 of 100 rows, bin by bin of confidence ---------
#
# A bin is a few parts, so that memory does not grow with the rows: how much more often its rows are right than they
# claim, and how many they are.

BINS = Param("n_bins", 15.0, Whole(low=1, high=50), "bins of equal width, each with its upper end")
PARAMS = (BINS, IGNORE_CLASS._replace(signed=False))


@derived
def top(batch: Batch) -> NDArray[Any]:
    """The class of the largest column, the first of equal ones, as (1, rows)."""
    return np.argmax(batch.raw, axis=0)[np.newaxis]


@derived
def confidence(batch: Batch) -> Array:
    """The probability of the class of the largest column, or that of a yes."""
    if batch.form != "multiclass":
        return batch.pred[0]
    return np.take_along_axis(batch.pred, top(batch), axis=0)[0]


@derived
def underconfidence(batch: Batch) -> Array:
    """1 or 0, whether it was right, less the confidence."""
    if batch.form != "multiclass":
        return np.where(flag(batch)[0] == 1.0, other_prob(batch)[0], -confidence(batch))
    truth = batch.target if has_labels(batch) else np.argmax(batch.target, axis=0)
    complement = np.take_along_axis(other_prob(batch), top(batch), axis=0)[0]
    return np.where(top(batch)[0] == truth, complement, -confidence(batch))


def unit(batch: Batch) -> float:
    """1, to count rows."""
    return 1.0


@cache
def bins(n_bins: int) -> Callable[[Batch], NDArray[Any]]:
    """The bin of each row, computed once per batch: the first whose upper end is not below the confidence."""
    ends = np.arange(1, n_bins) / n_bins
    return derived(lambda batch: np.searchsorted(ends, confidence(batch), side="left"))


@cache
def in_bins(n_bins: float, quantity: Callable[[Batch], Any]) -> tuple[Part, ...]:
    """Return a part for each bin: a quantity of the rows in it, 0 of others."""
    bin_of = bins(int(n_bins))

    def in_bin(place: int) -> Part:
        return part_of(lambda batch: np.where(bin_of(batch) == place, quantity(batch), 0.0), (IGNORE_CLASS,))

    return tuple(map(in_bin, range(int(n_bins))))


def gaps_and_counts(n_bins: float) -> tuple[Part, ...]:
    """Return how far each bin's rows are underconfident together, then how many they are."""
    return (*in_bins(n_bins, underconfidence), *in_bins(n_bins, unit))


def bin_forms(ignore_class: Ignored) -> tuple[Form, ...]:
    """Return the forms whose target can hold what is ignored."""
    return label_forms((DECISION, CLASSES, ONE_HOT_ROWS), ignore_class)


def _per_row(m: Means) -> tuple[Array, Array]:
    """The mean gap of each bin and its count, from means of gaps and counts; an empty bin has no gap."""
    columns = np.stack(m)
    gap, count = columns[: len(m) // 2], columns[len(m) // 2 :]
    filled = count > 0.0
    return np.where(filled, gap / np.where(filled, count, 1.0), 0.0), count


def _rmsce(m: Means) -> Any:
    mean, count = _per_row(m)
    return np.sqrt(np.add.reduce(count * np.square(mean), axis=0))


ECE = Statistic("sum over bins", lambda m: np.add.reduce(np.abs(np.stack(m)), axis=0), interval="folded")
MCE = Statistic("largest of bins", lambda m: np.maximum.reduce(np.abs(_per_row(m)[0]), axis=0), interval="none")
RMSCE = Statistic("root of a sum over bins", _rmsce, interval="log")


@recipe(params=PARAMS, forms=bin_forms)
def ece(n_bins: float, ignore_class: Ignored) -> Recipe:
    """Expected calibration error: how far confidence is from accuracy, bin by bin.

    Rows are sorted into bins of equal width by their confidence: the probability of a yes (binary), or of the class
    with the largest column (multiclass; right is when it is the observed one). A bin has its upper end, not its
    lower one; the first has 0 too. Bins weigh as many rows as they have.

    Formula: Σ_b (n_b/N) |accuracy_b - confidence_b|
    Unit: 1
    Use: To report whether probabilities can be taken at their word.
    Avoid: Few rows: what chance leaves in each bin adds up, it never cancels. Training: it jumps with the bins.
    Source: Naeini et al. 2015, doi:10.1609/aaai.v29i1.9602; Guo et al. 2017, arXiv:1706.04599
    Also: expected_calibration_error
    Elsewhere:
        torchmetrics  calibration_error(norm='l1')
            ≠ a confidence on an edge is in the bin above, and 1 in a bin of its own; it adds up in float32
    """
    return counted(ECE, *in_bins(n_bins, underconfidence), ignore_class=ignore_class)


@recipe(like=ece, forms=bin_forms)
def mce(n_bins: float, ignore_class: Ignored) -> Recipe:
    """Maximum calibration error: the largest gap between confidence and accuracy in any bin.

    Rows are sorted into bins of equal width by their confidence: the probability of a yes (binary), or of the class
    with the largest column (multiclass; right is when it is the observed one). A bin has its upper end, not its
    lower one; the first has 0 too. Every bin counts alike, however few rows it has.

    Formula: max_b |accuracy_b - confidence_b|
    Use: Safety: no range of confidence may be wrong by more.
    Source: Naeini et al. 2015, doi:10.1609/aaai.v29i1.9602
    Also: maximum_calibration_error
    Elsewhere:
        torchmetrics  calibration_error(norm='max')
            ≠ a confidence on an edge is in the bin above, and 1 in a bin of its own; it adds up in float32
    """
    return counted(MCE, *gaps_and_counts(n_bins), ignore_class=ignore_class)


@recipe(like=ece, forms=bin_forms)
def rmsce(n_bins: float, ignore_class: Ignored) -> Recipe:
    """Root mean squared calibration error.

    Rows are sorted into bins of equal width by their confidence: the probability of a yes (binary), or of the class
    with the largest column (multiclass; right is when it is the observed one). A bin has its upper end, not its
    lower one; the first has 0 too. Large gaps count more than in ece.

    Formula: √(Σ_b (n_b/N) (accuracy_b - confidence_b)²)
    Use: As ece, where a few badly calibrated ranges should show.
    Source: Hendrycks et al. 2019, arXiv:1812.04606; Kumar et al. 2019, arXiv:1909.10155
    Also: root_mean_squared_calibration_error
    Elsewhere:
        torchmetrics  calibration_error(norm='l2')
            ≠ a confidence on an edge is in the bin above, and 1 in a bin of its own; it adds up in float32
    """
    return counted(RMSCE, *gaps_and_counts(n_bins), ignore_class=ignore_class)
