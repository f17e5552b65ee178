"""`lossctl plot`: pictures of predictions, of losses and of saved reports."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from lossctl.api.options import (
    FIGURES,
    INPUTS,
    PLOTS,
    CompareOptions,
    CurveOptions,
    Display,
    Files,
    Inputs,
    Intervals,
    NoIntervals,
    Option,
    Picture,
    PlotOptions,
    TextFiles,
    marks,
    options_of,
)
from lossctl.cli.app import command, exit_codes, group
from lossctl.cli.config import Settings
from lossctl.cli.console import Outputs, at_work
from lossctl.errors import UsageError

if TYPE_CHECKING:
    from lossctl.results.figure import Figure

KINDS: Final = {  # what each plot shows
    "loss": "What a row costs by losses, against its error, its margin or the probability of its true class.",
    "residuals": "A histogram of predicted - true for each model, over the same bins.",
    "scatter": "True values against predictions: points, or cells of many rows.",
    "rec": "The share of rows within an error (regression error characteristic).",
    "bias": "The mean residual over rows of about the same prediction, with intervals.",
    "calibration": "What comes of rows against what is predicted for them, with intervals; probabilities and amounts.",
    "scores": "Histograms of what is predicted, by class.",
    "lift": "Which share of the yes is among the largest predictions (cumulative gains), and the lift.",
    "confusion": "How many rows of each class are taken for each.",
    "slices": "A forest of the differences between models, or of the values of one, by slice; also of a saved report.",
    "models": "The values of models and their differences to the baseline, with intervals; also of a saved report.",
    "history": "The values of saved reports, REPORT.json ..., in the order of their making.",
}
OF_NUMBERS: Final = "sample_data/diabetes.csv -t progression -p linear -p forest"
OF_CLASSES: Final = "sample_data/breast_cancer.csv -t diagnosis --positive-label malignant -p logistic -p forest"
EXAMPLES: Final = {
    "loss": "focal --vary gamma=0,0.5,1,2,5",
    **dict.fromkeys(("calibration", "scores", "lift", "confusion"), OF_CLASSES),
    "slices": f"{OF_NUMBERS} --by age_band -l mae",
    "history": "main.json candidate.json -l rmse",
}
HELP: Final = """{what}

\b
Examples:
  lossctl plot {kind} {example}
  lossctl plot {kind} {example} -f json

Without -o the picture is drawn in the terminal. -o FILE.svg, .png, .pdf, .html or .vl.json (Vega-Lite) writes it to a
file, whole or not at all, and needs `pip install 'lossctl[plot]'`.{reading}
""" + exit_codes()
READING: Final = " Rows are read and refused as by `lossctl eval`, in one pass."
FORMATS: Final = ("text", "json")
OPTIONS: Final = {option.name: option for option in options_of(Files, *INPUTS, Intervals, NoIntervals, PlotOptions)}
OPTIONS["baseline"] = options_of(CompareOptions)[0]
SHOWN: Final = [
    option._replace(default="text") if option.name == "format" else option
    for option in options_of(Picture, Display)
    if option.name not in ("digits", "verbose")
]


def _options(kind: str) -> list[Option]:
    """Return the options of a plot."""
    if kind == "loss":
        return [*options_of(CurveOptions), *(option for option in SHOWN if option.name != "progress")]
    inputs = set() if kind == "history" else {*marks(Inputs), *marks(TextFiles), "threads"} - {"losses", "by"}
    return [option for name, option in OPTIONS.items() if name in {"data", *inputs, *PLOTS.get(kind, ())}] + SHOWN


def help_of(kind: str) -> str:
    """Return what -h says of a plot."""
    example, reading = EXAMPLES.get(kind, OF_NUMBERS), "" if kind == "loss" else READING
    return HELP.format(what=KINDS[kind], kind=kind, example=example, reading=reading)


def _body(kind: str) -> Callable[..., None]:
    """Return the command of one plot."""

    @command(help_of(kind), FORMATS, *_options(kind))
    def draw(settings: Settings) -> None:
        outputs = Outputs.prepare(settings, FORMATS, FIGURES)
        from lossctl.output.plot import HEIGHT, picture
        from lossctl.results.document import head, record, text
        from lossctl.version import __version__

        width, height, theme = (settings[name] for name in ("width", "height", "theme"))
        look = None
        if any(form in FIGURES for form, _ in outputs.files):
            from lossctl.output.vega import checked_look

            look = checked_look(width, height, theme)
        figure = _curves(settings) if kind == "loss" else _counts(kind, settings)

        def render(form: str, style: Any) -> str | bytes:
            if form == "json":
                return text({**head("plot", __version__), **record(figure)})
            if form == "text":
                return picture(figure, style._replace(width=width or style.width), height or HEIGHT)
            from lossctl.output.vega import content

            assert look is not None
            return content(figure, form, look)

        outputs.save(render)
        if not outputs.files or settings.sources["format"].origin != "default":
            outputs.show(render)

    return draw


def _counts(kind: str, settings: Settings) -> Figure:
    """Return the figure of data or saved reports."""
    from lossctl.api.plot import plot

    with at_work(settings) as work:
        figure: Figure = plot(kind, **settings.arguments, **work.hooks)
    return figure


def _curves(settings: Settings) -> Figure:
    """Return the figure of losses."""
    from lossctl.output.curves import plot_loss

    vary: dict[str, list[str]] = {}
    for text in settings["vary"]:
        name, equals, values = text.partition("=")
        if not (name and equals and values):
            raise UsageError(f"--vary {text}: a parameter and its values, as in gamma=0,1,2")
        if name in vary:
            raise UsageError(f"--vary {text}: {name} is varied twice; write {name}={','.join(vary[name])},{values}")
        vary[name] = values.split(",")
    return plot_loss(*settings["specs"], vary=vary, grad=settings["grad"], range=_range(settings["range"]))


def _range(text: str | None) -> tuple[float, float] | None:
    """Return the ends of an axis."""
    if text is None:
        return None
    try:
        low, high = map(float, text.split(":"))
    except ValueError:
        raise UsageError(f"--range {text}: two numbers, as in -4:4") from None
    return low, high


app = group("plot", "Draw predictions, losses and saved reports. Pictures go to the terminal or a file.", KINDS, _body)
