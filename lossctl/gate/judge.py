"""Judge: a case to a status. Whatever is not a number, on any side of a comparison, does not pass."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, Protocol

from lossctl.core.loss import Direction
from lossctl.gate.rules import Bound
from lossctl.results.report import Cell, Check, Status, Verdict


class Evidence(Protocol):
    """Paired confidence bounds of how much worse a candidate is than the baseline, in the loss's own direction."""

    def bounds(
        self, model: str, loss: str, chosen: Mapping[str, str], tolerance: float, relative: bool, level: float
    ) -> tuple[float, float] | str:
        """Return the interval of (worsening - tolerance), or the reason why there is no evidence.

        The worsening of a `min` loss is candidate - baseline, of a `max` score baseline - candidate, of a `zero` loss
        the difference of absolute values. `relative`: the tolerance is a share of |baseline|, and the interval that
        of a linear contrast. `level` is the confidence of the two-sided interval. No rows, one row, or no spread is
        a reason, never an interval of no width, unless the predictions are the same in every row. `chosen` is the
        slice, empty for all rows.
        """

    def guarded(self, model: str, loss: str, chosen: Mapping[str, str]) -> str | None:
        """Return why these rows cannot support a `pass` (a skewed small sample), None where they can."""


Items = tuple[tuple[str, str], ...]  # a slice
Place = tuple[str, str, Items]  # model, loss, slice
Part = Mapping[Items, Cell]  # the cells of one model and loss


@dataclass(frozen=True)
class Case:
    """One rule for one model, over all rows or one slice, with the cells that it is judged by, where they exist.

    absent: why there is no cell of the candidate.
    """

    bound: Bound
    model: str
    slice: Mapping[str, str]
    cell: Cell | None
    baseline: Cell | None = None
    absent: str = ""


def place(model: str, loss: str, chosen: Mapping[str, str]) -> Place:
    """Return what tells the cells of a report apart."""
    return model, loss, tuple(chosen.items())


def lay_out(
    bounds: Sequence[Bound],
    models: Sequence[str],
    cells: Sequence[Cell],
    baseline: Mapping[Place, Cell],
    given: Sequence[str],
) -> list[Case]:
    """Return the cases of all rules.

    cells: of the candidates. baseline: the cell that each cell of a candidate is held against. given: the slicings
    of --by. What a rule names and the cells lack becomes a case without a cell.
    """
    found: list[Case] = []
    for bound in bounds:
        for model in models:
            own = {tuple(cell.slice.items()): cell for cell in cells if (cell.model, cell.loss) == (model, bound.label)}
            held = {items: cell for (who, loss, items), cell in baseline.items() if (who, loss) == (model, bound.label)}
            for chosen, absent in _slices(bound, own, held, given):
                items = tuple(chosen.items())
                found.append(Case(bound, model, chosen, own.get(items), held.get(items), absent))
    return found


def _slices(bound: Bound, own: Part, held: Part, given: Sequence[str]) -> Iterator[tuple[Mapping[str, str], str]]:
    """Yield the slices that a rule applies to, and what to say of each that turns out to have no value."""
    if not own:
        yield {}, f"{bound.label} is not among what was evaluated"
        return
    if bound.rule.whole:
        yield {}, "there is no value over all rows"
    # a slice that only the baseline has is one that went missing
    known = {items: cell.slice for items, cell in {**own, **held}.items() if items}
    slicings = list(dict.fromkeys(tuple(chosen) for chosen in known.values()))
    seen: set[Items] = set()
    asked = bound.rule.slicings(given)
    if not asked and not bound.rule.whole:
        yield {"*": "*"}, "nothing was evaluated by slices"
    for text in asked:
        columns = slicings_of(text, slicings)
        if not columns:
            yield {text: "*"}, f"nothing was evaluated by {text}"
        for items, chosen in known.items():
            if tuple(chosen) in columns and items not in seen:
                seen.add(items)
                yield chosen, "the baseline has this slice, the candidate has not"


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


MIN_SLICE: Final = 30
ROUNDING: Final = 1e-12  # share of a baseline by which other machines, or rows in another order, may differ
BLOCKING: Final = ("fail", "undefined", "missing")


@dataclass(frozen=True)
class Terms:
    """What besides rules and numbers decides.

    min_slice: the rows that a slice needs. no_baseline: why the baseline is left out, if it is. several: whether
    there are several candidates. evidence: what statistical decisions rest on.
    """

    min_slice: int = MIN_SLICE
    no_baseline: str | None = None
    several: bool = False
    evidence: Evidence | None = None


@dataclass(frozen=True)
class Finding:
    """What came of a case."""

    status: Status
    message: str
    limit: float | None = None
    interval: tuple[float, float] | None = None


def judge(cases: Sequence[Case], terms: Terms) -> list[Check]:
    """Judge every case, and number the ids that repeat."""
    found: list[Check] = []
    seen: dict[str, int] = {}
    for case in cases:
        made = _named(case, _finding(case, terms), terms)
        seen[made.id] = seen.get(made.id, 0) + 1
        found.append(made if seen[made.id] == 1 else replace(made, id=f"{made.id}#{seen[made.id]}"))
    return found


def merit(value: float, direction: Direction) -> float:
    """Return a number that is lower for a better value."""
    return {"min": value, "max": -value, "zero": abs(value)}[direction]


def bar(bound: Bound, baseline: float | None) -> float:
    """Return the merit that a value must not exceed; NaN where there is none."""
    if bound.rule.kind != "max-regression":
        return merit(bound.rule.limit, bound.direction) if bound.direction != "zero" else bound.rule.limit
    if baseline is None:
        return math.nan
    return merit(baseline, bound.direction) + bound.rule.tolerance.of(baseline)


def shown(number: float, beside: float | None = None) -> str:
    """Write a number for a message, with as many digits as tell it from the one beside it."""
    digits = 6
    while digits < 17 and beside is not None and beside != number and f"{number:.{digits}g}" == f"{beside:.{digits}g}":
        digits += 1
    return f"{number:.{digits}g}"


def _finding(case: Case, terms: Terms) -> Finding:
    """Judge a case; the order of the questions is the order of their weight."""
    bound, rule, cell = case.bound, case.bound.rule, case.cell
    regression = rule.kind == "max-regression"
    if regression and terms.no_baseline is not None:
        return Finding("skipped", terms.no_baseline)
    if cell is None:
        return Finding("missing", case.absent or "there is no value")
    if case.slice and not cell.rows:
        return Finding("undefined", "the slice has no rows that were used")
    if case.slice and cell.rows < terms.min_slice and not math.isinf(cell.value):
        return Finding("insufficient", f"{_rows(cell.rows)}, {terms.min_slice} are needed (--min-slice)")
    if not math.isfinite(cell.value):
        return Finding("undefined", f"the value is {_word(cell.value)}: {cell.reason or 'no reason is known'}")
    if regression and case.baseline is None:
        return Finding("missing", "the baseline has no such value")
    held = case.baseline.value if regression and case.baseline is not None else None
    if held is not None and not math.isfinite(held):
        why = (case.baseline and case.baseline.reason) or "no reason is known"
        return Finding("undefined", f"the baseline's value is {_word(held)}: {why}")
    if held == 0.0 and rule.tolerance.amount is None and rule.tolerance.share is not None:
        return Finding(
            "undefined",
            f"the baseline's value is 0, of which {rule.text} is nothing to compare with; give an absolute tolerance, "
            f"as in {bound.label}=0.01",
        )
    highest = bar(bound, held)
    if not math.isfinite(highest):
        return Finding("undefined", f"the limit is {_word(highest)}, no finite number")
    limit = -highest if bound.direction == "max" else highest
    if rule.decide != "point":
        return _tested(case, cell, limit, terms)
    rounding = 0.0 if held is None else ROUNDING * abs(held)
    passed = merit(cell.value, bound.direction) <= highest + rounding
    return Finding("pass" if passed else "fail", _compared(bound, cell.value, held, limit, passed), limit)


def _tested(case: Case, cell: Cell, limit: float, terms: Terms) -> Finding:
    """Decide a regression by the interval of how much worse the candidate is."""
    bound, rule, evidence = case.bound, case.bound.rule, terms.evidence
    if evidence is None:
        return Finding("insufficient", "there is no evidence besides the values", limit)
    level = rule.confidence
    asked = [(0.0, False), *rule.tolerance.contrasts]
    found = [evidence.bounds(case.model, bound.label, case.slice, size, share, level) for size, share in asked]
    for ends in found:
        if isinstance(ends, str):
            return Finding("insufficient", ends, limit)
        if not all(map(math.isfinite, ends)):
            return Finding("insufficient", "the confidence bounds are not finite", limit)
    (low, high), *beyond = ((ends[0] + 0.0, ends[1] + 0.0) for ends in found if not isinstance(ends, str))
    interval = (0.0 - high, 0.0 - low) if bound.direction == "max" else (low, high)
    worse = all(lower > 0.0 for lower, _ in beyond)
    kept = any(upper <= 0.0 for _, upper in beyond)
    status: Status = "fail" if worse else "pass" if rule.decide == "significant" or kept else "insufficient"
    proven = f"more than {rule.text} worse is {'' if worse else 'not '}shown"
    if rule.decide == "noninferior" and not worse:
        proven = f"no more than {rule.text} worse is {'' if kept else 'not '}shown"
    message = f"worse by {low:.4g} to {high:.4g} ({100 * level:.6g}%); {proven}"
    if status == "pass" and (why := evidence.guarded(case.model, bound.label, case.slice)):
        return Finding("insufficient", f"not enough to pass: {why}", limit, interval)
    return Finding(status, message, limit, interval)


def _compared(bound: Bound, value: float, held: float | None, limit: float, passed: bool) -> str:
    """Word what came of comparing a value with its limit."""
    size = abs(value) if bound.direction == "zero" else value
    side = "at least" if bound.direction == "max" else "at most"
    off = shown(abs(size - limit))
    if held is None:
        verb = f"is {side}" if passed else f"is {'below' if bound.direction == 'max' else 'above'}"
        return f"{shown(size, limit)} {verb} {shown(limit, size)}" + ("" if passed else f", by {off}")
    change = merit(value, bound.direction) - merit(held, bound.direction)
    how = "worse than" if change > 0 else "better than" if change < 0 else "the same as"
    amount = f"{shown(abs(change))} " if change else ""
    text = f"{shown(value, held)} is {amount}{how} the baseline's {shown(held, value)}"
    if passed and change <= 0:
        return text
    return f"{text}; {bound.rule.text} worse is allowed, {side} {shown(limit, size)}"


def _named(case: Case, finding: Finding, terms: Terms) -> Check:
    """Make the record of a judged case; a rule of level warn turns what would block into a warning."""
    bound, rule, cell = case.bound, case.bound.rule, case.cell
    value = cell.value if cell is not None else None
    held = case.baseline.value if rule.kind == "max-regression" and case.baseline is not None else None
    limit = finding.limit
    if limit is None and rule.kind != "max-regression" and math.isfinite(rule.limit):
        limit = rule.limit
    status = "warn" if rule.level == "warn" and finding.status in BLOCKING else finding.status
    change = margin = share = None
    if value is not None and held is not None:
        change = abs(value) - abs(held) if bound.direction == "zero" else value - held
        share = change / abs(held) if held else None
    if value is not None and limit is not None:
        bad = 1 if bound.direction != "max" else -1
        margin = bad * (limit - (abs(value) if bound.direction == "zero" else value))
    return Check(
        id=("" if not terms.several else f"{case.model}:") + f"{bound.label}.{rule.kind}" + _at(case.slice),
        model=case.model,
        loss=bound.label,
        spec=bound.spec,
        slice=dict(case.slice),
        kind=rule.kind,
        rule=bound.words,
        status=status,
        level=rule.level,
        value=value,
        limit=limit,
        margin=margin,
        baseline=held,
        change=change,
        change_share=share,
        rows=cell.rows if cell is not None else 0,
        interval=finding.interval,
        message=finding.message,
    )


def _at(chosen: Mapping[str, str]) -> str:
    """Name a slice in an id."""
    return "@" + ",".join(f"{column}={word}" for column, word in chosen.items()) if chosen else ""


def _word(value: float) -> str:
    return "not a number" if math.isnan(value) else "infinite" if value > 0 else "minus infinity"


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


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
