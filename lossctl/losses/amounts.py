"""Divergences of rows of amounts that need not sum to 1: deviances, summed over the columns of a row."""

from __future__ import annotations

import numpy as np

from lossctl.core.batch import Batch, other_prob
from lossctl.core.domain import NON_NEGATIVE, POSITIVE, Domain
from lossctl.core.form import Curve, Form
from lossctl.core.loss import loss, same
from lossctl.losses.observed import expected, per_probability
from lossctl.losses.quotient import excess
from lossctl.numerics.activation import log_softplus, softplus
from lossctl.numerics.array import Array
from lossctl.numerics.deviance import by_piece, deviance

LEVELS = (0.05, 0.1, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0)


def amounts(domain: Domain) -> Form:
    """Rows of amounts that need not sum to anything."""
    curve = Curve(
        "pred, target 1", tuple(f"{x:g}" for x in LEVELS), {"target": ((1.0,) * len(LEVELS),), "pred": (LEVELS,)}
    )
    return Form("amounts", {"target": domain, "pred": domain}, curve)


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


def _generalized_kl_gradient(batch: Batch) -> Array:
    return np.where(batch.target == 0.0, 1.0, per_probability(batch.pred - batch.target, batch.pred))


def _generalized_kl_raw_gradient(batch: Batch) -> Array:
    return expected(_log_slope(batch), batch.pred - batch.target)


@loss(
    forms=(amounts(NON_NEGATIVE),),
    gradient=_generalized_kl_gradient,
    raw_gradient=_generalized_kl_raw_gradient,
    subgradient="1 at q = p = 0; 0 where a relu is off",
    formula="mean of Σ_c [q_c ln(q_c / p_c) - q_c + p_c]",
    unit="nats times the unit of the amounts",
    aliases=("i_divergence", "generalized_kl_divergence"),
    source="Csiszár 1991, doi:10.1214/aos/1176348385",
    use="Rows of amounts that do not sum to 1, such as spectra and topics: half a Poisson deviance, summed.",
    avoid="Rows of probabilities: kl says the same.",
    elsewhere=(same("optax", "generalized_kl_divergence", note="of ln p; NaN where p = 0"),),
)
def generalized_kl(batch: Batch) -> Array:
    """Generalised Kullback-Leibler divergence of rows of amounts; 0 ln 0 = 0."""
    q, p = batch.target, batch.pred
    if batch.activation in ("none", "relu"):
        return np.add.reduce(excess(q, p), axis=0)
    half = 0.5 * by_piece(deviance, q, batch.raw, p, activation=batch.activation, power=1.0)
    return np.add.reduce(half, axis=0)


def _itakura_saito_gradient(batch: Batch) -> Array:
    return (batch.pred - batch.target) / batch.pred / batch.pred


def _itakura_saito_raw_gradient(batch: Batch) -> Array:
    return expected(_log_slope(batch), (batch.pred - batch.target) / batch.pred)


@loss(
    forms=(amounts(POSITIVE),),
    gradient=_itakura_saito_gradient,
    raw_gradient=_itakura_saito_raw_gradient,
    formula="mean of Σ_c [q_c / p_c - ln(q_c / p_c) - 1]",
    unit="1",
    source="Itakura & Saito 1968, Proc. 6th International Congress on Acoustics",
    use="Spectra, where a ratio counts and not a difference: half a gamma deviance, summed.",
    avoid="Amounts near 0, of which it sees the ratio.",
)
def itakura_saito(batch: Batch) -> Array:
    """Itakura-Saito divergence of rows of positive amounts; free of scale."""
    half = 0.5 * by_piece(deviance, batch.target, batch.raw, batch.pred, activation=batch.activation, power=2.0)
    return np.add.reduce(half, axis=0)
