"""Moments of many groups at once: arrays of double-double sums, one column per group.

Blocks must be merged in row order: these sums are precise but, unlike `Moments`, not exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from lossctl.core.state import (
    FINITE,
    KINDS,
    SHIFT,
    BlockSums,
    Ints,
    Moments,
    Odd,
    Pairs,
    Segments,
    exact_sum,
    fraction,
    no_odd,
    ratio,
    square_fraction,
    units,
)
from lossctl.numerics import double
from lossctl.numerics.array import Array, Mask
from lossctl.numerics.double import Pair

SMALL_CODES = 1 << 16
CUTS = 3  # so that what is left over of a sum of all groups is below its last digit twice over


class GroupedMoments(NamedTuple):
    """Sums and co-moments by group; the group of column g has the code `codes[g]`.

    Codes ascend, but in the moments of a block, which are of run after run.

    `odd` holds, for each quantity with values that are not finite, how many of each kind there are in each group and
    the first row of any, (KINDS + 1, groups).
    """

    pairs: Pairs
    codes: Ints
    rows: Ints
    live: Ints
    sums: Pair
    products: Pair
    odd: Mapping[int, Ints]
    cubed: tuple[int, ...]
    cubes: Pair

    @classmethod
    def of(
        cls,
        lines: Iterable[Array],
        pairs: Pairs,
        codes: Ints,
        addresses: Ints,
        live: Mask | None = None,
        cubed: tuple[int, ...] = (),
    ) -> GroupedMoments:
        """Reduce one block of quantities, each a (rows,) line, by the (rows,) codes of the groups."""
        block = BlockGroups(pairs, codes, addresses, live, cubed)
        for line in lines:
            block.add(np.take(line, block.order))
        return block.state()

    def merge(self, later: GroupedMoments) -> GroupedMoments:
        """Return the state of the rows of two; `later` holds later blocks."""
        totals = GroupTotals()
        totals.add(self)
        totals.add(later)
        return totals.state()

    def sum(self, i: int) -> Pair:
        """Return the (groups,) sums of quantity `i`."""
        return self.sums[0][i], self.sums[1][i]

    def product(self, i: int, j: int) -> Pair:
        """Return the (groups,) sums of the products of quantities `i` and `j`."""
        place = self.pairs.index((i, j) if (i, j) in self.pairs else (j, i))
        return self.products[0][place], self.products[1][place]

    def total(self) -> GroupedMoments:
        """Return the state of all rows as one group; the order of the groups leaves no trace."""

        def added(sums: Pair) -> Pair:
            pairs = [exact_total(high, low) for high, low in zip(*sums, strict=True)]
            high, low = np.array(pairs, dtype=np.float64).reshape(-1, 2).T[:, :, np.newaxis]
            return high, low

        return GroupedMoments(
            pairs=self.pairs,
            codes=np.zeros(1, dtype=np.int64),
            rows=self.rows.sum(keepdims=True),
            live=self.live.sum(keepdims=True),
            sums=added(self.sums),
            products=added(self.products),
            odd={i: np.append(odd[:KINDS].sum(axis=1), odd[KINDS].min())[:, np.newaxis] for i, odd in self.odd.items()},
            cubed=self.cubed,
            cubes=added(self.cubes),
        )

    def view(self, g: int) -> GroupView:
        """Return the state of one group."""
        return GroupView(self, g)


class BlockGroups(BlockSums):
    """The grouped moments of one block; its segments are the rows of a group within a run.

    order: (rows,) rows of the block in the order of runs and groups, in which lines are taken. runs: where runs begin.
    """

    def __init__(
        self,
        pairs: Pairs,
        codes: Ints,
        addresses: Ints,
        live: Mask | None = None,
        cubed: tuple[int, ...] = (),
        runs: Sequence[int] = (0,),
    ) -> None:
        runs = [*runs] if len(codes) else []
        bounds = pairwise([*runs, len(codes)])
        orders = (by_code(codes[start:stop]) + start for start, stop in bounds)
        self.order = np.concatenate([np.empty(0, dtype=np.int64), *orders])
        self._codes = np.take(codes, self.order)
        begins = np.diff(self._codes, prepend=-1) != 0
        begins[runs] = True
        starts = np.flatnonzero(begins)
        self._codes = self._codes[starts]
        super().__init__(Segments(starts, len(codes)), addresses, pairs, cubed)
        self._live = None if live is None else self.segments.counts(np.take(live, self.order))

    def addresses_of(self, rows: Ints) -> Ints:
        return self.addresses[self.order[rows]]

    def state(self) -> GroupedMoments:
        """Return the moments of all lines taken, run after run."""
        rows, (sums, products, cubes) = self.segments.sizes, self._totals()
        return GroupedMoments(
            pairs=self.pairs,
            codes=self._codes,
            rows=rows,
            live=rows if self._live is None else self._live,
            sums=sums,
            products=products,
            odd=self.odd,
            cubed=self.cubed,
            cubes=cubes,
        )

    def _totals(self) -> tuple[Pair, Pair, Pair]:
        """Return the sums of lines, of their products and of their cubes; see `BlockSums`."""

        def stacked(arrays: Iterable[Any]) -> Array:
            values = list(arrays)
            return np.array(values, dtype=np.float64).reshape(len(values), len(self._codes))

        lines = list(self.cubed)
        m, r = stacked(line.pivots for line in self.lines), stacked(line.rests for line in self.lines)
        dd = stacked(self.products[pair] for pair in self.pairs)
        ddd = stacked(self.lines[k].cubes for k in lines)
        sums, products, cubes = plain(r.copy()), plain(dd.copy()), plain(ddd.copy())
        at = np.flatnonzero(m.any(axis=0))  # mostly none: no group that is nearly constant
        if len(at):
            squares = stacked(self.lines[k].squares for k in lines)[:, at]
            i, j = (np.array([pair[side] for pair in self.pairs], dtype=np.int64) for side in (0, 1))
            m, r, n = m[:, at], r[:, at], np.broadcast_to(self.segments.sizes[at].astype(np.float64), (len(m), len(at)))
            about = double.add(double.two_product(m, n), plain(r))
            moved = double.add(double.scale((about[0][j], about[1][j]), m[i]), double.two_product(m[j], r[i]))
            moved = double.add(moved, plain(dd[:, at]))
            cube = double.add(double.two_product(m[lines], n[lines]), plain(3.0 * r[lines]))
            cube = double.add(double.scale(cube, m[lines]), plain(3.0 * squares))
            cube = double.add(double.scale(cube, m[lines]), plain(ddd[:, at]))
            for total, part in zip((sums, products, cubes), (about, moved, cube), strict=True):
                total[0][:, at], total[1][:, at] = part
        return sums, products, cubes


def exact_total(high: Array, low: Array) -> tuple[float, float]:
    """Add (groups,) pairs to one that does not depend on their order."""
    with np.errstate(all="ignore"):
        total = float(np.add.reduce(high))
    if not math.isfinite(total):
        return total, 0.0
    exact = exact_sum(high, CUTS) + exact_sum(low, CUTS)
    lead = ratio(exact, 1 << SHIFT)
    return lead, ratio(exact - units(lead), 1 << SHIFT)


def plain(values: Array) -> Pair:
    """Return floats as pairs."""
    return values, np.zeros_like(values)


def by_code(codes: Ints) -> Ints:
    """Return the (rows,) order that sorts codes >= 0, equal ones in row order."""
    if not len(codes) or int(codes.max()) < SMALL_CODES:
        return np.argsort(codes.astype(np.uint16), kind="stable")  # a radix sort
    bits = len(codes).bit_length()  # the row number rides in the low bits: no two are equal, so any sort is stable
    return np.sort((codes << bits) | np.arange(len(codes))) & ((1 << bits) - 1)


class GroupTotals:
    """Grouped moments that take block after block in place, so that a million groups cost no more than their blocks."""

    def __init__(self) -> None:
        self._pairs: Pairs = ()
        self._counts = np.zeros((2, 0), dtype=np.int64)  # rows, live
        self._sums: Pair = (np.zeros((0, 0)), np.zeros((0, 0)))
        self._products: Pair = self._sums
        self._cubed: tuple[int, ...] = ()
        self._cubes: Pair = self._sums
        self._odd: dict[int, Ints] = {}

    def add(self, later: GroupedMoments) -> None:
        """Add the state of later rows."""
        codes = later.codes
        self._grow(int(codes.max(initial=-1)) + 1, later)
        size = self._counts.shape[1]
        sums = (self._sums, later.sums), (self._products, later.products), (self._cubes, later.cubes)
        for start, stop in pairwise([0, *(np.flatnonzero(codes[1:] <= codes[:-1]) + 1).tolist(), len(codes)]):
            run = slice(start, stop)
            # most runs of a few groups hold them all: no need to pick columns
            at: slice | Ints = slice(None) if stop - start == size else codes[run]
            self._counts[:, at] += np.stack([later.rows[run], later.live[run]])
            for (high, low), addends in sums:
                high[:, at], low[:, at] = double.add(
                    (high[:, at], low[:, at]), (addends[0][:, run], addends[1][:, run])
                )
            for i, odd in later.odd.items():
                record = self._odd.setdefault(i, no_odd(size))
                record[:KINDS, at] += odd[:KINDS, run]
                record[KINDS, at] = np.minimum(record[KINDS, at], odd[KINDS, run])

    def _grow(self, size: int, later: GroupedMoments) -> None:
        """Make room for codes below `size`, and for half as many again."""
        groups = self._counts.shape[1]
        if size <= groups and groups:
            return
        self._pairs, self._cubed = later.pairs, later.cubed
        width = size if not groups else max(size, groups + groups // 2)
        self._counts = _wider(self._counts, 2, width)
        sums = (self._sums, later.sums), (self._products, later.products), (self._cubes, later.cubes)
        self._sums, self._products, self._cubes = (
            (_wider(high, len(addends[0]), width), _wider(low, len(addends[0]), width)) for (high, low), addends in sums
        )
        for i, odd in self._odd.items():
            self._odd[i] = no_odd(width)
            self._odd[i][:, :groups] = odd

    def state(self) -> GroupedMoments:
        """Return the sums of the groups that have rows."""
        codes = np.flatnonzero(self._counts[0])
        at: slice | Ints = slice(None) if len(codes) == self._counts.shape[1] else codes
        return GroupedMoments(
            pairs=self._pairs,
            codes=codes,
            rows=self._counts[0, at],
            live=self._counts[1, at],
            sums=(self._sums[0][:, at], self._sums[1][:, at]),
            products=(self._products[0][:, at], self._products[1][:, at]),
            odd={i: odd[:, at] for i, odd in self._odd.items()},
            cubed=self._cubed,
            cubes=(self._cubes[0][:, at], self._cubes[1][:, at]),
        )


def _wider(values: NDArray[Any], lines: int, width: int) -> NDArray[Any]:
    wide = np.zeros((lines, width), dtype=values.dtype)
    wide[: len(values), : values.shape[1]] = values
    return wide


class PeaksByGroup(NamedTuple):
    """The largest value of one quantity in each group: code -> (rows, largest)."""

    tops: Mapping[int, tuple[int, float]] = {}

    @classmethod
    def of(cls, values: Array, codes: Ints) -> Self:
        present, place = np.unique(codes, return_inverse=True)
        tops = np.full(len(present), -np.inf)
        np.maximum.at(tops, place, values)
        rows = np.bincount(place, minlength=len(present))
        return cls(dict(zip(present.tolist(), zip(rows.tolist(), tops.tolist(), strict=True), strict=True)))

    def merge(self, later: PeaksByGroup) -> PeaksByGroup:
        tops = dict(self.tops)
        for code, (rows, top) in later.tops.items():
            earlier_rows, earlier_top = tops.get(code, (0, -np.inf))
            tops[code] = earlier_rows + rows, float(np.maximum(earlier_top, top))
        return PeaksByGroup(tops)


class GroupView:
    """One group of grouped moments."""

    def __init__(self, groups: GroupedMoments, g: int) -> None:
        self._groups, self._g = groups, g
        self.rows, self.live = int(groups.rows[g]), int(groups.live[g])

    @cached_property
    def odd(self) -> tuple[Odd, ...]:
        """The values of each quantity that were not finite, or whose sum left the float range."""
        groups, g = self._groups, self._g
        return tuple(
            Odd(int(total > 0), int(total < 0), int(np.isnan(total)))
            if not np.isfinite(total)
            else Odd(*groups.odd[i][:, g].tolist())
            if i in groups.odd
            else FINITE
            for i, total in enumerate(groups.sums[0][:, g])
        )

    def total_units(self, i: int) -> int:
        """Return the sum of quantity `i` in units of 2^-1074; 0 where `odd` says that it is out of range."""
        return _units(self._groups.sum(i), self._g) or 0

    def total(self, i: int) -> Fraction:
        """Return the sum of quantity `i`."""
        return fraction(self.total_units(i))

    def product_units(self, i: int, j: int) -> int | None:
        """Return the sum of the products of quantities `i` and `j` in units of 2^-2148, None if out of range."""
        total = _units(self._groups.product(i, j), self._g)
        return None if total is None else total << SHIFT

    def product(self, i: int, j: int) -> Fraction | None:
        """Return the sum of the products of quantities `i` and `j`, None where it overflowed."""
        total = self.product_units(i, j)
        return None if total is None else square_fraction(total)

    def cube_units(self, i: int) -> int | None:
        """Return the sum of the cubes of quantity `i` in units of 2^-3222, None if out of range."""
        place = self._groups.cubed.index(i)
        total = _units((self._groups.cubes[0][place], self._groups.cubes[1][place]), self._g)
        return None if total is None else total << (2 * SHIFT)


class AllRows:
    """All rows, some quantities of which were summed as their rows came, and all the others by group."""

    def __init__(self, moments: Moments, as_read: frozenset[int], groups: GroupView) -> None:
        self._moments, self._as_read, self._groups = moments, as_read, groups
        self.rows, self.live = moments.rows, moments.live

    @property
    def odd(self) -> tuple[Odd, ...]:
        """The values of each quantity that were not finite, or whose sum left the float range."""
        by_row = enumerate(zip(self._moments.odd, self._groups.odd, strict=True))
        return tuple(alone if i in self._as_read else of_groups for i, (alone, of_groups) in by_row)

    def _of(self, *quantities: int) -> Moments | GroupView:
        return self._moments if self._as_read.issuperset(quantities) else self._groups

    def total_units(self, i: int) -> int:
        """Return the sum of quantity `i` in units of 2^-1074."""
        return self._of(i).total_units(i)

    def product_units(self, i: int, j: int) -> int | None:
        """Return the sum of the products of two quantities in units of 2^-2148, None where it is out of range."""
        return self._of(i, j).product_units(i, j)

    def cube_units(self, i: int) -> int | None:
        """Return the sum of the cubes of quantity `i` in units of 2^-3222, None where it is out of range."""
        return self._of(i).cube_units(i)


def _units(sums: Pair, g: int) -> int | None:
    high, low = float(sums[0][g]), float(sums[1][g])
    return units(high) + units(low) if math.isfinite(high) and math.isfinite(low) else None
