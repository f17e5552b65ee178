"""CSV, Markdown and bare values of a report."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from lossctl.core.report import Evaluation
from lossctl.output.escape import markdown
from lossctl.output.numbers import shown
from lossctl.output.records import flat, inert, record


def to_csv(report: Evaluation) -> str:
    """Return one line per cell at full precision; infinities and NaN are written as inf and nan."""
    rows = [flat(record(cell)) for cell in report.cells]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(map(inert, columns))
    for row in rows:
        cells = (row.get(column, "") for column in columns)
        writer.writerow(inert(value) if isinstance(value, str) else value for value in cells)
    return file.getvalue()


def to_values(report: Evaluation) -> str:
    """Return the bare values, one per line, in the order of the cells."""
    return "".join(f"{cell.value!r}\n" for cell in report.cells)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]], right: int) -> str:
    """Return a Markdown table whose columns from number `right` on are aligned to the right."""
    rule = ["---:" if place >= right else "---" for place in range(len(header))]
    return "".join("| " + " | ".join(line) + " |\n" for line in [header, rule, *rows])


def to_markdown(report: Evaluation, digits: int) -> str:
    """Return models x losses as Markdown, one table for the whole and for each slicing; the best in bold."""
    tables = []
    for columns, cells in report.slicings():
        lines: dict[tuple[str, ...], list[str]] = {}
        for cell in cells:
            value = shown(cell.value, digits)
            line = lines.setdefault((*cell.slice.values(), cell.model), [])
            line.append(f"**{value}**" if cell.best else value)
        header = [markdown(name) for name in (*columns, "model", *report.losses)]
        rows = [[*map(markdown, words), *values] for words, values in lines.items()]
        tables.append(markdown_table(header, rows, len(columns) + 1))
    return "\n".join(tables)
