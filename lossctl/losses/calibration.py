"""Calibration: whether what is said with 70 % confidence is right in 70 of 100 rows, bin by bin of confidence.

A bin is a few parts, so that memory does not grow with the rows: how much more often its rows are right than they
claim, and how many they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.core.batch import Batch, derived, flag, other_prob
from lossctl.core.declare import Recipe, recipe
from lossctl.core.domain import Whole
from lossctl.core.form import Form
from lossctl.core.loss import Part
from lossctl.core.param import Param
from lossctl.core.statistic import Means, Statistic
from lossctl.losses.forms import CLASSES, DECISION, ONE_HOT_ROWS
from lossctl.losses.outcome import IGNORE_CLASS, counted, has_labels, label_forms, part_of
from lossctl.numerics.array import Array

BINS = Param("n_bins", 15.0, Whole(low=1, high=50), "bins of equal width, each with its upper end")
PARAMS = (BINS, replace(IGNORE_CLASS, signed=False))


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
def in_bin(place: int, n_bins: int, quantity: Callable[[Batch], Any]) -> Part:
    """Return the part that is a quantity in one bin and 0 elsewhere."""
    return part_of(lambda batch: np.where(bins(n_bins)(batch) == place, quantity(batch), 0.0), (IGNORE_CLASS,))


def in_bins(n_bins: float, quantity: Callable[[Batch], Any]) -> tuple[Part, ...]:
    """Return the parts of a quantity in every bin."""
    return tuple(in_bin(place, int(n_bins), quantity) for place in range(int(n_bins)))


def gaps_and_counts(n_bins: float) -> tuple[Part, ...]:
    """Return how far each bin's rows are underconfident together, then how many they are."""
    return (*in_bins(n_bins, underconfidence), *in_bins(n_bins, unit))


def bin_forms(ignore_class: str | None) -> tuple[Form, ...]:
    """Return the forms, which have labels where one is ignored."""
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


ECE = Statistic("sum over bins", lambda m: np.add.reduce(np.abs(np.stack(m)), axis=0))
MCE = Statistic("largest of bins", lambda m: np.maximum.reduce(np.abs(_per_row(m)[0]), axis=0), interval="none")
RMSCE = Statistic("root of a sum over bins", _rmsce, interval="log")


@recipe(params=PARAMS, forms=bin_forms)
def ece(n_bins: float, ignore_class: str | None) -> Recipe:
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


@recipe(params=PARAMS, forms=bin_forms)
def mce(n_bins: float, ignore_class: str | None) -> Recipe:
    """Maximum calibration error: the largest gap between confidence and accuracy in any bin.

    Rows are sorted into bins of equal width by their confidence: the probability of a yes (binary), or of the class
    with the largest column (multiclass; right is when it is the observed one). A bin has its upper end, not its
    lower one; the first has 0 too. Every bin counts alike, however few rows it has.

    Formula: max_b |accuracy_b - confidence_b|
    Unit: 1
    Use: Safety: no range of confidence may be wrong by more.
    Avoid: Few rows: what chance leaves in each bin adds up, it never cancels. Training: it jumps with the bins.
    Source: Naeini et al. 2015, doi:10.1609/aaai.v29i1.9602
    Also: maximum_calibration_error
    Elsewhere:
        torchmetrics  calibration_error(norm='max')
            ≠ a confidence on an edge is in the bin above, and 1 in a bin of its own; it adds up in float32
    """
    return counted(MCE, *gaps_and_counts(n_bins), ignore_class=ignore_class)


@recipe(params=PARAMS, forms=bin_forms)
def rmsce(n_bins: float, ignore_class: str | None) -> Recipe:
    """Root mean squared calibration error.

    Rows are sorted into bins of equal width by their confidence: the probability of a yes (binary), or of the class
    with the largest column (multiclass; right is when it is the observed one). A bin has its upper end, not its
    lower one; the first has 0 too. Large gaps count more than in ece.

    Formula: √(Σ_b (n_b/N) (accuracy_b - confidence_b)²)
    Unit: 1
    Use: As ece, where a few badly calibrated ranges should show.
    Avoid: Few rows: what chance leaves in each bin adds up, it never cancels. Training: it jumps with the bins.
    Source: Hendrycks et al. 2019, arXiv:1812.04606; Kumar et al. 2019, arXiv:1909.10155
    Also: root_mean_squared_calibration_error
    Elsewhere:
        torchmetrics  calibration_error(norm='l2')
            ≠ a confidence on an edge is in the bin above, and 1 in a bin of its own; it adds up in float32
    """
    return counted(RMSCE, *gaps_and_counts(n_bins), ignore_class=ignore_class)
