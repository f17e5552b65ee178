"""Style: how a report is to look, decided by the caller who knows the terminal."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Style:
    """The terminal's width (None: piped, natural width), colour, plain ASCII, significant digits."""

    width: int | None = None
    color: bool = False
    ascii: bool = False
    digits: int = 5
