"""Losses as figures: what one row costs against its error, its margin or the probability of its true class."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, Final, NamedTuple

import numpy as np

from lossctl import registry
from lossctl.core.form import Against, Curve, Form
from lossctl.core.loss import Loss
from lossctl.core.param import Label, PerClass, PerColumn
from lossctl.errors import UsageError, listed
from lossctl.numerics.array import Array
from lossctl.results.figure import ROOM, Axis, Figure, Layer, Panel

POINTS: Final = 201  # of a line; an odd number has one at the middle
MOST: Final = 20  # lines of a figure
AXES: Final[Mapping[Against, tuple[str, str, tuple[float, float]]]] = {  # its words, its label, what is drawn of it
    "error": ("the error", "error, pred - target", (-4.0, 4.0)),
    "margin": ("the margin", "margin, score of the true class above the other", (-3.0, 3.0)),
    "probability": ("the probability of the true class", "probability of the true class", (0.0, 1.0)),
}
POINT: Final = re.compile(r"(?P<kind>.*?) ?(?P<number>-?\d[\d.]*(e-?\d+)?)°?")  # of a curve that is not straight
TAIL: Final = 0.05  # of the points at either end, which may not spoil the scale
FAR: Final = 2.0  # how many times the span of the others they may go beyond; what goes further is cut
BEYOND: Final = 0.5  # of the span, which is left where it is cut


def plot_loss(
    *specs: str | Loss,
    vary: Mapping[str, Sequence[object]] | None = None,
    grad: bool = False,
    range: tuple[float, float] | None = None,  # noqa: A002  # the option's own name
) -> Figure:
    """Draw what a row costs by losses, against the error, the margin or the probability of the true class.

    >>> plot_loss("focal", vary={"gamma": [0, 0.5, 1, 2, 5]}).title
    'focal against the probability of the true class'

    Parameters
    ----------
    specs
        Losses, as `huber:delta=1`; a label may stand before one, as in `p90=quantile:q=0.9`.
    vary
        Values of parameters; every loss is drawn with each of them.
    grad
        Whether the gradients are drawn below.
    range
        From where to where on the axis.

    Raises
    ------
    UsageError
        A spec is none, a loss has no value of a single row, or losses share no axis.
    """
    losses = {label: loss for spec in specs for label, loss in _varied(spec, vary or {}, alone=len(specs) == 1)}
    if not losses:
        raise UsageError("no loss to draw; as in `lossctl plot loss huber:delta=1 mae`")
    if len(losses) > MOST:
        raise UsageError(f"{len(losses)} losses in one figure; at most {MOST} can be told apart")
    names = {loss.name for loss in losses.values()}
    title = "Losses" if len(names) > 1 else next(iter(losses if len(losses) == 1 and not vary else names))
    sentence = next(iter(losses.values())).formula if len(names) == 1 else ""
    return figure_of(losses, title, grad=grad, limits=range, sentence=sentence)


def _varied(spec: str | Loss, vary: Mapping[str, Sequence[object]], *, alone: bool) -> Iterator[tuple[str, Loss]]:
    """Yield a loss with its label, for every choice of values; those alone are the label of a lone loss."""
    text = spec if isinstance(spec, str) else spec.spec
    for values in product(*vary.values()):
        words = ",".join(f"{name}={value}" for name, value in zip(vary, values, strict=True))
        label, loss = registry.labelled(f"{text}{',' if ':' in text else ':'}{words}" if words else text)
        yield (words and (words if alone else f"{text}:{words}")) or label, loss


class _Line(NamedTuple):
    """What one loss does, by one kind of rows: its values, and the gradient by its first role, None if it has none."""

    series: str
    x: Array
    loss: Array
    gradient: Array | None


def figure_of(
    losses: Mapping[str, Loss],
    title: str,
    *,
    grad: bool = False,
    limits: tuple[float, float] | None = None,
    sentence: str = "",
) -> Figure:
    """Return the figure of losses by their labels. limits: from where to where on the axis."""
    forms = _forms(losses)
    curve = next(iter(forms.values())).curve
    words, label, usual = AXES.get(curve.against, (curve.axis, curve.axis, None))
    domain = _checked(limits, curve) or usual
    lines = [line for name, loss in losses.items() for line in _lines(name, loss, forms[name], domain)]
    value = "loss" if all(loss.direction == "min" for loss in losses.values()) else "value"
    units = {loss.unit for loss in losses.values()}
    unit = "" if len(units) > 1 else min(units)
    notes = list(_circumstances(forms))
    panels = []
    for heading, name in ((value, "loss"), *[("gradient", "gradient")] * grad):
        columns = [(line.series, line.x, getattr(line, name)) for line in lines]
        layers = [Layer.of("line", x, y, series=series) for series, x, y in columns if y is not None]
        if layers:
            zeros = [Layer("rule", x=(0.0,))] * (curve.against in ("error", "margin"))
            zeros += [Layer("rule", y=(0.0,))] * (name == "gradient")
            scale, cuts = _cut(heading, layers, zero=name == "gradient")
            notes += cuts
            axis = Axis(heading, unit if name == "loss" else "", domain=scale)
            panels.append(Panel(Axis(label, domain=domain), axis, (*zeros, *layers)))
    return Figure(
        "loss", f"{title} against {words}", tuple(panels), tuple(line.series for line in lines), sentence, tuple(notes)
    )


def _forms(losses: Mapping[str, Loss]) -> dict[str, Form]:
    """Return the form in which each loss is drawn: the first whose axis all have.

    Raises
    ------
    UsageError
        A loss has no value of a single row, or there is no such axis.
    """
    by_axis: dict[str, dict[str, Form]] = {}
    for name, loss in losses.items():
        if loss.row is None:
            raise UsageError(f"{name} has no value of a single row, so it has no curve: {loss.summary}")
        by_axis[name] = {}
        for form in loss.forms:
            by_axis[name].setdefault(form.curve.against or form.curve.axis, form)
    for axis in next(iter(by_axis.values())):
        if all(axis in forms for forms in by_axis.values()):
            return {name: forms[axis] for name, forms in by_axis.items()}
    curves = {name: next(iter(forms.values())).curve for name, forms in by_axis.items()}
    axes = {name: AXES[curve.against][0] if curve.against else curve.axis for name, curve in curves.items()}
    name, axis = next(iter(axes.items()))
    stranger = next(name for name in axes if axes[name] != axis)
    raise UsageError(
        f"{name} is drawn against {axis}, {stranger} against {axes[stranger]}: a figure has one axis; draw them in two"
    )


def _checked(limits: tuple[float, float] | None, curve: Curve) -> tuple[float, float] | None:
    """Return the limits of the axis; raise UsageError for such as cannot be."""
    if limits is None:
        return None
    low, high = limits
    if not 0.0 < high - low < math.inf:
        raise UsageError(f"the range {low:g}:{high:g} does not go up from one number to another; as in -4:4")
    if not curve.straight:
        raise UsageError(f"the range {low:g}:{high:g} is of no use: the axis ({curve.axis}) has points of its own")
    if curve.against == "probability" and not 0.0 <= low < high <= 1.0:
        raise UsageError(f"the range {low:g}:{high:g} leaves [0, 1], where probabilities are")
    return limits


def _lines(name: str, loss: Loss, form: Form, limits: tuple[float, float] | None) -> Iterator[_Line]:
    """Yield the lines of a loss: several where its rows are of several kinds."""
    curve = form.curve
    if curve.straight:
        x = np.linspace(*(limits or (float(curve.points[0]), float(curve.points[-1]))), POINTS)
        offset = curve.roles["target"][0][0] if curve.against == "error" else 0.0
        losses, slopes = tabulated(loss, replace(form, curve=curve.at((x + offset).tolist())))
        if np.isnan(losses).all():
            domains = "; ".join(f"{role}: {domain}" for role, domain in form.roles.items())
            raise UsageError(f"{name} has no value from {x[0]:g} to {x[-1]:g} of the axis ({domains})")
        yield _Line(name, x, losses, slopes)
        return
    losses, slopes = tabulated(loss, form)
    points = [POINT.fullmatch(point) for point in curve.points]
    kinds = [point["kind"].removesuffix(" x =") if point else "" for point in points]
    numbers = np.array([float(point["number"]) if point else place for place, point in enumerate(points)])
    for kind in dict.fromkeys(kinds):
        places = [place for place, word in enumerate(kinds) if word == kind]
        yield _Line(kind or name, numbers[places], losses[places], None if slopes is None else slopes[places])


def tabulated(loss: Loss, form: Form) -> tuple[Array, Array | None]:
    """Return what the rows of a form's curve cost, and their gradients by the first column of the first role.

    Both are NaN beyond the domains.
    """
    loss = _of_any_classes(loss)
    blocks = {role: np.array(columns) for role, columns in form.curve.roles.items()}
    inside = np.ones(len(form.curve.points), dtype=bool)
    for role, block in blocks.items():
        inside &= ~form.roles[role].outside(block).reshape(-1, inside.size).any(axis=0)
    rows: dict[str, Any] = {role: block[:, inside].T for role, block in blocks.items()}
    if form.labels:
        rows["target"] = rows["target"][:, 0].astype(np.int64)
    losses, slopes = np.full((2, inside.size), np.nan)
    if inside.any():
        losses[inside] = loss.each(task=form.name, **rows)
    if loss.gradient is None:
        return losses, None
    if inside.any():
        gradient = loss.grad(task=form.name, **rows)
        first = next(iter(gradient.values())) if isinstance(gradient, dict) else gradient
        slopes[inside] = first.reshape(len(first), -1)[:, 0]
    return losses, slopes


def _of_any_classes(loss: Loss) -> Loss:
    """Return the loss without what speaks of certain classes: its curve has classes of its own."""
    of_classes = [param for param in loss.params if isinstance(param.domain, PerClass | PerColumn | Label)]
    return loss.bind(
        **{param.name: param.default for param in of_classes if isinstance(loss.args[param.name], tuple | str)}
    )


def _circumstances(forms: Mapping[str, Form]) -> Iterator[str]:
    """Yield what else stands in the rows that are drawn against their error, where the target is not 0 alone."""
    names: dict[str, list[str]] = {}
    for name, form in forms.items():
        if form.curve.against == "error":
            names.setdefault(form.curve.axis.partition(", ")[2], []).append(name)
    yield from (f"{listed(losses)} at {words}" for words, losses in names.items() if words != "target 0")


def _cut(heading: str, layers: Sequence[Layer], zero: bool) -> tuple[tuple[float, float] | None, list[str]]:
    """Return the ends of a scale without a few far points (None if there are none), and notes on what it cuts.

    zero: whether 0 is drawn at any rate.
    """
    columns = [np.array([y for y in layer.y if math.isfinite(y)]) for layer in layers]
    ends = np.array([np.quantile(column, (TAIL, 1.0 - TAIL)) for column in columns if column.size])
    if not ends.size:
        return None, []
    low, high = float(ends[:, 0].min()), float(ends[:, 1].max())
    span = high - low
    numbers = [y for layer in layers for y in layer.y if not math.isnan(y)] + [0.0] * zero
    least, most = min(numbers), max(numbers)
    bottom = float(f"{low - BEYOND * span:.2g}") if least < low - FAR * span else None
    top = float(f"{high + BEYOND * span:.2g}") if most > high + FAR * span else None
    if span == 0.0 or (bottom is None and top is None):
        return None, []
    notes = []
    for limit, sign in ((bottom, -1.0), (top, 1.0)):
        if limit is not None:
            names: dict[float, list[str]] = {}
            for layer in layers:
                end = sign * max((sign * y for y in layer.y if not math.isnan(y)), default=-math.inf)
                if sign * end > sign * limit:
                    names.setdefault(end, []).append(layer.series)
            texts = [
                f"{listed(series)} {'goes' if len(series) == 1 else 'go'} on to {end:.4g}"
                for end, series in names.items()
            ]
            notes.append(f"{heading} cut at {limit:g}: {', '.join(texts)}")
    room = ROOM * span
    return (
        bottom if bottom is not None else least - room * (least != 0.0),
        top if top is not None else most + room,
    ), notes
