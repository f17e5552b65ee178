"""`lossctl losses choose`: which losses fit some data, and which to take."""

from typing import Annotated, Final, TypedDict

from lossctl.api.options import INPUTS, ROLES, Display, Option, Text, Words, options_of
from lossctl.cli.app import command, exit_codes
from lossctl.cli.config import Settings
from lossctl.cli.console import Outputs, at_work, say, say_more, warn

FORMATS: Final = ("table", "json")
HELP = """Look at the data in one pass, and say which losses fit it, which do not, and which to take.

\b
Examples:
  lossctl losses choose sample_data/diabetes.csv -t progression -p linear
  lossctl losses choose sample_data/digits.parquet -t digit -p 'mlp=mlp_*' -f json
  lossctl losses choose sample_data/coins_otsu.npy --targets sample_data/coins_target.npy -p coins_otsu

It names the kind and range of the target, zeros, dispersion, skew, outliers, classes and their balance, and what the
predictions look like the output of, each beside the threshold that it was held against; then a first loss, a robust
alternative, what each of them optimises, and the command that computes both. Without -p it goes by the target alone.
What the predictions look like is a finding: an activation stands in the printed command, where it can be changed.
""" + exit_codes("done, with or without a recommendation")


class ChooseInputs(TypedDict):
    """The data that is looked at, and what differs from `eval`: there is one file, and at most one model."""

    data: Annotated[
        Words, Option("A table (CSV, TSV, Parquet, .npy, folder) or -.", "FILE", positional=True, path="read")
    ]
    pred: Annotated[
        str | None,
        Text(complete="predictions"),
        Option("A model's predictions: column, a,b,c or glob p_*.", "-p [NAME=]COLS"),
    ]
    roles: Annotated[
        tuple[str, ...],
        ROLES,
        Option("Embeddings: left, right, or anchor, positive, negative.", "--role ROLE=COLS"),
    ]


SHARED: Final = (
    *("target", "targets", "concat", "id", "id_missing", "positive_label", "classes"),
    *("missing", "threads"),
)
SHOWN: Final = [option for option in options_of(*INPUTS) if option.name in SHARED or option.panel == "Text files"]


@command(HELP, FORMATS, ChooseInputs, *SHOWN, Display, configured=False)
def choose_loss(settings: Settings) -> None:
    """Look, and print the advice."""
    outputs = Outputs.prepare(settings, FORMATS)
    from lossctl.api.choose import choose
    from lossctl.output.advice import render

    with at_work(settings) as work:
        hooks = {name: hook for name, hook in work.hooks.items() if name != "note"}
        advice = choose(**settings.arguments, **hooks)
    outputs.save(lambda form, style: render(advice, form, style))
    for threshold in advice.thresholds if settings["verbose"] else ():
        say(f"threshold {threshold.value:g} on {threshold.name}: {threshold.why}")
    say_more(settings, work.watch, rows=advice.rows)
    if settings["format"] != "table":
        warn(settings, advice.warnings)
    outputs.show(lambda form, style: render(advice, form, style))
