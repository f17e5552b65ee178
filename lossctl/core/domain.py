"""Domains: which values a role or a parameter may take, as data that checks, words and samples itself."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Lock
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from lossctl.numerics.array import Array, Mask

ELLIPSIS: Final = "..."  # what NumPy prints for the middle of a long list
LIST: Final = r"(?s)(?:(?:array|tensor)\()?\[(.*)\](?:,[^\[\]]*)?\)?"  # as Python writes one


class Extent(NamedTuple):
    """The least and the largest value of a block, NaN if there is one, and whether all are integers by their type."""

    low: float
    high: float
    integers: bool = False


Test = Callable[[Array], Mask]


def extent(x: Array, integers: bool = False) -> Extent:
    """Return the extent of a block that is not empty."""
    return Extent(float(np.minimum.reduce(x, axis=None)), float(np.maximum.reduce(x, axis=None)), integers)


@dataclass(frozen=True)
class Domain:
    """A set of admissible values for one role, held as (width, rows) blocks.

    `width` is the number of columns the role must have (None: any number, shared with its fellow roles).
    `hint` is the usual mistake behind a violation, `advice` what it says of one row. Every check treats NaN as outside.
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

    def spans(self, extent: Extent) -> bool:
        """Return whether all values of this extent are admissible; False where that does not follow from it."""
        return False

    def sample(self, rng: np.random.Generator, width: int, rows: int) -> Array:
        """Draw a (width, rows) block from the inside of the domain, ends now and then included."""
        raise NotImplementedError  # abstract: each kind of domain below says it

    def activations(self) -> frozenset[str]:
        """Return the activations whose outputs can lie in this domain."""
        return frozenset({"none"})

    def sides(self, extent: Extent | None) -> tuple[Test, ...]:
        """Return two tests, in (width, rows) masks, of which an input may pass only one; none if nothing clashes."""
        return ()

    def advice(self, row: Array, role: str) -> str:
        """Return the likely fix for a (width,) row outside of the domain; nothing where there is none to be known."""
        return self.hint if role == "pred" else ""

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
        return self.spans(extent(x)) if x.size and self.hole is None else not self.outside(x).any()

    def spans(self, extent: Extent) -> bool:
        if self.hole is not None or type(self).admits is not Interval.admits:  # a subclass may admit less
            return False
        return bool(self.holds(np.array(extent[:2])).all())

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
        fitting = (name for name, span in RANGES.items() if name == "none" or self.contains(span))
        return frozenset(fitting) - {"softmax", "renormalize"}  # their columns are the classes of one row

    def __str__(self) -> str:
        if self.words:
            return self.words
        opening = "[" if self.low_closed else "("
        closing = "]" if self.high_closed and self.high < np.inf else ")"
        hole = f" without {self.hole:g}" if self.hole is not None else ""
        return f"{opening}{number(self.low)}, {number(self.high)}{closing}{hole}"


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

    def spans(self, extent: Extent) -> bool:
        return extent.integers and bool(self.holds(np.array(extent[:2])).all())

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


class Probability(Interval):
    """A probability per column, each column on its own."""

    def activations(self) -> frozenset[str]:
        return frozenset({"none", "sigmoid"})

    def advice(self, row: Array, role: str) -> str:
        bytes_of_shares = bool(((row >= 0.0) & (row <= 255.0) & (row == np.rint(row))).all())
        way = "; if they are bytes, divide them by 255 first" if role == "pred" and bytes_of_shares else ""
        return super().advice(row, role) + way


class Score(Interval):
    """A real score whose sign is the decision; its scale is free."""

    def activations(self) -> frozenset[str]:
        return frozenset({"none", "tanh"})


def number(x: float) -> str:
    """Write an end of an interval."""
    return {np.inf: "∞", -np.inf: "-∞"}.get(x, f"{x:g}")


RANGES: Final = {
    "none": Interval(),
    "sigmoid": Interval(low=0.0, high=1.0),
    "softmax": Interval(low=0.0, high=1.0),
    "tanh": Interval(low=-1.0, high=1.0),
    "exp": Interval(low=0.0),
    "softplus": Interval(low=0.0),
    "relu": Interval(low=0.0, low_closed=True),
    "renormalize": Interval(low=0.0, high=1.0, low_closed=True, high_closed=True),
}


CORNERS: Final = {  # the corners x1, y1, x2, y2 from the four columns of a box
    "xyxy": np.eye(4),
    "xywh": np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1]]),
    "cxcywh": np.array([[1.0, 0, -0.5, 0], [0, 1, 0, -0.5], [1, 0, 0.5, 0], [0, 1, 0, 0.5]]),
}


def corners(box: Array, frame: str) -> Array:
    """Return the corners x1, y1, x2, y2 of boxes (4, rows) in a frame: xyxy, xywh or cxcywh."""
    if frame == "xyxy":
        return box
    half = 0.5 * box[2:]
    start = box[:2] if frame == "xywh" else box[:2] - half
    return np.concatenate([start, box[:2] + (box[2:] if frame == "xywh" else half)])


@dataclass(frozen=True)
class Box(Domain):
    """An axis-parallel box in a frame (corners; or corner or centre, width and height); `solid` asks for an area."""

    width: int | None = 4
    solid: bool = False
    frame: str = "xyxy"

    def outside(self, x: Array) -> Mask:
        finite = np.logical_and.reduce(np.isfinite(x), axis=0)
        if self.frame != "xyxy":
            sides = x[2:] > 0.0 if self.solid else x[2:] >= 0.0
            return ~(finite & sides[0] & sides[1])
        ordered = (x[0] < x[2]) & (x[1] < x[3]) if self.solid else (x[0] <= x[2]) & (x[1] <= x[3])
        return ~(finite & ordered)

    def sample(self, rng: np.random.Generator, width: int, rows: int) -> Array:
        corner, sides = rng.uniform(0.0, 4.0, (2, rows)), rng.uniform(0.5, 4.0, (2, rows))
        start = corner + 0.5 * sides if self.frame == "cxcywh" else corner
        return np.concatenate([start, corner + sides if self.frame == "xyxy" else sides])

    def activations(self) -> frozenset[str]:
        if self.frame != "xyxy":
            return frozenset({"none"})
        return frozenset({"none", "sigmoid", "relu", "exp", "softplus"})  # which keep the order of corners

    def __str__(self) -> str:
        less = "<" if self.solid else "<="
        if self.frame != "xyxy":
            return f"finite {self.frame} with 0 {less} w and 0 {less} h"
        return f"finite x1 {less} x2 and y1 {less} y2"


SUM_TOLERANCE = 1e-3  # a row of probabilities rounded to three digits still counts as one


def no_row(x: Array) -> Mask:
    """The test that no value passes."""
    return np.zeros((1, 1), dtype=bool)


@dataclass(frozen=True)
class Flag(Domain):
    """A yes/no label written {0, 1}, {-1, +1} or as booleans; `soft` admits probabilities too.

    ignored: numbers that stand where none is known.
    """

    soft: bool = False
    ignored: tuple[float, ...] = ()

    def outside(self, x: Array) -> Mask:
        inside = ((x >= 0.0) & (x <= 1.0)) | (x == -1.0) if self.soft else (x == 0.0) | (x == 1.0) | (x == -1.0)
        return ~np.logical_and.reduce(inside | np.isin(x, self.ignored) if self.ignored else inside, axis=0)

    def advice(self, row: Array, role: str) -> str:
        return advice_on_labels(row, role)

    def spans(self, extent: Extent) -> bool:
        return extent.low >= -1.0 and extent.high <= 1.0 and (extent.integers or (self.soft and extent.low >= 0.0))

    def sides(self, extent: Extent | None) -> tuple[Test, ...]:
        if extent is not None and extent.low >= 0.0:
            return no_row, lambda x: x < 1.0
        if -1.0 in self.ignored:
            return no_row, lambda x: (x >= 0.0) & (x < 1.0)
        if 0.0 in self.ignored:
            return lambda x: x == -1.0, lambda x: (x > 0.0) & (x < 1.0)
        return lambda x: x == -1.0, lambda x: (x >= 0.0) & (x < 1.0)

    def sample(self, rng: np.random.Generator, width: int, rows: int) -> Array:
        hard = rng.integers(0, 2, (width, rows)).astype(np.float64)
        return np.where(rng.random((width, rows)) < 0.5, rng.random((width, rows)), hard) if self.soft else hard

    def __str__(self) -> str:
        numbers = "".join(f" or {x:g}" for x in self.ignored)
        return "{0, 1} or {-1, +1}" + (" or a probability in [0, 1]" if self.soft else "") + numbers


def advice_on_labels(row: Array, role: str) -> str:
    """Say which label may be the positive one; nothing for numbers that are no labels."""
    labels = row[(row != 0.0) & (row != 1.0) & (row == np.rint(row))]
    if role == "event" and labels.size:
        return (
            "1 says that the event was observed, 0 that the row was censored before it; of other labels "
            f"--positive-label {labels.max():g} says which means that it was observed"
        )
    if role != "target" or not labels.size:
        return ""
    if len(row) > 1 and (row == 1.0).any():
        number = labels[np.argmax(np.abs(labels))]
        return f"if that stands where nothing is known, losses such as bce and dice take ignore_class={number:g}"
    return f"if these are two labels, --positive-label {labels.max():g} says which is 1"


@dataclass(frozen=True)
class Mark(Domain):
    """Zero or one per column: a mask, or one row of a one-hot table; `ignored` numbers stand where none is known."""

    one_hot: bool = False
    ignored: tuple[float, ...] = ()

    def outside(self, x: Array) -> Mask:
        marks = (x == 0.0) | (x == 1.0)
        wrong = ~np.logical_and.reduce(marks | np.isin(x, self.ignored) if self.ignored else marks, axis=0)
        return wrong | (np.add.reduce(x, axis=0) != 1.0) if self.one_hot else wrong

    def advice(self, row: Array, role: str) -> str:
        return "" if self.one_hot else advice_on_labels(row, role)

    def sample(self, rng: np.random.Generator, width: int, rows: int) -> Array:
        if self.one_hot:
            return np.ascontiguousarray(np.eye(width)[rng.integers(0, width, rows)].T)
        return rng.integers(0, 2, (width, rows)).astype(np.float64)

    def __str__(self) -> str:
        numbers = ", ".join(f"{x:g}" for x in (0.0, 1.0, *self.ignored))
        return f"{{{numbers}}}, one 1 in each row" if self.one_hot else f"{{{numbers}}}"


@dataclass(frozen=True)
class Simplex(Domain):
    """Rows of probabilities over K classes that sum to 1 within a tolerance."""

    tolerance: float = SUM_TOLERANCE

    def admits(self, x: Array) -> bool:
        if not x.size or not UNIT.admits(x):
            return not self.outside(x).any()
        low, high, _ = extent(np.add.reduce(x, axis=0))
        within = self.tolerance / 2
        return (low >= 1.0 - within and high <= 1.0 + within) or not self.outside(x).any()

    def outside(self, x: Array) -> Mask:
        wrong = ~np.logical_and.reduce((x >= 0.0) & (x <= 1.0), axis=0)
        return wrong | ~(np.abs(np.add.reduce(x, axis=0) - 1.0) <= self.tolerance)

    def advice(self, row: Array, role: str) -> str:
        if not UNIT.admits(row):
            return "if these are logits, add --activation softmax" if role == "pred" else ""
        total = float(np.add.reduce(row))
        fixes = [f"--sum-tolerance {wide_enough(abs(total - 1.0))} takes such rows as they are"]
        fixes += ["--renormalize divides each row by its sum"] if role == "pred" and total > 0.0 else []
        return f"the row sums to {total:.6g}; {', '.join(fixes)}"

    def sample(self, rng: np.random.Generator, width: int, rows: int) -> Array:
        return np.ascontiguousarray(rng.dirichlet(np.full(width, 1.5), rows).T)

    def activations(self) -> frozenset[str]:
        return frozenset({"none", "softmax", "renormalize"})

    def __str__(self) -> str:
        return "probabilities in [0, 1] that sum to 1 in each row"


def wide_enough(gap: float) -> str:
    """Return the next larger tolerance of two digits."""
    unit = 10.0 ** (math.floor(math.log10(gap)) - 1)
    return f"{math.ceil(gap / unit) * unit:.2g}"


@dataclass(frozen=True)
class LogSimplex(Domain):
    """Rows of log-probabilities over K classes, whose probabilities sum to 1 within a tolerance; ln 0 is -∞."""

    hint: str = "if these are logits or probabilities, take the loss of probabilities (--activation softmax)"
    tolerance: float = SUM_TOLERANCE

    def outside(self, x: Array) -> Mask:
        wrong = ~np.logical_and.reduce(x <= 0.0, axis=0)
        return wrong | ~(np.abs(np.add.reduce(np.exp(np.minimum(x, 0.0)), axis=0) - 1.0) <= self.tolerance)

    def sample(self, rng: np.random.Generator, width: int, rows: int) -> Array:
        return np.log(np.ascontiguousarray(rng.dirichlet(np.full(width, 3.0), rows).T))

    def __str__(self) -> str:
        return "log-probabilities in [-∞, 0] whose exponentials sum to 1 in each row"


class MaskedLogits(Domain):
    """Rows of numbers that a softmax turns into probabilities; a class of logit -∞ cannot be, if another one can."""

    def admits(self, x: Array) -> bool:
        return REAL.admits(x) or not self.outside(x).any()

    def outside(self, x: Array) -> Mask:
        top = np.maximum.reduce(x, axis=0)  # NaN if there is one
        return ~((top > -np.inf) & (top < np.inf))

    def __str__(self) -> str:
        return "numbers, of which some may be -∞ (a class that cannot be)"


class Amounts(Domain):
    """Rows of amounts that are divided by their sum."""

    def outside(self, x: Array) -> Mask:
        total = np.add.reduce(x, axis=0)
        return ~(np.logical_and.reduce(x >= 0.0, axis=0) & (total > 0.0) & (total < np.inf))

    def __str__(self) -> str:
        return "numbers >= 0, not all 0, in each row"


class Labels(Domain):
    """One class label per row, held as integer codes 0 .. K-1 in a (rows,) array."""

    def outside(self, x: Array) -> Mask:
        return x < 0

    def __str__(self) -> str:
        return "one class label per row"


class Codes(Domain):
    """Whatever says which rows belong together: text or numbers, of which only equality counts; held as codes."""

    def outside(self, x: Array) -> Mask:
        return x[0] < 0.0

    def sample(self, rng: np.random.Generator, width: int, rows: int) -> Array:
        return np.sort(rng.integers(0, 4, (1, rows))).astype(np.float64)

    def __str__(self) -> str:
        return "any values; equal ones belong together"


class Decision(Domain):
    """One class per row, observed or predicted, held as a whole number >= 0: its code, the same in both roles."""

    def outside(self, x: Array) -> Mask:
        return ~((x[0] >= 0.0) & (x[0] == np.rint(x[0])))

    def sample(self, rng: np.random.Generator, width: int, rows: int) -> Array:
        return rng.integers(0, 3, (1, rows)).astype(np.float64)

    def __str__(self) -> str:
        return "one class per row"


REAL = Interval()
SOFTMAX_LOGITS = MaskedLogits()
AMOUNTS = Amounts()
POSITIVE = Interval(low=0.0)
NON_NEGATIVE = Interval(low=0.0, low_closed=True)
UNIT = Interval(low=0.0, high=1.0, low_closed=True, high_closed=True)
OPEN_UNIT = Interval(low=0.0, high=1.0)
NON_ZERO = Interval(hole=0.0)
ABOVE_MINUS_ONE = Interval(low=-1.0)
COUNT = Whole(low=0.0, low_closed=True)
AT_LEAST_ONE_WHOLE = Whole(low=1.0)
AT_LEAST_ONE = Interval(low=1.0, low_closed=True)
PROBABILITY = Probability(
    "", None, "if these are logits, add --activation sigmoid", low=0.0, high=1.0, low_closed=True, high_closed=True
)
SCORE = Score(words="scores of either sign")
FLAG = Flag()
SOFT_FLAG = Flag(soft=True)
SIMPLEX = Simplex()
LOG_SIMPLEX = LogSimplex()
LABELS = Labels(width=1)
MASK = Mark()
ONE_HOT = Mark(one_hot=True)
TARGET_BOX = Box(solid=True)
PRED_BOX = Box()
CODES = Codes(width=1)
ONE_CLASS = Decision(width=1)


# labels: one spelling for each, wherever it comes from; and labels to class codes -------------------------------------

NUMBER: Final = r"(-?)(0|[1-9][0-9]*)?(?:(\.)([0-9]*))?(?:[eE]([+-]?[0-9]{1,3}))?"
TIME: Final = (
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?"
    r"(?: ?(Z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?))?"
)
TIME_OF_DAY: Final = r"([0-9]{2}:[0-9]{2}:[0-9]{2})\.([0-9]+)"
UUID: Final = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
UUID_LENGTH: Final = 36
LONGEST_WHOLE: Final = 40  # digits of a whole number that is a label
BOOLEAN: Final = {"true": "true", "True": "true", "TRUE": "true", "false": "false", "False": "false", "FALSE": "false"}


def label(value: object) -> str:
    """Write a label in one way for every container; text that is none of these stays as it is.

    true for True; 2 for 2.00 and 0.5 for 5e-1; 2026-11-21 09:30:00 for 2026-11-21T09:30:00.000, 2026-11-21 for its
    midnight, times with a zone in that of Greenwich, with Z; a UUID in lower case. Leading zeros and 12e5, without a
    sign, stay, as codes may have them.
    """
    text = str(value)
    if text.isdecimal() and text.isascii():
        return text
    if len(text) == UUID_LENGTH and re.fullmatch(UUID, text):
        return text.lower()
    if text[:1] not in "-.0123456789":
        return BOOLEAN.get(text, text)
    if match := re.fullmatch(NUMBER, text):
        return _number_label(text, *match.groups())
    if match := re.fullmatch(TIME, text):
        return _time_label(text, *match.groups())
    if match := re.fullmatch(TIME_OF_DAY, text):
        return match[1] + _fraction(match[2])
    return text


def _number_label(
    text: str, sign: str, units: str | None, point: str | None, fraction: str | None, exponent: str | None
) -> str:
    """Write a number without an exponent and without zeros that say nothing."""
    if not (units or fraction) or not (point or (exponent or "0")[0] in "+-"):
        return text
    digits = (units or "") + (fraction or "")
    place = len(units or "") + int(exponent or 0)  # of the point, among the digits
    digits, place = "0" * -place + digits, max(place, 0)
    before, after = digits[:place].ljust(place, "0").lstrip("0"), digits[place:].rstrip("0")
    return f"{sign}{before or '0'}{after and '.'}{after}" if before or after else "0"


def _time_label(text: str, day: str, minute: str, second: str | None, fraction: str | None, zone: str | None) -> str:
    """Write a time to the second, with a fraction if it has one; a midnight without a zone as its day."""
    time = f"{minute}:{second or '00'}"
    if zone is None:
        time += _fraction(fraction or "")
        return day if time == "00:00:00" else f"{day} {time}"
    try:
        moment = datetime.fromisoformat(f"{day}T{time}{zone.replace('UTC', 'Z')}").astimezone(UTC)
    except (ValueError, OverflowError):  # no such day, or one before the first year
        return text
    return f"{moment.isoformat(' ')[:19]}{_fraction(fraction or '')}Z"


def _fraction(digits: str) -> str:
    digits = digits.rstrip("0")
    return digits and f".{digits}"


class ClassCodes:
    """Labels to class codes; labels that are numbers compare by value (1, 1.0 and 01 are one class)."""

    def __init__(self, classes: Sequence[object]) -> None:
        words = tuple(map(str, classes))
        labels = tuple(map(label, words))
        self.classes = labels if len(set(labels)) == len(set(words)) else words  # 1.10 and 1.1 are two versions
        self._texts = {text: code for code, text in enumerate(self.classes)}
        values = {value: code for text, code in self._texts.items() if (value := exact_number(text)) is not None}
        self._values: Mapping[float, int] = values if len(values) == len(self.classes) else {}

    def and_ignored(self, labels: Sequence[str]) -> ClassCodes:
        """Return the same codes, and further ones for labels that are no class and do not count."""
        unknown = list(dict.fromkeys(label(text) for text in labels if self.of([text])[0] < 0))
        return ClassCodes([*self.classes, *unknown]) if unknown else self

    def of(self, words: Sequence[object]) -> NDArray[np.int64]:
        """Return the code of every word and, for the null code -1, a last -1; unknown words are -2."""
        return np.array([*map(self._code, words), -1], dtype=np.int64)

    def _code(self, word: object) -> int:
        text = word if word in self._texts else label(word)
        if text in self._texts:
            return self._texts[text]
        value = exact_number(text)
        return -2 if value is None else self._values.get(value, -2)


class OpenCodes:
    """Labels to class codes as they come, after some that are known before; threads may share it.

    by_value: whether labels that are numbers compare by value.
    """

    def __init__(self, classes: Sequence[object] = (), *, by_value: bool = True) -> None:
        self._by_value = by_value
        self._codes: dict[str | float, int] = {}
        self._lock = Lock()
        self.of(classes)

    def of(self, words: Sequence[object]) -> NDArray[np.int64]:
        """Return the code of every word and, for the null code -1, a last -1."""
        keys = [self._key(str(word)) for word in words]
        with self._lock:
            return np.array([*(self._codes.setdefault(key, len(self._codes)) for key in keys), -1], dtype=np.int64)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels by their codes."""
        return tuple(map(label, self._codes))

    def _key(self, word: str) -> str | float:
        value = exact_number(word)
        if value is None:
            return label(word)
        return value if self._by_value else word


def exact_number(text: str) -> float | None:
    """Return the value of a label that is a number, a whole one beyond 2^53 too; equal values have one hash."""
    digits = text.removeprefix("-")
    is_whole = digits.isdecimal() and digits.isascii() and len(digits) <= LONGEST_WHOLE
    return int(text) if is_whole else as_number(text)


def way_of_list(text: str) -> str:
    """Say how a list of numbers that stands as text, as frames write it, can be read; nothing for any other text."""
    match = re.fullmatch(LIST, text.strip())
    words = [word for word in re.split(r"[\s,\[\]]+", match[1]) if word] if match else []
    if not words or None in map(as_number, filter(ELLIPSIS.__ne__, words)):
        return ""
    if ELLIPSIS in words:
        return (
            "; this is a list that NumPy cut when it was printed: np.set_printoptions(threshold=sys.maxsize) before, "
            "or x.tolist(), writes all numbers, and Parquet and JSON lines hold real lists"
        )
    return "; this is a list written as text: Parquet and JSON lines hold real ones, CSV one column for each number"


def ignored_labels(ignore_class: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the labels that do not count, of the parameter that names one or several."""
    return () if ignore_class is None else (ignore_class,) if isinstance(ignore_class, str) else ignore_class


HOLE: Final = 2.0  # what stands for a word that does not count among 0 and 1


def hole(label: str) -> float:
    """Return the number that stands among 0 and 1 for a label that does not count."""
    value = as_number(label)
    return HOLE if value is None else value


def hole_fault(ignored: Sequence[str], positive: str | None) -> str:
    """Say why labels cannot be left out of a target of yes and no; nothing where they can."""
    for label in ignored:
        if positive is None and as_number(label) is None:
            return f"ignore_class={label} is no number; --positive-label LABEL says which label of the target is 1"
        if positive is not None and hole(label) in (0.0, 1.0):
            return (
                f"ignore_class={label}: beside --positive-label {positive} the target becomes 0 and 1, so what does "
                "not count needs a label that is neither"
            )
    return ""


def as_number(text: str) -> float | None:
    """Return the value of a label that is a number."""
    try:
        return float(text) if "_" not in text else None
    except ValueError:
        return None
