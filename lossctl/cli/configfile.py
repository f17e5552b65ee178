"""The configuration file: found upward from the working directory, read as TOML, and held to the declarations."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Final, Literal, NamedTuple

from lossctl.cli.declare import Declared, Described, InFile, NotInFile, declared
from lossctl.cli.options import FORMATS, GROUPS
from lossctl.cli.values import Range, Tolerance, shortened, toml
from lossctl.errors import UsageError, listed, near

OWN: Final = "lossctl.toml"
SHARED: Final = "pyproject.toml"
LARGEST: Final = 1 << 20  # bytes; no configuration is longer
LIMITS: Final = ("max", "min", "max-slice", "max-regression")
FORM: Final = f"(?:{'|'.join(FORMATS)}):"
# a path below the file's folder; the schema has the same pattern, so it is one that JavaScript reads alike
INSIDE: Final = rf"^(?!(?:{FORM})?/)(?!(?:{FORM})?(?:[^\0]*/)?\.\.(?:/|$))[^\0]+$"


class RuleTable(NamedTuple):
    """A rule as the configuration file states it; `origin` says where, as `lossctl.toml: [[check]] 2`."""

    loss: Annotated[str, Described("The loss that is judged: a label or spec of `losses`, or any other spec.")]
    max: Annotated[float | None, Described("The loss over all rows (with `by` of every slice, too) is at most this.")]
    min: Annotated[float | None, Described("The score over all rows (with `by` of every slice, too) is at least this.")]
    max_slice: Annotated[float | None, Described("The loss of every slice is at most this; for a score: at least.")]
    max_regression: Annotated[
        Tolerance | None,
        Described(
            'At most this much worse than the baseline: "2%" of it, 0.01, or ["2%", 0.01] where both must be exceeded.'
        ),
    ]
    by: Annotated[tuple[str, ...], Described("Columns whose slices the rule is for, as well as for all rows.")] = ()
    level: Annotated[Literal["error", "warn"], Described("Whether the rule blocks, or warns.")] = "error"
    decide: Annotated[
        Literal["point", "significant", "noninferior"] | None,
        Described("How max-regression is decided, if not as for the others."),
    ] = None
    confidence: Annotated[
        float | None,
        Described("The level of evidence that significant and noninferior want."),
        Range(0, 1, open=True, such_as="0.95"),
    ] = None
    origin: str = ""


class ConfigFile(NamedTuple):
    """A configuration file that holds; `path` is as people see it, `values` are by key."""

    path: str
    folder: str
    values: Mapping[str, Any]
    rules: tuple[RuleTable, ...]

    def values_for(self, command: str, options: Sequence[Declared]) -> dict[str, Any]:
        """Return the values of the options that a command takes from the file, by field."""
        found = {}
        for option in options:
            mark = option.in_file
            if isinstance(mark, InFile) and mark.command in ("", command) and option.key in self.values:
                found[option.name] = self.values[option.key]
        return found


@cache
def keys() -> dict[str, Declared]:
    """Return the options that the file may have, by key."""
    return {option.key: option for group in GROUPS for option in declared(group) if isinstance(option.in_file, InFile)}


@cache
def refused() -> dict[str, str]:
    """Return why the file must not have the other options, by key."""
    return {
        option.key: option.in_file.why
        for group in GROUPS
        for option in declared(group)
        if isinstance(option.in_file, NotInFile) and option.key not in keys()
    }


@cache
def rule_keys() -> dict[str, Declared]:
    """Return what a rule of the file is made of, by key."""
    return {option.key: option for option in declared(RuleTable)}


def find(asked: str | None = None, by: str = "--config") -> ConfigFile | None:
    """Return the file that is asked for, else the first one upward to the repository's root, else None.

    In one folder lossctl.toml wins over pyproject.toml, and one without [tool.lossctl] is passed over.
    """
    if asked is not None:
        if not os.path.isfile(asked):
            raise UsageError(f"{by} {asked}: {'is no file' if os.path.exists(asked) else 'there is no such file'}")
        found = load(asked)
        if found is None:
            raise UsageError(f"{by} {asked}: there is no [tool.lossctl] in it")
        return found
    try:
        folder = os.getcwd()
    except OSError as error:
        raise UsageError(f"the working directory cannot be searched for a configuration: {error.strerror}") from None
    while True:
        for name in (OWN, SHARED):
            path = os.path.relpath(os.path.join(folder, name))
            if os.path.lexists(path):
                if not os.path.isfile(path):
                    raise UsageError(f"{path}: is no regular file; --no-config does without")
                found = load(path)
                if found is not None:
                    return found
        above = os.path.dirname(folder)
        if above == folder or os.path.exists(os.path.join(folder, ".git")):
            return None
        folder = above


def load(path: str) -> ConfigFile | None:
    """Read one file; None for a pyproject.toml that says nothing of lossctl."""
    document = _parsed(path)
    if os.path.basename(path) != SHARED:
        return checked(document, path)
    tool = document.get("tool")
    if not isinstance(tool, dict) or "lossctl" not in tool:
        return None
    return checked(tool["lossctl"], path, "tool.lossctl")


def checked(table: object, path: str, name: str = "") -> ConfigFile:
    """Hold a table, called `name` in its file, to the declarations."""
    if not isinstance(table, dict):
        raise UsageError(f"{path}: {name} = {toml(table)}: a table is needed, [{name}]")
    where = f"{path}: [{name}] " if name else f"{path}: "
    folder = os.path.dirname(path)
    values = {key: _value(where, folder, key, value) for key, value in table.items() if key != "check"}
    if "ci" in values and values.get("no-ci"):
        raise UsageError(f"{where}ci and no-ci contradict each other")
    rules = _rules(f"{path}: [[{name}.check]]" if name else f"{path}: [[check]]", table.get("check", []))
    return ConfigFile(path, folder, values, rules)


def _parsed(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise UsageError(f"{path}: is longer than {LARGEST} bytes; no configuration is")
        return tomllib.loads(content.decode())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; --no-config does without") from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}: line {line} is not UTF-8") from None
    except RecursionError:
        raise UsageError(f"{path}: is nested too deeply") from None
    except UsageError:
        raise
    except ValueError as error:  # tomllib's own, and Python's for a number of thousands of digits
        raise UsageError(f"{path}: is no TOML: {error}") from None


def _value(where: str, folder: str, key: str, value: object) -> Any:
    """Check one key of the file and bring its value into the form that options have."""
    option = keys().get(key)
    if option is None:
        if key in refused():
            raise UsageError(f"{where}{key} is not allowed in a configuration file: {refused()[key]}")
        hint = near(key, [*keys(), "check"]) or f"; allowed are {listed([*keys(), 'check'], 50)}"
        if key == "tool":
            hint = f"; in a file of this name keys stand at the top, without [tool.lossctl]; or call it {SHARED}"
        raise UsageError(f"{where}unknown key {shortened(repr(key))}{hint}")
    found = option.from_toml(value, f"{where}{key}")
    assert isinstance(option.in_file, InFile)
    if option.in_file.path == "name" and "/" not in found and "." not in found:
        return _moved(found, folder) if os.path.exists(os.path.join(folder, found)) else found
    if option.in_file.path in ("read", "name"):
        return tuple(_moved(text, folder) for text in found) if isinstance(found, tuple) else _moved(found, folder)
    if option.in_file.path == "write":
        for text in found:
            _check_inside(text, folder, f"{where}{key}")
        return tuple(_in_folder(text, folder) for text in found)
    return found


def _moved(text: str, folder: str) -> str:
    """Make `[NAME=]PATH` of the file one that holds in the working directory; `-` is standard input everywhere."""
    name, equals, path = text.partition("=")
    if equals and "/" not in name and not os.path.exists(os.path.join(folder, text)):
        return f"{name}={_moved(path, folder)}"
    return text if text == "-" else os.path.join(folder, text)


def _in_folder(text: str, folder: str) -> str:
    """Put the folder before the path of `[FMT:]PATH`."""
    form, path = _split_output(text)
    return form + os.path.join(folder, path)


def _split_output(text: str) -> tuple[str, str]:
    found = re.match(FORM, text)
    return (found[0], text[found.end() :]) if found else ("", text)


def _check_inside(text: str, folder: str, where: str) -> None:
    """Raise UsageError for an output outside the file's folder, by its words or by a link."""
    _, path = _split_output(text)
    root = os.path.realpath(folder or ".")
    target = os.path.realpath(os.path.join(root, path))
    if not re.match(INSIDE, text) or os.path.commonpath([root, target]) != root:
        raise UsageError(f"{where} = {toml(text)}: a path inside the folder of the file is needed, without ..")
    if {".git", OWN, SHARED} & set(os.path.relpath(target, root).split(os.sep)):
        raise UsageError(f"{where} = {toml(text)}: a configuration or git's own files are no place for a report")


def _rules(where: str, tables: object) -> tuple[RuleTable, ...]:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise UsageError(f"{where} = {toml(tables)}: rules are tables, each below such a line")
    return tuple(_rule(f"{where} {place}", table) for place, table in enumerate(tables, 1))


def _rule(origin: str, table: dict[str, object]) -> RuleTable:
    """Check one rule; what its loss is, and whether the limit fits it, is judged with the data's losses."""
    known = rule_keys()
    for key in table:
        if key not in known:
            hint = near(key, list(known)) or f"; allowed are {listed(list(known))}"
            raise UsageError(f"{origin}: unknown key {shortened(repr(key))}{hint}")
    if "loss" not in table:
        raise UsageError(f'{origin}: there is no loss; write one, as in loss = "rmse"')
    if not any(limit in table for limit in LIMITS):
        raise UsageError(f"{origin}: there is no limit; one of {listed(list(LIMITS))}")
    for key in ("decide", "confidence"):
        if key in table and "max-regression" not in table:
            raise UsageError(f"{origin}: {key} says how max-regression is decided, and there is none")
    values = {known[key].name: known[key].from_toml(value, f"{origin}: {key}") for key, value in table.items()}
    return RuleTable(**{"max": None, "min": None, "max_slice": None, "max_regression": None, **values}, origin=origin)
