"""Parameters of a loss: read from its keyword-only arguments, checked by their domain, written in a spec."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, get_args, get_type_hints
from urllib.parse import quote, unquote

import numpy as np

from lossctl.core.domain import Interval
from lossctl.errors import UsageError, listed, near

Weights = tuple[float, ...] | tuple[tuple[str, float], ...]  # by the order of the classes, or by label
Value = float | bool | str | Weights | tuple[str, ...] | None


class Choice(NamedTuple):
    """One of several words."""

    options: tuple[str, ...]

    def __str__(self) -> str:
        return listed(list(self.options))


class PerClass(NamedTuple):
    """One number per class: `1/2/3` by the order of the classes, `cat:1/dog:2` by label; `single`: or one for all."""

    each: Interval
    single: bool = False

    def __str__(self) -> str:
        one = f"a number in {self.each}, or " if self.single else ""
        return f"{one}numbers in {self.each} by class, as 1/2/3 or cat:1/dog:2"


class PerColumn(NamedTuple):
    """One number, or one for each prediction column in their order: `0.1/0.5/0.9`."""

    each: Interval

    def __str__(self) -> str:
        return f"a number in {self.each}, or one for each prediction column as 0.1/0.5/0.9"


@dataclass(frozen=True)
class Label:
    """The label of a class, or several."""

    def __str__(self) -> str:
        return "a class label, or several as -1/255"


SMALL = 1e-6  # for a parameter that is to be above 0
SMALL_ROW = np.array([SMALL])
GUARDS = ("eps", "smooth", "label_smoothing")  # parameters that only guard a division or logarithm
SPECIAL = frozenset("%,:/=@\r\n\t")  # what a label may not hold as it is
Kind = Interval | Choice | PerClass | PerColumn | Label | None


class Param(NamedTuple):
    """One parameter: its default, what it may be (None: a switch), and what it does.

    signed: whether a signature names it at its default too. One that a loss got later is left out there, so that saved
    values stay comparable.
    """

    name: str
    default: Value
    domain: Kind
    help: str
    signed: bool = True

    @property
    def optional(self) -> bool:
        """Whether `off` is a value."""
        return self.default is None

    @property
    def allowed(self) -> str:
        """The values it takes, in words."""
        if self.domain is None:
            return "true or false"
        kind = "one of " if isinstance(self.domain, Choice) else ""
        words = f"{self.domain.noun} in {self.domain}" if isinstance(self.domain, Interval) else f"{kind}{self.domain}"
        return words + (" or off" if self.optional else "")

    def parse(self, text: str, loss: str) -> Value:
        """Read a value as it is written in a spec; raise UsageError where it is none."""
        word = text.strip()
        if self.optional and word.casefold() == "off":
            return None
        try:
            return self.check(self._read(word), loss)
        except ValueError as error:
            if isinstance(error, UsageError):
                raise
        raise UsageError(f"{loss}: {self.name}={text} is not allowed; it takes {self.allowed}")

    def _read(self, word: str) -> object:
        match self.domain:
            case None:
                return {"true": True, "false": False}.get(word.casefold(), word)
            case Choice():
                return word.casefold()
            case Label():
                labels = tuple(unquote(piece, errors="strict") for piece in word.split("/"))
                return labels[0] if len(labels) == 1 else labels
            case PerColumn():
                return tuple(map(_float, word.split("/"))) if "/" in word else _float(word)
            case PerClass():
                pieces = [piece.rpartition(":") for piece in word.split("/")]
                if len(pieces) == 1 and not pieces[0][1] and self.domain.single:
                    return _float(word)
                if all(colon for _, colon, _ in pieces):
                    return tuple((unquote(label, errors="strict"), _float(number)) for label, _, number in pieces)
                return tuple(map(_float, word.split("/")))
        return _float(word)

    def check(self, value: object, loss: str) -> Value:
        """Return `value` as this parameter's type; raise UsageError where it is out of range."""
        if value is None and self.optional:
            return None
        checked = self._checked(value)
        if checked is None:
            raise UsageError(f"{loss}: {self.name}={value} is not allowed; it takes {self.allowed}")
        return checked

    def _checked(self, value: object) -> Value:
        """Return the value in its plain form, None where it is not one."""
        match self.domain:
            case None:
                return bool(value) if isinstance(value, bool | np.bool_) else None
            case Choice(options):
                return value if isinstance(value, str) and value in options else None
            case Label():
                if isinstance(value, list | tuple | set | frozenset | np.ndarray):
                    labels = [_class_label(item) for item in value]
                    distinct = tuple(dict.fromkeys(label for label in labels if label is not None))
                    return distinct if distinct and None not in labels else None
                return _class_label(value)
            case PerColumn(each):
                if not isinstance(value, list | tuple | np.ndarray):
                    return _number(value, each)
                numbers = [_number(item, each) for item in value]
                columns = tuple(number for number in numbers if number is not None)
                return columns if len(columns) == len(numbers) > 1 else None
            case PerClass(each, single):
                return _per_class(value, each, single)
            case Interval():
                return _number(value, self.domain)
        return None

    def alternatives(self, value: Value) -> tuple[Value, ...]:
        """Return values that may admit data which a loss refuses: other words, or a small number in place of 0."""
        if isinstance(self.domain, Choice):
            return tuple(word for word in self.domain.options if word != value)
        return (
            (SMALL,) if isinstance(self.domain, Interval) and value == 0.0 and self.domain.holds(SMALL_ROW)[0] else ()
        )

    def write(self, value: Value) -> str:
        """Write a value as `parse` reads it."""
        if value is None:
            return "off"
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, str):
            return written_label(value) if isinstance(self.domain, Label) else value
        if isinstance(value, tuple):
            return "/".join(map(_written, value))
        return _shortest(value)


def written_label(label: str) -> str:
    """Write a label so that `parse` reads it back: what ends it, blanks around it and the word `off` are escaped."""
    if label.casefold() == "off":
        return f"%{ord(label[0]):02X}{label[1:]}"
    inner = "".join(quote(sign, safe="") if sign in SPECIAL else sign for sign in label)
    start, end = len(inner) - len(inner.lstrip()), len(inner.rstrip())
    return quote(inner[:start]) + inner[start:end] + quote(inner[max(start, end) :])


def _written(entry: float | str | tuple[str, float]) -> str:
    """Write one of several labels, or a weight with its label or alone."""
    if isinstance(entry, str):
        return written_label(entry)
    return f"{written_label(entry[0])}:{_shortest(entry[1])}" if isinstance(entry, tuple) else _shortest(entry)


def _class_label(value: object) -> str | None:
    """Return the label of a class as text, a whole number without its decimals; None for what is none."""
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, float) and plain.is_integer():
        plain = int(plain)
    return _label(plain) if isinstance(plain, str | int | float) and not isinstance(plain, bool) else None


def _label(value: object) -> str | None:
    """Return a label as text, None where that has no form in UTF-8."""
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        return None
    return text


def _float(word: str) -> float:
    """Read a number as every language writes it; Python alone knows 1_000 and other digits."""
    if "_" in word or not word.isascii():
        raise ValueError(word)
    return float(word)


def _shortest(value: float) -> str:
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def _number(value: object, domain: Interval) -> float | None:
    """Return a number of the domain as a float, None for anything else."""
    if not isinstance(value, int | float | np.integer | np.floating) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if np.isfinite(number) and domain.holds(np.array([number]))[0] else None


def _per_class(value: object, each: Interval, single: bool) -> Value:
    """Return weights by class as a tuple, None where they are none."""
    if single and isinstance(value, int | float | np.integer | np.floating):
        return _number(value, each)
    if isinstance(value, Mapping):
        value = tuple(value.items())
    if isinstance(value, np.ndarray):
        value = tuple(value.tolist()) if value.ndim == 1 else None
    if isinstance(value, str) or not isinstance(value, Sequence) or not value:
        return None
    if all(isinstance(entry, tuple) and len(entry) == 2 for entry in value):
        pairs = [(_label(label), _number(number, each)) for label, number in value]
        weights = tuple((label, x) for label, x in pairs if label is not None and x is not None)
        distinct = len({label for label, _ in pairs}) == len(pairs)
        return weights if distinct and len(weights) == len(pairs) else None
    numbers = [_number(entry, each) for entry in value]
    return tuple(x for x in numbers if x is not None) if None not in numbers else None


def params_of(function: Callable[..., Any]) -> tuple[Param, ...]:
    """Read the parameters of a loss from the annotations of its keyword-only arguments."""
    hints = get_type_hints(function, include_extras=True)
    params = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            domain, text = get_args(hints[name])[1:]
            params.append(Param(name, parameter.default, domain, text))
    return tuple(params)


def bound(params: tuple[Param, ...], args: dict[str, object], loss: str) -> dict[str, Value]:
    """Complete `given` by the defaults and check every value; raise UsageError for a name that is none."""
    names = [param.name for param in params]
    for name in args:
        if name not in names:
            accepted = f"it takes {listed(names)}" if names else "it takes none"
            raise UsageError(f"{loss} has no parameter {name!r}; {accepted}{near(name, names)}")
    return {
        param.name: param.check(args[param.name], loss) if param.name in args else param.default for param in params
    }


def typed_in(arguments: str) -> list[tuple[str, str]]:
    """Return the arguments of a spec as they are typed, name and value; one without a name has "" for it."""
    pieces = [piece.partition("=") for piece in re.split(r",|;(?=\s*\w+\s*=)", arguments)]
    return [
        (word.strip(), text.strip()) if word.strip() and equals else ("", word + equals + text)
        for word, equals, text in pieces
    ]
