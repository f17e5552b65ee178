"""What a row's target says may be observed, and the probability that the prediction gave it: losses of probabilities.

Such a loss is a cost of an outcome, averaged over the outcomes that the target gives. Its slope follows from the
cost's elasticity e(p) = p dl/dp: by p it is e/p; by a logit (1 - p) e for an observed 1 and -p e for an observed 0; by
the logits of a softmax e_c - p_c Σ e. The last three are finite at logits of any size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial, reduce
from inspect import Parameter, Signature
from typing import Annotated, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossctl.core.batch import Batch, derived, flag, log_other_prob, log_prob, natural, of_target, other_prob, sign
from lossctl.core.declare import Recipe, call, declare
from lossctl.core.domain import NON_NEGATIVE, POSITIVE, UNIT, ClassCodes, Flag, Interval, hole, ignored_labels
from lossctl.core.form import DECIDED, Form
from lossctl.core.loss import Gradient, Loss, Part, arguments_for
from lossctl.core.param import Label, Param, PerClass, Value, params_of
from lossctl.core.statistic import WEIGHTED, Statistic, from_value
from lossctl.errors import UsageError, listed
from lossctl.losses.forms import MASKS
from lossctl.numerics.activation import sigmoid, softplus, sum_of_others
from lossctl.numerics.array import Array, Mask
from lossctl.numerics.quotient import expected, per_probability

# the probability that was given to what was observed -------------------------------------------------------------


def has_labels(batch: Batch) -> bool:
    """Whether the target is a (rows,) array of class codes."""
    return batch.target.ndim == 1


@derived
def observed_place(batch: Batch) -> NDArray[Any]:
    """Where each row's column of the observed class stands in the flattened (K, rows) columns.

    A label that is no class, of a row that does not count, stands for the last class.
    """
    return np.take(np.arange(len(batch.raw)) * batch.rows, batch.target, mode="clip") + np.arange(batch.rows)


def pick(batch: Batch, columns: Array) -> Array:
    """Return, per row, the column of the observed class."""
    return np.take(columns.reshape(-1), observed_place(batch))


def spread(batch: Batch, values: Array | float) -> Array:
    """Return (K, rows) columns with the (rows,) values at the observed classes, 0 elsewhere."""
    columns = np.zeros_like(batch.pred)
    columns.reshape(-1)[observed_place(batch)] = values
    return columns


@of_target
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
    no = 1.0 - y
    observed = np.abs(p - no)  # p or 1 - p; what rounding took from 1 - p is put back below
    if certain(batch)[0] and observed.all():
        return np.log(observed) + ((no - observed) - p) * no / observed
    return np.log(p * y + no) + np.log1p(-(p * no))  # the term of what was not observed is ln 1


@derived
def other_observed(batch: Batch) -> Array:
    """The probability that was given to anything but what was observed."""
    if has_labels(batch):
        return 1.0 - pick(batch, batch.pred) if batch.activation == "none" else pick(batch, other_prob(batch))
    if batch.activation == "sigmoid":
        return sigmoid(-sign(batch) * batch.raw)
    return np.abs(flag(batch) - batch.pred)


# what the target says ---------------------------------------------------------------------------------------------

Eps = Annotated[
    float, Interval(low=0.0, high=0.5, low_closed=True), "clip p to [eps, 1 - eps] first; 0 leaves ln 0 = -inf"
]
Smoothing = Annotated[
    float,
    Interval(low=0.0, high=1.0, low_closed=True),
    "share of the target that all classes (or no and yes) have alike",
]
ClassWeight = Annotated[
    tuple[float, ...] | None,
    PerClass(NON_NEGATIVE),
    "weight of each class; the mean divides by what the rows' classes weigh together",
]
PosWeight = Annotated[float, POSITIVE, "factor on the cost of an observed 1; the mean stays over the rows"]
Alpha = Annotated[
    float | None,
    PerClass(UNIT, single=True),
    "factor on each class; a number alone is that of the positive class, 1 - alpha of the other, or of every class if "
    "multiclass",
]
Ignored = str | tuple[str, ...] | None
IGNORE_CLASS = Param(
    "ignore_class",
    None,
    Label(),
    "label whose rows, or of several columns whose places, do not count, or several as -1/255; none need be a class",
)


def smoothed(share: Array, smoothing: float, classes: int) -> Array:
    """Mix shares of the target with `smoothing` of equal ones of all classes."""
    return share if smoothing == 0.0 else (1.0 - smoothing) * share + smoothing / classes


def class_rows(batch: Batch, smoothing: float = 0.0) -> Array:
    """The target as (K, rows) probabilities, mixed with `smoothing` of equal ones."""
    rows = spread(batch, 1.0) if has_labels(batch) else batch.target
    return smoothed(rows, smoothing, len(rows))


def class_weights(batch: Batch, value: Value, parameter: str = "class_weight") -> Array:
    """Return (K,) weights of the classes (of no and yes in binary rows) from a `PerClass` parameter's value.

    Weights without labels go by the order of the classes; labels that are not named weigh 1, and a number alone weighs
    every class. Raises UsageError where labels or their count do not fit.
    """
    names = class_names(batch)
    if not isinstance(value, tuple):
        return np.full(len(names), 1.0 if value is None else float(value))
    by_label = [entry for entry in value if isinstance(entry, tuple)]
    if not by_label:
        if len(value) != len(names):
            raise UsageError(
                f"{parameter} has {len(value)} weights, but there are {len(names)} classes ({listed(list(names))}): "
                f"give one for each, or name the labels as in {parameter}={names[0]}:2"
            )
        return np.array(value, dtype=np.float64)
    weights = np.ones(len(names))
    codes = ClassCodes(names)
    for label, weight in by_label:
        code = codes.of([label])[0]
        if code < 0:
            raise UsageError(f"{parameter} names {label!r}, which is no class; the classes are {listed(list(names))}")
        weights[code] = weight
    return weights


def class_names(batch: Batch) -> tuple[str, ...]:
    """The labels of the classes, of no and yes in binary rows."""
    return tuple(batch.classes) or tuple(map(str, range(len(batch.raw) if batch.form == "multiclass" else 2)))


def label_weight(batch: Batch, class_weight: Value) -> Array | float:
    """Return what the label of each row weighs."""
    return 1.0 if class_weight is None else of_label(batch, class_weights(batch, class_weight))


def of_label(batch: Batch, weights: Array) -> Array:
    """Return the weight of each row's label."""
    return np.take(weights, batch.target, mode="clip")


class Chances(NamedTuple):
    """The probability of an outcome, what it leaves of 1, and its logarithm, as functions of a batch."""

    p: Callable[[Batch], Array]
    complement: Callable[[Batch], Array]
    log_p: Callable[[Batch], Array]


OBSERVED: Final = Chances(prob_observed, other_observed, log_observed)
YES: Final = Chances(natural, other_prob, log_prob)  # of each column: a yes, or a class
NO: Final = Chances(other_prob, natural, log_other_prob)


@dataclass(frozen=True)
class Outcome:
    """Something that may be observed in each row: (rows,) arrays of classes, (columns, rows) otherwise.

    share: how much it counts (None: once): its probability by the target times the weight of its class. side: +1 where
    p rises with the prediction, -1 where it falls, as that of a no. chances: what the arrays below are, each computed
    on demand. eps: p is clipped to [eps, 1 - eps].
    """

    batch: Batch
    share: Array | None
    side: Array | float
    chances: Chances
    eps: float = 0.0

    @property
    def p(self) -> Array:
        """The probability that it was given."""
        return self._clipped(self.chances.p(self.batch))

    @property
    def complement(self) -> Array:
        """1 - p, without cancellation where the raw output is known."""
        return self._clipped(self.chances.complement(self.batch))

    @property
    def log_p(self) -> Array:
        """ln p."""
        return clipped(self.chances.log_p(self.batch), self.eps)

    def _clipped(self, p: Array) -> Array:
        return np.clip(p, self.eps, 1.0 - self.eps) if self.eps > 0.0 else p

    def weighed(self, values: Array | float) -> Array:
        """Multiply values by the share; a share of 0 makes 0 even of an infinity."""
        if self.share is None:
            return np.asarray(values, dtype=np.float64)
        return expected(self.share, values)

    def weighed_slope(self, elasticity: Array | float) -> Array:
        """Multiply the elasticity of a cost by the share; the cost is flat where p is clipped."""
        if self.eps > 0.0:
            p = self.chances.p(self.batch)
            elasticity = np.where((p > self.eps) & (p < 1.0 - self.eps), elasticity, 0.0)
        return self.weighed(elasticity)


def clipped(log_p: Array, eps: float) -> Array:
    """Clip ln p as p clipped to [eps, 1 - eps]."""
    return np.clip(log_p, np.log(eps), np.log1p(-eps)) if eps > 0.0 else log_p


def outcomes(
    batch: Batch,
    *,
    eps: Eps = 0.0,
    pos_weight: PosWeight = 1.0,
    alpha: Alpha = None,
    label_smoothing: Smoothing = 0.0,
    class_weight: ClassWeight = None,
) -> tuple[Outcome, ...]:
    """Return what may be observed: the class or the certain answer, every class in turn, or a yes and a no."""
    weights = None
    if alpha is not None:
        single = isinstance(alpha, float) and batch.form != "multiclass"
        weights = np.array([1.0 - alpha, alpha]) if single else class_weights(batch, alpha, "alpha")
    elif class_weight is not None or pos_weight != 1.0:
        weights = class_weights(batch, class_weight)
        weights = weights if pos_weight == 1.0 else weights * np.array([1.0, pos_weight])
    if has_labels(batch) and label_smoothing == 0.0:
        return (Outcome(batch, None if weights is None else of_label(batch, weights), 1.0, OBSERVED, eps),)
    if batch.form == "multiclass":
        rows = class_rows(batch, label_smoothing)
        return (Outcome(batch, rows if weights is None else weights[:, np.newaxis] * rows, 1.0, YES, eps),)
    if label_smoothing == 0.0 and certain(batch)[0]:
        share = None if weights is None else np.where(flag(batch) == 1.0, weights[1], weights[0])
        return (Outcome(batch, share, sign(batch), OBSERVED, eps),)
    return answers(batch, eps=eps, label_smoothing=label_smoothing, weights=weights)


def answers(
    batch: Batch, *, eps: float = 0.0, label_smoothing: float = 0.0, weights: Array | None = None
) -> tuple[Outcome, Outcome]:
    """Return both outcomes of binary columns, 1 and 0; the target is the share of 1."""
    no, yes = (smoothed(share, label_smoothing, 2) for share in (1.0 - flag(batch), flag(batch)))
    if weights is not None:
        no, yes = weights[0] * no, weights[1] * yes
    return Outcome(batch, yes, 1.0, YES, eps), Outcome(batch, no, -1.0, NO, eps)


def mean_cost(cases: tuple[Outcome, ...], cost: Callable[[Outcome], Array | float]) -> Array:
    """Average a cost over the outcomes of each row: (rows,), or (columns, rows) of binary columns."""
    total = reduce(np.add, (outcome.weighed(cost(outcome)) for outcome in cases))
    multiclass = cases[0].batch.form == "multiclass"
    return np.add.reduce(total, axis=0) if multiclass and total.ndim == 2 else total


def mean_slope(
    cases: tuple[Outcome, ...],
    elasticity: Callable[[Outcome], Array | float],
    by_p: Callable[[Outcome], Array] | None = None,
) -> Array:
    """Gradient of an average cost from its elasticity: by p, or under an activation by the raw outputs.

    by_p: of classes, the derivative by p itself, where elasticity / p is not it at p = 0.
    """
    batch = cases[0].batch
    natural_scale = batch.activation == "none"
    if batch.form == "multiclass":
        direct = by_p if natural_scale else None
        slope = cases[0].weighed_slope((direct or elasticity)(cases[0]))
        columns = spread(batch, slope) if slope.ndim < 2 else slope
        return columns if direct else class_slope(batch, columns)
    slopes = ((outcome, outcome.weighed_slope(elasticity(outcome))) for outcome in cases)
    if natural_scale:
        return reduce(np.add, (outcome.side * per_probability(slope, outcome.p) for outcome, slope in slopes))
    return reduce(np.add, (outcome.side * (outcome.complement * slope) for outcome, slope in slopes))


def class_slope(batch: Batch, elasticity: Array) -> Array:
    """Gradient of a loss of rows of probabilities from p_c ∂l/∂p_c (K, rows): by p, or by the logits of a softmax."""
    if batch.activation != "softmax":
        return per_probability(elasticity, batch.pred)
    return elasticity * other_prob(batch) - batch.pred * sum_of_others(elasticity)


def binary_slope(batch: Batch, no: Array | float, yes: Array | float) -> Array:
    """Gradient of the loss of a no plus that of a yes from their elasticities: by p, or by the logit of a sigmoid.

    yes is p ∂l/∂p of what a yes costs, no is (1 - p) ∂l/∂(1 - p) of what a no costs.
    """
    if batch.activation != "sigmoid":
        return per_probability(yes, batch.pred) - per_probability(no, other_prob(batch))
    return other_prob(batch) * yes - batch.pred * no


# rows that do not count -------------------------------------------------------------------------------------------


def ignored_flags(ignore_class: Ignored) -> tuple[float, ...]:
    """Return the numbers that do not count among 0 and 1."""
    return tuple(dict.fromkeys(map(hole, ignored_labels(ignore_class))))


def holes(batch: Batch, ignore_class: Ignored) -> Mask:
    """Return what does not count: of rows with a label or predicted class (rows,) or (1, rows), of columns each."""
    labels = ignored_labels(ignore_class)
    if has_labels(batch) or batch.form == DECIDED:
        return np.isin(batch.target, ClassCodes(class_names(batch)).and_ignored(labels).of(labels)[:-1])
    return np.isin(batch.target, ignored_flags(ignore_class))


def without_holes(batch: Batch, ignore_class: Ignored) -> Batch:
    """Return a batch with a target of 0 where binary targets do not count; of masks with a prediction of 0, too."""
    if ignore_class is None or has_labels(batch) or batch.form == DECIDED:
        return batch

    def filled(batch: Batch) -> Batch:
        unknown, no = holes(batch, ignore_class), 0.0 if batch.activation == "none" else -np.inf
        pred = np.where(unknown, no, batch.raw) if batch.form == MASKS.name else batch.raw
        roles = {"target": np.where(unknown, 0.0, batch.target), "pred": pred}
        return Batch(roles, form=batch.form, activation=batch.activation, classes=batch.classes)

    return batch.related(f"no for {ignore_class}", filled)


def part_of(function: Callable[..., Array], params: tuple[Param, ...], *, of_masks: bool = False) -> Part:
    """Return a function of a batch and further arguments as a part with these parameters.

    If `ignore_class` is one of them, the result is 0 where the target is that label. of_masks: the result is one
    number per row, computed with 0 as target and prediction there.
    """

    def part(batch: Batch, *, ignore_class: Ignored = None, **args: Value) -> Array:
        values = function(without_holes(batch, ignore_class), **args)
        return values if ignore_class is None or of_masks else np.where(holes(batch, ignore_class), 0.0, values)

    words = [Parameter(param.name, Parameter.KEYWORD_ONLY) for param in params]
    signature = Signature([Parameter("batch", Parameter.POSITIONAL_OR_KEYWORD), *words])
    part.__signature__ = signature  # type: ignore[attr-defined]  # functions take attributes
    return part


SHARED: Final = {param.name: param for param in params_of(outcomes)}
class_mass = part_of(  # what the classes of each row weigh: that of its label, or the mean over a soft target
    lambda batch, **args: mean_cost(outcomes(batch, **args), lambda outcome: 1.0),
    (SHARED["class_weight"], IGNORE_CLASS),
)


def over_mass(statistic: Statistic) -> Statistic:
    """Return the statistic of means over what the classes of the rows weigh, which is the last mean."""
    return replace(
        statistic,
        name=f"{statistic.name} over the rows that count",
        value=lambda m: statistic.value(tuple(x / m[-1] for x in m[:-1])),
        slope=from_value,
        undefined="the classes that count are in no row",
    )


def counted(statistic: Statistic, *parts: Part, ignore_class: Ignored) -> Recipe:
    """Return the recipe of a statistic over the rows that count."""
    return Recipe(parts, statistic) if ignore_class is None else Recipe((*parts, class_mass), over_mass(statistic))


def label_forms(forms: tuple[Form, ...], ignore_class: Ignored) -> tuple[Form, ...]:
    """Return those of the forms whose target can hold what is ignored, if something is: labels, or yes and no."""
    if ignore_class is None:
        return forms
    ignoring: list[Form] = []
    for form in forms:
        domain = form.roles["target"]
        if form.labels or form.decided:
            ignoring.append(form)
        elif isinstance(domain, Flag):
            holes_too = replace(domain, ignored=ignored_flags(ignore_class))
            ignoring.append(replace(form, roles={**form.roles, "target": holes_too}))
    return tuple(ignoring)


# how the losses of the family are declared -----------------------------------------------------------------------


def class_loss(
    *,
    forms: tuple[Form, ...] | Callable[..., tuple[Form, ...]],
    params: tuple[Param, ...] | None = None,
    gradient: Gradient | None = None,
    raw: bool = False,
    **facts: Any,
) -> Callable[[Part], Loss]:
    """Declare the mean of `function(batch, *, params) -> per-row values` of classes or binary outcomes.

    Labels of a target can be ignored; with class weights the mean divides by them; smoothed targets have no best
    prediction that is known beforehand. forms: may depend on parameters that it names. params: in place
    of those of the function. raw: whether the gradient takes care of activations.
    """

    def declared(function: Part) -> Loss:
        every = params_of(function) if params is None else params
        layouts = call(forms, {param.name: param.default for param in every}) if callable(forms) else forms
        if any(form.labels or isinstance(form.roles["target"], Flag) for form in layouts):
            every = (*every, IGNORE_CLASS)
        part = part_of(function, every)
        slope = gradient and part_of(gradient, every)  # type: ignore[arg-type]

        def fields(args: Mapping[str, Any]) -> Mapping[str, Any]:
            ignored = args.get("ignore_class")
            weighed = ignored is not None or args.get("class_weight") is not None
            smooth = args.get("label_smoothing", 0.0) > 0.0
            tilted = weighed or smooth or args.get("pos_weight", 1.0) != 1.0
            return {
                "forms": label_forms(call(forms, args) if callable(forms) else forms, ignored),
                **({"parts": (part, class_mass), "statistic": WEIGHTED} if weighed else {}),
                **({"best": None} if smooth else {}),
                **({"functional": ""} if tilted else {}),
            }

        return declare(
            function,
            params=every,
            resolve=fields,
            forms=layouts,
            row=part,
            gradient=slope,
            raw_gradient=slope if raw else None,
            **facts,
        )

    return declared


def outcome_loss(
    *shared: str,
    elasticity: Callable[..., Array | float],
    by_p: Callable[..., Array] | None = None,
    **facts: Any,
) -> Callable[[Callable[..., Array]], Loss]:
    """Declare the average of `cost(outcome, *, params)` over the outcomes that the target gives, and over the rows.

    shared: parameters of `outcomes` that the loss has too. elasticity: p ∂cost/∂p as a function of the same arguments;
    by_p: ∂cost/∂p, where that is not elasticity / p at p = 0.
    """

    def declared(cost: Callable[..., Array]) -> Loss:
        def row(batch: Batch, **args: Any) -> Array:
            cases = outcomes(batch, **arguments_for(outcomes, args))
            return mean_cost(cases, partial(cost, **arguments_for(cost, args)))

        def slope(batch: Batch, **args: Any) -> Array:
            cases = outcomes(batch, **arguments_for(outcomes, args))
            direct = by_p and partial(by_p, **arguments_for(by_p, args))
            return mean_slope(cases, partial(elasticity, **arguments_for(elasticity, args)), direct)

        row.__name__, row.__doc__ = cost.__name__, cost.__doc__
        every = (*params_of(cost), *(SHARED[name] for name in shared))
        return class_loss(params=every, gradient=slope, raw=True, **facts)(row)

    return declared
