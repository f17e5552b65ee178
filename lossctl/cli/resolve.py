"""Resolve: the value of every option, and where it came from.

The command line holds over the environment, that over the configuration file, that over the default.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lossctl.cli.declare import Declared, Group, declared
from lossctl.errors import UsageError, listed

if TYPE_CHECKING:
    from lossctl.cli.configfile import ConfigFile, RuleTable

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
    from lossctl.cli import configfile

    asked = chosen["config"]
    option = next(option for option in options if option.name == "config")
    return configfile.find(asked.value, option.variable if asked.level is Level.ENVIRONMENT else option.option)


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
