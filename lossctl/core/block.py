"""Block: one piece of all models' rows at a fixed address, from the reading side to the engine; Pending: to come."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from lossctl.core.breach import Breach
from lossctl.core.fingerprint import Hashes
from lossctl.errors import DataError
from lossctl.numerics.array import Array, Mask


class Defect(NamedTuple):
    """What makes rows unusable: in which table (by its place) and column, and how.

    The value is null or NaN, the text is no known label, or the target differs from that of the first table; this
    last one names no column.
    """

    table: int
    column: str
    kind: Literal["null", "nan", "label", "differs"]


@dataclass(frozen=True)
class Block:
    """The complete rows among `read` consecutive input rows that begin at row `start`.

    addresses: (rows,) input rows that are kept. models: model -> role -> (width, rows) values, or (rows,) class
    codes. groups: slicing name -> (rows,) codes; groups by cluster and by time have names of their own. origins:
    slicing name -> (rows,) the first target of each row's group, where a loss needs it.
    missing: the rows in which a value is null or NaN, faults: in which a label or target is wrong. digest: the
    fingerprint of all rows read, digest_kept: of the addresses or keys of those kept. units: (rows,) hashes of what is
    resampled as one, where it is asked for. stopped: what made the rows after these unreadable.
    """

    start: int
    read: int
    addresses: NDArray[np.int64]
    models: Mapping[str, Mapping[str, NDArray[Any]]]
    weight: Array | None = None
    groups: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    origins: Mapping[str, Array] = field(default_factory=dict)
    missing: Mapping[Defect, Breach] = field(default_factory=dict)
    dropped: int = 0
    faults: Mapping[Defect, Breach] = field(default_factory=dict)
    digest: int = 0
    digest_kept: int = 0
    units: Hashes | None = None
    stopped: DataError | None = None

    @property
    def rows(self) -> int:
        return len(self.addresses)

    @property
    def stop(self) -> int:
        """The address after the last row read."""
        return self.start + self.read

    def take(self, rows: slice | Mask) -> Block:
        """Return some of the kept rows; what concerns all rows read stays as it is."""
        return _combined([self], lambda arrays: arrays[0][..., rows])

    @staticmethod
    def joined(blocks: Sequence[Block]) -> Block:
        """Return the kept rows of several blocks as one, which for the rest is the last block."""
        return blocks[0] if len(blocks) == 1 else _combined(blocks, lambda arrays: np.concatenate(arrays, axis=-1))


ROW_ARRAYS = ("addresses", "models", "weight", "groups", "origins", "units")


def _combined(blocks: Sequence[Block], combine: Callable[[Sequence[NDArray[Any]]], NDArray[Any]]) -> Block:
    """Return the last block with arrays made of those of all; an array that models share is made once."""
    arrays: dict[int, NDArray[Any]] = {}

    def new(values: Sequence[Any]) -> Any:
        last = values[-1]
        if last is None:
            return None
        if isinstance(last, Mapping):
            return {name: new([value[name] for value in values]) for name in last}
        if id(last) not in arrays:
            arrays[id(last)] = np.ascontiguousarray(combine(values))
        return arrays[id(last)]

    return replace(blocks[-1], **{name: new([getattr(block, name) for block in blocks]) for name in ROW_ARRAYS})


class _Rows(Protocol):
    @property
    def rows(self) -> int: ...


Result = TypeVar("Result", bound=_Rows)
Next = TypeVar("Next", bound=_Rows)


@dataclass(frozen=True)
class Pending(Generic[Result]):
    """So many rows, not decoded yet: any thread may call `make`, which gives fewer where one cannot be read."""

    rows: int
    make: Callable[[], Result]

    def then(self, change: Callable[[Result], Next]) -> Pending[Next]:
        """Return the same rows after another step, which is pending too."""
        return Pending(self.rows, lambda: change(self.make()))


def ready(result: Result) -> Pending[Result]:
    """Return what is made already in the form of what is not."""
    return Pending(result.rows, lambda: result)
