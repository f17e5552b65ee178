"""Counts: rows and exact sums by cells of numbers, a state that merges in any order to the same bits.

A cell holds the floats that share sign, exponent and the first bits of the mantissa; as an integer that ascends with
the floats, its key is theirs without their last bits. A state begins with all bits, so that few different numbers stay
what they are, and drops one after the other where there are too many cells: how many are dropped in the end depends on
all numbers and on nothing else. Edges of cells are floats of few digits, such as multiples of a power of two, and
counts between such edges are those of the numbers themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import frexp, ldexp
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from lossctl.core.state import SHIFT, ratio
from lossctl.numerics.array import Array

Ints = NDArray[np.int64]

MAGNITUDE: Final = (1 << 63) - 1  # all bits of a float but its sign
LARGEST: Final = float(np.finfo(np.float64).max)
MANTISSA: Final = 52  # bits
MOST: Final = 1 << 14  # cells
LIMB: Final = 32  # bits of a sum that are added at a time: so many of up to 2^31 rows fit into 63 bits
MOST_EXPONENT: Final = 1000  # of a factor
WIDE: Final = 1 << 62
DENSE: Final = 8  # keys for each row up to which an array with a place for every key is the shortest way


def keys_of(values: Array) -> Ints:
    """Return integers that ascend with floats; both zeros are one, and an infinity is the largest number."""
    bits = (np.clip(values, -LARGEST, LARGEST) + 0.0).view(np.int64)
    return np.where(bits < 0, -(bits & MAGNITUDE), bits)


def floats_of(keys: Ints) -> Array:
    """Return the floats of keys."""
    magnitude = np.abs(keys).view(np.float64)
    return np.where(keys < 0, -magnitude, magnitude)


@dataclass(frozen=True)
class Counts:
    """Rows by cell, with the exact sums of a few lines over the rows of each.

    keys: (dimensions, cells), in lexical order, without the last `drop` bits. rows: (cells,). sums: (lines, limbs,
    cells) whole numbers of LIMB bits, the first limb counting units of 2^(32 low - 1074). most: cells, beyond which
    bits are dropped. lost: the lines of which a value was not finite, and counted as 0.
    """

    keys: Ints
    rows: Ints
    sums: Ints
    low: int = 0
    drop: int = 0
    most: int = MOST
    lost: frozenset[int] = frozenset()

    @classmethod
    def of(cls, keys: Ints, lines: Array | None = None, *, most: int = MOST, drop: int = 0) -> Self:
        """Count (dimensions, rows) keys; (lines, rows) numbers are summed. drop: bits that are dropped anyway."""
        keys = cls.cut(keys, 0, drop)
        examples, rows, places = _cells(cls.codes(keys, drop))
        cells = keys[:, examples]
        if lines is None:
            return cls(cells, rows, np.zeros((0, 0, len(rows)), dtype=np.int64), 0, drop, most)._coarse(drop)
        finite = np.isfinite(lines)
        lost = frozenset(np.flatnonzero(~finite.all(axis=1)).tolist())
        sums, low = _limbs(np.where(finite, lines, 0.0) if lost else lines, places, len(rows))
        return cls(cells, rows, sums, low, drop, most, lost)._coarse(drop)

    @staticmethod
    def cut(keys: Ints, drop: int, more: int) -> Ints:
        """Return keys without their last `drop` bits as keys without their last `more` bits."""
        return keys >> (more - drop)

    @staticmethod
    def codes(keys: Ints, drop: int) -> Ints:
        """Return whole numbers that ascend as keys do, as small as they can be soon."""
        return keys

    def merge(self, *later: Self) -> Self:
        """Return the state of the rows of several."""
        states = (self, *later)
        drop = max(state.drop for state in states)
        low = min((state.low for state in states if state.sums.size), default=0)
        height = max(state.low - low + state.sums.shape[1] if state.sums.size else 0 for state in states)
        return (
            type(self)(
                np.concatenate([self.cut(state.keys, state.drop, drop) for state in states], axis=1),
                np.concatenate([state.rows for state in states]),
                np.concatenate([_raised(state.sums, state.low - low, height) for state in states], axis=2),
                low,
                drop,
                self.most,
                frozenset().union(*(state.lost for state in states)),
            )
            ._gathered()
            ._coarse(drop)
        )

    def _coarse(self, drop: int) -> Self:
        """Drop `drop` bits or more, as few as leave at most `most` cells."""
        low, state = drop, self.dropped(drop)
        fits = state
        step = 1
        while len(fits.rows) > self.most:
            low, fits = fits.drop, state.dropped(fits.drop + step)
            step *= 2
        while fits.drop - low > 1:  # `low` bits are too few
            middle = state.dropped((low + fits.drop) // 2)
            low, fits = (low, middle) if len(middle.rows) <= self.most else (middle.drop, fits)
        return fits

    def dropped(self, drop: int) -> Self:
        """Return the same rows in cells that lack so many bits."""
        if drop <= self.drop:
            return self
        return replace(self, keys=self.cut(self.keys, self.drop, drop), drop=drop)._gathered()

    def _gathered(self) -> Self:
        """Return the state with one cell for each key."""
        order, starts = _order(self.codes(self.keys, self.drop))
        if not len(order):
            return self
        rows, sums = (np.add.reduceat(counts[..., order], starts, axis=-1) for counts in (self.rows, self.sums))
        return replace(self, keys=self.keys[:, order][:, starts], rows=rows, sums=sums)

    # what is read of it ------------------------------------------------------------------------------------------

    @property
    def cells(self) -> int:
        return len(self.rows)

    @property
    def bits(self) -> int:
        """The bits of a mantissa that are kept: edges may be up to 2^(bits + 1) multiples of a power of two."""
        return MANTISSA - self.drop

    @property
    def step(self) -> float:
        """The side of all cells, 0 where they have no one."""
        return 0.0

    def low_edges(self, dimension: int = 0) -> Array:
        """Return the least number of each cell."""
        return floats_of(self.keys[dimension] << self.drop)

    def totals(self, line: int) -> Array:
        """Return the sum of a line in each cell, rounded once."""
        return np.array([ratio(units, 1 << SHIFT) for units in self.units(line)])

    def units(self, line: int) -> list[int]:
        """Return the sum of a line in each cell in units of 2^-1074."""
        totals = [0] * self.cells
        for place, limb in enumerate(self.sums[line]):
            shift = LIMB * (self.low + place)
            totals = [total + (digits << shift) for total, digits in zip(totals, limb.tolist(), strict=True)]
        return totals

    def grouped(self, places: Ints) -> Self:
        """Return the same rows in groups of cells, by the (cells,) places of these; only groups with rows are there."""
        return replace(self, keys=places[np.newaxis], drop=0)._gathered()


class GridCounts(Counts):
    """Counts whose cells are squares of a grid, for what is shown along axes that are not logarithmic.

    A cell holds the floats from a multiple of 2^(drop - 1075) to the next, but those beyond 2^52 multiples, which stay
    what they are, as all do where `drop` is 0. Keys are those of the least numbers of cells.
    """

    @staticmethod
    def cut(keys: Ints, drop: int, more: int) -> Ints:
        if drop == more:
            return keys
        values = floats_of(keys)
        with np.errstate(over="ignore"):  # of numbers that stay what they are
            low = _scaled(np.floor(_scaled(values, SHIFT + 1 - more)), more - SHIFT - 1)
        return keys_of(np.where(np.abs(values) < ldexp(1.0, min(more - SHIFT - 1 + MANTISSA, 1023)), low, values))

    @staticmethod
    def codes(keys: Ints, drop: int) -> Ints:
        with np.errstate(over="ignore"):
            places = _scaled(floats_of(keys), SHIFT + 1 - drop)
        return places.astype(np.int64) if drop and float(np.abs(places).max(initial=0.0)) < 1 << MANTISSA else keys

    @property
    def step(self) -> float:
        return ldexp(1.0, self.drop - SHIFT - 1) if self.drop else 0.0

    @property
    def bits(self) -> int:
        return MANTISSA

    def low_edges(self, dimension: int = 0) -> Array:
        return floats_of(self.keys[dimension])


def _packed(keys: Ints) -> Ints:
    """Return (rows,) whole numbers from 0 that ascend as the columns of keys do in lexical order."""
    packed = _from_zero(keys[0])
    for line in keys[1:]:
        packed, more = _ranks(packed), _ranks(_from_zero(line))
        packed = packed * (int(more.max(initial=0)) + 1) + more
    return packed


def _from_zero(line: Ints) -> Ints:
    """Return whole numbers that ascend from 0 as those of a line do."""
    low, high = int(line.min(initial=0)), int(line.max(initial=0))
    return line - low if high - low < WIDE else np.unique(line, return_inverse=True)[1]


def _ranks(line: Ints) -> Ints:
    """Return the places of whole numbers from 0 among the different ones of a line."""
    if int(line.max(initial=0)) >= DENSE * line.size:
        return np.unique(line, return_inverse=True)[1]
    return (np.cumsum(np.bincount(line) > 0) - 1)[line]


def _order(keys: Ints) -> tuple[Ints, Ints]:
    """Return the order that sorts columns of keys, and where in it another one begins."""
    packed = _packed(keys)
    order = np.argsort(packed, kind="stable")  # what is sorted already, in pieces, is soon merged
    packed = packed[order]
    return order, np.flatnonzero(np.concatenate([np.ones(min(len(packed), 1), dtype=bool), packed[1:] != packed[:-1]]))


def _cells(keys: Ints) -> tuple[Ints, Ints, Ints]:
    """Return a row of each different column of (dimensions, rows) keys, its rows, and the place of each row's."""
    packed = _packed(keys)
    span = int(packed.max(initial=0)) + 1
    if span > DENSE * packed.size:
        order, starts = _order(keys)
        rows = np.diff(starts, append=packed.size)
        places = np.empty_like(order)
        places[order] = np.repeat(np.arange(len(rows)), rows)
        return order[starts], rows, places
    counts = np.bincount(packed, minlength=span)
    present, example = np.flatnonzero(counts), np.empty(span, dtype=np.int64)
    example[packed] = np.arange(packed.size)
    return example[present], counts[present], (np.cumsum(counts > 0) - 1)[packed]


def _limbs(lines: Array, places: Ints, size: int) -> tuple[Ints, int]:
    """Sum lines by place as whole numbers of LIMB bits; return (lines, limbs, size) of them, and the first limb."""
    sums = [dict(_limbs_of_line(line, places, size)) for line in lines]
    present = sorted({limb for by_limb in sums for limb in by_limb}) or [0]
    low, stacked = present[0], np.zeros((len(lines), present[-1] - present[0] + 1, size), dtype=np.int64)
    for line, by_limb in zip(stacked, sums, strict=True):
        for limb, digits in by_limb.items():
            line[limb - low] = digits
    return stacked, low


def _limbs_of_line(line: Array, places: Ints, size: int) -> Iterator[tuple[int, Ints]]:
    """Yield the limbs of the sums of a finite line, from the highest: each holds what is left of every value there."""
    while top := float(np.maximum.reduce(np.abs(line), initial=0.0)):
        limb = (frexp(top)[1] - 1 + SHIFT) // LIMB
        digits = np.trunc(_scaled(line, SHIFT - LIMB * limb))
        yield limb, np.bincount(places, digits, size).astype(np.int64)
        line = line - _scaled(digits, LIMB * limb - SHIFT)


def _scaled(values: Array, exponent: int) -> Array:
    """Return values times a power of two."""
    return values * ldexp(1.0, exponent) if abs(exponent) < MOST_EXPONENT else np.ldexp(values, exponent)


def _raised(sums: Ints, below: int, height: int) -> Ints:
    """Pad sums with `below` empty limbs at the low end, and with others at the high end up to `height`."""
    return (
        np.pad(sums, ((0, 0), (below, height - below - sums.shape[1]), (0, 0)))
        if sums.size
        else np.zeros((len(sums), height, sums.shape[2]), dtype=np.int64)
    )
