"""Reports as text and in files, for Python: what the commands print and `-o` writes, and a saved one read back."""

from __future__ import annotations

import os

from lossctl.api.options import FIGURES, SUFFIXES
from lossctl.errors import UsageError, printable
from lossctl.io.atomic import check_writable, write_text
from lossctl.io.reports import read_report
from lossctl.output.render import render
from lossctl.output.text import Style
from lossctl.results.report import Report


def rendered(report: Report, form: str, digits: int = Style.digits) -> str:
    """Return a report in one format of its command."""
    return "".join(render(report, form, Style(digits=digits)))


def save(report: Report, path: str | os.PathLike[str]) -> None:
    """Write a report to a file, in the format that the suffix tells."""
    name = os.fspath(path)
    others = {*FIGURES, *([] if report.command == "check" else ["junit"])} - {"html"}
    endings = {suffix: form for suffix, form in SUFFIXES.items() if form not in others}
    suffix = next((suffix for suffix in endings if name.lower().endswith(suffix)), None)
    if suffix is None:
        raise UsageError(
            f"save {printable(name)}: the format is not known by the name ({', '.join(endings)}); "
            "for others there is to_frame()"
        )
    check_writable(name, ())
    write_text(name, rendered(report, endings[suffix]))


def load(path: str | os.PathLike[str]) -> Report:
    """Read a report that was saved as JSON, with all that it says."""
    return read_report(os.fspath(path)).restored()
