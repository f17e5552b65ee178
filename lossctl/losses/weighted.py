"""Classes that count more than others, or not at all: the mean divides by what the rows' classes weigh together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np

from lossctl.core.batch import Batch
from lossctl.core.domain import NON_NEGATIVE, Interval
from lossctl.core.form import Form
from lossctl.core.loss import Part, Variant
from lossctl.core.param import Label, PerClass, Value
from lossctl.core.statistic import WEIGHTED
from lossctl.losses.forms import CLASSES
from lossctl.losses.observed import class_weights, has_labels, row_weights, shares, without
from lossctl.numerics.array import Array

ClassWeight = Annotated[
    tuple[float, ...] | None,
    PerClass(NON_NEGATIVE),
    "weight of each class; the mean divides by what the rows' classes weigh together",
]
IgnoreClass = Annotated[str | None, Label(), "label whose rows do not count; it need not be a class"]
Smoothing = Annotated[
    float,
    Interval(low=0.0, high=1.0, low_closed=True),
    "share of the target that all classes (or no and yes) have alike",
]


def outcome_weights(batch: Batch, class_weight: Value, ignore_class: str | None = None) -> Array | None:
    """Return the weights of the outcomes, None where all count alike."""
    if class_weight is None and ignore_class is None:
        return None
    return without(batch, class_weights(batch, class_weight), ignore_class)


def class_mass(batch: Batch, *, class_weight: Value = None, ignore_class: str | None = None) -> Array:
    """What the classes of each row weigh: that of its label, or the mean over a soft target."""
    weights = outcome_weights(batch, class_weight, ignore_class)
    assert weights is not None
    if has_labels(batch):
        return row_weights(batch, weights)
    if batch.form == "multiclass":
        return np.add.reduce(weights[:, np.newaxis] * batch.target, axis=0)
    no, yes = shares(batch, weights)
    return no + yes


def divided(cost: Part, labelled: tuple[Form, ...] = (CLASSES,)) -> Variant:
    """Return the variant of a loss with class weights or an ignored label, whose row value is `cost`.

    labelled: the forms that have labels, which alone can be ignored. Smoothed targets have no best prediction that
    is known beforehand.
    """

    def variant(args: Mapping[str, Any]) -> Mapping[str, Any]:
        changed: dict[str, Any] = {}
        if args.get("class_weight") is not None or args.get("ignore_class") is not None:
            changed |= {"parts": (cost, class_mass), "reading": WEIGHTED}
        if args.get("ignore_class") is not None:
            changed["forms"] = labelled
        if args.get("label_smoothing", 0.0) > 0.0:
            changed["best"] = None
        return changed

    return variant
