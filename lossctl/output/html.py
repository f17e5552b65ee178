"""HTML of a report for notebooks: tables that need nothing else, with the numbers that the terminal shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from lossctl.errors import printable
from lossctl.output.checks import counts, explains, figures, several, where, word, worst_first
from lossctl.output.comparison import P_DIGITS, sentences
from lossctl.output.table import MARK, headline, reasons
from lossctl.output.text import Style, interval, level_text, percent, shown, signed
from lossctl.results.report import Cell, Comparison, Report

QUIET: Final = "tex2jax_ignore mathjax_ignore"  # notebooks would take dollar signs in names for mathematics
PLAIN: Final = Style()
LEFT, RIGHT = ' style="text-align: left"', ' style="text-align: right"'
CHECKED: Final = ("value", "limit", "baseline", "change", "n")


def to_html(report: Report, style: Style = PLAIN) -> str:
    """Return a report as one HTML element: what was asked, every value, and what a comparison or a check came to."""
    pieces = [_paragraph(headline(report, style)), *_cells(report, style)]
    if any(cell.best for cell in report.cells):
        pieces.append(_paragraph(f"{MARK} best model for the loss" + _slices(report)))
    pieces += [_paragraph(reason) for reason in reasons(report)]
    if report.study is not None:
        pieces += [*_comparisons(report, style), *map(_paragraph, sentences(report))]
    if report.verdict is not None:
        pieces.append(_paragraph(f"check: {word(report).upper()}, {counts(report.checks)}"))
    if report.checks:
        pieces.append(_checks(report, style))
    pieces += [_paragraph(f"warning: {text}") for text in report.warnings]
    return f'<div class="lossctl {QUIET}">\n{"".join(pieces)}</div>\n'


def _text(text: str) -> str:
    return escape(printable(text))


def _paragraph(text: str) -> str:
    return f"<p>{_text(text)}</p>\n"


def _table(texts: Sequence[str], numbers: Sequence[str], rows: Sequence[tuple[Sequence[str], Sequence[str]]]) -> str:
    """Return a table with columns of text, then of numbers; nothing given is HTML yet."""

    def line(tag: str, left: Sequence[str], right: Sequence[str]) -> str:
        cells = [(text, LEFT) for text in left] + [(text, RIGHT) for text in right]
        return "<tr>" + "".join(f"<{tag}{side}>{_text(text)}</{tag}>" for text, side in cells) + "</tr>\n"

    body = "".join(line("td", *row) for row in rows)
    return f"<table>\n<thead>\n{line('th', texts, numbers)}</thead>\n<tbody>\n{body}</tbody>\n</table>\n"


def _cells(report: Report, style: Style) -> Iterator[str]:
    """Yield models x losses, one table for the whole and for each slicing."""
    for columns, cells in report.slicings():
        losses = list(dict.fromkeys(cell.loss for cell in cells))
        lines: dict[tuple[str, ...], dict[str, Cell]] = {}
        for cell in cells:
            lines.setdefault((*cell.slice.values(), cell.model), {})[cell.loss] = cell
        rows = []
        for words, row in lines.items():
            values = [_value(row.get(loss), style) for loss in losses]
            rows.append((words, [*values, *([str(next(iter(row.values())).rows)] if columns else [])]))
        yield _table([*columns, "model"], [*losses, *(["rows"] if columns else [])], rows)


def _value(cell: Cell | None, style: Style) -> str:
    return "" if cell is None else shown(cell.value, style.digits) + (MARK if cell.best else "")


def _slices(report: Report) -> str:
    return " in its slice" if len(report.slicings()) > 1 else ""


def _comparisons(report: Report, style: Style) -> Iterator[str]:
    """Yield the comparisons, one table for the whole and for each slicing."""
    slicings: dict[tuple[str, ...], list[Comparison]] = {}
    for found in report.comparisons:
        slicings.setdefault(tuple(found.slice), []).append(found)
    level = report.study.level if report.study is not None else None
    tested = [] if level is None else [f"{level_text(level)} interval", "p", "verdict"]
    for columns, compared in slicings.items():
        rows = []
        for found in compared:
            numbers = [
                shown(found.baseline_value, style.digits),
                shown(found.value, style.digits),
                signed(found.difference, style.digits),
                percent(found.relative),
            ]
            if tested:
                numbers += [interval(found.interval, style.digits), shown(found.adjusted, P_DIGITS), found.verdict]
            rows.append(([*found.slice.values(), found.loss, found.candidate, found.baseline], numbers))
        texts = [*columns, "loss", "model", "against"]
        yield _table(texts, ["baseline", "value", "difference", "%", *tested], rows)


def _checks(report: Report, style: Style) -> str:
    """Return the checks, the worst first."""
    many = several(report.checks)
    rows = []
    for check in worst_first(report.checks):
        place = where(check, many)
        said = "; ".join(text for text in (place, check.message if explains(check) else "") if text)
        rows.append(([check.status, check.rule, said], [*figures(check, style.digits), str(check.rows)]))
    return _table(["status", "rule", "where"], CHECKED, rows)
