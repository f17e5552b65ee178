"""A figure as data: panels of marks over two axes, in the units of the data; `output` draws it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Mark = Literal["line", "band", "bar", "point", "interval", "cell", "rule"]
Numbers = tuple[float, ...]


@dataclass(frozen=True)
class Axis:
    """What is measured along one side of a panel.

    `domain` is the extent that is drawn, None for that of the marks. `categories` name the positions 0, 1, 2, ...
    of an axis without numbers, from the left or from the top.
    """

    label: str
    unit: str = ""
    log: bool = False
    domain: tuple[float, float] | None = None
    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layer:
    """Marks of one kind and one series, as columns of equal length.

    | mark | what its columns say |
    |---|---|
    | line | (x, y) joined in order; a NaN in y is a gap |
    | band | the area from y to y2 along x |
    | bar | from x to x2 wide, from y to y2 high; y is 0 where it is left out |
    | point | (x, y), `size` in rows if it has one |
    | interval | a line from (x, y) to (x2, y2), where one of the two sides stays the same |
    | cell | the rectangle from (x, y) to (x2, y2), coloured by `value` |
    | rule | a straight line through the whole panel: at x, or at y where x is left out |

    `series` is the name of a model or a loss, "" for what belongs to none: a zero line, the diagonal. `texts` name
    single marks for whoever points at them or reads without eyes.
    """

    mark: Mark
    x: Numbers = ()
    y: Numbers = ()
    x2: Numbers = ()
    y2: Numbers = ()
    size: Numbers = ()
    value: Numbers = ()
    series: str = ""
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Panel:
    """One pair of axes; `share` is its part of the height of the figure, `value` what the colour of cells means."""

    x: Axis
    y: Axis
    layers: tuple[Layer, ...]
    title: str = ""
    share: float = 1.0
    value: str = ""


@dataclass(frozen=True)
class Figure:
    """Panels one below another, that share the colours of their series.

    `title` says what is shown, `sentence` what is found in it, `notes` what a reader must know: rows that lie beyond
    an axis, rows left out, how intervals were made. `series` are all models or losses in the order of the legend.
    """

    kind: str
    title: str
    panels: tuple[Panel, ...]
    series: tuple[str, ...] = ()
    sentence: str = ""
    notes: tuple[str, ...] = ()
