"""Loss: a frozen value that says what a loss is, and its evaluation on whole arrays.

A loss is declared by a decorated function (`core.declare`). Its parts are per-row quantities, a statistic makes one
number of their means (or it is a peak, or a function of the whole sample), and `bind` sets its parameters.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, lru_cache, partial, wraps
from importlib import import_module
from itertools import chain
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from lossctl.core.batch import BLOCK, FRAMES, NO_TREND, Batch, Trend, keep_freed_memory, other_prob, residual
from lossctl.core.block import breach, breach_of_live, judged
from lossctl.core.domain import (
    CORNERS,
    NON_NEGATIVE,
    RANGES,
    SIMPLEX,
    ClassCodes,
    Codes,
    Flag,
    Interval,
    LogSimplex,
    OpenCodes,
    Score,
    hole,
    hole_fault,
    ignored_labels,
    label,
)
from lossctl.core.form import (
    DECIDED,
    EVENT,
    FORM_OF,
    GIVEN,
    OPTIONAL,
    QUERY,
    READINGS,
    Form,
    Reading,
    checked_task,
    form_wish,
)
from lossctl.core.naming import are_classes, labels_of, may_be_classes, misread
from lossctl.core.param import Param, PerColumn, Value, bound
from lossctl.core.state import NEVER, Moments, Peak, Sample, means, moments_of
from lossctl.core.statistic import MEAN, Statistic, mean_of, read
from lossctl.errors import DataError, UsageError, first_line, listed, near
from lossctl.numerics import activation as act
from lossctl.numerics.array import PIECE, Array, array_of

Part = Callable[..., Array]
Gradient = Callable[..., Array | dict[str, Array]]
Resolve = Callable[[Mapping[str, Any]], Mapping[str, Any]]
Direction = Literal["min", "max", "zero"]
Functional = Literal["", "mean", "quantile"]
LIMITS: Final = r"\(between (-?[\d.]+) and (-?[\d.]+)\)"  # in the words of a unit
NO_ARGS: Mapping[str, Value] = MappingProxyType({})


@lru_cache(maxsize=4096)
def arguments_of(function: Callable[..., Any]) -> frozenset[str]:
    """Return the names of a function's arguments; to look takes longer than to compute a few rows."""
    return frozenset(inspect.signature(function).parameters)


def arguments_for(function: Callable[..., Any], args: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that a function has parameters for."""
    names = arguments_of(function)
    return {name: value for name, value in args.items() if name in names}


class Term(NamedTuple):
    """A part with its parameters: what the engine reduces once, however many losses name it.

    output: the one of several outputs that it is taken of, None for all of them.
    """

    part: Part
    args: tuple[tuple[str, Value], ...] = ()
    form: str = ""
    output: int | None = None

    @property
    def of_target(self) -> bool:
        """Whether it depends on the target alone, and is one for all models."""
        return getattr(self.part, "of_target", False)

    def rows(self, batch: Batch) -> Array:
        """Return the part's (rows,) values; a (width, rows) result is averaged over its columns."""
        shaped = batch.as_form(self.form)
        return row_mean(self.part(shaped if self.output is None else shaped.output(self.output), **dict(self.args)))


class Peer(NamedTuple):
    """One library's name for a loss, and how its number is had here; `differs` says why it is not.

    library: as it is installed (torch, keras, optax, scikit-learn, torchmetrics, torchvision, permetrics) or another
    source. name: as the library writes it, with the arguments that matter: `PoissonNLLLoss(full=True)`. spec: "" for
    the loss itself. activation: what the columns must be declared to be. reduction: mean or sum over the rows. factor:
    their number is this many times ours. note: what else is to be known, as that it computes in float32. also: other
    names that the library has for it.
    """

    library: str
    name: str
    spec: str = ""
    activation: str = "none"
    reduction: str = "mean"
    factor: float = 1.0
    differs: str = ""
    note: str = ""
    also: tuple[str, ...] = ()

    def words(self, loss: str) -> str:
        """Say it in one line; `loss` is the name of the loss that the claim is about."""
        names = ", ".join((self.name, *self.also))
        if self.differs:
            return f"{names} differs: {self.differs}"
        times = "" if self.factor == 1.0 else f"{self.factor:g} x "
        note = f" ({self.note})" if self.note else ""
        return f"{names} = {times}{self.typed(loss)}{note}"

    def typed(self, loss: str) -> str:
        """Return what is typed behind `-l` for the number, but for its factor."""
        options = "" if self.activation == "none" else f" --activation {self.activation}"
        options += "" if self.reduction == "mean" else f" --reduction {self.reduction}"
        return f"{self.spec or loss}{options}"

    @property
    def same(self) -> bool:
        """Whether the number is that of the loss itself, without further words but those of the note."""
        claim = self.differs, self.spec, self.factor, self.activation, self.reduction
        return claim == ("", "", 1.0, "none", "mean")


@dataclass(frozen=True, repr=False)
class Loss:
    """What a loss is. Every output that speaks of the loss derives from these fields.

    name, aliases: canonical name and exact synonyms. family: the file it is declared in. summary, doc: the docstring.
    formula: in Unicode. forms: the layouts of data it accepts, best first. params, args: parameters and their bound
    values. parts: per-row quantities. keeps: what becomes of them: their moments, the peak of the only one, or the
    sample of all values. statistic: means -> value. whole: of a sample, (parts and weights, rows sorted by the first
    part, then the second, ...) -> value. quantile: which quantile of its sample the value is, if it is one. influence:
    of a sample, (the same) -> the value, and (rows,) by how much each row moves it: the sum of their squares is its
    variance; bounds: between which the value then is. by_form: the recipe for a form and a number of prediction
    columns, where it depends on them. row: the per-row loss, if there is one. gradient: its slope with respect to each
    prediction role; raw_gradient: with respect to the raw outputs under an activation, where the chain rule would lose
    digits. unit, best, direction: of the value. ranks: whether a better value means a better model. ordered: whether
    the order of rows counts. elsewhere: what it is called in other libraries, and how to get their number. optimises:
    what the best predictions are, where `choose` recommends it. functional: what of the targets the best constant
    prediction is, where that is their mean or their quantile (of q, without it of 0.5). undefined: why a row, or a set
    of rows, has no value. use, avoid: when to take it and when not. resolve: the fields that depend on parameters, from
    their values. origin: package and version of the plug-in that declares it.
    """

    name: str
    summary: str
    doc: str
    formula: str
    forms: tuple[Form, ...]
    parts: tuple[Part, ...]
    unit: str
    source: str
    use: str
    avoid: str
    family: str = ""
    origin: str = ""
    aliases: tuple[str, ...] = ()
    params: tuple[Param, ...] = ()
    statistic: Statistic = MEAN
    whole: Callable[..., float] | None = None
    keeps: Literal["moments", "peak", "sample"] = "moments"
    quantile: float | None = None
    influence: Callable[..., tuple[float, Array]] | None = None
    bounds: tuple[float, float] | None = None
    by_form: Callable[[Form, int], Any] | None = None
    row: Part | None = None
    gradient: Gradient | None = None
    raw_gradient: Gradient | None = None
    subgradient: str = ""
    best: float | None = 0.0
    direction: Direction = "min"
    ranks: bool = True
    ordered: bool = False
    elsewhere: tuple[Peer, ...] = ()
    optimises: str = ""
    functional: Functional = ""
    undefined: str = ""
    resolve: Resolve | None = None
    args: Mapping[str, Any] = field(default_factory=lambda: NO_ARGS, hash=False)

    @property
    def limits(self) -> tuple[float, float] | None:
        """Return between which numbers the value lies, if its unit says so."""
        limits = re.search(LIMITS, self.unit)
        return limits and (float(limits[1]), float(limits[2]))

    def bind(self, **args: object) -> Loss:
        """Return the loss with other parameter values; raise UsageError for one out of range."""
        values = bound(self.params, {**self.args, **args}, self.name)
        return replace(self, args=MappingProxyType(values), **(self.resolve(values) if self.resolve else {}))

    @cached_property
    def spec(self) -> str:
        """The loss as it is written on a command line: the name, and the parameters that are not defaults."""
        return self._written(full=False)

    @property
    def full_spec(self) -> str:
        """The loss with every parameter, as a signature needs it."""
        return self._written(full=True)

    def _written(self, full: bool) -> str:
        changed = [p for p in self.params if (full and p.signed) or self.args[p.name] != p.default]
        args = ",".join(f"{param.name}={param.write(self.args[param.name])}" for param in changed)
        return self.name + (args and f":{args}")

    def __str__(self) -> str:
        return self.spec

    def __repr__(self) -> str:
        return f"<lossctl.Loss: {self.spec}>"

    def terms(self, form: str, output: int | None = None) -> tuple[Term, ...]:
        """Return the quantities to be reduced, each bound to the parameters it takes."""
        return tuple(self.term(part, form, output) for part in self.parts)

    def term(self, part: Part, form: str, output: int | None = None) -> Term:
        """Bind one part of this loss."""
        return Term(part, tuple(arguments_for(part, self.args).items()), form, output)

    @property
    def needs_origin(self) -> bool:
        """Whether a part is taken about an origin, as the variance of the target is."""
        return any(getattr(part, "about_origin", False) for part in self.parts)

    @cached_property
    def roles(self) -> tuple[str, ...]:
        """The roles that the loss reads."""
        return tuple(self.forms[0].roles)

    @property
    def pred_roles(self) -> tuple[str, ...]:
        """The roles that a model produces, with respect to which the gradient is taken."""
        return tuple(role for role in self.roles if role not in GIVEN)

    @property
    def ignored(self) -> tuple[str, ...]:
        """The labels whose rows do not count."""
        return ignored_labels(self.args.get("ignore_class"))

    @property
    def of_quantiles(self) -> bool:
        """Whether the loss takes a column for each of several quantiles."""
        return any(isinstance(param.domain, PerColumn) for param in self.params)

    @property
    def over_sets(self) -> bool:
        """Whether the loss is of sets of rows, so that blocks must hold whole ones."""
        return QUERY in self.roles

    def form_for(self, widths: Mapping[str, int], task: str | None = None) -> Form | None:
        """Return the form that columns of these widths take; `task` decides between two that fit."""
        fitting = [form for form in self.forms if form.fits(widths)]
        of_task = [form for form in fitting if form.name == task]
        return next(iter(of_task or fitting), None)

    def for_form(self, form: Form, columns: int) -> Loss:
        """Return the loss as it is computed of data of a form with so many prediction columns."""
        if self.by_form is None:
            return self
        return replace(self, **{**self.by_form(form, columns)._asdict(), "by_form": None, "resolve": None})

    def of_all_rows(self, **facts: Any) -> Loss:
        """Return the loss with other facts, without per-row values and gradients; its parameters are final."""
        return replace(self, row=None, gradient=None, raw_gradient=None, resolve=None, **facts)

    # the Python interface -----------------------------------------------------------------------------------

    def __call__(
        self,
        *arrays: object,
        weight: object = None,
        activation: str | None = None,
        classes: object = None,
        positive_label: object = None,
        task: str | None = None,
        **roles: object,
    ) -> float:
        """Return the loss of whole arrays, the same number that the command line prints.

        Arrays come by role (`target=`, `pred=`, or `y_true=`, `y_pred=`) or in the order of the loss's roles, the
        target first. They are (n,) or (n, k, ...) arrays, lists, frames or tensors; weight, or sample_weight, is (n,).
        positive_label: the label that is 1 in a target of two. Raises DataError for values outside the domain and
        UsageError for shapes that do not fit.

        >>> import lossctl
        >>> lossctl.get("huber:delta=2")([0.0, 0.0], [1.0, 5.0])
        4.25
        """
        columns = self._by_role(arrays, {"weight": weight, **roles})
        weight = columns.pop("weight", None)
        loss, form, values, names = checked(self, columns, activation, classes, task, positive_label, weight)
        weights = None if weight is None else _weights(weight, next(iter(values.values())).shape[-1])
        if QUERY in values:
            values, weights = gathered(values, weights)
        if weights is not None and loss.over_sets:
            check_set_weights(values.get(QUERY), weights)
        state: Moments | Peak | Sample | None = None
        with np.errstate(all="ignore"):
            for start, batch in batches(values, form, activation, names, weights):
                part = block_state(loss, form, batch, None if weights is None else weights[start : start + batch.rows])
                state = part if state is None else state.merge(part)  # type: ignore[arg-type]  # kinds never mix
            return value_of(loss, state, weights is not None)

    def each(
        self,
        *arrays: object,
        activation: str | None = None,
        classes: object = None,
        positive_label: object = None,
        task: str | None = None,
        **roles: object,
    ) -> Array:
        """Return the (n,) per-row losses; raise UsageError where the loss has none (RMSE, R², ...).

        >>> import lossctl
        >>> lossctl.get("mae").each(target=[1.0, 2.0], pred=[1.5, 5.0])
        array([0.5, 3. ])
        """
        if self.row is None:
            raise UsageError(f"{self.spec} has no per-row value: {self.summary}")
        columns = self._by_role(arrays, roles)
        loss, form, values, names = checked(self, columns, activation, classes, task, positive_label)
        if loss.row is None:
            raise UsageError(f"{loss.spec} has no per-row value for several outputs: {loss.summary}")
        term = loss.term(loss.row, form.name)
        with np.errstate(all="ignore"):
            blocks = [term.rows(batch) for _, batch in batches(values, form, activation, names)]
        return np.concatenate(blocks) if blocks else np.empty(0)

    def grad(
        self,
        *arrays: object,
        activation: str | None = None,
        classes: object = None,
        positive_label: object = None,
        task: str | None = None,
        **roles: object,
    ) -> NDArray[Any] | dict[str, NDArray[Any]]:
        """Return the gradient of each row's loss, before any mean, with respect to what the model produced.

        Shaped like `pred`; a dict by role where a model produces several (left and right, ...). With an activation
        it is taken with respect to the raw outputs. Raises UsageError where the loss has no per-row value.

        >>> import lossctl
        >>> lossctl.get("mse").grad(target=[1.0, 2.0], pred=[1.5, 5.0])
        array([1., 6.])
        """
        if self.gradient is None:
            reason = "it has no per-row value" if self.row is None else "it is flat almost everywhere"
            raise UsageError(f"{self.spec} has no gradient: {reason}")
        columns = self._by_role(arrays, roles)
        loss, form, values, names = checked(self, columns, activation, classes, task, positive_label)
        if loss.gradient is None:
            raise UsageError(f"{loss.spec} has no gradient for several outputs: it has no per-row value")
        if not next(iter(values.values())).shape[-1]:
            raise DataError(f"{loss.spec}: no rows, so there is no gradient")
        with np.errstate(all="ignore"):
            blocks = [slopes(loss, batch, form.name) for _, batch in batches(values, form, activation, names)]
        shaped = {
            role: np.concatenate([block[role] for block in blocks], axis=1).T.reshape(array_of(columns[role]).shape)
            for role in loss.pred_roles
        }
        return shaped if len(shaped) > 1 else next(iter(shaped.values()))

    def _by_role(self, arrays: Sequence[object], named: Mapping[str, object]) -> dict[str, object]:
        """Return arrays by role, from those in the order of the roles and those by name or synonym."""
        if len(arrays) > len(self.roles):
            raise UsageError(
                f"{self.spec} takes {len(self.roles)} arrays, {listed(list(self.roles))}; not {len(arrays)}"
            )
        columns: dict[str, object] = dict(zip(self.roles, arrays, strict=False))
        for name, values in named.items():
            role = SYNONYMS.get(name, name)
            if values is not None and columns.get(role) is not None:
                raise UsageError(f"{self.spec}: {role} is given twice, once as {name}=")
            columns[role] = columns.get(role) if values is None else values
        return columns

    def scorer(
        self,
        response: Response = "auto",
        *,
        activation: str | None = None,
        positive_label: object = None,
    ) -> Scorer:
        """Return a scorer for scikit-learn (`scoring=`), whose values are higher for better models.

        response: the method of the estimator whose outputs are scored; "auto" takes probabilities or scores where the
        loss is of such. activation: what raw outputs need. positive_label: by default the second of two classes.

        >>> import lossctl
        >>> lossctl.get("mae").scorer().loss.name
        'mae'
        """
        if response not in RESPONSES:
            raise UsageError(f"response {response!r} is unknown; one of {listed(list(RESPONSES))}")
        return Scorer(self, response, activation, positive_label)

    def __reduce__(self) -> tuple[Callable[[str], Loss], tuple[str]]:
        """Pickle by name, as the functions of a loss cannot be: for workers of other processes, and copies."""
        # by name, as `lossctl` finds its public names: the registry depends on losses, and no loss on the registry
        return import_module("lossctl.registry").get, (self.full_spec,)

    def then(self, name: str, reading: Statistic, **facts: Any) -> Loss:
        """Return the loss that reads the same means another way; aliases, gradient and row are not inherited."""
        left_out = {"aliases": (), "row": None, "gradient": None, "raw_gradient": None, "elsewhere": ()}
        facts = {**left_out, "name": name, "statistic": reading, **facts}
        resolve = self.resolve
        return replace(self, resolve=resolve and (lambda args: {**resolve(args), **facts}), **facts)


Response = Literal["auto", "predict", "predict_proba", "predict_log_proba", "decision_function"]
RESPONSES: Final[tuple[Response, ...]] = get_args(Response)
SYNONYMS: Final = {  # what other libraries call the roles
    "y_true": "target",
    "sample_weight": "weight",
    **dict.fromkeys(("y_pred", "y_proba", "y_prob", "y_score"), "pred"),
}


@dataclass(frozen=True)
class Scorer:
    """A loss of an estimator's outputs as scikit-learn wants it, higher for better; `Loss.scorer` says what is what."""

    loss: Loss
    response: Response = "auto"
    activation: str | None = None
    positive_label: object = None

    def __call__(self, estimator: Any, X: object, y: object, sample_weight: object = None) -> float:  # noqa: N803
        """Return the negated loss of what the estimator makes of X; the value itself where higher is better."""
        response = self._response(estimator)
        if not hasattr(estimator, response):
            others: list[str] = [name for name in RESPONSES[1:] if hasattr(estimator, name)]
            raise UsageError(
                f"{self.loss.spec}: {type(estimator).__name__} has no {response}; response= may name another method, "
                f"of {listed(others)}"
            )
        outputs, classes = getattr(estimator, response)(X), getattr(estimator, "classes_", None)
        if response == "predict":
            outputs, classes = (outputs, None) if self._numeric else _one_hot(array_of(outputs, labels=True), classes)
        target, pred, named = self._roles(y, outputs, classes)
        value = self.loss(target, pred, weight=sample_weight, activation=self.activation, **named)
        return -merit(value, self.loss.direction)

    @property
    def _numeric(self) -> bool:
        """Whether the loss takes any numbers, and so nothing that depends on classes."""
        return all(form.name not in CLASS_TASKS for form in self.loss.forms)

    def _response(self, estimator: Any) -> str:
        """Return the method whose outputs the loss takes."""
        if self.response != "auto":
            return self.response
        if self._numeric or not hasattr(estimator, "classes_"):
            return "predict"
        if self.activation is not None:
            return "decision_function"
        domains = [form.roles["pred"] for form in self.loss.forms if "pred" in form.roles]
        if any(isinstance(domain, LogSimplex) for domain in domains):
            return "predict_log_proba"
        return "decision_function" if any(isinstance(domain, Score) for domain in domains) else "predict_proba"

    def _roles(self, y: object, outputs: Any, classes: Any) -> tuple[object, object, dict[str, Any]]:
        """Return target and prediction as the loss takes them, and what else it has to know."""
        if classes is None:
            return y, outputs, {}
        if isinstance(classes, list):  # several targets: their probabilities come one by one
            target = np.stack([line == names[-1] for line, names in zip(array_of(y).T, classes, strict=True)], axis=1)
            return target, np.stack([array_of(output)[:, -1] for output in outputs], axis=1), {"task": "multilabel"}
        target, pred = array_of(y, labels=True), array_of(outputs)
        if target.ndim == 2:
            return target, pred, {"task": "multilabel"}
        if len(classes) > 2 or all(form.name != "binary" for form in self.loss.forms):
            return target, pred, {"classes": classes}
        place = len(classes) - 1
        if self.positive_label is not None:
            labels = [label(word) for word in array_of(classes).tolist()]
            if label(self.positive_label) not in labels:
                raise UsageError(f"positive_label={self.positive_label!r} is no class; they are {listed(labels)}")
            place = labels.index(label(self.positive_label))
        if pred.ndim == 2:
            pred = pred[:, place]
        elif place == 0:
            pred = -pred
        return target == array_of(classes)[place], pred, {}


def _one_hot(outputs: NDArray[Any], classes: Any) -> tuple[NDArray[Any], Any]:
    """Turn predicted classes into probabilities of 0 and 1; predictions of several targets stay as they are."""
    if classes is None or outputs.ndim == 2:
        return outputs, None
    return (outputs[:, np.newaxis] == array_of(classes)).astype(np.float64), classes


CLASS_TASKS: Final = ("binary", "multiclass", "multilabel", "scores", "masks")


def merit(value: float, direction: Direction) -> float:
    """Return a number that is lower for a better value."""
    return {"min": value, "max": -value, "zero": abs(value)}[direction]


def row_mean(values: Array) -> Array:
    """Average a (width, rows) block over its columns; a (rows,) array stays."""
    if values.ndim == 1:
        return values
    return values[0] if len(values) == 1 else np.add.reduce(values, axis=0) / len(values)


def about_origin(part: Part) -> Part:
    """Mark a part that is taken about the batch's origin: a slice gets an origin of its own."""
    part.about_origin = True  # type: ignore[attr-defined]  # functions take attributes
    return part


def fitted(loss: Loss, widths: Mapping[str, int], wish: str | None) -> tuple[Loss, Form] | None:
    """Return the loss as columns of these widths (role -> count) take it, with its form; None where they do not fit.

    A loss of one output, as R², is the mean of its values over several; one that keeps every value is not.
    """
    form = loss.form_for(widths, wish)
    if form is not None:
        return loss.for_form(form, widths.get("pred", 1)), form
    outputs = max(widths.values(), default=1)
    single = loss.form_for(dict.fromkeys(widths, 1), wish)
    if single is None or not single.outputs or loss.keeps != "moments" or set(widths.values()) != {outputs}:
        return None
    return averaged(loss, outputs), single


def averaged(loss: Loss, outputs: int) -> Loss:
    """Return the mean over outputs of a loss's values; there is no per-row value."""
    parts = tuple(of_output(part, place) for place in range(outputs) for part in loss.parts)
    return loss.of_all_rows(parts=parts, statistic=mean_of(loss.statistic, outputs))


@cache
def of_output(part: Part, place: int) -> Part:
    """Return a part of one of several outputs."""

    @wraps(part)
    def alone(batch: Batch, **args: Any) -> Array:
        return part(batch.output(place), **args)

    return alone


# gradients with respect to what was read -----------------------------------------------------------------------


def slopes(loss: Loss, batch: Batch, form: str) -> dict[str, Array]:
    """Return the gradient of each row's loss, {role: (width, rows)}, with respect to the columns as they were read."""
    shaped = batch.as_form(form)
    raw = None if batch.activation in ("none", "renormalize") else loss.raw_gradient
    function = raw or loss.gradient
    assert function is not None
    slope_of_rows = function(shaped, **arguments_for(function, loss.args))
    by_role = slope_of_rows if isinstance(slope_of_rows, dict) else {loss.pred_roles[0]: slope_of_rows}
    if form in FRAMES:  # from slopes by the corners to slopes by the columns
        matrix = CORNERS[FRAMES[form]][:, :, np.newaxis]
        by_role = {role: np.add.reduce(matrix * slope[:, np.newaxis, :], axis=0) for role, slope in by_role.items()}
    if "pred" in by_role and batch.activation != "none" and not raw:
        by_role = {**by_role, "pred": chained(batch, by_role["pred"])}
    values = None if loss.row is None else loss.row(shaped, **arguments_for(loss.row, loss.args))
    outputs = 1 if values is None or values.ndim == 1 else len(shaped[loss.pred_roles[0]])
    return {role: np.broadcast_to(slope / outputs, batch[role].shape) for role, slope in by_role.items()}


def chained(batch: Batch, slope: Array) -> Array:
    """Multiply a gradient by the derivative of the activation, (width, rows)."""
    z, p = batch.raw, batch.pred
    match batch.activation:
        case "softmax":
            product = p * slope
            return product - p * np.add.reduce(product, axis=0)
        case "renormalize":
            return (slope - np.add.reduce(p * slope, axis=0)) / np.add.reduce(z, axis=0)
        case "relu":  # 0 below 0, even where the slope of the loss is infinite
            return np.where(z > 0.0, slope, 0.0)
        case "sigmoid":
            return slope * (p * other_prob(batch))
        case "tanh":
            return slope * (4.0 * act.sigmoid(2.0 * z) * act.sigmoid(-2.0 * z))
        case "softplus":
            return slope * act.sigmoid(z)
    return slope * p  # of an exponential


# whole arrays ----------------------------------------------------------------------------------------------------

FEW: Final = 64  # rows that count, in which a middle one is searched
Roles = Mapping[str, object]
Arrays = dict[str, NDArray[Any]]


def lines(batch: Batch, terms: Iterable[Term], weight: Array | None) -> Iterator[Array]:
    """Evaluate terms on a block, one (rows,) line at a time, times the weight if there is one."""
    rows = (term.rows(batch) for term in terms)
    return rows if weight is None else map(Weight(weight).times, rows)


class Weight:
    """The (rows,) weight of a block.

    A row of zero weight counts as zero even where its loss is infinite, as if it stood there zero times.
    """

    def __init__(self, weight: Array) -> None:
        self.values = weight
        self._zeros = np.flatnonzero(weight == 0.0)

    def times(self, line: Array) -> Array:
        """Return a line times the weight."""
        line = line * self.values
        line[self._zeros] = 0.0
        return line


def block_state(loss: Loss, form: Form, batch: Batch, weight: Array | None) -> Moments | Peak | Sample:
    """Reduce one block for one loss."""
    terms = loss.terms(form.name)
    if loss.keeps == "moments":
        lead = [] if weight is None else [weight]
        return moments_of(chain(lead, lines(batch, terms, weight)), (), np.arange(batch.rows))
    values = np.stack([term.rows(batch) for term in terms] + [np.ones(batch.rows) if weight is None else weight])
    counted = np.ascontiguousarray(values[:, values[-1] > 0.0])
    return Peak.of(counted[0]) if loss.keeps == "peak" else Sample.of(counted)


def value_of(loss: Loss, state: Moments | Peak | Sample | None, weighted: bool) -> float:
    """Read a merged state; raise DataError where there are no rows."""
    if state is None or state.rows == 0:
        raise DataError(f"{loss.spec}: no rows, so there is no number")
    if isinstance(state, Moments):
        lead = int(weighted)
        return read(loss.statistic, means(state, range(lead, lead + len(loss.parts)), weighted))
    if isinstance(state, Peak):
        return state.top
    assert loss.whole is not None
    return loss.whole(state.ordered(), **loss.args)


def batches(
    arrays: Arrays,
    form: Form,
    activation: str | None,
    classes: Sequence[str] = (),
    weight: Array | None = None,
) -> Iterator[tuple[int, Batch]]:
    """Cut arrays into blocks at fixed addresses, each contiguous by column; a loss of sets takes them whole."""
    rows, name = next(iter(arrays.values())).shape[-1], activation or "none"
    origins, trend = middles(arrays, name, weight)
    origin = origins[0] if origins else 0.0
    batch_of = partial(
        Batch, form=form.name, activation=name, origin=origin, origins=origins, trend=trend, classes=classes
    )
    step = max(rows, 1) if QUERY in form.roles else BLOCK
    if rows > PIECE:
        keep_freed_memory()
    for start in range(0, rows, step):
        block = {role: np.ascontiguousarray(x[..., start : start + step]) for role, x in arrays.items()}
        yield start, batch_of(block)


def middles(
    roles: Mapping[str, NDArray[Any]], activation: str, weight: Array | None = None
) -> tuple[list[float], Trend]:
    """Return the values about which variances of the target columns are taken, and the trend of the prediction.

    They are the middle ones of the first rows of positive weight, 0 where there are none; the slope is that of the
    least squares among them.
    """
    rows = slice(FEW) if weight is None else np.flatnonzero(weight > 0.0)[:FEW]
    target, raw = (roles.get(role) for role in ("target", "pred"))
    if target is None or target.ndim != 2:
        return [], NO_TREND
    origins = [middle(line) for line in target[:, rows]]
    if raw is None or target.shape != raw.shape:
        return origins, NO_TREND
    with np.errstate(all="ignore"):
        few = Batch({"target": target[:, rows], "pred": raw[:, rows]}, activation=activation)
        pred = few.pred[0]
        level = middle(pred)
        u, v = few.target[0] - origins[0], pred - level
        slope = float(np.add.reduce(u * v) / np.add.reduce(u * u))
        intercept = level - slope * origins[0]
        straight = (slope, intercept) if math.isfinite(slope) and math.isfinite(intercept) else ()
        return origins, Trend(middle(residual(few)[0]), *straight)


def middle(values: Array) -> float:
    """Return the lower middle one of the finite values of a line, 0 where there are none."""
    ordered = np.sort(values[np.isfinite(values)])
    return float(ordered[(len(ordered) - 1) // 2]) if len(ordered) else 0.0


def checked(
    loss: Loss,
    arguments: Roles,
    activation: str | None,
    classes: object,
    task: str | None,
    positive_label: object = None,
    weight: object = None,
) -> tuple[Loss, Form, Arrays, tuple[str, ...]]:
    """Bring arrays by role into (width, rows) form and check shapes and domains, these where the weight is not 0.

    Returns the loss as it takes them, its form, the arrays, and the labels of the classes.
    """
    for role, value in arguments.items():
        if value is not None and role not in loss.roles:
            raise UsageError(f"{loss.spec} has no role {role!r}; it takes {listed(list(loss.roles))}")
    arrays = {role: _array(role, value) for role, value in arguments.items() if value is not None}
    if positive_label is not None:
        role = EVENT if EVENT in loss.roles else "target"
        arrays[role] = _flags(loss, role, arrays.get(role), positive_label)
    for role in loss.roles:
        if role not in arrays and role not in OPTIONAL:
            raise UsageError(f"{loss.spec} needs {role}=; it takes {listed(list(loss.roles))}")
    lengths = {role: len(x) for role, x in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"{loss.spec}: row counts differ: " + ", ".join(f"{r} {n}" for r, n in lengths.items()))
    widths = {role: math.prod(x.shape[1:]) for role, x in arrays.items()}
    if not all(widths.values()):
        raise UsageError(f"{loss.spec}: {listed([role for role, width in widths.items() if not width])} has no columns")
    for word, text in (("activation", activation), ("task", task)):
        if text is not None and not isinstance(text, str):
            raise UsageError(f"{word}: {text!r} is not allowed; a text such as 'sigmoid' or 'binary', or None")
    name = activation or "none"
    wish = task if task in {form.name for form in loss.forms} else checked_task(task)
    wish = form_wish(wish, (name,)) or form_of_columns(loss, arrays, widths, name)
    if wish in (None, "multiclass") and name == "none" and predicts_classes(loss, arrays, widths, wish, classes):
        wish = DECIDED
    match = fitted(loss, widths, wish)
    if match is None:
        raise UsageError(f"{misfit(loss, widths)}{_reshaping(loss, widths, next(iter(lengths.values())))}")
    loss, form = match
    positive = None if positive_label is None else label(positive_label)
    if isinstance(form.roles.get("target"), Flag) and (fault := hole_fault(loss.ignored, positive)):
        raise UsageError(fault)
    if fault := unfit(loss, form, name):
        raise UsageError(fault)
    columns: Arrays = {}
    names: tuple[str, ...] = ()
    if form.decided:
        columns, names = _decisions(arrays, classes, loss.ignored)
        return loss, form, columns, names
    for role, x in arrays.items():
        if isinstance(form.roles[role], Flag) and x.dtype.kind not in "biuf":
            raise UsageError(f"{role} holds {x.dtype} values; positive_label= says which of two labels is 1")
        if role == "target" and form.labels:
            labels = (
                classes if classes is not None else _class_labels(arguments["pred"], x, widths["pred"], loss.ignored)
            )
            columns[role], names = _codes(x, labels, widths["pred"], loss.ignored)
        else:
            columns[role] = _identities(x) if isinstance(form.roles[role], Codes) else _columns(role, x)
    for role, x in columns.items():
        domain = form.roles[role]
        outside = breach(judged(domain, role, name), x, np.arange(lengths[role]))
        if outside.first != NEVER and weight is not None:
            weights = _weights(weight, lengths[role])
            outside = breach_of_live(judged(domain, role, name), x, np.arange(lengths[role]), weights)
        if outside.first != NEVER:
            value = x[..., outside.first]
            raise DataError(
                f"{role}[{outside.first}] = {_row_text(value)} is outside {judged(domain, role, name)}, which "
                f"{loss.spec} needs{fixes(loss, form, role, np.atleast_1d(value), name)}"
            )
    return loss, form, columns, names


def form_of_columns(loss: Loss, arrays: Arrays, widths: Mapping[str, int], activation: str) -> str | None:
    """Return the form that a loss takes which may read several target columns in two ways, by their rows."""
    width = widths.get("target", 1)
    if width == 1 or len(column_readings(loss, widths, (activation,))) < 2 or not len(arrays["target"]):
        return None
    target, pred = (_columns(role, arrays[role]) for role in ("target", "pred"))
    with np.errstate(all="ignore"):
        rows = SIMPLEX.admits(target) and SIMPLEX.admits(act.APPLY[activation](pred))
    return FORM_OF["classes" if rows else "flags"]


def predicts_classes(loss: Loss, arrays: Arrays, widths: Mapping[str, int], wish: str | None, classes: object) -> bool:
    """Whether predictions are classes: text, what is said to be so, or whole numbers beside others than 0 and 1."""
    if not any(form.decided for form in loss.forms) or widths.get("target") != 1 or widths.get("pred") != 1:
        return False
    target, pred = arrays["target"], arrays["pred"]
    if wish is not None or classes is not None or {target.dtype.kind, pred.dtype.kind} - set("biuf"):
        return True
    return may_be_classes(target) and are_classes(target, pred)


def column_readings(loss: Loss, widths: Mapping[str, int], activations: Iterable[str]) -> set[Reading]:
    """Return as what a loss can read target columns, numbers apart; widths: the columns by role, of others too."""
    roles = {role: widths[role] for role in loss.roles if role in widths}
    forms = [form for form in loss.forms if form.fits(roles) and not any(unfit(loss, form, a) for a in activations)]
    readings = {form.reading(roles.get("target", 1)) for form in forms}
    return {reading for reading in READINGS if reading in readings and reading != "numbers"}


def _row_text(row: Array) -> str:
    """Write one row of a role in one line."""
    values = np.ravel(row)
    shown = " ".join(f"{value:g}" for value in values[:MOST_SHOWN].tolist())
    return shown if len(values) == 1 else f"[{shown}{' ...' if len(values) > MOST_SHOWN else ''}]"


def _reshaping(loss: Loss, widths: Mapping[str, int], rows: int) -> str:
    """Return how arrays as other libraries take them become those of a loss that they do not fit; "" if unknown."""
    target, pred = widths.get("target"), widths.get("pred")
    if target == 1 and pred == 2 and any(form.name == "binary" for form in loss.forms):
        return "; of a column for each of two classes take the positive one's: pred[:, 1]"
    if QUERY in loss.roles and QUERY not in widths and target == pred != 1:
        return f"; rows are items: take ravel() of both, and query=np.repeat(np.arange({rows}), {pred})"
    return ""


MOST_SHOWN: Final = 8  # values of a row in an error


def gathered(arrays: Arrays, weights: Array | None) -> tuple[Arrays, Array | None]:
    """Bring the rows of each set together, in the order in which sets first occur; rows of a set keep their order."""
    order = np.argsort(arrays[QUERY][0], kind="stable")
    return {role: x[..., order] for role, x in arrays.items()}, None if weights is None else weights[order]


def check_set_weights(query: NDArray[Any] | None, weights: Array) -> None:
    """Raise DataError where rows of one set have different weights: the weight is that of the set."""
    same = np.ones(max(len(weights) - 1, 0), dtype=bool) if query is None else query[0, 1:] == query[0, :-1]
    wrong = same & (weights[1:] != weights[:-1])
    if wrong.any():
        row = int(np.argmax(wrong)) + 1
        raise DataError(
            f"weight: rows of one set have the weights {weights[row - 1]:g} and {weights[row]:g}; all rows of a set "
            "need the set's weight"
        )


def misfit(loss: Loss, widths: Mapping[str, int]) -> str:
    """Say that widths do not fit a loss, and which do."""
    columns = ", ".join(f"{role} has {width} column{'' if width == 1 else 's'}" for role, width in widths.items())
    others = (loss.bind(**{p.name: value}) for p in loss.params for value in p.alternatives(loss.args[p.name]))
    fitting = [other.spec for other in others if other.form_for(widths) is not None]
    ways = f"; {' or '.join(fitting)} takes these" if fitting else ""
    return f"{loss.spec}: {columns}; it takes " + ", or ".join(form.layout() for form in loss.forms) + ways


def fixes(loss: Loss, form: Form, role: str, row: Array, activation: str) -> str:
    """Return what admits a (width,) row of a role that a loss refuses: an option, an activation or a parameter.

    Each is begun by a semicolon; there is nothing where none is known.
    """
    texts = []
    domain = form.roles[role]
    several_flags = role == "target" and len(row) > 1 and form.name != "binary" and set(row.tolist()) <= {0.0, 1.0}
    if several_flags and any(other.name == "binary" for other in loss.forms):
        takes_each = any(other.fits({role: len(row)}) and other.reading(len(row)) == "flags" for other in loss.forms)
        others = "" if takes_each else f", with -l accuracy or hamming in place of {loss.name}"
        texts.append(f"if each column is a yes or no of its own, --task multilabel says so{others}")
    elif activation == "none" or role != "pred":
        texts.append(domain.advice(row, role))
    raw = sorted(domain.activations() - {"none"}) if role == "pred" and activation == "none" else []
    if raw and not domain.hint and isinstance(domain, Interval):
        texts.append(f"if these are raw outputs, --activation {' or '.join(raw)} says so")
    is_whole = len(row) == 1 and bool((row == np.rint(row)).all())
    if any(form.decided for form in loss.forms) and activation == "none" and is_whole:
        texts.append("if predictions are classes, --task multiclass says so")
    by_other_forms = admits(loss, role, row[:, np.newaxis], activation)  # which no parameter makes the loss take
    for param in () if by_other_forms else loss.params:
        specs = [
            changed.spec
            for value in param.alternatives(loss.args[param.name])
            if admits(changed := loss.bind(**{param.name: value}), role, row[:, np.newaxis], activation)
        ]
        if specs:
            texts.append(f"{' or '.join(specs)} admits it ({param.name}: {param.help})")
    return "".join(f"; {text}" for text in texts if text)


def admits(loss: Loss, role: str, values: Array, activation: str) -> bool:
    """Whether a form of the loss admits (width, rows) values of a role."""
    return any(
        form.fits({role: len(values)}) and judged(form.roles[role], role, activation).admits(values)
        for form in loss.forms
        if not (role == "target" and form.labels) and not form.decided
    )


def unfit(loss: Loss, form: Form, activation: str) -> str:
    """Return why an activation cannot feed a loss, or nothing."""
    if activation not in RANGES:
        return f"unknown activation {activation!r}; one of {listed(list(RANGES))}{near(activation, list(RANGES))}"
    if "pred" not in form.roles or activation in form.roles["pred"].activations():
        return ""
    span = "rows of probabilities" if activation in ("softmax", "renormalize") else f"values in {RANGES[activation]}"
    return (
        f"{loss.spec} does not fit --activation {activation}: it yields {span}, but the prediction must be "
        f"{form.roles['pred']}"
        + {
            "sigmoid": ", and independent sigmoids do not sum to 1" if form.name == "multiclass" else "",
            "tanh": ", and a logarithm of its negative half does not exist" if form.name == "binary" else "",
        }.get(activation, "")
        + f"; what fits here: {listed(sorted(form.roles['pred'].activations()))}"
    )


def _array(role: str, value: object) -> NDArray[Any]:
    if np.ma.is_masked(value):
        raise UsageError(f"{role} has masked values; leave these rows out first")
    try:
        array = array_of(value)
    except (ArithmeticError, RuntimeError, TypeError, ValueError) as error:  # as NumPy or the library of a tensor says
        if "inhomogeneous" in str(error):
            raise UsageError(f"{role} holds rows of different lengths") from None
        raise UsageError(f"{role} is no array of numbers or labels: {first_line(error)}") from None
    if array.ndim == 0:
        raise UsageError(f"{role} is a single value; an array of rows is needed")
    return array


def _flags(loss: Loss, role: str, array: NDArray[Any] | None, positive_label: object) -> Array:
    """Turn an array of two labels, the target or events, into 1 for the positive one and 0."""
    if array is None:
        raise UsageError(f"{loss.spec} takes no {role}, of which positive_label speaks")
    words = [label(word) for word in array.reshape(-1).tolist()]
    ignored = ClassCodes(loss.ignored)
    holes = {word: hole(word) for word in dict.fromkeys(words) if ignored.of([word])[0] >= 0}
    others = [word for word in dict.fromkeys(words) if word != label(positive_label) and word not in holes]
    if len(others) > 1:
        raise DataError(f"positive_label={positive_label!r}: {listed(others)} are {len(others)} others; one is allowed")
    if words and others == list(dict.fromkeys(words)):
        raise DataError(f"positive_label={positive_label!r}: no row has this label; they have {others[0]!r}")
    values = [holes.get(word, float(word == label(positive_label))) for word in words]
    return np.array(values, dtype=np.float64).reshape(array.shape)


def _columns(role: str, array: NDArray[Any]) -> Array:
    if array.dtype.kind not in "biuf":
        raise UsageError(f"{role} holds {array.dtype} values; numbers are needed")
    width = math.prod(array.shape[1:])
    return np.ascontiguousarray(array.reshape(len(array), width).T, dtype=np.float64)


def _codes(
    target: NDArray[Any], classes: object, count: int, ignored: tuple[str, ...]
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Turn class labels into codes, their places in `classes`; ignored labels come after."""
    codes_of = ClassCodes(np.asarray(classes).tolist())
    if len(codes_of.classes) != count:
        raise UsageError(f"{len(codes_of.classes)} classes, but the prediction has {count} columns")
    with_ignored = codes_of.and_ignored(ignored)
    labels, place = np.unique(target.reshape(-1), return_inverse=True)
    codes = with_ignored.of(labels.tolist())[:-1][place]
    if (codes < 0).any():
        row = int(np.argmax(codes < 0))
        text = target.reshape(-1).tolist()[row]
        raise DataError(
            f"target[{row}] = {text!r} is no class; the classes are {listed(list(codes_of.classes))}; "
            "classes=[...] names them in the order of the columns"
        )
    return codes, codes_of.classes


def _decisions(arrays: Arrays, classes: object, ignored: tuple[str, ...]) -> tuple[Arrays, tuple[str, ...]]:
    """Turn observed and predicted classes into codes, (1, rows) each; return the labels known before, too."""
    names = ignored if classes is None else tuple(map(label, np.asarray(classes).tolist()))
    codes = OpenCodes(names) if classes is None else ClassCodes(names).and_ignored(ignored)
    columns: Arrays = {}
    words: dict[str, list[str]] = {}
    for role, array in arrays.items():
        cells = array.reshape(-1)
        if array.dtype.kind == "O":
            cells = np.array([np.nan if cell is None else cell if cell != cell else label(cell) for cell in cells], "O")
            if any(cell != cell for cell in cells):
                raise DataError(f"{role} has missing values; leave such rows out first")
        elif array.dtype.kind == "f" and np.isnan(cells).any():
            raise DataError(f"{role}[{int(np.argmax(np.isnan(cells)))}] is NaN; leave such rows out first")
        values, places = np.unique(cells, return_inverse=True)
        words[role] = list(map(label, values.tolist()))
        code_of = codes.of(words[role])[:-1]
        if (code_of < 0).any():
            word = words[role][int(np.argmax(code_of < 0))]
            raise DataError(f"{role} holds {word!r}, which is no class; the classes are {listed(list(names))}")
        columns[role] = code_of[places][np.newaxis].astype(np.float64)
    if classes is None and (fault := misread(words["target"], words["pred"], "classes=")):
        raise DataError(f"pred: {fault}")
    return columns, names


def _class_labels(pred: object, target: NDArray[Any], width: int, ignored: tuple[str, ...]) -> tuple[str, ...]:
    """Return the labels of prediction columns: by the names that a frame's have, else 0 .. K-1."""
    columns = [str(name) for name in getattr(pred, "columns", ())]
    strange = ClassCodes(ignored)
    words = [word for word in map(label, np.unique(target).tolist()) if strange.of([word])[0] < 0]
    return labels_of(columns, ",".join(columns), words, width).labels


def _identities(array: NDArray[Any]) -> Array:
    """Turn whatever says which rows belong together into codes, in the order in which it first occurs."""
    missing = array.dtype.kind == "f" and np.isnan(array).any()
    if missing or (array.dtype.kind == "O" and any(word is None or word != word for word in array.ravel().tolist())):
        raise DataError("a query or label is missing or NaN; leave these rows out first")
    if array.dtype.kind == "O":
        array = np.array([label(word) for word in array.ravel().tolist()])
    _, first, place = np.unique(array.reshape(len(array)), return_index=True, return_inverse=True)
    rank = np.empty(len(first))
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[place][np.newaxis]


def _weights(weight: object, rows: int) -> Array:
    columns = _columns("weight", _array("weight", weight))
    if len(columns) != 1:
        raise UsageError(f"weight has {len(columns)} columns; one number per row is needed")
    weights = columns[0]
    if len(weights) != rows:
        raise DataError(f"row counts differ: weight {len(weights)}, target {rows}")
    outside = breach(NON_NEGATIVE, weights[np.newaxis], np.arange(rows))
    if outside.row != NEVER:
        raise DataError(f"weight[{outside.row}] = {weights[outside.row]} is outside {NON_NEGATIVE}")
    if rows and not weights.any():
        raise DataError("every weight is zero, so there is no number")
    return weights
