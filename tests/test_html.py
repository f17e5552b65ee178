"""What people see in notebooks and of curves: the HTML of a report, and the sparklines of `losses show`."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

import lossctl as package
from lossctl import registry
from lossctl.core.domain import Codes
from lossctl.core.form import along
from lossctl.output.catalogue import BLOCKS, PLAIN, POINTS, description, sparkline, value_range
from lossctl.output.report import wide
from lossctl.output.text import Style, number
from tests.conftest import Lossctl

HOSTILE = "<script>alert('x')</script>&amp;\"quoted\"\x1b[2J\u202e $y$"


class Reader(HTMLParser):
    """The text of the cells of every table, and every tag; HTML that is not balanced is refused."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.tables: list[list[list[str]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert {name for name, _ in attrs} <= {"style", "class"}
        self.open.append(tag)
        self.tags.add(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.tables[-1][-1][-1] += data
        elif data.strip():
            assert self.open[-1] == "p"
            self.texts.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert not reader.open
    assert reader.tags <= {"div", "p", "table", "thead", "tbody", "tr", "th", "td"}
    for table in reader.tables:
        assert len({len(row) for row in table}) == 1
    return reader


def data(**more: Any) -> dict[str, Any]:
    rng = np.random.default_rng(9)
    y = rng.normal(50.0, 10.0, 200)
    return {"y": y, "a": y + rng.normal(size=200), "b": y + rng.normal(0.0, 5.0, 200), **more}


def html(report: Any) -> Reader:
    return read(report._repr_html_())


def test_a_notebook_shows_the_numbers_of_the_terminal() -> None:
    report = package.evaluate(
        data(g=["u", "v"] * 100), target="y", pred=["a", "b"], losses=["mse", "big=mae", "r2"], by="g"
    )
    found = html(report)
    whole, sliced = found.tables
    assert whole[0] == ["model", "mse", "big", "r2"]
    assert sliced[0] == ["g", "model", "mse", "big", "r2", "rows"]
    assert [row[:2] for row in sliced[1:]] == [["u", "a"], ["u", "b"], ["v", "a"], ["v", "b"]]
    assert {row[-1] for row in sliced[1:]} == {"100"}
    text = wide(report, Style())
    cells = {(cell.model, cell.loss): cell for cell in report.cells if not cell.slice}
    for model, *values in whole[1:]:
        for loss, value in zip(whole[0][1:], values, strict=True):
            cell = cells[model, loss]
            assert value == number(cell.value, 5) + "*" * cell.best
            assert value in text
    assert any("200 rows" in line for line in found.texts)
    assert any("best model for the loss in its slice" in line for line in found.texts)


def test_infinite_and_undefined_values_say_why() -> None:
    report = package.evaluate({"y": [1, 0], "p": [0.0, 0.5]}, target="y", pred="p", losses="bce")
    found = html(report)
    assert found.tables[0][1] == ["p", "inf"]
    assert any(line.startswith("bce of p: ") for line in found.texts)


def test_names_do_nothing() -> None:
    columns = {HOSTILE: data()["y"], "p" + HOSTILE: data()["a"], "q": data()["b"], "g" + HOSTILE: [HOSTILE, "v"] * 100}
    question: dict[str, Any] = {"target": HOSTILE, "pred": {"m" + HOSTILE: "p" + HOSTILE, "q": "q"}, "losses": "mae"}
    report = package.compare(columns, by="g" + HOSTILE, **question)
    text = report._repr_html_()
    assert "<script" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert re.search(r'<div class="[^"]*mathjax_ignore', text)
    found = read(text)
    escaped = HOSTILE.replace("\x1b", r"\x1b").replace("\u202e", r"\u202e")
    assert found.tables[0][1][0] == "m" + escaped
    assert found.tables[1][0][0] == "g" + escaped
    assert escaped in {row[0] for row in found.tables[1]}


def test_comparisons_are_tables_too() -> None:
    report = package.compare(data(g=["u", "v"] * 100), target="y", pred=["a", "b"], losses=["mae"], by="g")
    found = html(report)
    assert len(found.tables) == 4
    whole = found.tables[2]
    [compared] = [each for each in report.comparisons if not each.slice]
    assert whole[0][:4] == ["loss", "model", "against", "baseline"]
    assert whole[1][:5] == ["mae", "b", "a", number(compared.baseline_value, 5), number(compared.value, 5)]
    assert whole[1][-1] == compared.verdict == "worse"
    assert [row[0] for row in found.tables[3]] == ["g", "u", "v"]
    assert any(line.startswith("Against a, b is worse on mae") for line in found.texts)
    plain = html(package.compare(data(), target="y", pred=["a", "b"], losses=["mae"], ci=None))
    assert plain.tables[-1][0][-1] == "%"


def test_checks_are_a_table_too() -> None:
    report = package.check(data(), target="y", pred="b", max=["mae=0.5", "rmse=900"])
    found = html(report)
    checks = found.tables[-1]
    assert checks[0][:2] == ["status", "rule"]
    assert [row[:2] for row in checks[1:]] == [["fail", "mae max 0.5"], ["pass", "rmse max 900"]]
    assert checks[1][3] == number(next(cell.value for cell in report.cells if cell.loss == "mae"), 5)
    assert any(line.startswith("check: FAIL, 1 of 2 checks failed") for line in found.texts)


# sparklines ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "drawn", "plain"),
    [
        ([0, 1, 2, 3, 4, 5, 6, 7], BLOCKS, PLAIN),
        ([7, 0], "█▁", "#_"),
        ([5, 5, 5], "▅▅▅", "==="),
        ([0, 1, math.inf], "▁▇█", "_*#"),
        ([-math.inf, 0, 1], "▁▂█", "_.#"),
        ([-math.inf, 0, 1, math.inf], "▁▂▇█", "_.*#"),
        ([math.nan, 0, 1], "?▁█", "?_#"),
        ([math.inf, math.inf], "██", "##"),
        ([-1.7e308, 1.7e308], "▁█", "_#"),
        ([5e-324, 0.0], "█▁", "#_"),
        ([], "", ""),
    ],
)
def test_a_line_is_as_high_as_its_values(values: list[float], drawn: str, plain: str) -> None:
    assert sparkline(values, ascii_only=False) == drawn
    assert sparkline(values, ascii_only=True) == plain


def test_ranges_are_named_with_infinities() -> None:
    assert value_range([3.0, -1.0], 5) == "-1.0000 to 3.0000"
    assert value_range([0.5, math.inf, math.nan], 3) == "0.500 to inf"
    assert value_range([math.nan], 3) == "nan"


def test_a_curve_is_filled_in_only_where_it_is_straight() -> None:
    straight = along("x", (0.0, 1.0, 4.0), True, target=0.0, pred=(0.0, 2.0, 8.0))
    line = straight.filled(POINTS)
    assert len(line.points) == POINTS
    assert line.roles["pred"][0][0] == 0.0
    assert line.roles["pred"][0][-1] == 8.0
    np.testing.assert_allclose(np.diff(line.roles["pred"][0]), 8.0 / (POINTS - 1))
    for curve in (
        along("x", (0.0, 1.0, 4.0), target=0.0, pred=(0.0, 2.0, 9.0)),
        along("x", ("a", "b", "c"), target=0.0, pred=(0.0, 1.0, 2.0)),
        along("x", (0.0, 1.0), True, target=0.0, pred=(0.0, 1.0)),
    ):
        assert curve.filled(POINTS) is curve


def test_curves_that_are_called_straight_are_so() -> None:
    forms = [form for loss in registry.losses().values() for form in loss.forms if form.curve.straight]
    assert len(forms) > 50
    for form in forms:
        axis = np.array([float(point) for point in form.curve.points])
        assert (np.diff(axis) > 0).all()
        assert not any(isinstance(domain, Codes) for domain in form.roles.values())
        for role, columns in form.curve.roles.items():
            for column in columns:
                line = column[0] + (axis - axis[0]) / max(axis[-1] - axis[0], 1e-300) * (column[-1] - column[0])
                np.testing.assert_allclose(column, line, rtol=1e-9, atol=1e-9)
                assert not (form.labels and role == "target") or column[0] == column[-1]
            made = form.curve.filled(POINTS).roles[role]
            assert not form.roles[role].outside(np.array(made)).any()


@pytest.mark.parametrize("width", [None, 100, 60, 40, 20])
@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("name", ["mse", "bce", "cce", "huber", "gan_generator", "contrastive", "iou", "triplet_score"])
def test_show_draws_the_loss_and_its_gradient(name: str, width: int | None, ascii_only: bool) -> None:
    loss = registry.loss_of(name)
    lines = description(loss, "table", Style(width, ascii=ascii_only)).splitlines()
    drawn = [line for line in lines if re.match(r"(loss|∂/∂\w+|d/d\w+) +[▁-█_.~=+*#?-]{2,}  \S+ to \S+$", line)]
    expected = sum(1 + (loss.gradient is not None) for form in loss.forms if len(form.curve.points) > 1)
    assert len(drawn) == (expected if loss.row is not None and width != 20 else 0)
    assert all(len(line) <= (width or 100) for line in drawn)
    for line in drawn:
        assert not ascii_only or line.isascii()
        following = lines[lines.index(line) + 1]
        assert following in drawn or "loss" in following  # the table's header


def test_the_range_is_that_of_the_table_too(lossctl: Lossctl) -> None:
    text = lossctl("losses", "show", "mape").out
    assert re.search(r"^loss +[▁-█]{61}  0 to 9\.0000$", text, re.MULTILINE)
    assert re.search(r"^∂/∂pred +[▁-█]{61}  -0\.10000 to 0\.10000$", text, re.MULTILINE)
    assert "▁" not in lossctl("losses", "show", "mape", "-f", "json").out
