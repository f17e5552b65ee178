"""`lossctl eval`: compute losses of predictions."""

from __future__ import annotations

from typing import Final

from lossctl.cli.options import Display, EvalOptions, Inputs, Intervals
from lossctl.cli.progress import progress
from lossctl.cli.settings import command
from lossctl.cli.stopwatch import Stopwatch, say_more
from lossctl.cli.terminal import say

FORMATS: Final = ("table", "long", "csv", "json", "jsonl", "md", "value")
HELP = """Compute losses of predictions in one pass over files of any size.

\b
Examples:
  lossctl eval sample_data/diabetes.csv -t progression -p linear -p forest
  lossctl eval sample_data/diabetes.csv -t progression -p linear -l rmse -l huber:delta=20 --by age_band
  lossctl eval sample_data/breast_cancer.csv -t diagnosis --positive-label malignant -p forest -l bce -f json
  lossctl eval sample_data/digits.parquet -t digit -p 'mlp=mlp_*' --activation softmax

Without -l the task is worked out and its usual losses are computed. Results go to standard output, notes to
standard error. Rows are counted from 1 below the header. What the command line leaves open is taken from the
environment (LOSSCTL_TARGET and so on), then from lossctl.toml or [tool.lossctl] of pyproject.toml.

Exit codes: 0 done, 2 usage, 3 data (or an output could not be written), 70 a bug, 130 interrupted, 141 the reader
of standard output went away.
"""


@command(HELP, FORMATS)
def evaluate_files(inputs: Inputs, options: EvalOptions, intervals: Intervals, display: Display) -> None:
    """Evaluate, and write what came of it."""
    from lossctl.cli.outputs import Outputs

    outputs = Outputs.prepare(display, FORMATS, reads=inputs.paths, writes=[options.rows_out])
    from lossctl.api import evaluate
    from lossctl.cli.heap import keep_freed_memory
    from lossctl.engine.run import unwatched
    from lossctl.io.machine import usable_cores
    from lossctl.output.render import render

    keep_freed_memory()
    watch = Stopwatch()
    with progress(display.progress, display.quiet) as advance:
        report = evaluate(
            **inputs.as_arguments(),
            reduction=options.reduction,
            ci=intervals.level,
            rows_out=options.rows_out,
            progress=advance,
            note=None if display.quiet else say,
            watch=watch if display.verbose else unwatched,
        )
    if not display.quiet:
        for text in report.warnings:
            say(f"warning: {text}")
    outputs.save(lambda form, style: render(report, form, "eval", style))
    if display.verbose:
        say_more(report, watch, inputs.threads or usable_cores())
    outputs.show(lambda form, style: render(report, form, "eval", style))
