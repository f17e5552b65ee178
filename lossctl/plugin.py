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
    Batch as Batch,
    abs_residual as abs_residual,
    derived as derived,
    flag as flag,
    log_other_prob as log_other_prob,
    log_prob as log_prob,
    log_rate as log_rate,
    other_prob as other_prob,
    residual as residual,
    sign as sign,
)
from lossctl.core.domain import (
    ABOVE_MINUS_ONE as ABOVE_MINUS_ONE,
    AT_LEAST_ONE as AT_LEAST_ONE,
    FLAG as FLAG,
    LABELS as LABELS,
    MASK as MASK,
    NON_NEGATIVE as NON_NEGATIVE,
    NON_ZERO as NON_ZERO,
    ONE_HOT as ONE_HOT,
    OPEN_UNIT as OPEN_UNIT,
    POSITIVE as POSITIVE,
    PRED_BOX as PRED_BOX,
    PROBABILITY as PROBABILITY,
    REAL as REAL,
    SCORE as SCORE,
    SIMPLEX as SIMPLEX,
    SOFT_FLAG as SOFT_FLAG,
    TARGET_BOX as TARGET_BOX,
    UNIT as UNIT,
    Domain as Domain,
    Interval as Interval,
)
from lossctl.core.form import Curve as Curve, Form as Form
from lossctl.core.loss import Loss as Loss, Part, Resolve
from lossctl.core.statistic import MEAN as MEAN, RATIO as RATIO, ROOT as ROOT, Statistic
from lossctl.losses.forms import (
    ADVERSARIAL as ADVERSARIAL,
    BINARY as BINARY,
    BOXES as BOXES,
    CLASS_ROWS as CLASS_ROWS,
    CLASS_SCORES as CLASS_SCORES,
    CLASSES as CLASSES,
    DECISION as DECISION,
    MARGIN as MARGIN,
    MASKS as MASKS,
    ONE_HOT_ROWS as ONE_HOT_ROWS,
    PAIRS as PAIRS,
    SCORE_PAIRS as SCORE_PAIRS,
    TRIPLETS as TRIPLETS,
    line as line,
    regression as regression,
    relative as relative,
)
from lossctl.numerics.array import Array as Array

Reading = Statistic
# what this file imports for itself
_IMPORTED = {"Any", "Callable", "Mapping", "Part", "Resolve", "Statistic", "annotations", "declare"}


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


__all__ = [name for name in dir() if not name.startswith("_") and name not in _IMPORTED]
