"""`lossctl compare`: what the differences between models are worth."""

from __future__ import annotations

from typing import Final

from lossctl.cli.config import command
from lossctl.cli.console import Stopwatch, at_work, say_more, warn
from lossctl.cli.options import CompareOptions, Dependence, Display, Inputs, Intervals

FORMATS: Final = ("table", "csv", "json", "jsonl", "md", "value")
HELP = """Compare models on the same rows: differences, paired intervals, p-values and verdicts, in one pass.

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

Exit codes: 0 done, whatever the verdicts, 2 usage, 3 data (or an output could not be written), 70 a bug, 130
interrupted, 141 the reader of standard output went away.
"""


@command(HELP, FORMATS)
def compare_files(
    inputs: Inputs, options: CompareOptions, rows: Dependence, intervals: Intervals, display: Display
) -> None:
    """Compare, and write what came of it."""
    from lossctl.cli.console import Outputs

    outputs = Outputs.prepare(display, FORMATS, reads=inputs.paths)
    from lossctl.api.compare import compare
    from lossctl.output.comparison import render

    watch = Stopwatch()
    with at_work(display, watch) as hooks:
        report = compare(
            **inputs.as_arguments(),
            baseline=options.baseline,
            all_pairs=options.all_pairs,
            ci_method=options.ci_method,
            resamples=options.resamples,
            seed=options.seed,
            cluster=rows.cluster,
            time=rows.time,
            horizon=rows.horizon,
            power=options.power,
            worst=options.worst or 0,
            ci=intervals.level,
            **hooks,
        )
    warn(display, report.warnings)
    outputs.save(lambda form, style: render(report, form, style))
    say_more(display, report, watch, inputs.threads)
    outputs.show(lambda form, style: render(report, form, style))
