"""Distances of rows of probabilities that go by differences and roots, class by class or along ordered classes."""

from __future__ import annotations

import numpy as np

from lossctl.core.batch import Batch, derived
from lossctl.core.loss import loss
from lossctl.losses.divergence import sum_left
from lossctl.losses.forms import CLASS_ROWS, CLASSES
from lossctl.losses.observed import class_rows, class_slope, expected, has_labels
from lossctl.losses.quotient import sum_of_difference
from lossctl.numerics.array import Array
from lossctl.numerics.double import Pair, add, two_sum


def _hellinger_gradient(batch: Batch) -> Array:
    p, q = batch.pred, batch.target
    if batch.activation == "softmax":
        return class_slope(batch, 0.5 * np.sqrt(p) * (p - q) / np.where(p + q > 0.0, np.sqrt(p) + np.sqrt(q), 1.0))
    return np.where(q == 0.0, 0.5, 0.5 * (p - q) / (p + np.sqrt(p) * np.sqrt(q)))


@loss(
    forms=(CLASS_ROWS,),
    gradient=_hellinger_gradient,
    raw_gradient=_hellinger_gradient,
    formula="mean of ½ Σ_c (√p_c - √q_c)²",
    unit="1",
    aliases=("squared_hellinger",),
    source="Hellinger 1909, doi:10.1515/crll.1909.136.210",
    use="Two distributions with zeros, at a bounded price: between 0 and 1.",
    avoid="Rare classes must be told apart by their ratio: kl.",
)
def hellinger(batch: Batch) -> Array:
    """Squared Hellinger distance, with the factor 1/2; its root is the Hellinger distance.

    From logits the probabilities are rounded first: near rows have digits to 4 units in the last place of Σ|p - q|.
    """
    p, q = batch.pred, batch.target
    roots = np.sqrt(p) + np.sqrt(q)
    return 0.5 * np.add.reduce(np.square((p - q) / np.where(roots == 0.0, 1.0, roots)), axis=0)


def _total_variation_gradient(batch: Batch) -> Array:
    return 0.5 * np.sign(batch.pred - batch.target)


@loss(
    forms=(CLASS_ROWS,),
    gradient=_total_variation_gradient,
    subgradient="0 at p = q",
    formula="mean of ½ Σ_c |p_c - q_c|",
    unit="1",
    source="Levin, Peres & Wilmer 2009, Markov Chains and Mixing Times, 4.1",
    use="To report in plain terms how much probability is misplaced: the largest error for any event.",
    avoid="Training: its slope does not shrink near the target.",
)
def total_variation(batch: Batch) -> Array:
    """Total variation distance, with the factor 1/2: between 0 and 1.

    From logits the probabilities are rounded first: right to 4 units in the last place of the largest one.
    """
    return 0.5 * np.add.reduce(np.abs(batch.pred - batch.target), axis=0)


def _chi2_gradient(batch: Batch) -> Array:
    p, q = batch.pred, batch.target
    slope = np.where(q == 0.0, np.inf, 2.0 * (p - q) / q)
    return class_slope(batch, expected(p, slope)) if batch.activation == "softmax" else slope


@loss(
    forms=(CLASS_ROWS,),
    gradient=_chi2_gradient,
    raw_gradient=_chi2_gradient,
    subgradient="∞ at p = q = 0, where any probability costs infinity",
    formula="mean of Σ_c (p_c - q_c)² / q_c",
    unit="1",
    aliases=("pearson_chi2",),
    source="Pearson 1900, doi:10.1080/14786440009463897",
    use="Observed shares against expected ones, in units of what chance would leave.",
    avoid="Targets with zeros: any probability there costs infinity (js, hellinger).",
)
def chi2(batch: Batch) -> Array:
    """Pearson's chi-squared divergence: the target is in the denominator; 0/0 = 0.

    From logits the probabilities are rounded first: near rows have digits to 4 units in the last place of the largest
    term's |p - q| / q.
    """
    p, q = batch.pred, batch.target
    gap = p - q
    return np.add.reduce(expected(gap, gap / q), axis=0)


@derived
def affinity_missing(batch: Batch) -> Array:
    """1 - Σ √(p q): half the squared distance of the roots, less what the rows lack to sum to 1."""
    rows = np.zeros_like(batch.target)
    rows[0] = 1.0
    lacking = sum_of_difference(rows, batch.target) + 0.5 * sum_left(batch)
    p, q = batch.pred, batch.target
    roots = np.sqrt(p) + np.sqrt(q)
    return 0.5 * np.add.reduce(np.square((p - q) / np.where(roots == 0.0, 1.0, roots)), axis=0) + lacking


def _affinity(batch: Batch) -> Array:
    return np.add.reduce(np.sqrt(batch.pred) * np.sqrt(batch.target), axis=0)


def _bhattacharyya_gradient(batch: Batch) -> Array:
    p, q = batch.pred, batch.target
    if batch.activation == "softmax":
        return class_slope(batch, -0.5 * np.sqrt(p) * np.sqrt(q) / _affinity(batch))
    return np.where(q == 0.0, 0.0, -0.5 * np.sqrt(q) / np.sqrt(p) / _affinity(batch))


@loss(
    forms=(CLASS_ROWS,),
    gradient=_bhattacharyya_gradient,
    raw_gradient=_bhattacharyya_gradient,
    formula="mean of -ln Σ_c √(p_c q_c)",
    unit="nats",
    source="Bhattacharyya 1943, Bulletin of the Calcutta Mathematical Society 35",
    use="The overlap of two distributions, as a bound on how well they can be told apart.",
    avoid="Rows without overlap: it is infinite there (hellinger is not).",
)
def bhattacharyya(batch: Batch) -> Array:
    """Bhattacharyya distance.

    Exact however near the rows are, but for what they lack to sum to 1; from logits the probabilities are rounded
    first, so that near rows have digits to 4 units in the last place of Σ|p - q|.
    """
    missing = affinity_missing(batch)
    return np.where(missing < 0.5, -np.log1p(-np.minimum(missing, 0.5)), -np.log(_affinity(batch)))


@derived
def running_gap(batch: Batch) -> Array:
    """Predicted less observed probability of a class up to c, for every c but the last: (K - 1, rows).

    As if summed exactly. Under a softmax the gap beyond an observed label is the sum of what lies above, which is small
    where the prediction is good.
    """
    p, q = batch.pred, class_rows(batch)
    found = np.empty((len(p) - 1, batch.rows))
    total: Pair = (np.zeros(batch.rows), np.zeros(batch.rows))
    for place in range(len(p) - 1):
        total = add(total, two_sum(p[place], -q[place]))
        found[place] = total[0] + total[1]
    if has_labels(batch) and batch.activation == "softmax":
        above = np.cumsum(p[:0:-1], axis=0)[::-1]
        return np.where(np.arange(len(p) - 1)[:, np.newaxis] >= batch.target, -above, found)
    return found


def _up_to(slopes: Array) -> Array:
    """Gradient by each class from that by each running sum it enters."""
    full = np.zeros((len(slopes) + 1, slopes.shape[1]))
    full[:-1] = np.cumsum(slopes[::-1], axis=0)[::-1]
    return full


def _emd_squared_gradient(batch: Batch) -> Array:
    return _up_to(2.0 * running_gap(batch))


@loss(
    forms=(CLASSES, CLASS_ROWS),
    gradient=_emd_squared_gradient,
    formula="mean of Σ_k (P_k - Q_k)², P, Q = running sums of the predicted and the target row",
    unit="1",
    aliases=("emd",),
    source="Hou et al. 2016, arXiv:1611.05916; Epstein 1969",
    use="Ordered classes, such as ratings or ages: a near miss costs less than a far one.",
    avoid="Classes without an order: cce, brier.",
)
def emd_squared(batch: Batch) -> Array:
    """Squared earth mover's distance along ordered classes; the order is that of the columns.

    From logits the probabilities are rounded first: near a soft target it is right to 4 units in the last place of the
    largest probability times the largest running gap.
    """
    return np.add.reduce(np.square(running_gap(batch)), axis=0)


def _wasserstein1_gradient(batch: Batch) -> Array:
    return _up_to(np.sign(running_gap(batch)))


@loss(
    forms=(CLASS_ROWS,),
    gradient=_wasserstein1_gradient,
    subgradient="0 where running sums are equal",
    formula="mean of Σ_k |P_k - Q_k|, P, Q = running sums of the predicted and the target row",
    unit="bins",
    aliases=("earth_mover", "wasserstein"),
    source="Vaserstein 1969; Rubner et al. 2000, doi:10.1023/A:1026543900054",
    use="Histograms over ordered bins: how far probability must be moved, in bins, to turn one row into the other.",
    avoid="Classes without an order: total_variation.",
)
def wasserstein1(batch: Batch) -> Array:
    """First Wasserstein distance between rows over ordered bins of width 1.

    From logits the probabilities are rounded first: right to 4 units in the last place of the largest one.
    """
    return np.add.reduce(np.abs(running_gap(batch)), axis=0)
