"""`lossctl losses choose`: which losses fit some data, and which to take."""

from __future__ import annotations

from typing import Annotated, Final, Literal, NamedTuple

import typer

from lossctl.cli import complete
from lossctl.cli.config import command
from lossctl.cli.console import Stopwatch, at_work, say, warn
from lossctl.cli.options import Display, Range

FORMATS: Final = ("table", "json")
HELP = """Look at the data in one pass, and say which losses fit it, which do not, and which to take.

\b
Examples:
  lossctl losses choose sample_data/diabetes.csv -t progression -p linear
  lossctl losses choose sample_data/digits.parquet -t digit -p 'mlp=mlp_*' -f json
  lossctl losses choose sample_data/coins_otsu.npy --targets sample_data/coins_target.npy -p coins_otsu

It names the kind and range of the target, zeros, dispersion, skew, outliers, classes and their balance, and what the
predictions look like the output of, each beside the threshold that it was held against; then a first loss, a robust
alternative, what each of them optimises, and the command that computes both. Without -p it goes by the target alone.
What the predictions look like is a finding: an activation stands in the printed command, where it can be changed.

Exit codes: 0 done, with or without a recommendation, 2 usage, 3 data (or an output could not be written), 70 a bug,
130 interrupted, 141 the reader of standard output went away.
"""


class Sitter(NamedTuple):
    """The data that is looked at."""

    file: Annotated[str, typer.Argument(metavar="FILE", help="A table (CSV, TSV, Parquet, .npy, folder) or -.")]
    target: Annotated[
        str | None,
        typer.Option(
            "-t",
            "--target",
            autocompletion=complete.columns,
            metavar="COLS",
            help="Column(s) of the truth [default: y_true, target or label].",
        ),
    ] = None
    pred: Annotated[
        str | None,
        typer.Option(
            "-p",
            "--pred",
            autocompletion=complete.predictions,
            metavar="[NAME=]COLS",
            help="A model's predictions: column, a,b,c or glob p_*.",
        ),
    ] = None
    targets: Annotated[str | None, typer.Option("--targets", metavar="FILE", help="File that holds the truth.")] = None
    role: Annotated[
        tuple[str, ...],
        typer.Option(
            "--role",
            autocompletion=complete.roles,
            metavar="ROLE=COLS",
            help="Embeddings: left, right, or anchor, positive, negative.",
        ),
    ] = ()
    positive_label: Annotated[
        str | None, typer.Option("--positive-label", metavar="LABEL", help="Which label counts as 1.")
    ] = None
    classes: Annotated[
        str | None,
        typer.Option("--classes", metavar="A,B,...", help="Class labels of the prediction columns, in order."),
    ] = None
    missing: Annotated[
        Literal["error", "drop"],
        typer.Option("--missing", metavar="error|drop", help="A missing value is an error, or drops its row."),
    ] = "error"
    delimiter: Annotated[
        str | None,
        typer.Option("-d", "--delimiter", metavar="CHAR", help="Field separator [default: comma; tab for .tsv]."),
    ] = None
    threads: Annotated[
        int | None,
        typer.Option("--threads", metavar="N", help="Threads, 1 to 256 [default: all cores it may use]."),
        Range(1, 256),
    ] = None


@command(HELP, FORMATS, configured=False)
def choose_loss(data: Sitter, display: Display) -> None:
    """Look, and print the advice."""
    from lossctl.cli.console import Outputs

    outputs = Outputs.prepare(display, FORMATS, reads=[data.file, *([data.targets] if data.targets else [])])
    from lossctl.api.choose import choose
    from lossctl.io.machine import usable_cores
    from lossctl.output.advice import render

    watch = Stopwatch()
    with at_work(display, watch) as hooks:
        advice = choose(
            data.file,
            target=data.target,
            pred=data.pred,
            targets=data.targets,
            roles=data.role,
            positive_label=data.positive_label,
            classes=data.classes,
            missing=data.missing,
            delimiter="\t" if data.delimiter == r"\t" else data.delimiter,
            threads=data.threads,
            progress=hooks["progress"],
            watch=hooks["watch"],
        )
    outputs.save(lambda form, style: render(advice, form, style))
    if display.verbose:
        for threshold in advice.thresholds:
            say(f"threshold {threshold.value:g} on {threshold.name}: {threshold.why}")
        say(watch.report(advice.rows, data.threads or usable_cores()))
    if display.format != "table":
        warn(display, advice.warnings)
    outputs.show(lambda form, style: render(advice, form, style))
