"""Losses of the residual r = pred - target."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from lossctl.core.batch import Batch, abs_residual, residual
from lossctl.core.domain import POSITIVE, UNIT
from lossctl.core.loss import combine, differs, loss, same
from lossctl.core.statistic import ROOT
from lossctl.losses.forms import regression
from lossctl.numerics.array import Array

FORM = (regression(),)
ONE_OUTPUT = (regression(one=True),)
KERAS = "its means are float32"
STRAIGHT = 700.0  # |r| at which e^-2|r| is far below the last digit of 1, and e^|r| still in range


def _mse_gradient(batch: Batch) -> Array:
    return 2.0 * residual(batch)


@loss(
    forms=FORM,
    gradient=_mse_gradient,
    formula="mean of r², r = pred - target",
    unit="target²",
    aliases=("mean_squared_error", "squared_error", "mse_loss"),
    source="Gauss 1809; Legendre 1805",
    use="The target is roughly normal given the inputs, and a large error should cost far more than two small "
    "ones: errors are punished quadratically. It asks the model for the conditional mean.",
    avoid="Outliers that must not rule the fit: use huber, log_cosh or mae. Targets over orders of magnitude: msle.",
    elsewhere=(
        same("torch", "nn.MSELoss"),
        same("keras", "MeanSquaredError", note=KERAS),
        same("optax", "squared_error"),
        same("optax", "l2_loss", factor=0.5),
        same("scikit-learn", "mean_squared_error"),
        same("torchmetrics", "mean_squared_error"),
        same("permetrics", "MSE", note="of one output"),
    ),
)
def mse(batch: Batch) -> Array:
    """Mean squared error.

    No factor 1/2. A row with several outputs is the mean over its outputs.
    """
    return np.square(residual(batch))


rmse = mse.then(
    "rmse",
    ROOT,
    summary="Root mean squared error, in the unit of the target.",
    doc="The root of the mean over rows; with several outputs the mean over outputs is taken before the root.",
    formula="√(mean of r²), r = pred - target",
    unit="target",
    aliases=("root_mean_squared_error",),
    source="Gauss 1809",
    use="mse is wanted, but in the unit of the target.",
    avoid="A per-row value is needed: it has none, use mse.",
    elsewhere=(
        same(
            "scikit-learn", "root_mean_squared_error", note="of one output; for several it averages the columns' roots"
        ),
        same("keras", "metrics.RootMeanSquaredError", note=KERAS),
        same("torchmetrics", "mean_squared_error(squared=False)"),
        same("permetrics", "RMSE", note="of one output"),
    ),
)


def _mae_gradient(batch: Batch) -> Array:
    return np.sign(residual(batch))


@loss(
    forms=FORM,
    gradient=_mae_gradient,
    subgradient="0 at r = 0",
    formula="mean of |r|, r = pred - target",
    unit="target",
    aliases=("mean_absolute_error", "l1", "l1_loss"),
    source="Boscovich 1757",
    use="Outliers must not play a big role; image models trained with it blur less. It is robust, but its slope does "
    "not shrink near the truth, so training is less stable than with mse. It asks for the conditional median.",
    avoid="Large errors are disproportionately costly (mse), or a smooth slope at zero is needed (huber, log_cosh).",
    elsewhere=(
        same("torch", "nn.L1Loss"),
        same("keras", "MeanAbsoluteError", note=KERAS),
        same("scikit-learn", "mean_absolute_error"),
        same("torchmetrics", "mean_absolute_error"),
        same("permetrics", "MAE", note="of one output"),
    ),
)
def mae(batch: Batch) -> Array:
    """Mean absolute error."""
    return abs_residual(batch)


def _mbe_gradient(batch: Batch) -> Array:
    return np.full_like(batch.pred, -1.0)


@loss(
    forms=FORM,
    gradient=_mbe_gradient,
    formula="mean of (target - pred)",
    unit="target",
    direction="zero",
    aliases=("mean_bias_error",),
    source="Willmott & Matsuura 2005, doi:10.3354/cr030079",
    use="To see a systematic over- or under-estimate, beside another loss.",
    avoid="As an objective or alone: it is unbounded below, and errors of opposite sign cancel.",
    elsewhere=(same("permetrics", "MBE", factor=-1.0, note="pred - target; of one output"),),
)
def mbe(batch: Batch) -> Array:
    """Mean bias error; positive means that the predictions are too low."""
    return 0.0 - residual(batch)


def _huber_gradient(batch: Batch, *, delta: float) -> Array:
    return np.clip(residual(batch), -delta, delta)


@loss(
    forms=FORM,
    gradient=_huber_gradient,
    formula="mean of r²/2 if |r| ≤ delta, else delta·(|r| - delta/2)",
    unit="target²",
    aliases=("huber_loss",),
    source="Huber 1964, doi:10.1214/aoms/1177703732",
    use="The best of mse and mae: smooth near zero, and outliers pull only linearly.",
    avoid="The size that separates noise from outliers is unknown: delta is in the target's unit, so tune it.",
    elsewhere=(
        same("torch", "nn.HuberLoss(delta=delta)"),
        same("keras", "Huber(delta=delta)", note=KERAS),
        same("optax", "huber_loss(delta=delta)"),
        same("scipy", "special.huber(delta=delta)"),
        same("statsmodels", "robust.norms.HuberT(t=delta).rho"),
    ),
)
def huber(
    batch: Batch, *, delta: Annotated[float, POSITIVE, "|r| at which growth turns linear, in the target's unit"] = 1.0
) -> Array:
    """Squared error near zero, absolute error in the tails.

    Continuous with its slope at |r| = delta; as delta grows it becomes mse/2.
    """
    size = abs_residual(batch)
    inner = np.minimum(size, delta)
    return inner * (size - 0.5 * inner)


def _smooth_l1_gradient(batch: Batch, *, beta: float) -> Array:
    return np.clip(residual(batch) / beta, -1.0, 1.0)


@loss(
    forms=FORM,
    gradient=_smooth_l1_gradient,
    formula="mean of r²/(2 beta) if |r| < beta, else |r| - beta/2",
    unit="target",
    aliases=("smooth_l1_loss",),
    source="Girshick 2015 (Fast R-CNN), arXiv:1504.08083",
    use="Box regression, where it comes from: slope ±1 outside, a parabola inside.",
    avoid="Where huber is meant: they agree only at beta = delta = 1.",
    elsewhere=(
        same("torch", "nn.SmoothL1Loss(beta=beta)", note="its beta = 0 is mae"),
        same("keras", "Huber(delta=0.5)", "smooth_l1:beta=0.5", factor=0.5, note=KERAS),
    ),
)
def smooth_l1(
    batch: Batch, *, beta: Annotated[float, POSITIVE, "width of the parabola, in the target's unit"] = 1.0
) -> Array:
    """Absolute error with its corner rounded by a parabola; huber(delta=beta)/beta."""
    size = abs_residual(batch)
    inner = np.minimum(size, beta)
    return inner / beta * (size - 0.5 * inner)


def _log_cosh_gradient(batch: Batch) -> Array:
    return np.tanh(residual(batch))


@loss(
    forms=FORM,
    gradient=_log_cosh_gradient,
    formula="mean of ln cosh r, r = pred - target",
    unit="target (for large r)",
    aliases=("logcosh", "log_cosh_error"),
    source="Green 1990, doi:10.1109/42.52985",
    use="As huber with delta = 1, but smooth everywhere.",
    avoid="Targets whose natural error is far from 1: it has no width to set. Rescale, or use huber.",
    elsewhere=(
        same("keras", "LogCosh", note=f"its form cancels for |r| below 1e-6; {KERAS}"),
        same("optax", "log_cosh", note="its form cancels for |r| below 1e-6"),
        differs("torchmetrics", "log_cosh_error", "it overflows for |r| above 710, and cancels for |r| below 1e-6"),
    ),
)
def log_cosh(batch: Batch) -> Array:
    """Logarithm of the hyperbolic cosine of the residual."""
    size = abs_residual(batch)
    held = np.minimum(size, STRAIGHT)  # beyond, the loss is a straight line to the last digit
    # ln cosh r = ln(1 + 2 sinh²(r/2)) does not cancel near zero
    return np.log1p(2.0 * np.square(np.sinh(0.5 * held))) + (size - held)


def _quantile_gradient(batch: Batch, *, q: float) -> Array:
    r = residual(batch)
    return np.where(r > 0.0, 1.0 - q, np.where(r < 0.0, -q, 0.0))


@loss(
    forms=FORM,
    gradient=_quantile_gradient,
    subgradient="0 at r = 0",
    formula="mean of max(q·(target - pred), (q - 1)·(target - pred))",
    unit="target",
    aliases=("pinball", "pinball_loss", "mean_pinball_loss", "tilted_loss", "check_loss"),
    source="Koenker & Bassett 1978, doi:10.2307/1913643",
    use="The q-quantile is wanted: an upper bound, an interval, a service level.",
    avoid="The mean or a central value is wanted. q = 0.5 is mae/2.",
    elsewhere=(
        same("scikit-learn", "mean_pinball_loss(alpha=q)"),
        same("tensorflow-addons", "losses.PinballLoss(tau=q)"),
    ),
)
def quantile(batch: Batch, *, q: Annotated[float, UNIT, "the quantile asked for"] = 0.5) -> Array:
    """Quantile (pinball) loss: an error below costs q, an error above 1 - q."""
    r = residual(batch)
    over, under = (0.0 if share == 0.0 else share * r for share in (1.0 - q, -q))  # 0 even of an infinite residual
    return np.maximum(over, under)


def _weighted_median(ordered: Array) -> float:
    """Median of the first line of a sorted (2, rows) array; weights count as repeated rows."""
    values, weights = ordered
    reached = np.cumsum(weights)
    half = 0.5 * reached[-1]
    low = values[np.searchsorted(reached, half, side="left")]
    high = values[min(np.searchsorted(reached, half, side="right"), len(values) - 1)]
    return float(low if low == high else 0.5 * low + 0.5 * high)


median_absolute_error = combine(
    "median_absolute_error",
    parts=(abs_residual,),
    forms=ONE_OUTPUT,
    keeps="sample",
    whole=_weighted_median,
    quantile=0.5,
    summary="Median of the absolute errors.",
    doc="Half of the rows are closer than this. Weights count as repeated rows; it keeps one number per row in memory.",
    formula="median of |r|, r = pred - target",
    unit="target",
    aliases=("medae",),
    source="Hampel 1974, doi:10.1080/01621459.1974.10482962",
    use="The typical error, whatever the worst half does.",
    avoid="The worst errors matter: it does not see them.",
    elsewhere=(
        same("scikit-learn", "median_absolute_error", note="weighted, the same rule: the average of both medians"),
        same("permetrics", "MedAE"),
    ),
)

max_error = combine(
    "max_error",
    parts=(abs_residual,),
    forms=ONE_OUTPUT,
    keeps="peak",
    summary="Largest absolute error.",
    doc="Rows of zero weight do not count; otherwise weights change nothing.",
    formula="max of |r|, r = pred - target",
    unit="target",
    source="Chebyshev 1854",
    use="A guarantee is wanted: no row is further off.",
    avoid="Ranking models: one row decides, and it grows with the number of rows.",
    elsewhere=(
        same("scikit-learn", "max_error", note="it takes no weights"),
        same("permetrics", "ME"),
    ),
)
