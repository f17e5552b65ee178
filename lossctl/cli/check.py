"""`lossctl check`: judge predictions by rules and a baseline, and end with the verdict's exit code."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import typer

from lossctl.api.options import (
    INPUTS,
    CheckOptions,
    Dependence,
    Display,
    EngineOptions,
    Files,
    Inputs,
    RowOptions,
    RuleTable,
    TextFiles,
    VerdictOptions,
    options_of,
)
from lossctl.cli import console
from lossctl.cli.app import command
from lossctl.cli.config import LOSSCTL_TOML, PYPROJECT, Level, Settings, check_unhidden, show_config
from lossctl.cli.console import Outputs, ReaderGone, Stopwatch, computed, emit, outcome, replace_output
from lossctl.errors import ExitCode, LossctlError, UsageError, listed, printable

if TYPE_CHECKING:
    from lossctl.api.report import Gallery
    from lossctl.results.report import Report

FORMATS: Final = ("table", "json", "jsonl", "csv", "md", "junit", "github", "html", "latex", "value")
HARMLESS: Final = {"target", "pred", "id", "by", "losses", "per_output"}  # or in every output anyway
HELP = """Judge predictions by rules and against a baseline. The exit code is the verdict.

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
none but 0 is a pass; make turns all into 2. After an error the files of -o hold it, in the place of an older report.
"""


def replace_outputs(error: Exception, outputs: Sequence[str], reads: Sequence[str]) -> None:
    """Put an error in the place of every report that was asked for, lest an older one is taken for that of this run."""
    code, message = outcome(error)
    if not message or code is ExitCode.READER_GONE:
        return
    from lossctl.output.checks import Failure, render_failure
    from lossctl.output.html import failure_page

    failure = Failure("error", int(code), message.removeprefix("error: "))
    inputs = [piece for text in reads for piece in (text, text.partition("=")[2]) if piece]
    names = (text.rpartition(":")[2] for text in outputs)
    inputs += [name for name in names if os.path.basename(name) in (LOSSCTL_TOML, PYPROJECT)]
    for text in outputs:
        with suppress(LossctlError):  # one that cannot be written, or is read, is what the error is about
            replace_output(
                text,
                FORMATS,
                inputs,
                lambda form: failure_page(failure) if form == "html" else render_failure(failure, form),
            )


@command(
    HELP,
    FORMATS,
    Files,
    *INPUTS,
    CheckOptions,
    RowOptions,
    VerdictOptions,
    Dependence,
    EngineOptions,
    Display,
    failed=replace_outputs,
)
def check_files(settings: Settings) -> None:
    """Check, write what came of it, and exit with it."""
    if settings["show_config"]:
        emit(show_config(settings))
        return
    if settings.sources["config"].level is Level.DEFAULT:
        check_unhidden(settings.file)
    decide, source = settings["decide"], settings.sources["decide"]
    if settings["on_insufficient"] == "warn" and source.level is Level.FILE and decide != "point":
        raise UsageError(
            f"{source.origin}: decide = {decide} would leave undecided what --on-insufficient warn lets pass; "
            f"say --decide {decide} on the command line, too"
        )
    outputs = Outputs.prepare(settings, FORMATS)
    from lossctl.api.check import check
    from lossctl.io.atomic import check_writable
    from lossctl.io.select import split_name

    if settings["baseline"] is not None:
        for _, path in outputs.files:
            check_writable(path, [split_name(settings["baseline"])[1]])
    configured = settings.file is not None
    arguments = {**_arguments(settings), **settings.typed_rules, "rules": _rules(settings), "configured": configured}
    report, watch, gallery = computed(check, settings, outputs, arguments)
    report = replace(report, warnings=(*report.warnings, *_said_of_data(settings)))
    show(settings, outputs, report, watch, gallery)


def show(
    settings: Settings, outputs: Outputs, report: Report, watch: Stopwatch, gallery: Gallery | None = None
) -> None:
    """Write what came of it, and exit with it."""
    code = ExitCode.GATE if report.blocks and not settings["exit_zero"] else ExitCode.OK
    try:
        console.show(settings, outputs, report, watch, gallery)
    except ReaderGone:
        if code is ExitCode.OK:
            raise
    raise typer.Exit(code)


def _rules(settings: Settings) -> list[RuleTable]:
    """Return the rules of the file; what they say of slices holds in those of the command line, too."""
    typed = settings["by"] if settings.sources["by"].level is Level.COMMAND_LINE else ()
    return [
        table._replace(by=tuple(dict.fromkeys((*table.by, *typed))))
        if table.by and (table.max_slice is not None or table.max_regression is not None)
        else table
        for table in settings.rules
    ]


def _said_of_data(settings: Settings) -> list[str]:
    """Return the warning of options of the data in a configuration file, where the command line names the data."""
    options = {
        option.name: option for option in options_of(Inputs, TextFiles, Dependence) if option.name in settings.sources
    }
    levels = {name: settings.sources[name].level for name in options}
    if settings.file is None or Level.COMMAND_LINE not in (levels["target"], levels["pred"]):
        return []
    keys = []
    for name in options.keys() - HARMLESS:
        if levels[name] is Level.FILE:
            value = settings[name]
            text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
            keys.append(f"{options[name].key} = {printable(text)}")
    return [f"{settings.file.path} has a say in what the command line gives: {'; '.join(sorted(keys))}"] if keys else []


def _arguments(settings: Settings) -> dict[str, Any]:
    """Return the arguments; where the data is a saved report, without what a configuration file says of data.

    Its losses are those that the labels of rules mean. A report that the file itself calls its data, beside columns, is
    refused: something else was written in the place of the predictions.
    """
    from lossctl.api.check import reports_among

    reports = reports_among(settings["data"])
    if not reports:
        return settings.arguments
    filed = [option for option in options_of(*INPUTS) if settings.sources[option.name].level is Level.FILE]
    if settings.sources["data"].level is Level.FILE:
        keys = [option.key for option in filed if option.name in ("target", "targets", "pred", "id", "weight", "by")]
        label = "standard input" if reports[0] == "-" else printable(reports[0])
        if keys:
            raise UsageError(
                f"{settings.sources['data'].origin}: says {listed(keys)} of its files, and {label} is a "
                "saved report, for which these are settled; name the report on the command line, or the predictions"
            )
    names = {option.name for option in filed} - {"by"}
    arguments = {name: value for name, value in settings.arguments.items() if name not in names}
    return {**arguments, "labels": settings["losses"]} if "losses" in names else arguments
