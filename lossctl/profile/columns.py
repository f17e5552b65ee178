"""Summaries: what some rows of a column or a role are, as states that merge in the order of the rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from lossctl.core.breach import Breach, breach
from lossctl.core.domain import MASK, NON_NEGATIVE, ONE_HOT, POSITIVE, PRED_BOX, REAL, SIMPLEX, TARGET_BOX, UNIT, Domain
from lossctl.core.fingerprint import MODULUS, bits, stirred
from lossctl.core.labels import label
from lossctl.core.state import NEVER, OUT_OF_RANGE, exact_sum
from lossctl.numerics.array import Array, Mask
from lossctl.numerics.exact import fraction, rounded
from lossctl.results.survey import MOST_WORDS, Fit

LOOK: Final = 2048  # rows that tell whether counting different values is in vain
SHOWN: Final = 20  # most frequent values that are kept in the end
EXAMPLES: Final = 3  # values kept where there are too many to count
BOX_WIDTH: Final = 4
HUGE: Final = 2.0**900  # a number above which a sum may be out of range


@dataclass(frozen=True)
class Values(Domain):
    """One of a few values in each column."""

    allowed: tuple[float, ...] = ()

    def outside(self, x: Array) -> Mask:
        inside = np.logical_or.reduce([x == value for value in self.allowed])
        return ~np.logical_and.reduce(inside, axis=0)


@dataclass(frozen=True)
class Counts(Domain):
    """Whole numbers from 0 on."""

    def outside(self, x: Array) -> Mask:
        return ~np.logical_and.reduce((x >= 0.0) & (np.floor(x) == x) & np.isfinite(x), axis=0)


def target_domains(width: int) -> dict[str, Domain]:
    """Return the domains that losses ask of a target, by the name that a report gives them."""
    if width == 1:
        first: dict[str, Domain] = {"0 or 1": MASK, "-1 or +1": Values(allowed=(-1.0, 1.0)), "counts": Counts()}
        return first | _intervals()
    return {"0 or 1": MASK, "one 1 in each row": ONE_HOT, "rows that sum to 1": SIMPLEX, **_intervals()} | (
        {"boxes": TARGET_BOX} if width == BOX_WIDTH else {}
    )


def pred_domains(width: int) -> dict[str, Domain]:
    """Return the domains that losses ask of a prediction, by the name that a report gives them."""
    rows: dict[str, Domain] = {"rows that sum to 1": SIMPLEX} if width > 1 else {}
    return rows | _intervals() | ({"boxes": PRED_BOX} if width == BOX_WIDTH else {})


def _intervals() -> dict[str, Domain]:
    return {
        "probabilities in [0, 1]": UNIT,
        "positive": POSITIVE,
        "non-negative": NON_NEGATIVE,
        "finite numbers": REAL,
    }


@dataclass(frozen=True)
class Words:
    """Different values with their counts; None once there are more than MOST_WORDS, with the first few instead."""

    counts: Mapping[str, int] | None = field(default_factory=dict)
    first: tuple[str, ...] = ()

    @classmethod
    def of(cls, words: Sequence[str], counts: Sequence[int]) -> Self:
        """Take different words with their counts, which may be 0; spellings of one label are one."""
        found: dict[str, int] = {}
        for word, count in zip(map(label, words), counts, strict=True):
            if count:
                found[word] = found.get(word, 0) + count
        return cls(found if len(found) <= MOST_WORDS else None, tuple(found)[:EXAMPLES])

    def merge(self, other: Words) -> Words:
        first = tuple(dict.fromkeys((*self.first, *other.first)))[:EXAMPLES]
        if self.counts is None or other.counts is None:
            return Words(None, first)
        merged = dict(self.counts)
        for word, count in other.counts.items():
            merged[word] = merged.get(word, 0) + count
        return Words(merged if len(merged) <= MOST_WORDS else None, first)

    @property
    def frequent(self) -> tuple[tuple[str, int | None], ...]:
        """The most frequent words with their counts, or the first ones without; of many not those that stand once."""
        if self.counts is None:
            return tuple((word, None) for word in self.first)
        ordered = sorted(self.counts.items(), key=lambda entry: -entry[1])[:SHOWN]
        often = sum(count > 1 for _, count in ordered)
        return tuple(ordered if len(self.counts) <= SHOWN else ordered[: max(often, EXAMPLES)])


def words_of_numbers(values: Array) -> Words:
    """Count the different numbers of a line without NaN."""
    if len(np.unique(values[:LOOK])) > MOST_WORDS:
        return Words(None, tuple(label(value) for value in dict.fromkeys(values[:EXAMPLES].tolist())))
    found, first, counts = np.unique(values + 0.0, return_index=True, return_counts=True)
    order = np.argsort(first)
    return Words.of(list(map(str, found[order].tolist())), counts[order].tolist())


@dataclass(frozen=True)
class Spread:
    """The finite numbers of some rows: how many, their exact sum in units of 2^-1074, ends, and what they are."""

    count: int = 0
    total: int = 0
    low: float = math.inf
    high: float = -math.inf
    zeros: int = 0
    whole: bool = True
    ascending: bool = True
    begin: float = math.nan
    end: float = math.nan
    plus: int = 0
    minus: int = 0

    @classmethod
    def of(cls, values: Array) -> Self:
        """Take the values of some rows, (width, rows), without NaN."""
        line = values.reshape(-1)
        finite = line if np.isfinite(line).all() else line[np.isfinite(line)]
        plus, minus = int(np.count_nonzero(line == np.inf)), int(np.count_nonzero(line == -np.inf))
        if not len(finite):
            return cls(plus=plus, minus=minus, ascending=not len(line))
        low, high = float(np.minimum.reduce(finite)), float(np.maximum.reduce(finite))
        shift = OUT_OF_RANGE if max(-low, high) > HUGE else 0
        return cls(
            len(finite),
            exact_sum(np.ldexp(finite, -shift) if shift else finite) << shift,
            low,
            high,
            int(np.count_nonzero(finite == 0.0)),
            bool((np.floor(finite) == finite).all()),
            len(values) == 1 and len(finite) == len(line) and bool((finite[1:] > finite[:-1]).all()),
            float(finite[0]),
            float(finite[-1]),
            plus,
            minus,
        )

    def merge(self, other: Spread) -> Spread:
        return Spread(
            self.count + other.count,
            self.total + other.total,
            min(self.low, other.low),
            max(self.high, other.high),
            self.zeros + other.zeros,
            self.whole and other.whole,
            self.ascending and other.ascending and not self.end >= other.begin,
            self.begin if self.count else other.begin,
            other.end if other.count else self.end,
            self.plus + other.plus,
            self.minus + other.minus,
        )

    @property
    def mean(self) -> float | None:
        return rounded(fraction(self.total) / self.count) if self.count else None


@dataclass(frozen=True)
class Odd:
    """Cells that are no number: how many (None: not counted), the first one's row from 0 on, and its text."""

    count: int | None
    row: int
    text: str

    def merge(self, other: Odd) -> Odd:
        first = min(self, other, key=lambda odd: odd.row)
        counted = self.count is not None and other.count is not None
        return Odd(self.count + other.count if counted else None, first.row, first.text)  # type: ignore[operator]


@dataclass(frozen=True)
class ColumnState:
    """Some rows of a column; `first_null` is the first row that is null or empty, `first_nan` the first with NaN."""

    rows: int
    null: int = 0
    empty: int = 0
    nan: int = 0
    first_null: int = NEVER
    first_nan: int = NEVER
    width: int = 1
    spread: Spread | None = None
    words: Words = field(default_factory=Words)
    odd: Odd | None = None
    fault: str | None = None

    @property
    def missing(self) -> int:
        return self.null + self.empty + self.nan

    def merge(self, other: ColumnState) -> ColumnState:
        return ColumnState(
            self.rows + other.rows,
            self.null + other.null,
            self.empty + other.empty,
            self.nan + other.nan,
            min(self.first_null, other.first_null),
            min(self.first_nan, other.first_nan),
            max(self.width, other.width),
            self.spread.merge(other.spread) if self.spread and other.spread else self.spread or other.spread,
            self.words.merge(other.words),
            self.odd.merge(other.odd) if self.odd and other.odd else self.odd or other.odd,
            self.fault or other.fault,
        )


@dataclass(frozen=True)
class RoleState:
    """Some rows of the columns of a role: those that are complete, those outside each domain, and a fingerprint."""

    rows: int
    breaches: tuple[Breach, ...]
    fingerprint: int

    @classmethod
    def of(cls, values: Array, complete: Mask, start: int, domains: Sequence[Domain]) -> Self:
        """Take (width, rows) numbers; rows that are not complete are not judged."""
        rows = np.flatnonzero(complete)
        judged = values if len(rows) == values.shape[1] else np.ascontiguousarray(values[:, rows])
        addresses: NDArray[np.int64] = rows + start
        found = tuple(breach(domain, judged, addresses) if len(rows) else Breach() for domain in domains)
        hashes = stirred(np.arange(start + 1, start + values.shape[1] + 1, dtype=np.uint64))
        for line in values:
            hashes = stirred(hashes ^ bits(line))
        return cls(len(rows), found, int(np.add.reduce(hashes)))

    def merge(self, other: RoleState) -> RoleState:
        breaches = tuple(left.merge(right) for left, right in zip(self.breaches, other.breaches, strict=True))
        return RoleState(self.rows + other.rows, breaches, (self.fingerprint + other.fingerprint) % MODULUS)

    def fits(self, names: Sequence[str]) -> tuple[Fit, ...]:
        """Name how the rows lie in each domain."""
        return tuple(
            Fit(name, found.count, None if found.row == NEVER else found.row + 1)
            for name, found in zip(names, self.breaches, strict=True)
        )
