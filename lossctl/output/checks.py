"""The checks of `check` in every format: a table for people, Markdown for job summaries, JUnit and more for CI."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple
from xml.etree import ElementTree

from lossctl.errors import printable
from lossctl.output.report import LOOKS, Grid, Marked, Text
from lossctl.output.text import (
    Style,
    Table,
    change,
    colored,
    counted,
    csv_text,
    distinguishing,
    inert_line,
    lines_of,
    markdown,
    markdown_table,
    number,
    slice_text,
    text_columns,
)
from lossctl.results.comparison import Check
from lossctl.results.document import ENCODE, created, head, indented, record
from lossctl.results.report import Report
from lossctl.version import __version__

ORDER: Final = ("fail", "undefined", "missing", "warn", "insufficient", "skipped", "pass")
BROKEN: Final = ("fail", "undefined", "missing")
UNDECIDED: Final = ("insufficient", "skipped")
HEADER: Final = ("status", "rule", "value", "limit", "baseline", "change", "n", "where")


def render(report: Report, form: str, style: Style) -> str:
    """Return a check as text in one format."""
    match form:
        case "junit":
            return to_junit(report)
        case "github":
            return to_github(report)
        case "csv":
            return csv_text(report.checks)
        case "md":
            return to_markdown(report, style.digits)
        case "value":
            return verdict(report) + "\n"
    return to_table(report, style)


# a check that ended with an error ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Failure:
    """What stands in the place of a report where a check ended with an error."""

    status: Literal["error"]
    exit_code: int
    message: str

    def document(self) -> dict[str, Any]:
        """Return the JSON document: that of no report, so that nothing reads it as one."""
        return {**head("check", __version__), "verdict": self.status, "error": record(self)}


def render_failure(failure: Failure, form: str) -> str:
    """Return an error in one format, to take the place of the report of an earlier run."""
    message = inert_line(failure.message)
    match form:
        case "json":
            return indented(failure.document())
        case "jsonl":
            return ENCODE({"kind": "error", **record(failure)}) + "\n"
        case "junit":
            error = {"message": failure.message, "type": f"exit {failure.exit_code}"}
            return _suite(failure.status, __version__, [Case(SUITE, "lossctl", "error", error, failure.message)])
        case "github":
            return f"::error title=lossctl check::{command_data(failure.message)}\n"
        case "csv":
            return csv_text([failure])
        case "md":
            return f"**lossctl check: ERROR** {markdown(message)}\n"
        case "value":
            return f"{failure.status}\n"
    return f"lossctl check: ERROR  {message}\n"


# what all formats say ------------------------------------------------------------------------------------------------


def worst_first(checks: Iterable[Check]) -> list[Check]:
    """Return checks by status, and within one status the smallest margin, as a share of its limit, first."""

    def key(check: Check) -> tuple[int, float]:
        share = math.inf
        if check.margin is not None and math.isfinite(check.margin):
            share = check.margin / abs(check.limit) if check.limit else check.margin
        return ORDER.index(check.status), share

    return sorted(checks, key=key)


def verdict(report: Report) -> str:
    """Return the verdict in one word; `saved` where a baseline was saved and nothing judged."""
    return report.verdict or "saved"


def counts(checks: Sequence[Check]) -> str:
    """Count the checks by their outcome, in a few words."""
    if not checks:
        return "no rule was asked for"
    broken = sum(check.status in BROKEN for check in checks)
    passed = sum(check.status == "pass" for check in checks)
    pieces = [f"{broken or passed} of {counted(len(checks), 'check')} {'failed' if broken else 'passed'}"]
    for status in ("undefined", "missing", "warn", "insufficient", "skipped"):
        if count := sum(check.status == status for check in checks):
            of_them = "of them " if status in BROKEN else ""
            pieces.append(f"{of_them}{count} {'warned' if status == 'warn' else status}")
    return ", ".join(pieces)


def sides(report: Report) -> str:
    """Name the models that were judged, and what they were compared with."""
    models = list(dict.fromkeys(check.model for check in report.checks)) or report.models
    candidates = f"{'candidates' if len(models) > 1 else 'candidate'}: {', '.join(models)}"
    return candidates if report.baseline is None else f"{candidates}; baseline: {report.baseline}"


def texts(checks: Sequence[Check], digits: int) -> list[tuple[str, ...]]:
    """Return the texts of checks under `HEADER`; where the numbers do not speak for themselves, with the message."""
    rows = []
    for check, place in zip(checks, places(checks), strict=True):
        effective = "" if check.effective is None else f"worth {number(check.effective, 3)} rows of equal weight"
        note = "; ".join(filter(None, (place, check.message if explains(check) else check.note, effective)))
        rows.append((check.status, check.rule, *figures(check, digits), str(check.rows), note))
    return rows


def grid(report: Report, style: Style) -> Grid:
    """Return a table of the checks, the worst first."""
    rows = texts(worst_first(report.checks), style.digits)
    lines: list[list[Text]] = [[Marked(row[0], row[0]), row[1], row[-1], *row[2:-1]] for row in rows]
    return Grid(text_columns([*HEADER[:2], HEADER[-1]], HEADER[2:-1]), lines)


def places(checks: Sequence[Check]) -> list[str]:
    """Name the slice of each check, and its model if there are several."""
    several = len({check.model for check in checks}) > 1
    return [", ".join([check.model] * several + [slice_text(check.slice)] * bool(check.slice)) for check in checks]


def explains(check: Check) -> bool:
    """Whether the numbers of a check do not speak for themselves, so that its message is needed."""
    plain = check.status in ("pass", "fail", "warn") and check.value is not None and check.interval is None
    return not plain or check.kind == "max-dropped"


def figures(check: Check, digits: int) -> tuple[str, ...]:
    """Write value, limit, baseline and change, with as many digits as tell the value from the others."""
    digits = distinguishing(check.value, (check.limit, check.baseline), digits)
    numbers = (number(value, digits) for value in (check.value, check.limit, check.baseline))
    return *numbers, change(check.change, check.change_share, digits)


# in a terminal -------------------------------------------------------------------------------------------------------


def to_table(report: Report, style: Style) -> str:
    """Return the verdict, all checks with the worst first, and what to type next; no number is ever cut."""
    headline = f"lossctl check: {verdict(report).upper()}  {counts(report.checks)}  ({sides(report)})"
    first = lines_of(inert_line(headline), style)
    pieces = [_colored(first, verdict(report).upper(), LOOKS[verdict(report)].color, style)]
    if report.checks:
        heads = [*text_columns(HEADER[:2], HEADER[2:-1]), *text_columns(HEADER[-1:])]
        rows = [list(map(inert_line, row)) for row in texts(worst_first(report.checks), style.digits)]
        table = Table(style, heads, ([(row[0], LOOKS[row[0]].color), *row[1:]] for row in rows))
        pieces.append(table.fitted(lambda: _list(report.checks, style)))
    if report.advice:
        # a command that is broken over lines cannot be copied
        pieces.append("".join(f"{_label(text)}: {inert_line(text)}\n" for text in report.advice))
    return style.encode("\n".join(pieces))


def _list(checks: Sequence[Check], style: Style) -> str:
    """Write each check over several lines, for a terminal too narrow for the table."""
    pieces = []
    ordered = worst_first(checks)
    for check, place in zip(ordered, places(ordered), strict=True):
        head = lines_of(inert_line("  ".join(text for text in (check.status, check.rule, place) if text)), style)
        pieces.append(_colored(head, check.status, LOOKS[check.status].color, style))
        numbers = zip(HEADER[2:6], figures(check, style.digits), strict=True)
        facts = ", ".join([*(f"{name} {text}" for name, text in numbers if text != "-"), f"n {check.rows}"])
        texts_below = (facts, *[check.message] * explains(check))
        pieces += [lines_of(inert_line(text), style, "  ") for text in texts_below]
    return "".join(pieces)


def _colored(text: str, word: str, color: str, style: Style) -> str:
    """Colour the first place of a word in a text."""
    return text.replace(word, colored(word, color), 1) if style.color else text


def _label(text: str) -> str:
    """Say what a command of the advice is for."""
    return "accept" if " --save-baseline " in text else "next"


# Markdown, for job summaries -----------------------------------------------------------------------------------------

SUMMARY_BYTES: Final = 1 << 20  # a job summary that is larger is refused as a whole
RESERVE: Final = 200  # bytes for the line that says what was left out


def to_markdown(report: Report, digits: int, most: int = SUMMARY_BYTES) -> str:
    """Return the verdict and the checks as Markdown of at most so many bytes; rows beyond them are counted."""
    title = f"**lossctl check: {verdict(report).upper()}** {counts(report.checks)}"
    begin = f"{title} ({markdown(sides(report))})\n\n"
    below = "".join(f"warning: {markdown(text)}\n\n" for text in report.warnings)
    below += "".join(f"{_label(text)}: {_code(text)}\n\n" for text in report.advice)
    below = below if len(below.encode()) < most // 4 else ""
    rows = []
    for row in texts(worst_first(report.checks), digits):
        status, *cells = map(markdown, row)
        rows.append([f"**{status}**" if status in BROKEN else status, *cells])
    head, rule, *lines = markdown_table(text_columns(HEADER[:2], HEADER[2:]), rows).splitlines(keepends=True)
    room = most - RESERVE - len((begin + below + head + rule).encode())
    count = 0  # of the lines that there is room for
    while count < len(lines) and (room := room - len(lines[count].encode())) >= 0:
        count += 1
    table = head + rule + "".join(lines[:count]) + "\n" if lines else ""
    cut = f"{len(lines) - count} more of {len(lines)} checks are left out here.\n\n" if count < len(lines) else ""
    text = (begin + table + cut + below).rstrip("\n") + "\n"
    return text if len(text.encode()) <= most else f"{title}\n"


def _code(text: str) -> str:
    """Return a text as Markdown code, whatever backticks it holds."""
    safe = inert_line(text)
    fence = "`" * (max(map(len, re.findall("`+", safe)), default=0) + 1)
    return f"{fence} {safe} {fence}" if len(fence) > 1 else f"`{safe}`"


# GitHub --------------------------------------------------------------------------------------------------------------

MOST_ANNOTATIONS: Final = 10  # of a step that are shown


def to_github(report: Report) -> str:
    """Return at most ten annotations, what blocks first, then the worst, and the verdict."""
    open_ = [check for check in worst_first(report.checks) if check.status not in ("pass", "skipped")]
    open_.sort(key=lambda check: not check.blocks)
    lines = [_annotation(check) for check in open_]
    lines += [f"::warning title=lossctl check::{command_data(text)}" for text in report.warnings]
    more = len(lines) - MOST_ANNOTATIONS
    cut = f"; {more} more are not shown here" if more > 0 else ""
    notice = f"{verdict(report)}: {counts(report.checks)} ({sides(report)}){cut}"
    end = f"::notice title=lossctl check::{command_data(notice)}"
    return "".join(f"{line}\n" for line in [*lines[:MOST_ANNOTATIONS], end])


def _annotation(check: Check) -> str:
    kind = "error" if check.blocks else "warning"
    title = command_property(f"lossctl check: {check.id} {check.status}")
    return f"::{kind} title={title}::{command_data(f'{check.rule}: {check.message} (n {check.rows})')}"


def command_data(text: str) -> str:
    """Escape the data of a workflow command by the rules of GitHub's toolkit."""
    return printable(text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A"))


def command_property(text: str) -> str:
    """Escape a property of a workflow command, which a colon or comma would end."""
    return command_data(text).replace(":", "%3A").replace(",", "%2C")


# JUnit ---------------------------------------------------------------------------------------------------------------

ILLEGAL: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2
SUITE: Final = "lossctl check"


class Case(NamedTuple):
    """A test of a suite; outcome: failure, error or skipped, with its attributes and text, or None where it passed."""

    name: str
    classname: str
    outcome: str | None = None
    attributes: Mapping[str, str] = {}
    text: str = ""


def to_junit(report: Report) -> str:
    """Return the checks as one suite.

    What blocks is a failure; what could not be decided and does not block, or was left out, is skipped.
    """
    cases = []
    for check in report.checks:
        message = f"{check.rule}: {check.message}"
        outcome = "failure" if check.blocks else "skipped" if check.status in UNDECIDED else None
        kind, text = ({"type": check.status}, _details(check, message)) if check.blocks else ({}, "")
        cases.append(Case(check.id, f"lossctl.{check.model}", outcome, {"message": message, **kind}, text))
    warned = [f"{check.id}: {check.message}" for check in report.checks if check.status == "warn"]
    return _suite(report.verdict or "", report.version, cases, report.advice, [*report.warnings, *warned])


def _details(check: Check, message: str) -> str:
    facts = {"value": check.value, "limit": check.limit, "baseline": check.baseline, "change": check.change}
    lines = [f"{name}: {value!r}" for name, value in facts.items() if value is not None]
    return "\n".join([message, *lines, f"n: {check.rows}"])


def _suite(verdict: str, version: str, cases: Sequence[Case], out: Sequence[str] = (), err: Sequence[str] = ()) -> str:
    """Return a suite in the schema of Ant's JUnit tasks, with neutral values for what it requires and no check has."""
    outcomes = [case.outcome for case in cases]
    counts = {f"{name}s": outcomes.count(name) for name in ("failure", "error")}
    counts = {"tests": len(cases), **counts, "skipped": outcomes.count("skipped")}
    root = ElementTree.Element("testsuites")
    start = {"name": SUITE, "package": SUITE, "id": "0", "timestamp": created().removesuffix("Z")}
    numbers = {name: str(count) for name, count in counts.items()}
    suite = ElementTree.SubElement(root, "testsuite", {**start, "hostname": "localhost", **numbers, "time": "0"})
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in (("verdict", verdict), ("lossctl", version)):
        ElementTree.SubElement(properties, "property", {"name": name, "value": value})
    for case in cases:
        names = {"name": legal(case.name), "classname": legal(case.classname), "time": "0"}
        element = ElementTree.SubElement(suite, "testcase", names)
        if case.outcome is not None:
            attributes = {name: legal(text) for name, text in case.attributes.items()}
            ElementTree.SubElement(element, case.outcome, attributes).text = legal(case.text)
    for name, lines in (("system-out", out), ("system-err", err)):
        ElementTree.SubElement(suite, name).text = legal("\n".join(lines))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def legal(text: str) -> str:
    """Return a text without the characters that XML has no way to write."""
    return ILLEGAL.sub("", text)
