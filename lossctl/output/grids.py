"""Tables of a report before any markup, and their Markdown and LaTeX; those of HTML are made of them, too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final, NamedTuple

from lossctl.errors import printable
from lossctl.output.checks import HEADER, texts, worst_first
from lossctl.output.comparison import SIGN, comparison_parts, share_of_baseline
from lossctl.output.report import MISSING, by_model, missing_values, slicing_parts, worst_numbers, worst_parts
from lossctl.output.text import (
    Style,
    interval,
    level_text,
    markdown,
    markdown_table,
    more_slices,
    number,
    p_value,
    percent,
    signed_number,
)
from lossctl.results.report import Cell, Comparison, Report

BEST: Final = "best"


class Marked(NamedTuple):
    """A text that is set off, and as what: the best, or a verdict."""

    text: str
    mark: str


Text = str | Marked


@dataclass(frozen=True)
class Grid:
    """A table: columns of words, then of numbers, with the heads of both.

    slicing: the columns that tell its slices. more: what it does not show. judged: whether the last are
    verdicts.
    """

    words: Sequence[str]
    numbers: Sequence[str]
    lines: Sequence[tuple[Sequence[Text], Sequence[Text]]]
    title: str = ""
    slicing: tuple[str, ...] = ()
    more: str = ""
    judged: bool = False


def grids(report: Report, style: Style, intervals: bool = False) -> Iterator[Grid]:
    """Yield all tables of a report: values, differences, checks, and the rows where most is lost."""
    yield from values(report, style, intervals)
    yield from differences(report, style)
    if report.checks:
        yield checks(report, style)
    yield from worst(report, style)


def values(report: Report, style: Style, intervals: bool = False) -> Iterator[Grid]:
    """Yield models x losses, one table for all rows and for each slicing."""
    missing = missing_values(report)
    for columns, cells, hidden in slicing_parts(report, style):
        losses = list(dict.fromkeys(cell.loss for cell in cells))
        lines: list[tuple[Sequence[Text], Sequence[Text]]] = []
        for words, line in by_model(cells).items():
            by_loss = {cell.loss: cell for cell in line}
            counts = [str(line[0].rows)] if columns else missing.get(words, [])
            lines.append((words, [*(_value(by_loss.get(loss), style, intervals) for loss in losses), *counts]))
        heads = [*losses, *(["rows"] if columns else [MISSING] * bool(missing))]
        yield Grid([*columns, "model"], heads, lines, "", tuple(columns), more_slices(hidden))


def _value(cell: Cell | None, style: Style, intervals: bool) -> Text:
    if cell is None:
        return ""
    text = number(cell.value, style.digits)
    if intervals and cell.interval is not None:
        text += f" {interval(cell.interval, style.digits)}"
    return Marked(text, BEST) if cell.best else text


def differences(report: Report, style: Style) -> Iterator[Grid]:
    """Yield the comparisons, one table for all rows and for each slicing."""
    if report.study is None:
        return
    tested = [] if report.study.level is None else [f"{level_text(report.study.level)} interval", "p", "verdict"]
    for columns, rows, hidden in comparison_parts(report, style):
        lines = [_difference(row, style, bool(tested)) for row in rows]
        heads = ["baseline", "value", "difference", "%", *tested]
        yield Grid([*columns, "loss", "model", "against"], heads, lines, "", columns, more_slices(hidden), bool(tested))


def _difference(row: Comparison, style: Style, tested: bool) -> tuple[Sequence[Text], Sequence[Text]]:
    digits = style.digits
    numbers: list[Text] = [
        number(row.baseline_value, digits),
        number(row.value, digits),
        signed_number(row.difference, digits),
        percent(share_of_baseline(row)),
    ]
    if tested:
        verdict = Marked(SIGN[row.verdict], row.verdict)
        numbers += [interval(row.interval, digits), p_value(row.adjusted), verdict]
    return [*row.slice.values(), row.loss, row.candidate, row.baseline], numbers


def checks(report: Report, style: Style) -> Grid:
    """Return the rules and what came of them, the worst first; where they were judged stands beside them."""
    rows = texts(worst_first(report.checks), style.digits)
    lines = [((Marked(row[0], row[0]), row[1], row[-1]), row[2:-1]) for row in rows]
    return Grid([*HEADER[:2], HEADER[-1]], HEADER[2:-1], lines)


def worst(report: Report, style: Style) -> Iterator[Grid]:
    """Yield the rows where most is lost, for each loss and model, or couple of models."""
    for (loss, base, model), rows in worst_parts(report).items():
        columns = list(dict.fromkeys(name for row in rows for name in (*row.key, *row.slice)))
        roles = list(rows[0].roles)
        lines: list[tuple[Sequence[Text], Sequence[Text]]] = []
        for row in rows:
            words = {**row.slice, **row.key}
            texts = [str(row.row), *(words.get(name, "-") for name in columns)]
            lines.append((texts, worst_numbers(row, roles, style.digits)))
        rivals = [name for name in (base, model) if name is not None]
        heads = [*roles, *(f"{loss} of {name}" for name in rivals), *["difference"] * (len(rivals) > 1)]
        against = "" if base is None else f" against {base}"
        yield Grid(["row", *columns], heads, lines, f"{loss}: rows where {model} loses most{against}")


# Markdown -------------------------------------------------------------------------------------------------------------


def to_markdown(report: Report, style: Style) -> str:
    """Return models x losses, or comparisons, as Markdown; the best and verdicts are bold."""
    tables = differences(report, style) if report.study else values(report, style)
    return "\n".join(chain.from_iterable(map(_markdown_table, chain(tables, worst(report, style)))))


def _markdown_table(grid: Grid) -> Iterator[str]:
    if grid.title:
        yield f"{markdown(grid.title)}\n"
    lines = ([*(markdown(str(word)) for word in words), *map(_marked, numbers)] for words, numbers in grid.lines)
    heads = [*map(markdown, (*grid.words, *grid.numbers))]
    yield markdown_table(heads, lines, len(grid.words), len(heads) - grid.judged)
    if grid.more:
        yield f"{grid.more}\n"


def _marked(number: Text) -> str:
    """Set a number or verdict off in Markdown."""
    if isinstance(number, Marked):
        return "\\~" if number.mark == "undecided" else f"**{number.text}**"
    return number


# LaTeX, to be put into a paper ----------------------------------------------------------------------------------------

SPECIAL: Final = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
PLAIN: Final = ("undecided", "pass", "skipped")  # marks that are not set off


def to_latex(report: Report, style: Style) -> str:
    """Return the tables of a report, one below another, with the rules of the package booktabs; the best is bold."""
    return "% needs \\usepackage{booktabs} and \\usepackage[T1]{fontenc}\n" + "\n".join(
        _latex_table(grid) for grid in grids(report, style)
    )


def _latex_table(grid: Grid) -> str:
    heads = " & ".join(map(_latex, (*grid.words, *grid.numbers)))
    lines = [" & ".join(map(_latex, (*words, *numbers))) for words, numbers in grid.lines]
    rows = "".join(f"{line} \\\\\n" for line in lines)
    columns = "l" * len(grid.words) + "r" * (len(grid.numbers) - grid.judged) + "l" * grid.judged
    notes = "".join(f"% {printable(text)}\n" for text in (grid.title, grid.more) if text)
    return (
        f"{notes}\\begin{{tabular}}{{{columns}}}\n\\toprule\n{heads} \\\\\n\\midrule\n{rows}"
        "\\bottomrule\n\\end{tabular}\n"
    )


def _latex(text: Text) -> str:
    if isinstance(text, Marked):
        inner = _latex(text.text)
        return inner if text.mark in PLAIN else f"\\textbf{{{inner}}}"
    safe = "".join(SPECIAL.get(character, character) for character in printable(text))
    if safe[:1] in "+-" and safe[1:2].isdigit():
        safe = f"${safe[0]}${safe[1:]}"
    return f"{{{safe}}}" if safe.startswith("[") else safe  # after \\ it would be a length
