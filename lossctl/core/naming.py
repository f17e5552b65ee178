"""Naming: which class or output each of several columns is, by its name, else by its place."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from itertools import combinations, product
from typing import Final, Literal, NamedTuple

import numpy as np

from lossctl.core.domain import ClassCodes, OpenCodes, as_number, label, way_of_list
from lossctl.errors import UsageError, listed, printable
from lossctl.numerics.array import Array

GLOB: Final = "?[,"  # in a pattern, more than a star
TRUTH: Final = ("false", "true")  # labels of 0 and 1 in arrays of booleans
MOST_CLASSES: Final = 1000  # different numbers of a target that may be classes without being declared so
MOST_CUTS: Final = 8  # places at which what all names begin with may end

# names ----------------------------------------------------------------------------------------------------------------


def output_names(pattern: str, columns: Sequence[str]) -> tuple[str, ...] | None:
    """Name the columns of a role by class or output; None where only their position tells."""
    if len(columns) < 2:
        return None
    names: list[str] = []
    if pattern.count("*") == 1 and not set(GLOB) & set(pattern):
        prefix, suffix = pattern.split("*")
        names = [name[len(prefix) : len(name) - len(suffix)] for name in columns]
    elif all("_" in name for name in columns):
        names = [name.rpartition("_")[2] for name in columns]
    return tuple(names) if _tell_apart(names) else None


def namings(columns: Sequence[str], pattern: str) -> list[tuple[str, ...]]:
    """Return what columns may be called, the likeliest first: without what all begin or end with, or in full."""
    if len(columns) < 2:
        return []
    begin, end = _alike(columns), _alike([name[::-1] for name in columns])
    starts = [cut for cut in range(begin, 0, -1) if all(_is_cut(name, cut) for name in columns)]
    stops = [cut for cut in range(end, 0, -1) if all(_is_cut(name, len(name) - cut) for name in columns)]
    cuts = product([*starts[:MOST_CUTS], 0], [*stops[:MOST_CUTS], 0])
    stripped = [[name[start : len(name) - stop] for name in columns] for start, stop in cuts]
    texts = [output_names(pattern, columns) or (), *stripped, [name.partition("_")[0] for name in columns]]
    return [names for names in dict.fromkeys(map(tuple, texts)) if _tell_apart(names)]


def _alike(names: Sequence[str]) -> int:
    """Return how many characters all names begin with alike."""
    first, last = min(names), max(names)
    return next((place for place, pair in enumerate(zip(first, last, strict=False)) if len(set(pair)) > 1), len(first))


def _tell_apart(names: Sequence[str]) -> bool:
    return bool(names) and len(set(names)) == len(names) and all(names)


def _is_cut(name: str, place: int) -> bool:
    """Whether a word or number may end before this place of a name and another begin there."""
    if not 0 < place < len(name):
        return False
    before, after = name[place - 1], name[place]
    if before.isdigit() and after.isdigit():
        return False
    return not (before.isalpha() and after.isalpha()) or (before.islower() and after.isupper())


def labels_by_name(columns: Sequence[str], pattern: str, words: Sequence[str]) -> tuple[str, ...] | None:
    """Return the labels of columns where each of the words is what one column is called, begins or ends with.

    Raises UsageError where words may be either of two columns.
    """
    orders = readings(columns, pattern, words)
    for names in orders.values():
        for name, twin in combinations(names, 2):
            if label(name) == label(twin) and label(name) in words and not {name, twin} <= set(words):
                raise UsageError(
                    f"the columns {name} and {twin} are one number, and so are such labels of the target; "
                    f"write labels that are no numbers, as v{name} and v{twin}"
                )
    if len(orders) > 1:
        raise UsageError(
            f"the columns {names_of(columns)} are named in two ways by labels of the target; "
            f"{classes_to_give(words, len(columns), columns)}"
        )
    return next(iter(orders.values()), None)


def readings(columns: Sequence[str], pattern: str, words: Sequence[str]) -> dict[tuple[int, ...], tuple[str, ...]]:
    """Return the places of the columns that words may name, with the labels of all columns then."""
    if len(columns) < 2:
        return {}
    orders = {codes_of(names, words): names for names in reversed(namings(columns, pattern))}
    orders.pop(None, None)
    orders = orders or {codes_of(names, words): names for names in _with_ends(columns, words)}
    if not orders:
        orders = {codes_of(names, words): names for names in _spelled_otherwise(namings(columns, pattern), words)}
    return {codes: names for codes, names in orders.items() if codes is not None}


def codes_of(names: Sequence[str], words: Sequence[str]) -> tuple[int, ...] | None:
    """Return the column of each word; None where a word has no column."""
    codes = ClassCodes(names).of(words)[:-1].tolist()
    return None if any(code < 0 for code in codes) else tuple(codes)


def _with_ends(columns: Sequence[str], words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield the labels of columns that begin or end with words, each with another one, if that is so."""
    names = list(columns)
    places: set[int] = set()
    for word in words:
        spellings = (word, word.title(), word.upper()) if word in TRUTH else (word,)
        matches = [place for place, name in enumerate(columns) if any(_at_end(name, text) for text in spellings)]
        if len(matches) != 1 or matches[0] in places:
            return
        places.add(matches[0])
        names[matches[0]] = word
    yield tuple(names)


def _spelled_otherwise(candidates: Sequence[tuple[str, ...]], words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield the labels of columns whose names are words but for case and signs, as `very_good` for `Very good`."""
    if not words or any(as_number(word) is not None for word in words):
        return
    for names in candidates:
        keys = [_key(name) for name in names]
        labels = {_key(word): word for word in words}
        if len(set(keys)) == len(keys) and len(labels) == len(words) and labels.keys() <= set(keys):
            yield tuple(labels.get(key, name) for key, name in zip(keys, names, strict=True))


def _key(text: str) -> str:
    """Write a text without case, and every sign as an underscore."""
    return "".join(char if char.isalnum() else "_" for char in text.casefold())


def counterpart(name: str, label: str, other_label: str) -> str:
    """Return the name of a column of another label, where this one ends or begins with a label; nothing elsewhere."""
    if not _at_end(name, label):
        return ""
    at_end = name.endswith(label)
    return name[: len(name) - len(label)] + other_label if at_end else other_label + name[len(label) :]


def _at_end(name: str, text: str) -> bool:
    starts = name.startswith(text) and _is_cut(name, len(text))
    return name == text or starts or (name.endswith(text) and _is_cut(name, len(name) - len(text)))


# predictions that are classes ----------------------------------------------------------------------------------------


def may_be_classes(labels: Array) -> bool:
    """Whether a target of numbers may be class labels: few different values, and not all of them in [0, 1]."""
    values = np.unique(labels)
    return 0 < len(values) <= MOST_CLASSES and bool(((values < 0.0) | (values > 1.0)).any())


def are_classes(labels: Array, pred: Array) -> bool:
    """Whether numbers are predicted classes, given those of the target: whole, or labels of the target."""
    values = np.unique(pred)
    if np.isin(labels, (-1.0, 1.0)).all():
        return -1.0 in values and bool(np.isin(values, (-1.0, 1.0)).all())
    return bool(((values == np.rint(values)) | np.isin(values, labels)).all())


def misread(labels: Sequence[str], words: Sequence[str], option: str = "--classes ") -> str:
    """Say why words can be no predicted classes where the target holds these labels; nothing where they can."""
    codes = OpenCodes(labels)
    strange = [word for word, code in zip(words, codes.of(words)[:-1].tolist(), strict=True) if code >= len(labels)]
    for word in strange:
        value = as_number(word)
        if value is not None and not value.is_integer():
            return f"{printable(word)!r} is no label of the target, though predictions are classes here"
    if not words or len(strange) < len(words):
        return ""
    predictions, targets = (listed([repr(printable(word)) for word in column], 3) for column in (words, labels))
    classes = shlex.quote(",".join(map(printable, dict.fromkeys([*labels, *words]))))
    way = way_of_list(words[0]) or f"; {option}{classes} says that all of these are classes"
    return f"no prediction is a label of the target: it holds {predictions}, the target {targets}{way}"


# classes --------------------------------------------------------------------------------------------------------------


class Classes(NamedTuple):
    """The labels of the prediction columns, in their order, and what says so: --classes, their names or their place."""

    labels: tuple[str, ...]
    by: Literal["option", "names", "position"]


def labels_of(columns: Sequence[str], pattern: str, words: Sequence[str], width: int) -> Classes:
    """Return the labels of the columns of a model: by their names, or by their place where names say nothing."""
    names = labels_by_name(columns, pattern, words)
    if names is not None:
        return Classes(names, "names")
    candidates = namings(columns, pattern)
    numbers = bool(candidates) and all(as_number(name) is not None for name in candidates[0])
    some_match = any(codes_of(names, [word]) is not None for names in candidates for word in words)
    some_match = some_match or any(_at_end(name, word) for name in columns for word in words)
    codes = tuple(map(str, range(width)))
    if width == 2 and words and set(words) <= set(TRUTH):
        codes = TRUTH
    if candidates and (numbers or some_match or codes_of(codes, words) is None):
        # labels that the data contradict: its first row that does is named
        likeliest = max(candidates, key=lambda names: sum(codes_of(names, [word]) is not None for word in words))
        return Classes(likeliest, "names")
    return Classes(codes, "position")


def split_labels(text: str) -> tuple[str, ...]:
    """Return the labels that --classes lists; raise UsageError where one is named twice."""
    labels = tuple(label.strip() for label in text.split(","))
    if len(set(labels)) != len(labels):
        raise UsageError(f"--classes {text}: a class is named twice")
    return labels


def listed_classes(text: str, width: int) -> tuple[str, ...]:
    """Return the labels that --classes lists; raise UsageError where they are not one for each of `width` columns."""
    labels = split_labels(text)
    if len(labels) != width:
        raise UsageError(f"--classes names {len(labels)} classes, but the prediction has {width} columns")
    return labels


def classes_to_give(words: Sequence[str], width: int, columns: Sequence[str] = ()) -> str:
    """Say what --classes has to say of `width` columns, as far as some labels of the data tell."""
    values = {word: as_number(word) for word in dict.fromkeys(words)}
    numbers = [value for value in values.values() if value is not None]
    labels = sorted(values)
    if len(numbers) == len(values):
        labels.sort(key=lambda word: values[word] or 0.0)
    if numbers and len(numbers) == len(values) < width and all(value.is_integer() for value in numbers):
        first = 0 if min(numbers) >= 0 and max(numbers) < width else int(min(numbers))
        labels = list(map(str, range(first, first + width))) if max(numbers) < first + width else labels
    labels = _in_order_of(columns, labels)
    example = shlex.quote(",".join(map(printable, labels))) if len(labels) == width else "LABEL,..."
    order = f"{width} columns in their order" if len(columns) < 2 else f"columns {names_of(columns)}"
    return f"--classes{'=' if example.startswith('-') else ' '}{example} says which labels the {order} are"


def _in_order_of(columns: Sequence[str], labels: list[str]) -> list[str]:
    """Return labels in the order of columns that end or begin with one each, wherever that one begins in a name."""
    longest_first = sorted(labels, key=len, reverse=True)
    orders = {
        tuple(next((text for text in longest_first if at_end(name, text)), "") for name in columns)
        for at_end in (str.endswith, str.startswith)
    }
    orders = {order for order in orders if sorted(order) == sorted(labels)}
    return list(orders.pop()) if len(orders) == 1 else labels


def names_of(columns: Sequence[str]) -> str:
    """Name columns for a message."""
    return listed(list(map(printable, columns)), 4)
