"""JSON of results: written from the fields of a class, read back by their types, in one schema for all commands.

A key is the name of a field, unless the class says otherwise in `KEYS`, which also settles the order of keys.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from itertools import chain
from json.encoder import encode_basestring_ascii
from operator import attrgetter
from typing import Any, ClassVar, Final, Literal, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from lossctl.errors import DataError, UsageError, first_line, listed, printable

SCHEMA_VERSION: Final = 1
SEAL: Final = "seal"  # the last key of a report
PLAIN: Final = frozenset({str, int, bool, type(None)})  # JSON has these as they are
ENCODE: Final = json.JSONEncoder(allow_nan=False).encode  # one encoder: json.dumps makes one for each record
QUOTE: Final = encode_basestring_ascii  # what this writes of a text
MANY: Final = 4096  # texts whose digest is worth a thread, which leaves the interpreter to others
BLANKS: Final = b" \t\r\n"
BOM: Final = b"\xef\xbb\xbf"
Result = TypeVar("Result")
Slice = Mapping[str, str]  # column -> value; empty for all rows
Place = tuple[str, str, tuple[tuple[str, str], ...]]  # model, loss, items of the slice


class NullWord(str):
    """The word of the slice of rows that have none, null in JSON: `(missing)`, in more brackets if that is a value."""

    __slots__ = ()

    @classmethod
    def beside(cls, words: Collection[str | None]) -> NullWord:
        """Return the word with as many brackets as make it unlike all others."""
        text = "(missing)"
        while text in words:
            text = f"({text})"
        return cls(text)


class PublicResult:
    """What a function of the Python interface returns: `print` shows it as a terminal does, a console in a short line.

    RENDER: the name of the module whose `render` makes the text; a name, as rooms above are not imported. COMMAND: what
    prints it on the command line.
    """

    RENDER: ClassVar[str]
    COMMAND: ClassVar[str]
    version: str

    def __str__(self) -> str:
        style = above("output.text").Style()
        return str(above(self.RENDER).render(self, "table", style)).rstrip("\n")

    def __repr__(self) -> str:
        return f"<lossctl.{type(self).__name__}: {self.short}>"

    @property
    def short(self) -> str:
        """What it is, in a line."""
        raise NotImplementedError  # abstract: each result says it

    def document(self) -> dict[str, Any]:
        """Return the JSON document as plain values; None stands for a number that is not finite."""
        return {**head(self.COMMAND, self.version), **record(self)}

    def to_json(self) -> str:
        """Return the JSON document that `-f json` of the command prints."""
        return indented(self.document())


def above(name: str) -> Any:
    """Return a module of a room above by its name."""
    return import_module(f"lossctl.{name}")


# writing -------------------------------------------------------------------------------------------------------------


@cache
def keys(kind: Any) -> tuple[tuple[str, str], ...]:
    """Return the JSON keys of a class in their order, each with the attribute that it stands for.

    `KEYS` of a class is a text such as `"model n=rows value"`; without it the fields are the keys.
    """
    words = kind.KEYS.split() if hasattr(kind, "KEYS") else _field_names(kind)
    return tuple((key, attribute or key) for key, _, attribute in (word.partition("=") for word in words))


def _field_names(kind: Any) -> Sequence[str]:
    return kind._fields if hasattr(kind, "_fields") else [field.name for field in fields(kind)]


def record(result: Any, *, strict: bool = True) -> dict[str, Any]:
    """Return a result as plain values by JSON key.

    strict: a number that is not finite becomes None, as JSON has none; otherwise it stays.
    """
    kind: Any = type(result)
    names, values = _getter(kind)
    return {
        name: value if type(value) in PLAIN else _plain(value, strict)
        for name, value in zip(names, values(result), strict=True)
    }


@cache
def _getter(kind: Any) -> tuple[list[str], Callable[[object], tuple[Any, ...]]]:
    """Return the keys of a class, and what gives all values of an instance at once: reports have many cells."""
    return [key for key, _ in keys(kind)], attrgetter(*(attribute for _, attribute in keys(kind)))


def _plain(value: Any, strict: bool) -> Any:
    kind = type(value)
    if kind in PLAIN:
        return value
    if kind is NullWord:
        return None
    if isinstance(value, float):
        return None if strict and not math.isfinite(value) else value
    if isinstance(value, Mapping):
        return {key: _plain(entry, strict) for key, entry in value.items()}
    if kind in (tuple, list):
        return [_plain(entry, strict) for entry in value]
    return record(value, strict=strict)


def flat(result: Any, *, strict: bool = True) -> dict[str, Any]:
    """Return the record of a result as one line of a table, its slice and interval spread over several columns."""
    line: dict[str, Any] = {}
    for key, value in record(result, strict=strict).items():
        if key == "slice":
            line.update({f"slice.{column}": str(word) for column, word in result.slice.items()})
        elif key == "ci":
            line["ci_low"], line["ci_high"] = value or (None, None)
        else:
            line[key] = value
    return line


def head(command: str, version: str, plugins: Sequence[str] | None = None) -> dict[str, Any]:
    """Return how every document begins. plugins: package and version of each, where the command uses any."""
    tool: dict[str, Any] = {"name": "lossctl", "version": version}
    if plugins is not None:
        pieces = (origin.rpartition(" ") for origin in plugins)
        tool["plugins"] = [{"name": name, "version": package_version} for name, _, package_version in pieces]
    return {"schema_version": SCHEMA_VERSION, "tool": tool, "command": command, "created": created()}


def created() -> str:
    """Return the time, or that of SOURCE_DATE_EPOCH where a build must be reproducible."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    try:
        moment = datetime.fromtimestamp(int(epoch), UTC) if epoch and epoch.isdecimal() else datetime.now(UTC)
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"SOURCE_DATE_EPOCH {printable(epoch or '')!r}: seconds since 1970, up to year 9999") from None
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@cache
def environment() -> dict[str, Any]:
    """Return what the last bits depend on besides the data: NumPy's version and the CPU features it uses."""
    import numpy as np  # here, so that starting costs nothing

    config = np.show_config(mode="dicts")
    simd = config.get("SIMD Extensions", {}) if config else {}
    return {"numpy": np.__version__, "cpu": [*simd.get("baseline", []), *simd.get("found", [])]}


class Entries(NamedTuple):
    """The entries of a field, some at a time, which are JSON texts already."""

    texts: Iterator[list[str]]


def text(document: Mapping[str, Any], *, sealed: bool = False) -> str:
    """Return a document as JSON text with one field per line, and one entry per line of a field that is a list."""
    return "".join(pieces(document, sealed=sealed))


def pieces(document: Mapping[str, Any], *, sealed: bool = False) -> Iterator[str]:
    """Yield the same in pieces, as a document may not fit into memory. sealed: whether it ends with its seal."""
    begin, seal = "{\n", Seal()
    for name, value in document.items():
        seal.add(ENCODE(name))
        yield f"{begin}  {ENCODE(name)}: "
        if isinstance(value, Entries | list):
            texts = value.texts if isinstance(value, Entries) else iter([list(map(ENCODE, value))])
            yield from _entries(seal.added(texts))
        else:
            seal.add(ENCODE(value))
            yield ENCODE(value)
        begin = ",\n"
    yield f'{begin}  "{SEAL}": {ENCODE(seal.text)}\n}}\n' if sealed else "\n}\n"


class Seal:
    """The digest of all texts of a document in their order: it tells that a hand changed a value, not whose."""

    def __init__(self) -> None:
        from hashlib import blake2b  # here, as it loads OpenSSL, and a list of losses has no seal

        self._digest = blake2b(digest_size=8)

    def add(self, *texts: str) -> None:
        """Take in texts, each the JSON of a name, a value or an entry."""
        self._digest.update("\n".join((*texts, "")).encode())

    def added(self, texts: Iterator[list[str]]) -> Iterator[list[str]]:
        """Yield lists of texts unchanged, and add them; long lists in a thread, while the next ones are made."""
        from concurrent.futures import Future, ThreadPoolExecutor  # here, so that starting costs nothing

        task: Future[None] = Future()
        task.set_result(None)
        with ThreadPoolExecutor(1) as pool:  # its thread starts with the first task
            for some in texts:
                task.result()
                if len(some) < MANY:
                    self.add(*some)
                else:
                    task = pool.submit(self.add, *some)
                yield some

    @property
    def text(self) -> str:
        """The digest."""
        return self._digest.hexdigest()

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> str:
        """Return the seal that a document should have."""
        seal = cls()
        for name, value in document.items():
            if name != SEAL:
                seal.add(
                    ENCODE(name),
                    *(ENCODE(_plain(entry, True)) for entry in (value if isinstance(value, list) else [value])),
                )
        return seal.text


def _entries(texts: Iterator[list[str]]) -> Iterator[str]:
    begin = "[\n    "
    for some in filter(None, texts):
        yield begin + ",\n    ".join(some)
        begin = ",\n    "
    yield "[]" if begin[0] == "[" else "\n  ]"


def indented(document: Mapping[str, Any]) -> str:
    """Return a document as JSON text, indented throughout."""
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


# reading -------------------------------------------------------------------------------------------------------------


def parse(content: bytes, label: str) -> dict[str, Any]:
    """Parse a document strictly: UTF-8, no NaN or infinity, no key twice. label: what errors call it."""

    def refuse(word: str) -> None:
        raise DataError(f"{label}: holds {word}, which is no JSON; a lossctl report never does")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(pairs)
        if len(values) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise DataError(f"{label}: the key {printable(twice)!r} stands twice in one object")
        return values

    if not content.strip(BLANKS):
        raise DataError(f"{label}: is empty; a lossctl report is JSON")
    try:
        document = json.loads(content.removeprefix(BOM).decode(), parse_constant=refuse, object_pairs_hook=unique)
    except UnicodeDecodeError as error:
        raise DataError(f"{label}: byte {error.start + 1} is not UTF-8; a lossctl report is") from None
    except json.JSONDecodeError as error:
        more = "; JSON lines are no report, write -f json" if error.msg == "Extra data" else ""
        raise DataError(
            f"{label}: is no JSON: {error.msg.lower().removesuffix(' at')} at line {error.lineno}{more}"
        ) from None
    except RecursionError:
        raise DataError(f"{label}: is nested too deeply for a lossctl report") from None
    except ValueError as error:  # a whole number of too many digits
        if isinstance(error, DataError):
            raise
        raise DataError(f"{label}: is no JSON: {first_line(error)}") from None
    if not isinstance(document, dict):
        raise DataError(f"{label}: is JSON, but no lossctl report, which is an object")
    _name_missing(document)
    return document


def _name_missing(document: Mapping[str, Any]) -> None:
    """Name slices of rows without a word, null in JSON, by a word that no other slice of the column has."""
    lists = [value for value in document.values() if isinstance(value, list)]
    entries = [entry for entry in chain.from_iterable(lists) if isinstance(entry, dict)]
    slices = [entry["slice"] for entry in entries if isinstance(entry.get("slice"), dict)]
    words: dict[str, set[Any]] = {}
    for slice_ in slices:
        for column, word in slice_.items():
            words.setdefault(column, set()).add(word if isinstance(word, str) else None)
    names = {column: NullWord.beside(column_words) for column, column_words in words.items() if None in column_words}
    for slice_ in slices if names else ():
        slice_.update({column: names[column] for column, word in slice_.items() if word is None})


class Entry:
    """An object of a document, and where it stands in it; every value is read by its key and type."""

    def __init__(self, values: object, label: str, path: str = "") -> None:
        self.label, self.path = label, path
        if not isinstance(values, dict):
            raise self.wrong("", values, "an object")
        self.values: dict[str, Any] = values

    def wrong(self, key: str, value: object, requirement: str) -> DataError:
        """Return the error that says what a key holds and what it should."""
        place = f"{self.path}.{key}" if self.path and key else self.path or key
        text = json.dumps(value, ensure_ascii=True)
        text = text if len(text) <= 40 else f"{text[:37]}..."
        return DataError(f"{self.label}: is no lossctl report: {place} is {text}, and {requirement} is needed")

    def value(self, key: str) -> Any:
        """Return what a key holds; raise DataError where there is no such key."""
        if key not in self.values:
            raise DataError(f"{self.label}: is no lossctl report: {self.path or 'the object'} lacks {key!r}")
        return self.values[key]

    def read(self, key: str, kind: Any) -> Any:
        """Return what a key holds, as a type; raise DataError where it is of another. kind: as a field's annotation."""
        value = self.value(key)
        if get_origin(kind) is Literal:
            words = get_args(kind)
            if self.read(key, str) not in words:
                raise self.wrong(key, value, f"one of {listed(list(words))}")
            return value
        if kind == Mapping[str, int]:
            counts = self.entry(key)
            return {name: counts.read(name, int) for name in counts.values}
        requirement, convert = READERS[kind]
        converted = convert(value)
        if converted is None and (value is not None or type(None) not in get_args(kind)):
            raise self.wrong(key, value, requirement)
        return converted

    def instance(self, kind: Callable[..., Result], **values: object) -> Result:
        """Return the object as an instance of a result's class. values: attributes that are not read."""
        types = get_type_hints(kind)
        entries = {
            attribute: self.read(key, types[attribute])
            for key, attribute in keys(kind)
            if attribute in types and attribute not in values
        }
        return kind(**entries, **values)

    def optional(self, key: str, kind: type[Result]) -> Result | None:
        """Return the object that a key holds as an instance; None where there is none."""
        return None if self.values.get(key) is None else self.entry(key).instance(kind)

    def entry(self, key: str) -> Entry:
        """Return the object that a key holds."""
        return Entry(self.value(key), self.label, f"{self.path}.{key}" if self.path else key)

    def entries(self, key: str) -> list[Entry]:
        """Return the objects of the list that a key holds."""
        values = self.value(key)
        if not isinstance(values, list):
            raise self.wrong(key, values, "a list")
        return [Entry(value, self.label, f"{key}[{place}]") for place, value in enumerate(values)]


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _number(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value) if math.isfinite(value) else None
        except OverflowError:
            pass
    return None


def _interval(value: object) -> tuple[float, float] | None:
    ends = [_number(end) for end in value] if isinstance(value, list) else []
    return (ends[0], ends[1]) if len(ends) == 2 and ends[0] is not None and ends[1] is not None else None


def _wide_number(value: object) -> float | None:
    return math.nan if value is None else _number(value)


def _list(value: object) -> tuple[str, ...] | None:
    return tuple(value) if isinstance(value, list) and all(isinstance(word, str) for word in value) else None


def _numbers(value: object) -> dict[str, float] | None:
    numbers = {name: _number(entry) for name, entry in value.items()} if isinstance(value, dict) else None
    return None if numbers is None or None in numbers.values() else numbers  # type: ignore[return-value]  # no None


def _texts(value: object) -> dict[str, str] | None:
    return dict(value) if isinstance(value, dict) and all(isinstance(word, str) for word in value.values()) else None


READERS: Final[Mapping[Any, tuple[str, Callable[[object], Any]]]] = {  # type -> what is needed, value or None
    str: ("a text", lambda value: value if isinstance(value, str) else None),
    str | None: ("a text", lambda value: value if isinstance(value, str) else None),
    bool: ("true or false", lambda value: value if isinstance(value, bool) else None),
    int: ("a whole number >= 0", _count),
    int | None: ("a whole number >= 0 or null", _count),
    float: ("a number or null", _wide_number),
    float | None: ("a finite number or null", _number),
    tuple[float, float] | None: ("a pair of numbers or null", _interval),
    Mapping[str, str]: ("an object of texts", _texts),
    Mapping[str, float]: ("an object of numbers", _numbers),
    tuple[str, ...]: ("a list of texts", _list),
    tuple[str, ...] | None: ("null or a list of labels", _list),
}
