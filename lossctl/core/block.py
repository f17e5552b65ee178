"""Block: what the reading side hands to the engine, one piece of all models' rows at a fixed address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.core.breach import Breach
from lossctl.core.fingerprint import Hashes
from lossctl.errors import DataError
from lossctl.numerics.array import Array


@dataclass(frozen=True)
class Block:
    """The complete rows among `read` consecutive input rows that begin at row `start`.

    addresses: (rows,) input rows that are kept. models: model -> role -> (width, rows) values, or (rows,) class
    codes. groups: slicing name -> (rows,) codes; groups by cluster and by time have names of their own. origins:
    slicing name -> (rows,) the first target of each row's group, where a loss needs it. missing: column -> rows where
    it is null or NaN, by kind. faults: column -> rows whose text is no known label, or whose target disagrees between
    files. digest: the fingerprint of all rows read, used: of the addresses or keys of those kept. units: (rows,)
    hashes of what is resampled as one, where it is asked for. stopped: what made the rows after these unreadable.
    """

    start: int
    read: int
    addresses: NDArray[np.int64]
    models: Mapping[str, Mapping[str, NDArray[Any]]]
    weight: Array | None = None
    groups: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    origins: Mapping[str, Array] = field(default_factory=dict)
    missing: Mapping[str, Breach] = field(default_factory=dict)
    dropped: int = 0
    faults: Mapping[str, Breach] = field(default_factory=dict)
    digest: int = 0
    used: int = 0
    units: Hashes | None = None
    stopped: DataError | None = None

    @property
    def rows(self) -> int:
        return len(self.addresses)

    @property
    def stop(self) -> int:
        """The address after the last row read."""
        return self.start + self.read


MakeBlock = Callable[[], Block]


def ready(block: Block) -> MakeBlock:
    """Return how to make a block that is made already."""
    return lambda: block
