"""`check`: rules and a baseline to a verdict. The command line calls it too."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Unpack

from lossctl import registry
from lossctl.api.compare import weigh
from lossctl.api.evaluate import ROUGH, evaluate
from lossctl.api.options import InputOptions, Names, Note
from lossctl.api.query import Query, as_list, command, open_inputs, paths_of, silent, spoken, troubled, with_arguments
from lossctl.core.loss import Loss
from lossctl.errors import BaselineError, DataError, UsageError, listed, near, printable
from lossctl.gate.judge import (
    MIN_SLICE,
    Evidence,
    OnInsufficient,
    Place,
    Terms,
    conclude,
    judge,
    lay_out,
    place,
    slicings_of,
)
from lossctl.gate.rules import (
    Bound,
    Decide,
    Kind,
    Rule,
    Table,
    decision,
    limit_rule,
    merged,
    regression_rule,
    table_rules,
)
from lossctl.io.atomic import check_writable, write_text
from lossctl.io.reports import is_report, read_report
from lossctl.io.select import split_name
from lossctl.registry import labelled, with_tables
from lossctl.results.report import Cell, Check, Report, SavedReport
from lossctl.version import __version__


@dataclass(frozen=True)
class Demands:
    """The rules of the configuration file and those of the command line, as written."""

    of_file: tuple[Rule, ...]
    of_command: tuple[Rule, ...]

    @classmethod
    def read(
        cls, limits: Sequence[tuple[Kind, str]], regressions: Sequence[str], tables: Sequence[Table], decide: Decide
    ) -> Demands:
        """Read the rules; raise UsageError for one that is none."""
        filed = tuple(rule for table in tables for rule in table_rules(table, decide))
        asked = [limit_rule(kind, text) for kind, text in limits]
        asked += [regression_rule(text, decide) for text in regressions]
        return cls(filed, tuple(asked))

    def __bool__(self) -> bool:
        return bool(self.of_file or self.of_command)

    def bound(self, find: Callable[[str], tuple[str, Loss]]) -> tuple[list[Bound], list[str]]:
        """Bind every rule to label and loss; return them with notes on those that others took the place of."""

        def bind(rule: Rule) -> Bound:
            try:
                label, loss = find(rule.loss)
            except UsageError as error:
                raise UsageError(f"{rule.origin}: {error}") from None
            return Bound(rule, label, loss.spec, loss.direction)

        return merged([bind(rule) for rule in self.of_file], [bind(rule) for rule in self.of_command])


def of_data(demands: Demands, losses: Sequence[str]) -> tuple[list[Bound], list[str], list[str]]:
    """Bind rules to the losses that are asked for; return bound rules, notes, and all losses that it takes."""
    texts = with_tables(losses)
    asked = [registry.labelled(spec) for spec in texts]

    def find(text: str) -> tuple[str, Loss]:
        for label, loss in asked:
            if label == text:
                return label, loss
        base, output = _of_output(text)
        if output:  # one of several outputs, as --per-output labels it
            label, wanted = find(base)
            return f"{label}{output}", wanted
        label, wanted = registry.labelled(text)
        for known, loss in asked:
            if loss.full_spec == wanted.full_spec:
                return known, loss
        asked.append((label, wanted))
        texts.append(text)
        return label, wanted

    bounds, notes = demands.bound(find)
    return bounds, notes, texts


def _of_output(text: str) -> tuple[str, str]:
    """Split `mae[height]` into the loss and the output in its brackets."""
    base, bracket, _ = text.partition("[")
    return (base, text[len(base) :]) if bracket and text.endswith("]") else (text, "")


def of_report(demands: Demands, report: Report) -> tuple[list[Bound], list[str]]:
    """Bind rules to the losses of a saved report; one that it does not have is bound nevertheless, and will fail."""
    present = {cell.loss: registry.loss_of(cell.spec) for cell in report.cells}

    def find(text: str) -> tuple[str, Loss]:
        if text in present:
            return text, present[text]
        base, output = _of_output(text)
        if output:
            return text, find(base)[1]
        label, wanted = registry.labelled(text)
        same = [known for known, loss in present.items() if loss.full_spec == wanted.full_spec]
        return (same or [label])[0], wanted

    return demands.bound(find)


COVERED = "the row count and the values of target, weight, key (--id) and slices (--by), never predictions"


@dataclass(frozen=True)
class Reference:
    """What --baseline names: a report that was read, predictions under a name, a model, or nothing that is there.

    name: of the model; for a report of the one in it that is chosen, if any.
    """

    text: str
    kind: Literal["report", "predictions", "model"]
    name: str = ""
    path: str = ""
    report: SavedReport | None = None

    @property
    def label(self) -> str:
        """What to call it in a headline."""
        return self.text if self.kind == "model" else self.path


def referred(text: str) -> Reference:
    """Tell what a text of --baseline names, by what exists; a text that is no path may be a model's name."""
    if text == "-":
        raise UsageError("--baseline -: standard input is for the candidate; a baseline is a file or a model")
    name, path = split_name(text)
    if not path:
        raise UsageError(f"--baseline {text!r}: a file or the name of a model is needed")
    if not os.path.exists(path):
        return Reference(text, "model", text)
    if os.path.isdir(path) or not is_report(path):
        return Reference(text, "predictions", name or "baseline", path)
    try:
        return Reference(text, "report", name or "", path, read_report(path))
    except DataError as error:
        raise BaselineError(f"--baseline {error}") from None


def unknown(text: str, models: Sequence[str] | None, creates: str | None) -> str:
    """Say that a text names neither a file nor a model, and how the file comes to be."""
    models = list(models or [])
    known = f", and the models are {listed([printable(name) for name in models])}" if models else ""
    made = f"; `{printable(creates)}` writes it" if creates else ""
    return f"--baseline {printable(text)}: there is no such file{known}{near(text, models)}{made}"


def absence(
    reference: Reference | None, models: Callable[[], Sequence[str] | None], accept: str | None, optional: bool
) -> str | None:
    """Say that the baseline is neither a file nor a model, where that is known, or raise BaselineError."""
    if reference is None or reference.kind != "model":
        return None
    known = models()
    if known is None or reference.name in known:
        return None
    text = unknown(reference.text, known, accept)
    if not optional or not (os.sep in reference.text or os.path.splitext(reference.text)[1]):  # it names no file
        raise BaselineError(text)
    return f"{text}; the rules that compare with it are left out (--baseline-optional)"


def losses_of(reference: Reference) -> list[str]:
    """Return the losses of a saved report, labels included, so that a new one has them, too."""
    if reference.report is None:
        return []
    found: dict[str, None] = {}
    for cell in reference.report.report.cells:
        with suppress(UsageError):  # what this lossctl does not know cannot be in a new one
            text = cell.spec if cell.loss == cell.spec else f"{cell.loss}={cell.spec}"
            registry.labelled(text)
            found[text] = None
    return list(found)


class Match:
    """Finds, in a saved report, the cell that each cell of a candidate is held against.

    Raises BaselineError where the report is of other data, another reduction, or lacks what a rule needs.
    """

    def __init__(self, reference: Reference, found: Report, creates: str | None) -> None:
        assert reference.report is not None
        self.report = reference.report.report
        self.path, self.name = printable(reference.path), reference.name
        self.found = found
        self.again = f"; `{printable(creates)}` makes this candidate the baseline" if creates else ""
        here = list(dict.fromkeys(source.data for source in found.inputs))
        if reference.report.digests != here:
            raise self._unfit(
                f"is of other data: digest {listed(reference.report.digests)}, here {listed(here)}; a digest covers "
                f"{COVERED}, so -t, -w, --id and --by must be the same, too"
            )
        if self.report.reduction != found.reduction:
            raise self._unfit(f"was made with --reduction {self.report.reduction}, this is {found.reduction}")

    def cells(self, bounds: Sequence[Bound], candidates: Sequence[str], given: Sequence[str]) -> dict[Place, Cell]:
        """Return the baseline's cells by the places of the candidates'."""
        chosen: dict[Place, Cell] = {}
        owners = {model: self._owner(model) for model in candidates}
        for bound in bounds:
            for model, owner in owners.items():
                own = [cell for cell in self.found.cells if (cell.model, cell.loss) == (model, bound.label)]
                if not own:
                    continue  # the candidate lacks the loss, which its rule says
                held = self._loss(bound, owner, own[0])
                chosen |= {place(model, bound.label, cell.slice): cell for cell in held}
                self._slices(bound, own, held, given)
        return chosen

    def same_rows(self, candidates: Sequence[str]) -> None:
        """Raise BaselineError where other rows were used, as others have a missing value: nothing can be compared."""
        there = {source.model: source for source in self.report.inputs}
        for source in self.found.inputs:
            if source.model in candidates and (held := there[self._owner(source.model)]).kept != source.kept:
                raise self._unfit(
                    f"is of other rows: {printable(source.model)} has {source.used} of {source.rows} rows without a "
                    f"missing value, and the baseline {held.used}, which are not the same ones"
                )

    def _unfit(self, what: str) -> BaselineError:
        return BaselineError(f"--baseline {self.path}: {what}{self.again}")

    def _owner(self, model: str) -> str:
        """Return the baseline's model for a candidate: the one that is asked for, that of its name, or the only one."""
        models, wanted = self.report.models, self.name or model
        if wanted in models or (len(models) == 1 and not self.name):
            return wanted if wanted in models else models[0]
        names = [printable(name) for name in models]
        raise self._unfit(
            f"has no model {printable(wanted)!r}{near(wanted, models)}; it has {listed(names)}, which --baseline "
            f"MODEL={self.path} chooses from"
        )

    def _loss(self, bound: Bound, owner: str, candidate: Cell) -> list[Cell]:
        """Return the baseline's cells of a rule's loss: by its label, else by its spec; parameters must agree."""
        own = [cell for cell in self.report.cells if cell.model == owner]
        same = [cell for cell in own if _parameters(cell) == _parameters(candidate)]
        for label in (bound.label, *dict.fromkeys(cell.loss for cell in same)):
            if found := [cell for cell in same if cell.loss == label]:
                return found
        if named := [cell for cell in own if cell.loss == bound.label]:
            raise self._unfit(
                f"{printable(bound.label)} is {_parameters(named[0])} there, {_parameters(candidate)} here"
            )
        losses = [printable(name) for name in dict.fromkeys(cell.loss for cell in own)]
        raise self._unfit(f"has no {printable(bound.label)}; it has {listed(losses)}")

    def _slices(self, bound: Bound, own: Sequence[Cell], held: Sequence[Cell], given: Sequence[str]) -> None:
        """Raise BaselineError for a slice that the rule applies to and the baseline does not have."""
        known = {tuple(cell.slice.items()) for cell in held}
        slicings = list(dict.fromkeys(tuple(cell.slice) for cell in own if cell.slice))
        applies = {columns for text in bound.rule.slicings(given) for columns in slicings_of(text, slicings)} | {()}
        for cell in own:
            if tuple(cell.slice) in applies and tuple(cell.slice.items()) not in known:
                where = ", ".join(f"{column}={word}" for column, word in cell.slice.items()) or "all rows"
                raise self._unfit(f"has no {printable(bound.label)} of {printable(where)}; --by must be the same")


def held_by(model: str, found: Report, bounds: Sequence[Bound], candidates: Sequence[str]) -> Mapping[Place, Cell]:
    """Return, by the places of the candidates' cells, those of a model of the same evaluation."""
    losses = {bound.label for bound in bounds}
    own = [cell for cell in found.cells if cell.model == model and cell.loss in losses]
    return {place(candidate, cell.loss, cell.slice): cell for candidate in candidates for cell in own}


def _parameters(cell: Cell) -> str:
    """The loss with all its parameters: how a signature begins."""
    return cell.signature.partition("|")[0]


class Trial(Protocol):
    """Something to judge: its rules bound to losses, its slicings, and how its values come about."""

    @property
    def bounds(self) -> Sequence[Bound]: ...
    @property
    def given(self) -> Sequence[str]: ...
    @property
    def files(self) -> Sequence[str] | None: ...
    @property
    def remarks(self) -> Sequence[str]: ...

    def models(self) -> Sequence[str] | None:
        """Return the names of its models if they can be known before the work."""

    def run(self, reference: Reference | None, rows: Mapping[str, Any] | None) -> tuple[Report, Evidence | None]:
        """Return the values of the candidates, and of the baseline if that is a model or predictions.

        rows: how rows depend on each other, where a decision rests on them.
        """

    def kept(self, found: Report, candidates: Sequence[str]) -> str:
        """Return the text of a baseline of these candidates."""

    def accepts(self, path: str, losses: Sequence[str], *more: str) -> str | None:
        """Return the command that saves its values, and those of further losses, as a baseline."""

    def looks(self, reference: Reference | None, losses: Sequence[str], *more: str) -> str | None:
        """Return the command that shows more of some losses."""


@dataclass(frozen=True)
class DataTrial:
    """Predictions that are evaluated now; options are those of `evaluate`, with all losses and slicings of rules."""

    data: object
    bounds: Sequence[Bound]
    given: Sequence[str]
    options: Mapping[str, Any]
    note: Note
    files: Sequence[str] | None
    remarks: Sequence[str] = ()

    def models(self) -> Sequence[str] | None:
        options = self.options
        targets = options.get("targets")
        if self.files is None or "-" in self.files or (isinstance(targets, str) and targets == "-"):
            return None  # standard input is read but once
        tables, names, _ = open_inputs(self.data, options.get("targets"), options.get("delimiter"))
        return Query(self.data, options).selection(tables, names).models

    def run(self, reference: Reference | None, rows: Mapping[str, Any] | None) -> tuple[Report, Evidence | None]:
        data = self.data
        if reference is not None and reference.kind == "predictions":
            if self.files is None:
                raise UsageError(f"--baseline {reference.text}: is a file, so the candidates must be files, too")
            if len(as_list(self.options.get("pred"))) > 1:
                raise UsageError(
                    f"--baseline {reference.text}: is a file of predictions, in which several -p would name several "
                    "baselines; give one -p, or the name of a model as the baseline"
                )
            data = [*self.files, f"{reference.name}={reference.path}"]
        if reference is not None and rows is not None:
            return weigh(data, reference.name, note=self.note, **rows, **self.options)
        return evaluate(data, note=self.note, **self.options), None

    def kept(self, found: Report, candidates: Sequence[str]) -> str:
        return found.of_models(candidates).to_json()

    def accepts(self, path: str, losses: Sequence[str], *more: str) -> str | None:
        if self.files is None:
            return None
        known = {labelled(text)[0] for text in with_tables(self.options["losses"])}
        more_losses = [text for text in losses if labelled(text)[0] not in known]
        options = {**self.options, "losses": [*self.options["losses"], *more_losses]}
        return command("check", self.files, options, "--save-baseline", path, *more)

    def looks(self, reference: Reference | None, losses: Sequence[str], *more: str) -> str | None:
        if self.files is None:
            return None
        options = {**self.options, "losses": losses}
        if reference is None or reference.kind == "report":
            return command("eval", self.files, options, "-f", "long", *more)
        files = self.files
        if reference.kind == "predictions":
            files = [*files, f"{reference.name}={reference.path}"]
        return command("compare", files, options, "--baseline", reference.name, "--worst", "20", *more)


@dataclass(frozen=True)
class ReportTrial:
    """A report that was saved, or that is piped in."""

    saved: SavedReport
    bounds: Sequence[Bound]
    given: Sequence[str]
    files: Sequence[str]
    remarks: Sequence[str] = ()

    def models(self) -> Sequence[str] | None:
        return self.saved.report.models

    def run(self, reference: Reference | None, rows: Mapping[str, Any] | None) -> tuple[Report, Evidence | None]:
        if reference is not None and reference.kind == "predictions":
            raise UsageError(
                f"--baseline {reference.text}: holds predictions, and {self.saved.label} is a report, of values only; "
                "compare reports with reports or predictions with predictions"
            )
        if rows is not None:
            raise UsageError(
                f"{self.saved.label}: is a report, of values only, and significant and noninferior ask for rows; check "
                "the predictions, or decide by point"
            )
        return self.saved.report, None

    def kept(self, found: Report, candidates: Sequence[str]) -> str:
        return self.saved.of_models(candidates)

    def accepts(self, path: str, losses: Sequence[str], *more: str) -> str | None:
        return None if "-" in self.files else command("check", self.files, {}, "--save-baseline", path, *more)

    def looks(self, reference: Reference | None, losses: Sequence[str], *more: str) -> str | None:
        if reference is None or reference.kind != "report" or "-" in self.files:
            return None
        return command("diff", [reference.path, *self.files], {})


def trial(data: object, demands: Demands, by: Sequence[str], inputs: Mapping[str, Any], note: Note) -> Trial:
    """Return the trial of data or of a saved report, whichever the arguments name."""
    files = paths_of(data)
    reports = reports_among(files or [])
    if not reports:
        bounds, notes, losses = of_data(demands, as_list(inputs.get("losses")))
        slicings = list(dict.fromkeys([*by, *(text for bound in bounds for text in bound.rule.by or ())]))
        _need_slices(bounds, by)
        return DataTrial(data, bounds, by, {**inputs, "losses": losses, "by": slicings}, note, files, notes)
    name, path = split_name(reports[0])
    if name is not None or len(files or []) > 1:
        raise UsageError(f"{path}: is a saved report, which is checked alone and has its models' names")
    if said := spoken(inputs):
        raise UsageError(f"{', '.join(said)}: {path} is a saved report, for which data and losses are settled")
    saved = read_report(path)
    bounds, notes = of_report(demands, saved.report)
    slicings = [",".join(columns) for columns, _ in saved.report.slicings() if columns]
    return ReportTrial(saved, bounds, by or slicings, [path], notes)


def reports_among(files: Sequence[str]) -> list[str]:
    """Return those of some `[NAME=]PATH` texts that are saved reports."""
    return [file for file in files if is_report(split_name(file)[1])]


def _need_slices(bounds: Sequence[Bound], by: Sequence[str]) -> None:
    """Raise UsageError for a rule of slices where there are none."""
    for bound in bounds:
        if not bound.rule.whole and not bound.rule.slicings(by):
            raise UsageError(f"{bound.rule.origin}: speaks of slices; say by which columns with --by")


@with_arguments
def check(
    arguments: dict[str, Any],
    data: object,
    *,
    max: Names = None,  # noqa: A002  # the option's own name
    min: Names = None,  # noqa: A002  # the option's own name
    max_slice: Names = None,
    max_regression: Names = None,
    rules: Sequence[Table] = (),
    baseline: str | None = None,
    decide: str = "point",
    cluster: str | None = None,
    time: str | None = None,
    horizon: int = 1,
    min_slice: int = MIN_SLICE,
    on_insufficient: OnInsufficient | None = None,
    baseline_optional: bool = False,
    save_baseline: str | None = None,
    configured: bool = False,
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
        Tables of rules, as those of a configuration file.
    baseline
        A saved report, a file or folder of predictions, or the name of a model.
    decide
        point, significant (a regression must be proven) or noninferior (that there is none must be proven).
    cluster, time, horizon
        How rows depend on each other, for statistical decisions, as `compare` takes them.
    min_slice
        The rows that a slice needs to be judged.
    on_insufficient
        warn: what could not be decided never blocks; fail: every slice that could not be decided does.
    baseline_optional
        A baseline that does not exist leaves its rules out, with a warning.
    save_baseline
        Where to save the candidates' report, unless a rule stands against it.
    configured
        Whether settings of a configuration file are in force, which printed commands must then do without.
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
    kinds: Sequence[Kind] = ("max", "min", "max-slice", "max-regression")
    baseline, save_baseline = arguments["baseline"], arguments["save_baseline"]
    min_slice, by = arguments["min_slice"], as_list(arguments.get("by"))
    inputs = {name: arguments[name] for name in options if name not in ("by", "note")}
    note = options.get("note") or silent
    demands = Demands.read(
        [(kind, text) for kind in kinds if kind != "max-regression" for text in as_list(arguments[key_of(kind)])],
        as_list(arguments["max_regression"]),
        rules,
        decision(decide),
    )
    if min_slice < 0:
        raise UsageError(f"--min-slice {min_slice}: a number of rows >= 0 is needed")
    if on_insufficient not in (None, "warn", "fail"):
        raise UsageError(f"--on-insufficient {on_insufficient}: warn or fail")
    _consider(demands, baseline, save_baseline, decide, baseline_optional)
    tried = trial(data, demands, by, inputs, note)
    reference = referred(baseline) if baseline is not None and demands else None
    statistical = next((bound.rule for bound in tried.bounds if bound.rule.decide != "point"), None)
    if reference is not None and reference.kind == "report" and statistical is not None:
        raise UsageError(
            f"{statistical.origin}: decide {statistical.decide} asks for rows, and the baseline {reference.label} is "
            "a report, of values only; give the baseline's predictions, or decide by point"
        )
    if save_baseline is not None:
        _writable(save_baseline, tried.files, reference)
    more = ["--no-config"] if configured else []
    accept = None
    if reference is not None and reference.kind != "predictions":
        accept = tried.accepts(reference.path or reference.text, losses_of(reference), *more)
    absent = absence(reference, tried.models, accept, baseline_optional)
    reference = None if absent else reference
    if statistical is None and (cluster is not None or time is not None):
        note("--cluster and --time have no say here: no rule is decided by statistics (--decide)")
    rows = None
    if statistical is not None and reference is not None:
        rows = {"cluster": cluster, "time": time, "horizon": horizon}
    found, evidence = tried.run(reference, rows)
    absent = absent or absence(reference, lambda: found.models, accept, baseline_optional)
    reference = None if absent else reference
    if reference is not None and reference.kind != "model" and reference.text in found.models:
        raise UsageError(
            f"--baseline {reference.text}: is a model, and a file, too; write ./{reference.text} for the file, or name "
            "the model otherwise with -p NAME=COLUMNS"
        )
    candidates = [
        model for model in found.models if reference is None or reference.kind == "report" or model != reference.name
    ]
    if not candidates:
        raise UsageError(f"--baseline {baseline}: is the only model, so there is no candidate")
    warnings = [text for text in found.warnings if not text.startswith(ROUGH)]  # no interval of a value decides
    warnings += [*tried.remarks, *([absent] if absent else [])]
    held: Mapping[Place, Cell] = {}
    if reference is not None and reference.kind == "report":
        match = Match(reference, found, accept)
        match.same_rows(candidates)
        held = match.cells([bound for bound in tried.bounds if bound.rule.compares], candidates, tried.given)
    elif reference is not None:
        held = held_by(reference.name, found, tried.bounds, candidates)
    cases = lay_out(tried.bounds, candidates, found.cells, held, tried.given)
    checks = judge(cases, Terms(min_slice, "there is no baseline" if absent else None, len(candidates) > 1, evidence))
    judged = conclude(checks, on_insufficient)
    verdict = judged.verdict if demands else None
    if save_baseline is not None:
        if verdict in (None, "pass"):
            write_text(save_baseline, tried.kept(found, candidates))
            note(f"baseline saved to {save_baseline}")
        else:
            warnings.append(f"{save_baseline}: the baseline is not saved, as the verdict is {verdict}")
    return Report(
        found.cells,
        found.inputs,
        found.task,
        found.reduction,
        found.level,
        __version__,
        tuple(warnings),
        study=found.study,
        comparisons=found.comparisons,
        checks=tuple(checks),
        verdict=verdict,
        advice=_advice(tried, reference, checks, accept, more, rows) if verdict not in (None, "pass") else (),
        command="check",
        candidates=tuple(candidates),
        baseline=reference.label if reference is not None else None,
        blocks=judged.blocks and verdict is not None,
    )


def key_of(kind: Kind) -> str:
    """Return the argument that takes the rules of a kind."""
    return kind.replace("-", "_")


def _consider(
    demands: Demands, baseline: str | None, save_baseline: str | None, decide: str, baseline_optional: bool
) -> None:
    """Raise UsageError for demands that say nothing, or that lack what they compare with."""
    if baseline_optional and baseline is None:
        raise UsageError("--baseline-optional: there is no --baseline that it could speak of")
    rules = [*demands.of_file, *demands.of_command]
    if not rules and save_baseline is None:
        raise UsageError(
            "nothing to check: give a rule such as --max rmse=0.35, or --baseline main.json --max-regression rmse=2%, "
            "or [[check]] tables in a configuration file"
        )
    compared = [rule for rule in rules if rule.compares]
    if compared and baseline is None:
        raise UsageError(f"{compared[0].origin}: compares with a baseline; say which with --baseline")
    if rules and not compared:
        for option, given in (
            (f"--baseline {baseline}", baseline is not None),
            (f"--decide {decide}", decide != "point"),
        ):
            if given:
                raise UsageError(
                    f"{option}: no rule compares with a baseline; add one such as --max-regression rmse=2%"
                )


def _writable(path: str, files: Sequence[str] | None, reference: Reference | None) -> None:
    """Raise early if the baseline cannot be saved, or would be saved over what is read as data."""
    reads = [piece for file in files or [] for piece in (file, split_name(file)[1])]
    check_writable(path, [*reads, *([reference.path] if reference and reference.kind == "predictions" else [])])


def _row_options(rows: Mapping[str, Any] | None) -> list[str]:
    """Write how rows depend on each other as options of `compare`."""
    given = {
        name: value for name, value in (rows or {}).items() if value is not None and (name, value) != ("horizon", 1)
    }
    return [word for name, value in given.items() for word in (f"--{name}", str(value))]


def _advice(
    tried: Trial,
    reference: Reference | None,
    checks: Sequence[Check],
    accept: str | None,
    more: Sequence[str],
    rows: Mapping[str, Any] | None,
) -> tuple[str, ...]:
    """Return the commands that show more, and that accept the new values."""
    found = [tried.looks(reference, troubled(checks), *more, *_row_options(rows))]
    regressed = any(check.kind == "max-regression" and check.status not in ("pass", "skipped") for check in checks)
    if regressed and reference is not None and reference.kind == "report":
        found.append(accept)
    return tuple(text for text in found if text is not None)
