"""`evaluate` and `compare`: losses of models on files, frames or arrays. The command line calls them too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Literal

from lossctl.api.arguments import checked_types
from lossctl.api.comparison import compare
from lossctl.api.inputs import Losses, Names
from lossctl.api.job import Note
from lossctl.api.query import LEVEL, Query
from lossctl.api.report import Report
from lossctl.api.session import answer
from lossctl.engine.run import Progress, Watch, unwatched


def evaluate(
    data: object,
    *,
    target: str | None = None,
    pred: Names | Mapping[str, str | Sequence[str]] = None,
    losses: Losses = None,
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
    per_output: bool = False,
    ci: float | None = LEVEL,
    missing: Literal["error", "drop"] = "error",
    delimiter: str | None = None,
    rows_out: str | PathLike[str] | None = None,
    with_grad: bool = False,
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
        A loss or several, as specs such as `huber:delta=2` or `p90=quantile:q=0.9`, or as `lossctl.get` returns them;
        a mapping gives them labels; without any, the usual ones of the task.
    by
        Slicings: a column, or `a,b` for their combinations.
    activation
        What raw outputs need: none, sigmoid, softmax, tanh, exp, softplus or relu; `MODEL=ACT` for one model.
    targets
        A path, frame, Arrow table or dict with the target, if that is not beside the predictions.
    roles
        `[MODEL:]ROLE=COLUMNS` for losses of embeddings, or a mapping.
    positive_label, classes, task
        Which label is 1; the class labels of the prediction columns in order; the kind of problem.
    reduction
        `mean`, or `sum` for losses that are one mean.
    per_output
        Each of several outputs apart, as losses `mse[NAME]`, in place of their mean.
    ci
        Level of the confidence intervals; None for neither intervals nor standard errors.
    missing
        `error`, or `drop` to leave rows with a missing value out for every model.
    delimiter
        The field separator of CSV files; by default a comma, or a tab for .tsv.
    rows_out
        A .parquet or .csv file for the per-row losses.
    with_grad
        Write the gradients of the per-row losses by the prediction columns, as they were read, beside them.
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
    report, _ = answer(
        Query(
            data,
            target,
            pred,
            losses,
            weight,
            by,
            activation,
            targets,
            id,
            roles,
            positive_label,
            classes,
            task,
            reduction,
            ci,
            missing,
            delimiter,
            checked_types({"rows_out": rows_out})["rows_out"],
            threads,
            max_memory,
            progress,
            note,
            watch,
            per_output,
            with_grad,
        )
    )
    return report


__all__ = ["LEVEL", "Report", "compare", "evaluate"]
