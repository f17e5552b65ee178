"""Moments of many groups at once: arrays of double-double sums, one column per group.

Blocks must be merged in row order: these sums are precise but, unlike `Moments`, not exact.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lossctl.core import double
from lossctl.core.domain import Array, Mask
from lossctl.core.double import Pair
from lossctl.core.exact import SHIFT, fraction, square_fraction, units
from lossctl.core.state import NEVER, Odd, Pairs

Ints = NDArray[np.int64]
KINDS = 3  # +inf, -inf, nan


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
    def of(cls, values: Array, pairs: Pairs, codes: Ints, addresses: Ints, live: Mask | None = None) -> Self:
        """Reduce one block of (quantities, rows) values, centred by group; `values` is overwritten."""
        present, first, place = np.unique(codes, return_index=True, return_inverse=True)
        groups, quantities = len(present), len(values)
        rows = np.bincount(place, minlength=groups)
        odd = np.zeros((quantities, KINDS, groups), dtype=np.int64)
        odd_row = np.full((quantities, groups), NEVER, dtype=np.int64)
        means, rests = np.empty((quantities, groups)), np.empty((quantities, groups))
        for i, line in enumerate(values):
            _take_odd(line, place, addresses, odd[i], odd_row[i])
            # about the group's first value, so that equal values have exactly their own mean
            means[i] = line[first] + np.bincount(place, line - line[first][place], groups) / rows
            line -= means[i][place]
            rests[i] = np.bincount(place, line, groups)
        alive = rows if live is None else np.bincount(place[live], minlength=groups)
        size = rows.astype(np.float64)
        sums = double.add(double.two_product(means, size), (rests, np.zeros_like(rests)))
        products = [_product(values, means, rests, size, place, i, j) for i, j in pairs]
        high = np.array([pair[0] for pair in products]).reshape(len(pairs), groups)
        low = np.array([pair[1] for pair in products]).reshape(len(pairs), groups)
        return cls(pairs, present, rows, alive, sums, (high, low), odd, odd_row)

    def merge(self, later: GroupedMoments) -> GroupedMoments:
        """Return the state of the rows of both; `later` holds later blocks."""
        codes = np.union1d(self.codes, later.codes)
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
        self.odd = tuple(
            Odd(int(plus), int(minus), int(nan), int(row))
            if np.isfinite(total)
            else Odd(int(total > 0), int(total < 0), int(np.isnan(total)))  # the sum left the float range
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


def _take_odd(line: Array, place: Ints, addresses: Ints, odd: Ints, odd_row: Ints) -> None:
    """Move values that are not finite out of a line into the counts of their groups."""
    strange = ~np.isfinite(line)
    if not strange.any():
        return
    held, groups = line[strange], odd.shape[1]
    for kind, test in enumerate((held == np.inf, held == -np.inf, np.isnan(held))):
        odd[kind] += np.bincount(place[strange][test], minlength=groups)
    np.minimum.at(odd_row, place[strange], addresses[strange])
    line[strange] = 0.0


def _product(centred: Array, means: Array, rests: Array, size: Array, place: Ints, i: int, j: int) -> Pair:
    """Sum of the products of two quantities by group: ΣD_i D_j + m_i ΣD_j + m_j ΣD_i + n m_i m_j."""
    both: Array = np.bincount(place, centred[i] * centred[j], len(size)).astype(np.float64)
    if i == j:  # a spread that underflowed is not none
        moved = np.bincount(place, centred[i] != 0.0, len(size)) > 0
        both = np.where((both == 0.0) & moved, np.nan, both)
    total = double.scale(double.two_product(means[i], means[j]), size)
    for piece in (
        double.two_product(means[i], rests[j]),
        double.two_product(means[j], rests[i]),
        (both, np.zeros_like(both)),
    ):
        total = double.add(total, piece)
    return total
