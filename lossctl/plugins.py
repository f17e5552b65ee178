"""Plug-ins: losses that other installed packages declare, found by their entry points and loaded when one is needed.

An entry point of the group `lossctl.losses` names a module of declarations, or a single one (`package.module:name`).
"""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, fields, replace
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, distribution, distributions, version
from io import StringIO
from pathlib import Path
from threading import Lock
from types import ModuleType, TracebackType
from typing import Any, Final, NamedTuple, TextIO, get_args

import numpy as np

from lossctl.core.batch import Batch
from lossctl.core.form import Form
from lossctl.core.loss import Direction, Loss
from lossctl.core.statistic import Statistic
from lossctl.errors import LossctlError, PluginError, listed, printable
from lossctl.files import descriptor_aside

OWN: Final = "lossctl"
Check = Callable[[Any, tuple[Any, ...], "Guarded"], Any]


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


@dataclass(frozen=True)
class Guarded:
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

    def __call__(self, *inputs: Any, **args: Any) -> Any:
        """Call it; whatever it raises becomes a PluginError that names the plug-in."""
        try:
            with aside():
                result = self.function(*inputs, **args)
            return result if self.check is None else self.check(result, inputs, self)
        except (LossctlError, MemoryError):
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(f"{self.title} fails: {worded(error)}; tell the author of the plug-in") from error


def guarded(loss: Loss, title: str) -> Loss:
    """Return a loss of a plug-in whose every function is a `Guarded`; functions of lossctl stay as they are."""
    facts = {field.name: getattr(loss, field.name) for field in fields(loss) if field.name != "resolve"}
    facts = _guarded(facts, title, loss.pred_roles)
    if loss.resolve is not None:
        facts["resolve"] = Guarded(loss.resolve, title, varied, loss.pred_roles)
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
        safe = isinstance(value, Guarded) or (getattr(value, "__module__", None) or "").partition(".")[0] == OWN
        return value if safe or not callable(value) else Guarded(value, title, check, roles)

    return {
        name: tuple(guard(entry, checks.get(name)) for entry in value)
        if name == "parts"
        else guard(value, checks.get(name))
        for name, value in facts.items()
    }


def varied(result: Any, inputs: tuple[Any, ...], by: Guarded) -> Any:
    """Guard the functions among the facts that parameters change."""
    return _guarded(result, by.title, by.roles)


def row_values(result: Any, inputs: tuple[Any, ...], by: Guarded) -> Any:
    """Demand one number per row, or one line of them per column."""
    rows = inputs[0].rows
    values = _numbers(result)
    if values.ndim not in (1, 2) or values.shape[-1] != rows or not (values.ndim == 1 or len(values)):
        raise Unfit(f"it gives the shape {values.shape} for {rows} rows; (rows,) or (columns, rows) is due")
    return values


def row_slopes(result: Any, inputs: tuple[Any, ...], by: Guarded) -> Any:
    """Demand slopes that fit the columns of what a model produces."""
    batch: Batch = inputs[0]
    roles = by.roles
    by_role = result if isinstance(result, dict) else {roles[0]: result}
    if strange := [role for role in by_role if role not in roles]:
        raise Unfit(f"its gradient is by {strange[0]!r}; the loss is a function of {', '.join(roles)}")
    checked = {}
    for role, slope in by_role.items():
        values, shape = _numbers(slope), batch[role].shape
        pairs = zip(reversed(values.shape), reversed(shape), strict=False)
        if values.ndim > len(shape) or any(length not in (1, due) for length, due in pairs):
            raise Unfit(f"its gradient by {role} has the shape {values.shape}; (columns, rows) = {shape} is due")
        checked[role] = values
    return checked if isinstance(result, dict) else checked[roles[0]]


def one_number(result: Any, inputs: tuple[Any, ...], by: Guarded) -> Any:
    """Demand a single number."""
    values = _numbers(result)
    if values.ndim:
        raise Unfit(f"it gives the shape {values.shape}, and one number is due")
    return float(values)


def reading_value(result: Any, inputs: tuple[Any, ...], by: Guarded) -> Any:
    """Demand a value for each set of means."""
    if np.shape(result) not in ((), np.shape(inputs[0][0])):
        raise Unfit(f"its reading gives the shape {np.shape(result)} for means of {np.shape(inputs[0][0])}")
    return result


def reading_slope(result: Any, inputs: tuple[Any, ...], by: Guarded) -> Any:
    """Demand a slope by each mean."""
    if len(result) != len(inputs[0]):
        raise Unfit(f"its reading has {len(result)} slopes for {len(inputs[0])} means")
    return result


def _numbers(result: Any) -> Any:
    """Return real numbers as contiguous float64, whatever array they came in."""
    values = np.asarray(result)
    if values.dtype.kind not in "biuf":
        raise Unfit(f"it gives {type(result).__name__} of {values.dtype}, and real numbers are due")
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


GROUP: Final = "lossctl.losses"
NAME: Final = r"[a-z][a-z0-9_]*"
TEXTS: Final = ("name", "summary", "doc", "formula", "unit", "source", "use", "avoid", "optimises")
LONGEST: Final = 60  # characters of a text that are shown in an error


class Origin(NamedTuple):
    """The entry point that a loss comes from, and the package that it belongs to."""

    plugin: str
    package: str
    version: str

    @property
    def release(self) -> str:
        """Package and version."""
        return printable(f"{self.package} {self.version}")

    def __str__(self) -> str:
        return f"plug-in {printable(self.plugin)} ({self.release})"


@dataclass(frozen=True)
class Plugin:
    """A plug-in with the losses that it declares, or the reason why it cannot be used."""

    origin: Origin
    losses: tuple[Loss, ...] = ()
    fault: str = ""


def load(allowed: str | None, builtin: Mapping[str, Loss]) -> tuple[list[Plugin], list[str]]:
    """Load the plug-ins that are `allowed`, and say which names in it are none.

    allowed: packages or entry points, separated by commas; None for all, an empty text for none.
    builtin: the losses of lossctl, which a module may import without declaring them.
    """
    if allowed is not None and not allowed.strip(", \t"):
        return [], []
    entries = sorted(_entries(), key=lambda entry: (plain(entry[1].package), entry[1].plugin))
    loaded = entries
    remarks = []
    if allowed is not None:
        names = [word for word in re.split(r"[,\s]+", allowed) if word]
        loaded = [entry for entry in entries if {plain(name) for name in entry[1][:2]} & set(map(plain, names))]
        installed = {plain(name) for _, origin in entries for name in origin[:2]}
        packages = listed(sorted({origin.package for _, origin in entries})) or "none"
        remarks = [
            f"LOSSCTL_PLUGINS: {printable(word)!r} is no installed plug-in; installed: {printable(packages)}"
            for word in names
            if plain(word) not in installed
        ]
    return [_loaded(entry, origin, builtin) for entry, origin in loaded], remarks


def plain(name: str) -> str:
    """Return the one spelling of a package's name."""
    return re.sub(r"[-_.]+", "-", name).casefold()


def _entries() -> Iterator[tuple[EntryPoint | Exception, Origin]]:
    """Yield the entry points of installed packages; a package whose list of them is damaged has its error for one."""
    names = set()
    for package in distributions():
        if GROUP not in _text(package) or _lies_here(package):
            continue
        name, release = (_field(package, name) for name in ("Name", "Version"))
        if name != "?" and (plain(name) in names or _is_shadowed(name, package)):
            continue
        names.add(plain(name))
        try:
            entries = list(package.entry_points.select(group=GROUP))
        except Exception as error:
            yield error, Origin("?", name, release)
            continue
        for entry in entries:
            yield entry, Origin(entry.name, name, release)


def _text(package: Distribution) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return package.read_text("entry_points.txt") or ""
    return ""


def _field(package: Distribution, name: str) -> str:
    """Return a field of a package's metadata, a question mark where it has none."""
    value = package.metadata.json.get(name.lower())
    return value if isinstance(value, str) else "?"


def own_release() -> str:
    """Return name and version of lossctl, in the form in which those of plug-ins are shown."""
    with suppress(PackageNotFoundError):
        return f"{OWN} {version(OWN)}"
    return OWN  # it runs from a folder, without being installed


def _lies_here(package: Distribution) -> bool:
    """Whether a package lies in the working directory: whoever cloned that has not installed it."""
    with suppress(OSError, TypeError):
        return Path(str(package.locate_file(""))).resolve() == Path.cwd().resolve()
    return False


def _is_shadowed(name: str, package: Distribution) -> bool:
    """Whether another package of this name comes first on the path, as an import would find it."""
    try:
        first = distribution(name)
    except (PackageNotFoundError, ValueError):
        return False
    return str(first.locate_file("")) != str(package.locate_file("")) or first.version != package.version


def _loaded(entry: EntryPoint | Exception, origin: Origin, builtin: Mapping[str, Loss]) -> Plugin:
    """Import a plug-in and take its losses; whatever goes wrong is its fault."""
    printed = StringIO()
    try:
        if isinstance(entry, Exception):
            raise entry
        with descriptor_aside(), redirect_stdout(printed):
            losses = list(_declared(entry.load(), builtin))
        if printed.getvalue().strip():
            word = " ".join(printed.getvalue().split())[:LONGEST]
            raise Unfit(f"it prints {printable(word)!r} to standard output, where results are, while it is loaded")
        if not losses:
            raise Unfit(f"{entry.value} declares no loss; @loss and combine of lossctl.plugin make one")
        marked = [replace(loss, family=printable(origin.package), origin=origin.release) for loss in losses]
        return Plugin(origin, tuple(guarded(loss, f"loss {loss.name} of {origin}") for loss in marked))
    except (Exception, SystemExit) as error:
        return Plugin(origin, fault=f"{origin} cannot be used: {worded(error)}")


def _declared(value: object, builtin: Mapping[str, Loss]) -> Iterator[Loss]:
    """Yield the losses of a module (those of its `__all__`, if it has one), or the one that was named."""
    if isinstance(value, Loss):
        values: list[Any] = [value]
    elif isinstance(value, ModuleType):
        public = getattr(value, "__all__", None)
        values = list(vars(value).values()) if public is None else [getattr(value, name) for name in public]
    else:
        raise Unfit(f"the entry point names a {type(value).__name__}; a module of losses, or one loss, is due")
    distinct = {id(entry): entry for entry in values if isinstance(entry, Loss)}
    for loss in distinct.values():
        original = builtin.get(loss.name)
        if original is None or replace(loss, family=original.family) != original:
            yield _sound(loss)


def _sound(loss: Loss) -> Loss:
    """Return a loss as it is; raise Unfit where it cannot be named in a spec or shown."""
    for field in TEXTS:
        if not isinstance(getattr(loss, field), str):
            raise Unfit(f"loss {loss.name!r}: {field} is {getattr(loss, field)!r}, and a text is due")
    if not isinstance(loss.aliases, tuple):
        raise Unfit(f"loss {loss.name}: aliases is {loss.aliases!r}, and a tuple of names is due")
    if loss.direction not in get_args(Direction):
        raise Unfit(f"loss {loss.name}: direction is {loss.direction!r}; {listed(list(get_args(Direction)))}")
    for name in (loss.name, *loss.aliases):
        if not re.fullmatch(NAME, name):
            raise Unfit(f"loss {name!r}: a name is a small letter and then small letters, digits and _")
    if not loss.forms or not all(isinstance(form, Form) for form in loss.forms):
        raise Unfit(f"loss {loss.name}: forms is {loss.forms!r}, and a tuple of forms is due")
    if not loss.parts or not all(map(callable, loss.parts)):
        raise Unfit(f"loss {loss.name}: parts is {loss.parts!r}, and a tuple of functions is due")
    return loss
