"""Bins: slices made of the values of a column, of numbers by quantiles, width or edges, of times by their periods."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lossctl.errors import UsageError, listed, near, printable
from lossctl.numerics.array import Array

DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
PERIODS: Final[Mapping[str, Callable[[datetime], str]]] = {
    "year": lambda time: f"{time.year:04}",
    "quarter": lambda time: f"{time.year:04}-Q{(time.month + 2) // 3}",
    "month": lambda time: f"{time.year:04}-{time.month:02}",
    "week": lambda time: "{:04}-W{:02}".format(*time.isocalendar()),
    "day": lambda time: time.date().isoformat(),
    "hour": lambda time: f"{time.date().isoformat()}T{time.hour:02}",
    "weekday": lambda time: f"{time.isoweekday()} {DAYS[time.weekday()]}",
}
OF_NUMBERS: Final = ("quantiles", "width", "edges")
MOST_BINS: Final = 1000
ROUNDING: Final = 2.0**-50  # of a quotient, within which it is a whole number
FEWEST_DECIMALS: Final = 3
MOST_DECIMALS: Final = 15
NO_PLACE: Final = np.iinfo(np.int64).min  # of a value that is missing
BOUNDS: Final = (NO_PLACE + 1, np.iinfo(np.int64).max)  # the places of infinities among bins of one width


@dataclass(frozen=True)
class Bins:
    """How the values of a column make slices.

    text: as it stands after the column and a colon. period: the part of a time that makes a slice, else values are
    numbers. width: that of bins [k width, (k+1) width). edges: ascending; bins are (edge, next edge], and beyond the
    outer edges. Of `quantiles` they are the least value and the quantiles; the first bin has the least value, too.
    decimals: those of edges in the names of slices; of an edge below 1 its significant digits.
    """

    text: str
    period: str = ""
    quantiles: int = 0
    width: float = 0.0
    edges: tuple[float, ...] = ()
    decimals: int = MOST_DECIMALS

    @property
    def of_numbers(self) -> bool:
        """Whether values are read as numbers."""
        return not self.period

    def settled(self, values: Array) -> Bins:
        """Return the bins with the edges that the quantiles of values are, which are values of the data."""
        values = values[~np.isnan(values)]
        if not values.size:
            return self
        shares = np.arange(1, self.quantiles + 1) / self.quantiles
        quantiles = np.unique(np.quantile(values, shares, method="inverted_cdf"))
        edges = (float(values.min()), *quantiles.tolist())
        decimals = next(  # as few as pandas takes, and more where edges would look the same
            count
            for count in range(FEWEST_DECIMALS, MOST_DECIMALS + 1)
            if count == MOST_DECIMALS or len({_number(edge, count) for edge in edges}) == len(set(edges))
        )
        return replace(self, edges=edges, decimals=decimals)

    def places(self, values: Array) -> NDArray[np.int64]:
        """Return the (rows,) number of the bin of each number; NO_PLACE of NaN."""
        missing = np.isnan(values)
        if not self.width:
            first = int(self.quantiles > 0)
            return np.where(missing, NO_PLACE, np.searchsorted(np.array(self.edges[first:]), values) + first)
        with np.errstate(all="ignore"):
            quotients = values / self.width
            edges = np.rint(quotients)  # as decimals are no binary fractions: 0.3 is the third edge of width 0.1
            at_edge = np.abs(quotients - edges) <= ROUNDING * np.abs(edges)
            quotients = np.where(at_edge, edges, np.floor(quotients))
        inside = np.abs(quotients) < 2.0**62
        places = np.where(inside, quotients, 0.0).astype(np.int64)
        return np.where(missing, NO_PLACE, np.where(inside, places, np.where(values < 0.0, *BOUNDS)))

    def word(self, place: int) -> str:
        """Return the slice of a bin by its number."""
        if self.width:
            if place in BOUNDS:
                return "inf" if place > 0 else "-inf"
            return f"[{_number(place * self.width)}, {_number((place + 1) * self.width)})"
        edges = [_number(edge, self.decimals) for edge in self.edges]
        if place == 0:
            return f"<={edges[0]}"
        if place == len(edges):
            return f">{edges[-1]}"
        low, high = edges[place - 1 : place + 1]
        if self.edges[place - 1] == self.edges[place]:
            return low
        return f"{'[' if self.quantiles and place == 1 else '('}{low}, {high}]"

    def word_of_time(self, text: str) -> str | None:
        """Return the slice of a date or a time as ISO 8601 writes it; None for another text."""
        try:
            return PERIODS[self.period](datetime.fromisoformat(text.strip()))
        except ValueError:
            return None


def bins_of(text: str, option: str) -> Bins:
    """Read what stands after a column and a colon; raise UsageError, naming the option, for what is none."""
    if text in PERIODS:
        return Bins(text, period=text)
    name, equals, value = text.partition("=")
    if name in OF_NUMBERS and equals:
        numbers = [_as_number(word) for word in value.split("/")]
        ascending = all(map(math.isfinite, numbers)) and numbers == sorted(set(numbers))
        if ascending and name == "edges":
            return Bins(text, edges=tuple(numbers))
        if ascending and len(numbers) == 1 and name == "width" and numbers[0] > 0.0:
            return Bins(text, width=numbers[0])
        if ascending and len(numbers) == 1 and name == "quantiles" and numbers[0] in range(2, MOST_BINS + 1):
            return Bins(text, quantiles=int(numbers[0]))
    forms = ["quantiles=4", "width=10", "edges=18/35/65", *PERIODS]
    hint = "" if name in OF_NUMBERS else near(name, [*PERIODS, *OF_NUMBERS])
    raise UsageError(f"{option}: {printable(text)!r} makes no bins{hint}; {listed(forms, len(forms))} do")


def _as_number(word: str) -> float:
    return float(word) if re.fullmatch(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*", word) else math.nan


def _number(value: float, decimals: int = MOST_DECIMALS) -> str:
    """Write an edge, whole numbers without a point, and without the last bits of a product."""
    if decimals < MOST_DECIMALS:
        value = float(f"{value:.{decimals}{'g' if abs(value) < 1.0 else 'f'}}")
    return f"{value:.{MOST_DECIMALS}g}"
