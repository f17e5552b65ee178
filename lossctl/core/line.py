"""Line: what one stream of numbers is, as a state that merges in any order to the same bits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Final, Self

import numpy as np

from lossctl.core.reduction import BlockMoments
from lossctl.core.sketch import Sketch
from lossctl.core.state import Moments
from lossctl.numerics.array import Array
from lossctl.numerics.exact import rounded, square_fraction

LOOK: Final = 2048  # values that tell whether counting different ones is in vain
MOST_VALUES: Final = 1000  # different values that are told apart
SQUARE: Final = ((0, 0),)
CUBE_SHIFT: Final = 3 * 1074  # cubes are summed in units of 2^-3222


@dataclass(frozen=True)
class Line:
    """Finite numbers: ends, exact moments, zeros, the different values (None: too many) and sketches of quantiles.

    `sketch` is about an origin among the values, for differences between them; `sizes` about 0, for their ratios.
    """

    count: int
    low: float
    high: float
    zeros: int
    whole: bool
    moments: Moments
    values: frozenset[float] | None
    sketch: Sketch
    sizes: Sketch

    @classmethod
    def of(cls, values: Array, origin: float) -> Self:
        """Take (width, rows) values; quantiles are right to 0.1 % of their distance from the origin."""
        line = values.reshape(-1)
        line = line if np.isfinite(line).all() else line[np.isfinite(line)]
        sketch = Sketch.of(line, origin)
        sums = BlockMoments(SQUARE, np.arange(len(line)), cubed=(0,))
        sums.add(line)
        return cls(
            len(line),
            float(np.minimum.reduce(line, initial=math.inf)),
            float(np.maximum.reduce(line, initial=-math.inf)),
            int(np.count_nonzero(line == 0.0)),
            bool((np.floor(line) == line).all()),
            sums.state(),
            _different(line),
            sketch,
            Sketch.of(line, 0.0) if origin else sketch,
        )

    def merge(self, other: Line) -> Line:
        values = None if self.values is None or other.values is None else self.values | other.values
        return Line(
            self.count + other.count,
            min(self.low, other.low),
            max(self.high, other.high),
            self.zeros + other.zeros,
            self.whole and other.whole,
            self.moments.merge(other.moments),
            values if values is not None and len(values) <= MOST_VALUES else None,
            self.sketch.merge(other.sketch),
            self.sizes.merge(other.sizes),
        )

    @property
    def constant(self) -> bool:
        """Whether every value is the same."""
        return self.count > 0 and self.low == self.high

    @property
    def mean(self) -> float:
        return rounded(self.moments.total(0) / self.count)

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
        cubes = self.moments.cube_units(0)
        variance = self.variance
        if cubes is None or not variance or not math.isfinite(variance):
            return None
        mean = self.moments.total(0) / self.count
        squares = square_fraction(self.moments.product_units(0, 0) or 0) / self.count
        third = Fraction(cubes, self.count << CUBE_SHIFT) - 3 * mean * squares + 2 * mean**3
        found = rounded(third) / variance / math.sqrt(variance)
        return found if math.isfinite(found) else None

    @property
    def dominance(self) -> float | None:
        """The largest square's share of the sum of squares; None where that is zero or out of range."""
        squares = self.moments.product(0, 0)
        top = Fraction(max(abs(self.low), abs(self.high))) ** 2 if self.count else Fraction(0)
        return None if not squares else rounded(top / squares)


def _different(line: Array) -> frozenset[float] | None:
    if len(np.unique(line[:LOOK])) > MOST_VALUES:
        return None
    found = np.unique(line + 0.0)
    return frozenset(found.tolist()) if len(found) <= MOST_VALUES else None
