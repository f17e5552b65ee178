"""Forest: intervals drawn in text around zero, one line each, all of one table on one axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

CELLS: Final = 24  # characters of the axis
SIGNS: Final = ("├", "─", "┤", "●", "│")
PLAIN: Final = ("|", "-", "|", "o", ":")

Bar = tuple[float, float, float]  # low end, difference, high end


def drawn(bars: Sequence[Bar | None], ascii_only: bool) -> list[str]:
    """Return a drawing for each interval: its ends, the difference in it, and where zero is."""
    left, line, right, middle, zero = PLAIN if ascii_only else SIGNS
    ends = [end for bar in bars if bar is not None for end in bar]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    if not high > low:
        return ["" for _ in bars]

    def place(value: float) -> int:
        return round((value / 2 - low / 2) / (high / 2 - low / 2) * (CELLS - 1))  # halves stay in range

    found = []
    for bar in bars:
        cells = [" "] * CELLS
        if bar is not None:
            first, centre, last = map(place, bar)
            cells[first : last + 1] = line * (last - first + 1)
            cells[first], cells[last] = left, right
            cells[place(0.0)] = zero
            cells[centre] = middle
        else:
            cells[place(0.0)] = zero
        found.append("".join(cells).rstrip())
    return found
