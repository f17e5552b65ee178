"""Losses of counts, rates and positive sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np

from lossctl.core.batch import Batch, log_rate
from lossctl.core.declare import loss
from lossctl.core.domain import NON_NEGATIVE, POSITIVE, REAL, Domain, Gap
from lossctl.core.form import Form
from lossctl.losses.forms import COUNT_CURVE, regression
from lossctl.numerics.array import Array, by_piece
from lossctl.numerics.deviance import LOG_SLOPE, deviance, full_nll, signed_nll

RATE = regression(NON_NEGATIVE, POSITIVE, COUNT_CURVE)
SIZE = regression(POSITIVE, POSITIVE, COUNT_CURVE)


def _raw_slope(batch: Batch, power: float) -> Array:
    """(μ - y) μ^-p dμ/dz by the raw output z, in whose powers nothing overflows that is not large itself."""
    y, mean, log_mean = batch.target, batch.pred, log_rate(batch)
    steep = LOG_SLOPE[batch.activation](batch.raw) - power * log_mean
    share = -np.expm1(np.log(y) - log_mean)
    return np.where(mean > y, np.exp(steep + log_mean) * share, np.where(mean == y, 0.0, np.exp(steep) * (mean - y)))


def _poisson_gradient(batch: Batch) -> Array:
    return 1.0 - batch.target / batch.pred


@loss(
    forms=(RATE,),
    gradient=_poisson_gradient,
    raw_gradient=lambda batch: _raw_slope(batch, 1.0),
    best=None,
    functional="mean",
)
def poisson(
    batch: Batch, *, full: Annotated[bool, None, "add ln Γ(y + 1), which makes it the exact likelihood"] = False
) -> Array:
    """Negative log-likelihood of a Poisson count, without its constant unless `full`.

    May be negative without the constant. The lowest value is at μ = y. The terms μ and y ln μ may cancel: where less
    than 1/256 is left of the larger one, it is right to 4 units in the last place of 1/256 of that (under softplus and
    sigmoid, whose ln μ is 0 where μ is 1, of y too). With `full` nothing cancels, for large counts neither.

    Formula: mean of μ - y ln μ (+ ln Γ(y + 1) if full); y = target, μ = pred, a rate
    Unit: nats
    Optimises: the conditional mean, a rate
    Use: Counts per period: customers, e-mails, churned contracts. The prediction is a rate; end the model with exp or
        softplus.
    Avoid: Variance far above the mean (consider a negative binomial), or predictions of exactly 0.
    Source: Nelder & Wedderburn 1972, doi:10.2307/2344614
    Also: poisson_nll
    Elsewhere:
        torch       nn.PoissonNLLLoss()                 = poisson --activation exp
        torch       nn.PoissonNLLLoss(log_input=False, eps=0)
        torch       nn.PoissonNLLLoss(log_input=False)  ≠ adds 1e-8 to the rate inside the logarithm
        torch       nn.PoissonNLLLoss(full=True)        ≠ Stirling's approximation of ln y!, and that for y > 1 only
        keras       Poisson()                           ≠ adds 1e-7 to the rate inside the logarithm
        tensorflow  nn.log_poisson_loss                 = poisson --activation exp
        XGBoost     poisson-nloglik                     = poisson:full=true  # float32
        LightGBM    poisson                             # a rate below 1e-10 counts as 1e-10
        CatBoost    Poisson                             = poisson --activation exp
        XGBoost objective  count:poisson                       = poisson --activation exp
    """
    y, mean = batch.target, batch.pred
    gain = np.where(y == 0.0, 0.0, y * log_rate(batch))
    value = mean - gain
    rounded = 2.0 * np.abs(gain) + (0.0 if batch.activation == "none" else mean)
    if batch.activation in ("softplus", "sigmoid"):  # their ln μ is known as μ is, though it may be 0
        rounded += y
    shaky = rounded > 3.0 * np.abs(value)
    if shaky.any():
        value[shaky] = by_piece(signed_nll, y[shaky], batch.raw[shaky], activation=batch.activation)
    return by_piece(full_nll, y, batch.raw, mean, value, activation=batch.activation) if full else value


def unit_deviance(batch: Batch, *, power: float) -> Array:
    """Tweedie deviance of each row."""
    return by_piece(deviance, batch.target, batch.raw, batch.pred, activation=batch.activation, power=power)


@loss(
    forms=(RATE,),
    gradient=lambda batch: 2.0 * _poisson_gradient(batch),
    raw_gradient=lambda batch: 2.0 * _raw_slope(batch, 1.0),
    functional="mean",
)
def poisson_deviance(batch: Batch) -> Array:
    """Poisson deviance: twice what the likelihood of a count falls short of the best one, that of μ = y.

    Nothing cancels where μ is near y. Under an activation, where ln(y/μ) is below 2^-10, digits end
    where those of ln μ do: it is right to 4 units in the last place times 2^-10 over that logarithm.

    Formula: mean of 2 [y ln(y/μ) - y + μ]; y = target, μ = pred, a rate
    Unit: nats
    Optimises: the conditional mean, a rate
    Use: Counts per period, as poisson, on a scale that is 0 where every rate is what was counted: fits of different
        data can be told apart.
    Avoid: The likelihood itself is wanted (poisson:full=true), or the variance is far above the mean.
    Source: Nelder & Wedderburn 1972, doi:10.2307/2344614
    Also: mean_poisson_deviance
    Elsewhere:
        scikit-learn  mean_poisson_deviance
        torchmetrics  tweedie_deviance_score(power=1)  # in the precision of its input
    """
    return unit_deviance(batch, power=1.0)


@loss(
    forms=(SIZE,),
    gradient=lambda batch: 2.0 * (batch.pred - batch.target) / batch.pred / batch.pred,
    raw_gradient=lambda batch: 2.0 * _raw_slope(batch, 2.0),
    functional="mean",
)
def gamma_deviance(batch: Batch) -> Array:
    """Gamma deviance, a function of the ratio of target and prediction alone.

    Nothing cancels where μ is near y. Under an activation, where ln(y/μ) is below 2^-10, digits end
    where those of ln μ do: it is right to 4 units in the last place times 2^-10 over that logarithm.

    Formula: mean of 2 [ln(μ/y) + y/μ - 1]; y = target, μ = pred
    Unit: 1
    Optimises: the conditional mean
    Use: Positive sizes whose spread grows with their mean, as claims, durations or amounts of rain: only the ratio of
        target and prediction counts. It asks for the mean.
    Avoid: Zeros among the targets: tweedie_deviance with a power between 1 and 2.
    Source: Nelder & Wedderburn 1972, doi:10.2307/2344614
    Also: mean_gamma_deviance
    Elsewhere:
        scikit-learn    mean_gamma_deviance
        torchmetrics    tweedie_deviance_score(power=2)       # in the precision of its input
        the literature  Itakura-Saito distance of one column  = 0.5 x gamma_deviance
        XGBoost         gamma-deviance                        ≠ adds 1e-6 to target and prediction
        XGBoost         gamma-nloglik                         ≠ half of it, and 1 + the mean of ln target
        LightGBM        gamma_deviance                        = gamma_deviance --reduction sum
            # off where a rate is below 1e-3
        LightGBM        gamma                                 ≠ half of it, and 1 + the mean of ln target
        XGBoost objective  reg:gamma                             ≠ half of it, and 1 + the mean of ln target
    """
    return unit_deviance(batch, power=2.0)


def tweedie_form(power: float, one: bool = False) -> Form:
    """Return the form with the targets and predictions that a power allows; one: of a single output."""
    target: Domain = REAL if power <= 0.0 else NON_NEGATIVE if power < 2.0 else POSITIVE
    return regression(target, REAL if power == 0.0 else POSITIVE, COUNT_CURVE, one)


def _by_power(args: Mapping[str, Any]) -> Mapping[str, Any]:
    power = args["power"]
    return {"forms": (tweedie_form(power),), "raw_gradient": None if power == 0.0 else _tweedie_raw_gradient}


def _tweedie_gradient(batch: Batch, *, power: float) -> Array:
    gap = batch.pred - batch.target
    return 2.0 * np.where(gap == 0.0, 0.0, gap * np.power(batch.pred, -power))


def _tweedie_raw_gradient(batch: Batch, *, power: float) -> Array:
    if power > 0.0:
        return 2.0 * _raw_slope(batch, power)
    steep = LOG_SLOPE[batch.activation](batch.raw) - power * log_rate(batch)
    return 2.0 * (batch.pred - batch.target) * np.exp(steep)


@loss(forms=(RATE,), gradient=_tweedie_gradient, resolve=_by_power)
def tweedie_deviance(
    batch: Batch,
    *,
    power: Annotated[
        float, Gap(), "variance = mean^power: 0 normal, 1 Poisson, 2 gamma, 3 inverse Gaussian, 1 to 2 with zeros"
    ] = 1.5,
) -> Array:
    """Tweedie deviance, the family that runs from squared error over Poisson and gamma to inverse Gaussian.

    Below power 0 and at it targets may be any number, from 1 to 2 at least 0, from 2 on positive; predictions are
    positive except at power 0. Powers near 1 and 2, and μ near y, lose no digit. Under an activation, where ln(y/μ)
    is below 2^-10, digits end where those of ln μ do: it is right to 4 units in the last place times 2^-10 over that
    logarithm.

    Formula: mean of 2 [max(y, 0)^(2-p)/((1-p)(2-p)) - y μ^(1-p)/(1-p) + μ^(2-p)/(2-p)], p = power
    Unit: target^(2 - power)
    Optimises: the conditional mean
    Use: Totals that are often exactly 0 and positive otherwise, as claims per policy or rain per day: a power between 1
        and 2. It asks for the mean, whatever the power.
    Avoid: The variance does not grow as mean^power: compare powers by other means than this value, whose unit changes
        with them.
    Source: Tweedie 1984; Jørgensen 1987, doi:10.1111/j.2517-6161.1987.tb01685.x
    Elsewhere:
        scikit-learn  mean_tweedie_deviance()              = tweedie_deviance:power=0
        scikit-learn  mean_tweedie_deviance(power=1.5)
        scikit-learn  mean_tweedie_deviance(power=3)       = tweedie_deviance:power=3
        torchmetrics  tweedie_deviance_score(power=1.5)    # in the precision of its input; its own default is power 0
        XGBoost       tweedie-nloglik(tweedie_variance_power=1.5)  ≠ half of it, less a term of the target alone
        LightGBM      tweedie(tweedie_variance_power=1.5)  ≠ half of it, less a term of the target alone
        CatBoost      Tweedie(variance_power=1.5)          ≠ half of it, less a term of the target alone
        XGBoost objective  reg:tweedie                          ≠ half of it, less a term of the target alone
    """
    return np.square(batch.pred - batch.target) if power == 0.0 else unit_deviance(batch, power=power)
