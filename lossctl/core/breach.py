"""Checks of a block against domains, as findings that merge: the first row is the same for any order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.core.domain import REAL, Box, Domain
from lossctl.core.state import NEVER


@dataclass(frozen=True)
class Breach:
    """Rows outside a domain: their count, the first one, and the first row of each of two sides that clash."""

    count: int = 0
    row: int = NEVER
    left: int = NEVER
    right: int = NEVER

    def merge(self, other: Breach) -> Breach:
        return Breach(
            self.count + other.count,
            min(self.row, other.row),
            min(self.left, other.left),
            min(self.right, other.right),
        )

    @property
    def clash(self) -> int:
        """The first row at which both sides have been seen, NEVER if only one was."""
        return max(self.left, self.right)

    @property
    def first(self) -> int:
        """The first row that is wrong on either account, NEVER if none is."""
        return min(self.row, self.clash)


def breach(domain: Domain, values: NDArray[Any], addresses: NDArray[np.int64]) -> Breach:
    """Judge one role of one block; `addresses` are the row addresses."""
    count, row = 0, NEVER
    if not domain.admits(values):
        outside = domain.outside(values)
        count = int(np.count_nonzero(outside))
        row = int(addresses[np.argmax(outside)])
    sides = domain.sides(values)
    if sides is None:
        return Breach(count, row)
    left, right = (int(addresses[np.argmax(side)]) if side.any() else NEVER for side in sides)
    return Breach(count, row, left, right)


def judged(domain: Domain, role: str, activation: str) -> Domain:
    """Return the domain that the columns of a role must be in as they were read.

    A raw output may be any finite number: the activation puts it into the domain. Boxes are judged by the
    order of their corners, which every activation that fits them keeps.
    """
    return domain if role != "pred" or activation == "none" or isinstance(domain, Box) else REAL
