"""Commands made of options: their Typer parameters from the table, their values by level, their help in sections.

A command names its groups of options and gets their values, checked:

    @command(HELP, FORMATS, Files, Inputs, Display)
    def survey(settings: Settings) -> None:
        outputs = Outputs.prepare(settings, FORMATS)
        report = validate(**settings.arguments)
        outputs.save(lambda form, style: render(report, form, style))  # the files of -o
        outputs.show(lambda form, style: render(report, form, style))  # standard output

It is registered in app.py. Errors are raised as LossctlError; the decorator makes lines and exit codes of them. The
levels (command line, environment, file, default) are those of config.py: Typer's own `envvar` parts the variable of an
option that is noticed when given twice at its blanks, reads none that a flag overrides, be it wrong, and adds none up.
"""

from __future__ import annotations

import functools
import inspect
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Final, get_args

import typer
from typer.core import TyperCommand
from typer.main import get_command

from lossctl.api.options import (
    PREFIX,
    REQUIRED,
    Choice,
    ConfigOptions,
    Either,
    Option,
    Panel,
    Switch,
    Texts,
    options_of,
)
from lossctl.cli import complete
from lossctl.cli.config import Settings, resolve, slips
from lossctl.cli.console import Messages, emit, guarded, say, wants_color
from lossctl.errors import UsageError

TYPED: Final = "COMMANDLINE"  # Typer's name for the source of a value that stands on the command line
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
        """Return a value as it is; Typer asks what stands in a parameter's place for it."""
        return value


def _help(context: typer.Context, param: object, flag: bool) -> None:
    """Print the help and end."""
    if flag and not context.resilient_parsing:
        emit(context.get_help() + "\n")
        raise typer.Exit


Failed = Callable[[Exception, Sequence[str], Sequence[str]], None]
OUTPUT: Final = re.compile(r"--output(?:=(.*))?|-o(.*)", re.DOTALL)


class SectionedCommand(Uncoerced, TyperCommand):
    """A command whose help shows its options in sections."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line; what is wrong with it is told to a command that writes its errors into its outputs."""
        failed: Failed | None = getattr(self.callback, "failed", None)
        try:
            return super().parse_args(ctx, list(args))
        except Exception as error:
            if failed is not None:
                failed(error, *_outputs_and_others(args))
            raise

    def format_options(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]  # Typer's own type
        """Write a section for each panel of the table; `-h` itself is about the run."""
        sections: dict[str, list[tuple[str, str]]] = {name: [] for name in get_args(Panel)}
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


class Commands(Mapping[str, Any]):
    """The commands of a group, each given its options when it is asked for: those of all cost as much as a run.

    body: returns the function of a command by its name, or an application of its own.
    """

    def __init__(self, names: Iterable[str], body: Callable[[str], Any]) -> None:
        self._names, self._body = tuple(names), body
        self._commands: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._commands:
            body = self._body(name)
            if not isinstance(body, typer.Typer):
                single = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
                single.command(name, cls=SectionedCommand)(body)
                body = single
            self._commands[name] = get_command(body)
        return self._commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _outputs_and_others(args: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return what -o names on a command line that cannot be read, and all its other words."""
    outputs: list[str] = []
    other_words: list[str] = []
    words = iter(args)
    for word in words:
        match = OUTPUT.fullmatch(word)
        if match is None:
            other_words.append(word)
        else:
            outputs.append(match[1] or match[2] or next(words, ""))
    return outputs, other_words


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
            with guarded(bool(parsed["debug"])):
                sources = {name: context.get_parameter_source(name) for name in parsed}
                typed = {name: parsed[name] for name, source in sources.items() if source and source.name == TYPED}
                with _telling(failed, lambda: _typed_paths(options, typed)):
                    settings = resolve(context.command_path.partition(" ")[2], options, typed, os.environ)
                with guarded(settings["debug"]), _telling(failed, lambda: _paths(settings)):
                    _start(settings)
                    body(settings)

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


@contextmanager
def _telling(failed: Failed | None, paths: Callable[[], tuple[list[str], list[str]]]) -> Iterator[None]:
    """Tell a command of an error that ends it. paths: the texts of -o and those of what is read."""
    try:
        yield
    except typer.Exit:
        raise
    except Exception as error:
        if failed is not None:
            failed(error, *paths())
        raise


def _paths(settings: Settings) -> tuple[list[str], list[str]]:
    return list(settings["output"]), settings.paths("read") + settings.paths("name")


def _typed_paths(options: Sequence[Option], typed: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the same of what was typed, and of the environment where no output was."""
    outputs = typed.get("output") or os.environ.get(f"{PREFIX}OUTPUT", "").split()
    reads = [text for option in options if option.path in ("read", "name") for text in typed.get(option.name) or ()]
    return list(outputs), reads


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
    wants_color(settings["color"], None)
    Messages.color = settings["color"]
    for option in settings.unheard:
        places = "its command line" if option.barred else "its command line or a configuration file"
        say(f"warning: {option.variable} is not heard by a check, which takes {option.label} from {places}")
    if not settings["quiet"]:
        for text in (settings.note(), *slips(os.environ)):
            if text is not None:
                say(text)
    shows = "show_config" in settings.values and settings["show_config"]
    if "data" in settings.values and not settings["data"] and not shows:
        places = ", on the command line or as `files` in a configuration file" if "config" in settings.values else ""
        raise UsageError(f"no FILE is given{places}; `lossctl {settings.command} -h` explains")
