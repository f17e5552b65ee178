"""Calibration: whether what is said with 70 % confidence is right in 70 of 100 rows, bin by bin of confidence.

A bin is a few parts, so that memory does not grow with the rows: how much more often its rows are right than they
claim, and how many they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.core.batch import Batch, derived, flag, other_prob
from lossctl.core.domain import Whole
from lossctl.core.loss import Part, Variant, combine, differs
from lossctl.core.param import Param
from lossctl.core.statistic import Means, Statistic
from lossctl.losses.forms import CLASSES, DECISION, ONE_HOT_ROWS
from lossctl.losses.outcome import IGNORE_CLASS, has_labels, mass, over_counted, part_of
from lossctl.numerics.array import Array

MOST_BINS = 50
FORMS = (DECISION, CLASSES, ONE_HOT_ROWS)
BINS = Param("n_bins", 15.0, Whole(low=1, high=MOST_BINS), "bins of equal width, each with its upper end")


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
def shyness(batch: Batch) -> Array:
    """1 or 0, whether it was right, less the confidence."""
    if batch.form != "multiclass":
        right = flag(batch)[0] == 1.0
        rest = other_prob(batch)[0]
    else:
        truth = batch.target if has_labels(batch) else np.argmax(batch.target, axis=0)
        right = top(batch)[0] == truth
        rest = np.take_along_axis(other_prob(batch), top(batch), axis=0)[0]
    return np.where(right, rest, -confidence(batch))


@cache
def bins(n_bins: int) -> Callable[[Batch], NDArray[Any]]:
    """The bin of each row, computed once per batch: the first whose upper end is not below the confidence."""
    ends = np.arange(1, n_bins) / n_bins
    return derived(lambda batch: np.searchsorted(ends, confidence(batch), side="left"))


@cache
def shyness_in(place: int, n_bins: int) -> Part:
    """The part that is `shyness` in one bin and 0 elsewhere."""
    return part_of(lambda batch: np.where(bins(n_bins)(batch) == place, shyness(batch), 0.0), (IGNORE_CLASS,))


@cache
def count_in(place: int, n_bins: int) -> Part:
    """The part that is 1 in one bin and 0 elsewhere."""
    return part_of(lambda batch: (bins(n_bins)(batch) == place).astype(np.float64), (IGNORE_CLASS,))


def of_bins(statistic: Statistic, *kinds: Callable[[int, int], Part]) -> Variant:
    """Return the fields of a statistic of parts of each kind in every bin; ignored rows are in none."""

    def fields(args: Mapping[str, Any]) -> Mapping[str, Any]:
        n_bins = int(args["n_bins"])
        parts = tuple(part(place, n_bins) for part in kinds for place in range(n_bins))
        if args["ignore_class"] is None:
            return {"parts": parts, "reading": statistic, "forms": FORMS}
        labels = tuple(form for form in FORMS if form.labels)
        return {"parts": (*parts, mass), "reading": over_counted(statistic), "forms": labels}

    return fields


def _halves(m: Means) -> tuple[Array, Array]:
    """Gaps and counts, (bins, ...) each."""
    stacked = np.stack([np.asarray(x, dtype=np.float64) for x in m])
    return stacked[: len(m) // 2], stacked[len(m) // 2 :]


def _per_row(m: Means) -> tuple[Array, Array]:
    """The mean gap of each bin and its count; an empty bin has no gap."""
    gap, count = _halves(m)
    filled = count > 0.0
    return np.where(filled, gap / np.where(filled, count, 1.0), 0.0), count


def _over_counts(m: Means, by_gap: Array) -> tuple[Any, ...]:
    """The slope by gaps and counts, given that by the mean gap of each bin times its count."""
    mean, count = _per_row(m)
    filled = count > 0.0
    slope = np.where(filled, by_gap / np.where(filled, count, 1.0), 0.0)
    return (*slope, *(-slope * mean))


def _mce_slope(m: Means) -> tuple[Any, ...]:
    mean, _ = _per_row(m)
    worst = np.arange(len(mean)).reshape(-1, *[1] * (mean.ndim - 1)) == np.argmax(np.abs(mean), axis=0)
    return _over_counts(m, np.where(worst, np.sign(mean), 0.0))


def _rmsce(m: Means) -> Any:
    mean, count = _per_row(m)
    return np.sqrt(np.add.reduce(count * np.square(mean), axis=0))


def _rmsce_slope(m: Means) -> tuple[Any, ...]:
    mean, _ = _per_row(m)
    root = _rmsce(m)
    return (*(mean / root), *(-0.5 * np.square(mean) / root))


ECE = Statistic(
    "sum over bins",
    lambda m: np.add.reduce(np.abs(np.stack([np.asarray(x, dtype=np.float64) for x in m])), axis=0),
    lambda m: tuple(np.sign(x) for x in m),
)
MCE = Statistic("largest of bins", lambda m: np.maximum.reduce(np.abs(_per_row(m)[0]), axis=0), _mce_slope, "none")
RMSCE = Statistic("root of a sum over bins", _rmsce, _rmsce_slope, "log")

BY_BIN = (
    "Rows are sorted into bins of equal width by their confidence: the probability of a yes (binary), or of the class\n"
    "with the largest column (multiclass; right is when it is the observed one). A bin has its upper end, not its\n"
    "lower one; the first has 0 too. "
)
FACTS: dict[str, Any] = {
    "parts": (),
    "params": (BINS, IGNORE_CLASS),
    "forms": FORMS,
    "unit": "1",
    "avoid": "Few rows: what chance leaves in each bin adds up, it never cancels. Training: it jumps with the bins.",
}
EDGES = "a confidence on an edge is in the bin above, and 1 in a bin of its own; it adds up in float32"

ece = combine(
    "ece",
    **FACTS,
    variant=of_bins(ECE, shyness_in),
    summary="Expected calibration error: how far confidence is from accuracy, bin by bin.",
    doc=BY_BIN + "Bins weigh as many rows as they have.",
    formula="Σ_b (n_b/N) |accuracy_b - confidence_b|",
    aliases=("expected_calibration_error",),
    source="Naeini et al. 2015, doi:10.1609/aaai.v29i1.9602; Guo et al. 2017, arXiv:1706.04599",
    use="To report whether probabilities can be taken at their word.",
    elsewhere=(differs("torchmetrics", "calibration_error(norm='l1')", EDGES),),
)
mce = combine(
    "mce",
    **FACTS,
    variant=of_bins(MCE, shyness_in, count_in),
    summary="Maximum calibration error: the largest gap between confidence and accuracy in any bin.",
    doc=BY_BIN + "Every bin counts alike, however few rows it has.",
    formula="max_b |accuracy_b - confidence_b|",
    aliases=("maximum_calibration_error",),
    source="Naeini et al. 2015, doi:10.1609/aaai.v29i1.9602",
    use="Safety: no range of confidence may be wrong by more.",
    elsewhere=(differs("torchmetrics", "calibration_error(norm='max')", EDGES),),
)
rmsce = combine(
    "rmsce",
    **FACTS,
    variant=of_bins(RMSCE, shyness_in, count_in),
    summary="Root mean squared calibration error.",
    doc=BY_BIN + "Large gaps count more than in ece.",
    formula="√(Σ_b (n_b/N) (accuracy_b - confidence_b)²)",
    aliases=("root_mean_squared_calibration_error",),
    source="Hendrycks et al. 2019, arXiv:1812.04606; Kumar et al. 2019, arXiv:1909.10155",
    use="As ece, where a few badly calibrated ranges should show.",
    elsewhere=(differs("torchmetrics", "calibration_error(norm='l2')", EDGES),),
)
