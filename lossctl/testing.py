"""The conformance suite: `check(loss)` holds a loss to everything that its declaration promises.

It is for authors of plug-ins, and our own losses pass it too. A `Case` is a loss with bound parameters, one of its
forms and a width; a law is a function of a case whose docstring says what holds. Data are drawn from the form's
domains, parameters from theirs, so that a new loss needs no new test.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl import registry
from lossctl.core.activation import APPLY
from lossctl.core.arrays import block_state, first_finite, value_of
from lossctl.core.batch import Batch
from lossctl.core.domain import Array, Box, Domain, Flag, Interval, Labels, Mark, Simplex
from lossctl.core.exact import rounded
from lossctl.core.form import Form
from lossctl.core.loss import Loss
from lossctl.core.reading import MEAN
from lossctl.core.state import Moments, Peak, Sample
from lossctl.errors import DataError, UsageError

Columns = dict[str, Any]  # arrays by role: (width, rows), or (rows,) class codes
State = Moments | Peak | Sample

ROWS = 32
EDGE = 0.05  # how far samples stay from the ends of a domain, so that both sides of a difference are inside
STEP = 4e-6  # of a difference, relative to the value: curvature and rounding both stay below SLOPE_TOLERANCE
SLOPE_TOLERANCE = 1e-6
TOLERANCE = 1e-12
FAR = 1e3  # a score or a distance that keeps every margin


class Violation(AssertionError):
    """A law does not hold; the text says where."""


def check(loss: Loss, seed: int = 0) -> None:
    """Raise AssertionError, naming the loss, the form and the law, where a loss breaks what it promises.

    Checked at the given parameters, at the ends of each parameter's domain and at values drawn from it with `seed`.

    >>> import lossctl
    >>> from lossctl.testing import check
    >>> check(lossctl.get("huber"))
    """
    _hold(declaration_is_complete, loss, loss.spec)
    for setting in settings(loss, seed):
        _hold(spec_names_the_loss, setting, setting.full_spec)
        for form in loss.forms:
            for width in widths(form):
                case = Case(setting, form, width, seed)
                for law in (*LAWS, *REFUSALS) if setting is loss else LAWS:
                    _hold(law, case, str(case))


def _hold(law: Callable[[Any], None], subject: object, title: str) -> None:
    """Run one law; whatever it raises becomes an AssertionError with the law in words."""
    try:
        law(subject)
    except Exception as error:
        known = isinstance(error, Violation)
        found = str(error) if known else f"raised {type(error).__name__}: {error}"
        words = (law.__doc__ or law.__name__).removeprefix("Check that ").rstrip(".")
        raise AssertionError(f"{title}: broken promise: {words}: {found}") from None if known else error


# what is checked: parameters, widths, data ----------------------------------------------------------------------


def settings(loss: Loss, seed: int) -> list[Loss]:
    """Return the loss as given, with each parameter changed alone, and twice with all of them drawn at once."""
    rng = np.random.default_rng(seed)
    found = {loss.full_spec: loss}

    def add(**args: object) -> None:
        other = loss.bind(**args)
        found.setdefault(other.full_spec, other)

    def draw(domain: Interval | None) -> object:
        return bool(rng.integers(2)) if domain is None else float(domain.sample(rng, 1, 1)[0, 0])

    for param in loss.params:
        if param.domain is None:
            add(**{param.name: not loss.args[param.name]})
            continue
        for value in [*_closed(param.domain), draw(param.domain), draw(param.domain)]:
            add(**{param.name: value})
        if param.optional:
            add(**{param.name: None})
    for _ in range(2):
        add(**{param.name: draw(param.domain) for param in loss.params})
    return list(found.values())


def widths(form: Form) -> tuple[int, ...]:
    """Return how many columns to try for the roles that share a free width (for labels: how many classes)."""
    if form.labels or any(isinstance(domain, Simplex) for domain in form.roles.values()):
        return 2, 3
    free = any(domain.width is None for domain in form.roles.values())
    return (1, 3) if free else (max(domain.width or 1 for domain in form.roles.values()),)


def sample(form: Form, width: int, rng: np.random.Generator, wild: bool) -> Columns:
    """Draw rows away from the ends of the domains; boxes overlap the first one unless `wild`."""
    found: Columns = {}
    first: Array | None = None
    for role, domain in form.roles.items():
        if isinstance(domain, Box) and first is not None and not wild:
            found[role] = first + _nudge(first, rng)
        else:
            found[role] = inner(domain, domain.width or width, width, rng)
        first = found[role] if isinstance(domain, Box) and first is None else first
    return found


def inner(domain: Domain, width: int, classes: int, rng: np.random.Generator) -> NDArray[Any]:
    """Draw rows of one domain; half of an interval's are whole numbers, since these meet at kinks."""
    if isinstance(domain, Labels):
        return rng.integers(0, classes, ROWS)
    drawn = domain.sample(rng, width, ROWS)
    if isinstance(domain, Simplex):
        floor = min(EDGE, 0.5 / width)
        return floor + (1.0 - width * floor) * drawn
    if not isinstance(domain, Interval):
        return drawn
    edge = EDGE * (domain.high - domain.low if np.isfinite(domain.high - domain.low) else 1.0)
    low, high = domain.low + edge, domain.high - edge
    drawn = np.clip(drawn, low, high)
    whole = np.rint(drawn)
    drawn = np.where((np.arange(ROWS) % 2 == 0) & (whole >= low) & (whole <= high), whole, drawn)
    return drawn if domain.hole is None else np.where(np.abs(drawn - domain.hole) < edge, domain.inner(), drawn)


def _nudge(box: Array, rng: np.random.Generator) -> Array:
    """Shifts of the edges of boxes by less than a fifth of their sides, some of them zero."""
    shift: Array = rng.uniform(-0.2, 0.2, box.shape) * np.concatenate([box[2:] - box[:2]] * 2)
    return np.where(rng.random(box.shape) < 0.9, shift, 0.0)


def _closed(domain: Interval) -> list[float]:
    ends = [(domain.low, domain.low_closed), (domain.high, domain.high_closed)]
    return [end for end, closed in ends if closed and np.isfinite(end)]


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
        case Flag() | Mark():
            return [np.zeros(width), np.ones(width)]
        case Box(solid=False):  # a point, and boxes without height or width
            return [np.array([1.0, 1.0, right, bottom]) for right, bottom in ((1, 1), (1, 3), (3, 1))]
    return []


def strangers(domain: Domain, column: Array, classes: int) -> list[float]:
    """Return values that may not stand last in a row that is `column` otherwise; NaN may stand nowhere."""
    found = [np.nan, np.inf, -np.inf]
    match domain:
        case Interval():
            ends = [domain.low, domain.high, np.nextafter(domain.low, -np.inf), np.nextafter(domain.high, np.inf)]
            found += ends if domain.hole is None else [*ends, domain.hole]
            return [value for value in found if not domain.holds(np.array([value]))[0]]
        case Labels():
            return [*found, -1.0, float(classes), 0.5]
        case Simplex():
            return [*found, -0.1, 1.1, column[-1] + 0.01]
        case Flag():
            return [*found, 2.0, -0.5, -2.0] + ([] if domain.soft else [0.5])
        case Mark():
            return [*found, -1.0, 2.0, 0.5]
        case Box():
            return [*found, column[1] - 1.0] + ([column[1]] if domain.solid else [])
    return [np.nan]


def truth(form: Form, width: int, seed: int) -> Columns | None:
    """Return rows that are predicted perfectly, None where the form has no such thing."""
    known = hard(form, sample(form, width, np.random.default_rng(seed), wild=False))
    target, domain = known.get("target"), form.roles.get("pred")
    if {"anchor", "positive", "negative"} <= set(known):
        return {**known, "positive": known["anchor"], "negative": known["anchor"] + FAR}
    if target is None:
        return None
    if {"left", "right"} <= set(known):
        return {**known, "right": known["left"] + FAR * target}
    if domain is None:
        return None
    pred = np.eye(width)[:, target] if form.labels else target
    if isinstance(domain, Interval) and np.isinf(domain.high) and not isinstance(form.roles["target"], Interval):
        pred = FAR * (2.0 * pred - 1.0)
    fits = len(pred) == (domain.width or width) and not domain.outside(pred).any()
    return {**known, "pred": pred} if fits else None


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

    def __str__(self) -> str:
        return f"{self.loss.full_spec} (form {self.form.name}, {self.form.layout()}; width {self.width})"

    @property
    def rng(self) -> np.random.Generator:
        """A fresh generator, the same for every law."""
        return np.random.default_rng([self.seed, self.width])

    def data(self, wild: bool = False) -> Columns:
        """Draw the rows of this case."""
        return sample(self.form, self.width, np.random.default_rng([self.seed, self.width, 1 + wild]), wild)

    def given(self, columns: Columns) -> Columns:
        """Turn columns into what a user passes: (rows,) or (rows, width) arrays."""
        return {role: np.array(x[0] if len(x) == 1 and x.ndim == 2 else x.T, order="C") for role, x in columns.items()}

    def value(self, columns: Columns, weight: object = None) -> float:
        """Return the loss of columns."""
        return self.loss(weight=weight, task=self.form.name, **self.given(columns))

    def numbers(self, columns: Columns) -> Array:
        """Return the per-row losses, or the value where there are none."""
        if self.loss.row is None:
            return np.array([self.value(columns)])
        return self.loss.each(task=self.form.name, **self.given(columns))

    def slopes(self, given: Columns) -> Columns:
        """Return the gradient by role; nothing where the loss has none."""
        if self.loss.gradient is None or self.loss.row is None:
            return {}
        found = self.loss.grad(task=self.form.name, **given)
        return found if isinstance(found, dict) else {self.loss.pred_roles[0]: found}

    def same(self, columns: Columns, a: float, b: float, what: str) -> None:
        """Demand two values to be equal up to rounding; a largest value is not rounded at all."""
        exact = self.loss.keeps == "peak"
        typical = 0.0 if self.loss.row is None else float(np.mean(np.abs(self.numbers(columns))))
        demand(near(a, b, 0.0 if exact else TOLERANCE, typical), f"{what} gives {b!r} instead of {a!r}")

    def refuses(self, error: type[Exception], given: Columns, what: str, name: str = "", weight: object = None) -> None:
        """Demand an error, and that its text holds `name`."""
        try:
            self.loss(weight=weight, task=self.form.name, **given)
        except error as refusal:
            demand(name in str(refusal), f"{what} is refused without naming {name}: {refusal}")
        else:
            raise Violation(f"{what} is accepted, {error.__name__} is due")


def demand(held: object, complaint: str) -> None:
    """Raise Violation where something does not hold."""
    if not held:
        raise Violation(complaint)


def near(a: float, b: float, tolerance: float = TOLERANCE, scale: float = 0.0) -> bool:
    """Return whether two numbers agree, relative to the larger one or to `scale`; NaN agrees with NaN."""
    scale = scale if np.isfinite(scale) else 0.0
    return a == b or (a != a and b != b) or bool(abs(a - b) <= tolerance * max(abs(a), abs(b), scale))


def rows_of(columns: Columns, rows: slice | NDArray[Any]) -> Columns:
    """Copy some rows."""
    return {role: np.array(x[..., rows], order="C") for role, x in columns.items()}


def place(columns: Columns, row: int) -> str:
    """Write the data of one row."""
    return ", ".join(f"{role} {x[..., row].tolist()}" for role, x in columns.items())


def extremes(case: Case) -> Columns | None:
    """Return every combination of closed ends, zeros and two ordinary rows, None where there are no such ends."""
    ordinary = case.data()
    choices, ends = [], 0
    for role, domain in case.form.roles.items():
        x = ordinary[role]
        found = closed_ends(domain, domain.width or case.width, case.width)
        ends += len(found)
        choices.append([*found, x[..., 0], x[..., 1]])
    if not ends:
        return None
    rows = list(product(*choices))
    return {role: np.stack(line, axis=-1) for role, line in zip(case.form.roles, zip(*rows, strict=True), strict=True)}


# the laws ---------------------------------------------------------------------------------------------------------


def declaration_is_complete(loss: Loss) -> None:
    """Check that the declaration says everything that help and errors need."""
    for field in ("name", "summary", "formula", "unit", "source", "use", "avoid", "forms", "parts"):
        words = getattr(loss, field)
        demand(words.strip() if isinstance(words, str) else words, f"{field} is empty")
    for param in loss.params:
        demand(param.help.strip(), f"parameter {param.name} has no help")
        param.check(param.default, loss.name)
    for form in loss.forms:
        demand(set(form.roles) == set(loss.roles), f"form {form.name} has other roles than form {loss.forms[0].name}")


def spec_names_the_loss(loss: Loss) -> None:
    """Check that a spec names the loss and its parameters, there and back."""
    for param in loss.params:
        written = param.write(loss.args[param.name])
        demand(param.parse(written, loss.name) == loss.args[param.name], f"{param.name}={written} is read otherwise")
    known = registry.losses().get(loss.name)
    if known is not None and known.parts == loss.parts:
        for spec in (loss.full_spec, loss.spec):
            found = registry.get(spec)
            demand((found.name, found.args) == (loss.name, loss.args), f"{spec!r} is read as {found.full_spec!r}")


def form_is_reached(case: Case) -> None:
    """Check that data of the form's widths are read as this form."""
    counts = {role: domain.width or case.width for role, domain in case.form.roles.items()}
    found = case.loss.form_for(counts, case.form.name)
    demand(found == case.form, f"columns {counts} are read as {found and found.layout()}")


def ordinary_data_have_a_number(case: Case) -> None:
    """Check that data away from the ends of the domains have a number."""
    columns = case.data()
    lost = np.isnan(case.numbers(columns))
    demand(not lost.any(), f"NaN at {place(columns, int(np.argmax(lost)))}")
    demand(not np.isnan(case.value(columns)), "the value is NaN")


def curve_evaluates(case: Case) -> None:
    """Check that the form's curve is data that the loss accepts."""
    curve = {role: np.array(columns) for role, columns in case.form.curve.roles.items()}
    if case.form.labels:
        curve["target"] = curve["target"][0].astype(np.int64)
    numbers = case.numbers(curve)
    if case.loss.row is not None:
        count = len(case.form.curve.points)
        demand(numbers.shape == (count,), f"{numbers.shape} numbers for {count} points")
        demand(not np.isnan(numbers).any(), f"NaN at {case.form.curve.points[int(np.argmax(np.isnan(numbers)))]}")
    case.slopes(case.given(curve))


def gradient_is_the_slope(case: Case) -> None:
    """Check that the gradient is the slope of each row's loss."""
    if case.loss.gradient is None:
        try:
            case.loss.grad(task=case.form.name, **case.given(case.data()))
        except UsageError:
            return
        raise Violation("none is declared, yet grad returns one")
    if case.loss.row is None:
        return
    for columns in (case.data(), case.data(wild=True)):
        given = case.given(columns)
        slopes = case.slopes(given)
        demand(set(slopes) == set(case.loss.pred_roles), f"it has roles {set(slopes)}, not {case.loss.pred_roles}")
        for role, slope in slopes.items():
            shape = np.shape(given[role])
            demand(np.shape(slope) == shape, f"by {role} it has shape {np.shape(slope)}, not {shape}")
            for column in range(len(columns[role])):
                _compare_slope(case, columns, role, column, slope.reshape(ROWS, -1)[:, column])


def _compare_slope(case: Case, columns: Columns, role: str, column: int, slope: Array) -> None:
    """Demand a slope between the slopes on both sides: where the loss is smooth these are one, at a kink two."""
    here, x = case.numbers(columns), columns[role][column]
    finite = np.abs(here[np.isfinite(here)])
    step = STEP * np.maximum(1.0, np.abs(x))
    noise = 64.0 * np.finfo(float).eps * np.maximum(np.abs(here), finite.mean() if finite.size else 0.0) / step

    def quotient(move: Array) -> Array:
        moved = columns[role].copy()
        moved[column] += move
        ratio: Array = (case.numbers({**columns, role: moved}) - here) / (moved[column] - x)
        return ratio

    with np.errstate(all="ignore"):  # the second half step takes out the curvature
        below, above = (2.0 * quotient(0.5 * move) - quotient(move) for move in (-step, step))
        tolerance = SLOPE_TOLERANCE * np.maximum(np.abs(below), np.abs(above)) + noise
        between = (slope >= np.minimum(below, above) - tolerance) & (slope <= np.maximum(below, above) + tolerance)
    wrong = np.isfinite(below) & np.isfinite(above) & ~between
    row = int(np.argmax(wrong))
    demand(
        not wrong.any(),
        f"by {role}, column {column}, at {place(columns, row)} it is {slope[row]:.10g}; "
        f"the slope is {below[row]:.10g} below and {above[row]:.10g} above",
    )


def merging_is_exact(case: Case) -> None:
    """Check that merged states of the parts are the state of the whole, in any order and tree."""
    columns, rng = case.data(), case.rng
    cuts = [0, 0, 1, 9, 10, 22, ROWS]  # an empty part, and two of one row
    weight = rng.integers(1, 4, ROWS).astype(np.float64)
    weight[1:9] = 0.0
    for weights in (None, weight):
        parts = [state_of(case, columns, weights, slice(*ends)) for ends in pairwise(cuts)]
        merged = reduce(joined, parts)
        value = value_of(case.loss, merged, weights is not None)
        for order in (np.arange(len(parts))[::-1], rng.permutation(len(parts)), rng.permutation(len(parts))):
            mixed = [parts[i] for i in order]
            for other in (reduce(joined, mixed), in_tree(mixed)):
                demand(same_state(merged, other), f"parts merged as {order.tolist()} give {other}, not {merged}")
        demand(same_state(merged, joined(parts[0], merged)), "an empty part leaves a trace")
        demand(same_state(merged, pickle.loads(pickle.dumps(merged))), "a pickled state comes back changed")
        whole = value_of(case.loss, state_of(case, columns, weights, slice(0, ROWS)), weights is not None)
        case.same(columns, whole, value, "merging the parts")
        if weights is not None:
            kept = value_of(case.loss, reduce(joined, [*parts[:2], *parts[3:]]), True)
            demand(near(kept, value, 0.0), f"a part of zero weight changes {kept!r} to {value!r}")


def state_of(case: Case, columns: Columns, weight: Array | None, rows: slice) -> State:
    """Reduce some rows; variances are taken about one origin, as in the engine."""
    batch = Batch(rows_of(columns, rows), form=case.form.name, origin=first_finite(columns.get("target")))
    with np.errstate(all="ignore"):
        return block_state(case.loss, case.form, batch, None if weight is None else weight[rows])


def joined(a: State, b: State) -> State:
    """Merge two states of one kind."""
    return a.merge(b)  # type: ignore[arg-type]  # kinds never mix


def in_tree(states: Sequence[State]) -> State:
    """Merge the halves, each merged in the same way."""
    middle = len(states) // 2
    return joined(in_tree(states[:middle]), in_tree(states[middle:])) if middle else states[0]


def same_state(a: State, b: State) -> bool:
    """Return whether two states hold the same bits."""
    if isinstance(a, Sample) and isinstance(b, Sample):
        return np.array_equal(a.ordered(), b.ordered(), equal_nan=True)
    return a == b


def ends_give_numbers(case: Case) -> None:
    """Check that closed ends of the domains, and zeros, are accepted and give no NaN."""
    for columns in (extremes(case), truth(case.form, case.width, case.seed)):
        if columns is None:
            continue
        numbers = case.numbers(columns)
        found = [("the loss", np.isnan(numbers))]
        for role, slope in case.slopes(case.given(columns)).items():
            lost = np.isnan(slope.reshape(len(numbers), -1)).any(axis=1)
            found.append((f"the gradient by {role}", lost & np.isfinite(numbers)))
        for what, lost in found:
            row = int(np.argmax(lost))
            demand(not lost.any(), f"{what} is NaN at {place(columns, row)}")


def weights_repeat_rows(case: Case) -> None:
    """Check that an integer weight is that many equal rows."""
    columns, weight = case.data(), case.rng.integers(0, 4, ROWS)
    repeated = {role: np.repeat(x, weight, axis=-1) for role, x in columns.items()}
    case.same(columns, case.value(repeated), case.value(columns, weight), f"weight {weight.tolist()}")


def zero_weight_is_absence(case: Case) -> None:
    """Check that a row of zero weight is absent, even where its loss is infinite."""
    columns, far = case.data(), extremes(case) or case.data(wild=True)
    both = {role: np.concatenate([x, far[role]], axis=-1) for role, x in columns.items()}
    weight = (np.arange(next(iter(both.values())).shape[-1]) < ROWS).astype(np.float64)
    case.same(columns, case.value(columns), case.value(both, weight), "adding rows of zero weight")


def row_order_is_free(case: Case) -> None:
    """Check that the order of the rows changes nothing."""
    columns, order = case.data(), case.rng.permutation(ROWS)
    case.same(columns, case.value(columns), case.value(rows_of(columns, order)), "another order of rows")


def value_is_the_mean(case: Case) -> None:
    """Check that the value of a plain mean is the mean of the row losses."""
    if case.loss.row is None or case.loss.reading != MEAN or case.loss.keeps != "moments":
        return
    columns = case.data()
    case.same(columns, float(np.mean(case.numbers(columns))), case.value(columns), "the loss")


def reading_has_its_slope(case: Case) -> None:
    """Check that the slope of the reading is its derivative by the means."""
    state = state_of(case, case.data(), None, slice(0, ROWS))
    if not isinstance(state, Moments):
        return
    reading = case.loss.reading
    here = tuple(np.float64(rounded(state.total(i) / state.rows)) for i in range(len(case.loss.parts)))
    if any(state.odd) or not np.isfinite(reading.value(here)):
        return
    for i, slope in enumerate(reading.slope(here)):
        step = 1e-6 * max(abs(here[i]), 1e-6)
        up, down = ((*here[:i], here[i] + move, *here[i + 1 :]) for move in (step, -step))
        central = (reading.value(up) - reading.value(down)) / (up[i] - down[i])
        demand(
            near(slope, central, 1e-6), f"by mean {i} it is {slope:.10g}, the quotient of differences {central:.10g}"
        )


def best_is_at_the_truth(case: Case) -> None:
    """Check that nothing is better than `best`, and a perfect prediction has it."""
    best, direction = case.loss.best, case.loss.direction
    if best is None:
        return

    def cost(x: Array | float) -> Array:
        return np.asarray({"min": x, "max": np.negative(x), "zero": np.abs(x)}[direction])

    slack = TOLERANCE * max(1.0, abs(best))
    for columns in (case.data(), case.data(wild=True)):
        numbers = case.numbers(columns)
        better = cost(numbers) < cost(best) - slack
        demand(not better.any(), f"{numbers[int(np.argmax(better))]:.17g} is better than best = {best!r}")
    known = truth(case.form, case.width, case.seed)
    if known is None:
        return
    found = case.value(known)
    if all(case.loss.args[param.name] == param.default for param in case.loss.params):
        demand(near(found, best, slack, 1.0), f"a perfect prediction has {found!r}, best is {best!r}")
    missed = case.value({**case.data(), **{role: known[role] for role in known if role == "target"}})
    demand(not cost(missed) < cost(found) - slack, f"a guess has {missed!r}, a perfect prediction {found!r}")


def spelling_of_flags_is_free(case: Case) -> None:
    """Check that flags written -1 and +1, or as booleans, give the same numbers as 0 and 1."""
    if not isinstance(case.form.roles.get("target"), Flag):
        return
    given = case.given(hard(case.form, case.data()))
    for target in (2.0 * given["target"] - 1.0, given["target"] > 0.0):
        _same_numbers(case, given, {**given, "target": target}, f"target {target[:2].tolist()}...")


def inputs_are_left_alone(case: Case) -> None:
    """Check that the arrays of the caller stay as they are."""
    given = case.given(case.data())
    case.loss(task=case.form.name, **given)
    case.slopes(given)
    for role, x in case.given(case.data()).items():
        demand(np.array_equal(x, given[role]), f"{role} is modified")
        demand(given[role].flags.writeable, f"{role} is made read-only")


def container_is_free(case: Case) -> None:
    """Check that dtype, memory layout and container of the inputs do not change the numbers."""
    columns = {role: x.astype(np.float32).astype(x.dtype) for role, x in case.data().items()}
    whole = {role: np.rint(x) for role, x in hard(case.form, columns).items()}
    whole = {role: columns[role] if case.form.roles[role].outside(x).any() else x for role, x in whole.items()}
    for name, data, change in (
        ("float32", columns, lambda x: x.astype(np.float32)),
        ("whole numbers as int16", whole, lambda x: x.astype(np.int16) if np.array_equal(x, np.rint(x)) else x),
        ("lists", columns, lambda x: x.tolist()),
        ("every other row of an array", columns, lambda x: np.repeat(x, 2, axis=0)[::2]),
        ("a Fortran array", columns, np.asfortranarray),
        ("big-endian numbers", columns, lambda x: x.astype(x.dtype.newbyteorder(">"))),
        ("read-only arrays", columns, _locked),
    ):
        given = case.given(data)
        _same_numbers(case, given, {role: change(x) for role, x in given.items()}, name)


def _locked(x: NDArray[Any]) -> NDArray[Any]:
    view = x.view()
    view.flags.writeable = False
    return view


def one_column_is_never_broadcast(case: Case) -> None:
    """Check that (n,) against (n, 1) is (n,) against (n,)."""
    given = case.given(case.data())
    flat = [role for role, x in given.items() if x.ndim == 1]
    for roles in ([[role] for role in flat] + [flat]) if flat else []:
        other = {role: x[:, np.newaxis] if role in roles else x for role, x in given.items()}
        _same_numbers(case, given, other, f"{' and '.join(roles)} of shape (n, 1)")


def _same_numbers(case: Case, a: Columns, b: Columns, what: str) -> None:
    """Demand the same bits from two spellings of the same data, and the gradient in the second one's shape."""
    task, loss = case.form.name, case.loss
    values = loss(task=task, **a), loss(task=task, **b)
    demand(near(*values, tolerance=0.0), f"{what} gives {values[1]!r} instead of {values[0]!r}")
    if loss.row is not None:
        rows = loss.each(task=task, **a), loss.each(task=task, **b)
        demand(np.array_equal(*rows, equal_nan=True), f"{what} gives other row losses")
        demand(rows[1].shape == (ROWS,), f"{what} gives {rows[1].shape} row losses")
    for (role, x), y in zip(case.slopes(a).items(), case.slopes(b).values(), strict=True):
        demand(y.shape == np.shape(b[role]), f"{what} gives a gradient of shape {y.shape} by {role}")
        demand(np.array_equal(x.ravel(), y.ravel(), equal_nan=True), f"{what} gives another gradient by {role}")


def activations_agree(case: Case) -> None:
    """Check that raw outputs with an activation give the number of the activated outputs."""
    domain = case.form.roles.get("pred")
    if domain is None:
        return
    columns = case.data()
    raw = columns["pred"] if isinstance(domain, Box) else case.rng.normal(0.0, 1.5, columns["pred"].shape)
    for name in sorted(domain.activations() - {"none"}):
        apply: Any = APPLY[name]
        natural = {**columns, "pred": apply(raw)}
        if domain.outside(natural["pred"]).any():
            continue
        found = case.loss(task=case.form.name, activation=name, **case.given({**columns, "pred": raw}))
        due = case.value(natural)
        demand(near(due, found, 1e-9, 1e-3), f"{name} gives {found!r} instead of {due!r}")


def strangers_are_refused(case: Case) -> None:
    """Check that NaN, infinities and values outside a domain raise DataError with the name of the role."""
    columns = case.data()
    for role, domain in case.form.roles.items():
        for value in strangers(domain, columns[role][..., -1], case.width):
            spoilt = columns[role].astype(np.float64)
            spoilt[(-1,) * spoilt.ndim] = value
            case.refuses(DataError, case.given({**columns, role: spoilt}), f"{role} {value:.17g}", role)
        if isinstance(domain, Flag):
            mixed = np.zeros_like(columns[role])
            mixed[-1, -1] = -1.0
            case.refuses(DataError, case.given({**columns, role: mixed}), f"{role} of both -1 and 0", role)


def bad_weights_are_refused(case: Case) -> None:
    """Check that weights that are negative, not finite, all zero or too few raise DataError."""
    given = case.given(case.data())
    for value in (-1.0, np.nan, np.inf):
        weight = np.ones(ROWS)
        weight[-1] = value
        case.refuses(DataError, given, f"a weight {value!r}", "weight", weight)
    case.refuses(DataError, given, "a weight of all zeros", "weight", np.zeros(ROWS))
    case.refuses(DataError, given, "a weight with a row missing", "weight", np.ones(ROWS - 1))


def bad_shapes_are_refused(case: Case) -> None:
    """Check that other row counts raise DataError; missing roles and widths that fit no form raise UsageError."""
    given = case.given(case.data())
    for role in given if len(given) > 1 else ():
        case.refuses(DataError, {**given, role: given[role][:-1]}, f"{role} with a row missing", role)
    for role in given:
        case.refuses(UsageError, {**given, role: None}, f"data without {role}", role)
    case.refuses(UsageError, {**given, "stranger": np.ones(ROWS)}, "a role of another loss", "stranger")
    counts = {role: 1 if x.ndim == 1 else x.shape[1] for role, x in given.items()}
    for role, width in product(given, (1, 2, 3, 4, 5)):
        if case.loss.form_for({**counts, role: width}, case.form.name) is None:
            columns = np.resize(given[role], (ROWS, width))
            case.refuses(UsageError, {**given, role: columns}, f"{role} with {width} columns", role)


Law = Callable[[Case], None]
LAWS: tuple[Law, ...] = (
    form_is_reached,
    inputs_are_left_alone,
    ordinary_data_have_a_number,
    curve_evaluates,
    gradient_is_the_slope,
    merging_is_exact,
    ends_give_numbers,
    weights_repeat_rows,
    zero_weight_is_absence,
    row_order_is_free,
    value_is_the_mean,
    reading_has_its_slope,
    best_is_at_the_truth,
    spelling_of_flags_is_free,
    container_is_free,
    one_column_is_never_broadcast,
    activations_agree,
)
REFUSALS: tuple[Law, ...] = (strangers_are_refused, bad_weights_are_refused, bad_shapes_are_refused)
