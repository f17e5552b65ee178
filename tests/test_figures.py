"""Figures: what they hold, how a terminal shows them, and the files that they are saved as."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from importlib.util import find_spec
from xml.etree.ElementTree import fromstring

import numpy as np
import pytest

from lossctl import registry
from lossctl.core.domain import Codes
from lossctl.core.form import along
from lossctl.errors import UsageError, printable
from lossctl.output.catalogue import description
from lossctl.output.curves import figure_of, plot_loss
from lossctl.output.plot import picture, ticks
from lossctl.output.text import Style, width_of
from lossctl.output.vega import DARK, LIBRARIES, LIGHT, SCHEMA, Look, description as description_of, specification
from lossctl.results.figure import Axis, Figure, Layer, Panel
from tests.conftest import ROOT

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


# losses --------------------------------------------------------------------------------------------------------------


def lines_of(figure: Figure, panel: int = 0) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The lines of a panel by their series."""
    return {
        layer.series: (np.array(layer.x), np.array(layer.y))
        for layer in figure.panels[panel].layers
        if layer.mark == "line"
    }


def test_losses_of_regression_are_drawn_against_the_error():
    figure = plot_loss("mse", "huber:delta=2", "p90=quantile:q=0.9")
    lines = lines_of(figure)
    error, squares = lines["mse"]
    assert (error[0], error[-1], error[len(error) // 2]) == (-4.0, 4.0, 0.0)
    np.testing.assert_allclose(squares, error**2)
    np.testing.assert_allclose(lines["huber:delta=2"][1], [e * e / 2 if abs(e) < 2 else 2 * abs(e) - 2 for e in error])
    np.testing.assert_allclose(lines["p90"][1], np.maximum(-0.9 * error, 0.1 * error))
    assert figure.series == ("mse", "huber:delta=2", "p90")
    assert figure.title == "Losses against the error"


def test_a_loss_whose_targets_are_positive_is_drawn_at_one_and_only_within_its_domain():
    figure = plot_loss("mse", "msle", "poisson")
    error, values = lines_of(figure)["poisson"]
    assert math.isnan(values[error <= -3.0].max())
    inside = error > -2.99
    np.testing.assert_allclose(values[inside], error[inside] + 3.0 - 3.0 * np.log(error[inside] + 3.0))
    np.testing.assert_allclose(lines_of(figure)["msle"][1], (np.log1p(error + 10.0) - np.log1p(10.0)) ** 2)
    assert "msle at target 10" in figure.notes
    assert "poisson at target 3" in figure.notes


def test_losses_of_the_hinge_family_are_drawn_against_the_margin():
    margin, values = lines_of(plot_loss("hinge", "squared_hinge", range=(-2, 2)))["squared_hinge"]
    np.testing.assert_allclose(values, np.maximum(0.0, 1.0 - margin) ** 2)
    assert (margin[0], margin[-1]) == (-2.0, 2.0)


def test_focal_loss_is_drawn_for_several_gammas_and_its_end_at_infinity_is_cut():
    figure = plot_loss("focal", vary={"gamma": [0, 0.5, 1, 2, 5]})
    assert figure.series == ("gamma=0", "gamma=0.5", "gamma=1", "gamma=2", "gamma=5")
    for gamma, (p, values) in zip((0, 0.5, 1, 2, 5), lines_of(figure).values(), strict=True):
        assert values[0] == math.inf
        np.testing.assert_allclose(values[1:], (1.0 - p[1:]) ** gamma * -np.log(p[1:]), atol=1e-15)
    assert 4.0 < figure.panels[0].extent("y")[1] < 5.0
    assert "on to inf" in figure.notes[0]
    assert lines_of(plot_loss("bce"))["bce"][1] == pytest.approx(lines_of(figure)["gamma=0"][1])


def test_gradients_are_a_second_panel_over_the_same_axis():
    figure = plot_loss("mse", "mae", grad=True)
    np.testing.assert_allclose(*reversed([lines_of(figure, 1)["mse"][1], 2.0 * lines_of(figure)["mse"][0]]))
    assert figure.panels[0].x == figure.panels[1].x


@pytest.mark.parametrize(
    ("specs", "options", "says"),
    [
        (["mse", "bce"], {}, "mse is drawn against the error, bce against the probability of the true class"),
        (["rmse"], {}, "rmse has no value of a single row"),
        ([], {}, "no loss to draw"),
        (["poisson"], {"range": (-9, -4)}, "poisson has no value from -9 to -4"),
        (["mse"], {"range": (4, -4)}, "does not go up"),
        (["mse"], {"range": (-1e308, 1e308)}, "does not go up"),
        (["bce"], {"range": (-1, 1)}, "where probabilities are"),
        (["contrastive"], {"range": (0, 1)}, "points of its own"),
        (["focal"], {"vary": {"gama": [1]}}, "gamma"),
        (["huber:delta=1"], {"vary": {"delta": [1]}}, "delta is given twice"),
        (["focal"], {"vary": {"gamma": range(30)}}, "at most 20"),
    ],
)
def test_what_cannot_be_one_figure_is_refused(specs, options, says):
    with pytest.raises(UsageError, match=says):
        plot_loss(*specs, **options)


def test_every_loss_of_rows_has_a_picture_that_fits_any_terminal(lossctl):
    drawn = 0
    for loss in registry.losses().values():
        if loss.row is not None and len(loss.forms[0].curve.points) > 1:
            figure = figure_of({loss.spec: loss}, loss.spec, grad=True)
            assert len(figure.panels) == 1 + (loss.gradient is not None), loss
            for low, high in (panel.extent("y") for panel in figure.panels):
                assert math.isfinite(low), loss
                assert low < high < math.inf, loss
            text = picture(figure, Style(60))
            assert max(map(len, text.splitlines())) <= 60, loss
            drawn += 1
    assert drawn > 100


@pytest.mark.parametrize("name", ["mse", "bce", "cce", "huber", "gan_generator", "contrastive", "iou", "triplet_score"])
@pytest.mark.parametrize("style", [Style(), Style(100), Style(60), Style(60, ascii=True)])
def test_show_draws_the_loss_and_its_gradient(name, style):
    text = description(registry.loss_of(name), "table", style)
    assert (" against " in text) == (name != "triplet_score")
    assert text.isascii() or not style.ascii


def test_a_straight_curve_has_a_row_anywhere_on_its_axis():
    curve = along("x", (0.001, 0.5, 0.999), True, target=1.0, pred=[(0.001, 0.5, 0.999), (0.999, 0.5, 0.001)])
    assert curve.at([0.0, 0.25, 1.0]).roles == {"target": ((1.0,) * 3,), "pred": ((0.0, 0.25, 1.0), (1.0, 0.75, 0.0))}


def test_curves_that_are_called_straight_are_so():
    forms = [form for loss in registry.losses().values() for form in loss.forms if form.curve.straight]
    forms = [form for form in forms if len(form.curve.points) > 1]
    assert len(forms) > 50
    for form in forms:
        axis = [float(point) for point in form.curve.points]
        assert (np.diff(axis) > 0).all()
        assert not any(isinstance(domain, Codes) for domain in form.roles.values())
        for role, columns in form.curve.at(axis).roles.items():
            np.testing.assert_allclose(columns, form.curve.roles[role], rtol=1e-9, atol=1e-9)
            assert not (form.labels and role == "target") or columns[0][0] == columns[0][-1]


def test_the_command_draws_what_the_function_does(lossctl):
    outcome = lossctl("plot", "loss", "focal", "--vary", "gamma=0,2", "--range", "0.1:1", "--grad")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == f"{plot_loss('focal', vary={'gamma': [0, 2]}, range=(0.1, 1), grad=True)}"
    document = lossctl("plot", "loss", "mae", "-f", "json").json
    assert document["title"] == "mae against the error"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("mse --range 4", "--range 4: two numbers, as in -4:4"),
        ("focal --vary gamma", "--vary gamma: a parameter and its values, as in gamma=0,1,2"),
        ("focal --vary gamma=1 --vary gamma=2", "write gamma=1,2"),
        ("mse bce", "draw them in two"),
        ("mse -o x.gif", ".vl.json"),
        ("mse -o x.svg --width 20", "width 20: a figure in a file has from 240 to 10000 pixels"),
        ("", "no loss to draw"),
    ],
)
def test_the_command_says_what_it_cannot_draw(lossctl, words, says, tmp_path, monkeypatch):
    outcome = lossctl("plot", "loss", *words.split())
    assert (outcome.code, outcome.out) == (2, "")
    assert says in outcome.err
    assert outcome.err.count("\n") == 1


# files ---------------------------------------------------------------------------------------------------------------

needs_libraries = pytest.mark.skipif(
    any(find_spec(name) is None for name in LIBRARIES), reason="lossctl[plot] is not installed"
)
EVIL_FIGURE = figure(
    Layer("line", GRID, tuple(map(abs, GRID)), series=EVIL),
    Layer("point", (0.0, 1.0), (0.0, 1.0), series="b", texts=(EVIL, "plain")),
    x=Axis(EVIL, EVIL),
    y=Axis("format('.2f')", categories=(EVIL, "datum.value", "'+alert(1)+'")),
    series=(EVIL, "b"),
)


def texts_of(value: object) -> Iterator[str]:
    """All strings of a specification, keys apart."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for entry in value.values():
            yield from texts_of(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from texts_of(entry)


def test_a_specification_has_the_numbers_of_the_figure_and_needs_no_library():
    panel = specification(CURVES, Look(titled=False))["vconcat"][0]
    rule, *lines = panel["layer"]
    assert [piece["mark"]["type"] for piece in panel["layer"]] == ["rule", "line", "line"]
    assert [(row["x"], row["y"]) for row in lines[0]["data"]["values"]] == [(e, e * e) for e in GRID]
    assert {row["series"] for row in lines[1]["data"]["values"]} == {"mae"}
    assert rule["data"]["values"] == [{"x": 0.0}]
    assert lines[0]["encoding"]["x"]["axis"]["title"] == "error (target)"
    assert lines[0]["encoding"]["color"]["scale"]["domain"] == ["mse", "mae"]
    assert (
        lines[0]["encoding"]["strokeDash"]["scale"]["range"][0]
        != lines[0]["encoding"]["strokeDash"]["scale"]["range"][1]
    )


def test_gaps_and_infinities_are_nulls_of_a_line_and_no_points():
    broken = (1.0, math.nan, math.inf, 2.0)
    pieces = specification(
        figure(Layer("line", EDGES, broken, series="a"), Layer("point", EDGES, broken, series="a"), series=("a",)),
        Look(titled=False),
    )["vconcat"][0]["layer"]
    values = {piece["mark"]["type"]: [row["y"] for row in piece["data"]["values"]] for piece in pieces}
    assert values == {"line": [1.0, None, None, 2.0], "point": [1.0, 2.0]}
    json.dumps(pieces, allow_nan=False)


def test_long_intervals_end_in_arrows_and_histograms_of_several_models_are_outlined():
    forest = specification(FOREST, Look(titled=False))["vconcat"][0]["layer"]
    assert [piece["mark"].get("shape") for piece in forest].count("triangle-left") == 1
    marks = [
        piece["mark"]["type"]
        for piece in specification(KINDS["two histograms"], Look(titled=False))["vconcat"][0]["layer"]
    ]
    assert marks == ["rect", "line", "rect", "line"]


def test_names_are_no_expressions_of_a_specification():
    document = specification(EVIL_FIGURE, Look())
    for text in texts_of(document):
        assert text.isprintable()
    axis = document["vconcat"][0]["vconcat"][0]["layer"][0]["encoding"]["y"]["axis"]
    names, _, end = axis["labelExpr"].rpartition("[datum.value]")
    assert end == ""
    assert json.loads(names) == [printable(EVIL), "datum.value", "'+alert(1)+'"]
    assert "signal" not in json.dumps(document)


def test_series_and_texts_have_enough_contrast_in_both_themes():
    def light_of(color: str) -> float:
        parts = [int(color[place : place + 2], 16) / 255.0 for place in (1, 3, 5)]
        lines = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * lines[0] + 0.7152 * lines[1] + 0.0722 * lines[2]

    def contrast(one: str, other: str) -> float:
        low, high = sorted(map(light_of, (one, other)))
        return (high + 0.05) / (low + 0.05)

    for theme in (LIGHT, DARK):
        assert all(contrast(color, theme.background) >= 3.0 for color in (*theme.series, theme.zero)), theme
        assert all(contrast(color, theme.background) >= 4.5 for color in (theme.text, theme.muted))
        assert all(contrast(color, theme.upon_pale) >= 4.5 for color in theme.cells[: len(theme.cells) // 2])
        assert all(contrast(color, theme.upon_strong) >= 4.5 for color in theme.cells[len(theme.cells) // 2 + 1 :])
        assert len(set(theme.colors())) == len(list(theme.colors()))


def test_without_the_libraries_one_line_names_the_extra_before_any_data_is_read(lossctl, monkeypatch, tmp_path):
    monkeypatch.setattr("lossctl.output.vega.find_spec", lambda name: None)
    for words in (["loss", "mse"], ["residuals", tmp_path / "no such file.csv", "-t", "y", "-p", "p"]):
        outcome = lossctl("plot", *words, "-o", tmp_path / "x.svg")
        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err == (
            "lossctl: error: a figure in a file needs altair, vl_convert: pip install 'lossctl[plot]'\n"
        )
    with pytest.raises(UsageError, match="pip install"):
        CURVES.save(tmp_path / "x.svg")
    assert CURVES._repr_mimebundle_() == {"text/plain": str(CURVES)}
    assert list(tmp_path.iterdir()) == []


def test_a_figure_shows_itself_in_a_line_and_as_a_picture():
    assert repr(CURVES) == "<Figure loss: Losses of mse, mae>"
    assert str(CURVES) == picture(CURVES, Style())


@pytest.mark.deep
@needs_libraries
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_mark_is_valid_vega_lite(kind):
    chart = KINDS[kind].chart()
    assert chart.to_dict()["vconcat"]


@needs_libraries
def test_long_names_with_characters_of_two_utf16_units_are_cut_between_characters(tmp_path):
    names = tuple(f"{place} {'emoji 🎉👩 ' * 9}" for place in range(2))
    layers = [Layer("point", (0.5,), (float(place),), series=name) for place, name in enumerate(names)]
    long = figure(*layers, x=Axis(names[0]), y=Axis("", categories=names), series=names)
    long.save(tmp_path / "long.svg")
    texts = [element.text or "" for element in fromstring((tmp_path / "long.svg").read_text()).iter()]
    assert sum(text.endswith("…") for text in texts) == 5  # the axis, and each name beside it and in the legend


def test_words_longer_than_a_line_and_wide_characters_are_broken():
    text = picture(Figure("models", f"Values of {'x' * 90} {'模型' * 30}", ()), Style(40))
    assert [width_of(line) for line in text.splitlines()] == [9, 40, 40, 10, 40, 40, 40]


@needs_libraries
def test_the_svg_is_inert_small_and_the_same_every_time(tmp_path):
    paths = [tmp_path / name for name in ("a.svg", "b.svg")]
    for path in paths:
        EVIL_FIGURE.save(path)
    text = paths[0].read_text()
    assert text == paths[1].read_text()
    root = fromstring(text)
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags <= {"svg", "g", "path", "line", "rect", "text", "tspan", "title", "desc", "style", "defs", "clipPath"}
    attributes = {name for element in root.iter() for name in element.attrib}
    assert not any(name.startswith("on") or "href" in name for name in attributes)
    assert "]]>" not in text
    assert "http" not in text.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert text.isprintable() or all(char.isprintable() or char == "\n" for char in text)
    assert len(text) < 20_000
    title, desc = list(root)[:2]
    assert (title.text, root.get("role")) == ("Losses", "img")
    assert "A note." in str(desc.text)
    assert root.get("aria-labelledby") == f"{title.get('id')} {desc.get('id')}"
    assert [element.text for element in root.iter() if element.tag.endswith("title")][1:] == [printable(EVIL), "plain"]


@needs_libraries
def test_an_automatic_figure_has_the_colours_of_the_screen_and_others_have_their_own(tmp_path):
    CURVES.save(tmp_path / "auto.svg")
    CURVES.save(tmp_path / "dark.svg", theme="dark")
    rules = (tmp_path / "auto.svg").read_text()
    assert "prefers-color-scheme:dark" in rules
    assert f'[stroke="{LIGHT.series[0]}"]{{stroke:{DARK.series[0]}}}' in rules
    assert "prefers-color-scheme" not in (tmp_path / "dark.svg").read_text()
    assert DARK.background in (tmp_path / "dark.svg").read_text()


@needs_libraries
def test_a_page_needs_nothing_else_and_fits_a_phone(tmp_path):
    EVIL_FIGURE.save(tmp_path / "x.html")
    text = (tmp_path / "x.html").read_text()
    assert "<script" not in text
    assert 'name="viewport"' in text
    assert not re.search(r"(src|href)=|@import|url\((?!#)", text)
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert text.count("<svg") == 2


@needs_libraries
def test_files_are_written_by_the_command_in_every_format(lossctl, tmp_path):
    names = {"x.svg": b"<svg", "x.png": b"\x89PNG", "x.pdf": b"%PDF", "x.html": b"<!DOCTYPE html>", "x.vl.json": b"{"}
    outputs = [word for name in names for word in ("-o", tmp_path / name)]
    outcome = lossctl("plot", "loss", "mse", "mae", *outputs)
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
    for name, start in names.items():
        assert (tmp_path / name).read_bytes().startswith(start)
    document = json.loads((tmp_path / "x.vl.json").read_text())
    assert document["$schema"] == SCHEMA
    assert "<" not in (tmp_path / "x.vl.json").read_text()


@needs_libraries
def test_a_notebook_gets_vega_lite_svg_and_text():
    bundle = CURVES._repr_mimebundle_()
    assert set(bundle) == {"application/vnd.vegalite.v6+json", "image/svg+xml", "text/plain"}
    assert bundle["application/vnd.vegalite.v6+json"] == specification(CURVES, Look())


def test_the_pictures_of_the_article_are_those_of_the_losses():
    lines = re.findall(r"lossctl plot loss (.*) -o (\S+\.svg)$", (ROOT / "Makefile").read_text("utf-8"), re.M)
    assert len(lines) == 4
    drawn = " ".join(words for words, _ in lines)
    names = {
        "mse",
        "mae",
        "huber",
        "log_cosh",
        "q90=quantile:q=0.9",
        "msle",
        "poisson",
        "hinge",
        "squared_hinge",
        "bce",
    }
    assert names | {"focal", "gamma=0,0.5,1,2,5"} <= set(drawn.split())
    for words, path in lines:
        specs, _, varied = words.partition(" --vary gamma=")
        figure = plot_loss(*specs.split(), vary={"gamma": varied.split(",")} if varied else None)
        text = (ROOT / path).read_text("utf-8")
        assert description_of(figure) == [element.text for element in fromstring(text)][1], "run `make golden`"
        assert len(text) < 32_000


@pytest.mark.parametrize("mark", ["line", "band", "bar", "point", "interval", "cell", "rule"])
@pytest.mark.parametrize("log", [False, True])
def test_numbers_without_a_place_are_left_out(mark, log):
    """Infinities, NaN, the largest and the smallest numbers: in a terminal and as Vega-Lite, which is strict JSON."""
    extremes = (math.nan, math.inf, -math.inf, 1.7e308, -1.7e308, 5e-324, 0.0, 1.0)
    for turn in range(len(extremes)):
        columns = [extremes[turn + k :] + extremes[: turn + k] for k in range(4)]
        x, y, x2, y2 = columns if mark != "rule" else [(), columns[1], (), ()]
        layer = Layer(mark, x=x, y=y, x2=x2, y2=y2, size=extremes, value=extremes, series="a")
        drawing = figure(layer, x=Axis("x", log=log), y=Axis("y", log=log), series=("a",))
        assert max(map(len, picture(drawing, Style(60)).splitlines())) <= 60
        json.dumps(specification(drawing, Look()), allow_nan=False)


def test_a_heading_has_one_bracket() -> None:
    assert Axis("loss", "target").heading == "loss (target)"
    assert Axis("loss", "1").heading == "loss"
    assert plot_loss("triplet").panels[0].y.heading == "loss, in distance (distance² if squared)"
