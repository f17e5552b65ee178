"""The tables of a report in Markdown and in LaTeX."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Final

from lossctl.errors import printable
from lossctl.output import checks
from lossctl.output.comparison import differences, notes
from lossctl.output.report import Grid, Marked, Text, reasons, slicing_parts, values, worst
from lossctl.output.text import Column, Style, markdown, markdown_table
from lossctl.results.report import Report


def to_markdown(report: Report, style: Style) -> str:
    """Return models x losses, or comparisons, as Markdown, and what explains them; the best and verdicts are bold."""
    tables = differences(report, style) if report.study else values(report, style)
    shown = chain.from_iterable(part.results for part in slicing_parts(report, style))
    words = notes(report, style) if report.study else reasons(shown)
    paragraphs = (markdown(text).replace("~", "\\~") + "\n" for text in words)
    return "\n".join(chain(chain.from_iterable(map(_markdown_table, chain(tables, worst(report, style)))), paragraphs))


def _markdown_table(grid: Grid) -> Iterator[str]:
    if grid.title:
        yield f"{markdown(grid.title)}\n"
    yield markdown_table(grid.columns, ([*map(_markdown, grid.columns, line)] for line in grid.lines))
    if grid.more:
        yield f"{grid.more}\n"


def _markdown(column: Column, text: Text) -> str:
    """Set the best and verdicts off, and escape words."""
    if isinstance(text, Marked):
        return "\\~" if text.mark == "undecided" else f"**{text.text}**"
    return text if column.right else markdown(text)


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
    judged = [checks.grid(report, style)] if report.checks else []
    grids = (*values(report, style), *differences(report, style), *judged, *worst(report, style))
    return "% needs \\usepackage{booktabs} and \\usepackage[T1]{fontenc}\n" + "\n".join(map(_latex_table, grids))


def _latex_table(grid: Grid) -> str:
    heads = " & ".join(_latex(column.name) for column in grid.columns)
    rows = "".join(f"{' & '.join(map(_latex, line))} \\\\\n" for line in grid.lines)
    columns = "".join("r" if column.right else "l" for column in grid.columns)
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
