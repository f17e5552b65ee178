"""Reports as text and in files, for Python: what the commands print and `-o` writes, and a saved one read back."""

from __future__ import annotations

import os
from collections.abc import Iterator

from lossctl.api.options import FIGURES, SUFFIXES
from lossctl.errors import UsageError, printable
from lossctl.io.atomic import check_writable, write_text
from lossctl.io.reports import read_report
from lossctl.output.text import Style
from lossctl.results.report import Report


def render(report: Report, form: str, style: Style) -> str | Iterator[str]:
    """Return a report as text, or its pieces where it may be too large for one."""
    if form == "json":
        return report.json_pieces()
    if form == "jsonl":
        return report.jsonl_pieces()
    if form == "html":
        from lossctl.output.html import to_html

        return to_html(report, style)
    if form == "latex" or (form == "md" and report.command != "check"):
        from lossctl.output import markup

        return markup.to_latex(report, style) if form == "latex" else markup.to_markdown(report, style)
    if report.command == "eval":
        from lossctl.output.report import pieces

        return pieces(report, form, style)
    if report.command == "compare":
        from lossctl.output import comparison

        return comparison.render(report, form, style)
    from lossctl.output import checks

    return checks.render(report, form, style)


def rendered(report: Report, form: str, digits: int = Style().digits) -> str:
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
