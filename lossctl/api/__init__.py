"""`evaluate`: losses of models on files, frames or arrays, in one pass. The command line calls it too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from itertools import chain
from typing import TYPE_CHECKING, Literal

from lossctl import registry
from lossctl.api.findings import raise_findings
from lossctl.api.inputs import Names, as_list, named, needed_roles, open_inputs
from lossctl.api.job import Job, Note
from lossctl.api.report import Report, made_report
from lossctl.api.room import Room
from lossctl.core.arrays import first_finite
from lossctl.core.block import Block, MakeBlock, ready
from lossctl.core.form import checked_task
from lossctl.engine.plan import Plan, make_plan
from lossctl.engine.run import Progress, Watch, run, unwatched
from lossctl.errors import DataError, UsageError, listed
from lossctl.io.atomic import check_rows_path, check_writable, replacing
from lossctl.io.blocks import BlockReader
from lossctl.io.columns import Request, select, unknown_column
from lossctl.io.instep import InStep
from lossctl.io.machine import usable_cores

if TYPE_CHECKING:
    from lossctl.io.join import Joined

LEVEL = 0.95
MOST_THREADS = 256
KEY_NAMES = ("id", "row_id", "key", "uid", "uuid")


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
    max_memory: str | int | None = None,
    progress: Progress | None = None,
    note: Note | None = None,
    watch: Watch = unwatched,
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
    delimiter
        The field separator of CSV files; by default a comma, or a tab for .tsv.
    rows_out
        A .parquet or .csv file for the per-row losses.
    threads
        How many threads read and reduce; by default as many as there are processors. The numbers do not depend on it.
    max_memory
        Bytes, or a text such as `2G`, that losses which keep every value may take; by default what is free.
    progress, note, watch
        Functions that take the rows of each block as it is done, a line about what was chosen unasked, and the name
        of a phase of the work (returning a context manager for it).

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
    target, weight, id, positive_label = (  # noqa: A001  # the option's own name
        None if name is None else str(name) for name in (target, weight, id, positive_label)
    )
    if reduction not in ("mean", "sum"):
        raise UsageError(f"reduction {reduction!r} is unknown; mean or sum")
    if missing not in ("error", "drop"):
        raise UsageError(f"missing {missing!r} is unknown; error or drop")
    if ci is not None and not 0.0 < ci < 1.0:
        raise UsageError(f"a confidence level of {ci:g} is not allowed; it lies between 0 and 1, as 0.95")
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        raise UsageError(f"--threads {threads} is not allowed; from 1 to {MOST_THREADS}")
    asked = [registry.labelled(spec) for spec in as_list(losses)]
    wanted = checked_task(task)
    tables, names, paths = open_inputs(data, targets, delimiter)
    needed = needed_roles([loss for _, loss in asked])
    request = Request(
        target,
        tuple(named(pred)),
        tuple(as_list(roles)),
        weight,
        tuple(as_list(by)),
        targets is not None,
    )
    if rows_out is not None:
        check_rows_path(rows_out)
        check_writable(rows_out, paths)
    chosen = select(tables, names, request, needed)
    for text in chosen.notes:
        note(text)
    threads = usable_cores() if threads is None else threads
    rows: InStep | Joined = InStep(tables)
    if id is not None:
        for table in tables:
            if id not in table.names:
                raise DataError(unknown_column(table, id, "--id: there is no column"))
        from lossctl.io.join import Joined

        rows = Joined(tables, id, threads, keep_rows=rows_out is not None)
    elif len(tables) > 1 and (shared := [name for name in KEY_NAMES if all(name in t.names for t in tables)]):
        note(f"rows are paired by their order; the files share a column {shared[0]!r}: --id {shared[0]} pairs by key")
    job = Job(tables, chosen, asked, wanted, note)
    job.resolve(activation, positive_label, classes)
    needs_origins = bool(chosen.by) and any(loss.needs_origin for _, loss in job.candidates())
    reader = BlockReader(tables, rows, chosen, job.rule, missing, needs_origins)
    in_order = bool(chosen.by) or rows_out is not None
    with watch("pair") if id is not None else nullcontext():
        feeds = reader.feeds(1 if in_order else threads)
    first = look_ahead(feeds)
    if first is None:
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
    room = Room(plan, max_memory, progress)
    if all(table.rows is not None for table in tables):
        room.check(min(table.rows or 0 for table in tables))
    origin = _origin(first)
    with ExitStack() as stack:
        sink = None
        if rows_out is not None:
            from lossctl.io.rowsout import RowsWriter

            temporary = stack.enter_context(replacing(rows_out))
            writer = RowsWriter(rows_out, temporary, _row_names(plan, note, rows_out), rows.rows_at)
            sink = writer.write
        tally = run(
            feeds,
            plan,
            origin=origin,
            threads=threads,
            sink=sink,
            progress=room,
            watch=watch,
        )
        raise_findings(tally, reader, plan, missing)
        if rows_out is not None:
            writer.close()
    return made_report(tally, plan, reader, job, ci, reduction, weight)


def look_ahead(feeds: list[Iterator[MakeBlock]]) -> Block | None:
    """Return the first block that keeps a row (else the first with any); the feeds stay as if none had been taken.

    Raises DataError where not even one row can be read.
    """
    seen: Block | None = None
    for place, feed in enumerate(feeds):
        taken: list[Block] = []
        for make in feed:
            block = make()
            taken.append(block)
            seen = seen or (block if block.read else None)
            if block.rows or block.stopped is not None:
                break
        feeds[place] = chain(map(ready, taken), feed)
        if taken and taken[-1].rows:
            return taken[-1]
        if taken and taken[-1].stopped is not None:
            if seen is None:
                raise taken[-1].stopped
            break
    return seen


def _origin(first: Block) -> float:
    """Return the value about which variances of the target are taken."""
    roles = next(iter(first.models.values()))
    return first_finite(roles["target"]) if "target" in roles and len(first.addresses) else 0.0


def _row_names(plan: Plan, note: Note, path: str) -> list[str]:
    """Name the columns of the per-row output, and say which losses cannot be in it."""
    without = [question.label for question in plan.questions if question.loss.row is None]
    if not plan.rows_out:
        raise UsageError(f"--rows-out {path}: no per-row value: {listed(without)}")
    if without:
        note(f"{path}: left out, as without a per-row value: {listed(without)}")
    found: dict[object, str] = {}
    for question in plan.questions:
        if question.loss.row is not None:
            for model in plan.models:
                quantity = model, question.loss.term(question.loss.row, question.form.name)
                found.setdefault(quantity, f"{model}.{question.label}")
    return [found[quantity] for quantity in plan.rows_out]


__all__ = ["Report", "evaluate"]
