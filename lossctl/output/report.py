"""The report of `eval`: models x losses, or one line per value where that does not fit, and rows where most is lost."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

from lossctl.errors import listed
from lossctl.output.text import (
    Column,
    Style,
    Table,
    csv_pieces,
    datum,
    inert_line,
    interval,
    level_text,
    lines_of,
    more_slices,
    number,
    percent,
    plural,
    rows_used,
    signed_number,
    text_columns,
)
from lossctl.results.document import Slice
from lossctl.results.report import Cell, Report, lists_by, place_of

if TYPE_CHECKING:
    from lossctl.results.comparison import Comparison

MARK: Final = "*"
MOST_TABLES: Final = 3  # into which slices x losses are parted
SHORT: Final = 16  # characters to which a model's name is shortened where nothing else fits
BEST: Final = "best"


class MarkLook(NamedTuple):
    """How a mark looks: its sign on a page, for those who tell no colours apart, and its colour in a terminal."""

    sign: str = ""
    color: str = ""


LOOKS: Final[Mapping[str, MarkLook]] = {
    BEST: MarkLook("★", "bold green"),
    "better": MarkLook("▲", "bold green"),
    "worse": MarkLook("▼", "bold red"),
    "equivalent": MarkLook("=", "bold"),
    "undecided": MarkLook("~"),
    "pass": MarkLook("✔", "green"),
    "warn": MarkLook("!", "yellow"),
    "skipped": MarkLook("–"),
    "saved": MarkLook(),
    **dict.fromkeys(("fail", "undefined", "missing", "error"), MarkLook("✘", "bold red")),
    **dict.fromkeys(("insufficient", "inconclusive"), MarkLook("?", "yellow")),
}


class Marked(NamedTuple):
    """A text that is set off, and why: the best value, or a verdict."""

    text: str
    mark: str


Text = str | Marked


class Grid(NamedTuple):
    """A table before any markup. slicing: the columns that name its slices. more: a note on what is left out."""

    columns: Sequence[Column]
    lines: Sequence[Sequence[Text]]
    title: str = ""
    slicing: tuple[str, ...] = ()
    more: str = ""


def render(report: Report, form: str, style: Style) -> str | Iterator[str]:
    """Return a text, or the pieces of what programs read, which may not fit into memory."""
    match form:
        case "csv":  # infinities and NaN are written as inf and nan
            return csv_pieces(report.cells, report.examples(), strict=False)
        case "value":
            return (f"{cell.value!r}\n" for cell in report.cells)
        case _:
            return wide(report, style) if form == "table" else long(report, style)


Sliced = TypeVar("Sliced", Cell, "Comparison")


class SlicingPart(NamedTuple, Generic[Sliced]):
    """The results of one slicing for the slices that are shown, in order. hidden: how many slices are not."""

    columns: tuple[str, ...]
    results: list[Sliced]
    hidden: int


def shown_slices(
    slicings: Iterable[tuple[Sequence[str], list[Sliced]]], style: Style, rank: Callable[[list[Sliced]], Any]
) -> Iterator[SlicingPart[Sliced]]:
    """Yield the results of all rows, then of each slicing, sorted and cut. rank: the sort key of a slice's results."""
    for columns, results in slicings:
        if columns:
            slices = list(lists_by(lambda result: tuple(result.slice.values()), results).values())
            slices.sort(key=rank)
            top = slices[: style.top or None]
            yield SlicingPart(tuple(columns), list(chain.from_iterable(top)), len(slices) - len(top))
        else:
            yield SlicingPart((), results, 0)


def slicing_parts(report: Report, style: Style) -> list[SlicingPart[Cell]]:
    """Return the values of all rows and of each slicing, as sorted and cut by the style."""
    return [*shown_slices(report.slicings(), style, RANKS[style.sort or "slice"])]


Missing = Mapping[tuple[str, ...], list[str]]
MISSING: Final = "missing"


def missing_values(report: Report) -> Missing:
    """Return in how many rows each model's own value is missing, in a list of one text; nothing where none is."""
    if not any(source.missing for source in report.inputs):
        return {}
    return {
        (source.model,): [f"{source.missing} ({percent(source.missing / source.rows, sign=False)})"]
        for source in report.inputs
    }


def _merits(row: list[Cell]) -> list[float]:
    """Return the merits of all models by the first loss that have one."""
    return [cell.merit for cell in row if cell.loss == row[0].loss and not math.isnan(cell.value)]


RANKS: Final[Mapping[str, Callable[[list[Cell]], float]]] = {  # --sort -> what puts slices into order
    "slice": lambda row: 0.0,
    "rows": lambda row: -row[0].rows,
    "worst": lambda row: -max(_merits(row), default=-math.inf),
    "best": lambda row: min(_merits(row), default=math.inf),
}


def _by_model(cells: list[Cell]) -> dict[tuple[str, ...], list[Cell]]:
    """Return the cells of each line of models x losses, by the values of the slice and the model."""
    return lists_by(lambda cell: (*cell.slice.values(), cell.model), cells)


def values(report: Report, style: Style, intervals: bool = False) -> Iterator[Grid]:
    """Yield models x losses, one table for all rows and for each slicing."""
    missing = missing_values(report)
    for columns, cells, hidden in slicing_parts(report, style):
        losses = list(dict.fromkeys(cell.loss for cell in cells))
        lines: list[list[Text]] = []
        for words, line in _by_model(cells).items():
            by_loss = {cell.loss: _marked(cell, style, intervals) for cell in line}
            counts = [str(line[0].rows)] if columns else missing.get(words, [])
            lines.append([*words, *(by_loss.get(loss, "") for loss in losses), *counts])
        heads = [*losses, *(["rows"] if columns else [MISSING] * bool(missing))]
        yield Grid(text_columns([*columns, "model"], heads), lines, "", columns, more_slices(hidden))


def _marked(cell: Cell, style: Style, intervals: bool) -> Text:
    text = number(cell.value, style.digits)
    if intervals and cell.interval is not None:
        text += f" {interval(cell.interval, style.digits)}"
    return Marked(text, BEST) if cell.best else text


# in a terminal -------------------------------------------------------------------------------------------------------


def wide(report: Report, style: Style) -> str:
    """Print models x losses; in a terminal too narrow for that, slices in several tables, or one line per value."""
    parts = slicing_parts(report, style)
    tables = _wide_tables(report, parts, style)
    return long(report, style) if tables is None else _printed(report, parts, style, tables)


def long(report: Report, style: Style) -> str:
    """Print a line per model, loss and slice, with standard error and interval; long names of models are shortened."""
    parts = slicing_parts(report, style)
    names = {model: inert_line(model) for model in report.models}
    table = _long_table(report, parts, style, names)
    if table.fits:
        return _printed(report, parts, style, [table])
    legend = {name: shortened(name) for name in names.values()}
    if len(set(legend.values())) < len(legend):  # two names must never become one
        return _printed(report, parts, style, [table])
    table = _long_table(report, parts, style, {model: legend[name] for model, name in names.items()})
    return _printed(report, parts, style, [table], {name: short for name, short in legend.items() if name != short})


def shortened(name: str) -> str:
    """Shorten a name in its middle, so that a path's both ends stay."""
    if len(name) <= SHORT:
        return name
    half = (SHORT - 3) // 2
    return f"{name[: SHORT - 3 - half]}...{name[-half:]}"


def _wide_tables(report: Report, parts: list[SlicingPart[Cell]], style: Style) -> list[Table] | None:
    """Return models x losses; where there are slices, in several tables of some losses each if one is too wide.

    None where those are too wide as well.
    """
    tables: list[Table] = []
    losses = report.losses
    for part in parts:
        missing = {} if part.columns else missing_values(report)
        for count in range(1, (MOST_TABLES if len(parts) > 1 else 1) + 1):
            size = -(-len(losses) // count)
            starts = range(0, len(losses), size)
            pieces = [_wide_table(part, losses[at : at + size], at, style, missing) for at in starts]
            if all(table.fits for table in pieces):
                break
        else:
            return None
        tables += pieces
    return tables


def _wide_table(part: SlicingPart[Cell], losses: Sequence[str], start: int, style: Style, missing: Missing) -> Table:
    """Return models x losses that stand together from a place on among all. missing: of `missing_values`."""
    numbers = [f"{inert_line(loss)} " for loss in losses] + ["rows"] * bool(part.columns) + [MISSING] * bool(missing)
    heads = text_columns([*map(inert_line, part.columns), "model"], numbers)
    lines: list[list[str | tuple[str, str]]] = []
    for (*words, model), row in _by_model(part.results).items():
        values = (_value(cell, style) for cell in row[start : start + len(losses)])
        rows = [str(row[0].rows)] * bool(part.columns)
        lines.append([*map(inert_line, (*words, model)), *values, *rows, *missing.get((model,), [])])
    return Table(style, heads, lines, hidden=part.hidden)


def _long_table(report: Report, parts: list[SlicingPart[Cell]], style: Style, names: Mapping[str, str]) -> Table:
    """Return a table with a line per value, with errors and intervals if they fit. names: model -> its name here."""
    slicings = list(dict.fromkeys(chain.from_iterable(part.columns for part in parts)))
    heads = text_columns([*map(inert_line, slicings), "loss", "model"], ["value "])
    tested = report.level is not None
    if report.level is not None:
        heads += [Column("std err", True, rank=2), Column(f"{level_text(report.level)} interval", rank=1)]
    missing = missing_values(report)
    heads += text_columns((), ["rows", *[MISSING] * bool(missing)])
    table = Table(style, heads, hidden=sum(part.hidden for part in parts))
    for cell in chain.from_iterable(part.results for part in parts):
        words = [inert_line(cell.slice[column]) if column in cell.slice else "-" for column in slicings]
        numbers = [number(cell.stderr, style.digits), interval(cell.interval, style.digits)] * tested
        numbers += [str(cell.rows), *missing.get((cell.model,), [])]
        table.add(*words, inert_line(cell.loss), names[cell.model], _value(cell, style), *numbers)
    return table.narrow()


def _value(cell: Cell, style: Style) -> tuple[str, str]:
    """Show a value, the best one by a mark and, in colour, in green."""
    return number(cell.value, style.digits) + (MARK if cell.best else " "), LOOKS[BEST].color if cell.best else ""


def _printed(
    report: Report, parts: list[SlicingPart[Cell]], style: Style, tables: list[Table], legend: Mapping[str, str] = {}
) -> str:
    texts = [table.text() for table in tables] + [*worst_tables(report, style)] * bool(report.worst)
    text = "\n".join([headline(report, style) + "\n", *texts])
    cells, notes = [*chain.from_iterable(part.results for part in parts)], []
    if any(cell.best for cell in cells):
        notes.append(best_note(in_slices=any(part.columns for part in parts)))
    if any(cell.reason for cell in cells):
        notes += reasons(cells)
    lines = [f"{short} = {name}\n" for name, short in legend.items()] + [lines_of(note, style) for note in notes]
    return style.encode("".join([text, *["\n"] * bool(lines), *lines]))


# the rows where models lose most ------------------------------------------------------------------------------------


def worst(report: Report, style: Style) -> Iterator[Grid]:
    """Yield a table of the rows where most is lost, for each loss and model, or couple of models."""
    for (loss, base, model), rows in lists_by(
        lambda row: (row.loss, row.baseline, row.candidate), report.worst
    ).items():
        keys = {name for row in rows for name in row.key}
        words = dict.fromkeys(name for row in rows for name in (*row.key, *row.slice))
        roles = list(rows[0].roles)
        rivals = [name for name in (base, model) if name is not None]
        columns = [Column("row"), *(Column(name, rank=name not in keys) for name in words)]
        columns += text_columns((), roles, rank=2) + text_columns((), (f"{loss} of {name}" for name in rivals))
        lines = []
        for row in rows:
            texts = [str(row.row), *({**row.slice, **row.key}.get(name, "-") for name in words)]
            texts += [datum(row.roles[name], style.digits) for name in roles]
            if base is not None:
                texts.append(number(row.baseline_value, style.digits))
            texts.append(number(row.value, style.digits))
            lines.append([*texts, *[signed_number(row.difference, style.digits)] * (base is not None)])
        columns += [Column("difference", right=True)] * (base is not None)
        against = "" if base is None else f" against {base}"
        yield Grid(columns, lines, f"{loss}: rows where {model} loses most{against}")


def worst_tables(report: Report, style: Style) -> Iterator[str]:
    """Yield the tables of `worst` for a terminal; a narrow one leaves out roles first, then slices."""
    for grid in worst(report, style):
        first, *columns = (column._replace(name=inert_line(column.name)) for column in grid.columns)
        lines = (map(inert_line, map(str, line)) for line in grid.lines)
        yield f"{inert_line(grid.title)}\n{Table(style, [first._replace(right=True), *columns], lines).fitted()}"


# in words, for all tables and for HTML -------------------------------------------------------------------------------


def headline(report: Report, style: Style) -> str:
    """Say in one line what was evaluated."""
    first = report.inputs[0]
    pieces = [report.task.name] if report.task else []
    pieces.append(rows_used(first.used, first.rows - first.used))
    if report.units is not None:
        pieces.append(inert_line(f"{report.units.count} {plural(report.units.column, report.units.count)}"))
    cell = next(iter(report.cells), None)
    if cell is not None and cell.weight_sum is not None:
        pieces.append(f"weights sum to {number(cell.weight_sum, style.digits)}")
    if report.reduction == "sum":
        pieces.append("sums over rows")
    return style.dot.join(pieces)


def best_note(*, in_slices: bool) -> str:
    """Explain the mark."""
    return f"{MARK} best model for the loss" + (" in its slice" if in_slices else "")


FIGURE: Final = r"(?<=[ (\[])-?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?=[ ,;:)\]]|$)"  # in a reason
MOST_REASONS: Final = 12  # lines of them
Why = tuple[str, Slice, str]  # the loss and model, the slice, and the reason


def reasons(cells: Iterable[Cell]) -> Iterator[str]:
    """Say why values are no plain numbers."""
    return alike((f"{cell.loss} of {cell.model}", cell.slice, cell.reason) for cell in cells if cell.reason)


def alike(whys: Iterable[Why]) -> Iterator[str]:
    """Say once what holds of several losses, models and slices; where only figures differ, from which to which."""
    groups = list(lists_by(lambda why: re.sub(FIGURE, "0", why[2]), whys).values())
    for group in groups[:MOST_REASONS]:
        names = [f"{name}{place_of(slice_)}" for name, slice_, _ in group]
        yield inert_line(f"{listed(names, 4)}: {_ranges([reason for _, _, reason in group])}")
    if len(groups) > MOST_REASONS:
        yield f"... and {len(groups) - MOST_REASONS} more reasons; -f json has all"


def _ranges(reasons: Sequence[str]) -> str:
    """Write reasons that differ in figures alone as one, with the smallest and the largest of each."""
    columns = zip(*(re.findall(FIGURE, reason) for reason in reasons), strict=True)
    ends = iter([dict.fromkeys((min(column, key=float), max(column, key=float))) for column in columns])
    return re.sub(FIGURE, lambda _: " to ".join(next(ends)), reasons[0])
