"""A report in any format of its command."""

from __future__ import annotations

from collections.abc import Iterator

from lossctl.output.text import Style
from lossctl.results.report import Report


def render(report: Report, form: str, style: Style) -> str | Iterator[str]:
    """Return a report as text, or its pieces where it may be too large for one."""
    if form == "html":
        from lossctl.output.html import to_html

        return to_html(report, style)
    if form == "latex":
        from lossctl.output.latex import to_latex

        return to_latex(report, style)
    if report.command == "eval":
        from lossctl.output.report import pieces

        return pieces(report, form, style)
    if report.command == "compare":
        from lossctl.output import comparison

        return comparison.render(report, form, style)
    from lossctl.output import checks

    return checks.render(report, form, style)
