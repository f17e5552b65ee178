"""Render: a report in any of the formats by name."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from lossctl.errors import printable
from lossctl.output.text import Style, interval, markdown, percent, shown, signed
from lossctl.results.document import flat
from lossctl.results.report import Comparison, Report

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def csv_text(results: Iterable[object], *, strict: bool = True) -> str:
    """Return one line per result at full precision, a column for each of their keys.

    strict: numbers that are not finite are left out; otherwise they are written as inf and nan.
    """
    lines = [flat(result, strict=strict) for result in results]
    columns = list(dict.fromkeys(key for line in lines for key in line))
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(map(inert, columns))
    for line in lines:
        cells = (line.get(column, "") for column in columns)
        writer.writerow(inert(value) if isinstance(value, str) else value for value in cells)
    return file.getvalue()


def inert(text: str) -> str:
    """Keep a spreadsheet from taking text of the data for a formula, and a terminal from obeying it."""
    return printable("'" + text if text.startswith(FORMULA_STARTS) else text)


def comparisons_markdown(report: Report, digits: int) -> str:
    """Return comparisons as Markdown, one table for the whole and for each slicing."""
    slicings: dict[tuple[str, ...], list[Comparison]] = {}
    for found in report.comparisons:
        slicings.setdefault(tuple(found.slice), []).append(found)
    tables = []
    for columns, rows in slicings.items():
        texts = [*columns, "loss", "model", "against"]
        numbers = ["value", "difference", "%", "interval", "p", "verdict"]
        lines = [
            [
                *map(markdown, (*found.slice.values(), found.loss, found.candidate, found.baseline)),
                shown(found.value, digits),
                signed(found.difference, digits),
                percent(found.relative),
                interval(found.interval, digits),
                shown(found.adjusted, 3),
                "\\~" if found.verdict == "undecided" else f"**{found.verdict}**",
            ]
            for found in rows
        ]
        tables.append(markdown_table([*map(markdown, texts), *numbers], lines, len(texts)))
    return "\n".join(tables)


def to_values(report: Report) -> str:
    """Return the bare values, one per line, in the order of the cells."""
    return "".join(f"{cell.value!r}\n" for cell in report.cells)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]], right: int) -> str:
    """Return a Markdown table whose columns from number `right` on are aligned to the right."""
    rule = ["---:" if place >= right else "---" for place in range(len(header))]
    return "".join("| " + " | ".join(line) + " |\n" for line in [header, rule, *rows])


def to_markdown(report: Report, digits: int) -> str:
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


def render(report: Report, form: str, style: Style) -> str:
    """Return a report as text in one format."""
    if form in ("json", "jsonl"):
        return report.to_json() if form == "json" else report.to_jsonl()
    if form in ("table", "long"):
        from lossctl.output import table

        return table.wide(report, style) if form == "table" else table.long(report, style)

    if form == "md":
        return to_markdown(report, style.digits)
    return csv_text(report.cells, strict=False) if form == "csv" else to_values(report)


def render_comparison(report: Report, form: str, style: Style) -> str:
    """Return comparisons as text in one format."""
    if form in ("json", "jsonl"):
        return render(report, form, style)
    if form == "table":
        from lossctl.output.comparison import to_table

        return to_table(report, style)
    if form == "value":
        return "".join(f"{found.difference!r}\n" for found in report.comparisons)

    if form == "md":
        return comparisons_markdown(report, style.digits)
    return csv_text(report.comparisons)
