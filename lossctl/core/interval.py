"""Intervals: the domains of single numbers, and what every domain is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Domain:
    """A set of admissible values for one role, held as (width, rows) blocks.

    `width` is the number of columns the role must have (None: any number, shared with its fellow roles).
    `hint` is the usual mistake behind a violation. Every check treats NaN as outside.
    """

    words: str = ""
    width: int | None = None
    hint: str = ""

    def outside(self, x: Array) -> Mask:
        """Return (rows,) True where a row of the (width, rows) block `x` is not admissible."""
        raise NotImplementedError  # abstract: each kind of domain below says it

    def admits(self, x: Array) -> bool:
        """Return whether every row of a block is admissible, as `outside` would say, only sooner."""
        return not self.outside(x).any()

    def sample(self, rng: np.random.Generator, width: int, rows: int) -> Array:
        """Draw a (width, rows) block from the inside of the domain, ends now and then included."""
        raise NotImplementedError  # abstract: each kind of domain below says it

    def activations(self) -> frozenset[str]:
        """Return the activations whose outputs can lie in this domain."""
        return frozenset({"none"})

    def sides(self, x: Array) -> tuple[Mask, Mask] | None:
        """Return two row masks that must not both occur in one input, or None where nothing can clash."""
        return None

    def wide(self, width: int) -> Self:
        """Return the same domain for exactly `width` columns."""
        return replace(self, width=width)

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True)
class Interval(Domain):
    """Real numbers between two ends, each open or closed, with one value possibly left out."""

    low: float = -np.inf
    high: float = np.inf
    low_closed: bool = False
    high_closed: bool = False
    hole: float | None = None
    noun = "a number"

    def holds(self, x: Array) -> Mask:
        """Return elementwise membership; NaN never holds."""
        above = x >= self.low if self.low_closed else x > self.low
        below = x <= self.high if self.high_closed else x < self.high
        inside = above & below
        return inside if self.hole is None else inside & (x != self.hole)

    def outside(self, x: Array) -> Mask:
        return ~np.logical_and.reduce(self.holds(x), axis=0)

    def admits(self, x: Array) -> bool:
        if self.hole is not None or not x.size:
            return not self.outside(x).any()
        return bool(self.holds(np.array(ends(x))).all())

    def contains(self, other: Interval) -> bool:
        """Return whether every value of `other` is a value of this interval."""
        low = self.low < other.low or (self.low == other.low and (self.low_closed or not other.low_closed))
        high = self.high > other.high or (self.high == other.high and (self.high_closed or not other.high_closed))
        hole = self.hole is None or not bool(other.holds(np.array([self.hole]))[0])
        return low and high and hole

    def sample(self, rng: np.random.Generator, width: int, rows: int) -> Array:
        finite = (np.isfinite(self.low), np.isfinite(self.high))
        size = (width, rows)
        if all(finite):
            x = rng.uniform(self.low, self.high, size)
        elif finite[0]:
            x = self.low + rng.lognormal(0.0, 1.0, size)
        elif finite[1]:
            x = self.high - rng.lognormal(0.0, 1.0, size)
        else:
            x = rng.normal(0.0, 3.0, size)
        return np.where(self.holds(x), x, self.inner())

    def inner(self) -> float:
        """Return one plain value of the interval."""
        ends = [end for end in (self.low, self.high) if np.isfinite(end)]
        middle = sum(ends) / 2 if len(ends) == 2 else (ends[0] + (1 if self.low in ends else -1) if ends else 1.0)
        return middle + 0.25 if middle == self.hole else middle

    def activations(self) -> frozenset[str]:
        from lossctl.core.activation import RANGES

        fitting = (name for name, span in RANGES.items() if name == "none" or self.contains(span))
        return frozenset(fitting) - {"softmax"}  # its columns are the classes of one row, not values of their own

    def __str__(self) -> str:
        if self.words:
            return self.words
        left = "[" if self.low_closed else "("
        right = "]" if self.high_closed and self.high < np.inf else ")"
        hole = f" without {self.hole:g}" if self.hole is not None else ""
        return f"{left}{number(self.low)}, {number(self.high)}{right}{hole}"


@dataclass(frozen=True)
class Whole(Interval):
    """Whole numbers between two ends."""

    low_closed: bool = True
    high_closed: bool = True
    noun = "a whole number"

    def holds(self, x: Array) -> Mask:
        return super().holds(x) & (x == np.rint(x))

    def admits(self, x: Array) -> bool:
        return not self.outside(x).any()

    def contains(self, other: Interval) -> bool:
        return isinstance(other, Whole) and super().contains(other)

    def sample(self, rng: np.random.Generator, width: int, rows: int) -> Array:
        low = self.low if np.isfinite(self.low) else -8.0
        return rng.integers(int(low), int(min(self.high, low + 8.0)) + 1, (width, rows)).astype(np.float64)


@dataclass(frozen=True)
class Gap(Interval):
    """Real numbers without those of an open interval: the powers for which no Tweedie distribution exists."""

    gap: tuple[float, float] = (0.0, 1.0)

    def holds(self, x: Array) -> Mask:
        return super().holds(x) & ~((x > self.gap[0]) & (x < self.gap[1]))

    def admits(self, x: Array) -> bool:
        return not self.outside(x).any()

    def __str__(self) -> str:
        return f"{super().__str__()} without ({number(self.gap[0])}, {number(self.gap[1])})"


@dataclass(frozen=True)
class Probability(Interval):
    """A probability per column, each column on its own."""

    low: float = 0.0
    high: float = 1.0
    low_closed: bool = True
    high_closed: bool = True
    hint: str = "if these are logits, add --activation sigmoid"

    def activations(self) -> frozenset[str]:
        return frozenset({"none", "sigmoid"})


@dataclass(frozen=True)
class Score(Interval):
    """A real score whose sign is the decision; its scale is free."""

    def activations(self) -> frozenset[str]:
        return frozenset({"none", "tanh"})


def ends(x: Array) -> tuple[float, float]:
    """Return the least and the largest value of a block; NaN if there is one in it."""
    return float(np.minimum.reduce(x, axis=None)), float(np.maximum.reduce(x, axis=None))


def number(x: float) -> str:
    """Write an end of an interval."""
    return {np.inf: "∞", -np.inf: "-∞"}.get(x, f"{x:g}")
