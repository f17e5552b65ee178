"""D² of classes: the share of a score that predicted probabilities take away from that of the classes' frequencies."""

from __future__ import annotations

import numpy as np

from lossctl.core.batch import Batch, flag
from lossctl.core.domain import Interval
from lossctl.core.loss import same
from lossctl.core.param import Param
from lossctl.losses import classification
from lossctl.losses.forms import CLASSES, DECISION
from lossctl.losses.nullmodel import KEPT, NULL, pair
from lossctl.losses.outcome import clipped, has_labels, log_observed
from lossctl.losses.ratios import over, weighted_sum, whole_sample
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


CLASS_NULL = (
    f"{NULL} The constant gives every\nrow the classes' shares among these rows. {KEPT} "
    "Undefined where all rows are of one class."
)
ONE_CLASS = whole_sample("all rows are of one class")

d2_log_loss, one_minus_d2_log_loss = pair(
    "d2_log_loss",
    parts=(observed_class, log_cost),
    forms=(DECISION, CLASSES),
    keeps="sample",
    reading=ONE_CLASS,
    params=(
        Param("eps", 0.0, Interval(low=0.0, high=0.5, low_closed=True), "probabilities are clipped to [eps, 1 - eps]"),
    ),
    score={
        "whole": log_score,
        "summary": "Share of the log loss of the classes' shares that the prediction takes away.",
        "doc": CLASS_NULL,
        "formula": "1 - Σ -ln p(observed) / Σ -ln share(observed)",
        "aliases": ("d2_log_loss_score", "mcfadden_r2"),
        "elsewhere": (same("scikit-learn", "d2_log_loss_score", "d2_log_loss:eps=2.220446049250313e-16"),),
    },
    left={
        "whole": log_left,
        "summary": "Log loss over that of the classes' shares.",
        "doc": f"1 - d2_log_loss. {KEPT} Undefined where all rows are of one class.",
        "formula": "Σ -ln p(observed) / Σ -ln share(observed)",
        "elsewhere": (
            same("scikit-learn", "1 - d2_log_loss_score", "one_minus_d2_log_loss:eps=2.220446049250313e-16"),
        ),
    },
    use="To say how much better than the classes' frequencies predicted probabilities are, without a unit.",
    avoid="Comparing over data sets of different class frequencies; large files: bce and cce keep nothing.",
)

d2_brier, one_minus_d2_brier = pair(
    "d2_brier",
    parts=(observed_class, brier_cost),
    forms=(DECISION, CLASSES),
    keeps="sample",
    reading=ONE_CLASS,
    score={
        "whole": brier_score,
        "summary": "Brier skill: share of the Brier score of the classes' shares that the prediction takes away.",
        "doc": CLASS_NULL,
        "formula": "1 - Σ brier(p) / Σ brier(shares of the classes)",
        "aliases": ("d2_brier_score", "brier_skill_score"),
        "elsewhere": (same("scikit-learn", "d2_brier_score"),),
    },
    left={
        "whole": brier_left,
        "summary": "Brier score over that of the classes' shares.",
        "doc": f"1 - d2_brier. {KEPT} Undefined where all rows are of one class.",
        "formula": "Σ brier(p) / Σ brier(shares of the classes)",
        "elsewhere": (same("scikit-learn", "1 - d2_brier_score"),),
    },
    use="To say how much better than the classes' frequencies predicted probabilities are, with no row able to rule.",
    avoid="Comparing over data sets of different class frequencies; large files: brier keeps nothing.",
)
