"""`lossctl eval`: compute losses of predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lossctl.api.options import (
    Display,
    Distribution,
    EvalOptions,
    Files,
    Inputs,
    Intervals,
    NoIntervals,
    RowOptions,
    SliceTables,
)
from lossctl.cli.config import Settings
from lossctl.cli.console import Outputs, Stopwatch, at_work, elsewhere, say_more, tell_many_slices, warn
from lossctl.cli.options import command

if TYPE_CHECKING:
    from lossctl.api.report import Gallery
    from lossctl.results.report import Report

FORMATS: Final = ("table", "long", "csv", "json", "jsonl", "md", "html", "latex", "value")
HELP = """Compute losses of predictions in files of any size, in one pass.

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


@command(
    HELP, FORMATS, Files, Inputs, EvalOptions, Intervals, NoIntervals, RowOptions, SliceTables, Distribution, Display
)
def evaluate_files(settings: Settings) -> None:
    """Evaluate, and write what came of it."""
    outputs = Outputs.prepare(settings, FORMATS)
    gallery = outputs.gallery(settings)
    from lossctl.api.evaluate import evaluate

    with at_work(settings.of(Display)) as work:
        hooks = {**work.hooks, **elsewhere(settings, settings.arguments), **(gallery.hooks if gallery else {})}
        report = evaluate(**{**settings.arguments, **hooks})
    show(settings, outputs, report, work.watch, gallery)


def show(
    settings: Settings, outputs: Outputs, report: Report, watch: Stopwatch, gallery: Gallery | None = None
) -> None:
    """Write what came of it."""
    from lossctl.api.evaluate import ROUGH

    shows_intervals = settings["format"] not in ("table", "md", "html", "latex", "value")
    tell_many_slices(settings, report)
    warn(settings, [text for text in report.warnings if shows_intervals or not text.startswith(ROUGH)])
    outputs.write(report, settings, gallery)
    say_more(settings, report, watch)
    outputs.print(report)
