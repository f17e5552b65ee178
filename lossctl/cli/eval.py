"""`lossctl eval`: compute losses of predictions."""

from __future__ import annotations

import os

from lossctl.cli import options
from lossctl.cli.guard import guarded
from lossctl.cli.progress import progress
from lossctl.cli.stopwatch import Stopwatch
from lossctl.cli.terminal import ascii_only, emit, say, wants_color, width

HELP = """Compute losses of predictions in one pass over files of any size.

\b
Examples:
  lossctl eval sample_data/diabetes.csv -t progression -p linear -p forest
  lossctl eval sample_data/diabetes.csv -t progression -p linear -l rmse -l huber:delta=20 --by age_band
  lossctl eval sample_data/breast_cancer.csv -t diagnosis --positive-label malignant -p forest -l bce -f json
  lossctl eval sample_data/digits.parquet -t digit -p 'mlp=mlp_*' --activation softmax

Without -l the task is worked out and its usual losses are computed. Results go to standard output, notes to
standard error. Rows are counted from 1 below the header.

Exit codes: 0 done, 2 usage, 3 data (or an output could not be written), 70 a bug, 130 interrupted, 141 the reader
of standard output went away.
"""


def evaluate_files(
    files: options.Files,
    target: options.Target = None,
    pred: options.Preds = None,
    targets: options.Targets = None,
    key: options.Key = None,
    role: options.Roles = None,
    weight: options.Weight = None,
    by: options.By = None,
    activation: options.Activation = None,
    positive_label: options.PositiveLabel = None,
    classes: options.Classes = None,
    task: options.TaskName = None,
    loss: options.Losses = None,
    reduction: options.Reduction = "mean",
    ci: options.Level = None,
    no_ci: options.NoIntervals = False,
    missing: options.Missing = "error",
    format_: options.Format = "table",
    output: options.Outputs = None,
    rows_out: options.RowsOut = None,
    digits: options.Digits = 5,
    delimiter: options.Delimiter = None,
    threads: options.Threads = None,
    max_memory: options.MaxMemory = None,
    show_progress: options.ShowProgress = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    color: options.Color = "auto",
    debug: options.Debug = False,
) -> None:
    """Compute losses of predictions; the help text is HELP."""
    with guarded(debug):
        from lossctl.errors import UsageError
        from lossctl.io.atomic import check_writable, write_text
        from lossctl.output.render import checked_format, destination, render
        from lossctl.output.style import Style

        form = checked_format(format_)
        style = Style(width(), wants_color(color), ascii_only(), digits)
        if no_ci and ci is not None:
            raise UsageError("--ci and --no-ci contradict each other")
        extra = [destination(text) for text in output or []]
        inputs = [piece for text in [*files, targets or ""] for piece in (text, text.partition("=")[2]) if piece]
        written = [path for _, path in extra] + ([rows_out] if rows_out else [])
        for path in written:
            check_writable(path, inputs)
        if len(set(map(os.path.realpath, written))) != len(written):
            raise UsageError(f"two outputs go to one file: {', '.join(written)}")
        from lossctl.api import LEVEL, evaluate
        from lossctl.cli.heap import keep_freed_memory
        from lossctl.engine.run import unwatched
        from lossctl.io.machine import usable_cores

        keep_freed_memory()
        threads = usable_cores() if threads is None else threads
        watch = Stopwatch()
        with progress(show_progress, quiet) as advance:
            report = evaluate(
                files,
                target=target,
                pred=pred,
                losses=loss,
                weight=weight,
                by=by,
                activation=activation,
                targets=targets,
                id=key,
                roles=role,
                positive_label=positive_label,
                classes=classes,
                task=task,
                reduction=reduction,  # type: ignore[arg-type]  # evaluate checks it
                ci=None if no_ci else LEVEL if ci is None else as_level(ci),
                missing=missing,  # type: ignore[arg-type]  # evaluate checks it
                delimiter="\t" if delimiter == r"\t" else delimiter,
                rows_out=rows_out,
                threads=threads,
                max_memory=max_memory,
                progress=advance,
                note=None if quiet else say,
                watch=watch if verbose else unwatched,
            )
        if not quiet:
            for text in report.warnings:
                say(f"warning: {text}")
        for name, path in extra:
            write_text(path, render(report, name, "eval", Style(None, False, False, digits)))
        if verbose:
            _say_more(report, watch, threads)
        emit(render(report, form, "eval", style))


def as_level(text: str) -> float:
    """Read a confidence level; evaluate checks its range."""
    from lossctl.errors import UsageError

    try:
        return float(text)
    except ValueError:
        raise UsageError(f"--ci {text}: a level between 0 and 1 is needed, as 0.95") from None


def _say_more(report: object, watch: Stopwatch, threads: int) -> None:
    """Say where the rows came from, how long it took, and every signature."""
    from lossctl.core.report import Evaluation

    assert isinstance(report, Evaluation)
    for source in report.inputs:
        say(f"{source.model}: {source.path}, {source.rows} rows, {source.used} used, data {source.data}")
    say(watch.report(max((source.rows for source in report.inputs), default=0), threads))
    for cell in report.cells:
        say(f"{cell.model}: {cell.signature}")


evaluate_files.__doc__ = HELP
