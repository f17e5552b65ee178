"""Render: a report in any of the formats by name."""

from __future__ import annotations

from typing import Final

from lossctl.core.report import Evaluation
from lossctl.errors import UsageError, listed, near
from lossctl.output.style import Style

FORMATS: Final = ("table", "long", "csv", "json", "jsonl", "md", "value")
SUFFIXES: Final = {".json": "json", ".jsonl": "jsonl", ".csv": "csv", ".md": "md", ".txt": "table"}


def checked_format(name: str) -> str:
    """Return a format's name; raise UsageError for one that is none."""
    if name not in FORMATS:
        raise UsageError(f"unknown format {name!r}; one of {listed(list(FORMATS))}{near(name, list(FORMATS))}")
    return name


def destination(text: str) -> tuple[str, str]:
    """Split `[FMT:]PATH` into format and path; without a format, the path's ending tells."""
    name, colon, path = text.partition(":")
    if colon and name in FORMATS:
        if not path:
            raise UsageError(f"-o {text}: the path after the colon is empty")
        if path == "-":
            raise UsageError(f"-o {text}: -o writes files; standard output has the format of -f")
        return name, path
    for suffix, found in SUFFIXES.items():
        if text.lower().endswith(suffix):
            return found, text
    endings = ", ".join(SUFFIXES)
    raise UsageError(f"-o {text}: the format is not known by the name ({endings}); write FORMAT:PATH, as in json:out")


def render(report: Evaluation, form: str, command: str, style: Style) -> str:
    """Return a report as text in one format."""
    if form in ("json", "jsonl"):
        from lossctl.output import envelope

        return envelope.to_json(report, command) if form == "json" else envelope.to_jsonl(report)
    if form in ("table", "long"):
        from lossctl.output import table

        return table.wide(report, style) if form == "table" else table.long(report, style)
    from lossctl.output import delimited

    if form == "md":
        return delimited.to_markdown(report, style.digits)
    return delimited.to_csv(report) if form == "csv" else delimited.to_values(report)
