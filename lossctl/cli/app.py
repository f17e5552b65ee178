"""The Typer application: which commands there are, and the classes of Typer as they behave here."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib import import_module
from itertools import takewhile
from typing import Annotated, Any, Final, get_args

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from lossctl.api.options import Section
from lossctl.cli.console import emit
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


Failed = Callable[[Exception, Sequence[str], Sequence[str]], None]
WIDEST_FLAGS: Final = 30  # columns; longer ones have their help on the next line


class Uncoerced:
    """A command or group whose texts and flags stay as typed: Typer's reading imports pydantic, a sixth of a run."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, which read nothing."""
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]  # of the class beside it
        for param in params:
            param._runtime_param = self
        return params

    def get_help_option(self, ctx: Any) -> Any:
        """Return -h, whose text goes where all goes, so that a full disk or a closed pipe is noticed."""
        option: Any = super().get_help_option(ctx)  # type: ignore[misc]  # of the class beside it
        if option is not None:
            option.callback = _help
        return option

    def coerce(self, value: object, param: object, ctx: object) -> object:
        """Return a value unchanged, where Typer would convert it."""
        return value


def _help(context: typer.Context, param: object, flag: bool) -> None:
    """Print the help and end."""
    if flag and not context.resilient_parsing:
        emit(context.get_help() + "\n")
        raise typer.Exit


OUTPUT: Final = r"(?s)--output(?:=(.*))?|-o(.*)"


class SectionedCommand(Uncoerced, TyperCommand):
    """A command whose help shows its options in sections."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line; a command that writes errors into its outputs gets those of the command line, too."""
        failed: Failed | None = getattr(self.callback, "failed", None)
        try:
            return super().parse_args(ctx, list(args))
        except Exception as error:
            if failed is not None:
                from lossctl.cli.config import untyped_outputs

                outputs, other_words = _outputs_and_others(args)
                configured = "--no-config" not in args and any(param.name == "config" for param in self.params)
                failed(error, outputs or untyped_outputs(configured, _values("--config", args)), other_words)
            raise

    def format_options(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]  # Typer's own type
        """Write a section for each panel of the table; `-h` itself is about the run."""
        sections: dict[str, list[tuple[str, str]]] = {name: [] for name in get_args(Section)}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                flags = str(param.metavar) if param.param_type_name == "argument" else record[0]
                sections[getattr(param, "rich_help_panel", None) or "Run"].append((flags, record[1]))
        width = min(WIDEST_FLAGS, max(len(flags) for records in sections.values() for flags, _ in records))
        for name, records in sections.items():
            if records:
                with formatter.section(name):
                    formatter.write_dl([(flags.ljust(width), text) for flags, text in records], WIDEST_FLAGS)


class CommandGroup(Uncoerced, TyperGroup):
    """Commands by name. Options are made for the command that runs alone: making all would take as long as a run.

    body: returns the function of a command, or an application of its own.
    """

    names: Iterable[str]
    body: Callable[[str], Any]

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.commands: dict[str, Any] = dict.fromkeys(self.names)

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in self.commands and self.commands[cmd_name] is None:
            body = self.body(cmd_name)
            if not isinstance(body, typer.Typer):
                single = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
                single.command(cmd_name, cls=SectionedCommand)(body)
                body = single
            self.commands[cmd_name] = get_command(body)
        return self.commands.get(cmd_name)


def group(name: str, help_text: str, names: Iterable[str], body: Callable[[str], Any]) -> typer.Typer:
    """Return an application of some commands below a name, which alone prints its help."""
    application = typer.Typer(
        name=name,
        cls=type("CommandGroup", (CommandGroup,), {"names": names, "body": staticmethod(body)}),
        help=help_text,
        invoke_without_command=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )

    @application.callback()
    def without_command(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            emit(context.get_help() + "\n")
            raise typer.Exit(ExitCode.USAGE)

    return application


def _values(label: str, args: Sequence[str]) -> list[str]:
    """Return the values of an option on a command line that cannot be read."""
    return [
        word.removeprefix(f"{label}=") if word.startswith(f"{label}=") else after
        for word, after in zip(args, [*args[1:], ""], strict=True)
        if word == label or word.startswith(f"{label}=")
    ]


def _outputs_and_others(args: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return what -o names on a command line that cannot be read, and all its other words."""
    outputs: list[str] = []
    other_words: list[str] = []
    words = iter(args)
    for word in words:
        match = re.fullmatch(OUTPUT, word)
        if match is None:
            other_words.append(word)
        else:
            outputs.append(match[1] or match[2] or next(words, ""))
    return outputs, other_words


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


class Application(CommandGroup):
    """The commands; -v is read before --version, wherever it stands, as that ends the run at once."""

    names, body = HOMES, staticmethod(_body)

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
