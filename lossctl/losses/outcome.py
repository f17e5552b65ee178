"""What was observed and the probability that was given to it: shared by the losses of predicted probabilities.

Such a loss is a score of an outcome, averaged over the outcomes that the target gives. Its slope follows from the
score's elasticity e(p) = p dl/dp: by p it is e/p; by a logit (1 - p) e for an observed 1 and -p e for an observed 0; by
the logits of a softmax e_c - p_c Σ e. The last three are finite at logits of any size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.core.batch import Batch, derived, flag, log_other_prob, log_prob, natural, other_prob, sign
from lossctl.core.domain import NON_NEGATIVE, Interval
from lossctl.core.form import Form
from lossctl.core.labels import ClassCodes
from lossctl.core.loss import Part, Variant
from lossctl.core.param import Label, PerClass, Value
from lossctl.core.statistic import WEIGHTED
from lossctl.errors import UsageError, listed
from lossctl.losses.forms import CLASSES
from lossctl.numerics.activation import sigmoid, softplus, sum_of_others
from lossctl.numerics.array import Array, Mask
from lossctl.numerics.quotient import expected, per_probability

Quantity = Callable[[Batch], Array]


def has_labels(batch: Batch) -> bool:
    """Whether the target is a (rows,) array of class codes."""
    return batch.target.ndim == 1


@derived
def observed_place(batch: Batch) -> NDArray[Any]:
    """Where each row's column of the observed class stands in the flattened (K, rows) columns."""
    return batch.target * batch.rows + np.arange(batch.rows)


def pick(batch: Batch, columns: Array) -> Array:
    """Return, per row, the column of the observed class."""
    return np.take(columns.reshape(-1), observed_place(batch))


@derived
def certain(batch: Batch) -> NDArray[Any]:
    """Whether every binary target is an outcome that was observed, none a probability."""
    y = flag(batch)
    return np.logical_and.reduce((y == 0.0) | (y == 1.0), axis=None)[np.newaxis]


@derived
def prob_observed(batch: Batch) -> Array:
    """The probability that was given to what was observed: a class, or a binary outcome."""
    if has_labels(batch):
        return pick(batch, batch.pred)
    return np.where(flag(batch) == 1.0, batch.pred, other_prob(batch))


@derived
def log_observed(batch: Batch) -> Array:
    """ln of the probability that was given to what was observed."""
    if has_labels(batch):
        return np.log(pick(batch, batch.pred)) if batch.activation == "none" else pick(batch, log_prob(batch))
    if batch.activation == "sigmoid":
        return -softplus(-sign(batch) * batch.raw)
    y, p = flag(batch), batch.pred
    return np.log(p * y + (1.0 - y)) + np.log1p(-(p * (1.0 - y)))  # the term of what was not observed is ln 1


@derived
def other_observed(batch: Batch) -> Array:
    """The probability that was given to anything but what was observed."""
    if has_labels(batch):
        return 1.0 - pick(batch, batch.pred) if batch.activation == "none" else pick(batch, other_prob(batch))
    if batch.activation == "sigmoid":
        return sigmoid(-sign(batch) * batch.raw)
    return np.abs(flag(batch) - batch.pred)


@dataclass(frozen=True)
class Outcome:
    """What may be observed, and the probability that was given to it: p, 1 - p and ln p, each computed on demand.

    y: 1 for a class or a yes, 0 for a no, or an array of these.
    """

    batch: Batch
    y: Array | float
    of_p: Quantity
    of_other: Quantity
    of_log: Quantity

    @property
    def p(self) -> Array:
        """The probability."""
        return self.of_p(self.batch)

    @property
    def other(self) -> Array:
        """1 - p, without cancellation where the raw output is known."""
        return self.of_other(self.batch)

    @property
    def log_p(self) -> Array:
        """ln p."""
        return self.of_log(self.batch)


Score = Callable[[Outcome], Array]


def observed(batch: Batch) -> Outcome:
    """What each row observed: its class, or its certain yes or no."""
    y = 1.0 if has_labels(batch) else flag(batch)
    return Outcome(batch, y, prob_observed, other_observed, log_observed)


def each_class(batch: Batch) -> Outcome:
    """Every class in turn, or a yes: an outcome for each column."""
    return Outcome(batch, 1.0, natural, other_prob, log_prob)


def a_no(batch: Batch) -> Outcome:
    """A no of each binary column."""
    return Outcome(batch, 0.0, other_prob, natural, log_other_prob)


def clipped(log_p: Array, eps: float) -> Array:
    """Clip ln p as p clipped to [eps, 1 - eps]."""
    return np.clip(log_p, np.log(eps), np.log1p(-eps)) if eps > 0.0 else log_p


def inside(p: Array, eps: float) -> Mask:
    """Where p is not clipped; the loss is flat elsewhere."""
    return (p > eps) & (p < 1.0 - eps) if eps > 0.0 else np.ones(p.shape, dtype=bool)


def class_rows(batch: Batch, smoothing: float = 0.0) -> Array:
    """The target as (K, rows) probabilities, mixed with `smoothing` of equal ones."""
    rows = batch.target
    if has_labels(batch):
        rows = np.zeros_like(batch.pred)
        np.put_along_axis(rows, batch.target[np.newaxis], 1.0, axis=0)
    return rows if smoothing == 0.0 else (1.0 - smoothing) * rows + smoothing / len(rows)


def shares(batch: Batch, weights: Array | None = None, smoothing: float = 0.0) -> tuple[Array, Array]:
    """How much a no and a yes count in each binary row, mixed with `smoothing` of equal ones, times `weights`."""
    y = flag(batch)
    no, yes = 1.0 - y, y
    if smoothing != 0.0:
        no, yes = ((1.0 - smoothing) * share + 0.5 * smoothing for share in (no, yes))
    return (no, yes) if weights is None else (weights[0] * no, weights[1] * yes)


def expected_score(batch: Batch, score: Score, *, smoothing: float = 0.0, weights: Array | None = None) -> Array:
    """Average a score of an outcome over the outcomes that the target gives.

    Soft targets weigh the outcomes. smoothing: the share that all classes (or no and yes) have alike. weights: of the
    outcomes: (K,) by class, those of `without`, or those of a no and a yes.
    """
    row = None if weights is None or not has_labels(batch) else row_weights(batch, weights)
    kept = None if weights is None or not has_labels(batch) else counts(batch, weights)
    batch = known(batch, weights)
    if has_labels(batch) and smoothing == 0.0:
        value = score(observed(batch))
        return value if row is None else expected(row, value)
    if batch.form == "multiclass":
        rows = _weighed(class_rows(batch, smoothing), weights, kept)
        return np.add.reduce(expected(rows, score(each_class(batch))), axis=0)
    if smoothing == 0.0 and certain(batch)[0]:
        value = score(observed(batch))
        return value if weights is None else expected(np.where(flag(batch) == 1.0, weights[1], weights[0]), value)
    no, yes = shares(batch, weights, smoothing)
    return expected(yes, score(each_class(batch))) + expected(no, score(a_no(batch)))


def expected_slope(
    batch: Batch,
    elasticity: Score,
    *,
    slope: Score | None = None,
    smoothing: float = 0.0,
    weights: Array | None = None,
) -> Array:
    """Gradient of an expected score from its elasticity: by p, or under an activation by the raw outputs.

    slope: the derivative by p itself, where elasticity / p is not it at p = 0.
    """
    row = None if weights is None or not has_labels(batch) else row_weights(batch, weights)
    kept = None if weights is None or not has_labels(batch) else counts(batch, weights)
    batch = known(batch, weights)
    raw = batch.activation != "none"
    rate = elasticity if raw or slope is None else slope
    if batch.form == "multiclass":
        if has_labels(batch) and smoothing == 0.0:
            e = rate(observed(batch))
            full = np.zeros_like(batch.pred)
            np.put_along_axis(full, batch.target[np.newaxis], e if row is None else expected(row, e), axis=0)
        else:
            full = expected(_weighed(class_rows(batch, smoothing), weights, kept), rate(each_class(batch)))
        return full if rate is slope else class_slope(batch, full)
    no, yes = shares(batch, weights, smoothing)
    no, yes = expected(no, rate(a_no(batch))), expected(yes, rate(each_class(batch)))
    return yes - no if rate is slope else binary_slope(batch, no, yes)


def class_slope(batch: Batch, elasticity: Array) -> Array:
    """Gradient of a loss of rows of probabilities from p_c ∂l/∂p_c (K, rows): by p, or by the logits of a softmax."""
    if batch.activation != "softmax":
        return per_probability(elasticity, batch.pred)
    return elasticity * other_prob(batch) - batch.pred * sum_of_others(elasticity)


def binary_slope(batch: Batch, no: Array, yes: Array) -> Array:
    """Gradient of the loss of a no plus that of a yes from their elasticities: by p, or by the logit of a sigmoid.

    yes is p ∂l/∂p of what a yes costs, no is (1 - p) ∂l/∂(1 - p) of what a no costs.
    """
    if batch.activation != "sigmoid":
        return per_probability(yes, batch.pred) - per_probability(no, other_prob(batch))
    return other_prob(batch) * yes - batch.pred * no


def known(batch: Batch, weights: Array | None) -> Batch:
    """Return the batch, where labels that are no class weigh nothing with any class in their place."""
    if weights is None or not has_labels(batch) or weights.shape[-1] == len(batch.raw):
        return batch
    codes = np.minimum(batch.target, len(batch.raw) - 1)
    return Batch({**batch.roles, "target": codes}, form=batch.form, activation=batch.activation, classes=batch.classes)


def _weighed(rows: Array, weights: Array | None, kept: Array | None) -> Array:
    """Multiply (K, rows) shares by the weights of their classes; a row that does not count is 0 throughout."""
    if weights is None:
        return rows
    weighed = np.atleast_2d(weights)[0, : len(rows), np.newaxis] * rows
    return weighed if kept is None else np.where(kept == 0.0, 0.0, weighed)


def row_weights(batch: Batch, weights: Array) -> Array:
    """What the label of each row weighs: its class's weight, nothing if it is ignored."""
    return np.multiply.reduce(np.atleast_2d(weights), axis=0)[batch.target]


def counts(batch: Batch, weights: Array) -> Array | None:
    """1 where the label of a row counts, 0 where it is ignored; None where none is."""
    return None if weights.ndim == 1 else weights[1][batch.target]


def class_weights(batch: Batch, value: Value, parameter: str = "class_weight") -> Array:
    """Return (K,) weights of the classes (of no and yes in binary rows) from a `PerClass` parameter's value.

    Weights without labels go by the order of the classes; labels that are not named weigh 1, and a number alone weighs
    every class. Raises UsageError where labels or their count do not fit.
    """
    multiclass = batch.form == "multiclass"
    names = tuple(batch.classes) or tuple(map(str, range(len(batch.raw) if multiclass else 2)))
    if not isinstance(value, tuple):
        return np.full(len(names), 1.0 if value is None else float(value))
    named = [entry for entry in value if isinstance(entry, tuple)]
    if not named:
        if len(value) != len(names):
            raise UsageError(
                f"{parameter} has {len(value)} weights, but there are {len(names)} classes ({listed(list(names))}): "
                f"give one for each, or name the labels as in {parameter}={names[0]}:2"
            )
        return np.array(value, dtype=np.float64)
    weights = np.ones(len(names))
    codes = ClassCodes(names)
    for label, weight in named:
        code = codes.of([label])[0]
        if code < 0:
            raise UsageError(f"{parameter} names {label!r}, which is no class; the classes are {listed(list(names))}")
        weights[code] = weight
    return weights


def without(batch: Batch, weights: Array, ignored: str | None) -> Array:
    """Return weights by class code; with an ignored label (2, K + 1), the second line 0 where rows do not count.

    A class whose rows are ignored still has its weight in the smoothed targets of other rows.
    """
    if ignored is None:
        return weights
    names = tuple(batch.classes) or tuple(map(str, range(len(weights))))
    kept = np.append(np.ones(len(weights)), 0.0)
    kept[ClassCodes(names).and_ignored([ignored]).of([ignored])[0]] = 0.0
    return np.stack([np.append(weights, 1.0), kept])


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
