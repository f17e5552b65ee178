"""Moments of many groups at once: arrays of double-double sums, one column per group.

Blocks must be merged in row order: these sums are precise but, unlike `Moments`, not exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lossctl.core.state import FINITE, NEVER, Centred, Odd, Pairs
from lossctl.numerics import double
from lossctl.numerics.array import Array, Mask
from lossctl.numerics.double import Pair
from lossctl.numerics.exact import SHIFT, fraction, square_fraction, units

Ints = NDArray[np.int64]
KINDS = 3  # +inf, -inf, nan
SMALL_CODES = 1 << 16


@dataclass(frozen=True)
class GroupedMoments:
    """Sums and co-moments by group; the group of column g has the code `codes[g]`, codes ascend.

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
            block.add(line)
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

    def view(self, g: int) -> GroupView:
        """Return the state of one group."""
        return GroupView(self, g)


class BlockGroups:
    """The grouped moments of one block, taken line by line.

    Rows are put into the order of their groups, once for all lines, so that a group's rows lie side by side. Each
    line is taken about the group's first value, so that equal values have no spread.
    """

    def __init__(
        self,
        pairs: Pairs,
        codes: Ints,
        addresses: Ints,
        live: Mask | None = None,
        cubed: tuple[int, ...] = (),
    ) -> None:
        self.pairs = pairs
        self.cubed = cubed
        self._order = by_code(codes)
        ordered = codes[self._order]
        self._starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(codes) else codes
        self._codes = ordered[self._starts]
        self._rows = np.diff(self._starts, append=len(codes))
        self._size = self._rows.astype(np.float64)
        self._addresses = addresses
        self._live = self._rows if live is None else self._summed(live[self._order].astype(np.int64))
        self._firsts: list[Array] = []
        self._rests: list[Array] = []
        self._odd: dict[int, Ints] = {}
        self._products: dict[tuple[int, int], Array] = {}
        self._powers: dict[int, tuple[Array, Array]] = {}  # sums of squares and cubes of centred lines
        self._waiting: Centred[Array] = Centred(pairs)
        self._scratch = np.empty(len(codes))

    def _summed(self, line: NDArray[Any]) -> NDArray[Any]:
        return np.add.reduceat(line, self._starts) if len(line) else line

    def add(self, line: Array) -> None:
        """Take the next quantity; the line is only read."""
        place = len(self._firsts)
        first, centred, remainder = self._about_first(np.take(line, self._order))
        if not np.isfinite(remainder).all():
            ordered = np.take(line, self._order)
            self._take_odd(place, ordered)
            first, centred, remainder = self._about_first(ordered)
        self._firsts.append(first)
        self._rests.append(remainder)
        for i, earlier in self._waiting.products(place, centred):
            self._products[i, place] = self._product(i == place, earlier, centred)
        if place in self.cubed:
            squares = np.square(centred)
            self._powers[place] = self._summed(squares), self._summed(np.multiply(squares, centred, out=squares))

    def _about_first(self, line: Array) -> tuple[Array, Array, Array]:
        """Take a line, which is overwritten, about the first value of each group."""
        first = line[self._starts]
        line -= np.repeat(first, self._rows)
        return first, line, self._summed(line)

    def _take_odd(self, quantity: int, line: Array) -> None:
        """Move values that are not finite out of a line into the record of their groups."""
        strange = np.flatnonzero(~np.isfinite(line))
        if not len(strange):
            return
        record = self._odd[quantity] = no_odd(len(self._rows))
        values, place = line[strange], np.repeat(np.arange(len(self._rows)), self._rows)[strange]
        for kind, test in enumerate((values == np.inf, values == -np.inf, np.isnan(values))):
            record[kind] = np.bincount(place[test], minlength=len(self._rows))
        np.minimum.at(record[KINDS], place, self._addresses[self._order[strange]])
        line[strange] = 0.0

    def _product(self, is_square: bool, earlier: Array, centred: Array) -> Array:
        """Sum the products of two centred lines by group."""
        products = self._summed(np.multiply(earlier, centred, out=self._scratch))
        if is_square and not products.all():  # a spread that underflowed is not none
            moved = self._summed((centred != 0.0).astype(np.int64)) > 0
            products = np.where((products == 0.0) & moved, np.nan, products)
        return products

    def state(self) -> GroupedMoments:
        """Return the moments of all lines taken.

        With d = x - m the sum is S = n m + Σd, a sum of products is Σd_i d_j + m_i S_j + m_j Σd_i, and one of cubes
        is Σd³ + m (3 Σd² + m (3 Σd + n m)).
        """
        groups, quantities = len(self._codes), len(self._firsts)
        m, r = (np.array(lines).reshape(quantities, groups) for lines in (self._firsts, self._rests))
        sums = double.add(double.two_product(m, np.broadcast_to(self._size, m.shape)), (r, np.zeros_like(r)))
        i, j = (np.array([pair[side] for pair in self.pairs], dtype=np.int64) for side in (0, 1))
        squares = np.array([self._products[pair] for pair in self.pairs]).reshape(len(self.pairs), groups)
        products = double.add(double.scale((sums[0][j], sums[1][j]), m[i]), double.two_product(m[j], r[i]))
        products = double.add(products, (squares, np.zeros_like(squares)))
        return GroupedMoments(
            pairs=self.pairs,
            codes=self._codes,
            rows=self._rows,
            live=self._live,
            sums=sums,
            products=products,
            odd=self._odd,
            cubed=self.cubed,
            cubes=self._cubes(m, r),
        )

    def _cubes(self, m: Array, r: Array) -> Pair:
        """Sum the cubes of lines by group, given the first values and the sums of centred lines."""
        lines = list(self.cubed)
        squares, cubes = (
            np.array([self._powers[i][power] for i in lines]).reshape(len(lines), m.shape[1]) for power in (0, 1)
        )
        m, r = m[lines], r[lines]
        zero = np.zeros_like(m)
        total = double.two_product(m, np.broadcast_to(self._size, m.shape))
        for power in (3.0 * r, 3.0 * squares, cubes):
            total = double.add(total, (power, zero))
            if power is not cubes:
                total = double.scale(total, m)
        return total


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
        self._grow(int(later.codes.max(initial=-1)) + 1, later)
        size = self._counts.shape[1]
        # most blocks of a few groups hold them all: no need to pick columns
        at: slice | Ints = slice(None) if len(later.codes) == size else later.codes
        self._counts[:, at] += np.stack([later.rows, later.live])
        sums = (self._sums, later.sums), (self._products, later.products), (self._cubes, later.cubes)
        for (high, low), addends in sums:
            high[:, at], low[:, at] = double.add((high[:, at], low[:, at]), addends)
        for i, odd in later.odd.items():
            record = self._odd.setdefault(i, no_odd(size))
            record[:KINDS, at] += odd[:KINDS]
            record[KINDS, at] = np.minimum(record[KINDS, at], odd[KINDS])

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


def no_odd(groups: int) -> Ints:
    """Return the record of groups without a value that is not finite."""
    record = np.zeros((KINDS + 1, groups), dtype=np.int64)
    record[KINDS] = NEVER
    return record


def _wider(values: NDArray[Any], lines: int, width: int) -> NDArray[Any]:
    wide = np.zeros((lines, width), dtype=values.dtype)
    wide[: len(values), : values.shape[1]] = values
    return wide


@dataclass(frozen=True)
class PeaksByGroup:
    """The largest value of one quantity in each group: code -> (rows, largest)."""

    tops: Mapping[int, tuple[int, float]] = field(default_factory=dict)

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


def _units(sums: Pair, g: int) -> int | None:
    high, low = float(sums[0][g]), float(sums[1][g])
    return units(high) + units(low) if math.isfinite(high) and math.isfinite(low) else None
