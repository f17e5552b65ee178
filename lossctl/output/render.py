"""Render: a report in any of the formats by name."""

from __future__ import annotations

from lossctl.core.report import Evaluation
from lossctl.output.style import Style


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


def render_comparison(report: Evaluation, form: str, style: Style) -> str:
    """Return comparisons as text in one format."""
    if form in ("json", "jsonl"):
        return render(report, form, "compare", style)
    if form == "table":
        from lossctl.output.comparison import to_table

        return to_table(report, style)
    if form == "value":
        return "".join(f"{found.difference!r}\n" for found in report.comparisons)
    from lossctl.output import delimited

    if form == "md":
        return delimited.comparisons_markdown(report, style.digits)
    return delimited.comparisons_csv(report)
