"""HTML of a report for notebooks: tables that need nothing else, with the numbers that the terminal shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from lossctl.errors import printable
from lossctl.output.checks import HEADER, counts, texts, verdict, worst_first
from lossctl.output.comparison import by_slicing, sentences, share_of_baseline
from lossctl.output.report import MARK, best_note, by_model, headline, reasons
from lossctl.output.text import Style, interval, level_text, number, p_value, percent, signed_number
from lossctl.results.report import Cell, Report

QUIET: Final = "tex2jax_ignore mathjax_ignore"  # notebooks would take dollar signs in names for mathematics
STYLE: Final = Style()
LEFT, RIGHT = ' style="text-align: left"', ' style="text-align: right"'


def to_html(report: Report) -> str:
    """Return a report as one HTML element: the question, every value, and what a comparison or a check came to."""
    pieces = [_paragraph(headline(report, STYLE)), *_cells(report)]
    if any(cell.best for cell in report.cells):
        pieces.append(_paragraph(best_note(in_slices=len(report.slicings()) > 1)))
    pieces += map(_paragraph, reasons(report.cells))
    if report.study is not None:
        pieces += [*_comparisons(report, report.study.level), *map(_paragraph, sentences(report))]
    if report.verdict is not None:
        pieces.append(_paragraph(f"check: {verdict(report).upper()}, {counts(report.checks)}"))
    if report.checks:
        rows = [((*row[:2], row[-1]), row[2:-1]) for row in texts(worst_first(report.checks), STYLE.digits)]
        pieces.append(_table([*HEADER[:2], HEADER[-1]], HEADER[2:-1], rows))
    pieces += [_paragraph(f"warning: {text}") for text in report.warnings]
    return f'<div class="lossctl {QUIET}">\n{"".join(pieces)}</div>\n'


def _text(text: str) -> str:
    return escape(printable(text))


def _paragraph(text: str) -> str:
    return f"<p>{_text(text)}</p>\n"


def _table(names: Sequence[str], numbers: Sequence[str], rows: Sequence[tuple[Sequence[str], Sequence[str]]]) -> str:
    """Return a table with columns of text, then of numbers; the arguments are no HTML yet."""

    def line(tag: str, words: Sequence[str], numerals: Sequence[str]) -> str:
        cells = [(text, LEFT) for text in words] + [(text, RIGHT) for text in numerals]
        return "<tr>" + "".join(f"<{tag}{side}>{_text(text)}</{tag}>" for text, side in cells) + "</tr>\n"

    body = "".join(line("td", *row) for row in rows)
    return f"<table>\n<thead>\n{line('th', names, numbers)}</thead>\n<tbody>\n{body}</tbody>\n</table>\n"


def _cells(report: Report) -> Iterator[str]:
    """Yield models x losses, one table for all rows and for each slicing."""
    for columns, cells in report.slicings():
        losses = list(dict.fromkeys(cell.loss for cell in cells))
        rows = []
        for words, line in by_model(cells).items():
            by_loss = {cell.loss: cell for cell in line}
            counted = [str(line[0].rows)] if columns else []
            rows.append((words, [*(_value(by_loss.get(loss)) for loss in losses), *counted]))
        yield _table([*columns, "model"], [*losses, *(["rows"] if columns else [])], rows)


def _value(cell: Cell | None) -> str:
    return "" if cell is None else number(cell.value, STYLE.digits) + MARK * cell.best


def _comparisons(report: Report, level: float | None) -> Iterator[str]:
    """Yield the comparisons, one table for all rows and for each slicing."""
    digits = STYLE.digits
    tested = [] if level is None else [f"{level_text(level)} interval", "p", "verdict"]
    for columns, comparisons in by_slicing(report.comparisons).items():
        rows = []
        for row in comparisons:
            numbers = [
                number(row.baseline_value, digits),
                number(row.value, digits),
                signed_number(row.difference, digits),
                percent(share_of_baseline(row)),
            ]
            if tested:
                numbers += [interval(row.interval, digits), p_value(row.adjusted), row.verdict]
            rows.append(([*row.slice.values(), row.loss, row.candidate, row.baseline], numbers))
        yield _table([*columns, "loss", "model", "against"], ["baseline", "value", "difference", "%", *tested], rows)
