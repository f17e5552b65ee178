"""The Typer application: commands and what every command shares."""

from __future__ import annotations

from typing import Annotated

import typer

from lossctl.cli import check as check_command
from lossctl.cli import compare as compare_command
from lossctl.cli import diff as diff_command
from lossctl.cli import eval as eval_command
from lossctl.cli import losses as losses_command
from lossctl.cli import validate as validate_command
from lossctl.cli.console import emit
from lossctl.cli.options import SectionedCommand
from lossctl.errors import ExitCode
from lossctl.version import __version__

INTRO = """lossctl evaluates predictions by any loss function of the field.

  lossctl eval sample_data/diabetes.csv -t progression -p linear -p forest
  lossctl eval sample_data/wine.csv -t cultivar -p 'forest=forest_*' -l cce -f json

  eval      compute losses of predictions (models x losses)
  compare   differences between models, with intervals and verdicts
  check     judge predictions by rules and a baseline; the exit code is the verdict
  validate  what the data holds, and whether eval would work on it
  diff      what changed from one saved report to another
  losses    list the losses, show everything about one, or choose one for some data

lossctl COMMAND -h explains a command.
"""

app = typer.Typer(
    help="Evaluate predictions by any loss function of the field.",
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    invoke_without_command=True,
)
app.command("eval", cls=SectionedCommand)(eval_command.evaluate_files)
app.command("compare", cls=SectionedCommand)(compare_command.compare_files)
app.command("check", cls=SectionedCommand)(check_command.check_files)
app.command("validate", cls=SectionedCommand)(validate_command.validate_files)
app.command("diff", cls=SectionedCommand)(diff_command.diff_files)
app.add_typer(losses_command.app, name="losses")


def _version(wanted: bool) -> None:
    if wanted:
        emit(f"lossctl {__version__}\n")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("-V", "--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Evaluate predictions by any loss function of the field."""
    if context.invoked_subcommand is None:
        emit(INTRO)
        raise typer.Exit(ExitCode.USAGE)
