"""`lossctl check`: judge predictions by rules and a baseline, and end with the verdict's exit code."""

from __future__ import annotations

from typing import Any, Final

import typer

from lossctl.cli.config import Level, Settings, command, show_config
from lossctl.cli.console import ReaderGone, Stopwatch, at_work, emit, say_more, warn
from lossctl.cli.options import CheckOptions, Dependence, Display, Inputs
from lossctl.errors import ExitCode

FORMATS: Final = ("table", "json", "jsonl", "csv", "md", "junit", "github", "value")
OPTION_OF: Final = {"losses": "loss", "roles": "role"}  # where `evaluate` and the command line have different names
HELP = """Judge predictions by rules and against a baseline; the exit code is the verdict.

\b
Examples:
  lossctl check sample_data/diabetes.csv -t progression -p linear --max rmse=55 --min r2=0.4
  lossctl check sample_data/diabetes.csv -t progression -p linear --by age_band --max-slice mae=50 -f md
  lossctl check sample_data/diabetes.csv -t progression -p linear -p forest --baseline forest --max-regression rmse=2%
  lossctl eval sample_data/diabetes.csv -t progression -p linear -f json | lossctl check - --max rmse=55

FILE may be a saved report, or - for one on standard input. A baseline is a saved report (--save-baseline, or -o of
eval), a file of predictions, or one of the models. Every rule is judged and reported. A value, limit or baseline that
is no number fails. So does a rule over all rows, or in all slices, that cannot be decided, unless --on-insufficient
warn. Rules also stand in lossctl.toml or pyproject.toml as [[check]] tables.

Exit codes: 0 every rule holds, 1 one does not or cannot be decided, 2 usage or nothing to check, 3 data, predictions
of a baseline among them (or an output could not be written), 4 the baseline is missing, or its report unreadable or
of other data, 70 a bug, 130 interrupted, 141 the reader of standard output went away. No format changes the code, and
none but 0 is a pass; make turns all into 2.
"""


@command(HELP, FORMATS)
def check_files(inputs: Inputs, options: CheckOptions, rows: Dependence, display: Display, settings: Settings) -> None:
    """Check, write what came of it, and exit with it."""
    if options.show_config:
        emit(show_config(settings))
        return
    from lossctl.cli.console import Outputs

    outputs = Outputs.prepare(display, FORMATS, reads=inputs.paths, writes=[options.save_baseline])
    from lossctl.api.check import check
    from lossctl.io.atomic import check_writable
    from lossctl.io.select import split_name
    from lossctl.output.checks import render

    if options.baseline is not None:
        for _, path in outputs.files:
            check_writable(path, [split_name(options.baseline)[1]])
    watch = Stopwatch()
    with at_work(display, watch) as hooks:
        report = check(
            **_arguments(inputs, settings),
            max=options.max,
            min=options.min,
            max_slice=options.max_slice,
            max_regression=options.max_regression,
            rules=settings.rules,
            baseline=options.baseline,
            decide=options.decide,
            cluster=rows.cluster,
            time=rows.time,
            horizon=rows.horizon,
            min_slice=options.min_slice,
            on_insufficient=options.on_insufficient,
            baseline_optional=options.baseline_optional,
            save_baseline=options.save_baseline,
            configured=settings.file is not None,
            **hooks,
        )
    warn(display, report.warnings)
    outputs.save(lambda form, style: render(report, form, style))
    say_more(display, report, watch, inputs.threads)
    code = ExitCode.GATE if report.blocks and not options.exit_zero else ExitCode.OK
    try:
        outputs.show(lambda form, style: render(report, form, style))
    except ReaderGone:
        if code is ExitCode.OK:
            raise
    raise typer.Exit(code)


def _arguments(inputs: Inputs, settings: Settings) -> dict[str, Any]:
    """Return what is read; where that is a saved report, without what a configuration file says of data."""
    from lossctl.api.check import reports_among

    found: dict[str, Any] = dict(inputs.as_arguments())
    if not reports_among(inputs.files):
        return found
    return {
        name: value
        for name, value in found.items()
        if name in ("data", "by") or settings.values[OPTION_OF.get(name, name)].level is not Level.FILE
    }
