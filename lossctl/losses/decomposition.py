"""Decomposition of proper losses: loss = miscalibration - discrimination + uncertainty.

It is CORP (Dimitriadis, Gneiting & Jordan 2021, doi:10.1073/pnas.2016191118; of means and quantiles of numbers
Gneiting & Resin 2023, doi:10.1214/23-EJS2180). Predictions are recalibrated by isotonic regression: by the
non-decreasing function of them whose loss is the smallest, so that rows of equal predictions have one value. The
reference is the best constant. Miscalibration is what the recalibrated predictions gain on the predictions,
discrimination what they gain on the reference, uncertainty the loss of the reference. Where several quantiles fit the
lower one is taken; they have the same loss.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from heapq import heappop, heappush
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np

from lossctl.core.batch import Batch, flag
from lossctl.core.declare import sample
from lossctl.core.form import Form
from lossctl.core.loss import Direction, Loss
from lossctl.losses.rank import Rows, Runs, plain_pred, scaled
from lossctl.numerics.array import Array, lower_quantiles


class Scores(NamedTuple):
    """The loss of each row: as predicted, recalibrated, and of the reference; the last two are computed when called."""

    predicted: Array
    recalibrated: Callable[[], Array]
    reference: Callable[[], Array]


class Component(NamedTuple):
    """One component: what of each row it is the mean of, and what a better model's is."""

    of_rows: Callable[[Scores], Array]
    direction: Direction
    best: float | None = None
    ranks: bool = True


COMPONENTS: Final[Mapping[str, Component]] = {
    "miscalibration": Component(lambda rows: rows.predicted - rows.recalibrated(), "min", best=0.0),
    "discrimination": Component(lambda rows: rows.reference() - rows.recalibrated(), "max"),
    "uncertainty": Component(lambda rows: rows.reference(), "min", ranks=False),
}


def obstacle(loss: Loss, form: Form, columns: int) -> str:
    """Return why a loss of `columns` prediction or target columns cannot be decomposed; "" where it can."""
    if loss.row is None or not loss.functional:
        return "the best prediction is not the mean or a quantile of all targets"
    if form.labels or form.name == "multiclass":
        return "rows of several classes have no order to recalibrate by"
    return "several columns have no common order; --per-output takes each apart" if columns > 1 else ""


def decomposed(loss: Loss, form: Form) -> dict[str, Loss]:
    """Return the components of a loss of one column."""
    assert loss.row is not None
    of_row = loss.term(loss.row, form.name)
    parts = (plain_pred, target_line, loss.row)

    def rows_at(best: Array, target: Array) -> Array:
        """Return the loss of each row of other predictions."""
        return of_row.rows(Batch({"target": target[np.newaxis], "pred": best[np.newaxis]}, form=form.name))

    def of_sample(component: Component) -> Callable[..., float]:
        def value(lines: Array, **args: Any) -> float:
            order, target, predicted, weight = lines
            weight = scaled(weight)

            def fitted(starts: Rows) -> Array:
                if loss.functional == "quantile":
                    best = isotonic_quantiles(target, weight, starts, args.get("q", 0.5))
                else:
                    best = isotonic_means(target, weight, starts)
                return rows_at(best, target)

            scores = Scores(predicted, lambda: fitted(Runs(order).starts), lambda: fitted(np.zeros(1, dtype=np.int64)))
            return float(np.add.reduce(weight * component.of_rows(scores)) / np.add.reduce(weight))

        return value

    return {
        name: loss.of_all_rows(
            **sample(*parts, value=of_sample(component), undefined="out of the range of float64")._asdict(),
            direction=component.direction,
            best=component.best,
            ranks=component.ranks,
        )
        for name, component in COMPONENTS.items()
    }


def target_line(batch: Batch) -> Array:
    """The target, a number or the probability of a yes."""
    return (flag(batch) if batch.form == "binary" else batch.target)[0]


def isotonic_means(target: Array, weight: Array, starts: Rows) -> Array:
    """Return the means of pooled adjacent violators, row by row; a run of rows that begins at a start has one value."""
    pools: list[tuple[int, float, float]] = []  # where each begins, Σ weight x target, Σ weight
    lines = (np.add.reduceat(line, starts).tolist() for line in (weight * target, weight))
    for start, total, mass in zip(starts.tolist(), *lines, strict=True):
        pool = start, total, mass
        while pools and pools[-1][1] * pool[2] > pool[1] * pools[-1][2]:
            before = pools.pop()
            pool = before[0], before[1] + pool[1], before[2] + pool[2]
        pools.append(pool)
    heads = np.array([begin for begin, _, _ in pools])
    means = np.add.reduceat(weight * target, heads) / np.add.reduceat(weight, heads)
    return np.repeat(means, np.diff(heads, append=target.size))


def isotonic_quantiles(target: Array, weight: Array, starts: Rows, q: float) -> Array:
    """Return the same of q-quantiles, the lower one where several fit.

    The least loss of the rows so far, as a function of a bound on their values, is convex, piecewise linear, and flat
    on the right. The heap holds where its slope changes and by how much, the largest first. A row adds a change at its
    target and the slope 1 - q on the right, which then is taken from the largest places; where that ends, the loss is
    least. From the last run on no value is above the one after it.
    """
    if starts.size == 1:
        return np.full(target.size, lower_quantiles(target, weight, q))
    heap: list[tuple[float, float]] = []
    tops: list[float] = []
    values, weights = target.tolist(), weight.tolist()
    for begin, end in pairwise([*starts.tolist(), len(values)]):
        slope = 0.0
        for row in range(begin, end):
            heappush(heap, (-values[row], weights[row]))
            slope += (1.0 - q) * weights[row]
        point = heap[0][0]
        while heap and slope >= heap[0][1]:
            point, change = heappop(heap)
            slope -= change
        if heap:
            point, change = heap[0]
            heap[0] = point, change - slope  # still the smallest
        tops.append(-point)
    bounded = np.minimum.accumulate(np.array(tops)[::-1])[::-1]
    return np.repeat(bounded, np.diff(starts, append=target.size))
