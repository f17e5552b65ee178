"""Blocks of rows: Breach and Defect, what is wrong with rows; Pending, rows not decoded yet; fingerprints of rows."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Generic, Literal, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from lossctl.core.batch import BLOCK
from lossctl.core.domain import AMOUNTS, REAL, SOFTMAX_LOGITS, Box, Domain, Extent, Test
from lossctl.core.state import NEVER
from lossctl.errors import DataError
from lossctl.numerics.array import Array, Mask

RAW: Final = {"softmax": SOFTMAX_LOGITS, "renormalize": AMOUNTS}


FEW: Final = 64  # rows that mostly tell


class Breach(NamedTuple):
    """Rows outside a domain: their count and the first one; and the first row on each of two sides that clash.

    Such sides are, of a binary target, labels -1 and labels 0.
    """

    rows: int = 0
    row: int = NEVER
    first_side: int = NEVER
    second_side: int = NEVER

    def merge(self, later: Breach) -> Breach:
        return Breach(
            self.rows + later.rows,
            min(self.row, later.row),
            min(self.first_side, later.first_side),
            min(self.second_side, later.second_side),
        )

    @property
    def clash(self) -> int:
        """The first row at which rows of both sides have come, NEVER if only one has any."""
        return max(self.first_side, self.second_side)

    @property
    def first(self) -> int:
        """The first row that is wrong on either account, NEVER if none is."""
        return min(self.row, self.clash)


def breach(domain: Domain, values: NDArray[Any], addresses: NDArray[np.int64], extent: Extent | None = None) -> Breach:
    """Find the rows of one role outside its domain; `addresses` are the rows' addresses, `extent` is that of values."""
    rows, row = 0, NEVER
    if not (domain.spans(extent) if extent is not None else False) and not domain.admits(values):
        outside = domain.outside(values)
        rows = int(np.count_nonzero(outside))
        row = int(addresses[np.argmax(outside)])
    return Breach(rows, row, *(first(test, values, addresses) for test in domain.sides(extent)))


def breach_of_live(
    domain: Domain,
    values: NDArray[Any],
    addresses: NDArray[np.int64],
    weight: Array | None,
    extent: Extent | None = None,
) -> Breach:
    """Find the same, without rows of zero weight: only NaN is refused there."""
    finding = breach(domain, values, addresses, extent)
    if finding == Breach() or weight is None or (weight > 0.0).all():
        return finding
    live = (weight > 0.0) | np.isnan(values).any(axis=0)
    return breach(domain, values[..., live], addresses[live]) if live.any() else Breach()


def first(test: Test, values: NDArray[Any], addresses: NDArray[np.int64]) -> int:
    """Return the address of the first row with a value that passes a test, NEVER if none does; few rows mostly tell."""
    for few in (values[..., :FEW], values):
        passes = np.logical_or.reduce(test(few), axis=0)
        if passes.any():
            return int(addresses[np.argmax(passes)])
    return NEVER


def judged(domain: Domain, role: str, activation: str) -> Domain:
    """Return the domain that the columns of a role must be in as they were read.

    A raw output may be any finite number: the activation puts it into the domain; the logit of a class
    that cannot be is -∞. Boxes are judged by the order of their corners, which every activation that fits them
    keeps.
    """
    if role != "pred" or activation == "none" or isinstance(domain, Box):
        return domain
    return RAW.get(activation, REAL)


class Defect(NamedTuple):
    """What makes rows unusable: in which table (by its place) and column, and how.

    The value is null or NaN, the text is no known label or no time, or it differs from that of the first table: the
    target, which names no column, another column, or one that by its name is a key.
    """

    table: int
    column: str
    kind: Literal["null", "nan", "label", "time", "differs", "key"]


class Gaps(NamedTuple):
    """Rows that were left out for a missing value: whose it is, and in which slices they are.

    models: model -> the rows in which it lacks a value. alone: (model, other) -> those in which the other has all, and
    the target and whatever else they share is there. slices: (slicing, group code) -> rows.
    """

    models: Counter[str]
    alone: Counter[tuple[str, str]]
    slices: Counter[tuple[str, int]]

    def merge(self, later: Gaps) -> Gaps:
        """Return the gaps of the rows of two."""
        if later is NO_GAPS:
            return self
        return Gaps(self.models + later.models, self.alone + later.alone, self.slices + later.slices)


NO_GAPS: Final = Gaps(Counter(), Counter(), Counter())


class Block(NamedTuple):
    """The complete rows among `read` consecutive input rows that begin at row `start`.

    addresses: (rows,) input rows that are kept. models: model -> role -> (width, rows) values, or (rows,) class
    codes. groups: slicing name -> (rows,) codes; groups by cluster and by time have names of their own. origins:
    slicing name -> (rows,) the middle target of each row's group, where a loss needs it.
    missing: the rows in which a value is null or NaN, faults: in which a label or target is wrong. digest: the
    fingerprint of all rows read, digest_kept: of the addresses or keys of those kept. units: (rows,) hashes of what is
    resampled as one, where it is asked for. stopped: what made the rows after these unreadable. extents: of arrays in
    `models`, by identity, as far as they are known. gaps: what is said of rows that are not kept.
    """

    start: int
    read: int
    addresses: NDArray[np.int64]
    models: Mapping[str, Mapping[str, NDArray[Any]]]
    weight: Array | None = None
    groups: Mapping[str, NDArray[np.int64]] = {}
    origins: Mapping[str, Array] = {}
    missing: Mapping[Defect, Breach] = {}
    dropped: int = 0
    faults: Mapping[Defect, Breach] = {}
    digest: int = 0
    digest_kept: int = 0
    units: Hashes | None = None
    stopped: DataError | None = None
    extents: Mapping[int, Extent] = {}
    gaps: Gaps = NO_GAPS

    @property
    def rows(self) -> int:
        return len(self.addresses)

    @property
    def counts(self) -> bool:
        """Whether a row is kept that has a positive weight."""
        return self.rows > 0 and (self.weight is None or bool((self.weight > 0.0).any()))

    @property
    def stop(self) -> int:
        """The address after the last row read."""
        return self.start + self.read

    @property
    def runs(self) -> list[int]:
        """The places at which runs of BLOCK addresses begin; a sum of each leaves no trace of how large a block is."""
        bounds = np.arange(self.start + BLOCK, self.stop, BLOCK)
        places = [0, *np.searchsorted(self.addresses, bounds).tolist()]
        return [place for place in dict.fromkeys(places) if place < self.rows]

    def first_run(self) -> Block:
        """Return the first run with a row that counts (else with any), the same however long the block is."""
        runs, first = [*self.runs, self.rows], 0 if self.weight is None else int(np.argmax(self.weight > 0.0))
        if len(runs) <= 2:
            return self
        run = bisect_right(runs, first) - 1
        return self.take(slice(runs[run], runs[run + 1]))

    def take(self, rows: slice | Mask) -> Block:
        """Return some of the kept rows; what concerns all rows read stays as it is."""
        if isinstance(rows, slice):
            return _combined([self], lambda arrays: arrays[0][..., rows])
        places = np.flatnonzero(rows)  # a mask behind another dimension is ten times as slow
        return _combined([self], lambda arrays: np.take(arrays[0], places, axis=-1))

    @staticmethod
    def joined(blocks: Sequence[Block]) -> Block:
        """Return the kept rows of several blocks as one, which for the rest is the last block."""
        return blocks[0] if len(blocks) == 1 else _combined(blocks, lambda arrays: np.concatenate(arrays, axis=-1))


ROW_ARRAYS = ("addresses", "models", "weight", "groups", "origins", "units")


Combine = Callable[[Sequence[NDArray[Any]]], NDArray[Any]]


def _combined(blocks: Sequence[Block], combine: Combine) -> Block:
    """Return the last block with arrays made of those of all; an array that models share is made once."""
    arrays: dict[int, NDArray[Any]] = {}
    fields = {name: _combined_field([getattr(block, name) for block in blocks], combine, arrays) for name in ROW_ARRAYS}
    return blocks[-1]._replace(extents={}, **fields)


def _combined_field(values: Sequence[Any], combine: Combine, arrays: dict[int, NDArray[Any]]) -> Any:
    """Make one field of a block of those of several; `arrays` are those made already, by the last one's identity."""
    last = values[-1]
    if last is None:
        return None
    if isinstance(last, Mapping):
        return {name: _combined_field([value[name] for value in values], combine, arrays) for name in last}
    if id(last) not in arrays:
        arrays[id(last)] = np.ascontiguousarray(combine(values))
    return arrays[id(last)]


class _Rows(Protocol):
    @property
    def rows(self) -> int: ...


Result = TypeVar("Result", bound=_Rows)
Next = TypeVar("Next", bound=_Rows)


class Pending(NamedTuple, Generic[Result]):
    """So many rows, not decoded yet: any thread may call `make`, which gives fewer where one cannot be read."""

    rows: int
    make: Callable[[], Result]

    def then(self, change: Callable[[Result], Next]) -> Pending[Next]:
        """Return the same rows after another step, which is pending too."""
        return Pending(self.rows, lambda: change(self.make()))


def ready(result: Result) -> Pending[Result]:
    """Return what is made already in the form of what is not."""
    return Pending(result.rows, lambda: result)


# fingerprint: a digest of rows that merges. Each row is hashed with its address or key; row hashes add modulo 2^64, so
# that blocks may come in any order, and rows that are told apart by a key too ---------------------------------------

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
    blocks = [np.uint64(stirred_one(first // BLOCK + 1)) for first in range(start, start + max(rows, 1), BLOCK)]
    if len(blocks) == 1:
        return _places()[:rows] + blocks[0]
    return (_places() + np.array(blocks)[:, np.newaxis]).reshape(-1)[:rows]


def text_hashes(texts: Iterable[str]) -> Hashes:
    """Return 64-bit hashes of texts."""
    from hashlib import blake2b  # here, as it loads OpenSSL, and a list of losses hashes nothing

    digests = b"".join([blake2b(text.encode(), digest_size=8).digest() for text in texts])
    return np.frombuffer(digests, dtype=">u8").astype(np.uint64)


def bits(values: NDArray[Any], numbers: bool = False) -> Hashes:
    """View (rows,) float64 or int64 values as their bits; every NaN as the same, unless all are `numbers`."""
    if not numbers and values.dtype.kind == "f" and np.isnan(np.minimum.reduce(values, initial=0.0)):
        values = np.where(np.isnan(values), np.nan, values)
    return np.ascontiguousarray(values).view(np.uint64)


def fingerprint(hashes: Hashes, columns: Iterable[Hashes]) -> int:
    """Return the sum of the hashes of rows, from those of their addresses or keys (taken over) and their columns."""
    for column in columns:
        hashes ^= column
        hashes = stirred(hashes)
    return int(np.add.reduce(hashes))
