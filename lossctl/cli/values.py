"""Values of options: which numbers fit, how a value of a configuration file is read, and how it is shown."""

from __future__ import annotations

import math
import re
from typing import Final, NamedTuple

from lossctl.errors import printable

LONGEST: Final = 60  # characters of a wrong value in an error text
PERCENT: Final = r"([0-9]{1,15}\.?[0-9]{0,15}|\.[0-9]{1,15})%"


class Range(NamedTuple):
    """What a number may be: from `least` to `most`, or between them without the ends; and one that fits."""

    least: float
    most: float = math.inf
    open: bool = False
    such_as: str = ""

    def holds(self, value: float) -> bool:
        """Whether a number is inside; NaN and infinities never are."""
        if not -math.inf < value < math.inf:
            return False
        return self.least < value < self.most if self.open else self.least <= value <= self.most

    def __str__(self) -> str:
        """Word the range for an error text."""
        if self.open:
            words = f"between {self.least} and {self.most}"
        else:
            words = f"of at least {self.least}" if math.isinf(self.most) else f"from {self.least} to {self.most}"
        return words + (f", such as {self.such_as}" if self.such_as else "")


class Tolerance(NamedTuple):
    """How much worse than the baseline a loss may be: in percent of it, absolutely, or beyond both at once."""

    percent: float | None = None
    absolute: float | None = None

    @classmethod
    def from_toml(cls, value: object) -> Tolerance | None:
        """Read `"2%"`, 0.01 or a list of one of each, in any order; None for anything else."""
        items: list[object] = value if isinstance(value, list) else [value]
        found: dict[str, float] = {}
        for item in items:
            percent = re.fullmatch(PERCENT, item) if isinstance(item, str) else None
            number = float(percent[1]) if percent else as_float(item)
            if not (math.isfinite(number) and number >= 0):
                return None
            found["percent" if percent else "absolute"] = number
        return cls(**found) if len(found) == (2 if isinstance(value, list) else 1) == len(items) else None


def is_text(value: object) -> bool:
    """Whether a value of a configuration file is a text that may stand for a name or a path."""
    return isinstance(value, str) and bool(value) and "\0" not in value


def texts(value: object) -> tuple[str, ...] | None:
    """Return a text or a list of texts as a tuple, None for anything else."""
    items: list[object] = value if isinstance(value, list) else [value]
    found = tuple(item for item in items if isinstance(item, str) and is_text(item))
    return found if found and len(found) == len(items) else None


def as_float(value: object) -> float:
    """Return a number as a float: NaN for what is none, an infinity for one that no float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def shortened(text: str) -> str:
    """Return a text that fits an error line and does nothing to a terminal."""
    text = printable(text)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def toml(value: object) -> str:
    """Show a value of a configuration file as it was written, but short."""
    if isinstance(value, dict):
        return "{...}"
    if isinstance(value, list):
        return shortened("[" + ", ".join(map(toml, value)) + "]")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return shortened(f'"{value}"')
    return shortened(str(value)) if not isinstance(value, int) or abs(value) < 10**LONGEST else "a huge number"
