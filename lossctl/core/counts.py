"""Counts: rows and exact sums by cells of numbers, a state that merges in any order to the same bits.

A cell holds the floats that share sign, exponent and the first bits of the mantissa; as an integer that ascends with
the floats, its key is theirs without their last bits. A state begins with all bits, so that few different numbers stay
what they are, and drops one after the other where there are too many cells: how many are dropped in the end depends on
all numbers and on nothing else. Edges of cells are floats of few digits, such as multiples of a power of two, and
counts between such edges are those of the numbers themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import frexp
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from lossctl.numerics.array import Array
from lossctl.numerics.exact import SHIFT, ratio

Ints = NDArray[np.int64]

MAGNITUDE: Final = (1 << 63) - 1  # all bits of a float but its sign
LARGEST: Final = float(np.finfo(np.float64).max)
MANTISSA: Final = 52  # bits
MOST: Final = 1 << 14  # cells
LIMB: Final = 32  # bits of a sum that are added at a time: so many of up to 2^31 rows fit into 63 bits
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
        cells, rows, places = _cells(keys >> drop)
        if lines is None:
            return cls(cells, rows, np.zeros((0, 0, len(rows)), dtype=np.int64), 0, drop, most)._coarse(drop)
        finite = np.isfinite(lines)
        lost = frozenset(np.flatnonzero(~finite.all(axis=1)).tolist())
        sums, low = _limbs(np.where(finite, lines, 0.0) if lost else lines, places, len(rows))
        return cls(cells, rows, sums, low, drop, most, lost)._coarse(drop)

    def merge(self, later: Self) -> Self:
        """Return the state of the rows of two."""
        return self._joined(later)._coarse(max(self.drop, later.drop))

    def _joined(self, later: Self) -> Self:
        drop = max(self.drop, later.drop)
        low = min(self.low, later.low) if self.sums.size and later.sums.size else max(self.low, later.low)
        height = max(state.low - low + state.sums.shape[1] for state in (self, later))
        sums = [_raised(state.sums, state.low - low, height) for state in (self, later)]
        return type(self)(
            np.concatenate([state.keys >> (drop - state.drop) for state in (self, later)], axis=1),
            np.concatenate([self.rows, later.rows]),
            np.concatenate(sums, axis=2),
            low,
            drop,
            self.most,
            self.lost | later.lost,
        )._gathered()

    def _coarse(self, drop: int) -> Self:
        """Drop so many bits, and more until there are few enough cells."""
        state = self.dropped(drop)
        while len(state.rows) > state.most:
            state = state.dropped(state.drop + 1)
        return state

    def dropped(self, drop: int) -> Self:
        """Return the same rows in cells that lack so many bits."""
        if drop <= self.drop:
            return self
        fields = self.rows, self.sums, self.low, drop, self.most, self.lost
        return type(self)(self.keys >> (drop - self.drop), *fields)._gathered()

    def _gathered(self) -> Self:
        """Return the state with one cell for each key."""
        order, starts = _order(self.keys)
        return type(self)(
            self.keys[:, order][:, starts],
            np.add.reduceat(self.rows[order], starts) if len(order) else self.rows,
            np.add.reduceat(self.sums[..., order], starts, axis=-1) if len(order) else self.sums,
            self.low,
            self.drop,
            self.most,
            self.lost,
        )

    # what is read of it ------------------------------------------------------------------------------------------

    @property
    def cells(self) -> int:
        return len(self.rows)

    @property
    def bits(self) -> int:
        """The bits of a mantissa that are kept: edges may be up to 2^(bits + 1) multiples of a power of two."""
        return MANTISSA - self.drop

    def low_edges(self, dimension: int = 0) -> Array:
        """Return the least number of each cell."""
        return floats_of(self.keys[dimension] << self.drop)

    def high_edges(self, dimension: int = 0) -> Array:
        """Return the largest number of each cell, which is the least one where all bits are kept."""
        return floats_of(((self.keys[dimension] + 1) << self.drop) - 1)

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
        fields = self.rows, self.sums, self.low, 0, self.most, self.lost
        return type(self)(places[np.newaxis], *fields)._gathered()


def _packed(keys: Ints) -> Ints:
    """Return (rows,) whole numbers from 0 that ascend as the columns of keys do in lexical order."""
    packed, width = _from_zero(keys[0])
    for line in keys[1:]:
        more, span = _from_zero(line)
        if width * span >= WIDE:
            (packed, width), (more, span) = _ranks(packed), _ranks(more)
        packed, width = packed * span + more, width * span
    return packed


def _from_zero(line: Ints) -> tuple[Ints, int]:
    """Return whole numbers that ascend from 0 as those of a line do, and how many different ones there may be."""
    low, high = int(line.min(initial=WIDE)), int(line.max(initial=-WIDE))
    return (line - low, max(high - low + 1, 1)) if high - low < WIDE else _ranks(line)


def _ranks(line: Ints) -> tuple[Ints, int]:
    values, ranks = np.unique(line, return_inverse=True)
    return ranks, len(values)


def _order(keys: Ints) -> tuple[Ints, Ints]:
    """Return the order that sorts columns of keys, and where in it another one begins."""
    packed = _packed(keys)
    order = np.argsort(packed, kind="stable")  # what is sorted already, in pieces, is soon merged
    packed = packed[order]
    return order, np.flatnonzero(np.concatenate([np.ones(min(len(packed), 1), dtype=bool), packed[1:] != packed[:-1]]))


def _cells(keys: Ints) -> tuple[Ints, Ints, Ints]:
    """Return the different columns of (dimensions, rows) keys, the rows of each, and the place of each row's."""
    packed = _packed(keys)
    span = int(packed.max(initial=0)) + 1
    if span > DENSE * packed.size:
        order, starts = _order(keys)
        rows = np.diff(starts, append=packed.size)
        places = np.empty_like(order)
        places[order] = np.repeat(np.arange(len(rows)), rows)
        return keys[:, order[starts]], rows, places
    counts = np.bincount(packed, minlength=span)
    present, example = np.flatnonzero(counts), np.empty(span, dtype=np.int64)
    example[packed] = np.arange(packed.size)
    return keys[:, example[present]], counts[present], (np.cumsum(counts > 0) - 1)[packed]


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
        digits = np.trunc(np.ldexp(line, SHIFT - LIMB * limb))
        yield limb, np.bincount(places, digits, size).astype(np.int64)
        line = line - np.ldexp(digits, LIMB * limb - SHIFT)


def _raised(sums: Ints, below: int, height: int) -> Ints:
    """Put so many empty limbs below, and others above, so that there are `height` of them."""
    return (
        np.pad(sums, ((0, 0), (below, height - below - sums.shape[1]), (0, 0)))
        if sums.size
        else np.zeros((len(sums), height, sums.shape[2]), dtype=np.int64)
    )
