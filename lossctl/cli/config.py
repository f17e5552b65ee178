"""The configuration file: found upward from the working directory, read as TOML, and held to the declarations."""

from __future__ import annotations

import functools
import inspect
import json
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from functools import cache
from typing import Annotated, Any, Final, Literal, NamedTuple, get_type_hints

import typer

from lossctl.cli.complete import one_of
from lossctl.cli.console import guarded, say
from lossctl.cli.options import (
    FORMATS,
    GROUPS,
    PREFIX,
    ConfigOptions,
    Declared,
    Described,
    Group,
    InFile,
    NotInFile,
    Range,
    Tolerance,
    declared,
    for_typer,
    shortened,
    toml,
)
from lossctl.errors import UsageError, listed, near, printable
from lossctl.version import __version__

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
    rules = _rule_tables(f"{path}: [[{name}.check]]" if name else f"{path}: [[check]]", table.get("check", []))
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


def _rule_tables(where: str, tables: object) -> tuple[RuleTable, ...]:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise UsageError(f"{where} = {toml(tables)}: rules are tables, each below such a line")
    return tuple(_rule_table(f"{where} {place}", table) for place, table in enumerate(tables, 1))


def _rule_table(origin: str, table: dict[str, object]) -> RuleTable:
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


CONTRADICTIONS: Final = (("ci", "no_ci"), ("config", "no_config"))  # a value, and the switch that forbids it


class Level(IntEnum):
    """Where a value came from; a higher level holds over a lower one."""

    DEFAULT = 0
    FILE = 1
    ENVIRONMENT = 2
    COMMAND_LINE = 3

    @property
    def words(self) -> str:
        """The name for people."""
        return self.name.lower().replace("_", " ")


class Value(NamedTuple):
    """A value with its level, and its origin in words for people."""

    value: Any
    level: Level = Level.DEFAULT
    origin: str = "default"


class RuleText(NamedTuple):
    """A rule of the command line or the environment as it was written: `rmse=2%` of the kind `max-regression`."""

    kind: str
    text: str
    origin: str


class Settings(NamedTuple):
    """Everything that was resolved for one command."""

    command: str
    options: tuple[Declared, ...]
    values: Mapping[str, Value]
    file: ConfigFile | None = None
    rule_texts: tuple[RuleText, ...] = ()

    @property
    def rules(self) -> tuple[RuleTable, ...]:
        """The rules of the configuration file."""
        return () if self.file is None else self.file.rules

    def filled(self, group: Group) -> Any:
        """Return a group of options with its values."""
        return group(**{option.name: self.values[option.name].value for option in declared(group)})

    def note(self) -> str | None:
        """Word what besides the command line has a say in the result."""
        found = []
        uses_rules = self.rules and any(option.accumulates for option in self.options)
        if self.file and (uses_rules or any(value.level is Level.FILE for value in self.values.values())):
            found.append(self.file.path)
        for option in self.options:
            value = self.values[option.name]
            if value.level is Level.ENVIRONMENT and not option.terminal:
                found.append(option.variable)
        return f"settings from {', '.join(found)}" if found else None


def resolve(
    command: str, options: Sequence[Declared], given: Mapping[str, object], environment: Mapping[str, str]
) -> Settings:
    """Find every option's value: as given on the command line, else in the environment, else in the file."""
    levels: list[dict[str, Value]] = [
        {option.name: Value(option.default) for option in options},
        {},
        _from_environment(options, environment),
        _from_command_line(options, given),
    ]
    file = _file([option for option in options if option.name in ("config", "no_config")], levels)
    if file is not None:
        levels[Level.FILE] = {
            name: Value(value, Level.FILE, file.path) for name, value in file.values_for(command, options).items()
        }
    texts = tuple(
        RuleText(option.key, text, value.origin)
        for option in options
        if option.accumulates
        for level in levels
        if (value := level.get(option.name)) is not None
        for text in value.value
    )
    return Settings(command, tuple(options), _merged(options, levels), file, texts)


def _file(options: Sequence[Declared], levels: Sequence[Mapping[str, Value]]) -> ConfigFile | None:
    """Return the configuration file that --config and --no-config let a command have."""
    chosen = _merged(options, levels)
    if not chosen or chosen["no_config"].value:
        return None

    asked = chosen["config"]
    option = next(option for option in options if option.name == "config")
    return find(asked.value, option.variable if asked.level is Level.ENVIRONMENT else option.option)


def _from_environment(options: Sequence[Declared], environment: Mapping[str, str]) -> dict[str, Value]:
    """Read the variables of the options; an empty one is as none."""
    found = {}
    for option in options:
        text = "" if option.positional else environment.get(option.variable, "")
        if text and (option.kind != "texts" or text.split()):
            value = option.from_text(text, f"{option.variable}:")
            found[option.name] = Value(value, Level.ENVIRONMENT, f"environment {option.variable}")
    return found


def _from_command_line(options: Sequence[Declared], given: Mapping[str, object]) -> dict[str, Value]:
    """Read what Typer parsed."""
    found = {}
    for option in options:
        if option.name in given:
            value = given[option.name]
            if isinstance(value, list) and option.kind != "texts":
                if len(value) > 1:
                    raise UsageError(f"{option.option} is given {len(value)} times, as {listed(value)}; give it once")
                [value] = value
            if isinstance(value, list):
                value = tuple(value)
            elif isinstance(value, str):
                value = option.from_text(value, option.option)
            found[option.name] = Value(value, Level.COMMAND_LINE, "command line")
    return found


def _merged(options: Sequence[Declared], levels: Sequence[Mapping[str, Value]]) -> dict[str, Value]:
    """Take each option from the highest level that has it, and settle contradictions."""
    found: dict[str, Value] = {}
    for option in options:
        values = [level[option.name] for level in levels if option.name in level]
        found[option.name] = values[-1]
        if option.accumulates and len(values) > 2:
            texts = tuple(text for value in values for text in value.value)
            found[option.name] = Value(texts, values[-1].level, ", ".join(value.origin for value in values[1:]))
    by_name = {option.name: option for option in options}
    for name, switch in CONTRADICTIONS:
        if name in found and found[name].value is not None and found[switch].value:
            words = " and ".join(by_name[one].option for one in (name, switch))
            if found[name].level == found[switch].level:
                raise UsageError(f"{words} contradict each other{_place(found[name])}")
            lower = min(name, switch, key=lambda one: found[one].level)
            found[lower] = Value(by_name[lower].default)
    return found


def _place(value: Value) -> str:
    return {Level.FILE: f" in {value.origin}", Level.ENVIRONMENT: " in the environment"}.get(value.level, "")


def command(
    help_text: str, formats: Sequence[str] = (), configured: bool = True
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a command of a function whose parameters are groups of options, and possibly the `Settings`.

    Parameters
    ----------
    help_text
        What `-h` says.
    formats
        The formats of -f, for its help.
    configured
        Whether it reads a configuration file; if so, it has --config and --no-config.
    """

    def decorate(body: Callable[..., None]) -> Callable[..., None]:
        wanted = {name: kind for name, kind in get_type_hints(body).items() if name != "return"}
        groups = [kind for kind in wanted.values() if kind is not Settings]
        shown = [*groups, *([ConfigOptions] if configured else [])]
        options = [_worded(option, formats) for group in shown for option in declared(group)]

        def run(context: typer.Context, **parsed: object) -> None:
            with guarded(bool(parsed.get("debug"))):
                given = {
                    name: value
                    for name, value in parsed.items()
                    if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"
                }
                settings = resolve(context.info_name or "", options, given, os.environ)
                value = settings.values.get("debug")
                with guarded(bool(value and value.value)):
                    _start(settings)
                    body(
                        **{
                            name: settings if kind is Settings else settings.filled(kind)
                            for name, kind in wanted.items()
                        }
                    )

        return _signed(run, body, help_text, options)

    return decorate


def _worded(option: Declared, formats: Sequence[str]) -> Declared:
    """Say in the help of -f which formats this command has."""
    if option.name != "format" or not formats:
        return option
    import copy

    info = copy.copy(option.info)
    info.help = f"{', '.join(formats[:-1])} or {formats[-1]}."
    info.autocompletion = one_of(formats)
    return option._replace(info=info)


def _signed(
    run: Callable[..., None], body: Callable[..., None], help_text: str, options: Sequence[Declared]
) -> Callable[..., None]:
    """Give a function the signature that Typer reads the options from."""
    parameters = [inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)]
    for option in options:
        annotation, default = for_typer(option)
        parameters.append(
            inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        )
    functools.update_wrapper(run, body, assigned=("__module__", "__name__", "__qualname__"), updated=())
    del run.__wrapped__  # type: ignore[attr-defined]  # Typer would read the types of the body
    run.__doc__ = help_text
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # functions take attributes
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _start(settings: Settings) -> None:
    """Say where settings came from, and refuse a command line that names no data."""
    values = settings.values
    if "quiet" in values and not values["quiet"].value:
        for text in (settings.note(), *_slips(os.environ)):
            if text is not None:
                say(text)
    shows = "show_config" in values and values["show_config"].value
    if "files" in values and not values["files"].value and not shows:
        raise UsageError(
            "no FILE is given, on the command line or as `files` in a configuration file; "
            f"`lossctl {settings.command} -h` explains"
        )


def _slips(environment: Mapping[str, str]) -> Iterable[str]:
    """Warn of variables that look like one of an option but are none."""
    known = sorted({option.variable for group in GROUPS for option in declared(group) if not option.positional})
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known:
            hint = near(name.removeprefix(PREFIX), [one.removeprefix(PREFIX) for one in known])
            if hint:
                yield f"warning: the environment variable {name} is no option of lossctl{hint}"


def show_config(settings: Settings) -> str:
    """Return every value and rule with its origin, as the text or, with `-f json`, the document that is printed."""
    form, output = settings.values["format"], settings.values["output"]
    if form.level is Level.COMMAND_LINE and form.value not in ("table", "json"):
        raise UsageError(f"--show-config: -f {form.value} is not there; table or json")
    if output.level is Level.COMMAND_LINE:
        raise UsageError("--show-config goes to standard output; leave -o out")
    return to_json(settings) if form.value == "json" else to_text(settings)


SCHEMA_VERSION = 1


def to_json(settings: Settings) -> str:
    """Return it as one JSON document."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "lossctl", "version": __version__},
        "command": settings.command,
        "file": None if settings.file is None else settings.file.path,
        "settings": [
            {
                "option": option.option,
                "value": list(value.value) if isinstance(value.value, tuple) else value.value,
                "level": value.level.words,
                "origin": value.origin,
            }
            for option in settings.options
            if (value := settings.values[option.name])
        ],
        "rules": list(_rules(settings)),
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def to_text(settings: Settings) -> str:
    """Return it as two tables."""
    values = [
        (option.option, _shown(settings.values[option.name].value), settings.values[option.name].origin)
        for option in settings.options
    ]
    rules = [(f"--{rule['kind']} {rule['text']}", _more(rule), str(rule["origin"])) for rule in _rules(settings)]
    text = _table(("option", "value", "from"), values)
    return text + "\n" + (_table(("rule", "", "from"), rules) if rules else "no rules\n")


def _rules(settings: Settings) -> Iterator[dict[str, object]]:
    """Give each limit of a rule of the file, and each rule of the other levels, in one shape."""
    for table in settings.rules:
        for key in LIMITS:
            limit = getattr(table, rule_keys()[key].name)
            if limit is not None:
                yield _rule(key, f"{table.loss}={_limit(limit)}", table.origin, table)
    for rule in settings.rule_texts:
        yield _rule(rule.kind, rule.text, rule.origin)


def _rule(kind: str, text: str, origin: str, table: RuleTable | None = None) -> dict[str, object]:
    return {
        "kind": kind,
        "text": text,
        "by": list(table.by) if table else [],
        "level": table.level if table else "error",
        "decide": table.decide if table and kind == "max-regression" else None,
        "confidence": table.confidence if table and kind == "max-regression" else None,
        "origin": origin,
    }


def _limit(limit: float | Tolerance) -> str:
    if isinstance(limit, Tolerance):
        parts = (None if limit.percent is None else f"{limit.percent!r}%", limit.absolute)
        return ",".join(str(part) for part in parts if part is not None)
    return repr(limit)


def _more(rule: dict[str, object]) -> str:
    by = rule["by"]
    assert isinstance(by, list)
    words = [f"by {text}" for text in by] + [
        f"{key} {rule[key]}" for key in ("decide", "confidence") if rule[key] is not None
    ]
    return ", ".join([*words, *(["level warn"] if rule["level"] == "warn" else [])])


def _shown(value: object) -> str:
    """Show a value for people: nothing as a dash, several side by side."""
    if value is None or value == ():
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "  ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Align columns, each as wide as its widest text; nothing of a text does anything to a terminal."""
    lines = [head, *(tuple(map(printable, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "".join(
        "   ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() + "\n"
        for line in lines
    )
