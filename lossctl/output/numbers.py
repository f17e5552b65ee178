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


def signed(value: float | None, digits: int) -> str:
    """Write a difference with its sign."""
    text = shown(value, digits)
    return text if value is None or value != value or value <= 0.0 else f"+{text}"


def percent(share: float | None, sign: bool = True) -> str:
    """Write a share in percent, with three digits or at least one decimal."""
    if share is None or not math.isfinite(share):
        return "-"
    size = abs(100.0 * share)
    text = f"{size:.0f}" if size >= 100.0 else f"{size:.1f}" if size >= 0.95 else f"{size:.2g}"
    mark = ("+" if share > 0.0 else "-" if share < 0.0 else "") if sign else ""
    return f"{mark}{text}%"


def level_text(level: float) -> str:
    """Write a confidence level in percent, never rounded to all of it."""
    text = f"{100.0 * level:.4g}"
    return f"{100.0 * level!r}%" if text == "100" else f"{text}%"
