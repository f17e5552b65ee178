"""Losses of the residual r = pred - target that treat large residuals otherwise than by their square."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any

import numpy as np

from lossctl.core.batch import Batch, abs_residual, residual
from lossctl.core.domain import AT_LEAST_ONE, NON_NEGATIVE, POSITIVE, REAL
from lossctl.core.loss import differs, loss, same
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


@loss(
    forms=FORM,
    gradient=_half_gradient,
    formula="mean of r²/2, r = pred - target",
    unit="target²",
    aliases=("l2_loss", "half_mse"),
    source="Gauss 1809",
    use="Numbers must match a program that minimises half of the squared error, so that its slope is r.",
    avoid="Reporting: mse or rmse are what readers know.",
    elsewhere=(
        same("optax", "l2_loss"),
        same("torch", "0.5 * MSELoss"),
        differs("tensorflow", "nn.l2_loss", "a sum over all elements of one tensor"),
    ),
)
def half_squared_error(batch: Batch) -> Array:
    """Half of the squared error."""
    return 0.5 * np.square(residual(batch))


def _pseudo_huber_gradient(batch: Batch, *, delta: float) -> Array:
    return residual(batch) * (delta / np.hypot(delta, residual(batch)))


@loss(
    forms=FORM,
    gradient=_pseudo_huber_gradient,
    formula="mean of delta²·(√(1 + (r/delta)²) - 1)",
    unit="target²",
    aliases=("charbonnier", "pseudo_huber_loss"),
    source="Charbonnier et al. 1994, doi:10.1109/ICIP.1994.413553; Hartley & Zisserman 2003",
    use="As huber, with all derivatives continuous: r²/2 near zero, delta·|r| in the tails.",
    avoid="The size that separates noise from outliers is unknown: delta is in the target's unit, so tune it.",
    elsewhere=(same("scipy", "special.pseudo_huber(delta=delta)"),),
)
def pseudo_huber(
    batch: Batch, *, delta: Annotated[float, POSITIVE, "|r| at which growth turns linear, in the target's unit"] = 1.0
) -> Array:
    """Smooth version of the Huber loss."""
    size = abs_residual(batch)
    half = 0.5 * size  # halves, so that the sum of delta and the root stays in range
    return size * (delta * (half / (0.5 * delta + np.hypot(0.5 * delta, half))))


def _tukey_gradient(batch: Batch, *, c: float) -> Array:
    return residual(batch) * np.square(np.maximum(1.0 - squared_ratio(batch, c), 0.0))


@loss(
    forms=FORM,
    gradient=_tukey_gradient,
    formula="mean of c²/6·(1 - (1 - (r/c)²)³) if |r| ≤ c, else c²/6",
    unit="target²",
    aliases=("tukey", "biweight", "bisquare"),
    source="Beaton & Tukey 1974, doi:10.1080/00401706.1974.10489171",
    use="Gross outliers must have no pull at all: beyond c the slope is zero.",
    avoid="Training from a poor start, as rows beyond c teach nothing. 4.685 suits residuals of unit deviation.",
    elsewhere=(same("statsmodels", "robust.norms.TukeyBiweight(c=c).rho"),),
)
def tukey_biweight(
    batch: Batch, *, c: Annotated[float, POSITIVE, "|r| beyond which rows have no pull"] = 4.685
) -> Array:
    """Tukey's biweight: a squared error near zero, a constant beyond c."""
    q = squared_ratio(batch, c)
    near = np.square(residual(batch)) * ((3.0 - q * (3.0 - q)) / 6.0)
    rest = np.maximum(1.0 - q, 0.0)
    return np.where(q < 0.5, near, c * c / 6.0 * (1.0 - rest * rest * rest))


def _cauchy_gradient(batch: Batch, *, c: float) -> Array:
    x = residual(batch) / c
    return 1.0 / (c * (1.0 / x + 0.5 * x))


@loss(
    forms=FORM,
    gradient=_cauchy_gradient,
    formula="mean of ln(1 + (r/c)²/2)",
    unit="1",
    aliases=("lorentzian",),
    source="Black & Anandan 1996, doi:10.1006/cviu.1996.0006",
    use="Heavy tails: outliers pull less the further out they are, but never quite nothing.",
    avoid="One best fit is needed: it is not convex. The scale c must fit the data; 2.385 deviations is usual.",
    elsewhere=(differs("scipy", "optimize.least_squares(loss='cauchy')", "ln(1 + r²), half of it as a cost"),),
)
def cauchy(batch: Batch, *, c: Scale = 1.0) -> Array:
    """Cauchy (Lorentzian) loss; barron with alpha = 0."""
    q = squared_ratio(batch, c)
    far = 2.0 * (np.log(abs_residual(batch)) - np.log(c)) - LN2  # where the square is out of range
    return np.where(np.isfinite(q), np.log1p(0.5 * q), far)


def _geman_mcclure_gradient(batch: Batch, *, c: float) -> Array:
    x = residual(batch) / c
    below = 1.0 + 0.25 * np.square(x)
    return x / (c * below) / below


@loss(
    forms=FORM,
    gradient=_geman_mcclure_gradient,
    formula="mean of 2·(r/c)² / ((r/c)² + 4)",
    unit="1 (below 2)",
    source="Geman & McClure 1985",
    use="Gross outliers, each of which may cost no more than 2.",
    avoid="Training from a poor start: far rows have almost no slope.",
)
def geman_mcclure(batch: Batch, *, c: Scale = 1.0) -> Array:
    """Geman-McClure loss, bounded by 2; barron with alpha = -2."""
    q = squared_ratio(batch, c)
    return np.where(q > 4.0, 2.0 / (1.0 + 4.0 / q), 2.0 * q / (q + 4.0))


def _welsch_gradient(batch: Batch, *, c: float) -> Array:
    x = residual(batch) / c
    return x / c * np.exp(-0.5 * np.square(x))


@loss(
    forms=FORM,
    gradient=_welsch_gradient,
    formula="mean of 1 - exp(-(r/c)²/2)",
    unit="1 (at most 1)",
    aliases=("leclerc",),
    source="Dennis & Welsch 1978, doi:10.1080/03610917808812083",
    use="Gross outliers, each of which may cost no more than 1; smooth everywhere.",
    avoid="Training from a poor start: rows beyond a few c have no slope.",
)
def welsch(batch: Batch, *, c: Scale = 1.0) -> Array:
    """Welsch (Leclerc) loss, bounded by 1; the limit of barron for alpha towards -∞."""
    return -np.expm1(-0.5 * squared_ratio(batch, c))


def _barron_gradient(batch: Batch, *, alpha: float, c: float) -> Array:
    return general_slope(residual(batch) / c, alpha) / c


@loss(
    forms=FORM,
    gradient=_barron_gradient,
    formula="mean of |alpha - 2|/alpha·(((r/c)²/|alpha - 2| + 1)^(alpha/2) - 1); its limits at alpha = 0 and 2",
    unit="1",
    aliases=("general_robust", "adaptive_robust"),
    source="Barron 2019, arXiv:1701.03077",
    use="One knob from squared error (2) over pseudo-Huber (1), Cauchy (0) and Geman-McClure (-2) to Welsch (-∞).",
    avoid="A fixed, known noise: name the member that fits it. Above 2 outliers rule even more than in mse.",
)
def barron(
    batch: Batch,
    *,
    alpha: Annotated[float, REAL, "the shape: 2 squared, 1 pseudo-Huber, 0 Cauchy, -2 Geman-McClure"] = 1.0,
    c: Scale = 1.0,
) -> Array:
    """Barron's general robust loss, a family by its shape alpha.

    The exponents near 0 and 2 and far below are taken so that nothing cancels: the value passes into its limits.
    """
    return general(scaled_residual(batch, c), alpha)


def _wing_gradient(batch: Batch, *, w: float, epsilon: float) -> Array:
    size = abs_residual(batch)
    return np.sign(residual(batch)) * np.where(size < w, w / (epsilon + size), 1.0)


@loss(
    forms=FORM,
    gradient=_wing_gradient,
    subgradient="0 at r = 0, ±1 at |r| = w",
    formula="mean of w·ln(1 + |r|/epsilon) if |r| < w, else |r| - w + w·ln(1 + w/epsilon)",
    unit="target",
    aliases=("wing_loss",),
    source="Feng et al. 2018, arXiv:1711.06753",
    use="Small residuals must still be driven to zero, as with landmarks of a face in pixels: steep near zero, "
    "|r| beyond w.",
    avoid="Noisy targets: near zero it follows the noise.",
    elsewhere=(same("segmentation-models-pytorch", "losses.functional.wing_loss", "wing:w=5,epsilon=0.5"),),
)
def wing(
    batch: Batch,
    *,
    w: Annotated[float, POSITIVE, "|r| at which growth turns linear, in the target's unit"] = 10.0,
    epsilon: Annotated[float, POSITIVE, "width of the steep part, in the target's unit"] = 2.0,
) -> Array:
    """Wing loss: logarithmic near zero, linear beyond w."""
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


@loss(
    forms=FORM,
    gradient=_epsilon_insensitive_gradient,
    subgradient="0 at |r| = epsilon",
    formula="mean of max(0, |r| - epsilon), r = pred - target",
    unit="target",
    aliases=("svr",),
    source="Vapnik 1995, doi:10.1007/978-1-4757-2440-0",
    use="Errors within a tolerance do not matter, as in support vector regression.",
    avoid="Comparing good models: inside the tube all are alike.",
    elsewhere=(
        differs(
            "sklearn.linear_model", "SGDRegressor(loss='epsilon_insensitive')", "a training loss without a function"
        ),
    ),
)
def epsilon_insensitive(batch: Batch, *, epsilon: Tube = 0.1) -> Array:
    """Absolute error beyond a tolerance."""
    return _excess(batch, epsilon)


def _squared_epsilon_gradient(batch: Batch, *, epsilon: float) -> Array:
    return 2.0 * np.sign(residual(batch)) * _excess(batch, epsilon)


@loss(
    forms=FORM,
    gradient=_squared_epsilon_gradient,
    formula="mean of max(0, |r| - epsilon)², r = pred - target",
    unit="target²",
    source="Vapnik 1995, doi:10.1007/978-1-4757-2440-0",
    use="As epsilon_insensitive, with a smooth slope, and large errors punished quadratically.",
    avoid="Outliers that must not rule the fit.",
)
def squared_epsilon_insensitive(batch: Batch, *, epsilon: Tube = 0.1) -> Array:
    """Squared error beyond a tolerance."""
    return np.square(_excess(batch, epsilon))


@lru_cache
def power_mean(p: float) -> Statistic:
    """The p-th root of a mean."""
    return Statistic(
        f"root of order {p:g} of a mean", lambda m: m[0] ** (1.0 / p), lambda m: (m[0] ** (1.0 / p - 1.0) / p,), "log"
    )


def _minkowski_variant(args: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"reading": power_mean(args["p"]), "row": None}


@loss(
    forms=FORM,
    variant=_minkowski_variant,
    formula="(mean of |r|^p)^(1/p), r = pred - target",
    unit="target",
    aliases=("lp",),
    source="Minkowski 1896, Geometrie der Zahlen",
    use="Between the mean (p = 1) and the largest (p large) absolute error.",
    avoid="A per-row value is needed: it has none.",
    elsewhere=(
        differs("torchmetrics", "minkowski_distance(p=2)", "the root of the sum over the rows, n^(1/p) times this"),
    ),
)
def minkowski(batch: Batch, *, p: Annotated[float, AT_LEAST_ONE, "the power of |r|"] = 2.0) -> Array:
    """Power mean of the absolute errors; p = 1 is mae, p = 2 rmse."""
    return np.power(abs_residual(batch), p)
