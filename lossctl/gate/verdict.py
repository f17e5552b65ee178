"""Verdict: all checks to one word, and whether it stops what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from lossctl.core.report import Check, Verdict
from lossctl.gate.judge import BLOCKING

OnInsufficient = Literal["warn", "fail"]
DECIDED: Final = ("pass", *BLOCKING)


@dataclass(frozen=True)
class Judgement:
    """The verdict, and whether it is to stop what comes next."""

    verdict: Verdict
    blocks: bool


def conclude(checks: Sequence[Check], on_insufficient: OnInsufficient | None = None) -> Judgement:
    """Draw the verdict from all checks.

    A rule of level error that is broken, undefined or without its value is a `fail`. What could not be decided over
    all rows, or in no slice at all, is `inconclusive` and blocks, unless `on_insufficient` is warn; with fail every
    slice that could not be decided blocks. Rules that were left out with their baseline never make a `pass`.
    """
    strict = [check for check in checks if check.level == "error"]
    if any(check.status in BLOCKING for check in strict):
        return Judgement("fail", True)
    if _undecided(strict, every_slice=on_insufficient == "fail"):
        return Judgement("inconclusive", on_insufficient != "warn")
    if not checks or (any(check.status == "skipped" for check in strict) and not _any_decided(strict)):
        return Judgement("inconclusive", not checks)
    return Judgement("pass", False)


def _undecided(strict: Sequence[Check], every_slice: bool) -> bool:
    """Whether some check that could not be decided leaves the verdict open."""
    if any(check.status == "insufficient" and (not check.slice or every_slice) for check in strict):
        return True
    rules: dict[tuple[str, str, str, str], list[Check]] = {}
    for check in strict:
        if check.slice:
            rules.setdefault((check.model, check.loss, check.kind, check.rule), []).append(check)
    return any(all(check.status == "insufficient" for check in own) for own in rules.values())


def _any_decided(strict: Sequence[Check]) -> bool:
    return any(check.status in DECIDED for check in strict)
