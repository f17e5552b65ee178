"""Render: a report in any of the formats by name."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from lossctl.output.records import comparison_record, flat, inert, record
from lossctl.output.text import Style, interval, markdown, percent, shown, signed
from lossctl.results.report import Comparison, Evaluation


def to_csv(report: Evaluation) -> str:
    """Return one line per cell at full precision; infinities and NaN are written as inf and nan."""
    return csv_text([flat(record(cell)) for cell in report.cells])


def comparisons_csv(report: Evaluation) -> str:
    """Return one line per comparison at full precision."""
    return csv_text([flat(comparison_record(found)) for found in report.comparisons])


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return records as CSV, a column for each of their keys."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(map(inert, columns))
    for row in rows:
        cells = (row.get(column, "") for column in columns)
        writer.writerow(inert(value) if isinstance(value, str) else value for value in cells)
    return file.getvalue()


def comparisons_markdown(report: Evaluation, digits: int) -> str:
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


def render(report: Evaluation, form: str, command: str, style: Style) -> str:
    """Return a report as text in one format."""
    if form in ("json", "jsonl"):
        from lossctl.output import envelope

        return envelope.to_json(report, command) if form == "json" else envelope.to_jsonl(report)
    if form in ("table", "long"):
        from lossctl.output import table

        return table.wide(report, style) if form == "table" else table.long(report, style)

    if form == "md":
        return to_markdown(report, style.digits)
    return to_csv(report) if form == "csv" else to_values(report)


def render_comparison(report: Evaluation, form: str, style: Style) -> str:
    """Return comparisons as text in one format."""
    if form in ("json", "jsonl"):
        return render(report, form, "compare", style)
    if form == "table":
        from lossctl.output.comparison import to_table

        return to_table(report, style)
    if form == "value":
        return "".join(f"{found.difference!r}\n" for found in report.comparisons)

    if form == "md":
        return comparisons_markdown(report, style.digits)
    return comparisons_csv(report)
