"""Declarations: what an option is, as the groups of options.py say it once; values are read and refused here."""

from __future__ import annotations

import inspect
import math
import re
from functools import cache
from typing import Annotated, Any, Final, Literal, NamedTuple, get_args, get_origin, get_type_hints

import typer

from lossctl.cli.complete import one_of
from lossctl.cli.values import LONGEST, Range, Tolerance, as_float, is_text, shortened, texts, toml
from lossctl.errors import UsageError

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
