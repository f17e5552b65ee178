"""States: what a block of rows becomes, and how two of them merge.

`Moments` holds exact sums and co-moments of a small vector of per-row quantities, `Peak` the largest value,
`Sample` every value. All are small (but `Sample`), picklable, and `merge` returns a new state. Merging is
associative and commutative to the last bit. A state that is made of others merges field by field (`merged_fields`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from lossctl.numerics.array import Array
from lossctl.numerics.exact import fraction, square_fraction

Pairs = tuple[tuple[int, int], ...]
NEVER = 1 << 62  # a row address after every real one
State = TypeVar("State")


def merged(first: Any, second: Any) -> Any:
    """Merge counts (their sum), states, or tuples and mappings of these, entry by entry; None with anything is None."""
    if first is None or second is None:
        return None
    if isinstance(first, int):
        return first + second
    if isinstance(first, Mapping):
        return {**first, **{key: merged(first[key], value) if key in first else value for key, value in second.items()}}
    return first.merge(second) if hasattr(first, "merge") else tuple(map(merged, first, second))


def merged_fields(first: State, second: State, **by_rule: object) -> State:
    """Return the state of the rows of both: each field by `merged`, but for those whose values are in `by_rule`."""
    names = getattr(first, "_fields", ()) or vars(type(first))["__dataclass_fields__"]
    fields = {name: merged(getattr(first, name), getattr(second, name)) for name in names if name not in by_rule}
    return type(first)(**fields, **by_rule)


class Odd(NamedTuple):
    """Values of one quantity that are not finite: how many of each kind, and the first row of any."""

    plus: int = 0
    minus: int = 0
    nan: int = 0
    row: int = NEVER

    def __bool__(self) -> bool:
        return self.values > 0

    @property
    def values(self) -> int:
        """How many values are not finite."""
        return self.plus + self.minus + self.nan

    @property
    def value(self) -> float:
        """What a sum over these values is: an infinity, or NaN where they contradict."""
        if self.nan or (self.plus and self.minus):
            return float("nan")
        return float("inf") if self.plus else float("-inf")

    def merge(self, later: Odd) -> Odd:
        return merged_fields(self, later, row=min(self.row, later.row)) if later else self


FINITE = Odd()


class View(Protocol):
    """A merged state of sums as statistics see it: exact totals of quantities and of their products."""

    @property
    def rows(self) -> int:
        """The number of rows."""

    @property
    def live(self) -> int:
        """The rows of positive weight, on which statistics rest."""

    @property
    def odd(self) -> tuple[Odd, ...]:
        """The values of each quantity that were not finite."""

    def total_units(self, i: int) -> int:
        """Return the sum of quantity `i` in units of 2^-1074."""

    def product_units(self, i: int, j: int) -> int | None:
        """Return the sum of the products of two quantities in units of 2^-2148, None where it is out of range."""

    def cube_units(self, i: int) -> int | None:
        """Return the sum of the cubes of quantity `i` in units of 2^-3222, None where it is out of range."""


class Moments(NamedTuple):
    """Exact sums of K quantities, of the products of chosen pairs of them, and of the cubes of chosen ones.

    `live` counts the rows of positive weight. `sums[i]` counts units of 2^-1074; `products` of `pairs` count units
    of 2^-2148 and `cubes` of the quantities `cubed` units of 2^-3222, or are None where they left the float range.
    A value that is not finite counts as zero here and is described in `odd[i]`.
    """

    pairs: Pairs
    rows: int
    live: int
    sums: tuple[int, ...]
    products: tuple[int | None, ...]
    odd: tuple[Odd, ...]
    cubed: tuple[int, ...] = ()
    cubes: tuple[int | None, ...] = ()

    @classmethod
    def empty(cls, quantities: int, pairs: Pairs, cubed: tuple[int, ...] = ()) -> Self:
        """Return the state of no rows, the identity of `merge`."""
        return cls(pairs, 0, 0, (0,) * quantities, (0,) * len(pairs), (Odd(),) * quantities, cubed, (0,) * len(cubed))

    def merge(self, later: Moments) -> Moments:
        """Return the state of the rows of two."""
        return merged_fields(self, later, pairs=self.pairs, cubed=self.cubed)

    def total_units(self, i: int) -> int:
        """Return the sum of quantity `i` in units of 2^-1074."""
        return self.sums[i]

    def total(self, i: int) -> Fraction:
        """Return the exact sum of quantity `i`."""
        return fraction(self.sums[i])

    def product_units(self, i: int, j: int) -> int | None:
        """Return the sum of the products of quantities `i` and `j` in units of 2^-2148."""
        return self.products[self.pairs.index((i, j) if (i, j) in self.pairs else (j, i))]

    def product(self, i: int, j: int) -> Fraction | None:
        """Return the sum of the products of quantities `i` and `j`, None where it overflowed."""
        total = self.product_units(i, j)
        return None if total is None else square_fraction(total)

    def cube_units(self, i: int) -> int | None:
        """Return the sum of the cubes of quantity `i` in units of 2^-3222."""
        return self.cubes[self.cubed.index(i)]


class Peak(NamedTuple):
    """The largest value of one quantity, over the rows of positive weight."""

    rows: int = 0
    top: float = -np.inf

    @classmethod
    def of(cls, values: Array) -> Self:
        return cls(values.size, float(np.maximum.reduce(values, initial=-np.inf)))

    def merge(self, later: Peak) -> Peak:
        return Peak(self.rows + later.rows, float(np.maximum(self.top, later.top)))


INFLUENCE_LINES = 18  # numbers for each row that the influence of the rows takes while it is computed


class Sample(NamedTuple):
    """Every value of a few quantities, with their weights: pieces of (quantities + 1) lines, weights last.

    Each line of a piece is in the smallest type that holds its bits, and one number where all are the same.
    """

    pieces: tuple[tuple[NDArray[Any], ...], ...] = ()

    @classmethod
    def of(cls, values: Array) -> Self:
        return cls((tuple(map(packed, values)),))

    def merge(self, later: Sample) -> Sample:
        return Sample(self.pieces + later.pieces)

    @property
    def rows(self) -> int:
        return sum(piece[0].size for piece in self.pieces)

    @staticmethod
    def bytes_per_row(lines: int, influence: bool = False) -> int:
        """Return the most bytes that a row of `lines` numbers, weight included, takes, sorting included."""
        return 8 * (3 * lines + 2 + (INFLUENCE_LINES if influence else 0)) if lines else 0

    def unordered(self) -> Array:
        """Return all values as one array, in the order of arrival."""
        return np.array(self._lines(), dtype=np.float64)

    def ordered(self) -> Array:
        """Return all values as one array, sorted so that the order of arrival leaves no trace."""
        return self.sorting()[0]

    def sorting(self) -> tuple[Array, NDArray[np.int64]]:
        """Return all values as one sorted array, and the order that sorts those of `unordered`."""
        lines = self._lines()
        order = order_of(lines)
        values = np.empty((len(lines), order.size))
        for place in reversed(range(len(lines))):
            values[place] = lines.pop()[order]
        return values, order

    def _lines(self) -> list[NDArray[Any]]:
        return [np.concatenate(pieces) for pieces in zip(*self.pieces, strict=True)]


def packed(line: Array) -> NDArray[Any]:
    """Return a line in the smallest type that holds its bits."""
    with np.errstate(all="ignore"):
        for kind in (np.int8, np.float32):
            if _same_bits(line[:64].astype(kind), line[:64]) and _same_bits(small := line.astype(kind), line):
                return np.broadcast_to(small[:1].copy(), small.shape) if (small == small[:1]).all() else small
    return line.copy()


def _same_bits(small: NDArray[Any], line: Array) -> bool:
    return bool((small.astype(np.float64).view(np.int64) == np.ascontiguousarray(line).view(np.int64)).all())


def order_of(lines: Sequence[NDArray[Any]] | Array) -> NDArray[np.int64]:
    """Return the order of columns by their first number, then the second, and so on."""
    keys = [line for line in lines if line.size and (line != line[0]).any()]  # to sort takes longer than to look
    if not keys:
        return np.arange(lines[0].size)
    if keys[0].itemsize < 4:  # sorted by its digits
        return np.lexsort(keys[::-1])
    order = np.argsort(keys[0])
    rises = keys[0][order]
    tied = (rises[1:] == rises[:-1]) | np.isnan(rises[:-1])  # NaN is the last
    if len(keys) > 1 and tied.any():
        run = np.cumsum(np.concatenate([[True], ~tied]))
        places = np.flatnonzero(np.concatenate([[False], tied]) | np.concatenate([tied, [False]]))
        rows = order[places]
        order[places] = rows[np.lexsort((*(key[rows] for key in keys[:0:-1]), run[places]))]
    return order
