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

from lossctl.core import double
from lossctl.core.domain import Array, Mask
from lossctl.core.double import Pair
from lossctl.core.exact import SHIFT, fraction, square_fraction, units
from lossctl.core.state import NEVER, Centred, Odd, Pairs

Ints = NDArray[np.int64]
KINDS = 3  # +inf, -inf, nan
SMALL_CODES = 1 << 16


@dataclass(frozen=True)
class GroupedMoments:
    """Sums and co-moments by group; the group of column g has the code `codes[g]`, codes ascend."""

    pairs: Pairs
    codes: Ints
    rows: Ints
    live: Ints
    sums: Pair
    products: Pair
    odd: Ints
    odd_row: Ints

    @classmethod
    def of(
        cls, lines: Iterable[Array], pairs: Pairs, codes: Ints, addresses: Ints, live: Mask | None = None
    ) -> GroupedMoments:
        """Reduce one block of quantities, each a (rows,) line, by the (rows,) codes of the groups."""
        block = BlockGroups(pairs, codes, addresses, live)
        for line in lines:
            block.add(line)
        return block.state()

    def merge(self, later: GroupedMoments) -> GroupedMoments:
        """Return the state of the rows of both; `later` holds later blocks."""
        same = np.array_equal(self.codes, later.codes)
        codes = self.codes if same else np.union1d(self.codes, later.codes)
        left, right = self._spread(codes), later._spread(codes)
        return GroupedMoments(
            self.pairs,
            codes,
            left.rows + right.rows,
            left.live + right.live,
            double.add(left.sums, right.sums),
            double.add(left.products, right.products),
            left.odd + right.odd,
            np.minimum(left.odd_row, right.odd_row),
        )

    def _spread(self, codes: Ints) -> GroupedMoments:
        """Return the same state with empty columns for codes that it lacks."""
        if len(codes) == len(self.codes):
            return self
        place = np.searchsorted(codes, self.codes)

        def wide(values: NDArray[Any], fill: float = 0) -> NDArray[Any]:
            spread = np.full((*values.shape[:-1], len(codes)), fill, dtype=values.dtype)
            spread[..., place] = values
            return spread

        return GroupedMoments(
            self.pairs,
            codes,
            wide(self.rows),
            wide(self.live),
            (wide(self.sums[0]), wide(self.sums[1])),
            (wide(self.products[0]), wide(self.products[1])),
            wide(self.odd),
            wide(self.odd_row, NEVER),
        )

    def view(self, g: int) -> GroupView:
        """Return the state of one group, in the terms that a reading asks."""
        return GroupView(self, g)


class BlockGroups:
    """Grouped moments of one block in the making, line by line.

    Rows are put into the order of their groups, once for all lines, so that a group's rows lie side by side. Each
    line is taken about the group's first value, so that equal values have no spread.
    """

    def __init__(self, pairs: Pairs, codes: Ints, addresses: Ints, live: Mask | None = None) -> None:
        self.pairs = pairs
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
        self._odd: list[Ints] = []
        self._odd_row: list[Ints] = []
        self._products: dict[tuple[int, int], Array] = {}
        self._centred: Centred[Array] = Centred(pairs)
        self._scratch = np.empty(len(codes))

    def _summed(self, line: NDArray[Any]) -> NDArray[Any]:
        return np.add.reduceat(line, self._starts) if len(line) else line

    def add(self, line: Array) -> None:
        """Take the next quantity; the line is only read."""
        place = len(self._firsts)
        first, centred, rest = self._about_first(np.take(line, self._order))
        odd = np.zeros((KINDS, len(first)), dtype=np.int64)
        odd_row = np.full(len(first), NEVER, dtype=np.int64)
        if not np.isfinite(rest).all():
            ordered = np.take(line, self._order)
            self._take_odd(ordered, odd, odd_row)
            first, centred, rest = self._about_first(ordered)
        self._firsts.append(first)
        self._rests.append(rest)
        self._odd.append(odd)
        self._odd_row.append(odd_row)
        for i, other in self._centred.products(place, centred):
            self._products[i, place] = self._squares(i == place, other, centred)

    def _about_first(self, line: Array) -> tuple[Array, Array, Array]:
        """Take a line, which is overwritten, about the first value of each group."""
        first = line[self._starts]
        line -= np.repeat(first, self._rows)
        return first, line, self._summed(line)

    def _take_odd(self, line: Array, odd: Ints, odd_row: Ints) -> None:
        """Move values that are not finite out of a line into the counts of their groups."""
        strange = np.flatnonzero(~np.isfinite(line))
        held, place = line[strange], np.repeat(np.arange(len(self._rows)), self._rows)[strange]
        for kind, test in enumerate((held == np.inf, held == -np.inf, np.isnan(held))):
            odd[kind] = np.bincount(place[test], minlength=len(self._rows))
        np.minimum.at(odd_row, place, self._addresses[self._order[strange]])
        line[strange] = 0.0

    def _squares(self, own: bool, left: Array, right: Array) -> Array:
        """Sum the products of two centred lines by group."""
        both = self._summed(np.multiply(left, right, out=self._scratch))
        if own and not both.all():  # a spread that underflowed is not none
            moved = self._summed((left != 0.0).astype(np.int64)) > 0
            both = np.where((both == 0.0) & moved, np.nan, both)
        return both

    def state(self) -> GroupedMoments:
        """Return the moments of all lines taken.

        With d = x - m the sum is S = n m + Σd, and a sum of products is Σd_i d_j + m_i S_j + m_j Σd_i.
        """
        groups, quantities = len(self._codes), len(self._firsts)
        m, r = (np.array(lines).reshape(quantities, groups) for lines in (self._firsts, self._rests))
        sums = double.add(double.two_product(m, np.broadcast_to(self._size, m.shape)), (r, np.zeros_like(r)))
        i, j = (np.array([pair[side] for pair in self.pairs], dtype=np.int64) for side in (0, 1))
        squares = np.array([self._products[pair] for pair in self.pairs]).reshape(len(self.pairs), groups)
        products = double.add(double.scale((sums[0][j], sums[1][j]), m[i]), double.two_product(m[j], r[i]))
        products = double.add(products, (squares, np.zeros_like(squares)))
        return GroupedMoments(
            self.pairs,
            self._codes,
            self._rows,
            self._live,
            sums,
            products,
            np.array(self._odd, dtype=np.int64).reshape(quantities, KINDS, groups),
            np.array(self._odd_row, dtype=np.int64).reshape(quantities, groups),
        )


def by_code(codes: Ints) -> Ints:
    """Return the (rows,) order that sorts codes >= 0, equal ones in row order."""
    if not len(codes) or int(codes.max()) < SMALL_CODES:
        return np.argsort(codes.astype(np.uint16), kind="stable")  # a radix sort
    bits = len(codes).bit_length()  # the row number rides in the low bits: no two are equal, so any sort is stable
    return np.sort((codes << bits) | np.arange(len(codes))) & ((1 << bits) - 1)


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

    def merge(self, other: PeaksByGroup) -> PeaksByGroup:
        tops = dict(self.tops)
        for code, (rows, top) in other.tops.items():
            known = tops.get(code, (0, -np.inf))
            tops[code] = known[0] + rows, float(np.maximum(known[1], top))
        return PeaksByGroup(tops)


class GroupView:
    """One group of grouped moments."""

    def __init__(self, whole: GroupedMoments, g: int) -> None:
        self._whole = whole
        self._g = g
        self.rows = int(whole.rows[g])
        self.live = int(whole.live[g])

    @cached_property
    def odd(self) -> tuple[Odd, ...]:
        """The values of each quantity that were not finite, or whose sum left the float range."""
        whole, g = self._whole, self._g
        return tuple(
            Odd(int(plus), int(minus), int(nan), int(row))
            if np.isfinite(total)
            else Odd(int(total > 0), int(total < 0), int(np.isnan(total)))
            for (plus, minus, nan), row, total in zip(
                whole.odd[:, :, g], whole.odd_row[:, g], whole.sums[0][:, g], strict=True
            )
        )

    def total_units(self, i: int) -> int:
        """Return the sum of quantity `i` in units of 2^-1074; 0 where `odd` says that it is out of range."""
        return _units(self._whole.sums, i, self._g) or 0

    def total(self, i: int) -> Fraction:
        """Return the sum of quantity `i`."""
        return fraction(self.total_units(i))

    def product_units(self, i: int, j: int) -> int | None:
        """Return the sum of the products of quantities `i` and `j` in units of 2^-2148, None if out of range."""
        pairs = self._whole.pairs
        found = _units(self._whole.products, pairs.index((i, j) if (i, j) in pairs else (j, i)), self._g)
        return None if found is None else found << SHIFT

    def product(self, i: int, j: int) -> Fraction | None:
        """Return the sum of the products of quantities `i` and `j`, None where it overflowed."""
        found = self.product_units(i, j)
        return None if found is None else square_fraction(found)


def _units(pair: Pair, i: int, g: int) -> int | None:
    high, low = float(pair[0][i, g]), float(pair[1][i, g])
    return units(high) + units(low) if math.isfinite(high) and math.isfinite(low) else None
