"""Cases: a loss with bound parameters, on data of one of its forms, drawn from the form's domains."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.core.domain import Box, Codes, Domain, Flag, Interval, Labels, LogSimplex, Mark, Simplex, Whole, corners
from lossctl.core.form import Form
from lossctl.core.loss import Loss
from lossctl.core.param import Choice, Kind, Label, PerClass, PerColumn
from lossctl.core.state import Moments, Peak, Sample
from lossctl.errors import UsageError
from lossctl.numerics.array import Array

Columns = dict[str, Any]  # arrays by role: (width, rows), or (rows,) class codes
State = Moments | Peak | Sample

ROWS = 32
COLUMNS = 3  # of a parameter that is one number for each
EDGE = 0.05  # how far samples stay from the ends of a domain, so that both sides of a difference are inside
STEP = 4e-6  # of a difference, relative to the value: curvature and rounding both stay below SLOPE_TOLERANCE
SLOPE_TOLERANCE = 1e-6
TOLERANCE = 1e-12
FAR = 1e3  # a score or a distance that keeps every margin


class Violation(AssertionError):
    """A law does not hold; the text says where."""


def settings(loss: Loss, seed: int) -> list[Loss]:
    """Return the loss as given, with each parameter changed alone, and twice with all of them drawn at once."""
    rng = np.random.default_rng(seed)
    losses = {loss.full_spec: loss}

    def add(**args: object) -> None:
        changed = loss.bind(**args)
        losses.setdefault(changed.full_spec, changed)

    for param in loss.params:
        choices, draw = _values(param.domain)
        for value in [*choices, draw(rng), draw(rng)]:
            add(**{param.name: value})
        if param.optional:
            add(**{param.name: None})
    for _ in range(2):
        with suppress(UsageError):  # of parameters that exclude each other
            add(**{param.name: _values(param.domain)[1](rng) for param in loss.params})
    return list(losses.values())


def widths(form: Form) -> tuple[int, ...]:
    """Return how many columns to try for the roles that share a free width (for labels: how many classes)."""
    if form.fewest > 1:
        return form.fewest, form.fewest + 1
    free = any(domain.width is None for domain in form.roles.values())
    return (1, 3) if free else (max(domain.width or 1 for domain in form.roles.values()),)


def sample(form: Form, width: int, rng: np.random.Generator, wild: bool) -> Columns:
    """Draw rows away from the ends of the domains; boxes overlap the first one unless `wild`."""
    columns: Columns = {}
    first: Array | None = None
    for role, domain in form.roles.items():
        if isinstance(domain, Box) and first is not None and not wild:
            columns[role] = first + _nudge(first, domain.frame, rng)
        else:
            columns[role] = inner(domain, domain.width or width, width, rng)
        first = columns[role] if isinstance(domain, Box) and first is None else first
        if role == "label":  # or sorted labels would be those of the sets, which stand together
            columns[role] = rng.permuted(columns[role], axis=-1)
    return columns


def inner(domain: Domain, width: int, classes: int, rng: np.random.Generator) -> NDArray[Any]:
    """Draw rows of one domain; half of an interval's are whole numbers, since these meet at kinks."""
    if isinstance(domain, Labels):
        return rng.integers(0, classes, ROWS)
    if isinstance(domain, Codes | Whole):
        return domain.sample(rng, width, ROWS)
    points = domain.sample(rng, width, ROWS)
    if isinstance(domain, Simplex):
        floor = min(EDGE, 0.5 / width)
        return floor + (1.0 - width * floor) * points
    if not isinstance(domain, Interval):
        return points
    edge = EDGE * (domain.high - domain.low if np.isfinite(domain.high - domain.low) else 1.0)
    low, high = domain.low + edge, domain.high - edge
    points = np.clip(points, low, high)
    integers = np.rint(points)
    points = np.where((np.arange(ROWS) % 2 == 0) & (integers >= low) & (integers <= high), integers, points)
    return points if domain.hole is None else np.where(np.abs(points - domain.hole) < edge, domain.inner(), points)


def _nudge(box: Array, frame: str, rng: np.random.Generator) -> Array:
    """Shifts of the edges of boxes by less than a fifth of their sides, some of them zero."""
    sides = corners(box, frame)[2:] - corners(box, frame)[:2]
    shift: Array = rng.uniform(-0.2, 0.2, box.shape) * np.concatenate([sides] * 2)
    return np.where(rng.random(box.shape) < 0.9, shift, 0.0)


def _closed(domain: Interval) -> list[float]:
    ends = [(domain.low, domain.low_closed), (domain.high, domain.high_closed)]
    return [end for end, closed in ends if closed and np.isfinite(end)]


def _values(kind: Kind) -> tuple[list[object], Callable[[np.random.Generator], object]]:
    """Return the values of a parameter that are always tried, and a function that draws any value."""
    match kind:
        case None:
            return [False, True], lambda rng: bool(rng.integers(2))
        case Choice(options):
            return list(options), lambda rng: options[rng.integers(len(options))]
        case Label():
            return ["0", "-100"], lambda rng: str(rng.integers(2))
        case PerColumn(each):
            return list(_closed(each)), lambda rng: tuple(each.sample(rng, 1, COLUMNS)[0].tolist())
        case PerClass(each, single):
            scalars: list[object] = [*_closed(each), *([1.0] if each.holds(np.ones(1))[0] else [])] if single else []
            by_label = [*scalars, {"0": each.inner()}]
            return by_label, lambda rng: {str(label): float(each.sample(rng, 1, 1)[0, 0]) for label in range(2)}
    return list(_closed(kind)), lambda rng: float(kind.sample(rng, 1, 1)[0, 0])


def closed_ends(domain: Domain, width: int, classes: int) -> list[Any]:
    """Return the extreme rows that a domain admits, and zero: (width,) columns, or class codes."""
    match domain:
        case Interval():
            zero = [0.0] if domain.holds(np.zeros(1))[0] else []  # where quotients and logarithms go wrong
            return [np.full(width, end) for end in dict.fromkeys(_closed(domain) + zero)]
        case Labels():
            return [0, classes - 1]
        case Simplex() | Mark(one_hot=True):
            return list(np.eye(width))
        case LogSimplex():
            return [np.where(row == 1.0, 0.0, -np.inf) for row in np.eye(width)]
        case Flag() | Mark():
            return [np.zeros(width), np.ones(width)]
        case Box(solid=False, frame="xyxy"):  # a point, and boxes without height or width
            return [np.array([1.0, 1.0, right, bottom]) for right, bottom in ((1, 1), (1, 3), (3, 1))]
    return []


def strangers(domain: Domain, column: Array, classes: int) -> list[float]:
    """Return values that may not stand last in a row that is `column` otherwise; NaN may stand nowhere."""
    outsiders = [np.nan, np.inf, -np.inf]
    match domain:
        case Interval():
            ends = [domain.low, domain.high, np.nextafter(domain.low, -np.inf), np.nextafter(domain.high, np.inf)]
            outsiders += ends if domain.hole is None else [*ends, domain.hole]
            return [value for value in outsiders if not domain.holds(np.array([value]))[0]]
        case Labels():
            return [*outsiders, -1.0, float(classes), 0.5]
        case Simplex():
            return [*outsiders, -0.1, 1.1, column[-1] + 0.01]
        case LogSimplex():
            return [np.nan, np.inf, 0.1, 0.0]
        case Flag():
            return [*outsiders, 2.0, -0.5, -2.0] + ([] if domain.soft else [0.5])
        case Mark():
            return [*outsiders, -1.0, 2.0, 0.5]
        case Box(frame="xyxy"):
            return [*outsiders, column[1] - 1.0] + ([column[1]] if domain.solid else [])
        case Box():
            return [*outsiders, -1.0] + ([0.0] if domain.solid else [])
    return [np.nan]


def truth(form: Form, width: int, seed: int) -> Columns | None:
    """Return rows that are predicted perfectly, None where the form has no such thing."""
    columns = hard(form, sample(form, width, np.random.default_rng(seed), wild=False))
    target, domain = columns.get("target"), form.roles.get("pred")
    if {"anchor", "positive", "negative"} <= set(columns):
        return {**columns, "positive": columns["anchor"], "negative": columns["anchor"] + FAR}
    if target is None:
        return None
    if {"left", "right"} <= set(columns):
        anchor, sign = np.where(columns["left"] == 0.0, 1.0, columns["left"]), 2.0 * target - 1.0
        best = {"pairs": anchor + FAR * target, "directions": sign * anchor, "comparisons": anchor - FAR * sign}
        return {**columns, "left": anchor, "right": best[form.name]} if form.name in best else None
    if domain is None:
        return None
    pred = np.eye(width)[:, target] if form.labels else target
    if "event" in columns:  # a risk: the sooner the higher, and events before those who are censored at their time
        pred = STEP * columns["event"] - target
    if isinstance(domain, LogSimplex) and form.labels:
        pred = np.where(pred == 1.0, 0.0, -np.inf)
    if isinstance(domain, Interval) and np.isinf(domain.high) and not isinstance(form.roles["target"], Interval):
        pred = FAR * (2.0 * pred - 1.0)
    fits = len(pred) == (domain.width or width) and not domain.outside(pred).any()
    return {**columns, "pred": pred} if fits else None


def hard(form: Form, columns: Columns) -> Columns:
    """Replace soft targets by certain ones."""
    match form.roles.get("target"):
        case Flag():
            return {**columns, "target": np.rint(columns["target"])}
        case Simplex():
            return {**columns, "target": np.eye(len(columns["target"]))[:, np.argmax(columns["target"], axis=0)]}
    return columns


@dataclass(frozen=True)
class Case:
    """A loss with bound parameters, on data of one form and width."""

    loss: Loss
    form: Form
    width: int
    seed: int
    _rows: dict[bool, Columns] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.loss.full_spec} (form {self.form.name}, {self.form.layout()}; width {self.width})"

    @property
    def reduced(self) -> Loss:
        """The loss as it is computed of data of the form and the width."""
        return self.loss.for_form(
            self.form, self.form.roles["pred"].width or self.width if "pred" in self.form.roles else 1
        )

    @property
    def rng(self) -> np.random.Generator:
        """A fresh generator, the same for every law."""
        return np.random.default_rng([self.seed, self.width])

    def data(self, wild: bool = False) -> Columns:
        """Draw the rows of this case, the same for every law."""
        if wild not in self._rows:
            rng = np.random.default_rng([self.seed, self.width, 1 + wild])
            self._rows[wild] = sample(self.form, self.width, rng, wild)
        return dict(self._rows[wild])

    def raw(self, activation: str) -> Array:
        """Draw raw outputs: the corners of boxes in order, amounts where these are divided by their sum."""
        outputs = self.rng.normal(0.0, 1.5, self.data()["pred"].shape)
        if isinstance(self.form.roles["pred"], Box):
            outputs = np.sort(outputs, axis=0)
        return 0.1 + np.abs(outputs) if activation == "renormalize" else outputs

    def arguments(self, columns: Columns) -> Columns:
        """Turn columns into what a user passes: (rows,) or (rows, width) arrays."""
        return {role: np.array(x[0] if len(x) == 1 and x.ndim == 2 else x.T, order="C") for role, x in columns.items()}

    def value(self, columns: Columns, weight: object = None) -> float:
        """Return the loss of columns."""
        return self.loss(weight=weight, task=self.form.name, **self.arguments(columns))

    def numbers(self, columns: Columns, activation: str | None = None) -> Array:
        """Return the per-row losses, or the value where there are none."""
        if self.loss.row is None:
            return np.array([self.value(columns)])
        return self.loss.each(task=self.form.name, activation=activation, **self.arguments(columns))

    def slopes(self, arguments: Columns, activation: str | None = None) -> Columns:
        """Return the gradient by role; nothing where the loss has none."""
        if self.loss.gradient is None or self.loss.row is None:
            return {}
        gradient = self.loss.grad(task=self.form.name, activation=activation, **arguments)
        return gradient if isinstance(gradient, dict) else {self.loss.pred_roles[0]: gradient}

    def same(self, columns: Columns, a: float, b: float, subject: str) -> None:
        """Demand two values to be equal up to rounding; a largest value is not rounded at all."""
        exact = self.loss.keeps == "peak"
        typical = 0.0 if self.loss.row is None else float(np.mean(np.abs(self.numbers(columns))))
        demand(near(a, b, 0.0 if exact else TOLERANCE, typical), f"{subject} gives {b!r} instead of {a!r}")

    def refuses(
        self, error: type[Exception], arguments: Columns, fault: str, name: str = "", weight: object = None
    ) -> None:
        """Demand an error, and that its text holds `name`."""
        try:
            self.loss(weight=weight, task=self.form.name, **arguments)
        except error as refusal:
            demand(name in str(refusal), f"{fault} is refused without naming {name}: {refusal}")
        else:
            raise Violation(f"{fault} is accepted, {error.__name__} is due")


def demand(condition: object, complaint: str) -> None:
    """Raise Violation where something does not hold."""
    if not condition:
        raise Violation(complaint)


def near(a: float, b: float, tolerance: float = TOLERANCE, scale: float = 0.0) -> bool:
    """Return whether two numbers agree, relative to the larger one or to `scale`; NaN agrees with NaN."""
    scale = scale if np.isfinite(scale) else 0.0
    return a == b or (a != a and b != b) or bool(abs(a - b) <= tolerance * max(abs(a), abs(b), scale))


def sets_of(columns: Columns, rows: int) -> NDArray[Any]:
    """Return the number of the unit that each row belongs to: its set, or itself."""
    query = columns.get("query")
    return np.arange(rows) if query is None else np.unique(query[0], return_inverse=True)[1]


def rows_of(columns: Columns, rows: slice | NDArray[Any]) -> Columns:
    """Copy some rows."""
    return {role: np.array(x[..., rows], order="C") for role, x in columns.items()}


def place(columns: Columns, row: int) -> str:
    """Write the data of one row."""
    return ", ".join(f"{role} {x[..., row].tolist()}" for role, x in columns.items())


def extremes(case: Case) -> Columns | None:
    """Return every combination of closed ends, zeros and two ordinary rows, None where there are no such ends."""
    ordinary = case.data()
    choices, count = [], 0
    for role, domain in case.form.roles.items():
        x = ordinary[role]
        ends = closed_ends(domain, domain.width or case.width, case.width)
        count += len(ends)
        choices.append([*ends, x[..., 0], x[..., 1]])
    if not count:
        return None
    rows = list(product(*choices))
    return {role: np.stack(line, axis=-1) for role, line in zip(case.form.roles, zip(*rows, strict=True), strict=True)}
