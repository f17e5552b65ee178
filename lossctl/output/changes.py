"""The changes of `diff` in every format: a table for people, Markdown, CSV and JSON."""

from __future__ import annotations

from typing import Final

from lossctl.output.text import (
    Style,
    Table,
    change,
    csv_text,
    distinguishing,
    inert_line,
    markdown,
    markdown_table,
    number,
    slice_text,
    text_columns,
)
from lossctl.results.changes import Change, Changes

HEADER: Final = ("model", "loss", "slice", "old", "new", "change", "became")
COLORS: Final = {"better": "green", "worse": "red"}


def render(changes: Changes, form: str, style: Style) -> str:
    """Return changes as text in one format."""
    match form:
        case "json":
            return changes.to_json()
        case "csv":
            return csv_text(changes.changes)
        case "md":
            return to_markdown(changes, style.digits)
    return to_table(changes, style)


def _texts(entry: Change, digits: int) -> list[str]:
    """Return the texts of a change under `HEADER`."""
    digits = distinguishing(entry.old, [entry.new], digits)
    numbers = [number(entry.old, digits), number(entry.new, digits), change(entry.change, entry.share, digits)]
    became = f"{entry.became}: {entry.reason}" if entry.reason else entry.became
    return [entry.model, entry.loss, slice_text(entry.slice, ","), *numbers, became]


def to_markdown(changes: Changes, digits: int) -> str:
    """Return changes as a Markdown table, after what makes them hard to compare."""
    warnings = "".join(f"{markdown(text)}\n\n" for text in changes.warnings)
    rows = [[markdown(text) for text in _texts(entry, digits)] for entry in changes.changes]
    return warnings + markdown_table([*text_columns(HEADER[:3], HEADER[3:6]), *text_columns(HEADER[6:])], rows)


def to_table(changes: Changes, style: Style) -> str:
    """Return changes as a table; in a terminal too narrow for it, over several lines each."""
    count = 2 + any(entry.slice for entry in changes.changes)  # the columns that name a value; all but without slices
    table = Table(style, [*text_columns(HEADER[:count], HEADER[3:6]), *text_columns(HEADER[6:])])
    lines = [list(map(inert_line, _texts(entry, style.digits))) for entry in changes.changes]
    for entry, texts in zip(changes.changes, lines, strict=True):
        table.add(*texts[:count], *texts[3:6], (texts[6], COLORS.get(entry.became, "")))
    body = table.fitted(lambda: "".join(map(_list, lines)))
    return style.encode(f"old: {inert_line(changes.old.path)}\nnew: {inert_line(changes.new.path)}\n\n{body}")


def _list(texts: list[str]) -> str:
    """Write one change over several lines."""
    head = "  ".join(filter(None, texts[:3]))
    old, new, difference, became = texts[3:]
    return f"{head}\n  old {old}\n  new {new}\n  change {difference}\n  {became}\n"
