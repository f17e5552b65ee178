"""Join: rows of several tables paired by a key that stands exactly once in each.

Tables whose keys ascend alike are read in step; the rows of others are parted into buckets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.io.buckets import Buckets
from lossctl.io.column import Keys, Kind, Table, keys_of
from lossctl.io.instep import InStep, Rows, Wanted


class Joined:
    """Tables whose rows belong together by a key."""

    def __init__(self, tables: Sequence[Table], key: str, threads: int, keep_rows: bool = False) -> None:
        self.tables = tables
        self.key = key
        self.threads = threads
        self.keep_rows = keep_rows
        self._buckets: Buckets | None = None

    def feeds(self, wanted: Wanted, parts: int) -> list[Iterator[Rows]]:
        """Return at most `parts` streams that have all rows between them."""
        if self._ascend_alike():
            return InStep(self.tables, self.key).feeds(wanted, parts)
        self._buckets = Buckets(self.tables, self.key, wanted, self.threads, self.keep_rows)
        return [self._buckets.feed()]

    def row_of(self, place: int, address: int) -> int:
        """Return the row of a table that stands at an address."""
        return address if self._buckets is None else self._buckets.row_of(place, address)

    def rows_at(self, addresses: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of the first table that stand at addresses of one block."""
        return addresses if self._buckets is None else self._buckets.rows_at(addresses)

    def _ascend_alike(self) -> bool:
        """Whether all tables hold the same ascending keys; they are read only as far as they do."""
        wanted = [(place, {self.key: Kind.KEY}) for place in range(len(self.tables))]
        last = None
        for rows in InStep(self.tables).feeds(wanted, 1)[0]:
            _, pieces, stopped = rows.decoded()
            if stopped is not None:
                return False
            first, *others = (keys_of(piece, self.key) for _, piece in pieces)
            if not ascends(last, first.order) or not all(same_keys(first, other) for other in others):
                return False
            last = first.order
        return True


def ascends(before: Any, order: Any) -> bool:
    """Whether keys ascend, also from the last of those `before`; text by its code points."""
    if order is None or (before is not None and type(before) is not type(order)):
        return False
    if isinstance(order, np.ndarray):
        return bool((order[1:] > order[:-1]).all()) and (before is None or bool(before[-1] < order[0]))
    import pyarrow.compute as pc

    rise = len(order) == 1 or pc.all(pc.less(order[:-1], order[1:])).as_py()
    return rise and (before is None or before[-1].as_py() < order[0].as_py())


def same_keys(left: Keys, right: Keys) -> bool:
    """Whether two pieces hold the same keys in the same order."""
    if right.null is not None or (left.hashes != right.hashes).any():
        return False
    return (left.check is None) == (right.check is None) and (
        left.check is None or right.check is None or not (left.check != right.check).any()
    )
