"""Losses of relative error: logarithms, percentages, and errors beside the changes of a series."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np

from lossctl.core.batch import Batch, abs_residual, derived, of_target, residual
from lossctl.core.declare import Recipe, loss, recipe, set_loss, spans
from lossctl.core.domain import ABOVE_MINUS_ONE, CODES, NON_NEGATIVE, NON_ZERO, REAL, Whole
from lossctl.core.form import QUERY, Form, along
from lossctl.core.statistic import RATIO, ROOT, Statistic
from lossctl.losses.forms import relative
from lossctl.losses.regression import ONE_OUTPUT, lack
from lossctl.numerics.activation import softplus
from lossctl.numerics.array import Array

LOGARITHMIC = (relative(ABOVE_MINUS_ONE, ABOVE_MINUS_ONE),)
PERCENTAGE = (relative(NON_ZERO),)
ANY_TARGET = (relative(REAL),)


@derived
def log_residual(batch: Batch) -> Array:
    """ln(1 + pred) - ln(1 + target), as one logarithm of their ratio unless that overflows."""
    low = np.minimum(batch.pred, batch.target)
    ratio = abs_residual(batch) / (1.0 + low)
    grown = softplus(batch.raw) if batch.activation == "exp" else np.log1p(batch.pred)
    difference = grown - np.log1p(batch.target)
    return np.where(np.isfinite(ratio), np.copysign(np.log1p(ratio), residual(batch)), difference)


@loss(forms=LOGARITHMIC, gradient=lambda batch: 2.0 * log_residual(batch) / (1.0 + batch.pred))
def msle(batch: Batch) -> Array:
    """Mean squared logarithmic error.

    Formula: mean of (ln(1 + pred) - ln(1 + target))²
    Unit: 1
    Optimises: the mean of ln(1 + target)
    Use: The relative difference matters, not the absolute one, as with house prices over orders of magnitude: ln(1 +
        target) should be roughly normal. An under-estimate costs more than an equal over-estimate.
    Avoid: Targets at or below -1 (no logarithm), or errors whose absolute size matters.
    Source: Kaggle, Heritage Health Prize, 2011; scikit-learn #7655, 2016
    Also: mean_squared_log_error
    Elsewhere:
        scikit-learn  mean_squared_log_error
        torchmetrics  mean_squared_log_error       # without a check of the domain
        keras         MeanSquaredLogarithmicError  ≠ values below 1e-7 count as 1e-7
        permetrics    MSLE                         # of one output; it divides before it takes the logarithm
        CatBoost      MSLE
        XGBoost objective  reg:squaredlogerror          = 0.5 x msle  # its metric is rmsle
    """
    return np.square(log_residual(batch))


@recipe(forms=LOGARITHMIC)
def rmsle() -> Recipe:
    """Root mean squared logarithmic error.

    Close to the typical relative error where errors are small.

    Formula: √(mean of (ln(1 + pred) - ln(1 + target))²)
    Unit: 1
    Use: msle is wanted on the scale of a relative error.
    Avoid: A per-row value is needed: it has none, use msle.
    Source: Kaggle, Heritage Health Prize, 2011
    Also: root_mean_squared_log_error
    Elsewhere:
        scikit-learn  root_mean_squared_log_error  # of one output; for several it averages the roots
        XGBoost       rmsle                        # float32
    """
    return Recipe(msle.parts, ROOT)


@loss(
    forms=lambda eps: ANY_TARGET if eps > 0.0 else PERCENTAGE,
    gradient=lambda batch, eps: np.sign(residual(batch)) / np.maximum(np.abs(batch.target), eps),
)
def mape(
    batch: Batch,
    *,
    eps: Annotated[float, NON_NEGATIVE, "smallest size that an error is divided by; above 0, targets may be 0"] = 0.0,
) -> Array:
    """Mean absolute percentage error, as a fraction.

    Targets of 0 are refused, unless eps says by what their errors are divided.

    Formula: mean of |r| / max(|target|, eps), r = pred - target
    Unit: 1 (0.1 is 10 %)
    Use: People want the error in percent, and targets are far from zero.
    Avoid: Targets near zero, where it explodes; it also favours predictions that are too low. Use wape.
    Source: Armstrong 1985, Long-Range Forecasting
    Subgradient: 0 at r = 0
    Also: mean_absolute_percentage_error
    Elsewhere:
        scikit-learn  mean_absolute_percentage_error         = mape:eps=2.220446049250313e-16
        keras         MeanAbsolutePercentageError            = 100 x mape:eps=1e-7  # float32 throughout
        torchmetrics  mean_absolute_percentage_error         = mape:eps=1.17e-6
        permetrics    MAPE                                   # of one output; where a target is 0 it returns 1
        permetrics    MRE                                    # of one output; where a target is 0 it returns 1
        XGBoost       mape                                   # float32
        LightGBM      mape | mean_absolute_percentage_error  = mape:eps=1
        CatBoost      MAPE                                   = mape:eps=1
    """
    return abs_residual(batch) / np.maximum(np.abs(batch.target), eps)


@loss(forms=PERCENTAGE, gradient=lambda batch: np.broadcast_to(-1.0 / batch.target, batch.pred.shape), direction="zero")
def mpe(batch: Batch) -> Array:
    """Mean percentage error, as a fraction; for positive targets, positive means that the predictions are too low.

    Formula: mean of (target - pred) / target
    Unit: 1 (0.1 is 10 %)
    Use: To see a systematic relative over- or under-estimate, beside mape.
    Avoid: As an objective or alone: errors of opposite sign cancel.
    Source: Makridakis & Hibon 1979, doi:10.2307/2345077
    Also: mean_percentage_error
    Elsewhere:
        permetrics  MPE  # of one output; where a target is 0 it returns 1
    """
    return 0.0 - residual(batch) / batch.target


def _maape_gradient(batch: Batch) -> Array:
    size = np.abs(batch.target)
    reach = np.hypot(size, residual(batch))
    return np.where(reach == 0.0, 0.0, np.sign(residual(batch)) * (size / reach) / reach)


@loss(forms=ANY_TARGET, gradient=_maape_gradient)
def maape(batch: Batch) -> Array:
    """Mean arctangent absolute percentage error, between 0 and π/2.

    A row where target and prediction are both zero is a perfect prediction and costs 0.

    Formula: mean of arctan(|r| / |target|), r = pred - target
    Unit: rad (between 0 and π/2)
    Use: A percentage error for data with zeros: small errors count as in mape, no row costs more than π/2.
    Avoid: Rows with target 0 matter: each costs π/2 whatever is predicted.
    Source: Kim & Kim 2016, doi:10.1016/j.ijforecast.2015.12.003
    Subgradient: 0 at r = 0
    Also: mean_arctangent_absolute_percentage_error
    Elsewhere:
        permetrics  MAAPE  ≠ a row where target and prediction are 0 makes it 1
    """
    return np.arctan2(abs_residual(batch), np.abs(batch.target))


def _smape_gradient(batch: Batch) -> Array:
    size = 0.5 * (np.abs(batch.target) + np.abs(batch.pred))
    slope = (np.sign(residual(batch)) - 0.5 * (abs_residual(batch) / size) * np.sign(batch.pred)) / size
    return np.where(size == 0.0, 0.0, slope)


@loss(forms=ANY_TARGET, gradient=_smape_gradient)
def smape(batch: Batch) -> Array:
    """Symmetric mean absolute percentage error, between 0 and 2.

    A row where target and prediction are both zero is a perfect prediction and costs 0.

    Formula: mean of |r| / ((|target| + |pred|)/2)
    Unit: 1 (between 0 and 2)
    Use: A percentage error that stays finite when the target is zero.
    Avoid: Any target is near zero: a row with target 0 costs 2 whatever is predicted.
    Source: Makridakis 1993, doi:10.1016/0169-2070(93)90079-3
    Subgradient: 0 at r = 0
    Also: symmetric_mean_absolute_percentage_error
    Elsewhere:
        torchmetrics  symmetric_mean_absolute_percentage_error  ≠ |target| + |pred| counts as 1.17e-6 at least
        permetrics    SMAPE                                     = 100 x smape  # of one output
        permetrics    SMAPE_NP                                  # of one output
        permetrics    SMAPE_S                                   = 0.5 x smape  # of one output
        permetrics    SMAPE_S_P                                 = 50 x smape  # of one output
        CatBoost      SMAPE                                     = 100 x smape
    """
    target, pred = np.abs(batch.target), np.abs(batch.pred)
    most, least = np.maximum(target, pred), np.minimum(target, pred)
    opposed = np.signbit(batch.target) != np.signbit(batch.pred)
    fold = np.where(most > 1e300, 0.5, 1.0)  # keeps the sum of the two in range
    share = 2.0 * (fold * (most - least)) / (fold * most + fold * least)
    return np.where(most == 0.0, 0.0, np.where(opposed, 2.0, share))


@of_target
def abs_target(batch: Batch) -> Array:
    """Size of the target."""
    return np.abs(batch.target)


OVER_TARGETS = replace(RATIO, undefined="all targets are zero", ranks=True)


@recipe(forms=ONE_OUTPUT)
def wape() -> Recipe:
    """Weighted absolute percentage error: all absolute errors over all targets.

    The rows share one denominator, so targets of zero are welcome; infinite where all of them are zero (and
    undefined if all predictions are zero too).

    Formula: Σ |r| / Σ |target|
    Unit: 1 (0.1 is 10 %)
    Optimises: the conditional median
    Use: A percentage error for sales or demand, with zeros among the targets.
    Avoid: Rows of unlike size should count alike: the large targets rule.
    Source: Kolassa & Schütz 2007, Foresight 6
    Also: wmape
    Elsewhere:
        torchmetrics  weighted_mean_absolute_percentage_error  ≠ Σ|target| counts as 1.17e-6 at least
    """
    return Recipe((abs_residual, abs_target), OVER_TARGETS)


@of_target
def plain_target(batch: Batch) -> Array:
    """The target."""
    return batch.target


OF_TOTAL = Statistic(
    "share of a mean",
    lambda m: np.where(m[1] != 0.0, RATIO.value(m), np.nan)[()],
    undefined="the targets sum to zero",
)


@recipe(forms=ONE_OUTPUT, direction="zero")
def coefficient_of_residual_mass() -> Recipe:
    """Share of the summed target that the predictions lack.

    Positive where the predictions are too low in all, negative where they are too high; undefined where the
    targets sum to zero.

    Formula: (Σ target - Σ pred) / Σ target
    Unit: 1 (0.1 is 10 %)
    Use: Totals must be right, as with a water balance or a budget.
    Avoid: Rows matter: errors of opposite sign cancel. Beside rmse or mae only.
    Source: Loague & Green 1991, doi:10.1016/0169-7722(91)90038-3
    Also: crm
    Elsewhere:
        permetrics  CRM  = -1 x coefficient_of_residual_mass
            # (Σ pred - Σ target) / Σ target; of one output; -1 where the targets sum to 0
    """
    return Recipe((lack, plain_target), OF_TOTAL)


# series in the order of time --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Season(Whole):
    """Numbers of rows from one season to the next; samples are short, as are series of a few rows."""

    low: float = 1.0

    def sample(self, rng: np.random.Generator, width: int, rows: int) -> Array:
        return rng.integers(1, 4, (width, rows)).astype(np.float64)


TIMES = range(6)
SERIES = Form(
    "series",
    {"target": REAL.wide(1), "pred": REAL.wide(1), QUERY: CODES},
    along(
        "rows of one series",
        [f"t = {t}" for t in TIMES],
        target=[[t % 3 for t in TIMES]],
        pred=[[t % 2 for t in TIMES]],
        query=0.0,
    ),
)


@set_loss(
    forms=(SERIES,), ordered=True, undefined="a series of m rows or fewer, or one that does not change, has no scale"
)
def mase(batch: Batch, *, m: Annotated[float, Season(), "rows from one season to the next; 1 for none"] = 1.0) -> Array:
    """Mean absolute scaled error of series.

    The order of rows matters: they must stand in the order of time, each series by itself; `--role query=COL` says
    which series a row belongs to, without it all rows are one. The scale is the mean absolute change over m rows of
    the evaluated series itself. A series of m rows or fewer, or one that does not change, has no scale: its value,
    and so the mean, is not defined.

    Formula: mean over series of mean |r| / mean |target(t) - target(t - m)|
    Unit: 1
    Use: Forecasts of series of different size and unit: below 1 is better than repeating the value m rows before.
    Avoid: Rows in no order of time; series that hardly move. The scale is that of these rows, not of training data.
    Source: Hyndman & Koehler 2006, doi:10.1016/j.ijforecast.2006.03.001
    Also: mean_absolute_scaled_error
    Elsewhere:
        permetrics  MASE(m=m)  # of one output; where the scale is 0 it returns 1e10
    """
    return np.array([_scaled(batch.target[0, rows], abs_residual(batch)[0, rows], int(m)) for rows in spans(batch)])


def _scaled(target: Array, size: Array, m: int) -> float:
    """Mean error of one series over its mean change, NaN without one."""
    change = np.abs(target[m:] - target[:-m])
    scale = float(np.add.reduce(change)) / len(change) if len(change) else 0.0
    return float(np.add.reduce(size)) / len(size) / scale if scale > 0.0 else float("nan")
