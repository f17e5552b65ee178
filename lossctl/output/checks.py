"""Checks in every format: a table for people, Markdown for job summaries, lines for machines."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import Final
from xml.etree import ElementTree

from lossctl.output.render import csv_text, markdown_table
from lossctl.output.text import Style, command_data, command_property, inert_line, markdown, shown
from lossctl.results.document import created
from lossctl.results.report import Check, Report

ORDER: Final = ("fail", "undefined", "missing", "warn", "insufficient", "skipped", "pass")
BROKEN: Final = ("fail", "undefined", "missing")
MOST_DIGITS: Final = 17
CHANGE_DIGITS: Final = 4


def worst_first(checks: Iterable[Check]) -> list[Check]:
    """Return checks by status, and within one status the smallest margin, as a share of its limit, first."""

    def key(check: Check) -> tuple[int, float]:
        share = math.inf
        if check.margin is not None and math.isfinite(check.margin):
            share = check.margin / abs(check.limit) if check.limit else check.margin
        return ORDER.index(check.status), share

    return sorted(checks, key=key)


def word(report: Report) -> str:
    """Return the verdict in one word; `saved` where a baseline was saved and nothing judged."""
    return report.verdict or "saved"


def counts(checks: Sequence[Check]) -> str:
    """Count in a few words what came of the checks."""
    if not checks:
        return "no rule was asked for"
    broken = sum(check.status in BROKEN for check in checks)
    pieces = [f"{broken} of {_checks(len(checks))} failed"] if broken else []
    passed = sum(check.status == "pass" for check in checks)
    pieces += [] if broken else [f"{passed} of {_checks(len(checks))} passed"]
    for status in ("undefined", "missing", "warn", "insufficient", "skipped"):
        if count := sum(check.status == status for check in checks):
            of_them = "of them " if status in BROKEN else ""
            pieces.append(f"{of_them}{count} {'warned' if status == 'warn' else status}")
    return ", ".join(pieces)


def sides(report: Report, baseline: str | None) -> str:
    """Name who was judged, and against what."""
    models = list(dict.fromkeys(check.model for check in report.checks)) or report.models
    who = f"{'candidates' if len(models) > 1 else 'candidate'}: {', '.join(models)}"
    return who if baseline is None else f"{who}; baseline: {baseline}"


def where(check: Check, several: bool) -> str:
    """Name the slice of a check, and its model if there are several."""
    pieces = [check.model] if several else []
    pieces += [f"{column}={word}" for column, word in check.slice.items()]
    return ", ".join(pieces)


def several(checks: Sequence[Check]) -> bool:
    """Whether the checks are of several models."""
    return len({check.model for check in checks}) > 1


def explains(check: Check) -> bool:
    """Whether the numbers of a check do not speak for themselves, so that its message is wanted."""
    return check.status not in ("pass", "fail", "warn") or check.value is None or check.interval is not None


def figures(check: Check, digits: int) -> tuple[str, ...]:
    """Write value, limit, baseline and change, with as many digits as tell the value from the others."""
    for others in (check.limit, check.baseline):
        while digits < MOST_DIGITS and others != check.value and shown(others, digits) == shown(check.value, digits):
            digits += 1
    numbers = (shown(number, digits) for number in (check.value, check.limit, check.baseline))
    return *numbers, signed(check.change, check.change_share, digits)


def signed(change: float | None, share: float | None, digits: int) -> str:
    """Write a change with its sign, and in percent."""
    if change is None:
        return "-"
    sign = "+" if change > 0 else ""
    text = f"{sign}{shown(change, min(digits, CHANGE_DIGITS))}"
    if share is None or not math.isfinite(share):
        return text
    percent = 100.0 * share
    form = ".2g" if abs(percent) < 0.1 else ".1f" if abs(percent) < 1000.0 else ".3g"
    return f"{text} ({sign}{percent:{form}}%)"


def _checks(count: int) -> str:
    return "1 check" if count == 1 else f"{count} checks"


MOST: Final = 10  # annotations of a step that are shown


def to_github(report: Report, baseline: str | None) -> str:
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


ILLEGAL: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2
SUITE: Final = "lossctl check"
SKIPPED: Final = ("insufficient", "skipped")


def to_junit(report: Report) -> str:
    """Return the checks as one suite of the schema that Ant's JUnit tasks write.

    A rule that is broken, undefined or without its value is a failure; one that could not be decided, or was left
    out, is skipped. Attributes that the schema wants and a check does not have (times, a host) are neutral.
    """
    checks = report.checks
    root = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        {
            "name": SUITE,
            "package": SUITE,
            "id": "0",
            "timestamp": created().removesuffix("Z"),
            "hostname": "localhost",
            "tests": str(len(checks)),
            "failures": str(sum(check.status in BROKEN for check in checks)),
            "errors": "0",
            "skipped": str(sum(check.status in SKIPPED for check in checks)),
            "time": "0",
        },
    )
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in (("verdict", report.verdict or ""), ("lossctl", report.version)):
        ElementTree.SubElement(properties, "property", {"name": name, "value": value})
    for check in checks:
        _case(suite, check)
    warned = [f"{check.id}: {check.message}" for check in checks if check.status == "warn"]
    ElementTree.SubElement(suite, "system-out").text = legal("\n".join(report.advice))
    ElementTree.SubElement(suite, "system-err").text = legal("\n".join([*report.warnings, *warned]))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _case(suite: ElementTree.Element, check: Check) -> None:
    case = ElementTree.SubElement(
        suite, "testcase", {"name": legal(check.id), "classname": legal(f"lossctl.{check.model}"), "time": "0"}
    )
    message = legal(f"{check.rule}: {check.message}")
    if check.status in BROKEN:
        failure = ElementTree.SubElement(case, "failure", {"message": message, "type": check.status})
        facts = {"value": check.value, "limit": check.limit, "baseline": check.baseline, "change": check.change}
        lines = [f"{name}: {value!r}" for name, value in facts.items() if value is not None]
        failure.text = "\n".join([message, *lines, f"n: {check.rows}"])
    elif check.status in SKIPPED:
        ElementTree.SubElement(case, "skipped", {"message": message})


def legal(text: str) -> str:
    """Return a text without the characters that XML has no way to write."""
    return ILLEGAL.sub("", text)


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


def render(report: Report, form: str, style: Style, baseline: str | None) -> str:
    """Return a check in one format; `baseline` names what it was held against."""
    match form:
        case "json" | "jsonl":
            return report.to_json() if form == "json" else report.to_jsonl()
        case "junit":
            return to_junit(report)
        case "github":
            return to_github(report, baseline)
        case "csv":
            return csv_text(report.checks)
        case "md":
            return to_markdown(report, style.digits, baseline)
        case "value":
            return word(report) + "\n"
    return to_table(report, style, baseline)


def to_markdown(report: Report, digits: int, baseline: str | None, most: int = SUMMARY_BYTES) -> str:
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


def to_table(report: Report, style: Style, baseline: str | None) -> str:
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
