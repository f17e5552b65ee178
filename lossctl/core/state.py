"""States: what a block of rows becomes, and how two of them merge.

`Moments` holds exact sums and co-moments of a small vector of per-row quantities, `Peak` the largest value,
`Sample` every value. All are small (but `Sample`), picklable, and `merge` returns a new state. Merging is
associative and commutative to the last bit, as sums are whole numbers: every finite float is an integer times
2^-1074, and Python's integers add exactly (the superaccumulator of Kulisch, 1981, with them as the register).
A state that is made of others merges field by field (`merged_fields`).
`BlockMoments` takes the sums of one block.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import cached_property, lru_cache
from itertools import pairwise
from operator import mul
from typing import Any, Final, NamedTuple, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from lossctl.numerics.array import Array, Mask

SHIFT: Final = 1074  # 2^-1074 is the smallest positive float64
Pairs = tuple[tuple[int, int], ...]
NEVER = 1 << 62  # a row address after every real one
Ints = NDArray[np.int64]
Pieces = Callable[..., Array]
NOTHING: Final = np.empty(0)
KINDS: Final = 3  # +inf, -inf, nan
PIECE: Final = 2048  # rows that are added in one call, of BLAS too, which starts threads for more than 10,000
LONG: Final = 8192  # rows from which on a segment is added piece by piece
FEW: Final = 8192  # rows up to which a sum is always taken exactly
CANCELS: Final = 32  # ... as it is where the mean is less than 1/32 of the spread
NEARLY_CONSTANT: Final = 1.0 - 2.0**-10  # mean² / mean of squares above which products about 0 lose digits
MAX_EXPONENT: Final = 1022
OUT_OF_RANGE: Final = 64  # bits by which values are made smaller where their sum leaves the float range
State = TypeVar("State")

# exact sums: whole numbers of the smallest positive float64 -----------------------------------------------------------


def units(x: float) -> int:
    """Return the finite float `x` as a whole number of 2^-1074."""
    numerator, denominator = x.as_integer_ratio()
    return numerator << (SHIFT + 1 - denominator.bit_length())


def fraction(total: int) -> Fraction:
    """Return `total` units of 2^-1074 as an exact fraction."""
    return Fraction(total, 1 << SHIFT)


def square_fraction(total: int) -> Fraction:
    """Return `total` units of 2^-2148, the scale of a product of two floats, as an exact fraction."""
    return Fraction(total, 1 << (2 * SHIFT))


def root(numerator: int, denominator: int) -> float:
    """Return the square root of a fraction >= 0, also where the fraction itself is out of the float range."""
    half = (numerator.bit_length() - denominator.bit_length()) // 2
    if half >= 0:
        denominator <<= 2 * half
    else:
        numerator <<= -2 * half
    return math.ldexp(math.sqrt(ratio(numerator, denominator)), half)


def ratio(numerator: int, denominator: int) -> float:
    """Round a fraction to the nearest float64, to an infinity where it is out of range; no common factor is sought."""
    try:
        return numerator / denominator
    except OverflowError:
        return math.inf if (numerator > 0) == (denominator > 0) else -math.inf


def rounded(x: Fraction) -> float:
    """Round an exact fraction to the nearest float64, to an infinity where it is out of range."""
    return ratio(x.numerator, x.denominator)


# states ---------------------------------------------------------------------------------------------------------------


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


def means(view: View, indexes: Sequence[int], weighted: bool) -> tuple[np.float64, ...]:
    """Return the (weighted) means of quantities, an infinity or NaN where a value was not finite."""
    base = view.total_units(0) if weighted else view.rows << SHIFT
    return tuple(np.float64(view.odd[i].value if view.odd[i] else ratio(view.total_units(i), base)) for i in indexes)


def covariance_units(view: View, i: int, j: int) -> int | None:
    """n (n - 1) times the unbiased covariance of two quantities, in units of 2^-2148."""
    product = view.product_units(i, j)
    return None if product is None else view.live * product - view.total_units(i) * view.total_units(j)


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


# the sums of the lines of one block, of their products and of their cubes, one segment of rows after the other; -------
# the segments are the runs of a block for all rows, or each group's rows within a run: one way of summing for both


class Segments:
    """Consecutive rows of a block: (segments,) places at which each begins; none is empty."""

    def __init__(self, starts: Ints, rows: int) -> None:
        self.starts, self.rows = starts, rows

    @cached_property
    def sizes(self) -> Ints:
        """The (segments,) numbers of rows."""
        bounds = np.concatenate((self.starts, (self.rows,)))
        return bounds[1:] - bounds[:-1]

    @cached_property
    def slices(self) -> list[slice]:
        """The rows of each segment."""
        return [slice(start, stop) for start, stop in pairwise([*self.starts.tolist(), self.rows])]

    @cached_property
    def _scratch(self) -> Array:
        return np.empty(self.rows)

    @cached_property
    def _long(self) -> list[int]:
        """The segments whose products BLAS adds sooner than they are written out and added."""
        return [int(s) for s in np.flatnonzero(self.sizes >= LONG)]

    @cached_property
    def _are_even(self) -> bool:
        """Whether all segments are of one length, and whole pieces."""
        size = self.rows // len(self.starts) if len(self.starts) else 0
        return size >= LONG and size % PIECE == 0 and bool((self.sizes == size).all())

    def counts(self, rows: Mask) -> Ints:
        """Count the rows of a mask by segment."""
        return np.add.reduceat(rows, self.starts, dtype=np.int64)

    def sums(self, line: Array) -> Array:
        """Sum a (rows,) line by segment."""
        return self._by_segment(sums_of_pieces, (line,), lambda: line)

    def products(self, x: Array, y: Array) -> Array:
        """Sum the products of two lines by segment."""
        return self._by_segment(products_of_pieces, (x, y), lambda: np.multiply(x, y, out=self._scratch))

    def _by_segment(self, pieces: Pieces, lines: tuple[Array, ...], line: Callable[[], Array]) -> Array:
        """Add what is summed of the pieces of long segments, and a line over the short ones."""
        if self._are_even:
            return np.array([added(row) for row in pieces(PIECE, *lines).reshape(len(self.starts), -1).tolist()])
        all_long = len(self._long) == len(self.starts)
        sums = np.empty(len(self.starts)) if all_long else np.add.reduceat(line(), self.starts)
        for s in self._long:
            start, stop = self.slices[s].start, self.slices[s].stop
            cut = stop - (stop - start) % PIECE
            tail = pieces(stop - cut, *(x[cut:stop] for x in lines)).tolist() if cut < stop else []
            sums[s] = added(pieces(PIECE, *(x[start:cut] for x in lines)).tolist() + tail)
        return sums

    def means(self, line: Array, sums: Array) -> Array:
        """Return the mean of each segment from its sum; where all values are equal, that value to the last bit."""
        low, high = np.minimum.reduceat(line, self.starts), np.maximum.reduceat(line, self.starts)
        return np.clip(sums / self.sizes, low, high)

    def spread(self, values: NDArray[Any]) -> NDArray[Any]:
        """Repeat a value of each segment for its rows."""
        return np.repeat(values, self.sizes)


def sums_of_pieces(size: int, line: Array) -> Array:
    """Sum every piece of so many rows."""
    return np.add.reduce(line.reshape(-1, size), axis=1)


def products_of_pieces(size: int, x: Array, y: Array) -> Array:
    """Sum the products of two lines over every piece of so many rows."""
    return np.vecdot(x.reshape(-1, size), y.reshape(-1, size))


def added(pieces: list[float]) -> float:
    """Add the sums of pieces without rounding, so that a long run is rounded little more than a short one."""
    try:
        return math.fsum(pieces)
    except (OverflowError, ValueError):  # out of range, or infinities that contradict
        return float(np.add.reduce(pieces))


class Line(NamedTuple):
    """A line d = x - m, m its (segments,) pivots, mostly 0; Σd by segment and, where they are needed, Σd² and Σd³."""

    values: Array
    pivots: Array
    rests: Array
    squares: Array | None = None
    cubes: Array | None = None


class BlockSums:
    """The sums of the lines of one block, which are taken one after the other.

    A line x is summed as it is, and about a pivot m only where its mean is so large beside its spread that products
    would lose digits: with d = x - m and r = Σd the sum is n m + r, a sum of products is
    Σ d_i d_j + m_i r_j + m_j r_i + n m_i m_j, and one of cubes Σd³ + 3 m Σd² + 3 m² r + n m³.
    pairs: the lines whose products are summed. cubed: those whose cubes are. odd: see `GroupedMoments`, by segment.
    """

    few = 0  # rows up to which a segment is always summed about a pivot

    def __init__(self, segments: Segments, addresses: Ints, pairs: Pairs, cubed: tuple[int, ...]) -> None:
        self.segments, self.addresses, self.pairs, self.cubed = segments, addresses, pairs, cubed
        self.lines: list[Line] = []  # without their values
        self.products: dict[tuple[int, int], Array] = {}
        self.odd: dict[int, Ints] = {}
        self._partners, self._last_use = partners(pairs), last_use(pairs)
        self._waiting: dict[int, Line] = {}  # lines whose products are still to come

    def add(self, x: Array, spare: bool = False) -> None:
        """Take the next quantity, which is only read; the sum of a `spare` one need not be right where it cancels."""
        place = len(self.lines)
        sums = self.segments.sums(x)
        if not np.isfinite(sums).all():
            x, sums = self._without_odd(place, x)
        line = self._line(place, x, sums, spare)
        self.lines.append(line._replace(values=NOTHING))
        self._waiting[place] = line
        for i in self._partners.get(place, ()):
            self.products[i, place] = self._product(self._waiting[i], line)
        for i in [i for i in self._waiting if self._last_use.get(i, -1) <= place]:
            del self._waiting[i]

    def addresses_of(self, rows: Ints) -> Ints:
        """Return the addresses of some rows of the lines."""
        return self.addresses[rows]

    def _line(self, place: int, x: Array, sums: Array, spare: bool) -> Line:
        segments = self.segments
        pivots = np.zeros(len(sums))
        if place not in self._last_use and (spare or not self.few):
            return Line(x, pivots, sums)
        level = segments.sizes <= self.few
        squares = None if len(level) and level.all() else segments.products(x, x)
        if squares is not None:
            level |= (np.square(sums) >= NEARLY_CONSTANT * segments.sizes * squares) & (sums != 0.0)
        if level.any():
            pivots = np.where(level, segments.means(x, sums), 0.0)
            x = x - segments.spread(pivots)
            sums, squares = segments.sums(x), segments.products(x, x)
        return Line(x, pivots, sums, squares, segments.products(np.square(x), x) if place in self.cubed else None)

    def _product(self, earlier: Line, line: Line) -> Array:
        """Sum the products of two lines; NaN where those of a line with itself underflow: a spread that is not none."""
        if earlier is not line:
            return self.segments.products(earlier.values, line.values)
        assert line.squares is not None
        if line.squares.all():
            return line.squares
        moves = self.segments.counts(line.values != 0.0) > 0
        return np.where((line.squares == 0.0) & moves, np.nan, line.squares)

    def _without_odd(self, place: int, x: Array) -> tuple[Array, Array]:
        """Move values that are not finite out of a line into the record of their segments; return it and its sums."""
        rows = np.flatnonzero(~np.isfinite(x))
        if len(rows):
            values, segment = x[rows], np.searchsorted(self.segments.starts, rows, side="right") - 1
            record = self.odd[place] = no_odd(len(self.segments.starts))
            for kind, test in enumerate((values == np.inf, values == -np.inf, np.isnan(values))):
                record[kind] = np.bincount(segment[test], minlength=record.shape[1])
            np.minimum.at(record[KINDS], segment, self.addresses_of(rows))
            x = x.copy()
            x[rows] = 0.0
        return x, self.segments.sums(x)


class BlockMoments(BlockSums):
    """The moments of one block of all rows; its segments are runs, which begin at the places `runs`.

    A sum of few rows, or of rows that nearly cancel, is taken to the last digit.
    """

    few = FEW

    def __init__(
        self,
        pairs: Pairs,
        addresses: Ints,
        live: int | None = None,
        cubed: tuple[int, ...] = (),
        runs: Sequence[int] = (0,),
    ) -> None:
        starts = np.array(runs if len(addresses) else (), dtype=np.int64)
        super().__init__(Segments(starts, len(addresses)), addresses, pairs, cubed)
        self.live = len(addresses) if live is None else live
        self._shifts: dict[int, int] = {}
        self._sums: dict[tuple[int, int], int] = {}  # those taken to the last digit, by place and segment

    def _line(self, place: int, x: Array, sums: Array, spare: bool) -> Line:
        line = super()._line(place, x, sums, spare)
        if not np.isfinite(sums + line.rests).all():  # out of range, though no value is
            x, self._shifts[place] = np.ldexp(x, -OUT_OF_RANGE), OUT_OF_RANGE
            line = super()._line(place, x, self.segments.sums(x), spare)
            return line._replace(squares=np.full(len(sums), np.inf))
        if not spare:
            assert line.squares is not None
            sizes = self.segments.sizes
            show_rounding = sizes <= FEW
            if not show_rounding.all():
                means = np.abs(sizes * line.pivots + line.rests)
                show_rounding |= means * CANCELS < np.sqrt(sizes) * np.sqrt(line.squares)
            for s in np.flatnonzero(show_rounding).tolist():
                self._sums[place, s] = exact_sum(x[self.segments.slices[s]])
        return line

    def skip(self, elsewhere: BlockSums) -> None:
        """Leave out the next quantity, which is summed elsewhere: here its sum is 0, and it has no products."""
        place, zeros = len(self.lines), np.zeros(len(self.segments.starts))
        self.lines.append(Line(NOTHING, zeros, zeros))
        if place in elsewhere.odd:
            self.odd[place] = elsewhere.odd[place]

    def state(self) -> Moments:
        """Return the moments of all lines taken."""
        if not self.segments.rows:
            return Moments.empty(len(self.lines), self.pairs, self.cubed)
        sizes = self.segments.sizes.tolist()
        pivots = [list(map(units, line.pivots.tolist())) for line in self.lines]
        rests = [list(map(units, line.rests.tolist())) for line in self.lines]
        for (place, s), total in self._sums.items():
            rests[place][s] = total - sizes[s] * pivots[place][s]
        sums = [sum(map(mul, sizes, m), sum(r)) for m, r in zip(pivots, rests, strict=True)]

        squares = [[math.nan] if line.squares is None else line.squares.tolist() for line in self.lines]
        in_range = [are_finite(line) for line in squares]

        def product(i: int, j: int) -> int | None:
            products = self.products[i, j].tolist()
            if not (in_range[i] and in_range[j] and are_finite(products)):
                return None
            terms = zip(products, sizes, pivots[i], pivots[j], rests[i], rests[j], strict=True)
            return sum((units(dd) << SHIFT) + mi * rj + mj * (ri + n * mi) for dd, n, mi, mj, ri, rj in terms)

        def cube(i: int) -> int | None:
            line = self.lines[i].cubes
            cubes = [] if line is None else line.tolist()
            if not (in_range[i] and are_finite(cubes)):
                return None
            terms = zip(cubes, squares[i], sizes, pivots[i], rests[i], strict=True)
            return sum(
                (units(ddd) << 2 * SHIFT) + m * (3 * (units(dd) << SHIFT) + m * (3 * r + n * m))
                for ddd, dd, n, m, r in terms
            )

        return Moments(
            pairs=self.pairs,
            rows=self.segments.rows,
            live=self.live,
            sums=tuple(total << self._shifts.get(place, 0) for place, total in enumerate(sums)),
            products=tuple(product(*pair) for pair in self.pairs),
            odd=tuple(self._odd(place) for place in range(len(self.lines))),
            cubed=self.cubed,
            cubes=tuple(map(cube, self.cubed)),
        )

    def _odd(self, place: int) -> Odd:
        if place not in self.odd:
            return FINITE
        plus, minus, nan = self.odd[place][:KINDS].sum(axis=1).tolist()
        return Odd(plus, minus, nan, int(self.odd[place][KINDS].min()))


def moments_of(lines: Iterable[Array], pairs: Pairs, addresses: Ints) -> Moments:
    """Reduce one block of quantities, each a (rows,) line; lines may be made one at a time."""
    block = BlockMoments(pairs, addresses)
    for line in lines:
        block.add(line)
    return block.state()


def are_finite(sums: Sequence[float]) -> bool:
    """Whether all sums are in range."""
    return all(map(math.isfinite, sums))


@lru_cache
def partners(pairs: Pairs) -> dict[int, tuple[int, ...]]:
    """Return for each quantity the earlier ones (and itself) with which it is multiplied."""
    return {j: tuple(i for i, second in pairs if second == j) for _, j in pairs}


@lru_cache
def last_use(pairs: Pairs) -> dict[int, int]:
    """Return for each quantity that is multiplied the last one with which it is."""
    return {i: max(max(pair) for pair in pairs if i in pair) for i in {i for pair in pairs for i in pair}}


def no_odd(segments: int) -> Ints:
    """Return the record of segments without a value that is not finite."""
    record = np.zeros((KINDS + 1, segments), dtype=np.int64)
    record[KINDS] = NEVER
    return record


def exact_sum(line: Array, cuts: int = 1) -> int:
    """Sum a finite line whose sum is in range, in units of 2^-1074.

    The leading digits of every value are cut at one power of two large enough that they add without rounding
    (Zielke & Drygalla 2003; Rump, Ogita & Oishi 2008, doi:10.1137/050645671), `cuts` times; what is left over is so
    small that its rounding does not reach the last digit of the sum, unless that cancels to a part in 2^50 of its
    terms, or with every further cut to a part in 2^30 of that.
    """
    total = 0
    for _ in range(cuts):
        top = max(float(np.maximum.reduce(line)), -float(np.minimum.reduce(line)))
        exponent = math.frexp(top)[1] + len(line).bit_length() + 1
        if exponent > MAX_EXPONENT:
            return total + (units(math.fsum(np.ldexp(line, -OUT_OF_RANGE).tolist())) << OUT_OF_RANGE)
        if not top:
            break
        cut = math.ldexp(1.0, exponent)
        lead = line + cut
        lead -= cut
        total += units(float(np.add.reduce(lead)))
        line = np.subtract(line, lead, out=lead)
    return total + units(float(np.add.reduce(line)))


def exact_sums(lines: Array) -> list[int]:
    """Sum every one of finite (lines, rows), none of which is near the end of the range, as `exact_sum` does."""
    tops = np.maximum(lines.max(axis=1), -lines.min(axis=1))
    cuts = np.ldexp(1.0, np.frexp(tops)[1] + lines.shape[1].bit_length() + 1)[:, np.newaxis]
    lead = lines + cuts
    lead -= cuts
    sums = np.add.reduce(lead, axis=1), np.add.reduce(lines - lead, axis=1)
    return [units(large) + units(small) for large, small in zip(*(half.tolist() for half in sums), strict=True)]
