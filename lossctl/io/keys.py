"""Keys as hashes, a block at a time: equal keys have equal hashes, whatever column type or container holds them.

A whole number is hashed one to one. Any other key is its label's text, hashed to 128 bits: two of a billion different
texts meet with a probability below 1e-20.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lossctl.core.fingerprint import Hashes, stirred
from lossctl.core.labels import label
from lossctl.io import arrow
from lossctl.io.table import Keys
from lossctl.numerics.array import Mask

WORD: Final = 8  # bytes hashed at a time
KEPT: Final = np.array([(1 << 8 * n) - 1 for n in range(WORD)] + [(1 << 64) - 1], dtype=np.uint64)
ZEROS, ABOVE_NINE = np.uint64(0x3030303030303030), np.uint64(0x4646464646464646)
NO_DIGIT: Final = np.uint64(0x8080808080808080)
LONGEST_NUMBER: Final = 20  # characters of the longest whole number of 64 bits
OTHER_SEED: Final = np.uint64(0x9E3779B97F4A7C15)  # of the second hash of a text: 2^64 over the golden ratio
SPELLED_OTHERWISE: Final = (b"True", b"TRUE", b"False", b"FALSE")
LABELS: Final = ("true", "false")


def keys(array: pa.Array) -> Keys:
    """Hash the keys of one Arrow array of numbers, text, booleans, dates or dictionaries of these."""
    arrow.check_single(array.type)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    rows = len(array)
    there = arrow.valid(array)
    null = None if there is None else ~there
    if not rows:
        return Keys(np.empty(0, np.uint64), None)
    if pa.types.is_signed_integer(array.type):
        numbers = np.array(arrow.buffer_of(array.cast(pa.int64()), np.int64))
        return Keys(_of_numbers(numbers), None, null, numbers if null is None else None)
    nan = arrow.not_a_number(array)
    if nan is not None:
        null = nan if null is None else null | nan
    text = arrow.as_text(array)
    offsets = np.frombuffer(text.buffers()[1], dtype=np.int32)[text.offset : text.offset + rows + 1].astype(np.int64)
    data = np.frombuffer(text.buffers()[2] or b"", dtype=np.uint8)
    found = of_texts(offsets, data)
    empty = np.diff(offsets) == 0
    null = empty if null is None else null | empty
    if null.any():
        return Keys(found.hashes, found.shown_check, null)
    return Keys(found.hashes, found.shown_check, None, text if found.plain else found.numbers)


@dataclass(frozen=True)
class _Found:
    """Hashes of texts, a second one that is 0 for whole numbers, and the numbers if all texts are."""

    hashes: Hashes
    check: Hashes
    numbers: NDArray[np.int64] | None
    plain: bool  # no text is a whole number, and none is spelled otherwise than its label

    @property
    def shown_check(self) -> Hashes | None:
        return self.check if self.check.any() else None


def _of_words(words: Sequence[str]) -> _Found:
    encoded = [word.encode() for word in words]
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    return of_texts(offsets, np.frombuffer(b"".join(encoded), dtype=np.uint8))


def _of_numbers(numbers: NDArray[np.int64]) -> Hashes:
    return stirred(stirred(numbers.view(np.uint64) ^ OTHER_SEED))


def of_texts(offsets: NDArray[np.int64], data: NDArray[np.uint8]) -> _Found:
    """Hash texts: text i is data[offsets[i] : offsets[i + 1]]."""
    starts, lengths = offsets[:-1], np.diff(offsets)
    padded = np.concatenate([data, np.zeros(WORD, np.uint8)])
    windows = np.ndarray((len(data) + 1,), dtype="<u8", buffer=padded.data, strides=(1,))  # every 8 bytes in a row
    hashes = stirred(lengths.astype(np.uint64))
    check = stirred(lengths.astype(np.uint64) ^ OTHER_SEED)
    digits = (lengths > 0) & (lengths <= LONGEST_NUMBER)
    signs = padded[starts] == ord("-")
    leads = padded[np.minimum(starts + signs, len(data))]
    digits &= (lengths > signs) & ((leads != ord("0")) | (lengths == 1))
    for place in range(0, int(lengths.max(initial=0)), WORD):
        left = np.clip(lengths - place, 0, WORD)
        word = windows[np.minimum(starts + place, len(data))] & KEPT[left]
        if place < LONGEST_NUMBER:
            shown = word | (ZEROS & ~KEPT[left])
            if place == 0:
                shown = np.where(signs, (shown & ~np.uint64(0xFF)) | np.uint64(ord("0")), shown)
            digits &= (((shown + ABOVE_NINE) | (shown - ZEROS)) & NO_DIGIT) == 0
        longer = left > 0
        if longer.all():
            hashes, check = stirred(hashes ^ word), stirred(stirred(check ^ word))
        else:
            hashes = np.where(longer, stirred(hashes ^ word), hashes)
            check = np.where(longer, stirred(stirred(check ^ word)), check)
    numeric, numbers = np.zeros(len(lengths), dtype=bool), np.zeros(len(lengths), dtype=np.int64)
    whole, values = _numbers(np.flatnonzero(digits), starts + signs, lengths - signs, signs, padded)
    hashes[whole], check[whole] = _of_numbers(values), 0
    numeric[whole], numbers[whole] = True, values
    ends = padded[np.maximum(offsets[1:] - 2, 0)], padded[np.maximum(offsets[1:] - 1, 0)]
    odd = (lengths > 2) & (ends[0] == ord(".")) & (ends[1] == ord("0"))
    first = windows[np.minimum(starts, len(data))] & KEPT[np.minimum(lengths, WORD)]
    for spelling in SPELLED_OTHERWISE:
        odd |= (lengths == len(spelling)) & (first == np.uint64(int.from_bytes(spelling, "little")))
    respelled = np.flatnonzero(odd)
    if len(respelled):
        raw = data.tobytes()
        bounds = zip(offsets[respelled].tolist(), offsets[respelled + 1].tolist(), strict=True)
        words = [label(raw[start:end].decode("utf-8", errors="replace")) for start, end in bounds]
        other = [
            place
            for place, (row, word) in enumerate(zip(respelled.tolist(), words, strict=True))
            if len(word.encode()) != lengths[row] or word in LABELS
        ]
        if other:
            found, at = _of_words([words[place] for place in other]), respelled[other]
            hashes[at], check[at] = found.hashes, found.check
            if found.numbers is not None:
                numeric[at], numbers[at] = True, found.numbers
        respelled = respelled[other]
    return _Found(hashes, check, numbers if numeric.all() else None, not numeric.any() and not len(respelled))


def _numbers(
    rows: NDArray[np.int64],
    starts: NDArray[np.int64],
    digits: NDArray[np.int64],
    negative: Mask,
    data: NDArray[np.uint8],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Read the texts of these rows, all digits, as numbers; return the rows whose number has 64 bits, and these."""
    rows = rows[digits[rows] <= LONGEST_NUMBER - 1]
    starts, digits, negative = starts[rows], digits[rows], negative[rows]
    size = np.zeros(len(rows), dtype=np.uint64)
    for place in range(int(digits.max(initial=0))):
        here = place < digits
        digit = data[np.where(here, starts + place, 0)] - np.uint64(ord("0"))
        size = np.where(here, size * np.uint64(10) + digit, size)
    fits = size <= np.uint64((1 << 63) - 1)
    values = size.astype(np.int64)
    values[negative] *= -1
    fits &= ~(negative & (size == 0))  # -0 is a text of its own unless its label says otherwise
    return rows[fits], values[fits]
