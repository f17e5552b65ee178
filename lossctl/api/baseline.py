"""Baseline: what candidates are held against: a saved report, predictions, or one of the models."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from lossctl import registry
from lossctl.core.report import Cell, Evaluation
from lossctl.errors import BaselineError, DataError, UsageError, listed, near, printable
from lossctl.gate.cases import Place, place, slicings_of
from lossctl.gate.rules import Bound
from lossctl.io.columns import split_name
from lossctl.io.reports import SavedReport, is_report, read_report

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
    for cell in reference.report.evaluation.cells:
        with suppress(UsageError):  # what this lossctl does not know cannot be in a new one
            text = cell.spec if cell.loss == cell.spec else f"{cell.loss}={cell.spec}"
            registry.labelled(text)
            found[text] = None
    return list(found)


class Match:
    """Finds, in a saved report, the cell that each cell of a candidate is held against.

    Raises BaselineError where the report is of other data, another reduction, or lacks what a rule needs.
    """

    def __init__(self, reference: Reference, found: Evaluation, creates: str | None) -> None:
        assert reference.report is not None
        self.report = reference.report.evaluation
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


def held_by(model: str, found: Evaluation, bounds: Sequence[Bound], candidates: Sequence[str]) -> Mapping[Place, Cell]:
    """Return, by the places of the candidates' cells, those of a model of the same evaluation."""
    losses = {bound.label for bound in bounds}
    own = [cell for cell in found.cells if cell.model == model and cell.loss in losses]
    return {place(candidate, cell.loss, cell.slice): cell for candidate in candidates for cell in own}


def _parameters(cell: Cell) -> str:
    """The loss with all its parameters: how a signature begins."""
    return cell.signature.partition("|")[0]
