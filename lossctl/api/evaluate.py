"""`evaluate`: losses of models in one pass over the data, from the arguments to the report."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from hashlib import blake2b
from itertools import chain, pairwise
from os import PathLike
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from lossctl import registry
from lossctl.api.job import Job, raise_data_error
from lossctl.api.options import LEVEL, Losses, Names, Note, with_arguments
from lossctl.api.query import Engine, Query, as_list
from lossctl.core.batch import BLOCK, NO_TREND, Trend
from lossctl.core.block import Block, Pending, ready
from lossctl.core.form import QUERY, RANKED
from lossctl.core.loss import middles
from lossctl.core.state import Sample
from lossctl.engine.finish import CellOptions, Finish
from lossctl.engine.plan import TARGET, Couple, Design, Plan, Quantity, Question
from lossctl.engine.reduce import RunState
from lossctl.engine.run import Progress, Watch, run, unwatched
from lossctl.errors import DataError, UsageError, listed, printable
from lossctl.io.atomic import check_rows_path, check_writable, replacing
from lossctl.io.blocks import BlockReader
from lossctl.io.by_position import ByPosition
from lossctl.io.machine import free_memory, usable_cores
from lossctl.io.select import KEY_NAMES, WITHIN, Selection, key_columns, predicts_target
from lossctl.io.table import Table
from lossctl.results.report import Cells, Input, LeftOut, Report, Truth, Units, place_of
from lossctl.stats.spread import FEW
from lossctl.stats.student import INFORMATIVE
from lossctl.version import __version__

if TYPE_CHECKING:
    from lossctl.engine.paired import PairedBounds
    from lossctl.results.comparison import WorstRow

MakeDesign = Callable[[tuple[str, ...]], Design | None]
Inspect = Callable[[Sequence[Table], Selection], Sequence[Couple]]
Observe = Callable[[Job, BlockReader, Block], Callable[[Block], Block]]


@with_arguments
def evaluate(
    arguments: dict[str, Any],
    data: object,
    *,
    target: Names = None,
    pred: Names | Mapping[str, str | Sequence[str]] = None,
    losses: Losses = None,
    weight: str | None = None,
    by: Names = None,
    activation: Names | Mapping[str, str] = None,
    renormalize: bool = False,
    sum_tolerance: float | None = None,
    targets: object = None,
    concat: bool = False,
    id: Names = None,  # noqa: A002  # the option's own name
    id_missing: Literal["error", "drop"] = "error",
    roles: Names | Mapping[str, str] = None,
    positive_label: str | None = None,
    classes: str | Sequence[str] | None = None,
    task: str | None = None,
    reduction: Literal["mean", "sum"] = "mean",
    decompose: bool = False,
    per_output: bool = False,
    ci: float | None = LEVEL,
    missing: Literal["error", "drop"] = "error",
    delimiter: str | None = None,
    no_header: bool = False,
    comment: str | None = None,
    decimal: str = ".",
    thousands: str | None = None,
    null: Names = None,
    quote: str = '"',
    escape: str | None = None,
    bad_rows: Literal["error", "drop"] = "error",
    rows_out: str | PathLike[str] | None = None,
    with_grad: bool = False,
    worst: int = 0,
    threads: int | None = None,
    max_memory: str | int | None = None,
    progress: Progress | None = None,
    note: Note | None = None,
    watch: Watch = unwatched,
    engine: Engine | None = None,
    observe: Observe | None = None,
) -> Report:
    """Evaluate losses of one or more models in one pass over the data.

    Parameters
    ----------
    data
        A frame of pandas, Polars or another library that speaks Arrow's C interface, an Arrow table, reader or
        dataset, a dict of arrays or tensors ((n,) or (n, k)), a list of dicts, a file object, a path, or several paths
        (one model each, `NAME=PATH` to name them).
    target, weight
        Columns: of the truth, of row weights (finite, >= 0, not all zero).
    pred
        Prediction columns, one entry per model: a column, `a,b,c`, a glob such as `p_*`, or `NAME=COLUMNS`; or a
        mapping from model names to columns.
    losses
        A loss or several, as specs such as `huber:delta=2` or `p90=quantile:q=0.9`, or as `lossctl.get` returns them;
        a mapping gives them labels; without any, the usual ones of the task.
    by
        Slicings: a column, or `a,b` for their combinations; `age:quantiles=4`, `age:width=10`, `age:edges=18/35/65`
        and `day:month` (year, quarter, week, day, hour, weekday) make slices of values.
    activation
        What raw outputs need: none, sigmoid, softmax, tanh, exp, softplus, relu, or renormalize (each row of class
        probabilities is divided by its sum); `MODEL=ACT` for one model.
    renormalize, sum_tolerance
        The activation renormalize for every model; by how much a row of probabilities may miss a sum of 1 (0.001).
    targets
        What holds the target, as data, or a series or array of it, if that is not beside the predictions.
    concat
        Several paths are parts of one table; those of one name, of one model.
    id, id_missing
        The column of the key that aligns several files, or `a,b` or a list for several that make it; a key that not
        all files have is an `error`, or `drop` leaves its rows out.
    roles
        `[MODEL:]ROLE=COLUMNS` for losses of embeddings, or a mapping.
    positive_label, classes, task
        Which label is 1; the class labels of the prediction columns in order; the kind of problem.
    reduction
        `mean`, or `sum` for losses that are one mean.
    decompose
        Also the components of the losses that ask for a mean or a quantile, as `mse[miscalibration]`,
        `mse[discrimination]` and `mse[uncertainty]`: the first less the second plus the third is the loss.
    per_output
        Each of several outputs apart, as losses `mse[NAME]`, in place of their mean.
    ci
        Level of the confidence intervals; None for neither intervals nor standard errors.
    missing
        `error`, or `drop` to leave rows with a missing value out for every model.
    delimiter, no_header, comment, decimal, thousands, null, quote, escape
        How text files are written: the field separator (by default a comma, or a tab for .tsv; `blanks` for any number
        of them), whether the first line is data, what begins a comment, the form of numbers, marks of missing values,
        the quote (`none` where quotes mean nothing), and what takes the meaning from the next character.
    bad_rows
        `error`, or `drop` to leave rows of text files out that cannot be told apart into their fields.
    rows_out
        A .parquet or .csv file for the per-row losses.
    with_grad
        Write the gradients of the per-row losses by the prediction columns, as they were read, beside them.
    worst
        How many of the rows to list where a model loses most, with their keys and slices.
    threads
        How many threads read and reduce; by default as many as there are processors. The numbers do not depend on it.
    max_memory
        Bytes, or a text such as `2G`, that losses which keep every value may take; by default what is free.
    progress, note, watch
        Functions that take the rows of each block as it is done, a line about what was chosen unasked, and the name
        of a phase of the work (returning a context manager for it).
    engine
        What reduces the rows in place of the threads of this process, as what `lossctl.api.clusters` has.
    observe
        Judges what was decided, with the first rows, and returns a function through which every block goes, in any
        thread and order: what plots count.

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
    report, _ = answer(Query(data, arguments))
    return report


# the walk --------------------------------------------------------------------------------------------------------


def answer(
    query: Query,
    make_design: MakeDesign | None = None,
    units: tuple[str | None, str | None] = (None, None),
    inspect: Inspect | None = None,
) -> tuple[Report, PairedBounds | None]:
    """Answer a query: open, select, decide, look ahead, plan, run, finish.

    make_design: how the models of these names are compared; with a comparison come its bounds. units: the columns
    that tell clusters and times, where rows are not independent. inspect: judges what was selected, and returns the
    couples of models of which it is to be told whether they predict the same.
    """
    options = query.options
    tables, names, paths = query.opened()
    rows_out = options["rows_out"]
    if rows_out is not None:
        check_rows_path(rows_out)
        check_writable(rows_out, paths)
    selection = query.selection(tables, names, units)
    for text in selection.notes:
        query.tell(text)
    watched = () if inspect is None else inspect(tables, selection)
    design = None if make_design is None else make_design(tuple(selection.models))
    threads = _threads(options["threads"], tables)
    keep_rows = rows_out is not None or options["worst"] > 0
    rows = row_source(query, tables, threads, keep_rows=keep_rows)
    job = Job(query, tables, selection)
    observe = options["observe"]
    own_rows = options["per_output"] and options["missing"] == "drop" and job.outputs_have_rows
    if own_rows and (design is not None or rows_out is not None or inspect is not None or observe is not None):
        query.tell("rows that lack a value of one output are left out for all of them, so that all have the same rows")
        own_rows = False
    questions: list[Question] = []
    reports = [
        _one_pass(
            query,
            tables,
            selection,
            job,
            rows,
            design=design,
            threads=threads,
            questions=questions,
            output=output,
            watched=watched,
        )
        for output in (range(job.widths["pred"]) if own_rows else [None])
    ]
    return reports[0] if len(reports) == 1 else (_joined([report for report, _ in reports]), None)


def _one_pass(
    query: Query,
    tables: Sequence[Table],
    selection: Selection,
    job: Job,
    rows: ByPosition,
    *,
    design: Design | None,
    threads: int,
    questions: list[Question],
    output: int | None,
    watched: Sequence[Couple],
) -> tuple[Report, PairedBounds | None]:
    """Look ahead, plan, run and finish. output: the one of several outputs whose rows count, None for all together.

    questions: what is computed; the first pass settles it.
    """
    options, rows_out, observe = query.options, query.options["rows_out"], query.options["observe"]
    resampled = design is not None and design.method == "bootstrap"
    sets = any(loss.over_sets for _, loss in query.losses)
    reader = BlockReader(
        tables,
        rows,
        selection,
        job.rule,
        options["missing"],  # type: ignore[arg-type]  # the query has checked it
        needs_origins=bool(selection.by) and any(loss.needs_origin for _, loss in job.candidates()),
        needs_units=resampled,
        whole_sets=sets,
        null_slices=True,
        output=output,
    )
    in_order = bool(selection.groupings) or rows_out is not None or resampled or sets
    engine = options["engine"]
    if engine is not None and (rows_out is not None or output is not None or sets):
        raise UsageError(engine.refusal(rows_out, sets))
    if engine is not None and observe is not None:
        raise UsageError("plots of rows, which a page has, are counted in this process: leave out --engine and --shard")
    with options["watch"]("pair") if options["id"] else nullcontext():
        feeds = [] if engine is not None else reader.feeds(1 if in_order else threads)
    first = look_ahead(feeds) if engine is None else engine.first(reader)
    if first is None:
        raise DataError(_no_rows(tables, rows))
    if not questions:
        questions += job.questions(first)
        _check_questions(questions, query, design)
    if observe is not None:
        see = observe(job, reader, first)
        feeds = [(pending.then(see) for pending in feed) for feed in feeds]
    origins, trend = _first_values(first, job.activations)
    plan = Plan(
        selection.models,
        [question for question in questions if output in (None, question.output)],
        job.activations,
        weighted=options["weight"] is not None,
        slicings=list(selection.by),
        intervals=options["ci"] is not None,
        rows_out=rows_out is not None,
        gradient_widths=job.widths if options["with_grad"] else None,
        worst=options["worst"],
        design=design,
        clusterings={name: name.removesuffix(WITHIN) for name in selection.clusters},
        times=next(iter(selection.times), None),
        classes=job.rule.classes,
        trend=trend,
        asides=job.asides(),
        watched=watched,
    )
    limit = MemoryLimit(plan, options["max_memory"], options["progress"])
    if engine is None and all(table.rows is not None for table in tables):
        limit.check(min(table.rows or 0 for table in tables))
    with ExitStack() as stack:
        writer = None
        if rows_out is not None:
            from lossctl.io.rowsout import RowsWriter

            temporary = stack.enter_context(replacing(rows_out))
            names = _row_names(plan, selection, query.tell, rows_out)
            writer = stack.enter_context(RowsWriter(rows_out, temporary, names, rows.rows_at))
        watch = options["watch"]
        if engine is None:
            state = run(feeds, plan, origins=origins, threads=threads, sink=writer, progress=limit, watch=watch)
        else:
            state = engine.state(query, reader, plan, origins, limit)
        raise_data_error(state, reader, plan, options["missing"])
        for label in reader.never_ignored():
            query.tell(f"ignore_class={printable(label)}: no row has this label, and it is no class")
    return made_report(state, plan, reader, job, query)


def _joined(reports: Sequence[Report]) -> Report:
    """Return the reports of several outputs, each of its own rows, as one; an input's rows are those of any output."""
    first = reports[0]
    inputs = []
    for same in zip(*(report.inputs for report in reports), strict=True):
        most = max(same, key=lambda entry: entry.used)
        counts: dict[str, int] = {}
        for entry in same:
            counts |= entry.dropped
        truth: Truth = "none" if any(entry.truth == "none" for entry in same) else most.truth
        inputs.append(replace(most, dropped=counts, truth=truth))
    warnings = tuple(dict.fromkeys(text for report in reports for text in report.warnings))
    cells = Cells.joined([report.cells for report in reports if isinstance(report.cells, Cells)])
    return replace(first, cells=cells, inputs=tuple(inputs), warnings=warnings)


def _threads(most: int | None, tables: Sequence[Table]) -> int:
    """Return how many threads are worth their start: one where all rows surely make a single block."""
    if all((rows := table.most_rows) is not None and rows <= BLOCK for table in tables):
        return 1
    return usable_cores() if most is None else most


def row_source(query: Query, tables: Sequence[Table], threads: int, *, keep_rows: bool = False) -> ByPosition:
    """Decide how rows of several tables belong together: by a key, or by their order."""
    options = query.options
    has_targets = options["targets"] is not None
    several_models = len(tables) > 1 + int(has_targets)
    if texts := as_list(options["id"]):
        from lossctl.io.by_key import ByKey

        key, drop = key_columns(tables, texts), options["id_missing"] == "drop"
        return ByKey(
            tables,
            key,
            threads,
            drop_unpaired=drop,
            keep_rows=keep_rows,
            several_models=several_models,
            has_targets=has_targets,
        )
    if options["id_missing"] == "drop":
        raise UsageError("--id-missing drop is about keys: name their column with --id")
    if len(tables) > 1 and (shared := [name for name in KEY_NAMES if all(name in t.names for t in tables)]):
        query.tell(
            f"rows are paired by their order; the files share a column {shared[0]!r}: --id {shared[0]} pairs by key"
        )
    if options["bad_rows"] == "drop" and len(tables) > 1:
        raise UsageError(
            "--bad-rows drop: rows of several files are paired by their order, which a row that is left out would "
            "shift; pair them by a key: --id COLUMN"
        )
    return ByPosition(tables, several_models=several_models)


def _no_rows(tables: Sequence[Table], rows: ByPosition) -> str:
    """Say why there is no row."""
    if rows.unpaired():
        return f"{tables[0].label}: none of its keys is in {listed([table.label for table in tables[1:]])}"
    if bad := sum(map(len, tables[0].bad_rows.values())):
        return f"{tables[0].label}: all {bad} rows are bad; without --bad-rows drop the error says how"
    return f"{tables[0].label}: there are no rows below the header"


def look_ahead(feeds: list[Iterator[Pending[Block]]]) -> Block | None:
    """Return the first block with a row that counts (else with any); the feeds stay as if nothing had been read.

    Raises DataError where not even one row can be read.
    """
    first: Block | None = None
    for place, feed in enumerate(feeds):
        blocks: list[Block] = []
        for pending in feed:
            block = pending.make()
            blocks.append(block)
            first = first or (block if block.read else None)
            counts = block.counts
            if counts or block.stopped is not None:
                break
        feeds[place] = chain(map(ready, blocks), feed)
        if blocks and counts:
            return block.first_run()
        if blocks and block.stopped is not None:
            if first is None:
                raise block.stopped
            break
    return first


def _first_values(block: Block, activations: Mapping[str, str]) -> tuple[list[float], Trend]:
    """Return the values about which variances of the target columns are taken, and the trend of the first model."""
    if not block.rows:
        return [], NO_TREND
    model, roles = next(iter(block.models.items()))
    return middles(roles, activations[model], block.weight)


def _check_questions(questions: Sequence[Question], query: Query, design: Design | None) -> None:
    """Raise UsageError where losses have no sum over rows or no gradient; say which have no value to be shown."""
    options = query.options
    if options["reduction"] == "sum" and options["decompose"]:
        raise UsageError("--reduction sum: the components of --decompose are means over rows; leave one of the two out")
    for question in questions if options["reduction"] == "sum" else ():
        if question.loss.keeps != "moments" or question.loss.statistic.name != "mean":
            fitting = [loss.name for loss in registry.losses().values() if loss.row and loss.statistic.name == "mean"]
            raise UsageError(f"--reduction sum: {question.label} is not one mean of rows; what is: {listed(fitting)}")
    plain = [question for question in questions if not question.component] if options["with_grad"] else []
    flat = [question.label for question in plain if not question.has_gradient]
    if flat and len(flat) == len(plain):
        raise UsageError(f"--with-grad: no gradient: {listed(flat)}")
    if flat:
        query.tell(f"{options['rows_out'] or ''}: without a gradient: {listed(flat)}")
    if options["worst"] and (without := _without_rows(questions)):
        query.tell(f"no worst rows, as there is no per-row value: {listed(without)}")


def _without_rows(questions: Sequence[Question]) -> list[str]:
    """Return the labels of losses without a per-row value; components never have one."""
    return [question.label for question in questions if question.loss.row is None and not question.component]


# what is written for each row ------------------------------------------------------------------------------------


def _row_names(plan: Plan, selection: Selection, note: Note, path: str) -> list[str]:
    """Name the columns of the per-row output, and say which losses cannot be in it."""
    without = _without_rows(plan.questions)
    if not plan.rows_out:
        raise UsageError(f"--rows-out {path}: no per-row value: {listed(without)}")
    if without:
        note(f"{path}: left out, as without a per-row value: {listed(without)}")
    names: dict[object, str] = {}
    for question in plan.questions:
        if question.row is not None:
            for model in plan.models:
                names.setdefault(Quantity(model, question.row), f"{model}.{question.label}")
    return [names[quantity] for quantity in plan.rows_out] + list(_gradient_names(plan, selection))


def _gradient_names(plan: Plan, selection: Selection) -> Iterator[str]:
    """Name the columns of gradients: by the column that they are taken with respect to."""
    for gradient in plan.gradients_out:
        for role, width in gradient.widths:
            columns: Sequence[str] = selection.slots[gradient.model][role].columns
            output = gradient.question.output
            if output is not None and len(columns) > 1:
                columns = columns[output : output + 1]
            if len(columns) != width:  # one column of lists
                columns = [f"{columns[0]}[{place}]" for place in range(width)]
            yield from (f"{gradient.model}.{gradient.question.label}.grad.{column}" for column in columns)


# memory ----------------------------------------------------------------------------------------------------------

UNITS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}


def as_bytes(size: str | int) -> int:
    """Read a size: a number of bytes, or with K, M, G or T (powers of 1024)."""
    if isinstance(size, int):
        if size < 1:
            raise UsageError(f"--max-memory {size}: at least one byte is needed")
        return size
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([kmgt]?)(?:i?b)?", size.strip().lower())
    if match is None or not Decimal(match[1]):
        raise UsageError(f"--max-memory {size}: a size is needed, as 500M or 2G")
    return int(Decimal(match[1]) * (1 << UNITS[match[2]]))


class MemoryLimit:
    """The memory that losses which keep every value may take; as a progress function it counts the rows done."""

    def __init__(self, plan: Plan, size: str | int | None, progress: Progress | None) -> None:
        self._progress, self._size, self._rows = progress, size, 0
        riders = len(plan.sample_groups) + (2 if plan.resamples else 0)
        lines = [len(terms) + 1 + riders for _, terms, kind in plan.wholes if kind == "sample"]
        lines += [] if plan.times is None else [len(plan.quantities) + int(plan.weighted) + riders + 1]
        influence = any(question.loss.influence is not None for question in plan.questions)
        self._bytes_per_row = Sample.bytes_per_row(sum(lines), influence) if lines else 0
        self._bytes = None if size is None and not lines else free_memory() if size is None else as_bytes(size)
        all_losses = plan.times is not None
        self._losses = list(dict.fromkeys(q.label for q in plan.questions if all_losses or q.loss.keeps == "sample"))

    def check(self, rows: int) -> None:
        """Raise DataError if the samples of that many rows would not fit."""
        if self._bytes is None or rows * self._bytes_per_row <= self._bytes:
            return
        limit = "are free" if self._size is None else "--max-memory allows"
        raise DataError(
            f"{listed(self._losses)}: every value is kept, which takes {self._bytes_per_row} bytes a row at the end: "
            f"{_mebibytes(rows * self._bytes_per_row)} for {rows} rows{'' if not self._rows else ' so far'}, and "
            f"{_mebibytes(self._bytes)} {limit}; leave such losses out, take fewer rows, or raise --max-memory"
        )

    def __call__(self, rows: int) -> None:
        """Count the rows of a block that is done."""
        self._rows += rows
        self.check(self._rows)
        if self._progress is not None:
            self._progress(rows)


def _mebibytes(size: int) -> str:
    return f"{size / (1 << 20):.4g} MiB"


# the report ------------------------------------------------------------------------------------------------------

ROUGH = (
    f"intervals may be too narrow, as there are fewer than {FEW} rows, or fewer than {INFORMATIVE} rows make up "
    "nearly all of the variance"
)


def made_report(
    state: RunState, plan: Plan, reader: BlockReader, job: Job, query: Query
) -> tuple[Report, PairedBounds | None]:
    """Finish the cells, compare the models if that is asked for, and say where all of it came from."""
    bad_rows, unpaired = [table.bad_rows for table in reader.tables], reader.rows.unpaired()
    dropped = _dropped(state, reader, bad_rows, unpaired)
    rows = state.moments.rows if plan.quantities else state.read - state.dropped
    digest, digest_used = digest_of(state.read, state.digest, bad_rows), digest_of(rows, state.digest_kept, bad_rows)
    drop = ",".join(f"{count}({name})" for name, count in dropped.items()) or "0"
    signed = "|".join(
        [
            f"drop:{drop}",
            f"w:{printable(query.options['weight']) if query.options['weight'] else 'none'}",
            f"agg:{query.options['reduction']}",
            *([job.reading.signed] if job.reading is not None and job.reading.signed else []),
            *([] if query.options["sum_tolerance"] is None else [f"sum:{query.options['sum_tolerance']:g}"]),
            *_signed(query.options["ci"], plan.design),
            f"data:{digest}",
            f"v:{__version__}",
        ]
    )

    def where(model: str, row: int) -> str:
        return reader.where(_table(reader, model), row)

    labels = {name: reader.labels(name) for name in (*plan.slicings, *plan.clusterings)}
    ranks = np.empty(0, dtype=np.int64) if plan.times is None else _ranks_of_rows(state, plan, reader)
    settings = CellOptions(query.options["ci"], query.options["reduction"], signed, where)
    finish = Finish(state, plan, labels, ranks, settings)
    cells = finish.cells()
    inputs, absent = [], reader.rows.absent_keys()
    for model in plan.models:
        place, gaps = _table(reader, model), state.gaps
        read = state.read + sum(map(len, bad_rows[place].values()))
        lacks = {name: gaps.alone[model, name] + absent[place, _table(reader, name)] for name in plan.models}
        lacks = {name: count for name, count in lacks.items() if count and name != model}
        same = rows > 0 and (TARGET, model) not in state.unlike
        is_target = predicts_target(reader.tables, reader.selection, model)
        truth: Truth = "column" if is_target else "rows" if same else "none"
        inputs.append(
            Input(
                model,
                reader.tables[place].label,
                digest,
                read,
                rows,
                digest_used,
                dropped,
                gaps.models[model],
                lacks,
                max(absent[-1, -1], *unpaired.values(), 0),
                truth,
            )
        )
    report = Report(
        cells,
        tuple(inputs),
        job.task,
        query.options["reduction"],
        query.options["ci"],
        __version__,
        (*_warnings(state, reader, finish, unpaired), *(job.tell_quantiles(state, plan) if plan.asides else ())),
        plugins=tuple(dict.fromkeys(question.loss.origin for question in plan.questions if question.loss.origin)),
        reading=job.reading,
        worst=tuple(_worst(state, plan, reader, query)) if plan.worst else (),
        units=_units(finish, reader, query.options["ci"] is not None),
        left_out=tuple(_left_out(state, labels)),
        alike=frozenset(plan.watched) - state.unlike,
        source=query.source,
    )
    if plan.design is None:
        return report, None
    from lossctl.engine.paired import Differences, PairedBounds, compare, contests
    from lossctl.results.comparison import Study

    design, differences = plan.design, Differences(finish.assumptions)
    all_contests = contests(differences, list(chain.from_iterable(finish.slicings)), cells)
    compared = compare(differences, all_contests)
    resampled = design.method == "bootstrap"
    study = Study(
        baseline=design.baseline,
        all_pairs=design.all_pairs,
        assumption=design.assumption,
        method="none" if design.level is None else design.method,
        correction=compared.correction,
        level=design.level,
        resamples=design.resamples if resampled else None,
        seed=design.seed if resampled or compared.random else None,
        effect=None if design.effect is None else design.effect.text,
    )
    report = replace(
        report,
        command="compare",
        study=study,
        comparisons=compared.comparisons,
        best_sets=compared.best_sets,
        warnings=(*report.warnings, *compared.warnings),
    )
    return report, PairedBounds(differences, all_contests)


def _units(finish: Finish, reader: BlockReader, intervals: bool) -> Units | None:
    """Return the clusters, or the sets of the first loss of sets, that count; without intervals none are counted."""
    plan = finish.plan
    cluster = None if plan.design is None else plan.design.cluster
    if cluster is not None:
        return Units(cluster, finish.units(plan.questions[0]))
    slot = next(iter(reader.selection.slots.values()), {}).get(QUERY)
    of_sets = [question for question in plan.questions if question.loss.statistic.mass is not None]
    if slot is None or not of_sets or not intervals:
        return None
    return Units(slot.columns[0], finish.units(of_sets[0]))


def _left_out(state: RunState, labels: Mapping[str, Sequence[tuple[str, ...]]]) -> Iterator[LeftOut]:
    """Yield how many rows of each slice were left out."""
    for (name, code), rows in state.gaps.slices.items():
        words = labels[name][code]
        yield LeftOut(dict(zip(name.split(",") if len(words) > 1 else [name], words, strict=True)), rows)


BadRows = Sequence[Mapping[str, Sequence[int]]]  # for each table: what is wrong -> rows


def digest_of(rows: int, fingerprints: int, bad_rows: BadRows) -> str:
    """Return the digest of the row count and the target, weight, key and slice values of all rows."""
    bad = [(*entry,) for rows_by_kind in bad_rows for entry in sorted(rows_by_kind.items())]
    return blake2b(f"{rows} {fingerprints}{bad or ''}".encode(), digest_size=8).hexdigest()


def _warnings(state: RunState, reader: BlockReader, finish: Finish, unpaired: Mapping[int, int]) -> Iterator[str]:
    """Warn of rows that were dropped, and of intervals that are likely too narrow."""
    for place, count in unpaired.items():
        lacking = "another input" if len(reader.tables) > 2 else reader.tables[1 - place].label
        rows, keys = ("row", "its key") if count == 1 else ("rows", "their keys")
        yield f"{count} {rows} of {reader.tables[place].label} left out, as {lacking} lacks {keys}"
    for table in reader.tables:
        yield from table.remarks
    of_sets = [question.label for question in finish.plan.questions if question.form.name == RANKED]
    if of_sets and QUERY not in next(iter(reader.selection.slots.values()), {}):
        yield f"{listed(of_sets)}: all rows are one set; --role {QUERY}=COLUMN says which belong together"
    if state.dropped:
        yield f"{state.dropped} of {state.read} rows left out for a missing value"
    if finish.rough:
        places = [printable(f"{cell.loss} of {cell.model}{place_of(cell.slice)}") for cell in finish.rough]
        yield f"{ROUGH}: {listed(places, count=finish.rough_count)}"


def _signed(level: float | None, design: Design | None) -> list[str]:
    """Word what decides the intervals, for the signature."""
    if level is None:
        return ["ci:none"]
    if design is None:
        return [f"ci:t{level * 100:g}"]
    law = {"auto": "t", "bootstrap": "bs"}.get(design.method, design.method)
    words = [f"ci:{law}{level * 100:g}"]
    if not design.independent:
        words.append(f"rows:{printable(design.assumption)}")
    if design.method == "bootstrap":
        words += [f"bs:{design.resamples}", f"seed:{design.seed}"]
    return words


def _worst(state: RunState, plan: Plan, reader: BlockReader, query: Query) -> Iterator[WorstRow]:
    """Yield the rows where models lose most, model by model (or couple by couple) within each loss."""
    from lossctl.results.comparison import WorstRow

    tables = {model: _table(reader, model) for model in plan.models}
    slots = list(chain.from_iterable(reader.selection.by.values()))
    addresses = {address for worst in state.worst.values() for address in worst.addresses.tolist()}
    keys = {table: key_columns(reader.tables, as_list(query.options["id"])) for table in tables.values()}
    key_words = {table: reader.rows.words_at(table, columns, addresses) for table, columns in keys.items()}
    slice_words = reader.rows.words_at(slots[0].table, [slot.columns[0] for slot in slots], addresses) if slots else {}
    slots_of_labels = reader.label_slots(plan.models)
    label_words = {name: reader.rows.words_at(*slot[:2], addresses) for name, slot in slots_of_labels.items()}
    for question in plan.questions:
        for base, model in plan.rivals:
            worst = state.worst.get(((base, model), question.label))
            if worst is None:
                continue
            table = tables[base or model]
            labels = reader.label_slots(filter(None, (base, model)))
            for address, facts in zip(worst.addresses.tolist(), worst.facts.T.tolist(), strict=True):
                values, roles = facts[: 1 + (base is not None)], facts[1 + (base is not None) :]
                size = [abs(value) if question.loss.direction == "zero" else value for value in values]
                yield WorstRow(
                    base,
                    model,
                    question.label,
                    reader.rows.row_of(table, address) + 1,
                    None if base is None else values[0],
                    values[-1],
                    None if base is None else size[1] - size[0],
                    dict(zip(worst.names, roles, strict=True)),
                    {
                        **key_words[table].get(address, {}),
                        **{name: word for name in labels for word in label_words[name].get(address, {}).values()},
                    },
                    slice_words.get(address, {}),
                )


def _table(reader: BlockReader, model: str) -> int:
    slots = reader.selection.slots[model]
    return next(iter(slots.values())).table if slots else 0


def _dropped(state: RunState, reader: BlockReader, bad_rows: BadRows, unpaired: Mapping[int, int]) -> dict[str, int]:
    """Count dropped rows by column and kind of missing value; a row may count more than once."""
    counts: dict[str, int] = {}
    several = len(reader.tables) > 1
    for defect, breach in sorted(state.missing.items()):
        label = f"{reader.tables[defect.table].label}:" if several else ""
        name = f"{label}{defect.column}:{defect.kind}"
        counts[name] = counts.get(name, 0) + breach.rows
    for table, rows_by_kind in zip(reader.tables, bad_rows, strict=True):
        label = f"{table.label}:" if several else ""
        counts |= {f"{label}bad row:{kind}": len(rows) for kind, rows in sorted(rows_by_kind.items())}
    return counts | {f"{reader.tables[place].label}:unpaired": n for place, n in unpaired.items()}


# times: the words of a column that orders rows, brought into their order -----------------------------------------

A_TIME = "numbers throughout, or dates and times as 2026-11-21 or 2026-11-21T09:30:00, are"
FRACTION: Final = r"(.{8,11}(?:[0-9]{2}:[0-9]{2}:[0-9]{2}|[0-9]{6}))[.,]([0-9]+)((?:Z|[+-][0-9:]+)?)"


def time_ranks(words: Sequence[str], where: Callable[[int], str]) -> NDArray[np.int64]:
    """Return the place of each word in the order of time.

    Times are numbers throughout, or dates and times as ISO 8601 writes them, with a zone throughout or without. Both
    are compared exactly, whatever their number of digits. Words come in the order of their first rows, and `where`
    says where that of a word is. Raises DataError for a word that is no time, or not of the kind of the first, and
    for two that are one time.
    """
    if not words:
        return np.empty(0, dtype=np.int64)
    numeric, times = _number(words[0]) is not None, list[Any]()
    fault = f"is no number, as {printable(words[0])!r} is" if numeric else "is no time"
    for place, word in enumerate(words):
        time: Any = _number(word) if numeric else _instant(word.strip())
        if time is None:
            raise DataError(f"{where(place)}: {printable(word)!r} {fault}; {A_TIME}")
        times.append(time)
        if not numeric and (time[0].tzinfo is None) != (times[0][0].tzinfo is None):
            raise DataError(f"{where(place)}: {printable(word)!r}: times with a zone and without one are mixed")
    order = sorted(range(len(words)), key=times.__getitem__)
    for before, after in pairwise(order):
        if times[before] == times[after]:
            first, second = sorted((before, after))
            raise DataError(
                f"{where(second)}: {printable(words[second])!r} is the same time as {printable(words[first])!r} in a "
                "row before; a series has one row for each"
            )
    places = np.empty(len(words), dtype=np.int64)
    places[order] = np.arange(len(words))
    return places


def _number(word: str) -> Decimal | None:
    """Read a finite number; None where a word is none."""
    try:
        number = Decimal(word)
    except InvalidOperation:
        return None
    return number if number.is_finite() and "_" not in word else None


def _instant(text: str) -> tuple[datetime, Decimal] | None:
    """Read a time to the second, and the fraction of it, which `datetime` would cut to microseconds; None for none."""
    match = re.fullmatch(FRACTION, text)
    if match is None and ("." in text or "," in text):  # only a second has a fraction
        return None
    with suppress(ValueError):
        return datetime.fromisoformat(match[1] + match[3] if match else text), Decimal(f"0.{match[2] if match else 0}")
    return None


def _ranks_of_rows(state: RunState, plan: Plan, reader: BlockReader) -> NDArray[np.int64]:
    """Return the places of all times in their order; raise DataError where two rows have one time."""
    assert plan.times is not None
    slot = reader.selection.times[plan.times][0]
    column = printable(slot.columns[0])
    words = [word for (word,) in reader.labels(plan.times)]
    riders = state.series.unordered()[-2:] if state.series.pieces else np.empty((2, 0))
    codes, addresses = riders.astype(np.int64)
    order = np.argsort(addresses)
    codes, addresses = codes[order], addresses[order]
    present, first = np.unique(codes, return_index=True)
    if len(present) < len(codes):
        again = np.setdiff1d(np.arange(len(codes)), first)
        row, word = int(addresses[again[0]]), words[codes[again[0]]]
        raise DataError(
            f"{reader.where(slot.table, row)}, column {column!r}: the time {printable(word)!r} stands in a row before; "
            f"a series has one row for each ({len(again)} such row{'s' * (len(again) > 1)})"
        )
    places = np.zeros(len(words), dtype=np.int64)
    places[codes] = time_ranks(
        [words[code] for code in codes],
        lambda place: f"{reader.where(slot.table, int(addresses[place]))}, column {column!r}",
    )
    return places
