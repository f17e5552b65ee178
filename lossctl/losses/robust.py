"""Losses of the residual r = pred - target that treat large residuals or the two signs otherwise than its square."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Final

import numpy as np

from lossctl.core.batch import Batch, abs_residual
from lossctl.core.declare import Recipe, recipe
from lossctl.core.domain import AT_LEAST_ONE, NON_NEGATIVE, NON_ZERO, POSITIVE, REAL, UNIT
from lossctl.core.statistic import Statistic
from lossctl.losses.regression import FORM, Linear, residual_loss
from lossctl.numerics.array import Array
from lossctl.numerics.double import Pair, finite_or_zero, two_product, two_sum

NO_MORE: Final = 1e-17  # what adds nothing to 1
Scale = Annotated[float, POSITIVE, "size of a usual residual, in the target's unit"]
Tube = Annotated[float, NON_NEGATIVE, "|r| up to which an error costs nothing, in the target's unit"]


def ratio(r: Array, remainder: Array, width: float) -> Pair:
    """(r + remainder) / width as a rounded quotient and its error."""
    high = r / width
    product, error = two_product(high, np.array(width))
    return high, finite_or_zero(((r - product) - error + remainder) / width)


def square(a: Pair) -> Pair:
    """The square of a pair; an infinity has no error."""
    high, error = two_product(a[0], a[0])
    return high, finite_or_zero(error + 2.0 * a[0] * a[1])


def squared_ratio(r: Array, remainder: Array, width: float) -> Array:
    """((r + remainder) / width)², rounded once."""
    high, low = square(ratio(r, remainder, width))
    return high + low


def excess(r: Array, remainder: Array, epsilon: float) -> Array:
    """max(0, |r + remainder| - epsilon), right to the last digit where both nearly agree."""
    return np.maximum((np.abs(r) - epsilon) + np.copysign(1.0, r) * remainder, 0.0)


def exp_less_line(x: Array) -> Array:
    """e^x - 1 - x, by its series where that cancels."""
    near = np.clip(x, -1.0, 2.0)
    series = np.zeros_like(near)
    for n in range(26, 1, -1):
        series = (1.0 + series) * near / n
    return np.where(near == x, series * near, np.exp(x) + (-1.0 - x))


@residual_loss(slope=lambda r: r)
def half_squared_error(r: Array) -> Array:
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
    return 0.5 * np.square(r)


@residual_loss(slope=lambda r, delta: r * (delta / np.hypot(delta, r)))
def pseudo_huber(size: Array, *, delta: Linear = 1.0) -> Array:
    """Smooth version of the Huber loss.

    Formula: mean of delta²·(√(1 + (r/delta)²) - 1)
    Unit: target²
    Use: As huber, with all derivatives continuous: r²/2 near zero, delta·|r| in the tails.
    Avoid: The size that separates noise from outliers is unknown: delta is in the target's unit, so tune it.
    Source: Charbonnier et al. 1994, doi:10.1109/ICIP.1994.413553; Hartley & Zisserman 2003
    Also: charbonnier, pseudo_huber_loss
    Elsewhere:
        scipy    special.pseudo_huber(delta=delta)
        XGBoost  mphe(huber_slope=delta)                  # float32
        XGBoost objective  reg:pseudohubererror(huber_slope=delta)
    """
    half = 0.5 * size  # halves, so that the sum of delta and the root stays in range
    return size * (delta * (half / (0.5 * delta + np.hypot(0.5 * delta, half))))


@residual_loss(slope=lambda r, remainder, c: r * np.square(np.maximum(1.0 - squared_ratio(r, remainder, c), 0.0)))
def tukey_biweight(
    r: Array, remainder: Array, *, c: Annotated[float, POSITIVE, "|r| beyond which rows have no pull"] = 4.685
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
    q = squared_ratio(r, remainder, c)
    inside = np.maximum(1.0 - q, 0.0)
    near = np.square(r) * ((3.0 - q * (3.0 - q)) / 6.0)
    return np.where(q < 0.5, near, c * c / 6.0 * (1.0 - inside * inside * inside))


@residual_loss(slope=lambda r, c: 1.0 / (c * (1.0 / (r / c) + 0.5 * (r / c))))
def cauchy(r: Array, remainder: Array, *, c: Scale = 1.0) -> Array:
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
    return np.log1p(0.5 * squared_ratio(r, remainder, c))


def _geman_mcclure_slope(r: Array, c: float) -> Array:
    below = 1.0 + 0.25 * np.square(r / c)
    return r / c / (c * below) / below


@residual_loss(slope=_geman_mcclure_slope)
def geman_mcclure(r: Array, remainder: Array, *, c: Scale = 1.0) -> Array:
    """Geman-McClure loss, bounded by 2; barron with alpha = -2.

    Formula: mean of 2·(r/c)² / ((r/c)² + 4)
    Unit: 1 (below 2)
    Use: Gross outliers, each of which may cost no more than 2.
    Avoid: Training from a poor start: far rows have almost no slope.
    Source: Geman & McClure 1985
    """
    q = squared_ratio(r, remainder, c)
    return np.where(q > 4.0, 2.0 / (1.0 + 4.0 / q), 2.0 * q / (q + 4.0))


@residual_loss(slope=lambda r, c: r / c / c * np.exp(-0.5 * np.square(r / c)))
def welsch(r: Array, remainder: Array, *, c: Scale = 1.0) -> Array:
    """Welsch (Leclerc) loss, bounded by 1; the limit of barron for alpha towards -∞.

    Formula: mean of 1 - exp(-(r/c)²/2)
    Unit: 1 (at most 1)
    Use: Gross outliers, each of which may cost no more than 1; smooth everywhere.
    Avoid: Training from a poor start: rows beyond a few c have no slope.
    Source: Dennis & Welsch 1978, doi:10.1080/03610917808812083
    Also: leclerc
    """
    return -np.expm1(-0.5 * squared_ratio(r, remainder, c))


def general(x: Pair, alpha: float) -> Array:
    """Barron's loss of a scaled residual x, (b/alpha) ((1 + x²/b)^(alpha/2) - 1) with b = |alpha - 2|.

    With z = x²/b and w = b ln(1 + z) it is (w/2) (e^y - 1)/y for y = (alpha/b) w/2: in this form it is w/2 at
    alpha = 0 and x²/2 at alpha = 2, and 1 - exp(-x²/2) far below.
    """
    q = square(x)
    if alpha == 2.0:
        return 0.5 * (q[0] + q[1])
    b, remainder = two_sum(np.array(alpha), np.array(-2.0))
    b, remainder = np.abs(b), np.copysign(1.0, b) * remainder
    z = q[0] / b
    product, error = two_product(z, b)
    z_rest = finite_or_zero(((q[0] - product) - error + q[1] - z * remainder) / b)
    w = np.where(z < NO_MORE, q[0] + q[1], b * (np.log1p(z) + z_rest / (1.0 + z)))
    y = alpha / b * (0.5 * w)
    near = np.minimum(y, 1.0)
    slow = 0.5 * w * np.where(np.abs(near) < NO_MORE, 1.0, np.expm1(near) / near)
    if alpha <= 0.0:
        return slow
    base, lost = two_sum(np.ones_like(z), z)
    power = np.power(base, 0.5 * alpha)
    steep = b / alpha * (power - 1.0 + power * np.expm1(0.5 * alpha * ((lost + z_rest) / base)))
    return np.where(y <= 1.0, slow, steep)


def general_slope(x: Array, alpha: float) -> Array:
    """Return the derivative by x."""
    if alpha == 2.0:
        return x
    return x * np.exp((0.5 * alpha - 1.0) * np.log1p(np.square(x) / abs(alpha - 2.0)))


@residual_loss(slope=lambda r, alpha, c: general_slope(r / c, alpha) / c)
def barron(
    r: Array,
    remainder: Array,
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
    return general(ratio(r, remainder, c), alpha)


@residual_loss(slope=lambda r, w, epsilon: np.sign(r) * np.where(np.abs(r) < w, w / (epsilon + np.abs(r)), 1.0))
def wing(
    size: Array,
    *,
    w: Linear = 10.0,
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
    return w * np.log1p(np.minimum(size, w) / epsilon) + np.maximum(size - w, 0.0)


@residual_loss(slope=lambda r, remainder, epsilon: np.sign(r) * (excess(r, remainder, epsilon) > 0.0))
def epsilon_insensitive(r: Array, remainder: Array, *, epsilon: Tube = 0.1) -> Array:
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
    return excess(r, remainder, epsilon)


@residual_loss(slope=lambda r, remainder, epsilon: 2.0 * np.sign(r) * excess(r, remainder, epsilon))
def squared_epsilon_insensitive(r: Array, remainder: Array, *, epsilon: Tube = 0.1) -> Array:
    """Squared error beyond a tolerance.

    Formula: mean of max(0, |r| - epsilon)², r = pred - target
    Unit: target²
    Use: As epsilon_insensitive, with a smooth slope, and large errors punished quadratically.
    Avoid: Outliers that must not rule the fit.
    Source: Vapnik 1995, doi:10.1007/978-1-4757-2440-0
    """
    return np.square(excess(r, remainder, epsilon))


@lru_cache
def power_mean(p: float) -> Statistic:
    """The p-th root of a mean."""
    return Statistic(f"root of order {p:g} of a mean", lambda m: m[0] ** (1.0 / p), interval="log", ranks=True)


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
        CatBoost      Lq(q=3)                  ≠ the mean of |r|^q, without the root
    """
    return Recipe((power,), power_mean(p))


@residual_loss(slope=lambda r, a: a * np.expm1(a * r))
def linex(
    r: Array,
    remainder: Array,
    *,
    a: Annotated[float, NON_ZERO, "steepness in 1/(the target's unit); its sign says which side"] = 1.0,
) -> Array:
    """Linear-exponential loss, asymmetric in the sign of the residual.

    Formula: mean of exp(a·r) - a·r - 1, r = pred - target
    Unit: 1
    Use: Errors of one sign are far worse: a > 0 punishes predictions that are too high exponentially, those too low
        linearly; a < 0 the other way.
    Avoid: Residuals of more than a few units of 1/a: the exponential takes over.
    Source: Varian 1975; Zellner 1986, doi:10.1080/01621459.1986.10478289
    """
    x, error = two_product(r, np.array(a))
    value = exp_less_line(x)
    return np.where(np.isfinite(value), value + np.expm1(x) * (error + a * remainder), value)


@residual_loss(slope=lambda r, tau: 2.0 * np.where(r > 0.0, 1.0 - tau, tau) * r)
def expectile(r: Array, *, tau: Annotated[float, UNIT, "the expectile asked for"] = 0.5) -> Array:
    """Asymmetric squared error: an error below costs tau, an error above 1 - tau.

    Formula: mean of |tau - 1[r > 0]|·r², r = pred - target
    Unit: target²
    Use: A value above (tau > 1/2) or below the mean is wanted, smoothly: the least-squares relative of a quantile.
    Avoid: A share of rows below the prediction is to be promised: that is quantile. tau = 0.5 is mse/2.
    Source: Newey & Powell 1987, doi:10.2307/1911031
    Also: asymmetric_least_squares
    Elsewhere:
        CatBoost  Expectile(alpha=tau)
    """
    return np.where(r > 0.0, 1.0 - tau, tau) * np.square(r)


@residual_loss(slope=lambda r, q, delta: np.where(r > 0.0, 1.0 - q, q) * np.clip(r / delta, -1.0, 1.0))
def quantile_huber(
    r: Array, size: Array, *, q: Annotated[float, UNIT, "the quantile asked for"] = 0.5, delta: Linear = 1.0
) -> Array:
    """Quantile loss with a parabola of width delta at zero.

    Formula: mean of |q - 1[r > 0]|·huber(r; delta)/delta, r = pred - target
    Unit: target
    Use: The q-quantile is wanted, with a slope that is smooth near zero, as in distributional reinforcement learning.
    Avoid: The quantile itself matters to the last digit: delta shifts it. quantile has no such width.
    Source: Aravkin et al. 2014, arXiv:1402.4624; Dabney et al. 2018, arXiv:1710.10044
    Also: huber_quantile
    """
    inner = np.minimum(size, delta)
    return np.where(r > 0.0, 1.0 - q, q) * (inner / delta * (size - 0.5 * inner))
