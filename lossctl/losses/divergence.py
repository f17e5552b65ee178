"""Divergences of rows of probabilities that go by their logarithms."""

from __future__ import annotations

import numpy as np

from lossctl.core.batch import Batch, log_prob
from lossctl.core.domain import LOG_SIMPLEX
from lossctl.core.form import Curve, Form
from lossctl.core.loss import differs, loss, same
from lossctl.losses.forms import CLASS_ROWS, ROWS_CURVE
from lossctl.losses.observed import class_slope, expected
from lossctl.losses.quotient import TINY, excess, log_quotient, sum_of_difference, twice_js
from lossctl.numerics.array import Array, Mask
from lossctl.numerics.deviance import by_piece

LOG_ROWS = Form(
    "multiclass",
    {"target": LOG_SIMPLEX, "pred": LOG_SIMPLEX},
    Curve(
        ROWS_CURVE.axis,
        ROWS_CURVE.points,
        {role: tuple(tuple(float(np.log(p)) for p in column) for column in x) for role, x in ROWS_CURVE.roles.items()},
    ),
)


def sum_left(batch: Batch) -> Array:
    """Σ q - Σ p, which rounding leaves of rows that sum to 1; a softmax sums to 1 exactly."""
    whole = np.zeros((1, batch.rows))
    whole[0] = 1.0
    if batch.activation != "softmax":
        return sum_of_difference(batch.target, batch.pred)
    others = np.zeros((len(batch.target) - 1, batch.rows))
    return sum_of_difference(batch.target, np.concatenate([whole, others]))


def vanished(batch: Batch) -> Mask | None:
    """Where a probability has left the float range, though its logit tells its logarithm; None if nowhere."""
    small = batch.pred < TINY
    if batch.activation == "none" or not small.any():
        return None
    return small


def log_p_over_q(batch: Batch) -> Array:
    """ln(p/q), right to the last place however near the two are."""
    p, q = batch.pred, batch.target
    found = by_piece(log_quotient, p, q)
    gone = vanished(batch)
    return found if gone is None else np.where(gone, log_prob(batch) - np.log(q), found)


def _kl_gradient(batch: Batch) -> Array:
    return class_slope(batch, -batch.target)


@loss(
    forms=(CLASS_ROWS,),
    gradient=_kl_gradient,
    raw_gradient=_kl_gradient,
    formula="mean of Σ_c q_c ln(q_c / p_c), q = target row, p = prediction row",
    unit="nats",
    aliases=("kl_divergence", "kullback_leibler"),
    source="Kullback & Leibler 1951, doi:10.1214/aoms/1177729694",
    use="The target is itself a distribution: soft labels, a teacher model, several annotators.",
    avoid="Targets are plain labels: cce says the same and needs no K columns.",
    elsewhere=(
        same(
            "torch",
            "nn.KLDivLoss(reduction='batchmean')",
            note="of ln p; its default mean divides by K once more; NaN where p = 0",
        ),
        differs("keras", "KLDivergence", "it clips both rows to [1e-7, 1]"),
        same("optax", "kl_divergence", note="of ln p; NaN where p = 0"),
        same("torchmetrics", "kl_divergence", note="its first argument is the true row"),
        differs("permetrics", "KLDL", "it takes the largest of a soft row as its label, and floors p at 1e-10"),
    ),
)
def kl(batch: Batch) -> Array:
    """Kullback-Leibler divergence of the predicted row from the target row; 0 ln 0 = 0.

    cce minus the entropy of the target: 0 where the rows are equal, infinite where p = 0 and q > 0. Exact however
    near the rows are, but for what their sums differ by; from logits the probabilities are rounded first, so that near
    rows have digits to 4 units in the last place of Σ|p - q|.
    """
    q, p, gone = batch.target, batch.pred, vanished(batch)
    terms = excess(q, p)
    if gone is not None:
        terms = np.where(gone, expected(q, np.log(q) - log_prob(batch)) - q + p, terms)
    return np.add.reduce(terms, axis=0) + sum_left(batch)


def _kl_log_targets_gradient(batch: Batch) -> Array:
    return -np.exp(batch.target)


@loss(
    forms=(LOG_ROWS,),
    gradient=_kl_log_targets_gradient,
    formula="mean of Σ_c e^a_c (a_c - b_c), a = ln q of the target row, b = ln p of the prediction row",
    unit="nats",
    aliases=("kl_divergence_with_log_targets",),
    source="Kullback & Leibler 1951, doi:10.1214/aoms/1177729694",
    use="Both rows come from log_softmax, as when a student learns from a teacher.",
    avoid="The columns are probabilities: kl.",
    elsewhere=(
        same("torch", "nn.KLDivLoss(reduction='batchmean', log_target=True)", note="NaN where p or q = 0"),
        same("optax", "kl_divergence_with_log_targets", note="NaN where p or q = 0"),
        same(
            "torchmetrics",
            "kl_divergence(log_prob=True)",
            note="its first argument is the true row; NaN where p or q = 0",
        ),
    ),
)
def kl_log_targets(batch: Batch) -> Array:
    """Kullback-Leibler divergence between rows of log-probabilities.

    Both rows are columns of logarithms, of which -inf is ln 0. Terms have either sign and their rounding is what is
    left of near rows: the value is right to 4 units in the last place of the largest term.
    """
    a, b = batch.target, batch.pred
    return np.add.reduce(expected(np.exp(a), a - b), axis=0)


def _reverse_kl_gradient(batch: Batch) -> Array:
    slope = log_p_over_q(batch) + 1.0
    if batch.activation == "softmax":
        return class_slope(batch, expected(batch.pred, slope))
    return np.where(batch.target == 0.0, np.inf, slope)


@loss(
    forms=(CLASS_ROWS,),
    gradient=_reverse_kl_gradient,
    raw_gradient=_reverse_kl_gradient,
    subgradient="∞ at p = q = 0, where any probability costs infinity",
    formula="mean of Σ_c p_c ln(p_c / q_c), q = target row, p = prediction row",
    unit="nats",
    source="Kullback & Leibler 1951, doi:10.1214/aoms/1177729694",
    use="The prediction should keep to one mode of the target and put nothing where the target has nothing.",
    avoid="Targets with zeros, such as one-hot rows: it is infinite for any p > 0 there (kl, js).",
    elsewhere=(differs("torchmetrics", "kl_divergence", "its first argument is the true row: kl; swap them for this"),),
)
def reverse_kl(batch: Batch) -> Array:
    """Kullback-Leibler divergence of the target row from the predicted row; 0 ln 0 = 0.

    From logits the probabilities are rounded first: near rows have digits to 4 units in the last place of Σ|p - q|.
    """
    return np.add.reduce(excess(batch.pred, batch.target), axis=0) - sum_left(batch)


def _jeffreys_gradient(batch: Batch) -> Array:
    p, q = batch.pred, batch.target
    if batch.activation == "softmax":
        return class_slope(batch, expected(p, log_p_over_q(batch)) + (p - q))
    return np.where(q == 0.0, np.inf, log_p_over_q(batch) + (p - q) / p)


@loss(
    forms=(CLASS_ROWS,),
    gradient=_jeffreys_gradient,
    raw_gradient=_jeffreys_gradient,
    subgradient="∞ at p = q = 0, where any probability costs infinity",
    formula="mean of Σ_c (p_c - q_c) ln(p_c / q_c)",
    unit="nats",
    aliases=("j_divergence", "symmetric_kl"),
    source="Jeffreys 1946, doi:10.1098/rspa.1946.0056",
    use="Two distributions are compared of which neither is the truth: the sum of kl and reverse_kl.",
    avoid="Rows with zeros: it is infinite where only one has one (js is not).",
)
def jeffreys(batch: Batch) -> Array:
    """Jeffreys divergence: the Kullback-Leibler divergences of both directions, summed.

    From logits the probabilities are rounded first: near rows have digits to 4 units in the last place of Σ|p - q|.
    """
    return np.add.reduce(expected(batch.pred - batch.target, log_p_over_q(batch)), axis=0)


def _js_gradient(batch: Batch) -> Array:
    p, q = batch.pred, batch.target
    both = p + q
    slope = 0.5 * np.log1p(np.where(both == 0.0, 1.0, (p - q) / np.where(both == 0.0, 1.0, both)))
    return class_slope(batch, expected(p, slope)) if batch.activation == "softmax" else slope


@loss(
    forms=(CLASS_ROWS,),
    gradient=_js_gradient,
    raw_gradient=_js_gradient,
    formula="mean of ½ Σ_c [q_c ln(q_c / m_c) + p_c ln(p_c / m_c)], m = (p + q)/2",
    unit="nats",
    aliases=("jensen_shannon", "jensen_shannon_divergence"),
    source="Lin 1991, doi:10.1109/18.61115",
    use="Two distributions are compared of which neither is the truth, zeros allowed: it lies between 0 and ln 2.",
    avoid="Maximum likelihood is meant: kl. A metric is needed: its square root.",
    elsewhere=(
        same("torchmetrics", "jensen_shannon_divergence"),
        differs("permetrics", "JSD", "it takes logarithms to base 2, down the columns"),
    ),
)
def js(batch: Batch) -> Array:
    """Jensen-Shannon divergence, in nats and without a root.

    From logits the probabilities are rounded first: near rows have digits to 4 units in the last place of Σ|p - q|.
    """
    return 0.5 * np.add.reduce(by_piece(twice_js, batch.target, batch.pred), axis=0)
