"""`lossctl compare`: what the differences between models are worth."""

from __future__ import annotations

from typing import Final

from lossctl.api.options import (
    INPUTS,
    CompareOptions,
    Dependence,
    Display,
    EngineOptions,
    Files,
    Intervals,
    NoIntervals,
    RowOptions,
    SliceTables,
)
from lossctl.cli.app import command, exit_codes
from lossctl.cli.config import Settings
from lossctl.cli.console import Outputs, computed, show

FORMATS: Final = ("table", "csv", "json", "jsonl", "md", "html", "latex", "value")
HELP = """Compare models on the same rows, in one pass. Differences have paired intervals, p-values and verdicts.

\b
Examples:
  lossctl compare sample_data/diabetes.csv -t progression -p linear -p forest -l mae -l rmse
  lossctl compare sample_data/diabetes.csv -t progression -p linear -p forest -l mae --by age_band --worst 5
  lossctl compare sample_data/digits.parquet -t digit -p 'softmax=softmax_*' -p 'mlp=mlp_*' --activation softmax
  lossctl compare sample_data/diabetes.csv -t progression -p linear -p forest -l mae --power 2%

A difference is candidate - baseline (of absolute values for signed losses such as mbe). Rows are taken as independent
unless --cluster or --time says otherwise. A verdict is `better` or `worse` where the adjusted p-value is at most
1 - LEVEL, else `~`; p-values are adjusted by max-T over the models of one loss and slice and by Holm across losses and
slices. `lossctl check` makes decisions of it.
""" + exit_codes("done, whatever the verdicts")


@command(
    HELP,
    FORMATS,
    Files,
    *INPUTS,
    CompareOptions,
    Dependence,
    Intervals,
    NoIntervals,
    RowOptions,
    SliceTables,
    EngineOptions,
    Display,
)
def compare_files(settings: Settings) -> None:
    """Compare, and write what came of it."""
    outputs = Outputs.prepare(settings, FORMATS)
    from lossctl.api.compare import compare

    show(settings, outputs, *computed(compare, settings, outputs))
