"""Plug-ins: losses that other installed packages declare, found by their entry points and loaded when one is needed.

An entry point of the group `lossctl.losses` names a module of declarations, or a single one (`package.module:name`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, replace
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, distribution, distributions, version
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple, get_args

from lossctl.core.foreign import OWN, Unfit, descriptor_aside, guarded, worded
from lossctl.core.form import Form
from lossctl.core.loss import Direction, Loss
from lossctl.errors import listed, printable

GROUP: Final = "lossctl.losses"
NAME: Final = r"[a-z][a-z0-9_]*"
TEXTS: Final = ("name", "summary", "doc", "formula", "unit", "source", "use", "avoid")
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


def load(wanted: str | None, builtin: Mapping[str, Loss]) -> tuple[list[Plugin], list[str]]:
    """Load the plug-ins that are `wanted`, and say which names in it are none.

    wanted: packages or entry points, separated by commas; None for all, an empty text for none.
    builtin: the losses of lossctl, which a module may import without declaring them.
    """
    if wanted is not None and not wanted.strip(", \t"):
        return [], []
    entries = sorted(_entries(), key=lambda found: (plain(found[1].package), found[1].plugin))
    chosen = entries
    remarks = []
    if wanted is not None:
        asked = [word for word in re.split(r"[,\s]+", wanted) if word]
        chosen = [found for found in entries if {plain(name) for name in found[1][:2]} & set(map(plain, asked))]
        known = {plain(name) for _, origin in entries for name in origin[:2]}
        there = listed(sorted({origin.package for _, origin in entries})) or "none"
        remarks = [
            f"LOSSCTL_PLUGINS: {printable(word)!r} is no installed plug-in; installed: {printable(there)}"
            for word in asked
            if plain(word) not in known
        ]
    return [_loaded(entry, origin, builtin) for entry, origin in chosen], remarks


def plain(name: str) -> str:
    """Return the one spelling of a package's name."""
    return re.sub(r"[-_.]+", "-", name).casefold()


def _entries() -> Iterator[tuple[EntryPoint | Exception, Origin]]:
    """Yield the entry points of installed packages; a package whose list of them is damaged has its error for one."""
    seen = set()
    for package in distributions():
        if GROUP not in _text(package) or _lies_here(package):
            continue
        name, release = (_field(package, name) for name in ("Name", "Version"))
        if name != "?" and (plain(name) in seen or _is_shadowed(name, package)):
            continue
        seen.add(plain(name))
        try:
            found = list(package.entry_points.select(group=GROUP))
        except Exception as error:
            yield error, Origin("?", name, release)
            continue
        for entry in found:
            yield entry, Origin(entry.name, name, release)


def _text(package: Distribution) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return package.read_text("entry_points.txt") or ""
    return ""


def _field(package: Distribution, name: str) -> str:
    """Return a field of a package's metadata, a question mark where it has none."""
    found = package.metadata.json.get(name.lower())
    return found if isinstance(found, str) else "?"


def own_release() -> str:
    """Return name and version of lossctl, as those of a plug-in are told."""
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
            found = list(_declared(entry.load(), builtin))
        if printed.getvalue().strip():
            word = " ".join(printed.getvalue().split())[:LONGEST]
            raise Unfit(f"it prints {printable(word)!r} to standard output, where results are, while it is loaded")
        if not found:
            raise Unfit(f"{entry.value} declares no loss; @loss and combine of lossctl.plugin make one")
        own = [replace(loss, family=printable(origin.package), origin=origin.release) for loss in found]
        return Plugin(origin, tuple(guarded(loss, f"loss {loss.name} of {origin}") for loss in own))
    except (Exception, SystemExit) as error:
        return Plugin(origin, fault=f"{origin} cannot be used: {worded(error)}")


def _declared(value: object, builtin: Mapping[str, Loss]) -> Iterator[Loss]:
    """Yield the losses of a module (those of its `__all__`, if it has one), or the one that was named."""
    if isinstance(value, Loss):
        named: list[Any] = [value]
    elif isinstance(value, ModuleType):
        public = getattr(value, "__all__", None)
        named = list(vars(value).values()) if public is None else [getattr(value, name) for name in public]
    else:
        raise Unfit(f"the entry point names a {type(value).__name__}; a module of losses, or one loss, is due")
    distinct = {id(entry): entry for entry in named if isinstance(entry, Loss)}
    for loss in distinct.values():
        known = builtin.get(loss.name)
        if known is None or replace(loss, family=known.family) != known:
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
