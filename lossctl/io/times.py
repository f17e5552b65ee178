"""Times: the words of a column that orders rows, brought into their order."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lossctl.errors import DataError, printable

ALLOWED = "numbers throughout, or dates and times as 2026-11-21 or 2026-11-21T09:30:00, are"
FRACTION: Final = re.compile(r"(.{8,11}(?:[0-9]{2}:[0-9]{2}:[0-9]{2}|[0-9]{6}))[.,]([0-9]+)((?:Z|[+-][0-9:]+)?)")
Instant = tuple[datetime, Decimal]


def ranks(words: Sequence[str], where: Callable[[int], str]) -> NDArray[np.int64]:
    """Return the place of each word in the order of time.

    Times are numbers throughout, or dates and times as ISO 8601 writes them, with a zone throughout or without. Both
    are compared exactly, whatever their number of digits. Words come in the order of their first rows, and `where`
    says where that of a word is. Raises DataError for a word that is no time, or not of the kind of the first, and
    for two that are one time.
    """
    if not words:
        return np.empty(0, dtype=np.int64)
    numeric = _number(words[0]) is not None
    times: list[Decimal] | list[Instant] = _numbers(words, where) if numeric else _instants(words, where)
    order = sorted(range(len(words)), key=times.__getitem__)
    for before, after in pairwise(order):
        if times[before] == times[after]:
            first, second = sorted((before, after))
            raise DataError(
                f"{where(second)}: {printable(words[second])!r} is the same time as {printable(words[first])!r} in a "
                "row before; a series has one row for each"
            )
    places = np.empty(len(words), dtype=np.int64)
    places[order] = np.arange(len(words))
    return places


def _number(word: str) -> Decimal | None:
    """Read a finite number; None where a word is none."""
    try:
        number = Decimal(word)
    except InvalidOperation:
        return None
    return number if number.is_finite() and "_" not in word else None


def _numbers(words: Sequence[str], where: Callable[[int], str]) -> list[Decimal]:
    numbers: list[Decimal] = []
    for place, word in enumerate(words):
        number = _number(word)
        if number is None:
            raise DataError(
                f"{where(place)}: {printable(word)!r} is no number, as {printable(words[0])!r} is; {ALLOWED}"
            )
        numbers.append(number)
    return numbers


def _instants(words: Sequence[str], where: Callable[[int], str]) -> list[Instant]:
    """Read dates and times: to the second, and the fraction of it, which `datetime` would cut to microseconds."""
    moments: list[Instant] = []
    for place, word in enumerate(words):
        try:
            moments.append(_instant(word.strip()))
        except ValueError:
            raise DataError(f"{where(place)}: {printable(word)!r} is no time; {ALLOWED}") from None
        if (moments[place][0].tzinfo is None) != (moments[0][0].tzinfo is None):
            raise DataError(f"{where(place)}: {printable(word)!r}: times with a zone and without one are mixed")
    return moments


def _instant(text: str) -> Instant:
    match = FRACTION.fullmatch(text)
    if match is not None:
        return datetime.fromisoformat(match[1] + match[3]), Decimal(f"0.{match[2]}")
    if "." in text or "," in text:
        raise ValueError("only a second has a fraction")
    return datetime.fromisoformat(text), Decimal(0)
