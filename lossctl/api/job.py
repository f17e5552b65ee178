"""Job: the decisions between columns and plan: activations, classes, task and the form of every loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lossctl import registry
from lossctl.api.options import Names, Note
from lossctl.api.query import as_list
from lossctl.core.block import Block
from lossctl.core.breach import Breach
from lossctl.core.domain import RANGES, Flag
from lossctl.core.form import OPTIONAL, Form, form_wish
from lossctl.core.labels import ClassCodes
from lossctl.core.loss import Loss, fitted, misfit, unfit
from lossctl.core.state import NEVER
from lossctl.engine.plan import Check, Plan, Question
from lossctl.engine.reduce import RunState
from lossctl.errors import DataError, UsageError, listed, near, printable
from lossctl.io.blocks import BlockReader, TargetRule, check_single, width_of
from lossctl.io.select import Selection, Slot, assignments, classes_for, pair_outputs
from lossctl.io.table import Kind, Numbers, Table
from lossctl.numerics.activation import APPLY
from lossctl.results.report import Task

USUAL: Final = {
    "regression": ("mse", "rmse", "mae", "mbe", "huber", "r2"),
    "binary": ("bce", "brier", "focal", "zero_one"),
    "multiclass": ("cce", "brier", "focal", "zero_one"),
    "multilabel": ("bce", "focal"),
}


def static_task(given: str | None, pred_width: int, target_kind: str, positive: str | None) -> Task | None:
    """Work out the task from the columns alone; None where values have to tell regression from binary."""
    if given is not None:
        return Task(given, False, "--task")
    if pred_width >= 2:
        return Task("multiclass", True, f"{pred_width} prediction columns")
    if positive is not None:
        return Task("binary", True, "--positive-label")
    if target_kind == "text":
        raise UsageError(
            "the target is text: say --task binary with --positive-label LABEL, or --task multiclass with one "
            "prediction column per class, or name losses with -l"
        )
    return None


def task_of_values(block: Block, activations: dict[str, str], boolean: bool) -> Task:
    """Tell binary from regression by the first block: a 0/1 target and predictions within [0, 1]."""
    flags = boolean or all(_within(roles["target"], {0.0, 1.0}) for roles in block.models.values())
    probabilities = all(_unit(roles["pred"], activations[model]) for model, roles in block.models.items())
    if flags and probabilities:
        kind = "boolean" if boolean else "0/1"
        return Task("binary", True, f"a {kind} target and predictions within [0, 1]")
    if not flags:
        return Task("regression", True, "a target of numbers")
    return Task("regression", True, "predictions outside [0, 1], though the target is 0/1")


def _within(values: NDArray[np.float64], allowed: set[float]) -> bool:
    return bool(np.logical_or.reduce([values == value for value in allowed]).all())


def _unit(values: NDArray[np.float64], activation: str) -> bool:
    with np.errstate(all="ignore"):
        natural = APPLY[activation](values)
    return bool(((natural >= 0.0) & (natural <= 1.0)).all())


class Job:
    """The decisions between columns and plan: activations, classes, task and the form of every loss."""

    def __init__(
        self,
        tables: Sequence[Table],
        chosen: Selection,
        asked: list[tuple[str, Loss]],
        wanted: str | None,
        note: Note,
        per_output: bool = False,
    ) -> None:
        self.tables, self.chosen, self.asked, self.wanted, self.note = tables, chosen, asked, wanted, note
        self.per_output = per_output
        self.outputs: tuple[str, ...] | None = None
        self.activations: dict[str, str] = {}
        self.task: Task | None = None
        self.rule = TargetRule()

    def resolve(
        self,
        activation: Names | Mapping[str, str],
        positive: str | None,
        classes: str | Sequence[str] | None,
    ) -> None:
        """Decide everything that the columns alone can tell."""
        models = self.chosen.models
        texts = (
            [f"{model}={act}" for model, act in activation.items()]
            if isinstance(activation, Mapping)
            else as_list(activation)
        )
        named = assignments(texts, models, "--activation")
        for act in named.values():
            if act not in RANGES:
                raise UsageError(f"--activation {act}: one of {listed(list(RANGES))}{near(act, list(RANGES))}")
        self.activations = {model: named.get(model, "none") for model in models}
        if texts and not any("pred" in roles for roles in self.chosen.slots.values()):
            raise UsageError("--activation speaks of prediction columns; the losses asked for take none")
        order = self.outputs = pair_outputs(self.chosen)
        if positive is not None and self.chosen.target is not None:
            check_single(self.tables, self.chosen.target)
        self.widths = self._widths()
        if not self.asked:
            kind = self._target_shape()
            self.task = static_task(self.wanted, self.widths.get("pred", 1), kind, positive)
        elif self.wanted is not None:
            self.task = Task(self.wanted, False, "--task")
        labels = [self._form(loss).labels for _, loss in (self._asked_now() if self.task or self.asked else [])]
        if any(labels) and not all(labels):
            mixed = listed([loss.name for _, loss in self._asked_now()])
            raise UsageError(f"{mixed}: some of these read the target as class labels and some as numbers; ask apart")
        self._rule(any(labels), order, positive, classes)

    def _rule(
        self, labels: bool, order: Sequence[str] | None, positive: str | None, classes: str | Sequence[str] | None
    ) -> None:
        """Decide how the target column is read."""
        text = classes if isinstance(classes, str) or classes is None else ",".join(map(str, classes))
        if labels:
            if positive is not None:
                raise UsageError("--positive-label is for one prediction column; classes are told by --classes")
            classes_read = classes_for(self.widths["pred"], order, text)
            self.rule = TargetRule(classes=classes_read, ignored=self._ignored(classes_read))
            return
        if text is not None:
            raise UsageError("--classes names the classes of several prediction columns; here no loss reads labels")
        if self.chosen.target is None:
            if positive is not None:
                raise UsageError("--positive-label: the losses asked for take no target")
            return
        if positive is not None and len(self.chosen.target.columns) > 1:
            raise UsageError("--positive-label is for one target column")
        self.rule = TargetRule(positive=positive)
        wanted = [self._form(loss).roles["target"] for _, loss in self.asked if "target" in loss.roles]
        flags = not wanted or any(isinstance(domain, Flag) for domain in wanted)
        if positive is None and flags and self._target_shape() == "text":
            column = self.chosen.target.columns[0]
            raise UsageError(
                f"{self.tables[self.chosen.target.table].label}: the target {printable(column)!r} holds text; "
                "--positive-label LABEL says which label is 1"
            )

    def _ignored(self, classes: tuple[str, ...]) -> tuple[str, ...]:
        """Return the labels that are no class and that every loss ignores; raise UsageError where only some do."""
        known = ClassCodes(classes)
        found = dict.fromkeys(label for _, loss in self._asked_now() for label in loss.ignored)
        strange = tuple(label for label in found if known.of([label])[0] < 0)
        for label in strange:
            for name, loss in self._asked_now():
                if label not in loss.ignored:
                    raise UsageError(
                        f"ignore_class={printable(label)} is none of the classes {listed(list(classes))}, and {name} "
                        "does not ignore it; give it to every loss, or ask apart"
                    )
        return strange

    def _target_shape(self) -> str:
        slot = self.chosen.target
        return self.tables[slot.table].shape(slot.columns[0]).kind if slot else "number"

    def _widths(self) -> dict[str, int]:
        """Return role -> number of columns; all models must agree."""
        widths: dict[str, int] = {}
        if self.chosen.target is not None:
            widths["target"] = width_of(self.tables, self.chosen.target)
        for model in self.chosen.models:
            for role, slot in self.chosen.slots[model].items():
                width = width_of(self.tables, slot)
                if widths.setdefault(role, width) != width:
                    raise UsageError(
                        f"{role} has {widths[role]} columns for {self.chosen.models[0]!r}, {width} for {model!r}"
                    )
        return widths

    def _asked_now(self) -> list[tuple[str, Loss]]:
        if self.asked or self.task is None:
            return self.asked
        usual = [registry.loss_of(name) for name in USUAL[self.task.name]]
        fitting = [loss for loss in usual if loss.form_for(self.widths, self._wish())]
        return [(loss.spec, loss) for loss in fitting or usual[:1]]

    def candidates(self) -> list[tuple[str, Loss]]:
        """Return the losses that may be asked of the data; while the task is open, those of all that it may be."""
        tasks = ("regression", "binary") if self.task is None and not self.asked else ()
        usual = [(name, registry.loss_of(name)) for task in tasks for name in USUAL[task]]
        return self._asked_now() or usual

    def _wish(self) -> str | None:
        wish = form_wish(self.wanted, self.activations.values())
        return wish or (self.task.name if self.task is not None and not self.asked else None)

    def _form(self, loss: Loss) -> Form:
        return self._fitted(loss)[1]

    def _fitted(self, loss: Loss) -> tuple[Loss, Form]:
        """Return a loss as the columns take it, and its form."""
        widths = {role: self.widths[role] for role in loss.roles if role in self.widths}
        apart = self.per_output and widths.get("pred", 1) > 1
        taken = fitted(loss, dict.fromkeys(widths, 1) if apart else widths, self._wish())
        form = None if taken is None else taken[1]
        if apart and (form is None or not form.outputs or len({widths[role] for role in widths} - {1}) > 1):
            raise UsageError(f"--per-output: the columns of {loss.spec} are not outputs of their own; ask it apart")
        if taken is None or form is None:
            raise UsageError(misfit(loss, widths))
        for activation in dict.fromkeys(self.activations.values()):
            if fault := unfit(loss, form, activation):
                raise UsageError(f"{fault}{self._others(activation)}")
        return taken

    def _questions(self, label: str, loss: Loss) -> list[Question]:
        """Return what a loss is asked of: all outputs together, or each of several apart."""
        loss, form = self._fitted(loss)
        outputs = self.widths.get("pred", 1) if self.per_output else 1
        if outputs == 1:
            return [Question(label, loss, form)]
        names = self.outputs or [str(place + 1) for place in range(outputs)]
        return [Question(f"{label}[{name}]", loss, form, place, name) for place, name in enumerate(names)]

    def _others(self, activation: str) -> str:
        """Name the losses that the columns and the activation do fit."""
        fitting = []
        for loss in registry.losses().values():
            if set(loss.roles) - OPTIONAL <= set(self.widths) and "pred" in loss.roles:
                widths = {role: self.widths[role] for role in loss.roles if role in self.widths}
                form = loss.form_for(widths, self._wish())
                if form is not None and not unfit(loss, form, activation):
                    fitting.append(loss.name)
        return f"; losses that fit --activation {activation} here: {listed(fitting, 8)}" if fitting else ""

    def questions(self, first: Block) -> list[Question]:
        """Settle the task by the first block where the columns did not, and the form of every loss."""
        if not self.asked:
            if self.task is None:
                self.task = task_of_values(first, self.activations, self._target_shape() == "boolean")
            if self.task.inferred:
                self.note(f"task: {self.task.name} ({self.task.why}); --task or -l says otherwise")
        found = [question for label, loss in self._asked_now() for question in self._questions(label, loss)]
        labels = [question.label for question in found]
        if len(set(labels)) != len(labels):
            twice = next(label for label in labels if labels.count(label) > 1)
            raise UsageError(f"loss {twice!r} is asked for twice; label one, as in again={twice}")
        return found


def raise_findings(tally: RunState, reader: BlockReader, plan: Plan, missing: str) -> None:
    """Raise DataError for the earliest row that is wrong or could not be read, if there is one."""
    findings: list[tuple[int, Callable[[], str]]] = []
    for defects in (tally.missing if missing == "error" else {}, tally.faults):
        findings += [(found.row, partial(reader.explain, defect, found)) for defect, found in sorted(defects.items())]
    findings += [
        (found.first, partial(_outside, reader, plan, check, found))
        for check, found in sorted(tally.breaches.items(), key=lambda entry: str(entry[0]))
        if found.first != NEVER
    ]
    if findings:
        for table in reader.tables:
            table.unchanged()  # rows that went missing with their file are not what is wrong
    row, wording = min(findings, key=lambda finding: finding[0], default=(NEVER, None))
    if tally.stopped is not None and tally.stopped[0] <= row:
        raise tally.stopped[1]
    if wording is not None:
        raise DataError(wording())
    if tally.read == tally.dropped:
        raise DataError(f"{reader.tables[0].label}: every one of the {tally.read} rows has a missing value")
    if complaint := reader.never_positive():
        raise DataError(complaint)
    weight = reader.selection.weight
    if weight is not None and tally.moments.rows and tally.moments.total(0) == 0:
        label = reader.tables[weight.table].label
        raise DataError(f"{label}: column {weight.named()}: every weight is zero, so there is no number")


def _slot(reader: BlockReader, check: Check, plan: Plan) -> Slot:
    slot = {"target": reader.selection.target, "weight": reader.selection.weight}.get(check.role)
    return slot or reader.selection.slots[check.model or plan.models[0]][check.role]


def _outside(reader: BlockReader, plan: Plan, check: Check, found: Breach) -> str:
    """Word a row outside a domain: where, what, what is allowed, how many, and the likely fix."""
    slot = _slot(reader, check, plan)
    values = _values_at(reader.tables[slot.table], slot, reader.row_of(slot.table, found.first))
    columns = "columns" if len(slot.columns) > 1 else "column"
    where = f"{reader.where(slot.table, found.first)}, {columns} {slot.named()} = {values}"
    if found.clash <= found.row:
        return f"{where}: labels -1 and 0 (or a probability) are mixed; use {{0, 1}} or {{-1, +1}} throughout"
    count = f" ({found.count} such rows)" if found.count > 1 else ""
    activation = plan.activations.get(check.model, "none")
    hint = f"; {check.domain.hint}" if check.domain.hint and check.role != "target" and activation == "none" else ""
    need = "weights must be" if check.role == "weight" else f"{check.loss} needs {check.role} in"
    return f"{where}{count}: {need} {check.domain}{hint}"


def _values_at(table: Table, slot: Slot, row: int) -> str:
    """Read one row again, for a message."""
    piece = table.row(dict.fromkeys(slot.columns, Kind.NUMBER), row)
    if piece is None:
        return "?"
    values = [float(x) for name in slot.columns for x in piece.column(name, Numbers).values[:, 0]]
    return ", ".join(f"{value:.10g}" for value in values[:4]) + (", ..." if len(values) > 4 else "")
