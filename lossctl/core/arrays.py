"""Losses of whole arrays: the same blocks, states and checks as the streaming engine, for callers in Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.core.activation import RANGES
from lossctl.core.batch import BLOCK, Batch
from lossctl.core.check import breach, judged
from lossctl.core.domain import NON_NEGATIVE, Array
from lossctl.core.form import Form, checked_task, form_wish
from lossctl.core.labels import ClassCodes
from lossctl.core.loss import Loss
from lossctl.core.reduction import moments_of
from lossctl.core.state import NEVER, Moments, Peak, Sample
from lossctl.core.tally import lines, read
from lossctl.errors import DataError, UsageError, listed, near

Roles = Mapping[str, object]
Arrays = dict[str, NDArray[Any]]


def evaluate(
    loss: Loss, given: Roles, weight: object, activation: str | None, classes: object, task: str | None
) -> float:
    """Return the loss of whole arrays; see `Loss.__call__`."""
    form, arrays = checked(loss, given, activation, classes, task)
    rows = next(iter(arrays.values())).shape[-1]
    weights = None if weight is None else _weights(weight, rows)
    state: Moments | Peak | Sample | None = None
    with np.errstate(all="ignore"):
        for start, batch in batches(arrays, form, activation):
            part = block_state(loss, form, batch, None if weights is None else weights[start : start + BLOCK])
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
    form, arrays = checked(loss, given, activation, classes, task)
    term = loss.term(loss.row, form.name)
    with np.errstate(all="ignore"):
        found = [term.rows(batch) for _, batch in batches(arrays, form, activation)]
    return np.concatenate(found) if found else np.empty(0)


def grad(loss: Loss, given: Roles, classes: object, task: str | None) -> NDArray[Any] | dict[str, NDArray[Any]]:
    """Return the gradient of each row's loss; see `Loss.grad`."""
    if loss.gradient is None:
        reason = "it has no per-row value" if loss.row is None else "it is flat almost everywhere"
        raise UsageError(f"{loss.spec} has no gradient: {reason}")
    form, arrays = checked(loss, given, None, classes, task)
    args = dict(loss.args_of(loss.gradient))
    per_row, row_args = (loss.row, dict(loss.args_of(loss.row))) if loss.row else (None, {})
    found: dict[str, list[Array]] = {role: [] for role in loss.pred_roles}
    with np.errstate(all="ignore"):
        for _, batch in batches(arrays, form, None):
            slope = loss.gradient(batch, **args)
            averaged = per_row is not None and per_row(batch, **row_args).ndim == 2
            outputs = len(batch[loss.pred_roles[0]]) if averaged else 1
            for role, values in (slope if isinstance(slope, dict) else {loss.pred_roles[0]: slope}).items():
                found[role].append(np.broadcast_to(values / outputs, batch[role].shape))
    shaped = {
        role: np.concatenate(parts, axis=1).T.reshape(np.shape(_array(role, given[role])))
        for role, parts in found.items()
    }
    return shaped if len(shaped) > 1 else next(iter(shaped.values()))


def batches(arrays: Arrays, form: Form, activation: str | None) -> Iterator[tuple[int, Batch]]:
    """Cut arrays into blocks at fixed addresses, each contiguous by column."""
    rows = next(iter(arrays.values())).shape[-1]
    origin = first_finite(arrays.get("target"))
    for start in range(0, rows, BLOCK):
        block = {role: np.ascontiguousarray(x[..., start : start + BLOCK]) for role, x in arrays.items()}
        yield start, Batch(block, form=form.name, activation=activation or "none", origin=origin)


def first_finite(target: NDArray[Any] | None) -> float:
    """Return the first finite value of the first target column, about which variances are taken."""
    if target is None or target.ndim != 2:
        return 0.0
    finite = np.isfinite(target[0])
    return float(target[0][np.argmax(finite)]) if finite.any() else 0.0


def checked(loss: Loss, given: Roles, activation: str | None, classes: object, task: str | None) -> tuple[Form, Arrays]:
    """Bring arrays by role into (width, rows) form and check shapes and domains."""
    for role, value in given.items():
        if value is not None and role not in loss.roles:
            raise UsageError(f"{loss.spec} has no role {role!r}; it takes {listed(list(loss.roles))}")
    arrays = {role: _array(role, value) for role, value in given.items() if value is not None}
    for role in loss.roles:
        if role not in arrays:
            raise UsageError(f"{loss.spec} needs {role}=; it takes {listed(list(loss.roles))}")
    lengths = {role: len(x) for role, x in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"{loss.spec}: row counts differ: " + ", ".join(f"{r} {n}" for r, n in lengths.items()))
    widths = {role: int(np.prod(x.shape[1:], dtype=np.int64)) for role, x in arrays.items()}
    name = activation or "none"
    named = task if task in {form.name for form in loss.forms} else checked_task(task)
    form = loss.form_for(widths, form_wish(named, (name,)))
    if form is None:
        raise UsageError(misfit(loss, widths))
    if fault := unfit(loss, form, name):
        raise UsageError(fault)
    columns = {
        role: _codes(x, classes, max(widths.values())) if role == "target" and form.labels else _columns(role, x)
        for role, x in arrays.items()
    }
    for role, domain in form.roles.items():
        found = breach(judged(domain, role, name), columns[role], np.arange(lengths[role]))
        if found.first != NEVER:
            value = columns[role][..., found.first]
            raise DataError(
                f"{role}[{found.first}] = {np.squeeze(value)} is outside {domain}, which {loss.spec} needs"
                + (f" ({domain.hint})" if domain.hint else "")
            )
    return form, columns


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


def _codes(target: NDArray[Any], classes: object, count: int) -> NDArray[np.int64]:
    """Turn class labels into codes: positions in `classes`, or the integers 0 .. K-1 themselves."""
    known = ClassCodes(range(count) if classes is None else np.asarray(classes).tolist())
    if len(known.classes) != count:
        raise UsageError(f"{len(known.classes)} classes, but the prediction has {count} columns")
    labels, place = np.unique(target.reshape(-1), return_inverse=True)
    codes = known.of(labels.tolist())[:-1][place]
    if (codes < 0).any():
        row = int(np.argmax(codes < 0))
        found = target.reshape(-1).tolist()[row]
        raise DataError(f"target[{row}] = {found!r} is no class; the classes are {listed(list(known.classes))}")
    return codes


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
