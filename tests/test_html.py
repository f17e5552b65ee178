"""What people see in notebooks: the HTML of a report."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import numpy as np

import lossctl as package
from lossctl.output.report import wide
from lossctl.output.text import Style, number

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
    assert any(line.startswith("Against a: b is worse on mae") for line in found.texts)
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
