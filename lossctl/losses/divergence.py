"""Divergences of a predicted row p from a target row q, of probabilities or of amounts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lossctl.core.batch import Batch, derived, log_prob, other_prob
from lossctl.core.declare import loss
from lossctl.core.domain import NON_NEGATIVE, POSITIVE, Domain
from lossctl.core.form import Form
from lossctl.core.loss import Gradient, Loss, Part
from lossctl.losses.forms import CLASS_ROWS, CLASSES, in_logs, line
from lossctl.losses.outcome import class_rows, class_slope, has_labels
from lossctl.numerics.activation import log_softplus, softplus
from lossctl.numerics.array import Array, Mask, by_piece
from lossctl.numerics.deviance import deviance
from lossctl.numerics.double import Pair, add, two_sum
from lossctl.numerics.quotient import TINY, excess, expected, log_quotient, per_probability, sum_of_difference, twice_js

LOG_ROWS = in_logs(CLASS_ROWS, "target", "pred")


def unit_row(batch: Batch) -> Array:
    """Rows of probabilities that sum to 1 exactly."""
    row = np.zeros_like(batch.target)
    row[0] = 1.0
    return row


def difference_of_sums(batch: Batch) -> Array:
    """Σ q - Σ p, which rounding leaves of rows that sum to 1; a softmax sums to 1 exactly."""
    return sum_of_difference(batch.target, unit_row(batch) if batch.activation == "softmax" else batch.pred)


def underflow(batch: Batch) -> Mask | None:
    """Where a probability has left the float range, though its logit tells its logarithm; None if nowhere."""
    small = batch.pred < TINY
    return small if batch.activation != "none" and small.any() else None


def log_p_over_q(batch: Batch) -> Array:
    """ln(p/q), right to the last place however near the two are."""
    p, q = batch.pred, batch.target
    values, lost = by_piece(log_quotient, p, q), underflow(batch)
    return values if lost is None else np.where(lost, log_prob(batch) - np.log(q), values)


def row_slope(batch: Batch, slope: Array, elasticity: Array | None = None) -> Array:
    """Gradient from the slope by p; by the logits of a softmax from p times that, or a more exact `elasticity`."""
    if batch.activation != "softmax":
        return slope
    return class_slope(batch, expected(batch.pred, slope) if elasticity is None else elasticity)


def divergence(gradient: Gradient) -> Callable[[Part], Loss]:
    """Declare a loss of rows of probabilities, whose gradient takes care of a softmax."""
    return loss(forms=(CLASS_ROWS,), gradient=gradient, raw_gradient=gradient)


@divergence(lambda batch: class_slope(batch, -batch.target))
def kl(batch: Batch) -> Array:
    """Kullback-Leibler divergence of the predicted row from the target row; 0 ln 0 = 0.

    cce minus the entropy of the target: 0 where the rows are equal, infinite where p = 0 and q > 0. Exact however
    near the rows are, but for what their sums differ by; from logits the probabilities are rounded first, so that near
    rows have digits to 4 units in the last place of Σ|p - q|.

    Formula: mean of Σ_c q_c ln(q_c / p_c), q = target row, p = prediction row
    Unit: nats
    Optimises: the probabilities of the classes
    Use: The target is itself a distribution: soft labels, a teacher model, several annotators.
    Avoid: Targets are plain labels: cce says the same and needs no K columns.
    Source: Kullback & Leibler 1951, doi:10.1214/aoms/1177729694
    Also: kl_divergence, kullback_leibler_divergence, kullback_leibler, kld
    Elsewhere:
        torch         nn.KLDivLoss(reduction='batchmean')
            # of ln p; its default mean divides by K once more; NaN where p = 0
        keras         KLDivergence                         ≠ it clips both rows to [1e-7, 1]
        optax         kl_divergence                        # of ln p; NaN where p = 0
        torchmetrics  kl_divergence                        # its first argument is the true row
        permetrics    KLDL  ≠ it takes the largest of a soft row as its label, and floors p at 1e-10
        LightGBM      kullback_leibler | kldiv             # of two columns, 1 - p and p; off where p or q = 0
        scipy         stats.entropy                        # of each row, which it divides by its sum first
        scipy         special.rel_entr                     # the sum over a row
    """
    q, p, lost = batch.target, batch.pred, underflow(batch)
    terms = excess(q, p)
    if lost is not None:
        terms = np.where(lost, expected(q, np.log(q) - log_prob(batch)) - q + p, terms)
    return np.add.reduce(terms, axis=0) + difference_of_sums(batch)


@loss(like=kl, forms=(LOG_ROWS,), gradient=lambda batch: -np.exp(batch.target))
def kl_log_targets(batch: Batch) -> Array:
    """Kullback-Leibler divergence between rows of log-probabilities.

    Both rows are columns of logarithms, of which -inf is ln 0. Terms have either sign and their rounding is what is
    left of near rows: the value is right to 4 units in the last place of the largest term.

    Formula: mean of Σ_c e^a_c (a_c - b_c), a = ln q of the target row, b = ln p of the prediction row
    Use: Both rows come from log_softmax, as when a student learns from a teacher.
    Avoid: The columns are probabilities: kl.
    Also: kl_divergence_with_log_targets
    Elsewhere:
        torch         nn.KLDivLoss(reduction='batchmean', log_target=True)  # NaN where p or q = 0
        optax         kl_divergence_with_log_targets  # NaN where p or q = 0
        torchmetrics  kl_divergence(log_prob=True)    # its first argument is the true row; NaN where p or q = 0
    """
    a, b = batch.target, batch.pred
    return np.add.reduce(expected(np.exp(a), a - b), axis=0)


@divergence(lambda batch: row_slope(batch, np.where(batch.target == 0.0, np.inf, log_p_over_q(batch) + 1.0)))
def reverse_kl(batch: Batch) -> Array:
    """Kullback-Leibler divergence of the target row from the predicted row; 0 ln 0 = 0.

    From logits the probabilities are rounded first: near rows have digits to 4 units in the last place of Σ|p - q|.

    Formula: mean of Σ_c p_c ln(p_c / q_c), q = target row, p = prediction row
    Unit: nats
    Use: The prediction should keep to one mode of the target and put nothing where the target has nothing.
    Avoid: Targets with zeros, such as one-hot rows: it is infinite for any p > 0 there (kl, js).
    Source: Kullback & Leibler 1951, doi:10.1214/aoms/1177729694
    Subgradient: ∞ at p = q = 0, where any probability costs infinity
    Elsewhere:
        torchmetrics  kl_divergence  ≠ its first argument is the true row: kl; swap them for this
    """
    return np.add.reduce(excess(batch.pred, batch.target), axis=0) - difference_of_sums(batch)


def _jeffreys_gradient(batch: Batch) -> Array:
    p, q, quotient = batch.pred, batch.target, log_p_over_q(batch)
    slope = np.where(q == 0.0, np.inf, quotient + (p - q) / p)
    return row_slope(batch, slope, expected(p, quotient) + (p - q))


@divergence(_jeffreys_gradient)
def jeffreys(batch: Batch) -> Array:
    """Jeffreys divergence: the Kullback-Leibler divergences of both directions, summed.

    From logits the probabilities are rounded first: near rows have digits to 4 units in the last place of Σ|p - q|.

    Formula: mean of Σ_c (p_c - q_c) ln(p_c / q_c)
    Unit: nats
    Use: Two distributions are compared of which neither is the truth: the sum of kl and reverse_kl.
    Avoid: Rows with zeros: it is infinite where only one has one (js is not).
    Source: Jeffreys 1946, doi:10.1098/rspa.1946.0056
    Subgradient: ∞ at p = q = 0, where any probability costs infinity
    Also: j_divergence, symmetric_kl
    """
    return np.add.reduce(expected(batch.pred - batch.target, log_p_over_q(batch)), axis=0)


def _js_gradient(batch: Batch) -> Array:
    p, q = batch.pred, batch.target
    total = np.where(p + q == 0.0, 1.0, p + q)
    return row_slope(batch, 0.5 * np.log1p(np.where(p + q == 0.0, 1.0, (p - q) / total)))


@divergence(_js_gradient)
def js(batch: Batch) -> Array:
    """Jensen-Shannon divergence, in nats and without a root.

    From logits the probabilities are rounded first: near rows have digits to 4 units in the last place of Σ|p - q|.

    Formula: mean of ½ Σ_c [q_c ln(q_c / m_c) + p_c ln(p_c / m_c)], m = (p + q)/2
    Unit: nats
    Use: Two distributions are compared of which neither is the truth, zeros allowed: it lies between 0 and ln 2.
    Avoid: Maximum likelihood is meant: kl. A metric is needed: its square root.
    Source: Lin 1991, doi:10.1109/18.61115
    Also: jensen_shannon_divergence
    Elsewhere:
        torchmetrics  jensen_shannon_divergence
        permetrics    JSD                             ≠ it takes logarithms to base 2, down the columns
        scipy         spatial.distance.jensenshannon  ≠ the mean over rows of the square root of each
    """
    return 0.5 * np.add.reduce(by_piece(twice_js, batch.target, batch.pred), axis=0)


@derived
def sum_of_roots(batch: Batch) -> Array:
    """√p + √q of each column, 1 where it would be 0."""
    roots = np.sqrt(batch.pred) + np.sqrt(batch.target)
    return np.where(roots == 0.0, 1.0, roots)


@derived
def half_squared_roots(batch: Batch) -> Array:
    """½ Σ (√p - √q)²."""
    return 0.5 * np.add.reduce(np.square((batch.pred - batch.target) / sum_of_roots(batch)), axis=0)


def _hellinger_gradient(batch: Batch) -> Array:
    p, q = batch.pred, batch.target
    slope = np.where(q == 0.0, 0.5, 0.5 * (p - q) / (p + np.sqrt(p) * np.sqrt(q)))
    return row_slope(batch, slope, 0.5 * np.sqrt(p) * (p - q) / sum_of_roots(batch))


@divergence(_hellinger_gradient)
def hellinger(batch: Batch) -> Array:
    """Squared Hellinger distance, with the factor 1/2; its root is the Hellinger distance.

    From logits the probabilities are rounded first: near rows have digits to 4 units in the last place of Σ|p - q|.

    Formula: mean of ½ Σ_c (√p_c - √q_c)²
    Unit: 1
    Use: Two distributions with zeros, at a bounded price: between 0 and 1.
    Avoid: Rare classes must be told apart by their ratio: kl.
    Source: Hellinger 1909, doi:10.1515/crll.1909.136.210
    Also: squared_hellinger
    """
    return half_squared_roots(batch)


@loss(forms=(CLASS_ROWS,), gradient=lambda batch: 0.5 * np.sign(batch.pred - batch.target))
def total_variation(batch: Batch) -> Array:
    """Total variation distance, with the factor 1/2: between 0 and 1.

    From logits the probabilities are rounded first: right to 4 units in the last place of the largest one.

    Formula: mean of ½ Σ_c |p_c - q_c|
    Unit: 1
    Use: To report in plain terms how much probability is misplaced: the largest error for any event.
    Avoid: Training: its slope does not shrink near the target.
    Source: Levin, Peres & Wilmer 2009, Markov Chains and Mixing Times, 4.1
    Subgradient: 0 at p = q
    Elsewhere:
        torchmetrics  image.total_variation  ≠ of the pixels of one picture
    """
    return 0.5 * np.add.reduce(np.abs(batch.pred - batch.target), axis=0)


def _chi2_gradient(batch: Batch) -> Array:
    p, q = batch.pred, batch.target
    return row_slope(batch, np.where(q == 0.0, np.inf, 2.0 * (p - q) / q))


@divergence(_chi2_gradient)
def chi2(batch: Batch) -> Array:
    """Pearson's chi-squared divergence: the target is in the denominator; 0/0 = 0.

    From logits the probabilities are rounded first: near rows have digits to 4 units in the last place of the largest
    term's |p - q| / q.

    Formula: mean of Σ_c (p_c - q_c)² / q_c
    Unit: 1
    Use: Observed shares against expected ones, in units of what chance would leave.
    Avoid: Targets with zeros: any probability there costs infinity (js, hellinger).
    Source: Pearson 1900, doi:10.1080/14786440009463897
    Subgradient: ∞ at p = q = 0, where any probability costs infinity
    Also: pearson_chi2
    """
    p, q = batch.pred, batch.target
    gap = p - q
    return np.add.reduce(expected(gap, gap / q), axis=0)


def _affinity(batch: Batch) -> Array:
    """Σ √(p q)."""
    return np.add.reduce(np.sqrt(batch.pred) * np.sqrt(batch.target), axis=0)


def _bhattacharyya_gradient(batch: Batch) -> Array:
    p, q = batch.pred, batch.target
    slope = np.where(q == 0.0, 0.0, -0.5 * np.sqrt(q) / np.sqrt(p) / _affinity(batch))
    return row_slope(batch, slope, -0.5 * np.sqrt(p) * np.sqrt(q) / _affinity(batch))


@divergence(_bhattacharyya_gradient)
def bhattacharyya(batch: Batch) -> Array:
    """Bhattacharyya distance.

    Exact however near the rows are, but for what they lack to sum to 1; from logits the probabilities are rounded
    first, so that near rows have digits to 4 units in the last place of Σ|p - q|.

    Formula: mean of -ln Σ_c √(p_c q_c)
    Unit: nats
    Use: The overlap of two distributions, as a bound on how well they can be told apart.
    Avoid: Rows without overlap: it is infinite there (hellinger is not).
    Source: Bhattacharyya 1943, Bulletin of the Calcutta Mathematical Society 35
    """
    lack = sum_of_difference(unit_row(batch), batch.target) + 0.5 * difference_of_sums(batch)
    missing = half_squared_roots(batch) + lack
    return np.where(missing < 0.5, -np.log1p(-np.minimum(missing, 0.5)), -np.log(_affinity(batch)))


@derived
def running_gap(batch: Batch) -> Array:
    """Predicted less observed probability of a class up to c, for every c but the last: (K - 1, rows).

    As if summed exactly. Under a softmax the gap beyond an observed label is the sum of what lies above, which is small
    where the prediction is good.
    """
    p, q = batch.pred, class_rows(batch)
    gaps = np.empty((len(p) - 1, batch.rows))
    total: Pair = (np.zeros(batch.rows), np.zeros(batch.rows))
    for place in range(len(p) - 1):
        total = add(total, two_sum(p[place], -q[place]))
        gaps[place] = total[0] + total[1]
    if has_labels(batch) and batch.activation == "softmax":
        above = np.cumsum(p[:0:-1], axis=0)[::-1]
        return np.where(np.arange(len(p) - 1)[:, np.newaxis] >= batch.target, -above, gaps)
    return gaps


def _up_to(slopes: Array) -> Array:
    """Gradient by each class from that by each running sum it enters."""
    gradient = np.zeros((len(slopes) + 1, slopes.shape[1]))
    gradient[:-1] = np.cumsum(slopes[::-1], axis=0)[::-1]
    return gradient


@loss(forms=(CLASSES, CLASS_ROWS), gradient=lambda batch: _up_to(2.0 * running_gap(batch)))
def emd_squared(batch: Batch) -> Array:
    """Squared earth mover's distance along ordered classes; the order is that of the columns.

    From logits the probabilities are rounded first: near a soft target it is right to 4 units in the last place of the
    largest probability times the largest running gap.

    Formula: mean of Σ_k (P_k - Q_k)², P, Q = running sums of the predicted and the target row
    Unit: 1
    Use: Ordered classes, such as ratings or ages: a near miss costs less than a far one.
    Avoid: Classes without an order: cce, brier.
    Source: Hou et al. 2016, arXiv:1611.05916; Epstein 1969
    """
    return np.add.reduce(np.square(running_gap(batch)), axis=0)


@loss(forms=(CLASS_ROWS,), gradient=lambda batch: _up_to(np.sign(running_gap(batch))))
def wasserstein1(batch: Batch) -> Array:
    """First Wasserstein distance between rows over ordered bins of width 1.

    From logits the probabilities are rounded first: right to 4 units in the last place of the largest one.

    Formula: mean of Σ_k |P_k - Q_k|, P, Q = running sums of the predicted and the target row
    Unit: bins
    Use: Histograms over ordered bins: how far probability must be moved, in bins, to turn one row into the other.
    Avoid: Classes without an order: total_variation.
    Source: Vaserstein 1969; Rubner et al. 2000, doi:10.1023/A:1026543900054
    Subgradient: 0 where running sums are equal
    Also: earth_mover, wasserstein
    Elsewhere:
        scipy  stats.wasserstein_distance  # of the places 0, 1, ... K - 1, weighted by both rows
    """
    return np.add.reduce(np.abs(running_gap(batch)), axis=0)


LEVELS = (0.05, 0.1, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0)


def amounts(domain: Domain) -> Form:
    """Rows of amounts that need not sum to anything."""
    return Form("amounts", {"target": domain, "pred": domain}, line("pred, target 1", LEVELS, 1.0))


def _log_slope(batch: Batch) -> Array:
    """d ln p / dz of a positive prediction."""
    match batch.activation:
        case "sigmoid":
            return other_prob(batch)
        case "softplus":
            return np.exp(-softplus(-batch.raw) - log_softplus(batch.raw))
        case "exp":
            return np.ones_like(batch.raw)
    return np.where(batch.pred > 0.0, 1.0 / batch.pred, 0.0)


@loss(
    forms=(amounts(NON_NEGATIVE),),
    gradient=lambda batch: np.where(batch.target == 0.0, 1.0, per_probability(batch.pred - batch.target, batch.pred)),
    raw_gradient=lambda batch: expected(_log_slope(batch), batch.pred - batch.target),
)
def generalized_kl(batch: Batch) -> Array:
    """Generalised Kullback-Leibler divergence of rows of amounts; 0 ln 0 = 0.

    Formula: mean of Σ_c [q_c ln(q_c / p_c) - q_c + p_c]
    Unit: nats times the unit of the amounts
    Use: Rows of amounts that do not sum to 1, such as spectra and topics: half a Poisson deviance, summed.
    Avoid: Rows of probabilities: kl says the same.
    Source: Csiszár 1991, doi:10.1214/aos/1176348385
    Subgradient: 1 at q = p = 0; 0 where a relu is off
    Also: i_divergence, generalized_kl_divergence
    Elsewhere:
        optax  generalized_kl_divergence | convex_kl_divergence  # of ln p; NaN where p = 0
        scipy  special.kl_div  # it cancels where p is near q
    """
    q, p = batch.target, batch.pred
    if batch.activation in ("none", "relu"):
        return np.add.reduce(excess(q, p), axis=0)
    half = 0.5 * by_piece(deviance, q, batch.raw, p, activation=batch.activation, power=1.0)
    return np.add.reduce(half, axis=0)


@loss(
    forms=(amounts(POSITIVE),),
    gradient=lambda batch: (batch.pred - batch.target) / batch.pred / batch.pred,
    raw_gradient=lambda batch: expected(_log_slope(batch), (batch.pred - batch.target) / batch.pred),
)
def itakura_saito(batch: Batch) -> Array:
    """Itakura-Saito divergence of rows of positive amounts; free of scale.

    Formula: mean of Σ_c [q_c / p_c - ln(q_c / p_c) - 1]
    Unit: 1
    Use: Spectra, where a ratio counts and not a difference: half a gamma deviance, summed.
    Avoid: Amounts near 0, of which it sees the ratio.
    Source: Itakura & Saito 1968, Proc. 6th International Congress on Acoustics
    """
    half = 0.5 * by_piece(deviance, batch.target, batch.raw, batch.pred, activation=batch.activation, power=2.0)
    return np.add.reduce(half, axis=0)
