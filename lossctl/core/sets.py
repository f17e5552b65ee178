"""Sets: rows that stand together, such as the answers to one query, and losses of whole sets.

A loss of sets is the mean over sets of a number per set. The number stands at the set's first row and 0 at the others,
beside a mark of the first rows, so that sums, slices, weights and replicates of rows hold it as they hold any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.core.batch import Batch, derived
from lossctl.core.declare import declare
from lossctl.core.form import QUERY
from lossctl.core.loss import Loss, Part
from lossctl.core.statistic import SET_MEAN
from lossctl.numerics.array import Array


@derived
def starts(batch: Batch) -> NDArray[Any]:
    """Return where each set begins: rows of equal `query` stand together; without that role all rows are one set."""
    query = batch.roles.get(QUERY)
    if query is None:
        return np.zeros(min(batch.rows, 1), dtype=np.int64)
    return np.flatnonzero(np.concatenate([np.ones(min(batch.rows, 1), dtype=bool), query[0, 1:] != query[0, :-1]]))


@derived
def sizes(batch: Batch) -> NDArray[Any]:
    """Return how many rows each set has."""
    return np.diff(starts(batch), append=batch.rows)


@derived
def set_of(batch: Batch) -> NDArray[Any]:
    """Return the number of the set that each row belongs to."""
    return np.repeat(np.arange(len(starts(batch))), sizes(batch))


def spans(batch: Batch) -> Iterator[slice]:
    """Yield the rows of each set."""
    ends = [*starts(batch).tolist(), batch.rows]
    return (slice(*pair) for pair in pairwise(ends))


def first_of_set(batch: Batch) -> Array:
    """1 at the first row of each set, 0 at the others."""
    line = np.zeros(batch.rows)
    line[starts(batch)] = 1.0
    return line


def at_first_rows(function: Part) -> Part:
    """Turn a function that returns one number per set, (sets,), into a part that has it at the sets' first rows."""

    @wraps(function)
    def part(batch: Batch, **args: Any) -> Array:
        line = np.zeros(batch.rows)
        line[starts(batch)] = function(batch, **args)
        return line

    return part


def set_loss(**facts: Any) -> Callable[[Part], Loss]:
    """Declare the mean over sets of `function(batch, *, params) -> (sets,)` as a loss; see `starts` and `spans`.

    Every form has the role `query`. A set for which the loss is not defined is NaN. There is no per-row value.
    """

    def made(function: Part) -> Loss:
        return declare(function, parts=(at_first_rows(function), first_of_set), statistic=SET_MEAN, **facts)

    return made
