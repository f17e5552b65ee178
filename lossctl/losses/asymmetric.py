"""Losses of the residual r = pred - target that treat its two signs differently."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from lossctl.core.batch import Batch, abs_residual, residual
from lossctl.core.declare import loss
from lossctl.core.domain import NON_ZERO, POSITIVE, UNIT
from lossctl.losses.forms import regression
from lossctl.losses.residuals import residual_rest
from lossctl.numerics import double
from lossctl.numerics.array import Array
from lossctl.numerics.quotient import expected

FORM = (regression(),)


def _linex_gradient(batch: Batch, *, a: float) -> Array:
    return a * np.expm1(a * residual(batch))


@loss(forms=FORM, gradient=_linex_gradient)
def linex(
    batch: Batch, *, a: Annotated[float, NON_ZERO, "steepness in 1/(the target's unit); its sign says which side"] = 1.0
) -> Array:
    """Linear-exponential loss, asymmetric in the sign of the residual.

    Formula: mean of exp(a·r) - a·r - 1, r = pred - target
    Unit: 1
    Use: Errors of one sign are far worse: a > 0 punishes predictions that are too high exponentially, those too low
        linearly; a < 0 the other way.
    Avoid: Residuals of more than a few units of 1/a: the exponential takes over.
    Source: Varian 1975; Zellner 1986, doi:10.1080/01621459.1986.10478289
    """
    x, error = double.two_product(residual(batch), np.array(a))
    value = _exp_less_line(x)
    rest = np.where(np.isfinite(error), error, 0.0) + a * residual_rest(batch)
    return np.where(np.isfinite(value), value + np.expm1(x) * rest, value)


def _exp_less_line(x: Array) -> Array:
    """e^x - 1 - x, by its series where that cancels."""
    near = np.clip(x, -1.0, 2.0)
    series = np.zeros_like(near)
    for n in range(26, 1, -1):
        series = (1.0 + series) * near / n
    return np.where(near == x, series * near, np.exp(x) + (-1.0 - x))


def _expectile_gradient(batch: Batch, *, tau: float) -> Array:
    r = residual(batch)
    return 2.0 * np.where(r > 0.0, 1.0 - tau, tau) * r


@loss(forms=FORM, gradient=_expectile_gradient)
def expectile(batch: Batch, *, tau: Annotated[float, UNIT, "the expectile asked for"] = 0.5) -> Array:
    """Asymmetric squared error: an error below costs tau, an error above 1 - tau.

    Formula: mean of |tau - 1[r > 0]|·r², r = pred - target
    Unit: target²
    Use: A value above (tau > 1/2) or below the mean is wanted, smoothly: the least-squares relative of a quantile.
    Avoid: A share of rows below the prediction is to be promised: that is quantile. tau = 0.5 is mse/2.
    Source: Newey & Powell 1987, doi:10.2307/1911031
    Also: asymmetric_least_squares
    """
    return expected(np.where(residual(batch) > 0.0, 1.0 - tau, tau), np.square(residual(batch)))


def _quantile_huber_gradient(batch: Batch, *, q: float, delta: float) -> Array:
    r = residual(batch)
    return np.where(r > 0.0, 1.0 - q, q) * np.clip(r / delta, -1.0, 1.0)


@loss(forms=FORM, gradient=_quantile_huber_gradient)
def quantile_huber(
    batch: Batch,
    *,
    q: Annotated[float, UNIT, "the quantile asked for"] = 0.5,
    delta: Annotated[float, POSITIVE, "|r| at which growth turns linear, in the target's unit"] = 1.0,
) -> Array:
    """Quantile loss with a parabola of width delta at zero.

    Formula: mean of |q - 1[r > 0]|·huber(r; delta)/delta, r = pred - target
    Unit: target
    Use: The q-quantile is wanted, with a slope that is smooth near zero, as in distributional reinforcement learning.
    Avoid: The quantile itself matters to the last digit: delta shifts it. quantile has no such width.
    Source: Aravkin et al. 2014, arXiv:1402.4624; Dabney et al. 2018, arXiv:1710.10044
    Also: huber_quantile
    """
    size = abs_residual(batch)
    inner = np.minimum(size, delta)
    return np.where(residual(batch) > 0.0, 1.0 - q, q) * (inner / delta * (size - 0.5 * inner))
