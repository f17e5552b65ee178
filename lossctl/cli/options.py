"""Commands made of options: their Typer parameters from the table, their values by level, how errors end them.

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
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final

import typer

from lossctl.api.options import (
    REQUIRED,
    Choice,
    ConfigOptions,
    Either,
    Option,
    Switch,
    Texts,
    options_of,
)
from lossctl.cli import complete
from lossctl.cli.app import Failed
from lossctl.cli.config import Settings, resolve, slips, untyped_outputs
from lossctl.cli.console import Messages, ended, say
from lossctl.errors import UsageError

TYPED: Final = "COMMANDLINE"  # Typer's name for the source of a value that stands on the command line


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
        for text in (settings.note(), *slips(os.environ)):
            if text is not None:
                say(text)
    if "data" in settings and not settings["data"] and not settings.get("show_config"):
        places = ", on the command line or as `files` in a configuration file" if "config" in settings else ""
        raise UsageError(f"no FILE is given{places}; `lossctl {settings.command} -h` explains")
