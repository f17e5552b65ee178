"""From rules and values to checks and a verdict: what is no number, on any side of a comparison, does not pass.

`lay_out` pairs rules with cells to cases, `judge` makes a check of each case, and `conclude` draws the verdict.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from lossctl.core.loss import merit
from lossctl.engine.paired import PairedBounds
from lossctl.gate.rules import Bound
from lossctl.results.report import Cell, Check, Place, Slice, Status, Verdict, lists_by

MIN_SLICE: Final = 30
ROUNDING: Final = 1e-12  # share of a baseline by which other machines, or rows in another order, may differ
BLOCKING: Final = ("fail", "undefined", "missing")
DECIDED: Final = ("pass", *BLOCKING)

Items = tuple[tuple[str, str], ...]  # of a slice
OnInsufficient = Literal["warn", "fail"]


# cases ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RuleCase:
    """One rule for one model, over all rows or one slice, with the cells that it is judged by, where they exist.

    absent: why there is no cell of the candidate.
    """

    bound: Bound
    model: str
    slice: Slice
    cell: Cell | None
    baseline: Cell | None = None
    absent: str = ""


def lay_out(
    bounds: Sequence[Bound],
    models: Sequence[str],
    cells: Sequence[Cell],
    baseline: Mapping[Place, Cell],
    by: Sequence[str],
) -> list[RuleCase]:
    """Return the cases of all rules.

    cells: of the candidates. baseline: the cell that each place of a candidate is compared with. by: the slicings of
    --by. What a rule names and the cells lack becomes a case without a cell.
    """
    cases: list[RuleCase] = []
    for bound in bounds:
        for model in models:
            candidate = {cell.place[2]: cell for cell in cells if cell.place[:2] == (model, bound.label)}
            reference = {place[2]: cell for place, cell in baseline.items() if place[:2] == (model, bound.label)}
            for slice_, absent in _slices(bound, candidate, reference, by):
                items = tuple(slice_.items())
                cases.append(RuleCase(bound, model, slice_, candidate.get(items), reference.get(items), absent))
    return cases


def _slices(
    bound: Bound, candidate: Mapping[Items, Cell], reference: Mapping[Items, Cell], by: Sequence[str]
) -> Iterator[tuple[Slice, str]]:
    """Yield the slices that a rule applies to, and what to say of each that turns out to have no value.

    candidate, reference: the cells of one model and loss by slice, and those of its baseline.
    """
    if not candidate:
        yield {}, f"{bound.label} is not among what was evaluated"
        return
    if bound.rule.all_rows:
        yield {}, "there is no value over all rows"
    # a slice that only the baseline has is one that went missing
    slices = {items: cell.slice for items, cell in {**candidate, **reference}.items() if items}
    slicings = list(dict.fromkeys(tuple(slice_) for slice_ in slices.values()))
    before: set[Items] = set()
    texts = bound.rule.slicings(by)
    if not texts and not bound.rule.all_rows:
        yield {"*": "*"}, "nothing was evaluated by slices"
    for text in texts:
        columns = slicings_of(text, slicings)
        if not columns:
            yield {text: "*"}, f"nothing was evaluated by {text}"
        for items, slice_ in slices.items():
            if tuple(slice_) in columns and items not in before:
                before.add(items)
                yield slice_, "the baseline has this slice, the candidate has not"


def slicings_of(text: str, slicings: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return the slicings, as tuples of columns, that a text of --by means: a column, `a,b`, or a glob."""
    pieces = tuple(text.split(","))
    exact = [columns for columns in slicings if columns in ((text,), pieces)]
    return exact or [
        columns
        for columns in slicings
        if all(any(fnmatch.fnmatchcase(column, piece) for piece in pieces) for column in columns)
        and all(any(fnmatch.fnmatchcase(column, piece) for column in columns) for piece in pieces)
    ]


# checks --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Terms:
    """What besides rules and numbers decides.

    min_slice: the rows that a slice needs. no_baseline: why the baseline is left out, if it is. several: whether
    there are several candidates. evidence: the paired intervals that statistical decisions rest on.
    """

    min_slice: int = MIN_SLICE
    no_baseline: str | None = None
    several: bool = False
    evidence: PairedBounds | None = None


@dataclass(frozen=True)
class Finding:
    """The status of a case, and the reason for it."""

    status: Status
    message: str
    limit: float | None = None
    interval: tuple[float, float] | None = None


def judge(cases: Sequence[RuleCase], terms: Terms) -> list[Check]:
    """Judge every case, and number the ids that repeat."""
    checks: list[Check] = []
    times: dict[str, int] = {}
    for case in cases:
        check = _check(case, _finding(case, terms), terms)
        times[check.id] = times.get(check.id, 0) + 1
        checks.append(check if times[check.id] == 1 else replace(check, id=f"{check.id}#{times[check.id]}"))
    return checks


def _finding(case: RuleCase, terms: Terms) -> Finding:
    """Judge a case; the order of the questions is the order of their weight."""
    bound, rule, cell = case.bound, case.bound.rule, case.cell
    if rule.compares and terms.no_baseline is not None:
        return Finding("skipped", terms.no_baseline)
    if cell is None:
        return Finding("missing", case.absent or "there is no value")
    if case.slice and not cell.rows:
        return Finding("undefined", "the slice has no rows that were used")
    if case.slice and cell.rows < terms.min_slice and not math.isinf(cell.value):
        return Finding("insufficient", f"{_rows(cell.rows)}, {terms.min_slice} are needed (--min-slice)")
    if not math.isfinite(cell.value):
        return Finding("undefined", f"the value is {_word(cell.value)}: {cell.reason or 'no reason is known'}")
    base = case.baseline if rule.compares else None
    if rule.compares and base is None:
        return Finding("missing", "the baseline has no such value")
    if base is not None and not math.isfinite(base.value):
        why = base.reason or "no reason is known"
        return Finding("undefined", f"the baseline's value is {_word(base.value)}: {why}")
    if (
        base is not None
        and base.value == 0.0
        and rule.tolerance.absolute is None
        and rule.tolerance.percent is not None
    ):
        return Finding(
            "undefined",
            f"the baseline's value is 0, of which {rule.text} is nothing to compare with; give an absolute tolerance, "
            f"as in {bound.label}=0.01",
        )
    highest = bar(bound, None if base is None else base.value)
    if not math.isfinite(highest):
        return Finding("undefined", f"the limit is {_word(highest)}, no finite number")
    limit = -highest if bound.direction == "max" else highest
    if rule.decide != "point":
        return _tested(case, limit, terms)
    rounding = 0.0 if base is None else ROUNDING * abs(base.value)
    passed = merit(cell.value, bound.direction) <= highest + rounding
    return Finding("pass" if passed else "fail", _compared(bound, cell, base, limit, passed), limit)


def bar(bound: Bound, baseline: float | None) -> float:
    """Return the merit that a value must not exceed; NaN where there is none."""
    if not bound.rule.compares:
        return merit(bound.rule.limit, bound.direction) if bound.direction != "zero" else bound.rule.limit
    if baseline is None:
        return math.nan
    return merit(baseline, bound.direction) + bound.rule.tolerance.of(baseline)


def _compared(bound: Bound, cell: Cell, base: Cell | None, limit: float, passed: bool) -> str:
    """Word what came of comparing a value with its limit."""
    value = cell.value
    size = abs(value) if bound.direction == "zero" else value
    side = "at least" if bound.direction == "max" else "at most"
    if base is None:
        verb = f"is {side}" if passed else f"is {'below' if bound.direction == 'max' else 'above'}"
        excess = "" if passed else f", by {_number(abs(size - limit))}"
        return f"{_number(size, limit)} {verb} {_number(limit, size)}{excess}"
    change = merit(value, bound.direction) - merit(base.value, bound.direction)
    how = "worse than" if change > 0 else "better than" if change < 0 else "the same as"
    amount = f"{_number(abs(change))} " if change else ""
    text = f"{_number(value, base.value)} is {amount}{how} the baseline's {_number(base.value, value)}"
    if passed and change <= 0:
        return text
    return f"{text}; {bound.rule.text} worse is allowed, {side} {_number(limit, size)}"


def _tested(case: RuleCase, limit: float, terms: Terms) -> Finding:
    """Decide a regression by the interval of how much worse the candidate is."""
    bound, rule, evidence = case.bound, case.bound.rule, terms.evidence
    if evidence is None:
        return Finding("insufficient", "there is no evidence besides the values", limit)
    level = rule.confidence
    intervals: list[tuple[float, float]] = []  # of the worsening, then of the worsening less each tolerance
    for tolerance, relative in [(0.0, False), *rule.tolerance.contrasts]:
        ends = evidence.bounds(case.model, bound.label, case.slice, tolerance, relative, level)
        if isinstance(ends, str):
            return Finding("insufficient", ends, limit)
        if not all(map(math.isfinite, ends)):
            return Finding("insufficient", "the confidence bounds are not finite", limit)
        intervals.append((ends[0] + 0.0, ends[1] + 0.0))
    (low, high), *beyond = intervals
    interval = (0.0 - high, 0.0 - low) if bound.direction == "max" else (low, high)
    worse = all(lower > 0.0 for lower, _ in beyond)
    within = any(upper <= 0.0 for _, upper in beyond)
    status: Status = "fail" if worse else "pass" if rule.decide == "significant" or within else "insufficient"
    proven = f"more than {rule.text} worse is {'' if worse else 'not '}shown"
    if rule.decide == "noninferior" and not worse:
        proven = f"no more than {rule.text} worse is {'' if within else 'not '}shown"
    message = f"worse by {low:.4g} to {high:.4g} ({100 * level:.6g}%); {proven}"
    if status == "pass" and (why := evidence.guarded(case.model, bound.label, case.slice)):
        return Finding("insufficient", f"not enough to pass: {why}", limit, interval)
    return Finding(status, message, limit, interval)


def _check(case: RuleCase, finding: Finding, terms: Terms) -> Check:
    """Make the record of a judged case; a rule of level warn turns what would block into a warning."""
    bound, rule, cell = case.bound, case.bound.rule, case.cell
    value = cell.value if cell is not None else None
    base = case.baseline.value if rule.compares and case.baseline is not None else None
    limit = finding.limit
    if limit is None and not rule.compares and math.isfinite(rule.limit):
        limit = rule.limit
    change = margin = share = None
    if value is not None and base is not None:
        change = abs(value) - abs(base) if bound.direction == "zero" else value - base
        share = change / abs(base) if base else None
    if value is not None and limit is not None:
        margin = limit - abs(value) if bound.direction == "zero" else limit - value
        margin = -margin if bound.direction == "max" else margin
    place = "@" + ",".join(f"{column}={word}" for column, word in case.slice.items()) if case.slice else ""
    return Check(
        id=(f"{case.model}:" if terms.several else "") + f"{bound.label}.{rule.kind}{place}",
        model=case.model,
        loss=bound.label,
        spec=bound.spec,
        slice=dict(case.slice),
        kind=rule.kind,
        rule=bound.words,
        status="warn" if rule.level == "warn" and finding.status in BLOCKING else finding.status,
        level=rule.level,
        value=value,
        limit=limit,
        margin=margin,
        baseline=base,
        change=change,
        change_share=share,
        rows=cell.rows if cell is not None else 0,
        interval=finding.interval,
        message=finding.message,
    )


def _number(value: float, beside: float | None = None) -> str:
    """Write a number for a message, with as many digits as tell it from the one beside it."""
    digits = 6
    while digits < 17 and beside is not None and beside != value and f"{value:.{digits}g}" == f"{beside:.{digits}g}":
        digits += 1
    return f"{value:.{digits}g}"


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _word(value: float) -> str:
    return "not a number" if math.isnan(value) else "infinite" if value > 0 else "minus infinity"


# the verdict ---------------------------------------------------------------------------------------------------------


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
    decided = any(check.status in DECIDED for check in strict)
    if not checks or (any(check.status == "skipped" for check in strict) and not decided):
        return Judgement("inconclusive", not checks)
    return Judgement("pass", False)


def _undecided(strict: Sequence[Check], every_slice: bool) -> bool:
    """Whether some check that could not be decided leaves the verdict open."""
    if any(check.status == "insufficient" and (not check.slice or every_slice) for check in strict):
        return True
    sliced = (check for check in strict if check.slice)
    rules = lists_by(lambda check: (check.model, check.loss, check.kind, check.rule), sliced)
    return any(all(check.status == "insufficient" for check in slices) for slices in rules.values())
