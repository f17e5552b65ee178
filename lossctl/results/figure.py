"""A figure as data: panels of marks over two axes, in the units of the data; `output` draws it."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from lossctl.errors import printable
from lossctl.results.document import above

if TYPE_CHECKING:
    import os

Mark = Literal["line", "band", "bar", "point", "interval", "cell", "rule"]
Side = Literal["x", "y"]
Numbers = tuple[float, ...]
HUGE: Final = 2.0**1000  # beyond which no axis reaches
ROOM: Final = 0.04  # of an extent, which is left beside the outermost marks
LARGEST: Final = sys.float_info.max
SKEWED: Final = 50.0  # largest value of cells over the smallest, from which on colours are by logarithm


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

    @property
    def heading(self) -> str:
        """The label with its unit, unless that is a pure number; brackets are not nested."""
        if not self.unit or self.unit.startswith("1"):
            return self.label
        return f"{self.label}, in {self.unit}" if "(" in self.unit else f"{self.label} ({self.unit})"


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

    @classmethod
    def of(
        cls, mark: Mark, *sides: Iterable[float], series: str = "", texts: Iterable[str] = (), **more: Iterable[float]
    ) -> Self:
        """Return marks from numbers of any kind: sides are x, y, x2 and y2, `more` other columns."""
        columns = {**dict(zip(("x", "y", "x2", "y2"), sides, strict=False)), **more}
        numbers: dict[str, Any] = {name: tuple(map(float, column)) for name, column in columns.items()}
        return cls(mark, series=series, texts=tuple(texts), **numbers)

    def rectangles(self) -> Iterator[tuple[float, float, float, float]]:
        """Yield left, right, base and end of bars or cells."""
        return zip(self.x, self.x2, self.y or repeat(0.0), self.y2, strict=False)

    def numbers(self, side: Side) -> Iterator[float]:
        """Yield all numbers along one side, that of the base of bars among them."""
        yield from chain(self.x, self.x2) if side == "x" else chain(self.y, self.y2)
        if self.mark == "bar" and side == "y" and not self.y:
            yield 0.0


@dataclass(frozen=True)
class Panel:
    """One pair of axes; `share` is its part of the height of the figure, `value` what the colour of cells means.

    `among` are the values of all panels whose colours are one scale, if these are several.
    """

    x: Axis
    y: Axis
    layers: tuple[Layer, ...]
    title: str = ""
    share: float = 1.0
    value: str = ""
    among: tuple[float, ...] = ()

    def extent(self, side: Side) -> tuple[float, float]:
        """Return what is drawn of an axis: its domain or all categories, or that of the marks with a little room.

        There is no room below marks that begin at 0, and an axis without marks is from 0 to 1. None reaches far
        beyond `HUGE`, so that lengths on it are finite.
        """
        axis = self.x if side == "x" else self.y
        if axis.domain is not None:
            return axis.domain
        if axis.categories:
            return -0.5, len(axis.categories) - 0.5
        numbers = [
            min(max(number, -HUGE), HUGE)
            for number in chain.from_iterable(layer.numbers(side) for layer in self.layers)
            if math.isfinite(number) and (number > 0.0 or not axis.log)
        ]
        low, high = (min(numbers), max(numbers)) if numbers else (0.1, 1.0) if axis.log else (0.0, 1.0)
        if axis.log:
            factor = math.exp(ROOM * (math.log(high) - math.log(low))) if high > low else 2.0
            return max(low / factor, math.ulp(0.0)), min(high * factor, LARGEST)
        if low == high:
            return low - (abs(low) / 2.0 or 0.5), high + (abs(high) / 2.0 or 0.5)
        room = ROOM * (high - low)
        return max(low - room, -LARGEST) if low else low, min(high + room, LARGEST) if high else high

    def marks(self, mark: Mark) -> list[Layer]:
        """Return the layers of one kind of mark."""
        return [layer for layer in self.layers if layer.mark == mark]

    @property
    def named(self) -> bool:
        """Whether both axes have categories, so that each cell has its value written."""
        return bool(self.x.categories and self.y.categories)

    @property
    def values(self) -> list[float]:
        """The finite values that are told apart by the colours of cells."""
        return [*filter(math.isfinite, self.among or chain.from_iterable(layer.value for layer in self.layers))]

    @property
    def skewed(self) -> bool:
        """Whether the values of cells are so far apart that their colours go by the logarithm."""
        values = [value for value in self.values if value]
        return bool(values) and min(values) > 0.0 and max(values) > SKEWED * min(values)


@dataclass(frozen=True, repr=False)
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

    def __str__(self) -> str:
        """Return the picture of a terminal of 80 columns, without colour."""
        return str(above("output.plot").picture(self))

    def __repr__(self) -> str:
        """Return a short line."""
        names = ", ".join(self.series)
        series = "" if names in self.title else f" of {names}"
        return f"<Figure {self.kind}: {printable(self.title + series)}>"

    def save(
        self,
        path: str | os.PathLike[str],
        width: int | None = None,
        height: int | None = None,
        theme: Literal["light", "dark", "auto"] = "auto",
    ) -> None:
        """Write the figure to a file, whole or not at all; .svg, .png, .pdf, .html or .vl.json tells the format.

        It needs `pip install 'lossctl[plot]'`.

        Parameters
        ----------
        path
            The file.
        width, height
            Pixels of the figure, and of its panels together; without a height each panel is as high as it needs.
        theme
            The colours. SVG and HTML of theme auto are dark where the screen is; other files are light.
        """
        above("output.vega").save(self, path, width, height, theme)

    def chart(
        self, width: int | None = None, height: int | None = None, theme: Literal["light", "dark"] = "light"
    ) -> Any:
        """Return the figure as a chart of Altair, to be changed or joined with others; it needs `lossctl[plot]`."""
        return above("output.vega").chart(self, width, height, theme)

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        """Return what a notebook shows: SVG and Vega-Lite where `lossctl[plot]` is installed, else text."""
        return {"text/plain": str(self), **above("output.vega").notebook(self)}
