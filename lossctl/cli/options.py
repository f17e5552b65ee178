"""Options, each declared once, in the groups that commands take.

A field is one option: its type, what Typer shows, its default, and marks that say which numbers fit (`Range`) and how
a configuration file has it (`InFile`, `NotInFile`; without a mark, by the long name). Texts come as they were given,
numbers and choices checked. A command names the groups that it wants and is registered in app.py:

    from lossctl.cli.options import Display, Inputs
    from lossctl.cli.config import Settings, command

    @command(HELP, FORMATS)
    def survey(inputs: Inputs, display: Display, settings: Settings) -> None:
        outputs = Outputs.prepare(display, FORMATS, reads=inputs.paths)
        found = validate(**inputs.as_arguments())
        outputs.save(lambda form, style: render(found, form, style))  # the files of -o
        outputs.show(lambda form, style: render(found, form, style))  # standard output

A body may have groups of its own file, too, and leaves `settings` out if it does not need it. Errors are raised as
LossctlError; the decorator makes lines and exit codes of them.
"""

from __future__ import annotations

import inspect
import math
import re
from functools import cache
from typing import Annotated, Any, Final, Literal, NamedTuple, TypedDict, get_args, get_origin, get_type_hints

import typer

from lossctl.cli import complete
from lossctl.cli.complete import one_of
from lossctl.errors import UsageError, printable

LONGEST: Final = 60  # characters of a wrong value in an error text
PERCENT: Final = r"([0-9]{1,15}\.?[0-9]{0,15}|\.[0-9]{1,15})%"


class Range(NamedTuple):
    """What a number may be: from `least` to `most`, or between them without the ends; and one that fits."""

    least: float
    most: float = math.inf
    open: bool = False
    such_as: str = ""

    def holds(self, value: float) -> bool:
        """Whether a number is inside; NaN and infinities never are."""
        if not -math.inf < value < math.inf:
            return False
        return self.least < value < self.most if self.open else self.least <= value <= self.most

    def __str__(self) -> str:
        """Word the range for an error text."""
        if self.open:
            words = f"between {self.least} and {self.most}"
        else:
            words = f"of at least {self.least}" if math.isinf(self.most) else f"from {self.least} to {self.most}"
        return words + (f", such as {self.such_as}" if self.such_as else "")


class Tolerance(NamedTuple):
    """How much worse than the baseline a loss may be: in percent of it, absolutely, or beyond both at once."""

    percent: float | None = None
    absolute: float | None = None

    @classmethod
    def from_toml(cls, value: object) -> Tolerance | None:
        """Read `"2%"`, 0.01 or a list of one of each, in any order; None for anything else."""
        items: list[object] = value if isinstance(value, list) else [value]
        found: dict[str, float] = {}
        for item in items:
            percent = re.fullmatch(PERCENT, item) if isinstance(item, str) else None
            number = float(percent[1]) if percent else as_float(item)
            if not (math.isfinite(number) and number >= 0):
                return None
            found["percent" if percent else "absolute"] = number
        return cls(**found) if len(found) == (2 if isinstance(value, list) else 1) == len(items) else None


def is_text(value: object) -> bool:
    """Whether a value of a configuration file is a text that may stand for a name or a path."""
    return isinstance(value, str) and bool(value) and "\0" not in value


def texts(value: object) -> tuple[str, ...] | None:
    """Return a text or a list of texts as a tuple, None for anything else."""
    items: list[object] = value if isinstance(value, list) else [value]
    found = tuple(item for item in items if isinstance(item, str) and is_text(item))
    return found if found and len(found) == len(items) else None


def as_float(value: object) -> float:
    """Return a number as a float: NaN for what is none, an infinity for one that no float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def shortened(text: str) -> str:
    """Return a text that fits an error line and does nothing to a terminal."""
    text = printable(text)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def toml(value: object) -> str:
    """Show a value of a configuration file as it was written, but short."""
    if isinstance(value, dict):
        return "{...}"
    if isinstance(value, list):
        return shortened("[" + ", ".join(map(toml, value)) + "]")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return shortened(f'"{value}"')
    return shortened(str(value)) if not isinstance(value, int) or abs(value) < 10**LONGEST else "a huge number"


PREFIX: Final = "LOSSCTL_"
WHOLE: Final = r"[+-]?[0-9]+"
NUMBER: Final = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
REQUIRED: Final = inspect.Parameter.empty
SWITCH: Final = {"1": True, "true": True, "0": False, "false": False}

Group = type  # a NamedTuple class whose fields are options
Kind = Literal["text", "texts", "choice", "whole", "number", "switch", "tolerance"]


class InFile(NamedTuple):
    """How the configuration file has an option, where that is not simply by its long name.

    `command` is the one command that takes it from there; `path` says that its texts are paths to read or to write, or
    to read or else the name of a model.
    """

    key: str = ""
    command: str = ""
    path: Literal["", "read", "write", "name"] = ""


class NotInFile(NamedTuple):
    """Why the configuration file must not have an option.

    What `accumulates` adds to what a lower level gives; what is for the `terminal` is not worth a note.
    """

    why: str
    accumulates: bool = False
    terminal: bool = False


PERSON: Final = NotInFile("it is about a person's terminal", terminal=True)
ONCE: Final = NotInFile("it is about one run")
IN_CHECK: Final = InFile(command="check")


class Described(NamedTuple):
    """What a key of the configuration file means that is no option."""

    help: str


class Declared(NamedTuple):
    """One option of a group: its field, its names, what it takes, and Typer's own description of it."""

    name: str
    kind: Kind
    info: Any
    default: Any
    optional: bool
    choices: tuple[str, ...] = ()
    range: Range | None = None
    in_file: InFile | NotInFile = InFile()

    @property
    def option(self) -> str:
        """The long name, as `--loss`; for a positional what stands for it, as FILE."""
        if isinstance(self.info, Described):
            return self.name.replace("_", "-")
        if isinstance(self.info, typer.models.ArgumentInfo):
            return self.info.metavar or self.name
        names = [self.info.default, *(self.info.param_decls or ())]
        return next(name.partition("/")[0] for name in names if isinstance(name, str) and name.startswith("--"))

    @property
    def positional(self) -> bool:
        """Whether it is given by its place."""
        return isinstance(self.info, typer.models.ArgumentInfo)

    @property
    def key(self) -> str:
        """The name in a configuration file."""
        return (isinstance(self.in_file, InFile) and self.in_file.key) or self.option.removeprefix("--")

    @property
    def variable(self) -> str:
        """The environment variable."""
        return PREFIX + self.option.removeprefix("--").replace("-", "_").upper()

    @property
    def accumulates(self) -> bool:
        """Whether a level adds to those below instead of replacing them."""
        return isinstance(self.in_file, NotInFile) and self.in_file.accumulates

    @property
    def terminal(self) -> bool:
        """Whether it is about a person's terminal."""
        return isinstance(self.in_file, NotInFile) and self.in_file.terminal

    @property
    def needed(self) -> str:
        """Word what is allowed."""
        if self.kind == "choice":
            return f"{', '.join(self.choices[:-1])} or {self.choices[-1]}"
        if self.kind in ("whole", "number"):
            words = "a whole number" if self.kind == "whole" else "a number"
            return words + (f" {self.range}" if self.range else "")
        return {
            "switch": "true or false",
            "text": "a text",
            "texts": "a text or a list of texts",
            "tolerance": 'a percentage such as "2%", a number of at least 0, or a list of both',
        }[self.kind]

    def from_text(self, text: str, where: str) -> Any:
        """Read the text of a command line or an environment variable, called `where`."""
        if self.kind == "texts":
            return tuple(text.split())
        if self.kind == "text":
            return text
        value: object = None
        if self.kind == "choice":
            value = text
        elif self.kind == "switch":
            value = SWITCH.get(text.lower())
        elif re.fullmatch(WHOLE if self.kind == "whole" else NUMBER, text) and len(text) < LONGEST:
            value = int(text) if self.kind == "whole" else float(text)
        if not self._fits(value):
            raise UsageError(f"{where} {shortened(repr(text))}: {self.needed} is needed")
        return value

    def from_toml(self, value: object, where: str) -> Any:
        """Read the value of a key of a configuration file, called `where`."""
        found: object = value
        if self.kind == "texts":
            found = texts(value)
        elif self.kind == "tolerance":
            found = Tolerance.from_toml(value)
        elif self.kind == "number":
            found = as_float(value)
        elif self.kind == "whole" and isinstance(value, float) and value.is_integer():
            found = int(value)
        if self._fits(found):
            return found
        raise UsageError(f"{where} = {toml(value)}: {self.needed} is needed")

    def _fits(self, value: object) -> bool:
        match self.kind:
            case "switch":
                return isinstance(value, bool)
            case "choice":
                return isinstance(value, str) and value in self.choices
            case "whole":
                return isinstance(value, int) and not isinstance(value, bool) and self._inside(value)
            case "number":
                return isinstance(value, float) and math.isfinite(value) and self._inside(value)
            case "texts" | "tolerance":
                return value is not None
        return is_text(value)

    def _inside(self, value: float) -> bool:
        return self.range is None or self.range.holds(value)


@cache
def declared(group: Group) -> tuple[Declared, ...]:
    """Return the options of a group in their order."""
    hints = get_type_hints(group, include_extras=True)
    defaults = vars(group)["_field_defaults"]
    return tuple(
        _declared(name, hint, defaults.get(name, REQUIRED))
        for name, hint in hints.items()
        if get_origin(hint) is Annotated
    )


def _declared(name: str, hint: Any, default: object) -> Declared:
    base, *marks = get_args(hint)
    plain = [part for part in get_args(base) if part is not type(None)]
    optional = type(None) in get_args(base)
    if optional:
        [base] = plain
    kinds: dict[object, Kind] = {str: "text", int: "whole", float: "number", bool: "switch", Tolerance: "tolerance"}
    kind: Kind = "choice" if get_origin(base) is Literal else "texts" if get_origin(base) is tuple else kinds[base]
    marked = {type(mark): mark for mark in marks}
    return Declared(
        name,
        kind,
        marks[0],
        default,
        optional,
        get_args(base) if kind == "choice" else (),
        marked.get(Range),
        marked.get(InFile) or marked.get(NotInFile) or InFile(),
    )


def for_typer(option: Declared) -> tuple[Any, Any]:
    """Return annotation and default that Typer gets: numbers and choices stay text, so that one place reads them."""
    if option.kind == "switch":
        return Annotated[bool | None if option.optional else bool, option.info], option.default
    if option.kind == "texts":
        return Annotated[list[str] | None, option.info], None
    if option.default is REQUIRED:
        return Annotated[str, option.info], REQUIRED
    if option.choices:
        option.info.autocompletion = one_of(option.choices)
    # a list, so that one that is given twice is noticed: the last would win without a word
    return Annotated[list[str] | None, option.info], None if option.default is None else [str(option.default)]


RULE: Final = NotInFile("rules are tables there: [[check]] with loss and limit", accumulates=True)
DISARMS: Final = NotInFile("it would disarm the check without a trace on its command line")
WRITES: Final = NotInFile("what is written besides reports is said on the command line")


class EvalOptions(NamedTuple):
    """What `eval` alone has."""

    reduction: Annotated[
        Literal["mean", "sum"],
        typer.Option("--reduction", metavar="mean|sum", help="Mean over rows, or their sum."),
    ] = "mean"
    rows_out: Annotated[
        str | None,
        typer.Option("--rows-out", metavar="FILE", help="Per-row losses to a .parquet or .csv file."),
        WRITES,
    ] = None
    with_grad: Annotated[
        bool,
        typer.Option("--with-grad", help="Beside the per-row losses also their gradients by the prediction columns."),
        WRITES,
    ] = False


class CompareOptions(NamedTuple):
    """How models are compared."""

    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline", metavar="NAME", help="The model that the others are compared with [default: the first]."
        ),
        NotInFile("there it is the baseline of check"),
    ] = None
    all_pairs: Annotated[
        bool, typer.Option("--all-pairs", help="Compare every two models, and name those that may be the best.")
    ] = False
    ci_method: Annotated[
        Literal["auto", "normal", "t", "bootstrap"],
        typer.Option(
            "--ci-method",
            metavar="auto|normal|t|bootstrap",
            help="How intervals are made; auto: by what fits the loss.",
        ),
    ] = "auto"
    resamples: Annotated[
        int,
        typer.Option("--resamples", metavar="N", help="Resamples of the bootstrap."),
        Range(100, 100_000),
    ] = 1000
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="Seed of the bootstrap, recorded."), Range(0, 2**63 - 1)
    ] = 12345
    power: Annotated[
        str | None,
        typer.Option("--power", metavar="EFFECT", help="The rows that it takes to find this difference, 0.01 or 2%."),
    ] = None
    worst: Annotated[
        int,
        typer.Option("--worst", metavar="N", help="List the rows where a candidate loses most."),
        Range(0, 100_000),
    ] = 0


class Dependence(NamedTuple):
    """How rows depend on each other, for statistics."""

    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster",
            autocompletion=complete.columns,
            metavar="COL",
            help="Rows of one value here are not independent: users, series.",
        ),
    ] = None
    time: Annotated[
        str | None,
        typer.Option(
            "--time",
            autocompletion=complete.columns,
            metavar="COL",
            help="Rows are a series in the order of this column (Diebold-Mariano).",
        ),
    ] = None
    horizon: Annotated[
        int,
        typer.Option("--horizon", metavar="H", help="Steps ahead that the predictions of --time were made."),
        Range(1, 1_000_000),
    ] = 1


class CheckOptions(NamedTuple):
    """What is demanded, and what happens with the verdict."""

    max: Annotated[
        tuple[str, ...],
        typer.Option(
            "--max",
            autocompletion=complete.rules,
            metavar="LOSS=VALUE",
            help="The loss over all rows is at most this; repeat.",
        ),
        RULE,
    ] = ()
    min: Annotated[
        tuple[str, ...],
        typer.Option(
            "--min",
            autocompletion=complete.rules,
            metavar="LOSS=VALUE",
            help="The score (r2, ...) over all rows is at least this; repeat.",
        ),
        RULE,
    ] = ()
    max_slice: Annotated[
        tuple[str, ...],
        typer.Option(
            "--max-slice",
            autocompletion=complete.rules,
            metavar="LOSS=VALUE",
            help="The loss of every slice of --by is at most this; for a score: at least; repeat.",
        ),
        RULE,
    ] = ()
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline", metavar="BASE", help="A saved report, predictions, or a model of the files, to compare with."
        ),
        InFile(command="check", path="name"),
    ] = None
    max_regression: Annotated[
        tuple[str, ...],
        typer.Option(
            "--max-regression",
            autocompletion=complete.rules,
            metavar="LOSS=TOL",
            help="At most this much worse than the baseline, over all rows and in every slice: 2%, 0.01, or 2%,0.01 "
            "(both must be exceeded to fail); repeat.",
        ),
        RULE,
    ] = ()
    decide: Annotated[
        Literal["point", "significant", "noninferior"],
        typer.Option(
            "--decide",
            metavar="point|significant|noninferior",
            help="A regression is: a worse value; one proven worse; one not proven within the tolerance.",
        ),
    ] = "point"
    min_slice: Annotated[
        int,
        typer.Option("--min-slice", metavar="N", help="Slices of fewer rows are insufficient evidence."),
        Range(0, 2**53),
    ] = 30
    on_insufficient: Annotated[
        Literal["warn", "fail"] | None,
        typer.Option(
            "--on-insufficient",
            metavar="warn|fail",
            help="Insufficient evidence never blocks, or always does [default: it does over all rows].",
        ),
    ] = None
    baseline_optional: Annotated[
        bool, typer.Option("--baseline-optional", help="A baseline file that does not exist is a warning."), DISARMS
    ] = False
    save_baseline: Annotated[
        str | None,
        typer.Option("--save-baseline", metavar="FILE", help="Save the report as a baseline, unless a rule fails."),
        WRITES,
    ] = None
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="Exit 0 where rules fail; errors keep their codes."), DISARMS
    ] = False
    show_config: Annotated[
        bool,
        typer.Option("--show-config", help="Print every value and rule, and where it comes from; read no data."),
        ONCE,
    ] = False


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
        from lossctl.api.options import LEVEL

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
