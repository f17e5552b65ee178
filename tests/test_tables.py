"""Tables that one can read: what is never printed, lines as wide as the terminal, slices in order and in part."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lossctl as package
from lossctl.output import comparison as comparisons
from lossctl.output.report import Why, alike, worst_tables
from lossctl.output.text import Style, change, datum, p_value, percent, wrap
from tests.conftest import Lossctl

Write = Callable[[str, str | bytes], Path]

DIABETES = ("sample_data/diabetes.csv", "-t", "progression", "-p", "linear", "-p", "forest")


def on_terminal(*arguments: str, columns: int = 80, **environment: str) -> str:
    """Run lossctl with standard error on a terminal, and return what it wrote there."""
    control, terminal = pty.openpty()
    subprocess.run(["stty", "cols", str(columns)], stdin=terminal, check=True)
    cleared = {name: text for name, text in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    subprocess.run(
        [sys.executable, "-m", "lossctl", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=terminal,
        env={**cleared, "TERM": "xterm", **environment},
        check=False,
    )
    os.close(terminal)
    return os.read(control, 1 << 16).decode()


# what is never printed ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("p", "text"), [(0.0, "<1e-300"), (1e-310, "<1e-300"), (2e-23, "2.00e-23"), (None, "-")])
def test_a_p_value_is_never_0(p: float | None, text: str) -> None:
    assert p_value(p) == text


def test_a_comparison_with_p_that_underflows_says_less_than() -> None:
    y = np.zeros(1000)
    a = np.linspace(0.9, 1.1, 1000)
    report = package.compare({"y": y, "a": a, "b": 50.0 + 1.5 * a}, target="y", pred=["a", "b"], losses=["mae"])
    assert report.comparisons[0].p == 0.0
    text = comparisons.render(report, "table", Style())
    assert "<1e-300" in text
    assert "<1e-300" in "".join(report.render("md", Style()))


def test_markdown_says_why_as_a_table_does() -> None:
    data = {"y": [0, 1, 1, 0], "a": [0.0, 0.0, 1.0, 0.5], "b": [0.5] * 4, "g": list("xxyy")}
    options: dict[str, Any] = {"target": "y", "pred": ["a", "b"], "losses": ["bce"], "by": ["g"]}
    reason = "bce of a, bce of a (g x): +infinity: 1 row, the first at data: row 2"
    report = package.evaluate(data, **options)
    assert "".join(report.render("table", Style())).endswith(f"{reason}\n")
    assert "".join(report.render("md", Style())).endswith(f"|\n\n{reason}\n")
    compared = "".join(package.compare(data, **options).render("md", Style()))
    assert "\n\n\\~ no difference is shown at 95% (paired, iid rows; p of one comparison, not adjusted)\n" in compared
    assert compared.endswith("\nbce of b, bce of b (g x): the value of a is not finite\n")


def test_no_per_cent_where_the_baseline_is_near_0() -> None:
    rng = np.random.default_rng(7)
    y = rng.normal(size=400)
    a, b = y + rng.normal(size=400), y + rng.normal(size=400)
    a += np.mean(y - a)  # its bias is 0 but for rounding
    report = package.compare({"y": y, "a": a, "b": b}, target="y", pred=["a", "b"], losses=["mbe", "mse"])
    bias, square = report.comparisons
    assert comparisons.share_of_baseline(bias) is None
    assert comparisons.share_of_baseline(square) == square.relative
    assert percent(1e14) == "-"
    assert change(3.0, 1e14, 5) == "+3.000"


# lines ----------------------------------------------------------------------------------------------------------------


def test_notes_are_as_wide_as_the_terminal() -> None:
    report = package.compare("sample_data/diabetes.csv", target="progression", pred=["linear", "forest"], by="age_band")
    for width in (60, 80, 200):
        lines = comparisons.render(report, "table", Style(width=width)).splitlines()
        assert max(map(len, lines)) <= width
    assert " ".join(comparisons.render(report, "table", Style(width=60)).split()).endswith(
        " ".join(comparisons.render(report, "table", Style()).splitlines()[-1].split())
    )


def test_errors_and_warnings_have_a_colour_on_a_terminal_and_only_there() -> None:
    wrong = ("eval", "sample_data/diabetes.csv", "-t", "progresion", "-p", "linear")
    error = on_terminal(*wrong)
    assert error.startswith("lossctl: \x1b[1;31merror:\x1b[0m sample_data/diabetes.csv: there is no column")
    assert len(error.splitlines()) == 1  # its advice can be copied
    assert "\x1b" not in on_terminal(*wrong, NO_COLOR="1")
    assert "\x1b" not in on_terminal(*wrong, "--color", "never")
    piped = subprocess.run([sys.executable, "-m", "lossctl", *wrong], capture_output=True, check=False)
    assert b"\x1b" not in piped.stderr


def test_notes_on_standard_error_are_wrapped_on_a_terminal() -> None:
    notes = on_terminal("eval", "sample_data/diabetes.csv", "-t", "progression", "-p", "linear", columns=50)
    assert max(map(len, notes.splitlines())) <= 50
    assert "lossctl: task: regression" in notes


@pytest.mark.parametrize("width", range(8, 90))
def test_an_option_is_never_broken_from_what_it_is_told(width: int) -> None:
    note = "4907 slices: --top 20 --sort worst shows the worst, -f csv writes all, as with --by date:month"
    lines = wrap(note, width)
    for option in ("--top 20", "--sort worst", "-f csv", "--by date:month"):
        assert option in lines
    assert lines.replace("\n", " ") == note


# slices ---------------------------------------------------------------------------------------------------------------

GROUPS = ["x", "x", "x", "y", "y", "z", "none"]
SLICES = {
    "y": [0.0] * 7,
    "a": [1.0, 1.0, 1.0, 3.0, 3.0, 2.0, np.nan],
    "b": [0.5, 0.0, 0.0, 5.0, 5.0, 0.5, np.nan],
    "g": GROUPS,
}


def shown(report: package.Report, form: str = "table", **style: str | int) -> list[str]:
    """Return the slices of a table, line by line, and how many are said to be left out."""
    lines = "".join(report.render(form, Style(**style))).splitlines()  # type: ignore[arg-type]  # each of its own type
    words = [line.replace("|", " ").split() for line in lines]
    names = [line[0] for line in words if line and line[0] in GROUPS]
    return list(dict.fromkeys(names)) + [line for line in lines if line.startswith("...")]


@pytest.mark.parametrize("form", ["table", "long", "md"])
@pytest.mark.parametrize(
    ("sort", "expected"),
    [("slice", ["none", "x", "y", "z"]), ("rows", ["x", "y", "z", "none"]), ("worst", ["y", "z", "x", "none"])],
)
def test_slices_are_sorted_by_name_rows_or_the_first_loss(sort: str, expected: list[str], form: str) -> None:
    report = package.evaluate(SLICES, target="y", pred=["a", "b"], losses=["mae", "mse"], by="g", missing="drop")
    assert shown(report, form, sort=sort) == expected
    assert shown(report, form, sort=sort, top=2) == [*expected[:2], "... 2 more slices; --top 0 shows all"]
    assert shown(report, form, sort=sort, top=4) == expected


def test_the_best_slices_have_the_best_model_first() -> None:
    report = package.evaluate(SLICES, target="y", pred=["a", "b"], losses=["mae"], by="g", missing="drop")
    assert shown(report, sort="best") == ["x", "z", "y", "none"]
    score = package.evaluate(
        {**SLICES, "y": [0.0, 1, 2, 3, 4, 5, 6]}, target="y", pred="a", losses=["r2"], by="g", missing="drop"
    )
    assert shown(score, sort="worst")[0] == "y"


@pytest.mark.parametrize("form", ["table", "md"])
def test_differences_of_slices_are_sorted_the_worst_for_the_candidate_first(form: str) -> None:
    report = package.compare(SLICES, target="y", pred=["a", "b"], losses=["mae"], by="g", missing="drop")
    assert shown(report, form, sort="worst", top=1) == ["y", "... 3 more slices; --top 0 shows all"]
    assert shown(report, form, sort="best")[0] == "z"
    assert shown(report, form, sort="rows", top=3) == ["x", "y", "z", "... 1 more slice; --top 0 shows all"]
    assert shown(report, "table")[0] == "y"


def test_programs_get_all_slices_in_their_order(lossctl: Lossctl) -> None:
    arguments = ("eval", *DIABETES, "--by", "age_band")
    for form in ("json", "jsonl", "csv", "value"):
        few, every = (lossctl(*arguments, "-f", form, *more).out for more in (["--top", "1", "--sort", "worst"], []))
        timeless = (re.sub(r'"(created|seal)": "[^"]*"', "", text) for text in (few, every))
        assert next(timeless) == next(timeless)


def test_slices_of_many_losses_are_in_several_tables_where_one_is_too_wide() -> None:
    losses = ["mae", "mse", "rmse", "huber", "log_cosh", "max_error"]
    report = package.evaluate(SLICES, target="y", pred=["a", "b"], losses=losses, by="g", missing="drop")
    for width, tables in ((200, 1), (70, 2), (52, 3)):
        lines = "".join(report.render("table", Style(width=width))).splitlines()
        assert max(map(len, lines)) <= width
        heads = [line.split() for line in lines if line.split()[:2] == ["g", "model"]]
        assert [name for head in heads for name in head if name in losses] == losses
        assert len(heads) == tables


def test_very_many_slices_are_told(lossctl: Lossctl, write: Write) -> None:
    lines = "".join(f"{place},{place}.5,{place}\n" for place in range(1001))
    path = write("many.csv", f"y,p,g\n{lines}")
    arguments = ("eval", path, "-t", "y", "-p", "p", "-l", "mae", "--by", "g")
    note = "lossctl: 1001 slices: --top 20 --sort worst shows the worst of them, -f csv writes all for a program\n"
    assert note in lossctl(*arguments).err
    assert note not in lossctl(*arguments, "--top", "3").err
    assert note not in lossctl(*arguments, "-f", "csv").err
    assert note not in lossctl(*arguments, "-q").err


@pytest.mark.parametrize(("value", "text"), [(1.0, "1"), (-0.0, "0"), (0.5, "0.50000"), (1e12, "1.0000e+12")])
def test_a_label_or_count_of_the_data_has_no_decimals(value: float, text: str) -> None:
    assert datum(value, 5) == text
    report = package.evaluate({"y": [value, 0.0], "p": [3.0, 0.0]}, target="y", pred="p", losses="mae", worst=1)
    assert next(worst_tables(report, Style())).split()[-3] == datum(report.worst[0].roles["target"], 5)


# the tables of Markdown, HTML and LaTeX ------------------------------------------------------------------------------


def test_markdown_has_the_columns_of_a_page_and_the_worst_rows() -> None:
    worst = package.evaluate(SLICES, target="y", pred=["a", "b"], losses=["mae"], by="g", missing="drop", worst=1)
    lines = "".join(worst.render("md", Style())).splitlines()
    assert [line for line in lines if line.startswith(("| model", "| g |", "mae:", "| row"))] == [
        "| model | mae | missing |",
        "| g | model | mae | rows |",
        "mae: rows where a loses most",
        "| row | g | target | a | mae of a |",
        "mae: rows where b loses most",
        "| row | g | target | b | mae of b |",
    ]
    compared = package.compare(SLICES, target="y", pred=["a", "b"], losses=["mae"], missing="drop")
    head, rule = "".join(compared.render("md", Style())).splitlines()[:2]
    assert head == "| loss | model | against | baseline | value | difference | % | 95% interval | p | verdict |"
    assert rule == "|" + " --- |" * 3 + " ---: |" * 6 + " --- |"  # a verdict is a word
    assert "\\begin{tabular}{lllrrrrrrl}" in "".join(compared.render("latex", Style()))


# reasons --------------------------------------------------------------------------------------------------------------


MANY = {
    "y": np.tile([0.0, 1.0, 0.0, 0.0], 300) * np.repeat(np.arange(300) % 3 > 0, 4),
    "p": np.random.default_rng(1).random(1200),
    "q": np.random.default_rng(2).random(1200),
    "g": np.repeat([f"g{place}" for place in range(300)], 4),
}


def notes(report: package.Report, top: int = 0) -> list[str]:
    """Return the lines below the tables that say why something has no value or verdict."""
    lines = "".join(report.render("table", Style(top=top))).splitlines()
    return [line for line in lines if line.startswith(("f1 of", "mae of"))]


def test_what_holds_of_many_slices_is_said_once() -> None:
    report = package.evaluate(MANY, target="y", pred=["p", "q"], losses=["f1", "roc_auc"], by="g")
    (line,) = (line for line in notes(report) if line.startswith("f1 of"))
    assert re.fullmatch(r"(f1 of [pq] \(g g\d+\), ){4}\.\.\. \(\d+ in all\): no yes was observed, .*", line)


def test_reasons_that_differ_in_figures_are_one_with_their_range() -> None:
    report = package.compare(MANY, target="y", pred=["p", "q"], losses=["mae"], by="g")
    skewed = [line for line in notes(report) if "skewed" in line]
    assert len(skewed) == 1
    assert re.search(r"few of 4 rows decide \(skewness -[\d.]+ to [\d.]+\), and with", skewed[0])


def test_reasons_are_those_of_the_slices_that_are_shown() -> None:
    report = package.compare(MANY, target="y", pred=["p", "q"], losses=["f1"], by="g")
    few = [line for line in notes(report, top=2) if " of q" in line]
    assert few
    assert all(line.count(" of q") <= 2 for line in few)
    assert any("in all" in line for line in notes(report))


def test_a_figure_that_is_no_number_of_its_own_stays() -> None:
    whys: list[Why] = [("f1 of m", {}, f"row {row} of a-2.csv: zero_division=0 counts it as 0") for row in (3, 12)]
    assert list(alike(whys)) == ["f1 of m, f1 of m: row 3 to 12 of a-2.csv: zero_division=0 counts it as 0"]


def test_each_name_in_a_list_has_its_own_slice() -> None:
    whys: list[Why] = [("f1 of m", {}, "why"), ("f1 of n", {"g": "a"}, "why"), ("r2 of m", {"g": "a", "h": "b"}, "why")]
    assert list(alike(whys)) == ["f1 of m, f1 of n (g a), r2 of m (g a, h b): why"]
