"""Losses of counts and rates."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np

from lossctl.core.batch import Batch, log_rate
from lossctl.core.domain import NON_NEGATIVE, POSITIVE, Array
from lossctl.core.loss import loss
from lossctl.losses.forms import COUNT_CURVE, regression


def _poisson_gradient(batch: Batch) -> Array:
    return 1.0 - batch.target / batch.pred


def log_factorial(y: Array) -> Array:
    """ln Γ(y + 1), evaluated once per distinct value: counts repeat."""
    distinct, place = np.unique(y, return_inverse=True)
    return np.array([math.lgamma(value + 1.0) for value in distinct.tolist()])[place].reshape(y.shape)


@loss(
    forms=(regression(NON_NEGATIVE, POSITIVE, COUNT_CURVE),),
    gradient=_poisson_gradient,
    formula="mean of μ - y ln μ (+ ln Γ(y + 1) if full); y = target, μ = pred, a rate",
    unit="nats",
    best=None,
    aliases=("poisson_nll",),
    source="Nelder & Wedderburn 1972, doi:10.2307/2344614",
    use="Counts per period: customers, e-mails, churned contracts. The prediction is a rate; end the model with exp "
    "or softplus.",
    avoid="Variance far above the mean (consider a negative binomial), or predictions of exactly 0.",
    peers={
        "torch": "nn.PoissonNLLLoss(log_input=False, eps=0): same; by default it reads the prediction as ln μ "
        "(here: --activation exp); its full=True is Stirling's approximation",
        "keras": "Poisson: the same with 1e-7 added to μ inside the logarithm",
    },
)
def poisson(
    batch: Batch, *, full: Annotated[bool, None, "add ln Γ(y + 1), which makes it the exact likelihood"] = False
) -> Array:
    """Negative log-likelihood of a Poisson count, without its constant unless `full`.

    May be negative without the constant. The lowest value is at μ = y.
    """
    y = batch.target
    value = batch.pred - np.where(y == 0.0, 0.0, y * log_rate(batch))
    return value + log_factorial(y) if full else value
