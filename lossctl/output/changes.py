"""Changes from one report to another: a table for people, Markdown, CSV, and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lossctl.output.checks import signed
from lossctl.output.render import csv_text, markdown_table
from lossctl.output.text import Style, inert_line, markdown, shown
from lossctl.results.changes import Change, Changes

HEADER: Final = ("model", "loss", "slice", "old", "new", "change", "became")
MOST_DIGITS: Final = 17


def render(changes: Changes, form: str, style: Style) -> str:
    """Return changes in one format."""
    match form:
        case "json":
            return changes.to_json()
        case "csv":
            return csv_text(changes.changes)
        case "md":
            return to_markdown(changes, style.digits)
    return to_table(changes, style)


def _texts(change: Change, digits: int) -> list[str]:
    while digits < MOST_DIGITS and change.old != change.new and shown(change.old, digits) == shown(change.new, digits):
        digits += 1
    chosen = ",".join(f"{column}={word}" for column, word in change.slice.items())
    became = f"{change.became}: {change.reason}" if change.reason else change.became
    numbers = [shown(change.old, digits), shown(change.new, digits), signed(change.change, change.share, digits)]
    return [change.model, change.loss, chosen, *numbers, became]


def to_markdown(changes: Changes, digits: int) -> str:
    """Return changes as a Markdown table, after what makes them hard to compare."""
    warnings = "".join(f"{markdown(text)}\n\n" for text in changes.warnings)
    rows = [[markdown(text) for text in _texts(change, digits)] for change in changes.changes]
    table = markdown_table(HEADER, rows, 3).replace("---: |\n", "--- |\n", 1)  # the last column is text
    return warnings + table


def to_table(changes: Changes, style: Style) -> str:
    """Return changes as a table; in a terminal too narrow for it, over several lines each."""
    from rich.text import Text

    from lossctl.output.table import natural_width, new_table, rendered

    sliced = any(change.slice for change in changes.changes)
    table = new_table(style, HEADER[: 2 + sliced], HEADER[3:6])
    table.add_column(Text(HEADER[-1]), no_wrap=True)
    lines = [_texts(change, style.digits) for change in changes.changes]
    colors = {"better": "green", "worse": "red"}
    for change, texts in zip(changes.changes, lines, strict=True):
        cells = [Text(inert_line(text)) for text in (texts if sliced else [*texts[:2], *texts[3:]])]
        if style.color:
            cells[-1].stylize(colors.get(change.became, ""))
        table.add_row(*cells)
    if style.width is None or natural_width(table, style) <= style.width:
        body = rendered(table, style)
    else:
        body = "".join(_long(texts) for texts in lines)
    text = f"old: {inert_line(changes.old.path)}\nnew: {inert_line(changes.new.path)}\n\n{body}"
    return text.encode("ascii", "backslashreplace").decode() if style.ascii else text


def _long(texts: Sequence[str]) -> str:
    model, loss, chosen, old, new, change, became = map(inert_line, texts)
    head = "  ".join(text for text in (model, loss, chosen) if text)
    return f"{head}\n  old {old}\n  new {new}\n  change {change}\n  {became}\n"
