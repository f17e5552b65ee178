"""The laws: of numbers (gradients, merging, ends, weights, order, the best value), then of how data may be spelt."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from functools import reduce
from itertools import pairwise, product
from typing import Final

import numpy as np

from lossctl import registry
from lossctl.core.batch import Batch
from lossctl.core.domain import Flag
from lossctl.core.form import OPTIONAL
from lossctl.core.loss import Loss, block_state, middles, value_of
from lossctl.core.state import Moments, Sample, rounded
from lossctl.core.statistic import MEAN
from lossctl.errors import DataError, UsageError
from lossctl.numerics.activation import APPLY
from lossctl.numerics.array import Array
from lossctl.testing.cases import (
    ROWS,
    SLOPE_TOLERANCE,
    STEP,
    TOLERANCE,
    Case,
    Columns,
    State,
    Violation,
    demand,
    extremes,
    hard,
    near,
    place,
    rows_of,
    sets_of,
    strangers,
    truth,
)

Law = Callable[[Case], None]
WEIGHT_STEP: Final = 1e-4
MOVES: Final = (-1.0, -0.5, 0.5, 1.0)  # steps of a difference: two to each side


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
    declared = registry.losses().get(loss.name)
    if declared is not None and declared.parts == loss.parts:
        for spec in (loss.full_spec, loss.spec):
            reread = registry.loss_of(spec)
            demand((reread.name, reread.args) == (loss.name, loss.args), f"{spec!r} is read as {reread.full_spec!r}")


def form_is_reached(case: Case) -> None:
    """Check that data of the form's widths are read as this form."""
    counts = {role: domain.width or case.width for role, domain in case.form.roles.items()}
    form = case.loss.form_for(counts, case.form.name)
    demand(form == case.form, f"columns {counts} are read as {form and form.layout()}")


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
    case.slopes(case.arguments(curve))


def gradient_is_the_slope(case: Case) -> None:
    """Check that the gradient is the slope of each row's loss."""
    if case.loss.gradient is None:
        try:
            case.loss.grad(task=case.form.name, **case.arguments(case.data()))
        except UsageError:
            return
        raise Violation("none is declared, yet grad returns one")
    if case.loss.row is None:
        return
    for columns in (case.data(), case.data(wild=True)):
        arguments = case.arguments(columns)
        slopes = case.slopes(arguments)
        demand(set(slopes) == set(case.loss.pred_roles), f"it has roles {set(slopes)}, not {case.loss.pred_roles}")
        for role, slope in slopes.items():
            shape = np.shape(arguments[role])
            demand(np.shape(slope) == shape, f"by {role} it has shape {np.shape(slope)}, not {shape}")
            _compare_slopes(case, columns, role, slope)


def raw_gradient_is_the_slope(case: Case) -> None:
    """Check that under every activation the gradient is the slope by the raw outputs, and finite at large ones."""
    domain = case.form.roles.get("pred")
    if domain is None or case.loss.gradient is None or case.loss.row is None:
        return
    columns = case.data()
    for name in sorted(domain.activations() - {"none"}):
        raw = case.raw(name)
        at_raw = {**columns, "pred": raw}
        _compare_slopes(case, at_raw, "pred", case.slopes(case.arguments(at_raw), name)["pred"], name)
        if name not in ("sigmoid", "softmax"):
            continue
        far = {**columns, "pred": np.sign(raw) * 1e4}
        lost = np.isnan(case.slopes(case.arguments(far), name)["pred"].reshape(ROWS, -1)).any(axis=1)
        lost &= np.isfinite(case.numbers(far, name))
        demand(not lost.any(), f"under {name} it is NaN at {place(far, int(np.argmax(lost)))}")


def _compare_slopes(case: Case, columns: Columns, role: str, slopes: Array, activation: str | None = None) -> None:
    """Demand slopes between those on both sides: where the loss is smooth these are one, at a kink two."""
    x = columns[role]
    step = STEP * np.maximum(1.0, np.abs(x))
    moved = np.stack([x] * (1 + len(x) * len(MOVES)))  # the rows as they are, then each column moved alone
    for copy, (column, move) in enumerate(product(range(len(x)), MOVES), 1):
        moved[copy, column] += move * step[column]
    copies = {name: np.tile(y, len(moved)) for name, y in columns.items()}  # rows of copies do not see each other
    if "query" in copies:
        copies["query"] = copies["query"] + 100.0 * np.repeat(np.arange(len(moved)), ROWS)
    numbers = case.numbers({**copies, role: np.concatenate(list(moved), axis=-1)}, activation)
    demand(numbers.shape == (len(moved) * ROWS,), f"{numbers.shape} row losses of {len(moved) * ROWS} rows")
    centre, *around = numbers.reshape(len(moved), ROWS)
    finite = np.abs(centre[np.isfinite(centre)])
    scale = 64.0 * np.finfo(float).eps * np.maximum(np.abs(centre), finite.mean() if finite.size else 0.0)
    for column, slope in enumerate(slopes.reshape(ROWS, -1).T):
        first = column * len(MOVES)
        with np.errstate(all="ignore"):
            far_below, below, above, far_above = (
                (around[copy] - centre) / (moved[1 + copy, column] - x[column])
                for copy in range(first, first + len(MOVES))
            )
            below, above = 2.0 * below - far_below, 2.0 * above - far_above  # which takes out the curvature
            tolerance = SLOPE_TOLERANCE * np.maximum(np.abs(below), np.abs(above)) + scale / step[column]
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
    if case.loss.over_sets:
        units = sets_of(columns, ROWS) if "query" in columns else np.zeros(ROWS, dtype=np.int64)
        cuts = [0, 0, *(1 + np.flatnonzero(np.diff(units))).tolist(), ROWS]
        weight = weight[units]
        weight[cuts[2] : cuts[3] if len(cuts) > 3 else 0] = 0.0
    for weights in (None, weight):
        parts = [state_of(case, columns, weights, slice(*ends)) for ends in pairwise(cuts)]
        merged = reduce(joined, parts)
        value = value_of(case.reduced, merged, weights is not None)
        for order in (np.arange(len(parts))[::-1], rng.permutation(len(parts)), rng.permutation(len(parts))):
            mixed = [parts[i] for i in order]
            for again in (reduce(joined, mixed), in_tree(mixed)):
                if not same_state(merged, again):  # to write states takes longer than to merge them
                    raise Violation(f"parts merged as {order.tolist()} give {again}, not {merged}")
        demand(same_state(merged, joined(parts[0], merged)), "an empty part leaves a trace")
        demand(same_state(merged, pickle.loads(pickle.dumps(merged))), "a pickled state comes back changed")
        at_once = value_of(case.reduced, state_of(case, columns, weights, slice(0, ROWS)), weights is not None)
        case.same(columns, at_once, value, "merging the parts")
        if weights is not None:
            if not weight[cuts[2] : cuts[3]].any():
                parts.pop(2)
            without = value_of(case.reduced, reduce(joined, parts), True)
            demand(near(without, value, 0.0), f"a part of zero weight changes {without!r} to {value!r}")


def state_of(case: Case, columns: Columns, weight: Array | None, rows: slice) -> State:
    """Reduce some rows; variances are taken about one origin, as in the engine."""
    origins, _ = middles(columns, "none")
    batch = Batch(rows_of(columns, rows), form=case.form.name, origin=origins[0] if origins else 0.0)
    with np.errstate(all="ignore"):
        return block_state(case.reduced, case.form, batch, None if weight is None else weight[rows])


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
    ordinary = case.data()
    for columns in (extremes(case), truth(case.form, case.width, case.seed)):
        if columns is None:
            continue
        if case.loss.row is None:  # the ends alone may be undefined as a whole, as a ratio to no spread is
            columns = {role: np.concatenate([x, ordinary[role]], axis=-1) for role, x in columns.items()}
        numbers = case.numbers(columns)
        undefined = [("the loss", np.isnan(numbers))]
        for role, slope in case.slopes(case.arguments(columns)).items():
            lost = np.isnan(slope.reshape(len(numbers), -1)).any(axis=1)
            undefined.append((f"the gradient by {role}", lost & np.isfinite(numbers)))
        for quantity, lost in undefined:
            row = int(np.argmax(lost))
            demand(not lost.any(), f"{quantity} is NaN at {place(columns, row)}")


def weights_repeat_rows(case: Case) -> None:
    """Check that an integer weight is that many equal rows."""
    columns, weight = case.data(), case.rng.integers(0, 4, ROWS)
    weight[0] = 1
    if not case.loss.over_sets:
        repeated = {role: np.repeat(x, weight, axis=-1) for role, x in columns.items()}
    elif "query" not in columns:
        return
    else:
        units = sets_of(columns, ROWS)
        weight = weight[units]
        copies = [np.flatnonzero(weight > time) for time in range(4)]
        repeated = {role: np.concatenate([x[..., rows] for rows in copies], axis=-1) for role, x in columns.items()}
        fresh = [units[rows] + 100.0 * time for time, rows in enumerate(copies)]
        repeated["query"] = np.concatenate(fresh)[np.newaxis]
    case.same(columns, case.value(repeated), case.value(columns, weight), f"weight {weight.tolist()}")


def zero_weight_is_absence(case: Case) -> None:
    """Check that a row of zero weight is absent, even where its loss is infinite."""
    columns, far = case.data(), extremes(case) or case.data(wild=True)
    if case.loss.over_sets:
        if "query" not in columns:
            return
        far = {**case.data(wild=True), "query": columns["query"] + 100.0}
    longer = {role: np.concatenate([x, far[role]], axis=-1) for role, x in columns.items()}
    weight = (np.arange(next(iter(longer.values())).shape[-1]) < ROWS).astype(np.float64)
    case.same(columns, case.value(columns), case.value(longer, weight), "adding rows of zero weight")


def row_order_is_free(case: Case) -> None:
    """Check that the order of the rows changes nothing."""
    columns, order = case.data(), case.rng.permutation(ROWS)
    if case.loss.ordered:
        if "query" not in columns:
            return
        order = np.argsort(case.rng.permutation(4)[columns["query"][0].astype(np.int64)], kind="stable")
    case.same(columns, case.value(columns), case.value(rows_of(columns, order)), "another order of rows")


def value_is_the_mean(case: Case) -> None:
    """Check that the value of a plain mean is the mean of the row losses."""
    if case.loss.row is None or case.loss.statistic != MEAN or case.loss.keeps != "moments":
        return
    columns = case.data()
    case.same(columns, float(np.mean(case.numbers(columns))), case.value(columns), "the loss")


def reading_has_its_slope(case: Case) -> None:
    """Check that the slope of the reading is its derivative by the means."""
    state = state_of(case, case.data(), None, slice(0, ROWS))
    if not isinstance(state, Moments):
        return
    statistic = case.reduced.statistic
    means = tuple(np.float64(rounded(state.total(i) / state.rows)) for i in range(len(case.reduced.parts)))
    if any(state.odd) or not np.isfinite(statistic.value(means)):
        return
    for i, slope in enumerate(statistic.slope(means)):
        step = 1e-6 * max(abs(means[i]), 1e-6)
        up, down = ((*means[:i], means[i] + move, *means[i + 1 :]) for move in (step, -step))
        central = (statistic.value(up) - statistic.value(down)) / (up[i] - down[i])
        noise = 8.0 * np.finfo(float).eps * abs(statistic.value(means)) / step
        demand(
            near(slope, central, SLOPE_TOLERANCE, noise / SLOPE_TOLERANCE),
            f"by mean {i} it is {slope:.10g}, the quotient of differences {central:.10g}",
        )


def influence_is_the_slope_by_weight(case: Case) -> None:
    """Check that the influence of a row on a statistic of all values is its slope by the row's weight."""
    loss, state = case.reduced, state_of(case, case.data(), None, slice(0, ROWS))
    if loss.influence is None or not isinstance(state, Sample):
        return
    lines = state.ordered()
    value, influences = loss.influence(lines, **loss.args)
    if not np.isfinite(value) or np.isnan(influences).any():  # of a single row of a class
        return
    demand(near(value, loss.whole(lines, **loss.args), TOLERANCE), "beside it stands another value")  # type: ignore[misc]  # a sample has one
    demand(abs(float(np.sum(influences))) <= TOLERANCE * ROWS, "equal weights of another size change the value")
    if loss.bounds is not None:
        demand(loss.bounds[0] <= value <= loss.bounds[1], f"{value!r} is not within {loss.bounds}")
    slack = 1e-9 + 0.05 * float(np.max(np.abs(influences)))  # of several areas, each over one row less of its own
    for row in range(0, lines.shape[1], 7):
        ends = []
        for step in (WEIGHT_STEP, -WEIGHT_STEP):
            moved = lines.copy()
            moved[-1, row] += step
            ends.append(loss.whole(moved, **loss.args))  # type: ignore[misc]  # a sample has one
        slope = (ends[0] - ends[1]) / (2.0 * WEIGHT_STEP)
        low, high = sorted((slope, 2.0 * slope))  # variances are over one row less, of as few as two
        demand(
            low - slack <= influences[row] <= high + slack,
            f"of row {row} it is {influences[row]:.10g}, the quotient of differences {slope:.10g}",
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
    perfect = truth(case.form, case.width, case.seed)
    if perfect is None:
        return
    value = case.value(perfect)
    if all(case.loss.args[param.name] == param.default for param in case.loss.params):
        demand(near(value, best, slack, 1.0), f"a perfect prediction has {value!r}, best is {best!r}")
    missed = case.value({**case.data(), **{role: perfect[role] for role in perfect if role == "target"}})
    demand(not cost(missed) < cost(value) - slack, f"a guess has {missed!r}, a perfect prediction {value!r}")


def spelling_of_flags_is_free(case: Case) -> None:
    """Check that flags written -1 and +1, or as booleans, give the same numbers as 0 and 1."""
    domain = case.form.roles.get("target")
    if not isinstance(domain, Flag) or not {-1.0, 0.0, 1.0}.isdisjoint(domain.ignored):
        return
    arguments = case.arguments(hard(case.form, case.data()))
    due = Answer(case, arguments)
    for target in (2.0 * arguments["target"] - 1.0, arguments["target"] > 0.0):
        due.demand_of({**arguments, "target": target}, f"target {target[:2].tolist()}...")


def inputs_are_left_alone(case: Case) -> None:
    """Check that the arrays of the caller stay as they are."""
    arguments = case.arguments(case.data())
    case.loss(task=case.form.name, **arguments)
    case.slopes(arguments)
    for role, x in case.arguments(case.data()).items():
        demand(np.array_equal(x, arguments[role]), f"{role} is modified")
        demand(arguments[role].flags.writeable, f"{role} is made read-only")


def container_is_free(case: Case) -> None:
    """Check that dtype, memory layout and container of the inputs do not change the numbers."""
    columns = {role: x.astype(np.float32).astype(x.dtype) for role, x in case.data().items()}
    integers = {role: np.rint(x) for role, x in hard(case.form, columns).items()}
    integers = {role: columns[role] if case.form.roles[role].outside(x).any() else x for role, x in integers.items()}
    arguments, due = {}, {}
    for name, data in (("fractions", columns), ("whole", integers)):
        arguments[name] = case.arguments(data)
        due[name] = Answer(case, arguments[name])
    for words, name, change in (
        ("float32", "fractions", lambda x: x.astype(np.float32)),
        ("whole numbers as int16", "whole", lambda x: x.astype(np.int16) if np.array_equal(x, np.rint(x)) else x),
        ("lists", "fractions", lambda x: x.tolist()),
        ("every other row of an array", "fractions", lambda x: np.repeat(x, 2, axis=0)[::2]),
        ("a Fortran array", "fractions", np.asfortranarray),
        ("big-endian numbers", "fractions", lambda x: x.astype(x.dtype.newbyteorder(">"))),
        ("read-only arrays", "fractions", lambda x: np.broadcast_to(x, x.shape)),
    ):
        due[name].demand_of({role: change(x) for role, x in arguments[name].items()}, words)


def one_column_is_never_broadcast(case: Case) -> None:
    """Check that (n,) against (n, 1) is (n,) against (n,)."""
    arguments = case.arguments(case.data())
    flat = [role for role, x in arguments.items() if x.ndim == 1]
    due = Answer(case, arguments)
    for roles in ([[role] for role in flat] + [flat]) if flat else []:
        other = {role: x[:, np.newaxis] if role in roles else x for role, x in arguments.items()}
        due.demand_of(other, f"{' and '.join(roles)} of shape (n, 1)")


class Answer:
    """The value, the row losses and the gradient of some data, which another spelling of it must have too."""

    def __init__(self, case: Case, arguments: Columns) -> None:
        self.case = case
        self.value = case.loss(task=case.form.name, **arguments)
        self.rows = None if case.loss.row is None else case.loss.each(task=case.form.name, **arguments)
        self.slopes = case.slopes(arguments)

    def demand_of(self, columns: Columns, change: str) -> None:
        """Demand the same bits from another spelling, and the gradient in its shape."""
        answer = Answer(self.case, columns)
        demand(
            near(self.value, answer.value, tolerance=0.0), f"{change} gives {answer.value!r} instead of {self.value!r}"
        )
        if self.rows is not None and answer.rows is not None:
            demand(np.array_equal(self.rows, answer.rows, equal_nan=True), f"{change} gives other row losses")
            demand(answer.rows.shape == (ROWS,), f"{change} gives {answer.rows.shape} row losses")
        for (role, x), y in zip(self.slopes.items(), answer.slopes.values(), strict=True):
            demand(y.shape == np.shape(columns[role]), f"{change} gives a gradient of shape {y.shape} by {role}")
            demand(np.array_equal(x.ravel(), y.ravel(), equal_nan=True), f"{change} gives another gradient by {role}")


def activations_agree(case: Case) -> None:
    """Check that raw outputs with an activation give the number of the activated outputs."""
    domain = case.form.roles.get("pred")
    if domain is None:
        return
    columns = case.data()
    for name in sorted(domain.activations() - {"none"}):
        raw = case.raw(name)
        natural = {**columns, "pred": APPLY[name](raw)}
        if domain.outside(natural["pred"]).any():
            continue
        value = case.loss(task=case.form.name, activation=name, **case.arguments({**columns, "pred": raw}))
        due = case.value(natural)
        demand(near(due, value, 1e-9, 1e-3), f"{name} gives {value!r} instead of {due!r}")


def strangers_are_refused(case: Case) -> None:
    """Check that NaN, infinities and values outside a domain raise DataError with the name of the role."""
    columns = case.data()
    for role, domain in case.form.roles.items():
        for value in strangers(domain, columns[role][..., -1], case.width):
            spoilt = columns[role].astype(np.float64)
            spoilt[(-1,) * spoilt.ndim] = value
            case.refuses(DataError, case.arguments({**columns, role: spoilt}), f"{role} {value:.17g}", role)
        if isinstance(domain, Flag):
            mixed = np.zeros_like(columns[role])
            mixed[-1, -1] = -1.0
            case.refuses(DataError, case.arguments({**columns, role: mixed}), f"{role} of both -1 and 0", role)


def bad_weights_are_refused(case: Case) -> None:
    """Check that weights that are negative, not finite, all zero or too few raise DataError."""
    arguments = case.arguments(case.data())
    for value in (-1.0, np.nan, np.inf):
        weight = np.ones(ROWS)
        weight[-1] = value
        case.refuses(DataError, arguments, f"a weight {value!r}", "weight", weight)
    case.refuses(DataError, arguments, "a weight of all zeros", "weight", np.zeros(ROWS))
    case.refuses(DataError, arguments, "a weight with a row missing", "weight", np.ones(ROWS - 1))


def bad_shapes_are_refused(case: Case) -> None:
    """Check that other row counts raise DataError; missing roles and widths that fit no form raise UsageError."""
    arguments = case.arguments(case.data())
    for role in arguments if len(arguments) > 1 else ():
        case.refuses(DataError, {**arguments, role: arguments[role][:-1]}, f"{role} with a row missing", role)
    for role in arguments.keys() - OPTIONAL:
        case.refuses(UsageError, {**arguments, role: None}, f"data without {role}", role)
    case.refuses(UsageError, {**arguments, "stranger": np.ones(ROWS)}, "a role of another loss", "stranger")
    counts = {role: 1 if x.ndim == 1 else x.shape[1] for role, x in arguments.items()}
    for role, width in product(arguments, (1, 2, 3, 4, 5)):
        if case.loss.form_for({**counts, role: width}, case.form.name) is None:
            columns = np.resize(arguments[role], (ROWS, width))
            case.refuses(UsageError, {**arguments, role: columns}, f"{role} with {width} columns", role)


NUMBERS: tuple[Law, ...] = (
    ordinary_data_have_a_number,
    curve_evaluates,
    gradient_is_the_slope,
    raw_gradient_is_the_slope,
    merging_is_exact,
    ends_give_numbers,
    weights_repeat_rows,
    zero_weight_is_absence,
    row_order_is_free,
    value_is_the_mean,
    reading_has_its_slope,
    influence_is_the_slope_by_weight,
    best_is_at_the_truth,
)
SPELLINGS: tuple[Law, ...] = (
    form_is_reached,
    inputs_are_left_alone,
    spelling_of_flags_is_free,
    container_is_free,
    one_column_is_never_broadcast,
    activations_agree,
)
REFUSALS: tuple[Law, ...] = (strangers_are_refused, bad_weights_are_refused, bad_shapes_are_refused)
