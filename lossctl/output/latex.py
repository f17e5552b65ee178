"""LaTeX of a report: its tables, to be put into a paper."""

from __future__ import annotations

from typing import Final

from lossctl.errors import printable
from lossctl.output.grids import Grid, Marked, Text, grids
from lossctl.output.text import Style
from lossctl.results.report import Report

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
        _table(grid) for grid in grids(report, style)
    )


def _table(grid: Grid) -> str:
    heads = " & ".join(map(_text, (*grid.words, *grid.numbers)))
    lines = [" & ".join(map(_text, (*words, *numbers))) for words, numbers in grid.lines]
    rows = "".join(f"{line} \\\\\n" for line in lines)
    columns = "l" * len(grid.words) + "r" * len(grid.numbers)
    notes = "".join(f"% {printable(text)}\n" for text in (grid.title, grid.more) if text)
    return (
        f"{notes}\\begin{{tabular}}{{{columns}}}\n\\toprule\n{heads} \\\\\n\\midrule\n{rows}"
        "\\bottomrule\n\\end{tabular}\n"
    )


def _text(text: Text) -> str:
    if isinstance(text, Marked):
        inner = _text(text.text)
        return inner if text.mark in PLAIN else f"\\textbf{{{inner}}}"
    safe = "".join(SPECIAL.get(character, character) for character in printable(text))
    if safe[:1] in "+-" and safe[1:2].isdigit():
        safe = f"${safe[0]}${safe[1:]}"
    return f"{{{safe}}}" if safe.startswith("[") else safe  # after \\ it would be a length
