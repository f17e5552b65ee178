"""`lossctl losses list`, `show` and `choose`: what there is, everything about one loss, and which one to take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

from lossctl.api.options import Display, Option, Text, options_of
from lossctl.cli.app import group, info
from lossctl.cli.console import checked_format, emit, guarded, say, terminal_style

LIST_HELP = """List every loss by family, those of plug-ins by their package.

\b
Examples:
  lossctl losses list
  lossctl losses list --family masks
  lossctl losses list --task binary --search calibration
  lossctl losses list -f json

The table is one page of names; with a condition, or as `-f long`, it says of each loss what it is.

A plug-in is an installed package with entry points `lossctl.losses`. LOSSCTL_PLUGINS=A,B allows these packages or entry
points only, LOSSCTL_PLUGINS= none; one that is broken is named on standard error.
"""
SHOW_HELP = """Show a loss: formula, parameters, domain, when to use it, other libraries' numbers, and its shape.

\b
Examples:
  lossctl losses show huber:delta=2
  lossctl losses show cce -f json
"""
FORMATS: Final = ("table", "long", "json", "md")
SHOW_FORMATS: Final = ("table", "json")
DISPLAY: Final = {option.name: option for option in options_of(Display)}


def about_losses(name: str, text: str, usage: str, complete: str = "", **more: Any) -> Any:
    """Return Typer's description of an option of these commands alone."""
    return info(Option(text, usage, **more).called(name, Text(complete=complete), "Losses"))


ListFormat = Annotated[str, info(DISPLAY["format"], FORMATS)]
ShowFormat = Annotated[str, info(DISPLAY["format"], SHOW_FORMATS)]
Family = Annotated[str | None, about_losses("family", "Of this family, or plug-in.", "NAME", "families")]
Task = Annotated[
    str | None, about_losses("task", "That fit this task or layout of data, as binary or triplets.", "TASK", "tasks")
]
Search = Annotated[str | None, about_losses("search", "With all these words in what is said of them.", "WORDS")]
Color = Annotated[str, info(DISPLAY["color"])]
Debug = Annotated[bool, info(DISPLAY["debug"])]
Spec = Annotated[
    str, about_losses("spec", "A loss, as huber or huber:delta=2.", "SPEC", "losses", positional=True, panel="Input")
]


def list_losses(
    family: Family = None,
    task: Task = None,
    search: Search = None,
    format_: ListFormat = "table",
    color: Color = "auto",
    debug: Debug = False,
) -> None:
    """Print the registry, or the losses in it that fit all conditions."""
    with guarded(debug):
        from lossctl import registry
        from lossctl.output.catalogue import listing, matching

        form, style = checked_format(format_, FORMATS), terminal_style(color)
        more = registry.plugged()
        for fault in more.faults:
            say(f"warning: {fault}")
        every = [*registry.losses().values(), *more.losses.values()]
        losses = matching(every, family, task, search)
        by_name = form == "table" and len(losses) == len(every)
        emit(listing(losses, "names" if by_name else form, style))


def show_loss(spec: Spec, format_: ShowFormat = "table", color: Color = "auto", debug: Debug = False) -> None:
    """Print one declaration."""
    with guarded(debug):
        from lossctl.output.catalogue import description
        from lossctl.registry import labelled, with_tables

        form, style = checked_format(format_, SHOW_FORMATS), terminal_style(color)
        emit(description(labelled(with_tables([spec])[0])[1], form, style))


list_losses.__doc__, show_loss.__doc__ = LIST_HELP, SHOW_HELP
COMMANDS: Final[dict[str, Callable[..., None]]] = {"list": list_losses, "show": show_loss}


def _body(name: str) -> Callable[..., None]:
    if name in COMMANDS:
        return COMMANDS[name]
    from lossctl.cli.choose import choose_loss  # here, as it alone needs what a command on data does

    return choose_loss


app = group("losses", "The losses: list them, show everything about one, or choose.", (*COMMANDS, "choose"), _body)
