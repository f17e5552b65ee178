"""Settings: what makes a command of a function, and fills its groups of options in from every level."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import get_type_hints

import typer

from lossctl.cli.complete import one_of
from lossctl.cli.declare import PREFIX, Declared, declared, for_typer
from lossctl.cli.guard import guarded
from lossctl.cli.options import GROUPS, ConfigOptions
from lossctl.cli.resolve import Level, resolve
from lossctl.cli.resolve import Settings as Settings
from lossctl.cli.terminal import say
from lossctl.errors import UsageError, near


def command(
    help_text: str, formats: Sequence[str] = (), configured: bool = True
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a command of a function whose parameters are groups of options, and possibly the `Settings`.

    Parameters
    ----------
    help_text
        What `-h` says.
    formats
        The formats of -f, for its help.
    configured
        Whether it reads a configuration file; if so, it has --config and --no-config.
    """

    def decorate(body: Callable[..., None]) -> Callable[..., None]:
        wanted = {name: kind for name, kind in get_type_hints(body).items() if name != "return"}
        groups = [kind for kind in wanted.values() if kind is not Settings]
        shown = [*groups, *([ConfigOptions] if configured else [])]
        options = [_worded(option, formats) for group in shown for option in declared(group)]

        def run(context: typer.Context, **parsed: object) -> None:
            with guarded(bool(parsed.get("debug"))):
                given = {
                    name: value
                    for name, value in parsed.items()
                    if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"
                }
                settings = resolve(context.info_name or "", options, given, os.environ)
                value = settings.values.get("debug")
                with guarded(bool(value and value.value)):
                    _start(settings)
                    body(
                        **{
                            name: settings if kind is Settings else settings.filled(kind)
                            for name, kind in wanted.items()
                        }
                    )

        return _signed(run, body, help_text, options)

    return decorate


def _worded(option: Declared, formats: Sequence[str]) -> Declared:
    """Say in the help of -f which formats this command has."""
    if option.name != "format" or not formats:
        return option
    import copy

    info = copy.copy(option.info)
    info.help = f"{', '.join(formats[:-1])} or {formats[-1]}."
    info.autocompletion = one_of(formats)
    return option._replace(info=info)


def _signed(
    run: Callable[..., None], body: Callable[..., None], help_text: str, options: Sequence[Declared]
) -> Callable[..., None]:
    """Give a function the signature that Typer reads the options from."""
    parameters = [inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)]
    for option in options:
        annotation, default = for_typer(option)
        parameters.append(
            inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        )
    functools.update_wrapper(run, body, assigned=("__module__", "__name__", "__qualname__"), updated=())
    del run.__wrapped__  # type: ignore[attr-defined]  # Typer would read the types of the body
    run.__doc__ = help_text
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # functions take attributes
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _start(settings: Settings) -> None:
    """Say where settings came from, and refuse a command line that names no data."""
    values = settings.values
    if "quiet" in values and not values["quiet"].value:
        for text in (settings.note(), *_slips(os.environ)):
            if text is not None:
                say(text)
    shows = "show_config" in values and values["show_config"].value
    if "files" in values and not values["files"].value and not shows:
        raise UsageError(
            "no FILE is given, on the command line or as `files` in a configuration file; "
            f"`lossctl {settings.command} -h` explains"
        )


def _slips(environment: Mapping[str, str]) -> Iterable[str]:
    """Warn of variables that look like one of an option but are none."""
    known = sorted({option.variable for group in GROUPS for option in declared(group) if not option.positional})
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known:
            hint = near(name.removeprefix(PREFIX), [one.removeprefix(PREFIX) for one in known])
            if hint:
                yield f"warning: the environment variable {name} is no option of lossctl{hint}"


def show_config(settings: Settings) -> str:
    """Return every value and rule with its origin, as the text or, with `-f json`, the document that is printed."""
    from lossctl.cli import showconfig

    form, output = settings.values["format"], settings.values["output"]
    if form.level is Level.COMMAND_LINE and form.value not in ("table", "json"):
        raise UsageError(f"--show-config: -f {form.value} is not there; table or json")
    if output.level is Level.COMMAND_LINE:
        raise UsageError("--show-config goes to standard output; leave -o out")
    return showconfig.to_json(settings) if form.value == "json" else showconfig.to_text(settings)
