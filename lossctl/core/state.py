"""States: what a block of rows becomes, and how two of them merge.

`Moments` holds exact sums and co-moments of a small vector of per-row quantities, `Peak` the largest value,
`Sample` every value. All are small (but `Sample`), picklable, and `merge` returns a new state. Merging is
associative and commutative to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Final, Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from lossctl.numerics.array import Array
from lossctl.numerics.exact import SHIFT, fraction, square_fraction, units

Pairs = tuple[tuple[int, int], ...]
NEVER = 1 << 62  # a row address after every real one


@dataclass(frozen=True)
class Odd:
    """Values of one quantity that are not finite: how many of each kind, and the first row of any."""

    plus: int = 0
    minus: int = 0
    nan: int = 0
    row: int = NEVER

    def __bool__(self) -> bool:
        return self.count > 0

    @property
    def count(self) -> int:
        return self.plus + self.minus + self.nan

    @property
    def value(self) -> float:
        """What a sum over these values is: an infinity, or NaN where they contradict."""
        if self.nan or (self.plus and self.minus):
            return float("nan")
        return float("inf") if self.plus else float("-inf")

    def merge(self, later: Odd) -> Odd:
        return Odd(self.plus + later.plus, self.minus + later.minus, self.nan + later.nan, min(self.row, later.row))


FINITE = Odd()


def odd_values(values: Array, addresses: NDArray[np.int64]) -> Odd:
    """Count the values of one quantity (rows,) that are not finite."""
    finite = np.isfinite(values)
    if finite.all():
        return FINITE
    return Odd(
        int(np.count_nonzero(values == np.inf)),
        int(np.count_nonzero(values == -np.inf)),
        int(np.count_nonzero(np.isnan(values))),
        int(addresses[np.argmin(finite)]),
    )


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


@dataclass(frozen=True)
class Moments:
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
        return Moments(
            pairs=self.pairs,
            rows=self.rows + later.rows,
            live=self.live + later.live,
            sums=tuple(a + b for a, b in zip(self.sums, later.sums, strict=True)),
            products=_added(self.products, later.products),
            odd=tuple(a.merge(b) if b else a for a, b in zip(self.odd, later.odd, strict=True)),
            cubed=self.cubed,
            cubes=_added(self.cubes, later.cubes),
        )

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


def _added(sums: tuple[int | None, ...], later: tuple[int | None, ...]) -> tuple[int | None, ...]:
    """Add sums, None being out of range."""
    return tuple(None if a is None or b is None else a + b for a, b in zip(sums, later, strict=True))


@dataclass(frozen=True)
class Peak:
    """The largest value of one quantity, over the rows of positive weight."""

    rows: int = 0
    top: float = -np.inf

    @classmethod
    def of(cls, values: Array) -> Self:
        return cls(values.size, float(np.maximum.reduce(values, initial=-np.inf)))

    def merge(self, later: Peak) -> Peak:
        return Peak(self.rows + later.rows, float(np.maximum(self.top, later.top)))


@dataclass(frozen=True)
class Sample:
    """Every value of a few quantities, with their weights: (quantities + 1, rows) pieces, weights last."""

    pieces: tuple[Array, ...] = ()

    @classmethod
    def of(cls, values: Array) -> Self:
        return cls((values,))

    def merge(self, later: Sample) -> Sample:
        return Sample(self.pieces + later.pieces)

    @property
    def rows(self) -> int:
        return sum(piece.shape[1] for piece in self.pieces)

    @staticmethod
    def bytes_per_row(lines: int) -> int:
        """Return what a row of so many lines, weights included, takes at most: kept, joined, sorted."""
        return 8 * (3 * lines + 2) if lines else 0

    def ordered(self) -> Array:
        """Return all values as one array, sorted so that the order of arrival leaves no trace."""
        lines = np.concatenate(self.pieces, axis=1)
        return np.ascontiguousarray(lines[:, np.lexsort(lines[::-1])])


PIVOT_ROWS: Final = 1024  # rows of a block whose mean is its pivot
MAX_EXPONENT: Final = 1022
FEW: Final = 8192  # rows up to which a sum is always taken exactly
CANCELS: Final = 32  # ... as it is where the mean is less than 1/32 of the spread
NEAR_ZERO: Final = 4  # times that a mean fits into the spread, where taking it off saves no digits
RUN: Final = 128  # products that are added one after the other
OUT_OF_RANGE: Final = 64  # bits by which values are made smaller where their sum leaves the float range
Line = TypeVar("Line")


def moments_of(lines: Iterable[Array], pairs: Pairs, addresses: NDArray[np.int64], live: int | None = None) -> Moments:
    """Reduce one block of quantities, each a (rows,) line; lines may be made one at a time."""
    block = BlockMoments(pairs, addresses, live)
    for line in lines:
        block.add(line)
    return block.state()


@lru_cache
def partners(pairs: Pairs) -> dict[int, tuple[int, ...]]:
    """Return for each quantity the earlier ones (and itself) with which it is multiplied."""
    return {j: tuple(i for i, second in pairs if second == j) for _, j in pairs}


@lru_cache
def last_use(pairs: Pairs) -> dict[int, int]:
    """Return for each quantity the last one with which it is multiplied."""
    return {i: max(second for first, second in pairs if first == i) for i, _ in pairs}


class Centred(Generic[Line]):
    """The lines of one block that products still need: each is kept until its last one."""

    def __init__(self, pairs: Pairs) -> None:
        self._partners, self._last = partners(pairs), last_use(pairs)
        self._lines: dict[int, Line] = {}

    def products(self, j: int, line: Line) -> Iterator[tuple[int, Line]]:
        """Take line `j`, and yield each line (itself too) with which it is to be multiplied."""
        self._lines[j] = line
        for i in self._partners.get(j, ()):
            yield i, self._lines[i]
        for i in [i for i in self._lines if self._last.get(i, -1) <= j]:
            del self._lines[i]


class BlockMoments:
    """The moments of one block, taken line by line.

    Each line x is taken about a pivot m, the mean of some of its rows: with d = x - m and r = Σd the sum is n m + r,
    a sum of products is Σ d_i d_j + m_i r_j + m_j r_i + n m_i m_j, and one of cubes Σd³ + 3 m Σd² + 3 m² r + n m³;
    all but the sums over d are exact integers.
    """

    def __init__(
        self, pairs: Pairs, addresses: NDArray[np.int64], live: int | None = None, cubed: tuple[int, ...] = ()
    ) -> None:
        self.pairs = pairs
        self.cubed = cubed
        self.addresses = addresses
        self.rows = len(addresses)
        self.live = self.rows if live is None else live
        self._pivots: list[int] = []
        self._rests: list[int] = []
        self._sums: list[int] = []
        self._odd: list[Odd] = []
        self._products: dict[tuple[int, int], int | None] = {}
        self._cubes: dict[int, int | None] = {}
        self._waiting: Centred[CentredLine] = Centred(pairs)

    def add(self, line: Array, spare: bool = False) -> None:
        """Take the next quantity.

        The line is only read, unless it is `spare`: then it is overwritten, and as its sum is not shown, the last
        digit of what nearly cancels need not be right.
        """
        if not self.rows:
            self._sums.append(0)
            self._odd.append(FINITE)
            return
        shift, odd, place = 0, FINITE, len(self._sums)
        cubed = place in self.cubed
        centred = about_zero(line, cubed) if spare else about_pivot(line, cubed)
        if not math.isfinite(centred.rest):
            odd = odd_values(line, self.addresses)
            line = np.where(np.isfinite(line), line, 0.0)
            centred = about_pivot(line, cubed)
            if not math.isfinite(centred.rest):  # the sum is out of range, though no value is
                shift = OUT_OF_RANGE
                centred = replace(about_pivot(np.ldexp(line, -shift)), square=math.inf)
        m, r = units(centred.pivot), units(centred.rest)
        if not spare and not shift and centred.shows_rounding:
            r = exact_sum(line) - self.rows * m
        self._pivots.append(m)
        self._rests.append(r)
        self._sums.append((self.rows * m + r) << shift)
        self._odd.append(odd)
        for i, earlier in self._waiting.products(place, centred):
            self._products[i, place] = self._product(i, place, earlier, centred)
        if cubed:
            self._cubes[place] = self._cube(place, centred)

    def _cube(self, i: int, centred: CentredLine) -> int | None:
        if not math.isfinite(centred.cube + centred.square):
            return None
        m, r = self._pivots[i], self._rests[i]
        cubes = (units(centred.cube) << (2 * SHIFT)) + 3 * m * (units(centred.square) << SHIFT)
        return cubes + 3 * m * m * r + self.rows * m**3

    def _product(self, i: int, j: int, earlier: CentredLine, centred: CentredLine) -> int | None:
        total = centred.square if i == j else sum_of_products(earlier.line, centred.line)
        if not math.isfinite(total + earlier.square + centred.square):
            return None
        if i == j and total == 0.0 and bool(centred.line.any()):  # a spread that underflowed is not none
            return None
        m, r = self._pivots, self._rests
        return (units(total) << SHIFT) + m[i] * r[j] + m[j] * r[i] + self.rows * m[i] * m[j]

    def state(self) -> Moments:
        """Return the moments of all lines taken."""
        if not self.rows:
            return Moments.empty(len(self._sums), self.pairs, self.cubed)
        return Moments(
            pairs=self.pairs,
            rows=self.rows,
            live=self.live,
            sums=tuple(self._sums),
            products=tuple(self._products[pair] for pair in self.pairs),
            odd=tuple(self._odd),
            cubed=self.cubed,
            cubes=tuple(self._cubes[i] for i in self.cubed),
        )


@dataclass(frozen=True)
class CentredLine:
    """A line d = x - m about its pivot m, its sum r = Σd, its square Σd² and, where it is asked for, its cube Σd³."""

    line: Array
    pivot: float
    rest: float
    square: float
    cube: float = 0.0

    @property
    def shows_rounding(self) -> bool:
        """Whether rounding in d and r could show in the last digit of the sum: few rows, or they nearly cancel."""
        rows = len(self.line)
        return rows <= FEW or abs(rows * self.pivot + self.rest) * CANCELS < math.sqrt(rows) * math.sqrt(self.square)


def about_pivot(line: Array, cubed: bool = False) -> CentredLine:
    """Take a line about the mean of some of its rows, spread evenly."""
    rows = line[:: max(1, len(line) // PIVOT_ROWS)]
    pivot = float(np.add.reduce(rows)) / len(rows)
    return centred_line(line - pivot, pivot, cubed)


def about_zero(line: Array, cubed: bool = False) -> CentredLine:
    """Take a line that may be overwritten about zero, or in its place about its mean where that saves digits."""
    plain = centred_line(line, 0.0, cubed)
    if abs(plain.rest) * NEAR_ZERO <= math.sqrt(len(line)) * math.sqrt(plain.square):
        return plain
    pivot = plain.rest / len(line)
    return centred_line(np.subtract(line, pivot, out=line), pivot, cubed) if math.isfinite(pivot) else plain


def centred_line(centred: Array, pivot: float, cubed: bool) -> CentredLine:
    """Sum a line that is taken about a pivot, with its squares and cubes."""
    square = sum_of_products(centred, centred)
    cube = sum_of_cubes(centred) if cubed else 0.0
    return CentredLine(centred, pivot, float(np.add.reduce(centred)), square, cube)


def exact_sum(line: Array) -> int:
    """Sum a finite line whose sum is in range, in units of 2^-1074.

    The leading digits of every value are cut at one power of two large enough that they add without rounding
    (Zielke & Drygalla 2003; Rump, Ogita & Oishi 2008, doi:10.1137/050645671); what is left over is so small that
    its rounding does not reach the last digit of the sum, unless that cancels to a part in 2^50 of its terms.
    """
    top = max(float(np.maximum.reduce(line)), -float(np.minimum.reduce(line)))
    exponent = math.frexp(top)[1] + len(line).bit_length() + 1
    if exponent > MAX_EXPONENT:
        return units(float(np.add.reduce(line)))
    cut = math.ldexp(1.0, exponent)
    lead = line + cut
    lead -= cut
    return units(float(np.add.reduce(lead))) + units(float(np.add.reduce(line - lead)))


def sum_of_products(x: Array, y: Array) -> float:
    """Return Σ x y over (rows,) lines: short runs one after the other, the runs pairwise; no BLAS."""
    end = len(x) - len(x) % RUN
    runs = np.einsum("ij,ij->i", x[:end].reshape(-1, RUN), y[:end].reshape(-1, RUN))
    return float(np.add.reduce(runs)) + float(np.einsum("i,i->", x[end:], y[end:]))


def sum_of_cubes(line: Array) -> float:
    """Return Σ line³ as `sum_of_products` adds; a line of squares in between would not stay in the cache."""
    end = len(line) - len(line) % RUN
    runs, tail = line[:end].reshape(-1, RUN), line[end:]
    cubes = np.einsum("ij,ij,ij->i", runs, runs, runs)
    return float(np.add.reduce(cubes)) + float(np.einsum("i,i,i->", tail, tail, tail))
