"""`lossctl plot`: pictures of predictions, of losses and of saved reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import typer
from typer.core import TyperGroup

from lossctl.api.options import (
    CompareOptions,
    Display,
    Files,
    Inputs,
    Intervals,
    NoIntervals,
    Option,
    Picture,
    PlotOptions,
    options_of,
)
from lossctl.cli.config import Settings
from lossctl.cli.console import Outputs, at_work
from lossctl.cli.options import Commands, Uncoerced, command
from lossctl.errors import ExitCode

KINDS: Final = {  # what each plot shows, and the options that it has besides input and output
    "residuals": ("A histogram of predicted - true for each model, over the same bins.", ()),
    "scatter": ("True values against predictions: points, or cells of many rows.", ()),
    "rec": ("The share of rows within an error (regression error characteristic).", ()),
    "bias": ("The mean residual over rows of about the same prediction, with intervals.", ("bins", "ci")),
    "calibration": (
        "What comes of rows against what is predicted for them, with intervals; probabilities and amounts.",
        ("bins", "widths", "per_class", "ci"),
    ),
    "scores": ("Histograms of what is predicted, by class.", ("per_class",)),
    "lift": ("Which share of the yes is among the largest predictions (cumulative gains), and the lift.", ()),
    "confusion": ("How many rows of each class are taken for each.", ()),
    "slices": (
        "A forest of the differences between models, or of the values of one, by slice; also of a saved report.",
        ("by", "losses", "baseline", "ci", "no_ci"),
    ),
    "models": (
        "The values of models and their differences to the baseline, with intervals; also of a saved report.",
        ("losses", "baseline", "ci", "no_ci"),
    ),
    "history": ("The values of saved reports, REPORT.json ..., in the order of their making.", ("losses",)),
}
EXAMPLES: Final = {
    "residuals": "sample_data/diabetes.csv -t progression -p linear -p forest",
    "calibration": "sample_data/breast_cancer.csv -t diagnosis --positive-label malignant -p logistic",
    "slices": "sample_data/diabetes.csv -t progression -p linear -p forest --by age_band -l mae",
    "history": "main.json candidate.json -l rmse",
}
HELP: Final = """{what}

\b
Example:
  lossctl plot {kind} {example}

Without -o the picture is drawn in the terminal. Rows are read and refused as by `lossctl eval`, in one pass.

Exit codes: 0 done, 2 usage, 3 data (or an output could not be written), 70 a bug, 130 interrupted, 141 the reader of
standard output went away.
"""
FORMATS: Final = ("text", "json")
OPTIONS: Final = {option.name: option for option in options_of(Files, Inputs, Intervals, NoIntervals, PlotOptions)}
OPTIONS["baseline"] = options_of(CompareOptions)[0]
OF_LOSSES: Final = ("losses", "by", "max_memory")  # what the plots of rows have no use for
SHOWN: Final = [
    replace(option, default="text") if option.name == "format" else option
    for option in options_of(Picture, Display)
    if option.name not in ("digits", "verbose")
]


def _options(kind: str) -> list[Option]:
    """Return the options of a plot."""
    names = {"data"} if kind == "history" else {"data", *(option.name for option in options_of(Inputs))} - {*OF_LOSSES}
    if kind in ("slices", "models"):
        names.add("max_memory")
    return [option for name, option in OPTIONS.items() if name in {*names, *KINDS[kind][1]}] + SHOWN


def _body(kind: str) -> Callable[..., None]:
    """Return the command of one plot."""
    example = EXAMPLES.get(kind, EXAMPLES["residuals"])

    @command(HELP.format(what=KINDS[kind][0], kind=kind, example=example), FORMATS, *_options(kind))
    def draw(settings: Settings) -> None:
        outputs = Outputs.prepare(settings, FORMATS)
        from lossctl.api.plot import plot
        from lossctl.output.plot import HEIGHT, picture
        from lossctl.results.document import head, record, text
        from lossctl.results.figure import Figure
        from lossctl.version import __version__

        with at_work(settings.of(Display)) as work:
            figure: Figure = plot(kind, **settings.arguments, **work.hooks)

        def render(form: str, style: Any) -> str:
            if form == "json":
                return text({**head("plot", __version__), **record(figure)})
            return picture(figure, replace(style, width=settings["width"] or style.width), settings["height"] or HEIGHT)

        outputs.save(render)
        if not outputs.files or settings.values["format"].origin != "default":
            outputs.show(render)

    return draw


class Plots(Uncoerced, TyperGroup):
    """The plots, each made when it is asked for."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.commands = Commands(KINDS, _body)  # type: ignore[assignment]  # Typer only reads them

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)


app = typer.Typer(
    name="plot",
    cls=Plots,
    help="Pictures of predictions, of losses and of saved reports, in the terminal or in a file.",
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def plots(context: typer.Context) -> None:
    """Print the help where no plot is named."""
    if context.invoked_subcommand is None:
        from lossctl.cli.console import emit

        emit(context.get_help() + "\n")
        raise typer.Exit(ExitCode.USAGE)
