"""Numbers for people: significant digits, never a cut number."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lossctl.errors import printable


@dataclass(frozen=True)
class Style:
    """The terminal's width (None: piped, natural width), colour, plain ASCII, significant digits."""

    width: int | None = None
    color: bool = False
    ascii: bool = False
    digits: int = 5


def markdown(text: str) -> str:
    """Escape what Markdown tables and HTML would take for their own."""
    safe = printable(text).replace("&", "&amp;").replace("<", "&lt;").replace("\\", "\\\\")
    return "".join(f"\\{char}" if char in "|`*_[]" else char for char in safe)


def inert_line(text: str) -> str:
    r"""Show a text such that a CI log that it stands in takes no line of it for a command of its own.

    A line that begins with `::`, after blanks, and `##[` anywhere in it, are commands to some runners.

    >>> inert_line("::error::x")
    '\\x3a:error::x'
    """
    return _unheard(printable(text))


def inert_text(text: str) -> str:
    """Do the same for each line of a text that was laid out before, where it is too late to escape names one by one."""
    return "\n".join(map(_unheard, text.split("\n")))


def _unheard(line: str) -> str:
    safe = line.replace("##[", "##\\x5b")
    start = len(safe) - len(safe.lstrip())
    return f"{safe[:start]}\\x3a{safe[start + 1 :]}" if safe.startswith("::", start) else safe


def command_data(text: str) -> str:
    """Escape the data of a workflow command by the rules of GitHub's toolkit."""
    return printable(text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A"))


def command_property(text: str) -> str:
    """Escape a property of a workflow command, which a colon or comma would end."""
    return command_data(text).replace(":", "%3A").replace(",", "%2C")


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
