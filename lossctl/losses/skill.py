"""D² of classes: the share of a score that predicted probabilities take away from that of the classes' frequencies."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from lossctl.core.batch import Batch, flag
from lossctl.core.declare import Recipe, recipe, sample
from lossctl.core.domain import Interval
from lossctl.losses import classification
from lossctl.losses.forms import CLASSES, DECISION
from lossctl.losses.outcome import clipped, has_labels, log_observed
from lossctl.losses.ratios import over, weighted_sum
from lossctl.numerics.array import Array


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


def log_score(ordered: Array, *, eps: float) -> float:
    """1 less what is left."""
    return 1.0 - log_left(ordered, eps=eps)


def brier_left(ordered: Array) -> float:
    """Brier score over that of the classes' shares."""
    p = _shares(ordered)
    spread = float(np.add.reduce(p * (np.add.reduce(p) - p))) if len(p) > 1 else 0.0
    return over(weighted_sum(ordered[1], ordered[-1]), spread * float(np.add.reduce(ordered[-1])))


def brier_score(ordered: Array) -> float:
    """1 less what is left."""
    return 1.0 - brier_left(ordered)


def brier_cost(batch: Batch) -> Array:
    """Brier score of each row, summed over the columns of all classes, of which a binary row has two."""
    cost = classification.brier.parts[0](batch)
    return cost if has_labels(batch) else 2.0 * cost


@recipe(forms=(DECISION, CLASSES), best=1.0, direction="max")
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
    return sample(observed_class, log_cost, value=log_score, undefined="all rows are of one class")


@recipe(forms=(DECISION, CLASSES))
def one_minus_d2_log_loss(
    *,
    eps: Annotated[
        float, Interval(low=0.0, high=0.5, low_closed=True), "probabilities are clipped to [eps, 1 - eps]"
    ] = 0.0,
) -> Recipe:
    """Log loss over that of the classes' shares.

    1 - d2_log_loss. It keeps two numbers per row in memory. Undefined where all rows are of one class.

    Formula: Σ -ln p(observed) / Σ -ln share(observed)
    Unit: 1
    Use: To say how much better than the classes' frequencies predicted probabilities are, without a unit.
    Avoid: Comparing over data sets of different class frequencies; large files: bce and cce keep nothing.
    Source: Hastie, Tibshirani & Wainwright 2015, Statistical Learning with Sparsity, eq. 3.11
    Elsewhere:
        scikit-learn  1 - d2_log_loss_score  = one_minus_d2_log_loss:eps=2.220446049250313e-16
    """
    return sample(observed_class, log_cost, value=log_left, undefined="all rows are of one class")


@recipe(forms=(DECISION, CLASSES), best=1.0, direction="max")
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
    return sample(observed_class, brier_cost, value=brier_score, undefined="all rows are of one class")


@recipe(forms=(DECISION, CLASSES))
def one_minus_d2_brier() -> Recipe:
    """Brier score over that of the classes' shares.

    1 - d2_brier. It keeps two numbers per row in memory. Undefined where all rows are of one class.

    Formula: Σ brier(p) / Σ brier(shares of the classes)
    Unit: 1
    Use: To say how much better than the classes' frequencies predicted probabilities are, with no row able to rule.
    Avoid: Comparing over data sets of different class frequencies; large files: brier keeps nothing.
    Source: Hastie, Tibshirani & Wainwright 2015, Statistical Learning with Sparsity, eq. 3.11
    Elsewhere:
        scikit-learn  1 - d2_brier_score
    """
    return sample(observed_class, brier_cost, value=brier_left, undefined="all rows are of one class")
