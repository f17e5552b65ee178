"""Saved reports: the JSON envelope that lossctl writes, read back with every field checked."""

from __future__ import annotations

import json
import math
import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lossctl.errors import DataError, listed, printable
from lossctl.results.report import Cell, Evaluation, Input, Task

SCHEMA_VERSION: Final = 1
SNIFFED: Final = 4096  # bytes in which the first that is no blank must stand
BLANKS: Final = b" \t\r\n"
BOM: Final = b"\xef\xbb\xbf"
OWN_KEYS: Final = (b'"schema_version"', b'"best_sets"')
OWN_RECORD: Final = {"kind", "model", "path", "data", "used", "kept"}  # what `eval -f jsonl` begins with, no report
DIRECTIONS: Final = ("min", "max", "zero")
STATUSES: Final = ("ok", "infinite", "undefined", "empty")


@dataclass(frozen=True)
class SavedReport:
    """A report of an earlier run: what it says, the JSON document it stands in, and where it was read."""

    label: str
    evaluation: Evaluation
    document: Mapping[str, Any]
    schema_version: int

    @property
    def digests(self) -> list[str]:
        """The digests of the data of its models, each once."""
        return list(dict.fromkeys(source.data for source in self.evaluation.inputs))


def is_report(path: str) -> bool:
    """Whether a file is to be read as a saved report: its name ends in .json, or it begins as JSON but JSON lines."""
    if path == "-":
        return _begins_report(_peeked())
    if path.lower().endswith(".json"):
        return True
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # to look into a pipe is to empty it
            return False
        with open(path, "rb") as file:
            return _begins_report(file.read(SNIFFED))
    except OSError:
        return False  # whoever reads it as data says what is wrong


def read_report(path: str, *, any_schema: bool = False) -> SavedReport:
    """Read a saved report; raise DataError for one that is damaged, of another tool or (unless allowed) schema."""
    label = "standard input" if path == "-" else printable(path)
    try:
        if path == "-":
            content = sys.stdin.buffer.read()
        else:
            with open(path, "rb") as file:
                content = file.read()
    except OSError as error:
        raise DataError(f"{label}: {(error.strerror or str(error)).lower()}") from None
    document = _document(content, label)
    top = Fields(document, label)
    tool = document.get("tool")
    if not isinstance(tool, dict) or tool.get("name") != "lossctl":
        raise DataError(f"{label}: is JSON, but no lossctl report; `lossctl eval ... -o {label}` writes one")
    schema = top.whole("schema_version")
    if schema != SCHEMA_VERSION and not any_schema:
        raise DataError(
            f"{label}: schema_version is {schema}, and this lossctl reads {SCHEMA_VERSION}; write the report anew"
        )
    return SavedReport(label, _evaluation(top), document, schema)


def _peeked() -> bytes:
    """Return the first bytes of standard input, which stay to be read."""
    if sys.stdin is None or sys.stdin.isatty():
        return b""
    peek = getattr(sys.stdin.buffer, "peek", None)
    return bytes(peek(SNIFFED)) if peek is not None else b""


def _begins_report(start: bytes) -> bool:
    """Whether a text begins with an object that is spread over lines, or has the keys of a report or its results."""
    text = start.removeprefix(BOM).lstrip(BLANKS)
    if not text.startswith(b"{"):
        return False
    line, end, _ = text.partition(b"\n")
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):  # the first line of several, or cut short here
        return bool(end) or any(key in line for key in OWN_KEYS)
    return "schema_version" in found or found.keys() >= OWN_RECORD


def _document(content: bytes, label: str) -> dict[str, Any]:
    """Parse strictly: UTF-8, no NaN or infinity, no key twice."""

    def refuse(word: str) -> None:
        raise DataError(f"{label}: holds {word}, which is no JSON; a lossctl report never does")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise DataError(f"{label}: the key {printable(twice)!r} stands twice in one object")
        return found

    if not content.strip(BLANKS):
        raise DataError(f"{label}: is empty; a lossctl report is JSON")
    try:
        text = content.removeprefix(BOM).decode()
        found = json.loads(text, parse_constant=refuse, object_pairs_hook=once)
    except UnicodeDecodeError as error:
        raise DataError(f"{label}: byte {error.start + 1} is not UTF-8; a lossctl report is") from None
    except json.JSONDecodeError as error:
        more = "; JSON lines are no report, write -f json" if error.msg == "Extra data" else ""
        raise DataError(f"{label}: is no JSON: {error.msg.lower()} at line {error.lineno}{more}") from None
    except RecursionError:
        raise DataError(f"{label}: is nested too deeply for a lossctl report") from None
    except ValueError as error:  # a whole number of too many digits
        if isinstance(error, DataError):
            raise
        raise DataError(f"{label}: is no JSON: {str(error).splitlines()[0]}") from None
    if not isinstance(found, dict):
        raise DataError(f"{label}: is JSON, but no lossctl report, which is an object")
    return found


class Fields:
    """An object of the document, and where it stands; every field is asked for by its type."""

    def __init__(self, values: object, label: str, where: str = "") -> None:
        self.label, self.where = label, where
        if not isinstance(values, dict):
            raise self.wrong("", values, "an object")
        self.values: dict[str, Any] = values

    def wrong(self, name: str, found: object, wanted: str) -> DataError:
        """Say what a field holds and what it should."""
        place = f"{self.where}.{name}" if self.where and name else self.where or name
        shown = json.dumps(found, ensure_ascii=True)
        shown = shown if len(shown) <= 40 else f"{shown[:37]}..."
        return DataError(f"{self.label}: is no lossctl report: {place} is {shown}, and {wanted} is needed")

    def get(self, name: str) -> Any:
        if name not in self.values:
            raise DataError(f"{self.label}: is no lossctl report: {self.where or 'the object'} lacks {name!r}")
        return self.values[name]

    def text(self, name: str) -> str:
        value = self.get(name)
        if not isinstance(value, str):
            raise self.wrong(name, value, "a text")
        return value

    def text_or_none(self, name: str) -> str | None:
        return None if self.get(name) is None else self.text(name)

    def one_of(self, name: str, known: tuple[str, ...]) -> str:
        value = self.text(name)
        if value not in known:
            raise self.wrong(name, value, f"one of {listed(list(known))}")
        return value

    def flag(self, name: str) -> bool:
        value = self.get(name)
        if not isinstance(value, bool):
            raise self.wrong(name, value, "true or false")
        return value

    def whole(self, name: str) -> int:
        value = self.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.wrong(name, value, "a whole number >= 0")
        return value

    def number(self, name: str) -> float | None:
        return None if self.get(name) is None else self.finite(name, self.get(name))

    def finite(self, name: str, value: object) -> float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            try:
                if math.isfinite(value):
                    return float(value)
            except OverflowError:
                pass
        raise self.wrong(name, value, "a finite number or null")

    def ends(self, name: str) -> tuple[float, float] | None:
        value = self.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or len(value) != 2:
            raise self.wrong(name, value, "a pair of numbers or null")
        return self.finite(name, value[0]), self.finite(name, value[1])

    def texts(self, name: str) -> dict[str, str]:
        value = self.get(name)
        if not isinstance(value, dict) or not all(isinstance(word, str) for word in value.values()):
            raise self.wrong(name, value, "an object of texts")
        return dict(value)

    def objects(self, name: str) -> list[Fields]:
        value = self.get(name)
        if not isinstance(value, list):
            raise self.wrong(name, value, "a list")
        return [Fields(entry, self.label, f"{name}[{place}]") for place, entry in enumerate(value)]


def _evaluation(top: Fields) -> Evaluation:
    tool = Fields(top.get("tool"), top.label, "tool")
    inputs = tuple(_input(entry) for entry in top.objects("inputs"))
    cells = tuple(_cell(entry) for entry in top.objects("results"))
    if not inputs or not cells:
        raise top.wrong("results" if inputs else "inputs", [], "at least one entry")
    places = [(cell.model, cell.loss, tuple(cell.slice.items())) for cell in cells]
    if len(set(places)) != len(places):
        twice = next(entry for entry in places if places.count(entry) > 1)
        raise top.wrong("results", list(twice), "each model, loss and slice once")
    if unknown := {cell.model for cell in cells} - {source.model for source in inputs}:
        raise top.wrong("inputs", sorted(source.model for source in inputs), f"an entry for {sorted(unknown)[0]!r}")
    levels = [cell.level for cell in cells if cell.level is not None]
    task = None if top.get("task") is None else Fields(top.get("task"), top.label, "task")
    return Evaluation(
        cells,
        inputs,
        None if task is None else Task(task.text("name"), task.flag("inferred"), task.text("why")),
        top.one_of("reduction", ("mean", "sum")),
        levels[0] if levels else None,
        tool.text("version"),
    )


def _input(entry: Fields) -> Input:
    dropped = Fields(entry.get("dropped"), entry.label, f"{entry.where}.dropped")
    return Input(
        entry.text("model"),
        entry.text("path"),
        entry.text("data"),
        entry.whole("rows"),
        entry.whole("used"),
        entry.text("kept"),
        {name: dropped.whole(name) for name in dropped.values},
    )


def _cell(entry: Fields) -> Cell:
    status, value, reason = entry.one_of("status", STATUSES), entry.number("value"), entry.text_or_none("reason")
    if (status == "ok") != (value is not None):
        raise entry.wrong("value", value, f"{'a number' if status == 'ok' else 'null'} (the status is {status})")
    direction = entry.one_of("direction", DIRECTIONS)
    if value is None:
        infinite = -math.inf if (reason or "").startswith("-") else math.inf
        value = infinite if status == "infinite" else math.nan
    return Cell(
        model=entry.text("model"),
        loss=entry.text("loss"),
        spec=entry.text("spec"),
        slice=entry.texts("slice"),
        rows=entry.whole("n"),
        weight_sum=entry.number("weight_sum"),
        value=value,
        stderr=entry.number("stderr"),
        interval=entry.ends("ci"),
        level=entry.number("ci_level"),
        method=entry.text_or_none("ci_method"),
        interval_reason=entry.text_or_none("ci_reason"),
        direction=direction,  # type: ignore[arg-type]  # one of the three
        unit=entry.text("unit"),
        status=status,
        reason=reason,
        signature=entry.text("signature"),
        best=entry.flag("best"),
    )
