"""Numbers for people: significant digits, never a cut number."""

from __future__ import annotations

import math

PLAIN_BELOW = 1e9  # larger numbers are written with an exponent


def shown(value: float | None, digits: int) -> str:
    """Write a number with `digits` significant digits; large whole parts are written out."""
    if value is None:
        return "-"
    if not math.isfinite(value) or value == 0.0:
        return f"{abs(value) if value == 0.0 else value:g}"
    if 10.0**digits - 0.5 <= abs(value) < PLAIN_BELOW:
        return f"{value:.0f}"
    return f"{value:#.{digits}g}".rstrip(".")


def interval(ends: tuple[float, float] | None, digits: int) -> str:
    """Write a confidence interval."""
    return "-" if ends is None else f"[{shown(ends[0], digits)}, {shown(ends[1], digits)}]"
