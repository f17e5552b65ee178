"""JSON records: one line of text to its members, strictly, and what of it a message shows."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, Final

from lossctl.errors import printable

ALLOWED: Final = 'each line is one JSON object, as {"y": 1.5, "p": 2}'
MOST_DIGITS: Final = 310  # of a whole number that may be a float64


class Fault(Exception):
    """What is wrong with a line, to be put behind the place where it stands."""


class Pairs(list[tuple[str, Any]]):
    """The members of one object, in order, told apart from a list."""


def _refuse(word: str) -> None:
    raise Fault(f': holds {word}, which is no JSON; a missing value is null, an infinite one the text "inf"')


def _whole(digits: str) -> int | float:
    """Read a whole number; as a float where it is none of 64 bits in any case, or would lose its sign."""
    return float(digits) if digits == "-0" or len(digits) > MOST_DIGITS else int(digits)


DECODER: Final = json.JSONDecoder(object_pairs_hook=Pairs, parse_int=_whole, parse_constant=_refuse)


def record(line: bytes, wanted: Collection[str] | None = None) -> dict[str, Any]:
    """Return the members of the object on a line; raise Fault where there is none, or a wanted one stands twice."""
    if not line.strip():
        raise Fault(f": the line is empty; {ALLOWED}")
    try:
        found = DECODER.decode(line.decode())
    except UnicodeDecodeError as error:
        raise Fault(f": byte {error.start + 1} of the line is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise Fault(f": no JSON object: {error.msg.lower()} at character {error.colno}; {ALLOWED}") from None
    except RecursionError:
        raise Fault(f": nested too deeply; {ALLOWED}") from None
    if not isinstance(found, Pairs):
        raise Fault(f": holds {described(found)}; {ALLOWED}")
    members = dict(found)
    if len(members) < len(found):
        names = [name for name, _ in found if wanted is None or name in wanted]
        for name in members:
            if names.count(name) > 1:
                raise Fault(f": the key {printable(name)!r} stands twice in one object")
    return members


def described(value: object) -> str:
    """Say what a value is that has no place where it stands."""
    if isinstance(value, Pairs):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return "a text" if isinstance(value, str) else written(value)


def written(value: object) -> str:
    """Write a value as a message shows it, or as a text file holds it."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "{...}" if isinstance(value, Pairs) else "[...]"
    return json.dumps(value) if value is None or isinstance(value, bool) else repr(value)
