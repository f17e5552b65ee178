"""D²: the share of a loss that a model takes away from that of the best constant, and what it leaves."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Annotated, Any, Final

import numpy as np

from lossctl.core.batch import Batch, abs_residual, flag
from lossctl.core.declare import Recipe, complement, recipe, sample, score
from lossctl.core.domain import NON_NEGATIVE, OPEN_UNIT, POSITIVE, REAL, Gap, Interval
from lossctl.core.form import Form
from lossctl.core.loss import about_origin
from lossctl.core.statistic import R_SQUARED, Means, Statistic, positive
from lossctl.losses import classification
from lossctl.losses.count import unit_deviance
from lossctl.losses.fit import CONSTANT, OVER_VARIANCE, R2_PARTS
from lossctl.losses.forms import CLASSES, COUNT_CURVE, DECISION, regression
from lossctl.losses.outcome import clipped, has_labels, log_observed
from lossctl.losses.regression import ONE_OUTPUT, pinball
from lossctl.losses.relative import plain_target
from lossctl.numerics.array import Array, by_piece
from lossctl.numerics.deviance import deviance
from lossctl.numerics.weighted import over, weighted_quantile, weighted_sum

# the median, a quantile -----------------------------------------------------------------------------------------


def pinball_left(ordered: Array, *, q: float = 0.5) -> float:
    """Pinball loss over that of the q-quantile of the targets, from lines of target, pinball loss and weight."""
    target, cost, weight = ordered
    gap = weighted_quantile(target, weight, q) - target
    return over(weighted_sum(cost, weight), weighted_sum(np.maximum((1.0 - q) * gap, -q * gap), weight))


def absolute_left(ordered: Array) -> float:
    """Absolute error over that of the median of the targets."""
    return 0.5 * pinball_left(ordered)


ABSOLUTE: Final = sample(plain_target, abs_residual, value=absolute_left, undefined=CONSTANT)
PINBALL: Final = sample(
    plain_target, pinball, value=pinball_left, undefined="the quantile of the targets costs nothing"
)


@score(forms=ONE_OUTPUT)
def d2_absolute() -> Recipe:
    """Share of the absolute error of the median that the prediction takes away.

    A score: 1 is perfect, 0 is as good as the best constant, and it has no lower end. The constant is the median
    of these targets. It keeps two numbers per row in memory. Undefined where the target is constant.

    Formula: 1 - Σ |r| / Σ |target - median target|
    Unit: 1
    Use: To say how much better than a constant a model is, where outliers must not rule as in r2.
    Avoid: Large files, or where an interval is wanted: mae has both.
    Source: Hastie, Tibshirani & Wainwright 2015, Statistical Learning with Sparsity, eq. 3.11
    Also: d2_absolute_error, d2_absolute_error_score
    Elsewhere:
        scikit-learn  d2_absolute_error_score  # for a constant target it returns 1 or 0
    """
    return complement(ABSOLUTE)


@recipe(like=d2_absolute)
def one_minus_d2_absolute() -> Recipe:
    """Absolute errors over those of the median.

    1 - d2_absolute. It keeps two numbers per row in memory. Undefined where the target is constant.

    Formula: Σ |r| / Σ |target - median target|
    Elsewhere:
        scikit-learn  1 - d2_absolute_error_score  # for a constant target it returns 0 or 1
    """
    return ABSOLUTE


@score(forms=ONE_OUTPUT)
def d2_pinball(*, q: Annotated[float, OPEN_UNIT, "the quantile asked for"] = 0.5) -> Recipe:
    """Share of the quantile loss of a constant that the prediction takes away.

    A score: 1 is perfect, 0 is as good as the best constant, and it has no lower end. The constant is the
    q-quantile of these targets. It keeps two numbers per row in memory. Undefined where the target is constant.

    Formula: 1 - Σ pinball(target, pred; q) / Σ pinball(target, q-quantile of the target; q)
    Unit: 1
    Use: To say how much better than a constant a predicted quantile is.
    Avoid: Large files, or where an interval is wanted: quantile has both.
    Source: Hastie, Tibshirani & Wainwright 2015, Statistical Learning with Sparsity, eq. 3.11
    Also: d2_pinball_score, d2_quantile
    Elsewhere:
        scikit-learn  d2_pinball_score(alpha=q)  # for a constant target it is 1 or 0
    """
    return complement(PINBALL)


@recipe(like=d2_pinball)
def one_minus_d2_pinball() -> Recipe:
    """Quantile loss over that of the quantile of the targets.

    1 - d2_pinball. It keeps two numbers per row in memory. Undefined where the target is constant.

    Formula: Σ pinball(target, pred; q) / Σ pinball(target, q-quantile of the target; q)
    Elsewhere:
        scikit-learn  1 - d2_pinball_score(alpha=q)  # for a constant target 0 or 1
    """
    return PINBALL


# the mean, by Tweedie deviances ---------------------------------------------------------------------------------


@about_origin
def anchor(batch: Batch) -> Array:
    """What deviances of the target are taken about: the batch's origin if it is a positive mean, else 1."""
    origin = np.where(np.asarray(batch.origin) > 0.0, batch.origin, 1.0)
    return np.broadcast_to(origin, batch.target.shape)


@about_origin
def anchored_target(batch: Batch) -> Array:
    """The target about the anchor."""
    return batch.target - anchor(batch)


@about_origin
def anchored_deviance(batch: Batch, *, power: float) -> Array:
    """Tweedie deviance of the target from the anchor."""
    near = np.ascontiguousarray(anchor(batch))
    return by_piece(deviance, batch.target, near, near, activation="none", power=power)


@cache
def _nodes() -> tuple[Array, Array]:
    """Nodes and weights of Gauss-Legendre quadrature between 0 and 1."""
    nodes, weights = np.polynomial.legendre.leggauss(40)
    return 0.5 * (nodes + 1.0), 0.5 * weights


SHORT: Final = 0.25  # share of the anchor up to which the mean's deviance from it is taken by quadrature


def deviance_from(a: Any, t: Any, power: float) -> Any:
    """Tweedie deviance of a + t from a, also where t is so small that a + t would lose it."""
    a, t = np.broadcast_arrays(np.asarray(a, dtype=np.float64), np.asarray(t, dtype=np.float64))
    nodes, weights = _nodes()
    x = np.where(np.abs(t) < SHORT * a, t, 0.0) / a
    inner = np.add.reduce(weights * (1.0 - nodes) * (1.0 + x[..., np.newaxis] * nodes) ** -power, axis=-1)
    close = 2.0 * a ** (2.0 - power) * np.square(x) * inner
    flat = np.ascontiguousarray(a).reshape(-1)
    far = deviance(flat + np.ascontiguousarray(t).reshape(-1), flat, flat, activation="none", power=power)
    return np.where(np.abs(t) < SHORT * a, close, far.reshape(a.shape))[()]


def _turn(a: Any, t: Any, power: float) -> Any:
    """Half the derivative by t of the deviance of a + t from a."""
    lift = np.log1p(np.maximum(t / a, -1.0))
    if power == 1.0:
        return lift
    return a ** (1.0 - power) * np.expm1((1.0 - power) * lift) / (1.0 - power)


@lru_cache
def over_deviance(power: float) -> Statistic:
    """Mean deviance over that from the mean of the targets: mean D(y, ȳ) = mean D(y, a) - D(ȳ, a) for any a."""

    def null(m: Means) -> Any:
        return positive(m[1] - deviance_from(m[3], m[2], power))

    def slope(m: Means) -> tuple[Any, ...]:
        below = null(m)
        lift, turn = m[0] / below**2, _turn(m[3], m[2], power)
        return 1.0 / below, -lift, 2.0 * lift * turn, 2.0 * lift * (turn - m[3] ** -power * m[2])

    return Statistic(
        f"mean / deviance of the target, power {power:g}", lambda m: m[0] / null(m), slope, undefined=CONSTANT
    )


def tweedie_forms(power: float) -> tuple[Form, ...]:
    """Return which targets and predictions a power admits."""
    if power == 0.0:
        return ONE_OUTPUT
    target: Interval = REAL if power < 0.0 else NON_NEGATIVE if power < 2.0 else POSITIVE
    return (regression(target, POSITIVE, COUNT_CURVE, one=True),)


def tweedie_left(power: float) -> Recipe:
    """Return what the prediction leaves of the deviance of the mean; that of power 0 is a square."""
    if power == 0.0:
        return Recipe(R2_PARTS, OVER_VARIANCE)
    return Recipe((unit_deviance, anchored_deviance, anchored_target, anchor), over_deviance(power))


@score(forms=tweedie_forms)
def d2_tweedie(
    *, power: Annotated[float, Gap(), "0 squared error, 1 Poisson, 2 gamma, 3 inverse Gaussian deviance"] = 0.0
) -> Recipe:
    """Share of the Tweedie deviance of the mean that the prediction takes away.

    A score: 1 is perfect, 0 is as good as the best constant, and it has no lower end. The constant is the mean
    of these targets, or 0 where that and the power are below 0.
    power = 0 is r2. Undefined where the target is constant.

    Formula: 1 - Σ D(target, pred) / Σ D(target, mean target), D the Tweedie deviance of a power
    Unit: 1
    Use: To say how much better than a constant a model of counts or sizes is, measured by their own likelihood.
    Avoid: Comparing over data sets of different spread: it depends on the deviance of the targets.
    Source: Hastie, Tibshirani & Wainwright 2015, Statistical Learning with Sparsity, eq. 3.11
    Also: d2_tweedie_score
    Elsewhere:
        scikit-learn  d2_tweedie_score
        scikit-learn  d2_tweedie_score(power=1)    = d2_tweedie:power=1
        scikit-learn  d2_tweedie_score(power=1.5)  = d2_tweedie:power=1.5
        scikit-learn  d2_tweedie_score(power=2)    = d2_tweedie:power=2
        scikit-learn  d2_tweedie_score(power=3)    = d2_tweedie:power=3
    """
    return complement(tweedie_left(power)) if power else Recipe(R2_PARTS, R_SQUARED)


@recipe(like=d2_tweedie, forms=tweedie_forms)
def one_minus_d2_tweedie(power: float) -> Recipe:
    """Tweedie deviance over that of the mean of the targets.

    1 - d2_tweedie. power = 0 is rse. Undefined where the target is constant. The deviance of
    the targets is taken about the first of them: where that is an ordinary one, the value is right to 16 units
    in the last place.

    Formula: Σ D(target, pred) / Σ D(target, mean target), D the Tweedie deviance of a power
    Elsewhere:
        scikit-learn  1 - d2_tweedie_score(power=1)  = one_minus_d2_tweedie:power=1
    """
    return tweedie_left(power)


# the classes' shares --------------------------------------------------------------------------------------------


def observed_class(batch: Batch) -> Array:
    """The code of what was observed."""
    return batch.target.astype(np.float64) if has_labels(batch) else flag(batch)


def log_cost(batch: Batch, *, eps: float) -> Array:
    """-ln of the probability that was given to what was observed."""
    return -clipped(log_observed(batch), eps)


def _shares(ordered: Array) -> Array:
    """The share of each class that occurs, rows being sorted by class."""
    starts = np.flatnonzero(np.concatenate([[True], np.diff(ordered[0]) != 0.0]))
    return np.add.reduceat(ordered[-1], starts) / np.add.reduce(ordered[-1])


def log_left(ordered: Array, *, eps: float) -> float:
    """Log loss over that of the classes' shares."""
    p = _shares(ordered)
    entropy = float(np.add.reduce(-p * clipped(np.log(p), eps))) if len(p) > 1 else 0.0
    return over(weighted_sum(ordered[1], ordered[-1]), entropy * float(np.add.reduce(ordered[-1])))


def brier_left(ordered: Array) -> float:
    """Brier score over that of the classes' shares."""
    p = _shares(ordered)
    spread = float(np.add.reduce(p * (np.add.reduce(p) - p))) if len(p) > 1 else 0.0
    return over(weighted_sum(ordered[1], ordered[-1]), spread * float(np.add.reduce(ordered[-1])))


def brier_cost(batch: Batch) -> Array:
    """Brier score of each row, summed over the columns of all classes, of which a binary row has two."""
    cost = classification.brier.parts[0](batch)
    return cost if has_labels(batch) else 2.0 * cost


LOG: Final = sample(observed_class, log_cost, value=log_left, undefined="all rows are of one class")
BRIER: Final = sample(observed_class, brier_cost, value=brier_left, undefined="all rows are of one class")


@score(forms=(DECISION, CLASSES))
def d2_log_loss(
    *,
    eps: Annotated[
        float, Interval(low=0.0, high=0.5, low_closed=True), "probabilities are clipped to [eps, 1 - eps]"
    ] = 0.0,
) -> Recipe:
    """Share of the log loss of the classes' shares that the prediction takes away.

    A score: 1 is perfect, 0 is as good as the best constant, and it has no lower end. The constant gives every
    row the classes' shares among these rows. It keeps two numbers per row in memory. Undefined where all rows are of
        one class.

    Formula: 1 - Σ -ln p(observed) / Σ -ln share(observed)
    Unit: 1
    Use: To say how much better than the classes' frequencies predicted probabilities are, without a unit.
    Avoid: Comparing over data sets of different class frequencies; large files: bce and cce keep nothing.
    Source: Hastie, Tibshirani & Wainwright 2015, Statistical Learning with Sparsity, eq. 3.11
    Also: d2_log_loss_score, mcfadden_r2
    Elsewhere:
        scikit-learn  d2_log_loss_score  = d2_log_loss:eps=2.220446049250313e-16
    """
    return complement(LOG)


@recipe(like=d2_log_loss)
def one_minus_d2_log_loss() -> Recipe:
    """Log loss over that of the classes' shares.

    1 - d2_log_loss. It keeps two numbers per row in memory. Undefined where all rows are of one class.

    Formula: Σ -ln p(observed) / Σ -ln share(observed)
    Elsewhere:
        scikit-learn  1 - d2_log_loss_score  = one_minus_d2_log_loss:eps=2.220446049250313e-16
    """
    return LOG


@score(forms=(DECISION, CLASSES))
def d2_brier() -> Recipe:
    """Brier skill: share of the Brier score of the classes' shares that the prediction takes away.

    A score: 1 is perfect, 0 is as good as the best constant, and it has no lower end. The constant gives every
    row the classes' shares among these rows. It keeps two numbers per row in memory. Undefined where all rows are of
        one class.

    Formula: 1 - Σ brier(p) / Σ brier(shares of the classes)
    Unit: 1
    Use: To say how much better than the classes' frequencies predicted probabilities are, with no row able to rule.
    Avoid: Comparing over data sets of different class frequencies; large files: brier keeps nothing.
    Source: Hastie, Tibshirani & Wainwright 2015, Statistical Learning with Sparsity, eq. 3.11
    Also: d2_brier_score, brier_skill_score
    Elsewhere:
        scikit-learn  d2_brier_score
    """
    return complement(BRIER)


@recipe(like=d2_brier)
def one_minus_d2_brier() -> Recipe:
    """Brier score over that of the classes' shares.

    1 - d2_brier. It keeps two numbers per row in memory. Undefined where all rows are of one class.

    Formula: Σ brier(p) / Σ brier(shares of the classes)
    Elsewhere:
        scikit-learn  1 - d2_brier_score
    """
    return BRIER
