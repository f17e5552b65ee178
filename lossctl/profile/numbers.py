"""Numbers: ends, exact sums, quantiles and different values of any numbers, as states that merge."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from itertools import islice
from operator import itemgetter
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from lossctl.core.domain import label
from lossctl.core.state import (
    OUT_OF_RANGE,
    SHIFT,
    BlockMoments,
    Moments,
    exact_sum,
    exact_sums,
    merged,
    merged_fields,
    ratio,
    rounded,
)
from lossctl.numerics.array import Array, lower_quantiles
from lossctl.results.survey import MOST_WORDS, ValueCount

LOOK: Final = 2048  # values that tell whether there are too many different ones to count
SHOWN: Final = 20  # most frequent values that a report keeps
EXAMPLES: Final = 3  # values kept where there are too many to count
HUGE: Final = 2.0**900  # a number above which a sum may be out of range
SQUARE: Final = ((0, 0),)
DIGITS: Final = 9  # bits of the mantissa that tell bins apart: a bin is at most 0.2 % of its distance from the origin
DROPPED: Final = 52 - DIGITS
MAGNITUDE: Final = (1 << 63) - 1  # all bits of a float but its sign
LARGEST: Final = float(np.finfo(np.float64).max)
Counts = NDArray[np.int64]


def merge_any(first: Any, second: Any) -> Any:
    """Merge two states; where there is but one, return that."""
    return merged(first, second) if first and second else first or second


class Singles(Mapping[str | float, int]):
    """The counts of a line of numbers that all differ: of most, nobody asks for one."""

    def __init__(self, line: Array) -> None:
        self.line = line

    @cached_property
    def _counts(self) -> dict[str | float, int]:
        return dict.fromkeys(self.line.tolist(), 1)

    def __getitem__(self, value: str | float) -> int:
        return self._counts[value]

    def __iter__(self) -> Iterator[str | float]:
        return iter(self._counts)

    def __len__(self) -> int:
        return len(self.line)


@dataclass(frozen=True)
class ValueCounts:
    """Different values with their rows; None once there are more than MOST_WORDS, with the first few.

    Words are labels; numbers, of which there may be many that no one looks at, become labels when they are asked for.
    """

    counts: Mapping[str | float, int] | None = field(default_factory=dict)
    first: tuple[str | float, ...] = ()

    @classmethod
    def of(cls, words: Sequence[str], counts: Sequence[int]) -> Self:
        """Count words, each with its rows, which may be 0; spellings of one label are one."""
        rows: dict[str, int] = {}
        for word, count in zip(map(label, words), counts, strict=True):
            if count:
                rows[word] = rows.get(word, 0) + count
        return cls(dict(rows.items()) if len(rows) <= MOST_WORDS else None, tuple(rows)[:EXAMPLES])

    @classmethod
    def of_numbers(cls, line: Array) -> Self:
        """Count the different numbers of a line without NaN."""
        rows = Counter((line[:LOOK] + 0.0).tolist())  # of a few values faster than sorting them
        if len(line) > LOOK and len(rows) <= MOST_WORDS:
            values, first, counts = np.unique(line[LOOK:] + 0.0, return_index=True, return_counts=True)
            order = np.argsort(first)
            rows.update(dict(zip(values[order].tolist(), counts[order].tolist(), strict=True)))
        return cls(dict(rows) if len(rows) <= MOST_WORDS else None, tuple(islice(rows, EXAMPLES)))

    @classmethod
    def of_lines(cls, lines: Array) -> list[Self]:
        """Count the different numbers of each of some (lines, rows) without NaN, none of which is long."""
        lines = lines + 0.0
        ascending = np.sort(lines, axis=1)
        repeats = (ascending[:, 1:] == ascending[:, :-1]).any(axis=1)
        differ = ~repeats if lines.shape[1] <= MOST_WORDS else np.zeros(len(lines), dtype=bool)
        return [
            cls(Singles(line), tuple(line[:EXAMPLES].tolist())) if singles else cls.of_numbers(line)
            for line, singles in zip(lines, differ.tolist(), strict=True)
        ]

    def merge(self, other: ValueCounts) -> ValueCounts:
        first = tuple(dict.fromkeys((*self.first, *other.first)))[:EXAMPLES]
        counts = merged(self.counts, other.counts)
        return ValueCounts(counts if counts is not None and len(counts) <= MOST_WORDS else None, first)

    @property
    def frequent(self) -> tuple[ValueCount, ...]:
        """The most frequent values with their rows, or the first ones without; of many not those of a single row."""
        if self.counts is None:
            return tuple(ValueCount(_as_label(value), None) for value in self.first)
        if isinstance(self.counts, Singles):
            ordered: list[tuple[str | float, int]] = [(value, 1) for value in self.counts.line[:SHOWN].tolist()]
        else:
            ordered = sorted(self.counts.items(), key=itemgetter(1), reverse=True)[:SHOWN]
        often = sum(count > 1 for _, count in ordered)
        shown = ordered if len(self.counts) <= SHOWN else ordered[: max(often, EXAMPLES)]
        return tuple(ValueCount(_as_label(value), count) for value, count in shown)

    @property
    def by_label(self) -> Mapping[str, int]:
        """The rows of each value, none where there are too many."""
        return {_as_label(value): count for value, count in (self.counts or {}).items()}


def _as_label(value: str | float) -> str:
    if isinstance(value, str):
        return value
    text = repr(value)
    return label(text) if "e" in text else text.removesuffix(".0")


@dataclass(frozen=True)
class NumberSummary:
    """Finite numbers: how many, their exact sum in units of 2^-1074, ends and order; `plus` and `minus` are infinite.

    ascending: whether each is above the one before; begin, end: the first and the last of them.
    """

    count: int
    total: int
    low: float
    high: float
    zeros: int
    whole_numbers: bool
    plus: int
    minus: int
    ascending: bool
    begin: float
    end: float

    @classmethod
    def of(cls, values: Array) -> Self:
        """Summarise (width, rows) values; NaN is no number."""
        finite, fields = _ends(values)
        shift = OUT_OF_RANGE if max(-fields["low"], fields["high"]) > HUGE else 0
        total = exact_sum(np.ldexp(finite, -shift) if shift else finite) << shift if len(finite) else 0
        return cls(total=total, **fields)

    @classmethod
    def of_lines(cls, lines: Array) -> list[Self]:
        """Summarise each of some (lines, rows), which are finite and below HUGE, with the bits of `of`."""
        fields: tuple[NDArray[Any], ...] = (
            lines.min(axis=1),
            lines.max(axis=1),
            np.count_nonzero(lines == 0.0, axis=1),
            np.all(np.floor(lines) == lines, axis=1),
            np.all(lines[:, 1:] > lines[:, :-1], axis=1),
            lines[:, 0],
            lines[:, -1],
        )
        columns = zip(exact_sums(lines), *(field.tolist() for field in fields), strict=True)
        return [
            cls(lines.shape[1], total, low, high, zeros, are_whole, 0, 0, ascending, begin, end)
            for total, low, high, zeros, are_whole, ascending, begin, end in columns
        ]

    def merge(self, other: Self) -> Self:
        return merged_fields(
            self,
            other,
            low=min(self.low, other.low),
            high=max(self.high, other.high),
            whole_numbers=self.whole_numbers and other.whole_numbers,
            ascending=self.ascending and other.ascending and not self.end >= other.begin,
            begin=self.begin if self.count else other.begin,
            end=other.end if other.count else self.end,
        )

    @property
    def constant(self) -> bool:
        """Whether there are numbers, and all the same."""
        return self.count > 0 and self.low == self.high

    @property
    def mean(self) -> float:
        """The mean; NaN of no numbers."""
        return ratio(self.total, self.count << SHIFT) if self.count else math.nan


def _ends(values: Array) -> tuple[Array, dict[str, Any]]:
    """Return the finite values as one line, and all fields of their summary but the sum."""
    line = values.reshape(-1)
    mask = np.isfinite(line)
    finite, infinite = (line, line[:0]) if mask.all() else (line[mask], line[~mask])
    return finite, {
        "count": len(finite),
        "low": float(np.minimum.reduce(finite, initial=math.inf)),
        "high": float(np.maximum.reduce(finite, initial=-math.inf)),
        "zeros": int(np.count_nonzero(finite == 0.0)),
        "whole_numbers": bool((np.floor(finite) == finite).all()),
        "plus": int(np.count_nonzero(infinite > 0.0)),
        "minus": int(np.count_nonzero(infinite < 0.0)),
        "ascending": not len(infinite) and len(values) == 1 and bool((finite[1:] > finite[:-1]).all()),
        "begin": float(finite[0]) if len(finite) else math.nan,
        "end": float(finite[-1]) if len(finite) else math.nan,
    }


# distributions -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Distribution(NumberSummary):
    """Finite numbers with their exact moments and sketches of their quantiles.

    `sketch` is about an origin among the values, for differences between them; `sizes` about 0, for their ratios.
    """

    moments: Moments
    sketch: Sketch
    sizes: Sketch

    @classmethod
    def about(cls, origin: float, values: Array) -> Self:
        """Summarise (width, rows) values; quantiles are right to 0.1 % of their distance from the origin."""
        finite, fields = _ends(values)
        sums = BlockMoments(SQUARE, np.arange(len(finite)), cubed=(0,))
        with np.errstate(all="ignore"):
            sums.add(finite)
        moments, sketch = sums.state(), Sketch.of(finite, origin)
        sizes = Sketch.of(finite, 0.0) if origin else sketch
        return cls(total=moments.sums[0], moments=moments, sketch=sketch, sizes=sizes, **fields)

    @cached_property
    def _variance(self) -> Fraction | None:
        squares = self.moments.product(0, 0)
        return None if squares is None else squares / self.count - (self.moments.total(0) / self.count) ** 2

    @property
    def variance(self) -> float | None:
        """The population variance; None where it is out of range."""
        return None if self._variance is None else rounded(self._variance)

    @property
    def skewness(self) -> float | None:
        """The third standardised moment; None of constant values, and where it is out of range."""
        squares, cubes = self.moments.product(0, 0), self.moments.cube_units(0)
        variance = self.variance
        if squares is None or cubes is None or not variance or not math.isfinite(variance):
            return None
        mean = self.moments.total(0) / self.count
        third = Fraction(cubes, self.count << (3 * SHIFT)) - 3 * mean * squares / self.count + 2 * mean**3
        skewness = rounded(third) / variance / math.sqrt(variance)
        return skewness if math.isfinite(skewness) else None

    @property
    def dominance(self) -> float | None:
        """The largest square's share of the sum of squares; None where that is zero or out of range."""
        squares = self.moments.product(0, 0)
        top = Fraction(max(abs(self.low), abs(self.high))) ** 2 if self.count else Fraction(0)
        return None if not squares else rounded(top / squares)


@dataclass(frozen=True)
class Sketch:
    """How many values lie in each bin around `origin`, bins in ascending order.

    A bin holds the floats that share sign, exponent and the first bits of the mantissa, so a quantile is off by at most
    0.1 % of its distance from the origin. There are at most 2^21 bins, whatever the number of values.
    """

    origin: float
    bins: Counts
    counts: Counts

    @classmethod
    def of(cls, values: Array, origin: float) -> Self:
        """Take a line of finite values."""
        with np.errstate(over="ignore"):  # a distance out of range is the largest one
            distances = np.clip(values - origin, -LARGEST, LARGEST)
        bits = distances.view(np.int64)
        size = ((bits & MAGNITUDE) >> DROPPED).astype(np.int32)  # which sorts twice as fast
        bins, counts = np.unique(np.where(bits < 0, -1 - size, size), return_counts=True)
        return cls(origin, bins.astype(np.int64), counts)

    def merge(self, other: Sketch) -> Sketch:
        bins, place = np.unique(np.concatenate([self.bins, other.bins]), return_inverse=True)
        counts = np.zeros(len(bins), dtype=np.int64)
        np.add.at(counts, place, np.concatenate([self.counts, other.counts]))
        return Sketch(self.origin, bins, counts)

    @cached_property
    def distances(self) -> Array:
        """The middle of each bin, as a distance from the origin; the bins of the smallest numbers are 0."""
        size = np.where(self.bins < 0, -1 - self.bins, self.bins)
        middle = ((size << DROPPED) | (1 << (DROPPED - 1))).view(np.float64)
        return np.where(size == 0, 0.0, np.where(self.bins < 0, -middle, middle))

    def quantile(self, q: float) -> float | None:
        """Return the value below which a share `q` of the values lies; None of no values."""
        return self.origin + self._quantile(self.distances, q) if len(self.bins) else None

    def deviation(self) -> float | None:
        """Return the median absolute deviation from the median; None of no values."""
        return self._quantile(self._from_median(), 0.5) if len(self.bins) else None

    def beyond(self, distance: float) -> int:
        """Count the values that are farther from the median than this."""
        return int(self.counts[self._from_median() > distance].sum()) if len(self.bins) else 0

    def _from_median(self) -> Array:
        return np.abs(self.distances - self._quantile(self.distances, 0.5))

    def _quantile(self, values: Array, q: float) -> float:
        return float(lower_quantiles(values, self.counts, q))
