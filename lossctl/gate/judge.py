"""From rules and values to checks and a verdict: what is no number, on any side of a comparison, does not pass.

`lay_out` pairs rules with cells to cases, `judge` makes a check of each case, and `conclude` draws the verdict.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from lossctl.core.loss import merit
from lossctl.engine.paired import PairedBounds
from lossctl.gate.rules import Bound, Dropped, slice_name
from lossctl.results.comparison import Check, Status
from lossctl.results.document import Place, Slice
from lossctl.results.report import Cell, Input, Verdict, lists_by

MIN_SLICE: Final = 30
MIN_ROWS: Final = 30  # of a decision by statistics
WORTH_SAYING: Final = 0.05  # false alarms among slices
BLOCKING: Final = ("fail", "undefined", "missing")
DECIDED: Final = ("pass", *BLOCKING)

Items = tuple[tuple[str, str], ...]  # of a slice
OnInsufficient = Literal["warn", "fail"]


# cases ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RuleCase:
    """One rule for one model, over all rows or one slice, with the cells that it is judged by, where they exist.

    absent: why there is no cell of the candidate. number: the place of the rule among all. inherited: whether the slice
    is one of a rule whose place this one takes.
    """

    bound: Bound
    model: str
    slice: Slice
    cell: Cell | None
    baseline: Cell | None = None
    absent: str = ""
    number: int = 0
    inherited: bool = False

    @property
    def critical(self) -> bool:
        """Whether the rule names the slice as one that must be decided."""
        return bool(self.slice) and slice_name(self.slice) in self.bound.rule.critical


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
    for number, bound in enumerate(bounds):
        for model in models:
            candidate = {cell.place[2]: cell for cell in cells if cell.place[:2] == (model, bound.label)}
            reference = {place[2]: cell for place, cell in baseline.items() if place[:2] == (model, bound.label)}
            for slice_, absent, inherited in _slices(bound, candidate, reference, by):
                items = tuple(slice_.items())
                in_slice = bound._replace(rule=bound.rule.within(slice_)) if slice_ else bound
                pair = candidate.get(items), reference.get(items)
                cases.append(RuleCase(in_slice, model, slice_, *pair, absent, number, inherited))
    return cases


def _slices(
    bound: Bound, candidate: Mapping[Items, Cell], reference: Mapping[Items, Cell], by: Sequence[str]
) -> Iterator[tuple[Slice, str, bool]]:
    """Yield the slices that a rule applies to, what to say of each without a value, and whether it is inherited.

    candidate, reference: the cells of one model and loss by slice, and those of its baseline.
    """
    if not candidate:
        yield {}, f"{bound.label} is not among what was evaluated", False
        return
    if bound.rule.all_rows:
        yield {}, "there is no value over all rows", False
    # a slice that only the baseline has is one that went missing
    slices = {items: cell.slice for items, cell in {**candidate, **reference}.items() if items}
    slicings = list(dict.fromkeys(tuple(slice_) for slice_ in slices.values()))
    before: set[Items] = set()
    texts, stated = bound.rule.slicings(by), bound.rule._replace(inherited=()).slicings(by)
    if not texts and not bound.rule.all_rows:
        yield {"*": "*"}, "nothing was evaluated by slices", False
    for text in texts:
        columns = slicings_of(text, slicings)
        if not columns:
            yield {text: "*"}, f"nothing was evaluated by {text}", text not in stated
        for items, slice_ in slices.items():
            if tuple(slice_) in columns and items not in before:
                before.add(items)
                yield slice_, "the baseline has this slice, the candidate has not", text not in stated
    names = {slice_name(dict(items)) for items in before}
    for name in dict.fromkeys((*bound.rule.critical, *bound.rule.tolerances)):
        if name not in names:
            column, _, word = name.partition("=")
            yield {column: word}, "the rule names this slice, and there is none of this name", False


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

    min_slice: the rows that a slice needs. min_rows: those that every decision needs, None for `MIN_ROWS` where
    statistics decide. no_baseline: why the baseline is left out, if it is. several: whether there are several
    candidates. evidence: the paired intervals that statistical decisions rest on. gaps: how many rows a candidate alone
    leaves out, which its baseline has. left_out: how many rows of a slice were left out. remarks: what every comparison
    of a candidate says of it, as that its predictions are the baseline's.
    """

    min_slice: int = MIN_SLICE
    min_rows: int | None = None
    no_baseline: str | None = None
    several: bool = False
    evidence: PairedBounds | None = None
    gaps: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[Items, int] = field(default_factory=dict)
    remarks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """The status of a case, and the reason for it. note: what is to be shown of it in any case."""

    status: Status
    message: str
    limit: float | None = None
    interval: tuple[float, float] | None = None
    note: str = ""


def judge(cases: Sequence[RuleCase], terms: Terms) -> list[Check]:
    """Judge every case, and number the ids that repeat."""
    checks: list[Check] = []
    times: dict[str, int] = {}
    for case, finding in zip(cases, _findings(cases, terms), strict=True):
        remark = terms.remarks.get(case.model)  # such as: the candidate is the baseline
        if remark and case.bound.rule.compares and finding.limit is not None:
            finding = replace(finding, message=f"{finding.message}; {remark}", note=remark)
        check = _check(case, finding, terms)
        if finding.status == "insufficient" and case.slice and _fails_by_point(case, terms):
            message = f"{check.message}; its value is worse than is allowed"
            check = replace(check, message=message, beyond=True)
        times[check.id] = times.get(check.id, 0) + 1
        checks.append(check if times[check.id] == 1 else replace(check, id=f"{check.id}#{times[check.id]}"))
    return checks


def _fails_by_point(case: RuleCase, terms: Terms) -> bool:
    """Whether what must be shown to hold does not even do so by its value."""
    rule = case.bound.rule
    by_value = replace(case, bound=case.bound._replace(rule=rule._replace(decide="point")))
    return rule.decide in ("noninferior", "equivalent") and _finding(by_value, terms).status == "fail"


def _findings(cases: Sequence[RuleCase], terms: Terms) -> list[Finding]:
    """Judge every case; the slices in which statistics decide one rule are tested together, by Holm's procedure.

    Those that fail at a level for all of them are settled, and the others are tested again at that for fewer. Inherited
    slices are tested apart, so that they take no power from the rule's own.
    """
    findings = [_finding(case, terms) for case in cases]
    families: dict[tuple[int, str, bool], list[int]] = {}
    for place, (case, finding) in enumerate(zip(cases, findings, strict=True)):
        tested = case.bound.rule.decide == "significant" and finding.interval is not None
        if tested and case.slice and not case.critical:
            families.setdefault((case.number, case.model, case.inherited), []).append(place)
    for places in families.values():
        count, open_places = len(places), places
        while open_places:
            among = len(open_places)
            for place in open_places:
                findings[place] = _finding(cases[place], terms, among, count)
            settled = [place for place in open_places if findings[place].status == "fail"]
            open_places = [place for place in open_places if settled and findings[place].status != "fail"]
    return findings


def _finding(case: RuleCase, terms: Terms, among: int = 1, count: int = 1) -> Finding:
    """Judge a case; the order of the questions is the order of their weight.

    among: of how many slices the first is tested. count: how many there are in all.
    """
    bound, rule, cell = case.bound, case.bound.rule, case.cell
    if rule.compares and terms.no_baseline is not None:
        return Finding("skipped", terms.no_baseline)
    if cell is None:
        return Finding("missing", case.absent or "there is no value")
    if case.slice and not cell.rows:
        return Finding("undefined", "the slice has no rows that were used")
    if too_few := _too_few(case, cell, terms):
        return Finding("insufficient", too_few)
    if not math.isfinite(cell.value):
        return Finding("undefined", f"the value is {_word(cell.value)}: {cell.reason or 'no reason is known'}")
    base = case.baseline if rule.compares else None
    if rule.compares and base is None:
        return Finding("missing", "the baseline has no such value")
    if base is not None and not math.isfinite(base.value):
        why = base.reason or "no reason is known"
        return Finding("undefined", f"the baseline's value is {_word(base.value)}: {why}")
    if base is not None and (gaps := terms.gaps.get(case.model, 0)):
        return Finding("insufficient", f"{_rows(gaps)} that the baseline predicts the candidate alone leaves out")
    if base is not None and base.value == 0.0 == cell.value and math.isfinite(rule.tolerance.of(0.0)):
        return Finding("pass", "0 is the same as the baseline's 0", 0.0)
    only_percent = rule.tolerance.absolute is None and rule.tolerance.percent is not None
    better = merit(cell.value, bound.direction) < 0.0  # than 0
    if base is not None and base.value == 0.0 and better and rule.decide == "significant":
        return Finding("pass", _compared(bound, cell, base, 0.0, passed=True), 0.0)
    if base is not None and base.value == 0.0 and only_percent and not better:
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
        return _tested(case, limit, terms, among, count)
    spare = 0.0 if base is None else base.rounding
    passed = merit(cell.value, bound.direction) <= highest + spare
    return Finding("pass" if passed else "fail", _compared(bound, cell, base, limit, passed), limit)


def _too_few(case: RuleCase, cell: Cell, terms: Terms) -> str:
    """Say why the rows are too few to judge; nothing where they are not.

    Rows count that have weight. Those of a slice that were left out count, too, lest leaving out hides a slice.
    """
    by_weight = cell.weighted_rows is not None and math.isfinite(cell.value)
    rows = cell.weighted_rows if by_weight and cell.weighted_rows is not None else cell.rows
    noun = "row with weight" if by_weight else "row"
    effective = "" if cell.effective is None else f", worth {cell.effective:.3g} of equal weight"
    size = rows + terms.left_out.get(tuple(case.slice.items()), 0)
    if case.slice and size < terms.min_slice and not math.isinf(cell.value):
        return f"{_rows(size, noun)}{effective}, {terms.min_slice} are needed (--min-slice)"
    statistical = case.bound.rule.compares and case.bound.rule.decide != "point"
    least = (MIN_ROWS if statistical else 0) if terms.min_rows is None else terms.min_rows
    if rows < least and not math.isinf(cell.value):
        return f"{_rows(rows, noun)}{effective}, {least} are needed (--min-rows)"
    return ""


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
    if abs(change) <= base.rounding:
        return f"{_number(value)} is the same as the baseline's {_number(base.value)}"
    how = "worse" if change > 0 else "better"
    text = (
        f"{_number(value, base.value)} is {_number(abs(change))} {how} than the baseline's {_number(base.value, value)}"
    )
    if passed and change <= 0:
        return text
    return f"{text}; {bound.rule.text} worse is allowed, {side} {_number(limit, size)}"


def _tested(case: RuleCase, limit: float, terms: Terms, among: int, count: int) -> Finding:
    """Decide a regression by the interval of how much worse the candidate is.

    among: how many slices share the error that the rule allows. count: how many there are in all.
    """
    bound, rule, evidence = case.bound, case.bound.rule, terms.evidence
    if evidence is None:
        return Finding("insufficient", "there is no evidence besides the values", limit)
    if too_few := evidence.too_few(case.model, bound.label, case.slice):
        return Finding("insufficient", too_few, limit)
    level = rule.confidence if among == 1 else 1.0 - (1.0 - rule.confidence) / among
    intervals: list[tuple[float, float]] = []  # of the worsening, then of the worsening less each tolerance
    contrasts = rule.tolerance.contrasts
    better = [(-tolerance, relative) for tolerance, relative in contrasts] if rule.decide == "equivalent" else []
    for tolerance, relative in [(0.0, False), *contrasts, *better]:
        ends = evidence.bounds(case.model, bound.label, case.slice, tolerance, relative, level)
        if isinstance(ends, str):
            return Finding("insufficient", ends, limit)
        if not all(map(math.isfinite, ends)):
            return Finding("insufficient", "the confidence bounds are not finite", limit)
        intervals.append((ends[0] + 0.0, ends[1] + 0.0))
    (low, high), beyond, short = intervals[0], intervals[1 : len(contrasts) + 1], intervals[len(contrasts) + 1 :]
    interval = (0.0 - high, 0.0 - low) if bound.direction == "max" else (low, high)
    spare = case.baseline.rounding if case.baseline is not None else 0.0
    worse = all(lower > spare for lower, _ in beyond) and low > spare
    within = any(upper <= spare for _, upper in beyond)
    if rule.decide == "equivalent":  # two one-sided tests: neither worse nor better by more than the tolerance
        worse |= all(upper < -spare for _, upper in short)
        within &= any(lower >= -spare for lower, _ in short)
    status: Status = "fail" if worse else "pass" if rule.decide == "significant" or within else "insufficient"
    proven = f"more than {rule.text} worse is {'' if worse else 'not '}shown"
    if rule.decide == "noninferior" and not worse:
        proven = f"no more than {rule.text} worse is {'' if within else 'not '}shown"
    if rule.decide == "equivalent":
        amount = "more" if worse else "no more"
        proven = f"a difference of {amount} than {rule.text} is {'' if worse or within else 'not '}shown"
    holm = f", Holm over {count} slices" if count > 1 else ""
    message = f"worse by {low:.4g} to {high:.4g} ({100 * level:.6g}%{holm}); {proven}"
    undecided = status == "pass" and not within
    if undecided and (why := evidence.guarded(case.model, bound.label, case.slice, contrasts, level)):
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
        note=finding.note,
        critical=case.critical,
        effective=cell.effective if cell is not None else None,
        number=case.number,
    )


def judge_dropped(source: Input, rule: Dropped, several: bool) -> Check:
    """Judge how many rows of an input were left out. several: whether there are several candidates."""
    rows = source.rows + source.unpaired
    limit = rule.limit(rows)
    within = source.left_out <= limit
    counts = [f"{name} {count}" for name, count in source.dropped.items()]
    return Check(
        id=(f"{source.model}:" if several else "") + "max-dropped",
        model=source.model,
        loss="",
        spec="",
        slice={},
        kind="max-dropped",
        rule=f"max-dropped {rule.text}",
        status="pass" if within else "fail",
        value=float(source.left_out),
        limit=limit,
        margin=limit - source.left_out,
        rows=rows,
        message=f"{source.left_out} of {_rows(rows)} left out ({', '.join(counts) or 'none'}); "
        f"at most {rule.text} may be (--max-dropped)",
        number=-1,
    )


def expected_alarms(cases: Sequence[RuleCase], checks: Sequence[Check]) -> list[str]:
    """Warn of rules decided by point in several slices: how many may fail by chance for an equally good model.

    Each difference is taken as normal with the errors of both values as if they were independent, which is the most
    that rows in common can have.
    """
    warnings = []
    pairs = zip(cases, checks, strict=True)
    judged = [case for case, check in pairs if case.slice and check.status in ("pass", "fail") and check.baseline]
    for same in lists_by(lambda case: (case.number, case.model), judged).values():
        strict = [case for case in same if case.bound.rule.level == "error" and case.bound.rule.decide == "point"]
        alarms = sum(map(_chance, strict))
        if len(strict) > 1 and alarms >= WORTH_SAYING:
            rule = strict[0].bound
            warnings.append(
                f"{rule.words} is decided by point in {len(strict)} slices: of an equally good model up to "
                f"{alarms:.2g} of them would fail by chance; --decide significant corrects for their number, "
                f"--slice-tolerance allows more in slices, --critical-slice names those that count"
            )
    return warnings


def _chance(case: RuleCase) -> float:
    """Return how likely the values of two equally good models differ by more than the tolerance."""
    assert case.cell is not None
    assert case.baseline is not None
    if case.cell.stderr is None or case.baseline.stderr is None:
        return 0.5
    error = math.hypot(case.cell.stderr, case.baseline.stderr)
    allowed = case.bound.rule.tolerance.of(case.baseline.value)
    return 0.5 * math.erfc(allowed / error / math.sqrt(2.0)) if error > 0.0 else 0.0


def _number(value: float, beside: float | None = None) -> str:
    """Write a number for a message, with as many digits as tell it from the one beside it."""
    digits = 6
    while digits < 17 and beside is not None and beside != value and f"{value:.{digits}g}" == f"{beside:.{digits}g}":
        digits += 1
    return f"{value:.{digits}g}"


def _rows(count: int, noun: str = "row") -> str:
    return f"{count} {noun if count == 1 else noun.replace('row', 'rows', 1)}"


def _word(value: float) -> str:
    return "not a number" if math.isnan(value) else "infinite" if value > 0 else "minus infinity"


# the verdict ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judgement:
    """The verdict, whether it is to stop what comes next, and the checks, each with whether it does."""

    verdict: Verdict
    blocks: bool
    checks: tuple[Check, ...] = ()


def conclude(checks: Sequence[Check], on_insufficient: OnInsufficient | None = None) -> Judgement:
    """Draw the verdict from all checks.

    A rule of level error that is broken, undefined or without its value is a `fail`. What could not be decided over
    all rows, in a critical slice, in one whose value is worse than is allowed where the contrary must be shown, or in
    no slice of a slicing at all, is `inconclusive` and blocks, unless `on_insufficient` is warn; with fail every slice
    that could not be decided blocks. Rules that were left out with their baseline never make a `pass`.
    """
    strict = [check for check in checks if check.level == "error"]
    broken = {check.id for check in strict if check.status in BLOCKING}
    undecided = _undecided(strict, every_slice=on_insufficient == "fail")
    stopping = broken | (set() if on_insufficient == "warn" else undecided)
    marked = tuple(replace(check, blocks=check.id in stopping) for check in checks)
    if broken or undecided:
        return Judgement("fail" if broken else "inconclusive", bool(stopping), marked)
    decided = any(check.status in DECIDED for check in strict)
    if not checks or (any(check.status == "skipped" for check in strict) and not decided):
        return Judgement("inconclusive", not checks, marked)
    return Judgement("pass", False, marked)


def _undecided(strict: Sequence[Check], every_slice: bool) -> set[str]:
    """Return the ids of the checks that could not be decided and leave the verdict open."""
    insufficient = {check.id for check in strict if check.status == "insufficient"}
    counts = (check for check in strict if not check.slice or check.critical or check.beyond or every_slice)
    stopping = {check.id for check in counts} & insufficient
    sliced = (check for check in strict if check.slice)
    for same in lists_by(lambda check: (check.number, check.model, check.loss, tuple(check.slice)), sliced).values():
        ids = {check.id for check in same}
        stopping |= ids if ids <= insufficient else set()
    return stopping
