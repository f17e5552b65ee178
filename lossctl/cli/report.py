"""`lossctl report`: one page of values, differences, pictures and rows."""

from __future__ import annotations

import sys
from typing import Final

from lossctl.api.options import (
    INPUTS,
    LISTED,
    CompareOptions,
    Display,
    Files,
    Intervals,
    NoIntervals,
    RowOptions,
    options_of,
)
from lossctl.cli.app import command, exit_codes
from lossctl.cli.config import Settings
from lossctl.cli.console import Outputs, at_work, is_terminal, say_more, warn
from lossctl.errors import UsageError

FORMATS: Final = ("html",)
HELP = """Write one HTML page of a run, for people who were not there. It has what was found, values, differences,
pictures, slices, and the worst rows.

\b
Examples:
  lossctl report sample_data/diabetes.csv -t progression -p linear -p forest --by age_band -o report.html
  lossctl report saved.json -o report.html

Several models are compared with --baseline, or the first. Rows are read as by `lossctl eval`, in one pass. A saved
report (-f json of eval, compare or check) makes a page without what needs rows. The page needs no script and no
network; `lossctl check -o html:FILE` and `lossctl compare -o html:FILE` write the same with their results. All need
`pip install 'lossctl[plot]'`.
""" + exit_codes()


DEFAULTS: Final = {"format": "html", "worst": LISTED}
SHOWN: Final = [
    option._replace(default=DEFAULTS.get(option.name, option.default)) for option in options_of(RowOptions, Display)
]


@command(HELP, FORMATS, Files, *INPUTS, options_of(CompareOptions)[0], Intervals, NoIntervals, *SHOWN)
def report_files(settings: Settings) -> None:
    """Evaluate or compare, and write the page."""
    outputs = Outputs.prepare(settings, FORMATS)
    if not outputs.files and is_terminal(sys.stdout):
        raise UsageError("report: -o FILE.html says where the page goes")
    from lossctl.api.report import report
    from lossctl.output.html import page_text
    from lossctl.output.vega import need_libraries

    need_libraries()
    arguments = settings.arguments
    with at_work(settings) as work:
        page = report(**{**arguments, "command": settings.typed()}, **work.hooks)
    warn(settings, page.report.warnings)
    outputs.save(lambda form, style: page_text(page, style))
    say_more(settings, work.watch, page.report.inputs, page.report.cells)
    if not outputs.files:
        outputs.show(lambda form, style: page_text(page, style))
