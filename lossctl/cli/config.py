"""Settings: the configuration file, read as TOML and held to the table of options; values by level; `--show-config`."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from functools import cache, cached_property
from typing import Any, Final, NamedTuple, TypeVar, cast

from lossctl.api.options import (
    ALL_FORMATS,
    COMMAND_LINE,
    DISARMS,
    LEVEL,
    LIMIT_KEYS,
    PREFIX,
    ConfigOptions,
    Display,
    EngineOptions,
    Option,
    Picture,
    RuleTable,
    SliceTables,
    Switch,
    Texts,
    VerdictOptions,
    marks,
    options_of,
    rule_keys,
    rule_table,
    shortened,
    toml,
)
from lossctl.errors import DataError, UsageError, listed, near, printable
from lossctl.files import exists, explained, is_file, present, read_file
from lossctl.gate.rules import RuleKind, Tolerance, limit_rule, regression_rule
from lossctl.version import __version__

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")
LOSSCTL_TOML: Final = "lossctl.toml"
PYPROJECT: Final = "pyproject.toml"
LARGEST: Final = 1 << 20  # bytes; no configuration is longer
FORM: Final = f"(?:{'|'.join(ALL_FORMATS)}):"
# a path below the file's folder; the schema has the same pattern, so it is one that JavaScript reads alike
INSIDE: Final = rf"^(?!(?:{FORM})?/)(?!(?:{FORM})?(?:[^\0]*/)?\.\.(?:/|$))[^\0]+$"

# the file ----------------------------------------------------------------------------------------------------


class ConfigFile(NamedTuple):
    """A configuration file that holds; `path` is as people see it, `values` are by key."""

    path: str
    folder: str
    values: Mapping[str, Any]
    rules: tuple[RuleTable, ...]


@cache
def keys() -> dict[str, Option]:
    """Return the options that the file may have, by key."""
    return {option.key: option for option in options_of(*COMMAND_LINE) if not option.barred}


@cache
def refused() -> dict[str, str]:
    """Return why the file must not have the other options, by key."""
    return {
        option.key: option.barred for option in options_of(*COMMAND_LINE) if option.barred and option.key not in keys()
    }


def find(path: str | None = None, label: str = "--config") -> ConfigFile | None:
    """Return the file at a path that `label` names, else the first one upward to the repository's root, else None.

    In one folder lossctl.toml wins over pyproject.toml, and one without [tool.lossctl] is passed over.
    """
    if path is not None:
        if not _tell(is_file, path):
            raise UsageError(f"{label} {path}: {'is no file' if _tell(exists, path) else 'there is no such file'}")
        file = load(path)
        if file is None:
            raise UsageError(f"{label} {path}: there is no [tool.lossctl] in it")
        return file
    try:
        folder = os.getcwd()
    except OSError as error:
        raise UsageError(f"the working directory cannot be searched for a configuration: {error.strerror}") from None
    while True:
        paths = [os.path.relpath(os.path.join(folder, name)) for name in (LOSSCTL_TOML, PYPROJECT)]
        for path, is_regular in _tell(present, paths).items():
            if not is_regular:
                raise UsageError(f"{path}: is no regular file; --no-config does without")
            file = load(path)
            if file is not None:
                return file
        above = os.path.dirname(folder)
        if above == folder or _tell(exists, os.path.join(folder, ".git")):
            return None
        folder = above


def check_unhidden(file: ConfigFile | None) -> None:
    """Raise UsageError for a lossctl.toml that was found and hides rules of the pyproject.toml beside it."""
    if file is None or os.path.basename(file.path) != LOSSCTL_TOML:
        return
    path = os.path.join(os.path.dirname(file.path), PYPROJECT)
    hidden = load(path) if _tell(is_file, path) else None
    if hidden is not None and hidden.rules:
        raise UsageError(
            f"{file.path}: hides the rules of {path} beside it, as one file counts; have all settings in one of them"
        )


def _tell(question: Callable[[Asked], Answer], place: Asked) -> Answer:
    """Ask what is at a path, or at some; a configuration that a failing disk hides is not passed over."""
    try:
        return question(place)
    except OSError as error:
        raise DataError(f"{error.filename}: {explained(error)}; --no-config does without") from None


def load(path: str) -> ConfigFile | None:
    """Read one file; None for a pyproject.toml that says nothing of lossctl."""
    document = _parsed(path)
    if os.path.basename(path) != PYPROJECT:
        return checked(document, path)
    tool = document.get("tool")
    if not isinstance(tool, dict) or "lossctl" not in tool:
        return None
    return checked(tool["lossctl"], path, "tool.lossctl")


def _parsed(path: str) -> dict[str, Any]:
    import tomllib

    try:
        content = read_file(path, LARGEST + 1)
        if len(content) > LARGEST:
            raise UsageError(f"{path}: is longer than {LARGEST} bytes; no configuration is")
        return tomllib.loads(content.decode())
    except OSError as error:
        raise DataError(f"{path}: {explained(error)}; --no-config does without") from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}: line {line} is not UTF-8") from None
    except RecursionError:
        raise UsageError(f"{path}: is nested too deeply") from None
    except UsageError:
        raise
    except ValueError as error:  # tomllib's own, and Python's for a number of thousands of digits
        raise UsageError(f"{path}: is no TOML: {error}") from None


def checked(table: object, path: str, name: str = "") -> ConfigFile:
    """Hold a table, called `name` in its file, to the table of options."""
    if not isinstance(table, dict):
        raise UsageError(f"{path}: {name} = {toml(table)}: a table is needed, [{name}]")
    where = f"{path}: [{name}] " if name else f"{path}: "
    folder = os.path.dirname(path)
    outputs = _value(where, folder, "output", table["output"]) if "output" in table else ()
    try:
        values = {key: _value(where, folder, key, value) for key, value in table.items() if key != "check"}
        if "ci" in values and values.get("no-ci"):
            raise UsageError(f"{where}ci and no-ci contradict each other")
        rules = _rule_tables(f"{path}: [[{name}.check]]" if name else f"{path}: [[check]]", table.get("check", []))
    except UsageError as error:
        error.outputs = outputs
        raise
    return ConfigFile(path, folder, values, rules)


def untyped_outputs(configured: bool, config: Sequence[str]) -> list[str]:
    """Return the outputs that the environment names, else a configuration file, be it right or not.

    config: what --config names, if anything.
    """
    texts = os.environ.get(f"{PREFIX}OUTPUT", "").split()
    if texts or not configured:
        return texts
    try:
        file = find(next(iter(config), None))
    except UsageError as error:
        return list(error.outputs)
    except DataError:
        return []
    return [] if file is None else list(file.values.get("output", ()))


def _value(where: str, folder: str, key: str, value: object) -> Any:
    """Check one key of the file and bring its value into the form that options have."""
    option = keys().get(key)
    if option is None:
        if key in refused():
            raise UsageError(f"{where}{key} is not allowed in a configuration file: {refused()[key]}")
        hint = near(key, [*keys(), "check"]) or f"; allowed are {listed([*keys(), 'check'], 50)}"
        if isinstance(value, dict):
            hint = "; there are no tables of commands: keys stand at the top, for every command that has them"
        if key == "tool":
            hint = f"; in a file of this name keys stand at the top, without [tool.lossctl]; or call it {PYPROJECT}"
        raise UsageError(f"{where}unknown key {shortened(repr(key))}{hint}")
    plain = option.from_toml(value, f"{where}{key}")
    if option.weakens(plain):
        raise UsageError(f"{where}{key} = {toml(value)} is not allowed in a configuration file: {DISARMS}")
    if option.path == "name" and "/" not in plain and "." not in plain:
        return _moved(plain, folder) if os.path.exists(os.path.join(folder, plain)) else plain
    if option.path in ("read", "name"):
        return tuple(_moved(text, folder) for text in plain) if isinstance(plain, tuple) else _moved(plain, folder)
    if option.path == "write":
        return tuple(_inside(text, folder, f"{where}{key}") for text in plain)
    return plain


def _moved(text: str, folder: str) -> str:
    """Make `[NAME=]PATH` of the file one that holds in the working directory; `-` is standard input everywhere."""
    name, equals, path = text.partition("=")
    if equals and "/" not in name and not os.path.exists(os.path.join(folder, text)):
        return f"{name}={_moved(path, folder)}"
    return text if text == "-" or re.match(r"\w+://", text) else os.path.join(folder, text)


def _inside(text: str, folder: str, where: str) -> str:
    """Put the folder before the path of `[FMT:]PATH`; raise UsageError where that leaves it, by words or by a link."""
    form = re.match(FORM, text)
    path = text[form.end() :] if form else text
    root = os.path.realpath(folder or ".")
    target = os.path.realpath(os.path.join(root, path))
    if not re.match(INSIDE, text) or os.path.commonpath([root, target]) != root:
        raise UsageError(f"{where} = {toml(text)}: a path inside the folder of the file is needed, without ..")
    if {".git", LOSSCTL_TOML, PYPROJECT} & set(os.path.relpath(target, root).split(os.sep)):
        raise UsageError(f"{where} = {toml(text)}: a configuration or git's own files are no place for a report")
    return (form[0] if form else "") + os.path.join(folder, path)


def _rule_tables(where: str, tables: object) -> tuple[RuleTable, ...]:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise UsageError(f"{where} = {toml(tables)}: rules are tables, each below such a line")
    return tuple(rule_table(f"{where} {place}", table) for place, table in enumerate(tables, 1))


# settings by level -------------------------------------------------------------------------------------------

TYPED: Final = "command line"
NO_ARGUMENTS: Final = frozenset(  # of the function of the Python interface
    name
    for group in (VerdictOptions, SliceTables, EngineOptions, Picture, Display, ConfigOptions)
    for name in marks(group)
)
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


def _environment_rule(rule: RuleText) -> RuleTable:
    """Return a rule of the environment as a table: it holds beside those of the file, and takes the place of none."""
    origin = f"{rule.origin}: {rule.kind} {rule.text}"
    if rule.kind == "max-regression":
        regression = regression_rule(rule.text)
        return RuleTable(regression.loss, max_regression=regression.tolerance, origin=origin)
    limit = limit_rule(cast(RuleKind, rule.kind), rule.text)
    limits: dict[str, Any] = {rule.kind.replace("-", "_"): limit.limit}
    return RuleTable(limit.loss, origin=origin, **limits)


class Settings(dict[str, Any]):
    """The values of one command's options, `settings["threads"]`; `sources` has the level and origin of each.

    unheard: the options whose variable a check does not hear, as it says what is read, computed or judged.
    """

    def __init__(
        self,
        command: str,
        options: Sequence[Option],
        sources: Mapping[str, Value],
        file: ConfigFile | None = None,
        rule_texts: Sequence[RuleText] = (),
        unheard: Sequence[Option] = (),
    ) -> None:
        super().__init__({name: value.value for name, value in sources.items()})
        self.command, self.options, self.sources = command, options, sources
        self.file, self.rule_texts, self.unheard = file, rule_texts, unheard

    def paths(self, use: str, besides: str = "") -> list[str]:
        """Return the paths that options name to `read` or to `write`."""
        texts: list[str] = []
        for option in self.options:
            value = self[option.name]
            if option.path == use and option.name != besides and value is not None:
                texts += value if isinstance(value, tuple) else [value]
        return texts

    def typed(self) -> str:
        """Return the command line, as a shell takes it, with what came from the environment or a file, too."""
        words = ["lossctl", self.command]
        for option in sorted(self.options, key=lambda option: not option.positional):
            value, level, _ = self.sources[option.name]
            flag = [] if option.positional else [option.long]
            if level is Level.DEFAULT or value is False:
                continue
            if isinstance(option.kind, Switch):
                words += flag
            else:
                words += [
                    word for text in (value if isinstance(value, tuple) else [value]) for word in (*flag, str(text))
                ]
        config = [] if self.file is None or "--config" in words else ["--config", self.file.path]
        return shlex.join([*words, *config])

    def inputs(self) -> list[str]:
        """Return the files that are read: data, also as `NAME=PATH`, the configuration, and tables of weights."""
        files = [piece for text in self.paths("read") for piece in (text, text.partition("=")[2]) if piece]
        files += [] if self.file is None else [self.file.path]
        specs = [*self.get("losses", ()), *(rule.text for rule in self.rule_texts), *(rule.loss for rule in self.rules)]
        if not any("@" in spec for spec in specs):
            return files
        from lossctl.registry import table_files

        return [*files, *table_files(specs)]

    @cached_property
    def arguments(self) -> dict[str, Any]:
        """The values as the function of the Python interface takes them, by name."""
        values = {option.name: self[option.name] for option in self.options if option.name not in NO_ARGUMENTS}
        if "no_ci" in values:
            level = LEVEL if values["ci"] is None else values["ci"]
            values["ci"] = None if values.pop("no_ci") else level
        return values

    @property
    def rules(self) -> tuple[RuleTable, ...]:
        """The rules of the configuration file, and of the environment."""
        of_file = () if self.file is None else self.file.rules
        return (*of_file, *(_environment_rule(rule) for rule in self.rule_texts if rule.origin != TYPED))

    @property
    def typed_rules(self) -> dict[str, tuple[str, ...]]:
        """The rules of the command line, by the name of their option: they alone take the place of others."""
        names = [option.name for option in self.options if option.accumulates]
        typed = [rule for rule in self.rule_texts if rule.origin == TYPED]
        return {name: tuple(rule.text for rule in typed if rule.kind.replace("-", "_") == name) for name in names}

    def notes(self, environment: Mapping[str, str]) -> Iterator[str]:
        """Say what besides the command line has a say in the result, and warn of variables that may be meant to."""
        sources = []
        uses_rules = self.file and self.file.rules and any(option.accumulates for option in self.options)
        if self.file and (uses_rules or any(value.level is Level.FILE for value in self.sources.values())):
            sources.append(self.file.path)
        variables = [option for option in self.options if self.sources[option.name].level is Level.ENVIRONMENT]
        sources += [option.variable for option in variables if not option.terminal]
        if sources:
            yield f"settings from {', '.join(sources)}"
        yield from _slips(environment)


def resolve(
    command: str, options: Sequence[Option], typed: Mapping[str, object], environment: Mapping[str, str]
) -> Settings:
    """Return every option's value: as typed on the command line, else in the environment, else in the file."""
    levels = {option.name: list(_levels(option, typed, environment)) for option in options}
    unheard = []
    for option in options if command == "check" else [entry for entry in options if entry.name == "exit_zero"]:
        values = levels[option.name]
        if not option.heard and any(value.level is Level.ENVIRONMENT for value in values):
            if option.name == "config":  # without it other rules would hold, or none
                raise UsageError(f"{option.variable}: {DISARMS}; say {option.label} there, or unset it")
            levels[option.name] = [value for value in values if value.level is not Level.ENVIRONMENT]
            unheard.append(option)
    file = _file({option.name: option for option in options}, levels)
    if file is not None:
        for option in options:
            if not option.barred and option.only in ("", command) and option.key in file.values:
                levels[option.name].insert(1, Value(file.values[option.key], Level.FILE, file.path))
    texts = tuple(
        RuleText(option.key, text, value.origin)
        for option in options
        if option.accumulates
        for value in levels[option.name]
        for text in value.value
    )
    return Settings(command, options, _merged(options, levels), file, texts, unheard)


def _levels(option: Option, typed: Mapping[str, object], environment: Mapping[str, str]) -> Iterator[Value]:
    """Yield the values of an option from its default up to the command line; an empty variable is as none."""
    yield Value(option.default)
    several = isinstance(option.kind, Texts)
    text = "" if option.positional else environment.get(option.variable, "")
    if text and (not several or text.split()):
        yield Value(option.from_text(text, f"{option.variable}:"), Level.ENVIRONMENT, f"environment {option.variable}")
    if option.name in typed:
        value = typed[option.name]
        if isinstance(value, list) and not several:
            if len(value) > 1:
                raise UsageError(f"{option.label} is given {len(value)} times, as {listed(value)}; give it once")
            [value] = value
        if isinstance(value, str):
            value = option.from_text(value, option.label)
        yield Value(tuple(value) if isinstance(value, list) else value, Level.COMMAND_LINE, TYPED)


def _file(options: Mapping[str, Option], levels: Mapping[str, Sequence[Value]]) -> ConfigFile | None:
    """Return the configuration file that --config and --no-config let a command have."""
    if "config" not in options:
        return None
    values = _merged([options["config"], options["no_config"]], levels)
    if values["no_config"].value:
        return None
    path, option = values["config"], options["config"]
    return find(path.value, option.variable if path.level is Level.ENVIRONMENT else option.label)


def _merged(options: Sequence[Option], levels: Mapping[str, Sequence[Value]]) -> dict[str, Value]:
    """Take each option from the highest level that has it, and settle contradictions."""
    merged = {option.name: levels[option.name][-1] for option in options}
    for option in options:
        values = levels[option.name]
        if option.accumulates and len(values) > 2:
            texts = tuple(text for value in values for text in value.value)
            merged[option.name] = Value(texts, values[-1].level, ", ".join(value.origin for value in values[1:]))
    by_name = {option.name: option for option in options}
    for name, switch in CONTRADICTIONS:
        if name in merged and merged[name].value is not None and merged[switch].value:
            if merged[name].level == merged[switch].level:
                words = f"{by_name[name].label} and {by_name[switch].label}"
                raise UsageError(f"{words} contradict each other{_place(merged[name])}")
            lower = min(name, switch, key=lambda entry: merged[entry].level)
            merged[lower] = Value(by_name[lower].default)
    return merged


def _place(value: Value) -> str:
    return {Level.FILE: f" in {value.origin}", Level.ENVIRONMENT: " in the environment"}.get(value.level, "")


def _slips(environment: Mapping[str, str]) -> Iterable[str]:
    """Warn of variables that look like one of an option but are none."""
    names = [name for name in environment if name.startswith(PREFIX)]
    variables = {option.variable for option in options_of(*COMMAND_LINE) if not option.positional} if names else set()
    for name in sorted(set(names) - variables):
        hint = near(name.removeprefix(PREFIX), [variable.removeprefix(PREFIX) for variable in sorted(variables)])
        if hint:
            hint = hint.replace("'", f"'{PREFIX}", 1)
            yield f"warning: the environment variable {name} is no option of lossctl{hint}"


# --show-config -----------------------------------------------------------------------------------------------

SCHEMA_VERSION: Final = 1
NO_TABLE: Final = RuleTable("")  # of a rule that stands in none


def show_config(settings: Settings) -> str:
    """Return every value and rule with its origin, as the text or, with `-f json`, the document that is printed."""
    form, output = settings.sources["format"], settings.sources["output"]
    if form.level is Level.COMMAND_LINE and form.value not in ("table", "json"):
        raise UsageError(f"--show-config: -f {form.value} is not there; table or json")
    if output.level is Level.COMMAND_LINE:
        raise UsageError("--show-config goes to standard output; leave -o out")
    return _to_json(settings) if form.value == "json" else _to_text(settings)


def _to_json(settings: Settings) -> str:
    import json

    document = {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "lossctl", "version": __version__},
        "command": settings.command,
        "file": None if settings.file is None else settings.file.path,
        "settings": [
            {
                "option": option.label,
                "value": list(value.value) if isinstance(value.value, tuple) else value.value,
                "level": value.level.words,
                "origin": value.origin,
            }
            for option in settings.options
            if (value := settings.sources[option.name])
        ],
        "rules": list(_rules(settings)),
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _to_text(settings: Settings) -> str:
    """Return two tables."""
    values = [
        (option.label, _cell(value.value), value.origin)
        for option in settings.options
        if (value := settings.sources[option.name])
    ]
    rules = [(f"--{rule['kind']} {rule['text']}", _details(rule), str(rule["origin"])) for rule in _rules(settings)]
    text = _table(("option", "value", "from"), values)
    return text + "\n" + (_table(("rule", "", "from"), rules) if rules else "no rules\n")


def _rules(settings: Settings) -> Iterator[dict[str, Any]]:
    """Yield each limit of a rule of the file, and each rule of the other levels, in one shape."""
    for table in () if settings.file is None else settings.file.rules:
        for key in LIMIT_KEYS:
            limit = getattr(table, rule_keys()[key].name)
            if limit is not None:
                yield _rule(key, f"{table.loss}={_limit(limit)}", table.origin, table)
    for rule in settings.rule_texts:
        yield _rule(rule.kind, rule.text, rule.origin)


def _rule(kind: str, text: str, origin: str, table: RuleTable = NO_TABLE) -> dict[str, Any]:
    regression = table if kind == "max-regression" else NO_TABLE
    return {
        "kind": kind,
        "text": text,
        "by": list(table.by),
        "level": table.level,
        "decide": regression.decide,
        "confidence": regression.confidence,
        "slice-tolerance": regression.slice_tolerance and regression.slice_tolerance.text,
        "tolerances": {name: entry.text for name, entry in (regression.tolerances or {}).items()},
        "critical": list(table.critical),
        "origin": origin,
    }


def _limit(limit: float | Tolerance) -> str:
    if isinstance(limit, Tolerance):
        parts = (None if limit.percent is None else f"{limit.percent!r}%", limit.absolute)
        return ",".join(str(part) for part in parts if part is not None)
    return repr(limit)


def _details(rule: Mapping[str, Any]) -> str:
    words = [f"by {text}" for text in rule["by"]]
    words += [f"{key} {rule[key]}" for key in ("decide", "confidence", "slice-tolerance") if rule[key] is not None]
    words += [f"{name} {tolerance}" for name, tolerance in rule["tolerances"].items()]
    words += [f"critical {name}" for name in rule["critical"]]
    return ", ".join([*words, *(["level warn"] if rule["level"] == "warn" else [])])


def _cell(value: object) -> str:
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
