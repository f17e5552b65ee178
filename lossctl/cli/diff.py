"""`lossctl diff`: what changed from one saved report to another."""

from typing import Annotated, Final, TypedDict

from lossctl.api.options import REQUIRED, Display, Option, Text, options_of
from lossctl.cli.app import command, exit_codes
from lossctl.cli.config import Settings
from lossctl.cli.console import Outputs, warn

FORMATS: Final = ("table", "json", "csv", "md")
HELP = """Compare two saved reports: what became better or worse. No data are needed for old and new values and changes.

\b
Examples:
  lossctl diff main.json candidate.json
  lossctl eval sample_data/diabetes.csv -t progression -p linear -f json | lossctl diff main.json - -f md

What makes the reports hard to compare (other data, parameters, reduction or schema) is said on standard error, and
does not keep the values from being shown. Better and worse are those of the loss's own direction; `lossctl check`
decides whether a change is too much.
""" + exit_codes("done, whatever changed", "a report is unreadable")


def report(help: str, metavar: str) -> Option:  # noqa: A002  # the option's own field
    """Return an option for a saved report."""
    return Option(help, metavar, default=REQUIRED, positional=True, path="read")


class Reports(TypedDict):
    """The two reports."""

    old: Annotated[str, Text(), report("A saved report, or - for standard input.", "OLD.json")]
    new: Annotated[str, Text(), report("A later one, or - for standard input.", "NEW.json")]


SHOWN: Final = [option for option in options_of(Display) if option.name not in ("progress", "verbose")]


@command(HELP, FORMATS, Reports, *SHOWN, configured=False)
def diff_files(settings: Settings) -> None:
    """Compare, and write what came of it."""
    outputs = Outputs.prepare(settings, FORMATS)
    from lossctl.api.diff import diff
    from lossctl.output.changes import render

    changes = diff(**settings.arguments)
    warn(settings, changes.warnings)
    outputs.save(lambda form, style: render(changes, form, style))
    outputs.show(lambda form, style: render(changes, form, style))
