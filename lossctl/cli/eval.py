"""`lossctl eval`: compute losses of predictions."""

from __future__ import annotations

from typing import Final

from lossctl.cli.config import command
from lossctl.cli.console import Stopwatch, at_work, say_more, warn
from lossctl.cli.options import Display, EvalOptions, Inputs, Intervals

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
    from lossctl.cli.console import Outputs

    outputs = Outputs.prepare(display, FORMATS, reads=inputs.paths, writes=[options.rows_out])
    from lossctl.api.evaluate import ROUGH, evaluate
    from lossctl.output.report import render

    watch = Stopwatch()
    with at_work(display, watch) as hooks:
        report = evaluate(
            **inputs.as_arguments(),
            reduction=options.reduction,
            ci=intervals.level,
            rows_out=options.rows_out,
            with_grad=options.with_grad,
            **hooks,
        )
    shows_intervals = display.format not in ("table", "md", "value")
    warn(display, [text for text in report.warnings if shows_intervals or not text.startswith(ROUGH)])
    outputs.save(lambda form, style: render(report, form, style))
    say_more(display, report, watch, inputs.threads)
    outputs.show(lambda form, style: render(report, form, style))
