"""Plugin: what the author of a plug-in imports. The names here stay; the modules behind them may change.

A plug-in is a package with an entry point in the group `lossctl.losses` that names a module of declarations:

    [project.entry-points."lossctl.losses"]
    stock = "lossctl_stock"

`@loss` declares a mean of per-row numbers, `Loss.then` reads the same means another way, and `combine` reads several
means together, the largest value or a whole sample. `lossctl.testing.check` holds a loss to what it promises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lossctl.core import declare
from lossctl.core.batch import (
    Batch,
    abs_residual,
    derived,
    flag,
    log_other_prob,
    log_prob,
    log_rate,
    other_prob,
    residual,
    sign,
)
from lossctl.core.domain import (
    ABOVE_MINUS_ONE,
    AT_LEAST_ONE,
    FLAG,
    LABELS,
    MASK,
    NON_NEGATIVE,
    NON_ZERO,
    ONE_HOT,
    OPEN_UNIT,
    POSITIVE,
    PRED_BOX,
    PROBABILITY,
    REAL,
    SCORE,
    SIMPLEX,
    SOFT_FLAG,
    TARGET_BOX,
    UNIT,
    Domain,
    Interval,
)
from lossctl.core.form import Curve, Form
from lossctl.core.loss import Loss, Part, Resolve
from lossctl.core.statistic import MEAN, RATIO, ROOT
from lossctl.core.statistic import Statistic as Reading
from lossctl.losses.forms import (
    ADVERSARIAL,
    BINARY,
    BOXES,
    CLASS_ROWS,
    CLASS_SCORES,
    CLASSES,
    DECISION,
    MARGIN,
    MASKS,
    ONE_HOT_ROWS,
    PAIRS,
    SCORE_PAIRS,
    TRIPLETS,
    line,
    regression,
    relative,
)
from lossctl.numerics.array import Array


def loss(*, forms: tuple[Form, ...], variant: Resolve | None = None, **facts: Any) -> Callable[[Part], Loss]:
    """Declare the mean of `function(batch, *, params) -> per-row values` as a loss.

    The function returns (rows,) values, or (width, rows) values that are averaged over the columns. Name, summary and
    doc come from the function, parameters from its keyword-only arguments. variant: the fields that parameters
    change, from their values.
    """
    return declare.loss(forms=forms, resolve=_renamed(variant), **_names(facts))


def combine(name: str, *, parts: tuple[Part, ...], variant: Resolve | None = None, **facts: Any) -> Loss:
    """Declare a loss that reads several parts together, a peak, or a whole sample."""
    return declare.resolving(Loss(name=name, parts=parts, **_names(facts)), _renamed(variant))


def _names(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return facts by the names of the fields of a Loss, whose statistic is a plug-in's reading."""
    return {"statistic" if name == "reading" else name: fact for name, fact in facts.items()}


def _renamed(variant: Resolve | None) -> Resolve | None:
    return None if variant is None else lambda args: _names(variant(args))


__all__ = [
    "ABOVE_MINUS_ONE",
    "ADVERSARIAL",
    "AT_LEAST_ONE",
    "BINARY",
    "BOXES",
    "CLASSES",
    "CLASS_ROWS",
    "CLASS_SCORES",
    "DECISION",
    "FLAG",
    "LABELS",
    "MARGIN",
    "MASK",
    "MASKS",
    "MEAN",
    "NON_NEGATIVE",
    "NON_ZERO",
    "ONE_HOT",
    "ONE_HOT_ROWS",
    "OPEN_UNIT",
    "PAIRS",
    "POSITIVE",
    "PRED_BOX",
    "PROBABILITY",
    "RATIO",
    "REAL",
    "ROOT",
    "SCORE",
    "SCORE_PAIRS",
    "SIMPLEX",
    "SOFT_FLAG",
    "TARGET_BOX",
    "TRIPLETS",
    "UNIT",
    "Array",
    "Batch",
    "Curve",
    "Domain",
    "Form",
    "Interval",
    "Loss",
    "Reading",
    "abs_residual",
    "combine",
    "derived",
    "flag",
    "line",
    "log_other_prob",
    "log_prob",
    "log_rate",
    "loss",
    "other_prob",
    "regression",
    "relative",
    "residual",
    "sign",
]
