"""Checks in every format: a table for people, Markdown for job summaries, lines for machines."""

from __future__ import annotations

import csv
import io
import re
import textwrap
from collections.abc import Sequence
from typing import Any, Final

from lossctl.core.report import Check, Evaluation
from lossctl.output.delimited import markdown_table
from lossctl.output.escape import inert_line, markdown
from lossctl.output.records import check_record, flat, inert
from lossctl.output.style import Style
from lossctl.output.verdicts import counts, explains, figures, several, sides, where, word, worst_first

COLORS: Final = {
    "pass": "green",
    "fail": "bold red",
    "undefined": "bold red",
    "missing": "bold red",
    "warn": "yellow",
    "insufficient": "yellow",
    "inconclusive": "yellow",
}
SUMMARY_BYTES: Final = 1 << 20  # a job summary that is larger is refused as a whole
RESERVE: Final = 200  # bytes for the line that says what was left out
HEADER: Final = ("status", "rule", "value", "limit", "baseline", "change", "n", "where")


def render(report: Evaluation, form: str, style: Style, baseline: str | None) -> str:
    """Return a check in one format; `baseline` names what it was held against."""
    match form:
        case "json" | "jsonl":
            from lossctl.output import envelope

            return envelope.to_json(report, "check") if form == "json" else envelope.to_jsonl(report)
        case "junit":
            from lossctl.output.junit import to_junit

            return to_junit(report)
        case "github":
            from lossctl.output.github import to_github

            return to_github(report, baseline)
        case "csv":
            return to_csv(report.checks)
        case "md":
            return to_markdown(report, style.digits, baseline)
        case "value":
            return word(report) + "\n"
    return to_table(report, style, baseline)


def to_csv(checks: Sequence[Check]) -> str:
    """Return one line per check at full precision."""
    rows = [flat(check_record(check)) for check in checks]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(map(inert, columns))
    for row in rows:
        cells: list[Any] = [row.get(column, "") for column in columns]
        writer.writerow(inert(value) if isinstance(value, str) else value for value in cells)
    return file.getvalue()


def to_markdown(report: Evaluation, digits: int, baseline: str | None, most: int = SUMMARY_BYTES) -> str:
    """Return the verdict and the checks as Markdown of at most so many bytes; rows beyond them are counted."""
    title = (
        f"**lossctl check: {word(report).upper()}** {counts(report.checks)} ({markdown(sides(report, baseline))})\n\n"
    )
    commands = "".join(f"{_label(text)}: {_code(text)}\n\n" for text in report.advice)
    commands = commands if len(commands.encode()) < most // 4 else ""
    many = several(report.checks)
    ordered = worst_first(report.checks)
    lines = [_markdown_row(check, digits, many) for check in ordered]
    head, rule = markdown_table(HEADER, [], 2).splitlines(keepends=True)
    room = most - RESERVE - len((title + commands + head + rule).encode())
    shown: list[str] = []
    for line in lines:
        room -= len(line.encode())
        if room < 0:
            break
        shown.append(line)
    table = head + rule + "".join(shown) + "\n" if lines else ""
    left = len(lines) - len(shown)
    cut = f"{left} more of {len(lines)} checks are left out here.\n\n" if left else ""
    text = (title + table + cut + commands).rstrip("\n") + "\n"
    return (
        text if len(text.encode()) <= most else f"**lossctl check: {word(report).upper()}** {counts(report.checks)}\n"
    )


def _markdown_row(check: Check, digits: int, many: bool) -> str:
    texts = [check.status, check.rule, *figures(check, digits), str(check.rows), where(check, many)]
    if explains(check):
        texts[-1] = "; ".join(text for text in (texts[-1], check.message) if text)
    row = [markdown(text) for text in texts]
    if check.status in ("fail", "undefined", "missing"):
        row[0] = f"**{row[0]}**"
    return markdown_table(HEADER, [row], 2).splitlines(keepends=True)[2]


def _code(text: str) -> str:
    """Return a text as Markdown code, whatever backticks it holds."""
    safe = inert_line(text)
    fence = "`" * (max(map(len, re.findall("`+", safe)), default=0) + 1)
    return f"{fence} {safe} {fence}" if len(fence) > 1 else f"`{safe}`"


def _label(text: str) -> str:
    """Say what a command of the advice is for."""
    return "accept" if " --save-baseline " in text else "next"


def to_table(report: Evaluation, style: Style, baseline: str | None) -> str:
    """Return the verdict, all checks with the worst first, and what to type next; no number is ever cut."""
    from rich.text import Text

    from lossctl.output.table import natural_width, new_table, rendered

    headline = f"lossctl check: {word(report).upper()}  {counts(report.checks)}  ({sides(report, baseline)})"
    ordered, many = worst_first(report.checks), several(report.checks)
    body = ""
    if ordered:
        table = new_table(style, HEADER[:2], HEADER[2:-1])
        table.add_column(Text(HEADER[-1]), no_wrap=True)
        for check in ordered:
            place = where(check, many)
            note = "; ".join(text for text in (place, check.message if explains(check) else "") if text)
            texts = [check.status, check.rule, *figures(check, style.digits), str(check.rows), note]
            cells = [Text(inert_line(text)) for text in texts]
            if style.color:
                cells[0].stylize(COLORS.get(check.status, ""))
            table.add_row(*cells)
        if style.width is not None and natural_width(table, style) > style.width:
            body = "".join(_long(check, style, many) for check in ordered)
        else:
            body = rendered(table, style)
    width = style.width
    lines = [_wrapped(headline, width, "  ")]
    if style.color and (color := COLORS.get(word(report))):
        lines[0] = lines[0].replace(word(report).upper(), _colored(word(report).upper(), color), 1)
    lines += [body] if body else []
    if report.advice:
        # a command that is broken over lines cannot be copied
        lines.append("".join(f"{_label(text)}: {inert_line(text)}\n" for text in report.advice))
    text = "\n".join(lines)
    return text.encode("ascii", "backslashreplace").decode() if style.ascii else text


def _long(check: Check, style: Style, many: bool) -> str:
    """Write one check over several lines, for a terminal too narrow for the table."""
    names = ("value", "limit", "baseline", "change")
    numbers = [f"{name} {text}" for name, text in zip(names, figures(check, style.digits), strict=True) if text != "-"]
    status = check.status
    first = "  ".join(text for text in (status, check.rule, where(check, many)) if text)
    head = _wrapped(first, style.width, "  ")
    if style.color and (color := COLORS.get(status)):
        head = head.replace(status, _colored(status, color), 1)
    rest = [", ".join([*numbers, f"n {check.rows}"]), *([check.message] if explains(check) else [])]
    return head + "".join(_wrapped(text, style.width, "    ", "  ") for text in rest)


def _wrapped(text: str, width: int | None, rest: str, first: str = "") -> str:
    """Break a line between words, never within a number."""
    safe = inert_line(text)
    if width is None:
        return f"{first}{safe}\n"
    return "".join(
        f"{line}\n"
        for line in textwrap.wrap(
            safe, width, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
        )
    )


def _colored(text: str, color: str) -> str:
    codes = {"green": "32", "bold red": "1;31", "yellow": "33"}
    return f"\x1b[{codes[color]}m{text}\x1b[0m"
