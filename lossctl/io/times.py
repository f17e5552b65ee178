"""Times: the words of a column that orders rows, brought into their order."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lossctl.errors import DataError, printable

ALLOWED = "numbers throughout, or dates and times as 2026-11-21 or 2026-11-21T09:30:00, are"


def ranks(words: Sequence[str], where: Callable[[int], str]) -> NDArray[np.int64]:
    """Return the place of each word in the order of time.

    Times are numbers throughout, or dates and times as ISO 8601 writes them, with a zone throughout or without. Words
    come in the order of their first rows, and `where` says where that of a word is. Raises DataError for a word that
    is no time, or not of the kind of the first, and for two that are one time.
    """
    times: list[float] | list[datetime] = _numbers(words, where) if _is_number(words[0]) else _instants(words, where)
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


def _is_number(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False


def _numbers(words: Sequence[str], where: Callable[[int], str]) -> list[float]:
    for place, word in enumerate(words):
        if not _is_number(word):
            raise DataError(
                f"{where(place)}: {printable(word)!r} is no number, as {printable(words[0])!r} is; {ALLOWED}"
            )
    return [float(word) for word in words]


def _instants(words: Sequence[str], where: Callable[[int], str]) -> list[datetime]:
    """Read dates and times, to the microsecond."""
    moments: list[datetime] = []
    for place, word in enumerate(words):
        try:
            moments.append(datetime.fromisoformat(word.strip()))
        except ValueError:
            raise DataError(f"{where(place)}: {printable(word)!r} is no time; {ALLOWED}") from None
        if (moments[place].tzinfo is None) != (moments[0].tzinfo is None):
            raise DataError(f"{where(place)}: {printable(word)!r}: times with a zone and without one are mixed")
    return moments
