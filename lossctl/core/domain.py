"""Domains: which values a role or a parameter may take, as data that checks, words and samples itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lossctl.core.frame import CORNERS as CORNERS
from lossctl.core.frame import Box as Box
from lossctl.core.frame import corners as corners
from lossctl.core.interval import Array as Array
from lossctl.core.interval import Domain as Domain
from lossctl.core.interval import Gap as Gap
from lossctl.core.interval import Interval as Interval
from lossctl.core.interval import Mask as Mask
from lossctl.core.interval import Probability as Probability
from lossctl.core.interval import Score as Score
from lossctl.core.interval import Whole as Whole
from lossctl.core.interval import ends as ends
from lossctl.core.interval import number as number

SUM_TOLERANCE = 1e-3  # a row of probabilities rounded to three digits still counts as one


@dataclass(frozen=True)
class Flag(Domain):
    """A yes/no label written {0, 1}, {-1, +1} or as booleans; `soft` admits probabilities too."""

    soft: bool = False

    def outside(self, x: Array) -> Mask:
        inside = ((x >= 0.0) & (x <= 1.0)) | (x == -1.0) if self.soft else (x == 0.0) | (x == 1.0) | (x == -1.0)
        return ~np.logical_and.reduce(inside, axis=0)

    def sides(self, x: Array) -> tuple[Mask, Mask] | None:
        return np.logical_or.reduce(x == -1.0, axis=0), np.logical_or.reduce((x >= 0.0) & (x < 1.0), axis=0)

    def sample(self, rng: np.random.Generator, width: int, rows: int) -> Array:
        hard = rng.integers(0, 2, (width, rows)).astype(np.float64)
        return np.where(rng.random((width, rows)) < 0.5, rng.random((width, rows)), hard) if self.soft else hard

    def __str__(self) -> str:
        return "{0, 1} or {-1, +1}" + (" or a probability in [0, 1]" if self.soft else "")


@dataclass(frozen=True)
class Mark(Domain):
    """Zero or one per column: a mask, or one row of a one-hot table."""

    one_hot: bool = False

    def outside(self, x: Array) -> Mask:
        wrong = ~np.logical_and.reduce((x == 0.0) | (x == 1.0), axis=0)
        return wrong | (np.add.reduce(x, axis=0) != 1.0) if self.one_hot else wrong

    def sample(self, rng: np.random.Generator, width: int, rows: int) -> Array:
        if self.one_hot:
            return np.ascontiguousarray(np.eye(width)[rng.integers(0, width, rows)].T)
        return rng.integers(0, 2, (width, rows)).astype(np.float64)

    def __str__(self) -> str:
        return "{0, 1}, one 1 in each row" if self.one_hot else "{0, 1}"


@dataclass(frozen=True)
class Simplex(Domain):
    """Rows of probabilities over K classes that sum to 1 (within 0.001)."""

    hint: str = "if these are logits, add --activation softmax"

    def admits(self, x: Array) -> bool:
        if not x.size or not UNIT.admits(x):
            return not self.outside(x).any()
        low, high = ends(np.add.reduce(x, axis=0))
        return (low >= 1.0 - SUM_TOLERANCE / 2 and high <= 1.0 + SUM_TOLERANCE / 2) or not self.outside(x).any()

    def outside(self, x: Array) -> Mask:
        wrong = ~np.logical_and.reduce((x >= 0.0) & (x <= 1.0), axis=0)
        return wrong | ~(np.abs(np.add.reduce(x, axis=0) - 1.0) <= SUM_TOLERANCE)

    def sample(self, rng: np.random.Generator, width: int, rows: int) -> Array:
        return np.ascontiguousarray(rng.dirichlet(np.full(width, 1.5), rows).T)

    def activations(self) -> frozenset[str]:
        return frozenset({"none", "softmax"})

    def __str__(self) -> str:
        return "probabilities in [0, 1] that sum to 1 in each row"


@dataclass(frozen=True)
class LogSimplex(Domain):
    """Rows of log-probabilities over K classes, whose probabilities sum to 1 (within 0.001); ln 0 is -∞."""

    hint: str = "if these are logits or probabilities, take the loss of probabilities (--activation softmax)"

    def outside(self, x: Array) -> Mask:
        wrong = ~np.logical_and.reduce(x <= 0.0, axis=0)
        return wrong | ~(np.abs(np.add.reduce(np.exp(np.minimum(x, 0.0)), axis=0) - 1.0) <= SUM_TOLERANCE)

    def sample(self, rng: np.random.Generator, width: int, rows: int) -> Array:
        return np.log(np.ascontiguousarray(rng.dirichlet(np.full(width, 3.0), rows).T))

    def __str__(self) -> str:
        return "log-probabilities in [-∞, 0] whose exponentials sum to 1 in each row"


@dataclass(frozen=True)
class Labels(Domain):
    """One class label per row, held as integer codes 0 .. K-1 in a (rows,) array."""

    width: int | None = 1

    def outside(self, x: Array) -> Mask:
        return x < 0

    def __str__(self) -> str:
        return "one class label per row"


@dataclass(frozen=True)
class Codes(Domain):
    """Whatever says which rows belong together: text or numbers, of which only equality counts; held as codes."""

    width: int | None = 1

    def outside(self, x: Array) -> Mask:
        return x[0] < 0.0

    def sample(self, rng: np.random.Generator, width: int, rows: int) -> Array:
        return np.sort(rng.integers(0, 4, (1, rows))).astype(np.float64)

    def __str__(self) -> str:
        return "any values; equal ones belong together"


REAL = Interval()
POSITIVE = Interval(low=0.0)
NON_NEGATIVE = Interval(low=0.0, low_closed=True)
UNIT = Interval(low=0.0, high=1.0, low_closed=True, high_closed=True)
OPEN_UNIT = Interval(low=0.0, high=1.0)
NON_ZERO = Interval(hole=0.0)
ABOVE_MINUS_ONE = Interval(low=-1.0)
COUNT = Whole(low=0.0, low_closed=True)
AT_LEAST_ONE_WHOLE = Whole(low=1.0)
AT_LEAST_ONE = Interval(low=1.0, low_closed=True)
PROBABILITY = Probability()
SCORE = Score(words="scores of either sign")
FLAG = Flag()
SOFT_FLAG = Flag(soft=True)
SIMPLEX = Simplex()
LOG_SIMPLEX = LogSimplex()
LABELS = Labels()
MASK = Mark()
ONE_HOT = Mark(one_hot=True)
TARGET_BOX = Box(solid=True)
PRED_BOX = Box()
CODES = Codes()
