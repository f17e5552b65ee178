"""Tables that one can read: what is never printed, lines as wide as the terminal, slices in order and in part."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import numpy as np
import pytest

import lossctl as package
from lossctl.output import comparison as comparisons
from lossctl.output.text import Style, change, p_value, percent

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
    assert "<1e-300" in comparisons.render(report, "md", Style())


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
