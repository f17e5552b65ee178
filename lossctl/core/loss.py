"""Loss: a frozen value that says what a loss is, and three ways to declare one.

`@loss` makes a mean of per-row numbers from a function of a block; `Loss.then` reads the same means another way
(RMSE from MSE); `combine` reads several means together (R²), or a peak, or a whole sample.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache, wraps
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lossctl.core.batch import Batch
from lossctl.core.form import GIVEN, QUERY, Form
from lossctl.core.param import Param, Value, bound, params_of
from lossctl.core.statistic import MEAN, Means, Statistic
from lossctl.numerics.array import Array


@dataclass(frozen=True)
class Peer:
    """One library's name for a loss, and how its number is had here; `differs` says why it is not.

    library: as it is installed (torch, keras, optax, scikit-learn, torchmetrics, torchvision, permetrics) or another
    source. name: as the library writes it, with the arguments that matter: `PoissonNLLLoss(full=True)`. spec: "" for
    the loss itself. activation: what the columns must be declared to be. reduction: mean or sum over the rows. factor:
    their number is this many times ours. note: what else is to be known, as that it computes in float32.
    """

    library: str
    name: str
    spec: str = ""
    activation: str = "none"
    reduction: str = "mean"
    factor: float = 1.0
    differs: str = ""
    note: str = ""

    def words(self, own: str) -> str:
        """Say it in one line; `own` is the name of the loss that the claim is about."""
        if self.differs:
            return f"{self.name} differs: {self.differs}"
        times = "" if self.factor == 1.0 else f"{self.factor:g} x "
        options = "" if self.activation == "none" else f" --activation {self.activation}"
        options += "" if self.reduction == "mean" else f" --reduction {self.reduction}"
        note = f" ({self.note})" if self.note else ""
        return f"{self.name} = {times}{self.spec or own}{options}{note}"


def same(
    library: str,
    name: str,
    spec: str = "",
    *,
    activation: str = "none",
    reduction: str = "mean",
    factor: float = 1.0,
    note: str = "",
) -> Peer:
    """Claim that a library's function returns `factor` times the number of `spec` (the loss itself if empty)."""
    return Peer(library, name, spec, activation, reduction, factor, "", note)


def differs(library: str, name: str, why: str) -> Peer:
    """Claim that no spec returns a library's number on every input, and say why."""
    return Peer(library, name, differs=why)


Part = Callable[..., Array]
Gradient = Callable[..., Array | dict[str, Array]]
Variant = Callable[[Mapping[str, Any]], Mapping[str, Any]]
Direction = Literal["min", "max", "zero"]
VARIED = ("parts", "reading", "row", "gradient", "raw_gradient", "forms", "keeps", "whole", "best")
NO_ARGS: Mapping[str, Value] = MappingProxyType({})


@lru_cache(maxsize=4096)
def _taken(function: Callable[..., Any]) -> frozenset[str]:
    """Return what a function takes; to look takes longer than to compute a few rows."""
    return frozenset(inspect.signature(function).parameters)


@dataclass(frozen=True)
class Term:
    """A part with its parameters: what the engine reduces once, however many losses name it.

    output: the one of several outputs that it is taken of, None for all of them.
    """

    part: Part
    args: tuple[tuple[str, Value], ...] = ()
    form: str = ""
    output: int | None = None

    def rows(self, batch: Batch) -> Array:
        """Return the part's (rows,) values; a (width, rows) result is averaged over its columns."""
        shaped = batch.as_form(self.form)
        return row_mean(self.part(shaped if self.output is None else shaped.output(self.output), **dict(self.args)))


@dataclass(frozen=True)
class Loss:
    """What a loss is. Every output that speaks of the loss derives from these fields.

    name, aliases: canonical name and exact synonyms. family: the file it is declared in. summary, doc: the
    docstring. formula: in Unicode. forms: the layouts of data it accepts, best first. params, args: parameters
    and their bound values. parts: per-row quantities. reading: means -> value (or `peak`, `sample`). quantile: which
    quantile of its sample the value is, if it is one. row: the
    per-row loss, if there is one. gradient: its slope with respect to each prediction role; raw_gradient: with respect
    to the raw outputs under an activation, where the chain rule would lose digits. unit, best,
    direction: of the value. ranks: whether a better value means a better model. ordered: whether the order of rows
    counts. elsewhere: what it is called in other libraries, and how to get their number. use, avoid: when to take it
    and when not. variant: which of these facts parameters change, from their values; plain: what they are otherwise.
    origin: package and version of the plug-in that declares it.
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
    reading: Statistic = MEAN
    whole: Callable[..., float] | None = None
    keeps: Literal["moments", "peak", "sample"] = "moments"
    quantile: float | None = None
    row: Part | None = None
    gradient: Gradient | None = None
    raw_gradient: Gradient | None = None
    subgradient: str = ""
    best: float | None = 0.0
    direction: Direction = "min"
    ranks: bool = True
    ordered: bool = False
    elsewhere: tuple[Peer, ...] = ()
    variant: Variant | None = None
    plain: Mapping[str, Any] | None = field(default=None, hash=False, compare=False, repr=False)
    args: Mapping[str, Any] = field(default_factory=lambda: NO_ARGS, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "args", MappingProxyType(bound(self.params, dict(self.args), self.name)))
        if self.variant is not None:
            plain = self.plain or {name: getattr(self, name) for name in VARIED}
            for name, value in {**plain, **self.variant(self.args), "plain": plain}.items():
                object.__setattr__(self, name, value)

    def bind(self, **args: object) -> Loss:
        """Return the loss with other parameter values; raise UsageError for one out of range."""
        return replace(self, args={**self.args, **args})

    @property
    def spec(self) -> str:
        """The loss as it is written on a command line: the name, and the parameters that are not defaults."""
        changed = [
            f"{param.name}={param.write(self.args[param.name])}"
            for param in self.params
            if self.args[param.name] != param.default
        ]
        return self.name + (":" + ",".join(changed) if changed else "")

    @property
    def full_spec(self) -> str:
        """The loss with every parameter, as a signature needs it."""
        written = [f"{param.name}={param.write(self.args[param.name])}" for param in self.params]
        return self.name + (":" + ",".join(written) if written else "")

    def __str__(self) -> str:
        return self.spec

    def terms(self, form: str, output: int | None = None) -> tuple[Term, ...]:
        """Return the quantities to be reduced, each bound to the parameters it takes."""
        return tuple(self.term(part, form, output) for part in self.parts)

    def term(self, part: Part, form: str, output: int | None = None) -> Term:
        """Bind one part of this loss."""
        return Term(part, self.args_of(part), form, output)

    def args_of(self, function: Callable[..., Any]) -> tuple[tuple[str, Value], ...]:
        """Return the parameters that a function of this loss takes, with their values."""
        taken = _taken(function)
        return tuple((name, value) for name, value in self.args.items() if name in taken)

    @property
    def needs_origin(self) -> bool:
        """Whether a part is taken about an origin, as the variance of the target is."""
        return any(is_about_origin(part) for part in self.parts)

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that the loss reads."""
        return tuple(self.forms[0].roles)

    @property
    def pred_roles(self) -> tuple[str, ...]:
        """The roles that a model produces, with respect to which the gradient is taken."""
        return tuple(role for role in self.roles if role not in GIVEN)

    @property
    def ignored(self) -> tuple[str, ...]:
        """The label whose rows do not count, if there is one."""
        label = self.args.get("ignore_class")
        return () if label is None else (label,)

    @property
    def over_sets(self) -> bool:
        """Whether the loss is of sets of rows, so that blocks must hold whole ones."""
        return QUERY in self.roles

    def form_for(self, widths: Mapping[str, int], task: str | None = None) -> Form | None:
        """Return the form that columns of these widths take; `task` decides between two that fit."""
        fitting = [form for form in self.forms if form.fits(widths)]
        named = [form for form in fitting if form.name == task]
        return next(iter(named or fitting), None)

    # the Python interface -----------------------------------------------------------------------------------

    def __call__(
        self,
        *,
        target: object = None,
        pred: object = None,
        weight: object = None,
        activation: str | None = None,
        classes: object = None,
        task: str | None = None,
        **roles: object,
    ) -> float:
        """Return the loss of whole arrays, the same number that the command line prints.

        target, pred and the extra roles are (n,) or (n, k, ...) arrays of anything NumPy can view; weight is
        (n,). Raises DataError for values outside the domain and UsageError for shapes that do not fit.

        >>> import lossctl
        >>> lossctl.get("huber:delta=2")(target=[0.0, 0.0], pred=[1.0, 5.0])
        4.25
        """
        from lossctl.core.arrays import evaluate

        return evaluate(self, {"target": target, "pred": pred, **roles}, weight, activation, classes, task)

    def each(
        self,
        *,
        target: object = None,
        pred: object = None,
        activation: str | None = None,
        classes: object = None,
        task: str | None = None,
        **roles: object,
    ) -> Array:
        """Return the (n,) per-row losses; raise UsageError where the loss has none (RMSE, R², ...).

        >>> import lossctl
        >>> lossctl.get("mae").each(target=[1.0, 2.0], pred=[1.5, 5.0])
        array([0.5, 3. ])
        """
        from lossctl.core.arrays import each

        return each(self, {"target": target, "pred": pred, **roles}, activation, classes, task)

    def grad(
        self,
        *,
        target: object = None,
        pred: object = None,
        activation: str | None = None,
        classes: object = None,
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
        from lossctl.core.arrays import grad

        return grad(self, {"target": target, "pred": pred, **roles}, activation, classes, task)

    # declaring one loss by another --------------------------------------------------------------------------

    def then(self, name: str, reading: Statistic, **facts: Any) -> Loss:
        """Return the loss that reads the same means another way; aliases, gradient and row are not inherited."""
        return replace(
            self,
            name=name,
            reading=reading,
            **{
                "aliases": (),
                "row": None,
                "gradient": None,
                "raw_gradient": None,
                "elsewhere": (),
                **facts,
            },
        )


def row_mean(values: Array) -> Array:
    """Average a (width, rows) block over its columns; a (rows,) array stays."""
    if values.ndim == 1:
        return values
    return values[0] if len(values) == 1 else np.add.reduce(values, axis=0) / len(values)


def is_about_origin(part: Part) -> bool:
    """Whether a part depends on the batch's origin."""
    return getattr(part, "about_origin", False)


def about_origin(part: Part) -> Part:
    """Mark a part that is taken about the batch's origin: a slice gets an origin of its own."""
    part.about_origin = True  # type: ignore[attr-defined]  # functions take attributes
    return part


def loss(*, forms: tuple[Form, ...], gradient: Gradient | None = None, **facts: Any) -> Callable[[Part], Loss]:
    """Declare the mean of `function(batch, *, params) -> per-row values` as a loss.

    The function returns (rows,) values, or (width, rows) values that are averaged over the columns. Name,
    summary and doc come from the function, parameters from its keyword-only arguments.
    """

    def declare(function: Part) -> Loss:
        summary, _, body = inspect.cleandoc(function.__doc__ or "").partition("\n")
        return Loss(
            name=function.__name__,
            summary=summary,
            doc=body.strip(),
            forms=forms,
            parts=(function,),
            params=params_of(function),
            row=function,
            gradient=gradient,
            **facts,
        )

    return declare


def combine(name: str, *, parts: tuple[Part, ...], **facts: Any) -> Loss:
    """Declare a loss that reads several parts together, a peak, or a whole sample."""
    return Loss(name=name, parts=parts, **facts)


def fitted(loss: Loss, widths: Mapping[str, int], wish: str | None) -> tuple[Loss, Form] | None:
    """Return the loss as columns of these widths (role -> count) take it, with its form; None where they do not fit.

    A loss of one output, as R², is the mean of its values over several; one that keeps every value is not.
    """
    form = loss.form_for(widths, wish)
    if form is not None:
        return loss, form
    outputs = max(widths.values(), default=1)
    one = loss.form_for(dict.fromkeys(widths, 1), wish)
    if one is None or not one.outputs or loss.keeps != "moments" or set(widths.values()) != {outputs}:
        return None
    return averaged(loss, outputs), one


def averaged(loss: Loss, outputs: int) -> Loss:
    """Return the mean over outputs of a loss's values; there is no per-row value."""
    parts = tuple(of_output(part, place) for place in range(outputs) for part in loss.parts)
    return replace(
        loss,
        parts=parts,
        reading=mean_of(loss.reading, outputs),
        row=None,
        gradient=None,
        raw_gradient=None,
        variant=None,
        plain=None,
    )


@cache
def of_output(part: Part, place: int) -> Part:
    """Return a part of one of several outputs."""

    @wraps(part)
    def alone(batch: Batch, **args: Any) -> Array:
        return part(batch.output(place), **args)

    return alone


@cache
def mean_of(reading: Statistic, outputs: int) -> Statistic:
    """Return the mean of a reading over consecutive groups of means."""

    def groups(m: Means) -> list[Means]:
        width = len(m) // outputs
        return [m[place * width : (place + 1) * width] for place in range(outputs)]

    def value(m: Means) -> Any:
        return sum(reading.value(group) for group in groups(m)) / outputs

    def slope(m: Means) -> tuple[Any, ...]:
        return tuple(part / outputs for group in groups(m) for part in reading.slope(group))

    return Statistic(f"mean over outputs: {reading.name}", value, slope, undefined=reading.undefined)
