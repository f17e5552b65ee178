"""Options, each declared once, in the groups that commands take.

A field is one option: its type, what Typer shows, its default, and marks that say which numbers fit (`Range`) and how
a configuration file has it (`InFile`, `NotInFile`; without a mark, by the long name). Texts come as they were given,
numbers and choices checked. A command names the groups that it wants and is registered in app.py:

    from lossctl.cli.options import Display, Inputs
    from lossctl.cli.settings import Settings, command

    @command(HELP, FORMATS)
    def survey(inputs: Inputs, display: Display, settings: Settings) -> None:
        outputs = Outputs.prepare(display, FORMATS, reads=inputs.paths)
        found = validate(**inputs.as_arguments())
        outputs.save(lambda form, style: render(found, form, style))  # the files of -o
        outputs.show(lambda form, style: render(found, form, style))  # standard output

A body may have groups of its own file, too, and leaves `settings` out if it does not need it. Errors are raised as
LossctlError; the decorator makes lines and exit codes of them.
"""

from typing import Annotated, Final, Literal, NamedTuple, TypedDict

import typer

from lossctl.cli import complete
from lossctl.cli.declare import IN_CHECK, ONCE, PERSON, InFile
from lossctl.cli.values import Range
from lossctl.cli.verbs import CheckOptions as CheckOptions
from lossctl.cli.verbs import CompareOptions as CompareOptions
from lossctl.cli.verbs import Dependence as Dependence
from lossctl.cli.verbs import EvalOptions as EvalOptions

FORMATS: Final = ("table", "long", "csv", "json", "jsonl", "md", "value", "junit", "github")  # of any command

Format = Annotated[
    str, typer.Option("-f", "--format", metavar="FORMAT", help="How standard output is written."), IN_CHECK
]
Output = Annotated[
    tuple[str, ...],
    typer.Option("-o", "--output", metavar="[FMT:]PATH", help="Also write to a file, whole or not at all; repeat."),
    InFile(command="check", path="write"),
]
Digits = Annotated[
    int, typer.Option("--digits", metavar="N", help="Significant digits in tables, 1 to 17."), Range(1, 17)
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No notes on standard error."), PERSON]
Color = Annotated[
    Literal["auto", "always", "never"],
    typer.Option("--color", metavar="auto|always|never", help="Colour in tables."),
    PERSON,
]
Debug = Annotated[bool, typer.Option("--debug", help="A traceback for errors."), PERSON]


class Arguments(TypedDict):
    """The arguments of `lossctl.api.evaluate` that are about its inputs."""

    data: tuple[str, ...]
    target: str | None
    pred: tuple[str, ...]
    losses: tuple[str, ...]
    weight: str | None
    by: tuple[str, ...]
    activation: tuple[str, ...]
    targets: str | None
    id: str | None
    roles: tuple[str, ...]
    positive_label: str | None
    classes: str | None
    task: str | None
    per_output: bool
    missing: Literal["error", "drop"]
    delimiter: str | None
    threads: int | None
    max_memory: str | None


class Inputs(NamedTuple):
    """Which data is read, and what is computed on it."""

    files: Annotated[
        tuple[str, ...],
        typer.Argument(
            metavar="FILE",
            help="Prediction tables: [NAME=]PATH (CSV, TSV, JSON lines, Parquet, .npy, .npz, folder) or -.",
        ),
        InFile(key="files", path="read"),
    ] = ()
    target: Annotated[
        str | None,
        typer.Option(
            "-t",
            "--target",
            autocompletion=complete.columns,
            metavar="COLS",
            help="Column(s) of the truth [default: y_true, target or label].",
        ),
    ] = None
    pred: Annotated[
        tuple[str, ...],
        typer.Option(
            "-p",
            "--pred",
            autocompletion=complete.predictions,
            metavar="[NAME=]COLS",
            help="A model's prediction: column, a,b,c or glob p_*; repeat.",
        ),
    ] = ()
    targets: Annotated[
        str | None,
        typer.Option("--targets", metavar="FILE", help="File that holds the truth."),
        InFile(path="read"),
    ] = None
    id: Annotated[
        str | None,
        typer.Option(
            "--id", autocompletion=complete.columns, metavar="COL", help="Pair rows of several files by this key."
        ),
    ] = None
    role: Annotated[
        tuple[str, ...],
        typer.Option(
            "--role",
            autocompletion=complete.roles,
            metavar="[MODEL:]ROLE=COLS",
            help="Further columns: left, right, anchor, query, scale, ...",
        ),
    ] = ()
    weight: Annotated[
        str | None,
        typer.Option("-w", "--weight", autocompletion=complete.columns, metavar="COL", help="Column of row weights."),
    ] = None
    by: Annotated[
        tuple[str, ...],
        typer.Option(
            "--by",
            autocompletion=complete.columns,
            metavar="COL",
            help="Also per value of this column; a,b crosses; repeat.",
        ),
    ] = ()
    activation: Annotated[
        tuple[str, ...],
        typer.Option(
            "--activation",
            autocompletion=complete.activations,
            metavar="[MODEL=]ACT",
            help="Predictions are raw outputs of: none, sigmoid, softmax, tanh, exp, softplus, relu.",
        ),
    ] = ()
    positive_label: Annotated[
        str | None, typer.Option("--positive-label", metavar="LABEL", help="Which label counts as 1.")
    ] = None
    classes: Annotated[
        str | None,
        typer.Option("--classes", metavar="A,B,...", help="Class labels of the prediction columns, in order."),
    ] = None
    task: Annotated[
        str | None,
        typer.Option(
            "--task",
            autocompletion=complete.tasks,
            metavar="TASK",
            help="regression, binary, multiclass or multilabel.",
        ),
    ] = None
    loss: Annotated[
        tuple[str, ...],
        typer.Option(
            "-l",
            "--loss",
            autocompletion=complete.losses,
            metavar="SPEC",
            help="huber:delta=2, p90=quantile:q=0.9; repeat; default: by task.",
        ),
        InFile(key="losses"),
    ] = ()
    per_output: Annotated[
        bool, typer.Option("--per-output", help="The loss of each of several outputs, in place of their mean.")
    ] = False
    missing: Annotated[
        Literal["error", "drop"],
        typer.Option("--missing", metavar="error|drop", help="A missing value is an error, or drops its row."),
    ] = "error"
    delimiter: Annotated[
        str | None,
        typer.Option("-d", "--delimiter", metavar="CHAR", help="Field separator [default: comma; tab for .tsv]."),
    ] = None
    threads: Annotated[
        int | None,
        typer.Option("--threads", metavar="N", help="Threads, 1 to 256 [default: all cores it may use]."),
        Range(1, 256),
    ] = None
    max_memory: Annotated[
        str | None,
        typer.Option(
            "--max-memory", metavar="SIZE", help="For losses that keep all values: 500M, 2G [default: what is free]."
        ),
    ] = None

    @property
    def paths(self) -> tuple[str, ...]:
        """What is read, as `[NAME=]PATH`; no output may be one of these."""
        return (*self.files, *([self.targets] if self.targets else []))

    def as_arguments(self) -> Arguments:
        """Return them as `lossctl.api.evaluate` takes them."""
        return {
            "data": self.files,
            "target": self.target,
            "pred": self.pred,
            "losses": self.loss,
            "weight": self.weight,
            "by": self.by,
            "activation": self.activation,
            "targets": self.targets,
            "id": self.id,
            "roles": self.role,
            "positive_label": self.positive_label,
            "classes": self.classes,
            "task": self.task,
            "per_output": self.per_output,
            "missing": self.missing,
            "delimiter": "\t" if self.delimiter == r"\t" else self.delimiter,
            "threads": self.threads,
            "max_memory": self.max_memory,
        }


class Intervals(NamedTuple):
    """Whether there are confidence intervals, and of which level."""

    ci: Annotated[
        float | None,
        typer.Option("--ci", metavar="LEVEL", help="Level of intervals [default: 0.95]."),
        Range(0, 1, open=True, such_as="0.95"),
    ] = None
    no_ci: Annotated[bool, typer.Option("--no-ci", help="Neither intervals nor standard errors.")] = False

    @property
    def level(self) -> float | None:
        """The level, None for no intervals."""
        from lossctl.api import LEVEL

        return None if self.no_ci else LEVEL if self.ci is None else self.ci


class Display(NamedTuple):
    """What is printed, where and how."""

    format: Format = "table"
    output: Output = ()
    digits: Digits = 5
    progress: Annotated[
        bool | None,
        typer.Option("--progress/--no-progress", help="Rows done so far [default: on a terminal]."),
        PERSON,
    ] = None
    quiet: Quiet = False
    verbose: Annotated[
        bool,
        typer.Option("-v", "--verbose", help="Signatures, inputs and where time went, on standard error."),
        PERSON,
    ] = False
    color: Color = "auto"
    debug: Debug = False


class ConfigOptions(NamedTuple):
    """Which configuration file is read; every command with `configured` has these."""

    config: Annotated[
        str | None,
        typer.Option("--config", metavar="FILE", help="Settings [default: lossctl.toml or pyproject.toml, upward]."),
        ONCE,
    ] = None
    no_config: Annotated[bool, typer.Option("--no-config", help="Read no configuration file."), ONCE] = False


GROUPS: Final = (Inputs, Intervals, EvalOptions, CompareOptions, Dependence, CheckOptions, Display, ConfigOptions)
