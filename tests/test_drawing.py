"""Tables of a terminal are drawn as rich draws them, at any size, and in seconds where there are very many rows."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from lossctl.output.text import Cell, Column, Style, Table

WORDS = ["", "a", "1.5 ", "1.5*", "-12.25", "naïve", "価格 円", "é", "Δ loss", "🙂", "two\nlines", "three\n\nlines "]
COLORS = ["", "green", "bold green", "bold red", "yellow", "bold"]


def drawn_by_rich(style: Style, columns: list[Column], rows: list[list[Cell]], width: int | None) -> str:
    """Return the same table, drawn by rich, without blanks at the ends of lines."""
    table = RichTable(
        box=box.ASCII2 if style.ascii else box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        header_style="bold" if style.color else "",
    )
    for place, (name, right, _) in enumerate(columns):
        no_wrap = place < len(columns) - 1
        table.add_column(Text(name), justify="right" if right else "left", no_wrap=no_wrap)
    for row in rows:
        texts = []
        for cell in row:
            words, color = (cell, "") if isinstance(cell, str) else cell
            texts.append(Text(words))
            texts[-1].stylize(color if style.color else "")
        table.add_row(*texts)
    console = Console(
        file=io.StringIO(),
        width=width or 10_000,
        force_terminal=style.color,
        color_system="standard" if style.color else None,
        no_color=not style.color,
        legacy_windows=False,
    )
    console.print(table)
    return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())  # type: ignore[attr-defined]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("color", [False, True])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_a_table_looks_as_rich_draws_it(seed: int, color: bool, ascii_only: bool) -> None:
    rng = np.random.default_rng(seed)
    style = Style(color=color, ascii=ascii_only)
    columns = [Column(f"{rng.choice(WORDS[:10])}x", bool(rng.integers(2))) for _ in range(rng.integers(1, 6))]
    rows: list[list[Cell]] = [
        [
            (str(rng.choice(WORDS)), str(rng.choice(COLORS))) if rng.integers(2) else str(rng.choice(WORDS))
            for _ in columns
        ]
        for _ in range(rng.integers(8))
    ]
    assert Table(style, columns, rows).text() == drawn_by_rich(style, columns, rows, None)


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_last_column_wraps_as_rich_wraps_it(width: int) -> None:
    style = Style(width=width)
    columns = [Column("loss"), Column("what it is")]
    text = "The mean of squared residuals, which weighs large ones most; a value of 0 is a perfect prediction. " * 2
    rows: list[list[Cell]] = [["mse", text.strip()], ["mean_absolute_error", "Short."]]
    assert Table(style, columns, rows).text(width) == drawn_by_rich(style, columns, rows, width)


def test_a_table_of_100000_rows_takes_seconds() -> None:
    begun = time.process_time()
    rows: list[list[Cell]] = [[f"slice {row}", ("1.25*", "green"), "10"] for row in range(100_000)]
    text = Table(Style(color=True), [Column("a"), Column("b", True), Column("c", True)], rows).text()
    assert text.count("\n") == 100_002
    assert time.process_time() - begun < 8.0
