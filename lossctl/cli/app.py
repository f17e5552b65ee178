"""The Typer application: commands and what every command shares."""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from itertools import takewhile
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command

from lossctl.cli.console import emit
from lossctl.cli.options import Commands, Uncoerced
from lossctl.errors import ExitCode, UsageError
from lossctl.version import __version__

INTRO = """lossctl evaluates predictions by any loss function of the field.

  lossctl eval sample_data/diabetes.csv -t progression -p linear -p forest
  lossctl eval sample_data/wine.csv -t cultivar -p 'forest=forest_*' -l cce -f json

  eval      compute losses of predictions (models x losses)
  compare   differences between models, with intervals and verdicts
  check     judge predictions by rules and a baseline; the exit code is the verdict
  validate  what the data holds, and whether eval would work on it
  diff      what changed from one saved report to another
  plot      pictures of predictions, losses and saved reports
  report    one HTML page of a run: values, differences, pictures, slices
  merge     the states of shares of a run (--shard) into its result
  losses    list the losses, show everything about one, or choose one for some data

lossctl COMMAND -h explains a command.
"""


HOMES: Final = {
    "eval": "evaluate_files",
    "compare": "compare_files",
    "check": "check_files",
    "validate": "validate_files",
    "diff": "diff_files",
    "plot": "app",
    "report": "report_files",
    "merge": "merge_files",
    "losses": "app",
}
"""The commands in the order of the help, and what each is in its file: a function, or an application of its own."""


def _body(name: str) -> Any:
    return getattr(import_module(f"lossctl.cli.{name}"), HOMES[name])


class Application(Uncoerced, TyperGroup):
    """The commands; -v is read before --version, wherever it stands, as that ends the run at once."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.commands = Commands(HOMES, _body)  # type: ignore[assignment]  # Typer only reads them

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        flags = list(takewhile(lambda word: word.startswith("-"), args))
        return super().parse_args(ctx, [*sorted(flags, key=lambda flag: flag not in VERBOSE), *args[len(flags) :]])


VERBOSE: Final = ("-v", "--verbose")
app = typer.Typer(
    cls=Application,
    help="Evaluate predictions by any loss function of the field.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": sys.maxsize},  # that of the terminal
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    invoke_without_command=True,
)


def versions() -> str:
    """Return the versions of lossctl and of what the last bits of its numbers depend on, a line each."""
    from importlib.metadata import version
    from platform import python_version

    from lossctl.results.document import environment

    numerical = environment()
    lines = [f"lossctl {__version__}", f"Python {python_version()}", f"numpy {numerical['numpy']}"]
    lines += [f"{package} {version(package)}" for package in ("pyarrow", "pandas")]
    return "\n".join([*lines, f"CPU features {' '.join(numerical['cpu'])}"]) + "\n"


def _version(context: typer.Context, flag: bool) -> None:
    """Print the version and end, before a command is looked for."""
    if flag:
        emit(versions() if context.params.get("verbose") else f"lossctl {__version__}\n")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    verbose: Annotated[
        bool, typer.Option(*VERBOSE, is_eager=True, help="With --version: also of what the last bits rest on.")
    ] = False,
    version: Annotated[
        bool, typer.Option("-V", "--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Evaluate predictions by any loss function of the field."""
    if verbose:
        raise UsageError("-v stands behind a command, or beside --version; `lossctl -h` explains")
    if context.invoked_subcommand is None:
        emit(INTRO)
        raise typer.Exit(ExitCode.USAGE)


@cache
def application() -> Any:
    """Return the application, to be run any number of times: to make its commands costs as much as a small run."""
    return get_command(app)
