"""Arguments: the types that functions of the Python interface take, told by the arguments' names, in one table."""

from __future__ import annotations

import operator
import os
import reprlib
import shlex
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from inspect import signature
from numbers import Real
from typing import Any, Final, TypedDict

import numpy as np

from lossctl import registry
from lossctl.core.form import checked_task
from lossctl.core.loss import Loss
from lossctl.engine.run import Progress, Watch, unwatched
from lossctl.errors import UsageError, near, printable
from lossctl.io.memory import from_memory
from lossctl.io.open import open_table
from lossctl.io.select import Request, Selection, select, split_name, stems
from lossctl.io.table import Table
from lossctl.registry import with_tables
from lossctl.results.report import Check

SIMPLE: Final = (str, bytes, int, float, list, tuple, dict, set)
NAMES: Final = (str, Real, date, np.generic)  # a frame's columns, and labels, need not be texts


@dataclass(frozen=True)
class Kind:
    """What an argument may be, in words, and what makes its plain form or raises TypeError."""

    allowed: str
    read: Callable[[Any], object]
    optional: bool = True


def checked_types(values: Mapping[str, object]) -> dict[str, Any]:
    """Return arguments, by name, in plain form; raise UsageError for one of a type that it cannot have.

    Plain are Python's own numbers, texts for columns, labels, losses and paths, and lists for several of them.
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        kind = KINDS[name]
        try:
            found[name] = None if value is None and kind.optional else kind.read(value)
        except TypeError:
            none = ", or None" if kind.optional else ""
            raise UsageError(f"{name}: {_shown(value)} is not allowed; {kind.allowed}{none}") from None
    return found


def fitting(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments whose types are right, and those of any type, as they are."""
    found = {}
    for name, value in values.items():
        try:
            checked_types({name: value} if name in KINDS else {})
        except UsageError:
            continue
        found[name] = value
    return found


def _shown(value: object) -> str:
    """Show a value in a few words: as it is written, or by its type where that may take many lines."""
    if value is None or type(value) in SIMPLE or isinstance(value, bool | np.number):
        return printable(reprlib.repr(value))
    return f"a value of type {type(value).__name__}"


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _name(value: object) -> str:
    if not isinstance(value, NAMES):
        raise TypeError
    return str(value)


def _loss(value: object) -> str:
    return str(value) if isinstance(value, Loss) else _text(value)


def _path(value: object) -> str:
    if not isinstance(value, str | os.PathLike):
        raise TypeError
    return _text(os.fspath(value))


def _whole(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError
    return operator.index(value)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError
    return float(value)


def _flag(value: object) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise TypeError
    return bool(value)


def _function(value: object) -> object:
    if not callable(value):
        raise TypeError
    return value


def _several(one: Callable[[Any], str]) -> Callable[[Any], list[str]]:
    """Read several of a kind, in an order: a list, a tuple, an array, the keys of a dict."""

    def read(value: object) -> list[str]:
        unordered = isinstance(value, set | frozenset)
        if unordered or isinstance(value, str | bytes | Mapping) or not isinstance(value, Collection):
            raise TypeError
        if getattr(value, "ndim", 1) != 1:
            raise TypeError
        return [one(entry) for entry in value]

    return read


def _some(one: Callable[[Any], str]) -> Callable[[Any], str | list[str]]:
    """Read one, or several."""
    several = _several(one)

    def read(value: object) -> str | list[str]:
        alone = isinstance(value, Loss | str) or not isinstance(value, Collection)
        return one(value) if alone else several(value)

    return read


def _named(one: Callable[[Any], object], entry: Callable[[Any], object]) -> Callable[[Any], object]:
    """Read a mapping from names to entries, or what is none."""

    def read(value: object) -> object:
        if isinstance(value, Mapping):
            return {_name(name): entry(held) for name, held in value.items()}
        return one(value)

    return read


def _labelled_losses(value: object) -> object:
    """Read losses; labels of a mapping go before them, as in `p90=quantile:q=0.9`."""
    if isinstance(value, Mapping):
        for label in value:
            if set("=:") & set(_text(label)):
                raise UsageError(
                    f"losses: the label {printable(label)!r} holds = or :, which end a label; take another"
                )
        return [f"{label}={_loss(loss)}" for label, loss in value.items()]
    return _some(_loss)(value)


def _tables(value: object) -> object:
    if isinstance(value, Mapping) or not isinstance(value, Collection):
        raise TypeError
    if not all(isinstance(table, Mapping) for table in value):
        raise TypeError
    return value


COLUMN: Final = Kind("the name of one column", _name)
WHOLE: Final = Kind("a whole number", _whole, optional=False)
WORD: Final = Kind("a text", _text, optional=False)
FLAG: Final = Kind("True or False", _flag, optional=False)
PATH: Final = Kind("a path", _path)
FUNCTION: Final = Kind("a function", _function)
LIMITS: Final = Kind(
    "a text such as 'rmse=0.35', a list of them, or a mapping from losses to limits",
    _named(_some(_text), _name),
)
KINDS: Final[Mapping[str, Kind]] = {
    "target": COLUMN,
    "weight": COLUMN,
    "id": COLUMN,
    "cluster": COLUMN,
    "time": COLUMN,
    "pred": Kind(
        "a column, a list of columns, or a mapping from models to names of columns",
        _named(_some(_name), _some(_text)),
    ),
    "losses": Kind(
        "a spec such as 'huber:delta=2', a Loss, a list of them, or a mapping from labels to them", _labelled_losses
    ),
    "by": Kind("a column, or a list of columns", _some(_name)),
    "activation": Kind(
        "a text such as 'sigmoid', a list of them, or a mapping from models to them", _named(_some(_text), _text)
    ),
    "roles": Kind(
        "a text ROLE=COLUMNS, a list of them, or a mapping from roles to names of columns",
        _named(_some(_text), _some(_text)),
    ),
    "positive_label": Kind("one label", _name),
    "classes": Kind(
        "a text such as 'cat,dog', or a list of labels",
        lambda value: value if isinstance(value, str) else _several(_name)(value),
    ),
    "task": Kind("a text such as 'binary'", _text),
    "reduction": Kind("'mean' or 'sum'", _text, optional=False),
    "ci": Kind("a number between 0 and 1, as 0.95", _number),
    "per_output": Kind("True or False", _flag, optional=False),
    "with_grad": Kind("True or False", _flag, optional=False),
    "missing": Kind("'error' or 'drop'", _text, optional=False),
    "delimiter": Kind("a text of one character", _text),
    "rows_out": PATH,
    "threads": Kind("a whole number", _whole),
    "max_memory": Kind(
        "a whole number of bytes, or a text such as '2G'",
        lambda value: value if isinstance(value, str) else _whole(value),
    ),
    "progress": FUNCTION,
    "note": FUNCTION,
    "watch": Kind("a function", _function, optional=False),
    "all_pairs": FLAG,
    "ci_method": WORD,
    "resamples": WHOLE,
    "seed": WHOLE,
    "horizon": WHOLE,
    "worst": WHOLE,
    "power": Kind(
        "a number, or a text such as '2%'", lambda value: value if isinstance(value, str) else _number(value)
    ),
    "baseline": Kind("the name of a model, or a path", _path),
    "max": LIMITS,
    "min": LIMITS,
    "max_slice": LIMITS,
    "max_regression": LIMITS,
    "rules": Kind("a list of tables", _tables, optional=False),
    "decide": WORD,
    "min_slice": WHOLE,
    "on_insufficient": Kind("'warn' or 'fail'", _text),
    "baseline_optional": FLAG,
    "save_baseline": PATH,
    "configured": FLAG,
}


Note = Callable[[str], None]  # takes a line about what was chosen unasked
Names = str | Sequence[str] | None
Losses = Names | Loss | Sequence[str | Loss] | Mapping[str, str | Loss]


@dataclass(frozen=True)
class Opened:
    """Inputs that have been opened: their tables, the targets' one last, the names given to them, and their paths."""

    tables: list[Table]
    names: list[str | None]
    paths: list[str]


def named(value: Names | Mapping[str, str | Sequence[str]]) -> list[str | tuple[str, str | tuple[str, ...]]]:
    """Bring predictions into one list: texts to be parsed, and pairs of a model's name and its columns."""
    if isinstance(value, Mapping):
        return [(name, columns if isinstance(columns, str) else tuple(columns)) for name, columns in value.items()]
    return list(as_list(value))


def as_list(value: Losses | Mapping[str, str | Sequence[str]]) -> list[str]:
    """Bring one text, several, or a mapping from names to texts or columns into the form of repeated options."""
    if value is None:
        return []
    if isinstance(value, Mapping):
        return [f"{name}={','.join(as_list(columns))}" for name, columns in value.items()]
    if isinstance(value, str) or not isinstance(value, Collection):  # a frame's columns may be numbers
        return [str(value)]
    return list(map(str, value))


def needed_roles(losses: Sequence[Loss]) -> set[str]:
    """Return the roles that the losses read; without losses, those of the usual ones."""
    return {role for loss in losses for role in loss.roles} if losses else {"target", "pred"}


def open_inputs(
    data: object, targets: object, delimiter: str | None
) -> tuple[list[Table], list[str | None], list[str]]:
    """Open the model tables and, last, the targets table; return them with given names and paths."""
    if isinstance(data, Opened):
        return data.tables, data.names, data.paths
    split: list[tuple[str | None, str]] | None = None
    if isinstance(data, str | os.PathLike):
        split = [split_name(os.fspath(data))]
    elif isinstance(data, Mapping) and data and all(isinstance(path, str | os.PathLike) for path in data.values()):
        split = [(str(name), os.fspath(path)) for name, path in data.items()]
    elif isinstance(data, Sequence) and data and all(isinstance(path, str | os.PathLike) for path in data):
        split = [split_name(os.fspath(path)) for path in data]
    target_path = os.fspath(targets) if isinstance(targets, str | os.PathLike) else None
    names: list[str | None] = [None]
    paths: list[str] = []
    if split is None:
        tables = [from_memory(data)]
    else:
        names, paths = [name for name, _ in split], [path for _, path in split]
        if [*paths, target_path].count("-") > 1:
            raise UsageError("- (standard input) can be read once only")
        tables = [open_table(path, delimiter) for path in paths]
        if len(tables) > 1:
            names = [given or stem for given, stem in zip(names, stems(paths), strict=True)]
    if targets is not None:
        if target_path is not None:
            paths.append(target_path)
            tables.append(open_table(target_path, delimiter))
        else:
            tables.append(from_memory(targets, "targets"))
        names = [*names, None]
    return tables, names, paths


LEVEL = 0.95
MOST_THREADS = 256


class InputOptions(TypedDict, total=False):
    """The arguments of `evaluate` that say what is read and which losses are wanted."""

    target: str | None
    pred: Names | Mapping[str, str | Sequence[str]]
    losses: Losses
    weight: str | None
    by: Names
    activation: Names | Mapping[str, str]
    targets: object
    id: str | None
    roles: Names | Mapping[str, str]
    positive_label: str | None
    classes: str | Sequence[str] | None
    task: str | None
    per_output: bool
    ci: float | None
    missing: str
    delimiter: str | None
    threads: int | None
    max_memory: str | int | None
    progress: Progress | None
    note: Note | None
    watch: Watch


def only_known(function: Callable[..., object], options: Mapping[str, object]) -> None:
    """Raise UsageError for a keyword that is neither the function's own nor one of `InputOptions`."""
    own = [name for name, found in signature(function).parameters.items() if found.kind is found.KEYWORD_ONLY]
    known = [*own, *InputOptions.__annotations__]
    for name in options:
        if name not in known:
            where = f"{function.__name__}() has no argument {printable(name)!r}"
            raise UsageError(f"{where}{near(name, known)}; help(lossctl.{function.__name__}) says what it takes")


def silent(text: str) -> None:
    """Take no note."""


@dataclass(frozen=True)
class Query:
    """What is read, what is computed, and who is told meanwhile; `evaluate` says what each field means."""

    data: object
    target: str | None = None
    pred: Names | Mapping[str, str | Sequence[str]] = None
    losses: Losses = None
    weight: str | None = None
    by: Names = None
    activation: Names | Mapping[str, str] = None
    targets: object = None
    id: str | None = None
    roles: Names | Mapping[str, str] = None
    positive_label: str | None = None
    classes: str | Sequence[str] | None = None
    task: str | None = None
    reduction: str = "mean"
    ci: float | None = LEVEL
    missing: str = "error"
    delimiter: str | None = None
    rows_out: str | None = None
    threads: int | None = None
    max_memory: str | int | None = None
    progress: Progress | None = None
    note: Note | None = None
    watch: Watch = unwatched
    per_output: bool = False
    with_grad: bool = False
    asked: list[tuple[str, Loss]] = field(init=False)

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in self.__dataclass_fields__ if name in KINDS}
        for name, value in checked_types(given).items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "note", self.note or silent)
        if self.reduction not in ("mean", "sum"):
            raise UsageError(f"reduction {self.reduction!r} is unknown; mean or sum")
        if self.missing not in ("error", "drop"):
            raise UsageError(f"missing {self.missing!r} is unknown; error or drop")
        if self.ci is not None and not 0.0 < self.ci < 1.0:
            raise UsageError(f"a confidence level of {self.ci:g} is not allowed; it lies between 0 and 1, as 0.95")
        if self.threads is not None and not 1 <= self.threads <= MOST_THREADS:
            raise UsageError(f"--threads {self.threads} is not allowed; from 1 to {MOST_THREADS}")
        if self.with_grad and self.rows_out is None:
            raise UsageError("--with-grad writes gradients beside the per-row losses: give --rows-out FILE too")
        object.__setattr__(self, "asked", [registry.labelled(spec) for spec in with_tables(as_list(self.losses))])
        checked_task(self.task)

    def tell(self, text: str) -> None:
        """Say what was chosen without being asked."""
        assert self.note is not None
        self.note(text)

    def chosen(
        self, tables: Sequence[Table], names: Sequence[str | None], units: tuple[str | None, str | None] = (None, None)
    ) -> Selection:
        """Resolve every option to columns of the opened tables; `units` tell clusters and times."""
        request = Request(
            self.target,
            tuple(named(self.pred)),
            tuple(as_list(self.roles)),
            self.weight,
            tuple(as_list(self.by)),
            self.targets is not None,
            *units,
        )
        return select(tables, names, request, needed_roles([loss for _, loss in self.asked]))


OPTIONS: Final = {
    "targets": "--targets",
    "target": "-t",
    "pred": "-p",
    "id": "--id",
    "roles": "--role",
    "weight": "-w",
    "activation": "--activation",
    "positive_label": "--positive-label",
    "classes": "--classes",
    "task": "--task",
    "missing": "--missing",
    "delimiter": "-d",
    "by": "--by",
    "losses": "-l",
}


def paths_of(data: object) -> list[str] | None:
    """Return the `[NAME=]PATH` texts of inputs that are files, None for data in memory."""
    if isinstance(data, str | os.PathLike):
        return [os.fspath(data)]
    if isinstance(data, Mapping) and data and all(isinstance(path, str | os.PathLike) for path in data.values()):
        return [f"{name}={os.fspath(path)}" for name, path in data.items()]
    if isinstance(data, Sequence) and data and all(isinstance(path, str | os.PathLike) for path in data):
        return [os.fspath(path) for path in data]
    return None


def spoken(options: Mapping[str, object]) -> list[str]:
    """Return the options, named as for `evaluate`, that say something, as they are written on a command line."""
    return [
        option
        for name, option in OPTIONS.items()
        if as_list(options.get(name)) and (name, options[name]) != ("missing", "error")  # type: ignore[arg-type]
    ]


def command(verb: str, files: Iterable[str], options: Mapping[str, object], *more: str) -> str:
    """Return `lossctl VERB FILE... OPTIONS` quoted for a shell; options are named as for `evaluate`."""
    words = ["lossctl", verb, *files]
    said = spoken(options)
    for name, option in OPTIONS.items():
        if option in said:
            for text in as_list(options[name]):  # type: ignore[arg-type]  # what evaluate takes
                words += [option, text]
    if options.get("per_output"):
        words.append("--per-output")
    return shlex.join([*words, *more])


def troubled(checks: Sequence[Check]) -> list[str]:
    """Return the losses, as -l takes them, of the rules that did not pass."""
    specs = {check.loss: check.spec for check in checks if check.status not in ("pass", "skipped")}
    found = {
        spec if label == spec or label.startswith(f"{spec}[") else f"{label}={spec}": 0 for label, spec in specs.items()
    }
    return list(found)
