"""Figures as Vega-Lite, and as the SVG, PNG, PDF and HTML that vl-convert makes of it without a browser or a network.

A specification is made of plain values, without Altair; Altair holds it to the schema before it is rendered. Both
come with `lossctl[plot]`. Text of the data is data in it, never an expression, and control characters are escaped.
"""

from __future__ import annotations

import json
import math
import os
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from hashlib import blake2b
from html import escape
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise, zip_longest
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, get_args

from lossctl.errors import SHORTAGE, OutputError, UsageError, listed, near, printable
from lossctl.files import path_of
from lossctl.io.atomic import check_writable, write_bytes
from lossctl.io.machine import address_space
from lossctl.output.plot import cell_text, clash, cut, folded, outline, shade_edges, ticks
from lossctl.output.text import width_of
from lossctl.results.figure import Axis, Figure, Layer, Mark, Panel, Side

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

Scheme = Literal["light", "dark", "auto"]
SUFFIXES: Final = {".svg": "svg", ".png": "png", ".pdf": "pdf", ".html": "html", ".vl.json": "vega"}
DRAWING_SPACE: Final = 68 << 30  # bytes: vl_convert runs JavaScript, in a cage of 64 GiB
LIBRARIES: Final = ("altair", "vl_convert")
EXTRA: Final = "pip install 'lossctl[plot]'"
WIDTH: Final = 640  # pixels of a figure
PHONE: Final = 360  # pixels of one on a phone
NARROWEST: Final = 240
LARGEST: Final = 10_000
HEIGHT: Final = 300  # pixels of the panel of a figure, axes apart
MORE: Final = 110  # pixels for every further panel
LEAST: Final = 60  # pixels of one panel
SLANTED: Final = 110  # pixels of a name below a column
CATEGORY: Final = 26  # pixels of one on the y axis
CELL: Final = 44  # of one with cells
CHARACTER: Final = 6.4  # pixels of a character of 12 pixels, about
SYMBOL: Final = 6  # characters that a symbol of the legend takes, and what is beside it
MOST_LABEL: Final = 0.4  # of the width, for the names along the y axis
PIXELS_PER_TICK: Final[Mapping[Side, int]] = {"x": 60, "y": 42}
SCALE: Final = 2.0  # dots of a PNG for a pixel
LAST_OF_ONE_UNIT: Final = 0xFFFF  # character that UTF-16 writes without a pair
MANY: Final = 200  # points of a layer, from which they are small and pale
CHANNELS: Final[Mapping[Mark, tuple[str, ...]]] = {  # of marks, in drawing order; a rule has one of its two
    "band": ("x", "y", "y2"),
    "cell": ("x", "x2", "y", "y2"),
    "bar": ("x", "x2", "y", "y2"),
    "rule": ("x", "y"),
    "line": ("x", "y"),
    "interval": ("x", "x2", "y", "y2"),
    "point": ("x", "y"),
}
SHAPES: Final = ("circle", "triangle-up", "square", "diamond", "cross", "triangle-down", "triangle-right", "stroke")
DASHES: Final = ([1, 0], [7, 3], [2, 2], [9, 3, 2, 3], [4, 4], [12, 4], [9, 2, 2, 2, 2, 2], [3, 1])
FONT: Final = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
SVG: Final = "http://www.w3.org/2000/svg"
SCHEMA: Final = "https://vega.github.io/schema/vega-lite/v6.json"
MEDIA_TYPE: Final = "application/vnd.vegalite.v6+json"


class Look(NamedTuple):
    """How a figure in a file looks.

    width, height: pixels of the figure, and of its panels together; without a height a panel that names its rows is as
    high as they need. scheme: the colours; auto are the light ones, in SVG the dark ones on a dark screen. titled:
    whether title, sentence and notes are part of the picture.
    """

    width: int = WIDTH
    height: int | None = None
    scheme: Scheme = "auto"
    titled: bool = True


class Theme(NamedTuple):
    """Colours; each of one theme has its counterpart in the other, so that a style sheet can exchange them.

    Marks have a contrast of 3 to the background at least, texts one of 4.5; the series are told apart by people who
    see two primary colours only, and by the shapes and dashes that they have besides.
    """

    background: str
    text: str
    muted: str
    grid: str
    zero: str
    series: tuple[str, ...]
    cells: tuple[str, ...]
    upon_pale: str
    upon_strong: str

    def colors(self) -> Iterator[str]:
        """Yield all colours."""
        for entry in self:
            yield from (entry,) if isinstance(entry, str) else entry


LIGHT: Final = Theme(
    "#ffffff",
    "#1c2024",
    "#59616b",
    "#e6e8eb",
    "#8a929c",
    ("#0072b2", "#d55e00", "#6b1f54", "#00966e", "#8f7bf0", "#7a5230", "#222222", "#c4569a"),
    ("#cfe2f3", "#a9cde6", "#7db6da", "#4a97c9", "#1f6fb2", "#0a468c"),
    "#1b1b1c",
    "#fefefe",
)
DARK: Final = Theme(
    "#14181f",
    "#e8eaed",
    "#a3abb5",
    "#2a3039",
    "#7f8893",
    ("#56b4e9", "#f08a4b", "#f0e442", "#2ec4a0", "#c77dff", "#b0865f", "#dddddd", "#ff6fb5"),
    ("#23405f", "#2a5580", "#33679a", "#4288bf", "#79b2dd", "#c4e1f5"),
    "#f4f4f5",
    "#0b0b0c",
)


# the specification ---------------------------------------------------------------------------------------------------


class Drawing(NamedTuple):
    """What all panels of a figure share: its series, colours, pixels across, and those of the labels on the y axis."""

    series: tuple[str, ...]
    theme: Theme
    room: int
    margin: int

    def channel(self, name: str, series: str, values: Sequence[object], default: object) -> dict[str, Any]:
        """Return the encoding of series by a channel, with a legend of all. default: of layers without a series."""
        if series not in self.series:
            return {} if default is None else {name: {"value": default}}
        names = list(map(printable, self.series))
        scale = {"domain": names, "range": [values[place % len(values)] for place in range(len(names))]}
        longest = min(max(map(width_of, names)), int(self.room / CHARACTER) - SYMBOL)
        texts, limit = _fitted(names, round(longest * CHARACTER) + 8)
        columns = max(int(self.room // (CHARACTER * (longest + SYMBOL))), 1)
        legend = {"orient": "top", "title": None, "symbolStrokeWidth": 2, "columnPadding": 16}
        legend |= {"labelLimit": limit, "columns": columns}
        if texts != names:
            legend["labelExpr"] = f"{json.dumps(texts)}[indexof({json.dumps(names)}, datum.value)]"
        encoding = {"field": "series", "type": "nominal", "scale": scale, "legend": legend if len(names) > 1 else None}
        return {name: encoding}


def specification(figure: Figure, look: Look) -> dict[str, Any]:
    """Return a figure as Vega-Lite."""
    width, height, scheme, titled = look
    theme = DARK if scheme == "dark" else LIGHT
    margin = max((_margin(panel, width) for panel in figure.panels), default=0)
    drawing = Drawing(figure.series, theme, max(width - margin - 20, 100), margin)
    total = sum(panel.share for panel in figure.panels) or 1.0
    tall = height or HEIGHT + MORE * (len(figure.panels) - 1)
    panels = []
    for panel, below in zip_longest(figure.panels, figure.panels[1:]):
        if below is not None and (below.x, below.extent("x")) == (panel.x, panel.extent("x")):
            panel = replace(panel, x=replace(panel.x, label="", unit="", domain=panel.extent("x")))
        high = max(round(tall * panel.share / total), LEAST)
        if panel.y.categories and height is None:
            high = len(panel.y.categories) * (CELL if panel.marks("cell") else CATEGORY)
        panels.append(_panel(panel, drawing, high))
    shared = dict.fromkeys(("color", "shape", "strokeDash"), "shared")
    picture: dict[str, Any] = {"vconcat": panels, "spacing": 18, "resolve": {"scale": shared, "legend": shared}}
    if titled and figure.notes:
        picture = {"title": {**_lines(figure.notes, width, "text"), "orient": "bottom", **_note(theme)}, **picture}
        picture = {"vconcat": [picture]}
    if titled:
        picture["title"] = {
            "text": _wrapped(figure.title, width / 1.3),
            **(_lines([figure.sentence], width, "subtitle") if figure.sentence else {}),
        }
    return {
        "$schema": SCHEMA,
        "description": description(figure),
        **picture,
        "config": _config(theme),
        "padding": 8,
    }


def description(figure: Figure) -> str:
    """Return what a figure shows for those who do not see it."""
    words = [figure.title, figure.sentence]
    for panel in figure.panels:
        axes = (f"{axis.heading or 'rows'}{' (logarithmic)' if axis.log else ''}" for axis in (panel.y, panel.x))
        words.append(": ".join(filter(None, (panel.title, " against ".join(axes)))))
    if figure.series:
        words.append(f"series: {', '.join(figure.series)}")
    return " ".join(printable(text).rstrip(".") + "." for text in (*words, *figure.notes) if text)


def _config(theme: Theme) -> dict[str, Any]:
    return {
        "background": theme.background,
        "font": FONT,
        "view": {"stroke": None},
        "axis": {
            "labelColor": theme.text,
            "titleColor": theme.muted,
            "gridColor": theme.grid,
            "domainColor": theme.zero,
            "tickColor": theme.zero,
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "labelFlush": False,
        },
        "legend": {"labelColor": theme.text, "titleColor": theme.muted, "labelFontSize": 12, "titleFontSize": 12},
        "title": {
            "color": theme.text,
            "subtitleColor": theme.muted,
            "anchor": "start",
            "frame": "bounds",
            "fontSize": 15,
            "subtitleFontSize": 12,
            "subtitlePadding": 5,
            "lineHeight": 19,
            "subtitleLineHeight": 16,
            "offset": 12,
        },
    }


def _note(theme: Theme) -> dict[str, Any]:
    return {"fontSize": 11, "fontWeight": "normal", "color": theme.muted, "lineHeight": 15}


def _lines(texts: Sequence[str], width: int, key: str) -> dict[str, Any]:
    return {key: [line for text in texts for line in _wrapped(text, width)]}


def _wrapped(text: str, width: float) -> list[str]:
    """Break a text into lines of so many pixels, about."""
    return folded(printable(text), max(int(width / CHARACTER), 20))


def _fitted(texts: Sequence[str], pixels: int) -> tuple[list[str], int]:
    """Return texts and the pixels to which Vega cuts them, 0 for not at all.

    Vega cuts by halves of UTF-16, and no renderer takes half a character: texts that have such are cut here.
    """
    names = list(map(printable, texts))
    if max(map(ord, "".join(names)), default=0) <= LAST_OF_ONE_UNIT:
        return names, pixels
    return [cut(name, int(pixels / CHARACTER)) for name in names], 0


def _margin(panel: Panel, width: int) -> int:
    """Return the pixels of the labels along the y axis, about."""
    if panel.y.categories:
        labels = [printable(name) for name in panel.y.categories]
    else:
        labels = [
            f"{float(text):,}"[: len(text) + len(text) // 3] for _, text in ticks(*panel.extent("y"), 6, panel.y.log)
        ]
    return round(min(max(map(width_of, labels), default=0) * CHARACTER + 14, MOST_LABEL * width))


def _panel(panel: Panel, drawing: Drawing, height: int) -> dict[str, Any]:
    """Return a panel: axes of fixed extents, and a layer for every kind of mark and series."""
    width = drawing.room
    sizes: dict[Side, int] = {"x": width, "y": height}
    axes = {side: _axis(panel, side, size, drawing.margin) for side, size in sizes.items()}
    clashing = clash(panel.marks("bar"))
    ordered = sorted(panel.layers, key=lambda layer: [*CHANNELS].index(layer.mark))
    layers = [piece for layer in ordered for piece in _layer(layer, panel, drawing, clashing)]
    for piece in layers:
        for side in axes.keys() & piece["encoding"].keys():
            piece["encoding"][side] |= axes[side]
    if not layers:
        places = {side: {"field": side, **axis} for side, axis in axes.items()}
        layers = [{"data": {"values": []}, "mark": "point", "encoding": places}]
    title = {"title": {"text": _wrapped(panel.title, width), "fontSize": 13}} if panel.title else {}
    return {**title, "width": width, "height": height, "layer": layers}


def _axis(panel: Panel, side: Side, size: int, margin: int) -> dict[str, Any]:
    axis: Axis = getattr(panel, side)
    low, high = panel.extent(side)
    scale: dict[str, Any] = {"domain": [low, high], "nice": False, "zero": False}
    if axis.log:
        scale["type"] = "log"
    limit = size if side == "x" else 4 * size
    [title], limit = _fitted([axis.heading], limit)
    looks: dict[str, Any] = {"title": title or None, "titleLimit": limit, "labelOverlap": False}
    if side == "y":
        looks |= {"minExtent": margin, "maxExtent": margin, "titleAngle": 0, "titleAlign": "left", "titleX": -margin}
        looks |= {"titleY": -8, "titleBaseline": "bottom"}
    if axis.categories:
        names, room = _fitted(axis.categories, margin - 8 if side == "y" else SLANTED)
        looks |= {"values": list(range(len(axis.categories))), "labelExpr": f"{json.dumps(names)}[datum.value]"}
        looks |= {"ticks": False, "labelPadding": 6, "grid": False, "labelLimit": room}
        if side == "y":
            scale["reverse"] = True
        elif max(map(width_of, names)) * CHARACTER > size / len(names):
            looks |= {"labelAngle": -40, "labelAlign": "right", "labelBaseline": "middle"}
    else:
        looks["values"] = [at for at, _ in ticks(low, high, max(size // PIXELS_PER_TICK[side], 3), axis.log)]
        if axis.log or max(abs(low), abs(high)) < 1e-3:
            looks["format"] = ".5~g"
    return {"type": "quantitative", "scale": scale, "axis": looks}


def _layer(layer: Layer, panel: Panel, drawing: Drawing, clashing: bool) -> Iterator[dict[str, Any]]:
    """Yield the Vega-Lite layers of a layer."""
    series, theme = layer.series, drawing.theme
    belongs = series in drawing.series
    color = drawing.channel("color", series, theme.series, theme.zero)
    match layer.mark:
        case "line":
            dash = drawing.channel("strokeDash", series, DASHES, [3, 4])
            yield _piece(layer, {"clip": True, "type": "line", "strokeWidth": 2 if belongs else 1.2}, color | dash)
        case "band":
            yield _piece(layer, {"clip": True, "type": "area", "opacity": 0.22}, color)
        case "bar":
            yield _piece(layer, {"clip": True, "type": "rect", "opacity": 0.3 if clashing else 0.85}, color)
            if clashing:
                yield from _layer(outline(layer), panel, drawing, clashing=False)
        case "rule":
            dash = {"strokeDash": {"value": [5, 4]}} if belongs else {}
            yield _piece(layer, {"clip": True, "type": "rule", "strokeWidth": 1.3}, color | dash)
        case "interval":
            yield _piece(layer, {"clip": True, "type": "rule", "strokeWidth": 2}, color)
            yield from _arrows(layer, panel, color)
        case "point":
            many = len(layer.x) > MANY
            mark = {"type": "point", "filled": True, "opacity": 0.45 if many else 1.0, "size": 18 if many else 55}
            shape = drawing.channel("shape", series, SHAPES, None)
            if layer.size:
                largest = max(filter(math.isfinite, layer.size), default=0.0) or 1.0
                scale = {"domain": [0.0, largest], "range": [16.0, 140.0], "type": "linear"}
                shape |= {"size": {"field": "size", "type": "quantitative", "scale": scale, "legend": None}}
            yield _piece(_inside(layer, panel), mark, color | shape)
        case "cell":
            yield from _cells(layer, panel, theme)


def _piece(layer: Layer, mark: dict[str, Any], encoding: dict[str, Any]) -> dict[str, Any]:
    """Return one Vega-Lite layer with its data; what is not finite is a gap of a line, and no other mark."""
    columns = {name: getattr(layer, name) for name in ("x", "y", "x2", "y2", "size", "value") if getattr(layer, name)}
    if layer.mark == "bar" and not layer.y:
        columns["y"] = (0.0,) * len(layer.x)
    if "series" in (entry.get("field") for entry in encoding.values()):
        columns["series"] = (printable(layer.series),) * len(layer.x or layer.y)
    if layer.texts:
        columns["text"] = tuple(map(printable, layer.texts))
        encoding = {**encoding, "description": {"field": "text"}, "tooltip": {"field": "text"}}
    rows = []
    for values in zip(*columns.values(), strict=True):
        gaps = [isinstance(value, float) and not math.isfinite(value) for value in values]
        if any(gaps) and layer.mark not in ("line", "band"):
            continue
        pairs = zip(columns, values, gaps, strict=True)
        rows.append({name: None if gap else value for name, value, gap in pairs})
    channels = [name for name in CHANNELS[layer.mark] if layer.mark != "rule" or name in columns]
    positions: dict[str, Any] = {name: {"field": name} for name in channels}
    if mark["type"] in ("line", "area"):
        if any(second <= first for first, second in pairwise(layer.x)):  # joined by x if nothing else is said
            rows = [{**row, "place": place} for place, row in enumerate(rows)]
            encoding = {**encoding, "order": {"field": "place", "type": "quantitative"}}
        mark = {**mark, "invalid": "break-paths-show-path-domains"}
    return {
        "data": {"values": rows},
        "mark": {**mark, "aria": bool(layer.texts)},
        "encoding": positions | encoding,
    }


def _arrows(layer: Layer, panel: Panel, color: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield arrows at the ends of the panel, for intervals that go beyond."""
    sides: tuple[tuple[Side, str, str], ...] = (
        ("x", "triangle-left", "triangle-right"),
        ("y", "triangle-down", "triangle-up"),
    )
    for side, *shapes in sides:
        across = side == "x"
        begins, ends, lanes = (layer.x, layer.x2, layer.y) if across else (layer.y, layer.y2, layer.x)
        for limit, shape, sign in zip(panel.extent(side), shapes, (-1.0, 1.0), strict=True):
            intervals = zip(begins, ends, lanes, strict=True)
            beyond = [at for low, high, at in intervals if low != high and max(sign * low, sign * high) > sign * limit]
            if beyond:
                limits = (limit,) * len(beyond)
                xs, ys = (limits, tuple(beyond)) if across else (tuple(beyond), limits)
                mark = {"type": "point", "filled": True, "shape": shape, "size": 60, "opacity": 1.0}
                yield _piece(Layer("point", xs, ys, series=layer.series), mark, color)


def _cells(layer: Layer, panel: Panel, theme: Theme) -> Iterator[dict[str, Any]]:
    """Yield coloured rectangles, those of 0 left blank, and between categories the value of each."""
    edges = shade_edges(panel, len(theme.cells))
    scale = {"domain": [f"to {cell_text(edge)}" for edge in edges], "range": list(theme.cells[-len(edges) :])}
    legend = {"orient": "bottom", "title": printable(panel.value) or None, "symbolType": "square", "symbolOpacity": 1.0}
    color = {"field": "level", "type": "ordinal", "scale": scale, "legend": legend}
    corners = zip(layer.x, layer.y, layer.x2, layer.y2, layer.value, strict=True)
    placed = [place for place, numbers in enumerate(corners) if all(map(math.isfinite, numbers))]
    filled = [place for place in placed if layer.value[place]]
    levels = [bisect_left(edges, layer.value[place]) for place in filled]
    piece = _piece(_of(layer, filled), {"type": "rect", "clip": True}, {"color": color})
    for row, level in zip(piece["data"]["values"], levels, strict=True):
        row["level"] = scale["domain"][level]
    yield piece
    if not panel.named:
        return
    strong = {place for place, level in zip(filled, levels, strict=True) if len(edges) - level <= len(theme.cells) // 2}
    groups = {
        theme.text: [place for place in placed if not layer.value[place]],
        theme.upon_pale: [place for place in filled if place not in strong],
        theme.upon_strong: sorted(strong),
    }
    for ink, places in groups.items():
        rows = [
            {
                "x": layer.x[place] / 2.0 + layer.x2[place] / 2.0,
                "y": layer.y[place] / 2.0 + layer.y2[place] / 2.0,
                "text": cell_text(layer.value[place]),
            }
            for place in places
        ]
        if rows:
            positions: dict[str, Any] = {side: {"field": side} for side in get_args(Side)}
            yield {
                "data": {"values": rows},
                "mark": {"type": "text", "color": ink, "fontSize": 12, "aria": False},
                "encoding": positions | {"text": {"field": "text", "type": "nominal"}},
            }


def _inside(layer: Layer, panel: Panel) -> Layer:
    """Return the points that lie within a panel; the one at its edge is drawn whole."""
    (x1, x2), (y1, y2) = panel.extent("x"), panel.extent("y")
    places = zip(layer.x, layer.y, strict=True)
    return _of(layer, [place for place, (x, y) in enumerate(places) if x1 <= x <= x2 and y1 <= y <= y2])


def _of(layer: Layer, places: Sequence[int]) -> Layer:
    """Return some marks of a layer."""
    columns = {
        entry.name: tuple(column[place] for place in places)
        for entry in fields(layer)
        if isinstance(column := getattr(layer, entry.name), tuple) and column
    }
    return Layer(layer.mark, **columns, series=layer.series)


# what is made of it --------------------------------------------------------------------------------------------------


def need_libraries(*, draws: bool = True) -> None:
    """Raise UsageError, without importing them, where the libraries that draw files are not installed.

    draws: whether a picture is made, not Vega-Lite alone; OutputError where there is no room for that.
    """
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing:
        raise UsageError(f"a figure in a file needs {listed(missing)}: {EXTRA}")
    limit = address_space()
    if draws and limit is not None and limit < DRAWING_SPACE:  # else the library ends the process
        raise OutputError(
            f"{SHORTAGE}: to draw a picture {DRAWING_SPACE >> 30} GiB of address space are reserved, not used, and "
            f"ulimit -v allows {limit >> 20} MiB"
        )


def chart(figure: Figure, width: int | None = None, height: int | None = None, scheme: Scheme = "light") -> Any:
    """Return a figure as a chart of Altair, which holds it to the schema of Vega-Lite."""
    need_libraries(draws=False)
    return import_module("altair").VConcatChart.from_dict(specification(figure, Look(width or WIDTH, height, scheme)))


def svg(figure: Figure, look: Look) -> str:
    """Return a figure as SVG; of scheme auto it has the colours of the page around it."""
    need_libraries()
    document = specification(figure, look)
    altair = import_module("altair")
    altair.VConcatChart.validate(document)
    version = ".".join(altair.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    raw: str = import_module("vl_convert").vegalite_to_svg(document, vl_version=version, allowed_base_urls=[])
    return _tidied(raw, figure, look)


NUMBER: Final = re.compile(r"-?\d+\.\d{3,}")
REFERENCE: Final = re.compile(r"url\(#(\w+)\)")
NEEDLESS: Final = {"class", "role", "pointer-events", "font-family", "aria-roledescription", "aria-hidden", "version"}
NUMERIC: Final = {"d", "transform", "x", "y", "x2", "y2", "width", "height", "dx", "dy"}


def _tidied(raw: str, figure: Figure, look: Look) -> str:
    """Return the SVG of the renderer with its text alternative, and without what nobody sees.

    The names of its clip paths, which the renderer counts up from call to call, begin with the digest of the figure: no
    two pictures of a page have one alike.
    """
    from xml.etree.ElementTree import Element, fromstring, register_namespace, tostring

    register_namespace("", SVG)
    root = fromstring(raw)
    mark = f"l{blake2b(f'{figure}{look.width}'.encode(errors='surrogatepass'), digest_size=4).hexdigest()}"
    ids = {element.get("id", ""): "" for element in root.iter() if "id" in element.attrib}
    ids = {name: f"{mark}-{place}" for place, name in enumerate(ids)}
    _slim(root, ids)
    high, wide = float(root.get("height", "0")), float(root.get("width", "1"))
    root.attrib = {
        "class": "lossctl",
        "width": f"{look.width}",
        "height": f"{high * look.width / wide:.0f}",
        "viewBox": f"0 0 {wide:g} {high:g}",
        "role": "img",
        "aria-labelledby": f"{mark}-title {mark}-desc",
        "font-family": FONT,
    }
    title, words, style = (Element(f"{{{SVG}}}{name}") for name in ("title", "desc", "style"))
    title.attrib, title.text = {"id": f"{mark}-title"}, printable(figure.title)
    words.attrib, words.text = {"id": f"{mark}-desc"}, description(figure)
    style.text = _dark_rules()
    root[:0] = [title, words, *[style] * (look.scheme == "auto")]
    return tostring(root, encoding="unicode") + "\n"


def _slim(element: Element, ids: Mapping[str, str]) -> None:
    """Take out of a tree what nobody sees, and shorten its numbers; a mark's label becomes its title."""
    from xml.etree.ElementTree import SubElement

    children: list[Element] = []
    for child in element:
        if child.get("display") == "none" or child.get("d") in ("M0,0h0v0h0Z", "") or _is_backdrop(child):
            continue
        _slim(child, ids)
        label = child.attrib.pop("aria-label", None)
        if label and len(child) == 0 and not child.text and label != "undefined":
            SubElement(child, f"{{{SVG}}}title").text = label
        for name, value in list(child.attrib.items()):
            if name in NEEDLESS or (name in ("opacity", "fill-opacity") and value == "1"):
                del child.attrib[name]
            elif name in NUMERIC:
                child.set(name, NUMBER.sub(lambda match: f"{float(match[0]):.2f}".rstrip("0").rstrip("."), value))
            elif name == "id":
                child.set(name, ids[value])
            else:
                child.set(name, REFERENCE.sub(lambda match: f"url(#{ids[match[1]]})", value))
        if child.get("transform") == "translate(0,0)":
            del child.attrib["transform"]
        plain = child.tag == f"{{{SVG}}}g" and not child.attrib
        children += list(child) if plain else [child]
    element[:] = children


def _is_backdrop(element: Element) -> bool:
    return element.get("class") in ("background", "foreground") and {"fill", "stroke"}.isdisjoint(element.keys())


def _dark_rules() -> str:
    """Return the style sheet that exchanges the colours on a dark screen."""
    pairs = zip(LIGHT.colors(), DARK.colors(), strict=True)
    rules = (f'.lossctl [{name}="{light}"]{{{name}:{dark}}}' for light, dark in pairs for name in ("fill", "stroke"))
    return f"@media screen and (prefers-color-scheme:dark){{{''.join(rules)}}}"


INLINE: Final = """svg.lossctl { display: block; width: 100%; height: auto; }
.narrow { display: none; }
@media screen and (max-width: 500px) { .wide { display: none; } .narrow { display: block; } }
"""
PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="{schemes}">
<title>{title}</title>
<style>
body {{ margin: 0; background: {background}; }}
main {{ max-width: {width}px; margin: 0 auto; padding: 12px; }}
{inline}{dark}</style>
</head>
<body>
<main>
{pictures}</main>
</body>
</html>
"""


def inline(figure: Figure, look: Look) -> str:
    """Return a figure as HTML for a page with the style sheet INLINE, in two widths of which one is shown."""
    widths = {"wide": look.width, "narrow": PHONE} if look.width > PHONE else {"figure": look.width}
    pictures = {name: svg(figure, look._replace(width=size)) for name, size in widths.items()}
    return "".join(f'<div class="{name}">\n{picture}</div>\n' for name, picture in pictures.items())


def page(figure: Figure, look: Look) -> str:
    """Return a figure as a page that needs nothing else: without scripts, in two widths of which one is shown."""
    dark = f"@media screen and (prefers-color-scheme: dark) {{ body {{ background: {DARK.background}; }} }}\n"
    return PAGE.format(
        title=escape(printable(figure.title)),
        schemes="light dark" if look.scheme == "auto" else look.scheme,
        background=(DARK if look.scheme == "dark" else LIGHT).background,
        width=look.width + 24,
        inline=INLINE,
        dark=dark if look.scheme == "auto" else "",
        pictures=inline(figure, look),
    )


def checked_look(width: int | None = None, height: int | None = None, theme: str = "auto") -> Look:
    """Return the look of a figure in a file; raise UsageError for one that cannot be, and without libraries."""
    for name, size, least in (("width", width, NARROWEST), ("height", height, LEAST)):
        if size is not None and not least <= size <= LARGEST:
            raise UsageError(f"{name} {size}: a figure in a file has from {least} to {LARGEST} pixels")
    schemes = {scheme: scheme for scheme in get_args(Scheme)}
    if theme not in schemes:
        raise UsageError(f"theme {theme!r}: one of {listed([*schemes])}{near(theme, [*schemes])}")
    need_libraries(draws=False)
    return Look(width or WIDTH, height, schemes[theme])


def content(figure: Figure, form: str, look: Look) -> bytes:
    """Return what a file of one of the formats of figures holds."""
    match form:
        case "vega":
            document = specification(figure, look)
            import_module("altair").VConcatChart.validate(document)
            text = json.dumps(document, indent=1)
            return (text.replace("<", "\\u003c") + "\n").encode()  # inert where it stands in a page
        case "html":
            return page(figure, look).encode()
        case "svg":
            return svg(figure, look).encode()
    picture = svg(figure, look._replace(scheme="light") if look.scheme == "auto" else look)
    library = import_module("vl_convert")
    return bytes(library.svg_to_png(picture, scale=SCALE) if form == "png" else library.svg_to_pdf(picture))


def save(
    figure: Figure,
    path: str | os.PathLike[str],
    width: int | None = None,
    height: int | None = None,
    theme: str = "auto",
) -> None:
    """Write a figure to a file, whole or not at all; its suffix tells the format."""
    name = path_of(path, "path")
    form = next((form for suffix, form in SUFFIXES.items() if name.lower().endswith(suffix)), None)
    if form is None:
        raise UsageError(f"{name}: the name of a figure ends in {listed([*SUFFIXES])}")
    look = checked_look(width, height, theme)
    check_writable(name, [])
    write_bytes(name, [content(figure, form, look)])


def notebook(figure: Figure) -> dict[str, Any]:
    """Return what a notebook shows of a figure by its media types; nothing without the libraries."""
    if any(find_spec(name) is None for name in LIBRARIES):
        return {}
    look = Look(scheme="light")
    return {MEDIA_TYPE: specification(figure, look), "image/svg+xml": svg(figure, look)}
