"""The Typer application: which commands there are, how one is made of options, and Typer's classes as they behave here.

A command names its groups of options and gets their values, checked:

    @command(HELP, FORMATS, Files, Inputs, Display)
    def survey(settings: Settings) -> None:
        outputs = Outputs.prepare(settings, FORMATS)
        report = validate(**settings.arguments)
        outputs.save(lambda form, style: render(report, form, style))  # the files of -o
        outputs.show(lambda form, style: render(report, form, style))  # standard output

It stands in `HOMES`. Errors are raised as LossctlError; the decorator makes lines and exit codes of them. The
levels (command line, environment, file, default) are those of config.py: Typer's own `envvar` parts the variable of an
option that is noticed when given twice at its blanks, reads none that a flag overrides, be it wrong, and adds none up.
"""

from __future__ import annotations

import functools
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib import import_module
from itertools import takewhile
from typing import Annotated, Any, Final, get_args

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from lossctl.api.options import (
    REQUIRED,
    Choice,
    ConfigOptions,
    Either,
    Option,
    Section,
    Switch,
    Texts,
    options_of,
)
from lossctl.cli import complete
from lossctl.cli.config import Settings, resolve, untyped_outputs
from lossctl.cli.console import Messages, emit, ended, say
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
TYPED: Final = "COMMANDLINE"  # Typer's name for the source of a value that stands on the command line
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


# commands made of options ---------------------------------------------------------------------------------------------


def command(
    help_text: str,
    formats: Sequence[str],
    *groups: type | Option,
    configured: bool = True,
    failed: Failed | None = None,
) -> Callable[[Callable[[Settings], None]], Callable[..., None]]:
    """Make a command of a function of its settings.

    Parameters
    ----------
    help_text
        What `-h` says.
    formats
        The formats of -f, for its help.
    groups
        The groups of options that it has, or single options.
    configured
        Whether it reads a configuration file; if so, it has --config and --no-config.
    failed
        What is done with an error that ends it: it gets the error, the texts of -o and those of what is read.
    """
    parts = [*groups, *([ConfigOptions] if configured else [])]
    options = [option for part in parts for option in ([part] if isinstance(part, Option) else options_of(part))]

    def decorate(body: Callable[[Settings], None]) -> Callable[..., None]:
        def run(context: typer.Context, **parsed: object) -> None:
            sources = {name: context.get_parameter_source(name) for name in parsed}
            typed = {name: parsed[name] for name, source in sources.items() if source and source.name == TYPED}
            settings: Settings | None = None
            try:
                settings = resolve(context.command_path.partition(" ")[2], options, typed, os.environ)
                _start(settings)
                body(settings)
            except (typer.Exit, typer.Abort):
                raise
            except Exception as error:
                if failed is not None:
                    failed(error, *(_typed_paths(options, typed) if settings is None else _paths(settings)))
                raise ended(error, debug=bool((settings or parsed)["debug"])) from None

        parameters = [inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)]
        parameters += [parameter(option, formats) for option in options]
        functools.update_wrapper(run, body, assigned=("__module__", "__name__", "__qualname__"), updated=())
        del run.__wrapped__  # type: ignore[attr-defined]  # Typer would read the types of the body
        run.__doc__ = help_text
        run.failed = failed  # type: ignore[attr-defined]  # functions take attributes
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # functions take attributes
        run.__annotations__ = {entry.name: entry.annotation for entry in parameters}
        return run

    return decorate


def exit_codes(success: str = "done", wrong: str = "data") -> str:
    """Return the paragraph of a help that says how a command ends."""
    return (
        f"\nExit codes: 0 {success}, 2 usage, 3 {wrong} (or an output could not be written), 70 a bug, "
        "130 interrupted, 141 the reader of standard output went away.\n"
    )


def _paths(settings: Settings) -> tuple[list[str], list[str]]:
    """Return what -o names, and what is read."""
    file = [] if settings.file is None else [settings.file.path]
    return list(settings["output"]), settings.paths("read") + settings.paths("name") + file


def _typed_paths(options: Sequence[Option], typed: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the same of what was typed; of outputs elsewhere where none was."""
    configured = not typed.get("no_config") and any(option.name == "config" for option in options)
    outputs = typed.get("output") or untyped_outputs(configured, typed.get("config") or ())
    reads = [text for option in options if option.path in ("read", "name") for text in typed.get(option.name) or ()]
    return list(outputs), [*reads, *(typed.get("config") or ())]


def parameter(option: Option, formats: Sequence[str] = ()) -> inspect.Parameter:
    """Return what Typer reads of an option: numbers and choices stay text, so that one place reads them."""
    default: Any = None
    if isinstance(option.kind, Switch):
        annotation: Any = bool | None if isinstance(option.kind, Either) else bool
        default = option.default
    elif option.default is REQUIRED:
        annotation, default = str, REQUIRED
    else:
        # a list, so that one that is given twice is noticed: the last would win without a word
        annotation = list[str] | None
        if not isinstance(option.kind, Texts) and option.default is not None:
            default = [str(option.default)]
    annotation = Annotated[annotation, info(option, formats)]
    return inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def info(option: Option, formats: Sequence[str] = ()) -> Any:
    """Return Typer's own description of an option; `formats` are those that -f has in a command."""
    help_text, words = option.help, option.kind.options if isinstance(option.kind, Choice) else ()
    if option.name == "format":
        words = tuple(formats)
        help_text = f"{' or '.join(filter(None, (', '.join(words[:-1]), words[-1])))}."
    offer = complete.one_of(words) if words else getattr(complete, option.kind.complete, None)
    if option.positional:
        return typer.Argument(
            metavar=option.metavar, help=help_text, autocompletion=offer, rich_help_panel=option.panel
        )
    flags = [*([option.short] if option.short else []), option.long]
    if isinstance(option.kind, Either):
        flags[-1] += f"/--no-{option.long.removeprefix('--')}"
    return typer.Option(
        *flags,
        metavar=option.metavar or None,
        help=help_text,
        autocompletion=offer,
        rich_help_panel=option.panel,
    )


def _start(settings: Settings) -> None:
    """Say where settings came from, and refuse a command line that names no data."""
    Messages.color = settings["color"]
    for option in settings.unheard:
        places = "its command line" if option.barred else "its command line or a configuration file"
        say(f"warning: {option.variable} is not heard by a check, which takes {option.label} from {places}")
    if not settings["quiet"]:
        for text in settings.notes(os.environ):
            say(text)
    if "data" in settings and not settings["data"] and not settings.get("show_config"):
        places = ", on the command line or as `files` in a configuration file" if "config" in settings else ""
        raise UsageError(f"no FILE is given{places}; `lossctl {settings.command} -h` explains")


# the application ------------------------------------------------------------------------------------------------------

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
