"""Tables for people: models x losses, or one line per value where that does not fit; no digit is ever cut."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lossctl.output.text import Style, inert_line, interval, level_text, shown
from lossctl.results.report import Cell, Report

UNBOUND = 10_000  # columns, for measuring a table's natural width
MARK = "*"
SHORT = 16  # characters to which a model's name is shortened where nothing else fits


def wide(report: Report, style: Style) -> str:
    """Print models x losses; in a terminal too narrow for that, one line per value."""
    return _fitted(report, style, [_wide_tables, *LONG])


def long(report: Report, style: Style) -> str:
    """Print one line per model, loss and slice, with standard error and interval."""
    return _fitted(report, style, LONG)


Maker = Callable[[Report, Style, Callable[[str], str]], list[Table]]


def _fitted(report: Report, style: Style, makers: Sequence[Maker]) -> str:
    """Take the first layout that fits the terminal; at the last resort shorten the models' names."""
    whole: Callable[[str], str] = inert_line
    for maker in makers:
        tables = maker(report, style, whole)
        if style.width is None or all(natural_width(table, style) <= style.width for table in tables):
            return _printed(report, style, tables, {})
    legend = {inert_line(model): shortened(inert_line(model)) for model in report.models}
    if len(set(legend.values())) < len(legend):  # two names must never become one
        legend = {full: full for full in legend}
    tables = makers[-1](report, style, lambda model: legend[inert_line(model)])
    return _printed(report, style, tables, {full: short for full, short in legend.items() if full != short})


def shortened(name: str) -> str:
    """Shorten a name in its middle, so that a path's both ends stay."""
    if len(name) <= SHORT:
        return name
    half = (SHORT - 3) // 2
    return f"{name[: SHORT - 3 - half]}...{name[-half:]}"


def _table(style: Style) -> Table:
    return Table(
        box=box.ASCII2 if style.ascii else box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        header_style="bold" if style.color else "",
    )


def new_table(style: Style, texts: Sequence[str], numbers: Sequence[str] = ()) -> Table:
    """Return an empty table with columns of text, then of numbers."""
    table = _table(style)
    for name in texts:
        _column(table, name)
    for name in numbers:
        _column(table, name, numeric=True)
    return table


def _column(table: Table, name: str, numeric: bool = False) -> None:
    table.add_column(Text(name), justify="right" if numeric else "left", no_wrap=True)


def _value(cell: Cell, style: Style) -> Text:
    """Show a value, the best one by a mark and, in colour, in green."""
    text = Text(shown(cell.value, style.digits) + (MARK if cell.best else " "))
    if style.color and cell.best:
        text.stylize("bold green")
    return text


def _wide_tables(report: Report, style: Style, name: Callable[[str], str]) -> list[Table]:
    made = []
    for columns, cells in report.slicings():
        table = _table(style)
        for column in columns:
            _column(table, inert_line(column))
        _column(table, "model")
        for label in report.losses:
            _column(table, inert_line(label) + " ", numeric=True)
        if columns:
            _column(table, "rows", numeric=True)
        lines: dict[tuple[str, ...], list[Cell]] = {}
        for cell in cells:
            lines.setdefault((*cell.slice.values(), cell.model), []).append(cell)
        for (*words, model), row in lines.items():
            texts = [Text(inert_line(word)) for word in words]
            rows = [Text(str(row[0].rows))] if columns else []
            table.add_row(*texts, Text(name(model)), *(_value(cell, style) for cell in row), *rows)
        made.append(table)
    return made


def _long_tables(report: Report, style: Style, name: Callable[[str], str], spread: bool, errors: bool) -> list[Table]:
    table = _table(style)
    slices = list(dict.fromkeys(column for cell in report.cells for column in cell.slice))
    for column in slices:
        _column(table, inert_line(column))
    _column(table, "loss")
    _column(table, "model")
    _column(table, "value ", numeric=True)
    if errors:
        _column(table, "std err", numeric=True)
    if spread:
        _column(table, f"{level_text(report.level or 0.0)} interval")
    _column(table, "rows", numeric=True)
    for cell in report.cells:
        texts = [Text(inert_line(cell.slice[column]) if column in cell.slice else "-") for column in slices]
        texts += [Text(inert_line(cell.loss)), Text(name(cell.model)), _value(cell, style)]
        if errors:
            texts.append(Text(shown(cell.stderr, style.digits)))
        if spread:
            texts.append(Text(interval(cell.interval, style.digits)))
        table.add_row(*texts, Text(str(cell.rows)))
    return [table]


LONG: tuple[Maker, ...] = (
    lambda report, style, name: _long_tables(report, style, name, report.level is not None, report.level is not None),
    lambda report, style, name: _long_tables(report, style, name, report.level is not None, False),
    lambda report, style, name: _long_tables(report, style, name, False, False),
)


def _console(style: Style, width: int) -> Console:
    return Console(
        file=io.StringIO(),
        width=width,
        height=100,
        force_terminal=style.color,
        color_system="standard" if style.color else None,
        no_color=not style.color,
        markup=False,
        emoji=False,
        highlight=False,
        legacy_windows=False,
    )


def natural_width(table: Table, style: Style) -> int:
    """Return the columns that a table takes where nothing is wrapped or cut."""
    console = _console(style, UNBOUND)
    return console.measure(table, options=console.options.update(width=UNBOUND)).maximum


def rendered(table: Table, style: Style, width: int | None = None) -> str:
    """Print a rich table at its natural width (or wrapped to `width`), without spaces at line ends."""
    natural = max(natural_width(table, style), 1)
    console = _console(style, min(natural, width) if width else natural)
    console.print(table)
    text = console.file.getvalue()  # type: ignore[attr-defined]  # the StringIO made above
    return "".join(line.rstrip() + "\n" for line in text.splitlines())


def _printed(report: Report, style: Style, tables: list[Table], legend: dict[str, str]) -> str:
    text = "\n".join([headline(report, style) + "\n", *(rendered(table, style) for table in tables)])
    notes = [f"{short} = {full}" for full, short in legend.items()]
    if any(cell.best for cell in report.cells):
        notes.append(f"{MARK} best model for the loss" + (" in its slice" if len(tables) > 1 else ""))
    notes += list(reasons(report))
    text += "".join(f"{note}\n" for note in ["", *notes]) if notes else ""
    return text.encode("ascii", "backslashreplace").decode() if style.ascii else text


def headline(report: Report, style: Style) -> str:
    """Say in one line what was evaluated."""
    first = report.inputs[0]
    pieces = [report.task.name] if report.task else []
    dropped = first.rows - first.used
    pieces.append(
        f"{first.used} row{'' if first.used == 1 else 's'}" + (f" used, {dropped} left out" if dropped else "")
    )
    if report.cells and report.cells[0].weight_sum is not None:
        pieces.append(f"weights sum to {shown(report.cells[0].weight_sum, style.digits)}")
    if report.reduction == "sum":
        pieces.append("sums over rows")
    return (", " if style.ascii else " · ").join(pieces)


def reasons(report: Report) -> Iterator[str]:
    """Say why a value is not a plain number."""
    for cell in report.cells:
        if cell.reason:
            place = "".join(f", {column} {word}" for column, word in cell.slice.items())
            yield inert_line(f"{cell.loss} of {cell.model}{place}: {cell.reason}")
