"""`lossctl validate`: what the inputs hold, and whether `eval` would work on them."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from lossctl.api.options import INPUTS, Display, Files
from lossctl.cli.app import command
from lossctl.cli.config import Settings
from lossctl.cli.console import Outputs, ReaderGone, at_work, say_more

FORMATS: Final = ("table", "json", "md")
HELP = """Say what the data holds, and whether eval would work on it. No loss is computed; options are those of eval.

\b
Examples:
  lossctl validate sample_data/diabetes.csv -t progression -p linear -p forest --by age_band
  lossctl validate sample_data/wine.csv -t cultivar -p 'forest=forest_*' -f json
  lossctl validate sample_data/coins_otsu.npy --targets sample_data/coins_target.npy -l iou_mask -f md

FILE alone is enough to see its columns. Every column with its type, missing values, infinities and range; the domains
that predictions and target are in (in [0, 1], rows that sum to 1, positive, ...) and the rows that are not; keys that
are missing, stand twice or are not in all files; whether files agree on the target; slices; the task and the losses
that eval would work out. Problems are what keeps eval from working, in its own words, and more that it would come
upon later; warnings are what works and may not be meant. Rows are counted from 1 below the header.

Exit codes: 0 eval would work, 2 it would end as a usage error, 3 as a data error (or an output could not be
written), each with the message of eval after the report; 70 a bug, 130 interrupted, 141 the reader of standard output
went away.
"""


@command(HELP, FORMATS, Files, *INPUTS, Display)
def validate_files(settings: Settings) -> None:
    """Survey, print the report, and end as `eval` would."""
    outputs = Outputs.prepare(settings, FORMATS)
    from lossctl.api.validate import validate
    from lossctl.output.survey import render

    with at_work(settings) as work:
        hooks = {name: hook for name, hook in work.hooks.items() if name != "note"}  # notes stand in the report
        survey = validate(**settings.arguments, **hooks)
    outputs.save(lambda form, style: render(survey, form, style))
    say_more(settings, work.watch, survey.used, rows=sum(table.rows for table in survey.tables))
    with suppress(*([] if survey.works else [ReaderGone])):  # what is wrong with the data counts for more
        outputs.show(lambda form, style: render(survey, form, style))
    if survey.error is not None:
        raise survey.error
