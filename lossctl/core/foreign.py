"""Foreign: functions of a plug-in at work: what they print, raise and return is held in check, and told by its name."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Final, TextIO

import numpy as np

from lossctl.core.batch import Batch
from lossctl.core.loss import Loss
from lossctl.core.statistic import Statistic
from lossctl.errors import LossctlError, PluginError, printable

OWN: Final = "lossctl"
Check = Callable[[Any, tuple[Any, ...], "Foreign"], Any]


class Unfit(ValueError):
    """A plug-in is not as lossctl needs it; the text says it all."""


class _Aside:
    """Standard output is standard error while any thread is inside a plug-in: what it prints is not our data."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._stdout: TextIO | None = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            if not self._inside:
                self._stdout, sys.stdout = sys.stdout, sys.stderr
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if not self._inside:
                    sys.stdout = self._stdout


aside: Final = _Aside()


@contextmanager
def descriptor_aside() -> Iterator[None]:
    """Turn the descriptor of standard output to standard error, for what libraries in C and child processes write."""
    _flush()
    try:
        kept = os.dup(1)
    except OSError:  # it is closed
        yield
        return
    try:
        with suppress(OSError):  # there is no standard error
            os.dup2(2, 1)
        yield
    finally:
        _flush()
        os.dup2(kept, 1)
        os.close(kept)


def _flush() -> None:
    """Write out what Python still holds for standard output."""
    with suppress(OSError, ValueError, AttributeError):
        sys.__stdout__.flush()  # type: ignore[union-attr]  # None where there is none


@dataclass(frozen=True)
class Foreign:
    """A function of a plug-in: equal to any other of the same function, so that losses share what they share.

    title: what an error calls it. check: what its result must be, from the result and the arguments. roles: what a
    model produces for the loss.
    """

    function: Callable[..., Any]
    title: str
    check: Check | None = None
    roles: tuple[str, ...] = ()

    @property
    def __wrapped__(self) -> Callable[..., Any]:
        """The function itself, whose signature is read."""
        return self.function

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.function, name)

    def __call__(self, *given: Any, **args: Any) -> Any:
        """Call it; whatever it raises becomes a PluginError that names the plug-in."""
        try:
            with aside():
                found = self.function(*given, **args)
            return found if self.check is None else self.check(found, given, self)
        except (LossctlError, MemoryError):
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(f"{self.title} fails: {worded(error)}; tell the author of the plug-in") from error


def guarded(loss: Loss, title: str) -> Loss:
    """Return a loss of a plug-in whose every function is a `Foreign`; functions of lossctl stay as they are."""
    facts = {field.name: getattr(loss, field.name) for field in fields(loss) if field.name not in ("variant", "plain")}
    facts = _guarded(facts, title, loss.pred_roles)
    if loss.variant is not None:
        facts["plain"] = _guarded(loss.plain or {}, title, loss.pred_roles)
        facts["variant"] = Foreign(loss.variant, title, varied, loss.pred_roles)
    return replace(loss, **facts)


def _guarded(facts: Mapping[str, Any], title: str, roles: tuple[str, ...]) -> dict[str, Any]:
    """Guard the functions among the facts of a loss."""
    checks: dict[str, Check] = {
        "parts": row_values,
        "row": row_values,
        "gradient": row_slopes,
        "raw_gradient": row_slopes,
        "whole": one_number,
    }

    def guard(value: Any, check: Check | None) -> Any:
        if isinstance(value, Statistic):
            checks = {"value": reading_value, "slope": reading_slope}
            return replace(value, **{name: guard(getattr(value, name), check) for name, check in checks.items()})
        known = isinstance(value, Foreign) or (getattr(value, "__module__", None) or "").partition(".")[0] == OWN
        return value if known or not callable(value) else Foreign(value, title, check, roles)

    return {
        name: tuple(guard(entry, checks.get(name)) for entry in value)
        if name == "parts"
        else guard(value, checks.get(name))
        for name, value in facts.items()
    }


def varied(found: Any, given: tuple[Any, ...], by: Foreign) -> Any:
    """Guard the functions among the facts that parameters change."""
    return _guarded(found, by.title, by.roles)


def row_values(found: Any, given: tuple[Any, ...], by: Foreign) -> Any:
    """Demand one number per row, or one line of them per column."""
    rows = given[0].rows
    values = _numbers(found)
    if values.ndim not in (1, 2) or values.shape[-1] != rows or not (values.ndim == 1 or len(values)):
        raise Unfit(f"it gives the shape {values.shape} for {rows} rows; (rows,) or (columns, rows) is due")
    return values


def row_slopes(found: Any, given: tuple[Any, ...], by: Foreign) -> Any:
    """Demand slopes that fit the columns of what a model produces."""
    batch: Batch = given[0]
    roles = by.roles
    by_role = found if isinstance(found, dict) else {roles[0]: found}
    if strange := [role for role in by_role if role not in roles]:
        raise Unfit(f"its gradient is by {strange[0]!r}; the loss is a function of {', '.join(roles)}")
    checked = {}
    for role, slope in by_role.items():
        values, shape = _numbers(slope), batch[role].shape
        pairs = zip(reversed(values.shape), reversed(shape), strict=False)
        if values.ndim > len(shape) or any(length not in (1, due) for length, due in pairs):
            raise Unfit(f"its gradient by {role} has the shape {values.shape}; (columns, rows) = {shape} is due")
        checked[role] = values
    return checked if isinstance(found, dict) else checked[roles[0]]


def one_number(found: Any, given: tuple[Any, ...], by: Foreign) -> Any:
    """Demand a single number."""
    values = _numbers(found)
    if values.ndim:
        raise Unfit(f"it gives the shape {values.shape}, and one number is due")
    return float(values)


def reading_value(found: Any, given: tuple[Any, ...], by: Foreign) -> Any:
    """Demand a value for each set of means."""
    if np.shape(found) not in ((), np.shape(given[0][0])):
        raise Unfit(f"its reading gives the shape {np.shape(found)} for means of {np.shape(given[0][0])}")
    return found


def reading_slope(found: Any, given: tuple[Any, ...], by: Foreign) -> Any:
    """Demand a slope by each mean."""
    if len(found) != len(given[0]):
        raise Unfit(f"its reading has {len(found)} slopes for {len(given[0])} means")
    return found


def _numbers(found: Any) -> Any:
    """Return real numbers as contiguous float64, whatever array they came in."""
    values = np.asarray(found)
    if values.dtype.kind not in "biuf":
        raise Unfit(f"it gives {type(found).__name__} of {values.dtype}, and real numbers are due")
    return np.asarray(values, dtype=np.float64, order="C")


def worded(error: BaseException) -> str:
    """Word what a plug-in raised in one line, with the place in its own code."""
    if isinstance(error, SystemExit):
        text = "it calls sys.exit"
    elif isinstance(error, Unfit):
        text = str(error)
    else:
        message = " ".join(str(error).split())
        text = f"{type(error).__name__}{': ' if message else ''}{message}"
    return printable(text + place(error.__traceback__))


def place(trace: TracebackType | None) -> str:
    """Return the file and line where the plug-in was, outside of lossctl, NumPy and the import system."""
    others = (str(Path(__file__).parent.parent), str(Path(np.__file__).parent), "<frozen")
    frames = [
        frame
        for frame in traceback.extract_tb(trace)
        if not frame.filename.startswith(others) and "importlib" not in frame.filename
    ]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
