"""Bootstrap sums: every row gets a Poisson number of copies in each replicate, from a hash of the row itself.

So replicates are the same however rows are cut into blocks, shared among threads or ordered, and every model has the
same ones (Chamandy, Muralidharan, Najmi & Naidu 2012, Estimating uncertainty for massive data streams). Rows that
share a unit, such as those of one cluster, are copied together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lossctl.core.block import Hashes
from lossctl.numerics import double
from lossctl.numerics.array import Array
from lossctl.numerics.double import Pair

# P(0 copies), P(1 copy), ... of a Poisson variable of mean 1 in 65,536ths, rounded so that mean and variance are 1
COPIES: Final = np.repeat(np.arange(9.0), [24109, 24110, 12055, 4017, 1005, 201, 34, 4, 1])
PER_HASH: Final = 4  # replicates that share the bits of one hash
CHUNK: Final = 32  # replicates at a time
BITS: Final = 32  # digits of a line's leading part: with 8 copies of 65,536 rows its sums are exact
STEP: Final = 0x9E3779B97F4A7C15
SMALLEST: Final = -1074


def mixed(numbers: Hashes) -> Hashes:
    """Mix the bits of 64-bit numbers (the finaliser of splitmix64; Steele, Lea & Flood 2014)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def copies(units: Hashes, seed: int, resamples: int) -> Iterator[tuple[slice, Array]]:
    """Yield for some replicates at a time the number of copies of each unit, (replicates, units)."""
    start = mixed(np.array([seed % (1 << 64)], dtype=np.uint64))
    rows = mixed(units + start)
    for first in range(0, resamples, CHUNK):
        last = min(first + CHUNK, resamples)
        steps = [np.uint64((place + 1) * STEP % (1 << 64)) for place in range(first // PER_HASH, -(-last // PER_HASH))]
        hashes = np.stack([mixed(rows + step) for step in steps])
        fields = hashes.view(np.uint16).reshape(len(steps), len(rows), PER_HASH)
        yield slice(first, last), COPIES[fields.transpose(0, 2, 1).reshape(-1, len(rows))[: last - first]]


def split(line: Array) -> tuple[Array, Array]:
    """Cut a finite line into two of `BITS` digits each, whose sums over a block are exact in any order."""
    top = max(float(np.maximum.reduce(line, initial=0.0)), -float(np.minimum.reduce(line, initial=0.0)))
    exponent = math.frexp(top)[1]
    first, second = (math.ldexp(1.0, max(exponent - digits, SMALLEST)) for digits in (BITS, 2 * BITS))
    high = np.rint(line / first) * first
    return high, np.rint((line - high) / second) * second


class Replicates:
    """Sums of a block's lines, (replicates, lines + 1) pairs of floats by group; the last line counts the rows."""

    def __init__(self, lines: int, resamples: int) -> None:
        self.lines, self.resamples = lines, resamples
        self.sums: dict[int, Pair] = {}

    def take(self, lines: Array, units: Hashes, codes: NDArray[np.int64], seed: int) -> None:
        """Add up one block of (lines, rows) values by the (rows,) codes of groups."""
        if not len(codes):
            return
        order = np.argsort(codes, kind="stable")
        present, starts = np.unique(codes[order], return_index=True)
        ordered = np.concatenate([np.where(np.isfinite(lines), lines, 0.0), np.ones((1, len(codes)))])[:, order]
        halves = zip(*map(split, ordered), strict=True)
        digits = [np.ascontiguousarray(np.stack(half).T) for half in halves]
        shape = (self.resamples, self.lines + 1)
        sums = {int(code): (np.zeros(shape), np.zeros(shape)) for code in present}
        for place, counts in copies(units[order], seed, self.resamples):
            for code, start, stop in zip(present, starts, [*starts[1:], len(codes)], strict=True):
                for half, values in zip(sums[int(code)], digits, strict=True):
                    half[place] = counts[:, start:stop] @ values[start:stop]
        for code, (high, low) in sums.items():
            self._add(code, double.two_sum(high, low))

    def _add(self, code: int, sums: Pair) -> None:
        self.sums[code] = double.add(self.sums[code], sums) if code in self.sums else sums

    def merge(self, later: Replicates) -> Replicates:
        """Return the sums of the rows of two."""
        merged = Replicates(self.lines, self.resamples)
        merged.add(self)
        merged.add(later)
        return merged

    def add(self, later: Replicates) -> None:
        """Add the sums of later rows."""
        for code, sums in later.sums.items():
            self._add(code, sums)
