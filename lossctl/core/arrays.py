"""Losses of whole arrays: the same blocks, states and checks as the streaming engine, for callers in Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lossctl.core.batch import BLOCK, Batch, residual
from lossctl.core.breach import breach, judged
from lossctl.core.domain import NON_NEGATIVE, RANGES, Codes
from lossctl.core.form import OPTIONAL, QUERY, Form, checked_task, form_wish
from lossctl.core.gradients import slopes
from lossctl.core.labels import ClassCodes, label
from lossctl.core.loss import Loss, fitted
from lossctl.core.means import lines, read
from lossctl.core.state import NEVER, Moments, Peak, Sample, moments_of
from lossctl.errors import DataError, UsageError, listed, near
from lossctl.numerics.array import Array

FEW: Final = 64  # rows among which a first residual is looked for
Roles = Mapping[str, object]
Arrays = dict[str, NDArray[Any]]


def evaluate(
    loss: Loss, given: Roles, weight: object, activation: str | None, classes: object, task: str | None
) -> float:
    """Return the loss of whole arrays; see `Loss.__call__`."""
    loss, form, arrays, names = checked(loss, given, activation, classes, task)
    rows = next(iter(arrays.values())).shape[-1]
    weights = None if weight is None else _weights(weight, rows)
    if QUERY in arrays:
        arrays, weights = gathered(arrays, weights)
    if weights is not None and loss.over_sets:
        check_set_weights(arrays.get(QUERY), weights)
    state: Moments | Peak | Sample | None = None
    with np.errstate(all="ignore"):
        for start, batch in batches(arrays, form, activation, names):
            part = block_state(loss, form, batch, None if weights is None else weights[start : start + batch.rows])
            state = part if state is None else state.merge(part)  # type: ignore[arg-type]  # kinds never mix
        return value_of(loss, state, weights is not None)


def block_state(loss: Loss, form: Form, batch: Batch, weight: Array | None) -> Moments | Peak | Sample:
    """Reduce one block for one loss."""
    terms = loss.terms(form.name)
    if loss.keeps == "moments":
        lead = [] if weight is None else [weight]
        return moments_of(chain(lead, lines(batch, terms, weight)), (), np.arange(batch.rows))
    values = np.stack([term.rows(batch) for term in terms] + [np.ones(batch.rows) if weight is None else weight])
    kept = np.ascontiguousarray(values[:, values[-1] > 0.0])
    return Peak.of(kept[0]) if loss.keeps == "peak" else Sample.of(kept)


def value_of(loss: Loss, state: Moments | Peak | Sample | None, weighted: bool) -> float:
    """Read a merged state; raise DataError where there are no rows."""
    if state is None or state.rows == 0:
        raise DataError(f"{loss.spec}: no rows, so there is no number")
    if isinstance(state, Moments):
        lead = int(weighted)
        return read(loss.reading, state, range(lead, lead + len(loss.parts)), weighted)
    if isinstance(state, Peak):
        return state.top
    assert loss.whole is not None
    return loss.whole(state.ordered(), **loss.args)


def each(loss: Loss, given: Roles, activation: str | None, classes: object, task: str | None) -> Array:
    """Return per-row losses; see `Loss.each`."""
    if loss.row is None:
        raise UsageError(f"{loss.spec} has no per-row value: {loss.summary}")
    loss, form, arrays, names = checked(loss, given, activation, classes, task)
    if loss.row is None:
        raise UsageError(f"{loss.spec} has no per-row value for several outputs: {loss.summary}")
    term = loss.term(loss.row, form.name)
    with np.errstate(all="ignore"):
        found = [term.rows(batch) for _, batch in batches(arrays, form, activation, names)]
    return np.concatenate(found) if found else np.empty(0)


def grad(
    loss: Loss, given: Roles, activation: str | None, classes: object, task: str | None
) -> NDArray[Any] | dict[str, NDArray[Any]]:
    """Return the gradient of each row's loss; see `Loss.grad`."""
    if loss.gradient is None:
        reason = "it has no per-row value" if loss.row is None else "it is flat almost everywhere"
        raise UsageError(f"{loss.spec} has no gradient: {reason}")
    loss, form, arrays, names = checked(loss, given, activation, classes, task)
    if loss.gradient is None:
        raise UsageError(f"{loss.spec} has no gradient for several outputs: it has no per-row value")
    found: dict[str, list[Array]] = {role: [] for role in loss.pred_roles}
    with np.errstate(all="ignore"):
        if not next(iter(arrays.values())).shape[-1]:
            raise DataError(f"{loss.spec}: no rows, so there is no gradient")
        for _, batch in batches(arrays, form, activation, names):
            for role, slope in slopes(loss, batch, form.name).items():
                found[role].append(slope)
    shaped = {
        role: np.concatenate(parts, axis=1).T.reshape(np.shape(_array(role, given[role])))
        for role, parts in found.items()
    }
    return shaped if len(shaped) > 1 else next(iter(shaped.values()))


def batches(
    arrays: Arrays, form: Form, activation: str | None, classes: Sequence[str] = ()
) -> Iterator[tuple[int, Batch]]:
    """Cut arrays into blocks at fixed addresses, each contiguous by column; a loss of sets takes them whole."""
    rows = next(iter(arrays.values())).shape[-1]
    target = arrays.get("target")
    origin = first_finite(target)
    origins = [] if target is None or target.ndim != 2 else [first_finite(line[np.newaxis]) for line in target]
    step = max(rows, 1) if QUERY in form.roles else BLOCK
    gap = first_gap(arrays, activation or "none")
    for start in range(0, rows, step):
        block = {role: np.ascontiguousarray(x[..., start : start + step]) for role, x in arrays.items()}
        yield (
            start,
            Batch(
                block,
                form=form.name,
                activation=activation or "none",
                origin=origin,
                origins=origins,
                gap=gap,
                classes=classes,
            ),
        )


def first_gap(roles: Mapping[str, NDArray[Any]], activation: str) -> float:
    """Return the first finite residual of the first column, about which variances of residuals are taken."""
    target, raw = (roles.get(role) for role in ("target", "pred"))
    if target is None or raw is None or target.ndim != 2 or target.shape != raw.shape:
        return 0.0
    with np.errstate(all="ignore"):
        return first_finite(residual(Batch({"target": target[:, :FEW], "pred": raw[:, :FEW]}, activation=activation)))


def first_finite(target: NDArray[Any] | None) -> float:
    """Return the first finite value of the first target column, about which variances are taken."""
    if target is None or target.ndim != 2:
        return 0.0
    finite = np.isfinite(target[0])
    return float(target[0][np.argmax(finite)]) if finite.any() else 0.0


def checked(
    loss: Loss, given: Roles, activation: str | None, classes: object, task: str | None
) -> tuple[Loss, Form, Arrays, tuple[str, ...]]:
    """Bring arrays by role into (width, rows) form and check shapes and domains.

    Returns the loss as it takes them, its form, the arrays, and the labels of the classes.
    """
    for role, value in given.items():
        if value is not None and role not in loss.roles:
            raise UsageError(f"{loss.spec} has no role {role!r}; it takes {listed(list(loss.roles))}")
    arrays = {role: _array(role, value) for role, value in given.items() if value is not None}
    for role in loss.roles:
        if role not in arrays and role not in OPTIONAL:
            raise UsageError(f"{loss.spec} needs {role}=; it takes {listed(list(loss.roles))}")
    lengths = {role: len(x) for role, x in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"{loss.spec}: row counts differ: " + ", ".join(f"{r} {n}" for r, n in lengths.items()))
    widths = {role: int(np.prod(x.shape[1:], dtype=np.int64)) for role, x in arrays.items()}
    if not all(widths.values()):
        raise UsageError(f"{loss.spec}: {listed([role for role, width in widths.items() if not width])} has no columns")
    for word, text in (("activation", activation), ("task", task)):
        if text is not None and not isinstance(text, str):
            raise UsageError(f"{word}: {text!r} is not allowed; a text such as 'sigmoid' or 'binary', or None")
    name = activation or "none"
    named = task if task in {form.name for form in loss.forms} else checked_task(task)
    taken = fitted(loss, widths, form_wish(named, (name,)))
    if taken is None:
        raise UsageError(misfit(loss, widths))
    loss, form = taken
    if fault := unfit(loss, form, name):
        raise UsageError(fault)
    columns: Arrays = {}
    names: tuple[str, ...] = ()
    for role, x in arrays.items():
        if role == "target" and form.labels:
            columns[role], names = _codes(x, classes, widths["pred"], loss.ignored)
        else:
            columns[role] = _identities(x) if isinstance(form.roles[role], Codes) else _columns(role, x)
    for role, x in columns.items():
        domain = form.roles[role]
        found = breach(judged(domain, role, name), x, np.arange(lengths[role]))
        if found.first != NEVER:
            value = x[..., found.first]
            raise DataError(
                f"{role}[{found.first}] = {np.squeeze(value)} is outside {domain}, which {loss.spec} needs"
                + (f" ({domain.hint})" if domain.hint else "")
            )
    return loss, form, columns, names


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
    found = ", ".join(f"{role} has {width} column{'' if width == 1 else 's'}" for role, width in widths.items())
    return f"{loss.spec}: {found}; it takes " + ", or ".join(form.layout() for form in loss.forms)


def unfit(loss: Loss, form: Form, activation: str) -> str:
    """Return why an activation cannot feed a loss, or nothing."""
    if activation not in RANGES:
        return f"unknown activation {activation!r}; one of {listed(list(RANGES))}{near(activation, list(RANGES))}"
    if "pred" not in form.roles or activation in form.roles["pred"].activations():
        return ""
    span = "rows of probabilities" if activation == "softmax" else f"values in {RANGES[activation]}"
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
        array = np.asarray(value)
    except ValueError:
        raise UsageError(f"{role} holds rows of different lengths") from None
    if array.ndim == 0:
        raise UsageError(f"{role} is a single value; an array of rows is needed")
    return array


def _columns(role: str, array: NDArray[Any]) -> Array:
    if array.dtype.kind not in "biuf":
        raise UsageError(f"{role} holds {array.dtype} values; numbers are needed")
    width = int(np.prod(array.shape[1:], dtype=np.int64))
    return np.ascontiguousarray(array.reshape(len(array), width).T, dtype=np.float64)


def _codes(
    target: NDArray[Any], classes: object, count: int, ignored: tuple[str, ...]
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Turn class labels into codes: positions in `classes`, or the integers 0 .. K-1; ignored labels come after."""
    known = ClassCodes(range(count) if classes is None else np.asarray(classes).tolist())
    if len(known.classes) != count:
        raise UsageError(f"{len(known.classes)} classes, but the prediction has {count} columns")
    wider = known.and_ignored(ignored)
    labels, place = np.unique(target.reshape(-1), return_inverse=True)
    codes = wider.of(labels.tolist())[:-1][place]
    if (codes < 0).any():
        row = int(np.argmax(codes < 0))
        found = target.reshape(-1).tolist()[row]
        raise DataError(f"target[{row}] = {found!r} is no class; the classes are {listed(list(known.classes))}")
    return codes, known.classes


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
    found = breach(NON_NEGATIVE, weights[np.newaxis], np.arange(rows))
    if found.row != NEVER:
        raise DataError(f"weight[{found.row}] = {weights[found.row]} is outside {NON_NEGATIVE}")
    if rows and not weights.any():
        raise DataError("every weight is zero, so there is no number")
    return weights
