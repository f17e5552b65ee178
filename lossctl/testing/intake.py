"""Laws of intake: how data may be spelt and held, and what must be refused."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.core.domain import Box, Flag
from lossctl.core.form import OPTIONAL
from lossctl.errors import DataError, UsageError
from lossctl.numerics.activation import APPLY
from lossctl.testing.cases import (
    ROWS,
    Case,
    Columns,
    demand,
    hard,
    near,
    strangers,
)


def spelling_of_flags_is_free(case: Case) -> None:
    """Check that flags written -1 and +1, or as booleans, give the same numbers as 0 and 1."""
    if not isinstance(case.form.roles.get("target"), Flag):
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
        ("read-only arrays", "fractions", _locked),
    ):
        due[name].demand_of({role: change(x) for role, x in arguments[name].items()}, words)


def _locked(x: NDArray[Any]) -> NDArray[Any]:
    view = x.view()
    view.flags.writeable = False
    return view


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
    raw = columns["pred"] if isinstance(domain, Box) else case.rng.normal(0.0, 1.5, columns["pred"].shape)
    for name in sorted(domain.activations() - {"none"}):
        apply: Any = APPLY[name]
        natural = {**columns, "pred": apply(raw)}
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
