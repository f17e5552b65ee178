"""Sparklines: a curve as one line of characters, each as high as the value there, with the range that they span."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from lossctl.core.domain import Codes
from lossctl.core.form import Curve, Form
from lossctl.numerics.array import Array
from lossctl.output.numbers import shown
from lossctl.output.style import Style

BLOCKS: Final = "▁▂▃▄▅▆▇█"
PLAIN: Final = "_.-~=+*#"
UNKNOWN: Final = "?"
POINTS: Final = 61  # of a line in a wide terminal or a file
FEWEST: Final = 10  # below which there is no line to see
GAP: Final = 2  # blanks beside a line
TIGHT: Final = 1e-9  # how far a column may be from a straight line, as a share of its ends

Tabulated = tuple[Array, Mapping[str, Array]]  # a loss, and its gradient by roles, along a curve


def finer(form: Form, most: int = POINTS) -> Curve:
    """Return a form's curve with many points between its ends; the curve itself where that would need a guess.

    It needs none where the axis is numeric, every column is a straight line along it within its domain, and rows do not
    belong together.
    """
    curve = form.curve
    if any(isinstance(domain, Codes) for domain in form.roles.values()):
        return curve
    try:
        axis = np.array([float(point) for point in curve.points])
    except ValueError:
        return curve
    if len(axis) < 3 or not (np.diff(axis) > 0).all():
        return curve
    low, high = axis[0], axis[-1]
    share = (axis - low) / (high - low)
    grid = np.linspace(0.0, 1.0, most)
    roles: dict[str, tuple[tuple[float, ...], ...]] = {}
    for role, columns in curve.roles.items():
        made = []
        for column in columns:
            first, last = column[0], column[-1]
            straight = first + share * (last - first)
            labels = form.labels and role == "target" and first != last
            if labels or np.abs(straight - np.array(column)).max() > TIGHT * max(abs(first), abs(last)):
                return curve
            made.append(tuple(((1.0 - grid) * first + grid * last).tolist()))
        if form.roles[role].outside(np.array(made)).any():
            return curve
        roles[role] = tuple(made)
    return Curve(curve.axis, tuple(f"{low + at * (high - low):g}" for at in grid), roles)


def sparkline(values: Sequence[float] | Array, ascii_only: bool) -> str:
    """Draw values as one character each; what is infinite is at the end of the scale, NaN is marked.

    >>> sparkline([0.0, 1.0, 2.0, float("inf")], ascii_only=False)
    '▁▄▇█'
    """
    signs = PLAIN if ascii_only else BLOCKS
    found = np.asarray(values, dtype=np.float64)
    finite = found[np.isfinite(found)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    bottom = int(bool(np.isneginf(found).any()))  # the ends of the scale are kept for infinities
    top = len(signs) - 1 - int(bool(np.isposinf(found).any()))
    line = []
    for value in found.tolist():
        if math.isnan(value):
            line.append(UNKNOWN)
        elif math.isinf(value):
            line.append(signs[-1] if value > 0 else signs[0])
        else:
            line.append(signs[bottom + round(share(value, low, high) * (top - bottom))])
    return "".join(line)


def share(value: float, low: float, high: float) -> float:
    """Return where a value stands between two, from 0 to 1; a half where they are one."""
    if high <= low:
        return 0.5
    part, whole = value - low, high - low
    return part / whole if math.isfinite(whole) else (value / 2 - low / 2) / (high / 2 - low / 2)


def spanned(values: Sequence[float] | Array, digits: int) -> str:
    """Say from where to where values go; infinite ones are named."""
    found = np.asarray(values, dtype=np.float64)
    found = found[~np.isnan(found)]
    if not len(found):
        return "nan"
    return f"{shown(float(found.min()), digits)} to {shown(float(found.max()), digits)}"


def sparklines(drawn: Tabulated, told: Tabulated, style: Style) -> str:
    """Return a line for a loss and one for its gradient by the first role, each with its range.

    The range is that of the values in the table below, `told`, too. Nothing where the terminal is too narrow for a line
    that says anything, or there are no two points.
    """
    (values, slopes), (known, known_slopes) = drawn, told
    lines = {"loss": values}
    tails = [spanned(np.concatenate([values, known]), style.digits)]
    for role, slope in list(slopes.items())[:1]:
        lines[f"d/d{role}" if style.ascii else f"∂/∂{role}"] = slope
        tails.append(spanned(np.concatenate([slope, known_slopes[role]]), style.digits))
    margin = max(map(len, lines)) + GAP
    room = len(values)
    if style.width is not None:
        room = min(room, style.width - margin - GAP - max(map(len, tails)))
    if room < min(FEWEST, len(values)) or len(values) < 2:
        return ""
    places = np.linspace(0, len(values) - 1, room).round().astype(int)
    return "".join(
        f"{head.ljust(margin)}{sparkline(line[places], style.ascii)}{' ' * GAP}{tail}\n"
        for (head, line), tail in zip(lines.items(), tails, strict=True)
    )
