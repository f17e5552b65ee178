"""`lossctl diff`: what changed from one saved report to another."""

from typing import Annotated, Final, NamedTuple

import typer

from lossctl.cli.config import command
from lossctl.cli.console import say
from lossctl.cli.options import Color, Debug, Digits, Display, Format, Output, Quiet

FORMATS: Final = ("table", "json", "csv", "md")
HELP = """Compare two saved reports, without data: old and new values, changes, and which are better or worse.

\b
Examples:
  lossctl diff main.json candidate.json
  lossctl eval sample_data/diabetes.csv -t progression -p linear -f json | lossctl diff main.json - -f md

What makes the reports hard to compare (other data, parameters, reduction or schema) is said on standard error, and
does not keep the values from being shown. Better and worse are those of the loss's own direction; `lossctl check`
decides whether a change is too much.

Exit codes: 0 done, whatever changed, 2 usage, 3 a report is unreadable (or an output could not be written), 70 a bug,
130 interrupted, 141 the reader of standard output went away.
"""


class Reports(NamedTuple):
    """The two reports, and how their differences are printed."""

    old: Annotated[str, typer.Argument(metavar="OLD.json", help="A saved report, or - for standard input.")]
    new: Annotated[str, typer.Argument(metavar="NEW.json", help="A later one, or - for standard input.")]
    format: Format = "table"
    output: Output = ()
    digits: Digits = 5
    quiet: Quiet = False
    color: Color = "auto"
    debug: Debug = False


@command(HELP, FORMATS, configured=False)
def diff_files(reports: Reports) -> None:
    """Compare, and write what came of it."""
    from lossctl.cli.console import Outputs

    display = Display(reports.format, reports.output, reports.digits, color=reports.color)
    outputs = Outputs.prepare(display, FORMATS, reads=[reports.old, reports.new])
    from lossctl.api.diff import diff
    from lossctl.output.changes import render

    changes = diff(reports.old, reports.new)
    if not reports.quiet:
        for text in changes.warnings:
            say(f"warning: {text}")
    outputs.save(lambda form, style: render(changes, form, style))
    outputs.show(lambda form, style: render(changes, form, style))
