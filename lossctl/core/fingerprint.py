"""Fingerprint: a digest of rows that merges. Each row is hashed with its address or key; row hashes add modulo 2^64.

So blocks may come in any order, from any thread and container, and rows that are told apart by a key may stand in
any order too.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lossctl.core.batch import BLOCK

Hashes = NDArray[np.uint64]

MODULUS: Final = 1 << 64
FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)  # of splitmix64: Steele et al. 2014
HIGH, LOW = np.uint64(32), np.uint64(29)


def stirred(hashes: Hashes) -> Hashes:
    """Mix every bit of each number into its others, in place; two numbers stay two."""
    hashes *= FIRST
    hashes ^= hashes >> HIGH
    hashes *= SECOND
    hashes ^= hashes >> LOW
    return hashes


def stirred_one(number: int) -> int:
    """Mix one number as `stirred` does."""
    return int(stirred(np.array([number % MODULUS], dtype=np.uint64))[0])


@lru_cache(maxsize=1)
def _places() -> Hashes:
    places = stirred(stirred(np.arange(1, BLOCK + 1, dtype=np.uint64)))
    places.flags.writeable = False
    return places


def row_hashes(start: int, rows: int) -> Hashes:
    """Return (rows,) hashes of the addresses of a block's rows, which begin at a multiple of BLOCK."""
    return _places()[:rows] + np.uint64(stirred_one(start // BLOCK + 1))


def text_hash(text: str) -> int:
    """Return a 64-bit hash of a text."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest())


def bits(values: NDArray[Any]) -> Hashes:
    """View (rows,) float64 or int64 values as their bits; every NaN as the same."""
    if values.dtype.kind == "f" and np.isnan(np.minimum.reduce(values, initial=0.0)):
        values = np.where(np.isnan(values), np.nan, values)
    return np.ascontiguousarray(values).view(np.uint64)


def fingerprint(hashes: Hashes, columns: Iterable[Hashes]) -> int:
    """Return the sum of the hashes of rows, from those of their addresses or keys (taken over) and their columns."""
    for column in columns:
        hashes ^= column
        hashes = stirred(hashes)
    return int(np.add.reduce(hashes))
