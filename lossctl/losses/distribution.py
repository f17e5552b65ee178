"""Losses of predicted distributions of a number: likelihoods, and ranked probability scores."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated, Final

import numpy as np

from lossctl.core.batch import Batch, abs_residual, residual
from lossctl.core.declare import loss
from lossctl.core.domain import NON_NEGATIVE, POSITIVE, REAL, Domain
from lossctl.core.form import Form, along
from lossctl.core.param import Choice
from lossctl.losses.forms import RESIDUALS, regression
from lossctl.numerics.array import Array, polynomial

NEAR: Final = 2.0  # up to it power series, from it on a continued fraction
LEVELS: Final = 120
BEYOND: Final = 39.0  # e^(-w²/2) is 0
ROOT_TWO_OVER_PI: Final = math.sqrt(2.0 / math.pi)
TERMS: Final = range(30, -1, -1)
TWO_SIDED: Final = [ROOT_TWO_OVER_PI * (-0.5) ** n / (math.factorial(n) * (2 * n + 1)) for n in TERMS]
DISTANCE: Final = [ROOT_TWO_OVER_PI * (-0.5) ** n / (math.factorial(n) * (2 * n + 1) * (2 * n + 2)) for n in TERMS]


def two_sided(w: Array) -> Array:
    """2 Φ(w) - 1 = erf(w/√2): the integral of the normal density between -w and w."""
    size = np.abs(w)
    near = np.minimum(size, NEAR)
    values = near * polynomial(np.square(near), TWO_SIDED)
    far = size > NEAR
    if far.any():
        away = np.minimum(size[far], BEYOND)
        values[far] = 1.0 - _twice_density(away) / (away + _fraction(away))
    return np.copysign(values, w)


def expected_distance_gain(w: Array) -> Array:
    """E|X - w| - E|X| of a standard normal X, for |w| <= NEAR: the integral of `two_sided` from 0 to w."""
    square = np.square(w)
    return square * polynomial(square, DISTANCE)


def expected_distance_excess(w: Array) -> Array:
    """E|X - w| - w of a standard normal X, for w >= NEAR: twice the integral of the upper tail."""
    away = np.minimum(w, BEYOND)
    fraction = _fraction(away)
    return _twice_density(away) * fraction / (away + fraction)


def _twice_density(w: Array) -> Array:
    return ROOT_TWO_OVER_PI * np.exp(-0.5 * np.square(w))


def _fraction(w: Array) -> Array:
    """1/(w + 2/(w + 3/(w + ...))): with it Mills' ratio is 1/(w + fraction)."""
    fraction = np.zeros_like(w)
    for level in range(LEVELS, 0, -1):
        fraction = level / (w + fraction)
    return fraction


HALF_LOG_TAU = 0.91893853320467274
LOG_TWO = math.log(2.0)
CENTRE = 0.23369497725510907  # (√2 - 1)/√π, the score of a standard normal at its mean
INVERSE_ROOT_PI = 1.0 / math.sqrt(math.pi)
Eps = Annotated[float, NON_NEGATIVE, "raise smaller variances to this; 0 leaves them"]
Full = Annotated[bool, None, "add ln(2π)/2, which makes it the exact likelihood"]
ScaleIs = Annotated[
    str, Choice(("variance", "deviation", "log_variance")), "what the scale is: σ², σ, or ln σ² (any number)"
]


def scaled(scale: Domain) -> Form:
    """A predicted centre with a scale of its own for each row."""
    form = regression()
    curve = replace(
        form.curve, axis="pred, target 0, scale 1", roles={**form.curve.roles, "scale": ((1.0,) * len(RESIDUALS),)}
    )
    return replace(form, roles={**form.roles, "scale": scale}, curve=curve)


def _least_scale(scale_is: str, eps: float) -> float:
    """The scale of the least variance."""
    if scale_is == "log_variance":
        return math.log(eps) if eps > 0.0 else -math.inf
    return math.sqrt(eps) if scale_is == "deviation" else eps


def _gaussian_gradient(batch: Batch, *, scale_is: str, eps: float) -> dict[str, Array]:
    r, least = residual(batch), _least_scale(scale_is, eps)
    scale = np.maximum(batch["scale"], least)
    if scale_is == "variance":
        centre = r / scale
        spread = 0.5 * (1.0 - r * centre) / scale
    elif scale_is == "deviation":
        centre = r / scale / scale
        spread = (1.0 - np.square(r / scale)) / scale
    else:
        shrunk = np.exp(-0.5 * scale)
        centre = r * shrunk * shrunk
        spread = 0.5 * (1.0 - np.square(r * shrunk))
    return {"pred": centre, "scale": np.where(batch["scale"] > least, spread, 0.0)}


@loss(
    forms=lambda scale_is, eps: (scaled(REAL if scale_is == "log_variance" else NON_NEGATIVE if eps else POSITIVE),),
    gradient=_gaussian_gradient,
    best=None,
)
def gaussian_nll(batch: Batch, *, scale_is: ScaleIs = "variance", eps: Eps = 0.0, full: Full = False) -> Array:
    """Negative log-likelihood of a normal target, without its constant unless `full`; mean in pred, spread in scale.

    May be negative. ln σ² and r²/σ² may cancel: it is right to 4 units in the last place of the larger of its terms.

    Formula: mean of 1/2 [ln σ² + r²/σ²] (+ ln(2π)/2 if full), r = pred - target, σ² from the role scale
    Unit: nats
    Use: The model says how sure it is, row by row: a mean and a variance, as in heteroscedastic regression.
    Avoid: Heavy tails: a row many deviations off costs its square (laplace_nll, crps_gaussian).
    Source: Nix & Weigend 1994, doi:10.1109/ICNN.1994.374138
    Subgradient: 0 by the scale where eps holds it
    Also: gaussian_negative_log_likelihood
    Elsewhere:
        torch  nn.GaussianNLLLoss()           = gaussian_nll:eps=1e-06
        torch  nn.GaussianNLLLoss(full=True)  = gaussian_nll:eps=1e-06,full=true
        scipy  -stats.norm.logpdf             = gaussian_nll:scale_is=deviation,full=true  # the mean over rows
    """
    r, scale = residual(batch), np.maximum(batch["scale"], _least_scale(scale_is, eps))
    if scale_is == "variance":
        value = 0.5 * (np.log(scale) + r * (r / scale))
    elif scale_is == "deviation":
        value = np.log(scale) + 0.5 * np.square(r / scale)
    else:
        value = 0.5 * (scale + np.square(r * np.exp(-0.5 * scale)))
    return value + HALF_LOG_TAU if full else value


def _laplace_gradient(batch: Batch) -> dict[str, Array]:
    b = batch["scale"]
    return {"pred": np.sign(residual(batch)) / b, "scale": (1.0 - abs_residual(batch) / b) / b}


@loss(forms=(scaled(POSITIVE),), gradient=_laplace_gradient, best=None)
def laplace_nll(batch: Batch) -> Array:
    """Negative log-likelihood of a Laplace target; its median in pred, its scale b = E|error| in scale.

    May be negative. ln(2 b) and |r|/b may cancel: it is right to 4 units in the last place of the larger of them.

    Formula: mean of ln(2 b) + |r|/b, r = pred - target, b from the role scale
    Unit: nats
    Use: The model says how sure it is, row by row, and errors have heavy tails: the centre is a median.
    Avoid: Errors are normal: gaussian_nll makes more of the same rows.
    Source: Laplace 1774, Mémoire sur la probabilité des causes par les évènements
    Subgradient: 0 by pred at r = 0
    Also: laplace_negative_log_likelihood
    Elsewhere:
        scipy  -stats.laplace.logpdf  # the mean over rows; inf beyond 700 scales
    """
    b = batch["scale"]
    return np.where(b > 1.0, np.log(b) + LOG_TWO, np.log(2.0 * b)) + abs_residual(batch) / b


MEMBERS = (-1.0, 0.0, 2.0)
OBSERVED = (-4.0, -1.0, 0.0, 0.5, 2.0, 6.0)
ENSEMBLE = Form(
    "ensemble",
    {"target": REAL.wide(1), "pred": REAL},
    along("target, members -1, 0, 2", OBSERVED, True, target=OBSERVED, pred=[-1.0, 0.0, 2.0]),
    least=2,
)
Fair = Annotated[bool, None, "divide by m (m - 1), as of a sample from a distribution: unbiased in its size m"]


def _ensemble_gradient(batch: Batch, *, fair: bool) -> Array:
    members, count = batch.pred, len(batch.pred)
    order = np.argsort(members, axis=0)
    ordered = np.take_along_axis(members, order, axis=0)
    place = np.broadcast_to(np.arange(count)[:, np.newaxis], ordered.shape)
    fresh = np.ones(ordered.shape, dtype=bool)
    fresh[1:] = ordered[1:] != ordered[:-1]
    first = np.maximum.accumulate(np.where(fresh, place, 0), axis=0)
    ends = np.concatenate([fresh[1:], np.ones_like(fresh[:1])])
    last = np.minimum.accumulate(np.where(ends, place, count - 1)[::-1], axis=0)[::-1]
    ahead = np.empty_like(members)  # members below less members above
    np.put_along_axis(ahead, order, (first - (count - 1 - last)).astype(np.float64), axis=0)
    pairs = count * (count - 1) if fair else count * count
    return np.sign(members - batch.target) / count - ahead / pairs


@loss(forms=(ENSEMBLE,), gradient=_ensemble_gradient)
def crps_ensemble(batch: Batch, *, fair: Fair = False) -> Array:
    """Continuous ranked probability score of an ensemble of at least two members, the prediction columns.

    Computed as the integral of the squared distance of two step functions, after sorting the members: terms are
    positive and nothing cancels. 0 where all members are the target.

    Formula: mean of 1/m Σ_i |x_i - y| - 1/(2 m²) Σ_i Σ_j |x_i - x_j|; fair: m (m - 1) instead of m²
    Unit: target
    Use: Ensemble forecasts, or draws from a posterior: m columns of equally likely values. It is in the unit of the
        target, and mae for members that agree.
    Avoid: The model states quantiles or a mean and a deviation: quantile, crps_gaussian.
    Source: Matheson & Winkler 1976, doi:10.1287/mnsc.22.10.1087; Gneiting & Raftery 2007,
        doi:10.1198/016214506000001437
    Subgradient: 0 of a distance that is 0
    Also: crps
    Elsewhere:
        torchmetrics   continuous_ranked_probability_score  # in the precision of its input
        properscoring  crps_ensemble                        # the mean over rows
        scoringrules   crps_ensemble(estimator='fair')      = crps_ensemble:fair=true  # the mean over rows
    """
    y, count, less = batch.target[0], len(batch.pred), int(fair)
    ordered = np.sort(batch.pred, axis=0)
    total = np.maximum(ordered[0] - y, 0.0) + np.maximum(y - ordered[-1], 0.0)
    for below in range(1, count):
        low, high = ordered[below - 1], ordered[below]
        share_below, share_above = (n * (n - less) / (count * (count - less)) for n in (below, count - below))
        before, after = np.minimum(high, y) - low, high - np.maximum(low, y)
        total += np.maximum(before, 0.0) * share_below + np.maximum(after, 0.0) * share_above
    return total


def _crps_gradient(batch: Batch) -> dict[str, Array]:
    w = residual(batch) / batch["scale"]
    density = ROOT_TWO_OVER_PI * np.exp(-0.5 * np.square(w))
    return {"pred": two_sided(w), "scale": density - INVERSE_ROOT_PI}


@loss(forms=(scaled(POSITIVE),), gradient=_crps_gradient, best=None)
def crps_gaussian(batch: Batch) -> Array:
    """Continuous ranked probability score of a normal forecast; mean in pred, standard deviation in scale.

    0.234 σ at the mean, |r| - 0.564 σ far from it; never below 0, which only σ = 0 would reach.

    Formula: mean of σ [w (2Φ(w) - 1) + 2φ(w) - 1/√π], w = (pred - target)/σ, σ from the role scale
    Unit: target
    Use: A mean and a standard deviation for each row, scored in the unit of the target: large errors cost in
        proportion, not squared as in gaussian_nll.
    Avoid: The distribution is far from normal: crps_ensemble of draws from it.
    Source: Gneiting et al. 2005, doi:10.1175/MWR2904.1
    Elsewhere:
        properscoring  crps_gaussian  # the mean over rows
        scoringrules   crps_normal    ≠ its error function is an approximation in some backends
    """
    sigma, size = batch["scale"], abs_residual(batch)
    w = size / sigma
    value = sigma * (CENTRE + expected_distance_gain(np.minimum(w, NEAR)))
    far = w > NEAR
    if far.any():
        value[far] = size[far] + sigma[far] * (expected_distance_excess(w[far]) - INVERSE_ROOT_PI)
    return value
