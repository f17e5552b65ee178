"""Figures in a terminal: lines in braille, bars in blocks, cells in shades, over axes with round ticks.

A canvas is a grid of characters, each of 2 x 4 dots. What tells series apart without colour is the mark that stands on
their lines and points; an ASCII terminal gets letters.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from itertools import groupby, pairwise, product
from operator import itemgetter
from typing import Final

from lossctl.errors import printable
from lossctl.output.text import Style, colored, width_of, wrap
from lossctl.results.figure import Axis, Figure, Layer, Panel, Side

PLAIN: Final = Style()
WIDTH: Final = 80  # columns where there is no terminal
NARROWEST: Final = 40  # below which nothing is made smaller
HEIGHT: Final = 16  # lines of the panels of a figure, axes apart
LEAST: Final = 4  # lines of one panel
TICK_ROWS: Final = 4  # lines from one tick to the next, about
TICK_COLUMNS: Final = 9
TICK_BLANKS: Final = 2  # between the labels of ticks
LABEL_SHARE: Final = 3  # at most one of so many parts of the width is for the names along the y axis
TAG_COLUMNS: Final = 12  # from one mark on a line to the next
FEW: Final = 60  # points of a series which have a mark each; more of a lone series are dots
MARKS: Final = "●▲■◆○△□◇"
LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
COLORS: Final = ("cyan", "yellow", "magenta", "green", "red", "blue")
DIM: Final = "dim"
ACROSS: Final = " ▏▎▍▌▋▊▉█"  # eighths of a bar from the left
UPWARDS: Final = " ▁▂▃▄▅▆▇█"  # and from below
LARGEST_COUNT: Final = 2.0**53
SHADES: Final = "░▒▓█"
PLAIN_SHADES: Final = ".:+#"
BRAILLE: Final = 0x2800
DOTS: Final = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # of a character, by column and row
STEPS: Final = (1, 2, 5)  # of ticks, times a power of ten
EXPONENT_FROM: Final = 6  # zeros, from which a tick is written with an exponent

# ticks ---------------------------------------------------------------------------------------------------------------


def ticks(low: float, high: float, most: int, log: bool = False) -> list[tuple[float, str]]:
    """Return at most `most` round numbers between two, one alone if need be, and how each is written.

    >>> [text for _, text in ticks(-0.3, 1.04, 5)]
    ['0.0', '0.5', '1.0']
    >>> [text for _, text in ticks(0.5, 2000.0, 4, log=True)]
    ['1', '10', '100', '1000']
    """
    if log and high > 2.0 * low > 0.0:
        return _log_ticks(low, high, most)
    first, last = Decimal(repr(float(low))), Decimal(repr(float(high)))
    if not last > first:
        return [(low, _tick_text(first, first))]
    exponent = (last - first).adjusted() - len(str(most)) - 1
    for place in range(30):
        step = Decimal(STEPS[place % 3]).scaleb(exponent + place // 3)
        begin, end = math.ceil(first / step), math.floor(last / step)
        if end - begin < most:
            numbers = [k * step for k in range(begin, end + 1)]
            large = max(map(abs, numbers), default=step).adjusted() >= EXPONENT_FROM
            return [(float(number), _tick_text(number, step, large)) for number in numbers]
    return []


def _log_ticks(low: float, high: float, most: int) -> list[tuple[float, str]]:
    """Return powers of ten, as many as there may be, with their halves and fifths where there are few."""
    first, last = Decimal(repr(float(low))), Decimal(repr(float(high)))
    for factors, stride in ((1, 2, 5), 1), ((1, 3), 1), *(((1,), stride) for stride in range(1, 700)):
        powers = range(first.adjusted() // stride * stride, last.adjusted() + 1, stride)
        numbers = [Decimal(factor).scaleb(power) for power in powers for factor in factors]
        numbers = [number for number in numbers if first <= number <= last]
        if len(numbers) <= most:
            break
    return [(float(number), _tick_text(number, number, number.adjusted() >= EXPONENT_FROM)) for number in numbers]


def _tick_text(number: Decimal, step: Decimal, large: bool = False) -> str:
    """Write a tick with the digits of the step; very large and small ones with an exponent."""
    if not (large or step.adjusted() <= -EXPONENT_FROM):
        return f"{number or Decimal(0):.{max(0, -int(step.normalize().as_tuple().exponent))}f}"
    exponent = number.adjusted()
    return f"{number.scaleb(-exponent).normalize():f}e{exponent}" if number else "0"


@dataclass(frozen=True)
class Scale:
    """An axis of a panel along a number of dots; categories of a y axis go from the top, numbers from the bottom."""

    axis: Axis
    low: float
    high: float
    dots: int
    upward: bool = False

    @classmethod
    def of(cls, panel: Panel, side: Side, dots: int) -> Scale:
        """Return one axis of a panel."""
        axis = panel.x if side == "x" else panel.y
        return cls(axis, *panel.extent(side), dots, upward=side == "y" and not axis.categories)

    def share(self, value: float) -> float:
        """Return where a number lies, 0 and 1 being the ends of the axis; NaN and minus infinity are no places."""
        low, high = self.low, self.high
        if self.axis.log:
            if not value > 0.0:
                return math.nan if math.isnan(value) else -math.inf
            value, low, high = math.log(value), math.log(low), math.log(high)
        span = high / 2.0 - low / 2.0
        return (value / 2.0 - low / 2.0) / span if span else 0.5

    def dot(self, value: float) -> float:
        """Return the place of a number in dots from the left or the top."""
        share = self.share(value)
        if self.axis.categories:  # each as many characters as the others
            return share * self.dots
        return (1.0 - share if self.upward else share) * (self.dots - 1)

    def edge(self, value: float, size: int) -> float:
        """Return where a number lies among `size` characters, from the left or the top, held to the panel."""
        share = min(max(self.share(value), 0.0), 1.0)
        return (1.0 - share if self.upward else share) * size

    def ticks(self, most: int) -> list[tuple[float, str]]:
        """Return the ticks: of categories all."""
        if self.axis.categories:
            return [(float(place), printable(name)) for place, name in enumerate(self.axis.categories)]
        return ticks(self.low, self.high, most, self.axis.log)


# the canvas ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Legend:
    """The mark and colour of each series."""

    series: tuple[str, ...]
    ascii: bool

    def mark(self, name: str) -> str:
        """Return the mark of a series; of what belongs to none a dot."""
        if name not in self.series:
            return "." if self.ascii else "·"
        place = self.series.index(name)
        marks = LETTERS if self.ascii or len(self.series) > len(MARKS) else MARKS
        return marks[place % len(marks)]

    def color(self, name: str) -> str:
        """Return the colour of a series."""
        return COLORS[self.series.index(name) % len(COLORS)] if name in self.series else DIM

    def entries(self) -> list[tuple[str, str, str]]:
        """Return mark, name and colour of each series, where there are several."""
        if len(self.series) < 2:
            return []
        return [(self.mark(name), printable(name), self.color(name)) for name in self.series]


@dataclass
class Canvas:
    """Characters of a panel with their colours, and the dots of its lines; what is drawn later lies above."""

    panel: Panel
    legend: Legend
    width: int
    height: int
    signs: dict[tuple[int, int], tuple[str, str]] = field(default_factory=dict)  # (row, column) -> sign, colour
    dots: dict[tuple[int, int], tuple[int, str]] = field(default_factory=dict)
    fixed: set[tuple[int, int]] = field(default_factory=set)  # places of marks, which stay

    @cached_property
    def x(self) -> Scale:
        return Scale.of(self.panel, "x", 2 * self.width)

    @cached_property
    def y(self) -> Scale:
        return Scale.of(self.panel, "y", 4 * self.height)

    @property
    def ascii(self) -> bool:
        return self.legend.ascii

    def color(self, layer: Layer) -> str:
        """Return the colour of a layer's series."""
        return self.legend.color(layer.series)

    def put(self, row: int, column: int, sign: str, color: str = "", fixed: bool = False) -> None:
        """Write a character that lies within the canvas."""
        if 0 <= row < self.height and 0 <= column < self.width:
            self.dots.pop((row, column), None)
            self.signs[row, column] = sign, color
            if fixed:
                self.fixed.add((row, column))

    def dot(self, x: int, y: int, color: str, sign: str) -> None:
        """Draw a dot, in ASCII the sign."""
        place = y // 4, x // 2
        if not (0 <= place[0] < self.height and 0 <= place[1] < self.width) or place in self.fixed:
            return
        if self.ascii:
            self.signs[place] = sign, color
            return
        self.signs.pop(place, None)
        self.dots[place] = self.dots.get(place, (0, ""))[0] | DOTS[x % 2][y % 4], color

    def segment(self, start: tuple[float, float], end: tuple[float, float], color: str, sign: str, every: int) -> None:
        """Draw the part of a straight line that lies within; every: dots from one that is drawn to the next."""
        ends = _clipped(start, end, 2 * self.width - 1, 4 * self.height - 1)
        if ends is None:
            return
        (x0, y0), (x1, y1) = ends
        steps = max(math.ceil(abs(x1 - x0)), math.ceil(abs(y1 - y0)), 1)
        for step in range(steps + 1):
            x, y = round(x0 + (x1 - x0) * step / steps), round(y0 + (y1 - y0) * step / steps)
            if every == 1 or x % every == 0:
                self.dot(x, y, color, sign)

    def row(self, row: int) -> Iterator[tuple[str, str]]:
        """Yield the characters of a row, those of one colour together."""
        for color, pieces in groupby((self._at((row, column)) for column in range(self.width)), lambda piece: piece[1]):
            yield "".join(sign for sign, _ in pieces), color

    def _at(self, place: tuple[int, int]) -> tuple[str, str]:
        if place in self.dots:
            bits, color = self.dots[place]
            return chr(BRAILLE + bits), color
        return self.signs.get(place, (" ", ""))


def _clipped(
    start: tuple[float, float], end: tuple[float, float], right: int, bottom: int
) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Return the part of a line within a box that begins at 0, 0 (Liang and Barsky), None if there is none."""
    (x0, y0), (x1, y1) = start, end
    if not all(map(math.isfinite, (x0, y0, x1, y1))):
        return None
    first, last = 0.0, 1.0
    for begin, change, limit in ((x0, x1 - x0, right), (y0, y1 - y0, bottom)):
        if change == 0.0:
            if not -0.5 <= begin <= limit + 0.5:
                return None
            continue
        at = sorted(((-0.5 - begin) / change, (limit + 0.5 - begin) / change))
        first, last = max(first, at[0]), min(last, at[1])
    if first > last:
        return None
    ends = [(x0 + share * (x1 - x0), y0 + share * (y1 - y0)) for share in (first, last)]
    first_end, last_end = ((min(max(x, 0.0), right), min(max(y, 0.0), bottom)) for x, y in ends)
    return first_end, last_end


# marks ---------------------------------------------------------------------------------------------------------------


def _draw(canvas: Canvas) -> Canvas:
    """Draw the marks of a panel, from those below to those above."""
    panel, series = canvas.panel, canvas.legend.series
    bars, lines = panel.marks("bar"), panel.marks("line")
    if clash(bars):
        bars, lines = [], [*lines, *map(outline, bars)]
    for layer in panel.marks("band"):
        _band(canvas, layer)
    for layer in panel.marks("cell"):
        _cells(canvas, layer)
    for layer in bars:
        _bars(canvas, layer)
    for layer in panel.marks("rule"):
        _rule(canvas, layer)
    for layer in sorted(lines, key=lambda layer: layer.series in series):
        _line(canvas, layer)
    if len({layer.series for layer in lines} & {*series}) > 1:
        for place, layer in enumerate(lines):
            _tags(canvas, layer, place)
    for layer in panel.marks("interval"):
        _intervals(canvas, layer)
    _points(canvas, panel.marks("point"))
    return canvas


def _points(canvas: Canvas, layers: Sequence[Layer]) -> None:
    """Draw points: a mark each, or of very many of one series a dot."""
    alone = len({layer.series for layer in layers}) == 1 and sum(len(layer.x) for layer in layers) > FEW
    for layer in layers:
        several = len(canvas.legend.series) > 1
        mark = canvas.legend.mark(layer.series) if several else "o" if canvas.ascii else MARKS[0]
        for at, height in zip(layer.x, layer.y, strict=True):
            column, row = canvas.x.dot(at), canvas.y.dot(height)
            if not (math.isfinite(column) and math.isfinite(row)):
                continue
            if alone and not canvas.ascii:
                canvas.dot(round(column), round(row), canvas.color(layer), mark)
            else:
                canvas.put(round(row) // 4, round(column) // 2, mark, canvas.color(layer), fixed=True)


def _line(canvas: Canvas, layer: Layer) -> None:
    """Draw a line; one that belongs to no series is dotted."""
    belongs = layer.series in canvas.legend.series
    places = [(canvas.x.dot(at), canvas.y.dot(height)) for at, height in zip(layer.x, layer.y, strict=True)]
    sign = canvas.legend.mark(layer.series) if len(canvas.legend.series) > 1 or not belongs else "*"
    for start, end in pairwise(places if len(places) != 1 else places * 2):
        canvas.segment(start, end, canvas.color(layer), sign, 1 if belongs else 3)


def _tags(canvas: Canvas, layer: Layer, place: int) -> None:
    """Set the mark of a series upon its line every few columns, each series in columns of its own."""
    if layer.series not in canvas.legend.series:
        return
    count = len(canvas.legend.series)
    stride = max(TAG_COLUMNS, count)
    columns = {(stride // 2 + place * stride // count + k * stride) for k in range(canvas.width // stride + 1)}
    points = [(canvas.x.dot(at), canvas.y.dot(height)) for at, height in zip(layer.x, layer.y, strict=True)]
    for (x0, y0), (x1, y1) in pairwise(points):
        if not all(map(math.isfinite, (x0, y0, x1, y1))) or x0 == x1:
            continue
        for column in sorted(columns):
            share = (2 * column + 0.5 - x0) / (x1 - x0)
            row = round(y0 + share * (y1 - y0)) // 4 if 0.0 <= share <= 1.0 else -1
            if 0 <= row < canvas.height and (row, column) not in canvas.fixed:
                canvas.put(row, column, canvas.legend.mark(layer.series), canvas.color(layer), fixed=True)
                columns.discard(column)


def _band(canvas: Canvas, layer: Layer) -> None:
    """Fill the area of a band, column by column."""
    sign = "." if canvas.ascii else SHADES[0]
    for (start, *first), (stop, *second) in pairwise(zip(layer.x, layer.y, layer.y2, strict=True)):
        if math.isnan(start) or math.isnan(stop):
            continue
        begin, end = (round(canvas.x.edge(side, canvas.width)) for side in (start, stop))
        for column in range(begin, max(end, begin + 1)):
            share = (column + 0.5 - begin) / max(end - begin, 1)
            heights = (a * (1.0 - share) + b * share for a, b in zip(first, second, strict=True))
            ends = [canvas.y.edge(height, canvas.height) for height in heights]
            if all(map(math.isfinite, ends)):
                for row in range(math.floor(min(ends)), math.ceil(max(ends))):
                    canvas.put(row, column, sign, canvas.color(layer))


def _spanned(first: float, last: float, size: int) -> range:
    """Return the characters whose centres lie between two places, at least one."""
    low, high = sorted((first, last))
    begin, end = math.ceil(low - 0.5), math.ceil(high - 0.5)
    if end == begin:
        begin = min(int((low + high) / 2.0), size - 1)
        end = begin + 1
    return range(begin, end)


def _bars(canvas: Canvas, layer: Layer) -> None:
    """Fill bars, upwards or, along categories from the top, to the right."""
    eighths: dict[tuple[int, int], int] = {}
    flat = bool(canvas.y.axis.categories)
    for x1, x2, base, top in layer.rectangles():
        if not all(map(math.isfinite, (x1, x2, base, top))):
            continue
        across = [canvas.x.edge(side, canvas.width) for side in (x1, x2)]
        along = [canvas.y.edge(side, canvas.height) for side in (base, top)]
        ends, (first, last) = (across, along) if flat else (along, across)
        size, breadth = (canvas.width, canvas.height) if flat else (canvas.height, canvas.width)
        low, high = sorted(ends if flat else (size - end for end in ends))
        high = max(high, low + 0.125) if base != top else low
        for cell in range(math.floor(low), min(math.ceil(high), size)):
            filled = 8 if low > cell else round(8 * (high - cell))
            for lane in _spanned(first, last, breadth):
                spot = (lane, cell) if flat else (size - 1 - cell, lane)
                eighths[spot] = max(eighths.get(spot, 0), min(filled, 8))
    for (row, column), filled in eighths.items():
        sign = ("#" if filled > 3 else "_") if canvas.ascii else (ACROSS if flat else UPWARDS)[filled]
        canvas.put(row, column, sign, canvas.color(layer))


def clash(layers: Sequence[Layer]) -> bool:
    """Whether bars of several series stand in each other's way, so that only their outlines are drawn."""
    rectangles = ((layer.series, *sides) for layer in layers for sides in layer.rectangles())
    bars = sorted((min(x1, x2), max(x1, x2), series) for series, x1, x2, base, top in rectangles if top != base)
    return any(
        second[0] < first[1] - 1e-9 * abs(first[1] - first[0]) and first[2] != second[2]
        for first, second in pairwise(bars)
    )


def outline(layer: Layer) -> Layer:
    """Return the outline of bars as a line."""
    xs: list[float] = []
    ys: list[float] = []
    for x1, x2, base, top in sorted(layer.rectangles(), key=itemgetter(0)):
        if xs and not math.isclose(xs[-1], x1, rel_tol=1e-9, abs_tol=1e-9 * abs(x2 - x1)):
            xs += [xs[-1], x1]
            ys += [base, base]
        xs += [x1, x2] if xs else [x1, x1, x2]
        ys += [top, top] if ys else [base, top, top]
    return Layer("line", tuple(xs), tuple(ys), series=layer.series)


def _rule(canvas: Canvas, layer: Layer) -> None:
    """Draw straight lines through the panel, below all that is there."""
    upright = bool(layer.x)
    sign = ("|" if upright else "-") if canvas.ascii else ("│" if upright else "─")
    if layer.series and not canvas.ascii:
        sign = "╎" if upright else "╌"
    scale = canvas.x if upright else canvas.y
    for dot in map(scale.dot, layer.x or layer.y):
        if math.isfinite(dot) and -0.5 <= dot <= scale.dots - 0.5:
            columns = [round(dot) // 2] if upright else range(canvas.width)
            rows = range(canvas.height) if upright else [round(dot) // 4]
            for place in product(rows, columns):
                if place not in canvas.signs:
                    canvas.put(*place, sign, canvas.color(layer))


def _intervals(canvas: Canvas, layer: Layer) -> None:
    """Draw intervals with ends; an end beyond the panel is an arrow."""
    for x1, low, x2, high in zip(layer.x, layer.y, layer.x2, layer.y2, strict=True):
        flat = low == high and x1 != x2
        scale = canvas.x if flat else canvas.y
        unit = 2 if flat else 4
        ends = sorted((scale.dot(x1 if flat else low), scale.dot(x2 if flat else high)))
        middle = canvas.y.dot(low) if flat else canvas.x.dot(x1)
        if not math.isfinite(middle) or any(map(math.isnan, ends)):
            continue
        lane = round(middle) // (4 if flat else 2)
        first, last = (round(min(max(end, 0), scale.dots - 1)) // unit for end in ends)
        signs = ("|-|<>" if flat else "-|-^v") if canvas.ascii else ("├─┤◀▶" if flat else "┬│┴▲▼")
        for at in range(first, last + 1):
            sign = signs[0] if at == first else signs[2] if at == last else signs[1]
            if at == first and ends[0] < -0.5:
                sign = signs[3]
            if at == last and ends[1] > scale.dots - 0.5:
                sign = signs[4]
            canvas.put(*((lane, at) if flat else (at, lane)), sign, canvas.color(layer))


def shade_edges(panel: Panel, count: int = len(SHADES)) -> list[float]:
    """Return the upper ends of the values of each shade of a panel's cells, whole ones of counts, each once."""
    values = panel.values
    if not values:
        return [0.0]
    low, high = min(value for value in values if value or not panel.skewed), max(values)
    steps = [k / count for k in range(1, count)]
    edges = [
        low * (high / low) ** step if panel.skewed else min(low, 0.0) + (high - min(low, 0.0)) * step for step in steps
    ]
    if max(abs(low), abs(high)) < LARGEST_COUNT and all(float(value).is_integer() for value in values):
        edges = [float(math.floor(edge)) for edge in edges]
    return sorted({edge for edge in edges if low <= edge < high} | {high})


def _cells(canvas: Canvas, layer: Layer) -> None:
    """Fill cells by shades; between categories their values are written, too."""
    edges, shades = shade_edges(canvas.panel), PLAIN_SHADES if canvas.ascii else SHADES
    color = canvas.color(layer) if layer.series in canvas.legend.series else COLORS[0]
    for value, (x1, x2, base, top) in zip(layer.value, layer.rectangles(), strict=True):
        if not all(map(math.isfinite, (value, x1, x2, base, top))):
            continue
        level = min(bisect_left(edges, value), len(edges) - 1)
        columns = _spanned(canvas.x.edge(x1, canvas.width), canvas.x.edge(x2, canvas.width), canvas.width)
        rows = _spanned(canvas.y.edge(base, canvas.height), canvas.y.edge(top, canvas.height), canvas.height)
        for place in product(rows if value else (), columns):
            canvas.put(*place, shades[level - len(edges)], color)
        text = f" {cell_text(value)} "
        if canvas.panel.named and len(text) <= len(columns):
            begin = columns.start + (len(columns) - len(text)) // 2
            for column, sign in enumerate(text, begin):
                canvas.put(rows[len(rows) // 2], column, sign)


def cell_text(value: float) -> str:
    """Write the value of a cell: whole numbers as they are, others with three digits."""
    return f"{value:.0f}" if value == int(value) and abs(value) < 1e7 else f"{value:.3g}"


# the picture ---------------------------------------------------------------------------------------------------------

Piece = tuple[str, str]  # a text and its colour


def picture(figure: Figure, style: Style = PLAIN, height: int = HEIGHT) -> str:
    """Return a figure as lines of text, as wide as the terminal. height: lines for the panels, axes apart."""
    width = max(style.width or WIDTH, NARROWEST)
    legend = Legend(figure.series, style.ascii)
    lines: list[list[Piece]] = _wrapped(figure.title, width, style, "bold")
    lines += _legend_lines(legend, width, style)
    total = sum(panel.share for panel in figure.panels) or 1.0
    layouts = [
        _Layout.of(panel, width, max(LEAST, round(height * panel.share / total)), style) for panel in figure.panels
    ]
    margin = max((layout.margin for layout in layouts), default=0)
    for place, layout in enumerate(layouts):
        below = figure.panels[place + 1] if place + 1 < len(layouts) else None
        shared = below is not None and (below.x, below.extent("x")) == (layout.panel.x, layout.panel.extent("x"))
        lines += layout.lines(legend, margin, ticks_below=not shared)
    for text in (figure.sentence, *figure.notes):
        lines += _wrapped(text, width, style)
    return "".join(f"{_printed(line, style)}\n" for line in lines)


def _wrapped(text: str, width: int, style: Style, color: str = "") -> list[list[Piece]]:
    return [[(line, color)] for line in folded(style.encode(printable(text)), width)]


def folded(text: str, width: int) -> list[str]:
    """Break a text into lines of so many columns: between words, and where need be within one.

    >>> folded("one two three", 5)
    ['one', 'two', 'three']
    >>> folded("a 模型一二三", 4)
    ['a', '模型', '一二', '三']
    """
    lines = wrap(text, width).split("\n") if text else []
    if all(width_of(line) <= width for line in lines):
        return lines
    from rich.cells import chop_cells

    lines = [""]
    for piece in (piece for word in text.split() for piece in chop_cells(word, width)):
        longer = f"{lines[-1]} {piece}".lstrip()
        lines[-1:] = [longer] if width_of(longer) <= width else [lines[-1], piece]
    return lines


def _legend_lines(legend: Legend, width: int, style: Style) -> list[list[Piece]]:
    """Return the legend, on as many lines as it takes; a name longer than a line is cut."""
    lines: list[list[Piece]] = [[]]
    column = 0
    for mark, name, color in legend.entries():
        text = f"{mark} {style.encode(name)}"
        text = cut(text, width, style.ascii)
        if column and column + 3 + width_of(text) > width:
            lines.append([])
            column = 0
        lines[-1] += [("   " if column else "", ""), (text, color)]
        column += width_of(text) + (3 if column else 0)
    return [line for line in lines if line]


def cut(text: str, width: int, plain: bool = False) -> str:
    """Return a name that is no wider than so many columns; one that is cut ends in dots, in ASCII where it is plain."""
    if width_of(text) <= width:
        return text
    dots = "..." if plain else "…"
    while text and width_of(text + dots) > width:
        text = text[:-1]
    return text + dots


@dataclass(frozen=True)
class _Layout:
    """A panel with the room that it takes: its height, and the labels of the y axis by the row that they stand in."""

    panel: Panel
    width: int
    height: int
    labels: dict[int, str]
    style: Style

    @classmethod
    def of(cls, panel: Panel, width: int, height: int, style: Style) -> _Layout:
        """Lay out a panel; each category of its y axis gets as many lines."""
        if panel.y.categories:
            count, most = len(panel.y.categories), 5 if panel.marks("cell") else 3
            height = count * min(max(1, round(height / count)), most)
        scale = Scale.of(panel, "y", 4 * height)
        labels = {}
        for at, text in scale.ticks(max(height // TICK_ROWS + 1, 3)):
            dot = scale.dot(at)
            if math.isfinite(dot):
                labels[round(dot) // 4] = cut(style.encode(text), width // LABEL_SHARE, style.ascii)
        return cls(panel, width, height, labels, style)

    @property
    def margin(self) -> int:
        """Columns of the labels of the y axis."""
        return max(map(width_of, self.labels.values()), default=0)

    def lines(self, legend: Legend, margin: int, ticks_below: bool) -> Iterator[list[Piece]]:
        """Yield the lines of the panel."""
        panel, style = self.panel, self.style
        room = self.width - margin - 2
        canvas = _draw(Canvas(panel, legend, room, self.height))
        if panel.title:
            yield [(cut(style.encode(printable(panel.title)), self.width, style.ascii), "bold")]
        if panel.y.heading:
            yield [(cut(style.encode(printable(panel.y.heading)), self.width, style.ascii), DIM)]
        wall, notch = ("|", "+") if style.ascii else ("│", "┤")
        for row in range(self.height):
            label = self.labels.get(row)
            blanks = " " * (margin - width_of(label or ""))
            edge = f"{blanks}{label or ''} {wall if label is None else notch}"
            yield [(edge, DIM if label is None else ""), *canvas.row(row)]
        yield from self._x_axis(canvas.x, room, margin, ticks_below)
        if panel.marks("cell"):
            yield from _wrapped(self._shades(), self.width, style)

    def _x_axis(self, scale: Scale, room: int, margin: int, ticks_below: bool) -> Iterator[list[Piece]]:
        """Yield the axis, the labels of its ticks where they go without touching, and what it measures."""
        corner, floor, notch = "+-+" if self.style.ascii else "└─┬"
        rows = self._tick_rows(scale, room) if ticks_below else []
        columns = {round(scale.dot(at)) // 2 for row in rows for at, _, _ in row}
        yield [(" " * (margin + 1) + corner + "".join(notch if c in columns else floor for c in range(room)), DIM)]
        for row in rows:
            text = ""
            for _, begin, label in row:
                text += " " * (begin - width_of(text)) + label
            yield [(" " * (margin + 2) + text, "")]
        if ticks_below and self.panel.x.heading:
            heading = cut(self.style.encode(printable(self.panel.x.heading)), self.width, self.style.ascii)
            blanks = min(margin + 2 + max(room - width_of(heading), 0) // 2, self.width - width_of(heading))
            yield [(" " * blanks + heading, DIM)]

    def _tick_rows(self, scale: Scale, room: int) -> list[list[tuple[float, int, str]]]:
        """Return where the labels of ticks begin, in as few lines as it takes; numbers are one line."""
        most_lines = 3 if scale.axis.categories else 1
        for most in range(max(room // TICK_COLUMNS, 2), 0, -1):
            labels = [(at, cut(self.style.encode(text), room // 2, self.style.ascii)) for at, text in scale.ticks(most)]
            rows: list[list[tuple[float, int, str]]] = [[] for _ in range(most_lines)]
            fits = True
            for at, text in labels:
                begin = round(scale.dot(at)) // 2 - width_of(text) // 2
                begin = min(max(begin, 0), room - width_of(text))
                for row in rows:
                    if not row or row[-1][1] + width_of(row[-1][2]) + TICK_BLANKS <= begin:
                        row.append((at, begin, text))
                        break
                else:
                    fits = False
            if fits or scale.axis.categories:
                return [row for row in rows if row]
        return []

    def _shades(self) -> str:
        """Say which values the shades mean."""
        edges = shade_edges(self.panel)
        shades = PLAIN_SHADES if self.style.ascii else SHADES
        entries = "  ".join(
            f"{shade} to {cell_text(edge)}" for shade, edge in zip(shades[-len(edges) :], edges, strict=True)
        )
        return f"{self.panel.value}: {entries}" if self.panel.value else entries


def _printed(line: Iterable[Piece], style: Style) -> str:
    """Return a line without blanks at its end, coloured where there is colour."""
    pieces = [*line]
    while pieces and not pieces[-1][0].rstrip():
        pieces.pop()
    if pieces:
        pieces[-1] = pieces[-1][0].rstrip(), pieces[-1][1]
    return "".join(colored(text, color if style.color and text.strip() else "") for text, color in pieces)
