"""Times: the words of a column that orders rows, brought into their order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.errors import DataError, printable


def ranks(words: Sequence[str], column: str, label: str) -> NDArray[np.int64]:
    """Return the place of each word in the order of time; raise DataError where two kinds are mixed, or neither fits.

    Times are numbers throughout, or dates and times as ISO 8601 writes them; those without a zone are in one zone.
    """
    found: Sequence[Any] = _numbers(words) or _instants(words, column, label)
    order = sorted(range(len(words)), key=found.__getitem__)
    for before, after in pairwise(order):
        if found[before] == found[after]:
            raise DataError(
                f"{label}: column {printable(column)!r}: {printable(words[before])!r} and "
                f"{printable(words[after])!r} are one time; a series has one row for each"
            )
    places = np.empty(len(words), dtype=np.int64)
    places[order] = np.arange(len(words))
    return places


def _numbers(words: Sequence[str]) -> list[float] | None:
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        return None
    return numbers if all(map(math.isfinite, numbers)) else None


def _instants(words: Sequence[str], column: str, label: str) -> list[datetime]:
    """Read dates and times, to the microsecond."""
    where = f"{label}: column {printable(column)!r}"
    moments = []
    for word in words:
        try:
            moments.append(datetime.fromisoformat(word.strip()))
        except ValueError:
            raise DataError(
                f"{where}: {printable(word)!r} is no time; numbers throughout, or dates and times as 2026-11-21 or "
                "2026-11-21T09:30:00, are"
            ) from None
    if len({moment.tzinfo is None for moment in moments}) > 1:
        raise DataError(f"{where}: times with a zone and without one are mixed")
    return moments
