"""GitHub workflow commands: the worst checks as annotations, then the verdict."""

from __future__ import annotations

from typing import Final

from lossctl.core.report import Check, Evaluation
from lossctl.output.escape import command_data, command_property
from lossctl.output.verdicts import counts, sides, word, worst_first

MOST: Final = 10  # annotations of a step that are shown


def to_github(report: Evaluation, baseline: str | None) -> str:
    """Return at most ten annotations, worst first, and a notice with the verdict."""
    open_ = [check for check in worst_first(report.checks) if check.status not in ("pass", "skipped")]
    lines = [_annotation(check) for check in open_[:MOST]]
    left = f"; {len(open_) - MOST} more are not shown here" if len(open_) > MOST else ""
    verdict = f"{word(report)}: {counts(report.checks)} ({sides(report, baseline)}){left}"
    return "".join(f"{line}\n" for line in [*lines, f"::notice title=lossctl check::{command_data(verdict)}"])


def _annotation(check: Check) -> str:
    kind = "error" if check.status in ("fail", "undefined", "missing") else "warning"
    title = f"lossctl check: {check.id} {check.status}"
    return (
        f"::{kind} title={command_property(title)}::{command_data(f'{check.rule}: {check.message} (n {check.rows})')}"
    )
