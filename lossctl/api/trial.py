"""Trials: what is judged, whether it is data that is read now or a report that was saved, in one form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lossctl.api import evaluate
from lossctl.api.baseline import Reference
from lossctl.api.commands import command, paths_of, spoken
from lossctl.api.comparison import weigh
from lossctl.api.demands import Demands, of_data, of_report
from lossctl.api.inputs import as_list, open_inputs
from lossctl.api.job import Note
from lossctl.api.query import Query
from lossctl.core.report import Evaluation
from lossctl.errors import UsageError
from lossctl.gate.evidence import Evidence
from lossctl.gate.rules import Bound
from lossctl.io.columns import split_name
from lossctl.io.reports import SavedReport, is_report, read_report
from lossctl.output.kept import kept
from lossctl.registry import labelled
from lossctl.specs import with_tables


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

    def run(self, reference: Reference | None, rows: Mapping[str, Any] | None) -> tuple[Evaluation, Evidence | None]:
        """Return the values of the candidates, and of the baseline if that is a model or predictions.

        rows: how rows depend on each other, where a decision rests on them.
        """

    def kept(self, found: Evaluation, candidates: Sequence[str]) -> str:
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
        return Query(self.data, **options).chosen(tables, names).models

    def run(self, reference: Reference | None, rows: Mapping[str, Any] | None) -> tuple[Evaluation, Evidence | None]:
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

    def kept(self, found: Evaluation, candidates: Sequence[str]) -> str:
        return kept(found, candidates)

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
        return self.saved.evaluation.models

    def run(self, reference: Reference | None, rows: Mapping[str, Any] | None) -> tuple[Evaluation, Evidence | None]:
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
        return self.saved.evaluation, None

    def kept(self, found: Evaluation, candidates: Sequence[str]) -> str:
        return kept(found, candidates, self.saved.document)

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
    bounds, notes = of_report(demands, saved.evaluation)
    slicings = [",".join(columns) for columns, _ in saved.evaluation.slicings() if columns]
    return ReportTrial(saved, bounds, by or slicings, [path], notes)


def reports_among(files: Sequence[str]) -> list[str]:
    """Return those of some `[NAME=]PATH` texts that are saved reports."""
    return [file for file in files if is_report(split_name(file)[1])]


def _need_slices(bounds: Sequence[Bound], by: Sequence[str]) -> None:
    """Raise UsageError for a rule of slices where there are none."""
    for bound in bounds:
        if not bound.rule.whole and not bound.rule.slicings(by):
            raise UsageError(f"{bound.rule.origin}: speaks of slices; say by which columns with --by")
