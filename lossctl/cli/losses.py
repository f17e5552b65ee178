"""`lossctl losses list` and `lossctl losses show`: what there is, and everything about one loss."""

from __future__ import annotations

from typing import Annotated

import typer

from lossctl.cli import options
from lossctl.cli.guard import guarded
from lossctl.cli.terminal import ascii_only, emit, wants_color, width
from lossctl.errors import ExitCode

app = typer.Typer(help="The losses: list them, or show everything about one.", invoke_without_command=True)

LIST_HELP = """List every loss by family.

\b
Examples:
  lossctl losses list
  lossctl losses list -f json
"""
SHOW_HELP = """Show a loss: formula, parameters, domain, when to use it, other libraries' numbers, and its shape.

\b
Examples:
  lossctl losses show huber:delta=2
  lossctl losses show cce -f json
"""
ListFormat = Annotated[str, typer.Option("-f", "--format", metavar="FORMAT", help="table, json or md.")]
ShowFormat = Annotated[str, typer.Option("-f", "--format", metavar="FORMAT", help="table or json.")]
Spec = Annotated[str, typer.Argument(metavar="SPEC", help="A loss, as huber or huber:delta=2.")]


@app.callback()
def losses(context: typer.Context) -> None:
    """Print the help where no command is given."""
    if context.invoked_subcommand is None:
        emit(context.get_help() + "\n")
        raise typer.Exit(ExitCode.USAGE)


@app.command("list", help=LIST_HELP)
def list_losses(format_: ListFormat = "table", color: options.Color = "auto", debug: options.Debug = False) -> None:
    """Print the registry."""
    with guarded(debug):
        from lossctl import registry
        from lossctl.output.catalogue import listing
        from lossctl.output.style import Style

        style = Style(width(), wants_color(color), ascii_only())
        emit(listing(list(registry.losses().values()), format_, style))


@app.command("show", help=SHOW_HELP)
def show_loss(
    spec: Spec, format_: ShowFormat = "table", color: options.Color = "auto", debug: options.Debug = False
) -> None:
    """Print one declaration."""
    with guarded(debug):
        from lossctl import registry
        from lossctl.output.catalogue import description
        from lossctl.output.style import Style

        style = Style(width(), wants_color(color), ascii_only())
        emit(description(registry.labelled(spec)[1], format_, style))
