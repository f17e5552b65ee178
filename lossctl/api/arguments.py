"""Arguments: the types that functions of the Python interface take, told by the arguments' names, in one table."""

from __future__ import annotations

import operator
import os
import reprlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date
from numbers import Real
from typing import Any, Final

import numpy as np

from lossctl.core.loss import Loss
from lossctl.errors import UsageError, printable

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
