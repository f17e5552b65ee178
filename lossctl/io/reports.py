"""Saved reports: which files are any, and their contents read."""

from __future__ import annotations

import json
import sys
from typing import Final

from lossctl.errors import printable
from lossctl.files import failing, is_file, open_file, read_file, read_text, standard_input
from lossctl.results.document import BLANKS, BOM
from lossctl.results.report import Report, SavedReport, saved_report

SNIFFED: Final = 4096  # bytes in which the first that is no blank must stand
REPORT_KEYS: Final = (b'"schema_version"', b'"best_sets"')
INPUT_KEYS: Final = {"kind", "model", "path", "data", "used", "kept"}  # what `eval -f jsonl` begins with, no report


def is_report(path: str) -> bool:
    """Whether a file is to be read as a saved report: its name ends in .json, or it begins as JSON but JSON lines."""
    return path.lower().endswith(".json") or looks_like_report(path)


def looks_like_report(path: str) -> bool:
    """Whether a file begins as a saved report does, whatever its name."""
    if path == "-":
        return _begins_report(_peeked())
    with failing(printable(path)):
        if not is_file(path):  # to look into a pipe is to empty it
            return False
        with open_file(path) as file:
            return _begins_report(file.read(SNIFFED))


def read_report(path: str | Report, *, any_schema: bool = False) -> SavedReport:
    """Read a saved report; raise DataError for one that is damaged, of another tool or (unless allowed) schema.

    A report in memory is taken as it would be saved.
    """
    if isinstance(path, Report):
        return saved_report(path.to_json().encode(), "report")
    label = "standard input" if path == "-" else printable(path)
    with failing(label):
        content = read_text(standard_input()) if path == "-" else read_file(path)
    return saved_report(content, label, any_schema=any_schema)


def _peeked() -> bytes:
    """Return the first bytes of standard input, which stay to be read."""
    if sys.stdin is None or sys.stdin.isatty():
        return b""
    peek = getattr(sys.stdin.buffer, "peek", None)
    with failing("standard input"):
        return bytes(peek(SNIFFED)) if peek is not None else b""


def _begins_report(start: bytes) -> bool:
    """Whether a text begins with an object that is spread over lines, or has the keys of a report or its results."""
    text = start.removeprefix(BOM).lstrip(BLANKS)
    if not text.startswith(b"{"):
        return False
    line, end, _ = text.partition(b"\n")
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):  # the first line of several, or cut short here
        return bool(end) or any(key in line for key in REPORT_KEYS)
    return "schema_version" in record or record.keys() >= INPUT_KEYS
