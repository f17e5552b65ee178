"""Losses of the residual r = pred - target."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from lossctl.core.batch import Batch, abs_residual, residual
from lossctl.core.domain import POSITIVE, UNIT, Array
from lossctl.core.loss import about_origin, combine, loss
from lossctl.core.reading import R_SQUARED, ROOT
from lossctl.losses.forms import regression

FORM = (regression(),)
ONE_OUTPUT = (regression(one=True),)
STRAIGHT = 700.0  # |r| at which e^-2|r| is far below the last digit of 1, and e^|r| still in range


def _mse_gradient(batch: Batch) -> Array:
    return 2.0 * residual(batch)


@loss(
    forms=FORM,
    gradient=_mse_gradient,
    formula="mean of r², r = pred - target",
    unit="target²",
    aliases=("mean_squared_error", "squared_error"),
    source="Gauss 1809; Legendre 1805",
    use="The target is roughly normal given the inputs, and a large error should cost far more than two small "
    "ones: errors are punished quadratically. It asks the model for the conditional mean.",
    avoid="Outliers that must not rule the fit: use huber, log_cosh or mae. Targets over orders of magnitude: msle.",
    peers={
        "torch": "nn.MSELoss: same",
        "keras": "MeanSquaredError: same, in float32 unless dtype is given; weighted it divides by rows",
        "optax": "squared_error: same per element; l2_loss is half of it",
        "scikit-learn": "mean_squared_error: same",
    },
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
    peers={
        "scikit-learn": "root_mean_squared_error: same for one output; for several it averages the columns' roots",
        "torchmetrics": "mean_squared_error(squared=False): same",
    },
)


def _mae_gradient(batch: Batch) -> Array:
    return np.sign(residual(batch))


@loss(
    forms=FORM,
    gradient=_mae_gradient,
    subgradient="0 at r = 0",
    formula="mean of |r|, r = pred - target",
    unit="target",
    aliases=("mean_absolute_error", "l1"),
    source="Boscovich 1757",
    use="Outliers must not play a big role; image models trained with it blur less. It is robust, but its slope does "
    "not shrink near the truth, so training is less stable than with mse. It asks for the conditional median.",
    avoid="Large errors are disproportionately costly (mse), or a smooth slope at zero is needed (huber, log_cosh).",
    peers={
        "torch": "nn.L1Loss: same",
        "keras": "MeanAbsoluteError: same, in float32",
        "scikit-learn": "mean_absolute_error: same",
    },
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
    peers={
        "permetrics": "MBE: the other sign (pred - target); it is -mbe",
    },
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
    source="Huber 1964, doi:10.1214/aoms/1177703732",
    use="The best of mse and mae: smooth near zero, and outliers pull only linearly.",
    avoid="The size that separates noise from outliers is unknown: delta is in the target's unit, so tune it.",
    peers={
        "torch": "nn.HuberLoss: same; nn.SmoothL1Loss is huber/beta",
        "keras": "Huber: same",
        "optax": "huber_loss: same per element",
    },
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
    source="Girshick 2015 (Fast R-CNN), arXiv:1504.08083",
    use="Box regression, where it comes from: slope ±1 outside, a parabola inside.",
    avoid="Where huber is meant: they agree only at beta = delta = 1.",
    peers={
        "torch": "nn.SmoothL1Loss: same; its beta = 0 is our mae",
        "keras": "Huber(delta=B) is B times smooth_l1:beta=B",
    },
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
    aliases=("logcosh",),
    source="Green 1990, doi:10.1109/42.52985",
    use="As huber with delta = 1, but smooth everywhere.",
    avoid="Targets whose natural error is far from 1: it has no width to set. Rescale, or use huber.",
    peers={
        "keras": "LogCosh: same, in float32, where its form cancels for small |r|",
        "optax": "log_cosh: same, but for |r| below 1e-6 its form cancels",
        "torchmetrics": "log_cosh_error: same until it overflows at large r",
    },
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
    aliases=("pinball",),
    source="Koenker & Bassett 1978, doi:10.2307/1913643",
    use="The q-quantile is wanted: an upper bound, an interval, a service level.",
    avoid="The mean or a central value is wanted. q = 0.5 is mae/2.",
    peers={"scikit-learn": "mean_pinball_loss(alpha=q): same"},
)
def quantile(batch: Batch, *, q: Annotated[float, UNIT, "the quantile asked for"] = 0.5) -> Array:
    """Quantile (pinball) loss: an error below costs q, an error above 1 - q."""
    r = residual(batch)
    return np.maximum((1.0 - q) * r, -q * r)


@about_origin
def centred_target(batch: Batch) -> Array:
    """The target about the batch's origin, so that its variance does not cancel."""
    return batch.target - batch.origin


@about_origin
def squared_centred_target(batch: Batch) -> Array:
    """Square of the target about the batch's origin."""
    return np.square(batch.target - batch.origin)


r2 = combine(
    "r2",
    parts=(mse.parts[0], centred_target, squared_centred_target),
    forms=ONE_OUTPUT,
    reading=R_SQUARED,
    summary="Share of the target's variance that the prediction explains.",
    doc="A score: 1 is perfect, 0 is as good as the mean of these targets, and it has no lower end. Undefined where\n"
    "the target is constant. The variance is taken about the target's first finite value: an offset costs no digits.",
    formula="1 - Σ r² / Σ (target - mean target)²",
    unit="1",
    best=1.0,
    direction="max",
    aliases=("r2_score", "r_squared"),
    source="Wright 1921",
    use="To say how much better than a constant a model is, without a unit.",
    avoid="Comparing over data sets of different spread: it depends on the variance of the targets.",
    peers={
        "scikit-learn": "r2_score: same; for a constant target it returns 1 or 0 (force_finite), here it is undefined",
        "torchmetrics": "r2_score: same formula from raw sums in float32, which cancels at an offset",
    },
)


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
    peers={"scikit-learn": "median_absolute_error: same; weighted, the same percentile rule (average of both medians)"},
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
    peers={"scikit-learn": "max_error: same"},
)
