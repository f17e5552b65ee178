"""Losses of the residual r = pred - target."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, Final

import numpy as np

from lossctl.core.batch import Batch, abs_residual, derived, residual
from lossctl.core.declare import Recipe, declare, peak, recipe, sample
from lossctl.core.domain import POSITIVE, REAL, UNIT
from lossctl.core.form import Form, along
from lossctl.core.loss import Loss, Part, arguments_of
from lossctl.core.param import PerColumn, Value
from lossctl.core.statistic import ROOT
from lossctl.losses.forms import RESIDUALS, regression
from lossctl.numerics.array import Array
from lossctl.numerics.double import finite_or_zero, two_sum


def weighted_quantile(values: Array, weights: Array, q: float) -> float:
    """Return the q-quantile of sorted values; weights count as repeated rows, and two that fit are averaged."""
    reached = np.cumsum(weights)
    place = q * reached[-1]
    last = len(values) - 1
    low = values[min(np.searchsorted(reached, place, side="left"), last)]
    high = values[min(np.searchsorted(reached, place, side="right"), last)]
    return float(low if low == high else 0.5 * low + 0.5 * high)


def weighted_sum(values: Array, weights: Array) -> float:
    """Return Σ weight x value, the rows one way whatever their number."""
    return float(np.add.reduce(values * weights))


def over(above: float, below: float) -> float:
    """Return a quotient, NaN where the denominator is not above 0."""
    return above / below if below > 0.0 else float("nan")


FORM = (regression(),)
ONE_OUTPUT = (regression(one=True),)
STRAIGHT = 700.0  # |r| at which e^-2|r| is far below the last digit of 1, and e^|r| still in range
Linear = Annotated[float, POSITIVE, "|r| at which growth turns linear, in the target's unit"]


@derived
def residual_remainder(batch: Batch) -> Array:
    """What rounding took from pred - target; 0 where that overflowed."""
    return finite_or_zero(two_sum(batch.pred, -batch.target)[1])


QUANTITIES: Final = {"r": residual, "size": abs_residual, "remainder": residual_remainder}


def of_residual(function: Callable[..., Array]) -> Part:
    """Return the part that calls a function with the quantities of a block that its arguments name."""
    sources = {name: QUANTITIES[name] for name in arguments_of(function) if name in QUANTITIES}

    @wraps(function)
    def part(batch: Batch, **args: Value) -> Array:
        return function(**{name: quantity(batch) for name, quantity in sources.items()}, **args)

    return part


def residual_loss(
    *, slope: Callable[..., Array] | None = None, forms: Any = FORM, **facts: Any
) -> Callable[[Callable[..., Array]], Loss]:
    """Declare the mean of a function of the residual r, its size |r| and the remainder that rounding took from it.

    slope: its derivative by r, a function of the same.
    """

    def made(function: Callable[..., Array]) -> Loss:
        row = of_residual(function)
        gradient = None if slope is None else of_residual(slope)
        return declare(row, forms=forms, row=row, gradient=gradient, **facts)

    return made


@residual_loss(slope=lambda r: 2.0 * r, functional="mean")
def mse(r: Array) -> Array:
    """Mean squared error.

    No factor 1/2. A row with several outputs is the mean over its outputs.

    Formula: mean of r², r = pred - target
    Unit: target²
    Optimises: the conditional mean
    Use: The target is roughly normal given the inputs, and a large error should cost far more than two small ones:
        errors are punished quadratically. It asks the model for the conditional mean.
    Avoid: Outliers that must not rule the fit: use huber, log_cosh or mae. Targets over orders of magnitude: msle.
    Source: Gauss 1809; Legendre 1805
    Also: mean_squared_error, squared_error, mse_loss
    Elsewhere:
        torch         nn.MSELoss
        keras         MeanSquaredError                 # float32 throughout
        optax         squared_error
        optax         l2_loss                          = 0.5 x mse
        scikit-learn  mean_squared_error
        torchmetrics  mean_squared_error
        permetrics    MSE                              # of one output
        LightGBM      l2 | regression_l2 | regression
        XGBoost objective  reg:squarederror | reg:linear    = 0.5 x mse  # its metric is rmse
    """
    return np.square(r)


squared = mse.parts[0]


@recipe(forms=FORM)
def rmse() -> Recipe:
    """Root mean squared error, in the unit of the target.

    The root of the mean over rows; with several outputs the mean over outputs is taken before the root.

    Formula: √(mean of r²), r = pred - target
    Unit: target
    Use: mse is wanted, but in the unit of the target.
    Avoid: A per-row value is needed: it has none, use mse.
    Source: Gauss 1809
    Also: root_mean_squared_error
    Elsewhere:
        scikit-learn  root_mean_squared_error  # of one output; for several it averages the columns' roots
        keras         metrics.RootMeanSquaredError              # float32 throughout
        torchmetrics  mean_squared_error(squared=False)
        permetrics    RMSE                                      # of one output
        XGBoost       rmse                                      # float32
        LightGBM      rmse | l2_root | root_mean_squared_error
        CatBoost      RMSE
        CatBoost      MultiRMSE                                 ≠ the root of the sum over the outputs, √k times this
        CatBoost, of queries  QueryRMSE  ≠ the mean residual of each query is taken out first
    """
    return Recipe(mse.parts, ROOT)


@residual_loss(slope=lambda r: np.sign(r), functional="quantile")
def mae(size: Array) -> Array:
    """Mean absolute error.

    Formula: mean of |r|, r = pred - target
    Unit: target
    Optimises: the conditional median
    Use: Outliers must not play a big role; image models trained with it blur less. It is robust, but its slope does not
        shrink near the truth, so training is less stable than with mse. It asks for the conditional median.
    Avoid: Large errors are disproportionately costly (mse), or a smooth slope at zero is needed (huber, log_cosh).
    Source: Boscovich 1757
    Subgradient: 0 at r = 0
    Also: mean_absolute_error, absolute_error, l1, l1_loss, lad
    Elsewhere:
        torch         nn.L1Loss
        keras         MeanAbsoluteError    # float32 throughout
        scikit-learn  mean_absolute_error
        torchmetrics  mean_absolute_error
        permetrics    MAE                  # of one output
        XGBoost       mae                  # float32
        LightGBM      l1 | regression_l1
        CatBoost      MAE                  ≠ 1e-6 is taken from every target
        XGBoost objective  reg:absoluteerror
    """
    return size


@residual_loss(slope=lambda r: np.full_like(r, -1.0), direction="zero")
def mbe(r: Array) -> Array:
    """Mean bias error; positive means that the predictions are too low.

    Formula: mean of (target - pred)
    Unit: target
    Optimises: no prediction: it detects bias
    Use: To see a systematic over- or under-estimate, beside another loss.
    Avoid: As an objective or alone: it is unbounded below, and errors of opposite sign cancel.
    Source: Willmott & Matsuura 2005, doi:10.3354/cr030079
    Also: mean_bias_error
    Elsewhere:
        permetrics  MBE  = -1 x mbe  # pred - target; of one output
    """
    return 0.0 - r


lack = mbe.parts[0]


@residual_loss(slope=lambda r, delta: np.clip(r, -delta, delta))
def huber(r: Array, *, delta: Linear = 1.0) -> Array:
    """Squared error near zero, absolute error in the tails.

    Continuous with its slope at |r| = delta; as delta grows it becomes mse/2.

    Formula: mean of r²/2 if |r| ≤ delta, else delta·(|r| - delta/2)
    Unit: target²
    Optimises: between mean and median
    Use: The best of mse and mae: smooth near zero, and outliers pull only linearly.
    Avoid: The size that separates noise from outliers is unknown: delta is in the target's unit, so tune it.
    Source: Huber 1964, doi:10.1214/aoms/1177703732
    Also: huber_loss
    Elsewhere:
        torch        nn.HuberLoss(delta=delta)
        keras        Huber(delta=delta)                # float32 throughout
        optax        huber_loss(delta=delta)
        scipy        special.huber(delta=delta)
        statsmodels  robust.norms.HuberT(t=delta).rho
        LightGBM     huber(alpha=delta)                # 0.9 by default
        CatBoost     Huber(delta=delta)
    """
    inner = np.clip(r, -delta, delta)
    return inner * (r - 0.5 * inner)


@residual_loss(slope=lambda r, beta: np.clip(r / beta, -1.0, 1.0))
def smooth_l1(
    size: Array, *, beta: Annotated[float, POSITIVE, "width of the parabola, in the target's unit"] = 1.0
) -> Array:
    """Absolute error with its corner rounded by a parabola; huber(delta=beta)/beta.

    Formula: mean of r²/(2 beta) if |r| < beta, else |r| - beta/2
    Unit: target
    Use: Box regression, where it comes from: slope ±1 outside, a parabola inside.
    Avoid: Where huber is meant: they agree only at beta = delta = 1.
    Source: Girshick 2015 (Fast R-CNN), arXiv:1504.08083
    Also: smooth_l1_loss
    Elsewhere:
        torch  nn.SmoothL1Loss(beta=beta)  # its beta = 0 is mae
        keras  Huber(delta=0.5)            = 0.5 x smooth_l1:beta=0.5  # float32 throughout
    """
    inner = np.minimum(size, beta)
    return inner / beta * (size - 0.5 * inner)


@residual_loss(slope=lambda r: np.tanh(r))
def log_cosh(size: Array) -> Array:
    """Logarithm of the hyperbolic cosine of the residual.

    Formula: mean of ln cosh r, r = pred - target
    Unit: target (for large r)
    Optimises: between mean and median
    Use: As huber with delta = 1, but smooth everywhere.
    Avoid: Targets whose natural error is far from 1: it has no width to set. Rescale, or use huber.
    Source: Green 1990, doi:10.1109/42.52985
    Also: logcosh, log_cosh_error
    Elsewhere:
        keras         LogCosh         # its form cancels for |r| below 1e-6; float32 throughout
        optax         log_cosh        # its form cancels for |r| below 1e-6
        torchmetrics  log_cosh_error  ≠ it overflows for |r| above 710, and cancels for |r| below 1e-6
        CatBoost      LogCosh         ≠ it is off from the fourth digit on
    """
    is_near = np.maximum.reduce(size, axis=None, initial=0.0) <= STRAIGHT
    near = size if is_near else np.minimum(size, STRAIGHT)
    curve = np.log1p(2.0 * np.square(np.sinh(0.5 * near)))  # 1 + 2 sinh²(r/2) is cosh r, and does not cancel near 0
    return curve if is_near else curve + (size - near)


def by_column(q: float | tuple[float, ...]) -> float | Array:
    """Return a quantile for all columns as it is, those of each column as (columns, 1)."""
    return np.array(q)[:, np.newaxis] if isinstance(q, tuple) else q


def quantile_forms(q: float | tuple[float, ...]) -> tuple[Form, ...]:
    """Return the form of one quantile, or that of several quantiles of one target."""
    if not isinstance(q, tuple):
        return FORM
    curve = along(
        "pred of every quantile, target 0", RESIDUALS, True, against="error", target=0.0, pred=[RESIDUALS] * len(q)
    )
    return (Form("quantile", {"target": REAL.wide(1), "pred": REAL.wide(len(q))}, curve),)


def pinball_slope(r: Array, q: float | tuple[float, ...]) -> Array:
    """Slope of the quantile loss."""
    level = by_column(q)
    return np.where(r > 0.0, 1.0 - level, np.where(r < 0.0, -level, 0.0))


@residual_loss(slope=pinball_slope, forms=quantile_forms, functional="quantile")
def quantile(
    r: Array,
    *,
    q: Annotated[float | tuple[float, ...], PerColumn(UNIT), "the quantile asked for"] = 0.5,
) -> Array:
    """Quantile (pinball) loss: an error below costs q, an error above 1 - q.

    Several quantiles of one target, a column for each: q=0.1/0.5/0.9, or the columns are named by them (q10, p_0.5).
    Their loss is the mean over the columns; twice that of evenly spread quantiles nears the CRPS.

    Formula: mean of max(q·(target - pred), (q - 1)·(target - pred))
    Unit: target
    Optimises: the conditional q-quantile
    Use: The q-quantile is wanted: an upper bound, an interval, a service level.
    Avoid: The mean or a central value is wanted. q = 0.5 is mae/2.
    Source: Koenker & Bassett 1978, doi:10.2307/1913643
    Subgradient: 0 at r = 0
    Also: quantile_loss, pinball, pinball_loss, mean_pinball_loss, tilted_loss, check_loss
    Elsewhere:
        scikit-learn  mean_pinball_loss(alpha=q)
        tensorflow-addons  losses.PinballLoss(tau=q)
        XGBoost       quantile(quantile_alpha=q)           # float32
        LightGBM      quantile(alpha=q)                    # 0.9 by default
        CatBoost      Quantile(alpha=q, delta=0)
        CatBoost      Quantile(alpha=q) | MultiQuantile    ≠ 1e-6 is taken from every target, its delta
        CatBoost      LogLinQuantile(alpha=q)  ≠ it predicts a logarithm, and 1e-6 is taken from every target
        XGBoost objective  reg:quantileerror(quantile_alpha=q)
    """
    level = by_column(q)
    return np.maximum((1.0 - level) * r, -level * r)


def crossing(batch: Batch, *, q: tuple[float, ...]) -> Array:
    """1 where a column is below one of a lower quantile."""
    ascending = batch.pred[np.argsort(q)]
    return np.logical_or.reduce(ascending[1:] < ascending[:-1], axis=0).astype(np.float64)


def reached(batch: Batch) -> Array:
    """1 where the target is at or below the prediction."""
    return (batch.target <= batch.pred).astype(np.float64)


pinball = quantile.parts[0]


@recipe(forms=ONE_OUTPUT)
def median_absolute_error() -> Recipe:
    """Median of the absolute errors.

    Half of the rows are closer than this. Weights count as repeated rows; it keeps one number per row in memory.

    Formula: median of |r|, r = pred - target
    Unit: target
    Use: The typical error, whatever the worst half does.
    Avoid: The worst errors matter: it does not see them.
    Source: Hampel 1974, doi:10.1080/01621459.1974.10482962
    Also: medae, mdae
    Elsewhere:
        scikit-learn  median_absolute_error  # weighted, the same rule: the average of both medians
        permetrics    MedAE
        CatBoost      MedianAbsoluteError
    """
    return sample(abs_residual, value=lambda ordered: weighted_quantile(ordered[0], ordered[1], 0.5), quantile=0.5)


@recipe(forms=ONE_OUTPUT)
def max_error() -> Recipe:
    """Largest absolute error.

    Rows of zero weight do not count; otherwise weights change nothing.

    Formula: max of |r|, r = pred - target
    Unit: target
    Use: A guarantee is wanted: no row is further off.
    Avoid: Ranking models: one row decides, and it grows with the number of rows.
    Source: Chebyshev 1854
    Elsewhere:
        scikit-learn  max_error  # it takes no weights
        permetrics    ME
    """
    return peak(abs_residual)
