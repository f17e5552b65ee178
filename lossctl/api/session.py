"""Session: one query from its inputs to a finished report, in one pass over the data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from lossctl import registry
from lossctl.api.findings import raise_findings
from lossctl.api.inputs import open_inputs
from lossctl.api.job import Job, Note
from lossctl.api.query import Query
from lossctl.api.report import Report, made_report
from lossctl.api.room import Room
from lossctl.core.arrays import first_finite, first_gap
from lossctl.core.block import Block, MakeBlock, ready
from lossctl.core.design import Design
from lossctl.core.form import checked_task
from lossctl.engine.bounds import Weighed
from lossctl.engine.plan import Plan, Quantity, Question, make_plan
from lossctl.engine.run import run
from lossctl.errors import DataError, UsageError, listed, printable
from lossctl.io.atomic import check_rows_path, check_writable, replacing
from lossctl.io.blocks import BlockReader
from lossctl.io.column import Table
from lossctl.io.columns import WITHIN, Selection, unknown_column
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
    job = Job(tables, chosen, query.asked, checked_task(query.task), query.tell, query.per_output)
    job.resolve(query.activation, query.positive_label, query.classes)
    needs_origins = bool(chosen.by) and any(loss.needs_origin for _, loss in job.candidates())
    resampled = design is not None and design.method == "bootstrap"
    sets = any(loss.over_sets for _, loss in query.asked)
    reader = BlockReader(tables, rows, chosen, job.rule, query.missing, needs_origins, resampled, sets)  # type: ignore[arg-type]  # the query has checked it
    in_order = bool(chosen.groupings) or query.rows_out is not None or resampled or sets
    with query.watch("pair") if query.id is not None else nullcontext():
        feeds = reader.feeds(1 if in_order else threads)
    first = look_ahead(feeds)
    if first is None:
        raise DataError(f"{tables[0].label}: there are no rows below the header")
    questions = job.questions(first)
    if query.reduction == "sum":
        _check_sums(questions)
    if query.with_grad:
        _check_gradients(questions, query.tell, query.rows_out or "")
    without = [question.label for question in questions if question.row is None]
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
        slope_widths=job.widths if query.with_grad else None,
        design=design,
        clusterings={name: name.removesuffix(WITHIN) for name in chosen.clusters},
        times=next(iter(chosen.times), None),
        classes=job.rule.classes,
        gap=_gap(first, job.activations),
    )
    room = Room(plan, query.max_memory, query.progress)
    if all(table.rows is not None for table in tables):
        room.check(min(table.rows or 0 for table in tables))
    with ExitStack() as stack:
        sink = None
        if query.rows_out is not None:
            from lossctl.io.rowsout import RowsWriter

            temporary = stack.enter_context(replacing(query.rows_out))
            writer = RowsWriter(
                query.rows_out, temporary, _row_names(plan, chosen, query.tell, query.rows_out), rows.rows_at
            )
            sink = writer.write
        tally = run(feeds, plan, origins=_origins(first), threads=threads, sink=sink, progress=room, watch=query.watch)
        raise_findings(tally, reader, plan, query.missing)
        for label in reader.never_ignored():
            query.tell(f"ignore_class={printable(label)}: no row has this label, and it is no class")
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


def _origins(first: Block) -> list[float]:
    """Return the values about which variances of the target columns are taken."""
    target = next(iter(first.models.values())).get("target")
    if target is None or target.ndim != 2 or not first.rows:
        return []
    return [first_finite(column[np.newaxis]) for column in target]


def _gap(first: Block, activations: Mapping[str, str]) -> float:
    """Return how far the first model's first prediction is from its target."""
    model, roles = next(iter(first.models.items()))
    return first_gap(roles, activations[model]) if first.rows else 0.0


def _row_names(plan: Plan, chosen: Selection, note: Note, path: str) -> list[str]:
    """Name the columns of the per-row output, and say which losses cannot be in it."""
    without = [question.label for question in plan.questions if question.row is None]
    if not plan.rows_out:
        raise UsageError(f"--rows-out {path}: no per-row value: {listed(without)}")
    if without:
        note(f"{path}: left out, as without a per-row value: {listed(without)}")
    found: dict[object, str] = {}
    for question in plan.questions:
        if question.row is not None:
            for model in plan.models:
                found.setdefault(Quantity(model, question.row), f"{model}.{question.label}")
    return [found[quantity] for quantity in plan.rows_out] + list(_slope_names(plan, chosen))


def _slope_names(plan: Plan, chosen: Selection) -> Iterator[str]:
    """Name the columns of gradients: by the column that they are taken with respect to."""
    for slope in plan.slopes_out:
        for role, width in slope.widths:
            columns: Sequence[str] = chosen.slots[slope.model][role].columns
            output = slope.question.output
            if output is not None and len(columns) > 1:
                columns = columns[output : output + 1]
            if len(columns) != width:  # one column of lists
                columns = [f"{columns[0]}[{place}]" for place in range(width)]
            yield from (f"{slope.model}.{slope.question.label}.grad.{column}" for column in columns)


def _check_gradients(questions: Sequence[Question], note: Note, path: str) -> None:
    """Say which losses have no gradient to be written; raise UsageError where none has."""
    without = [question.label for question in questions if not question.has_gradient]
    if len(without) == len(questions):
        raise UsageError(f"--with-grad: no gradient: {listed(without)}")
    if without:
        note(f"{path}: without a gradient: {listed(without)}")
