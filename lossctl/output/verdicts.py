"""Verdicts in words: what every format of a check says alike, and in which order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

from lossctl.core.report import Check, Evaluation
from lossctl.output.numbers import shown

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


def word(report: Evaluation) -> str:
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


def sides(report: Evaluation, baseline: str | None) -> str:
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
