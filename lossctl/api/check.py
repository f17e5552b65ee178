"""`check`: rules and a baseline to a verdict. The command line calls it too."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, Unpack

from lossctl.api.compare import weigh
from lossctl.api.evaluate import ROUGH, answer
from lossctl.api.options import InputOptions, Losses, Names, Note, RuleTable, options_of, with_arguments
from lossctl.api.query import Engine, Query, as_list, command, paths_of, silent, spoken, troubled
from lossctl.core.loss import Loss, merit
from lossctl.engine.paired import PairedBounds
from lossctl.engine.plan import Couple
from lossctl.errors import BaselineError, DataError, UsageError, listed, near, printable
from lossctl.files import exists, explained
from lossctl.gate.judge import (
    MIN_SLICE,
    OnInsufficient,
    RuleCase,
    Terms,
    conclude,
    expected_alarms,
    judge,
    judge_dropped,
    lay_out,
    slicings_of,
)
from lossctl.gate.rules import (
    CONFIDENCE,
    KINDS,
    OF_REGRESSIONS,
    Bound,
    Decide,
    Dropped,
    Rule,
    Tolerance,
    bind_rule,
    dropped_rule,
    limit_rule,
    merged,
    regression_rule,
    slice_tolerance,
)
from lossctl.io.atomic import check_writable, write_text
from lossctl.io.blocks import targets_beside
from lossctl.io.reports import is_report, read_report
from lossctl.io.select import OUTPUT_SUFFIXES, Selection, predicts_target, split_name
from lossctl.io.table import Table
from lossctl.output.text import slice_text
from lossctl.registry import all_labelled, labelled, loss_of, with_tables
from lossctl.results.comparison import Check
from lossctl.results.document import Place
from lossctl.results.report import Cell, First, Report, SavedReport
from lossctl.version import __version__


@with_arguments
def check(
    arguments: dict[str, Any],
    data: object,
    *,
    max: Names = None,  # noqa: A002  # the option's own name
    min: Names = None,  # noqa: A002  # the option's own name
    max_slice: Names = None,
    max_regression: Names = None,
    rules: Sequence[RuleTable | Mapping[str, object]] = (),
    baseline: str | None = None,
    decide: str = "point",
    slice_tolerance: Names = None,
    critical_slice: Names = None,
    cluster: str | None = None,
    time: str | None = None,
    horizon: int = 1,
    max_dropped: str | int | None = None,
    min_slice: int = MIN_SLICE,
    min_rows: int | None = None,
    on_insufficient: OnInsufficient | None = None,
    allow_same: bool = False,
    baseline_optional: bool = False,
    save_baseline: str | None = None,
    configured: bool = False,
    labels: Losses = None,
    worst: int = 0,
    **options: Unpack[InputOptions],
) -> Report:
    """Judge models by rules, and against a baseline; every rule is judged, and nothing passes for want of a number.

    Parameters
    ----------
    data
        What `evaluate` takes, or the path of one saved report (`-` for one on standard input).
    max, min, max_slice
        `LOSS=LIMIT`: over all rows a loss is at most this, a score at least; the same of every slice.
    max_regression
        `LOSS=TOLERANCE`, as `2%`, `0.01` or `2%,0.01`: how much worse than the baseline it may be, over all rows and
        in each slice.
    rules
        Tables of rules, as those of a configuration file: `[{"loss": "mae", "max": 0.9, "by": ["region"]}]`.
    baseline
        A saved report, a file or folder of predictions, or the name of a model.
    decide
        point, significant (a regression must be proven), noninferior (that there is none must be proven) or equivalent
        (that there is none, and no improvement beyond the tolerance, must be proven).
    slice_tolerance
        `[LOSS=]TOLERANCE`: what `max_regression` allows in slices instead.
    critical_slice
        `COLUMN=VALUE`: a slice that must be decided and hold, without `slice_tolerance`; others then only warn.
    cluster, time, horizon
        How rows depend on each other, for statistical decisions, as `compare` takes them.
    max_dropped
        The rows, as 5 or `2%`, of an input that may be left out by `missing`, `bad_rows` and `id_missing`: a rule
        of its own. By default none may.
    min_slice, min_rows
        The rows that a slice, and that any decision needs; without `min_rows` statistical ones need 30.
    on_insufficient
        warn: what could not be decided never blocks; fail: every slice that could not be decided does.
    allow_same
        Whether a prediction may be the column of the target, which is a UsageError otherwise.
    baseline_optional
        A baseline that does not exist leaves its rules out, with a warning.
    save_baseline
        Where to save the candidates' report, unless a rule stands against it.
    configured
        Whether settings of a configuration file are in force, which printed commands must then do without.
    labels
        The losses that a configuration file calls by labels: a saved report must not have others under them.
    worst
        How many of the rows to list where a model loses most, against the baseline if rows are compared with it.
    **options
        As `evaluate` takes them.

    Returns
    -------
    Report
        With `checks`, `verdict`, `advice`, `candidates`, `baseline` and `blocks` beside the cells.

    Raises
    ------
    UsageError
        The rules are wrong, or there is nothing to check.
    DataError
        The data cannot be judged.
    BaselineError
        The baseline is missing, unreadable, or of other data, parameters or another schema.

    Examples
    --------
    >>> import lossctl
    >>> data = {"y": [1.0, 2.0, 3.0], "p": [1.5, 2.0, 2.5]}
    >>> report = lossctl.check(data, target="y", pred="p", max="mae=0.3")
    >>> report.verdict, report.checks[0].message
    ('fail', '0.333333 is above 0.3, by 0.0333333')
    """
    baseline, save_baseline, by = arguments["baseline"], arguments["save_baseline"], as_list(arguments.get("by"))
    inputs = {name: arguments[name] for name in options if name not in ("by", "note")} | {"worst": worst}
    note = options.get("note") or silent
    stated = StatedRules.read(arguments, arguments["rules"], arguments["decide"])
    dropped = None if max_dropped is None else dropped_rule(str(max_dropped))
    _check_purpose(stated, baseline, save_baseline or dropped, decide, baseline_optional)
    subject = subject_of(data, stated, by, inputs, note)
    if isinstance(subject, CheckedReport):
        check_labels(subject.saved, as_list(arguments["labels"]))
    reference = baseline_of(baseline, options.get("engine")) if baseline is not None and stated else NO_BASELINE
    ages = [subject.age, *([age(reference.report, BaselineError)] if reference.report else [])]
    statistical = next((bound.rule for bound in subject.bounds if bound.rule.decide != "point"), None)
    if reference.report is not None and statistical is not None:
        raise UsageError(
            f"{statistical.origin}: decide {statistical.decide} asks for rows, and the baseline {reference.label} is "
            "a report, of values only; give the baseline's predictions, or decide by point"
        )
    if save_baseline is not None:
        reads = [piece for file in subject.files or [] for piece in (file, split_name(file)[1])]
        check_writable(save_baseline, [*reads, *([reference.path] if reference.kind == "predictions" else [])])
    more = ["--no-config"] if configured else []
    accept = None
    if reference.kind in ("report", "model") and statistical is None:  # which a report would not decide
        accept = subject.accept_command(reference.path or reference.text, reference.losses, *more)
    absent = absence(reference, subject.models, accept, baseline_optional, subject.has_column)
    reference = NO_BASELINE if absent else reference
    if statistical is None and (cluster is not None or time is not None):
        note("--cluster and --time have no say here: no rule is decided by statistics (--decide)")
    rows = None
    if statistical is not None and reference.exists:
        rows = {"cluster": cluster, "time": time, "horizon": horizon}
    report, evidence = subject.evaluate(reference, rows, arguments["allow_same"])
    for source in report.inputs:
        if source.truth == "column" and not arguments["allow_same"]:
            raise _is_target(source.model)
    absent = absent or absence(reference, lambda: report.models, accept, baseline_optional)
    reference = NO_BASELINE if absent else reference
    candidates = _candidates(report, reference)
    if not candidates:
        raise UsageError(f"--baseline {baseline}: is the only model, so there is no candidate")
    subject = replace(subject, bounds=_of_outputs(subject.bounds, report))
    cells = _baseline_cells(reference, report, subject, candidates, accept)
    cases = lay_out(subject.bounds, candidates, report.cells, cells, subject.by)
    alike = _alike(reference, report, candidates, cells)
    failed = _failed(reference)
    texts = {model: [text for text in (alike.get(model), failed) if text] for model in candidates}
    remarks = {model: "; ".join(pieces) for model, pieces in texts.items() if pieces}
    terms = Terms(
        min_slice=arguments["min_slice"],
        min_rows=arguments["min_rows"],
        no_baseline="there is no baseline" if absent else None,
        several=len(candidates) > 1,
        evidence=evidence,
        gaps=_gaps(reference, report),
        left_out={tuple(entry.slice.items()): entry.rows for entry in report.left_out},
        remarks=remarks,
    )
    checks = judge(cases, terms)
    alarms = expected_alarms(cases, checks)
    checks += _dropped(report, candidates, dropped) if stated or dropped else []
    judgement = conclude(checks, on_insufficient)
    verdict = judgement.verdict if checks else None
    warnings = [text for text in report.warnings if not text.startswith(ROUGH)]  # no interval of a value decides
    warnings += [*subject.notes, *filter(None, ages), *([absent] if absent else []), *alarms]
    if failed:
        warnings.append(f"{printable(reference.label)}: {failed}")
    warnings += [f"{model}: {text}" for model, text in alike.items()]
    perfect = [source.model for source in report.inputs if source.truth != "none"]
    warnings += [f"{model}: its prediction is the target in every row" for model in perfect]
    if save_baseline is not None:
        passed = verdict in (None, "pass")
        first = first_values(reference, cases, terms) if passed else f"the verdict is {verdict}"
        if isinstance(first, str):
            warnings.append(f"{save_baseline}: the baseline is not saved, as {first}")
        else:
            write_text(save_baseline, subject.baseline_json(report, candidates, first))
            note(f"baseline saved to {save_baseline}")
    return replace(
        report,
        version=__version__,
        warnings=tuple(warnings),
        plugins=(),
        best_sets=(),
        checks=judgement.checks,
        verdict=verdict,
        advice=() if verdict in (None, "pass") else _advice(subject, reference, checks, accept, more, rows),
        command="check",
        candidates=tuple(candidates),
        baseline=reference.label if reference.exists else None,
        blocks=judgement.blocks and verdict is not None,
    )


def _check_purpose(
    stated: StatedRules, baseline: str | None, else_done: object, decide: str, baseline_optional: bool
) -> None:
    """Raise UsageError where there is nothing to check, or rules and baseline do not go together.

    else_done: what is done without rules, if anything.
    """
    if baseline_optional and baseline is None:
        raise UsageError("--baseline-optional: there is no --baseline that it could speak of")
    rules = [*stated.of_file, *stated.of_command]
    if not rules and else_done is None:
        raise UsageError(
            "nothing to check: give a rule such as --max rmse=0.35, or --baseline main.json --max-regression rmse=2%, "
            "or [[check]] tables in a configuration file"
        )
    regressions = [rule for rule in rules if rule.compares]
    if regressions and baseline is None:
        raise UsageError(f"{regressions[0].origin}: compares with a baseline; say which with --baseline")
    if rules and not regressions and (baseline is not None or decide != "point"):
        option = f"--decide {decide}" if baseline is None else f"--baseline {baseline}"
        raise UsageError(f"{option}: no rule compares with a baseline; add one such as --max-regression rmse=2%")


def _dropped(report: Report, candidates: Sequence[str], rule: Dropped | None) -> list[Check]:
    """Judge how many rows of the candidates were left out; without a rule of its own, only where some were."""
    sources = [source for source in report.inputs if source.model in candidates and (rule or source.left_out)]
    return [judge_dropped(source, rule or Dropped(), len(candidates) > 1) for source in sources]


def _of_outputs(bounds: Sequence[Bound], report: Report) -> list[Bound]:
    """Return the rules, one for each output where a loss is reported by output alone (--per-output)."""
    labels = list(dict.fromkeys(cell.loss for cell in report.cells))
    outputs = {
        label: [name for name in labels if _split_output(name)[0] == label]
        for bound in bounds
        if (label := bound.label) not in labels
    }
    return [bound._replace(label=label) for bound in bounds for label in outputs.get(bound.label) or [bound.label]]


def _gaps(reference: Baseline, report: Report) -> dict[str, int]:
    """Return how many rows each model alone leaves out, which the baseline among them has."""
    lacks = {source.model: source.lacks.get(reference.name, 0) for source in report.inputs}
    return {model: rows for model, rows in lacks.items() if rows}


def _alike(
    reference: Baseline, report: Report, candidates: Sequence[str], cells: Mapping[Place, Cell]
) -> dict[str, str]:
    """Return the candidates that are the baseline, and in what: in the predictions of every row, or in every value."""
    same = [model for base, model in report.alike if reference.exists and base == reference.name]
    alike = dict.fromkeys(same, "the predictions are those of the baseline in every row")
    for model in candidates:
        pairs = [(cell, cells[cell.place]) for cell in report.cells if cell.model == model and cell.place in cells]
        if pairs and reference.kind == "report" and all(cell.value == base.value for cell, base in pairs):
            alike[model] = "every value is that of the baseline"
    return alike


def _failed(reference: Baseline) -> str:
    """Say that a baseline was itself refused, where it was."""
    saved = reference.report
    return "the baseline is the report of a failed check" if saved and saved.document.get("verdict") == "fail" else ""


def first_values(reference: Baseline, cases: Sequence[RuleCase], terms: Terms) -> tuple[First, ...] | str:
    """Return the values that the next baseline must not fall behind: the first ever saved, or better ones since.

    Otherwise every new baseline could be a little worse than the one before. Where the candidates are too much worse
    than these values, return the reason in their place: they must not be saved.
    """
    saved = reference.report.report.first if reference.report else ()
    values = {(entry.model, entry.loss, tuple(entry.slice.items())): entry for entry in saved}
    first: dict[Place, First] = dict(values)
    for case in cases:
        cell, base = case.cell, case.baseline
        if not case.bound.rule.compares or cell is None or base is None or not math.isfinite(base.value):
            continue
        start = values[base.place].value if base.place in values else base.value
        point = case.bound._replace(rule=case.bound.rule._replace(decide="point"))
        [check] = judge([replace(case, bound=point, baseline=replace(base, value=start))], replace(terms, gaps={}))
        if check.status in ("fail", "warn", "undefined"):
            where = f" of {slice_text(case.slice)}" if case.slice else ""
            return f"{case.bound.label}{where} would drift from the first baseline: {check.message}"
        better = merit(cell.value, case.bound.direction) < merit(start, case.bound.direction)
        first.pop(base.place, None)
        first[cell.place] = First(*cell.place[:2], cell.slice, cell.value if better else start)
    return tuple(first.values())


def _candidates(report: Report, reference: Baseline) -> list[str]:
    """Return the models that are judged: all but a baseline among them."""
    if reference.kind != "model" and reference.text in report.models:
        raise _two_meanings(reference)
    return [model for model in report.models if reference.kind in ("none", "report") or model != reference.name]


def _two_meanings(reference: Baseline) -> UsageError:
    text = printable(reference.text)
    return UsageError(
        f"--baseline {text}: is a model, and a file, too; write ./{text} for the file, or name the model otherwise "
        "with -p NAME=COLUMNS"
    )


def _baseline_cells(
    reference: Baseline, report: Report, subject: Subject, candidates: Sequence[str], accept: str | None
) -> Mapping[Place, Cell]:
    """Return, by the places of the candidates' cells, the cells that they are compared with."""
    if reference.report is not None:
        return BaselineReport(reference, reference.report, report, accept).cells(subject, candidates)
    losses = {bound.label for bound in subject.bounds}
    cells = [cell for cell in report.cells if cell.model == reference.name and cell.loss in losses]
    return {(candidate, *cell.place[1:]): cell for candidate in candidates for cell in cells}


def _advice(
    subject: Subject,
    reference: Baseline,
    checks: Sequence[Check],
    accept: str | None,
    more: Sequence[str],
    rows: Mapping[str, Any] | None,
) -> tuple[str, ...]:
    """Return the commands that show more, and that accept the new values."""
    words = [
        word
        for name, value in (rows or {}).items()
        if value is not None and (name, value) != ("horizon", 1)
        for word in (f"--{name}", str(value))
    ]
    commands = [subject.show_command(reference, troubled(checks), *more, *words)]
    regressed = any(check.kind == "max-regression" and check.status not in ("pass", "skipped") for check in checks)
    if regressed and reference.kind == "report":
        commands.append(accept)
    return tuple(text for text in commands if text is not None)


# rules ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StatedRules:
    """The rules of the configuration file and those of the command line, as written."""

    of_file: tuple[Rule, ...]
    of_command: tuple[Rule, ...]
    slice_tolerances: tuple[tuple[str, Tolerance], ...] = ()
    critical: tuple[str, ...] = ()

    @classmethod
    def read(cls, arguments: Mapping[str, Any], tables: Sequence[RuleTable], decide: Decide) -> StatedRules:
        """Read the rules; raise UsageError for one that is none. arguments: `max`, `min`, ... by name."""
        *limits, _ = KINDS
        of_file = tuple(rule for table in tables for rule in table_rules(table, decide))
        of_command = [limit_rule(kind, text) for kind in limits for text in as_list(arguments[kind.replace("-", "_")])]
        of_command += [regression_rule(text, decide) for text in as_list(arguments["max_regression"])]
        tolerances = tuple(map(slice_tolerance, as_list(arguments["slice_tolerance"])))
        return cls(of_file, tuple(of_command), tolerances, tuple(as_list(arguments["critical_slice"])))

    def __bool__(self) -> bool:
        return bool(self.of_file or self.of_command)

    def bound(self, find: Callable[[str], tuple[str, Loss]]) -> tuple[list[Bound], list[str]]:
        """Bind every rule to label and loss; return them with notes on those that others took the place of."""

        def bind(rule: Rule) -> Bound:
            try:
                label, loss = find(rule.loss)
            except UsageError as error:
                raise UsageError(f"{rule.origin}: {error}") from None
            return bind_rule(rule, label, loss.spec, loss.direction)

        bounds, notes = merged([bind(rule) for rule in self.of_file], [bind(rule) for rule in self.of_command])
        return self._in_slices(bounds, find), notes

    def _in_slices(self, bounds: Sequence[Bound], find: Callable[[str], tuple[str, Loss]]) -> list[Bound]:
        """Return rules with what --slice-tolerance and --critical-slice say of slices."""
        tolerances: dict[str, Tolerance] = {}
        for loss, tolerance in self.slice_tolerances:
            label = find(loss)[0] if loss else ""
            if not any(bound.rule.compares and label in ("", bound.label) for bound in bounds):
                raise UsageError(f"--slice-tolerance {loss or tolerance.text}: no --max-regression rule is on it")
            if label in tolerances:
                raise UsageError(f"--slice-tolerance {loss or tolerance.text}: is given twice")
            tolerances[label] = tolerance
        if wrong := [name for name in self.critical if "=" not in name]:
            raise UsageError(f"--critical-slice {wrong[0]}: is not COLUMN=VALUE, as in region=EU")
        return [
            bound._replace(
                rule=bound.rule._replace(
                    slice_tolerance=tolerances.get(bound.label, tolerances.get("", bound.rule.slice_tolerance)),
                    critical=tuple(dict.fromkeys((*bound.rule.critical, *self.critical))),
                ),
            )
            for bound in bounds
        ]


def table_rules(table: RuleTable, decide: Decide) -> list[Rule]:
    """Return the rules of one [[check]] table; `decide` is what holds where it says nothing."""
    origin = table.origin
    for option in options_of(RuleTable):
        value = getattr(table, option.name)
        if value != option.default and not option.kind.holds(value):
            raise UsageError(f"{origin}: {option.key} = {value}: {option.kind.needed} is needed")
    *limits, _ = KINDS
    values = {kind: getattr(table, kind.replace("-", "_")) for kind in limits}
    rules = [
        Rule(table.loss, kind, repr(limit).removesuffix(".0"), origin, float(limit))
        for kind, limit in values.items()
        if limit is not None
    ]
    if table.max_regression is not None:
        tolerance = Tolerance(*table.max_regression)
        decide = decide if table.decide is None else table.decide
        rule = Rule(table.loss, "max-regression", tolerance.text, origin, tolerance=tolerance, decide=decide)
        rules.append(rule._replace(slice_tolerance=table.slice_tolerance, tolerances=table.tolerances or {}))
    elif any((table.decide, table.confidence, table.slice_tolerance, table.tolerances)):
        raise UsageError(f"{origin}: {listed(list(OF_REGRESSIONS))} go with max-regression, which is not there")
    if not rules:
        raise UsageError(f"{origin}: says nothing of {table.loss}; it needs one of {listed(list(KINDS))}")
    confidence = CONFIDENCE if table.confidence is None else table.confidence
    by, critical = tuple(table.by) or None, tuple(table.critical)
    return [rule._replace(by=by, level=table.level, confidence=confidence, critical=critical) for rule in rules]


def rules_of_data(stated: StatedRules, losses: Sequence[str]) -> tuple[list[Bound], list[str], list[str]]:
    """Bind rules to the losses that are evaluated; return bound rules, notes, and all losses that it takes."""
    texts = with_tables(losses)
    evaluated = [labelled(spec) for spec in texts]

    def find(text: str) -> tuple[str, Loss]:
        for label, loss in evaluated:
            if label == text:
                return label, loss
        base, output = _split_output(text)
        if output:  # one of several outputs, as --per-output labels it
            label, loss = find(base)
            return f"{label}{output}", loss
        label, loss = labelled(text)
        for name, same in evaluated:
            if same.full_spec == loss.full_spec:
                return name, same
        evaluated.append((label, loss))
        texts.append(text)
        return label, loss

    bounds, notes = stated.bound(find)
    return bounds, notes, texts


def rules_of_report(stated: StatedRules, report: Report) -> tuple[list[Bound], list[str]]:
    """Bind rules to the losses of a saved report; one that it does not have is bound nevertheless, and will fail."""
    present = {cell.loss: replace(loss_of(cell.spec), direction=cell.direction) for cell in report.cells}

    def find(text: str) -> tuple[str, Loss]:
        if text in present:
            return text, present[text]
        base, output = _split_output(text)
        if output:
            return text, find(base)[1]
        label, loss = labelled(text)
        return next((name for name, same in present.items() if same.full_spec == loss.full_spec), label), loss

    return stated.bound(find)


def _split_output(text: str) -> tuple[str, str]:
    """Split `mae[height]` into the loss and the output in its brackets."""
    base, bracket, _ = text.partition("[")
    return (base, text[len(base) :]) if bracket and text.endswith("]") else (text, "")


# what is checked -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CheckedData:
    """Predictions that are evaluated now.

    bounds: the rules. by: the slicings of --by. options: those of `evaluate`, with all losses and slicings of rules.
    files: None for data in memory. notes: on rules that others took the place of.
    """

    data: object
    bounds: Sequence[Bound]
    by: Sequence[str]
    options: Mapping[str, Any]
    note: Note
    files: Sequence[str] | None
    notes: Sequence[str] = ()
    age: str | None = None

    def models(self) -> Sequence[str] | None:
        """Return the names of the models if they can be known before the work."""
        targets = self.options.get("targets")
        if self.files is None or "-" in self.files or (isinstance(targets, str) and targets == "-"):
            return None  # standard input is read but once
        query = Query(self.data, self.options)
        tables, names, _ = query.opened()
        return query.selection(tables, names).models

    def has_column(self, name: str) -> bool:
        """Whether a file that can be read again has this column."""
        return self.models() is not None and any(
            name in table.names for table in Query(self.data, self.options).opened()[0]
        )

    def evaluate(
        self, reference: Baseline, rows: Mapping[str, Any] | None, allow_same: bool
    ) -> tuple[Report, PairedBounds | None]:
        """Return the values of the candidates, and of the baseline if that is a model or predictions.

        rows: how rows depend on each other, where a decision rests on them; then with paired intervals. allow_same:
        whether a prediction may be the column of the target.
        """
        data = self.data
        if reference.kind == "predictions":
            if self.files is None:
                raise UsageError(f"--baseline {reference.text}: is a file, so the candidates must be files, too")
            preds = as_list(self.options.get("pred"))
            if len(self.files) == 1 and reference.text in [split_name(text)[0] or text for text in preds]:
                raise _two_meanings(reference)
            if len(preds) > 1:
                raise UsageError(
                    f"--baseline {reference.text}: is a file of predictions, in which several -p would name several "
                    "baselines; give one -p, or the name of a model as the baseline"
                )
            data = [*self.files, f"{reference.name}={reference.path}"]

        def inspect(tables: Sequence[Table], selection: Selection) -> list[Couple]:
            if not allow_same:
                check_not_target(tables, selection)
            if reference.kind == "predictions" and not as_list(self.options.get("id")):
                check_order_known(tables, selection, reference)
            if reference.kind == "predictions":
                check_shared(tables, selection, reference, has_targets=self.options.get("targets") is not None)
            baselines = [model for model in selection.models if reference.exists and model == reference.name]
            return [(base, model) for base in baselines for model in selection.models if model != base]

        if rows is not None:
            return weigh(data, reference.name, inspect=inspect, note=self.note, **rows, **self.options)
        return answer(Query(data, {**self.options, "note": self.note}), inspect=inspect)

    def baseline_json(self, report: Report, candidates: Sequence[str], first: tuple[First, ...]) -> str:
        """Return the text of a baseline of these candidates. first: the values of the first of its line."""
        return replace(report.of_models(candidates), first=first).to_json()

    def accept_command(self, path: str, losses: Sequence[str], *more: str) -> str | None:
        """Return the command that saves the values, and those of further losses, as a baseline."""
        if self.files is None:
            return None
        labels = {labelled(text)[0] for text in with_tables(self.options["losses"])}
        further = [text for text in losses if labelled(text)[0] not in labels]
        options = {**self.options, "losses": [*self.options["losses"], *further]}
        return command("check", self.files, options, "--save-baseline", path, *more)

    def show_command(self, reference: Baseline, losses: Sequence[str], *more: str) -> str | None:
        """Return the command that shows more of some losses."""
        if self.files is None:
            return None
        options = {**self.options, "losses": losses}
        if reference.kind in ("none", "report"):
            return command("eval", self.files, options, "-f", "long", *more)
        predictions = [f"{reference.name}={reference.path}"] if reference.kind == "predictions" else []
        files = [*self.files, *predictions]
        return command("compare", files, options, "--baseline", reference.name, "--worst", "20", *more)


@dataclass(frozen=True)
class CheckedReport:
    """A report that was saved, or that is piped in; its fields and methods are those of `CheckedData`."""

    saved: SavedReport
    bounds: Sequence[Bound]
    by: Sequence[str]
    files: Sequence[str]
    notes: Sequence[str] = ()

    def models(self) -> Sequence[str] | None:
        return self.saved.report.models

    def has_column(self, name: str) -> bool:
        return False

    @property
    def age(self) -> str | None:
        """A note on the version that wrote the report; raises DataError where that counts otherwise."""
        return age(self.saved, DataError)

    def evaluate(
        self, reference: Baseline, rows: Mapping[str, Any] | None, allow_same: bool
    ) -> tuple[Report, PairedBounds | None]:
        """Return the report; raise UsageError where rows would be needed."""
        if reference.kind == "predictions":
            raise UsageError(
                f"--baseline {reference.text}: holds predictions, and {self.saved.label} is a report, of values only; "
                "compare reports with reports or predictions with predictions"
            )
        if rows is not None:
            raise UsageError(
                f"{self.saved.label}: is a report, of values only, and significant, noninferior and equivalent ask for "
                "rows; check the predictions, or decide by point"
            )
        return self.saved.report, None

    def baseline_json(self, report: Report, candidates: Sequence[str], first: tuple[First, ...]) -> str:
        """Return the text of a baseline of these candidates, made when and by what the report was."""
        return self.saved.of_models(candidates, first)

    def accept_command(self, path: str, losses: Sequence[str], *more: str) -> str | None:
        """Return the command that saves the report as a baseline."""
        return None if self.files in ([], ["-"]) else command("check", self.files, {}, "--save-baseline", path, *more)

    def show_command(self, reference: Baseline, losses: Sequence[str], *more: str) -> str | None:
        """Return the command that shows the changes from the baseline."""
        if reference.kind != "report" or self.files in ([], ["-"]):
            return None
        return command("diff", [reference.path, *self.files], {})


Subject = CheckedData | CheckedReport


def subject_of(data: object, stated: StatedRules, by: Sequence[str], inputs: Mapping[str, Any], note: Note) -> Subject:
    """Return what is to be checked: data, or a saved report, whichever the arguments name."""
    files = [] if isinstance(data, Report) else paths_of(data)
    reports: list[str | Report] = [data] if isinstance(data, Report) else [*reports_among(files or [])]
    if not reports:
        bounds, notes, losses = rules_of_data(stated, as_list(inputs.get("losses")))
        slicings = list(dict.fromkeys([*by, *(text for bound in bounds for text in bound.rule.slicings(by))]))
        for rule in (bound.rule for bound in bounds):
            if not rule.all_rows and not rule.slicings(by):
                raise UsageError(f"{rule.origin}: speaks of slices; say by which columns with --by")
        return CheckedData(data, bounds, by, {**inputs, "losses": losses, "by": slicings}, note, files, notes)
    [report, *_] = reports
    name, path = (None, report) if isinstance(report, Report) else split_name(report)
    if name is not None or len(files or []) > 1:
        raise UsageError(f"{path}: is a saved report, which is checked alone and has its models' names")
    if flags := spoken(inputs):
        label = path if isinstance(path, str) else "the data"
        raise UsageError(f"{', '.join(flags)}: {label} is a saved report, for which data and losses are settled")
    if isinstance(path, str) and path.lower().endswith(OUTPUT_SUFFIXES) and not path.lower().endswith(".json"):
        raise DataError(
            f"{printable(path)}: is a saved report under the name of a table of predictions; a report that is to be "
            "checked has a name that ends in .json"
        )
    saved = read_report(path)
    bounds, notes = rules_of_report(stated, saved.report)
    slicings = [",".join(columns) for columns, _ in saved.report.slicings() if columns]
    return CheckedReport(saved, bounds, by or slicings, [path] if isinstance(path, str) else [], notes)


def check_labels(saved: SavedReport, losses: Sequence[str]) -> None:
    """Raise UsageError where a report has another loss under the label of one of these."""
    for label, loss in all_labelled(losses):
        for cell in saved.report.cells:
            if _split_output(cell.loss)[0] == label and loss_of(cell.spec).full_spec != loss.full_spec:
                raise UsageError(
                    f"{saved.label}: its {printable(label)} is {printable(cell.spec)}, and that of the configuration "
                    f"is {printable(loss.spec)}; make the report anew with -l {printable(label)}={printable(loss.spec)}"
                )


def reports_among(files: Sequence[str]) -> list[str]:
    """Return those of some `[NAME=]PATH` texts that are saved reports."""
    return [file for file in files if is_report(split_name(file)[1])]


def check_not_target(tables: Sequence[Table], selection: Selection) -> None:
    """Raise UsageError for a model whose prediction is the column of the target."""
    for model in selection.models:
        if predicts_target(tables, selection, model):
            raise _is_target(model, selection.slots[model]["pred"].named())


def _is_target(model: str, column: str = "") -> UsageError:
    named = f", column {column}," if column else ""
    return UsageError(
        f"{printable(model)}: its prediction{named} is the column of the target, which any rule passes; name another "
        "with -p, or allow it with --allow-same"
    )


def check_order_known(tables: Sequence[Table], selection: Selection, reference: Baseline) -> None:
    """Raise UsageError for a baseline's predictions of which nothing says that they are in the candidate's order."""
    slot = selection.slots[reference.name].get("pred")
    if slot is None or selection.target is None or slot.table == selection.target.table:
        return
    if slot.table not in targets_beside(tables, selection):
        columns = ",".join(map(printable, selection.target.columns))
        raise UsageError(
            f"--baseline {printable(reference.text)}: nothing says that its rows are in the order of the candidate's: "
            f"add the target, column {columns}, to it; or pair them by a key, --id COLUMN, with the target in a file "
            "that --targets names; or give a report of it (--save-baseline)"
        )


def check_shared(tables: Sequence[Table], selection: Selection, reference: Baseline, *, has_targets: bool) -> None:
    """Raise UsageError for roles beside the prediction that the candidate's file alone holds, as it could choose them.

    has_targets: whether the last table is one of targets, whose columns hold for all models.
    """
    slots = selection.slots[reference.name]
    places = {slots["pred"].table} if "pred" in slots else {slot.table for slot in slots.values()}
    trusted = [tables[place] for place in places] + ([tables[-1]] if has_targets else [])
    groups = [slot for slots in selection.groupings.values() for slot in slots]
    for slot in [*filter(None, (selection.target, selection.weight)), *slots.values(), *groups]:
        if not any(set(slot.columns) <= set(table.names) for table in trusted):
            path = printable(reference.path)
            raise UsageError(
                f"--baseline {path}: does not hold column {slot.named()}, which {tables[slot.table].label} alone has: "
                f"so the candidate would choose what it is judged by; add the column to {path}, or give --targets FILE "
                "that holds it"
            )


# the baseline --------------------------------------------------------------------------------------------------------


def age(saved: SavedReport, error: type[BaselineError] | type[DataError]) -> str | None:
    """Return a note where another minor version wrote a report; raise an error where another major one did."""
    version, now = saved.report.version, __version__
    if version.split(".")[0] != now.split(".")[0]:
        raise error(
            f"{saved.label}: was written by lossctl {printable(version)}, another major version than {now}; "
            "write it anew"
        )
    if version.split(".")[:2] == now.split(".")[:2]:
        return None
    return f"{saved.label}: was written by lossctl {printable(version)}, and this is {now}"


@dataclass(frozen=True)
class Baseline:
    """What --baseline names: a report that was read, predictions under a name, a model, or nothing.

    name: of the model; for a report the name of one in it, or empty.
    """

    text: str = ""
    kind: Literal["none", "report", "predictions", "model"] = "none"
    name: str = ""
    path: str = ""
    report: SavedReport | None = None

    @property
    def exists(self) -> bool:
        """Whether there is a baseline."""
        return self.kind != "none"

    @property
    def label(self) -> str:
        """What to call it in a headline."""
        return self.text if self.kind == "model" else self.path

    @property
    def losses(self) -> list[str]:
        """The losses of a saved report, labels included, so that a new one has them, too."""
        losses: dict[str, None] = {}
        for cell in () if self.report is None else self.report.report.cells:
            with suppress(UsageError):  # what this lossctl does not know cannot be in a new one
                text = cell.spec if cell.loss == cell.spec else f"{cell.loss}={cell.spec}"
                labelled(text)
                losses[text] = None
        return list(losses)


NO_BASELINE: Final = Baseline()


def baseline_of(text: str, engine: Engine | None = None) -> Baseline:
    """Tell what a text of --baseline names, by what exists; a text that is no path may be a model's name."""
    if text == "-":
        raise UsageError("--baseline -: standard input is for the candidate; a baseline is a file or a model")
    name, path = split_name(text)
    if not path:
        raise UsageError(f"--baseline {text!r}: a file or the name of a model is needed")
    if engine is not None and engine.baseline(path):
        return Baseline(text, "predictions", name or "baseline", path)
    try:
        if not exists(path):
            return Baseline(text, "model", text)
    except OSError as error:  # which does not make it a name, or a file that may be missing
        raise BaselineError(f"--baseline {printable(path)}: {explained(error)}") from None
    if os.path.isdir(path) or not is_report(path):
        return Baseline(text, "predictions", name or "baseline", path)
    try:
        return Baseline(text, "report", name or "", path, read_report(path))
    except DataError as error:
        raise BaselineError(f"--baseline {error}") from None


def absence(
    reference: Baseline,
    models: Callable[[], Sequence[str] | None],
    accept: str | None,
    optional: bool,
    has_column: Callable[[str], bool] = lambda _: False,
) -> str | None:
    """Say that the baseline is neither a file nor a model, where that is known, or raise BaselineError.

    accept: the command that writes the file. optional: whether a file may be missing. has_column: whether the files
    have a column, which would be a model with -p.
    """
    if reference.kind != "model":
        return None
    names = models()
    if names is None or reference.name in names:
        return None
    models_are = f", and the models are {listed([printable(name) for name in names])}" if names else ""
    writes = f"; `{printable(accept)}` writes it" if accept else ""
    if has_column(reference.text):
        writes = f"; -p {printable(reference.text)} makes the column of this name one"
    is_link = os.path.islink(split_name(reference.text)[1])  # what it leads to is lost, and was there once
    fault = "is a link to a file that does not exist" if is_link else "there is no such file"
    text = f"--baseline {printable(reference.text)}: {fault}{models_are}"
    text += f"{near(reference.text, list(names))}{writes}"
    names_file = os.sep in reference.text or os.path.splitext(reference.text)[1]
    if not optional or is_link or not names_file:
        raise BaselineError(text)
    return f"{text}; the rules that compare with it are left out (--baseline-optional)"


COVERED = "the row count and the values of target, weight, key (--id) and slices (--by), never predictions"


class BaselineReport:
    """A saved report as a baseline: the cell that each cell of a candidate is compared with.

    Raises BaselineError where the report is of other data, another reduction, or lacks what a rule needs.
    """

    def __init__(self, reference: Baseline, saved: SavedReport, report: Report, accept: str | None) -> None:
        self.saved, self.report = saved.report, report
        self.path, self.name = printable(reference.path), reference.name
        self.again = f"; `{printable(accept)}` makes this candidate the baseline" if accept else ""
        digests = list(dict.fromkeys(source.data for source in report.inputs))
        if saved.digests != digests:
            raise self._unfit(
                f"is of other data: digest {listed(saved.digests)}, here {listed(digests)}; a digest covers {COVERED}, "
                "so -t, -w, --id and --by must be the same, too"
            )
        if self.saved.reduction != report.reduction:
            raise self._unfit(f"was made with --reduction {self.saved.reduction}, this is {report.reduction}")
        saved_reading, reading = (source.reading and source.reading.signed for source in (self.saved, report))
        if saved_reading and reading and saved_reading != reading:
            raise self._unfit(f"reads the target otherwise: {printable(saved_reading)}, here {printable(reading)}")

    def cells(self, subject: Subject, candidates: Sequence[str]) -> dict[Place, Cell]:
        """Return the baseline's cells by the places of the candidates'."""
        self._check_rows(candidates)
        cells: dict[Place, Cell] = {}
        owners = {model: self._owner(model) for model in candidates}
        for bound in subject.bounds:
            for model, owner in owners.items() if bound.rule.compares else ():
                new = [cell for cell in self.report.cells if (cell.model, cell.loss) == (model, bound.label)]
                if new:  # where the candidate lacks the loss, its rule says so
                    old = self._cells_of_loss(bound, owner, new[0])
                    cells |= {(model, bound.label, cell.place[2]): cell for cell in old}
                    self._check_slices(bound, new, old, subject.by)
        return cells

    def _check_rows(self, candidates: Sequence[str]) -> None:
        """Raise BaselineError where other rows were used, as others have a missing value: nothing can be compared."""
        inputs = {source.model: source for source in self.saved.inputs}
        for source in self.report.inputs:
            if source.model in candidates and (old := inputs[self._owner(source.model)]).kept != source.kept:
                raise self._unfit(
                    f"is of other rows: {printable(source.model)} has {source.used} of {source.rows} rows without a "
                    f"missing value, and the baseline {old.used}, which are not the same ones"
                )

    def _unfit(self, reason: str) -> BaselineError:
        return BaselineError(f"--baseline {self.path}: {reason}{self.again}")

    def _owner(self, model: str) -> str:
        """Return the baseline's model for a candidate: the one --baseline names, that of its name, or the only one."""
        models, name = self.saved.models, self.name or model
        if name in models or (len(models) == 1 and not self.name):
            return name if name in models else models[0]
        raise self._unfit(
            f"has no model {printable(name)!r}{near(name, models)}; it has {listed([printable(n) for n in models])}, "
            f"which --baseline MODEL={self.path} chooses from"
        )

    def _cells_of_loss(self, bound: Bound, owner: str, candidate: Cell) -> list[Cell]:
        """Return the baseline's cells of a rule's loss: by its label, else by its spec; parameters must agree."""
        cells = [cell for cell in self.saved.cells if cell.model == owner]
        same = [cell for cell in cells if cell.parameters == candidate.parameters]
        for label in (bound.label, *dict.fromkeys(cell.loss for cell in same)):
            if matches := [cell for cell in same if cell.loss == label]:
                return matches
        for cell in cells:
            if cell.loss == bound.label:
                raise self._unfit(f"{printable(cell.loss)} is {cell.parameters} there, {candidate.parameters} here")
        losses = [printable(name) for name in dict.fromkeys(cell.loss for cell in cells)]
        raise self._unfit(f"has no {printable(bound.label)}; it has {listed(losses)}")

    def _check_slices(self, bound: Bound, new: Sequence[Cell], old: Sequence[Cell], by: Sequence[str]) -> None:
        """Raise BaselineError for a slice that the rule applies to and the baseline does not have."""
        places = {cell.place[2] for cell in old}
        slicings = list(dict.fromkeys(tuple(cell.slice) for cell in new if cell.slice))
        applies = {columns for text in bound.rule.slicings(by) for columns in slicings_of(text, slicings)} | {()}
        for cell in new:
            if tuple(cell.slice) in applies and cell.place[2] not in places:
                rows = printable(slice_text(cell.slice) or "all rows")
                raise self._unfit(f"has no {printable(bound.label)} of {rows}; --by must be the same")
