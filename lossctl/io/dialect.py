"""Dialect: how a text file is written: separators, quotes, comments, the form of numbers, marks of missing values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import chain, combinations
from typing import Any, Final

from lossctl.core.domain import way_of_list
from lossctl.errors import UsageError
from lossctl.numerics.array import is_inexact

NULLS: Final = ("", "NA", "N/A", "n/a", "#N/A", "NULL", "null", "None", "none", "<NA>")
TRUE, FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
BLANKS: Final = "blanks"  # the delimiter that is any number of spaces and tabs
NONE: Final = "none"  # the quote of a file in which quotes mean nothing
POINT: Final = "."
EXPONENT: Final = r"(?:[eE][+-]?[0-9]+)?"
WORDS: Final = r"(?i:inf|infinity|nan)"
LONGEST_MARK: Final = 8  # characters of a mark of a missing value that a message offers
SHOWN: Final = 40  # characters of a field that a message shows
PAIRS: Final = ((",", "."), (".", ","), (".", " "), (",", " "), (".", "'"))  # decimal and thousands, as people write


@dataclass(frozen=True)
class Dialect:
    """What the options say of text files; each field is the option of its name.

    delimiter: None for a comma, or a tab where the file is called .tsv; `blanks` for runs of spaces and tabs. quote:
    `none` where quotes mean nothing. comment: what begins a line that is none. null: fields that are missing, as well
    as those of `NULLS`. bad_rows: whether rows that cannot be told apart into fields are an `error`, or to `drop`.
    """

    delimiter: str | None = None
    quote: str = '"'
    escape: str | None = None
    comment: str | None = None
    decimal: str = POINT
    thousands: str | None = None
    null: tuple[str, ...] = ()
    no_header: bool = False
    bad_rows: str = "error"

    def __post_init__(self) -> None:
        """Refuse marks that no file can have, or that mean two things."""
        if self.bad_rows not in ("error", "drop"):
            raise UsageError(f"--bad-rows {self.bad_rows}: error or drop")
        for flag, mark, word, barred in (
            ("-d", self.delimiter, BLANKS, '"\r\n'),
            ("--quote", self.quote, NONE, "\r\n"),
            ("--escape", self.escape, None, "\r\n"),
        ):
            if mark is not None and mark != word and (len(mark) != 1 or not mark.isascii() or mark in barred):
                but = f", or {word!r}" if word else ""
                raise UsageError(f"{flag} {mark!r}: one ASCII character is needed{but}, and no {_spelled(barred)}")
        numbers = ("--decimal", self.decimal), ("--thousands", self.thousands)
        for flag, mark in numbers:
            if mark is not None and (len(mark) != 1 or mark.isalnum() or mark in "+-\r\n"):
                raise UsageError(f"{flag} {mark!r}: one character is needed, such as ','")
        if self.comment is not None and (not self.comment.strip() or set(self.comment) & set("\r\n")):
            raise UsageError(f"--comment {self.comment!r}: what begins a comment is needed, such as '#'")
        marks = [
            ("-d", self.delimiter),
            ("--quote", self.quote),
            ("--escape", self.escape),
            ("--comment", self.comment),
        ]
        for (flag, mark), (other_flag, other) in (*combinations(marks, 2), numbers):
            if mark is not None and mark == other:
                raise UsageError(f"{flag} and {other_flag} are both {mark!r}; each needs a character of its own")

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Dialect:
        """Return the dialect that options say, by name."""
        named = {field.name: options[field.name] for field in fields(cls) if options.get(field.name) is not None}
        named["delimiter"] = "\t" if named.get("delimiter") == r"\t" else named.get("delimiter")
        null = named.get("null", ())
        marks = (null,) if isinstance(null, str) else tuple(map(str, null))
        named["null"] = tuple(dict.fromkeys(chain.from_iterable(map(_spellings, marks))))
        return cls(**named)

    # numbers ---------------------------------------------------------------------------------------------------------

    @cached_property
    def number(self) -> str:
        """The pattern of a number, between blanks, for Python's `re` and for Arrow's."""
        point = re.escape(self.decimal)
        digits = "[0-9]+"
        if self.thousands is not None:
            digits = rf"(?:[0-9]{{1,3}}(?:{re.escape(self.thousands)}[0-9]{{3}})+|[0-9]+)"
        return rf"[ \t]*[+-]?(?:(?:{digits}(?:{point}[0-9]*)?|{point}[0-9]+){EXPONENT}|{WORDS})[ \t]*"

    @cached_property
    def _number(self) -> re.Pattern[str]:
        return re.compile(self.number)

    @property
    def plain_numbers(self) -> bool:
        """Whether numbers are written as Python writes them."""
        return self.decimal == POINT and self.thousands is None

    @cached_property
    def nulls(self) -> frozenset[str]:
        """The fields that are missing among numbers; see `is_null` for numbers written in another way."""
        return frozenset((*NULLS, *self.null))

    @cached_property
    def null_numbers(self) -> tuple[float, ...]:
        """The marks of missing values that are numbers: among numbers -999 is also -999.0, as for pandas."""
        return tuple(float(self.plain(mark)) for mark in self.null if self.kind_of(mark) == "number")

    def is_null(self, text: str) -> bool:
        """Whether a field is missing among numbers."""
        if text in self.nulls or not self.null_numbers:
            return text in self.nulls
        return self.kind_of(text) == "number" and float(self.plain(text)) in self.null_numbers

    def kind_of(self, text: str) -> str:
        """Say what a field that is not missing holds: boolean, number or text."""
        return "boolean" if text in TRUE + FALSE else "number" if self._number.fullmatch(text) else "text"

    def as_number(self, text: str) -> float:
        """Read a number, a boolean or a missing field."""
        if self.is_null(text):
            return float("nan")
        if text in TRUE + FALSE:
            return float(text in TRUE)
        return float(self.plain(text))

    def plain(self, text: str) -> str:
        """Write a number as Python does."""
        return text.replace(self.thousands or "", "").replace(self.decimal, POINT) if not self.plain_numbers else text

    def number_fault(self, text: str, boolean: bool = False, advise: bool = True) -> str:
        """Say what is wrong with a field among numbers, or among booleans, and which option reads it; or nothing."""
        kind = "boolean" if boolean else "number"
        if self.is_null(text):
            return ""
        if self.kind_of(text) == kind:
            return "" if boolean else inexact(self.plain(text))
        needed = "true or false, as the rows before it" if boolean else "a number"
        way = way_of_list(text) or (self._advice(text) if advise and not boolean else "")
        return f"{text[:SHOWN]!r} is not {needed}{way}"

    def _advice(self, text: str) -> str:
        """Name the options with which a field would be a number, or missing."""
        ways: dict[str, None] = {}
        for decimal, thousands in PAIRS:
            for other in (Dialect(decimal=decimal), Dialect(decimal=decimal, thousands=thousands)):
                flags = [] if decimal == POINT else [f"--decimal {decimal}"]
                flags += [] if other.thousands is None else [f"--thousands {_quoted(other.thousands)}"]
                if flags and other.kind_of(text) == "number" and (other.thousands is None or thousands in text):
                    ways[f"{' '.join(flags)} reads it as {other.as_number(text):.15g}"] = None
        if ways:
            return "; " + ", ".join(ways)
        short = text.strip() and len(text) <= LONGEST_MARK and text.isprintable() and not re.search("[0-9]", text)
        return f"; if it marks a missing value, add --null {_quoted(text)}" if short else ""


STANDARD: Final = Dialect()
SHORTEST_INEXACT: Final = 16  # characters of 2^53 + 1
WHOLE: Final = re.compile(r"[ \t]*[+-]?[0-9]+[ \t]*")

GAP: Final = r"[ \t\r\n]*"
ENTRY: Final = rf"[+-]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+){EXPONENT}|{WORDS})"
VECTOR: Final = rf"{GAP}\[{GAP}{ENTRY}(?:(?:{GAP},{GAP}{ENTRY})*|(?:[ \t\r\n]+{ENTRY})*){GAP}\]{GAP}"


def written_entries(text: str) -> list[str]:
    """Return the numbers of a vector written as text, as JSON or NumPy write one; nothing where it is none."""
    return text.strip(" \t\r\n[]").replace(",", " ").split() if "[" in text and re.fullmatch(VECTOR, text) else []


def vector_fault(text: str, width: int) -> str:
    """Say what is wrong with a text among vectors of some width, or nothing."""
    numbers = written_entries(text)
    if not numbers:
        return f"{text[:SHOWN]!r} is not a list of numbers, as [0.1, 0.9] in the rows before it{way_of_list(text)}"
    if len(numbers) != width:
        return f"has lists of different lengths: {width} and {len(numbers)}"
    return next(filter(None, map(inexact, numbers)), "")


def inexact(text: str) -> str:
    """Say that a whole number is beyond what a float64 holds exactly; nothing where it is not."""
    if len(text) < SHORTEST_INEXACT or not WHOLE.fullmatch(text) or not is_inexact(int(text)):
        return ""
    return inexact_number(text.strip())


def inexact_number(digits: object) -> str:
    """Word that a whole number is not held exactly by a float64."""
    return (
        f"{str(digits)[:SHOWN]} is a whole number beyond 2^53 that a float64 cannot hold exactly; take a common offset "
        "off all columns, or store it as a float if it may be rounded"
    )


def _spellings(mark: str) -> Iterator[str]:
    """Yield a mark of missing values and, if it is a whole number, the ways in which pandas takes it for a text."""
    yield mark
    with suppress(ValueError, OverflowError):
        if (number := float(mark)).is_integer():
            yield from (f"{number:.0f}", f"{number:.1f}")


def _quoted(mark: str) -> str:
    """Write a mark as a shell takes it."""
    import shlex

    return shlex.quote(mark)


def _spelled(marks: str) -> str:
    return "quote or line end" if '"' in marks else "line end"
