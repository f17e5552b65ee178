"""`lossctl eval`: compute losses of predictions."""

from __future__ import annotations

from typing import Final

from lossctl.api.options import (
    INPUTS,
    Display,
    EngineOptions,
    EvalOptions,
    Files,
    Intervals,
    NoIntervals,
    RowOptions,
    SliceTables,
)
from lossctl.cli.app import command, exit_codes
from lossctl.cli.config import Settings
from lossctl.cli.console import Outputs, computed, show

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
""" + exit_codes()


@command(
    HELP, FORMATS, Files, *INPUTS, EvalOptions, Intervals, NoIntervals, RowOptions, SliceTables, EngineOptions, Display
)
def evaluate_files(settings: Settings) -> None:
    """Evaluate, and write what came of it."""
    outputs = Outputs.prepare(settings, FORMATS)
    from lossctl.api.evaluate import evaluate

    show(settings, outputs, *computed(evaluate, settings, outputs))
