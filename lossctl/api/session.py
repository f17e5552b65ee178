"""Session: one query from its inputs to a finished report, in one pass over the data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, nullcontext
from itertools import chain
from typing import TYPE_CHECKING

from lossctl import registry
from lossctl.api.findings import raise_findings
from lossctl.api.inputs import open_inputs
from lossctl.api.job import Job, Note
from lossctl.api.query import Query
from lossctl.api.report import Report, made_report
from lossctl.api.room import Room
from lossctl.core.arrays import first_finite
from lossctl.core.block import Block, MakeBlock, ready
from lossctl.core.design import Design
from lossctl.core.form import checked_task
from lossctl.engine.bounds import Weighed
from lossctl.engine.plan import Plan, Quantity, Question, make_plan
from lossctl.engine.run import run
from lossctl.errors import DataError, UsageError, listed
from lossctl.io.atomic import check_rows_path, check_writable, replacing
from lossctl.io.blocks import BlockReader
from lossctl.io.column import Table
from lossctl.io.columns import WITHIN, unknown_column
from lossctl.io.instep import InStep
from lossctl.io.machine import usable_cores

if TYPE_CHECKING:
    from lossctl.io.join import Joined

KEY_NAMES = ("id", "row_id", "key", "uid", "uuid")
MakeDesign = Callable[[tuple[str, ...]], Design]


def answer(
    query: Query, make_design: MakeDesign | None = None, units: tuple[str | None, str | None] = (None, None)
) -> tuple[Report, Weighed | None]:
    """Answer a query; `make_design` says of the models' names how they are compared.

    units: the columns that tell clusters and times, where rows are not independent. With a comparison comes what
    further bounds can be asked of.
    """
    tables, names, paths = open_inputs(query.data, query.targets, query.delimiter)
    if query.rows_out is not None:
        check_rows_path(query.rows_out)
        check_writable(query.rows_out, paths)
    chosen = query.chosen(tables, names, units)
    for text in chosen.notes:
        query.tell(text)
    design = None if make_design is None else make_design(tuple(chosen.models))
    threads = usable_cores() if query.threads is None else query.threads
    rows = _paired(query, tables, threads, query.rows_out is not None or (design is not None and design.worst > 0))
    job = Job(tables, chosen, query.asked, checked_task(query.task), query.tell)
    job.resolve(query.activation, query.positive_label, query.classes)
    needs_origins = bool(chosen.by) and any(loss.needs_origin for _, loss in job.candidates())
    resampled = design is not None and design.method == "bootstrap"
    reader = BlockReader(tables, rows, chosen, job.rule, query.missing, needs_origins, resampled)  # type: ignore[arg-type]  # the query has checked it
    in_order = bool(chosen.groupings) or query.rows_out is not None or resampled
    with query.watch("pair") if query.id is not None else nullcontext():
        feeds = reader.feeds(1 if in_order else threads)
    first = look_ahead(feeds)
    if first is None:
        raise DataError(f"{tables[0].label}: there are no rows below the header")
    questions = job.questions(first)
    if query.reduction == "sum":
        _check_sums(questions)
    without = [question.label for question in questions if question.loss.row is None]
    if design is not None and design.worst and without:
        query.tell(f"--worst: no per-row value: {listed(without)}")
    plan = make_plan(
        chosen.models,
        questions,
        job.activations,
        weighted=query.weight is not None,
        slicings=list(chosen.by),
        intervals=query.ci is not None,
        rows_out=query.rows_out is not None,
        design=design,
        clusterings={name: name.removesuffix(WITHIN) for name in chosen.clusters},
        times=next(iter(chosen.times), None),
    )
    room = Room(plan, query.max_memory, query.progress)
    if all(table.rows is not None for table in tables):
        room.check(min(table.rows or 0 for table in tables))
    with ExitStack() as stack:
        sink = None
        if query.rows_out is not None:
            from lossctl.io.rowsout import RowsWriter

            temporary = stack.enter_context(replacing(query.rows_out))
            writer = RowsWriter(query.rows_out, temporary, _row_names(plan, query.tell, query.rows_out), rows.rows_at)
            sink = writer.write
        tally = run(feeds, plan, origin=_origin(first), threads=threads, sink=sink, progress=room, watch=query.watch)
        raise_findings(tally, reader, plan, query.missing)
        if query.rows_out is not None:
            writer.close()
    return made_report(tally, plan, reader, job, query)


def _paired(query: Query, tables: Sequence[Table], threads: int, keep_rows: bool) -> InStep | Joined:
    """Decide how rows of several tables belong together: by a key, or by their order."""
    if query.id is not None:
        for table in tables:
            if query.id not in table.names:
                raise DataError(unknown_column(table, query.id, "--id: there is no column"))
        from lossctl.io.join import Joined

        return Joined(tables, query.id, threads, keep_rows=keep_rows)
    if len(tables) > 1 and (shared := [name for name in KEY_NAMES if all(name in t.names for t in tables)]):
        query.tell(
            f"rows are paired by their order; the files share a column {shared[0]!r}: --id {shared[0]} pairs by key"
        )
    return InStep(tables)


def _check_sums(questions: Sequence[Question]) -> None:
    """Raise UsageError where a sum over rows is asked of what is not one mean of them."""
    for question in questions:
        if question.loss.keeps != "moments" or question.loss.reading.name != "mean":
            fitting = [loss.name for loss in registry.losses().values() if loss.row and loss.reading.name == "mean"]
            raise UsageError(f"--reduction sum: {question.label} is not one mean of rows; what is: {listed(fitting)}")


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
                quantity = Quantity(model, question.loss.term(question.loss.row, question.form.name))
                found.setdefault(quantity, f"{model}.{question.label}")
    return [found[quantity] for quantity in plan.rows_out]
