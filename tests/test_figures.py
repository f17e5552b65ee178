"""Figures: what they hold, how a terminal shows them, and the files that they are saved as."""

from __future__ import annotations

import math
import re

import pytest

from lossctl.output.plot import picture, ticks
from lossctl.output.text import Style
from lossctl.results.figure import Axis, Figure, Layer, Panel

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
EVIL = "<script>]]>\x1b[31mjavascript:\u202e'\"&"


def figure(*layers: Layer, x: Axis | None = None, y: Axis | None = None, series: tuple[str, ...] = ()) -> Figure:
    """A figure of one panel."""
    panel = Panel(x or Axis("error", "target"), y or Axis("loss"), layers)
    return Figure("loss", "Losses", (panel,), series, "A sentence.", ("A note.",))


GRID = tuple(k / 10.0 for k in range(-40, 41))
CURVES = figure(
    Layer("rule", x=(0.0,)),
    Layer("line", GRID, tuple(e * e for e in GRID), series="mse"),
    Layer("line", GRID, tuple(map(abs, GRID)), series="mae"),
    series=("mse", "mae"),
)
EDGES = (0.0, 1.0, 2.0, 3.0)
BARS = Layer("bar", EDGES[:3], (), EDGES[1:], (1.0, 4.0, 2.0), series="a")
FOREST = figure(
    Layer("rule", x=(0.0,)),
    Layer("interval", (-1.0, -9.0), (0.0, 1.0), (0.5, 1.0), (0.0, 1.0), series="m"),
    Layer("point", (-0.2, 0.1), (0.0, 1.0), series="m"),
    x=Axis("difference", domain=(-2.0, 2.0)),
    y=Axis("", categories=("north", EVIL)),
    series=("m",),
)
CONFUSION = Figure(
    "confusion",
    "Confusion",
    (
        Panel(
            Axis("predicted", categories=("no", "yes")),
            Axis("true", categories=("no", "yes")),
            (
                Layer(
                    "cell",
                    (-0.5, 0.5, -0.5, 0.5),
                    (-0.5, -0.5, 0.5, 0.5),
                    (0.5, 1.5, 0.5, 1.5),
                    (0.5, 0.5, 1.5, 1.5),
                    value=(90.0, 3.0, 0.0, 40.0),
                ),
            ),
            value="rows",
        ),
    ),
)
KINDS = {
    "lines": CURVES,
    "bars": figure(BARS, series=("a",)),
    "two histograms": figure(
        BARS, Layer("bar", EDGES[:3], (), EDGES[1:], (3.0, 1.0, 2.0), series="b"), series=("a", "b")
    ),
    "bars to the right": figure(
        Layer("bar", (0.0, 0.0), (-0.4, 0.6), (3.0, 5.0), (0.4, 1.4)), y=Axis("", categories=("a", "b"))
    ),
    "band": figure(Layer("band", (0.0, 1.0, 2.0), (1.0, 1.0, 2.0), (), (2.0, 3.0, 4.0), series="a"), series=("a",)),
    "points": figure(Layer("point", GRID * 3, tuple(math.sin(k) for k in range(243)), series="a"), series=("a",)),
    "upright intervals": figure(Layer("interval", (1.0, 2.0), (0.0, 1.0), (1.0, 2.0), (3.0, 4.0), series="a")),
    "forest": FOREST,
    "confusion": CONFUSION,
    "one point": figure(Layer("point", (3.0,), (5.0,))),
    "empty": figure(),
    "logarithms": figure(
        Layer("line", (0.0, 1.0, 10.0, 1e4), (1.0, 2.0, 3.0, 4.0)),
        x=Axis("rows", log=True),
        y=Axis("seconds", log=True),
    ),
    "infinities": figure(Layer("line", (0.0, 1.0, 2.0, 3.0), (1.0, math.inf, math.nan, -math.inf))),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [40, 60, 80, 200])
@pytest.mark.parametrize("plain", [False, True])
def test_a_picture_is_no_wider_than_the_terminal(kind, width, plain):
    text = picture(KINDS[kind], Style(width, ascii=plain))
    assert max(map(len, text.splitlines())) <= width
    assert len(text.splitlines()) <= 26
    assert text.isascii() or not plain
    assert all(char.isprintable() or char == "\n" for char in text)


@pytest.mark.parametrize("kind", KINDS)
def test_colour_adds_to_a_picture_and_changes_no_character_of_it(kind):
    coloured = picture(KINDS[kind], Style(80, color=True))
    assert ESCAPE.sub("", coloured) == picture(KINDS[kind], Style(80))


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [
        (0.0, 1.0, 5, "0.0 0.5 1.0"),
        (0.0, 1.0, 6, "0.0 0.2 0.4 0.6 0.8 1.0"),
        (-4.0, 4.0, 5, "-4 -2 0 2 4"),
        (9.1, 9.2, 3, "9.10 9.15 9.20"),
        (0.0, 3e7, 4, "0 1e7 2e7 3e7"),
        (0.0, 25e5, 6, "0 5e5 1e6 1.5e6 2e6 2.5e6"),
        (0.0, 2e-9, 3, "0 1e-9 2e-9"),
        (1e5, 1.00002e5, 3, "100000 100001 100002"),
        (-1e308, 1e308, 3, "-1e308 0 1e308"),
        (5.0, 5.0, 3, "5"),
    ],
)
def test_ticks_are_round_numbers_with_as_many_digits_as_they_need(low, high, most, expected):
    assert [text for _, text in ticks(low, high, most)] == expected.split()


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(1.0, 1e4, "1 10 100 1000 10000"), (1.0, 9.0, "1 2 5"), (1e-9, 1e9, "1e-8 0.0001 1 10000 1e8")],
)
def test_ticks_of_a_logarithmic_axis_are_powers_of_ten(low, high, expected):
    assert [text for _, text in ticks(low, high, 5, log=True)] == expected.split()


def test_lines_are_told_apart_without_colour_by_their_marks():
    text = picture(CURVES, Style(80))
    assert "● mse   ▲ mae" in text
    assert text.count("●") > 4
    assert text.count("▲") > 4


def test_letters_are_the_marks_of_an_ascii_terminal():
    assert "a mse   b mae" in picture(CURVES, Style(80, ascii=True))


def test_an_interval_has_ends_a_middle_and_an_arrow_where_it_is_cut():
    _, *lines = picture(FOREST, Style(80)).splitlines()
    assert re.search("north ┤ +├─+●─+│?─+┤", "\n".join(lines))
    assert re.search("┤◀─+●─+┤", "\n".join(lines))


def test_between_categories_the_values_of_cells_are_written():
    text = picture(CONFUSION, Style(80))
    assert re.search(" 90 .* 3 ", text)
    assert "rows: ░ to" in text


def test_a_gap_is_no_line():
    gap = figure(Layer("line", (0.0, 1.0, 2.0, 3.0, 4.0), (1.0, 1.0, math.nan, 1.0, 1.0)))
    assert re.search("[⠁-⣿] {30,}[⠁-⣿]", picture(gap, Style(80)))


def test_names_are_escaped():
    text = picture(FOREST, Style(200))
    assert r"<script>]]>\x1b[31mjavascript:\u202e" in text
