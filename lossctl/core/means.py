"""From batches to sums and back: the lines of a block, and the means that a reading takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from lossctl.core.batch import Batch
from lossctl.core.loss import Term
from lossctl.core.state import View
from lossctl.core.statistic import Means, Statistic
from lossctl.numerics.array import Array
from lossctl.numerics.exact import SHIFT, ratio


def lines(batch: Batch, terms: Iterable[Term], weight: Array | None) -> Iterator[Array]:
    """Evaluate terms on a block, one (rows,) line at a time, times the weight if there is one."""
    return (weighted(term.rows(batch), weight) for term in terms)


def weighted(line: Array, weight: Array | None) -> Array:
    """Return a line times the weight if there is one.

    A row of zero weight counts as zero even where its loss is infinite, as if it stood there zero times.
    """
    if weight is None:
        return line
    line = line * weight
    line[weight == 0.0] = 0.0
    return line


def means(view: View, indexes: Sequence[int], weighted: bool) -> Means:
    """Return the (weighted) means of quantities, an infinity or NaN where a value was not finite."""
    base = view.total_units(0) if weighted else view.rows << SHIFT
    return tuple(np.float64(view.odd[i].value if view.odd[i] else ratio(view.total_units(i), base)) for i in indexes)


def read(reading: Statistic, view: View, indexes: Sequence[int], weighted: bool) -> float:
    """Return the value that a reading takes from merged sums; NaN where it is not defined."""
    with np.errstate(all="ignore"):
        return float(reading.value(means(view, indexes, weighted)))
