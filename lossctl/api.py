"""`evaluate`: losses of models on files, frames or arrays, in one pass. The command line calls it too."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import chain
from typing import TYPE_CHECKING, Literal

from lossctl import __version__, registry
from lossctl.core.activation import RANGES
from lossctl.core.arrays import first_finite, misfit, unfit
from lossctl.core.block import Block
from lossctl.core.check import Breach
from lossctl.core.form import Form
from lossctl.core.loss import Loss
from lossctl.core.report import Evaluation, Input, Task
from lossctl.core.state import NEVER
from lossctl.engine.finish import Settings, cells
from lossctl.engine.plan import Check, Plan, Question, make_plan
from lossctl.engine.run import Progress, run
from lossctl.engine.tally import Tally
from lossctl.engine.task import USUAL, checked_task, form_wish, static_task, task_of_values
from lossctl.errors import DataError, UsageError, listed, near, printable
from lossctl.io.align import aligned
from lossctl.io.atomic import check_writable, replacing
from lossctl.io.blocks import BlockReader, TargetRule, explain_fault, width_of
from lossctl.io.classes import classes_for, pair_outputs
from lossctl.io.column import Kind, Numbers, Table
from lossctl.io.columns import Request, Selection, Slot, assignments, select, split_name, stems
from lossctl.io.memory import from_memory
from lossctl.io.tables import open_table

if TYPE_CHECKING:
    import pandas as pd

Names = str | Sequence[str] | None
Note = Callable[[str], None]
LEVEL = 0.95
KEY_NAMES = ("id", "row_id", "key", "uid", "uuid")


class Report(Evaluation):
    """The result of `evaluate`: `cells`, `inputs`, `task`, `warnings`, and ways out."""

    def to_frame(self) -> pd.DataFrame:
        """Return one row per model, loss and slice as a pandas frame, at full precision."""
        import pandas as pd

        from lossctl.output.records import flat, record

        return pd.DataFrame([flat(record(cell)) for cell in self.cells])

    def to_json(self) -> str:
        """Return the JSON envelope that `lossctl eval -f json` prints."""
        from lossctl.output.envelope import to_json

        return to_json(self, "eval")


def evaluate(
    data: object,
    *,
    target: str | None = None,
    pred: Names | Mapping[str, str | Sequence[str]] = None,
    losses: Names = None,
    weight: str | None = None,
    by: Names = None,
    activation: Names | Mapping[str, str] = None,
    targets: object = None,
    id: str | None = None,  # noqa: A002  # the option's own name
    roles: Names | Mapping[str, str] = None,
    positive_label: str | None = None,
    classes: str | Sequence[str] | None = None,
    task: str | None = None,
    reduction: Literal["mean", "sum"] = "mean",
    ci: float | None = LEVEL,
    missing: Literal["error", "drop"] = "error",
    delimiter: str | None = None,
    rows_out: str | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    note: Note | None = None,
) -> Report:
    """Evaluate losses of one or more models in one pass over the data.

    Parameters
    ----------
    data
        A pandas frame, a dict of arrays ((n,) or (n, k)), an Arrow table, a path, or several paths (one model
        each, `NAME=PATH` to name them).
    target, weight, id
        Columns: of the truth, of row weights (finite, >= 0, not all zero), of the key that aligns several files.
    pred
        Prediction columns, one entry per model: a column, `a,b,c`, a glob such as `p_*`, or `NAME=COLUMNS`; or a
        mapping from model names to columns.
    losses
        Specs such as `huber:delta=2` or `p90=quantile:q=0.9`; without any, the usual ones of the task.
    by
        Slicings: a column, or `a,b` for their combinations.
    activation
        What raw outputs need: none, sigmoid, softmax, tanh, exp, softplus or relu; `MODEL=ACT` for one model.
    targets
        Where the target is, if not beside the predictions.
    roles
        `[MODEL:]ROLE=COLUMNS` for losses of embeddings, or a mapping.
    positive_label, classes, task
        Which label is 1; the class labels of the prediction columns in order; the kind of problem.
    reduction
        `mean`, or `sum` for losses that are one mean.
    ci
        Level of the confidence intervals; None for neither intervals nor standard errors.
    missing
        `error`, or `drop` to leave rows with a missing value out for every model.
    rows_out
        A .parquet or .csv file for the per-row losses.

    Returns
    -------
    Report
        The cells, with `to_frame()` and `to_json()`.

    Raises
    ------
    UsageError
        The question is wrong: an unknown loss or column, options that do not fit.
    DataError
        The data cannot answer: unreadable, misaligned, missing, outside a loss's domain.

    Examples
    --------
    >>> import lossctl
    >>> data = {"y": [1.0, 2.0, 3.0], "a": [1.5, 2.0, 2.5], "b": [1.0, 2.0, 5.0]}
    >>> report = lossctl.evaluate(data, target="y", pred=["a", "b"], losses=["mae", "huber:delta=2"])
    >>> [(cell.model, cell.loss, cell.value) for cell in report.cells][:2]
    [('a', 'mae', 0.3333333333333333), ('b', 'mae', 0.6666666666666666)]
    """
    note = note or (lambda text: None)
    if reduction not in ("mean", "sum"):
        raise UsageError(f"reduction {reduction!r} is unknown; mean or sum")
    if missing not in ("error", "drop"):
        raise UsageError(f"missing {missing!r} is unknown; error or drop")
    if ci is not None and not 0.0 < ci < 1.0:
        raise UsageError(f"a confidence level of {ci:g} is not allowed; it lies between 0 and 1, as 0.95")
    asked = [registry.labelled(spec) for spec in as_list(losses)]
    wanted = checked_task(task)
    tables, names, paths = open_inputs(data, targets, delimiter)
    needed = needed_roles([loss for _, loss in asked])
    request = Request(
        target,
        tuple(as_list(pred)),
        tuple(as_list(roles)),
        weight,
        tuple(as_list(by)),
        id,
        targets is not None,
    )
    if rows_out is not None:
        check_writable(rows_out, paths)
    chosen = select(tables, names, request, needed)
    for text in chosen.notes:
        note(text)
    key_digest = b""
    if id is not None:
        for table in tables:
            if id not in table.names:
                raise DataError(f"{table.label}: there is no column {id!r} (--id){near(id, list(table.names))}")
        tables, key_digest = aligned(tables, id)
    elif len(tables) > 1 and (shared := [name for name in KEY_NAMES if all(name in t.names for t in tables)]):
        note(f"rows are paired by their order; the files share a column {shared[0]!r}: --id {shared[0]} pairs by key")
    job = Job(tables, chosen, asked, wanted, note)
    job.resolve(activation, positive_label, classes)
    reader = BlockReader(tables, chosen, job.rule, missing, key_digest)
    blocks = iter(reader)
    first = next(blocks, None)
    if first is None or not first.read:
        raise DataError(f"{tables[0].label}: there are no rows below the header")
    questions = job.questions(first)
    if reduction == "sum":
        for question in questions:
            if question.loss.keeps != "moments" or question.loss.reading.name != "mean":
                fitting = [loss.name for loss in registry.losses().values() if loss.row and loss.reading.name == "mean"]
                raise UsageError(
                    f"--reduction sum: {question.label} is not one mean of rows; what is: {listed(fitting)}"
                )
    plan = make_plan(
        chosen.models,
        questions,
        job.activations,
        weighted=weight is not None,
        slicings=list(chosen.by),
        intervals=ci is not None,
        rows_out=rows_out is not None,
    )
    origin = _origin(first)
    with ExitStack() as stack:
        sink = None
        if rows_out is not None:
            from lossctl.io.rowsout import RowsWriter

            temporary = stack.enter_context(replacing(rows_out))
            writer = RowsWriter(rows_out, temporary, _row_names(plan, note, rows_out))
            sink = writer.write
        tally, stopped = run(
            chain([first], blocks),
            plan,
            origin=origin,
            threads=threads or default_threads(),
            sink=sink,
            progress=progress,
        )
        raise_findings(tally, reader, plan, missing, stopped)
        if rows_out is not None:
            writer.close()
    return _report(tally, plan, reader, job, ci, reduction, weight)


class Job:
    """The decisions between columns and plan: activations, classes, task and the form of every loss."""

    def __init__(
        self,
        tables: Sequence[Table],
        chosen: Selection,
        asked: list[tuple[str, Loss]],
        wanted: str | None,
        note: Note,
    ) -> None:
        self.tables, self.chosen, self.asked, self.wanted, self.note = tables, chosen, asked, wanted, note
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
        order = pair_outputs(self.chosen)
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
            self.rule = TargetRule(classes=classes_for(self.widths["pred"], order, text))
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
        if positive is None and self._target_shape() == "text":
            column = self.chosen.target.columns[0]
            raise UsageError(
                f"{self.tables[self.chosen.target.table].label}: the target {printable(column)!r} holds text; "
                "--positive-label LABEL says which label is 1"
            )

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
        usual = [registry.get(name) for name in USUAL[self.task.name]]
        fitting = [loss for loss in usual if loss.form_for(self.widths, self._wish())]
        return [(loss.spec, loss) for loss in fitting or usual[:1]]

    def _wish(self) -> str | None:
        acts = set(self.activations.values())
        wish = form_wish(self.wanted, acts.pop() if len(acts) == 1 else "none")
        return wish or (self.task.name if self.task is not None and not self.asked else None)

    def _form(self, loss: Loss) -> Form:
        widths = {role: self.widths[role] for role in loss.roles}
        form = loss.form_for(widths, self._wish())
        if form is None:
            raise UsageError(misfit(loss, widths))
        for activation in dict.fromkeys(self.activations.values()):
            if fault := unfit(loss, form, activation):
                raise UsageError(f"{fault}{self._others(activation)}")
        return form

    def _others(self, activation: str) -> str:
        """Name the losses that the columns and the activation do fit."""
        fitting = []
        for loss in registry.losses().values():
            if set(loss.roles) <= set(self.widths) and "pred" in loss.roles:
                form = loss.form_for({role: self.widths[role] for role in loss.roles}, self._wish())
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
        found = [Question(label, loss, self._form(loss)) for label, loss in self._asked_now()]
        labels = [question.label for question in found]
        if len(set(labels)) != len(labels):
            twice = next(label for label in labels if labels.count(label) > 1)
            raise UsageError(f"loss {twice!r} is asked for twice; label one, as in again={twice}")
        return found


def as_list(value: Names | Mapping[str, str | Sequence[str]]) -> list[str]:
    """Bring one text, several, or a mapping name -> columns into the form of repeated options."""
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [
            f"{name}={columns if isinstance(columns, str) else ','.join(columns)}" for name, columns in value.items()
        ]
    return list(value)


def needed_roles(losses: Sequence[Loss]) -> set[str]:
    """Return the roles that the losses read; without losses, those of the usual ones."""
    return {role for loss in losses for role in loss.roles} if losses else {"target", "pred"}


def open_inputs(
    data: object, targets: object, delimiter: str | None
) -> tuple[list[Table], list[str | None], list[str]]:
    """Open the model tables and, last, the targets table; return them with given names and paths."""
    texts: list[str] | None = None
    if isinstance(data, str | os.PathLike):
        texts = [os.fspath(data)]
    elif isinstance(data, Mapping) and data and all(isinstance(path, str | os.PathLike) for path in data.values()):
        texts = [f"{name}={os.fspath(path)}" for name, path in data.items()]
    elif isinstance(data, Sequence) and data and all(isinstance(path, str | os.PathLike) for path in data):
        texts = [os.fspath(path) for path in data]
    names: list[str | None] = [None]
    paths: list[str] = []
    if texts is None:
        tables = [from_memory(data)]
    else:
        split = [split_name(text) for text in texts]
        names, paths = [name for name, _ in split], [path for _, path in split]
        if paths.count("-") + (targets == "-") > 1:
            raise UsageError("- (standard input) can be read once only")
        tables = [open_table(path, delimiter) for path in paths]
        if len(tables) > 1:
            names = [given or stem for given, stem in zip(names, stems(paths), strict=True)]
    if targets is not None:
        if isinstance(targets, str | os.PathLike):
            paths.append(os.fspath(targets))
            tables.append(open_table(os.fspath(targets), delimiter))
        else:
            tables.append(from_memory(targets))
        names = [*names, None]
    return tables, names, paths


def default_threads() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _origin(first: Block) -> float:
    """Return the value about which variances of the target are taken."""
    roles = next(iter(first.models.values()))
    return first_finite(roles["target"]) if "target" in roles and len(first.addresses) else 0.0


def _row_names(plan: Plan, note: Note, path: str) -> list[str]:
    """Name the columns of the per-row output, and say which losses cannot be in it."""
    without = [question.label for question in plan.questions if question.loss.row is None]
    if not plan.rows_out:
        raise UsageError(f"--rows-out {path}: {listed(without)} have no per-row value")
    if without:
        note(f"{path}: {listed(without)} have no per-row value and are left out")
    found: dict[object, str] = {}
    for question in plan.questions:
        if question.loss.row is not None:
            for model in plan.models:
                quantity = model, question.loss.term(question.loss.row, question.form.name)
                found.setdefault(quantity, f"{model}.{question.label}")
    return [found[quantity] for quantity in plan.rows_out]


def raise_findings(tally: Tally, reader: BlockReader, plan: Plan, missing: str, stopped: DataError | None) -> None:
    """Raise DataError for the earliest row that is wrong, if any, else for what stopped the reading."""
    findings: list[tuple[int, Callable[[], str]]] = []
    if missing == "error":
        for name, found in tally.missing.items():
            findings.append((found.row, lambda name=name, found=found: _missing(reader, name, found)))  # type: ignore[misc]
    for name, found in tally.faults.items():
        findings.append((found.row, lambda name=name, found=found: explain_fault(reader, name, found)))  # type: ignore[misc]
    for check, found in tally.breaches.items():
        if found.first != NEVER:
            findings.append((found.first, lambda check=check, found=found: _outside(reader, plan, check, found)))  # type: ignore[misc]
    if findings:
        raise DataError(min(findings, key=lambda finding: finding[0])[1]())
    if stopped is not None:
        raise stopped
    if tally.read == tally.dropped:
        raise DataError(f"{reader.tables[0].label}: every one of the {tally.read} rows has a missing value")
    if plan.weighted and tally.moments.rows and tally.moments.total(0) == 0:
        raise DataError(f"{reader.tables[0].label}: every weight is zero, so there is no number")


def _missing(reader: BlockReader, name: str, found: Breach) -> str:
    label, column, kind = name.split("\0")
    table = next(table for table in reader.tables if table.label == label)
    what = "NaN" if kind == "nan" else "missing"
    count = f" ({found.count} such rows)" if found.count > 1 else ""
    return (
        f"{table.where(found.row)}, column {printable(column)!r}: the value is {what}{count}; "
        "--missing drop leaves such rows out for every model"
    )


def _slot(reader: BlockReader, check: Check, plan: Plan) -> Slot:
    slot = {"target": reader.selection.target, "weight": reader.selection.weight}.get(check.role)
    return slot or reader.selection.slots[check.model or plan.models[0]][check.role]


def _outside(reader: BlockReader, plan: Plan, check: Check, found: Breach) -> str:
    """Word a row outside a domain: where, what, what is allowed, how many, and the likely fix."""
    slot = _slot(reader, check, plan)
    table = reader.tables[slot.table]
    values = _values_at(table, slot, found.first)
    where = f"{table.where(found.first)}, column{'s' if len(slot.columns) > 1 else ''} {slot.named()} = {values}"
    if found.clash <= found.row:
        return f"{where}: labels -1 and 0 (or a probability) are mixed; use {{0, 1}} or {{-1, +1}} throughout"
    count = f" ({found.count} such rows)" if found.count > 1 else ""
    activation = plan.activations.get(check.model, "none")
    hint = f"; {check.domain.hint}" if check.domain.hint and check.role != "target" and activation == "none" else ""
    need = "weights must be" if check.role == "weight" else f"{check.loss} needs {check.role} in"
    return f"{where}{count}: {need} {check.domain}{hint}"


def _values_at(table: Table, slot: Slot, row: int) -> str:
    """Read one row again, for a message."""
    start = 0
    for piece in table.read(dict.fromkeys(slot.columns, Kind.NUMBER)):
        columns = [column for column in piece.values() if isinstance(column, Numbers)]
        count = columns[0].values.shape[1]
        if row < start + count:
            values = [float(x) for name in slot.columns for x in piece[name].values[:, row - start]]  # type: ignore[union-attr]
            return ", ".join(f"{value:.10g}" for value in values[:4]) + (", ..." if len(values) > 4 else "")
        start += count
    return "?"


def _report(
    tally: Tally,
    plan: Plan,
    reader: BlockReader,
    job: Job,
    level: float | None,
    reduction: str,
    weight: str | None,
) -> Report:
    """Finish the cells and say where they came from."""
    digest = reader.digest
    dropped = _dropped(tally, reader)
    used = tally.moments.rows if plan.quantities else tally.read - tally.dropped
    drop = ",".join(f"{count}({name})" for name, count in dropped.items()) or "0"
    signed = "|".join(
        [
            f"drop:{drop}",
            f"w:{printable(weight) if weight else 'none'}",
            f"agg:{reduction}",
            f"ci:{f't{level * 100:g}' if level else 'none'}",
            f"data:{digest}",
            f"v:{__version__}",
        ]
    )

    def where(model: str, row: int) -> str:
        slots = reader.selection.slots[model]
        table = next(iter(slots.values())).table if slots else 0
        return reader.tables[table].where(row)

    made = cells(
        tally, plan, {name: reader.labels(name) for name in plan.slicings}, Settings(level, reduction, signed, where)
    )
    inputs = tuple(
        Input(model, reader.tables[_table(reader, model)].label, digest, tally.read, used, dropped)
        for model in plan.models
    )
    return Report(tuple(made), inputs, job.task, reduction, level, __version__, tuple(_warnings(tally)))


def _table(reader: BlockReader, model: str) -> int:
    slots = reader.selection.slots[model]
    return next(iter(slots.values())).table if slots else 0


def _dropped(tally: Tally, reader: BlockReader) -> dict[str, int]:
    """Count dropped rows by column and kind of missing value; a row may count more than once."""
    found: dict[str, int] = {}
    several = len(reader.tables) > 1
    for name, breach in tally.missing.items():
        label, column, kind = name.split("\0")
        found[f"{label}:{column}:{kind}" if several else f"{column}:{kind}"] = breach.count
    return found


def _warnings(tally: Tally) -> Iterator[str]:
    if tally.dropped:
        yield f"{tally.dropped} of {tally.read} rows left out for a missing value"


__all__ = ["Report", "evaluate"]
