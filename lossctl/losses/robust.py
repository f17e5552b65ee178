"""Losses of the residual r = pred - target that treat large residuals otherwise than by their square."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

import numpy as np

from lossctl.core.batch import Batch, abs_residual, residual
from lossctl.core.declare import Recipe, loss, recipe
from lossctl.core.domain import AT_LEAST_ONE, NON_NEGATIVE, POSITIVE, REAL
from lossctl.core.statistic import Statistic
from lossctl.losses.forms import regression
from lossctl.losses.general import general, general_slope
from lossctl.losses.residuals import residual_rest, scaled_residual, squared_ratio
from lossctl.numerics.array import Array

FORM = (regression(),)
LN2 = float(np.log(2.0))
SUBNORMAL = 1e-290  # below, a quotient may lose digits
Scale = Annotated[float, POSITIVE, "size of a usual residual, in the target's unit"]


def _half_gradient(batch: Batch) -> Array:
    return residual(batch)


@loss(forms=FORM, gradient=_half_gradient)
def half_squared_error(batch: Batch) -> Array:
    """Half of the squared error.

    Formula: mean of r²/2, r = pred - target
    Unit: target²
    Use: Numbers must match a program that minimises half of the squared error, so that its slope is r.
    Avoid: Reporting: mse or rmse are what readers know.
    Source: Gauss 1809
    Also: l2_loss, half_mse
    Elsewhere:
        optax       l2_loss
        torch       0.5 * MSELoss
        tensorflow  nn.l2_loss     ≠ a sum over all elements of one tensor
    """
    return 0.5 * np.square(residual(batch))


def _pseudo_huber_gradient(batch: Batch, *, delta: float) -> Array:
    return residual(batch) * (delta / np.hypot(delta, residual(batch)))


@loss(forms=FORM, gradient=_pseudo_huber_gradient)
def pseudo_huber(
    batch: Batch, *, delta: Annotated[float, POSITIVE, "|r| at which growth turns linear, in the target's unit"] = 1.0
) -> Array:
    """Smooth version of the Huber loss.

    Formula: mean of delta²·(√(1 + (r/delta)²) - 1)
    Unit: target²
    Use: As huber, with all derivatives continuous: r²/2 near zero, delta·|r| in the tails.
    Avoid: The size that separates noise from outliers is unknown: delta is in the target's unit, so tune it.
    Source: Charbonnier et al. 1994, doi:10.1109/ICIP.1994.413553; Hartley & Zisserman 2003
    Also: charbonnier, pseudo_huber_loss
    Elsewhere:
        scipy  special.pseudo_huber(delta=delta)
    """
    size = abs_residual(batch)
    half = 0.5 * size  # halves, so that the sum of delta and the root stays in range
    return size * (delta * (half / (0.5 * delta + np.hypot(0.5 * delta, half))))


def _tukey_gradient(batch: Batch, *, c: float) -> Array:
    return residual(batch) * np.square(np.maximum(1.0 - squared_ratio(batch, c), 0.0))


@loss(forms=FORM, gradient=_tukey_gradient)
def tukey_biweight(
    batch: Batch, *, c: Annotated[float, POSITIVE, "|r| beyond which rows have no pull"] = 4.685
) -> Array:
    """Tukey's biweight: a squared error near zero, a constant beyond c.

    Formula: mean of c²/6·(1 - (1 - (r/c)²)³) if |r| ≤ c, else c²/6
    Unit: target²
    Use: Gross outliers must have no pull at all: beyond c the slope is zero.
    Avoid: Training from a poor start, as rows beyond c teach nothing. 4.685 suits residuals of unit deviation.
    Source: Beaton & Tukey 1974, doi:10.1080/00401706.1974.10489171
    Also: tukey, biweight, bisquare
    Elsewhere:
        statsmodels  robust.norms.TukeyBiweight(c=c).rho
    """
    q = squared_ratio(batch, c)
    near = np.square(residual(batch)) * ((3.0 - q * (3.0 - q)) / 6.0)
    rest = np.maximum(1.0 - q, 0.0)
    return np.where(q < 0.5, near, c * c / 6.0 * (1.0 - rest * rest * rest))


def _cauchy_gradient(batch: Batch, *, c: float) -> Array:
    x = residual(batch) / c
    return 1.0 / (c * (1.0 / x + 0.5 * x))


@loss(forms=FORM, gradient=_cauchy_gradient)
def cauchy(batch: Batch, *, c: Scale = 1.0) -> Array:
    """Cauchy (Lorentzian) loss; barron with alpha = 0.

    Formula: mean of ln(1 + (r/c)²/2)
    Unit: 1
    Use: Heavy tails: outliers pull less the further out they are, but never quite nothing.
    Avoid: One best fit is needed: it is not convex. The scale c must fit the data; 2.385 deviations is usual.
    Source: Black & Anandan 1996, doi:10.1006/cviu.1996.0006
    Also: lorentzian
    Elsewhere:
        scipy  optimize.least_squares(loss='cauchy')  ≠ ln(1 + r²), half of it as a cost
    """
    q = squared_ratio(batch, c)
    far = 2.0 * (np.log(abs_residual(batch)) - np.log(c)) - LN2  # where the square is out of range
    return np.where(np.isfinite(q), np.log1p(0.5 * q), far)


def _geman_mcclure_gradient(batch: Batch, *, c: float) -> Array:
    x = residual(batch) / c
    below = 1.0 + 0.25 * np.square(x)
    return x / (c * below) / below


@loss(forms=FORM, gradient=_geman_mcclure_gradient)
def geman_mcclure(batch: Batch, *, c: Scale = 1.0) -> Array:
    """Geman-McClure loss, bounded by 2; barron with alpha = -2.

    Formula: mean of 2·(r/c)² / ((r/c)² + 4)
    Unit: 1 (below 2)
    Use: Gross outliers, each of which may cost no more than 2.
    Avoid: Training from a poor start: far rows have almost no slope.
    Source: Geman & McClure 1985
    """
    q = squared_ratio(batch, c)
    return np.where(q > 4.0, 2.0 / (1.0 + 4.0 / q), 2.0 * q / (q + 4.0))


def _welsch_gradient(batch: Batch, *, c: float) -> Array:
    x = residual(batch) / c
    return x / c * np.exp(-0.5 * np.square(x))


@loss(forms=FORM, gradient=_welsch_gradient)
def welsch(batch: Batch, *, c: Scale = 1.0) -> Array:
    """Welsch (Leclerc) loss, bounded by 1; the limit of barron for alpha towards -∞.

    Formula: mean of 1 - exp(-(r/c)²/2)
    Unit: 1 (at most 1)
    Use: Gross outliers, each of which may cost no more than 1; smooth everywhere.
    Avoid: Training from a poor start: rows beyond a few c have no slope.
    Source: Dennis & Welsch 1978, doi:10.1080/03610917808812083
    Also: leclerc
    """
    return -np.expm1(-0.5 * squared_ratio(batch, c))


def _barron_gradient(batch: Batch, *, alpha: float, c: float) -> Array:
    return general_slope(residual(batch) / c, alpha) / c


@loss(forms=FORM, gradient=_barron_gradient)
def barron(
    batch: Batch,
    *,
    alpha: Annotated[float, REAL, "the shape: 2 squared, 1 pseudo-Huber, 0 Cauchy, -2 Geman-McClure"] = 1.0,
    c: Scale = 1.0,
) -> Array:
    """Barron's general robust loss, a family by its shape alpha.

    The exponents near 0 and 2 and far below are taken so that nothing cancels: the value passes into its limits.

    Formula: mean of |alpha - 2|/alpha·(((r/c)²/|alpha - 2| + 1)^(alpha/2) - 1); its limits at alpha = 0 and 2
    Unit: 1
    Use: One knob from squared error (2) over pseudo-Huber (1), Cauchy (0) and Geman-McClure (-2) to Welsch (-∞).
    Avoid: A fixed, known noise: name the member that fits it. Above 2 outliers rule even more than in mse.
    Source: Barron 2019, arXiv:1701.03077
    Also: general_robust, adaptive_robust
    """
    return general(scaled_residual(batch, c), alpha)


def _wing_gradient(batch: Batch, *, w: float, epsilon: float) -> Array:
    size = abs_residual(batch)
    return np.sign(residual(batch)) * np.where(size < w, w / (epsilon + size), 1.0)


@loss(forms=FORM, gradient=_wing_gradient)
def wing(
    batch: Batch,
    *,
    w: Annotated[float, POSITIVE, "|r| at which growth turns linear, in the target's unit"] = 10.0,
    epsilon: Annotated[float, POSITIVE, "width of the steep part, in the target's unit"] = 2.0,
) -> Array:
    """Wing loss: logarithmic near zero, linear beyond w.

    Formula: mean of w·ln(1 + |r|/epsilon) if |r| < w, else |r| - w + w·ln(1 + w/epsilon)
    Unit: target
    Use: Small residuals must still be driven to zero, as with landmarks of a face in pixels: steep near zero, |r|
        beyond w.
    Avoid: Noisy targets: near zero it follows the noise.
    Source: Feng et al. 2018, arXiv:1711.06753
    Subgradient: 0 at r = 0, ±1 at |r| = w
    Also: wing_loss
    Elsewhere:
        segmentation-models-pytorch  losses.functional.wing_loss  = wing:w=5,epsilon=0.5
    """
    size = abs_residual(batch)
    inner = np.minimum(size, w)
    steep = np.where(inner < SUBNORMAL, w / epsilon * inner, w * np.log1p(inner / epsilon))
    return steep + np.maximum(size - w, 0.0)


def _excess(batch: Batch, epsilon: float) -> Array:
    """max(0, |r| - epsilon), right to the last digit where both nearly agree."""
    rest = np.copysign(1.0, residual(batch)) * residual_rest(batch)
    return np.maximum((abs_residual(batch) - epsilon) + rest, 0.0)


def _epsilon_insensitive_gradient(batch: Batch, *, epsilon: float) -> Array:
    return np.sign(residual(batch)) * (_excess(batch, epsilon) > 0.0)


Tube = Annotated[float, NON_NEGATIVE, "|r| up to which an error costs nothing, in the target's unit"]


@loss(forms=FORM, gradient=_epsilon_insensitive_gradient)
def epsilon_insensitive(batch: Batch, *, epsilon: Tube = 0.1) -> Array:
    """Absolute error beyond a tolerance.

    Formula: mean of max(0, |r| - epsilon), r = pred - target
    Unit: target
    Use: Errors within a tolerance do not matter, as in support vector regression.
    Avoid: Comparing good models: inside the tube all are alike.
    Source: Vapnik 1995, doi:10.1007/978-1-4757-2440-0
    Subgradient: 0 at |r| = epsilon
    Also: svr
    Elsewhere:
        sklearn.linear_model  SGDRegressor(loss='epsilon_insensitive')  ≠ a training loss without a function
    """
    return _excess(batch, epsilon)


def _squared_epsilon_gradient(batch: Batch, *, epsilon: float) -> Array:
    return 2.0 * np.sign(residual(batch)) * _excess(batch, epsilon)


@loss(forms=FORM, gradient=_squared_epsilon_gradient)
def squared_epsilon_insensitive(batch: Batch, *, epsilon: Tube = 0.1) -> Array:
    """Squared error beyond a tolerance.

    Formula: mean of max(0, |r| - epsilon)², r = pred - target
    Unit: target²
    Use: As epsilon_insensitive, with a smooth slope, and large errors punished quadratically.
    Avoid: Outliers that must not rule the fit.
    Source: Vapnik 1995, doi:10.1007/978-1-4757-2440-0
    """
    return np.square(_excess(batch, epsilon))


@lru_cache
def power_mean(p: float) -> Statistic:
    """The p-th root of a mean."""
    return Statistic(f"root of order {p:g} of a mean", lambda m: m[0] ** (1.0 / p), interval="log")


def power(batch: Batch, *, p: float) -> Array:
    """A power of the absolute error."""
    return np.power(abs_residual(batch), p)


@recipe(forms=FORM)
def minkowski(*, p: Annotated[float, AT_LEAST_ONE, "the power of |r|"] = 2.0) -> Recipe:
    """Power mean of the absolute errors; p = 1 is mae, p = 2 rmse.

    Formula: (mean of |r|^p)^(1/p), r = pred - target
    Unit: target
    Use: Between the mean (p = 1) and the largest (p large) absolute error.
    Avoid: A per-row value is needed: it has none.
    Source: Minkowski 1896, Geometrie der Zahlen
    Also: lp
    Elsewhere:
        torchmetrics  minkowski_distance(p=2)  ≠ the root of the sum over the rows, n^(1/p) times this
    """
    return Recipe((power,), power_mean(p))
