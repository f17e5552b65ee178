"""Parameters of a loss: read from its keyword-only arguments, checked by their domain, written in a spec."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

import numpy as np

from lossctl.core.domain import Interval
from lossctl.errors import UsageError, listed, near

Value = float | bool | None


@dataclass(frozen=True)
class Param:
    """One parameter: its default, the interval it may come from (None: a switch), and what it does."""

    name: str
    default: Value
    domain: Interval | None
    help: str

    @property
    def optional(self) -> bool:
        """Whether `off` is a value."""
        return self.default is None

    @property
    def allowed(self) -> str:
        """The values it takes, in words."""
        if self.domain is None:
            return "true or false"
        return f"a number in {self.domain}" + (" or off" if self.optional else "")

    def parse(self, text: str, loss: str) -> Value:
        """Read a value as it is written in a spec; raise UsageError where it is none."""
        word = text.strip().casefold()
        if self.domain is None:
            if word in ("true", "false"):
                return word == "true"
        elif self.optional and word == "off":
            return None
        else:
            try:
                return self.check(float(word), loss)
            except ValueError as error:
                if isinstance(error, UsageError):
                    raise
        raise UsageError(f"{loss}: {self.name}={text} is not allowed; it takes {self.allowed}")

    def check(self, value: object, loss: str) -> Value:
        """Return `value` as this parameter's type; raise UsageError where it is out of range."""
        if self.domain is None:
            if isinstance(value, bool | np.bool_):
                return bool(value)
        elif value is None and self.optional:
            return None
        elif isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool):
            given = float(value)
            if np.isfinite(given) and self.domain.holds(np.array([given]))[0]:
                return given
        raise UsageError(f"{loss}: {self.name}={value} is not allowed; it takes {self.allowed}")

    def write(self, value: Value) -> str:
        """Write a value as `parse` reads it."""
        if value is None:
            return "off"
        if isinstance(value, bool):
            return str(value).lower()
        return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def params_of(function: Callable[..., Any]) -> tuple[Param, ...]:
    """Read the parameters of a loss from the annotations of its keyword-only arguments."""
    hints = get_type_hints(function, include_extras=True)
    found = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            domain, text = get_args(hints[name])[1:]
            found.append(Param(name, parameter.default, domain, text))
    return tuple(found)


def bound(params: tuple[Param, ...], given: dict[str, object], loss: str) -> dict[str, Value]:
    """Complete `given` by the defaults and check every value; raise UsageError for a name that is none."""
    names = [param.name for param in params]
    for name in given:
        if name not in names:
            known = f"it takes {listed(names)}" if names else "it takes none"
            raise UsageError(f"{loss} has no parameter {name!r}; {known}{near(name, names)}")
    return {
        param.name: param.check(given[param.name], loss) if param.name in given else param.default for param in params
    }
