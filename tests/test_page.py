"""The page of a run: what it says, that it needs nothing else, and that names of the data stay text."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lossctl as package
from lossctl.output.html import page_text
from tests.conftest import Lossctl

HOSTILE = "<script>alert(1)</script>]]>javascript:\u202e&amp;'\""
VOID = ("meta", "br", "link", "img")


class Reader(HTMLParser):
    """The tags, headings, texts and cells of a page; HTML that is not balanced is refused."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: dict[str, int] = {}
        self.headings: list[str] = []
        self.cells: list[str] = []
        self.lead = ""
        self.in_lead = False
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.in_lead = tag == "p" and "lead" in (dict(attrs).get("class") or "").split()
        for name, value in attrs:
            assert not name.startswith("on")
            assert name in ("xmlns", "aria-label") or not re.match(r"\s*(https?|javascript|data):", value or "")
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("h1", "h2", "h3"):
            self.headings.append("")
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.in_lead and self.open and self.open[-1] == "p":
            self.lead += data
        if self.open and self.open[-1] in ("h1", "h2", "h3"):
            self.headings[-1] += data
        if self.open and self.open[-1] in ("td", "th"):
            self.cells[-1] += data


def data(rows: int = 300, **more: Any) -> dict[str, Any]:
    rng = np.random.default_rng(7)
    y = rng.normal(50.0, 10.0, rows)
    columns = {"y": y, "a": y + rng.normal(size=rows), "b": y + rng.normal(0.0, 5.0, rows)}
    return {**columns, "g": np.array(list("uvw"))[np.arange(rows) % 3], "key": np.arange(1000, 1000 + rows), **more}


def test_a_page_says_what_was_found_in_one_order() -> None:
    page = package.report(data(), target="y", pred=["a", "b"], losses=["mae", "rmse"], by="g", id="key")
    reader = Reader(page_text(page))
    assert reader.lead == "Against a: b is worse on mae, rmse."
    assert [text for text in reader.headings if text in SECTIONS] == SECTIONS
    assert [figure.kind for figure in page.panels] == ["residuals", "rec", "bias"]
    assert reader.tags["svg"] == 2 * 5  # each for a screen and for a phone
    assert {"▼ worse", "★"} <= {cell if cell == "▼ worse" else cell[:1] for cell in reader.cells}
    assert str(page.report.worst[0].key["key"]) in reader.cells


SECTIONS = [
    "Comparison of a, b",
    "Values",
    "What the rows say",
    "By g",
    "Rows where most is lost",
    "How it was made",
]


@pytest.mark.parametrize(
    ("target", "kinds"),
    [
        pytest.param((np.arange(300) % 2).astype(float), ["calibration", "scores", "lift"], id="binary"),
        pytest.param(np.arange(300.0), ["residuals", "rec", "bias"], id="regression"),
    ],
)
def test_the_plots_are_those_of_the_task(target: Any, kinds: list[str]) -> None:
    p = np.random.default_rng(1).uniform(0.01, 0.99, 300)
    page = package.report({"y": target, "p": p}, target="y", pred="p")
    assert [figure.kind for figure in page.panels if figure.kind in kinds] == kinds


def test_plots_of_rows_stand_beside_losses_that_were_named() -> None:
    y = (np.arange(300) % 2).astype(float)
    page = package.report({"y": y, "p": 0.3 + 0.4 * y}, target="y", pred="p", losses="bce")
    assert "calibration" in [figure.kind for figure in page.panels]


def test_a_failed_check_is_understood_from_its_page(lossctl: Lossctl, tmp_path: Path) -> None:
    path = tmp_path / "check.html"
    rules = ("--max", "rmse=50", "--max-slice", "mae=42")
    result = lossctl("check", *DIABETES, "--by", "age_band", *rules, "-o", path)
    assert result.code == 1
    reader = Reader(path.read_text())
    assert reader.lead.startswith("✘ FAIL: 4 of 6 checks failed")
    assert "linear, rmse max 50: 53.0818 is above 50, by 3.08176." in reader.lead
    assert "To do next: " in path.read_text()
    assert "✘ fail" in reader.cells
    assert reader.tags["svg"] > 0


DIABETES = ("sample_data/diabetes.csv", "-t", "progression", "-p", "linear", "-p", "forest")


def test_an_error_takes_the_place_of_an_older_page(lossctl: Lossctl, tmp_path: Path) -> None:
    path = tmp_path / "check.html"
    path.write_text("an older page")
    assert lossctl("check", *DIABETES, "--max", "rmes=50", "-o", path).code == 2
    assert "ERROR" in Reader(path.read_text()).lead


def test_a_saved_report_makes_a_page_without_rows(lossctl: Lossctl, tmp_path: Path) -> None:
    saved, path = tmp_path / "saved.json", tmp_path / "page.html"
    assert lossctl("compare", *DIABETES, "-l", "mae", "-o", str(saved)).code == 0
    assert lossctl("report", saved, "-o", path).code == 0
    headings = Reader(path.read_text()).headings
    assert "Values" in headings
    assert "What the rows say" not in headings


def test_commands_write_the_page_into_files_and_tables_to_standard_output(lossctl: Lossctl, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    result = lossctl("compare", *DIABETES, "-l", "mae", "-f", "html", "-o", path)
    assert result.out.startswith('<div class="lossctl')
    assert path.read_text().startswith("<!DOCTYPE html>")
    assert "lossctl compare sample_data/diabetes.csv" in path.read_text()


@pytest.mark.deep
def test_a_page_lists_as_many_rows_as_the_help_says(lossctl: Lossctl, tmp_path: Path) -> None:
    assert re.search(r"--worst N .*?\[default: 10\]", lossctl("report", "-h").out, re.DOTALL)
    arguments = [*DIABETES, "-l", "mae", "-l", "r2", "-o", str(tmp_path / "page.html")]
    told = lossctl("report", *arguments).err
    assert "no worst rows, as there is no per-row value: r2" in told
    assert "loses most" in (tmp_path / "page.html").read_text("utf-8")
    lossctl("report", *arguments, "--worst", "0")
    assert "loses most" not in (tmp_path / "page.html").read_text("utf-8")


def test_rows_that_a_page_lists_stay_out_of_what_did_not_ask_for_them(lossctl: Lossctl, tmp_path: Path) -> None:
    arguments = ["eval", *DIABETES, "-l", "mae"]
    plain, page, saved = lossctl(*arguments), tmp_path / "page.html", tmp_path / "saved.json"
    assert lossctl(*arguments, "-o", page, "-o", saved).out == plain.out
    assert "loses most" in page.read_text("utf-8")
    assert json.loads(saved.read_text("utf-8"))["worst"] == []
    assert "loses most" in lossctl(*arguments, "-o", page, "--worst", "1").out


PAIRS, TRIPLETS = "pairs.parquet -t same -l contrastive", "triplets.parquet -l triplet"


@pytest.mark.parametrize(
    ("asked", "roles", "model"),
    [
        (PAIRS, "left=pca_left right=pca_right", "digits_pairs"),
        (PAIRS, "a:left=pca_left a:right=pca_right b:left=lda_left b:right=lda_right", "b"),
        (TRIPLETS, "anchor=lda_anchor positive=lda_positive negative=lda_negative", "digits_triplets"),
    ],
)
def test_embeddings_have_a_page_though_no_plot_of_predictions(
    lossctl: Lossctl, tmp_path: Path, asked: str, roles: str, model: str
) -> None:
    flags = [word for role in roles.split() for word in ("--role", role)]
    result = lossctl("report", *f"sample_data/digits_{asked}".split(), *flags, "-o", tmp_path / "page.html")
    assert (result.code, result.out) == (0, "")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert f">{model}</td>" in page
    assert "Values of" in page


def test_names_of_the_data_stay_text() -> None:
    columns = data(30, g=[HOSTILE] * 15 + ["other"] * 15)
    columns[HOSTILE] = columns.pop("b")
    page = package.report(columns, target="y", pred={"a": "a", HOSTILE: HOSTILE}, losses="mae", by="g", id="key")
    text = page_text(page)
    reader = Reader(text)
    assert "script" not in reader.tags
    assert "\u202e" not in text


@pytest.mark.deep
def test_a_page_of_a_million_rows_is_small() -> None:
    rows = 100_000  # pictures count rows, and do not grow with them
    rng = np.random.default_rng(3)
    y = rng.normal(size=rows)
    columns = {"y": y, "g": rng.integers(0, 20, rows), **{name: y + rng.normal(size=rows) for name in "abc"}}
    page = package.report(columns, target="y", pred=["a", "b", "c"], by="g")
    text = page_text(page)
    assert len(text.encode()) < 300_000
    assert "<script" not in text
    assert text.count("http") == text.count("http://www.w3.org/") + text.count("http-equiv")


def test_latex_of_a_report_is_typeset_whatever_the_names(lossctl: Lossctl) -> None:
    text = lossctl("eval", *DIABETES, "-l", "mae", "-l", "r2", "--by", "age_band", "-f", "latex").out
    assert text.count("\\begin{tabular}") == text.count("\\end{tabular}") == 2
    assert "\\textbf{42.772}" in text
    assert "age\\_band & model & mae & r2 & rows \\\\" in text


def test_what_cannot_be_a_page_is_refused(lossctl: Lossctl, tmp_path: Path) -> None:
    saved = tmp_path / "saved.json"
    saved.write_text(package.evaluate(data(), target="y", pred="a").to_json())
    result = lossctl("report", saved, "-l", "mae", "-o", tmp_path / "p.html")
    assert result.code == 2
    assert "-l: a saved report is shown, for which data and losses are settled" in result.err
    for flag, value in (("--worst", "5"), ("--baseline", "a")):
        result = lossctl("report", saved, flag, value, "-o", tmp_path / "p.html")
        assert result.code == 2
        assert f"{flag}: a saved report is shown" in result.err
    lossctl("validate", *DIABETES, "-o", f"json:{saved}")
    result = lossctl("report", saved, "-o", tmp_path / "p.html")
    assert result.code == 3
    assert 'command is "validate", and one of eval, compare, check is needed' in result.err
    with pytest.raises(package.UsageError, match=r"ends in \.html"):
        package.report(data(), target="y", pred="a").save(tmp_path / "page.pdf")
