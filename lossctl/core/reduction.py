"""Reduction: one block of quantities to exact moments, a line at a time, so that a line is still in the cache."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from lossctl.core.state import FINITE, Moments, Odd, Pairs, odd_values
from lossctl.numerics.array import Array
from lossctl.numerics.exact import SHIFT, units

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
    return {j: tuple(i for i, other in pairs if other == j) for _, j in pairs}


@lru_cache
def last_use(pairs: Pairs) -> dict[int, int]:
    """Return for each quantity the last one with which it is multiplied."""
    return {i: max(other for first, other in pairs if first == i) for i, _ in pairs}


class Centred(Generic[Line]):
    """Lines of one block on their way into products: each is kept only as long as another waits for it."""

    def __init__(self, pairs: Pairs) -> None:
        self._partners, self._last = partners(pairs), last_use(pairs)
        self._held: dict[int, Line] = {}

    def products(self, j: int, line: Line) -> Iterator[tuple[int, Line]]:
        """Take line `j`, and yield each line (itself too) with which it is to be multiplied."""
        self._held[j] = line
        for i in self._partners.get(j, ()):
            yield i, self._held[i]
        for i in [i for i in self._held if self._last.get(i, -1) <= j]:
            del self._held[i]


class BlockMoments:
    """Moments of one block in the making, line by line.

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
        self._centred: Centred[CentredLine] = Centred(pairs)

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
        taken = about_zero(line, cubed) if spare else about_pivot(line, cubed)
        if not math.isfinite(taken.rest):
            odd = odd_values(line, self.addresses)
            line = np.where(np.isfinite(line), line, 0.0)
            taken = about_pivot(line, cubed)
            if not math.isfinite(taken.rest):  # the sum is out of range, though no value is
                shift = OUT_OF_RANGE
                taken = replace(about_pivot(np.ldexp(line, -shift)), square=math.inf)
        m, r = units(taken.pivot), units(taken.rest)
        if not spare and not shift and taken.shows_rounding:
            r = exact_sum(line) - self.rows * m
        self._pivots.append(m)
        self._rests.append(r)
        self._sums.append((self.rows * m + r) << shift)
        self._odd.append(odd)
        for i, other in self._centred.products(place, taken):
            self._products[i, place] = self._product(i, place, other, taken)
        if cubed:
            self._cubes[place] = self._cube(place, taken)

    def _cube(self, i: int, taken: CentredLine) -> int | None:
        if not math.isfinite(taken.cube + taken.square):
            return None
        m, r = self._pivots[i], self._rests[i]
        cubes = (units(taken.cube) << (2 * SHIFT)) + 3 * m * (units(taken.square) << SHIFT)
        return cubes + 3 * m * m * r + self.rows * m**3

    def _product(self, i: int, j: int, left: CentredLine, right: CentredLine) -> int | None:
        total = right.square if i == j else sum_of_products(left.line, right.line)
        if not math.isfinite(total + left.square + right.square):
            return None
        if i == j and total == 0.0 and bool(left.line.any()):  # a spread that underflowed is not none
            return None
        m, r = self._pivots, self._rests
        return (units(total) << SHIFT) + m[i] * r[j] + m[j] * r[i] + self.rows * m[i] * m[j]

    def state(self) -> Moments:
        """Return the moments of all lines taken."""
        if not self.rows:
            return Moments.empty(len(self._sums), self.pairs, self.cubed)
        products = tuple(self._products[pair] for pair in self.pairs)
        cubes = tuple(self._cubes[i] for i in self.cubed)
        return Moments(
            self.pairs, self.rows, self.live, tuple(self._sums), products, tuple(self._odd), self.cubed, cubes
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
    some = line[:: max(1, len(line) // PIVOT_ROWS)]
    pivot = float(np.add.reduce(some)) / len(some)
    return centred_line(line - pivot, pivot, cubed)


def about_zero(line: Array, cubed: bool = False) -> CentredLine:
    """Take a line that may be overwritten about zero, or in its place about its mean where that saves digits."""
    taken = centred_line(line, 0.0, cubed)
    if abs(taken.rest) * NEAR_ZERO <= math.sqrt(len(line)) * math.sqrt(taken.square):
        return taken
    pivot = taken.rest / len(line)
    return centred_line(np.subtract(line, pivot, out=line), pivot, cubed) if math.isfinite(pivot) else taken


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


def sum_of_products(left: Array, right: Array) -> float:
    """Return Σ left right over (rows,) lines: short runs one after the other, the runs pairwise; no BLAS."""
    whole = len(left) - len(left) % RUN
    runs = np.einsum("ij,ij->i", left[:whole].reshape(-1, RUN), right[:whole].reshape(-1, RUN))
    return float(np.add.reduce(runs)) + float(np.einsum("i,i->", left[whole:], right[whole:]))


def sum_of_cubes(line: Array) -> float:
    """Return Σ line³ as `sum_of_products` adds; a line of squares in between would not stay in the cache."""
    whole = len(line) - len(line) % RUN
    runs, rest = line[:whole].reshape(-1, RUN), line[whole:]
    return float(np.add.reduce(np.einsum("ij,ij,ij->i", runs, runs, runs))) + float(
        np.einsum("i,i,i->", rest, rest, rest)
    )
