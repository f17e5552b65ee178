"""The one table of options: what the command line, the environment, the configuration file and Python take.

A class is a group of options and a field is one option: its type in Python, the kind of its values, and an `Option`
with its help and its default. Derived from it are the parameters of Typer, the keywords of `compare`, `validate` and
`check` (`InputOptions`), the checks of arguments, the printed commands, the keys of the configuration file and its
schema, `--show-config` and completion. An option of `evaluate` stands here and in the signature of `evaluate`.

The table is read whenever lossctl starts, so NumPy is imported only where a value of Python is checked.
"""

# annotations are evaluated, as they are the table; hence no `from __future__ import annotations`

import math
import operator
import os
import re
import reprlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date
from functools import cache, wraps
from inspect import Parameter, Signature, signature
from numbers import Real
from types import EllipsisType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Concatenate,
    Final,
    Literal,
    NamedTuple,
    ParamSpec,
    TypeAlias,
    TypedDict,
    TypeVar,
)

from lossctl.errors import UsageError, listed, near, printable
from lossctl.gate.rules import OF_REGRESSIONS, Tolerance

if TYPE_CHECKING:
    from lossctl.core.loss import Loss
    from lossctl.engine.run import Progress, Watch

P = ParamSpec("P")
R = TypeVar("R")
Note = Callable[[str], None]  # takes a line about what was chosen unasked
Names = str | Sequence[str] | None
Losses: TypeAlias = "Names | Loss | Sequence[str | Loss] | Mapping[str, str | Loss]"

LEVEL: Final = 0.95  # of intervals, where none is given
LISTED: Final = 10  # rows where most is lost on a page, unless another number is asked for
MOST_THREADS: Final = 256


# values of Python in plain form ------------------------------------------------------------------------------


def plain_text(value: object) -> str:
    """Return a text; raise TypeError for anything else."""
    if not isinstance(value, str):
        raise TypeError
    return value


def plain_name(value: object) -> str:
    """Return the name of a column, or a label, as text; those of a frame may be numbers or dates."""
    import numpy as np

    if not isinstance(value, str | Real | date | np.generic):
        raise TypeError
    return str(value)


def plain_path(value: object) -> str:
    """Return a path as text."""
    return plain_text(os.fspath(value))  # type: ignore[call-overload]  # which raises TypeError for what is no path


def plain_whole(value: Any) -> int:
    """Return a whole number, NumPy's included."""
    if isinstance(value, bool):
        raise TypeError
    return operator.index(value)


def plain_number(value: object) -> float:
    """Return a real number as a float."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError
    return float(value)


def plain_flag(value: object) -> bool:
    """Return a truth value, NumPy's included."""
    import numpy as np

    if not isinstance(value, bool | np.bool_):
        raise TypeError
    return bool(value)


def with_attribute(name: str) -> Callable[[object], object]:
    """Return a reader that takes any object with this attribute, such as `__call__`."""

    def read(value: object) -> object:
        if not hasattr(value, name):
            raise TypeError
        return value

    return read


def plain_tables(value: object) -> list[Any]:
    """Return tables of rules; one may be a dict with the keys of the file, - or _ in them."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Collection):
        raise TypeError
    return [_plain_table(f"rules {place}", table) for place, table in enumerate(value, 1)]


def _plain_table(origin: str, table: object) -> object:
    if isinstance(table, Mapping):
        values = {plain_text(key).replace("_", "-"): value for key, value in table.items() if value is not None}
        return rule_table(origin, {key: list(v) if isinstance(v, tuple) else v for key, v in values.items()})
    if not hasattr(table, "loss"):
        raise TypeError
    return table


def plain_loss(value: object) -> str:
    """Return a loss, or its spec, as spec."""
    from lossctl.core.loss import Loss

    return str(value) if isinstance(value, Loss) else plain_text(value)


def plain_losses(value: object) -> object:
    """Return losses as specs; labels of a mapping go before them, as in `p90=quantile:q=0.9`."""
    if isinstance(value, Mapping):
        for label in value:
            if set("=:") & set(plain_text(label)):
                raise UsageError(
                    f"losses: the label {printable(label)!r} holds = or :, which end a label; take another"
                )
        return [f"{label}={plain_loss(loss)}" for label, loss in value.items()]
    return one_or_more(plain_loss)(value)


def list_of(entry: Callable[[Any], str]) -> Callable[[Any], list[str]]:
    """Read several values that have an order: a list, a tuple, an array, the keys of a dict."""

    def read(value: object) -> list[str]:
        unordered = isinstance(value, set | frozenset)
        if unordered or isinstance(value, str | bytes | Mapping) or not isinstance(value, Collection):
            raise TypeError
        if getattr(value, "ndim", 1) != 1:
            raise TypeError
        return [entry(item) for item in value]

    return read


def one_or_more(entry: Callable[[Any], str]) -> Callable[[Any], str | list[str]]:
    """Read one value, or several."""
    several = list_of(entry)

    def read(value: object) -> str | list[str]:
        from lossctl.core.loss import Loss

        single = isinstance(value, Loss | str) or not isinstance(value, Collection)
        return entry(value) if single else several(value)

    return read


def plain_target(value: object) -> str:
    """Return a column, or several joined by commas, as they are typed."""
    columns = one_or_more(plain_name)(value)
    if isinstance(columns, str):
        return columns
    if not columns or any("," in column for column in columns):
        raise TypeError
    return ",".join(columns)


def mapping_or(plain: Callable[[Any], object], entry: Callable[[Any], object]) -> Callable[[Any], object]:
    """Read a mapping from names to entries, or what is none."""

    def read(value: object) -> object:
        if isinstance(value, Mapping):
            return {plain_name(name): entry(item) for name, item in value.items()}
        return plain(value)

    return read


def text_or(plain: Callable[[Any], object]) -> Callable[[Any], object]:
    """Return a reader that leaves texts as they are, and reads other values by `plain`."""
    return lambda value: value if isinstance(value, str) else plain(value)


# kinds of values ---------------------------------------------------------------------------------------------

LONGEST: Final = 60  # characters of a wrong value in an error text
PERCENT: Final = r"([0-9]{1,15}\.?[0-9]{0,15}|\.[0-9]{1,15})%"
BOOLEANS: Final = {"1": True, "true": True, "0": False, "false": False}
REQUIRED: Final = Parameter.empty


class ValueKind:
    """The values that an option takes.

    python: what a Python function takes for it, in words; empty where that is not checked here.
    plain: brings a value of Python into plain form, or raises TypeError.
    complete: the function of cli/complete.py that offers values.
    """

    default: ClassVar[object] = None
    needed: str = ""  # what the command line and the file take, in words
    metavar: str = ""  # what stands for a value in the help, where the option does not say it

    def __init__(self, python: str = "", plain: Callable[[Any], object] = plain_text, complete: str = "") -> None:
        self.python, self.plain, self.complete = python, plain, complete

    def from_text(self, text: str) -> object:
        """Read what was typed, or stands in an environment variable; None where it does not fit."""
        return self.from_toml(text)

    def from_toml(self, value: object) -> object:
        """Read a value of the configuration file; None where it does not fit."""
        raise NotImplementedError  # abstract: each kind of value below says it

    def holds(self, value: Any) -> bool:  # what it says of any value
        """Return whether a value in plain form is one of those that the option takes."""
        return True


class Always(ValueKind):
    """A value that Python alone has, and that is never None."""

    default: ClassVar[object] = REQUIRED


class Text(ValueKind):
    """A text: a name, a path."""

    needed = "a text"

    def from_text(self, text: str) -> object:
        return text

    def from_toml(self, value: object) -> object:
        return value if isinstance(value, str) and value and "\0" not in value else None


class Texts(ValueKind):
    """Texts: the option may be repeated."""

    default = ()
    needed = "a text or a list of texts"

    def from_text(self, text: str) -> object:
        return tuple(text.split())

    def from_toml(self, value: object) -> object:
        items: list[object] = value if isinstance(value, list) else [value]
        return tuple(items) if items and all(map(Text().from_toml, items)) else None


class Choice(ValueKind):
    """One of several words, joined by `|`."""

    def __init__(self, python: str = "", *, words: str) -> None:
        super().__init__(python)
        self.metavar, self.options = words, tuple(words.split("|"))
        self.needed = " or ".join((", ".join(self.options[:-1]), self.options[-1]))

    def from_toml(self, value: object) -> object:
        return value if self.holds(value) else None

    def holds(self, value: Any) -> bool:
        return isinstance(value, str) and value in self.options


class Switch(ValueKind):
    """On or off."""

    default: ClassVar[object] = False
    needed = "true or false"

    def from_text(self, text: str) -> object:
        return BOOLEANS.get(text.lower())

    def from_toml(self, value: object) -> object:
        return value if isinstance(value, bool) else None


class Either(Switch):
    """On, off, or neither is said: a switch with a flag for each side."""

    default = None


class Number(ValueKind):
    """A finite number from `low` to `high`, or between them without the ends; `such_as` is one that fits."""

    needed = "a number"
    pattern: ClassVar[str] = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
    parse: ClassVar[type[float]] = float

    def __init__(
        self,
        python: str = "",
        plain: Callable[[Any], object] = plain_text,
        *,
        low: float = -math.inf,
        high: float = math.inf,
        ends: bool = True,
        such_as: str = "",
    ) -> None:
        super().__init__(python, plain)
        self.low, self.high, self.ends = low, high, ends
        if not math.isinf(low):
            self.needed += f" from {low} to {high}" if ends else f" between {low} and {high}"
            self.needed += f", such as {such_as}" if such_as else ""

    def from_text(self, text: str) -> object:
        if not re.fullmatch(self.pattern, text) or len(text) >= LONGEST:
            return None
        return self.from_toml(self.parse(text))

    def from_toml(self, value: object) -> object:
        number = as_float(value)
        return number if self.holds(number) else None

    def holds(self, value: Any) -> bool:
        """Return whether a number is inside; NaN and infinities never are."""
        if not -math.inf < value < math.inf:
            return False
        return self.low <= value <= self.high if self.ends else self.low < value < self.high


class Whole(Number):
    """A whole number from `low` to `high`."""

    needed, metavar = "a whole number", "N"
    pattern = r"[+-]?[0-9]+"
    parse = int

    def from_toml(self, value: object) -> object:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return value if isinstance(value, int) and not isinstance(value, bool) and self.holds(value) else None


class Tolerances(ValueKind):
    """A tolerance of a file: `"2%"`, 0.01 or a list of one of each, in any order."""

    needed = 'a percentage such as "2%", a number of at least 0, or a list of both'

    def from_toml(self, value: object) -> object:
        items: list[object] = value if isinstance(value, list) else [value]
        parts: dict[str, float] = {}
        for item in items:
            percent = re.fullmatch(PERCENT, item) if isinstance(item, str) else None
            number = float(percent[1]) if percent else as_float(item)
            if not (math.isfinite(number) and number >= 0):
                return None
            parts["percent" if percent else "absolute"] = number
        return Tolerance(**parts) if len(parts) == (2 if isinstance(value, list) else 1) == len(items) else None

    def holds(self, value: Any) -> bool:
        return all(0.0 <= as_float(part) < math.inf for part in value if part is not None)


class TolerancesBySlice(ValueKind):
    """Tolerances of a file by the names of slices."""

    needed = 'a table of tolerances by slice, such as {"region=EU" = "1%"}'

    def from_toml(self, value: object) -> object:
        entries = {
            name: Tolerances().from_toml(entry) for name, entry in (value.items() if isinstance(value, dict) else ())
        }
        fits = bool(entries) and None not in entries.values() and all("=" in name for name in entries)
        return entries if fits else None

    def holds(self, value: Any) -> bool:
        return isinstance(value, Mapping) and all(map(Tolerances().holds, value.values()))


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


# options -----------------------------------------------------------------------------------------------------

Section = Literal["Input", "Text files", "Losses", "Rules", "Statistics", "Output", "Run"]
PREFIX: Final = "LOSSCTL_"
PERSON: Final = "it is about a person's terminal"
ONCE: Final = "it is about one run"
RULE: Final = 'rules are tables there: [[check]] with loss = "rmse" and max = 55, or min, max-slice, max-regression'
DISARMS: Final = "it would disarm the check without a trace on its command line"
WRITES: Final = "what is written besides reports is said on the command line"


class Option(NamedTuple):
    """One option; its name is that of its field.

    help, default
        What its values mean, and the one that holds where none is given.
    usage, panel
        What the name does not say of the flags (a short flag, a long one that is not by the name, what stands for a
        value), and the section of the help, if that is not the one of the group.
    positional
        Whether it is given by its place on the command line.
    key, only, path, barred
        In the configuration file: its key (the long flag where empty), the one command that takes it from there,
        whether texts are paths to `read`, to `write`, or the `name` of a model or else a path to read, and why the file
        must not have it.
    accumulates
        Whether a level adds to those below instead of replacing them.
    strict
        Of what kind values are that let no check pass which would block without them: by default all, None for none.
        Others are taken from the command line of a check alone, not from a file either.
    kind, name, short, long, metavar, label, variable
        What follows from the field, by `called`: the kind of its values, its names. `label` is what people call it: the
        long flag, or what stands for a positional, as FILE; `variable` is its environment variable.
    """

    help: str = ""
    usage: str = ""
    default: object = ...
    panel: Section | None = None
    positional: bool = False
    key: str = ""
    only: str = ""
    path: Literal["", "read", "write", "name"] = ""
    barred: str = ""
    accumulates: bool = False
    strict: ValueKind | EllipsisType | None = ...
    kind: ValueKind = ValueKind()
    name: str = ""
    short: str = ""
    long: str = ""
    metavar: str = ""
    label: str = ""
    variable: str = ""

    def called(self, name: str, kind: ValueKind, panel: Section = "Input") -> "Option":
        """Return the option with what follows from its field's name, its kind and usage, and the panel of its group."""
        words = self.usage.split()
        short = [word for word in words if word[:1] == "-" != word[1:2]]
        long = [word for word in words if word.startswith("--")] or [f"--{name.replace('_', '-')}"]
        metavars = [word for word in words if not word.startswith("-")] or [kind.metavar]
        label = metavars[0] if self.positional else long[0]
        return self._replace(
            kind=kind,
            name=name,
            short="".join(short),
            long=long[0],
            metavar=metavars[0],
            label=label,
            variable=PREFIX + label.removeprefix("--").replace("-", "_").upper(),
            panel=self.panel or panel,
            key=self.key or long[0].removeprefix("--"),
            default=kind.default if self.default is ... else self.default,
        )

    @property
    def terminal(self) -> bool:
        """Whether it is about a person's terminal."""
        return self.barred == PERSON

    @property
    def heard(self) -> bool:
        """Whether a check takes it from the environment: it is about output or run, or a rule beside the others."""
        return self.accumulates or (self.panel in ("Output", "Run") and self.strict is not None)

    def weakens(self, value: object) -> bool:
        """Whether a value lets a check pass that would block without it."""
        if isinstance(self.strict, EllipsisType) or value == self.default:
            return False
        return self.strict is None or not self.strict.holds(value)

    def from_text(self, text: str, where: str) -> Any:
        """Read the text of a command line or an environment variable, called `where`."""
        value = self.kind.from_text(text)
        if value is None:
            raise UsageError(f"{where} {shortened(repr(text))}: {self.kind.needed} is needed")
        return value

    def from_toml(self, value: object, where: str) -> Any:
        """Read the value of a key of a configuration file, called `where`."""
        plain = self.kind.from_toml(value)
        if plain is None:
            raise UsageError(f"{where} = {toml(value)}: {self.kind.needed} is needed")
        return plain


@cache
def options_of(*groups: type) -> tuple[Option, ...]:
    """Return the options of groups in their order."""
    return tuple(
        option.called(name, kind, PANELS.get(group, "Input"))
        for group in groups
        for name, (kind, *options) in marks(group).items()
        for option in options
    )


@cache
def marks(group: type) -> Mapping[str, tuple[Any, ...]]:
    """Return the annotations of a group's fields: the kind of value, and an `Option` unless only Python has it."""
    hints = group.__annotations__
    return {name: hint.__metadata__ for name, hint in hints.items() if hasattr(hint, "__metadata__")}


# the table: what is read and computed ------------------------------------------------------------------------

NAMES: Final = one_or_more(plain_name)
TEXTS: Final = one_or_more(plain_text)


def whole_number(low: int, high: int) -> Whole:
    """Return the kind of whole numbers from `low` to `high`."""
    return Whole("a whole number", plain_whole, low=low, high=high)


CHARACTER: Final = Text("a text of one character")
DROP: Final = Choice("'error' or 'drop'", words="error|drop")
DECIDE: Final = Choice("a text", words="point|significant|noninferior|equivalent")
ROLES: Final = Texts(
    "a text ROLE=COLUMNS, a list of them, or a mapping from roles to names of columns",
    mapping_or(TEXTS, TEXTS),
    "roles",
)
# what several options take: the type in Python, and the kind of value
Flag = Annotated[bool, Switch("True or False", plain_flag)]
Column = Annotated[str | None, Text("the name of one column", plain_name, "columns")]
Columns = Annotated[Names, Texts("a column, or a list of columns", NAMES, "columns")]
Path = Annotated[str | None, Text("a path", plain_path)]
Word = Annotated[str | None, Text()]
Words = Annotated[tuple[str, ...], Texts()]
Model = Annotated[str | None, Text("the name of a model, or a path", plain_path)]
Effect = Annotated[str | float | None, Text("a number, or a text such as '2%'", text_or(plain_number))]
Share = Annotated[
    float | None, Number("a number between 0 and 1, as 0.95", plain_number, low=0, high=1, ends=False, such_as="0.95")
]
Limits = Annotated[
    Names,
    Texts(
        "a text such as 'rmse=0.35', a list of them, or a mapping from losses to limits",
        mapping_or(TEXTS, plain_name),
        "rules",
    ),
]
Specs = Annotated[
    "Losses",
    Texts(
        "a spec such as 'huber:delta=2', a Loss, a list of them, or a mapping from labels to them",
        plain_losses,
        "losses",
    ),
]
Function = ValueKind("a function", with_attribute("__call__"))


class Files(TypedDict):
    """The data: what is no option in Python."""

    data: Annotated[
        object,
        Texts(),
        Option(
            "Prediction tables: [NAME=]PATH (CSV, TSV, JSON lines, Parquet, Arrow, .npy, .npz, folder) or -.",
            "FILE",
            positional=True,
            key="files",
            path="read",
        ),
    ]


class Inputs(TypedDict, total=False):
    """Which data is read, and what is computed on it."""

    target: Annotated[
        Names,
        Text("a column, or a list of columns", plain_target, "columns"),
        Option("Column(s) of the truth [default: y, y_true, target, actual, label or truth].", "-t COLS"),
    ]
    pred: Annotated[
        Names | Mapping[str, str | Sequence[str]],
        Texts(
            "a column, a list of columns, or a mapping from models to names of columns",
            mapping_or(NAMES, text_or(list_of(plain_name))),
            "predictions",
        ),
        Option("A model's prediction: column, a,b,c or glob p_*; repeat.", "-p [NAME=]COLS"),
    ]
    targets: Annotated[object, Text(), Option("File that holds the truth.", "FILE", path="read")]
    concat: Annotated[Flag, Option("The files are parts of one table; those of one NAME, of one model.")]
    id: Annotated[Columns, Option("Pair rows of several files by this key; a,b or repeat for several columns.", "COLS")]
    id_missing: Annotated[
        str, DROP, Option("A key that one file lacks is an error, or drops its row.", default="error")
    ]
    roles: Annotated[
        Names | Mapping[str, str],
        ROLES,
        Option("Further columns: left, right, anchor, query, scale, ...", "--role [MODEL:]ROLE=COLS"),
    ]
    weight: Annotated[Column, Option("Column of row weights.", "-w COL")]
    by: Annotated[Columns, Option("Also per value of it, or age:quantiles=4, day:month; a,b crosses; repeat.", "COL")]
    activation: Annotated[
        Names | Mapping[str, str],
        Texts(
            "a text such as 'sigmoid', a list of them, or a mapping from models to them",
            mapping_or(TEXTS, plain_text),
            "activations",
        ),
        Option("Predictions are raw outputs of: none, sigmoid, softmax, tanh, exp, softplus, relu.", "[MODEL=]ACT"),
    ]
    renormalize: Annotated[Flag, Option("Divide each row of class probabilities by its sum.")]
    sum_tolerance: Annotated[
        float | None,
        Number("a number from 0 to 1", plain_number, low=0, high=1, such_as="0.02"),
        Option("By how much a row of probabilities may miss a sum of 1 [default: 0.001].", "GAP"),
    ]
    positive_label: Annotated[str | None, Text("one label", plain_name), Option("Which label counts as 1.", "LABEL")]
    classes: Annotated[
        str | Sequence[str] | None,
        Text("a text such as 'cat,dog', or a list of labels", text_or(list_of(plain_name))),
        Option("Class labels of the prediction columns, in order.", "A,B,..."),
    ]
    task: Annotated[
        str | None,
        Text("a text such as 'binary'", complete="tasks"),
        Option("regression, binary, multiclass, multilabel, quantile, boxes or masks.", "TASK", panel="Losses"),
    ]
    losses: Annotated[
        Specs,
        Option(
            "huber:delta=2, p90=quantile:q=0.9; repeat; default: by task.",
            "-l --loss SPEC",
            panel="Losses",
            key="losses",
        ),
    ]
    per_output: Annotated[Flag, Option("The loss of each of several outputs, in place of their mean.", panel="Losses")]
    missing: Annotated[str, DROP, Option("A missing value is an error, or drops its row.", default="error")]


class TextFiles(TypedDict, total=False):
    """How text files are written."""

    delimiter: Annotated[
        str | None,
        CHARACTER,
        Option("Field separator, or blanks: any number of them [default: comma; tab for .tsv].", "-d CHAR"),
    ]
    no_header: Annotated[Flag, Option("The first line holds data: columns are column0, column1, ...")]
    comment: Annotated[str | None, Text("a text such as '#'"), Option("Lines that begin so are none.", "CHAR")]
    decimal: Annotated[str, CHARACTER, Option("Decimal point of numbers.", "CHAR", default=".")]
    thousands: Annotated[str | None, CHARACTER, Option("What parts the thousands of numbers.", "CHAR")]
    null: Annotated[
        Names,
        Texts("a text such as '-', or a list of them", TEXTS),
        Option("Also marks a missing value, beside NA, NULL, None and what is empty; repeat.", "MARK"),
    ]
    quote: Annotated[str, CHARACTER, Option("Quote around fields; none: quotes mean nothing.", "CHAR", default='"')]
    bad_rows: Annotated[
        str, DROP, Option("A row that is none is an error, or is left out and counted.", default="error")
    ]
    escape: Annotated[str | None, CHARACTER, Option("Takes the meaning from the character after it.", "CHAR")]


class Resources(TypedDict, total=False):
    """The memory and the threads of a run."""

    threads: Annotated[
        int | None, whole_number(1, MOST_THREADS), Option("Threads, 1 to 256 [default: all cores it may use].")
    ]
    max_memory: Annotated[
        str | int | None,
        Text("a whole number of bytes, or a text such as '2G'", text_or(plain_whole)),
        Option("For losses that keep all values: 500M, 2G [default: what is free].", "SIZE"),
    ]


INPUTS: Final = (Inputs, TextFiles, Resources)


class Intervals(TypedDict, total=False):
    """Of which level confidence intervals are; in Python None for none of them."""

    ci: Annotated[Share, Option("Level of intervals [default: 0.95].", "LEVEL")]


class NoIntervals(TypedDict, total=False):
    """How the command line says that there are no intervals."""

    no_ci: Annotated[Flag, Option("Neither intervals nor standard errors.")]


class Hooks(TypedDict, total=False):
    """What is called while the work is done; Python alone has these."""

    progress: Annotated["Progress | None", Function]
    note: Annotated[Note | None, Function]
    watch: Annotated["Watch", Always("a function", with_attribute("__call__"))]
    engine: Annotated[Any, ValueKind("an engine, as those of lossctl.api.clusters", with_attribute("first"))]
    observe: Annotated[Any, Function]


class InputOptions(Inputs, TextFiles, Resources, Intervals, Hooks, total=False):
    """The keywords that `evaluate`, `compare`, `validate` and `check` share."""


class EvalOptions(TypedDict, total=False):
    """What `eval` alone has."""

    reduction: Annotated[
        str,
        Choice("'mean' or 'sum'", words="mean|sum"),
        Option("Mean over rows, or their sum.", default="mean", panel="Losses"),
    ]
    decompose: Annotated[
        Flag, Option("Also what is miscalibration, discrimination and uncertainty in a loss.", panel="Losses")
    ]
    rows_out: Annotated[Path, Option("Per-row losses to a .parquet or .csv file.", "FILE", path="write", barred=WRITES)]
    with_grad: Annotated[
        Flag, Option("Beside the per-row losses also their gradients by the prediction columns.", barred=WRITES)
    ]


class RowOptions(TypedDict, total=False):
    """Which rows are shown."""

    worst: Annotated[
        int, whole_number(0, 100_000), Option("List so many rows where a model, or a candidate, loses most.", default=0)
    ]


class EvaluateOptions(InputOptions, EvalOptions, RowOptions, total=False):
    """The keywords of `evaluate`."""


# the table: comparisons and checks ---------------------------------------------------------------------------


class CompareOptions(TypedDict, total=False):
    """How models are compared."""

    baseline: Annotated[
        Model,
        Option(
            "The model that the others are compared with [default: the first].",
            "NAME",
            barred="there it is the baseline of check",
        ),
    ]
    all_pairs: Annotated[Flag, Option("Compare every two models, and name those that may be the best.")]
    ci_method: Annotated[
        str,
        Choice("a text", words="auto|normal|t|bootstrap"),
        Option("How intervals are made; auto: by what fits the loss.", default="auto"),
    ]
    resamples: Annotated[int, whole_number(100, 100_000), Option("Resamples of the bootstrap.", default=1000)]
    seed: Annotated[int, whole_number(0, 2**63 - 1), Option("Seed of the bootstrap, recorded.", default=12345)]
    power: Annotated[Effect, Option("The rows that it takes to find this difference, 0.01 or 2%.", "EFFECT")]
    equivalent: Annotated[
        Effect, Option("Within so much on both sides, 0.5 or 2% of the baseline, models are equivalent.", "VALUE")
    ]


class Dependence(TypedDict, total=False):
    """How rows depend on each other, for statistics."""

    cluster: Annotated[Column, Option("Rows of one value here are not independent: users, series.", "COL")]
    time: Annotated[Column, Option("Rows are a series in the order of this column (Diebold-Mariano).", "COL")]
    horizon: Annotated[
        int, whole_number(1, 1_000_000), Option("Steps ahead that the predictions of --time were made.", "H", default=1)
    ]


def limit(help: str, metavar: str = "LOSS=VALUE") -> Option:  # noqa: A002  # the option's own field
    """Return an option for rules of one kind."""
    return Option(help, metavar, barred=RULE, accumulates=True)


class CheckOptions(TypedDict, total=False):
    """What is demanded."""

    max: Annotated[Limits, limit("The loss over all rows is at most this; repeat.")]
    min: Annotated[Limits, limit("The score (r2, ...) over all rows is at least this; repeat.")]
    max_slice: Annotated[
        Limits, limit("The loss of every slice of --by is at most this; for a score: at least; repeat.")
    ]
    baseline: Annotated[
        Model,
        Option(
            "A saved report, predictions, or a model of the files, to compare with.", "BASE", only="check", path="name"
        ),
    ]
    max_regression: Annotated[
        Limits,
        limit(
            "At most this much worse than the baseline, over all rows and in every slice: 2%, 0.01, or 2%,0.01 "
            "(both must be exceeded to fail); repeat.",
            "LOSS=TOL",
        ),
    ]
    decide: Annotated[
        str,
        DECIDE,
        Option(
            "A regression is: a worse value; one proven worse; one not proven within the tolerance.",
            default="point",
            strict=Choice(words="point|noninferior|equivalent"),
        ),
    ]
    slice_tolerance: Annotated[
        Limits,
        Option("What --max-regression allows in slices instead; repeat.", "[LOSS=]TOL", barred=RULE, strict=None),
    ]
    critical_slice: Annotated[
        Names,
        Texts("a text such as 'region=EU', or a list of them", TEXTS),
        Option(
            "A slice that must be decided and hold, without --slice-tolerance; others then only warn; repeat.",
            "COL=VALUE",
            barred=RULE,
            strict=None,
        ),
    ]
    max_dropped: Annotated[
        str | int | None,
        Text("a number of rows, or a text such as '2%'", text_or(plain_whole)),
        Option("At most so many rows are left out, 5 or 2% [default: 0].", "N", strict=Choice(words="0")),
    ]
    min_slice: Annotated[
        int,
        whole_number(0, 2**53),
        Option("Slices of fewer rows are insufficient evidence.", default=30, strict=whole_number(0, 30)),
    ]
    min_rows: Annotated[
        int | None,
        whole_number(0, 2**53),
        Option(  # more would leave undecided, in a slice, what fails
            "Fewer rows are insufficient evidence [default: 30 where statistics decide].", barred=DISARMS, strict=None
        ),
    ]
    on_insufficient: Annotated[
        Literal["warn", "fail"] | None,
        Choice("'warn' or 'fail'", words="warn|fail"),
        Option(
            "Insufficient evidence never blocks, or always does [default: it does over all rows].",
            strict=Choice(words="fail"),
        ),
    ]
    allow_same: Annotated[Flag, Option("The prediction may be the column of the target.", barred=DISARMS, strict=None)]
    baseline_optional: Annotated[
        Flag, Option("A baseline file that does not exist is a warning.", barred=DISARMS, strict=None)
    ]
    save_baseline: Annotated[
        Path,
        Option(
            "Save the report as a baseline, unless a rule fails.",
            "FILE",
            panel="Output",
            path="write",
            barred=WRITES,
            strict=None,
        ),
    ]


class RuleOptions(TypedDict, total=False):
    """What a configuration adds to `check`; Python alone has these."""

    rules: Annotated[
        Sequence["RuleTable | Mapping[str, object]"],
        Always("a list of tables, as [{'loss': 'mae', 'max': 0.9}]", plain_tables),
    ]
    configured: Flag
    labels: Specs


class RuleTable(NamedTuple):
    """A [[check]] table of the configuration file; `origin` says where, as `lossctl.toml: [[check]] 2`."""

    loss: Annotated[
        str,
        Text(),
        Option("The loss that is judged: a label or spec of `losses`, or any other spec.", default=REQUIRED),
    ]
    max: Annotated[
        float | None, Number(), Option("The loss over all rows (with `by` of every slice, too) is at most this.")
    ] = None
    min: Annotated[
        float | None, Number(), Option("The score over all rows (with `by` of every slice, too) is at least this.")
    ] = None
    max_slice: Annotated[
        float | None, Number(), Option("The loss of every slice is at most this; for a score: at least.")
    ] = None
    max_regression: Annotated[
        Tolerance | None,
        Tolerances(),
        Option(
            'At most this much worse than the baseline: "2%" of it, 0.01, or ["2%", 0.01] where both must be exceeded.'
        ),
    ] = None
    by: Annotated[Words, Option("Columns whose slices the rule is for, as well as for all rows.")] = ()
    level: Annotated[
        Literal["error", "warn"],
        Choice(words="error|warn"),
        Option("Whether the rule blocks, or warns.", default="error"),
    ] = "error"
    decide: Annotated[
        Literal["point", "significant", "noninferior", "equivalent"] | None,
        DECIDE,
        Option("How max-regression is decided, if not as for the others."),
    ] = None
    confidence: Annotated[
        float | None,
        Number(low=0.5, high=0.999, such_as="0.95"),  # beyond, nothing is significant, or what is worse no inferior
        Option("The level of evidence that significant, noninferior and equivalent want."),
    ] = None
    origin: str = ""
    slice_tolerance: Annotated[
        Tolerance | None, Tolerances(), Option("What max-regression allows in slices instead, in the same form.")
    ] = None
    tolerances: Annotated[
        Mapping[str, Tolerance] | None,
        TolerancesBySlice(),
        Option('What max-regression allows in single slices, as {"region=EU" = "1%", "region=MT" = "10%"}.'),
    ] = None
    critical: Annotated[
        Words,
        Option(
            'Slices, as "region=EU", that must be decided and hold, without slice-tolerance; others then only warn.'
        ),
    ] = ()


LIMIT_KEYS: Final = ("max", "min", "max-slice", "max-regression")


@cache
def rule_keys() -> dict[str, Option]:
    """Return what a rule of the file is made of, by key."""
    return {option.key: option for option in options_of(RuleTable)}


def rule_table(origin: str, table: Mapping[str, object]) -> RuleTable:
    """Check one rule by keys; what its loss is, and whether the limit fits it, is judged with the data's losses."""
    fields = rule_keys()
    for key in table:
        if key not in fields:
            hint = near(key, list(fields)) or f"; allowed are {listed(list(fields))}"
            raise UsageError(f"{origin}: unknown key {shortened(repr(key))}{hint}")
    if "loss" not in table:
        raise UsageError(f'{origin}: there is no loss; write one, as in loss = "rmse"')
    if not any(limit in table for limit in LIMIT_KEYS):
        raise UsageError(f"{origin}: there is no limit; one of {listed(list(LIMIT_KEYS))}")
    for key in OF_REGRESSIONS:
        if key in table and "max-regression" not in table:
            raise UsageError(f"{origin}: {key} speaks of max-regression, and there is none")
    values = {fields[key].name: fields[key].from_toml(value, f"{origin}: {key}") for key, value in table.items()}
    return RuleTable(**values, origin=origin)


# the table: what the command line alone has ------------------------------------------------------------------

FIGURES: Final = ("svg", "png", "pdf", "html", "vega")  # the formats of a figure in a file
ALL_FORMATS: Final = (  # of any command
    *("table", "long", "csv", "json", "jsonl", "md", "value", "junit", "github", "text", "latex"),
    *FIGURES,
)
SUFFIXES: Final = {  # the formats that the name of a file tells
    ".vl.json": "vega",
    ".json": "json",
    ".jsonl": "jsonl",
    ".csv": "csv",
    ".md": "md",
    ".txt": "table",
    ".tex": "latex",
    ".xml": "junit",
    ".svg": "svg",
    ".png": "png",
    ".pdf": "pdf",
    ".html": "html",
}


class VerdictOptions(TypedDict):
    """What happens with the verdict of `check`."""

    exit_zero: Annotated[Flag, Option("Exit 0 where rules fail; errors keep their codes.", barred=DISARMS, strict=None)]
    show_config: Annotated[
        Flag, Option("Print every value and rule, and where it comes from; read no data.", barred=ONCE, strict=None)
    ]


class EngineOptions(TypedDict):
    """Where rows are reduced: by a share of a run, or by other processes."""

    shard: Annotated[Word, Option("Compute share I of N alone, for `lossctl merge`.", "I/N", barred=ONCE, strict=None)]
    state_out: Annotated[
        Path, Option("The file that takes the state of a share.", "FILE", path="write", barred=ONCE, strict=None)
    ]
    engine: Annotated[
        str,
        Choice(words="threads|ray|spark"),
        Option("What reduces the rows: this process, or a cluster.", default="threads"),
    ]
    engine_address: Annotated[Word, Option("Where the cluster is [default: one on this machine].", "ADDRESS")]


class States(TypedDict):
    """What is merged."""

    states: Annotated[
        Words,
        Option(
            "The states of all shares: files of --state-out, a folder of them, - for standard input.",
            "STATE",
            positional=True,
            path="read",
            barred=ONCE,
        ),
    ]


class Display(TypedDict):
    """What is printed, where and how."""

    format: Annotated[
        str, Text(), Option("How standard output is written.", "-f FORMAT", default="table", only="check")
    ]
    output: Annotated[
        Words, Option("Also write to a file, whole or not at all; repeat.", "-o [FMT:]PATH", only="check", path="write")
    ]
    digits: Annotated[int, whole_number(1, 17), Option("Significant digits in tables, 1 to 17.", default=5)]
    progress: Annotated[
        bool | None, Either(), Option("Rows done so far [default: on a terminal].", panel="Run", barred=PERSON)
    ]
    quiet: Annotated[Flag, Option("No notes on standard error.", "-q", panel="Run", barred=PERSON, strict=None)]
    verbose: Annotated[
        Flag, Option("Signatures, inputs and where time went, on standard error.", "-v", panel="Run", barred=PERSON)
    ]
    color: Annotated[str, Choice(words="auto|always|never"), Option("Colour in tables.", default="auto", barred=PERSON)]
    debug: Annotated[Flag, Option("A traceback for errors.", panel="Run", barred=PERSON)]


class SliceTables(TypedDict):
    """Which slices tables show, and in which order; other formats have all."""

    sort: Annotated[
        str | None,
        Choice(words="slice|rows|worst|best"),
        Option("Order of slices in tables: by name, most rows, first loss [default: slice, of differences worst]."),
    ]
    top: Annotated[
        int, whole_number(0, 1_000_000), Option("Only so many slices of each --by in tables; 0: all.", default=0)
    ]


class ConfigOptions(TypedDict):
    """Which configuration file is read."""

    config: Annotated[
        Word, Option("Settings [default: lossctl.toml or pyproject.toml, upward].", "FILE", barred=ONCE, strict=None)
    ]
    no_config: Annotated[Flag, Option("Read no configuration file.", barred=ONCE, strict=None)]


class PlotOptions(TypedDict, total=False):
    """How rows are parted and compared for a plot."""

    bins: Annotated[int, whole_number(2, 1000), Option("Bins of predictions, 2 to 1000.", default=10, barred=ONCE)]
    widths: Annotated[Flag, Option("Bins of equal width, in place of as many rows each.", barred=ONCE)]
    per_class: Annotated[Flag, Option("Each of several classes or labels for itself.", barred=ONCE)]


OF_VALUES: Final = ("losses", "baseline", "ci", "no_ci", *marks(Resources))
PLOTS: Final[Mapping[str, tuple[str, ...]]] = {  # the options of a plot besides those of input and output
    "bias": ("bins", "ci"),
    "calibration": ("bins", "widths", "per_class", "ci"),
    "scores": ("per_class",),
    "slices": ("by", *OF_VALUES),
    "models": OF_VALUES,
    "history": ("losses",),
}


class CurveOptions(TypedDict, total=False):
    """Which losses are drawn, and where."""

    specs: Annotated[
        Words, Option("Losses, as huber:delta=1 or p90=quantile:q=0.9.", "SPEC", positional=True, barred=ONCE)
    ]
    vary: Annotated[Words, Option("Every loss with each of these values; repeat.", "PARAMETER=A,B,...", barred=ONCE)]
    grad: Annotated[Flag, Option("The gradients, too.", barred=ONCE)]
    range: Annotated[Word, Option("From where to where on the axis, as -4:4.", "LO:HI", barred=ONCE)]


class Picture(TypedDict):
    """How large a picture is, and for which background."""

    width: Annotated[
        int | None, whole_number(20, 10_000), Option("Of a picture in pixels, in the terminal in columns.", barred=ONCE)
    ]
    height: Annotated[
        int | None, whole_number(4, 10_000), Option("Of a picture in pixels, in the terminal in lines.", barred=ONCE)
    ]
    theme: Annotated[
        str, Choice(words="light|dark|auto"), Option("Of a picture in a file.", default="auto", barred=PERSON)
    ]


PANELS: Final[dict[type, Section]] = {
    Files: "Input",
    Inputs: "Input",
    TextFiles: "Text files",
    Resources: "Run",
    Intervals: "Statistics",
    NoIntervals: "Statistics",
    EvalOptions: "Output",
    RowOptions: "Output",
    CompareOptions: "Statistics",
    Dependence: "Statistics",
    CheckOptions: "Rules",
    VerdictOptions: "Run",
    SliceTables: "Output",
    PlotOptions: "Output",
    CurveOptions: "Losses",
    Picture: "Output",
    EngineOptions: "Run",
    States: "Input",
    Display: "Output",
    ConfigOptions: "Run",
}
COMMAND_LINE: Final = tuple(PANELS)
PYTHON: Final = (
    *(InputOptions, EvalOptions, RowOptions, CompareOptions, Dependence),
    *(CheckOptions, RuleOptions, PlotOptions),
)


# arguments of Python ------------------------------------------------------------------------------------------

SIMPLE: Final = (str, bytes, int, float, list, tuple, dict, set)


ARGUMENTS: Final[Mapping[str, Option]] = {  # what each argument takes
    name: (*options, Option())[0].called(name, kind)
    for group in PYTHON
    for name, (kind, *options) in marks(group).items()
    if kind.python
}


def checked_types(values: Mapping[str, object]) -> dict[str, Any]:
    """Return arguments, by name, in plain form; raise UsageError for one of a type or value that it cannot have.

    Plain are Python's own numbers, texts for columns, labels, losses and paths, and lists for several of them.
    """
    plain: dict[str, Any] = {}
    for name, value in values.items():
        option = ARGUMENTS[name]
        kind, default = option.kind, option.default
        optional = default in (None, ())
        try:
            plain[name] = value if value is default or (value is None and optional) else kind.plain(value)
        except TypeError:
            none = ", or None" if optional else ""
            raise UsageError(f"{name}: {_abbreviated(value)} is not allowed; {kind.python}{none}") from None
        if plain[name] != default and not kind.holds(plain[name]):
            hint = near(plain[name], list(kind.options)) if isinstance(kind, Choice) else ""
            raise UsageError(f"{option.label} {printable(str(plain[name]))}: {kind.needed} is needed{hint}")
    return plain


def plain_arguments(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments, options of the table in plain form; raise UsageError as `checked_types` does."""
    return {**values, **checked_types({name: value for name, value in values.items() if name in ARGUMENTS})}


def fitting(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments in plain form, without options whose values have a wrong type."""
    right: dict[str, Any] = {}
    for name, value in values.items():
        with suppress(UsageError):
            right |= plain_arguments({name: value})
    return right


def _abbreviated(value: object) -> str:
    """Show a value in a few words: as it is written, or by its type where that may take many lines."""
    import numpy as np

    if value is None or type(value) in SIMPLE or isinstance(value, bool | np.number):
        return printable(reprlib.repr(value))
    return f"a value of type {type(value).__name__}"


def only_known(function: Callable[..., object], options: Iterable[str]) -> None:
    """Raise UsageError for a keyword that is neither the function's own nor one of `InputOptions`."""
    parameters = signature(function).parameters.values()
    names = [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
    names += InputOptions.__annotations__
    for name in options:
        if name not in names:
            where = f"{function.__name__}() has no argument {printable(name)!r}"
            raise UsageError(f"{where}{near(name, names)}; help(lossctl.{function.__name__}) says what it takes")


def with_arguments(function: Callable[Concatenate[dict[str, Any], P], R]) -> Callable[P, R]:
    """Give a public function its keywords by name, defaults included and in plain form, before its arguments.

    So it can hand them on without writing each again. What callers see is the function without its first parameter;
    it raises UsageError for an argument of a type that it cannot have, or an unknown keyword if it has `**options`.
    """
    parameters = list(signature(function).parameters.values())[1:]
    defaults = {entry.name: entry.default for entry in parameters if entry.kind is entry.KEYWORD_ONLY}
    shares = any(entry.kind is entry.VAR_KEYWORD for entry in parameters)
    positions = [entry.name for entry in parameters if entry.kind is entry.POSITIONAL_OR_KEYWORD]

    @wraps(function)
    def call(*args: P.args, **options: P.kwargs) -> R:
        if len(args) > len(positions):
            plural, lead = ("", "") if positions == ["data"] else ("s", "'rec', ")
            count = f"{len(positions) if plural else 'one'} argument{plural} without a name"
            raise TypeError(
                f"{function.__name__}() takes {count}, the {' and the '.join(positions)}: columns are named, as in "
                f"{function.__name__}({lead}{{'y': y, 'p': p}}, target='y', pred='p'); of two arrays "
                "lossctl.get('mse')(y, p)"
            )
        keywords = {name: value for name, value in options.items() if name not in positions}
        if shares:
            only_known(function, keywords)
        arguments = {**defaults, **keywords}
        checked = ARGUMENTS if shares else ARGUMENTS.keys() & defaults  # Python itself refuses a keyword that is none
        plain = checked_types({name: value for name, value in arguments.items() if name in checked})
        return function({**arguments, **plain}, *args, **options)

    call.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # functions take attributes
    return call
